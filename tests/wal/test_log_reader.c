/* test_log_reader.c - frames found by LSN and read in order: closed logs, growing ones, shortened
 * ones, damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wal/bytes.h"
#include "wal/log_reader.h"
#include "wal/sample_log.h"
#include "wal/segment.h"

enum { SECTOR = STORAGE_SECTOR_BYTES };

static struct log_reader *open_reader(struct sample_log *sample)
{
    struct log_reader *reader = NULL;
    assert_int_equal(log_reader_open(sample_log_storage(sample), &sample->meta, &reader), 0);
    return reader;
}

static void assert_frame(const struct sample_log *sample, const struct log_frame *frame,
                         uint64_t lsn)
{
    const struct frame_header *expected = sample_log_frame(sample, lsn);
    assert_int_equal(frame->header.segment, expected->segment);
    assert_int_equal(frame->header.offset, expected->offset);
    assert_int_equal(frame->header.checksum, expected->checksum);
    assert_true(history_records_are_right(frame->header.first_lsn, frame->header.record_count,
                                          frame->payload, frame->header.payload_length));
}

/* Reads on to the end; returns the last LSN. */
static uint64_t read_to_end(struct log_reader *reader, const struct sample_log *sample,
                            uint64_t durable_lsn, uint64_t next_lsn)
{
    struct log_fault fault;
    struct log_frame frame;
    int error;
    while ((error = log_reader_next(reader, durable_lsn, &frame, &fault)) == 0) {
        assert_frame(sample, &frame, next_lsn);
        assert_int_equal(frame.header.first_lsn, next_lsn);
        next_lsn = frame.header.last_lsn + 1;
    }
    assert_int_equal(error, -ENODATA);
    return next_lsn - 1;
}

/* --- closed logs ----------------------------------------------------------------------------- */

static void seek__finds_every_lsn_and_next_reads_to_the_end(void **state)
{
    struct sample_log *sample = *state;
    struct log_reader *reader = open_reader(sample);
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t i = 1; i <= sample->last_lsn; i++) {
            uint64_t lsn = round == 0 ? i : sample->last_lsn + 1 - i;
            struct log_fault fault;
            struct log_frame frame;
            assert_int_equal(log_reader_seek(reader, lsn, sample->last_lsn, &fault), 0);
            assert_int_equal(log_reader_next(reader, sample->last_lsn, &frame, &fault), 0);
            assert_frame(sample, &frame, lsn);
            assert_int_equal(
                read_to_end(reader, sample, sample->last_lsn, frame.header.last_lsn + 1),
                sample->last_lsn);
        }
    }
    log_reader_close(reader);
}

static void nothing_behind_the_durable_lsn__is_handed_out(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t durable = 1; durable <= sample->last_lsn; durable++) {
        struct log_reader *reader = open_reader(sample);
        const struct frame_header *last = sample_log_frame(sample, durable);
        uint64_t end = last->last_lsn <= durable ? last->last_lsn : last->first_lsn - 1;
        struct log_fault fault;
        assert_int_equal(log_reader_seek(reader, 1, durable, &fault), 0);
        assert_int_equal(read_to_end(reader, sample, durable, 1), end);
        assert_int_equal(read_to_end(reader, sample, durable, end + 1), end);
        assert_int_equal(read_to_end(reader, sample, sample->last_lsn, end + 1), sample->last_lsn);
        log_reader_close(reader);
    }
}

