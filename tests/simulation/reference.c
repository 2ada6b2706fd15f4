/* reference.c - commands sent and answers taken down; judged when the log is known. */
#include "simulation/reference_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) void reference_complain(const struct reference *reference,
                                                              const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reference->complain(reference->context, text);
}

void *reference_grow(void *array, size_t *max, size_t wanted, size_t element_bytes)
{
    if (wanted <= *max)
        return array;
    size_t grown_max = wanted * 2 + 16;
    uint8_t *grown = realloc(array, grown_max * element_bytes);
    assert(grown != NULL);
    memset(grown + *max * element_bytes, 0, (grown_max - *max) * element_bytes);
    *max = grown_max;
    return grown;
}

/* --- sending --------------------------------------------------------------------------------- */

uint32_t reference_invoke(struct reference *reference, unsigned account, unsigned key,
                          const struct florin_command *command, enum florin_status malformed)
{
    assert(account < ACCOUNTS_MAX);
    reference->attempts = reference_grow(reference->attempts, &reference->attempt_max,
                                         reference->attempt_count + 1, sizeof *reference->attempts);
    reference->keys =
        reference_grow(reference->keys, &reference->key_max, key + 1, sizeof *reference->keys);
    reference->attempts[reference->attempt_count] = (struct attempt){
        .command = *command,
        .account = account,
        .key = key,
        .life = reference->life,
        .malformed = malformed,
        .floor_version = reference->accounts[account].shown,
        .floor_lsn = reference->shown_lsn,
        .key_was_used = reference->keys[key].lsn != 0,
        .leg_count = 1,
        .legs = {(uint8_t)account},
    };
    return (uint32_t)reference->attempt_count++;
}

void reference_invoke_legs(struct reference *reference, const uint8_t *accounts, size_t leg_count)
{
    struct attempt *attempt = &reference->attempts[reference->attempt_count - 1];
    assert(leg_count >= 1 && leg_count <= REFERENCE_LEGS_MAX && accounts[0] == attempt->account);
    memcpy(attempt->legs, accounts, leg_count);
    attempt->leg_count = (uint8_t)leg_count;
}

/* --- answers: what can be said at once ------------------------------------------------------- */

static void show_version(struct reference *reference, const struct attempt *attempt,
                         uint64_t version)
{
    struct account *account = &reference->accounts[attempt->account];
    if (version < attempt->floor_version)
        reference_complain(reference,
                           "account %u is shown at version %" PRIu64 ", but version %" PRIu64
                           " was shown before the command was sent",
                           attempt->account, version, attempt->floor_version);
    if (version > account->shown)
        account->shown = version;
}

/* A full disk refuses what would need a place in the log, and nothing else. */
static void judge_storage_full(struct reference *reference, const struct attempt *attempt)
{
    bool opens = attempt->command.kind == FLORIN_OPEN_ACCOUNT;
    if (attempt->key_was_used)
        reference_complain(reference, "key %u of account %u was answered before the disk was full",
                           attempt->key, attempt->account);
    if (opens && attempt->floor_version > 0)
        reference_complain(reference, "account %u was there before the disk was full",
                           attempt->account);
    if (attempt->command.kind == FLORIN_READ_ACCOUNT || attempt->malformed != FLORIN_APPLIED ||
        attempt->command.dry_run)
        reference_complain(reference, "account %u: a full disk has nothing to do with it",
                           attempt->account);
}

/* The position of a key is known from now on. */
static void note_position(struct reference *reference, const struct attempt *attempt, uint64_t lsn)
{
    struct key *key = &reference->keys[attempt->key];
    if (attempt->key == REFERENCE_NO_KEY)
        return;
    if (key->lsn != 0 && key->lsn != lsn)
        reference_complain(reference,
                           "key %u of account %u is at LSN %" PRIu64 "; before it was LSN %" PRIu64,
                           attempt->key, attempt->account, lsn, key->lsn);
    key->lsn = lsn;
}

