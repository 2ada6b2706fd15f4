/* test_batch_faults.c - batches while the disk hangs, the server stops, the client leaves, and
 * while others want to be served. One worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "batch_client.h"
#include "faulty_fixture.h"

enum {
    DEPOSIT = 1,
    APPLIED = 0,
    NOT_COMMITTED = 72,
    COMMIT_UNKNOWN = 73,
    /* More than the engine takes in while nothing becomes durable. */
    LARGE_BATCHES = 4,
};

struct crowd {
    struct faulty *faulty;
    struct http_client clients[FLORIN_BATCHES_MAX];
    struct batch_body body;
    struct batch_answer answer;
};

static struct crowd *crowd_start(const char *const *arguments)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    assert_non_null(crowd);
    crowd->faulty = faulty_start(arguments);
    return crowd;
}

static void crowd_end(struct crowd *crowd)
{
    faulty_end(crowd->faulty);
    free(crowd);
}

static unsigned port_of(const struct crowd *crowd)
{
    return crowd->faulty->api.server.port;
}

static void assert_healthy(struct crowd *crowd)
{
    assert_int_equal(
        http_call(port_of(crowd), "GET", "/healthz", "", NULL, &crowd->faulty->response), 200);
}

static uint64_t figure(struct crowd *crowd, const char *name)
{
    char line[64];
    assert_int_equal(
        http_call(port_of(crowd), "GET", "/metrics", "", NULL, &crowd->faulty->response), 200);
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *found = strstr(crowd->faulty->response.body, line);
    assert_non_null(found);
    return strtoull(found + strlen(line), NULL, 10);
}

/* As many deposits of a cent as may be, with keys of their own. */
static void make_large(struct crowd *crowd, unsigned number)
{
    char key[32];
    crowd->body.length = 0;
    for (unsigned i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++) {
        snprintf(key, sizeof(key), "%u-%u", number, i);
        batch_body_add_entry(&crowd->body, DEPOSIT, "a", key, 1, 0);
    }
}

/* Batches on connections of their own while the disk hangs, until the engine takes no more: each
 * turn of the loop a batch that is not stuck hands something over. */
static void fill_queues(struct crowd *crowd)
{
    enum { STILL_TURNS = 50 };
    faulty_set_mode(crowd->faulty, FAULTY_HANGS);
    for (unsigned i = 0; i < LARGE_BATCHES; i++) {
        http_client_open(&crowd->clients[i], port_of(crowd));
        make_large(crowd, i);
        batch_client_send(&crowd->clients[i], BATCH_CLIENT_BINARY, &crowd->body);
    }
    faulty_wait_until_hanging(crowd->faulty);
    uint64_t keys = 0;
    for (unsigned turns = 0; turns < STILL_TURNS; turns++) {
        uint64_t now = figure(crowd, "florin_keys");
        if (now != keys)
            turns = 0;
        keys = now;
    }
    assert_in_range(keys, 1, LARGE_BATCHES * FLORIN_BATCH_ITEMS_MAX - 1);
}

/* How many results have that status. */
static uint64_t count_status(const struct batch_answer *answer, unsigned status)
{
    uint64_t count = 0;
    assert_int_equal(batch_answer_results(answer), FLORIN_BATCH_ITEMS_MAX);
    for (size_t i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++)
        count += batch_answer_result(answer, i).status == status;
    return count;
}

/* What was applied stands before what was not: one account's items happen in their order. */
static void assert_refused_last(const struct batch_answer *answer, uint64_t applied)
{
    for (size_t i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++) {
        struct batch_result result = batch_answer_result(answer, i);
        assert_int_equal(result.index, i);
        assert_int_equal(result.status, i < applied ? APPLIED : NOT_COMMITTED);
        assert_true(result.version > 0);
    }
}

static void assert_cents(struct crowd *crowd, uint64_t deposits)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "%llu.%02llu %llu",
             (unsigned long long)(100 + deposits / 100), (unsigned long long)(deposits % 100),
             (unsigned long long)(1 + deposits));
    api_assert_balance(&crowd->faulty->api, "a", expected);
}

