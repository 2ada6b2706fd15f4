/* Records: the bytes are those of the format, and nothing else decodes. */
#include "support.h"

#include "engine/core/record.h"
#include "florin.h"

/* The format's own examples. When one of these changes, old logs can no longer be read. */
static const uint8_t DEPOSIT_BYTES[] = {
    72,   0,    1,    0,    1,    5,    8,    0,                   /* size kind status flags ... */
    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,                /* time */
    8,    0,    0,    0,    0,    0,    0,    0,                   /* version */
    0x40, 0x9c, 0,    0,    0,    0,    0,    0,                   /* balance 40000 */
    0x10, 0x27, 0,    0,    0,    0,    0,    0,                   /* amount 10000 */
    130,  0,    0,    0,    0,    0,    0,    0,                   /* previous */
    7,    0,    0,    0,    0,    0,    0,    0,                   /* expected */
    'a',  'l',  'i',  'c',  'e',  'o',  'r',  'd',  'e', 'r', '-', /* id, key */
    '1',  '7',  0,    0,    0,
};

static const uint8_t REFUSAL_BYTES[] = {
    64,   0,    2,    50,   0,    1,    9,    0,    /* a withdrawal refused */
    1,    0,    0,    0,    0,    0,    0,    0,    /* time */
    3,    0,    0,    0,    0,    0,    0,    0,    /* version */
    0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* balance -5 */
    1,    0,    0,    0,    0,    0,    0,    0,    /* amount */
    2,    0,    0,    0,    0,    0,    0,    0,    /* previous */
    'b',  'k',  'k',  'k',  'k',  'k',  'k',  'k',  'k', 'k', 0, 0, 0, 0, 0, 0,
};

static const uint8_t OPEN_BYTES[] = {
    80,   0,    3,    0,    0,    3,    0,    0,    /* open */
    5,    0,    0,    0,    0,    0,    0,    0,    /* time */
    1,    0,    0,    0,    0,    0,    0,    0,    /* version */
    0xe8, 0x03, 0,    0,    0,    0,    0,    0,    /* balance 1000 */
    0xe8, 0x03, 0,    0,    0,    0,    0,    0,    /* amount 1000 */
    0,    0,    0,    0,    0,    0,    0,    0,    /* previous */
    0x78, 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* minimum -5000 */
    'U',  'S',  'D',  0,    0,    0,    0,    0,    /* currency */
    2,    0,    2,    0,    0,    0,    0,    0,    /* exponent, metadata length */
    'b',  'o',  'b',  '{',  '}',  0,    0,    0,
};

static struct record deposit_make(void)
{
    return (struct record){
        .kind = FLORIN_DEPOSIT,
        .has_expected_version = true,
        .time_ns = UINT64_C(0x0102030405060708),
        .version = 8,
        .balance_minor = 40000,
        .amount_minor = 10000,
        .previous_lsn = 130,
        .expected_version = 7,
        .id = "alice",
        .id_length = 5,
        .key = "order-17",
        .key_length = 8,
    };
}

static struct record refusal_make(void)
{
    return (struct record){
        .kind = FLORIN_WITHDRAW,
        .status = FLORIN_INSUFFICIENT_BALANCE,
        .time_ns = 1,
        .version = 3,
        .balance_minor = -5,
        .amount_minor = 1,
        .previous_lsn = 2,
        .id = "b",
        .id_length = 1,
        .key = "kkkkkkkkk",
        .key_length = 9,
    };
}

static struct record open_make(void)
{
    return (struct record){
        .kind = FLORIN_OPEN_ACCOUNT,
        .time_ns = 5,
        .version = 1,
        .balance_minor = 1000,
        .amount_minor = 1000,
        .id = "bob",
        .id_length = 3,
        .minimum_balance_minor = -5000,
        .currency = "USD",
        .exponent = 2,
        .metadata = "{}",
        .metadata_length = 2,
    };
}

static void assert_text_equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
    assert_int_equal(a_length, b_length);
    if (a_length > 0)
        assert_memory_equal(a, b, a_length);
}

static void assert_record_equal(const struct record *a, const struct record *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->has_expected_version, b->has_expected_version);
    assert_int_equal(a->expected_by_precondition, b->expected_by_precondition);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->balance_minor, b->balance_minor);
    assert_int_equal(a->amount_minor, b->amount_minor);
    assert_int_equal(a->previous_lsn, b->previous_lsn);
    assert_int_equal(a->expected_version, b->expected_version);
    assert_int_equal(a->minimum_balance_minor, b->minimum_balance_minor);
    assert_memory_equal(a->currency, b->currency, sizeof(a->currency));
    assert_int_equal(a->exponent, b->exponent);
    assert_text_equal(a->id, a->id_length, b->id, b->id_length);
    assert_text_equal(a->key, a->key_length, b->key, b->key_length);
    assert_text_equal(a->metadata, a->metadata_length, b->metadata, b->metadata_length);
}

