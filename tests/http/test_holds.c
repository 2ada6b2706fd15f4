/* test_holds.c - money set aside, taken, given back, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* A hold of this amount, whose paths come out. */
struct held {
    char capture[128];
    char end[128];
};

static struct held hold(const struct api *api, const char *account, const char *amount)
{
    struct http_response response;
    struct held held;
    char text[128];
    char id[100];
    snprintf(text, sizeof(text), "/accounts/%s/holds", account);
    char body[64];
    snprintf(body, sizeof(body), "{\"amount\":\"%s\"}", amount);
    if (post(api, text, NULL, body, &response) != 201)
        fail_msg("%s", response.body);
    assert_int_equal(sscanf(response.body, "{\"id\":\"%99[^\"]", id), 1);
    snprintf(held.capture, sizeof(held.capture), "/holds/%s/capture", id);
    snprintf(held.end, sizeof(held.end), "/holds/%s/void", id);
    return held;
}

/* "balance":..,"held":..,"available":.. of the account. */
static void assert_shown(const struct api *api, const char *account, const char *expected)
{
    struct http_response response;
    char path[128];
    snprintf(path, sizeof(path), "/accounts/%s", account);
    assert_int_equal(http_call(api->server.port, "GET", path, "", NULL, &response), 200);
    api_assert_in_body(&response, expected);
}

static void hold__sets_money_aside(void **state)
{
    struct http_response response;
    api_open_account(*state, "h-alice", "100.00");
    assert_int_equal(post(*state, "/accounts/h-alice/holds", NULL,
                          "{\"amount\":\"25.00\",\"expiresIn\":3600,\"expectedVersion\":1,"
                          "\"expectedBalanceAtLeast\":100}",
                          &response),
                     201);
    api_assert_in_body(&response, "{\"id\":\"hold");
    api_assert_in_body(&response,
                       ":h-alice\",\"type\":\"Hold\",\"account\":\"h-alice\",\"amount\":25.00,"
                       "\"newAvailable\":75.00,\"newVersion\":2,\"expiresAt\":\"");
    assert_shown(*state, "h-alice",
                 "\"balance\":100.00,\"held\":25.00,\"available\":75.00,\"version\":2");
    /* the balance is there, but not available */
    assert_int_equal(post(*state, "/accounts/h-alice/transactions", NULL,
                          "{\"type\":\"Debit\",\"amount\":75.01}", &response),
                     422);
    assert_int_equal(post(*state, "/accounts/h-alice/holds", NULL, "{\"amount\":75.01}", &response),
                     422);
    api_assert_body(&response,
                    "{\"error\":\"Insufficient Balance\",\"code\":\"insufficient_balance\","
                    "\"balance\":100.00,\"version\":2,\"field\":\"amount\","
                    "\"outcome\":\"rejected\"}");
    assert_int_equal(post(*state, "/accounts/h-alice/transactions", NULL,
                          "{\"type\":\"Debit\",\"amount\":75}", &response),
                     201);
    assert_shown(*state, "h-alice", "\"balance\":25.00,\"held\":25.00,\"available\":0.00");
}

static void hold__without_an_end_says_none(void **state)
{
    struct http_response response;
    api_open_account(*state, "n-alice", "1.00");
    assert_int_equal(post(*state, "/accounts/n-alice/holds", NULL, "{\"amount\":1}", &response),
                     201);
    assert_null(strstr(response.body, "expiresAt"));
    api_assert_header(&response, "Location", NULL);
}

