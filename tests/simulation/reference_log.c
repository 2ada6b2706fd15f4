/* reference_log.c - the records of the log, one after the other: which command is it, may it stand
 * there, what does it do. */
#include "simulation/reference_internal.h"

#include <inttypes.h>
#include <string.h>

/* --- which command --------------------------------------------------------------------------- */

/* The attempt that was answered with this very record. */
static int64_t find_answered(const struct reference *reference, uint64_t lsn)
{
    for (size_t i = 0; i < reference->answer_count; i++) {
        const struct florin_result *result = &reference->answers[i].result;
        if (result->transaction_id == lsn && !result->replayed &&
            result->status != FLORIN_KEY_REUSED && result->kind != FLORIN_READ_ACCOUNT)
            return reference->answers[i].attempt;
    }
    return NO_ATTEMPT;
}

static bool is_content(const struct attempt *attempt, const struct reference_record *record)
{
    const struct florin_command *command = &attempt->command;
    bool applied = record->status == FLORIN_APPLIED;
    if (attempt->account != record->legs[0].account || command->kind != record->kind ||
        command->target_id != record->target_id || command->key_length != record->key_length ||
        memcmp(record->key, command->key_length > 0 ? command->key : "", command->key_length) !=
            0 ||
        command->dry_run)
        return false;
    if (!applied)
        return true;
    if (attempt->leg_count != record->leg_count)
        return false;
    for (unsigned i = 0; i < attempt->leg_count; i++) {
        if (attempt->legs[i] != record->legs[i].account)
            return false;
    }
    return true;
}

/* Whether a record says that the account is this afterwards. */
static bool describes(const struct reference_record *record, const char *currency,
                      const struct state *state)
{
    return strcmp(record->currency, currency) == 0 && record->minimum == state->minimum &&
           record->account_status == state->status &&
           record->metadata_length == state->metadata_length &&
           (state->metadata_length == 0 ||
            memcmp(record->metadata, state->metadata, state->metadata_length) == 0);
}

static struct state opened(const struct florin_command *opening)
{
    return (struct state){
        .balance = opening->amount_minor,
        .minimum = opening->minimum_balance_minor,
        .metadata = opening->metadata,
        .metadata_length = opening->metadata_length,
    };
}

/* Whether amounts and status are what the command comes to now. */
static bool comes_out_so(const struct reference *reference, const struct attempt *attempt,
                         const struct reference_record *record)
{
    const struct state first = opened(&attempt->command);
    if (attempt->command.kind == FLORIN_OPEN_ACCOUNT)
        return attempt->command.amount_minor == record->legs[0].amount &&
               describes(record, attempt->command.currency, &first);
    struct view view = view_now(reference, attempt);
    if (attempt->command.kind == FLORIN_CHANGE_ACCOUNT) {
        const struct state after = changed(&attempt->command, &view.states[0]);
        if (!describes(record, reference->accounts[attempt->account].opening.currency, &after))
            return false;
    }
    if (record->status == FLORIN_HOLD_RESOLVED)
        view.hold_is_active = false;
    struct ruling ruling = rule(reference, attempt, &view);
    if (ruling.status != record->status)
        return false;
    for (unsigned i = 0; ruling.status == FLORIN_APPLIED && i < record->leg_count; i++) {
        if (ruling.amounts[i] != record->legs[i].amount &&
            attempt->command.kind != FLORIN_CHANGE_ACCOUNT)
            return false;
    }
    return true;
}

/* A command that nobody was told of: of a life that has ended, or answered "unknown". */
static int64_t find_unanswered(const struct reference *reference,
                               const struct reference_record *record)
{
    int64_t found = NO_ATTEMPT;
    for (size_t i = reference->attempts_settled; i < reference->attempt_count; i++) {
        const struct attempt *attempt = &reference->attempts[i];
        bool of_its_time = record->lsn <= reference->recovered_lsn
                               ? attempt->life < reference->life
                               : attempt->life == reference->life;
        if (attempt->is_in_log || attempt->floor_lsn >= record->lsn || !of_its_time ||
            (attempt->fate != DOUBT && attempt->fate != FLYING) || !is_content(attempt, record))
            continue;
        if (comes_out_so(reference, attempt, record))
            return (int64_t)i;
        found = (int64_t)i; /* what differs is said by whoever looks closer */
    }
    return found;
}

/* --- what it does ---------------------------------------------------------------------------- */

static struct state *push_state(struct account *account, const struct state *state)
{
    account->version++;
    account->states = reference_grow(account->states, &account->states_max, account->version + 1,
                                     sizeof *account->states);
    account->states[account->version] = *state;
    return &account->states[account->version];
}

static void expect(struct reference *reference, const struct reference_record *record, unsigned leg,
                   const struct account *account)
{
    const struct reference_leg *written = &record->legs[leg];
    const struct state *state = &account->states[account->version];
    if (written->version != account->version || written->balance != state->balance)
        reference_complain(reference,
                           "LSN %" PRIu64 ", leg %u: account %u has version %" PRIu64
                           " and balance %" PRId64 "; it should have %" PRIu64 " and %" PRId64,
                           record->lsn, leg, written->account, written->version, written->balance,
                           account->version, state->balance);
}

