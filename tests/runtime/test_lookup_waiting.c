/* test_lookup_waiting.c - commands while a look-up is under way: who waits, for how long, and what
 * they get.
 *
 * One thread; the reader moves only when the test lets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/runtime/reader.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"

enum {
    ACCOUNTS = 20,
    TIMEOUT_MS = 1000,
    MILLISECOND_NS = 1000000,
    ROUNDS = 50, /* as many as a result would need, and more */
};

static int setup_workers(void **state, unsigned workers)
{
    struct ledger_sim *sim = ledger_sim_create();
    sim->options.commit_timeout_ms = TIMEOUT_MS;
    ledger_sim_open(sim, workers);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    ledger_sim_deposit(sim, 100);
    *state = sim;
    return 0;
}

static int setup(void **state)
{
    return setup_workers(state, 2);
}

static int setup_alone(void **state)
{
    return setup_workers(state, 1);
}

static void pass_time(uint64_t milliseconds)
{
    virtual_clock_advance(milliseconds * MILLISECOND_NS);
}

static void submit(struct ledger_sim *sim, enum florin_command_kind kind, unsigned account,
                   const char *key, uint64_t user_data)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_posting(kind, account, key, 1, &texts);
    command.user_data = user_data;
    assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
}

static void submit_retry(struct ledger_sim *sim, unsigned number, uint64_t user_data)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_retry(sim, number, &texts);
    command.user_data = user_data;
    assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
}

static void expect_nothing(struct ledger_sim *sim)
{
    struct florin_result result;
    assert_false(ledger_sim_take(sim, &result));
}

static unsigned waiting(const struct ledger_sim *sim)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sim->worker_count; i++)
        count += sim->workers[i]->lookups.count;
    return count;
}

/* Another account than that of the deposit, which does not have to wait for it by chance. */
static unsigned stranger_to(const struct ledger_sim *sim, unsigned number)
{
    return (sim->book->deposits[number].account + 1) % ACCOUNTS;
}

/* --- the same key, again, at once ------------------------------------------------------------- */

static void same_key__in_the_same_stage_waits_for_its_record(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned account = 0; account < 4; account++) { /* of this worker, and of the other */
        submit(sim, FLORIN_DEPOSIT, account, "twice", 1);
        submit(sim, FLORIN_DEPOSIT, account, "twice", 2);
        submit(sim, FLORIN_DEPOSIT, account, "twice", 3);
        struct florin_result first = ledger_sim_expect(sim, 1, FLORIN_APPLIED);
        assert_false(first.replayed);
        for (uint64_t i = 2; i <= 3; i++) {
            struct florin_result again = ledger_sim_expect(sim, i, FLORIN_APPLIED);
            assert_true(again.replayed);
            assert_int_equal(again.transaction_id, first.transaction_id);
            assert_int_equal(again.balance_minor, first.balance_minor);
            assert_int_equal(again.version, first.version);
        }
    }
}

static void same_key__while_its_record_is_in_flight_waits_for_it(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned account = 0; account < 4; account++) {
        sim_disk_hold_completions(sim->disk, true);
        submit(sim, FLORIN_DEPOSIT, account, "twice", 1);
        ledger_sim_round(sim);
        ledger_sim_round(sim);
        submit(sim, FLORIN_DEPOSIT, account, "twice", 2);
        expect_nothing(sim);
        assert_int_equal(waiting(sim), 1);
        sim_disk_hold_completions(sim->disk, false);
        struct florin_result first = ledger_sim_expect(sim, 1, FLORIN_APPLIED);
        struct florin_result again = ledger_sim_expect(sim, 2, FLORIN_APPLIED);
        assert_true(again.replayed);
        assert_int_equal(again.transaction_id, first.transaction_id);
    }
}

/* --- who waits ------------------------------------------------------------------------------- */

