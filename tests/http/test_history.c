/* test_history.c - what was: pages of transactions, single ones, balances of then, over a real
 * florind. */
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

enum { DEPOSITS = 120, PATH_BYTES = 256 };

static const char *const arguments[] = {"--workers", "2", NULL};

static int start(void **state)
{
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

static int get(const struct api *api, const char *path, struct http_response *response)
{
    return http_call(api->server.port, "GET", path, "", NULL, response);
}

/* An account with that many deposits of 1.00, 2.00, ... on top of an opening with 10.00. */
static void fill(const struct api *api, const char *id, unsigned deposits)
{
    struct http_response response;
    api_open_account(api, id, "10.00");
    for (unsigned i = 1; i <= deposits; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"type\":\"Deposit\",\"amount\":%u}", i);
        assert_int_equal(api_post(api, id, NULL, body, &response), 201);
    }
}

static unsigned occurrences(const char *text, const char *part)
{
    unsigned count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text += strlen(part);
    }
    return count;
}

/* The cursor behind a page. false: it was the last. */
static bool next_cursor(const struct http_response *response, char cursor[32])
{
    const char *next = strstr(response->body, "],\"next\":");
    assert_non_null(next);
    next += strlen("],\"next\":");
    if (strcmp(next, "null}") == 0)
        return false;
    assert_int_equal(sscanf(next, "\"%31[^\"]\"}", cursor), 1);
    return true;
}

static void pages__show_all_transactions_newest_first(void **state)
{
    struct api *api = *state;
    struct http_response response;
    char path[PATH_BYTES] = "/accounts/pages/transactions?limit=50";
    char cursor[32];
    fill(api, "pages", DEPOSITS);
    unsigned seen = 0;
    unsigned version = DEPOSITS + 1;
    bool more = true;
    for (; more; seen++) {
        assert_int_equal(get(api, path, &response), 200);
        api_assert_header(&response, "Content-Type", "application/json");
        for (const char *at = response.body; (at = strstr(at, "\"version\":")) != NULL; at++)
            assert_int_equal(atoi(at + strlen("\"version\":")), version--);
        more = next_cursor(&response, cursor);
        snprintf(path, sizeof(path), "/accounts/pages/transactions?limit=50&before=%s", cursor);
        /* whatever is written meanwhile */
        struct http_response ignored;
        assert_int_equal(
            api_post(api, "pages", NULL, "{\"type\":\"Deposit\",\"amount\":1}", &ignored), 201);
    }
    assert_int_equal(version, 0);
    assert_int_equal(seen, 3);
    api_assert_in_body(&response, "\"type\":\"Open\"");

    assert_int_equal(get(api, "/accounts/pages/transactions", &response), 200);
    assert_int_equal(occurrences(response.body, "{\"id\":\"txn"), 50);
    assert_int_equal(get(api, "/accounts/pages/transactions?limit=500", &response), 200);
    assert_int_equal(occurrences(response.body, "{\"id\":\"txn"), DEPOSITS + 4);
    assert_false(next_cursor(&response, cursor));
}

static void transaction__is_shown_by_its_id(void **state)
{
    struct api *api = *state;
    struct http_response response;
    char path[PATH_BYTES];
    char id[32];
    api_open_account(api, "single", "10.00");
    assert_int_equal(
        api_post(api, "single", "order-17", "{\"type\":\"Withdraw\",\"amount\":2.5}", &response),
        201);
    assert_int_equal(sscanf(response.body, "{\"id\":\"%31[^\"]\"", id), 1);
    snprintf(path, sizeof(path), "/transactions/%s", id);
    assert_int_equal(get(api, path, &response), 200);
    api_assert_in_body(&response, "\"type\":\"Withdraw\"");
    api_assert_in_body(&response, "\"key\":\"order-17\"");
    api_assert_in_body(&response, "{\"account\":\"single\",\"direction\":\"debit\",\"amount\":2.50,"
                                  "\"balance\":7.50,\"version\":2}");
    assert_int_equal(
        http_call(api->server.port, "GET", path, "Prefer: money=string\r\n", NULL, &response), 200);
    api_assert_header(&response, "Preference-Applied", "money=string");
    api_assert_in_body(&response, "\"balance\":\"7.50\"");

    static const char *const unknown[] = {"txn999999", "txn0",  "txn01", "131",
                                          "txn",       "txn-1", "txn1x", "txn99999999999999999999"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        snprintf(path, sizeof(path), "/transactions/%s", unknown[i]);
        assert_int_equal(get(api, path, &response), 404);
        api_assert_in_body(&response, "\"code\":\"transaction_not_found\"");
    }
    assert_int_equal(
        http_call(api->server.port, "DELETE", "/transactions/txn1", "", NULL, &response), 405);
    api_assert_header(&response, "Allow", "GET, HEAD");
}

