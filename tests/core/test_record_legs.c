/* Records of several legs and of holds: the bytes are those of the format, and nothing else
 * decodes. */
#include "record_support.h"

/* alice pays bob 250; asked with a key and a version. */
static const uint8_t TRANSFER_BYTES[] = {
    B8(168, 0, 5, 0, 1, 5, 8, 2),     /* size kind status flags lengths exponent */
    LE8(0x0102030405060708),          /* time */
    LE8(8),                           /* version */
    LE8(39750),                       /* balance */
    LE8(250),                         /* amount */
    LE8(130),                         /* previous */
    LE8(7),                           /* expected version */
    LE8(0x1122334455667788),          /* request */
    LE8(0),                           /* target */
    LE8(100),                         /* held */
    LE8(0),                           /* detail */
    LE8(0),                           /* detail_minor */
    B8(2, 1, 0, 0, 0, 0, 0, 0),       /* debit, one leg */
    B8(3, 1, 2, 0, 0, 0, 0, 0),       /* leg: id length, credit, exponent */
    LE8(4),                           /* version */
    LE8(-50),                         /* balance */
    LE8(250),                         /* amount */
    LE8(129),                         /* previous */
    B8('b', 'o', 'b', 0, 0, 0, 0, 0), /* id */
    B8('a', 'l', 'i', 'c', 'e', 'o', 'r', 'd'),
    B8('e', 'r', '-', '1', '7', 0, 0, 0), /* id, key */
};

/* a is debited twice and credited once, b-b-b-b-b is credited; without a key. */
static const uint8_t POSTING_BYTES[] = {
    B8(0, 1, 6, 0, 8, 1, 0, 0), /* by an admin */
    FIVE(1, 2, -3, 3, 10),      /* time version balance amount previous */
    FIVE(5, 0, 0, 0, 0),        /* request target held detail detail_minor */
    B8(2, 3, 0, 0, 0, 0, 0, 0), /* debit, three legs */
    B8(1, 2, 0, 0, 0, 0, 0, 0), /* a is debited again */
    FOUR(3, -8, 5, 10),         /* version balance amount previous */
    B8('a', 0, 0, 0, 0, 0, 0, 0),
    B8(9, 1, 0, 0, 0, 0, 0, 0), /* b-b-b-b-b is credited */
    FOUR(2, 6, 6, 11),          /* version balance amount previous */
    B8('b', '-', 'b', '-', 'b', '-', 'b', '-'),
    B8('b', 0, 0, 0, 0, 0, 0, 0),
    B8(1, 1, 0, 0, 0, 0, 0, 0), /* a is credited */
    FOUR(4, -6, 2, 10),         /* version balance amount previous */
    B8('a', 0, 0, 0, 0, 0, 0, 0),
    B8('a', 0, 0, 0, 0, 0, 0, 0), /* own id */
};

static const uint8_t HOLD_BYTES[] = {
    B8(104, 0, 7, 0, 0, 1, 1, 2),
    FIVE(6, 4, 900, 300, 20),  /* time version balance amount previous */
    FIVE(8, 0, 500, 12345, 0), /* request target held expires detail_minor */
    B8(0, 0, 0, 0, 0, 0, 0, 0),
    B8('a', 'k', 0, 0, 0, 0, 0, 0),
};

static const uint8_t CAPTURE_BYTES[] = {
    B8(152, 0, 8, 0, 0, 1, 1, 2),
    FIVE(7, 5, 700, 200, 21),   /* time version balance amount previous */
    FIVE(9, 20, 200, 0, 0),     /* request target held detail detail_minor */
    B8(2, 1, 0, 0, 0, 0, 0, 0), /* debit, one leg */
    B8(1, 1, 2, 0, 0, 0, 0, 0),
    FOUR(9, 200, 200, 15), /* version balance amount previous */
    B8('b', 0, 0, 0, 0, 0, 0, 0),
    B8('a', 'l', 0, 0, 0, 0, 0, 0),
};

