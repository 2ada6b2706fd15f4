/* keeper_checkpoint.c - one checkpoint: begin, write, settle, finish; or give up.
 *
 * Guarantees: a file has its final name only when every image in it is durable in the log, the key
 * files cover its start, and what was read back is what was written.
 *
 * Why it is right though nobody stops: start_lsn is durable before the first image is taken, so
 * every image has all changes up to it. Later changes may or may not be in an image; the log behind
 * start_lsn has all of them, and replay skips those that an account already has. An image may even
 * show a change that is not durable yet: therefore the end is waited for.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "keeper_internal.h"

/* Bytes of log behind the start of the newest checkpoint. */
static uint64_t log_bytes_since(const struct keeper *keeper)
{
    struct log_statistics log;
    log_statistics(keeper->ledger->log, &log);
    return keeper->log_bytes_before + log.bytes - keeper->log_bytes_counted;
}

/* Whether a checkpoint that starts there would say more than the newest one. */
static bool has_news(const struct keeper *keeper, uint64_t start_lsn)
{
    return start_lsn > (keeper->kept.kept_count > 0 ? keeper->kept.kept[0] : 0);
}

bool keeper_checkpoint_is_due(struct keeper *keeper, uint64_t now_ns)
{
    const struct florin_options *options = &keeper->ledger->options;
    uint64_t bytes = log_bytes_since(keeper);
    pthread_mutex_lock(&keeper->mutex);
    bool requested = keeper->requested > keeper->begun;
    keeper->figures.log_bytes_since = bytes;
    pthread_mutex_unlock(&keeper->mutex);
    if (requested)
        return true;
    if (now_ns < keeper->retry_ns || !has_news(keeper, log_durable_lsn(keeper->ledger->log)))
        return false;
    return (options->checkpoint_bytes > 0 && bytes >= options->checkpoint_bytes) ||
           (options->checkpoint_seconds > 0 && now_ns >= keeper->next_by_time_ns);
}

/* Tells who waits that the checkpoint under way, or the one just asked for, has ended. */
static void end_checkpoint(struct keeper *keeper, int error)
{
    keeper->checkpoint.stage = CHECKPOINT_NONE;
    keeper->next_by_time_ns =
        clock_monotonic_ns() + keeper->ledger->options.checkpoint_seconds * UINT64_C(1000000000);
    pthread_mutex_lock(&keeper->mutex);
    keeper->ended = keeper->checkpoint.number;
    keeper->ended_error = error;
    keeper->figures.checkpoint_running = false;
    if (error == 0)
        keeper->figures.checkpoints_completed++;
    else
        keeper->figures.checkpoints_failed++;
    pthread_cond_broadcast(&keeper->ended_changed);
    pthread_mutex_unlock(&keeper->mutex);
}

void keeper_checkpoint_abandon(struct keeper *keeper, int error)
{
    struct block_file_writer *writer = keeper->checkpoint.writer;
    keeper->checkpoint.writer = NULL;
    block_file_abandon(writer);
    end_checkpoint(keeper, error);
}

static void give_up(struct keeper *keeper, int error, const char *reason)
{
    char name[STORAGE_NAME_MAX];
    char file[STORAGE_NAME_MAX + sizeof(CHECKPOINT_DIRECTORY)];
    checkpoint_name(keeper->checkpoint.info.start_lsn, name);
    snprintf(file, sizeof(file), "%s/%s", CHECKPOINT_DIRECTORY, name);
    keeper_note_error(keeper, "checkpoint_failed", error, file, 0, reason);
    keeper_checkpoint_abandon(keeper, error);
}

/* --- begin ----------------------------------------------------------------------------------- */

/* A slice that an abandoned checkpoint wanted is still the worker's until it was filled. */
static bool slices_are_free(const struct keeper *keeper)
{
    const struct florin *ledger = keeper->ledger;
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        if (atomic_load_explicit(&ledger->workers[number].slice.state, memory_order_acquire) ==
            SLICE_WANTED)
            return false;
    }
    return true;
}

static void want_slice(struct keeper *keeper, unsigned number)
{
    struct slice *slice = &keeper->ledger->workers[number].slice;
    slice->length = 0;
    atomic_store_explicit(&slice->state, SLICE_WANTED, memory_order_release);
    ledger_wake(keeper->ledger, UINT64_C(1) << number);
}

