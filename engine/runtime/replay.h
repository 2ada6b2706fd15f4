/* replay.h - records of the log and images of checkpoints into the shards, on as many threads as
 * there are workers.
 *
 * The calling thread reads and verifies files, and fills one chunk, while the replayers apply the
 * chunks before. Every replayer walks the whole chunk and applies what belongs to its own shard:
 * finding the owner costs some ten nanoseconds, applying some hundred, and nothing has to be copied
 * into queues.
 *
 *     caller -> [chunk][chunk][chunk][chunk]   filled in turn
 *                   each walked by replayer 0, 1, ... at its own pace; filled again when all are
 * done
 *
 * What does not fit the ledger's rules ends it with -EBADMSG.
 */
#ifndef FLORIN_RUNTIME_REPLAY_H
#define FLORIN_RUNTIME_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/shard.h"

struct florin;
struct replay;

struct replay_fault {
    enum shard_replay replay; /* SHARD_REPLAY_APPLIED: none */
    bool undecodable;
    uint64_t lsn; /* of a record; of an image: of its newest change */
};

/* Starts the replayers (none in a single-threaded ledger: then the caller's thread does it all). 0
 * or -errno. */
int replay_create(struct florin *ledger, struct replay **replay);

/* The records of one frame, as log_options.replay. 0, or -EBADMSG when something before did not
 * fit. `context`: the replay. */
int replay_take_frame(void *context, uint64_t first_lsn, uint32_t record_count,
                      const uint8_t *bytes, size_t length);

/* The images of one block of a checkpoint. */
int replay_take_images(struct replay *replay, const uint8_t *bytes, size_t length);

/* Waits until all that was taken is applied. 0, or -EBADMSG. */
int replay_finish(struct replay *replay);

/* Sums of the images so far. After replay_finish(). */
struct shard_sums replay_sums(const struct replay *replay);

/* The first thing that did not fit. After replay_finish(). */
struct replay_fault replay_first_fault(const struct replay *replay);

/* Ends the replayers; checks all shards (shard_audit()) when `audit`. NULL is allowed. */
void replay_destroy(struct replay *replay, bool audit);

#endif
