/* shard_answer.c - what every command of a shard needs: answers, keys that were seen, the stage.
 *
 * Guarantees: an answer's wait_lsn covers all that it shows; a record that is staged is linked to
 * the one before it of its account, and its key, if it has one, to it. Must not know: what a
 * command does.
 */
#include <assert.h>
#include <string.h>

#include "shard_internal.h"

/* --- answers ------------------------------------------------------------------------------ */

void shard_answer_with_account(const struct shard *shard, const struct account *account,
                               struct shard_answer *answer)
{
    const struct currency *currency = account_table_currency(&shard->accounts, account);

    answer->account_slot = account_table_slot(&shard->accounts, account);
    answer->wait_lsn = account->last_lsn;
    answer->result.balance_minor = account->balance_minor;
    answer->result.version = account->version;
    memcpy(answer->result.currency, currency->code, sizeof(currency->code));
    answer->result.exponent = currency->exponent;
}

void shard_answer_with_details(const struct shard *shard, const struct account *account,
                               struct shard_answer *answer)
{
    const struct account_opening *opening = account_table_opening(&shard->accounts, account);

    shard_answer_with_account(shard, account, answer);
    answer->result.time_ns = opening->time_ns;
    answer->result.minimum_balance_minor = account_table_minimum(&shard->accounts, account);
    answer->result.held_minor = opening->held_minor;
    answer->result.account_status = account_status(account);
    answer->result.metadata = account_table_metadata(&shard->accounts, account);
    answer->result.metadata_length = account->metadata_length;
}

void shard_answer_storage_full(const struct florin_command *command, struct shard_answer *answer)
{
    *answer = (struct shard_answer){
        .result = {.user_data = command->user_data,
                   .kind = command->kind,
                   .status = FLORIN_STORAGE_FULL},
        .account_slot = SHARD_NO_SLOT,
    };
}

/* --- keys --------------------------------------------------------------------------------- */

static enum florin_field difference(const struct key_answer *seen,
                                    const struct florin_command *command,
                                    const struct shard_request *request)
{
    if (seen->kind != command->kind)
        return FLORIN_FIELD_KIND;
    if (request->digest != 0)
        return seen->expected_version != request->digest ? FLORIN_FIELD_LEGS : FLORIN_FIELD_NONE;
    if (seen->amount_minor != request->amount_minor)
        return FLORIN_FIELD_AMOUNT;
    if (seen->expected_version != request->expected)
        return command->has_expected_balance ? FLORIN_FIELD_EXPECTED_BALANCE
                                             : FLORIN_FIELD_EXPECTED_VERSION;
    return FLORIN_FIELD_NONE;
}

/* The first answer again. */
static void answer_with_seen_key(const struct key_answer *seen,
                                 const struct florin_command *command,
                                 const struct shard_request *request, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;

    result->transaction_id = seen->lsn;
    result->field = difference(seen, command, request);
    if (result->field != FLORIN_FIELD_NONE) {
        result->status = FLORIN_KEY_REUSED;
        return;
    }
    answer->wait_lsn = seen->lsn;
    result->status = (enum florin_status)seen->status;
    result->replayed = true;
    result->balance_minor = seen->balance_minor;
    result->version = seen->version;
    result->time_ns = seen->time_ns;
    if (request->digest == 0)
        return;
    if (result->status == FLORIN_APPLIED) {
        result->amount_minor = seen->amount_minor;
        if (command->kind == FLORIN_HOLD)
            result->expires_ns = shard_expiry(command, seen->time_ns);
    } else {
        result->leg = (uint8_t)seen->amount_minor;
        result->field = posting_field(result->status);
    }
}

static bool is_other(const struct shard_key_found *found, uint64_t lsn)
{
    for (uint8_t i = 0; i < found->other_count; i++) {
        if (found->others[i] == lsn)
            return true;
    }
    return false;
}

bool shard_digest_is_new(const struct shard *shard, struct hash128 digest,
                         const struct shard_key_found *found, struct shard_answer *answer)
{
    answer->lookup_digest = digest;
    struct key_table_cursor cursor = key_table_start(&shard->keys, digest);
    uint32_t slot;
    while (key_table_next(&cursor, &slot)) {
        uint64_t lsn = key_table_lsn(&shard->keys, slot);
        if (is_other(found, lsn))
            continue;
        if (found->other_count == SHARD_OTHERS_MAX) {
            answer->result.status = FLORIN_QUEUE_FULL;
            return false;
        }
        answer->lookup = SHARD_LOOKUP_RECORD;
        answer->lookup_lsn = lsn;
        return false;
    }
    if (!found->files_have_not && key_filters_may_contain(shard->key_filters, digest)) {
        answer->lookup = SHARD_LOOKUP_FILES;
        return false;
    }
    return true;
}

