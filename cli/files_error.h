/* files_error.h - how a tool ends that could not do what it should with files.
 *
 * Thread: any.
 */
#ifndef FLORIN_CLI_FILES_ERROR_H
#define FLORIN_CLI_FILES_ERROR_H

#include "engine/tools/problem.h"
#include "exit_codes.h"

/* Prints one line to stderr (path, place, reason) for `error` < 0; the exit code. `problem`: NULL,
 * or with a reason when the error is one that has one. */
enum exit_code files_error(const char *path, int error, const struct tool_problem *problem);

/* The exit code alone. */
enum exit_code files_error_code(int error);

#endif
