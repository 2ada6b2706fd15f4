/* test_key_file.c - one key file: its bytes, what is found in it, and that damage is named.
 */
#include "core/support.h"

#include <errno.h>

#include "engine/core/bytes.h"
#include "engine/runtime/key_archive.h"
#include "engine/runtime/key_file.h"
#include "florin.h"
#include "support/sim_disk.h"
#include "support/temporary_directory.h"
#include "wal/golden.h"
#include "wal/storage_posix.h"

enum {
    BLOCK = KEY_FILE_BLOCK_BYTES,
    BLOCK_KEYS = KEY_FILE_BLOCK_KEYS,
    HEADER = STORAGE_ALIGNMENT,
    PAYLOAD = BLOCK_FILE_BLOCK_HEADER_BYTES,
    KEYS_MAX = 4000,
    MILLION = 1024 * 1024,
    /* Of keys_max, so that a file of few keys has 4 parts. */
    FOUR_PARTS = 3 * KEY_FILE_PART_KEYS,
};

static const uint8_t log_id[META_LOG_ID_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
static const struct meta meta = {.log_id = {1, 2, 3, 4, 5, 6, 7, 8}};

static struct key_answer answer_of(struct hash128 digest, uint64_t lsn)
{
    return (struct key_answer){
        .digest = digest,
        .lsn = lsn,
        .kind = FLORIN_DEPOSIT,
        .status = FLORIN_APPLIED,
        .time_ns = lsn * 1000,
        .amount_minor = (int64_t)lsn + 5,
        .balance_minor = (int64_t)lsn * 3,
        .version = lsn,
    };
}

static int compare_answers(const void *left, const void *right)
{
    return key_answer_compare(left, right);
}

/* Random digests, LSNs from 1 on; sorted. */
static struct key_answer *make_keys(size_t count, uint64_t seed)
{
    struct key_answer *keys = memory_take((count + 1) * sizeof(*keys));
    for (size_t i = 0; i < count; i++) {
        struct hash128 digest = {.high = random_next(&seed), .low = random_next(&seed)};
        keys[i] = answer_of(digest, i + 1);
    }
    qsort(keys, count, sizeof(*keys), compare_answers);
    return keys;
}

static struct key_file_range range_of(size_t count)
{
    return (struct key_file_range){1, count + 1};
}

static void write_file(struct storage *storage, const struct key_answer *keys, size_t count,
                       uint64_t keys_max)
{
    struct key_file_plan plan = {
        .storage = storage,
        .log_id = log_id,
        .range = range_of(count),
        .keys_max = keys_max > count ? keys_max : count,
    };
    struct key_file_writer *writer;
    assert_int_equal(storage->operations->make_directory(storage, "keys"), 0);
    assert_int_equal(storage->operations->sync_directory(storage, ""), 0);
    assert_int_equal(key_file_begin(&plan, &writer), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(key_file_add(writer, &keys[i]), 0);
    assert_int_equal(key_file_finish(writer), 0);
}

static void open_file(struct storage *storage, size_t count, struct key_file *file)
{
    struct block_file_fault fault = {0};
    assert_int_equal(key_file_open(storage, log_id, range_of(count), file, &fault), 0);
    assert_int_equal(key_file_load(file, &fault), 0);
}

static bool answers_are_equal(const struct key_answer *left, const struct key_answer *right)
{
    uint8_t bytes[2][KEY_ANSWER_BYTES];
    key_answer_encode(left, bytes[0]);
    key_answer_encode(right, bytes[1]);
    return memcmp(bytes[0], bytes[1], KEY_ANSWER_BYTES) == 0;
}

static void *take_block(void)
{
    void *block = aligned_alloc(STORAGE_ALIGNMENT, BLOCK);
    assert_non_null(block);
    return block;
}

/* --- finding --------------------------------------------------------------------------------- */

static void assert_all_found(const struct key_file *file, const struct key_answer *keys,
                             size_t count)
{
    struct block_file_fault fault;
    uint8_t *block = take_block();
    for (size_t i = 0; i < count; i++) {
        struct key_answer answer;
        bool found = false;
        assert_true(key_file_may_contain(file, keys[i].digest));
        assert_int_equal(key_file_find(file, keys[i].digest, block, &answer, &found, &fault), 0);
        assert_true(found);
        assert_true(answers_are_equal(&answer, &keys[i]));
        /* The whole digest counts. */
        struct hash128 other = {.high = keys[i].digest.high, .low = keys[i].digest.low ^ 1};
        assert_int_equal(key_file_find(file, other, block, &answer, &found, &fault), 0);
        assert_false(found);
        other = (struct hash128){.high = keys[i].digest.high + 1, .low = keys[i].digest.low};
        assert_int_equal(key_file_find(file, other, block, &answer, &found, &fault), 0);
        assert_false(found);
    }
    free(block);
}

static void every_key__is_found_with_its_whole_answer(void **state)
{
    (void)state;
    static const size_t SIZES[] = {
        0, 1, 2, BLOCK_KEYS - 1, BLOCK_KEYS, BLOCK_KEYS + 1, 17 * BLOCK_KEYS, KEYS_MAX};
    uint64_t seed = seed_choose();
    for (size_t i = 0; i < 2 * COUNT_OF(SIZES); i++) {
        size_t count = SIZES[i / 2];
        struct key_answer *keys = make_keys(count, seed + i);
        struct sim_disk *disk = sim_disk_create();
        struct storage *storage = sim_disk_storage(disk);
        write_file(storage, keys, count, i % 2 == 0 ? 0 : FOUR_PARTS);
        struct key_file file;
        open_file(storage, count, &file);
        assert_int_equal(file.totals.part_bits, i % 2 == 0 ? 0 : 2);
        assert_int_equal(file.totals.key_count, count);
        assert_all_found(&file, keys, count);
        struct block_file_fault fault;
        assert_int_equal(key_file_verify(&file, NULL, NULL, &fault), 0);
        key_file_close(&file);
        free(keys);
        sim_disk_destroy(disk);
    }
}

/* Nobody can make them, but the search does not rest on that. */
static void keys_that_share_half_their_digest__are_told_apart_over_blocks(void **state)
{
    (void)state;
    enum { COUNT = 5 * BLOCK_KEYS + 7 };
    struct key_answer *keys = make_keys(COUNT, seed_choose());
    for (size_t i = BLOCK_KEYS / 2; i < 4 * BLOCK_KEYS; i++)
        keys[i].digest.high = keys[BLOCK_KEYS / 2].digest.high;
    qsort(keys, COUNT, sizeof(*keys), compare_answers);
    struct sim_disk *disk = sim_disk_create();
    write_file(sim_disk_storage(disk), keys, COUNT, 0);
    struct key_file file;
    open_file(sim_disk_storage(disk), COUNT, &file);
    struct block_file_fault fault;
    uint8_t *block = take_block();
    for (size_t i = 0; i < COUNT; i++) {
        struct key_answer answer;
        bool found = false;
        assert_int_equal(key_file_find(&file, keys[i].digest, block, &answer, &found, &fault), 0);
        assert_true(found);
        assert_true(answers_are_equal(&answer, &keys[i]));
    }
    assert_int_equal(key_file_verify(&file, NULL, NULL, &fault), 0);
    free(block);
    key_file_close(&file);
    free(keys);
    sim_disk_destroy(disk);
}

static void million_keys__take_less_than_two_bytes_each(void **state)
{
    (void)state;
    enum { LOOKUPS = 2000, ABSENT = 1000000 };
    char path[TEMPORARY_DIRECTORY_MAX];
    temporary_directory_make(path);
    struct storage *storage;
    assert_int_equal(storage_posix_create(path, false, &storage), 0);
    uint64_t random = seed_choose();
    struct key_answer *keys = make_keys(MILLION, random_next(&random));
    write_file(storage, keys, MILLION, 0);
    struct hash_secret secret = {0};
    struct key_archive_options options = {.storage = storage, .meta = &meta, .secret = &secret};
    struct key_archive *archive;
    struct block_file_fault fault;
    assert_int_equal(key_archive_open(&options, &archive, &fault), 0);
    struct key_archive_totals totals = key_archive_totals(archive);
    print_message("%.4f bytes of memory and %.2f bytes of file a key\n",
                  (double)totals.memory_bytes / MILLION, (double)totals.file_bytes / MILLION);
    assert_true(totals.memory_bytes <= 2 * MILLION);
    for (size_t i = 0; i < LOOKUPS; i++) {
        const struct key_answer *key = &keys[random_below(&random, MILLION)];
        struct key_answer answer;
        bool found = false;
        assert_int_equal(key_archive_find(archive, key->digest, &answer, &found, &fault), 0);
        assert_true(found && answers_are_equal(&answer, key));
    }
    unsigned passed = 0;
    for (size_t i = 0; i < ABSENT; i++) {
        struct hash128 digest = {.high = random_next(&random), .low = random_next(&random)};
        passed += key_filters_may_contain(key_archive_filters(archive), digest);
    }
    print_message("%u of %u absent keys pass the filter\n", passed, ABSENT);
    assert_in_range(passed, 60, 200); /* 2^-13: 122, five deviations either way */
    key_archive_close(archive);
    free(keys);
    storage_posix_destroy(storage);
    temporary_directory_remove(path);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void file__has_these_bytes_for_ever(void **state)
{
    (void)state;
    struct key_answer keys[2] = {
        answer_of((struct hash128){.high = 0x1112131415161718, .low = 0x2122232425262728}, 2),
        answer_of((struct hash128){.high = 0xa1a2a3a4a5a6a7a8, .low = 0xb1b2b3b4b5b6b7b8}, 1),
    };
    struct sim_disk *disk = sim_disk_create();
    write_file(sim_disk_storage(disk), keys, 2, 0);
    uint64_t size;
    const uint8_t *bytes =
        sim_disk_bytes(disk, "keys/0000000000000001-0000000000000003.keys", &size);
    assert_non_null(bytes);
    assert_int_equal(size, HEADER + 3 * BLOCK + 4096);
    /* Where the parts stand in a block file is for test_block_file.c. */
    golden_assert(bytes + 36, "01000000000000000300000000000000"
                              "0000000000000000");
    const uint8_t *data = bytes + HEADER;
    golden_assert(data, "0100000080000000"
                        "0000000000000000");
    golden_assert(data + PAYLOAD,
                  "181716151413121128272625242322210001020000000000d007000000000000"
                  "0000000000000000070000000000000006000000000000000200000000000000"
                  "a8a7a6a5a4a3a2a1b8b7b6b5b4b3b2b10001010000000000e803000000000000"
                  "0000000000000000060000000000000003000000000000000100000000000000");
    golden_assert(data + BLOCK, "02000000400000000100000000000000");
    golden_assert(data + BLOCK + PAYLOAD, "3800000000000000afcd1d7b39a820e20200000004000000"
                                          "010000000000000000000000000000000000000000081800"
                                          "0000fb050000000000000000000000000000000000000000"
                                          "0000000000000000");
    golden_assert(data + (size_t)2 * BLOCK, "03000000080000000200000000000000");
    golden_assert(data + (size_t)2 * BLOCK + PAYLOAD,
                  "181716151413121100000000000000000000000000000000");
    golden_assert(data + (size_t)3 * BLOCK + 24,
                  "010000000000000003000000000000000200000000000000"
                  "80c2c352393fa61c01000000000000000100000000000000"
                  "010000000000000040000000000000000000000000000000");
    sim_disk_destroy(disk);
}

static void names__are_ranges_in_hexadecimal(void **state)
{
    (void)state;
    char name[STORAGE_NAME_MAX];
    struct key_file_range range;
    key_file_name((struct key_file_range){1, UINT64_C(0xfedcba9876543210)}, name);
    assert_string_equal(name, "0000000000000001-fedcba9876543210.keys");
    assert_true(key_file_parse_name(name, &range));
    assert_int_equal(range.from_lsn, 1);
    assert_true(range.to_lsn == UINT64_C(0xfedcba9876543210));
    static const char *const OTHERS[] = {
        "",
        "0000000000000001-0000000000000002.keys.tmp",
        "0000000000000001-0000000000000002.key",
        "0000000000000001-000000000000000A.keys",
        "0000000000000001_0000000000000002.keys",
        "0000000000000000-0000000000000002.keys",
        "0000000000000003-0000000000000002.keys",
        "000000000000001-0000000000000002.keys0",
    };
    for (size_t i = 0; i < COUNT_OF(OTHERS); i++)
        assert_false(key_file_parse_name(OTHERS[i], &range));
}

/* --- damage ---------------------------------------------------------------------------------- */

struct damaged {
    struct sim_disk *disk;
    struct storage *storage;
    struct key_answer *keys;
    size_t count;
    char name[STORAGE_NAME_MAX];
    uint8_t *bytes;
    uint64_t size;
};

static void damaged_init(struct damaged *damaged, size_t count)
{
    *damaged = (struct damaged){.disk = sim_disk_create(), .count = count};
    damaged->storage = sim_disk_storage(damaged->disk);
    damaged->keys = make_keys(count, 77);
    write_file(damaged->storage, damaged->keys, count, FOUR_PARTS);
    char plain[STORAGE_NAME_MAX];
    key_file_name(range_of(count), plain);
    snprintf(damaged->name, sizeof(damaged->name), "keys/%.58s", plain);
    damaged->bytes = sim_disk_bytes(damaged->disk, damaged->name, &damaged->size);
    assert_non_null(damaged->bytes);
}

static void damaged_deinit(struct damaged *damaged)
{
    free(damaged->keys);
    sim_disk_destroy(damaged->disk);
}

/* Opens, loads and verifies. What the first of these said that did not succeed. */
static int examine(const struct damaged *damaged, struct block_file_fault *fault)
{
    struct key_file file;
    int error = key_file_open(damaged->storage, log_id, range_of(damaged->count), &file, fault);
    if (error != 0)
        return error;
    error = key_file_load(&file, fault);
    if (error == 0)
        error = key_file_verify(&file, NULL, NULL, fault);
    key_file_close(&file);
    return error;
}

/* Keys of the damaged block are refused, never absent; all others are found. */
static void assert_lookups(const struct damaged *damaged, uint64_t damaged_block)
{
    struct key_file file;
    open_file(damaged->storage, damaged->count, &file);
    uint8_t *block = take_block();
    for (size_t i = 0; i < damaged->count; i++) {
        struct block_file_fault fault = {0};
        struct key_answer answer;
        bool found = false;
        int error = key_file_find(&file, damaged->keys[i].digest, block, &answer, &found, &fault);
        /* The first key of the next block is looked for in this one, too. */
        bool first_of_next = i == (damaged_block + 1) * BLOCK_KEYS;
        bool met = i / BLOCK_KEYS == damaged_block || first_of_next;
        if (met && error != 0) {
            assert_int_equal(error, -EBADMSG);
            assert_string_equal(fault.file, damaged->name);
            assert_int_equal(fault.offset / BLOCK, 1 + damaged_block);
        } else {
            assert_int_equal(error, 0);
            assert_true(found && answers_are_equal(&answer, &damaged->keys[i]));
        }
        assert_true(error != 0 || i / BLOCK_KEYS != damaged_block);
    }
    free(block);
    key_file_close(&file);
}

static void flipped_bit__is_named_wherever_it_is(void **state)
{
    (void)state;
    struct damaged damaged;
    damaged_init(&damaged, 700);
    uint64_t data_blocks = key_file_blocks(damaged.count, BLOCK_KEYS);
    uint64_t random = seed_choose();
    for (uint64_t sector = 0; sector < damaged.size; sector += STORAGE_SECTOR_BYTES) {
        uint64_t place = sector + random_below(&random, STORAGE_SECTOR_BYTES);
        uint8_t bit = (uint8_t)(1U << random_below(&random, 8));
        damaged.bytes[place] ^= bit;
        struct block_file_fault fault = {0};
        assert_int_equal(examine(&damaged, &fault), -EBADMSG);
        assert_string_equal(fault.file, damaged.name);
        assert_int_equal(fault.offset / BLOCK, place / BLOCK);
        assert_true(fault.reason[0] != '\0');
        uint64_t block = place / BLOCK - 1;
        if (place >= HEADER && block < data_blocks && sector % BLOCK == 0)
            assert_lookups(&damaged, block);
        damaged.bytes[place] ^= bit;
    }
    struct block_file_fault fault;
    assert_int_equal(examine(&damaged, &fault), 0);
    damaged_deinit(&damaged);
}

static void file_cut_anywhere__is_named(void **state)
{
    (void)state;
    struct damaged damaged;
    damaged_init(&damaged, 200);
    uint8_t *copy = memory_take(damaged.size);
    memcpy(copy, damaged.bytes, damaged.size);
    for (uint64_t size = 0; size < damaged.size; size += STORAGE_SECTOR_BYTES) {
        sim_disk_put(damaged.disk, damaged.name, copy, size);
        struct block_file_fault fault = {0};
        assert_int_equal(examine(&damaged, &fault), -EBADMSG);
        assert_string_equal(fault.file, damaged.name);
    }
    free(copy);
    damaged_deinit(&damaged);
}

/* --- whole blocks that contradict each other ------------------------------------------------- */

enum { COPY_BLOCKS_MAX = 64 };

/* A key file taken apart, to be put together with right checksums and wrong content. */
struct parts {
    uint8_t info[BLOCK_FILE_INFO_BYTES];
    uint8_t totals[BLOCK_FILE_TOTALS_BYTES];
    uint64_t count;
    uint32_t tags[COPY_BLOCKS_MAX];
    size_t lengths[COPY_BLOCKS_MAX];
    uint8_t payloads[COPY_BLOCKS_MAX][KEY_FILE_PAYLOAD_BYTES];
};

static void take_apart(const struct damaged *damaged, struct parts *parts)
{
    struct key_file file;
    struct block_file_fault fault;
    open_file(damaged->storage, damaged->count, &file);
    memcpy(parts->info, file.blocks.info, sizeof(parts->info));
    memcpy(parts->totals, file.blocks.totals, sizeof(parts->totals));
    parts->count = file.blocks.block_count;
    assert_in_range(parts->count, 1, COPY_BLOCKS_MAX);
    uint8_t *block = take_block();
    for (uint64_t i = 0; i < parts->count; i++) {
        assert_int_equal(block_file_read(&file.blocks, i, 1, block, &fault), 0);
        parts->tags[i] = block_file_tag(block);
        const uint8_t *payload = block_file_payload(block, &parts->lengths[i]);
        memcpy(parts->payloads[i], payload, parts->lengths[i]);
    }
    free(block);
    key_file_close(&file);
}

static void put_together(const struct damaged *damaged, const struct parts *parts)
{
    struct block_file_plan plan = {
        .storage = damaged->storage,
        .log_id = log_id,
        .kind = BLOCK_FILE_KEYS,
        .directory = KEY_FILE_DIRECTORY,
        .block_bytes = BLOCK,
    };
    memcpy(plan.info, parts->info, sizeof(plan.info));
    char name[STORAGE_NAME_MAX];
    key_file_name(range_of(damaged->count), name);
    struct block_file_writer *writer;
    assert_int_equal(block_file_begin(&plan, name, &writer), 0);
    for (uint64_t i = 0; i < parts->count; i++)
        assert_int_equal(
            block_file_append(writer, parts->tags[i], parts->payloads[i], parts->lengths[i]), 0);
    assert_int_equal(block_file_finish(writer, name, parts->totals), 0);
}

enum contradiction {
    NONE,
    INFO_RANGE,
    INFO_RESERVED,
    TOTALS_RANGE,
    TOTALS_COUNT,
    TOTALS_DIGEST,
    TOTALS_FILTER_BYTES,
    TOTALS_PART_BITS,
    TOTALS_RESERVED,
    DATA_TAG,
    DATA_LENGTH,
    DATA_ORDER,
    DATA_TWICE,
    DATA_LSN,
    DATA_KIND,
    FILTER_DIRECTORY,
    FILTER_SEGMENTS,
    FILTER_CONTENT,
    FILTER_TAG,
    INDEX_ORDER,
    INDEX_VALUE,
    INDEX_TAG,
    BLOCK_TOO_MANY,
    CONTRADICTIONS,
};

static void swap_keys(uint8_t *left, uint8_t *right)
{
    uint8_t kept[KEY_ANSWER_BYTES];
    memcpy(kept, left, sizeof(kept));
    memcpy(left, right, sizeof(kept));
    memcpy(right, kept, sizeof(kept));
}

static void contradict_data(struct parts *parts, enum contradiction contradiction)
{
    uint8_t *payload = parts->payloads[1];
    uint8_t *second = payload + KEY_ANSWER_BYTES;
    if (contradiction == DATA_TAG)
        parts->tags[1] = KEY_FILE_INDEX;
    else if (contradiction == DATA_LENGTH)
        parts->lengths[1] -= KEY_ANSWER_BYTES;
    else if (contradiction == DATA_ORDER)
        swap_keys(second, second + KEY_ANSWER_BYTES);
    else if (contradiction == DATA_TWICE)
        memcpy(second, payload, KEY_ANSWER_BYTES);
    else if (contradiction == DATA_LSN)
        bytes_put_u64(second + 16, bytes_get_u64(second + 16) | UINT64_C(1) << 50);
    else if (contradiction == DATA_KIND)
        second[17] = FLORIN_OPEN_ACCOUNT;
}

static void contradict_ends(struct parts *parts, enum contradiction contradiction)
{
    if (contradiction == INFO_RANGE)
        parts->info[8]++;
    else if (contradiction == INFO_RESERVED)
        parts->info[BLOCK_FILE_INFO_BYTES - 1] = 1;
    else if (contradiction == TOTALS_RANGE)
        parts->totals[8]++;
    else if (contradiction == TOTALS_COUNT)
        parts->totals[16] ^= 1;
    else if (contradiction == TOTALS_DIGEST)
        parts->totals[24]++;
    else if (contradiction == TOTALS_FILTER_BYTES)
        parts->totals[56] ^= 8;
    else if (contradiction == TOTALS_PART_BITS)
        parts->totals[64]--;
    else if (contradiction == TOTALS_RESERVED)
        parts->totals[BLOCK_FILE_TOTALS_BYTES - 1] = 1;
}

static void contradict_helpers(struct parts *parts, uint64_t filter,
                               enum contradiction contradiction)
{
    uint64_t index = parts->count - 1;
    /* Behind the directory of four parts: the first filter, its header of 24 bytes. */
    uint8_t *first_filter = parts->payloads[filter] + (size_t)4 * 8;
    if (contradiction == FILTER_DIRECTORY)
        parts->payloads[filter][0] += 8;
    else if (contradiction == FILTER_SEGMENTS)
        first_filter[12]++;
    else if (contradiction == FILTER_CONTENT)
        memset(first_filter + 24, 0x55, 100);
    else if (contradiction == FILTER_TAG)
        parts->tags[filter] = KEY_FILE_DATA;
    else if (contradiction == INDEX_ORDER)
        memset(parts->payloads[index], 0xff, 8);
    else if (contradiction == INDEX_VALUE)
        parts->payloads[index][8]++;
    else if (contradiction == INDEX_TAG)
        parts->tags[index] = KEY_FILE_FILTERS;
    else if (contradiction == BLOCK_TOO_MANY) {
        parts->tags[parts->count] = KEY_FILE_INDEX;
        parts->lengths[parts->count++] = 8;
    }
}

static void contradiction_under_right_checksums__is_named(void **state)
{
    (void)state;
    struct parts *parts = memory_take(sizeof(*parts));
    for (enum contradiction contradiction = NONE; contradiction < CONTRADICTIONS; contradiction++) {
        struct damaged damaged;
        damaged_init(&damaged, 700);
        take_apart(&damaged, parts);
        contradict_ends(parts, contradiction);
        contradict_data(parts, contradiction);
        contradict_helpers(parts, key_file_blocks(damaged.count, BLOCK_KEYS), contradiction);
        put_together(&damaged, parts);
        struct block_file_fault fault = {0};
        int error = examine(&damaged, &fault);
        if (error != (contradiction == NONE ? 0 : -EBADMSG))
            fail_msg("contradiction %d: %d %s", (int)contradiction, error, fault.reason);
        if (contradiction != NONE)
            assert_string_equal(fault.file, damaged.name);
        damaged_deinit(&damaged);
    }
    free(parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key__is_found_with_its_whole_answer),
        cmocka_unit_test(keys_that_share_half_their_digest__are_told_apart_over_blocks),
        cmocka_unit_test(million_keys__take_less_than_two_bytes_each),
        cmocka_unit_test(file__has_these_bytes_for_ever),
        cmocka_unit_test(names__are_ranges_in_hexadecimal),
        cmocka_unit_test(flipped_bit__is_named_wherever_it_is),
        cmocka_unit_test(file_cut_anywhere__is_named),
        cmocka_unit_test(contradiction_under_right_checksums__is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
