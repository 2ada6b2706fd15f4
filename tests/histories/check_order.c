/* check_order.c - the order of versions and of the log agrees with real time.
 *
 * One before the other in real time: it returned before the other was invoked. So an order of
 * events is right when nothing in it returned before something that stands earlier was invoked:
 * one pass with the latest invocation so far. Many may have returned before that one; it is accused
 * once, with the first of them.
 */
#include "histories/check_internal.h"

#include <stdlib.h>

static void report_pair(struct check *check, enum history_rule rule, const struct entry *where,
                        const struct event *earlier, const struct event *later)
{
    struct history_violation *violation = check_violation(
        check, rule, where == NULL ? 0 : where->account, where == NULL ? 0 : where->version);
    check_involve(violation, earlier->place);
    check_involve(violation, later->place);
}

/* --- the log --------------------------------------------------------------------------------- */

static void check_lsn_of_versions(struct check *check)
{
    const struct entry *before = NULL;
    for (size_t i = 0; i < check->entries_count; i++) {
        const struct entry *entry = &check->entries[i];
        const struct event *event = check_event(check, entry);
        if (entry->is_sight || entry->version == 0 || event->lsn == 0)
            continue;
        if (before != NULL && before->account == entry->account && before->event != entry->event &&
            check_event(check, before)->lsn >= event->lsn)
            report_pair(check, HISTORY_LSN_ORDER, entry, check_event(check, before), event);
        before = entry;
    }
}

static void check_lsn_in_time(struct check *check)
{
    struct ordered *by_lsn = check_allocate(check->events_count, sizeof(*by_lsn));
    size_t count = 0;
    for (size_t i = 0; i < check->events_count; i++) {
        if (check->events[i].state == EVENT_CHANGE && check->events[i].lsn != 0)
            by_lsn[count++] = (struct ordered){.first = check->events[i].lsn, .index = i};
    }
    check_sort(by_lsn, count);
    const struct event *newest = NULL;
    const struct event *accused = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct event *event = &check->events[by_lsn[i].index];
        if (newest != NULL && newest != accused && event->latest_ns < newest->earliest_ns) {
            report_pair(check, HISTORY_LSN_REAL_TIME, NULL, event, newest);
            accused = newest;
        }
        if (newest == NULL || event->earliest_ns > newest->earliest_ns)
            newest = event;
    }
    free(by_lsn);
}

void check_lsn_order(struct check *check)
{
    check_lsn_of_versions(check);
    if (check->report->violations_count == 0)
        check_lsn_in_time(check);
}

/* --- versions in real time ------------------------------------------------------------------- */

/* `later` was invoked after `earlier` returned, and stands in front of it. */
static enum history_rule name_rule(const struct check *check, const struct entry *earlier,
                                   const struct entry *later)
{
    const struct event *first = check_event(check, earlier);
    const struct event *second = check_event(check, later);
    if (!later->is_sight)
        return earlier->is_sight ? HISTORY_READ_FROM_FUTURE : HISTORY_REAL_TIME;
    if (check_next_crash(check, first->latest_ns) >= second->earliest_ns)
        return HISTORY_STALE_READ;
    return earlier->is_sight ? HISTORY_OBSERVED_GONE : HISTORY_ACKNOWLEDGED_GONE;
}

/* The latest invoked of all lower ranks; NULL: none. */
struct newest {
    const struct entry *change;
    const struct entry *sight;
    const struct entry *accused; /* the last one that was reported */
};

static void take_newest(const struct check *check, struct newest *newest, const struct entry *entry)
{
    const struct entry **kind = entry->is_sight ? &newest->sight : &newest->change;
    if (*kind == NULL ||
        check_event(check, entry)->earliest_ns > check_event(check, *kind)->earliest_ns)
        *kind = entry;
}

/* Whether `entry` returned before an earlier-ranked one was invoked. */
static bool is_too_early(const struct check *check, const struct entry *entry,
                         const struct entry *newest)
{
    return newest != NULL &&
           check_event(check, entry)->latest_ns < check_event(check, newest)->earliest_ns;
}

static void check_entry_in_time(struct check *check, const struct entry *entry,
                                struct newest *newest)
{
    const struct entry *later = newest->change;
    if (!is_too_early(check, entry, later))
        later = newest->sight;
    if (!is_too_early(check, entry, later) || later == newest->accused)
        return;
    report_pair(check, name_rule(check, entry, later), later, check_event(check, entry),
                check_event(check, later));
    newest->accused = later;
}

/* The changes of an account and those who saw them, by rank: 2 * version for the change, and one
 * more for all who saw it, between whom there is no order. */
static void check_account_in_time(struct check *check, size_t first, size_t end)
{
    struct newest newest = {NULL, NULL, NULL};
    for (size_t i = first; i < end;) {
        const struct entry *head = &check->entries[i];
        size_t rank_end = i + 1;
        while (rank_end < end && check->entries[rank_end].version == head->version &&
               check->entries[rank_end].is_sight && head->is_sight)
            rank_end++;
        bool is_loose = !head->is_sight && head->version == 0;
        for (size_t j = i; j < rank_end && !is_loose; j++)
            check_entry_in_time(check, &check->entries[j], &newest);
        for (size_t j = i; j < rank_end && !is_loose; j++)
            take_newest(check, &newest, &check->entries[j]);
        i = rank_end;
    }
}

void check_real_time(struct check *check)
{
    for (size_t first = 0; first < check->entries_count;) {
        size_t end = check_account_end(check, first);
        check_account_in_time(check, first, end);
        first = end;
    }
}
