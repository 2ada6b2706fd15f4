/* state.c - checkpoint and log into one shard, only to look at it.
 *
 * Guarantees: a state is whole, of one LSN, or there is none. It must not know workers.
 */
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/core/account_image.h"

/* Address space, not memory: that comes as the tables fill. */
#define STATE_ACCOUNTS_MAX (UINT64_C(1) << 28)
#define STATE_KEYS_MAX     (UINT64_C(1) << 29)
#define STATE_HOLDS_MAX    (UINT64_C(1) << 28)

enum { BLOCKS_AT_ONCE = 16 };

int state_init(struct state *state, const struct tool_directory *directory, uint64_t keys_to_lsn)
{
    const struct shard_options limits = {
        .secret = &directory->secret,
        .accounts_max = STATE_ACCOUNTS_MAX,
        .keys_memory = STATE_KEYS_MAX,
        .holds_max = STATE_HOLDS_MAX,
    };
    *state = (struct state){
        .directory = directory,
        .filters = {.to_lsn = keys_to_lsn},
        .memory_bytes = shard_memory_bytes(&limits),
    };
    void *memory = mmap(NULL, state->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    state->memory = memory;
    shard_init(&state->shard, &limits, memory);
    state->shard.key_filters = &state->filters;
    return 0;
}

void state_deinit(struct state *state)
{
    if (state->memory != NULL)
        (void)munmap(state->memory, state->memory_bytes);
    state->memory = NULL;
}

/* --- checkpoints ----------------------------------------------------------------------------- */

static int load_block(struct state *state, const struct block_file *file, uint64_t number,
                      const uint8_t *block, struct shard_sums *sums, struct tool_problem *problem)
{
    size_t length;
    const uint8_t *bytes = block_file_payload(block, &length);
    const char *reason = block_file_tag(block) == CHECKPOINT_TAG_IMAGES ? NULL : "an unknown block";
    for (size_t offset = 0; offset < length && reason == NULL;) {
        struct account_image image;
        size_t size = account_image_decode(bytes + offset, length - offset, &image);
        if (size == 0) {
            reason = "not an image of an account";
            break;
        }
        offset += size;
        uint64_t hash = hash_account(&state->directory->secret, image.id, image.id_length);
        enum shard_replay loaded = shard_load_image(&state->shard, &image, hash, sums);
        if (loaded != SHARD_REPLAY_APPLIED)
            reason = shard_replay_text(loaded);
    }
    if (reason == NULL)
        return 0;
    (void)problem_say(problem, -EBADMSG, file->name, 0, "%s", reason);
    problem->offset = STORAGE_ALIGNMENT + number * file->block_bytes;
    return -EBADMSG;
}

static int load_blocks(struct state *state, const struct block_file *file, uint8_t *buffer,
                       struct shard_sums *sums, tool_progress *progress, void *progress_context,
                       struct tool_problem *problem)
{
    for (uint64_t first = 0; first < file->block_count; first += BLOCKS_AT_ONCE) {
        struct block_file_fault fault = {.file = ""};
        uint64_t rest = file->block_count - first;
        uint64_t count = rest < BLOCKS_AT_ONCE ? rest : BLOCKS_AT_ONCE;
        int error = block_file_read(file, first, count, buffer, &fault);
        if (error == -EBADMSG)
            return problem_of_file(problem, &fault);
        for (uint64_t i = 0; i < count && error == 0; i++)
            error =
                load_block(state, file, first + i, buffer + i * file->block_bytes, sums, problem);
        if (error != 0)
            return error;
        if (progress != NULL)
            progress(progress_context, "checkpoint", first + count, file->block_count);
    }
    return 0;
}

static bool sums_are_equal(const struct shard_sums *left, const struct shard_sums *right)
{
    return left->accounts == right->accounts && left->digest == right->digest &&
           left->balance_low == right->balance_low && left->balance_high == right->balance_high;
}

int state_load(struct state *state, size_t index, struct checkpoint_info *info,
               struct checkpoint_totals *totals, tool_progress *progress, void *progress_context,
               struct tool_problem *problem)
{
    const struct tool_directory *directory = state->directory;
    struct block_file_fault fault = {.file = ""};
    struct shard_sums sums = {.accounts = 0};
    struct block_file file;
    int error = checkpoint_open(directory->storage, directory->meta.log_id,
                                directory->files.files[index].from, &file, info, totals, &fault);
    if (error != 0)
        return error == -EBADMSG ? problem_of_file(problem, &fault) : error;
    uint8_t *buffer =
        aligned_alloc(STORAGE_ALIGNMENT, (size_t)BLOCKS_AT_ONCE * CHECKPOINT_BLOCK_BYTES);
    error = buffer == NULL
                ? -ENOMEM
                : load_blocks(state, &file, buffer, &sums, progress, progress_context, problem);
    free(buffer);
    if (error == 0 && !sums_are_equal(&sums, &totals->sums))
        error = problem_say(problem, -EBADMSG, file.name, 0,
                            "its accounts do not add up to what its footer says");
    if (error == 0 && sums.newest_lsn > totals->end_lsn)
        error = problem_say(problem, -EBADMSG, file.name, 0,
                            "an account is newer than the end that its footer says");
    block_file_close(&file);
    return error;
}

/* --- the log --------------------------------------------------------------------------------- */

static bool is_fault(enum shard_replay replay)
{
    return replay != SHARD_REPLAY_APPLIED && replay != SHARD_REPLAY_OLDER;
}

int state_apply(void *context, const struct record *record, uint64_t lsn,
                struct tool_problem *problem)
{
    struct state *state = context;
    const struct hash_secret *secret = &state->directory->secret;
    uint64_t hash = hash_account(secret, record->id, record->id_length);
    enum shard_replay replay = shard_replay(&state->shard, record, hash, lsn);
    const uint8_t *at = record->leg_bytes;
    for (uint8_t i = 0; i < record->leg_count && !is_fault(replay); i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        hash = hash_account(secret, leg.id, leg.id_length);
        replay = shard_replay_leg(&state->shard, record, &leg, hash, lsn);
    }
    if (!is_fault(replay))
        return 0;
    return problem_say(problem, replay == SHARD_REPLAY_NO_ROOM ? -ENOMEM : -EBADMSG, "", lsn, "%s",
                       shard_replay_text(replay));
}

struct applying {
    struct state *state;
    uint64_t to_lsn;
};

static int apply_up_to(void *context, const struct record *record, uint64_t lsn,
                       struct tool_problem *problem)
{
    struct applying *applying = context;
    return lsn > applying->to_lsn ? -ECANCELED : state_apply(applying->state, record, lsn, problem);
}

int state_find_basis(const struct tool_directory *directory, uint64_t lsn, size_t index_end,
                     struct state_basis *basis, struct tool_problem *problem)
{
    struct tool_problem damage = {.offset = 0};
    uint64_t possible = 0;
    for (size_t i = index_end; i > 0; i--) {
        struct state_basis found = {.is_checkpoint = true, .index = i - 1};
        if (directory->files.files[i - 1].kind != BLOCK_FILE_CHECKPOINT)
            continue;
        int error =
            tool_directory_checkpoint(directory, found.index, &found.info, &found.totals, &damage);
        if (error == -EBADMSG)
            continue;
        if (error != 0)
            return error;
        possible = found.totals.end_lsn;
        if (found.totals.end_lsn <= lsn) {
            *basis = found;
            return 0;
        }
    }
    if (directory->first_segment == 1) {
        *basis = (struct state_basis){.is_checkpoint = false};
        return 0;
    }
    if (possible != 0)
        return problem_say(problem, -ERANGE, "", 0,
                           "the state can be built from LSN %" PRIu64 " on: there is no checkpoint "
                           "before, and the first segments of the log were removed",
                           possible);
    if (damage.reason[0] != '\0') {
        *problem = damage;
        return -EBADMSG;
    }
    return problem_say(problem, -EBADMSG, "checkpoint", 0,
                       "there is no checkpoint, and the log does not begin at LSN 1: files are "
                       "missing");
}

static int build_from(struct state *state, const struct state_basis *basis, uint64_t lsn,
                      tool_progress *progress, void *progress_context, uint64_t *last_lsn,
                      struct tool_problem *problem)
{
    struct applying applying = {.state = state, .to_lsn = lsn};
    struct checkpoint_info info;
    struct checkpoint_totals totals;
    struct tool_walk walk = {
        .directory = state->directory,
        .visit = apply_up_to,
        .context = &applying,
        .progress = progress,
        .progress_context = progress_context,
    };
    if (basis->is_checkpoint) {
        int error =
            state_load(state, basis->index, &info, &totals, progress, progress_context, problem);
        if (error != 0)
            return error;
        walk.start = info.log_start;
        walk.durable_lsn = totals.end_lsn;
    }
    int error = tool_walk_log(&walk, problem);
    /* what is damaged behind the LSN is not asked for */
    bool reached = error == -EBADMSG && lsn != STATE_AT_END && walk.last_lsn >= lsn;
    if (error != 0 && !reached)
        return error;
    *last_lsn = walk.stopped || reached ? lsn : walk.report.last_lsn;
    if (lsn != STATE_AT_END && *last_lsn < lsn)
        return problem_say(problem, -ERANGE, "", lsn, "the log ends with LSN %" PRIu64, *last_lsn);
    return 0;
}

int state_build(struct state *state, const struct tool_directory *directory, uint64_t lsn,
                uint64_t keys_to_lsn, tool_progress *progress, void *progress_context,
                uint64_t *last_lsn, struct tool_problem *problem)
{
    size_t index_end = directory->files.count;
    for (;;) {
        struct state_basis basis = {0};
        int error = state_find_basis(directory, lsn, index_end, &basis, problem);
        if (error != 0)
            return error;
        if (basis.is_checkpoint && basis.info.start_lsn > keys_to_lsn)
            return problem_say(problem, -EBADMSG, "keys", 0,
                               "the key files end with LSN %" PRIu64
                               ", but the checkpoint begins at "
                               "%" PRIu64 ": files are missing",
                               keys_to_lsn, basis.info.start_lsn);
        error = state_init(state, directory, keys_to_lsn);
        if (error == 0)
            error = build_from(state, &basis, lsn, progress, progress_context, last_lsn, problem);
        if (error == 0)
            return 0;
        state_deinit(state);
        bool file_is_damaged = error == -EBADMSG && basis.is_checkpoint &&
                               strcmp(problem->file, directory->files.files[basis.index].name) == 0;
        if (!file_is_damaged)
            return error;
        index_end = basis.index;
    }
}
