/* ring.c - the ring of ring.h. */
#include "ring.h"

#include <assert.h>
#include <string.h>

static const uint64_t ring_wrap = UINT64_MAX;

void ring_init(struct ring *ring, uint8_t *bytes, size_t capacity)
{
    assert(capacity >= 4096);
    assert((capacity & (capacity - 1)) == 0);
    memset(ring, 0, sizeof *ring);
    ring->bytes = bytes;
    ring->capacity = capacity;
}

static uint8_t *ring_at(struct ring *ring, uint64_t position)
{
    return ring->bytes + (position & (ring->capacity - 1));
}

static void write_word(uint8_t *at, uint64_t word)
{
    memcpy(at, &word, sizeof word);
}

static uint64_t read_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static bool has_room(struct ring *ring, uint64_t need)
{
    if (ring->tail_private + need - ring->head_seen <= ring->capacity)
        return true;
    /* pairs with the release in ring_release(): the consumer has read what we overwrite */
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
    return ring->tail_private + need - ring->head_seen <= ring->capacity;
}

bool ring_has_ample_room(struct ring *ring, size_t length)
{
    /* the message, what may be lost where the ring wraps, and the quarter */
    return has_room(ring, 2 * ring_message_bytes(length) + ring->capacity / 4);
}

void *ring_reserve(struct ring *ring, size_t length)
{
    uint64_t need = ring_message_bytes(length);
    assert(need <= ring->capacity / 4);
    uint64_t to_end = ring->capacity - (ring->tail_private & (ring->capacity - 1));
    uint64_t skip = to_end < need ? to_end : 0;
    if (!has_room(ring, skip + need))
        return NULL;
    if (skip > 0)
        write_word(ring_at(ring, ring->tail_private), ring_wrap);
    ring->tail_private += skip;
    uint8_t *at = ring_at(ring, ring->tail_private);
    write_word(at, length);
    ring->tail_private += need;
    return at + 8;
}

bool ring_publish(struct ring *ring)
{
    if (ring->tail_private == atomic_load_explicit(&ring->tail, memory_order_relaxed))
        return false;
    /* pairs with the acquire in ring_is_empty(): the messages are written */
    atomic_store_explicit(&ring->tail, ring->tail_private, memory_order_release);
    return true;
}

bool ring_is_empty(struct ring *ring)
{
    if (ring->head_private != ring->tail_seen)
        return false;
    /* pairs with the release in ring_publish() */
    ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return ring->head_private == ring->tail_seen;
}

const void *ring_peek(struct ring *ring, size_t *length)
{
    if (ring_is_empty(ring))
        return NULL;
    uint64_t word = read_word(ring_at(ring, ring->head_private));
    if (word == ring_wrap) {
        ring->head_private += ring->capacity - (ring->head_private & (ring->capacity - 1));
        word = read_word(ring_at(ring, ring->head_private));
    }
    *length = word;
    return ring_at(ring, ring->head_private) + 8;
}

const void *ring_next(struct ring *ring, size_t *length)
{
    const void *message = ring_peek(ring, length);
    if (message != NULL)
        ring->head_private += ring_message_bytes(*length);
    return message;
}

void ring_release(struct ring *ring)
{
    if (ring->head_private == atomic_load_explicit(&ring->head, memory_order_relaxed))
        return;
    /* pairs with the acquire in has_room(): we are done with the bytes */
    atomic_store_explicit(&ring->head, ring->head_private, memory_order_release);
}
