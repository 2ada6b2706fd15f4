/* segment.c - the header block of a segment, field by field, and the making of spare segments.
 *
 * Header block, little-endian; 8 sealed sectors (sector.h), the data of the first:
 *
 *      0  u8[8]   magic          "FLORINWS"
 *      8  u16     version        1
 *     10  u8      state          1 spare, 2 used
 *     11  u8      reserved       0
 *     12  u32     epoch          of the first frame; 0: spare
 *     16  u8[16]  log_id
 *     32  u64     number
 *     40  u64     segment_bytes
 *     48  u64     salt           XXH3-64 of log_id and number
 *     56  u64     first_lsn      of the first frame; 0: spare
 *     64  u64     chain          value of the last frame of the segment before; 0: spare
 *     72  u64     checksum       XXH3-64 of bytes 0 to 71, seed 0
 *     80  u8[424] zeros
 *
 * Sectors 1 to 7 hold zeros. The trailers of a spare block are sealed with epoch 0, those of a used
 * block with the epoch of its first frame, which is at least 1: so each of the 8 sectors tells by
 * itself whether it is the spare one or the used one, and a torn header block is decidable.
 *
 * Guarantees: a segment under its final name was complete before it got that name.
 * Must not know: groups, LSN order, recovery.
 */
#include "segment.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checksum.h"

enum {
    MAGIC_BYTES = 8,
    CHECKSUM_OFFSET = 72,
    FIELDS_END = 80,
    NAME_DIGITS = 16,
};

_Static_assert((int)FIELDS_END <= (int)SECTOR_DATA_BYTES, "the fields fit into one sector");

static const uint8_t magic[MAGIC_BYTES] = {'F', 'L', 'O', 'R', 'I', 'N', 'W', 'S'};

uint64_t segment_salt(const uint8_t log_id[META_LOG_ID_BYTES], uint64_t number)
{
    return checksum_bytes(log_id, META_LOG_ID_BYTES, number);
}

uint64_t segment_chain_origin(const uint8_t log_id[META_LOG_ID_BYTES])
{
    return segment_salt(log_id, 0); /* segments are numbered from 1 */
}

void segment_header_encode(const struct segment_header *header, uint8_t block[SEGMENT_HEADER_BYTES])
{
    assert(header->number > 0);
    assert((header->state == SEGMENT_SPARE) == (header->epoch == 0));
    uint64_t salt = segment_salt(header->log_id, header->number);
    memset(block, 0, SEGMENT_HEADER_BYTES);
    memcpy(block, magic, sizeof(magic));
    bytes_put_u16(block + 8, SEGMENT_FORMAT_VERSION);
    block[10] = (uint8_t)header->state;
    bytes_put_u32(block + 12, header->epoch);
    memcpy(block + 16, header->log_id, META_LOG_ID_BYTES);
    bytes_put_u64(block + 32, header->number);
    bytes_put_u64(block + 40, header->segment_bytes);
    bytes_put_u64(block + 48, salt);
    bytes_put_u64(block + 56, header->first_lsn);
    bytes_put_u64(block + 64, header->chain);
    bytes_put_u64(block + CHECKSUM_OFFSET, checksum_bytes(block, CHECKSUM_OFFSET, 0));
    sector_seal(block, SEGMENT_HEADER_BYTES,
                (struct sector_key){.salt = salt, .epoch = header->epoch}, 0);
}

int segment_header_decode(const uint8_t sector[STORAGE_SECTOR_BYTES], struct segment_header *header)
{
    if (memcmp(sector, magic, sizeof(magic)) != 0)
        return -EBADMSG;
    if (bytes_get_u64(sector + CHECKSUM_OFFSET) != checksum_bytes(sector, CHECKSUM_OFFSET, 0))
        return -EBADMSG;
    if (bytes_get_u16(sector + 8) != SEGMENT_FORMAT_VERSION)
        return -EPROTONOSUPPORT;
    struct segment_header found = {
        .number = bytes_get_u64(sector + 32),
        .segment_bytes = bytes_get_u64(sector + 40),
        .state = sector[10] == SEGMENT_SPARE ? SEGMENT_SPARE : SEGMENT_USED,
        .epoch = bytes_get_u32(sector + 12),
        .first_lsn = bytes_get_u64(sector + 56),
        .chain = bytes_get_u64(sector + 64),
    };
    memcpy(found.log_id, sector + 16, META_LOG_ID_BYTES);
    bool state_is_known = sector[10] == SEGMENT_SPARE || sector[10] == SEGMENT_USED;
    bool epoch_fits = (found.state == SEGMENT_SPARE) == (found.epoch == 0);
    bool salt_fits = bytes_get_u64(sector + 48) == segment_salt(found.log_id, found.number);
    bool rest_is_zero =
        sector[11] == 0 && bytes_are_zero(sector + FIELDS_END, SECTOR_DATA_BYTES - FIELDS_END);
    if (!state_is_known || !epoch_fits || !salt_fits || !rest_is_zero || found.number == 0)
        return -EBADMSG;
    *header = found;
    return 0;
}

