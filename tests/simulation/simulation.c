/* simulation.c - the lives of one ledger, from the seed's first draw to the last audit. */
#include "simulation/simulation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/clock.h"
#include "engine/runtime/ledger.h"
#include "simulation/virtual_clock.h"

enum {
    /* Operations until a power failure that comes later. */
    LATER_OPERATIONS = 120,
    /* Steps of a life, so that one with a paused world ends, too. */
    LIFE_STEPS_MAX = 200000,
};

/* --- trace ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return hash;
}

void trace(struct simulation *simulation, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    struct trace *to = &simulation->trace;
    to->hash = mix(mix(mix(mix_text(to->hash, what), a), b), c);
    if (to->printed)
        printf("%14.6f  %-8s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
               (double)clock_monotonic_ns() / 1e9 - 3600, what, a, b, c);
}

void trace_text(struct simulation *simulation, const char *what, const char *text)
{
    struct trace *to = &simulation->trace;
    to->hash = mix_text(mix_text(to->hash, what), text);
    if (to->printed)
        printf("%14.6f  %-8s %s\n", (double)clock_monotonic_ns() / 1e9 - 3600, what, text);
}

void simulation_fail(struct simulation *simulation, const char *format, ...)
{
    if (simulation->failed)
        return; /* the first one counts */
    simulation->failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(simulation->failure, sizeof simulation->failure, format, arguments);
    va_end(arguments);
    trace_text(simulation, "FAILED", simulation->failure);
}

static void complain(void *context, const char *what)
{
    simulation_fail(context, "%s", what);
}

/* --- a life ---------------------------------------------------------------------------------- */

enum life_end { END_CLEAN, END_KILL, END_POWER, END_POWER_LATER };

static enum life_end draw_end(struct simulation *simulation)
{
    const struct plan *plan = &simulation->plan;
    unsigned total = plan->end_clean + plan->end_kill + plan->end_power + plan->end_power_later;
    uint64_t drawn = random_below(&simulation->random, total);
    if (drawn < plan->end_clean)
        return END_CLEAN;
    if (drawn < plan->end_clean + plan->end_kill)
        return END_KILL;
    return drawn < plan->end_clean + plan->end_kill + plan->end_power ? END_POWER : END_POWER_LATER;
}

/* What the disk is like in this life. */
static void draw_disk(struct simulation *simulation)
{
    const struct plan *plan = &simulation->plan;
    struct random *random = &simulation->random;
    if (random_percent(random, plan->faults_percent))
        sim_disk_set_faults(simulation->disk, plan->faults, EIO, random_next(random));
    simulation->has_room = !random_percent(random, plan->full_percent);
    if (!simulation->has_room)
        sim_disk_set_capacity(simulation->disk, sim_disk_used(simulation->disk) +
                                                    random_below(random, 4 * plan->segment_bytes) +
                                                    1);
}

/* Room comes back sometimes while the ledger runs. */
static void make_room(struct simulation *simulation)
{
    if (!simulation->storage_was_full || !random_percent(&simulation->random, 1))
        return;
    sim_disk_set_capacity(simulation->disk, 0);
    schedule_background(simulation);
    simulation->has_room = true;
}

/* Steps until `sent` commands were sent, the log fails, or the power. */
static void run_until(struct simulation *simulation, uint64_t sent)
{
    for (unsigned i = 0; i < LIFE_STEPS_MAX && simulation->workload.sent < sent; i++) {
        if (simulation->failed || sim_disk_is_off(simulation->disk) ||
            ledger_state(simulation->ledger) == LEDGER_FAILED)
            return;
        schedule_step(simulation);
        make_room(simulation);
    }
}

static void end_life(struct simulation *simulation, enum life_end end)
{
    if (simulation->failed)
        return;
    if (sim_disk_is_off(simulation->disk))
        life_lose_power(simulation);
    else if (ledger_state(simulation->ledger) == LEDGER_FAILED)
        life_fail(simulation);
    else if (end == END_CLEAN)
        life_stop(simulation);
    else if (end == END_KILL)
        life_kill(simulation);
    else
        life_lose_power(simulation);
}

static void run_life(struct simulation *simulation)
{
    struct random *random = &simulation->random;
    uint64_t sent = simulation->workload.sent;
    enum life_end end = draw_end(simulation);
    draw_disk(simulation);
    run_until(simulation, sent + random_between(random, 1, simulation->plan.life_operations));
    bool dies_stopping = end == END_CLEAN && random_percent(random, 20);
    if (end == END_POWER_LATER || dies_stopping)
        sim_disk_power_off(simulation->disk, random_below(random, LATER_OPERATIONS));
    if (end == END_POWER_LATER)
        run_until(simulation, simulation->workload.sent + LATER_OPERATIONS);
    end_life(simulation, end);
}

static void run_lives(struct simulation *simulation)
{
    bool last = false;
    while (!simulation->failed && !last) {
        last = simulation->workload.sent >= simulation->plan.operations;
        life_begin(simulation);
        if (!simulation->failed)
            audit_run(simulation, last);
        if (!simulation->failed && !last)
            run_life(simulation);
    }
    if (simulation->ledger != NULL)
        life_kill(simulation);
}

bool simulation_run(struct simulation *simulation)
{
    simulation->random = (struct random){.state = simulation->seed * UINT64_C(0x2545f4914f6cdd1d)};
    simulation->trace.hash = 0;
    simulation->failed = false;
    simulation->ledger = NULL;
    simulation->life = 0;
    simulation->has_begun = false;
    simulation->newest.name[0] = '\0';
    simulation->older.name[0] = '\0';
    simulation->flying = 0;
    virtual_clock_reset();
    plan_draw(&simulation->plan, &simulation->random);
    workload_init(simulation);
    simulation->reference = reference_create(complain, simulation, simulation->counters);
    simulation->disk = sim_disk_create();
    run_lives(simulation);
    reference_destroy(simulation->reference);
    workload_deinit(simulation);
    free(simulation->records);
    sim_disk_destroy(simulation->disk);
    return !simulation->failed;
}
