/* schedule.c - who does the next step.
 *
 * A worker does a round when its front end would let it: it was given something, its mailbox or its
 * channel is readable, or the time that it wanted to sleep is over. When nobody can do anything,
 * time jumps to the next moment at which somebody wants to; when there is none and a command is in
 * flight, a wake-up was lost.
 */
#include <inttypes.h>
#include <poll.h>

#include "engine/runtime/clock.h"
#include "engine/runtime/ledger.h"
#include "engine/runtime/worker.h"
#include "simulation/simulation.h"
#include "simulation/virtual_clock.h"

enum {
    RESULTS = 16,
    DRAIN_STEPS_MAX = 200000,
    STEP_NS_MAX = 300000,
    SHORT_HOLD_NS_MAX = 3000000,
    JUMP_SECONDS_MAX = 7200,
    LATE_NS = 15000000,
};

/* All mailboxes in one look: nothing comes into them or leaves them before the next activity. */
static void look_at_mailboxes(struct simulation *simulation)
{
    struct pollfd mailboxes[SIM_WORKERS_MAX];
    for (unsigned i = 0; i < simulation->worker_count; i++)
        mailboxes[i] = (struct pollfd){
            .fd = worker_mailbox_descriptor(simulation->workers[i].worker), .events = POLLIN};
    (void)poll(mailboxes, simulation->worker_count, 0);
    for (unsigned i = 0; i < simulation->worker_count; i++)
        simulation->workers[i].has_mail = mailboxes[i].revents != 0;
    simulation->looked_at = simulation->activity;
}

static bool has_mail(struct simulation *simulation, const struct sim_worker *worker)
{
    if (simulation->looked_at != simulation->activity)
        look_at_mailboxes(simulation);
    return worker->has_mail;
}

static bool can_run(struct simulation *simulation, const struct sim_worker *worker)
{
    return worker->awake || worker->due_ns <= clock_monotonic_ns() ||
           sim_channel_is_ready(worker->channel) || has_mail(simulation, worker);
}

bool schedule_background(struct simulation *simulation)
{
    simulation->activity++;
    return ledger_step(simulation->ledger);
}

void schedule_round(struct simulation *simulation, unsigned number)
{
    struct sim_worker *worker = &simulation->workers[number];
    trace(simulation, "round", number, clock_monotonic_ns(), 0);
    worker_round(worker->worker);
    protocol_eye_see_round(simulation, number);
    simulation->activity++;
    if (sim_disk_is_off(simulation->disk))
        return; /* the power failed within the round: nobody saw its end */
    struct florin_result results[RESULTS];
    size_t count;
    while ((count = worker_reap(worker->worker, results, RESULTS)) > 0) {
        for (size_t i = 0; i < count; i++)
            workload_answer(simulation, &results[i]);
    }
    int wait_ms = worker_wait_ms(worker->worker);
    worker->awake = wait_ms == 0;
    worker->due_ns = wait_ms < 0 ? UINT64_MAX : clock_monotonic_ns() + (uint64_t)wait_ms * 1000000;
}

void schedule_release_disk(struct simulation *simulation)
{
    simulation->held = false;
    sim_disk_hold_completions(simulation->disk, false);
}

/* --- time ------------------------------------------------------------------------------------ */

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* The next moment at which somebody can do something; UINT64_MAX: never. */
static uint64_t next_moment(const struct simulation *simulation)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t next_ns = UINT64_MAX;
    for (unsigned i = 0; i < simulation->worker_count; i++)
        next_ns = earlier(next_ns, simulation->workers[i].due_ns);
    if (simulation->held)
        next_ns = earlier(next_ns, simulation->held_until_ns);
    if (simulation->workload.pause_until_ns > now_ns)
        next_ns = earlier(next_ns, simulation->workload.pause_until_ns);
    return next_ns;
}

static void wait_until(uint64_t moment_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (moment_ns > now_ns)
        virtual_clock_advance(moment_ns - now_ns);
}

static bool nobody_can_run(struct simulation *simulation)
{
    for (unsigned i = 0; i < simulation->worker_count; i++) {
        if (can_run(simulation, &simulation->workers[i]))
            return false;
    }
    return true;
}

static bool clients_may_send(const struct simulation *simulation)
{
    return simulation->flying < simulation->plan.in_flight_max &&
           simulation->workload.pause_until_ns <= clock_monotonic_ns();
}

/* With nothing under way, an answer is late only for a retry or an idle mark. */
static bool oversleeps(const struct simulation *simulation, uint64_t next_ns)
{
    bool waits_for_disk = simulation->held || simulation->commit_under_way;
    return simulation->flying > 0 && !waits_for_disk && next_ns > clock_monotonic_ns() + LATE_NS;
}

static void check_nobody_oversleeps(struct simulation *simulation, uint64_t next_ns)
{
    if (oversleeps(simulation, next_ns))
        simulation_fail(simulation, "%u commands wait for nothing, and everybody sleeps",
                        simulation->flying);
}

