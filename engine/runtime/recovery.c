/* recovery.c - from files to shards: the newest good checkpoint, then the log behind it.
 *
 *     1. key files: filters into memory
 *     2. the newest checkpoint; when it is damaged, the one before it, and a loud line
 *     3. the log from the checkpoint's place on; without a checkpoint from its beginning
 *
 * What a checkpoint knows to be durable, the log must have: a log that ends before is damaged.
 *
 * Guarantees: nothing is written before everything was found good, but for what log_open() mends,
 * and for key files of sound records when memory has no room for their keys; everything that is
 * refused is named with file, offset and LSN. Must not know: records, images.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "history.h"
#include "keeper.h"
#include "key_archive.h"
#include "ledger_state.h"
#include "reader.h"
#include "replay.h"
#include "wal/log_reader.h"

enum {
    /* One read of a checkpoint. */
    LOAD_BLOCKS = 16,
};

struct recovery {
    struct florin *ledger;
    struct replay *replay;
    struct keeper_start start; /* what the keeper goes on from */
    uint64_t durable_lsn;      /* known from the checkpoint */
    uint64_t accounts;         /* loaded from it */
    bool unreadable;           /* a checkpoint met an I/O error, which may be over next time */
    uint64_t started_ns;
};

/* --- saying ---------------------------------------------------------------------------------- */

static void log_refusal(struct florin *ledger, const char *file, uint64_t offset,
                        const char *reason)
{
    ledger_log(ledger,
               "level=error event=recovery_refused file=%s/%s offset=%" PRIu64 " reason=\"%s\" "
               "advice=\"nothing was changed; run florin verify %s, and restore from a copy\"",
               ledger->options.directory, file, offset, reason, ledger->options.directory);
}

static void log_fault(struct florin *ledger, struct replay_fault fault)
{
    const char *text = fault.undecodable ? "not a record" : shard_replay_text(fault.replay);
    ledger_log(ledger, "level=error event=recovery_refused lsn=%" PRIu64 " reason=\"%s\"",
               fault.lsn, text);
}

static void log_damage(struct florin *ledger, const struct log_report *report)
{
    ledger_log(ledger,
               "level=error event=recovery_refused verdict=%s file=%s/%s offset=%" PRIu64
               " lsn=%" PRIu64 " reason=\"%s\" advice=\"nothing was changed; run florin verify %s, "
               "and restore from a copy if something acknowledged is lost\"",
               log_end_name(report->end), ledger->options.directory, report->file, report->offset,
               report->lsn, report->reason, ledger->options.directory);
}

/* Without a checkpoint the log has to be whole, which it need not be. But there is one, of which
 * the disk did not give a part: no verdict on a directory that was not read. */
static void log_unread(struct florin *ledger, const struct log_report *report)
{
    ledger_log(
        ledger,
        "level=error event=recovery_refused verdict=unread file=%s/%s reason=\"no checkpoint "
        "could be read, and the log alone is not enough: %s\" advice=\"nothing was changed; "
        "mend the disk and start again\"",
        ledger->options.directory, report->file, report->reason);
}

static void log_success(const struct recovery *recovery, const struct log_report *report)
{
    struct florin *ledger = recovery->ledger;
    uint64_t accounts = 0;
    for (unsigned i = 0; i < ledger->worker_count; i++)
        accounts += ledger->workers[i].shard.accounts.count;
    uint64_t checkpoint = recovery->start.kept_count > 0 ? recovery->start.kept[0] : 0;
    ledger_log(ledger,
               "level=info event=recovered end=%s checkpoint_lsn=%" PRIu64 " loaded=%" PRIu64
               " segments=%" PRIu64 " records=%" PRIu64 " accounts=%" PRIu64 " key_files=%" PRIu32
               " last_lsn=%" PRIu64 " epoch=%" PRIu32 " dropped_bytes=%" PRIu64 " ms=%" PRIu64,
               log_end_name(report->end), checkpoint, recovery->accounts, report->segments,
               report->records, accounts, key_archive_totals(ledger->archive).files,
               report->last_lsn, report->epoch, report->dropped_bytes,
               (clock_monotonic_ns() - recovery->started_ns) / 1000000);
}

