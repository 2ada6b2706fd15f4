/* check_accounts.c - each account by itself: versions without gap or double, balances that follow
 * from each other, and nothing seen that was not so.
 *
 * The entries of an account stand in the order of their versions, the change that made a version
 * before those who saw it. In front, with version 0, stand the **loose** legs: of requests that
 * nothing resolves, and of changes whose answer did not tell of them. Each may fill one gap.
 */
#include "histories/check_internal.h"

#include <stdlib.h>

/* --- money ----------------------------------------------------------------------------------- */

struct sums {
    int64_t balance;
    int64_t held;
    bool overflow;
};

static struct sums sum_of(const struct check *check, const struct event *event)
{
    struct sums sums = {0};
    for (size_t i = 0; i < event->legs_count; i++) {
        const struct history_leg *leg = &check->legs[event->first_leg + i];
        if (__builtin_add_overflow(sums.balance, leg->balance_delta, &sums.balance) ||
            __builtin_add_overflow(sums.held, leg->held_delta, &sums.held))
            sums.overflow = true;
    }
    return sums;
}

/* Whether the legs move money as their kind may. */
static bool moves_rightly(const struct check *check, const struct event *event)
{
    const struct sums sums = sum_of(check, event);
    bool alone = event->legs_count == 1;
    if (sums.overflow)
        return false;
    switch (event->kind) {
    case HISTORY_READ:
    case HISTORY_PAST:
    case HISTORY_REVERSAL: /* held against its original by check_links */
        return true;
    case HISTORY_OPEN:
        return alone && sums.held == 0;
    case HISTORY_DEPOSIT:
        return alone && sums.held == 0 && sums.balance > 0;
    case HISTORY_WITHDRAW:
        return alone && sums.held == 0 && sums.balance < 0;
    case HISTORY_TRANSFER:
        return event->legs_count == 2 && sums.held == 0 && sums.balance == 0;
    case HISTORY_POSTING:
        return sums.held == 0 && sums.balance == 0;
    case HISTORY_HOLD:
        return alone && sums.held > 0 && sums.balance == 0;
    case HISTORY_CAPTURE: /* out of the ledger, or to the account of the other legs */
        return sums.held < 0 && (alone ? sums.balance < 0 : sums.balance == 0);
    case HISTORY_VOID:
    case HISTORY_EXPIRE:
        return alone && sums.held < 0 && sums.balance == 0;
    case HISTORY_AMEND:
        return alone && sums.held == 0 && sums.balance == 0;
    }
    return false;
}

void check_money(struct check *check)
{
    for (size_t i = 0; i < check->events_count; i++) {
        const struct event *event = &check->events[i];
        if (event->state != EVENT_CHANGE || moves_rightly(check, event))
            continue;
        struct history_violation *violation = check_violation(check, HISTORY_MONEY_LOST, 0, 0);
        const struct sums sums = sum_of(check, event);
        violation->expected = 0;
        violation->found = sums.balance;
        check_involve(violation, event->place);
    }
}

/* --- entries --------------------------------------------------------------------------------- */

/* Whether a leg has a place among the entries. */
static bool is_listed(const struct check *check, const struct event *event,
                      const struct history_leg *leg)
{
    switch (event->state) {
    case EVENT_CHANGE:
        return true;
    case EVENT_SIGHT: /* a version that was shown, or an account that was not there */
        return leg->version != 0 || history_kind_is_read(event->kind);
    case EVENT_IN_DOUBT: /* with records: not applied */
        return check->records_count == 0;
    case EVENT_NOTHING:
        return false;
    }
    return false;
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->account != b->account)
        return a->account < b->account ? -1 : 1;
    if (a->version != b->version)
        return a->version < b->version ? -1 : 1;
    if (a->is_sight != b->is_sight)
        return a->is_sight ? 1 : -1;
    return (a->leg > b->leg) - (a->leg < b->leg);
}

void check_list_entries(struct check *check)
{
    check->entries = check_allocate(check->legs_count, sizeof(*check->entries));
    for (size_t i = 0; i < check->events_count; i++) {
        const struct event *event = &check->events[i];
        for (size_t leg = event->first_leg; leg < event->first_leg + event->legs_count; leg++) {
            if (!is_listed(check, event, &check->legs[leg]))
                continue;
            check->entries[check->entries_count++] = (struct entry){
                .account = check->legs[leg].account,
                .version = event->state == EVENT_IN_DOUBT ? 0 : check->legs[leg].version,
                .event = (uint32_t)i,
                .leg = (uint32_t)leg,
                .is_sight = event->state == EVENT_SIGHT,
            };
        }
    }
    qsort(check->entries, check->entries_count, sizeof(*check->entries), compare_entries);
}

/* --- versions -------------------------------------------------------------------------------- */

static bool makes_version(const struct entry *entry)
{
    return !entry->is_sight && entry->version != 0;
}

static size_t count_loose(const struct check *check, size_t first, size_t end)
{
    size_t loose = 0;
    for (size_t i = first; i < end && check->entries[i].version == 0; i++)
        loose += check->entries[i].is_sight ? 0 : 1;
    return loose;
}

