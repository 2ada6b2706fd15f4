/* server.c - opens the listeners, starts a thread for every worker, and waits for their end.
 *
 * Guarantees: the listening sockets are open before anything else is served, so that a client never
 * finds the port closed while the log is replayed. It must not know requests.
 */
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "http_worker.h"

static void close_descriptors(struct server *server, size_t addresses)
{
    for (size_t i = 0; i < addresses; i++) {
        for (unsigned n = 0; n < server->worker_count; n++)
            close(server->workers[n]->descriptors[i]);
        listen_address_remove(&server->addresses[i]);
    }
}

static int open_addresses(struct server *server, size_t *failed)
{
    int descriptors[FLORIN_WORKERS_MAX];
    for (size_t i = 0; i < server->options.address_count; i++) {
        int error = listen_address_open(&server->addresses[i], descriptors, server->worker_count);
        if (error != 0) {
            *failed = i;
            close_descriptors(server, i);
            return error;
        }
        for (unsigned n = 0; n < server->worker_count; n++)
            server->workers[n]->descriptors[i] = descriptors[n];
    }
    return 0;
}

static void free_workers(struct server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (server->workers[i] == NULL)
            continue;
        if (server->workers[i]->wake_descriptor >= 0)
            close(server->workers[i]->wake_descriptor);
        free(server->workers[i]);
    }
}

static int create_workers(struct server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct http_worker *worker = aligned_alloc(METRICS_LINE_BYTES, sizeof(*worker));
        if (worker == NULL)
            return -ENOMEM;
        memset(worker, 0, sizeof(*worker));
        worker->server = server;
        worker->number = i;
        server->workers[i] = worker;
        server->metrics[i] = &worker->metrics;
        worker->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (worker->wake_descriptor < 0)
            return -errno;
    }
    return 0;
}

static void wake_worker(void *context, unsigned number)
{
    const struct server *server = context;
    const uint64_t one = 1;
    /* A counter at its maximum wakes as well. */
    ssize_t written = write(server->workers[number]->wake_descriptor, &one, sizeof(one));
    (void)written;
}

static int init_locks(struct server *server)
{
    pthread_condattr_t attributes;
    int error = -pthread_mutex_init(&server->mutex, NULL);
    if (error != 0)
        return error;
    error = -pthread_condattr_init(&attributes);
    if (error == 0) {
        error = -pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (error == 0)
            error = -pthread_cond_init(&server->changed, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    if (error != 0)
        pthread_mutex_destroy(&server->mutex);
    return error;
}

int server_create(const struct server_options *options, struct server **server, size_t *failed)
{
    assert(options->address_count >= 1 && options->address_count <= SERVER_ADDRESSES_MAX);
    *failed = 0;
    struct server *created = calloc(1, sizeof(*created));
    if (created == NULL)
        return -ENOMEM;
    created->options = *options;
    memcpy(created->addresses, options->addresses,
           options->address_count * sizeof(created->addresses[0]));
    created->options.addresses = created->addresses;
    created->worker_count = ledger_worker_count(options->ledger);

    int error = init_locks(created);
    if (error != 0)
        goto free_server;
    error = connection_limits_init(&created->limits, options->connections_max,
                                   options->connections_per_address_max);
    if (error != 0)
        goto deinit_locks;
    error = event_feeder_create(options->ledger, options->followers_max, wake_worker, created,
                                &created->feeder);
    if (error != 0)
        goto deinit_limits;
    error = create_workers(created);
    if (error == 0)
        error = open_addresses(created, failed);
    if (error != 0)
        goto free_workers;
    /* Never to a file: a body is small, and the loop must not wait for a disk. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    *server = created;
    return 0;

free_workers:
    free_workers(created);
    event_feeder_destroy(created->feeder);
deinit_limits:
    connection_limits_deinit(&created->limits);
deinit_locks:
    pthread_cond_destroy(&created->changed);
    pthread_mutex_destroy(&created->mutex);
free_server:
    free(created);
    return error;
}

const struct listen_address *server_address(const struct server *server, size_t number)
{
    assert(number < server->options.address_count);
    return &server->addresses[number];
}

/* One after the other: libh2o's configuration is made on the worker's own thread, but not by
 * several at once. */
int server_start(struct server *server)
{
    int failed = event_feeder_start(server->feeder);
    if (failed != 0)
        return failed;
    for (unsigned i = 0; i < server->worker_count; i++) {
        int error =
            pthread_create(&server->workers[i]->thread, NULL, http_worker_run, server->workers[i]);
        if (error != 0)
            return -error;
        pthread_mutex_lock(&server->mutex);
        while (server->started <= i)
            pthread_cond_wait(&server->changed, &server->mutex);
        error = server->start_error;
        pthread_mutex_unlock(&server->mutex);
        if (error != 0)
            return error;
    }
    return 0;
}

void server_set_ready(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->is_ready = true;
    pthread_mutex_unlock(&server->mutex);
}

void server_wake(struct server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++)
        wake_worker(server, i);
}

static bool wait_until_ended(struct server *server, const struct timespec *deadline)
{
    int error = 0;
    pthread_mutex_lock(&server->mutex);
    while (server->ended < server->worker_count && error == 0)
        error = pthread_cond_timedwait(&server->changed, &server->mutex, deadline);
    bool ended = server->ended == server->worker_count;
    pthread_mutex_unlock(&server->mutex);
    return ended;
}

bool server_wait(struct server *server, unsigned timeout_ms)
{
    struct timespec deadline;
    int error = clock_gettime(CLOCK_MONOTONIC, &deadline);
    assert(error == 0);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    if (!wait_until_ended(server, &deadline))
        return false;
    for (unsigned i = 0; i < server->worker_count && !server->is_joined; i++)
        pthread_join(server->workers[i]->thread, NULL);
    server->is_joined = true;
    event_feeder_stop(server->feeder);
    return true;
}

void server_destroy(struct server *server)
{
    if (!server->is_joined)
        close_descriptors(server, server->options.address_count);
    for (size_t i = 0; i < server->options.address_count; i++)
        listen_address_remove(&server->addresses[i]);
    free_workers(server);
    event_feeder_stop(server->feeder);
    event_feeder_destroy(server->feeder);
    connection_limits_deinit(&server->limits);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

void server_note_started(struct server *server, int error)
{
    pthread_mutex_lock(&server->mutex);
    server->started++;
    if (error != 0)
        server->start_error = error;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

void server_note_drained(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->drained++;
    bool all = server->drained == server->worker_count;
    pthread_mutex_unlock(&server->mutex);
    if (all)
        server_wake(server);
}

void server_note_ended(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->ended++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

bool server_is_drained(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    bool drained = server->drained == server->worker_count;
    pthread_mutex_unlock(&server->mutex);
    return drained;
}

bool server_is_ready(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    bool ready = server->is_ready;
    pthread_mutex_unlock(&server->mutex);
    return ready;
}

bool server_take_backup(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    bool taken = !server->has_backup;
    server->has_backup = true;
    pthread_mutex_unlock(&server->mutex);
    return taken;
}

void server_release_backup(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    assert(server->has_backup);
    server->has_backup = false;
    pthread_mutex_unlock(&server->mutex);
}
