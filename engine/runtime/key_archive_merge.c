/* key_archive_merge.c - one key file of several neighbours, and the end of the keys behind an LSN.
 *
 *     file a  [key][key][key]...  \
 *     file b  [key][key]...        >  the smallest of the heads, again and again  --->  one file
 *     file c  [key][key][key]...  /
 *
 * Bounded memory: KEY_FILE_READ_BLOCKS blocks a file, and what a writer needs. Every key is checked
 * on the way (order, range, count, digest), so that damage is not copied into a file with right
 * sums.
 *
 * Guarantees: the old files are removed when the new one is durable. After an interruption anywhere
 * the directory is one that archive_listing_init() accepts, with the same keys. Must not know: the
 * log.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "key_archive_internal.h"

_Static_assert((int)KEY_ARCHIVE_MERGE_MIN >= (int)ARCHIVE_NAMES_OF_FAILURE,
               "room for the names of what was merged is room for those of a failure");

/* --- choosing -------------------------------------------------------------------------------- */

/* A file without keys is one file to look into all the same. */
static uint64_t weight_of(const struct archive_set *set, uint32_t number)
{
    return set->files[number]->file.totals.key_count + 1;
}

/* The shortest window that begins with `first` and weighs `growth` times its heaviest file; its
 * weight, or UINT64_MAX when there is none. */
static uint64_t measure_window(const struct archive_set *set, uint32_t first, uint64_t growth,
                               uint32_t *count)
{
    uint64_t sum = 0;
    uint64_t heaviest = 0;
    for (uint32_t n = 1; n <= KEY_ARCHIVE_MERGE_MAX && first + n <= set->count; n++) {
        uint64_t weight = weight_of(set, first + n - 1);
        sum += weight;
        heaviest = weight > heaviest ? weight : heaviest;
        if (sum > KEY_FILE_KEYS_MAX)
            break;
        if (n >= KEY_ARCHIVE_MERGE_MIN && heaviest * growth <= sum) {
            *count = n;
            return sum;
        }
    }
    return UINT64_MAX;
}

/* The lightest: what costs least to merge. */
static struct archive_window lightest_window(const struct archive_set *set, uint64_t growth)
{
    struct archive_window best = {0};
    uint64_t best_weight = UINT64_MAX;
    for (uint32_t first = 0; first + KEY_ARCHIVE_MERGE_MIN <= set->count; first++) {
        uint32_t count = 0;
        uint64_t weight = measure_window(set, first, growth, &count);
        if (weight < best_weight) {
            best = (struct archive_window){first, count};
            best_weight = weight;
        }
    }
    return best;
}

/* What is worth while; with too many files what is nearly so, or any. */
struct archive_window archive_choose_window(const struct archive_set *set)
{
    uint64_t growth = KEY_ARCHIVE_MERGE_GROWTH;
    struct archive_window window = lightest_window(set, growth);
    while (window.count == 0 && set->count > KEY_ARCHIVE_FILES_MAX && growth > 1) {
        growth /= 2;
        window = lightest_window(set, growth);
    }
    return window;
}

bool key_archive_wants_merge(const struct key_archive *archive)
{
    return archive->leftovers.count > 0 ||
           archive_choose_window(archive_current(archive)).count > 0;
}

/* --- copying --------------------------------------------------------------------------------- */

struct merge {
    struct key_file_cursor cursors[KEY_ARCHIVE_MERGE_MAX]; /* those that have a key come first */
    uint32_t count;
    uint32_t live;
};

/* Moves one that has given all behind those that have not. */
static int advance(struct merge *merge, uint32_t number, struct block_file_fault *fault)
{
    int error = key_file_cursor_next(&merge->cursors[number], fault);
    if (error != -ENODATA)
        return error;
    merge->live--;
    struct key_file_cursor ended = merge->cursors[number];
    merge->cursors[number] = merge->cursors[merge->live];
    merge->cursors[merge->live] = ended;
    return 0;
}

