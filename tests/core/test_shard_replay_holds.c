/* Replay of holds and of changes of accounts: what follows is applied, what does not is refused by
 * name and changes nothing, and what an image has already is skipped. */
#include "replay_support.h"

/* --- holds ------------------------------------------------------------------------------- */

/* 400 of a are held until 5000; the record 4. */
static struct record hold_record(void)
{
    struct record record = legs_record(NULL, 0);
    record.kind = FLORIN_HOLD;
    record.direction = 0;
    record.balance_minor = 1000;
    record.amount_minor = 400;
    record.held_minor = 400;
    record.detail = 5000;
    return record;
}

/* The record 5 ends the hold of record 4, with all of it. */
static struct record end_record(enum florin_command_kind kind)
{
    struct record record = hold_record();
    record.kind = (uint8_t)kind;
    record.version = 3;
    record.previous_lsn = 4;
    record.target_lsn = 4;
    record.held_minor = 0;
    record.detail = 0;
    record.key = "end";
    record.key_length = 3;
    if (kind == FLORIN_EXPIRE) {
        record.key_length = 0;
        record.request = 0;
    }
    if (kind == FLORIN_CAPTURE) {
        record.direction = FLORIN_DEBIT;
        record.balance_minor = 600;
    }
    return record;
}

static void hold__sets_money_aside(void **state)
{
    struct ledger *ledger = *state;
    struct record hold = hold_record();
    struct record withdrawal = {
        .kind = FLORIN_WITHDRAW,
        .exponent = 2,
        .time_ns = 100,
        .version = 3,
        .balance_minor = 399,
        .amount_minor = 601,
        .previous_lsn = 4,
        .id = "a",
        .id_length = 1,
    };
    open_all(ledger);
    hold.held_minor = 401;
    check_refused(ledger, &hold, 4, SHARD_REPLAY_HOLD_WRONG);
    hold.amount_minor = 1001;
    hold.held_minor = 1001;
    check_refused(ledger, &hold, 4, SHARD_REPLAY_BALANCE_WRONG);
    hold = hold_record();
    hold.balance_minor = 999;
    check_refused(ledger, &hold, 4, SHARD_REPLAY_BALANCE_WRONG);
    hold = hold_record();
    assert_int_equal(replay(ledger, &hold, 4), SHARD_REPLAY_APPLIED);
    check_account(ledger, "a", 1000, 2, 4, 400);
    uint32_t slot = hold_table_find(&ledger->shard.holds, 4);
    assert_int_not_equal(slot, HOLD_NONE);
    assert_int_equal(ledger->shard.holds.slots[slot].expires_ns, 5000);
    check_refused(ledger, &hold, 4, SHARD_REPLAY_OLDER);
    shard_audit(&ledger->shard);

    check_refused(ledger, &withdrawal, 5, SHARD_REPLAY_BALANCE_WRONG);
    withdrawal.amount_minor = 600;
    withdrawal.balance_minor = 400;
    assert_int_equal(replay(ledger, &withdrawal, 5), SHARD_REPLAY_APPLIED);
}

static void end_of_a_hold__sets_it_free(void **state)
{
    (void)state;
    static const enum florin_command_kind KINDS[] = {FLORIN_VOID, FLORIN_EXPIRE, FLORIN_CAPTURE};
    for (size_t i = 0; i < COUNT_OF(KINDS); i++) {
        struct ledger *ledger = ledger_create();
        struct record hold = hold_record();
        struct record end = end_record(KINDS[i]);
        open_all(ledger);
        assert_int_equal(replay(ledger, &hold, 4), SHARD_REPLAY_APPLIED);
        assert_int_equal(replay(ledger, &end, 5), SHARD_REPLAY_APPLIED);
        check_account(ledger, "a", KINDS[i] == FLORIN_CAPTURE ? 600 : 1000, 3, 5, 0);
        assert_int_equal(account_of(ledger, "a")->floor_minor, 0);
        assert_int_equal(ledger->shard.holds.count, 0);
        check_refused(ledger, &end, 5, SHARD_REPLAY_OLDER);
        end.previous_lsn = 5;
        end.version = 4;
        if (KINDS[i] == FLORIN_CAPTURE)
            end.balance_minor = 200;
        check_refused(ledger, &end, 6, SHARD_REPLAY_HOLD_WRONG); /* it is no more */
        ledger_destroy(ledger);
    }
}

