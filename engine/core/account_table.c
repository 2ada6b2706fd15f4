/* account_table.c - storage of accounts: slots, openings, texts, currencies.
 *
 * Guarantees: an account never moves and is never removed; adding either succeeds whole or
 * leaves the table as it was.
 * Must not know: which balances are allowed, what a record or a key is.
 *
 * The text of an account stands at text_offset, in units of 8 bytes:
 *
 *     [ id from byte 23 on | metadata | to a multiple of 8 ]
 *
 * Unit 0 is never used, so that text_offset 0 can mean "no text".
 */
#include "account_table.h"

#include <assert.h>
#include <string.h>

#include "arena.h"

enum {
    TEXT_UNIT = 8,
    TEXT_BYTES_PER_ACCOUNT = 64,
    /* So that a small table, too, can hold some accounts with all texts at their maximum. */
    TEXT_BYTES_SPARE = 64 * 1024,
};

static uint64_t text_bytes_for(uint64_t accounts_max)
{
    uint64_t wanted = accounts_max * TEXT_BYTES_PER_ACCOUNT + TEXT_BYTES_SPARE;
    uint64_t addressable = (uint64_t)UINT32_MAX * TEXT_UNIT;
    return wanted < addressable ? wanted : addressable;
}

static size_t id_inline_length(size_t id_length)
{
    return id_length < ACCOUNT_INLINE_ID_BYTES ? id_length : ACCOUNT_INLINE_ID_BYTES;
}

/* Bytes that an id and metadata take in the texts. */
static uint64_t text_length(size_t id_length, size_t metadata_length)
{
    size_t bytes = id_length - id_inline_length(id_length) + metadata_length;
    return (bytes + TEXT_UNIT - 1) / TEXT_UNIT * TEXT_UNIT;
}

static uint8_t *account_text(const struct account_table *table, const struct account *account)
{
    return table->texts + (uint64_t)account->text_offset * TEXT_UNIT;
}

/* Bytes behind all others, which has_room() of some kind has promised; where they begin. */
static uint32_t take_text(struct account_table *table, uint64_t bytes)
{
    uint32_t offset = (uint32_t)(table->text_bytes / TEXT_UNIT);
    table->text_bytes += bytes;
    return offset;
}

/* `id_start` is padded with zeros as in the slot, so that its whole width is compared in registers:
 * memcmp() of a variable length would also read the slot's neighbour, which is seldom in the cache.
 */
static bool account_has_id(const struct account_table *table, const struct account *account,
                           const char id_start[ACCOUNT_INLINE_ID_BYTES], const char *id,
                           size_t id_length)
{
    if (account->id_length != id_length ||
        memcmp(account->id_start, id_start, ACCOUNT_INLINE_ID_BYTES) != 0)
        return false;
    return id_length <= ACCOUNT_INLINE_ID_BYTES ||
           memcmp(account_text(table, account), id + ACCOUNT_INLINE_ID_BYTES,
                  id_length - ACCOUNT_INLINE_ID_BYTES) == 0;
}

/* Its number; table->currency_count when the list does not have it. */
static uint16_t find_currency(const struct account_table *table, const struct currency *currency)
{
    uint16_t number = 0;
    while (number < table->currency_count &&
           memcmp(&table->currencies[number], currency, sizeof(*currency)) != 0)
        number++;
    return number;
}

size_t account_table_memory_bytes(uint64_t accounts_max)
{
    return slot_index_memory_bytes(accounts_max) +
           arena_bytes(accounts_max, sizeof(struct account)) +
           arena_bytes(accounts_max, sizeof(struct account_opening)) +
           arena_bytes(text_bytes_for(accounts_max), 1);
}

void account_table_init(struct account_table *table, uint64_t accounts_max, void *memory)
{
    struct arena arena = arena_init(memory);

    *table = (struct account_table){
        .slots_max = (uint32_t)accounts_max,
        .text_bytes_max = text_bytes_for(accounts_max),
        .text_bytes = TEXT_UNIT,
    };
    slot_index_init(&table->index, accounts_max,
                    arena_take(&arena, slot_index_memory_bytes(accounts_max)));
    table->slots = arena_take(&arena, arena_bytes(accounts_max, sizeof(*table->slots)));
    table->openings = arena_take(&arena, arena_bytes(accounts_max, sizeof(*table->openings)));
    table->texts = arena_take(&arena, arena_bytes(table->text_bytes_max, 1));
}

