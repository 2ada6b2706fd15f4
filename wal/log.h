/* log.h - the one write-ahead log: ordered, checksummed records, durable by group commit.
 *
 * It knows no account: a record is bytes with a place (LSN) in one order. What the order
 * means is the business of the layer above.
 *
 * How several workers share it (any worker may be the one that submits; there is no log thread):
 *
 *     log_reserve()    under a short lock: so many bytes and LSNs at the end of the gathering
 * group. The order of reservations is the order of the log. log_publish()    outside the lock:
 * copies the bytes into the reserved place. log_commit()     if no commit is under way and all
 * reservations of the gathering group are published: seals it into one frame and submits it on the
 * caller's channel. Else returns: the one whose commit or publish ends last comes here again.
 *     log_complete()   reaps the caller's channel; on success raises the durable LSN.
 *
 * One commit is in flight at a time; while it is, the next group gathers. A group is at most
 * FLORIN_GROUP_BYTES_MAX of records.
 *
 * A failed write or flush poisons the log: the durable LSN never moves again, every call that would
 * add to it answers with the errno, log_failed() tells.
 *
 * Thread: any worker for reserve, publish, commit, complete, with its own channel; the rest says.
 */
#ifndef FLORIN_WAL_LOG_H
#define FLORIN_WAL_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "florin_limits.h"
#include "meta.h"
#include "storage.h"

struct log;

/* Read by any thread while log_open() recovers. */
struct log_progress {
    _Atomic uint64_t bytes_done;
    _Atomic uint64_t bytes_total;
    _Atomic uint64_t records_done;
};

/* What recovery found, for the log line and for `florin verify`. */
enum log_end {
    LOG_END_NEW,       /* there was no log; one was begun */
    LOG_END_CLEAN,     /* a clean-shutdown mark */
    LOG_END_CRASH,     /* whole frames up to the end, no mark */
    LOG_END_TORN,      /* an unacknowledged last frame was torn; it was cut off */
    LOG_END_AMBIGUOUS, /* refused: a last frame is wrong and may have been acknowledged */
    LOG_END_DAMAGED,   /* refused: damage before something durable */
};

/* "new", "clean", "crash", "torn", "ambiguous", "damaged": for log lines and tools. Thread: any. */
const char *log_end_name(enum log_end end);

struct log_report {
    enum log_end end;
    uint64_t segments; /* that were read; likewise frames, records and bytes */
    uint64_t frames;
    uint64_t records;
    uint64_t bytes; /* of valid frames */
    uint64_t last_lsn;
    uint32_t epoch;         /* of this life of the log, after the recovery */
    uint64_t dropped_bytes; /* cut off as torn */
    /* TORN: what was cut off. AMBIGUOUS and DAMAGED, or an error of replay: where. `reason`, in
     * words (expected and found), for AMBIGUOUS and DAMAGED only. */
    char file[STORAGE_NAME_MAX];
    uint64_t offset;
    uint64_t lsn;
    char reason[192];
};

/* A place from which the log can be read without what stands before: the start of a segment. */
struct log_start {
    uint64_t segment;   /* 0: none, read from the first segment on */
    uint64_t first_lsn; /* of its first frame */
    uint64_t chain;     /* value of the frame before it */
    uint32_t epoch;     /* of the frame before it; 0: there is none */
};

enum { LOG_START_BYTES = 32 };

/* Its bytes in other files; log_start.c has the table. Decode answers false when the fields cannot
 * belong together; *start is set only on success. Thread: any; pure. */
void log_start_encode(const struct log_start *start, uint8_t bytes[LOG_START_BYTES]);
__attribute__((warn_unused_result)) bool log_start_decode(const uint8_t bytes[LOG_START_BYTES],
                                                          struct log_start *start);

struct log_options {
    struct storage *storage; /* outlives the log */
    struct meta meta;        /* log id and segment size */
    /* From where it is read; segments before may have been removed. Nothing stands there: the log
     * ends there, if durable_lsn allows it. */
    struct log_start start;
    uint64_t durable_lsn; /* known from elsewhere (a checkpoint's end); 0: nothing */
    /* Called in log order for every frame with records: `bytes` holds the records without gaps and
     * is valid during the call only. Non-zero: stop, log_open() returns it. */
    int (*replay)(void *context, uint64_t first_lsn, uint32_t record_count, const uint8_t *bytes,
                  size_t length);
    void *replay_context;
    struct log_progress *progress; /* may be NULL */
    /* A commit that had found no zeroed segment ready can go on, or the log failed in the
     * background: wake every worker. Called from the thread that prepares segments, or from the
     * one that met the failure. */
    void (*wake)(void *context);
    void *wake_context;
    /* One line of the operator's log (key=value, no newline). Any thread. May be NULL. */
    void (*log_line)(void *context, const char *line);
    void *log_context;
    /* false: segments are prepared inside log_commit(), log_open() and log_step() by the calling
     * thread, for the simulator; true: by a background thread. */
    bool background;
};

