/* checker.c - the order in which the rules are asked, and what is said of a violation. */
#include "histories/check_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *check_allocate(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL)
        abort();
    return memory;
}

static int compare_ordered(const void *left, const void *right)
{
    const struct ordered *a = left;
    const struct ordered *b = right;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    if (a->second != b->second)
        return a->second < b->second ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

void check_sort(struct ordered *items, size_t count)
{
    qsort(items, count, sizeof(*items), compare_ordered);
}

static int compare_times(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;
    return (*a > *b) - (*a < *b);
}

struct history_violation *check_violation(struct check *check, enum history_rule rule,
                                          uint64_t account, uint64_t version)
{
    struct history_report *report = check->report;
    struct history_violation *violation = &check->unseen;
    if (report->violations_count < HISTORY_VIOLATIONS_MAX)
        violation = &report->violations[report->violations_count];
    report->violations_count++;
    report->violations_of[rule]++;
    *violation = (struct history_violation){
        .rule = rule,
        .account = account,
        .version = version,
        .expected = HISTORY_UNKNOWN,
        .found = HISTORY_UNKNOWN,
    };
    return violation;
}

void check_involve(struct history_violation *violation, struct history_place place)
{
    if (violation->involved_count < HISTORY_INVOLVED_MAX)
        violation->involved[violation->involved_count++] = place;
}

uint64_t check_next_crash(const struct check *check, uint64_t after_ns)
{
    size_t low = 0;
    size_t high = check->crashes_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (check->crashes_ns[middle] > after_ns)
            high = middle;
        else
            low = middle + 1;
    }
    return low == check->crashes_count ? HISTORY_NEVER : check->crashes_ns[low];
}

size_t check_account_end(const struct check *check, size_t first)
{
    size_t end = first;
    while (end < check->entries_count &&
           check->entries[end].account == check->entries[first].account)
        end++;
    return end;
}

/* Attempts, records, crashes and room for all legs. */
static void gather(struct check *check, const struct history_buffer *const *buffers, size_t count)
{
    size_t operations = 0;
    size_t legs = 0;
    for (size_t i = 0; i < count; i++) {
        operations += buffers[i]->operations_count;
        legs += buffers[i]->legs_count;
        check->crashes_count += buffers[i]->crashes_count;
    }
    assert(operations < NO_EVENT && legs < NO_EVENT);
    check->attempts = check_allocate(operations, sizeof(*check->attempts));
    check->records = check_allocate(operations, sizeof(*check->records));
    check->events = check_allocate(operations, sizeof(*check->events));
    check->legs = check_allocate(legs, sizeof(*check->legs));
    check->crashes_ns = check_allocate(check->crashes_count, sizeof(*check->crashes_ns));
    size_t crashes = 0;
    for (size_t i = 0; i < count; i++) {
        const struct history_buffer *buffer = buffers[i];
        for (size_t number = 0; number < buffer->operations_count; number++) {
            const struct history_operation *operation = &buffer->operations[number];
            const struct attempt it = {operation, {buffer, number}};
            if (operation->is_record)
                check->records[check->records_count++] = it;
            else
                check->attempts[check->attempts_count++] = it;
        }
        for (size_t crash = 0; crash < buffer->crashes_count; crash++)
            check->crashes_ns[crashes++] = buffer->crashes_ns[crash];
    }
    qsort(check->crashes_ns, crashes, sizeof(*check->crashes_ns), compare_times);
}

static void summarize(struct check *check)
{
    check->report->attempts = check->attempts_count;
    check->report->crashes = check->crashes_count;
    for (size_t i = 0; i < check->events_count; i++) {
        switch (check->events[i].state) {
        case EVENT_CHANGE:
            check->report->changes++;
            break;
        case EVENT_SIGHT:
            check->report->sights++;
            break;
        case EVENT_IN_DOUBT:
            check->report->in_doubt++;
            break;
        case EVENT_NOTHING:
            break;
        }
    }
}

size_t history_check(const struct history_buffer *const *buffers, size_t buffers_count,
                     struct history_report *report)
{
    static void (*const GROUPS[])(struct check *) = {
        check_requests,  check_records,   check_money,  check_list_entries,
        check_versions,  check_fold,      check_sights, check_links,
        check_lsn_order, check_real_time, check_graph,
    };
    struct check check = {.report = report};
    memset(report, 0, sizeof(*report));
    gather(&check, buffers, buffers_count);
    for (size_t i = 0; i < sizeof(GROUPS) / sizeof(GROUPS[0]); i++) {
        GROUPS[i](&check);
        if (report->violations_count > 0)
            break;
    }
    summarize(&check);
    free(check.attempts);
    free(check.records);
    free(check.events);
    free(check.legs);
    free(check.crashes_ns);
    free(check.entries);
    return report->violations_count;
}

#define RULE_NAME(name) [HISTORY_##name] = #name,

const char *history_rule_name(enum history_rule rule)
{
    static const char *const NAMES[] = {HISTORY_RULES(RULE_NAME)};
    return NAMES[rule];
}

/* Where the text goes on after a piece of `written` bytes, of which some may not have found room.
 */
static size_t advance(size_t length, int written, size_t capacity)
{
    size_t next = length + (written > 0 ? (size_t)written : 0);
    return next < capacity ? next : capacity - 1;
}

size_t history_violation_format(const struct history_violation *violation, char *text,
                                size_t capacity)
{
    size_t length =
        advance(0, snprintf(text, capacity, "%s", history_rule_name(violation->rule)), capacity);
    if (violation->account != 0 || violation->version != 0)
        length = advance(length,
                         snprintf(text + length, capacity - length,
                                  " account a%" PRIu64 " version %" PRIu64, violation->account,
                                  violation->version),
                         capacity);
    if (violation->expected != HISTORY_UNKNOWN)
        length = advance(
            length,
            snprintf(text + length, capacity - length, " expected %" PRId64, violation->expected),
            capacity);
    if (violation->found != HISTORY_UNKNOWN)
        length = advance(
            length, snprintf(text + length, capacity - length, " found %" PRId64, violation->found),
            capacity);
    for (size_t i = 0; i < violation->involved_count; i++) {
        length = advance(length, snprintf(text + length, capacity - length, "\n    "), capacity);
        length += history_operation_format(violation->involved[i].buffer,
                                           violation->involved[i].operation, text + length,
                                           capacity - length);
    }
    return length;
}
