/* shard_syntax.c - what can be said of a command without looking at the ledger.
 *
 * Guarantees: a command that passes has ids, keys, amounts and lengths in range for its kind; of
 * several faults the one with the smallest status is named.
 * Must not know: whether accounts are there. Of the shard it reads the currencies only.
 *
 * Which fields count: a read looks at the account id only; an opening ignores conditions.
 */
#include <string.h>

#include "shard_internal.h"

static bool text_is_missing(const char *text, size_t length)
{
    return text == NULL && length > 0;
}

const struct currency *shard_command_currency(const struct shard *shard,
                                              const struct florin_command *command)
{
    if (command->currency == NULL)
        return currency_default();
    return currency_list_find(shard->currencies, command->currency, command->currency_length);
}

bool shard_command_amount(const struct florin_command *command, const struct currency *currency,
                          int64_t *amount_minor)
{
    if (command->amount_is_decimal) {
        struct money_decimal decimal = {command->amount_minor, command->amount_scale};
        return money_to_minor(decimal, currency->exponent, amount_minor);
    }
    *amount_minor = command->amount_minor;
    return true;
}

bool shard_command_minimum(const struct florin_command *command, const struct currency *currency,
                           int64_t *minimum_minor)
{
    struct money_decimal decimal = {command->minimum_balance_minor, command->minimum_balance_scale};
    *minimum_minor = command->minimum_balance_minor;
    return !command->amount_is_decimal ||
           money_to_minor(decimal, currency->exponent, minimum_minor);
}

static enum florin_status check_key(const struct florin_command *command, enum florin_field *field)
{
    if (command->key_length > FLORIN_KEY_MAX || text_is_missing(command->key, command->key_length))
        return shard_refuse(FLORIN_INVALID_KEY, FLORIN_FIELD_KEY, field);
    return FLORIN_APPLIED;
}

/* Deposit, withdraw, hold, void: one account, one amount. */
static enum florin_status check_single(const struct florin_command *command,
                                       enum florin_field *field)
{
    bool has_amount = command->kind != FLORIN_VOID;
    enum florin_status status = check_key(command, field);
    if (status != FLORIN_APPLIED)
        return status;
    if (has_amount && (command->amount_minor <= 0 ||
                       (command->amount_is_decimal && command->amount_scale > MONEY_SCALE_MAX)))
        return shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, field);
    if (command->has_expected_balance &&
        (command->expected_balance_minor < MONEY_MIN ||
         (command->amount_is_decimal && command->expected_balance_scale > MONEY_SCALE_MAX)))
        return shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_EXPECTED_BALANCE, field);
    return FLORIN_APPLIED;
}

static enum florin_status check_metadata(const struct florin_command *command,
                                         enum florin_field *field)
{
    if (command->metadata_length > FLORIN_METADATA_MAX ||
        text_is_missing(command->metadata, command->metadata_length))
        return shard_refuse(FLORIN_INVALID_METADATA, FLORIN_FIELD_METADATA, field);
    return FLORIN_APPLIED;
}

static bool minimum_is_valid(int64_t minimum_minor)
{
    return minimum_minor <= 0 && minimum_minor >= MONEY_MIN;
}

static enum florin_status check_scales(const struct florin_command *command,
                                       enum florin_field *field)
{
    if (command->amount_is_decimal && command->amount_scale > MONEY_SCALE_MAX)
        return shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_BALANCE, field);
    if (command->amount_is_decimal && command->minimum_balance_scale > MONEY_SCALE_MAX)
        return shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_MINIMUM_BALANCE, field);
    return FLORIN_APPLIED;
}

