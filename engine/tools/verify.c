/* verify.c - every file of a directory by itself, then whether they agree with each other.
 *
 *     1. checkpoints and key files, each alone
 *     2. the kept log, applied to nothing (when it begins at LSN 1), or to the oldest checkpoint
 * that is sound; with the sum of the keys that should be in files
 *     3. every other checkpoint, and the log behind it: the same state at the same LSN?
 *
 * Guarantees: nothing in the directory is changed; one damaged file does not hide another. It must
 * not know workers or the opened ledger.
 */
#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "engine/core/money.h"
#include "engine/runtime/key_file.h"
#include "state.h"
#include "wal/log_copy.h"
#include "wal/segment.h"

struct verification {
    struct tool_directory directory;
    struct verify_report *report;
    tool_progress *progress;
    void *progress_context;

    /* what the first pass has come to, for the others */
    bool compared;
    uint64_t reference_lsn;
    uint64_t reference_digest; /* of accounts, and of keys that are not in files */

    /* keys of the kept log that should be in files */
    uint64_t filed_keys;
    uint64_t filed_digest;
};

/* Notes a problem; what is no damage is passed on, to end it all. */
static int note(struct verification *verification, int error, const struct tool_problem *problem)
{
    struct verify_report *report = verification->report;
    if (error != -EBADMSG)
        return error;
    if (report->problem_count < VERIFY_PROBLEMS_MAX)
        report->problems[report->problem_count] = *problem;
    report->problem_count++;
    return 0;
}

/* --- files alone ----------------------------------------------------------------------------- */

struct pacing {
    struct verification *verification;
    const char *what;
    uint64_t done;
    uint64_t total;
};

static int show_pace(void *context, size_t bytes)
{
    struct pacing *pacing = context;
    const struct verification *verification = pacing->verification;
    pacing->done += bytes;
    if (verification->progress != NULL)
        verification->progress(verification->progress_context, pacing->what, pacing->done,
                               pacing->total);
    return 0;
}

static int verify_checkpoint(struct verification *verification, const struct directory_file *listed)
{
    struct verify_report *report = verification->report;
    const struct tool_directory *directory = &verification->directory;
    struct tool_problem problem = {.offset = 0};
    struct block_file_fault fault = {.file = ""};
    struct checkpoint_info info;
    struct checkpoint_totals totals;
    struct block_file file;
    if (report->checkpoint_count == CHECKPOINTS_LISTED_MAX)
        return -E2BIG;
    struct verify_checkpoint *checkpoint = &report->checkpoints[report->checkpoint_count++];
    checkpoint->start_lsn = listed->from;
    int error = checkpoint_open(directory->storage, directory->meta.log_id, listed->from, &file,
                                &info, &totals, &fault);
    if (error == 0) {
        struct pacing pacing = {verification, "checkpoint", 0, file.file_bytes};
        checkpoint->end_lsn = totals.end_lsn;
        checkpoint->accounts = totals.sums.accounts;
        checkpoint->bytes = file.file_bytes;
        error = block_file_verify(&file, show_pace, &pacing, &fault);
        block_file_close(&file);
    }
    checkpoint->sound = error == 0;
    if (error == -EBADMSG)
        (void)problem_of_file(&problem, &fault);
    return note(verification, error, &problem);
}

static int verify_key_file(struct verification *verification, const struct directory_file *listed)
{
    struct verify_report *report = verification->report;
    const struct tool_directory *directory = &verification->directory;
    const struct key_file_range range = {.from_lsn = listed->from, .to_lsn = listed->to};
    struct tool_problem problem = {.offset = 0};
    struct block_file_fault fault = {.file = ""};
    struct key_file file;
    report->key_files++;
    int error = key_file_open(directory->storage, directory->meta.log_id, range, &file, &fault);
    if (error == 0) {
        struct pacing pacing = {verification, "keys", 0, file.blocks.file_bytes};
        report->key_file_keys += file.totals.key_count;
        report->key_file_bytes += file.blocks.file_bytes;
        error = key_file_load(&file, &fault);
        if (error == 0)
            error = key_file_verify(&file, show_pace, &pacing, &fault);
        key_file_close(&file);
    }
    if (error == -EBADMSG)
        (void)problem_of_file(&problem, &fault);
    return note(verification, error, &problem);
}

static int verify_files(struct verification *verification)
{
    const struct directory_files *files = &verification->directory.files;
    struct tool_problem problem = {.offset = 0};
    int error = 0;
    for (size_t i = 0; i < files->count && error == 0; i++) {
        error = files->files[i].kind == BLOCK_FILE_CHECKPOINT
                    ? verify_checkpoint(verification, &files->files[i])
                    : verify_key_file(verification, &files->files[i]);
    }
    if (error != 0)
        return error;
    return note(
        verification,
        digest_keys_end(&verification->directory, &verification->report->keys_to_lsn, &problem),
        &problem);
}

