/* http_worker.c - the event loop of one worker.
 *
 *     h2o_evloop_run()      connections, and the engine's two descriptors; requests are submitted
 *       on the engine's descriptors: worker_round(), answers   (inside the loop's callbacks)
 *     worker_round()        what came in goes to the log
 *     answers               (outside of callbacks: the loop runs next without waiting)
 *
 * Guarantees: the loop never sleeps over something staged and not handed over. When the ledger
 * stops or fails, it accepts nothing more, lets every request that it has read finish, closes idle
 * connections and ends when all workers have come so far. It must not know what requests mean.
 */
#include "http_worker.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backup_stream.h"
#include "batch.h"
#include "exchange.h"
#include "history_exchange.h"
#include "list_exchange.h"
#include "respond.h"

enum {
    RESULTS_A_CALL = 64,
    ACCEPTS_A_TURN = 16,
    IDLE_WAIT_MS = 1000,
    /* A listener that was paused looks again for room this often. */
    PAUSE_WAIT_MS = 20,
    DRAIN_WAIT_MS = 10,
    /* A client that does not take its answer for so long is dropped by the kernel. */
    CLIENT_STALL_MS = 10000,
    /* HTTP/2 is for trusted networks; even so a connection gets only so many requests at a time. */
    HTTP2_REQUESTS_MAX = 100,
    HTTP2_SHUTDOWN_MS = 500,
};

struct connection {
    struct http_worker *worker;
    uint64_t address;
};

size_t http_worker_answer(struct http_worker *worker)
{
    struct florin_result results[RESULTS_A_CALL];
    size_t answered = 0;
    size_t count;
    while ((count = worker_reap(worker->engine, results, RESULTS_A_CALL)) > 0) {
        for (size_t i = 0; i < count; i++)
            exchange_finish(worker, &results[i]);
        answered += count;
    }
    return answered + history_exchange_answer(worker) + list_exchange_answer(worker);
}

static size_t turn(struct http_worker *worker)
{
    worker_round(worker->engine);
    return http_worker_answer(worker);
}

/* --- connections -------------------------------------------------------------------------- */

static void on_close(void *data)
{
    struct connection *connection = data;
    struct http_worker *worker = connection->worker;
    connection_limits_release(&worker->server->limits, connection->address);
    metrics_count(&worker->metrics.connections_closed);
    worker->connections--;
    free(connection);
}

static void pause_listener(struct http_listener *listener)
{
    h2o_socket_read_stop(listener->socket);
    listener->is_paused = true;
    listener->paused_ms = h2o_now(listener->worker->loop);
}

/* Out of descriptors or memory: the connection stays in the kernel's queue and would wake the loop
 * again at once. Said once until it works again. */
static void pause_after_failure(struct http_listener *listener, int error)
{
    struct event_line line;
    pause_listener(listener);
    if (listener->is_failing)
        return;
    listener->is_failing = true;
    event_line_begin(&line, EVENT_WARN, "accept_failed");
    event_line_text(&line, "reason", strerror(error));
    event_line_write(&line, listener->worker->server->options.log);
}

static bool admit(struct http_listener *listener, h2o_socket_t *socket)
{
    struct http_worker *worker = listener->worker;
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    unsigned stall_ms = CLIENT_STALL_MS;
    if (!listener->is_unix) {
        (void)h2o_socket_getpeername(socket, (struct sockaddr *)&peer);
        /* Best effort: a kernel without it keeps a stalled client longer. */
        (void)setsockopt(h2o_socket_get_fd(socket), IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms,
                         sizeof(stall_ms));
    }
    uint64_t address = connection_limits_address((const struct sockaddr *)&peer);
    struct connection *connection = malloc(sizeof(*connection));
    if (connection == NULL)
        return false;
    *connection = (struct connection){.worker = worker, .address = address};
    if (connection_limits_admit(&worker->server->limits, address) != CONNECTION_ADMITTED) {
        free(connection);
        return false;
    }
    worker->connections++;
    metrics_count(&worker->metrics.connections_accepted);
    socket->on_close.cb = on_close;
    socket->on_close.data = connection;
    return true;
}

