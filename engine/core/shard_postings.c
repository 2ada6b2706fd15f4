/* shard_postings.c - changes of several accounts: decided here, applied to those that live here.
 *
 * Guarantees: a posting is decided on accounts that nobody else changes meanwhile, and becomes one
 * record with all its legs; what it does to accounts of this shard happens with it, what it does to
 * others is told to them by whoever asked (coordinator.h). Must not know: messages, who waits for
 * whom.
 *
 * A posting whose accounts all live here and are free is decided on the spot. Any other is for the
 * coordinator: also one that meets a claimed account here, so that it takes its turn there.
 */
#include <assert.h>
#include <string.h>

#include "shard_internal.h"

static bool lives_here(const struct shard *shard, const struct posting_account *account)
{
    return shard_of(account->hash, shard->count) == shard->number;
}

static struct account *account_of(struct shard *shard, const struct posting_account *account)
{
    return &shard->accounts.slots[account->slot];
}

static void load(const struct shard *shard, struct posting_account *loaded)
{
    const struct account *account =
        account_table_find(&shard->accounts, loaded->hash, loaded->id, loaded->id_length);
    loaded->exists = account != NULL;
    loaded->is_new = false;
    if (account == NULL)
        return;
    loaded->status = account_status(account);
    loaded->currency = *account_table_currency(&shard->accounts, account);
    loaded->balance_minor = account->balance_minor;
    loaded->floor_minor = account->floor_minor;
    loaded->version = account->version;
    loaded->last_lsn = account->last_lsn;
    loaded->slot = account_table_slot(&shard->accounts, account);
}

void shard_load_posting(const struct shard *shard, struct posting *posting)
{
    for (uint8_t i = 0; i < posting->account_count; i++) {
        if (lives_here(shard, &posting->accounts[i]))
            load(shard, &posting->accounts[i]);
    }
}

/* --- accounts that are not there -------------------------------------------------------------- */

static bool would_be_created(const struct shard *shard, const struct posting_account *account)
{
    return shard->auto_create != NULL && !account->exists && posting_may_create(account);
}

/* Shows the posting what is missing as it would come into being. */
static void imagine_missing(const struct shard *shard, struct posting *posting)
{
    for (uint8_t i = 0; i < posting->account_count; i++) {
        struct posting_account *account = &posting->accounts[i];
        if (!would_be_created(shard, account))
            continue;
        account->exists = true;
        account->is_new = true;
        account->status = FLORIN_STATE_OPEN;
        account->currency = *shard->auto_create;
        account->balance_minor = 0;
        account->floor_minor = 0;
        account->version = 1;
        account->last_lsn = 0;
    }
}

/* Makes it true, in this shard. false: there is no room for one of them. */
static bool create_imagined(struct shard *shard, struct posting *posting, uint64_t now_ns)
{
    for (uint8_t i = 0; i < posting->account_count; i++) {
        struct posting_account *imagined = &posting->accounts[i];
        if (!imagined->is_new)
            continue;
        const struct account *account =
            shard_create_account(shard, imagined->id, imagined->id_length, imagined->hash, now_ns);
        if (account == NULL)
            return false;
        imagined->slot = account_table_slot(&shard->accounts, account);
        imagined->last_lsn = account->last_lsn;
    }
    return true;
}

/* --- what came of it ---------------------------------------------------------------------- */

/* The newest record that the answer may show something of. A provisional one is younger than any of
 * another shard that is known here. */
static uint64_t newest_lsn(const struct posting *posting)
{
    uint64_t newest = 0;
    for (uint8_t i = 0; i < posting->account_count; i++) {
        const struct posting_account *account = &posting->accounts[i];
        if (account->exists && account->last_lsn > newest)
            newest = account->last_lsn;
    }
    return newest;
}

static void answer_decision(const struct posting *posting, const struct posting_decision *decision,
                            uint64_t time_ns, struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    bool applied = decision->status == FLORIN_APPLIED;
    const struct posting_account *home = &posting->accounts[0];
    const struct posting_account *shown =
        &posting->accounts[applied ? 0 : posting->legs[decision->leg].account];
    result->status = decision->status;
    result->field = decision->field;
    result->leg = decision->leg;
    answer->wait_lsn = newest_lsn(posting);
    if (!shown->exists)
        return;
    /* Nothing that a retry under the same key could not show (key_answer.h). */
    result->amount_minor = applied ? posting->legs[0].amount_minor : 0;
    result->balance_minor =
        applied ? shown->balance_after_minor : posting_refused_balance(posting, decision);
    result->version = applied ? shown->version_after : shown->version;
    result->time_ns = applied ? time_ns : 0;
    memcpy(result->currency, home->currency.code, sizeof(home->currency.code));
    result->exponent = home->currency.exponent;
}

