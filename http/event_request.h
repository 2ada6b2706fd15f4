/* event_request.h - what GET /events asks for.
 *
 *     after     position behind which events begin; absent: at the first one that is kept
 *     limit     1 to 10000 events, then the answer ends. A page has 1000 when nothing is said
 *     wait      0 to 300 seconds that a page without events waits for the first one
 *     follow    true: the answer goes on until the client leaves (or `limit`); false: a page. With
 *               Accept: text/event-stream true is meant when nothing is said
 *
 * Last-Event-ID, which a browser sends when it connects again, stands in for `after` in a
 * text/event-stream: it is newer than the address.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_EVENT_REQUEST_H
#define FLORIN_HTTP_EVENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request_fault.h"
#include "request_headers.h"

enum {
    EVENT_LIMIT_MAX = 10000,
    EVENT_PAGE = 1000,
    EVENT_WAIT_MAX_S = 300,
};

struct event_request {
    bool from_start; /* else behind `after` */
    uint64_t after;
    uint32_t limit; /* 0: none */
    uint32_t wait_s;
    bool follow;
    bool as_sse; /* text/event-stream; else NDJSON */
};

/* `query` is what stands behind the "?". false: *fault says what is wrong. */
__attribute__((warn_unused_result)) bool event_request_parse(struct event_request *request,
                                                             const char *query, size_t length,
                                                             const struct request_headers *headers,
                                                             struct request_fault *fault);

#endif