/* Locks, recovers and opens the log of a directory for writing. Raises the epoch and writes the
 * recovery frame before it returns. *log only on success; *report always.
 *
 * 0; -EBUSY: locked by another process for five seconds; -EBADMSG: damaged or ambiguous (report
 * says where); what replay returned; -errno of the machine. */
int log_open(const struct log_options *options, struct log **log, struct log_report *report);

/* The same scan without lock, without a write: for tools. Returns 0 when the log ends in a way
 * that log_open() accepts, -EBADMSG when not. */
int log_verify(const struct log_options *options, struct log_report *report);

struct log_reservation {
    uint64_t first_lsn;
    uint32_t group;  /* private to the log */
    uint32_t offset; /* private to the log */
    uint32_t length;
};

/* Buys `record_count` LSNs and `length` bytes (both > 0, length <= FLORIN_GROUP_BYTES_MAX). worker
 * < 64. 0; -EAGAIN: the gathering group is full, try after the next completion; -ENOSPC: fewer
 * zeroed segments than needed and the disk is full; -EMSGSIZE: segments are smaller than that (only
 * below 2 MiB); -errno: the log has failed. */
int log_reserve(struct log *log, unsigned worker, size_t length, uint32_t record_count,
                struct log_reservation *reservation);

/* Copies the bytes of a reservation. Every reservation is published, once, soon. */
void log_publish(struct log *log, const struct log_reservation *reservation, const uint8_t *bytes);

/* Submits the gathering group if it is its time. true: a commit was submitted on `channel`, whose
 * completion the caller must reap. now_ns: monotonic. */
bool log_commit(struct log *log, struct channel *channel, uint64_t now_ns);

/* Reaps `channel`. false: nothing was finished. true: a commit ended; *workers has a bit for every
 * worker that had records in it (all bits when the log failed): wake them. Call log_commit()
 * next, before answering anybody. now_ns: monotonic. */
bool log_complete(struct log *log, struct channel *channel, uint64_t now_ns, uint64_t *workers);

/* When nothing is under way or gathering and the newest frame does not yet say that its
 * predecessors are durable: submits an empty frame that does. Called by an idle worker
 * LOG_IDLE_MARK_NS after the last completion. true: submitted on `channel`. */
bool log_commit_idle_mark(struct log *log, struct channel *channel, uint64_t now_ns);
#define LOG_IDLE_MARK_NS UINT64_C(10000000)

/* Everything up to here, inclusive, is on stable storage. Acquire. Thread: any. */
uint64_t log_durable_lsn(const struct log *log);

/* The newest LSN given out. Thread: any. */
uint64_t log_reserved_lsn(struct log *log);

/* Start of the newest segment whose first frame is durable. All records behind the LSN that
 * log_durable_lsn() says afterwards stand at or behind it: whoever wants both asks for the start
 * first. Thread: any. */
struct log_start log_live_start(struct log *log);

/* Number of the first segment that is kept. Thread: any. */
uint64_t log_first_segment(const struct log *log);

/* Removes the kept segments with numbers below `before`, but none from that of log_live_start()
 * on; oldest first; then flushes the directory. They are gone for log_open(): it needs a start in
 * what is kept. 0; -errno: the rest is still there, or the flush failed; call it again.
 * Thread: one background thread. */
__attribute__((warn_unused_result)) int log_remove_segments(struct log *log, uint64_t before);

/* 0, or the errno that poisoned the log. Thread: any. */
int log_failed(const struct log *log);

/* Whether new changes should be refused now: 0, or -ENOSPC (fewer than two zeroed spare segments
 * and no room for more, or less than 5 percent of the disk free). Thread: any. */
int log_writable(const struct log *log);

/* With options.background false, what the background thread does otherwise: looks at the free space
 * and makes segments that are missing. true: one was made. Thread: the one that commits. */
bool log_step(struct log *log);

enum { LOG_HISTOGRAM_BUCKETS = 24 };

/* Bucket i counts values in [2^i, 2^(i+1)); the first also 0, the last all above. Thread: any. */
unsigned log_histogram_bucket(uint64_t value);

struct log_statistics {
    uint64_t commits;
    uint64_t records;
    uint64_t bytes; /* written, padding included */
    uint64_t segments_started;
    uint64_t spare_segments;
    uint64_t first_segment; /* kept */
    uint64_t live_segment;  /* that takes the next frame, if it has room */
    uint64_t removed_segments;
    uint64_t group_records[LOG_HISTOGRAM_BUCKETS];
    uint64_t commit_us[LOG_HISTOGRAM_BUCKETS];
    uint64_t commit_us_sum;
    uint64_t commit_started_ns; /* monotonic; of the commit under way; 0: none */
};
void log_statistics(const struct log *log, struct log_statistics *statistics);

/* Ends the log. `clean`: with a clean-shutdown mark, written through `channel` (blocking), if the
 * log has not failed and nothing is gathering. Nothing is under way on any other channel. */
void log_close(struct log *log, struct channel *channel, bool clean);

#endif
