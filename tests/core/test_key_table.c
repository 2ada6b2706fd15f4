/* The key table remembers every answer, by the whole digest, until it is full. */
#include "support.h"

#include "engine/core/key_table.h"

static struct key_entry entry_make(uint64_t low, uint64_t high)
{
    return (struct key_entry){
        .digest = {.low = low, .high = high},
        .lsn_kind_status = key_entry_pack(low + 1, 2, 50),
        .amount_minor = (int64_t)low,
    };
}

static void pack__keeps_lsn_kind_and_status(void **state)
{
    (void)state;
    struct key_entry entry = {.lsn_kind_status =
                                  key_entry_pack((UINT64_C(1) << 48) - 1, UINT8_MAX, 51)};
    assert_int_equal(key_entry_lsn(&entry), (UINT64_C(1) << 48) - 1);
    assert_int_equal(key_entry_kind(&entry), UINT8_MAX);
    assert_int_equal(key_entry_status(&entry), 51);
}

static void keys__are_found_by_the_whole_digest(void **state)
{
    (void)state;
    enum { KEYS = 20000 };
    struct key_table table;
    void *memory = memory_take(key_table_memory_bytes(KEYS));
    uint64_t random = seed_choose();
    key_table_init(&table, KEYS, memory);
    for (uint64_t i = 0; i < KEYS; i++) {
        /* Twos share their upper half, which is all that the index sees. */
        uint64_t high = i % 2 == 0 ? random_next(&random) : table.slots[i - 1].digest.high;
        struct key_entry entry = entry_make(i, high);
        key_table_prefetch(&table, entry.digest);
        assert_null(key_table_find(&table, entry.digest));
        assert_true(key_table_has_room(&table));
        assert_non_null(key_table_add(&table, &entry));
    }
    for (uint64_t i = 0; i < KEYS; i++) {
        const struct key_entry *entry = key_table_find(&table, table.slots[i].digest);
        assert_non_null(entry);
        assert_int_equal(entry->amount_minor, i);
        assert_int_equal(key_entry_lsn(entry), i + 1);
    }
    free(memory);
}

static void full_table__refuses_and_stays_as_it_was(void **state)
{
    (void)state;
    struct key_table table;
    void *memory = memory_take(key_table_memory_bytes(2));
    key_table_init(&table, 2, memory);
    for (uint64_t i = 0; i < 3; i++) {
        struct key_entry entry = entry_make(i, i << 40);
        assert_int_equal(key_table_has_room(&table), i < 2);
        assert_int_equal(key_table_add(&table, &entry) != NULL, i < 2);
        assert_int_equal(key_table_find(&table, entry.digest) != NULL, i < 2);
    }
    assert_int_equal(table.count, 2);
    free(memory);
}

static void table_of_no_keys__has_no_room(void **state)
{
    (void)state;
    struct key_table table;
    void *memory = memory_take(key_table_memory_bytes(0));
    key_table_init(&table, 0, memory);
    assert_false(key_table_has_room(&table));
    assert_null(key_table_find(&table, (struct hash128){1, 2}));
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack__keeps_lsn_kind_and_status),
        cmocka_unit_test(keys__are_found_by_the_whole_digest),
        cmocka_unit_test(full_table__refuses_and_stays_as_it_was),
        cmocka_unit_test(table_of_no_keys__has_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
