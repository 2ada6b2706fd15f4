/* test_message.c - commands and results survive the way between threads, too long ones stay wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/runtime/message.h"

static struct message_command round_trip(const struct florin_command *command, uint64_t *bytes)
{
    assert_true(message_command_bytes(command) <= MESSAGE_COMMAND_BYTES_MAX);
    message_put_command(bytes, command, 77, 88);
    struct message_command message;
    message_get_command(bytes, &message);
    assert_int_equal(message.account_hash, 77);
    assert_int_equal(message.submitted_ns, 88);
    return message;
}

static void message__carries_every_field_of_a_command(void **state)
{
    (void)state;
    uint64_t bytes[MESSAGE_COMMAND_BYTES_MAX / 8 + 1];
    struct florin_command command = {
        .user_data = UINT64_MAX,
        .kind = FLORIN_OPEN_ACCOUNT,
        .account = "alice",
        .account_length = 5,
        .key = "order-17",
        .key_length = 8,
        .amount_minor = INT64_MIN,
        .amount_is_decimal = true,
        .amount_scale = 18,
        .expected_version = UINT64_MAX - 1,
        .expected_by_precondition = true,
        .currency = "EUR",
        .currency_length = 3,
        .minimum_balance_minor = -5,
        .minimum_balance_scale = 17,
        .metadata = "{}",
        .metadata_length = 2,
    };
    struct florin_command back = round_trip(&command, bytes).command;
    assert_int_equal(back.user_data, command.user_data);
    assert_int_equal(back.kind, command.kind);
    assert_int_equal(back.account_length, 5);
    assert_memory_equal(back.account, "alice", 5);
    assert_int_equal(back.key_length, 8);
    assert_memory_equal(back.key, "order-17", 8);
    assert_true(back.amount_minor == INT64_MIN);
    assert_true(back.amount_is_decimal);
    assert_int_equal(back.amount_scale, 18);
    assert_int_equal(back.expected_version, command.expected_version);
    assert_true(back.expected_by_precondition);
    assert_int_equal(back.minimum_balance_scale, 17);
    assert_int_equal(back.currency_length, 3);
    assert_memory_equal(back.currency, "EUR", 3);
    assert_int_equal(back.minimum_balance_minor, -5);
    assert_int_equal(back.metadata_length, 2);
    assert_memory_equal(back.metadata, "{}", 2);
}

static void message__absent_strings_stay_absent(void **state)
{
    (void)state;
    uint64_t bytes[MESSAGE_COMMAND_BYTES_MAX / 8 + 1];
    struct florin_command command = {.kind = FLORIN_DEPOSIT, .account = "a", .account_length = 1};
    struct florin_command back = round_trip(&command, bytes).command;
    assert_int_equal(back.key_length, 0);
    assert_null(back.currency);
    assert_int_equal(back.metadata_length, 0);
    assert_false(back.amount_is_decimal);
    assert_false(back.expected_by_precondition);
}

/* What is longer than allowed arrives longer than allowed, so that the shard refuses it. */
static void message__too_long_strings_stay_too_long(void **state)
{
    (void)state;
    uint64_t bytes[MESSAGE_COMMAND_BYTES_MAX / 8 + 1];
    char *text = calloc(1, 70000);
    struct florin_command command = {
        .kind = (enum florin_command_kind)(256 + FLORIN_DEPOSIT),
        .account = text,
        .account_length = 65536 + 1,
        .key = text,
        .key_length = 65536 + 1,
        .currency = text,
        .currency_length = 256 + 3,
        .metadata = text,
        .metadata_length = 65536 + 1,
        .amount_scale = 255,
    };
    struct florin_command back = round_trip(&command, bytes).command;
    assert_int_equal(back.account_length, FLORIN_ACCOUNT_ID_MAX + 1);
    assert_int_equal(back.key_length, FLORIN_KEY_MAX + 1);
    assert_int_equal(back.currency_length, FLORIN_CURRENCY_MAX + 1);
    assert_int_equal(back.metadata_length, FLORIN_METADATA_MAX + 1);
    assert_true(back.amount_scale > 18);
    assert_int_not_equal(back.kind, FLORIN_DEPOSIT);
    free(text);
}

static void message__carries_a_result_with_metadata(void **state)
{
    (void)state;
    uint64_t bytes[MESSAGE_RESULT_BYTES_MAX / 8 + 1];
    char metadata[FLORIN_METADATA_MAX];
    memset(metadata, 'm', sizeof metadata);
    struct florin_result result = {
        .user_data = 3,
        .status = FLORIN_APPLIED,
        .kind = FLORIN_READ_ACCOUNT,
        .balance_minor = -7,
        .version = 9,
        .currency = "USD",
        .metadata = metadata,
        .metadata_length = sizeof metadata,
    };
    assert_true(message_result_bytes(&result) <= message_result_bytes_max(result.kind));
    message_put_result(bytes, &result);
    struct florin_result back;
    message_get_result(bytes, &back);
    assert_int_equal(back.user_data, 3);
    assert_int_equal(back.balance_minor, -7);
    assert_int_equal(back.version, 9);
    assert_string_equal(back.currency, "USD");
    assert_ptr_not_equal(back.metadata, metadata);
    assert_int_equal(back.metadata_length, sizeof metadata);
    assert_memory_equal(back.metadata, metadata, sizeof metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message__carries_every_field_of_a_command),
        cmocka_unit_test(message__absent_strings_stay_absent),
        cmocka_unit_test(message__too_long_strings_stay_too_long),
        cmocka_unit_test(message__carries_a_result_with_metadata),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
