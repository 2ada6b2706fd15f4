/* ledger_sample.h - small ledgers on real files, for tests of what reads, copies and repairs them.
 *
 * Segments are of 64 KiB, so that some hundred commands fill several.
 */
#ifndef FLORIN_TESTS_LEDGER_SAMPLE_H
#define FLORIN_TESTS_LEDGER_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/tools/digest.h"
#include "florin.h"
#include "support/temporary_directory.h"

enum {
    SAMPLE_SEGMENT_BYTES = 64 * 1024,
    SAMPLE_ACCOUNTS = 20,
    SAMPLE_PATH_MAX = 4096,
    SAMPLE_NAME_BYTES = 64, /* of a file, from its directory on */
};

struct sample {
    char base[TEMPORARY_DIRECTORY_MAX]; /* removed at the end, with all that is in it */
    char directory[SAMPLE_PATH_MAX];    /* BASE/data */
    struct florin_options options;
    struct florin *ledger; /* NULL: closed */
    struct florin_client *client;
    uint64_t commands; /* so far; makes the next ones and their keys */
    char last_error[1024];
};

/* An empty directory with a meta that is always the same. */
struct sample *sample_create(void);
void sample_destroy(struct sample *sample);

void sample_open(struct sample *sample, unsigned workers);
void sample_close(struct sample *sample);

/* One command after another, each durable: number n (from 0) makes the record with LSN n + 1. The
 * first ones open accounts; every second one later has a key; some are refused. */
void sample_run(struct sample *sample, unsigned count);

/* BASE/NAME. */
void sample_path(const struct sample *sample, const char *name, char path[SAMPLE_PATH_MAX]);

/* 40 commands, a checkpoint at LSN 40, 30, a checkpoint at LSN 70, 10: key files, some segments. It
 * is open with two workers afterwards. */
void sample_fill(struct sample *sample);

/* Reads the whole stream into a file, in pieces of `piece` bytes; closes it. */
struct backup;
void sample_write_stream(struct backup *backup, const char *path, size_t piece);
void sample_back_up(const char *directory, const char *path);

/* digest_directory() that must succeed. */
struct digest_report sample_digest(const char *directory, uint64_t lsn);

bool sample_is_there(const char *path);

/* Of the ledger in a directory whose log begins at LSN 1: the digest at an LSN by replaying the log
 * into `shards` shards, without checkpoints and key files. */
uint64_t sample_replay_digest(const char *directory, uint64_t lsn, unsigned shards);

/* The last LSN of a closed directory, by its log alone. */
uint64_t sample_last_lsn(const char *directory);

/* cp -a */
void sample_copy(const char *from, const char *to);

/* Every file of its closed directory, named from there: "meta", "log/...". */
void sample_visit_files(const struct sample *sample, void (*visit)(void *context, const char *name),
                        void *context);

/* Whether two files or trees hold the same bytes. */
int sample_differ(const char *left, const char *right);

/* A whole file. The caller frees the bytes. */
uint8_t *sample_read_file(const char *path, size_t *length);
void sample_write_file(const char *path, const void *bytes, size_t length);
void sample_flip(const char *path, uint64_t offset, uint8_t mask);

#endif
