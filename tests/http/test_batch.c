/* test_batch.c - POST /batch in its three forms, over real sockets, with two workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api_fixture.h"
#include "batch_client.h"

enum { DEPOSIT = 1, WITHDRAW = 2, ACCOUNTS = 16 };

struct fixture {
    struct api api;
    struct batch_body body;
    struct batch_answer answer;
    char lines[sizeof(((struct batch_answer *)NULL)->bytes)];
};

static int start(void **state)
{
    static const char *const arguments[] = {"--workers", "2", NULL};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    api_start(&fixture->api, arguments);
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    api_stop(&((struct fixture *)*state)->api);
    free(*state);
    return 0;
}

static int call(struct fixture *fixture, const char *headers)
{
    return batch_client_call(fixture->api.server.port, headers, &fixture->body, &fixture->answer);
}

static int call_with(struct fixture *fixture, const char *headers, const char *body)
{
    fixture->body.length = 0;
    batch_body_add(&fixture->body, "%s", body);
    return call(fixture, headers);
}

/* Some accounts that both workers own some of: PREFIX0, PREFIX1, ... */
static void open_accounts(struct fixture *fixture, const char *prefix)
{
    char id[32];
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(id, sizeof(id), "%s%u", prefix, i);
        api_open_account(&fixture->api, id, "0");
    }
}

static uint64_t number_of(const char *line, const char *member)
{
    char text[64];
    snprintf(text, sizeof(text), "\"%s\":", member);
    const char *found = strstr(line, text);
    if (found == NULL) {
        fail_msg("no %s in %s", text, line);
        return 0;
    }
    return strtoull(found + strlen(text), NULL, 10);
}

static void assert_ends(const char *line, const char *end)
{
    size_t length = strlen(line);
    if (length < strlen(end) || strcmp(line + length - strlen(end), end) != 0)
        fail_msg("%s does not end in %s", line, end);
}

/* --- one item ----------------------------------------------------------------------------- */

#define REJECTED(field)                                                                            \
    "\"code\":\"invalid_request\",\"field\":\"" field "\",\"outcome\":\"rejected\",\"status\":"    \
    "400}"

