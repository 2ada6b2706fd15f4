/* batch.h - POST /batch: many commands in one request, one result each, in their order.
 *
 *     batch_start()      copies the body; the request waits
 *     batches_submit()   finds the items, hands some over, and returns to the loop in time
 *     batches_take()     a result has come
 *     batches_answer()   writes results, and sends the answer that is whole
 *
 * The first two and the last are the loop's: each works for BATCH_SLICE_NS at most, in turns when
 * there are several batches, so that other connections do not wait for a large one. A full queue of
 * the engine makes a batch wait, at most for the commit timeout; then its other items are answered
 * as not committed.
 *
 * A body that is wrong as a whole is refused before any of its items is submitted. A client that
 * leaves meanwhile ends the submission; what was submitted goes on, and finds nobody to tell.
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_HTTP_BATCH_H
#define FLORIN_HTTP_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "command_request.h"
#include "h2o_embed.h"
#include "request_headers.h"

struct http_worker;
struct batch;

/* All batches of a worker. Zeroed is empty. */
struct batches {
    struct batch *slots[FLORIN_BATCHES_MAX];
    uint32_t generations[FLORIN_BATCHES_MAX]; /* grows with every use: old tokens do not fit */
    unsigned count;
    unsigned turn; /* the slot that comes first next time */
};

/* Takes a request whose headers are checked: they say what its body is. false: there are
 * FLORIN_BATCHES_MAX, or no memory. */
__attribute__((warn_unused_result)) bool batch_start(struct http_worker *worker, h2o_req_t *request,
                                                     const struct answer_style *style,
                                                     struct command_flags flags,
                                                     const struct request_headers *headers);

/* Whether a result's user_data is an item's, and not a parked request's. */
bool batch_owns_token(uint64_t token);

void batches_take(struct http_worker *worker, const struct florin_result *result);

void batches_submit(struct http_worker *worker);

/* Returns how many were answered. */
size_t batches_answer(struct http_worker *worker);

/* How long the loop may sleep for their sake; -1: until something happens. */
int batches_wait_ms(const struct http_worker *worker);

#endif
