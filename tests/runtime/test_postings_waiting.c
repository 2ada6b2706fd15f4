/* test_postings_waiting.c - what waits for a posting between workers, and what a posting waits for:
 * accounts, deadlines, the disk, the time of a hold.
 */
#include "postings_support.h"

/* --- accounts that are not free -------------------------------------------------------------- */

static void deadline__of_a_posting_that_waits_for_an_account(void **state)
{
    struct ledger_sim *sim = *state;
    struct texts texts;
    unsigned mine = account_of(sim, 0, 0);
    unsigned stopped = stop_line(sim, account_of(sim, 1, 0), "stop");
    uint64_t version = read_account(sim, mine).version;
    submit(sim, transfer(mine, stopped, "late", 7, &texts), 1);
    expect_nothing(sim);
    assert_int_equal(sim->workers[0]->coordinator.count, 1);
    /* the worker wakes up for it, with nothing else left to do */
    for (unsigned i = 0; i < 2; i++) {
        virtual_clock_advance((uint64_t)500 * MILLISECOND_NS);
        expect_nothing(sim);
    }
    assert_in_range(worker_wait_ms(sim->workers[0]), 3000, 4000);
    virtual_clock_advance((uint64_t)(TIMEOUT_MS + 1) * MILLISECOND_NS);
    struct florin_result result;
    assert_true(take_read(sim, &result));
    assert_int_equal(result.user_data, 1);
    assert_int_equal(result.status, FLORIN_NOT_COMMITTED);
    assert_int_equal(result.version, version);
    /* its accounts are free again when the line moves, and nothing has happened */
    sim->reader_rests = false;
    ledger_sim_settle(sim);
    check_free(sim);
    check_balances(sim);
    assert_int_equal(run_transfer(sim, mine, stopped, "late", 7).replayed, false);
    note_transfer(sim, mine, stopped, 7);
    check_balances(sim);
}

/* Two accounts of one worker that fall into one list of those in line. */
static void pair_of_one_crowd(struct ledger_sim *sim, unsigned *first, unsigned *second)
{
    ledger_sim_open_accounts(sim, 600, 0);
    for (unsigned i = 0; i < sim->book->account_count; i++) {
        for (unsigned j = 0; j < sim->book->account_count; j++) {
            uint64_t hash_i = hash_of(sim, i);
            uint64_t hash_j = hash_of(sim, j);
            if (hash_i < hash_j && hash_i % LOOKUPS_CROWD == hash_j % LOOKUPS_CROWD &&
                owner_of(sim, i) == 1 && owner_of(sim, j) == 1) {
                *first = i;
                *second = j;
                return;
            }
        }
    }
    fail();
}

/* A posting has the first of two accounts and wants the second, while somebody waits for the
 * first: it does not stand behind that one. */
static void claim__does_not_wait_for_who_waits_for_it(void **state)
{
    struct ledger_sim *sim = *state;
    struct texts texts;
    struct ledger_sim_texts deposit;
    unsigned first = 0;
    unsigned second = 0;
    pair_of_one_crowd(sim, &first, &second);
    (void)stop_line(sim, first, "stop");
    const unsigned accounts[] = {account_of(sim, 0, 0), first, second};
    submit(sim, posting(accounts, 3, 5, &texts), 1);
    expect_nothing(sim);
    submit(sim, ledger_sim_posting(FLORIN_DEPOSIT, first, NULL, 1, &deposit), 2);
    expect_nothing(sim);
    sim->reader_rests = false;
    struct florin_result result;
    unsigned seen = 0;
    while (take_read(sim, &result)) {
        assert_int_equal(result.status, FLORIN_APPLIED);
        seen += (unsigned)result.user_data;
    }
    assert_int_equal(seen, 3);
    check_free(sim);
    sim->book->balances[accounts[0]] -= 10;
    sim->book->balances[first] += 6;
    sim->book->balances[second] += 5;
    check_balances(sim);
}

