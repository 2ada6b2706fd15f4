/* keeper.h - what the ledger does in the background: checkpoints, key files, retention.
 *
 * One thread, or keeper_step() of the simulator. It owns the files; the accounts it gets from the
 * workers, a block at a time:
 *
 *     keeper                                   worker, between rounds
 *     slice.state = WANTED, wakes it
 *                                              fills slice.bytes with images: some 50 us
 *                                              slice.state = FULL or LAST, wakes the keeper
 *     writes the block, WANTED again ...
 *
 * The life of a checkpoint:
 *
 *     1. begin     start LSN = what is durable now; the place in the log to read from
 *     2. write     the accounts of all workers, while they go on changing
 *     3. settle    until the newest change in any image is durable, and the key files cover the
 * start
 *     4. finish    footer, flush, read back, rename; then older files go, and log by the rule
 *
 * A fault in any step gives the checkpoint up and nothing else: the log is kept, the service goes
 * on.
 */
#ifndef FLORIN_RUNTIME_KEEPER_H
#define FLORIN_RUNTIME_KEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkpoint_file.h"
#include "ledger.h"

struct florin;
struct keeper;
struct worker;

enum slice_state {
    SLICE_IDLE,
    SLICE_WANTED, /* the worker's turn */
    SLICE_FULL,   /* the keeper's turn */
    SLICE_LAST,   /* the same, and nothing comes after it */
};

#define SLICE_END_UNKNOWN UINT32_MAX

/* Between the keeper and one worker. All but `state` belongs to whose turn it is; a store of
 * `state` is a release, the load an acquire. */
struct slice {
    _Atomic int state;
    uint32_t cursor;
    uint32_t slot_end; /* SLICE_END_UNKNOWN until the worker has looked */
    size_t length;
    struct shard_sums sums;
    uint64_t newest_time_ns; /* of the shard's records, when it last wrote images */
    uint8_t bytes[CHECKPOINT_PAYLOAD_BYTES];
};

/* What was recovered from; the keeper goes on from there. */
struct keeper_start {
    uint64_t kept[CHECKPOINTS_KEPT]; /* start LSNs of valid checkpoints, newest first */
    struct log_start log_starts[CHECKPOINTS_KEPT];
    size_t kept_count;
    uint64_t log_bytes; /* behind the newest one */
};

/* After the log and the key files are open. Starts the thread unless the ledger is single-threaded.
 * 0 or -errno. */
int keeper_create(struct florin *ledger, const struct keeper_start *start, struct keeper **keeper);

/* Gives up what is under way. NULL is allowed. */
void keeper_destroy(struct keeper *keeper);

/* One step of work; false: nothing to do now. Thread: the keeper's. */
bool keeper_step(struct keeper *keeper);

/* There may be something to do. Thread: any. */
void keeper_wake(struct keeper *keeper);

/* As the functions of ledger.h and florin.h. */
int keeper_request_checkpoint(struct keeper *keeper, uint64_t *number);
int keeper_make_checkpoint(struct keeper *keeper);
void keeper_statistics(struct keeper *keeper, struct ledger_keeper_statistics *statistics);

/* The worker's part of a round: newer filters, keys to forget, the slice; well under a millisecond.
 * Thread: the worker's. */
void keeper_serve(struct worker *worker);

/* Whether keeper_serve() would do something: then the worker does not sleep. Thread: the worker's.
 */
bool keeper_wants(const struct worker *worker);

#endif
