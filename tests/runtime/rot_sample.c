/* rot_sample.c - makes the directory, and asks a ledger on a copy of it what it was told.
 *
 * Guarantees: everything runs on the calling thread. It must not know what was done to the copy.
 */
#include "runtime/rot_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/ledger.h"
#include "engine/runtime/worker.h"
#include "wal/log.h"
#include "wal/meta.h"

enum {
    SEGMENT_BYTES = 16 * 1024,
    CHANGES_A_GROUP = 4,
    /* After so many changes each: a checkpoint. What follows the last stands in the log alone. */
    CHECKPOINT_EVERY = 26,
    KEYS_MEMORY = 40,
    ROUNDS_MAX = 10000,
};

/* --- a life --------------------------------------------------------------------------------- */

static int create_channel(void *context, struct channel **channel)
{
    struct rot_life *life = context;
    *channel = sim_disk_channel(life->disk);
    return 0;
}

static void take_line(void *context, const char *line)
{
    struct rot_life *life = context;
    int length =
        snprintf(life->log + life->log_length, ROT_LOG_BYTES - life->log_length, "%s\n", line);
    assert_true(length > 0 && (size_t)length < ROT_LOG_BYTES - life->log_length);
    life->log_length += (size_t)length;
}

static void see(void *context, const struct sim_event *event)
{
    struct rot_life *life = context;
    bool writes = event->operation == SIM_WRITE || event->operation == SIM_RENAME ||
                  event->operation == SIM_REMOVE || event->operation == SIM_SUBMIT;
    if (writes && strcmp(event->name, "lock") != 0 && life->touched[0] == '\0')
        snprintf(life->touched, sizeof(life->touched), "%s", event->name);
}

int rot_life_start(struct rot_life *life, struct sim_disk *disk)
{
    struct florin_options options;
    florin_options_init(&options);
    options.directory = "rot";
    options.workers = 1;
    options.accounts_max = 16;
    options.keys_memory = KEYS_MEMORY;
    options.checkpoint_bytes = 0;
    options.log_line = take_line;
    options.log_context = life;
    const struct ledger_devices devices = {
        .storage = sim_disk_storage(disk),
        .create_channel = create_channel,
        .context = life,
        .single_thread = true,
    };
    memset(life, 0, sizeof(*life));
    life->disk = disk;
    sim_disk_observe(disk, see, life);
    int error = ledger_create(&options, &devices, &life->ledger);
    if (error != 0)
        return error;
    life->worker = ledger_worker(life->ledger, 0);
    assert_int_equal(worker_attach(life->worker), 0);
    return ledger_recover(life->ledger);
}

void rot_life_end(struct rot_life *life)
{
    if (life->worker != NULL)
        worker_detach(life->worker);
    if (life->ledger != NULL)
        ledger_destroy(life->ledger);
    sim_disk_observe(life->disk, NULL, NULL);
}

static void step(struct rot_life *life)
{
    worker_round(life->worker);
    (void)worker_wait_ms(life->worker);
    (void)ledger_step(life->ledger);
}

static struct florin_result wait_result(struct rot_life *life)
{
    struct florin_result result;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        if (worker_reap(life->worker, &result, 1) == 1)
            return result;
        step(life);
    }
    fail_msg("no result came: %s", life->log);
    return result;
}

static void submit(struct rot_life *life, enum florin_command_kind kind, const char *account,
                   const char *key, uint64_t user_data)
{
    const struct florin_command command = {
        .user_data = user_data,
        .kind = kind,
        .account = account,
        .account_length = strlen(account),
        .key = key,
        .key_length = strlen(key),
        .amount_minor = kind == FLORIN_READ_ACCOUNT ? 0 : 100,
    };
    assert_int_equal(worker_submit(life->worker, &command), FLORIN_APPLIED);
}

/* What stands there now, all of it durable. */
static struct sim_disk *copy_disk(const struct sim_disk *disk)
{
    size_t units = sim_disk_units(disk);
    bool *keep = calloc(units + 1, sizeof(*keep));
    assert_non_null(keep);
    memset(keep, true, units * sizeof(*keep));
    struct sim_disk *copy = sim_disk_crash(disk, keep);
    free(keep);
    return copy;
}

/* --- the sample ----------------------------------------------------------------------------- */

static void account_name(unsigned number, char name[8])
{
    snprintf(name, 8, "a%u", number % ROT_ACCOUNTS);
}

/* Segments of a size that the ledger itself would not choose. */
static void make_meta(struct sim_disk *disk, uint8_t identity)
{
    struct meta meta = {
        .format_version = META_FORMAT_VERSION,
        .created_ns = UINT64_C(1746181442000000000),
        .segment_bytes = SEGMENT_BYTES,
    };
    for (unsigned i = 0; i < META_LOG_ID_BYTES; i++)
        meta.log_id[i] = (uint8_t)(i + identity);
    assert_int_equal(meta_create(sim_disk_storage(disk), &meta), 0);
}

static void make_checkpoint(struct rot_life *life)
{
    struct ledger_keeper_statistics figures;
    uint64_t number;
    assert_int_equal(ledger_request_checkpoint(life->ledger, &number), 0);
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        step(life);
        ledger_keeper_statistics(life->ledger, &figures);
        if (figures.checkpoints_ended == number)
            break;
    }
    assert_int_equal(figures.checkpoints_completed, number);
}

