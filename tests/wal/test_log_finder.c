/* test_log_finder.c - single records found in any order: closed logs, growing ones, shortened ones,
 * damaged ones; and how many reads that takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wal/log_finder.h"
#include "wal/sample_log.h"
#include "wal/segment.h"

enum { SECTOR = STORAGE_SECTOR_BYTES };

static struct log_finder *open_finder(struct storage *storage, const struct meta *meta)
{
    struct log_finder *finder = NULL;
    assert_int_equal(log_finder_open(storage, meta, &finder), 0);
    return finder;
}

static struct log_finder *open_sample_finder(struct sample_log *sample)
{
    return open_finder(sample_log_storage(sample), &sample->meta);
}

/* Finds the frame of an LSN and copies its payload. */
static int read_frame(struct log_finder *finder, uint64_t lsn, uint64_t durable_lsn,
                      struct frame_header *frame, uint8_t *payload, struct log_fault *fault)
{
    int error = log_finder_find(finder, lsn, durable_lsn, frame, fault);
    for (uint32_t done = 0; error == 0 && done < frame->payload_length;) {
        uint32_t copied = 0;
        error = log_finder_payload(finder, frame, done, durable_lsn, payload + done,
                                   frame->payload_length - done, &copied, fault);
        assert_true(error != 0 || copied > 0);
        done += copied;
    }
    return error;
}

static void assert_finds(struct log_finder *finder, uint64_t lsn, uint64_t durable_lsn)
{
    static uint8_t payload[FLORIN_GROUP_BYTES_MAX];
    struct frame_header frame;
    struct log_fault fault;
    int error = read_frame(finder, lsn, durable_lsn, &frame, payload, &fault);
    if (error != 0)
        fail_msg("LSN %d: error %d, %s at %d: %s", (int)lsn, error, fault.file, (int)fault.offset,
                 fault.reason);
    assert_in_range(lsn, frame.first_lsn, frame.last_lsn);
    assert_true(history_records_are_right(frame.first_lsn, frame.record_count, payload,
                                          frame.payload_length));
}

static void every_lsn__is_found_in_any_order(void **state)
{
    struct sample_log *sample = *state;
    struct log_finder *finder = open_sample_finder(sample);
    uint64_t reads = 0;
    for (unsigned round = 0; round < 2; round++) {
        reads = log_finder_reads(finder);
        for (uint64_t i = 1; i <= sample->last_lsn; i++)
            assert_finds(finder, sample->last_lsn + 1 - i, sample->last_lsn);
        for (uint64_t i = 1; i <= sample->last_lsn; i++)
            assert_finds(finder, i, sample->last_lsn);
        for (uint64_t i = 0; i < sample->last_lsn; i++)
            assert_finds(finder, i * 37 % sample->last_lsn + 1, sample->last_lsn);
    }
    assert_int_equal(log_finder_reads(finder), reads); /* all of it is in memory */
    log_finder_close(finder);
    for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++) {
        finder = open_sample_finder(sample);
        assert_finds(finder, lsn, sample->last_lsn);
        log_finder_close(finder);
    }
}

static void large_frames__are_found_and_read(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_create();
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(4 * 1024 * 1024);
    struct history history;
    assert_int_equal(history_open(&history, sim_disk_storage(disk), channel, &meta), 0);
    for (uint32_t i = 0; i < 24; i++) {
        uint32_t count = i % 5 == 4 ? 1 : i % 3 == 0 ? 1024 : 300;
        assert_int_equal(history_append(&history, count, i % 3 == 0 ? 1024 : 1000), 0);
        history_commit(&history);
    }
    struct log_finder *finder = open_finder(sim_disk_storage(disk), &meta);
    for (size_t i = 0; i < history.group_count; i++)
        assert_finds(finder, history.group_ends[i * 7 % history.group_count], history.durable);
    log_finder_close(finder);
    history_close(&history, false);
    channel->operations->destroy(channel);
    sim_disk_destroy(disk);
}

