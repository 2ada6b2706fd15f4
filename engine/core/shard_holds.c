/* shard_holds.c - money of an account is set aside, and set free again: hold, void, expire.
 *
 * Guarantees: a hold ends once: captured, voided or expired; what is held never exceeds the balance
 * above the minimum. A hold that ends by its time does so by a record, when shard_expire_holds() is
 * told the time; replay ends it by that record and knows no time. Must not know: who captures
 * (shard_postings.c).
 */
#include <assert.h>

#include "shard_internal.h"

static int64_t available(const struct account *account, const struct account_opening *opening)
{
    return account->balance_minor - opening->held_minor;
}

/* A record of a hold's beginning or end, without key and amount. */
static struct record record_of(const struct shard *shard, enum florin_command_kind kind,
                               const char *id, size_t id_length, uint64_t now_ns)
{
    return (struct record){
        .kind = (uint8_t)kind,
        .status = FLORIN_APPLIED,
        .time_ns = shard_next_time(shard, now_ns),
        .id = id,
        .id_length = (uint8_t)id_length,
    };
}

/* Stages what was decided and changed, and answers with what is available now. */
static void stage(struct shard *shard, struct record *record, struct account *account,
                  uint32_t key_slot, uint32_t hold_slot, struct shard_answer *answer)
{
    const struct account_opening *opening = account_table_opening(&shard->accounts, account);
    if (record->status != FLORIN_APPLIED) {
        record->detail = account->version;
        record->detail_minor = account->balance_minor;
    } else {
        account->version++;
    }
    record->held_minor = opening->held_minor;
    shard_stage_record(shard, record, account, key_slot, hold_slot);
    shard_answer_staged(shard, account, answer);
    if (record->status == FLORIN_APPLIED)
        answer->result.balance_minor = available(account, opening);
}

/* --- hold --------------------------------------------------------------------------------- */

static enum florin_status decide_hold(const struct shard *shard, const struct account *account,
                                      const struct florin_command *command,
                                      struct florin_result *result)
{
    int64_t after;
    int64_t held;
    enum florin_status status = shard_check_status(account, command);
    if (status == FLORIN_APPLIED)
        status = shard_check_conditions(shard, account, command, result);
    if (status != FLORIN_APPLIED)
        return status;
    if (!money_subtract(account->balance_minor, result->amount_minor, &after) ||
        after < account->floor_minor)
        return FLORIN_INSUFFICIENT_BALANCE;
    /* an account that may be overdrawn far enough can have more available than fits */
    if (!money_add(account_table_opening(&shard->accounts, account)->held_minor,
                   result->amount_minor, &held))
        return FLORIN_BALANCE_OVERFLOW;
    if (account_table_opening(&shard->accounts, account)->hold_count == FLORIN_ACCOUNT_HOLDS_MAX ||
        !hold_table_has_room(&shard->holds))
        return FLORIN_HOLDS_FULL;
    return FLORIN_APPLIED;
}

static void commit_hold(struct shard *shard, const struct florin_command *command,
                        const struct hash128 *digest, uint64_t request, struct account *account,
                        uint64_t now_ns, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    uint32_t hold_slot = SHARD_NO_SLOT;
    uint32_t key_slot;
    if (!shard_add_key(shard, digest, &key_slot, result))
        return;

    /* Cannot fail from here. */
    struct record record =
        record_of(shard, FLORIN_HOLD, command->account, command->account_length, now_ns);
    record.status = (uint8_t)result->status;
    record.as_admin = command->as_admin;
    record.amount_minor = result->amount_minor;
    record.key = command->key;
    record.key_length = (uint8_t)command->key_length;
    record.request = request;
    if (result->status == FLORIN_APPLIED) {
        result->expires_ns = shard_expiry(command, record.time_ns);
        record.detail = result->expires_ns;
        hold_slot = hold_table_add(&shard->holds, &shard->accounts, account, shard_next_lsn(shard),
                                   result->amount_minor, result->expires_ns);
        account->floor_minor += result->amount_minor;
    }
    stage(shard, &record, account, key_slot, hold_slot, answer);
}