static void hanging__disk_lets_batches_wait_and_not_shut_out_others(void **state)
{
    static const char *const arguments[] = {"--commit-timeout-ms", "60000", NULL};
    struct crowd *crowd = crowd_start(arguments);
    struct http_client *single = &crowd->clients[LARGE_BATCHES];
    struct http_response response;
    (void)state;
    fill_queues(crowd);
    http_client_open(single, port_of(crowd));
    assert_true(http_client_request(single, "POST", "/accounts/a/transactions", API_JSON,
                                    "{\"type\":\"Deposit\",\"amount\":\"0.01\"}"));
    assert_healthy(crowd);
    faulty_set_mode(crowd->faulty, FAULTY_WORKS);
    assert_true(http_client_receive(single, &response, false));
    assert_int_equal(response.status, 201);
    for (unsigned i = 0; i < LARGE_BATCHES; i++) {
        assert_int_equal(batch_client_receive(&crowd->clients[i], &crowd->answer), 200);
        assert_int_equal(count_status(&crowd->answer, APPLIED), FLORIN_BATCH_ITEMS_MAX);
    }
    for (unsigned i = 0; i <= LARGE_BATCHES; i++)
        http_client_close(&crowd->clients[i]);
    assert_cents(crowd, LARGE_BATCHES * FLORIN_BATCH_ITEMS_MAX + 1);
    server_process_stop(&crowd->faulty->api.server);
    crowd_end(crowd);
}

static void stopping__finishes_what_was_submitted_and_refuses_the_other_items(void **state)
{
    static const char *const arguments[] = {"--commit-timeout-ms", "60000", NULL};
    struct crowd *crowd = crowd_start(arguments);
    struct http_client *idle = &crowd->clients[LARGE_BATCHES];
    uint64_t applied = 0;
    (void)state;
    fill_queues(crowd);
    http_client_open(idle, port_of(crowd));
    assert_true(http_client_request(idle, "GET", "/healthz", "", NULL));
    assert_true(http_client_receive(idle, &crowd->faulty->response, false));
    server_process_signal(&crowd->faulty->api.server, SIGTERM);
    assert_true(http_client_is_closed(idle)); /* it stops */
    faulty_set_mode(crowd->faulty, FAULTY_WORKS);
    for (unsigned i = 0; i < LARGE_BATCHES; i++) {
        assert_int_equal(batch_client_receive(&crowd->clients[i], &crowd->answer), 200);
        uint64_t of_this = count_status(&crowd->answer, APPLIED);
        assert_refused_last(&crowd->answer, of_this);
        applied += of_this;
    }
    assert_in_range(applied, 1, LARGE_BATCHES * FLORIN_BATCH_ITEMS_MAX - 1);
    for (unsigned i = 0; i <= LARGE_BATCHES; i++)
        http_client_close(&crowd->clients[i]);
    assert_int_equal(server_process_wait(&crowd->faulty->api.server), 0);
    faulty_restart(crowd->faulty, arguments);
    assert_cents(crowd, applied);
    server_process_stop(&crowd->faulty->api.server);
    crowd_end(crowd);
}

