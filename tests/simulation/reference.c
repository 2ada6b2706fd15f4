/* reference.c - judges answers by what any legal order of commands allows. */
#include "simulation/reference_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES_MAX = 14 };

/* --- reads and openings ---------------------------------------------------------------------- */

/* What reads and openings say of the account as it is. */
static bool judge_details(struct reference *reference, const struct attempt *attempt,
                          const struct florin_result *result)
{
    struct account *account = &reference->accounts[attempt->account];
    if (!learn_opening(reference, attempt->account, result))
        return false;
    if (!details_are_right(account, result))
        reference_complain(reference, "account %u is shown with other details than it was opened",
                           attempt->account);
    account->opened_ns = result->time_ns;
    show_version(reference, attempt, result->version);
    know_balance(reference, attempt->account, result->version, result->balance_minor);
    return true;
}

static void judge_read(struct reference *reference, struct attempt *attempt,
                       const struct florin_result *result)
{
    attempt->fate = NOTHING;
    if (result->status != FLORIN_APPLIED || result->transaction_id != 0 || result->replayed)
        reference_complain(reference, "account %u: a read is answered as something else",
                           attempt->account);
    else
        judge_details(reference, attempt, result);
}

static void judge_first_opening(struct reference *reference, struct attempt *attempt,
                                const struct florin_result *result)
{
    attempt->fate = KNOWN;
    if (result->version != 1 || attempt->floor_version != 0 ||
        result->transaction_id <= attempt->floor_lsn)
        reference_complain(reference, "account %u is opened after it was shown", attempt->account);
    const struct fact fact = {
        .account = attempt->account,
        .kind = FLORIN_OPEN_ACCOUNT,
        .lsn = result->transaction_id,
        .time_ns = result->time_ns,
        .version = 1,
        .balance = result->balance_minor,
        .amount = attempt->command.amount_minor,
    };
    add_fact(reference, &fact);
}

static void judge_opening(struct reference *reference, struct attempt *attempt,
                          const struct florin_result *result)
{
    const struct account *account = &reference->accounts[attempt->account];
    bool applied = result->status == FLORIN_APPLIED;
    if (!applied && result->status != FLORIN_ACCOUNT_EXISTS) {
        reference_complain(reference, "account %u: an opening is answered %s", attempt->account,
                           florin_status_code(result->status));
        return;
    }
    if (!judge_details(reference, attempt, result))
        return;
    if (same_content(&account->opening, &attempt->command) != applied)
        reference_complain(reference, "account %u: an opening is answered %s", attempt->account,
                           florin_status_code(result->status));
    bool first = applied && !result->replayed;
    if (first != (result->transaction_id != 0))
        reference_complain(reference, "account %u: an opening with a wrong transaction",
                           attempt->account);
    attempt->fate = NOTHING;
    if (first)
        judge_first_opening(reference, attempt, result);
}

/* --- deposits and withdrawals ---------------------------------------------------------------- */

static struct fact fact_of(const struct attempt *attempt, const struct florin_result *result)
{
    return (struct fact){
        .account = attempt->account,
        .kind = attempt->command.kind,
        .status = result->status,
        .lsn = result->transaction_id,
        .time_ns = result->time_ns,
        .version = result->version,
        .balance = result->balance_minor,
        .amount = result->amount_minor,
        .expected = attempt->command.expected_version,
    };
}

static bool same_fact(const struct fact *one, const struct fact *other)
{
    return one->account == other->account && one->kind == other->kind &&
           one->status == other->status && one->lsn == other->lsn &&
           one->time_ns == other->time_ns && one->version == other->version &&
           one->balance == other->balance && one->amount == other->amount &&
           one->expected == other->expected;
}

/* The fact of a key, for the first time or once more. */
static void judge_key(struct reference *reference, unsigned number, const struct fact *fact)
{
    struct key *key = &reference->keys[number];
    if ((key->lsn != 0 && key->lsn != fact->lsn) || (key->known && !same_fact(&key->fact, fact)))
        reference_complain(reference,
                           "key %u of account %u is answered with LSN %" PRIu64 ", version %" PRIu64
                           ", %s; before it was LSN %" PRIu64 ", version %" PRIu64 ", %s",
                           number, fact->account, fact->lsn, fact->version,
                           florin_status_code(fact->status), key->lsn, key->fact.version,
                           florin_status_code(key->fact.status));
    bool is_new = !key->known;
    key->known = true;
    key->lsn = fact->lsn;
    key->fact = *fact;
    if (is_new)
        add_fact(reference, fact);
}

