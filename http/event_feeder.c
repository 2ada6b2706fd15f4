/* event_feeder.c - reads the log once for all who are at its end, and in turns for the others.
 *
 * Guarantees: every follower gets each event once and in order; memory is bounded: the lists of
 * the tail, and one block a follower. It must not know connections.
 *
 * The mutex is held for moments: nothing is read, written or waited for under it, but for the
 * condition variable.
 */
#include "event_feeder.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/runtime/feed.h"
#include "event_tail.h"
#include "florin.h"

enum {
    /* Blocks in one batch, then followers hear of it. */
    TAIL_BATCH = 16,
    /* Records that are looked at for one block of a follower: of refusals there may be many. */
    READ_RECORDS_MAX = 64 * 1024,
    /* Times that retention may remove the start of the log right before it is read. */
    START_ATTEMPTS = 8,
    /* Between two batches: followers cost some microseconds each. */
    PAUSE_NS = 1000 * 1000,
    PAUSE_FOLLOWER_NS = 50 * 1000,
    /* Without commits and wishes the thread looks again. */
    SLEEP_MS = 1000,
};

struct event_feeder {
    /* set at creation, then read-only */
    struct florin *ledger;
    uint32_t followers_max;
    void (*wake)(void *context, unsigned worker);
    void *context;
    bool has_thread;
    pthread_t thread;

