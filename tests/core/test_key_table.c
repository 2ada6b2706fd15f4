/* The key table finds the records that may have a key, in a ring that forgets its oldest. */
#include "support.h"

#include "engine/core/key_table.h"

enum { PROVISIONAL_BIT = 47 };

struct fixture {
    struct key_table table;
    void *memory;
};

static void setup(struct fixture *fixture, uint64_t keys_max)
{
    fixture->memory = memory_take(key_table_memory_bytes(keys_max));
    key_table_init(&fixture->table, keys_max, fixture->memory);
}

static void teardown(struct fixture *fixture)
{
    free(fixture->memory);
}

/* How often a walk for `digest` meets the record `lsn`. */
static int count_lsn(const struct key_table *table, struct hash128 digest, uint64_t lsn)
{
    struct key_table_cursor cursor = key_table_start(table, digest);
    uint32_t slot;
    int count = 0;
    while (key_table_next(&cursor, &slot))
        count += key_table_lsn(table, slot) == lsn;
    return count;
}

static struct hash128 random_digest(uint64_t *random)
{
    uint64_t low = random_next(random);
    return (struct hash128){.low = low, .high = random_next(random)};
}

static void keys__are_found_by_tag_and_check(void **state)
{
    (void)state;
    enum { KEYS = 20000 };
    struct fixture fixture;
    uint64_t random = seed_choose();
    struct hash128 *digests = memory_take(KEYS * sizeof(*digests));
    setup(&fixture, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        digests[i] = random_digest(&random);
        /* Twos share the tag, which is all that the index sees. */
        if (i % 2 == 1)
            digests[i].high = digests[i - 1].high;
        key_table_prefetch(&fixture.table, digests[i]);
        assert_int_equal(count_lsn(&fixture.table, digests[i], i + 1), 0);
        assert_true(key_table_has_room(&fixture.table));
        assert_int_equal(key_table_add(&fixture.table, digests[i], i + 1), i);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_int_equal(count_lsn(&fixture.table, digests[i], i + 1), 1);
        assert_int_equal(count_lsn(&fixture.table, digests[i ^ 1], i + 1), 0);
        /* The other 80 bits are not kept. */
        digests[i].low ^= UINT64_C(0xffffffffffff0000);
        digests[i].high ^= UINT32_MAX;
        assert_int_equal(count_lsn(&fixture.table, digests[i], i + 1), 1);
    }
    free(digests);
    teardown(&fixture);
}

static void like_keys__are_all_met(void **state)
{
    (void)state;
    enum { LIKE = 100 };
    struct fixture fixture;
    const struct hash128 digest = {.low = 7, .high = UINT64_C(9) << 32};
    setup(&fixture, LIKE);
    for (uint64_t lsn = 1; lsn <= LIKE; lsn++)
        assert_int_not_equal(key_table_add(&fixture.table, digest, lsn), KEY_TABLE_NO_SLOT);
    for (uint64_t lsn = 1; lsn <= LIKE; lsn++)
        assert_int_equal(count_lsn(&fixture.table, digest, lsn), 1);
    assert_int_equal(key_table_forget(&fixture.table, 40, UINT32_MAX), 40);
    for (uint64_t lsn = 1; lsn <= LIKE; lsn++)
        assert_int_equal(count_lsn(&fixture.table, digest, lsn), lsn > 40);
    teardown(&fixture);
}

static void lsn__of_48_bits_is_kept_and_can_be_set(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct hash128 digest = {.low = 1, .high = 2};
    const uint64_t greatest = (UINT64_C(1) << 48) - 1;
    setup(&fixture, 1);
    uint32_t slot = key_table_add(&fixture.table, digest, greatest);
    assert_int_equal(key_table_lsn(&fixture.table, slot), greatest);
    key_table_set_lsn(&fixture.table, slot, UINT64_C(0x123456789abc));
    assert_int_equal(key_table_lsn(&fixture.table, slot), UINT64_C(0x123456789abc));
    assert_int_equal(count_lsn(&fixture.table, digest, UINT64_C(0x123456789abc)), 1);
    teardown(&fixture);
}

