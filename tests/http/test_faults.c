/* test_faults.c - a disk that hangs or fails, a server that stops: every row of 408, 429 and
 * exit 74. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "faulty_fixture.h"

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Sends a request without waiting for its answer. */
static void send_deposit(struct faulty *faulty, unsigned client, const char *key)
{
    char headers[128];
    snprintf(headers, sizeof(headers), API_JSON "Idempotency-Key: %s\r\n", key);
    http_client_open(&faulty->clients[client], faulty->api.server.port);
    assert_true(http_client_request(&faulty->clients[client], "POST", "/accounts/a/transactions",
                                    headers, "{\"type\":\"Deposit\",\"amount\":1}"));
}

static void assert_answer(struct faulty *faulty, unsigned client, int status, const char *body)
{
    assert_true(http_client_receive(&faulty->clients[client], &faulty->response, false));
    if (faulty->response.status != status || strcmp(faulty->response.body, body) != 0)
        fail_msg("%d %s", faulty->response.status, faulty->response.body);
}

static int call(struct faulty *faulty, const char *method, const char *path, const char *body)
{
    return http_call(faulty->api.server.port, method, path, API_JSON, body, &faulty->response);
}

static const char unknown_at_1[] = "{\"error\":\"Server Crashes\",\"CurrentVersion\":1,"
                                   "\"code\":\"commit_unknown\",\"outcome\":\"unknown\"}";
static const char not_committed_at_1[] = "{\"error\":\"Server Crashes\",\"CurrentVersion\":1,"
                                         "\"code\":\"not_committed\",\"outcome\":\"not_applied\"}";

static void failed_log__answers_unknown_and_ends_with_74(void **state)
{
    static const char *const arguments[] = {NULL};
    struct faulty *faulty = faulty_start(arguments);
    struct http_response response;
    (void)state;
    faulty_set_mode(faulty, FAULTY_HANGS);
    send_deposit(faulty, 0, "k1");
    faulty_wait_until_hanging(faulty);
    /* a connection that is in the middle of its request when the disk fails */
    http_client_open(&faulty->clients[1], faulty->api.server.port);
    assert_true(http_client_send(&faulty->clients[1],
                                 "POST /accounts/a/transactions HTTP/1.1\r\n"
                                 "Content-Length: 29\r\n\r\n{\"type\":",
                                 strlen("POST /accounts/a/transactions HTTP/1.1\r\n"
                                        "Content-Length: 29\r\n\r\n{\"type\":")));
    /* it has been read when a later request on another connection has been answered */
    assert_int_equal(http_call(faulty->api.server.port, "GET", "/healthz", "", NULL, &response),
                     200);
    uint64_t failed_at = now_ms();
    faulty_set_mode(faulty, FAULTY_FAILS);
    assert_answer(faulty, 0, 408, unknown_at_1);
    api_assert_header(&faulty->response, "Connection", "close");
    assert_true(http_client_is_closed(&faulty->clients[0]));
    if (http_client_send(&faulty->clients[1], "\"Deposit\",\"amount\":1}", 21)) {
        assert_answer(faulty, 1, 408, not_committed_at_1);
        api_assert_header(&faulty->response, "Connection", "close");
    }
    assert_int_equal(server_process_wait(&faulty->api.server), 74);
    assert_true(now_ms() - failed_at < 1000);
    assert_non_null(strstr(faulty->api.server.log, "event=disk_failed"));
    assert_non_null(strstr(faulty->api.server.log, "reason=\"Input/output error\""));
    http_client_close(&faulty->clients[0]);
    http_client_close(&faulty->clients[1]);

    /* what was not acknowledged is there whole or not at all; the retry finds the truth */
    faulty_set_mode(faulty, FAULTY_WORKS);
    faulty_restart(faulty, arguments);
    assert_int_equal(
        api_post(&faulty->api, "a", "k1", "{\"type\":\"Deposit\",\"amount\":1}", &response), 201);
    api_assert_balance(&faulty->api, "a", "101.00 2");
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
}

