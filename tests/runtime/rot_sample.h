/* rot_sample.h - a small ledger whose directory tests let rot: what it was told, what it answers.
 *
 * Several segments, two checkpoints and some key files on a simulated disk. Failures of the harness
 * fail the test.
 */
#ifndef FLORIN_TESTS_ROT_SAMPLE_H
#define FLORIN_TESTS_ROT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin.h"
#include "support/sim_disk.h"

enum {
    ROT_ACCOUNTS = 3,
    ROT_CHANGES = 72,
    ROT_FILES_MAX = 64,
    ROT_LOG_BYTES = 8192,
};

/* How the process ended that made the directory: with a mark at the end of the log, or without. */
enum rot_ending { ROT_CLEAN, ROT_KILLED };

/* A change with a key, and what it was answered. */
struct rot_change {
    char account[8];
    char key[16];
    struct florin_result result;
};

struct rot_sample {
    struct sim_disk *disk; /* all of it durable */
    struct rot_change changes[ROT_CHANGES];
    struct florin_result accounts[ROT_ACCOUNTS];
    /* all but the lock */
    char names[ROT_FILES_MAX][STORAGE_NAME_MAX];
    uint64_t sizes[ROT_FILES_MAX];
    size_t file_count;
    uint64_t first_needed; /* segments from here to the live one are read at a start */
    uint64_t live;
};

/* A process on a disk. */
struct rot_life {
    struct sim_disk *disk;
    struct florin *ledger;
    struct worker *worker;
    char touched[STORAGE_NAME_MAX]; /* the first file that was written to, but for the lock */
    char log[ROT_LOG_BYTES];
    size_t log_length;
};

/* The same identity makes the same directory, but for times. */
struct rot_sample *rot_sample_create(enum rot_ending ending, uint8_t identity);
void rot_sample_destroy(struct rot_sample *sample);

/* What ledger_create() or ledger_recover() answered; rot_life_end() in any case. */
int rot_life_start(struct rot_life *life, struct sim_disk *disk);
void rot_life_end(struct rot_life *life);

/* Reads every account and sends every change again: each must be answered as before, or with
 * COMMIT_UNKNOWN when a line of the log says which key file could not be read. Returns how many
 * were; `what` is said when one is answered otherwise. */
unsigned rot_check_answers(const struct rot_sample *sample, struct rot_life *life,
                           const char *what);

#endif
