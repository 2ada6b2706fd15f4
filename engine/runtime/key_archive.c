/* key_archive.c - the set of key files: opening, looking up, publishing, releasing.
 *
 *     current ---> newest set ---older---> set ---older---> set      until
 * key_archive_release_old() | | |                   | | files, each counted by the sets that hold
 * it; closed with the last of them
 *
 * Workers take the filters of `current` and use them without a word; the keeper frees older sets
 * only when it is told that no worker does any more. The reader counts itself into the set it uses.
 *
 * Guarantees: a set never changes after it was published. A look-up sees one set from beginning to
 * end. Must not know: what a record is; when files are made or merged.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "key_archive_internal.h"

/* --- files and sets -------------------------------------------------------------------------- */

static int archive_file_open(struct key_archive *archive, struct key_file_range range,
                             struct archive_file **file, struct block_file_fault *fault)
{
    struct archive_file *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    int error = key_file_open(archive->storage, archive->log_id, range, &made->file, fault);
    if (error != 0) {
        free(made);
        return error;
    }
    error = key_file_load(&made->file, fault);
    if (error != 0) {
        key_file_close(&made->file);
        free(made);
        return error;
    }
    *file = made;
    return 0;
}

static void archive_file_close(struct archive_file *file)
{
    assert(file->sets == 0);
    key_file_close(&file->file);
    free(file);
}

static struct archive_set *archive_set_create(uint32_t count)
{
    struct archive_set *set = calloc(1, sizeof(*set) + count * sizeof(struct archive_file *));
    if (set == NULL)
        return NULL;
    set->filter_files = calloc((size_t)count + 1, sizeof(*set->filter_files)); /* never none */
    if (set->filter_files == NULL) {
        free(set);
        return NULL;
    }
    set->filters.files = set->filter_files;
    return set;
}

static void archive_set_add(struct archive_set *set, struct archive_file *file)
{
    const struct key_file_totals *totals = &file->file.totals;
    assert(totals->range.from_lsn == set->totals.to_lsn + 1);
    set->filter_files[set->count] = (struct key_filter_file){
        .parts = file->file.parts,
        .part_bits = totals->part_bits,
    };
    set->files[set->count++] = file;
    file->sets++;
    set->filters.file_count = set->count;
    set->filters.to_lsn = totals->range.to_lsn;
    set->totals.to_lsn = totals->range.to_lsn;
    set->totals.keys += totals->key_count;
    set->totals.state_digest += totals->state_digest;
    set->totals.file_bytes += file->file.blocks.file_bytes;
    set->totals.memory_bytes += key_file_memory_bytes(&file->file);
    set->totals.files = set->count;
}

static void archive_set_destroy(struct archive_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct archive_file *file = set->files[i];
        if (--file->sets == 0)
            archive_file_close(file);
    }
    free(set->filter_files);
    free(set);
}

struct archive_set *archive_current(const struct key_archive *archive)
{
    /* Acquire: pairs with the release in archive_swap(); the set is complete. */
    return atomic_load_explicit(&archive->current, memory_order_acquire);
}

static void archive_swap(struct key_archive *archive, struct archive_set *set)
{
    pthread_mutex_lock(&archive->lock);
    set->older = atomic_load_explicit(&archive->current, memory_order_relaxed);
    /* Release: pairs with archive_current(). */
    atomic_store_explicit(&archive->current, set, memory_order_release);
    pthread_mutex_unlock(&archive->lock);
}

int archive_publish(struct key_archive *archive, struct key_file_range range, uint32_t first,
                    uint32_t count, struct block_file_fault *fault)
{
    const struct archive_set *old = archive_current(archive);
    struct archive_file *file;
    int error = archive_file_open(archive, range, &file, fault);
    if (error != 0)
        return error;
    struct archive_set *set = archive_set_create(old->count - count + 1);
    if (set == NULL) {
        archive_file_close(file);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < first; i++)
        archive_set_add(set, old->files[i]);
    archive_set_add(set, file);
    for (uint32_t i = first + count; i < old->count; i++)
        archive_set_add(set, old->files[i]);
    archive_swap(archive, set);
    return 0;
}

void key_archive_release_old(struct key_archive *archive)
{
    struct archive_set *unused = NULL;
    pthread_mutex_lock(&archive->lock);
    struct archive_set **link = &archive_current(archive)->older;
    while (*link != NULL) {
        struct archive_set *set = *link;
        /* One in which the reader is stays until the next time. */
        if (set->readers > 0) {
            link = &set->older;
            continue;
        }
        *link = set->older;
        set->older = unused;
        unused = set;
    }
    pthread_mutex_unlock(&archive->lock);
    while (unused != NULL) {
        struct archive_set *next = unused->older;
        archive_set_destroy(unused);
        unused = next;
    }
}

