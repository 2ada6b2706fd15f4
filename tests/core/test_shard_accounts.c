/* Accounts are changed: limits, frozen, closed, metadata. */
#include "movement_support.h"

static struct shard_answer run_minimum(struct ledger *ledger, const char *id, int64_t minimum)
{
    struct florin_command command = change_make(id, FLORIN_CHANGE_MINIMUM_BALANCE);
    command.minimum_balance_minor = minimum;
    return run(ledger, &command);
}

static void limit__moves_as_far_as_the_balance_allows(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 100);
    struct shard_answer answer = run_minimum(ledger, "a", -500);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.minimum_balance_minor, -500);
    assert_int_equal(answer.result.version, 2);
    assert_true(answer.staged);
    assert_int_equal(run_posting(ledger, FLORIN_WITHDRAW, "a", NULL, 601, 0).result.status,
                     FLORIN_INSUFFICIENT_BALANCE);
    (void)run_hold(ledger, "a", 100, 0);
    assert_int_equal(run_posting(ledger, FLORIN_WITHDRAW, "a", NULL, 300, 0).result.status,
                     FLORIN_APPLIED);
    /* -200, and 100 held */
    answer = run_minimum(ledger, "a", -299);
    assert_int_equal(answer.result.status, FLORIN_INSUFFICIENT_BALANCE);
    assert_int_equal(answer.result.field, FLORIN_FIELD_MINIMUM_BALANCE);
    assert_int_equal(answer.result.minimum_balance_minor, -500);
    assert_int_equal(run_minimum(ledger, "a", -300).result.status, FLORIN_APPLIED);
    shard_audit(&ledger->shard);
    struct florin_command command = change_make("a", FLORIN_CHANGE_MINIMUM_BALANCE);
    command.minimum_balance_minor = 1;
    check_refusal(ledger, &command, FLORIN_INVALID_BALANCE, FLORIN_FIELD_MINIMUM_BALANCE);
    command.minimum_balance_minor = INT64_MIN;
    check_refusal(ledger, &command, FLORIN_INVALID_BALANCE, FLORIN_FIELD_MINIMUM_BALANCE);
}

static void frozen__money_stays_but_for_admins(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 100);
    run_open(ledger, "b", 100);
    assert_int_equal(run_status(ledger, "a", FLORIN_STATE_FROZEN).result.account_status,
                     FLORIN_STATE_FROZEN);
    struct florin_command commands[] = {posting_make(FLORIN_DEPOSIT, "a", NULL, 1, 0),
                                        posting_make(FLORIN_WITHDRAW, "a", NULL, 1, 0),
                                        transfer_make("a", "b", NULL, 1),
                                        transfer_make("b", "a", NULL, 1)};
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        assert_int_equal(run(ledger, &commands[i]).result.status, FLORIN_ACCOUNT_FROZEN);
        commands[i].as_admin = true;
        assert_int_equal(run(ledger, &commands[i]).result.status, FLORIN_APPLIED);
    }
    assert_int_equal(run_read(ledger, "a").result.account_status, FLORIN_STATE_FROZEN);
    assert_int_equal(run_status(ledger, "a", FLORIN_STATE_OPEN).result.status, FLORIN_APPLIED);
    assert_int_equal(run_posting(ledger, FLORIN_DEPOSIT, "a", NULL, 1, 0).result.status,
                     FLORIN_APPLIED);
}

static void closed__is_empty_and_final(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 100);
    run_open(ledger, "b", 100);
    uint64_t hold = run_hold(ledger, "a", 100, 0);
    struct shard_answer answer = run_status(ledger, "a", FLORIN_STATE_CLOSED);
    assert_int_equal(answer.result.status, FLORIN_ACCOUNT_NOT_EMPTY);
    assert_int_equal(answer.result.field, FLORIN_FIELD_STATUS);
    struct florin_command capture = end_make(FLORIN_CAPTURE, "a", NULL, hold, 0);
    assert_int_equal(run(ledger, &capture).result.status, FLORIN_APPLIED);
    assert_int_equal(run_status(ledger, "a", FLORIN_STATE_CLOSED).result.status, FLORIN_APPLIED);
    seal(ledger);
    uint64_t digest = shard_digest(&ledger->shard);
    struct florin_command commands[] = {
        posting_make(FLORIN_DEPOSIT, "a", NULL, 1, 0), transfer_make("b", "a", NULL, 1),
        posting_make(FLORIN_HOLD, "a", NULL, 1, 0), change_make("a", FLORIN_CHANGE_STATUS),
        change_make("a", FLORIN_CHANGE_MINIMUM_BALANCE)};
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        commands[i].as_admin = true;
        assert_int_equal(run(ledger, &commands[i]).result.status, FLORIN_ACCOUNT_CLOSED);
    }
    assert_int_equal(run_open(ledger, "a", 5).result.status, FLORIN_ACCOUNT_EXISTS);
    assert_int_equal(shard_digest(&ledger->shard), digest);
    struct ledger *again = ledger_create();
    replay_log(ledger, 1, &again, 1, false);
    assert_int_equal(shard_digest(&again->shard), digest);
    ledger_destroy(again);
}

