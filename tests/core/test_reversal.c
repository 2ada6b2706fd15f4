/* Reversals: a transaction undone, whole and in parts, never more than there was. */
#include "reversal_support.h"

enum { MOST = 1000000 };

/* --- what is undone -------------------------------------------------------------------------- */

static void deposit__is_taken_back_whole(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = move(ledger, FLORIN_DEPOSIT, "a", 300);
    struct florin_result result = reverse(ledger, "a", "r", target, 0);
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_int_equal(result.kind, FLORIN_REVERSE);
    assert_int_equal(result.amount_minor, 300);
    assert_int_equal(result.balance_minor, 1000);
    assert_int_equal(result.version, 3);
    struct record record = last_record(ledger);
    assert_int_equal(record.target_lsn, target);
    assert_int_equal(record.detail, 1);
    assert_int_equal(record.detail_minor, 300);
    assert_int_equal(record.direction, FLORIN_DEBIT);
    check_status(ledger, "a", NULL, target, 0, FLORIN_REVERSAL_EXCEEDED, FLORIN_FIELD_AMOUNT);
    check_status(ledger, "a", NULL, target, 1, FLORIN_REVERSAL_EXCEEDED, FLORIN_FIELD_AMOUNT);
    check_replay(ledger);
}

static void withdrawal__is_given_back_in_parts(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = move(ledger, FLORIN_WITHDRAW, "a", 300);
    assert_int_equal(reverse(ledger, "a", "r1", target, 100).balance_minor, 800);
    check_status(ledger, "a", NULL, target, 201, FLORIN_REVERSAL_EXCEEDED, FLORIN_FIELD_AMOUNT);
    assert_int_equal(reverse(ledger, "a", NULL, target, 150).balance_minor, 950);
    check_status(ledger, "a", NULL, target, 51, FLORIN_REVERSAL_EXCEEDED, FLORIN_FIELD_AMOUNT);
    struct florin_result rest = reverse(ledger, "a", "r3", target, 0);
    assert_int_equal(rest.amount_minor, 50);
    assert_int_equal(rest.balance_minor, 1000);
    struct record record = last_record(ledger);
    assert_int_equal(record.detail, 3);
    assert_int_equal(record.detail_minor, 300);
    check_replay(ledger);
}

static void transfer__goes_back_between_both_accounts(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = transfer(ledger, "a", "b", 333);
    assert_int_equal(reverse(ledger, "a", "r1", target, 111).status, FLORIN_APPLIED);
    assert_int_equal(balance(ledger, "a"), 778);
    assert_int_equal(balance(ledger, "b"), 1222);
    assert_int_equal(reverse(ledger, "a", "r2", target, 0).amount_minor, 222);
    assert_int_equal(balance(ledger, "a"), 1000);
    assert_int_equal(balance(ledger, "b"), 1000);
    check_status(ledger, "a", NULL, target, 0, FLORIN_REVERSAL_EXCEEDED, FLORIN_FIELD_AMOUNT);
    check_replay(ledger);
}

static void capture__goes_back_and_the_hold_stays_ended(void **state)
{
    struct ledger *ledger = *state;
    for (unsigned has_to = 0; has_to < 2; has_to++) {
        uint64_t hold = move(ledger, FLORIN_HOLD, "a", 400);
        struct florin_command capture = posting_make(FLORIN_CAPTURE, "a", NULL, 250, 0);
        capture.target_id = hold;
        capture.to = has_to ? "b" : NULL;
        capture.to_length = has_to;
        struct florin_result captured = run_sealed(ledger, &capture);
        assert_int_equal(captured.status, FLORIN_APPLIED);
        struct florin_result result = reverse(ledger, "a", NULL, captured.transaction_id, 0);
        assert_int_equal(result.amount_minor, 250);
        assert_int_equal(balance(ledger, "a"), 1000);
        assert_int_equal(balance(ledger, "b"), 1000);
        assert_int_equal(account_of(ledger, "a")->floor_minor, 0);
        check_status(ledger, "a", NULL, hold, 0, FLORIN_NOT_REVERSIBLE, FLORIN_FIELD_TARGET);
    }
    check_replay(ledger);
}

