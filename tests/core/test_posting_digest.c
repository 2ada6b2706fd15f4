/* What a posting asks for: told apart by its digest, and given back as a command. */
#include "posting_support.h"

static struct florin_command rich_transfer(void)
{
    struct florin_command command = transfer_make("alice", "bob", 49);
    command.user_data = 9;
    command.key = "key";
    command.key_length = 3;
    command.amount_is_decimal = true;
    command.amount_scale = 1;
    command.expected_version = 3;
    command.expected_to_version = 4;
    command.expected_by_precondition = true;
    command.has_expected_balance = true;
    command.expected_balance_minor = 5;
    command.expected_balance_scale = 1;
    command.as_admin = true;
    return command;
}

static void request__differs_by_everything_that_is_asked(void **state)
{
    (void)state;
    struct florin_leg legs[2] = {leg_make("a", FLORIN_DEBIT, 10), leg_make("b", FLORIN_CREDIT, 10)};
    struct florin_command variants[24];
    struct florin_leg other[8][2];
    size_t count = 0;
    for (size_t i = 0; i < 11; i++)
        variants[i] = rich_transfer();
    variants[1].amount_minor++;
    variants[2].amount_scale++;
    variants[3].expected_version++;
    variants[4].expected_to_version++;
    variants[5].expected_by_precondition = false;
    variants[6].has_expected_balance = false;
    variants[7].expected_balance_minor++;
    variants[8].as_admin = false;
    variants[9].to = "bod";
    variants[10].kind = FLORIN_CAPTURE;
    variants[11] = variants[10];
    variants[11].target_id = 7;
    variants[12] = variants[10];
    variants[12].to_length = 0;
    count = 13;
    for (size_t i = 0; i < 8; i++) {
        memcpy(other[i], legs, sizeof(legs));
        variants[count + i] = command_of_legs(FLORIN_POSTING, other[i], 2);
    }
    other[1][0].amount_minor++;
    other[2][1].direction = FLORIN_DEBIT;
    other[3][1].account = "c";
    other[4][1].expected_version = 1;
    other[5][0].has_expected_balance = true;
    other[6][0] = legs[1];
    other[6][1] = legs[0];
    variants[count + 7].kind = FLORIN_BATCH;
    count += 8;
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(posting_request(&variants[i]), 0);
        for (size_t j = 0; j < count; j++) {
            bool same = posting_request(&variants[i]) == posting_request(&variants[j]);
            assert_int_equal(same, i == j);
        }
    }
}

/* Holds and voids have no receiver: what stands there was never looked at. */
static void request__of_a_hold_does_not_read_a_receiver(void **state)
{
    (void)state;
    struct florin_command command = rich_transfer();
    command.kind = FLORIN_HOLD;
    uint64_t digest = posting_request(&command);
    command.to = NULL;
    command.to_length = 4096;
    assert_int_equal(posting_request(&command), digest);
    command.expires_in_ns = 1;
    assert_int_not_equal(posting_request(&command), digest);
    command.kind = FLORIN_VOID;
    command.target_id = 1;
    digest = posting_request(&command);
    command.target_id = 2;
    assert_int_not_equal(posting_request(&command), digest);
}

static void check_back(const struct florin_command *command)
{
    struct posting *posting = posting_make(command);
    struct florin_leg legs[FLORIN_LEGS_MAX];
    struct florin_command back;
    enum florin_field field;
    uint8_t leg;
    posting_command(posting, legs, &back);
    assert_int_equal(posting_check(&back, &field, &leg), FLORIN_APPLIED);
    assert_int_equal(posting_request(&back), posting_request(command));
    assert_int_equal(back.user_data, command->user_data);
    assert_int_equal(back.dry_run, command->dry_run);
    assert_int_equal(back.key_length, command->key_length);
    if (command->key_length > 0)
        assert_memory_equal(back.key, command->key, command->key_length);
    assert_int_equal(back.account_length, command->account_length);
    assert_memory_equal(back.account, command->account, command->account_length);
}

static void command__comes_back_from_a_posting(void **state)
{
    (void)state;
    struct florin_command command = rich_transfer();
    check_back(&command);
    /* what its kind does not read is no part of it */
    command.target_id = 12;
    command.expires_in_ns = 13;
    command.dry_run = true;
    check_back(&command);
    command.kind = FLORIN_CAPTURE;
    check_back(&command);
    command.to_length = 0;
    command.expected_to_version = 0;
    check_back(&command);
    struct florin_leg legs[4] = {leg_make("a", FLORIN_DEBIT, 900),
                                 leg_make("b", FLORIN_CREDIT, 900),
                                 leg_make("a", FLORIN_CREDIT, 50), leg_make("b", FLORIN_DEBIT, 50)};
    legs[2].has_expected_balance = true;
    legs[2].expected_balance_minor = -3;
    legs[3].expected_version = 8;
    command = command_of_legs(FLORIN_POSTING, legs, 4);
    check_back(&command);
    command.kind = FLORIN_BATCH;
    check_back(&command);
}

int main(void)
{
    hash_secret_init(&secret, "a directory's seed", 18);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request__differs_by_everything_that_is_asked),
        cmocka_unit_test(request__of_a_hold_does_not_read_a_receiver),
        cmocka_unit_test(command__comes_back_from_a_posting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
