/* Records: the bytes are those of the format, and nothing else decodes. */
#include "record_support.h"

/* The format's own examples. When one of these changes, old logs can no longer be read. */
static const uint8_t DEPOSIT_BYTES[] = {
    72,   0,    1,    0,    1,    5,    8,    2,                   /* size kind status flags ... */
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
    64,   0,    2,    50,   0,    1,    9,    2,    /* a withdrawal refused */
    1,    0,    0,    0,    0,    0,    0,    0,    /* time */
    3,    0,    0,    0,    0,    0,    0,    0,    /* version */
    0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* balance -5 */
    1,    0,    0,    0,    0,    0,    0,    0,    /* amount */
    2,    0,    0,    0,    0,    0,    0,    0,    /* previous */
    'b',  'k',  'k',  'k',  'k',  'k',  'k',  'k',  'k', 'k', 0, 0, 0, 0, 0, 0,
};

static const uint8_t OPEN_BYTES[] = {
    80,   0,    3,    0,    0,    3,    0,    2,    /* open */
    5,    0,    0,    0,    0,    0,    0,    0,    /* time */
    1,    0,    0,    0,    0,    0,    0,    0,    /* version */
    0xe8, 0x03, 0,    0,    0,    0,    0,    0,    /* balance 1000 */
    0xe8, 0x03, 0,    0,    0,    0,    0,    0,    /* amount 1000 */
    0,    0,    0,    0,    0,    0,    0,    0,    /* previous */
    0x78, 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* minimum -5000 */
    'U',  'S',  'D',  0,    0,    0,    0,    0,    /* currency */
    0,    0,    2,    0,    0,    0,    0,    0,    /* status, metadata length */
    'b',  'o',  'b',  '{',  '}',  0,    0,    0,
};

/* A change with all conditions, by an admin. */
static const uint8_t CHANGE_BYTES[] = {
    96,        0,   4,   0,   13,  3, 0, 2, /* change */
    LE8(9),                                 /* time */
    LE8(5),                                 /* version */
    LE8(-20),                               /* balance */
    LE8(0),                                 /* amount */
    LE8(77),                                /* previous */
    LE8(4),                                 /* expected version */
    LE8(-30),                               /* expected balance */
    LE8(-100),                              /* minimum */
    'U',       'S', 'D', 0,   0,   0, 0, 0, /* currency */
    1,         0,   2,   0,   0,   0, 0, 0, /* frozen, metadata length */
    'b',       'o', 'b', '{', '}', 0, 0, 0,
};

