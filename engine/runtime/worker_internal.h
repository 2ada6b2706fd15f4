/* worker_internal.h - what worker.c and worker_execute.c share. Private to them.
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_RUNTIME_WORKER_INTERNAL_H
#define FLORIN_RUNTIME_WORKER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "florin.h"

struct worker;

/* Sends a copy of a result to who asked; local ones go to `done`, which takes a place. */
void worker_deliver_copy(struct worker *worker, unsigned endpoint,
                         const struct florin_result *result);

/* Delivers all results that have become durable. */
void worker_deliver_durable(struct worker *worker);

/* Answers what has waited until its deadline. */
void worker_deliver_expired(struct worker *worker, uint64_t now_ns);

/* Executes a command, or lets it wait for a look-up. There is room for a result and a record. */
void worker_execute(struct worker *worker, const struct florin_command *command,
                    uint64_t account_hash, unsigned endpoint, uint64_t wall_ns,
                    uint64_t deadline_ns);

/* Goes on with commands that wait for look-ups, as far as they can. */
void worker_serve_lookups(struct worker *worker);

/* When worker_serve_lookups() or worker_deliver_expired() should be called next for their sake;
 * UINT64_MAX: when something wakes the worker; 0: now. */
uint64_t worker_next_lookup_ns(struct worker *worker);

#endif