/* --- what the log leads to ------------------------------------------------------------------- */

struct pass {
    struct verification *verification;
    struct state state;
    uint64_t to_lsn;
    bool apply; /* else the records are only read */
    bool first; /* sums the keys that should be in files */
};

static void sum_key(struct verification *verification, struct hash128 digest, uint64_t lsn)
{
    verification->filed_keys++;
    verification->filed_digest += key_state_digest(key_tag(digest), key_check(digest), lsn);
}

/* The client's key, and that of a reversal. */
static void sum_keys(struct verification *verification, const struct record *record, uint64_t lsn)
{
    const struct hash_secret *secret = &verification->directory.secret;
    struct key_answer reversal;
    if (record->key_length > 0)
        sum_key(verification,
                hash_key(secret, record->id, record->id_length, record->key, record->key_length),
                lsn);
    if (key_answer_of_reversal(secret, record, lsn, &reversal))
        sum_key(verification, reversal.digest, lsn);
}

static int visit(void *context, const struct record *record, uint64_t lsn,
                 struct tool_problem *problem)
{
    struct pass *pass = context;
    struct verification *verification = pass->verification;
    if (lsn > pass->to_lsn)
        return -ECANCELED;
    if (pass->first && lsn <= verification->report->keys_to_lsn)
        sum_keys(verification, record, lsn);
    return pass->apply ? state_apply(&pass->state, record, lsn, problem) : 0;
}

static void sum_balances(const struct shard *shard, struct verify_report *report)
{
    const struct account_table *accounts = &shard->accounts;
    report->accounts = accounts->count;
    report->currency_count = accounts->currency_count;
    for (size_t i = 0; i < accounts->currency_count; i++) {
        memcpy(report->currencies[i].code, accounts->currencies[i].code, FLORIN_CURRENCY_MAX + 1);
        report->currencies[i].exponent = accounts->currencies[i].exponent;
    }
    for (uint32_t i = 0; i < accounts->count; i++) {
        const struct account *account = &accounts->slots[i];
        struct verify_currency *currency = &report->currencies[account->currency];
        currency->accounts++;
        if (!money_add(currency->balance_minor, account->balance_minor, &currency->balance_minor))
            currency->balance_overflows = true;
    }
}

/* The first state that a pass has built is the one that is reported. */
static void take_state(struct verification *verification, const struct pass *pass, uint64_t lsn)
{
    struct verify_report *report = verification->report;
    verification->compared = true;
    verification->reference_lsn = lsn;
    verification->reference_digest = shard_digest(&pass->state.shard);
    report->has_state = true;
    report->lsn = lsn;
    report->keys = pass->state.shard.keys.count;
    sum_balances(&pass->state.shard, report);
}

/* The whole kept log. Where it does not begin at LSN 1, only its frames and keys. */
static int walk_all(struct verification *verification)
{
    struct verify_report *report = verification->report;
    const struct tool_directory *directory = &verification->directory;
    struct tool_problem problem = {.offset = 0};
    struct pass pass = {
        .verification = verification,
        .to_lsn = UINT64_MAX,
        .apply = directory->first_segment == 1,
        .first = true,
    };
    struct tool_walk walk = {
        .directory = directory,
        .visit = visit,
        .context = &pass,
        .progress = verification->progress,
        .progress_context = verification->progress_context,
    };
    for (size_t i = 0; i < report->checkpoint_count; i++) {
        if (report->checkpoints[i].end_lsn > walk.durable_lsn)
            walk.durable_lsn = report->checkpoints[i].end_lsn;
    }
    report->first_segment = directory->first_segment;
    report->first_lsn = 1;
    int error = 0;
    if (!pass.apply) {
        error = log_copy_read_start(directory->storage, &directory->meta, directory->first_segment,
                                    &walk.start);
        report->first_lsn = walk.start.first_lsn;
        if (error == -EBADMSG || error == -ENODATA) {
            char name[STORAGE_NAME_MAX];
            segment_name(directory->first_segment, name);
            error = problem_say(&problem, -EBADMSG, name, 0,
                                "the first kept segment does not begin with a frame");
        }
    }
    if (error == 0)
        error = state_init(&pass.state, directory, report->keys_to_lsn);
    if (error != 0)
        return note(verification, error, &problem);
    error = tool_walk_log(&walk, &problem);
    report->log = walk.report;
    report->moving = walk.moving;
    if (error == 0 || error == -EBADMSG) {
        uint64_t lsn = error == 0 ? walk.report.last_lsn : walk.last_lsn;
        if (pass.apply)
            take_state(verification, &pass, lsn);
        else
            verification->reference_lsn = lsn;
    }
    state_deinit(&pass.state);
    return note(verification, error, &problem);
}

