/* How to record: real threads at a small ledger behind a lock, each with a buffer of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histories/checker.h"
#include "histories/model.h"
#include "simulation/random.h"

#include <pthread.h>
#include <time.h>

enum { CLIENTS = 4, REQUESTS = 2000, ACCOUNTS = 3 };

struct ledger {
    pthread_mutex_t lock;
    struct model model;
};

struct client {
    struct ledger *ledger;
    struct history_buffer buffer; /* the thread's, until it has ended */
    struct random random;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* One request, with what is recorded around it. */
static void call(struct client *client, struct model_request *request)
{
    struct history_buffer *buffer = &client->buffer;
    size_t it =
        history_invoke(buffer, request->kind, 0, request->legs, request->legs_count, now_ns());
    (void)pthread_mutex_lock(&client->ledger->lock);
    enum history_outcome outcome = model_execute(&client->ledger->model, request);
    (void)pthread_mutex_unlock(&client->ledger->lock);
    history_return(buffer, it, outcome, now_ns());
    history_operation(buffer, it)->lsn = request->lsn;
    for (size_t i = 0; i < request->legs_count; i++)
        history_legs(buffer, it)[i] = request->legs[i];
}

static void *run(void *context)
{
    struct client *client = context;
    for (int i = 0; i < REQUESTS; i++) {
        uint64_t from = random_between(&client->random, 1, ACCOUNTS);
        struct model_request request = {.kind = HISTORY_READ, .legs_count = 1};
        request.legs[0] = history_leg_of(from, 0, 0);
        if (random_percent(&client->random, 50)) {
            int64_t amount = (int64_t)random_between(&client->random, 1, 100);
            request.kind = HISTORY_TRANSFER;
            request.legs_count = 2;
            request.legs[0] = history_leg_of(from, -amount, 0);
            request.legs[1] = history_leg_of(from % ACCOUNTS + 1, amount, 0);
        }
        call(client, &request);
    }
    return NULL;
}

static void threads__record_into_buffers_of_their_own(void **state)
{
    (void)state;
    struct ledger ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    const struct history_buffer *buffers[CLIENTS];
    struct history_report report;
    char text[1024] = "";
    model_init(&ledger.model, ACCOUNTS);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.ledger = &ledger, .random = {i}};
        history_buffer_init(&clients[i].buffer, i);
        buffers[i] = &clients[i].buffer;
    }
    for (uint64_t account = 1; account <= ACCOUNTS; account++) {
        struct model_request request = {.kind = HISTORY_OPEN, .legs_count = 1};
        request.legs[0] = history_leg_of(account, 200, 0);
        call(&clients[0], &request);
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &clients[i]), 0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    if (history_check(buffers, CLIENTS, &report) != 0)
        (void)history_violation_format(&report.violations[0], text, sizeof(text));
    assert_string_equal(text, "");
    assert_int_equal(report.attempts, CLIENTS * REQUESTS + ACCOUNTS);
    assert_int_equal(report.changes + report.sights, report.attempts);
    assert_true(report.changes > ACCOUNTS && report.sights > 0);
    for (int i = 0; i < CLIENTS; i++)
        history_buffer_deinit(&clients[i].buffer);
    model_deinit(&ledger.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads__record_into_buffers_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
