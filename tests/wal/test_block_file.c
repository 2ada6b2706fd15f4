/* test_block_file.c - block files, byte for byte, on real files, and with every kind of damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/temporary_directory.h"
#include "wal/block_file_sample.h"
#include "wal/bytes.h"
#include "wal/channel_posix.h"
#include "wal/channel_uring.h"
#include "wal/checksum.h"
#include "wal/golden.h"
#include "wal/real_channel.h"
#include "wal/storage_posix.h"

enum {
    BLOCKS = 3,
    HEADER = 4096,
    FOOTER = 4096,
    BLOCK_HEADER = BLOCK_FILE_BLOCK_HEADER_BYTES,
    SMALL_BYTES = HEADER + BLOCKS * SAMPLE_BLOCK_BYTES + FOOTER,
    CHECKSUM_OF_HEADER = 168,
    CHECKSUM_OF_BLOCK = 24,
    CHECKSUM_OF_FOOTER = 152,
};

/* --- a small file in memory ------------------------------------------------------------------ */

struct small {
    struct sim_disk *disk;
    struct block_file_plan plan;
    uint8_t *bytes; /* of the file, to meddle with */
};

static struct small small_file(void)
{
    struct small small = {.disk = sample_disk()};
    small.plan = sample_plan(sim_disk_storage(small.disk), NULL);
    assert_int_equal(sample_write(&small.plan, BLOCKS), 0);
    uint64_t size;
    small.bytes = sim_disk_bytes(small.disk, SAMPLE_PATH, &size);
    assert_non_null(small.bytes);
    assert_int_equal(size, SMALL_BYTES);
    return small;
}

static uint8_t *small_block(const struct small *small, unsigned number)
{
    return small->bytes + HEADER + (size_t)number * SAMPLE_BLOCK_BYTES;
}

static void small_remove(struct small *small)
{
    sim_disk_destroy(small->disk);
}

/* The checksums as the table of wal/block_file.c says, apart from the code under test. */

static uint64_t salt_of(const uint8_t *header)
{
    return checksum_bytes(header + 16, 148, 0);
}

static void repair_header(uint8_t *header)
{
    bytes_put_u64(header + CHECKSUM_OF_HEADER, checksum_bytes(header, CHECKSUM_OF_HEADER, 0));
}

static void repair_block(uint8_t *block, uint64_t salt)
{
    uint64_t sum = checksum_bytes(block, CHECKSUM_OF_BLOCK, salt);
    sum = checksum_bytes(block + BLOCK_HEADER, SAMPLE_BLOCK_BYTES - BLOCK_HEADER, sum);
    bytes_put_u64(block + CHECKSUM_OF_BLOCK, sum);
}

static void repair_footer(uint8_t *footer, uint64_t salt)
{
    bytes_put_u64(footer + CHECKSUM_OF_FOOTER, checksum_bytes(footer, CHECKSUM_OF_FOOTER, salt));
}

static void assert_refused(const struct small *small, uint64_t offset, const char *reason)
{
    struct block_file_fault fault = {0};
    assert_int_equal(sample_check(&small->plan, BLOCKS, &fault), -EBADMSG);
    assert_string_equal(fault.file, SAMPLE_PATH);
    if (strstr(fault.reason, reason) == NULL)
        assert_string_equal(fault.reason, reason);
    assert_int_equal(fault.offset, offset);
}

/* --- the bytes ------------------------------------------------------------------------------- */

static void block_file__has_its_golden_bytes(void **state)
{
    (void)state;
    struct small small = small_file();
    golden_assert(small.bytes, "464c4f52494e42460100000000100000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
                               "020000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c"
                               "1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c"
                               "3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c"
                               "5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c"
                               "7d7e7f800000000006aac3e49a388164");
    assert_true(bytes_are_zero(small.bytes + 176, HEADER - 176));
    golden_assert(small_block(&small, 0),
                  "07000000e00f000000000000000000000000000000000000431aae17b70f0799"
                  "01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3da");
    golden_assert(small_block(&small, 1),
                  "0a00000000000000010000000000000000000000000000005c16ac7386365e7a");
    assert_true(
        bytes_are_zero(small_block(&small, 1) + BLOCK_HEADER, SAMPLE_BLOCK_BYTES - BLOCK_HEADER));
    golden_assert(small_block(&small, 2),
                  "0d000000f103000002000000000000000000000000000000848f9a1b2611fa5c"
                  "3f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9e0e7eef5fc030a1118");
    golden_assert(small_block(&small, BLOCKS),
                  "464c4f52494e42450300000000000000a59fb39bd52e8ed8030507090b0d0f11"
                  "131517191b1d1f21232527292b2d2f31333537393b3d3f41434547494b4d4f51"
                  "535557595b5d5f61636567696b6d6f71737577797b7d7f81838587898b8d8f91"
                  "939597999b9d9fa1a3a5a7a9abadafb1b3b5b7b9bbbdbfc1c3c5c7c9cbcdcfd1"
                  "d3d5d7d9dbdddfe1e3e5e7e9ebedeff1f3f5f7f9fbfdff016e20f353960f9f14");
    assert_true(bytes_are_zero(small_block(&small, BLOCKS) + 160, FOOTER - 160));
    small_remove(&small);
}

