/* key_sample.h - a log of random records, most with a key, and what a key archive must make of it.
 *
 * Every record is told by its LSN; the model knows the answer of each. Works on any storage: the
 * simulated disk (through its copies after a crash too), or a real directory.
 *
 * Thread: one; key_sample_check_answer() any. Checks end the test (cmocka).
 */
#ifndef TESTS_RUNTIME_KEY_SAMPLE_H
#define TESTS_RUNTIME_KEY_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/runtime/key_archive.h"
#include "wal/log_reader.h"

enum {
    SAMPLE_RECORDS_MAX = 4096,
    SAMPLE_GROUPS_MAX = 256,
    /* Of one record in bytes: the fixed part, an expected version, a short id and key. */
    SAMPLE_RECORD_BYTES = 128,
};

struct key_sample {
    struct meta meta;
    struct hash_secret secret;
    uint64_t random;
    uint64_t last_lsn;
    uint64_t ends[SAMPLE_GROUPS_MAX]; /* last LSN of each frame */
    size_t end_count;
    bool has_key[SAMPLE_RECORDS_MAX + 1]; /* by LSN */
    struct key_answer answers[SAMPLE_RECORDS_MAX + 1];
};

/* No record yet. */
void key_sample_init(struct key_sample *sample, uint64_t segment_bytes);

/* Begins the directory and writes a log of `groups` frames with 1 to `records_max` records. */
void key_sample_write_log(struct key_sample *sample, struct storage *storage,
                          struct channel *channel, unsigned groups, uint32_t records_max);

struct key_archive_options key_sample_options(const struct key_sample *sample,
                                              struct storage *storage, uint32_t keys_per_file);

/* Opens it; a fault is printed and ends the test. */
struct key_archive *key_sample_open(const struct key_sample *sample, struct storage *storage,
                                    uint32_t keys_per_file);

/* One key_archive_extend() up to to_lsn. Its result. */
int key_sample_extend(const struct key_sample *sample, struct key_archive *archive,
                      struct storage *storage, struct channel *channel, uint64_t to_lsn,
                      uint64_t *reached);

/* Extends until the whole log is in files. 0 or -errno. */
int key_sample_extend_all(const struct key_sample *sample, struct key_archive *archive,
                          struct storage *storage, struct channel *channel);

/* Merges until nothing is left to do, releasing each old set. 0 or -errno. */
int key_sample_merge_all(struct key_archive *archive, struct channel *channel);

/* Whether the answer is that of the record. */
bool key_sample_check_answer(const struct key_sample *sample, const struct key_answer *answer,
                             uint64_t lsn);

/* The archive ends with `to_lsn` and holds exactly the keys up to there: each is found with its
 * whole answer, later ones and unknown ones are not, totals and filters agree, all is verified. */
void key_sample_check(const struct key_sample *sample, struct key_archive *archive,
                      uint64_t to_lsn);

/* A digest that no record has. */
struct hash128 key_sample_absent(const struct key_sample *sample, uint64_t number);

bool key_sample_is_end(const struct key_sample *sample, uint64_t lsn);

void key_sample_print_fault(const struct block_file_fault *fault);

/* Files in keys/; `ending` "": all. */
unsigned key_sample_files(struct storage *storage, const char *ending);

#endif
