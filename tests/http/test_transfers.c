/* test_transfers.c - transfers and postings over real sockets: all legs or none, across workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"

static int start(void **state)
{
    static const char *const arguments[] = {"--workers", "2", NULL};
    struct api *api = calloc(1, sizeof(*api));
    api_start(api, arguments);
    *state = api;
    return 0;
}

static int stop(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

static int post(const struct api *api, const char *path, const char *key, const char *body,
                struct http_response *response)
{
    char headers[512] = API_JSON;
    if (key != NULL)
        snprintf(headers, sizeof(headers), API_JSON "Idempotency-Key: %s\r\n", key);
    return http_call(api->server.port, "POST", path, headers, body, response);
}

static void assert_replay(const struct http_response *first, const struct http_response *again)
{
    assert_int_equal(again->status, first->status);
    assert_string_equal(again->body, first->body);
    api_assert_header(first, "Idempotency-Replayed", NULL);
    api_assert_header(again, "Idempotency-Replayed", "true");
}

static void transfer__moves_money_and_says_so(void **state)
{
    struct http_response response;
    char location[64];
    api_open_account(*state, "t-alice", "100.00");
    api_open_account(*state, "t-bob", "0");
    assert_int_equal(post(*state, "/transfers", NULL,
                          "{\"from\":\"t-alice\",\"to\":\"t-bob\",\"amount\":\"10.50\","
                          "\"expectedFromVersion\":1,\"expectedToVersion\":1,"
                          "\"expectedFromBalanceAtLeast\":100}",
                          &response),
                     201);
    api_assert_in_body(&response, "{\"id\":\"txn");
    api_assert_in_body(&response,
                       "\",\"type\":\"Transfer\",\"from\":\"t-alice\",\"to\":\"t-bob\","
                       "\"amount\":10.50,\"newBalance\":89.50,\"newVersion\":2,\"timestamp\":\"");
    assert_int_equal(sscanf(response.body, "{\"id\":\"%40[^\"]", location), 1);
    char expected[80];
    snprintf(expected, sizeof(expected), "/transactions/%s", location);
    api_assert_header(&response, "Location", expected);
    api_assert_balance(*state, "t-alice", "89.50 2");
    api_assert_balance(*state, "t-bob", "10.50 2");
}

/* Many pairs, so that some are of one worker and some of two. */
static void transfers__neither_make_nor_lose_money(void **state)
{
    enum { ACCOUNTS = 8, BALANCE = 100 };
    struct http_response response;
    char text[160];
    unsigned balances[ACCOUNTS];
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(text, sizeof(text), "ring%u", i);
        api_open_account(*state, text, "100");
        balances[i] = BALANCE;
    }
    for (unsigned i = 0; i < ACCOUNTS * ACCOUNTS; i++) {
        unsigned from = i % ACCOUNTS;
        unsigned to = i / ACCOUNTS;
        if (from == to)
            continue;
        unsigned amount = i;
        snprintf(text, sizeof(text), "{\"from\":\"ring%u\",\"to\":\"ring%u\",\"amount\":%u}", from,
                 to, amount);
        bool enough = balances[from] >= amount && amount > 0;
        assert_int_equal(post(*state, "/transfers", NULL, text, &response), enough ? 201 : 422);
        balances[from] -= enough ? amount : 0;
        balances[to] += enough ? amount : 0;
    }
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(text, sizeof(text), "/accounts/ring%u/balance", i);
        assert_int_equal(
            http_call(((struct api *)*state)->server.port, "GET", text, "", NULL, &response), 200);
        assert_int_equal(api_number(&response, "balance"), balances[i]);
    }
}

struct refusal {
    const char *path;
    const char *body;
    int status;
    const char *code;
    const char *field;
    const char *account; /* "": not said */
};

