/* check_links.c - changes that speak of others: a hold is resolved once and exactly, a transaction
 * is never reversed by more than it moved.
 */
#include "histories/check_internal.h"

#include <stdlib.h>

/* Changes with an LSN, in its order. */
struct by_lsn {
    struct ordered *all;
    size_t count;
};

static bool resolves_hold(enum history_kind kind)
{
    return kind == HISTORY_CAPTURE || kind == HISTORY_VOID || kind == HISTORY_EXPIRE;
}

static const struct event *find_lsn(const struct check *check, const struct by_lsn *changes,
                                    uint64_t lsn)
{
    size_t low = 0;
    size_t high = changes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (changes->all[middle].first < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == changes->count || changes->all[low].first != lsn)
        return NULL;
    return &check->events[changes->all[low].index];
}

/* Whether an original that is not among the changes could be one whose answer was lost. */
static bool could_be_unknown(const struct check *check)
{
    for (size_t i = 0; i < check->events_count; i++) {
        const struct event *event = &check->events[i];
        if ((event->state == EVENT_IN_DOUBT && check->records_count == 0) ||
            (event->state == EVENT_CHANGE && event->lsn == 0))
            return true;
    }
    return false;
}

static void check_resolution(struct check *check, const struct event *hold,
                             const struct event *resolution)
{
    const struct history_leg *held = &check->legs[hold->first_leg];
    int64_t freed = 0;
    int64_t taken = 0;
    bool strange = false; /* frees something of an account that has no part in the hold */
    for (size_t i = 0; i < resolution->legs_count; i++) {
        const struct history_leg *leg = &check->legs[resolution->first_leg + i];
        freed -= leg->held_delta;
        taken -= leg->account == held->account ? leg->balance_delta : 0;
        strange = strange || (leg->account != held->account && leg->held_delta != 0);
    }
    if (!strange && freed == held->held_delta && taken <= held->held_delta)
        return;
    struct history_violation *violation =
        check_violation(check, HISTORY_HOLD_AMOUNT, held->account, held->version);
    violation->expected = held->held_delta;
    violation->found = freed == held->held_delta ? taken : freed;
    check_involve(violation, hold->place);
    check_involve(violation, resolution->place);
}

static int64_t net_of(const struct check *check, const struct event *event, uint64_t account)
{
    int64_t net = 0;
    for (size_t i = 0; i < event->legs_count; i++) {
        const struct history_leg *leg = &check->legs[event->first_leg + i];
        net += leg->account == account ? leg->balance_delta : 0;
    }
    return net;
}

static void report_reversal(struct check *check, const struct event *original,
                            const struct event *reversal, uint64_t account, int64_t expected,
                            int64_t found)
{
    struct history_violation *violation =
        check_violation(check, HISTORY_REVERSED_TOO_MUCH, account, 0);
    violation->expected = expected;
    violation->found = found;
    check_involve(violation, original->place);
    check_involve(violation, reversal->place);
}

/* Every reversal goes against its original, on its accounts, and all together not beyond it. */
static void check_reversals(struct check *check, const struct event *original,
                            const struct ordered *reversals, size_t count)
{
    const struct event *last = &check->events[reversals[count - 1].index];
    for (size_t i = 0; i < count; i++) {
        const struct event *reversal = &check->events[reversals[i].index];
        for (size_t leg = 0; leg < reversal->legs_count; leg++) {
            uint64_t account = check->legs[reversal->first_leg + leg].account;
            int64_t moved = net_of(check, original, account);
            int64_t back = net_of(check, reversal, account);
            if (moved > 0 ? back > 0 : moved < 0 ? back < 0 : back != 0) {
                report_reversal(check, original, reversal, account, -moved, back);
                return;
            }
        }
    }
    for (size_t leg = 0; leg < original->legs_count; leg++) {
        uint64_t account = check->legs[original->first_leg + leg].account;
        int64_t moved = net_of(check, original, account);
        int64_t back = 0;
        for (size_t i = 0; i < count; i++)
            back += net_of(check, &check->events[reversals[i].index], account);
        if (moved > 0 ? back < -moved : back > -moved) {
            report_reversal(check, original, last, account, -moved, back);
            return;
        }
    }
}

/* All changes that speak of one LSN. */
static void check_family(struct check *check, const struct by_lsn *changes,
                         const struct ordered *members, size_t count, bool lenient)
{
    const struct event *first = &check->events[members[0].index];
    const struct event *original = find_lsn(check, changes, members[0].first);
    if (original == NULL && lenient)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct event *member = &check->events[members[i].index];
        if (original != NULL && (original->kind == HISTORY_HOLD) == resolves_hold(member->kind) &&
            (member->lsn == 0 || member->lsn > original->lsn))
            continue;
        struct history_violation *violation = check_violation(check, HISTORY_LINK_BROKEN, 0, 0);
        check_involve(violation, member->place);
        if (original != NULL)
            check_involve(violation, original->place);
        return;
    }
    if (original->kind != HISTORY_HOLD) {
        check_reversals(check, original, members, count);
        return;
    }
    check_resolution(check, original, first);
    if (count == 1)
        return;
    struct history_violation *violation = check_violation(check, HISTORY_HOLD_RESOLVED_TWICE,
                                                          check->legs[original->first_leg].account,
                                                          check->legs[original->first_leg].version);
    check_involve(violation, original->place);
    for (size_t i = 0; i < count; i++)
        check_involve(violation, check->events[members[i].index].place);
}

void check_links(struct check *check)
{
    struct by_lsn changes = {check_allocate(check->events_count, sizeof(struct ordered)), 0};
    struct ordered *speaking = check_allocate(check->events_count, sizeof(*speaking));
    size_t count = 0;
    for (size_t i = 0; i < check->events_count; i++) {
        const struct event *event = &check->events[i];
        if (event->state != EVENT_CHANGE)
            continue;
        if (event->lsn != 0)
            changes.all[changes.count++] = (struct ordered){.first = event->lsn, .index = i};
        if (resolves_hold(event->kind) || event->kind == HISTORY_REVERSAL)
            speaking[count++] =
                (struct ordered){.first = event->refers_to, .second = event->lsn, .index = i};
    }
    check_sort(changes.all, changes.count);
    check_sort(speaking, count);
    bool lenient = could_be_unknown(check);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && speaking[end].first == speaking[i].first)
            end++;
        check_family(check, &changes, &speaking[i], end - i, lenient);
        i = end;
    }
    free(changes.all);
    free(speaking);
}
