/* Replay of records with legs: what follows is applied, what does not is refused by name and
 * changes nothing. */
#include "replay_support.h"

static void posting__changes_every_account_of_its_legs(void **state)
{
    struct ledger *ledger = *state;
    const struct record_leg legs[] = {leg_make("b", FLORIN_CREDIT, 2, 1200, 200, 2),
                                      leg_make("c", FLORIN_CREDIT, 2, 1100, 100, 3)};
    struct record record = legs_record(legs, 2);
    open_all(ledger);
    assert_int_equal(replay(ledger, &record, 4), SHARD_REPLAY_APPLIED);
    check_account(ledger, "a", 700, 2, 4, 0);
    check_account(ledger, "b", 1200, 2, 4, 0);
    check_account(ledger, "c", 1100, 2, 4, 0);
    assert_int_equal(ledger->shard.keys.count, 1);
    assert_int_equal(ledger->shard.last_time_ns, 99);
    shard_audit(&ledger->shard);
    check_refused(ledger, &record, 4, SHARD_REPLAY_OLDER);
}

/* Time of a leg's record counts in the shard of the leg, too. */
static void leg__moves_the_clock_of_its_own_shard(void **state)
{
    struct ledger *ledger = *state;
    const struct record_leg legs[] = {leg_make("b", FLORIN_CREDIT, 2, 1300, 300, 2)};
    struct record record = legs_record(legs, 1);
    struct stored stored;
    open_all(ledger);
    assert_int_equal(shard_replay_leg(&ledger->shard, store(&stored, &record), &legs[0],
                                      ledger_hash(ledger, "b"), 4),
                     SHARD_REPLAY_APPLIED);
    check_account(ledger, "a", 1000, 1, 1, 0);
    check_account(ledger, "b", 1300, 2, 4, 0);
    assert_int_equal(ledger->shard.last_time_ns, 99);
}

static void legs__on_one_account_follow_each_other(void **state)
{
    struct ledger *ledger = *state;
    struct record_leg legs[] = {
        leg_make("b", FLORIN_CREDIT, 2, 1500, 500, 2), leg_make("a", FLORIN_DEBIT, 3, 400, 300, 1),
        leg_make("b", FLORIN_DEBIT, 3, 1490, 10, 2), leg_make("a", FLORIN_CREDIT, 4, 510, 110, 1)};
    struct record record = legs_record(legs, COUNT_OF(legs));
    open_all(ledger);
    assert_int_equal(replay(ledger, &record, 4), SHARD_REPLAY_APPLIED);
    check_account(ledger, "a", 510, 4, 4, 0);
    check_account(ledger, "b", 1490, 3, 4, 0);
    check_refused(ledger, &record, 4, SHARD_REPLAY_OLDER);
}

/* What the earlier leg said of the record before holds for the later one. */
static void later_leg__has_the_position_before_of_the_first(void **state)
{
    struct ledger *ledger = *state;
    struct record_leg legs[] = {leg_make("b", FLORIN_CREDIT, 2, 1500, 500, 2),
                                leg_make("b", FLORIN_DEBIT, 3, 1490, 10, 4)};
    struct record record = legs_record(legs, COUNT_OF(legs));
    open_all(ledger);
    assert_int_equal(replay(ledger, &record, 4), SHARD_REPLAY_PREVIOUS_WRONG);
    check_account(ledger, "b", 1500, 2, 4, 0);
}

static void legs__that_do_not_follow_are_refused_by_name(void **state)
{
    struct ledger *ledger = *state;
    static const struct {
        const char *what;
        struct record_leg leg;
        enum shard_replay expected;
    } CASES[] = {
#define LEG(id_, direction_, version_, balance_, amount_, previous_, exponent_)                    \
    {.id = (id_),                                                                                  \
     .id_length = 1,                                                                               \
     .direction = (direction_),                                                                    \
     .exponent = (exponent_),                                                                      \
     .version = (version_),                                                                        \
     .balance_minor = (balance_),                                                                  \
     .amount_minor = (amount_),                                                                    \
     .previous_lsn = (previous_)}
        {"no such account", LEG("x", 1, 2, 1300, 300, 2, 2), SHARD_REPLAY_UNKNOWN_ACCOUNT},
        {"another record before", LEG("b", 1, 2, 1300, 300, 1, 2), SHARD_REPLAY_PREVIOUS_WRONG},
        {"a version too far", LEG("b", 1, 3, 1300, 300, 2, 2), SHARD_REPLAY_VERSION_GAP},
        {"the version before", LEG("b", 1, 1, 1300, 300, 2, 2), SHARD_REPLAY_VERSION_GAP},
        {"another exponent", LEG("b", 1, 2, 1300, 300, 2, 3), SHARD_REPLAY_CURRENCY_WRONG},
        {"a wrong sum", LEG("b", 1, 2, 1301, 300, 2, 2), SHARD_REPLAY_BALANCE_WRONG},
        {"the other direction", LEG("b", 2, 2, 1300, 300, 2, 2), SHARD_REPLAY_BALANCE_WRONG},
        {"too much", LEG("b", 1, 2, 1300, INT64_MAX, 2, 2), SHARD_REPLAY_BALANCE_WRONG},
        {"below the minimum", LEG("b", 2, 2, -101, 1101, 2, 2), SHARD_REPLAY_BALANCE_WRONG},
        {"down to the minimum", LEG("b", 2, 2, -100, 1100, 2, 2), SHARD_REPLAY_APPLIED},
#undef LEG
    };
    open_all(ledger);
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct stored stored;
        struct record record = legs_record(&CASES[i].leg, 1);
        uint64_t digest = shard_digest(&ledger->shard);
        uint64_t hash = ledger_hash(ledger, CASES[i].leg.id);
        print_message("%s\n", CASES[i].what);
        assert_int_equal(
            shard_replay_leg(&ledger->shard, store(&stored, &record), &CASES[i].leg, hash, 4),
            CASES[i].expected);
        assert_int_equal(shard_digest(&ledger->shard) == digest,
                         CASES[i].expected != SHARD_REPLAY_APPLIED);
    }
}

static void refusal__is_remembered_and_changes_no_version(void **state)
{
    struct ledger *ledger = *state;
    struct record record = legs_record(NULL, 0);
    open_all(ledger);
    record.status = FLORIN_INSUFFICIENT_BALANCE;
    record.direction = 0;
    record.version = 1;
    record.balance_minor = 1000;
    record.detail = 9;
    record.detail_minor = -5;
    record.refused_leg = 1;
    record.held_minor = 1;
    check_refused(ledger, &record, 4, SHARD_REPLAY_HOLD_WRONG);
    record.held_minor = 0;
    record.version = 2;
    check_refused(ledger, &record, 4, SHARD_REPLAY_VERSION_GAP);
    record.version = 1;
    assert_int_equal(replay(ledger, &record, 4), SHARD_REPLAY_APPLIED);
    check_account(ledger, "a", 1000, 1, 4, 0);
    assert_int_equal(ledger->shard.keys.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(posting__changes_every_account_of_its_legs),
        ledger_test(leg__moves_the_clock_of_its_own_shard),
        ledger_test(legs__on_one_account_follow_each_other),
        ledger_test(later_leg__has_the_position_before_of_the_first),
        ledger_test(legs__that_do_not_follow_are_refused_by_name),
        ledger_test(refusal__is_remembered_and_changes_no_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