/* The background is within the failing disk and does not come back: it is not waited for. */
static void failed_log__ends_with_74_while_a_checkpoint_hangs(void **state)
{
    static const char *const arguments[] = {NULL};
    struct faulty *faulty = faulty_start(arguments);
    struct http_response response;
    (void)state;
    assert_int_equal(
        api_post(&faulty->api, "a", "k0", "{\"type\":\"Deposit\",\"amount\":1}", &response), 201);
    faulty_set_mode(faulty, FAULTY_OPENS_HANG);
    assert_int_equal(call(faulty, "POST", "/admin/checkpoint", NULL), 202);
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    while (atomic_load(&faulty->control->opening) == 0)
        assert_true(now_ms() < limit);
    faulty_set_mode(faulty, FAULTY_HANGS);
    send_deposit(faulty, 0, "k1");
    faulty_wait_until_hanging(faulty);
    faulty_set_mode(faulty, FAULTY_FAILS_AND_HANGS);
    assert_int_equal(server_process_wait(&faulty->api.server), 74);
    assert_non_null(strstr(faulty->api.server.log, "event=disk_failed"));
    http_client_close(&faulty->clients[0]);
    faulty_end(faulty);
}

static void hanging_log__answers_unknown_at_the_deadline(void **state)
{
    static const char *const arguments[] = {"--commit-timeout-ms", "200", NULL};
    struct faulty *faulty = faulty_start(arguments);
    (void)state;
    faulty_set_mode(faulty, FAULTY_HANGS);
    uint64_t began = now_ms();
    send_deposit(faulty, 0, "k1");
    assert_answer(faulty, 0, 408, unknown_at_1);
    assert_in_range(now_ms() - began, 200, 5000);
    api_assert_header(&faulty->response, "Connection", "close");
    http_client_close(&faulty->clients[0]);
    /* the same key waits for the same commit, and gets its answer when the disk goes on */
    send_deposit(faulty, 1, "k1");
    assert_answer(faulty, 1, 408, unknown_at_1);
    http_client_close(&faulty->clients[1]);
    faulty_set_mode(faulty, FAULTY_WORKS);
    send_deposit(faulty, 2, "k1");
    assert_true(http_client_receive(&faulty->clients[2], &faulty->response, false));
    assert_int_equal(faulty->response.status, 201);
    api_assert_header(&faulty->response, "Idempotency-Replayed", "true");
    http_client_close(&faulty->clients[2]);
    api_assert_balance(&faulty->api, "a", "101.00 2");
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
}

static void read__waits_for_what_it_would_show(void **state)
{
    static const char *const arguments[] = {NULL};
    struct faulty *faulty = faulty_start(arguments);
    char byte;
    (void)state;
    faulty_set_mode(faulty, FAULTY_HANGS);
    send_deposit(faulty, 0, "k1");
    faulty_wait_until_hanging(faulty);
    http_client_open(&faulty->clients[1], faulty->api.server.port);
    assert_true(http_client_request(&faulty->clients[1], "GET", "/accounts/a/balance", "", NULL));
    struct http_response response;
    assert_int_equal(http_call(faulty->api.server.port, "GET", "/healthz", "", NULL, &response),
                     200);
    assert_int_equal(recv(faulty->clients[1].descriptor, &byte, 1, MSG_DONTWAIT), -1);
    faulty_set_mode(faulty, FAULTY_WORKS);
    assert_answer(faulty, 1, 200, "{\"balance\":101.00,\"version\":2}");
    assert_true(http_client_receive(&faulty->clients[0], &faulty->response, false));
    assert_int_equal(faulty->response.status, 201);
    http_client_close(&faulty->clients[0]);
    http_client_close(&faulty->clients[1]);
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
}

