/* hold_table.c - storage of active holds: slots, index, lists of accounts, a heap by time.
 *
 * Guarantees: adding and removing keep index, list, heap and the account's sums in step; a slot
 * that was given back is taken again before an untouched one.
 * Must not know: what may be held, when now is.
 *
 * The list of an account has its newest hold first, so that adding touches one neighbour. Positions
 * grow in the order of adding: a list is by LSN, the highest first.
 *
 * The heap is binary: the children of place p are at 2p + 1 and 2p + 2 and expire no earlier.
 */
#include "hold_table.h"

#include <assert.h>
#include <string.h>

#include "arena.h"
#include "bytes.h"
#include "record.h"

static uint64_t hash_lsn(const struct hold_table *table, uint64_t lsn)
{
    uint8_t bytes[sizeof(lsn)];
    bytes_put_u64(bytes, lsn);
    return hash_account(table->secret, (const char *)bytes, sizeof(bytes));
}

static bool is_provisional(uint64_t lsn)
{
    return (lsn & RECORD_LSN_PROVISIONAL) != 0;
}

/* --- the heap ---------------------------------------------------------------------------- */

static bool expires_before(const struct hold_table *table, uint32_t left, uint32_t right)
{
    const struct hold *a = &table->slots[left];
    const struct hold *b = &table->slots[right];
    return a->expires_ns != b->expires_ns ? a->expires_ns < b->expires_ns : a->lsn < b->lsn;
}

static void heap_put(struct hold_table *table, uint32_t place, uint32_t slot)
{
    table->heap[place] = slot;
    table->slots[slot].heap_place = place;
}

