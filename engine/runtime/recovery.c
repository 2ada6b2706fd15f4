/* recovery.c - replays the log into the shards, on as many threads as there are workers.
 *
 * The calling thread reads and verifies the log (log_open) and fills one chunk with records, while
 * the replayers apply the chunks before. Every replayer walks the whole chunk and applies the
 * records of its own shard: finding the owner of a record costs some ten nanoseconds, applying one
 * some hundred, and no record has to be copied into queues.
 *
 *     log_open -> [chunk][chunk][chunk][chunk]   filled by the caller, in turn
 *                     each walked by replayer 0, 1, ... at its own pace; filled again when all are
 * done
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
    /* Enough that neither reading nor a slower replayer makes the others wait at every chunk. */
    CHUNKS = 4,
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

struct replayer {
    struct replay *replay;
    struct worker *worker;
    pthread_t thread;
    uint64_t walked; /* chunks; under the lock */
};

struct replay {
    struct florin *ledger;
    struct chunk chunks[CHUNKS]; /* chunk number n stands at n % CHUNKS */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    struct replayer replayers[FLORIN_WORKERS_MAX];
    unsigned replayer_count;
    uint64_t handed;           /* chunks given to the replayers; the next one is being filled */
    bool ended;                /* nothing comes after them */
    struct replay_fault fault; /* the one with the lowest LSN */
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

/* The next chunk for a replayer, or NULL at the end. */
static const struct chunk *next_chunk(struct replayer *replayer)
{
    struct replay *replay = replayer->replay;
    pthread_mutex_lock(&replay->lock);
    while (replayer->walked == replay->handed && !replay->ended)
        pthread_cond_wait(&replay->changed, &replay->lock);
    bool end = replayer->walked == replay->handed;
    pthread_mutex_unlock(&replay->lock);
    return end ? NULL : &replay->chunks[replayer->walked % CHUNKS];
}

static void *run_replayer(void *context)
{
    struct replayer *replayer = context;
    struct replay *replay = replayer->replay;
    const struct chunk *chunk;
    while ((chunk = next_chunk(replayer)) != NULL) {
        walk_chunk(replayer, chunk);
        pthread_mutex_lock(&replay->lock);
        replayer->walked++;
        pthread_cond_broadcast(&replay->changed);
        pthread_mutex_unlock(&replay->lock);
    }
    shard_audit(&replayer->worker->shard);
    return NULL;
}

static bool has_fault(const struct replay *replay)
{
    return replay->fault.replay != SHARD_REPLAY_APPLIED || replay->fault.undecodable;
}

/* Whether every replayer is so far that the next chunk may be filled. Under the lock. */
static bool may_fill(const struct replay *replay)
{
    for (unsigned i = 0; i < replay->replayer_count; i++) {
        if (replay->replayers[i].walked + CHUNKS <= replay->handed)
            return false;
    }
    return true;
}

static struct chunk *filling_chunk(struct replay *replay)
{
    return &replay->chunks[replay->handed % CHUNKS];
}

/* Does all replayers' work on the filled chunk. 0, or -EBADMSG. */
static int walk_here(struct replay *replay)
{
    struct chunk *chunk = filling_chunk(replay);
    for (unsigned i = 0; i < replay->ledger->worker_count; i++)
        walk_chunk(&replay->replayers[i], chunk);
    chunk->byte_count = 0;
    return has_fault(replay) ? -EBADMSG : 0;
}

/* Gives the filled chunk to the replayers and waits for an empty one. 0, or -EBADMSG when they met
 * a fault. */
static int hand_filled(struct replay *replay)
{
    if (filling_chunk(replay)->byte_count == 0)
        return 0;
    if (replay->ledger->single_thread)
        return walk_here(replay);
    pthread_mutex_lock(&replay->lock);
    replay->handed++;
    pthread_cond_broadcast(&replay->changed);
    while (!may_fill(replay))
        pthread_cond_wait(&replay->changed, &replay->lock);
    bool fault = has_fault(replay);
    pthread_mutex_unlock(&replay->lock);
    filling_chunk(replay)->byte_count = 0;
    return fault ? -EBADMSG : 0;
}

/* log_open()'s callback: one frame's records. */
static int take_frame(void *context, uint64_t first_lsn, uint32_t record_count,
                      const uint8_t *bytes, size_t length)
{
    struct replay *replay = context;
    assert(length <= CHUNK_BYTES);
    if (filling_chunk(replay)->byte_count + length > CHUNK_BYTES) {
        int error = hand_filled(replay);
        if (error != 0)
            return error;
    }
    struct chunk *chunk = filling_chunk(replay);
    if (chunk->byte_count == 0)
        chunk->first_lsn = first_lsn;
    memcpy(chunk->bytes + chunk->byte_count, bytes, length);
    chunk->byte_count += length;
    chunk->next_lsn = first_lsn + record_count;
    return 0;
}

/* 0 or -errno of the thread that could not be made. */
static int start_replayers(struct replay *replay)
{
    for (unsigned i = 0; i < replay->ledger->worker_count; i++) {
        struct replayer *replayer = &replay->replayers[i];
        replayer->replay = replay;
        replayer->worker = &replay->ledger->workers[i];
        if (replay->ledger->single_thread)
            continue;
        int error = pthread_create(&replayer->thread, NULL, run_replayer, replayer);
        if (error != 0)
            return -error;
        replay->replayer_count++;
    }
    return 0;
}

/* The replayers end after their last chunk, whatever happened. 0, or -EBADMSG when they met a
 * fault. */
static int end_replayers(struct replay *replay)
{
    pthread_mutex_lock(&replay->lock);
    replay->ended = true;
    pthread_cond_broadcast(&replay->changed);
    pthread_mutex_unlock(&replay->lock);
    for (unsigned i = 0; i < replay->replayer_count; i++)
        pthread_join(replay->replayers[i].thread, NULL);
    for (unsigned i = 0; replay->ledger->single_thread && i < replay->ledger->worker_count; i++)
        shard_audit(&replay->ledger->workers[i].shard);
    return has_fault(replay) ? -EBADMSG : 0;
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

static void log_success(struct florin *ledger, const struct log_report *report, uint64_t took_ns)
{
    uint64_t accounts = 0;
    for (unsigned i = 0; i < ledger->worker_count; i++)
        accounts += ledger->workers[i].shard.accounts.count;
    ledger_log(ledger,
               "level=info event=recovered end=%s segments=%" PRIu64 " records=%" PRIu64
               " accounts=%" PRIu64 " last_lsn=%" PRIu64 " epoch=%" PRIu32 " dropped_bytes=%" PRIu64
               " ms=%" PRIu64,
               log_end_name(report->end), report->segments, report->records, accounts,
               report->last_lsn, report->epoch, report->dropped_bytes, took_ns / 1000000);
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
        .background = !ledger->single_thread,
    };
    int error = log_open(&options, &ledger->log, report);
    return error != 0 ? error : hand_filled(replay);
}

static int allocate_chunks(struct replay *replay)
{
    for (unsigned i = 0; i < CHUNKS; i++) {
        replay->chunks[i].bytes = malloc(CHUNK_BYTES);
        if (replay->chunks[i].bytes == NULL)
            return -ENOMEM;
    }
    return 0;
}

int recovery_run(struct florin *ledger)
{
    uint64_t started_ns = clock_monotonic_ns();
    struct replay replay = {.ledger = ledger};
    struct log_report report = {0};
    pthread_mutex_init(&replay.lock, NULL);
    pthread_cond_init(&replay.changed, NULL);
    int error = allocate_chunks(&replay);
    if (error == 0)
        error = start_replayers(&replay);
    if (error == 0)
        error = open_log(&replay, &report);
    int replay_error = end_replayers(&replay);
    if (error == 0)
        error = replay_error;

    if (error == 0)
        log_success(ledger, &report, clock_monotonic_ns() - started_ns);
    else if (has_fault(&replay))
        log_fault(ledger, replay.fault);
    else if (error == -EBADMSG)
        log_damage(ledger, &report);

    for (unsigned i = 0; i < CHUNKS; i++)
        free(replay.chunks[i].bytes);
    pthread_cond_destroy(&replay.changed);
    pthread_mutex_destroy(&replay.lock);
    return error;
}
