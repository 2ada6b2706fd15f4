/* test_batch_items.c - items of all kinds in one batch, over real sockets, with two workers. What
 * makes a batch a batch is in test_batch.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"
#include "batch_client.h"

enum { DEPOSIT = 1, TRANSFER = 5, ACCOUNTS = 16, TRANSFERS = 4096 };

struct fixture {
    struct api api;
    struct batch_body body;
    struct batch_answer answer;
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

/* The answer to some lines; `query` "" or with its question mark. */
static void send_lines(struct fixture *fixture, const char *query)
{
    int status = batch_client_post(fixture->api.server.port, query, BATCH_CLIENT_NDJSON,
                                   &fixture->body, &fixture->answer);
    if (status != 200)
        fail_msg("%d %s", status, fixture->answer.bytes);
}

static void call_line(struct fixture *fixture, const char *query, const char *line)
{
    fixture->body.length = 0;
    batch_body_add(&fixture->body, "%s\n", line);
    send_lines(fixture, query);
}

static void assert_contains(const char *line, const char *text)
{
    if (strstr(line, text) == NULL)
        fail_msg("%s is not in %s", text, line);
}

static void freeze(const struct api *api, const char *account)
{
    struct http_response response;
    char path[64];
    snprintf(path, sizeof(path), "/accounts/%s", account);
    assert_int_equal(
        http_call(api->server.port, "PATCH", path, API_JSON, "{\"status\":\"frozen\"}", &response),
        200);
}

/* --- what each kind is, and may not be ---------------------------------------------------- */

static void item__of_each_kind_is_applied(void **state)
{
    struct fixture *fixture = *state;
    char id[100];
    char line[256];
    api_open_account(&fixture->api, "k-a", "100.00");
    api_open_account(&fixture->api, "k-b", "0");
    api_open_account(&fixture->api, "k-c", "100.00");
    api_open_account(&fixture->api, "k-d", "0");
    api_open_account(&fixture->api, "k-e", "100.00");
    fixture->body.length = 0;
    batch_body_add(
        &fixture->body,
        "{\"type\":\"Transfer\",\"from\":\"k-a\",\"to\":\"k-b\",\"amount\":\"10.00\","
        "\"expectedFromVersion\":1,\"key\":\"t\"}\n"
        "{\"type\":\"posting\",\"legs\":[{\"account\":\"k-c\",\"type\":\"Debit\",\"amount\":5},"
        "{\"account\":\"k-d\",\"type\":\"Credit\",\"amount\":5}],\"key\":\"p\"}\n"
        "{\"type\":\"Hold\",\"account\":\"k-e\",\"amount\":\"20.00\",\"expiresIn\":3600,"
        "\"key\":\"h\"}\n"
        "{\"type\":\"Hold\",\"account\":\"k-e\",\"amount\":\"30.00\"}\n");
    send_lines(fixture, "");
    char *rest = fixture->answer.bytes;
    const char *transfer = batch_answer_next_line(&rest);
    assert_contains(transfer, "\"type\":\"Transfer\",\"from\":\"k-a\",\"to\":\"k-b\","
                              "\"amount\":10.00,\"newBalance\":90.00,\"newVersion\":2,");
    assert_contains(transfer, "\"status\":201}");
    const char *posting = batch_answer_next_line(&rest);
    assert_contains(posting, "\"type\":\"Posting\",\"legs\":2,\"account\":\"k-c\","
                             "\"newBalance\":95.00,\"newVersion\":2,");
    const char *held = batch_answer_next_line(&rest);
    assert_contains(held, "\"type\":\"Hold\",\"account\":\"k-e\",\"amount\":20.00,"
                          "\"newAvailable\":80.00,\"newVersion\":2,\"expiresAt\":");
    assert_int_equal(sscanf(held, "{\"id\":\"%99[^\"]", id), 1);
    snprintf(line, sizeof(line),
             "{\"type\":\"Capture\",\"hold\":\"%s\",\"amount\":\"15.00\",\"to\":\"k-b\","
             "\"key\":\"c\"}",
             id);
    held = batch_answer_next_line(&rest);
    assert_int_equal(sscanf(held, "{\"id\":\"%99[^\"]", id), 1);
    call_line(fixture, "", line);
    assert_contains(fixture->answer.bytes, "\"type\":\"Capture\",\"hold\":\"hold");
    assert_contains(fixture->answer.bytes, "\"account\":\"k-e\",\"to\":\"k-b\",\"amount\":15.00,"
                                           "\"newBalance\":85.00,");
    snprintf(line, sizeof(line), "{\"type\":\"Void\",\"hold\":\"%s\",\"key\":\"v\"}", id);
    call_line(fixture, "", line);
    assert_contains(fixture->answer.bytes, "\"type\":\"Void\"");
    assert_contains(fixture->answer.bytes, "\"amount\":30.00,\"newAvailable\":85.00,");
    api_assert_balance(&fixture->api, "k-b", "25.00 3");
}

