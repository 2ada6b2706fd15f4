/* test_full_disk.c - what a ledger answers while its disk is full: what it has answered before, and
 * nothing new.
 *
 * One thread, a simulated disk, two workers: commands come to the first, so that those of the
 * other's accounts travel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"

enum {
    ACCOUNTS = 20,
    ROUNDS = 50, /* as many as a result would need, and more */
};

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    *state = sim;
    return 0;
}

static void fill_disk(struct ledger_sim *sim)
{
    sim_disk_set_capacity(sim->disk, sim_disk_used(sim->disk));
    (void)log_step(sim->ledger->log); /* the background looks at it */
    assert_int_equal(log_writable(sim->ledger->log), -ENOSPC);
}

static void make_room(struct ledger_sim *sim)
{
    sim_disk_set_capacity(sim->disk, 0);
    (void)log_step(sim->ledger->log);
    assert_int_equal(log_writable(sim->ledger->log), 0);
}

static struct florin_result post(struct ledger_sim *sim, enum florin_command_kind kind,
                                 unsigned account, const char *key, int64_t amount)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_posting(kind, account, key, amount, &texts);
    return ledger_sim_run(sim, &command);
}

static void submit(struct ledger_sim *sim, unsigned account, const char *key, uint64_t user_data)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_posting(FLORIN_DEPOSIT, account, key, 1, &texts);
    command.user_data = user_data;
    assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
}

static void assert_same(const struct florin_result *first, const struct florin_result *again)
{
    assert_true(again->replayed);
    assert_int_equal(again->status, first->status);
    assert_int_equal(again->transaction_id, first->transaction_id);
    assert_int_equal(again->balance_minor, first->balance_minor);
    assert_int_equal(again->amount_minor, first->amount_minor);
    assert_int_equal(again->version, first->version);
    assert_int_equal(again->time_ns, first->time_ns);
    assert_string_equal(again->currency, first->currency);
    assert_int_equal(again->exponent, first->exponent);
}

/* --- what was answered before ----------------------------------------------------------------- */

static void applied_key__gets_its_answer_wherever_it_is_kept(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 100);
    ledger_sim_move_keys_to_files(sim);
    ledger_sim_deposit(sim, 100);
    uint64_t hops = atomic_load(&sim->workers[0]->hops_now);
    fill_disk(sim);
    ledger_sim_check(sim, 1);
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    assert_int_equal(statistics.lookups_files, 100);
    assert_int_equal(statistics.lookups_record, 100);
    assert_in_range(atomic_load(&sim->workers[0]->hops_now) - hops, 50, 150);
}

static void remembered_refusal__is_given_again_and_no_new_one(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned account = 0; account < 4; account++) { /* of this worker, and of the other */
        struct florin_result first = post(sim, FLORIN_WITHDRAW, account, "old", 500);
        assert_int_equal(first.status, FLORIN_INSUFFICIENT_BALANCE);
        fill_disk(sim);
        struct florin_result again = post(sim, FLORIN_WITHDRAW, account, "old", 500);
        assert_same(&first, &again);
        assert_int_equal(post(sim, FLORIN_WITHDRAW, account, "old", 501).status, FLORIN_KEY_REUSED);
        assert_int_equal(post(sim, FLORIN_WITHDRAW, account, "new", 500).status,
                         FLORIN_STORAGE_FULL);
        make_room(sim);
        assert_int_equal(post(sim, FLORIN_DEPOSIT, account, NULL, 500).status, FLORIN_APPLIED);
        struct florin_result then = post(sim, FLORIN_WITHDRAW, account, "new", 500);
        assert_int_equal(then.status, FLORIN_APPLIED);
        assert_false(then.replayed);
    }
}

static void opening__of_an_account_that_is_there_is_answered_as_before(void **state)
{
    struct ledger_sim *sim = *state;
    fill_disk(sim);
    for (unsigned account = 0; account < 4; account++) {
        struct florin_result again = post(sim, FLORIN_OPEN_ACCOUNT, account, NULL, 0);
        assert_int_equal(again.status, FLORIN_APPLIED);
        assert_true(again.replayed);
        assert_int_equal(again.version, 1);
        assert_int_equal(post(sim, FLORIN_OPEN_ACCOUNT, account, NULL, 5).status,
                         FLORIN_ACCOUNT_EXISTS);
        unsigned other = ACCOUNTS + account;
        assert_int_equal(post(sim, FLORIN_OPEN_ACCOUNT, other, NULL, 5).status,
                         FLORIN_STORAGE_FULL);
        assert_int_equal(post(sim, FLORIN_READ_ACCOUNT, other, NULL, 0).status,
                         FLORIN_ACCOUNT_NOT_FOUND);
    }
}

/* --- what is new ------------------------------------------------------------------------------ */

