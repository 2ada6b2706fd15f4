/* record.c - records to bytes and back; record.h has the layout.
 *
 * Guarantees: record_decode() accepts exactly the bytes that record_encode() can write, so a
 * record has one form and what was decoded needs no further check of its own fields.
 * Must not know: the account before or after; whether a record follows from the one before is the
 * shard's to judge.
 *
 * A record is valid when
 *
 *  1. the id is valid, the version is at least 1, the exponent is one that a currency can have;
 *  2. it has an expected version other than 0 or none, and only with one was that a precondition;
 *  3. deposit, withdraw: amount > 0; status applied, or a refusal of that kind with a key;
 *     VERSION_MISMATCH, PRECONDITION_FAILED and BALANCE_CONDITION have what failed;
 *  4. open: applied, version 1, open, no key, no conditions, amount = balance >= 0 >= minimum;
 *  5. change: applied, version > 1, no key, amount 0, minimum <= 0;
 *  6. all others: see record_legs.c;
 *  7. money is in range, reserved bytes, padding and unknown flags are zero, the size is what the
 *     lengths say.
 */
#include "record_internal.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "currency.h"
#include "florin.h"
#include "money.h"

enum {
    OFFSET_SIZE = 0,
    OFFSET_KIND = 2,
    OFFSET_STATUS = 3,
    OFFSET_FLAGS = 4,
    OFFSET_ID_LENGTH = 5,
    OFFSET_KEY_LENGTH = 6,
    OFFSET_EXPONENT = 7,
    OFFSET_TIME = 8,
    OFFSET_VERSION = 16,
    OFFSET_BALANCE = 24,
    OFFSET_AMOUNT = 32,

    /* from the start of the part of openings and changes */
    OPEN_OFFSET_MINIMUM = 0,
    OPEN_OFFSET_CURRENCY = 8,
    OPEN_OFFSET_STATUS = 16,
    OPEN_OFFSET_RESERVED = 17,
    OPEN_OFFSET_METADATA_LENGTH = 18,
    OPEN_OFFSET_RESERVED_TAIL = 20,

    FLAG_EXPECTED_VERSION = 1,
    FLAG_PRECONDITION = 2,
    FLAG_EXPECTED_BALANCE = 4,
    FLAG_AS_ADMIN = 8,
    FLAGS_ALL = FLAG_EXPECTED_VERSION | FLAG_PRECONDITION | FLAG_EXPECTED_BALANCE | FLAG_AS_ADMIN,

    CONDITIONS_BYTES_MAX = 2 * RECORD_EXPECTED_BYTES,
};

_Static_assert((int)OFFSET_AMOUNT + 8 == (int)RECORD_PREVIOUS_OFFSET, "previous follows amount");
_Static_assert((int)RECORD_PREVIOUS_OFFSET + 8 == (int)RECORD_FIXED_BYTES, "previous is the last");
_Static_assert((int)OPEN_OFFSET_CURRENCY + (int)FLORIN_CURRENCY_MAX == (int)OPEN_OFFSET_STATUS,
               "the currency fills its field");
_Static_assert((int)OPEN_OFFSET_RESERVED_TAIL + 4 == (int)RECORD_OPEN_BYTES, "open adds up");
_Static_assert((int)RECORD_FIXED_BYTES + (int)CONDITIONS_BYTES_MAX + (int)RECORD_OPEN_BYTES +
                       (int)FLORIN_ACCOUNT_ID_MAX + (int)FLORIN_KEY_MAX + (int)FLORIN_METADATA_MAX +
                       (int)RECORD_ALIGNMENT <=
                   (int)FLORIN_RECORD_SINGLE_MAX,
               "every record of one account fits");
_Static_assert((int)RECORD_FIXED_BYTES + (int)CONDITIONS_BYTES_MAX + (int)RECORD_POSTING_BYTES +
                       (FLORIN_LEGS_MAX - 1) * (RECORD_LEG_BYTES + FLORIN_ACCOUNT_ID_MAX) +
                       (int)FLORIN_ACCOUNT_ID_MAX + (int)FLORIN_KEY_MAX + (int)RECORD_ALIGNMENT <=
                   (int)FLORIN_RECORD_MAX,
               "every record fits");
