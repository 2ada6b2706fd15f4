/* arena.h - cuts the memory that a table is given at start into parts.
 *
 * A table states its size as a sum of arena_bytes() and takes its parts in the same order with
 * arena_take(). Every part begins on a cache line of its own.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_ARENA_H
#define FLORIN_CORE_ARENA_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARENA_ALIGNMENT = 64 };

struct arena {
    uint8_t *next;
};

/* What a part of `count` elements of `size` bytes takes. Asserts that it is a size at all. */
static inline size_t arena_bytes(uint64_t count, size_t size)
{
    size_t bytes;
    bool overflow = __builtin_mul_overflow(count, size, &bytes) ||
                    __builtin_add_overflow(bytes, ARENA_ALIGNMENT - 1, &bytes);
    assert(!overflow);
    return bytes / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

static inline struct arena arena_init(void *memory)
{
    assert((uintptr_t)memory % ARENA_ALIGNMENT == 0);
    return (struct arena){.next = memory};
}

static inline void *arena_take(struct arena *arena, size_t bytes)
{
    void *part = arena->next;
    assert(bytes % ARENA_ALIGNMENT == 0);
    arena->next += bytes;
    return part;
}

#endif
