/* shard_accounts.c - accounts are opened, changed and read.
 *
 * Guarantees: opening is idempotent by id and content; a change that changes nothing appends
 * nothing; a closed account has a balance of zero, no holds, and never changes again. Must not
 * know: money that moves.
 */
#include <assert.h>
#include <string.h>

#include "shard_internal.h"

/* The part of a record that says what an account is. */
static void describe(const struct shard *shard, const struct account *account,
                     struct record *record)
{
    record->minimum_balance_minor = account_table_minimum(&shard->accounts, account);
    record->account_status = (uint8_t)account_status(account);
    record->metadata = account_table_metadata(&shard->accounts, account);
    record->metadata_length = account->metadata_length;
    memcpy(record->currency, account_table_currency(&shard->accounts, account)->code,
           sizeof(record->currency));
}

/* --- open --------------------------------------------------------------------------------- */

static bool metadata_is(const struct shard *shard, const struct account *account,
                        const char *metadata, size_t metadata_length)
{
    return account->metadata_length == metadata_length &&
           (metadata_length == 0 || memcmp(account_table_metadata(&shard->accounts, account),
                                           metadata, metadata_length) == 0);
}

static bool account_has_content(const struct shard *shard, const struct account *account,
                                const struct account_content *content)
{
    const struct account_opening *opening = account_table_opening(&shard->accounts, account);
    const struct currency *currency = account_table_currency(&shard->accounts, account);

    return memcmp(currency, &content->currency, sizeof(*currency)) == 0 &&
           opening->balance_minor == content->balance_minor &&
           account_table_minimum(&shard->accounts, account) == content->minimum_balance_minor &&
           metadata_is(shard, account, content->metadata, content->metadata_length);
}

/* The account as it would be opened. */
static void answer_dry_opening(const struct account_content *content, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    result->status = FLORIN_APPLIED;
    result->balance_minor = content->balance_minor;
    result->version = 1;
    result->time_ns = content->opened_ns;
    result->minimum_balance_minor = content->minimum_balance_minor;
    result->metadata = content->metadata_length > 0 ? content->metadata : NULL;
    result->metadata_length = content->metadata_length;
    memcpy(result->currency, content->currency.code, sizeof(content->currency.code));
    result->exponent = content->currency.exponent;
}

/* The account and its record. NULL: there is no room for it. */
static struct account *add_account(struct shard *shard, uint64_t account_hash,
                                   const struct account_content *content)
{
    struct account *account = account_table_add(&shard->accounts, account_hash, content);
    if (account == NULL)
        return NULL;
    /* Cannot fail from here. */
    struct record record = {
        .kind = FLORIN_OPEN_ACCOUNT,
        .status = FLORIN_APPLIED,
        .time_ns = content->opened_ns,
        .amount_minor = content->balance_minor,
        .id = content->id,
        .id_length = (uint8_t)content->id_length,
    };
    describe(shard, account, &record);
    shard_stage_record(shard, &record, account, SHARD_NO_SLOT, SHARD_NO_SLOT);
    return account;
}

void shard_execute_open(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, uint64_t now_ns, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    struct account_content content = {
        .id = command->account,
        .id_length = command->account_length,
        .currency = *shard_command_currency(shard, command),
        .metadata = command->metadata,
        .metadata_length = command->metadata_length,
        .opened_ns = shard_next_time(shard, now_ns),
    };
    bool converted =
        shard_command_amount(command, &content.currency, &content.balance_minor) &&
        shard_command_minimum(command, &content.currency, &content.minimum_balance_minor);
    assert(converted);
    result->amount_minor = content.balance_minor;

    struct account *account =
        account_table_find(&shard->accounts, account_hash, content.id, content.id_length);
    if (account != NULL) {
        if (!shard_account_is_free(account, answer))
            return;
        shard_answer_with_details(shard, account, answer);
        result->replayed = account_has_content(shard, account, &content);
        result->status = result->replayed ? FLORIN_APPLIED : FLORIN_ACCOUNT_EXISTS;
        return;
    }
    if (command->dry_run) {
        if (account_table_has_room(&shard->accounts, &content))
            answer_dry_opening(&content, answer);
        else
            result->status = FLORIN_ACCOUNTS_FULL;
        return;
    }
    if (shard->storage_is_full) {
        shard_answer_storage_full(command, answer);
        return;
    }
    account = add_account(shard, account_hash, &content);
    if (account == NULL) {
        result->status = FLORIN_ACCOUNTS_FULL;
        return;
    }
    shard_answer_with_details(shard, account, answer);
    result->transaction_id = account->last_lsn;
    answer->raised = 1;
    answer->staged = true;
}

struct account *shard_create_account(struct shard *shard, const char *id, size_t id_length,
                                     uint64_t account_hash, uint64_t now_ns)
{
    const struct account_content content = {
        .id = id,
        .id_length = id_length,
        .currency = *shard->auto_create,
        .opened_ns = shard_next_time(shard, now_ns),
    };
    assert(shard_stage_has_room(shard) && !shard->storage_is_full);
    return add_account(shard, account_hash, &content);
}

/* --- change ------------------------------------------------------------------------------- */

/* What the account would be. */
struct change {
    enum florin_account_status status;
    int64_t minimum_minor;
    const char *metadata;
    size_t metadata_length;
};

