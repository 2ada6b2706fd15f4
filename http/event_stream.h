/* event_stream.h - GET /events: the followers of one worker, and what is sent to them.
 *
 *     ready -> event_feeder_take() -> a block: sending -> taken by the client: ready
 *                                  -> at the tail: waits until the tail has moved, then ready
 *                                  -> being read: waits for its block, then ready
 *
 * A worker sends to some of its followers in each turn of its loop, so that many of them delay no
 * commit for long. A follower holds one block at a time. One that has not taken its block within
 * the request timeout is too slow: if it takes it soon after, it gets a last line that says so,
 * else its connection is broken; it may come again with the position that it has.
 *
 * Private to http/. Thread: the worker's.
 */
#ifndef FLORIN_HTTP_EVENT_STREAM_H
#define FLORIN_HTTP_EVENT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "event_request.h"
#include "h2o_embed.h"

struct event_stream;
struct http_worker;

struct event_streams {
    struct event_stream *first;
    struct event_stream *ready; /* a queue */
    struct event_stream *ready_last;
    unsigned count;
    bool has_news; /* the feeder has called */
    bool is_stopping;
    uint64_t stopped_ms;
    uint64_t checked_ms;
};

/* Begins to answer the request; 0, -EBUSY: there are too many followers, -ENOMEM. */
__attribute__((warn_unused_result)) int event_stream_start(struct http_worker *worker,
                                                           h2o_req_t *request,
                                                           const struct event_request *wish,
                                                           const struct answer_style *style);

/* Sends what there is to send to some, and looks after the others. Each turn of the loop, outside
 * of its callbacks. true: there is more to do, or the loop has to finish what was sent. */
bool event_streams_turn(struct http_worker *worker);

/* Milliseconds after which event_streams_turn() should be called again; -1: never. */
int event_streams_wait_ms(const struct http_worker *worker);

/* The server stops: every stream ends where it is. All have ended when worker->events.count is 0.
 */
void event_streams_stop(struct http_worker *worker);

#endif
