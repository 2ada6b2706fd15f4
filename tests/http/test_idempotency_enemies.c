/* test_idempotency_enemies.c - keys as their enemies use them: everything that could make a request
 * happen twice, or take one for another, on every route that changes money.
 *
 * Each case has accounts of its own; routes are rows of a table, so that each enemy meets them all.
 */
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

enum {
    ROUTES = 7,
    HOLD_ROUTES = 5 /* from there on they end a hold */,
    PATH_BYTES = 192,
    BODY_BYTES = 512
};

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

/* --- routes ----------------------------------------------------------------------------------- */

struct call {
    char path[PATH_BYTES];
    char body[BODY_BYTES];
};

/* `case_name` and its partner "-to", with 100.00 each, and a hold of 8.00 that two of them end. */
static void open_pair(const struct api *api, const char *case_name, char hold[100])
{
    struct http_response response;
    char text[PATH_BYTES];
    api_open_account(api, case_name, "100.00");
    snprintf(text, sizeof(text), "%s-to", case_name);
    api_open_account(api, text, "100.00");
    snprintf(text, sizeof(text), "/accounts/%s/holds", case_name);
    assert_int_equal(
        http_call(api->server.port, "POST", text, API_JSON, "{\"amount\":8}", &response), 201);
    assert_int_equal(sscanf(response.body, "{\"id\":\"%99[^\"]", hold), 1);
}

/* The pattern with the name for each "%s". */
static void fill_in(const char *pattern, const char *name, char *text, size_t room)
{
    size_t length = 0;
    while (*pattern != '\0') {
        bool is_name = strncmp(pattern, "%s", 2) == 0;
        size_t count = is_name ? strlen(name) : 1;
        assert_true(length + count < room);
        memcpy(text + length, is_name ? name : pattern, count);
        length += count;
        pattern += is_name ? 2 : 1;
    }
    text[length] = '\0';
}

/* Each moves, or sets aside, 2.00. */
static void make_call(unsigned route, const char *name, const char *hold, struct call *call)
{
    static const struct {
        const char *path; /* of the account, or of the hold */
        const char *body;
    } rows[ROUTES] = {
        {"/accounts/%s/transactions", "{\"type\":\"Deposit\",\"amount\":2}"},
        {"/accounts/%s/transactions", "{\"type\":\"Withdraw\",\"amount\":2}"},
        {"/transfers", "{\"from\":\"%s\",\"to\":\"%s-to\",\"amount\":2}"},
        {"/postings", "{\"legs\":[{\"account\":\"%s\",\"type\":\"Debit\",\"amount\":2},"
                      "{\"account\":\"%s-to\",\"type\":\"Credit\",\"amount\":2}]}"},
        {"/accounts/%s/holds", "{\"amount\":2}"},
        {"/holds/%s/capture", "{\"amount\":2}"},
        {"/holds/%s/void", ""},
    };
    fill_in(rows[route].path, route >= HOLD_ROUTES ? hold : name, call->path, sizeof(call->path));
    fill_in(rows[route].body, name, call->body, sizeof(call->body));
}

static bool send_call(struct http_client *client, const struct call *call, const char *key)
{
    char headers[160];
    snprintf(headers, sizeof(headers), API_JSON "Idempotency-Key: %s\r\n", key);
    return http_client_request(client, "POST", call->path, headers, call->body);
}

static int do_call(const struct api *api, const struct call *call, const char *key,
                   struct http_response *response)
{
    char headers[160];
    snprintf(headers, sizeof(headers), API_JSON "Idempotency-Key: %s\r\n", key);
    return http_call(api->server.port, "POST", call->path, headers, call->body, response);
}

static bool is_replay(const struct http_response *response)
{
    char value[16];
    return http_response_header(response, "Idempotency-Replayed", value, sizeof(value)) != NULL;
}

/* What the account shows: balance, held, version. */
static void show(const struct api *api, const char *name, char shown[256])
{
    struct http_response response;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "/accounts/%s", name);
    assert_int_equal(http_call(api->server.port, "GET", path, "", NULL, &response), 200);
    const char *from = strstr(response.body, "\"balance\":");
    const char *end = strstr(response.body, ",\"minimumBalance\"");
    assert_true(from != NULL && end != NULL);
    snprintf(shown, 256, "%.*s", (int)(end - from), from);
}

/* Once and no more: behind the opening and the hold there is one change. */
static void assert_happened_once(const struct api *api, const char *name)
{
    char shown[256];
    show(api, name, shown);
    if (strstr(shown, "\"version\":3") == NULL)
        fail_msg("%s: %s", name, shown);
}

/* --- the enemies ------------------------------------------------------------------------------ */

