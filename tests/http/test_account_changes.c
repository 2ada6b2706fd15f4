/* test_account_changes.c - PATCH over real sockets: limits, states, metadata; each a version. */
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

static int patch(const struct api *api, const char *id, const char *headers, const char *body,
                 struct http_response *response)
{
    char path[128];
    char all[512];
    snprintf(path, sizeof(path), "/accounts/%s", id);
    snprintf(all, sizeof(all), API_JSON "%s", headers);
    return http_call(api->server.port, "PATCH", path, all, body, response);
}

static int post(const struct api *api, const char *path, const char *body,
                struct http_response *response)
{
    return http_call(api->server.port, "POST", path, API_JSON, body, response);
}

static void change__is_shown_at_once_and_after_a_crash(void **state)
{
    static const char *const arguments[] = {"--workers", "2", NULL};
    struct api *api = *state;
    struct http_response response;
    struct http_response shown;
    api_open_account(api, "alice", "10.00");
    assert_int_equal(patch(api, "alice", "",
                           "{\"minimumBalance\":\"-50.5\",\"metadata\":{\"owner\":\"Alice\"},"
                           "\"expectedVersion\":1}",
                           &response),
                     200);
    api_assert_in_body(&response,
                       "{\"id\":\"alice\",\"currency\":\"USD\",\"balance\":10.00,\"held\":0.00,"
                       "\"available\":10.00,\"version\":2,\"minimumBalance\":-50.50,"
                       "\"status\":\"open\",\"createdAt\":\"");
    api_assert_in_body(&response, "\"metadata\":{\"owner\":\"Alice\"}}");
    api_assert_header(&response, "ETag", "\"2\"");
    api_assert_header(&response, "Location", NULL);
    assert_int_equal(http_call(api->server.port, "GET", "/accounts/alice", "", NULL, &shown), 200);
    assert_string_equal(shown.body, response.body);

    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    api_restart(api, arguments);
    assert_int_equal(http_call(api->server.port, "GET", "/accounts/alice", "", NULL, &shown), 200);
    assert_string_equal(shown.body, response.body);
    /* what was not named stays; {} removes the metadata */
    assert_int_equal(patch(api, "alice", "", "{\"metadata\":{}}", &response), 200);
    api_assert_in_body(&response, "\"version\":3,\"minimumBalance\":-50.50,\"status\":\"open\"");
    api_assert_in_body(&response, "\"metadata\":{}}");
}

static void limit__is_what_withdrawals_meet(void **state)
{
    struct http_response response;
    api_open_account(*state, "limit", "10.00");
    assert_int_equal(patch(*state, "limit", "", "{\"minimumBalance\":-5}", &response), 200);
    assert_int_equal(
        api_post(*state, "limit", NULL, "{\"type\":\"Debit\",\"amount\":15.01}", &response), 422);
    assert_int_equal(
        api_post(*state, "limit", NULL, "{\"type\":\"Debit\",\"amount\":15}", &response), 201);
    /* not to a limit that the balance is below */
    assert_int_equal(patch(*state, "limit", "", "{\"minimumBalance\":-4.99}", &response), 422);
    api_assert_body(&response, "{\"error\":\"Insufficient Balance\","
                               "\"code\":\"insufficient_balance\",\"balance\":-5.00,\"version\":3,"
                               "\"field\":\"minimumBalance\",\"outcome\":\"rejected\"}");
    assert_int_equal(patch(*state, "limit", "", "{\"minimumBalance\":0.5}", &response), 400);
    assert_int_equal(patch(*state, "limit", "", "{\"minimumBalance\":-5.001}", &response), 400);
    api_assert_in_body(&response, "\"field\":\"minimumBalance\"");
    api_assert_balance(*state, "limit", "-5.00 3");
}

static void frozen_account__moves_for_admins_only(void **state)
{
    static const struct {
        const char *path;
        const char *body;
    } rows[] = {
        {"/accounts/frozen/transactions", "{\"type\":\"Debit\",\"amount\":1}"},
        {"/accounts/frozen/transactions", "{\"type\":\"Credit\",\"amount\":1}"},
        {"/accounts/frozen/holds", "{\"amount\":1}"},
        {"/transfers", "{\"from\":\"frozen\",\"to\":\"thawed\",\"amount\":1}"},
        {"/transfers", "{\"from\":\"thawed\",\"to\":\"frozen\",\"amount\":1}"},
        {"/postings", "{\"legs\":[{\"account\":\"thawed\",\"type\":\"Debit\",\"amount\":1},"
                      "{\"account\":\"frozen\",\"type\":\"Credit\",\"amount\":1}]}"},
    };
    struct http_response response;
    char path[128];
    api_open_account(*state, "frozen", "10.00");
    api_open_account(*state, "thawed", "10.00");
    assert_int_equal(patch(*state, "frozen", "", "{\"status\":\"frozen\"}", &response), 200);
    api_assert_in_body(&response, "\"status\":\"frozen\"");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (post(*state, rows[i].path, rows[i].body, &response) != 422)
            fail_msg("row %zu: %s", i, response.body);
        api_assert_in_body(&response, "\"code\":\"account_frozen\"");
    }
    api_assert_balance(*state, "thawed", "10.00 1");
    api_assert_balance(*state, "frozen", "10.00 2");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(path, sizeof(path), "%s?asAdmin=true", rows[i].path);
        if (post(*state, path, rows[i].body, &response) != 201)
            fail_msg("row %zu: %s", i, response.body);
    }
    assert_int_equal(patch(*state, "frozen", "", "{\"status\":\"open\"}", &response), 200);
    assert_int_equal(
        api_post(*state, "frozen", NULL, "{\"type\":\"Debit\",\"amount\":1}", &response), 201);
}

