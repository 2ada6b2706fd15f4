/* Key filters: what is in is always found, what is not nearly never, in few bytes. */
#include "support.h"

#include "engine/core/bytes.h"
#include "engine/core/key_filter.h"

enum { MILLION = KEY_FILTER_KEYS_MAX, HEADER_BYTES = 24 };

struct fixture {
    uint64_t *hashes;
    uint8_t *bytes;
    size_t byte_count;
    struct key_filter filter;
};

static void build(struct fixture *fixture, uint32_t count)
{
    void *scratch = memory_take(key_filter_scratch_bytes(count));
    fixture->byte_count = key_filter_bytes(count);
    fixture->bytes = memory_take(fixture->byte_count);
    memset(fixture->bytes, 0xaa, fixture->byte_count);
    assert_true(key_filter_build(fixture->hashes, count, scratch, fixture->bytes));
    assert_true(key_filter_open(fixture->bytes, fixture->byte_count, &fixture->filter));
    free(scratch);
}

static void setup(struct fixture *fixture, uint32_t count, uint64_t *random)
{
    fixture->hashes = memory_take(count * sizeof(uint64_t) + 1);
    for (uint32_t i = 0; i < count; i++)
        fixture->hashes[i] = random_next(random);
    build(fixture, count);
}

static void teardown(struct fixture *fixture)
{
    free(fixture->hashes);
    free(fixture->bytes);
}

static void check_all_are_found(const struct fixture *fixture, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!key_filter_may_contain(&fixture->filter, fixture->hashes[i]))
            fail_msg("hash %u of %u is not found", i, count);
    }
}

static void hashes__that_are_in_are_always_found(void **state)
{
    (void)state;
    static const uint32_t SIZES[] = {0, 1, 2, 3, 10, 1000, 124166, 124167, MILLION};
    uint64_t random = seed_choose();
    for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
        struct fixture fixture;
        setup(&fixture, SIZES[i], &random);
        check_all_are_found(&fixture, SIZES[i]);
        teardown(&fixture);
    }
}

static void every_small_size__can_be_built(void **state)
{
    (void)state;
    uint64_t random = seed_choose();
    for (uint32_t size = 0; size < 1200; size++) {
        struct fixture fixture;
        setup(&fixture, size, &random);
        check_all_are_found(&fixture, size);
        teardown(&fixture);
    }
}

static void hashes__that_are_not_in_are_found_once_in_8192(void **state)
{
    (void)state;
    enum { ASKED = 4 * MILLION };
    struct fixture fixture;
    uint64_t random = seed_choose();
    uint32_t found = 0;
    setup(&fixture, MILLION, &random);
    for (uint32_t i = 0; i < ASKED; i++)
        found += key_filter_may_contain(&fixture.filter, random_next(&random));
    print_message("%u of %d\n", found, ASKED);
    assert_true(found < (ASKED >> KEY_FILTER_FINGERPRINT_BITS) * 1.2);
    assert_true(found > 0); /* it is a filter, not a set */
    teardown(&fixture);
}

static void memory__is_less_than_two_bytes_a_key(void **state)
{
    (void)state;
    assert_true(key_filter_bytes(MILLION) * 100 <= (size_t)MILLION * 185);
    assert_true(key_filter_bytes(MILLION / 2) < MILLION);
    assert_true(key_filter_scratch_bytes(MILLION) <= 30 * 1000 * 1000);
}

/* Bytes depend on the set alone: a key file is a function of its keys. */
static void same_hashes__give_the_same_bytes_in_any_order(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct fixture first;
    struct fixture second;
    uint64_t random = seed_choose();
    setup(&first, COUNT, &random);
    second.hashes = memory_take(COUNT * sizeof(uint64_t));
    for (uint32_t i = 0; i < COUNT; i++)
        second.hashes[i] = first.hashes[COUNT - 1 - i];
    build(&second, COUNT);
    assert_int_equal(first.byte_count, second.byte_count);
    assert_memory_equal(first.bytes, second.bytes, first.byte_count);
    teardown(&first);
    teardown(&second);
}

static void equal_hashes__are_allowed(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct fixture fixture;
    uint64_t random = seed_choose();
    uint64_t different[COUNT];
    fixture.hashes = memory_take(COUNT * sizeof(uint64_t));
    for (uint32_t i = 0; i < COUNT; i++) {
        different[i] = i < 5 ? random_next(&random) : different[random_below(&random, 5)];
        fixture.hashes[i] = different[i];
    }
    build(&fixture, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_true(key_filter_may_contain(&fixture.filter, different[i]));
    teardown(&fixture);
}

/* --- bytes ------------------------------------------------------------------------------- */

/* Two hashes: 24 bytes of header, 12 fingerprints of 13 bits, the tail. When this changes, key
 * files can no longer be read. */
static void bytes__are_those_of_the_format(void **state)
{
    (void)state;
    static const uint8_t GOLDEN[] = {
        0xaf, 0xcd, 0x1d, 0x7b, 0x39, 0xa8, 0x20, 0xe2, /* seed */
        2,    0,    0,    0,    4,    0,    0,    0,    /* key count, segment length */
        1,    0,    0,    0,    0,    0,    0,    0,    /* segment count, reserved */
        0,    0,    0,    0,    0x80, 0x10, 0x03, 0,    /* places 3 and 9 are set */
        0,    0,    0,    0,    0,    0x86, 0,    0,    /* */
        0,    0,    0,    0,    0,    0,    0,    0,    /* 156 bits, and zeros to 24 bytes */
        0,    0,    0,    0,    0,    0,    0,    0,    /* one load of 4 bytes reads any */
    };
    struct fixture fixture;
    fixture.hashes = memory_take(2 * sizeof(uint64_t));
    fixture.hashes[0] = UINT64_C(0x0123456789abcdef);
    fixture.hashes[1] = UINT64_C(0xfedcba9876543210);
    build(&fixture, 2);
    assert_int_equal(fixture.byte_count, sizeof(GOLDEN));
    assert_memory_equal(fixture.bytes, GOLDEN, sizeof(GOLDEN));
    teardown(&fixture);
}

static void other_lengths__are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct key_filter filter;
    uint64_t random = seed_choose();
    setup(&fixture, 10, &random);
    for (size_t length = 0; length < fixture.byte_count; length++) {
        /* Exactly so long, so that a sanitizer sees a read beyond it. */
        uint8_t *copy = malloc(length + (length == 0));
        assert_non_null(copy);
        memcpy(copy, fixture.bytes, length);
        assert_false(key_filter_open(copy, length, &filter));
        free(copy);
    }
    uint8_t *longer = memory_take(fixture.byte_count + 8);
    memcpy(longer, fixture.bytes, fixture.byte_count);
    assert_false(key_filter_open(longer, fixture.byte_count + 8, &filter));
    free(longer);
    teardown(&fixture);
}

