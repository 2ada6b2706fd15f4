/* ring.h - messages from one thread to one other, through a ring of bytes.
 *
 * Single producer, single consumer, no lock. Messages have any length up to a quarter of the ring,
 * lie in one piece, 8-byte aligned, behind a length word:
 *
 *     head (consumer)                     tail (producer)
 *      v                                   v
 *     [len|message....][len|message][len|..............]     a message that does not fit before
 *     the end of the ring leaves a WRAP word and starts at the front again.
 *
 * Both sides work on a private position and publish it when they like, so that many messages
 * cost one store:
 *
 *     producer: ring_reserve() ... ring_reserve(), ring_publish()   tail: release
 *     consumer: ring_next() ... ring_next(), ring_release()         head: release
 *
 * Each side's acquire of the other's position stands in ring_reserve() (head, before bytes are
 * overwritten) and ring_next() (tail, before bytes are read).
 */
#ifndef FLORIN_RUNTIME_RING_H
#define FLORIN_RUNTIME_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RING_CACHE_LINE = 64 };

struct ring {
    /* set at init, then read-only */
    _Alignas(RING_CACHE_LINE) uint8_t *bytes;
    uint64_t capacity; /* a power of two */

    /* producer side */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t tail;
    uint64_t tail_private;
    uint64_t head_seen;

    /* consumer side */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t head;
    uint64_t head_private;
    uint64_t tail_seen;
};

/* Bytes that a message of `length` takes at most, a wrap not counted. */
static inline size_t ring_message_bytes(size_t length)
{
    return (8 + length + 7) & ~(size_t)7;
}

/* `bytes`: `capacity` (a power of two, >= 4096) bytes aligned to 64, kept by the caller. */
void ring_init(struct ring *ring, uint8_t *bytes, size_t capacity);

/* Room for one message, to be filled before ring_publish(). NULL: full. Thread: the producer. */
void *ring_reserve(struct ring *ring, size_t length);

/* Whether a message of `length` would leave a quarter of the ring free. Thread: the producer. */
bool ring_has_ample_room(struct ring *ring, size_t length);

/* Lets the consumer see what was reserved. true: there was something new. Thread: the producer. */
bool ring_publish(struct ring *ring);

/* The next message, or NULL; it stays readable until ring_release(). ring_peek() leaves it the
 * next one. Thread: the consumer. */
const void *ring_next(struct ring *ring, size_t *length);
const void *ring_peek(struct ring *ring, size_t *length);

/* Gives back all that ring_next() has returned. Thread: the consumer. */
void ring_release(struct ring *ring);

/* Whether ring_next() would return NULL now. Thread: the consumer. */
bool ring_is_empty(struct ring *ring);

#endif