static void sleep_on(struct simulation *simulation)
{
    uint64_t next_ns = next_moment(simulation);
    /* The background is threads that do not sleep while they have work: a look-up, a checkpoint. */
    bool has_time = next_ns == UINT64_MAX || oversleeps(simulation, next_ns);
    if (has_time && schedule_background(simulation))
        return;
    if (next_ns == UINT64_MAX && simulation->flying > 0)
        simulation_fail(simulation, "%u commands are in flight and everybody sleeps for ever",
                        simulation->flying);
    check_nobody_oversleeps(simulation, next_ns);
    bool may_send = clients_may_send(simulation);
    if (next_ns != UINT64_MAX && (!may_send || random_percent(&simulation->random, 30)))
        wait_until(next_ns);
}

/* --- steps ----------------------------------------------------------------------------------- */

static void step_worker(struct simulation *simulation)
{
    unsigned number = (unsigned)random_below(&simulation->random, simulation->worker_count);
    if (can_run(simulation, &simulation->workers[number]) ||
        random_percent(&simulation->random, simulation->plan.spurious_percent))
        schedule_round(simulation, number);
    else if (nobody_can_run(simulation))
        sleep_on(simulation);
}

static void step_disk(struct simulation *simulation)
{
    const struct plan *plan = &simulation->plan;
    struct random *random = &simulation->random;
    if (simulation->held || !random_percent(random, plan->hold_percent))
        return;
    uint64_t length_ns = random_below(random, SHORT_HOLD_NS_MAX);
    if (random_percent(random, plan->long_hold_percent))
        length_ns = random_between(random, 1, 2 * plan->commit_timeout_ms) * 1000000;
    simulation->held = true;
    simulation->held_until_ns = clock_monotonic_ns() + length_ns;
    sim_disk_hold_completions(simulation->disk, true);
    trace(simulation, "hold", length_ns, 0, 0);
}

static void step_time(struct simulation *simulation)
{
    struct random *random = &simulation->random;
    virtual_clock_advance(random_below(random, STEP_NS_MAX));
    if (!random_percent(random, simulation->plan.jump_percent))
        return;
    int64_t jump_ns = (int64_t)random_below(random, JUMP_SECONDS_MAX) * 1000000000;
    bool back = random_percent(random, 50);
    virtual_clock_jump(back ? -jump_ns : jump_ns);
    count(simulation->counters, back ? COUNT_clock_jumped_back : COUNT_clock_jumped_forward);
    trace(simulation, "jump", back, (uint64_t)jump_ns, 0);
}

static void hold_files(struct simulation *simulation)
{
    simulation->files_held = !simulation->files_held;
    trace(simulation, "files", simulation->files_held, 0, 0);
    if (!simulation->files_held) {
        ledger_release_files(simulation->ledger);
        return;
    }
    count(simulation->counters, COUNT_files_held);
    ledger_hold_files(simulation->ledger);
}

/* The background, and those who want something of it. */
static void step_background(struct simulation *simulation)
{
    struct random *random = &simulation->random;
    uint64_t number;
    if (random_percent(random, simulation->plan.request_percent))
        (void)ledger_request_checkpoint(simulation->ledger, &number);
    if (random_percent(random, simulation->plan.hold_files_percent))
        hold_files(simulation);
    trace(simulation, "back", schedule_background(simulation), 0, 0);
}

void schedule_step(struct simulation *simulation)
{
    const struct plan *plan = &simulation->plan;
    if (simulation->held && simulation->held_until_ns <= clock_monotonic_ns())
        schedule_release_disk(simulation);
    const unsigned weights[] = {plan->weight_worker, plan->weight_client, plan->weight_disk,
                                plan->weight_background, plan->weight_time};
    uint64_t total = 0;
    for (unsigned i = 0; i < sizeof weights / sizeof weights[0]; i++)
        total += weights[i];
    uint64_t drawn = random_below(&simulation->random, total);
    unsigned who = 0;
    while (drawn >= weights[who])
        drawn -= weights[who++];
    if (who == 0)
        step_worker(simulation);
    else if (who == 1 && clients_may_send(simulation))
        workload_send(simulation);
    else if (who == 2)
        step_disk(simulation);
    else if (who == 3)
        step_background(simulation);
    else if (who == 4)
        step_time(simulation);
}

void schedule_drain(struct simulation *simulation)
{
    schedule_release_disk(simulation);
    for (unsigned i = 0; i < DRAIN_STEPS_MAX && simulation->flying > 0; i++) {
        if (simulation->failed || sim_disk_is_off(simulation->disk))
            return;
        bool stepped = schedule_background(simulation);
        unsigned number = i % simulation->worker_count;
        if (can_run(simulation, &simulation->workers[number]))
            schedule_round(simulation, number);
        else if (!stepped && nobody_can_run(simulation)) {
            uint64_t next_ns = next_moment(simulation);
            if (next_ns == UINT64_MAX)
                break;
            wait_until(next_ns);
        }
    }
    if (simulation->flying > 0)
        simulation_fail(simulation, "%u commands are in flight and are never answered",
                        simulation->flying);
}