static const uint8_t EXPIRE_BYTES[] = {
    B8(104, 0, 10, 0, 0, 1, 0, 2),
    FIVE(8, 6, 700, 200, 22), /* time version balance amount previous */
    FIVE(0, 19, 0, 0, 0),     /* request target held detail detail_minor */
    B8(0, 0, 0, 0, 0, 0, 0, 0),
    B8('a', 0, 0, 0, 0, 0, 0, 0),
};

static const uint8_t REVERSE_BYTES[] = {
    B8(104, 0, 11, 0, 0, 1, 1, 2),
    FIVE(9, 7, 690, 10, 23),    /* time version balance amount previous */
    FIVE(3, 17, 0, 2, 40),      /* request target held number reversed */
    B8(2, 0, 0, 0, 0, 0, 0, 0), /* debit */
    B8('a', 'r', 0, 0, 0, 0, 0, 0),
};

/* A capture of all that the hold has left, which is resolved. */
static const uint8_t REFUSAL_BYTES[] = {
    B8(104, 0, 8, 52, 0, 1, 1, 2),
    FIVE(10, 7, 690, 0, 24),    /* time version balance amount previous */
    FIVE(4, 20, 0, 7, -690),    /* request target held version balance */
    B8(0, 0, 1, 0, 0, 0, 0, 0), /* refused: leg 1 */
    B8('a', 'x', 0, 0, 0, 0, 0, 0),
};

static const struct record_leg TRANSFER_LEGS[] = {
    {.id = "bob",
     .id_length = 3,
     .direction = FLORIN_CREDIT,
     .exponent = 2,
     .version = 4,
     .balance_minor = -50,
     .amount_minor = 250,
     .previous_lsn = 129},
};

static const struct record_leg POSTING_LEGS[] = {
    {.id = "a",
     .id_length = 1,
     .direction = FLORIN_DEBIT,
     .version = 3,
     .balance_minor = -8,
     .amount_minor = 5,
     .previous_lsn = 10},
    {.id = "b-b-b-b-b",
     .id_length = 9,
     .direction = FLORIN_CREDIT,
     .version = 2,
     .balance_minor = 6,
     .amount_minor = 6,
     .previous_lsn = 11},
    {.id = "a",
     .id_length = 1,
     .direction = FLORIN_CREDIT,
     .version = 4,
     .balance_minor = -6,
     .amount_minor = 2,
     .previous_lsn = 10},
};

static const struct record_leg CAPTURE_LEGS[] = {
    {.id = "b",
     .id_length = 1,
     .direction = FLORIN_CREDIT,
     .exponent = 2,
     .version = 9,
     .balance_minor = 200,
     .amount_minor = 200,
     .previous_lsn = 15},
};

static const struct record TRANSFER = {
    .kind = FLORIN_TRANSFER,
    .has_expected_version = true,
    .exponent = 2,
    .time_ns = UINT64_C(0x0102030405060708),
    .version = 8,
    .balance_minor = 39750,
    .amount_minor = 250,
    .previous_lsn = 130,
    .expected_version = 7,
    .id = "alice",
    .id_length = 5,
    .key = "order-17",
    .key_length = 8,
    .request = UINT64_C(0x1122334455667788),
    .held_minor = 100,
    .direction = FLORIN_DEBIT,
    .leg_count = 1,
    .legs = TRANSFER_LEGS,
};

static const struct record POSTING = {
    .kind = FLORIN_POSTING,
    .as_admin = true,
    .time_ns = 1,
    .version = 2,
    .balance_minor = -3,
    .amount_minor = 3,
    .previous_lsn = 10,
    .id = "a",
    .id_length = 1,
    .request = 5,
    .direction = FLORIN_DEBIT,
    .leg_count = 3,
    .legs = POSTING_LEGS,
};

static const struct record HOLD = {
    .kind = FLORIN_HOLD,
    .exponent = 2,
    .time_ns = 6,
    .version = 4,
    .balance_minor = 900,
    .amount_minor = 300,
    .previous_lsn = 20,
    .id = "a",
    .id_length = 1,
    .key = "k",
    .key_length = 1,
    .request = 8,
    .held_minor = 500,
    .detail = 12345,
};

