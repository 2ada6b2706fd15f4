/* event_stream.c - sends events to followers.
 *
 * Guarantees: a follower gets whole events, each once and in order, and its connection is of no
 * concern to any other; memory of a client that has left is free at once, but for a block that is
 * being read for it. It must not know the log.
 */
#include "event_stream.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "event_feeder.h"
#include "florin.h"
#include "http_worker.h"
#include "respond.h"

enum {
    /* Followers in one turn of the loop: some microseconds each, while commits wait. */
    SENDS_A_TURN = 16,
    CHECK_MS = 100,
    HEARTBEAT_MS = 15000,
    /* On a server that stops, a client that does not take its last block is waited for so long. */
    STOP_MS = 1000,
    LAST_LINE_MAX = 512,
    /* Of what the kernel keeps for a follower besides (it takes twice that): else it would be
     * megabytes. */
    SOCKET_BYTES = 64 * 1024,
};

struct event_guard {
    struct event_stream *stream; /* NULL: the request has got its last word */
};

struct event_stream {
    h2o_generator_t generator; /* the first: libh2o gives it back */
    struct event_cursor cursor;

    /* set at start, then read-only */
    struct http_worker *worker;
    struct event_request wish;
    struct answer_style style;
    uint64_t until;       /* a page is whole from here on */
    uint64_t deadline_ms; /* until then a page waits for its first event */

    h2o_req_t *request; /* NULL: the client has left */
    struct event_guard *guard;
    struct event_stream *previous;
    struct event_stream *next;
    struct event_stream *next_ready;
    enum { STREAM_READY, STREAM_AT_TAIL, STREAM_READING, STREAM_SENDING } state;
    bool has_headers;
    bool is_watched;  /* for the client's leaving */
    bool is_too_slow; /* it did not take what was sent in time */
    uint32_t count;   /* of events sent */

    /* while sending */
    struct event_block *block; /* NULL: a heartbeat */
    struct event_slice slice;
    uint64_t sent_ms; /* of the newest bytes */
};

static struct event_feeder *feeder_of(const struct event_stream *stream)
{
    return stream->worker->server->feeder;
}