/* What an item may be, and the end of its result. The account is "one", with 100.00. */
static const struct {
    const char *item;
    const char *begin;
    const char *end;
} item_rows[] = {
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":\"1.00\",\"key\":\"r1\"}",
     "{\"id\":\"txn", "Z\",\"status\":201}"},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":\"1.00\",\"key\":\"r1\"}",
     "{\"id\":\"txn", "Z\",\"status\":201,\"replayed\":true}"},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":\"2.00\",\"key\":\"r1\"}",
     "{\"error\":\"Duplicate transaction\",\"transactionId\":\"txn",
     "\"code\":\"idempotency_key_reused\",\"field\":\"amount\",\"outcome\":\"rejected\","
     "\"status\":422}"},
    {"{\"typeOfTransaction\":\"debit\",\"account\":\"one\",\"moneyWithdraw/Deposit\":0.5,"
     "\"expectedversion\":2}",
     "{\"id\":\"txn", "Z\",\"status\":201}"},
    {"{\"type\":\"Withdraw\",\"account\":\"one\",\"amount\":1000}",
     "{\"error\":\"Insufficient Balance\",\"code\":\"insufficient_balance\",\"balance\":100.50,"
     "\"version\":3,\"outcome\":\"rejected\",\"status\":422}",
     ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":1,\"expectedVersion\":2}",
     "{\"error\":\"Version mismatch\",\"CurrentVersion\":3,\"code\":\"version_mismatch\","
     "\"outcome\":\"rejected\",\"status\":409}",
     ""},
    {"{\"type\":\"Deposit\",\"account\":\"nobody\",\"amount\":1}",
     "{\"error\":\"Account not found\",\"code\":\"account_not_found\",\"outcome\":\"rejected\","
     "\"status\":404}",
     ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":\"0.001\"}",
     "{\"error\":\"The amount has more decimals than the account's currency, or is out of "
     "range\"," REJECTED("amount"),
     ""},
    {"{\"account\":\"one\",\"amount\":1}",
     "{\"error\":\"\\\"type\\\" is missing\"," REJECTED("type"), ""},
    {"{\"type\":\"Open\",\"account\":\"one\",\"amount\":1}",
     "{\"error\":\"\\\"type\\\" must be Deposit, Withdraw, Transfer, Posting, Hold, Capture or "
     "Void\"," REJECTED("type"),
     ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\"}",
     "{\"error\":\"\\\"amount\\\" is missing\"," REJECTED("amount"), ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":-1}",
     "{\"error\":\"\\\"amount\\\" must be greater than zero\"," REJECTED("amount"), ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":true}",
     "{\"error\":\"\\\"amount\\\" must be a number or a string\"," REJECTED("amount"), ""},
    {"{\"type\":\"Deposit\",\"amount\":1}",
     "{\"error\":\"\\\"account\\\" is missing\"," REJECTED("account"), ""},
    {"{\"type\":\"Deposit\",\"account\":5,\"amount\":1}",
     "{\"error\":\"\\\"account\\\" must be a string\"," REJECTED("account"), ""},
    {"{\"type\":\"Deposit\",\"account\":\"no way\",\"amount\":1}",
     "{\"error\":\"An account id has 1 to 64 characters of A-Z a-z 0-9 _ . : @ -\"," REJECTED(
         "account"),
     ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":1,\"key\":\"\"}",
     "{\"error\":\"\\\"key\\\" must have 1 to 255 bytes\"," REJECTED("key"), ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":1,\"key\":7}",
     "{\"error\":\"\\\"key\\\" must be a string\"," REJECTED("key"), ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":1,\"key\":\"\\n\"}",
     "{\"error\":\"\\\"key\\\" has a control character\"," REJECTED("key"), ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":1,\"expectedVersion\":0}",
     "{\"error\":\"\\\"expectedVersion\\\" must be a whole number from 1 on\"," REJECTED(
         "expectedVersion"),
     ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":1,\"amount\":1}",
     "{\"error\":\"Field \\\"amount\\\" is given twice\"," REJECTED("amount"), ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":1,\"to\":\"two\"}",
     "{\"error\":\"Unknown field \\\"to\\\"\"," REJECTED("to"), ""},
    {"{\"type\":\"Deposit\",\"account\":\"one\",\"amount\":01}",
     "{\"error\":\"Malformed JSON at byte 44: a number with a leading zero\"," REJECTED("amount"),
     ""},
    {"{\"type\":\"Deposit\",\"account\":\"\xff\",\"amount\":1}",
     "{\"error\":\"Malformed JSON at byte 29: invalid UTF-8\"," REJECTED("account"), ""},
    {"[[[[[[[[[]]]]]]]]]",
     "{\"error\":\"Malformed JSON at byte 8: nested too deeply\"," REJECTED("body"), ""},
    {"null", "{\"error\":\"The body must be a JSON object\"," REJECTED("body"), ""},
    {"nothing",
     "{\"error\":\"Malformed JSON at byte 0: a value is missing here\"," REJECTED("body"), ""},
};

enum { ITEM_ROWS = sizeof(item_rows) / sizeof(item_rows[0]) };

static void assert_rows(char *lines)
{
    for (size_t i = 0; i < ITEM_ROWS; i++) {
        const char *line = batch_answer_next_line(&lines);
        assert_non_null(line);
        size_t length = strlen(item_rows[i].begin);
        if (strncmp(line, item_rows[i].begin, length) != 0 ||
            (item_rows[i].end[0] == '\0' && strlen(line) != length))
            fail_msg("%s: %s", item_rows[i].item, line);
        assert_ends(line, item_rows[i].end);
    }
    assert_null(batch_answer_next_line(&lines));
}

/* Good and bad ones in one batch: each gets its own, and none stops another. */
static void item__gets_what_a_single_call_would(void **state)
{
    struct fixture *fixture = *state;
    api_open_account(&fixture->api, "one", "100.00");
    fixture->body.length = 0;
    for (size_t i = 0; i < ITEM_ROWS; i++)
        batch_body_add(&fixture->body, "%s\n", item_rows[i].item);
    assert_int_equal(call(fixture, BATCH_CLIENT_NDJSON), 200);
    api_assert_header(&fixture->answer.response, "Content-Type", "application/x-ndjson");
    assert_rows(fixture->answer.bytes);
    api_assert_balance(&fixture->api, "one", "100.50 3");
}

