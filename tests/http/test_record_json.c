/* test_record_json.c - every kind of record as JSON, byte for byte, and the longest ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "florin.h"
#include "http/json_check.h"
#include "http/record_json.h"

/* 2025-05-02T10:24:02Z and a bit */
#define MAY_SECOND UINT64_C(1746181442123456789)
#define TIME       "\"timestamp\":\"2025-05-02T10:24:02Z\""

static char json[RECORD_JSON_BYTES_MAX];

/* As the log has it, and back. */
static size_t write_json(const struct record *record, uint64_t lsn, bool money_as_string)
{
    static uint8_t bytes[FLORIN_RECORD_MAX];
    const struct answer_style style = {.money_as_string = money_as_string};
    struct record decoded;
    struct json_text text;
    size_t size = record_encode(record, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    json_text_init(&text, json, sizeof(json));
    record_json_write(&text, &decoded, lsn, &style);
    assert_false(text.truncated);
    assert_null(memchr(json, '\n', text.length));
    return text.length;
}

static void assert_json(const struct record *record, uint64_t lsn, const char *expected)
{
    struct json_fault fault;
    size_t length = write_json(record, lsn, false);
    assert_true(json_check(json, length, &fault));
    if (length != strlen(expected) || memcmp(json, expected, length) != 0)
        fail_msg("%.*s\nexpected\n%s", (int)length, json, expected);
}

static struct record record_of(enum florin_command_kind kind)
{
    return (struct record){
        .kind = (uint8_t)kind,
        .exponent = 2,
        .time_ns = MAY_SECOND,
        .version = 8,
        .balance_minor = 40000,
        .amount_minor = 10000,
        .previous_lsn = 130,
        .id = "alice",
        .id_length = 5,
    };
}

static struct record_leg bob(uint8_t direction, int64_t amount_minor)
{
    return (struct record_leg){
        .id = "bob",
        .id_length = 3,
        .direction = direction,
        .exponent = 2,
        .version = 2,
        .balance_minor = -5,
        .amount_minor = amount_minor,
        .previous_lsn = 7,
    };
}

#define ALICE(direction)                                                                           \
    "{\"account\":\"alice\",\"direction\":\"" direction                                            \
    "\",\"amount\":100.00,\"balance\":400.00,\"version\":8}"
#define BOB(direction, amount)                                                                     \
    "{\"account\":\"bob\",\"direction\":\"" direction "\",\"amount\":" amount                      \
    ",\"balance\":-0.05,\"version\":2}"

static void deposit_and_withdrawal__have_one_leg(void **state)
{
    struct record record = record_of(FLORIN_DEPOSIT);
    (void)state;
    record.key = "order-17";
    record.key_length = 8;
    assert_json(&record, 131,
                "{\"id\":\"txn131\",\"type\":\"Deposit\"," TIME ",\"key\":\"order-17\","
                "\"amount\":100.00,\"legs\":[" ALICE("credit") "]}");
    record = record_of(FLORIN_WITHDRAW);
    assert_json(&record, 132,
                "{\"id\":\"txn132\",\"type\":\"Withdraw\"," TIME
                ",\"amount\":100.00,\"legs\":[" ALICE("debit") "]}");
    size_t length = write_json(&record, 132, true);
    json[length] = '\0';
    assert_non_null(strstr(json, "\"amount\":\"100.00\",\"balance\":\"400.00\",\"version\":8"));
    /* the currency's own number of decimals */
    record.exponent = 0;
    length = write_json(&record, 132, false);
    json[length] = '\0';
    assert_non_null(strstr(json, "\"amount\":10000,\"legs\""));
}

static void account__is_shown_as_it_is_afterwards(void **state)
{
    struct record record = record_of(FLORIN_OPEN_ACCOUNT);
    (void)state;
    record.version = 1;
    record.previous_lsn = 0;
    record.amount_minor = record.balance_minor = 1000;
    record.minimum_balance_minor = -5000;
    memcpy(record.currency, "USD", 3);
    record.metadata = "{\"a\":\n1}";
    record.metadata_length = 8;
    assert_json(&record, 1,
                "{\"id\":\"txn1\",\"type\":\"Open\"," TIME
                ",\"amount\":10.00,\"legs\":[{\"account\":\"alice\",\"direction\":\"credit\","
                "\"amount\":10.00,\"balance\":10.00,\"version\":1}],\"currency\":\"USD\","
                "\"minimumBalance\":-50.00,\"status\":\"open\",\"metadata\":{\"a\": 1}}");
    record.amount_minor = record.balance_minor = 0;
    record.metadata_length = 0;
    size_t length = write_json(&record, 1, false);
    json[length] = '\0';
    assert_non_null(strstr(json, "\"direction\":\"none\""));
    assert_non_null(strstr(json, "\"metadata\":{}}"));

    record = record_of(FLORIN_CHANGE_ACCOUNT);
    record.amount_minor = 0;
    memcpy(record.currency, "USD", 3);
    record.account_status = 1;
    record.metadata = "not \"JSON\"\n\xff";
    record.metadata_length = 12;
    assert_json(&record, 9,
                "{\"id\":\"txn9\",\"type\":\"Change\"," TIME
                ",\"amount\":0.00,\"legs\":[{\"account\":\"alice\",\"direction\":\"none\","
                "\"amount\":0.00,\"balance\":400.00,\"version\":8}],\"currency\":\"USD\","
                "\"minimumBalance\":0.00,\"status\":\"frozen\",\"metadata\":"
                "\"\\u006e\\u006f\\u0074\\u0020\\u0022\\u004a\\u0053\\u004f\\u004e\\u0022\\u000a"
                "\\u00ff\"}");
}

static void movements__show_every_leg_in_order(void **state)
{
    static const struct {
        enum florin_command_kind kind;
        const char *type;
        const char *behind;
    } rows[] = {
        {FLORIN_TRANSFER, "Transfer", ""},
        {FLORIN_POSTING, "Posting", ""},
        {FLORIN_BATCH, "Batch", ""},
        {FLORIN_REVERSE, "Reversal", ",\"reverses\":\"txn12\""},
        {FLORIN_CAPTURE, "Capture", ",\"held\":3.00,\"hold\":\"hold12:alice\""},
    };
    const struct record_leg leg = bob(FLORIN_CREDIT, 10000);
    char expected[1024];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct record record = record_of(rows[i].kind);
        bool has_target = rows[i].behind[0] != '\0';
        record.request = 5;
        record.direction = FLORIN_DEBIT;
        record.target_lsn = has_target ? 12 : 0;
        record.held_minor = 300;
        record.detail = rows[i].kind == FLORIN_REVERSE ? 1 : 0;
        record.detail_minor = rows[i].kind == FLORIN_REVERSE ? 10000 : 0;
        record.leg_count = 1;
        record.legs = &leg;
        snprintf(expected, sizeof(expected),
                 "{\"id\":\"txn131\",\"type\":\"%s\"," TIME
                 ",\"amount\":100.00,\"legs\":[" ALICE("debit") "," BOB("credit", "100.00") "]%s}",
                 rows[i].type, rows[i].behind);
        assert_json(&record, 131, expected);
    }
}

