/* check_records.c - what was asked and answered, held against the log as it was read at the end.
 *
 * Rows of one LSN become one record. A request finds its record by LSN, else by key, else by the
 * version that it was told, else by its shape: kind, accounts and amounts. Of several requests of
 * one shape nobody can say which is which record; only their numbers are compared then, and each
 * record gets the time between the first invocation and the last return of all of them.
 *
 * Afterwards a request that was applied has all its legs with versions, and one in doubt that is in
 * no record was not applied. Without any records nothing is done.
 */
#include "histories/check_internal.h"

#include <stdlib.h>

struct records {
    struct event *all; /* in the order of their LSN */
    size_t count;
};

static void differs(struct check *check, enum history_rule rule, const struct event *one,
                    const struct event *other)
{
    struct history_violation *violation = check_violation(check, rule, 0, 0);
    check_involve(violation, one->place);
    check_involve(violation, other->place);
}

/* --- rows become records --------------------------------------------------------------------- */

static int compare_rows(const void *left, const void *right)
{
    const struct attempt *a = left;
    const struct attempt *b = right;
    if (a->operation->lsn != b->operation->lsn)
        return a->operation->lsn < b->operation->lsn ? -1 : 1;
    if (a->place.buffer != b->place.buffer)
        return a->place.buffer->client < b->place.buffer->client ? -1 : 1;
    return (a->place.operation > b->place.operation) - (a->place.operation < b->place.operation);
}

static bool same_amount(int64_t one, int64_t other)
{
    return one == HISTORY_UNKNOWN || other == HISTORY_UNKNOWN || one == other;
}

static bool same_leg(const struct history_leg *one, const struct history_leg *other)
{
    return one->account == other->account && one->balance_delta == other->balance_delta &&
           one->held_delta == other->held_delta &&
           (one->version == 0 || other->version == 0 || one->version == other->version) &&
           same_amount(one->balance, other->balance) && same_amount(one->held, other->held);
}

/* Takes over a leg of a row, unless another row has told the same. */
static void add_leg(struct check *check, struct event *record, const struct history_leg *leg,
                    struct history_place place)
{
    for (size_t i = 0; i < record->legs_count; i++) {
        const struct history_leg *known = &check->legs[record->first_leg + i];
        if (known->account != leg->account || known->version != leg->version)
            continue;
        if (!same_leg(known, leg)) {
            struct history_violation *violation =
                check_violation(check, HISTORY_LSN_TWICE, leg->account, leg->version);
            check_involve(violation, record->place);
            check_involve(violation, place);
        }
        return;
    }
    check->legs[check->legs_count++] = *leg;
    record->legs_count++;
}

static void begin_record(struct check *check, struct event *record, const struct attempt *row)
{
    *record = (struct event){
        .kind = row->operation->kind,
        .state = EVENT_CHANGE,
        .outcome = HISTORY_APPLIED,
        .partner = NO_EVENT,
        .key = row->operation->key,
        .lsn = row->operation->lsn,
        .refers_to = row->operation->refers_to,
        .minimum = row->operation->minimum,
        .latest_ns = HISTORY_NEVER,
        .first_leg = check->legs_count,
        .place = row->place,
    };
}

static void make_records(struct check *check, struct records *records)
{
    qsort(check->records, check->records_count, sizeof(*check->records), compare_rows);
    records->all = check_allocate(check->records_count, sizeof(*records->all));
    for (size_t i = 0; i < check->records_count; i++) {
        const struct attempt *row = &check->records[i];
        const struct history_operation *operation = row->operation;
        struct event *record = records->count == 0 ? NULL : &records->all[records->count - 1];
        if (record == NULL || record->lsn != operation->lsn) {
            record = &records->all[records->count++];
            begin_record(check, record, row);
        } else if (record->kind != operation->kind || record->key != operation->key ||
                   record->refers_to != operation->refers_to) {
            struct history_violation *violation = check_violation(check, HISTORY_LSN_TWICE, 0, 0);
            check_involve(violation, record->place);
            check_involve(violation, row->place);
        }
        const struct history_leg *legs = row->place.buffer->legs + operation->first_leg;
        for (size_t leg = 0; leg < operation->legs_count; leg++) {
            add_leg(check, record, &legs[leg], row->place);
            if (operation->lsn == 0 || legs[leg].version == 0 ||
                record->legs_count > HISTORY_LEGS_MAX)
                check_involve(check_violation(check, HISTORY_RECORDING, 0, 0), row->place);
        }
    }
}

/* --- a request and its record become one ----------------------------------------------------- */

static bool has_account(const struct history_leg *legs, size_t count, uint64_t account)
{
    for (size_t i = 0; i < count; i++) {
        if (legs[i].account == account)
            return true;
    }
    return false;
}

/* Whether the record lacks a leg of the request, and not only has another one instead. */
static bool lacks_leg(const struct check *check, const struct event *request,
                      const struct event *record)
{
    const struct history_leg *found = &check->legs[record->first_leg];
    bool lacks = record->legs_count < request->legs_count;
    for (size_t i = 0; i < request->legs_count && !lacks; i++)
        lacks =
            !has_account(found, record->legs_count, check->legs[request->first_leg + i].account);
    return lacks;
}

