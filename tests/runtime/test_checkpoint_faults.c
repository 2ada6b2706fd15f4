/* test_checkpoint_faults.c - every disk operation of the background fails, once and for ever.
 *
 * The background does all that it can do in one go: a key file, a checkpoint, the removal of an
 * older one, a merge, retention. Whatever fails there: the ledger serves, the checkpoints that were
 * there are good, the figures say it, and the next try succeeds. FLORIN_STRIDE=n plays every n-th
 * failure only, for slow builds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/key_archive.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"
#include "support/stride.h"
#include "wal/log.h"

enum {
    SECOND_NS = 1000000000,
    RETRY_SECONDS = 6, /* more than the keeper waits after a fault */
    ACCOUNTS = 20,
};

struct fixture {
    struct ledger_sim sim; /* closed; the next checkpoint makes all kinds of work */
    struct ledger_sim copy;
    uint64_t operations; /* of that work */
};

/* Opened, nothing of it done. */
static struct ledger_sim *open_copy(struct fixture *fixture)
{
    struct ledger_sim *copy = &fixture->copy;
    ledger_sim_init_copy(copy, &fixture->sim, sim_disk_kill(fixture->sim.disk));
    ledger_sim_open(copy, 2);
    return copy;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    struct ledger_sim *sim = &fixture->sim;
    ledger_sim_init(sim);
    sim->segment_bytes = 16 * 1024;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    for (unsigned i = 0; i < KEY_ARCHIVE_MERGE_MIN - 1; i++) {
        ledger_sim_deposit(sim, 60);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
    }
    ledger_sim_deposit(sim, 60);
    ledger_sim_close(sim);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_ALL);
    sim->options.retain_bytes = 1;

    /* without a fault */
    struct ledger_sim *copy = open_copy(fixture);
    uint64_t before = sim_disk_operations(copy->disk);
    assert_int_equal(ledger_sim_checkpoint(copy), 0);
    ledger_sim_settle(copy);
    fixture->operations = sim_disk_operations(copy->disk) - before;
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(copy);
    assert_int_equal(statistics.checkpoints_completed, 1);
    assert_int_equal(statistics.key_merges, 1);
    assert_int_equal(statistics.key_files, 1);
    assert_true(statistics.log_segments_removed >= 3);
    assert_int_equal(ledger_sim_files(copy, "checkpoint", ""), 2);
    ledger_sim_deinit(copy);
    *state = fixture;
    return 0;
}

/* Two checkpoints of many blocks, and nothing else to do. */
static int setup_long(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    struct ledger_sim *sim = &fixture->sim;
    ledger_sim_init(sim);
    sim->options.accounts_max = 65536; /* room for as much metadata */
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, 800, 1000);
    for (unsigned i = 0; i < 2; i++) {
        ledger_sim_deposit(sim, 60);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
    }
    ledger_sim_close(sim);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    ledger_sim_deinit(&fixture->sim);
    free(fixture);
    return 0;
}

/* What a crash would find now. */
static void check_crash(struct ledger_sim *sim, enum ledger_sim_keep keep)
{
    struct ledger_sim other;
    uint64_t digest = ledger_sim_digest(sim);
    ledger_sim_init_copy(&other, sim, ledger_sim_disk_after(sim, sim->disk, keep));
    ledger_sim_open(&other, 3);
    assert_false(ledger_sim_said(&other, "event=checkpoint_damaged", ""));
    assert_int_equal(ledger_sim_digest(&other), digest);
    ledger_sim_check(&other, 61);
    ledger_sim_deinit(&other);
}

/* The disk is well again: all that was to be done is done. */
static void check_succeeds(struct ledger_sim *sim)
{
    uint64_t completed = ledger_sim_statistics(sim).checkpoints_completed;
    virtual_clock_advance(RETRY_SECONDS * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim); /* also looks at the room on the disk */
    ledger_sim_deposit(sim, 2);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    ledger_sim_settle(sim);
    ledger_sim_retain(sim);
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    assert_int_equal(statistics.checkpoints_completed, completed + 1);
    assert_in_range(statistics.key_files, 1, 2);
    assert_int_equal(ledger_sim_files(sim, "keys", ""), statistics.key_files);
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), 2);
    assert_true(log_first_segment(sim->ledger->log) > 3);
    check_crash(sim, LEDGER_SIM_KEEP_NONE);
}

struct tally {
    unsigned failed;    /* checkpoints */
    unsigned completed; /* the fault came later */
};

