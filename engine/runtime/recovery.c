/* recovery.c - replays the log into the shards, on as many threads as there are workers.
 *
 * The calling thread reads and verifies the log (log_open) and fills one chunk with records, while
 * the replayers apply the chunk before. Every replayer walks the whole chunk and applies the
 * records of its own shard: finding the owner of a record costs some ten nanoseconds, applying one
 * some hundred, and no record has to be copied into queues.
 *
 *     log_open -> chunk A   |  filled by the caller
 *                 chunk B   |  walked by replayer 0, 1, ...    (swapped when both are done)
 *
 * The first record that does not fit the ledger's rules stops the recovery with -EBADMSG.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ledger_state.h"

enum {
    /* Some frames: large enough that handing it over costs nothing, small enough for the cache. */
    CHUNK_BYTES = 2 * FLORIN_GROUP_BYTES_MAX,
    /* Records whose tables are prefetched together; see WORKER_WINDOW. */
    REPLAY_WINDOW = 16,
};

struct chunk {
    uint8_t *bytes;
    size_t byte_count;
    uint64_t first_lsn;
    uint64_t next_lsn;
};

struct replay_fault {
    enum shard_replay replay; /* SHARD_REPLAY_APPLIED: none */
    bool undecodable;
    uint64_t lsn;
};

struct replay {
    struct florin *ledger;
    struct chunk chunks[2];
    unsigned filling; /* the caller's */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    const struct chunk *walking; /* NULL: end */
    uint64_t generation;         /* of `walking` */
    unsigned busy;               /* replayers that still walk */
    struct replay_fault fault;   /* the one with the lowest LSN */
};

struct replayer {
    struct replay *replay;
    struct worker *worker;
    pthread_t thread;
};

struct replay_item {
    struct record record;
    uint64_t hash;
    uint64_t lsn;
};

static void note_fault(struct replay *replay, struct replay_fault fault)
{
    pthread_mutex_lock(&replay->lock);
    bool first = replay->fault.replay == SHARD_REPLAY_APPLIED && !replay->fault.undecodable;
    if (first || fault.lsn < replay->fault.lsn)
        replay->fault = fault;
    pthread_mutex_unlock(&replay->lock);
}

/* Applies a window; false: a record does not fit. */
static bool apply_window(struct replayer *replayer, const struct replay_item *items, unsigned count)
{
    struct shard *shard = &replayer->worker->shard;
    for (unsigned i = 0; i < count; i++)
        shard_prefetch_account(shard, items[i].hash);
    for (unsigned i = 0; i < count; i++) {
        enum shard_replay replay =
            shard_replay(shard, &items[i].record, items[i].hash, items[i].lsn);
        if (replay != SHARD_REPLAY_APPLIED && replay != SHARD_REPLAY_OLDER) {
            note_fault(replayer->replay,
                       (struct replay_fault){.replay = replay, .lsn = items[i].lsn});
            return false;
        }
    }
    return true;
}

/* First of two steps; the second, of what the first has fetched, is in apply_window(). */
static void prefetch_item(const struct shard *shard, const struct replay_item *item)
{
    const struct record *record = &item->record;
    struct florin_command named = {.account = record->id,
                                   .account_length = record->id_length,
                                   .key = record->key,
                                   .key_length = record->key_length};
    shard_prefetch(shard, item->hash);
    shard_prefetch_key(shard, &named);
}

/* Applies the records of this replayer's shard. */
static void walk_chunk(struct replayer *replayer, const struct chunk *chunk)
{
    const struct florin *ledger = replayer->replay->ledger;
    struct replay_item window[REPLAY_WINDOW];
    unsigned count = 0;
    size_t offset = 0;
    for (uint64_t lsn = chunk->first_lsn; lsn < chunk->next_lsn; lsn++) {
        struct replay_item *item = &window[count];
        size_t size =
            record_decode(chunk->bytes + offset, chunk->byte_count - offset, &item->record);
        if (size == 0) {
            note_fault(replayer->replay, (struct replay_fault){.undecodable = true, .lsn = lsn});
            return;
        }
        offset += size;
        item->hash = hash_account(&ledger->secret, item->record.id, item->record.id_length);
        if (ledger_owner(ledger, item->hash) != replayer->worker->number)
            continue;
        item->lsn = lsn;
        prefetch_item(&replayer->worker->shard, item);
        if (++count == REPLAY_WINDOW) {
            if (!apply_window(replayer, window, count))
                return;
            count = 0;
        }
    }
    if (!apply_window(replayer, window, count))
        return;
    if (offset != chunk->byte_count)
        note_fault(replayer->replay,
                   (struct replay_fault){.undecodable = true, .lsn = chunk->next_lsn});
}

static void *run_replayer(void *context)
{
    struct replayer *replayer = context;
    struct replay *replay = replayer->replay;
    uint64_t generation = 0;
    for (;;) {
        pthread_mutex_lock(&replay->lock);
        while (replay->generation == generation)
            pthread_cond_wait(&replay->changed, &replay->lock);
        generation = replay->generation;
        const struct chunk *chunk = replay->walking;
        pthread_mutex_unlock(&replay->lock);
        if (chunk == NULL)
            break;
        walk_chunk(replayer, chunk);
        pthread_mutex_lock(&replay->lock);
        replay->busy--;
        pthread_cond_broadcast(&replay->changed);
        pthread_mutex_unlock(&replay->lock);
    }
    shard_audit(&replayer->worker->shard);
    return NULL;
}

/* Waits until the replayers are done with the chunk before, then gives them this one. Returns 0, or
 * -EBADMSG when they met a fault. */
