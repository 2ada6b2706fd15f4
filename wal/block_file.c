/* block_file.c - the bytes of an immutable file of blocks, and its readers.
 *
 *     [header 4096][block 0][block 1] ... [block n - 1][footer 4096]
 *
 * Header, little-endian:
 *
 *      0  u8[8]    magic           "FLORINBF"
 *      8  u32      format_version  1
 *     12  u32      block_bytes     a multiple of 4096, at most 256 KiB
 *     16  u8[16]   log_id
 *     32  u32      kind            1 checkpoint, 2 keys
 *     36  u8[128]  info            of the layer above
 *    164  u32      reserved        0
 *    168  u64      checksum        XXH3-64 of bytes 0 to 167, seed 0
 *    176  u8[3920] zeros
 *
 * The salt is XXH3-64 of bytes 16 to 163 of the header (log_id, kind, info), seed 0. Block:
 *
 *      0  u32      tag             of the layer above
 *      4  u32      payload_length  at most block_bytes - 32
 *      8  u64      number          from 0
 *     16  u64      reserved        0
 *     24  u64      checksum        XXH3-64 of bytes 32 to the block's end, seed: XXH3-64 of bytes
 *                                  0 to 23, seed: the salt
 *     32           payload, then zeros
 *
 * Footer:
 *
 *      0  u8[8]    magic           "FLORINBE"
 *      8  u64      block_count
 *     16  u64      chain
 *     24  u8[128]  totals          of the layer above
 *    152  u64      checksum        XXH3-64 of bytes 0 to 151, seed: the salt
 *    160  u8[3936] zeros
 *
 * The chain of no blocks is the salt; one more block makes it XXH3-64 of that block's checksum (8
 * bytes), seed: the chain before. A file is right when
 *
 *   1. magic, version and checksum of the header are right; log id and kind are those asked for,
 *   2. it is 8192 + n * block_bytes bytes long,
 *   3. magic and checksum of the footer are right, and its block_count is n,
 *   4. each block's checksum is right, and its number is its place,
 *   5. the chain over all blocks is the footer's,
 *   6. all that is reserved, and all padding, is zero.
 *
 * block_file_open() looks at 1 to 3, block_file_read() at 4, block_file_verify() at all.
 *
 * Guarantees: reads within the file whatever it holds; a fault names file, offset and reason.
 * Must not know: what info, totals, tags and payloads mean.
 */
#include "block_file.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block_file_internal.h"
#include "bytes.h"
#include "checksum.h"

enum {
    MAGIC_BYTES = 8,
    HEADER_VERSION = 8,
    HEADER_BLOCK_BYTES = 12,
    HEADER_LOG_ID = 16,
    HEADER_KIND = 32,
    HEADER_INFO = 36,
    HEADER_RESERVED = 164,
    HEADER_CHECKSUM = 168,
    HEADER_END = 176,
    BLOCK_PAYLOAD_LENGTH = 4,
    BLOCK_NUMBER = 8,
    BLOCK_RESERVED = 16,
    BLOCK_CHECKSUM = 24,
    FOOTER_BLOCK_COUNT = 8,
    FOOTER_CHAIN = 16,
    FOOTER_TOTALS = 24,
    FOOTER_CHECKSUM = 152,
    FOOTER_END = 160,
};

_Static_assert(HEADER_KIND == (int)HEADER_LOG_ID + (int)META_LOG_ID_BYTES, "log id, then kind");
_Static_assert(HEADER_RESERVED == (int)HEADER_INFO + (int)BLOCK_FILE_INFO_BYTES, "info has no gap");
_Static_assert(BLOCK_CHECKSUM + 8 == (int)BLOCK_FILE_BLOCK_HEADER_BYTES, "no gap before payload");
_Static_assert(FOOTER_CHECKSUM == (int)FOOTER_TOTALS + (int)BLOCK_FILE_TOTALS_BYTES,
               "totals have no gap");

