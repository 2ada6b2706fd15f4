/* test_checkpoint_crash.c - power failures at every disk operation of the background.
 *
 * The background does all that it can do in one go (a key file, a checkpoint, the removal of an
 * older one, a merge, retention), once while nothing else happens and once while deposits go on.
 * After every operation that changes the disk, power failures are played with sets of the units
 * that were not flushed: none, all, each half, and sets by chance. Each disk is recovered from,
 * with another number of workers: everything acknowledged is there, and so is nothing else, and the
 * background can go on. In some, recovery itself is cut after each of its operations.
 *
 *     FLORIN_SEED           of the sets
 *     FLORIN_CRASH_SETS     sets by chance for every operation
 *     FLORIN_STRIDE         every n-th state only, for slow builds
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/key_archive.h"
#include "runtime/ledger_sim.h"
#include "support/stride.h"

enum {
    ACCOUNTS = 20,
    RANDOM_SETS = 4,
    /* One state in so many is crashed again inside its recovery. */
    SECOND_CRASH_EVERY = 61,
    /* One state in so many works on and makes a checkpoint. */
    GO_ON_EVERY = 5,
    CHECK_STRIDE = 53,
};

struct tally {
    unsigned states;
    unsigned second;
    unsigned changes; /* of the disk */
    unsigned with_temporary;
    unsigned with_new_checkpoint;
};

struct crash_test {
    struct ledger_sim sim; /* closed; the next checkpoint makes all kinds of work */
    struct ledger_sim working;
    unsigned random_sets;
    unsigned stride;
    unsigned drawn; /* states; every stride-th of them is played */
    uint64_t seed;
    uint64_t digest; /* while nothing is in flight */
    uint64_t old_checkpoint_lsn;
    bool deposits_go_on; /* then one may be in flight: there or not */
    struct tally tally;
};

/* A recovery that is cut. */
struct second_crash {
    struct crash_test *test;
    struct ledger_sim *recovering;
};

static void check_state(struct crash_test *test, struct ledger_sim *found)
{
    assert_false(ledger_sim_said(found, "event=checkpoint_damaged", ""));
    if (test->deposits_go_on) {
        ledger_sim_check_deposits(found, CHECK_STRIDE);
        return;
    }
    assert_int_equal(ledger_sim_digest(found), test->digest);
    ledger_sim_check(found, CHECK_STRIDE);
}

static void recover_again(struct crash_test *test, const struct ledger_sim *of,
                          struct sim_disk *disk)
{
    struct ledger_sim again;
    ledger_sim_init_copy(&again, of, disk);
    ledger_sim_open(&again, 2);
    check_state(test, &again);
    ledger_sim_deinit(&again);
    test->tally.second++;
}

static void crash_in_recovery(void *context, struct sim_disk *disk)
{
    struct second_crash *second = context;
    for (int keep = LEDGER_SIM_KEEP_NONE; keep <= LEDGER_SIM_KEEP_RANDOM; keep++)
        recover_again(second->test, second->recovering,
                      ledger_sim_disk_after(second->recovering, disk, (enum ledger_sim_keep)keep));
}