static void refusals__say_why_and_whose_and_change_nothing(void **state)
{
    static const struct refusal rows[] = {
        {"/transfers", "{\"from\":\"r-alice\",\"to\":\"r-bob\",\"amount\":100.01}", 422,
         "insufficient_balance", "amount", "r-alice"},
        {"/transfers", "{\"from\":\"r-none\",\"to\":\"r-bob\",\"amount\":1}", 404,
         "account_not_found", "from", "r-none"},
        {"/transfers", "{\"from\":\"r-alice\",\"to\":\"r-none\",\"amount\":1}", 404,
         "account_not_found", "to", "r-none"},
        {"/transfers", "{\"from\":\"r-alice\",\"to\":\"r-yen\",\"amount\":1}", 422,
         "currency_mismatch", "to", "r-yen"},
        {"/transfers",
         "{\"from\":\"r-alice\",\"to\":\"r-bob\",\"amount\":1,\"expectedFromVersion\":7}", 409,
         "version_mismatch", "expectedFromVersion", "r-alice"},
        {"/transfers",
         "{\"from\":\"r-alice\",\"to\":\"r-bob\",\"amount\":1,\"expectedToVersion\":7}", 409,
         "version_mismatch", "expectedToVersion", "r-bob"},
        {"/transfers",
         "{\"from\":\"r-alice\",\"to\":\"r-bob\",\"amount\":1,"
         "\"expectedFromBalanceAtLeast\":\"100.01\"}",
         409, "balance_condition_failed", "expectedFromBalanceAtLeast", "r-alice"},
        {"/transfers", "{\"from\":\"r-alice\",\"to\":\"r-bob\",\"amount\":\"0.001\"}", 400,
         "invalid_request", "amount", ""},
        {"/transfers", "{\"from\":\"r-alice\",\"to\":\"r-alice\",\"amount\":1}", 400,
         "invalid_request", "to", ""},
        {"/transfers?dryRun=1", "{\"from\":\"r-alice\",\"to\":\"r-bob\",\"amount\":1}", 400,
         "invalid_request", "dryRun", ""},
        {"/postings",
         "{\"legs\":[{\"account\":\"r-bob\",\"type\":\"Credit\",\"amount\":101},"
         "{\"account\":\"r-alice\",\"type\":\"Debit\",\"amount\":101}]}",
         422, "insufficient_balance", "legs[1].amount", "r-alice"},
        {"/postings",
         "{\"legs\":[{\"account\":\"r-bob\",\"type\":\"Credit\",\"amount\":2},"
         "{\"account\":\"r-alice\",\"type\":\"Debit\",\"amount\":1}]}",
         422, "unbalanced", "legs", ""},
        /* balanced in sum, but not in each currency */
        {"/postings",
         "{\"legs\":[{\"account\":\"r-yen\",\"type\":\"Credit\",\"amount\":1},"
         "{\"account\":\"r-alice\",\"type\":\"Debit\",\"amount\":1}]}",
         422, "unbalanced", "legs", ""},
        {"/postings",
         "{\"legs\":[{\"account\":\"r-bob\",\"type\":\"Credit\",\"amount\":1},"
         "{\"account\":\"r-none\",\"type\":\"Debit\",\"amount\":1}]}",
         404, "account_not_found", "legs[1].account", "r-none"},
        {"/postings",
         "{\"legs\":[{\"account\":\"r-bob\",\"type\":\"Credit\",\"amount\":1},"
         "{\"account\":\"r-alice\",\"type\":\"Debit\",\"amount\":1,\"expectedVersion\":9}]}",
         409, "version_mismatch", "legs[1].expectedVersion", "r-alice"},
        {"/postings",
         "{\"legs\":[{\"account\":\"r-bob\",\"type\":\"Credit\",\"amount\":1,"
         "\"expectedBalanceAtLeast\":0.01},"
         "{\"account\":\"r-alice\",\"type\":\"Debit\",\"amount\":1}]}",
         409, "balance_condition_failed", "legs[0].expectedBalanceAtLeast", "r-bob"},
        {"/postings",
         "{\"legs\":[{\"account\":\"r-bob\",\"type\":\"Credit\",\"amount\":0.001},"
         "{\"account\":\"r-alice\",\"type\":\"Debit\",\"amount\":0.001}]}",
         400, "invalid_request", "legs[0].amount", ""},
        {"/postings", "{\"legs\":[{\"account\":\"r-bob\",\"type\":\"Credit\",\"amount\":1}]}", 400,
         "invalid_request", "legs", ""},
        {"/postings",
         "{\"legs\":[{\"account\":\"r-bob\",\"type\":\"Credit\",\"amount\":1},{\"account\":\"r-"
         "alice\"}]}",
         400, "invalid_request", "legs[1].type", ""},
    };
    struct http_response response;
    char text[96];
    api_open_account(*state, "r-alice", "100.00");
    api_open_account(*state, "r-bob", "0");
    assert_int_equal(post(*state, "/accounts", NULL,
                          "{\"id\":\"r-yen\",\"currency\":\"JPY\",\"balance\":100}", &response),
                     201);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = post(*state, rows[i].path, NULL, rows[i].body, &response);
        if (status != rows[i].status)
            fail_msg("row %zu: %d %s", i, status, response.body);
        snprintf(text, sizeof(text), "\"code\":\"%s\"", rows[i].code);
        api_assert_in_body(&response, text);
        snprintf(text, sizeof(text), "\"field\":\"%s\"", rows[i].field);
        api_assert_in_body(&response, text);
        snprintf(text, sizeof(text), "\"account\":\"%s\"", rows[i].account);
        if (rows[i].account[0] != '\0')
            api_assert_in_body(&response, text);
        else
            assert_null(strstr(response.body, "\"account\":"));
        api_assert_in_body(&response, "\"outcome\":\"rejected\"");
    }
    api_assert_balance(*state, "r-alice", "100.00 1");
    api_assert_balance(*state, "r-bob", "0.00 1");
    api_assert_balance(*state, "r-yen", "100 1");
}