static void posting__gives_small_legs_nothing_in_small_parts(void **state)
{
    struct ledger *ledger = *state;
    const struct florin_leg legs[3] = {
        {.account = "a", .account_length = 1, .direction = FLORIN_DEBIT, .amount_minor = 100},
        {.account = "b", .account_length = 1, .direction = FLORIN_CREDIT, .amount_minor = 1},
        {.account = "c", .account_length = 1, .direction = FLORIN_CREDIT, .amount_minor = 99}};
    struct florin_command posting = posting_make(FLORIN_POSTING, "a", "p", 0, 0);
    posting.legs = legs;
    posting.leg_count = 3;
    uint64_t target = run_sealed(ledger, &posting).transaction_id;
    assert_int_equal(reverse(ledger, "a", "r1", target, 7).amount_minor, 7);
    assert_int_equal(balance(ledger, "a"), 907);
    assert_int_equal(balance(ledger, "b"), 1001);
    assert_int_equal(balance(ledger, "c"), 1092);
    assert_int_equal(reverse(ledger, "a", "r2", target, 0).amount_minor, 93);
    assert_int_equal(balance(ledger, "a"), 1000);
    assert_int_equal(balance(ledger, "b"), 1000);
    assert_int_equal(balance(ledger, "c"), 1000);
    check_replay(ledger);
}

/* --- refusals -------------------------------------------------------------------------------- */

static void target__is_a_transaction_of_the_account_that_can_be_undone(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = transfer(ledger, "a", "b", 10);
    uint64_t hold = move(ledger, FLORIN_HOLD, "a", 10);
    uint64_t undo = reverse(ledger, "a", NULL, target, 4).transaction_id;
    struct florin_command refused = posting_make(FLORIN_WITHDRAW, "a", "no", MOST, 0);
    struct florin_result refusal = run_sealed(ledger, &refused);
    assert_int_equal(refusal.status, FLORIN_INSUFFICIENT_BALANCE);
    const struct {
        const char *account;
        uint64_t target;
        enum florin_status status;
        enum florin_field field;
    } CASES[] = {
        {"a", undo, FLORIN_NOT_REVERSIBLE, FLORIN_FIELD_TARGET},
        {"a", hold, FLORIN_NOT_REVERSIBLE, FLORIN_FIELD_TARGET},
        {"a", 1, FLORIN_NOT_REVERSIBLE, FLORIN_FIELD_TARGET}, /* its opening */
        {"b", target, FLORIN_TRANSACTION_NOT_FOUND, FLORIN_FIELD_TARGET},
        {"a", refusal.transaction_id, FLORIN_TRANSACTION_NOT_FOUND, FLORIN_FIELD_TARGET},
        {"a", 0, FLORIN_TRANSACTION_NOT_FOUND, FLORIN_FIELD_TARGET},
        {"a", 999999, FLORIN_TRANSACTION_NOT_FOUND, FLORIN_FIELD_TARGET},
        {"a", UINT64_MAX, FLORIN_TRANSACTION_NOT_FOUND, FLORIN_FIELD_TARGET},
        {"nobody", target, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_ACCOUNT},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        check_status(ledger, CASES[i].account, NULL, CASES[i].target, 0, CASES[i].status,
                     CASES[i].field);
        check_status(ledger, CASES[i].account, NULL, CASES[i].target, 1, CASES[i].status,
                     CASES[i].field);
    }
    check_status(ledger, "a", NULL, target, -1, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT);
    /* retention has removed it */
    ledger->kept_from_lsn = target + 1;
    check_status(ledger, "a", NULL, target, 0, FLORIN_TRANSACTION_NOT_FOUND, FLORIN_FIELD_TARGET);
}

static void accounts__must_allow_it(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = transfer(ledger, "a", "b", 900);
    (void)move(ledger, FLORIN_WITHDRAW, "b", 1500);
    struct florin_result result = reverse(ledger, "a", NULL, target, 0);
    assert_int_equal(result.status, FLORIN_INSUFFICIENT_BALANCE);
    assert_int_equal(result.leg, 1);
    assert_int_equal(result.balance_minor, 400);
    assert_int_equal(balance(ledger, "a"), 100);

    struct florin_command change = posting_make(FLORIN_CHANGE_ACCOUNT, "b", NULL, 0, 0);
    change.changes = FLORIN_CHANGE_STATUS;
    change.account_status = FLORIN_STATE_FROZEN;
    (void)run_sealed(ledger, &change);
    check_status(ledger, "a", NULL, target, 1, FLORIN_ACCOUNT_FROZEN, FLORIN_FIELD_ACCOUNT);
    struct florin_command by_admin = reverse_make("a", NULL, target, 400);
    by_admin.as_admin = true;
    assert_int_equal(run_sealed(ledger, &by_admin).status, FLORIN_APPLIED);
    change.account_status = FLORIN_STATE_CLOSED;
    assert_int_equal(run_sealed(ledger, &change).status, FLORIN_APPLIED);
    by_admin.amount_minor = 1;
    assert_int_equal(run_sealed(ledger, &by_admin).status, FLORIN_ACCOUNT_CLOSED);
    check_replay(ledger);
}