static void growing_log__is_read_again_where_it_has_grown(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_create();
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(64 * 1024);
    struct history history;
    assert_int_equal(history_open(&history, sim_disk_storage(disk), channel, &meta), 0);
    struct log_finder *finder = open_finder(sim_disk_storage(disk), &meta);
    for (unsigned i = 1; i <= 120; i++) {
        assert_int_equal(history_append(&history, 1, 100 + (size_t)i * 5 % 9 * 1300), 0);
        /* In flight: its sectors can be read already, and must not be looked at. */
        sim_disk_hold_completions(disk, true);
        assert_true(log_commit(history.log, channel, 0));
        for (unsigned lsn = i > 4 ? i - 4 : 1; lsn < i; lsn++)
            assert_finds(finder, lsn, i - 1);
        sim_disk_hold_completions(disk, false);
        uint64_t workers;
        assert_true(log_complete(history.log, channel, 0, &workers));
        assert_finds(finder, i, i);
        assert_finds(finder, i / 2 + 1, i);
        if (i % 4 == 0)
            history_mark(&history);
    }
    log_finder_close(finder);
    history_close(&history, false);
    channel->operations->destroy(channel);
    sim_disk_destroy(disk);
}

static void removed_lsns__are_answered_as_gone(void **state)
{
    struct sample_log *sample = *state;
    struct log_finder *old = open_sample_finder(sample);
    for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++)
        assert_finds(old, lsn, sample->last_lsn); /* all of it stays in memory */
    for (uint64_t first = 2; first <= sample->last_segment; first++) {
        uint64_t gone_lsn = sample->starts[first - 1].first_lsn;
        bool holds_records = gone_lsn < sample->starts[first].first_lsn;
        /* It has the file open that goes. */
        assert_finds(old, gone_lsn, sample->last_lsn);
        sample_log_remove(sample, first - 1, first - 1);
        log_finder_keep_from(old, first);
        struct frame_header gone;
        struct log_fault gone_fault;
        assert_int_equal(log_finder_find(old, gone_lsn, sample->last_lsn, &gone, &gone_fault),
                         holds_records ? -ENODATA : 0);
        struct log_finder *finder = open_sample_finder(sample);
        for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++) {
            struct log_fault fault;
            struct frame_header frame;
            if (lsn < sample->starts[first].first_lsn) {
                assert_int_equal(log_finder_find(finder, lsn, sample->last_lsn, &frame, &fault),
                                 -ENODATA);
                assert_int_equal(log_finder_find(old, lsn, sample->last_lsn, &frame, &fault),
                                 -ENODATA);
            } else {
                assert_finds(finder, lsn, sample->last_lsn);
                assert_finds(old, lsn, sample->last_lsn);
            }
        }
        log_finder_close(finder);
    }
    log_finder_close(old);
}

/* With one sector of a frame damaged: all other frames are found, and of this one nothing wrong. */
static void assert_damage_is_contained(struct sample_log *sample,
                                       const struct frame_header *damaged, uint32_t sector)
{
    static uint8_t payload[FLORIN_GROUP_BYTES_MAX];
    uint32_t used = (FRAME_HEADER_BYTES + damaged->payload_length + SECTOR_DATA_BYTES - 1) /
                    SECTOR_DATA_BYTES * SECTOR;
    struct log_finder *finder = open_sample_finder(sample);
    for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++) {
        struct frame_header frame;
        struct log_fault fault;
        if (sample_log_frame(sample, lsn) != damaged || sector >= used) {
            assert_finds(finder, lsn, sample->last_lsn);
            continue;
        }
        char name[STORAGE_NAME_MAX];
        segment_name(damaged->segment, name);
        assert_int_equal(read_frame(finder, lsn, sample->last_lsn, &frame, payload, &fault),
                         -EBADMSG);
        assert_string_equal(fault.file, name);
        assert_int_equal(fault.offset, damaged->offset + sector);
        assert_true(fault.reason[0] != '\0');
    }
    log_finder_close(finder);
}

static void damage__is_named_and_spoils_nothing_else(void **state)
{
    struct sample_log *sample = *state;
    for (size_t i = 0; i < sample->frame_count; i++) {
        const struct frame_header *damaged = &sample->frames[i];
        uint8_t *bytes = sample_log_segment(sample, damaged->segment) + damaged->offset;
        for (uint32_t sector = 0; sector < damaged->length; sector += SECTOR) {
            size_t at = sector + (sector + i * 61) % SECTOR;
            bytes[at] ^= 4;
            assert_damage_is_contained(sample, damaged, sector);
            bytes[at] ^= 4;
        }
        uint8_t block[STORAGE_ALIGNMENT];
        memcpy(block, bytes, sizeof(block));
        memset(bytes, 0, sizeof(block));
        assert_damage_is_contained(sample, damaged, 0);
        memcpy(bytes, block, sizeof(block));
    }
}