static void two_connections__with_one_key_change_once(void **state)
{
    enum { CONNECTIONS = 6 };
    static struct http_response responses[CONNECTIONS];
    struct http_client *clients = calloc(CONNECTIONS, sizeof(*clients));
    struct call call;
    char name[32];
    char hold[100];
    for (unsigned route = 0; route < ROUTES; route++) {
        unsigned firsts = 0;
        snprintf(name, sizeof(name), "both%u", route);
        open_pair(*state, name, hold);
        make_call(route, name, hold, &call);
        for (unsigned i = 0; i < CONNECTIONS; i++)
            http_client_open(&clients[i], ((struct api *)*state)->server.port);
        for (unsigned i = 0; i < CONNECTIONS; i++)
            assert_true(send_call(&clients[i], &call, "k"));
        for (unsigned i = 0; i < CONNECTIONS; i++) {
            assert_true(http_client_receive(&clients[i], &responses[i], false));
            assert_int_equal(responses[i].status, 201);
            assert_string_equal(responses[i].body, responses[0].body);
            firsts += is_replay(&responses[i]) ? 0 : 1;
            http_client_close(&clients[i]);
        }
        assert_int_equal(firsts, 1);
        assert_happened_once(*state, name);
    }
    free(clients);
}

/* Nobody waits for the answer; the server is killed, at whatever moment, or the client goes. */
static void answers__that_nobody_got_are_found_by_the_key(void **state)
{
    enum { KILL, LEAVE, WAYS };
    static struct http_response first;
    static struct http_response again;
    struct api *api = *state;
    struct http_client *client = calloc(1, sizeof(*client));
    struct call call;
    char name[32];
    char hold[100];
    for (unsigned i = 0; i < ROUTES * WAYS; i++) {
        unsigned way = i % WAYS;
        snprintf(name, sizeof(name), "lost%u", i);
        open_pair(api, name, hold);
        make_call(i / WAYS, name, hold, &call);
        http_client_open(client, api->server.port);
        assert_true(send_call(client, &call, "k"));
        if (way == KILL) {
            server_process_signal(&api->server, SIGKILL);
            assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
            api_restart(api, arguments);
        }
        http_client_close(client);
        assert_int_equal(do_call(api, &call, "k", &first), 201);
        assert_int_equal(do_call(api, &call, "k", &again), 201);
        assert_true(is_replay(&again));
        assert_string_equal(again.body, first.body);
        assert_happened_once(api, name);
    }
    free(client);
}

/* A client that has waited long enough sends again, while the first one is still on its way. */
static void impatience__is_answered_with_the_same(void **state)
{
    static struct http_response early;
    static struct http_response late;
    struct http_client *clients = calloc(2, sizeof(*clients));
    struct call call;
    char name[32];
    char hold[100];
    char head[512];
    for (unsigned route = 0; route < ROUTES; route++) {
        snprintf(name, sizeof(name), "late%u", route);
        open_pair(*state, name, hold);
        make_call(route, name, hold, &call);
        http_client_open(&clients[0], ((struct api *)*state)->server.port);
        http_client_open(&clients[1], ((struct api *)*state)->server.port);
        /* The first one is not whole when the second one is sent and answered. */
        int length = snprintf(head, sizeof(head),
                              "POST %s HTTP/1.1\r\nHost: test\r\n" API_JSON
                              "Idempotency-Key: k\r\nContent-Length: %zu\r\n",
                              call.path, strlen(call.body));
        assert_true(http_client_send(&clients[0], head, (size_t)length));
        assert_true(send_call(&clients[1], &call, "k"));
        assert_true(http_client_receive(&clients[1], &early, false));
        assert_int_equal(early.status, 201);
        assert_false(is_replay(&early));
        assert_true(http_client_send(&clients[0], "\r\n", 2));
        assert_true(http_client_send(&clients[0], call.body, strlen(call.body)));
        assert_true(http_client_receive(&clients[0], &late, false));
        assert_int_equal(late.status, 201);
        assert_true(is_replay(&late));
        assert_string_equal(late.body, early.body);
        http_client_close(&clients[0]);
        http_client_close(&clients[1]);
        assert_happened_once(*state, name);
    }
    free(clients);
}

/* The key of each route is tried on every other one, and with another body on its own. */
static void key__of_another_route_or_body_is_refused(void **state)
{
    static struct http_response response;
    struct call call;
    char name[32];
    char hold[100];
    char before[256];
    char after[256];
    for (unsigned first = 0; first < ROUTES; first++) {
        snprintf(name, sizeof(name), "other%u", first);
        open_pair(*state, name, hold);
        make_call(first, name, hold, &call);
        assert_int_equal(do_call(*state, &call, "k", &response), 201);
        show(*state, name, before);
        for (unsigned second = 0; second < ROUTES; second++) {
            make_call(second, name, hold, &call);
            char *amount = strstr(call.body, "\"amount\":2");
            if (second == first && amount == NULL)
                continue;
            while (second == first && amount != NULL) {
                amount[9] = '3';
                amount = strstr(amount, "\"amount\":2");
            }
            if (do_call(*state, &call, "k", &response) != 422)
                fail_msg("%u, then %u: %d %s", first, second, response.status, response.body);
            api_assert_in_body(&response, "\"error\":\"Duplicate transaction\",\"transactionId\":");
            api_assert_in_body(&response, "\"code\":\"idempotency_key_reused\"");
            assert_false(is_replay(&response));
        }
        show(*state, name, after);
        assert_string_equal(after, before);
    }
}