static void check_golden(const struct record *record, const uint8_t *golden, size_t size)
{
    uint8_t bytes[FLORIN_RECORD_MAX];
    struct record decoded;
    memset(bytes, 0xaa, sizeof(bytes));
    assert_int_equal(record_size(record), size);
    assert_int_equal(record_encode(record, bytes), size);
    assert_memory_equal(bytes, golden, size);
    assert_int_equal(bytes[size], 0xaa);
    assert_int_equal(record_decode(golden, size, &decoded), size);
    assert_record_equal(record, &decoded);
}

static void encode__writes_the_bytes_of_the_format(void **state)
{
    (void)state;
    struct record deposit = deposit_make();
    struct record refusal = refusal_make();
    struct record open = open_make();
    check_golden(&deposit, DEPOSIT_BYTES, sizeof(DEPOSIT_BYTES));
    check_golden(&refusal, REFUSAL_BYTES, sizeof(REFUSAL_BYTES));
    check_golden(&open, OPEN_BYTES, sizeof(OPEN_BYTES));
}

static void deposit__of_usual_id_and_key_takes_80_bytes(void **state)
{
    (void)state;
    struct record record = deposit_make();
    record.has_expected_version = false;
    record.expected_version = 0;
    record.id_length = 16;
    record.key_length = 16;
    assert_int_equal(record_size(&record), 80);
}

