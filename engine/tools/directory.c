/* directory.c - opens a directory for tools, and walks its log.
 *
 * A log that is being written to changes while it is read: a frame can be missing where one later
 * in the same segment is there already, which looks like damage. So a log that seems damaged is
 * read again: damage stays where it is, the end of a living log moves.
 *
 * Guarantees: nothing is written. It must not know workers or the opened ledger.
 */
#include "directory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "engine/runtime/restore_mark.h"
#include "wal/log_copy.h"
#include "wal/segment_list.h"
#include "wal/storage_posix.h"

static int read_meta(struct tool_directory *directory, struct tool_problem *problem)
{
    struct meta *meta = &directory->meta;
    int error = meta_read(directory->storage, meta);
    if (error == -EPROTONOSUPPORT)
        return problem_say(
            problem, -EBADMSG, "meta", 0,
            "it is of format version %u, this release reads %d: use the release that "
            "wrote it",
            meta->format_version, META_FORMAT_VERSION);
    if (error == -EBADMSG)
        return problem_say(problem, -EBADMSG, "meta", 0,
                           "it is damaged or not a file of Florin: restore it from a backup");
    return error;
}

static int list_log(struct tool_directory *directory, struct tool_problem *problem)
{
    struct segment_list list;
    int error = segment_list_init(&list, directory->storage);
    if (error == 0 && list.segments.count > 0) {
        directory->first_segment = list.segments.values[0];
        directory->last_segment = list.segments.values[list.segments.count - 1];
    }
    segment_list_deinit(&list);
    if (error == -ENOENT || (error == 0 && directory->first_segment == 0))
        return problem_say(problem, -EBADMSG, "log", 0,
                           "there is a meta, but no segment of the log: files are missing");
    return error;
}

static int check_mark(const struct tool_directory *directory, struct tool_problem *problem)
{
    int error = restore_mark_check(directory->storage);
    if (error == -EBADMSG)
        return problem_say(problem, error, RESTORE_MARK_NAME, 0, RESTORE_MARK_REASON);
    return error;
}

static int open_directory(const char *path, bool is_unfinished, struct tool_directory *directory,
                          struct tool_problem *problem)
{
    *problem = (struct tool_problem){.offset = 0};
    *directory = (struct tool_directory){.storage = NULL};
    int error = storage_posix_create(path, false, &directory->storage);
    if (error != 0) {
        directory->storage = NULL;
        return error == -ENOTDIR ? -ENOENT : error;
    }
    if (!is_unfinished)
        error = check_mark(directory, problem);
    if (error == 0)
        error = read_meta(directory, problem);
    if (error == 0) {
        hash_secret_init(&directory->secret, directory->meta.hash_seed, META_HASH_SEED_BYTES);
        error = directory_files_init(&directory->files, directory->storage);
    }
    if (error == 0)
        error = list_log(directory, problem);
    if (error != 0)
        tool_directory_close(directory);
    return error;
}

int tool_directory_open(const char *path, struct tool_directory *directory,
                        struct tool_problem *problem)
{
    return open_directory(path, false, directory, problem);
}

int tool_directory_open_unfinished(const char *path, struct tool_directory *directory,
                                   struct tool_problem *problem)
{
    return open_directory(path, true, directory, problem);
}

void tool_directory_close(struct tool_directory *directory)
{
    directory_files_deinit(&directory->files);
    if (directory->storage != NULL)
        storage_posix_destroy(directory->storage);
    directory->storage = NULL;
}

int tool_directory_checkpoint(const struct tool_directory *directory, size_t index,
                              struct checkpoint_info *info, struct checkpoint_totals *totals,
                              struct tool_problem *problem)
{
    const struct directory_file *listed = &directory->files.files[index];
    struct block_file_fault fault = {.file = ""};
    struct block_file file;
    int error = checkpoint_open(directory->storage, directory->meta.log_id, listed->from, &file,
                                info, totals, &fault);
    if (error == -EBADMSG)
        return problem_of_file(problem, &fault);
    if (error == 0)
        block_file_close(&file);
    return error;
}

