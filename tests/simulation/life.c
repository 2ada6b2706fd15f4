/* life.c - how a ledger starts and how it ends.
 *
 * A start may meet power failures, I/O errors, a full disk and rot; each of these is drawn, and
 * after a few of them a start is left in peace and must succeed. An end leaves the disk that the
 * next start finds: as it is (stop, kill), or with a chosen set of what was not flushed (power).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/clock.h"
#include "engine/runtime/ledger.h"
#include "engine/runtime/worker.h"
#include "simulation/simulation.h"
#include "wal/log.h"
#include "wal/meta.h"

enum {
    UNLUCKY_STARTS_MAX = 4,
    STOP_ROUNDS_MAX = 10000,
    /* Of each worker behind a failure: to take what the reader had, and to tell the others. */
    FAIL_ROUNDS = 3,
    /* Operations of a start: its crash is drawn from as many. */
    START_OPERATIONS = 70,
    GROUP_OF_EIGHT = 3, /* bucket of the histogram */
};

/* --- the end of a process -------------------------------------------------------------------- */

static void count_background(struct simulation *simulation, uint64_t keys_held)
{
    struct ledger_keeper_statistics keeper;
    if (keys_held < simulation->keys_at_file)
        count(simulation->counters, COUNT_keys_forgotten);
    ledger_keeper_statistics(simulation->ledger, &keeper);
    if (keeper.checkpoints_failed > 0)
        count(simulation->counters, COUNT_checkpoint_abandoned);
    if (keeper.key_merges > 0)
        count(simulation->counters, COUNT_key_files_merged);
    if (keeper.lookups_record > 0)
        count(simulation->counters, COUNT_key_from_log);
    if (keeper.lookups_files > 0)
        count(simulation->counters, COUNT_key_from_file);
    if (keeper.lookups_in_vain > 0)
        count(simulation->counters, COUNT_lookup_in_vain);
}

static void count_life(struct simulation *simulation)
{
    struct ledger_statistics statistics;
    struct log_statistics log;
    ledger_statistics(simulation->ledger, &statistics, &log);
    if (statistics.hops > 0)
        count(simulation->counters, COUNT_hop);
    for (unsigned i = GROUP_OF_EIGHT; i < LOG_HISTOGRAM_BUCKETS; i++) {
        if (log.group_records[i] > 0)
            count(simulation->counters, COUNT_large_group);
    }
    count_background(simulation, statistics.keys_held);
}

/* Frees the process's memory; what it writes from here on goes nowhere when the power is off. */
static void end_process(struct simulation *simulation)
{
    struct florin *ledger = simulation->ledger;
    if (ledger == NULL)
        return;
    count_life(simulation);
    protocol_eye_see_crash(simulation);
    for (unsigned i = 0; i < simulation->worker_count; i++)
        worker_detach(simulation->workers[i].worker);
    simulation->worker_count = SIM_WORKERS_MAX; /* the channel of the closing mark is nobody's */
    ledger_destroy(ledger);
    simulation->worker_count = 0;
    simulation->ledger = NULL;
}

/* --- starting -------------------------------------------------------------------------------- */

/* ledger_devices.create_channel: workers are attached in the order of their numbers. */
static int create_channel(void *context, struct channel **channel)
{
    struct simulation *simulation = context;
    *channel = sim_disk_channel(simulation->disk);
    if (simulation->worker_count < SIM_WORKERS_MAX)
        simulation->workers[simulation->worker_count].channel = *channel;
    return 0;
}

/* The directory's identity comes from the seed; the ledger would ask the machine for it. */
static int make_directory(struct simulation *simulation)
{
    struct storage *storage = sim_disk_storage(simulation->disk);
    struct meta meta;
    int error = meta_read(storage, &meta);
    simulation->creating = error == -ENOENT;
    if (error != -ENOENT) /* of damage the ledger itself says what it is */
        return error == -EIO ? error : 0;
    struct random random = {.state = simulation->seed};
    meta = (struct meta){
        .format_version = META_FORMAT_VERSION,
        .created_ns = clock_wall_ns(),
        .segment_bytes = simulation->plan.segment_bytes,
    };
    for (unsigned i = 0; i < META_LOG_ID_BYTES; i++)
        meta.log_id[i] = (uint8_t)random_next(&random);
    for (unsigned i = 0; i < META_HASH_SEED_BYTES; i++)
        meta.hash_seed[i] = (uint8_t)random_next(&random);
    return meta_create(storage, &meta);
}

