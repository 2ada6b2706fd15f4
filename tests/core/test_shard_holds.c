/* Holds: money is set aside, taken, or set free, once. */
#include "movement_support.h"

static void check_account(const struct ledger *ledger, const char *id, int64_t balance,
                          int64_t held)
{
    assert_int_equal(balance_of(ledger, id), balance);
    assert_int_equal(held_of(ledger, id), held);
    shard_audit(&ledger->shard);
}

static struct shard_answer end_hold(struct ledger *ledger, enum florin_command_kind kind,
                                    const char *id, uint64_t hold, int64_t amount)
{
    struct florin_command command = end_make(kind, id, NULL, hold, amount);
    return run(ledger, &command);
}

static enum florin_status withdraw(struct ledger *ledger, const char *id, int64_t amount)
{
    return run_posting(ledger, FLORIN_WITHDRAW, id, NULL, amount, 0).result.status;
}

static void hold__keeps_others_from_its_money(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 1000);
    struct shard_answer answer = run_posting(ledger, FLORIN_HOLD, "a", NULL, 700, 0);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 300);
    assert_int_equal(answer.result.version, 2);
    assert_int_equal(withdraw(ledger, "a", 301), FLORIN_INSUFFICIENT_BALANCE);
    answer = run_posting(ledger, FLORIN_HOLD, "a", NULL, 301, 0);
    assert_int_equal(answer.result.status, FLORIN_INSUFFICIENT_BALANCE);
    assert_int_equal(answer.result.field, FLORIN_FIELD_AMOUNT);
    assert_int_equal(withdraw(ledger, "a", 300), FLORIN_APPLIED);
    check_account(ledger, "a", 700, 700);
    answer = run_read(ledger, "a");
    assert_int_equal(answer.result.balance_minor, 700);
    assert_int_equal(answer.result.held_minor, 700);
}

static void capture__takes_all_a_part_or_pays_another(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 1000);
    run_open(ledger, "b", 0);
    struct shard_answer answer =
        end_hold(ledger, FLORIN_CAPTURE, "a", run_hold(ledger, "a", 100, 0), 0);
    assert_int_equal(answer.result.amount_minor, 100);
    check_account(ledger, "a", 900, 0);
    /* what it does not take is free again */
    answer = end_hold(ledger, FLORIN_CAPTURE, "a", run_hold(ledger, "a", 100, 0), 30);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    check_account(ledger, "a", 870, 0);
    /* all that there is, so that nothing but the hold itself can pay */
    struct florin_command command =
        end_make(FLORIN_CAPTURE, "a", NULL, run_hold(ledger, "a", 870, 0), 0);
    command.to = "b";
    command.to_length = 1;
    assert_int_equal(run(ledger, &command).result.status, FLORIN_APPLIED);
    check_account(ledger, "a", 0, 0);
    check_account(ledger, "b", 870, 0);
}

static void hold__ends_once(void **state)
{
    struct ledger *ledger = *state;
    static const enum florin_command_kind KINDS[] = {FLORIN_CAPTURE, FLORIN_VOID};
    run_open(ledger, "a", 1000);
    run_open(ledger, "b", 1000);
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < 2; j++) {
            uint64_t hold = run_hold(ledger, "a", 10, 0);
            /* another account's */
            assert_int_equal(end_hold(ledger, KINDS[i], "b", hold, 0).result.status,
                             FLORIN_HOLD_NOT_FOUND);
            assert_int_equal(end_hold(ledger, KINDS[i], "a", hold, 0).result.status,
                             FLORIN_APPLIED);
            struct shard_answer answer = end_hold(ledger, KINDS[j], "a", hold, 0);
            assert_int_equal(answer.result.status, FLORIN_HOLD_RESOLVED);
            assert_int_equal(answer.result.field, FLORIN_FIELD_TARGET);
        }
    }
    /* what was never a hold: the opening, nothing, what is still to come, what cannot be */
    static const uint64_t IDS[] = {0, 1, 1000, RECORD_LSN_MAX, SHARD_LSN_PROVISIONAL, UINT64_MAX};
    seal(ledger);
    for (size_t i = 0; i < COUNT_OF(IDS); i++) {
        for (size_t j = 0; j < 2; j++) {
            struct shard_answer answer = end_hold(ledger, KINDS[j], "a", IDS[i], 0);
            assert_int_equal(answer.result.status, FLORIN_HOLD_NOT_FOUND);
            assert_int_equal(answer.result.field, FLORIN_FIELD_TARGET);
            assert_int_equal(end_hold(ledger, KINDS[j], "nobody", IDS[i], 0).result.status,
                             FLORIN_HOLD_NOT_FOUND);
        }
    }
    check_account(ledger, "a", 980 - 0, 0);
}