/* The rule of /healthz: a commit that takes longer than five seconds is a disk that hangs. */
static void commit__of_more_than_5_s_is_unhealthy_until_it_ends(void **state)
{
    enum { LIMIT_MS = 5000, MARGIN_MS = 200, SOON_MS = 3000 };
    static const char *const arguments[] = {"--commit-timeout-ms", "60000", NULL};
    static const char unhealthy[] = "{\"error\":\"The log does not answer\",\"code\":\"unhealthy\","
                                    "\"outcome\":\"not_applied\"}";
    struct faulty *faulty = faulty_start(arguments);
    (void)state;
    faulty_set_mode(faulty, FAULTY_HANGS);
    uint64_t before = now_ms();
    send_deposit(faulty, 0, "k1");
    faulty_wait_until_hanging(faulty);
    uint64_t after = now_ms();
    /* nobody is answered in that time */
    struct pollfd answered = {.fd = faulty->clients[0].descriptor, .events = POLLIN};
    int64_t wait_ms = LIMIT_MS - MARGIN_MS - (int64_t)(now_ms() - before);
    assert_int_equal(poll(&answered, 1, wait_ms > 0 ? (int)wait_ms : 0), 0);
    int status = call(faulty, "GET", "/healthz", NULL);
    if (now_ms() - before < LIMIT_MS)
        assert_int_equal(status, 200);
    while (status == 200 && now_ms() - after < LIMIT_MS + SOON_MS)
        status = call(faulty, "GET", "/healthz", NULL);
    assert_int_equal(status, 503);
    assert_true(now_ms() - before >= LIMIT_MS);
    api_assert_body(&faulty->response, unhealthy);
    api_assert_header(&faulty->response, "Retry-After", "1");
    assert_int_equal(call(faulty, "GET", "/readyz", NULL), 503);
    api_assert_body(&faulty->response, unhealthy);

    faulty_set_mode(faulty, FAULTY_WORKS);
    assert_true(http_client_receive(&faulty->clients[0], &faulty->response, false));
    assert_int_equal(faulty->response.status, 201);
    http_client_close(&faulty->clients[0]);
    assert_int_equal(
        http_call(faulty->api.server.port, "GET", "/healthz", "", NULL, &faulty->response), 200);
    assert_int_equal(call(faulty, "GET", "/readyz", NULL), 200);
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
}

/* What a client sends while its request waits for the disk waits too, however long it is; and one
 * that leaves meanwhile disturbs nobody. */
static void early__input_is_answered_in_its_turn(void **state)
{
    enum { PADDING = 20000 };
    static const char *const arguments[] = {NULL};
    struct faulty *faulty = faulty_start(arguments);
    struct http_response response;
    char *body = malloc(PADDING + 64);
    (void)state;
    assert_non_null(body);
    memset(body, ' ', PADDING);
    strcpy(body + PADDING, "{\"type\":\"Deposit\",\"amount\":2}");
    faulty_set_mode(faulty, FAULTY_HANGS);
    send_deposit(faulty, 0, "k1");
    faulty_wait_until_hanging(faulty);
    send_deposit(faulty, 1, "k2");
    assert_true(http_client_request(&faulty->clients[0], "POST", "/accounts/a/transactions",
                                    API_JSON, body));
    http_client_close(&faulty->clients[1]);
    /* both have been read when a later request on another connection has been answered */
    assert_int_equal(http_call(faulty->api.server.port, "GET", "/healthz", "", NULL, &response),
                     200);
    faulty_set_mode(faulty, FAULTY_WORKS);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(http_client_receive(&faulty->clients[0], &faulty->response, false));
        assert_int_equal(faulty->response.status, 201);
    }
    assert_non_null(strstr(faulty->response.body, "\"amount\":2.00"));
    http_client_close(&faulty->clients[0]);
    api_assert_balance(&faulty->api, "a", "104.00 4");
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
    free(body);
}

static void send_posting(struct faulty *faulty, unsigned client, const char *from, const char *to)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{\"legs\":[{\"account\":\"%s\",\"type\":\"Credit\",\"amount\":500},"
             "{\"account\":\"%s\",\"type\":\"Debit\",\"amount\":500}]}",
             to, from);
    http_client_open(&faulty->clients[client], faulty->api.server.port);
    assert_true(http_client_request(&faulty->clients[client], "POST", "/postings",
                                    API_JSON "Idempotency-Key: k\r\n", body));
}

/* Refusals with a key wait for the disk; what each says of its own legs outlives the parsing of the
 * next. */
static void waiting__postings_keep_their_own_legs(void **state)
{
    static const char *const arguments[] = {NULL};
    struct faulty *faulty = faulty_start(arguments);
    (void)state;
    api_open_account(&faulty->api, "b", "100.00");
    faulty_set_mode(faulty, FAULTY_HANGS);
    send_posting(faulty, 0, "a", "b");
    faulty_wait_until_hanging(faulty);
    send_posting(faulty, 1, "b", "a");
    /* both have been read when a later request on another connection has been answered */
    assert_int_equal(
        http_call(faulty->api.server.port, "GET", "/healthz", "", NULL, &faulty->response), 200);
    faulty_set_mode(faulty, FAULTY_WORKS);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(http_client_receive(&faulty->clients[i], &faulty->response, false));
        assert_int_equal(faulty->response.status, 422);
        api_assert_in_body(&faulty->response, "\"code\":\"insufficient_balance\"");
        api_assert_in_body(&faulty->response, "\"leg\":1,\"field\":\"legs[1].amount\"");
        api_assert_in_body(&faulty->response, i == 0 ? "\"account\":\"a\"" : "\"account\":\"b\"");
        http_client_close(&faulty->clients[i]);
    }
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
}