static void recover(struct crash_test *test, struct sim_disk *disk)
{
    struct ledger_sim found;
    struct tally *tally = &test->tally;
    ledger_sim_init_copy(&found, &test->working, disk);
    struct second_crash second = {.test = test, .recovering = &found};
    tally->states++;
    tally->with_temporary += ledger_sim_files(&found, "checkpoint", ".tmp") > 0;
    if (tally->states % SECOND_CRASH_EVERY == SECOND_CRASH_EVERY / 2)
        sim_disk_watch(disk, crash_in_recovery, &second);
    ledger_sim_open(&found, 1 + tally->states % 3);
    sim_disk_watch(disk, NULL, NULL);
    tally->with_new_checkpoint +=
        ledger_sim_statistics(&found).checkpoint_lsn > test->old_checkpoint_lsn;
    check_state(test, &found);
    if (tally->states % GO_ON_EVERY == 0) {
        unsigned count = found.book->deposit_count;
        found.book->deposit_count += 1000; /* keys that are surely new */
        assert_true(found.book->deposit_count < LEDGER_SIM_DEPOSITS_MAX - 10);
        ledger_sim_deposit(&found, 3);
        assert_int_equal(ledger_sim_checkpoint(&found), 0);
        ledger_sim_settle(&found);
        assert_int_equal(ledger_sim_files(&found, "checkpoint", ""), 2);
        uint64_t digest = ledger_sim_digest(&found);
        ledger_sim_crash(&found, LEDGER_SIM_KEEP_NONE);
        ledger_sim_open(&found, 2);
        assert_int_equal(ledger_sim_digest(&found), digest);
        found.book->deposit_count = count;
        ledger_sim_check_deposits(&found, CHECK_STRIDE);
    }
    ledger_sim_deinit(&found);
}

static void play(struct crash_test *test, const struct sim_disk *disk, const bool *keep)
{
    if (test->drawn++ % test->stride == 0)
        recover(test, sim_disk_crash(disk, keep));
}

static void crash_here(void *context, struct sim_disk *disk)
{
    struct crash_test *test = context;
    size_t units = sim_disk_units(disk);
    bool *keep = calloc(units + 1, sizeof(*keep));
    assert_non_null(keep);
    test->tally.changes++;
    for (unsigned half = 0; half < 4; half++) {
        for (size_t i = 0; i < units; i++)
            keep[i] = (i < units / 2) ? (half & 1) != 0 : (half & 2) != 0;
        if (half == 0 || units > half - 1)
            play(test, disk, keep);
    }
    for (unsigned set = 0; set < test->random_sets && units > 2; set++) {
        for (size_t i = 0; i < units; i++)
            keep[i] = ledger_sim_random(&test->working) % 2 == 0;
        play(test, disk, keep);
    }
    free(keep);
}

/* --- the work -------------------------------------------------------------------------------- */

static void prepare(struct crash_test *test)
{
    struct ledger_sim *sim = &test->sim;
    ledger_sim_init(sim);
    sim->random = test->seed;
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
}

static void open_working(struct crash_test *test)
{
    struct ledger_sim *working = &test->working;
    ledger_sim_init_copy(working, &test->sim, sim_disk_kill(test->sim.disk));
    ledger_sim_open(working, 2);
    test->digest = ledger_sim_digest(working);
    test->old_checkpoint_lsn = ledger_sim_statistics(working).checkpoint_lsn;
    sim_disk_watch(working->disk, crash_here, test);
}

static void check_tally(struct crash_test *test)
{
    const struct tally *tally = &test->tally;
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(&test->working);
    print_message("seed %" PRIu64 ": %u states after %u changes, %u of a second crash; %u with a "
                  "half-made checkpoint, %u with the new one\n",
                  test->seed, tally->states, tally->changes, tally->second, tally->with_temporary,
                  tally->with_new_checkpoint);
    assert_int_equal(statistics.checkpoints_completed, 1);
    assert_int_equal(statistics.key_merges, 1);
    assert_true(statistics.log_segments_removed >= 3);
    assert_true(tally->states > 100 / test->stride);
    assert_true(tally->second > 10);
    assert_true(tally->with_temporary > 10 / test->stride);
    assert_true(tally->with_new_checkpoint > 10 / test->stride);
    assert_true(tally->with_new_checkpoint < tally->states - 10 / test->stride);
}

static int setup(void **state)
{
    struct crash_test *test = calloc(1, sizeof(*test));
    const char *seed = getenv("FLORIN_SEED");
    const char *sets = getenv("FLORIN_CRASH_SETS");
    assert_non_null(test);
    test->seed = seed == NULL ? 1 : strtoull(seed, NULL, 10);
    test->random_sets = sets == NULL ? RANDOM_SETS : (unsigned)strtoul(sets, NULL, 10);
    test->stride = stride_choose();
    prepare(test);
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct crash_test *test = *state;
    ledger_sim_deinit(&test->working);
    ledger_sim_deinit(&test->sim);
    free(test);
    return 0;
}