static void failed__disk_makes_the_rest_unknown_or_refused(void **state)
{
    static const char *const arguments[] = {"--commit-timeout-ms", "60000", NULL};
    struct crowd *crowd = crowd_start(arguments);
    uint64_t unknown = 0;
    uint64_t refused = 0;
    (void)state;
    fill_queues(crowd);
    faulty_set_mode(crowd->faulty, FAULTY_FAILS);
    for (unsigned i = 0; i < LARGE_BATCHES; i++) {
        assert_int_equal(batch_client_receive(&crowd->clients[i], &crowd->answer), 200);
        unknown += count_status(&crowd->answer, COMMIT_UNKNOWN);
        refused += count_status(&crowd->answer, NOT_COMMITTED);
        http_client_close(&crowd->clients[i]);
    }
    assert_true(unknown > 0 && refused > 0);
    assert_int_equal(unknown + refused, LARGE_BATCHES * FLORIN_BATCH_ITEMS_MAX);
    assert_int_equal(server_process_wait(&crowd->faulty->api.server), 74);
    /* a retry of what was refused, at least, is applied; each item once */
    faulty_set_mode(crowd->faulty, FAULTY_WORKS);
    faulty_restart(crowd->faulty, arguments);
    for (unsigned i = 0; i < LARGE_BATCHES; i++) {
        make_large(crowd, i);
        assert_int_equal(
            batch_client_call(port_of(crowd), BATCH_CLIENT_BINARY, &crowd->body, &crowd->answer),
            200);
        assert_int_equal(count_status(&crowd->answer, APPLIED), FLORIN_BATCH_ITEMS_MAX);
    }
    assert_cents(crowd, LARGE_BATCHES * FLORIN_BATCH_ITEMS_MAX);
    server_process_stop(&crowd->faulty->api.server);
    crowd_end(crowd);
}

static void hanging__disk_ends_the_wait_at_the_deadline_and_a_retry_finds_the_truth(void **state)
{
    static const char *const impatient[] = {"--commit-timeout-ms", "300", NULL};
    static const char *const patient[] = {"--commit-timeout-ms", "60000", NULL};
    struct crowd *crowd = crowd_start(impatient);
    uint64_t unknown = 0;
    uint64_t refused = 0;
    (void)state;
    faulty_set_mode(crowd->faulty, FAULTY_HANGS);
    for (unsigned i = 0; i < LARGE_BATCHES; i++) {
        http_client_open(&crowd->clients[i], port_of(crowd));
        make_large(crowd, i);
        batch_client_send(&crowd->clients[i], BATCH_CLIENT_BINARY, &crowd->body);
    }
    for (unsigned i = 0; i < LARGE_BATCHES; i++) {
        assert_int_equal(batch_client_receive(&crowd->clients[i], &crowd->answer), 200);
        unknown += count_status(&crowd->answer, COMMIT_UNKNOWN);
        refused += count_status(&crowd->answer, NOT_COMMITTED);
        http_client_close(&crowd->clients[i]);
    }
    assert_true(unknown > 0 && refused > 0);
    assert_int_equal(unknown + refused, LARGE_BATCHES * FLORIN_BATCH_ITEMS_MAX);
    faulty_set_mode(crowd->faulty, FAULTY_WORKS);
    server_process_stop(&crowd->faulty->api.server);
    faulty_restart(crowd->faulty, patient);
    assert_cents(crowd, unknown);
    for (unsigned i = 0; i < LARGE_BATCHES; i++) {
        make_large(crowd, i);
        assert_int_equal(
            batch_client_call(port_of(crowd), BATCH_CLIENT_BINARY, &crowd->body, &crowd->answer),
            200);
        assert_int_equal(count_status(&crowd->answer, APPLIED), FLORIN_BATCH_ITEMS_MAX);
    }
    assert_cents(crowd, LARGE_BATCHES * FLORIN_BATCH_ITEMS_MAX);
    server_process_stop(&crowd->faulty->api.server);
    crowd_end(crowd);
}

static void too_many__batches_are_429(void **state)
{
    static const char *const arguments[] = {"--commit-timeout-ms", "60000", NULL};
    static const char item[] = "{\"type\":\"Deposit\",\"account\":\"a\",\"amount\":\"0.01\"}\n";
    struct crowd *crowd = crowd_start(arguments);
    (void)state;
    batch_body_add(&crowd->body, "%s", item);
    faulty_set_mode(crowd->faulty, FAULTY_HANGS);
    for (unsigned i = 0; i < FLORIN_BATCHES_MAX; i++) {
        http_client_open(&crowd->clients[i], port_of(crowd));
        batch_client_send(&crowd->clients[i], BATCH_CLIENT_NDJSON, &crowd->body);
        assert_healthy(crowd); /* so that it has been read */
    }
    assert_int_equal(
        batch_client_call(port_of(crowd), BATCH_CLIENT_NDJSON, &crowd->body, &crowd->answer), 429);
    api_assert_header(&crowd->answer.response, "Retry-After", "1");
    assert_non_null(strstr(crowd->answer.bytes, "\"code\":\"too_many_requests\""));
    faulty_set_mode(crowd->faulty, FAULTY_WORKS);
    for (unsigned i = 0; i < FLORIN_BATCHES_MAX; i++) {
        assert_int_equal(batch_client_receive(&crowd->clients[i], &crowd->answer), 200);
        http_client_close(&crowd->clients[i]);
    }
    assert_cents(crowd, FLORIN_BATCHES_MAX);
    server_process_stop(&crowd->faulty->api.server);
    crowd_end(crowd);
}

