/* The slot index: what was put in is found until it is taken out, whatever the hashes; room is
 * promised and kept. */
#include "support.h"

#include "engine/core/slot_index.h"

struct fixture {
    struct slot_index index;
    void *memory;
};

static void setup(struct fixture *fixture, uint64_t entries_max)
{
    fixture->memory = memory_take(slot_index_memory_bytes(entries_max));
    slot_index_init(&fixture->index, entries_max, fixture->memory);
}

static void teardown(struct fixture *fixture)
{
    free(fixture->memory);
}

/* How often a walk for `hash` meets `slot`. */
static int count_slot(const struct slot_index *index, uint64_t hash, uint32_t slot)
{
    struct slot_index_cursor cursor = slot_index_start(index, hash);
    uint32_t met;
    int count = 0;
    while (slot_index_next(&cursor, &met))
        count += met == slot;
    return count;
}

static void empty_index__finds_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 0);
    slot_index_prefetch(&fixture.index, UINT64_MAX);
    assert_int_equal(count_slot(&fixture.index, 0, 0), 0);
    assert_int_equal(count_slot(&fixture.index, UINT64_MAX, 0), 0);
    teardown(&fixture);
}

static void million_random_hashes__fit_and_are_found_once(void **state)
{
    (void)state;
    enum { ENTRIES = 1000000 };
    struct fixture fixture;
    uint64_t random = seed_choose();
    uint64_t first = random;
    setup(&fixture, ENTRIES);
    for (uint32_t slot = 0; slot < ENTRIES; slot++)
        assert_true(slot_index_insert(&fixture.index, random_next(&random), slot));
    random = first;
    for (uint32_t slot = 0; slot < ENTRIES; slot++) {
        if (count_slot(&fixture.index, random_next(&random), slot) != 1)
            fail_msg("slot %u is not found exactly once", slot);
    }
    assert_true(fixture.index.segment_count < fixture.index.segments_max);
    teardown(&fixture);
}

/* The directory and the pool have room for random hashes at any size. */
static void any_size__holds_what_it_was_made_for(void **state)
{
    (void)state;
    static const uint32_t SIZES[] = {1, 2, 223, 224, 225, 300, 449, 1000, 4096, 30000, 77777};
    uint64_t random = seed_choose();
    for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
        for (int round = 0; round < 10; round++) {
            struct fixture fixture;
            setup(&fixture, SIZES[i]);
            for (uint32_t slot = 0; slot < SIZES[i]; slot++)
                assert_true(slot_index_insert(&fixture.index, random_next(&random), slot));
            teardown(&fixture);
        }
    }
}

/* After a refusal everything that was there is still found, and the rest of the table works: hashes
 * that do not begin like the crowded ones. */
static void equal_tags__are_refused_when_no_split_can_part_them(void **state)
{
    (void)state;
    struct fixture fixture;
    uint32_t slot = 0;
    setup(&fixture, 100000);
    while (slot_index_insert(&fixture.index, UINT64_C(0xdeadbeef) << 32 | slot, slot))
        slot++;
    assert_int_equal(slot, SLOT_INDEX_SPLIT_AT);
    assert_false(slot_index_insert(&fixture.index, UINT64_C(0xdeadbeef) << 32, slot));
    for (uint32_t i = 0; i < slot; i++)
        assert_int_equal(count_slot(&fixture.index, UINT64_C(0xdeadbeef) << 32, i), 1);

    uint64_t random = seed_choose();
    uint64_t first = random;
    for (uint32_t i = 0; i < 50000; i++)
        assert_true(slot_index_insert(&fixture.index, random_next(&random) >> 1, 1000 + i));
    random = first;
    for (uint32_t i = 0; i < 50000; i++)
        assert_int_equal(count_slot(&fixture.index, random_next(&random) >> 1, 1000 + i), 1);
    teardown(&fixture);
}

static void one_home_line__spills_over_without_loss(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 100000);
    /* Same low bits, different high ones: all begin their walk at the last line of a segment. */
    for (uint32_t slot = 0; slot < 5000; slot++)
        assert_true(slot_index_insert(&fixture.index,
                                      (uint64_t)(slot * UINT32_C(858993) << 8 | 0xff) << 32, slot));
    for (uint32_t slot = 0; slot < 5000; slot++)
        assert_int_equal(
            count_slot(&fixture.index, (uint64_t)(slot * UINT32_C(858993) << 8 | 0xff) << 32, slot),
            1);
    teardown(&fixture);
}