static void too_many__requests_in_flight_are_429(void **state)
{
    static const char *const arguments[] = {"--requests-max", "2", NULL};
    struct faulty *faulty = faulty_start(arguments);
    (void)state;
    faulty_set_mode(faulty, FAULTY_HANGS);
    send_deposit(faulty, 0, "k0");
    send_deposit(faulty, 1, "k1");
    faulty_wait_until_hanging(faulty);
    /* both have been read when later requests on other connections have been answered */
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            http_call(faulty->api.server.port, "GET", "/healthz", "", NULL, &faulty->response),
            200);
    send_deposit(faulty, 2, "k2");
    send_deposit(faulty, 3, "k3");
    unsigned refused = 0;
    unsigned created = 0;
    /* two wait; of the others each is refused at once: receive those first */
    for (unsigned i = 0; i < 4; i++) {
        struct http_client *client = &faulty->clients[3 - i];
        if (refused == 2)
            faulty_set_mode(faulty, FAULTY_WORKS);
        assert_true(http_client_receive(client, &faulty->response, false));
        if (faulty->response.status == 429) {
            api_assert_header(&faulty->response, "Retry-After", "1");
            api_assert_body(&faulty->response, "{\"error\":\"Too many requests in flight\","
                                               "\"code\":\"too_many_requests\","
                                               "\"outcome\":\"not_applied\"}");
            refused++;
        }
        created += faulty->response.status == 201;
        http_client_close(client);
    }
    assert_int_equal(refused, 2);
    assert_int_equal(created, 2);
    api_assert_balance(&faulty->api, "a", "102.00 3");
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
}

static void stopping__finishes_what_waits_and_refuses_the_rest(void **state)
{
    static const char *const arguments[] = {NULL};
    static const char head[] = "POST /accounts/a/transactions HTTP/1.1\r\nHost: test\r\n"
                               "Content-Length: 29\r\n\r\n{\"type\":";
    struct faulty *faulty = faulty_start(arguments);
    struct http_response response;
    (void)state;
    faulty_set_mode(faulty, FAULTY_HANGS);
    send_deposit(faulty, 0, "k1");
    faulty_wait_until_hanging(faulty);
    /* one in the middle of its request, one idle */
    http_client_open(&faulty->clients[1], faulty->api.server.port);
    assert_true(http_client_send(&faulty->clients[1], head, strlen(head)));
    http_client_open(&faulty->clients[2], faulty->api.server.port);
    assert_true(http_client_request(&faulty->clients[2], "GET", "/healthz", "", NULL));
    assert_true(http_client_receive(&faulty->clients[2], &response, false));
    server_process_signal(&faulty->api.server, SIGTERM);
    assert_true(server_process_wait_log(&faulty->api.server, "event=stopping"));
    /* the idle one is closed */
    assert_true(http_client_is_closed(&faulty->clients[2]));
    /* the half one may finish, and is refused */
    assert_true(http_client_send(&faulty->clients[1], "\"Deposit\",\"amount\":1}", 21));
    assert_answer(faulty, 1, 408, not_committed_at_1);
    api_assert_header(&faulty->response, "Connection", "close");
    /* the waiting one gets its answer */
    faulty_set_mode(faulty, FAULTY_WORKS);
    assert_true(http_client_receive(&faulty->clients[0], &faulty->response, false));
    assert_int_equal(faulty->response.status, 201);
    for (unsigned i = 0; i < 3; i++)
        http_client_close(&faulty->clients[i]);
    assert_int_equal(server_process_wait(&faulty->api.server), 0);
    assert_non_null(strstr(faulty->api.server.log, "event=stopped"));
    faulty_restart(faulty, arguments);
    assert_non_null(strstr(faulty->api.server.log, "end=clean"));
    api_assert_balance(&faulty->api, "a", "101.00 2");
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
}