    /* the thread's */
    struct feed *tail_feed;
    struct feed *read_feed;
    uint64_t tail_lsn; /* what all live tails end with */
    uint64_t batch_due_ns;
    struct event_builder builders[EVENT_FORMS];

    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    bool is_stopping;
    bool wants_tail; /* a form was joined that is not live */
    uint32_t followers;
    unsigned worker_followers[FLORIN_WORKERS_MAX];
    struct event_tail tails[EVENT_FORMS];
    struct event_cursor *queue;
    struct event_cursor **queue_end;
    struct event_cursor *done[FLORIN_WORKERS_MAX];
    bool tail_moved[FLORIN_WORKERS_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    int error = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(error == 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- the tail: the thread's ----------------------------------------------------------------- */

static void wake_workers(struct event_feeder *feeder)
{
    bool wanted[FLORIN_WORKERS_MAX];
    pthread_mutex_lock(&feeder->mutex);
    for (unsigned worker = 0; worker < FLORIN_WORKERS_MAX; worker++) {
        wanted[worker] = feeder->worker_followers[worker] > 0;
        feeder->tail_moved[worker] = feeder->tail_moved[worker] || wanted[worker];
    }
    pthread_mutex_unlock(&feeder->mutex);
    for (unsigned worker = 0; worker < FLORIN_WORKERS_MAX; worker++) {
        if (wanted[worker])
            feeder->wake(feeder->context, worker);
    }
}

/* Begins the tails that are wanted; the last follower ended those that are not. Sets live[];
 * returns whether one was begun. */
static bool choose_tails(struct event_feeder *feeder, bool live[EVENT_FORMS])
{
    bool any = false;
    bool begun = false;
    pthread_mutex_lock(&feeder->mutex);
    for (unsigned form = 0; form < EVENT_FORMS; form++)
        any = any || feeder->tails[form].is_live;
    if (!any)
        feeder->tail_lsn = florin_durable_lsn(feeder->ledger);
    for (unsigned form = 0; form < EVENT_FORMS; form++) {
        struct event_tail *tail = &feeder->tails[form];
        if (tail->followers > 0 && !tail->is_live) {
            event_tail_begin(tail, feeder->tail_lsn);
            begun = true;
        }
        live[form] = tail->is_live;
    }
    feeder->wants_tail = false;
    pthread_mutex_unlock(&feeder->mutex);
    return begun;
}

/* Nobody finds anything in the tails any more: they begin anew at the end of the log, and who is
 * behind reads by itself. */
static void give_up_tails(struct event_feeder *feeder)
{
    pthread_mutex_lock(&feeder->mutex);
    for (unsigned form = 0; form < EVENT_FORMS; form++)
        event_tail_end(&feeder->tails[form]);
    pthread_mutex_unlock(&feeder->mutex);
}

static bool builders_have_room(const struct event_feeder *feeder, const bool live[EVENT_FORMS])
{
    for (unsigned form = 0; form < EVENT_FORMS; form++) {
        if (live[form] && !event_builder_has_room(&feeder->builders[form]))
            return false;
    }
    return true;
}

static void add_event(struct event_feeder *feeder, const bool live[EVENT_FORMS],
                      const struct record *record, uint64_t lsn)
{
    for (unsigned form = 0; form < EVENT_FORMS; form++) {
        if (live[form])
            event_builder_add(&feeder->builders[form], form, record, lsn);
    }
}

/* false: no memory. */
static bool publish_blocks(struct event_feeder *feeder, const bool live[EVENT_FORMS])
{
    bool done = true;
    struct event_block *blocks[EVENT_FORMS] = {NULL};
    for (unsigned form = 0; form < EVENT_FORMS; form++) {
        if (!live[form] || feeder->builders[form].count == 0)
            continue;
        blocks[form] = event_builder_end(&feeder->builders[form], feeder->tail_lsn);
        done = done && blocks[form] != NULL;
    }
    pthread_mutex_lock(&feeder->mutex);
    for (unsigned form = 0; form < EVENT_FORMS; form++) {
        struct event_tail *tail = &feeder->tails[form];
        if (blocks[form] != NULL && tail->is_live)
            event_tail_append(tail, blocks[form]);
        else if (blocks[form] != NULL)
            event_block_release(blocks[form]);
        tail->end = feeder->tail_lsn;
    }
    pthread_mutex_unlock(&feeder->mutex);
    return done;
}

/* One block of each form that is wanted. 0: there may be more; -EAGAIN: that was all; -errno. */
static int extend_tails(struct event_feeder *feeder, const bool live[EVENT_FORMS])
{
    struct record record;
    uint64_t lsn;
    int error = 0;
    uint64_t before = feeder->tail_lsn;
    for (unsigned form = 0; form < EVENT_FORMS; form++)
        event_builder_begin(&feeder->builders[form], before);
    feed_seek(feeder->tail_feed, before + 1);
    for (unsigned i = 0; i < READ_RECORDS_MAX && builders_have_room(feeder, live); i++) {
        error = feed_next(feeder->tail_feed, &record, &lsn);
        if (error != 0)
            break;
        if (record.status == FLORIN_APPLIED)
            add_event(feeder, live, &record, lsn);
        feeder->tail_lsn = lsn;
    }
    if (feeder->tail_lsn > before && !publish_blocks(feeder, live))
        return -ENOMEM;
    return error;
}

/* What has become durable since the last batch; whether there was anything. */
static bool run_batch(struct event_feeder *feeder)
{
    bool live[EVENT_FORMS];
    bool news = choose_tails(feeder, live);
    uint64_t before = feeder->tail_lsn;
    int error = 0;
    for (unsigned i = 0; i < TAIL_BATCH && error == 0; i++)
        error = extend_tails(feeder, live);
    if (error != 0 && error != -EAGAIN)
        give_up_tails(feeder);
    news = news || feeder->tail_lsn > before;
    if (news)
        wake_workers(feeder);
    return news;
}

/* --- blocks for one follower ----------------------------------------------------------------- */

/* Reads on from the cursor's position. 0 and *block; -ENODATA; -errno. */
static int read_block(struct event_feeder *feeder, struct event_cursor *cursor,
                      struct event_block **block)
{
    struct event_builder *builder = &feeder->builders[cursor->form];
    struct record record;
    uint64_t lsn;
    uint64_t last = cursor->position;
    int error = 0;
    event_builder_begin(builder, last);
    feed_seek(feeder->read_feed, last + 1);
    for (unsigned i = 0; i < READ_RECORDS_MAX && event_builder_has_room(builder); i++) {
        error = feed_next(feeder->read_feed, &record, &lsn);
        if (error != 0)
            break;
        if (record.status == FLORIN_APPLIED)
            event_builder_add(builder, cursor->form, &record, lsn);
        last = lsn;
    }
    if (error != 0 && error != -EAGAIN && builder->count == 0)
        return error;
    *block = event_builder_end(builder, last);
    return *block == NULL ? -ENOMEM : 0;
}

/* From the first event that is kept. Retention may remove it between the two steps. */
static int read_start(struct event_feeder *feeder, struct event_cursor *cursor)
{
    int error = -ENODATA;
    for (unsigned i = 0; i < START_ATTEMPTS && error == -ENODATA; i++) {
        uint64_t first_lsn;
        error = feed_first_lsn(feeder->read_feed, &first_lsn);
        if (error != 0)
            return error;
        cursor->position = first_lsn - 1;
        error = read_block(feeder, cursor, &cursor->block);
    }
    cursor->from_start = error != 0;
    return error;
}

static void serve(struct event_feeder *feeder, struct event_cursor *cursor)
{
    cursor->block = NULL;
    int error = cursor->from_start ? read_start(feeder, cursor)
                                   : read_block(feeder, cursor, &cursor->block);
    if (error == -ENODATA && feed_first_lsn(feeder->read_feed, &cursor->first_lsn) != 0)
        error = -EIO;
    cursor->error = error;
}

/* Serves who has waited longest; false: nobody waits. */
static bool serve_next(struct event_feeder *feeder)
{
    pthread_mutex_lock(&feeder->mutex);
    struct event_cursor *cursor = feeder->queue;
    if (cursor != NULL) {
        feeder->queue = cursor->next;
        if (feeder->queue == NULL)
            feeder->queue_end = &feeder->queue;
        cursor->reading = EVENT_READING;
    }
    pthread_mutex_unlock(&feeder->mutex);
    if (cursor == NULL)
        return false;
    serve(feeder, cursor);
    unsigned worker = cursor->worker;
    pthread_mutex_lock(&feeder->mutex);
    cursor->reading = EVENT_DONE;
    cursor->next = feeder->done[worker];
    feeder->done[worker] = cursor;
    pthread_mutex_unlock(&feeder->mutex);
    feeder->wake(feeder->context, worker);
    return true;
}

/* --- the thread ----------------------------------------------------------------------------- */

static bool has_wishes(const struct event_feeder *feeder)
{
    return feeder->is_stopping || feeder->queue != NULL || feeder->wants_tail;
}

static bool look_for_wishes(void *context)
{
    struct event_feeder *feeder = context;
    pthread_mutex_lock(&feeder->mutex);
    bool has = has_wishes(feeder) || feeder->followers == 0;
    pthread_mutex_unlock(&feeder->mutex);
    return has;
}

/* Waits for a wish, at most until then; 0: for ever. Whether there is one. */
static bool wait_for_wishes(struct event_feeder *feeder, uint64_t until_ns)
{
    struct timespec due = {.tv_sec = (time_t)(until_ns / 1000000000),
                           .tv_nsec = (long)(until_ns % 1000000000)};
    int error = 0;
    pthread_mutex_lock(&feeder->mutex);
    while (error == 0 && !has_wishes(feeder)) {
        if (until_ns != 0)
            error = pthread_cond_timedwait(&feeder->wanted, &feeder->mutex, &due);
        else
            pthread_cond_wait(&feeder->wanted, &feeder->mutex);
    }
    bool has = has_wishes(feeder);
    pthread_mutex_unlock(&feeder->mutex);
    return has;
}

/* 0: until there is a first follower. */
static int open_feeds(struct event_feeder *feeder)
{
    int error = feeder->tail_feed != NULL ? 0 : feed_open(feeder->ledger, &feeder->tail_feed);
    if (error == 0 && feeder->read_feed == NULL)
        error = feed_open(feeder->ledger, &feeder->read_feed);
    return error;
}

static void close_feeds(struct event_feeder *feeder)
{
    if (feeder->tail_feed != NULL)
        feed_close(feeder->tail_feed);
    if (feeder->read_feed != NULL)
        feed_close(feeder->read_feed);
    feeder->tail_feed = NULL;
    feeder->read_feed = NULL;
}

/* Nobody follows. The feeds go soon: they hold files that may have been removed. */
static void rest(struct event_feeder *feeder)
{
    if (feeder->tail_feed == NULL)
        (void)wait_for_wishes(feeder, 0);
    else if (!wait_for_wishes(feeder, now_ns() + SLEEP_MS * UINT64_C(1000000)))
        close_feeds(feeder);
}

/* Somebody follows: one turn of work, or a sleep. */
static void follow(struct event_feeder *feeder, uint32_t followers, bool wants_tail)
{
    bool served = serve_next(feeder);
    uint64_t now = now_ns();
    bool is_due = wants_tail || now >= feeder->batch_due_ns;
    if (is_due && run_batch(feeder)) {
        feeder->batch_due_ns = now + PAUSE_NS + followers * (uint64_t)PAUSE_FOLLOWER_NS;
        return;
    }
    if (served)
        return;
    if (is_due)
        feed_sleep(feeder->ledger, feeder->tail_lsn, SLEEP_MS, look_for_wishes, feeder);
    else
        (void)wait_for_wishes(feeder, feeder->batch_due_ns);
}

/* There is no memory for them. */
static void sleep_without_feeds(void)
{
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    (void)nanosleep(&pause, NULL);
}

static void *run(void *argument)
{
    struct event_feeder *feeder = argument;
    for (;;) {
        pthread_mutex_lock(&feeder->mutex);
        bool stop = feeder->is_stopping;
        uint32_t followers = feeder->followers;
        bool wants_tail = feeder->wants_tail;
        pthread_mutex_unlock(&feeder->mutex);
        if (stop)
            break;
        if (followers == 0)
            rest(feeder);
        else if (open_feeds(feeder) == 0)
            follow(feeder, followers, wants_tail);
        else
            sleep_without_feeds();
    }
    close_feeds(feeder);
    return NULL;
}

/* --- life cycle ----------------------------------------------------------------------------- */

static int init_locks(struct event_feeder *feeder)
{
    pthread_condattr_t attributes;
    int error = -pthread_mutex_init(&feeder->mutex, NULL);
    if (error != 0)
        return error;
    error = -pthread_condattr_init(&attributes);
    if (error == 0) {
        error = -pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (error == 0)
            error = -pthread_cond_init(&feeder->wanted, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    if (error != 0)
        pthread_mutex_destroy(&feeder->mutex);
    return error;
}

int event_feeder_create(struct florin *ledger, uint32_t followers_max,
                        void (*wake)(void *context, unsigned worker), void *context,
                        struct event_feeder **created)
{
    struct event_feeder *feeder = calloc(1, sizeof(*feeder));
    if (feeder == NULL)
        return -ENOMEM;
    feeder->ledger = ledger;
    feeder->followers_max = followers_max;
    feeder->wake = wake;
    feeder->context = context;
    feeder->queue_end = &feeder->queue;
    int error = init_locks(feeder);
    if (error != 0) {
        free(feeder);
        return error;
    }
    *created = feeder;
    return 0;
}

int event_feeder_start(struct event_feeder *feeder)
{
    int error = -pthread_create(&feeder->thread, NULL, run, feeder);
    feeder->has_thread = error == 0;
    return error;
}

/* Wakes the thread where it sleeps: for a wish, or for a commit. */
static void tell(struct event_feeder *feeder)
{
    pthread_cond_signal(&feeder->wanted);
    feed_wake(feeder->ledger);
}

void event_feeder_stop(struct event_feeder *feeder)
{
    if (!feeder->has_thread)
        return;
    pthread_mutex_lock(&feeder->mutex);
    feeder->is_stopping = true;
    pthread_mutex_unlock(&feeder->mutex);
    tell(feeder);
    pthread_join(feeder->thread, NULL);
    feeder->has_thread = false;
}

void event_feeder_destroy(struct event_feeder *feeder)
{
    assert(!feeder->has_thread && feeder->followers == 0);
    for (unsigned form = 0; form < EVENT_FORMS; form++)
        event_tail_end(&feeder->tails[form]);
    pthread_cond_destroy(&feeder->wanted);
    pthread_mutex_destroy(&feeder->mutex);
    free(feeder);
}

/* --- the workers' side ---------------------------------------------------------------------- */

bool event_feeder_join(struct event_feeder *feeder, struct event_cursor *cursor)
{
    cursor->reading = EVENT_NOT_READING;
    cursor->block = NULL;
    pthread_mutex_lock(&feeder->mutex);
    bool has_room = feeder->followers < feeder->followers_max;
    if (has_room) {
        feeder->followers++;
        feeder->worker_followers[cursor->worker]++;
        feeder->tails[cursor->form].followers++;
        if (!feeder->tails[cursor->form].is_live)
            feeder->wants_tail = true;
    }
    bool wants_tail = feeder->wants_tail;
    pthread_mutex_unlock(&feeder->mutex);
    if (wants_tail)
        tell(feeder);
    return has_room;
}

/* Takes it out of a list that it is in; returns what pointed at it. */
static struct event_cursor **unlink_cursor(struct event_cursor **link,
                                           const struct event_cursor *cursor)
{
    while (*link != cursor)
        link = &(*link)->next;
    *link = cursor->next;
    return link;
}

bool event_feeder_leave(struct event_feeder *feeder, struct event_cursor *cursor)
{
    pthread_mutex_lock(&feeder->mutex);
    bool is_free = cursor->reading != EVENT_READING;
    if (is_free) {
        if (cursor->reading == EVENT_QUEUED) {
            struct event_cursor **link = unlink_cursor(&feeder->queue, cursor);
            if (feeder->queue_end == &cursor->next)
                feeder->queue_end = link;
        }
        if (cursor->reading == EVENT_DONE)
            (void)unlink_cursor(&feeder->done[cursor->worker], cursor);
        if (cursor->block != NULL)
            event_block_release(cursor->block);
        if (--feeder->followers == 0)
            feeder->wants_tail = false;
        feeder->worker_followers[cursor->worker]--;
        if (--feeder->tails[cursor->form].followers == 0)
            event_tail_end(&feeder->tails[cursor->form]);
    }
    pthread_mutex_unlock(&feeder->mutex);
    return is_free;
}

/* Under the mutex. */
static enum event_take take_read(struct event_cursor *cursor, struct event_block **block)
{
    cursor->reading = EVENT_NOT_READING;
    if (cursor->error == -ENODATA)
        return EVENT_TAKE_GONE;
    if (cursor->error != 0)
        return EVENT_TAKE_FAILED;
    *block = cursor->block;
    cursor->block = NULL;
    return EVENT_TAKE_BLOCK;
}

/* Under the mutex. */
static void enqueue(struct event_feeder *feeder, struct event_cursor *cursor)
{
    cursor->reading = EVENT_QUEUED;
    cursor->next = NULL;
    *feeder->queue_end = cursor;
    feeder->queue_end = &cursor->next;
}

enum event_take event_feeder_take(struct event_feeder *feeder, struct event_cursor *cursor,
                                  struct event_block **block)
{
    enum event_take take;
    struct event_tail *tail = &feeder->tails[cursor->form];
    pthread_mutex_lock(&feeder->mutex);
    bool is_known = !cursor->from_start && tail->is_live;
    if (cursor->reading == EVENT_COLLECTED) {
        take = take_read(cursor, block);
    } else if (cursor->reading != EVENT_NOT_READING) {
        take = EVENT_TAKE_READING;
    } else if (is_known && cursor->position >= tail->start) {
        *block = event_tail_find(tail, cursor->position);
        take = *block != NULL ? EVENT_TAKE_BLOCK : EVENT_TAKE_TAIL;
        if (*block != NULL)
            (*block)->references++;
        else if (cursor->position < tail->end)
            cursor->position = tail->end;
    } else if (is_known || cursor->from_start) {
        enqueue(feeder, cursor);
        take = EVENT_TAKE_READING;
    } else {
        take = EVENT_TAKE_LATER; /* the tail is about to begin */
    }
    pthread_mutex_unlock(&feeder->mutex);
    if (take == EVENT_TAKE_READING)
        tell(feeder);
    return take;
}

void event_feeder_release(struct event_feeder *feeder, struct event_block *block)
{
    pthread_mutex_lock(&feeder->mutex);
    event_block_release(block);
    pthread_mutex_unlock(&feeder->mutex);
}

struct event_cursor *event_feeder_collect(struct event_feeder *feeder, unsigned worker,
                                          bool *tail_moved)
{
    pthread_mutex_lock(&feeder->mutex);
    struct event_cursor *done = feeder->done[worker];
    feeder->done[worker] = NULL;
    for (struct event_cursor *cursor = done; cursor != NULL; cursor = cursor->next)
        cursor->reading = EVENT_COLLECTED;
    *tail_moved = feeder->tail_moved[worker];
    feeder->tail_moved[worker] = false;
    pthread_mutex_unlock(&feeder->mutex);
    return done;
}