static void refusal__has_the_facts_of_its_leg(void **state)
{
    struct http_response response;
    api_open_account(*state, "f-rich", "500.00");
    api_open_account(*state, "f-poor", "3.00");
    assert_int_equal(post(*state, "/postings", NULL,
                          "{\"legs\":[{\"account\":\"f-rich\",\"type\":\"Credit\",\"amount\":4},"
                          "{\"account\":\"f-poor\",\"type\":\"Debit\",\"amount\":4}]}",
                          &response),
                     422);
    api_assert_body(&response,
                    "{\"error\":\"Insufficient Balance\",\"code\":\"insufficient_balance\","
                    "\"balance\":3.00,\"version\":1,\"leg\":1,\"field\":\"legs[1].amount\","
                    "\"account\":\"f-poor\",\"outcome\":\"rejected\"}");
}

static void posting__moves_all_of_its_legs(void **state)
{
    struct http_response response;
    api_open_account(*state, "p-alice", "10.00");
    api_open_account(*state, "p-shop", "0");
    api_open_account(*state, "p-fees", "0");
    assert_int_equal(
        post(*state, "/postings", NULL,
             "{\"legs\":[{\"account\":\"p-alice\",\"type\":\"withdraw\",\"amount\":\"10.00\","
             "\"expectedVersion\":1,\"expectedBalanceAtLeast\":10},"
             "{\"account\":\"p-shop\",\"type\":\"Credit\",\"amount\":9.7},"
             "{\"account\":\"p-fees\",\"type\":\"DEPOSIT\",\"amount\":0.3}]}",
             &response),
        201);
    api_assert_in_body(&response, "\"type\":\"Posting\",\"legs\":3,\"account\":\"p-alice\","
                                  "\"newBalance\":0.00,\"newVersion\":2,\"timestamp\":\"");
    api_assert_balance(*state, "p-alice", "0.00 2");
    api_assert_balance(*state, "p-shop", "9.70 2");
    api_assert_balance(*state, "p-fees", "0.30 2");
}

static void posting__of_64_legs_is_taken(void **state)
{
    static char body[16384];
    struct http_response response;
    char id[65];
    size_t length = (size_t)snprintf(body, sizeof(body), "{\"legs\":[");
    for (unsigned i = 0; i < 64; i++) {
        snprintf(id, sizeof(id), "%064u", i);
        api_open_account(*state, id, "1.00");
        length += (size_t)snprintf(body + length, sizeof(body) - length,
                                   "%s{\"account\":\"%s\",\"type\":\"%s\",\"amount\":1}",
                                   i == 0 ? "" : ",", id, i % 2 == 0 ? "Debit" : "Credit");
    }
    snprintf(body + length, sizeof(body) - length, "]}");
    assert_int_equal(post(*state, "/postings", NULL, body, &response), 201);
    api_assert_in_body(&response, "\"legs\":64");
    for (unsigned i = 0; i < 64; i++) {
        snprintf(id, sizeof(id), "%064u", i);
        api_assert_balance(*state, id, i % 2 == 0 ? "0.00 2" : "2.00 2");
    }
}

