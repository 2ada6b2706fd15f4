/* account_table.h - the accounts of one shard, in slots of one cache line each.
 *
 *     index:    hash of the id -> slot                  (slot_index.h)
 *     slots:    struct account[accounts_max]            64 bytes each, never moved or removed
 *     openings: struct account_opening[accounts_max]    32 bytes each, read seldom
 *     texts:    what does not fit into a slot           long ids and metadata, appended
 *
 * 105 to 114 bytes an account without texts.
 *
 * The balance rules are the shard's; this is storage.
 *
 * Thread: the owner's.
 */
#ifndef FLORIN_CORE_ACCOUNT_TABLE_H
#define FLORIN_CORE_ACCOUNT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "currency.h"
#include "florin.h"
#include "prefetch.h"
#include "slot_index.h"

enum { ACCOUNT_INLINE_ID_BYTES = 23 };

enum {
    ACCOUNT_STATUS_MASK = 3, /* enum florin_account_status */
    /* A posting has claimed it: nobody else may read or change it (participant.h). Never set at a
     * checkpoint's image. */
    ACCOUNT_CLAIMED = 4,
};

struct account {
    int64_t balance_minor;
    uint64_t version;  /* > 0, dense */
    uint64_t last_lsn; /* of the newest record of the account; may be provisional (shard.h) */
    /* Debits may not take the balance below it: the minimum balance + what is held. */
    int64_t floor_minor;
    uint32_t text_offset; /* in units of 8 bytes into the texts; 0: no text */
    uint16_t metadata_length;
    uint8_t currency; /* number in the table's list of currencies */
    uint8_t id_length;
    uint8_t flags;
    char id_start[ACCOUNT_INLINE_ID_BYTES]; /* zero-padded; the rest of a longer id is text */
};
_Static_assert(sizeof(struct account) == 64, "an account is one cache line");

/* What is only read when somebody looks at the whole account, or opens it again. */
struct account_opening {
    uint64_t time_ns;
    int64_t balance_minor;
    int64_t held_minor;  /* sum of its holds */
    uint32_t first_hold; /* slot in the hold table + 1; 0: none */
    uint32_t hold_count;
};

struct account_table {
    struct slot_index index;
    struct account *slots;
    struct account_opening *openings;
    uint8_t *texts;
    uint64_t text_bytes_max;
    uint64_t text_bytes;
    uint32_t slots_max;
    uint32_t count;
    struct currency currencies[FLORIN_CURRENCIES_MAX];
    uint16_t currency_count;
};

/* Memory for `accounts_max` accounts; texts get 64 bytes an account on average. */
size_t account_table_memory_bytes(uint64_t accounts_max);

/* `memory`: zeroed, aligned to 64, kept by the caller. */
void account_table_init(struct account_table *table, uint64_t accounts_max, void *memory);

/* Asks the cache for the slot that account_table_find() of this hash compares first. The index
 * should be in the cache already (slot_index_prefetch()). */
static inline void account_table_prefetch(const struct account_table *table, uint64_t hash)
{
    struct slot_index_cursor cursor = slot_index_start(&table->index, hash);
    uint32_t slot;
    /* The first with this tag is nearly always the one. */
    if (slot_index_next(&cursor, &slot))
        prefetch_line(&table->slots[slot]);
}

/* NULL: not there. `hash` is hash_account() of the id. */
struct account *account_table_find(const struct account_table *table, uint64_t hash, const char *id,
                                   size_t id_length);

/* What a new account is made of; strings are copied. */
struct account_content {
    const char *id;
    size_t id_length;
    struct currency currency;
    int64_t balance_minor;
    int64_t minimum_balance_minor;
    const char *metadata;
    size_t metadata_length;
    uint64_t opened_ns;
};

/* Whether account_table_add() of this content would succeed now. */
bool account_table_has_room(const struct account_table *table,
                            const struct account_content *content);

/* Adds an account that is not there, with version 1 and last_lsn 0. NULL: no room; the table is
 * left as it was. */
struct account *account_table_add(struct account_table *table, uint64_t hash,
                                  const struct account_content *content);

static inline const struct currency *account_table_currency(const struct account_table *table,
                                                            const struct account *account)
{
    return &table->currencies[account->currency];
}

static inline uint32_t account_table_slot(const struct account_table *table,
                                          const struct account *account)
{
    return (uint32_t)(account - table->slots);
}

static inline struct account_opening *account_table_opening(const struct account_table *table,
                                                            const struct account *account)
{
    return &table->openings[account_table_slot(table, account)];
}

static inline enum florin_account_status account_status(const struct account *account)
{
    return (enum florin_account_status)(account->flags & ACCOUNT_STATUS_MASK);
}

static inline int64_t account_table_minimum(const struct account_table *table,
                                            const struct account *account)
{
    return account->floor_minor - account_table_opening(table, account)->held_minor;
}

/* Whether account_table_set_metadata() of this length would succeed. */
bool account_table_has_metadata_room(const struct account_table *table,
                                     const struct account *account, size_t metadata_length);

/* Replaces the metadata (copied). In place when it fits into what the account has, else behind all
 * other texts; the old text is lost until the next start. There is room (asserted). */
void account_table_set_metadata(struct account_table *table, struct account *account,
                                const char *metadata, size_t metadata_length);

/* Copies the whole id; returns its length. */
size_t account_table_id(const struct account_table *table, const struct account *account,
                        char id[FLORIN_ACCOUNT_ID_MAX]);

/* NULL without metadata; account->metadata_length bytes, valid as long as the table. */
const char *account_table_metadata(const struct account_table *table,
                                   const struct account *account);

#endif
