/* worker_submit.c - commands of a worker's own front end, one at a time or many.
 *
 * Guarantees: a command that is taken gets one result; many leave a quarter of every queue to those
 * that come one by one. It must not know what commands do.
 */
#include "worker.h"

#include <assert.h>

#include "clock.h"
#include "ledger_state.h"
#include "worker_internal.h"

/* What all commands of one moment have in common. */
struct submission {
    uint64_t now_ns; /* monotonic */
    uint64_t wall_ns;
};

static struct submission submission_now(void)
{
    return (struct submission){clock_monotonic_ns(), clock_wall_ns()};
}

static enum florin_status submit(struct worker *worker, const struct florin_command *command,
                                 uint64_t account_hash, const struct submission *submission)
{
    struct florin *ledger = worker->ledger;
    unsigned owner = ledger_owner(ledger, account_hash);
    if (owner != worker->number) {
        if (!endpoint_send(worker->self, owner, command, account_hash, submission->now_ns))
            return FLORIN_QUEUE_FULL;
        worker->hops++;
        return FLORIN_APPLIED;
    }
    if (!shard_stage_has_room(&worker->shard) && !worker_hand_over(worker))
        return FLORIN_QUEUE_FULL;
    worker_execute(worker, command, account_hash, worker->number, submission->wall_ns,
                   submission->now_ns + ledger->commit_timeout_ns);
    return FLORIN_APPLIED;
}

static uint64_t hash_of(const struct worker *worker, const struct florin_command *command)
{
    return hash_account(&worker->ledger->secret, command->account, command->account_length);
}

enum florin_status worker_submit(struct worker *worker, const struct florin_command *command)
{
    worker_assert_owner(worker);
    enum ledger_state state = ledger_state(worker->ledger);
    assert(state != LEDGER_RECOVERING);
    if (state != LEDGER_READY)
        return FLORIN_NOT_COMMITTED;
    if (!waiters_have_room(&worker->waiters, worker->self->outstanding, 1))
        return FLORIN_QUEUE_FULL;
    struct submission submission = submission_now();
    return submit(worker, command, hash_of(worker, command), &submission);
}

/* Whether a command in bulk leaves a quarter of the way to its account's owner free. */
static bool leaves_room(struct worker *worker, const struct florin_command *command,
                        uint64_t account_hash)
{
    const struct shard_stage *stage = &worker->shard.stage;
    unsigned owner = ledger_owner(worker->ledger, account_hash);
    if (!waiters_have_room(&worker->waiters, worker->self->outstanding, FLORIN_WAITERS_MAX / 4))
        return false;
    if (owner != worker->number)
        return endpoint_has_ample_room(worker->self, owner, command);
    if (!lookups_have_ample_room(&worker->lookups, 1) ||
        !worker_has_room_for_postings(worker, COORDINATOR_POSTINGS_MAX / 4))
        return false;
    return (stage->byte_count <= SHARD_STAGE_BYTES_MAX / 4 * 3 &&
            stage->record_count <= SHARD_STAGE_RECORDS_MAX / 4 * 3 &&
            stage->other_count <= SHARD_STAGE_OTHERS_MAX / 4 * 3) ||
           worker_hand_over(worker);
}

/* Fetches what the commands of a window will read. */
static void prefetch_window(struct worker *worker, const struct florin_command *commands,
                            size_t count, uint64_t hashes[WORKER_WINDOW])
{
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_of(worker, &commands[i]);
        if (ledger_owner(worker->ledger, hashes[i]) == worker->number)
            shard_prefetch(&worker->shard, hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (ledger_owner(worker->ledger, hashes[i]) != worker->number)
            continue;
        shard_prefetch_account(&worker->shard, hashes[i]);
        shard_prefetch_key(&worker->shard, &commands[i]);
    }
}

size_t worker_submit_many(struct worker *worker, const struct florin_command *commands,
                          size_t count, enum florin_status *status)
{
    worker_assert_owner(worker);
    enum ledger_state state = ledger_state(worker->ledger);
    assert(state != LEDGER_RECOVERING);
    *status = state == LEDGER_READY ? FLORIN_APPLIED : FLORIN_NOT_COMMITTED;
    size_t taken = 0;
    while (*status == FLORIN_APPLIED && taken < count) {
        uint64_t hashes[WORKER_WINDOW];
        size_t window = count - taken < WORKER_WINDOW ? count - taken : WORKER_WINDOW;
        const struct florin_command *next = commands + taken;
        struct submission submission = submission_now();
        prefetch_window(worker, next, window, hashes);
        for (size_t i = 0; i < window && *status == FLORIN_APPLIED; i++) {
            *status = leaves_room(worker, &next[i], hashes[i])
                          ? submit(worker, &next[i], hashes[i], &submission)
                          : FLORIN_QUEUE_FULL;
            taken += *status == FLORIN_APPLIED;
        }
    }
    return taken;
}