static void large_frames__are_found_and_read(void **state)
{
    (void)state;
    struct sample_log sample = {.disk = sim_disk_create()};
    sample.channel = sim_disk_channel(sample.disk);
    sample.meta = history_meta(4 * 1024 * 1024);
    struct history history;
    assert_int_equal(
        history_open(&history, sample_log_storage(&sample), sample.channel, &sample.meta), 0);
    for (uint32_t i = 0; i < 24; i++) {
        uint32_t count = i % 5 == 4 ? 1 : i % 3 == 0 ? 1024 : 300;
        assert_int_equal(history_append(&history, count, i % 3 == 0 ? 1024 : 1000), 0);
        history_commit(&history);
    }
    struct log_reader *reader = open_reader(&sample);
    for (size_t i = 0; i < history.group_count; i++) {
        struct log_fault fault;
        struct log_frame frame;
        uint64_t lsn = history.group_ends[i];
        assert_int_equal(log_reader_seek(reader, lsn, history.durable, &fault), 0);
        for (size_t n = i; n < history.group_count; n++) {
            assert_int_equal(log_reader_next(reader, history.durable, &frame, &fault), 0);
            assert_int_equal(frame.header.last_lsn, history.group_ends[n]);
            assert_true(history_records_are_right(frame.header.first_lsn, frame.header.record_count,
                                                  frame.payload, frame.header.payload_length));
        }
    }
    log_reader_close(reader);
    history_close(&history, false);
    sample_log_destroy(&sample);
}

static void segments__say_their_first_lsns(void **state)
{
    struct sample_log *sample = *state;
    struct log_reader *reader = open_reader(sample);
    uint64_t first = 0;
    assert_int_equal(log_reader_first_segment(reader, &first), 0);
    assert_int_equal(first, 1);
    for (uint64_t number = 1; number <= sample->last_segment; number++) {
        uint64_t lsn = 0;
        assert_int_equal(log_reader_segment_lsn(reader, number, &lsn), 0);
        assert_int_equal(lsn, sample->starts[number].first_lsn);
    }
    uint64_t lsn;
    assert_int_equal(log_reader_segment_lsn(reader, sample->last_segment + 1, &lsn), -ENODATA);
    assert_int_equal(log_reader_segment_lsn(reader, sample->last_file + 1, &lsn), -ENODATA);
    assert_int_equal(log_reader_first_lsn(reader, &lsn), 0);
    assert_int_equal(lsn, 1);
    log_reader_close(reader);
}

static void empty_log__begins_with_lsn_1(void **state)
{
    (void)state;
    struct sample_log sample = {.disk = sim_disk_create(), .meta = history_meta(16 * 1024)};
    assert_int_equal(meta_create(sample_log_storage(&sample), &sample.meta), 0);
    struct log_reader *reader = open_reader(&sample);
    uint64_t lsn = 0;
    assert_int_equal(log_reader_first_lsn(reader, &lsn), 0);
    assert_int_equal(lsn, 1);
    assert_int_equal(log_reader_segment_lsn(reader, 1, &lsn), -ENODATA);
    log_reader_close(reader);
    sim_disk_destroy(sample.disk);
}

/* --- growing logs ---------------------------------------------------------------------------- */

/* Sizes that fill segments of three blocks in every way. */
static size_t growing_length(unsigned i)
{
    return 100 + (size_t)i * 5 % 9 * 1300;
}

static void reader__follows_a_log_that_is_written(void **state)
{
    (void)state;
    struct sample_log sample = {.disk = sim_disk_create()};
    sample.channel = sim_disk_channel(sample.disk);
    sample.meta = history_meta(16 * 1024);
    struct history history;
    assert_int_equal(
        history_open(&history, sample_log_storage(&sample), sample.channel, &sample.meta), 0);
    struct log_reader *reader = open_reader(&sample);
    struct log_reader *finder = open_reader(&sample);
    struct log_fault fault;
    struct log_frame frame;
    for (unsigned i = 1; i <= 60; i++) {
        assert_int_equal(history_append(&history, 1, growing_length(i)), 0);
        /* In flight: its sectors can be read already, and must not be. */
        sim_disk_hold_completions(sample.disk, true);
        assert_true(log_commit(history.log, sample.channel, 0));
        if (i > 1)
            assert_int_equal(log_reader_next(reader, i - 1, &frame, &fault), -ENODATA);
        sim_disk_hold_completions(sample.disk, false);
        uint64_t workers;
        assert_true(log_complete(history.log, sample.channel, 0, &workers));
        if (i == 1)
            assert_int_equal(log_reader_seek(reader, 1, 1, &fault), 0);
        assert_int_equal(log_reader_next(reader, i, &frame, &fault), 0);
        assert_int_equal(frame.header.first_lsn, i);
        assert_true(history_records_are_right(i, 1, frame.payload, frame.header.payload_length));
        uint64_t lsn = i % 3 == 0 ? i : i / 2 + 1;
        assert_int_equal(log_reader_seek(finder, lsn, i, &fault), 0);
        assert_int_equal(log_reader_next(finder, i, &frame, &fault), 0);
        assert_int_equal(frame.header.first_lsn, lsn);
        if (i % 4 == 0)
            history_mark(&history);
    }
    log_reader_close(reader);
    log_reader_close(finder);
    history_close(&history, false);
    sample_log_destroy(&sample);
}