static enum fate fate_of(const struct attempt *attempt, const struct florin_result *result)
{
    enum florin_outcome outcome = florin_status_outcome(result->status);
    bool reads = attempt->command.kind == FLORIN_READ_ACCOUNT;
    if (outcome == FLORIN_OUTCOME_UNKNOWN)
        return DOUBT;
    bool is_first = result->transaction_id != 0 && !result->replayed && !reads &&
                    result->status != FLORIN_KEY_REUSED && outcome != FLORIN_OUTCOME_NOT_APPLIED;
    return is_first ? KNOWN : NOTHING;
}

/* Whether version and balance are those of the attempt's own account. */
static bool shows_own(const struct attempt *attempt, const struct florin_result *result)
{
    bool is_other = result->leg != 0 && result->status != FLORIN_APPLIED;
    return !is_other && !result->replayed && result->version > 0 &&
           !(attempt->command.dry_run && result->status == FLORIN_APPLIED);
}

void reference_answer(struct reference *reference, uint32_t number,
                      const struct florin_result *result, uint64_t durable_lsn)
{
    if (number >= reference->attempt_count || reference->attempts[number].fate != FLYING ||
        reference->attempts[number].life != reference->life) {
        reference_complain(reference, "an answer that nobody waits for");
        return;
    }
    struct attempt *attempt = &reference->attempts[number];
    if (result->kind != attempt->command.kind)
        reference_complain(reference, "account %u: an answer of another kind", attempt->account);
    attempt->fate = fate_of(attempt, result);
    if (attempt->fate == DOUBT &&
        (attempt->command.kind == FLORIN_READ_ACCOUNT || attempt->malformed != FLORIN_APPLIED))
        reference_complain(reference, "account %u: unknown, but nothing can have happened",
                           attempt->account);
    if (attempt->fate == KNOWN && result->transaction_id <= attempt->floor_lsn)
        reference_complain(reference,
                           "account %u: LSN %" PRIu64
                           " for a command that was sent after LSN %" PRIu64 " was shown",
                           attempt->account, result->transaction_id, attempt->floor_lsn);
    if (result->status == FLORIN_STORAGE_FULL)
        judge_storage_full(reference, attempt);
    if (shows_own(attempt, result))
        show_version(reference, attempt, result->version);
    if (result->transaction_id != 0 && attempt->command.kind != FLORIN_READ_ACCOUNT)
        note_position(reference, attempt, result->transaction_id);
    if (result->transaction_id > reference->shown_lsn)
        reference->shown_lsn = result->transaction_id;
    reference->answers = reference_grow(reference->answers, &reference->answer_max,
                                        reference->answer_count + 1, sizeof *reference->answers);
    struct answer *answer = &reference->answers[reference->answer_count++];
    *answer = (struct answer){.attempt = number, .durable_lsn = durable_lsn, .result = *result};
    answer->result.metadata = NULL;
    if (result->metadata_length > 0 && result->metadata_length <= REFERENCE_METADATA_MAX)
        memcpy(answer->metadata, result->metadata, result->metadata_length);
}

/* --- restarts -------------------------------------------------------------------------------- */

void reference_crash(struct reference *reference)
{
    for (size_t i = reference->attempts_settled; i < reference->attempt_count; i++) {
        if (reference->attempts[i].fate == FLYING)
            reference->attempts[i].fate = DOUBT;
    }
}

void reference_restart(struct reference *reference, uint64_t last_lsn)
{
    if (last_lsn < reference->shown_lsn)
        reference_complain(reference,
                           "the log ends with LSN %" PRIu64 ", but LSN %" PRIu64 " was shown",
                           last_lsn, reference->shown_lsn);
    reference->recovered_lsn = last_lsn;
    reference->shown_lsn = last_lsn;
    reference->life++;
}

/* What went into the ledger is what is in it. */
static void check_money(const struct reference *reference)
{
    wide sums[CURRENCIES] = {0};
    for (unsigned i = 0; i < ACCOUNTS_MAX; i++) {
        const struct account *account = &reference->accounts[i];
        if (account->version > 0)
            sums[decimals_of(account)] += account->states[account->version].balance;
    }
    for (unsigned i = 0; i < CURRENCIES; i++) {
        if (sums[i] != reference->flows[i])
            reference_complain(reference, "money was made or lost");
    }
}

