/* test_reversals.c - transactions undone, whole and in parts, over real sockets and two workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"

static const char *const ARGUMENTS[] = {"--workers", "2", NULL};

static int start(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    api_start(api, ARGUMENTS);
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

/* "txn131" of an answer. */
struct id {
    char text[32];
};

static struct id id_of(const struct http_response *response)
{
    struct id id;
    if (sscanf(response->body, "{\"id\":\"%31[^\"]", id.text) != 1)
        fail_msg("%s", response->body);
    return id;
}

static struct id transfer(const struct api *api, const char *from, const char *to,
                          const char *amount)
{
    struct http_response response;
    char body[256];
    snprintf(body, sizeof(body), "{\"from\":\"%s\",\"to\":\"%s\",\"amount\":%s}", from, to, amount);
    if (post(api, "/transfers", NULL, body, &response) != 201)
        fail_msg("%s", response.body);
    return id_of(&response);
}

static int reverse(const struct api *api, struct id id, const char *query, const char *key,
                   const char *body, struct http_response *response)
{
    char path[128];
    snprintf(path, sizeof(path), "/transactions/%s/reversal%s", id.text, query);
    return post(api, path, key, body, response);
}

static void check_refusal(const struct api *api, struct id id, const char *body, int status,
                          const char *code)
{
    struct http_response response;
    char expected[64];
    snprintf(expected, sizeof(expected), "\"code\":\"%s\"", code);
    int answered = reverse(api, id, "", NULL, body, &response);
    if (answered != status)
        fail_msg("%d: %s", answered, response.body);
    api_assert_in_body(&response, expected);
}

static void reversal__undoes_a_transfer_in_parts(void **state)
{
    struct http_response response;
    char expected[256];
    api_open_account(*state, "p-alice", "100.00");
    api_open_account(*state, "p-bob", "0");
    struct id id = transfer(*state, "p-alice", "p-bob", "60");
    assert_int_equal(reverse(*state, id, "", "p-1", "{\"amount\":\"20.00\"}", &response), 201);
    struct id first = id_of(&response);
    snprintf(expected, sizeof(expected),
             "{\"id\":\"%s\",\"type\":\"Reversal\",\"reverses\":\"%s\",\"account\":\"p-alice\","
             "\"amount\":20.00,\"newBalance\":60.00,\"newVersion\":3,\"timestamp\":\"",
             first.text, id.text);
    api_assert_in_body(&response, expected);
    snprintf(expected, sizeof(expected), "/transactions/%s", first.text);
    api_assert_header(&response, "Location", expected);

    assert_int_equal(
        http_call(((struct api *)*state)->server.port, "GET", expected, "", NULL, &response), 200);
    snprintf(expected, sizeof(expected), "\"reverses\":\"%s\"", id.text);
    api_assert_in_body(&response, expected);

    check_refusal(*state, id, "{\"amount\":40.01}", 422, "reversal_exceeded");
    assert_int_equal(reverse(*state, id, "?dryRun=true", NULL, "", &response), 200);
    api_assert_in_body(&response, "\"amount\":40.00,\"newBalance\":100.00");
    api_assert_in_body(&response, "\"dryRun\":true");
    assert_int_equal(reverse(*state, id, "", "p-2", "", &response), 201);
    api_assert_in_body(&response, "\"amount\":40.00,\"newBalance\":100.00");
    api_assert_balance(*state, "p-bob", "0.00 4");
    check_refusal(*state, id, "{}", 422, "reversal_exceeded");

    assert_int_equal(reverse(*state, id, "", "p-1", "{\"amount\":20}", &response), 201);
    api_assert_header(&response, "Idempotency-Replayed", "true");
    assert_string_equal(id_of(&response).text, first.text);
    assert_int_equal(reverse(*state, id, "", "p-1", "{\"amount\":21}", &response), 422);
    api_assert_in_body(&response, "\"code\":\"idempotency_key_reused\"");
}

static void reversal__of_what_cannot_be_undone_is_refused(void **state)
{
    struct http_response response;
    api_open_account(*state, "n-alice", "100.00");
    api_open_account(*state, "n-bob", "0");
    struct id id = transfer(*state, "n-alice", "n-bob", "60");
    assert_int_equal(reverse(*state, id, "", NULL, "{\"amount\":1}", &response), 201);
    check_refusal(*state, id_of(&response), "", 422, "not_reversible");
    check_refusal(*state, (struct id){"txn1"}, "", 422, "not_reversible"); /* an opening */
    check_refusal(*state, (struct id){"txn999999"}, "", 404, "transaction_not_found");
    check_refusal(*state, (struct id){"131"}, "", 404, "transaction_not_found");
    assert_int_equal(post(*state, "/accounts/n-bob/transactions", NULL,
                          "{\"type\":\"Debit\",\"amount\":50}", &response),
                     201);
    assert_int_equal(reverse(*state, id, "", "n-1", "", &response), 422);
    api_assert_body(&response,
                    "{\"error\":\"Insufficient Balance\",\"code\":\"insufficient_balance\","
                    "\"balance\":9.00,\"version\":4,\"field\":\"amount\",\"account\":\"n-bob\","
                    "\"outcome\":\"rejected\"}");
    api_assert_balance(*state, "n-alice", "41.00 3");
}