/* --- the log --------------------------------------------------------------------------------- */

struct walking {
    struct tool_walk *walk;
    struct log_progress progress;
    struct tool_problem *problem;
};

static void show_progress(struct walking *walking)
{
    const struct tool_walk *walk = walking->walk;
    if (walk->progress != NULL)
        walk->progress(walk->progress_context, "log", atomic_load(&walking->progress.bytes_done),
                       atomic_load(&walking->progress.bytes_total));
}

/* log_verify()'s callback: one frame's records. */
static int take_frame(void *context, uint64_t first_lsn, uint32_t record_count,
                      const uint8_t *bytes, size_t length)
{
    struct walking *walking = context;
    struct tool_walk *walk = walking->walk;
    size_t offset = 0;
    for (uint32_t i = 0; i < record_count; i++) {
        struct record record;
        uint64_t lsn = first_lsn + i;
        size_t size = record_decode(bytes + offset, length - offset, &record);
        if (size == 0)
            return problem_say(walking->problem, -EBADMSG, "", lsn, "not a record");
        offset += size;
        int error =
            walk->visit == NULL ? 0 : walk->visit(walk->context, &record, lsn, walking->problem);
        if (error != 0)
            return error;
        walk->last_lsn = lsn;
    }
    if (offset != length)
        return problem_say(walking->problem, -EBADMSG, "", first_lsn,
                           "bytes behind the last record");
    show_progress(walking);
    return 0;
}

/* Whether the log is seen to end elsewhere than before. */
static bool end_has_moved(const struct tool_walk *walk, const struct log_report *before)
{
    const struct log_options options = {
        .storage = walk->directory->storage,
        .meta = walk->directory->meta,
        .start = walk->start,
    };
    struct log_report now;
    int error = log_verify(&options, &now);
    return error == 0 ||
           (error == -EBADMSG && (now.last_lsn > before->last_lsn || now.offset != before->offset ||
                                  strcmp(now.file, before->file) != 0));
}

int tool_walk_log(struct tool_walk *walk, struct tool_problem *problem)
{
    struct walking walking = {.walk = walk, .problem = problem};
    const struct log_options options = {
        .storage = walk->directory->storage,
        .meta = walk->directory->meta,
        .start = walk->start,
        .durable_lsn = walk->durable_lsn,
        .replay = take_frame,
        .replay_context = &walking,
        .progress = &walking.progress,
    };
    *problem = (struct tool_problem){.offset = 0};
    walk->report = (struct log_report){.end = LOG_END_NEW};
    walk->stopped = false;
    walk->moving = false;
    walk->last_lsn = walk->start.segment == 0 ? 0 : walk->start.first_lsn - 1;
    int error = log_verify(&options, &walk->report);
    if (error == -ECANCELED) {
        walk->stopped = true;
        return 0;
    }
    if (error != -EBADMSG || problem->reason[0] != '\0')
        return error;
    if (walk->report.last_lsn >= walk->durable_lsn && end_has_moved(walk, &walk->report)) {
        walk->moving = true;
        return 0;
    }
    return problem_of_report(problem, &walk->report);
}

int tool_directory_find_start(const struct tool_directory *directory, uint64_t lsn,
                              struct log_start *start, struct tool_problem *problem)
{
    for (uint64_t number = directory->last_segment; number >= directory->first_segment; number--) {
        int error = log_copy_read_start(directory->storage, &directory->meta, number, start);
        if (error == 0 && start->first_lsn <= lsn)
            return 0;
        /* of a damaged one the walk over the segment before says more */
        if (error != 0 && error != -ENODATA && error != -EBADMSG)
            return error;
        if (number == directory->first_segment && error == 0)
            return problem_say(problem, -ENODATA, "", lsn,
                               "the log is kept from LSN %" PRIu64 " on only", start->first_lsn);
    }
    /* the first segment is damaged or empty: let the walk judge it */
    *start = (struct log_start){.segment = 0};
    return 0;
}