/* Each leg of the request finds one of its own in the record, and both know what either does. */
static bool match_legs(struct check *check, const struct event *request, const struct event *record)
{
    bool used[HISTORY_LEGS_MAX] = {false};
    if (request->legs_count != record->legs_count)
        return false;
    for (size_t i = 0; i < request->legs_count; i++) {
        const struct history_leg *leg = &check->legs[request->first_leg + i];
        struct history_leg *found = NULL;
        for (size_t j = 0; j < record->legs_count && found == NULL; j++) {
            struct history_leg *candidate = &check->legs[record->first_leg + j];
            if (!used[j] && same_leg(leg, candidate)) {
                used[j] = true;
                found = candidate;
            }
        }
        if (found == NULL)
            return false;
        found->expected_version = leg->expected_version;
        if (found->balance == HISTORY_UNKNOWN)
            found->balance = leg->balance;
        if (found->held == HISTORY_UNKNOWN)
            found->held = leg->held;
    }
    return true;
}

/* The request's answer is compared with the record, and its legs become the record's. */
static void adopt(struct check *check, struct event *request, struct event *record,
                  struct records *records)
{
    if (lacks_leg(check, request, record)) {
        differs(check, HISTORY_LEG_MISSING, request, record);
    } else if (request->kind != record->kind ||
               (record->refers_to != 0 && request->refers_to != record->refers_to) ||
               (record->key != 0 && request->key != record->key) ||
               !match_legs(check, request, record)) {
        differs(check, HISTORY_RECORD_DIFFERS, request, record);
    }
    request->state = EVENT_CHANGE;
    request->lsn = record->lsn;
    request->first_leg = record->first_leg;
    request->legs_count = record->legs_count;
    request->partner = (uint32_t)(record - records->all);
    record->partner = (uint32_t)(request - check->events);
}

/* Whether a request still looks for its record. */
static bool is_alone(const struct event *request)
{
    return request->partner == NO_EVENT &&
           (request->state == EVENT_CHANGE || request->state == EVENT_IN_DOUBT);
}

static void match_by_lsn(struct check *check, struct records *records)
{
    struct ordered *requests = check_allocate(check->events_count, sizeof(*requests));
    size_t count = 0;
    for (size_t i = 0; i < check->events_count; i++) {
        if (check->events[i].state == EVENT_CHANGE && check->events[i].lsn != 0)
            requests[count++] = (struct ordered){.first = check->events[i].lsn, .index = i};
    }
    check_sort(requests, count);
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        struct event *request = &check->events[requests[i].index];
        while (next < records->count && records->all[next].lsn < request->lsn)
            next++;
        if (next < records->count && records->all[next].lsn == request->lsn)
            adopt(check, request, &records->all[next], records);
        else
            check_involve(check_violation(check, HISTORY_ACKNOWLEDGED_LOST, 0, 0), request->place);
    }
    free(requests);
}

/* A record and the request of its key, in whatever state that is. */
static void meet_by_key(struct check *check, struct event *request, struct event *record,
                        struct records *records)
{
    if (record->partner != NO_EVENT)
        return;
    if (is_alone(request) && request->lsn == 0)
        adopt(check, request, record, records);
    else if (request->state == EVENT_CHANGE)
        differs(check, HISTORY_KEY_APPLIED_TWICE, request, record);
    else
        differs(check, HISTORY_REFUSED_APPLIED, request, record);
}

static void match_by_key(struct check *check, struct records *records)
{
    /* Requests before records of the same key. */
    struct ordered *keys = check_allocate(check->events_count + records->count, sizeof(*keys));
    size_t count = 0;
    for (size_t i = 0; i < check->events_count; i++) {
        if (check->events[i].key != 0)
            keys[count++] = (struct ordered){.first = check->events[i].key, .index = i};
    }
    for (size_t i = 0; i < records->count; i++) {
        if (records->all[i].key != 0)
            keys[count++] = (struct ordered){.first = records->all[i].key, .second = 1, .index = i};
    }
    check_sort(keys, count);
    for (size_t i = 1; i < count; i++) {
        if (keys[i].first != keys[i - 1].first || keys[i].second == 0)
            continue;
        struct event *record = &records->all[keys[i].index];
        if (keys[i - 1].second == 0)
            meet_by_key(check, &check->events[keys[i - 1].index], record, records);
        else
            differs(check, HISTORY_KEY_APPLIED_TWICE, &records->all[keys[i - 1].index], record);
    }
    free(keys);
}

