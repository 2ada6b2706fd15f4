/* restore.c - mark, unpack, cut, take the mark away, verify, rename.
 *
 * Guarantees: what gets the final name was verified as `florin verify` does, and is durable. It
 * must not know the formats.
 */
#include "restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cut.h"
#include "digest.h"
#include "engine/runtime/restore_mark.h"
#include "unpack.h"
#include "verify.h"
#include "wal/log_copy.h"
#include "wal/storage_posix.h"

enum { PATH_BYTES = 4096, DIRECTORY_MODE = 0700, DESCRIPTORS_MAX = 16 };

struct restoring {
    const struct restore_options *options;
    struct restore_report *report;
    struct tool_problem *problem;
    char path[PATH_BYTES];
    char temporary[PATH_BYTES];
};

/* --- the directory --------------------------------------------------------------------------- */

static int name_paths(struct restoring *restoring)
{
    int length = snprintf(restoring->path, PATH_BYTES, "%s", restoring->options->directory);
    if (length <= 0 || length >= PATH_BYTES - 8)
        return -ENAMETOOLONG;
    while (length > 1 && restoring->path[length - 1] == '/')
        restoring->path[--length] = '\0';
    snprintf(restoring->temporary, PATH_BYTES, "%.*s.tmp", PATH_BYTES - 8, restoring->path);
    return 0;
}