static void failing_operations__are_answered_and_do_not_confuse(void **state)
{
    struct sample_log *sample = *state;
    for (uint64_t nth = 1;; nth++) {
        struct log_finder *finder = open_sample_finder(sample);
        uint64_t before = sim_disk_operations(sample->disk);
        unsigned failures = 0;
        sim_disk_fail(sample->disk, nth, EIO, false);
        for (uint64_t lsn = sample->last_lsn; lsn > 0; lsn--) {
            static uint8_t payload[FLORIN_GROUP_BYTES_MAX];
            struct frame_header frame;
            struct log_fault fault;
            int error = read_frame(finder, lsn, sample->last_lsn, &frame, payload, &fault);
            if (error != 0) {
                assert_int_equal(error, -EIO);
                failures++;
                assert_finds(finder, lsn, sample->last_lsn);
            }
        }
        bool reached = sim_disk_operations(sample->disk) - before >= nth;
        assert_int_equal(failures, reached);
        sim_disk_fail(sample->disk, 0, 0, false);
        log_finder_close(finder);
        if (!reached) {
            assert_true(nth > 20);
            break;
        }
    }
}

/* --- the number of reads --------------------------------------------------------------------- */

enum {
    LARGE_SEGMENT_BYTES = 16 * 1024 * 1024,
    LARGE_LOG_BYTES = 160 * 1024 * 1024,
    LARGE_RECORD_BYTES = 112,
    PAGE = 100,
};

/* splitmix64, public domain, Sebastiano Vigna */
static uint64_t draw(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Groups as some hundred connections make them: of a few records up to two hundred. */
static void fill_large_log(struct history *history)
{
    uint64_t random = 1;
    uint64_t bytes = 0;
    while (bytes < LARGE_LOG_BYTES) {
        uint32_t count = 1 + (uint32_t)(draw(&random) % 200);
        assert_int_equal(history_append(history, count, LARGE_RECORD_BYTES), 0);
        history_commit(history);
        assert_int_equal(history->error, 0);
        history->group_count = 0; /* nobody asks for them */
        bytes += frame_length(count * (size_t)LARGE_RECORD_BYTES);
    }
}

/* A hundred records from the newest back, `distance` apart on the average. */
static unsigned reads_of_page(struct storage *storage, const struct meta *meta,
                              uint64_t durable_lsn, uint64_t distance)
{
    uint64_t random = distance;
    struct log_finder *finder = open_finder(storage, meta);
    uint64_t lsn = durable_lsn;
    for (unsigned i = 0; i < PAGE && lsn > 2 * distance; i++) {
        struct frame_header frame;
        struct log_fault fault;
        assert_int_equal(log_finder_find(finder, lsn, durable_lsn, &frame, &fault), 0);
        lsn -= 1 + draw(&random) % (2 * distance);
    }
    unsigned reads = (unsigned)log_finder_reads(finder);
    log_finder_close(finder);
    return reads;
}

static void page_of_a_hundred__takes_about_a_read_a_record(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_create();
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(LARGE_SEGMENT_BYTES);
    struct history history;
    assert_int_equal(history_open(&history, sim_disk_storage(disk), channel, &meta), 0);
    fill_large_log(&history);
    static const struct {
        uint64_t distance; /* records between two of the account */
        unsigned reads_max;
    } cases[] = {{1, 16}, {10, 20}, {100, 50}, {300, 90}, {1000, 150}, {10000, 180}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned reads =
            reads_of_page(sim_disk_storage(disk), &meta, history.durable, cases[i].distance);
        print_message("page of %d, every %d. record of %d: %u reads\n", PAGE,
                      (int)cases[i].distance, (int)history.durable, reads);
        assert_in_range(reads, 1, cases[i].reads_max);
    }
    history_close(&history, false);
    channel->operations->destroy(channel);
    sim_disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_sample(every_lsn__is_found_in_any_order),
        cmocka_unit_test(large_frames__are_found_and_read),
        cmocka_unit_test(growing_log__is_read_again_where_it_has_grown),
        test_sample(removed_lsns__are_answered_as_gone),
        test_sample(damage__is_named_and_spoils_nothing_else),
        test_sample(failing_operations__are_answered_and_do_not_confuse),
        cmocka_unit_test(page_of_a_hundred__takes_about_a_read_a_record),
    };
    return cmocka_run_group_tests(tests, sample_log_create_original, sample_log_destroy_original);
}
