/* check_internal.h - what the parts of the checker share.
 *
 *     buffers -> attempts --(by key)--> events --(records)--> events --> entries -> rules, graph
 *
 * An event is a request with its final answer, or a record that nobody asked for; an entry is one
 * leg of an event, in the order of accounts and versions.
 */
#ifndef TESTS_HISTORIES_CHECK_INTERNAL_H
#define TESTS_HISTORIES_CHECK_INTERNAL_H

#include "histories/checker.h"

#define NO_EVENT UINT32_MAX

enum event_state {
    EVENT_CHANGE,   /* applied */
    EVENT_SIGHT,    /* read, or a rejection that may have shown a version */
    EVENT_IN_DOUBT, /* never answered, and found in no record */
    EVENT_NOTHING,  /* certainly not applied, and showed nothing */
};

struct event {
    enum history_kind kind;
    enum event_state state;
    enum history_outcome outcome;
    uint32_t partner; /* request: its record; record: its request; NO_EVENT: none yet */
    uint64_t key;
    uint64_t lsn;
    uint64_t refers_to;
    int64_t minimum;
    uint64_t earliest_ns; /* its effect or sight was at a moment between these two */
    uint64_t latest_ns;
    size_t first_leg; /* in the check's legs */
    size_t legs_count;
    struct history_place place; /* the attempt that was answered, or the first one */
};

struct entry {
    uint64_t account;
    uint64_t version; /* 0: a leg without a version, or a sight of no account */
    uint32_t event;
    uint32_t leg;
    bool is_sight;
};

struct attempt {
    const struct history_operation *operation;
    struct history_place place;
};

struct check {
    struct history_report *report;
    struct history_violation unseen; /* beyond those that the report describes */
    struct attempt *attempts;
    size_t attempts_count;
    struct attempt *records; /* rows, as read */
    size_t records_count;
    uint64_t *crashes_ns; /* ascending */
    size_t crashes_count;
    struct event *events; /* requests, then records that nobody asked for */
    size_t events_count;
    struct history_leg *legs;
    size_t legs_count;
    struct entry *entries;
    size_t entries_count;
};

/* Aborts when memory is out. */
void *check_allocate(size_t count, size_t size);

/* A number of something, and what it is to be sorted by. */
struct ordered {
    uint64_t first;
    uint64_t second;
    size_t index;
};
void check_sort(struct ordered *items, size_t count);

/* A new violation, to be described further; a slot that is thrown away when there are enough. */
struct history_violation *check_violation(struct check *check, enum history_rule rule,
                                          uint64_t account, uint64_t version);
void check_involve(struct history_violation *violation, struct history_place place);

/* The first crash after a moment; HISTORY_NEVER: none. */
uint64_t check_next_crash(const struct check *check, uint64_t after_ns);

/* The end of the run of entries of one account that begins at `first`. */
size_t check_account_end(const struct check *check, size_t first);

static inline const struct event *check_event(const struct check *check, const struct entry *entry)
{
    return &check->events[entry->event];
}

/* The groups of rules, in their order. */
void check_requests(struct check *check);
void check_records(struct check *check);
void check_money(struct check *check);
void check_list_entries(struct check *check); /* no rule: makes the entries */
void check_versions(struct check *check);
void check_fold(struct check *check);
void check_sights(struct check *check);
void check_links(struct check *check);
void check_lsn_order(struct check *check);
void check_real_time(struct check *check);
void check_graph(struct check *check);

#endif