static void get(const struct api *api, struct id id, struct http_response *response)
{
    char path[64];
    snprintf(path, sizeof(path), "/transactions/%s", id.text);
    assert_int_equal(http_call(api->server.port, "GET", path, "", NULL, response), 200);
}

static void transaction__names_its_reversals_in_their_order(void **state)
{
    enum { PARTS = 40 };
    static struct http_response response;
    char expected[PARTS * 32] = "\"reversedBy\":[";
    size_t length = strlen(expected);
    api_open_account(*state, "g-alice", "100.00");
    api_open_account(*state, "g-bob", "0");
    struct id id = transfer(*state, "g-alice", "g-bob", "60");
    get(*state, id, &response);
    assert_null(strstr(response.body, "reversed"));
    for (unsigned i = 0; i < PARTS; i++) {
        assert_int_equal(reverse(*state, id, "", NULL, "{\"amount\":1.01}", &response), 201);
        struct id part = id_of(&response);
        length += (size_t)snprintf(expected + length, sizeof(expected) - length, "%s\"%s\"",
                                   i == 0 ? "" : ",", part.text);
        get(*state, part, &response);
        assert_null(strstr(response.body, "reversed"));
        if (i == 0) {
            get(*state, id, &response);
            api_assert_in_body(&response, expected);
            api_assert_in_body(&response, "],\"reversedAmount\":1.01}");
        }
    }
    get(*state, id, &response);
    api_assert_in_body(&response, expected);
    api_assert_in_body(&response, "],\"reversedAmount\":40.40}");
}

/* More clients than the history takes queries, some of whom leave. */
static void readers_that_leave__break_nothing(void **state)
{
    static struct http_client client;
    static struct http_response response;
    const struct api *api = *state;
    char path[64];
    api_open_account(api, "r-alice", "100.00");
    api_open_account(api, "r-bob", "0");
    struct id id = transfer(api, "r-alice", "r-bob", "50");
    assert_int_equal(reverse(api, id, "", NULL, "", &response), 201);
    snprintf(path, sizeof(path), "/transactions/%s", id.text);
    for (unsigned i = 0; i < 100; i++) {
        http_client_open(&client, api->server.port);
        assert_true(http_client_request(&client, "GET", path, "", NULL));
        http_client_close(&client);
    }
    get(api, id, &response);
    api_assert_in_body(&response, "\"reversedAmount\":50.00");
}

static void body__is_checked_like_any_other(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } ROWS[] = {
        {"{\"amount\":0}", "\"field\":\"amount\""},     {"{\"amount\":-1}", "\"field\":\"amount\""},
        {"{\"amount\":0.001}", "\"field\":\"amount\""}, {"{\"sum\":1}", "\"field\":\"sum\""},
        {"[]", "\"code\":\"invalid_request\""},         {"{", "\"code\":\"invalid_request\""},
    };
    struct http_response response;
    const struct api *api = *state;
    api_open_account(api, "b-alice", "100.00");
    api_open_account(api, "b-bob", "0");
    struct id id = transfer(api, "b-alice", "b-bob", "60");
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        if (reverse(api, id, "", NULL, ROWS[i].body, &response) != 400)
            fail_msg("%s: %s", ROWS[i].body, response.body);
        api_assert_in_body(&response, ROWS[i].field);
    }
    assert_int_equal(reverse(api, id, "?dryrun=1", NULL, "", &response), 400);
    char path[64];
    snprintf(path, sizeof(path), "/transactions/%s/reversal", id.text);
    assert_int_equal(http_call(api->server.port, "GET", path, "", NULL, &response), 405);
    api_assert_header(&response, "Allow", "POST");
    assert_int_equal(
        http_call(api->server.port, "POST", path, "If-Match: \"2\"\r\n", "", &response), 400);
    assert_int_equal(http_call(api->server.port, "POST", path, "", NULL, &response), 201);
    api_assert_balance(api, "b-alice", "100.00 3");
}

