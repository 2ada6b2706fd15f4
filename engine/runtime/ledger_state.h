/* ledger_state.h - the inside of the runtime: the ledger and its workers. Private to
 * engine/runtime.
 *
 * Fields stand under who may touch them.
 */
#ifndef FLORIN_RUNTIME_LEDGER_STATE_H
#define FLORIN_RUNTIME_LEDGER_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "engine/core/coordinator.h"
#include "engine/core/hash.h"
#include "engine/core/participant.h"
#include "engine/core/shard.h"
#include "florin.h"
#include "inbox.h"
#include "keeper.h"
#include "ledger.h"
#include "ledger_options.h"
#include "lookup.h"
#include "waiters.h"
#include "wal/log.h"

enum {
    ENDPOINTS_MAX = FLORIN_WORKERS_MAX + FLORIN_CLIENTS_MAX,
    /* Metadata of results that came from other workers in one round: sixteen of the largest. */
    WORKER_METADATA_BYTES = 16 * FLORIN_METADATA_MAX,
};

/* Written by the worker, read by any thread. */
struct worker_pauses {
    _Atomic uint64_t us[LEDGER_PAUSE_BUCKETS];
    _Atomic uint64_t us_sum;
    _Atomic uint64_t ns_max;
    _Atomic uint64_t cpu_ns_max;
};

struct worker {
    /* set at creation, then read-only */
    struct florin *ledger;
    unsigned number;
    void *shard_memory; /* of the shard, the coordinator, the participant */
    size_t shard_memory_bytes;

    /* any thread may wake it */
    struct inbox inbox;

    /* owned by the worker's thread */
    struct shard shard;
    struct coordinator coordinator;
    struct participant participant;
    uint64_t posting_deadline_ns; /* no posting of the coordinator has an earlier one */
    bool line_moves;              /* accounts were freed since lookups were served */
    struct waiters waiters;
    struct lookups lookups;
    struct endpoint *self; /* to the other workers, for local commands of their accounts */
    struct channel *channel;
    pthread_t thread;
    bool attached;
    enum ledger_state round_state; /* that the last round has seen */
    bool commit_owed;              /* handed over something since the last log_commit() */
    bool committing;               /* a write is under way on the channel */
    bool mark_wanted;              /* the idle mark of the last commit is not written yet */
    uint64_t committed_ns;         /* when this worker last completed a commit */
    uint64_t hops;
    uint32_t history_outstanding; /* queries that were taken and not given back */
    uint32_t lists_outstanding;   /* that were taken and not reaped */
    uint8_t *metadata;            /* of results from other workers, until they are reaped */
    size_t metadata_bytes;
    bool answered[ENDPOINTS_MAX]; /* endpoints whose answer ring has news */

    /* written by the worker, read by any thread */
    _Atomic uint64_t accounts_now;
    _Atomic uint64_t keys_held_now;
    _Atomic uint64_t hops_now;
    _Atomic bool idle;
    struct worker_pauses pauses;
    /* the newest filters whose keys this worker has forgotten */
    const struct key_filters *_Atomic filters_done;

    /* between the keeper and the worker (keeper.h) */
    struct slice slice;
};

struct client_slot {
    struct florin_client *client; /* under clients_lock */
    bool taken;
};

struct florin {
    /* set at creation, then read-only */
    struct florin_options options;
    struct ledger_currencies currencies;
    struct storage *storage;
    struct storage *own_storage; /* the same, when the ledger made it */
    struct storage_file *lock_file;
    int (*create_channel)(void *context, struct channel **channel);
    void *channel_context;
    const char *io_name;
    bool single_thread;
    uint32_t keys_per_file; /* of a key file; 0: as many as are good */
    struct meta meta;
    struct hash_secret secret;
    unsigned worker_count;
    struct worker *workers;
    struct lister *lister;
    uint64_t commit_timeout_ns;

    /* set by ledger_recover(), before the state becomes READY (release) */
    struct log *log;
    struct key_archive *archive;
    struct reader *reader;
    struct history *history;
    struct keeper *keeper;

    /* any thread */
    _Atomic int state;                /* enum ledger_state */
    _Atomic uint64_t blocked_workers; /* found the gathering group full */
    _Atomic bool commit_wanted;       /* a segment has become ready, or the log failed */
    struct inbox followers;           /* of the thread that follows the log (feed.h) */
    struct log_progress progress;
    const struct key_filters *_Atomic key_filters; /* written by the keeper */
    _Atomic uint64_t accounts_loaded;
    _Atomic uint64_t checkpoint_bytes_done;
    _Atomic uint64_t checkpoint_bytes_total;
    _Atomic uint64_t recovery_started_ns;
    struct endpoint *_Atomic endpoints[ENDPOINTS_MAX]; /* workers first; never freed while open */
    _Atomic unsigned endpoint_count;

    /* under their locks */
    pthread_mutex_t log_line_lock;
    pthread_mutex_t clients_lock;
    struct client_slot clients[FLORIN_CLIENTS_MAX];

    /* florin_open() only */
    struct embedded *embedded;
};

/* The worker that owns an account. */
static inline unsigned ledger_owner(const struct florin *ledger, uint64_t account_hash)
{
    return shard_of(account_hash, ledger->worker_count);
}

/* One line of the operator's log. Thread: any. */
__attribute__((format(printf, 2, 3))) void ledger_log(struct florin *ledger, const char *format,
                                                      ...);

/* A whole line, one call at a time; `context` is the ledger. Thread: any. */
void ledger_log_line(void *context, const char *line);

/* The log has failed: the state becomes FAILED, everybody is woken. Thread: any. */
void ledger_fail(struct florin *ledger);

/* Wakes the workers of a mask. Thread: any. */
void ledger_wake(struct florin *ledger, uint64_t workers);

/* Makes the endpoint visible to all workers; its number. Thread: any, under clients_lock for
 * clients. */
unsigned ledger_add_endpoint(struct florin *ledger, struct endpoint *endpoint);

/* Frees what florin_client_close() keeps for the next client. All are closed (asserted). */
void ledger_free_clients(struct florin *ledger);

/* Makes all shards empty again. 0 or -ENOMEM. Only while recovering. */
int ledger_clear_shards(struct florin *ledger);

/* Loads the newest checkpoint, replays the log, starts the background. */
int recovery_run(struct florin *ledger);

#endif