static void longest_records__fit(void **state)
{
    (void)state;
    char text[FLORIN_METADATA_MAX];
    uint8_t bytes[FLORIN_RECORD_MAX];
    struct record decoded;
    struct record open = open_make();
    struct record deposit = deposit_make();
    memset(text, 'x', sizeof(text));
    open.id = text;
    open.id_length = FLORIN_ACCOUNT_ID_MAX;
    open.metadata = text;
    open.metadata_length = FLORIN_METADATA_MAX;
    memcpy(open.currency, "ABCDEFGH", sizeof(open.currency));
    size_t size = record_encode(&open, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    assert_record_equal(&open, &decoded);
    deposit.id = text;
    deposit.id_length = FLORIN_ACCOUNT_ID_MAX;
    deposit.key = text;
    deposit.key_length = FLORIN_KEY_MAX;
    size = record_encode(&deposit, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    assert_record_equal(&deposit, &decoded);
}

static void previous__can_be_patched_in_place(void **state)
{
    (void)state;
    uint8_t bytes[sizeof(DEPOSIT_BYTES)];
    struct record decoded;
    struct record expected = deposit_make();
    memcpy(bytes, DEPOSIT_BYTES, sizeof(bytes));
    record_patch_previous(bytes, UINT64_C(0x7fffffffffff));
    expected.previous_lsn = UINT64_C(0x7fffffffffff);
    assert_int_equal(record_decode(bytes, sizeof(bytes), &decoded), sizeof(bytes));
    assert_record_equal(&expected, &decoded);
}

/* In memory of exactly that length, so that a sanitizer sees a read beyond it. */
static size_t decode_exact(const uint8_t *bytes, size_t length, struct record *record,
                           uint8_t **copy)
{
    *copy = malloc(length == 0 ? 1 : length);
    assert_non_null(*copy);
    memcpy(*copy, bytes, length);
    return record_decode(*copy, length, record);
}

/* What decodes is a record: it encodes to the very bytes that it came from. */
static void check_damaged(const uint8_t *bytes, size_t size)
{
    struct record record;
    uint8_t again[FLORIN_RECORD_MAX];
    uint8_t *copy;
    size_t decoded = decode_exact(bytes, size, &record, &copy);
    if (decoded != 0) {
        assert_true(decoded <= size);
        assert_int_equal(record_encode(&record, again), decoded);
        assert_memory_equal(again, copy, decoded);
    }
    free(copy);
}

static void check_truncations_and_flips(const uint8_t *golden, size_t size)
{
    uint8_t bytes[128];
    struct record record;
    assert_true(size <= sizeof(bytes));
    for (size_t length = 0; length < size; length++) {
        uint8_t *copy;
        assert_int_equal(decode_exact(golden, length, &record, &copy), 0);
        free(copy);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        memcpy(bytes, golden, size);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        check_damaged(bytes, size);
        for (size_t other = 0; other < RECORD_FIXED_BYTES * 8; other++) {
            bytes[other / 8] ^= (uint8_t)(1u << other % 8);
            check_damaged(bytes, size);
            bytes[other / 8] ^= (uint8_t)(1u << other % 8);
        }
    }
}

static void damaged_bytes__decode_to_a_whole_record_or_not_at_all(void **state)
{
    (void)state;
    check_truncations_and_flips(DEPOSIT_BYTES, sizeof(DEPOSIT_BYTES));
    check_truncations_and_flips(REFUSAL_BYTES, sizeof(REFUSAL_BYTES));
    check_truncations_and_flips(OPEN_BYTES, sizeof(OPEN_BYTES));
}

static void random_bytes__never_decode_wrongly(void **state)
{
    (void)state;
    uint64_t random = seed_choose();
    uint8_t bytes[160];
    for (int i = 0; i < 300000; i++) {
        for (size_t at = 0; at < sizeof(bytes); at++)
            bytes[at] = (uint8_t)(random_next(&random) >> 24);
        bytes[0] = (uint8_t)(48 + 8 * random_below(&random, 14));
        bytes[1] = 0;
        bytes[2] = (uint8_t)(1 + random_below(&random, 3));
        bytes[3] = 0;
        bytes[4] &= 3;
        bytes[5] = (uint8_t)random_below(&random, 10);
        bytes[6] = (uint8_t)random_below(&random, 10);
        bytes[7] = 0;
        check_damaged(bytes, sizeof(bytes));
    }
}

struct bad_byte {
    const char *what;
    const uint8_t *golden;
    size_t size;
    size_t offset;
    uint8_t value;
};

static void each_rule__refuses_what_breaks_it(void **state)
{
    (void)state;
#define DEPOSIT DEPOSIT_BYTES, sizeof(DEPOSIT_BYTES)
#define REFUSAL REFUSAL_BYTES, sizeof(REFUSAL_BYTES)
#define OPEN    OPEN_BYTES, sizeof(OPEN_BYTES)
    static const struct bad_byte CASES[] = {
        {"size too small", DEPOSIT, 0, 64},
        {"size not of the lengths", DEPOSIT, 0, 80},
        {"size zero", DEPOSIT, 0, 0},
        {"unknown kind", DEPOSIT, 2, 4},
        {"kind that is not logged", DEPOSIT, 2, FLORIN_READ_ACCOUNT},
        {"unknown status", DEPOSIT, 3, 1},
        {"status that is not remembered", DEPOSIT, 3, FLORIN_KEYS_FULL},
        {"mismatch by precondition without it", DEPOSIT, 3, FLORIN_PRECONDITION_FAILED},
        {"insufficient deposit", DEPOSIT, 3, FLORIN_INSUFFICIENT_BALANCE},
        {"unknown flag", DEPOSIT, 4, 5},
        {"empty id", DEPOSIT, 5, 0},
        {"long id", DEPOSIT, 5, 65},
        {"reserved byte", DEPOSIT, 7, 1},
        {"version zero", DEPOSIT, 16, 0},
        {"amount negative", DEPOSIT, 39, 0x80},
        {"expected version zero", DEPOSIT, 48, 0},
        {"id of other characters", DEPOSIT, 56, ' '},
        {"padding", DEPOSIT, 71, 1},
        {"amount zero", REFUSAL, 32, 0},
        {"overflowing withdrawal", REFUSAL, 3, FLORIN_BALANCE_OVERFLOW},
        {"mismatch without expected version", REFUSAL, 3, FLORIN_VERSION_MISMATCH},
        {"precondition without expected version", REFUSAL, 4, 2},
        {"refused opening", OPEN, 3, FLORIN_INSUFFICIENT_BALANCE},
        {"opening with expected version", OPEN, 4, 1},
        {"opening with a key", OPEN, 6, 1},
        {"opening of version 2", OPEN, 16, 2},
        {"opening whose balance is not its amount", OPEN, 24, 0},
        {"opening in debt", OPEN, 31, 0xff},
        {"minimum above zero", OPEN, 55, 0},
        {"no currency", OPEN, 56, 0},
        {"lower case currency", OPEN, 56, 'u'},
        {"currency with a gap", OPEN, 60, 'X'},
        {"exponent too large", OPEN, 64, 9},
        {"reserved byte of open", OPEN, 65, 1},
        {"metadata length beyond the size", OPEN, 66, 200},
        {"metadata length far beyond", OPEN, 67, 0xff},
        {"reserved tail of open", OPEN, 71, 1},
    };
#undef DEPOSIT
#undef REFUSAL
#undef OPEN
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t bytes[128];
        struct record record;
        memcpy(bytes, CASES[i].golden, CASES[i].size);
        print_message("%s\n", CASES[i].what);
        assert_true(bytes[CASES[i].offset] != CASES[i].value);
        bytes[CASES[i].offset] = CASES[i].value;
        assert_int_equal(record_decode(bytes, CASES[i].size, &record), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode__writes_the_bytes_of_the_format),
        cmocka_unit_test(deposit__of_usual_id_and_key_takes_80_bytes),
        cmocka_unit_test(longest_records__fit),
        cmocka_unit_test(previous__can_be_patched_in_place),
        cmocka_unit_test(damaged_bytes__decode_to_a_whole_record_or_not_at_all),
        cmocka_unit_test(random_bytes__never_decode_wrongly),
        cmocka_unit_test(each_rule__refuses_what_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
