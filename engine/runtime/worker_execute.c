/* worker_execute.c - from a command to its result: executed, looked up, durable, delivered.
 *
 *     command -> shard -> waits for its records -> delivered
 *                  |  ^
 *                  v  | found
 *               waits for a look-up (lookup.h), and later commands on the account behind it
 *
 * Guarantees: one result for every command; none before what it shows is durable; commands on one
 * account are executed in the order in which they came.
 * Must not know: who asks, how the log is fed.
 */
#include <assert.h>
#include <string.h>

#include "clock.h"
#include "ledger_state.h"
#include "message.h"
#include "reader.h"
#include "worker.h"
#include "worker_internal.h"

enum {
    /* How soon to look again at a command whose record is not durable yet: a commit wakes us
       anyway. */
    LOOKUP_RETRY_NS = 1000000,
};

/* --- results -------------------------------------------------------------------------------- */

void worker_deliver_copy(struct worker *worker, unsigned endpoint,
                         const struct florin_result *result)
{
    if (endpoint != worker->number) {
        struct endpoint *to =
            atomic_load_explicit(&worker->ledger->endpoints[endpoint], memory_order_acquire);
        endpoint_answer(to, worker->number, result);
        worker->answered[endpoint] = true;
        return;
    }
    int32_t number = waiters_take(&worker->waiters);
    assert(number != WAITER_NONE);
    waiters_at(&worker->waiters, number)->result = *result;
    waiter_list_append(&worker->waiters, &worker->waiters.done, number);
}

/* Delivers a waiter that stands in no list. */
static void deliver(struct worker *worker, int32_t number)
{
    struct waiter *waiter = waiters_at(&worker->waiters, number);
    if (waiter->endpoint == worker->number) {
        waiter_list_append(&worker->waiters, &worker->waiters.done, number);
        return;
    }
    worker_deliver_copy(worker, waiter->endpoint, &waiter->result);
    waiters_give_back(&worker->waiters, number);
}

void worker_deliver_durable(struct worker *worker)
{
    uint64_t durable = log_durable_lsn(worker->ledger->log);
    int32_t number;
    while ((number = waiters_pop_durable(&worker->waiters, durable)) != WAITER_NONE)
        deliver(worker, number);
}

/* What a command gets that was executed, but whose commit did not come in time or will not come. */
static struct florin_result expired_result(struct worker *worker, const struct waiter *waiter)
{
    struct florin_result result = waiter->result;
    bool changes = waiter->staged || result.replayed;
    result.status = changes ? FLORIN_COMMIT_UNKNOWN : FLORIN_NOT_COMMITTED;
    if (waiter->account_slot != SHARD_NO_SLOT) {
        const struct account *account = &worker->shard.accounts.slots[waiter->account_slot];
        result.version =
            waiters_durable_version(&worker->waiters, waiter->account_slot, account->version);
    }
    result.balance_minor = 0;
    result.transaction_id = 0;
    result.replayed = false;
    result.metadata = NULL; /* the waiter keeps the text, and its place may be taken before */
    result.metadata_length = 0;
    return result;
}

/* A command that found no place: safe to send again. */
static void deliver_queue_full(struct worker *worker, int32_t number,
                               const struct florin_command *command)
{
    waiters_at(&worker->waiters, number)->result = (struct florin_result){
        .user_data = command->user_data, .status = FLORIN_QUEUE_FULL, .kind = command->kind};
    deliver(worker, number);
}

/* A command that was not executed and will not be. If its key may have been seen before, then what
 * came of that is not known. */
static void deliver_undecided(struct worker *worker, const struct lookup *lookup)
{
    struct message_command message;
    message_get_command(lookup->message, &message);
    const struct florin_command *command = &message.command;
    /* The key of a command that asks for reversals is known to be new; a read has none. */
    bool asks_for_key = !lookup->is_reversal && command->kind != FLORIN_READ_REVERSAL &&
                        (lookup->kind == SHARD_LOOKUP_RECORD || lookup->kind == SHARD_LOOKUP_FILES);
    waiters_at(&worker->waiters, lookup->waiter)->result = (struct florin_result){
        .user_data = command->user_data,
        .status = asks_for_key ? FLORIN_COMMIT_UNKNOWN : FLORIN_NOT_COMMITTED,
        .kind = command->kind,
        .version = worker_durable_version(worker, command->account, command->account_length),
    };
    deliver(worker, lookup->waiter);
}