/* Requests that were told a version but no LSN: the record that has the version. */
static void match_by_version(struct check *check, struct records *records)
{
    struct ordered *made = check_allocate(check->legs_count, sizeof(*made));
    size_t count = 0;
    for (size_t i = 0; i < records->count; i++) {
        const struct event *record = &records->all[i];
        for (size_t leg = 0; leg < record->legs_count && record->partner == NO_EVENT; leg++)
            made[count++] = (struct ordered){check->legs[record->first_leg + leg].account,
                                             check->legs[record->first_leg + leg].version, i};
    }
    check_sort(made, count);
    for (size_t i = 0; i < check->events_count; i++) {
        struct event *request = &check->events[i];
        const struct history_leg *told = &check->legs[request->first_leg];
        if (!is_alone(request) || request->lsn != 0 || told->version == 0)
            continue;
        size_t low = 0;
        size_t high = count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (made[middle].first < told->account ||
                (made[middle].first == told->account && made[middle].second < told->version))
                low = middle + 1;
            else
                high = middle;
        }
        if (low < count && made[low].first == told->account && made[low].second == told->version &&
            records->all[made[low].index].partner == NO_EVENT)
            adopt(check, request, &records->all[made[low].index], records);
    }
    free(made);
}

/* --- by shape -------------------------------------------------------------------------------- */

/* The finalizer of splitmix64 (Vigna). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Equal for what could be the same, whatever the order of the legs. */
static uint64_t shape_of(const struct check *check, const struct event *event)
{
    uint64_t shape = mix((uint64_t)event->kind + 1) ^ mix(event->refers_to + 0x51ed);
    for (size_t i = 0; i < event->legs_count; i++) {
        const struct history_leg *leg = &check->legs[event->first_leg + i];
        shape +=
            mix(mix(mix(leg->account) + (uint64_t)leg->balance_delta) + (uint64_t)leg->held_delta);
    }
    return shape;
}

/* Requests and records of one shape: applied requests, requests in doubt, records. */
static void settle_shape(struct check *check, struct records *records, const struct ordered *same,
                         size_t count)
{
    size_t members[3] = {0};
    uint64_t earliest_ns = HISTORY_NEVER;
    uint64_t latest_ns = 0;
    for (size_t i = 0; i < count; i++) {
        members[same[i].second]++;
        if (same[i].second == 2)
            continue;
        const struct event *request = &check->events[same[i].index];
        earliest_ns = request->earliest_ns < earliest_ns ? request->earliest_ns : earliest_ns;
        latest_ns = request->latest_ns > latest_ns ? request->latest_ns : latest_ns;
    }
    size_t requests = members[0] + members[1];
    for (size_t i = members[2]; i < members[0]; i++)
        check_involve(check_violation(check, HISTORY_ACKNOWLEDGED_LOST, 0, 0),
                      check->events[same[i].index].place);
    for (size_t i = 0; i < members[2] && i < requests; i++) {
        struct event *request = &check->events[same[i].index];
        request->earliest_ns = earliest_ns;
        request->latest_ns = latest_ns;
        if (requests > 1) {
            for (size_t leg = 0; leg < request->legs_count; leg++) {
                check->legs[request->first_leg + leg].balance = HISTORY_UNKNOWN;
                check->legs[request->first_leg + leg].held = HISTORY_UNKNOWN;
                check->legs[request->first_leg + leg].expected_version = 0;
            }
        }
        adopt(check, request, &records->all[same[requests + i].index], records);
    }
}

static void match_by_shape(struct check *check, struct records *records)
{
    struct ordered *shapes = check_allocate(check->events_count + records->count, sizeof(*shapes));
    size_t count = 0;
    for (size_t i = 0; i < check->events_count; i++) {
        const struct event *request = &check->events[i];
        if (is_alone(request) && request->lsn == 0)
            shapes[count++] = (struct ordered){shape_of(check, request),
                                               request->state == EVENT_CHANGE ? 0 : 1, i};
    }
    for (size_t i = 0; i < records->count; i++) {
        const struct event *record = &records->all[i];
        /* With a key it would have been found. */
        if (record->partner == NO_EVENT && record->key == 0)
            shapes[count++] = (struct ordered){shape_of(check, record), 2, i};
    }
    check_sort(shapes, count);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && shapes[end].first == shapes[i].first)
            end++;
        settle_shape(check, records, &shapes[i], end - i);
        i = end;
    }
    free(shapes);
}

/* Expiries are changes of their own. Nothing else happens by itself. */
static void take_the_rest(struct check *check, struct records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        const struct event *record = &records->all[i];
        if (record->partner != NO_EVENT)
            continue;
        if (record->kind == HISTORY_EXPIRE)
            check->events[check->events_count++] = *record;
        else
            check_involve(check_violation(check, HISTORY_RECORD_UNEXPLAINED, 0, 0), record->place);
    }
}

void check_records(struct check *check)
{
    /* Each step pairs what the ones before have left over: after a violation it would pair what
     * does not belong together, and see a second one. */
    static void (*const STEPS[])(struct check *, struct records *) = {
        make_records, match_by_lsn, match_by_key, match_by_version, match_by_shape, take_the_rest,
    };
    struct records records = {0};
    if (check->records_count == 0)
        return;
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
        if (check->report->violations_count == 0)
            STEPS[i](check, &records);
    }
    free(records.all);
}
