/* cut.h - takes a directory back to an earlier LSN: for repair and for restoring to a point in
 * time.
 *
 *     1. checkpoints that know of a later change are removed
 *     2. key files lose the keys of later records
 *     3. the log is cut
 *
 * In this order, so that an interruption leaves a directory that opens with its old end, or that
 * the same cut finishes. What is lost is lost: the caller has copied the originals, or works on a
 * copy.
 *
 * Thread: the caller's; nobody else has the directory open.
 */
#ifndef FLORIN_TOOLS_CUT_H
#define FLORIN_TOOLS_CUT_H

#include <stdint.h>

#include "directory.h"
#include "state.h"
#include "wal/log_cut.h"

/* Everything that the cut needs to know, and that can refuse it, is found before anything is
 * changed. */
struct cut_plan {
    uint64_t first_dropped_lsn;
    struct log_start start; /* from where the log is followed */
    uint64_t first_segment; /* that will be changed, at most; all later ones may be */
    uint64_t digest;        /* of the state before the first dropped LSN */
    uint64_t accounts;
    uint64_t keys;
    uint64_t keys_to_lsn;               /* of the key files, before the cut */
    bool drops[CHECKPOINTS_LISTED_MAX]; /* checkpoints, by their number in directory->files */
};

/* Builds the state that will be there afterwards, to be sure that there is one. 0; -ERANGE: that
 * LSN is not in the log, or its state cannot be built any more; -EINVAL: the log is damaged before
 * it; -EBADMSG; -errno. */
__attribute__((warn_unused_result)) int cut_prepare(const struct tool_directory *directory,
                                                    uint64_t first_dropped_lsn,
                                                    struct cut_plan *plan,
                                                    struct tool_problem *problem);

/* 0; -EBUSY: somebody has the log open; -EBADMSG; -errno. */
__attribute__((warn_unused_result)) int cut_directory(const struct tool_directory *directory,
                                                      const struct cut_plan *plan,
                                                      struct log_cut_report *report,
                                                      struct tool_problem *problem);

#endif
