/* worker_postings.c - postings over several workers: messages carried, claims kept in line,
 * results.
 *
 *     other workers ==postings rings==> worker_take_postings()  -> coordinator, participant
 *     coordinator, participant -> worker_serve_postings() ==postings rings==> other workers
 *
 * Guarantees: every message of the protocol (engine/core/coordinator.h) gets there, in order: what
 * finds no room in a ring waits; nothing is published before what it tells of was handed to the
 * log. Must not know: what a posting does.
 */
#include <assert.h>

#include "clock.h"
#include "ledger_state.h"
#include "worker.h"
#include "worker_internal.h"

enum {
    /* How soon to try again to end a hold that is due; nobody sees it meanwhile. */
    EXPIRY_RETRY_NS = 1000000,
};

/* --- claims --------------------------------------------------------------------------------- */

/* The opening of an account that the claim has brought into being. */
static void note_opened(struct worker *worker, uint32_t number)
{
    const struct claim *claim = participant_claim(&worker->participant, number);
    uint32_t slot = claim->slots[claim->taken - 1];
    const struct account *account = &worker->shard.accounts.slots[slot];
    waiters_note(&worker->waiters, worker->self->outstanding, slot, account->version, 1,
                 account->last_lsn, clock_monotonic_ns() + worker->ledger->commit_timeout_ns);
}

bool worker_take_account(struct worker *worker, uint32_t claim)
{
    worker->shard.storage_is_full = log_writable(worker->ledger->log) != 0;
    switch (participant_advance(&worker->participant, claim, clock_wall_ns())) {
    case PARTICIPANT_WAITS:
        if (!shard_stage_has_room(&worker->shard))
            worker->line_moves = true; /* that may be what it waits for */
        return false;
    case PARTICIPANT_TAKEN:
        return true;
    case PARTICIPANT_CREATED:
        note_opened(worker, claim);
        return true;
    }
    assert(false && "a step");
    return false;
}

void worker_advance_claim(struct worker *worker, uint32_t claim)
{
    struct participant *participant = &worker->participant;
    uint64_t hash;
    while (participant_next(participant, claim, &hash)) {
        if (lookups_stand_before(&worker->lookups, hash) || !worker_take_account(worker, claim)) {
            lookups_add_claim(&worker->lookups, claim, hash);
            return;
        }
    }
    if (participant_claim(participant, claim)->home == worker->number)
        coordinator_granted_here(&worker->coordinator, participant, claim);
}

/* --- messages in ---------------------------------------------------------------------------- */

/* What the record of another worker has done to accounts of this one. */
static void note_resolved(struct worker *worker, const struct posting_message *message)
{
    const struct claim *claim = participant_claim(&worker->participant, message->claim);
    const struct posting_resolve_account *after =
        (const struct posting_resolve_account *)(const void *)(message + 1);
    uint64_t deadline_ns = clock_monotonic_ns() + worker->ledger->commit_timeout_ns;
    for (uint8_t i = 0; i < claim->count; i++) {
        if (claim->slots[i] == SHARD_NO_SLOT)
            continue;
        const struct account *account = &worker->shard.accounts.slots[claim->slots[i]];
        uint8_t raised = (uint8_t)(after[i].version - account->version);
        waiters_note(&worker->waiters, worker->self->outstanding, claim->slots[i], after[i].version,
                     raised, message->lsn, deadline_ns);
    }
}

static void take_message(struct worker *worker, unsigned from,
                         const struct posting_message *message)
{
    switch (message->kind) {
    case POSTING_CLAIM:
        worker_advance_claim(worker, participant_begin(&worker->participant, from, message));
        return;
    case POSTING_GRANT:
        coordinator_granted(&worker->coordinator, message);
        return;
    case POSTING_RESOLVE:
        if (message->lsn > log_durable_lsn(worker->ledger->log))
            note_resolved(worker, message);
        participant_resolve(&worker->participant, message);
        worker->line_moves = true;
        return;
    default:
        break;
    }
    assert(false && "a kind of message");
}

void worker_take_postings(struct worker *worker)
{
    struct florin *ledger = worker->ledger;
    for (unsigned from = 0; from < ledger->worker_count; from++) {
        if (from == worker->number)
            continue;
        struct ring *ring = &ledger->workers[from].self->links[worker->number].postings;
        size_t length;
        const void *bytes;
        while ((bytes = ring_next(ring, &length)) != NULL)
            take_message(worker, from, bytes);
        ring_release(ring);
    }
}