static void on_accept(h2o_socket_t *socket, const char *error)
{
    struct http_listener *listener = socket->data;
    struct http_worker *worker = listener->worker;
    if (error != NULL)
        return;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        if (!connection_limits_have_room(&worker->server->limits)) {
            pause_listener(listener);
            return;
        }
        errno = 0;
        h2o_socket_t *accepted = h2o_evloop_socket_accept(socket);
        if (accepted == NULL) {
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
                pause_after_failure(listener, errno);
            return;
        }
        listener->is_failing = false;
        if (admit(listener, accepted)) {
            h2o_accept(&worker->accept, accepted);
        } else {
            metrics_count(&worker->metrics.connections_refused);
            h2o_socket_close(accepted);
        }
    }
}

static bool resume_listeners(struct http_worker *worker)
{
    bool paused = false;
    for (size_t i = 0; i < worker->server->options.address_count; i++) {
        struct http_listener *listener = &worker->listeners[i];
        if (!listener->is_paused || listener->socket == NULL)
            continue;
        bool rested = h2o_now(worker->loop) - listener->paused_ms >= PAUSE_WAIT_MS;
        if (rested && connection_limits_have_room(&worker->server->limits)) {
            listener->is_paused = false;
            h2o_socket_read_start(listener->socket, on_accept);
        } else {
            paused = true;
        }
    }
    return paused;
}

/* --- the end ------------------------------------------------------------------------------ */

static int shut_connection(h2o_req_t *request, void *context)
{
    (void)context;
    request->http1_is_persistent = 0;
    /* Nothing of a next request has been read: what is still on its way is read to the end, then
     * the connection ends as if the client had closed it. */
    if (request->timestamps.request_begin_at.tv_sec == 0) {
        h2o_socket_t *socket = request->conn->callbacks->get_socket(request->conn);
        (void)shutdown(h2o_socket_get_fd(socket), SHUT_RD);
    }
    return 0;
}

static void start_draining(struct http_worker *worker)
{
    worker->is_draining = true;
    for (size_t i = 0; i < worker->server->options.address_count; i++) {
        h2o_socket_close(worker->listeners[i].socket);
        worker->listeners[i].socket = NULL;
    }
    h2o_context_request_shutdown(&worker->context);
    backup_stream_stop(worker);
    event_streams_stop(worker);
    (void)worker->config.http1.callbacks.foreach_request(&worker->context, shut_connection, NULL);
}

static bool ledger_is_ending(const struct http_worker *worker)
{
    enum ledger_state state = ledger_state(worker->server->options.ledger);
    return state == LEDGER_STOPPING || state == LEDGER_FAILED;
}

/* Whether the loop may end: this worker and all others have nothing left. */
static bool drain(struct http_worker *worker)
{
    if (!worker->is_draining)
        start_draining(worker);
    if (!worker->is_drained && worker->connections == 0 && worker->parked.count == 0 &&
        worker->batches.count == 0 && worker->backup == NULL && worker->events.count == 0 &&
        worker_is_idle(worker->engine)) {
        worker->is_drained = true;
        server_note_drained(worker->server);
    }
    return server_is_drained(worker->server);
}

/* --- the loop ----------------------------------------------------------------------------- */

static void on_engine(h2o_socket_t *socket, const char *error)
{
    (void)error;
    (void)turn(socket->data);
}

static void on_wake(h2o_socket_t *socket, const char *error)
{
    struct http_worker *worker = socket->data;
    uint64_t count;
    (void)error;
    ssize_t got = read(h2o_socket_get_fd(socket), &count, sizeof(count));
    (void)got;
    worker->events.has_news = true;
    backup_stream_proceed(worker);
}

static h2o_socket_t *watch(struct http_worker *worker, int descriptor, h2o_socket_cb callback)
{
    h2o_socket_t *socket =
        h2o_evloop_socket_create(worker->loop, descriptor, H2O_SOCKET_FLAG_DONT_READ);
    socket->data = worker;
    h2o_socket_read_start(socket, callback);
    return socket;
}

/* Leaves the descriptor open: it is not the loop's. */
static void unwatch(h2o_socket_t *socket)
{
    h2o_socket_export_t exported;
    h2o_socket_read_stop(socket);
    int error = h2o_socket_export(socket, &exported);
    assert(error == 0);
    h2o_buffer_dispose(&exported.input);
}