static void apply_here(struct shard *shard, const struct posting *posting)
{
    for (uint8_t i = 0; i < posting->account_count; i++) {
        const struct posting_account *changed = &posting->accounts[i];
        if (!lives_here(shard, changed))
            continue;
        struct account *account = account_of(shard, changed);
        account->balance_minor = changed->balance_after_minor;
        account->version = changed->version_after;
    }
}

/* The hold that a capture takes is no more. */
static void end_hold(struct shard *shard, const struct posting *posting, struct account *home)
{
    uint32_t slot = hold_table_find(&shard->holds, posting->target_id);
    assert(slot != HOLD_NONE);
    home->floor_minor -= posting->hold_minor;
    hold_table_remove(&shard->holds, &shard->accounts, slot);
}

/* Appends the record; the accounts are as it says. */
static void stage(struct shard *shard, const struct posting *posting, const struct record *record,
                  uint32_t key_slot, uint32_t link_slot)
{
    struct shard_stage *stage = &shard->stage;
    struct shard_staged *staged = &stage->records[stage->record_count];
    uint64_t lsn = shard_next_lsn(shard);
    assert(!stage->is_sealed);
    *staged = (struct shard_staged){
        .offset = stage->byte_count,
        .account_slot = posting->accounts[0].slot,
        .key_slot = key_slot,
        .link_slot = link_slot,
        .hold_slot = SHARD_NO_SLOT,
        .first_other = stage->other_count,
    };
    account_of(shard, &posting->accounts[0])->last_lsn = lsn;
    for (uint8_t i = 1; record->status == FLORIN_APPLIED && i < posting->account_count; i++) {
        if (!lives_here(shard, &posting->accounts[i]))
            continue;
        account_of(shard, &posting->accounts[i])->last_lsn = lsn;
        stage->others[stage->other_count++] = posting->accounts[i].slot;
        staged->other_count++;
    }
    shard->last_time_ns = record->time_ns;
    stage->record_count++;
    stage->byte_count += (uint32_t)record_encode(record, stage->bytes + stage->byte_count);
}

/* Of the reversal that this posting would be. */
static struct hash128 reversal_key(const struct shard *shard, const struct posting *posting)
{
    const struct posting_account *home = &posting->accounts[0];
    return key_of_reversal(shard->secret, home->id, home->id_length, posting->target_id,
                           posting->reversals + 1);
}

static void commit(struct shard *shard, struct posting *posting,
                   const struct posting_decision *decision, const struct hash128 *digest,
                   uint64_t time_ns, struct shard_answer *answer)
{
    struct record_leg legs[FLORIN_LEGS_MAX];
    struct record record;
    struct account *home = account_of(shard, &posting->accounts[0]);
    uint64_t lsn = shard_next_lsn(shard);
    bool is_reversal = posting->kind == FLORIN_REVERSE && decision->status == FLORIN_APPLIED;
    struct hash128 link = {0};
    uint32_t key_slot;
    uint32_t link_slot = SHARD_NO_SLOT;
    if (is_reversal)
        link = reversal_key(shard, posting);
    bool has_room = shard_add_key(shard, digest, &key_slot, &answer->result);
    if (has_room && is_reversal) {
        has_room = shard_add_key(shard, &link, &link_slot, &answer->result);
        if (!has_room && digest != NULL)
            key_table_take_back(&shard->keys);
    }
    if (!has_room) {
        /* What was decided does not happen, so that it is not shown either. */
        *answer = (struct shard_answer){.result = {.user_data = posting->user_data,
                                                   .kind = posting->kind,
                                                   .status = answer->result.status}};
        shard_answer_with_account(shard, home, answer);
        return;
    }

    /* Cannot fail from here. */
    posting_record(posting, decision, time_ns, legs, &record);
    if (decision->status == FLORIN_APPLIED) {
        if (posting->kind == FLORIN_CAPTURE)
            end_hold(shard, posting, home);
        apply_here(shard, posting);
    }
    record.held_minor = account_table_opening(&shard->accounts, home)->held_minor;
    stage(shard, posting, &record, key_slot, link_slot);
    answer->account_slot = posting->accounts[0].slot;
    answer->result.transaction_id = lsn;
    answer->result.time_ns = time_ns;
    answer->wait_lsn = lsn;
    if (decision->status == FLORIN_APPLIED)
        answer->raised = posting_raised(&posting->accounts[0]);
    answer->staged = true;
}

