/* Images of accounts: the bytes are those of checkpoints, and nothing else decodes. */
#include "example_bytes.h"
#include "support.h"

#include "engine/core/account_image.h"
#include "engine/core/record.h"

/* When one of these changes, old checkpoints can no longer be read. */
static const uint8_t SHORT_BYTES[] = {
    B8(80, 0, 0, 0, 3, 2, 1, 0), /* size, metadata, id, exponent, frozen */
    B8('U', 'S', 'D', 0, 0, 0, 0, 0),
    LE8(-5),                 /* balance */
    LE8(8),                  /* version */
    LE8(131),                /* last LSN */
    LE8(-5000),              /* minimum */
    LE8(0x0102030405060708), /* opened */
    LE8(1000),               /* opening balance */
    LE8(0),                  /* no holds */
    B8('b', 'o', 'b', 0, 0, 0, 0, 0),
};

/* An id longer than a slot, metadata, a currency of full length, the last position, two holds; no
 * padding. */
static const uint8_t LONG_BYTES[] = {
    B8(152, 0, 2, 0, 30, 8, 0, 0), /* size, metadata, id, exponent, open */
    B8('A', 'B', 'C', 'D', 'E', 'F', 'G', '8'),
    LE8(INT64_MAX),       /* the largest balance */
    LE8(1),               /* version */
    LE8(0x7fffffffffff),  /* last LSN */
    LE8(0),               /* minimum */
    LE8(1),               /* opened */
    LE8(0),               /* opening balance */
    LE8(2),               /* two holds */
    LE8(77),              /* the first's LSN */
    LE8(300),             /* amount */
    LE8(0),               /* it does not expire */
    LE8(0x7fffffffffff),  /* the second's LSN */
    LE8(INT64_MAX - 300), /* amount */
    LE8(123456789),       /* expires */
    B8('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
    B8('i', 'j', 'k', 'l', 'm', 'n', 'o', 'p'),
    B8('q', 'r', 's', 't', 'u', 'v', 'w', 'x'),
    B8('y', 'z', '0', '1', '2', '3', '{', '}'),
};

struct golden {
    const uint8_t *bytes;
    size_t size;
};
static const struct golden GOLDEN[] = {
    {SHORT_BYTES, sizeof(SHORT_BYTES)},
    {LONG_BYTES, sizeof(LONG_BYTES)},
};

enum { TABLE_ACCOUNTS = 4, TABLE_HOLDS = FLORIN_ACCOUNT_HOLDS_MAX, DAMAGED_BYTES_MAX = 256 };

/* A table with the one account that an image speaks of. */
struct fixture {
    struct account_table table;
    struct hold_table holds;
    struct hash_secret secret;
    struct account *account;
    void *memory;
    void *hold_memory;
};

static void setup(struct fixture *fixture, const struct account_image *image)
{
    const struct account_content content = {
        .id = image->id,
        .id_length = image->id_length,
        .currency = image->currency,
        .balance_minor = image->opening_balance_minor,
        .minimum_balance_minor = image->minimum_balance_minor,
        .metadata = image->metadata,
        .metadata_length = image->metadata_length,
        .opened_ns = image->opened_ns,
    };
    fixture->memory = memory_take(account_table_memory_bytes(TABLE_ACCOUNTS));
    account_table_init(&fixture->table, TABLE_ACCOUNTS, fixture->memory);
    fixture->account = account_table_add(&fixture->table, 7, &content);
    assert_non_null(fixture->account);
    fixture->account->balance_minor = image->balance_minor;
    fixture->account->version = image->version;
    fixture->account->last_lsn = image->last_lsn;
    fixture->account->flags = (uint8_t)image->status;
    hash_secret_init(&fixture->secret, "seed", 4);
    fixture->hold_memory = memory_take(hold_table_memory_bytes(TABLE_HOLDS));
    hold_table_init(&fixture->holds, &fixture->secret, TABLE_HOLDS, fixture->hold_memory);
    for (uint16_t i = 0; i < image->hold_count; i++) {
        struct account_image_hold hold = account_image_hold(image, i);
        hold_table_add(&fixture->holds, &fixture->table, fixture->account, hold.lsn,
                       hold.amount_minor, hold.expires_ns);
        fixture->account->floor_minor += hold.amount_minor;
    }
}

static void teardown(struct fixture *fixture)
{
    free(fixture->hold_memory);
    free(fixture->memory);
}

static void check_encodes_to(const struct account_image *image, const uint8_t *expected,
                             size_t size)
{
    struct fixture fixture;
    uint8_t bytes[ACCOUNT_IMAGE_BYTES_MAX + 1];
    setup(&fixture, image);
    memset(bytes, 0xaa, sizeof(bytes));
    assert_int_equal(account_image_size(&fixture.table, fixture.account), size);
    assert_int_equal(account_image_encode(&fixture.table, &fixture.holds, fixture.account, bytes),
                     size);
    assert_memory_equal(bytes, expected, size);
    assert_int_equal(bytes[size], 0xaa);
    teardown(&fixture);
}

static void encode__writes_the_bytes_of_the_format(void **state)
{
    (void)state;
    const struct account_image bob = {
        .id = "bob",
        .id_length = 3,
        .currency = {"USD", 2},
        .balance_minor = -5,
        .version = 8,
        .last_lsn = 131,
        .minimum_balance_minor = -5000,
        .opened_ns = UINT64_C(0x0102030405060708),
        .opening_balance_minor = 1000,
        .status = FLORIN_STATE_FROZEN,
    };
    const struct account_image rich = {
        .id = "abcdefghijklmnopqrstuvwxyz0123",
        .id_length = 30,
        .currency = {"ABCDEFG8", 8},
        .balance_minor = INT64_MAX,
        .version = 1,
        .last_lsn = RECORD_LSN_MAX,
        .opened_ns = 1,
        .hold_count = 2,
        .holds = LONG_BYTES + ACCOUNT_IMAGE_FIXED_BYTES,
        .metadata = "{}",
        .metadata_length = 2,
    };
    check_encodes_to(&bob, SHORT_BYTES, sizeof(SHORT_BYTES));
    check_encodes_to(&rich, LONG_BYTES, sizeof(LONG_BYTES));
}

static void decode__reads_what_was_written(void **state)
{
    (void)state;
    struct account_image image;
    for (size_t i = 0; i < COUNT_OF(GOLDEN); i++) {
        assert_int_equal(account_image_decode(GOLDEN[i].bytes, GOLDEN[i].size, &image),
                         GOLDEN[i].size);
        check_encodes_to(&image, GOLDEN[i].bytes, GOLDEN[i].size);
    }
    assert_int_equal(image.balance_minor, INT64_MAX);
    assert_int_equal(image.last_lsn, RECORD_LSN_MAX);
    assert_string_equal(image.currency.code, "ABCDEFG8");
    assert_int_equal(image.status, FLORIN_STATE_OPEN);
    assert_int_equal(image.hold_count, 2);
    assert_int_equal(account_image_hold(&image, 0).lsn, 77);
    assert_int_equal(account_image_hold(&image, 0).amount_minor, 300);
    assert_int_equal(account_image_hold(&image, 0).expires_ns, 0);
    assert_int_equal(account_image_hold(&image, 1).lsn, RECORD_LSN_MAX);
    assert_int_equal(account_image_hold(&image, 1).amount_minor, INT64_MAX - 300);
    assert_int_equal(account_image_hold(&image, 1).expires_ns, 123456789);
    assert_memory_equal(image.metadata, "{}", 2);
}

static void longest_image__fits(void **state)
{
    (void)state;
    char text[FLORIN_METADATA_MAX];
    uint8_t bytes[ACCOUNT_IMAGE_BYTES_MAX];
    struct fixture fixture;
    struct account_image image;
    struct account_image decoded;
    static uint8_t holds[FLORIN_ACCOUNT_HOLDS_MAX * ACCOUNT_IMAGE_HOLD_BYTES];
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < FLORIN_ACCOUNT_HOLDS_MAX; i++) {
        holds[i * ACCOUNT_IMAGE_HOLD_BYTES] = (uint8_t)(i + 1);
        holds[i * ACCOUNT_IMAGE_HOLD_BYTES + 1] = (uint8_t)((i + 1) >> 8);
        holds[i * ACCOUNT_IMAGE_HOLD_BYTES + 8] = 1;
    }
    assert_true(account_image_decode(SHORT_BYTES, sizeof(SHORT_BYTES), &image) > 0);
    image.id = text;
    image.id_length = FLORIN_ACCOUNT_ID_MAX;
    image.metadata = text;
    image.metadata_length = FLORIN_METADATA_MAX;
    image.last_lsn = FLORIN_ACCOUNT_HOLDS_MAX;
    image.hold_count = FLORIN_ACCOUNT_HOLDS_MAX;
    image.holds = holds;
    setup(&fixture, &image);
    assert_int_equal(account_image_encode(&fixture.table, &fixture.holds, fixture.account, bytes),
                     sizeof(bytes));
    assert_int_equal(account_image_decode(bytes, sizeof(bytes), &decoded), sizeof(bytes));
    assert_memory_equal(decoded.id, text, FLORIN_ACCOUNT_ID_MAX);
    assert_memory_equal(decoded.metadata, text, FLORIN_METADATA_MAX);
    assert_int_equal(decoded.hold_count, FLORIN_ACCOUNT_HOLDS_MAX);
    assert_memory_equal(decoded.holds, holds, sizeof(holds));
    teardown(&fixture);
}

