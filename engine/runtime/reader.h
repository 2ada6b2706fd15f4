/* reader.h - looks up keys on disk for all workers: one thread, one job at a time.
 *
 * A retry costs a disk read or some; new keys get here with the probability of the filters.
 */
#ifndef FLORIN_RUNTIME_READER_H
#define FLORIN_RUNTIME_READER_H

#include <stdbool.h>
#include <stdint.h>

struct florin;
struct reader;
struct worker;

/* After the log and the key files are open. `thread` false: jobs are done by reader_step(). 0 or
 * -errno.
 */
int reader_create(struct florin *ledger, bool thread, struct reader **reader);
/* Jobs that are not done are dropped. NULL is allowed. */
void reader_destroy(struct reader *reader);

/* Hands over a job; its LSN is durable. Thread: the worker's. */
void reader_submit(struct reader *reader, struct worker *worker, int32_t number);

/* The next finished job of a worker, or LOOKUP_NONE. Thread: the worker's. */
int32_t reader_take(struct reader *reader, struct worker *worker);

/* Whether reader_take() would return one. Thread: the worker's. */
bool reader_has_finished(struct reader *reader, const struct worker *worker);

/* Does one job on the calling thread, if there is one. */
bool reader_step(struct reader *reader);

struct reader_statistics {
    uint64_t records;
    uint64_t files;
    uint64_t in_vain;
};

/* Thread: any. */
struct reader_statistics reader_statistics(const struct reader *reader);

#endif
