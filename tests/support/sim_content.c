/* sim_content.c - shared, growing bytes, and the memory of those that are gone. */
#include "support/sim_content.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CLASS_MIN = 12 };

/* --- the pool -------------------------------------------------------------------------------- */

struct content_pool *content_pool_create(void)
{
    struct content_pool *pool = calloc(1, sizeof(*pool));
    assert(pool != NULL);
    pool->users = 1;
    return pool;
}

struct content_pool *content_pool_share(struct content_pool *pool)
{
    pool->users++;
    return pool;
}

void content_pool_release(struct content_pool *pool)
{
    if (--pool->users > 0)
        return;
    for (unsigned class = 0; class < CONTENT_CLASSES; class ++) {
        while (pool->idle[class] != NULL) {
            struct content *content = pool->idle[class];
            pool->idle[class] = content->next;
            free(content);
        }
    }
    free(pool);
}

/* An empty one with room for `bytes`, which hold anything. */
static struct content *pool_take(struct content_pool *pool, uint64_t bytes)
{
    unsigned class = CLASS_MIN;
    while (UINT64_C(1) << class < bytes)
        class ++;
    assert(class < CONTENT_CLASSES);
    struct content *content = pool->idle[class];
    if (content != NULL)
        pool->idle[class] = content->next;
    else
        content = malloc(sizeof(*content) + ((size_t)1 << class));
    assert(content != NULL);
    *content = (struct content){.users = 1, .class = class};
    return content;
}

/* --- content --------------------------------------------------------------------------------- */

struct content *content_share(struct content *content)
{
    if (content != NULL)
        content->users++;
    return content;
}

void content_release(struct content_pool *pool, struct content *content)
{
    if (content == NULL || --content->users > 0)
        return;
    content->next = pool->idle[content->class];
    pool->idle[content->class] = content;
}

/* Nobody else's, with room for `size` bytes. The size stays. */
static void reserve(struct content_pool *pool, struct content **content, uint64_t size)
{
    struct content *old = *content;
    if (old != NULL && old->users == 1 && UINT64_C(1) << old->class >= size)
        return;
    uint64_t old_size = old == NULL ? 0 : old->size;
    struct content *owned = pool_take(pool, size > old_size ? size : old_size);
    owned->size = old_size;
    if (old_size > 0)
        memcpy(owned->bytes, old->bytes, old_size);
    content_release(pool, old);
    *content = owned;
}

uint8_t *content_own(struct content_pool *pool, struct content **content, uint64_t size)
{
    reserve(pool, content, size);
    struct content *owned = *content;
    if (size > owned->size) {
        memset(owned->bytes + owned->size, 0, size - owned->size);
        owned->size = size;
    }
    return owned->bytes;
}

void content_write(struct content_pool *pool, struct content **content, const uint8_t *bytes,
                   size_t length, uint64_t offset)
{
    uint64_t end = offset + length;
    reserve(pool, content, end);
    struct content *owned = *content;
    if (offset > owned->size)
        memset(owned->bytes + owned->size, 0, offset - owned->size);
    memcpy(owned->bytes + offset, bytes, length);
    if (end > owned->size)
        owned->size = end;
}
