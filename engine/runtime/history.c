/* history.c - takes queries about what was from all workers, and walks over the log for them.
 *
 *     free -> queue -> (a slice) -> queue -> (a slice) ... -> done -> reaped -> free
 *
 * One thread does them in turn, so that a question for ten years ago and one for the newest page do
 * not wait for each other. It shares a mutex with those who ask, and nothing with commits: the log
 * says what is durable by an atomic, and the files are read through descriptors of its own.
 *
 * Guarantees: one answer for every query taken, soon after the ledger stops at the latest. Must not
 * know: what is done with an answer.
 */
#include "history.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_state.h"

enum {
    /* Records of one query before the next one has its turn: some ms when each takes a read. */
    SLICE_RECORDS = 32,
};

struct history_job {
    struct history_walk walk;
    struct worker *worker;
    struct history_job *next;
    uint8_t *bytes; /* a page */
};

struct job_list {
    struct history_job *head;
    struct history_job *tail;
};

struct history {
    /* set at creation, then read-only */
    struct florin *ledger;
    bool has_thread;
    pthread_t thread;
    struct history_job *jobs;
    uint8_t *pages;

    /* the walker's */
    struct history_reader *reader;

    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    struct history_job *free;
    struct job_list queue;
    struct job_list done[FLORIN_WORKERS_MAX];
    bool stop;

    /* written by the walker, read by any thread */
    _Atomic uint64_t queries;
    _Atomic uint64_t reads;
    _Atomic uint64_t failures;
};

/* --- lists ----------------------------------------------------------------------------------- */

static void list_append(struct job_list *list, struct history_job *job)
{
    job->next = NULL;
    if (list->head == NULL)
        list->head = job;
    else
        list->tail->next = job;
    list->tail = job;
}

static struct history_job *list_pop(struct job_list *list)
{
    struct history_job *job = list->head;
    if (job != NULL)
        list->head = job->next;
    return job;
}

/* --- the workers' side ----------------------------------------------------------------------- */

enum florin_status history_submit(struct worker *worker, const struct history_query *query)
{
    if (ledger_state(worker->ledger) != LEDGER_READY)
        return FLORIN_NOT_COMMITTED;
    struct history *history = worker->ledger->history;
    pthread_mutex_lock(&history->mutex);
    struct history_job *job = history->free;
    if (job != NULL) {
        history->free = job->next;
        job->worker = worker;
        history_walk_begin(&job->walk, query, job->bytes);
        list_append(&history->queue, job);
        pthread_cond_signal(&history->wanted);
    }
    pthread_mutex_unlock(&history->mutex);
    if (job == NULL)
        return FLORIN_QUEUE_FULL;
    worker->history_outstanding++;
    return FLORIN_APPLIED;
}

const struct history_answer *history_reap(struct worker *worker)
{
    if (worker->history_outstanding == 0)
        return NULL;
    struct history *history = worker->ledger->history;
    pthread_mutex_lock(&history->mutex);
    struct history_job *job = list_pop(&history->done[worker->number]);
    pthread_mutex_unlock(&history->mutex);
    return job == NULL ? NULL : &job->walk.answer;
}

void history_release(struct worker *worker, const struct history_answer *answer)
{
    struct history *history = worker->ledger->history;
    size_t offset = (size_t)((const uint8_t *)answer - (const uint8_t *)history->jobs);
    struct history_job *job = &history->jobs[offset / sizeof *job];
    assert(&job->walk.answer == answer && job->worker == worker);
    pthread_mutex_lock(&history->mutex);
    job->next = history->free;
    history->free = job;
    pthread_mutex_unlock(&history->mutex);
    worker->history_outstanding--;
}

bool history_has_finished(const struct worker *worker)
{
    if (worker->history_outstanding == 0)
        return false;
    struct history *history = worker->ledger->history;
    pthread_mutex_lock(&history->mutex);
    bool finished = history->done[worker->number].head != NULL;
    pthread_mutex_unlock(&history->mutex);
    return finished;
}

/* --- the walker's side ----------------------------------------------------------------------- */