static int begin_file(struct keeper *keeper)
{
    const struct florin *ledger = keeper->ledger;
    struct checkpoint *checkpoint = &keeper->checkpoint;
    char name[STORAGE_NAME_MAX];
    struct block_file_plan plan = {
        .storage = ledger->storage,
        .channel = keeper->checkpoint_channel,
        .log_id = ledger->meta.log_id,
        .kind = BLOCK_FILE_CHECKPOINT,
        .directory = CHECKPOINT_DIRECTORY,
        .block_bytes = CHECKPOINT_BLOCK_BYTES,
        .pace = keeper_pace,
        .pace_context = keeper,
    };
    checkpoint_info_encode(&checkpoint->info, plan.info);
    checkpoint_name(checkpoint->info.start_lsn, name);
    return block_file_begin(&plan, name, &checkpoint->writer);
}

bool keeper_checkpoint_begin(struct keeper *keeper)
{
    struct florin *ledger = keeper->ledger;
    struct checkpoint *checkpoint = &keeper->checkpoint;
    if (!slices_are_free(keeper))
        return false;
    struct log_statistics log;
    log_statistics(ledger->log, &log);
    pthread_mutex_lock(&keeper->mutex);
    uint64_t number = ++keeper->begun;
    keeper->figures.checkpoint_running = true;
    pthread_mutex_unlock(&keeper->mutex);
    *checkpoint = (struct checkpoint){
        .stage = CHECKPOINT_WRITING,
        .workers_left = ledger->worker_count,
        .number = number,
        .started_ns = clock_monotonic_ns(),
        .log_bytes = log.bytes,
        .info = {.started_ns = clock_wall_ns(), .log_start = log_live_start(ledger->log)},
    };
    /* In this order: all that is behind the durable LSN stands at or behind the place. */
    checkpoint->info.start_lsn = log_durable_lsn(ledger->log);
    if (!has_news(keeper, checkpoint->info.start_lsn)) {
        end_checkpoint(keeper, 0); /* the newest one says it all */
        return true;
    }
    int error = begin_file(keeper);
    if (error != 0) {
        give_up(keeper, error, "");
        return true;
    }
    for (unsigned i = 0; i < ledger->worker_count; i++) {
        struct slice *slice = &ledger->workers[i].slice;
        slice->cursor = 0;
        slice->slot_end = SLICE_END_UNKNOWN;
        slice->sums = (struct shard_sums){0};
        want_slice(keeper, i);
    }
    return true;
}

/* --- write ----------------------------------------------------------------------------------- */

/* Writes one worker's block, if it is there. true: it was. */
static bool take_slice(struct keeper *keeper, unsigned number)
{
    struct checkpoint *checkpoint = &keeper->checkpoint;
    struct slice *slice = &keeper->ledger->workers[number].slice;
    int state = atomic_load_explicit(&slice->state, memory_order_acquire);
    if (state != SLICE_FULL && state != SLICE_LAST)
        return false;
    int error = 0;
    if (slice->length > 0)
        error = block_file_append(checkpoint->writer, CHECKPOINT_TAG_IMAGES, slice->bytes,
                                  slice->length);
    if (error != 0) {
        give_up(keeper, error, "");
        return true;
    }
    if (state == SLICE_FULL) {
        want_slice(keeper, number);
        return true;
    }
    shard_sums_add(&checkpoint->sums, &slice->sums);
    if (slice->newest_time_ns > checkpoint->newest_time_ns)
        checkpoint->newest_time_ns = slice->newest_time_ns;
    atomic_store_explicit(&slice->state, SLICE_IDLE, memory_order_relaxed); /* the keeper's turn */
    if (--checkpoint->workers_left == 0)
        checkpoint->stage = CHECKPOINT_SETTLING;
    return true;
}

static bool write_step(struct keeper *keeper)
{
    bool wrote = false;
    for (unsigned i = 0; i < keeper->ledger->worker_count; i++) {
        if (keeper->checkpoint.stage == CHECKPOINT_WRITING)
            wrote |= take_slice(keeper, i);
    }
    return wrote;
}

/* --- settle and finish ----------------------------------------------------------------------- */

static uint64_t end_lsn(const struct checkpoint *checkpoint)
{
    uint64_t newest = checkpoint->sums.newest_lsn;
    return newest > checkpoint->info.start_lsn ? newest : checkpoint->info.start_lsn;
}

