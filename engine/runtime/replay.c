/* replay.c - chunks of records and images, walked by one replayer a shard.
 *
 * Guarantees: records of one account are applied in the order of the log, and legs in their order
 * in the record, each by the shard that has its account; the fault that is reported is the one with
 * the lowest LSN of those that were met. Must not know: files.
 */
#include "replay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/account_image.h"
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
    bool of_images;
    uint64_t first_lsn; /* records only */
    uint64_t next_lsn;
};

struct replayer {
    struct replay *replay;
    struct worker *worker;
    pthread_t thread;
    struct shard_sums sums; /* its own; read after replay_finish() */
    uint64_t walked;        /* chunks; under the lock */
};

struct replay {
    struct florin *ledger;
    struct chunk chunks[CHUNKS]; /* chunk number n stands at n % CHUNKS */
    bool single_thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    struct replayer replayers[FLORIN_WORKERS_MAX];
    unsigned replayer_count;
    uint64_t handed;           /* chunks given to the replayers; the next one is being filled */
    bool ended;                /* nothing comes after them */
    bool audit;                /* at the end */
    struct replay_fault fault; /* the one with the lowest LSN */
};

struct replay_item {
    union {
        struct record record;
        struct account_image image;
    };
    struct record_leg leg;
    bool is_leg; /* `leg` of `record` is to be applied, not the record's own account */
    uint64_t hash;
    uint64_t lsn;
};

static bool has_fault(const struct replay *replay)
{
    return replay->fault.replay != SHARD_REPLAY_APPLIED || replay->fault.undecodable;
}

static void note_fault(struct replay *replay, struct replay_fault fault)
{
    pthread_mutex_lock(&replay->lock);
    if (!has_fault(replay) || fault.lsn < replay->fault.lsn)
        replay->fault = fault;
    pthread_mutex_unlock(&replay->lock);
}

static void note_undecodable(struct replay *replay, uint64_t lsn)
{
    note_fault(replay, (struct replay_fault){.undecodable = true, .lsn = lsn});
}

/* --- records --------------------------------------------------------------------------------- */

/* First of two steps; the second, of what the first has fetched, is in apply_records(). */
static void prefetch_record(const struct shard *shard, const struct replay_item *item)
{
    const struct record *record = &item->record;
    struct florin_command named = {.account = record->id,
                                   .account_length = record->id_length,
                                   .key = record->key,
                                   .key_length = record->key_length};
    shard_prefetch(shard, item->hash);
    if (!item->is_leg)
        shard_prefetch_key(shard, &named);
}

static enum shard_replay apply_item(struct shard *shard, const struct replay_item *item)
{
    return item->is_leg ? shard_replay_leg(shard, &item->record, &item->leg, item->hash, item->lsn)
                        : shard_replay(shard, &item->record, item->hash, item->lsn);
}

/* Applies a window; false: a record does not fit. */
static bool apply_records(struct replayer *replayer, const struct replay_item *items,
                          unsigned count)
{
    struct shard *shard = &replayer->worker->shard;
    for (unsigned i = 0; i < count; i++)
        shard_prefetch_account(shard, items[i].hash);
    for (unsigned i = 0; i < count; i++) {
        enum shard_replay replay = apply_item(shard, &items[i]);
        if (replay != SHARD_REPLAY_APPLIED && replay != SHARD_REPLAY_OLDER) {
            note_fault(replayer->replay,
                       (struct replay_fault){.replay = replay, .lsn = items[i].lsn});
            return false;
        }
    }
    return true;
}

struct replay_window {
    struct replay_item items[REPLAY_WINDOW];
    unsigned count;
};

/* Puts the item behind those of the window into it, when its account is this replayer's; applies a
 * full window. false: a record does not fit. */
static bool take_item(struct replayer *replayer, struct replay_window *window)
{
    struct replay_item *item = &window->items[window->count];
    const struct florin *ledger = replayer->replay->ledger;
    const char *id = item->is_leg ? item->leg.id : item->record.id;
    size_t id_length = item->is_leg ? item->leg.id_length : item->record.id_length;

    item->hash = hash_account(&ledger->secret, id, id_length);
    if (ledger_owner(ledger, item->hash) != replayer->worker->number)
        return true;
    prefetch_record(&replayer->worker->shard, item);
    if (++window->count < REPLAY_WINDOW)
        return true;
    window->count = 0;
    return apply_records(replayer, window->items, REPLAY_WINDOW);
}