static int start_cursors(struct merge *merge, const struct key_file_plan *plan,
                         const struct key_file *sources, uint32_t count,
                         struct block_file_fault *fault)
{
    assert(count <= KEY_ARCHIVE_MERGE_MAX);
    int error = 0;
    while (merge->count < count && error == 0) {
        error = key_file_cursor_init(&merge->cursors[merge->count], &sources[merge->count],
                                     plan->pace, plan->pace_context);
        if (error == 0)
            merge->count++;
    }
    merge->live = merge->count;
    /* From the last one down: what ends at once changes places with one that was advanced. */
    for (uint32_t i = merge->count; i > 0 && error == 0; i--)
        error = advance(merge, i - 1, fault);
    return error;
}

static uint32_t smallest_head(const struct merge *merge)
{
    uint32_t smallest = 0;
    for (uint32_t i = 1; i < merge->live; i++) {
        if (key_answer_compare(&merge->cursors[i].entry, &merge->cursors[smallest].entry) < 0)
            smallest = i;
    }
    return smallest;
}

static int copy_keys(struct merge *merge, const struct key_file_plan *plan,
                     struct key_file_writer *writer, struct block_file_fault *fault)
{
    int error = 0;
    while (merge->live > 0 && error == 0) {
        uint32_t number = smallest_head(merge);
        const struct key_answer *entry = &merge->cursors[number].entry;
        if (entry->lsn <= plan->range.to_lsn)
            error = key_file_add(writer, entry);
        if (error == 0)
            error = advance(merge, number, fault);
    }
    return error;
}

int archive_merge_files(const struct key_file_plan *plan, const struct key_file *sources,
                        uint32_t count, struct block_file_fault *fault)
{
    struct merge *merge = calloc(1, sizeof(*merge));
    if (merge == NULL)
        return -ENOMEM;
    struct key_file_writer *writer = NULL;
    int error = start_cursors(merge, plan, sources, count, fault);
    if (error == 0)
        error = key_file_begin(plan, &writer);
    if (error == 0)
        error = copy_keys(merge, plan, writer, fault);
    if (error == 0)
        error = key_file_finish(writer);
    else if (writer != NULL)
        key_file_abandon(writer);
    for (uint32_t i = 0; i < merge->count; i++)
        key_file_cursor_deinit(&merge->cursors[i]);
    free(merge);
    return error;
}

/* --- merging --------------------------------------------------------------------------------- */

/* Opens files of a set once more, for the keeper alone. *opened also after an error. */
static int open_sources(const struct key_archive *archive, struct archive_window window,
                        struct key_file *sources, uint32_t *opened, struct block_file_fault *fault)
{
    const struct archive_set *set = archive_current(archive);
    int error = 0;
    for (*opened = 0; *opened < window.count; ++*opened) {
        error = key_file_open(archive->storage, archive->log_id,
                              set->files[window.first + *opened]->file.totals.range,
                              &sources[*opened], fault);
        if (error != 0)
            break;
    }
    return error;
}

static int make_merged(const struct key_archive *archive, struct archive_window window,
                       struct key_file_plan *plan, struct block_file_fault *fault)
{
    struct key_file sources[KEY_ARCHIVE_MERGE_MAX];
    uint32_t opened;
    int error = open_sources(archive, window, sources, &opened, fault);
    for (uint32_t i = 0; i < opened; i++)
        plan->keys_max += sources[i].totals.key_count;
    if (error == 0)
        error = archive_merge_files(plan, sources, window.count, fault);
    for (uint32_t i = 0; i < opened; i++)
        key_file_close(&sources[i]);
    return error;
}

static void note_leftover(struct key_archive *archive, struct key_file_range range)
{
    char name[STORAGE_NAME_MAX];
    key_file_name(range, name);
    archive_names_add(&archive->leftovers, name);
}

