/* account_image.h - one account as bytes, for checkpoints.
 *
 * Layout, little-endian, a multiple of 8 bytes:
 *
 *      0  u16  size            of the whole image with padding
 *      2  u16  metadata_length
 *      4  u8   id_length       1..64
 *      5  u8   exponent        of the currency
 *      6  u8   account_status
 *      7  u8   reserved 0
 *      8  u8[8] currency       code, zero-padded
 *     16  i64  balance
 *     24  u64  version
 *     32  u64  last_lsn        of its newest record
 *     40  i64  minimum_balance
 *     48  u64  opened_ns
 *     56  i64  opening_balance
 *     64  u16  hold_count
 *     66  u16, u32  reserved 0
 *     72  holds, hold_count of these, by LSN:
 *         +0  u64  lsn         the hold's id
 *         +8  i64  amount      > 0
 *        +16  u64  expires_ns  0: never
 *         id, metadata, zeros to a multiple of 8
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_ACCOUNT_IMAGE_H
#define FLORIN_CORE_ACCOUNT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "account_table.h"
#include "hold_table.h"

enum {
    ACCOUNT_IMAGE_FIXED_BYTES = 72,
    ACCOUNT_IMAGE_HOLD_BYTES = 24,
    ACCOUNT_IMAGE_BYTES_MAX = ACCOUNT_IMAGE_FIXED_BYTES +
                              ACCOUNT_IMAGE_HOLD_BYTES * FLORIN_ACCOUNT_HOLDS_MAX +
                              FLORIN_ACCOUNT_ID_MAX + FLORIN_METADATA_MAX,
};

/* A decoded image. Strings point into the bytes it was decoded from. */
struct account_image {
    const char *id;
    uint8_t id_length;
    struct currency currency;
    int64_t balance_minor;
    uint64_t version;
    uint64_t last_lsn;
    int64_t minimum_balance_minor;
    uint64_t opened_ns;
    int64_t opening_balance_minor;
    enum florin_account_status status;
    uint16_t hold_count;
    const uint8_t *holds; /* account_image_hold() reads them */
    const char *metadata;
    uint16_t metadata_length;
};

struct account_image_hold {
    uint64_t lsn;
    int64_t amount_minor;
    uint64_t expires_ns;
};

/* Of the image of this account; at most ACCOUNT_IMAGE_BYTES_MAX. */
size_t account_image_size(const struct account_table *table, const struct account *account);

/* Writes account_image_size() bytes and returns that size. The account and its holds have real
 * positions, not provisional ones, and no posting has claimed it (asserted). */
size_t account_image_encode(const struct account_table *table, const struct hold_table *holds,
                            const struct account *account, uint8_t *bytes);

/* Hold number `number` of a decoded image. */
struct account_image_hold account_image_hold(const struct account_image *image, uint16_t number);

/* Reads the image at the start of `bytes`. Its size, or 0: not a whole valid image (same strictness
 * as record_decode()). */
__attribute__((warn_unused_result)) size_t account_image_decode(const uint8_t *bytes, size_t length,
                                                                struct account_image *image);

#endif