/* The same in an array: the elements are the lines. */
static void array__is_answered_by_an_array(void **state)
{
    struct fixture *fixture = *state;
    static const char good[] = "{\"type\":\"Deposit\",\"account\":\"array\",\"amount\":1,"
                               "\"key\":\"k%u\"}";
    struct batch_body *body = &fixture->body;
    api_open_account(&fixture->api, "array", "0");
    for (unsigned form = 0; form < 2; form++) {
        body->length = 0;
        batch_body_add(body, "%s", form == 0 ? "" : " [ ");
        for (unsigned i = 0; i < 3; i++) {
            batch_body_add(body, i == 0 ? "" : form == 0 ? "\n" : " ,\r\n");
            batch_body_add(body, good, i);
        }
        batch_body_add(body, "%s", form == 0 ? "\n{:}\n5" : ",{:},5]");
        assert_int_equal(call(fixture, form == 0 ? BATCH_CLIENT_NDJSON : API_JSON), 200);
        if (form == 0)
            strcpy(fixture->lines, fixture->answer.bytes);
    }
    api_assert_header(&fixture->answer.response, "Content-Type", "application/json");
    char *lines = fixture->lines;
    const char *at = fixture->answer.bytes;
    const char *line;
    for (unsigned i = 0; (line = batch_answer_next_line(&lines)) != NULL; i++) {
        size_t shown = strlen(line) - 1;
        assert_int_equal(*at++, i == 0 ? '[' : ',');
        assert_memory_equal(at, line, shown);
        at += shown;
        /* the second batch has the first one's keys */
        if (i < 3) {
            assert_memory_equal(at, ",\"replayed\":true", 16);
            at += 16;
        }
        assert_int_equal(*at++, '}');
    }
    assert_string_equal(at, "]");
    api_assert_balance(&fixture->api, "array", "3.00 4");
    assert_int_equal(call_with(fixture, API_JSON, "[]"), 200);
    assert_string_equal(fixture->answer.bytes, "[]");
}

static void problem__and_money_are_as_the_client_prefers(void **state)
{
    struct fixture *fixture = *state;
    api_open_account(&fixture->api, "prefers", "0");
    static const char body[] = "{\"type\":\"Deposit\",\"account\":\"prefers\",\"amount\":1}\n"
                               "{\"type\":\"Withdraw\",\"account\":\"prefers\",\"amount\":7}\n";
    assert_int_equal(call_with(fixture,
                               BATCH_CLIENT_NDJSON "Prefer: money=string\r\n"
                                                   "Accept: application/problem+json\r\n",
                               body),
                     200);
    api_assert_header(&fixture->answer.response, "Preference-Applied", "money=string");
    api_assert_header(&fixture->answer.response, "Content-Type", "application/x-ndjson");
    char *rest = fixture->answer.bytes;
    const char *line = batch_answer_next_line(&rest);
    assert_non_null(strstr(line, "\"newBalance\":\"1.00\""));
    assert_ends(line, ",\"status\":201}");
    assert_string_equal(
        batch_answer_next_line(&rest),
        "{\"type\":\"urn:florin:problem:insufficient_balance\",\"title\":\"Insufficient Balance\","
        "\"status\":422,\"detail\":\"Insufficient Balance\",\"error\":\"Insufficient Balance\","
        "\"code\":\"insufficient_balance\",\"balance\":\"1.00\",\"version\":2,"
        "\"outcome\":\"rejected\"}");
}

/* --- many items --------------------------------------------------------------------------- */

static void add_deposit(struct batch_body *body, const char *prefix, unsigned i)
{
    batch_body_add(body,
                   "{\"type\":\"Deposit\",\"account\":\"%s%u\",\"amount\":\"1.00\","
                   "\"key\":\"key-%u\"}\n",
                   prefix, i % ACCOUNTS, i);
}

/* As many as may be, by turns on accounts of both workers: the i-th result is the i-th item's, and
 * what an account's items did happened in their order. A retry gets the same answers. */
static void lines__of_the_largest_batch_are_in_order(void **state)
{
    struct fixture *fixture = *state;
    open_accounts(fixture, "lines");
    fixture->body.length = 0;
    for (unsigned i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++)
        add_deposit(&fixture->body, "lines", i);
    assert_int_equal(call(fixture, BATCH_CLIENT_NDJSON), 200);
    memcpy(fixture->lines, fixture->answer.bytes, fixture->answer.length + 1);
    assert_int_equal(call(fixture, BATCH_CLIENT_NDJSON), 200);
    char *first = fixture->lines;
    char *second = fixture->answer.bytes;
    for (unsigned i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++) {
        const char *line = batch_answer_next_line(&first);
        const char *again = batch_answer_next_line(&second);
        assert_non_null(line);
        assert_non_null(again);
        assert_int_equal(number_of(line, "newVersion"), 2 + i / ACCOUNTS);
        assert_int_equal(number_of(line, "newBalance"), 1 + i / ACCOUNTS);
        assert_ends(line, ",\"status\":201}");
        assert_memory_equal(again, line, strlen(line) - 1);
        assert_string_equal(again + strlen(line) - 1, ",\"replayed\":true}");
    }
    assert_null(batch_answer_next_line(&first));
    assert_null(batch_answer_next_line(&second));
}

