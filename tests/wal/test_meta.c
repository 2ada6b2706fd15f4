/* test_meta.c - DATA/meta, byte for byte, and the beginning of a data directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim_disk.h"
#include "wal/bytes.h"
#include "wal/golden.h"
#include "wal/history.h"
#include "wal/meta.h"
#include "wal/segment.h"

enum { SEGMENT_BYTES = 64 * 1024 };

static struct sim_disk *disk_with_meta(void)
{
    struct sim_disk *disk = sim_disk_create();
    struct meta meta = history_meta(SEGMENT_BYTES);
    assert_int_equal(meta_create(sim_disk_storage(disk), &meta), 0);
    return disk;
}

static void meta__has_its_golden_bytes(void **state)
{
    (void)state;
    struct sim_disk *disk = disk_with_meta();
    uint64_t size;
    const uint8_t *bytes = sim_disk_bytes(disk, "meta", &size);
    assert_int_equal(size, 4096);
    golden_assert(bytes, "464c4f52494e444d0100000000000000"
                         "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
                         "000102030405060708090a0b0c0d0e0f"
                         "101112131415161718191a1b1c1d1e1f"
                         "00002a36fe9c97170000010000000000"
                         "5c39d1cff601b32a");
    assert_true(bytes_are_zero(bytes + 88, 4096 - 88));
    sim_disk_destroy(disk);
}

static void meta__reads_back(void **state)
{
    (void)state;
    struct sim_disk *disk = disk_with_meta();
    struct meta expected = history_meta(SEGMENT_BYTES);
    struct meta found;
    assert_int_equal(meta_read(sim_disk_storage(disk), &found), 0);
    assert_int_equal(found.format_version, expected.format_version);
    assert_memory_equal(found.log_id, expected.log_id, META_LOG_ID_BYTES);
    assert_memory_equal(found.hash_seed, expected.hash_seed, META_HASH_SEED_BYTES);
    assert_int_equal(found.created_ns, expected.created_ns);
    assert_int_equal(found.segment_bytes, expected.segment_bytes);
    sim_disk_destroy(disk);
}

static void meta_with_any_flipped_bit__is_refused(void **state)
{
    (void)state;
    struct sim_disk *disk = disk_with_meta();
    uint64_t size;
    uint8_t *bytes = sim_disk_bytes(disk, "meta", &size);
    for (unsigned bit = 0; bit < size * 8; bit++) {
        struct meta found;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int error = meta_read(sim_disk_storage(disk), &found);
        bool in_version = bit / 8 >= 8 && bit / 8 < 12;
        assert_int_equal(error, in_version ? -EPROTONOSUPPORT : -EBADMSG);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    sim_disk_destroy(disk);
}

static void meta_of_another_version__is_named(void **state)
{
    (void)state;
    struct sim_disk *disk = disk_with_meta();
    uint64_t size;
    sim_disk_bytes(disk, "meta", &size)[8] = 9;
    struct meta found;
    assert_int_equal(meta_read(sim_disk_storage(disk), &found), -EPROTONOSUPPORT);
    assert_int_equal(found.format_version, 9);
    sim_disk_destroy(disk);
}

static void missing_meta__is_told(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_create();
    struct meta found;
    assert_int_equal(meta_read(sim_disk_storage(disk), &found), -ENOENT);
    sim_disk_destroy(disk);
}

static void create__leaves_an_existing_meta_alone(void **state)
{
    (void)state;
    struct sim_disk *disk = disk_with_meta();
    struct meta other = history_meta(SEGMENT_BYTES);
    other.log_id[0] ^= 1;
    assert_int_equal(meta_create(sim_disk_storage(disk), &other), -EEXIST);
    struct meta found;
    assert_int_equal(meta_read(sim_disk_storage(disk), &found), 0);
    assert_int_not_equal(found.log_id[0], other.log_id[0]);
    sim_disk_destroy(disk);
}

static void create__replaces_what_an_interrupted_creation_left(void **state)
{
    (void)state;
    struct sim_disk *disk = disk_with_meta();
    struct storage *storage = sim_disk_storage(disk);
    assert_int_equal(storage->operations->remove(storage, "meta"), 0);
    struct meta meta = history_meta(4 * 4096);
    meta.log_id[0] ^= 1;
    assert_int_equal(meta_create(storage, &meta), 0);
    uint64_t size;
    const uint8_t *bytes = sim_disk_bytes(disk, "log/0000000000000001.wal", &size);
    assert_int_equal(size, 4 * 4096);
    assert_true(segment_is_spare(&meta, 1, bytes));
    sim_disk_destroy(disk);
}

static void create__refuses_a_log_without_meta_and_names_the_file(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_create();
    struct storage *storage = sim_disk_storage(disk);
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(4 * 4096);
    struct history history;
    assert_int_equal(history_open(&history, storage, channel, &meta), 0);
    assert_int_equal(history_append(&history, 1, 100), 0);
    history_commit(&history);
    history_close(&history, true);
    assert_int_equal(storage->operations->remove(storage, "meta"), 0);
    assert_int_equal(meta_create(storage, &meta), -ENOTEMPTY);
    char name[STORAGE_NAME_MAX];
    assert_int_equal(meta_find_blocker(storage, name), 0);
    assert_string_equal(name, "log/0000000000000001.wal");
    channel->operations->destroy(channel);
    sim_disk_destroy(disk);
}

static void segment_sizes_out_of_range__are_refused(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_create();
    static const uint64_t sizes[] = {0, 4096, 3 * 4096, 4 * 4096 + 512, UINT64_C(1) << 31};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct meta meta = history_meta(sizes[i]);
        assert_int_equal(meta_create(sim_disk_storage(disk), &meta), -EINVAL);
    }
    sim_disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meta__has_its_golden_bytes),
        cmocka_unit_test(meta__reads_back),
        cmocka_unit_test(meta_with_any_flipped_bit__is_refused),
        cmocka_unit_test(meta_of_another_version__is_named),
        cmocka_unit_test(missing_meta__is_told),
        cmocka_unit_test(create__leaves_an_existing_meta_alone),
        cmocka_unit_test(create__replaces_what_an_interrupted_creation_left),
        cmocka_unit_test(create__refuses_a_log_without_meta_and_names_the_file),
        cmocka_unit_test(segment_sizes_out_of_range__are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