static void file_without_blocks__is_a_file(void **state)
{
    (void)state;
    struct sim_disk *disk = sample_disk();
    struct block_file_plan plan = sample_plan(sim_disk_storage(disk), NULL);
    assert_int_equal(sample_write(&plan, 0), 0);
    struct block_file_fault fault;
    assert_int_equal(sample_check(&plan, 0, &fault), 0);
    sim_disk_destroy(disk);
}

/* --- real files ------------------------------------------------------------------------------ */

/* Files smaller than a buffer, of several, of whole buffers, and with blocks that fill no buffer
 * evenly. */
static void round_trips(channel_maker make)
{
    static const struct {
        uint32_t block_bytes;
        uint64_t blocks;
    } shapes[] = {{4096, 0}, {4096, 1}, {4096, 300}, {4096, 128}, {96 * 1024, 11}, {256 * 1024, 5}};
    struct channel *channel = make == NULL ? NULL : real_channel_create(make);
    char path[TEMPORARY_DIRECTORY_MAX];
    temporary_directory_make(path);
    struct storage *storage;
    assert_int_equal(storage_posix_create(path, true, &storage), 0);
    assert_int_equal(storage->operations->make_directory(storage, SAMPLE_DIRECTORY), 0);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct block_file_plan plan = sample_plan(storage, channel);
        plan.block_bytes = shapes[i].block_bytes;
        assert_int_equal(sample_write(&plan, shapes[i].blocks), 0);
        struct block_file_fault fault;
        assert_int_equal(sample_check(&plan, shapes[i].blocks, &fault), 0);
        assert_false(sample_exists(storage, SAMPLE_TEMPORARY));
    }
    if (channel != NULL)
        channel->operations->destroy(channel);
    storage_posix_destroy(storage);
    temporary_directory_remove(path);
}

static void file_written_without_channel__reads_back(void **state)
{
    (void)state;
    round_trips(NULL);
}

static void file_written_through_uring_channel__reads_back(void **state)
{
    (void)state;
    round_trips(channel_uring_create);
}

static void file_written_through_posix_channel__reads_back(void **state)
{
    (void)state;
    round_trips(channel_posix_create);
}

static void blocks__are_read_in_any_pieces(void **state)
{
    (void)state;
    struct small small = small_file();
    struct block_file file;
    struct block_file_fault fault;
    assert_int_equal(block_file_open(small.plan.storage, NULL, BLOCK_FILE_KEYS, SAMPLE_DIRECTORY,
                                     SAMPLE_NAME, &file, &fault),
                     0); /* of any log */
    uint8_t *buffer = aligned_alloc(STORAGE_ALIGNMENT, (size_t)BLOCKS * SAMPLE_BLOCK_BYTES);
    assert_non_null(buffer);
    for (uint64_t first = 0; first <= BLOCKS; first++) {
        for (uint64_t count = 0; first + count <= BLOCKS; count++) {
            assert_int_equal(block_file_read(&file, first, count, buffer, &fault), 0);
            assert_memory_equal(buffer, small.bytes + HEADER + first * SAMPLE_BLOCK_BYTES,
                                count * SAMPLE_BLOCK_BYTES);
        }
    }
    free(buffer);
    block_file_close(&file);
    small_remove(&small);
}

/* --- damage ---------------------------------------------------------------------------------- */

