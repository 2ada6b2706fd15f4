/* reference_judge.c - answers against what the log says. */
#include "simulation/reference_internal.h"

#include <inttypes.h>
#include <string.h>

static void complain_of(const struct reference *reference, const struct answer *answer,
                        const char *what)
{
    const struct attempt *attempt = &reference->attempts[answer->attempt];
    const struct florin_result *result = &answer->result;
    reference_complain(reference,
                       "account %u, kind %u: answered %s, transaction %" PRIu64 ", version %" PRIu64
                       ", balance %" PRId64 "%s: %s",
                       attempt->account, (unsigned)attempt->command.kind,
                       florin_status_code(result->status), result->transaction_id, result->version,
                       result->balance_minor, result->replayed ? ", again" : "", what);
}

/* --- what is shown of an account ------------------------------------------------------------- */

/* NULL: it should not have been shown so; that is said. Version 0: there is no such account. */
static const struct state *find_shown(const struct reference *reference,
                                      const struct answer *answer, unsigned number,
                                      uint64_t version)
{
    static const struct state none;
    const struct attempt *attempt = &reference->attempts[answer->attempt];
    const struct account *account = &reference->accounts[number];
    bool has_next = version < account->version;
    const char *fault = NULL;
    if (version > account->version)
        fault = "there is no such version";
    else if (has_next && account->states[version + 1].lsn <= attempt->floor_lsn)
        fault = "something younger was shown before it was sent";
    else if (version > 0 && account->states[version].is_between)
        fault = "half a posting";
    else if (version > 0 && account->states[version].lsn > answer->durable_lsn)
        fault = "not durable yet";
    if (fault != NULL)
        complain_of(reference, answer, fault);
    if (fault != NULL || version == 0)
        return fault != NULL ? NULL : &none;
    return &account->states[version];
}

static bool has_currency(const struct reference *reference, unsigned number,
                         const struct florin_result *result)
{
    const struct account *account = &reference->accounts[number];
    return account->version > 0 && strcmp(result->currency, account->opening.currency) == 0 &&
           result->exponent == decimals_of(account);
}

static bool has_metadata(const struct answer *answer, const struct state *state)
{
    return answer->result.metadata_length == state->metadata_length &&
           (state->metadata_length == 0 ||
            memcmp(answer->metadata, state->metadata, state->metadata_length) == 0);
}

/* Reads, openings and changes show all that there is. */
static void judge_details(const struct reference *reference, const struct answer *answer,
                          const struct state *state)
{
    const struct florin_result *result = &answer->result;
    unsigned number = reference->attempts[answer->attempt].account;
    if (result->balance_minor != state->balance || result->held_minor != state->held ||
        result->minimum_balance_minor != state->minimum ||
        result->account_status != state->status || !has_metadata(answer, state) ||
        !has_currency(reference, number, result))
        reference_complain(reference,
                           "account %u, version %" PRIu64 ": shown with balance %" PRId64
                           ", held %" PRId64 ", minimum %" PRId64 ", status %u, metadata %.*s; it "
                           "is %" PRId64 ", %" PRId64 ", %" PRId64 ", %u, %.*s",
                           number, result->version, result->balance_minor, result->held_minor,
                           result->minimum_balance_minor, (unsigned)result->account_status,
                           (int)result->metadata_length, answer->metadata, state->balance,
                           state->held, state->minimum, (unsigned)state->status,
                           (int)state->metadata_length,
                           state->metadata_length > 0 ? state->metadata : "");
}

static void judge_read(const struct reference *reference, const struct answer *answer)
{
    const struct florin_result *result = &answer->result;
    const struct account *account =
        &reference->accounts[reference->attempts[answer->attempt].account];
    const struct state *state = find_shown(
        reference, answer, reference->attempts[answer->attempt].account, result->version);
    bool is_absent = result->status == FLORIN_ACCOUNT_NOT_FOUND;
    if (state == NULL || (is_absent && result->version == 0))
        return;
    if (result->status != FLORIN_APPLIED || result->replayed || result->version == 0) {
        complain_of(reference, answer, "that is no answer to a read");
        return;
    }
    judge_details(reference, answer, state);
    bool has_next = result->version < account->version;
    if (result->time_ns != account->states[1].time_ns || result->transaction_id < state->lsn ||
        (has_next && result->transaction_id >= account->states[result->version + 1].lsn))
        complain_of(reference, answer, "another time or newest transaction");
}

/* --- keys ------------------------------------------------------------------------------------ */

static bool same_leg(const struct florin_leg *one, const struct florin_leg *other)
{
    return one->direction == other->direction && one->amount_minor == other->amount_minor &&
           one->amount_scale == other->amount_scale &&
           one->expected_version == other->expected_version &&
           one->has_expected_balance == other->has_expected_balance &&
           (!one->has_expected_balance ||
            one->expected_balance_minor == other->expected_balance_minor);
}

