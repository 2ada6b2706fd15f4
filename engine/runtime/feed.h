/* feed.h - follows the log: its durable records, one after the other, and waiting for more.
 *
 *     feed_open() -> feed_seek(lsn) -> feed_next() ... 0, 0, 0, -EAGAIN -> feed_sleep() -> ...
 *
 * For a thread of the front end's own. Only durable records come out, so nobody sees what a crash
 * could take back. Commits are not delayed: the reading has descriptors and buffers of its own, and
 * whoever commits looks at one flag, which is set only while a follower sleeps.
 *
 * Thread: one at a time a feed, not a worker's. After ledger_recover(), closed before
 * ledger_destroy().
 */
#ifndef FLORIN_RUNTIME_FEED_H
#define FLORIN_RUNTIME_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/core/record.h"

struct feed;
struct florin;

/* 0, -ENOMEM. */
__attribute__((warn_unused_result)) int feed_open(struct florin *ledger, struct feed **feed);
void feed_close(struct feed *feed);

/* The next feed_next() returns the record with this LSN (> 0), also one that is not written yet. */
void feed_seek(struct feed *feed, uint64_t lsn);

/* The next durable record, a refusal too; its strings are valid until the next call. 0; -EAGAIN:
 * there is none yet; -ENODATA: retention has removed it; -EBADMSG, -errno: it cannot be read, and
 * the operator's log says why. After an error feed_next() tries the same record again. */
__attribute__((warn_unused_result)) int feed_next(struct feed *feed, struct record *record,
                                                  uint64_t *lsn);

/* The lowest LSN that is kept; 1 for an empty log. 0, -errno. */
__attribute__((warn_unused_result)) int feed_first_lsn(struct feed *feed, uint64_t *lsn);

/* Sleeps until something behind `seen_lsn` is durable or feed_wake() is called, at most timeout_ms.
 * `look` is asked right before sleeping, when from there on feed_wake() would wake this thread:
 * true: there is something else to do. One thread of a ledger at a time. */
void feed_sleep(struct florin *ledger, uint64_t seen_lsn, int timeout_ms,
                bool (*look)(void *context), void *context);

/* Thread: any. */
void feed_wake(struct florin *ledger);

#endif
