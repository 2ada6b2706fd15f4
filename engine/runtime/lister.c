/* lister.c - lists of accounts, made by all workers together.
 *
 *     free -> active: each worker makes its part -> (the last one) done -> reaped -> free
 *
 * Guarantees: every list that was taken ends, also while the ledger stops or fails: it needs
 * nothing but memory. A part is touched by its worker only until that has said, under the mutex,
 * that it is complete; by the one who reaps after the last has said so. Must not know: what is done
 * with ids.
 */
#include "lister.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_state.h"

enum {
    /* Accounts of one slice, at some 5 ns each: 20 us, and as long again from cold memory. */
    SLICE_SLOTS = 4096,
    NOBODY = FLORIN_WORKERS_MAX, /* asks: a thread that is no worker */
};

enum list_state { LIST_FREE, LIST_ACTIVE, LIST_DONE };
enum part_state { PART_NEW, PART_BEGUN, PART_COMPLETE };

struct list_part {
    enum part_state state;
    struct account_list list;
};

struct list_job {
    /* under the mutex */
    enum list_state state;
    unsigned asker;
    uint64_t number; /* the older one is served first */
    unsigned parts_left;
    /* set before it is active, then read-only */
    struct lister_query query;
    /* each its worker's */
    struct list_part *parts;
};

struct lister {
    struct florin *ledger;
    struct list_part *parts;
    pthread_mutex_t mutex;
    pthread_cond_t ended; /* a list of NOBODY */
    uint64_t number;
    struct list_job jobs[LISTER_JOBS_MAX];
    /* Parts that a worker has to make, and lists that it has to reap: written under the mutex, read
     * by the worker without. */
    _Atomic uint32_t wanted[FLORIN_WORKERS_MAX];
    _Atomic uint32_t finished[FLORIN_WORKERS_MAX];
};

/* --- asking ---------------------------------------------------------------------------------- */

/* NULL: all are taken. */
static struct list_job *begin(struct lister *lister, const struct lister_query *query,
                              unsigned asker)
{
    unsigned workers = lister->ledger->worker_count;
    struct list_job *job = NULL;
    pthread_mutex_lock(&lister->mutex);
    for (unsigned i = 0; i < LISTER_JOBS_MAX && job == NULL; i++) {
        if (lister->jobs[i].state == LIST_FREE)
            job = &lister->jobs[i];
    }
    if (job != NULL) {
        job->state = LIST_ACTIVE;
        job->asker = asker;
        job->number = lister->number++;
        job->parts_left = workers;
        job->query = *query;
        for (unsigned i = 0; i < workers; i++) {
            job->parts[i].state = PART_NEW;
            atomic_fetch_add(&lister->wanted[i], 1);
        }
    }
    pthread_mutex_unlock(&lister->mutex);
    if (job != NULL)
        ledger_wake(lister->ledger, UINT64_MAX);
    return job;
}

/* The smallest ids of all parts. */
static void merge(struct lister *lister, struct list_job *job, struct lister_page *page)
{
    struct account_list *all = &job->parts[0].list;
    for (unsigned i = 1; i < lister->ledger->worker_count; i++) {
        const struct account_list *part = &job->parts[i].list;
        for (uint32_t id = 0; id < part->count; id++)
            account_list_offer(all, &part->ids[id]);
    }
    account_list_sort(all);
    page->user_data = job->query.user_data;
    page->has_more = all->count > job->query.limit;
    page->count = page->has_more ? job->query.limit : all->count;
    memcpy(page->ids, all->ids, page->count * sizeof page->ids[0]);
}

static void give_back(struct lister *lister, struct list_job *job)
{
    pthread_mutex_lock(&lister->mutex);
    job->state = LIST_FREE;
    pthread_mutex_unlock(&lister->mutex);
}

enum florin_status lister_submit(struct worker *worker, const struct lister_query *query)
{
    if (ledger_state(worker->ledger) != LEDGER_READY)
        return FLORIN_NOT_COMMITTED;
    if (begin(worker->ledger->lister, query, worker->number) == NULL)
        return FLORIN_QUEUE_FULL;
    worker->lists_outstanding++;
    return FLORIN_APPLIED;
}