static void new_change__is_refused_writes_nothing_and_is_taken_when_there_is_room(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 40);
    fill_disk(sim);
    uint64_t digest = ledger_sim_digest(sim);
    uint64_t reserved = log_reserved_lsn(sim->ledger->log);
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        assert_int_equal(post(sim, FLORIN_DEPOSIT, account, "new", 1).status, FLORIN_STORAGE_FULL);
        assert_int_equal(post(sim, FLORIN_DEPOSIT, account, NULL, 1).status, FLORIN_STORAGE_FULL);
    }
    assert_int_equal(log_reserved_lsn(sim->ledger->log), reserved);
    assert_int_equal(ledger_sim_digest(sim), digest);
    make_room(sim);
    for (unsigned account = 0; account < ACCOUNTS; account++) {
        struct florin_result result = post(sim, FLORIN_DEPOSIT, account, "new", 1);
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_false(result.replayed);
    }
}

static void new_change__of_a_client_of_the_library_is_refused_as_well(void **state)
{
    struct ledger_sim *sim = *state;
    struct florin_client *client;
    ledger_sim_deposit(sim, 1);
    assert_int_equal(florin_client_open(sim->ledger, &client), 0);
    fill_disk(sim);
    struct ledger_sim_texts texts[2];
    struct florin_command commands[] = {
        ledger_sim_retry(sim, 0, &texts[0]),
        ledger_sim_posting(FLORIN_DEPOSIT, sim->book->deposits[0].account, "new", 1, &texts[1]),
    };
    static const enum florin_status expected[] = {FLORIN_APPLIED, FLORIN_STORAGE_FULL};
    for (unsigned i = 0; i < 2; i++) {
        struct florin_result result;
        assert_int_equal(florin_submit(client, &commands[i], 1), 1);
        for (unsigned round = 0; round < ROUNDS; round++)
            ledger_sim_round(sim);
        assert_int_equal(florin_reap(client, &result, 1, 0), 1);
        assert_int_equal(result.status, expected[i]);
        assert_int_equal(result.replayed, i == 0);
    }
    florin_client_close(client);
}

/* --- while something is under way ------------------------------------------------------------- */

/* The newest change of the account waits for the disk; answers that do not show it do not. */
static void answers__do_not_wait_for_a_commit_that_may_never_come(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned account = 0; account < 4; account++) {
        struct florin_result first = post(sim, FLORIN_DEPOSIT, account, "old", 1);
        assert_int_equal(first.status, FLORIN_APPLIED);
        sim_disk_hold_completions(sim->disk, true);
        submit(sim, account, "in flight", 1);
        ledger_sim_round(sim);
        ledger_sim_round(sim);
        fill_disk(sim);
        submit(sim, account, "new", 2);
        (void)ledger_sim_expect(sim, 2, FLORIN_STORAGE_FULL);
        submit(sim, account, "old", 3);
        struct florin_result again = ledger_sim_expect(sim, 3, FLORIN_APPLIED);
        assert_same(&first, &again);
        sim_disk_hold_completions(sim->disk, false);
        (void)ledger_sim_expect(sim, 1, FLORIN_APPLIED);
        make_room(sim);
    }
}

/* The disk becomes full while a command waits for its look-up, and others behind it. */
static void
look_up__under_way_ends_as_it_would_have_and_what_is_new_behind_it_is_refused(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 8);
    ledger_sim_move_keys_to_files(sim);
    for (unsigned number = 0; number < 8; number++) {
        struct ledger_sim_texts texts;
        struct florin_command command = ledger_sim_retry(sim, number, &texts);
        command.user_data = 1;
        sim->reader_rests = true;
        assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
        submit(sim, sim->book->deposits[number].account, "behind", 2);
        ledger_sim_round(sim);
        ledger_sim_round(sim);
        fill_disk(sim);
        sim->reader_rests = false;
        struct florin_result again = ledger_sim_expect(sim, 1, FLORIN_APPLIED);
        assert_true(again.replayed);
        assert_int_equal(again.transaction_id, sim->book->deposits[number].lsn);
        (void)ledger_sim_expect(sim, 2, FLORIN_STORAGE_FULL);
        make_room(sim);
    }
    ledger_sim_check(sim, 1);
}

int main(void)
{
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup, ledger_sim_teardown)
    const struct CMUnitTest tests[] = {
        SIMULATED(applied_key__gets_its_answer_wherever_it_is_kept),
        SIMULATED(remembered_refusal__is_given_again_and_no_new_one),
        SIMULATED(opening__of_an_account_that_is_there_is_answered_as_before),
        SIMULATED(new_change__is_refused_writes_nothing_and_is_taken_when_there_is_room),
        SIMULATED(new_change__of_a_client_of_the_library_is_refused_as_well),
        SIMULATED(answers__do_not_wait_for_a_commit_that_may_never_come),
        SIMULATED(look_up__under_way_ends_as_it_would_have_and_what_is_new_behind_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