static void crowded_prefix__uses_up_the_memory_and_says_so(void **state)
{
    (void)state;
    struct fixture fixture;
    uint64_t random = seed_choose();
    uint32_t slot = 0;
    setup(&fixture, 100000);
    /* All in one corner of the directory: deeper than any random hashes go. */
    while (slot < 100000 && slot_index_insert(&fixture.index, random_next(&random) >> 14, slot))
        slot++;
    assert_in_range(slot, SLOT_INDEX_SPLIT_AT, 99999);
    random = seed_choose();
    for (uint32_t i = 0; i < slot; i++)
        assert_int_equal(count_slot(&fixture.index, random_next(&random) >> 14, i), 1);
    teardown(&fixture);
}

/* --- removal ----------------------------------------------------------------------------- */

static void removed_entry__is_gone_and_its_neighbours_are_not(void **state)
{
    (void)state;
    enum { ENTRIES = 200 };
    struct fixture fixture;
    setup(&fixture, ENTRIES);
    /* All begin their walk at the last line of the one segment, and go on around its end. */
    for (uint32_t slot = 0; slot < ENTRIES; slot++)
        assert_true(slot_index_insert(&fixture.index, (uint64_t)(slot << 8 | 0xff) << 32, slot));
    for (uint32_t removed = 0; removed < ENTRIES; removed++) {
        uint32_t slot = removed * 7 % ENTRIES;
        slot_index_remove(&fixture.index, slot << 8 | 0xff, slot);
        for (uint32_t other = 0; other < ENTRIES; other++) {
            uint32_t rank = other * 143 % ENTRIES; /* 143 * 7 = 1 modulo 200 */
            assert_int_equal(count_slot(&fixture.index, (uint64_t)(other << 8 | 0xff) << 32, other),
                             rank > removed);
        }
    }
    teardown(&fixture);
}

static void equal_tags__are_removed_by_slot(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t hash = UINT64_C(0xdeadbeef) << 32;
    setup(&fixture, 10);
    for (uint32_t slot = 0; slot < 10; slot++)
        assert_true(slot_index_insert(&fixture.index, hash, slot));
    slot_index_remove(&fixture.index, 0xdeadbeef, 4);
    for (uint32_t slot = 0; slot < 10; slot++)
        assert_int_equal(count_slot(&fixture.index, hash, slot), slot != 4);
    assert_true(slot_index_insert(&fixture.index, hash, 4));
    assert_int_equal(count_slot(&fixture.index, hash, 4), 1);
    teardown(&fixture);
}

static void random_insertions_and_removals__agree_with_a_model(void **state)
{
    (void)state;
    enum { SLOTS = 20000, STEPS = 400000 };
    struct fixture fixture;
    uint64_t random = seed_choose();
    uint64_t *hashes = memory_take(SLOTS * sizeof(*hashes)); /* 0: not there */
    setup(&fixture, SLOTS);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t slot = (uint32_t)random_below(&random, SLOTS);
        if (hashes[slot] != 0) {
            assert_int_equal(count_slot(&fixture.index, hashes[slot], slot), 1);
            slot_index_remove(&fixture.index, (uint32_t)(hashes[slot] >> 32), slot);
            assert_int_equal(count_slot(&fixture.index, hashes[slot], slot), 0);
            hashes[slot] = 0;
        } else {
            /* Some share tags, some crowd the same lines. */
            hashes[slot] = random_next(&random) | 1;
            if (random_below(&random, 4) == 0)
                hashes[slot] &= UINT64_C(0xffff00ff00000001);
            assert_true(slot_index_insert(&fixture.index, hashes[slot], slot));
        }
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (hashes[slot] != 0)
            assert_int_equal(count_slot(&fixture.index, hashes[slot], slot), 1);
    }
    uint32_t buckets = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (hashes[slot] != 0)
            slot_index_remove(&fixture.index, (uint32_t)(hashes[slot] >> 32), slot);
    }
    for (uint32_t segment = 0; segment < fixture.index.segment_count; segment++) {
        for (uint32_t bucket = 0; bucket < SLOT_INDEX_BUCKETS; bucket++)
            buckets += fixture.index.segments[segment].buckets[bucket].slot_plus_one != 0;
    }
    assert_int_equal(buckets, 0);
    free(hashes);
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_index__finds_nothing),
        cmocka_unit_test(million_random_hashes__fit_and_are_found_once),
        cmocka_unit_test(any_size__holds_what_it_was_made_for),
        cmocka_unit_test(equal_tags__are_refused_when_no_split_can_part_them),
        cmocka_unit_test(one_home_line__spills_over_without_loss),
        cmocka_unit_test(crowded_prefix__uses_up_the_memory_and_says_so),
        cmocka_unit_test(removed_entry__is_gone_and_its_neighbours_are_not),
        cmocka_unit_test(equal_tags__are_removed_by_slot),
        cmocka_unit_test(random_insertions_and_removals__agree_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
