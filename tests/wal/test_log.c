/* test_log.c - what a user of the log relies on, over the simulated disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim_disk.h"
#include "wal/bytes.h"
#include "wal/frame.h"
#include "wal/history.h"
#include "wal/segment.h"

enum { SMALL_SEGMENT = 16 * 1024, MEDIUM_SEGMENT = 64 * 1024 };

struct bench {
    struct sim_disk *disk;
    struct channel *channel;
    struct history history;
};

static void bench_attach(struct bench *bench, struct sim_disk *disk)
{
    bench->disk = disk;
    bench->channel = sim_disk_channel(disk);
}

static void bench_detach(struct bench *bench)
{
    bench->channel->operations->destroy(bench->channel);
    sim_disk_destroy(bench->disk);
}

static int bench_open(struct bench *bench, uint64_t segment_bytes)
{
    struct meta meta = history_meta(segment_bytes);
    return history_open(&bench->history, sim_disk_storage(bench->disk), bench->channel, &meta);
}

static void bench_begin(struct bench *bench, uint64_t segment_bytes)
{
    bench_attach(bench, sim_disk_create());
    assert_int_equal(bench_open(bench, segment_bytes), 0);
}

/* One committed group. */
static void bench_put(struct bench *bench, uint32_t count, size_t length)
{
    assert_int_equal(history_append(&bench->history, count, length), 0);
    history_commit(&bench->history);
    assert_int_equal(bench->history.error, 0);
}

/* Ends the life and begins the next one on what power failure leaves. */
static int bench_crash_and_open(struct bench *bench)
{
    size_t units = sim_disk_units(bench->disk);
    bool *keep = calloc(units + 1, sizeof(bool));
    assert_non_null(keep);
    struct sim_disk *after = sim_disk_crash(bench->disk, keep);
    free(keep);
    uint64_t segment_bytes = bench->history.meta.segment_bytes;
    history_close(&bench->history, false);
    bench_detach(bench);
    bench_attach(bench, after);
    return bench_open(bench, segment_bytes);
}

static int bench_reopen(struct bench *bench, bool clean)
{
    uint64_t segment_bytes = bench->history.meta.segment_bytes;
    history_close(&bench->history, clean);
    return bench_open(bench, segment_bytes);
}

static void bench_end(struct bench *bench)
{
    history_close(&bench->history, false);
    bench_detach(bench);
}

static int bench_verify(struct bench *bench, struct log_report *report)
{
    struct log_options options = {
        .storage = sim_disk_storage(bench->disk),
        .meta = bench->history.meta,
    };
    return log_verify(&options, report);
}

/* --- life cycle ------------------------------------------------------------------------------ */

static void new_directory__begins_an_empty_log(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    assert_int_equal(bench.history.report.end, LOG_END_NEW);
    assert_int_equal(bench.history.report.epoch, 1);
    assert_int_equal(bench.history.report.last_lsn, 0);
    assert_int_equal(log_durable_lsn(bench.history.log), 0);
    bench_end(&bench);
}

static void committed_records__are_replayed_in_order(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, MEDIUM_SEGMENT);
    for (uint32_t i = 1; i <= 20; i++)
        bench_put(&bench, i % 3 + 1, 40 + i * 30);
    uint64_t written = bench.history.durable;
    assert_int_equal(written, bench.history.reserved);
    assert_int_equal(bench_crash_and_open(&bench), 0);
    assert_int_equal(bench.history.report.end, LOG_END_CRASH);
    assert_int_equal(bench.history.replayed, written);
    assert_int_equal(bench.history.report.last_lsn, written);
    assert_false(bench.history.replay_is_wrong);
    bench_end(&bench);
}

static void several_reservations__make_one_frame(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, MEDIUM_SEGMENT);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(history_append(&bench.history, 2, 100), 0);
    history_commit(&bench.history);
    struct log_statistics statistics;
    log_statistics(bench.history.log, &statistics);
    assert_int_equal(statistics.commits, 1);
    assert_int_equal(statistics.records, 20);
    assert_int_equal(statistics.group_records[4], 1);
    assert_int_equal(statistics.bytes, frame_length(2000));
    assert_int_equal(bench_crash_and_open(&bench), 0);
    assert_int_equal(bench.history.replayed, 20);
    assert_false(bench.history.replay_is_wrong);
    bench_end(&bench);
}

static void uncommitted_records__are_absent_after_a_crash(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, MEDIUM_SEGMENT);
    bench_put(&bench, 3, 100);
    assert_int_equal(history_append(&bench.history, 5, 100), 0);
    assert_int_equal(bench_crash_and_open(&bench), 0);
    assert_int_equal(bench.history.replayed, 3);
    bench_end(&bench);
}

