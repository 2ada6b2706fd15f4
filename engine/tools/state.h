/* state.h - the accounts and keys of a directory as of an LSN, in the memory of a tool.
 *
 * Built from a checkpoint and the log, or from the log alone. One shard for all: what is summed
 * over it does not depend on how many workers wrote it.
 *
 * Thread: one at a time a state.
 */
#ifndef FLORIN_TOOLS_STATE_H
#define FLORIN_TOOLS_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "directory.h"
#include "engine/core/key_filter.h"
#include "engine/core/shard.h"

/* The end of the log, where an LSN is asked for. */
#define STATE_AT_END UINT64_MAX

struct state {
    const struct tool_directory *directory;
    struct shard shard;
    struct key_filters filters; /* says only up to where keys are in files */
    void *memory;
    size_t memory_bytes;
};

/* `keys_to_lsn`: keys of records up to there are in key files and stay out of memory. 0, -ENOMEM.
 */
__attribute__((warn_unused_result)) int
state_init(struct state *state, const struct tool_directory *directory, uint64_t keys_to_lsn);
void state_deinit(struct state *state);

/* Loads a whole checkpoint (its number in directory->files) into an empty state and checks blocks,
 * sums and counts. 0; -EBADMSG; -ENOMEM; -errno. */
__attribute__((warn_unused_result)) int state_load(struct state *state, size_t index,
                                                   struct checkpoint_info *info,
                                                   struct checkpoint_totals *totals,
                                                   tool_progress *progress, void *progress_context,
                                                   struct tool_problem *problem);

/* Applies a record with all its legs: a tool_visit_record for which context is the state. */
int state_apply(void *context, const struct record *record, uint64_t lsn,
                struct tool_problem *problem);

/* What a state at some LSN is built from. */
struct state_basis {
    bool is_checkpoint; /* else the log from its first record on */
    size_t index;       /* of the checkpoint in directory->files */
    struct checkpoint_info info;
    struct checkpoint_totals totals;
};

/* The newest checkpoint, among the first `index_end` files, that ended at or before `lsn`; or the
 * log, when it begins at LSN 1. 0; -ERANGE: neither; *problem says from which LSN on there is one;
 * -errno. */
__attribute__((warn_unused_result)) int state_find_basis(const struct tool_directory *directory,
                                                         uint64_t lsn, size_t index_end,
                                                         struct state_basis *basis,
                                                         struct tool_problem *problem);

/* Builds the state at `lsn` into *state, which is then to be deinitialised, from the newest basis
 * that is not damaged. *last_lsn: the LSN that it is of. 0; -ERANGE: no such LSN, or none that can
 * be built; -EBADMSG; -errno. */
__attribute__((warn_unused_result)) int
state_build(struct state *state, const struct tool_directory *directory, uint64_t lsn,
            uint64_t keys_to_lsn, tool_progress *progress, void *progress_context,
            uint64_t *last_lsn, struct tool_problem *problem);

#endif
