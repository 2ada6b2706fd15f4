/* message.c - commands and results to bytes and back.
 *
 *     head (64) | extension (32), if the command has any of that | legs (40 each) | strings:
 *     account, key, currency, metadata, to, the legs' accounts
 */
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
    uint8_t to_length;
    uint8_t amount_scale;
    uint8_t flags;
    uint8_t leg_count;
    uint8_t changes;
    uint8_t account_status;
    uint8_t expected_balance_scale;
    uint8_t minimum_balance_scale;
    uint8_t reserved;
};
_Static_assert(sizeof(struct command_head) == MESSAGE_HEAD_BYTES, "no padding travels");

/* What few commands have. */
struct command_extension {
    int64_t expected_balance_minor;
    uint64_t expected_to_version;
    uint64_t target_id;
    uint64_t expires_in_ns;
};
_Static_assert(sizeof(struct command_extension) == MESSAGE_EXTENSION_BYTES, "no padding travels");

struct command_leg {
    int64_t amount_minor;
    uint64_t expected_version;
    int64_t expected_balance_minor;
    uint8_t direction;
    uint8_t account_length;
    uint8_t amount_scale;
    uint8_t expected_balance_scale;
    uint8_t has_expected_balance;
    uint8_t group;
    uint8_t reserved[10];
};
_Static_assert(sizeof(struct command_leg) == MESSAGE_LEG_BYTES, "no padding travels");

enum {
    FLAG_DECIMAL = 1,
    FLAG_PRECONDITION = 2,
    FLAG_EXPECTED_BALANCE = 4,
    FLAG_DRY_RUN = 8,
    FLAG_AS_ADMIN = 16,
    FLAG_EXTENSION = 32,
};

/* One more than allowed is enough to be refused. */
static size_t cut(size_t length, size_t max)
{
    return length > max ? max + 1 : length;
}

/* A number that does not fit becomes one that is refused. */
static uint8_t clamp(unsigned value)
{
    return (uint8_t)(value <= UINT8_MAX ? value : UINT8_MAX);
}

static bool has_extension(const struct florin_command *command)
{
    return command->has_expected_balance || command->expected_to_version != 0 ||
           command->target_id != 0 || command->expires_in_ns != 0;
}

static size_t leg_count_of(const struct florin_command *command)
{
    return command->legs == NULL ? 0 : cut(command->leg_count, FLORIN_LEGS_MAX);
}

size_t message_command_bytes(const struct florin_command *command)
{
    size_t legs = leg_count_of(command);
    size_t bytes = sizeof(struct command_head) +
                   (has_extension(command) ? sizeof(struct command_extension) : 0) +
                   cut(command->account_length, FLORIN_ACCOUNT_ID_MAX) +
                   cut(command->key_length, FLORIN_KEY_MAX) +
                   cut(command->currency_length, FLORIN_CURRENCY_MAX) +
                   cut(command->metadata_length, FLORIN_METADATA_MAX) +
                   cut(command->to_length, FLORIN_ACCOUNT_ID_MAX);
    for (size_t i = 0; i < legs; i++)
        bytes += sizeof(struct command_leg) +
                 cut(command->legs[i].account_length, FLORIN_ACCOUNT_ID_MAX);
    return bytes;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(at, bytes, length);
    return at + length;
}

static struct command_head head_of(const struct florin_command *command, uint64_t account_hash,
                                   uint64_t submitted_ns)
{
    return (struct command_head){
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
        .to_length = (uint8_t)cut(command->to_length, FLORIN_ACCOUNT_ID_MAX),
        .amount_scale = command->amount_scale,
        .flags = (uint8_t)((command->amount_is_decimal ? FLAG_DECIMAL : 0) |
                           (command->expected_by_precondition ? FLAG_PRECONDITION : 0) |
                           (command->has_expected_balance ? FLAG_EXPECTED_BALANCE : 0) |
                           (command->dry_run ? FLAG_DRY_RUN : 0) |
                           (command->as_admin ? FLAG_AS_ADMIN : 0) |
                           (has_extension(command) ? FLAG_EXTENSION : 0)),
        .leg_count = (uint8_t)leg_count_of(command),
        .changes = clamp(command->changes),
        .account_status = clamp((unsigned)command->account_status),
        .expected_balance_scale = command->expected_balance_scale,
        .minimum_balance_scale = command->minimum_balance_scale,
    };
}

static struct command_leg leg_of(const struct florin_leg *leg)
{
    return (struct command_leg){
        .amount_minor = leg->amount_minor,
        .expected_version = leg->expected_version,
        .expected_balance_minor = leg->expected_balance_minor,
        .direction = clamp((unsigned)leg->direction),
        .account_length = (uint8_t)cut(leg->account_length, FLORIN_ACCOUNT_ID_MAX),
        .amount_scale = leg->amount_scale,
        .expected_balance_scale = leg->expected_balance_scale,
        .has_expected_balance = leg->has_expected_balance,
        .group = leg->group,
    };
}

