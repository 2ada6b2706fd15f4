/* Idempotency keys: nothing happens twice, and a retry gets the first answer again. */
#include "shard_support.h"

static void assert_same_answer(const struct shard_answer *first, const struct shard_answer *retry)
{
    struct florin_result expected = first->result;
    expected.replayed = true;
    assert_true(retry->result.replayed);
    assert_false(retry->staged);
    assert_int_equal(retry->wait_lsn, first->wait_lsn);
    assert_int_equal(retry->result.status, expected.status);
    assert_int_equal(retry->result.kind, expected.kind);
    assert_int_equal(retry->result.field, expected.field);
    assert_int_equal(retry->result.transaction_id, expected.transaction_id);
    assert_int_equal(retry->result.amount_minor, expected.amount_minor);
    assert_int_equal(retry->result.balance_minor, expected.balance_minor);
    assert_int_equal(retry->result.version, expected.version);
    assert_int_equal(retry->result.time_ns, expected.time_ns);
    assert_string_equal(retry->result.currency, expected.currency);
    assert_int_equal(retry->result.exponent, expected.exponent);
}

static void retry__gets_the_first_answer_whatever_it_was(void **state)
{
    struct ledger *ledger = *state;
    static const struct {
        enum florin_command_kind kind;
        int64_t amount_minor;
        uint64_t expected_version;
        bool by_precondition;
        enum florin_status status;
    } CASES[] = {
        {FLORIN_DEPOSIT, 5, 0, false, FLORIN_APPLIED},
        {FLORIN_WITHDRAW, 5, 1, false, FLORIN_APPLIED},
        {FLORIN_WITHDRAW, 5, 9, false, FLORIN_VERSION_MISMATCH},
        {FLORIN_WITHDRAW, 5, 9, true, FLORIN_PRECONDITION_FAILED},
        {FLORIN_WITHDRAW, 5000, 0, false, FLORIN_INSUFFICIENT_BALANCE},
        {FLORIN_DEPOSIT, INT64_MAX, 0, false, FLORIN_BALANCE_OVERFLOW},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char id[8];
        snprintf(id, sizeof(id), "a%zu", i);
        run_open(ledger, id, 1000);
        struct florin_command command = posting_make(
            CASES[i].kind, id, "key", CASES[i].amount_minor, CASES[i].expected_version);
        command.expected_by_precondition = CASES[i].by_precondition;
        struct shard_answer first = run(ledger, &command);
        assert_int_equal(first.result.status, CASES[i].status);
        assert_true(first.staged);
        assert_int_equal(first.result.version, CASES[i].status == FLORIN_APPLIED ? 2 : 1);

        /* The retry waits until the first is in the log, and is answered by what stands there. */
        struct shard_answer retry = run(ledger, &command);
        assert_int_equal(ledger->shard.stage.record_count, 0);
        first.wait_lsn = shard_final_lsn(first.wait_lsn, ledger->sealed_first_lsn);
        first.result.transaction_id =
            shard_final_lsn(first.result.transaction_id, ledger->sealed_first_lsn);
        assert_same_answer(&first, &retry);
        run_posting(ledger, FLORIN_DEPOSIT, id, NULL, 3, 0);
        retry = run(ledger, &command);
        assert_same_answer(&first, &retry);
        /* How the expectation was spelled is not part of the request. */
        command.expected_by_precondition = !command.expected_by_precondition;
        retry = run(ledger, &command);
        assert_same_answer(&first, &retry);
    }
}

static void reused_key__names_the_first_difference(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 1000);
    struct shard_answer first = run_posting(ledger, FLORIN_DEPOSIT, "alice", "k", 5, 1);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", NULL, 7, 0);
    seal(ledger);
    first.result.transaction_id =
        shard_final_lsn(first.result.transaction_id, ledger->sealed_first_lsn);
    static const struct {
        enum florin_command_kind kind;
        int64_t amount_minor;
        uint64_t expected_version;
        enum florin_field field;
    } CASES[] = {
        {FLORIN_WITHDRAW, 6, 0, FLORIN_FIELD_KIND},
        {FLORIN_DEPOSIT, 6, 0, FLORIN_FIELD_AMOUNT},
        {FLORIN_DEPOSIT, 5, 0, FLORIN_FIELD_EXPECTED_VERSION},
        {FLORIN_DEPOSIT, 5, 2, FLORIN_FIELD_EXPECTED_VERSION},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct shard_answer answer = run_posting(ledger, CASES[i].kind, "alice", "k",
                                                 CASES[i].amount_minor, CASES[i].expected_version);
        assert_int_equal(answer.result.status, FLORIN_KEY_REUSED);
        assert_int_equal(answer.result.field, CASES[i].field);
        assert_int_equal(answer.result.transaction_id, first.result.transaction_id);
        assert_int_equal(answer.result.balance_minor, 1012);
        assert_int_equal(answer.result.version, 3);
        assert_false(answer.result.replayed);
        assert_false(answer.staged);
        /* It shows the account as it is: not before the newest record is durable. */
        assert_int_equal(answer.wait_lsn, account_of(ledger, "alice")->last_lsn);
    }
}

static void keys__are_unique_per_account_not_per_ledger(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    run_open(ledger, "bob", 0);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", "k", 5, 0);
    struct shard_answer answer = run_posting(ledger, FLORIN_DEPOSIT, "bob", "k", 6, 0);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_false(answer.result.replayed);
}

static void refusal_without_key__is_not_written_down(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 10);
    uint64_t last_lsn = account_of(ledger, "alice")->last_lsn;
    struct shard_answer answer = run_posting(ledger, FLORIN_WITHDRAW, "alice", NULL, 11, 0);
    assert_int_equal(answer.result.status, FLORIN_INSUFFICIENT_BALANCE);
    assert_int_equal(answer.result.transaction_id, 0);
    assert_int_equal(answer.wait_lsn, last_lsn);
    assert_false(answer.staged);
    assert_int_equal(ledger->shard.stage.record_count, 1);
}

static void full_keys__a_posting_shows_accounts_as_they_are(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    run_open(ledger, "bob", 0);
    fill_keys(ledger, "alice");
    uint64_t version = account_of(ledger, "alice")->version;
    struct florin_command transfer = posting_make(FLORIN_TRANSFER, "alice", "new", 10, 0);
    transfer.to = "bob";
    transfer.to_length = 3;
    struct shard_answer answer = run(ledger, &transfer);
    assert_int_equal(answer.result.status, FLORIN_KEYS_FULL);
    assert_int_equal(answer.result.balance_minor, LEDGER_KEYS_MAX);
    assert_int_equal(answer.result.version, version);
    assert_int_equal(answer.result.transaction_id, 0);
    assert_int_equal(answer.result.time_ns, 0);
    assert_int_equal(ledger->shard.stage.record_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(full_keys__a_posting_shows_accounts_as_they_are,
                                        ledger_setup, ledger_teardown),
        ledger_test(retry__gets_the_first_answer_whatever_it_was),
        ledger_test(reused_key__names_the_first_difference),
        ledger_test(keys__are_unique_per_account_not_per_ledger),
        ledger_test(refusal_without_key__is_not_written_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