static void check_time(struct reference *reference, const struct reference_record *record,
                       unsigned number)
{
    struct account *account = &reference->accounts[number];
    if (account->last_time_ns >= record->time_ns)
        reference_complain(reference,
                           "account %u: LSN %" PRIu64 " is not younger than the one before", number,
                           record->lsn);
    account->last_time_ns = record->time_ns;
}

/* All accounts of the record, each once. */
static void check_times(struct reference *reference, const struct reference_record *record)
{
    for (unsigned i = 0; i < record->leg_count; i++) {
        bool again = false;
        for (unsigned j = 0; j < i; j++)
            again |= record->legs[j].account == record->legs[i].account;
        if (!again)
            check_time(reference, record, record->legs[i].account);
    }
}

static void end_hold(struct hold *hold, const struct reference_record *record, struct state *state)
{
    hold->ended_lsn = record->lsn;
    hold->ended_by = record->kind;
    state->held -= hold->amount;
}

static void apply_opening(struct reference *reference, const struct attempt *attempt,
                          const struct reference_record *record)
{
    struct account *account = &reference->accounts[attempt->account];
    const struct florin_command *opening = &attempt->command;
    if (account->version != 0) {
        reference_complain(reference, "account %u is opened twice", attempt->account);
        return;
    }
    account->opening = *opening;
    struct state first = opened(opening);
    first.lsn = record->lsn;
    first.time_ns = record->time_ns;
    if (!describes(record, opening->currency, &first))
        reference_complain(reference, "LSN %" PRIu64 " opens another account", record->lsn);
    push_state(account, &first);
    reference->flows[decimals_of(account)] += first.balance;
    expect(reference, record, 0, account);
}

/* Money moves, leg by leg. */
static void apply_legs(struct reference *reference, const struct attempt *attempt,
                       const struct reference_record *record, const struct ruling *ruling)
{
    for (unsigned i = 0; i < attempt->leg_count; i++) {
        struct account *account = &reference->accounts[attempt->legs[i]];
        struct state after = account->states[account->version];
        bool is_credit = leg_of(attempt, i).direction == FLORIN_CREDIT;
        int64_t moved = is_credit ? ruling->amounts[i] : -ruling->amounts[i];
        after.lsn = record->lsn;
        after.time_ns = record->time_ns;
        after.balance += moved;
        after.is_between = false;
        for (unsigned j = i + 1; j < attempt->leg_count; j++)
            after.is_between |= attempt->legs[j] == attempt->legs[i];
        if (i == 0 && attempt->command.kind == FLORIN_CAPTURE)
            end_hold(find_hold(reference, attempt->account, attempt->command.target_id), record,
                     &after);
        push_state(account, &after);
        reference->flows[decimals_of(account)] += moved;
        if (record->legs[i].direction != leg_of(attempt, i).direction ||
            record->legs[i].amount != ruling->amounts[i])
            reference_complain(reference, "LSN %" PRIu64 ", leg %u is not what was asked",
                               record->lsn, i);
        expect(reference, record, i, account);
    }
}

/* Hold, void, expire, change: no money moves. */
static void apply_still(struct reference *reference, const struct florin_command *command,
                        const struct reference_record *record, int64_t amount, struct entry *entry)
{
    unsigned number = record->legs[0].account;
    struct account *account = &reference->accounts[number];
    struct state after = account->states[account->version];
    if (record->kind == FLORIN_CHANGE_ACCOUNT) {
        after = changed(command, &after);
        if (!describes(record, account->opening.currency, &after))
            reference_complain(reference, "LSN %" PRIu64 " makes another change", record->lsn);
    } else if (record->kind == FLORIN_HOLD) {
        reference->holds = reference_grow(reference->holds, &reference->hold_max,
                                          reference->hold_count + 1, sizeof *reference->holds);
        entry->expires_ns =
            command->expires_in_ns > 0 ? record->time_ns + command->expires_in_ns : 0;
        reference->holds[reference->hold_count++] = (struct hold){.id = record->lsn,
                                                                  .account = number,
                                                                  .amount = amount,
                                                                  .expires_ns = entry->expires_ns};
        after.held += amount;
    } else {
        end_hold(find_hold(reference, number, record->target_id), record, &after);
    }
    after.lsn = record->lsn;
    after.time_ns = record->time_ns;
    push_state(account, &after);
    expect(reference, record, 0, account);
}

static void apply_expiry(struct reference *reference, const struct reference_record *record,
                         struct entry *entry)
{
    const struct hold *hold = find_hold(reference, record->legs[0].account, record->target_id);
    if (hold == NULL || hold->ended_lsn != 0 || hold->expires_ns == 0 ||
        hold->expires_ns > record->time_ns || hold->amount != record->legs[0].amount) {
        reference_complain(reference,
                           "LSN %" PRIu64 " ends hold %" PRIu64 ", whose time is not over",
                           record->lsn, record->target_id);
        return;
    }
    count(reference->counters,
          hold->id <= reference->recovered_lsn && record->lsn > reference->recovered_lsn
              ? COUNT_expired_after_restart
              : COUNT_expired_before_restart);
    apply_still(reference, NULL, record, hold->amount, entry);
}