static const uint8_t header_magic[MAGIC_BYTES] = {'F', 'L', 'O', 'R', 'I', 'N', 'B', 'F'};
static const uint8_t footer_magic[MAGIC_BYTES] = {'F', 'L', 'O', 'R', 'I', 'N', 'B', 'E'};

/* --- encoding -------------------------------------------------------------------------------- */

void block_file_full_name(const char *directory, const char *name, const char *ending,
                          char full_name[STORAGE_NAME_MAX])
{
    int length = snprintf(full_name, STORAGE_NAME_MAX, "%s/%s%s", directory, name, ending);
    assert(length > 0 && length < STORAGE_NAME_MAX);
}

bool block_file_block_bytes_are_valid(uint64_t block_bytes)
{
    return block_bytes > 0 && block_bytes <= BLOCK_FILE_BLOCK_BYTES_MAX &&
           block_bytes % STORAGE_ALIGNMENT == 0;
}

void block_file_encode_header(const struct block_file_plan *plan,
                              uint8_t bytes[BLOCK_FILE_HEADER_BYTES])
{
    memset(bytes, 0, BLOCK_FILE_HEADER_BYTES);
    memcpy(bytes, header_magic, MAGIC_BYTES);
    bytes_put_u32(bytes + HEADER_VERSION, BLOCK_FILE_FORMAT_VERSION);
    bytes_put_u32(bytes + HEADER_BLOCK_BYTES, plan->block_bytes);
    memcpy(bytes + HEADER_LOG_ID, plan->log_id, META_LOG_ID_BYTES);
    bytes_put_u32(bytes + HEADER_KIND, (uint32_t)plan->kind);
    memcpy(bytes + HEADER_INFO, plan->info, BLOCK_FILE_INFO_BYTES);
    bytes_put_u64(bytes + HEADER_CHECKSUM, checksum_bytes(bytes, HEADER_CHECKSUM, 0));
}

uint64_t block_file_salt(const uint8_t header[BLOCK_FILE_HEADER_BYTES])
{
    return checksum_bytes(header + HEADER_LOG_ID, HEADER_RESERVED - HEADER_LOG_ID, 0);
}

static uint64_t block_file_block_sum(const uint8_t *block, uint32_t block_bytes, uint64_t salt)
{
    uint64_t sum = checksum_bytes(block, BLOCK_CHECKSUM, salt);
    return checksum_bytes(block + BLOCK_FILE_BLOCK_HEADER_BYTES,
                          block_bytes - BLOCK_FILE_BLOCK_HEADER_BYTES, sum);
}

uint64_t block_file_seal_block(uint8_t *block, uint32_t block_bytes, uint64_t salt, uint64_t number,
                               uint32_t tag, size_t payload_length)
{
    assert(payload_length <= block_bytes - BLOCK_FILE_BLOCK_HEADER_BYTES);
    bytes_put_u32(block, tag);
    bytes_put_u32(block + BLOCK_PAYLOAD_LENGTH, (uint32_t)payload_length);
    bytes_put_u64(block + BLOCK_NUMBER, number);
    bytes_put_u64(block + BLOCK_RESERVED, 0);
    uint64_t sum = block_file_block_sum(block, block_bytes, salt);
    bytes_put_u64(block + BLOCK_CHECKSUM, sum);
    return sum;
}

uint64_t block_file_chain(uint64_t chain, uint64_t block_checksum)
{
    uint8_t bytes[sizeof(block_checksum)];
    bytes_put_u64(bytes, block_checksum);
    return checksum_bytes(bytes, sizeof(bytes), chain);
}

void block_file_encode_footer(uint64_t block_count, uint64_t chain,
                              const uint8_t totals[BLOCK_FILE_TOTALS_BYTES], uint64_t salt,
                              uint8_t bytes[BLOCK_FILE_FOOTER_BYTES])
{
    memset(bytes, 0, BLOCK_FILE_FOOTER_BYTES);
    memcpy(bytes, footer_magic, MAGIC_BYTES);
    bytes_put_u64(bytes + FOOTER_BLOCK_COUNT, block_count);
    bytes_put_u64(bytes + FOOTER_CHAIN, chain);
    memcpy(bytes + FOOTER_TOTALS, totals, BLOCK_FILE_TOTALS_BYTES);
    bytes_put_u64(bytes + FOOTER_CHECKSUM, checksum_bytes(bytes, FOOTER_CHECKSUM, salt));
}