static const struct record CAPTURE = {
    .kind = FLORIN_CAPTURE,
    .exponent = 2,
    .time_ns = 7,
    .version = 5,
    .balance_minor = 700,
    .amount_minor = 200,
    .previous_lsn = 21,
    .id = "a",
    .id_length = 1,
    .key = "l",
    .key_length = 1,
    .request = 9,
    .target_lsn = 20,
    .held_minor = 200,
    .direction = FLORIN_DEBIT,
    .leg_count = 1,
    .legs = CAPTURE_LEGS,
};

static const struct record EXPIRE = {
    .kind = FLORIN_EXPIRE,
    .exponent = 2,
    .time_ns = 8,
    .version = 6,
    .balance_minor = 700,
    .amount_minor = 200,
    .previous_lsn = 22,
    .id = "a",
    .id_length = 1,
    .target_lsn = 19,
};

static const struct record REVERSE = {
    .kind = FLORIN_REVERSE,
    .exponent = 2,
    .time_ns = 9,
    .version = 7,
    .balance_minor = 690,
    .amount_minor = 10,
    .previous_lsn = 23,
    .id = "a",
    .id_length = 1,
    .key = "r",
    .key_length = 1,
    .request = 3,
    .target_lsn = 17,
    .detail = 2,
    .detail_minor = 40,
    .direction = FLORIN_DEBIT,
};

static const struct record REFUSAL = {
    .kind = FLORIN_CAPTURE,
    .status = FLORIN_HOLD_RESOLVED,
    .exponent = 2,
    .time_ns = 10,
    .version = 7,
    .balance_minor = 690,
    .previous_lsn = 24,
    .id = "a",
    .id_length = 1,
    .key = "x",
    .key_length = 1,
    .request = 4,
    .target_lsn = 20,
    .detail = 7,
    .detail_minor = -690,
    .refused_leg = 1,
};

struct example {
    const struct record *record;
    const uint8_t *bytes;
    size_t size;
};
#define EXAMPLE(name)                                                                              \
    {                                                                                              \
        &(name), name##_BYTES, sizeof(name##_BYTES)                                                \
    }
static const struct example EXAMPLES[] = {EXAMPLE(TRANSFER), EXAMPLE(POSTING), EXAMPLE(HOLD),
                                          EXAMPLE(CAPTURE),  EXAMPLE(EXPIRE),  EXAMPLE(REVERSE),
                                          EXAMPLE(REFUSAL)};

static void encode__writes_the_bytes_of_the_format(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(EXAMPLES); i++)
        check_golden(EXAMPLES[i].record, EXAMPLES[i].bytes, EXAMPLES[i].size);
}