/* Two holds of one account and one amount are told apart, however they end. */
static void key__of_another_hold_is_refused(void **state)
{
    static struct http_response response;
    struct call call;
    char name[32];
    char holds[2][100];
    char path[PATH_BYTES];
    char before[256];
    char after[256];
    for (unsigned route = HOLD_ROUTES; route < ROUTES; route++) {
        snprintf(name, sizeof(name), "holds%u", route);
        open_pair(*state, name, holds[0]);
        snprintf(path, sizeof(path), "/accounts/%s/holds", name);
        assert_int_equal(http_call(((struct api *)*state)->server.port, "POST", path, API_JSON,
                                   "{\"amount\":8}", &response),
                         201);
        assert_int_equal(sscanf(response.body, "{\"id\":\"%99[^\"]", holds[1]), 1);
        make_call(route, name, holds[0], &call);
        assert_int_equal(do_call(*state, &call, "k", &response), 201);
        show(*state, name, before);
        make_call(route, name, holds[1], &call);
        assert_int_equal(do_call(*state, &call, "k", &response), 422);
        api_assert_in_body(&response, "\"code\":\"idempotency_key_reused\"");
        show(*state, name, after);
        assert_string_equal(after, before);
    }
}

/* Keys are an account's own, whichever route: the first one that a request names. */
static void key__of_another_account_is_free(void **state)
{
    static struct http_response response;
    struct call call;
    char name[32];
    char hold[100];
    for (unsigned route = 0; route < ROUTES; route++) {
        for (unsigned i = 0; i < 2; i++) {
            snprintf(name, sizeof(name), "own%u-%u", route, i);
            open_pair(*state, name, hold);
            make_call(route, name, hold, &call);
            assert_int_equal(do_call(*state, &call, "k", &response), 201);
            assert_false(is_replay(&response));
            assert_happened_once(*state, name);
        }
    }
}

/* --- spellings ---------------------------------------------------------------------------------
 */

struct spelling {
    const char *path;
    const char *key;
    const char *body;
};

static void assert_all_are_one(const struct api *api, const struct spelling *rows, size_t count,
                               const char *name)
{
    static struct http_response first;
    static struct http_response again;
    struct call call;
    char hold[100];
    open_pair(api, name, hold);
    for (size_t i = 0; i < count; i++) {
        struct http_response *response = i == 0 ? &first : &again;
        snprintf(call.path, sizeof(call.path), "%s", rows[i].path);
        snprintf(call.body, sizeof(call.body), "%s", rows[i].body);
        if (do_call(api, &call, rows[i].key, response) != 201)
            fail_msg("%s: %d %s", rows[i].body, response->status, response->body);
        assert_true(is_replay(response) == (i > 0));
        assert_string_equal(response->body, first.body);
    }
    assert_happened_once(api, name);
}

#define ALL_ARE_ONE(state, rows, name)                                                             \
    assert_all_are_one((state), (rows), sizeof(rows) / sizeof((rows)[0]), (name))

static void spellings__of_one_deposit_are_one(void **state)
{
    static const char path[] = "/accounts/s-deposit/transactions";
    static const struct spelling rows[] = {
        {path, "k", "{\"type\":\"Deposit\",\"amount\":1}"},
        {path, "\"k\"", "{\"type\":\"Deposit\",\"amount\":1.0}"},
        {path, "k", "{\"type\":\"deposit\",\"amount\":1.00}"},
        {path, "k", "{\"type\":\"DEPOSIT\",\"amount\":\"1\"}"},
        {path, "k", "{\"type\":\"Credit\",\"amount\":\"1.0\"}"},
        {path, "k", "{\"type\":\"cReDiT\",\"amount\":\"1.00\"}"},
        {path, " k ", " { \"amount\" : 1e0 , \"type\" : \"Deposit\" } "},
        {path, "\"k\"", "{\"typeOfTransaction\":\"Deposit\",\"moneyWithdraw/Deposit\":1}"},
        {path, "k", "{\"type\":\"Dep\\u006fsit\",\"amount\":0.1e1}"},
    };
    ALL_ARE_ONE(*state, rows, "s-deposit");
}