static void keep_checkpoint(struct keeper *keeper)
{
    struct keeper_start *kept = &keeper->kept;
    const struct checkpoint *checkpoint = &keeper->checkpoint;
    kept->kept[1] = kept->kept[0];
    kept->log_starts[1] = kept->log_starts[0];
    kept->kept[0] = checkpoint->info.start_lsn;
    kept->log_starts[0] = checkpoint->info.log_start;
    if (kept->kept_count < CHECKPOINTS_KEPT)
        kept->kept_count++;
    keeper->log_bytes_counted = checkpoint->log_bytes;
    keeper->log_bytes_before = 0;
}

static void remove_older(struct keeper *keeper)
{
    if (!keeper_begin_removal(keeper))
        return; /* the next one will do it */
    int error = checkpoint_remove_older(keeper->ledger->storage, keeper->kept.kept,
                                        keeper->kept.kept_count);
    keeper_end_removal(keeper);
    if (error != 0)
        keeper_note_error(keeper, "clean_up_failed", error, CHECKPOINT_DIRECTORY, 0, "");
}

static void say_completed(struct keeper *keeper, uint64_t bytes)
{
    const struct checkpoint *checkpoint = &keeper->checkpoint;
    uint64_t ms = (clock_monotonic_ns() - checkpoint->started_ns) / 1000000;
    pthread_mutex_lock(&keeper->mutex);
    keeper->figures.checkpoint_lsn = checkpoint->info.start_lsn;
    keeper->figures.checkpoint_time_ns = clock_wall_ns();
    keeper->figures.checkpoint_bytes = bytes;
    keeper->figures.checkpoint_ms = ms;
    pthread_mutex_unlock(&keeper->mutex);
    ledger_log(keeper->ledger,
               "level=info event=checkpoint lsn=%" PRIu64 " end_lsn=%" PRIu64 " accounts=%" PRIu64
               " bytes=%" PRIu64 " ms=%" PRIu64,
               checkpoint->info.start_lsn, end_lsn(checkpoint), checkpoint->sums.accounts, bytes,
               ms);
}

static void finish(struct keeper *keeper)
{
    struct checkpoint *checkpoint = &keeper->checkpoint;
    const struct checkpoint_totals totals = {.end_lsn = end_lsn(checkpoint),
                                             .sums = checkpoint->sums,
                                             .newest_time_ns = checkpoint->newest_time_ns};
    uint8_t bytes[BLOCK_FILE_TOTALS_BYTES];
    char name[STORAGE_NAME_MAX];
    checkpoint_totals_encode(&totals, bytes);
    checkpoint_name(checkpoint->info.start_lsn, name);
    uint64_t blocks = block_file_count(checkpoint->writer);
    int error = block_file_finish(checkpoint->writer, name, bytes);
    checkpoint->writer = NULL;
    if (error != 0) {
        give_up(keeper, error, error == -EBADMSG ? "what was read back differs" : "");
        return;
    }
    keep_checkpoint(keeper);
    say_completed(keeper, blocks * CHECKPOINT_BLOCK_BYTES);
    end_checkpoint(keeper, 0);
    remove_older(keeper);
}

/* true: something was done. */
static bool settle_step(struct keeper *keeper)
{
    const struct florin *ledger = keeper->ledger;
    const struct checkpoint *checkpoint = &keeper->checkpoint;
    if (log_durable_lsn(ledger->log) < end_lsn(checkpoint))
        return false;
    if (key_archive_to_lsn(ledger->archive) < checkpoint->info.start_lsn) {
        /* No further than it must: the newest keys are looked up best in memory. */
        uint64_t before = key_archive_to_lsn(ledger->archive);
        int error = keeper_extend_keys(keeper, checkpoint->info.start_lsn);
        if (error != 0)
            keeper_checkpoint_abandon(keeper, error);
        else
            assert(key_archive_to_lsn(ledger->archive) > before); /* the start ends a frame */
        return true;
    }
    finish(keeper);
    return true;
}

bool keeper_checkpoint_step(struct keeper *keeper)
{
    return keeper->checkpoint.stage == CHECKPOINT_WRITING ? write_step(keeper)
                                                          : settle_step(keeper);
}
