/* test_damage.c - rotten, lost, swapped, foreign files: refused and named; torn tails: cut off.
 *
 * Each test starts from the same log: 12 groups of one record over several segments of 16 KiB,
 * closed without a mark.
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
#include "wal/bytes.h"
#include "wal/frame.h"
#include "wal/history.h"
#include "wal/segment.h"

enum { SEGMENT_BYTES = 16 * 1024, RECORDS = 12, FRAMES_MAX = 64, SECTOR = STORAGE_SECTOR_BYTES };

/* Where the frames stand, in the order of the log. */
struct map {
    struct frame_header frames[FRAMES_MAX];
    size_t count;
    uint64_t last_segment;
};

struct damage {
    struct sim_disk *disk;
    struct channel *channel;
    struct meta meta;
    struct map map;
};

static struct storage *storage_of(struct damage *damage)
{
    return sim_disk_storage(damage->disk);
}

static uint8_t *segment_of(struct damage *damage, uint64_t number)
{
    char name[STORAGE_NAME_MAX];
    uint64_t size;
    segment_name(number, name);
    uint8_t *bytes = sim_disk_bytes(damage->disk, name, &size);
    assert_non_null(bytes);
    return bytes;
}

static void draw_map(struct damage *damage)
{
    struct map *map = &damage->map;
    for (uint64_t number = 1;; number++) {
        const uint8_t *bytes = segment_of(damage, number);
        if (segment_is_spare(&damage->meta, number, bytes))
            break;
        map->last_segment = number;
        uint64_t salt = segment_salt(damage->meta.log_id, number);
        uint64_t offset = SEGMENT_HEADER_BYTES;
        while (offset < SEGMENT_BYTES &&
               frame_header_decode(bytes + offset, salt, offset, &map->frames[map->count]) == 0)
            offset += map->frames[map->count++].length;
    }
}

static int setup(void **state)
{
    struct damage *damage = calloc(1, sizeof(*damage));
    assert_non_null(damage);
    damage->disk = sim_disk_create();
    damage->channel = sim_disk_channel(damage->disk);
    damage->meta = history_meta(SEGMENT_BYTES);
    struct history history;
    assert_int_equal(history_open(&history, storage_of(damage), damage->channel, &damage->meta), 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        assert_int_equal(history_append(&history, 1, 300 + i * 500), 0);
        history_commit(&history);
        assert_int_equal(history.error, 0);
    }
    history_close(&history, false);
    draw_map(damage);
    assert_int_equal(damage->map.count, RECORDS + 1); /* and the recovery frame */
    assert_true(damage->map.last_segment >= 4);
    *state = damage;
    return 0;
}

static int teardown(void **state)
{
    struct damage *damage = *state;
    damage->channel->operations->destroy(damage->channel);
    sim_disk_destroy(damage->disk);
    free(damage);
    return 0;
}

/* Opening and verifying agree; a refused log was not touched. */
static int open_log(struct damage *damage, struct history *history)
{
    struct log_options options = {.storage = storage_of(damage), .meta = damage->meta};
    struct log_report verified;
    int verdict = log_verify(&options, &verified);
    size_t units = sim_disk_units(damage->disk);
    int error = history_open(history, storage_of(damage), damage->channel, &damage->meta);
    assert_int_equal(error, verdict);
    assert_int_equal(history->report.end, verified.end);
    assert_string_equal(history->report.file, verified.file);
    assert_int_equal(history->report.offset, verified.offset);
    if (error != 0)
        assert_int_equal(sim_disk_units(damage->disk), units);
    return error;
}

static void assert_refused(struct damage *damage, enum log_end end, uint64_t segment,
                           struct history *history)
{
    assert_int_equal(open_log(damage, history), -EBADMSG);
    assert_int_equal(history->report.end, end);
    char name[STORAGE_NAME_MAX];
    segment_name(segment, name);
    assert_string_equal(history->report.file, name);
    assert_true(history->report.reason[0] != '\0');
    assert_false(history->replay_is_wrong);
}

/* --- rot ------------------------------------------------------------------------------------- */

