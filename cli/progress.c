/* progress.c - draws over its own line. It must not know what goes on. */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 40 };

static const uint64_t redraw_ns = 100000000;

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void progress_start(struct progress *progress)
{
    *progress = (struct progress){.shown = isatty(STDERR_FILENO) == 1};
}

void progress_show(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    static const char full[] = "########################################";
    uint64_t now = progress->shown ? now_ns() : 0;
    if (!progress->shown || (progress->drawn && now - progress->drawn_ns < redraw_ns))
        return;
    progress->drawn = true;
    progress->drawn_ns = now;
    if (total == 0) {
        fprintf(stderr, "\r\033[K%s: %" PRIu64 " MiB", what, done >> 20);
        return;
    }
    if (done > total)
        done = total;
    int filled = (int)(done * BAR_WIDTH / total);
    fprintf(stderr, "\r\033[K%-10s [%.*s%*s] %3u%%", what, filled, full, BAR_WIDTH - filled, "",
            (unsigned)(done * 100 / total));
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