/* --- key files ------------------------------------------------------------------------------- */

/* Names that an ended process gave may be seen and yet not be durable: nothing may be built on
 * them before they are. */
static int flush_names(struct florin *ledger)
{
    static const char *const directories[] = {CHECKPOINT_DIRECTORY, "keys"};
    int error = 0;
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]) && error == 0; i++) {
        error = ledger->storage->operations->sync_directory(ledger->storage, directories[i]);
        if (error == -ENOENT)
            error = 0;
    }
    return error;
}

static void use_filters(struct florin *ledger)
{
    const struct key_filters *filters = key_archive_filters(ledger->archive);
    atomic_store_explicit(&ledger->key_filters, filters, memory_order_release);
    for (unsigned i = 0; i < ledger->worker_count; i++) {
        ledger->workers[i].shard.key_filters = filters;
        atomic_store(&ledger->workers[i].filters_done, filters);
    }
}

static bool has_full_keys(const struct florin *ledger)
{
    for (unsigned i = 0; i < ledger->worker_count; i++) {
        if (!key_table_has_room(&ledger->workers[i].shard.keys))
            return true;
    }
    return false;
}

static int open_archive(struct florin *ledger)
{
    struct block_file_fault fault = {0};
    const struct key_archive_options options = {
        .storage = ledger->storage,
        .meta = &ledger->meta,
        .secret = &ledger->secret,
        .keys_per_file = ledger->keys_per_file,
    };
    int error = key_archive_open(&options, &ledger->archive, &fault);
    if (error == -EBADMSG)
        log_refusal(ledger, fault.file, fault.offset, fault.reason);
    if (error != 0)
        return error;
    use_filters(ledger);
    return 0;
}

/* --- checkpoints ----------------------------------------------------------------------------- */

/* Reads all blocks into the replay. 0, -EBADMSG and *fault, -errno. */
static int load_blocks(struct recovery *recovery, const struct block_file *file, uint8_t *buffer,
                       struct block_file_fault *fault)
{
    struct florin *ledger = recovery->ledger;
    for (uint64_t first = 0; first < file->block_count; first += LOAD_BLOCKS) {
        uint64_t left = file->block_count - first;
        uint64_t count = left < LOAD_BLOCKS ? left : LOAD_BLOCKS;
        int error = block_file_read(file, first, count, buffer, fault);
        for (uint64_t i = 0; i < count && error == 0; i++) {
            size_t length;
            const uint8_t *payload =
                block_file_payload(buffer + i * CHECKPOINT_BLOCK_BYTES, &length);
            error = replay_take_images(recovery->replay, payload, length);
        }
        if (error != 0)
            return error;
        atomic_fetch_add_explicit(&ledger->checkpoint_bytes_done, count * CHECKPOINT_BLOCK_BYTES,
                                  memory_order_relaxed);
    }
    return 0;
}

static bool sums_agree(const struct shard_sums *left, const struct shard_sums *right)
{
    return left->accounts == right->accounts && left->digest == right->digest &&
           left->balance_low == right->balance_low && left->balance_high == right->balance_high;
}

static int load_images(struct recovery *recovery, const struct block_file *file,
                       const struct checkpoint_totals *totals, struct block_file_fault *fault)
{
    struct florin *ledger = recovery->ledger;
    uint8_t *buffer =
        aligned_alloc(STORAGE_ALIGNMENT, (size_t)LOAD_BLOCKS * CHECKPOINT_BLOCK_BYTES);
    if (buffer == NULL)
        return -ENOMEM;
    atomic_store_explicit(&ledger->checkpoint_bytes_total, file->file_bytes, memory_order_relaxed);
    int error = load_blocks(recovery, file, buffer, fault);
    free(buffer);
    int replay_error = replay_finish(recovery->replay);
    if (error != 0)
        return error;
    struct shard_sums sums = replay_sums(recovery->replay);
    bool agree = replay_error == 0 && sums_agree(&sums, &totals->sums);
    if (agree)
        return 0;
    const struct replay_fault replay_fault = replay_first_fault(recovery->replay);
    const char *reason = "its accounts do not have the totals that it says";
    if (replay_error != 0)
        reason = replay_fault.undecodable ? "not an image of an account"
                                          : shard_replay_text(replay_fault.replay);
    snprintf(fault->file, sizeof(fault->file), "%s", file->name);
    snprintf(fault->reason, sizeof(fault->reason), "%s", reason);
    return -EBADMSG;
}