static void flipped_bit_in_the_middle__is_refused_with_file_offset_and_lsn(void **state)
{
    struct damage *damage = *state;
    const struct map *map = &damage->map;
    for (size_t i = 0; i + 1 < map->count; i++) {
        const struct frame_header *frame = &map->frames[i];
        uint8_t *bytes = segment_of(damage, frame->segment) + frame->offset;
        for (uint32_t sector = 0; sector < frame->length; sector += SECTOR) {
            struct history history;
            size_t at = sector + (sector + i * 61) % SECTOR;
            bytes[at] ^= 4;
            assert_refused(damage, LOG_END_DAMAGED, frame->segment, &history);
            bool starts = frame->offset == SEGMENT_HEADER_BYTES;
            assert_int_equal(history.report.offset, starts ? 0 : frame->offset);
            assert_int_equal(history.report.lsn, frame->first_lsn);
            assert_int_equal(history.replayed, frame->first_lsn - 1);
            bytes[at] ^= 4;
        }
    }
}

static void lost_sector_in_the_middle__is_refused(void **state)
{
    struct damage *damage = *state;
    const struct map *map = &damage->map;
    for (size_t i = 0; i + 1 < map->count; i++) {
        const struct frame_header *frame = &map->frames[i];
        uint8_t *bytes = segment_of(damage, frame->segment) + frame->offset;
        for (uint32_t sector = 0; sector < frame->length; sector += SECTOR) {
            struct history history;
            uint8_t saved[SECTOR];
            memcpy(saved, bytes + sector, SECTOR);
            memset(bytes + sector, 0, SECTOR);
            assert_refused(damage, LOG_END_DAMAGED, frame->segment, &history);
            memcpy(bytes + sector, saved, SECTOR);
        }
    }
}

static void lost_frame_in_the_middle__is_refused(void **state)
{
    struct damage *damage = *state;
    const struct map *map = &damage->map;
    for (size_t i = 0; i + 1 < map->count; i++) {
        const struct frame_header *frame = &map->frames[i];
        uint8_t *bytes = segment_of(damage, frame->segment) + frame->offset;
        uint8_t saved[SEGMENT_BYTES];
        struct history history;
        memcpy(saved, bytes, frame->length);
        memset(bytes, 0, frame->length);
        assert_int_equal(open_log(damage, &history), -EBADMSG);
        assert_true(history.replayed < frame->first_lsn);
        memcpy(bytes, saved, frame->length);
    }
}

static void flipped_bit_in_the_last_frame__is_refused_as_ambiguous(void **state)
{
    struct damage *damage = *state;
    const struct frame_header *frame = &damage->map.frames[damage->map.count - 1];
    uint8_t *bytes = segment_of(damage, frame->segment) + frame->offset;
    for (uint32_t sector = 0; sector < frame->length; sector += SECTOR) {
        struct history history;
        bytes[sector + 33] ^= 1;
        assert_refused(damage, LOG_END_AMBIGUOUS, frame->segment, &history);
        assert_int_equal(history.report.lsn, RECORDS);
        bytes[sector + 33] ^= 1;
    }
}

static void flipped_bit_in_a_header_block__is_refused(void **state)
{
    struct damage *damage = *state;
    for (uint64_t number = 1; number <= damage->map.last_segment; number++) {
        uint8_t *bytes = segment_of(damage, number);
        for (uint32_t at = 0; at < SEGMENT_HEADER_BYTES; at += 73) {
            struct history history;
            bytes[at] ^= 1;
            assert_int_equal(open_log(damage, &history), -EBADMSG);
            bytes[at] ^= 1;
        }
    }
}

static void rot_in_a_spare__is_refused(void **state)
{
    struct damage *damage = *state;
    uint64_t spare = damage->map.last_segment + 1;
    static const uint32_t places[] = {0, 100, 504, 3000, 5000, SEGMENT_BYTES - 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        for (uint64_t number = spare; number <= spare + 1; number++) {
            struct history history;
            segment_of(damage, number)[places[i]] ^= 1;
            assert_int_equal(open_log(damage, &history), -EBADMSG);
            segment_of(damage, number)[places[i]] ^= 1;
        }
    }
}