static bool same_request(const struct attempt *one, const struct attempt *other)
{
    const struct florin_command *a = &one->command;
    const struct florin_command *b = &other->command;
    bool same = one->leg_count == other->leg_count && a->target_id == b->target_id &&
                a->expires_in_ns == b->expires_in_ns && a->as_admin == b->as_admin &&
                a->amount_is_decimal == b->amount_is_decimal &&
                a->expected_by_precondition == b->expected_by_precondition;
    for (unsigned i = 0; same && i < one->leg_count; i++) {
        const struct florin_leg left = leg_of(one, i);
        const struct florin_leg right = leg_of(other, i);
        same = one->legs[i] == other->legs[i] && same_leg(&left, &right);
    }
    return same;
}

/* What differs between the command that a key stands for and another one, in the order of the
 * contract. */
static enum florin_field field_between(const struct reference *reference,
                                       const struct attempt *first, const struct attempt *attempt)
{
    const struct florin_command *command = &first->command;
    const struct florin_command *other = &attempt->command;
    const struct account *account = &reference->accounts[attempt->account];
    int64_t amount;
    int64_t other_amount;
    if (command->kind != other->kind)
        return FLORIN_FIELD_KIND;
    if (command->kind != FLORIN_DEPOSIT && command->kind != FLORIN_WITHDRAW)
        return same_request(first, attempt) ? FLORIN_FIELD_NONE : FLORIN_FIELD_LEGS;
    (void)amount_in(account, command->amount_minor, command->amount_is_decimal,
                    command->amount_scale, &amount);
    (void)amount_in(account, other->amount_minor, other->amount_is_decimal, other->amount_scale,
                    &other_amount);
    if (amount != other_amount)
        return FLORIN_FIELD_AMOUNT;
    bool same = command->expected_version == other->expected_version &&
                command->as_admin == other->as_admin &&
                command->has_expected_balance == other->has_expected_balance &&
                (!command->has_expected_balance ||
                 command->expected_balance_minor == other->expected_balance_minor);
    if (same)
        return FLORIN_FIELD_NONE;
    return other->has_expected_balance ? FLORIN_FIELD_EXPECTED_BALANCE
                                       : FLORIN_FIELD_EXPECTED_VERSION;
}

/* Of two commands with one key that both could have made the record, an answer tells which it
 * was. */
static void guess_again(struct reference *reference, const struct answer *answer)
{
    const struct attempt *asked = &reference->attempts[answer->attempt];
    struct entry *entry = &reference->keys[asked->key].entry;
    const struct attempt *guess = &reference->attempts[entry->attempt];
    bool reused = answer->result.status == FLORIN_KEY_REUSED;
    enum florin_field field = reused ? answer->result.field : FLORIN_FIELD_NONE;
    if (!entry->is_guess || field_between(reference, guess, asked) == field)
        return;
    for (size_t i = 0; i < reference->attempt_count; i++) {
        const struct attempt *other = &reference->attempts[i];
        if (other->key == asked->key && !other->command.dry_run && other->was_in_doubt &&
            other->command.kind == entry->kind && other->floor_lsn < entry->lsn &&
            field_between(reference, other, asked) == field) {
            entry->attempt = (int64_t)i;
            return;
        }
    }
}

static void judge_seen_key(struct reference *reference, const struct answer *answer)
{
    const struct attempt *attempt = &reference->attempts[answer->attempt];
    const struct key *key = &reference->keys[attempt->key];
    const struct florin_result *result = &answer->result;
    const struct entry *entry = &key->entry;
    bool reused = result->status == FLORIN_KEY_REUSED;
    if (attempt->key == REFERENCE_NO_KEY || !key->known || entry->lsn != result->transaction_id ||
        entry->lsn > answer->durable_lsn) {
        complain_of(reference, answer, "the key was not used there");
        return;
    }
    guess_again(reference, answer);
    enum florin_field field =
        field_between(reference, &reference->attempts[entry->attempt], attempt);
    if (field != (reused ? result->field : FLORIN_FIELD_NONE) ||
        (field == FLORIN_FIELD_NONE) != !reused)
        complain_of(reference, answer, "the key was used for another command, or for this one");
    if (reused) {
        const struct state *state =
            find_shown(reference, answer, attempt->account, result->version);
        if (state != NULL && state->balance != result->balance_minor)
            complain_of(reference, answer, "another balance at this version");
        return;
    }
    bool applied = result->status == FLORIN_APPLIED;
    if (result->status != entry->status || result->version != entry->version ||
        result->balance_minor != entry->balance || result->time_ns != entry->time_ns ||
        result->expires_ns != entry->expires_ns ||
        (applied && result->amount_minor != entry->amount) ||
        (!applied && result->leg != entry->leg))
        complain_of(reference, answer, "the first answer was another one");
}

