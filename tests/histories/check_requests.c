/* check_requests.c - attempts of one key become one request, with one answer.
 *
 * A request had its effect after its first attempt that may have caused it was invoked, and before
 * the first answer that tells of it returned. Unanswered ones can have it until the server dies:
 * until the first crash after the attempt, or for ever.
 */
#include "histories/check_internal.h"

#include <stdlib.h>
#include <string.h>

static int compare_attempts(const void *left, const void *right)
{
    const struct attempt *a = left;
    const struct attempt *b = right;
    if (a->operation->key != b->operation->key)
        return a->operation->key < b->operation->key ? -1 : 1;
    if (a->operation->invoke_ns != b->operation->invoke_ns)
        return a->operation->invoke_ns < b->operation->invoke_ns ? -1 : 1;
    if (a->place.buffer->client != b->place.buffer->client)
        return a->place.buffer->client < b->place.buffer->client ? -1 : 1;
    return (a->place.operation > b->place.operation) - (a->place.operation < b->place.operation);
}

static const struct history_leg *legs_of(const struct attempt *attempt)
{
    return attempt->place.buffer->legs + attempt->operation->first_leg;
}

/* Whether two attempts ask for the same. */
static bool ask_the_same(const struct attempt *one, const struct attempt *other)
{
    const struct history_operation *a = one->operation;
    const struct history_operation *b = other->operation;
    if (a->kind != b->kind || a->refers_to != b->refers_to || a->legs_count != b->legs_count)
        return false;
    for (size_t i = 0; i < a->legs_count; i++) {
        const struct history_leg *left = &legs_of(one)[i];
        const struct history_leg *right = &legs_of(other)[i];
        if (left->account != right->account || left->balance_delta != right->balance_delta ||
            left->held_delta != right->held_delta ||
            left->expected_version != right->expected_version)
            return false;
    }
    return true;
}

static bool is_well_recorded(const struct attempt *attempt)
{
    const struct history_operation *operation = attempt->operation;
    return operation->legs_count > 0 && operation->legs_count <= HISTORY_LEGS_MAX &&
           operation->invoke_ns <= operation->return_ns;
}

static bool is_final(const struct history_operation *operation)
{
    return operation->outcome == HISTORY_APPLIED || operation->outcome == HISTORY_INSUFFICIENT ||
           operation->outcome == HISTORY_MISMATCH;
}

/* What one answer tells is taken over where the other did not; false: they contradict each other.
 */
static bool merge_version(uint64_t *known, uint64_t told)
{
    if (*known == 0)
        *known = told;
    return told == 0 || *known == told;
}

static bool merge_amount(int64_t *known, int64_t told)
{
    if (*known == HISTORY_UNKNOWN)
        *known = told;
    return told == HISTORY_UNKNOWN || *known == told;
}

static bool merge_answer(struct check *check, struct event *event, const struct attempt *attempt)
{
    bool agree = event->outcome == attempt->operation->outcome &&
                 merge_version(&event->lsn, attempt->operation->lsn);
    for (size_t i = 0; i < event->legs_count && agree; i++) {
        struct history_leg *leg = &check->legs[event->first_leg + i];
        const struct history_leg *told = &legs_of(attempt)[i];
        agree = merge_version(&leg->version, told->version) &&
                merge_amount(&leg->balance, told->balance) && merge_amount(&leg->held, told->held);
    }
    return agree;
}

static struct event *begin_event(struct check *check, const struct attempt *attempt)
{
    struct event *event = &check->events[check->events_count++];
    const struct history_operation *operation = attempt->operation;
    *event = (struct event){
        .kind = operation->kind,
        .outcome = operation->outcome,
        .partner = NO_EVENT,
        .key = operation->key,
        .lsn = operation->lsn,
        .refers_to = operation->refers_to,
        .minimum = operation->minimum,
        .earliest_ns = HISTORY_NEVER,
        .first_leg = check->legs_count,
        .legs_count = operation->legs_count,
        .place = attempt->place,
    };
    memcpy(check->legs + check->legs_count, legs_of(attempt),
           operation->legs_count * sizeof(struct history_leg));
    check->legs_count += operation->legs_count;
    return event;
}