/* --- shortened logs -------------------------------------------------------------------------- */

static void removed_lsns__are_answered_as_gone(void **state)
{
    struct sample_log *sample = *state;
    struct log_reader *old = open_reader(sample); /* remembers segments that are gone */
    for (uint64_t first = 2; first <= sample->last_segment; first++) {
        struct log_fault fault;
        struct log_frame frame;
        sample_log_remove(sample, first - 1, first - 1);
        struct log_reader *reader = open_reader(sample);
        uint64_t first_lsn = sample->starts[first].first_lsn;
        uint64_t found = 0;
        assert_int_equal(log_reader_first_lsn(reader, &found), 0);
        assert_int_equal(found, first_lsn);
        assert_int_equal(log_reader_first_segment(reader, &found), 0);
        assert_int_equal(found, first);
        for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++) {
            int expected = lsn < first_lsn ? -ENODATA : 0;
            assert_int_equal(log_reader_seek(reader, lsn, sample->last_lsn, &fault), expected);
            assert_int_equal(log_reader_seek(old, lsn, sample->last_lsn, &fault), expected);
            if (expected == 0) {
                assert_int_equal(log_reader_next(old, sample->last_lsn, &frame, &fault), 0);
                assert_frame(sample, &frame, lsn);
            }
        }
        log_reader_close(reader);
    }
    log_reader_close(old);
}

static void reading_into_removed_segments__ends_as_gone(void **state)
{
    struct sample_log *sample = *state;
    struct log_reader *reader = open_reader(sample);
    struct log_fault fault;
    struct log_frame frame;
    assert_int_equal(log_reader_seek(reader, 1, sample->last_lsn, &fault), 0);
    assert_int_equal(log_reader_next(reader, sample->last_lsn, &frame, &fault), 0);
    uint64_t there = frame.header.segment;
    sample_log_remove(sample, 1, there + 3);
    int error;
    while ((error = log_reader_next(reader, sample->last_lsn, &frame, &fault)) == 0)
        assert_int_equal(frame.header.segment, there);
    assert_int_equal(error, -ENODATA);
    log_reader_close(reader);
}

/* --- damage ---------------------------------------------------------------------------------- */

static void assert_fault(const struct log_fault *fault, uint64_t segment, uint64_t lsn)
{
    char name[STORAGE_NAME_MAX];
    segment_name(segment, name);
    assert_string_equal(fault->file, name);
    assert_int_equal(fault->lsn, lsn);
    assert_true(fault->reason[0] != '\0');
}