/* The accounts are "r-a", with 10.00, "r-b", with nothing, and "r-cold", which is frozen. */
static const struct {
    const char *item;
    int status;
    const char *code;
    const char *rest; /* of its result */
} rows[] = {
    {"{\"type\":\"Transfer\",\"from\":\"r-a\",\"to\":\"r-b\",\"amount\":11}", 422,
     "insufficient_balance", "\"field\":\"amount\",\"account\":\"r-a\""},
    {"{\"type\":\"Transfer\",\"from\":\"r-a\",\"to\":\"r-a\",\"amount\":1}", 400, "invalid_request",
     "\"field\":\"to\""},
    {"{\"type\":\"Transfer\",\"from\":\"r-a\",\"to\":\"nobody\",\"amount\":1}", 404,
     "account_not_found", "\"field\":\"to\",\"account\":\"nobody\""},
    {"{\"type\":\"Transfer\",\"from\":\"r-a\",\"to\":\"r-b\",\"amount\":1,\"expectedToVersion\":9}",
     409, "version_mismatch", "\"field\":\"expectedToVersion\",\"account\":\"r-b\""},
    {"{\"type\":\"Transfer\",\"to\":\"r-b\",\"amount\":1}", 400, "invalid_request",
     "\"field\":\"from\""},
    {"{\"type\":\"Transfer\",\"from\":\"r-a\",\"to\":\"r-b\"}", 400, "invalid_request",
     "\"field\":\"amount\""},
    {"{\"type\":\"Transfer\",\"from\":\"r-a\",\"to\":\"r-b\",\"amount\":1,\"account\":\"r-a\"}",
     400, "invalid_request", "\"field\":\"account\""},
    {"{\"type\":\"Transfer\",\"from\":\"r-cold\",\"to\":\"r-b\",\"amount\":1}", 422,
     "account_frozen", "\"field\":\"from\",\"account\":\"r-cold\""},
    {"{\"type\":\"Posting\"}", 400, "invalid_request", "\"field\":\"legs\""},
    {"{\"type\":\"Posting\",\"legs\":[{\"account\":\"r-a\",\"type\":\"Debit\",\"amount\":1}]}", 400,
     "invalid_request", "\"field\":\"legs\""},
    {"{\"type\":\"Posting\",\"legs\":[{\"account\":\"r-a\",\"type\":\"Debit\",\"amount\":1},"
     "{\"account\":\"r-b\",\"type\":\"Credit\",\"amount\":0}]}",
     400, "invalid_request", "\"field\":\"legs[1].amount\""},
    {"{\"type\":\"Posting\",\"legs\":[{\"account\":\"r-a\",\"type\":\"Debit\",\"amount\":1},"
     "{\"account\":\"r-b\",\"type\":\"Credit\",\"amount\":2}]}",
     422, "unbalanced", "\"field\":\"legs\""},
    /* a result names an account that only its item knew */
    {"{\"type\":\"Posting\",\"legs\":[{\"account\":\"r-b\",\"type\":\"Credit\",\"amount\":11},"
     "{\"account\":\"r-a\",\"type\":\"Debit\",\"amount\":11}]}",
     422, "insufficient_balance", "\"leg\":1,\"field\":\"legs[1].amount\",\"account\":\"r-a\""},
    {"{\"type\":\"Hold\",\"account\":\"r-a\",\"amount\":11}", 422, "insufficient_balance", ""},
    {"{\"type\":\"Hold\",\"account\":\"r-a\",\"amount\":1,\"expiresIn\":0}", 400, "invalid_request",
     "\"field\":\"expiresIn\""},
    {"{\"type\":\"Hold\",\"amount\":1}", 400, "invalid_request", "\"field\":\"account\""},
    {"{\"type\":\"Capture\",\"hold\":\"hold1:r-a\"}", 404, "hold_not_found", ""},
    {"{\"type\":\"Capture\",\"hold\":\"txn1\"}", 400, "invalid_request", "\"field\":\"hold\""},
    {"{\"type\":\"Capture\",\"hold\":1}", 400, "invalid_request", "\"field\":\"hold\""},
    {"{\"type\":\"Capture\"}", 400, "invalid_request", "\"field\":\"hold\""},
    {"{\"type\":\"Capture\",\"hold\":\"hold1:r-a\",\"amount\":0}", 400, "invalid_request",
     "\"field\":\"amount\""},
    {"{\"type\":\"Void\",\"hold\":\"hold1:r-a\"}", 404, "hold_not_found", ""},
    {"{\"type\":\"Void\",\"hold\":\"hold1:r-a\",\"amount\":1}", 400, "invalid_request",
     "\"field\":\"amount\""},
    {"{\"type\":\"Void\",\"hold\":\"hold1:r-a\",\"type\":\"Void\"}", 400, "invalid_request",
     "\"field\":\"type\""},
    {"{\"type\":\"Reverse\",\"account\":\"r-a\"}", 400, "invalid_request",
     "must be Deposit, Withdraw, Transfer, Posting, Hold, Capture or Void\""},
    {"{\"type\":\"Transfer\",\"from\":\"r-a\",\"to\":\"r-b\",\"amount\":1,\"key\":\"\"}", 400,
     "invalid_request", "\"field\":\"key\""},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void item__that_is_wrong_says_where(void **state)
{
    struct fixture *fixture = *state;
    char text[64];
    api_open_account(&fixture->api, "r-a", "10.00");
    api_open_account(&fixture->api, "r-b", "0");
    api_open_account(&fixture->api, "r-cold", "10.00");
    freeze(&fixture->api, "r-cold");
    fixture->body.length = 0;
    for (size_t i = 0; i < ROWS; i++)
        batch_body_add(&fixture->body, "%s\n", rows[i].item);
    send_lines(fixture, "");
    char *rest = fixture->answer.bytes;
    for (size_t i = 0; i < ROWS; i++) {
        const char *line = batch_answer_next_line(&rest);
        assert_non_null(line);
        snprintf(text, sizeof(text), "\"code\":\"%s\"", rows[i].code);
        assert_contains(line, text);
        snprintf(text, sizeof(text), "\"status\":%d}", rows[i].status);
        assert_contains(line, text);
        assert_contains(line, rows[i].rest);
    }
    api_assert_balance(&fixture->api, "r-a", "10.00 1");
    api_assert_balance(&fixture->api, "r-b", "0.00 1");
}

/* --- keys --------------------------------------------------------------------------------- */

static void key__is_one_in_a_batch_and_across_connections(void **state)
{
    struct fixture *fixture = *state;
    struct http_response response;
    static const char body[] = "{\"from\":\"y-a\",\"to\":\"y-b\",\"amount\":\"1.00\"}";
    api_open_account(&fixture->api, "y-a", "10.00");
    api_open_account(&fixture->api, "y-b", "0");
    fixture->body.length = 0;
    for (unsigned i = 0; i < 3; i++)
        batch_body_add(&fixture->body,
                       "{\"type\":\"Transfer\",\"from\":\"y-a\",\"to\":\"y-b\",\"amount\":\"%u.00\""
                       ",\"key\":\"same\"}\n",
                       i < 2 ? 1 : 2);
    send_lines(fixture, "");
    char *rest = fixture->answer.bytes;
    assert_contains(batch_answer_next_line(&rest), "Z\",\"status\":201}");
    assert_contains(batch_answer_next_line(&rest), "\"status\":201,\"replayed\":true}");
    assert_contains(batch_answer_next_line(&rest), "\"code\":\"idempotency_key_reused\"");
    assert_int_equal(http_call(fixture->api.server.port, "POST", "/transfers",
                               API_JSON "Idempotency-Key: same\r\n", body, &response),
                     201);
    api_assert_header(&response, "Idempotency-Replayed", "true");
    api_assert_balance(&fixture->api, "y-a", "9.00 2");
    api_assert_balance(&fixture->api, "y-b", "1.00 2");
}

/* --- parameters --------------------------------------------------------------------------- */

static void dry_run__changes_nothing_and_takes_no_key(void **state)
{
    struct fixture *fixture = *state;
    static const char line[] = "{\"type\":\"Transfer\",\"from\":\"d-a\",\"to\":\"d-b\","
                               "\"amount\":\"7.00\",\"key\":\"dry\"}";
    api_open_account(&fixture->api, "d-a", "10.00");
    api_open_account(&fixture->api, "d-b", "0");
    fixture->body.length = 0;
    batch_body_add(&fixture->body, "%s\n%s\n", line, line);
    send_lines(fixture, "?dryRun=true");
    char *rest = fixture->answer.bytes;
    /* each alone: the second finds what the first one found */
    for (unsigned i = 0; i < 2; i++)
        assert_string_equal(batch_answer_next_line(&rest),
                            "{\"type\":\"Transfer\",\"from\":\"d-a\",\"to\":\"d-b\","
                            "\"amount\":7.00,\"newBalance\":3.00,\"newVersion\":2,"
                            "\"dryRun\":true,\"status\":200}");
    api_assert_balance(&fixture->api, "d-a", "10.00 1");
    call_line(fixture, "", line);
    assert_contains(fixture->answer.bytes, "Z\",\"status\":201}");
    api_assert_balance(&fixture->api, "d-a", "3.00 2");
}

static void as_admin__moves_what_is_frozen(void **state)
{
    struct fixture *fixture = *state;
    static const char line[] = "{\"type\":\"Deposit\",\"account\":\"f-a\",\"amount\":\"1.00\"}";
    api_open_account(&fixture->api, "f-a", "0");
    freeze(&fixture->api, "f-a");
    call_line(fixture, "", line);
    assert_contains(fixture->answer.bytes, "\"code\":\"account_frozen\"");
    call_line(fixture, "?asAdmin=true", line);
    assert_contains(fixture->answer.bytes, "\"status\":201}");
    fixture->body.length = 0;
    batch_body_add_entry(&fixture->body, DEPOSIT, "f-a", "", 100, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(batch_client_post(fixture->api.server.port, i == 0 ? "" : "?asAdmin=true",
                                           BATCH_CLIENT_BINARY, &fixture->body, &fixture->answer),
                         200);
        assert_int_equal(batch_answer_result(&fixture->answer, 0).status, i == 0 ? 34 : 0);
    }
    assert_int_equal(batch_client_post(fixture->api.server.port, "?asAdmin=yes", API_JSON,
                                       &fixture->body, &fixture->answer),
                     400);
    assert_contains(fixture->answer.bytes, "\"field\":\"asAdmin\"");
}

/* --- transfers in bulk -------------------------------------------------------------------- */

static void open_accounts(struct fixture *fixture, const char *prefix)
{
    char id[32];
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(id, sizeof(id), "%s%u", prefix, i);
        api_open_account(&fixture->api, id, "1000.00");
    }
}

