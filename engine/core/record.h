/* record.h - the records of the log: what one command changed, as bytes.
 *
 * A record holds effects (after-images), not intentions: replaying it needs no decision. Records
 * of one account form a logical chain besides the log's own: version grows by one with every
 * applied record, and balance after = balance before +- amount.
 *
 * Layout, little-endian, a multiple of 8 bytes (offsets in bytes):
 *
 *      0  u16  size        of the whole record with padding
 *      2  u8   kind        florin_command_kind: 1 deposit, 2 withdraw, 3 open
 *      3  u8   status      florin_status: 0 applied, else a remembered refusal
 *      4  u8   flags       bit 0: expected_version present; bit 1: it came as a precondition
 *      5  u8   id_length   1..64
 *      6  u8   key_length  0..255; 0: no key
 *      7  u8   reserved    0
 *      8  u64  time_ns     Unix time; grows strictly within an account
 *     16  u64  version     of the account after the record
 *     24  i64  balance     of the account after the record, minor units
 *     32  i64  amount      minor units
 *     40  u64  previous    LSN of this account's record before; 0: the first
 *     48  u64  expected    expected_version; only with flag bit 0
 *         open only:
 *         +0  i64  minimum_balance
 *         +8  u8[8] currency   code, zero-padded
 *        +16  u8   exponent
 *        +17  u8   reserved    0
 *        +18  u16  metadata_length
 *        +20  u32  reserved    0
 *         id, key, metadata, zeros to a multiple of 8
 *
 * A deposit with an id and a key of 16 bytes takes 80 bytes.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_RECORD_H
#define FLORIN_CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"

enum {
    RECORD_FIXED_BYTES = 48,
    RECORD_EXPECTED_BYTES = 8,
    RECORD_OPEN_BYTES = 24,
    RECORD_PREVIOUS_OFFSET = 40,
};

/* The greatest position that a record can have (at 10 million records a second: half a century).
 * One bit of the 48 that keys keep of it is left for positions that are not bought yet (shard.h).
 */
#define RECORD_LSN_MAX ((UINT64_C(1) << 47) - 1)

/* A decoded record. Strings point into the bytes it was decoded from. */
struct record {
    uint8_t kind;
    uint8_t status;
    bool has_expected_version;
    bool expected_by_precondition;
    uint64_t time_ns;
    uint64_t version;
    int64_t balance_minor;
    int64_t amount_minor;
    uint64_t previous_lsn;
    uint64_t expected_version;
    const char *id;
    uint8_t id_length;
    const char *key;
    uint8_t key_length;
    /* open only */
    int64_t minimum_balance_minor;
    char currency[FLORIN_CURRENCY_MAX];
    uint8_t exponent;
    const char *metadata;
    uint16_t metadata_length;
};

/* Size of the record in bytes; at most FLORIN_RECORD_MAX. */
size_t record_size(const struct record *record);

/* Writes record_size() bytes and returns that size. The record is valid (asserted). */
size_t record_encode(const struct record *record, uint8_t *bytes);

/* Overwrites the LSN of the account's previous record in an encoded record. */
void record_patch_previous(uint8_t *bytes, uint64_t previous_lsn);

/* Reads the record at the start of `bytes`. Returns its size, or 0 when the bytes are not a
 * whole valid record (bad size, unknown kind, flag or status, bad length, non-zero reserved or
 * padding, invalid id, amount or version out of range); *record is then undefined. */
__attribute__((warn_unused_result)) size_t record_decode(const uint8_t *bytes, size_t length,
                                                         struct record *record);

#endif
