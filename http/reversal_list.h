/* reversal_list.h - what a transaction says of its reversals: which, and how much.
 *
 *     begin -> worker_submit(): reversal number 1 -> go_on -> number 2 -> ... -> behind the last
 * one
 *
 * A transaction that may have reversals was read from the log; it waits in the request's memory.
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_HTTP_REVERSAL_LIST_H
#define FLORIN_HTTP_REVERSAL_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/runtime/history.h"
#include "http_worker.h"

enum {
    /* More than anyone gives a purchase back in; a look-up each. The answer speaks of the first
     * ones. */
    REVERSAL_LIST_MAX = 1000,
};

struct reversal_list {
    struct history_answer found; /* its bytes are a copy */
    int64_t amount_minor;        /* of the transaction's first leg, of all in the list */
    uint32_t count;
    uint64_t lsns[REVERSAL_LIST_MAX];
};

/* Whether it was found, and is of a kind that can be reversed. */
bool reversal_list_is_for(const struct history_answer *found);

/* `entry` is parked, with a request. FLORIN_APPLIED: a result will come. */
enum florin_status reversal_list_begin(struct http_worker *worker, struct parked_request *entry,
                                       const struct history_answer *found);

/* The next one, or none: FLORIN_APPLIED when another result will come,
 * TRANSACTION_NOT_FOUND when the list is complete, or why there is none. `entry` has a request. */
enum florin_status reversal_list_go_on(struct http_worker *worker, struct parked_request *entry,
                                       const struct florin_result *result);

#endif
