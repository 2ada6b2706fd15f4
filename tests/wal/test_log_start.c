/* test_log_start.c - logs that are opened from a start in their middle, and lose old segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wal/golden.h"
#include "wal/sample_log.h"
#include "wal/segment.h"

enum { UNITS_MAX = 4096, OPERATIONS_MAX = 1000 };

static int open_from(struct sample_log *sample, const struct log_start *start, uint64_t durable_lsn,
                     struct history *history)
{
    return history_open_from(history, sample_log_storage(sample), sample->channel, &sample->meta,
                             start, durable_lsn);
}

static void put(struct history *history, uint32_t count, size_t length)
{
    assert_int_equal(history_append(history, count, length), 0);
    history_commit(history);
    assert_int_equal(history->error, 0);
}

/* Opens from the start, finds the records up to last_lsn, and can go on. */
static void assert_opens(struct sample_log *sample, const struct log_start *start,
                         uint64_t durable_lsn, uint64_t last_lsn)
{
    struct history history;
    assert_int_equal(open_from(sample, start, durable_lsn, &history), 0);
    assert_int_equal(history.replayed, last_lsn);
    assert_false(history.replay_is_wrong);
    assert_int_equal(history.report.last_lsn, last_lsn);
    assert_int_equal(log_durable_lsn(history.log), last_lsn);
    put(&history, 3, 700);
    history_close(&history, false);
    assert_int_equal(open_from(sample, start, last_lsn + 3, &history), 0);
    assert_int_equal(history.replayed, last_lsn + 3);
    assert_false(history.replay_is_wrong);
    history_close(&history, true);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void start_bytes__are_golden(void **state)
{
    (void)state;
    const struct log_start start = {
        .segment = UINT64_C(0x0102030405060708),
        .first_lsn = UINT64_C(0x1112131415161718),
        .chain = UINT64_C(0x2122232425262728),
        .epoch = UINT32_C(0x31323334),
    };
    uint8_t bytes[LOG_START_BYTES];
    log_start_encode(&start, bytes);
    golden_assert(bytes, "0807060504030201"
                         "1817161514131211"
                         "2827262524232221"
                         "3433323100000000");
    struct log_start decoded;
    assert_true(log_start_decode(bytes, &decoded));
    assert_int_equal(decoded.segment, start.segment);
    assert_int_equal(decoded.first_lsn, start.first_lsn);
    assert_int_equal(decoded.chain, start.chain);
    assert_int_equal(decoded.epoch, start.epoch);
}

static void start_fields__have_to_belong_together(void **state)
{
    (void)state;
    static const struct {
        struct log_start start;
        bool makes_sense;
    } rows[] = {
        {{0, 0, 0, 0}, true}, /* none */
        {{0, 1, 0, 0}, false}, {{0, 0, 1, 0}, false}, {{0, 0, 0, 1}, false}, {{1, 1, 9, 0}, true},
        {{1, 2, 9, 0}, false}, {{1, 0, 9, 0}, false}, {{1, 1, 9, 1}, false}, {{2, 1, 9, 1}, true},
        {{2, 0, 9, 1}, false}, {{2, 5, 9, 0}, false}, {{2, 5, 0, 1}, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[LOG_START_BYTES];
        struct log_start decoded;
        log_start_encode(&rows[i].start, bytes);
        assert_int_equal(log_start_decode(bytes, &decoded), rows[i].makes_sense);
        for (size_t reserved = 28; reserved < LOG_START_BYTES; reserved++) {
            bytes[reserved] = 1;
            assert_false(log_start_decode(bytes, &decoded));
            bytes[reserved] = 0;
        }
    }
}

/* --- opening --------------------------------------------------------------------------------- */

static void every_segment__is_a_place_to_start_from(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 1; number <= sample->last_segment; number++) {
        const struct log_start *start = &sample->starts[number];
        struct log_options options = {
            .storage = sample_log_storage(sample),
            .meta = sample->meta,
            .start = *start,
            .durable_lsn = sample->last_lsn,
        };
        struct log_report report;
        assert_int_equal(log_verify(&options, &report), 0);
        assert_int_equal(report.last_lsn, sample->last_lsn);
        assert_int_equal(report.records, sample->last_lsn + 1 - start->first_lsn);
        assert_int_equal(report.segments, sample->last_segment + 1 - number);
        for (uint64_t removed = 0; removed<number; removed += number - 1> 0 ? number - 1 : 1) {
            struct sample_log copy;
            sample_log_copy(sample, &copy);
            sample_log_remove(&copy, 1, removed);
            assert_opens(&copy, start, sample->last_lsn, sample->last_lsn);
            if (removed == 0)
                assert_opens(&copy, &sample->starts[1], 0, sample->last_lsn + 3);
            sample_log_destroy(&copy);
        }
    }
}

/* Nothing is written, and the place is named. */
static void assert_refused(struct sample_log *sample, const struct log_start *start,
                           uint64_t durable_lsn, uint64_t segment)
{
    struct history history;
    size_t units = sim_disk_units(sample->disk);
    assert_int_equal(open_from(sample, start, durable_lsn, &history), -EBADMSG);
    assert_int_equal(sim_disk_units(sample->disk), units);
    assert_true(history.report.end == LOG_END_DAMAGED || history.report.end == LOG_END_AMBIGUOUS);
    char name[STORAGE_NAME_MAX];
    segment_name(segment, name);
    assert_string_equal(history.report.file, name);
    assert_true(history.report.reason[0] != '\0');
    struct log_options options = {
        .storage = sample_log_storage(sample),
        .meta = sample->meta,
        .start = *start,
        .durable_lsn = durable_lsn,
    };
    struct log_report report;
    assert_int_equal(log_verify(&options, &report), -EBADMSG);
    assert_int_equal(report.end, history.report.end);
    assert_string_equal(report.file, name);
}

static void start_that_does_not_fit__is_refused(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 1; number <= sample->last_segment; number++) {
        for (unsigned row = 0; row < 5; row++) {
            struct log_start start = sample->starts[number];
            start.chain ^= row == 0;
            start.first_lsn += row == 1;
            start.first_lsn -= row == 2;
            start.epoch += row == 3;
            start.epoch -= row == 4;
            assert_refused(sample, &start, 0, number);
        }
    }
}