bool worker_has_postings_to_take(const struct worker *worker)
{
    const struct florin *ledger = worker->ledger;
    for (unsigned from = 0; from < ledger->worker_count; from++) {
        if (from != worker->number &&
            !ring_is_empty(&ledger->workers[from].self->links[worker->number].postings))
            return true;
    }
    return false;
}

/* --- messages out --------------------------------------------------------------------------- */

/* To this worker's own participant. */
static void claim_here(struct worker *worker)
{
    _Alignas(8) uint8_t bytes[POSTING_MESSAGE_BYTES_MAX];
    coordinator_write_message(&worker->coordinator, bytes);
    worker_advance_claim(worker, participant_begin(&worker->participant, worker->number,
                                                   (const struct posting_message *)(void *)bytes));
}

/* false: the ring of the next one is full. */
static bool send_messages(struct worker *worker)
{
    unsigned to;
    size_t length;
    while (coordinator_next_message(&worker->coordinator, &to, &length)) {
        if (to == worker->number) {
            claim_here(worker);
            continue;
        }
        void *bytes = endpoint_reserve_posting(worker->self, to, length);
        if (bytes == NULL)
            return false;
        coordinator_write_message(&worker->coordinator, bytes);
    }
    return true;
}

static void send_grants(struct worker *worker)
{
    uint32_t claim;
    while ((claim = participant_next_grant(&worker->participant)) != PARTICIPANT_NONE) {
        unsigned home = participant_claim(&worker->participant, claim)->home;
        void *bytes = endpoint_reserve_posting(
            worker->self, home, participant_grant_bytes(&worker->participant, claim));
        if (bytes == NULL)
            return;
        participant_grant(&worker->participant, claim, bytes);
    }
}

bool worker_has_postings_to_send(const struct worker *worker)
{
    return worker->coordinator.outbox.first != COORDINATOR_NONE ||
           worker->participant.granted_first != PARTICIPANT_NONE;
}

/* --- postings of this worker ---------------------------------------------------------------- */

void worker_begin_posting(struct worker *worker, const struct florin_command *command,
                          const struct shard_found *found, int32_t number, uint64_t deadline_ns)
{
    uint32_t begun =
        coordinator_begin(&worker->coordinator, command, found, (uint32_t)number, deadline_ns);
    if (begun == COORDINATOR_NONE) {
        const struct shard_answer full = {
            .result = {.user_data = command->user_data,
                       .status = FLORIN_QUEUE_FULL,
                       .kind = command->kind},
            .account_slot = SHARD_NO_SLOT,
        };
        worker_settle(worker, number, &full, deadline_ns);
    } else if (worker->coordinator.count == 1 || deadline_ns < worker->posting_deadline_ns) {
        worker->posting_deadline_ns = deadline_ns;
    }
}

void worker_note_others(struct worker *worker, const struct posting *posting, uint64_t lsn,
                        uint64_t deadline_ns)
{
    for (uint8_t i = 1; i < posting->account_count; i++) {
        const struct posting_account *account = &posting->accounts[i];
        if (shard_of(account->hash, worker->shard.count) == worker->number)
            waiters_note(&worker->waiters, worker->self->outstanding, account->slot,
                         account->version_after, posting_raised(account), lsn, deadline_ns);
    }
}

static void decide(struct worker *worker, uint32_t number)
{
    struct florin_leg legs[FLORIN_LEGS_MAX];
    struct florin_command command;
    struct shard_answer answer;
    const struct coordinated *coordinated = coordinator_at(&worker->coordinator, number);
    uint64_t deadline_ns = coordinated->deadline_ns;
    bool too_late =
        coordinated->context == COORDINATOR_NONE || log_failed(worker->ledger->log) != 0;
    worker->shard.storage_is_full = log_writable(worker->ledger->log) != 0;
    uint32_t context = coordinator_decide(
        &worker->coordinator, &worker->participant, number, clock_wall_ns(),
        too_late ? FLORIN_NOT_COMMITTED : FLORIN_APPLIED, &answer, legs, &command);
    worker->line_moves = true;
    if (too_late) {
        const struct posting_account *home = &coordinated->posting.accounts[0];
        answer.result.version = worker_durable_version(worker, home->id, home->id_length);
    }
    if (answer.staged && answer.result.status == FLORIN_APPLIED)
        worker_note_others(worker, &coordinated->posting, answer.wait_lsn, deadline_ns);
    if (context == COORDINATOR_NONE)
        return; /* it was answered when its deadline passed */
    if (answer.lookup == SHARD_LOOKUP_NONE)
        worker_settle(worker, (int32_t)context, &answer, deadline_ns);
    else
        worker_execute_again(worker, &command, (int32_t)context, deadline_ns);
}

