/* block_file_sample.h - block files whose content is known, for the tests of block files.
 *
 * Thread: one. Checks abort the test (cmocka).
 */
#ifndef TESTS_WAL_BLOCK_FILE_SAMPLE_H
#define TESTS_WAL_BLOCK_FILE_SAMPLE_H

#include "support/sim_disk.h"
#include "wal/block_file.h"

enum { SAMPLE_BLOCK_BYTES = 4096 };

extern const uint8_t sample_log_id[META_LOG_ID_BYTES];

#define SAMPLE_DIRECTORY "keys"
#define SAMPLE_NAME      "sample.keys"
#define SAMPLE_PATH      SAMPLE_DIRECTORY "/" SAMPLE_NAME
#define SAMPLE_TEMPORARY SAMPLE_PATH ".tmp"

/* A simulated disk with the directory, durable. */
struct sim_disk *sample_disk(void);

/* Of a keys file with blocks of SAMPLE_BLOCK_BYTES. */
struct block_file_plan sample_plan(struct storage *storage, struct channel *channel);

/* Makes the sample. 0 or what failed; then it was abandoned. */
int sample_write(const struct block_file_plan *plan, uint64_t blocks);

/* Opens the sample, verifies it, reads it block by block and compares all with what
 * sample_write() wrote. 0; or what block_file_open() or block_file_verify() said. */
int sample_check(const struct block_file_plan *plan, uint64_t blocks,
                 struct block_file_fault *fault);

/* Whether there is such a file, by opening it. */
bool sample_exists(struct storage *storage, const char *path);

#endif
