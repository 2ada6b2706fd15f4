/* test_faults.c - the n-th operation of the disk fails, for every n, once and for ever.
 *
 * Whatever fails: nothing that was said to be durable is lost, no part of a group appears, and the
 * program goes on to say so. Afterwards either the process is killed (what it wrote is there), or
 * power fails as well (only what was flushed is there).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim_disk.h"
#include "wal/history.h"

enum { SEGMENT_BYTES = 16 * 1024, GROUPS = 6, LIVES = 2, OPERATIONS_MAX = 1000, UNITS_MAX = 4096 };

enum aftermath { AFTER_KILL, AFTER_POWER_FAILURE, AFTERMATHS };

/* What one run had been told when it ended. */
struct told {
    uint64_t durable;
    uint64_t reserved;
    bool ended_in_order;
};

/* Creation, groups over several segments, a mark, a clean close; twice. Stops at the first error.
 */
static struct told run_until_error(struct sim_disk *disk)
{
    struct told told = {0};
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(SEGMENT_BYTES);
    int error = 0;
    for (unsigned life = 0; life < LIVES && error == 0; life++) {
        struct history history;
        error = history_open(&history, sim_disk_storage(disk), channel, &meta);
        for (unsigned i = 0; i < GROUPS && error == 0; i++) {
            error = history_append(&history, 2, 500 + i * 700);
            if (error == 0)
                history_commit(&history);
            if (error == 0 && i == 2)
                history_mark(&history);
            error = history.error;
        }
        if (history.log != NULL) {
            told.durable = history.durable;
            told.reserved = history.reserved;
        }
        history_close(&history, true);
    }
    told.ended_in_order = error == 0;
    channel->operations->destroy(channel);
    return told;
}

/* Opens what is found afterwards, checks it and adds a group. Returns that disk; `told` is what
 * holds for it from now on. */
static struct sim_disk *reopen(const struct sim_disk *disk, enum aftermath aftermath,
                               struct told *told)
{
    static bool keep[UNITS_MAX];
    assert_true(sim_disk_units(disk) <= UNITS_MAX);
    struct sim_disk *after =
        aftermath == AFTER_KILL ? sim_disk_kill(disk) : sim_disk_crash(disk, keep);
    struct channel *channel = sim_disk_channel(after);
    struct meta meta = history_meta(SEGMENT_BYTES);
    struct history history;
    assert_int_equal(history_open(&history, sim_disk_storage(after), channel, &meta), 0);
    assert_false(history.replay_is_wrong);
    assert_in_range(history.replayed, told->durable, told->reserved);
    assert_int_equal(history.replayed % 2, 0); /* groups are of two records */
    assert_int_equal(history_append(&history, 2, 100), 0);
    history_commit(&history);
    assert_int_equal(history.error, 0);
    told->durable = history.durable;
    told->reserved = history.reserved;
    history_close(&history, true);
    channel->operations->destroy(channel);
    return after;
}

/* And once more without power: what the second life was told is built on nothing that can go. */
static void check_nothing_is_lost(const struct sim_disk *disk, enum aftermath aftermath,
                                  struct told told)
{
    struct sim_disk *after = reopen(disk, aftermath, &told);
    struct sim_disk *last = reopen(after, AFTER_POWER_FAILURE, &told);
    sim_disk_destroy(after);
    sim_disk_destroy(last);
}

static void fail_every_operation(int error, bool for_ever)
{
    uint64_t nth = 1;
    unsigned failed_runs = 0;
    for (; nth < OPERATIONS_MAX; nth++) {
        struct sim_disk *disk = sim_disk_create();
        sim_disk_fail(disk, nth, error, for_ever);
        struct told told = run_until_error(disk);
        bool reached = sim_disk_operations(disk) >= nth;
        failed_runs += !told.ended_in_order;
        for (enum aftermath aftermath = 0; aftermath < AFTERMATHS; aftermath++)
            check_nothing_is_lost(disk, aftermath, told);
        sim_disk_destroy(disk);
        if (!reached)
            break;
    }
    /* All operations were met, and most of them are not optional. */
    assert_in_range(nth, 100, OPERATIONS_MAX - 1);
    assert_true(failed_runs > nth / 2);
}

static void io_error_once__loses_nothing(void **state)
{
    (void)state;
    fail_every_operation(EIO, false);
}

static void io_error_for_ever__loses_nothing(void **state)
{
    (void)state;
    fail_every_operation(EIO, true);
}

static void no_space_for_ever__loses_nothing(void **state)
{
    (void)state;
    fail_every_operation(ENOSPC, true);
}

static void failed_write__poisons_the_log_for_good(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_create();
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(SEGMENT_BYTES);
    struct history history;
    assert_int_equal(history_open(&history, sim_disk_storage(disk), channel, &meta), 0);
    assert_int_equal(history_append(&history, 1, 100), 0);
    history_commit(&history);
    assert_int_equal(history_append(&history, 1, 100), 0);
    sim_disk_fail(disk, 2, EIO, false); /* 1: submit, 2: the completion */
    assert_true(log_commit(history.log, channel, 0));
    struct log_reservation reservation;
    assert_int_equal(log_reserve(history.log, 1, 100, 1, &reservation), 0);
    uint64_t workers = 0;
    assert_true(log_complete(history.log, channel, 0, &workers));
    assert_int_equal(workers, UINT64_MAX);
    assert_int_equal(log_failed(history.log), EIO);
    assert_int_equal(log_durable_lsn(history.log), 1);
    assert_int_equal(log_reserve(history.log, 1, 100, 1, &reservation), -EIO);
    assert_false(log_commit(history.log, channel, 0));
    assert_false(log_commit_idle_mark(history.log, channel, 0));
    uint64_t operations = sim_disk_operations(disk);
    log_close(history.log, channel, true);
    assert_int_equal(sim_disk_operations(disk), operations); /* no mark */
    channel->operations->destroy(channel);
    sim_disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(io_error_once__loses_nothing),
        cmocka_unit_test(io_error_for_ever__loses_nothing),
        cmocka_unit_test(no_space_for_ever__loses_nothing),
        cmocka_unit_test(failed_write__poisons_the_log_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