static void damage_before_the_start__is_not_looked_at(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 1; number < 7; number++)
        memset(sample_log_segment(sample, number), 0x5a, SAMPLE_SEGMENT_BYTES);
    assert_opens(sample, &sample->starts[7], sample->last_lsn, sample->last_lsn);
}

static void log_that_ends_before_the_durable_lsn__is_damaged(void **state)
{
    struct sample_log *sample = *state;
    const struct log_start *start = &sample->starts[sample->last_segment - 3];
    assert_refused(sample, start, sample->last_lsn + 1, sample->last_segment);
    assert_opens(sample, start, sample->last_lsn, sample->last_lsn);
}

/* Nothing but spares from the start on. */
static void log_that_ends_before_the_start__is_damaged_if_its_lsn_is_durable(void **state)
{
    struct sample_log *sample = *state;
    uint64_t number = sample->last_segment - 4;
    const struct log_start *start = &sample->starts[number];
    for (uint64_t later = number; later <= sample->last_segment; later++) {
        segment_spare_block(&sample->meta, later, sample_log_segment(sample, later));
        memset(sample_log_segment(sample, later) + SEGMENT_HEADER_BYTES, 0,
               SAMPLE_SEGMENT_BYTES - SEGMENT_HEADER_BYTES);
    }
    assert_refused(sample, start, start->first_lsn, number);
    /* Nobody knows of a frame there: the log goes on at the start, and reads whole as well. */
    assert_opens(sample, start, start->first_lsn - 1, start->first_lsn - 1);
    assert_opens(sample, &sample->starts[1], 0, start->first_lsn + 2);
}

