/* test_idempotency.c - keys: the same answer again, across retries, restarts and crowds. */
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

static const char deposit[] = "{\"type\":\"Deposit\",\"amount\":100}";

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

static void assert_replay(const struct http_response *first, const struct http_response *again)
{
    assert_int_equal(again->status, first->status);
    assert_string_equal(again->body, first->body);
    api_assert_header(first, "Idempotency-Replayed", NULL);
    api_assert_header(again, "Idempotency-Replayed", "true");
}

static void retry__gets_the_first_answer(void **state)
{
    struct http_response first;
    struct http_response again;
    api_open_account(*state, "retry", "0");
    assert_int_equal(api_post(*state, "retry", "abc123", deposit, &first), 201);
    assert_int_equal(api_post(*state, "retry", "\"abc123\"", deposit, &again), 201);
    assert_replay(&first, &again);
    assert_int_equal(
        api_post(*state, "retry", "abc123",
                 "{\"typeOfTransaction\":\"CREDIT\",\"moneyWithdraw/Deposit\":\"100\"}", &again),
        201);
    assert_replay(&first, &again);
    api_assert_balance(*state, "retry", "100.00 2");
}

static void refusals__are_remembered_too(void **state)
{
    static const char debit[] = "{\"type\":\"Debit\",\"amount\":100}";
    static const char expects[] = "{\"type\":\"Credit\",\"amount\":100,\"expectedVersion\":7}";
    struct http_response first;
    struct http_response again;
    api_open_account(*state, "refused", "50.00");
    assert_int_equal(api_post(*state, "refused", "poor", debit, &first), 422);
    struct http_response version;
    assert_int_equal(api_post(*state, "refused", "old", expects, &version), 409);
    assert_int_equal(api_post(*state, "refused", NULL, deposit, &again), 201);
    /* money is there now, but the key keeps its answer */
    assert_int_equal(api_post(*state, "refused", "poor", debit, &again), 422);
    assert_replay(&first, &again);
    assert_int_equal(api_post(*state, "refused", "old", expects, &again), 409);
    assert_replay(&version, &again);
    api_assert_balance(*state, "refused", "150.00 2");
}

static void key__of_another_request_is_422(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"{\"type\":\"Debit\",\"amount\":100}", "\"field\":\"type\""},
        {"{\"type\":\"Deposit\",\"amount\":101}", "\"field\":\"amount\""},
        {"{\"type\":\"Deposit\",\"moneyWithdraw/Deposit\":101}",
         "\"field\":\"moneyWithdraw/Deposit\""},
        {"{\"type\":\"Deposit\",\"amount\":100,\"expectedVersion\":1}",
         "\"field\":\"expectedVersion\""},
    };
    struct http_response first;
    struct http_response response;
    char id[64];
    api_open_account(*state, "reuse", "0");
    assert_int_equal(api_post(*state, "reuse", "k", deposit, &first), 201);
    assert_int_equal(sscanf(first.body, "{\"id\":\"%40[^\"]", id), 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(api_post(*state, "reuse", "k", rows[i].body, &response), 422);
        api_assert_in_body(&response, "{\"error\":\"Duplicate transaction\",\"transactionId\":\"");
        api_assert_in_body(&response, id);
        api_assert_in_body(&response, "\"code\":\"idempotency_key_reused\"");
        api_assert_in_body(&response, rows[i].field);
        api_assert_header(&response, "Idempotency-Replayed", NULL);
    }
    /* keys are an account's own */
    api_open_account(*state, "reuse-other", "0");
    assert_int_equal(api_post(*state, "reuse-other", "k", rows[1].body, &response), 201);
}

static void retry__after_a_crash_gets_the_same_bytes(void **state)
{
    struct api *api = *state;
    struct http_response first;
    struct http_response refused;
    struct http_response again;
    api_open_account(api, "crash", "10.00");
    assert_int_equal(api_post(api, "crash", "k1", deposit, &first), 201);
    assert_int_equal(
        api_post(api, "crash", "k2", "{\"type\":\"Debit\",\"amount\":\"9999\"}", &refused), 422);
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    api_restart(api, NULL);
    assert_int_equal(api_post(api, "crash", "k1", deposit, &again), 201);
    assert_replay(&first, &again);
    assert_int_equal(
        api_post(api, "crash", "k2", "{\"type\":\"Debit\",\"amount\":\"9999\"}", &again), 422);
    assert_replay(&refused, &again);
    api_assert_balance(api, "crash", "110.00 2");
}

static void crowd__with_one_key_changes_once(void **state)
{
    enum { CROWD = 24 };
    const struct api *api = *state;
    struct http_client *clients = calloc(CROWD, sizeof(*clients));
    struct http_response first;
    struct http_response other;
    unsigned replayed = 0;
    char value[16];
    api_open_account(api, "crowd", "0");
    for (unsigned i = 0; i < CROWD; i++)
        http_client_open(&clients[i], api->server.port);
    for (unsigned i = 0; i < CROWD; i++)
        assert_true(http_client_request(&clients[i], "POST", "/accounts/crowd/transactions",
                                        API_JSON "Idempotency-Key: one\r\n", deposit));
    for (unsigned i = 0; i < CROWD; i++) {
        assert_true(http_client_receive(&clients[i], i == 0 ? &first : &other, false));
        const struct http_response *response = i == 0 ? &first : &other;
        assert_int_equal(response->status, 201);
        assert_string_equal(response->body, first.body);
        if (http_response_header(response, "Idempotency-Replayed", value, sizeof(value)) != NULL)
            replayed++;
        http_client_close(&clients[i]);
    }
    assert_int_equal(replayed, CROWD - 1);
    api_assert_balance(api, "crowd", "100.00 2");
    free(clients);
}

static void duplicates__are_409_with_on_duplicate_reject(void **state)
{
    static const char *const arguments[] = {"--on-duplicate", "reject", NULL};
    struct api *api = calloc(1, sizeof(*api));
    struct http_response first;
    struct http_response again;
    char id[64];
    char expected[256];
    (void)state;
    api_start(api, arguments);
    api_open_account(api, "strict", "0");
    assert_int_equal(api_post(api, "strict", "k", deposit, &first), 201);
    assert_int_equal(sscanf(first.body, "{\"id\":\"%40[^\"]", id), 1);
    assert_int_equal(api_post(api, "strict", "k", deposit, &again), 409);
    snprintf(expected, sizeof(expected),
             "{\"error\":\"Duplicate transaction\",\"transactionId\":\"%s\","
             "\"code\":\"duplicate_transaction\",\"outcome\":\"rejected\"}",
             id);
    api_assert_body(&again, expected);
    assert_int_equal(api_post(api, "strict", "k", "{\"type\":\"Debit\",\"amount\":1}", &again),
                     422);
    api_assert_in_body(&again, "\"code\":\"idempotency_key_reused\"");
    api_assert_balance(api, "strict", "100.00 2");
    api_stop(api);
    free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry__gets_the_first_answer),
        cmocka_unit_test(refusals__are_remembered_too),
        cmocka_unit_test(key__of_another_request_is_422),
        cmocka_unit_test(retry__after_a_crash_gets_the_same_bytes),
        cmocka_unit_test(crowd__with_one_key_changes_once),
        cmocka_unit_test(duplicates__are_409_with_on_duplicate_reject),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
