/* test_survey.c - the walk past damage: what is named, and what is counted behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wal/sample_log.h"
#include "wal/segment.h"
#include "wal/survey.h"

enum { SECTOR = STORAGE_SECTOR_BYTES, OPERATIONS_MAX = 1000 };

static struct log_survey_report survey(struct sample_log *sample)
{
    struct log_survey_report report;
    size_t units = sim_disk_units(sample->disk);
    assert_int_equal(log_survey(sample_log_storage(sample), &sample->meta, &report, NULL, NULL), 0);
    assert_int_equal(sim_disk_units(sample->disk), units);
    return report;
}

static void assert_damage(const struct log_survey_report *report, uint64_t segment, uint64_t offset,
                          uint64_t lsn, uint64_t damaged_after)
{
    char name[STORAGE_NAME_MAX];
    segment_name(segment, name);
    assert_true(report->is_damaged);
    assert_string_equal(report->damage.file, name);
    assert_int_equal(report->damage.offset, offset);
    assert_int_equal(report->damage.lsn, lsn);
    assert_true(report->damage.reason[0] != '\0');
    assert_int_equal(report->damaged_after, damaged_after);
}

/* What is whole in the frames from..to of the map (to excluded). */
struct whole {
    uint64_t frames;
    uint64_t records;
    uint64_t first_lsn;
    uint64_t last_lsn;
};

static struct whole whole_of(const struct sample_log *sample, size_t from, size_t to)
{
    struct whole whole = {0};
    for (size_t i = from; i < to; i++) {
        const struct frame_header *frame = &sample->frames[i];
        whole.frames++;
        whole.records += frame->record_count;
        if (frame->record_count == 0)
            continue;
        if (whole.first_lsn == 0)
            whole.first_lsn = frame->first_lsn;
        whole.last_lsn = frame->last_lsn;
    }
    return whole;
}

static void assert_after(const struct log_survey_report *report, struct whole after)
{
    assert_int_equal(report->frames_after, after.frames);
    assert_int_equal(report->records_after, after.records);
    assert_int_equal(report->first_lsn_after, after.first_lsn);
    assert_int_equal(report->last_lsn_after, after.last_lsn);
}

/* Index of the first frame of a segment. */
static size_t first_of(const struct sample_log *sample, uint64_t segment)
{
    size_t i = 0;
    while (i < sample->frame_count && sample->frames[i].segment < segment)
        i++;
    return i;
}

/* --- whole logs ------------------------------------------------------------------------------ */

static void whole_log__has_no_damage_and_is_counted(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t first = 1; first <= sample->last_segment; first++) {
        struct log_survey_report report = survey(sample);
        struct whole whole = whole_of(sample, first_of(sample, first), sample->frame_count);
        assert_false(report.is_damaged);
        assert_int_equal(report.first_segment, first);
        assert_int_equal(report.last_segment, sample->last_segment);
        assert_int_equal(report.spares, sample->last_file - sample->last_segment);
        assert_int_equal(report.bytes, (sample->last_segment - first + 1) * SAMPLE_SEGMENT_BYTES);
        assert_int_equal(report.frames, whole.frames);
        assert_int_equal(report.records, whole.records);
        assert_int_equal(report.first_lsn, whole.first_lsn);
        assert_int_equal(report.last_lsn, whole.last_lsn);
        assert_int_equal(report.torn_bytes, 0);
        assert_int_equal(report.frames_after, 0);
        sample_log_remove(sample, first, first);
    }
}

static void new_log__has_nothing(void **state)
{
    (void)state;
    struct sample_log sample = {.disk = sim_disk_create(), .meta = history_meta(16 * 1024)};
    assert_int_equal(meta_create(sample_log_storage(&sample), &sample.meta), 0);
    struct log_survey_report report = survey(&sample);
    assert_false(report.is_damaged);
    assert_int_equal(report.first_segment, 1);
    assert_int_equal(report.last_segment, 0);
    assert_int_equal(report.spares, 1);
    assert_int_equal(report.frames, 0);
    sample_log_remove(&sample, 1, 1);
    report = survey(&sample);
    assert_damage(&report, 1, 0, 1, 0);
    sim_disk_destroy(sample.disk);
}

static void torn_tail__is_no_damage(void **state)
{
    struct sample_log *sample = *state;
    const struct frame_header *last = &sample->frames[sample->frame_count - 1];
    memset(sample_log_segment(sample, last->segment) + last->offset, 0, SECTOR);
    struct log_survey_report report = survey(sample);
    assert_false(report.is_damaged);
    assert_true(report.torn_bytes >= last->length);
    assert_int_equal(report.frames, sample->frame_count - 1);
}