/* --- files ----------------------------------------------------------------------------------- */

static void missing_file__is_refused_and_named(void **state)
{
    struct damage *damage = *state;
    struct storage *storage = storage_of(damage);
    for (uint64_t number = 1; number <= damage->map.last_segment; number++) {
        struct history history;
        char name[STORAGE_NAME_MAX];
        segment_name(number, name);
        assert_int_equal(storage->operations->rename(storage, name, "log/aside"), 0);
        assert_int_equal(storage->operations->sync_directory(storage, "log"), 0);
        assert_refused(damage, LOG_END_DAMAGED, number, &history);
        assert_int_equal(storage->operations->rename(storage, "log/aside", name), 0);
        assert_int_equal(storage->operations->sync_directory(storage, "log"), 0);
    }
}

static void empty_log_directory__is_not_a_new_log(void **state)
{
    struct damage *damage = *state;
    struct storage *storage = storage_of(damage);
    for (uint64_t number = 1; number <= damage->map.last_segment + 2; number++) {
        char name[STORAGE_NAME_MAX];
        segment_name(number, name);
        assert_int_equal(storage->operations->remove(storage, name), 0);
    }
    assert_int_equal(storage->operations->sync_directory(storage, "log"), 0);
    struct history history;
    assert_refused(damage, LOG_END_DAMAGED, 1, &history);
}

static void swapped_files__are_refused(void **state)
{
    struct damage *damage = *state;
    uint8_t *two = segment_of(damage, 2);
    uint8_t *three = segment_of(damage, 3);
    uint8_t saved[SEGMENT_BYTES];
    memcpy(saved, two, SEGMENT_BYTES);
    memcpy(two, three, SEGMENT_BYTES);
    memcpy(three, saved, SEGMENT_BYTES);
    struct history history;
    assert_refused(damage, LOG_END_DAMAGED, 2, &history);
    assert_string_equal(history.report.reason, "the file holds segment 3, expected 2");
}

static void foreign_file__is_refused(void **state)
{
    struct damage *damage = *state;
    struct meta other = damage->meta;
    other.log_id[5] ^= 0x40;
    uint64_t spare = damage->map.last_segment + 1;
    segment_spare_block(&other, spare, segment_of(damage, spare));
    struct history history;
    assert_refused(damage, LOG_END_DAMAGED, spare, &history);
    assert_string_equal(history.report.reason, "the segment belongs to another log");
}

static void truncated_file__is_refused(void **state)
{
    struct damage *damage = *state;
    uint8_t saved[SEGMENT_BYTES];
    memcpy(saved, segment_of(damage, 2), SEGMENT_BYTES);
    sim_disk_put(damage->disk, "log/0000000000000002.wal", saved, SEGMENT_BYTES - 4096);
    struct history history;
    assert_refused(damage, LOG_END_DAMAGED, 2, &history);
}

/* An older copy of a segment: its frames are whole, but they end too early. */
static void stale_file__is_refused(void **state)
{
    struct damage *damage = *state;
    const struct map *map = &damage->map;
    for (size_t i = 0; i + 1 < map->count; i++) {
        const struct frame_header *frame = &map->frames[i];
        if (frame->segment == map->last_segment || frame->offset == SEGMENT_HEADER_BYTES)
            continue;
        uint8_t *bytes = segment_of(damage, frame->segment);
        uint8_t saved[SEGMENT_BYTES];
        memcpy(saved, bytes, SEGMENT_BYTES);
        memset(bytes + frame->offset, 0, SEGMENT_BYTES - frame->offset);
        struct history history;
        assert_int_equal(open_log(damage, &history), -EBADMSG);
        assert_int_equal(history.replayed, frame->first_lsn - 1);
        memcpy(bytes, saved, SEGMENT_BYTES);
    }
}

