/* sim_content.h - what a file of the simulated disk holds.
 *
 * Copies of a disk, and durable and current content, share it until one of them is written to. A
 * pool keeps the memory of contents that are gone: memory that is fresh from the kernel costs a
 * page fault every 4 KiB, and a simulation writes, loses and rewrites its files all the time.
 *
 * Thread: one.
 */
#ifndef TESTS_SUPPORT_SIM_CONTENT_H
#define TESTS_SUPPORT_SIM_CONTENT_H

#include <stddef.h>
#include <stdint.h>

enum { CONTENT_CLASSES = 40 }; /* powers of two; no file is larger than the last */

struct content {
    size_t users;
    uint64_t size;
    unsigned class;       /* room for 2^class bytes */
    struct content *next; /* in the pool */
    uint8_t bytes[];
};

struct content_pool {
    size_t users; /* disks: one, and those that were made from it */
    struct content *idle[CONTENT_CLASSES];
};

struct content_pool *content_pool_create(void);
struct content_pool *content_pool_share(struct content_pool *pool);
void content_pool_release(struct content_pool *pool);

/* NULL is an empty content. */
struct content *content_share(struct content *content);
void content_release(struct content_pool *pool, struct content *content);

/* The bytes, for writing: at least `size` of them, new ones zeroed, and nobody else's. */
uint8_t *content_own(struct content_pool *pool, struct content **content, uint64_t size);

/* Writes into it, and zeroes what then lies between its end and `offset`. */
void content_write(struct content_pool *pool, struct content **content, const uint8_t *bytes,
                   size_t length, uint64_t offset);

#endif
