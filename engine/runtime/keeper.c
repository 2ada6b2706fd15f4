/* keeper.c - the background thread: what is due, one step at a time.
 *
 * In order of urgency: keys that fill the memory, also while a checkpoint is under way; that
 * checkpoint; one that is due; files to merge; log that may go. A step moves some hundred KiB, or
 * makes one key file, so that stopping never waits long (a key file and a merge look at `stop`
 * through keeper_pace()).
 *
 * Guarantees: whatever fails here, the ledger goes on and no log is removed that anything needs.
 * Must not know: accounts; how keys are looked up.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "keeper_internal.h"

enum {
    /* How long the thread sleeps when nothing wakes it: checkpoints by time, retention by age. */
    KEEPER_SLEEP_MS = 100,
    /* Less than this is not worth a sleep of its own. */
    KEEPER_PACE_STEP_US = 500,
    /* Of the room for keys in memory: when the oldest move to a file, and when that must not wait.
     */
    KEYS_DUE_PERCENT = 50,
    KEYS_URGENT_PERCENT = 75,
    /* After a fault in the background. */
    KEEPER_RETRY_SECONDS = 5,
    /* Connections and commits come first where cores are few. */
    KEEPER_NICE = 10,
};

/* --- saying ---------------------------------------------------------------------------------- */

void keeper_note_error(struct keeper *keeper, const char *event, int error, const char *file,
                       uint64_t offset, const char *reason)
{
    assert(error < 0);
    if (error == -ECANCELED)
        return; /* stopping, or out of the way of somebody who holds the files: not a fault */
    pthread_mutex_lock(&keeper->mutex);
    keeper->figures.last_error = -error;
    pthread_mutex_unlock(&keeper->mutex);
    keeper->retry_ns = clock_monotonic_ns() + KEEPER_RETRY_SECONDS * UINT64_C(1000000000);
    ledger_log(keeper->ledger,
               "level=error event=%s file=%s/%s offset=%" PRIu64 " errno=%d reason=\"%s\" "
               "advice=\"the service goes on and the log is kept; tried again in %d s\"",
               event, keeper->ledger->options.directory, file, offset, -error,
               reason[0] != '\0' ? reason : strerror(-error), KEEPER_RETRY_SECONDS);
}

/* --- pacing ---------------------------------------------------------------------------------- */

static bool keeper_stops(struct keeper *keeper)
{
    enum ledger_state state = ledger_state(keeper->ledger);
    return atomic_load(&keeper->stop) || state == LEDGER_STOPPING || state == LEDGER_FAILED;
}

/* Whether a shard holds more than so many percent of the keys that it has room for. */
static bool keys_fill_memory(const struct keeper *keeper, unsigned percent)
{
    const struct florin *ledger = keeper->ledger;
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        const struct worker *worker = &ledger->workers[number];
        uint64_t held = atomic_load_explicit(&worker->keys_held_now, memory_order_relaxed);
        if (held * 100 > (uint64_t)worker->shard.keys.slots_max * percent)
            return true;
    }
    return false;
}

int keeper_pace(void *context, size_t bytes)
{
    struct keeper *keeper = context;
    if (keeper_stops(keeper))
        return -ECANCELED;
    uint64_t rate = (uint64_t)keeper->ledger->options.background_mib_per_second << 20;
    if (rate == 0 || !keeper->has_thread || keys_fill_memory(keeper, KEYS_URGENT_PERCENT))
        return 0;
    uint64_t now_ns = clock_monotonic_ns();
    if (keeper->paced_until_ns < now_ns)
        keeper->paced_until_ns = now_ns;
    keeper->paced_until_ns += bytes * UINT64_C(1000000000) / rate;
    uint64_t ahead_us = (keeper->paced_until_ns - now_ns) / 1000;
    if (ahead_us >= KEEPER_PACE_STEP_US)
        usleep((useconds_t)ahead_us);
    return keeper_stops(keeper) ? -ECANCELED : 0;
}

/* --- removing files -------------------------------------------------------------------------- */

bool keeper_begin_removal(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    keeper->removing = keeper->holds == 0;
    bool begun = keeper->removing;
    pthread_mutex_unlock(&keeper->mutex);
    return begun;
}