/* The kinds whose examples above differ from another's by their kind alone. */
static void batch_and_void__are_records(void **state)
{
    (void)state;
    uint8_t bytes[FLORIN_RECORD_MAX];
    struct record decoded;
    struct record batch = REVERSE;
    struct record empty = EXPIRE;
    batch.kind = FLORIN_BATCH;
    batch.target_lsn = 0;
    batch.detail = 0;
    batch.detail_minor = 0;
    batch.direction = FLORIN_CREDIT;
    size_t size = record_encode(&batch, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    assert_record_equal(&batch, &decoded);
    empty.kind = FLORIN_VOID;
    empty.request = 12;
    size = record_encode(&empty, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    assert_record_equal(&empty, &decoded);
}

static void longest_posting__fits(void **state)
{
    (void)state;
    char text[FLORIN_KEY_MAX];
    struct record_leg legs[FLORIN_LEGS_MAX - 1];
    uint8_t bytes[FLORIN_RECORD_MAX];
    struct record decoded;
    struct record record = TRANSFER;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < COUNT_OF(legs); i++) {
        legs[i] = TRANSFER_LEGS[0];
        legs[i].id = text;
        legs[i].id_length = FLORIN_ACCOUNT_ID_MAX;
    }
    record.kind = FLORIN_POSTING;
    record.has_expected_balance = true;
    record.id = text;
    record.id_length = FLORIN_ACCOUNT_ID_MAX;
    record.key = text;
    record.key_length = FLORIN_KEY_MAX;
    record.legs = legs;
    record.leg_count = COUNT_OF(legs);
    assert_true(record_size(&record) <= sizeof(bytes));
    size_t size = record_encode(&record, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    assert_record_equal(&record, &decoded);
    assert_legs_equal(&record, &decoded);
}

/* One leg more than a posting has, behind a right size: not a record. */
static void a_leg_too_many__is_refused(void **state)
{
    (void)state;
    struct record_leg legs[FLORIN_LEGS_MAX - 1];
    uint8_t bytes[FLORIN_RECORD_MAX];
    struct record decoded;
    struct record record = POSTING;
    for (size_t i = 0; i < COUNT_OF(legs); i++)
        legs[i] = POSTING_LEGS[0];
    record.legs = legs;
    record.leg_count = COUNT_OF(legs);
    size_t size = record_encode(&record, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);

    size_t first_leg = RECORD_FIXED_BYTES + RECORD_POSTING_BYTES;
    size_t leg_bytes = RECORD_LEG_BYTES + 8;
    memmove(bytes + first_leg + leg_bytes, bytes + first_leg, size - first_leg);
    bytes[RECORD_FIXED_BYTES + 41]++;
    size += leg_bytes;
    bytes[0] = (uint8_t)size;
    bytes[1] = (uint8_t)(size >> 8);
    assert_int_equal(record_decode(bytes, size, &decoded), 0);
}

static void seal__gives_every_provisional_previous_its_place(void **state)
{
    (void)state;
    uint8_t bytes[sizeof(POSTING_BYTES) + 16];
    struct record decoded;
    struct record_leg legs[COUNT_OF(POSTING_LEGS)];
    struct record record = POSTING;
    memcpy(legs, POSTING_LEGS, sizeof(legs));
    record.legs = legs;
    /* The legs stand behind both conditions. */
    record.has_expected_version = true;
    record.expected_version = 1;
    record.has_expected_balance = true;
    record.previous_lsn = RECORD_LSN_PROVISIONAL | 5;
    legs[0].previous_lsn = RECORD_LSN_PROVISIONAL | 5;
    legs[2].previous_lsn = RECORD_LSN_PROVISIONAL;
    size_t size = record_encode(&record, bytes);
    assert_int_equal(size, sizeof(bytes));
    record_seal(bytes, 300);
    record.previous_lsn = 305;
    legs[0].previous_lsn = 305;
    legs[2].previous_lsn = 300;
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    assert_record_equal(&record, &decoded);
    assert_legs_equal(&record, &decoded);
}

static void touches__names_the_accounts_that_an_applied_record_changed(void **state)
{
    (void)state;
    struct record posting;
    struct record refusal;
    assert_true(record_decode(POSTING_BYTES, sizeof(POSTING_BYTES), &posting) > 0);
    assert_true(record_decode(REFUSAL_BYTES, sizeof(REFUSAL_BYTES), &refusal) > 0);
    assert_true(record_touches(&posting, "a", 1));
    assert_true(record_touches(&posting, "b-b-b-b-b", 9));
    assert_false(record_touches(&posting, "b-b-b-b", 7));
    assert_false(record_touches(&posting, "c", 1));
    assert_false(record_touches(&refusal, "a", 1));
}

static void damaged_bytes__decode_to_a_whole_record_or_not_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(EXAMPLES); i++)
        check_truncations_and_flips(EXAMPLES[i].bytes, EXAMPLES[i].size);
}

