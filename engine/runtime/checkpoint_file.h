/* checkpoint_file.h - what the fields of a checkpoint mean; wal/block_file.h keeps the bytes.
 *
 * checkpoint/<start LSN, 16 hex digits>.ckpt, blocks of 64 KiB with account images
 * (engine/core/account_image.h) back to back, none spanning blocks.
 *
 *     info:     0  u64  start_lsn    every change up to here is in the images
 *               8  u64  started_ns   Unix time
 *              16  u8[32] log_start  where the log is read from (wal/log.h)
 *              48  zeros
 *     totals:   0  u64  end_lsn      the newest change in any image; durable when the file
 *                                    got its name
 *               8  u64  accounts
 *              16  u64  digest       sum of the images' digests
 *              24  u64  balance_low  the sum of all balances, 128 bits, two's complement
 *              32  i64  balance_high
 *              40  u64  newest_time_ns  of any record in the images: later ones are later
 *              48  zeros
 *
 * Thread: any.
 */
#ifndef FLORIN_RUNTIME_CHECKPOINT_FILE_H
#define FLORIN_RUNTIME_CHECKPOINT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/shard.h"
#include "wal/block_file.h"
#include "wal/log.h"

#define CHECKPOINT_DIRECTORY "checkpoint"

enum {
    CHECKPOINT_BLOCK_BYTES = 64 * 1024,
    CHECKPOINT_PAYLOAD_BYTES = CHECKPOINT_BLOCK_BYTES - BLOCK_FILE_BLOCK_HEADER_BYTES,
    CHECKPOINT_TAG_IMAGES = 1,
    /* The newest and the one before it; a damaged newest one falls back to that. */
    CHECKPOINTS_KEPT = 2,
    /* Two are kept; more stand there while files are held (ledger_hold_files()), or damaged. */
    CHECKPOINTS_LISTED_MAX = 64,
};

struct checkpoint_info {
    uint64_t start_lsn;
    uint64_t started_ns;
    struct log_start log_start;
};

struct checkpoint_totals {
    uint64_t end_lsn;
    struct shard_sums sums; /* newest_lsn is not kept */
    uint64_t newest_time_ns;
};

/* The plain name, as in "0000000000001234.ckpt". */
void checkpoint_name(uint64_t start_lsn, char name[STORAGE_NAME_MAX]);

/* The start LSN that a plain name stands for; false: it is not the name of a checkpoint. */
bool checkpoint_parse_name(const char *name, uint64_t *start_lsn);

void checkpoint_info_encode(const struct checkpoint_info *info,
                            uint8_t bytes[BLOCK_FILE_INFO_BYTES]);
void checkpoint_totals_encode(const struct checkpoint_totals *totals,
                              uint8_t bytes[BLOCK_FILE_TOTALS_BYTES]);

/* The newest checkpoints of a directory, newest first, complete or damaged; temporary files are not
 * counted. 0 (also when there is no directory checkpoint/); -errno. */
__attribute__((warn_unused_result)) int checkpoint_list(struct storage *storage,
                                                        uint64_t start_lsns[CHECKPOINTS_LISTED_MAX],
                                                        size_t *count);

/* Opens one and reads its fields. 0; -EBADMSG and *fault; -ENOENT; -errno. */
__attribute__((warn_unused_result)) int
checkpoint_open(struct storage *storage, const uint8_t *log_id, uint64_t start_lsn,
                struct block_file *file, struct checkpoint_info *info,
                struct checkpoint_totals *totals, struct block_file_fault *fault);

/* Removes what interrupted checkpoints have left. 0 or -errno. */
__attribute__((warn_unused_result)) int checkpoint_remove_leftovers(struct storage *storage);

/* The same, and every checkpoint but those that `kept` names by their start LSN. 0 or -errno. */
__attribute__((warn_unused_result)) int
checkpoint_remove_older(struct storage *storage, const uint64_t *kept, size_t kept_count);

#endif