static void judge_first(struct reference *reference, struct attempt *attempt,
                        const struct florin_result *result)
{
    const struct fact fact = fact_of(attempt, result);
    bool applied = result->status == FLORIN_APPLIED;
    if (!applied && attempt->key == REFERENCE_NO_KEY) {
        const struct account *account = &reference->accounts[attempt->account];
        const char *fault = fact_fault(&fact, &account->opening);
        if (fault != NULL || fact.lsn != 0)
            reference_complain(reference, "account %u: a refusal, but %s", attempt->account,
                               fault != NULL ? fault : "it has a transaction");
        know_balance(reference, attempt->account, fact.version, fact.balance);
        attempt->fate = NOTHING;
        return;
    }
    if (fact.lsn <= attempt->floor_lsn || (applied && fact.version <= attempt->floor_version))
        reference_complain(
            reference,
            "account %u: LSN %" PRIu64 ", version %" PRIu64
            " for a command that was sent after LSN %" PRIu64 ", version %" PRIu64 " were shown",
            attempt->account, fact.lsn, fact.version, attempt->floor_lsn, attempt->floor_version);
    attempt->fate = KNOWN;
    if (attempt->key == REFERENCE_NO_KEY) {
        add_fact(reference, &fact);
        return;
    }
    struct key *key = &reference->keys[attempt->key];
    if (key->first_seen)
        reference_complain(reference, "key %u of account %u took effect twice", attempt->key,
                           attempt->account);
    key->first_seen = true;
    judge_key(reference, attempt->key, &fact);
}

/* What differs between the command that a key stands for and another one, in the order of the
 * contract. */
static enum florin_field field_between(enum florin_command_kind kind, int64_t amount,
                                       uint64_t expected, const struct attempt *attempt,
                                       int64_t attempt_amount)
{
    if (kind != attempt->command.kind)
        return FLORIN_FIELD_KIND;
    if (amount != attempt_amount)
        return FLORIN_FIELD_AMOUNT;
    return expected != attempt->command.expected_version ? FLORIN_FIELD_EXPECTED_VERSION
                                                         : FLORIN_FIELD_NONE;
}

/* Whether there is an attempt with the key whose command differs in `field` and that may have been
 * the first; `this_life`: one of them may still be written. */
static bool may_have_been_first(const struct reference *reference, const struct attempt *attempt,
                                enum florin_field field, bool *this_life)
{
    const struct florin_command *opening = &reference->accounts[attempt->account].opening;
    bool found = false;
    *this_life = false;
    int64_t own;
    bool own_is_right = amount_in(&attempt->command, opening, &own);
    assert(own_is_right); /* judge_posting() has looked */
    for (size_t i = 0; i < reference->attempt_count; i++) {
        const struct attempt *other = &reference->attempts[i];
        int64_t amount;
        if (other->key != attempt->key || other == attempt || other->fate == NOTHING ||
            !amount_in(&other->command, opening, &amount) ||
            field_between(other->command.kind, amount, other->command.expected_version, attempt,
                          own) != field)
            continue;
        found = true;
        *this_life |= other->life == reference->life;
    }
    return found;
}

/* A key's answer or position becomes known, and not by the first one's own answer. */
static void judge_late_knowledge(const struct reference *reference, const struct attempt *attempt,
                                 enum florin_field field, uint64_t lsn)
{
    bool this_life;
    if (!may_have_been_first(reference, attempt, field, &this_life))
        reference_complain(reference, "key %u of account %u was never used so", attempt->key,
                           attempt->account);
    else if (!this_life && lsn > reference->recovered_lsn)
        reference_complain(reference,
                           "key %u of account %u is at LSN %" PRIu64
                           ", but the log was recovered to LSN %" PRIu64,
                           attempt->key, attempt->account, lsn, reference->recovered_lsn);
}

static void judge_replay(struct reference *reference, struct attempt *attempt,
                         const struct florin_result *result)
{
    attempt->fate = NOTHING;
    if (attempt->key == REFERENCE_NO_KEY) {
        reference_complain(reference, "account %u: a replay without a key", attempt->account);
        return;
    }
    const struct fact fact = fact_of(attempt, result);
    if (!reference->keys[attempt->key].known)
        judge_late_knowledge(reference, attempt, FLORIN_FIELD_NONE, fact.lsn);
    judge_key(reference, attempt->key, &fact);
}

static void judge_reuse(struct reference *reference, struct attempt *attempt,
                        const struct florin_result *result)
{
    struct key *key = &reference->keys[attempt->key];
    const struct fact *fact = &key->fact;
    attempt->fate = NOTHING;
    if (attempt->key == REFERENCE_NO_KEY || result->field == FLORIN_FIELD_NONE)
        reference_complain(reference, "account %u: a key is called used, but not how",
                           attempt->account);
    else if (!key->known)
        judge_late_knowledge(reference, attempt, result->field, result->transaction_id);
    else if (field_between(fact->kind, fact->amount, fact->expected, attempt,
                           result->amount_minor) != result->field)
        reference_complain(reference, "key %u of account %u is called used for another reason",
                           attempt->key, attempt->account);
    if (key->lsn != 0 && key->lsn != result->transaction_id)
        reference_complain(
            reference, "key %u of account %u was used at LSN %" PRIu64 ", now it is LSN %" PRIu64,
            attempt->key, attempt->account, key->lsn, result->transaction_id);
    key->lsn = result->transaction_id;
    know_balance(reference, attempt->account, result->version, result->balance_minor);
    show_version(reference, attempt, result->version);
}