void keeper_end_removal(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    keeper->removing = false;
    pthread_cond_broadcast(&keeper->ended_changed);
    pthread_mutex_unlock(&keeper->mutex);
}

static bool files_are_held(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    bool held = keeper->holds > 0;
    pthread_mutex_unlock(&keeper->mutex);
    return held;
}

/* A merge ends with the removal of what was merged: who wants to hold the files waits for it, and
 * would wait for minutes. */
static int merge_pace(void *context, size_t bytes)
{
    struct keeper *keeper = context;
    int error = keeper_pace(keeper, bytes);
    return error == 0 && files_are_held(keeper) ? -ECANCELED : error;
}

/* --- key files ------------------------------------------------------------------------------- */

static void count_key_files(struct keeper *keeper)
{
    const struct key_archive_totals totals = key_archive_totals(keeper->ledger->archive);
    pthread_mutex_lock(&keeper->mutex);
    keeper->figures.key_files = totals.files;
    keeper->figures.key_file_bytes = totals.file_bytes;
    keeper->figures.key_file_keys = totals.keys;
    keeper->figures.key_filter_bytes = totals.memory_bytes;
    pthread_mutex_unlock(&keeper->mutex);
}

/* Gives the shards the newest filters; false: they have them. Also after an error of what makes
 * them: the archive may have a new set all the same, and will free the old one as soon as we say
 * that it is unused. */
static bool publish_filters(struct keeper *keeper)
{
    struct florin *ledger = keeper->ledger;
    const struct key_filters *newest = key_archive_filters(ledger->archive);
    if (newest == atomic_load_explicit(&ledger->key_filters, memory_order_relaxed))
        return false;
    /* Release: the filters are complete. Acquired by keeper_serve(). */
    atomic_store_explicit(&ledger->key_filters, newest, memory_order_release);
    ledger_wake(ledger, UINT64_MAX);
    count_key_files(keeper);
    return true;
}

/* Whether every shard uses the newest filters and has forgotten what they cover. */
static bool filters_are_adopted(const struct keeper *keeper)
{
    const struct florin *ledger = keeper->ledger;
    const struct key_filters *newest =
        atomic_load_explicit(&ledger->key_filters, memory_order_relaxed);
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        if (atomic_load_explicit(&ledger->workers[number].filters_done, memory_order_acquire) !=
            newest)
            return false;
    }
    return true;
}

int keeper_extend_keys(struct keeper *keeper, uint64_t to_lsn)
{
    struct block_file_fault fault = {0};
    uint64_t reached = 0;
    int error = key_archive_extend(keeper->ledger->archive, keeper->reader, to_lsn,
                                   keeper->key_channel, keeper_pace, keeper, &reached, &fault);
    (void)publish_filters(keeper);
    if (error != 0)
        keeper_note_error(keeper, "key_file_failed", error, fault.file, fault.offset, fault.reason);
    return error;
}

static bool extend_keys_if_due(struct keeper *keeper, uint64_t now_ns)
{
    uint64_t durable = log_durable_lsn(keeper->ledger->log);
    if (now_ns < keeper->retry_ns || !keys_fill_memory(keeper, KEYS_DUE_PERCENT) ||
        !filters_are_adopted(keeper) || key_archive_to_lsn(keeper->ledger->archive) >= durable)
        return false;
    (void)keeper_extend_keys(keeper, durable);
    return true;
}

static bool merge_if_due(struct keeper *keeper)
{
    struct key_archive *archive = keeper->ledger->archive;
    if (!key_archive_wants_merge(archive) || !filters_are_adopted(keeper) ||
        !keeper_begin_removal(keeper))
        return false;
    struct block_file_fault fault = {0};
    int error = key_archive_merge(archive, keeper->key_channel, merge_pace, keeper, &fault);
    keeper_end_removal(keeper);
    bool merged = publish_filters(keeper);
    pthread_mutex_lock(&keeper->mutex);
    keeper->figures.key_merges += merged;
    pthread_mutex_unlock(&keeper->mutex);
    if (error != 0)
        keeper_note_error(keeper, "merge_failed", error, fault.file, fault.offset, fault.reason);
    return true;
}