static void hold__expires_when_its_time_is_over(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 1000);
    uint64_t first = run_hold(ledger, "a", 100, 1000);
    uint64_t second = run_hold(ledger, "a", 200, 5000);
    uint64_t never = run_hold(ledger, "a", 300, 0);
    uint64_t due = shard_next_expiry_ns(&ledger->shard);
    assert_int_equal(due, ledger->shard.holds.slots[0].expires_ns);
    assert_int_equal(shard_expire_holds(&ledger->shard, due - 1), 0);
    /* over, and its record is still to come: nobody may take it any more */
    ledger->now_ns = due;
    assert_int_equal(end_hold(ledger, FLORIN_CAPTURE, "a", first, 0).result.status,
                     FLORIN_HOLD_RESOLVED);
    assert_int_equal(end_hold(ledger, FLORIN_VOID, "a", first, 0).result.status,
                     FLORIN_HOLD_RESOLVED);
    check_account(ledger, "a", 1000, 600);
    /* there is no room for its record */
    ledger->shard.storage_is_full = true;
    assert_int_equal(shard_expire_holds(&ledger->shard, due), 0);
    ledger->shard.storage_is_full = false;
    assert_int_equal(shard_expire_holds(&ledger->shard, due), 1);
    seal(ledger);
    check_account(ledger, "a", 1000, 500);
    assert_int_equal(account_of(ledger, "a")->version, 5);
    assert_int_equal(shard_expire_holds(&ledger->shard, UINT64_MAX - 1), 1);
    seal(ledger);
    check_account(ledger, "a", 1000, 300);
    assert_int_equal(shard_next_expiry_ns(&ledger->shard), UINT64_MAX);
    assert_int_equal(end_hold(ledger, FLORIN_CAPTURE, "a", second, 0).result.status,
                     FLORIN_HOLD_RESOLVED);
    assert_int_equal(end_hold(ledger, FLORIN_CAPTURE, "a", never, 0).result.status, FLORIN_APPLIED);

    struct ledger *again = ledger_create();
    seal(ledger);
    replay_log(ledger, 1, &again, 1, false);
    assert_int_equal(shard_digest(&again->shard), shard_digest(&ledger->shard));
    ledger_destroy(again);
}

/* A time behind the end of all clocks is the end of all clocks, not the beginning. */
static void hold__of_a_very_long_time_does_not_expire_at_once(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 1000);
    struct florin_command command = posting_make(FLORIN_HOLD, "a", "k", 10, 0);
    command.expires_in_ns = UINT64_MAX;
    struct shard_answer answer = run(ledger, &command);
    assert_int_equal(answer.result.expires_ns, UINT64_MAX);
    seal(ledger);
    assert_int_equal(shard_expire_holds(&ledger->shard, ledger->now_ns + 1000000), 0);
    check_account(ledger, "a", 1000, 10);
    assert_int_equal(run(ledger, &command).result.expires_ns, UINT64_MAX);
}

/* An account that may be overdrawn as far as can be has more to set aside than can be counted. */
static void hold__of_more_than_can_be_counted_is_refused(void **state)
{
    struct ledger *ledger = *state;
    struct florin_command open = open_make("a", INT64_MAX);
    open.minimum_balance_minor = -INT64_MAX;
    assert_int_equal(run(ledger, &open).result.status, FLORIN_APPLIED);
    (void)run_hold(ledger, "a", INT64_MAX, 0);
    struct shard_answer answer = run_posting(ledger, FLORIN_HOLD, "a", "k", 1, 0);
    assert_int_equal(answer.result.status, FLORIN_BALANCE_OVERFLOW);
    assert_int_equal(answer.result.field, FLORIN_FIELD_AMOUNT);
    seal(ledger);
    assert_true(run_posting(ledger, FLORIN_HOLD, "a", "k", 1, 0).result.replayed);
    check_account(ledger, "a", INT64_MAX, INT64_MAX);
}

static void holds__of_an_account_have_a_number(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 1000000);
    for (unsigned i = 0; i < FLORIN_ACCOUNT_HOLDS_MAX; i++)
        (void)run_hold(ledger, "a", 1, 0);
    struct florin_command command = posting_make(FLORIN_HOLD, "a", NULL, 1, 0);
    check_refusal(ledger, &command, FLORIN_HOLDS_FULL, FLORIN_FIELD_NONE);
    assert_int_equal(end_hold(ledger, FLORIN_VOID, "a", ledger->next_lsn - 1, 0).result.status,
                     FLORIN_APPLIED);
    assert_int_equal(run(ledger, &command).result.status, FLORIN_APPLIED);
    check_account(ledger, "a", 1000000, FLORIN_ACCOUNT_HOLDS_MAX);
}

static void hold__of_a_frozen_account_is_for_admins(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "a", 1000);
    uint64_t hold = run_hold(ledger, "a", 10, 0);
    (void)run_status(ledger, "a", FLORIN_STATE_FROZEN);
    struct florin_command command = posting_make(FLORIN_HOLD, "a", NULL, 1, 0);
    check_refusal(ledger, &command, FLORIN_ACCOUNT_FROZEN, FLORIN_FIELD_ACCOUNT);
    command.as_admin = true;
    assert_int_equal(run(ledger, &command).result.status, FLORIN_APPLIED);
    command = end_make(FLORIN_CAPTURE, "a", NULL, hold, 0);
    check_refusal(ledger, &command, FLORIN_ACCOUNT_FROZEN, FLORIN_FIELD_ACCOUNT);
    command.as_admin = true;
    assert_int_equal(run(ledger, &command).result.status, FLORIN_APPLIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(hold__keeps_others_from_its_money),
        ledger_test(capture__takes_all_a_part_or_pays_another),
        ledger_test(hold__ends_once),
        ledger_test(hold__expires_when_its_time_is_over),
        ledger_test(hold__of_a_very_long_time_does_not_expire_at_once),
        ledger_test(hold__of_more_than_can_be_counted_is_refused),
        ledger_test(holds__of_an_account_have_a_number),
        ledger_test(hold__of_a_frozen_account_is_for_admins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
