/* test_checkpoint.c - checkpoints as they should be: made while everything changes, recovered from.
 *
 * One thread, a simulated disk: the test says who moves next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "engine/runtime/key_archive.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"
#include "wal/log.h"

enum {
    SECOND_NS = 1000000000,
    /* With metadata of that length some sixty images fill a block. */
    LONG_METADATA = 1000,
    STEPS_MAX = 10000,
};

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    *state = sim;
    return 0;
}

/* Crashes, opens again, and finds the same. */
static void crash_and_compare(struct ledger_sim *sim, enum ledger_sim_keep keep, unsigned workers)
{
    uint64_t digest = ledger_sim_digest(sim);
    ledger_sim_crash(sim, keep);
    ledger_sim_open(sim, workers);
    assert_int_equal(ledger_sim_digest(sim), digest);
}

static bool has_ended(const struct ledger_sim *sim, uint64_t number)
{
    return ledger_sim_statistics(sim).checkpoints_ended >= number;
}

/* --- while everything changes ---------------------------------------------------------------- */

static void checkpoint__while_accounts_change_between_all_slices_recovers_to_the_same(void **state)
{
    struct ledger_sim *sim = *state;
    uint64_t number;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 400, LONG_METADATA);
    ledger_sim_deposit(sim, 300);
    assert_int_equal(ledger_request_checkpoint(sim->ledger, &number), 0);
    unsigned steps = 0;
    for (; !has_ended(sim, number); steps++) {
        assert_true(steps < STEPS_MAX);
        (void)ledger_sim_step(sim);
        ledger_sim_deposit(sim, 3);
    }
    assert_true(steps > 6); /* three blocks each and more */
    assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, 1);
    crash_and_compare(sim, LEDGER_SIM_KEEP_NONE, 3);
    assert_int_equal(ledger_sim_said_number(sim, "event=recovered", "loaded="), 400);
    ledger_sim_check(sim, 1);
}

static void checkpoint__with_accounts_opened_meanwhile_recovers_to_the_same(void **state)
{
    struct ledger_sim *sim = *state;
    uint64_t number;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 200, LONG_METADATA);
    assert_int_equal(ledger_request_checkpoint(sim->ledger, &number), 0);
    for (unsigned i = 0; !has_ended(sim, number); i++) {
        assert_true(i < STEPS_MAX);
        (void)ledger_sim_step(sim);
        ledger_sim_open_accounts(sim, 2, LONG_METADATA);
        ledger_sim_deposit(sim, 2);
    }
    assert_true(sim->book->account_count > 206);
    crash_and_compare(sim, LEDGER_SIM_KEEP_NONE, 2);
    uint64_t loaded = ledger_sim_said_number(sim, "event=recovered", "loaded=");
    assert_in_range(loaded, 200, sim->book->account_count - 1);
    ledger_sim_check(sim, 1);
}

/* Deposits whose write the disk holds: they are in the images, and not durable. */
static void submit_without_waiting(struct ledger_sim *sim, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct ledger_sim_texts texts;
        struct florin_command command = ledger_sim_read(i, &texts);
        command.kind = FLORIN_DEPOSIT;
        command.amount_minor = 5;
        command.user_data = LEDGER_SIM_UNREAD;
        assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
    }
}

static void checkpoint__gets_its_name_only_when_all_that_it_shows_is_durable(void **state)
{
    struct ledger_sim *sim = *state;
    uint64_t number;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 40, 0);
    uint64_t digest = ledger_sim_digest(sim);
    sim_disk_hold_completions(sim->disk, true);
    submit_without_waiting(sim, 20);
    assert_int_equal(ledger_request_checkpoint(sim->ledger, &number), 0);
    for (unsigned i = 0; i < 100; i++) {
        ledger_sim_round(sim);
        (void)ledger_sim_step(sim);
    }
    assert_false(has_ended(sim, number));
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ".ckpt"), 0);
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ".tmp"), 1);

    /* what a crash finds now has none of it */
    struct ledger_sim other;
    ledger_sim_init_copy(&other, sim, ledger_sim_disk_after(sim, sim->disk, LEDGER_SIM_KEEP_NONE));
    ledger_sim_open(&other, 2);
    assert_int_equal(ledger_sim_digest(&other), digest);
    ledger_sim_deinit(&other);

    sim_disk_hold_completions(sim->disk, false);
    ledger_sim_settle(sim);
    assert_true(has_ended(sim, number));
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ".ckpt"), 1);
    assert_int_equal(ledger_sim_said_number(sim, "event=checkpoint", " lsn="), 40);
    assert_int_equal(ledger_sim_said_number(sim, "event=checkpoint", "end_lsn="), 60);
    crash_and_compare(sim, LEDGER_SIM_KEEP_NONE, 1);
}

/* --- what is replayed ------------------------------------------------------------------------ */

