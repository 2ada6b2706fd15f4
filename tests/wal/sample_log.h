/* sample_log.h - a closed log over many small segments, with everything that a log can hold.
 *
 * Three lives: groups of one to four records in frames of one to three blocks, idle marks, changes
 * of segment by records and by marks, one clean end, one crash. Its map says where each frame
 * stands. Tests work on copies.
 *
 * Thread: one. Include after cmocka.h.
 */
#ifndef TESTS_WAL_SAMPLE_LOG_H
#define TESTS_WAL_SAMPLE_LOG_H

#include <stdint.h>

#include "support/sim_disk.h"
#include "wal/frame.h"
#include "wal/history.h"

enum {
    SAMPLE_SEGMENT_BYTES = 16 * 1024,
    SAMPLE_FRAMES_MAX = 128,
    SAMPLE_SEGMENTS_MAX = 48,
};

struct sample_log {
    struct sim_disk *disk;
    struct channel *channel;
    struct meta meta;
    struct frame_header frames[SAMPLE_FRAMES_MAX]; /* in the order of the log */
    size_t frame_count;
    struct log_start starts[SAMPLE_SEGMENTS_MAX]; /* by number */
    uint64_t last_segment;                        /* in use */
    uint64_t last_file;                           /* spares included */
    uint64_t last_lsn;
};

void sample_log_create(struct sample_log *sample);

/* Its disk as it was created, to be spoilt; the map is the same. */
void sample_log_copy(const struct sample_log *sample, struct sample_log *copy);
void sample_log_destroy(struct sample_log *sample);

/* Fixtures of a test program: one log for the group, a copy of it (*state) for each test. */
int sample_log_create_original(void **state);
int sample_log_destroy_original(void **state);
int sample_log_setup(void **state);
int sample_log_teardown(void **state);
#define test_sample(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, sample_log_setup, sample_log_teardown)

struct storage *sample_log_storage(struct sample_log *sample);
uint8_t *sample_log_segment(struct sample_log *sample, uint64_t number);

/* Removes the files from..to, durably. */
void sample_log_remove(struct sample_log *sample, uint64_t from, uint64_t to);

/* The frame with records that holds the LSN. */
const struct frame_header *sample_log_frame(const struct sample_log *sample, uint64_t lsn);

#endif
