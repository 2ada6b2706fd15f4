/* repair.c - look, say, copy, cut.
 *
 * Guarantees: no byte of the ledger is changed before its copy is durable. It must not know the
 * formats.
 */
#include "repair.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cut.h"
#include "engine/runtime/directory_lock.h"
#include "quarantine.h"
#include "wal/segment.h"
#include "wal/storage_posix.h"
#include "wal/survey.h"

enum { LOCK_TIMEOUT_MS = 1000, LINE_MAX_BYTES = 1000 };

struct repair {
    const char *path;
    struct tool_directory directory;
    struct cut_plan plan;
    struct log_survey_report survey;
    struct quarantine quarantine;
    bool quarantined; /* lines go to repair.log as well */
    int log_error;
    repair_line *say;
    void *context;
    struct tool_problem *problem;
};

__attribute__((format(printf, 2, 3))) static void say(struct repair *repair, const char *format,
                                                      ...)
{
    char line[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    repair->say(repair->context, line);
    if (repair->quarantined && repair->log_error == 0)
        repair->log_error = quarantine_log(&repair->quarantine, line);
}

/* --- what would be lost ---------------------------------------------------------------------- */

static int look(struct repair *repair)
{
    const struct tool_directory *directory = &repair->directory;
    const uint64_t lsn = repair->plan.first_dropped_lsn;
    int error = log_survey(directory->storage, &directory->meta, &repair->survey, NULL, NULL);
    if (error == 0 && !repair->survey.is_damaged && lsn > repair->survey.last_lsn)
        return problem_say(repair->problem, -ERANGE, "", lsn,
                           "the log is sound and ends with LSN %" PRIu64 ": nothing to drop",
                           repair->survey.last_lsn);
    return error;
}

/* The newest LSN of a whole frame, also behind damage. */
static uint64_t newest_lsn(const struct log_survey_report *survey)
{
    return survey->last_lsn_after > survey->last_lsn ? survey->last_lsn_after : survey->last_lsn;
}

static void say_loss(struct repair *repair)
{
    const struct log_survey_report *survey = &repair->survey;
    const struct cut_plan *plan = &repair->plan;
    const uint64_t lsn = plan->first_dropped_lsn;
    uint64_t newest = newest_lsn(survey);
    if (survey->is_damaged)
        say(repair, "damage: %s at offset %" PRIu64 ", LSN %" PRIu64 ": %s", survey->damage.file,
            survey->damage.offset, survey->damage.lsn, survey->damage.reason);
    else
        say(repair, "the log is sound");
    if (newest < lsn)
        say(repair, "lost: every change from LSN %" PRIu64 " on; no whole record of them is seen",
            lsn);
    else if (survey->is_damaged)
        say(repair,
            "lost: every change from LSN %" PRIu64 " on; records up to LSN %" PRIu64
            " are seen, %" PRIu64 " of them behind the damage",
            lsn, newest, survey->records_after);
    else
        say(repair, "lost: the records from LSN %" PRIu64 " to %" PRIu64, lsn, newest);
    say(repair,
        "kept: LSN 1 to %" PRIu64 ", %" PRIu64 " accounts, %" PRIu64 " keys, digest %016" PRIx64,
        lsn - 1, plan->accounts, plan->keys, plan->digest);
}

/* --- the originals --------------------------------------------------------------------------- */

static int keep_file(struct repair *repair, const char *name)
{
    int error = quarantine_copy(&repair->quarantine, name);
    if (error != 0)
        return problem_say(repair->problem, error, name, 0, "it cannot be copied: %s",
                           strerror(-error));
    say(repair, "copied: %s", name);
    return 0;
}

static int keep_log(struct repair *repair)
{
    const struct tool_directory *directory = &repair->directory;
    int error = 0;
    for (uint64_t number = repair->plan.first_segment;
         number <= directory->last_segment && error == 0; number++) {
        char name[STORAGE_NAME_MAX];
        segment_name(number, name);
        error = quarantine_copy(&repair->quarantine, name);
        if (error == -ENOENT) {
            say(repair, "missing: %s", name);
            error = 0;
        } else if (error == 0) {
            say(repair, "copied: %s", name);
        } else {
            error = problem_say(repair->problem, error, name, 0, "it cannot be copied: %s",
                                strerror(-error));
        }
    }
    return error;
}

static int keep_originals(struct repair *repair)
{
    const struct directory_files *files = &repair->directory.files;
    int error = keep_log(repair);
    for (size_t i = 0; i < files->count && error == 0; i++) {
        const struct directory_file *file = &files->files[i];
        bool changes = file->kind == BLOCK_FILE_CHECKPOINT
                           ? repair->plan.drops[i]
                           : file->to >= repair->plan.first_dropped_lsn;
        if (changes)
            error = keep_file(repair, file->name);
    }
    if (error == 0)
        error = quarantine_sync(&repair->quarantine);
    return error != 0 ? error : repair->log_error;
}

/* --- the repair ------------------------------------------------------------------------------ */

static int cut(struct repair *repair)
{
    struct log_cut_report report;
    int error = keep_originals(repair);
    if (error != 0)
        return error;
    error = cut_directory(&repair->directory, &repair->plan, &report, repair->problem);
    if (error != 0) {
        say(repair, "failed: %s; the originals are in %s",
            repair->problem->reason[0] != '\0' ? repair->problem->reason : strerror(-error),
            repair->quarantine.path);
        return error;
    }
    say(repair,
        "cut: log segment %" PRIu64 " at offset %" PRIu64 ", %" PRIu64 " bytes dropped, %" PRIu64
        " segments removed; the log ends with LSN %" PRIu64,
        report.segment, report.offset, report.dropped_bytes, report.removed_segments,
        report.last_lsn);
    say(repair, "the originals are in %s", repair->quarantine.path);
    return repair->log_error;
}

static int repair_locked(struct repair *repair, uint64_t first_dropped_lsn, enum repair_mode mode,
                         uint64_t now_ns)
{
    int error = cut_prepare(&repair->directory, first_dropped_lsn, &repair->plan, repair->problem);
    if (error == 0)
        error = look(repair);
    if (error != 0)
        return error;
    if (mode == REPAIR_SAY) {
        say_loss(repair);
        return 0;
    }
    error = quarantine_open(&repair->quarantine, repair->path, now_ns);
    if (error == -EEXIST)
        return problem_say(repair->problem, error, "", 0,
                           "%s is there already and is not overwritten: try again in a second",
                           repair->quarantine.path);
    if (error != 0)
        return error;
    repair->quarantined = true;
    say(repair, "florin repair %s --drop-from %" PRIu64 " --accept-loss", repair->path,
        first_dropped_lsn);
    say_loss(repair);
    error = cut(repair);
    quarantine_close(&repair->quarantine);
    return error;
}

int repair_directory(const char *path, uint64_t first_dropped_lsn, enum repair_mode mode,
                     uint64_t now_ns, repair_line *say_line, void *context,
                     struct tool_problem *problem)
{
    struct repair repair = {.path = path, .say = say_line, .context = context, .problem = problem};
    char holder[DIRECTORY_LOCK_HOLDER_MAX];
    struct storage_file *lock;
    struct storage *storage;
    /* no lock is made where there is no ledger */
    int error = tool_directory_open(path, &repair.directory, problem);
    if (error != 0)
        return error;
    tool_directory_close(&repair.directory);
    error = storage_posix_create(path, false, &storage);
    if (error != 0)
        return error;
    error = directory_lock_take(storage, LOCK_TIMEOUT_MS, &lock, holder);
    if (error == -EBUSY)
        (void)problem_say(problem, error, "", 0, "%s has it open: stop it first", holder);
    if (error == 0) {
        error = tool_directory_open(path, &repair.directory, problem);
        if (error == 0) {
            error = repair_locked(&repair, first_dropped_lsn, mode, now_ns);
            tool_directory_close(&repair.directory);
        }
        storage->operations->close(lock);
    }
    storage_posix_destroy(storage);
    return error;
}