/* --- opening --------------------------------------------------------------------------------- */

static int open_files(struct key_archive *archive, const struct archive_listing *listing,
                      struct block_file_fault *fault)
{
    struct archive_set *set = archive_set_create((uint32_t)listing->range_count);
    if (set == NULL)
        return -ENOMEM;
    int error = 0;
    for (size_t i = 0; i < listing->range_count && error == 0; i++) {
        struct archive_file *file;
        error = archive_file_open(archive, listing->ranges[i], &file, fault);
        if (error == 0)
            archive_set_add(set, file);
    }
    if (error != 0) {
        archive_set_destroy(set);
        return error;
    }
    archive_swap(archive, set);
    return 0;
}

int key_archive_open(const struct key_archive_options *options, struct key_archive **archive,
                     struct block_file_fault *fault)
{
    struct key_archive *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    made->storage = options->storage;
    made->secret = options->secret;
    made->keys_per_file =
        options->keys_per_file != 0 ? options->keys_per_file : KEY_ARCHIVE_KEYS_PER_FILE;
    memcpy(made->log_id, options->meta->log_id, sizeof(made->log_id));
    pthread_mutex_init(&made->lock, NULL);

    struct archive_listing listing = {0};
    made->block = aligned_alloc(STORAGE_ALIGNMENT, KEY_FILE_BLOCK_BYTES);
    int error = made->block == NULL ? -ENOMEM : 0;
    if (error == 0)
        error = archive_listing_init(&listing, made->storage, fault);
    if (error == 0)
        error = open_files(made, &listing, fault);
    if (error == 0) {
        made->has_directory = listing.has_directory;
        made->leftovers = listing.leftovers;
        listing.leftovers = (struct archive_names){0};
    }
    archive_listing_deinit(&listing);
    if (error != 0) {
        key_archive_close(made);
        return error;
    }
    *archive = made;
    return 0;
}

void key_archive_close(struct key_archive *archive)
{
    if (archive == NULL)
        return;
    struct archive_set *set = archive_current(archive);
    while (set != NULL) {
        struct archive_set *older = set->older;
        assert(set->readers == 0);
        archive_set_destroy(set);
        set = older;
    }
    archive_names_deinit(&archive->leftovers);
    pthread_mutex_destroy(&archive->lock);
    free(archive->block);
    free(archive);
}

/* --- looking --------------------------------------------------------------------------------- */

const struct key_filters *key_archive_filters(const struct key_archive *archive)
{
    return &archive_current(archive)->filters;
}

/* Any thread may ask for numbers while the keeper frees sets. */
struct key_archive_totals key_archive_totals(struct key_archive *archive)
{
    pthread_mutex_lock(&archive->lock);
    struct key_archive_totals totals = archive_current(archive)->totals;
    pthread_mutex_unlock(&archive->lock);
    return totals;
}

uint64_t key_archive_to_lsn(struct key_archive *archive)
{
    return key_archive_totals(archive).to_lsn;
}

static struct archive_set *enter_set(struct key_archive *archive)
{
    pthread_mutex_lock(&archive->lock);
    struct archive_set *set = archive_current(archive);
    set->readers++;
    pthread_mutex_unlock(&archive->lock);
    return set;
}

static void leave_set(struct key_archive *archive, struct archive_set *set)
{
    pthread_mutex_lock(&archive->lock);
    assert(set->readers > 0);
    set->readers--;
    pthread_mutex_unlock(&archive->lock);
}

int key_archive_find(struct key_archive *archive, struct hash128 digest, struct key_answer *answer,
                     bool *found, struct block_file_fault *fault)
{
    struct archive_set *set = enter_set(archive);
    bool is_there = false;
    int error = 0;
    for (uint32_t i = set->count; i > 0 && error == 0 && !is_there; i--) {
        const struct key_file *file = &set->files[i - 1]->file;
        if (key_file_may_contain(file, digest))
            error = key_file_find(file, digest, archive->block, answer, &is_there, fault);
    }
    leave_set(archive, set);
    if (error == 0)
        *found = is_there;
    return error;
}

int key_archive_verify(struct key_archive *archive, block_file_pace *pace, void *pace_context,
                       struct block_file_fault *fault)
{
    const struct archive_set *set = archive_current(archive);
    int error = 0;
    for (uint32_t i = 0; i < set->count && error == 0; i++) {
        /* Descriptors of its own: the reader may be using those of the set. */
        struct key_file file;
        error = key_file_open(archive->storage, archive->log_id, set->files[i]->file.totals.range,
                              &file, fault);
        if (error != 0)
            break;
        error = key_file_load(&file, fault);
        if (error == 0)
            error = key_file_verify(&file, pace, pace_context, fault);
        key_file_close(&file);
    }
    return error;
}