static void judge_posting(struct reference *reference, struct attempt *attempt,
                          const struct florin_result *result)
{
    if (!learn_opening(reference, attempt->account, result))
        return;
    const struct account *account = &reference->accounts[attempt->account];
    int64_t amount;
    bool sayable = amount_in(&attempt->command, &account->opening, &amount);
    if (sayable == (result->status == FLORIN_INVALID_AMOUNT) ||
        (sayable && amount != result->amount_minor) ||
        strcmp(result->currency, account->opening.currency) != 0)
        reference_complain(reference, "account %u: another amount or currency is answered",
                           attempt->account);
    if (!sayable) {
        attempt->fate = NOTHING;
        return;
    }
    if (result->status == FLORIN_KEY_REUSED) {
        judge_reuse(reference, attempt, result);
        return;
    }
    if (result->replayed) {
        judge_replay(reference, attempt, result);
        return;
    }
    show_version(reference, attempt, result->version);
    judge_first(reference, attempt, result);
}

/* --- every answer ---------------------------------------------------------------------------- */

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
    if (attempt->command.kind == FLORIN_READ_ACCOUNT || attempt->malformed != FLORIN_APPLIED)
        reference_complain(reference, "account %u: a full disk has nothing to do with it",
                           attempt->account);
}

/* Answers that say nothing of what the command would do. true: it was one of them. */
static bool judge_refusal(struct reference *reference, struct attempt *attempt,
                          const struct florin_result *result)
{
    enum florin_status status = result->status;
    bool malformed = attempt->malformed != FLORIN_APPLIED;
    enum florin_outcome outcome = florin_status_outcome(status);
    if (outcome == FLORIN_OUTCOME_NOT_APPLIED || outcome == FLORIN_OUTCOME_UNKNOWN) {
        bool unknown = outcome == FLORIN_OUTCOME_UNKNOWN;
        attempt->fate = unknown ? DOUBT : NOTHING;
        if (status == FLORIN_STORAGE_FULL)
            judge_storage_full(reference, attempt);
        if (unknown && (attempt->command.kind == FLORIN_READ_ACCOUNT || malformed))
            reference_complain(reference, "account %u: unknown, but nothing can have happened",
                               attempt->account);
        bool shows = status == FLORIN_COMMIT_UNKNOWN || status == FLORIN_NOT_COMMITTED;
        if (shows && result->version > 0)
            show_version(reference, attempt, result->version);
        return true;
    }
    if (malformed && status != attempt->malformed)
        reference_complain(reference, "account %u: a malformed command is answered %s",
                           attempt->account, florin_status_code(status));
    if (!malformed && status == FLORIN_ACCOUNT_NOT_FOUND && attempt->floor_version > 0)
        reference_complain(reference, "account %u is gone", attempt->account);
    if (!malformed && status != FLORIN_ACCOUNT_NOT_FOUND)
        return false;
    attempt->fate = NOTHING;
    return true;
}

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
    };
    return (uint32_t)reference->attempt_count++;
}

void reference_answer(struct reference *reference, uint32_t number,
                      const struct florin_result *result)
{
    if (number >= reference->attempt_count || reference->attempts[number].fate != FLYING ||
        reference->attempts[number].life != reference->life) {
        reference_complain(reference, "an answer that nobody waits for");
        return;
    }
    struct attempt *attempt = &reference->attempts[number];
    if (result->kind != attempt->command.kind)
        reference_complain(reference, "account %u: an answer of another kind", attempt->account);
    if (judge_refusal(reference, attempt, result))
        return;
    switch (attempt->command.kind) {
    case FLORIN_READ_ACCOUNT:
        judge_read(reference, attempt, result);
        break;
    case FLORIN_OPEN_ACCOUNT:
        judge_opening(reference, attempt, result);
        break;
    case FLORIN_DEPOSIT:
    case FLORIN_WITHDRAW:
        judge_posting(reference, attempt, result);
        break;
    case FLORIN_CHANGE_ACCOUNT:
    case FLORIN_TRANSFER:
    case FLORIN_POSTING:
    case FLORIN_HOLD:
    case FLORIN_CAPTURE:
    case FLORIN_VOID:
    case FLORIN_EXPIRE:
    case FLORIN_REVERSE:
    case FLORIN_BATCH:
    case FLORIN_READ_REVERSAL:
        reference_complain(reference, "an answer to a command that nobody gave");
        break;
    }
}

