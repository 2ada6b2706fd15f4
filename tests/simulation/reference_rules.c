/* reference_rules.c - what a command does to accounts as they are: the rules of the ledger, once
 * more, for all kinds at once.
 *
 * Every kind is a list of legs; a hold, a void and a change have one that moves nothing. All that
 * can be said against a command is collected, and the smallest status counts, of equal ones the
 * first leg's.
 */
#include "simulation/reference_internal.h"

#include <string.h>

unsigned decimals_of(const struct account *account)
{
    if (strcmp(account->opening.currency, "USD") == 0)
        return 2;
    return strcmp(account->opening.currency, "JPY") == 0 ? 0 : 3;
}

bool amount_in(const struct account *account, int64_t amount, bool is_decimal, unsigned scale,
               int64_t *minor)
{
    unsigned decimals = decimals_of(account);
    *minor = amount;
    for (unsigned i = scale; is_decimal && i < decimals; i++)
        *minor *= 10;
    for (unsigned i = decimals; is_decimal && i < scale; i++) {
        if (*minor % 10 != 0)
            return false;
        *minor /= 10;
    }
    return true;
}

struct florin_leg leg_of(const struct attempt *attempt, unsigned leg)
{
    const struct florin_command *command = &attempt->command;
    if (command->leg_count > 0)
        return command->legs[leg];
    bool is_credit = command->kind == FLORIN_DEPOSIT || leg > 0;
    struct florin_leg own = {
        .account = leg == 0 ? command->account : command->to,
        .direction = is_credit ? FLORIN_CREDIT : FLORIN_DEBIT,
        .amount_minor = command->amount_minor,
        .amount_scale = command->amount_scale,
        .expected_version = leg == 0 ? command->expected_version : command->expected_to_version,
    };
    if (leg == 0) {
        own.has_expected_balance = command->has_expected_balance;
        own.expected_balance_minor = command->expected_balance_minor;
    }
    return own;
}

int64_t refused_balance(const struct reference *reference, const struct attempt *attempt,
                        unsigned leg, int64_t balance)
{
    const struct account *own = &reference->accounts[attempt->legs[0]];
    const struct account *refused = &reference->accounts[attempt->legs[leg]];
    return strcmp(own->opening.currency, refused->opening.currency) == 0 ? balance : 0;
}

struct hold *find_hold(const struct reference *reference, unsigned account, uint64_t id)
{
    for (size_t i = 0; i < reference->hold_count; i++) {
        if (reference->holds[i].id == id && reference->holds[i].account == account)
            return &reference->holds[i];
    }
    return NULL;
}

struct view view_now(const struct reference *reference, const struct attempt *attempt)
{
    struct view view = {0};
    for (unsigned i = 0; i < attempt->leg_count; i++) {
        const struct account *account = &reference->accounts[attempt->legs[i]];
        view.is_seen[i] = true;
        view.versions[i] = account->version;
        if (account->version > 0)
            view.states[i] = account->states[account->version];
    }
    view.hold = find_hold(reference, attempt->account, attempt->command.target_id);
    view.hold_is_active = view.hold != NULL && view.hold->ended_lsn == 0;
    return view;
}

struct state changed(const struct florin_command *command, const struct state *before)
{
    struct state after = *before;
    if (command->changes & FLORIN_CHANGE_STATUS)
        after.status = command->account_status;
    if (command->changes & FLORIN_CHANGE_MINIMUM_BALANCE)
        after.minimum = command->minimum_balance_minor;
    if (command->changes & FLORIN_CHANGE_METADATA) {
        after.metadata = command->metadata;
        after.metadata_length = command->metadata_length;
    }
    return after;
}

static void object(struct ruling *ruling, enum florin_status status, unsigned leg)
{
    if (ruling->status == FLORIN_APPLIED || status < ruling->status)
        *ruling = (struct ruling){.status = status, .leg = leg};
}

/* What each leg asks of its account. */
static void object_to_leg(const struct attempt *attempt, const struct view *view, unsigned leg,
                          struct ruling *ruling)
{
    const struct florin_command *command = &attempt->command;
    const struct florin_leg asked = leg_of(attempt, leg);
    const struct state *state = &view->states[leg];
    bool changes = command->kind == FLORIN_CHANGE_ACCOUNT;
    if (command->kind == FLORIN_VOID)
        return;
    if (state->status == FLORIN_STATE_CLOSED)
        object(ruling, FLORIN_ACCOUNT_CLOSED, leg);
    if (state->status == FLORIN_STATE_FROZEN && !command->as_admin && !changes)
        object(ruling, FLORIN_ACCOUNT_FROZEN, leg);
    if (asked.expected_version != 0 && asked.expected_version != view->versions[leg])
        object(ruling,
               command->expected_by_precondition ? FLORIN_PRECONDITION_FAILED
                                                 : FLORIN_VERSION_MISMATCH,
               leg);
    if (asked.has_expected_balance && state->balance < asked.expected_balance_minor)
        object(ruling, FLORIN_BALANCE_CONDITION, leg);
}