static void recovery__replays_only_what_comes_after_the_checkpoint(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 100, 0);
    ledger_sim_deposit(sim, 4000);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    struct log_start start = log_live_start(sim->ledger->log);
    assert_true(start.segment > 3);
    ledger_sim_deposit(sim, 10);
    uint64_t durable = florin_durable_lsn(sim->ledger);
    crash_and_compare(sim, LEDGER_SIM_KEEP_NONE, 2);
    assert_int_equal(ledger_sim_said_number(sim, "event=recovered", "checkpoint_lsn="), 4100);
    assert_int_equal(ledger_sim_said_number(sim, "event=recovered", "loaded="), 100);
    assert_int_equal(ledger_sim_said_number(sim, "event=recovered", " records="),
                     durable + 1 - start.first_lsn);
    ledger_sim_check(sim, 3);
}

/* The place that a checkpoint is read from, where the log changes segments at that moment. */
static void recovery__from_a_checkpoint_made_at_every_point_of_a_segment_is_right(void **state)
{
    struct ledger_sim *sim = *state;
    sim->segment_bytes = 16 * 1024;
    ledger_sim_open(sim, 1);
    ledger_sim_open_accounts(sim, 10, 0);
    unsigned changes = 0;
    uint64_t segment = 0;
    for (unsigned i = 0; i < 60; i++) {
        ledger_sim_deposit(sim, 1);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        if (i % 2 == 0) {
            ledger_sim_deposit(sim, 1 + i % 7);
            crash_and_compare(sim, LEDGER_SIM_KEEP_NONE, 1 + i % 3);
        } else {
            ledger_sim_close(sim);
            ledger_sim_open(sim, 1 + i % 3);
        }
        assert_int_equal(ledger_sim_said_number(sim, "event=recovered", "loaded="), 10);
        uint64_t live = log_live_start(sim->ledger->log).segment;
        changes += live != segment;
        segment = live;
    }
    assert_true(changes > 10);
    ledger_sim_check(sim, 1);
}

static void recovery__with_another_number_of_workers_each_time_is_right(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_open(sim, 1);
    ledger_sim_open_accounts(sim, 50, 0);
    for (unsigned i = 0; i < 12; i++) {
        ledger_sim_deposit(sim, 40);
        if (i % 3 != 2)
            assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_open_accounts(sim, 3, i * 50);
        ledger_sim_deposit(sim, 20);
        unsigned workers = 1 + (i * 7 + 2) % LEDGER_SIM_WORKERS_MAX;
        assert_int_not_equal(workers, sim->worker_count);
        crash_and_compare(sim, LEDGER_SIM_KEEP_RANDOM, workers);
        ledger_sim_check(sim, 5);
    }
}

static void recovery__goes_on_with_times_that_grow(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 5, 0);
    ledger_sim_deposit(sim, 20);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    uint64_t newest = 0;
    for (unsigned i = 0; i < sim->book->deposit_count; i++)
        newest = sim->book->deposits[i].time_ns > newest ? sim->book->deposits[i].time_ns : newest;
    ledger_sim_close(sim);
    virtual_clock_jump(-INT64_C(3600) * SECOND_NS);
    ledger_sim_open(sim, 2);
    ledger_sim_deposit(sim, 1);
    assert_true(sim->book->deposits[20].time_ns > newest);
}

/* --- when, and how many ---------------------------------------------------------------------- */

static void checkpoint__of_an_empty_ledger_makes_no_file(void **state)
{
    struct ledger_sim *sim = *state;
    sim->options.checkpoint_seconds = 1;
    ledger_sim_open(sim, 2);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    virtual_clock_advance(10 * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), 0);
    ledger_sim_close(sim);
    ledger_sim_open(sim, 1);
    ledger_sim_open_accounts(sim, 1, 0);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ".ckpt"), 1);
}

static void checkpoint__with_nothing_new_makes_no_new_file(void **state)
{
    struct ledger_sim *sim = *state;
    char before[STORAGE_NAME_MAX];
    char after[STORAGE_NAME_MAX];
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 3, 0);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    ledger_sim_file(sim, "checkpoint", "", 0, before);
    for (unsigned life = 0; life < 3; life++) {
        uint64_t operations = sim_disk_operations(sim->disk);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        if (life == 0)
            assert_int_equal(sim_disk_operations(sim->disk), operations);
        assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), 1);
        ledger_sim_file(sim, "checkpoint", "", 0, after);
        assert_string_equal(before, after);
        ledger_sim_close(sim);
        ledger_sim_open(sim, 1 + life);
    }
    ledger_sim_deposit(sim, 1);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), 2);
}

