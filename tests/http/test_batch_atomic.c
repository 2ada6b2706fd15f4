/* test_batch_atomic.c - POST /batch?atomic=true in its three forms: all items or none, over real
 * sockets, with two workers. */
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

enum { DEPOSIT = 1, WITHDRAW = 2 };

#define ATOMIC "?atomic=true"

struct fixture {
    struct api api;
    struct batch_body body;
    struct batch_answer answer;
};

static int start(void **state)
{
    static const char *const arguments[] = {"--workers", "2", NULL};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct http_response response;
    api_start(&fixture->api, arguments);
    for (unsigned i = 0; i < 8; i++) {
        char id[8];
        snprintf(id, sizeof(id), "w%u", i); /* some of each worker */
        api_open_account(&fixture->api, id, "10.00");
    }
    assert_int_equal(http_call(fixture->api.server.port, "POST", "/accounts", API_JSON,
                               "{\"id\":\"euro\",\"currency\":\"EUR\",\"balance\":\"10.00\"}",
                               &response),
                     201);
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    api_stop(&((struct fixture *)*state)->api);
    free(*state);
    return 0;
}

static int post(struct fixture *fixture, const char *query, const char *headers)
{
    return batch_client_post(fixture->api.server.port, query, headers, &fixture->body,
                             &fixture->answer);
}

static int post_text(struct fixture *fixture, const char *query, const char *headers,
                     const char *body)
{
    fixture->body.length = 0;
    batch_body_add(&fixture->body, "%s", body);
    return post(fixture, query, headers);
}

static void assert_contains(const struct fixture *fixture, const char *text)
{
    if (strstr(fixture->answer.bytes, text) == NULL)
        fail_msg("%s is not in %s", text, fixture->answer.bytes);
}

/* --- what is applied ---------------------------------------------------------------------- */

static const char four_kinds[] =
    "[{\"type\":\"Deposit\",\"account\":\"w0\",\"amount\":\"5.00\",\"expectedVersion\":1},"
    "{\"type\":\"Withdraw\",\"account\":\"w1\",\"amount\":2.5},"
    "{\"type\":\"Transfer\",\"from\":\"w2\",\"to\":\"w3\",\"amount\":\"1.00\"},"
    "{\"type\":\"Posting\",\"legs\":["
    "{\"account\":\"w4\",\"type\":\"Debit\",\"amount\":3},"
    "{\"account\":\"w5\",\"type\":\"Credit\",\"amount\":2},"
    "{\"account\":\"w6\",\"type\":\"Credit\",\"amount\":1}]}]";

static const char four_results[] =
    "\"type\":\"Batch\",\"results\":["
    "{\"type\":\"Deposit\",\"account\":\"w0\",\"amount\":5},"
    "{\"type\":\"Withdraw\",\"account\":\"w1\",\"amount\":2.5},"
    "{\"type\":\"Transfer\",\"from\":\"w2\",\"to\":\"w3\",\"amount\":1},"
    "{\"type\":\"Posting\",\"account\":\"w4\",\"legs\":3}]";

/* A try, then the thing itself, then a retry, and then all of it in one record. */
static void atomic__is_one_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct http_response response;
    char path[64];
    unsigned long id;
    assert_int_equal(post_text(fixture, ATOMIC "&dryRun=true", API_JSON, four_kinds), 200);
    assert_contains(fixture, four_results);
    assert_contains(fixture, "\"dryRun\":true}");
    api_assert_balance(&fixture->api, "w0", "10.00 1");
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            post_text(fixture, ATOMIC, API_JSON "Idempotency-Key: one\r\n", four_kinds), 201);
        api_assert_header(&fixture->answer.response, "Content-Type", "application/json");
        api_assert_header(&fixture->answer.response, "Idempotency-Replayed",
                          i == 0 ? NULL : "true");
        assert_contains(fixture, four_results);
        assert_contains(fixture, "\"timestamp\":\"");
    }
    assert_int_equal(sscanf(fixture->answer.bytes, "{\"id\":\"txn%lu\"", &id), 1);
    snprintf(path, sizeof(path), "/transactions/txn%lu", id);
    api_assert_header(&fixture->answer.response, "Location", path);
    static const char *const balances[] = {"15.00 2", "7.50 2",  "9.00 2", "11.00 2",
                                           "7.00 2",  "12.00 2", "11.00 2"};
    for (unsigned i = 0; i < 7; i++) {
        char account[8];
        snprintf(account, sizeof(account), "w%u", i);
        api_assert_balance(&fixture->api, account, balances[i]);
    }
    assert_int_equal(http_call(fixture->api.server.port, "GET", path, "", NULL, &response), 200);
    api_assert_in_body(&response, "\"type\":\"Batch\"");
    api_assert_in_body(&response, "\"account\":\"w6\"");
}

