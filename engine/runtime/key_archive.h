/* key_archive.h - the idempotency keys of all old records: the key files of a directory as one set.
 *
 *     keys/                        records   1 ......... 900 | 901 .. 1200 | 1201 .. 1300
 *     key_archive_extend()         adds a file of the records behind the last one, from the log
 *     key_archive_merge()          makes one file of neighbours, then removes these
 *     key_archive_find()           the whole answer of a key, from the disk
 *     key_archive_filters()        tells, from memory, that a key is in no file
 *
 * The files cover the records 1 to key_archive_to_lsn() without gap or overlap. A file is a pure
 * function of its range of the log. A set of files is never changed; extending and merging publish
 * a new one. Who uses an old one (filters that a worker has not yet replaced) may go on until
 * key_archive_release_old(): files that merging has removed stay open until then.
 *
 * Crashes. A new file has its final name only when it is complete and durable; what it replaces is
 * removed afterwards. So a file whose range lies within another's is the leftover of an interrupted
 * step: it is ignored, and removed by the next step. Every other overlap, and every gap, is damage.
 *
 * Files. Merging takes 8 to 32 neighbours of which the largest is at most a quarter of the whole,
 * the lightest such: a key is copied only into a file at least four times as large as the one it
 * was in. With more than KEY_ARCHIVE_FILES_MAX files half of that will do, or less. Played through
 * for 2 * 10^10 keys in files of every size (test_key_archive_merge.c): at most 32 files, each key
 * copied 5 to 7 times.
 *
 * Memory, kept: filters and index of the newest set, 1.97 bytes a key. For a moment: extending 98
 * bytes a key of the new file and some 40 MB to sort and build its filters (140 MB for a million
 * keys); merging 1.97 bytes a key of the new file (its filters and index), 64 KiB a file, and 40
 * MB. Until old sets are released, the filters of what was merged are there twice.
 *
 * Threads. One keeper: extend, merge, wants_merge, release_old, verify. One reader, at the same
 * time: find. Any thread: filters, to_lsn, totals. A merge reads through descriptors of its own, so
 * that no two threads use one. Opening, cutting and closing: alone.
 *
 * Every int function answers 0 or -errno; -EBADMSG fills *fault with file, offset and reason.
 * Nothing is said to be absent because it could not be read.
 */
#ifndef FLORIN_RUNTIME_KEY_ARCHIVE_H
#define FLORIN_RUNTIME_KEY_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/hash.h"
#include "engine/core/key_answer.h"
#include "engine/core/key_filter.h"
#include "wal/block_file.h"
#include "wal/channel.h"
#include "wal/log_reader.h"
#include "wal/meta.h"
#include "wal/storage.h"

enum {
    /* Keys that end a new file, at the next end of a frame: large enough that a thousand million
     * keys take a hundred steps of merging, small enough to sort in memory. */
    KEY_ARCHIVE_KEYS_PER_FILE = 1024 * 1024,
    /* Files merged at a time: fewer would copy keys more often, more would leave more files to look
     * into. */
    KEY_ARCHIVE_MERGE_MIN = 8,
    KEY_ARCHIVE_MERGE_MAX = 32,
    /* A merged file is at least so many times as large as the largest that went into it. */
    KEY_ARCHIVE_MERGE_GROWTH = 4,
    /* With more files than this, less growth is asked for: a new key asks every filter. */
    KEY_ARCHIVE_FILES_MAX = 32,
};

struct key_archive_options {
    struct storage *storage;          /* outlives the archive */
    const struct meta *meta;          /* during the call */
    const struct hash_secret *secret; /* outlives the archive */
    uint32_t keys_per_file;           /* 0: KEY_ARCHIVE_KEYS_PER_FILE */
};

struct key_archive;

/* Opens the files of keys/ and loads filters and indexes. Changes nothing in the directory; without
 * keys/ the archive is empty. -EBADMSG: a damaged or foreign file, a gap, an overlap. */