/* Commands that wait for a look-up until their deadline. One that the reader has keeps its place in
 * the line until it comes back. */
static void expire_lookups(struct worker *worker, uint64_t now_ns)
{
    struct lookups *lookups = &worker->lookups;
    int32_t before = LOOKUP_NONE;
    for (int32_t number = lookups->head; number != LOOKUP_NONE;) {
        struct lookup *lookup = lookups_at(lookups, number);
        int32_t next = lookup->next;
        bool expired = lookup->waiter != WAITER_NONE && lookup->deadline_ns <= now_ns;
        if (expired) {
            deliver_undecided(worker, lookup);
            lookup->waiter = WAITER_NONE;
        }
        if (expired && lookup->state != LOOKUP_READING)
            lookups_remove(lookups, before, number);
        else
            before = number;
        number = next;
    }
}

void worker_deliver_expired(struct worker *worker, uint64_t now_ns)
{
    if (worker->lookups.count > 0)
        expire_lookups(worker, now_ns);
    if (worker->coordinator.count > 0)
        worker_expire_postings(worker, now_ns);
    if (waiters_next_deadline(&worker->waiters) > now_ns)
        return;
    /* places promised to answers of other workers stay free */
    while (worker->waiters.free_count > worker->self->outstanding) {
        int32_t number = waiters_next_expired(&worker->waiters, now_ns);
        if (number == WAITER_NONE)
            return;
        const struct waiter *waiter = waiters_at(&worker->waiters, number);
        struct florin_result result = expired_result(worker, waiter);
        worker_deliver_copy(worker, waiter->endpoint, &result);
    }
}

/* --- executing ------------------------------------------------------------------------------ */

/* Whether the disk is full is asked here, by the account's owner, and not where a command comes in:
 * only the shard knows which commands need no record, because they were answered before. */
static void execute(struct worker *worker, const struct florin_command *command,
                    uint64_t account_hash, uint64_t wall_ns, const struct shard_found *found,
                    struct shard_answer *answer)
{
    worker->shard.storage_is_full = log_writable(worker->ledger->log) != 0;
    shard_execute(&worker->shard, command, account_hash, wall_ns, found, answer);
}

void worker_settle(struct worker *worker, int32_t number, const struct shard_answer *answer,
                   uint64_t deadline_ns)
{
    struct waiter *waiter = waiters_at(&worker->waiters, number);
    waiter->result = answer->result;
    waiters_keep_metadata(&worker->waiters, number);
    waiter->account_slot = answer->account_slot;
    waiter->staged = answer->staged;
    waiter->raised = answer->raised;
    if (answer->wait_lsn & SHARD_LSN_PROVISIONAL)
        waiters_stage(&worker->waiters, number, deadline_ns);
    else if (answer->wait_lsn > log_durable_lsn(worker->ledger->log))
        waiters_join(&worker->waiters, number, answer->wait_lsn, deadline_ns);
    else
        deliver(worker, number);
}

static void settle_executed(struct worker *worker, const struct florin_command *command,
                            int32_t number, const struct shard_answer *answer, uint64_t deadline_ns)
{
    if (posting_is(command->kind) && answer->staged && answer->result.status == FLORIN_APPLIED)
        worker_note_others(worker, worker->shard.posting, answer->wait_lsn, deadline_ns);
    worker_settle(worker, number, answer, deadline_ns);
}

static void read_lookup(struct worker *worker, struct lookup *lookup)
{
    lookup->state = LOOKUP_READING;
    worker->lookups.reading++;
    reader_submit(worker->ledger->reader, worker, (int32_t)(lookup - worker->lookups.pool));
}

