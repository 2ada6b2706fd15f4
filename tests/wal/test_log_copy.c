/* test_log_copy.c - the log up to an LSN as segment files: a log that ended there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wal/checksum.h"
#include "wal/log_copy.h"
#include "wal/sample_log.h"
#include "wal/segment.h"

enum { SEGMENTS_MAX = SAMPLE_SEGMENTS_MAX };

/* A copy put together from its pieces. */
struct copied {
    uint8_t *segments[SEGMENTS_MAX]; /* by number */
    uint64_t first;
    uint64_t last;
};

/* 0, or what log_copy_next() refused with. */
static int copy(struct sample_log *sample, uint64_t durable_lsn, struct copied *copied,
                struct log_fault *fault)
{
    struct log_copy *log;
    struct log_piece piece;
    uint64_t expected = 0;
    *copied = (struct copied){.first = 0};
    assert_int_equal(log_copy_open(sample_log_storage(sample), &sample->meta, durable_lsn, &log),
                     0);
    int error;
    while ((error = log_copy_next(log, &piece, fault)) == 0) {
        assert_true(piece.length > 0);
        assert_true(piece.segment < SEGMENTS_MAX);
        if (piece.offset == 0) {
            assert_true(expected == 0 || expected == SAMPLE_SEGMENT_BYTES);
            assert_true(copied->first == 0 || piece.segment == copied->last + 1);
            /* free_copied() frees it, unless the test fails.
             * NOLINTBEGIN(clang-analyzer-unix.Malloc) */
            copied->segments[piece.segment] = malloc(SAMPLE_SEGMENT_BYTES);
            copied->last = piece.segment;
            /* NOLINTEND(clang-analyzer-unix.Malloc) */
            copied->first = copied->first == 0 ? piece.segment : copied->first;
            expected = 0;
        }
        assert_int_equal(piece.segment, copied->last);
        assert_int_equal(piece.offset, expected);
        memcpy(copied->segments[piece.segment] + piece.offset, piece.bytes, piece.length);
        expected += piece.length;
    }
    log_copy_close(log);
    if (error == -ENODATA)
        assert_int_equal(expected, SAMPLE_SEGMENT_BYTES);
    return error == -ENODATA ? 0 : error;
}

static void free_copied(struct copied *copied)
{
    for (size_t i = 0; i < SEGMENTS_MAX; i++)
        free(copied->segments[i]);
}

/* Whether the frame belongs into a copy: records up to the LSN, and marks between them and behind.
 */
static bool is_due(const struct frame_header *frame, uint64_t durable_lsn)
{
    return frame->last_lsn <= durable_lsn;
}

static void copy__up_to_every_frame_is_the_log_with_zeros_behind(void **state)
{
    struct sample_log sample;
    struct log_fault fault;
    (void)state;
    sample_log_create(&sample);
    for (size_t end = 0; end < sample.frame_count; end++) {
        const uint64_t lsn = sample.frames[end].last_lsn;
        struct copied copied;
        assert_int_equal(copy(&sample, lsn, &copied, &fault), 0);
        assert_int_equal(copied.first, 1);
        for (uint64_t number = 1; number <= sample.last_segment; number++) {
            uint8_t expected[SAMPLE_SEGMENT_BYTES] = {0};
            const uint8_t *original = sample_log_segment(&sample, number);
            bool any = false;
            for (size_t i = 0; i < sample.frame_count; i++) {
                const struct frame_header *frame = &sample.frames[i];
                if (frame->segment != number || !is_due(frame, lsn))
                    continue;
                memcpy(expected + frame->offset, original + frame->offset, frame->length);
                any = true;
            }
            memcpy(expected, original, SEGMENT_HEADER_BYTES);
            assert_int_equal(any, number <= copied.last);
            if (any)
                assert_memory_equal(copied.segments[number], expected, SAMPLE_SEGMENT_BYTES);
        }
        free_copied(&copied);
    }
    sample_log_destroy(&sample);
}

static void copy__begins_at_the_first_kept_segment(void **state)
{
    struct sample_log sample;
    struct copied copied;
    struct log_fault fault;
    (void)state;
    sample_log_create(&sample);
    for (uint64_t first = 2; first < sample.last_segment; first += 3) {
        struct sample_log spoilt;
        sample_log_copy(&sample, &spoilt);
        sample_log_remove(&spoilt, 1, first - 1);
        assert_int_equal(copy(&spoilt, sample.last_lsn, &copied, &fault), 0);
        assert_int_equal(copied.first, first);
        assert_int_equal(copied.last, sample.last_segment);
        free_copied(&copied);
        sample_log_destroy(&spoilt);
    }
    sample_log_destroy(&sample);
}