static void key__gives_the_same_bytes_again_also_after_a_crash(void **state)
{
    static const char *const arguments[] = {"--workers", "2", NULL};
    static const char transfer[] = "{\"from\":\"k-alice\",\"to\":\"k-bob\",\"amount\":1}";
    static const char poor[] = "{\"from\":\"k-alice\",\"to\":\"k-bob\",\"amount\":1000}";
    static const char posting[] =
        "{\"legs\":[{\"account\":\"k-alice\",\"type\":\"Debit\",\"amount\":2},"
        "{\"account\":\"k-bob\",\"type\":\"Credit\",\"amount\":2}]}";
    static const char unlucky[] =
        "{\"legs\":[{\"account\":\"k-alice\",\"type\":\"Credit\",\"amount\":999},"
        "{\"account\":\"k-bob\",\"type\":\"Debit\",\"amount\":999}]}";
    static const struct {
        const char *path;
        const char *key;
        const char *body;
        int status;
    } rows[] = {
        {"/transfers", "k1", transfer, 201},
        {"/transfers", "k2", poor, 422},
        {"/postings", "k3", posting, 201},
        {"/postings", "k4", unlucky, 422},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    struct api *api = *state;
    struct http_response *first = calloc(ROWS, sizeof(*first));
    struct http_response again;
    api_open_account(api, "k-alice", "100.00");
    api_open_account(api, "k-bob", "0");
    for (unsigned i = 0; i < ROWS; i++) {
        assert_int_equal(post(api, rows[i].path, rows[i].key, rows[i].body, &first[i]),
                         rows[i].status);
        post(api, rows[i].path, rows[i].key, rows[i].body, &again);
        assert_replay(&first[i], &again);
    }
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    api_restart(api, arguments);
    for (unsigned i = 0; i < ROWS; i++) {
        post(api, rows[i].path, rows[i].key, rows[i].body, &again);
        assert_replay(&first[i], &again);
    }
    api_assert_balance(api, "k-alice", "97.00 3");
    api_assert_balance(api, "k-bob", "3.00 3");
    free(first);
}

static void key__of_another_request_is_422(void **state)
{
    static const struct {
        const char *path;
        const char *body;
        const char *field;
    } rows[] = {
        {"/transfers", "{\"from\":\"u-alice\",\"to\":\"u-bob\",\"amount\":2}",
         "\"field\":\"body\""},
        {"/transfers", "{\"from\":\"u-alice\",\"to\":\"u-carol\",\"amount\":1}",
         "\"field\":\"body\""},
        {"/accounts/u-alice/transactions", "{\"type\":\"Debit\",\"amount\":1}",
         "\"field\":\"type\""},
        {"/postings",
         "{\"legs\":[{\"account\":\"u-alice\",\"type\":\"Debit\",\"amount\":1},"
         "{\"account\":\"u-bob\",\"type\":\"Credit\",\"amount\":1}]}",
         "\"field\":\"type\""},
    };
    struct http_response response;
    api_open_account(*state, "u-alice", "100.00");
    api_open_account(*state, "u-bob", "0");
    assert_int_equal(post(*state, "/transfers", "k",
                          "{\"from\":\"u-alice\",\"to\":\"u-bob\",\"amount\":1}", &response),
                     201);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = post(*state, rows[i].path, "k", rows[i].body, &response);
        if (status != 422 || strstr(response.body, rows[i].field) == NULL)
            fail_msg("row %zu: %d %s", i, status, response.body);
        api_assert_in_body(&response, "\"code\":\"idempotency_key_reused\"");
    }
    /* the key is one of `from`: the other way round it is free */
    assert_int_equal(post(*state, "/transfers", "k",
                          "{\"from\":\"u-bob\",\"to\":\"u-alice\",\"amount\":1}", &response),
                     201);
}

static uint64_t counted_transfers(const struct api *api)
{
    static const char name[] = "\nflorin_transactions_total{type=\"transfer\"} ";
    struct http_response response;
    assert_int_equal(http_call(api->server.port, "GET", "/metrics", "", NULL, &response), 200);
    const char *found = strstr(response.body, name);
    assert_non_null(found);
    return strtoull(found + strlen(name), NULL, 10);
}

