/* fuzz_block_file.c - whatever a file holds, its readers answer, and what they accept is what it
 * says.
 *
 * Nearly all of a block file is zeros and sums, so the input is a sketch of one: how many blocks,
 * how much is cut off, what is to be made right, then fields of header and footer, then in equal
 * shares the beginnings of the blocks. What is made right are sums and fixed fields, so that the
 * rules behind are reached; nobody mutates his way through XXH3.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/sim_disk.h"
#include "wal/block_file.h"
#include "wal/bytes.h"
#include "wal/checksum.h"

enum {
    BLOCKS_MAX = 4,
    BLOCK_BYTES = 4096,
    EDGE_BYTES = 4096, /* of header and footer */
    FILE_BYTES_MAX = 2 * EDGE_BYTES + BLOCKS_MAX * BLOCK_BYTES,
    /* The table of wal/block_file.c. */
    HEADER_CHECKSUM = 168,
    BLOCK_CHECKSUM = 24,
    BLOCK_HEADER = 32,
    FOOTER_CHECKSUM = 152,
};

/* What is made right; bits of the third byte of a sketch. */
enum repair {
    REPAIR_HEADER_FIELDS = 1,
    REPAIR_HEADER_SUM = 2,
    REPAIR_BLOCK_FIELDS = 4,
    REPAIR_BLOCK_SUMS = 8,
    REPAIR_FOOTER_FIELDS = 16,
    REPAIR_FOOTER_SUM = 32,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t log_id[META_LOG_ID_BYTES] = {1, 2, 3};

/* --- from a sketch to a file ----------------------------------------------------------------- */

struct image {
    uint8_t bytes[FILE_BYTES_MAX];
    uint8_t *footer;
    size_t blocks;
    size_t size; /* less what is cut off */
};

/* The input that is left. */
struct sketch {
    const uint8_t *data;
    size_t size;
};

static void sketch_take(struct sketch *sketch, uint8_t *place, size_t length)
{
    if (length > sketch->size)
        length = sketch->size;
    memcpy(place, sketch->data, length);
    sketch->data += length;
    sketch->size -= length;
}

static uint8_t *image_block(struct image *image, size_t number)
{
    return image->bytes + EDGE_BYTES + number * BLOCK_BYTES;
}

static void repair_header(struct image *image, unsigned repairs)
{
    uint8_t *header = image->bytes;
    if ((repairs & REPAIR_HEADER_FIELDS) != 0) {
        memcpy(header, "FLORINBF", 8);
        bytes_put_u32(header + 8, BLOCK_FILE_FORMAT_VERSION);
        bytes_put_u32(header + 12, BLOCK_BYTES);
        memcpy(header + 16, log_id, META_LOG_ID_BYTES);
        bytes_put_u32(header + 32, BLOCK_FILE_KEYS);
        bytes_put_u32(header + 164, 0);
        memset(header + HEADER_CHECKSUM + 8, 0, EDGE_BYTES - HEADER_CHECKSUM - 8);
    }
    if ((repairs & REPAIR_HEADER_SUM) != 0)
        bytes_put_u64(header + HEADER_CHECKSUM, checksum_bytes(header, HEADER_CHECKSUM, 0));
}

/* The chain of the blocks as they are. */
static uint64_t repair_blocks(struct image *image, unsigned repairs, uint64_t salt)
{
    uint64_t chain = salt;
    for (size_t i = 0; i < image->blocks; i++) {
        uint8_t *block = image_block(image, i);
        if ((repairs & REPAIR_BLOCK_FIELDS) != 0) {
            uint32_t length = bytes_get_u32(block + 4) % (BLOCK_BYTES - BLOCK_HEADER + 1);
            bytes_put_u32(block + 4, length);
            bytes_put_u64(block + 8, i);
            bytes_put_u64(block + 16, 0);
            memset(block + BLOCK_HEADER + length, 0, BLOCK_BYTES - BLOCK_HEADER - length);
        }
        if ((repairs & REPAIR_BLOCK_SUMS) != 0) {
            uint64_t sum = checksum_bytes(block, BLOCK_CHECKSUM, salt);
            sum = checksum_bytes(block + BLOCK_HEADER, BLOCK_BYTES - BLOCK_HEADER, sum);
            bytes_put_u64(block + BLOCK_CHECKSUM, sum);
        }
        chain = checksum_bytes(block + BLOCK_CHECKSUM, 8, chain);
    }
    return chain;
}

static void repair_footer(struct image *image, unsigned repairs, uint64_t salt, uint64_t chain)
{
    uint8_t *footer = image->footer;
    if ((repairs & REPAIR_FOOTER_FIELDS) != 0) {
        memcpy(footer, "FLORINBE", 8);
        bytes_put_u64(footer + 8, image->blocks);
        bytes_put_u64(footer + 16, chain);
        memset(footer + FOOTER_CHECKSUM + 8, 0, EDGE_BYTES - FOOTER_CHECKSUM - 8);
    }
    if ((repairs & REPAIR_FOOTER_SUM) != 0)
        bytes_put_u64(footer + FOOTER_CHECKSUM, checksum_bytes(footer, FOOTER_CHECKSUM, salt));
}

static void image_make(struct image *image, struct sketch sketch)
{
    uint8_t shape[3] = {0};
    sketch_take(&sketch, shape, sizeof(shape));
    memset(image, 0, sizeof(*image));
    image->blocks = shape[0] % (BLOCKS_MAX + 1);
    image->footer = image_block(image, image->blocks);
    image->size = 2 * EDGE_BYTES + image->blocks * BLOCK_BYTES;
    if (shape[1] >= 128)
        image->size -= (size_t)(shape[1] - 127) * 64 % image->size;
    sketch_take(&sketch, image->bytes, 36);
    sketch_take(&sketch, image->bytes + 164, 20);
    sketch_take(&sketch, image->footer, 24);
    sketch_take(&sketch, image->footer + 152, 16);
    size_t share = image->blocks == 0 ? 0 : sketch.size / image->blocks;
    for (size_t i = 0; i < image->blocks; i++)
        sketch_take(&sketch, image_block(image, i), share < BLOCK_BYTES ? share : BLOCK_BYTES);
    repair_header(image, shape[2]);
    uint64_t salt = checksum_bytes(image->bytes + 16, 148, 0);
    uint64_t chain = repair_blocks(image, shape[2], salt);
    repair_footer(image, shape[2], salt, chain);
}

/* --- what must be true of a file that was opened --------------------------------------------- */

static void check_blocks(const struct block_file *file, uint8_t *buffer)
{
    struct block_file_fault fault;
    for (uint64_t i = 0; i < file->block_count; i++) {
        int error = block_file_read(file, i, 1, buffer, &fault);
        assert(error == 0);
        size_t length;
        const uint8_t *payload = block_file_payload(buffer, &length);
        assert(length <= file->block_bytes - BLOCK_HEADER);
        assert(bytes_are_zero(payload + length, file->block_bytes - BLOCK_HEADER - length));
    }
}

static void check_file(const struct block_file *file)
{
    assert(file->file_bytes <= FILE_BYTES_MAX);
    assert(file->file_bytes == 2 * EDGE_BYTES + file->block_count * file->block_bytes);
    struct block_file_fault fault = {0};
    if (block_file_verify(file, NULL, NULL, &fault) != 0) {
        assert(fault.reason[0] != '\0');
        assert(fault.offset < file->file_bytes);
        return;
    }
    uint8_t *buffer = aligned_alloc(STORAGE_ALIGNMENT, file->block_bytes);
    assert(buffer != NULL);
    check_blocks(file, buffer);
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image;
    image_make(&image, (struct sketch){.data = data, .size = size});
    struct sim_disk *disk = sim_disk_create();
    sim_disk_put(disk, "keys/file", image.bytes, image.size);
    struct block_file file;
    struct block_file_fault fault = {0};
    if (block_file_open(sim_disk_storage(disk), log_id, BLOCK_FILE_KEYS, "keys", "file", &file,
                        &fault) == 0) {
        check_file(&file);
        block_file_close(&file);
    } else {
        assert(fault.reason[0] != '\0');
        assert(fault.offset <= image.size);
    }
    sim_disk_destroy(disk);
    return 0;
}
