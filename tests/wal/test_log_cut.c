/* test_log_cut.c - logs that are ended before an LSN: whole ones, damaged ones, interrupted cuts.
 *
 * FLORIN_STRIDE=n plays every n-th interruption by a power failure only, for slow builds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/stride.h"
#include "wal/bytes.h"
#include "wal/log_cut.h"
#include "wal/sample_log.h"
#include "wal/segment.h"

enum { UNITS_MAX = 4096, OPERATIONS_MAX = 1000, SECTOR = STORAGE_SECTOR_BYTES };

static const struct log_start none = {0};

/* The second number of every record of a history. */
static size_t measure(const uint8_t *bytes, size_t length)
{
    return length < 16 ? 0 : (size_t)bytes_get_u64(bytes + 8);
}

struct cut {
    struct log_cut_report report;
    struct log_fault fault;
};

static int cut_at(struct sample_log *sample, const struct log_start *start, uint64_t lsn,
                  struct cut *cut)
{
    return log_cut(sample_log_storage(sample), &sample->meta, sample->channel, start, lsn, measure,
                   &cut->report, &cut->fault);
}

/* Holds the records up to last_lsn, was closed in order, and takes more. */
static void assert_ends(struct sample_log *sample, const struct log_start *start, uint64_t last_lsn)
{
    struct history history;
    assert_int_equal(history_open_from(&history, sample_log_storage(sample), sample->channel,
                                       &sample->meta, start, last_lsn),
                     0);
    assert_int_equal(history.replayed, last_lsn);
    assert_false(history.replay_is_wrong);
    assert_int_equal(history.report.end, LOG_END_CLEAN);
    assert_int_equal(history_append(&history, 3, 700), 0);
    history_commit(&history);
    assert_int_equal(history.error, 0);
    history_close(&history, false);
    assert_int_equal(history_open_from(&history, sample_log_storage(sample), sample->channel,
                                       &sample->meta, start, last_lsn + 3),
                     0);
    assert_int_equal(history.replayed, last_lsn + 3);
    assert_false(history.replay_is_wrong);
    history_close(&history, true);
}

static void assert_cuts(const struct sample_log *sample, const struct log_start *start,
                        uint64_t removed, uint64_t lsn)
{
    struct sample_log copy;
    struct cut cut;
    sample_log_copy(sample, &copy);
    sample_log_remove(&copy, 1, removed);
    assert_int_equal(cut_at(&copy, start, lsn, &cut), 0);
    assert_int_equal(cut.report.last_lsn, lsn - 1);
    if (lsn <= sample->last_lsn) {
        const struct frame_header *frame = sample_log_frame(sample, lsn);
        bool starts = frame->offset == SEGMENT_HEADER_BYTES;
        assert_int_equal(cut.report.segment, frame->segment);
        assert_int_equal(cut.report.offset, starts ? 0 : frame->offset);
        assert_int_equal(cut.report.removed_segments, sample->last_file - frame->segment);
        assert_int_equal(cut.report.dropped_bytes,
                         (sample->last_segment - frame->segment + 1) * SAMPLE_SEGMENT_BYTES -
                             cut.report.offset);
    } else {
        assert_int_equal(cut.report.removed_segments, 0);
        assert_int_equal(cut.report.dropped_bytes, 0);
    }
    /* Again: there is nothing left to drop. */
    assert_int_equal(cut_at(&copy, start, lsn, &cut), 0);
    assert_int_equal(cut.report.last_lsn, lsn - 1);
    assert_int_equal(cut.report.dropped_bytes, 0);
    assert_ends(&copy, start, lsn - 1);
    sample_log_destroy(&copy);
}

static void assert_cut_refused(struct sample_log *sample, const struct log_start *start,
                               uint64_t lsn, int expected, struct cut *cut)
{
    size_t units = sim_disk_units(sample->disk);
    assert_int_equal(cut_at(sample, start, lsn, cut), expected);
    assert_int_equal(sim_disk_units(sample->disk), units);
}

/* --- whole logs ------------------------------------------------------------------------------ */

static void cut_at_every_lsn__keeps_exactly_the_records_before(void **state)
{
    const struct sample_log *sample = *state;
    for (uint64_t lsn = 1; lsn <= sample->last_lsn + 1; lsn++)
        assert_cuts(sample, &none, 0, lsn);
}