static void commands_on_the_account__wait_behind_a_look_up_in_their_order(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned number = 0; number < 8; number++) {
        unsigned account = sim->book->deposits[number].account;
        int64_t balance = sim->book->balances[account];
        sim->reader_rests = true;
        submit_retry(sim, number, 1);
        submit(sim, FLORIN_READ_ACCOUNT, account, NULL, 2);
        submit(sim, FLORIN_DEPOSIT, account, NULL, 3);
        submit(sim, FLORIN_READ_ACCOUNT, account, NULL, 4);
        submit(sim, FLORIN_WITHDRAW, account, NULL, 5);
        expect_nothing(sim);
        assert_int_equal(waiting(sim), 5);
        submit(sim, FLORIN_READ_ACCOUNT, stranger_to(sim, number), NULL, 9);
        (void)ledger_sim_expect(sim, 9, FLORIN_APPLIED);
        submit(sim, FLORIN_DEPOSIT, stranger_to(sim, number), NULL, 10);
        (void)ledger_sim_expect(sim, 10, FLORIN_APPLIED);
        sim->book->balances[stranger_to(sim, number)] += 1;
        expect_nothing(sim);
        sim->reader_rests = false;
        struct florin_result again = ledger_sim_expect(sim, 1, FLORIN_APPLIED);
        assert_true(again.replayed);
        assert_int_equal(ledger_sim_expect(sim, 2, FLORIN_APPLIED).balance_minor, balance);
        assert_int_equal(ledger_sim_expect(sim, 3, FLORIN_APPLIED).balance_minor, balance + 1);
        assert_int_equal(ledger_sim_expect(sim, 4, FLORIN_APPLIED).balance_minor, balance + 1);
        assert_int_equal(ledger_sim_expect(sim, 5, FLORIN_APPLIED).balance_minor, balance);
        assert_int_equal(waiting(sim), 0);
    }
}

static void look_ups_of_many_accounts__all_end(void **state)
{
    struct ledger_sim *sim = *state;
    bool answered[100] = {false};
    sim->reader_rests = true;
    for (unsigned number = 0; number < 100; number++)
        submit_retry(sim, number, number);
    expect_nothing(sim);
    assert_int_equal(waiting(sim), 100);
    sim->reader_rests = false;
    for (unsigned i = 0; i < 100; i++) {
        struct florin_result result;
        assert_true(ledger_sim_take(sim, &result));
        assert_true(result.replayed);
        assert_int_equal(result.transaction_id, sim->book->deposits[result.user_data].lsn);
        assert_false(answered[result.user_data]);
        answered[result.user_data] = true;
    }
    assert_int_equal(waiting(sim), 0);
}

static void full_pool__refuses_and_goes_on_when_there_is_room(void **state)
{
    struct ledger_sim *sim = *state; /* one worker */
    sim->reader_rests = true;
    for (unsigned i = 0; i < LOOKUPS_MAX; i++)
        submit_retry(sim, i % 100, i);
    expect_nothing(sim);
    assert_int_equal(waiting(sim), LOOKUPS_MAX);
    submit_retry(sim, 7, 5000);
    (void)ledger_sim_expect(sim, 5000, FLORIN_QUEUE_FULL);
    /* not even a read finds a place behind its account's look-up */
    submit(sim, FLORIN_READ_ACCOUNT, sim->book->deposits[0].account, NULL, 5001);
    (void)ledger_sim_expect(sim, 5001, FLORIN_QUEUE_FULL);
    sim->reader_rests = false;
    for (unsigned i = 0; i < LOOKUPS_MAX; i++) {
        struct florin_result result;
        assert_true(ledger_sim_take(sim, &result));
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_true(result.replayed);
    }
    ledger_sim_check(sim, 1);
}

/* --- deadlines ------------------------------------------------------------------------------- */