static void key__is_of_the_whole(void **state)
{
    struct fixture *fixture = *state;
    static const char key[] = API_JSON "Idempotency-Key: whole\r\n";
    static const char apart[] = "[{\"type\":\"Withdraw\",\"account\":\"w7\",\"amount\":1},"
                                "{\"type\":\"Deposit\",\"account\":\"w6\",\"amount\":1}]";
    static const char transfer[] =
        "[{\"type\":\"Transfer\",\"from\":\"w7\",\"to\":\"w6\",\"amount\":1}]";
    assert_int_equal(post_text(fixture, ATOMIC, key, apart), 201);
    /* the same legs, but not the same request */
    assert_int_equal(post_text(fixture, ATOMIC, key, transfer), 422);
    assert_contains(fixture, "\"code\":\"idempotency_key_reused\"");
    assert_null(strstr(fixture->answer.bytes, "\"item\""));
    /* lines are the same request */
    assert_int_equal(post_text(fixture, ATOMIC, BATCH_CLIENT_NDJSON "Idempotency-Key: whole\r\n",
                               "{\"type\":\"Withdraw\",\"account\":\"w7\",\"amount\":1}\n"
                               "{\"type\":\"Deposit\",\"account\":\"w6\",\"amount\":1}\n"),
                     201);
    api_assert_header(&fixture->answer.response, "Idempotency-Replayed", "true");
    /* a refusal is remembered, with its item */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(post_text(fixture, ATOMIC, API_JSON "Idempotency-Key: no\r\n",
                                   "[{\"type\":\"Deposit\",\"account\":\"w7\",\"amount\":1},"
                                   "{\"type\":\"Withdraw\",\"account\":\"w6\",\"amount\":9999}]"),
                         422);
        api_assert_header(&fixture->answer.response, "Idempotency-Replayed",
                          i == 0 ? NULL : "true");
        assert_contains(fixture, "\"code\":\"insufficient_balance\"");
        assert_contains(fixture, "\"item\":1}");
    }
}

/* --- what is refused ---------------------------------------------------------------------- */

#define GOOD "{\"type\":\"Deposit\",\"account\":\"x\",\"amount\":1}"