static void cut_behind_removed_segments__keeps_the_rest(void **state)
{
    const struct sample_log *sample = *state;
    for (uint64_t number = 2; number <= sample->last_segment; number += 3) {
        const struct log_start *start = &sample->starts[number];
        for (uint64_t lsn = start->first_lsn; lsn <= sample->last_lsn + 1; lsn += 2) {
            assert_cuts(sample, start, number - 1, lsn);
            assert_cuts(sample, start, number - 2, lsn);
        }
    }
}

static void cut_outside_of_the_log__is_refused(void **state)
{
    struct sample_log *sample = *state;
    const struct log_start *start = &sample->starts[7];
    struct cut cut;
    assert_cut_refused(sample, &none, 0, -ERANGE, &cut);
    assert_cut_refused(sample, start, start->first_lsn - 1, -ERANGE, &cut);
    assert_int_equal(cut.report.last_lsn, 0);
    for (uint64_t beyond = 2; beyond < 9; beyond++) {
        assert_cut_refused(sample, &none, sample->last_lsn + beyond, -ERANGE, &cut);
        assert_int_equal(cut.report.last_lsn, sample->last_lsn);
    }
}

static void cut_of_a_log_that_is_open__is_refused(void **state)
{
    struct sample_log *sample = *state;
    struct history history;
    struct cut cut;
    assert_int_equal(
        history_open(&history, sample_log_storage(sample), sample->channel, &sample->meta), 0);
    assert_cut_refused(sample, &none, 5, -EBUSY, &cut);
    history_close(&history, true);
    assert_int_equal(cut_at(sample, &none, 5, &cut), 0);
    assert_ends(sample, &none, 4);
}

static void torn_tail__is_behind_the_last_lsn(void **state)
{
    struct sample_log *sample = *state;
    const struct frame_header *last = &sample->frames[sample->frame_count - 1];
    for (size_t i = sample->frame_count; last->kind != FRAME_RECORDS; i--) {
        last = &sample->frames[i - 1];
        if (last->kind != FRAME_RECORDS)
            memset(sample_log_segment(sample, last->segment) + last->offset, 0, last->length);
    }
    memset(sample_log_segment(sample, last->segment) + last->offset, 0, SECTOR);
    struct cut cut;
    assert_cut_refused(sample, &none, last->first_lsn + 1, -ERANGE, &cut);
    assert_int_equal(cut.report.last_lsn, last->first_lsn - 1);
    assert_cuts(sample, &none, 0, 5);
    assert_int_equal(cut_at(sample, &none, last->first_lsn, &cut), 0);
    assert_ends(sample, &none, last->first_lsn - 1);
}

static size_t measure_nothing(const uint8_t *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    return 0;
}

static size_t measure_too_much(const uint8_t *bytes, size_t length)
{
    (void)bytes;
    return length;
}

static void record_that_cannot_be_measured__is_refused(void **state)
{
    struct sample_log *sample = *state;
    uint64_t lsn = 1;
    while (sample_log_frame(sample, lsn)->first_lsn == lsn)
        lsn++;
    static log_cut_measure *const measures[] = {measure_nothing, measure_too_much};
    for (unsigned i = 0; i < 2; i++) {
        struct cut cut;
        assert_int_equal(log_cut(sample_log_storage(sample), &sample->meta, sample->channel, &none,
                                 lsn, measures[i], &cut.report, &cut.fault),
                         -EBADMSG);
        assert_string_equal(cut.fault.reason, "not a record");
        assert_int_equal(cut.fault.lsn, lsn - 1);
        assert_int_equal(sim_disk_units(sample->disk), 0);
        /* At the beginning of a frame nobody asks. */
        struct sample_log copy;
        sample_log_copy(sample, &copy);
        assert_int_equal(log_cut(sample_log_storage(&copy), &copy.meta, copy.channel, &none,
                                 sample_log_frame(sample, lsn)->first_lsn, measures[i], &cut.report,
                                 &cut.fault),
                         0);
        sample_log_destroy(&copy);
    }
}

/* --- damaged logs ---------------------------------------------------------------------------- */

/* At `segment`, where `first_lsn` was to come: a cut there mends it, one behind it is refused, one
 * before it works. */
