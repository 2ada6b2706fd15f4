/* checker.h - could a strictly serializable, durable ledger have given these answers?
 *
 * Versions say the order of each account's changes, so checking is sorting and one walk over a
 * graph, O(n log n); nothing is searched for. Below, a **change** is an applied request (all
 * attempts of one key are one request) or a record nobody asked for; a **sight** is a read or a
 * rejection that showed a version. Rules are asked in this order; they stand on those before
 * them, so the first group with a violation is the last that is asked.
 *
 * Each rule, with what breaks it:
 *
 * What was recorded
 *   RECORDING            not the ledger's fault: a return before its invocation, a change without
 *                        legs, attempts of one key that ask for different things
 * Requests (check_requests.c)
 *   KEY_ANSWERED_TWICE   two final answers to attempts of one key differ (applied and rejected,
 *                        LSN, version, balance)
 *   LSN_TWICE            two requests were answered with one LSN, or what the log has under one
 *                        LSN is two different things
 * Against the records, where there are any (check_records.c)
 *   KEY_APPLIED_TWICE    two transactions in the log for one key
 *   ACKNOWLEDGED_LOST    a change was acknowledged and is not in the log
 *   REFUSED_APPLIED      a request that was only ever rejected or refused is in the log
 *   RECORD_UNEXPLAINED   a transaction in the log that nobody asked for
 *   LEG_MISSING          a change is in the log without all of its legs
 *   RECORD_DIFFERS       a change is in the log with another kind, key, amount, version or balance
 *                        than was asked for and answered
 * Each account by itself (check_accounts.c)
 *   MONEY_LOST           the legs of a change move money as its kind may not: transfers and
 *                        postings add up to 0, deposits are above it, holds move nothing. With
 *                        the next four, money is conserved at every LSN
 *   VERSION_TWICE        two legs made the same version of an account; also when a version that
 *                        was seen is used again after a crash
 *   VERSION_GAP          a version between 1 and the highest that nobody made
 *   BALANCE_FOLD         a balance that is not the one before it and the leg's amount
 *   HELD_FOLD            the same of what is held
 *   EXPECTED_VERSION     applied, though the account did not have the version that was demanded
 *   OVERDRAWN            a withdrawal, transfer, posting or hold took balance - held below the
 *                        account's minimum (as opened; not asked once it was amended)
 *   OBSERVED_LOST        a version was seen that nobody made
 *   READ_DIFFERS         a balance was seen that its version does not have
 *   REFUSED_WRONGLY      rejected as insufficient though it was enough, or for its version though
 *                        that was the demanded one
 * Changes that speak of others (check_links.c)
 *   LINK_BROKEN          a hold is resolved, or a transaction reversed, that is not there before
 *   HOLD_RESOLVED_TWICE  a hold was captured, voided or expired more than once
 *   HOLD_AMOUNT          a resolution frees more or less than the hold, or captures more
 *   REVERSED_TOO_MUCH    reversals of a transaction move more than it did, or the same way
 * Order (check_order.c)
 *   LSN_ORDER            a later version of an account has a lower LSN
 *   LSN_REAL_TIME        a change returned before another was invoked, and has the higher LSN
 *   REAL_TIME            the same of two changes of one account and their versions
 *   READ_FROM_FUTURE     a version was seen, and the answer had come before a change up to it was
 *                        invoked
 *   STALE_READ           a version was seen by one who asked after a newer one had been shown or
 *                        acknowledged
 *   ACKNOWLEDGED_GONE    a stale read with a crash in between: an acknowledged change is forgotten
 *   OBSERVED_GONE        the same of a change that was only seen
 * All accounts together (check_graph.c)
 *   CYCLE                no order of all operations agrees with the versions of all accounts and
 *                        with real time
 *
 * An unanswered request that is found applied had its effect before the next crash after its last
 * attempt, or at any time if there was none.
 *
 * Thread: one.
 */
#ifndef TESTS_HISTORIES_CHECKER_H
#define TESTS_HISTORIES_CHECKER_H

#include "histories/history.h"

#define HISTORY_RULES(X)                                                                           \
    X(RECORDING)                                                                                   \
    X(KEY_ANSWERED_TWICE)                                                                          \
    X(LSN_TWICE)                                                                                   \
    X(KEY_APPLIED_TWICE)                                                                           \
    X(ACKNOWLEDGED_LOST)                                                                           \
    X(REFUSED_APPLIED)                                                                             \
    X(RECORD_UNEXPLAINED)                                                                          \
    X(LEG_MISSING)                                                                                 \
    X(RECORD_DIFFERS)                                                                              \
    X(MONEY_LOST)                                                                                  \
    X(VERSION_TWICE)                                                                               \
    X(VERSION_GAP)                                                                                 \
    X(BALANCE_FOLD)                                                                                \
    X(HELD_FOLD)                                                                                   \
    X(EXPECTED_VERSION)                                                                            \
    X(OVERDRAWN)                                                                                   \
    X(OBSERVED_LOST)                                                                               \
    X(READ_DIFFERS)                                                                                \
    X(REFUSED_WRONGLY)                                                                             \
    X(LINK_BROKEN)                                                                                 \
    X(HOLD_RESOLVED_TWICE)                                                                         \
    X(HOLD_AMOUNT)                                                                                 \
    X(REVERSED_TOO_MUCH)                                                                           \
    X(LSN_ORDER)                                                                                   \
    X(LSN_REAL_TIME)                                                                               \
    X(REAL_TIME)                                                                                   \
    X(READ_FROM_FUTURE)                                                                            \
    X(STALE_READ)                                                                                  \
    X(ACKNOWLEDGED_GONE)                                                                           \
    X(OBSERVED_GONE)                                                                               \
    X(CYCLE)

#define HISTORY_RULE_MEMBER(name) HISTORY_##name,
enum history_rule { HISTORY_RULES(HISTORY_RULE_MEMBER) HISTORY_RULES_COUNT };

enum {
    HISTORY_VIOLATIONS_MAX = 20, /* that are described; all are counted */
    HISTORY_INVOLVED_MAX = 12,
};

/* An operation of a buffer. */
struct history_place {
    const struct history_buffer *buffer;
    size_t operation;
};

struct history_violation {
    enum history_rule rule;
    uint64_t account; /* 0, with version 0: of no single account */
    uint64_t version; /* the one that is wrong, missing or given twice */
    int64_t expected; /* of an amount: what it should be; else HISTORY_UNKNOWN */
    int64_t found;
    size_t involved_count; /* at most HISTORY_INVOLVED_MAX; of a longer cycle the first */
    struct history_place involved[HISTORY_INVOLVED_MAX];
};

struct history_report {
    size_t violations_count;                                     /* all */
    size_t violations_of[HISTORY_RULES_COUNT];                   /* by rule */
    struct history_violation violations[HISTORY_VIOLATIONS_MAX]; /* the first */
    /* What was looked at. */
    size_t attempts;
    size_t changes;
    size_t sights;
    size_t in_doubt; /* requests that nothing has resolved, or that were not applied */
    size_t crashes;
};

/* Checks the history that the buffers are together. Changes nothing in them; the report refers to
 * them. Returns the number of violations. */
size_t history_check(const struct history_buffer *const *buffers, size_t buffers_count,
                     struct history_report *report);

/* "STALE_READ" */
const char *history_rule_name(enum history_rule rule);

/* Several lines: the rule, what is wrong, the operations involved. Returns the length. */
size_t history_violation_format(const struct history_violation *violation, char *text,
                                size_t capacity);

#endif
