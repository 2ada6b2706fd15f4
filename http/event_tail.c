/* event_tail.c - a ring of blocks. */
#include "event_tail.h"

#include <assert.h>

static struct event_block **place(struct event_tail *tail, uint64_t number)
{
    return &tail->blocks[(tail->first + number) % EVENT_TAIL_BLOCKS];
}

static void drop_oldest(struct event_tail *tail)
{
    struct event_block *block = *place(tail, 0);
    tail->start = block->last;
    tail->bytes -= block->length;
    tail->first++;
    tail->count--;
    event_block_release(block);
}

void event_tail_begin(struct event_tail *tail, uint64_t position)
{
    assert(!tail->is_live && tail->count == 0);
    tail->is_live = true;
    tail->start = position;
    tail->end = position;
}

void event_tail_end(struct event_tail *tail)
{
    while (tail->count > 0)
        drop_oldest(tail);
    tail->is_live = false;
}

void event_tail_append(struct event_tail *tail, struct event_block *block)
{
    while (tail->count == EVENT_TAIL_BLOCKS ||
           (tail->count > 0 && tail->bytes + block->length > EVENT_TAIL_BYTES_MAX))
        drop_oldest(tail);
    *place(tail, tail->count) = block;
    tail->count++;
    tail->bytes += block->length;
}

struct event_block *event_tail_find(const struct event_tail *tail, uint64_t position)
{
    uint64_t low = 0;
    uint64_t high = tail->count;
    assert(position >= tail->start);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (tail->blocks[(tail->first + middle) % EVENT_TAIL_BLOCKS]->last <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low == tail->count ? NULL : tail->blocks[(tail->first + low) % EVENT_TAIL_BLOCKS];
}