/* false: the minimum balance has more decimals than the currency, or is out of range. */
static bool read_change(const struct shard *shard, const struct account *account,
                        const struct florin_command *command, struct change *change)
{
    *change = (struct change){
        .status = account_status(account),
        .minimum_minor = account_table_minimum(&shard->accounts, account),
        .metadata = account_table_metadata(&shard->accounts, account),
        .metadata_length = account->metadata_length,
    };
    if (command->changes & FLORIN_CHANGE_STATUS)
        change->status = command->account_status;
    if (command->changes & FLORIN_CHANGE_METADATA) {
        change->metadata = command->metadata_length > 0 ? command->metadata : NULL;
        change->metadata_length = command->metadata_length;
    }
    return (command->changes & FLORIN_CHANGE_MINIMUM_BALANCE) == 0 ||
           shard_command_minimum(command, account_table_currency(&shard->accounts, account),
                                 &change->minimum_minor);
}

static bool changes_nothing(const struct shard *shard, const struct account *account,
                            const struct change *change)
{
    return change->status == account_status(account) &&
           change->minimum_minor == account_table_minimum(&shard->accounts, account) &&
           metadata_is(shard, account, change->metadata, change->metadata_length);
}

/* The floor that the account would have. */
static bool floor_fits(const struct shard *shard, const struct account *account,
                       const struct change *change, int64_t *floor_minor)
{
    int64_t held = account_table_opening(&shard->accounts, account)->held_minor;
    return money_add(change->minimum_minor, held, floor_minor) &&
           account->balance_minor >= *floor_minor;
}

static enum florin_status decide_change(const struct shard *shard, const struct account *account,
                                        const struct florin_command *command,
                                        const struct change *change, int64_t *floor_minor,
                                        struct florin_result *result)
{
    if (account_status(account) == FLORIN_STATE_CLOSED)
        return FLORIN_ACCOUNT_CLOSED;
    enum florin_status status = shard_check_conditions(shard, account, command, result);
    if (status != FLORIN_APPLIED)
        return status;
    if (!floor_fits(shard, account, change, floor_minor))
        return shard_refuse(FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_MINIMUM_BALANCE,
                            &result->field);
    if (change->status == FLORIN_STATE_CLOSED &&
        (account->balance_minor != 0 ||
         account_table_opening(&shard->accounts, account)->hold_count > 0))
        return shard_refuse(FLORIN_ACCOUNT_NOT_EMPTY, FLORIN_FIELD_STATUS, &result->field);
    if (!account_table_has_metadata_room(&shard->accounts, account, change->metadata_length))
        return shard_refuse(FLORIN_ACCOUNTS_FULL, FLORIN_FIELD_METADATA, &result->field);
    return FLORIN_APPLIED;
}

static void apply_change(struct shard *shard, struct account *account, const struct change *change,
                         int64_t floor_minor, uint64_t time_ns,
                         const struct florin_command *command)
{
    if (!metadata_is(shard, account, change->metadata, change->metadata_length))
        account_table_set_metadata(&shard->accounts, account, change->metadata,
                                   change->metadata_length);
    account->floor_minor = floor_minor;
    account->flags = (uint8_t)((account->flags & ACCOUNT_CLAIMED) | (unsigned)change->status);
    account->version++;
    struct record record = {
        .kind = FLORIN_CHANGE_ACCOUNT,
        .status = FLORIN_APPLIED,
        .time_ns = time_ns,
        .id = command->account,
        .id_length = (uint8_t)command->account_length,
    };
    describe(shard, account, &record);
    shard_stage_record(shard, &record, account, SHARD_NO_SLOT, SHARD_NO_SLOT);
}

void shard_execute_change(struct shard *shard, const struct florin_command *command,
                          uint64_t account_hash, uint64_t now_ns, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    struct account *account = account_table_find(&shard->accounts, account_hash, command->account,
                                                 command->account_length);
    if (account == NULL) {
        result->status = FLORIN_ACCOUNT_NOT_FOUND;
        return;
    }
    if (!shard_account_is_free(account, answer))
        return;
    struct change change;
    int64_t floor_minor;
    shard_answer_with_details(shard, account, answer);
    if (!read_change(shard, account, command, &change)) {
        result->status =
            shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_MINIMUM_BALANCE, &result->field);
        return;
    }
    result->status = decide_change(shard, account, command, &change, &floor_minor, result);
    if (result->status != FLORIN_APPLIED || changes_nothing(shard, account, &change))
        return;
    if (command->dry_run) {
        result->version++;
        result->minimum_balance_minor = change.minimum_minor;
        result->account_status = change.status;
        result->metadata = change.metadata;
        result->metadata_length = change.metadata_length;
        return;
    }
    if (shard->storage_is_full) {
        shard_answer_storage_full(command, answer);
        return;
    }
    /* Cannot fail from here. */
    apply_change(shard, account, &change, floor_minor, shard_next_time(shard, now_ns), command);
    shard_answer_with_details(shard, account, answer);
    result->transaction_id = account->last_lsn;
    answer->raised = 1;
    answer->staged = true;
}

/* --- read --------------------------------------------------------------------------------- */

void shard_execute_read(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, struct shard_answer *answer)
{
    const struct account *account = account_table_find(&shard->accounts, account_hash,
                                                       command->account, command->account_length);
    if (account == NULL) {
        answer->result.status = FLORIN_ACCOUNT_NOT_FOUND;
        return;
    }
    if (!shard_account_is_free(account, answer))
        return;
    shard_answer_with_details(shard, account, answer);
    answer->result.transaction_id = account->last_lsn;
}
