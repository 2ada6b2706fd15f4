/* unpack.h - reads the stream of a backup into a new directory.
 *
 * The stream is not trusted: only the members that a backup has, in their order, with sizes in
 * bounds, are written, under names that were parsed; the manifest must be what the members add up
 * to.
 *
 * Thread: one at a time a stream.
 */
#ifndef FLORIN_TOOLS_UNPACK_H
#define FLORIN_TOOLS_UNPACK_H

#include <stdint.h>

#include "engine/runtime/backup_format.h"
#include "problem.h"
#include "wal/storage.h"

/* Reads a whole stream from a descriptor into an empty directory; every file and folder is flushed.
 * 0; -EBADMSG: not a backup, of another version, damaged, or cut off (problem->file: the member,
 * problem->offset: of the stream); -errno. Afterwards, and after an error, the directory holds what
 * was written. */
__attribute__((warn_unused_result)) int unpack_backup(int input, struct storage *storage,
                                                      struct backup_info *info,
                                                      struct tool_problem *problem);

#endif