/* Loads one checkpoint. 0; -EBADMSG and *fault; -errno. */
static int load_checkpoint(struct recovery *recovery, uint64_t start_lsn,
                           struct checkpoint_info *info, struct block_file_fault *fault)
{
    struct florin *ledger = recovery->ledger;
    struct block_file file;
    struct checkpoint_totals totals;
    int error = checkpoint_open(ledger->storage, ledger->meta.log_id, start_lsn, &file, info,
                                &totals, fault);
    if (error != 0)
        return error;
    error = load_images(recovery, &file, &totals, fault);
    block_file_close(&file);
    if (error != 0)
        return error;
    /* Times grow within an account, also when the clock was set back while the ledger was closed.
     */
    for (unsigned i = 0; i < ledger->worker_count; i++) {
        if (totals.newest_time_ns > ledger->workers[i].shard.last_time_ns)
            ledger->workers[i].shard.last_time_ns = totals.newest_time_ns;
    }
    recovery->durable_lsn = totals.end_lsn;
    recovery->accounts = totals.sums.accounts;
    atomic_store_explicit(&ledger->accounts_loaded, totals.sums.accounts, memory_order_relaxed);
    return 0;
}

static void keep(struct keeper_start *start, const struct checkpoint_info *info)
{
    start->kept[start->kept_count] = info->start_lsn;
    start->log_starts[start->kept_count] = info->log_start;
    start->kept_count++;
}

/* Empties the shards after a checkpoint that was loaded in part. */
static int start_over(struct recovery *recovery)
{
    replay_destroy(recovery->replay, false);
    recovery->replay = NULL;
    atomic_store(&recovery->ledger->checkpoint_bytes_done, 0);
    int error = ledger_clear_shards(recovery->ledger);
    return error != 0 ? error : replay_create(recovery->ledger, &recovery->replay);
}

/* A checkpoint of which a part cannot be read is of no more use than one with a wrong byte. */
static bool may_fall_back(int error)
{
    return error == -EBADMSG || error == -EIO;
}

/* Sound, but this ledger was opened with less room than it needs: an older one would not fit
 * either. */
static bool has_no_room(const struct recovery *recovery)
{
    return replay_first_fault(recovery->replay).replay == SHARD_REPLAY_NO_ROOM;
}

static void log_fall_back(struct florin *ledger, uint64_t start_lsn, int error,
                          struct block_file_fault *fault)
{
    char name[STORAGE_NAME_MAX];
    checkpoint_name(start_lsn, name);
    if (fault->file[0] == '\0')
        snprintf(fault->file, sizeof(fault->file), "%s/%.*s", CHECKPOINT_DIRECTORY,
                 (int)(sizeof(fault->file) - sizeof(CHECKPOINT_DIRECTORY) - 1), name);
    if (fault->reason[0] == '\0')
        snprintf(fault->reason, sizeof(fault->reason), "%s", strerror(-error));

    ledger_log(ledger,
               "level=error event=%s file=%s/%s offset=%" PRIu64 " reason=\"%s\" "
               "advice=\"falling back to what is older; nothing is lost, the replay is longer\"",
               error == -EIO ? "checkpoint_unreadable" : "checkpoint_damaged",
               ledger->options.directory, fault->file, fault->offset, fault->reason);
}