static void play(struct fixture *fixture, uint64_t nth, int error, bool for_ever,
                 struct tally *tally)
{
    struct ledger_sim *copy = open_copy(fixture);
    uint64_t digest = ledger_sim_digest(copy);
    sim_disk_fail(copy->disk, nth, error, for_ever);
    int answer = ledger_sim_checkpoint(copy);
    ledger_sim_settle(copy);
    assert_int_equal(ledger_state(copy->ledger), LEDGER_READY);
    assert_int_equal(ledger_sim_digest(copy), digest);
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(copy);
    assert_int_equal(statistics.last_error, error);
    assert_true(ledger_sim_said(copy, "level=error event=", "the service goes on"));
    assert_int_equal(statistics.checkpoints_failed, answer != 0);
    assert_int_equal(statistics.checkpoints_completed, answer == 0);
    assert_true(answer == 0 || answer == error);
    tally->failed += answer != 0;
    tally->completed += answer == 0;
    sim_disk_fail(copy->disk, 0, 0, false);
    check_crash(copy, nth % 2 == 0 ? LEDGER_SIM_KEEP_NONE : LEDGER_SIM_KEEP_RANDOM);
    check_succeeds(copy);
    ledger_sim_deinit(copy);
}

static void play_all(struct fixture *fixture, int error, bool for_ever)
{
    struct tally tally = {0};
    unsigned stride = stride_choose();
    for (uint64_t nth = 1; nth <= fixture->operations; nth += stride)
        play(fixture, nth, error, for_ever, &tally);
    assert_true(tally.failed > 10 / stride);
    assert_true(tally.completed > 10 / stride);
}

static void fault__of_one_operation_leaves_the_old_checkpoints_and_the_service(void **state)
{
    play_all(*state, EIO, false);
}

static void
fault__of_all_operations_from_one_on_leaves_the_old_checkpoints_and_the_service(void **state)
{
    play_all(*state, EIO, true);
}

/* --- a full disk ----------------------------------------------------------------------------- */

static void full_disk__gives_checkpoints_up_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    unsigned failed = 0;
    for (uint64_t room = 0; room < 200 * 1024; room += 4096) {
        struct ledger_sim *copy = open_copy(fixture);
        uint64_t used = sim_disk_used(copy->disk);
        uint64_t digest = ledger_sim_digest(copy);
        sim_disk_set_capacity(copy->disk, used + room);
        int answer = ledger_sim_checkpoint(copy);
        ledger_sim_settle(copy);
        assert_int_equal(ledger_state(copy->ledger), LEDGER_READY);
        assert_int_equal(ledger_sim_digest(copy), digest);
        assert_true(answer == 0 || answer == ENOSPC);
        if (answer != 0) {
            failed++;
            assert_int_equal(ledger_sim_statistics(copy).last_error, ENOSPC);
            /* what it had taken is free again */
            assert_int_equal(ledger_sim_files(copy, "checkpoint", ".tmp"), 0);
            assert_true(sim_disk_used(copy->disk) <= used + room);
        }
        sim_disk_set_capacity(copy->disk, 0);
        check_crash(copy, LEDGER_SIM_KEEP_RANDOM);
        check_succeeds(copy);
        ledger_sim_deinit(copy);
    }
    assert_in_range(failed, 5, 40);
}

/* --- who asks, and when ---------------------------------------------------------------------- */

static void fault__puts_off_what_the_keeper_does_by_itself(void **state)
{
    struct fixture *fixture = *state;
    fixture->sim.options.checkpoint_bytes = 1;
    struct ledger_sim *copy = open_copy(fixture);
    sim_disk_fail(copy->disk, 1, EIO, true); /* the first thing it does is to clean up */
    ledger_sim_settle(copy);
    assert_int_equal(ledger_sim_statistics(copy).last_error, EIO);
    uint64_t operations = sim_disk_operations(copy->disk);
    ledger_sim_settle(copy);
    assert_int_equal(sim_disk_operations(copy->disk), operations);
    /* but not what somebody asks for */
    assert_int_equal(ledger_sim_checkpoint(copy), EIO);
    assert_int_equal(ledger_sim_statistics(copy).checkpoints_failed, 1);
    sim_disk_fail(copy->disk, 0, 0, false);
    assert_int_equal(ledger_sim_checkpoint(copy), 0);
    ledger_sim_settle(copy);
    assert_int_equal(ledger_sim_statistics(copy).key_merges, 0);
    virtual_clock_advance(RETRY_SECONDS * (uint64_t)SECOND_NS);
    ledger_sim_settle(copy);
    assert_int_equal(ledger_sim_statistics(copy).key_merges, 1);
    ledger_sim_deinit(copy);
    fixture->sim.options.checkpoint_bytes = 0;
}