/* Not the loop's time, which follows the wall clock. */
static uint64_t monotonic_ms(void)
{
    struct timespec now;
    int error = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(error == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void make_ready(struct event_stream *stream)
{
    struct event_streams *streams = &stream->worker->events;
    assert(stream->state != STREAM_READY);
    stream->state = STREAM_READY;
    stream->next_ready = NULL;
    if (streams->ready == NULL)
        streams->ready = stream;
    else
        streams->ready_last->next_ready = stream;
    streams->ready_last = stream;
}

/* --- life cycle --------------------------------------------------------------------------- */

static void link_stream(struct event_stream *stream)
{
    struct event_streams *streams = &stream->worker->events;
    stream->previous = NULL;
    stream->next = streams->first;
    if (streams->first != NULL)
        streams->first->previous = stream;
    streams->first = stream;
    streams->count++;
}

/* It is in no queue and nothing of it is being sent. While a block is read for it, it stays. */
static void destroy(struct event_stream *stream)
{
    struct event_streams *streams = &stream->worker->events;
    if (stream->block != NULL) {
        event_feeder_release(feeder_of(stream), stream->block);
        stream->block = NULL;
    }
    if (!event_feeder_leave(feeder_of(stream), &stream->cursor)) {
        stream->state = STREAM_READING;
        return;
    }
    if (stream->previous != NULL)
        stream->previous->next = stream->next;
    else
        streams->first = stream->next;
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    streams->count--;
    metrics_count(&stream->worker->metrics.followers_left);
    free(stream);
}

/* The request's memory goes: its client has left. */
static void dispose_guard(void *memory)
{
    struct event_guard *guard = memory;
    struct event_stream *stream = guard->stream;
    if (stream == NULL)
        return;
    stream->request = NULL;
    stream->guard = NULL;
    if (stream->state != STREAM_READY) /* else its turn comes */
        destroy(stream);
}

/* The request, which gets its last word now; the stream is gone. Its state is READY, but it was
 * taken out of the queue. */
static h2o_req_t *detach(struct event_stream *stream)
{
    h2o_req_t *request = stream->request;
    stream->guard->stream = NULL;
    stream->request = NULL;
    destroy(stream);
    return request;
}

/* --- clients that leave ------------------------------------------------------------------- */

static h2o_socket_t *socket_of(const struct event_stream *stream)
{
    h2o_conn_t *connection = stream->request->conn;
    return connection->callbacks->get_socket(connection);
}

/* Ends the connection. What is being sent fails, and libh2o lets go of the request; else it gets
 * its last word, which goes nowhere. */
static void break_connection(struct event_stream *stream)
{
    h2o_req_t *request = stream->request;
    (void)shutdown(h2o_socket_get_fd(socket_of(stream)), SHUT_RDWR);
    if (stream->state == STREAM_SENDING)
        return;
    request->http1_is_persistent = 0;
    if (!stream->has_headers)
        respond_events(request, stream->wish.as_sse, false, &stream->generator);
    stream->guard->stream = NULL;
    stream->request = NULL;
    h2o_send(request, NULL, 0, H2O_SEND_STATE_FINAL);
    if (stream->state != STREAM_READY)
        destroy(stream);
}

static void on_input(h2o_socket_t *socket, const char *error)
{
    h2o_socket_read_stop(socket);
    if (error == NULL)
        return; /* a next request: it waits in the input buffer */
    const h2o_conn_t *connection = socket->data;
    struct http_worker *worker =
        H2O_STRUCT_FROM_MEMBER(struct http_worker, context, connection->ctx);
    for (struct event_stream *stream = worker->events.first; stream != NULL;
         stream = stream->next) {
        if (stream->request != NULL && stream->is_watched && socket_of(stream) == socket) {
            break_connection(stream);
            return;
        }
    }
}

static void limit_socket(const struct event_stream *stream)
{
    const int bytes = SOCKET_BYTES;
    /* Best effort: without it only memory is lost. */
    (void)setsockopt(h2o_socket_get_fd(socket_of(stream)), SOL_SOCKET, SO_SNDBUF, &bytes,
                     sizeof(bytes));
}

/* libh2o does not read from an HTTP/1 connection while it answers; so nobody would see that a
 * client has left before the next bytes are sent. HTTP/2 is read all the time. */
static void watch_client(struct event_stream *stream)
{
    if (stream->is_watched || stream->request->version >= 0x200)
        return;
    stream->is_watched = true;
    h2o_socket_t *socket = socket_of(stream);
    if (!h2o_socket_is_reading(socket))
        h2o_socket_read_start(socket, on_input);
}

/* --- sending ------------------------------------------------------------------------------ */

static void on_proceed(h2o_generator_t *generator, h2o_req_t *request)
{
    struct event_stream *stream = (struct event_stream *)generator;
    struct metrics *metrics = &stream->worker->metrics;
    (void)request;
    assert(stream->state == STREAM_SENDING);
    if (stream->block != NULL) {
        event_feeder_release(feeder_of(stream), stream->block);
        stream->block = NULL;
        stream->cursor.position = stream->slice.position;
        stream->count += stream->slice.count;
        metrics_add(&metrics->events_sent, stream->slice.count);
        metrics_add(&metrics->event_bytes, stream->slice.length);
    }
    make_ready(stream);
}

static void send_headers(struct event_stream *stream)
{
    stream->has_headers = true;
    limit_socket(stream);
    metrics_count_answer(&stream->worker->metrics, ROUTE_EVENTS, 200, ERROR_NONE);
    respond_events(stream->request, stream->wish.as_sse, stream->style.money_as_string,
                   &stream->generator);
}

static void send_bytes(struct event_stream *stream, const char *bytes, size_t length)
{
    h2o_iovec_t buffer = h2o_iovec_init(bytes, length);
    if (!stream->has_headers)
        send_headers(stream);
    stream->state = STREAM_SENDING;
    stream->sent_ms = monotonic_ms();
    h2o_send(stream->request, &buffer, 1, H2O_SEND_STATE_IN_PROGRESS);
}

static void send_heartbeat(struct event_stream *stream)
{
    if (stream->wish.as_sse)
        send_bytes(stream, ":\n\n", 3);
    else
        send_bytes(stream, "\n", 1);
}

static void send_end(struct event_stream *stream)
{
    if (!stream->has_headers)
        send_headers(stream);
    h2o_send(detach(stream), NULL, 0, H2O_SEND_STATE_FINAL);
}

/* An error behind events: the last line, and where to go on. */
static void send_last_line(struct event_stream *stream, enum error_code code)
{
    char bytes[LAST_LINE_MAX];
    struct json_text text;
    const struct error_description *description = error_code_describe(code);
    uint64_t resume_after =
        code == ERROR_EVENTS_GONE ? stream->cursor.first_lsn - 1 : stream->cursor.position;
    json_text_init(&text, bytes, sizeof(bytes));
    if (stream->wish.as_sse)
        json_text_raw(&text, "event: error\ndata: ", 19);
    json_text_raw(&text, "{", 1);
    json_text_member_string(&text, "error", description->message);
    json_text_member_string(&text, "code", description->code);
    json_text_member_unsigned(&text, "resumeAfter", resume_after);
    json_text_raw(&text, "}\n\n", stream->wish.as_sse ? 3 : 2);
    assert(!text.truncated);
    h2o_iovec_t line = h2o_strdup(&stream->request->pool, bytes, text.length);
    h2o_send(detach(stream), &line, 1, H2O_SEND_STATE_FINAL);
}

/* An error instead of events. */
static void send_refusal(struct event_stream *stream, enum error_code code)
{
    struct answer answer;
    if (code == ERROR_EVENTS_GONE)
        answer_events_gone(&answer, stream->cursor.first_lsn, &stream->style);
    else
        answer_refuse(&answer, code, &stream->style);
    metrics_count_answer(&stream->worker->metrics, ROUTE_EVENTS, answer.status, answer.code);
    respond(detach(stream), &answer);
}

static void send_error(struct event_stream *stream, enum error_code code)
{
    if (stream->has_headers)
        send_last_line(stream, code);
    else
        send_refusal(stream, code);
}

/* --- what comes next ---------------------------------------------------------------------- */

static bool is_whole(const struct event_stream *stream)
{
    return stream->wish.limit > 0 && stream->count == stream->wish.limit;
}

static bool page_is_over(const struct event_stream *stream)
{
    return !stream->wish.follow && stream->cursor.position >= stream->until &&
           (stream->count > 0 || monotonic_ms() >= stream->deadline_ms);
}

static void wait_at_tail(struct event_stream *stream)
{
    if (page_is_over(stream)) {
        send_end(stream);
        return;
    }
    stream->state = STREAM_AT_TAIL;
    watch_client(stream);
    if (stream->wish.follow && !stream->has_headers)
        send_heartbeat(stream); /* libh2o sends no headers without a byte behind them */
}

/* Sends what the block has for the follower; false: nothing. */
static bool send_block(struct event_stream *stream, struct event_block *block)
{
    uint32_t limit = stream->wish.limit == 0 ? UINT32_MAX : stream->wish.limit - stream->count;
    stream->slice = event_block_slice(block, stream->cursor.position, limit);
    if (stream->slice.length == 0) {
        stream->cursor.position = stream->slice.position;
        event_feeder_release(feeder_of(stream), block);
        return false;
    }
    stream->block = block;
    send_bytes(stream, stream->slice.bytes, stream->slice.length);
    return true;
}

/* The next step of a stream that is not in a queue; its state is READY. */
static void advance(struct event_stream *stream)
{
    struct event_block *block = NULL;
    if (stream->request == NULL) {
        destroy(stream);
        return;
    }
    if (stream->worker->events.is_stopping && !stream->has_headers) {
        send_refusal(stream, ERROR_STOPPING);
        return;
    }
    if (stream->is_too_slow) {
        send_last_line(stream, ERROR_FOLLOWER_TOO_SLOW);
        return;
    }
    if (stream->worker->events.is_stopping || is_whole(stream)) {
        send_end(stream);
        return;
    }
    switch (event_feeder_take(feeder_of(stream), &stream->cursor, &block)) {
    case EVENT_TAKE_BLOCK:
        if (!send_block(stream, block)) {
            stream->state = STREAM_AT_TAIL;
            make_ready(stream);
        }
        return;
    case EVENT_TAKE_TAIL:
        wait_at_tail(stream);
        return;
    case EVENT_TAKE_LATER:
        stream->state = STREAM_AT_TAIL;
        return;
    case EVENT_TAKE_READING:
        stream->state = STREAM_READING;
        return;
    case EVENT_TAKE_GONE:
        send_error(stream, ERROR_EVENTS_GONE);
        return;
    case EVENT_TAKE_FAILED:
        send_error(stream, ERROR_EVENTS_FAILED);
        return;
    }
    abort(); /* not an answer of the feeder */
}

/* --- looking after them ------------------------------------------------------------------- */

static struct event_stream *stream_of(struct event_cursor *cursor)
{
    return (struct event_stream *)((char *)cursor - offsetof(struct event_stream, cursor));
}

static void collect(struct http_worker *worker)
{
    bool tail_moved;
    struct event_streams *streams = &worker->events;
    struct event_cursor *cursor =
        event_feeder_collect(worker->server->feeder, worker->number, &tail_moved);
    while (cursor != NULL) {
        struct event_cursor *next = cursor->next;
        make_ready(stream_of(cursor));
        cursor = next;
    }
    for (struct event_stream *stream = streams->first; tail_moved && stream != NULL;
         stream = stream->next) {
        if (stream->state == STREAM_AT_TAIL)
            make_ready(stream);
    }
}

static void check_sending(struct event_stream *stream, uint64_t now_ms)
{
    struct http_worker *worker = stream->worker;
    uint64_t timeout_ms = worker->server->options.request_timeout_ms;
    uint64_t taken_ms = now_ms - stream->sent_ms;
    if (!stream->is_too_slow && taken_ms > timeout_ms) {
        stream->is_too_slow = true;
        metrics_count(&worker->metrics.followers_dropped);
    }
    if (taken_ms > timeout_ms + timeout_ms / 2 ||
        (worker->events.is_stopping && now_ms - worker->events.stopped_ms > STOP_MS))
        break_connection(stream);
}

static void check_waiting(struct event_stream *stream, uint64_t now_ms)
{
    if (page_is_over(stream))
        make_ready(stream);
    else if (stream->has_headers && now_ms - stream->sent_ms >= HEARTBEAT_MS)
        send_heartbeat(stream);
}

static void check(struct http_worker *worker, uint64_t now_ms)
{
    struct event_stream *next;
    for (struct event_stream *stream = worker->events.first; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->state == STREAM_SENDING && stream->request != NULL)
            check_sending(stream, now_ms);
        else if (stream->state == STREAM_AT_TAIL)
            check_waiting(stream, now_ms);
    }
}

bool event_streams_turn(struct http_worker *worker)
{
    struct event_streams *streams = &worker->events;
    unsigned advanced = 0;
    if (streams->count == 0)
        return false;
    if (streams->has_news) {
        streams->has_news = false;
        collect(worker);
    }
    for (; streams->ready != NULL && advanced < SENDS_A_TURN; advanced++) {
        struct event_stream *stream = streams->ready;
        streams->ready = stream->next_ready;
        advance(stream);
    }
    uint64_t now_ms = monotonic_ms();
    if (now_ms - streams->checked_ms >= CHECK_MS) {
        streams->checked_ms = now_ms;
        check(worker, now_ms);
        return true;
    }
    return advanced > 0;
}

int event_streams_wait_ms(const struct http_worker *worker)
{
    return worker->events.count > 0 ? CHECK_MS : -1;
}

void event_streams_stop(struct http_worker *worker)
{
    worker->events.is_stopping = true;
    worker->events.stopped_ms = monotonic_ms();
    for (struct event_stream *stream = worker->events.first; stream != NULL;
         stream = stream->next) {
        if (stream->state == STREAM_AT_TAIL)
            make_ready(stream);
    }
}

int event_stream_start(struct http_worker *worker, h2o_req_t *request,
                       const struct event_request *wish, const struct answer_style *style)
{
    struct event_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return -ENOMEM;
    stream->generator.proceed = on_proceed;
    stream->cursor = (struct event_cursor){
        .form = (wish->as_sse ? EVENT_AS_SSE : 0U) |
                (style->money_as_string ? EVENT_MONEY_AS_STRING : 0U),
        .worker = worker->number,
        .from_start = wish->from_start,
        .position = wish->after,
    };
    stream->worker = worker;
    stream->wish = *wish;
    stream->style = *style;
    stream->until = florin_durable_lsn(worker->server->options.ledger);
    stream->sent_ms = monotonic_ms();
    stream->deadline_ms = stream->sent_ms + wish->wait_s * UINT64_C(1000);
    if (!event_feeder_join(worker->server->feeder, &stream->cursor)) {
        free(stream);
        return -EBUSY;
    }
    stream->request = request;
    stream->guard = h2o_mem_alloc_shared(&request->pool, sizeof(*stream->guard), dispose_guard);
    stream->guard->stream = stream;
    metrics_count(&worker->metrics.followers_joined);
    link_stream(stream);
    stream->state = STREAM_AT_TAIL;
    make_ready(stream);
    return 0;
}
