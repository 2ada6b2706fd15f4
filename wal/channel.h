/* channel.h - one write at a time, without blocking: the way of group commit to the disk.
 *
 * submit -> (the descriptor becomes readable) -> reap. A reaped success means: all bytes are on
 * stable storage (write and flush). Background files that are flushed once, at their end, ask for
 * the write alone. Three implementations: io_uring (channel_uring.h), a helper thread with pwrite
 * and fdatasync (channel_posix.h), the simulated disk of the tests.
 *
 * Short writes are finished, EINTR and EAGAIN retried a bounded number of times, inside. Every
 * other error is final (reliability rule: a flush is never retried).
 *
 * Thread: the worker's that owns the channel.
 */
#ifndef FLORIN_WAL_CHANNEL_H
#define FLORIN_WAL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage.h"

struct channel;

/* What a reaped success promises. */
enum channel_flush {
    CHANNEL_FLUSH,    /* the bytes are on stable storage */
    CHANNEL_NO_FLUSH, /* they are written; a later sync of the storage makes them durable */
};

struct channel_operations {
    /* Starts one write. Nothing is under way. `buffer`, `length`, `offset` are multiples of
     * STORAGE_ALIGNMENT; the buffer stays untouched until it is reaped. 0 or -errno (then
     * nothing was started). */
    int (*submit)(struct channel *channel, struct storage_file *file, const void *buffer,
                  size_t length, uint64_t offset, enum channel_flush flush);
    /* false: nothing finished yet. true: *result is 0 or -errno. Never blocks. */
    bool (*reap)(struct channel *channel, int *result);
    /* Readable when there is something to reap; for epoll and poll. Constant. */
    int (*descriptor)(const struct channel *channel);
    /* Waits for a write under way, then frees. */
    void (*destroy)(struct channel *channel);
};

struct channel {
    const struct channel_operations *operations;
};

#endif