static void spellings__of_one_withdrawal_are_one(void **state)
{
    static const char path[] = "/accounts/s-withdraw/transactions";
    static const struct spelling rows[] = {
        {path, "k", "{\"type\":\"Withdraw\",\"amount\":1.5,\"expectedVersion\":2}"},
        {path, "k", "{\"type\":\"withdrawal\",\"amount\":\"1.50\",\"expectedVersion\":2}"},
        {path, "k", "{\"type\":\"DEBIT\",\"amount\":1.50,\"expectedversion\":2}"},
        {path, "\"k\"", "{\"expectedVersion\":2,\"amount\":\"1.5\",\"type\":\"Withdraw\"}"},
    };
    ALL_ARE_ONE(*state, rows, "s-withdraw");
}

static void spellings__of_one_transfer_are_one(void **state)
{
    static const char path[] = "/transfers";
    static const struct spelling rows[] = {
        {path, "k", "{\"from\":\"s-transfer\",\"to\":\"s-transfer-to\",\"amount\":10}"},
        {path, "\"k\"", "{\"from\":\"s-transfer\",\"to\":\"s-transfer-to\",\"amount\":10.0}"},
        {path, "k", "{\"from\":\"s-transfer\",\"to\":\"s-transfer-to\",\"amount\":\"10.00\"}"},
        {path, "k", "{\"amount\":\"10\",\"to\":\"s-transfer-to\",\"from\":\"s-transfer\"}"},
        {path, "k", "{\"from\":\"s-transf\\u0065r\",\"to\":\"s-transfer-to\",\"amount\":1e1}"},
    };
    ALL_ARE_ONE(*state, rows, "s-transfer");
}

static void spellings__of_one_posting_are_one(void **state)
{
    static const char path[] = "/postings";
    static const struct spelling rows[] = {
        {path, "k",
         "{\"legs\":[{\"account\":\"s-posting\",\"type\":\"Debit\",\"amount\":2.5},"
         "{\"account\":\"s-posting-to\",\"type\":\"Credit\",\"amount\":2.5}]}"},
        {path, "\"k\"",
         "{\"legs\":[{\"account\":\"s-posting\",\"type\":\"withdraw\",\"amount\":\"2.50\"},"
         "{\"amount\":2.50,\"type\":\"DEPOSIT\",\"account\":\"s-posting-to\"}]}"},
        {path, "k",
         "{ \"legs\" : [ {\"account\":\"s-posting\",\"type\":\"Withdrawal\",\"amount\":25e-1},"
         "{\"account\":\"s-posting-to\",\"type\":\"credit\",\"amount\":\"2.5\"} ] }"},
    };
    ALL_ARE_ONE(*state, rows, "s-posting");
}

static void spellings__of_one_hold_are_one(void **state)
{
    static const char path[] = "/accounts/s-hold/holds";
    static const struct spelling rows[] = {
        {path, "k", "{\"amount\":3,\"expiresIn\":3600}"},
        {path, "\"k\"", "{\"expiresIn\":3600,\"amount\":3.00}"},
        {path, "k", "{\"amount\":\"3.0\",\"expiresIn\":3600}"},
    };
    ALL_ARE_ONE(*state, rows, "s-hold");
}

/* What is not a spelling of the same: each key changes the account once more. */
static void other_keys__are_other_keys(void **state)
{
    static const char *const keys[] = {"k", "K", "kk", "k1", "\"k 1\"", "k-1", "'k'"};
    static const char deposit[] = "{\"type\":\"Deposit\",\"amount\":1}";
    static struct http_response response;
    char expected[64];
    unsigned count = sizeof(keys) / sizeof(keys[0]);
    api_open_account(*state, "s-keys", "0");
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(api_post(*state, "s-keys", keys[i], deposit, &response), 201);
        assert_false(is_replay(&response));
    }
    snprintf(expected, sizeof(expected), "%u.00 %u", count, count + 1);
    api_assert_balance(*state, "s-keys", expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_connections__with_one_key_change_once),
        cmocka_unit_test(answers__that_nobody_got_are_found_by_the_key),
        cmocka_unit_test(impatience__is_answered_with_the_same),
        cmocka_unit_test(key__of_another_route_or_body_is_refused),
        cmocka_unit_test(key__of_another_hold_is_refused),
        cmocka_unit_test(key__of_another_account_is_free),
        cmocka_unit_test(spellings__of_one_deposit_are_one),
        cmocka_unit_test(spellings__of_one_withdrawal_are_one),
        cmocka_unit_test(spellings__of_one_transfer_are_one),
        cmocka_unit_test(spellings__of_one_posting_are_one),
        cmocka_unit_test(spellings__of_one_hold_are_one),
        cmocka_unit_test(other_keys__are_other_keys),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
