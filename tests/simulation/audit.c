/* audit.c - after a start: does the ledger hold what the reference says?
 *
 * In peace: no fault, no held disk. First every account is read, which says where each stands; then
 * every key in doubt is tried again, and some or all of the others.
 */
#include <string.h>

#include "engine/runtime/ledger.h"
#include "engine/runtime/worker.h"
#include "simulation/simulation.h"

enum {
    AUDIT_IN_FLIGHT = 32,
    SAMPLE = 12,
    PEEK_ROUNDS_MAX = 1000,
};

static void make_way(struct simulation *simulation)
{
    if (simulation->flying >= AUDIT_IN_FLIGHT)
        schedule_drain(simulation);
}

static void read_accounts(struct simulation *simulation)
{
    for (unsigned i = 0; i < simulation->plan.accounts && !simulation->failed; i++) {
        make_way(simulation);
        workload_send_read(simulation, i);
    }
    schedule_drain(simulation);
}

static void try_keys(struct simulation *simulation, bool all)
{
    struct workload *workload = &simulation->workload;
    for (unsigned i = 1; i <= workload->key_count && !simulation->failed; i++) {
        if (!workload->keys[i].doubt && !all)
            continue;
        make_way(simulation);
        workload_send_key(simulation, i);
    }
    for (unsigned i = 0; i < SAMPLE && !all && workload->key_count > 0; i++) {
        if (simulation->failed)
            return;
        make_way(simulation);
        workload_send_key(simulation,
                          1 + (unsigned)random_below(&simulation->random, workload->key_count));
    }
    schedule_drain(simulation);
}

void audit_run(struct simulation *simulation, bool all)
{
    trace(simulation, "audit", all, florin_durable_lsn(simulation->ledger), 0);
    reference_restart(simulation->reference, florin_durable_lsn(simulation->ledger));
    schedule_background(simulation);
    simulation->has_room = true;
    if (!simulation->failed)
        read_accounts(simulation);
    if (!simulation->failed)
        try_keys(simulation, all);
    if (!simulation->failed)
        reference_settle(simulation->reference, florin_durable_lsn(simulation->ledger),
                         log_eye_record, simulation);
    if (!simulation->failed)
        workload_settled(simulation);
    trace(simulation, "audited", simulation->life, 0, 0);
}

/* Asks past the workload. */
static bool peek(struct simulation *simulation, const struct florin_command *command,
                 struct florin_result *result)
{
    struct worker *worker = simulation->workers[0].worker;
    if (worker_submit(worker, command) != FLORIN_APPLIED)
        return false;
    for (unsigned i = 0; i < PEEK_ROUNDS_MAX; i++) {
        worker_round(simulation->workers[i % simulation->worker_count].worker);
        if (worker_reap(worker, result, 1) > 0)
            return true;
        (void)schedule_background(simulation);
    }
    return false;
}

static void peek_account(struct simulation *simulation, unsigned account)
{
    struct florin_result result;
    const char *id = simulation->workload.ids[account];
    const struct florin_command command = {
        .kind = FLORIN_READ_ACCOUNT, .account = id, .account_length = strlen(id)};
    if (peek(simulation, &command, &result))
        reference_peek(simulation->reference, account, &result);
    else
        simulation_fail(simulation, "a read is not answered");
}

/* Sends the command of a key that has an answer once more. */
static void peek_key(struct simulation *simulation, unsigned key)
{
    struct florin_result result;
    if (!reference_key_is_known(simulation->reference, key))
        return;
    if (!peek(simulation, &simulation->workload.keys[key].command, &result)) {
        simulation_fail(simulation, "a key is not answered");
        return;
    }
    if (result.status == FLORIN_COMMIT_UNKNOWN)
        count(simulation->counters, COUNT_rot_at_lookup);
    reference_peek_key(simulation->reference, key, &result);
}

void audit_peek(struct simulation *simulation)
{
    for (unsigned i = 0; i < simulation->plan.accounts && !simulation->failed; i++)
        peek_account(simulation, i);
    for (unsigned i = 1; i <= simulation->workload.key_count && !simulation->failed; i++)
        peek_key(simulation, i);
}
