/* batch_entry.c - bytes to commands, results to bytes.
 *
 * Guarantees: every byte of an entry means something or is zero, so that a meaning can be given to
 * it later; the same result gives the same bytes. It must not know connections.
 */
#include "batch_entry.h"

#include <assert.h>
#include <string.h>

#include "request_headers.h"

enum {
    KIND_AT = 0,
    FLAGS_AT = 1,
    ACCOUNT_LENGTH_AT = 2,
    COUNTERPARTY_LENGTH_AT = 3,
    KEY_LENGTH_AT = 4,
    RESERVED_AT = 5,
    AMOUNT_AT = 8,
    EXPECTED_VERSION_AT = 16,
    EXPECTED_TO_VERSION_AT = 24,
    TEXT_AT = 32,

    STATUS_AT = 0,
    RESULT_FLAGS_AT = 2,
    LEG_AT = 3,
    INDEX_AT = 4,
    TRANSACTION_AT = 8,
    BALANCE_AT = 16,
    VERSION_AT = 24,
    TIME_AT = 32,
};

static_assert(TEXT_AT + BATCH_ENTRY_TEXT_BYTES == BATCH_ENTRY_BYTES, "size of an entry");
static_assert(TIME_AT + 8 == BATCH_RESULT_BYTES, "size of a result");

static const uint8_t zeros[BATCH_ENTRY_TEXT_BYTES];

static uint64_t get_u64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void put_u64(uint8_t *bytes, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return memcmp(bytes, zeros, length) == 0;
}

static bool refuse(struct request_fault *fault, uint32_t index, const char *field,
                   const char *reason)
{
    return request_fault_set(fault, field, "Entry %u: \"%s\" %s", index, field, reason);
}

static const char account_rule[] = "must have 1 to 64 characters of A-Z a-z 0-9 _ . : @ -";

static bool check_texts(const uint8_t *entry, uint32_t index, struct request_fault *fault)
{
    const char *text = (const char *)entry + TEXT_AT;
    size_t account_length = entry[ACCOUNT_LENGTH_AT];
    size_t counterparty_length = entry[COUNTERPARTY_LENGTH_AT];
    size_t key_length = entry[KEY_LENGTH_AT];
    size_t used = account_length + counterparty_length + key_length;
    if (used > BATCH_ENTRY_TEXT_BYTES)
        return refuse(fault, index, "key_length", "leaves the text");
    if (!florin_account_id_is_valid(text, account_length))
        return refuse(fault, index, "account", account_rule);
    if (entry[KIND_AT] == FLORIN_TRANSFER) {
        if (!florin_account_id_is_valid(text + account_length, counterparty_length))
            return refuse(fault, index, "counterparty", account_rule);
        if (account_length == counterparty_length &&
            memcmp(text, text + account_length, account_length) == 0)
            return refuse(fault, index, "counterparty", "must be another account");
    }
    if (!request_key_is_valid(text + used - key_length, key_length))
        return refuse(fault, index, "key", "has a control character");
    if (!is_zero(entry + TEXT_AT + used, BATCH_ENTRY_TEXT_BYTES - used))
        return refuse(fault, index, "text", "must be padded with zeros");
    return true;
}

bool batch_entry_check(const uint8_t *entry, uint32_t index, struct request_fault *fault)
{
    bool expects_version = (entry[FLAGS_AT] & BATCH_ENTRY_EXPECTS_VERSION) != 0;
    bool has_version = !is_zero(entry + EXPECTED_VERSION_AT, 8);
    uint64_t amount = get_u64(entry + AMOUNT_AT);
    bool is_transfer = entry[KIND_AT] == FLORIN_TRANSFER;
    bool expects_to_version = (entry[FLAGS_AT] & BATCH_ENTRY_EXPECTS_TO_VERSION) != 0;
    bool has_to_version = !is_zero(entry + EXPECTED_TO_VERSION_AT, 8);
    unsigned flags =
        BATCH_ENTRY_EXPECTS_VERSION | (is_transfer ? BATCH_ENTRY_EXPECTS_TO_VERSION : 0);
    if (!is_transfer && entry[KIND_AT] != FLORIN_DEPOSIT && entry[KIND_AT] != FLORIN_WITHDRAW)
        return refuse(fault, index, "kind", "must be 1 (deposit), 2 (withdraw) or 5 (transfer)");
    if ((entry[FLAGS_AT] & ~flags) != 0)
        return refuse(fault, index, "flags", "has a bit that this kind does not know");
    if (!is_transfer && entry[COUNTERPARTY_LENGTH_AT] != 0)
        return refuse(fault, index, "counterparty_length", "must be 0 for this kind");
    if (!is_zero(entry + RESERVED_AT, AMOUNT_AT - RESERVED_AT))
        return refuse(fault, index, "reserved", "must be 0");
    if (amount == 0 || amount > INT64_MAX)
        return refuse(fault, index, "amount", "must be greater than zero");
    if (expects_version != has_version)
        return refuse(fault, index, "expected_version",
                      "must be from 1 on with its flag, and 0 without");
    if (!is_transfer && has_to_version)
        return refuse(fault, index, "expected_to_version", "must be 0 for this kind");
    if (expects_to_version != has_to_version)
        return refuse(fault, index, "expected_to_version",
                      "must be from 1 on with its flag, and 0 without");
    return check_texts(entry, index, fault);
}

void batch_entry_command(const uint8_t *entry, struct florin_command *command)
{
    const char *text = (const char *)entry + TEXT_AT;
    const char *counterparty = text + entry[ACCOUNT_LENGTH_AT];
    *command = (struct florin_command){
        .kind = entry[KIND_AT],
        .account = text,
        .account_length = entry[ACCOUNT_LENGTH_AT],
        .to = counterparty,
        .to_length = entry[COUNTERPARTY_LENGTH_AT],
        .key = counterparty + entry[COUNTERPARTY_LENGTH_AT],
        .key_length = entry[KEY_LENGTH_AT],
        .amount_minor = (int64_t)get_u64(entry + AMOUNT_AT),
        .expected_version = get_u64(entry + EXPECTED_VERSION_AT),
        .expected_to_version = get_u64(entry + EXPECTED_TO_VERSION_AT),
    };
}

void batch_entry_put_result(uint8_t *bytes, uint32_t index, const struct florin_result *result)
{
    bytes[STATUS_AT] = (uint8_t)result->status;
    bytes[STATUS_AT + 1] = (uint8_t)((unsigned)result->status >> 8);
    bytes[RESULT_FLAGS_AT] = result->replayed ? BATCH_RESULT_REPLAYED : 0;
    bytes[LEG_AT] = result->leg;
    for (unsigned i = 0; i < 4; i++)
        bytes[INDEX_AT + i] = (uint8_t)(index >> (8 * i));
    put_u64(bytes + TRANSACTION_AT, result->transaction_id);
    put_u64(bytes + BALANCE_AT, (uint64_t)result->balance_minor);
    put_u64(bytes + VERSION_AT, result->version);
    put_u64(bytes + TIME_AT, result->time_ns);
}