static void assert_mends(struct sample_log *sample, uint64_t segment, uint64_t first_lsn)
{
    struct cut cut;
    for (uint64_t lsn = first_lsn + 1; lsn <= first_lsn + 3; lsn++) {
        assert_cut_refused(sample, &none, lsn, -EINVAL, &cut);
        assert_int_equal(cut.fault.lsn, first_lsn);
        char name[STORAGE_NAME_MAX];
        segment_name(segment, name);
        assert_string_equal(cut.fault.file, name);
        assert_true(cut.fault.reason[0] != '\0');
    }
    for (uint64_t lsn = first_lsn; lsn > 0 && lsn + 2 > first_lsn; lsn--) {
        struct sample_log copy;
        sample_log_copy(sample, &copy);
        assert_int_equal(cut_at(&copy, &none, lsn, &cut), 0);
        assert_ends(&copy, &none, lsn - 1);
        sample_log_destroy(&copy);
    }
}

static void damaged_frame__is_cut_at_its_first_lsn_only(void **state)
{
    struct sample_log *sample = *state;
    for (size_t i = 0; i < sample->frame_count; i++) {
        const struct frame_header *frame = &sample->frames[i];
        uint8_t *bytes = sample_log_segment(sample, frame->segment) + frame->offset;
        for (uint32_t sector = 0; sector < frame->length; sector += 3 * SECTOR) {
            bytes[sector + 77] ^= 2;
            assert_mends(sample, frame->segment, frame->first_lsn);
            bytes[sector + 77] ^= 2;
        }
    }
}

static void damaged_segment__is_cut_at_its_first_lsn_only(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 1; number <= sample->last_segment; number++) {
        uint64_t first_lsn = sample->starts[number].first_lsn;
        uint8_t saved[SAMPLE_SEGMENT_BYTES];
        uint8_t *bytes = sample_log_segment(sample, number);
        memcpy(saved, bytes, sizeof(saved));
        bytes[20] ^= 1;
        assert_mends(sample, number, first_lsn);
        memset(bytes, 0, sizeof(saved));
        assert_mends(sample, number, first_lsn);
        if (number < sample->last_segment) {
            segment_spare_block(&sample->meta, number, bytes);
            assert_mends(sample, number, first_lsn);
        }
        memcpy(bytes, saved, sizeof(saved));
    }
}

static void missing_and_short_files__are_cut_at_their_first_lost_lsn_only(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 2; number < sample->last_segment; number++) {
        struct sample_log copy;
        sample_log_copy(sample, &copy);
        sample_log_remove(&copy, number, number);
        assert_mends(&copy, number, sample->starts[number].first_lsn);
        sample_log_destroy(&copy);

        sample_log_copy(sample, &copy);
        uint8_t saved[SAMPLE_SEGMENT_BYTES];
        char name[STORAGE_NAME_MAX];
        segment_name(number, name);
        memcpy(saved, sample_log_segment(&copy, number), sizeof(saved));
        sim_disk_put(copy.disk, name, saved, 6000);
        assert_mends(&copy, number, sample->starts[number].first_lsn);
        sim_disk_put(copy.disk, name, saved, SEGMENT_HEADER_BYTES + FRAME_BYTES_MIN);
        const struct frame_header *lost = NULL;
        for (size_t i = 0; i < sample->frame_count && lost == NULL; i++) {
            const struct frame_header *frame = &sample->frames[i];
            if (frame->segment == number &&
                frame->offset + frame->length > SEGMENT_HEADER_BYTES + FRAME_BYTES_MIN)
                lost = frame;
        }
        if (lost != NULL)
            assert_mends(&copy, number, lost->first_lsn);
        sample_log_destroy(&copy);
    }
}

static void start_that_is_not_there__is_refused(void **state)
{
    struct sample_log *sample = *state;
    struct cut cut;
    sample_log_remove(sample, 1, 5);
    assert_cut_refused(sample, &none, 20, -EBADMSG, &cut);
    assert_string_equal(cut.fault.file, "log/0000000000000001.wal");
    assert_cut_refused(sample, &sample->starts[3], 20, -EBADMSG, &cut);
    sample_log_remove(sample, 7, 7);
    assert_cut_refused(sample, &sample->starts[9], sample->starts[9].first_lsn, -EBADMSG, &cut);
    assert_string_equal(cut.fault.file, "log/0000000000000007.wal");
}

/* --- interruptions --------------------------------------------------------------------------- */

struct interruption {
    const struct sample_log *sample;
    const struct log_start *start;
    uint64_t lsn;
    uint64_t random;
    unsigned stride;
    unsigned states; /* drawn; every stride-th is played */
};

