/* history.h - what clients of a ledger asked and were told, and when: the input of the checker.
 *
 * Plain numbers only: it knows neither the engine nor HTTP. Whoever records maps account names,
 * idempotency keys and clients to numbers.
 *
 * An **operation** is one attempt: a request and its answer, or the lack of one. Several attempts
 * of one logical request share a key, which no other request has (a key of the ledger is unique per
 * account; here a number is unique in the history). Its **legs** say what it touches. When it is
 * invoked they hold what the request asks for; what it did or saw is filled in when the answer
 * comes, or later (the other legs of a transfer from GET /transactions/{id}), or never: versions
 * that stay 0 are found in the records.
 *
 * A **record** is a transaction of the ledger's log as it was read when all clients had ended, by
 * account (one leg each) or by transaction (all legs); rows with one LSN are put together. Either
 * there are none, or together they are complete: all transactions of all accounts in the history.
 * With them every request in doubt is resolved. Without them a request in doubt, or a leg without
 * a version, may fill one gap in the versions of its account, and no more is known of it.
 *
 * A **crash** marks when the server was dead: read the clock behind waitpid() and before the next
 * start, and stamp invocations behind connect(): an attempt that was invoked before the mark went
 * to the server that died, so it had its effect before the mark or has none.
 *
 * Times are of one monotonic clock. An invocation is stamped before the first byte is sent, a
 * return after the last byte has come: then intervals are longer than the truth, never shorter, and
 * the checker accuses nobody wrongly.
 *
 * Thread: a buffer has one owner; one buffer a client or thread, all of them given to the checker
 * after their owners have ended. Memory that is out ends the program: tests only.
 */
#ifndef TESTS_HISTORIES_HISTORY_H
#define TESTS_HISTORIES_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_LEGS_MAX = 64 };

/* An amount, balance or sum of holds that nobody told. */
#define HISTORY_UNKNOWN INT64_MIN
/* The return of an operation that has none, or whose time nobody knows. */
#define HISTORY_NEVER UINT64_MAX

#define HISTORY_KINDS(X)                                                                           \
    X(READ, "read") /* of one account; of several: seen at one moment */                           \
    X(PAST, "past") /* a read of an older version, by number or time: it need not be the newest */ \
    X(OPEN, "open") /* one leg, its delta the opening balance */                                   \
    X(DEPOSIT, "deposit") /* one leg */                                                            \
    X(WITHDRAW, "withdraw")                                                                        \
    X(TRANSFER, "transfer") /* two legs */                                                         \
    X(POSTING, "posting")   /* any number of legs, also several of one account */                  \
    X(HOLD, "hold")         /* one leg: held rises */                                              \
    X(CAPTURE, "capture")   /* the hold's leg: held falls by all of the hold; perhaps a payee's */ \
    X(VOID, "void")         /* one leg: held falls by all of the hold */                           \
    X(EXPIRE, "expire")     /* the same; nobody asks for it, so a record alone will do */          \
    X(REVERSAL, "reversal") /* legs against those of a transaction, in full or in part */          \
    X(AMEND, "amend")       /* of limits, status, metadata: a version without an amount */

#define HISTORY_KIND_MEMBER(name, text) HISTORY_##name,
enum history_kind { HISTORY_KINDS(HISTORY_KIND_MEMBER) };

enum history_outcome {
    HISTORY_UNANSWERED,   /* no answer, a broken one, or 408 "unknown": may have been applied */
    HISTORY_APPLIED,      /* reads: answered, also with "not found" */
    HISTORY_INSUFFICIENT, /* rejected; remembered under the key */
    HISTORY_MISMATCH,     /* rejected: not the expected version; remembered under the key */
    HISTORY_REFUSED,      /* rejected for another reason, or not_applied: this attempt did nothing,
                           * another of the same key may */
};

struct history_leg {
    uint64_t account; /* any number */
    /* Applied: the version after this leg. Read, or shown by a rejection: the version that was
     * seen. 0: not told; in an answered read: there is no such account. */
    uint64_t version;
    uint64_t expected_version; /* what the request demands; 0: nothing */
    int64_t balance_delta;     /* what the request asks for; of reads 0 */
    int64_t held_delta;
    int64_t balance; /* at that version; HISTORY_UNKNOWN: not told */
    int64_t held;
};

struct history_operation {
    enum history_kind kind;
    enum history_outcome outcome;
    bool is_record;
    uint64_t key;       /* 0: none */
    uint64_t lsn;       /* of the applied transaction; 0: not told */
    uint64_t refers_to; /* CAPTURE, VOID, EXPIRE: the LSN of the hold; REVERSAL: of the original */
    int64_t minimum;    /* OPEN: what balance - held may not fall below */
    uint64_t invoke_ns;
    uint64_t return_ns; /* HISTORY_NEVER: none */
    size_t first_leg;   /* in the buffer */
    size_t legs_count;
};

struct history_buffer {
    uint32_t client; /* a name for messages */
    struct history_operation *operations;
    size_t operations_count;
    size_t operations_room;
    struct history_leg *legs;
    size_t legs_count;
    size_t legs_room;
    uint64_t *crashes_ns;
    size_t crashes_count;
    size_t crashes_room;
};

void history_buffer_init(struct history_buffer *buffer, uint32_t client);
void history_buffer_deinit(struct history_buffer *buffer);

/* A leg that asks for this change; what follows is not told yet. */
struct history_leg history_leg_of(uint64_t account, int64_t balance_delta, int64_t held_delta);

/* Begins an operation whose legs are copied: unanswered until history_return. Its number in the
 * buffer. Requests of one buffer may overlap. A change that no client asked for (an account opened
 * by an option of the server) is invoked at 0 and returns, APPLIED, at HISTORY_NEVER. */
size_t history_invoke(struct history_buffer *buffer, enum history_kind kind, uint64_t key,
                      const struct history_leg *legs, size_t legs_count, uint64_t invoke_ns);

/* Ends it; what it did or saw is put into its legs, now or later. HISTORY_UNANSWERED with the time
 * of a 408 "unknown" is the same as no answer. */
void history_return(struct history_buffer *buffer, size_t operation, enum history_outcome outcome,
                    uint64_t return_ns);

/* The operation and its legs, for filling in; valid until the next history_invoke or _record. */
struct history_operation *history_operation(struct history_buffer *buffer, size_t operation);
struct history_leg *history_legs(struct history_buffer *buffer, size_t operation);

/* A transaction, or one leg of it, as it was read at the end. `key` 0: the ledger does not say. */
size_t history_record(struct history_buffer *buffer, enum history_kind kind, uint64_t lsn,
                      uint64_t key, const struct history_leg *legs, size_t legs_count);

void history_crash(struct history_buffer *buffer, uint64_t dead_ns);

/* One line, as messages and the stories of the tests write it:
 *
 *     c3 120-150 transfer key=7 lsn=31 a1-50@4=100 a2+50@9=250
 *
 * client, invoke-return (? : none), kind, outcome unless applied, members, then legs: account,
 * delta, ~ and delta of held, @version, =balance, ~held, !expected version. Returns the length. */
size_t history_operation_format(const struct history_buffer *buffer, size_t operation, char *text,
                                size_t capacity);

const char *history_kind_name(enum history_kind kind);
/* Whether it changes nothing. */
bool history_kind_is_read(enum history_kind kind);
/* "unanswered", "applied", ... */
const char *history_outcome_name(enum history_outcome outcome);

#endif