void shard_decide_posting(struct shard *shard, struct posting *posting,
                          const struct shard_found *found, uint64_t now_ns, uint64_t not_before_ns,
                          struct shard_answer *answer)
{
    struct florin_leg legs[FLORIN_LEGS_MAX];
    struct florin_command command;
    struct hash128 digest;
    bool has_key = posting->key_length > 0;
    *answer = (struct shard_answer){
        .result = {.user_data = posting->user_data, .kind = posting->kind},
        .account_slot = posting->accounts[0].slot,
    };
    if (posting->kind == FLORIN_CAPTURE) {
        uint32_t slot = hold_table_find(&shard->holds, posting->target_id);
        posting->hold_is_active =
            slot != HOLD_NONE && (shard->holds.slots[slot].expires_ns == 0 ||
                                  shard->holds.slots[slot].expires_ns > now_ns);
        if (posting->hold_is_active)
            posting->hold_minor = shard->holds.slots[slot].amount_minor;
    }
    if (has_key) {
        const struct posting_account *home = &posting->accounts[0];
        const struct shard_request request = {.digest = posting->request};
        digest =
            hash_key(shard->secret, home->id, home->id_length, posting->key, posting->key_length);
        posting_command(posting, legs, &command);
        if (!shard_key_is_new(shard, &command, &request, digest, found, answer))
            return;
    }
    if (posting->kind == FLORIN_REVERSE &&
        !shard_reversal_is_next(shard, reversal_key(shard, posting), found, answer))
        return;
    if (shard->auto_create != NULL) {
        if (posting->dry_run)
            imagine_missing(shard, posting);
        /* What is missing now found no room where it lives. */
        posting->not_created = shard->storage_is_full ? FLORIN_STORAGE_FULL : FLORIN_ACCOUNTS_FULL;
    }
    now_ns = now_ns > not_before_ns ? now_ns : not_before_ns + 1;
    uint64_t time_ns = shard_next_time(shard, now_ns);
    struct posting_decision decision = posting_decide(posting);
    answer_decision(posting, &decision, time_ns, answer);
    bool remembered = has_key && posting->accounts[0].exists &&
                      record_status_is_remembered((uint8_t)decision.status);
    /* A new account would have only this to be remembered by. */
    if (posting->accounts[0].is_new && decision.status != FLORIN_APPLIED)
        remembered = false;
    if (decision.status != FLORIN_STORAGE_FULL &&
        (posting->dry_run || (decision.status != FLORIN_APPLIED && !remembered)))
        return;
    if (shard->storage_is_full) {
        const struct florin_command refused = {.user_data = posting->user_data,
                                               .kind = posting->kind};
        shard_answer_storage_full(&refused, answer);
        return;
    }
    if (decision.status == FLORIN_APPLIED && !create_imagined(shard, posting, now_ns)) {
        answer->result = (struct florin_result){
            .user_data = posting->user_data, .kind = posting->kind, .status = FLORIN_ACCOUNTS_FULL};
        return;
    }
    time_ns = shard_next_time(shard, now_ns);
    commit(shard, posting, &decision, has_key ? &digest : NULL, time_ns, answer);
}

/* --- a command ---------------------------------------------------------------------------- */

/* Whether all accounts live here, nobody has one of them, and there is room for the records of
 * those that come into being. */
static bool can_decide_here(const struct shard *shard, const struct posting *posting)
{
    uint32_t missing = 0;
    for (uint8_t i = 0; i < posting->account_count; i++) {
        const struct posting_account *account = &posting->accounts[i];
        if (!lives_here(shard, account) ||
            (account->exists &&
             (shard->accounts.slots[account->slot].flags & ACCOUNT_CLAIMED) != 0))
            return false;
        if (would_be_created(shard, account))
            missing++;
    }
    return missing == 0 || shard_stage_has_room_for(shard, missing);
}

/* Whether the posting would bring the command's own account into being: it pays in there. */
static bool creates_home(struct shard *shard, const struct florin_command *command)
{
    if (shard->auto_create == NULL || command->kind == FLORIN_REVERSE)
        return false;
    posting_init(shard->posting, command, shard->secret);
    return posting_may_create(&shard->posting->accounts[0]);
}

