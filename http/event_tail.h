/* event_tail.h - the newest events of one form, in blocks: what followers at the end of the log
 * share.
 *
 *     start                                 end
 *     |[block][block]....[block]............|      events behind `start` up to `end`, without gaps
 *
 * Where only refusals stand there is no block. The oldest blocks go when there are too many.
 *
 * Thread: one at a time; the feeder's mutex guards it.
 */
#ifndef FLORIN_HTTP_EVENT_TAIL_H
#define FLORIN_HTTP_EVENT_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event_block.h"

enum {
    EVENT_TAIL_BLOCKS = 512,
    /* Followers that are less than this behind cost no reading of their own. */
    EVENT_TAIL_BYTES_MAX = 4 * 1024 * 1024,
};

struct event_tail {
    bool is_live; /* it is kept up; else it has nothing */
    unsigned followers;
    uint64_t start;
    uint64_t end;
    uint64_t first; /* number of the oldest block */
    uint64_t count;
    size_t bytes;
    struct event_block *blocks[EVENT_TAIL_BLOCKS];
};

/* It was not live: now it is, empty, at this position. */
void event_tail_begin(struct event_tail *tail, uint64_t position);
void event_tail_end(struct event_tail *tail);

/* Takes the block over. The caller moves `end`. */
void event_tail_append(struct event_tail *tail, struct event_block *block);

/* The first block with events behind the position, which is not before `start`; NULL: there is
 * none. */
struct event_block *event_tail_find(const struct event_tail *tail, uint64_t position);

#endif