/* The second item of three: `x` has 10.00, `y` as well. */
static const struct {
    const char *item;
    int status;
    const char *code;
    const char *rest;
} rows[] = {
    {"{\"type\":\"Withdraw\",\"account\":\"y\",\"amount\":11}", 422, "insufficient_balance",
     "\"balance\":10.00,\"version\":1,\"field\":\"amount\",\"account\":\"y\""},
    {"{\"type\":\"Deposit\",\"account\":\"y\",\"amount\":1,\"expectedVersion\":2}", 409,
     "version_mismatch", "\"field\":\"expectedVersion\",\"account\":\"y\""},
    {"{\"type\":\"Deposit\",\"account\":\"nobody\",\"amount\":1}", 404, "account_not_found",
     "\"field\":\"account\",\"account\":\"nobody\""},
    {"{\"type\":\"Deposit\",\"account\":\"y\",\"amount\":\"0.001\"}", 400, "invalid_request",
     "\"field\":\"amount\""},
    {"{\"type\":\"Deposit\",\"account\":\"y\"}", 400, "invalid_request", "\"field\":\"amount\""},
    {"{\"type\":\"Deposit\",\"account\":\"y\",\"amount\":1,\"key\":\"k\"}", 400, "invalid_request",
     "\"field\":\"key\""},
    {"{\"type\":\"Hold\",\"account\":\"y\",\"amount\":1}", 400, "invalid_request",
     "\"field\":\"type\""},
    {"{\"type\":\"Void\",\"hold\":\"hold1:y\"}", 400, "invalid_request", "\"field\":\"type\""},
    {"5", 400, "invalid_request", "\"field\":\"body\""},
    {"{\"type\":\"Transfer\",\"from\":\"y\",\"to\":\"x\",\"amount\":11}", 422,
     "insufficient_balance", "\"field\":\"amount\",\"account\":\"y\""},
    {"{\"type\":\"Transfer\",\"from\":\"y\",\"to\":\"nobody\",\"amount\":1}", 404,
     "account_not_found", "\"field\":\"to\",\"account\":\"nobody\""},
    {"{\"type\":\"Transfer\",\"from\":\"y\",\"to\":\"x\",\"amount\":1,\"expectedToVersion\":7}",
     409, "version_mismatch", "\"field\":\"expectedToVersion\",\"account\":\"x\""},
    /* money does not change its currency on its way */
    {"{\"type\":\"Transfer\",\"from\":\"y\",\"to\":\"euro\",\"amount\":1}", 422,
     "currency_mismatch", "\"field\":\"to\",\"account\":\"euro\""},
    {"{\"type\":\"Posting\",\"legs\":[{\"account\":\"y\",\"type\":\"Debit\",\"amount\":1},"
     "{\"account\":\"euro\",\"type\":\"Credit\",\"amount\":1}]}",
     422, "unbalanced", "\"field\":\"legs\""},
    {"{\"type\":\"Posting\",\"legs\":[{\"account\":\"x\",\"type\":\"Credit\",\"amount\":11},"
     "{\"account\":\"y\",\"type\":\"Debit\",\"amount\":11}]}",
     422, "insufficient_balance", "\"leg\":1,\"field\":\"legs[1].amount\",\"account\":\"y\""},
};

static void one_bad_item__changes_nothing_and_is_named(void **state)
{
    struct fixture *fixture = *state;
    char text[64];
    api_open_account(&fixture->api, "x", "10.00");
    api_open_account(&fixture->api, "y", "10.00");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture->body.length = 0;
        batch_body_add(&fixture->body, "[%s,%s,%s]", GOOD, rows[i].item, GOOD);
        int status = post(fixture, ATOMIC, API_JSON);
        if (status != rows[i].status)
            fail_msg("%s: %s", rows[i].item, fixture->answer.bytes);
        snprintf(text, sizeof(text), "\"code\":\"%s\"", rows[i].code);
        assert_contains(fixture, text);
        assert_contains(fixture, rows[i].rest);
        assert_contains(fixture, ",\"item\":1}");
    }
    api_assert_balance(&fixture->api, "x", "10.00 1");
    api_assert_balance(&fixture->api, "y", "10.00 1");
    api_assert_balance(&fixture->api, "euro", "10.00 1");
}

/* Two postings that balance only together: each has to by itself. */
static void posting__balances_by_itself(void **state)
{
    struct fixture *fixture = *state;
    static const char body[] =
        "[{\"type\":\"Posting\",\"legs\":[{\"account\":\"w0\",\"type\":\"Debit\",\"amount\":1},"
        "{\"account\":\"w1\",\"type\":\"Credit\",\"amount\":2}]},"
        "{\"type\":\"Posting\",\"legs\":[{\"account\":\"w2\",\"type\":\"Debit\",\"amount\":2},"
        "{\"account\":\"w3\",\"type\":\"Credit\",\"amount\":1}]}]";
    assert_int_equal(post_text(fixture, ATOMIC, API_JSON, body), 422);
    assert_contains(fixture, "\"code\":\"unbalanced\"");
    assert_contains(fixture, ",\"item\":0}");
}

