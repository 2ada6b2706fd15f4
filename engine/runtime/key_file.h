/* key_file.h - one file of idempotency keys, keys/<from>-<to>.keys: all keys of the records with
 * LSN from to to, sorted, with filters. Made once, from the log or by merging; never changed.
 *
 * A block file (wal/block_file.h) with blocks of 4096 bytes, 4064 of payload. Little-endian.
 *
 *     info of the header
 *        0  u64  from_lsn
 *        8  u64  to_lsn
 *       16  zeros
 *
 *     blocks, in this order          tag
 *        data                        1     63 key answers of 64 bytes (key_answer.h), in the last
 *                                          block 1 to 63; sorted by digest, then LSN
 *        filters                     2     one run of bytes, 4064 a block: u64 length of the
 *                                          filter of each part, then the filters (key_filter.h)
 *        index                       3     one run of bytes: u64 upper half of the digest of the
 *                                          first key of each data block
 *
 *     totals of the footer
 *        0  u64  from_lsn
 *        8  u64  to_lsn
 *       16  u64  key_count
 *       24  u64  state_digest    sum of key_state_digest() of all keys
 *       32  u64  data_blocks     key_count / 63, rounded up
 *       40  u64  filter_blocks
 *       48  u64  index_blocks
 *       56  u64  filter_bytes    directory and filters
 *       64  u32  part_bits       there are 2^part_bits parts and filters
 *       68  zeros
 *
 * A part is the keys whose digest begins with its number: filters are built a part at a time, so
 * that the memory for it does not grow with the file. A look-up costs, when the filter says
 * "perhaps", a binary search in the index in memory and one read of one block.
 *
 * In memory: filters and index, 1.97 bytes a key at a million keys.
 *
 * Thread: one at a time a key file, cursor or writer; several of the same file are independent.
 */
#ifndef FLORIN_RUNTIME_KEY_FILE_H
#define FLORIN_RUNTIME_KEY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/hash.h"
#include "engine/core/key_answer.h"
#include "engine/core/key_filter.h"
#include "wal/block_file.h"
#include "wal/channel.h"
#include "wal/storage.h"

#define KEY_FILE_DIRECTORY "keys"

enum {
    /* What one look-up reads. */
    KEY_FILE_BLOCK_BYTES = 4096,
    KEY_FILE_PAYLOAD_BYTES = KEY_FILE_BLOCK_BYTES - BLOCK_FILE_BLOCK_HEADER_BYTES,
    KEY_FILE_BLOCK_KEYS = KEY_FILE_PAYLOAD_BYTES / KEY_ANSWER_BYTES,
    /* Digests are random: a part of so many on average stays below KEY_FILTER_KEYS_MAX by more
     * than a hundred times its deviation. */
    KEY_FILE_PART_KEYS = KEY_FILTER_KEYS_MAX - KEY_FILTER_KEYS_MAX / 8,
    /* 2^12 parts: 3.7 * 10^9 keys, 240 GB. Larger files are not made. */
    KEY_FILE_PART_BITS_MAX = 12,
    /* Blocks of one read where the file is read in order. */
    KEY_FILE_READ_BLOCKS = 16,
};
#define KEY_FILE_KEYS_MAX ((uint64_t)KEY_FILE_PART_KEYS << KEY_FILE_PART_BITS_MAX)

enum key_file_tag { KEY_FILE_DATA = 1, KEY_FILE_FILTERS = 2, KEY_FILE_INDEX = 3 };

/* Both inclusive; 1 <= from_lsn <= to_lsn. */
struct key_file_range {
    uint64_t from_lsn;
    uint64_t to_lsn;
};

/* The plain name: 16 hex digits each. */
void key_file_name(struct key_file_range range, char name[STORAGE_NAME_MAX]);
/* false: not such a name, or not a range. */
bool key_file_parse_name(const char *name, struct key_file_range *range);

/* What stands in the footer. */
struct key_file_totals {
    struct key_file_range range;
    uint64_t key_count;
    uint64_t state_digest;
    uint64_t data_blocks;
    uint64_t filter_blocks;
    uint64_t index_blocks;
    uint64_t filter_bytes;
    uint8_t part_bits;
};

