/* embedded.c - florin.h: a ledger whose workers run on threads of its own, and its clients.
 *
 * A client is an endpoint: its commands travel to the owning workers through rings, and the results
 * back. It never touches a shard.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "client.h"
#include "clock.h"
#include "ledger_state.h"
#include "worker.h"

struct embedded_thread {
    struct worker *worker;
    pthread_t thread;
    int error; /* of worker_attach() */
};

/* Workers report here that they are attached, or why not. */
struct embedded {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned attached;
    unsigned failed;
    unsigned started;
    _Atomic bool ending; /* leave the loop also without a recovered ledger */
    struct embedded_thread threads[FLORIN_WORKERS_MAX];
};

struct florin_client {
    struct florin *ledger;
    struct endpoint *endpoint;
    struct inbox inbox;
    unsigned next_worker; /* to reap from, in turn */
    bool holds_results;   /* metadata of the last reaped ones is still in the rings */
};

/* --- the workers' threads ------------------------------------------------------------------- */

/* Everybody is done, or nothing was begun. */
static bool may_end(struct worker *worker)
{
    const struct florin *ledger = worker->ledger;
    return atomic_load(&ledger->embedded->ending) &&
           (ledger_state(ledger) == LEDGER_RECOVERING || worker_is_idle(worker));
}

static void wait_for_work(struct worker *worker)
{
    struct pollfd descriptors[] = {
        {.fd = worker_mailbox_descriptor(worker), .events = POLLIN},
        {.fd = worker_channel_descriptor(worker), .events = POLLIN},
    };
    int timeout_ms = worker_wait_ms(worker);
    /* looked at after worker_wait_ms(): from there on whoever makes it true wakes this worker */
    int ready = poll(descriptors, 2, may_end(worker) ? 0 : timeout_ms);
    assert(ready >= 0 || errno == EINTR);
}

static void report_attached(struct embedded *embedded, struct embedded_thread *thread)
{
    pthread_mutex_lock(&embedded->lock);
    if (thread->error == 0)
        embedded->attached++;
    else
        embedded->failed++;
    pthread_cond_broadcast(&embedded->changed);
    pthread_mutex_unlock(&embedded->lock);
}

static void *run_worker(void *context)
{
    struct embedded_thread *thread = context;
    struct worker *worker = thread->worker;
    struct embedded *embedded = worker->ledger->embedded;
    thread->error = worker_attach(worker);
    report_attached(embedded, thread);
    if (thread->error != 0)
        return NULL;
    while (!may_end(worker)) {
        wait_for_work(worker);
        worker_round(worker);
    }
    worker_detach(worker);
    return NULL;
}

static int start_threads(struct florin *ledger)
{
    struct embedded *embedded = calloc(1, sizeof *embedded);
    if (embedded == NULL)
        return -ENOMEM;
    ledger->embedded = embedded;
    pthread_mutex_init(&embedded->lock, NULL);
    pthread_cond_init(&embedded->changed, NULL);
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        struct embedded_thread *thread = &embedded->threads[number];
        thread->worker = &ledger->workers[number];
        int error = pthread_create(&thread->thread, NULL, run_worker, thread);
        if (error != 0)
            return -error;
        embedded->started++;
    }
    pthread_mutex_lock(&embedded->lock);
    while (embedded->attached + embedded->failed < embedded->started)
        pthread_cond_wait(&embedded->changed, &embedded->lock);
    pthread_mutex_unlock(&embedded->lock);
    for (unsigned number = 0; number < embedded->started; number++) {
        if (embedded->threads[number].error != 0)
            return embedded->threads[number].error;
    }
    return 0;
}

static void stop_threads(struct florin *ledger)
{
    struct embedded *embedded = ledger->embedded;
    if (embedded == NULL)
        return;
    ledger_stop(ledger);
    atomic_store(&embedded->ending, true);
    ledger_wake(ledger, UINT64_MAX);
    for (unsigned number = 0; number < embedded->started; number++)
        pthread_join(embedded->threads[number].thread, NULL);
    pthread_cond_destroy(&embedded->changed);
    pthread_mutex_destroy(&embedded->lock);
    free(embedded);
    ledger->embedded = NULL;
}

int florin_open(const struct florin_options *options, struct florin **ledger)
{
    struct florin *created;
    int error = ledger_create(options, NULL, &created);
    if (error != 0)
        return error;
    error = start_threads(created);
    if (error == 0)
        error = ledger_recover(created);
    if (error != 0) {
        stop_threads(created);
        ledger_destroy(created);
        return error;
    }
    *ledger = created;
    return 0;
}

void florin_close(struct florin *ledger)
{
    if (ledger == NULL)
        return;
    stop_threads(ledger);
    ledger_destroy(ledger);
}

struct florin *client_ledger(const struct florin_client *client)
{
    return client->ledger;
}

/* --- clients -------------------------------------------------------------------------------- */