static void capture__takes_all_or_less_and_frees_the_rest(void **state)
{
    struct http_response response;
    struct held held;
    api_open_account(*state, "c-alice", "100.00");
    api_open_account(*state, "c-shop", "0");

    held = hold(*state, "c-alice", "20.00");
    assert_int_equal(post(*state, held.capture, NULL, "", &response), 201);
    api_assert_in_body(&response, "\"type\":\"Capture\",\"hold\":\"hold");
    api_assert_in_body(&response, ":c-alice\",\"account\":\"c-alice\",\"amount\":20.00,"
                                  "\"newBalance\":80.00,\"newVersion\":3,\"timestamp\":\"");
    assert_shown(*state, "c-alice", "\"balance\":80.00,\"held\":0.00,\"available\":80.00");

    held = hold(*state, "c-alice", "20.00");
    assert_int_equal(
        post(*state, held.capture, NULL, "{\"amount\":5,\"to\":\"c-shop\"}", &response), 201);
    api_assert_in_body(&response, "\"account\":\"c-alice\",\"to\":\"c-shop\",\"amount\":5.00,"
                                  "\"newBalance\":75.00,\"newVersion\":5");
    assert_shown(*state, "c-alice", "\"balance\":75.00,\"held\":0.00,\"available\":75.00");
    api_assert_balance(*state, "c-shop", "5.00 2");

    held = hold(*state, "c-alice", "20.00");
    assert_int_equal(post(*state, held.capture, NULL, "{\"to\":\"c-shop\"}", &response), 201);
    api_assert_balance(*state, "c-shop", "25.00 3");
}

static void void__gives_all_back(void **state)
{
    struct http_response response;
    api_open_account(*state, "v-alice", "100.00");
    struct held held = hold(*state, "v-alice", "20.00");
    assert_int_equal(post(*state, held.end, NULL, "{}", &response), 201);
    api_assert_in_body(&response, "\"type\":\"Void\",\"hold\":\"hold");
    api_assert_in_body(&response, ":v-alice\",\"account\":\"v-alice\",\"amount\":20.00,"
                                  "\"newAvailable\":100.00,\"newVersion\":3,\"timestamp\":\"");
    assert_shown(*state, "v-alice", "\"balance\":100.00,\"held\":0.00,\"available\":100.00");
}

static void hold__ends_exactly_once(void **state)
{
    struct http_response response;
    api_open_account(*state, "o-alice", "100.00");
    struct held captured = hold(*state, "o-alice", "1.00");
    struct held voided = hold(*state, "o-alice", "1.00");
    assert_int_equal(post(*state, captured.capture, NULL, "", &response), 201);
    assert_int_equal(post(*state, voided.end, NULL, "", &response), 201);
    const char *const paths[] = {captured.capture, captured.end, voided.capture, voided.end};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(post(*state, paths[i], NULL, "", &response), 409);
        api_assert_in_body(&response, "\"code\":\"hold_resolved\"");
    }
    assert_shown(*state, "o-alice", "\"balance\":99.00,\"held\":0.00");
}

/* Asks until nothing is held any more, for as long as a second may take on a busy machine. */
static void wait_until_free(const struct api *api, const char *path)
{
    enum { LIMIT_S = 30 };
    struct http_response response;
    time_t begin = time(NULL);
    do {
        assert_int_equal(http_call(api->server.port, "GET", path, "", NULL, &response), 200);
        assert_true(time(NULL) - begin < LIMIT_S);
    } while (strstr(response.body, "\"held\":0.00") == NULL);
}

static void expired_hold__is_free_again_and_cannot_be_captured(void **state)
{
    struct http_response response;
    char id[100];
    char path[128];
    const struct api *api = *state;
    api_open_account(api, "x-alice", "10.00");
    assert_int_equal(
        post(api, "/accounts/x-alice/holds", NULL, "{\"amount\":10,\"expiresIn\":1}", &response),
        201);
    assert_int_equal(sscanf(response.body, "{\"id\":\"%99[^\"]", id), 1);
    wait_until_free(api, "/accounts/x-alice");
    /* its end was a change of the account like any other */
    assert_shown(api, "x-alice",
                 "\"balance\":10.00,\"held\":0.00,\"available\":10.00,\"version\":3");
    snprintf(path, sizeof(path), "/holds/%s/capture", id);
    assert_int_equal(post(api, path, NULL, "", &response), 409);
    api_assert_in_body(&response, "\"code\":\"hold_resolved\"");
    assert_int_equal(post(api, "/accounts/x-alice/transactions", NULL,
                          "{\"type\":\"Debit\",\"amount\":10}", &response),
                     201);
}