/* The first frame at the start lost a sector. */
static void torn_start__is_damaged_if_its_lsn_is_durable(void **state)
{
    struct sample_log *sample = *state;
    uint64_t number = sample->last_segment;
    const struct log_start *start = &sample->starts[number];
    uint8_t *bytes = sample_log_segment(sample, number);
    memset(bytes + SEGMENT_HEADER_BYTES + FRAME_BYTES_MIN, 0,
           SAMPLE_SEGMENT_BYTES - SEGMENT_HEADER_BYTES - FRAME_BYTES_MIN);
    memset(bytes + SEGMENT_HEADER_BYTES, 0, STORAGE_SECTOR_BYTES);
    assert_refused(sample, start, start->first_lsn, number);
    struct history history;
    assert_int_equal(open_from(sample, start, start->first_lsn - 1, &history), 0);
    assert_int_equal(history.report.end, LOG_END_TORN);
    history_close(&history, true);
    assert_opens(sample, start, 0, start->first_lsn - 1);
    assert_opens(sample, &sample->starts[1], 0, start->first_lsn + 2);
}

static void missing_files__are_named(void **state)
{
    struct sample_log *sample = *state;
    const struct log_start none = {0};
    const struct log_start *start = &sample->starts[9];
    struct sample_log copy;

    sample_log_copy(sample, &copy);
    sample_log_remove(&copy, 1, 3);
    assert_refused(&copy, &none, 0, 1);
    assert_refused(&copy, &sample->starts[2], 0, 2);
    assert_opens(&copy, start, 0, sample->last_lsn);
    sample_log_remove(&copy, 4, 9);
    assert_refused(&copy, start, 0, 9);
    sample_log_remove(&copy, 11, 11);
    assert_refused(&copy, &sample->starts[10], 0, 11);
    sample_log_destroy(&copy);

    sample_log_copy(sample, &copy);
    sample_log_remove(&copy, 9, sample->last_file);
    assert_refused(&copy, start, 0, 9);
    sample_log_remove(&copy, 1, 8);
    assert_refused(&copy, start, 0, 9);
    sample_log_destroy(&copy);
}

/* --- the start of the live segment ----------------------------------------------------------- */

static struct sim_disk *power_failure(const struct sim_disk *disk, bool kept)
{
    static bool keep[UNITS_MAX];
    size_t units = sim_disk_units(disk);
    assert_true(units <= UNITS_MAX);
    memset(keep, kept, sizeof(keep));
    return sim_disk_crash(disk, keep);
}

/* What is opened from `start` holds everything behind `durable`, whatever is left on the disk. */
static void assert_start_reaches(const struct sample_log *sample, struct log_start start,
                                 uint64_t durable, uint64_t reserved)
{
    assert_true(start.first_lsn <= durable + 1);
    for (unsigned kept = 0; kept < 2; kept++) {
        struct sample_log after = *sample;
        after.disk = power_failure(sample->disk, kept == 1);
        after.channel = sim_disk_channel(after.disk);
        struct history history;
        assert_int_equal(open_from(&after, &start, durable, &history), 0);
        assert_false(history.replay_is_wrong);
        assert_in_range(history.replayed, durable, reserved);
        history_close(&history, false);
        sample_log_destroy(&after);
    }
}

static void live_start__holds_all_behind_the_durable_lsn_at_any_time(void **state)
{
    (void)state;
    struct sample_log sample = {.disk = sim_disk_create()};
    sample.channel = sim_disk_channel(sample.disk);
    sample.meta = history_meta(SAMPLE_SEGMENT_BYTES);
    const struct log_start none = {0};
    unsigned changes_in_flight = 0;
    uint64_t newest = 0;
    uint64_t lsn = 0;
    for (unsigned life = 0; life < 3; life++) {
        struct history history;
        assert_int_equal(open_from(&sample, &none, 0, &history), 0);
        if (life == 0) {
            assert_int_equal(log_live_start(history.log).segment, 1);
            assert_int_equal(log_live_start(history.log).first_lsn, 1);
            assert_int_equal(log_live_start(history.log).epoch, 0);
        }
        for (unsigned i = 0; i < 12; i++) {
            assert_start_reaches(&sample, log_live_start(history.log), lsn, lsn);
            assert_int_equal(history_append(&history, 2, 100 + i * 5 % 6 * 900), 0);
            assert_int_equal(log_reserved_lsn(history.log), lsn + 2);
            sim_disk_hold_completions(sample.disk, true);
            assert_true(log_commit(history.log, sample.channel, 0));
            struct log_statistics statistics;
            log_statistics(history.log, &statistics);
            struct log_start start = log_live_start(history.log);
            changes_in_flight += statistics.live_segment > start.segment;
            assert_start_reaches(&sample, start, lsn, lsn + 2);
            sim_disk_hold_completions(sample.disk, false);
            uint64_t workers;
            assert_true(log_complete(history.log, sample.channel, 0, &workers));
            lsn += 2;
            start = log_live_start(history.log);
            log_statistics(history.log, &statistics);
            assert_int_equal(start.segment, statistics.live_segment);
            assert_true(start.segment >= newest);
            newest = start.segment;
            if (i % 4 == 3)
                history_mark(&history);
        }
        history_close(&history, life == 1);
    }
    assert_true(changes_in_flight > 5);
    sample_log_destroy(&sample);
}