struct account *account_table_find(const struct account_table *table, uint64_t hash, const char *id,
                                   size_t id_length)
{
    struct slot_index_cursor cursor = slot_index_start(&table->index, hash);
    char id_start[ACCOUNT_INLINE_ID_BYTES] = {0};
    uint32_t slot;

    memcpy(id_start, id, id_inline_length(id_length));
    while (slot_index_next(&cursor, &slot)) {
        if (account_has_id(table, &table->slots[slot], id_start, id, id_length))
            return &table->slots[slot];
    }
    return NULL;
}

bool account_table_has_room(const struct account_table *table,
                            const struct account_content *content)
{
    return table->count < table->slots_max &&
           table->text_bytes_max - table->text_bytes >=
               text_length(content->id_length, content->metadata_length) &&
           find_currency(table, &content->currency) < FLORIN_CURRENCIES_MAX;
}

struct account *account_table_add(struct account_table *table, uint64_t hash,
                                  const struct account_content *content)
{
    assert(content->id_length >= 1 && content->id_length <= FLORIN_ACCOUNT_ID_MAX);
    assert(content->metadata_length <= FLORIN_METADATA_MAX);
    if (!account_table_has_room(table, content) ||
        !slot_index_insert(&table->index, hash, table->count))
        return NULL;

    /* Cannot fail from here. */
    uint16_t currency = find_currency(table, &content->currency);
    if (currency == table->currency_count)
        table->currencies[table->currency_count++] = content->currency;

    table->openings[table->count] = (struct account_opening){
        .time_ns = content->opened_ns,
        .balance_minor = content->balance_minor,
    };
    struct account *account = &table->slots[table->count++];
    *account = (struct account){
        .balance_minor = content->balance_minor,
        .version = 1,
        .floor_minor = content->minimum_balance_minor,
        .metadata_length = (uint16_t)content->metadata_length,
        .currency = (uint8_t)currency,
        .id_length = (uint8_t)content->id_length,
    };
    size_t inline_length = id_inline_length(content->id_length);
    memcpy(account->id_start, content->id, inline_length);

    uint64_t bytes = text_length(content->id_length, content->metadata_length);
    if (bytes > 0) {
        size_t rest = content->id_length - inline_length;
        account->text_offset = take_text(table, bytes);
        memcpy(account_text(table, account), content->id + inline_length, rest);
        if (content->metadata_length > 0)
            memcpy(account_text(table, account) + rest, content->metadata,
                   content->metadata_length);
    }
    return account;
}

bool account_table_has_metadata_room(const struct account_table *table,
                                     const struct account *account, size_t metadata_length)
{
    uint64_t bytes = text_length(account->id_length, metadata_length);
    return bytes <= text_length(account->id_length, account->metadata_length) ||
           bytes <= table->text_bytes_max - table->text_bytes;
}

void account_table_set_metadata(struct account_table *table, struct account *account,
                                const char *metadata, size_t metadata_length)
{
    uint64_t bytes = text_length(account->id_length, metadata_length);
    size_t rest = account->id_length - id_inline_length(account->id_length);

    assert(metadata_length <= FLORIN_METADATA_MAX);
    assert(account_table_has_metadata_room(table, account, metadata_length));
    if (bytes > text_length(account->id_length, account->metadata_length)) {
        const uint8_t *old_text = account_text(table, account);
        account->text_offset = take_text(table, bytes);
        memcpy(account_text(table, account), old_text, rest);
    }
    if (metadata_length > 0)
        memcpy(account_text(table, account) + rest, metadata, metadata_length);
    account->metadata_length = (uint16_t)metadata_length;
}

size_t account_table_id(const struct account_table *table, const struct account *account,
                        char id[FLORIN_ACCOUNT_ID_MAX])
{
    size_t inline_length = id_inline_length(account->id_length);
    memcpy(id, account->id_start, inline_length);
    memcpy(id + inline_length, account_text(table, account), account->id_length - inline_length);
    return account->id_length;
}

const char *account_table_metadata(const struct account_table *table, const struct account *account)
{
    if (account->metadata_length == 0)
        return NULL;
    return (const char *)account_text(table, account) + account->id_length -
           id_inline_length(account->id_length);
}
