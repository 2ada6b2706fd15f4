/* ledger.h - the opened ledger: a directory, its log, and the workers that own the shards.
 *
 * The internal face of the engine, for http/ and cli/ (florin.h is the public one; both are the
 * same struct florin). The difference: florin_open() runs the workers on threads of its own;
 * here the front end brings a thread for every worker and runs its loop (worker.h), so that a
 * connection, the shard and the log submission share one thread.
 *
 *     ledger_create()    opens and locks the directory; quick. Workers exist, but serve nothing.
 *     (front end)        starts one thread a worker: worker_attach(), then its loop.
 *     ledger_recover()   replays the log; workers go on answering "recovering" meanwhile.
 *                        After it, worker_submit() is allowed.
 *     ledger_stop()      new commands get NOT_COMMITTED; what is in flight is finished.
 *     (front end)        ends its loops when worker_is_idle(), worker_detach(), joins its threads.
 *     ledger_destroy()   clean-shutdown mark, unlock, free.
 */
#ifndef FLORIN_RUNTIME_LEDGER_H
#define FLORIN_RUNTIME_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin.h"

struct channel;
struct storage;
struct worker;

/* Where bytes go instead of the real directory: for tests that make a disk fail or hang. */
struct ledger_devices {
    struct storage *storage; /* outlives the ledger */
    /* Makes the channel of one worker, on the worker's thread. 0 or -errno. */
    int (*create_channel)(void *context, struct channel **channel);
    void *context;
    /* No thread is ever started: what background threads do is done by ledger_step(), segments are
     * made where they are needed, and ledger_recover() replays on the calling thread. For the
     * simulator. */
    bool single_thread;
    uint32_t keys_per_file; /* of a key file; 0: as many as are good */
};

/* As florin_open() up to the lock; `devices` NULL: the real ones as options->io says. The
 * options' strings must outlive the ledger. Thread: any. */
int ledger_create(const struct florin_options *options, const struct ledger_devices *devices,
                  struct florin **ledger);

/* 0, or as florin_open(): -EBADMSG with a log line that says what and where. Blocks; thread: any
 * but a worker's. After an error only ledger_destroy() is allowed. */
int ledger_recover(struct florin *ledger);

enum ledger_state {
    LEDGER_RECOVERING,
    LEDGER_READY,
    LEDGER_STOPPING,
    LEDGER_FAILED, /* florin_failed() tells the errno */
};

/* Thread: any. */
enum ledger_state ledger_state(const struct florin *ledger);

struct ledger_progress {
    uint64_t bytes_done; /* of checkpoint and log together */
    uint64_t bytes_total;
    uint64_t records_done;
    uint64_t accounts_done; /* loaded from the checkpoint */
    uint64_t elapsed_ms;
};

/* Of the recovery. Thread: any. */
struct ledger_progress ledger_progress(const struct florin *ledger);

unsigned ledger_worker_count(const struct florin *ledger);
struct worker *ledger_worker(struct florin *ledger, unsigned number);

/* One step of what background threads do otherwise (a look-up, a block of a checkpoint, ...). true:
 * something was done. Only with ledger_devices.single_thread, after ledger_recover(). */
bool ledger_step(struct florin *ledger);

/* Asks for a checkpoint; *number says which one it will be: it has ended when
 * ledger_keeper_statistics.checkpoints_ended reaches that number. 0; -ESHUTDOWN: not ready,
 * stopping or failed. Thread: any. */
int ledger_request_checkpoint(struct florin *ledger, uint64_t *number);

/* While held, no file that the ledger uses is removed: checkpoints, key files and log segments that
 * are there stay. What interrupted steps have left may go: half-made files, and key files that were
 * merged into another (directory_files.h lists none of these). Waits for a removal that is under
 * way. For backups. Calls nest. Thread: any, after ledger_recover(). */
void ledger_hold_files(struct florin *ledger);
void ledger_release_files(struct florin *ledger);

/* READY becomes STOPPING; wakes all workers. Thread: any; async-signal-unsafe. */
void ledger_stop(struct florin *ledger);

/* All workers are detached, all clients closed. Leaves the clean-shutdown mark when the ledger was
 * recovered and has not failed. Thread: any. */
void ledger_destroy(struct florin *ledger);

struct log_statistics;

struct ledger_statistics {
    uint64_t accounts;
    uint64_t keys;      /* all */
    uint64_t keys_held; /* of these, in memory */
    uint64_t accounts_max;
    uint64_t keys_memory; /* room for keys in memory */
    uint64_t hops;        /* commands that travelled to another worker */
    uint64_t durable_lsn;
    const char *io; /* "uring", "posix" or "other" */
};

/* A snapshot, each figure for itself. The log's only when recovered, else zeros. Thread: any. */
void ledger_statistics(const struct florin *ledger, struct ledger_statistics *statistics,
                       struct log_statistics *log);

enum { LEDGER_PAUSE_BUCKETS = 24 };

/* What the background does: checkpoints, key files, retention, look-ups. */
struct ledger_keeper_statistics {
    uint64_t checkpoints_ended; /* completed or given up, since the start */
    uint64_t checkpoints_completed;
    uint64_t checkpoints_failed;
    bool checkpoint_running;
    uint64_t checkpoint_lsn;     /* start of the newest complete one; 0: none */
    uint64_t checkpoint_time_ns; /* Unix time of its end; 0: before this start, or none */
    uint64_t checkpoint_bytes;
    uint64_t checkpoint_ms;
    uint64_t log_bytes_since; /* of log behind the newest checkpoint's start */
    int last_error;           /* errno of the newest failure of the background; 0: none */
    uint64_t key_files;
    uint64_t key_file_bytes;
    uint64_t key_file_keys;
    uint64_t key_filter_bytes; /* memory of filters and indexes */
    uint64_t key_merges;
    uint64_t lookups_record;  /* keys that looked like one in memory */
    uint64_t lookups_files;   /* keys that a filter did not deny */
    uint64_t lookups_in_vain; /* of both: it was another key */
    uint64_t log_segments_removed;
    /* Pauses of workers for checkpoints and key files; bucket i counts [2^i, 2^(i+1)) us, the first
     * also 0, the last all above. */
    uint64_t pause_us[LEDGER_PAUSE_BUCKETS];
    uint64_t pause_us_sum;
    uint64_t pause_ns_max;
    /* The longest without what the worker waited for a core meanwhile. */
    uint64_t pause_cpu_ns_max;
};

/* Thread: any. Zeros while recovering. */
void ledger_keeper_statistics(const struct florin *ledger,
                              struct ledger_keeper_statistics *statistics);

/* Whether the log is healthy: not failed, and no commit under way for longer than 5 s. Any thread.
 */
bool ledger_is_healthy(const struct florin *ledger);

#endif
