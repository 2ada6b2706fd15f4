/* parked.c - a fixed table with a free list, and the guards that connect it to request memory.
 *
 * Guarantees: no pointer to a request outlives the request; a token is good for one use. It must
 * not know what the requests are about.
 */
#include "parked.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define PARKED_END UINT32_MAX

struct parked_guard {
    struct parked_request *entry; /* NULL: detached */
};

static void dispose_guard(void *memory)
{
    struct parked_guard *guard = memory;
    if (guard->entry == NULL)
        return;
    guard->entry->request = NULL;
    guard->entry->guard = NULL;
    guard->entry->echo.legs = NULL; /* they were the request's */
}

int parked_init(struct parked *parked, uint32_t capacity)
{
    /* tokens of other kinds have a bit above (batch.h) */
    assert(capacity <= FLORIN_WAITERS_MAX);
    struct parked_request *entries = calloc(capacity, sizeof(*entries));
    if (entries == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < capacity; i++)
        entries[i].next_free = i + 1 < capacity ? i + 1 : PARKED_END;
    *parked = (struct parked){.entries = entries, .capacity = capacity};
    return 0;
}

void parked_deinit(struct parked *parked)
{
    free(parked->entries);
}

struct parked_request *parked_add(struct parked *parked, h2o_req_t *request)
{
    if (parked->first_free == PARKED_END)
        return NULL;
    struct parked_request *entry = &parked->entries[parked->first_free];
    assert(entry->generation % 2 == 0);
    struct parked_guard *guard =
        h2o_mem_alloc_shared(&request->pool, sizeof(*guard), dispose_guard);
    guard->entry = entry;
    parked->first_free = entry->next_free;
    parked->count++;
    entry->generation++;
    entry->request = request;
    entry->guard = guard;
    entry->history = NULL;
    entry->page = NULL;
    entry->reversal = NULL;
    entry->reversals = NULL;
    return entry;
}

uint64_t parked_token(const struct parked *parked, const struct parked_request *entry)
{
    return (uint64_t)entry->generation << 32 | (uint64_t)(entry - parked->entries);
}

struct parked_request *parked_find(struct parked *parked, uint64_t token)
{
    uint32_t index = (uint32_t)token;
    assert(index < parked->capacity);
    struct parked_request *entry = &parked->entries[index];
    /* Exactly one result comes for every command: an old token is a fault of the engine. */
    assert(entry->generation == (uint32_t)(token >> 32));
    return entry;
}

h2o_req_t *parked_remove(struct parked *parked, struct parked_request *entry)
{
    h2o_req_t *request = entry->request;
    assert(entry->generation % 2 == 1);
    if (entry->guard != NULL)
        entry->guard->entry = NULL;
    entry->guard = NULL;
    entry->request = NULL;
    entry->generation++;
    entry->next_free = parked->first_free;
    parked->first_free = (uint32_t)(entry - parked->entries);
    parked->count--;
    return request;
}