/* Slices that were filled for the one that was given up are not used for the next one. */
static void given_up_checkpoint__leaves_nothing_in_the_next_one(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned steps = 1; steps < 7; steps++) {
        struct ledger_sim *copy = open_copy(fixture);
        uint64_t number;
        ledger_sim_deposit(copy, 1);
        assert_int_equal(ledger_request_checkpoint(copy->ledger, &number), 0);
        for (unsigned i = 0; i < steps; i++) {
            (void)ledger_sim_step(copy);
            ledger_sim_deposit(copy, 1);
        }
        sim_disk_fail(copy->disk, 1, EIO, true);
        for (unsigned i = 0; ledger_sim_statistics(copy).checkpoints_failed == 0; i++) {
            assert_true(i < 1000);
            (void)ledger_sim_step(copy); /* workers do not move: what they hold they hold */
            if (i % 8 == 7) {
                sim_disk_fail(copy->disk, 0, 0, false);
                ledger_sim_deposit(copy, 1);
                sim_disk_fail(copy->disk, 1, EIO, true);
            }
        }
        sim_disk_fail(copy->disk, 0, 0, false);
        ledger_sim_deposit(copy, 50);
        assert_int_equal(ledger_sim_checkpoint(copy), 0);
        check_crash(copy, LEDGER_SIM_KEEP_NONE);
        ledger_sim_deinit(copy);
    }
}

/* --- the end of the ledger while a checkpoint is under way ------------------------------------ */

static void begin_checkpoint(struct ledger_sim *sim, unsigned steps, uint64_t *number)
{
    ledger_sim_deposit(sim, 1);
    assert_int_equal(ledger_request_checkpoint(sim->ledger, number), 0);
    for (unsigned i = 0; i < steps; i++) {
        (void)ledger_sim_step(sim);
        ledger_sim_deposit(sim, 1);
    }
    assert_true(ledger_sim_statistics(sim).checkpoint_running);
}

static void stop__gives_up_the_checkpoint_under_way(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned steps = 1; steps < 8; steps++) {
        struct ledger_sim *copy = open_copy(fixture);
        uint64_t number;
        begin_checkpoint(copy, steps, &number);
        uint64_t digest = ledger_sim_digest(copy);
        ledger_stop(copy->ledger);
        uint64_t other;
        assert_int_equal(ledger_request_checkpoint(copy->ledger, &other), -ESHUTDOWN);
        if (steps % 2 == 0) {
            ledger_sim_settle(copy);
            assert_int_equal(ledger_sim_statistics(copy).checkpoints_ended, number);
            assert_int_equal(ledger_sim_statistics(copy).last_error, 0); /* it is no fault */
        }
        ledger_sim_close(copy);
        assert_int_equal(ledger_sim_files(copy, "checkpoint", ".tmp"), 0);
        assert_int_equal(ledger_sim_files(copy, "checkpoint", ""), 2);
        ledger_sim_open(copy, 1);
        assert_int_equal(ledger_sim_digest(copy), digest);
        ledger_sim_deinit(copy);
    }
}

static void failed_log__gives_up_the_checkpoint_under_way(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned steps = 1; steps < 8; steps++) {
        struct ledger_sim *copy = open_copy(fixture);
        struct ledger_sim_texts texts;
        uint64_t number;
        begin_checkpoint(copy, steps, &number);
        uint64_t digest = ledger_sim_digest(copy);
        struct florin_command command = ledger_sim_read(0, &texts);
        command.kind = FLORIN_DEPOSIT;
        command.amount_minor = 1;
        sim_disk_fail(copy->disk, 1, EIO, true);
        assert_int_equal(ledger_sim_run(copy, &command).status, FLORIN_COMMIT_UNKNOWN);
        for (unsigned i = 0; i < 100; i++) {
            ledger_sim_round(copy);
            (void)ledger_sim_step(copy);
        }
        assert_int_equal(ledger_state(copy->ledger), LEDGER_FAILED);
        assert_int_equal(ledger_sim_statistics(copy).checkpoints_ended, number);
        assert_int_equal(ledger_sim_statistics(copy).checkpoints_completed, 0);
        assert_int_equal(ledger_request_checkpoint(copy->ledger, &number), -ESHUTDOWN);
        ledger_sim_crash(copy, LEDGER_SIM_KEEP_NONE);
        ledger_sim_open(copy, 1);
        assert_int_equal(ledger_sim_digest(copy), digest);
        ledger_sim_deinit(copy);
    }
}

int main(void)
{
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define LONG(test)      cmocka_unit_test_setup_teardown(test, setup_long, teardown)
    const struct CMUnitTest tests[] = {
        SIMULATED(fault__of_one_operation_leaves_the_old_checkpoints_and_the_service),
        SIMULATED(fault__of_all_operations_from_one_on_leaves_the_old_checkpoints_and_the_service),
        SIMULATED(full_disk__gives_checkpoints_up_and_nothing_else),
        SIMULATED(fault__puts_off_what_the_keeper_does_by_itself),
        LONG(given_up_checkpoint__leaves_nothing_in_the_next_one),
        LONG(stop__gives_up_the_checkpoint_under_way),
        LONG(failed_log__gives_up_the_checkpoint_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