static void assert_repeats(const struct interruption *test, struct sim_disk *disk)
{
    struct sample_log after = *test->sample;
    struct cut cut;
    after.disk = disk;
    after.channel = sim_disk_channel(disk);
    assert_int_equal(cut_at(&after, test->start, test->lsn, &cut), 0);
    assert_int_equal(cut.report.last_lsn, test->lsn - 1);
    assert_ends(&after, test->start, test->lsn - 1);
    sample_log_destroy(&after);
}

static void crash_here(void *context, struct sim_disk *disk)
{
    struct interruption *test = context;
    static bool keep[UNITS_MAX];
    size_t units = sim_disk_units(disk);
    assert_true(units <= UNITS_MAX);
    for (unsigned set = 0; set < 6; set++) {
        for (size_t i = 0; i < units; i++) {
            test->random = test->random * UINT64_C(6364136223846793005) + 1442695040888963407U;
            keep[i] = set == 0 ? false : set == 1 ? true : test->random >> 63 != 0;
        }
        if ((test->states++ + test->lsn) % test->stride == 0)
            assert_repeats(test, sim_disk_crash(disk, keep));
    }
}

static void cut_that_power_failure_interrupts__comes_to_the_same_end(void **state)
{
    const struct sample_log *sample = *state;
    for (unsigned row = 0; row < 2; row++) {
        const struct log_start *start = row == 0 ? &none : &sample->starts[6];
        for (uint64_t lsn = row == 0 ? 1 : start->first_lsn; lsn <= sample->last_lsn + 1;
             lsn += 3) {
            struct sample_log copy;
            struct cut cut;
            struct interruption test = {.sample = sample,
                                        .start = start,
                                        .lsn = lsn,
                                        .random = lsn,
                                        .stride = stride_choose()};
            sample_log_copy(sample, &copy);
            sample_log_remove(&copy, 1, row == 0 ? 0 : 5);
            sim_disk_watch(copy.disk, crash_here, &test);
            assert_int_equal(cut_at(&copy, start, lsn, &cut), 0);
            sim_disk_watch(copy.disk, NULL, NULL);
            assert_true(test.states > 20);
            sample_log_destroy(&copy);
        }
    }
}

static void cut_that_an_error_interrupts__comes_to_the_same_end(void **state)
{
    const struct sample_log *sample = *state;
    uint64_t lsn = sample->last_lsn / 2;
    while (sample_log_frame(sample, lsn)->first_lsn == lsn)
        lsn++;
    unsigned failures = 0;
    uint64_t nth = 1;
    for (; nth < OPERATIONS_MAX; nth++) {
        struct sample_log copy;
        struct cut cut;
        sample_log_copy(sample, &copy);
        uint64_t before = sim_disk_operations(copy.disk);
        sim_disk_fail(copy.disk, nth, EIO, false);
        int error = cut_at(&copy, &none, lsn, &cut);
        bool reached = sim_disk_operations(copy.disk) - before >= nth;
        sim_disk_fail(copy.disk, 0, 0, false);
        failures += error != 0;
        assert_true(error == 0 || error == -EIO);
        assert_int_equal(cut_at(&copy, &none, lsn, &cut), 0);
        assert_int_equal(cut.report.last_lsn, lsn - 1);
        assert_ends(&copy, &none, lsn - 1);
        sample_log_destroy(&copy);
        if (!reached)
            break;
    }
    assert_in_range(nth, 50, OPERATIONS_MAX - 1);
    assert_true(failures > nth / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_sample(cut_at_every_lsn__keeps_exactly_the_records_before),
        test_sample(cut_behind_removed_segments__keeps_the_rest),
        test_sample(cut_outside_of_the_log__is_refused),
        test_sample(cut_of_a_log_that_is_open__is_refused),
        test_sample(torn_tail__is_behind_the_last_lsn),
        test_sample(record_that_cannot_be_measured__is_refused),
        test_sample(damaged_frame__is_cut_at_its_first_lsn_only),
        test_sample(damaged_segment__is_cut_at_its_first_lsn_only),
        test_sample(missing_and_short_files__are_cut_at_their_first_lost_lsn_only),
        test_sample(start_that_is_not_there__is_refused),
        test_sample(cut_that_power_failure_interrupts__comes_to_the_same_end),
        test_sample(cut_that_an_error_interrupts__comes_to_the_same_end),
    };
    return cmocka_run_group_tests(tests, sample_log_create_original, sample_log_destroy_original);
}
