/* protocol_eye.c - what postings over several workers are doing: counters only.
 *
 * Must not change anything.
 */
#include <string.h>

#include "engine/runtime/ledger_state.h"
#include "engine/runtime/worker.h"
#include "simulation/simulation.h"

static unsigned worker_of(const struct simulation *simulation, unsigned account)
{
    const char *id = simulation->workload.ids[account];
    uint64_t hash = hash_account(&simulation->ledger->secret, id, strlen(id));
    return shard_of(hash, simulation->ledger->worker_count);
}

bool protocol_eye_is_spread(const struct simulation *simulation, const struct sim_draft *draft)
{
    unsigned first = worker_of(simulation, draft->legs[0]);
    for (unsigned i = 1; i < draft->leg_count; i++) {
        if (worker_of(simulation, draft->legs[i]) != first)
            return true;
    }
    return false;
}

/* Whether the posting has a record, and some worker does not know. */
static bool waits_for_resolve(const struct simulation *simulation)
{
    for (unsigned i = 0; i < simulation->ledger->worker_count; i++) {
        const struct coordinator *coordinator = &simulation->workers[i].worker->coordinator;
        if (coordinator->staged.first != COORDINATOR_NONE)
            return true;
        for (uint32_t number = coordinator->outbox.first; number != COORDINATOR_NONE;
             number = coordinator_at(coordinator, number)->next) {
            if (coordinator_at(coordinator, number)->state == COORDINATED_TELLING)
                return true;
        }
    }
    return false;
}

static uint64_t claims(const struct simulation *simulation)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < simulation->ledger->worker_count; i++)
        sum += simulation->workers[i].worker->participant.count;
    return sum;
}

static uint64_t postings(const struct simulation *simulation)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < simulation->ledger->worker_count; i++)
        sum += simulation->workers[i].worker->coordinator.count;
    return sum;
}

void protocol_eye_see_round(struct simulation *simulation, unsigned number)
{
    const struct worker *worker = simulation->workers[number].worker;
    if (worker->participant.count == 0)
        return;
    bool claim_waits = false;
    bool command_waits = false;
    for (int32_t i = worker->lookups.head; i != LOOKUP_NONE;) {
        const struct lookup *lookup = &worker->lookups.pool[i];
        claim_waits |= lookup->message == NULL;
        command_waits |= lookup->message != NULL && lookup->state == LOOKUP_CLAIMED;
        i = lookup->next;
    }
    if (claim_waits)
        count(simulation->counters, COUNT_claim_waited);
    if (command_waits)
        count(simulation->counters, COUNT_command_waited);
    if (atomic_load(&worker->slice.state) == SLICE_WANTED)
        count(simulation->counters, COUNT_slice_at_claim);
}

/* A RESOLVE in a ring is of a posting that its coordinator has forgotten. */
bool protocol_eye_is_resolving(const struct simulation *simulation)
{
    return simulation->ledger != NULL && simulation->ledger->worker_count > 1 &&
           (waits_for_resolve(simulation) || (postings(simulation) == 0 && claims(simulation) > 0));
}

void protocol_eye_see_crash(struct simulation *simulation)
{
    if (protocol_eye_is_resolving(simulation))
        count(simulation->counters, COUNT_crash_before_resolve);
    if (claims(simulation) > 0)
        count(simulation->counters, COUNT_crash_with_claims);
}