/* Gaps of one account; `loose` of them may be filled. */
static void check_gaps(struct check *check, size_t first, size_t end, size_t loose)
{
    uint64_t next = 1;
    const struct entry *before = NULL;
    for (size_t i = first; i < end; i++) {
        const struct entry *entry = &check->entries[i];
        if (!makes_version(entry))
            continue;
        if (before != NULL && entry->version == before->version) {
            struct history_violation *violation =
                check_violation(check, HISTORY_VERSION_TWICE, entry->account, entry->version);
            check_involve(violation, check_event(check, before)->place);
            check_involve(violation, check_event(check, entry)->place);
        } else if (entry->version - next > loose) {
            struct history_violation *violation =
                check_violation(check, HISTORY_VERSION_GAP, entry->account, next);
            if (before != NULL)
                check_involve(violation, check_event(check, before)->place);
            check_involve(violation, check_event(check, entry)->place);
        } else {
            loose -= (size_t)(entry->version - next);
        }
        next = entry->version + 1;
        before = entry;
    }
}

void check_versions(struct check *check)
{
    for (size_t first = 0; first < check->entries_count;) {
        size_t end = check_account_end(check, first);
        check_gaps(check, first, end, count_loose(check, first, end));
        first = end;
    }
}

/* --- the fold -------------------------------------------------------------------------------- */

/* An account on its way through its versions. */
struct state {
    uint64_t version;
    int64_t balance; /* HISTORY_UNKNOWN behind a gap */
    int64_t held;
    int64_t minimum;        /* HISTORY_UNKNOWN: not known */
    const struct entry *by; /* the last change */
};

static const struct state NOT_OPENED = {.minimum = HISTORY_UNKNOWN};

/* What a leg makes of an amount; HISTORY_UNKNOWN: nobody knows. false: it does not follow. */
static bool fold(int64_t *amount, int64_t delta, int64_t *told, int64_t *expected)
{
    *expected = HISTORY_UNKNOWN;
    if (*amount != HISTORY_UNKNOWN && __builtin_add_overflow(*amount, delta, expected))
        return false;
    if (*told == HISTORY_UNKNOWN)
        *told = *expected;
    *amount = *told;
    return *expected == HISTORY_UNKNOWN || *expected == *told;
}

/* The change `entry` is the newest one now. What a gap did to the minimum nobody knows. */
static void step(struct state *state, const struct entry *entry, const struct event *event)
{
    if (event->kind == HISTORY_OPEN)
        state->minimum = event->minimum;
    else if (event->kind == HISTORY_AMEND || entry->version != state->version + 1)
        state->minimum = HISTORY_UNKNOWN;
    state->version = entry->version;
    state->by = entry;
}

static bool may_be_refused(enum history_kind kind)
{
    return kind == HISTORY_WITHDRAW || kind == HISTORY_TRANSFER || kind == HISTORY_POSTING ||
           kind == HISTORY_HOLD;
}

/* balance - held; the smallest number where it cannot be said. */
static int64_t available_of(int64_t balance, int64_t held)
{
    int64_t available = 0;
    if (balance == HISTORY_UNKNOWN || held == HISTORY_UNKNOWN ||
        __builtin_sub_overflow(balance, held, &available))
        return HISTORY_UNKNOWN;
    return available;
}

/* Behind the last leg of a change on an account; `before` is what was available in front of the
 * first one. */
static void check_minimum(struct check *check, const struct state *state, int64_t before)
{
    int64_t after = available_of(state->balance, state->held);
    const struct event *event = check_event(check, state->by);
    if (!may_be_refused(event->kind) || state->minimum == HISTORY_UNKNOWN ||
        after == HISTORY_UNKNOWN || before == HISTORY_UNKNOWN || after >= before ||
        after >= state->minimum)
        return;
    struct history_violation *violation =
        check_violation(check, HISTORY_OVERDRAWN, state->by->account, state->version);
    violation->expected = state->minimum;
    violation->found = after;
    check_involve(violation, event->place);
}

static void check_expected(struct check *check, const struct state *state,
                           const struct entry *entry)
{
    uint64_t expected = check->legs[entry->leg].expected_version;
    /* Of several legs on one account only the first can speak of the version in front of it. */
    if (expected == 0 || expected == entry->version - 1 ||
        (state->by != NULL && state->by->event == entry->event))
        return;
    struct history_violation *violation =
        check_violation(check, HISTORY_EXPECTED_VERSION, entry->account, entry->version);
    violation->expected = (int64_t)expected + 1;
    violation->found = (int64_t)entry->version;
    check_involve(violation, check_event(check, entry)->place);
}

static void report_fold(struct check *check, enum history_rule rule, const struct state *state,
                        const struct entry *entry, int64_t expected, int64_t found)
{
    struct history_violation *violation =
        check_violation(check, rule, entry->account, entry->version);
    violation->expected = expected;
    violation->found = found;
    if (state->by != NULL)
        check_involve(violation, check_event(check, state->by)->place);
    check_involve(violation, check_event(check, entry)->place);
}