static void full_table__refuses_and_stays_as_it_was(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 2);
    for (uint64_t i = 0; i < 3; i++) {
        const struct hash128 digest = {.low = i, .high = i << 40};
        assert_int_equal(key_table_has_room(&fixture.table), i < 2);
        assert_int_equal(key_table_add(&fixture.table, digest, i + 1),
                         i < 2 ? i : KEY_TABLE_NO_SLOT);
        assert_int_equal(count_lsn(&fixture.table, digest, i + 1), i < 2);
    }
    assert_int_equal(fixture.table.count, 2);
    teardown(&fixture);
}

static void table_of_no_keys__has_no_room(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 0);
    assert_false(key_table_has_room(&fixture.table));
    assert_int_equal(key_table_add(&fixture.table, (struct hash128){1, 2}, 1), KEY_TABLE_NO_SLOT);
    assert_int_equal(count_lsn(&fixture.table, (struct hash128){1, 2}, 1), 0);
    assert_int_equal(key_table_forget(&fixture.table, UINT64_MAX >> 17, 1), 0);
    teardown(&fixture);
}

/* --- forgetting -------------------------------------------------------------------------- */

static void forget__takes_the_oldest_up_to_a_position_and_a_number(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 100);
    for (uint64_t lsn = 10; lsn <= 100; lsn += 10)
        key_table_add(&fixture.table, (struct hash128){lsn, lsn << 32}, lsn);
    assert_int_equal(key_table_forget(&fixture.table, 9, 100), 0);
    assert_int_equal(key_table_forget(&fixture.table, 59, 2), 2);
    assert_int_equal(key_table_forget(&fixture.table, 59, 0), 0);
    assert_int_equal(key_table_forget(&fixture.table, 59, 100), 3);
    assert_int_equal(key_table_forget(&fixture.table, 60, 100), 1);
    for (uint64_t lsn = 10; lsn <= 100; lsn += 10)
        assert_int_equal(count_lsn(&fixture.table, (struct hash128){lsn, lsn << 32}, lsn),
                         lsn > 60);
    teardown(&fixture);
}

static void forget__stops_at_a_provisional_position(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t provisional = UINT64_C(1) << PROVISIONAL_BIT;
    setup(&fixture, 10);
    key_table_add(&fixture.table, (struct hash128){1, 1}, 1);
    uint32_t slot = key_table_add(&fixture.table, (struct hash128){2, 2}, provisional);
    key_table_add(&fixture.table, (struct hash128){3, 3}, provisional | 1);
    assert_int_equal(key_table_forget(&fixture.table, provisional - 1, 10), 1);
    assert_int_equal(fixture.table.count, 2);
    key_table_set_lsn(&fixture.table, slot, 2);
    assert_int_equal(key_table_forget(&fixture.table, provisional - 1, 10), 1);
    assert_int_equal(count_lsn(&fixture.table, (struct hash128){3, 3}, provisional | 1), 1);
    teardown(&fixture);
}