static void ends__of_no_hold_are_404(void **state)
{
    static const char *const paths[] = {
        "/holds/hold999999:q-alice/void",
        "/holds/hold999999:q-nobody/void",
        "/holds/hold1/void",
        "/holds/hold01:q-alice/capture",
        "/holds/txn1/capture",
        "/holds/x/capture",
        "/holds/hold1:a%20b/void",
    };
    struct http_response response;
    api_open_account(*state, "q-alice", "1.00");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (post(*state, paths[i], NULL, "{}", &response) != 404)
            fail_msg("%s: %s", paths[i], response.body);
        api_assert_in_body(&response, "\"code\":\"hold_not_found\"");
    }
}

/* The id says another account than the hold's. */
static void hold__is_not_to_be_taken_through_another_account(void **state)
{
    struct http_response response;
    char path[160];
    unsigned long long number;
    api_open_account(*state, "w-alice", "10.00");
    api_open_account(*state, "w-thief", "10.00");
    struct held held = hold(*state, "w-alice", "5.00");
    assert_int_equal(sscanf(held.end, "/holds/hold%llu:", &number), 1);
    snprintf(path, sizeof(path), "/holds/hold%llu:w-thief/capture", number);
    assert_int_equal(post(*state, path, NULL, "", &response), 404);
    api_assert_in_body(&response, "\"code\":\"hold_not_found\"");
    assert_shown(*state, "w-alice", "\"balance\":10.00,\"held\":5.00");
}

static void captures__that_cannot_be_leave_the_hold(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *text;
    } rows[] = {
        {"{\"amount\":5.01}", 422, "\"code\":\"hold_exceeded\",\"field\":\"amount\""},
        {"{\"amount\":0.001}", 400, "\"field\":\"amount\""},
        {"{\"amount\":0}", 400, "\"field\":\"amount\""},
        {"{\"to\":\"l-nobody\"}", 404, "\"field\":\"to\",\"account\":\"l-nobody\""},
        {"{\"to\":\"l-yen\"}", 422, "\"code\":\"currency_mismatch\",\"field\":\"to\""},
        {"{\"expectedVersion\":1}", 400, "\"field\":\"expectedVersion\""},
        {"[]", 400, "\"field\":\"body\""},
    };
    struct http_response response;
    api_open_account(*state, "l-alice", "10.00");
    assert_int_equal(
        post(*state, "/accounts", NULL, "{\"id\":\"l-yen\",\"currency\":\"JPY\"}", &response), 201);
    struct held held = hold(*state, "l-alice", "5.00");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = post(*state, held.capture, NULL, rows[i].body, &response);
        if (status != rows[i].status)
            fail_msg("row %zu: %d %s", i, status, response.body);
        api_assert_in_body(&response, rows[i].text);
    }
    assert_shown(*state, "l-alice", "\"balance\":10.00,\"held\":5.00,\"available\":5.00");
    assert_int_equal(post(*state, held.capture, NULL, "{\"amount\":5}", &response), 201);
}

static void keys__give_the_same_bytes_again_also_after_a_crash(void **state)
{
    static const char *const arguments[] = {"--workers", "2", NULL};
    enum { CALLS = 4 };
    struct api *api = *state;
    struct http_response *first = calloc(CALLS, sizeof(*first));
    struct http_response again;
    api_open_account(api, "k-alice", "100.00");
    api_open_account(api, "k-shop", "0");
    struct held taken = hold(api, "k-alice", "10.00");
    struct held ended = hold(api, "k-alice", "10.00");
    const struct {
        const char *path;
        const char *key;
        const char *body;
        int status;
    } calls[CALLS] = {
        {"/accounts/k-alice/holds", "k1", "{\"amount\":30,\"expiresIn\":86400}", 201},
        {"/accounts/k-alice/holds", "k2", "{\"amount\":3000}", 422},
        {taken.capture, "k3", "{\"amount\":4,\"to\":\"k-shop\"}", 201},
        {ended.end, "k4", "", 201},
    };
    for (unsigned i = 0; i < CALLS; i++)
        assert_int_equal(post(api, calls[i].path, calls[i].key, calls[i].body, &first[i]),
                         calls[i].status);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < CALLS; i++) {
            assert_int_equal(post(api, calls[i].path, calls[i].key, calls[i].body, &again),
                             calls[i].status);
            assert_string_equal(again.body, first[i].body);
            api_assert_header(&again, "Idempotency-Replayed", "true");
        }
        assert_shown(api, "k-alice", "\"balance\":96.00,\"held\":30.00,\"available\":66.00");
        server_process_signal(&api->server, SIGKILL);
        assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
        api_restart(api, arguments);
    }
    assert_int_equal(post(api, taken.capture, "k3", "{\"amount\":5}", &again), 422);
    api_assert_in_body(&again, "\"code\":\"idempotency_key_reused\",\"field\":\"body\"");
    free(first);
}