/* --- faults ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static int block_file_damaged(const struct block_file *file,
                                                                    struct block_file_fault *fault,
                                                                    uint64_t offset,
                                                                    const char *format, ...)
{
    memcpy(fault->file, file->name, sizeof(fault->file));
    fault->offset = offset;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof(fault->reason), format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

static int block_file_fetch(const struct block_file *file, void *buffer, size_t length,
                            uint64_t offset, struct block_file_fault *fault)
{
    int error = file->file->storage->operations->read(file->file, buffer, length, offset);
    if (error != 0)
        (void)block_file_damaged(file, fault, offset, "%zu bytes cannot be read: errno %d", length,
                                 -error);
    return error;
}

/* --- opening --------------------------------------------------------------------------------- */

static int block_file_check_size(struct block_file *file, struct block_file_fault *fault)
{
    int error = file->file->storage->operations->size(file->file, &file->file_bytes);
    if (error == 0 && file->file_bytes < BLOCK_FILE_HEADER_BYTES + BLOCK_FILE_FOOTER_BYTES)
        error = block_file_damaged(file, fault, file->file_bytes,
                                   "the file ends here, without room for header and footer");
    return error;
}

static int block_file_decode_header(struct block_file *file, const uint8_t *bytes,
                                    const uint8_t *log_id, enum block_file_kind kind,
                                    struct block_file_fault *fault)
{
    if (memcmp(bytes, header_magic, MAGIC_BYTES) != 0)
        return block_file_damaged(file, fault, 0, "this is not a block file");
    /* Before the checksum: only these twelve bytes are the same in every version. */
    uint32_t version = bytes_get_u32(bytes + HEADER_VERSION);
    if (version != BLOCK_FILE_FORMAT_VERSION)
        return block_file_damaged(file, fault, HEADER_VERSION,
                                  "format version %" PRIu32 ", this program reads %d", version,
                                  BLOCK_FILE_FORMAT_VERSION);
    uint64_t sum = checksum_bytes(bytes, HEADER_CHECKSUM, 0);
    if (bytes_get_u64(bytes + HEADER_CHECKSUM) != sum)
        return block_file_damaged(file, fault, HEADER_CHECKSUM,
                                  "the header's checksum is %016" PRIx64 ", expected %016" PRIx64,
                                  bytes_get_u64(bytes + HEADER_CHECKSUM), sum);
    if (log_id != NULL && memcmp(bytes + HEADER_LOG_ID, log_id, META_LOG_ID_BYTES) != 0)
        return block_file_damaged(file, fault, HEADER_LOG_ID, "a file of another log");
    uint32_t its_kind = bytes_get_u32(bytes + HEADER_KIND);
    if (its_kind != (uint32_t)kind)
        return block_file_damaged(file, fault, HEADER_KIND,
                                  "a file of kind %" PRIu32 ", expected %d", its_kind, (int)kind);
    file->block_bytes = bytes_get_u32(bytes + HEADER_BLOCK_BYTES);
    if (!block_file_block_bytes_are_valid(file->block_bytes))
        return block_file_damaged(file, fault, HEADER_BLOCK_BYTES, "blocks of %" PRIu32 " bytes",
                                  file->block_bytes);
    if (bytes_get_u32(bytes + HEADER_RESERVED) != 0)
        return block_file_damaged(file, fault, HEADER_RESERVED, "a reserved field is not zero");
    if (!bytes_are_zero(bytes + HEADER_END, BLOCK_FILE_HEADER_BYTES - HEADER_END))
        return block_file_damaged(file, fault, HEADER_END, "the header's padding is not zero");
    memcpy(file->info, bytes + HEADER_INFO, BLOCK_FILE_INFO_BYTES);
    file->salt = block_file_salt(bytes);
    uint64_t rest = file->file_bytes - BLOCK_FILE_HEADER_BYTES - BLOCK_FILE_FOOTER_BYTES;
    file->block_count = rest / file->block_bytes;
    if (rest % file->block_bytes != 0)
        return block_file_damaged(file, fault, file->file_bytes,
                                  "the file ends here, within a block or footer");
    return 0;
}

