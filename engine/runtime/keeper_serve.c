/* keeper_serve.c - the workers' part of background work: images for a checkpoint, keys to forget.
 *
 * Guarantees: a call takes well under a millisecond (the counts below), and says how long it took;
 * a slice shows no change that has no LSN yet; a key is forgotten only when the filters that this
 * shard uses cover it. Must not know: files.
 */
#include "clock.h"
#include "keeper.h"
#include "ledger_state.h"

enum {
    /* Keys forgotten a round: some 100 ns each. */
    FORGET_KEYS_MAX = 1024,
    /* Images written a round: as many as a block holds, if they are small. */
    SLICE_ACCOUNTS_MAX = 1024,
};

static bool stage_is_empty(const struct worker *worker)
{
    return worker->shard.stage.record_count == 0;
}

static bool has_keys_to_forget(const struct worker *worker)
{
    return atomic_load_explicit(&worker->filters_done, memory_order_relaxed) !=
           atomic_load_explicit(&worker->ledger->key_filters, memory_order_acquire);
}

bool keeper_wants(const struct worker *worker)
{
    if (has_keys_to_forget(worker))
        return true;
    return atomic_load_explicit(&worker->slice.state, memory_order_acquire) == SLICE_WANTED &&
           stage_is_empty(worker);
}

/* Uses the newest filters, and forgets what they cover. true: there is more to forget. */
static bool forget_keys(struct worker *worker)
{
    /* Acquire: pairs with the keeper's release; the filters are complete. */
    const struct key_filters *filters =
        atomic_load_explicit(&worker->ledger->key_filters, memory_order_acquire);
    worker->shard.key_filters = filters;
    if (shard_forget_keys(&worker->shard, FORGET_KEYS_MAX) == FORGET_KEYS_MAX)
        return true;
    /* Release: the keeper may free older filters. */
    atomic_store_explicit(&worker->filters_done, filters, memory_order_release);
    keeper_wake(worker->ledger->keeper);
    return false;
}

_Static_assert((int)ACCOUNT_IMAGE_BYTES_MAX <= (int)CHECKPOINT_PAYLOAD_BYTES,
               "an empty block takes any image");

/* Whether the next image fits behind the others. */
static bool slice_has_room(const struct worker *worker)
{
    const struct slice *slice = &worker->slice;
    const struct account_table *accounts = &worker->shard.accounts;
    return account_image_size(accounts, &accounts->slots[slice->cursor]) <=
           sizeof(slice->bytes) - slice->length;
}

static void fill_slice(struct worker *worker)
{
    struct slice *slice = &worker->slice;
    /* Accounts that are opened later stand in the log behind the checkpoint's start. */
    if (slice->slot_end == SLICE_END_UNKNOWN)
        slice->slot_end = worker->shard.accounts.count;
    slice->length += shard_write_images(
        &worker->shard, &slice->cursor, slice->slot_end, slice->bytes + slice->length,
        sizeof(slice->bytes) - slice->length, SLICE_ACCOUNTS_MAX, &slice->sums);
    slice->newest_time_ns = worker->shard.last_time_ns;
    bool last = slice->cursor == slice->slot_end;
    if (!last && slice_has_room(worker))
        return;
    atomic_store_explicit(&slice->state, last ? SLICE_LAST : SLICE_FULL, memory_order_release);
    keeper_wake(worker->ledger->keeper);
}

_Static_assert((int)LEDGER_PAUSE_BUCKETS == (int)LOG_HISTOGRAM_BUCKETS, "one kind of histogram");

/* Only this thread writes it. */
static void raise_maximum(_Atomic uint64_t *maximum, uint64_t value)
{
    if (value > atomic_load_explicit(maximum, memory_order_relaxed))
        atomic_store_explicit(maximum, value, memory_order_relaxed);
}

static void note_pause(struct worker *worker, uint64_t ns, uint64_t cpu_ns)
{
    uint64_t us = ns / 1000;
    struct worker_pauses *pauses = &worker->pauses;
    /* Relaxed, and only this thread writes: figures for a person. */
    atomic_fetch_add_explicit(&pauses->us[log_histogram_bucket(us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pauses->us_sum, us, memory_order_relaxed);
    raise_maximum(&pauses->ns_max, ns);
    raise_maximum(&pauses->cpu_ns_max, cpu_ns);
}

void keeper_serve(struct worker *worker)
{
    const struct key_table *keys = &worker->shard.keys;
    if (keys->count > keys->slots_max / 2)
        keeper_wake(worker->ledger->keeper); /* before memory is full */
    if (!keeper_wants(worker))
        return;
    uint64_t started_ns = clock_monotonic_ns();
    uint64_t started_cpu_ns = clock_thread_cpu_ns();
    bool more = has_keys_to_forget(worker) && forget_keys(worker);
    if (!more && stage_is_empty(worker) &&
        atomic_load_explicit(&worker->slice.state, memory_order_acquire) == SLICE_WANTED)
        fill_slice(worker);
    note_pause(worker, clock_monotonic_ns() - started_ns, clock_thread_cpu_ns() - started_cpu_ns);
}