static void conditions__are_of_the_first_account(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = transfer(ledger, "a", "b", 100);
    struct florin_command command = reverse_make("a", NULL, target, 0);
    command.expected_version = 1;
    assert_int_equal(run_sealed(ledger, &command).status, FLORIN_VERSION_MISMATCH);
    command.expected_version = 2;
    command.has_expected_balance = true;
    command.expected_balance_minor = 901;
    assert_int_equal(run_sealed(ledger, &command).status, FLORIN_BALANCE_CONDITION);
    command.expected_balance_minor = 9;
    command.amount_is_decimal = true; /* 9.00, which is there */
    assert_int_equal(run_sealed(ledger, &command).status, FLORIN_APPLIED);
}

static void decimals__are_those_of_the_first_currency(void **state)
{
    struct ledger *ledger = *state;
    open_with(ledger, "yen", 1000, "JPY");
    uint64_t dollars = move(ledger, FLORIN_DEPOSIT, "a", 250);
    uint64_t yen = move(ledger, FLORIN_DEPOSIT, "yen", 250);
    struct florin_command command = reverse_make("a", NULL, dollars, 15);
    command.amount_is_decimal = true;
    command.amount_scale = 1;
    struct florin_result result = run_sealed(ledger, &command);
    assert_int_equal(result.amount_minor, 150);
    command.amount_minor = 5;
    command.amount_scale = 3;
    assert_int_equal(run_sealed(ledger, &command).status, FLORIN_INVALID_AMOUNT);
    command = reverse_make("yen", NULL, yen, 15);
    command.amount_is_decimal = true;
    command.amount_scale = 1;
    assert_int_equal(run_sealed(ledger, &command).status, FLORIN_INVALID_AMOUNT);
    command.amount_scale = 0;
    assert_int_equal(run_sealed(ledger, &command).amount_minor, 15);
    assert_int_equal(reverse(ledger, "yen", NULL, yen, 0).amount_minor, 235);
}

static void dry_run__changes_nothing(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = transfer(ledger, "a", "b", 100);
    (void)reverse(ledger, "a", NULL, target, 30);
    uint64_t digest = shard_digest(&ledger->shard);
    struct florin_command command = reverse_make("a", "k", target, 0);
    command.dry_run = true;
    struct florin_result result = run_sealed(ledger, &command);
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_int_equal(result.amount_minor, 70);
    assert_int_equal(result.balance_minor, 1000);
    command.amount_minor = 71;
    assert_int_equal(run_sealed(ledger, &command).status, FLORIN_REVERSAL_EXCEEDED);
    assert_int_equal(shard_digest(&ledger->shard), digest);
}

static void no_room_for_both_keys__takes_neither(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = move(ledger, FLORIN_DEPOSIT, "a", 100);
    struct florin_command first = posting_make(FLORIN_DEPOSIT, "b", NULL, 1, 0);
    fill_keys(ledger, "b");
    make_key_file(ledger, ledger->next_lsn - 1);
    assert_int_equal(shard_forget_keys(&ledger->shard, 1), 1);
    uint64_t digest = shard_digest(&ledger->shard);
    check_status(ledger, "a", "r", target, 0, FLORIN_KEYS_FULL, FLORIN_FIELD_NONE);
    assert_int_equal(shard_digest(&ledger->shard), digest);
    assert_int_equal(shard_forget_keys(&ledger->shard, 1), 1);
    assert_int_equal(reverse(ledger, "a", "r", target, 0).status, FLORIN_APPLIED);
    assert_int_equal(run_sealed(ledger, &first).status, FLORIN_APPLIED);
    shard_audit(&ledger->shard);
}

/* --- keys ------------------------------------------------------------------------------------ */

