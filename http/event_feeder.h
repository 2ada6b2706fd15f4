/* event_feeder.h - the thread that reads the log for all followers of GET /events.
 *
 *     log -> feed -> blocks of the tail, one list a form, the newest 4 MiB     followers at the end
 *                 \-> blocks for one follower, from anywhere in the log         followers behind
 *
 * What is new is written once for each form that is wanted, and shared. A follower whose position
 * is older than the list gets blocks of its own, one at a time, in the order of asking. Nothing is
 * read while nobody follows.
 *
 * A worker asks with event_feeder_take(). What it cannot have yet is announced by the worker's
 * wake descriptor; event_feeder_collect() then says what is new. News of the tail come in batches:
 * the more followers, the longer the pause in between, so that sending takes a bounded share of the
 * processors' time.
 *
 * Private to http/.
 */
#ifndef FLORIN_HTTP_EVENT_FEEDER_H
#define FLORIN_HTTP_EVENT_FEEDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/runtime/ledger.h"
#include "event_block.h"

struct event_feeder;

/* A follower's place, and what is read for it. */
struct event_cursor {
    /* set before event_feeder_join(), then read-only */
    unsigned form;
    unsigned worker;

    /* the worker's, but not while a block is read for it */
    bool from_start; /* its position is not known yet: the first event that is kept */
    uint64_t position;

    /* under the feeder's mutex */
    enum event_reading {
        EVENT_NOT_READING,
        EVENT_QUEUED,
        EVENT_READING,
        EVENT_DONE,
        EVENT_COLLECTED,
    } reading;
    struct event_cursor *next; /* in the queue, then among those that are done */
    struct event_block *block; /* that was read; NULL: see error */
    int error;                 /* -ENODATA: the events are gone; -errno */
    uint64_t first_lsn;        /* with -ENODATA: the first one that is kept */
};

/* `wake` is called when a worker should call event_feeder_collect(). 0 or -errno. */
__attribute__((warn_unused_result)) int
event_feeder_create(struct florin *ledger, uint32_t followers_max,
                    void (*wake)(void *context, unsigned worker), void *context,
                    struct event_feeder **feeder);

/* The thread. 0 or -errno. */
__attribute__((warn_unused_result)) int event_feeder_start(struct event_feeder *feeder);

/* Ends the thread, if it runs. Before the ledger is destroyed. */
void event_feeder_stop(struct event_feeder *feeder);

/* Nobody follows any more. */
void event_feeder_destroy(struct event_feeder *feeder);

/* false: there are as many followers as may be. Thread: the cursor's worker, as for the rest. */
__attribute__((warn_unused_result)) bool event_feeder_join(struct event_feeder *feeder,
                                                           struct event_cursor *cursor);

/* true: it is gone. false: a block is being read for it, and it must stay until collected. */
__attribute__((warn_unused_result)) bool event_feeder_leave(struct event_feeder *feeder,
                                                            struct event_cursor *cursor);

enum event_take {
    EVENT_TAKE_BLOCK,   /* *block has what comes next; event_feeder_release() it */
    EVENT_TAKE_TAIL,    /* nothing yet: take again when the tail has moved */
    EVENT_TAKE_LATER,   /* the same, but whether something is gone is not known yet */
    EVENT_TAKE_READING, /* take again when the cursor comes out of event_feeder_collect() */
    EVENT_TAKE_GONE,    /* cursor->first_lsn is the first that is kept */
    EVENT_TAKE_FAILED,  /* the log cannot be read */
};

enum event_take event_feeder_take(struct event_feeder *feeder, struct event_cursor *cursor,
                                  struct event_block **block);
void event_feeder_release(struct event_feeder *feeder, struct event_block *block);

/* After a wake: cursors of this worker that were read for, linked by next; and whether the tail has
 * moved since the last call. */
struct event_cursor *event_feeder_collect(struct event_feeder *feeder, unsigned worker,
                                          bool *tail_moved);

#endif