void worker_serve_postings(struct worker *worker)
{
    if (worker->coordinator.count == 0 && worker->participant.count == 0)
        return;
    for (;;) {
        bool sent = send_messages(worker);
        uint32_t number = coordinator_next_ready(&worker->coordinator);
        if (number == COORDINATOR_NONE || !shard_stage_has_room(&worker->shard))
            break;
        decide(worker, number);
        if (!sent && coordinator_next_ready(&worker->coordinator) == COORDINATOR_NONE)
            break;
    }
    send_grants(worker);
}

/* Whether somebody waits for a decision that is not made yet. */
static bool is_awaited(const struct coordinated *coordinated)
{
    return (coordinated->state == COORDINATED_CLAIMING ||
            coordinated->state == COORDINATED_READY) &&
           coordinated->context != COORDINATOR_NONE;
}

uint64_t worker_next_posting_ns(const struct worker *worker)
{
    return worker->coordinator.count > 0 ? worker->posting_deadline_ns : UINT64_MAX;
}

void worker_expire_postings(struct worker *worker, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    /* Not sooner than it may be: there are many, and each stands in pages of its own. */
    if (worker->posting_deadline_ns > now_ns)
        return;
    for (uint32_t number = 0; number < worker->coordinator.untouched; number++) {
        struct coordinated *coordinated = coordinator_at(&worker->coordinator, number);
        if (!is_awaited(coordinated))
            continue;
        if (coordinated->deadline_ns > now_ns) {
            if (coordinated->deadline_ns < next_ns)
                next_ns = coordinated->deadline_ns;
            continue;
        }
        const struct posting_account *home = &coordinated->posting.accounts[0];
        const struct shard_answer late = {
            .result = {.user_data = coordinated->posting.user_data,
                       .status = FLORIN_NOT_COMMITTED,
                       .kind = coordinated->posting.kind,
                       .version = worker_durable_version(worker, home->id, home->id_length)},
            .account_slot = SHARD_NO_SLOT,
        };
        worker_settle(worker, (int32_t)coordinated->context, &late, now_ns);
        coordinated->context = COORDINATOR_NONE;
    }
    worker->posting_deadline_ns = next_ns;
}

/* --- holds ---------------------------------------------------------------------------------- */

/* Nobody waits for these records, but they are not durable yet: from place `first` of the stage. */
static void note_expired(struct worker *worker, uint32_t first)
{
    const struct shard_stage *stage = &worker->shard.stage;
    uint64_t deadline_ns = clock_monotonic_ns() + worker->ledger->commit_timeout_ns;
    for (uint32_t i = first; i < stage->record_count; i++) {
        const struct shard_staged *staged = &stage->records[i];
        struct record record;
        size_t size = record_decode(stage->bytes + staged->offset,
                                    stage->byte_count - staged->offset, &record);
        assert(size > 0);
        waiters_note(&worker->waiters, worker->self->outstanding, staged->account_slot,
                     record.version, 1, SHARD_LSN_PROVISIONAL | i, deadline_ns);
    }
}

void worker_expire_holds(struct worker *worker)
{
    if (worker->shard.holds.heap_count == 0 || ledger_state(worker->ledger) != LEDGER_READY)
        return;
    worker->shard.storage_is_full = log_writable(worker->ledger->log) != 0;
    uint32_t first = worker->shard.stage.record_count;
    if (shard_expire_holds(&worker->shard, clock_wall_ns()) > 0)
        note_expired(worker, first);
}

uint64_t worker_next_expiry_ns(const struct worker *worker)
{
    uint64_t wall_ns = shard_next_expiry_ns(&worker->shard);
    if (wall_ns == UINT64_MAX)
        return UINT64_MAX;
    uint64_t now_ns = clock_wall_ns();
    /* One that is due could not end: the disk is full, or a posting has its account. */
    return clock_monotonic_ns() + (wall_ns > now_ns ? wall_ns - now_ns : EXPIRY_RETRY_NS);
}
