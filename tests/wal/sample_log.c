/* sample_log.c - a closed log over many small segments, and its map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "wal/sample_log.h"
#include "wal/segment.h"

enum { LIVES = 3, GROUPS = 9 };

struct storage *sample_log_storage(struct sample_log *sample)
{
    return sim_disk_storage(sample->disk);
}

uint8_t *sample_log_segment(struct sample_log *sample, uint64_t number)
{
    char name[STORAGE_NAME_MAX];
    uint64_t size;
    segment_name(number, name);
    uint8_t *bytes = sim_disk_bytes(sample->disk, name, &size);
    assert_non_null(bytes);
    return bytes;
}

static void write_life(struct sample_log *sample, unsigned life)
{
    struct history history;
    assert_int_equal(
        history_open(&history, sample_log_storage(sample), sample->channel, &sample->meta), 0);
    for (unsigned i = 0; i < GROUPS; i++) {
        uint32_t count = (i + life) % 4 + 1;
        size_t length = (200 + (size_t)(i * 5 + life) % 7 * 1500) / count;
        assert_int_equal(history_append(&history, count, length), 0);
        history_commit(&history);
        if (i % 3 == 1)
            history_mark(&history);
        assert_int_equal(history.error, 0);
    }
    sample->last_lsn = history.durable;
    history_close(&history, life == 1);
}

static void draw_map(struct sample_log *sample)
{
    uint64_t chain = segment_chain_origin(sample->meta.log_id);
    uint32_t epoch = 0;
    for (uint64_t number = 1;; number++) {
        const uint8_t *bytes = sample_log_segment(sample, number);
        if (segment_is_spare(&sample->meta, number, bytes))
            break;
        assert_true(number < SAMPLE_SEGMENTS_MAX);
        sample->last_segment = number;
        uint64_t salt = segment_salt(sample->meta.log_id, number);
        uint64_t offset = SEGMENT_HEADER_BYTES;
        struct frame_header frame;
        while (offset < SAMPLE_SEGMENT_BYTES &&
               frame_header_decode(bytes + offset, salt, offset, &frame) == 0) {
            assert_true(sample->frame_count < SAMPLE_FRAMES_MAX);
            if (offset == SEGMENT_HEADER_BYTES)
                sample->starts[number] = (struct log_start){
                    .segment = number,
                    .first_lsn = frame.first_lsn,
                    .chain = chain,
                    .epoch = epoch,
                };
            sample->frames[sample->frame_count++] = frame;
            offset += frame.length;
            chain = frame.checksum;
            epoch = frame.epoch;
        }
    }
    sample->last_file = sample->last_segment;
    char name[STORAGE_NAME_MAX];
    uint64_t size;
    segment_name(sample->last_file + 1, name);
    for (; sim_disk_bytes(sample->disk, name, &size) != NULL; sample->last_file++)
        segment_name(sample->last_file + 2, name);
}

void sample_log_create(struct sample_log *sample)
{
    *sample = (struct sample_log){.disk = sim_disk_create()};
    sample->channel = sim_disk_channel(sample->disk);
    sample->meta = history_meta(SAMPLE_SEGMENT_BYTES);
    for (unsigned life = 0; life < LIVES; life++)
        write_life(sample, life);
    draw_map(sample);
    /* Otherwise the tests that use it test less than they say. */
    assert_true(sample->last_segment >= 16);
    bool kinds[FRAME_CLEAN + 1] = {false};
    bool starts[FRAME_CLEAN + 1] = {false};
    for (size_t i = 0; i < sample->frame_count; i++) {
        kinds[sample->frames[i].kind] = true;
        starts[sample->frames[i].kind] |= sample->frames[i].offset == SEGMENT_HEADER_BYTES;
    }
    for (enum frame_kind kind = FRAME_RECORDS; kind <= FRAME_CLEAN; kind++)
        assert_true(kinds[kind]);
    assert_true(starts[FRAME_RECORDS]);
    assert_true(starts[FRAME_IDLE_MARK]);
}

void sample_log_copy(const struct sample_log *sample, struct sample_log *copy)
{
    *copy = *sample;
    assert_int_equal(sim_disk_units(sample->disk), 0);
    copy->disk = sim_disk_kill(sample->disk);
    copy->channel = sim_disk_channel(copy->disk);
}

void sample_log_destroy(struct sample_log *sample)
{
    sample->channel->operations->destroy(sample->channel);
    sim_disk_destroy(sample->disk);
}

void sample_log_remove(struct sample_log *sample, uint64_t from, uint64_t to)
{
    struct storage *storage = sample_log_storage(sample);
    for (uint64_t number = from; number <= to; number++) {
        char name[STORAGE_NAME_MAX];
        segment_name(number, name);
        assert_int_equal(storage->operations->remove(storage, name), 0);
    }
    assert_int_equal(storage->operations->sync_directory(storage, "log"), 0);
}

const struct frame_header *sample_log_frame(const struct sample_log *sample, uint64_t lsn)
{
    for (size_t i = 0; i < sample->frame_count; i++) {
        const struct frame_header *frame = &sample->frames[i];
        if (frame->kind == FRAME_RECORDS && frame->first_lsn <= lsn && lsn <= frame->last_lsn)
            return frame;
    }
    fail_msg("no frame with LSN %u", (unsigned)lsn);
    return NULL;
}

/* --- fixtures -------------------------------------------------------------------------------- */

/* Made by the group of tests. */
static struct sample_log original;

int sample_log_create_original(void **state)
{
    (void)state;
    sample_log_create(&original);
    return 0;
}

int sample_log_destroy_original(void **state)
{
    (void)state;
    sample_log_destroy(&original);
    return 0;
}

int sample_log_setup(void **state)
{
    struct sample_log *sample = malloc(sizeof(*sample));
    assert_non_null(sample);
    sample_log_copy(&original, sample);
    *state = sample;
    return 0;
}

int sample_log_teardown(void **state)
{
    sample_log_destroy(*state);
    free(*state);
    return 0;
}