/* --- what has a record ----------------------------------------------------------------------- */

static void judge_placed(const struct reference *reference, const struct answer *answer)
{
    const struct florin_result *result = &answer->result;
    const struct attempt *attempt = &reference->attempts[answer->attempt];
    bool applied = result->status == FLORIN_APPLIED;
    if (result->transaction_id > reference->settled_lsn) {
        complain_of(reference, answer, "the log has no such record");
        return;
    }
    const struct entry *entry = &reference->entries[result->transaction_id];
    if (entry->attempt != answer->attempt || result->transaction_id > answer->durable_lsn) {
        complain_of(reference, answer, "its record is another command's, or not durable yet");
        return;
    }
    if (attempt->command.kind == FLORIN_OPEN_ACCOUNT ||
        attempt->command.kind == FLORIN_CHANGE_ACCOUNT) {
        const struct state *state =
            find_shown(reference, answer, attempt->account, result->version);
        if (state == NULL || state->lsn != result->transaction_id)
            complain_of(reference, answer, "another version");
        else
            judge_details(reference, answer, state);
        return;
    }
    if (result->status != entry->status || result->version != entry->version ||
        result->balance_minor != entry->balance || result->time_ns != entry->time_ns ||
        result->expires_ns != entry->expires_ns ||
        (applied && result->amount_minor != entry->amount) ||
        (!applied && result->leg != entry->leg))
        complain_of(reference, answer, "the log says something else");
    if (!has_currency(reference, entry->account, result))
        complain_of(reference, answer, "another currency");
}

/* --- what has none --------------------------------------------------------------------------- */

static void judge_repeated_opening(const struct reference *reference, const struct answer *answer)
{
    const struct attempt *attempt = &reference->attempts[answer->attempt];
    const struct florin_command *opening = &attempt->command;
    const struct florin_result *result = &answer->result;
    const struct account *account = &reference->accounts[attempt->account];
    const struct state *state = find_shown(reference, answer, attempt->account, result->version);
    if (state == NULL || result->version == 0)
        return;
    judge_details(reference, answer, state);
    bool same = strcmp(opening->currency, account->opening.currency) == 0 &&
                opening->amount_minor == account->opening.amount_minor &&
                opening->minimum_balance_minor == state->minimum &&
                opening->metadata_length == state->metadata_length &&
                (state->metadata_length == 0 ||
                 memcmp(opening->metadata, state->metadata, state->metadata_length) == 0);
    if (result->status != (same ? FLORIN_APPLIED : FLORIN_ACCOUNT_EXISTS) ||
        result->replayed != same)
        complain_of(reference, answer, "whether the account was opened so");
}

static unsigned legs_on(const struct attempt *attempt, unsigned account)
{
    unsigned count = 0;
    for (unsigned i = 0; i < attempt->leg_count; i++)
        count += attempt->legs[i] == account;
    return count;
}

/* What can be seen of the accounts beside a refusal: one of them. */
static bool view_beside(const struct reference *reference, const struct answer *answer,
                        unsigned number, uint64_t version, struct view *view)
{
    const struct attempt *attempt = &reference->attempts[answer->attempt];
    const struct florin_result *result = &answer->result;
    const struct state *state = find_shown(reference, answer, number, version);
    if (state == NULL)
        return false;
    *view =
        (struct view){.hold = find_hold(reference, attempt->account, attempt->command.target_id)};
    for (unsigned i = 0; i < attempt->leg_count; i++) {
        view->is_seen[i] = attempt->legs[i] == number;
        view->versions[i] = version;
        view->states[i] = *state;
    }
    if (view->hold == NULL)
        return true;
    view->hold_is_active = true;
    if (number == attempt->account)
        view->hold_is_active = view->hold->ended_lsn == 0 || view->hold->ended_lsn > state->lsn;
    if (result->status == FLORIN_HOLD_RESOLVED &&
        (view->hold->expires_ns != 0 || view->hold->ended_lsn != 0))
        view->hold_is_active = false;
    /* one that has ended may be forgotten with the log in which it stood */
    if (result->status == FLORIN_HOLD_NOT_FOUND &&
        (view->hold->id > attempt->floor_lsn || view->hold->ended_lsn != 0))
        view->hold = NULL;
    return true;
}

/* What a dry run says the balance would be. */
static int64_t balance_after(const struct attempt *attempt, const struct state *before,
                             const struct ruling *ruling)
{
    int64_t balance = before->balance;
    if (attempt->command.kind == FLORIN_HOLD)
        return balance - before->held - ruling->amounts[0];
    if (attempt->command.kind == FLORIN_VOID)
        return balance - before->held + ruling->amounts[0];
    for (unsigned i = 0; attempt->command.kind != FLORIN_CHANGE_ACCOUNT && i < attempt->leg_count;
         i++) {
        if (attempt->legs[i] == attempt->account)
            balance += leg_of(attempt, i).direction == FLORIN_CREDIT ? ruling->amounts[i]
                                                                     : -ruling->amounts[i];
    }
    return balance;
}