/* Several bytes of a right record at once, mostly such as say how long something is. */
static void random_damage__never_decodes_wrongly(void **state)
{
    (void)state;
    static const uint8_t OFFSETS[] = {0, 2, 3, 4, 5, 6, 48 + 40, 48 + 41, 48 + 42, 96, 97, 98, 144};
    uint64_t random = seed_choose();
    for (int i = 0; i < 300000; i++) {
        uint8_t bytes[256] = {0};
        const struct example *example = &EXAMPLES[random_below(&random, COUNT_OF(EXAMPLES))];
        memcpy(bytes, example->bytes, example->size);
        for (uint64_t changes = 1 + random_below(&random, 4); changes > 0; changes--) {
            size_t at = random_below(&random, 2) == 0
                            ? OFFSETS[random_below(&random, COUNT_OF(OFFSETS))]
                            : (size_t)random_below(&random, example->size);
            bytes[at] = (uint8_t)random_below(&random, 20);
        }
        check_damaged(bytes, sizeof(bytes));
    }
}

static void each_rule__refuses_what_breaks_it(void **state)
{
    (void)state;
#define AT(name) name##_BYTES, sizeof(name##_BYTES)
    enum {
        OWN = 48, /* the posting part of records without conditions */
        LEG = OWN + 48,
        TRANSFER_OWN = OWN + 8,
        TRANSFER_LEG = TRANSFER_OWN + 48,
    };
    static const struct bad_byte CASES[] = {
        {"transfer that credits its own account", AT(TRANSFER), TRANSFER_OWN + 40, 1},
        {"transfer without direction", AT(TRANSFER), TRANSFER_OWN + 40, 0},
        {"transfer whose other leg is a debit", AT(TRANSFER), TRANSFER_LEG + 1, 2},
        {"transfer with a target", AT(TRANSFER), TRANSFER_OWN + 8, 1},
        {"transfer with a detail", AT(TRANSFER), TRANSFER_OWN + 24, 1},
        {"transfer with a detailed amount", AT(TRANSFER), TRANSFER_OWN + 32, 1},
        {"transfer that refuses a leg", AT(TRANSFER), TRANSFER_OWN + 42, 1},
        {"transfer that is a hold", AT(TRANSFER), 2, FLORIN_HOLD},
        {"applied transfer that is refused", AT(TRANSFER), 3, FLORIN_INSUFFICIENT_BALANCE},
        {"reserved byte of the posting part", AT(TRANSFER), TRANSFER_OWN + 43, 1},
        {"last reserved byte of the posting part", AT(TRANSFER), TRANSFER_OWN + 47, 1},
        {"held below zero", AT(TRANSFER), TRANSFER_OWN + 23, 0x80},
        {"exponent too large", AT(TRANSFER), 7, 9},
        {"a leg too few", AT(TRANSFER), TRANSFER_OWN + 41, 0},
        {"a leg that is not there", AT(TRANSFER), TRANSFER_OWN + 41, 2},
        {"many legs that are not there", AT(TRANSFER), TRANSFER_OWN + 41, 255},
        {"leg without id", AT(TRANSFER), TRANSFER_LEG, 0},
        {"leg with a long id", AT(TRANSFER), TRANSFER_LEG, 65},
        {"leg with a shorter id", AT(TRANSFER), TRANSFER_LEG, 2},
        {"leg without direction", AT(POSTING), LEG + 1, 0},
        {"leg of a third direction", AT(POSTING), LEG + 1, 3},
        {"leg with a large exponent", AT(TRANSFER), TRANSFER_LEG + 2, 9},
        {"reserved byte of a leg", AT(TRANSFER), TRANSFER_LEG + 3, 1},
        {"last reserved byte of a leg", AT(TRANSFER), TRANSFER_LEG + 7, 1},
        {"leg of version zero", AT(TRANSFER), TRANSFER_LEG + 8, 0},
        {"leg with an amount below zero", AT(TRANSFER), TRANSFER_LEG + 31, 0x80},
        {"leg with amount zero", AT(POSTING), LEG + 24, 0},
        {"leg id of other characters", AT(TRANSFER), TRANSFER_LEG + 40, ' '},
        {"padding of a leg", AT(TRANSFER), TRANSFER_LEG + 47, 1},
        {"padding behind the key", AT(TRANSFER), sizeof(TRANSFER_BYTES) - 1, 1},
        {"posting of a third direction", AT(POSTING), OWN + 40, 3},
        {"posting of amount zero", AT(POSTING), 32, 0},
        {"hold with a direction", AT(HOLD), OWN + 40, 2},
        {"hold with a target", AT(HOLD), OWN + 8, 1},
        {"hold of more than is held", AT(HOLD), OWN + 17, 0},
        {"hold with a detailed amount", AT(HOLD), OWN + 32, 1},
        {"capture of nothing", AT(CAPTURE), OWN + 8, 0},
        {"capture of a position that no record has", AT(CAPTURE), OWN + 13, 0x80},
        {"capture of amount zero", AT(CAPTURE), 32, 0},
        {"capture that credits", AT(CAPTURE), OWN + 40, 1},
        {"capture into a debit", AT(CAPTURE), LEG + 1, 2},
        {"expiry of nothing", AT(EXPIRE), OWN + 8, 0},
        {"expiry that somebody asked for", AT(EXPIRE), OWN, 1},
        {"expiry with a direction", AT(EXPIRE), OWN + 40, 2},
        {"expiry of amount zero", AT(EXPIRE), 32, 0},
        {"void with a detail", AT(EXPIRE), OWN + 24, 1},
        {"expiry with a key", AT(REFUSAL), 2, FLORIN_EXPIRE},
        {"reversal of nothing", AT(REVERSE), OWN + 8, 0},
        {"reversal without a number", AT(REVERSE), OWN + 24, 0},
        {"reversal that has reversed nothing", AT(REVERSE), OWN + 32, 0},
        {"reversal without direction", AT(REVERSE), OWN + 40, 0},
        {"refusal that is not remembered", AT(REFUSAL), 3, FLORIN_KEYS_FULL},
        {"refusal of a status that is none", AT(REFUSAL), 3, 39},
        {"refusal with a direction", AT(REFUSAL), OWN + 40, 2},
        {"refusal with a leg", AT(REFUSAL), OWN + 41, 1},
        {"refusal of a leg that no posting has", AT(REFUSAL), OWN + 42, 64},
        {"refused transfer of nothing", AT(REFUSAL), 2, FLORIN_TRANSFER},
        {"refused hold of nothing", AT(REFUSAL), 2, FLORIN_HOLD},
        {"precondition without expected version", AT(REFUSAL), 4, 2},
    };
#undef AT
    check_bad_bytes(CASES, COUNT_OF(CASES));
}