/* The log fails in the very round in which a posting has all its accounts. */
static void log_failure__before_the_decision_shows_the_durable_version(void **state)
{
    struct ledger_sim *sim = *state;
    struct texts texts;
    struct ledger_sim_texts deposit;
    unsigned mine = account_of(sim, 0, 0);
    uint64_t version = read_account(sim, mine).version;
    sim_disk_hold_completions(sim->disk, true);
    submit(sim, ledger_sim_posting(FLORIN_DEPOSIT, mine, NULL, 1, &deposit), 1);
    expect_nothing(sim);
    submit(sim, transfer(mine, account_of(sim, 1, 0), NULL, 7, &texts), 2);
    worker_round(sim->workers[0]);
    worker_round(sim->workers[1]);
    assert_int_equal(coordinator_at(&sim->workers[0]->coordinator, 0)->state, COORDINATED_CLAIMING);
    sim_disk_fail(sim->disk, 1, EIO, true);
    sim_disk_hold_completions(sim->disk, false);
    worker_round(sim->workers[0]);
    assert_int_not_equal(log_failed(sim->ledger->log), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct florin_result result;
        assert_int_equal(worker_reap(sim->workers[0], &result, 1), 1);
        assert_int_equal(result.status,
                         result.user_data == 1 ? FLORIN_COMMIT_UNKNOWN : FLORIN_NOT_COMMITTED);
        assert_int_equal(result.version, version);
    }
    sim_disk_fail(sim->disk, 0, 0, false);
}

/* What is known of an account while a posting that pays into it is not durable: the version before,
 * whether the posting is of this worker alone, of this one and others, or of another one. */
static void version__of_the_other_account_is_the_durable_one(void **state)
{
    struct ledger_sim *sim = *state;
    static const struct {
        unsigned count;
        unsigned workers[3]; /* of the accounts; money goes into the second */
    } CASES[] = {{2, {0, 0}}, {2, {0, 1}},    {2, {1, 0}},
                 {2, {1, 1}}, {3, {0, 0, 1}}, {3, {1, 1, 0}}};
    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct texts texts;
        struct ledger_sim_texts deposit;
        unsigned accounts[3] = {0};
        for (unsigned j = 0; j < CASES[i].count; j++)
            accounts[j] = account_of(sim, CASES[i].workers[j], j);
        uint64_t version = read_account(sim, accounts[1]).version;
        sim_disk_hold_completions(sim->disk, true);
        submit(sim, posting(accounts, CASES[i].count, 5, &texts), 1);
        expect_nothing(sim);
        submit(sim, ledger_sim_posting(FLORIN_DEPOSIT, accounts[1], NULL, 1, &deposit), 2);
        expect_nothing(sim);
        virtual_clock_advance((uint64_t)(TIMEOUT_MS + 1) * MILLISECOND_NS);
        for (unsigned j = 0; j < 2; j++) {
            struct florin_result result;
            assert_true(ledger_sim_take(sim, &result));
            assert_int_equal(result.status, FLORIN_COMMIT_UNKNOWN);
            if (result.user_data == 2)
                assert_int_equal(result.version, version);
        }
        sim_disk_hold_completions(sim->disk, false);
        ledger_sim_settle(sim);
        assert_int_equal(read_account(sim, accounts[1]).version, version + 2);
    }
}

/* --- holds ----------------------------------------------------------------------------------- */

static void hold__ends_by_its_time_and_survives_a_restart_before(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned account = 0; account < 6; account++) {
        struct ledger_sim_texts texts;
        struct florin_command command =
            ledger_sim_posting(FLORIN_HOLD, account, "hold", 300, &texts);
        command.expires_in_ns = UINT64_C(1000) * MILLISECOND_NS;
        struct florin_result hold = ledger_sim_run(sim, &command);
        assert_int_equal(hold.status, FLORIN_APPLIED);
        assert_int_equal(read_account(sim, account).held_minor, 300);
        if (account % 2 == 0) {
            ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
            ledger_sim_open(sim, 1 + account % 3);
        }
        virtual_clock_advance(UINT64_C(900) * MILLISECOND_NS);
        ledger_sim_settle(sim);
        assert_int_equal(read_account(sim, account).held_minor, 300);
        virtual_clock_advance(UINT64_C(101) * MILLISECOND_NS);
        ledger_sim_settle(sim);
        assert_int_equal(read_account(sim, account).held_minor, 0);
        struct florin_command capture =
            ledger_sim_posting(FLORIN_CAPTURE, account, NULL, 0, &texts);
        capture.target_id = hold.transaction_id;
        assert_int_equal(ledger_sim_run(sim, &capture).status, FLORIN_HOLD_RESOLVED);
        check_balances(sim);
    }
}

