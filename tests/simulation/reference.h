/* reference.h - what a ledger may answer: a slow second ledger that judges the first.
 *
 * It never decides what happens. After each start it is told which records the log has, in their
 * order, finds the command that each stands for, works out for itself what that command does to
 * the accounts as they are there, and then holds every answer against that:
 *
 *   - a record is of a command that was sent, once, after all that had been shown before it was
 *     sent; its status, versions and balances are what the rules say, all legs or none,
 *   - an answer shows an account as it was at some version that was durable by then, never between
 *     two legs of one posting, and never older than what anybody had been shown before,
 *   - a key has one answer, for ever, and another command with it is refused,
 *   - nothing that was answered or shown is missing after a restart,
 *   - a hold ends once; what is held cannot be spent; money is neither made nor lost.
 *
 * It shares no code with the engine and knows the public florin.h only. Linear lists throughout.
 *
 * Thread: one.
 */
#ifndef TESTS_SIMULATION_REFERENCE_H
#define TESTS_SIMULATION_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "florin.h"
#include "simulation/counters.h"

struct reference;

enum {
    REFERENCE_NO_KEY = 0,
    REFERENCE_NO_ACCOUNT = 255,
    REFERENCE_LEGS_MAX = 8,
    REFERENCE_KEY_MAX = 16,
    REFERENCE_METADATA_MAX = 64,
};

/* One account's part of a record. */
struct reference_leg {
    unsigned account;
    enum florin_direction direction;
    int64_t amount;
    uint64_t version; /* after it */
    int64_t balance;
};

/* A record of the log, as it was written. */
struct reference_record {
    uint64_t lsn;
    uint64_t time_ns;
    enum florin_command_kind kind;
    enum florin_status status;
    uint64_t target_id;
    unsigned key_length;
    char key[REFERENCE_KEY_MAX];
    /* opening, change: what the account is afterwards */
    char currency[FLORIN_CURRENCY_MAX + 1];
    int64_t minimum;
    enum florin_account_status account_status;
    unsigned metadata_length;
    char metadata[REFERENCE_METADATA_MAX];
    unsigned leg_count; /* at least 1: the account that the record is of */
    struct reference_leg legs[REFERENCE_LEGS_MAX];
};

/* The record at this position. NULL: none was seen there. */
typedef const struct reference_record *(*reference_log)(void *context, uint64_t lsn);

/* `complain` is called with every contradiction, in words. */
struct reference *reference_create(void (*complain)(void *context, const char *what), void *context,
                                   struct counters *counters);
void reference_destroy(struct reference *reference);

/* A command is sent: account number `account`, key number `key` (from 1, unique over all accounts,
 * or REFERENCE_NO_KEY). Its strings and legs outlive the reference. `malformed`: the only status
 * that it may get; FLORIN_APPLIED: it is well-formed. Returns the number of the attempt, from 0. */
uint32_t reference_invoke(struct reference *reference, unsigned account, unsigned key,
                          const struct florin_command *command, enum florin_status malformed);

/* Account numbers of the legs of the attempt that was sent last: a transfer has two. */
void reference_invoke_legs(struct reference *reference, const uint8_t *accounts, size_t count);

/* Its answer; a refusal of worker_submit() too. `durable_lsn`: of the log, when it came. */
void reference_answer(struct reference *reference, uint32_t attempt,
                      const struct florin_result *result, uint64_t durable_lsn);

/* The process has ended: all that was not answered is in doubt. */
void reference_crash(struct reference *reference);

/* It runs again, and its log ends with this LSN. */
void reference_restart(struct reference *reference, uint64_t last_lsn);

/* After reference_restart(): every account was read, and nothing is in flight. Judges all that was
 * answered since the last time, by the log up to `last_lsn`; what is still in doubt of earlier
 * lives is explained now, or will never be. */
void reference_settle(struct reference *reference, uint64_t last_lsn, reference_log log,
                      void *context);

/* Whether an attempt took effect, as far as settled. */
bool reference_took_effect(const struct reference *reference, uint32_t attempt);

/* Compares the answer of a read without taking it down: of a copy that will be thrown away. */
void reference_peek(struct reference *reference, unsigned account,
                    const struct florin_result *result);

/* The same of a key that is known, sent once more as it was first. "unknown" is no contradiction:
 * what would have to be looked up may be damaged. */
void reference_peek_key(struct reference *reference, unsigned key,
                        const struct florin_result *result);

/* The newest version that was shown; 0: none. */
uint64_t reference_version(const struct reference *reference, unsigned account);

/* Whether an answer of the key is known. */
bool reference_key_is_known(const struct reference *reference, unsigned key);

#endif
