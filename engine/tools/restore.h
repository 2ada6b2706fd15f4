/* restore.h - makes a directory from a backup, as it was at its end or at an earlier moment.
 *
 *     florin restore BACKUP DIR [--until LSN|TIME]
 *
 * Everything is done in DIR.tmp and looked at; then it gets its name. So DIR is whole, or not
 * there. What an interrupted restore leaves as DIR.tmp is refused by all that open a ledger, until
 * it is as whole as DIR will be.
 *
 * Thread: the main thread of a tool.
 */
#ifndef FLORIN_TOOLS_RESTORE_H
#define FLORIN_TOOLS_RESTORE_H

#include <stdint.h>

#include "directory.h"
#include "engine/runtime/backup_format.h"
#include "problem.h"

enum restore_until {
    RESTORE_WHOLE,
    RESTORE_UNTIL_LSN,  /* the last LSN that is kept */
    RESTORE_UNTIL_TIME, /* Unix nanoseconds: the first later record and all behind it go */
};

struct restore_options {
    int input;             /* descriptor of the backup */
    const char *directory; /* not there, or empty */
    enum restore_until until;
    uint64_t value;
    tool_progress *progress; /* may be NULL */
    void *progress_context;
};

struct restore_report {
    struct backup_info backup;
    uint64_t lsn; /* that the directory ends with */
    uint64_t digest;
    uint64_t accounts;
    uint64_t keys;
};

/* 0; -EEXIST: the directory is not empty, or DIR.tmp is there; -ERANGE: `until` is before what the
 * backup can give, or, as an LSN, behind its end; -EBADMSG: the backup is damaged; -errno. After an
 * error neither DIR nor DIR.tmp is left behind, if they were not there before. */
__attribute__((warn_unused_result)) int restore_backup(const struct restore_options *options,
                                                       struct restore_report *report,
                                                       struct tool_problem *problem);

#endif