/* A part is captured, the rest is free; the credited account is another. */
static void capture__takes_a_part_and_frees_the_rest(void **state)
{
    struct ledger *ledger = *state;
    struct record hold = hold_record();
    struct record capture = end_record(FLORIN_CAPTURE);
    const struct record_leg legs[] = {leg_make("b", FLORIN_CREDIT, 2, 1150, 150, 2)};
    capture.amount_minor = 150;
    capture.balance_minor = 850;
    capture.legs = legs;
    capture.leg_count = 1;
    open_all(ledger);
    assert_int_equal(replay(ledger, &hold, 4), SHARD_REPLAY_APPLIED);
    assert_int_equal(replay(ledger, &capture, 5), SHARD_REPLAY_APPLIED);
    check_account(ledger, "a", 850, 3, 5, 0);
    check_account(ledger, "b", 1150, 2, 5, 0);
    shard_audit(&ledger->shard);
}

static void ends__that_do_not_fit_the_hold_are_refused(void **state)
{
    struct ledger *ledger = *state;
    struct record hold = hold_record();
    open_all(ledger);
    assert_int_equal(replay(ledger, &hold, 4), SHARD_REPLAY_APPLIED);
    struct record end = end_record(FLORIN_VOID);
    end.amount_minor = 399;
    check_refused(ledger, &end, 5, SHARD_REPLAY_HOLD_WRONG);
    end = end_record(FLORIN_EXPIRE);
    end.amount_minor = 401;
    check_refused(ledger, &end, 5, SHARD_REPLAY_HOLD_WRONG);
    end = end_record(FLORIN_CAPTURE);
    end.amount_minor = 401;
    end.balance_minor = 599;
    check_refused(ledger, &end, 5, SHARD_REPLAY_HOLD_WRONG);
    end = end_record(FLORIN_VOID);
    end.target_lsn = 3;
    check_refused(ledger, &end, 5, SHARD_REPLAY_HOLD_WRONG);
    end = end_record(FLORIN_VOID);
    end.held_minor = 1;
    check_refused(ledger, &end, 5, SHARD_REPLAY_HOLD_WRONG);
    /* of another account, which holds as much */
    hold.id = "b";
    hold.previous_lsn = 2;
    assert_int_equal(replay(ledger, &hold, 5), SHARD_REPLAY_APPLIED);
    end = end_record(FLORIN_VOID);
    end.id = "b";
    end.previous_lsn = 5;
    check_refused(ledger, &end, 6, SHARD_REPLAY_HOLD_WRONG);
    end.target_lsn = 5;
    assert_int_equal(replay(ledger, &end, 6), SHARD_REPLAY_APPLIED);
}

/* As many as an image can have, and as the table can have. */
static void more_holds_than_fit__are_refused(void **state)
{
    struct ledger *ledger = *state;
    uint64_t lsn = ACCOUNTS;
    open_all(ledger);
    for (uint32_t i = 0; i <= FLORIN_ACCOUNT_HOLDS_MAX; i++) {
        struct record hold = hold_record();
        hold.id = "b"; /* may owe: 1100 are available */
        hold.previous_lsn = account_of(ledger, "b")->last_lsn;
        hold.version = account_of(ledger, "b")->version + 1;
        hold.amount_minor = 1;
        hold.held_minor = (int64_t)i + 1;
        hold.key_length = 0;
        assert_int_equal(replay(ledger, &hold, ++lsn), i < FLORIN_ACCOUNT_HOLDS_MAX
                                                           ? SHARD_REPLAY_APPLIED
                                                           : SHARD_REPLAY_HOLD_WRONG);
    }
    for (uint32_t i = 0; i <= LEDGER_HOLDS_MAX - FLORIN_ACCOUNT_HOLDS_MAX; i++) {
        struct record hold = hold_record();
        hold.previous_lsn = account_of(ledger, "a")->last_lsn;
        hold.version = account_of(ledger, "a")->version + 1;
        hold.amount_minor = 1;
        hold.held_minor = (int64_t)i + 1;
        hold.key_length = 0;
        assert_int_equal(replay(ledger, &hold, ++lsn),
                         i < LEDGER_HOLDS_MAX - FLORIN_ACCOUNT_HOLDS_MAX ? SHARD_REPLAY_APPLIED
                                                                         : SHARD_REPLAY_NO_ROOM);
    }
    shard_audit(&ledger->shard);
}

/* --- changes ----------------------------------------------------------------------------- */

static struct record change_record(const char *id, uint64_t previous_lsn)
{
    struct record record = open_record(id, 0);
    record.kind = FLORIN_CHANGE_ACCOUNT;
    record.version = 2;
    record.amount_minor = 0;
    record.previous_lsn = previous_lsn;
    return record;
}