static int64_t balance_of(const struct fixture *fixture, const char *prefix, unsigned i)
{
    struct http_response response;
    char path[64];
    snprintf(path, sizeof(path), "/accounts/%s%u/balance", prefix, i);
    assert_int_equal(http_call(fixture->api.server.port, "GET", path, "", NULL, &response), 200);
    return (int64_t)api_number(&response, "balance");
}

/* Accounts of both workers by turns, round in a circle: in the end each has what it had. */
static void transfers__over_two_workers_are_all_applied(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    char from[32];
    char to[32];
    char key[32];
    open_accounts(fixture, "tr");
    for (unsigned round = 0; round < 2; round++) {
        body->length = 0;
        for (unsigned i = 0; i < TRANSFERS; i++) {
            snprintf(from, sizeof(from), "tr%u", i % ACCOUNTS);
            snprintf(to, sizeof(to), "tr%u", (i * 7 + 1) % ACCOUNTS);
            if (strcmp(from, to) == 0)
                snprintf(to, sizeof(to), "tr%u", (i + 1) % ACCOUNTS);
            snprintf(key, sizeof(key), "tr-%u", i);
            batch_body_add_transfer(body, from, to, key, 1);
        }
        assert_int_equal(batch_client_post(fixture->api.server.port, "", BATCH_CLIENT_BINARY, body,
                                           &fixture->answer),
                         200);
        for (unsigned i = 0; i < TRANSFERS; i++) {
            struct batch_result result = batch_answer_result(&fixture->answer, i);
            if (result.status != 0 || result.flags != round || result.index != i)
                fail_msg("%u: status %u, flags %u", i, result.status, result.flags);
        }
    }
    int64_t total = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++)
        total += balance_of(fixture, "tr", i);
    assert_true(total > 15900 && total <= 16000); /* whole units of each are counted */
}