/* The next older one, if it is sound at a glance: what a damaged newest one would fall back to. */
static void keep_older(struct recovery *recovery, const uint64_t *listed, size_t count)
{
    struct florin *ledger = recovery->ledger;
    for (size_t i = 0; i < count && recovery->start.kept_count < CHECKPOINTS_KEPT; i++) {
        struct block_file file;
        struct checkpoint_info info;
        struct checkpoint_totals totals;
        struct block_file_fault fault = {0};
        int error = checkpoint_open(ledger->storage, ledger->meta.log_id, listed[i], &file, &info,
                                    &totals, &fault);
        if (error != 0) {
            log_fall_back(ledger, listed[i], error, &fault);
            continue;
        }
        block_file_close(&file);
        keep(&recovery->start, &info);
    }
}

static int load_newest_checkpoint(struct recovery *recovery)
{
    struct florin *ledger = recovery->ledger;
    uint64_t listed[CHECKPOINTS_LISTED_MAX];
    size_t count = 0;
    int error = checkpoint_list(ledger->storage, listed, &count);
    for (size_t i = 0; i < count && error == 0; i++) {
        struct checkpoint_info info;
        struct block_file_fault fault = {0};
        error = load_checkpoint(recovery, listed[i], &info, &fault);
        if (error == 0) {
            keep(&recovery->start, &info);
            keep_older(recovery, listed + i + 1, count - i - 1);
            return 0;
        }
        if (!may_fall_back(error) || has_no_room(recovery))
            return error;
        log_fall_back(ledger, listed[i], error, &fault);
        recovery->unreadable |= error == -EIO;
        error = start_over(recovery);
    }
    return error;
}

/* A checkpoint holds no keys: the key files must have all that stand before its start. */
static int check_keys_covered(const struct recovery *recovery)
{
    struct florin *ledger = recovery->ledger;
    if (recovery->start.kept_count == 0 ||
        key_archive_to_lsn(ledger->archive) >= recovery->start.kept[0])
        return 0;
    char reason[160];
    snprintf(reason, sizeof(reason),
             "key files end at LSN %" PRIu64 ", but the checkpoint needs them up to %" PRIu64,
             key_archive_to_lsn(ledger->archive), recovery->start.kept[0]);
    log_refusal(ledger, "keys", 0, reason);
    return -EBADMSG;
}

/* --- the log --------------------------------------------------------------------------------- */

static void wake_workers(void *context)
{
    struct florin *ledger = context;
    atomic_store(&ledger->commit_wanted, true);
    ledger_wake(ledger, UINT64_MAX);
}

static int open_log(struct recovery *recovery, struct log_report *report)
{
    struct florin *ledger = recovery->ledger;
    /* Key files are made of durable records only. */
    uint64_t keys_lsn = key_archive_to_lsn(ledger->archive);
    if (keys_lsn > recovery->durable_lsn)
        recovery->durable_lsn = keys_lsn;
    struct log_options options = {
        .storage = ledger->storage,
        .meta = ledger->meta,
        .durable_lsn = recovery->durable_lsn,
        .replay = replay_take_frame,
        .replay_context = recovery->replay,
        .progress = &ledger->progress,
        .wake = wake_workers,
        .wake_context = ledger,
        .log_line = ledger_log_line,
        .log_context = ledger,
        .background = !ledger->single_thread,
    };
    if (recovery->start.kept_count > 0)
        options.start = recovery->start.log_starts[0];
    int error = log_open(&options, &ledger->log, report);
    bool unread = recovery->start.kept_count == 0 && recovery->unreadable;
    if (error == -EBADMSG && replay_finish(recovery->replay) == 0) {
        if (unread)
            log_unread(ledger, report);
        else
            log_damage(ledger, report);
    }
    if (error == -EBADMSG && unread)
        return -EIO;
    if (error != 0)
        return error;
    error = replay_finish(recovery->replay);
    if (error != 0) {
        log_close(ledger->log, NULL, false);
        ledger->log = NULL;
    }
    return error;
}

/* --- keys that do not fit -------------------------------------------------------------------- */

/* The records behind the key files can have more keys than a shard has room for: all keys of one
 * account stand in one shard, and there may be more shards than before, or less room. Then a key
 * file is made of records that were just read, and the replay begins anew. */