/* Bytes that say 0 for a key length, and have none. */
static void refusals_without_a_key__are_no_records(void **state)
{
    (void)state;
    uint8_t bytes[sizeof(REFUSAL_BYTES)];
    struct record record;
    memcpy(bytes, REFUSAL_BYTES, sizeof(bytes));
    bytes[6] = 0;
    bytes[sizeof(bytes) - 7] = 0;
    assert_int_equal(record_decode(bytes, sizeof(bytes), &record), 0);
    bytes[3] = FLORIN_APPLIED; /* but for all else it is a capture */
    bytes[32] = 1;
    memset(bytes + 48 + 24, 0, 24);
    bytes[48 + 40] = FLORIN_DEBIT;
    assert_int_equal(record_decode(bytes, sizeof(bytes), &record), sizeof(bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode__writes_the_bytes_of_the_format),
        cmocka_unit_test(batch_and_void__are_records),
        cmocka_unit_test(longest_posting__fits),
        cmocka_unit_test(a_leg_too_many__is_refused),
        cmocka_unit_test(seal__gives_every_provisional_previous_its_place),
        cmocka_unit_test(touches__names_the_accounts_that_an_applied_record_changed),
        cmocka_unit_test(damaged_bytes__decode_to_a_whole_record_or_not_at_all),
        cmocka_unit_test(random_damage__never_decodes_wrongly),
        cmocka_unit_test(each_rule__refuses_what_breaks_it),
        cmocka_unit_test(refusals_without_a_key__are_no_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