/* The record that was decoded into the item behind those of the window: its own account, and each
 * of its legs. */
static bool take_record(struct replayer *replayer, struct replay_window *window, uint64_t lsn)
{
    /* Whatever takes its place below is of the same record. */
    struct replay_item *own = &window->items[window->count];
    const uint8_t *at = own->record.leg_bytes;

    own->is_leg = false;
    own->lsn = lsn;
    bool fits = take_item(replayer, window);
    for (uint8_t i = 0; i < own->record.leg_count && fits; i++) {
        struct replay_item *item = &window->items[window->count];
        if (item != own)
            item->record = own->record;
        at = record_next_leg(at, &item->leg);
        item->is_leg = true;
        item->lsn = lsn;
        fits = take_item(replayer, window);
    }
    return fits;
}

static void walk_records(struct replayer *replayer, const struct chunk *chunk)
{
    struct replay_window window;
    size_t offset = 0;
    window.count = 0;
    for (uint64_t lsn = chunk->first_lsn; lsn < chunk->next_lsn; lsn++) {
        size_t size = record_decode(chunk->bytes + offset, chunk->byte_count - offset,
                                    &window.items[window.count].record);
        if (size == 0) {
            note_undecodable(replayer->replay, lsn);
            return;
        }
        offset += size;
        if (!take_record(replayer, &window, lsn))
            return;
    }
    if (apply_records(replayer, window.items, window.count) && offset != chunk->byte_count)
        note_undecodable(replayer->replay, chunk->next_lsn);
}

/* --- images ---------------------------------------------------------------------------------- */

static bool load_images(struct replayer *replayer, const struct replay_item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        enum shard_replay replay = shard_load_image(&replayer->worker->shard, &items[i].image,
                                                    items[i].hash, &replayer->sums);
        if (replay != SHARD_REPLAY_APPLIED) {
            note_fault(replayer->replay,
                       (struct replay_fault){.replay = replay, .lsn = items[i].lsn});
            return false;
        }
    }
    return true;
}

static void walk_images(struct replayer *replayer, const struct chunk *chunk)
{
    const struct florin *ledger = replayer->replay->ledger;
    struct replay_item window[REPLAY_WINDOW];
    unsigned count = 0;
    for (size_t offset = 0; offset < chunk->byte_count;) {
        struct replay_item *item = &window[count];
        size_t size =
            account_image_decode(chunk->bytes + offset, chunk->byte_count - offset, &item->image);
        if (size == 0) {
            note_undecodable(replayer->replay, 0);
            return;
        }
        offset += size;
        item->hash = hash_account(&ledger->secret, item->image.id, item->image.id_length);
        if (ledger_owner(ledger, item->hash) != replayer->worker->number)
            continue;
        item->lsn = item->image.last_lsn;
        shard_prefetch(&replayer->worker->shard, item->hash);
        if (++count == REPLAY_WINDOW) {
            if (!load_images(replayer, window, count))
                return;
            count = 0;
        }
    }
    (void)load_images(replayer, window, count);
}

static void walk_chunk(struct replayer *replayer, const struct chunk *chunk)
{
    if (chunk->of_images)
        walk_images(replayer, chunk);
    else
        walk_records(replayer, chunk);
}

/* --- the replayers --------------------------------------------------------------------------- */

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
    if (replay->audit)
        shard_audit(&replayer->worker->shard);
    return NULL;
}

/* --- filling --------------------------------------------------------------------------------- */

/* Whether every replayer is so far that at most `behind` chunks are not walked. Under the lock. */
static bool are_near(const struct replay *replay, uint64_t behind)
{
    for (unsigned i = 0; i < replay->replayer_count; i++) {
        if (replay->replayers[i].walked + behind < replay->handed)
            return false;
    }
    return true;
}

static struct chunk *filling_chunk(struct replay *replay)
{
    return &replay->chunks[replay->handed % CHUNKS];
}

/* Does all replayers' work on the filled chunk. */
static void walk_here(struct replay *replay)
{
    const struct chunk *chunk = filling_chunk(replay);
    for (unsigned i = 0; i < replay->ledger->worker_count; i++)
        walk_chunk(&replay->replayers[i], chunk);
}

/* Gives the filled chunk to the replayers and waits until at most `behind` are not walked. 0, or
 * -EBADMSG when they met a fault. */