static void checkpoints__two_are_kept(void **state)
{
    struct ledger_sim *sim = *state;
    char name[STORAGE_NAME_MAX];
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 3, 0);
    for (unsigned i = 0; i < 5; i++) {
        ledger_sim_deposit(sim, 1);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), i == 0 ? 1 : 2);
    }
    ledger_sim_file(sim, "checkpoint", "", 0, name);
    assert_string_equal(name, "checkpoint/0000000000000007.ckpt");
    ledger_sim_file(sim, "checkpoint", "", 1, name);
    assert_string_equal(name, "checkpoint/0000000000000008.ckpt");
}

static void checkpoint__is_made_by_itself_after_so_many_bytes_of_log(void **state)
{
    struct ledger_sim *sim = *state;
    sim->options.checkpoint_bytes = 100000;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 20, 0);
    for (unsigned i = 0; i < 3; i++) {
        ledger_sim_settle(sim);
        assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, i);
        while (ledger_sim_statistics(sim).log_bytes_since < 90000) {
            ledger_sim_deposit(sim, 1);
            ledger_sim_settle(sim);
        }
        assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, i);
        ledger_sim_deposit(sim, 300);
        ledger_sim_settle(sim);
        assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, i + 1);
        /* what was logged before a restart counts */
        if (i == 1) {
            ledger_sim_deposit(sim, 500);
            ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
            ledger_sim_open(sim, 1);
            assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), 2);
            ledger_sim_settle(sim);
            ledger_sim_settle(sim);
            assert_true(ledger_sim_statistics(sim).log_bytes_since > 50000);
            break;
        }
    }
}

static void
checkpoint__is_made_by_itself_after_so_many_seconds_when_something_was_logged(void **state)
{
    struct ledger_sim *sim = *state;
    sim->options.checkpoint_seconds = 60;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 20, 0);
    virtual_clock_advance(59 * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, 0);
    virtual_clock_advance((uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, 1);
    virtual_clock_advance(600 * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, 1);
    ledger_sim_deposit(sim, 1);
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, 2);
}

static void keys__reach_files_before_a_checkpoint_begins_behind_them(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 10, 0);
    for (unsigned i = 0; i < 4; i++) {
        ledger_sim_deposit(sim, 25);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        assert_int_equal(key_archive_to_lsn(sim->ledger->archive),
                         ledger_sim_statistics(sim).checkpoint_lsn);
    }
    /* and the shards forget them, so that memory holds the newest only */
    ledger_sim_deposit(sim, 5);
    ledger_sim_settle(sim);
    assert_int_equal(sim->workers[0]->shard.keys.count + sim->workers[1]->shard.keys.count, 5);
    crash_and_compare(sim, LEDGER_SIM_KEEP_NONE, 1);
    assert_int_equal(sim->workers[0]->shard.keys.count, 5);
    ledger_sim_check(sim, 1);
}

/* Keys go on moving to files while a checkpoint is under way, however long that takes. */
static void keys__that_fill_the_memory_do_not_wait_for_a_checkpoint(void **state)
{
    struct ledger_sim *sim = *state;
    uint64_t number;
    sim->options.keys_memory = 600;
    sim->options.accounts_max = 65536; /* room for as much metadata */
    ledger_sim_open(sim, 1);
    ledger_sim_open_accounts(sim, 2000, LONG_METADATA);
    assert_int_equal(ledger_request_checkpoint(sim->ledger, &number), 0);
    for (unsigned i = 0; i < 60; i++) {
        (void)ledger_sim_step(sim);
        ledger_sim_deposit(sim, 50);
        if (i == 20)
            assert_false(has_ended(sim, number));
    }
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, 1);
    crash_and_compare(sim, LEDGER_SIM_KEEP_NONE, 2);
    ledger_sim_check(sim, 10);
}

int main(void)
{
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup, ledger_sim_teardown)
    const struct CMUnitTest tests[] = {
        SIMULATED(checkpoint__while_accounts_change_between_all_slices_recovers_to_the_same),
        SIMULATED(checkpoint__with_accounts_opened_meanwhile_recovers_to_the_same),
        SIMULATED(checkpoint__gets_its_name_only_when_all_that_it_shows_is_durable),
        SIMULATED(recovery__replays_only_what_comes_after_the_checkpoint),
        SIMULATED(recovery__from_a_checkpoint_made_at_every_point_of_a_segment_is_right),
        SIMULATED(recovery__with_another_number_of_workers_each_time_is_right),
        SIMULATED(recovery__goes_on_with_times_that_grow),
        SIMULATED(checkpoint__of_an_empty_ledger_makes_no_file),
        SIMULATED(checkpoint__with_nothing_new_makes_no_new_file),
        SIMULATED(checkpoints__two_are_kept),
        SIMULATED(checkpoint__is_made_by_itself_after_so_many_bytes_of_log),
        SIMULATED(checkpoint__is_made_by_itself_after_so_many_seconds_when_something_was_logged),
        SIMULATED(keys__reach_files_before_a_checkpoint_begins_behind_them),
        SIMULATED(keys__that_fill_the_memory_do_not_wait_for_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
