/* lookup.c - the commands of one worker that wait for a look-up.
 *
 * Guarantees: the list keeps the order of arrival. It must not know how keys are looked up.
 */
#include "lookup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int lookups_init(struct lookups *lookups, uint32_t claims_max)
{
    *lookups = (struct lookups){
        .free = LOOKUP_NONE,
        .claims_free = LOOKUP_NONE,
        .claims_untouched = LOOKUPS_MAX,
        .claims_max = claims_max,
        .head = LOOKUP_NONE,
        .tail = LOOKUP_NONE,
    };
    for (unsigned i = 0; i < LOOKUPS_CROWD; i++)
        lookups->crowd_head[i] = lookups->crowd_tail[i] = LOOKUP_NONE;
    lookups->pool = calloc((size_t)LOOKUPS_MAX + claims_max, sizeof(*lookups->pool));
    lookups->messages = malloc((size_t)LOOKUPS_MAX * LOOKUP_MESSAGE_BYTES);
    if (lookups->pool != NULL && lookups->messages != NULL)
        return 0;
    lookups_deinit(lookups);
    return -ENOMEM;
}

void lookups_deinit(struct lookups *lookups)
{
    free(lookups->pool);
    free(lookups->messages);
    lookups->pool = NULL;
    lookups->messages = NULL;
}

/* The first in line of an account; LOOKUP_NONE: nobody. */
static int32_t first_of(const struct lookups *lookups, uint64_t account_hash)
{
    int32_t number = lookups->crowd_head[account_hash % LOOKUPS_CROWD];
    while (number != LOOKUP_NONE && lookups->pool[number].account_hash != account_hash)
        number = lookups->pool[number].next_in_crowd;
    return number;
}

bool lookups_stand_before(const struct lookups *lookups, uint64_t account_hash)
{
    return lookups->count > 0 && first_of(lookups, account_hash) != LOOKUP_NONE;
}

bool lookups_is_first(const struct lookups *lookups, int32_t number)
{
    return first_of(lookups, lookups->pool[number].account_hash) == number;
}

static void leave_crowd(struct lookups *lookups, int32_t number)
{
    const struct lookup *lookup = &lookups->pool[number];
    unsigned crowd = lookup->account_hash % LOOKUPS_CROWD;
    int32_t before = LOOKUP_NONE;
    for (int32_t i = lookups->crowd_head[crowd]; i != number; i = lookups->pool[i].next_in_crowd)
        before = i;
    if (before == LOOKUP_NONE)
        lookups->crowd_head[crowd] = lookup->next_in_crowd;
    else
        lookups->pool[before].next_in_crowd = lookup->next_in_crowd;
    if (lookups->crowd_tail[crowd] == number)
        lookups->crowd_tail[crowd] = before;
}

static void append(struct lookups *lookups, int32_t number, uint64_t account_hash)
{
    struct lookup *lookup = lookups_at(lookups, number);
    lookup->account_hash = account_hash;
    lookup->next = LOOKUP_NONE;
    if (lookups->tail == LOOKUP_NONE)
        lookups->head = number;
    else
        lookups_at(lookups, lookups->tail)->next = number;
    lookups->tail = number;
    lookups->count++;
    unsigned crowd = account_hash % LOOKUPS_CROWD;
    lookup->next_in_crowd = LOOKUP_NONE;
    if (lookups->crowd_tail[crowd] == LOOKUP_NONE)
        lookups->crowd_head[crowd] = number;
    else
        lookups_at(lookups, lookups->crowd_tail[crowd])->next_in_crowd = number;
    lookups->crowd_tail[crowd] = number;
}

struct lookup *lookups_add(struct lookups *lookups, const struct florin_command *command,
                           uint64_t account_hash, uint64_t deadline_ns)
{
    if (lookups->free == LOOKUP_NONE && lookups->untouched == LOOKUPS_MAX)
        return NULL;
    bool again = lookups->free != LOOKUP_NONE;
    int32_t number = again ? lookups->free : lookups->untouched++;
    struct lookup *lookup = lookups_at(lookups, number);
    assert(message_command_bytes(command) <= LOOKUP_MESSAGE_BYTES);
    if (again)
        lookups->free = lookup->next;
    lookup->message = lookups->messages + (size_t)number * LOOKUP_MESSAGE_BYTES;
    message_put_command(lookup->message, command, account_hash, 0);
    lookup->is_posting = posting_is(command->kind);
    lookups->posting_count += lookup->is_posting;
    lookup->deadline_ns = deadline_ns;
    lookup->state = LOOKUP_WAITING;
    lookup->kind = SHARD_LOOKUP_NONE;
    lookup->is_reversal = false;
    lookup->found = (struct shard_found){0};
    lookup->error = 0;
    append(lookups, number, account_hash);
    return lookup;
}

void lookups_add_claim(struct lookups *lookups, uint32_t claim, uint64_t account_hash)
{
    bool again = lookups->claims_free != LOOKUP_NONE;
    int32_t number = again ? lookups->claims_free : lookups->claims_untouched++;
    assert((uint32_t)number < LOOKUPS_MAX + lookups->claims_max);
    struct lookup *lookup = lookups_at(lookups, number);
    if (again)
        lookups->claims_free = lookup->next;
    lookup->message = NULL;
    lookup->is_posting = false;
    lookup->claim = claim;
    lookup->deadline_ns = UINT64_MAX; /* it ends with its posting */
    lookup->waiter = -1;
    lookup->state = LOOKUP_CLAIMED;
    lookups->claim_count++;
    append(lookups, number, account_hash);
}

void lookups_remove(struct lookups *lookups, int32_t before, int32_t number)
{
    struct lookup *lookup = lookups_at(lookups, number);
    int32_t *free = lookup->message == NULL ? &lookups->claims_free : &lookups->free;
    assert(lookup->state != LOOKUP_READING);
    if (before == LOOKUP_NONE)
        lookups->head = lookup->next;
    else
        lookups_at(lookups, before)->next = lookup->next;
    if (lookups->tail == number)
        lookups->tail = before;
    lookups->count--;
    leave_crowd(lookups, number);
    if (lookup->message == NULL)
        lookups->claim_count--;
    lookups->posting_count -= lookup->is_posting;
    lookup->next = *free;
    *free = number;
}