static void count(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static void say_failure(struct history *history, const struct history_walk *walk)
{
    const struct log_fault *fault = &walk->fault;
    int error = walk->answer.error;
    count(&history->failures, 1);
    /* an I/O error comes without a place */
    ledger_log(history->ledger,
               "level=error event=history_failed file=%s/%s offset=%" PRIu64 " lsn=%" PRIu64
               " errno=%d reason=\"%s\" advice=\"run florin verify\"",
               history->ledger->options.directory, fault->file[0] != '\0' ? fault->file : "log",
               fault->offset, fault->lsn, -error,
               fault->reason[0] != '\0' ? fault->reason : strerror(-error));
}

/* true: the query has its answer. */
static bool work(struct history *history, struct history_walk *walk)
{
    struct florin *ledger = history->ledger;
    if (ledger_state(ledger) != LEDGER_READY) {
        walk->answer.status = HISTORY_FAILED;
        walk->answer.error = -ESHUTDOWN;
        return true;
    }
    struct history_now now = {
        .durable_lsn = log_durable_lsn(ledger->log),
        .first_segment = log_first_segment(ledger->log),
    };
    bool ended = history_walk_step(walk, history->reader, now, SLICE_RECORDS);
    atomic_store_explicit(&history->reads, history_reader_reads(history->reader),
                          memory_order_relaxed);
    if (ended && walk->answer.status == HISTORY_FAILED)
        say_failure(history, walk);
    return ended;
}

bool history_step(struct history *history)
{
    pthread_mutex_lock(&history->mutex);
    struct history_job *job = list_pop(&history->queue);
    pthread_mutex_unlock(&history->mutex);
    if (job == NULL)
        return false;
    bool ended = work(history, &job->walk);
    struct worker *worker = job->worker;
    if (ended)
        count(&history->queries, 1);
    pthread_mutex_lock(&history->mutex);
    list_append(ended ? &history->done[worker->number] : &history->queue, job);
    pthread_mutex_unlock(&history->mutex);
    if (ended)
        inbox_wake(&worker->inbox);
    return true;
}

static void *history_main(void *context)
{
    struct history *history = context;
    pthread_mutex_lock(&history->mutex);
    while (!history->stop) {
        if (history->queue.head == NULL) {
            pthread_cond_wait(&history->wanted, &history->mutex);
            continue;
        }
        pthread_mutex_unlock(&history->mutex);
        (void)history_step(history);
        pthread_mutex_lock(&history->mutex);
    }
    pthread_mutex_unlock(&history->mutex);
    return NULL;
}

struct history_statistics history_statistics(const struct florin *ledger)
{
    if (ledger_state(ledger) == LEDGER_RECOVERING)
        return (struct history_statistics){0};
    const struct history *history = ledger->history;
    return (struct history_statistics){
        .queries = atomic_load_explicit(&history->queries, memory_order_relaxed),
        .reads = atomic_load_explicit(&history->reads, memory_order_relaxed),
        .failures = atomic_load_explicit(&history->failures, memory_order_relaxed),
    };
}

/* --- life cycle ------------------------------------------------------------------------------ */

static int create_jobs(struct history *history)
{
    history->jobs = calloc(HISTORY_JOBS_MAX, sizeof *history->jobs);
    history->pages = malloc((size_t)HISTORY_JOBS_MAX * HISTORY_PAGE_BYTES);
    if (history->jobs == NULL || history->pages == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < HISTORY_JOBS_MAX; i++) {
        struct history_job *job = &history->jobs[i];
        job->bytes = history->pages + i * HISTORY_PAGE_BYTES;
        job->next = history->free;
        history->free = job;
    }
    return 0;
}

int history_create(struct florin *ledger, bool thread, struct history **created)
{
    struct history *history = calloc(1, sizeof *history);
    if (history == NULL)
        return -ENOMEM;
    history->ledger = ledger;
    pthread_mutex_init(&history->mutex, NULL);
    pthread_cond_init(&history->wanted, NULL);
    int error = create_jobs(history);
    if (error == 0)
        error = history_reader_open(ledger->storage, &ledger->meta, &history->reader);
    if (error == 0 && thread) {
        error = -pthread_create(&history->thread, NULL, history_main, history);
        history->has_thread = error == 0;
    }
    if (error != 0) {
        history_destroy(history);
        return error;
    }
    *created = history;
    return 0;
}

void history_destroy(struct history *history)
{
    if (history == NULL)
        return;
    if (history->has_thread) {
        pthread_mutex_lock(&history->mutex);
        history->stop = true;
        pthread_cond_signal(&history->wanted);
        pthread_mutex_unlock(&history->mutex);
        pthread_join(history->thread, NULL);
    }
    history_reader_close(history->reader);
    free(history->pages);
    free(history->jobs);
    pthread_cond_destroy(&history->wanted);
    pthread_mutex_destroy(&history->mutex);
    free(history);
}