/* The attempt whose answer stands for all: the first final one, else the first. */
static const struct attempt *choose_answer(const struct attempt *attempts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_final(attempts[i].operation))
            return &attempts[i];
    }
    return &attempts[0];
}

static void set_state(struct event *event, bool may_have_been_applied)
{
    switch (event->outcome) {
    case HISTORY_APPLIED:
        event->state = history_kind_is_read(event->kind) ? EVENT_SIGHT : EVENT_CHANGE;
        break;
    case HISTORY_INSUFFICIENT:
    case HISTORY_MISMATCH:
        event->state = EVENT_SIGHT;
        break;
    case HISTORY_UNANSWERED:
    case HISTORY_REFUSED:
        if (may_have_been_applied && !history_kind_is_read(event->kind))
            event->state = EVENT_IN_DOUBT;
        else
            event->state = EVENT_NOTHING;
        break;
    }
}

static void make_request(struct check *check, const struct attempt *attempts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_well_recorded(&attempts[i]) || !ask_the_same(&attempts[0], &attempts[i])) {
            check_involve(check_violation(check, HISTORY_RECORDING, 0, 0), attempts[i].place);
            return;
        }
    }
    struct event *event = begin_event(check, choose_answer(attempts, count));
    bool answered = is_final(event->place.buffer->operations + event->place.operation);
    bool in_doubt = false;
    uint64_t first_answer_ns = HISTORY_NEVER;
    uint64_t last_chance_ns = 0;
    for (size_t i = 0; i < count; i++) {
        const struct history_operation *operation = attempts[i].operation;
        if (operation->outcome == HISTORY_REFUSED)
            continue;
        if (operation->invoke_ns < event->earliest_ns)
            event->earliest_ns = operation->invoke_ns;
        if (is_final(operation)) {
            if (operation->return_ns < first_answer_ns)
                first_answer_ns = operation->return_ns;
            if (!merge_answer(check, event, &attempts[i])) {
                struct history_violation *violation =
                    check_violation(check, HISTORY_KEY_ANSWERED_TWICE, 0, 0);
                check_involve(violation, event->place);
                check_involve(violation, attempts[i].place);
            }
        } else {
            uint64_t chance_ns = check_next_crash(check, operation->invoke_ns);
            if (chance_ns > last_chance_ns)
                last_chance_ns = chance_ns;
            in_doubt = true;
        }
    }
    event->latest_ns = answered ? first_answer_ns : last_chance_ns;
    if (event->kind == HISTORY_PAST) /* the moment it shows may be long ago */
        event->earliest_ns = 0;
    set_state(event, in_doubt);
}

/* No two requests have one LSN. */
static void check_lsn_once(struct check *check)
{
    struct ordered *by_lsn = check_allocate(check->events_count, sizeof(*by_lsn));
    size_t count = 0;
    for (size_t i = 0; i < check->events_count; i++) {
        if (check->events[i].state == EVENT_CHANGE && check->events[i].lsn != 0)
            by_lsn[count++] = (struct ordered){.first = check->events[i].lsn, .index = i};
    }
    check_sort(by_lsn, count);
    for (size_t i = 1; i < count; i++) {
        if (by_lsn[i].first != by_lsn[i - 1].first)
            continue;
        struct history_violation *violation = check_violation(check, HISTORY_LSN_TWICE, 0, 0);
        check_involve(violation, check->events[by_lsn[i - 1].index].place);
        check_involve(violation, check->events[by_lsn[i].index].place);
    }
    free(by_lsn);
}

void check_requests(struct check *check)
{
    struct attempt *attempts = check->attempts;
    qsort(attempts, check->attempts_count, sizeof(*attempts), compare_attempts);
    for (size_t i = 0; i < check->attempts_count;) {
        size_t count = 1;
        while (attempts[i].operation->key != 0 && i + count < check->attempts_count &&
               attempts[i + count].operation->key == attempts[i].operation->key)
            count++;
        make_request(check, &attempts[i], count);
        i += count;
    }
    check_lsn_once(check);
}
