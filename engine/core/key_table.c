/* key_table.c - hints at idempotency keys, in the order of their records.
 *
 * Guarantees: an entry never moves while it is there; the ring is in strictly ascending order of
 * LSN. Must not know: what a command is, or which answer a retry gets.
 */
#include "key_table.h"

#include <assert.h>

#include "arena.h"

enum { LSN_BITS = 48 };

size_t key_table_memory_bytes(uint64_t keys_max)
{
    return slot_index_memory_bytes(keys_max) + arena_bytes(keys_max, sizeof(struct key_entry));
}

void key_table_init(struct key_table *table, uint64_t keys_max, void *memory)
{
    struct arena arena = arena_init(memory);

    *table = (struct key_table){.slots_max = (uint32_t)keys_max};
    slot_index_init(&table->index, keys_max, arena_take(&arena, slot_index_memory_bytes(keys_max)));
    table->slots = arena_take(&arena, arena_bytes(keys_max, sizeof(*table->slots)));
}

bool key_table_has_room(const struct key_table *table)
{
    return table->count < table->slots_max;
}

uint32_t key_table_add(struct key_table *table, struct hash128 digest, uint64_t lsn)
{
    assert(lsn >> LSN_BITS == 0);
    assert(table->count == 0 ||
           key_table_lsn(table, key_table_slot(table, table->count - 1)) <= lsn);
    if (!key_table_has_room(table))
        return KEY_TABLE_NO_SLOT;
    uint32_t slot = key_table_slot(table, table->count);
    if (!slot_index_insert(&table->index, key_table_index_hash(digest), slot))
        return KEY_TABLE_NO_SLOT;

    table->slots[slot] = (struct key_entry){.tag = key_tag(digest), .check = key_check(digest)};
    key_table_set_lsn(table, slot, lsn);
    table->count++;
    return slot;
}

void key_table_take_back(struct key_table *table)
{
    assert(table->count > 0);
    uint32_t slot = key_table_slot(table, table->count - 1);
    slot_index_remove(&table->index, table->slots[slot].tag, slot);
    table->count--;
}

uint32_t key_table_forget(struct key_table *table, uint64_t up_to_lsn, uint32_t count_max)
{
    uint32_t forgotten = 0;

    while (forgotten < count_max && table->count > 0 &&
           key_table_lsn(table, table->first) <= up_to_lsn) {
        key_table_prefetch_older(table, KEY_TABLE_AHEAD);
        slot_index_remove(&table->index, table->slots[table->first].tag, table->first);
        table->first = key_table_slot(table, 1);
        table->count--;
        forgotten++;
    }
    return forgotten;
}