static int create_ledger(struct simulation *simulation, unsigned workers)
{
    const struct plan *plan = &simulation->plan;
    struct florin_options options;
    florin_options_init(&options);
    options.directory = "simulated";
    options.workers = workers;
    options.accounts_max = plan->accounts_max;
    options.keys_memory = plan->keys_memory;
    options.holds_max = 4096; /* one shard may get them all */
    options.checkpoint_bytes = plan->checkpoint_bytes;
    options.checkpoint_seconds = plan->checkpoint_seconds;
    options.retain_bytes = plan->retain_bytes;
    options.retain_seconds = plan->retain_seconds;
    options.background_mib_per_second = 0;
    options.commit_timeout_ms = (unsigned)plan->commit_timeout_ms;
    options.log_line = disk_eye_log_line;
    options.log_context = simulation;
    const struct ledger_devices devices = {
        .storage = sim_disk_storage(simulation->disk),
        .create_channel = create_channel,
        .context = simulation,
        .single_thread = true,
        .keys_per_file = plan->keys_per_file,
    };
    return ledger_create(&options, &devices, &simulation->ledger);
}

static int attach_workers(struct simulation *simulation)
{
    unsigned count = ledger_worker_count(simulation->ledger);
    simulation->worker_count = 0;
    simulation->looked_at = UINT64_MAX;
    for (unsigned i = 0; i < count; i++) {
        struct sim_worker *worker = &simulation->workers[i];
        worker->worker = ledger_worker(simulation->ledger, i);
        worker->awake = true;
        worker->due_ns = UINT64_MAX;
        int error = worker_attach(worker->worker);
        if (error != 0)
            return error;
        simulation->worker_count++;
    }
    return 0;
}

/* As far as workers that may be attached. */
static int prepare_start(struct simulation *simulation, unsigned workers)
{
    int error = create_ledger(simulation, workers);
    return error != 0 ? error : attach_workers(simulation);
}

int life_start(struct simulation *simulation, unsigned workers)
{
    simulation->files_held = false;
    simulation->damaged_lsn = 0;
    simulation->keys_at_file = 0;
    simulation->faults_seen = 0;
    simulation->wiped_start = false;
    simulation->commit_under_way = false;
    simulation->held = false;
    simulation->recovering = true;
    disk_eye_open(simulation, simulation->disk);
    /* later a directory without meta is a damaged one, and the ledger has to see that */
    int error = simulation->has_begun ? 0 : make_directory(simulation);
    if (error == 0)
        error = prepare_start(simulation, workers);
    if (error == 0)
        error = ledger_recover(simulation->ledger);
    simulation->recovering = false;
    simulation->has_begun |= error == 0;
    trace(simulation, "start", workers, (uint64_t)-error, simulation->faults_seen);
    return error;
}

/* --- the disk behind it ----------------------------------------------------------------------- */

void life_change_disk(struct simulation *simulation, struct sim_disk *disk)
{
    sim_disk_power_off(simulation->disk, 0);
    end_process(simulation);
    workload_crash(simulation);
    sim_disk_destroy(simulation->disk);
    sim_disk_set_capacity(disk, 0);
    simulation->disk = disk;
}

void life_kill(struct simulation *simulation)
{
    count(simulation->counters, COUNT_killed);
    if (simulation->commit_under_way)
        count(simulation->counters, COUNT_killed_in_commit);
    trace(simulation, "kill", sim_disk_units(simulation->disk), 0, 0);
    life_change_disk(simulation, sim_disk_kill(simulation->disk));
}

/* --- power failures -------------------------------------------------------------------------- */

enum { KEEP_NONE, KEEP_ALL, KEEP_RANDOM, KEEP_PREFIX, KEEP_ALL_BUT_ONE, KEEP_KINDS };