/* --- damage ---------------------------------------------------------------------------------- */

static void damaged_frame__is_named_and_all_others_are_counted(void **state)
{
    struct sample_log *sample = *state;
    for (size_t i = 0; i < sample->frame_count; i++) {
        const struct frame_header *frame = &sample->frames[i];
        uint8_t *bytes = sample_log_segment(sample, frame->segment) + frame->offset;
        for (uint32_t sector = 0; sector < frame->length; sector += SECTOR) {
            bytes[sector + 99] ^= 8;
            struct log_survey_report report = survey(sample);
            bool is_last = i + 1 == sample->frame_count;
            bool starts = frame->offset == SEGMENT_HEADER_BYTES;
            uint64_t offset = is_last  ? frame->offset + sector /* the ambiguous sector itself */
                              : starts ? 0
                                       : frame->offset;
            assert_damage(&report, frame->segment, offset, frame->first_lsn, 0);
            assert_int_equal(report.frames, sample->frame_count - 1);
            assert_int_equal(report.records, sample->last_lsn - frame->record_count);
            assert_after(&report, whole_of(sample, i + 1, sample->frame_count));
            bytes[sector + 99] ^= 8;
        }
    }
}

static void damaged_segment_header__loses_no_frame(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 1; number < sample->last_segment; number++) {
        for (size_t at = 3; at < SEGMENT_HEADER_BYTES; at += SECTOR) {
            sample_log_segment(sample, number)[at] ^= 1;
            struct log_survey_report report = survey(sample);
            assert_damage(&report, number, 0, sample->starts[number].first_lsn, 0);
            assert_int_equal(report.frames, sample->frame_count);
            assert_after(&report, whole_of(sample, first_of(sample, number), sample->frame_count));
            sample_log_segment(sample, number)[at] ^= 1;
        }
    }
}

static void every_further_damage__is_counted(void **state)
{
    struct sample_log *sample = *state;
    size_t damaged = 0;
    for (size_t i = 2; i + 4 < sample->frame_count; i += 4) {
        const struct frame_header *frame = &sample->frames[i];
        sample_log_segment(sample, frame->segment)[frame->offset + 200] ^= 1;
        damaged++;
    }
    struct log_survey_report report = survey(sample);
    assert_int_equal(report.damaged_after, damaged - 1);
    assert_int_equal(report.frames, sample->frame_count - damaged);
    assert_int_equal(report.frames_after, sample->frame_count - damaged - 2);
}

static void whole_frames_that_do_not_follow__are_a_damage(void **state)
{
    struct sample_log *sample = *state;
    const struct frame_header *frame = &sample->frames[4];
    struct frame_header other = *frame;
    other.chain ^= 1;
    frame_seal(sample_log_segment(sample, frame->segment) + frame->offset, &other,
               segment_salt(sample->meta.log_id, frame->segment));
    struct log_survey_report report = survey(sample);
    bool starts = frame->offset == SEGMENT_HEADER_BYTES;
    /* It does not follow, and the one behind it does not follow it. */
    assert_damage(&report, frame->segment, starts ? 0 : frame->offset, frame->first_lsn, 1);
    assert_int_equal(report.frames, sample->frame_count);
}

static void lost_files__are_named_and_what_is_behind_is_counted(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 2; number < sample->last_segment; number++) {
        struct sample_log copy;
        uint64_t first_lsn = sample->starts[number].first_lsn;
        struct whole after = whole_of(sample, first_of(sample, number + 1), sample->frame_count);

        sample_log_copy(sample, &copy);
        sample_log_remove(&copy, number, number);
        struct log_survey_report report = survey(&copy);
        assert_damage(&report, number, 0, first_lsn, 0);
        assert_after(&report, after);
        sample_log_destroy(&copy);

        sample_log_copy(sample, &copy);
        memset(sample_log_segment(&copy, number), 0, SAMPLE_SEGMENT_BYTES);
        report = survey(&copy);
        assert_damage(&report, number, 0, first_lsn, 0);
        assert_after(&report, after);
        segment_spare_block(&copy.meta, number, sample_log_segment(&copy, number));
        report = survey(&copy);
        assert_damage(&report, number, 0, first_lsn, 0);
        assert_after(&report, after);
        sample_log_destroy(&copy);
    }
}

