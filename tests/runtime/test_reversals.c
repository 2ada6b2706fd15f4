/* test_reversals.c - reversals between workers, on one thread and a simulated disk: what is left of
 * a transaction is known after restarts, from memory and from key files, and never given twice. */
#include "postings_support.h"

static struct florin_command reversal(unsigned account, const char *key, uint64_t target,
                                      int64_t amount, struct texts *texts)
{
    struct florin_command command =
        ledger_sim_posting(FLORIN_REVERSE, account, key, amount, &texts->from);
    command.target_id = target;
    return command;
}

static struct florin_result reverse(struct ledger_sim *sim, unsigned account, const char *key,
                                    uint64_t target, int64_t amount)
{
    struct texts texts;
    struct florin_command command = reversal(account, key, target, amount, &texts);
    return ledger_sim_run(sim, &command);
}

static void check_again(struct ledger_sim *sim, unsigned account, const char *key, uint64_t target,
                        const struct florin_result *first)
{
    struct florin_result again = reverse(sim, account, key, target, 40);
    assert_int_equal(again.status, FLORIN_APPLIED);
    assert_true(again.replayed);
    assert_int_equal(again.transaction_id, first->transaction_id);
    assert_int_equal(again.amount_minor, 40);
    assert_int_equal(again.balance_minor, first->balance_minor);
}

/* A crash, or the keys go to files, or both. */
static void shake(struct ledger_sim *sim, unsigned how, unsigned workers)
{
    uint64_t digest = ledger_sim_digest(sim);
    if (how & 1)
        ledger_sim_move_keys_to_files(sim);
    if (how & 2) {
        ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
        ledger_sim_open(sim, workers);
    }
    if (how == 2)
        assert_int_equal(ledger_sim_digest(sim), digest);
}

static void parts__are_known_after_crashes_and_in_files(void **state)
{
    struct ledger_sim *sim = *state;
    unsigned number = 0;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        for (unsigned how = 0; how < 4; how++) {
            for (unsigned from = 0; from < 6; from++) {
                unsigned to = from + 1 + number % 7;
                char key[16];
                snprintf(key, sizeof(key), "r%u", number++);
                uint64_t target = run_transfer(sim, from, to, NULL, 101).transaction_id;
                struct florin_result first = reverse(sim, from, key, target, 40);
                assert_int_equal(first.status, FLORIN_APPLIED);
                assert_int_equal(first.balance_minor, sim->book->balances[from] - 61);
                shake(sim, how, workers);
                check_again(sim, from, key, target, &first);
                assert_int_equal(reverse(sim, from, NULL, target, 62).status,
                                 FLORIN_REVERSAL_EXCEEDED);
                assert_int_equal(reverse(sim, from, NULL, target, 20).status, FLORIN_APPLIED);
                shake(sim, how, workers);
                struct florin_result rest = reverse(sim, from, NULL, target, 0);
                assert_int_equal(rest.status, FLORIN_APPLIED);
                assert_int_equal(rest.amount_minor, 41);
                shake(sim, how, workers);
                assert_int_equal(reverse(sim, from, NULL, target, 0).status,
                                 FLORIN_REVERSAL_EXCEEDED);
                check_again(sim, from, key, target, &first);
            }
            check_balances(sim);
            check_free(sim);
        }
    }
}

/* One record has two keys: a file of it alone has room for both. */
static void key_file_of_one_reversal__holds_both_keys(void **state)
{
    struct ledger_sim *sim = *state;
    uint64_t target = run_transfer(sim, 0, 1, NULL, 40).transaction_id;
    ledger_sim_move_keys_to_files(sim);
    struct florin_result first = reverse(sim, 0, "only", target, 40);
    ledger_sim_move_keys_to_files(sim);
    check_again(sim, 0, "only", target, &first);
    assert_int_equal(reverse(sim, 0, NULL, target, 1).status, FLORIN_REVERSAL_EXCEEDED);
}

