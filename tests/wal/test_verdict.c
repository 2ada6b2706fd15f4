/* test_verdict.c - the judge, rule by rule in its order (verdict.c), on a segment in memory.
 *
 *     offset 4096     16384      20480      24576
 *     [header][frame A 3 blocks][frame B][frame C 2 blocks][zeros]
 *
 * The position is that of frame B, C, or of the segment's start; what stands behind is arranged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "wal/history.h"
#include "wal/verdict.h"

enum {
    SEGMENT_BYTES = 64 * 1024,
    NUMBER = 3,
    EPOCH = 5,
    A_OFFSET = 4096,
    B_OFFSET = A_OFFSET + 3 * 4096,
    C_OFFSET = B_OFFSET + 4096,
    C_END = C_OFFSET + 2 * 4096,
    SECTOR = STORAGE_SECTOR_BYTES,
    WRITE_BYTES_MAX = 5 * 4096,
};

struct scene {
    struct meta meta;
    struct verdict_position position;
    struct frame_header a;
    struct frame_header b;
    struct frame_header c;
    struct verdict verdict;
    uint8_t bytes[SEGMENT_BYTES];
};

static struct frame_header put_frame(struct scene *scene, uint64_t offset, enum frame_kind kind,
                                     uint32_t epoch, uint64_t first_lsn, size_t payload,
                                     uint64_t chain)
{
    uint8_t record[3 * 4096];
    struct frame_header frame = {
        .kind = kind,
        .epoch = epoch,
        .record_count = payload > 0 ? 1 : 0,
        .log_id_low = frame_log_id_low(scene->meta.log_id),
        .segment = NUMBER,
        .offset = offset,
        .first_lsn = first_lsn,
        .durable_lsn = first_lsn - 1,
        .payload_length = (uint32_t)payload,
        .chain = chain,
    };
    if (payload > 0) {
        history_record(first_lsn, record, payload);
        frame_payload_put(scene->bytes + offset, 0, record, payload);
    }
    frame_seal(scene->bytes + offset, &frame, segment_salt(scene->meta.log_id, NUMBER));
    return frame;
}

static void put_header(struct scene *scene)
{
    struct segment_header header = {
        .number = NUMBER,
        .segment_bytes = SEGMENT_BYTES,
        .state = SEGMENT_USED,
        .epoch = EPOCH,
        .first_lsn = 100,
        .chain = 42,
    };
    memcpy(header.log_id, scene->meta.log_id, META_LOG_ID_BYTES);
    segment_header_encode(&header, scene->bytes);
}

static struct scene *scene_create(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->meta = history_meta(SEGMENT_BYTES);
    put_header(scene);
    scene->a = put_frame(scene, A_OFFSET, FRAME_RECORDS, EPOCH, 100, 9000, 42);
    scene->b = put_frame(scene, B_OFFSET, FRAME_RECORDS, EPOCH, 101, 600, scene->a.checksum);
    scene->c = put_frame(scene, C_OFFSET, FRAME_RECORDS, EPOCH, 102, 5000, scene->b.checksum);
    scene->position = (struct verdict_position){
        .meta = &scene->meta,
        .segment = NUMBER,
        .offset = C_OFFSET,
        .first_lsn = 102,
        .chain = scene->b.checksum,
        .epoch = EPOCH,
        .write_bytes_max = WRITE_BYTES_MAX,
    };
    return scene;
}

static void stand_at_start(struct scene *scene)
{
    scene->position.offset = 0;
    scene->position.first_lsn = 100;
    scene->position.chain = 42;
    memset(scene->bytes + B_OFFSET, 0, SEGMENT_BYTES - B_OFFSET);
}

static void stand_at_b(struct scene *scene)
{
    scene->position.offset = B_OFFSET;
    scene->position.first_lsn = 101;
    scene->position.chain = scene->a.checksum;
}

static void erase(struct scene *scene, uint64_t offset, size_t length)
{
    memset(scene->bytes + offset, 0, length);
}

static enum verdict_kind judge(struct scene *scene)
{
    verdict_judge(&scene->position, scene->bytes + scene->position.offset, &scene->verdict);
    return scene->verdict.kind;
}

/* --- rule 1 ---------------------------------------------------------------------------------- */

static void whole_frame_that_follows__is_a_frame(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(judge(scene), VERDICT_FRAME);
    assert_int_equal(scene->verdict.frame.first_lsn, 102);
    assert_int_equal(scene->verdict.length, 2 * 4096);
}

static void whole_start_of_a_segment__is_a_frame(void **state)
{
    struct scene *scene = *state;
    stand_at_start(scene);
    assert_int_equal(judge(scene), VERDICT_FRAME);
    assert_int_equal(scene->verdict.length, B_OFFSET);
}