/* --- others ------------------------------------------------------------------------------- */

/* Items that take their time and come to nothing, so that no commit is waited for. */
static void make_costly(struct batch_body *body)
{
    body->length = 0;
    for (unsigned i = 0; i < FLORIN_BATCH_ITEMS_MAX; i++)
        batch_body_add(body,
                       "{\"type\":\"Deposit\",\"account\":\"a\",\"amount\":\"0.01\","
                       "\"unknown\":\"%0150u\"}\n",
                       i);
}

/* Requests that come one after the other behind a whole batch, on another connection, are answered
 * before it: it is worked off in slices. Otherwise only the first could be, which may be read in
 * the same turn of the loop. A test that is not scheduled for long may miss it, and tries again. */
static void others__are_served_while_a_batch_is_worked_off(void **state)
{
    enum { ATTEMPTS = 50, REQUESTS = 4 };
    static const char *const arguments[] = {NULL};
    struct crowd *crowd = crowd_start(arguments);
    struct http_client *batch = &crowd->clients[0];
    struct http_client *other = &crowd->clients[1];
    struct http_response response;
    bool came_first = false;
    (void)state;
    http_client_open(batch, port_of(crowd));
    http_client_open(other, port_of(crowd));
    make_costly(&crowd->body);
    for (unsigned i = 0; i < ATTEMPTS && !came_first; i++) {
        char byte;
        batch_client_send(batch, BATCH_CLIENT_NDJSON, &crowd->body);
        for (unsigned request = 0; request < REQUESTS; request++) {
            assert_true(http_client_request(other, "GET", "/accounts/a/balance", "", NULL));
            assert_true(http_client_receive(other, &response, false));
            assert_int_equal(response.status, 200);
        }
        came_first = recv(batch->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1;
        assert_int_equal(batch_client_receive(batch, &crowd->answer), 200);
    }
    assert_true(came_first);
    http_client_close(batch);
    http_client_close(other);
    server_process_stop(&crowd->faulty->api.server);
    crowd_end(crowd);
}

/* HTTP/1.1 notices a lost client when it writes. */
static void client__that_leaves_harms_nobody(void **state)
{
    static const char *const arguments[] = {"--commit-timeout-ms", "60000", NULL};
    const struct linger reset = {.l_onoff = 1};
    struct crowd *crowd = crowd_start(arguments);
    struct http_client *client = &crowd->clients[0];
    (void)state;
    make_large(crowd, 0);
    faulty_set_mode(crowd->faulty, FAULTY_HANGS);
    http_client_open(client, port_of(crowd));
    batch_client_send(client, BATCH_CLIENT_BINARY, &crowd->body);
    faulty_wait_until_hanging(crowd->faulty);
    setsockopt(client->descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    http_client_close(client);
    assert_healthy(crowd);
    faulty_set_mode(crowd->faulty, FAULTY_WORKS);
    /* a retry waits for what is still under way */
    assert_int_equal(
        batch_client_call(port_of(crowd), BATCH_CLIENT_BINARY, &crowd->body, &crowd->answer), 200);
    assert_int_equal(count_status(&crowd->answer, APPLIED), FLORIN_BATCH_ITEMS_MAX);
    assert_cents(crowd, FLORIN_BATCH_ITEMS_MAX);
    server_process_stop(&crowd->faulty->api.server);
    crowd_end(crowd);
}

static void add_frame(struct batch_body *body, size_t payload, char type, char flags)
{
    const char head[9] = {
        (char)(payload >> 16), (char)(payload >> 8), (char)payload, type, flags, 0, 0, 0,
        type == 4 ? 0 : 1};
    memcpy(body->bytes + body->length, head, sizeof(head));
    body->length += sizeof(head);
}

static void add_bytes(struct batch_body *body, const char *bytes, size_t length)
{
    memcpy(body->bytes + body->length, bytes, length);
    body->length += length;
}

/* A connection of HTTP/2 with one batch of lines, whose headers say nothing of its type. */
static void make_http2(struct batch_body *body, bool reset)
{
    enum { ITEMS = 200 };
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const char item[] = "{\"type\":\"Deposit\",\"account\":\"a\",\"amount\":\"0.01\"}";
    size_t payload = ITEMS * (sizeof(item) - 1 + 1) + 1;
    body->length = 0;
    add_bytes(body, preface, sizeof(preface) - 1);
    add_frame(body, 0, 4, 0); /* SETTINGS */
    /* HEADERS: indexed POST, http; literal path */
    add_frame(body, 4 + 6, 1, 4);
    add_bytes(body, "\x83\x86\x04\x06/batch", 10);
    add_frame(body, payload, 0, 1); /* DATA, end */
    for (unsigned i = 0; i < ITEMS; i++) {
        add_bytes(body, i == 0 ? "[" : ",", 1);
        add_bytes(body, item, sizeof(item) - 1);
    }
    add_bytes(body, "]", 1);
    if (reset) {
        add_frame(body, 4, 3, 0); /* RST_STREAM: CANCEL */
        add_bytes(body, "\0\0\0\x08", 4);
    }
}

/* HTTP/2 frees a request when its client resets the stream or goes: before an item is submitted,
 * and while results are still to come. */
static void http2__client_that_leaves_harms_nobody(void **state)
{
    static const char *const arguments[] = {"--http2", "--commit-timeout-ms", "60000", NULL};
    (void)state;
    for (unsigned reset = 0; reset < 2; reset++) {
        struct crowd *crowd = crowd_start(arguments);
        struct http_client *client = &crowd->clients[0];
        char byte;
        faulty_set_mode(crowd->faulty, FAULTY_HANGS);
        make_http2(&crowd->body, reset != 0);
        http_client_open(client, port_of(crowd));
        assert_true(http_client_send(client, crowd->body.bytes, crowd->body.length));
        if (reset == 0)
            faulty_wait_until_hanging(crowd->faulty);
        else
            assert_int_equal(recv(client->descriptor, &byte, 1, 0), 1);
        http_client_close(client);
        assert_healthy(crowd);
        faulty_set_mode(crowd->faulty, FAULTY_WORKS);
        while (figure(crowd, "florin_clients_lost_total") == 0)
            continue;
        /* it was reset before anything was submitted */
        if (reset != 0)
            assert_cents(crowd, 0);
        assert_int_equal(figure(crowd, "florin_clients_lost_total"), 1);
        server_process_stop(&crowd->faulty->api.server);
        crowd_end(crowd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hanging__disk_lets_batches_wait_and_not_shut_out_others),
        cmocka_unit_test(stopping__finishes_what_was_submitted_and_refuses_the_other_items),
        cmocka_unit_test(failed__disk_makes_the_rest_unknown_or_refused),
        cmocka_unit_test(hanging__disk_ends_the_wait_at_the_deadline_and_a_retry_finds_the_truth),
        cmocka_unit_test(too_many__batches_are_429),
        cmocka_unit_test(others__are_served_while_a_batch_is_worked_off),
        cmocka_unit_test(client__that_leaves_harms_nobody),
        cmocka_unit_test(http2__client_that_leaves_harms_nobody),
    };
    return cmocka_run_group_tests_name("batch_faults", tests, NULL, NULL);
}