static void clean_close__leaves_a_mark(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    bench_put(&bench, 3, 100);
    assert_int_equal(bench_reopen(&bench, true), 0);
    assert_int_equal(bench.history.report.end, LOG_END_CLEAN);
    assert_int_equal(bench.history.replayed, 3);
    assert_int_equal(bench_reopen(&bench, false), 0);
    assert_int_equal(bench.history.report.end, LOG_END_CRASH);
    bench_end(&bench);
}

static void every_open__raises_the_epoch_and_goes_on_with_the_lsns(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    for (uint32_t life = 2; life < 12; life++) {
        bench_put(&bench, 2, 64);
        assert_int_equal(bench_reopen(&bench, life % 2 == 0), 0);
        assert_int_equal(bench.history.report.epoch, life);
        assert_int_equal(bench.history.replayed, (life - 1) * 2);
        assert_false(bench.history.replay_is_wrong);
    }
    bench_end(&bench);
}

static void tiny_segments__change_without_losing_a_record(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    for (uint32_t i = 0; i < 60; i++)
        bench_put(&bench, 1, 100 + i * 150);
    struct log_statistics statistics;
    log_statistics(bench.history.log, &statistics);
    assert_true(statistics.segments_started > 20);
    assert_int_equal(statistics.spare_segments, 2);
    assert_int_equal(bench_crash_and_open(&bench), 0);
    assert_int_equal(bench.history.replayed, 60);
    assert_false(bench.history.replay_is_wrong);
    assert_true(bench.history.report.segments > 20);
    bench_end(&bench);
}

static void full_group__makes_the_largest_frame(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, 4 * 1024 * 1024);
    bench_put(&bench, 1024, 1024);
    assert_int_equal(bench_crash_and_open(&bench), 0);
    assert_int_equal(bench.history.replayed, 1024);
    assert_false(bench.history.replay_is_wrong);
    bench_end(&bench);
}

static void reservation_larger_than_a_segment__is_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    assert_int_equal(history_append(&bench.history, 1, SMALL_SEGMENT), -EMSGSIZE);
    bench_put(&bench, 1, 100);
    bench_end(&bench);
}

/* --- group commit ---------------------------------------------------------------------------- */

static void groups__gather_while_one_is_in_flight(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    struct history *history = &bench.history;
    uint64_t workers;
    sim_disk_hold_completions(bench.disk, true);
    assert_int_equal(history_append(history, 1, 10000), 0);
    assert_true(log_commit(history->log, bench.channel, 0));
    assert_int_equal(history_append(history, 1, 10000), 0);
    assert_false(log_commit(history->log, bench.channel, 0));
    assert_int_equal(history_append(history, 1, 10000), 0);
    assert_int_equal(history_append(history, 1, 10000), -EAGAIN);
    assert_false(log_complete(history->log, bench.channel, 0, &workers));
    assert_int_equal(log_durable_lsn(history->log), 0);

    sim_disk_hold_completions(bench.disk, false);
    for (uint64_t lsn = 1; lsn <= 3; lsn++) {
        assert_true(log_complete(history->log, bench.channel, 0, &workers));
        assert_int_equal(log_durable_lsn(history->log), lsn);
        assert_int_equal(workers, 1);
        assert_true(log_commit(history->log, bench.channel, 0) == (lsn < 3));
    }
    assert_int_equal(bench_crash_and_open(&bench), 0);
    assert_int_equal(bench.history.replayed, 3);
    assert_false(bench.history.replay_is_wrong);
    bench_end(&bench);
}

static void commit__waits_for_the_last_publish(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    struct log *log = bench.history.log;
    uint8_t bytes[64];
    struct log_reservation first;
    struct log_reservation second;
    assert_int_equal(log_reserve(log, 3, sizeof(bytes), 1, &first), 0);
    assert_int_equal(log_reserve(log, 7, sizeof(bytes), 1, &second), 0);
    history_record(second.first_lsn, bytes, sizeof(bytes));
    log_publish(log, &second, bytes);
    assert_false(log_commit(log, bench.channel, 0));
    history_record(first.first_lsn, bytes, sizeof(bytes));
    log_publish(log, &first, bytes);
    assert_true(log_commit(log, bench.channel, 0));
    uint64_t workers;
    assert_true(log_complete(log, bench.channel, 0, &workers));
    assert_int_equal(workers, 1 << 3 | 1 << 7);
    assert_int_equal(bench_crash_and_open(&bench), 0);
    assert_int_equal(bench.history.replayed, 2);
    assert_false(bench.history.replay_is_wrong);
    bench_end(&bench);
}

static void idle_mark__is_written_once_after_records(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    struct log *log = bench.history.log;
    uint64_t workers;
    assert_false(log_commit_idle_mark(log, bench.channel, 0));
    bench_put(&bench, 1, 100);
    assert_true(log_commit_idle_mark(log, bench.channel, 0));
    assert_true(log_complete(log, bench.channel, 0, &workers));
    assert_int_equal(workers, 0);
    assert_false(log_commit_idle_mark(log, bench.channel, 0));
    bench_put(&bench, 1, 100);
    assert_int_equal(bench_crash_and_open(&bench), 0);
    assert_int_equal(bench.history.replayed, 2);
    bench_end(&bench);
}

