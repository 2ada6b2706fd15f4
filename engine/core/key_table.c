/* key_table.c - idempotency keys and their answers, in the order in which they came.
 *
 * Guarantees: an entry never moves and is never removed; two entries never share a digest (the
 * caller looks before it adds).
 * Must not know: what a command is, or which answer a retry gets.
 */
#include "key_table.h"

#include "arena.h"

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

struct key_entry *key_table_find(const struct key_table *table, struct hash128 digest)
{
    struct slot_index_cursor cursor = slot_index_start(&table->index, key_table_index_hash(digest));
    uint32_t slot;
    while (slot_index_next(&cursor, &slot)) {
        struct key_entry *entry = &table->slots[slot];
        if (entry->digest.low == digest.low && entry->digest.high == digest.high)
            return entry;
    }
    return NULL;
}

bool key_table_has_room(const struct key_table *table)
{
    return table->count < table->slots_max;
}

struct key_entry *key_table_add(struct key_table *table, const struct key_entry *entry)
{
    if (!key_table_has_room(table) ||
        !slot_index_insert(&table->index, key_table_index_hash(entry->digest), table->count))
        return NULL;
    struct key_entry *added = &table->slots[table->count++];
    *added = *entry;
    return added;
}
