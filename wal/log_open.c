/* log_open.c - from files to a log that takes records, and back.
 *
 * Opening:
 *
 *     1. lock DATA/meta; flush the directories: names that an ended process gave are there, and
 *        last from here on; lock the segments that may still be written to (scan.c); flush; read
 *     2. remove half-made segments
 *     3. TORN: write zeros over the torn write (and the spare's header block, when it stands at the
 *        start of a segment); flush
 *     4. write a recovery frame with the epoch raised by one, behind the last frame; flush
 *     5. make spares
 *
 * A crash between any two steps reaches the same verdict: step 3 turns sectors that were written
 * back to what they were before, in any order; step 4 is a write like any other, and when it is
 * torn the next recovery writes the same bytes to the same place.
 *
 * Guarantees: after success every byte that was replayed is durable, and so is the new epoch.
 * Nothing is written before the whole log was found good. Must not know: what a record means.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "log_internal.h"
#include "scan.h"

/* --- recovering ------------------------------------------------------------------------------ */

static int log_lock_meta(struct storage *storage, unsigned timeout_ms, struct storage_file **file)
{
    const struct storage_operations *operations = storage->operations;
    struct storage_file *meta;
    int error = operations->open(storage, "meta", STORAGE_OPEN_EXISTING, &meta);
    if (error != 0)
        return error;
    error = operations->lock(meta, timeout_ms);
    if (error != 0)
        operations->close(meta);
    else
        *file = meta;
    return error;
}

/* Nothing may be acknowledged in a file whose name a power failure takes back: a process that ended
 * between a rename and the flush behind it has left such names. */
static int log_flush_names(struct storage *storage)
{
    int error = storage->operations->sync_directory(storage, "");
    if (error == 0)
        error = storage->operations->sync_directory(storage, "log");
    return error == -ENOENT ? 0 : error; /* without log/: the scan says what is missing */
}

static int log_remove_temporaries(const struct scan *scan)
{
    struct storage *storage = scan->options->storage;
    for (size_t i = 0; i < scan->list.temporaries.count; i++) {
        char name[STORAGE_NAME_MAX];
        segment_temporary_name(scan->list.temporaries.values[i], name);
        int error = storage->operations->remove(storage, name);
        if (error != 0 && error != -ENOENT)
            return error;
    }
    return 0;
}

/* Step 3: back to what stood there before the torn write. */
static int log_wipe_torn(struct scan *scan)
{
    uint32_t length = scan->verdict.length;
    uint8_t *clean = aligned_alloc(STORAGE_ALIGNMENT, length);
    if (clean == NULL)
        return -ENOMEM;
    memset(clean, 0, length);
    if (scan->position.offset == 0)
        segment_spare_block(&scan->options->meta, scan->position.segment, clean);
    struct storage_file *file = scan_file(scan, scan->position.segment);
    const struct storage_operations *operations = file->storage->operations;
    int error = operations->write(file, clean, length, scan->position.offset);
    free(clean);
    return error != 0 ? error : operations->sync(file);
}

/* Step 4. It has to be durable before the caller may add anything. */
static int log_write_recovery_frame(struct log *log)
{
    struct log_place place;
    if (!log_take_place(log, FRAME_BYTES_MIN, &place)) {
        int error = log_spares_fill(log, 1);
        if (error != 0)
            return error;
        if (!log_take_place(log, FRAME_BYTES_MIN, &place))
            return -ENOSPC;
    }
    log->waiting_for_spare = false;
    log_begin_mark(log, FRAME_RECOVERY, place, 0);

    const uint8_t *bytes;
    size_t length;
    uint64_t offset;
    log_seal_flight(log, &bytes, &length, &offset);
    const struct storage_operations *operations = place.file->storage->operations;
    int error = operations->write(place.file, bytes, length, offset);
    if (error == 0)
        error = operations->sync(place.file);
    log->committing = false;
    atomic_store_explicit(&log->counters.commit_started_ns, 0, memory_order_relaxed);
    if (error == 0)
        log_note_start(log);
    if (place.retired != NULL)
        operations->close(place.retired);
    return error;
}