static void change__sets_minimum_state_and_metadata(void **state)
{
    struct ledger *ledger = *state;
    struct record change = change_record("b", 2);
    open_all(ledger);
    change.minimum_balance_minor = -7;
    change.account_status = FLORIN_STATE_FROZEN;
    change.metadata = "{\"name\":\"longer than before\"}";
    change.metadata_length = 29;
    assert_int_equal(replay(ledger, &change, 4), SHARD_REPLAY_APPLIED);
    const struct account *account = account_of(ledger, "b");
    check_account(ledger, "b", 1000, 2, 4, 0);
    assert_int_equal(account->floor_minor, -7);
    assert_int_equal(account_status(account), FLORIN_STATE_FROZEN);
    assert_int_equal(account->metadata_length, 29);
    assert_memory_equal(account_table_metadata(&ledger->shard.accounts, account), change.metadata,
                        29);
    shard_audit(&ledger->shard);
}

static void changes__that_the_account_cannot_take_are_refused(void **state)
{
    struct ledger *ledger = *state;
    struct record hold = hold_record();
    struct record debit = {
        .kind = FLORIN_WITHDRAW,
        .exponent = 2,
        .time_ns = 100,
        .version = 2,
        .balance_minor = -50,
        .amount_minor = 1050,
        .previous_lsn = 2,
        .id = "b",
        .id_length = 1,
    };
    open_all(ledger);
    assert_int_equal(replay(ledger, &hold, 4), SHARD_REPLAY_APPLIED);
    assert_int_equal(replay(ledger, &debit, 5), SHARD_REPLAY_APPLIED);

    struct record change = change_record("c", 3);
    memcpy(change.currency, "EUR", 3);
    check_refused(ledger, &change, 6, SHARD_REPLAY_CURRENCY_WRONG);
    change = change_record("c", 3);
    change.exponent = 3;
    check_refused(ledger, &change, 6, SHARD_REPLAY_CURRENCY_WRONG);
    change = change_record("c", 3);
    change.balance_minor = 1001;
    check_refused(ledger, &change, 6, SHARD_REPLAY_BALANCE_WRONG);
    change = change_record("c", 3);
    change.account_status = FLORIN_STATE_CLOSED;
    check_refused(ledger, &change, 6, SHARD_REPLAY_CLOSED);
    change = change_record("b", 5); /* owes 50 */
    change.version = 3;
    change.balance_minor = -50;
    change.minimum_balance_minor = -49;
    check_refused(ledger, &change, 6, SHARD_REPLAY_BALANCE_WRONG);
    change.minimum_balance_minor = -50;
    assert_int_equal(replay(ledger, &change, 6), SHARD_REPLAY_APPLIED);
}

/* It can be closed when nothing is in it, and is never changed again. */
static void closed_account__takes_no_more(void **state)
{
    struct ledger *ledger = *state;
    struct record empty = legs_record(NULL, 0);
    const struct record_leg legs[] = {leg_make("b", FLORIN_CREDIT, 2, 2000, 1000, 2)};
    struct record change = change_record("a", 4);
    empty.legs = legs;
    empty.leg_count = 1;
    empty.amount_minor = 1000;
    empty.balance_minor = 0;
    change.version = 3;
    change.balance_minor = 0;
    change.account_status = FLORIN_STATE_CLOSED;
    open_all(ledger);
    assert_int_equal(replay(ledger, &empty, 4), SHARD_REPLAY_APPLIED);
    assert_int_equal(replay(ledger, &change, 5), SHARD_REPLAY_APPLIED);
    shard_audit(&ledger->shard);

    struct record deposit = {
        .kind = FLORIN_DEPOSIT,
        .as_admin = true,
        .exponent = 2,
        .time_ns = 100,
        .version = 4,
        .balance_minor = 1,
        .amount_minor = 1,
        .previous_lsn = 5,
        .id = "a",
        .id_length = 1,
        .key = "late",
        .key_length = 4,
    };
    check_refused(ledger, &deposit, 6, SHARD_REPLAY_CLOSED);
    deposit.status = FLORIN_ACCOUNT_CLOSED;
    deposit.version = 3;
    deposit.balance_minor = 0;
    assert_int_equal(replay(ledger, &deposit, 6), SHARD_REPLAY_APPLIED); /* that is refused */
}

/* --- images ------------------------------------------------------------------------------ */