static void deadline__while_the_disk_is_slow_answers_unknown_with_the_durable_version(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned account = 0; account < 4; account++) {
        uint64_t user_data = 0;
        submit(sim, FLORIN_READ_ACCOUNT, account, NULL, user_data);
        uint64_t version = ledger_sim_expect(sim, user_data, FLORIN_APPLIED).version;
        sim_disk_hold_completions(sim->disk, true);
        submit(sim, FLORIN_DEPOSIT, account, "slow", 1);
        submit(sim, FLORIN_DEPOSIT, account, "slow", 2);
        submit(sim, FLORIN_DEPOSIT, account, NULL, 3);
        expect_nothing(sim);
        pass_time(TIMEOUT_MS + 1);
        bool seen[4] = {false};
        for (unsigned i = 0; i < 3; i++) {
            struct florin_result result;
            assert_true(ledger_sim_take(sim, &result));
            /* the third was behind the second, and was never begun */
            assert_int_equal(result.status,
                             result.user_data == 3 ? FLORIN_NOT_COMMITTED : FLORIN_COMMIT_UNKNOWN);
            assert_int_equal(result.version, version);
            assert_false(result.replayed);
            assert_false(seen[result.user_data]);
            seen[result.user_data] = true;
        }
        sim_disk_hold_completions(sim->disk, false);
        expect_nothing(sim);
        submit(sim, FLORIN_DEPOSIT, account, "slow", 4);
        struct florin_result truth = ledger_sim_expect(sim, 4, FLORIN_APPLIED);
        assert_true(truth.replayed);
        assert_int_equal(truth.version, version + 1);
    }
}

static void deadline__while_the_reader_is_slow_is_kept(void **state)
{
    struct ledger_sim *sim = *state;
    unsigned account = sim->book->deposits[0].account;
    int64_t balance = sim->book->balances[account];
    sim->reader_rests = true;
    submit_retry(sim, 0, 1);
    submit(sim, FLORIN_READ_ACCOUNT, account, NULL, 2);
    submit(sim, FLORIN_DEPOSIT, account, "behind", 3);
    expect_nothing(sim);
    /* the worker wakes for it */
    int wait_ms = worker_wait_ms(sim->workers[0]);
    for (unsigned i = 1; i < sim->worker_count; i++) {
        int other_ms = worker_wait_ms(sim->workers[i]);
        wait_ms = wait_ms < 0 || (other_ms >= 0 && other_ms < wait_ms) ? other_ms : wait_ms;
    }
    assert_in_range(wait_ms, 1, TIMEOUT_MS);
    pass_time(TIMEOUT_MS + 1);
    assert_true(ledger_sim_expect(sim, 1, FLORIN_COMMIT_UNKNOWN).version > 0);
    (void)ledger_sim_expect(sim, 2, FLORIN_NOT_COMMITTED);
    (void)ledger_sim_expect(sim, 3, FLORIN_NOT_COMMITTED);
    expect_nothing(sim);
    /* who comes later waits for the reader all the same, and sees none of them */
    submit(sim, FLORIN_READ_ACCOUNT, account, NULL, 4);
    expect_nothing(sim);
    assert_int_equal(waiting(sim), 2);
    sim->reader_rests = false;
    assert_int_equal(ledger_sim_expect(sim, 4, FLORIN_APPLIED).balance_minor, balance);
    assert_int_equal(waiting(sim), 0);
    expect_nothing(sim);
    ledger_sim_check(sim, 1);
}

/* The deadline passes while the reader is within its file: at its first read, in the middle of its
 * job, the clock moves on and the workers take their turns. */
struct late_reader {
    struct ledger_sim *sim;
    unsigned account;
    const char *key; /* of the command behind */
    bool is_late;
    unsigned answers;
    struct florin_result answer;
};

static void be_late(void *context, const struct sim_event *event)
{
    struct late_reader *late = context;
    struct ledger_sim *sim = late->sim;
    if (event->operation != SIM_READ || late->is_late)
        return;
    late->is_late = true;
    /* one more behind it, whose own deadline is later */
    pass_time(TIMEOUT_MS / 2);
    submit(sim, FLORIN_DEPOSIT, late->account, late->key, 2);
    pass_time(TIMEOUT_MS / 2 + 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned worker = 0; worker < sim->worker_count; worker++)
            worker_round(sim->workers[worker]);
        late->answers += (unsigned)worker_reap(sim->workers[0], &late->answer, 1);
    }
}

