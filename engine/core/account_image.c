/* account_image.c - one account to bytes and back; account_image.h has the layout.
 *
 * Guarantees: account_image_decode() accepts exactly the bytes that account_image_encode() can
 * write, so an account in a state has one image.
 * Must not know: whether the balance is one that the account may have; that is the shard's to
 * judge.
 *
 * An image is valid when its id, currency and metadata are as a record could have opened them, the
 * minimum balance is <= 0 <= the opening balance, money is in range, it has a version and a real
 * position, reserved bytes and padding are zero, and the size is what the lengths say.
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
    OFFSET_RESERVED = 6,
    OFFSET_CURRENCY = 8,
    OFFSET_BALANCE = 16,
    OFFSET_VERSION = 24,
    OFFSET_LAST_LSN = 32,
    OFFSET_MINIMUM = 40,
    OFFSET_OPENED = 48,
    OFFSET_OPENING_BALANCE = 56,

    IMAGE_ALIGNMENT = 8,
};
_Static_assert((int)OFFSET_CURRENCY + (int)FLORIN_CURRENCY_MAX == (int)OFFSET_BALANCE,
               "the currency fills its field");
_Static_assert((int)OFFSET_OPENING_BALANCE + 8 == (int)ACCOUNT_IMAGE_FIXED_BYTES, "it adds up");
_Static_assert((int)ACCOUNT_IMAGE_BYTES_MAX % (int)IMAGE_ALIGNMENT == 0, "padding fits, too");
_Static_assert((int)ACCOUNT_IMAGE_BYTES_MAX <= (int)UINT16_MAX, "the size is a u16");

static size_t image_size(size_t id_length, size_t metadata_length)
{
    size_t bytes = ACCOUNT_IMAGE_FIXED_BYTES + id_length + metadata_length;
    return (bytes + IMAGE_ALIGNMENT - 1) / IMAGE_ALIGNMENT * IMAGE_ALIGNMENT;
}

static bool image_is_valid(const struct account_image *image)
{
    return florin_account_id_is_valid(image->id, image->id_length) &&
           currency_code_is_valid(image->currency.code) &&
           image->currency.exponent <= FLORIN_EXPONENT_MAX &&
           image->metadata_length <= FLORIN_METADATA_MAX && image->balance_minor >= MONEY_MIN &&
           image->minimum_balance_minor <= 0 && image->minimum_balance_minor >= MONEY_MIN &&
           image->opening_balance_minor >= 0 && image->version > 0 && image->last_lsn > 0 &&
           image->last_lsn <= RECORD_LSN_MAX;
}

size_t account_image_size(const struct account *account)
{
    return image_size(account->id_length, account->metadata_length);
}

size_t account_image_encode(const struct account_table *table, const struct account *account,
                            uint8_t *bytes)
{
    const struct account_opening *opening = &table->openings[account_table_slot(table, account)];
    char id[FLORIN_ACCOUNT_ID_MAX];
    const struct account_image image = {
        .id = id,
        .id_length = (uint8_t)account_table_id(table, account, id),
        .currency = *account_table_currency(table, account),
        .balance_minor = account->balance_minor,
        .version = account->version,
        .last_lsn = account->last_lsn,
        .minimum_balance_minor = account->minimum_balance_minor,
        .opened_ns = opening->time_ns,
        .opening_balance_minor = opening->balance_minor,
        .metadata = account_table_metadata(table, account),
        .metadata_length = account->metadata_length,
    };
    assert(image_is_valid(&image));
    size_t size = image_size(image.id_length, image.metadata_length);

    bytes_put_u16(bytes + OFFSET_SIZE, (uint16_t)size);
    bytes_put_u16(bytes + OFFSET_METADATA_LENGTH, image.metadata_length);
    bytes[OFFSET_ID_LENGTH] = image.id_length;
    bytes[OFFSET_EXPONENT] = image.currency.exponent;
    bytes_put_u16(bytes + OFFSET_RESERVED, 0);
    memcpy(bytes + OFFSET_CURRENCY, image.currency.code, FLORIN_CURRENCY_MAX);
    bytes_put_i64(bytes + OFFSET_BALANCE, image.balance_minor);
    bytes_put_u64(bytes + OFFSET_VERSION, image.version);
    bytes_put_u64(bytes + OFFSET_LAST_LSN, image.last_lsn);
    bytes_put_i64(bytes + OFFSET_MINIMUM, image.minimum_balance_minor);
    bytes_put_u64(bytes + OFFSET_OPENED, image.opened_ns);
    bytes_put_i64(bytes + OFFSET_OPENING_BALANCE, image.opening_balance_minor);

    uint8_t *next = bytes + ACCOUNT_IMAGE_FIXED_BYTES;
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
        .id = (const char *)bytes + ACCOUNT_IMAGE_FIXED_BYTES,
        .id_length = bytes[OFFSET_ID_LENGTH],
        .currency = {.exponent = bytes[OFFSET_EXPONENT]},
        .balance_minor = bytes_get_i64(bytes + OFFSET_BALANCE),
        .version = bytes_get_u64(bytes + OFFSET_VERSION),
        .last_lsn = bytes_get_u64(bytes + OFFSET_LAST_LSN),
        .minimum_balance_minor = bytes_get_i64(bytes + OFFSET_MINIMUM),
        .opened_ns = bytes_get_u64(bytes + OFFSET_OPENED),
        .opening_balance_minor = bytes_get_i64(bytes + OFFSET_OPENING_BALANCE),
        .metadata_length = bytes_get_u16(bytes + OFFSET_METADATA_LENGTH),
    };
    memcpy(image->currency.code, bytes + OFFSET_CURRENCY, FLORIN_CURRENCY_MAX);
    if (size != image_size(image->id_length, image->metadata_length) || size > length ||
        bytes_get_u16(bytes + OFFSET_RESERVED) != 0)
        return 0;

    /* The lengths agree with the size: what follows stands within the image. */
    if (image->metadata_length > 0)
        image->metadata = image->id + image->id_length;
    const uint8_t *end = bytes + ACCOUNT_IMAGE_FIXED_BYTES + image->id_length;
    end += image->metadata_length;
    if (!bytes_are_zero(end, (size_t)(bytes + size - end)) || !image_is_valid(image))
        return 0;
    return size;
}
