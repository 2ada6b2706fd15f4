/* key_table.h - hints at the idempotency keys of one shard: which records may have a key.
 *
 * Of a key, memory holds 48 bits of its digest (hash.h) and the position of its record; the record
 * in the log has the key itself and the answer. So an entry is a hint: whoever meets one reads the
 * record. A key that is new meets one by chance once in 2^48 / keys times.
 *
 *     index:  tag -> slot                              (slot_index.h)
 *     slots:  struct key_entry[slots_max], a ring      12 bytes each
 *
 *              first                first + count
 *                v                        v
 *         [      | LSN 7 | LSN 9 | LSN 12 |       ]    ascending; the oldest are forgotten
 *
 * Keys are unique for ever, memory is not: what is forgotten here is in a key file (key_filter.h).
 * 21 to 30 bytes a key (slot_index.h says when it can be 39).
 *
 * Thread: the owner's.
 */
#ifndef FLORIN_CORE_KEY_TABLE_H
#define FLORIN_CORE_KEY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "key_answer.h"
#include "slot_index.h"

struct key_entry {
    uint32_t tag; /* key_tag() of the digest */
    uint32_t lsn_low;
    uint16_t lsn_high;
    uint16_t check; /* key_check() of the digest */
};
_Static_assert(sizeof(struct key_entry) == 12, "five keys in a cache line");

#define KEY_TABLE_NO_SLOT UINT32_MAX

enum { KEY_TABLE_AHEAD = 16 };

struct key_table {
    struct slot_index index;
    struct key_entry *slots;
    uint32_t slots_max;
    uint32_t first; /* slot of the oldest */
    uint32_t count;
};

struct key_table_cursor {
    const struct key_table *table;
    struct slot_index_cursor walk;
    uint16_t check;
};

size_t key_table_memory_bytes(uint64_t keys_max);

/* `memory`: zeroed, aligned to 64, kept by the caller. */
void key_table_init(struct key_table *table, uint64_t keys_max, void *memory);

/* Asks the cache for what a look-up or addition of this digest reads first. */
static inline void key_table_prefetch(const struct key_table *table, struct hash128 digest);

/* For whoever goes through the ring: the same for the entry with `older` older ones, if there is
 * one. KEY_TABLE_AHEAD entries ahead of use do best. */
static inline void key_table_prefetch_older(const struct key_table *table, uint32_t older);

/* Walks over the slots of records that may have the key of this digest:
 *
 *     struct key_table_cursor cursor = key_table_start(table, digest);
 *     uint32_t slot;
 *     while (key_table_next(&cursor, &slot))
 *         ... key_table_lsn(table, slot) ...
 */
static inline struct key_table_cursor key_table_start(const struct key_table *table,
                                                      struct hash128 digest);
static inline bool key_table_next(struct key_table_cursor *cursor, uint32_t *slot);

/* Whether one more entry fits. */
bool key_table_has_room(const struct key_table *table);

/* Adds a key behind all others: none has a greater LSN (asserted). Its slot, or KEY_TABLE_NO_SLOT:
 * no room. */
uint32_t key_table_add(struct key_table *table, struct hash128 digest, uint64_t lsn);

/* Takes back the key that was added last. */
void key_table_take_back(struct key_table *table);

/* Forgets the oldest keys as long as their LSN is at most `up_to_lsn`, `count_max` of them at most;
 * returns how many. Provisional LSNs (shard.h) are greater than any real one, so they stay. */
uint32_t key_table_forget(struct key_table *table, uint64_t up_to_lsn, uint32_t count_max);

/* --- inline parts ------------------------------------------------------------------------- */

/* The part of a digest that the index works with: its upper half is the tag. */
static inline uint64_t key_table_index_hash(struct hash128 digest)
{
    return digest.high;
}

/* The slot of the entry, there or to come, that has `older` older ones; at most slots_max. */
static inline uint32_t key_table_slot(const struct key_table *table, uint32_t older)
{
    uint64_t slot = (uint64_t)table->first + older;
    return (uint32_t)(slot < table->slots_max ? slot : slot - table->slots_max);
}

static inline uint64_t key_table_lsn(const struct key_table *table, uint32_t slot)
{
    return (uint64_t)table->slots[slot].lsn_high << 32 | table->slots[slot].lsn_low;
}

/* The order of the ring must stay as it is. */
static inline void key_table_set_lsn(struct key_table *table, uint32_t slot, uint64_t lsn)
{
    table->slots[slot].lsn_low = (uint32_t)lsn;
    table->slots[slot].lsn_high = (uint16_t)(lsn >> 32);
}

static inline void key_table_prefetch(const struct key_table *table, struct hash128 digest)
{
    slot_index_prefetch(&table->index, key_table_index_hash(digest));
}

static inline void key_table_prefetch_older(const struct key_table *table, uint32_t older)
{
    if (older < table->count) {
        uint32_t tag = table->slots[key_table_slot(table, older)].tag;
        slot_index_prefetch(&table->index, (uint64_t)tag << 32);
    }
}

static inline struct key_table_cursor key_table_start(const struct key_table *table,
                                                      struct hash128 digest)
{
    return (struct key_table_cursor){
        .table = table,
        .walk = slot_index_start(&table->index, key_table_index_hash(digest)),
        .check = key_check(digest),
    };
}

static inline bool key_table_next(struct key_table_cursor *cursor, uint32_t *slot)
{
    while (slot_index_next(&cursor->walk, slot)) {
        if (cursor->table->slots[*slot].check == cursor->check)
            return true;
    }
    return false;
}

#endif