static void init_config(struct http_worker *worker)
{
    static const char server_name[] = "florin";
    const struct server_options *options = &worker->server->options;
    h2o_globalconf_t *config = &worker->config;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(server_name, sizeof(server_name) - 1);
    /* One more, so that the handler sees a body that is too large by little and answers itself; a
     * chunked body of exactly the limit is refused by libh2o's own comparison otherwise. */
    config->max_request_entity_size = FLORIN_BATCH_BODY_MAX + 1;
    config->http1.req_timeout = options->request_timeout_ms;
    config->http1.upgrade_to_http2 = options->http2;
    config->http2.idle_timeout = options->request_timeout_ms;
    config->http2.max_concurrent_requests_per_connection = HTTP2_REQUESTS_MAX;
    config->http2.graceful_shutdown_timeout = HTTP2_SHUTDOWN_MS;
    h2o_hostconf_t *host =
        h2o_config_register_host(config, h2o_iovec_init("default", 7), UINT16_MAX);
    exchange_register(worker, h2o_config_register_path(host, "/", 0));
    respond_register_filter(&host->fallback_path);
}

static void init_loop(struct http_worker *worker)
{
    init_config(worker);
    worker->loop = h2o_evloop_create();
    h2o_context_init(&worker->context, worker->loop, &worker->config);
    worker->accept = (h2o_accept_ctx_t){.ctx = &worker->context, .hosts = worker->config.hosts};
    worker->wake_socket = watch(worker, worker->wake_descriptor, on_wake);
    worker->mailbox_socket = watch(worker, worker_mailbox_descriptor(worker->engine), on_engine);
    worker->channel_socket = watch(worker, worker_channel_descriptor(worker->engine), on_engine);
    for (size_t i = 0; i < worker->server->options.address_count; i++) {
        struct http_listener *listener = &worker->listeners[i];
        listener->worker = worker;
        listener->is_unix = listen_address_is_unix(&worker->server->addresses[i]);
        listener->is_paused = false;
        listener->socket = watch(worker, worker->descriptors[i], on_accept);
        listener->socket->data = listener;
    }
}

static void deinit_loop(struct http_worker *worker)
{
    unwatch(worker->wake_socket);
    unwatch(worker->mailbox_socket);
    unwatch(worker->channel_socket);
    /* libh2o asserts that its timers are at rest; this one is linked since the shutdown request. */
    h2o_timeout_unlink(&worker->context.http2._graceful_shutdown_timeout);
    h2o_context_dispose(&worker->context);
    h2o_evloop_destroy(worker->loop);
    h2o_config_dispose(&worker->config);
}

static int wait_ms(struct http_worker *worker, bool has_sent)
{
    int wait = worker_wait_ms(worker->engine);
    int events_wait = event_streams_wait_ms(worker);
    int batches_wait = batches_wait_ms(worker);
    if (wait < 0 || wait > IDLE_WAIT_MS)
        wait = IDLE_WAIT_MS;
    if (events_wait >= 0 && wait > events_wait)
        wait = events_wait;
    if (batches_wait >= 0 && wait > batches_wait)
        wait = batches_wait;
    /* What was sent outside of the loop's callbacks has its completion in the next run. */
    if (has_sent)
        wait = 0;
    if (worker->is_draining && wait > DRAIN_WAIT_MS)
        wait = DRAIN_WAIT_MS;
    if (!worker->is_draining && resume_listeners(worker) && wait > PAUSE_WAIT_MS)
        wait = PAUSE_WAIT_MS;
    return wait;
}

static void run_loop(struct http_worker *worker)
{
    bool has_sent = false;
    for (;;) {
        /* It fails with EINTR only, and then has done nothing. */
        (void)h2o_evloop_run(worker->loop, wait_ms(worker, has_sent));
        /* before the turn, which hands to the log what is submitted here */
        batches_submit(worker);
        has_sent = turn(worker) > 0;
        has_sent = batches_answer(worker) > 0 || has_sent;
        has_sent = event_streams_turn(worker) || has_sent;
        backup_stream_check(worker);
        if (ledger_is_ending(worker) && drain(worker))
            return;
    }
}

void *http_worker_run(void *argument)
{
    struct http_worker *worker = argument;
    struct server *server = worker->server;
    worker->engine = ledger_worker(server->options.ledger, worker->number);
    int error = parked_init(&worker->parked, server->options.requests_max);
    if (error == 0)
        error = worker_attach(worker->engine);
    if (error == 0)
        init_loop(worker);
    server_note_started(server, error);
    if (error == 0) {
        run_loop(worker);
        deinit_loop(worker);
        worker_detach(worker->engine);
    }
    parked_deinit(&worker->parked);
    server_note_ended(server);
    return NULL;
}
