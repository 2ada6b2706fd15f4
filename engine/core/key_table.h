/* key_table.h - the idempotency keys of one shard, each with the answer it got.
 *
 * An entry is found by the 128-bit digest of account and key (hash.h says why that is
 * enough) and holds all that a retry needs: what was asked, and what was answered. 64 bytes
 * an entry, plus 9 to 18 of the index. Entries are never removed: a key is unique for ever.
 *
 * Thread: the owner's.
 */
#ifndef FLORIN_CORE_KEY_TABLE_H
#define FLORIN_CORE_KEY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "slot_index.h"

struct key_entry {
    struct hash128 digest;
    uint64_t lsn_kind_status; /* LSN << 16 | kind << 8 | status; see key_entry_*() */
    uint64_t time_ns;
    uint64_t expected_version; /* asked; 0: none */
    int64_t amount_minor;      /* asked */
    int64_t balance_minor;     /* answered */
    uint64_t version;          /* answered */
};
_Static_assert(sizeof(struct key_entry) == 64, "a key is one cache line");

static inline uint64_t key_entry_lsn(const struct key_entry *entry)
{
    return entry->lsn_kind_status >> 16;
}
static inline uint8_t key_entry_kind(const struct key_entry *entry)
{
    return (uint8_t)(entry->lsn_kind_status >> 8);
}
static inline uint8_t key_entry_status(const struct key_entry *entry)
{
    return (uint8_t)entry->lsn_kind_status;
}
static inline uint64_t key_entry_pack(uint64_t lsn, uint8_t kind, uint8_t status)
{
    return lsn << 16 | (uint64_t)kind << 8 | status;
}

struct key_table {
    struct slot_index index;
    struct key_entry *slots;
    uint32_t slots_max;
    uint32_t count;
};

size_t key_table_memory_bytes(uint64_t keys_max);

/* `memory`: zeroed, aligned to 64, kept by the caller. */
void key_table_init(struct key_table *table, uint64_t keys_max, void *memory);

/* Asks the cache for what key_table_find() of this digest reads first. */
static inline void key_table_prefetch(const struct key_table *table, struct hash128 digest);

/* NULL: never seen. */
struct key_entry *key_table_find(const struct key_table *table, struct hash128 digest);

/* Whether one more entry fits. */
bool key_table_has_room(const struct key_table *table);

/* Copies an entry whose digest is not there; NULL: no room. */
struct key_entry *key_table_add(struct key_table *table, const struct key_entry *entry);

/* --- inline parts ------------------------------------------------------------------------- */

/* The part of a digest that the index works with: as good as any 64 bits of it. */
static inline uint64_t key_table_index_hash(struct hash128 digest)
{
    return digest.high;
}

static inline void key_table_prefetch(const struct key_table *table, struct hash128 digest)
{
    slot_index_prefetch(&table->index, key_table_index_hash(digest));
}

#endif
