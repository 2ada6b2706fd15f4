/* lister.h - pages of accounts by id, over all workers.
 *
 *     lister_submit()   a worker asks
 *     lister_serve()    every worker looks through its own accounts, a slice a round
 *     lister_reap()     the ids, on the worker that asked
 *
 * Why not a command to every worker, answered through the rings: a command has one account and one
 * answer, of bounded size, and a scan is neither; it would need a kind of message of 13 KB, and its
 * own place to wait in while others pass. So it is a job that the workers find, as the history's
 * are, but done by them: only its owner may look at an account.
 *
 * A page has ids only, and some may be of accounts whose opening is not durable: whoever shows an
 * account reads it first (FLORIN_READ_ACCOUNT).
 *
 * Memory: LISTER_JOBS_MAX lists of 13 KiB for each worker, touched when they are used.
 */
#ifndef FLORIN_RUNTIME_LISTER_H
#define FLORIN_RUNTIME_LISTER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/core/account_list.h"
#include "florin.h"

struct florin;
struct lister;
struct worker;

enum {
    /* Lists under way, of all workers: each takes a turn at each of them, so that more would only
     * make all of them slower. */
    LISTER_JOBS_MAX = 16,
};

struct lister_query {
    uint64_t user_data; /* comes back in the page */
    struct account_list_id after;
    struct account_list_id prefix;
    uint32_t limit; /* 1 to FLORIN_ACCOUNT_PAGE_MAX */
};

struct lister_page {
    uint64_t user_data;
    uint32_t count;
    bool has_more;
    struct account_list_id ids[FLORIN_ACCOUNT_PAGE_MAX]; /* ascending */
};

/* FLORIN_APPLIED: taken, a page will come. QUEUE_FULL; NOT_COMMITTED: stopping or failed.
 * Thread: the worker's, as of the next two and lister_serve(). */
__attribute__((warn_unused_result)) enum florin_status
lister_submit(struct worker *worker, const struct lister_query *query);

/* The next page for this worker; false: none. */
__attribute__((warn_unused_result)) bool lister_reap(struct worker *worker,
                                                     struct lister_page *page);

/* Whether lister_reap() would return one, or this worker has a part to look through. */
bool lister_wants(const struct worker *worker);

/* Looks through a slice of one list: some 20 us. */
void lister_serve(struct worker *worker);

/* The page, for a thread that is no worker: waits for it. 0; -EAGAIN: LISTER_JOBS_MAX are under
 * way; -ESHUTDOWN. */
__attribute__((warn_unused_result)) int
lister_wait(struct florin *ledger, const struct lister_query *query, struct lister_page *page);

/* 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int lister_create(struct florin *ledger,
                                                      struct lister **lister);
/* No list is under way. NULL is allowed. */
void lister_destroy(struct lister *lister);

#endif