/* --- steps ----------------------------------------------------------------------------------- */

/* What an interrupted checkpoint has left; once, after everything was found good. */
static void remove_leftovers(struct keeper *keeper)
{
    keeper->leftovers_removed = true;
    int error = checkpoint_remove_leftovers(keeper->ledger->storage);
    if (error != 0)
        keeper_note_error(keeper, "clean_up_failed", error, CHECKPOINT_DIRECTORY, 0, "");
}

/* The ledger stops: whoever waits for a checkpoint is told. */
static void give_up_all(struct keeper *keeper)
{
    if (keeper->checkpoint.stage != CHECKPOINT_NONE)
        keeper_checkpoint_abandon(keeper, -ECANCELED);
    pthread_mutex_lock(&keeper->mutex);
    keeper->stopped = true;
    pthread_cond_broadcast(&keeper->ended_changed);
    pthread_mutex_unlock(&keeper->mutex);
}

bool keeper_step(struct keeper *keeper)
{
    if (keeper_stops(keeper)) {
        give_up_all(keeper);
        return false;
    }
    if (ledger_state(keeper->ledger) != LEDGER_READY)
        return false;
    if (!keeper->leftovers_removed)
        remove_leftovers(keeper);
    if (filters_are_adopted(keeper))
        key_archive_release_old(keeper->ledger->archive);
    uint64_t now_ns = clock_monotonic_ns();
    if (extend_keys_if_due(keeper, now_ns))
        return true;
    if (keeper->checkpoint.stage != CHECKPOINT_NONE)
        return keeper_checkpoint_step(keeper);
    if (keeper_checkpoint_is_due(keeper, now_ns) && keeper_checkpoint_begin(keeper))
        return true;
    return now_ns >= keeper->retry_ns && (merge_if_due(keeper) || keeper_retain(keeper, now_ns));
}

void keeper_wake(struct keeper *keeper)
{
    if (keeper != NULL)
        inbox_wake(&keeper->inbox);
}

static void *keeper_main(void *context)
{
    struct keeper *keeper = context;
    struct pollfd woken = {.fd = keeper->inbox.descriptor, .events = POLLIN};
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), KEEPER_NICE);
    while (!atomic_load(&keeper->stop)) {
        inbox_sleep_begin(&keeper->inbox);
        bool busy = keeper_step(keeper);
        if (!busy && !atomic_load(&keeper->stop))
            (void)poll(&woken, 1, KEEPER_SLEEP_MS);
        inbox_sleep_end(&keeper->inbox);
    }
    (void)keeper_step(keeper); /* gives up what is under way */
    return NULL;
}

/* --- what others ask ------------------------------------------------------------------------- */

/* Under the mutex. */
static int request_checkpoint(struct keeper *keeper, uint64_t *number)
{
    if (keeper->stopped || ledger_state(keeper->ledger) != LEDGER_READY)
        return -ESHUTDOWN;
    keeper->requested = keeper->begun + 1;
    *number = keeper->requested;
    keeper_wake(keeper);
    return 0;
}

int keeper_request_checkpoint(struct keeper *keeper, uint64_t *number)
{
    pthread_mutex_lock(&keeper->mutex);
    int error = request_checkpoint(keeper, number);
    pthread_mutex_unlock(&keeper->mutex);
    return error;
}

int keeper_make_checkpoint(struct keeper *keeper)
{
    uint64_t number;
    pthread_mutex_lock(&keeper->mutex);
    int error = request_checkpoint(keeper, &number);
    if (error == 0) {
        keeper->waiting++;
        while (keeper->ended < number && !keeper->stopped)
            pthread_cond_wait(&keeper->ended_changed, &keeper->mutex);
        error = keeper->ended >= number ? keeper->ended_error : -ESHUTDOWN;
        keeper->waiting--;
        pthread_cond_broadcast(&keeper->ended_changed);
    }
    pthread_mutex_unlock(&keeper->mutex);
    return error == -ECANCELED ? -ESHUTDOWN : error;
}