void reference_peek(struct reference *reference, unsigned number,
                    const struct florin_result *result)
{
    const struct account *account = &reference->accounts[number];
    uint64_t version = result->version;
    if (result->status == FLORIN_ACCOUNT_NOT_FOUND && account->shown == 0)
        return;
    if (result->status != FLORIN_APPLIED || version < account->shown ||
        (account->is_open && !details_are_right(account, result)) ||
        (version < account->balance_known_max && account->balance_known[version] &&
         account->balances[version] != result->balance_minor))
        reference_complain(reference, "account %u is not what it was, and nobody noticed", number);
}

/* --- restarts -------------------------------------------------------------------------------- */

void reference_crash(struct reference *reference)
{
    for (size_t i = 0; i < reference->attempt_count; i++) {
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

/* Commands in doubt that may explain a version of the account. */
static unsigned find_candidates(const struct reference *reference, unsigned account,
                                int64_t changes[CANDIDATES_MAX])
{
    unsigned count = 0;
    for (size_t i = 0; i < reference->attempt_count; i++) {
        const struct attempt *attempt = &reference->attempts[i];
        struct fact fact = {.kind = attempt->command.kind, .status = FLORIN_APPLIED};
        if (attempt->account != account || attempt->fate != DOUBT ||
            attempt->command.kind == FLORIN_OPEN_ACCOUNT ||
            (attempt->key != REFERENCE_NO_KEY && reference->keys[attempt->key].known) ||
            !amount_in(&attempt->command, &reference->accounts[account].opening, &fact.amount))
            continue;
        if (count < CANDIDATES_MAX)
            changes[count] = change_of(&fact);
        count++;
    }
    return count;
}

/* Versions first to last have no known fact: some commands in doubt must make up the difference. */
static void explain_versions(struct reference *reference, unsigned number, uint64_t first,
                             uint64_t last)
{
    const struct account *account = &reference->accounts[number];
    int64_t changes[CANDIDATES_MAX];
    unsigned count = find_candidates(reference, number, changes);
    bool explained = count > CANDIDATES_MAX || !account->balance_known[first - 1] ||
                     !account->balance_known[last];
    int64_t wanted = account->balances[last] - account->balances[first - 1];
    for (uint32_t set = 0; !explained && set < UINT32_C(1) << count; set++) {
        int64_t sum = 0;
        uint64_t members = 0;
        for (unsigned i = 0; i < count; i++) {
            sum += (set >> i & 1) != 0 ? changes[i] : 0;
            members += set >> i & 1;
        }
        explained = members == last - first + 1 && sum == wanted;
    }
    if (!explained)
        reference_complain(reference,
                           "account %u: no command explains versions %" PRIu64 " to %" PRIu64,
                           number, first, last);
}

static void settle_account(struct reference *reference, unsigned number)
{
    struct account *account = &reference->accounts[number];
    uint64_t first = 0; /* of a run without explanation */
    for (uint64_t version = account->settled + 1; version <= account->shown; version++) {
        bool known = account->explained[version];
        if (!known && first == 0)
            first = version;
        if (first != 0 && (known || version == account->shown)) {
            explain_versions(reference, number, first, known ? version - 1 : version);
            first = 0;
        }
    }
    account->settled = account->shown;
}

void reference_settle(struct reference *reference)
{
    for (unsigned i = 0; i < ACCOUNTS_MAX; i++) {
        if (reference->accounts[i].is_open)
            settle_account(reference, i);
    }
    for (size_t i = 0; i < reference->attempt_count; i++) {
        struct attempt *attempt = &reference->attempts[i];
        if (attempt->fate == DOUBT && attempt->key == REFERENCE_NO_KEY &&
            attempt->life < reference->life)
            attempt->fate = NOTHING;
    }
}

/* --- making and asking ----------------------------------------------------------------------- */

struct reference *reference_create(void (*complain)(void *context, const char *what), void *context)
{
    struct reference *reference = calloc(1, sizeof *reference);
    assert(reference != NULL);
    reference->complain = complain;
    reference->context = context;
    return reference;
}

void reference_destroy(struct reference *reference)
{
    for (unsigned i = 0; i < ACCOUNTS_MAX; i++) {
        free(reference->accounts[i].balances);
        free(reference->accounts[i].balance_known);
        free(reference->accounts[i].explained);
    }
    free(reference->attempts);
    free(reference->facts);
    free(reference->keys);
    free(reference);
}

uint64_t reference_version(const struct reference *reference, unsigned account)
{
    return reference->accounts[account].shown;
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
                           number, key->fact.account, florin_status_code(result->status),
                           result->transaction_id, key->lsn);
}

bool reference_key_is_known(const struct reference *reference, unsigned key)
{
    return key < reference->key_max && reference->keys[key].known;
}