/* The seed and the fingerprints can be any, and the count any that gives the same sizes; the rest
 * has one value only. */
static void damaged_header_and_tail__are_refused(void **state)
{
    (void)state;
    enum { COUNT = 10, COUNT_BYTE = 8, LENGTH_BYTE = 12 };
    struct fixture fixture;
    struct key_filter filter;
    uint64_t random = seed_choose();
    setup(&fixture, COUNT, &random);
    size_t places = (size_t)(fixture.filter.segment_count + 2) * fixture.filter.segment_length;
    size_t tail_bit = 8 * HEADER_BYTES + KEY_FILTER_FINGERPRINT_BITS * places;
    for (size_t bit = 0; bit < fixture.byte_count * 8; bit++) {
        fixture.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        uint32_t count = bytes_get_u32(fixture.bytes + COUNT_BYTE);
        bool accepted = key_filter_open(fixture.bytes, fixture.byte_count, &filter);
        if (bit >= 8 * COUNT_BYTE && bit < 8 * LENGTH_BYTE)
            assert_int_equal(accepted, count <= KEY_FILTER_KEYS_MAX &&
                                           key_filter_bytes(count) == fixture.byte_count);
        else
            assert_int_equal(accepted,
                             bit < 8 * COUNT_BYTE || (bit >= 8 * HEADER_BYTES && bit < tail_bit));
        fixture.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    teardown(&fixture);
}

static void random_bytes__are_refused(void **state)
{
    (void)state;
    uint64_t random = seed_choose();
    struct key_filter filter;
    uint8_t bytes[256];
    for (int i = 0; i < 10000; i++) {
        for (size_t at = 0; at < sizeof(bytes); at++)
            bytes[at] = (uint8_t)(random_next(&random) >> 24);
        assert_false(key_filter_open(bytes, random_below(&random, sizeof(bytes) + 1), &filter));
    }
}

/* --- files ------------------------------------------------------------------------------- */

static void no_files__contain_nothing(void **state)
{
    (void)state;
    const struct key_filters none = {0};
    key_filters_prefetch(&none, (struct hash128){1, 2});
    assert_false(key_filters_may_contain(&none, (struct hash128){1, 2}));
}

/* A file of one filter, and one of four by the first two bits of the hash. */
static void files__are_asked_by_part(void **state)
{
    (void)state;
    enum { COUNT = 200, PARTS = 4, ASKED = 10000 };
    struct fixture one;
    struct fixture four[PARTS];
    struct key_filter parts[PARTS];
    uint64_t random = seed_choose();
    setup(&one, COUNT, &random);
    for (uint64_t part = 0; part < PARTS; part++) {
        four[part].hashes = memory_take(COUNT * sizeof(uint64_t));
        for (uint32_t i = 0; i < COUNT; i++)
            four[part].hashes[i] = random_next(&random) >> 2 | part << 62;
        build(&four[part], COUNT);
        parts[part] = four[part].filter;
    }
    const struct key_filter_file files[] = {{&one.filter, 0}, {parts, 2}};
    const struct key_filters filters = {.files = files, .file_count = COUNT_OF(files)};
    for (uint32_t i = 0; i < COUNT; i++) {
        for (uint64_t part = 0; part < PARTS; part++) {
            const struct hash128 digest = {.low = i, .high = four[part].hashes[i]};
            key_filters_prefetch(&filters, digest);
            assert_true(key_filters_may_contain(&filters, digest));
        }
        assert_true(key_filters_may_contain(&filters, (struct hash128){i, one.hashes[i]}));
    }
    int found = 0;
    for (int i = 0; i < ASKED; i++)
        found += key_filters_may_contain(&filters, (struct hash128){1, random_next(&random)});
    assert_in_range(found, 0, ASKED / 1000);
    teardown(&one);
    for (size_t part = 0; part < PARTS; part++)
        teardown(&four[part]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes__that_are_in_are_always_found),
        cmocka_unit_test(every_small_size__can_be_built),
        cmocka_unit_test(hashes__that_are_not_in_are_found_once_in_8192),
        cmocka_unit_test(memory__is_less_than_two_bytes_a_key),
        cmocka_unit_test(same_hashes__give_the_same_bytes_in_any_order),
        cmocka_unit_test(equal_hashes__are_allowed),
        cmocka_unit_test(bytes__are_those_of_the_format),
        cmocka_unit_test(other_lengths__are_refused),
        cmocka_unit_test(damaged_header_and_tail__are_refused),
        cmocka_unit_test(random_bytes__are_refused),
        cmocka_unit_test(no_files__contain_nothing),
        cmocka_unit_test(files__are_asked_by_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