_Static_assert((int)FLORIN_ACCOUNT_ID_MAX % (int)RECORD_ALIGNMENT == 0, "the longest leg, too");
_Static_assert((int)FLORIN_RECORD_MAX <= (int)UINT16_MAX, "the size is a u16");

static bool has_open_part(uint8_t kind)
{
    return kind == FLORIN_OPEN_ACCOUNT || kind == FLORIN_CHANGE_ACCOUNT;
}

/* --- validity ---------------------------------------------------------------------------- */

static bool conditions_are_valid(const struct record *record)
{
    if (record->has_expected_version != (record->expected_version != 0) ||
        (record->expected_by_precondition && !record->has_expected_version))
        return false;
    return record->has_expected_balance ? record->expected_balance_minor >= MONEY_MIN
                                        : record->expected_balance_minor == 0;
}

static bool single_is_valid(const struct record *record)
{
    if (record->amount_minor <= 0)
        return false;
    if (record->status == FLORIN_APPLIED)
        return true;
    if (record->key_length == 0)
        return false;
    switch (record->status) {
    case FLORIN_ACCOUNT_FROZEN:
    case FLORIN_ACCOUNT_CLOSED:
        return true;
    case FLORIN_VERSION_MISMATCH:
        return record->has_expected_version && !record->expected_by_precondition;
    case FLORIN_PRECONDITION_FAILED:
        return record->expected_by_precondition;
    case FLORIN_BALANCE_CONDITION:
        return record->has_expected_balance;
    case FLORIN_INSUFFICIENT_BALANCE:
        return record->kind == FLORIN_WITHDRAW;
    case FLORIN_BALANCE_OVERFLOW:
        return record->kind == FLORIN_DEPOSIT;
    default:
        return false;
    }
}

/* What an opening and a change have in common: the account as it is afterwards. */
static bool account_is_valid(const struct record *record)
{
    return record->status == FLORIN_APPLIED && record->key_length == 0 &&
           record->minimum_balance_minor <= 0 && record->minimum_balance_minor >= MONEY_MIN &&
           record->metadata_length <= FLORIN_METADATA_MAX &&
           record->account_status <= FLORIN_STATE_CLOSED &&
           currency_code_is_valid(record->currency);
}

static bool open_is_valid(const struct record *record)
{
    return account_is_valid(record) && record->version == 1 && !record->has_expected_version &&
           !record->has_expected_balance && !record->as_admin && record->balance_minor >= 0 &&
           record->amount_minor == record->balance_minor &&
           record->account_status == FLORIN_STATE_OPEN;
}

static bool change_is_valid(const struct record *record)
{
    return account_is_valid(record) && record->version > 1 && record->amount_minor == 0;
}

static bool record_is_valid(const struct record *record)
{
    if (record->version == 0 || record->balance_minor < MONEY_MIN ||
        record->exponent > FLORIN_EXPONENT_MAX || !conditions_are_valid(record) ||
        !florin_account_id_is_valid(record->id, record->id_length))
        return false;
    switch (record->kind) {
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
        return single_is_valid(record);
    case FLORIN_OPEN_ACCOUNT:
        return open_is_valid(record);
    case FLORIN_CHANGE_ACCOUNT:
        return change_is_valid(record);
    default:
        return record_kind_has_legs(record->kind) && record_legs_are_valid(record);
    }
}

/* --- bytes ------------------------------------------------------------------------------- */

static void encode_open(const struct record *record, uint8_t *bytes)
{
    bytes_put_i64(bytes + OPEN_OFFSET_MINIMUM, record->minimum_balance_minor);
    memcpy(bytes + OPEN_OFFSET_CURRENCY, record->currency, FLORIN_CURRENCY_MAX);
    bytes[OPEN_OFFSET_STATUS] = record->account_status;
    bytes[OPEN_OFFSET_RESERVED] = 0;
    bytes_put_u16(bytes + OPEN_OFFSET_METADATA_LENGTH, record->metadata_length);
    bytes_put_u32(bytes + OPEN_OFFSET_RESERVED_TAIL, 0);
}

