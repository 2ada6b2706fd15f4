/* plan.c - what a seed draws before it begins: each seed is another kind of system. */
#include "simulation/simulation.h"

static uint64_t one_of(struct random *random, const uint64_t *values, size_t count)
{
    return values[random_below(random, count)];
}

/* Mostly nothing, else up to `max` percent. */
static unsigned rare(struct random *random, unsigned max)
{
    return random_percent(random, 60) ? 0 : (unsigned)random_between(random, 1, max);
}

static void draw_sizes(struct plan *plan, struct random *random)
{
    static const uint64_t segments[] = {16384, 16384, 32768, 65536};
    static const uint64_t timeouts[] = {20, 200, 5000};
    static const uint64_t checkpoints[] = {0, 4096, 16384, 65536};
    static const uint64_t retained[] = {0, 0, 32768, 131072};
    static const uint64_t per_file[] = {2, 8, 20, 200};
    plan->segment_bytes = one_of(random, segments, 4);
    plan->commit_timeout_ms = one_of(random, timeouts, 3);
    plan->checkpoint_bytes = one_of(random, checkpoints, 4);
    plan->retain_bytes = one_of(random, retained, 4);
    plan->workers_max = (unsigned)random_between(random, 1, SIM_WORKERS_MAX);
    plan->workers_change = random_percent(random, 60);
    plan->accounts_max = 200;
    plan->keys_memory = 4 * SIM_KEYS_MAX; /* one shard may get them all */
    plan->keys_per_file = (uint32_t)one_of(random, per_file, 4);
    plan->accounts = (unsigned)random_between(random, 1, SIM_ACCOUNTS_MAX);
    plan->hot_accounts = (unsigned)random_between(random, 1, 3);
    plan->in_flight_max = (unsigned)random_between(random, 1, 40);
    plan->operations = random_between(random, 60, random_percent(random, 15) ? 2000 : 500);
    plan->life_operations = (unsigned)random_between(random, 20, 400);
    /* Room for few keys: most of them stand in files. */
    if (random_percent(random, 40))
        plan->keys_memory = random_between(random, 1, 200);
    plan->checkpoint_seconds = random_percent(random, 30);
    plan->retain_seconds = random_percent(random, 30);
    plan->request_percent = rare(random, 20);
    plan->hold_files_percent = rare(random, 10);
}

static void draw_misfortunes(struct plan *plan, struct random *random)
{
    static const enum sim_operation writing[] = {SIM_WRITE,  SIM_SYNC, SIM_RENAME,
                                                 SIM_SUBMIT, SIM_REAP, SIM_SYNC_DIRECTORY};
    for (size_t i = 0; i < sizeof writing / sizeof writing[0]; i++) {
        if (random_percent(random, 50))
            plan->faults[writing[i]] = (uint32_t)random_between(random, 500, 20000);
    }
    for (unsigned i = 0; i < SIM_OPERATIONS; i++)
        plan->faults[i] += random_percent(random, 20) ? 2000 : 0;
    plan->faults_percent = rare(random, 60);
    plan->full_percent = rare(random, 60);
    plan->rot_percent = rare(random, 40);
    plan->start_crash_percent = rare(random, 70);
    plan->start_fault_percent = rare(random, 50);
    plan->hold_percent = (unsigned)random_between(random, 0, 60);
    plan->long_hold_percent = rare(random, 10);
    plan->pause_percent = (unsigned)random_between(random, 0, 5);
    plan->spurious_percent = rare(random, 50);
    plan->jump_percent = rare(random, 20);
    plan->end_clean = (unsigned)random_between(random, 0, 4);
    plan->end_kill = (unsigned)random_between(random, 0, 4);
    plan->end_power = (unsigned)random_between(random, 0, 4);
    plan->end_power_later = (unsigned)random_between(random, 1, 6);
}

static void draw_commands(struct plan *plan, struct random *random)
{
    plan->read_percent = (unsigned)random_between(random, 5, 40);
    plan->key_percent = (unsigned)random_between(random, 50, 100);
    plan->retry_percent = (unsigned)random_between(random, 0, 40);
    plan->expected_percent = (unsigned)random_between(random, 0, 50);
    plan->other_body_percent = (unsigned)random_between(random, 0, 20);
    plan->several_percent =
        random_percent(random, 20) ? 0 : (unsigned)random_between(random, 10, 80);
    plan->dry_percent = rare(random, 10);
    for (unsigned i = 0; i < SIM_SEVERAL; i++)
        plan->weights[i] = (unsigned)random_between(random, i == 0, 8);
    plan->weight_worker = (unsigned)random_between(random, 5, 40);
    plan->weight_client = (unsigned)random_between(random, 1, 40);
    plan->weight_disk = (unsigned)random_between(random, 1, 10);
    plan->weight_background =
        random_percent(random, 20) ? 0 : (unsigned)random_between(random, 1, 10);
    plan->weight_time = (unsigned)random_between(random, 1, 10);
}

void plan_draw(struct plan *plan, struct random *random)
{
    *plan = (struct plan){0};
    draw_sizes(plan, random);
    draw_misfortunes(plan, random);
    draw_commands(plan, random);
}