bool lister_reap(struct worker *worker, struct lister_page *page)
{
    struct lister *lister = worker->ledger->lister;
    struct list_job *job = NULL;
    if (worker->lists_outstanding == 0 || atomic_load(&lister->finished[worker->number]) == 0)
        return false;
    pthread_mutex_lock(&lister->mutex);
    for (unsigned i = 0; i < LISTER_JOBS_MAX && job == NULL; i++) {
        if (lister->jobs[i].state == LIST_DONE && lister->jobs[i].asker == worker->number)
            job = &lister->jobs[i];
    }
    atomic_fetch_sub(&lister->finished[worker->number], 1);
    pthread_mutex_unlock(&lister->mutex);
    assert(job != NULL);
    merge(lister, job, page);
    give_back(lister, job);
    worker->lists_outstanding--;
    return true;
}

int lister_wait(struct florin *ledger, const struct lister_query *query, struct lister_page *page)
{
    struct lister *lister = ledger->lister;
    if (ledger_state(ledger) != LEDGER_READY)
        return -ESHUTDOWN;
    struct list_job *job = begin(lister, query, NOBODY);
    if (job == NULL)
        return -EAGAIN;
    pthread_mutex_lock(&lister->mutex);
    while (job->state != LIST_DONE)
        pthread_cond_wait(&lister->ended, &lister->mutex);
    pthread_mutex_unlock(&lister->mutex);
    merge(lister, job, page);
    give_back(lister, job);
    return 0;
}

/* --- looking --------------------------------------------------------------------------------- */

bool lister_wants(const struct worker *worker)
{
    const struct lister *lister = worker->ledger->lister;
    return atomic_load(&lister->wanted[worker->number]) > 0 ||
           atomic_load(&lister->finished[worker->number]) > 0;
}

/* The oldest list that this worker's part is missing of. */
static struct list_job *next_job(struct lister *lister, unsigned worker)
{
    struct list_job *oldest = NULL;
    pthread_mutex_lock(&lister->mutex);
    for (unsigned i = 0; i < LISTER_JOBS_MAX; i++) {
        struct list_job *job = &lister->jobs[i];
        if (job->state == LIST_ACTIVE && job->parts[worker].state != PART_COMPLETE &&
            (oldest == NULL || job->number < oldest->number))
            oldest = job;
    }
    pthread_mutex_unlock(&lister->mutex);
    return oldest;
}

static void complete(struct lister *lister, struct list_job *job, unsigned worker)
{
    unsigned asker = NOBODY;
    pthread_mutex_lock(&lister->mutex);
    job->parts[worker].state = PART_COMPLETE;
    atomic_fetch_sub(&lister->wanted[worker], 1);
    if (--job->parts_left == 0) {
        job->state = LIST_DONE;
        asker = job->asker;
        if (asker == NOBODY)
            pthread_cond_broadcast(&lister->ended);
        else
            atomic_fetch_add(&lister->finished[asker], 1);
    }
    pthread_mutex_unlock(&lister->mutex);
    if (asker != NOBODY && asker != worker)
        inbox_wake(&lister->ledger->workers[asker].inbox);
}

void lister_serve(struct worker *worker)
{
    struct lister *lister = worker->ledger->lister;
    if (atomic_load(&lister->wanted[worker->number]) == 0)
        return;
    struct list_job *job = next_job(lister, worker->number);
    assert(job != NULL);
    struct list_part *part = &job->parts[worker->number];
    const struct account_table *accounts = &worker->shard.accounts;
    if (part->state == PART_NEW) {
        account_list_begin(&part->list, &job->query.after, &job->query.prefix, job->query.limit + 1,
                           accounts);
        part->state = PART_BEGUN;
    }
    if (account_list_scan(&part->list, accounts, SLICE_SLOTS))
        complete(lister, job, worker->number);
}

/* --- life cycle ------------------------------------------------------------------------------ */

int lister_create(struct florin *ledger, struct lister **created)
{
    struct lister *lister = calloc(1, sizeof *lister);
    if (lister == NULL)
        return -ENOMEM;
    lister->ledger = ledger;
    lister->parts = calloc((size_t)LISTER_JOBS_MAX * ledger->worker_count, sizeof *lister->parts);
    if (lister->parts == NULL) {
        free(lister);
        return -ENOMEM;
    }
    pthread_mutex_init(&lister->mutex, NULL);
    pthread_cond_init(&lister->ended, NULL);
    for (size_t i = 0; i < LISTER_JOBS_MAX; i++)
        lister->jobs[i].parts = &lister->parts[i * ledger->worker_count];
    *created = lister;
    return 0;
}

void lister_destroy(struct lister *lister)
{
    if (lister == NULL)
        return;
    pthread_cond_destroy(&lister->ended);
    pthread_mutex_destroy(&lister->mutex);
    free(lister->parts);
    free(lister);
}