/* --- a record -------------------------------------------------------------------------------- */

static void note_key(struct reference *reference, unsigned number, const struct entry *entry)
{
    struct key *key = &reference->keys[number];
    if (key->known || (key->lsn != 0 && key->lsn != entry->lsn))
        reference_complain(
            reference, "key %u of account %u took effect at LSN %" PRIu64 " and at LSN %" PRIu64,
            number, entry->account, key->lsn, entry->lsn);
    key->known = true;
    key->lsn = entry->lsn;
    key->entry = *entry;
}

void note_race(const struct reference *reference, const struct attempt *attempt,
               enum florin_status status)
{
    const struct hold *hold = find_hold(reference, attempt->account, attempt->command.target_id);
    if (status == FLORIN_HOLD_RESOLVED && hold != NULL && hold->ended_by == FLORIN_EXPIRE &&
        hold->ended_lsn > attempt->floor_lsn)
        count(reference->counters, COUNT_capture_lost_to_expiry);
}

static void take_command(struct reference *reference, struct attempt *attempt,
                         const struct reference_record *record, struct entry *entry)
{
    struct view view = view_now(reference, attempt);
    /* Its time was over, and its own record comes behind. */
    if (record->status == FLORIN_HOLD_RESOLVED && view.hold_is_active)
        view.hold_is_active = view.hold->expires_ns == 0 || view.hold->expires_ns > record->time_ns;
    struct ruling ruling = rule(reference, attempt, &view);
    note_race(reference, attempt, record->status);
    if (ruling.status != record->status)
        reference_complain(reference,
                           "LSN %" PRIu64 " of account %u, kind %u, has status %s; it should be %s",
                           record->lsn, attempt->account, (unsigned)record->kind,
                           florin_status_code(record->status), florin_status_code(ruling.status));
    if (ruling.status != record->status || view.versions[0] == 0)
        return;
    unsigned leg = ruling.leg;
    entry->leg = leg;
    entry->amount = ruling.amounts[0];
    if (ruling.status != FLORIN_APPLIED) {
        entry->version = view.versions[leg];
        entry->balance = refused_balance(reference, attempt, leg, view.states[leg].balance);
        if (attempt->key == REFERENCE_NO_KEY)
            reference_complain(reference, "LSN %" PRIu64 " remembers a refusal without a key",
                               record->lsn);
        return;
    }
    bool is_still = record->kind == FLORIN_HOLD || record->kind == FLORIN_VOID ||
                    record->kind == FLORIN_CHANGE_ACCOUNT;
    if (is_still)
        apply_still(reference, &attempt->command, record, ruling.amounts[0], entry);
    else
        apply_legs(reference, attempt, record, &ruling);
    const struct account *own = &reference->accounts[attempt->account];
    const struct state *state = &own->states[own->version];
    entry->version = own->version;
    entry->balance =
        state->balance - (is_still && record->kind != FLORIN_CHANGE_ACCOUNT ? state->held : 0);
}

void take_record(struct reference *reference, const struct reference_record *record)
{
    unsigned number = record->legs[0].account;
    int64_t found = find_answered(reference, record->lsn);
    struct entry entry = {.attempt = NO_ATTEMPT,
                          .account = number,
                          .kind = record->kind,
                          .status = record->status,
                          .lsn = record->lsn,
                          .time_ns = record->time_ns};
    if (found == NO_ATTEMPT && record->kind != FLORIN_EXPIRE)
        found = find_unanswered(reference, record);
    check_times(reference, record);
    if (record->kind == FLORIN_EXPIRE) {
        apply_expiry(reference, record, &entry);
    } else if (found == NO_ATTEMPT) {
        reference_complain(reference, "LSN %" PRIu64 " of account %u, kind %u, was asked by nobody",
                           record->lsn, number, (unsigned)record->kind);
    } else {
        struct attempt *attempt = &reference->attempts[found];
        entry.attempt = found;
        entry.is_guess = find_answered(reference, record->lsn) == NO_ATTEMPT;
        if (attempt->is_in_log || attempt->floor_lsn >= record->lsn || !is_content(attempt, record))
            reference_complain(reference,
                               "LSN %" PRIu64 " of account %u is of a command that is not there",
                               record->lsn, number);
        attempt->is_in_log = true;
        if (record->kind == FLORIN_OPEN_ACCOUNT)
            apply_opening(reference, attempt, record);
        else
            take_command(reference, attempt, record, &entry);
        if (attempt->key != REFERENCE_NO_KEY)
            note_key(reference, attempt->key, &entry);
    }
    reference->entries = reference_grow(reference->entries, &reference->entry_max, record->lsn + 1,
                                        sizeof *reference->entries);
    reference->entries[record->lsn] = entry;
}
