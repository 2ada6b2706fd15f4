/* dump.c - a walk over the log that knows the currencies of accounts.
 *
 * Guarantees: the records come as they stand, in order; a checkpoint that is damaged costs only the
 * knowledge of currencies. It must not know how they are printed.
 */
#include "dump.h"

#include <errno.h>
#include <string.h>

#include "state.h"
#include "wal/log_copy.h"

struct dumping {
    const struct dump_options *options;
    uint64_t from_lsn;
    struct state state; /* only for the currencies of its accounts */
    dump_visit *visit;
    void *context;
};

/* Loads the newest sound checkpoint. *start: where the openings behind it are to be read from, when
 * there is one. */
static int load_currencies(struct dumping *dumping, const struct tool_directory *directory,
                           struct log_start *start, bool *loaded)
{
    *loaded = false;
    for (size_t i = directory->files.count; i > 0 && !*loaded; i--) {
        struct tool_problem ignored;
        struct checkpoint_info info;
        struct checkpoint_totals totals;
        if (directory->files.files[i - 1].kind != BLOCK_FILE_CHECKPOINT)
            continue;
        int error = state_load(&dumping->state, i - 1, &info, &totals, NULL, NULL, &ignored);
        if (error == 0) {
            *start = info.log_start;
            *loaded = true;
            break;
        }
        /* what was loaded of a damaged one is thrown away */
        state_deinit(&dumping->state);
        int again = state_init(&dumping->state, directory, 0);
        if (again != 0 || error != -EBADMSG)
            return again != 0 ? again : error;
    }
    return 0;
}

static int note_opening(struct dumping *dumping, const struct record *record, uint64_t hash)
{
    struct account_table *accounts = &dumping->state.shard.accounts;
    struct account_content content = {
        .id = record->id,
        .id_length = record->id_length,
        .currency = {.exponent = record->exponent},
    };
    memcpy(content.currency.code, record->currency, strnlen(record->currency, FLORIN_CURRENCY_MAX));
    if (account_table_find(accounts, hash, record->id, record->id_length) == NULL &&
        account_table_add(accounts, hash, &content) == NULL)
        return -ENOMEM;
    return 0;
}

/* Whether it is of the account that was asked for, or moved money of it. */
static bool is_wanted(const struct dump_options *options, const struct record *record)
{
    return options->account == NULL ||
           (record->id_length == options->account_length &&
            memcmp(record->id, options->account, record->id_length) == 0) ||
           record_touches(record, options->account, options->account_length);
}

static int visit_record(void *context, const struct record *record, uint64_t lsn,
                        struct tool_problem *problem)
{
    struct dumping *dumping = context;
    const struct dump_options *options = dumping->options;
    const struct account_table *accounts = &dumping->state.shard.accounts;
    (void)problem;
    if (lsn > options->to_lsn)
        return -ECANCELED;
    uint64_t hash = hash_account(&dumping->state.directory->secret, record->id, record->id_length);
    if (record->kind == FLORIN_OPEN_ACCOUNT) {
        int error = note_opening(dumping, record, hash);
        if (error != 0)
            return error;
    }
    if (lsn < dumping->from_lsn || !is_wanted(options, record))
        return 0;
    const struct account *account =
        account_table_find(accounts, hash, record->id, record->id_length);
    const struct dump_entry entry = {
        .lsn = lsn,
        .record = record,
        .currency = account == NULL ? NULL : account_table_currency(accounts, account),
    };
    return dumping->visit(dumping->context, &entry) ? 0 : -ECANCELED;
}

/* Where the walk begins: at the first record that is wanted, or, if that is earlier, where the
 * openings begin that the checkpoint does not know. */
static int find_start(const struct dumping *dumping, const struct tool_directory *directory,
                      bool loaded, const struct log_start *openings, struct log_start *start,
                      struct tool_problem *problem)
{
    struct log_start first = {.segment = 0};
    if (directory->first_segment > 1) {
        int error = log_copy_read_start(directory->storage, &directory->meta,
                                        directory->first_segment, &first);
        if (error == -ENODATA || error == -EBADMSG)
            return problem_say(problem, -EBADMSG, "log", 0,
                               "the first kept segment (%lu) does not begin with a frame",
                               (unsigned long)directory->first_segment);
        if (error != 0)
            return error;
    }
    *start = first;
    if (dumping->options->from_lsn == 0)
        return 0;
    struct log_start wanted;
    int error = tool_directory_find_start(directory, dumping->options->from_lsn, &wanted, problem);
    if (error != 0)
        return error;
    if (!loaded)
        return 0;
    *start = openings->segment < wanted.segment ? *openings : wanted;
    return 0;
}

static int dump_opened(struct dumping *dumping, const struct tool_directory *directory,
                       struct tool_problem *problem)
{
    struct log_start openings;
    bool loaded;
    struct tool_walk walk = {
        .directory = directory,
        .visit = visit_record,
        .context = dumping,
    };
    int error = load_currencies(dumping, directory, &openings, &loaded);
    if (error == 0)
        error = find_start(dumping, directory, loaded, &openings, &walk.start, problem);
    return error != 0 ? error : tool_walk_log(&walk, problem);
}

int dump_directory(const char *path, const struct dump_options *options, dump_visit *visit,
                   void *context, struct tool_problem *problem)
{
    struct tool_directory directory;
    struct dumping dumping = {
        .options = options,
        .from_lsn = options->from_lsn,
        .visit = visit,
        .context = context,
    };
    int error = tool_directory_open(path, &directory, problem);
    if (error != 0)
        return error;
    error = state_init(&dumping.state, &directory, 0);
    if (error == 0)
        error = dump_opened(&dumping, &directory, problem);
    state_deinit(&dumping.state);
    tool_directory_close(&directory);
    return error;
}