static void holds__name_the_hold_and_what_is_held(void **state)
{
    struct record record = record_of(FLORIN_HOLD);
    (void)state;
    record.request = 5;
    record.held_minor = 10300;
    record.detail = MAY_SECOND + 3600 * UINT64_C(1000000000);
    assert_json(&record, 131,
                "{\"id\":\"txn131\",\"type\":\"Hold\"," TIME ",\"amount\":100.00,\"legs\":[" ALICE(
                    "none") "],\"held\":103.00,"
                            "\"hold\":\"hold131:alice\",\"expiresAt\":\"2025-05-02T11:24:02Z\"}");
    record.detail = 0;
    size_t length = write_json(&record, 131, false);
    assert_null(memmem(json, length, "expiresAt", 9));
    record = record_of(FLORIN_VOID);
    record.request = 5;
    record.target_lsn = 131;
    assert_json(&record, 140,
                "{\"id\":\"txn140\",\"type\":\"Void\"," TIME
                ",\"amount\":100.00,\"legs\":[" ALICE("none") "],\"held\":0.00,"
                                                              "\"hold\":\"hold131:alice\"}");
    record.kind = FLORIN_EXPIRE;
    record.request = 0;
    assert_json(&record, 141,
                "{\"id\":\"txn141\",\"type\":\"Expire\"," TIME
                ",\"amount\":100.00,\"legs\":[" ALICE("none") "],\"held\":0.00,"
                                                              "\"hold\":\"hold131:alice\"}");
}