uint64_t key_file_blocks(uint64_t units, uint64_t units_a_block);
uint32_t key_file_part(struct hash128 digest, uint8_t part_bits);
void key_file_encode_range(struct key_file_range range, uint8_t *bytes);
void key_file_encode_totals(const struct key_file_totals *totals,
                            uint8_t bytes[BLOCK_FILE_TOTALS_BYTES]);

/* --- reading --------------------------------------------------------------------------------- */

struct key_file {
    /* read-only after key_file_open() */
    struct block_file blocks;
    struct key_file_totals totals;
    /* read-only after key_file_load(); NULL before */
    uint8_t *filters;
    struct key_filter *parts; /* 2^part_bits */
    uint64_t *index;          /* data_blocks */
};

/* Opens it and checks what header and footer say. 0; -EBADMSG and *fault; -errno. */
__attribute__((warn_unused_result)) int
key_file_open(struct storage *storage, const uint8_t *log_id, struct key_file_range range,
              struct key_file *file, struct block_file_fault *fault);
/* Reads filters and index into memory. 0; -EBADMSG and *fault; -errno. */
__attribute__((warn_unused_result)) int key_file_load(struct key_file *file,
                                                      struct block_file_fault *fault);
void key_file_close(struct key_file *file);

/* Of a loaded file. */
size_t key_file_memory_bytes(const struct key_file *file);
bool key_file_may_contain(const struct key_file *file, struct hash128 digest);

/* Looks for the key in the blocks where it would stand. `block` is KEY_FILE_BLOCK_BYTES, aligned to
 * STORAGE_ALIGNMENT. 0 and *found; -EBADMSG and *fault; -errno. */
__attribute__((warn_unused_result)) int key_file_find(const struct key_file *file,
                                                      struct hash128 digest, uint8_t *block,
                                                      struct key_answer *answer, bool *found,
                                                      struct block_file_fault *fault);

/* Reads everything: blocks and their chain, order, range, counts, digest, index, and that the
 * filters let every key through. 0; -EBADMSG and *fault; what `pace` returned; -errno. */
__attribute__((warn_unused_result)) int key_file_verify(const struct key_file *file,
                                                        block_file_pace *pace, void *pace_context,
                                                        struct block_file_fault *fault);

/* All keys in order. */
struct key_file_cursor {
    const struct key_file *file;
    block_file_pace *pace;
    void *pace_context;
    uint8_t *buffer;       /* KEY_FILE_READ_BLOCKS blocks */
    uint64_t loaded_first; /* data blocks in the buffer */
    uint64_t loaded_end;
    uint64_t given;
    uint64_t state_digest; /* of those given */
    struct key_answer entry;
};

/* 0, -ENOMEM. `file` need not be loaded. */
__attribute__((warn_unused_result)) int key_file_cursor_init(struct key_file_cursor *cursor,
                                                             const struct key_file *file,
                                                             block_file_pace *pace,
                                                             void *pace_context);
void key_file_cursor_deinit(struct key_file_cursor *cursor);

/* The next key, in cursor->entry; checks everything that can be checked on the way. 0; -ENODATA:
 * that was all, and count and digest were right; -EBADMSG and *fault; what `pace` returned; -errno.
 */
__attribute__((warn_unused_result)) int key_file_cursor_next(struct key_file_cursor *cursor,
                                                             struct block_file_fault *fault);

/* --- writing (key_file_writer.c) -------------------------------------------------------------- */

struct key_file_plan {
    struct storage *storage;
    struct channel *channel; /* as in block_file_plan */
    const uint8_t *log_id;
    struct key_file_range range;
    uint64_t keys_max; /* at most so many are added; decides on the number of parts */
    block_file_pace *pace;
    void *pace_context;
};

struct key_file_writer;

/* 0; -EFBIG: more than KEY_FILE_KEYS_MAX; -errno. */
__attribute__((warn_unused_result)) int key_file_begin(const struct key_file_plan *plan,
                                                       struct key_file_writer **writer);

/* Keys come in the order of key_answer_compare(), with LSNs of the range (asserted). 0; -EOVERFLOW:
 * the digests are not random; -errno. */
__attribute__((warn_unused_result)) int key_file_add(struct key_file_writer *writer,
                                                     const struct key_answer *answer);

/* Makes it durable under its name, as block_file_finish(); frees the writer. */
__attribute__((warn_unused_result)) int key_file_finish(struct key_file_writer *writer);

/* Gives it up and frees the writer. */
void key_file_abandon(struct key_file_writer *writer);

#endif
