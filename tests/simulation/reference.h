/* reference.h - what a ledger may answer: a slow second ledger that judges the first.
 *
 * It does not decide commands. It writes down every answer, and says when no legal order of
 * commands could have given it:
 *
 *   - each version of an account exists once, and its balance follows from the one before,
 *   - what was answered before a command was sent comes before it in the log (LSN, version, time),
 *   - a key has one answer, for ever, and another command with it is refused,
 *   - nothing that was answered or shown is missing after a restart,
 *   - a command whose answer was lost is there whole or not at all, and that stays so.
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

struct reference;

enum { REFERENCE_NO_KEY = 0 };

/* `complain` is called with every contradiction, in words. */
struct reference *reference_create(void (*complain)(void *context, const char *what),
                                   void *context);
void reference_destroy(struct reference *reference);

/* A command is sent: account number `account`, key number `key` (from 1, unique over all accounts,
 * or REFERENCE_NO_KEY). Its strings outlive the reference. `malformed`: the only status that it may
 * get; FLORIN_APPLIED: it is well-formed. Returns the number of the attempt, from 0. */
uint32_t reference_invoke(struct reference *reference, unsigned account, unsigned key,
                          const struct florin_command *command, enum florin_status malformed);

/* Its answer; a refusal of worker_submit() too. */
void reference_answer(struct reference *reference, uint32_t attempt,
                      const struct florin_result *result);

/* The process has ended: all that was not answered is in doubt. */
void reference_crash(struct reference *reference);

/* It runs again, and its log ends with this LSN. */
void reference_restart(struct reference *reference, uint64_t last_lsn);

/* After reference_restart(): every account was read and every key in doubt was tried again, and
 * nothing is in flight. Whatever is still in doubt is explained now, or will never be. */
void reference_settle(struct reference *reference);

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