/* From the beginning: everything before the damage, then its name. */
static void assert_reading_stops_at(struct sample_log *sample, struct log_reader *reader,
                                    const struct frame_header *damaged)
{
    struct log_fault fault;
    struct log_frame frame;
    uint64_t next_lsn = 1;
    int error = log_reader_seek(reader, 1, sample->last_lsn, &fault);
    while (error == 0) {
        error = log_reader_next(reader, sample->last_lsn, &frame, &fault);
        if (error == 0)
            next_lsn = frame.header.last_lsn + 1;
    }
    if (damaged->kind != FRAME_RECORDS && damaged->first_lsn == 1) {
        assert_int_equal(error, -ENODATA); /* the mark before LSN 1 is not read */
        return;
    }
    assert_int_equal(error, -EBADMSG);
    assert_int_equal(next_lsn, damaged->first_lsn);
    assert_fault(&fault, damaged->segment, damaged->first_lsn);
    assert_int_equal(fault.offset, damaged->offset);
}

static void assert_seeking_finds_all_but(struct sample_log *sample, struct log_reader *reader,
                                         const struct frame_header *damaged)
{
    for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++) {
        struct log_fault fault;
        struct log_frame frame = {0};
        int error = log_reader_seek(reader, lsn, sample->last_lsn, &fault);
        if (error == 0)
            error = log_reader_next(reader, sample->last_lsn, &frame, &fault);
        if (sample_log_frame(sample, lsn) == damaged) {
            assert_int_equal(error, -EBADMSG);
            assert_int_equal(fault.offset, damaged->offset);
        } else {
            assert_int_equal(error, 0);
            assert_frame(sample, &frame, lsn);
        }
    }
}

static void damaged_frame__is_named_and_never_handed_out(void **state)
{
    struct sample_log *sample = *state;
    for (size_t i = 0; i < sample->frame_count; i++) {
        const struct frame_header *damaged = &sample->frames[i];
        if (damaged->first_lsn > sample->last_lsn)
            continue; /* a mark behind the last record */
        uint8_t *bytes = sample_log_segment(sample, damaged->segment) + damaged->offset;
        for (uint32_t sector = 0; sector < damaged->length; sector += SECTOR) {
            size_t at = sector + (sector + i * 61) % SECTOR;
            bytes[at] ^= 4;
            struct log_reader *reader = open_reader(sample);
            assert_reading_stops_at(sample, reader, damaged);
            assert_seeking_finds_all_but(sample, reader, damaged);
            log_reader_close(reader);
            bytes[at] ^= 4;
        }
    }
}

static void damaged_segment_header__is_named_by_reading_and_passed_by_seeking(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t number = 2; number <= sample->last_segment; number++) {
        const struct log_start *start = &sample->starts[number];
        if (start->first_lsn > sample->last_lsn)
            continue;
        for (uint32_t at = 5; at < SEGMENT_HEADER_BYTES; at += SECTOR) {
            sample_log_segment(sample, number)[at] ^= 1;
            struct log_reader *reader = open_reader(sample);
            struct log_fault fault;
            struct log_frame frame;
            assert_int_equal(log_reader_seek(reader, 1, sample->last_lsn, &fault), 0);
            int error;
            while ((error = log_reader_next(reader, sample->last_lsn, &frame, &fault)) == 0)
                assert_true(frame.header.segment < number);
            assert_int_equal(error, -EBADMSG);
            assert_fault(&fault, number, start->first_lsn);
            assert_int_equal(fault.offset, 0);
            for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++) {
                assert_int_equal(log_reader_seek(reader, lsn, sample->last_lsn, &fault), 0);
                assert_int_equal(log_reader_next(reader, sample->last_lsn, &frame, &fault), 0);
                assert_frame(sample, &frame, lsn);
            }
            log_reader_close(reader);
            sample_log_segment(sample, number)[at] ^= 1;
        }
    }
}

/* Reads all; the answer is the damage. */
static void assert_reading_refused(struct sample_log *sample, uint64_t segment)
{
    struct log_reader *reader = open_reader(sample);
    struct log_fault fault;
    struct log_frame frame;
    int error = log_reader_seek(reader, 1, sample->last_lsn, &fault);
    while (error == 0)
        error = log_reader_next(reader, sample->last_lsn, &frame, &fault);
    assert_int_equal(error, -EBADMSG);
    char name[STORAGE_NAME_MAX];
    segment_name(segment, name);
    assert_string_equal(fault.file, name);
    log_reader_close(reader);
}