static bool keys_do_not_fit(const struct recovery *recovery)
{
    const struct florin *ledger = recovery->ledger;
    struct replay_fault fault = replay_first_fault(recovery->replay);
    return fault.replay == SHARD_REPLAY_NO_ROOM && has_full_keys(ledger) &&
           fault.lsn > key_archive_to_lsn(ledger->archive) + 1;
}

/* 0; -EBADMSG: none could be moved, or the log is damaged; -errno of the disk. */
static int move_keys_to_file(struct recovery *recovery)
{
    struct florin *ledger = recovery->ledger;
    struct replay_fault fault = replay_first_fault(recovery->replay);
    struct log_reader *reader;
    struct block_file_fault file_fault = {0};
    uint64_t before = key_archive_to_lsn(ledger->archive);
    uint64_t reached = before;
    int error = log_reader_open(ledger->storage, &ledger->meta, &reader);
    if (error != 0)
        return error;
    error = key_archive_extend(ledger->archive, reader, fault.lsn - 1, NULL, NULL, NULL, &reached,
                               &file_fault);
    log_reader_close(reader);
    if (error == -EBADMSG)
        log_refusal(ledger, file_fault.file, file_fault.offset, file_fault.reason);
    else if (error != 0)
        ledger_log(ledger, "level=error event=key_file_failed errno=%d reason=\"%s\"", -error,
                   strerror(-error));
    else
        ledger_log(ledger, "level=info event=keys_moved to_lsn=%" PRIu64, reached);
    return error == 0 && reached == before ? -EBADMSG : error;
}

/* --- all of it ------------------------------------------------------------------------------- */

static int start_background(struct recovery *recovery, const struct log_report *report)
{
    struct florin *ledger = recovery->ledger;
    recovery->start.log_bytes = report->bytes;
    int error = reader_create(ledger, !ledger->single_thread, &ledger->reader);
    if (error == 0)
        error = history_create(ledger, !ledger->single_thread, &ledger->history);
    return error != 0 ? error : keeper_create(ledger, &recovery->start, &ledger->keeper);
}

/* One try; -EBADMSG: something is wrong, or does not fit. */
static int recover(struct recovery *recovery, struct log_report *report)
{
    recovery->start = (struct keeper_start){0};
    recovery->durable_lsn = 0;
    *report = (struct log_report){0};
    int error = load_newest_checkpoint(recovery);
    if (error == 0)
        error = check_keys_covered(recovery);
    if (error == 0)
        error = open_log(recovery, report);
    return error;
}

/* Until all keys fit. Ends: every turn moves the keys of some records into a file for good. */
static int recover_in_turns(struct recovery *recovery, struct log_report *report)
{
    int error = recover(recovery, report);
    while (error == -EBADMSG && recovery->replay != NULL && keys_do_not_fit(recovery)) {
        error = move_keys_to_file(recovery);
        if (error != 0)
            break;
        use_filters(recovery->ledger);
        error = start_over(recovery);
        if (error == 0)
            error = recover(recovery, report);
    }
    return error;
}

int recovery_run(struct florin *ledger)
{
    struct recovery recovery = {.ledger = ledger, .started_ns = clock_monotonic_ns()};
    struct log_report report = {0};
    atomic_store(&ledger->recovery_started_ns, recovery.started_ns);
    int error = flush_names(ledger);
    if (error == 0)
        error = open_archive(ledger);
    if (error == 0)
        error = replay_create(ledger, &recovery.replay);
    if (error == 0)
        error = recover_in_turns(&recovery, &report);
    if (error == -EBADMSG && recovery.replay != NULL) {
        struct replay_fault fault = replay_first_fault(recovery.replay);
        if (fault.replay != SHARD_REPLAY_APPLIED || fault.undecodable)
            log_fault(ledger, fault);
    }
    replay_destroy(recovery.replay, error == 0);
    if (error == 0)
        error = start_background(&recovery, &report);
    if (error == 0)
        log_success(&recovery, &report);
    return error;
}