/* Nobody waits for the records of ends by time, which are not durable for all that. */
static void hold__that_has_ended_does_not_raise_the_durable_version(void **state)
{
    struct ledger_sim *sim = *state;
    struct ledger_sim_texts texts;
    unsigned account = account_of(sim, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct florin_command hold = ledger_sim_posting(FLORIN_HOLD, account, NULL, 300, &texts);
        hold.expires_in_ns = MILLISECOND_NS;
        assert_int_equal(ledger_sim_run(sim, &hold).status, FLORIN_APPLIED);
    }
    uint64_t version = read_account(sim, account).version;
    assert_int_equal(read_account(sim, account).held_minor, 600);
    ledger_sim_settle(sim);
    sim_disk_hold_completions(sim->disk, true);
    virtual_clock_advance(UINT64_C(2) * MILLISECOND_NS);
    expect_nothing(sim);
    struct florin_result result;
    submit(sim, ledger_sim_posting(FLORIN_DEPOSIT, account, NULL, 1, &texts), 1);
    expect_nothing(sim);
    virtual_clock_advance((uint64_t)(TIMEOUT_MS + 1) * MILLISECOND_NS);
    assert_true(ledger_sim_take(sim, &result));
    assert_int_equal(result.status, FLORIN_COMMIT_UNKNOWN);
    assert_int_equal(result.version, version);
    sim_disk_hold_completions(sim->disk, false);
    ledger_sim_settle(sim);
    assert_int_equal(read_account(sim, account).version, version + 3);
}

/* There is no disk for its end: the worker tries again now and then, and not all the time. */
static void hold__that_cannot_end_does_not_keep_the_worker_busy(void **state)
{
    struct ledger_sim *sim = *state;
    struct ledger_sim_texts texts;
    unsigned account = account_of(sim, 0, 0);
    struct florin_command command = ledger_sim_posting(FLORIN_HOLD, account, NULL, 300, &texts);
    command.expires_in_ns = UINT64_C(1000) * MILLISECOND_NS;
    assert_int_equal(ledger_sim_run(sim, &command).status, FLORIN_APPLIED);
    ledger_sim_settle(sim);
    sim_disk_set_capacity(sim->disk, sim_disk_used(sim->disk));
    (void)log_step(sim->ledger->log);
    virtual_clock_advance(UINT64_C(2000) * MILLISECOND_NS);
    worker_round(sim->workers[0]);
    assert_true(worker_wait_ms(sim->workers[0]) > 0);
    sim_disk_set_capacity(sim->disk, 0);
    (void)log_step(sim->ledger->log);
    ledger_sim_settle(sim);
    assert_int_equal(read_account(sim, account).held_minor, 0);
}

static void capture__to_another_worker_takes_the_hold(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct texts texts;
        unsigned from = account_of(sim, worker, 1);
        unsigned to = account_of(sim, 1 - worker, 1);
        struct ledger_sim_texts named;
        struct florin_command hold = ledger_sim_posting(FLORIN_HOLD, from, "h", 400, &named);
        uint64_t id = ledger_sim_run(sim, &hold).transaction_id;
        struct florin_command capture = transfer(from, to, "c", 150, &texts);
        capture.kind = FLORIN_CAPTURE;
        capture.target_id = id;
        struct florin_result first = ledger_sim_run(sim, &capture);
        assert_int_equal(first.status, FLORIN_APPLIED);
        note_transfer(sim, from, to, 150);
        assert_true(ledger_sim_run(sim, &capture).replayed);
        capture.key = "d";
        assert_int_equal(ledger_sim_run(sim, &capture).status, FLORIN_HOLD_RESOLVED);
        assert_int_equal(read_account(sim, from).held_minor, 0);
        check_balances(sim);
        check_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        postings_test(deadline__of_a_posting_that_waits_for_an_account),
        postings_test(claim__does_not_wait_for_who_waits_for_it),
        postings_test(log_failure__before_the_decision_shows_the_durable_version),
        postings_test(version__of_the_other_account_is_the_durable_one),
        postings_test(hold__ends_by_its_time_and_survives_a_restart_before),
        postings_test(hold__that_has_ended_does_not_raise_the_durable_version),
        postings_test(hold__that_cannot_end_does_not_keep_the_worker_busy),
        postings_test(capture__to_another_worker_takes_the_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