/* --- removing segments ----------------------------------------------------------------------- */

static void removed_segments__are_gone_and_the_log_opens_from_its_start(void **state)
{
    struct sample_log *sample = *state;
    const struct log_start none = {0};
    struct history history;
    assert_int_equal(open_from(sample, &none, 0, &history), 0);
    assert_int_equal(log_first_segment(history.log), 1);
    assert_int_equal(log_remove_segments(history.log, 0), 0);
    assert_int_equal(log_remove_segments(history.log, 1), 0);
    assert_int_equal(log_first_segment(history.log), 1);
    assert_int_equal(log_remove_segments(history.log, 6), 0);
    assert_int_equal(log_first_segment(history.log), 6);
    assert_int_equal(log_remove_segments(history.log, 4), 0);
    assert_int_equal(log_first_segment(history.log), 6);
    struct log_statistics statistics;
    log_statistics(history.log, &statistics);
    assert_int_equal(statistics.first_segment, 6);
    assert_int_equal(statistics.removed_segments, 5);
    history_close(&history, false);
    assert_refused(sample, &none, 0, 1);
    assert_refused(sample, &sample->starts[5], 0, 5);
    assert_opens(sample, &sample->starts[6], sample->last_lsn, sample->last_lsn);
    assert_int_equal(open_from(sample, &sample->starts[8], 0, &history), 0);
    assert_int_equal(log_first_segment(history.log), 6);
    assert_int_equal(log_remove_segments(history.log, 8), 0);
    assert_int_equal(log_first_segment(history.log), 8);
    history_close(&history, false);
    assert_opens(sample, &sample->starts[8], sample->last_lsn + 3, sample->last_lsn + 3);
}

static void live_segment__is_never_removed(void **state)
{
    struct sample_log *sample = *state;
    const struct log_start none = {0};
    struct history history;
    assert_int_equal(open_from(sample, &none, 0, &history), 0);
    /* The change to the next segment is in flight: should it tear, the log goes on in this one. */
    uint64_t live = log_live_start(history.log).segment;
    sim_disk_hold_completions(sample->disk, true);
    assert_int_equal(history_append(&history, 1, 12000), 0);
    assert_true(log_commit(history.log, sample->channel, 0));
    struct log_start start = log_live_start(history.log);
    assert_int_equal(start.segment, live);
    assert_int_equal(log_remove_segments(history.log, UINT64_MAX), 0);
    assert_int_equal(log_first_segment(history.log), live);
    assert_start_reaches(sample, start, sample->last_lsn, sample->last_lsn + 1);
    sim_disk_hold_completions(sample->disk, false);
    uint64_t workers;
    assert_true(log_complete(history.log, sample->channel, 0, &workers));
    start = log_live_start(history.log);
    assert_int_equal(start.segment, live + 1);
    assert_int_equal(log_remove_segments(history.log, UINT64_MAX), 0);
    assert_int_equal(log_first_segment(history.log), live + 1);
    assert_start_reaches(sample, start, sample->last_lsn + 1, sample->last_lsn + 1);
    history_close(&history, true);
}

