/* account_image.c - one account to bytes and back; account_image.h has the layout.
 *
 * Guarantees: account_image_decode() accepts exactly the bytes that account_image_encode() can
 * write, so an account in a state has one image.
 * Must not know: whether the balance is one that the account may have; that is the shard's to
 * judge.
 *
 * An image is valid when its id, currency and metadata are as a record could have opened them, the
 * minimum balance is <= 0 <= the opening balance, money is in range, it has a version and a real
 * position; its holds are of earlier records, each later than the one before, of amounts > 0 whose
 * sum is in range; a closed account has neither money nor holds; reserved bytes and padding are
 * zero, and the size is what the lengths say.
 */
#include "account_image.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "florin.h"
#include "money.h"
#include "record.h"

enum {
    OFFSET_SIZE = 0,
    OFFSET_METADATA_LENGTH = 2,
    OFFSET_ID_LENGTH = 4,
    OFFSET_EXPONENT = 5,
    OFFSET_STATUS = 6,
    OFFSET_RESERVED = 7,
    OFFSET_CURRENCY = 8,
    OFFSET_BALANCE = 16,
    OFFSET_VERSION = 24,
    OFFSET_LAST_LSN = 32,
    OFFSET_MINIMUM = 40,
    OFFSET_OPENED = 48,
    OFFSET_OPENING_BALANCE = 56,
    OFFSET_HOLD_COUNT = 64,
    OFFSET_RESERVED_TAIL = 66,
    RESERVED_TAIL_BYTES = 6,

    /* from the start of a hold */
    HOLD_OFFSET_LSN = 0,
    HOLD_OFFSET_AMOUNT = 8,
    HOLD_OFFSET_EXPIRES = 16,

    IMAGE_ALIGNMENT = 8,
};
_Static_assert((int)OFFSET_CURRENCY + (int)FLORIN_CURRENCY_MAX == (int)OFFSET_BALANCE,
               "the currency fills its field");
_Static_assert((int)OFFSET_RESERVED_TAIL + (int)RESERVED_TAIL_BYTES ==
                   (int)ACCOUNT_IMAGE_FIXED_BYTES,
               "it adds up");
_Static_assert((int)HOLD_OFFSET_EXPIRES + 8 == (int)ACCOUNT_IMAGE_HOLD_BYTES, "so does a hold");
_Static_assert((int)ACCOUNT_IMAGE_BYTES_MAX % (int)IMAGE_ALIGNMENT == 0, "padding fits, too");
_Static_assert((int)ACCOUNT_IMAGE_BYTES_MAX <= (int)UINT16_MAX, "the size is a u16");

static size_t image_size(size_t hold_count, size_t id_length, size_t metadata_length)
{
    size_t bytes = ACCOUNT_IMAGE_FIXED_BYTES + ACCOUNT_IMAGE_HOLD_BYTES * hold_count + id_length +
                   metadata_length;
    return (bytes + IMAGE_ALIGNMENT - 1) / IMAGE_ALIGNMENT * IMAGE_ALIGNMENT;
}

static bool holds_are_valid(const struct account_image *image)
{
    uint64_t lsn_before = 0;
    int64_t held_minor = 0;

    if (image->hold_count > FLORIN_ACCOUNT_HOLDS_MAX)
        return false;
    for (uint16_t i = 0; i < image->hold_count; i++) {
        struct account_image_hold hold = account_image_hold(image, i);
        if (hold.lsn <= lsn_before || hold.lsn > image->last_lsn || hold.amount_minor <= 0 ||
            !money_add(held_minor, hold.amount_minor, &held_minor))
            return false;
        lsn_before = hold.lsn;
    }
    return true;
}

static bool image_is_valid(const struct account_image *image)
{
    return florin_account_id_is_valid(image->id, image->id_length) &&
           currency_code_is_valid(image->currency.code) &&
           image->currency.exponent <= FLORIN_EXPONENT_MAX &&
           image->metadata_length <= FLORIN_METADATA_MAX && image->balance_minor >= MONEY_MIN &&
           image->minimum_balance_minor <= 0 && image->minimum_balance_minor >= MONEY_MIN &&
           image->opening_balance_minor >= 0 && image->version > 0 && image->last_lsn > 0 &&
           image->last_lsn <= RECORD_LSN_MAX && image->status <= FLORIN_STATE_CLOSED &&
           (image->status != FLORIN_STATE_CLOSED ||
            (image->balance_minor == 0 && image->hold_count == 0)) &&
           holds_are_valid(image);
}

static void encode_hold(const struct hold *hold, uint8_t *bytes)
{
    bytes_put_u64(bytes + HOLD_OFFSET_LSN, hold->lsn);
    bytes_put_i64(bytes + HOLD_OFFSET_AMOUNT, hold->amount_minor);
    bytes_put_u64(bytes + HOLD_OFFSET_EXPIRES, hold->expires_ns);
}

/* The list has the newest first, an image the oldest. */
static void encode_holds(const struct hold_table *holds, const struct account_opening *opening,
                         uint8_t *bytes)
{
    uint32_t slot = opening->first_hold - 1;
    for (uint32_t left = opening->hold_count; left > 0; left--) {
        encode_hold(&holds->slots[slot], bytes + (size_t)ACCOUNT_IMAGE_HOLD_BYTES * (left - 1));
        slot = holds->slots[slot].next;
    }
}

struct account_image_hold account_image_hold(const struct account_image *image, uint16_t number)
{
    const uint8_t *bytes = image->holds + (size_t)ACCOUNT_IMAGE_HOLD_BYTES * number;
    return (struct account_image_hold){
        .lsn = bytes_get_u64(bytes + HOLD_OFFSET_LSN),
        .amount_minor = bytes_get_i64(bytes + HOLD_OFFSET_AMOUNT),
        .expires_ns = bytes_get_u64(bytes + HOLD_OFFSET_EXPIRES),
    };
}