static void binary__results_are_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    char account[32];
    char key[32];
    open_accounts(fixture, "binary");
    for (unsigned round = 0; round < 2; round++) {
        body->length = 0;
        for (unsigned i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++) {
            snprintf(account, sizeof(account), "binary%u", i % ACCOUNTS);
            snprintf(key, sizeof(key), "key-%u", i);
            batch_body_add_entry(body, DEPOSIT, account, key, 100, 1 + i / ACCOUNTS);
        }
        assert_int_equal(call(fixture, BATCH_CLIENT_BINARY), 200);
        api_assert_header(&fixture->answer.response, "Content-Type",
                          "application/vnd.florin.batch");
        assert_int_equal(batch_answer_results(&fixture->answer), FLORIN_BATCH_ITEMS_MAX);
        for (unsigned i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++) {
            struct batch_result result = batch_answer_result(&fixture->answer, i);
            assert_int_equal(result.status, 0);
            assert_int_equal(result.flags, round);
            assert_int_equal(result.leg, 0);
            assert_int_equal(result.index, i);
            assert_true(result.transaction > 0 && result.time_ns > 0);
            assert_int_equal(result.version, 2 + i / ACCOUNTS);
            assert_int_equal(result.balance, 100 * (1 + i / ACCOUNTS));
        }
    }
    api_assert_balance(&fixture->api, "binary0", "512.00 513");
}

static void binary__refusals_have_their_numbers(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    static const struct {
        unsigned status;
        unsigned flags;
        int64_t balance;
        uint64_t version;
    } expected[] = {
        {50, 0, 1000, 1}, {40, 0, 1000, 1}, {0, 0, 900, 2}, {30, 0, 0, 0},
        {0, 1, 900, 2},   {20, 0, 900, 2},  {0, 0, 400, 3},
    };
    api_open_account(&fixture->api, "numbers", "10.00");
    body->length = 0;
    batch_body_add_entry(body, WITHDRAW, "numbers", "", 1001, 0);
    batch_body_add_entry(body, WITHDRAW, "numbers", "", 100, 2);
    batch_body_add_entry(body, WITHDRAW, "numbers", "k", 100, 1);
    batch_body_add_entry(body, DEPOSIT, "nobody", "", 1, 0);
    batch_body_add_entry(body, WITHDRAW, "numbers", "k", 100, 1);
    batch_body_add_entry(body, WITHDRAW, "numbers", "k", 101, 1);
    batch_body_add_entry(body, WITHDRAW, "numbers", "l", 500, 2);
    assert_int_equal(call(fixture, BATCH_CLIENT_BINARY), 200);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct batch_result result = batch_answer_result(&fixture->answer, i);
        assert_int_equal(result.status, expected[i].status);
        assert_int_equal(result.flags, expected[i].flags);
        if (result.status != 20) {
            assert_int_equal(result.balance, expected[i].balance);
            assert_int_equal(result.version, expected[i].version);
        }
    }
    /* a key is the same in whatever form it comes */
    struct http_response response;
    assert_int_equal(api_post(&fixture->api, "numbers", "l",
                              "{\"type\":\"Withdraw\",\"amount\":5,\"expectedVersion\":2}",
                              &response),
                     201);
    api_assert_header(&response, "Idempotency-Replayed", "true");
}

/* --- refused as a whole ------------------------------------------------------------------- */

static void assert_refused(struct fixture *fixture, const char *headers, int status,
                           const char *answer)
{
    assert_int_equal(call(fixture, headers), status);
    if (strstr(fixture->answer.bytes, answer) == NULL)
        fail_msg("%s: %s", answer, fixture->answer.bytes);
}

