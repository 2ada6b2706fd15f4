/* http_worker.h - one thread: one event loop, one worker of the ledger, its connections.
 *
 * Private to http/.
 */
#ifndef FLORIN_HTTP_HTTP_WORKER_H
#define FLORIN_HTTP_HTTP_WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "batch.h"
#include "connection_limits.h"
#include "engine/runtime/worker.h"
#include "event_feeder.h"
#include "event_stream.h"
#include "h2o_embed.h"
#include "metrics.h"
#include "parked.h"
#include "server.h"

struct backup_stream;
struct http_worker;

struct http_listener {
    struct http_worker *worker;
    h2o_socket_t *socket; /* NULL: closed */
    bool is_unix;
    bool is_paused;     /* not accepting: too many connections, or no descriptors left */
    bool is_failing;    /* accept() has failed, and it was said */
    uint64_t paused_ms; /* when, in the loop's time */
};

struct http_worker {
    struct metrics metrics; /* written by the worker, read by anyone */

    /* set at start, then read-only */
    struct server *server;
    unsigned number;
    int descriptors[SERVER_ADDRESSES_MAX]; /* listening; owned by the loop once it runs */
    int wake_descriptor;
    pthread_t thread;

    /* owned by the worker's thread */
    struct worker *engine;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_evloop_t *loop;
    struct http_listener listeners[SERVER_ADDRESSES_MAX];
    h2o_socket_t *wake_socket;
    h2o_socket_t *mailbox_socket;
    h2o_socket_t *channel_socket;
    struct parked parked;
    struct batches batches;
    struct backup_stream *backup; /* that a connection of this worker gets; NULL: none */
    struct event_streams events;  /* of connections of this worker */
    unsigned connections;
    bool is_draining;
    bool is_drained;
};

struct server {
    /* set at start, then read-only */
    struct server_options options;
    struct listen_address addresses[SERVER_ADDRESSES_MAX];
    unsigned worker_count;
    struct http_worker *workers[FLORIN_WORKERS_MAX];
    const struct metrics *metrics[FLORIN_WORKERS_MAX];
    struct connection_limits limits;
    struct event_feeder *feeder;

    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned started; /* threads that attached, or failed to */
    unsigned drained; /* workers without connections, after the end was called for */
    unsigned ended;   /* threads that returned */
    int start_error;
    bool is_ready;
    bool has_backup; /* one is running */
    bool is_joined;
};

/* A thread's main function; `argument` is a struct http_worker. */
void *http_worker_run(void *argument);

/* Answers what the engine has results for; returns how many. */
size_t http_worker_answer(struct http_worker *worker);

/* What threads tell the server. Thread: any. */
void server_note_started(struct server *server, int error);
void server_note_drained(struct server *server);
void server_note_ended(struct server *server);
bool server_is_drained(struct server *server);
bool server_is_ready(struct server *server);

/* The right to run a backup: one at a time. Thread: any. */
bool server_take_backup(struct server *server);
void server_release_backup(struct server *server);

#endif