/* false: a reserved byte is not zero. */
static bool decode_open(const uint8_t *bytes, struct record *record)
{
    record->minimum_balance_minor = bytes_get_i64(bytes + OPEN_OFFSET_MINIMUM);
    memcpy(record->currency, bytes + OPEN_OFFSET_CURRENCY, FLORIN_CURRENCY_MAX);
    record->account_status = bytes[OPEN_OFFSET_STATUS];
    record->metadata_length = bytes_get_u16(bytes + OPEN_OFFSET_METADATA_LENGTH);
    return bytes[OPEN_OFFSET_RESERVED] == 0 &&
           bytes_get_u32(bytes + OPEN_OFFSET_RESERVED_TAIL) == 0;
}

/* Bytes of the conditions, which stand behind the fixed part. */
static size_t conditions_size(bool has_expected_version, bool has_expected_balance)
{
    return (has_expected_version ? (size_t)RECORD_EXPECTED_BYTES : 0) +
           (has_expected_balance ? (size_t)RECORD_EXPECTED_BYTES : 0);
}

/* Bytes before the padding. */
static size_t content_size(const struct record *record)
{
    return (size_t)RECORD_FIXED_BYTES +
           conditions_size(record->has_expected_version, record->has_expected_balance) +
           (has_open_part(record->kind) ? RECORD_OPEN_BYTES + (size_t)record->metadata_length : 0) +
           (record_kind_has_legs(record->kind) ? record_legs_size(record) : 0) + record->id_length +
           record->key_length;
}

size_t record_size(const struct record *record)
{
    return record_padded(content_size(record));
}

static uint8_t encode_flags(const struct record *record)
{
    return (uint8_t)((record->has_expected_version ? FLAG_EXPECTED_VERSION : 0) |
                     (record->expected_by_precondition ? FLAG_PRECONDITION : 0) |
                     (record->has_expected_balance ? FLAG_EXPECTED_BALANCE : 0) |
                     (record->as_admin ? FLAG_AS_ADMIN : 0));
}

size_t record_encode(const struct record *record, uint8_t *bytes)
{
    assert(record_is_valid(record));
    size_t size = record_size(record);

    bytes_put_u16(bytes + OFFSET_SIZE, (uint16_t)size);
    bytes[OFFSET_KIND] = record->kind;
    bytes[OFFSET_STATUS] = record->status;
    bytes[OFFSET_FLAGS] = encode_flags(record);
    bytes[OFFSET_ID_LENGTH] = record->id_length;
    bytes[OFFSET_KEY_LENGTH] = record->key_length;
    bytes[OFFSET_EXPONENT] = record->exponent;
    bytes_put_u64(bytes + OFFSET_TIME, record->time_ns);
    bytes_put_u64(bytes + OFFSET_VERSION, record->version);
    bytes_put_i64(bytes + OFFSET_BALANCE, record->balance_minor);
    bytes_put_i64(bytes + OFFSET_AMOUNT, record->amount_minor);
    bytes_put_u64(bytes + RECORD_PREVIOUS_OFFSET, record->previous_lsn);

    uint8_t *next = bytes + RECORD_FIXED_BYTES;
    if (record->has_expected_version) {
        bytes_put_u64(next, record->expected_version);
        next += RECORD_EXPECTED_BYTES;
    }
    if (record->has_expected_balance) {
        bytes_put_i64(next, record->expected_balance_minor);
        next += RECORD_EXPECTED_BYTES;
    }
    if (has_open_part(record->kind)) {
        encode_open(record, next);
        next += RECORD_OPEN_BYTES;
    } else if (record_kind_has_legs(record->kind)) {
        next = record_legs_encode(record, next);
    }
    memcpy(next, record->id, record->id_length);
    next += record->id_length;
    if (record->key_length > 0)
        memcpy(next, record->key, record->key_length);
    next += record->key_length;
    if (has_open_part(record->kind) && record->metadata_length > 0) {
        memcpy(next, record->metadata, record->metadata_length);
        next += record->metadata_length;
    }
    memset(next, 0, size - (size_t)(next - bytes));
    return size;
}