static void recovery_frame_of_the_next_epoch__is_a_frame(void **state)
{
    struct scene *scene = *state;
    erase(scene, C_OFFSET, 2 * 4096);
    put_frame(scene, C_OFFSET, FRAME_RECOVERY, EPOCH + 1, 102, 0, scene->b.checksum);
    assert_int_equal(judge(scene), VERDICT_FRAME);
}

/* Wrong in one of the fields that tie it to its place: never accepted, never cut off. */
static void whole_frame_that_does_not_follow__is_refused(void **state)
{
    static const struct {
        enum frame_kind kind;
        uint32_t epoch;
        uint64_t lsn;
        bool other_chain;
        enum verdict_kind expected;
    } rows[] = {
        {FRAME_RECORDS, EPOCH, 102, true, VERDICT_AMBIGUOUS},
        {FRAME_RECORDS, EPOCH, 103, false, VERDICT_AMBIGUOUS},
        {FRAME_RECORDS, EPOCH, 101, false, VERDICT_AMBIGUOUS},
        {FRAME_RECORDS, EPOCH - 1, 102, false, VERDICT_AMBIGUOUS},
        {FRAME_RECOVERY, EPOCH, 102, false, VERDICT_AMBIGUOUS},
        {FRAME_RECOVERY, EPOCH + 2, 102, false, VERDICT_AMBIGUOUS},
        /* Longer than the recovery frame that begins an epoch: it was durable before. */
        {FRAME_RECORDS, EPOCH + 1, 102, false, VERDICT_DAMAGED},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        erase(scene, C_OFFSET, 2 * 4096);
        size_t payload = rows[i].kind == FRAME_RECORDS ? 5000 : 0;
        put_frame(scene, C_OFFSET, rows[i].kind, rows[i].epoch, rows[i].lsn, payload,
                  scene->b.checksum + rows[i].other_chain);
        assert_int_equal(judge(scene), rows[i].expected);
    }
}

/* --- rule 2 ---------------------------------------------------------------------------------- */

static void zeros__are_the_end(void **state)
{
    struct scene *scene = *state;
    erase(scene, C_OFFSET, 2 * 4096);
    assert_int_equal(judge(scene), VERDICT_END);
    scene->position.later_in_use = true;
    assert_int_equal(judge(scene), VERDICT_END);
}

static void end_of_the_file__is_the_end(void **state)
{
    struct scene *scene = *state;
    scene->position.offset = SEGMENT_BYTES;
    assert_int_equal(judge(scene), VERDICT_END);
}

static void spare_segment__is_the_end(void **state)
{
    struct scene *scene = *state;
    stand_at_start(scene);
    erase(scene, 0, SEGMENT_BYTES);
    segment_spare_block(&scene->meta, NUMBER, scene->bytes);
    assert_int_equal(judge(scene), VERDICT_END);
}

static void zeros_where_a_durable_frame_was__are_damage(void **state)
{
    struct scene *scene = *state;
    erase(scene, C_OFFSET, 2 * 4096);
    scene->position.durable_lsn = 102;
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
    scene->position.durable_lsn = 101;
    assert_int_equal(judge(scene), VERDICT_END);
}

/* --- rules 3 to 5: it was durable ------------------------------------------------------------ */

static void flipped_bit_before_a_later_frame__is_damage(void **state)
{
    struct scene *scene = *state;
    stand_at_b(scene);
    scene->bytes[B_OFFSET + 200] ^= 1;
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
    assert_int_equal(scene->verdict.offset, B_OFFSET);
    assert_non_null(strstr(scene->verdict.reason, "102"));
}

static void lost_sector_before_a_later_frame__is_damage(void **state)
{
    struct scene *scene = *state;
    stand_at_b(scene);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t saved[SECTOR];
        uint8_t *sector = scene->bytes + B_OFFSET + (size_t)i * SECTOR;
        memcpy(saved, sector, SECTOR);
        memset(sector, 0, SECTOR);
        assert_int_equal(judge(scene), VERDICT_DAMAGED);
        memcpy(sector, saved, SECTOR);
    }
}

/* Of the later frame only the header is whole: its write began all the same. */
static void lost_frame_before_a_torn_one__is_damage(void **state)
{
    struct scene *scene = *state;
    stand_at_b(scene);
    erase(scene, B_OFFSET, 4096);
    erase(scene, C_OFFSET + SECTOR, 2 * 4096 - SECTOR);
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
}

static void torn_frame_before_a_used_segment__is_damage(void **state)
{
    struct scene *scene = *state;
    erase(scene, C_OFFSET + 4096, SECTOR);
    scene->position.later_in_use = true;
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
}