static void crash__at_every_operation_of_the_background_loses_nothing(void **state)
{
    struct crash_test *test = *state;
    open_working(test);
    assert_int_equal(ledger_sim_checkpoint(&test->working), 0);
    ledger_sim_settle(&test->working);
    sim_disk_watch(test->working.disk, NULL, NULL);
    check_tally(test);
}

static void crash__while_deposits_go_on_loses_nothing_acknowledged(void **state)
{
    struct crash_test *test = *state;
    uint64_t number;
    test->deposits_go_on = true;
    open_working(test);
    assert_int_equal(ledger_request_checkpoint(test->working.ledger, &number), 0);
    for (unsigned i = 0; i < 12; i++) {
        ledger_sim_deposit(&test->working, 1);
        (void)ledger_sim_step(&test->working);
        ledger_sim_round(&test->working);
        (void)ledger_sim_step(&test->working);
    }
    ledger_sim_settle(&test->working);
    sim_disk_watch(test->working.disk, NULL, NULL);
    check_tally(test);
}

/* --- a start that has to make a key file ------------------------------------------------------ */

enum { KEYS_THAT_DO_NOT_FIT = 400 };

/* Room for fewer keys than the log has. */
static void prepare_full_start(struct crash_test *test)
{
    struct ledger_sim *sim = &test->sim;
    ledger_sim_open(sim, 2);
    ledger_sim_deposit(sim, KEYS_THAT_DO_NOT_FIT);
    test->digest = ledger_sim_digest(sim);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_ALL);
    sim->options.keys_memory = 16;
    ledger_sim_init_copy(&test->working, sim, sim_disk_kill(sim->disk));
}

static void crash__in_a_start_that_moves_keys_to_a_file_loses_nothing(void **state)
{
    struct crash_test *test = *state;
    prepare_full_start(test);
    struct second_crash second = {.test = test, .recovering = &test->working};
    sim_disk_watch(test->working.disk, crash_in_recovery, &second);
    ledger_sim_open(&test->working, 1);
    sim_disk_watch(test->working.disk, NULL, NULL);
    assert_true(ledger_sim_said_number(&test->working, "event=keys_moved", "to_lsn=") > 500);
    check_state(test, &test->working);
    assert_true(test->tally.second > 20);
}

static void fault__in_a_start_that_moves_keys_to_a_file_is_told_and_loses_nothing(void **state)
{
    struct crash_test *test = *state;
    struct ledger_sim *working = &test->working;
    prepare_full_start(test);
    ledger_sim_open(working, 1);
    uint64_t operations = sim_disk_operations(working->disk);
    unsigned refused = 0;
    for (uint64_t nth = 1; nth <= operations; nth++) {
        ledger_sim_deinit(working);
        ledger_sim_init_copy(working, &test->sim, sim_disk_kill(test->sim.disk));
        sim_disk_fail(working->disk, nth, EIO, false);
        int error = ledger_sim_try_open(working, 1);
        refused += error != 0;
        if (error == 0) {
            assert_int_equal(ledger_sim_digest(working), test->digest);
            ledger_sim_end(working);
        } else {
            assert_int_equal(error, -EIO);
        }
        sim_disk_fail(working->disk, 0, 0, false);
        ledger_sim_open(working, 2);
        assert_int_equal(ledger_sim_digest(working), test->digest);
        ledger_sim_check(working, 101);
    }
    assert_true(refused > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(crash__at_every_operation_of_the_background_loses_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(crash__while_deposits_go_on_loses_nothing_acknowledged,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(crash__in_a_start_that_moves_keys_to_a_file_loses_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            fault__in_a_start_that_moves_keys_to_a_file_is_told_and_loses_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