static void failing_removal__is_answered_and_can_be_repeated(void **state)
{
    struct sample_log *sample = *state;
    uint64_t nth = 1;
    for (; nth < OPERATIONS_MAX; nth++) {
        struct sample_log copy;
        sample_log_copy(sample, &copy);
        struct history history;
        assert_int_equal(open_from(&copy, &sample->starts[5], 0, &history), 0);
        uint64_t before = sim_disk_operations(copy.disk);
        sim_disk_fail(copy.disk, nth, EIO, false);
        int error = log_remove_segments(history.log, 8);
        bool reached = sim_disk_operations(copy.disk) - before >= nth;
        sim_disk_fail(copy.disk, 0, 0, false);
        assert_int_equal(error, reached ? -EIO : 0);
        assert_int_equal(log_failed(history.log), 0);
        assert_start_reaches(&copy, sample->starts[8], sample->last_lsn, sample->last_lsn);
        put(&history, 2, 500);
        assert_int_equal(log_remove_segments(history.log, 8), 0);
        assert_int_equal(log_first_segment(history.log), 8);
        history_close(&history, true);
        assert_opens(&copy, &sample->starts[8], 0, sample->last_lsn + 2);
        sample_log_destroy(&copy);
        if (!reached)
            break;
    }
    assert_int_equal(nth, 9); /* seven files, one flush, and none */
}

static void failed_log__removes_nothing(void **state)
{
    struct sample_log *sample = *state;
    struct history history;
    assert_int_equal(open_from(sample, &sample->starts[5], 0, &history), 0);
    assert_int_equal(history_append(&history, 1, 100), 0);
    sim_disk_fail(sample->disk, 2, EIO, false);
    history_commit(&history);
    assert_int_equal(history.error, -EIO);
    assert_int_equal(log_remove_segments(history.log, 5), -EIO);
    assert_int_equal(log_first_segment(history.log), 1);
    history_close(&history, false);
}

struct crash_during_removal {
    const struct sample_log *sample;
    unsigned states;
};

/* All prefixes of the directory's changes. */
static void crash_here(void *context, struct sim_disk *disk)
{
    struct crash_during_removal *crash = context;
    size_t units = sim_disk_units(disk);
    static bool keep[UNITS_MAX];
    for (size_t kept = 0; kept <= units; kept++) {
        for (size_t i = 0; i < units; i++)
            keep[i] = i < kept;
        struct sample_log after = *crash->sample;
        after.disk = sim_disk_crash(disk, keep);
        after.channel = sim_disk_channel(after.disk);
        assert_opens(&after, &crash->sample->starts[9], crash->sample->last_lsn,
                     crash->sample->last_lsn);
        sample_log_destroy(&after);
        crash->states++;
    }
}

static void crash_during_removal__leaves_a_log_that_opens(void **state)
{
    struct sample_log *sample = *state;
    struct history history;
    assert_int_equal(open_from(sample, &sample->starts[9], 0, &history), 0);
    struct crash_during_removal crash = {.sample = sample};
    sim_disk_watch(sample->disk, crash_here, &crash);
    assert_int_equal(log_remove_segments(history.log, 9), 0);
    sim_disk_watch(sample->disk, NULL, NULL);
    assert_true(crash.states > 30);
    history_close(&history, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_bytes__are_golden),
        cmocka_unit_test(start_fields__have_to_belong_together),
        test_sample(every_segment__is_a_place_to_start_from),
        test_sample(start_that_does_not_fit__is_refused),
        test_sample(damage_before_the_start__is_not_looked_at),
        test_sample(log_that_ends_before_the_durable_lsn__is_damaged),
        test_sample(log_that_ends_before_the_start__is_damaged_if_its_lsn_is_durable),
        test_sample(torn_start__is_damaged_if_its_lsn_is_durable),
        test_sample(missing_files__are_named),
        cmocka_unit_test(live_start__holds_all_behind_the_durable_lsn_at_any_time),
        test_sample(removed_segments__are_gone_and_the_log_opens_from_its_start),
        test_sample(live_segment__is_never_removed),
        test_sample(failing_removal__is_answered_and_can_be_repeated),
        test_sample(failed_log__removes_nothing),
        test_sample(crash_during_removal__leaves_a_log_that_opens),
    };
    return cmocka_run_group_tests(tests, sample_log_create_original, sample_log_destroy_original);
}
