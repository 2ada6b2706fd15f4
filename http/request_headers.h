/* request_headers.h - the request headers that mean something to Florin.
 *
 * Fed one header at a time, so that it knows no HTTP library. Faults are kept and told by
 * request_headers_check(): what a client prefers is then known also for the answer that refuses.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_REQUEST_HEADERS_H
#define FLORIN_HTTP_REQUEST_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"
#include "request_fault.h"

enum { REQUEST_EVENT_ID_MAX = 24 };

/* What the body is said to be. */
enum request_content {
    REQUEST_CONTENT_JSON, /* application/json in UTF-8, or nothing is said */
    REQUEST_CONTENT_NDJSON,
    REQUEST_CONTENT_BATCH, /* application/vnd.florin.batch */
    REQUEST_CONTENT_FOREIGN,
};

struct request_headers {
    bool money_as_string;    /* Prefer: money=string */
    bool wants_problem;      /* Accept: application/problem+json */
    bool wants_event_stream; /* Accept: text/event-stream */
    enum request_content content;

    bool has_if_match;
    uint64_t if_match_version; /* 0: "*", any */

    /* Last-Event-ID, cut to what no position is as long as; length 0: none. */
    char last_event_id[REQUEST_EVENT_ID_MAX];
    size_t last_event_id_length;

    /* Idempotency-Key, unquoted; length 0: none. */
    char key[FLORIN_KEY_MAX];
    size_t key_length;

    bool has_key; /* seen, valid or not */
    bool has_fault;
    struct request_fault fault;
};

void request_headers_init(struct request_headers *headers);

/* `name` is in lower case. Unknown ones are ignored. */
void request_headers_add(struct request_headers *headers, const char *name, size_t name_length,
                         const char *value, size_t value_length);

/* Whether a key of 1 to FLORIN_KEY_MAX bytes has no control characters. */
bool request_key_is_valid(const char *key, size_t length);

/* false: *fault says which header is wrong. */
__attribute__((warn_unused_result)) bool
request_headers_check(const struct request_headers *headers, struct request_fault *fault);

#endif