/* Images of any moment, and the whole log behind them: the same state, holds and all. */
static void images__and_the_log_again_give_the_same_holds(void **state)
{
    struct ledger *ledger = *state;
    const struct record_leg legs[] = {leg_make("b", FLORIN_CREDIT, 2, 1150, 150, 2)};
    struct record records[] = {open_record("a", 0), open_record("b", -100), open_record("c", 0),
                               hold_record(),       hold_record(),          hold_record()};
    records[4].version = 3;
    records[4].previous_lsn = 4;
    records[4].held_minor = 800;
    records[4].key = "second";
    records[4].key_length = 6;
    records[5] = end_record(FLORIN_CAPTURE);
    records[5].version = 4;
    records[5].previous_lsn = 5;
    records[5].held_minor = 400;
    records[5].amount_minor = 150;
    records[5].balance_minor = 850;
    records[5].legs = legs;
    records[5].leg_count = 1;
    for (size_t i = 0; i < COUNT_OF(records); i++)
        assert_int_equal(replay(ledger, &records[i], i + 1), SHARD_REPLAY_APPLIED);

    for (size_t taken = 3; taken <= COUNT_OF(records); taken++) {
        struct ledger *then = ledger_create();
        struct ledger *again = ledger_create();
        static uint8_t bytes[3 * ACCOUNT_IMAGE_BYTES_MAX];
        struct shard_sums sums = {0};
        struct shard_sums loaded = {0};
        uint32_t cursor = 0;
        for (size_t i = 0; i < taken; i++)
            assert_int_equal(replay(then, &records[i], i + 1), SHARD_REPLAY_APPLIED);
        size_t length = shard_write_images(&then->shard, &cursor, ACCOUNTS, bytes, sizeof(bytes),
                                           ACCOUNTS, &sums);
        for (size_t at = 0; at < length;) {
            struct account_image image;
            size_t size = account_image_decode(bytes + at, length - at, &image);
            assert_int_not_equal(size, 0);
            uint64_t hash = hash_account(&again->secret, image.id, image.id_length);
            assert_int_equal(shard_load_image(&again->shard, &image, hash, &loaded),
                             SHARD_REPLAY_APPLIED);
            at += size;
        }
        assert_int_equal(loaded.digest, sums.digest);
        assert_int_equal(again->shard.holds.count, then->shard.holds.count);
        for (size_t i = 0; i < COUNT_OF(records); i++)
            assert_true(replay(again, &records[i], i + 1) <= SHARD_REPLAY_OLDER);
        assert_int_equal(shard_digest(&again->shard), shard_digest(&ledger->shard));
        shard_audit(&again->shard);
        ledger_destroy(again);
        ledger_destroy(then);
    }
}

/* An image whose holds are more than there is, or another's, is not loaded. */
static void image__whose_holds_do_not_fit_is_refused(void **state)
{
    struct ledger *ledger = *state;
    static const uint8_t HOLD[ACCOUNT_IMAGE_HOLD_BYTES] = {4, 0, 0, 0, 0, 0, 0, 0, 100};
    struct shard_sums sums = {0};
    struct account_image image = {
        .id = "x",
        .id_length = 1,
        .currency = {"USD", 2},
        .balance_minor = 99,
        .version = 2,
        .last_lsn = 4,
        .hold_count = 1,
        .holds = HOLD,
    };
    uint64_t hash = ledger_hash(ledger, "x");
    assert_int_equal(shard_load_image(&ledger->shard, &image, hash, &sums),
                     SHARD_REPLAY_BALANCE_WRONG);
    image.balance_minor = 100;
    assert_int_equal(shard_load_image(&ledger->shard, &image, hash, &sums), SHARD_REPLAY_APPLIED);
    assert_int_equal(account_of(ledger, "x")->floor_minor, 100);
    image.id = "y";
    assert_int_equal(shard_load_image(&ledger->shard, &image, ledger_hash(ledger, "y"), &sums),
                     SHARD_REPLAY_HOLD_WRONG);
    assert_int_equal(sums.accounts, 1);
    assert_int_equal(ledger->shard.accounts.count, 1);
    shard_audit(&ledger->shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(hold__sets_money_aside),
        ledger_test(end_of_a_hold__sets_it_free),
        ledger_test(capture__takes_a_part_and_frees_the_rest),
        ledger_test(ends__that_do_not_fit_the_hold_are_refused),
        ledger_test(more_holds_than_fit__are_refused),
        ledger_test(change__sets_minimum_state_and_metadata),
        ledger_test(changes__that_the_account_cannot_take_are_refused),
        ledger_test(closed_account__takes_no_more),
        ledger_test(images__and_the_log_again_give_the_same_holds),
        ledger_test(image__whose_holds_do_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