/* 0: the path is free, or an empty directory. */
static int check_free(const char *path)
{
    DIR *stream = opendir(path);
    if (stream == NULL)
        return errno == ENOENT ? 0 : errno == ENOTDIR ? -EEXIST : -errno;
    const struct dirent *entry;
    int error = 0;
    errno = 0;
    while (error == 0 && (entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            error = -EEXIST;
    }
    if (error == 0 && errno != 0)
        error = -errno;
    (void)closedir(stream);
    return error;
}

static int make_temporary(struct restoring *restoring)
{
    int error = check_free(restoring->path);
    if (error == -EEXIST)
        return problem_say(restoring->problem, error, "", 0,
                           "it is there and not empty: it is not overwritten");
    if (error != 0)
        return error;
    if (mkdir(restoring->temporary, DIRECTORY_MODE) == 0)
        return 0;
    if (errno == EEXIST)
        return problem_say(restoring->problem, -EEXIST, "", 0,
                           "%.120s is there, left by an interrupted restore: remove it first",
                           restoring->temporary);
    return -errno;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static int sync_parent(const char *path)
{
    char copy[PATH_BYTES];
    snprintf(copy, sizeof(copy), "%s", path);
    int descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    int error = fsync(descriptor) == 0 ? 0 : -errno;
    (void)close(descriptor);
    return error;
}

/* --- to a point in time ---------------------------------------------------------------------- */

struct finding {
    uint64_t time_ns;
    uint64_t lsn; /* the first later one; 0: none */
};

static int find_later(void *context, const struct record *record, uint64_t lsn,
                      struct tool_problem *problem)
{
    struct finding *finding = context;
    (void)problem;
    if (record->time_ns <= finding->time_ns)
        return 0;
    finding->lsn = lsn;
    return -ECANCELED;
}

/* The first LSN that is dropped; 0: none. */
static int find_first_dropped(const struct restoring *restoring,
                              const struct tool_directory *directory, uint64_t *lsn)
{
    struct finding finding = {.time_ns = restoring->options->value};
    struct tool_walk walk = {
        .directory = directory,
        .visit = find_later,
        .context = &finding,
        .progress = restoring->options->progress,
        .progress_context = restoring->options->progress_context,
    };
    if (restoring->options->until == RESTORE_UNTIL_LSN) {
        *lsn = restoring->options->value + 1;
        return 0;
    }
    int error = 0;
    if (directory->first_segment > 1)
        error = log_copy_read_start(directory->storage, &directory->meta, directory->first_segment,
                                    &walk.start);
    if (error == 0)
        error = tool_walk_log(&walk, restoring->problem);
    *lsn = finding.lsn;
    return error;
}

static int cut_opened(struct restoring *restoring, const struct tool_directory *directory)
{
    struct log_cut_report report;
    struct cut_plan plan;
    uint64_t lsn;
    const uint64_t durable_lsn = restoring->report->backup.durable_lsn;
    int error = find_first_dropped(restoring, directory, &lsn);
    if (error != 0 || lsn == 0 || lsn == durable_lsn + 1)
        return error;
    if (lsn > durable_lsn + 1)
        return problem_say(restoring->problem, -ERANGE, "", 0,
                           "the backup ends with LSN %" PRIu64 ", not as late as %" PRIu64,
                           durable_lsn, restoring->options->value);
    error = cut_prepare(directory, lsn, &plan, restoring->problem);
    return error != 0 ? error : cut_directory(directory, &plan, &report, restoring->problem);
}

static int cut(struct restoring *restoring)
{
    struct tool_directory directory;
    if (restoring->options->until == RESTORE_WHOLE)
        return 0;
    int error =
        tool_directory_open_unfinished(restoring->temporary, &directory, restoring->problem);
    if (error != 0)
        return error;
    error = cut_opened(restoring, &directory);
    tool_directory_close(&directory);
    return error;
}

/* --- the whole ------------------------------------------------------------------------------- */

static int unpack(struct restoring *restoring)
{
    struct storage *storage;
    int error = storage_posix_create(restoring->temporary, false, &storage);
    if (error != 0)
        return error;
    error = restore_mark_set(storage);
    if (error == 0)
        error = unpack_backup(restoring->options->input, storage, &restoring->report->backup,
                              restoring->problem);
    storage_posix_destroy(storage);
    return error;
}

/* All that the directory shall hold is in it, and durable. */
static int take_mark_away(const struct restoring *restoring)
{
    struct storage *storage;
    int error = storage_posix_create(restoring->temporary, false, &storage);
    if (error != 0)
        return error;
    error = restore_mark_remove(storage);
    storage_posix_destroy(storage);
    return error;
}

static int verify(struct restoring *restoring)
{
    const struct restore_options *options = restoring->options;
    struct restore_report *report = restoring->report;
    struct verify_report *verified = calloc(1, sizeof(*verified));
    if (verified == NULL)
        return -ENOMEM;
    int error = verify_directory(restoring->temporary, options->progress, options->progress_context,
                                 verified);
    if (error == -EBADMSG)
        *restoring->problem = verified->problems[0];
    if (error == 0 && !verified->has_state)
        error = problem_say(restoring->problem, -EBADMSG, "", 0, "it holds no state");
    if (error == 0 && options->until == RESTORE_WHOLE &&
        verified->lsn != report->backup.durable_lsn)
        error = problem_say(restoring->problem, -EBADMSG, "log", verified->lsn,
                            "the log of the backup ends here, not with LSN %" PRIu64 " as it says",
                            report->backup.durable_lsn);
    report->lsn = verified->lsn;
    report->digest = verified->digest;
    report->accounts = verified->accounts;
    report->keys = verified->keys;
    free(verified);
    return error;
}

static int give_name(struct restoring *restoring)
{
    if (rename(restoring->temporary, restoring->path) == 0)
        return sync_parent(restoring->path);
    if (errno == ENOTEMPTY || errno == EEXIST)
        return problem_say(restoring->problem, -EEXIST, "", 0,
                           "it is not empty any more: it is not overwritten");
    return -errno;
}

int restore_backup(const struct restore_options *options, struct restore_report *report,
                   struct tool_problem *problem)
{
    struct restoring restoring = {.options = options, .report = report, .problem = problem};
    *report = (struct restore_report){.lsn = 0};
    *problem = (struct tool_problem){.offset = 0};
    int error = name_paths(&restoring);
    if (error == 0)
        error = make_temporary(&restoring);
    if (error != 0)
        return error;
    error = unpack(&restoring);
    if (error == 0)
        error = cut(&restoring);
    if (error == 0)
        error = take_mark_away(&restoring);
    if (error == 0)
        error = verify(&restoring);
    if (error == 0)
        error = give_name(&restoring);
    if (error != 0)
        (void)nftw(restoring.temporary, remove_entry, DESCRIPTORS_MAX, FTW_DEPTH | FTW_PHYS);
    return error;
}
