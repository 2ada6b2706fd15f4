/* block_file.h - an immutable file of checksummed blocks: checkpoints and key files.
 *
 *     0               header, 4096 bytes: magic, version, kind, log id, block size, info
 *     4096            block 0, 1, 2, ... each of block_bytes (a multiple of 4096): a header of
 *                     32 bytes, up to block_bytes - 32 bytes of payload, zeros
 *     4096 + n * b    footer, 4096 bytes: count of blocks, totals, chain of the blocks' checksums
 *
 * It is written under a temporary name (".tmp" behind the name), flushed, read back and verified,
 * renamed, and the directory flushed: a file under its final name is complete. All checksums are
 * seeded with a salt from log id, kind and info, so that no block of another file passes for one of
 * this.
 *
 * What `info` (fixed when the file is begun), `totals` (known at its end) and payloads mean is the
 * business of the layer above.
 *
 * Thread: one at a time a writer or reader; readers of one file may be used by different threads
 * when each brings its own buffer.
 */
#ifndef FLORIN_WAL_BLOCK_FILE_H
#define FLORIN_WAL_BLOCK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "meta.h"
#include "storage.h"

enum block_file_kind {
    BLOCK_FILE_CHECKPOINT = 1,
    BLOCK_FILE_KEYS = 2,
};

enum {
    BLOCK_FILE_FORMAT_VERSION = 1,
    BLOCK_FILE_INFO_BYTES = 128,
    BLOCK_FILE_TOTALS_BYTES = 128,
    BLOCK_FILE_BLOCK_HEADER_BYTES = 32,
    /* The largest block: one write of a checkpoint. */
    BLOCK_FILE_BLOCK_BYTES_MAX = 256 * 1024,
};

/* Called after every piece of I/O with the bytes that it moved: paces background work, and may end
 * it by a negative errno (-ECANCELED), which the caller of the function gets. */
typedef int block_file_pace(void *context, size_t bytes);

struct block_file_plan {
    struct storage *storage;
    /* For the writes of blocks, without a flush each; owned by the caller, who uses it for nothing
     * else until the file is finished or abandoned: between calls a write may be under way. NULL:
     * storage's own write. */
    struct channel *channel;
    const uint8_t *log_id; /* META_LOG_ID_BYTES */
    enum block_file_kind kind;
    const char *directory; /* "checkpoint", "keys" */
    uint32_t block_bytes;
    uint8_t info[BLOCK_FILE_INFO_BYTES];
    block_file_pace *pace; /* may be NULL */
    void *pace_context;
};

struct block_file_writer;

/* Begins DIRECTORY/NAME.tmp (replacing one of that name). 0 or -errno. */
__attribute__((warn_unused_result)) int block_file_begin(const struct block_file_plan *plan,
                                                         const char *name,
                                                         struct block_file_writer **writer);

/* Adds a block; length <= block_bytes - BLOCK_FILE_BLOCK_HEADER_BYTES. `tag` stands in its header:
 * which part of the file it belongs to. The payload is copied. 0 or -errno. */
__attribute__((warn_unused_result)) int block_file_append(struct block_file_writer *writer,
                                                          uint32_t tag, const void *payload,
                                                          size_t length);

/* Blocks so far. */
uint64_t block_file_count(const struct block_file_writer *writer);

/* Footer, flush, read back and verify, rename to the final name `name` (which may differ from the
 * one at the beginning), flush of the directory; frees the writer. After an error the temporary
 * file is removed if possible and nothing has the final name (but after -EIO of the last directory
 * flush it may have). 0, -EBADMSG: what was read back differs; -errno. */
__attribute__((warn_unused_result)) int
block_file_finish(struct block_file_writer *writer, const char *name,
                  const uint8_t totals[BLOCK_FILE_TOTALS_BYTES]);

/* Gives it up: removes the temporary file, frees the writer. NULL is allowed. */
void block_file_abandon(struct block_file_writer *writer);

/* --- reading --------------------------------------------------------------------------------- */

/* What is wrong with a file, in words; set with -EBADMSG, and when the storage could not read. */
struct block_file_fault {
    char file[STORAGE_NAME_MAX];
    uint64_t offset;
    char reason[160];
};

struct block_file {
    /* read-only after block_file_open() */
    struct storage_file *file;
    char name[STORAGE_NAME_MAX]; /* with the directory */
    uint8_t info[BLOCK_FILE_INFO_BYTES];
    uint8_t totals[BLOCK_FILE_TOTALS_BYTES];
    uint64_t salt;
    uint64_t block_count;
    uint64_t chain; /* of the blocks' checksums, as the footer says */
    uint32_t block_bytes;
    uint64_t file_bytes;
};

/* Opens DIRECTORY/NAME for reading and checks header, footer and size. log_id as in the plan; NULL:
 * any. 0; -EBADMSG and *fault: damaged, foreign, cut off, of another kind or version; -ENOENT;
 * -errno. */
__attribute__((warn_unused_result)) int
block_file_open(struct storage *storage, const uint8_t *log_id, enum block_file_kind kind,
                const char *directory, const char *name, struct block_file *file,
                struct block_file_fault *fault);
void block_file_close(struct block_file *file);

/* Reads `count` blocks from `first` on into `buffer` (aligned to STORAGE_ALIGNMENT, count *
 * block_bytes) and checks each. 0; -EBADMSG and *fault; -errno. */
__attribute__((warn_unused_result)) int block_file_read(const struct block_file *file,
                                                        uint64_t first, uint64_t count,
                                                        uint8_t *buffer,
                                                        struct block_file_fault *fault);

/* The payload of a block that was read. */
const uint8_t *block_file_payload(const uint8_t *block, size_t *length);
uint32_t block_file_tag(const uint8_t *block);

/* Reads all blocks and checks them and their chain against the footer. 0; -EBADMSG and *fault; what
 * `pace` returned; -errno. */
__attribute__((warn_unused_result)) int block_file_verify(const struct block_file *file,
                                                          block_file_pace *pace, void *pace_context,
                                                          struct block_file_fault *fault);

#endif
