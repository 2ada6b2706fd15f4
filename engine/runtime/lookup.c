/* lookup.c - the commands of one worker that wait for a look-up.
 *
 * Guarantees: the list keeps the order of arrival. It must not know how keys are looked up.
 */
#include "lookup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int lookups_init(struct lookups *lookups)
{
    *lookups = (struct lookups){.free = LOOKUP_NONE, .head = LOOKUP_NONE, .tail = LOOKUP_NONE};
    lookups->pool = calloc(LOOKUPS_MAX, sizeof(*lookups->pool));
    if (lookups->pool == NULL)
        return -ENOMEM;
    return 0;
}

void lookups_deinit(struct lookups *lookups)
{
    free(lookups->pool);
    lookups->pool = NULL;
}

struct lookup *lookups_add(struct lookups *lookups, const struct florin_command *command,
                           uint64_t account_hash, uint64_t deadline_ns)
{
    if (lookups->free == LOOKUP_NONE && lookups->untouched == LOOKUPS_MAX)
        return NULL;
    bool again = lookups->free != LOOKUP_NONE;
    int32_t number = again ? lookups->free : lookups->untouched++;
    struct lookup *lookup = lookups_at(lookups, number);
    assert(message_command_bytes(command) <= sizeof(lookup->message));
    if (again)
        lookups->free = lookup->next;
    message_put_command(lookup->message, command, account_hash, 0);
    lookup->account_hash = account_hash;
    lookup->deadline_ns = deadline_ns;
    lookup->state = LOOKUP_WAITING;
    lookup->kind = SHARD_LOOKUP_NONE;
    lookup->found = (struct shard_found){0};
    lookup->error = 0;
    lookup->next = LOOKUP_NONE;
    if (lookups->tail == LOOKUP_NONE)
        lookups->head = number;
    else
        lookups_at(lookups, lookups->tail)->next = number;
    lookups->tail = number;
    lookups->count++;
    lookups->crowd[account_hash % LOOKUPS_CROWD]++;
    return lookup;
}

void lookups_remove(struct lookups *lookups, int32_t before, int32_t number)
{
    struct lookup *lookup = lookups_at(lookups, number);
    assert(lookup->state != LOOKUP_READING);
    if (before == LOOKUP_NONE)
        lookups->head = lookup->next;
    else
        lookups_at(lookups, before)->next = lookup->next;
    if (lookups->tail == number)
        lookups->tail = before;
    lookups->count--;
    lookups->crowd[lookup->account_hash % LOOKUPS_CROWD]--;
    lookup->next = lookups->free;
    lookups->free = number;
}
