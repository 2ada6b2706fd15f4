/* worker.h - one thread: some accounts, one mailbox, one event loop that the front end brings.
 *
 * A front end's loop (http/ has h2o's; embedded.c has poll()):
 *
 *     worker_attach(worker);
 *     while (...) {
 *         wait for its own descriptors and for worker_mailbox_descriptor() and
 *             worker_channel_descriptor() to be readable, at most worker_wait_ms();
 *         ... worker_submit(worker, &command) for what came in ...
 *         worker_round(worker);
 *         while ((n = worker_reap(worker, results, ROOM)) > 0) ... answer ...
 *     }
 *     worker_detach(worker);
 *
 * A command of an account that this worker owns is executed within worker_submit(); one of
 * another worker's account travels there and back as a message. Either way exactly one result
 * comes out of worker_reap() for every accepted command, after what it shows is durable, or when
 * the commit deadline has passed (COMMIT_UNKNOWN; NOT_COMMITTED when it never reached the log).
 *
 * worker_round() is where the log is fed: completions are reaped, the next group is submitted, then
 * answers go out, messages come in, and what was staged is handed over.
 *
 * Thread: every function is called on the worker's own thread (asserted).
 */
#ifndef FLORIN_RUNTIME_WORKER_H
#define FLORIN_RUNTIME_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin.h"

struct worker;

/* Makes this thread the worker's and opens its channel to the disk. 0 or -errno. */
__attribute__((warn_unused_result)) int worker_attach(struct worker *worker);

/* Waits for a commit under way, closes the channel. */
void worker_detach(struct worker *worker);

/* Readable when worker_round() has work. The first is cleared by worker_round(). Constant after
 * worker_attach(). */
int worker_mailbox_descriptor(const struct worker *worker);
int worker_channel_descriptor(const struct worker *worker);

/* Milliseconds that the loop may sleep before the next worker_round(): 0 when there is work
 * left, -1 for ever. Call it right before sleeping: from here on other threads wake this one
 * through the mailbox descriptor. */
int worker_wait_ms(struct worker *worker);

/* FLORIN_APPLIED: accepted, a result will come. Otherwise refused here and now, not applied:
 * QUEUE_FULL, or NOT_COMMITTED (stopping or failed). Strings are copied. Only after
 * ledger_recover(). */
__attribute__((warn_unused_result)) enum florin_status
worker_submit(struct worker *worker, const struct florin_command *command);

/* The same for many at once: submits them in order and returns how many were accepted; *status says
 * why the next one was not (APPLIED: all were). Faster than one by one: what they read is fetched
 * together. A quarter of each queue stays free for worker_submit(), so that work in bulk does not
 * shut out others: QUEUE_FULL comes earlier. */
__attribute__((warn_unused_result)) size_t worker_submit_many(struct worker *worker,
                                                              const struct florin_command *commands,
                                                              size_t count,
                                                              enum florin_status *status);

void worker_round(struct worker *worker);

/* Results of worker_submit() of this worker; metadata is valid until the next worker_round(). */
size_t worker_reap(struct worker *worker, struct florin_result *results, size_t count);

/* After ledger_stop() (or a failure): no worker of the ledger has anything unanswered or under way,
 * so that loops may end. */
bool worker_is_idle(const struct worker *worker);

/* The last durable version of an account that this worker owns, 0: none or not its own. For the 408
 * answer of a command that was refused by worker_submit(). */
uint64_t worker_durable_version(struct worker *worker, const char *account, size_t account_length);

#endif