void reference_settle(struct reference *reference, uint64_t last_lsn, reference_log log,
                      void *context)
{
    for (uint64_t lsn = reference->settled_lsn + 1; lsn <= last_lsn; lsn++) {
        const struct reference_record *record = log(context, lsn);
        if (record == NULL) {
            reference_complain(reference, "nobody has seen LSN %" PRIu64 " being written", lsn);
            return;
        }
        take_record(reference, record);
        reference->settled_lsn = lsn;
    }
    for (size_t i = reference->attempts_settled; i < reference->attempt_count; i++)
        reference->attempts[i].was_in_doubt |= reference->attempts[i].fate == DOUBT;
    for (size_t i = 0; i < reference->answer_count; i++)
        judge_answer(reference, &reference->answers[i]);
    reference->answer_count = 0;
    bool all_settled = true;
    for (size_t i = reference->attempts_settled; i < reference->attempt_count; i++) {
        struct attempt *attempt = &reference->attempts[i];
        if (attempt->fate == DOUBT && attempt->is_in_log)
            attempt->fate = KNOWN;
        else if (attempt->fate == DOUBT && attempt->life < reference->life)
            attempt->fate = NOTHING;
        else if (attempt->fate == KNOWN && !attempt->is_in_log)
            reference_complain(reference, "account %u: an answered command has no record",
                               attempt->account);
        all_settled &= attempt->fate == KNOWN || attempt->fate == NOTHING;
        if (all_settled)
            reference->attempts_settled = i + 1;
    }
    check_money(reference);
}

/* --- making and asking ----------------------------------------------------------------------- */

struct reference *reference_create(void (*complain)(void *context, const char *what), void *context,
                                   struct counters *counters)
{
    struct reference *reference = calloc(1, sizeof *reference);
    assert(reference != NULL);
    reference->complain = complain;
    reference->context = context;
    reference->counters = counters;
    return reference;
}

void reference_destroy(struct reference *reference)
{
    for (unsigned i = 0; i < ACCOUNTS_MAX; i++)
        free(reference->accounts[i].states);
    free(reference->attempts);
    free(reference->answers);
    free(reference->entries);
    free(reference->holds);
    free(reference->keys);
    free(reference);
}

uint64_t reference_version(const struct reference *reference, unsigned account)
{
    return reference->accounts[account].shown;
}

bool reference_took_effect(const struct reference *reference, uint32_t attempt)
{
    return reference->attempts[attempt].is_in_log;
}

bool reference_key_is_known(const struct reference *reference, unsigned key)
{
    return key < reference->key_max && reference->keys[key].known;
}

void reference_peek(struct reference *reference, unsigned number,
                    const struct florin_result *result)
{
    const struct account *account = &reference->accounts[number];
    const struct state *state = account->version > 0 ? &account->states[account->version] : NULL;
    if (result->status == FLORIN_ACCOUNT_NOT_FOUND && account->shown == 0 && state == NULL)
        return;
    if (result->status != FLORIN_APPLIED || result->version < account->shown ||
        result->version < account->version ||
        (state != NULL && result->version == account->version &&
         (result->balance_minor != state->balance || result->held_minor != state->held ||
          result->minimum_balance_minor != state->minimum ||
          result->account_status != state->status ||
          result->metadata_length != state->metadata_length)))
        reference_complain(reference, "account %u is not what it was, and nobody noticed", number);
}

void reference_peek_key(struct reference *reference, unsigned number,
                        const struct florin_result *result)
{
    const struct key *key = &reference->keys[number];
    bool is_answer = result->replayed || result->status == FLORIN_KEY_REUSED;
    if (result->status == FLORIN_COMMIT_UNKNOWN || result->status == FLORIN_INVALID_AMOUNT)
        return; /* the latter: its first command was refused, another body was the first */
    if (!is_answer || result->transaction_id != key->lsn)
        reference_complain(reference,
                           "key %u of account %u is answered %s, transaction %" PRIu64
                           "; before it was LSN %" PRIu64,
                           number, key->entry.account, florin_status_code(result->status),
                           result->transaction_id, key->lsn);
}