void record_seal(uint8_t *bytes, uint64_t first_lsn)
{
    uint64_t previous = bytes_get_u64(bytes + RECORD_PREVIOUS_OFFSET);

    if (previous & RECORD_LSN_PROVISIONAL)
        bytes_put_u64(bytes + RECORD_PREVIOUS_OFFSET, record_final_lsn(previous, first_lsn));
    if (record_kind_has_legs(bytes[OFFSET_KIND])) {
        uint8_t flags = bytes[OFFSET_FLAGS];
        size_t conditions = conditions_size((flags & FLAG_EXPECTED_VERSION) != 0,
                                            (flags & FLAG_EXPECTED_BALANCE) != 0);
        record_legs_seal(bytes + RECORD_FIXED_BYTES + conditions, first_lsn);
    }
}

static void decode_fixed(const uint8_t *bytes, struct record *record)
{
    *record = (struct record){
        .kind = bytes[OFFSET_KIND],
        .status = bytes[OFFSET_STATUS],
        .has_expected_version = (bytes[OFFSET_FLAGS] & FLAG_EXPECTED_VERSION) != 0,
        .expected_by_precondition = (bytes[OFFSET_FLAGS] & FLAG_PRECONDITION) != 0,
        .has_expected_balance = (bytes[OFFSET_FLAGS] & FLAG_EXPECTED_BALANCE) != 0,
        .as_admin = (bytes[OFFSET_FLAGS] & FLAG_AS_ADMIN) != 0,
        .exponent = bytes[OFFSET_EXPONENT],
        .id_length = bytes[OFFSET_ID_LENGTH],
        .key_length = bytes[OFFSET_KEY_LENGTH],
        .time_ns = bytes_get_u64(bytes + OFFSET_TIME),
        .version = bytes_get_u64(bytes + OFFSET_VERSION),
        .balance_minor = bytes_get_i64(bytes + OFFSET_BALANCE),
        .amount_minor = bytes_get_i64(bytes + OFFSET_AMOUNT),
        .previous_lsn = bytes_get_u64(bytes + RECORD_PREVIOUS_OFFSET),
    };
}

size_t record_decode(const uint8_t *bytes, size_t length, struct record *record)
{
    if (length < RECORD_FIXED_BYTES)
        return 0;
    size_t size = bytes_get_u16(bytes + OFFSET_SIZE);
    if (size < RECORD_FIXED_BYTES || size > length || size > FLORIN_RECORD_MAX ||
        (bytes[OFFSET_FLAGS] & ~FLAGS_ALL) != 0)
        return 0;

    decode_fixed(bytes, record);
    const uint8_t *next = bytes + RECORD_FIXED_BYTES;
    const uint8_t *end = bytes + size;
    if (conditions_size(record->has_expected_version, record->has_expected_balance) >
        (size_t)(end - next))
        return 0;
    if (record->has_expected_version) {
        record->expected_version = bytes_get_u64(next);
        next += RECORD_EXPECTED_BYTES;
    }
    if (record->has_expected_balance) {
        record->expected_balance_minor = bytes_get_i64(next);
        next += RECORD_EXPECTED_BYTES;
    }
    if (has_open_part(record->kind)) {
        if (end - next < RECORD_OPEN_BYTES || !decode_open(next, record))
            return 0;
        next += RECORD_OPEN_BYTES;
    } else if (record_kind_has_legs(record->kind)) {
        next = record_legs_decode(next, end, record);
        if (next == NULL)
            return 0;
    }
    if (size != record_size(record))
        return 0;

    /* The lengths agree with the size: what follows stands within the record. */
    record->id = (const char *)next;
    next += record->id_length;
    if (record->key_length > 0)
        record->key = (const char *)next;
    next += record->key_length;
    if (record->metadata_length > 0)
        record->metadata = (const char *)next;
    next += record->metadata_length;
    if (!bytes_are_zero(next, (size_t)(end - next)) || !record_is_valid(record))
        return 0;
    return size;
}