static int block_file_decode_footer(struct block_file *file, const uint8_t *bytes,
                                    struct block_file_fault *fault)
{
    uint64_t offset = file->file_bytes - BLOCK_FILE_FOOTER_BYTES;
    if (memcmp(bytes, footer_magic, MAGIC_BYTES) != 0)
        return block_file_damaged(file, fault, offset, "there is no footer at the file's end");
    uint64_t sum = checksum_bytes(bytes, FOOTER_CHECKSUM, file->salt);
    if (bytes_get_u64(bytes + FOOTER_CHECKSUM) != sum)
        return block_file_damaged(file, fault, offset + FOOTER_CHECKSUM,
                                  "the footer's checksum is %016" PRIx64 ", expected %016" PRIx64,
                                  bytes_get_u64(bytes + FOOTER_CHECKSUM), sum);
    uint64_t count = bytes_get_u64(bytes + FOOTER_BLOCK_COUNT);
    if (count != file->block_count)
        return block_file_damaged(file, fault, offset + FOOTER_BLOCK_COUNT,
                                  "a footer of %" PRIu64 " blocks behind %" PRIu64, count,
                                  file->block_count);
    if (!bytes_are_zero(bytes + FOOTER_END, BLOCK_FILE_FOOTER_BYTES - FOOTER_END))
        return block_file_damaged(file, fault, offset + FOOTER_END,
                                  "the footer's padding is not zero");
    file->chain = bytes_get_u64(bytes + FOOTER_CHAIN);
    memcpy(file->totals, bytes + FOOTER_TOTALS, BLOCK_FILE_TOTALS_BYTES);
    return 0;
}

int block_file_open(struct storage *storage, const uint8_t *log_id, enum block_file_kind kind,
                    const char *directory, const char *name, struct block_file *file,
                    struct block_file_fault *fault)
{
    _Static_assert((int)BLOCK_FILE_HEADER_BYTES == (int)BLOCK_FILE_FOOTER_BYTES,
                   "one buffer serves both");
    struct block_file opened = {0};
    block_file_full_name(directory, name, "", opened.name);
    int error = storage->operations->open(storage, opened.name, STORAGE_READ_ONLY, &opened.file);
    if (error != 0)
        return error;
    uint8_t *bytes = aligned_alloc(STORAGE_ALIGNMENT, BLOCK_FILE_HEADER_BYTES);
    error = bytes == NULL ? -ENOMEM : block_file_check_size(&opened, fault);
    if (error == 0)
        error = block_file_fetch(&opened, bytes, BLOCK_FILE_HEADER_BYTES, 0, fault);
    if (error == 0)
        error = block_file_decode_header(&opened, bytes, log_id, kind, fault);
    if (error == 0)
        error = block_file_fetch(&opened, bytes, BLOCK_FILE_FOOTER_BYTES,
                                 opened.file_bytes - BLOCK_FILE_FOOTER_BYTES, fault);
    if (error == 0)
        error = block_file_decode_footer(&opened, bytes, fault);
    free(bytes);
    if (error != 0)
        block_file_close(&opened);
    else
        *file = opened;
    return error;
}

void block_file_close(struct block_file *file)
{
    file->file->storage->operations->close(file->file);
    file->file = NULL;
}

/* --- reading --------------------------------------------------------------------------------- */

