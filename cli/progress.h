/* progress.h - a line on stderr that says how far something long is; on a terminal only.
 *
 * Thread: the main thread.
 */
#ifndef FLORIN_CLI_PROGRESS_H
#define FLORIN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown; /* stderr is a terminal */
    bool drawn; /* a line stands there */
    uint64_t drawn_ns;
};

void progress_start(struct progress *progress);

/* A tool_progress (engine/tools/directory.h); context is the struct progress. Draws at most ten
 * times a second. */
void progress_show(void *context, const char *what, uint64_t done, uint64_t total);

/* Wipes the line, before something else is printed. */
void progress_end(struct progress *progress);

#endif