static void account__is_closed_when_empty_and_for_good(void **state)
{
    struct http_response response;
    api_open_account(*state, "closing", "10.00");
    assert_int_equal(patch(*state, "closing", "", "{\"status\":\"closed\"}", &response), 422);
    api_assert_in_body(&response, "\"code\":\"account_not_empty\"");
    assert_int_equal(
        api_post(*state, "closing", NULL, "{\"type\":\"Debit\",\"amount\":10}", &response), 201);
    assert_int_equal(patch(*state, "closing", "", "{\"status\":\"closed\"}", &response), 200);
    api_assert_in_body(&response, "\"version\":3");
    api_assert_in_body(&response, "\"status\":\"closed\"");
    assert_int_equal(
        api_post(*state, "closing", NULL, "{\"type\":\"Credit\",\"amount\":10}", &response), 422);
    api_assert_in_body(&response, "\"code\":\"account_closed\"");
    assert_int_equal(patch(*state, "closing", "", "{\"status\":\"open\"}", &response), 422);
    api_assert_in_body(&response, "\"code\":\"account_closed\"");
    api_assert_balance(*state, "closing", "0.00 3");
}

static void change__that_is_wrong_changes_nothing(void **state)
{
    static const struct {
        const char *headers;
        const char *body;
        int status;
        const char *text;
    } rows[] = {
        {"", "", 400, "\"field\":\"body\""},
        {"", "{}", 400, "\"field\":\"body\""},
        {"", "{\"status\":\"sleeping\"}", 400, "\"field\":\"status\""},
        {"", "{\"balance\":1}", 400, "\"field\":\"balance\""},
        {"", "{\"metadata\":[]}", 400, "\"field\":\"metadata\""},
        {"", "{\"status\":\"frozen\",\"expectedVersion\":7}", 409,
         "\"CurrentVersion\":1,\"code\":\"version_mismatch\""},
        {"If-Match: \"7\"\r\n", "{\"status\":\"frozen\"}", 412,
         "\"CurrentVersion\":1,\"code\":\"precondition_failed\""},
        {"If-Match: \"1\"\r\n", "{\"status\":\"frozen\",\"expectedVersion\":2}", 400,
         "\"field\":\"If-Match\""},
        {"Idempotency-Key: k\r\n", "{\"status\":\"frozen\"}", 400, "\"field\":\"Idempotency-Key\""},
    };
    struct http_response response;
    api_open_account(*state, "still", "10.00");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = patch(*state, "still", rows[i].headers, rows[i].body, &response);
        if (status != rows[i].status)
            fail_msg("row %zu: %d %s", i, status, response.body);
        api_assert_in_body(&response, rows[i].text);
    }
    assert_int_equal(patch(*state, "nobody", "", "{\"status\":\"frozen\"}", &response), 404);
    assert_int_equal(patch(*state, "a%20b", "", "{\"status\":\"frozen\"}", &response), 400);
    assert_int_equal(patch(*state, "still?asAdmin=true", "", "{\"status\":\"open\"}", &response),
                     400);
    api_assert_in_body(&response, "\"field\":\"asAdmin\"");
    assert_int_equal(http_call(((struct api *)*state)->server.port, "PATCH", "/accounts/still",
                               "Content-Type: text/plain\r\n", "{\"status\":\"open\"}", &response),
                     415);
    api_assert_balance(*state, "still", "10.00 1");
    /* the right version */
    assert_int_equal(
        patch(*state, "still", "If-Match: \"1\"\r\n", "{\"status\":\"frozen\"}", &response), 200);
}

static void try__changes_and_opens_nothing(void **state)
{
    struct http_response response;
    api_open_account(*state, "tried", "10.00");
    assert_int_equal(patch(*state, "tried?dryRun=true", "", "{\"status\":\"frozen\"}", &response),
                     200);
    api_assert_in_body(&response, "\"version\":2,");
    api_assert_in_body(&response, "\"status\":\"frozen\"");
    api_assert_in_body(&response, ",\"dryRun\":true}");
    api_assert_header(&response, "ETag", NULL);
    assert_int_equal(patch(*state, "tried?dryRun=true", "", "{\"status\":\"closed\"}", &response),
                     422);
    assert_int_equal(
        api_post(*state, "tried", NULL, "{\"type\":\"Debit\",\"amount\":1}", &response), 201);

    assert_int_equal(
        post(*state, "/accounts?dryRun=true", "{\"id\":\"never\",\"balance\":\"5.00\"}", &response),
        200);
    api_assert_body(&response,
                    "{\"id\":\"never\",\"currency\":\"USD\",\"balance\":5.00,\"held\":0.00,"
                    "\"available\":5.00,\"version\":1,\"minimumBalance\":0.00,\"status\":\"open\","
                    "\"metadata\":{},\"dryRun\":true}");
    api_assert_header(&response, "Location", NULL);
    assert_int_equal(http_call(((struct api *)*state)->server.port, "GET", "/accounts/never", "",
                               NULL, &response),
                     404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change__is_shown_at_once_and_after_a_crash),
        cmocka_unit_test(limit__is_what_withdrawals_meet),
        cmocka_unit_test(frozen_account__moves_for_admins_only),
        cmocka_unit_test(account__is_closed_when_empty_and_for_good),
        cmocka_unit_test(change__that_is_wrong_changes_nothing),
        cmocka_unit_test(try__changes_and_opens_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
