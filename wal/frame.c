/* frame.c - one group commit as bytes, and the rules by which it is valid.
 *
 *     sector 0                    sector 1                         padding to 4096
 *     [header 96 | payload 408 |T][payload 504                  |T] ... [zeros 504 |T]
 *
 * T is the trailer of a sealed sector (sector.h). Header, little-endian:
 *
 *      0  u32  magic             "FLRF"
 *      4  u16  version           1
 *      6  u8   kind              1 records, 2 idle mark, 3 recovery, 4 clean shutdown
 *      7  u8   reserved          0
 *      8  u64  log_id_low        first 8 bytes of the log id
 *     16  u32  epoch             of the life that wrote it; at least 1
 *     20  u32  record_count      > 0 for kind 1, else 0
 *     24  u64  segment
 *     32  u64  offset            of the frame in its file
 *     40  u64  first_lsn
 *     48  u64  last_lsn          first_lsn + record_count - 1
 *     56  u64  durable_lsn       < first_lsn
 *     64  u32  length            of the frame with padding
 *     68  u32  payload_length
 *     72  u64  chain             header checksum of the frame before
 *     80  u64  payload_checksum  over the payload of sector 0 and the trailers of all others
 *     88  u64  checksum          XXH3-64 of bytes 0 to 87, seed: the segment's salt
 *
 * A frame is valid when
 *
 *   1. its first sector is right (trailer: salt, epoch, offset),
 *   2. magic, version, kind and the reserved byte are known,
 *   3. the header checksum is right,
 *   4. the fields agree with each other: counts, LSNs, lengths, offset of the file,
 *   5. it follows the frame before: log id, segment, first LSN, chain, epoch (verdict.c),
 *   6. every sector is right,
 *   7. the payload checksum is right: the sectors are those of one write, not of two,
 *   8. bytes between payload and end are zero.
 *
 * The payload checksum sums trailers, which sum the payload, so each byte is read once. The
 * checksum of a header covers the payload checksum and the value of the frame before: it is
 * the link of the chain.
 *
 * Guarantees: encode and decode agree (golden bytes in the tests); decoding reads within
 * the bytes it was given, whatever they hold. Must not know: what a record means, files.
 */
#include "frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "checksum.h"

enum {
    MAGIC = 0x46524c46, /* "FLRF" */
    CHECKSUM_OFFSET = 88,
    SUMS_AT_ONCE = 64,
};

_Static_assert(CHECKSUM_OFFSET + 8 == FRAME_HEADER_BYTES, "the header has no gap");
_Static_assert((int)FRAME_HEADER_BYTES < (int)SECTOR_DATA_BYTES,
               "a header is one sector: it tears whole");
_Static_assert(FRAME_BYTES_MAX % STORAGE_ALIGNMENT == 0, "frames are aligned");

uint32_t frame_length(size_t payload_length)
{
    assert(payload_length <= FLORIN_GROUP_BYTES_MAX);
    size_t data = FRAME_HEADER_BYTES + payload_length;
    size_t sectors = (data + SECTOR_DATA_BYTES - 1) / SECTOR_DATA_BYTES;
    uint64_t length = bytes_round_up(sectors * STORAGE_SECTOR_BYTES, STORAGE_ALIGNMENT);
    assert(length <= FRAME_BYTES_MAX);
    return (uint32_t)length;
}

size_t frame_payload_capacity(uint64_t bytes)
{
    assert(bytes >= FRAME_BYTES_MIN && bytes % STORAGE_ALIGNMENT == 0);
    uint64_t capacity = bytes / STORAGE_SECTOR_BYTES * SECTOR_DATA_BYTES - FRAME_HEADER_BYTES;
    return capacity < FLORIN_GROUP_BYTES_MAX ? (size_t)capacity : FLORIN_GROUP_BYTES_MAX;
}

uint64_t frame_log_id_low(const uint8_t log_id[16])
{
    return bytes_get_u64(log_id);
}

/* Where a byte of the payload stands in the frame. */
static size_t frame_place(size_t position)
{
    size_t data = FRAME_HEADER_BYTES + position;
    return data / SECTOR_DATA_BYTES * STORAGE_SECTOR_BYTES + data % SECTOR_DATA_BYTES;
}

/* Bytes from there to the trailer, at most `length`. */
static size_t frame_piece(size_t position, size_t length)
{
    size_t room = SECTOR_DATA_BYTES - (FRAME_HEADER_BYTES + position) % SECTOR_DATA_BYTES;
    return room < length ? room : length;
}

void frame_payload_put(uint8_t *frame, size_t position, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t piece = frame_piece(position, length);
        memcpy(frame + frame_place(position), bytes, piece);
        position += piece;
        bytes += piece;
        length -= piece;
    }
}

void frame_payload_get(const uint8_t *frame, size_t length, uint8_t *bytes)
{
    for (size_t position = 0; position < length;) {
        size_t piece = frame_piece(position, length - position);
        memcpy(bytes + position, frame + frame_place(position), piece);
        position += piece;
    }
}

static void frame_header_encode(uint8_t *bytes, struct frame_header *header, uint64_t salt)
{
    bytes_put_u32(bytes, MAGIC);
    bytes_put_u16(bytes + 4, FRAME_FORMAT_VERSION);
    bytes[6] = (uint8_t)header->kind;
    bytes[7] = 0;
    bytes_put_u64(bytes + 8, header->log_id_low);
    bytes_put_u32(bytes + 16, header->epoch);
    bytes_put_u32(bytes + 20, header->record_count);
    bytes_put_u64(bytes + 24, header->segment);
    bytes_put_u64(bytes + 32, header->offset);
    bytes_put_u64(bytes + 40, header->first_lsn);
    bytes_put_u64(bytes + 48, header->last_lsn);
    bytes_put_u64(bytes + 56, header->durable_lsn);
    bytes_put_u32(bytes + 64, header->length);
    bytes_put_u32(bytes + 68, header->payload_length);
    bytes_put_u64(bytes + 72, header->chain);
    bytes_put_u64(bytes + 80, header->payload_checksum);
    header->checksum = checksum_bytes(bytes, CHECKSUM_OFFSET, salt);
    bytes_put_u64(bytes + CHECKSUM_OFFSET, header->checksum);
}

