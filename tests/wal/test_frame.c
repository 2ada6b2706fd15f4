/* test_frame.c - a frame, byte for byte, and what is not one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wal/bytes.h"
#include "wal/checksum.h"
#include "wal/frame.h"
#include "wal/golden.h"
#include "wal/history.h"
#include "wal/segment.h"

enum { OFFSET = 4096, PAYLOAD = 600 };

static uint64_t salt(void)
{
    struct meta meta = history_meta(65536);
    return segment_salt(meta.log_id, 3);
}

/* One record of 600 bytes, LSN 77, in a buffer that was used before. */
static struct frame_header make_frame(uint8_t *frame)
{
    struct meta meta = history_meta(65536);
    uint8_t record[PAYLOAD];
    history_record(77, record, sizeof(record));
    memset(frame, 0xee, FRAME_BYTES_MIN);
    frame_payload_put(frame, 0, record, 100);
    frame_payload_put(frame, 100, record + 100, PAYLOAD - 100);
    struct frame_header header = {
        .kind = FRAME_RECORDS,
        .epoch = 2,
        .record_count = 1,
        .log_id_low = frame_log_id_low(meta.log_id),
        .segment = 3,
        .offset = OFFSET,
        .first_lsn = 77,
        .durable_lsn = 76,
        .payload_length = PAYLOAD,
        .chain = UINT64_C(0x1122334455667788),
    };
    frame_seal(frame, &header, salt());
    return header;
}

static void frame__has_its_golden_bytes(void **state)
{
    (void)state;
    uint8_t frame[FRAME_BYTES_MIN];
    struct frame_header header = make_frame(frame);
    golden_assert(frame, "464c524601000100a0a1a2a3a4a5a6a7"
                         "02000000010000000300000000000000"
                         "00100000000000004d00000000000000"
                         "4d000000000000004c00000000000000"
                         "00100000580200008877665544332211"
                         "9513a2f6f39f28402ed86796a0317a85"
                         "4d000000000000005802000000000000");
    golden_assert(frame + 504, "c4b3b0c40a8f401f");
    golden_assert(frame + 4088, "65f674613f9ca464");
    assert_int_equal(header.checksum, UINT64_C(0x857a31a09667d82e));
    assert_int_equal(header.length, 4096);
}

static void frame__reads_back(void **state)
{
    (void)state;
    uint8_t frame[FRAME_BYTES_MIN];
    struct frame_header header = make_frame(frame);
    struct frame_header found;
    assert_int_equal(frame_header_decode(frame, salt(), OFFSET, &found), 0);
    assert_int_equal(found.kind, FRAME_RECORDS);
    assert_int_equal(found.first_lsn, 77);
    assert_int_equal(found.last_lsn, 77);
    assert_int_equal(found.durable_lsn, 76);
    assert_int_equal(found.checksum, header.checksum);
    assert_true(frame_body_is_right(frame, &found, salt()));
    uint8_t record[PAYLOAD];
    uint8_t expected[PAYLOAD];
    history_record(77, expected, sizeof(expected));
    frame_payload_get(frame, PAYLOAD, record);
    assert_memory_equal(record, expected, PAYLOAD);
}

static void frame_with_any_flipped_bit__is_not_valid(void **state)
{
    (void)state;
    uint8_t frame[FRAME_BYTES_MIN];
    make_frame(frame);
    for (unsigned bit = 0; bit < FRAME_BYTES_MIN * 8; bit++) {
        struct frame_header found;
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool valid = frame_header_decode(frame, salt(), OFFSET, &found) == 0 &&
                     frame_body_is_right(frame, &found, salt());
        assert_false(valid);
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void frame_in_the_wrong_place__is_not_valid(void **state)
{
    (void)state;
    uint8_t frame[FRAME_BYTES_MIN];
    make_frame(frame);
    struct meta meta = history_meta(65536);
    struct frame_header found;
    assert_int_equal(frame_header_decode(frame, salt(), OFFSET + 4096, &found), -EBADMSG);
    assert_int_equal(frame_header_decode(frame, segment_salt(meta.log_id, 4), OFFSET, &found),
                     -EBADMSG);
}

/* Sums that are right do not make a header right. */
static void header_with_fields_that_disagree__is_refused(void **state)
{
    (void)state;
    uint8_t frame[FRAME_BYTES_MIN];
    static const struct {
        size_t offset;
        uint32_t value;
    } patches[] = {
        {6, 9},            /* an unknown kind */
        {16, 0},           /* epoch 0 */
        {20, 2},           /* two records, but one LSN */
        {48, 80},          /* last LSN */
        {56, 77},          /* durable before it was written */
        {64, 8192},        /* length */
        {68, 5000},        /* payload longer than the frame */
        {68, 0},           /* records without payload */
        {68, 0xffffffffU}, /* payload longer than anything */
    };
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        struct frame_header found;
        make_frame(frame);
        if (patches[i].offset == 6)
            frame[6] = (uint8_t)patches[i].value;
        else
            bytes_put_u32(frame + patches[i].offset, patches[i].value);
        bytes_put_u64(frame + 88, checksum_bytes(frame, 88, salt()));
        struct sector_key key = {.salt = salt(), .epoch = bytes_get_u32(frame + 16)};
        sector_seal(frame, STORAGE_SECTOR_BYTES, key, OFFSET);
        assert_int_equal(frame_header_decode(frame, salt(), OFFSET, &found), -EBADMSG);
    }
}

static void every_payload_length__fits_its_frame(void **state)
{
    (void)state;
    for (size_t payload = 0; payload <= 20000; payload++) {
        uint32_t length = frame_length(payload);
        assert_int_equal(length % STORAGE_ALIGNMENT, 0);
        assert_true(frame_payload_capacity(length) >= payload);
        if (length > FRAME_BYTES_MIN)
            assert_true(frame_payload_capacity(length - STORAGE_ALIGNMENT) < payload);
    }
    assert_true(frame_length(FLORIN_GROUP_BYTES_MAX) <= FRAME_BYTES_MAX);
    assert_int_equal(frame_payload_capacity(FRAME_BYTES_MAX), FLORIN_GROUP_BYTES_MAX);
}

static void written_sector__is_never_all_zero(void **state)
{
    (void)state;
    uint8_t sectors[4 * STORAGE_SECTOR_BYTES] = {0};
    struct sector_key key = {.salt = 1, .epoch = 1};
    sector_seal(sectors, sizeof(sectors), key, 8192);
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *sector = sectors + (size_t)i * STORAGE_SECTOR_BYTES;
        assert_false(bytes_are_zero(sector, STORAGE_SECTOR_BYTES));
        assert_true(sector_is_right(sector, key, 8192 + i * STORAGE_SECTOR_BYTES));
        assert_false(sector_is_right(sector, key, 16384 + i * STORAGE_SECTOR_BYTES));
        key.epoch++;
        assert_false(sector_is_right(sector, key, 8192 + i * STORAGE_SECTOR_BYTES));
        key.epoch--;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame__has_its_golden_bytes),
        cmocka_unit_test(frame__reads_back),
        cmocka_unit_test(frame_with_any_flipped_bit__is_not_valid),
        cmocka_unit_test(frame_in_the_wrong_place__is_not_valid),
        cmocka_unit_test(header_with_fields_that_disagree__is_refused),
        cmocka_unit_test(every_payload_length__fits_its_frame),
        cmocka_unit_test(written_sector__is_never_all_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
