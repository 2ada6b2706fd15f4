/* history_walk.h - what was: pages of an account's transactions, one transaction, a balance of
 * then.
 *
 * The log is the table of transactions. Every record names the record before of each account that
 * it touches, so an account's history is a walk from its newest record back, without any memory per
 * transaction:
 *
 *     account -> record 131 -> record 77 -> record 12 (opening)
 *                  (transfer: own account's pointer, or that of a leg)
 *
 * A walk is done in steps, so that long ones can take turns. It stands on durable records only,
 * which never change: a page and its cursor stay true whatever is written meanwhile.
 *
 * Refused commands stand in the chain when a key remembers them; they are walked over, not shown.
 *
 * Thread: one at a time a reader. Commits wait for nothing here: own descriptors, no lock.
 */
#ifndef FLORIN_RUNTIME_HISTORY_WALK_H
#define FLORIN_RUNTIME_HISTORY_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/record.h"
#include "florin_limits.h"
#include "wal/log_reader.h"

enum {
    /* Bytes of a page. Holds FLORIN_HISTORY_PAGE_MAX deposits with ids and keys of 16 bytes; a page
     * of larger records ends earlier. Writing it as JSON takes a quarter of a millisecond. */
    HISTORY_PAGE_BYTES = 64 * 1024,
};

enum history_kind {
    HISTORY_PAGE,
    HISTORY_TRANSACTION,
    HISTORY_BALANCE_AT_VERSION,
    HISTORY_BALANCE_AT_TIME,
};

struct history_query {
    uint64_t user_data; /* comes back in the answer, unread */
    enum history_kind kind;
    /* Not for HISTORY_TRANSACTION. */
    uint8_t account_length;
    char account[FLORIN_ACCOUNT_ID_MAX];
    /* The account's newest record: transaction_id of a FLORIN_READ_ACCOUNT. HISTORY_TRANSACTION:
     * the wanted one. Durable, or it is NOT_FOUND. */
    uint64_t lsn;
    /* HISTORY_PAGE */
    uint64_t before_lsn; /* a record of the account, itself not shown; 0: from the newest on */
    uint32_t limit;      /* 1 to FLORIN_HISTORY_PAGE_MAX */
    uint64_t from_ns;    /* from_ns <= time of a record < to_ns */
    uint64_t to_ns;
    uint64_t version; /* HISTORY_BALANCE_AT_VERSION: > 0 */
    uint64_t at_ns;   /* HISTORY_BALANCE_AT_TIME: after the last record that is not younger */
};

enum history_status {
    HISTORY_FOUND,
    HISTORY_GONE,         /* retention has removed it */
    HISTORY_NOT_FOUND,    /* no applied record, not of the account, a version not reached yet */
    HISTORY_NOT_YET_OPEN, /* the account was opened later */
    HISTORY_FAILED,       /* `error` says why; nothing can be said */
};

struct history_answer {
    uint64_t user_data;
    enum history_kind kind;
    enum history_status status;
    int error; /* HISTORY_FAILED: -EBADMSG: damaged (the operator's log says where); -errno */
    /* Page, transaction: records, for history_next_record(). */
    uint32_t record_count;
    const uint8_t *bytes;
    /* Page: before_lsn of the next one; 0: this was the last. */
    uint64_t next_lsn;
    /* Balance: the record that made it, and the account after it. */
    uint64_t lsn;
    uint64_t version;
    int64_t balance_minor;
    uint64_t time_ns;
    uint8_t exponent;
};

/* Walks over the records of an answer, which are applied:
 *
 *     const uint8_t *at = answer->bytes;
 *     for (uint32_t i = 0; i < answer->record_count; i++)
 *         at = history_next_record(at, &lsn, &record);
 */
const uint8_t *history_next_record(const uint8_t *at, uint64_t *lsn, struct record *record);

struct history_reader;
struct storage;
struct meta;

/* 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int history_reader_open(struct storage *storage,
                                                            const struct meta *meta,
                                                            struct history_reader **reader);
/* NULL is allowed. */
void history_reader_close(struct history_reader *reader);

/* Reads of the disk so far. */
uint64_t history_reader_reads(const struct history_reader *reader);

/* The log as it is at the moment. */
struct history_now {
    uint64_t durable_lsn;
    uint64_t first_segment; /* kept */
};

/* A query under way. */
struct history_walk {
    struct history_query query;
    struct history_answer answer;
    uint64_t next; /* LSN to look at; 0: the beginning was reached */
    uint64_t last; /* LSN that was looked at last; 0: none */
    bool ended;
    uint32_t used; /* of `bytes` */
    uint8_t *bytes;
    struct log_fault fault; /* of HISTORY_FAILED */
};

/* `bytes`: HISTORY_PAGE_BYTES, aligned to 8, for the answer's records. */
void history_walk_begin(struct history_walk *walk, const struct history_query *query,
                        uint8_t *bytes);

/* Looks at up to `records_max` records. true: walk->answer is complete. */
bool history_walk_step(struct history_walk *walk, struct history_reader *reader,
                       struct history_now now, unsigned records_max);

#endif