/* A transfer is one transaction, in the histories of both accounts. */
static void transfer__is_shown_by_both_accounts(void **state)
{
    struct api *api = *state;
    struct http_response response;
    static const char legs[] =
        "\"legs\":[{\"account\":\"giver\",\"direction\":\"debit\",\"amount\":40.00,"
        "\"balance\":60.00,\"version\":2},{\"account\":\"taker\",\"direction\":\"credit\","
        "\"amount\":40.00,\"balance\":40.00,\"version\":2}]";
    api_open_account(api, "giver", "100.00");
    api_open_account(api, "taker", "0");
    assert_int_equal(http_call(api->server.port, "POST", "/transfers", API_JSON,
                               "{\"from\":\"giver\",\"to\":\"taker\",\"amount\":40}", &response),
                     201);
    assert_int_equal(api_post(api, "taker", NULL, "{\"type\":\"Deposit\",\"amount\":1}", &response),
                     201);
    static const char *const paths[] = {"/accounts/giver/transactions",
                                        "/accounts/taker/transactions"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(get(api, paths[i], &response), 200);
        api_assert_in_body(&response, "\"type\":\"Transfer\"");
        api_assert_in_body(&response, legs);
        api_assert_in_body(&response, "\"type\":\"Open\"");
        api_assert_in_body(&response, "],\"next\":null}");
        assert_int_equal(occurrences(response.body, "{\"id\":\"txn"), 2 + i);
    }
    assert_int_equal(get(api, "/accounts/taker/balance?version=2", &response), 200);
    api_assert_in_body(&response, "{\"balance\":40.00,\"version\":2,");
}

/* A refusal that a key remembers is in the log, and is no transaction. */
static void refusals__are_not_shown(void **state)
{
    struct api *api = *state;
    struct http_response response;
    api_open_account(api, "refused", "10.00");
    assert_int_equal(
        api_post(api, "refused", "k", "{\"type\":\"Withdraw\",\"amount\":99}", &response), 422);
    assert_int_equal(get(api, "/accounts/refused/transactions", &response), 200);
    assert_int_equal(occurrences(response.body, "{\"id\":\"txn"), 1);
    api_assert_in_body(&response, "\"next\":null}");
}

static void balance__is_told_as_it_was(void **state)
{
    struct api *api = *state;
    struct http_response response;
    fill(api, "then", 4);
    assert_int_equal(get(api, "/accounts/then/balance?version=1", &response), 200);
    api_assert_in_body(&response, "{\"balance\":10.00,\"version\":1,\"timestamp\":\"");
    assert_int_equal(get(api, "/accounts/then/balance?version=4", &response), 200);
    api_assert_in_body(&response, "{\"balance\":16.00,\"version\":4,");
    assert_int_equal(get(api, "/accounts/then/balance?version=6", &response), 404);
    api_assert_in_body(&response, "\"code\":\"version_not_found\"");
    assert_int_equal(get(api, "/accounts/then/balance?at=2200-01-01T00:00:00Z", &response), 200);
    api_assert_in_body(&response, "{\"balance\":20.00,\"version\":5,");
    assert_int_equal(get(api, "/accounts/then/balance?at=2001-02-03T04:05:06.789Z", &response),
                     404);
    api_assert_in_body(&response, "\"code\":\"not_yet_open\"");
}

static void range_of_time__limits_a_page(void **state)
{
    struct api *api = *state;
    struct http_response response;
    fill(api, "range", 3);
    static const struct {
        const char *query;
        unsigned count;
    } cases[] = {
        {"from=2001-01-01T00:00:00Z", 4},
        {"to=2001-01-01T00:00:00Z", 0},
        {"from=2200-01-01T00:00:00Z", 0},
        {"from=2001-01-01T00:00:00Z&to=2200-01-01T00%3A00%3A00Z&limit=2", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "/accounts/range/transactions?%s", cases[i].query);
        assert_int_equal(get(api, path, &response), 200);
        assert_int_equal(occurrences(response.body, "{\"id\":\"txn"), cases[i].count);
    }
}