static void recovering__answers_503_with_its_progress(void **state)
{
    static const char *const arguments[] = {NULL};
    static const char recovering[] = "{\"error\":\"Recovering\",\"code\":\"recovering\","
                                     "\"progress\":0.00,\"outcome\":\"not_applied\"}";
    static const char not_ready[] = "{\"error\":\"Recovering\",\"code\":\"recovering\","
                                    "\"progress\":0.00,\"rate\":0.0,\"secondsLeft\":null,"
                                    "\"outcome\":\"not_applied\"}";
    struct faulty *faulty = faulty_start(arguments);
    (void)state;
    server_process_stop(&faulty->api.server);
    faulty_set_mode(faulty, FAULTY_HANGS);
    faulty_spawn(faulty, arguments);
    assert_int_equal(call(faulty, "GET", "/accounts/a/balance", NULL), 503);
    api_assert_body(&faulty->response, recovering);
    api_assert_header(&faulty->response, "Retry-After", "1");
    assert_int_equal(
        call(faulty, "POST", "/accounts/a/transactions", "{\"type\":\"Deposit\",\"amount\":1}"),
        503);
    api_assert_body(&faulty->response, recovering);
    assert_int_equal(call(faulty, "POST", "/accounts", "{\"id\":\"a\"}"), 503);
    api_assert_body(&faulty->response, recovering);
    assert_int_equal(call(faulty, "POST", "/admin/checkpoint", NULL), 503);
    api_assert_body(&faulty->response, recovering);
    assert_int_equal(call(faulty, "GET", "/admin/backup", NULL), 503);
    api_assert_body(&faulty->response, recovering);
    assert_int_equal(call(faulty, "GET", "/readyz", NULL), 503);
    api_assert_body(&faulty->response, not_ready);
    api_assert_header(&faulty->response, "Retry-After", "1");
    assert_int_equal(call(faulty, "POST", "/withdraw", "{\"account_id\":\"a\",\"amount\":1}"), 500);
    api_assert_body(&faulty->response,
                    "{\"error\":\"Transaction failed\",\"details\":\"Recovering\"}");
    /* syntax comes first, and life is another question */
    assert_int_equal(call(faulty, "POST", "/accounts", "{"), 400);
    assert_int_equal(
        http_call(faulty->api.server.port, "GET", "/healthz", "", NULL, &faulty->response), 200);
    assert_int_equal(call(faulty, "GET", "/metrics", NULL), 200);

    faulty_set_mode(faulty, FAULTY_WORKS);
    assert_true(server_process_wait_log(&faulty->api.server, "event=ready"));
    assert_int_equal(call(faulty, "GET", "/readyz", NULL), 200);
    api_assert_balance(&faulty->api, "a", "100.00 1");
    server_process_stop(&faulty->api.server);

    /* an end during recovery is an end */
    faulty_set_mode(faulty, FAULTY_HANGS);
    faulty_spawn(faulty, arguments);
    server_process_signal(&faulty->api.server, SIGTERM);
    assert_int_equal(server_process_wait(&faulty->api.server), 0);
    faulty_end(faulty);
}

static void withdraw__answers_500_when_it_could_not_be_committed(void **state)
{
    static const char *const arguments[] = {"--commit-timeout-ms", "100", NULL};
    struct faulty *faulty = faulty_start(arguments);
    (void)state;
    faulty_set_mode(faulty, FAULTY_HANGS);
    http_client_open(&faulty->clients[0], faulty->api.server.port);
    assert_true(http_client_request(&faulty->clients[0], "POST", "/withdraw", API_JSON,
                                    "{\"account_id\":\"a\",\"amount\":1}"));
    assert_answer(faulty, 0, 500,
                  "{\"error\":\"Transaction failed\","
                  "\"details\":\"It is not known whether it was committed\"}");
    http_client_close(&faulty->clients[0]);
    faulty_set_mode(faulty, FAULTY_WORKS);
    server_process_stop(&faulty->api.server);
    faulty_end(faulty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_log__answers_unknown_and_ends_with_74),
        cmocka_unit_test(failed_log__ends_with_74_while_a_checkpoint_hangs),
        cmocka_unit_test(hanging_log__answers_unknown_at_the_deadline),
        cmocka_unit_test(read__waits_for_what_it_would_show),
        cmocka_unit_test(commit__of_more_than_5_s_is_unhealthy_until_it_ends),
        cmocka_unit_test(early__input_is_answered_in_its_turn),
        cmocka_unit_test(waiting__postings_keep_their_own_legs),
        cmocka_unit_test(too_many__requests_in_flight_are_429),
        cmocka_unit_test(stopping__finishes_what_waits_and_refuses_the_rest),
        cmocka_unit_test(recovering__answers_503_with_its_progress),
        cmocka_unit_test(withdraw__answers_500_when_it_could_not_be_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
