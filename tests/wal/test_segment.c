/* test_segment.c - the header block of a segment, byte for byte, and its names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "support/sim_disk.h"
#include "wal/bytes.h"
#include "wal/checksum.h"
#include "wal/golden.h"
#include "wal/history.h"
#include "wal/segment.h"

enum { SEGMENT_BYTES = 64 * 1024 };

static struct segment_header used_header(void)
{
    struct meta meta = history_meta(SEGMENT_BYTES);
    struct segment_header header = {
        .number = 3,
        .segment_bytes = SEGMENT_BYTES,
        .state = SEGMENT_USED,
        .epoch = 2,
        .first_lsn = 77,
        .chain = UINT64_C(0x1122334455667788),
    };
    memcpy(header.log_id, meta.log_id, META_LOG_ID_BYTES);
    return header;
}

static void used_header__has_its_golden_bytes(void **state)
{
    (void)state;
    struct segment_header header = used_header();
    uint8_t block[SEGMENT_HEADER_BYTES];
    segment_header_encode(&header, block);
    golden_assert(block, "464c4f52494e57530100020002000000"
                         "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
                         "03000000000000000000010000000000"
                         "15f9f221b68778bb4d00000000000000"
                         "8877665544332211c2bd0c76695aa2f4");
    golden_assert(block + 504, "c84dd301aa8b2a99");
    golden_assert(block + 4088, "90c11d1e38cce321");
}

static void spare_header__has_its_golden_bytes(void **state)
{
    (void)state;
    struct meta meta = history_meta(SEGMENT_BYTES);
    uint8_t block[SEGMENT_HEADER_BYTES];
    segment_spare_block(&meta, 3, block);
    golden_assert(block, "464c4f52494e57530100010000000000"
                         "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
                         "03000000000000000000010000000000"
                         "15f9f221b68778bb0000000000000000"
                         "00000000000000001342a9028458ae03");
    golden_assert(block + 504, "dd2bdd6d2421a673");
    golden_assert(block + 4088, "e88c629b2d4e60df");
}

static void header__reads_back(void **state)
{
    (void)state;
    struct segment_header header = used_header();
    uint8_t block[SEGMENT_HEADER_BYTES];
    segment_header_encode(&header, block);
    struct segment_header found;
    assert_int_equal(segment_header_decode(block, &found), 0);
    assert_memory_equal(found.log_id, header.log_id, META_LOG_ID_BYTES);
    assert_int_equal(found.number, 3);
    assert_int_equal(found.segment_bytes, SEGMENT_BYTES);
    assert_int_equal(found.state, SEGMENT_USED);
    assert_int_equal(found.epoch, 2);
    assert_int_equal(found.first_lsn, 77);
    assert_int_equal(found.chain, UINT64_C(0x1122334455667788));
}

static void header_with_any_flipped_bit__is_refused(void **state)
{
    (void)state;
    struct segment_header header = used_header();
    uint8_t block[SEGMENT_HEADER_BYTES];
    segment_header_encode(&header, block);
    for (unsigned bit = 0; bit < SECTOR_DATA_BYTES * 8; bit++) {
        struct segment_header found;
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(segment_header_decode(block, &found), -EBADMSG);
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void header_of_another_version__is_told_apart_from_damage(void **state)
{
    (void)state;
    struct segment_header header = used_header();
    uint8_t block[SEGMENT_HEADER_BYTES];
    segment_header_encode(&header, block);
    bytes_put_u16(block + 8, 2);
    bytes_put_u64(block + 72, checksum_bytes(block, 72, 0));
    struct segment_header found;
    assert_int_equal(segment_header_decode(block, &found), -EPROTONOSUPPORT);
}

static void names__are_those_of_the_format(void **state)
{
    (void)state;
    char name[STORAGE_NAME_MAX];
    segment_name(12, name);
    assert_string_equal(name, "log/0000000000000012.wal");
    segment_temporary_name(12, name);
    assert_string_equal(name, "log/0000000000000012.tmp");
    uint64_t number = 0;
    assert_int_equal(segment_parse_name("0000000000000012.wal", &number), SEGMENT_FILE_LOG);
    assert_int_equal(number, 12);
    assert_int_equal(segment_parse_name("0000000000000007.tmp", &number), SEGMENT_FILE_TEMPORARY);
    assert_int_equal(number, 7);
    static const char *const others[] = {
        "",
        "12.wal",
        "0000000000000000.wal",
        "0000000000000012.wal.old",
        "000000000000001x.wal",
        "0000000000000012",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(segment_parse_name(others[i], &number), SEGMENT_FILE_OTHER);
}

static void created_spare__is_durable_and_locked(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_create();
    struct storage *storage = sim_disk_storage(disk);
    const struct storage_operations *operations = storage->operations;
    struct meta meta = history_meta(SEGMENT_BYTES);
    assert_int_equal(operations->make_directory(storage, "log"), 0);
    struct storage_file *file;
    struct storage_file *other;
    assert_int_equal(segment_create_spare(storage, &meta, 5, NULL, &file), 0);
    assert_int_equal(
        operations->open(storage, "log/0000000000000005.wal", STORAGE_OPEN_EXISTING, &other), 0);
    assert_int_equal(operations->lock(other, 0), -EBUSY);
    operations->close(other);
    operations->close(file);
    assert_int_equal(operations->sync_directory(storage, ""), 0);
    uint64_t size;
    const uint8_t *bytes = sim_disk_bytes(disk, "log/0000000000000005.wal", &size);
    assert_non_null(bytes); /* nothing is left to flush */
    assert_int_equal(size, SEGMENT_BYTES);
    assert_true(segment_is_spare(&meta, 5, bytes));
    assert_false(segment_is_spare(&meta, 6, bytes));
    sim_disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(used_header__has_its_golden_bytes),
        cmocka_unit_test(spare_header__has_its_golden_bytes),
        cmocka_unit_test(header__reads_back),
        cmocka_unit_test(header_with_any_flipped_bit__is_refused),
        cmocka_unit_test(header_of_another_version__is_told_apart_from_damage),
        cmocka_unit_test(names__are_those_of_the_format),
        cmocka_unit_test(created_spare__is_durable_and_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