size_t account_image_size(const struct account_table *table, const struct account *account)
{
    return image_size(account_table_opening(table, account)->hold_count, account->id_length,
                      account->metadata_length);
}

size_t account_image_encode(const struct account_table *table, const struct hold_table *holds,
                            const struct account *account, uint8_t *bytes)
{
    const struct account_opening *opening = account_table_opening(table, account);
    char id[FLORIN_ACCOUNT_ID_MAX];
    const struct account_image image = {
        .id = id,
        .id_length = (uint8_t)account_table_id(table, account, id),
        .currency = *account_table_currency(table, account),
        .balance_minor = account->balance_minor,
        .version = account->version,
        .last_lsn = account->last_lsn,
        .minimum_balance_minor = account_table_minimum(table, account),
        .opened_ns = opening->time_ns,
        .opening_balance_minor = opening->balance_minor,
        .status = account_status(account),
        .hold_count = (uint16_t)opening->hold_count,
        .holds = bytes + ACCOUNT_IMAGE_FIXED_BYTES,
        .metadata = account_table_metadata(table, account),
        .metadata_length = account->metadata_length,
    };
    assert((account->flags & ACCOUNT_CLAIMED) == 0);
    assert(opening->hold_count <= FLORIN_ACCOUNT_HOLDS_MAX);
    encode_holds(holds, opening, bytes + ACCOUNT_IMAGE_FIXED_BYTES);
    assert(image_is_valid(&image));
    size_t size = image_size(image.hold_count, image.id_length, image.metadata_length);

    bytes_put_u16(bytes + OFFSET_SIZE, (uint16_t)size);
    bytes_put_u16(bytes + OFFSET_METADATA_LENGTH, image.metadata_length);
    bytes[OFFSET_ID_LENGTH] = image.id_length;
    bytes[OFFSET_EXPONENT] = image.currency.exponent;
    bytes[OFFSET_STATUS] = (uint8_t)image.status;
    bytes[OFFSET_RESERVED] = 0;
    memcpy(bytes + OFFSET_CURRENCY, image.currency.code, FLORIN_CURRENCY_MAX);
    bytes_put_i64(bytes + OFFSET_BALANCE, image.balance_minor);
    bytes_put_u64(bytes + OFFSET_VERSION, image.version);
    bytes_put_u64(bytes + OFFSET_LAST_LSN, image.last_lsn);
    bytes_put_i64(bytes + OFFSET_MINIMUM, image.minimum_balance_minor);
    bytes_put_u64(bytes + OFFSET_OPENED, image.opened_ns);
    bytes_put_i64(bytes + OFFSET_OPENING_BALANCE, image.opening_balance_minor);
    bytes_put_u16(bytes + OFFSET_HOLD_COUNT, image.hold_count);
    memset(bytes + OFFSET_RESERVED_TAIL, 0, RESERVED_TAIL_BYTES);

    uint8_t *next = bytes + image_size(image.hold_count, 0, 0);
    memcpy(next, id, image.id_length);
    next += image.id_length;
    if (image.metadata_length > 0)
        memcpy(next, image.metadata, image.metadata_length);
    next += image.metadata_length;
    memset(next, 0, size - (size_t)(next - bytes));
    return size;
}

size_t account_image_decode(const uint8_t *bytes, size_t length, struct account_image *image)
{
    if (length < ACCOUNT_IMAGE_FIXED_BYTES)
        return 0;
    size_t size = bytes_get_u16(bytes + OFFSET_SIZE);
    *image = (struct account_image){
        .id_length = bytes[OFFSET_ID_LENGTH],
        .currency = {.exponent = bytes[OFFSET_EXPONENT]},
        .balance_minor = bytes_get_i64(bytes + OFFSET_BALANCE),
        .version = bytes_get_u64(bytes + OFFSET_VERSION),
        .last_lsn = bytes_get_u64(bytes + OFFSET_LAST_LSN),
        .minimum_balance_minor = bytes_get_i64(bytes + OFFSET_MINIMUM),
        .opened_ns = bytes_get_u64(bytes + OFFSET_OPENED),
        .opening_balance_minor = bytes_get_i64(bytes + OFFSET_OPENING_BALANCE),
        .status = (enum florin_account_status)bytes[OFFSET_STATUS],
        .hold_count = bytes_get_u16(bytes + OFFSET_HOLD_COUNT),
        .holds = bytes + ACCOUNT_IMAGE_FIXED_BYTES,
        .metadata_length = bytes_get_u16(bytes + OFFSET_METADATA_LENGTH),
    };
    memcpy(image->currency.code, bytes + OFFSET_CURRENCY, FLORIN_CURRENCY_MAX);
    if (size != image_size(image->hold_count, image->id_length, image->metadata_length) ||
        size > length || bytes[OFFSET_RESERVED] != 0 ||
        !bytes_are_zero(bytes + OFFSET_RESERVED_TAIL, RESERVED_TAIL_BYTES))
        return 0;

    /* The lengths agree with the size: what follows stands within the image. */
    const uint8_t *end = bytes + image_size(image->hold_count, 0, 0);
    image->id = (const char *)end;
    end += image->id_length;
    if (image->metadata_length > 0)
        image->metadata = (const char *)end;
    end += image->metadata_length;
    if (!bytes_are_zero(end, (size_t)(bytes + size - end)) || !image_is_valid(image))
        return 0;
    return size;
}