/* Whether it is known what is left of the transaction, and which number the reversal has. */
static bool reversal_may_begin(const struct shard *shard, const struct florin_command *command,
                               const struct account *account, const struct shard_found *found,
                               struct shard_answer *answer)
{
    bool may_be = command->target_id > 0 && command->target_id <= RECORD_LSN_MAX &&
                  command->target_id <= account->last_lsn;
    if (may_be && found->target == SHARD_TARGET_UNKNOWN) {
        answer->lookup = SHARD_LOOKUP_TARGET;
        answer->lookup_lsn = command->target_id;
        return false;
    }
    if (!may_be || found->target == SHARD_TARGET_NOT_FOUND ||
        found->target != SHARD_TARGET_REVERSIBLE) {
        answer->result.status = !may_be || found->target == SHARD_TARGET_NOT_FOUND
                                    ? FLORIN_TRANSACTION_NOT_FOUND
                                    : FLORIN_NOT_REVERSIBLE;
        answer->result.field = FLORIN_FIELD_TARGET;
        return false;
    }
    struct hash128 next = key_of_reversal(shard->secret, command->account, command->account_length,
                                          command->target_id, found->reversals + 1);
    return shard_reversal_is_next(shard, next, found, answer);
}

/* Whether the command's own account, its key and its hold let it go on. */
static bool may_begin(struct shard *shard, const struct florin_command *command,
                      uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                      struct shard_answer *answer)
{
    struct florin_result *result = &answer->result;
    const struct account *account = account_table_find(&shard->accounts, account_hash,
                                                       command->account, command->account_length);
    if (account == NULL && !creates_home(shard, command)) {
        result->status =
            command->kind == FLORIN_CAPTURE ? FLORIN_HOLD_NOT_FOUND : FLORIN_ACCOUNT_NOT_FOUND;
        result->field =
            command->kind == FLORIN_CAPTURE ? FLORIN_FIELD_TARGET : FLORIN_FIELD_ACCOUNT;
        return false;
    }
    if (account != NULL) {
        if (!shard_account_is_free(account, answer))
            return false;
        shard_answer_with_account(shard, account, answer);
    }
    if (command->key_length > 0) {
        const struct shard_request request = {.digest = posting_request(command)};
        struct hash128 digest = hash_key(shard->secret, command->account, command->account_length,
                                         command->key, command->key_length);
        if (!shard_key_is_new(shard, command, &request, digest, found, answer))
            return false;
    }
    if (command->kind == FLORIN_REVERSE &&
        !reversal_may_begin(shard, command, account, found, answer))
        return false;
    if (command->kind == FLORIN_CAPTURE &&
        shard_find_hold(shard, account, command, now_ns, found, answer) == HOLD_NONE) {
        if (answer->lookup != SHARD_LOOKUP_NONE)
            return false;
        /* One that was there is remembered under the key: that is decided with the rest. */
        if (result->status == FLORIN_HOLD_NOT_FOUND) {
            result->field = FLORIN_FIELD_TARGET;
            return false;
        }
    }
    return true;
}

void shard_execute_posting(struct shard *shard, const struct florin_command *command,
                           uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                           struct shard_answer *answer)
{
    if (!may_begin(shard, command, account_hash, now_ns, found, answer))
        return;
    posting_init(shard->posting, command, shard->secret);
    shard->posting->reversals = found->reversals;
    shard->posting->reversed_minor = found->reversed_minor;
    shard_load_posting(shard, shard->posting);
    if (!can_decide_here(shard, shard->posting)) {
        answer->lookup = SHARD_LOOKUP_SHARDS;
        return;
    }
    imagine_missing(shard, shard->posting);
    shard_decide_posting(shard, shard->posting, found, now_ns, 0, answer);
}

void shard_execute_read_reversal(const struct shard *shard, const struct florin_command *command,
                                 uint64_t account_hash, const struct shard_found *found,
                                 struct shard_answer *answer)
{
    const struct account *account = account_table_find(&shard->accounts, account_hash,
                                                       command->account, command->account_length);
    if (account == NULL) {
        answer->result.status = FLORIN_ACCOUNT_NOT_FOUND;
        return;
    }
    if (!shard_account_is_free(account, answer))
        return;
    shard_answer_with_account(shard, account, answer);
    if (found->key.found) {
        answer->result.transaction_id = found->key.answer.lsn;
        answer->result.amount_minor = found->key.answer.amount_minor;
        answer->result.time_ns = found->key.answer.time_ns;
        return;
    }
    struct hash128 digest =
        key_of_reversal(shard->secret, command->account, command->account_length,
                        command->target_id, (uint64_t)command->amount_minor);
    if (shard_digest_is_new(shard, digest, &found->key, answer)) {
        answer->result.status = FLORIN_TRANSACTION_NOT_FOUND;
        answer->result.field = FLORIN_FIELD_TARGET;
    }
}
