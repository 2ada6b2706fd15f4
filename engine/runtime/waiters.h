/* waiters.h - the results of one worker that may not be seen yet.
 *
 *     free -> staging -> batch ... batch -> done -> free
 *                \__________\_____________/
 *
 * A result waits with the batch whose records make it durable: in `staging` until the worker's
 * stage is handed to the log, then in the batch that was handed over. Batches become durable in
 * order. A read joins the batch of the newest record that it shows, and so never waits for a
 * younger one. `done` holds local results until the front end reaps them.
 *
 * A waiter whose deadline passes is answered at once, but stays in its batch until that is durable:
 * it goes on saying which version of its account is not durable yet. The answer is a copy, for
 * which WAITERS_RESERVE places are kept free.
 *
 * Records of other workers may change accounts of this one (postings): who waits for such a record
 * waits in a batch of its own, which commits of others make durable. What such a record has done to
 * an account, and what a posting has done to accounts besides its first, is noted in the batch as
 * well, for waiters_durable_version().
 *
 * All memory is taken at creation. Thread: the worker's.
 */
#ifndef FLORIN_RUNTIME_WAITERS_H
#define FLORIN_RUNTIME_WAITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin.h"

enum {
    WAITER_NONE = -1,
    /* Batches handed over and not durable: one a round of the loop (10 us and more), while
     * one commit takes some 100 us to some ms. */
    WAITERS_BATCHES_MAX = 1024,
    /* Places that commands do not get: for the copies of expired answers of one round. */
    WAITERS_RESERVE = 1024,
    /* Places that notes leave to commands that are being executed. */
    WAITERS_NOTE_RESERVE = 64,
};

struct waiter {
    struct florin_result result;
    uint32_t account_slot; /* SHARD_NO_SLOT: none */
    int32_t next;
    uint16_t endpoint; /* who asked */
    uint8_t raised;    /* versions of the account that its record has added */
    bool staged;       /* has a record of its own */
    bool answered;     /* its deadline has passed */
};

struct waiter_list {
    int32_t head;
    int32_t tail;
};

struct waiter_batch {
    uint64_t last_lsn;
    uint64_t deadline_ns; /* monotonic */
    struct waiter_list list;
    struct waiter_list notes; /* nobody waits for these */
    int32_t answered;         /* the last one of the list that has expired, or WAITER_NONE */
};

/* The version of an account before the oldest of its records that wait. */
struct waiter_version {
    uint32_t account_slot;
    uint32_t generation; /* of waiters.versions_generation, else the entry is free */
    uint64_t version;
};

enum {
    /* Entries of the table of versions: at most half are taken. A power of two. */
    WAITERS_VERSIONS = 2 * FLORIN_WAITERS_MAX,
};

struct waiters {
    struct waiter *pool;
    char *texts;       /* FLORIN_METADATA_MAX for each of the pool */
    int32_t free;      /* given back */
    int32_t untouched; /* from here on nobody was ever taken: memory comes as it is needed */
    uint32_t free_count;
    uint32_t unanswered;          /* in staging and batches */
    struct waiter_batch staging;  /* last_lsn is not known yet */
    struct waiter_batch *batches; /* ring of WAITERS_BATCHES_MAX */
    uint32_t batch_first;
    uint32_t batch_count;
    struct waiter_list done;
    uint64_t foreign_lsn; /* the newest record of another worker that was waited for */
    /* Made when it is asked for, so that many answers at once (a deadline, a failed disk, a batch)
     * do not walk over all waiters each. */
    struct waiter_version *versions;
    uint32_t versions_generation;
    bool versions_known; /* nothing has changed since */
};

/* 0 or -ENOMEM. */
int waiters_init(struct waiters *waiters);
void waiters_deinit(struct waiters *waiters);

static inline struct waiter *waiters_at(struct waiters *waiters, int32_t number)
{
    return &waiters->pool[number];
}

/* Whether `count` new commands may take places, besides `promised` answers that will need one. */
static inline bool waiters_have_room(const struct waiters *waiters, uint32_t promised,
                                     uint32_t count)
{
    return waiters->free_count >= WAITERS_RESERVE + promised + count;
}

/* Copies what its result shows of the shard's memory, which changes while the result waits. It
 * stays readable until the place is taken again. */
void waiters_keep_metadata(struct waiters *waiters, int32_t number);

/* WAITER_NONE: all are taken. */
int32_t waiters_take(struct waiters *waiters);
void waiters_give_back(struct waiters *waiters, int32_t number);

void waiter_list_append(struct waiters *waiters, struct waiter_list *list, int32_t number);
/* WAITER_NONE: empty. */
int32_t waiter_list_pop(struct waiters *waiters, struct waiter_list *list);

/* Waits for the stage. */
void waiters_stage(struct waiters *waiters, int32_t number, uint64_t deadline_ns);

/* The stage was handed over with these LSNs: provisional ones in results become real, and staging
 * becomes the newest batch. Needs waiters_can_seal(). */
bool waiters_can_seal(const struct waiters *waiters);
void waiters_seal(struct waiters *waiters, uint64_t first_lsn, uint64_t last_lsn);

/* Joins the batch that holds the record `lsn`, which is handed over and not yet durable; of another
 * worker: the first one that is younger, or a new one. */
void waiters_join(struct waiters *waiters, int32_t number, uint64_t lsn, uint64_t deadline_ns);

/* Notes that the record `lsn` (provisional: of the stage) raised an account to `version`. Without a
 * free place besides `promised` answers it is not noted. */
void waiters_note(struct waiters *waiters, uint32_t promised, uint32_t account_slot,
                  uint64_t version, uint8_t raised, uint64_t lsn, uint64_t deadline_ns);

/* Whether somebody waits for a record of another worker. */
static inline bool waiters_wait_for_others(const struct waiters *waiters, uint64_t durable_lsn)
{
    return waiters->foreign_lsn > durable_lsn;
}

/* Removes the oldest waiter of a durable batch that is not answered, or WAITER_NONE. */
int32_t waiters_pop_durable(struct waiters *waiters, uint64_t durable_lsn);

/* Whether the oldest batch is durable. */
bool waiters_have_durable(const struct waiters *waiters, uint64_t durable_lsn);

/* The oldest unanswered waiter whose deadline has passed, marked as answered (the caller answers
 * with a copy), or WAITER_NONE. */
int32_t waiters_next_expired(struct waiters *waiters, uint64_t now_ns);

/* The earliest deadline; UINT64_MAX: nobody waits. */
uint64_t waiters_next_deadline(const struct waiters *waiters);

/* The version that an account would have if nothing of what waits became durable; `version` when
 * nothing of the account waits. */
uint64_t waiters_durable_version(struct waiters *waiters, uint32_t account_slot, uint64_t version);

#endif