/* The same answers again, and nothing more to undo. */
static void check_retries(struct ledger *ledger, uint64_t target, const struct florin_result *first,
                          const struct florin_result *refused)
{
    uint64_t digest = shard_digest(&ledger->shard);
    struct florin_result again = reverse(ledger, "a", "r1", target, 60);
    assert_int_equal(again.status, FLORIN_APPLIED);
    assert_true(again.replayed);
    assert_int_equal(again.transaction_id, first->transaction_id);
    assert_int_equal(again.amount_minor, 60);
    assert_int_equal(again.balance_minor, first->balance_minor);
    assert_int_equal(again.version, first->version);
    assert_int_equal(again.time_ns, first->time_ns);
    again = reverse(ledger, "a", "r2", target, 41);
    assert_int_equal(again.status, FLORIN_REVERSAL_EXCEEDED);
    assert_true(again.replayed);
    assert_int_equal(again.transaction_id, refused->transaction_id);
    assert_int_equal(again.field, FLORIN_FIELD_AMOUNT);
    assert_int_equal(reverse(ledger, "a", "r1", target, 59).status, FLORIN_KEY_REUSED);
    assert_int_equal(reverse(ledger, "a", "r1", target - 1, 60).status, FLORIN_KEY_REUSED);
    assert_int_equal(reverse(ledger, "a", NULL, target, 41).status, FLORIN_REVERSAL_EXCEEDED);
    assert_int_equal(shard_digest(&ledger->shard), digest);
}

static void retries__get_the_first_answer_from_memory_files_and_replay(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = transfer(ledger, "a", "b", 100);
    struct florin_result first = reverse(ledger, "a", "r1", target, 60);
    struct florin_result refused = reverse(ledger, "a", "r2", target, 41);
    assert_int_equal(refused.status, FLORIN_REVERSAL_EXCEEDED);
    assert_int_equal(last_record(ledger).amount_minor, 41); /* as asked */
    check_retries(ledger, target, &first, &refused);
    check_replay(ledger);

    make_key_file(ledger, ledger->next_lsn - 1);
    while (shard_forget_keys(&ledger->shard, 100) > 0)
        continue;
    assert_int_equal(ledger->shard.keys.count, 0);
    check_retries(ledger, target, &first, &refused);
    assert_int_equal(reverse(ledger, "a", "r3", target, 39).amount_minor, 39);
    struct florin_command all = reverse_make("a", "r4", target, 0);
    assert_int_equal(run_sealed(ledger, &all).amount_minor, 1);
    assert_int_equal(balance(ledger, "a"), 1000);
    assert_int_equal(run_sealed(ledger, &all).amount_minor, 1); /* replayed: not all of nothing */
}

/* Found before the group that it is in is sealed. */
static void reversal_in_the_stage__is_counted(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = transfer(ledger, "a", "b", 100);
    struct florin_command command = reverse_make("a", NULL, target, 60);
    assert_true(run(ledger, &command).staged);
    assert_int_equal(ledger->shard.stage.record_count, 1);
    assert_int_equal(run(ledger, &command).result.status, FLORIN_REVERSAL_EXCEEDED);
    command.amount_minor = 40;
    assert_true(run(ledger, &command).staged);
    seal(ledger);
    assert_int_equal(balance(ledger, "a"), 1000);
    check_replay(ledger);
}