static uint64_t frame_payload_sum(const uint8_t *frame, size_t length, uint64_t salt)
{
    uint64_t sum =
        checksum_bytes(frame + FRAME_HEADER_BYTES, SECTOR_DATA_BYTES - FRAME_HEADER_BYTES, salt);
    size_t offset = STORAGE_SECTOR_BYTES;
    while (offset < length) {
        uint8_t trailers[SUMS_AT_ONCE * SECTOR_TRAILER_BYTES];
        size_t count = 0;
        for (; count < SUMS_AT_ONCE && offset < length; count++, offset += STORAGE_SECTOR_BYTES)
            memcpy(trailers + count * SECTOR_TRAILER_BYTES, frame + offset + SECTOR_DATA_BYTES,
                   SECTOR_TRAILER_BYTES);
        sum = checksum_bytes(trailers, count * SECTOR_TRAILER_BYTES, sum);
    }
    return sum;
}

void frame_seal(uint8_t *frame, struct frame_header *header, uint64_t salt)
{
    assert((header->kind == FRAME_RECORDS) == (header->record_count > 0));
    assert((header->kind == FRAME_RECORDS) == (header->payload_length > 0));
    assert(header->durable_lsn < header->first_lsn);
    header->length = frame_length(header->payload_length);
    header->last_lsn = header->first_lsn + header->record_count - 1;
    /* Only the data of the last sectors needs it; the trailers among it are written below. */
    size_t end = frame_place(header->payload_length);
    memset(frame + end, 0, header->length - end);
    struct sector_key key = {.salt = salt, .epoch = header->epoch};
    sector_seal(frame + STORAGE_SECTOR_BYTES, header->length - STORAGE_SECTOR_BYTES, key,
                header->offset + STORAGE_SECTOR_BYTES);
    header->payload_checksum = frame_payload_sum(frame, header->length, salt);
    frame_header_encode(frame, header, salt);
    sector_seal(frame, STORAGE_SECTOR_BYTES, key, header->offset);
}

static bool frame_header_agrees(const struct frame_header *header, uint64_t offset)
{
    if (header->kind < FRAME_RECORDS || header->kind > FRAME_CLEAN)
        return false;
    bool has_records = header->kind == FRAME_RECORDS;
    return has_records == (header->record_count > 0) &&
           has_records == (header->payload_length > 0) &&
           header->payload_length <= FLORIN_GROUP_BYTES_MAX &&
           header->length == frame_length(header->payload_length) && header->offset == offset &&
           header->epoch > 0 && header->first_lsn > 0 &&
           header->last_lsn == header->first_lsn + header->record_count - 1 &&
           header->durable_lsn < header->first_lsn;
}

int frame_header_decode(const uint8_t sector[STORAGE_SECTOR_BYTES], uint64_t salt, uint64_t offset,
                        struct frame_header *header)
{
    struct frame_header found = {
        .kind = (enum frame_kind)sector[6],
        .log_id_low = bytes_get_u64(sector + 8),
        .epoch = bytes_get_u32(sector + 16),
        .record_count = bytes_get_u32(sector + 20),
        .segment = bytes_get_u64(sector + 24),
        .offset = bytes_get_u64(sector + 32),
        .first_lsn = bytes_get_u64(sector + 40),
        .last_lsn = bytes_get_u64(sector + 48),
        .durable_lsn = bytes_get_u64(sector + 56),
        .length = bytes_get_u32(sector + 64),
        .payload_length = bytes_get_u32(sector + 68),
        .chain = bytes_get_u64(sector + 72),
        .payload_checksum = bytes_get_u64(sector + 80),
        .checksum = bytes_get_u64(sector + CHECKSUM_OFFSET),
    };
    struct sector_key key = {.salt = salt, .epoch = found.epoch};
    if (bytes_get_u32(sector) != MAGIC || !sector_is_right(sector, key, offset))
        return -EBADMSG;
    if (found.checksum != checksum_bytes(sector, CHECKSUM_OFFSET, salt))
        return -EBADMSG;
    if (bytes_get_u16(sector + 4) != FRAME_FORMAT_VERSION)
        return -EPROTONOSUPPORT;
    if (sector[7] != 0 || !frame_header_agrees(&found, offset))
        return -EBADMSG;
    *header = found;
    return 0;
}

bool frame_body_is_right(const uint8_t *frame, const struct frame_header *header, uint64_t salt)
{
    struct sector_key key = {.salt = salt, .epoch = header->epoch};
    for (uint32_t i = 0; i < header->length; i += STORAGE_SECTOR_BYTES) {
        if (!sector_is_right(frame + i, key, header->offset + i))
            return false;
    }
    if (header->payload_checksum != frame_payload_sum(frame, header->length, salt))
        return false;
    /* At most 4096 + 504 bytes: the sums cannot be wrong here unless the writer was. */
    for (size_t place = frame_place(header->payload_length); place < header->length;) {
        size_t in_sector = place % STORAGE_SECTOR_BYTES;
        if (!bytes_are_zero(frame + place, SECTOR_DATA_BYTES - in_sector))
            return false;
        place += STORAGE_SECTOR_BYTES - in_sector;
    }
    return true;
}