/* A small ring, many times around, against a model that remembers everything. */
static void ring__wraps_around_and_forgets_in_order(void **state)
{
    (void)state;
    enum { KEYS_MAX = 1000, STEPS = 100000 };
    struct fixture fixture;
    uint64_t random = seed_choose();
    struct hash128 *digests = memory_take((STEPS + 1) * sizeof(*digests));
    uint64_t oldest = 1;
    uint64_t next = 1;
    setup(&fixture, KEYS_MAX);
    for (uint32_t step = 0; step < STEPS; step++) {
        bool has_room = next - oldest < KEYS_MAX;
        assert_int_equal(key_table_has_room(&fixture.table), has_room);
        digests[next] = random_digest(&random);
        if (random_below(&random, 8) == 0) /* as another one that is or was there */
            digests[next] = digests[1 + random_below(&random, next)];
        uint32_t slot = key_table_add(&fixture.table, digests[next], next);
        assert_int_equal(slot != KEY_TABLE_NO_SLOT, has_room);
        next += has_room;
        if (random_below(&random, 100) == 0) {
            uint64_t up_to = oldest + random_below(&random, KEYS_MAX);
            uint32_t count_max = (uint32_t)random_below(&random, KEYS_MAX);
            uint64_t wanted = up_to < next ? up_to + 1 - oldest : next - oldest;
            uint64_t expected = wanted < count_max ? wanted : count_max;
            assert_int_equal(key_table_forget(&fixture.table, up_to, count_max), expected);
            oldest += expected;
        }
        assert_int_equal(fixture.table.count, next - oldest);
        uint64_t asked = 1 + random_below(&random, next);
        if (asked < next)
            assert_int_equal(count_lsn(&fixture.table, digests[asked], asked), asked >= oldest);
    }
    assert_true(oldest > 10 * KEYS_MAX);
    for (uint64_t lsn = oldest; lsn < next; lsn++) {
        uint32_t slot = key_table_slot(&fixture.table, (uint32_t)(lsn - oldest));
        assert_int_equal(key_table_lsn(&fixture.table, slot), lsn);
    }
    free(digests);
    teardown(&fixture);
}

/* --- memory ------------------------------------------------------------------------------ */

/* Memory that is ever touched: segments that hold a key, the directory, the ring. */
static uint64_t touched_bytes(const struct key_table *table)
{
    return table->index.segment_count * sizeof(struct slot_index_segment) +
           (UINT64_C(4) << table->index.depth) + table->slots_max * sizeof(struct key_entry);
}

static void memory__is_at_most_30_bytes_a_key(void **state)
{
    (void)state;
    static const uint64_t SIZES[] = {100000, 250000, 330000, 500000, 1000000};
    uint64_t random = seed_choose();
    for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
        struct fixture fixture;
        setup(&fixture, SIZES[i]);
        for (uint64_t lsn = 1; lsn <= SIZES[i]; lsn++) {
            if (key_table_add(&fixture.table, random_digest(&random), lsn) == KEY_TABLE_NO_SLOT)
                fail_msg("no room for key %llu", (unsigned long long)lsn);
        }
        print_message("%.1f bytes a key\n",
                      (double)touched_bytes(&fixture.table) / (double)SIZES[i]);
        assert_true(touched_bytes(&fixture.table) <= 30 * SIZES[i]);
        teardown(&fixture);
    }
}

/* A ring that stays full needs no more than what it was given, however long keys come and go. */
static void full_ring__has_room_for_ever(void **state)
{
    (void)state;
    enum { TURNS = 60 };
    static const uint64_t SIZES[] = {5000, 20000, 36000};
    uint64_t random = seed_choose();
    for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
        struct fixture fixture;
        setup(&fixture, SIZES[i]);
        for (uint64_t lsn = 1; lsn <= TURNS * SIZES[i]; lsn++) {
            if (!key_table_has_room(&fixture.table))
                key_table_forget(&fixture.table, lsn, 1);
            if (key_table_add(&fixture.table, random_digest(&random), lsn) == KEY_TABLE_NO_SLOT)
                fail_msg("no room for key %llu", (unsigned long long)lsn);
        }
        print_message("%.1f bytes a key\n",
                      (double)touched_bytes(&fixture.table) / (double)SIZES[i]);
        teardown(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys__are_found_by_tag_and_check),
        cmocka_unit_test(like_keys__are_all_met),
        cmocka_unit_test(lsn__of_48_bits_is_kept_and_can_be_set),
        cmocka_unit_test(full_table__refuses_and_stays_as_it_was),
        cmocka_unit_test(table_of_no_keys__has_no_room),
        cmocka_unit_test(forget__takes_the_oldest_up_to_a_position_and_a_number),
        cmocka_unit_test(forget__stops_at_a_provisional_position),
        cmocka_unit_test(ring__wraps_around_and_forgets_in_order),
        cmocka_unit_test(memory__is_at_most_30_bytes_a_key),
        cmocka_unit_test(full_ring__has_room_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