/* Sent at once: each finds that nothing was reversed yet. */
static void reversals_at_once__never_take_more_than_is_left(void **state)
{
    struct ledger_sim *sim = *state;
    enum { AT_ONCE = 8, ROUNDS = 24 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned from = account_of(sim, round % 2, round / 8);
        unsigned to = account_of(sim, round / 2 % 2, 4 + round / 8);
        uint64_t target = run_transfer(sim, from, to, NULL, 100).transaction_id;
        struct texts texts[AT_ONCE];
        char keys[AT_ONCE][16];
        int64_t given = 0;
        unsigned applied = 0;
        if (round / 4 % 2 == 1)
            ledger_sim_move_keys_to_files(sim);
        for (unsigned i = 0; i < AT_ONCE; i++) {
            snprintf(keys[i], sizeof(keys[i]), "o%u-%u", round, i);
            submit(sim, reversal(from, keys[i], target, 30, &texts[i]), i);
        }
        for (unsigned i = 0; i < AT_ONCE; i++) {
            struct florin_result result;
            assert_true(ledger_sim_take(sim, &result));
            if (result.status == FLORIN_APPLIED) {
                applied++;
                given += result.amount_minor;
            } else {
                assert_int_equal(result.status, FLORIN_REVERSAL_EXCEEDED);
            }
        }
        assert_int_equal(applied, 3);
        assert_int_equal(given, 90);
        note_transfer(sim, from, to, 10);
        check_free(sim);
    }
    check_balances(sim);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
    ledger_sim_open(sim, 4);
    check_balances(sim);
}

/* The power fails while reversals are under way; all are sent again. */
static void crash__leaves_each_reversal_whole_or_undone(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned life = 0; life < 20; life++) {
        enum { PARTS = 5 };
        unsigned from = life % 12;
        unsigned to = 12 + life % 11;
        uint64_t target = run_transfer(sim, from, to, NULL, 100).transaction_id;
        struct texts texts;
        char key[24];
        for (unsigned i = 0; i < PARTS; i++) {
            snprintf(key, sizeof(key), "c%u-%u", life, i);
            submit(sim, reversal(from, key, target, 15, &texts), i);
            for (uint64_t n = ledger_sim_random(sim) % 4; n > 0; n--)
                ledger_sim_round(sim);
        }
        ledger_sim_crash(sim, LEDGER_SIM_KEEP_RANDOM);
        ledger_sim_open(sim, 1 + life % 4);
        for (unsigned i = 0; i < PARTS; i++) {
            snprintf(key, sizeof(key), "c%u-%u", life, i);
            assert_int_equal(reverse(sim, from, key, target, 15).status, FLORIN_APPLIED);
        }
        struct florin_result rest = reverse(sim, from, NULL, target, 0);
        assert_int_equal(rest.status, FLORIN_APPLIED);
        assert_int_equal(rest.amount_minor, 25);
        check_balances(sim);
        check_free(sim);
    }
}

static void transaction_that_retention_has_removed__is_not_found(void **state)
{
    struct ledger_sim *sim = *state;
    sim->options.retain_bytes = 1;
    ledger_sim_close(sim);
    ledger_sim_open(sim, 2);
    uint64_t target = run_transfer(sim, 0, 1, NULL, 100).transaction_id;
    struct florin_result first = reverse(sim, 0, "kept", target, 40);
    for (unsigned i = 0; i < 4; i++) {
        ledger_sim_deposit(sim, 1500);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_settle(sim);
        ledger_sim_retain(sim);
    }
    assert_true(log_first_segment(sim->ledger->log) > 1);
    check_again(sim, 0, "kept", target, &first);
    struct florin_result gone = reverse(sim, 0, "new", target, 0);
    assert_int_equal(gone.status, FLORIN_TRANSACTION_NOT_FOUND);
    assert_int_equal(gone.field, FLORIN_FIELD_TARGET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        postings_test(parts__are_known_after_crashes_and_in_files),
        postings_test(key_file_of_one_reversal__holds_both_keys),
        postings_test(reversals_at_once__never_take_more_than_is_left),
        postings_test(crash__leaves_each_reversal_whole_or_undone),
        postings_test(transaction_that_retention_has_removed__is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