static void admin__may_reverse_on_a_frozen_account(void **state)
{
    struct http_response response;
    const struct api *api = *state;
    api_open_account(api, "f-alice", "100.00");
    api_open_account(api, "f-bob", "0");
    struct id id = transfer(api, "f-alice", "f-bob", "60");
    assert_int_equal(http_call(api->server.port, "PATCH", "/accounts/f-bob", API_JSON,
                               "{\"status\":\"frozen\"}", &response),
                     200);
    assert_int_equal(reverse(api, id, "", NULL, "", &response), 422);
    api_assert_in_body(&response, "\"code\":\"account_frozen\"");
    api_assert_in_body(&response, "\"account\":\"f-bob\"");
    assert_int_equal(reverse(api, id, "?asAdmin=true", NULL, "", &response), 201);
    api_assert_balance(api, "f-alice", "100.00 3");
}

/* Sent on many connections before any is answered. */
static void parts_at_once__never_add_up_to_more(void **state)
{
    enum { CLIENTS = 16, ROUNDS = 8 };
    static struct http_client clients[CLIENTS];
    static struct http_response response;
    const struct api *api = *state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        char from[16];
        char to[16];
        char path[64];
        unsigned applied = 0;
        snprintf(from, sizeof(from), "o-a%u", round);
        snprintf(to, sizeof(to), "o-b%u", round);
        api_open_account(api, from, "100.00");
        api_open_account(api, to, "0");
        struct id id = transfer(api, from, to, "50");
        snprintf(path, sizeof(path), "/transactions/%s/reversal", id.text);
        for (unsigned i = 0; i < CLIENTS; i++) {
            http_client_open(&clients[i], api->server.port);
            assert_true(http_client_request(&clients[i], "POST", path, API_JSON, "{\"amount\":8}"));
        }
        for (unsigned i = 0; i < CLIENTS; i++) {
            assert_true(http_client_receive(&clients[i], &response, false));
            http_client_close(&clients[i]);
            if (response.status == 201)
                applied++;
            else
                api_assert_in_body(&response, "\"code\":\"reversal_exceeded\"");
        }
        assert_int_equal(applied, 6);
        api_assert_balance(api, from, "98.00 8");
        api_assert_balance(api, to, "2.00 8");
    }
}

/* Clients that leave at once; the server goes on. */
static void clients_that_leave__break_nothing(void **state)
{
    static struct http_client client;
    struct http_response response;
    const struct api *api = *state;
    char path[64];
    api_open_account(api, "l-alice", "100.00");
    api_open_account(api, "l-bob", "0");
    struct id id = transfer(api, "l-alice", "l-bob", "50");
    snprintf(path, sizeof(path), "/transactions/%s/reversal", id.text);
    for (unsigned i = 0; i < 50; i++) {
        http_client_open(&client, api->server.port);
        assert_true(http_client_request(&client, "POST", path, API_JSON "Idempotency-Key: l-1\r\n",
                                        "{\"amount\":50}"));
        http_client_close(&client);
    }
    assert_int_equal(reverse(api, id, "", "l-1", "{\"amount\":50}", &response), 201);
    api_assert_balance(api, "l-alice", "100.00 3");
}

static void kill__keeps_what_was_answered(void **state)
{
    struct api *api = *state;
    struct http_response response;
    api_open_account(api, "k-alice", "100.00");
    api_open_account(api, "k-bob", "0");
    struct id id = transfer(api, "k-alice", "k-bob", "50");
    for (unsigned i = 0; i < 4; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k-%u", i);
        assert_int_equal(reverse(api, id, "", key, "{\"amount\":10}", &response), 201);
        struct id first = id_of(&response);
        server_process_signal(&api->server, SIGKILL);
        assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
        api_restart(api, ARGUMENTS);
        assert_int_equal(reverse(api, id, "", key, "{\"amount\":10}", &response), 201);
        api_assert_header(&response, "Idempotency-Replayed", "true");
        assert_string_equal(id_of(&response).text, first.text);
    }
    check_refusal(api, id, "{\"amount\":10.01}", 422, "reversal_exceeded");
    assert_int_equal(reverse(api, id, "", NULL, "", &response), 201);
    api_assert_in_body(&response, "\"amount\":10.00,\"newBalance\":100.00");
    api_assert_balance(api, "k-bob", "0.00 7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reversal__undoes_a_transfer_in_parts),
        cmocka_unit_test(reversal__of_what_cannot_be_undone_is_refused),
        cmocka_unit_test(transaction__names_its_reversals_in_their_order),
        cmocka_unit_test(readers_that_leave__break_nothing),
        cmocka_unit_test(body__is_checked_like_any_other),
        cmocka_unit_test(admin__may_reverse_on_a_frozen_account),
        cmocka_unit_test(parts_at_once__never_add_up_to_more),
        cmocka_unit_test(clients_that_leave__break_nothing),
        cmocka_unit_test(kill__keeps_what_was_answered),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