static void whole__that_is_no_batch_is_refused_and_nothing_is_applied(void **state)
{
    struct fixture *fixture = *state;
    static const char good[] = "{\"type\":\"Deposit\",\"account\":\"whole\",\"amount\":1}";
    static const struct {
        const char *headers;
        const char *begin;
        const char *end;
        const char *answer;
    } rows[] = {
        {API_JSON, "[", "", "the array is not closed"},
        {API_JSON, "[", ",]", "an item is missing here"},
        {API_JSON, "[", "]]", "something follows the array"},
        {API_JSON, "", "", "it must be an array of items"},
        {API_JSON, "[", ",\"]", "the array is not closed"},
    };
    api_open_account(&fixture->api, "whole", "0");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture->body.length = 0;
        batch_body_add(&fixture->body, "%s", rows[i].begin);
        for (unsigned item = 0; item < 1000; item++)
            batch_body_add(&fixture->body, item == 0 ? "%s" : ",%s", good);
        batch_body_add(&fixture->body, "%s", rows[i].end);
        assert_refused(fixture, rows[i].headers, 400, rows[i].answer);
        assert_non_null(strstr(fixture->answer.bytes, "\"field\":\"body\""));
    }
    static const char *const types[] = {API_JSON, BATCH_CLIENT_NDJSON, BATCH_CLIENT_BINARY};
    fixture->body.length = 0;
    for (size_t i = 0; i < 3; i++)
        assert_refused(fixture, types[i], 400, "The body is empty");
    api_assert_balance(&fixture->api, "whole", "0.00 1");
}

static void whole__with_too_many_items_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    api_open_account(&fixture->api, "many0", "0");
    body->length = 0;
    for (unsigned i = 0; i <= FLORIN_BATCH_ITEMS_MAX; i++)
        add_deposit(body, "many", 0);
    assert_refused(fixture, BATCH_CLIENT_NDJSON, 400, "A batch has more than 8192 items");
    for (char *byte = body->bytes; (byte = memchr(byte, '\n', 200)) != NULL; byte++)
        *byte = ',';
    memmove(body->bytes + 1, body->bytes, body->length);
    body->bytes[0] = '[';
    body->bytes[body->length] = ']';
    body->length++;
    assert_refused(fixture, API_JSON, 400, "A batch has more than 8192 items");
    body->length = 0;
    for (unsigned i = 0; i <= FLORIN_BATCH_ITEMS_MAX; i++)
        batch_body_add_entry(body, DEPOSIT, "many0", "", 1, 0);
    assert_refused(fixture, BATCH_CLIENT_BINARY, 400, "A batch has more than 8192 items");
    body->length -= BATCH_CLIENT_ENTRY_BYTES + 1;
    assert_refused(fixture, BATCH_CLIENT_BINARY, 400, "The body must have a multiple of 128 bytes");
    api_assert_balance(&fixture->api, "many0", "0.00 1");
}

static void whole__that_is_too_large_is_413(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    static const char answer[] = "\"code\":\"payload_too_large\",\"limit\":2097152,";
    for (size_t extra = 0; extra < 2; extra++) {
        memset(body->bytes, ' ', FLORIN_BATCH_BODY_MAX + extra);
        memcpy(body->bytes, "[]", 2);
        body->length = FLORIN_BATCH_BODY_MAX + extra;
        assert_refused(fixture, API_JSON, extra == 0 ? 200 : 413, extra == 0 ? "[]" : answer);
    }
    /* much larger ones are refused by their head; other calls have their own limit */
    static const char *const paths[] = {"/batch?x", "/accounts"};
    static const char *const limits[] = {"\"limit\":2097152,", "\"limit\":65536,"};
    static struct http_client client;
    struct http_response response;
    for (size_t i = 0; i < 2; i++) {
        char head[128];
        snprintf(head, sizeof(head),
                 "POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: 3000000\r\n\r\n", paths[i]);
        http_client_open(&client, fixture->api.server.port);
        assert_true(http_client_send(&client, head, strlen(head)));
        assert_true(http_client_receive(&client, &response, false));
        assert_int_equal(response.status, 413);
        api_assert_in_body(&response, limits[i]);
        http_client_close(&client);
    }
}