/* The log goes on where the last whole frame ends. */
static int log_continue(struct log *log, struct scan *scan)
{
    /* Without a frame, the first one goes to the start of the segment at the position. */
    uint64_t live = scan->end_segment > 0 ? scan->end_segment : scan->position.segment - 1;
    uint64_t spares = scan->last - live;
    log->spare_max = (uint32_t)spares + LOG_SPARES;
    log->spares = calloc(log->spare_max, sizeof(struct storage_file *));
    if (log->spares == NULL)
        return -ENOMEM;
    log->live_segment = live;
    log->live_offset = log->options.meta.segment_bytes; /* no room: the first spare is next */
    if (scan->end_segment > 0) {
        log->live = scan_take_file(scan, live);
        log->live_offset = scan->end_offset;
    }
    for (uint64_t number = live + 1; number <= scan->last; number++)
        log->spares[log->spare_count++] = scan_take_file(scan, number);
    log->spare_number = scan->last + 1;
    log->live_start = scan->newest_start;
    log->epoch = scan->position.epoch + 1;
    log->chain = scan->position.chain;
    log->next_lsn = scan->position.first_lsn;
    atomic_store_explicit(&log->durable_lsn, log->next_lsn - 1, memory_order_relaxed);
    atomic_store_explicit(&log->counters.spare_segments, log->spare_count, memory_order_relaxed);
    atomic_store_explicit(&log->counters.live_segment, live, memory_order_relaxed);
    atomic_store_explicit(&log->counters.first_segment, scan->first, memory_order_relaxed);
    return 0;
}

static int log_recover(struct log *log, struct scan *scan)
{
    int error = scan_run(scan);
    if (error == 0)
        error = log_remove_temporaries(scan);
    if (error == 0 && scan->verdict.kind == VERDICT_TORN)
        error = log_wipe_torn(scan);
    if (error == 0)
        error = log_continue(log, scan);
    if (error == 0)
        error = log_write_recovery_frame(log);
    if (error == 0 && !log->options.background)
        error = log_spares_fill(log, LOG_SPARES);
    return error;
}

/* --- making and freeing ---------------------------------------------------------------------- */

static int log_allocate(struct log *log)
{
    uint64_t room = log->options.meta.segment_bytes - SEGMENT_HEADER_BYTES;
    size_t frame_bytes = room < FRAME_BYTES_MAX ? (size_t)room : FRAME_BYTES_MAX;
    log->group_capacity = (uint32_t)frame_payload_capacity(frame_bytes);
    for (unsigned i = 0; i < LOG_GROUPS; i++) {
        log->groups[i].buffer =
            aligned_alloc(STORAGE_ALIGNMENT, SEGMENT_HEADER_BYTES + frame_bytes);
        if (log->groups[i].buffer == NULL)
            return -ENOMEM;
    }
    log->mark_buffer = aligned_alloc(STORAGE_ALIGNMENT, SEGMENT_HEADER_BYTES + FRAME_BYTES_MIN);
    return log->mark_buffer == NULL ? -ENOMEM : 0;
}

static int log_init_locks(struct log *log)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error != 0)
        return -error;
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(&log->spares_wanted, &attributes);
    pthread_condattr_destroy(&attributes);
    if (error != 0)
        return -error;
    error = pthread_mutex_init(&log->mutex, NULL);
    if (error != 0)
        pthread_cond_destroy(&log->spares_wanted);
    return -error;
}

static void log_free(struct log *log)
{
    const struct storage_operations *operations = log->options.storage->operations;
    for (uint32_t i = 0; i < log->spare_count; i++)
        operations->close(log->spares[i]);
    free(log->spares);
    if (log->live != NULL)
        operations->close(log->live);
    if (log->meta_file != NULL)
        operations->close(log->meta_file);
    for (unsigned i = 0; i < LOG_GROUPS; i++)
        free(log->groups[i].buffer);
    free(log->mark_buffer);
    pthread_mutex_destroy(&log->mutex);
    pthread_cond_destroy(&log->spares_wanted);
    free(log);
}

