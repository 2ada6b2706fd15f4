/* problem.c - one shape for the faults of all files. It must not know what the tools do. */
#include "problem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int problem_of_file(struct tool_problem *problem, const struct block_file_fault *fault)
{
    *problem = (struct tool_problem){.offset = fault->offset};
    snprintf(problem->file, sizeof(problem->file), "%s", fault->file);
    snprintf(problem->reason, sizeof(problem->reason), "%s", fault->reason);
    return -EBADMSG;
}

int problem_of_log(struct tool_problem *problem, const struct log_fault *fault)
{
    *problem = (struct tool_problem){.offset = fault->offset, .lsn = fault->lsn};
    snprintf(problem->file, sizeof(problem->file), "%s", fault->file);
    snprintf(problem->reason, sizeof(problem->reason), "%s", fault->reason);
    return -EBADMSG;
}

int problem_of_report(struct tool_problem *problem, const struct log_report *report)
{
    *problem = (struct tool_problem){.offset = report->offset, .lsn = report->lsn};
    snprintf(problem->file, sizeof(problem->file), "%s", report->file);
    snprintf(problem->reason, sizeof(problem->reason), "%s", report->reason);
    return -EBADMSG;
}

int problem_say(struct tool_problem *problem, int error, const char *file, uint64_t lsn,
                const char *format, ...)
{
    *problem = (struct tool_problem){.lsn = lsn};
    snprintf(problem->file, sizeof(problem->file), "%s", file);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->reason, sizeof(problem->reason), format, arguments);
    va_end(arguments);
    return error;
}

void problem_text(const struct tool_problem *problem, char text[TOOL_PROBLEM_TEXT_MAX])
{
    size_t length = 0;
    text[0] = '\0';
    if (problem->file[0] != '\0')
        length += (size_t)snprintf(text, TOOL_PROBLEM_TEXT_MAX, "%s at offset %" PRIu64,
                                   problem->file, problem->offset);
    if (problem->lsn != 0)
        length += (size_t)snprintf(text + length, TOOL_PROBLEM_TEXT_MAX - length, "%sLSN %" PRIu64,
                                   length == 0 ? "" : ", ", problem->lsn);
    snprintf(text + length, TOOL_PROBLEM_TEXT_MAX - length, "%s%s", length == 0 ? "" : ": ",
             problem->reason);
}