static void item__that_is_too_large_is_refused_alone(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    api_open_account(&fixture->api, "large0", "0");
    body->length = 0;
    add_deposit(body, "large", 0);
    batch_body_add(body, "{%*s}\n", FLORIN_BATCH_ITEM_BYTES_MAX, "");
    add_deposit(body, "large", ACCOUNTS);
    assert_int_equal(call(fixture, BATCH_CLIENT_NDJSON), 200);
    char *rest = fixture->answer.bytes;
    assert_ends(batch_answer_next_line(&rest), ",\"status\":201}");
    assert_string_equal(
        batch_answer_next_line(&rest),
        "{\"error\":\"An item of a batch has at most 4096 bytes\"," REJECTED("body"));
    assert_ends(batch_answer_next_line(&rest), ",\"status\":201}");
}

/* The last of many entries is wrong: none is applied. test_batch_entry has every field. */
static void binary__is_checked_before_anything_is_applied(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    api_open_account(&fixture->api, "checked", "0");
    body->length = 0;
    for (unsigned i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++)
        batch_body_add_entry(body, DEPOSIT, "checked", "", 1, 0);
    body->bytes[body->length - 1] = 1;
    assert_refused(fixture, BATCH_CLIENT_BINARY, 400,
                   "{\"error\":\"Entry 8191: \\\"text\\\" must be padded with zeros\","
                   "\"code\":\"invalid_request\",\"field\":\"text\",\"outcome\":\"rejected\"}");
    api_assert_balance(&fixture->api, "checked", "0.00 1");
}

static void whole__headers_and_parameters_are_checked(void **state)
{
    struct fixture *fixture = *state;
    struct http_response response;
    unsigned port = fixture->api.server.port;
    assert_int_equal(call_with(fixture, API_JSON "Idempotency-Key: k\r\n", "[]"), 400);
    assert_string_equal(fixture->answer.bytes,
                        "{\"error\":\"Each item of a batch has a key of its own\","
                        "\"code\":\"invalid_request\",\"field\":\"Idempotency-Key\","
                        "\"outcome\":\"rejected\"}");
    assert_int_equal(call_with(fixture, API_JSON "If-Match: \"1\"\r\n", "[]"), 400);
    assert_non_null(strstr(fixture->answer.bytes, "\"field\":\"If-Match\""));
    assert_int_equal(call_with(fixture, "Content-Type: text/csv\r\n", "[]"), 415);
    assert_non_null(strstr(fixture->answer.bytes,
                           "\"supported\":\"application/json, application/x-ndjson, "
                           "application/vnd.florin.batch\""));
    assert_int_equal(http_call(port, "POST", "/batch?Atomic=true", API_JSON, "[]", &response), 400);
    api_assert_in_body(&response, "\"field\":\"Atomic\"");
    assert_int_equal(http_call(port, "GET", "/batch", "", NULL, &response), 405);
    api_assert_header(&response, "Allow", "POST");
    /* a batch's types are no other call's */
    assert_int_equal(http_call(port, "POST", "/accounts", BATCH_CLIENT_NDJSON, "{}", &response),
                     415);
    api_assert_in_body(&response, "\"supported\":\"application/json\"");
}

static void metrics__count_items(void **state)
{
    struct fixture *fixture = *state;
    struct http_response response;
    unsigned port = fixture->api.server.port;
    static const char name[] = "\nflorin_batch_items_total ";
    uint64_t counts[2];
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(http_call(port, "GET", "/metrics", "", NULL, &response), 200);
        const char *found = strstr(response.body, name);
        assert_non_null(found);
        counts[i] = strtoull(found + strlen(name), NULL, 10);
        assert_int_equal(call_with(fixture, API_JSON, "[1,{},3]"), 200);
    }
    assert_int_equal(counts[1] - counts[0], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item__gets_what_a_single_call_would),
        cmocka_unit_test(array__is_answered_by_an_array),
        cmocka_unit_test(problem__and_money_are_as_the_client_prefers),
        cmocka_unit_test(lines__of_the_largest_batch_are_in_order),
        cmocka_unit_test(binary__results_are_in_order),
        cmocka_unit_test(binary__refusals_have_their_numbers),
        cmocka_unit_test(whole__that_is_no_batch_is_refused_and_nothing_is_applied),
        cmocka_unit_test(whole__with_too_many_items_is_refused),
        cmocka_unit_test(whole__that_is_too_large_is_413),
        cmocka_unit_test(item__that_is_too_large_is_refused_alone),
        cmocka_unit_test(binary__is_checked_before_anything_is_applied),
        cmocka_unit_test(whole__headers_and_parameters_are_checked),
        cmocka_unit_test(metrics__count_items),
    };
    return cmocka_run_group_tests_name("batch", tests, start, stop);
}
