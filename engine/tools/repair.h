/* repair.h - drops the end of a log that cannot be read, when the operator accepts the loss.
 *
 *     florin repair DIR --drop-from LSN --accept-loss
 *
 * What is changed or removed is first copied to DIR/quarantine/<time>/, byte for byte and flushed;
 * what was done stands in repair.log there. Nothing in quarantine/ is ever overwritten.
 *
 * Interrupted at any point, the same repair can be run again; where all was done already, it says
 * so with -ERANGE: there is nothing to drop.
 *
 * Thread: the main thread of a tool.
 */
#ifndef FLORIN_TOOLS_REPAIR_H
#define FLORIN_TOOLS_REPAIR_H

#include <stdint.h>

#include "problem.h"

enum repair_mode {
    REPAIR_SAY,         /* only say what would be lost */
    REPAIR_ACCEPT_LOSS, /* do it */
};

/* One line for the operator, without newline. */
typedef void repair_line(void *context, const char *line);

/* Makes `first_dropped_lsn` the next LSN of the log. `now_ns`: Unix time, for the name of the
 * quarantine.
 *
 * 0; -ENOENT: no ledger there; -EBUSY: a process has it open; -ERANGE: the log does not have that
 * LSN, or nothing could be recovered before it; -EINVAL: the log is damaged before it; -EEXIST: the
 * quarantine of this second is there already; -EBADMSG; -errno. With all but the last nothing was
 * changed. */
__attribute__((warn_unused_result)) int
repair_directory(const char *path, uint64_t first_dropped_lsn, enum repair_mode mode,
                 uint64_t now_ns, repair_line *say, void *context, struct tool_problem *problem);

#endif
