/* key_archive_internal.h - the key archive as its own files see it: sets of files, and what stands
 * in keys/.
 *
 * Thread: as key_archive.h says.
 */
#ifndef FLORIN_RUNTIME_KEY_ARCHIVE_INTERNAL_H
#define FLORIN_RUNTIME_KEY_ARCHIVE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "key_archive.h"
#include "key_file.h"

/* --- what stands in keys/ (key_archive_listing.c) --------------------------------------------- */

/* Plain names, in no order. */
struct archive_names {
    char (*names)[STORAGE_NAME_MAX];
    size_t count;
    size_t max;
};

void archive_names_deinit(struct archive_names *names);
/* Makes room, so that `count` more cannot fail. 0, -ENOMEM. */
int archive_names_reserve(struct archive_names *names, size_t count);
/* There is room (asserted). */
void archive_names_add(struct archive_names *names, const char *name);
/* The file of the range, and what stands there while it is made. There is room for both. */
enum { ARCHIVE_NAMES_OF_FAILURE = 2 };
void archive_names_add_failure(struct archive_names *names, struct key_file_range range);
/* Removes these files, flushes the directory, then forgets the names. What is not there is fine. 0;
 * -errno: the names are kept for the next time. */
int archive_names_remove_files(struct archive_names *names, struct storage *storage);

struct archive_listing {
    bool has_directory;
    struct key_file_range *ranges; /* of the files that count: 1 to K without gap */
    size_t range_count;
    struct archive_names leftovers; /* of interrupted steps */
};

/* 0; -EBADMSG and *fault: a gap or an overlap; -errno. */
int archive_listing_init(struct archive_listing *listing, struct storage *storage,
                         struct block_file_fault *fault);
void archive_listing_deinit(struct archive_listing *listing);

/* --- the set (key_archive.c) ------------------------------------------------------------------ */

struct archive_file {
    struct key_file file; /* loaded; read by the reader only */
    unsigned sets;        /* that hold it; the keeper's */
};

struct archive_set {
    struct key_filters filters; /* what workers get */
    struct key_archive_totals totals;
    struct key_filter_file *filter_files;
    unsigned readers;          /* under the lock */
    struct archive_set *older; /* not yet released; the keeper's */
    uint32_t count;
    struct archive_file *files[]; /* in the order of their ranges */
};

struct key_archive {
    /* set by key_archive_open(), then read-only */
    struct storage *storage;
    const struct hash_secret *secret;
    uint8_t log_id[META_LOG_ID_BYTES];
    uint32_t keys_per_file;

    /* the keeper's */
    bool has_directory;
    struct archive_names leftovers; /* to be removed before anything is made */

    /* the reader's */
    uint8_t *block;

    /* Published with release; changed by the keeper under the lock, so that the reader, who counts
     * itself in under it, never enters a set that is being freed. Held for some instructions only.
     */
    _Atomic(struct archive_set *) current;
    pthread_mutex_t lock;
};

/* The newest set, for the keeper. */
struct archive_set *archive_current(const struct key_archive *archive);

/* Opens and loads the file, and publishes the newest set with it in place of the `count` files from
 * number `first` on. 0; -EBADMSG; -errno. */
int archive_publish(struct key_archive *archive, struct key_file_range range, uint32_t first,
                    uint32_t count, struct block_file_fault *fault);

/* --- making files (key_archive_extend.c, key_archive_merge.c) -----------------------------------
 */

/* Before each step: removes leftovers. */
int archive_tidy(struct key_archive *archive);

/* Neighbours in a set; count 0: none. */
struct archive_window {
    uint32_t first;
    uint32_t count;
};

struct archive_window archive_choose_window(const struct archive_set *set);

/* Copies the keys up to plan->range.to_lsn, which are plan->keys_max, of all `sources` (opened, not
 * loaded) into the new file. */
int archive_merge_files(const struct key_file_plan *plan, const struct key_file *sources,
                        uint32_t count, struct block_file_fault *fault);

#endif
