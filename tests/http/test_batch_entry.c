/* test_batch_entry.c - the binary form of a batch: golden bytes, and every byte that may be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "http/batch_entry.h"

static void make_entry(uint8_t entry[BATCH_ENTRY_BYTES])
{
    static const uint8_t head[32] = {
        2,    1,    5,    0,    2,    0,    0,    0,    /* a withdrawal that expects a version */
        0x15, 0xcd, 0x5b, 0x07, 0,    0,    0,    0,    /* 123456789 */
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* of that version */
        0,    0,    0,    0,    0,    0,    0,    0,
    };
    memset(entry, 0, BATCH_ENTRY_BYTES);
    memcpy(entry, head, sizeof(head));
    memcpy(entry + 32, "alicek1", 7);
}

static void entry__is_a_command(void **state)
{
    uint8_t entry[BATCH_ENTRY_BYTES];
    struct florin_command command;
    struct request_fault fault;
    (void)state;
    make_entry(entry);
    assert_true(batch_entry_check(entry, 0, &fault));
    batch_entry_command(entry, &command);
    assert_int_equal(command.kind, FLORIN_WITHDRAW);
    assert_int_equal(command.amount_minor, 123456789);
    assert_false(command.amount_is_decimal);
    assert_int_equal(command.expected_version, 0x0102030405060708);
    assert_false(command.expected_by_precondition);
    assert_int_equal(command.account_length, 5);
    assert_memory_equal(command.account, "alice", 5);
    assert_int_equal(command.key_length, 2);
    assert_memory_equal(command.key, "k1", 2);
}

static void entry__may_be_full_or_bare(void **state)
{
    uint8_t entry[BATCH_ENTRY_BYTES];
    struct florin_command command;
    struct request_fault fault;
    (void)state;
    memset(entry, 0, sizeof(entry));
    entry[0] = FLORIN_DEPOSIT;
    entry[2] = FLORIN_ACCOUNT_ID_MAX;
    entry[4] = BATCH_ENTRY_TEXT_BYTES - FLORIN_ACCOUNT_ID_MAX;
    memset(entry + 8, 0xff, 7);
    entry[15] = 0x7f;
    memset(entry + 32, 'a', BATCH_ENTRY_TEXT_BYTES);
    assert_true(batch_entry_check(entry, 0, &fault));
    batch_entry_command(entry, &command);
    assert_int_equal(command.amount_minor, INT64_MAX);
    assert_int_equal(command.key_length, 32);

    memset(entry, 0, sizeof(entry));
    entry[0] = FLORIN_DEPOSIT;
    entry[2] = 1;
    entry[8] = 1;
    entry[32] = 'a';
    assert_true(batch_entry_check(entry, 0, &fault));
    batch_entry_command(entry, &command);
    assert_int_equal(command.key_length, 0);
    assert_int_equal(command.expected_version, 0);
}

/* From alice to bob, who is to have a version, with a key. */
static void make_transfer(uint8_t entry[BATCH_ENTRY_BYTES])
{
    make_entry(entry);
    entry[0] = 5;
    entry[1] = 3;
    entry[3] = 3;
    entry[24] = 9;
    memcpy(entry + 32, "alicebobk1", 10);
}

static void transfer__is_a_command(void **state)
{
    uint8_t entry[BATCH_ENTRY_BYTES];
    struct florin_command command;
    struct request_fault fault;
    (void)state;
    make_transfer(entry);
    assert_true(batch_entry_check(entry, 0, &fault));
    batch_entry_command(entry, &command);
    assert_int_equal(command.kind, FLORIN_TRANSFER);
    assert_int_equal(command.account_length, 5);
    assert_memory_equal(command.account, "alice", 5);
    assert_int_equal(command.to_length, 3);
    assert_memory_equal(command.to, "bob", 3);
    assert_int_equal(command.key_length, 2);
    assert_memory_equal(command.key, "k1", 2);
    assert_int_equal(command.expected_version, 0x0102030405060708);
    assert_int_equal(command.expected_to_version, 9);
}

