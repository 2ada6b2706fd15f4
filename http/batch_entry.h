/* batch_entry.h - application/vnd.florin.batch: commands and results of a fixed size.
 *
 * A body is a row of entries of 128 bytes, its answer one of results of 40 bytes, in the same
 * order. Numbers are little-endian. docs/batch.md has both tables.
 *
 *     entry   0 u8 kind                1 u8 flags               2 u8 account_length
 *             3 u8 counterparty_length 4 u8 key_length          5 u8[3] reserved
 *             8 i64 amount            16 u64 expected_version  24 u64 expected_to_version
 *            32 u8[96] text: account, counterparty, key, zeros
 *
 *     result  0 u16 status             2 u8 flags               3 u8 leg
 *             4 u32 index              8 u64 transaction_id    16 i64 balance
 *            24 u64 version           32 u64 time_ns
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_BATCH_ENTRY_H
#define FLORIN_HTTP_BATCH_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "florin.h"
#include "request_fault.h"

enum {
    BATCH_ENTRY_BYTES = 128,
    BATCH_ENTRY_TEXT_BYTES = 96,
    BATCH_RESULT_BYTES = 40,
    /* Flags of an entry, */
    BATCH_ENTRY_EXPECTS_VERSION = 1,
    BATCH_ENTRY_EXPECTS_TO_VERSION = 2,
    /* and of a result. */
    BATCH_RESULT_REPLAYED = 1,
};

/* Whether everything about an entry is in order, reserved bytes included; otherwise *fault says
 * which entry and field. */
__attribute__((warn_unused_result)) bool batch_entry_check(const uint8_t *entry, uint32_t index,
                                                           struct request_fault *fault);

/* The command of an entry that batch_entry_check() has let pass. It points into the entry. */
void batch_entry_command(const uint8_t *entry, struct florin_command *command);

/* Writes BATCH_RESULT_BYTES. */
void batch_entry_put_result(uint8_t *bytes, uint32_t index, const struct florin_result *result);

#endif
