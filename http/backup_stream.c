/* backup_stream.c - a thread that reads a backup, two buffers, and a loop that sends them.
 *
 * Guarantees: the loop never waits for the disk, the thread never for more than one buffer to
 * become free; an answer that ends well is a whole backup. It must not know what a backup consists
 * of.
 */
#include "backup_stream.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/runtime/backup.h"
#include "http_worker.h"
#include "respond.h"

enum {
    /* One is on its way to the client while the other is filled. */
    BUFFERS = 2,
    /* Large enough that waking the loop costs nothing beside the copy. */
    BUFFER_BYTES = 256 * 1024,
};

struct buffer {
    size_t length; /* 0: free, the thread's; otherwise full, the loop's */
    uint8_t bytes[BUFFER_BYTES];
};

struct backup_guard {
    struct backup_stream *stream; /* NULL: detached */
};

struct backup_stream {
    h2o_generator_t generator; /* first: libh2o hands it back */

    /* set at start, then read-only */
    struct http_worker *worker;
    struct answer_style style;
    uint64_t started_ns;
    pthread_t thread;

    /* owned by the worker's thread */
    h2o_req_t *request; /* NULL: answered, or the client has left */
    struct backup_guard *guard;
    bool has_headers; /* 200 is on its way */
    bool is_sending;  /* buffer `next` is libh2o's */
    bool is_whole;    /* sent to its end */
    uint64_t sent_ms; /* when it got it */
    unsigned next;
    uint64_t bytes_sent;

    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_open;
    bool is_cancelled;
    bool has_ended;
    int error;                        /* of the thread, once it has ended */
    char problem[BACKUP_PROBLEM_MAX]; /* in words; "": none */

