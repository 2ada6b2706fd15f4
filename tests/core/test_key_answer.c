/* Answers of keys: the bytes are those of key files, and nothing else decodes. */
#include "support.h"

#include "engine/core/key_answer.h"
#include "florin.h"

/* When one of these changes, old key files can no longer be read. */
static const uint8_t APPLIED_BYTES[KEY_ANSWER_BYTES] = {
    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* digest, high */
    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* digest, low */
    0,    1,    131,  0,    0,    0,    0,    0,    /* status, kind, LSN */
    9,    0,    0,    0,    0,    0,    0,    0,    /* time */
    7,    0,    0,    0,    0,    0,    0,    0,    /* expected version */
    0x10, 0x27, 0,    0,    0,    0,    0,    0,    /* amount 10000 */
    0x40, 0x9c, 0,    0,    0,    0,    0,    0,    /* balance 40000 */
    8,    0,    0,    0,    0,    0,    0,    0,    /* version */
};

static const uint8_t REFUSED_BYTES[KEY_ANSWER_BYTES] = {
    1,    0,    0,    0,    0,    0,    0,    0,    /* digest, high */
    2,    0,    0,    0,    0,    0,    0,    0,    /* digest, low */
    50,   2,    0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, /* status, kind, the last LSN */
    1,    0,    0,    0,    0,    0,    0,    0,    /* time */
    0,    0,    0,    0,    0,    0,    0,    0,    /* no expected version */
    1,    0,    0,    0,    0,    0,    0,    0,    /* amount */
    0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* balance -5 */
    3,    0,    0,    0,    0,    0,    0,    0,    /* version */
};

/* Of a transfer that was refused: leg 63, whose account has -5 in version 3. */
static const uint8_t REFUSED_LEG_BYTES[KEY_ANSWER_BYTES] = {
    1,    0,    0,    0,    0,    0,    0,    0,    /* digest, high */
    2,    0,    0,    0,    0,    0,    0,    0,    /* digest, low */
    36,   5,    9,    0,    0,    0,    0,    0,    /* status, kind, LSN */
    1,    0,    0,    0,    0,    0,    0,    0,    /* time */
    0x11, 0,    0,    0,    0,    0,    0,    0x80, /* request */
    63,   0,    0,    0,    0,    0,    0,    0,    /* refused_leg */
    0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* balance -5 */
    3,    0,    0,    0,    0,    0,    0,    0,    /* version */
};

static struct key_answer refused_leg_make(void)
{
    return (struct key_answer){
        .digest = {.low = 2, .high = 1},
        .lsn = 9,
        .kind = FLORIN_TRANSFER,
        .status = FLORIN_CURRENCY_MISMATCH,
        .time_ns = 1,
        .expected_version = UINT64_C(0x8000000000000011),
        .amount_minor = 63,
        .balance_minor = -5,
        .version = 3,
    };
}

static struct key_answer applied_make(void)
{
    return (struct key_answer){
        .digest = {.low = UINT64_C(0x0102030405060708), .high = UINT64_C(0x1122334455667788)},
        .lsn = 131,
        .kind = FLORIN_DEPOSIT,
        .status = FLORIN_APPLIED,
        .time_ns = 9,
        .expected_version = 7,
        .amount_minor = 10000,
        .balance_minor = 40000,
        .version = 8,
    };
}

static struct key_answer refused_make(void)
{
    return (struct key_answer){
        .digest = {.low = 2, .high = 1},
        .lsn = RECORD_LSN_MAX,
        .kind = FLORIN_WITHDRAW,
        .status = FLORIN_INSUFFICIENT_BALANCE,
        .time_ns = 1,
        .amount_minor = 1,
        .balance_minor = -5,
        .version = 3,
    };
}

static void assert_answer_equal(const struct key_answer *a, const struct key_answer *b)
{
    assert_int_equal(key_answer_compare(a, b), 0);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->expected_version, b->expected_version);
    assert_int_equal(a->amount_minor, b->amount_minor);
    assert_int_equal(a->balance_minor, b->balance_minor);
    assert_int_equal(a->version, b->version);
}

