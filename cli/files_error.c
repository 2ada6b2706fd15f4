/* files_error.c - errors of the machine and problems of files, in words and exit codes. */
#include "files_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum exit_code files_error_code(int error)
{
    switch (-error) {
    case EBADMSG:
        return EXIT_DAMAGED;
    case EBUSY:
        return EXIT_LOCKED;
    case EEXIST:
        return EXIT_CANNOT_CREATE;
    case ERANGE:
    case EINVAL:
    case ENODATA:
        return EXIT_USAGE;
    case EACCES:
    case EPERM:
        return EXIT_NO_PERMISSION;
    default:
        return EXIT_IO;
    }
}

enum exit_code files_error(const char *path, int error, const struct tool_problem *problem)
{
    char text[TOOL_PROBLEM_TEXT_MAX];
    if (problem != NULL && problem->reason[0] != '\0')
        problem_text(problem, text);
    else
        snprintf(text, sizeof(text), "%s",
                 error == -ENOENT ? "there is no ledger" : strerror(-error));
    fprintf(stderr, "florin: %s: %s\n", path, text);
    return files_error_code(error);
}
