/* key_archive_listing.c - what stands in keys/, judged by the names alone.
 *
 * Guarantees: the ranges that count cover 1 to K without gap or overlap; what else belongs to key
 * files is a leftover that may be removed: half-made files, and files whose range lies within
 * another's. Names of other kinds are not looked at. Must not know: what the files hold.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key_archive_internal.h"

enum { NAMES_MIN = 16 };

/* What block_file.h puts behind a name until the file is complete. */
static const char temporary_ending[] = ".tmp";

/* --- names ----------------------------------------------------------------------------------- */

void archive_names_deinit(struct archive_names *names)
{
    free(names->names);
    *names = (struct archive_names){0};
}

int archive_names_reserve(struct archive_names *names, size_t count)
{
    if (names->count + count <= names->max)
        return 0;
    size_t max = (names->count + count) * 2 + NAMES_MIN;
    char(*grown)[STORAGE_NAME_MAX] = realloc(names->names, max * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    names->names = grown;
    names->max = max;
    return 0;
}

void archive_names_add(struct archive_names *names, const char *name)
{
    assert(names->count < names->max);
    snprintf(names->names[names->count], sizeof(names->names[0]), "%s", name);
    names->count++;
}

void archive_names_add_failure(struct archive_names *names, struct key_file_range range)
{
    char name[STORAGE_NAME_MAX];
    key_file_name(range, name);
    archive_names_add(names, name);
    assert(strlen(name) + sizeof(temporary_ending) <= sizeof(name));
    memcpy(name + strlen(name), temporary_ending, sizeof(temporary_ending));
    archive_names_add(names, name);
}

int archive_names_remove_files(struct archive_names *names, struct storage *storage)
{
    if (names->count == 0)
        return 0;
    for (size_t i = 0; i < names->count; i++) {
        char path[STORAGE_NAME_MAX + sizeof(KEY_FILE_DIRECTORY)];
        snprintf(path, sizeof(path), "%s/%s", KEY_FILE_DIRECTORY, names->names[i]);
        int error = storage->operations->remove(storage, path);
        if (error != 0 && error != -ENOENT)
            return error;
    }
    int error = storage->operations->sync_directory(storage, KEY_FILE_DIRECTORY);
    if (error == 0)
        names->count = 0;
    return error;
}

/* --- listing --------------------------------------------------------------------------------- */

struct visit {
    struct archive_listing *listing;
    size_t ranges_max;
    int error;
};

static int add_range(struct visit *visit, struct key_file_range range)
{
    struct archive_listing *listing = visit->listing;
    if (listing->range_count == visit->ranges_max) {
        size_t max = visit->ranges_max * 2 + NAMES_MIN;
        struct key_file_range *grown = realloc(listing->ranges, max * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        listing->ranges = grown;
        visit->ranges_max = max;
    }
    listing->ranges[listing->range_count++] = range;
    return 0;
}

static bool is_temporary(const char *name)
{
    size_t length = strlen(name);
    size_t ending = sizeof(temporary_ending) - 1;
    return length > ending && length < STORAGE_NAME_MAX &&
           strcmp(name + length - ending, temporary_ending) == 0;
}

static void visit_name(void *context, const char *name)
{
    struct visit *visit = context;
    struct key_file_range range;
    if (visit->error != 0)
        return;
    if (key_file_parse_name(name, &range)) {
        visit->error = add_range(visit, range);
    } else if (is_temporary(name)) {
        visit->error = archive_names_reserve(&visit->listing->leftovers, 1);
        if (visit->error == 0)
            archive_names_add(&visit->listing->leftovers, name);
    }
}

/* By first LSN; of those that begin together the longest first. */
static int compare_ranges(const void *left, const void *right)
{
    const struct key_file_range *a = left;
    const struct key_file_range *b = right;
    if (a->from_lsn != b->from_lsn)
        return a->from_lsn < b->from_lsn ? -1 : 1;
    return (a->to_lsn < b->to_lsn) - (a->to_lsn > b->to_lsn);
}

static int refuse_range(struct key_file_range range, uint64_t expected,
                        struct block_file_fault *fault)
{
    char name[STORAGE_NAME_MAX];
    key_file_name(range, name);
    *fault = (struct block_file_fault){0};
    snprintf(fault->file, sizeof(fault->file), "%s/%.*s", KEY_FILE_DIRECTORY,
             (int)(sizeof(fault->file) - sizeof(KEY_FILE_DIRECTORY) - 1), name);
    if (range.from_lsn > expected)
        snprintf(fault->reason, sizeof(fault->reason),
                 "the key file of records %" PRIu64 " to %" PRIu64 " is missing", expected,
                 range.from_lsn - 1);
    else
        snprintf(fault->reason, sizeof(fault->reason),
                 "overlaps the key file before it, which ends with record %" PRIu64, expected - 1);
    return -EBADMSG;
}

/* Keeps the ranges that count. They are in order, so that one that ends within what is covered lies
 * within the last one kept. */
static int judge_ranges(struct archive_listing *listing, struct block_file_fault *fault)
{
    uint64_t expected = 1;
    size_t kept = 0;
    int error = archive_names_reserve(&listing->leftovers, listing->range_count);
    for (size_t i = 0; i < listing->range_count && error == 0; i++) {
        struct key_file_range range = listing->ranges[i];
        if (range.to_lsn < expected) {
            char name[STORAGE_NAME_MAX];
            key_file_name(range, name);
            archive_names_add(&listing->leftovers, name);
        } else if (range.from_lsn != expected) {
            error = refuse_range(range, expected, fault);
        } else {
            listing->ranges[kept++] = range;
            expected = range.to_lsn + 1;
        }
    }
    listing->range_count = kept;
    return error;
}

int archive_listing_init(struct archive_listing *listing, struct storage *storage,
                         struct block_file_fault *fault)
{
    *listing = (struct archive_listing){.has_directory = true};
    struct visit visit = {.listing = listing};
    int error = storage->operations->list(storage, KEY_FILE_DIRECTORY, visit_name, &visit);
    if (error == -ENOENT) {
        listing->has_directory = false;
        return 0;
    }
    if (error == 0)
        error = visit.error;
    if (error == 0 && listing->range_count > 0) {
        qsort(listing->ranges, listing->range_count, sizeof(*listing->ranges), compare_ranges);
        error = judge_ranges(listing, fault);
    }
    if (error != 0)
        archive_listing_deinit(listing);
    return error;
}

void archive_listing_deinit(struct archive_listing *listing)
{
    free(listing->ranges);
    archive_names_deinit(&listing->leftovers);
    *listing = (struct archive_listing){0};
}