/* --- kill, then power failure ---------------------------------------------------------------- */

/* The killed process had a frame in flight that fills its segment: it was written, not flushed.
 * What recovery has shown must survive a power failure, though all that it wrote stands in the next
 * segment. */
static void record_seen_by_recovery__survives_a_power_failure(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    sim_disk_hold_completions(bench.disk, true);
    assert_int_equal(history_append(&bench.history, 1, 5000), 0);
    assert_true(log_commit(bench.history.log, bench.channel, 0));
    struct bench after;
    bench_attach(&after, sim_disk_kill(bench.disk));
    sim_disk_hold_completions(bench.disk, false);
    bench_end(&bench);

    assert_int_equal(bench_open(&after, SMALL_SEGMENT), 0);
    assert_int_equal(after.history.replayed, 1);
    struct log_statistics statistics;
    log_statistics(after.history.log, &statistics);
    assert_int_equal(statistics.segments_started, 1); /* the recovery frame found no room */
    bench_put(&after, 1, 100);
    assert_int_equal(bench_crash_and_open(&after), 0);
    assert_int_equal(after.history.replayed, 2);
    bench_end(&after);
}

/* --- the disk fills up ----------------------------------------------------------------------- */

static void full_disk__refuses_and_resumes_by_itself(void **state)
{
    (void)state;
    struct bench bench;
    bench_attach(&bench, sim_disk_create());
    sim_disk_set_capacity(bench.disk, 4096 + 5 * SMALL_SEGMENT + 2000);
    assert_int_equal(bench_open(&bench, SMALL_SEGMENT), 0);
    assert_int_equal(log_writable(bench.history.log), 0);
    uint64_t written = 0;
    int error = 0;
    while (error == 0 && written < 100) {
        error = history_append(&bench.history, 1, 10000);
        if (error == 0) {
            history_commit(&bench.history);
            assert_int_equal(bench.history.error, 0);
            written++;
        }
    }
    assert_int_equal(error, -ENOSPC);
    assert_int_equal(written, 4); /* the first segment holds the recovery frame only */
    assert_int_equal(log_writable(bench.history.log), -ENOSPC);
    assert_int_equal(log_failed(bench.history.log), 0);
    sim_disk_set_capacity(bench.disk, 0);
    assert_int_equal(bench_reopen(&bench, true), 0);
    assert_int_equal(bench.history.replayed, written);
    assert_int_equal(log_writable(bench.history.log), 0);
    bench_put(&bench, 1, 10000);
    bench_end(&bench);
}

/* --- refusals -------------------------------------------------------------------------------- */

static void second_open__is_refused_while_the_first_lives(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    struct history second;
    assert_int_equal(
        history_open(&second, sim_disk_storage(bench.disk), bench.channel, &bench.history.meta),
        -EBUSY);
    bench_put(&bench, 1, 100);
    bench_end(&bench);
}

static void verify__finds_the_same_as_recovery_and_changes_nothing(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, SMALL_SEGMENT);
    for (unsigned i = 0; i < 5; i++)
        bench_put(&bench, 2, 3000);
    history_close(&bench.history, true);
    struct log_report report;
    uint64_t before = sim_disk_units(bench.disk);
    assert_int_equal(bench_verify(&bench, &report), 0);
    assert_int_equal(sim_disk_units(bench.disk), before);
    assert_int_equal(report.end, LOG_END_CLEAN);
    assert_int_equal(report.records, 10);
    assert_int_equal(report.last_lsn, 10);
    assert_int_equal(report.frames, 7);
    assert_int_equal(report.epoch, 1);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_directory__begins_an_empty_log),
        cmocka_unit_test(committed_records__are_replayed_in_order),
        cmocka_unit_test(several_reservations__make_one_frame),
        cmocka_unit_test(uncommitted_records__are_absent_after_a_crash),
        cmocka_unit_test(clean_close__leaves_a_mark),
        cmocka_unit_test(every_open__raises_the_epoch_and_goes_on_with_the_lsns),
        cmocka_unit_test(tiny_segments__change_without_losing_a_record),
        cmocka_unit_test(full_group__makes_the_largest_frame),
        cmocka_unit_test(reservation_larger_than_a_segment__is_refused),
        cmocka_unit_test(groups__gather_while_one_is_in_flight),
        cmocka_unit_test(commit__waits_for_the_last_publish),
        cmocka_unit_test(idle_mark__is_written_once_after_records),
        cmocka_unit_test(record_seen_by_recovery__survives_a_power_failure),
        cmocka_unit_test(full_disk__refuses_and_resumes_by_itself),
        cmocka_unit_test(second_open__is_refused_while_the_first_lives),
        cmocka_unit_test(verify__finds_the_same_as_recovery_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