static void transfer__fields_are_checked(void **state)
{
    static const struct {
        unsigned offset;
        uint8_t byte;
        const char *field;
    } rows[] = {
        {0, 1, "flags"},               /* a deposit has no such bit */
        {1, 1, "expected_to_version"}, /* a version without its flag */
        {1, 7, "flags"},
        {3, 0, "counterparty"},
        {3, 65, "counterparty"},
        {3, 255, "key_length"},
        {24, 0, "expected_to_version"},
        {31, 1, NULL}, /* another version */
        {37, ' ', "counterparty"},
        {40, 0x1f, "key"},
        {42, 1, "text"},
    };
    uint8_t entry[BATCH_ENTRY_BYTES];
    struct request_fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make_transfer(entry);
        entry[rows[i].offset] = rows[i].byte;
        if (batch_entry_check(entry, 17, &fault) != (rows[i].field == NULL))
            fail_msg("byte %u = %u", rows[i].offset, rows[i].byte);
        if (rows[i].field != NULL)
            assert_string_equal(fault.field, rows[i].field);
    }
    /* to itself */
    make_transfer(entry);
    entry[3] = 5;
    memcpy(entry + 32, "alicealicek1", 12);
    assert_false(batch_entry_check(entry, 17, &fault));
    assert_string_equal(fault.field, "counterparty");
}

static void assert_refused(unsigned offset, uint8_t byte, const char *field)
{
    uint8_t entry[BATCH_ENTRY_BYTES];
    struct request_fault fault;
    char begin[64];
    make_entry(entry);
    entry[offset] = byte;
    if (batch_entry_check(entry, 17, &fault))
        fail_msg("byte %u = %u is taken", offset, byte);
    assert_string_equal(fault.field, field);
    snprintf(begin, sizeof(begin), "Entry 17: \"%s\" ", field);
    assert_memory_equal(fault.message, begin, strlen(begin));
}

static void entry__every_field_is_checked(void **state)
{
    static const struct {
        unsigned offset;
        uint8_t byte;
        const char *field;
    } rows[] = {
        {0, 0, "kind"},
        {0, 3, "kind"},
        {0, 16, "kind"},
        {0, 255, "kind"},
        {1, 0, "expected_version"}, /* a version without its flag */
        {1, 3, "flags"},
        {1, 0x81, "flags"},
        {2, 0, "account"},
        {2, 65, "account"},
        {2, 4, "text"},
        {2, 255, "key_length"},
        {3, 1, "counterparty_length"},
        {4, 1, "text"},
        {4, 0, "text"},
        {4, 92, "key_length"},
        {4, 8, "key"}, /* zeros are control characters */
        {15, 0x80, "amount"},
        {32, ' ', "account"},
        {36, 0xe4, "account"},
        {37, 0x1f, "key"},
        {38, 0x7f, "key"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_refused(rows[i].offset, rows[i].byte, rows[i].field);
    for (unsigned offset = 5; offset < 8; offset++)
        assert_refused(offset, 1, "reserved");
    for (unsigned offset = 24; offset < 32; offset++)
        assert_refused(offset, 1, "expected_to_version");
    for (unsigned offset = 39; offset < BATCH_ENTRY_BYTES; offset++)
        assert_refused(offset, 1, "text");
}

static void entry__amount_and_version_are_not_zero(void **state)
{
    uint8_t entry[BATCH_ENTRY_BYTES];
    struct request_fault fault;
    (void)state;
    make_entry(entry);
    memset(entry + 8, 0, 8);
    assert_false(batch_entry_check(entry, 0, &fault));
    assert_string_equal(fault.field, "amount");
    make_entry(entry);
    memset(entry + 16, 0, 8);
    assert_false(batch_entry_check(entry, 0, &fault));
    assert_string_equal(fault.field, "expected_version");
}

static void result__has_golden_bytes(void **state)
{
    static const uint8_t golden[BATCH_RESULT_BYTES] = {
        50,   0,    1,    1,    0xff, 0x1f, 0,    0,    /* refused before, leg 1, item 8191 */
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* transaction */
        0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* -2 */
        0x07, 0,    0,    0,    0,    0,    0,    0,    /* version */
        0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* time */
    };
    const struct florin_result result = {
        .status = FLORIN_INSUFFICIENT_BALANCE,
        .replayed = true,
        .leg = 1,
        .transaction_id = 0x0102030405060708,
        .balance_minor = -2,
        .version = 7,
        .time_ns = 0x1112131415161718,
    };
    uint8_t bytes[BATCH_RESULT_BYTES];
    (void)state;
    memset(bytes, 0xaa, sizeof(bytes));
    batch_entry_put_result(bytes, 8191, &result);
    assert_memory_equal(bytes, golden, sizeof(golden));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry__is_a_command),
        cmocka_unit_test(entry__may_be_full_or_bare),
        cmocka_unit_test(transfer__is_a_command),
        cmocka_unit_test(transfer__fields_are_checked),
        cmocka_unit_test(entry__every_field_is_checked),
        cmocka_unit_test(entry__amount_and_version_are_not_zero),
        cmocka_unit_test(result__has_golden_bytes),
    };
    return cmocka_run_group_tests_name("batch_entry", tests, NULL, NULL);
}
