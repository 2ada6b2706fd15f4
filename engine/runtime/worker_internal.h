/* worker_internal.h - what worker.c, worker_submit.c, worker_execute.c and worker_postings.c share.
 * Private to them.
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_RUNTIME_WORKER_INTERNAL_H
#define FLORIN_RUNTIME_WORKER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/core/shard.h"
#include "florin.h"

struct worker;

enum {
    /* Commands whose tables are prefetched together: covers a memory latency of ~100 ns with
     * some ten misses under way. */
    WORKER_WINDOW = 16,
};

/* Asserts that the calling thread is the worker's. */
void worker_assert_owner(const struct worker *worker);

/* Whether `count` more postings can begin, besides those that stand in line. Each of those has a
 * place: without one it would stand before the claims of postings that have, for ever. */
bool worker_has_room_for_postings(const struct worker *worker, uint32_t count);

/* Hands the stage to the log. false: there is no room now; it stays staged. */
bool worker_hand_over(struct worker *worker);

/* Sends a copy of a result to who asked; local ones go to `done`, which takes a place. */
void worker_deliver_copy(struct worker *worker, unsigned endpoint,
                         const struct florin_result *result);

/* Delivers all results that have become durable. */
void worker_deliver_durable(struct worker *worker);

/* Answers what has waited until its deadline. */
void worker_deliver_expired(struct worker *worker, uint64_t now_ns);

/* Executes a command, or lets it wait for a look-up, or for room in the stage. There is room for a
 * result. */
void worker_execute(struct worker *worker, const struct florin_command *command,
                    uint64_t account_hash, unsigned endpoint, uint64_t wall_ns,
                    uint64_t deadline_ns);

/* Begins a posting over several shards for a command whose result has the place `number`. */
void worker_begin_posting(struct worker *worker, const struct florin_command *command,
                          const struct shard_found *found, int32_t number, uint64_t deadline_ns);

/* A command that the coordinator gives back: its key was seen meanwhile. */
void worker_execute_again(struct worker *worker, const struct florin_command *command,
                          int32_t number, uint64_t deadline_ns);

/* What was executed waits for its records, or is delivered. */
void worker_settle(struct worker *worker, int32_t number, const struct shard_answer *answer,
                   uint64_t deadline_ns);

/* Notes the accounts of this worker besides the first that an applied posting has changed, for what
 * is durable of them. */
void worker_note_others(struct worker *worker, const struct posting *posting, uint64_t lsn,
                        uint64_t deadline_ns);

/* Messages of other workers' postings and to ours (worker_postings.c). */
void worker_take_postings(struct worker *worker);

bool worker_has_postings_to_take(const struct worker *worker);

/* Claims, decides and tells, as far as there is room. */
void worker_serve_postings(struct worker *worker);

/* Takes the next account of a claim; false: it has to wait for that. */
bool worker_take_account(struct worker *worker, uint32_t claim);

/* Goes on with a claim that has taken the account for which it stood in line. */
void worker_advance_claim(struct worker *worker, uint32_t claim);

/* Answers postings that have waited for accounts until their deadline. */
void worker_expire_postings(struct worker *worker, uint64_t now_ns);

/* When the next of them has waited so long; UINT64_MAX: none waits. */
uint64_t worker_next_posting_ns(const struct worker *worker);

/* Whether messages wait for room in a ring. */
bool worker_has_postings_to_send(const struct worker *worker);

/* Ends holds whose time is over; and when (monotonic) that is due next. */
void worker_expire_holds(struct worker *worker);
uint64_t worker_next_expiry_ns(const struct worker *worker);

/* Goes on with commands that wait for look-ups, as far as they can. */
void worker_serve_lookups(struct worker *worker);

/* When worker_serve_lookups() or worker_deliver_expired() should be called next for their sake;
 * UINT64_MAX: when something wakes the worker; 0: now. */
uint64_t worker_next_lookup_ns(struct worker *worker);

#endif