static bool changes_nothing(const struct attempt *attempt, const struct state *state)
{
    if (attempt->command.kind != FLORIN_CHANGE_ACCOUNT)
        return false;
    const struct state after = changed(&attempt->command, state);
    return after.status == state->status && after.minimum == state->minimum &&
           after.metadata_length == state->metadata_length &&
           (state->metadata_length == 0 ||
            memcmp(after.metadata, state->metadata, state->metadata_length) == 0);
}

/* A refusal that is not remembered, a dry run, a change that changes nothing. */
static void judge_unplaced(const struct reference *reference, const struct answer *answer)
{
    const struct attempt *attempt = &reference->attempts[answer->attempt];
    const struct florin_result *result = &answer->result;
    bool applied = result->status == FLORIN_APPLIED;
    bool is_dry = attempt->command.dry_run;
    unsigned leg = result->leg < attempt->leg_count && !applied ? result->leg : 0;
    unsigned number = attempt->legs[leg];
    uint64_t version = result->version;
    struct view view;
    if (applied && is_dry)
        version -= attempt->command.kind == FLORIN_CHANGE_ACCOUNT ? 0 : legs_on(attempt, number);
    if (result->status == FLORIN_ACCOUNT_NOT_FOUND)
        version = 0;
    /* a dry change says what the version would be, unless it changes nothing */
    if (applied && is_dry && attempt->command.kind == FLORIN_CHANGE_ACCOUNT)
        return;
    if (!view_beside(reference, answer, number, version, &view))
        return;
    if (version == 0) {
        if (result->status != FLORIN_ACCOUNT_NOT_FOUND && result->status != FLORIN_HOLD_NOT_FOUND)
            complain_of(reference, answer, "there is no such account");
        return;
    }
    if (result->status == FLORIN_HOLD_NOT_FOUND) { /* said before anything else is looked at */
        if (view.hold != NULL)
            complain_of(reference, answer, "it is there");
        return;
    }
    const struct ruling ruling = rule(reference, attempt, &view);
    note_race(reference, attempt, result->status);
    bool remembers =
        result->status >= FLORIN_ACCOUNT_FROZEN && result->status < FLORIN_ACCOUNTS_FULL;
    if (ruling.status != result->status || (!applied && ruling.leg != leg))
        complain_of(reference, answer, florin_status_code(ruling.status));
    else if (applied ? !is_dry && !changes_nothing(attempt, &view.states[leg])
                     : remembers && attempt->key != REFERENCE_NO_KEY && !is_dry)
        complain_of(reference, answer, "it has no record");
    else if (result->balance_minor !=
             (applied ? balance_after(attempt, &view.states[0], &ruling)
                      : refused_balance(reference, attempt, leg, view.states[leg].balance)))
        complain_of(reference, answer, "another balance at this version");
    if (attempt->key != REFERENCE_NO_KEY && reference->keys[attempt->key].known &&
        reference->keys[attempt->key].entry.lsn <= attempt->floor_lsn &&
        result->status != FLORIN_INVALID_AMOUNT)
        complain_of(reference, answer, "its key was used before");
}

/* --- every answer ---------------------------------------------------------------------------- */

void judge_answer(struct reference *reference, const struct answer *answer)
{
    const struct attempt *attempt = &reference->attempts[answer->attempt];
    const struct florin_result *result = &answer->result;
    enum florin_command_kind kind = attempt->command.kind;
    enum florin_outcome outcome = florin_status_outcome(result->status);
    if (outcome == FLORIN_OUTCOME_NOT_APPLIED || outcome == FLORIN_OUTCOME_UNKNOWN) {
        if (result->version > 0)
            (void)find_shown(reference, answer, attempt->account, result->version);
    } else if (attempt->malformed != FLORIN_APPLIED) {
        if (result->status != attempt->malformed)
            complain_of(reference, answer, "the command is malformed");
    } else if (kind == FLORIN_READ_ACCOUNT) {
        judge_read(reference, answer);
    } else if (result->status == FLORIN_KEY_REUSED ||
               (result->replayed && kind != FLORIN_OPEN_ACCOUNT)) {
        judge_seen_key(reference, answer);
    } else if (result->transaction_id != 0) {
        judge_placed(reference, answer);
    } else if (kind == FLORIN_OPEN_ACCOUNT) {
        judge_repeated_opening(reference, answer);
    } else {
        judge_unplaced(reference, answer);
    }
}