static void key__of_any_bytes_is_one_string(void **state)
{
    struct record record = record_of(FLORIN_DEPOSIT);
    char key[FLORIN_KEY_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (char)i;
    record.key = key;
    record.key_length = sizeof(key);
    size_t length = write_json(&record, 1, false);
    assert_non_null(memmem(json, length, "\\u0000\\u0001", 12));
    assert_non_null(memmem(json, length, "\\u00fd\\u00fe\"", 13));
    struct json_fault fault;
    record.key = key + 1; /* json_check() refuses the zero, which is JSON nevertheless */
    record.key_length = sizeof(key) - 1;
    length = write_json(&record, 1, false);
    assert_true(json_check(json, length, &fault));
    record.key = "gr\xc3\xbc\xc3\x9f";
    record.key_length = 6;
    length = write_json(&record, 1, false);
    assert_non_null(memmem(json, length, "\"key\":\"gr\xc3\xbc\xc3\x9f\"", 14));
}

static void longest__records_fit(void **state)
{
    static struct record_leg legs[FLORIN_LEGS_MAX - 1];
    char id[FLORIN_ACCOUNT_ID_MAX];
    char bytes[FLORIN_METADATA_MAX];
    (void)state;
    memset(id, 'a', sizeof(id));
    memset(bytes, 0xff, sizeof(bytes));
    struct record record = record_of(FLORIN_POSTING);
    record.request = 5;
    record.direction = FLORIN_CREDIT;
    record.id = id;
    record.id_length = sizeof(id);
    record.key = bytes;
    record.key_length = FLORIN_KEY_MAX;
    record.version = UINT64_MAX - FLORIN_LEGS_MAX;
    record.balance_minor = -INT64_MAX;
    record.amount_minor = INT64_MAX;
    record.leg_count = FLORIN_LEGS_MAX - 1;
    record.legs = legs;
    for (size_t i = 0; i < FLORIN_LEGS_MAX - 1; i++) {
        legs[i] = bob(FLORIN_CREDIT, INT64_MAX);
        legs[i].id = id;
        legs[i].id_length = sizeof(id);
        legs[i].version = UINT64_MAX - FLORIN_LEGS_MAX + 1 + i;
        legs[i].balance_minor = -INT64_MAX;
    }
    assert_true(write_json(&record, RECORD_LSN_MAX, true) > 10000);
    record = record_of(FLORIN_CHANGE_ACCOUNT);
    record.id = id;
    record.id_length = sizeof(id);
    record.amount_minor = 0;
    record.minimum_balance_minor = -INT64_MAX;
    memcpy(record.currency, "ABCDEFGH", 8);
    record.metadata = bytes;
    record.metadata_length = sizeof(bytes);
    assert_true(write_json(&record, RECORD_LSN_MAX, true) > 6000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deposit_and_withdrawal__have_one_leg),
        cmocka_unit_test(account__is_shown_as_it_is_afterwards),
        cmocka_unit_test(movements__show_every_leg_in_order),
        cmocka_unit_test(holds__name_the_hold_and_what_is_held),
        cmocka_unit_test(key__of_any_bytes_is_one_string),
        cmocka_unit_test(longest__records_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
