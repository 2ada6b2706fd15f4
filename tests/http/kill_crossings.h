/* kill_crossings.h - what the background did in a life of a server that was killed: a checkpoint, a
 * new segment, a key file, a merge, log removed; from its figures and from its directory.
 *
 *     crossings_read_figures()     /metrics, shortly before the kill
 *     crossings_read_directory()   after it: what stands there is what a restart finds
 *     crossings_end_round()
 *     crossings_report()
 *
 * Failures of the harness end the test program.
 */
#ifndef FLORIN_TESTS_KILL_CROSSINGS_H
#define FLORIN_TESTS_KILL_CROSSINGS_H

#include <stdbool.h>
#include <stdint.h>

enum crossing {
    CROSSING_CHECKPOINT,
    CROSSING_ROTATION,
    CROSSING_KEY_FILE,
    CROSSING_MERGE,
    CROSSING_RETENTION,
    CROSSING_HALF_CHECKPOINT, /* the kill left a temporary file of one */
    CROSSING_HALF_KEY_FILE,   /* of a new or a merged one */
    CROSSINGS,
};

struct crossings {
    bool seen[CROSSINGS];       /* in this round */
    unsigned rounds[CROSSINGS]; /* in so many rounds */
    /* of the directory, as the last round left it */
    uint64_t newest_checkpoint;
    uint64_t first_segment;
    uint64_t last_segment;
    uint64_t last_key; /* the highest LSN of key files */
};

/* `page` is that of /metrics. */
void crossings_read_figures(struct crossings *crossings, const char *page);

/* `data` is a server's directory. */
void crossings_read_directory(struct crossings *crossings, const char *data);

void crossings_end_round(struct crossings *crossings);

/* Prints in how many rounds each was met; whether each of them was, but for the halves: whether a
 * kill meets one is luck. */
bool crossings_report(const struct crossings *crossings);

#endif