void segment_spare_block(const struct meta *meta, uint64_t number,
                         uint8_t block[SEGMENT_HEADER_BYTES])
{
    struct segment_header header = {
        .number = number,
        .segment_bytes = meta->segment_bytes,
        .state = SEGMENT_SPARE,
    };
    memcpy(header.log_id, meta->log_id, META_LOG_ID_BYTES);
    segment_header_encode(&header, block);
}

bool segment_is_spare(const struct meta *meta, uint64_t number, const uint8_t *bytes)
{
    uint8_t block[SEGMENT_HEADER_BYTES];
    segment_spare_block(meta, number, block);
    return memcmp(bytes, block, sizeof(block)) == 0 &&
           bytes_are_zero(bytes + sizeof(block), meta->segment_bytes - sizeof(block));
}

void segment_name(uint64_t number, char name[STORAGE_NAME_MAX])
{
    snprintf(name, STORAGE_NAME_MAX, "log/%0*" PRIu64 ".wal", NAME_DIGITS, number);
}

void segment_temporary_name(uint64_t number, char name[STORAGE_NAME_MAX])
{
    snprintf(name, STORAGE_NAME_MAX, "log/%0*" PRIu64 ".tmp", NAME_DIGITS, number);
}

enum segment_file_kind segment_parse_name(const char *name, uint64_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return SEGMENT_FILE_OTHER;
        value = value * 10 + (uint64_t)(name[i] - '0');
    }
    const char *ending = name + NAME_DIGITS;
    bool is_log = strcmp(ending, ".wal") == 0;
    if (value == 0 || (!is_log && strcmp(ending, ".tmp") != 0))
        return SEGMENT_FILE_OTHER;
    *number = value;
    return is_log ? SEGMENT_FILE_LOG : SEGMENT_FILE_TEMPORARY;
}

/* Zeros behind the header block, then the header block, then a flush. */
static int segment_fill_spare(struct storage_file *file, const struct meta *meta, uint64_t number,
                              const atomic_bool *stop)
{
    const struct storage_operations *operations = file->storage->operations;
    uint64_t piece = meta->segment_bytes - SEGMENT_HEADER_BYTES;
    if (piece > SEGMENT_ZERO_WRITE_BYTES)
        piece = SEGMENT_ZERO_WRITE_BYTES;
    uint8_t *zeros = aligned_alloc(STORAGE_ALIGNMENT, piece);
    if (zeros == NULL)
        return -ENOMEM;
    memset(zeros, 0, piece);
    int error = 0;
    uint64_t offset = SEGMENT_HEADER_BYTES;
    while (offset < meta->segment_bytes && error == 0) {
        uint64_t rest = meta->segment_bytes - offset;
        error = operations->write(file, zeros, rest < piece ? rest : piece, offset);
        offset += piece;
        /* Relaxed: only asks to hurry; what happened before stop is handed over by the join. */
        if (error == 0 && stop != NULL && atomic_load_explicit(stop, memory_order_relaxed))
            error = -ECANCELED;
    }
    if (error == 0) {
        segment_spare_block(meta, number, zeros);
        error = operations->write(file, zeros, SEGMENT_HEADER_BYTES, 0);
    }
    free(zeros);
    return error != 0 ? error : operations->sync(file);
}

int segment_create_spare(struct storage *storage, const struct meta *meta, uint64_t number,
                         const atomic_bool *stop, struct storage_file **file)
{
    const struct storage_operations *operations = storage->operations;
    char temporary[STORAGE_NAME_MAX];
    char name[STORAGE_NAME_MAX];
    segment_temporary_name(number, temporary);
    segment_name(number, name);

    struct storage_file *made;
    int error = operations->open(storage, temporary, STORAGE_CREATE_NEW, &made);
    if (error == -EEXIST) {
        /* Of an attempt that failed and could not be removed; the caller holds the directory. */
        error = operations->remove(storage, temporary);
        if (error == 0)
            error = operations->open(storage, temporary, STORAGE_CREATE_NEW, &made);
    }
    if (error != 0)
        return error;
    error = operations->lock(made, 0);
    if (error == 0)
        error = segment_fill_spare(made, meta, number, stop);
    if (error == 0)
        error = operations->rename(storage, temporary, name);
    if (error != 0)
        goto remove_temporary;
    error = operations->sync_directory(storage, "log");
    if (error != 0)
        goto close_file;
    *file = made;
    return 0;

remove_temporary:
    /* Best effort: what stays is removed by the next recovery. */
    (void)operations->remove(storage, temporary);
close_file:
    operations->close(made);
    return error;
}
