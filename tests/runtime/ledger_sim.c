/* ledger_sim.c - a ledger of one thread on a simulated disk.
 *
 * Guarantees: two runs do the same. Must not know: what a test is about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/clock.h"
#include "engine/runtime/key_archive.h"
#include "engine/runtime/reader.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"
#include "wal/meta.h"

enum {
    SEGMENT_BYTES = 64 * 1024,
    /* Commands sent together. */
    BATCH = 128,
    /* The same for long records: a group has to fit into a segment. */
    BATCH_LONG = 32,
    /* Far more than anything here takes. */
    ROUNDS_MAX = 100000,
    SECOND_NS = 1000000000,
};

/* splitmix64, public domain, Sebastiano Vigna */
uint64_t ledger_sim_random(struct ledger_sim *sim)
{
    uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* --- the operator's log ---------------------------------------------------------------------- */

static void take_line(void *context, const char *line)
{
    struct ledger_sim *sim = context;
    size_t room = sizeof(sim->lines) - sim->lines_length;
    int length = snprintf(sim->lines + sim->lines_length, room, "%s\n", line);
    if (length > 0 && (size_t)length < room)
        sim->lines_length += (size_t)length;
    sim->lines[sim->lines_length] = '\0';
}

/* The last line with both texts; NULL: none. Lines are cut at their ends meanwhile. */
static const char *find_line(const struct ledger_sim *sim, const char *event, const char *detail,
                             char found[1024])
{
    bool any = false;
    for (const char *line = sim->lines; *line != '\0';) {
        const char *end = strchr(line, '\n');
        char text[1024];
        snprintf(text, sizeof(text), "%.*s", (int)(end - line), line);
        if (strstr(text, event) != NULL && strstr(text, detail) != NULL) {
            memcpy(found, text, sizeof(text));
            any = true;
        }
        line = end + 1;
    }
    return any ? found : NULL;
}

bool ledger_sim_said(const struct ledger_sim *sim, const char *event, const char *detail)
{
    char line[1024];
    return find_line(sim, event, detail, line) != NULL;
}

uint64_t ledger_sim_said_number(const struct ledger_sim *sim, const char *event, const char *field)
{
    char line[1024];
    const char *found = find_line(sim, event, field, line);
    if (found == NULL)
        fail_msg("nothing said with %s and %s:\n%s", event, field, sim->lines);
    return strtoull(strstr(line, field) + strlen(field), NULL, 10);
}

/* --- life ------------------------------------------------------------------------------------ */

void ledger_sim_init(struct ledger_sim *sim)
{
    memset(sim, 0, sizeof(*sim));
    virtual_clock_reset();
    sim->disk = sim_disk_create();
    sim->segment_bytes = SEGMENT_BYTES;
    sim->random = 1;
    sim->book = calloc(1, sizeof(*sim->book));
    assert_non_null(sim->book);
    florin_options_init(&sim->options);
    sim->options.directory = "simulated";
    sim->options.accounts_max = LEDGER_SIM_ACCOUNTS_MAX;
    sim->options.keys_memory = LEDGER_SIM_DEPOSITS_MAX;
    sim->options.checkpoint_bytes = 0;
    sim->options.background_mib_per_second = 0;
    sim->options.log_line = take_line;
}

void ledger_sim_init_copy(struct ledger_sim *copy, const struct ledger_sim *sim,
                          struct sim_disk *disk)
{
    memcpy(copy, sim, sizeof(*copy));
    copy->ledger = NULL;
    copy->worker_count = 0;
    copy->disk = disk;
    copy->book = malloc(sizeof(*copy->book));
    assert_non_null(copy->book);
    memcpy(copy->book, sim->book, sizeof(*copy->book));
}

void ledger_sim_deinit(struct ledger_sim *sim)
{
    if (sim->ledger != NULL)
        ledger_sim_end(sim);
    sim_disk_destroy(sim->disk);
    free(sim->book);
}

static int create_channel(void *context, struct channel **channel)
{
    struct ledger_sim *sim = context;
    *channel = sim_disk_channel(sim->disk);
    return 0;
}

/* With segments smaller than an operator may have, and an identity that is always the same. */
static int make_directory(struct ledger_sim *sim)
{
    struct meta meta = {
        .format_version = META_FORMAT_VERSION,
        .created_ns = clock_wall_ns(),
        .segment_bytes = sim->segment_bytes,
    };
    for (unsigned i = 0; i < META_LOG_ID_BYTES; i++)
        meta.log_id[i] = (uint8_t)(0xa0 + i);
    for (unsigned i = 0; i < META_HASH_SEED_BYTES; i++)
        meta.hash_seed[i] = (uint8_t)i;
    int error = meta_create(sim_disk_storage(sim->disk), &meta);
    return error == -EEXIST ? 0 : error;
}

int ledger_sim_try_open(struct ledger_sim *sim, unsigned workers)
{
    const struct ledger_devices devices = {
        .storage = sim_disk_storage(sim->disk),
        .create_channel = create_channel,
        .context = sim,
        .single_thread = true,
    };
    sim->lines_length = 0;
    sim->lines[0] = '\0';
    sim->options.workers = workers;
    sim->options.log_context = sim;
    struct meta meta;
    int error = 0;
    if (meta_read(sim_disk_storage(sim->disk), &meta) == -ENOENT)
        error = make_directory(sim);
    if (error == 0)
        error = ledger_create(&sim->options, &devices, &sim->ledger);
    if (error != 0)
        return error;
    for (unsigned i = 0; i < workers; i++) {
        sim->workers[i] = ledger_worker(sim->ledger, i);
        assert_int_equal(worker_attach(sim->workers[i]), 0);
    }
    sim->worker_count = workers;
    error = ledger_recover(sim->ledger);
    if (error != 0)
        ledger_sim_end(sim);
    return error;
}

void ledger_sim_open(struct ledger_sim *sim, unsigned workers)
{
    int error = ledger_sim_try_open(sim, workers);
    if (error != 0)
        fail_msg("error %d when opened with %u workers:\n%s", error, workers, sim->lines);
}

static void free_ledger(struct ledger_sim *sim)
{
    for (unsigned i = 0; i < sim->worker_count; i++)
        worker_detach(sim->workers[i]);
    ledger_destroy(sim->ledger);
    sim->ledger = NULL;
    sim->worker_count = 0;
}

void ledger_sim_close(struct ledger_sim *sim)
{
    struct florin_result result;
    ledger_stop(sim->ledger);
    for (unsigned i = 0; !worker_is_idle(sim->workers[0]); i++) {
        assert_true(i < ROUNDS_MAX);
        ledger_sim_round(sim);
        while (worker_reap(sim->workers[0], &result, 1) > 0)
            continue;
    }
    free_ledger(sim);
}

void ledger_sim_end(struct ledger_sim *sim)
{
    sim_disk_watch(sim->disk, NULL, NULL);
    struct sim_disk *disk = sim_disk_kill(sim->disk);
    sim_disk_hold_completions(sim->disk, false);
    sim_disk_power_off(sim->disk, 0);
    free_ledger(sim);
    sim_disk_destroy(sim->disk);
    sim->disk = disk;
}

struct sim_disk *ledger_sim_disk_after(struct ledger_sim *sim, const struct sim_disk *disk,
                                       enum ledger_sim_keep keep)
{
    size_t units = sim_disk_units(disk);
    bool *kept = calloc(units + 1, sizeof(*kept));
    assert_non_null(kept);
    for (size_t i = 0; i < units; i++)
        kept[i] = keep == LEDGER_SIM_KEEP_ALL ||
                  (keep == LEDGER_SIM_KEEP_RANDOM && ledger_sim_random(sim) % 2 == 0);
    struct sim_disk *after = sim_disk_crash(disk, kept);
    free(kept);
    return after;
}

void ledger_sim_crash(struct ledger_sim *sim, enum ledger_sim_keep keep)
{
    struct sim_disk *after = ledger_sim_disk_after(sim, sim->disk, keep);
    if (sim->ledger != NULL)
        ledger_sim_end(sim);
    sim_disk_destroy(sim->disk);
    sim->disk = after;
}

/* --- moving ---------------------------------------------------------------------------------- */

void ledger_sim_round(struct ledger_sim *sim)
{
    for (unsigned i = 0; i < sim->worker_count; i++) {
        worker_round(sim->workers[i]);
        (void)worker_wait_ms(sim->workers[i]);
    }
    while (!sim->reader_rests && reader_step(sim->ledger->reader))
        continue;
}

bool ledger_sim_step(struct ledger_sim *sim)
{
    return sim->reader_rests ? keeper_step(sim->ledger->keeper) : ledger_step(sim->ledger);
}

static bool somebody_has_work(struct ledger_sim *sim)
{
    bool has = false;
    for (unsigned i = 0; i < sim->worker_count; i++)
        has |= worker_wait_ms(sim->workers[i]) == 0 || sim->workers[i]->committing;
    return has;
}

void ledger_sim_settle(struct ledger_sim *sim)
{
    bool busy = true;
    for (unsigned i = 0; busy; i++) {
        struct florin_result result;
        assert_true(i < ROUNDS_MAX);
        ledger_sim_round(sim);
        while (worker_reap(sim->workers[0], &result, 1) > 0)
            assert_int_equal(result.user_data, LEDGER_SIM_UNREAD);
        busy = ledger_sim_step(sim);
        busy |= somebody_has_work(sim);
    }
}

void ledger_sim_retain(struct ledger_sim *sim)
{
    virtual_clock_advance(2 * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
}

/* --- commands -------------------------------------------------------------------------------- */

static struct florin_command command_of(enum florin_command_kind kind, unsigned account,
                                        struct ledger_sim_texts *texts)
{
    int length = snprintf(texts->account, sizeof(texts->account), "a%u", account);
    return (struct florin_command){
        .kind = kind, .account = texts->account, .account_length = (size_t)length};
}

struct florin_command ledger_sim_read(unsigned account, struct ledger_sim_texts *texts)
{
    return command_of(FLORIN_READ_ACCOUNT, account, texts);
}

static struct florin_command deposit_of(unsigned number, unsigned account, int64_t amount,
                                        struct ledger_sim_texts *texts)
{
    struct florin_command command = command_of(FLORIN_DEPOSIT, account, texts);
    command.key_length = (size_t)snprintf(texts->key, sizeof(texts->key), "k%u", number);
    command.key = texts->key;
    command.amount_minor = amount;
    command.user_data = number;
    return command;
}

struct florin_command ledger_sim_retry(const struct ledger_sim *sim, unsigned number,
                                       struct ledger_sim_texts *texts)
{
    const struct ledger_sim_deposit *deposit = &sim->book->deposits[number];
    assert_true(number < sim->book->deposit_count);
    return deposit_of(number, deposit->account, deposit->amount_minor, texts);
}

/* Waits for `count` results; results[i] is that of the command with user_data first + i. */
static void collect(struct ledger_sim *sim, uint64_t first, struct florin_result *results,
                    unsigned count)
{
    struct florin_result result;
    unsigned missing = count;
    for (unsigned i = 0; missing > 0; i++) {
        if (i == ROUNDS_MAX)
            fail_msg("no result came:\n%s", sim->lines);
        ledger_sim_round(sim);
        while (worker_reap(sim->workers[0], &result, 1) > 0) {
            if (result.user_data == LEDGER_SIM_UNREAD)
                continue;
            assert_in_range(result.user_data - first, 0, count - 1);
            result.metadata = NULL;
            results[result.user_data - first] = result;
            missing--;
        }
    }
}

struct florin_result ledger_sim_run(struct ledger_sim *sim, const struct florin_command *command)
{
    struct florin_result result;
    enum florin_status status = worker_submit(sim->workers[0], command);
    if (status != FLORIN_APPLIED)
        return (struct florin_result){.status = status};
    collect(sim, command->user_data, &result, 1);
    return result;
}

void ledger_sim_open_accounts(struct ledger_sim *sim, unsigned count, size_t metadata_length)
{
    static const char metadata[FLORIN_METADATA_MAX] = {'{'};
    struct ledger_sim_book *book = sim->book;
    assert_true(book->account_count + count <= LEDGER_SIM_ACCOUNTS_MAX);
    while (count > 0) {
        struct florin_result results[BATCH];
        unsigned most = metadata_length > 0 ? BATCH_LONG : BATCH;
        unsigned batch = count < most ? count : most;
        for (unsigned i = 0; i < batch; i++) {
            struct ledger_sim_texts texts;
            struct florin_command command =
                command_of(FLORIN_OPEN_ACCOUNT, book->account_count + i, &texts);
            command.metadata = metadata;
            command.metadata_length = metadata_length;
            command.user_data = i;
            assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
        }
        collect(sim, 0, results, batch);
        for (unsigned i = 0; i < batch; i++)
            assert_int_equal(results[i].status, FLORIN_APPLIED);
        book->account_count += batch;
        count -= batch;
    }
}

static void note_deposit(struct ledger_sim *sim, unsigned account, int64_t amount,
                         const struct florin_result *result)
{
    struct ledger_sim_book *book = sim->book;
    if (result->status != FLORIN_APPLIED || result->replayed)
        fail_msg("deposit %u: status %d\n%s", book->deposit_count, (int)result->status, sim->lines);
    book->balances[account] += amount;
    book->deposits[book->deposit_count++] = (struct ledger_sim_deposit){
        .account = account,
        .amount_minor = amount,
        .lsn = result->transaction_id,
        .balance_minor = result->balance_minor,
        .time_ns = result->time_ns,
    };
}

static void deposit_batch(struct ledger_sim *sim, unsigned batch)
{
    struct ledger_sim_book *book = sim->book;
    struct florin_result results[BATCH];
    unsigned accounts[BATCH];
    int64_t amounts[BATCH];
    for (unsigned i = 0; i < batch; i++) {
        struct ledger_sim_texts texts;
        accounts[i] = (unsigned)(ledger_sim_random(sim) % book->account_count);
        amounts[i] = (int64_t)(ledger_sim_random(sim) % 1000) + 1;
        struct florin_command command =
            deposit_of(book->deposit_count + i, accounts[i], amounts[i], &texts);
        assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
    }
    collect(sim, book->deposit_count, results, batch);
    for (unsigned i = 0; i < batch; i++)
        note_deposit(sim, accounts[i], amounts[i], &results[i]);
}

void ledger_sim_deposit(struct ledger_sim *sim, unsigned count)
{
    assert_true(sim->book->deposit_count + count <= LEDGER_SIM_DEPOSITS_MAX);
    for (; count > 0; count -= count < BATCH ? count : BATCH)
        deposit_batch(sim, count < BATCH ? count : BATCH);
}

/* --- checking -------------------------------------------------------------------------------- */

static void check_deposit(struct ledger_sim *sim, unsigned number)
{
    const struct ledger_sim_deposit *deposit = &sim->book->deposits[number];
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_retry(sim, number, &texts);
    struct florin_result result = ledger_sim_run(sim, &command);
    if (result.status != FLORIN_APPLIED || !result.replayed)
        fail_msg("deposit %u again: status %d%s\n%s", number, (int)result.status,
                 result.replayed ? "" : ", not as a repetition", sim->lines);
    assert_int_equal(result.transaction_id, deposit->lsn);
    assert_int_equal(result.balance_minor, deposit->balance_minor);
    assert_int_equal(result.time_ns, deposit->time_ns);
}

void ledger_sim_check_deposits(struct ledger_sim *sim, unsigned stride)
{
    for (unsigned i = 0; i < sim->book->deposit_count; i += stride)
        check_deposit(sim, i);
}

void ledger_sim_check(struct ledger_sim *sim, unsigned stride)
{
    const struct ledger_sim_book *book = sim->book;
    ledger_sim_check_deposits(sim, stride);
    for (unsigned i = 0; i < book->account_count; i += stride) {
        struct ledger_sim_texts texts;
        struct florin_command command = ledger_sim_read(i, &texts);
        struct florin_result result = ledger_sim_run(sim, &command);
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_int_equal(result.balance_minor, book->balances[i]);
    }
}

uint64_t ledger_sim_digest(const struct ledger_sim *sim)
{
    uint64_t digest = key_archive_totals(sim->ledger->archive).state_digest;
    uint64_t in_files = key_archive_to_lsn(sim->ledger->archive);
    for (unsigned i = 0; i < sim->worker_count; i++) {
        const struct shard *shard = &sim->workers[i]->shard;
        digest += shard_accounts_digest(shard);
        /* A shard may not have the newest filters yet. */
        for (uint32_t older = 0; older < shard->keys.count; older++) {
            uint32_t slot = key_table_slot(&shard->keys, older);
            const struct key_entry *entry = &shard->keys.slots[slot];
            uint64_t lsn = key_table_lsn(&shard->keys, slot);
            if (lsn > in_files)
                digest += key_state_digest(entry->tag, entry->check, lsn);
        }
    }
    return digest;
}

struct ledger_keeper_statistics ledger_sim_statistics(const struct ledger_sim *sim)
{
    struct ledger_keeper_statistics statistics;
    ledger_keeper_statistics(sim->ledger, &statistics);
    return statistics;
}

int ledger_sim_checkpoint(struct ledger_sim *sim)
{
    uint64_t number;
    uint64_t failed = ledger_sim_statistics(sim).checkpoints_failed;
    assert_int_equal(ledger_request_checkpoint(sim->ledger, &number), 0);
    for (unsigned i = 0; ledger_sim_statistics(sim).checkpoints_ended < number; i++) {
        if (i == ROUNDS_MAX)
            fail_msg("no checkpoint:\n%s", sim->lines);
        ledger_sim_round(sim);
        (void)ledger_sim_step(sim);
    }
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    return statistics.checkpoints_failed > failed ? statistics.last_error : 0;
}

/* --- files ----------------------------------------------------------------------------------- */

enum { NAMES_MAX = 512 };

struct listing {
    char names[NAMES_MAX][STORAGE_NAME_MAX];
    unsigned count;
    const char *ending;
};

static void take_name(void *context, const char *name)
{
    struct listing *listing = context;
    size_t length = strlen(name);
    size_t ending = strlen(listing->ending);
    if (length < ending || strcmp(name + length - ending, listing->ending) != 0)
        return;
    assert_true(listing->count < NAMES_MAX);
    snprintf(listing->names[listing->count++], STORAGE_NAME_MAX, "%s", name);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

static void list(const struct ledger_sim *sim, const char *directory, const char *ending,
                 struct listing *listing)
{
    struct storage *storage = sim_disk_storage(sim->disk);
    *listing = (struct listing){.ending = ending};
    int error = storage->operations->list(storage, directory, take_name, listing);
    assert_true(error == 0 || error == -ENOENT);
    qsort(listing->names, listing->count, sizeof(listing->names[0]), compare_names);
}

unsigned ledger_sim_files(const struct ledger_sim *sim, const char *directory, const char *ending)
{
    struct listing listing;
    list(sim, directory, ending, &listing);
    return listing.count;
}

void ledger_sim_file(const struct ledger_sim *sim, const char *directory, const char *ending,
                     unsigned number, char name[STORAGE_NAME_MAX])
{
    struct listing listing;
    list(sim, directory, ending, &listing);
    assert_true(number < listing.count);
    size_t length = strlen(directory);
    size_t rest = strlen(listing.names[number]);
    assert_true(length + 1 + rest < STORAGE_NAME_MAX);
    memcpy(name, directory, length);
    name[length] = '/';
    memcpy(name + length + 1, listing.names[number], rest + 1);
}

void ledger_sim_assert_same_files(const struct ledger_sim *copy, const struct ledger_sim *sim)
{
    static const char *const directories[] = {"checkpoint", "keys", "log"};
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        unsigned count = ledger_sim_files(sim, directories[i], "");
        assert_int_equal(ledger_sim_files(copy, directories[i], ""), count);
        for (unsigned number = 0; number < count; number++) {
            char name[STORAGE_NAME_MAX];
            uint64_t size;
            uint64_t size_now;
            ledger_sim_file(sim, directories[i], "", number, name);
            const uint8_t *bytes = sim_disk_bytes(sim->disk, name, &size);
            const uint8_t *bytes_now = sim_disk_bytes(copy->disk, name, &size_now);
            assert_non_null(bytes_now);
            assert_int_equal(size_now, size);
            assert_memory_equal(bytes_now, bytes, size);
        }
    }
}