int key_archive_merge(struct key_archive *archive, struct channel *channel, block_file_pace *pace,
                      void *pace_context, struct block_file_fault *fault)
{
    int error = archive_tidy(archive);
    if (error != 0)
        return error;
    const struct archive_set *old = archive_current(archive);
    struct archive_window window = archive_choose_window(old);
    if (window.count == 0)
        return 0;
    uint32_t last = window.first + window.count - 1;
    struct key_file_plan plan = {
        .storage = archive->storage,
        .channel = channel,
        .log_id = archive->log_id,
        .range = {old->files[window.first]->file.totals.range.from_lsn,
                  old->files[last]->file.totals.range.to_lsn},
        .pace = pace,
        .pace_context = pace_context,
    };
    error = archive_names_reserve(&archive->leftovers, window.count);
    if (error != 0)
        return error;
    error = make_merged(archive, window, &plan, fault);
    if (error == 0)
        error = archive_publish(archive, plan.range, window.first, window.count, fault);
    if (error != 0) {
        archive_names_add_failure(&archive->leftovers, plan.range);
        return error;
    }
    /* Still open in the old set, so that it can be read until it is released. */
    for (uint32_t i = window.first; i <= last; i++)
        note_leftover(archive, old->files[i]->file.totals.range);
    return archive_tidy(archive);
}

/* --- cutting --------------------------------------------------------------------------------- */

/* So that the new file is the one that extending would have made: its parts depend on the count. */
static int count_keys(const struct key_file *file, uint64_t to_lsn, uint64_t *count,
                      struct block_file_fault *fault)
{
    struct key_file_cursor cursor;
    int error = key_file_cursor_init(&cursor, file, NULL, NULL);
    if (error != 0)
        return error;
    *count = 0;
    while ((error = key_file_cursor_next(&cursor, fault)) == 0)
        *count += cursor.entry.lsn <= to_lsn;
    key_file_cursor_deinit(&cursor);
    return error == -ENODATA ? 0 : error;
}

static int rewrite_file(const struct key_archive_options *options, struct channel *channel,
                        struct key_file_range range, uint64_t first_dropped_lsn,
                        struct block_file_fault *fault)
{
    struct key_file source;
    int error = key_file_open(options->storage, options->meta->log_id, range, &source, fault);
    if (error != 0)
        return error;
    struct key_file_plan plan = {
        .storage = options->storage,
        .channel = channel,
        .log_id = options->meta->log_id,
        .range = {range.from_lsn, first_dropped_lsn - 1},
    };
    error = count_keys(&source, plan.range.to_lsn, &plan.keys_max, fault);
    if (error == 0)
        error = archive_merge_files(&plan, &source, 1, fault);
    key_file_close(&source);
    return error;
}

/* One file, durably: the next is removed when this one is gone for good, so that no gap appears. */
static int remove_file(struct storage *storage, struct key_file_range range)
{
    struct archive_names names = {0};
    int error = archive_names_reserve(&names, 1);
    if (error != 0)
        return error;
    char name[STORAGE_NAME_MAX];
    key_file_name(range, name);
    archive_names_add(&names, name);
    error = archive_names_remove_files(&names, storage);
    archive_names_deinit(&names);
    return error;
}

static int cut_listed(const struct key_archive_options *options, struct channel *channel,
                      struct archive_listing *listing, uint64_t first_dropped_lsn,
                      struct block_file_fault *fault)
{
    size_t kept = 0;
    while (kept < listing->range_count && listing->ranges[kept].to_lsn < first_dropped_lsn)
        kept++;
    if (kept == listing->range_count)
        return 0;
    /* First: a leftover within a file that goes would overlap the one that comes. */
    int error = archive_names_remove_files(&listing->leftovers, options->storage);
    /* While the old one is there, the new one is a leftover within it. */
    if (error == 0 && listing->ranges[kept].from_lsn < first_dropped_lsn)
        error = rewrite_file(options, channel, listing->ranges[kept], first_dropped_lsn, fault);
    for (size_t i = listing->range_count; i > kept && error == 0; i--)
        error = remove_file(options->storage, listing->ranges[i - 1]);
    return error;
}

int key_archive_cut(const struct key_archive_options *options, struct channel *channel,
                    uint64_t first_dropped_lsn, struct block_file_fault *fault)
{
    assert(first_dropped_lsn > 0);
    struct archive_listing listing;
    int error = archive_listing_init(&listing, options->storage, fault);
    if (error != 0)
        return error;
    error = cut_listed(options, channel, &listing, first_dropped_lsn, fault);
    archive_listing_deinit(&listing);
    return error;
}
