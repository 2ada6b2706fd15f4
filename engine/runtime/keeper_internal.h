/* keeper_internal.h - the keeper as its own files see it. Private to keeper*.c.
 *
 * Fields stand under who may touch them.
 */
#ifndef FLORIN_RUNTIME_KEEPER_INTERNAL_H
#define FLORIN_RUNTIME_KEEPER_INTERNAL_H

#include "keeper.h"
#include "key_archive.h"
#include "ledger_state.h"
#include "wal/log_reader.h"

enum checkpoint_stage { CHECKPOINT_NONE, CHECKPOINT_WRITING, CHECKPOINT_SETTLING };

struct checkpoint {
    enum checkpoint_stage stage;
    struct block_file_writer *writer;
    struct checkpoint_info info;
    struct shard_sums sums;
    uint64_t newest_time_ns;
    unsigned workers_left;
    uint64_t number;     /* of the request that it answers */
    uint64_t started_ns; /* monotonic */
    uint64_t log_bytes;  /* written when it began */
};

struct keeper {
    /* set at creation, then read-only */
    struct florin *ledger;
    bool has_thread;
    pthread_t thread;

    /* any thread may wake it */
    struct inbox inbox;
    _Atomic bool stop;

    /* the keeper's */
    /* NULL in a single-threaded ledger: then files are written by the storage. Each belongs to one
     * file at a time. */
    struct channel *checkpoint_channel;
    struct channel *key_channel;
    struct log_reader *reader;
    struct checkpoint checkpoint;
    struct keeper_start kept;
    uint64_t log_bytes_counted; /* the log's counter when the newest checkpoint began */
    uint64_t log_bytes_before;  /* behind its start, but before this life of the process */
    uint64_t next_by_time_ns;   /* monotonic; of the next checkpoint by time */
    uint64_t retry_ns;          /* monotonic; after a fault; only what is asked for begins before */
    uint64_t retention_ns;      /* monotonic; of the next look at the log's age */
    uint64_t paced_until_ns;    /* monotonic; what was moved is paid for by then */
    bool leftovers_removed;

    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t ended_changed; /* also `removing`, `waiting` */
    uint64_t requested;           /* number of the newest checkpoint that somebody asked for */
    uint64_t begun;               /* number of the newest that was begun */
    uint64_t ended;
    int ended_error; /* of the newest that has ended */
    unsigned holds;
    unsigned waiting; /* threads in keeper_make_checkpoint() */
    bool removing;    /* files, right now */
    bool stopped;
    struct ledger_keeper_statistics figures; /* of checkpoints and files */
};

/* --- keeper_checkpoint.c */

bool keeper_checkpoint_is_due(struct keeper *keeper, uint64_t now_ns);
/* Each: true when something was done. */
bool keeper_checkpoint_begin(struct keeper *keeper);
bool keeper_checkpoint_step(struct keeper *keeper);
/* Ends one that is under way. */
void keeper_checkpoint_abandon(struct keeper *keeper, int error);

/* --- keeper_retention.c */

/* Removes one segment of the log that the rule lets go; false: there is none. */
bool keeper_retain(struct keeper *keeper, uint64_t now_ns);

/* --- keeper.c */

/* Whoever removes files that others may be copying does it between these two. false: they are held.
 */
bool keeper_begin_removal(struct keeper *keeper);
void keeper_end_removal(struct keeper *keeper);

/* block_file_pace of everything in the background. */
int keeper_pace(void *context, size_t bytes);

/* Makes a key file of the next records up to `to_lsn`. 0 or -errno. */
int keeper_extend_keys(struct keeper *keeper, uint64_t to_lsn);

/* Says it, and puts off the next try. */
void keeper_note_error(struct keeper *keeper, const char *event, int error, const char *file,
                       uint64_t offset, const char *reason);

#endif