/* By block_file_open(), so that nobody begins to use it. */
static void assert_cut_is_refused(const struct small *small, const uint8_t *bytes, uint64_t size)
{
    struct sim_disk *disk = sim_disk_create();
    sim_disk_put(disk, SAMPLE_PATH, bytes, size);
    struct block_file file;
    struct block_file_fault fault = {0};
    assert_int_equal(block_file_open(sim_disk_storage(disk), small->plan.log_id, BLOCK_FILE_KEYS,
                                     SAMPLE_DIRECTORY, SAMPLE_NAME, &file, &fault),
                     -EBADMSG);
    assert_string_equal(fault.file, SAMPLE_PATH);
    assert_true(fault.offset <= size);
    assert_true(fault.reason[0] != '\0');
    sim_disk_destroy(disk);
}

static void file_cut_off_anywhere__is_refused(void **state)
{
    (void)state;
    struct small small = small_file();
    for (uint64_t size = 0; size < SMALL_BYTES; size++)
        assert_cut_is_refused(&small, small.bytes, size);
    small_remove(&small);
}

static void file_with_more_behind__is_refused(void **state)
{
    (void)state;
    struct small small = small_file();
    uint8_t *longer = calloc(1, 2 * SMALL_BYTES);
    assert_non_null(longer);
    memcpy(longer, small.bytes, SMALL_BYTES);
    memcpy(longer + SMALL_BYTES, small.bytes, SMALL_BYTES);
    static const uint64_t more[] = {1, 512, 4096, 8192, SMALL_BYTES};
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        assert_cut_is_refused(&small, longer, SMALL_BYTES + more[i]);
    free(longer);
    small_remove(&small);
}

static void file_with_any_flipped_bit__is_refused(void **state)
{
    (void)state;
    struct small small = small_file();
    for (uint64_t bit = 0; bit < UINT64_C(8) * SMALL_BYTES; bit++) {
        struct block_file_fault fault = {0};
        small.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(sample_check(&small.plan, BLOCKS, &fault), -EBADMSG);
        assert_string_equal(fault.file, SAMPLE_PATH);
        assert_true(fault.offset < SMALL_BYTES);
        assert_true(fault.reason[0] != '\0');
        small.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    struct block_file_fault fault;
    assert_int_equal(sample_check(&small.plan, BLOCKS, &fault), 0);
    small_remove(&small);
}

static void swapped_blocks__are_named(void **state)
{
    (void)state;
    struct small small = small_file();
    uint8_t block[SAMPLE_BLOCK_BYTES];
    memcpy(block, small_block(&small, 1), sizeof(block));
    memcpy(small_block(&small, 1), small_block(&small, 2), sizeof(block));
    memcpy(small_block(&small, 2), block, sizeof(block));
    assert_refused(&small, 8192 + 8, "block 2 stands at the place of block 1");
    small_remove(&small);
}

static void block_of_another_file_of_this_log__is_refused(void **state)
{
    (void)state;
    struct small small = small_file();
    struct sim_disk *disk = sample_disk();
    struct block_file_plan plan = sample_plan(sim_disk_storage(disk), NULL);
    plan.info[127] ^= 1;
    assert_int_equal(sample_write(&plan, BLOCKS), 0);
    uint64_t size;
    const uint8_t *other = sim_disk_bytes(disk, SAMPLE_PATH, &size);
    memcpy(small_block(&small, 1), other + 8192, SAMPLE_BLOCK_BYTES);
    assert_refused(&small, 8192, "block 1 has checksum");
    sim_disk_destroy(disk);
    small_remove(&small);
}

/* Right in itself and at its place; only the chain knows that it was not written here. */
static void block_of_an_older_file_of_the_same_info__breaks_the_chain(void **state)
{
    (void)state;
    struct small small = small_file();
    bytes_put_u32(small_block(&small, 1), 99);
    repair_block(small_block(&small, 1), salt_of(small.bytes));
    assert_refused(&small, SMALL_BYTES - FOOTER + 16, "the footer's chain is");
    small_remove(&small);
}

static void files_of_others__are_refused_by_name(void **state)
{
    (void)state;
    struct small small = small_file();
    uint8_t foreign[META_LOG_ID_BYTES];
    memcpy(foreign, sample_log_id, sizeof(foreign));
    foreign[15] ^= 1;
    small.plan.log_id = foreign;
    assert_refused(&small, 16, "another log");
    small.plan.log_id = sample_log_id;
    small.plan.kind = BLOCK_FILE_CHECKPOINT;
    assert_refused(&small, 32, "kind 2, expected 1");
    small.plan.kind = BLOCK_FILE_KEYS;
    small.bytes[8] = 2;
    assert_refused(&small, 8, "format version 2, this program reads 1");
    repair_header(small.bytes);
    assert_refused(&small, 8, "format version 2, this program reads 1");
    small.bytes[8] = 1;
    small.bytes[7] = 'X';
    repair_header(small.bytes);
    assert_refused(&small, 0, "not a block file");
    small_remove(&small);
}

static void missing_file__is_told(void **state)
{
    (void)state;
    struct sim_disk *disk = sample_disk();
    struct block_file_plan plan = sample_plan(sim_disk_storage(disk), NULL);
    struct block_file_fault fault;
    assert_int_equal(sample_check(&plan, BLOCKS, &fault), -ENOENT);
    sim_disk_destroy(disk);
}

/* Checksums that are right over fields that are not: what a wrong writer would leave. */
static void right_checksums_over_wrong_fields__are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t place; /* in the file; 4 bytes */
        uint32_t value;
        uint32_t offset;
        const char *reason;
    } cases[] = {
        {12, 0, 12, "blocks of 0 bytes"},
        {12, 4095, 12, "blocks of 4095 bytes"},
        {12, 512 * 1024, 12, "blocks of 524288 bytes"},
        {12, 8192, SMALL_BYTES, "within a block"},
        {164, 1, 164, "reserved"},
        {176, 1, 176, "header's padding"},
        {4092, 1, 176, "header's padding"},
        {8192 + 4, 4065, 8192 + 4, "says that it holds 4065 bytes"},
        {8192 + 8, 0, 8192 + 8, "block 0 stands at the place of block 1"},
        {8192 + 20, 1, 8192 + 16, "a reserved field of block 1"},
        {8192 + 32, 1, 8192 + 32, "padding of block 1"},
        {8192 + 4092, 1, 8192 + 32, "padding of block 1"},
        {16384, 1, 16384, "no footer"},
        {16384 + 8, 2, 16384 + 8, "a footer of 2 blocks behind 3"},
        {16384 + 160, 1, 16384 + 160, "footer's padding"},
        {16384 + 4092, 1, 16384 + 160, "footer's padding"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct small small = small_file();
        bytes_put_u32(small.bytes + cases[i].place, cases[i].value);
        repair_header(small.bytes);
        for (unsigned number = 0; number < BLOCKS; number++)
            repair_block(small_block(&small, number), salt_of(small.bytes));
        repair_footer(small_block(&small, BLOCKS), salt_of(small.bytes));
        assert_refused(&small, cases[i].offset, cases[i].reason);
        small_remove(&small);
    }
}