/* Notes what the shard wants to know, and asks for it as soon as it can be read. */
static void want_lookup(struct worker *worker, struct lookup *lookup,
                        const struct shard_answer *answer)
{
    uint64_t durable_lsn = log_durable_lsn(worker->ledger->log);
    lookup->kind = answer->lookup;
    lookup->lsn = answer->lookup_lsn;
    lookup->digest = answer->lookup_digest;
    lookup->is_reversal = answer->lookup_is_reversal;
    lookup->filters_to_lsn = worker->shard.key_filters->to_lsn;
    switch (answer->lookup) {
    case SHARD_LOOKUP_FILES:
        read_lookup(worker, lookup);
        return;
    case SHARD_LOOKUP_RECORD:
        lookup->state = LOOKUP_UNDURABLE;
        if (lookup->lsn <= durable_lsn)
            read_lookup(worker, lookup);
        return;
    case SHARD_LOOKUP_TARGET:
        lookup->state = LOOKUP_WAITING;
        if (lookup->lsn <= durable_lsn)
            read_lookup(worker, lookup);
        else
            lookup->found.target = SHARD_TARGET_NOT_FOUND; /* nobody can have seen it as an id */
        return;
    case SHARD_LOOKUP_CLAIM:
        if (!shard_stage_has_room_for(&worker->shard, 1))
            worker->line_moves = true; /* that may be what it waits for */
        lookup->kind = SHARD_LOOKUP_NONE;
        lookup->state = LOOKUP_CLAIMED;
        return;
    case SHARD_LOOKUP_NONE:
    case SHARD_LOOKUP_SHARDS:
        break;
    }
    assert(false && "something to wait for");
}

/* NULL: no place; the command was answered. */
static struct lookup *wait_in_line(struct worker *worker, const struct florin_command *command,
                                   uint64_t account_hash, int32_t number, uint64_t deadline_ns)
{
    struct lookup *lookup = NULL;
    if (!posting_is(command->kind) || worker_has_room_for_postings(worker, 1))
        lookup = lookups_add(&worker->lookups, command, account_hash, deadline_ns);
    if (lookup == NULL) {
        deliver_queue_full(worker, number, command);
        return NULL;
    }
    lookup->waiter = number;
    worker->line_moves = true;
    return lookup;
}

void worker_execute(struct worker *worker, const struct florin_command *command,
                    uint64_t account_hash, unsigned endpoint, uint64_t wall_ns,
                    uint64_t deadline_ns)
{
    int32_t number = waiters_take(&worker->waiters);
    assert(number != WAITER_NONE);
    waiters_at(&worker->waiters, number)->endpoint = (uint16_t)endpoint;
    /* a window of large postings can fill the stage */
    if (lookups_stand_before(&worker->lookups, account_hash) ||
        !shard_stage_has_room(&worker->shard)) {
        (void)wait_in_line(worker, command, account_hash, number, deadline_ns);
        return;
    }
    struct shard_answer answer;
    execute(worker, command, account_hash, wall_ns, NULL, &answer);
    if (answer.lookup == SHARD_LOOKUP_NONE) {
        settle_executed(worker, command, number, &answer, deadline_ns);
        return;
    }
    if (answer.lookup == SHARD_LOOKUP_SHARDS) {
        if (worker_has_room_for_postings(worker, 1))
            worker_begin_posting(worker, command, NULL, number, deadline_ns);
        else
            deliver_queue_full(worker, number, command);
        return;
    }
    struct lookup *lookup = wait_in_line(worker, command, account_hash, number, deadline_ns);
    if (lookup != NULL)
        want_lookup(worker, lookup, &answer);
}

void worker_execute_again(struct worker *worker, const struct florin_command *command,
                          int32_t number, uint64_t deadline_ns)
{
    uint64_t hash =
        hash_account(&worker->ledger->secret, command->account, command->account_length);
    (void)wait_in_line(worker, command, hash, number, deadline_ns);
}

/* --- look-ups ------------------------------------------------------------------------------- */

/* Executes a command again. true: it has its result, or waits for its records. One that was
 * answered already is not executed. */