static void tries__end_nothing(void **state)
{
    struct http_response response;
    char path[160];
    api_open_account(*state, "d-alice", "100.00");
    assert_int_equal(
        post(*state, "/accounts/d-alice/holds?dryRun=true", NULL, "{\"amount\":30}", &response),
        200);
    api_assert_body(&response, "{\"type\":\"Hold\",\"account\":\"d-alice\",\"amount\":30.00,"
                               "\"newAvailable\":70.00,\"newVersion\":2,\"dryRun\":true}");
    struct held held = hold(*state, "d-alice", "10.00");
    snprintf(path, sizeof(path), "%s?dryRun=true", held.capture);
    assert_int_equal(post(*state, path, NULL, "{\"amount\":4}", &response), 200);
    api_assert_in_body(&response, "\"amount\":4.00,\"newBalance\":96.00,\"newVersion\":3,"
                                  "\"dryRun\":true}");
    snprintf(path, sizeof(path), "%s?dryRun=true", held.end);
    assert_int_equal(post(*state, path, NULL, "", &response), 200);
    api_assert_in_body(&response, "\"newAvailable\":100.00,\"newVersion\":3,\"dryRun\":true}");
    assert_shown(*state, "d-alice", "\"balance\":100.00,\"held\":10.00,\"available\":90.00");
}

static void version__of_a_hold_may_come_as_if_match(void **state)
{
    struct http_response response;
    const struct api *api = *state;
    api_open_account(api, "i-alice", "10.00");
    assert_int_equal(http_call(api->server.port, "POST", "/accounts/i-alice/holds",
                               API_JSON "If-Match: \"7\"\r\n", "{\"amount\":1}", &response),
                     412);
    api_assert_body(&response, "{\"error\":\"Version mismatch\",\"CurrentVersion\":1,"
                               "\"code\":\"precondition_failed\",\"field\":\"If-Match\","
                               "\"outcome\":\"rejected\"}");
    assert_int_equal(http_call(api->server.port, "POST", "/accounts/i-alice/holds",
                               API_JSON "If-Match: \"1\"\r\n", "{\"amount\":1}", &response),
                     201);
}

/* curl sends a type of forms with an empty body. */
static void end__without_a_body_has_any_type(void **state)
{
    struct http_response response;
    const struct api *api = *state;
    static const char form[] = "Content-Type: application/x-www-form-urlencoded\r\n";
    api_open_account(api, "b-alice", "10.00");
    struct held held = hold(api, "b-alice", "1.00");
    assert_int_equal(http_call(api->server.port, "POST", held.end, form, "{}", &response), 415);
    assert_int_equal(http_call(api->server.port, "POST", held.end, form, "", &response), 201);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hold__sets_money_aside),
        cmocka_unit_test(hold__without_an_end_says_none),
        cmocka_unit_test(capture__takes_all_or_less_and_frees_the_rest),
        cmocka_unit_test(void__gives_all_back),
        cmocka_unit_test(hold__ends_exactly_once),
        cmocka_unit_test(expired_hold__is_free_again_and_cannot_be_captured),
        cmocka_unit_test(ends__of_no_hold_are_404),
        cmocka_unit_test(hold__is_not_to_be_taken_through_another_account),
        cmocka_unit_test(captures__that_cannot_be_leave_the_hold),
        cmocka_unit_test(keys__give_the_same_bytes_again_also_after_a_crash),
        cmocka_unit_test(tries__end_nothing),
        cmocka_unit_test(version__of_a_hold_may_come_as_if_match),
        cmocka_unit_test(end__without_a_body_has_any_type),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