static void torn_frame_of_a_durable_lsn__is_damage(void **state)
{
    struct scene *scene = *state;
    erase(scene, C_OFFSET + 4096, SECTOR);
    scene->position.durable_lsn = 102;
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
}

static void bytes_beyond_what_was_in_flight__are_damage(void **state)
{
    struct scene *scene = *state;
    erase(scene, C_OFFSET, SECTOR);
    scene->bytes[C_OFFSET + WRITE_BYTES_MAX] = 1;
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
    assert_int_equal(scene->verdict.offset, C_OFFSET + WRITE_BYTES_MAX);
    scene->bytes[C_OFFSET + WRITE_BYTES_MAX] = 0;
    assert_int_equal(judge(scene), VERDICT_TORN);
}

/* --- rules 6 to 8 ---------------------------------------------------------------------------- */

static void flipped_bit_in_the_last_frame__is_ambiguous(void **state)
{
    struct scene *scene = *state;
    for (uint64_t offset = C_OFFSET; offset < C_END; offset += 97) {
        scene->bytes[offset] ^= 0x10;
        assert_int_equal(judge(scene), VERDICT_AMBIGUOUS);
        assert_int_equal(scene->verdict.offset, offset / SECTOR * SECTOR);
        scene->bytes[offset] ^= 0x10;
    }
}

static void wrong_sector_in_a_torn_frame__is_ambiguous(void **state)
{
    struct scene *scene = *state;
    erase(scene, C_OFFSET, SECTOR);
    scene->bytes[C_OFFSET + 3 * SECTOR + 17] ^= 1;
    assert_int_equal(judge(scene), VERDICT_AMBIGUOUS);
    assert_int_equal(scene->verdict.offset, C_OFFSET + 3 * SECTOR);
}

static void sectors_of_two_epochs__are_ambiguous(void **state)
{
    struct scene *scene = *state;
    uint8_t old[2 * SECTOR];
    memcpy(old, scene->bytes + C_OFFSET + SECTOR, sizeof(old));
    erase(scene, C_OFFSET, 2 * 4096);
    put_frame(scene, C_OFFSET, FRAME_RECOVERY, EPOCH + 1, 102, 0, scene->b.checksum);
    memcpy(scene->bytes + C_OFFSET + SECTOR, old, sizeof(old));
    assert_int_equal(judge(scene), VERDICT_AMBIGUOUS);
}

/* Two writes of one life to one place, mixed: each sector is right, the frame is not. */
static void sectors_of_two_writes__are_ambiguous(void **state)
{
    struct scene *scene = *state;
    uint8_t old[SECTOR];
    memcpy(old, scene->bytes + C_OFFSET + SECTOR, sizeof(old));
    put_frame(scene, C_OFFSET, FRAME_RECORDS, EPOCH, 102, 5001, scene->b.checksum);
    memcpy(scene->bytes + C_OFFSET + SECTOR, old, sizeof(old));
    /* The record's bytes are those of its LSN: only its length makes sector 0 differ. */
    scene->bytes[C_OFFSET + SECTOR + 40] ^= 1;
    struct sector_key key = {.salt = segment_salt(scene->meta.log_id, NUMBER), .epoch = EPOCH};
    sector_seal(scene->bytes + C_OFFSET + SECTOR, SECTOR, key, C_OFFSET + SECTOR);
    assert_int_equal(judge(scene), VERDICT_AMBIGUOUS);
}

static void bytes_beyond_the_last_frame__are_damage(void **state)
{
    struct scene *scene = *state;
    struct sector_key key = {.salt = segment_salt(scene->meta.log_id, NUMBER), .epoch = EPOCH};
    erase(scene, C_OFFSET + SECTOR, SECTOR);
    assert_int_equal(judge(scene), VERDICT_TORN);
    sector_seal(scene->bytes + C_END, SECTOR, key, C_END);
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
    assert_int_equal(scene->verdict.offset, C_END);
}

/* --- rule 9 ---------------------------------------------------------------------------------- */

static void every_set_of_lost_sectors_of_a_block__is_torn(void **state)
{
    struct scene *scene = *state;
    stand_at_b(scene);
    erase(scene, C_OFFSET, 2 * 4096);
    uint8_t whole[4096];
    memcpy(whole, scene->bytes + B_OFFSET, sizeof(whole));
    for (unsigned kept = 0; kept < 256; kept++) {
        for (unsigned i = 0; i < 8; i++) {
            uint8_t *sector = scene->bytes + B_OFFSET + (size_t)i * SECTOR;
            if ((kept >> i & 1) != 0)
                memcpy(sector, whole + (size_t)i * SECTOR, SECTOR);
            else
                memset(sector, 0, SECTOR);
        }
        enum verdict_kind expected =
            kept == 0 ? VERDICT_END : (kept == 255 ? VERDICT_FRAME : VERDICT_TORN);
        assert_int_equal(judge(scene), expected);
        if (expected == VERDICT_TORN)
            assert_int_equal(scene->verdict.length, 4096);
    }
}