static void copy__refuses_damage_and_names_its_place(void **state)
{
    struct sample_log sample;
    (void)state;
    sample_log_create(&sample);
    for (size_t i = 0; i < sample.frame_count; i++) {
        const struct frame_header *frame = &sample.frames[i];
        struct sample_log spoilt;
        struct copied copied;
        struct log_fault fault;
        char name[STORAGE_NAME_MAX];
        if (frame->last_lsn == sample.last_lsn)
            break; /* what is behind may only be marks */
        sample_log_copy(&sample, &spoilt);
        sample_log_segment(&spoilt, frame->segment)[frame->offset + 300] ^= 0x10;
        assert_int_equal(copy(&spoilt, sample.last_lsn, &copied, &fault), -EBADMSG);
        segment_name(frame->segment, name);
        assert_string_equal(fault.file, name);
        assert_true(fault.reason[0] != '\0');
        /* at the start of a segment, header block and frame are one write */
        assert_int_equal(fault.offset, frame->offset == SEGMENT_HEADER_BYTES ? 0 : frame->offset);
        assert_int_equal(fault.lsn, frame->first_lsn);
        free_copied(&copied);
        sample_log_destroy(&spoilt);
    }
    sample_log_destroy(&sample);
}

static void copy__refuses_a_log_that_is_shorter_than_it_should_be(void **state)
{
    struct sample_log sample;
    struct copied copied;
    struct log_fault fault;
    (void)state;
    sample_log_create(&sample);
    assert_int_equal(copy(&sample, sample.last_lsn + 1, &copied, &fault), -EBADMSG);
    free_copied(&copied);
    /* a segment is gone in the middle */
    sample_log_remove(&sample, sample.last_segment / 2, sample.last_segment / 2);
    assert_int_equal(copy(&sample, sample.last_lsn, &copied, &fault), -EBADMSG);
    assert_string_equal(fault.reason, "the segment is missing");
    free_copied(&copied);
    sample_log_destroy(&sample);
}

static void copy__does_not_look_at_what_stands_behind_its_end(void **state)
{
    struct sample_log sample;
    (void)state;
    sample_log_create(&sample);
    for (size_t i = 1; i < sample.frame_count; i++) {
        const struct frame_header *frame = &sample.frames[i];
        struct sample_log spoilt;
        struct copied copied;
        struct log_fault fault;
        if (frame->record_count == 0)
            continue;
        sample_log_copy(&sample, &spoilt);
        sample_log_segment(&spoilt, frame->segment)[frame->offset + 300] ^= 0x10;
        assert_int_equal(copy(&spoilt, frame->first_lsn - 1, &copied, &fault), 0);
        free_copied(&copied);
        sample_log_destroy(&spoilt);
    }
    sample_log_destroy(&sample);
}

static void start__of_every_segment_is_what_the_log_itself_keeps(void **state)
{
    struct sample_log sample;
    (void)state;
    sample_log_create(&sample);
    for (uint64_t number = 1; number <= sample.last_segment; number++) {
        struct log_start start;
        assert_int_equal(
            log_copy_read_start(sample_log_storage(&sample), &sample.meta, number, &start), 0);
        assert_int_equal(start.segment, number);
        assert_int_equal(start.first_lsn, sample.starts[number].first_lsn);
        assert_int_equal(start.chain, sample.starts[number].chain);
        assert_int_equal(start.epoch, sample.starts[number].epoch);
    }
    struct log_start start;
    struct storage *storage = sample_log_storage(&sample);
    assert_int_equal(log_copy_read_start(storage, &sample.meta, sample.last_file, &start),
                     -ENODATA);
    assert_int_equal(log_copy_read_start(storage, &sample.meta, 4000, &start), -ENODATA);
    sample_log_segment(&sample, 2)[20] ^= 1;
    assert_int_equal(log_copy_read_start(storage, &sample.meta, 2, &start), -EBADMSG);
    sample_log_destroy(&sample);
}

static void checksum__of_a_stream_is_that_of_the_whole(void **state)
{
    uint8_t bytes[3000];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    struct checksum_stream *stream = checksum_stream_create();
    assert_non_null(stream);
    for (size_t piece = 1; piece < sizeof(bytes); piece += 97) {
        checksum_stream_begin(stream);
        for (size_t i = 0; i < sizeof(bytes); i += piece)
            checksum_stream_add(stream, bytes + i,
                                sizeof(bytes) - i < piece ? sizeof(bytes) - i : piece);
        assert_int_equal(checksum_stream_value(stream), checksum_bytes(bytes, sizeof(bytes), 0));
    }
    checksum_stream_destroy(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy__up_to_every_frame_is_the_log_with_zeros_behind),
        cmocka_unit_test(copy__begins_at_the_first_kept_segment),
        cmocka_unit_test(copy__refuses_damage_and_names_its_place),
        cmocka_unit_test(copy__refuses_a_log_that_is_shorter_than_it_should_be),
        cmocka_unit_test(copy__does_not_look_at_what_stands_behind_its_end),
        cmocka_unit_test(start__of_every_segment_is_what_the_log_itself_keeps),
        cmocka_unit_test(checksum__of_a_stream_is_that_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