static void try__changes_and_remembers_nothing(void **state)
{
    static const char body[] = "{\"from\":\"d-alice\",\"to\":\"d-bob\",\"amount\":1}";
    struct http_response response;
    api_open_account(*state, "d-alice", "10.00");
    api_open_account(*state, "d-bob", "0");
    uint64_t counted = counted_transfers(*state);
    assert_int_equal(post(*state, "/transfers?dryRun=true", "k", body, &response), 200);
    assert_int_equal(counted_transfers(*state), counted);
    api_assert_body(&response, "{\"type\":\"Transfer\",\"from\":\"d-alice\",\"to\":\"d-bob\","
                               "\"amount\":1.00,\"newBalance\":9.00,\"newVersion\":2,"
                               "\"dryRun\":true}");
    api_assert_header(&response, "Location", NULL);
    assert_int_equal(post(*state, "/postings?dryRun=true", "k",
                          "{\"legs\":[{\"account\":\"d-alice\",\"type\":\"Debit\",\"amount\":2},"
                          "{\"account\":\"d-bob\",\"type\":\"Credit\",\"amount\":2}]}",
                          &response),
                     200);
    api_assert_body(&response, "{\"type\":\"Posting\",\"legs\":2,\"account\":\"d-alice\","
                               "\"newBalance\":8.00,\"newVersion\":2,\"dryRun\":true}");
    assert_int_equal(post(*state, "/accounts/d-alice/transactions?dryRun=true", "k",
                          "{\"type\":\"Debit\",\"amount\":3}", &response),
                     200);
    api_assert_body(&response, "{\"type\":\"Withdraw\",\"amount\":3.00,\"newBalance\":7.00,"
                               "\"newVersion\":2,\"dryRun\":true}");
    assert_int_equal(post(*state, "/accounts/d-alice/transactions?dryRun=true", NULL,
                          "{\"type\":\"Debit\",\"amount\":11}", &response),
                     422);
    api_assert_balance(*state, "d-alice", "10.00 1");
    api_assert_balance(*state, "d-bob", "0.00 1");
    assert_int_equal(post(*state, "/transfers?dryRun=false", "k", body, &response), 201);
    api_assert_header(&response, "Idempotency-Replayed", NULL);
    assert_int_equal(counted_transfers(*state), counted + 1);
    api_assert_balance(*state, "d-alice", "9.00 2");
}

static void transaction__may_expect_a_balance(void **state)
{
    struct http_response response;
    api_open_account(*state, "e-alice", "10.00");
    assert_int_equal(post(*state, "/accounts/e-alice/transactions", NULL,
                          "{\"type\":\"Credit\",\"amount\":1,\"expectedBalanceAtLeast\":\"10.01\"}",
                          &response),
                     409);
    api_assert_body(&response, "{\"error\":\"The balance is less than expected\","
                               "\"code\":\"balance_condition_failed\",\"balance\":10.00,"
                               "\"version\":1,\"outcome\":\"rejected\"}");
    assert_int_equal(post(*state, "/accounts/e-alice/transactions", NULL,
                          "{\"type\":\"Credit\",\"amount\":1,\"expectedBalanceAtLeast\":\"10.00\"}",
                          &response),
                     201);
    assert_int_equal(post(*state, "/accounts/e-alice/transactions", NULL,
                          "{\"type\":\"Credit\",\"amount\":1,\"expectedBalanceAtLeast\":\"0.001\"}",
                          &response),
                     400);
    api_assert_in_body(&response, "\"field\":\"expectedBalanceAtLeast\"");
}

static void other_methods__are_405(void **state)
{
    struct http_response response;
    const struct api *api = *state;
    assert_int_equal(http_call(api->server.port, "GET", "/transfers", "", NULL, &response), 405);
    api_assert_header(&response, "Allow", "POST");
    assert_int_equal(http_call(api->server.port, "PATCH", "/postings", "", NULL, &response), 405);
    api_assert_header(&response, "Allow", "POST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfer__moves_money_and_says_so),
        cmocka_unit_test(transfers__neither_make_nor_lose_money),
        cmocka_unit_test(refusals__say_why_and_whose_and_change_nothing),
        cmocka_unit_test(refusal__has_the_facts_of_its_leg),
        cmocka_unit_test(posting__moves_all_of_its_legs),
        cmocka_unit_test(posting__of_64_legs_is_taken),
        cmocka_unit_test(key__gives_the_same_bytes_again_also_after_a_crash),
        cmocka_unit_test(key__of_another_request_is_422),
        cmocka_unit_test(try__changes_and_remembers_nothing),
        cmocka_unit_test(transaction__may_expect_a_balance),
        cmocka_unit_test(other_methods__are_405),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