__attribute__((warn_unused_result)) int key_archive_open(const struct key_archive_options *options,
                                                         struct key_archive **archive,
                                                         struct block_file_fault *fault);
/* NULL is allowed. */
void key_archive_close(struct key_archive *archive);

/* Filters of the newest set, read-only; valid until a key_archive_release_old() after a newer set
 * was published. Acquire: pairs with the release that published it. */
const struct key_filters *key_archive_filters(const struct key_archive *archive);

/* Every key of a record up to this LSN is in the files; 0: none. */
uint64_t key_archive_to_lsn(struct key_archive *archive);

struct key_archive_totals {
    uint64_t to_lsn;
    uint64_t keys;
    uint64_t state_digest; /* sum of key_state_digest() of all keys */
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint32_t files;
};
struct key_archive_totals key_archive_totals(struct key_archive *archive);

/* Makes the file of the records behind key_archive_to_lsn(), up to the end of the frame with which
 * it has keys_per_file keys, or to `to_lsn`, which is durable; publishes the new set. A range
 * without keys makes a file without keys. *reached: the new end; the old one when there is no whole
 * frame up to to_lsn. `channel` as in block_file_plan; the pace is asked after every frame read and
 * every write.
 *
 * 0; -ENODATA: retention has removed records that are in no key file; -EBADMSG: the log is damaged,
 * as *fault says; what `pace` returned; -errno. After an error the set is the old one. */
__attribute__((warn_unused_result)) int
key_archive_extend(struct key_archive *archive, struct log_reader *reader, uint64_t to_lsn,
                   struct channel *channel, block_file_pace *pace, void *pace_context,
                   uint64_t *reached, struct block_file_fault *fault);

/* Whether key_archive_merge() has something to do: files to merge, or leftovers to remove. */
bool key_archive_wants_merge(const struct key_archive *archive);

/* Removes leftovers, makes one merge, publishes the new set, removes the files that were merged. 0,
 * also when there was nothing to do; -EBADMSG; what `pace` returned; -errno. After an error the set
 * is the old one, or the new one with files left to remove; the next call goes on. */
__attribute__((warn_unused_result)) int key_archive_merge(struct key_archive *archive,
                                                          struct channel *channel,
                                                          block_file_pace *pace, void *pace_context,
                                                          struct block_file_fault *fault);

/* Frees all sets but the newest and closes files that are in no other. The caller knows that nobody
 * uses earlier filters any more. */
void key_archive_release_old(struct key_archive *archive);

/* The answer of a key, by its whole digest, newest file first. 0 and *found; -EBADMSG: a block
 * where it could be is damaged; -errno. *answer only when found. */
__attribute__((warn_unused_result)) int key_archive_find(struct key_archive *archive,
                                                         struct hash128 digest,
                                                         struct key_answer *answer, bool *found,
                                                         struct block_file_fault *fault);

/* Reads every file of the newest set from end to end: checksums, chain, order, ranges, counts,
 * digests, index, and that the filters let every key through. The first damage ends it. */
__attribute__((warn_unused_result)) int key_archive_verify(struct key_archive *archive,
                                                           block_file_pace *pace,
                                                           void *pace_context,
                                                           struct block_file_fault *fault);

/* Offline, for repair and restore: drops the keys of all records from first_dropped_lsn (> 0) on.
 * Files wholly behind it are removed without a look into them, the one that it stands in is
 * rewritten first. Crash-safe, and to be called again after an interruption. To be called *before*
 * the log is cut: the archive may end before the log, never behind it.
 *
 * 0, also when there was nothing to drop; -EBADMSG: a gap or overlap, or the file that must be
 * rewritten is damaged; -errno. */
__attribute__((warn_unused_result)) int key_archive_cut(const struct key_archive_options *options,
                                                        struct channel *channel,
                                                        uint64_t first_dropped_lsn,
                                                        struct block_file_fault *fault);

#endif
