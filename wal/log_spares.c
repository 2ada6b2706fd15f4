/* log_spares.c - keeps zeroed segments ready, off the path of the commits.
 *
 * A thread of its own (or, for the simulator, the thread that calls) makes spare segments until
 * there are LOG_SPARES. When the disk is full it tries again every LOG_STORAGE_RETRY_MS, and
 * goes on by itself when there is room. Every other error of a spare ends the log: the same disk
 * carries the records.
 *
 * Guarantees: a spare in the list is durable under its final name, zeroed and locked.
 * Must not know: groups and frames.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "log_internal.h"

static bool error_is_full(int error)
{
    return error == -ENOSPC || error == -EDQUOT;
}

/* Relaxed throughout: these answer "should new changes be refused now", a moment early or late. */
static void log_look_at_space(struct log *log)
{
    struct storage *storage = log->options.storage;
    uint64_t free_bytes;
    uint64_t total_bytes;
    if (storage->operations->space(storage, &free_bytes, &total_bytes) != 0)
        return;
    bool low = free_bytes < total_bytes / 100 * LOG_FREE_PERCENT_MIN;
    if (low != atomic_load_explicit(&log->space_is_low, memory_order_relaxed))
        log_say(log, "event=storage_%s free_bytes=%" PRIu64 " total_bytes=%" PRIu64,
                low ? "low" : "recovered", free_bytes, total_bytes);
    atomic_store_explicit(&log->space_is_low, low, memory_order_relaxed);
}

static void log_add_spare(struct log *log, struct storage_file *file)
{
    pthread_mutex_lock(&log->mutex);
    assert(log->spare_count < log->spare_max);
    log->spares[log->spare_count++] = file;
    atomic_store_explicit(&log->counters.spare_segments, log->spare_count, memory_order_relaxed);
    bool somebody_waits = log->waiting_for_spare;
    log->waiting_for_spare = false;
    pthread_mutex_unlock(&log->mutex);
    if (somebody_waits && log->options.wake != NULL)
        log->options.wake(log->options.wake_context);
}

/* 0, -ENOSPC, -ECANCELED; or -errno, and the log has failed. */
static int log_make_spare(struct log *log)
{
    struct storage_file *file;
    int error = segment_create_spare(log->options.storage, &log->options.meta, log->spare_number,
                                     &log->spares_give_up, &file);
    if (error == -ECANCELED)
        return error;
    if (error_is_full(error)) {
        atomic_store_explicit(&log->disk_is_full, true, memory_order_relaxed);
        if (!log->storage_was_full)
            log_say(log, "event=storage_full segment=%" PRIu64, log->spare_number);
        log->storage_was_full = true;
        return -ENOSPC;
    }
    if (error != 0) {
        log_poison(log, -error, "prepare_segment", log->spare_number, 0);
        return error;
    }
    atomic_store_explicit(&log->disk_is_full, false, memory_order_relaxed);
    log->spare_number++;
    log_add_spare(log, file);
    if (log->storage_was_full)
        log_say(log, "event=storage_has_room segment=%" PRIu64, log->spare_number - 1);
    log->storage_was_full = false;
    return 0;
}

int log_spares_fill(struct log *log, uint32_t count)
{
    log_look_at_space(log);
    /* Only this thread adds to the list, so a stale count is at most too high. */
    for (;;) {
        pthread_mutex_lock(&log->mutex);
        bool enough = log->spare_count >= count;
        pthread_mutex_unlock(&log->mutex);
        if (enough)
            return 0;
        int error = log_make_spare(log);
        if (error != 0)
            return error == -ENOSPC ? 0 : error;
    }
}

bool log_step(struct log *log)
{
    assert(!log->options.background);
    uint64_t before = log->spare_number;
    if (log_failed(log) == 0)
        (void)log_spares_fill(log, LOG_SPARES); /* a failure has poisoned the log */
    return log->spare_number != before;
}

static void log_spares_pause(struct log *log, long milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += milliseconds * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    /* A wake-up without a reason only looks once more. */
    (void)pthread_cond_timedwait(&log->spares_wanted, &log->mutex, &until);
}

static void *log_spares_main(void *context)
{
    struct log *log = context;
    bool full = false;
    pthread_mutex_lock(&log->mutex);
    while (!log->stop_spares) {
        bool enough = log->spare_count >= LOG_SPARES;
        if (enough || full)
            log_spares_pause(log, full ? LOG_STORAGE_RETRY_MS : LOG_STORAGE_LOOK_MS);
        if (log->stop_spares)
            break;
        pthread_mutex_unlock(&log->mutex);
        int error = log_spares_fill(log, LOG_SPARES);
        full = atomic_load_explicit(&log->disk_is_full, memory_order_relaxed);
        pthread_mutex_lock(&log->mutex);
        if (error != 0)
            break;
    }
    pthread_mutex_unlock(&log->mutex);
    return NULL;
}

void log_spares_want(struct log *log)
{
    if (log->options.background)
        pthread_cond_signal(&log->spares_wanted);
}

int log_spares_start(struct log *log)
{
    if (!log->options.background)
        return 0;
    int error = pthread_create(&log->spares_thread, NULL, log_spares_main, log);
    if (error != 0) {
        log->options.background = false; /* nothing to join */
        return -error;
    }
    return 0;
}

void log_spares_stop(struct log *log)
{
    if (!log->options.background)
        return;
    atomic_store_explicit(&log->spares_give_up, true, memory_order_relaxed);
    pthread_mutex_lock(&log->mutex);
    log->stop_spares = true;
    pthread_cond_signal(&log->spares_wanted);
    pthread_mutex_unlock(&log->mutex);
    pthread_join(log->spares_thread, NULL);
    log->options.background = false; /* the closing mark may need a spare: made in line */
    atomic_store_explicit(&log->spares_give_up, false, memory_order_relaxed);
}