static void torn_recovery_frame_of_the_next_epoch__is_torn(void **state)
{
    struct scene *scene = *state;
    erase(scene, C_OFFSET, 2 * 4096);
    put_frame(scene, C_OFFSET, FRAME_RECOVERY, EPOCH + 1, 102, 0, scene->b.checksum);
    erase(scene, C_OFFSET, SECTOR);
    assert_int_equal(judge(scene), VERDICT_TORN);
    assert_int_equal(scene->verdict.length, 4096);
}

/* Header block and frame: each sector is the spare's (or zero) or the new one. */
static void torn_start_of_a_segment__is_torn_whatever_was_lost(void **state)
{
    struct scene *scene = *state;
    stand_at_start(scene);
    static uint8_t whole[B_OFFSET];
    memcpy(whole, scene->bytes, sizeof(whole));
    static uint8_t spare[B_OFFSET];
    segment_spare_block(&scene->meta, NUMBER, spare);
    for (unsigned lost = 0; lost < B_OFFSET / SECTOR; lost++) {
        memcpy(scene->bytes, whole, sizeof(whole));
        memcpy(scene->bytes + (size_t)lost * SECTOR, spare + (size_t)lost * SECTOR, SECTOR);
        assert_int_equal(judge(scene), VERDICT_TORN);
        memcpy(scene->bytes, spare, sizeof(spare));
        memcpy(scene->bytes + (size_t)lost * SECTOR, whole + (size_t)lost * SECTOR, SECTOR);
        assert_int_equal(judge(scene), VERDICT_TORN);
    }
}

static void zero_header_block__is_never_torn(void **state)
{
    struct scene *scene = *state;
    stand_at_start(scene);
    for (unsigned lost = 0; lost < 8; lost++) {
        uint8_t saved[SECTOR];
        uint8_t *sector = scene->bytes + (size_t)lost * SECTOR;
        memcpy(saved, sector, SECTOR);
        memset(sector, 0, SECTOR);
        assert_int_equal(judge(scene), VERDICT_AMBIGUOUS);
        memcpy(sector, saved, SECTOR);
    }
}

/* --- segments of others ---------------------------------------------------------------------- */

static void foreign_segment__is_damage_and_named(void **state)
{
    struct scene *scene = *state;
    stand_at_start(scene);
    scene->meta.log_id[3] ^= 1;
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
    assert_string_equal(scene->verdict.reason, "the segment belongs to another log");
    scene->meta.log_id[3] ^= 1;
    scene->position.segment = NUMBER + 1;
    assert_int_equal(judge(scene), VERDICT_DAMAGED);
    assert_string_equal(scene->verdict.reason, "the file holds segment 3, expected 4");
}

static int scene_setup(void **state)
{
    *state = scene_create();
    return 0;
}

static int scene_teardown(void **state)
{
    free(*state);
    return 0;
}

#define test_scene(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_scene(whole_frame_that_follows__is_a_frame),
        test_scene(whole_start_of_a_segment__is_a_frame),
        test_scene(recovery_frame_of_the_next_epoch__is_a_frame),
        test_scene(whole_frame_that_does_not_follow__is_refused),
        test_scene(zeros__are_the_end),
        test_scene(end_of_the_file__is_the_end),
        test_scene(spare_segment__is_the_end),
        test_scene(zeros_where_a_durable_frame_was__are_damage),
        test_scene(flipped_bit_before_a_later_frame__is_damage),
        test_scene(lost_sector_before_a_later_frame__is_damage),
        test_scene(lost_frame_before_a_torn_one__is_damage),
        test_scene(torn_frame_before_a_used_segment__is_damage),
        test_scene(torn_frame_of_a_durable_lsn__is_damage),
        test_scene(bytes_beyond_what_was_in_flight__are_damage),
        test_scene(flipped_bit_in_the_last_frame__is_ambiguous),
        test_scene(wrong_sector_in_a_torn_frame__is_ambiguous),
        test_scene(sectors_of_two_epochs__are_ambiguous),
        test_scene(sectors_of_two_writes__are_ambiguous),
        test_scene(bytes_beyond_the_last_frame__are_damage),
        test_scene(every_set_of_lost_sectors_of_a_block__is_torn),
        test_scene(torn_recovery_frame_of_the_next_epoch__is_torn),
        test_scene(torn_start_of_a_segment__is_torn_whatever_was_lost),
        test_scene(zero_header_block__is_never_torn),
        test_scene(foreign_segment__is_damage_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