static struct record deposit_make(void)
{
    return (struct record){
        .kind = FLORIN_DEPOSIT,
        .has_expected_version = true,
        .exponent = 2,
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
        .exponent = 2,
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

static struct record change_make(void)
{
    return (struct record){
        .kind = FLORIN_CHANGE_ACCOUNT,
        .has_expected_version = true,
        .has_expected_balance = true,
        .as_admin = true,
        .exponent = 2,
        .time_ns = 9,
        .version = 5,
        .balance_minor = -20,
        .previous_lsn = 77,
        .expected_version = 4,
        .expected_balance_minor = -30,
        .id = "bob",
        .id_length = 3,
        .minimum_balance_minor = -100,
        .currency = "USD",
        .account_status = FLORIN_STATE_FROZEN,
        .metadata = "{}",
        .metadata_length = 2,
    };
}

static void encode__writes_the_bytes_of_the_format(void **state)
{
    (void)state;
    struct record deposit = deposit_make();
    struct record refusal = refusal_make();
    struct record open = open_make();
    struct record change = change_make();
    check_golden(&deposit, DEPOSIT_BYTES, sizeof(DEPOSIT_BYTES));
    check_golden(&refusal, REFUSAL_BYTES, sizeof(REFUSAL_BYTES));
    check_golden(&open, OPEN_BYTES, sizeof(OPEN_BYTES));
    check_golden(&change, CHANGE_BYTES, sizeof(CHANGE_BYTES));
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
    uint8_t bytes[FLORIN_RECORD_SINGLE_MAX];
    struct record decoded;
    struct record change = change_make();
    struct record deposit = deposit_make();
    memset(text, 'x', sizeof(text));
    change.id = text;
    change.id_length = FLORIN_ACCOUNT_ID_MAX;
    change.metadata = text;
    change.metadata_length = FLORIN_METADATA_MAX;
    memcpy(change.currency, "ABCDEFGH", sizeof(change.currency));
    assert_true(record_size(&change) <= sizeof(bytes));
    size_t size = record_encode(&change, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    assert_record_equal(&change, &decoded);
    deposit.id = text;
    deposit.id_length = FLORIN_ACCOUNT_ID_MAX;
    deposit.key = text;
    deposit.key_length = FLORIN_KEY_MAX;
    assert_true(record_size(&deposit) <= sizeof(bytes));
    size = record_encode(&deposit, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    assert_record_equal(&deposit, &decoded);
}

/* What conditions failed, an account that takes no money: all that a key remembers of a deposit. */
static void refusals__of_conditions_and_closed_accounts_are_records(void **state)
{
    (void)state;
    static const uint8_t STATUSES[] = {FLORIN_ACCOUNT_FROZEN, FLORIN_ACCOUNT_CLOSED,
                                       FLORIN_VERSION_MISMATCH, FLORIN_BALANCE_CONDITION};
    for (size_t i = 0; i < COUNT_OF(STATUSES); i++) {
        uint8_t bytes[FLORIN_RECORD_SINGLE_MAX];
        struct record decoded;
        struct record record = deposit_make();
        record.status = STATUSES[i];
        record.has_expected_balance = true;
        record.expected_balance_minor = 50000;
        size_t size = record_encode(&record, bytes);
        assert_int_equal(record_decode(bytes, size, &decoded), size);
        assert_record_equal(&record, &decoded);
    }
}

static void seal__gives_a_provisional_previous_its_place(void **state)
{
    (void)state;
    uint8_t bytes[sizeof(DEPOSIT_BYTES)];
    struct record decoded;
    struct record record = deposit_make();
    record.previous_lsn = RECORD_LSN_PROVISIONAL | 3;
    assert_int_equal(record_encode(&record, bytes), sizeof(bytes));
    record_seal(bytes, 1000);
    record.previous_lsn = 1003;
    assert_int_equal(record_decode(bytes, sizeof(bytes), &decoded), sizeof(bytes));
    assert_record_equal(&record, &decoded);
    record_seal(bytes, 5000); /* a final one stays */
    assert_int_equal(record_decode(bytes, sizeof(bytes), &decoded), sizeof(bytes));
    assert_int_equal(decoded.previous_lsn, 1003);
}

static void status__is_remembered_when_it_tells_of_an_account(void **state)
{
    (void)state;
    static const uint8_t REMEMBERED[] = {34, 35, 36, 37, 38, 40, 41, 42, 50, 51, 52, 53, 54, 55};
    size_t next = 0;
    for (unsigned status = 0; status <= UINT8_MAX; status++) {
        bool expected = next < COUNT_OF(REMEMBERED) && REMEMBERED[next] == status;
        assert_int_equal(record_status_is_remembered((uint8_t)status), expected);
        next += expected;
    }
    assert_int_equal(next, COUNT_OF(REMEMBERED));
}

static void damaged_bytes__decode_to_a_whole_record_or_not_at_all(void **state)
{
    (void)state;
    check_truncations_and_flips(DEPOSIT_BYTES, sizeof(DEPOSIT_BYTES));
    check_truncations_and_flips(REFUSAL_BYTES, sizeof(REFUSAL_BYTES));
    check_truncations_and_flips(OPEN_BYTES, sizeof(OPEN_BYTES));
    check_truncations_and_flips(CHANGE_BYTES, sizeof(CHANGE_BYTES));
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
        bytes[2] = (uint8_t)(1 + random_below(&random, 4));
        bytes[3] = 0;
        bytes[4] &= 15;
        bytes[5] = (uint8_t)random_below(&random, 10);
        bytes[6] = (uint8_t)random_below(&random, 10);
        bytes[7] &= 3;
        check_damaged(bytes, sizeof(bytes));
    }
}

static void each_rule__refuses_what_breaks_it(void **state)
{
    (void)state;
#define DEPOSIT DEPOSIT_BYTES, sizeof(DEPOSIT_BYTES)
#define REFUSAL REFUSAL_BYTES, sizeof(REFUSAL_BYTES)
#define OPEN    OPEN_BYTES, sizeof(OPEN_BYTES)
#define CHANGE  CHANGE_BYTES, sizeof(CHANGE_BYTES)
    static const struct bad_byte CASES[] = {
        {"size too small", DEPOSIT, 0, 64},
        {"size not of the lengths", DEPOSIT, 0, 80},
        {"size zero", DEPOSIT, 0, 0},
        {"unknown kind", DEPOSIT, 2, 13},
        {"kind that is not logged", DEPOSIT, 2, FLORIN_READ_ACCOUNT},
        {"unknown status", DEPOSIT, 3, 1},
        {"status that is not remembered", DEPOSIT, 3, FLORIN_KEYS_FULL},
        {"mismatch by precondition without it", DEPOSIT, 3, FLORIN_PRECONDITION_FAILED},
        {"insufficient deposit", DEPOSIT, 3, FLORIN_INSUFFICIENT_BALANCE},
        {"unknown flag", DEPOSIT, 4, 17},
        {"precondition without expected version", DEPOSIT, 4, 2},
        {"a status of no name", DEPOSIT, 3, 39},
        {"a failed balance condition without one", DEPOSIT, 3, FLORIN_BALANCE_CONDITION},
        {"a refusal of another kind", DEPOSIT, 3, FLORIN_HOLD_RESOLVED},
        {"empty id", DEPOSIT, 5, 0},
        {"long id", DEPOSIT, 5, 65},
        {"exponent too large", DEPOSIT, 7, 9},
        {"version zero", DEPOSIT, 16, 0},
        {"amount negative", DEPOSIT, 39, 0x80},
        {"expected version zero", DEPOSIT, 48, 0},
        {"id of other characters", DEPOSIT, 56, ' '},
        {"padding", DEPOSIT, 71, 1},
        {"amount zero", REFUSAL, 32, 0},
        {"overflowing withdrawal", REFUSAL, 3, FLORIN_BALANCE_OVERFLOW},
        {"mismatch without expected version", REFUSAL, 3, FLORIN_VERSION_MISMATCH},
        {"refused precondition without expected version", REFUSAL, 4, 2},
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
        {"opened frozen", OPEN, 64, 1},
        {"opened by an admin", OPEN, 4, 8},
        {"reserved byte of open", OPEN, 65, 1},
        {"metadata length beyond the size", OPEN, 66, 200},
        {"metadata length far beyond", OPEN, 67, 0xff},
        {"reserved tail of open", OPEN, 71, 1},
        {"refused change", CHANGE, 3, FLORIN_ACCOUNT_CLOSED},
        {"change with a key", CHANGE, 6, 1},
        {"change of version 1", CHANGE, 16, 1},
        {"change with an amount", CHANGE, 32, 1},
        {"minimum above zero after a change", CHANGE, 71, 0},
        {"unknown state", CHANGE, 80, 3},
        {"reserved byte of change", CHANGE, 81, 1},
    };
#undef DEPOSIT
#undef REFUSAL
#undef OPEN
#undef CHANGE
    check_bad_bytes(CASES, COUNT_OF(CASES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode__writes_the_bytes_of_the_format),
        cmocka_unit_test(deposit__of_usual_id_and_key_takes_80_bytes),
        cmocka_unit_test(longest_records__fit),
        cmocka_unit_test(refusals__of_conditions_and_closed_accounts_are_records),
        cmocka_unit_test(seal__gives_a_provisional_previous_its_place),
        cmocka_unit_test(status__is_remembered_when_it_tells_of_an_account),
        cmocka_unit_test(damaged_bytes__decode_to_a_whole_record_or_not_at_all),
        cmocka_unit_test(random_bytes__never_decode_wrongly),
        cmocka_unit_test(each_rule__refuses_what_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