/* A client's key and that of a reversal do not meet, whatever the client's looks like. */
static void key_of_a_reversal__is_no_clients(void **state)
{
    struct ledger *ledger = *state;
    char longest[FLORIN_KEY_MAX + 1];
    memset(longest, 0, sizeof(longest));
    struct hash128 own = key_of_reversal(&ledger->secret, "a", 1, 5, 1);
    struct hash128 others[] = {
        key_of_reversal(&ledger->secret, "a", 1, 5, 2),
        key_of_reversal(&ledger->secret, "a", 1, 6, 1),
        key_of_reversal(&ledger->secret, "b", 1, 5, 1),
        hash_key(&ledger->secret, "a", 1, longest, FLORIN_KEY_MAX),
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_true(others[i].high != own.high && others[i].low != own.low);
}

/* --- reading them ---------------------------------------------------------------------------- */

static void check_read(struct ledger *ledger, const char *account, uint64_t target, int64_t number,
                       enum florin_status status, uint64_t lsn, int64_t amount_minor)
{
    struct florin_command command = posting_make(FLORIN_READ_REVERSAL, account, NULL, number, 0);
    command.target_id = target;
    struct florin_result result = run_sealed(ledger, &command);
    assert_int_equal(result.status, status);
    if (status != FLORIN_APPLIED)
        return;
    assert_int_equal(result.transaction_id, lsn);
    assert_int_equal(result.amount_minor, amount_minor);
}

static void each_reversal__is_found_by_its_number(void **state)
{
    struct ledger *ledger = *state;
    uint64_t target = transfer(ledger, "a", "b", 100);
    uint64_t first = reverse(ledger, "a", NULL, target, 60).transaction_id;
    uint64_t second = reverse(ledger, "a", "k", target, 0).transaction_id;
    for (unsigned in_files = 0; in_files < 2; in_files++) {
        uint64_t digest = shard_digest(&ledger->shard);
        check_read(ledger, "a", target, 1, FLORIN_APPLIED, first, 60);
        check_read(ledger, "a", target, 2, FLORIN_APPLIED, second, 40);
        check_read(ledger, "a", target, 3, FLORIN_TRANSACTION_NOT_FOUND, 0, 0);
        check_read(ledger, "a", target, 0, FLORIN_INVALID_AMOUNT, 0, 0);
        check_read(ledger, "b", target, 1, FLORIN_TRANSACTION_NOT_FOUND, 0, 0);
        check_read(ledger, "nobody", target, 1, FLORIN_ACCOUNT_NOT_FOUND, 0, 0);
        check_read(ledger, "a", first, 1, FLORIN_TRANSACTION_NOT_FOUND, 0, 0);
        assert_int_equal(shard_digest(&ledger->shard), digest);
        make_key_file(ledger, ledger->next_lsn - 1);
        while (shard_forget_keys(&ledger->shard, 100) > 0)
            continue;
    }
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void legs_of_nothing__are_of_reversals_only(void **state)
{
    (void)state;
    uint8_t bytes[FLORIN_RECORD_MAX];
    struct record decoded;
    const struct record_leg leg = {.id = "b",
                                   .id_length = 1,
                                   .direction = FLORIN_CREDIT,
                                   .exponent = 2,
                                   .version = 2,
                                   .balance_minor = 5,
                                   .amount_minor = 1};
    struct record record = {.kind = FLORIN_REVERSE,
                            .exponent = 2,
                            .time_ns = 7,
                            .version = 2,
                            .balance_minor = 5,
                            .amount_minor = 5,
                            .id = "a",
                            .id_length = 1,
                            .request = 9,
                            .target_lsn = 3,
                            .detail = 1,
                            .detail_minor = 5,
                            .direction = FLORIN_DEBIT,
                            .legs = &leg,
                            .leg_count = 1};
    size_t size = record_encode(&record, bytes);
    size_t amount_at = size - 8 - (RECORD_LEG_BYTES + 8) + 24; /* before the record's own id */
    assert_int_equal(bytes[amount_at], 1);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    bytes[amount_at] = 0;
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    record.kind = FLORIN_POSTING;
    record.target_lsn = 0;
    record.detail = 0;
    record.detail_minor = 0;
    size = record_encode(&record, bytes);
    assert_int_equal(record_decode(bytes, size, &decoded), size);
    bytes[amount_at] = 0;
    assert_int_equal(record_decode(bytes, size, &decoded), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reversal_test(deposit__is_taken_back_whole),
        reversal_test(withdrawal__is_given_back_in_parts),
        reversal_test(transfer__goes_back_between_both_accounts),
        reversal_test(capture__goes_back_and_the_hold_stays_ended),
        reversal_test(posting__gives_small_legs_nothing_in_small_parts),
        reversal_test(target__is_a_transaction_of_the_account_that_can_be_undone),
        reversal_test(accounts__must_allow_it),
        reversal_test(conditions__are_of_the_first_account),
        reversal_test(decimals__are_those_of_the_first_currency),
        reversal_test(dry_run__changes_nothing),
        reversal_test(no_room_for_both_keys__takes_neither),
        reversal_test(retries__get_the_first_answer_from_memory_files_and_replay),
        reversal_test(reversal_in_the_stage__is_counted),
        reversal_test(key_of_a_reversal__is_no_clients),
        reversal_test(each_reversal__is_found_by_its_number),
        cmocka_unit_test(legs_of_nothing__are_of_reversals_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
