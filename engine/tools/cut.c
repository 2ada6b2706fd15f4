/* cut.c - checkpoints, keys and log back to an LSN.
 *
 * Guarantees: nothing is changed before the state that will be left was built once. It must not
 * know why.
 */
#include "cut.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "engine/runtime/key_archive.h"
#include "wal/channel_posix.h"
#include "wal/log_copy.h"

/* --- before ---------------------------------------------------------------------------------- */

static bool is_of_log(const struct tool_problem *problem)
{
    return strncmp(problem->file, "log/", 4) == 0;
}

/* The state that will be left. */
static int build_state(const struct tool_directory *directory, struct cut_plan *plan,
                       struct tool_problem *problem)
{
    struct state state;
    uint64_t lsn;
    uint64_t keys_digest;
    uint64_t last_lsn = plan->first_dropped_lsn - 1;
    int error = digest_keys_end(directory, &plan->keys_to_lsn, problem);
    if (error == 0)
        error =
            state_build(&state, directory, last_lsn, plan->keys_to_lsn, NULL, NULL, &lsn, problem);
    if (error == -EBADMSG && is_of_log(problem) && problem->lsn < plan->first_dropped_lsn) {
        struct tool_problem damage = *problem;
        return problem_say(problem, -EINVAL, damage.file, damage.lsn,
                           "the log is damaged here, before what shall be dropped: %.120s",
                           damage.reason);
    }
    if (error != 0)
        return error;
    error = digest_sum_keys(directory, 1, last_lsn, &plan->keys, &keys_digest, problem);
    plan->digest = shard_digest(&state.shard) + keys_digest;
    plan->accounts = state.shard.accounts.count;
    plan->keys += state.shard.keys.count;
    state_deinit(&state);
    return error;
}

/* The segment with the LSN; the one before it, when the LSN begins a segment: its last frame is
 * then the end of the log. */
static int find_first_segment(const struct tool_directory *directory, struct cut_plan *plan)
{
    uint64_t found = directory->first_segment;
    for (uint64_t number = directory->first_segment; number <= directory->last_segment; number++) {
        struct log_start start;
        int error = log_copy_read_start(directory->storage, &directory->meta, number, &start);
        if (error != 0 && error != -ENODATA && error != -EBADMSG)
            return error;
        if (error == 0 && start.first_lsn < plan->first_dropped_lsn)
            found = number;
    }
    plan->first_segment = found;
    return 0;
}

static int judge_checkpoints(const struct tool_directory *directory, struct cut_plan *plan)
{
    for (size_t i = 0; i < directory->files.count; i++) {
        struct tool_problem damage;
        struct checkpoint_info info;
        struct checkpoint_totals totals;
        if (directory->files.files[i].kind != BLOCK_FILE_CHECKPOINT)
            continue;
        if (i >= CHECKPOINTS_LISTED_MAX)
            return -E2BIG;
        int error = tool_directory_checkpoint(directory, i, &info, &totals, &damage);
        if (error != 0 && error != -EBADMSG)
            return error;
        /* of a damaged one nobody knows where it ends */
        plan->drops[i] = error != 0 || totals.end_lsn >= plan->first_dropped_lsn;
    }
    return 0;
}

int cut_prepare(const struct tool_directory *directory, uint64_t first_dropped_lsn,
                struct cut_plan *plan, struct tool_problem *problem)
{
    struct state_basis basis;
    *plan = (struct cut_plan){.first_dropped_lsn = first_dropped_lsn};
    if (first_dropped_lsn == 0 || first_dropped_lsn > SHARD_LSN_PROVISIONAL)
        return problem_say(problem, -ERANGE, "", 0, "LSNs begin with 1");
    int error = build_state(directory, plan, problem);
    if (error == 0)
        error = state_find_basis(directory, first_dropped_lsn - 1, directory->files.count, &basis,
                                 problem);
    if (error == 0 && basis.is_checkpoint)
        plan->start = basis.info.log_start;
    if (error == 0)
        error = find_first_segment(directory, plan);
    return error != 0 ? error : judge_checkpoints(directory, plan);
}

/* --- the cut --------------------------------------------------------------------------------- */

static int remove_checkpoints(const struct tool_directory *directory, const struct cut_plan *plan)
{
    const struct storage_operations *operations = directory->storage->operations;
    bool removed = false;
    for (size_t i = 0; i < directory->files.count; i++) {
        const struct directory_file *file = &directory->files.files[i];
        if (file->kind != BLOCK_FILE_CHECKPOINT || !plan->drops[i])
            continue;
        int error = operations->remove(directory->storage, file->name);
        if (error != 0 && error != -ENOENT)
            return error;
        removed = true;
    }
    return removed ? operations->sync_directory(directory->storage, CHECKPOINT_DIRECTORY) : 0;
}

static int cut_keys(const struct tool_directory *directory, const struct cut_plan *plan,
                    struct tool_problem *problem)
{
    struct block_file_fault fault = {.file = ""};
    const struct key_archive_options options = {
        .storage = directory->storage,
        .meta = &directory->meta,
        .secret = &directory->secret,
    };
    int error = key_archive_cut(&options, NULL, plan->first_dropped_lsn, &fault);
    return error == -EBADMSG ? problem_of_file(problem, &fault) : error;
}

static size_t measure(const uint8_t *bytes, size_t length)
{
    struct record record;
    return record_decode(bytes, length, &record);
}

static int cut_log(const struct tool_directory *directory, const struct cut_plan *plan,
                   struct log_cut_report *report, struct tool_problem *problem)
{
    struct log_fault fault = {.file = ""};
    struct channel *channel;
    int error = channel_posix_create(&channel);
    if (error != 0)
        return error;
    error = log_cut(directory->storage, &directory->meta, channel, &plan->start,
                    plan->first_dropped_lsn, measure, report, &fault);
    channel->operations->destroy(channel);
    if (error == -EBUSY)
        return problem_say(problem, error, "log", 0, "another process has the log open");
    if (error == -ERANGE)
        return problem_say(problem, error, "log", plan->first_dropped_lsn,
                           "the log does not have this LSN");
    if (error == -EBADMSG || error == -EINVAL) {
        (void)problem_of_log(problem, &fault);
        return error;
    }
    return error;
}

int cut_directory(const struct tool_directory *directory, const struct cut_plan *plan,
                  struct log_cut_report *report, struct tool_problem *problem)
{
    assert(plan->first_dropped_lsn > 0);
    *report = (struct log_cut_report){.last_lsn = 0};
    int error = remove_checkpoints(directory, plan);
    if (error == 0)
        error = cut_keys(directory, plan, problem);
    return error != 0 ? error : cut_log(directory, plan, report, problem);
}