const char *log_end_name(enum log_end end)
{
    static const char *const names[] = {
        [LOG_END_NEW] = "new",   [LOG_END_CLEAN] = "clean",         [LOG_END_CRASH] = "crash",
        [LOG_END_TORN] = "torn", [LOG_END_AMBIGUOUS] = "ambiguous", [LOG_END_DAMAGED] = "damaged",
    };
    return names[end];
}

static void log_say_recovered(const struct log *log, const struct log_report *report)
{
    log_say(log,
            "event=log_opened end=%s segments=%" PRIu64 " frames=%" PRIu64 " records=%" PRIu64
            " last_lsn=%" PRIu64 " epoch=%" PRIu32 " dropped_bytes=%" PRIu64,
            log_end_name(report->end), report->segments, report->frames, report->records,
            report->last_lsn, report->epoch, report->dropped_bytes);
}

int log_open_within(const struct log_options *options, unsigned lock_timeout_ms,
                    struct log **opened, struct log_report *report)
{
    assert(options->meta.segment_bytes >= SEGMENT_BYTES_MIN);
    *report = (struct log_report){.end = LOG_END_DAMAGED};
    struct log *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return -ENOMEM;
    log->options = *options;
    int error = log_init_locks(log);
    if (error != 0) {
        free(log);
        return error;
    }
    struct scan scan;
    error = log_allocate(log);
    if (error != 0)
        goto free_log;
    error = log_lock_meta(options->storage, lock_timeout_ms, &log->meta_file);
    if (error == 0)
        error = log_flush_names(options->storage);
    if (error != 0)
        goto free_log;
    error = scan_init(&scan, &log->options, report, SCAN_TO_RECOVER, lock_timeout_ms);
    if (error != 0)
        goto free_log;
    error = log_recover(log, &scan);
    scan_deinit(&scan);
    if (error != 0)
        goto free_log;
    report->epoch = log->epoch;
    log_say_recovered(log, report);
    error = log_spares_start(log);
    if (error != 0)
        goto free_log;
    *opened = log;
    return 0;

free_log:
    log_free(log);
    return error;
}

int log_open(const struct log_options *options, struct log **log, struct log_report *report)
{
    return log_open_within(options, LOG_LOCK_TIMEOUT_MS, log, report);
}

int log_verify(const struct log_options *options, struct log_report *report)
{
    *report = (struct log_report){.end = LOG_END_DAMAGED};
    struct scan scan;
    int error = scan_init(&scan, options, report, SCAN_TO_VERIFY, 0);
    if (error != 0)
        return error;
    error = scan_run(&scan);
    scan_deinit(&scan);
    return error;
}

/* --- closing --------------------------------------------------------------------------------- */

static bool log_gathers_nothing(struct log *log)
{
    for (uint64_t number = log->commit_number; number <= log->gather_number; number++) {
        if (log->groups[number % LOG_GROUPS].reserved > 0)
            return false;
    }
    return true;
}

/* Without it the log ends as after a crash, and nothing is lost by that: errors are passed over. */
static void log_write_clean_mark(struct log *log, struct channel *channel)
{
    struct log_place place;
    if (!log_take_place(log, FRAME_BYTES_MIN, &place)) {
        if (log_spares_fill(log, 1) != 0 || !log_take_place(log, FRAME_BYTES_MIN, &place))
            return;
    }
    log_begin_mark(log, FRAME_CLEAN, place, 0);
    if (log_submit(log, channel))
        log_wait(log, channel);
}

void log_close(struct log *log, struct channel *channel, bool clean)
{
    log_spares_stop(log);
    if (log->committing)
        log_wait(log, channel);
    if (clean && log_failed(log) == 0 && log_gathers_nothing(log))
        log_write_clean_mark(log, channel);
    log_free(log);
}