static enum florin_status check_opening(const struct shard *shard,
                                        const struct florin_command *command,
                                        enum florin_field *field)
{
    if (command->key_length > 0)
        return shard_refuse(FLORIN_INVALID_KEY, FLORIN_FIELD_KEY, field);
    enum florin_status status = check_scales(command, field);
    if (status != FLORIN_APPLIED)
        return status;
    const struct currency *currency = shard_command_currency(shard, command);
    int64_t minor;
    if (currency != NULL && !shard_command_amount(command, currency, &minor))
        return shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_BALANCE, field);
    if (currency != NULL && !shard_command_minimum(command, currency, &minor))
        return shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_MINIMUM_BALANCE, field);
    if (currency == NULL)
        return shard_refuse(FLORIN_INVALID_CURRENCY, FLORIN_FIELD_CURRENCY, field);
    if (command->amount_minor < 0)
        return shard_refuse(FLORIN_INVALID_BALANCE, FLORIN_FIELD_BALANCE, field);
    if (!minimum_is_valid(command->minimum_balance_minor))
        return shard_refuse(FLORIN_INVALID_BALANCE, FLORIN_FIELD_MINIMUM_BALANCE, field);
    return check_metadata(command, field);
}

static enum florin_status check_change(const struct florin_command *command,
                                       enum florin_field *field)
{
    const unsigned all =
        FLORIN_CHANGE_STATUS | FLORIN_CHANGE_MINIMUM_BALANCE | FLORIN_CHANGE_METADATA;
    if (command->key_length > 0)
        return shard_refuse(FLORIN_INVALID_KEY, FLORIN_FIELD_KEY, field);
    if (command->amount_is_decimal && command->minimum_balance_scale > MONEY_SCALE_MAX)
        return shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_MINIMUM_BALANCE, field);
    if ((command->changes & FLORIN_CHANGE_MINIMUM_BALANCE) &&
        !minimum_is_valid(command->minimum_balance_minor))
        return shard_refuse(FLORIN_INVALID_BALANCE, FLORIN_FIELD_MINIMUM_BALANCE, field);
    if (command->changes & FLORIN_CHANGE_METADATA) {
        enum florin_status status = check_metadata(command, field);
        if (status != FLORIN_APPLIED)
            return status;
    }
    if ((command->changes & FLORIN_CHANGE_STATUS) &&
        (unsigned)command->account_status > FLORIN_STATE_CLOSED)
        return shard_refuse(FLORIN_INVALID_CHANGE, FLORIN_FIELD_STATUS, field);
    if (command->changes == 0 || (command->changes & ~all) != 0)
        return shard_refuse(FLORIN_INVALID_CHANGE, FLORIN_FIELD_NONE, field);
    return FLORIN_APPLIED;
}

static enum florin_status check_posting(const struct florin_command *command,
                                        struct florin_result *result)
{
    enum florin_status status = posting_check(command, &result->field, &result->leg);
    if (status == FLORIN_INVALID_ACCOUNT_ID || check_key(command, &result->field) == FLORIN_APPLIED)
        return status;
    result->leg = 0;
    return FLORIN_INVALID_KEY;
}

static bool kind_is_known(enum florin_command_kind kind)
{
    switch (kind) {
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
    case FLORIN_OPEN_ACCOUNT:
    case FLORIN_CHANGE_ACCOUNT:
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_HOLD:
    case FLORIN_CAPTURE:
    case FLORIN_VOID:
    case FLORIN_REVERSE:
    case FLORIN_BATCH:
    case FLORIN_READ_ACCOUNT:
    case FLORIN_READ_REVERSAL:
        return true;
    case FLORIN_EXPIRE: /* nobody's command */
        break;
    }
    return false;
}

enum florin_status shard_check_syntax(const struct shard *shard,
                                      const struct florin_command *command,
                                      struct florin_result *result)
{
    if (!kind_is_known(command->kind))
        return shard_refuse(FLORIN_INVALID_COMMAND, FLORIN_FIELD_KIND, &result->field);
    if (command->account == NULL ||
        !florin_account_id_is_valid(command->account, command->account_length))
        return shard_refuse(FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT, &result->field);
    if (command->kind == FLORIN_READ_ACCOUNT)
        return FLORIN_APPLIED;
    if (command->kind == FLORIN_READ_REVERSAL)
        return command->amount_minor > 0
                   ? FLORIN_APPLIED
                   : shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, &result->field);
    if (command->kind == FLORIN_OPEN_ACCOUNT)
        return check_opening(shard, command, &result->field);
    if (command->kind == FLORIN_CHANGE_ACCOUNT)
        return check_change(command, &result->field);
    if (posting_is(command->kind))
        return check_posting(command, result);
    return check_single(command, &result->field);
}
