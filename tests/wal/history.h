/* history.h - a log under test, with records that can be told and checked from their LSN alone.
 *
 * Record n is 8 bytes of LSN and a filling made from it, so that a replay is checked without a copy
 * of what was written. One life of a log: open, append and commit, close or abandon.
 *
 * Thread: one.
 */
#ifndef TESTS_WAL_HISTORY_H
#define TESTS_WAL_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wal/log.h"

enum { HISTORY_GROUPS_MAX = 512 };

struct history {
    struct storage *storage;
    struct channel *channel;
    struct meta meta;
    struct log *log; /* NULL: not open */
    struct log_report report;
    uint64_t replayed; /* last LSN that recovery handed over; it began with 1 or the start's */
    bool replay_is_wrong;
    uint64_t reserved; /* last LSN that was reserved */
    uint64_t durable;  /* last LSN that was said to be durable */
    /* Last LSNs of the groups in the order of the log: where a recovered log may end. */
    uint64_t group_ends[HISTORY_GROUPS_MAX];
    size_t group_count;
    int error; /* the first that an operation answered; no more is appended after it */
};

struct meta history_meta(uint64_t segment_bytes);

/* The bytes of the record, which is `length` >= 8 long. */
void history_record(uint64_t lsn, uint8_t *bytes, size_t length);

/* Begins the directory if there is no meta, and opens the log. 0 or what log_open answered. */
int history_open(struct history *history, struct storage *storage, struct channel *channel,
                 const struct meta *meta);

/* The same from a start in the log, with an LSN that is known to be durable; 0: nothing. */
int history_open_from(struct history *history, struct storage *storage, struct channel *channel,
                      const struct meta *meta, const struct log_start *start, uint64_t durable_lsn);

/* Whether `length` bytes are the `count` records from `first_lsn` on. */
bool history_records_are_right(uint64_t first_lsn, uint32_t count, const uint8_t *bytes,
                               size_t length);

/* One group of `count` records of `length` bytes: reserved and published, not committed. */
int history_append(struct history *history, uint32_t count, size_t length);

/* Commits what is gathered and waits. Afterwards it is durable, or history->error is set. */
void history_commit(struct history *history);

/* An idle mark, waited for. */
void history_mark(struct history *history);

void history_close(struct history *history, bool clean);

#endif