/* --- damage ------------------------------------------------------------------------------ */

/* In memory of exactly that length, so that a sanitizer sees a read beyond it. What decodes encodes
 * to the very bytes that it came from. */
static size_t check_damaged(const uint8_t *bytes, size_t length)
{
    struct account_image image;
    uint8_t *copy = malloc(length + (length == 0));
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    size_t size = account_image_decode(copy, length, &image);
    if (size != 0)
        check_encodes_to(&image, copy, size);
    free(copy);
    return size;
}

static void truncated_images__are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(GOLDEN); i++) {
        for (size_t length = 0; length < GOLDEN[i].size; length++)
            assert_int_equal(check_damaged(GOLDEN[i].bytes, length), 0);
    }
}

static void flipped_bits__give_another_image_or_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(GOLDEN); i++) {
        uint8_t bytes[DAMAGED_BYTES_MAX];
        assert_true(GOLDEN[i].size <= sizeof(bytes));
        memcpy(bytes, GOLDEN[i].bytes, GOLDEN[i].size);
        for (size_t bit = 0; bit < GOLDEN[i].size * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            check_damaged(bytes, GOLDEN[i].size);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void each_rule__refuses_what_breaks_it(void **state)
{
    (void)state;
#define SHORT SHORT_BYTES, sizeof(SHORT_BYTES)
#define LONG  LONG_BYTES, sizeof(LONG_BYTES)
    static const struct {
        const char *what;
        const uint8_t *golden;
        size_t size;
        size_t offset;
        uint8_t value;
    } CASES[] = {
        {"size zero", SHORT, 0, 0},
        {"size too small", SHORT, 0, 72},
        {"size not of the lengths", SHORT, 0, 88},
        {"size beyond the bytes", LONG, 0, 160},
        {"metadata beyond the size", LONG, 2, 200},
        {"metadata far beyond", LONG, 3, 0xff},
        {"no id", SHORT, 4, 0},
        {"long id", LONG, 4, 65},
        {"exponent too large", SHORT, 5, 9},
        {"unknown state", SHORT, 6, 3},
        {"closed with money", SHORT, 6, 2},
        {"reserved", SHORT, 7, 1},
        {"no currency", SHORT, 8, 0},
        {"lower case currency", SHORT, 8, 'u'},
        {"currency with a gap", SHORT, 12, 'X'},
        {"version zero", SHORT, 24, 0},
        {"position zero", SHORT, 32, 0},
        {"position beyond the last", LONG, 37, 0xff},
        {"minimum above zero", SHORT, 47, 0},
        {"minimum that cannot be negated", LONG, 47, 0x80},
        {"opened in debt", SHORT, 63, 0x80},
        {"a hold that is not there", SHORT, 64, 1},
        {"a hold too few", LONG, 64, 1},
        {"many holds that are not there", LONG, 65, 0xff},
        {"reserved", SHORT, 66, 1},
        {"reserved", SHORT, 71, 1},
        {"id of other characters", SHORT, 72, ' '},
        {"padding", SHORT, 79, 1},
        {"hold of position zero", LONG, 72, 0},
        {"hold that is newer than the account", LONG, 102, 1},
        {"holds in another order", LONG, 78, 0x80},
        {"hold of an amount below zero", LONG, 87, 0x80},
        {"holds whose sum is out of range", LONG, 82, 1},
    };
#undef SHORT
#undef LONG
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t bytes[DAMAGED_BYTES_MAX];
        struct account_image image;
        print_message("%s\n", CASES[i].what);
        memcpy(bytes, CASES[i].golden, CASES[i].size);
        assert_true(bytes[CASES[i].offset] != CASES[i].value);
        bytes[CASES[i].offset] = CASES[i].value;
        assert_int_equal(account_image_decode(bytes, CASES[i].size, &image), 0);
    }
}

static void random_bytes__never_decode_wrongly(void **state)
{
    (void)state;
    uint64_t random = seed_choose();
    uint8_t bytes[DAMAGED_BYTES_MAX];
    int decoded = 0;
    for (int i = 0; i < 20000; i++) {
        memcpy(bytes, LONG_BYTES, sizeof(LONG_BYTES));
        for (uint64_t changes = 1 + random_below(&random, 4); changes > 0; changes--)
            bytes[random_below(&random, sizeof(LONG_BYTES))] = (uint8_t)random_next(&random);
        decoded += check_damaged(bytes, sizeof(LONG_BYTES)) != 0;
    }
    assert_in_range(decoded, 1, 19999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode__writes_the_bytes_of_the_format),
        cmocka_unit_test(decode__reads_what_was_written),
        cmocka_unit_test(longest_image__fits),
        cmocka_unit_test(truncated_images__are_refused),
        cmocka_unit_test(flipped_bits__give_another_image_or_none),
        cmocka_unit_test(each_rule__refuses_what_breaks_it),
        cmocka_unit_test(random_bytes__never_decode_wrongly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