static void what_is_not_understood__is_refused(void **state)
{
    struct api *api = *state;
    struct http_response response;
    api_open_account(api, "other", "1.00"); /* txn1 */
    api_open_account(api, "strict", "1.00");
    static const struct {
        const char *path;
        int status;
        const char *part;
    } cases[] = {
        {"/accounts/strict/transactions?limit=0", 400, "\"field\":\"limit\""},
        {"/accounts/strict/transactions?limit=501", 400, "\"field\":\"limit\""},
        {"/accounts/strict/transactions?limit=05", 400, "\"field\":\"limit\""},
        {"/accounts/strict/transactions?limit=", 400, "\"field\":\"limit\""},
        {"/accounts/strict/transactions?limit=5&limit=6", 400, "\"field\":\"limit\""},
        {"/accounts/strict/transactions?before=131", 400, "\"field\":\"before\""},
        {"/accounts/strict/transactions?before=txn0", 400, "\"field\":\"before\""},
        {"/accounts/strict/transactions?before=txn999999", 404, "transaction_not_found"},
        {"/accounts/strict/transactions?before=txn1", 404, "transaction_not_found"},
        {"/accounts/strict/transactions?from=yesterday", 400, "\"field\":\"from\""},
        {"/accounts/strict/transactions?to=2025-02-29T00:00:00Z", 400, "\"field\":\"to\""},
        {"/accounts/strict/transactions?from=2025-01-01T00:00:00", 400, "\"field\":\"from\""},
        {"/accounts/strict/transactions?from=2025-01-01T24:00:00Z", 400, "\"field\":\"from\""},
        {"/accounts/strict/transactions?from=2025-01-02T00:00:00Z&to=2025-01-01T00:00:00Z", 400,
         "\"field\":\"to\""},
        {"/accounts/strict/transactions?order=asc", 400, "\"field\":\"order\""},
        {"/accounts/strict/balance?version=0", 400, "\"field\":\"version\""},
        {"/accounts/strict/balance?version=-1", 400, "\"field\":\"version\""},
        {"/accounts/strict/balance?version=1&at=2025-01-01T00:00:00Z", 400, "\"field\":\"at\""},
        {"/accounts/strict/balance?at=now", 400, "\"field\":\"at\""},
        {"/accounts/strict/balance?dryRun=true", 400, "\"field\":\"dryRun\""},
        {"/transactions/txn1?verbose=true", 400, "\"field\":\"verbose\""},
        {"/transactions/", 404, "\"code\":\"not_found\""},
        {"/accounts/nobody/transactions", 404, "\"code\":\"account_not_found\""},
        {"/accounts/nobody/balance?version=1", 404, "\"code\":\"account_not_found\""},
        {"/accounts/no%20body/transactions", 400, "\"field\":\"accountId\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = get(api, cases[i].path, &response);
        if (status != cases[i].status || strstr(response.body, cases[i].part) == NULL)
            fail_msg("%s: %d %s", cases[i].path, status, response.body);
    }
}

static void clients_that_leave__disturb_nobody(void **state)
{
    struct api *api = *state;
    struct http_response response;
    fill(api, "left", 20);
    for (unsigned i = 0; i < 50; i++) {
        static struct http_client client;
        http_client_open(&client, api->server.port);
        (void)http_client_request(&client, "GET",
                                  i % 2 == 0 ? "/accounts/left/transactions"
                                             : "/accounts/left/balance?version=1",
                                  "", NULL);
        http_client_close(&client);
    }
    assert_int_equal(get(api, "/accounts/left/transactions", &response), 200);
    assert_int_equal(occurrences(response.body, "{\"id\":\"txn"), 21);
}

static void history__is_there_after_a_kill(void **state)
{
    struct api *api = *state;
    struct http_response before;
    struct http_response after;
    fill(api, "killed", 7);
    assert_int_equal(get(api, "/accounts/killed/transactions", &before), 200);
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    api_restart(api, arguments);
    assert_int_equal(get(api, "/accounts/killed/transactions", &after), 200);
    assert_string_equal(after.body, before.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_understood__is_refused),
        cmocka_unit_test(pages__show_all_transactions_newest_first),
        cmocka_unit_test(transaction__is_shown_by_its_id),
        cmocka_unit_test(transfer__is_shown_by_both_accounts),
        cmocka_unit_test(refusals__are_not_shown),
        cmocka_unit_test(balance__is_told_as_it_was),
        cmocka_unit_test(range_of_time__limits_a_page),
        cmocka_unit_test(clients_that_leave__disturb_nobody),
        cmocka_unit_test(history__is_there_after_a_kill),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