static void check_late_reader(struct ledger_sim *sim, unsigned number, bool fails)
{
    static const uint32_t every_read[SIM_OPERATIONS] = {[SIM_READ] = 1000000};
    struct late_reader late = {.sim = sim, .account = sim->book->deposits[number].account};
    /* the reader has another frame at hand, so that it must read */
    ledger_sim_deposit(sim, 1);
    submit_retry(sim, sim->book->deposit_count - 1, 4);
    (void)ledger_sim_expect(sim, 4, FLORIN_APPLIED);
    int64_t *balance = &sim->book->balances[late.account];
    submit(sim, FLORIN_READ_ACCOUNT, late.account, NULL, 0);
    uint64_t version = ledger_sim_expect(sim, 0, FLORIN_APPLIED).version;
    char key[16];
    snprintf(key, sizeof(key), "behind %u", number);
    late.key = key;
    sim_disk_observe(sim->disk, be_late, &late);
    sim_disk_set_faults(sim->disk, fails ? every_read : NULL, EIO, 1);
    submit_retry(sim, number, 1);
    ledger_sim_round(sim);
    ledger_sim_round(sim);
    assert_true(late.is_late);
    sim_disk_observe(sim->disk, NULL, NULL);
    sim_disk_set_faults(sim->disk, NULL, 0, 0);
    /* answered at its deadline, while the reader had it: its key may have been seen */
    assert_int_equal(late.answers, 1);
    assert_int_equal(late.answer.user_data, 1);
    assert_int_equal(late.answer.status, FLORIN_COMMIT_UNKNOWN);
    assert_int_equal(late.answer.version, version);
    assert_false(late.answer.replayed);
    assert_int_equal(late.answer.transaction_id, 0);
    /* what the reader brings then is for nobody: who stood behind goes on, and only that */
    struct florin_result behind = ledger_sim_expect(sim, 2, FLORIN_APPLIED);
    assert_false(behind.replayed);
    assert_int_equal(behind.version, version + 1);
    assert_int_equal(behind.balance_minor, *balance + 1);
    *balance += 1;
    expect_nothing(sim);
    assert_int_equal(waiting(sim), 0);
    for (unsigned i = 0; i < sim->worker_count; i++)
        assert_int_equal(sim->workers[i]->lookups.reading, 0);
    /* its place is used again, by the same key: the truth */
    submit_retry(sim, number, 3);
    struct florin_result again = ledger_sim_expect(sim, 3, FLORIN_APPLIED);
    assert_true(again.replayed);
    assert_int_equal(again.transaction_id, sim->book->deposits[number].lsn);
}

static void deadline__while_the_reader_reads_is_kept_and_the_late_result_is_for_nobody(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned number = 0; number < 10; number++) /* in the log */
        check_late_reader(sim, number, false);
    for (unsigned number = 10; number < 20; number++)
        check_late_reader(sim, number, true); /* and what comes late is an error */
    assert_true(ledger_sim_said(sim, "event=lookup_failed file=simulated/log ",
                                "reason=\"Input/output error\""));
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    ledger_sim_settle(sim);
    for (unsigned number = 20; number < 30; number++) /* in a key file */
        check_late_reader(sim, number, false);
    assert_true(ledger_sim_statistics(sim).lookups_files >= 20);
    ledger_sim_check(sim, 1);
}

/* --- the end of the ledger ------------------------------------------------------------------- */

static void failed_log__answers_all_who_wait_for_a_look_up(void **state)
{
    struct ledger_sim *sim = *state;
    uint64_t digest = ledger_sim_digest(sim);
    unsigned account = sim->book->deposits[0].account;
    sim->reader_rests = true;
    submit_retry(sim, 0, 0);
    submit(sim, FLORIN_DEPOSIT, account, "behind", 1);
    submit(sim, FLORIN_READ_ACCOUNT, account, NULL, 2);
    expect_nothing(sim);
    sim_disk_fail(sim->disk, 1, EIO, true);
    submit(sim, FLORIN_DEPOSIT, stranger_to(sim, 0), NULL, 3);
    static const enum florin_status expected[] = {FLORIN_COMMIT_UNKNOWN, FLORIN_NOT_COMMITTED,
                                                  FLORIN_NOT_COMMITTED, FLORIN_COMMIT_UNKNOWN};
    bool seen[4] = {false};
    for (unsigned i = 0; i < 4; i++) {
        struct florin_result result;
        assert_true(ledger_sim_take(sim, &result));
        assert_int_equal(result.status, expected[result.user_data]);
        assert_false(seen[result.user_data]);
        seen[result.user_data] = true;
    }
    assert_int_equal(ledger_state(sim->ledger), LEDGER_FAILED);
    sim->reader_rests = false;
    expect_nothing(sim);
    assert_true(worker_is_idle(sim->workers[0]));
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
    ledger_sim_open(sim, 2);
    assert_int_equal(ledger_sim_digest(sim), digest);
}