static int hand_chunk(struct replay *replay, const struct chunk *chunk)
{
    pthread_mutex_lock(&replay->lock);
    while (replay->busy > 0)
        pthread_cond_wait(&replay->changed, &replay->lock);
    bool fault = replay->fault.replay != SHARD_REPLAY_APPLIED || replay->fault.undecodable;
    replay->walking = fault ? NULL : chunk;
    if (chunk == NULL || !fault) {
        replay->generation++;
        replay->busy = chunk == NULL ? 0 : replay->ledger->worker_count;
        pthread_cond_broadcast(&replay->changed);
    }
    pthread_mutex_unlock(&replay->lock);
    return fault ? -EBADMSG : 0;
}

static int hand_filled(struct replay *replay)
{
    struct chunk *filled = &replay->chunks[replay->filling];
    if (filled->byte_count == 0)
        return 0;
    int error = hand_chunk(replay, filled);
    if (error != 0)
        return error;
    replay->filling = 1 - replay->filling;
    replay->chunks[replay->filling].byte_count = 0;
    return 0;
}

/* log_open()'s callback: one frame's records. */
static int take_frame(void *context, uint64_t first_lsn, uint32_t record_count,
                      const uint8_t *bytes, size_t length)
{
    struct replay *replay = context;
    assert(length <= CHUNK_BYTES);
    if (replay->chunks[replay->filling].byte_count + length > CHUNK_BYTES) {
        int error = hand_filled(replay);
        if (error != 0)
            return error;
    }
    struct chunk *chunk = &replay->chunks[replay->filling];
    if (chunk->byte_count == 0)
        chunk->first_lsn = first_lsn;
    memcpy(chunk->bytes + chunk->byte_count, bytes, length);
    chunk->byte_count += length;
    chunk->next_lsn = first_lsn + record_count;
    return 0;
}

static unsigned start_replayers(struct replay *replay, struct replayer *replayers)
{
    unsigned started = 0;
    while (started < replay->ledger->worker_count) {
        struct replayer *replayer = &replayers[started];
        *replayer =
            (struct replayer){.replay = replay, .worker = &replay->ledger->workers[started]};
        if (pthread_create(&replayer->thread, NULL, run_replayer, replayer) != 0)
            break;
        started++;
    }
    return started;
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
               report->end == LOG_END_AMBIGUOUS ? "ambiguous" : "damaged",
               ledger->options.directory, report->file, report->offset, report->lsn, report->reason,
               ledger->options.directory);
}

static const char *end_text(enum log_end end)
{
    switch (end) {
    case LOG_END_NEW:
        return "new";
    case LOG_END_CLEAN:
        return "clean";
    case LOG_END_CRASH:
        return "crash";
    case LOG_END_TORN:
        return "torn";
    case LOG_END_AMBIGUOUS:
        return "ambiguous";
    case LOG_END_DAMAGED:
        return "damaged";
    }
    return "?";
}

static void log_success(struct florin *ledger, const struct log_report *report, uint64_t took_ns)
{
    uint64_t accounts = 0;
    for (unsigned i = 0; i < ledger->worker_count; i++)
        accounts += ledger->workers[i].shard.accounts.count;
    ledger_log(ledger,
               "level=info event=recovered end=%s segments=%" PRIu64 " records=%" PRIu64
               " accounts=%" PRIu64 " last_lsn=%" PRIu64 " epoch=%" PRIu32 " dropped_bytes=%" PRIu64
               " ms=%" PRIu64,
               end_text(report->end), report->segments, report->records, accounts, report->last_lsn,
               report->epoch, report->dropped_bytes, took_ns / 1000000);
}

static void wake_workers(void *context)
{
    struct florin *ledger = context;
    atomic_store(&ledger->commit_wanted, true);
    ledger_wake(ledger, UINT64_MAX);
}

static int open_log(struct replay *replay, struct log_report *report)
{
    struct florin *ledger = replay->ledger;
    struct log_options options = {
        .storage = ledger->storage,
        .meta = ledger->meta,
        .replay = take_frame,
        .replay_context = replay,
        .progress = &ledger->progress,
        .wake = wake_workers,
        .wake_context = ledger,
        .log_line = ledger_log_line,
        .log_context = ledger,
        .background = true,
    };
    int error = log_open(&options, &ledger->log, report);
    if (error == 0)
        error = hand_filled(replay);
    /* the replayers end after their last chunk, whatever happened */
    int last = hand_chunk(replay, NULL);
    return error != 0 ? error : last;
}

int recovery_run(struct florin *ledger)
{
    uint64_t started_ns = clock_monotonic_ns();
    struct replay replay = {.ledger = ledger};
    struct replayer replayers[FLORIN_WORKERS_MAX];
    struct log_report report = {0};
    int error = -ENOMEM;
    pthread_mutex_init(&replay.lock, NULL);
    pthread_cond_init(&replay.changed, NULL);
    replay.chunks[0].bytes = malloc(CHUNK_BYTES);
    replay.chunks[1].bytes = malloc(CHUNK_BYTES);
    if (replay.chunks[0].bytes == NULL || replay.chunks[1].bytes == NULL)
        goto free_chunks;

    unsigned started = start_replayers(&replay, replayers);
    if (started == ledger->worker_count) {
        error = open_log(&replay, &report);
    } else {
        error = -EAGAIN;
        hand_chunk(&replay, NULL);
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(replayers[i].thread, NULL);

    if (error == 0)
        log_success(ledger, &report, clock_monotonic_ns() - started_ns);
    else if (replay.fault.replay != SHARD_REPLAY_APPLIED || replay.fault.undecodable)
        log_fault(ledger, replay.fault);
    else if (error == -EBADMSG)
        log_damage(ledger, &report);

free_chunks:
    free(replay.chunks[0].bytes);
    free(replay.chunks[1].bytes);
    pthread_cond_destroy(&replay.changed);
    pthread_mutex_destroy(&replay.lock);
    return error;
}