static int hand_filled(struct replay *replay, uint64_t behind)
{
    bool filled = filling_chunk(replay)->byte_count > 0;
    if (filled && replay->single_thread)
        walk_here(replay);
    pthread_mutex_lock(&replay->lock);
    if (filled && !replay->single_thread)
        replay->handed++;
    pthread_cond_broadcast(&replay->changed);
    while (!are_near(replay, behind))
        pthread_cond_wait(&replay->changed, &replay->lock);
    bool fault = has_fault(replay);
    pthread_mutex_unlock(&replay->lock);
    filling_chunk(replay)->byte_count = 0;
    return fault ? -EBADMSG : 0;
}

/* Makes room for `length` bytes of one kind in the chunk that is being filled. */
static int make_room(struct replay *replay, size_t length, bool of_images)
{
    struct chunk *chunk = filling_chunk(replay);
    assert(length <= CHUNK_BYTES);
    int error = 0;
    if (chunk->byte_count + length > CHUNK_BYTES ||
        (chunk->byte_count > 0 && chunk->of_images != of_images))
        error = hand_filled(replay, CHUNKS - 1);
    filling_chunk(replay)->of_images = of_images;
    return error;
}

static void append(struct chunk *chunk, const uint8_t *bytes, size_t length)
{
    memcpy(chunk->bytes + chunk->byte_count, bytes, length);
    chunk->byte_count += length;
}

int replay_take_frame(void *context, uint64_t first_lsn, uint32_t record_count,
                      const uint8_t *bytes, size_t length)
{
    struct replay *replay = context;
    int error = make_room(replay, length, false);
    if (error != 0)
        return error;
    struct chunk *chunk = filling_chunk(replay);
    if (chunk->byte_count == 0)
        chunk->first_lsn = first_lsn;
    append(chunk, bytes, length);
    chunk->next_lsn = first_lsn + record_count;
    return 0;
}

int replay_take_images(struct replay *replay, const uint8_t *bytes, size_t length)
{
    int error = make_room(replay, length, true);
    if (error == 0)
        append(filling_chunk(replay), bytes, length);
    return error;
}

int replay_finish(struct replay *replay)
{
    return hand_filled(replay, 0);
}

struct shard_sums replay_sums(const struct replay *replay)
{
    struct shard_sums sums = {0};
    for (unsigned i = 0; i < replay->ledger->worker_count; i++)
        shard_sums_add(&sums, &replay->replayers[i].sums);
    return sums;
}

struct replay_fault replay_first_fault(const struct replay *replay)
{
    return replay->fault;
}

/* --- life cycle ------------------------------------------------------------------------------ */

static int start_replayers(struct replay *replay)
{
    for (unsigned i = 0; i < replay->ledger->worker_count; i++) {
        struct replayer *replayer = &replay->replayers[i];
        replayer->replay = replay;
        replayer->worker = &replay->ledger->workers[i];
        if (replay->single_thread)
            continue;
        int error = pthread_create(&replayer->thread, NULL, run_replayer, replayer);
        if (error != 0)
            return -error;
        replay->replayer_count++;
    }
    return 0;
}

int replay_create(struct florin *ledger, struct replay **created)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (replay == NULL)
        return -ENOMEM;
    replay->ledger = ledger;
    replay->single_thread = ledger->single_thread;
    pthread_mutex_init(&replay->lock, NULL);
    pthread_cond_init(&replay->changed, NULL);
    int error = 0;
    for (unsigned i = 0; i < CHUNKS && error == 0; i++) {
        replay->chunks[i].bytes = malloc(CHUNK_BYTES);
        if (replay->chunks[i].bytes == NULL)
            error = -ENOMEM;
    }
    if (error == 0)
        error = start_replayers(replay);
    if (error != 0) {
        replay_destroy(replay, false);
        return error;
    }
    *created = replay;
    return 0;
}

void replay_destroy(struct replay *replay, bool audit)
{
    if (replay == NULL)
        return;
    pthread_mutex_lock(&replay->lock);
    replay->ended = true;
    replay->audit = audit;
    pthread_cond_broadcast(&replay->changed);
    pthread_mutex_unlock(&replay->lock);
    for (unsigned i = 0; i < replay->replayer_count; i++)
        pthread_join(replay->replayers[i].thread, NULL);
    for (unsigned i = 0; audit && replay->single_thread && i < replay->ledger->worker_count; i++)
        shard_audit(&replay->ledger->workers[i].shard);
    for (unsigned i = 0; i < CHUNKS; i++)
        free(replay->chunks[i].bytes);
    pthread_cond_destroy(&replay->changed);
    pthread_mutex_destroy(&replay->lock);
    free(replay);
}