/* One change of an account; false: the rest cannot follow from it. */
static bool take_change(struct check *check, struct state *state, const struct entry *entry)
{
    struct history_leg *leg = &check->legs[entry->leg];
    int64_t expected = 0;
    if (entry->version != state->version + 1) {
        state->balance = HISTORY_UNKNOWN;
        state->held = HISTORY_UNKNOWN;
    }
    check_expected(check, state, entry);
    if (!fold(&state->balance, leg->balance_delta, &leg->balance, &expected)) {
        report_fold(check, HISTORY_BALANCE_FOLD, state, entry, expected, leg->balance);
        return false;
    }
    if (!fold(&state->held, leg->held_delta, &leg->held, &expected)) {
        report_fold(check, HISTORY_HELD_FOLD, state, entry, expected, leg->held);
        return false;
    }
    step(state, entry, check_event(check, entry));
    return true;
}

static void fold_account(struct check *check, size_t first, size_t end)
{
    struct state state = NOT_OPENED;
    int64_t before = 0;
    for (size_t i = first; i < end; i++) {
        const struct entry *entry = &check->entries[i];
        if (!makes_version(entry))
            continue;
        if (state.by == NULL || state.by->event != entry->event) {
            if (state.by != NULL)
                check_minimum(check, &state, before);
            before = available_of(state.balance, state.held);
        }
        if (!take_change(check, &state, entry))
            return;
    }
    if (state.by != NULL)
        check_minimum(check, &state, before);
}

void check_fold(struct check *check)
{
    for (size_t first = 0; first < check->entries_count;) {
        size_t end = check_account_end(check, first);
        fold_account(check, first, end);
        first = end;
    }
}

/* --- what was seen --------------------------------------------------------------------------- */

/* A version beyond all that were made could be that of a loose leg. */
static uint64_t highest_possible(const struct check *check, size_t first, size_t end)
{
    uint64_t highest = 0;
    uint64_t made = 0;
    for (size_t i = first; i < end; i++) {
        if (!makes_version(&check->entries[i]))
            continue;
        highest = check->entries[i].version;
        made++;
    }
    return highest + count_loose(check, first, end) - (highest - made);
}

static bool occurs_once(const struct check *check, const struct event *event, uint64_t account)
{
    size_t legs = 0;
    for (size_t i = 0; i < event->legs_count; i++)
        legs += check->legs[event->first_leg + i].account == account ? 1 : 0;
    return legs == 1;
}

/* Whether a rejection gives a reason that was none. `state` is what it has seen. */
static bool is_refused_wrongly(const struct check *check, const struct state *state,
                               const struct entry *entry)
{
    const struct event *event = check_event(check, entry);
    const struct history_leg *leg = &check->legs[entry->leg];
    if (!occurs_once(check, event, entry->account))
        return false;
    if (event->outcome == HISTORY_MISMATCH)
        return leg->expected_version == entry->version;
    int64_t available = available_of(state->balance, state->held);
    int64_t rest = 0;
    if (event->outcome != HISTORY_INSUFFICIENT || state->version != entry->version ||
        available == HISTORY_UNKNOWN || state->minimum == HISTORY_UNKNOWN)
        return false;
    return !__builtin_add_overflow(available, leg->balance_delta, &rest) &&
           !__builtin_sub_overflow(rest, leg->held_delta, &rest) && rest >= state->minimum;
}

static void check_sight(struct check *check, const struct state *state, const struct entry *entry)
{
    const struct history_leg *leg = &check->legs[entry->leg];
    const struct event *event = check_event(check, entry);
    bool known = state->version == entry->version && state->by != NULL;
    if (known && leg->balance != HISTORY_UNKNOWN && state->balance != HISTORY_UNKNOWN &&
        leg->balance != state->balance) {
        report_fold(check, HISTORY_READ_DIFFERS, state, entry, state->balance, leg->balance);
    } else if (known && leg->held != HISTORY_UNKNOWN && state->held != HISTORY_UNKNOWN &&
               leg->held != state->held) {
        report_fold(check, HISTORY_READ_DIFFERS, state, entry, state->held, leg->held);
    } else if (is_refused_wrongly(check, state, entry)) {
        check_involve(
            check_violation(check, HISTORY_REFUSED_WRONGLY, entry->account, entry->version),
            event->place);
    }
}

static void check_sights_of(struct check *check, size_t first, size_t end)
{
    struct state state = NOT_OPENED;
    uint64_t highest = highest_possible(check, first, end);
    for (size_t i = first; i < end; i++) {
        const struct entry *entry = &check->entries[i];
        if (makes_version(entry)) {
            step(&state, entry, check_event(check, entry));
            state.balance = check->legs[entry->leg].balance;
            state.held = check->legs[entry->leg].held;
        } else if (entry->is_sight && entry->version > highest) {
            check_involve(
                check_violation(check, HISTORY_OBSERVED_LOST, entry->account, entry->version),
                check_event(check, entry)->place);
        } else if (entry->is_sight) {
            check_sight(check, &state, entry);
        }
    }
}

void check_sights(struct check *check)
{
    for (size_t first = 0; first < check->entries_count;) {
        size_t end = check_account_end(check, first);
        check_sights_of(check, first, end);
        first = end;
    }
}
