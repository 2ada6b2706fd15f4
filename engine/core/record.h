/* record.h - the records of the log: what one command changed, as bytes.
 *
 * A record holds effects (after-images), not intentions: replaying it needs no decision. Records
 * of one account form a logical chain besides the log's own: version grows by one with every
 * applied record, and balance after = balance before +- amount.
 *
 * Layout, little-endian, a multiple of 8 bytes (offsets in bytes):
 *
 *      0  u16  size        of the whole record with padding
 *      2  u8   kind        florin_command_kind
 *      3  u8   status      florin_status: 0 applied, else a remembered refusal
 *      4  u8   flags       bit 0: expected_version present; bit 1: it came as a precondition;
 *                          bit 2: expected_balance present; bit 3: as_admin
 *      5  u8   id_length   1..64
 *      6  u8   key_length  0..255; 0: no key
 *      7  u8   exponent    decimals of the account's currency
 *      8  u64  time_ns     Unix time; grows strictly within an account
 *     16  u64  version     of the account after the record
 *     24  i64  balance     of the account after the record, minor units
 *     32  i64  amount      minor units
 *     40  u64  previous    LSN of this account's record before; 0: the first
 *     48  u64  expected    expected_version; only with flag bit 0
 *         i64  expected_balance   only with flag bit 2
 *
 *         open, change (what the account is afterwards):
 *         +0  i64  minimum_balance
 *         +8  u8[8] currency   code, zero-padded
 *        +16  u8   account_status
 *        +17  u8   reserved    0
 *        +18  u16  metadata_length
 *        +20  u32  reserved    0
 *
 *         transfer, posting, batch, hold, capture, void, expire, reverse:
 *         +0  u64  request     digest of all that was asked (posting.h); 0: expire
 *         +8  u64  target      LSN of the hold that ends, of the transaction reversed; else 0
 *        +16  i64  held        of the account, after
 *        +24  u64  detail      hold: when it expires, 0: never; reverse: 1 for the target's first
 *                              reversal, 2, ...; a refusal: version of the account of the refused
 *                              leg; else 0
 *        +32  i64  detail_minor   reverse: how much of the target's first leg is reversed by now; a
 *                              refusal: balance of the account of the refused leg; else 0
 *        +40  u8   direction   of the account's own leg: 0 none, 1 credit, 2 debit
 *        +41  u8   leg_count   legs behind; 0 for a refusal
 *        +42  u8   refused_leg
 *        +43  u8[5] reserved   0
 *        +48  leg_count of these:
 *             +0  u8   id_length
 *             +1  u8   direction
 *             +2  u8   exponent
 *             +3  u8[5] reserved   0
 *             +8  u64  version     after this leg
 *            +16  i64  balance     after this leg
 *            +24  i64  amount
 *            +32  u64  previous    LSN of that account's record before this one, also when an
 *                                  earlier leg is of the same account
 *            +40  id, zeros to a multiple of 8
 *
 *         id, key, metadata, zeros to a multiple of 8
 *
 * The account of the fixed part is the one whose key the record has: that of the first leg. Every
 * leg raises the version of its account by one, so that legs on one account have versions in their
 * order; version, balance and amount of the fixed part are those after the first leg. An account
 * may come again in later legs.
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
    RECORD_POSTING_BYTES = 48,
    RECORD_LEG_BYTES = 40, /* without the id */
    RECORD_PREVIOUS_OFFSET = 40,
};

/* The greatest position that a record can have (at 10 million records a second: half a century).
 * One bit of the 48 that keys keep of it is left for positions that are not bought yet (shard.h).
 */
#define RECORD_LSN_MAX ((UINT64_C(1) << 47) - 1)
/* Marks a provisional LSN, whose lower bits are the record's place in the stage (shard.h). */
#define RECORD_LSN_PROVISIONAL (RECORD_LSN_MAX + 1)

/* The LSN of a sealed stage that a provisional one stood for; others come back as they are. */
static inline uint64_t record_final_lsn(uint64_t lsn, uint64_t first_lsn)
{
    return (lsn & RECORD_LSN_PROVISIONAL) ? first_lsn + (lsn & ~RECORD_LSN_PROVISIONAL) : lsn;
}

/* One leg behind the first. */
struct record_leg {
    const char *id;
    uint8_t id_length;
    uint8_t direction;
    uint8_t exponent;
    uint64_t version;
    int64_t balance_minor;
    int64_t amount_minor;
    uint64_t previous_lsn;
};

/* A decoded record. Strings point into the bytes it was decoded from. */
struct record {
    uint8_t kind;
    uint8_t status;
    bool has_expected_version;
    bool expected_by_precondition;
    bool has_expected_balance;
    bool as_admin;
    uint8_t exponent;
    uint64_t time_ns;
    uint64_t version;
    int64_t balance_minor;
    int64_t amount_minor;
    uint64_t previous_lsn;
    uint64_t expected_version;
    int64_t expected_balance_minor;
    const char *id;
    uint8_t id_length;
    const char *key;
    uint8_t key_length;
    /* open, change */
    int64_t minimum_balance_minor;
    char currency[FLORIN_CURRENCY_MAX];
    uint8_t account_status;
    const char *metadata;
    uint16_t metadata_length;
    /* record_has_legs(): transfer, posting, batch, hold, capture, void, expire, reverse */
    uint64_t request;
    uint64_t target_lsn;
    int64_t held_minor;
    uint64_t detail;
    int64_t detail_minor;
    uint8_t direction;
    uint8_t refused_leg;
    uint8_t leg_count;
    /* To encode: the legs. Decoded: NULL, and leg_bytes for record_next_leg(). */
    const struct record_leg *legs;
    const uint8_t *leg_bytes;
};

/* Whether records of this kind have the posting part. */
bool record_kind_has_legs(uint8_t kind);

/* Whether a refusal of this status says something about an account, so that a key remembers it. */
bool record_status_is_remembered(uint8_t status);

/* Walks over the legs of a decoded record, which are valid:
 *
 *     const uint8_t *at = record.leg_bytes;
 *     for (uint8_t i = 0; i < record.leg_count; i++)
 *         at = record_next_leg(at, &leg);
 */
const uint8_t *record_next_leg(const uint8_t *at, struct record_leg *leg);

/* Whether an applied record of the account `id` changed it: its own or one of its legs. */
bool record_touches(const struct record *record, const char *id, size_t id_length);

/* Size of the record in bytes; at most FLORIN_RECORD_MAX. */
size_t record_size(const struct record *record);

/* Writes record_size() bytes and returns that size. The record is valid (asserted). */
size_t record_encode(const struct record *record, uint8_t *bytes);

/* Gives the provisional LSNs of previous records in an encoded record, its own and those of its
 * legs, their final values. */
void record_seal(uint8_t *bytes, uint64_t first_lsn);

/* Reads the record at the start of `bytes`. Returns its size, or 0 when the bytes are not a
 * whole valid record (bad size, unknown kind, flag or status, bad length, non-zero reserved or
 * padding, invalid id, amount or version out of range); *record is then undefined. */
__attribute__((warn_unused_result)) size_t record_decode(const uint8_t *bytes, size_t length,
                                                         struct record *record);

#endif