static void transfer__that_is_refused_says_which_account(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    static const struct {
        unsigned status;
        unsigned leg;
    } expected[] = {{50, 0}, {30, 1}, {30, 0}, {40, 1}, {0, 0}};
    api_open_account(&fixture->api, "l-a", "1.00");
    api_open_account(&fixture->api, "l-b", "5.00");
    body->length = 0;
    batch_body_add_transfer(body, "l-a", "l-b", "", 101);
    batch_body_add_transfer(body, "l-a", "nobody", "", 1);
    batch_body_add_transfer(body, "nobody", "l-b", "", 1);
    batch_body_add_transfer(body, "l-a", "l-b", "", 1);
    char *entry = body->bytes + 3 * BATCH_CLIENT_ENTRY_BYTES;
    entry[1] = 2; /* expects a version of the other account */
    entry[24] = 9;
    batch_body_add_transfer(body, "l-a", "l-b", "", 100);
    assert_int_equal(batch_client_post(fixture->api.server.port, "", BATCH_CLIENT_BINARY, body,
                                       &fixture->answer),
                     200);
    for (unsigned i = 0; i < 5; i++) {
        struct batch_result result = batch_answer_result(&fixture->answer, i);
        assert_int_equal(result.status, expected[i].status);
        assert_int_equal(result.leg, expected[i].leg);
    }
    assert_int_equal(batch_answer_result(&fixture->answer, 4).balance, 0);
    assert_int_equal(batch_answer_result(&fixture->answer, 4).version, 2);
    api_assert_balance(&fixture->api, "l-b", "6.00 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item__of_each_kind_is_applied),
        cmocka_unit_test(item__that_is_wrong_says_where),
        cmocka_unit_test(key__is_one_in_a_batch_and_across_connections),
        cmocka_unit_test(dry_run__changes_nothing_and_takes_no_key),
        cmocka_unit_test(as_admin__moves_what_is_frozen),
        cmocka_unit_test(transfers__over_two_workers_are_all_applied),
        cmocka_unit_test(transfer__that_is_refused_says_which_account),
    };
    return cmocka_run_group_tests_name("batch_items", tests, start, stop);
}
