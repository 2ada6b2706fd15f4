/* strategy_journal.h - what the workers of submit_strategy share: the order of the frames.
 *
 * Records are gathered, a gathering is claimed as a frame with a place in the file and in the
 * order, the frame is written by whoever claimed it, and it is durable when all frames before it
 * are.
 */
#ifndef FLORIN_BENCH_STRATEGY_JOURNAL_H
#define FLORIN_BENCH_STRATEGY_JOURNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WORKERS_MAX = 8,
    CLIENTS_MAX = 256, /* of one worker */
    RECORD_BYTES = 128,
    ALIGNMENT = 4096,
    FRAME_BYTES_MAX = WORKERS_MAX * CLIENTS_MAX * RECORD_BYTES,
    FRAMES_MAX = 64, /* more than can be in flight: one for each worker */
    FILE_BYTES = 64 * 1024 * 1024,
};

/* See submit_strategy.c. */
enum strategy { STRATEGY_ONE, STRATEGY_TWO, STRATEGY_OWN, STRATEGIES };

/* Records that wait to become one frame. */
struct gathering {
    uint8_t *buffer;
    size_t length;
    uint64_t workers; /* a bit for each that has records in it */
};

struct frame {
    bool done;
    uint64_t workers;
};

struct journal {
    /* Set at start, then read-only. */
    enum strategy strategy;
    int fd;

    pthread_mutex_t mutex;
    uint64_t next_sequence; /* of the frame that is claimed next */
    uint64_t next_offset;
    unsigned in_flight;
    struct gathering shared; /* strategies one and two */
    uint8_t *free_buffers[FRAMES_MAX];
    unsigned free_count;
    struct frame frames[FRAMES_MAX]; /* by sequence modulo FRAMES_MAX */
    uint64_t commits;

    /* Written under the mutex; read without. Frames before it are durable. */
    _Atomic uint64_t durable_sequence;
};

/* A frame that its claimer has to write. */
struct claim {
    uint64_t sequence;
    uint64_t offset;
    uint8_t *buffer;
    size_t length;
};

/* Memory for one frame, zeroed and aligned; the caller frees it. Ends the program when there is
 * none. */
uint8_t *journal_buffer_create(void);

void journal_init(struct journal *journal, enum strategy strategy, int fd);
void journal_deinit(struct journal *journal);

/* Adds one record. Under the mutex, when the gathering is the shared one. */
void journal_gather(struct gathering *gathering, unsigned worker, const uint8_t *record);

/* Takes the next place for what is gathered and begins a new group. Under the mutex. */
struct claim journal_claim(struct journal *journal, struct gathering *gathering);

/* Notes the end of a frame; returns the workers of all frames that became durable by it. Takes the
 * mutex. */
uint64_t journal_finish(struct journal *journal, uint64_t sequence, uint8_t *buffer);

#endif