static void stop__waits_for_look_ups_under_way(void **state)
{
    struct ledger_sim *sim = *state;
    unsigned account = sim->book->deposits[0].account;
    sim->reader_rests = true;
    submit_retry(sim, 0, 0);
    submit(sim, FLORIN_DEPOSIT, account, "behind", 1);
    ledger_sim_round(sim);
    ledger_stop(sim->ledger);
    expect_nothing(sim);
    assert_false(worker_is_idle(sim->workers[0]));
    sim->reader_rests = false;
    assert_true(ledger_sim_expect(sim, 0, FLORIN_APPLIED).replayed);
    assert_false(ledger_sim_expect(sim, 1, FLORIN_APPLIED).replayed);
    ledger_sim_close(sim);
    ledger_sim_open(sim, 1);
    ledger_sim_check_deposits(sim, 1);
}

/* Nothing of a look-up that never ends is left behind. */
static void end__while_look_ups_are_under_way_frees_everything(void **state)
{
    struct ledger_sim *sim = *state;
    sim->reader_rests = true;
    for (unsigned number = 0; number < 50; number++)
        submit_retry(sim, number, number);
    ledger_sim_round(sim);
    assert_true(waiting(sim) > 10);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
    sim->reader_rests = false;
    ledger_sim_open(sim, 2);
    ledger_sim_check(sim, 1);
}

static void checkpoint__goes_on_while_commands_wait_for_look_ups(void **state)
{
    struct ledger_sim *sim = *state;
    sim->reader_rests = true;
    submit_retry(sim, 0, 1);
    submit(sim, FLORIN_DEPOSIT, sim->book->deposits[0].account, "behind", 2);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    /* the key has moved to a file meanwhile */
    for (unsigned i = 0; i < sim->worker_count; i++) {
        ledger_sim_round(sim);
        assert_int_equal(sim->workers[i]->shard.keys.count, 0);
    }
    sim->reader_rests = false;
    assert_true(ledger_sim_expect(sim, 1, FLORIN_APPLIED).replayed);
    assert_false(ledger_sim_expect(sim, 2, FLORIN_APPLIED).replayed);
}

int main(void)
{
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup, ledger_sim_teardown)
    const struct CMUnitTest tests[] = {
        SIMULATED(same_key__in_the_same_stage_waits_for_its_record),
        SIMULATED(same_key__while_its_record_is_in_flight_waits_for_it),
        SIMULATED(commands_on_the_account__wait_behind_a_look_up_in_their_order),
        SIMULATED(look_ups_of_many_accounts__all_end),
        cmocka_unit_test_setup_teardown(full_pool__refuses_and_goes_on_when_there_is_room,
                                        setup_alone, ledger_sim_teardown),
        SIMULATED(deadline__while_the_disk_is_slow_answers_unknown_with_the_durable_version),
        SIMULATED(deadline__while_the_reader_is_slow_is_kept),
        SIMULATED(deadline__while_the_reader_reads_is_kept_and_the_late_result_is_for_nobody),
        SIMULATED(failed_log__answers_all_who_wait_for_a_look_up),
        SIMULATED(stop__waits_for_look_ups_under_way),
        SIMULATED(end__while_look_ups_are_under_way_frees_everything),
        SIMULATED(checkpoint__goes_on_while_commands_wait_for_look_ups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