static void whole__has_its_limits(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    for (unsigned extra = 0; extra < 2; extra++) {
        body->length = 0;
        for (unsigned i = 0; i < FLORIN_LEGS_MAX / 2 - 1; i++)
            batch_body_add(body, "{\"type\":\"Transfer\",\"from\":\"w0\",\"to\":\"w1\","
                                 "\"amount\":\"0.01\"}\n");
        for (unsigned i = 0; i < 2 + extra; i++)
            batch_body_add(body, "{\"type\":\"Deposit\",\"account\":\"w7\",\"amount\":1}\n");
        int status = post(fixture, ATOMIC, BATCH_CLIENT_NDJSON);
        if (status != (extra == 0 ? 201 : 400))
            fail_msg("%u: %s", extra, fixture->answer.bytes);
    }
    assert_contains(fixture, "An atomic batch has at most 64 legs");
    assert_contains(fixture, ",\"item\":33}");
    assert_int_equal(post_text(fixture, ATOMIC, API_JSON, "[]"), 400);
    assert_contains(fixture, "at least one item");
    assert_int_equal(post_text(fixture, ATOMIC, API_JSON, "[" GOOD), 400);
    assert_contains(fixture, "the array is not closed");
    assert_int_equal(post_text(fixture, ATOMIC, API_JSON "If-Match: \"1\"\r\n", "[]"), 400);
    assert_contains(fixture, "\"field\":\"If-Match\"");
}

/* --- the binary form ---------------------------------------------------------------------- */

static void binary__has_one_result_an_entry(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    uint64_t transaction = 0;
    api_open_account(&fixture->api, "b0", "10.00");
    api_open_account(&fixture->api, "b1", "10.00");
    for (unsigned round = 0; round < 2; round++) {
        body->length = 0;
        batch_body_add_entry(body, DEPOSIT, "b0", "", 100, 1);
        batch_body_add_transfer(body, "b0", "b1", "", 250);
        batch_body_add_entry(body, WITHDRAW, "b1", "", 1, 0);
        assert_int_equal(post(fixture, ATOMIC, BATCH_CLIENT_BINARY "Idempotency-Key: b\r\n"), 200);
        assert_int_equal(batch_answer_results(&fixture->answer), 3);
        for (unsigned i = 0; i < 3; i++) {
            struct batch_result result = batch_answer_result(&fixture->answer, i);
            assert_int_equal(result.status, 0);
            assert_int_equal(result.flags, round);
            assert_int_equal(result.index, i);
            if (transaction == 0)
                transaction = result.transaction;
            assert_true(result.transaction == transaction && result.transaction != 0);
            assert_true(result.time_ns > 0);
        }
    }
    api_assert_balance(&fixture->api, "b0", "8.50 3");
    api_assert_balance(&fixture->api, "b1", "12.49 3");
}

static void binary__says_which_entry_was_refused(void **state)
{
    struct fixture *fixture = *state;
    struct batch_body *body = &fixture->body;
    static const unsigned statuses[] = {72, 36, 72};
    api_open_account(&fixture->api, "c0", "10.00");
    body->length = 0;
    batch_body_add_entry(body, DEPOSIT, "c0", "", 100, 0);
    batch_body_add_transfer(body, "c0", "euro", "", 1);
    batch_body_add_entry(body, DEPOSIT, "c0", "", 100, 0);
    assert_int_equal(post(fixture, ATOMIC, BATCH_CLIENT_BINARY), 200);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(batch_answer_result(&fixture->answer, i).status, statuses[i]);
    assert_int_equal(batch_answer_result(&fixture->answer, 1).leg, 1);
    /* a key of its own; an entry that is none */
    body->length = 0;
    batch_body_add_entry(body, DEPOSIT, "c0", "", 100, 0);
    batch_body_add_entry(body, DEPOSIT, "c0", "k", 100, 0);
    assert_int_equal(post(fixture, ATOMIC, BATCH_CLIENT_BINARY), 400);
    assert_contains(fixture, "\"field\":\"key\",\"outcome\":\"rejected\",\"item\":1}");
    body->bytes[BATCH_CLIENT_ENTRY_BYTES] = 7;
    assert_int_equal(post(fixture, ATOMIC, BATCH_CLIENT_BINARY), 400);
    assert_contains(fixture, "\"field\":\"kind\",\"outcome\":\"rejected\",\"item\":1}");
    api_assert_balance(&fixture->api, "c0", "10.00 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(atomic__is_one_transaction),
        cmocka_unit_test(key__is_of_the_whole),
        cmocka_unit_test(one_bad_item__changes_nothing_and_is_named),
        cmocka_unit_test(posting__balances_by_itself),
        cmocka_unit_test(whole__has_its_limits),
        cmocka_unit_test(binary__has_one_result_an_entry),
        cmocka_unit_test(binary__says_which_entry_was_refused),
    };
    return cmocka_run_group_tests_name("batch_atomic", tests, start, stop);
}