static void short_file__is_named_and_its_rest_is_counted(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 1; number < sample->last_segment; number++) {
        for (uint64_t size = 0; size < SAMPLE_SEGMENT_BYTES; size += 3000) {
            struct sample_log copy;
            uint8_t saved[SAMPLE_SEGMENT_BYTES];
            char name[STORAGE_NAME_MAX];
            sample_log_copy(sample, &copy);
            segment_name(number, name);
            memcpy(saved, sample_log_segment(&copy, number), sizeof(saved));
            sim_disk_put(copy.disk, name, saved, size);
            struct log_survey_report report = survey(&copy);
            assert_true(report.is_damaged);
            assert_string_equal(report.damage.file, name);
            assert_true(report.damaged_after <= 1);
            assert_int_equal(report.last_lsn_after, sample->last_lsn);
            assert_int_equal(
                report.frames,
                sample->frame_count - (first_of(sample, number + 1) - first_of(sample, number)) +
                    (report.frames_after -
                     whole_of(sample, first_of(sample, number + 1), sample->frame_count).frames));
            sample_log_destroy(&copy);
        }
    }
}

static void swapped_files__are_two_damages(void **state)
{
    struct sample_log *sample = *state;
    uint8_t saved[SAMPLE_SEGMENT_BYTES];
    memcpy(saved, sample_log_segment(sample, 5), sizeof(saved));
    memcpy(sample_log_segment(sample, 5), sample_log_segment(sample, 6), sizeof(saved));
    memcpy(sample_log_segment(sample, 6), saved, sizeof(saved));
    struct log_survey_report report = survey(sample);
    assert_damage(&report, 5, 0, sample->starts[5].first_lsn, 1);
    assert_after(&report, whole_of(sample, first_of(sample, 7), sample->frame_count));
}

static void rotten_spare__is_damage(void **state)
{
    struct sample_log *sample = *state;
    sample_log_segment(sample, sample->last_file)[9000] ^= 1;
    struct log_survey_report report = survey(sample);
    assert_damage(&report, sample->last_file - 1, 0, sample->last_lsn + 1, 1);
    assert_int_equal(report.frames, sample->frame_count);
    assert_int_equal(report.frames_after, 0);
}

/* --- the caller ------------------------------------------------------------------------------ */

struct pace {
    unsigned calls;
    unsigned calls_max;
    uint64_t bytes_done;
    uint64_t bytes_total;
};

static int note_pace(void *context, uint64_t bytes_done, uint64_t bytes_total)
{
    struct pace *pace = context;
    assert_true(bytes_done > pace->bytes_done && bytes_done <= bytes_total);
    pace->bytes_done = bytes_done;
    pace->bytes_total = bytes_total;
    return ++pace->calls == pace->calls_max ? -ECANCELED : 0;
}

static void pace__is_told_and_can_end_it(void **state)
{
    struct sample_log *sample = *state;
    struct log_survey_report report;
    struct pace pace = {0};
    assert_int_equal(
        log_survey(sample_log_storage(sample), &sample->meta, &report, note_pace, &pace), 0);
    assert_int_equal(pace.calls, sample->last_segment);
    assert_int_equal(pace.bytes_done, pace.bytes_total);
    pace = (struct pace){.calls_max = 3};
    assert_int_equal(
        log_survey(sample_log_storage(sample), &sample->meta, &report, note_pace, &pace),
        -ECANCELED);
    assert_int_equal(pace.calls, 3);
}

static void failing_operation__is_answered(void **state)
{
    struct sample_log *sample = *state;
    uint64_t nth = 1;
    for (; nth < OPERATIONS_MAX; nth++) {
        struct log_survey_report report;
        uint64_t before = sim_disk_operations(sample->disk);
        sim_disk_fail(sample->disk, nth, EIO, false);
        int error = log_survey(sample_log_storage(sample), &sample->meta, &report, NULL, NULL);
        bool reached = sim_disk_operations(sample->disk) - before >= nth;
        sim_disk_fail(sample->disk, 0, 0, false);
        assert_int_equal(error, reached ? -EIO : 0);
        if (!reached)
            break;
    }
    assert_in_range(nth, 30, OPERATIONS_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_sample(whole_log__has_no_damage_and_is_counted),
        cmocka_unit_test(new_log__has_nothing),
        test_sample(torn_tail__is_no_damage),
        test_sample(damaged_frame__is_named_and_all_others_are_counted),
        test_sample(damaged_segment_header__loses_no_frame),
        test_sample(every_further_damage__is_counted),
        test_sample(whole_frames_that_do_not_follow__are_a_damage),
        test_sample(lost_files__are_named_and_what_is_behind_is_counted),
        test_sample(short_file__is_named_and_its_rest_is_counted),
        test_sample(swapped_files__are_two_damages),
        test_sample(rotten_spare__is_damage),
        test_sample(pace__is_told_and_can_end_it),
        test_sample(failing_operation__is_answered),
    };
    return cmocka_run_group_tests(tests, sample_log_create_original, sample_log_destroy_original);
}
