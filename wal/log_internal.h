/* log_internal.h - the log as its own files see it. log.c says how they work together.
 *
 * Thread: said at each function.
 */
#ifndef FLORIN_WAL_LOG_INTERNAL_H
#define FLORIN_WAL_LOG_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "log.h"
#include "segment.h"

enum {
    /* One in flight, one waiting, one gathering: a worker that fills a group while the disk is
     * busy can fill another one. */
    LOG_GROUPS = 3,
    /* Zeroed segments kept ahead of the live one. */
    LOG_SPARES = 2,
    /* How long another process may hold a lock: its last direct write can take half a second. */
    LOG_LOCK_TIMEOUT_MS = 5000,
    /* Between two tries to make a spare while the disk is full. */
    LOG_STORAGE_RETRY_MS = 200,
    /* Between two looks at the free space while nothing is to be done. */
    LOG_STORAGE_LOOK_MS = 1000,
    /* Below this share of the disk, writing is refused. */
    LOG_FREE_PERCENT_MIN = 5,
    LOG_WORKERS_MAX = 64,
    LOG_LINE_MAX = 256,
};

/* Records between reservation and completion. The buffer has room for a segment's header block and
 * for the frame; records are copied to where they stand in the frame. */
struct log_group {
    uint8_t *buffer;
    _Atomic uint32_t published; /* bytes; released by log_publish(), acquired by log_commit() */
    uint32_t reserved;          /* bytes */
    uint32_t record_count;
    uint64_t first_lsn;
    uint64_t workers;
};

/* A place for a frame. */
struct log_place {
    struct storage_file *file;
    struct storage_file *retired; /* the segment before, now full; NULL: no change */
    uint64_t segment;
    uint64_t offset; /* of the frame */
    bool starts_segment;
};

/* A commit under way. */
struct log_flight {
    uint8_t *buffer;
    struct log_place place;
    struct frame_header frame;
    uint64_t workers;
    uint64_t started_ns;
    bool of_group;
};

struct log_counters {
    _Atomic uint64_t commits;
    _Atomic uint64_t records;
    _Atomic uint64_t bytes;
    _Atomic uint64_t segments_started;
    _Atomic uint64_t spare_segments;
    _Atomic uint64_t first_segment;
    _Atomic uint64_t live_segment;
    _Atomic uint64_t removed_segments;
    _Atomic uint64_t group_records[LOG_HISTOGRAM_BUCKETS];
    _Atomic uint64_t commit_us[LOG_HISTOGRAM_BUCKETS];
    _Atomic uint64_t commit_us_sum;
    _Atomic uint64_t commit_started_ns;
};

struct log {
    /* set at open, then read-only */
    struct log_options options;
    struct storage_file *meta_file; /* carries a lock */
    uint32_t epoch;
    uint32_t group_capacity; /* bytes of records */
    uint8_t *mark_buffer;    /* of frames without records */

    /* under the mutex */
    pthread_mutex_t mutex;
    struct log_group groups[LOG_GROUPS]; /* group number n stands at n % LOG_GROUPS */
    uint64_t commit_number;              /* the next group to commit */
    uint64_t gather_number;              /* the one that takes reservations */
    bool committing;
    uint64_t next_lsn;
    uint64_t newest_durable_lsn; /* that the newest frame speaks of */
    struct storage_file *live;   /* NULL: the first segment was not begun */
    uint64_t live_segment;
    uint64_t live_offset;        /* where the next frame goes */
    struct log_start live_start; /* of the newest segment with a durable frame */
    struct storage_file **spares;
    uint32_t spare_count;
    uint32_t spare_max;
    bool waiting_for_spare;
    bool stop_spares;

    /* the committing thread's, from setting `committing` to clearing it */
    struct log_flight flight;
    uint64_t chain;

    /* the preparer's (log_spares.c), or with options.background false: the only thread's */
    uint64_t spare_number; /* of the next spare to make */
    bool storage_was_full;
    pthread_t spares_thread;
    pthread_cond_t spares_wanted;
    atomic_bool spares_give_up;

    /* read by any thread without the mutex */
    _Atomic uint64_t durable_lsn;
    _Atomic int failed;        /* errno, positive */
    _Atomic bool disk_is_full; /* the last spare could not be made */
    _Atomic bool space_is_low; /* less than LOG_FREE_PERCENT_MIN free */
    struct log_counters counters;
};

/* --- log.c */

/* log_open() with another patience. */
int log_open_within(const struct log_options *options, unsigned lock_timeout_ms, struct log **log,
                    struct log_report *report);

/* Ends the log's life: the first errno stays. `what` and the place are for the operator. Thread:
 * any, without the mutex. */
void log_poison(struct log *log, int error, const char *what, uint64_t segment, uint64_t offset);

__attribute__((format(printf, 2, 3))) void log_say(const struct log *log, const char *format, ...);

/* Gives the next frame its place and moves the end of the log behind it. false: it needs a spare
 * segment and there is none. Under the mutex. */
bool log_take_place(struct log *log, uint32_t frame_bytes, struct log_place *place);

/* Seals flight.frame (kind, records, LSNs, payload set) in flight.buffer at flight.place; sets
 * the bytes to write and their offset. */
void log_seal_flight(struct log *log, const uint8_t **bytes, size_t *length, uint64_t *offset);

/* Seals and submits the flight. false: the log has failed. Thread: the committing one. */
bool log_submit(struct log *log, struct channel *channel);

/* A flight of a frame without records, at a place that is already taken. */
void log_begin_mark(struct log *log, enum frame_kind kind, struct log_place place, uint64_t now_ns);

/* Waits until the commit under way on `channel` has ended. */
void log_wait(struct log *log, struct channel *channel);

/* Adds to a counter that has one writer at a time. */
void log_count(_Atomic uint64_t *counter, uint64_t value);

/* --- log_start.c */

/* The flight is durable: if it began a segment, that is the newest place to start from. Under the
 * mutex. */
void log_note_start(struct log *log);

/* --- log_spares.c */

/* Starts the preparer's thread. 0 or -errno. */
int log_spares_start(struct log *log);
void log_spares_stop(struct log *log);

/* Makes spares until there are `count` or the disk is full, on the calling thread. 0, also when
 * full; -errno when the log failed. */
int log_spares_fill(struct log *log, uint32_t count);

/* A spare was used up. Under the mutex. */
void log_spares_want(struct log *log);

#endif