/* One checkpoint and the log behind it. */
static int walk_from(struct verification *verification, size_t index)
{
    struct verify_report *report = verification->report;
    const struct tool_directory *directory = &verification->directory;
    struct tool_problem problem = {.offset = 0};
    struct checkpoint_info info;
    struct checkpoint_totals totals;
    struct pass pass = {
        .verification = verification,
        .to_lsn = verification->reference_lsn,
        .apply = true,
    };
    struct tool_walk walk = {
        .directory = directory,
        .visit = visit,
        .context = &pass,
        .progress = verification->progress,
        .progress_context = verification->progress_context,
    };
    int error = state_init(&pass.state, directory, report->keys_to_lsn);
    if (error == 0)
        error = state_load(&pass.state, index, &info, &totals, verification->progress,
                           verification->progress_context, &problem);
    if (error != 0)
        goto done;
    if (info.start_lsn > report->keys_to_lsn) {
        error = problem_say(&problem, -EBADMSG, directory->files.files[index].name, 0,
                            "it begins at LSN %" PRIu64 ", but the key files end at %" PRIu64,
                            info.start_lsn, report->keys_to_lsn);
        goto done;
    }
    walk.start = info.log_start;
    error = tool_walk_log(&walk, &problem);
    if (error != 0 || totals.end_lsn > verification->reference_lsn) {
        /* damage of the log, which the first pass has found and said */
        error = error == -EBADMSG && report->surveyed ? 0 : error;
        goto done;
    }
    if (!verification->compared)
        take_state(verification, &pass, verification->reference_lsn);
    else if (shard_digest(&pass.state.shard) != verification->reference_digest)
        error = problem_say(&problem, -EBADMSG, directory->files.files[index].name, 0,
                            "with the log behind it, it leads to another state at LSN %" PRIu64
                            " than the log and checkpoints before it",
                            verification->reference_lsn);
done:
    if (error == -EBADMSG)
        report->checkpoints[index].sound = false;
    state_deinit(&pass.state);
    return note(verification, error, &problem);
}

/* The key files hold the keys of the kept log, and no others. */
static int compare_keys(struct verification *verification)
{
    struct verify_report *report = verification->report;
    struct tool_problem problem = {.offset = 0};
    uint64_t keys;
    uint64_t digest;
    uint64_t to_lsn = report->keys_to_lsn;
    if (report->keys_to_lsn == 0 || report->surveyed)
        return 0;
    if (to_lsn > verification->reference_lsn)
        return note(verification,
                    problem_say(&problem, -EBADMSG, "keys", 0,
                                "the key files go on to LSN %" PRIu64
                                ", but the log ends with %" PRIu64,
                                to_lsn, verification->reference_lsn),
                    &problem);
    int error = digest_sum_keys(&verification->directory, report->first_lsn, to_lsn, &keys, &digest,
                                &problem);
    if (error == 0 && (keys != verification->filed_keys || digest != verification->filed_digest))
        error = problem_say(&problem, -EBADMSG, "keys", 0,
                            "the key files hold %" PRIu64
                            " keys of the kept log, which has %" PRIu64 " there%s",
                            keys, verification->filed_keys,
                            keys == verification->filed_keys ? "; they differ" : "");
    return note(verification, error, &problem);
}

static int sum_up(struct verification *verification)
{
    struct verify_report *report = verification->report;
    struct tool_problem problem = {.offset = 0};
    uint64_t keys;
    uint64_t digest;
    if (!report->has_state)
        return 0;
    int error = digest_sum_keys(&verification->directory, 1, report->lsn, &keys, &digest, &problem);
    report->keys += keys;
    report->digest = verification->reference_digest + digest;
    /* what is damaged was said before */
    return error == -EBADMSG ? 0 : error;
}

static int verify_log(struct verification *verification)
{
    struct verify_report *report = verification->report;
    size_t problems_before = report->problem_count;
    int error = walk_all(verification);
    if (error == 0 && report->problem_count > problems_before) {
        report->surveyed = true;
        error = log_survey(verification->directory.storage, &verification->directory.meta,
                           &report->survey, NULL, NULL);
    }
    for (size_t i = 0; i < report->checkpoint_count && error == 0; i++) {
        if (report->checkpoints[i].sound)
            error = walk_from(verification, i);
    }
    if (error == 0 && report->problem_count == 0)
        error = compare_keys(verification);
    return error != 0 ? error : sum_up(verification);
}

int verify_directory(const char *path, tool_progress *progress, void *progress_context,
                     struct verify_report *report)
{
    struct verification verification = {
        .report = report,
        .progress = progress,
        .progress_context = progress_context,
    };
    struct tool_problem problem;
    memset(report, 0, sizeof(*report));
    int error = tool_directory_open(path, &verification.directory, &problem);
    if (error != 0) {
        (void)note(&verification, error, &problem);
        return error;
    }
    error = verify_files(&verification);
    if (error == 0)
        error = verify_log(&verification);
    tool_directory_close(&verification.directory);
    if (error == 0 && report->problem_count > 0)
        error = -EBADMSG;
    return error;
}