/* Which units reach the disk. */
static bool *draw_kept(struct simulation *simulation, size_t units)
{
    static const enum counter counters[KEEP_KINDS] = {
        COUNT_power_lost_none, COUNT_power_kept_all, COUNT_power_kept_random,
        COUNT_power_kept_prefix, COUNT_power_lost_one};
    struct random *random = &simulation->random;
    bool *keep = calloc(units + 1, sizeof *keep);
    assert(keep != NULL);
    uint64_t kind = random_below(random, KEEP_KINDS);
    uint64_t chosen = random_below(random, units + 1);
    unsigned percent = (unsigned)random_between(random, 1, 99);
    for (size_t i = 0; i < units; i++)
        keep[i] = (kind == KEEP_RANDOM && random_percent(random, percent)) || kind == KEEP_ALL ||
                  (kind == KEEP_PREFIX && i < chosen) || (kind == KEEP_ALL_BUT_ONE && i != chosen);
    count(simulation->counters, counters[kind]);
    trace(simulation, "power", units, kind, chosen);
    return keep;
}

static void count_place(struct simulation *simulation)
{
    const char *name = simulation->last_name;
    bool temporary = strstr(name, ".tmp") != NULL;
    if (simulation->creating)
        count(simulation->counters, COUNT_power_in_creation);
    else if (strncmp(name, "log/", 4) == 0 && temporary)
        count(simulation->counters, COUNT_power_making_segment);
    else if (simulation->commit_under_way)
        count(simulation->counters, COUNT_power_in_commit);
    if (strncmp(name, "keys/", 5) == 0)
        count(simulation->counters, COUNT_power_in_key_file);
    if (strncmp(name, "checkpoint/", 11) != 0)
        return;
    if (simulation->last_operation == SIM_RENAME)
        count(simulation->counters, COUNT_power_after_rename);
    else if (simulation->last_operation == SIM_SYNC || simulation->last_operation == SIM_READ)
        count(simulation->counters, COUNT_power_before_rename);
    else
        count(simulation->counters, COUNT_power_in_slices);
}

void life_lose_power(struct simulation *simulation)
{
    count_place(simulation);
    bool *keep = draw_kept(simulation, sim_disk_units(simulation->disk));
    struct sim_disk *after = sim_disk_crash(simulation->disk, keep);
    free(keep);
    life_change_disk(simulation, after);
}

/* --- stopping -------------------------------------------------------------------------------- */

void life_fail(struct simulation *simulation)
{
    trace(simulation, "failed", simulation->flying, 0, 0);
    schedule_drain(simulation);
    for (unsigned i = 0; i < FAIL_ROUNDS * simulation->worker_count; i++) {
        while (schedule_background(simulation)) /* look-ups that nobody waits for any more */
            continue;
        schedule_round(simulation, i % simulation->worker_count);
    }
    bool is_off = sim_disk_is_off(simulation->disk);
    if (!is_off && !worker_is_idle(simulation->workers[0].worker))
        simulation_fail(simulation, "after the log has failed its workers do not come to rest");
    if (!is_off && random_percent(&simulation->random, 50))
        life_kill(simulation);
    else
        life_lose_power(simulation);
}

void life_stop(struct simulation *simulation)
{
    if (simulation->flying > 0)
        count(simulation->counters, COUNT_stop_with_commands);
    trace(simulation, "stop", simulation->flying, 0, 0);
    schedule_release_disk(simulation);
    ledger_stop(simulation->ledger);
    simulation->activity++;
    for (unsigned i = 0; i < STOP_ROUNDS_MAX && !sim_disk_is_off(simulation->disk); i++) {
        if (simulation->flying == 0 && worker_is_idle(simulation->workers[0].worker))
            break;
        schedule_round(simulation, i % simulation->worker_count);
        (void)ledger_step(simulation->ledger);
    }
    bool is_off = sim_disk_is_off(simulation->disk);
    if (!is_off && !worker_is_idle(simulation->workers[0].worker))
        simulation_fail(simulation, "a stopped ledger does not come to rest");
    if (!is_off)
        end_process(simulation);
    if (sim_disk_is_off(simulation->disk)) {
        count(simulation->counters, COUNT_power_in_stop);
        life_lose_power(simulation);
        return;
    }
    count(simulation->counters, COUNT_clean_stop);
    life_change_disk(simulation, sim_disk_kill(simulation->disk)); /* without this life's faults */
    if (random_percent(&simulation->random, 30)) {
        count(simulation->counters, COUNT_power_after_stop);
        life_lose_power(simulation);
    }
}

