/* message.c - commands and results to bytes and back. */
#include "message.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

struct command_head {
    uint64_t user_data;
    uint64_t account_hash;
    uint64_t submitted_ns;
    int64_t amount_minor;
    uint64_t expected_version;
    int64_t minimum_balance_minor;
    uint16_t key_length;
    uint16_t metadata_length;
    uint8_t kind;
    uint8_t account_length;
    uint8_t currency_length;
    uint8_t scale_and_flags; /* bits 0-5 amount_scale, 6 decimal, 7 precondition */
};
_Static_assert(sizeof(struct command_head) == 56, "no padding travels");

enum { SCALE_MASK = 0x3f, FLAG_DECIMAL = 0x40, FLAG_PRECONDITION = 0x80 };

/* One more than allowed is enough to be refused. */
static size_t cut(size_t length, size_t max)
{
    return length > max ? max + 1 : length;
}

size_t message_command_bytes(const struct florin_command *command)
{
    return sizeof(struct command_head) + cut(command->account_length, FLORIN_ACCOUNT_ID_MAX) +
           cut(command->key_length, FLORIN_KEY_MAX) +
           cut(command->currency_length, FLORIN_CURRENCY_MAX) +
           cut(command->metadata_length, FLORIN_METADATA_MAX);
}

static uint8_t *put_text(uint8_t *at, const char *text, size_t length)
{
    if (length > 0)
        memcpy(at, text, length);
    return at + length;
}

void message_put_command(void *bytes, const struct florin_command *command, uint64_t account_hash,
                         uint64_t submitted_ns)
{
    bool scale_fits = command->amount_scale <= SCALE_MASK;
    struct command_head head = {
        .user_data = command->user_data,
        .account_hash = account_hash,
        .submitted_ns = submitted_ns,
        .amount_minor = command->amount_minor,
        .expected_version = command->expected_version,
        .minimum_balance_minor = command->minimum_balance_minor,
        .key_length = (uint16_t)cut(command->key_length, FLORIN_KEY_MAX),
        .metadata_length = (uint16_t)cut(command->metadata_length, FLORIN_METADATA_MAX),
        .kind = (uint8_t)((unsigned)command->kind <= UINT8_MAX ? command->kind : 0),
        .account_length = (uint8_t)cut(command->account_length, FLORIN_ACCOUNT_ID_MAX),
        .currency_length = (uint8_t)cut(command->currency_length, FLORIN_CURRENCY_MAX),
        .scale_and_flags = (uint8_t)((scale_fits ? command->amount_scale : SCALE_MASK) |
                                     (command->amount_is_decimal ? FLAG_DECIMAL : 0) |
                                     (command->expected_by_precondition ? FLAG_PRECONDITION : 0)),
    };
    uint8_t *at = bytes;
    memcpy(at, &head, sizeof head);
    at = put_text(at + sizeof head, command->account, head.account_length);
    at = put_text(at, command->key, head.key_length);
    at = put_text(at, command->currency, head.currency_length);
    put_text(at, command->metadata, head.metadata_length);
}

void message_get_command(const void *bytes, struct message_command *message)
{
    struct command_head head;
    memcpy(&head, bytes, sizeof head);
    const char *account = (const char *)bytes + sizeof head;
    const char *key = account + head.account_length;
    const char *currency = key + head.key_length;
    const char *metadata = currency + head.currency_length;
    *message = (struct message_command){
        .command = {.user_data = head.user_data,
                    .kind = (enum florin_command_kind)head.kind,
                    .account = account,
                    .account_length = head.account_length,
                    .key = key,
                    .key_length = head.key_length,
                    .amount_minor = head.amount_minor,
                    .amount_is_decimal = (head.scale_and_flags & FLAG_DECIMAL) != 0,
                    .amount_scale = head.scale_and_flags & SCALE_MASK,
                    .expected_version = head.expected_version,
                    .expected_by_precondition = (head.scale_and_flags & FLAG_PRECONDITION) != 0,
                    .currency = head.currency_length > 0 ? currency : NULL,
                    .currency_length = head.currency_length,
                    .minimum_balance_minor = head.minimum_balance_minor,
                    .metadata = metadata,
                    .metadata_length = head.metadata_length},
        .account_hash = head.account_hash,
        .submitted_ns = head.submitted_ns,
    };
}

size_t message_result_bytes_max(enum florin_command_kind kind)
{
    bool carries_metadata = kind == FLORIN_OPEN_ACCOUNT || kind == FLORIN_READ_ACCOUNT;
    return carries_metadata ? MESSAGE_RESULT_BYTES_MAX : sizeof(struct florin_result);
}

size_t message_result_bytes(const struct florin_result *result)
{
    return sizeof *result + result->metadata_length;
}

void message_put_result(void *bytes, const struct florin_result *result)
{
    assert(message_result_bytes(result) <= message_result_bytes_max(result->kind));
    memcpy(bytes, result, sizeof *result);
    if (result->metadata_length > 0)
        memcpy((uint8_t *)bytes + sizeof *result, result->metadata, result->metadata_length);
}

void message_get_result(const void *bytes, struct florin_result *result)
{
    memcpy(result, bytes, sizeof *result);
    result->metadata = result->metadata_length > 0 ? (const char *)bytes + sizeof *result : NULL;
}
