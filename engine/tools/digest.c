/* digest.c - accounts and keys in memory, and keys in files, as one sum.
 *
 * Guarantees: where a key is kept makes no difference. It must not know what the files look like.
 */
#include "digest.h"

#include <errno.h>
#include <inttypes.h>

#include "engine/runtime/key_file.h"

int digest_keys_end(const struct tool_directory *directory, uint64_t *to_lsn,
                    struct tool_problem *problem)
{
    *to_lsn = 0;
    for (size_t i = 0; i < directory->files.count; i++) {
        const struct directory_file *file = &directory->files.files[i];
        if (file->kind != BLOCK_FILE_KEYS)
            continue;
        if (file->from != *to_lsn + 1)
            return problem_say(problem, -EBADMSG, file->name, file->from,
                               "the key files %s LSN %" PRIu64 ": restore them from a backup",
                               file->from > *to_lsn ? "have a gap behind" : "overlap before",
                               *to_lsn);
        *to_lsn = file->to;
    }
    return 0;
}

/* Those of a file that only partly lies in the range. */
static int sum_entries(const struct key_file *file, uint64_t from_lsn, uint64_t to_lsn,
                       uint64_t *keys, uint64_t *digest, struct block_file_fault *fault)
{
    struct key_file_cursor cursor;
    int error = key_file_cursor_init(&cursor, file, NULL, NULL);
    if (error != 0)
        return error;
    while ((error = key_file_cursor_next(&cursor, fault)) == 0) {
        const struct key_answer *entry = &cursor.entry;
        if (entry->lsn < from_lsn || entry->lsn > to_lsn)
            continue;
        ++*keys;
        *digest += key_state_digest(key_tag(entry->digest), key_check(entry->digest), entry->lsn);
    }
    key_file_cursor_deinit(&cursor);
    return error == -ENODATA ? 0 : error;
}

static int sum_file(const struct tool_directory *directory, const struct directory_file *listed,
                    uint64_t from_lsn, uint64_t to_lsn, uint64_t *keys, uint64_t *digest,
                    struct tool_problem *problem)
{
    struct block_file_fault fault = {.file = ""};
    struct key_file file;
    const struct key_file_range range = {.from_lsn = listed->from, .to_lsn = listed->to};
    int error = key_file_open(directory->storage, directory->meta.log_id, range, &file, &fault);
    if (error == 0) {
        if (listed->from >= from_lsn && listed->to <= to_lsn) {
            *keys += file.totals.key_count;
            *digest += file.totals.state_digest;
        } else {
            error = sum_entries(&file, from_lsn, to_lsn, keys, digest, &fault);
        }
        key_file_close(&file);
    }
    return error == -EBADMSG ? problem_of_file(problem, &fault) : error;
}

int digest_sum_keys(const struct tool_directory *directory, uint64_t from_lsn, uint64_t to_lsn,
                    uint64_t *keys, uint64_t *digest, struct tool_problem *problem)
{
    int error = 0;
    *keys = 0;
    *digest = 0;
    for (size_t i = 0; i < directory->files.count && error == 0; i++) {
        const struct directory_file *file = &directory->files.files[i];
        if (file->kind == BLOCK_FILE_KEYS && file->from <= to_lsn && file->to >= from_lsn)
            error = sum_file(directory, file, from_lsn, to_lsn, keys, digest, problem);
    }
    return error;
}

static int digest_opened(const struct tool_directory *directory, uint64_t lsn,
                         tool_progress *progress, void *progress_context,
                         struct digest_report *report, struct tool_problem *problem)
{
    struct state state;
    uint64_t keys_to_lsn;
    uint64_t keys_digest;
    int error = digest_keys_end(directory, &keys_to_lsn, problem);
    if (error == 0)
        error = state_build(&state, directory, lsn, keys_to_lsn, progress, progress_context,
                            &report->lsn, problem);
    if (error != 0)
        return error;
    error = digest_sum_keys(directory, 1, report->lsn, &report->keys, &keys_digest, problem);
    report->digest = shard_digest(&state.shard) + keys_digest;
    report->accounts = state.shard.accounts.count;
    report->keys += state.shard.keys.count;
    state_deinit(&state);
    return error;
}

int digest_directory(const char *path, uint64_t lsn, tool_progress *progress,
                     void *progress_context, struct digest_report *report,
                     struct tool_problem *problem)
{
    struct tool_directory directory;
    int error = tool_directory_open(path, &directory, problem);
    if (error != 0)
        return error;
    error = digest_opened(&directory, lsn, progress, progress_context, report, problem);
    tool_directory_close(&directory);
    return error;
}