/* --- unlucky starts -------------------------------------------------------------------------- */

/* A start that is cut off after some operations. true: it was. */
static bool start_without_power(struct simulation *simulation, unsigned workers, unsigned crashes)
{
    sim_disk_power_off(simulation->disk, random_below(&simulation->random, START_OPERATIONS));
    int error = life_start(simulation, workers);
    if (!sim_disk_is_off(simulation->disk)) {
        sim_disk_power_off(simulation->disk, UINT64_MAX);
        if (error != 0)
            simulation_fail(simulation, "a start is refused: error %d", error);
        return false;
    }
    count(simulation->counters, COUNT_crash_in_recovery);
    if (crashes > 0)
        count(simulation->counters, COUNT_crash_in_recovery_again);
    life_lose_power(simulation);
    return true;
}

/* A start on a disk with errors or without room. true: it was refused for that. */
static bool start_with_faults(struct simulation *simulation, unsigned workers)
{
    struct random *random = &simulation->random;
    uint32_t faults[SIM_OPERATIONS];
    uint64_t room = random_below(random, 3 * simulation->plan.segment_bytes);
    bool full = random_percent(random, 40);
    for (unsigned i = 0; i < SIM_OPERATIONS; i++)
        faults[i] = full ? 0 : (uint32_t)random_below(random, 60000);
    sim_disk_set_faults(simulation->disk, faults, EIO, random_next(random));
    if (full)
        sim_disk_set_capacity(simulation->disk, sim_disk_used(simulation->disk) + room + 1);
    int error = life_start(simulation, workers);
    sim_disk_set_faults(simulation->disk, NULL, 0, 0);
    sim_disk_set_capacity(simulation->disk, 0);
    if (error == 0)
        return false;
    bool excused = full ? error == -ENOSPC : error == -EIO && simulation->faults_seen > 0;
    if (!excused)
        simulation_fail(simulation, "a start with faults is refused: error %d", error);
    count(simulation->counters, full ? COUNT_storage_full_at_start : COUNT_fault_at_start);
    if (random_percent(random, 50))
        life_kill(simulation);
    else
        life_lose_power(simulation);
    return true;
}

static unsigned draw_workers(struct simulation *simulation)
{
    const struct plan *plan = &simulation->plan;
    if (!plan->workers_change)
        return plan->workers_max;
    unsigned workers = (unsigned)random_between(&simulation->random, 1, SIM_WORKERS_MAX);
    if (simulation->life > 1 && workers != plan->workers_max)
        count(simulation->counters, COUNT_worker_count_changed);
    return workers;
}

void life_begin(struct simulation *simulation)
{
    const struct plan *plan = &simulation->plan;
    struct random *random = &simulation->random;
    simulation->life++;
    simulation->storage_was_full = false;
    unsigned workers = draw_workers(simulation);
    unsigned crashes = 0;
    for (unsigned i = 0; i < UNLUCKY_STARTS_MAX && !simulation->failed; i++) {
        if (simulation->life > 1 && random_percent(random, plan->rot_percent))
            life_begin_with_rot(simulation, workers);
        if (!simulation->failed && random_percent(random, plan->start_crash_percent)) {
            if (!start_without_power(simulation, workers, crashes))
                return;
            crashes++;
        } else if (!simulation->failed && random_percent(random, plan->start_fault_percent)) {
            if (!start_with_faults(simulation, workers))
                return;
        }
    }
    if (simulation->failed)
        return;
    int error = life_start(simulation, workers);
    if (error != 0)
        simulation_fail(simulation, "a start is refused: error %d", error);
}