static void check_golden(const struct key_answer *answer, const uint8_t *golden)
{
    uint8_t bytes[KEY_ANSWER_BYTES];
    struct key_answer decoded;
    key_answer_encode(answer, bytes);
    assert_memory_equal(bytes, golden, sizeof(bytes));
    assert_true(key_answer_decode(golden, &decoded));
    assert_answer_equal(answer, &decoded);
}

static void encode__writes_the_bytes_of_the_format(void **state)
{
    (void)state;
    struct key_answer applied = applied_make();
    struct key_answer refused = refused_make();
    struct key_answer refused_leg = refused_leg_make();
    check_golden(&applied, APPLIED_BYTES);
    check_golden(&refused, REFUSED_BYTES);
    check_golden(&refused_leg, REFUSED_LEG_BYTES);
}

/* What decodes encodes to the very bytes that it came from. */
static void check_damaged(const uint8_t bytes[KEY_ANSWER_BYTES])
{
    struct key_answer answer;
    uint8_t again[KEY_ANSWER_BYTES];
    if (key_answer_decode(bytes, &answer)) {
        key_answer_encode(&answer, again);
        assert_memory_equal(again, bytes, sizeof(again));
    }
}

static void damaged_bytes__decode_to_themselves_or_not_at_all(void **state)
{
    (void)state;
    enum { BITS = KEY_ANSWER_BYTES * 8 };
    static const uint8_t *const GOLDEN[] = {APPLIED_BYTES, REFUSED_BYTES, REFUSED_LEG_BYTES};
    for (size_t i = 0; i < COUNT_OF(GOLDEN); i++) {
        uint8_t bytes[KEY_ANSWER_BYTES];
        memcpy(bytes, GOLDEN[i], sizeof(bytes));
        for (size_t bit = 0; bit < BITS; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            check_damaged(bytes);
            for (size_t other = 0; other < BITS; other++) {
                bytes[other / 8] ^= (uint8_t)(1u << other % 8);
                check_damaged(bytes);
                bytes[other / 8] ^= (uint8_t)(1u << other % 8);
            }
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void each_rule__refuses_what_breaks_it(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const uint8_t *golden;
        size_t offset;
        uint8_t value;
    } CASES[] = {
        {"unknown kind", APPLIED_BYTES, 17, 0},
        {"kind without keys", APPLIED_BYTES, 17, FLORIN_OPEN_ACCOUNT},
        {"kind that is not logged", APPLIED_BYTES, 17, FLORIN_READ_ACCOUNT},
        {"unknown status", APPLIED_BYTES, 16, 1},
        {"status that is not remembered", APPLIED_BYTES, 16, FLORIN_KEYS_FULL},
        {"insufficient deposit", APPLIED_BYTES, 16, FLORIN_INSUFFICIENT_BALANCE},
        {"overflowing withdrawal", REFUSED_BYTES, 16, FLORIN_BALANCE_OVERFLOW},
        {"mismatch without expected version", REFUSED_BYTES, 16, FLORIN_VERSION_MISMATCH},
        {"precondition without expected version", REFUSED_BYTES, 16, FLORIN_PRECONDITION_FAILED},
        {"position zero", APPLIED_BYTES, 18, 0},
        {"position beyond the last", REFUSED_BYTES, 23, 0xff},
        {"amount zero", REFUSED_BYTES, 40, 0},
        {"amount negative", APPLIED_BYTES, 47, 0x80},
        {"version zero", APPLIED_BYTES, 56, 0},
        {"kind that nobody asks for", REFUSED_LEG_BYTES, 17, FLORIN_EXPIRE},
        {"kind without a name", REFUSED_LEG_BYTES, 17, 13},
        {"a change", REFUSED_LEG_BYTES, 17, FLORIN_CHANGE_ACCOUNT},
        {"refusal that is not remembered", REFUSED_LEG_BYTES, 16, FLORIN_HOLDS_FULL},
        {"refusal without a name", REFUSED_LEG_BYTES, 16, 39},
        {"leg that no posting has", REFUSED_LEG_BYTES, 40, 64},
        {"leg below zero", REFUSED_LEG_BYTES, 47, 0x80},
        {"refusal of another kind", REFUSED_BYTES, 16, FLORIN_HOLD_EXCEEDED},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t bytes[KEY_ANSWER_BYTES];
        struct key_answer answer;
        print_message("%s\n", CASES[i].what);
        memcpy(bytes, CASES[i].golden, sizeof(bytes));
        assert_true(bytes[CASES[i].offset] != CASES[i].value);
        bytes[CASES[i].offset] = CASES[i].value;
        assert_false(key_answer_decode(bytes, &answer));
    }
}

static void balance__that_no_account_can_have_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[KEY_ANSWER_BYTES];
    struct key_answer answer;
    memcpy(bytes, APPLIED_BYTES, sizeof(bytes));
    memset(bytes + 48, 0, 8);
    bytes[55] = 0x80; /* INT64_MIN */
    assert_false(key_answer_decode(bytes, &answer));
    bytes[48] = 1;
    assert_true(key_answer_decode(bytes, &answer));
}

static void order__is_by_digest_and_then_by_position(void **state)
{
    (void)state;
    static const struct key_answer ASCENDING[] = {
        {.digest = {.low = 9, .high = 1}, .lsn = 9},
        {.digest = {.low = 1, .high = 2}, .lsn = 8},
        {.digest = {.low = 2, .high = 2}, .lsn = 3},
        {.digest = {.low = 2, .high = 2}, .lsn = 4},
        {.digest = {.low = UINT64_MAX, .high = 2}, .lsn = 1},
        {.digest = {.low = 0, .high = UINT64_MAX}, .lsn = 1},
    };
    for (size_t i = 0; i < COUNT_OF(ASCENDING); i++) {
        for (size_t j = 0; j < COUNT_OF(ASCENDING); j++) {
            int order = key_answer_compare(&ASCENDING[i], &ASCENDING[j]);
            assert_int_equal(order < 0, i < j);
            assert_int_equal(order > 0, i > j);
        }
    }
}

static void answer_of_record__has_what_was_asked_and_answered(void **state)
{
    (void)state;
    struct hash_secret secret;
    const struct record record = {
        .kind = FLORIN_DEPOSIT,
        .status = FLORIN_VERSION_MISMATCH,
        .has_expected_version = true,
        .time_ns = 5,
        .version = 8,
        .balance_minor = 400,
        .amount_minor = 100,
        .previous_lsn = 1,
        .expected_version = 7,
        .id = "alice",
        .id_length = 5,
        .key = "order-17",
        .key_length = 8,
    };
    hash_secret_init(&secret, "seed", 4);
    const struct key_answer expected = {
        .digest = hash_key(&secret, "alice", 5, "order-17", 8),
        .lsn = 12,
        .kind = FLORIN_DEPOSIT,
        .status = FLORIN_VERSION_MISMATCH,
        .time_ns = 5,
        .expected_version = 7,
        .amount_minor = 100,
        .balance_minor = 400,
        .version = 8,
    };
    struct key_answer answer = key_answer_of_record(&secret, &record, 12);
    assert_answer_equal(&answer, &expected);
}

/* The same, of a record with legs, from its bytes. */
static struct key_answer answer_of(const struct record *record)
{
    static const struct hash_secret SECRET;
    static uint8_t bytes[FLORIN_RECORD_MAX];
    uint8_t answer_bytes[KEY_ANSWER_BYTES];
    struct key_answer again;
    struct record decoded;
    size_t size = record_encode(record, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    struct key_answer answer = key_answer_of_record(&SECRET, &decoded, 12);
    key_answer_encode(&answer, answer_bytes); /* it is valid */
    assert_true(key_answer_decode(answer_bytes, &again));
    assert_answer_equal(&answer, &again);
    assert_int_equal(answer.kind, record->kind);
    assert_int_equal(answer.status, record->status);
    assert_int_equal(answer.expected_version, record->request);
    return answer;
}

static void check_answer(const struct record *record, int64_t amount_minor, int64_t balance_minor,
                         uint64_t version)
{
    struct key_answer answer = answer_of(record);
    assert_int_equal(answer.amount_minor, amount_minor);
    assert_int_equal(answer.balance_minor, balance_minor);
    assert_int_equal(answer.version, version);
}

static struct record with_legs_make(enum florin_command_kind kind)
{
    return (struct record){
        .kind = (uint8_t)kind,
        .exponent = 2,
        .time_ns = 5,
        .version = 8,
        .balance_minor = 400,
        .amount_minor = 100,
        .previous_lsn = 1,
        .id = "alice",
        .id_length = 5,
        .key = "order-17",
        .key_length = 8,
        .request = UINT64_C(0xfedcba9876543210),
    };
}

static void answer_of_posting__shows_its_account_after_all_legs(void **state)
{
    (void)state;
    struct record_leg legs[] = {
        {.id = "bob",
         .id_length = 3,
         .direction = FLORIN_CREDIT,
         .version = 2,
         .balance_minor = 9,
         .amount_minor = 9},
        {.id = "alice",
         .id_length = 5,
         .direction = FLORIN_CREDIT,
         .version = 9,
         .balance_minor = 450,
         .amount_minor = 50},
        {.id = "alice",
         .id_length = 5,
         .direction = FLORIN_DEBIT,
         .version = 10,
         .balance_minor = 449,
         .amount_minor = 1},
        {.id = "alicf",
         .id_length = 5,
         .direction = FLORIN_CREDIT,
         .version = 70,
         .balance_minor = 7,
         .amount_minor = 7},
    };
    struct record record = with_legs_make(FLORIN_POSTING);
    record.direction = FLORIN_DEBIT;
    record.legs = legs;
    record.leg_count = 1;
    check_answer(&record, 100, 400, 8);
    record.leg_count = 4;
    check_answer(&record, 100, 449, 10);
}

static void answer_of_hold__shows_what_is_available(void **state)
{
    (void)state;
    struct record record = with_legs_make(FLORIN_HOLD);
    record.held_minor = 150;
    check_answer(&record, 100, 250, 8);
    record.kind = FLORIN_VOID;
    record.target_lsn = 4;
    check_answer(&record, 100, 250, 8);
    record.kind = FLORIN_CAPTURE;
    record.direction = FLORIN_DEBIT;
    check_answer(&record, 100, 400, 8);
}

static void answer_of_refusal__shows_the_account_of_the_refused_leg(void **state)
{
    (void)state;
    struct record record = with_legs_make(FLORIN_TRANSFER);
    record.status = FLORIN_ACCOUNT_CLOSED;
    record.held_minor = 150;
    record.detail = 77;
    record.detail_minor = -3;
    record.refused_leg = 1;
    check_answer(&record, 1, -3, 77);
    record.kind = FLORIN_HOLD;
    check_answer(&record, 1, -3, 77);
}

/* What memory keeps of a key and what its file has add the same to the digest of a state. */
static void state_digest__depends_on_every_part(void **state)
{
    (void)state;
    const struct key_answer answer = applied_make();
    uint64_t digest = key_state_digest(key_tag(answer.digest), key_check(answer.digest), 131);
    assert_int_equal(key_tag(answer.digest), 0x11223344);
    assert_int_equal(key_check(answer.digest), 0x0708);
    assert_int_equal(digest, key_state_digest(0x11223344, 0x0708, 131));
    assert_true(digest != key_state_digest(0x11223345, 0x0708, 131));
    assert_true(digest != key_state_digest(0x11223344, 0x0709, 131));
    assert_true(digest != key_state_digest(0x11223344, 0x0708, 132));
    /* Sums of it stand in key files. */
    assert_int_equal(digest, UINT64_C(0x96b377e07af6c8ca));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode__writes_the_bytes_of_the_format),
        cmocka_unit_test(damaged_bytes__decode_to_themselves_or_not_at_all),
        cmocka_unit_test(each_rule__refuses_what_breaks_it),
        cmocka_unit_test(balance__that_no_account_can_have_is_refused),
        cmocka_unit_test(order__is_by_digest_and_then_by_position),
        cmocka_unit_test(answer_of_record__has_what_was_asked_and_answered),
        cmocka_unit_test(answer_of_posting__shows_its_account_after_all_legs),
        cmocka_unit_test(answer_of_hold__shows_what_is_available),
        cmocka_unit_test(answer_of_refusal__shows_the_account_of_the_refused_leg),
        cmocka_unit_test(state_digest__depends_on_every_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