static void object_to_hold(const struct attempt *attempt, const struct view *view, int64_t amount,
                           struct ruling *ruling)
{
    enum florin_command_kind kind = attempt->command.kind;
    if (kind != FLORIN_CAPTURE && kind != FLORIN_VOID)
        return;
    if (view->hold == NULL)
        object(ruling, FLORIN_HOLD_NOT_FOUND, 0);
    else if (!view->hold_is_active)
        object(ruling, FLORIN_HOLD_RESOLVED, 0);
    else if (kind == FLORIN_CAPTURE && amount > view->hold->amount)
        object(ruling, FLORIN_HOLD_EXCEEDED, 0);
}

static void object_to_currencies(const struct reference *reference, const struct attempt *attempt,
                                 const int64_t *amounts, struct ruling *ruling)
{
    enum florin_command_kind kind = attempt->command.kind;
    unsigned first = decimals_of(&reference->accounts[attempt->legs[0]]);
    bool is_pair = kind == FLORIN_TRANSFER || kind == FLORIN_CAPTURE;
    if (is_pair && attempt->leg_count > 1 &&
        decimals_of(&reference->accounts[attempt->legs[1]]) != first)
        object(ruling, FLORIN_CURRENCY_MISMATCH, 1);
    for (unsigned i = 0; kind == FLORIN_POSTING && i < attempt->leg_count; i++) {
        wide sum = 0;
        unsigned decimals = decimals_of(&reference->accounts[attempt->legs[i]]);
        for (unsigned j = 0; j < attempt->leg_count; j++) {
            bool is_credit = leg_of(attempt, j).direction == FLORIN_CREDIT;
            if (decimals_of(&reference->accounts[attempt->legs[j]]) == decimals)
                sum += is_credit ? amounts[j] : -amounts[j];
        }
        if (sum != 0)
            object(ruling, FLORIN_UNBALANCED, i);
    }
}

/* One leg after the other, none below what its account allows. */
static void object_to_sums(const struct attempt *attempt, const struct view *view,
                           const int64_t *amounts, struct ruling *ruling)
{
    int64_t freed = attempt->command.kind == FLORIN_CAPTURE ? view->hold->amount : 0;
    for (unsigned i = 0; i < attempt->leg_count; i++) {
        if (!view->is_seen[i])
            continue;
        const struct state *state = &view->states[i];
        wide balance = state->balance;
        for (unsigned j = 0; j <= i; j++) {
            if (attempt->legs[j] == attempt->legs[i])
                balance += leg_of(attempt, j).direction == FLORIN_CREDIT ? amounts[j] : -amounts[j];
        }
        bool is_own = attempt->legs[i] == attempt->legs[0];
        wide least = (wide)state->minimum + state->held - (is_own ? freed : 0);
        if (leg_of(attempt, i).direction == FLORIN_DEBIT && balance < least) {
            object(ruling, FLORIN_INSUFFICIENT_BALANCE, i);
            return;
        }
        if (balance > INT64_MAX) {
            object(ruling, FLORIN_BALANCE_OVERFLOW, i);
            return;
        }
    }
}

static void object_to_change(const struct attempt *attempt, const struct view *view,
                             struct ruling *ruling)
{
    const struct state *before = &view->states[0];
    const struct state after = changed(&attempt->command, before);
    if (before->balance - before->held < after.minimum)
        object(ruling, FLORIN_INSUFFICIENT_BALANCE, 0);
    if (after.status == FLORIN_STATE_CLOSED && (before->balance != 0 || before->held != 0))
        object(ruling, FLORIN_ACCOUNT_NOT_EMPTY, 0);
}

struct ruling rule(const struct reference *reference, const struct attempt *attempt,
                   const struct view *view)
{
    const struct florin_command *command = &attempt->command;
    struct ruling ruling = {.status = FLORIN_APPLIED};
    int64_t amounts[REFERENCE_LEGS_MAX] = {0};
    for (unsigned i = 0; i < attempt->leg_count; i++) {
        const struct florin_leg asked = leg_of(attempt, i);
        const struct account *account = &reference->accounts[attempt->legs[i]];
        if (account->version == 0 || (view->is_seen[i] && view->versions[i] == 0)) {
            object(&ruling, FLORIN_ACCOUNT_NOT_FOUND, i);
            continue;
        }
        if (!amount_in(account, asked.amount_minor, command->amount_is_decimal, asked.amount_scale,
                       &amounts[i]))
            object(&ruling, FLORIN_INVALID_AMOUNT, i);
        if (view->is_seen[i])
            object_to_leg(attempt, view, i, &ruling);
        if (command->kind == FLORIN_CAPTURE && command->amount_minor == 0 && view->hold != NULL)
            amounts[i] = view->hold->amount;
    }
    if (ruling.status != FLORIN_ACCOUNT_NOT_FOUND && ruling.status != FLORIN_INVALID_AMOUNT) {
        object_to_hold(attempt, view, amounts[0], &ruling);
        object_to_currencies(reference, attempt, amounts, &ruling);
    }
    if (ruling.status == FLORIN_APPLIED && command->kind == FLORIN_CHANGE_ACCOUNT)
        object_to_change(attempt, view, &ruling);
    else if (ruling.status == FLORIN_APPLIED && command->kind != FLORIN_VOID)
        object_to_sums(attempt, view, amounts, &ruling);
    memcpy(ruling.amounts, amounts, sizeof amounts);
    if (command->kind == FLORIN_VOID && view->hold != NULL)
        ruling.amounts[0] = view->hold->amount;
    return ruling;
}
