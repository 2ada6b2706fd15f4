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
    ledger_step(simulation->ledger);
    if (!simulation->failed)
        read_accounts(simulation);
    if (!simulation->failed)
        try_keys(simulation, all);
    if (!simulation->failed)
        reference_settle(simulation->reference);
    trace(simulation, "audited", simulation->life, 0, 0);
}

/* Reads one account past the workload. */
static bool peek(struct simulation *simulation, unsigned account, struct florin_result *result)
{
    struct worker *worker = simulation->workers[0].worker;
    const char *id = simulation->workload.ids[account];
    const struct florin_command command = {
        .kind = FLORIN_READ_ACCOUNT, .account = id, .account_length = strlen(id)};
    if (worker_submit(worker, &command) != FLORIN_APPLIED)
        return false;
    for (unsigned i = 0; i < PEEK_ROUNDS_MAX; i++) {
        worker_round(simulation->workers[i % simulation->worker_count].worker);
        if (worker_reap(worker, result, 1) > 0)
            return true;
    }
    return false;
}

void audit_peek(struct simulation *simulation)
{
    for (unsigned i = 0; i < simulation->plan.accounts && !simulation->failed; i++) {
        struct florin_result result;
        if (peek(simulation, i, &result))
            reference_peek(simulation->reference, i, &result);
        else
            simulation_fail(simulation, "a read is not answered");
    }
}
