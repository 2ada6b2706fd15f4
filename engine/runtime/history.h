/* history.h - answers questions about what was, for the front ends of all workers: one thread.
 *
 *     history_submit()   a query; history_walk.h says what can be asked
 *     (thread)           walks over the log, a slice of each query in turn
 *     history_reap()     the answer, on the worker that asked; history_release() gives it back
 *
 * A worker is woken like for a result (worker.h). The account's newest LSN, which a query needs,
 * comes with a FLORIN_READ_ACCOUNT, so that what its client was told before is in the history.
 *
 * Memory: HISTORY_JOBS_MAX pages of 64 KiB and 9 MiB for reading, touched as they are needed.
 *
 * Thread: the worker's, but for creation and destruction.
 */
#ifndef FLORIN_RUNTIME_HISTORY_H
#define FLORIN_RUNTIME_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "florin.h"
#include "history_walk.h"

struct florin;
struct history;
struct worker;

enum {
    /* Queries under way, of all workers. A page from the disk takes some 10 ms, so that the last
     * one waits a second or two. */
    HISTORY_JOBS_MAX = 128,
};

/* FLORIN_APPLIED: taken, an answer will come. QUEUE_FULL; NOT_COMMITTED: stopping or failed. */
__attribute__((warn_unused_result)) enum florin_status
history_submit(struct worker *worker, const struct history_query *query);

/* The next answer for this worker, NULL: none. It is the caller's until history_release(). */
const struct history_answer *history_reap(struct worker *worker);
void history_release(struct worker *worker, const struct history_answer *answer);

/* Whether history_reap() would return one. */
bool history_has_finished(const struct worker *worker);

/* --- for the ledger */

/* After the log is open. `thread` false: the work is done by history_step(). 0 or -errno. */
__attribute__((warn_unused_result)) int history_create(struct florin *ledger, bool thread,
                                                       struct history **history);
/* All workers are idle. NULL is allowed. */
void history_destroy(struct history *history);

/* A slice of one query on the calling thread, if there is one. */
bool history_step(struct history *history);

struct history_statistics {
    uint64_t queries;
    uint64_t reads; /* of the disk */
    uint64_t failures;
};

/* Zeros while recovering. Thread: any. */
struct history_statistics history_statistics(const struct florin *ledger);

#endif