/* In place, longer, none, and as long as can be. */
static void metadata__is_replaced_as_a_whole(void **state)
{
    struct ledger *ledger = *state;
    static const size_t LENGTHS[] = {5, 3, 200, 0, FLORIN_METADATA_MAX, 1};
    char text[FLORIN_METADATA_MAX + 1];
    run_open(ledger, "a", 100);
    for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
        memset(text, 'a' + (int)i, sizeof(text));
        struct florin_command command = change_make("a", FLORIN_CHANGE_METADATA);
        command.metadata = text;
        command.metadata_length = LENGTHS[i];
        assert_int_equal(run(ledger, &command).result.status, FLORIN_APPLIED);
        struct shard_answer answer = run_read(ledger, "a");
        assert_int_equal(answer.result.metadata_length, LENGTHS[i]);
        if (LENGTHS[i] > 0)
            assert_memory_equal(answer.result.metadata, text, LENGTHS[i]);
    }
    struct florin_command command = change_make("a", FLORIN_CHANGE_METADATA);
    command.metadata = text;
    command.metadata_length = FLORIN_METADATA_MAX + 1;
    check_refusal(ledger, &command, FLORIN_INVALID_METADATA, FLORIN_FIELD_METADATA);
}

static void change__of_nothing_appends_nothing(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 100);
    seal(ledger);
    struct florin_command command = change_make("a", 7);
    struct shard_answer answer = run(ledger, &command);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_false(answer.staged);
    assert_int_equal(answer.result.version, 1);
    assert_int_equal(answer.result.transaction_id, 0);
    command.changes = 0;
    check_refusal(ledger, &command, FLORIN_INVALID_CHANGE, FLORIN_FIELD_NONE);
    command.changes = 8;
    check_refusal(ledger, &command, FLORIN_INVALID_CHANGE, FLORIN_FIELD_NONE);
    command = change_make("a", FLORIN_CHANGE_STATUS);
    command.account_status = 3;
    check_refusal(ledger, &command, FLORIN_INVALID_CHANGE, FLORIN_FIELD_STATUS);
    command = change_make("nobody", FLORIN_CHANGE_STATUS);
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE);
}

static void change__under_conditions(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 100);
    struct florin_command command = change_make("a", FLORIN_CHANGE_STATUS);
    command.account_status = FLORIN_STATE_FROZEN;
    command.expected_version = 2;
    check_refusal(ledger, &command, FLORIN_VERSION_MISMATCH, FLORIN_FIELD_NONE);
    command.expected_by_precondition = true;
    check_refusal(ledger, &command, FLORIN_PRECONDITION_FAILED, FLORIN_FIELD_NONE);
    command.expected_version = 1;
    assert_int_equal(run(ledger, &command).result.version, 2);
}

/* Of a bad account and a bad key the account is named. */
static void syntax__of_a_transfer_names_the_account_before_the_key(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 100);
    struct florin_command command = transfer_make("a", "no account", "k", 0);
    command.key_length = FLORIN_KEY_MAX + 1;
    check_refusal(ledger, &command, FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_TO);
    command.to_length = 2;
    check_refusal(ledger, &command, FLORIN_INVALID_KEY, FLORIN_FIELD_KEY);
    command.key_length = 1;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(limit__moves_as_far_as_the_balance_allows),
        ledger_test(frozen__money_stays_but_for_admins),
        ledger_test(closed__is_empty_and_final),
        ledger_test(metadata__is_replaced_as_a_whole),
        ledger_test(change__of_nothing_appends_nothing),
        ledger_test(change__under_conditions),
        ledger_test(syntax__of_a_transfer_names_the_account_before_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