bool shard_key_is_new(const struct shard *shard, const struct florin_command *command,
                      const struct shard_request *request, struct hash128 digest,
                      const struct shard_found *found, struct shard_answer *answer)
{
    const struct key_answer *seen = &found->key.answer;
    if (found->key.found) {
        assert(seen->digest.high == digest.high && seen->digest.low == digest.low);
        answer_with_seen_key(seen, command, request, answer);
        return false;
    }
    return shard_digest_is_new(shard, digest, &found->key, answer);
}

bool shard_reversal_is_next(const struct shard *shard, struct hash128 digest,
                            const struct shard_found *found, struct shard_answer *answer)
{
    assert(!found->next_reversal.found); /* it would have been taken off the legs, and counted */
    if (shard_digest_is_new(shard, digest, &found->next_reversal, answer))
        return true;
    answer->lookup_is_reversal = true;
    return false;
}

bool shard_add_key(struct shard *shard, const struct hash128 *digest, uint32_t *key_slot,
                   struct florin_result *result)
{
    *key_slot = SHARD_NO_SLOT;
    if (digest == NULL)
        return true;
    *key_slot = key_table_add(&shard->keys, *digest, shard_next_lsn(shard));
    if (*key_slot != KEY_TABLE_NO_SLOT)
        return true;
    result->status = FLORIN_KEYS_FULL;
    return false;
}

/* --- what an account allows --------------------------------------------------------------- */

bool shard_account_is_free(const struct account *account, struct shard_answer *answer)
{
    if ((account->flags & ACCOUNT_CLAIMED) == 0)
        return true;
    answer->lookup = SHARD_LOOKUP_CLAIM;
    return false;
}

enum florin_status shard_check_status(const struct account *account,
                                      const struct florin_command *command)
{
    switch (account_status(account)) {
    case FLORIN_STATE_OPEN:
        return FLORIN_APPLIED;
    case FLORIN_STATE_FROZEN:
        return command->as_admin ? FLORIN_APPLIED : FLORIN_ACCOUNT_FROZEN;
    case FLORIN_STATE_CLOSED:
        return FLORIN_ACCOUNT_CLOSED;
    }
    assert(false && "a state of accounts");
    return FLORIN_ACCOUNT_CLOSED;
}

enum florin_status shard_check_conditions(const struct shard *shard, const struct account *account,
                                          const struct florin_command *command,
                                          struct florin_result *result)
{
    if (command->expected_version != 0 && command->expected_version != account->version)
        return command->expected_by_precondition ? FLORIN_PRECONDITION_FAILED
                                                 : FLORIN_VERSION_MISMATCH;
    if (!command->has_expected_balance)
        return FLORIN_APPLIED;
    int64_t least = command->expected_balance_minor;
    struct money_decimal decimal = {least, command->expected_balance_scale};
    if (command->amount_is_decimal &&
        !money_to_minor(decimal, account_table_currency(&shard->accounts, account)->exponent,
                        &least))
        return shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_EXPECTED_BALANCE, &result->field);
    return account->balance_minor < least ? FLORIN_BALANCE_CONDITION : FLORIN_APPLIED;
}

/* --- the stage ---------------------------------------------------------------------------- */

uint64_t shard_next_lsn(const struct shard *shard)
{
    return SHARD_LSN_PROVISIONAL | shard->stage.record_count;
}

uint64_t shard_next_time(const struct shard *shard, uint64_t now_ns)
{
    return now_ns > shard->last_time_ns ? now_ns : shard->last_time_ns + 1;
}

void shard_stage_record(struct shard *shard, struct record *record, struct account *account,
                        uint32_t key_slot, uint32_t hold_slot)
{
    struct shard_stage *stage = &shard->stage;
    uint64_t lsn = shard_next_lsn(shard);

    assert(!stage->is_sealed); /* clear it first */
    record->previous_lsn = account->last_lsn;
    record->version = account->version;
    record->balance_minor = account->balance_minor;
    record->exponent = account_table_currency(&shard->accounts, account)->exponent;
    account->last_lsn = lsn;
    shard->last_time_ns = record->time_ns;

    stage->records[stage->record_count++] = (struct shard_staged){
        .offset = stage->byte_count,
        .account_slot = account_table_slot(&shard->accounts, account),
        .key_slot = key_slot,
        .link_slot = SHARD_NO_SLOT,
        .hold_slot = hold_slot,
        .first_other = stage->other_count,
    };
    stage->byte_count += (uint32_t)record_encode(record, stage->bytes + stage->byte_count);
}

void shard_answer_staged(const struct shard *shard, const struct account *account,
                         struct shard_answer *answer)
{
    answer->account_slot = account_table_slot(&shard->accounts, account);
    answer->result.transaction_id = account->last_lsn;
    answer->result.balance_minor = account->balance_minor;
    answer->result.version = account->version;
    answer->result.time_ns = shard->last_time_ns;
    answer->wait_lsn = account->last_lsn;
    answer->raised = answer->result.status == FLORIN_APPLIED;
    answer->staged = true;
}