void shard_execute_hold(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                        struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    bool has_key = command->key_length > 0;
    struct account *account = account_table_find(&shard->accounts, account_hash, command->account,
                                                 command->account_length);
    if (account == NULL) {
        result->status = FLORIN_ACCOUNT_NOT_FOUND;
        return;
    }
    if (!shard_account_is_free(account, answer))
        return;
    shard_answer_with_account(shard, account, answer);
    if (!shard_command_amount(command, account_table_currency(&shard->accounts, account),
                              &result->amount_minor)) {
        result->status = shard_refuse(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, &result->field);
        return;
    }
    const struct shard_request request = {.digest = posting_request(command)};
    struct hash128 digest = {0};
    if (has_key) {
        digest = hash_key(shard->secret, command->account, command->account_length, command->key,
                          command->key_length);
        if (!shard_key_is_new(shard, command, &request, digest, found, answer))
            return;
    }
    result->status = decide_hold(shard, account, command, result);
    if (result->status != FLORIN_APPLIED && record_status_is_remembered((uint8_t)result->status))
        result->field = posting_field(result->status);
    if (command->dry_run) {
        if (result->status == FLORIN_APPLIED) {
            const struct account_opening *opening =
                account_table_opening(&shard->accounts, account);
            result->balance_minor = available(account, opening) - result->amount_minor;
            result->version++;
            result->time_ns = shard_next_time(shard, now_ns);
            result->expires_ns = shard_expiry(command, result->time_ns);
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
    commit_hold(shard, command, has_key ? &digest : NULL, request.digest, account, now_ns, answer);
}

/* --- its end ------------------------------------------------------------------------------ */

uint32_t shard_find_hold(const struct shard *shard, const struct account *account,
                         const struct florin_command *command, uint64_t now_ns,
                         const struct shard_found *found, struct shard_answer *answer)
{
    uint32_t slot = hold_table_find(&shard->holds, command->target_id);
    if (slot != HOLD_NONE) {
        const struct hold *hold = &shard->holds.slots[slot];
        if (hold->account_slot != account_table_slot(&shard->accounts, account)) {
            answer->result.status = FLORIN_HOLD_NOT_FOUND;
            return HOLD_NONE;
        }
        /* Its time is over: its record comes with the next call of shard_expire_holds(). */
        if (hold->expires_ns != 0 && hold->expires_ns <= now_ns) {
            answer->result.status = FLORIN_HOLD_RESOLVED;
            return HOLD_NONE;
        }
        return slot;
    }
    /* Ended, or never there: the log knows. Nobody has seen an id behind the account's newest
     * record. */
    bool may_be = command->target_id > 0 && command->target_id <= RECORD_LSN_MAX &&
                  command->target_id <= account->last_lsn;
    if (may_be && found->target == SHARD_TARGET_UNKNOWN) {
        answer->lookup = SHARD_LOOKUP_TARGET;
        answer->lookup_lsn = command->target_id;
        return HOLD_NONE;
    }
    answer->result.status =
        may_be && found->target == SHARD_TARGET_HOLD ? FLORIN_HOLD_RESOLVED : FLORIN_HOLD_NOT_FOUND;
    return HOLD_NONE;
}

/* Takes a hold off its account and stages the record that says so. */
static void end_hold(struct shard *shard, uint32_t slot, struct account *account,
                     struct record *record, uint32_t key_slot, struct shard_answer *answer)
{
    const struct hold *hold = &shard->holds.slots[slot];
    record->target_lsn = hold->lsn;
    record->amount_minor = hold->amount_minor;
    account->floor_minor -= hold->amount_minor;
    hold_table_remove(&shard->holds, &shard->accounts, slot);
    stage(shard, record, account, key_slot, SHARD_NO_SLOT, answer);
}

void shard_execute_void(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                        struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    bool has_key = command->key_length > 0;
    struct account *account = account_table_find(&shard->accounts, account_hash, command->account,
                                                 command->account_length);
    if (account == NULL) {
        result->status = FLORIN_HOLD_NOT_FOUND;
        return;
    }
    if (!shard_account_is_free(account, answer))
        return;
    shard_answer_with_account(shard, account, answer);
    const struct shard_request request = {.digest = posting_request(command)};
    struct hash128 digest = {0};
    if (has_key) {
        digest = hash_key(shard->secret, command->account, command->account_length, command->key,
                          command->key_length);
        if (!shard_key_is_new(shard, command, &request, digest, found, answer))
            return;
    }
    uint32_t slot = shard_find_hold(shard, account, command, now_ns, found, answer);
    if (answer->lookup != SHARD_LOOKUP_NONE)
        return;
    if (slot == HOLD_NONE)
        result->field = FLORIN_FIELD_TARGET;
    bool remembered =
        slot == HOLD_NONE && has_key && record_status_is_remembered((uint8_t)result->status);
    if (slot != HOLD_NONE)
        result->amount_minor = shard->holds.slots[slot].amount_minor;
    if (command->dry_run) {
        if (slot != HOLD_NONE) {
            const struct account_opening *opening =
                account_table_opening(&shard->accounts, account);
            result->balance_minor = available(account, opening) + result->amount_minor;
            result->version++;
            result->time_ns = shard_next_time(shard, now_ns);
        }
        return;
    }
    if (slot == HOLD_NONE && !remembered)
        return;
    if (shard->storage_is_full) {
        shard_answer_storage_full(command, answer);
        return;
    }
    uint32_t key_slot;
    if (!shard_add_key(shard, has_key ? &digest : NULL, &key_slot, result))
        return;

    /* Cannot fail from here. */
    struct record record =
        record_of(shard, FLORIN_VOID, command->account, command->account_length, now_ns);
    record.status = (uint8_t)result->status;
    record.key = command->key;
    record.key_length = (uint8_t)command->key_length;
    record.request = request.digest;
    record.target_lsn = command->target_id;
    if (slot == HOLD_NONE)
        stage(shard, &record, account, key_slot, SHARD_NO_SLOT, answer);
    else
        end_hold(shard, slot, account, &record, key_slot, answer);
}

uint32_t shard_expire_holds(struct shard *shard, uint64_t now_ns)
{
    uint32_t expired = 0;
    uint32_t slot;
    while ((slot = hold_table_soonest(&shard->holds)) != HOLD_NONE) {
        const struct hold *hold = &shard->holds.slots[slot];
        struct account *account = &shard->accounts.slots[hold->account_slot];
        struct shard_answer unread = {.account_slot = SHARD_NO_SLOT};
        char id[FLORIN_ACCOUNT_ID_MAX];
        if (hold->expires_ns > now_ns || (account->flags & ACCOUNT_CLAIMED) != 0 ||
            (hold->lsn & SHARD_LSN_PROVISIONAL) != 0 || shard->storage_is_full ||
            !shard_stage_has_room(shard))
            break;
        size_t id_length = account_table_id(&shard->accounts, account, id);
        struct record record = record_of(shard, FLORIN_EXPIRE, id, id_length, now_ns);
        end_hold(shard, slot, account, &record, SHARD_NO_SLOT, &unread);
        expired++;
    }
    return expired;
}

uint64_t shard_next_expiry_ns(const struct shard *shard)
{
    uint32_t slot = hold_table_soonest(&shard->holds);
    return slot == HOLD_NONE ? UINT64_MAX : shard->holds.slots[slot].expires_ns;
}