static bool execute_again(struct worker *worker, struct lookup *lookup)
{
    struct message_command message;
    struct shard_answer answer;
    if (lookup->waiter == WAITER_NONE)
        return true;
    if (lookup->error != 0) {
        deliver_undecided(worker, lookup);
        return true;
    }
    message_get_command(lookup->message, &message);
    if (!shard_stage_has_room(&worker->shard))
        return false;
    /* A posting under the same key may have been decided meanwhile, and the key gone to a file. */
    if (lookup->filters_to_lsn != worker->shard.key_filters->to_lsn)
        shard_found_forget_files(&lookup->found);
    execute(worker, &message.command, lookup->account_hash, clock_wall_ns(), &lookup->found,
            &answer);
    if (answer.lookup == SHARD_LOOKUP_SHARDS) {
        worker_begin_posting(worker, &message.command, &lookup->found, lookup->waiter,
                             lookup->deadline_ns);
        return true;
    }
    if (answer.lookup != SHARD_LOOKUP_NONE) {
        want_lookup(worker, lookup, &answer);
        return false;
    }
    settle_executed(worker, &message.command, lookup->waiter, &answer, lookup->deadline_ns);
    return true;
}

/* true: the command is done with looking up. */
static bool advance(struct worker *worker, struct lookup *lookup)
{
    switch (lookup->state) {
    case LOOKUP_READING:
        return false;
    case LOOKUP_UNDURABLE:
        /* A provisional LSN has become a real one when the stage is empty: ask the shard again. */
        if (lookup->lsn & SHARD_LSN_PROVISIONAL)
            return worker->shard.stage.record_count == 0 && execute_again(worker, lookup);
        if (lookup->lsn <= log_durable_lsn(worker->ledger->log))
            read_lookup(worker, lookup);
        return false;
    case LOOKUP_WAITING:
        return execute_again(worker, lookup);
    case LOOKUP_CLAIMED:
        return lookup->message == NULL ? worker_take_account(worker, lookup->claim)
                                       : execute_again(worker, lookup);
    }
    return false;
}

static void take_finished(struct worker *worker)
{
    int32_t number;
    while (worker->lookups.reading > 0 &&
           (number = reader_take(worker->ledger->reader, worker)) != LOOKUP_NONE) {
        lookups_at(&worker->lookups, number)->state = LOOKUP_WAITING;
        worker->lookups.reading--;
    }
}

void worker_serve_lookups(struct worker *worker)
{
    struct lookups *lookups = &worker->lookups;
    worker->line_moves = false;
    if (lookups->count == 0)
        return;
    int32_t before = LOOKUP_NONE;
    take_finished(worker);
    for (int32_t number = lookups->head; number != LOOKUP_NONE;) {
        struct lookup *lookup = lookups_at(lookups, number);
        int32_t next = lookup->next;
        if (lookups_is_first(lookups, number) && advance(worker, lookup)) {
            bool is_claim = lookup->message == NULL;
            uint32_t claim = lookup->claim;
            lookups_remove(lookups, before, number);
            if (is_claim)
                worker_advance_claim(worker, claim);
        } else {
            before = number;
        }
        number = next;
    }
}

uint64_t worker_next_lookup_ns(struct worker *worker)
{
    struct lookups *lookups = &worker->lookups;
    uint64_t next_ns = UINT64_MAX;
    if (lookups->count == 0)
        return next_ns;
    if (lookups->reading > 0 && reader_has_finished(worker->ledger->reader, worker))
        return 0;
    uint64_t retry_ns = clock_monotonic_ns() + LOOKUP_RETRY_NS;
    for (int32_t number = lookups->head; number != LOOKUP_NONE;) {
        const struct lookup *lookup = lookups_at(lookups, number);
        uint64_t at_ns = lookup->state == LOOKUP_UNDURABLE ? retry_ns : lookup->deadline_ns;
        if (lookup->waiter != WAITER_NONE && at_ns < next_ns)
            next_ns = at_ns;
        number = lookup->next;
    }
    return next_ns;
}
