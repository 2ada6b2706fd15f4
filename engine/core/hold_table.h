/* hold_table.h - the active holds of one shard: found by id, by account, and by when they expire.
 *
 *     index: LSN of the hold's record -> slot           (slot_index.h)
 *     slots: struct hold[holds_max]                     40 bytes each; given back when a hold ends
 *     heap:  slots of holds that expire, soonest first  4 bytes each
 *
 * The holds of one account are a list, the newest first, that begins in its struct account_opening.
 * What a hold means for a balance is the shard's; this is storage.
 *
 * Thread: the owner's.
 */
#ifndef FLORIN_CORE_HOLD_TABLE_H
#define FLORIN_CORE_HOLD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account_table.h"
#include "hash.h"
#include "slot_index.h"

#define HOLD_NONE UINT32_MAX

struct hold {
    uint64_t lsn; /* its id; provisional until its record is sealed */
    int64_t amount_minor;
    uint64_t expires_ns; /* Unix time; 0: never */
    uint32_t account_slot;
    uint32_t next;       /* of the account; HOLD_NONE: the last */
    uint32_t previous;   /* of the account; HOLD_NONE: the first */
    uint32_t heap_place; /* HOLD_NONE: it does not expire */
};
_Static_assert(sizeof(struct hold) == 40, "the memory that the documents promise");

struct hold_table {
    const struct hash_secret *secret;
    struct slot_index index;
    struct hold *slots;
    uint32_t *heap;
    uint32_t slots_max;
    uint32_t untouched; /* from here on no slot was ever taken */
    uint32_t free;      /* given back, linked by next; HOLD_NONE: none */
    uint32_t count;
    uint32_t heap_count;
};

size_t hold_table_memory_bytes(uint64_t holds_max);

/* `memory`: zeroed, aligned to 64, kept by the caller. The secret, which outlives the table, denies
 * a client to choose the holds that it keeps by their place in the index. */
void hold_table_init(struct hold_table *table, const struct hash_secret *secret, uint64_t holds_max,
                     void *memory);

bool hold_table_has_room(const struct hold_table *table);

/* Adds a hold of an account, whose list, count and held_minor it keeps (not floor_minor, which is
 * the caller's to move by the same amount, as when it ends). There is room (asserted).
 * With a provisional LSN hold_table_find() does not find it until hold_table_set_lsn(). */
uint32_t hold_table_add(struct hold_table *table, struct account_table *accounts,
                        struct account *account, uint64_t lsn, int64_t amount_minor,
                        uint64_t expires_ns);

/* Its record was sealed. Holds get their positions in the order in which they were added. */
void hold_table_set_lsn(struct hold_table *table, uint32_t slot, uint64_t lsn);

/* HOLD_NONE: no active hold has this id. */
uint32_t hold_table_find(const struct hold_table *table, uint64_t lsn);

/* Ends a hold: gives its slot back, takes it off its account's list and held_minor. */
void hold_table_remove(struct hold_table *table, struct account_table *accounts, uint32_t slot);

/* The hold that expires first, HOLD_NONE: none does. Of several with one time the one with the
 * lowest LSN. */
uint32_t hold_table_soonest(const struct hold_table *table);

#endif