static int create_client(struct florin *ledger, struct florin_client **client)
{
    struct florin_client *created = calloc(1, sizeof *created);
    if (created == NULL)
        return -ENOMEM;
    int error = inbox_init(&created->inbox);
    if (error != 0)
        goto free_client;
    error = endpoint_create(ledger->worker_count, UINT32_MAX, ENDPOINT_CLIENT_RING_BYTES,
                            &created->inbox, &created->endpoint);
    if (error != 0)
        goto deinit_inbox;
    created->ledger = ledger;
    ledger_add_endpoint(ledger, created->endpoint);
    *client = created;
    return 0;

deinit_inbox:
    inbox_deinit(&created->inbox);
free_client:
    free(created);
    return error;
}

/* Workers look at an endpoint at any time, so that it lives as long as the ledger; the next client
 * gets the one that the last has given back. */
int florin_client_open(struct florin *ledger, struct florin_client **client)
{
    int error = -EAGAIN;
    pthread_mutex_lock(&ledger->clients_lock);
    for (unsigned i = 0; i < FLORIN_CLIENTS_MAX; i++) {
        struct client_slot *slot = &ledger->clients[i];
        if (slot->taken)
            continue;
        error = slot->client != NULL ? 0 : create_client(ledger, &slot->client);
        if (error == 0) {
            slot->taken = true;
            *client = slot->client;
        }
        break;
    }
    pthread_mutex_unlock(&ledger->clients_lock);
    return error;
}

void florin_client_close(struct florin_client *client)
{
    if (client == NULL)
        return;
    struct florin_result result;
    while (client->endpoint->outstanding > 0)
        florin_reap(client, &result, 1, -1);
    struct florin *ledger = client->ledger;
    pthread_mutex_lock(&ledger->clients_lock);
    for (unsigned i = 0; i < FLORIN_CLIENTS_MAX; i++) {
        if (ledger->clients[i].client == client)
            ledger->clients[i].taken = false;
    }
    pthread_mutex_unlock(&ledger->clients_lock);
}

void ledger_free_clients(struct florin *ledger)
{
    for (unsigned i = 0; i < FLORIN_CLIENTS_MAX; i++) {
        struct client_slot *slot = &ledger->clients[i];
        assert(!slot->taken);
        if (slot->client == NULL)
            continue;
        inbox_deinit(&slot->client->inbox);
        free(slot->client);
    }
}

/* Gives the places of results that the caller has seen back to the workers. */
static void release_results(struct florin_client *client)
{
    if (!client->holds_results)
        return;
    client->holds_results = false;
    for (unsigned worker = 0; worker < client->ledger->worker_count; worker++)
        endpoint_release(client->endpoint, worker);
}

size_t florin_submit(struct florin_client *client, const struct florin_command *commands,
                     size_t count)
{
    struct florin *ledger = client->ledger;
    release_results(client);
    uint64_t now_ns = clock_monotonic_ns();
    size_t taken = 0;
    for (; taken < count; taken++) {
        const struct florin_command *command = &commands[taken];
        uint64_t hash = hash_account(&ledger->secret, command->account, command->account_length);
        if (!endpoint_send(client->endpoint, ledger_owner(ledger, hash), command, hash, now_ns))
            break;
    }
    for (unsigned worker = 0; worker < ledger->worker_count; worker++) {
        if (endpoint_publish(client->endpoint, worker))
            inbox_wake(&ledger->workers[worker].inbox);
    }
    return taken;
}

static size_t collect(struct florin_client *client, struct florin_result *results, size_t count)
{
    size_t collected = 0;
    unsigned workers = client->ledger->worker_count;
    for (unsigned i = 0; i < workers; i++) {
        unsigned worker = client->next_worker;
        while (collected < count && endpoint_receive(client->endpoint, worker, &results[collected]))
            collected++;
        if (collected == count)
            break;
        client->next_worker = (worker + 1) % workers;
    }
    client->holds_results = collected > 0;
    return collected;
}

size_t florin_reap(struct florin_client *client, struct florin_result *results, size_t count,
                   int timeout_ms)
{
    release_results(client);
    size_t collected = collect(client, results, count);
    uint64_t start_ns = clock_monotonic_ns();
    uint64_t limit_ns = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * 1000000;
    while (collected == 0 && count > 0 && client->endpoint->outstanding > 0) {
        uint64_t waited_ns = clock_monotonic_ns() - start_ns;
        if (waited_ns >= limit_ns)
            break;
        struct pollfd descriptor = {.fd = client->inbox.descriptor, .events = POLLIN};
        uint64_t left_ms = (limit_ns - waited_ns + 999999) / 1000000;
        inbox_sleep_begin(&client->inbox);
        if (!endpoint_has_results(client->endpoint))
            poll(&descriptor, 1, timeout_ms < 0 ? -1 : (int)left_ms);
        inbox_sleep_end(&client->inbox);
        collected = collect(client, results, count);
    }
    return collected;
}

enum florin_status florin_read_account(struct florin_client *client, const char *account,
                                       size_t account_length, struct florin_result *result)
{
    assert(client->endpoint->outstanding == 0);
    struct florin_command command = {
        .kind = FLORIN_READ_ACCOUNT, .account = account, .account_length = account_length};
    size_t taken = florin_submit(client, &command, 1);
    assert(taken == 1);
    size_t reaped = florin_reap(client, result, 1, -1);
    assert(reaped == 1);
    return result->status;
}