static void sector_that_cannot_be_read__is_named(void **state)
{
    (void)state;
    struct small small = small_file();
    struct block_file_fault fault = {0};
    sim_disk_fail(small.disk, 5, EIO, false); /* open, size, header, footer, blocks */
    assert_int_equal(sample_check(&small.plan, BLOCKS, &fault), -EIO);
    assert_string_equal(fault.file, SAMPLE_PATH);
    assert_int_equal(fault.offset, HEADER);
    assert_non_null(strstr(fault.reason, "cannot be read: errno 5"));
    small_remove(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_file__has_its_golden_bytes),
        cmocka_unit_test(file_without_blocks__is_a_file),
        cmocka_unit_test(file_written_without_channel__reads_back),
        cmocka_unit_test(file_written_through_uring_channel__reads_back),
        cmocka_unit_test(file_written_through_posix_channel__reads_back),
        cmocka_unit_test(blocks__are_read_in_any_pieces),
        cmocka_unit_test(file_cut_off_anywhere__is_refused),
        cmocka_unit_test(file_with_more_behind__is_refused),
        cmocka_unit_test(file_with_any_flipped_bit__is_refused),
        cmocka_unit_test(swapped_blocks__are_named),
        cmocka_unit_test(block_of_another_file_of_this_log__is_refused),
        cmocka_unit_test(block_of_an_older_file_of_the_same_info__breaks_the_chain),
        cmocka_unit_test(files_of_others__are_refused_by_name),
        cmocka_unit_test(missing_file__is_told),
        cmocka_unit_test(right_checksums_over_wrong_fields__are_refused),
        cmocka_unit_test(sector_that_cannot_be_read__is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
