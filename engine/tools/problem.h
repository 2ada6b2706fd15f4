/* problem.h - what is wrong with a directory or a backup, in one line: where, and what.
 *
 * Every tool that answers -EBADMSG, -ERANGE, -EINVAL, -EBUSY or -EEXIST fills one.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_TOOLS_PROBLEM_H
#define FLORIN_TOOLS_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

#include "wal/block_file.h"
#include "wal/log.h"
#include "wal/log_reader.h"

struct tool_problem {
    char file[STORAGE_NAME_MAX]; /* below the directory; "": none of them */
    uint64_t offset;
    uint64_t lsn; /* 0: none */
    char reason[256];
};

enum { TOOL_PROBLEM_TEXT_MAX = 512 };

/* Return what the caller passes on: -EBADMSG, or the error of which it is. */
int problem_of_file(struct tool_problem *problem, const struct block_file_fault *fault);
int problem_of_log(struct tool_problem *problem, const struct log_fault *fault);
int problem_of_report(struct tool_problem *problem, const struct log_report *report);
__attribute__((format(printf, 5, 6))) int problem_say(struct tool_problem *problem, int error,
                                                      const char *file, uint64_t lsn,
                                                      const char *format, ...);

/* "log/0000000000000001.wal at offset 4096, LSN 17: reason". */
void problem_text(const struct tool_problem *problem, char text[TOOL_PROBLEM_TEXT_MAX]);

#endif