void message_put_command(void *bytes, const struct florin_command *command, uint64_t account_hash,
                         uint64_t submitted_ns)
{
    const struct command_head head = head_of(command, account_hash, submitted_ns);
    uint8_t *at = put(bytes, &head, sizeof head);
    if (has_extension(command)) {
        const struct command_extension extension = {
            .expected_balance_minor = command->expected_balance_minor,
            .expected_to_version = command->expected_to_version,
            .target_id = command->target_id,
            .expires_in_ns = command->expires_in_ns,
        };
        at = put(at, &extension, sizeof extension);
    }
    for (uint8_t i = 0; i < head.leg_count; i++) {
        const struct command_leg leg = leg_of(&command->legs[i]);
        at = put(at, &leg, sizeof leg);
    }
    at = put(at, command->account, head.account_length);
    at = put(at, command->key, head.key_length);
    at = put(at, command->currency, head.currency_length);
    at = put(at, command->metadata, head.metadata_length);
    at = put(at, command->to, head.to_length);
    for (uint8_t i = 0; i < head.leg_count; i++)
        at = put(at, command->legs[i].account,
                 cut(command->legs[i].account_length, FLORIN_ACCOUNT_ID_MAX));
}

/* The legs at `at`, their accounts from `text` on. */
static void get_legs(const uint8_t *at, const char *text, uint8_t count,
                     struct message_command *message)
{
    for (uint8_t i = 0; i < count; i++) {
        struct command_leg leg;
        memcpy(&leg, at + i * sizeof leg, sizeof leg);
        message->legs[i] = (struct florin_leg){
            .account = text,
            .account_length = leg.account_length,
            .direction = (enum florin_direction)leg.direction,
            .amount_minor = leg.amount_minor,
            .amount_scale = leg.amount_scale,
            .expected_version = leg.expected_version,
            .has_expected_balance = leg.has_expected_balance != 0,
            .expected_balance_minor = leg.expected_balance_minor,
            .expected_balance_scale = leg.expected_balance_scale,
            .group = leg.group,
        };
        text += leg.account_length;
    }
    message->command.legs = message->legs;
    message->command.leg_count = count;
}

void message_get_command(const void *bytes, struct message_command *message)
{
    struct command_head head;
    struct command_extension extension = {0};
    const uint8_t *at = bytes;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    if (head.flags & FLAG_EXTENSION) {
        memcpy(&extension, at, sizeof extension);
        at += sizeof extension;
    }
    const char *account = (const char *)at + head.leg_count * sizeof(struct command_leg);
    const char *key = account + head.account_length;
    const char *currency = key + head.key_length;
    const char *metadata = currency + head.currency_length;
    const char *to = metadata + head.metadata_length;
    message->account_hash = head.account_hash;
    message->submitted_ns = head.submitted_ns;
    message->command = (struct florin_command){
        .user_data = head.user_data,
        .kind = (enum florin_command_kind)head.kind,
        .account = account,
        .account_length = head.account_length,
        .key = key,
        .key_length = head.key_length,
        .amount_minor = head.amount_minor,
        .amount_is_decimal = (head.flags & FLAG_DECIMAL) != 0,
        .amount_scale = head.amount_scale,
        .expected_version = head.expected_version,
        .expected_by_precondition = (head.flags & FLAG_PRECONDITION) != 0,
        .has_expected_balance = (head.flags & FLAG_EXPECTED_BALANCE) != 0,
        .expected_balance_minor = extension.expected_balance_minor,
        .expected_balance_scale = head.expected_balance_scale,
        .dry_run = (head.flags & FLAG_DRY_RUN) != 0,
        .as_admin = (head.flags & FLAG_AS_ADMIN) != 0,
        .to = head.to_length > 0 ? to : NULL,
        .to_length = head.to_length,
        .expected_to_version = extension.expected_to_version,
        .target_id = extension.target_id,
        .expires_in_ns = extension.expires_in_ns,
        .changes = head.changes,
        .account_status = (enum florin_account_status)head.account_status,
        .currency = head.currency_length > 0 ? currency : NULL,
        .currency_length = head.currency_length,
        .minimum_balance_minor = head.minimum_balance_minor,
        .minimum_balance_scale = head.minimum_balance_scale,
        .metadata = metadata,
        .metadata_length = head.metadata_length,
    };
    if (head.leg_count > 0)
        get_legs(at, to + head.to_length, head.leg_count, message);
}

size_t message_result_bytes_max(enum florin_command_kind kind)
{
    bool carries_metadata =
        kind == FLORIN_OPEN_ACCOUNT || kind == FLORIN_CHANGE_ACCOUNT || kind == FLORIN_READ_ACCOUNT;
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
