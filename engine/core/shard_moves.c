/* shard_moves.c - money comes into one account, or leaves it: deposit and withdraw.
 *
 * The order of the checks is that of enum florin_status, with one turn: a decimal amount can only
 * be converted when the account, and with it the currency, is known. So the account is looked up
 * before the key. This changes no answer: keys are remembered for accounts that exist only.
 */
#include <string.h>

#include "shard_internal.h"

/* The expected balance in minor units. false: there is none, or one that no balance can be. */
static bool expected_balance(const struct florin_command *command, uint8_t exponent, int64_t *minor)
{
    const struct money_decimal least = {command->expected_balance_minor,
                                        command->expected_balance_scale};
    if (!command->has_expected_balance)
        return false;
    if (command->amount_is_decimal)
        return money_to_minor(least, exponent, minor);
    *minor = command->expected_balance_minor;
    return true;
}

/* What its key is compared by, with an amount that is converted. */
static struct shard_request request_of(const struct florin_command *command,
                                       const struct florin_result *result)
{
    int64_t least = 0;
    bool has_least = expected_balance(command, result->exponent, &least);
    return (struct shard_request){
        .amount_minor = result->amount_minor,
        .expected =
            key_answer_expected(command->expected_version, has_least, least, command->as_admin),
    };
}

/* What the account says to it. `*balance_minor` is the balance after; unchanged by a refusal. */
static enum florin_status decide(const struct shard *shard, const struct account *account,
                                 const struct florin_command *command, int64_t *balance_minor,
                                 struct florin_result *result)
{
    int64_t after = account->balance_minor;
    int64_t amount_minor = result->amount_minor;
    enum florin_status status = shard_check_status(account, command);
    if (status == FLORIN_APPLIED)
        status = shard_check_conditions(shard, account, command, result);
    if (status != FLORIN_APPLIED)
        return status;
    if (command->kind == FLORIN_DEPOSIT) {
        if (!money_add(account->balance_minor, amount_minor, &after))
            return FLORIN_BALANCE_OVERFLOW;
    } else {
        if (!money_subtract(account->balance_minor, amount_minor, &after) ||
            after < account->floor_minor)
            return FLORIN_INSUFFICIENT_BALANCE;
    }
    *balance_minor = after;
    return FLORIN_APPLIED;
}

/* Makes it true: applied, or refused and remembered under its key. Its last check is the room for
 * the key; NULL digest: no key. */
static void commit(struct shard *shard, const struct florin_command *command,
                   const struct hash128 *digest, struct account *account, int64_t balance_minor,
                   uint64_t now_ns, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    uint32_t key_slot;
    if (!shard_add_key(shard, digest, &key_slot, result))
        return;

    /* Cannot fail from here. */
    account->balance_minor = balance_minor;
    if (result->status == FLORIN_APPLIED)
        account->version++;
    struct record record = {
        .kind = (uint8_t)command->kind,
        .status = (uint8_t)result->status,
        .has_expected_version = command->expected_version != 0,
        .expected_by_precondition =
            command->expected_version != 0 && command->expected_by_precondition,
        .as_admin = command->as_admin,
        .time_ns = shard_next_time(shard, now_ns),
        .amount_minor = result->amount_minor,
        .expected_version = command->expected_version,
        .id = command->account,
        .id_length = (uint8_t)command->account_length,
        .key = command->key,
        .key_length = (uint8_t)command->key_length,
    };
    record.has_expected_balance =
        expected_balance(command, result->exponent, &record.expected_balance_minor);
    shard_stage_record(shard, &record, account, key_slot, SHARD_NO_SLOT);
    shard_answer_staged(shard, account, answer);
}

/* --- an account that is not there ---------------------------------------------------------- */

/* Whether the command would bring its account into being. A condition speaks of an account that is
 * there. */
static bool may_create(const struct shard *shard, const struct florin_command *command)
{
    return shard->auto_create != NULL && command->kind == FLORIN_DEPOSIT &&
           command->expected_version == 0 && !command->has_expected_balance;
}