/* Lets what stands at `place` rise as far as it expires before its parents. */
static void heap_rise(struct hold_table *table, uint32_t place)
{
    uint32_t slot = table->heap[place];
    while (place > 0 && expires_before(table, slot, table->heap[(place - 1) / 2])) {
        heap_put(table, place, table->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    heap_put(table, place, slot);
}

/* Lets what stands at `place` sink as far as a child expires before it. */
static void heap_sink(struct hold_table *table, uint32_t place)
{
    uint32_t slot = table->heap[place];
    while (place < table->heap_count / 2) {
        uint32_t child = 2 * place + 1;
        if (child + 1 < table->heap_count &&
            expires_before(table, table->heap[child + 1], table->heap[child]))
            child++;
        if (!expires_before(table, table->heap[child], slot))
            break;
        heap_put(table, place, table->heap[child]);
        place = child;
    }
    heap_put(table, place, slot);
}

static void heap_add(struct hold_table *table, uint32_t slot)
{
    uint32_t place = table->heap_count++;
    heap_put(table, place, slot);
    heap_rise(table, place);
}

static void heap_remove(struct hold_table *table, uint32_t place)
{
    uint32_t last = table->heap[--table->heap_count];
    if (place == table->heap_count)
        return;
    heap_put(table, place, last);
    heap_rise(table, place);
    heap_sink(table, table->slots[last].heap_place);
}

/* --- lists of accounts ------------------------------------------------------------------- */

static uint32_t first_hold(const struct account_opening *opening)
{
    return opening->first_hold == 0 ? HOLD_NONE : opening->first_hold - 1;
}

static void list_add(struct hold_table *table, struct account_opening *opening, uint32_t slot)
{
    struct hold *hold = &table->slots[slot];
    hold->previous = HOLD_NONE;
    hold->next = first_hold(opening);
    if (hold->next != HOLD_NONE)
        table->slots[hold->next].previous = slot;
    opening->first_hold = slot + 1;
    opening->hold_count++;
}

static void list_remove(struct hold_table *table, struct account_opening *opening,
                        const struct hold *hold)
{
    if (hold->previous != HOLD_NONE)
        table->slots[hold->previous].next = hold->next;
    else
        opening->first_hold = hold->next == HOLD_NONE ? 0 : hold->next + 1;
    if (hold->next != HOLD_NONE)
        table->slots[hold->next].previous = hold->previous;
    opening->hold_count--;
}

/* --- the table --------------------------------------------------------------------------- */

size_t hold_table_memory_bytes(uint64_t holds_max)
{
    return slot_index_memory_bytes(holds_max) + arena_bytes(holds_max, sizeof(struct hold)) +
           arena_bytes(holds_max, sizeof(uint32_t));
}

void hold_table_init(struct hold_table *table, const struct hash_secret *secret, uint64_t holds_max,
                     void *memory)
{
    struct arena arena = arena_init(memory);

    assert(holds_max < HOLD_NONE);
    *table = (struct hold_table){
        .secret = secret,
        .slots_max = (uint32_t)holds_max,
        .free = HOLD_NONE,
    };
    slot_index_init(&table->index, holds_max,
                    arena_take(&arena, slot_index_memory_bytes(holds_max)));
    table->slots = arena_take(&arena, arena_bytes(holds_max, sizeof(*table->slots)));
    table->heap = arena_take(&arena, arena_bytes(holds_max, sizeof(*table->heap)));
}

bool hold_table_has_room(const struct hold_table *table)
{
    return table->count < table->slots_max;
}

static uint32_t take_slot(struct hold_table *table)
{
    uint32_t slot = table->free;
    if (slot != HOLD_NONE)
        table->free = table->slots[slot].next;
    else
        slot = table->untouched++;
    table->count++;
    return slot;
}

/* Its hash is secret, so that the index has room for all slots (slot_index.c). */
static void index_add(struct hold_table *table, uint32_t slot)
{
    bool has_room = slot_index_insert(&table->index, hash_lsn(table, table->slots[slot].lsn), slot);
    assert(has_room);
}

uint32_t hold_table_add(struct hold_table *table, struct account_table *accounts,
                        struct account *account, uint64_t lsn, int64_t amount_minor,
                        uint64_t expires_ns)
{
    struct account_opening *opening = account_table_opening(accounts, account);

    assert(hold_table_has_room(table));
    assert(lsn > 0);
    assert(amount_minor > 0);
    assert(amount_minor <= INT64_MAX - opening->held_minor);
    uint32_t slot = take_slot(table);
    table->slots[slot] = (struct hold){
        .lsn = lsn,
        .amount_minor = amount_minor,
        .expires_ns = expires_ns,
        .account_slot = account_table_slot(accounts, account),
        .heap_place = HOLD_NONE,
    };
    list_add(table, opening, slot);
    opening->held_minor += amount_minor;
    if (expires_ns != 0)
        heap_add(table, slot);
    if (!is_provisional(lsn))
        index_add(table, slot);
    return slot;
}

void hold_table_set_lsn(struct hold_table *table, uint32_t slot, uint64_t lsn)
{
    struct hold *hold = &table->slots[slot];

    assert(is_provisional(hold->lsn));
    assert(lsn > 0 && !is_provisional(lsn));
    /* The heap stays one: positions are given in the order of the provisional ones, and are higher
     * than all before. */
    hold->lsn = lsn;
    index_add(table, slot);
}

uint32_t hold_table_find(const struct hold_table *table, uint64_t lsn)
{
    struct slot_index_cursor cursor = slot_index_start(&table->index, hash_lsn(table, lsn));
    uint32_t slot;
    while (slot_index_next(&cursor, &slot)) {
        if (table->slots[slot].lsn == lsn)
            return slot;
    }
    return HOLD_NONE;
}

void hold_table_remove(struct hold_table *table, struct account_table *accounts, uint32_t slot)
{
    struct hold *hold = &table->slots[slot];
    struct account_opening *opening = &accounts->openings[hold->account_slot];

    assert(hold->lsn != 0); /* it is active */
    if (!is_provisional(hold->lsn))
        slot_index_remove(&table->index, (uint32_t)(hash_lsn(table, hold->lsn) >> 32), slot);
    if (hold->heap_place != HOLD_NONE)
        heap_remove(table, hold->heap_place);
    list_remove(table, opening, hold);
    opening->held_minor -= hold->amount_minor;
    *hold = (struct hold){.next = table->free};
    table->free = slot;
    table->count--;
}

uint32_t hold_table_soonest(const struct hold_table *table)
{
    return table->heap_count == 0 ? HOLD_NONE : table->heap[0];
}
