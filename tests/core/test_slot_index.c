/* The slot index: what was put in is found, whatever the hashes; room is promised and kept. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_index__finds_nothing),
        cmocka_unit_test(million_random_hashes__fit_and_are_found_once),
        cmocka_unit_test(any_size__holds_what_it_was_made_for),
        cmocka_unit_test(equal_tags__are_refused_when_no_split_can_part_them),
        cmocka_unit_test(one_home_line__spills_over_without_loss),
        cmocka_unit_test(crowded_prefix__uses_up_the_memory_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