static void half_made_segment__is_removed(void **state)
{
    struct damage *damage = *state;
    uint8_t part[4096] = {1, 2, 3};
    sim_disk_put(damage->disk, "log/0000000000000099.tmp", part, sizeof(part));
    sim_disk_put(damage->disk, "log/notes.txt", part, sizeof(part));
    struct history history;
    assert_int_equal(open_log(damage, &history), 0);
    assert_int_equal(history.replayed, RECORDS);
    history_close(&history, true);
    struct storage *storage = storage_of(damage);
    assert_int_equal(storage->operations->sync_directory(storage, "log"), 0);
    uint64_t size;
    assert_null(sim_disk_bytes(damage->disk, "log/0000000000000099.tmp", &size));
    assert_non_null(sim_disk_bytes(damage->disk, "log/notes.txt", &size));
}

/* --- tails ----------------------------------------------------------------------------------- */

/* The log as it was when frame number `count` was not yet written. */
static void cut_before(struct damage *damage, size_t count)
{
    const struct map *map = &damage->map;
    for (size_t i = map->count; i-- > count;) {
        const struct frame_header *frame = &map->frames[i];
        uint8_t *bytes = segment_of(damage, frame->segment);
        memset(bytes + frame->offset, 0, frame->length);
        if (frame->offset == SEGMENT_HEADER_BYTES)
            segment_spare_block(&damage->meta, frame->segment, bytes);
    }
}

static void assert_recovers(struct damage *damage, enum log_end end, uint64_t records)
{
    struct history history;
    assert_int_equal(open_log(damage, &history), 0);
    assert_int_equal(history.report.end, end);
    assert_int_equal(history.replayed, records);
    assert_false(history.replay_is_wrong);
    assert_int_equal(history_append(&history, 3, 700), 0);
    history_commit(&history);
    assert_int_equal(history.error, 0);
    history_close(&history, false);
    /* And once more. */
    assert_int_equal(open_log(damage, &history), 0);
    assert_int_equal(history.report.end, LOG_END_CRASH);
    assert_int_equal(history.replayed, records + 3);
    assert_false(history.replay_is_wrong);
    history_close(&history, false);
}

static void every_prefix_of_frames__recovers_to_its_records(void **state)
{
    for (size_t count = 0; count <= RECORDS + 1; count++) {
        struct damage *damage = *state;
        cut_before(damage, count);
        assert_recovers(damage, count == 0 ? LOG_END_NEW : LOG_END_CRASH,
                        count == 0 ? 0 : count - 1);
        teardown(state);
        setup(state);
    }
}

/* Of the last frame only the first sectors arrived, or all but those. */
static void torn_last_frame__is_dropped_at_every_sector(void **state)
{
    for (size_t last = 0; last <= RECORDS; last++) {
        for (uint32_t sectors = 1;; sectors++) {
            struct damage *damage = *state;
            struct frame_header frame = damage->map.frames[last];
            uint32_t length = sectors * SECTOR;
            if (length >= frame.length)
                break;
            for (unsigned tail = 0; tail < 2; tail++) {
                damage = *state;
                cut_before(damage, last + 1);
                uint8_t *bytes = segment_of(damage, frame.segment) + frame.offset;
                memset(tail ? bytes + length : bytes, 0, tail ? frame.length - length : length);
                assert_recovers(damage, LOG_END_TORN, last == 0 ? 0 : last - 1);
                teardown(state);
                setup(state);
            }
        }
    }
}

#define test_damage(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_damage(flipped_bit_in_the_middle__is_refused_with_file_offset_and_lsn),
        test_damage(lost_sector_in_the_middle__is_refused),
        test_damage(lost_frame_in_the_middle__is_refused),
        test_damage(flipped_bit_in_the_last_frame__is_refused_as_ambiguous),
        test_damage(flipped_bit_in_a_header_block__is_refused),
        test_damage(rot_in_a_spare__is_refused),
        test_damage(missing_file__is_refused_and_named),
        test_damage(empty_log_directory__is_not_a_new_log),
        test_damage(swapped_files__are_refused),
        test_damage(foreign_file__is_refused),
        test_damage(truncated_file__is_refused),
        test_damage(stale_file__is_refused),
        test_damage(half_made_segment__is_removed),
        test_damage(every_prefix_of_frames__recovers_to_its_records),
        test_damage(torn_last_frame__is_dropped_at_every_sector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