/* The deposit as it would be applied to a new account. */
static void answer_dry_creation(const struct shard *shard, const struct florin_command *command,
                                uint64_t now_ns, struct florin_result *result)
{
    const struct account_content content = {
        .id = command->account,
        .id_length = command->account_length,
        .currency = *shard->auto_create,
    };
    if (!account_table_has_room(&shard->accounts, &content)) {
        result->status = FLORIN_ACCOUNTS_FULL;
        return;
    }
    result->status = FLORIN_APPLIED;
    result->balance_minor = result->amount_minor;
    result->version = 2;
    result->time_ns = shard_next_time(shard, now_ns);
    memcpy(result->currency, content.currency.code, sizeof(content.currency.code));
    result->exponent = content.currency.exponent;
}

/* Brings the account into being, once nothing but room can refuse the deposit any more. NULL: it is
 * not there; the answer is finished, or says why the command has to come again. */
static struct account *create(struct shard *shard, const struct florin_command *command,
                              uint64_t account_hash, const struct hash128 *digest, uint64_t now_ns,
                              const struct shard_found *found, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    if (!may_create(shard, command)) {
        result->status = FLORIN_ACCOUNT_NOT_FOUND;
        return NULL;
    }
    if (!shard_command_amount(command, shard->auto_create, &result->amount_minor)) {
        result->status = shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, &result->field);
        return NULL;
    }
    const struct shard_request request = {.amount_minor = result->amount_minor};
    if (digest != NULL && !shard_key_is_new(shard, command, &request, *digest, found, answer))
        return NULL;
    if (command->dry_run) {
        answer_dry_creation(shard, command, now_ns, result);
        return NULL;
    }
    if (shard->storage_is_full) {
        shard_answer_storage_full(command, answer);
        return NULL;
    }
    if (digest != NULL && !key_table_has_room(&shard->keys)) {
        result->status = FLORIN_KEYS_FULL;
        return NULL;
    }
    if (!shard_stage_has_room_for(shard, 1)) {
        answer->lookup = SHARD_LOOKUP_CLAIM;
        return NULL;
    }
    struct account *account = shard_create_account(shard, command->account, command->account_length,
                                                   account_hash, now_ns);
    if (account == NULL)
        result->status = FLORIN_ACCOUNTS_FULL;
    return account;
}

void shard_execute_move(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                        struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    bool has_key = command->key_length > 0;
    struct hash128 digest = {0};

    if (has_key) {
        /* Early, so that the cache fetches both tables at once. */
        digest = hash_key(shard->secret, command->account, command->account_length, command->key,
                          command->key_length);
        key_table_prefetch(&shard->keys, digest);
    }
    struct account *account = account_table_find(&shard->accounts, account_hash, command->account,
                                                 command->account_length);
    bool is_new = account == NULL;
    if (is_new)
        account =
            create(shard, command, account_hash, has_key ? &digest : NULL, now_ns, found, answer);
    if (account == NULL || !shard_account_is_free(account, answer))
        return;
    shard_answer_with_account(shard, account, answer);
    if (!shard_command_amount(command, account_table_currency(&shard->accounts, account),
                              &result->amount_minor)) {
        result->status = shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, &result->field);
        return;
    }
    const struct shard_request request = request_of(command, result);
    if (has_key && !shard_key_is_new(shard, command, &request, digest, found, answer))
        return;
    int64_t balance_minor = account->balance_minor;
    result->status = decide(shard, account, command, &balance_minor, result);
    if (command->dry_run) {
        if (result->status == FLORIN_APPLIED) {
            result->balance_minor = balance_minor;
            result->version++;
            result->time_ns = shard_next_time(shard, now_ns);
        }
        return;
    }
    if (result->status != FLORIN_APPLIED &&
        (!has_key || !record_status_is_remembered((uint8_t)result->status)))
        return;
    if (shard->storage_is_full) {
        shard_answer_storage_full(command, answer);
        return;
    }
    commit(shard, command, has_key ? &digest : NULL, account, balance_minor, now_ns, answer);
    if (is_new && answer->staged)
        answer->raised++;
}