    /* a buffer's length is under the mutex, its bytes are its owner's */
    struct buffer buffers[BUFFERS];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    int error = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(error == 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- the backup's thread ------------------------------------------------------------------ */

static void wake_loop(const struct backup_stream *stream)
{
    const uint64_t one = 1;
    ssize_t written = write(stream->worker->wake_descriptor, &one, sizeof(one));
    (void)written; /* a counter at its maximum wakes as well */
}

/* Waits until a buffer is free; false: nobody wants the backup any more. */
static bool wait_until_free(struct backup_stream *stream, const struct buffer *buffer)
{
    pthread_mutex_lock(&stream->mutex);
    while (buffer->length > 0 && !stream->is_cancelled)
        pthread_cond_wait(&stream->changed, &stream->mutex);
    bool wanted = !stream->is_cancelled;
    pthread_mutex_unlock(&stream->mutex);
    return wanted;
}

/* Waits until the limit allows that so many bytes have been read since then; false: cancelled. */
static bool wait_for_limit(struct backup_stream *stream, uint64_t began_ns, uint64_t bytes)
{
    unsigned limit = stream->worker->server->options.background_mib_per_second;
    if (limit == 0)
        return true;
    /* 2^20 bytes a MiB and 10^9 ns a second: in double, since nobody counts these nanoseconds */
    double seconds = (double)bytes / (1024.0 * 1024.0) / limit;
    uint64_t due_ns = began_ns + (uint64_t)(seconds * 1e9);
    struct timespec due = {.tv_sec = (time_t)(due_ns / 1000000000),
                           .tv_nsec = (long)(due_ns % 1000000000)};
    int error = 0;
    pthread_mutex_lock(&stream->mutex);
    while (error == 0 && !stream->is_cancelled)
        error = pthread_cond_timedwait(&stream->changed, &stream->mutex, &due);
    bool wanted = !stream->is_cancelled;
    pthread_mutex_unlock(&stream->mutex);
    return wanted;
}

/* As many bytes as fit, or as there are left. */
static int fill(struct backup *backup, struct buffer *buffer, size_t *length)
{
    size_t got;
    *length = 0;
    do {
        int error =
            backup_read(backup, buffer->bytes + *length, sizeof(buffer->bytes) - *length, &got);
        if (error != 0)
            return error;
        *length += got;
    } while (got > 0 && *length < sizeof(buffer->bytes));
    return 0;
}

static int pump(struct backup_stream *stream, struct backup *backup)
{
    uint64_t began_ns = now_ns();
    uint64_t total = 0;
    for (unsigned number = 0;; number = (number + 1) % BUFFERS) {
        struct buffer *buffer = &stream->buffers[number];
        size_t length;
        if (!wait_until_free(stream, buffer) || !wait_for_limit(stream, began_ns, total))
            return -ECANCELED;
        int error = fill(backup, buffer, &length);
        if (error != 0 || length == 0)
            return error;
        total += length;
        pthread_mutex_lock(&stream->mutex);
        buffer->length = length;
        pthread_mutex_unlock(&stream->mutex);
        wake_loop(stream);
    }
}

static void *run(void *argument)
{
    struct backup_stream *stream = argument;
    struct backup *backup;
    int error = backup_open(stream->worker->server->options.ledger, &backup);
    if (error == 0) {
        pthread_mutex_lock(&stream->mutex);
        stream->is_open = true;
        pthread_mutex_unlock(&stream->mutex);
        wake_loop(stream);
        error = pump(stream, backup);
        snprintf(stream->problem, sizeof(stream->problem), "%s", backup_problem(backup));
        backup_close(backup);
    }
    pthread_mutex_lock(&stream->mutex);
    stream->error = error;
    stream->has_ended = true;
    pthread_mutex_unlock(&stream->mutex);
    wake_loop(stream);
    return NULL;
}

static void cancel_thread(struct backup_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    stream->is_cancelled = true;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->mutex);
}

/* --- life cycle --------------------------------------------------------------------------- */

static int init_locks(struct backup_stream *stream)
{
    pthread_condattr_t attributes;
    int error = -pthread_mutex_init(&stream->mutex, NULL);
    if (error != 0)
        return error;
    error = -pthread_condattr_init(&attributes);
    if (error == 0) {
        error = -pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (error == 0)
            error = -pthread_cond_init(&stream->changed, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    if (error != 0)
        pthread_mutex_destroy(&stream->mutex);
    return error;
}

static void destroy(struct backup_stream *stream)
{
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

static void log_end(const struct backup_stream *stream)
{
    struct event_line line;
    event_line_begin(&line, stream->is_whole ? EVENT_INFO : EVENT_WARN,
                     stream->is_whole ? "backup_sent" : "backup_broken_off");
    event_line_number(&line, "bytes", (int64_t)stream->bytes_sent);
    event_line_number(&line, "ms", (int64_t)((now_ns() - stream->started_ns) / 1000000));
    if (!stream->is_whole && (stream->error == 0 || stream->error == -ECANCELED))
        event_line_text(&line, "reason", "the client has left, or the server stops");
    else if (!stream->is_whole)
        event_line_text(&line, "reason",
                        stream->problem[0] != '\0' ? stream->problem : strerror(-stream->error));
    event_line_write(&line, stream->worker->server->options.log);
}

/* The thread has ended: the next backup may begin. */
static void finish(struct backup_stream *stream)
{
    struct http_worker *worker = stream->worker;
    assert(stream->request == NULL);
    pthread_join(stream->thread, NULL);
    log_end(stream);
    if (stream->is_whole)
        metrics_count(&worker->metrics.backups_completed);
    else
        metrics_count(&worker->metrics.backups_failed);
    worker->backup = NULL;
    destroy(stream);
    server_release_backup(worker->server);
}

/* The request's memory goes: its client has left. */
static void dispose_guard(void *memory)
{
    struct backup_guard *guard = memory;
    if (guard->stream == NULL)
        return;
    guard->stream->request = NULL;
    cancel_thread(guard->stream);
    /* the thread may have ended before, and wake nobody any more */
    wake_loop(guard->stream);
}

/* The request, which gets its last word now. */
static h2o_req_t *detach(struct backup_stream *stream)
{
    h2o_req_t *request = stream->request;
    stream->guard->stream = NULL;
    stream->request = NULL;
    return request;
}

/* --- the loop's side ---------------------------------------------------------------------- */

static void refuse(struct backup_stream *stream, enum error_code code)
{
    struct answer answer;
    answer_refuse(&answer, code, &stream->style);
    metrics_count_answer(&stream->worker->metrics, ROUTE_BACKUP, answer.status, answer.code);
    respond(detach(stream), &answer);
}

/* Ends the answer so that nobody takes it for a whole one: no last chunk, and a reset where the end
 * of the connection would be the end of the answer (HTTP/1.0). */
static void break_connection(struct backup_stream *stream)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    h2o_req_t *request = stream->request;
    int descriptor = h2o_socket_get_fd(request->conn->callbacks->get_socket(request->conn));
    (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (stream->is_sending) {
        /* libh2o finds that its write fails, and lets go of the request */
        (void)shutdown(descriptor, SHUT_RDWR);
        return;
    }
    request->http1_is_persistent = 0;
    h2o_send(detach(stream), NULL, 0, H2O_SEND_STATE_ERROR);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *request)
{
    struct backup_stream *stream = (struct backup_stream *)generator;
    struct buffer *buffer = &stream->buffers[stream->next];
    (void)request;
    assert(stream->is_sending);
    stream->is_sending = false;
    stream->next = (stream->next + 1) % BUFFERS;
    stream->bytes_sent += buffer->length;
    metrics_add(&stream->worker->metrics.backup_bytes, buffer->length);
    pthread_mutex_lock(&stream->mutex);
    buffer->length = 0;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->mutex);
    backup_stream_proceed(stream->worker);
}

/* What the thread has come to. */
struct view {
    bool is_open;
    bool is_cancelled;
    bool has_ended;
    size_t length; /* of the next buffer */
};

static struct view look(struct backup_stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    struct view view = {stream->is_open, stream->is_cancelled, stream->has_ended,
                        stream->buffers[stream->next].length};
    pthread_mutex_unlock(&stream->mutex);
    return view;
}

static void send_headers(struct backup_stream *stream)
{
    stream->has_headers = true;
    metrics_count_answer(&stream->worker->metrics, ROUTE_BACKUP, 200, ERROR_NONE);
    respond_stream(stream->request, "application/x-tar", &stream->generator);
}

static void send_buffer(struct backup_stream *stream, size_t length)
{
    h2o_iovec_t bytes = {(char *)stream->buffers[stream->next].bytes, length};
    stream->is_sending = true;
    stream->sent_ms = h2o_now(stream->worker->loop);
    h2o_send(stream->request, &bytes, 1, H2O_SEND_STATE_IN_PROGRESS);
}

/* The thread is gone before the client has the end, so that its next backup finds room. */
static void send_end(struct backup_stream *stream)
{
    h2o_req_t *request = detach(stream);
    stream->is_whole = true;
    finish(stream);
    h2o_send(request, NULL, 0, H2O_SEND_STATE_FINAL);
}

void backup_stream_proceed(struct http_worker *worker)
{
    struct backup_stream *stream = worker->backup;
    if (stream == NULL)
        return;
    struct view view = look(stream);
    if (stream->request != NULL && !stream->is_sending) {
        if (!stream->has_headers && view.is_open && !view.is_cancelled)
            send_headers(stream);
        if (view.length > 0) {
            send_buffer(stream, view.length);
            return;
        }
        if (view.has_ended && stream->error == 0) {
            send_end(stream);
            return;
        }
        if (view.has_ended && stream->has_headers)
            break_connection(stream);
        else if (view.has_ended)
            refuse(stream, ERROR_BACKUP_FAILED);
    }
    if (view.has_ended && stream->request == NULL)
        finish(stream);
}

void backup_stream_check(struct http_worker *worker)
{
    struct backup_stream *stream = worker->backup;
    if (stream == NULL || stream->request == NULL || !stream->is_sending)
        return;
    if (h2o_now(worker->loop) - stream->sent_ms > worker->server->options.request_timeout_ms)
        break_connection(stream);
}

void backup_stream_stop(struct http_worker *worker)
{
    struct backup_stream *stream = worker->backup;
    if (stream == NULL)
        return;
    cancel_thread(stream);
    if (stream->request == NULL)
        return;
    if (stream->has_headers)
        break_connection(stream);
    else
        refuse(stream, ERROR_STOPPING);
}

int backup_stream_start(struct http_worker *worker, h2o_req_t *request,
                        const struct answer_style *style)
{
    if (!server_take_backup(worker->server))
        return -EBUSY;
    int error = -ENOMEM;
    struct backup_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        goto release;
    error = init_locks(stream);
    if (error != 0)
        goto free_stream;
    stream->generator.proceed = on_proceed;
    stream->worker = worker;
    stream->style = *style;
    stream->started_ns = now_ns();
    stream->request = request;
    stream->guard = h2o_mem_alloc_shared(&request->pool, sizeof(*stream->guard), dispose_guard);
    stream->guard->stream = stream;
    worker->backup = stream;
    error = -pthread_create(&stream->thread, NULL, run, stream);
    if (error == 0)
        return 0;
    stream->guard->stream = NULL;
    worker->backup = NULL;
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->mutex);
free_stream:
    free(stream);
release:
    server_release_backup(worker->server);
    return error;
}