static void write_history(struct rot_sample *sample, struct rot_life *life)
{
    char name[8];
    for (unsigned i = 0; i < ROT_ACCOUNTS; i++) {
        account_name(i, name);
        submit(life, FLORIN_OPEN_ACCOUNT, name, "", 0);
        assert_int_equal(wait_result(life).status, FLORIN_APPLIED);
    }
    for (unsigned i = 0; i < ROT_CHANGES; i += CHANGES_A_GROUP) {
        for (unsigned n = i; n < i + CHANGES_A_GROUP; n++) {
            struct rot_change *told = &sample->changes[n];
            account_name(n, told->account);
            snprintf(told->key, sizeof(told->key), "key-%u", n);
            submit(life, FLORIN_DEPOSIT, told->account, told->key, n);
        }
        for (unsigned n = 0; n < CHANGES_A_GROUP; n++) {
            struct florin_result result = wait_result(life);
            assert_int_equal(result.status, FLORIN_APPLIED);
            sample->changes[result.user_data].result = result;
        }
        if (i / CHECKPOINT_EVERY != (i + CHANGES_A_GROUP) / CHECKPOINT_EVERY)
            make_checkpoint(life);
    }
    for (unsigned i = 0; i < ROT_ACCOUNTS; i++) {
        account_name(i, name);
        submit(life, FLORIN_READ_ACCOUNT, name, "", 0);
        sample->accounts[i] = wait_result(life);
    }
}

static unsigned count_files(const struct rot_sample *sample, const char *start)
{
    unsigned count = 0;
    for (size_t i = 0; i < sample->file_count; i++)
        count += strncmp(sample->names[i], start, strlen(start)) == 0;
    return count;
}

/* What a start on the unharmed directory reads. */
static void look_at_start(struct rot_sample *sample)
{
    struct rot_life life;
    struct ledger_statistics figures;
    struct log_statistics log;
    struct sim_disk *disk = copy_disk(sample->disk);
    assert_int_equal(rot_life_start(&life, disk), 0);
    const char *segments = strstr(life.log, " segments=");
    assert_non_null(segments);
    ledger_statistics(life.ledger, &figures, &log);
    sample->live = log.live_segment;
    sample->first_needed = log.live_segment + 1 - strtoull(segments + 10, NULL, 10);
    rot_life_end(&life);
    sim_disk_destroy(disk);
    assert_true(sample->first_needed > 2 && sample->first_needed < sample->live);
}

static void list_files(struct rot_sample *sample)
{
    const char *name;
    uint64_t size;
    for (size_t i = 0; (name = sim_disk_file(sample->disk, i, &size)) != NULL; i++) {
        if (strcmp(name, "lock") == 0)
            continue;
        assert_true(sample->file_count < ROT_FILES_MAX);
        snprintf(sample->names[sample->file_count], STORAGE_NAME_MAX, "%s", name);
        sample->sizes[sample->file_count++] = size;
    }
    assert_int_equal(count_files(sample, "checkpoint/"), 2);
    assert_true(count_files(sample, "keys/") >= 2);
    assert_true(count_files(sample, "log/") >= 6);
    assert_int_equal(count_files(sample, "meta"), 1);
}

struct rot_sample *rot_sample_create(enum rot_ending ending, uint8_t identity)
{
    struct rot_sample *sample = calloc(1, sizeof(*sample));
    struct sim_disk *disk = sim_disk_create();
    struct rot_life life;
    assert_non_null(sample);
    make_meta(disk, identity);
    assert_int_equal(rot_life_start(&life, disk), 0);
    write_history(sample, &life);
    if (ending == ROT_KILLED)
        sample->disk = copy_disk(disk);
    rot_life_end(&life);
    if (ending == ROT_CLEAN)
        sample->disk = copy_disk(disk);
    sim_disk_destroy(disk);
    list_files(sample);
    look_at_start(sample);
    return sample;
}

void rot_sample_destroy(struct rot_sample *sample)
{
    sim_disk_destroy(sample->disk);
    free(sample);
}

/* --- answers -------------------------------------------------------------------------------- */

static bool same_result(const struct florin_result *left, const struct florin_result *right)
{
    return left->transaction_id == right->transaction_id &&
           left->amount_minor == right->amount_minor &&
           left->balance_minor == right->balance_minor && left->version == right->version &&
           left->time_ns == right->time_ns && strcmp(left->currency, right->currency) == 0 &&
           left->exponent == right->exponent;
}

/* Nothing is missing and nothing is new. Returns how many answers were refused. */
unsigned rot_check_answers(const struct rot_sample *sample, struct rot_life *life, const char *what)
{
    char name[8];
    unsigned refused = 0;
    for (unsigned i = 0; i < ROT_ACCOUNTS; i++) {
        account_name(i, name);
        submit(life, FLORIN_READ_ACCOUNT, name, "", 0);
        struct florin_result result = wait_result(life);
        if (result.status != FLORIN_APPLIED || !same_result(&result, &sample->accounts[i]))
            fail_msg("%s: account %s is another\n%s", what, name, life->log);
    }
    for (unsigned i = 0; i < ROT_CHANGES; i++) {
        const struct rot_change *told = &sample->changes[i];
        submit(life, FLORIN_DEPOSIT, told->account, told->key, 0);
        struct florin_result result = wait_result(life);
        if (result.status == FLORIN_APPLIED && result.replayed &&
            same_result(&result, &told->result))
            continue;
        /* That it cannot be known is an answer, if somebody is told why. */
        if (result.status != FLORIN_COMMIT_UNKNOWN ||
            strstr(life->log, "event=lookup_failed file=rot/keys/") == NULL)
            fail_msg("%s: %s is answered otherwise: %s\n%s", what, told->key,
                     florin_status_code(result.status), life->log);
        refused++;
    }
    return refused;
}