static int block_file_check_block(const struct block_file *file, uint64_t number,
                                  const uint8_t *block, struct block_file_fault *fault)
{
    uint64_t offset = BLOCK_FILE_HEADER_BYTES + number * file->block_bytes;
    uint64_t sum = block_file_block_sum(block, file->block_bytes, file->salt);
    if (bytes_get_u64(block + BLOCK_CHECKSUM) != sum)
        return block_file_damaged(file, fault, offset,
                                  "block %" PRIu64 " has checksum %016" PRIx64
                                  ", expected %016" PRIx64 ": damaged, or of another file",
                                  number, bytes_get_u64(block + BLOCK_CHECKSUM), sum);
    if (bytes_get_u64(block + BLOCK_NUMBER) != number)
        return block_file_damaged(file, fault, offset + BLOCK_NUMBER,
                                  "block %" PRIu64 " stands at the place of block %" PRIu64,
                                  bytes_get_u64(block + BLOCK_NUMBER), number);
    if (bytes_get_u64(block + BLOCK_RESERVED) != 0)
        return block_file_damaged(file, fault, offset + BLOCK_RESERVED,
                                  "a reserved field of block %" PRIu64 " is not zero", number);
    uint32_t room = file->block_bytes - BLOCK_FILE_BLOCK_HEADER_BYTES;
    uint32_t length = bytes_get_u32(block + BLOCK_PAYLOAD_LENGTH);
    if (length > room)
        return block_file_damaged(file, fault, offset + BLOCK_PAYLOAD_LENGTH,
                                  "block %" PRIu64 " says that it holds %" PRIu32 " bytes", number,
                                  length);
    if (!bytes_are_zero(block + BLOCK_FILE_BLOCK_HEADER_BYTES + length, room - length))
        return block_file_damaged(file, fault, offset + BLOCK_FILE_BLOCK_HEADER_BYTES + length,
                                  "the padding of block %" PRIu64 " is not zero", number);
    return 0;
}

int block_file_read(const struct block_file *file, uint64_t first, uint64_t count, uint8_t *buffer,
                    struct block_file_fault *fault)
{
    assert(count <= file->block_count && first <= file->block_count - count);
    size_t length = (size_t)count * file->block_bytes;
    int error = block_file_fetch(file, buffer, length,
                                 BLOCK_FILE_HEADER_BYTES + first * file->block_bytes, fault);
    for (uint64_t i = 0; error == 0 && i < count; i++)
        error = block_file_check_block(file, first + i, buffer + i * file->block_bytes, fault);
    return error;
}

const uint8_t *block_file_payload(const uint8_t *block, size_t *length)
{
    *length = bytes_get_u32(block + BLOCK_PAYLOAD_LENGTH);
    return block + BLOCK_FILE_BLOCK_HEADER_BYTES;
}

uint32_t block_file_tag(const uint8_t *block)
{
    return bytes_get_u32(block);
}

int block_file_verify(const struct block_file *file, block_file_pace *pace, void *pace_context,
                      struct block_file_fault *fault)
{
    uint64_t at_once =
        bytes_round_up(BLOCK_FILE_PIECE_BYTES, file->block_bytes) / file->block_bytes;
    if (at_once > file->block_count)
        at_once = file->block_count;
    uint8_t *buffer = NULL;
    if (at_once > 0) {
        buffer = aligned_alloc(STORAGE_ALIGNMENT, (size_t)at_once * file->block_bytes);
        if (buffer == NULL)
            return -ENOMEM;
    }
    uint64_t chain = file->salt;
    int error = 0;
    for (uint64_t first = 0; error == 0 && first < file->block_count; first += at_once) {
        uint64_t rest = file->block_count - first;
        uint64_t count = rest < at_once ? rest : at_once;
        error = block_file_read(file, first, count, buffer, fault);
        for (uint64_t i = 0; error == 0 && i < count; i++)
            chain = block_file_chain(
                chain, bytes_get_u64(buffer + i * file->block_bytes + BLOCK_CHECKSUM));
        if (error == 0 && pace != NULL)
            error = pace(pace_context, (size_t)count * file->block_bytes);
    }
    free(buffer);
    if (error == 0 && chain != file->chain)
        error = block_file_damaged(
            file, fault, file->file_bytes - BLOCK_FILE_FOOTER_BYTES + FOOTER_CHAIN,
            "the footer's chain is %016" PRIx64 ", the blocks make it %016" PRIx64, file->chain,
            chain);
    return error;
}