static void swapped_missing_and_short_files__are_named(void **state)
{
    struct sample_log *sample = *state;
    struct sample_log copy;
    uint8_t saved[SAMPLE_SEGMENT_BYTES];

    sample_log_copy(sample, &copy);
    memcpy(saved, sample_log_segment(&copy, 5), sizeof(saved));
    memcpy(sample_log_segment(&copy, 5), sample_log_segment(&copy, 6), sizeof(saved));
    memcpy(sample_log_segment(&copy, 6), saved, sizeof(saved));
    assert_reading_refused(&copy, 5);
    sample_log_destroy(&copy);

    sample_log_copy(sample, &copy);
    sample_log_remove(&copy, 5, 5);
    assert_reading_refused(&copy, 5);
    sample_log_destroy(&copy);

    for (uint64_t size = 0; size < SAMPLE_SEGMENT_BYTES; size += 4096) {
        sample_log_copy(sample, &copy);
        memcpy(saved, sample_log_segment(&copy, 5), sizeof(saved));
        sim_disk_put(copy.disk, "log/0000000000000005.wal", saved, size);
        assert_reading_refused(&copy, 5);
        sample_log_destroy(&copy);
    }

    sample_log_copy(sample, &copy);
    segment_spare_block(&copy.meta, 5, sample_log_segment(&copy, 5));
    memset(sample_log_segment(&copy, 5) + 4096, 0, SAMPLE_SEGMENT_BYTES - 4096);
    assert_reading_refused(&copy, 5);
    sample_log_destroy(&copy);
}

/* --- the disk fails -------------------------------------------------------------------------- */

static void failing_operations__are_answered_and_do_not_confuse(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t nth = 1;; nth++) {
        struct log_reader *reader = open_reader(sample);
        uint64_t before = sim_disk_operations(sample->disk);
        sim_disk_fail(sample->disk, nth, EIO, false);
        struct log_fault fault;
        struct log_frame frame;
        uint64_t next_lsn = 7;
        int error = log_reader_seek(reader, 7, sample->last_lsn, &fault);
        if (error != 0) {
            assert_int_equal(error, -EIO);
            assert_int_equal(log_reader_seek(reader, 7, sample->last_lsn, &fault), 0);
        }
        unsigned failures = 0;
        while (next_lsn <= sample->last_lsn) {
            error = log_reader_next(reader, sample->last_lsn, &frame, &fault);
            if (error == -EIO && ++failures == 1)
                continue;
            assert_int_equal(error, 0);
            assert_frame(sample, &frame, next_lsn);
            next_lsn = frame.header.last_lsn + 1;
        }
        bool reached = sim_disk_operations(sample->disk) - before >= nth;
        sim_disk_fail(sample->disk, 0, 0, false);
        log_reader_close(reader);
        if (!reached) {
            assert_true(nth > 50);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_sample(seek__finds_every_lsn_and_next_reads_to_the_end),
        test_sample(nothing_behind_the_durable_lsn__is_handed_out),
        cmocka_unit_test(large_frames__are_found_and_read),
        test_sample(segments__say_their_first_lsns),
        cmocka_unit_test(empty_log__begins_with_lsn_1),
        cmocka_unit_test(reader__follows_a_log_that_is_written),
        test_sample(removed_lsns__are_answered_as_gone),
        test_sample(reading_into_removed_segments__ends_as_gone),
        test_sample(damaged_frame__is_named_and_never_handed_out),
        test_sample(damaged_segment_header__is_named_by_reading_and_passed_by_seeking),
        test_sample(swapped_missing_and_short_files__are_named),
        test_sample(failing_operations__are_answered_and_do_not_confuse),
    };
    return cmocka_run_group_tests(tests, sample_log_create_original, sample_log_destroy_original);
}