void ledger_hold_files(struct florin *ledger)
{
    struct keeper *keeper = ledger->keeper;
    pthread_mutex_lock(&keeper->mutex);
    keeper->holds++;
    while (keeper->removing)
        pthread_cond_wait(&keeper->ended_changed, &keeper->mutex);
    pthread_mutex_unlock(&keeper->mutex);
}

void ledger_release_files(struct florin *ledger)
{
    struct keeper *keeper = ledger->keeper;
    pthread_mutex_lock(&keeper->mutex);
    assert(keeper->holds > 0);
    keeper->holds--;
    pthread_mutex_unlock(&keeper->mutex);
    keeper_wake(keeper);
}

void keeper_statistics(struct keeper *keeper, struct ledger_keeper_statistics *statistics)
{
    pthread_mutex_lock(&keeper->mutex);
    *statistics = keeper->figures;
    statistics->checkpoints_ended = keeper->ended;
    pthread_mutex_unlock(&keeper->mutex);
}

/* --- life cycle ------------------------------------------------------------------------------ */

static int keeper_open(struct keeper *keeper)
{
    struct florin *ledger = keeper->ledger;
    int error = inbox_init(&keeper->inbox);
    if (error == 0)
        error = log_reader_open(ledger->storage, &ledger->meta, &keeper->reader);
    if (error == 0 && !ledger->single_thread)
        error = ledger->create_channel(ledger->channel_context, &keeper->checkpoint_channel);
    if (error == 0 && !ledger->single_thread)
        error = ledger->create_channel(ledger->channel_context, &keeper->key_channel);
    if (error == 0)
        error = ledger->storage->operations->make_directory(ledger->storage, CHECKPOINT_DIRECTORY);
    if (error == 0)
        error = ledger->storage->operations->sync_directory(ledger->storage, "");
    return error;
}

int keeper_create(struct florin *ledger, const struct keeper_start *start, struct keeper **created)
{
    struct log_statistics log;
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL)
        return -ENOMEM;
    keeper->ledger = ledger;
    keeper->inbox.descriptor = -1;
    keeper->kept = *start;
    keeper->log_bytes_before = start->log_bytes;
    if (start->kept_count > 0)
        keeper->figures.checkpoint_lsn = start->kept[0];
    log_statistics(ledger->log, &log);
    keeper->log_bytes_counted = log.bytes;
    keeper->next_by_time_ns =
        clock_monotonic_ns() + ledger->options.checkpoint_seconds * UINT64_C(1000000000);
    pthread_mutex_init(&keeper->mutex, NULL);
    pthread_cond_init(&keeper->ended_changed, NULL);
    int error = keeper_open(keeper);
    if (error == 0) {
        count_key_files(keeper);
        /* The thread and the workers find it through the ledger. */
        *created = keeper;
        if (!ledger->single_thread) {
            keeper->has_thread = true;
            error = -pthread_create(&keeper->thread, NULL, keeper_main, keeper);
            keeper->has_thread = error == 0;
        }
    }
    if (error != 0) {
        *created = NULL;
        keeper_destroy(keeper);
    }
    return error;
}

static void close_channel(struct channel *channel)
{
    if (channel != NULL)
        channel->operations->destroy(channel);
}

/* Those that wait for a checkpoint have been told; they still hold the mutex one by one. */
static void wait_for_callers(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->mutex);
    while (keeper->waiting > 0)
        pthread_cond_wait(&keeper->ended_changed, &keeper->mutex);
    pthread_mutex_unlock(&keeper->mutex);
}

void keeper_destroy(struct keeper *keeper)
{
    if (keeper == NULL)
        return;
    atomic_store(&keeper->stop, true);
    if (keeper->has_thread) {
        keeper_wake(keeper);
        pthread_join(keeper->thread, NULL);
    }
    give_up_all(keeper);
    wait_for_callers(keeper);
    close_channel(keeper->checkpoint_channel);
    close_channel(keeper->key_channel);
    if (keeper->reader != NULL)
        log_reader_close(keeper->reader);
    inbox_deinit(&keeper->inbox);
    pthread_cond_destroy(&keeper->ended_changed);
    pthread_mutex_destroy(&keeper->mutex);
    free(keeper);
}
