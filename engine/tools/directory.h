/* directory.h - a data directory, opened for reading: what is in it, and a walk over its log.
 *
 * Takes no lock and writes nothing, so it may look at a directory that a server has open: it then
 * sees a prefix of what the server writes.
 *
 * Thread: one at a time a directory.
 */
#ifndef FLORIN_TOOLS_DIRECTORY_H
#define FLORIN_TOOLS_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/hash.h"
#include "engine/core/record.h"
#include "engine/runtime/checkpoint_file.h"
#include "engine/runtime/directory_files.h"
#include "problem.h"
#include "wal/log.h"
#include "wal/meta.h"
#include "wal/storage.h"

struct tool_directory {
    struct storage *storage;
    struct meta meta;
    struct hash_secret secret;
    struct directory_files files;
    uint64_t first_segment; /* that is kept; 0: there is no log */
    uint64_t last_segment;
};

/* 0; -ENOENT: there is no ledger; -EBADMSG: meta is damaged or of another version, or a restore did
 * not finish; -errno. */
__attribute__((warn_unused_result)) int tool_directory_open(const char *path,
                                                            struct tool_directory *directory,
                                                            struct tool_problem *problem);
/* The same for the restore itself: also while the directory is marked as unfinished, which
 * tool_directory_open() refuses with -EBADMSG. */
__attribute__((warn_unused_result)) int
tool_directory_open_unfinished(const char *path, struct tool_directory *directory,
                               struct tool_problem *problem);
void tool_directory_close(struct tool_directory *directory);

/* A checkpoint by the number of its place in files. 0; -EBADMSG; -errno. */
__attribute__((warn_unused_result)) int
tool_directory_checkpoint(const struct tool_directory *directory, size_t index,
                          struct checkpoint_info *info, struct checkpoint_totals *totals,
                          struct tool_problem *problem);

/* --- the log --------------------------------------------------------------------------------- */

/* A record of the log. 0: go on; -ECANCELED: enough; -EBADMSG: it does not fit, as the problem
 * says.
 */
typedef int tool_visit_record(void *context, const struct record *record, uint64_t lsn,
                              struct tool_problem *problem);

/* Called now and then while something long goes on. `total` 0: not known. */
typedef void tool_progress(void *context, const char *what, uint64_t done, uint64_t total);

struct tool_walk {
    const struct tool_directory *directory;
    struct log_start start;
    uint64_t durable_lsn;     /* as in log_options */
    tool_visit_record *visit; /* NULL: only the frames are checked */
    void *context;
    tool_progress *progress; /* may be NULL */
    void *progress_context;
    /* set by tool_walk_log() */
    struct log_report report;
    bool stopped;      /* visit had enough */
    bool moving;       /* somebody writes to the log: it goes on behind its end in `report` */
    uint64_t last_lsn; /* that was visited; before the first one: that before the start */
};

/* Visits all records in order and judges how the log ends. 0; -EBADMSG: damaged, or what visit
 * said; -errno. */
__attribute__((warn_unused_result)) int tool_walk_log(struct tool_walk *walk,
                                                      struct tool_problem *problem);

/* The start of the last segment that begins at or before an LSN, so that a walk from there meets
 * its record. 0; -ENODATA: that part of the log was removed; -EBADMSG; -errno. */
__attribute__((warn_unused_result)) int
tool_directory_find_start(const struct tool_directory *directory, uint64_t lsn,
                          struct log_start *start, struct tool_problem *problem);

#endif
