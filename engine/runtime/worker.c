/* worker.c - one thread's share of the ledger: commands in, the log fed, results out.
 *
 * Guarantees: an account is touched by its own worker only; nothing leaves (result, answer to
 * another thread) before the records that it shows are durable; what was staged is handed to
 * the log before any message is published ("log before tell").
 *
 * Knows nothing of HTTP, of frames, or of money: the shard decides, the log keeps.
 *
 * The order within a round is the order of latency: first the log gets what there is, then a
 * finished commit makes place for the next one, then answers go out, then new work comes in.
 */
#include "worker.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "history.h"
#include "keeper.h"
#include "ledger_state.h"
#include "lister.h"
#include "message.h"
#include "reader.h"
#include "worker_internal.h"

enum {
    /* Commands taken from one endpoint a round, so that completions are seen every
     * half millisecond under full load. */
    WORKER_TAKE_MAX = 1024,
    /* How long a worker sleeps when staged records wait for room in the log. */
    WORKER_RETRY_MS = 10,
};

void worker_assert_owner(const struct worker *worker)
{
    assert(worker->attached);
    assert(pthread_equal(worker->thread, pthread_self()));
}

/* --- the log -------------------------------------------------------------------------------- */

static int reserve(struct worker *worker, struct log_reservation *reservation)
{
    const struct shard_stage *stage = &worker->shard.stage;
    return log_reserve(worker->ledger->log, worker->number, stage->byte_count, stage->record_count,
                       reservation);
}

bool worker_hand_over(struct worker *worker)
{
    struct shard_stage *stage = &worker->shard.stage;
    if (stage->record_count == 0)
        return true;
    if (!waiters_can_seal(&worker->waiters))
        return false;
    struct log_reservation reservation;
    int error = reserve(worker, &reservation);
    if (error != 0) {
        /* Say that we wait, then look again: a commit that ended in between did not know. */
        atomic_fetch_or(&worker->ledger->blocked_workers, UINT64_C(1) << worker->number);
        error = reserve(worker, &reservation);
    }
    if (error != 0)
        return false;
    shard_seal(&worker->shard, reservation.first_lsn);
    coordinator_seal(&worker->coordinator, reservation.first_lsn);
    log_publish(worker->ledger->log, &reservation, stage->bytes);
    waiters_seal(&worker->waiters, reservation.first_lsn,
                 reservation.first_lsn + stage->record_count - 1);
    shard_stage_clear(&worker->shard);
    worker->commit_owed = true;
    return true;
}

/* Submits the gathering group, unless a commit is under way: then its end will submit. */
static void commit(struct worker *worker)
{
    worker->commit_owed = false;
    if (!worker->committing)
        worker->committing = log_commit(worker->ledger->log, worker->channel, clock_monotonic_ns());
}

static void feed_log(struct worker *worker)
{
    worker_hand_over(worker);
    if (worker->commit_owed)
        commit(worker);
}

static void complete_commit(struct worker *worker)
{
    if (!worker->committing)
        return;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t workers;
    if (!log_complete(worker->ledger->log, worker->channel, now_ns, &workers))
        return;
    worker->committing = false;
    worker->committed_ns = now_ns;
    worker->mark_wanted = true;
    commit(worker);
    workers |= atomic_exchange(&worker->ledger->blocked_workers, 0);
    ledger_wake(worker->ledger, workers & ~(UINT64_C(1) << worker->number));
    /* one look at a flag, unless a follower of the log sleeps */
    inbox_wake(&worker->ledger->followers);
}

static void commit_idle_mark(struct worker *worker)
{
    if (!worker->mark_wanted || worker->committing)
        return;
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - worker->committed_ns < LOG_IDLE_MARK_NS)
        return;
    worker->mark_wanted = false;
    worker->committing = log_commit_idle_mark(worker->ledger->log, worker->channel, now_ns);
}

/* --- commands ------------------------------------------------------------------------------- */

static void refuse(struct worker *worker, const struct florin_command *command, unsigned endpoint,
                   enum florin_status status)
{
    struct florin_result result = {
        .user_data = command->user_data, .status = status, .kind = command->kind};
    worker_deliver_copy(worker, endpoint, &result);
}

/* Room for the results of a window of commands besides those that are promised. */
static bool waiters_room(const struct worker *worker)
{
    return waiters_have_room(&worker->waiters, worker->self->outstanding, WORKER_WINDOW);
}

static bool stage_room(const struct worker *worker)
{
    return shard_stage_has_room_for(&worker->shard, WORKER_WINDOW);
}

bool worker_has_room_for_postings(const struct worker *worker, uint32_t count)
{
    return coordinator_has_room(&worker->coordinator, worker->lookups.posting_count + count);
}

/* Room for a window of commands, those included that cannot be executed at once. What other threads
 * send stays in their rings without it, as it does while many have to be looked up: refused, a
 * batch that is sent again would fail where it should get its first answers. */
static bool window_room(const struct worker *worker)
{
    return stage_room(worker) && waiters_room(worker) &&
           worker_has_room_for_postings(worker, WORKER_WINDOW) &&
           lookups_have_ample_room(&worker->lookups, WORKER_WINDOW);
}

/* Room for a window of commands, if need be by handing over what is staged. */
static bool make_room(struct worker *worker)
{
    if (!stage_room(worker))
        feed_log(worker);
    return window_room(worker);
}

/* Takes up to a window of commands from a ring; returns how many. */
static unsigned take_window(struct worker *worker, unsigned endpoint, struct ring *requests)
{
    struct message_command window[WORKER_WINDOW];
    unsigned count = 0;
    size_t length;
    const void *bytes;
    while (count < WORKER_WINDOW && (bytes = ring_next(requests, &length)) != NULL) {
        message_get_command(bytes, &window[count]);
        shard_prefetch(&worker->shard, window[count].account_hash);
        count++;
    }
    for (unsigned i = 0; i < count; i++) {
        shard_prefetch_account(&worker->shard, window[i].account_hash);
        shard_prefetch_key(&worker->shard, &window[i].command);
    }
    uint64_t timeout = worker->ledger->commit_timeout_ns;
    uint64_t wall_ns = clock_wall_ns();
    for (unsigned i = 0; i < count; i++)
        worker_execute(worker, &window[i].command, window[i].account_hash, endpoint, wall_ns,
                       window[i].submitted_ns + timeout);
    return count;
}

/* Answers commands that can not be executed: all of them after a failure, else those that have
 * waited in front of a full stage until their deadline. */
static void refuse_waiting(struct worker *worker, unsigned endpoint, struct ring *requests,
                           uint64_t older_than_ns)
{
    size_t length;
    const void *bytes;
    while ((bytes = ring_peek(requests, &length)) != NULL) {
        struct message_command message;
        message_get_command(bytes, &message);
        if (message.submitted_ns > older_than_ns)
            return;
        refuse(worker, &message.command, endpoint, FLORIN_NOT_COMMITTED);
        ring_next(requests, &length);
    }
}

static void take_requests(struct worker *worker)
{
    struct florin *ledger = worker->ledger;
    bool failed = log_failed(ledger->log) != 0;
    unsigned count = atomic_load_explicit(&ledger->endpoint_count, memory_order_acquire);
    for (unsigned number = 0; number < count; number++) {
        if (number == worker->number)
            continue;
        struct endpoint *endpoint =
            atomic_load_explicit(&ledger->endpoints[number], memory_order_acquire);
        struct ring *requests = &endpoint->links[worker->number].requests;
        unsigned taken = 0;
        while (!failed && taken < WORKER_TAKE_MAX && make_room(worker)) {
            unsigned got = take_window(worker, number, requests);
            if (got == 0)
                break;
            taken += got;
        }
        uint64_t now_ns = clock_monotonic_ns();
        if (failed)
            refuse_waiting(worker, number, requests, UINT64_MAX);
        else if (taken == 0 && now_ns > ledger->commit_timeout_ns && !make_room(worker))
            refuse_waiting(worker, number, requests, now_ns - ledger->commit_timeout_ns);
        ring_release(requests);
    }
}

/* Results of local commands that other workers have executed. */
static void take_answers(struct worker *worker)
{
    if (worker->waiters.done.head == WAITER_NONE)
        worker->metadata_bytes = 0;
    for (unsigned from = 0; from < worker->ledger->worker_count; from++) {
        struct florin_result result;
        while (worker->metadata_bytes + FLORIN_METADATA_MAX <= WORKER_METADATA_BYTES &&
               endpoint_receive(worker->self, from, &result)) {
            if (result.metadata_length > 0) {
                char *copy = (char *)worker->metadata + worker->metadata_bytes;
                memcpy(copy, result.metadata, result.metadata_length);
                worker->metadata_bytes += result.metadata_length;
                result.metadata = copy;
            }
            worker_deliver_copy(worker, worker->number, &result);
        }
        endpoint_release(worker->self, from);
    }
}

/* Sends off what this round has put into rings. */
static void publish_messages(struct worker *worker)
{
    struct florin *ledger = worker->ledger;
    for (unsigned to = 0; to < ledger->worker_count; to++) {
        if (to != worker->number && endpoint_publish(worker->self, to))
            inbox_wake(&ledger->workers[to].inbox);
    }
    unsigned count = atomic_load_explicit(&ledger->endpoint_count, memory_order_acquire);
    for (unsigned number = 0; number < count; number++) {
        if (!worker->answered[number])
            continue;
        worker->answered[number] = false;
        struct endpoint *endpoint =
            atomic_load_explicit(&ledger->endpoints[number], memory_order_acquire);
        if (ring_publish(&endpoint->links[worker->number].answers))
            inbox_wake(endpoint->inbox);
    }
}

/* --- the loop's functions ------------------------------------------------------------------- */

static void publish_statistics(struct worker *worker)
{
    atomic_store_explicit(&worker->accounts_now, worker->shard.accounts.count,
                          memory_order_relaxed);
    atomic_store_explicit(&worker->keys_held_now, worker->shard.keys.count, memory_order_relaxed);
    atomic_store_explicit(&worker->hops_now, worker->hops, memory_order_relaxed);
}

/* When the log has failed, postings whose records it did not take keep their accounts for ever, and
 * claims go on standing in line for these; nobody waits for them. */
static bool has_nothing_under_way(const struct worker *worker)
{
    return worker->waiters.unanswered == 0 && worker->waiters.done.head == WAITER_NONE &&
           worker->lookups.count == worker->lookups.claim_count &&
           worker->history_outstanding == 0 && worker->lists_outstanding == 0 &&
           !lister_wants(worker) && worker->self->outstanding == 0 && !worker->committing &&
           (log_failed(worker->ledger->log) != 0 ||
            (worker->shard.stage.record_count == 0 && worker->coordinator.count == 0 &&
             worker->participant.count == 0));
}

void worker_round(struct worker *worker)
{
    worker_assert_owner(worker);
    inbox_sleep_end(&worker->inbox);
    struct florin *ledger = worker->ledger;
    enum ledger_state state = ledger_state(ledger);
    worker->round_state = state;
    if (state == LEDGER_RECOVERING)
        return;
    worker_hand_over(worker);
    complete_commit(worker);
    if (log_failed(ledger->log) != 0)
        ledger_fail(ledger);
    worker_deliver_durable(worker);
    take_answers(worker);
    worker_take_postings(worker);
    worker_serve_lookups(worker);
    worker_expire_holds(worker);
    take_requests(worker);
    worker_serve_postings(worker);
    feed_log(worker);
    worker_serve_postings(worker); /* what is sealed now can be told */
    keeper_serve(worker);
    lister_serve(worker);
    if (atomic_exchange(&ledger->commit_wanted, false))
        commit(worker);
    /* a ledger that stops leaves a clean-shutdown mark instead, and workers that are idle stay so
     */
    if (state == LEDGER_READY)
        commit_idle_mark(worker);
    bool failed = log_failed(ledger->log) != 0;
    worker_deliver_expired(worker, failed ? UINT64_MAX - 1 : clock_monotonic_ns());
    publish_messages(worker);
    publish_statistics(worker);
    bool ended = state != LEDGER_READY && has_nothing_under_way(worker);
    /* the others may be asleep, waiting for the last one to be idle */
    if (atomic_exchange(&worker->idle, ended) != ended && ended)
        ledger_wake(ledger, UINT64_MAX);
}

static bool has_messages(struct worker *worker)
{
    struct florin *ledger = worker->ledger;
    if (endpoint_has_results(worker->self))
        return true;
    unsigned count = atomic_load_explicit(&ledger->endpoint_count, memory_order_acquire);
    for (unsigned number = 0; number < count; number++) {
        struct endpoint *endpoint =
            atomic_load_explicit(&ledger->endpoints[number], memory_order_acquire);
        if (number != worker->number && !ring_is_empty(&endpoint->links[worker->number].requests))
            return true;
    }
    return false;
}

static int milliseconds_until(uint64_t deadline_ns, uint64_t now_ns)
{
    if (deadline_ns <= now_ns)
        return 0;
    uint64_t ms = (deadline_ns - now_ns + 999999) / 1000000;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

int worker_wait_ms(struct worker *worker)
{
    worker_assert_owner(worker);
    inbox_sleep_begin(&worker->inbox);
    enum ledger_state state = ledger_state(worker->ledger);
    if (state != worker->round_state)
        return 0; /* who changed it may have found this worker awake */
    if (state == LEDGER_RECOVERING)
        return -1;
    /* whose commit we wait for does not know of us; say so, then look again */
    if (waiters_wait_for_others(&worker->waiters, log_durable_lsn(worker->ledger->log)))
        atomic_fetch_or(&worker->ledger->blocked_workers, UINT64_C(1) << worker->number);
    /* another worker may have completed our commit while we were awake */
    if (waiters_have_durable(&worker->waiters, log_durable_lsn(worker->ledger->log)))
        return 0;
    bool stuck = !window_room(worker);
    if (keeper_wants(worker) || history_has_finished(worker) || lister_wants(worker))
        return 0;
    /* these need no room */
    if (worker_has_postings_to_take(worker))
        return 0;
    if (worker->line_moves || coordinator_next_ready(&worker->coordinator) != COORDINATOR_NONE)
        return stage_room(worker) ? 0 : WORKER_RETRY_MS; /* these have their places elsewhere */
    if (worker->waiters.done.head != WAITER_NONE || (has_messages(worker) && !stuck) ||
        atomic_load(&worker->ledger->commit_wanted))
        return 0;
    uint64_t lookup_ns = worker_next_lookup_ns(worker);
    if (lookup_ns == 0)
        return 0;
    if (worker->shard.stage.record_count > 0 || stuck || worker_has_postings_to_send(worker))
        return WORKER_RETRY_MS;
    uint64_t deadline_ns = waiters_next_deadline(&worker->waiters);
    uint64_t expiry_ns = state == LEDGER_READY ? worker_next_expiry_ns(worker) : UINT64_MAX;
    if (expiry_ns < deadline_ns)
        deadline_ns = expiry_ns;
    if (lookup_ns < deadline_ns)
        deadline_ns = lookup_ns;
    uint64_t posting_ns = worker_next_posting_ns(worker);
    if (posting_ns < deadline_ns)
        deadline_ns = posting_ns;
    /* the end of a commit under way comes by the channel */
    bool mark_wanted = worker->mark_wanted && !worker->committing && state == LEDGER_READY;
    if (mark_wanted && worker->committed_ns + LOG_IDLE_MARK_NS < deadline_ns)
        deadline_ns = worker->committed_ns + LOG_IDLE_MARK_NS;
    if (deadline_ns == UINT64_MAX)
        return -1;
    return milliseconds_until(deadline_ns, clock_monotonic_ns());
}

size_t worker_reap(struct worker *worker, struct florin_result *results, size_t count)
{
    worker_assert_owner(worker);
    size_t reaped = 0;
    while (reaped < count) {
        int32_t number = waiter_list_pop(&worker->waiters, &worker->waiters.done);
        if (number == WAITER_NONE)
            break;
        results[reaped++] = waiters_at(&worker->waiters, number)->result;
        waiters_give_back(&worker->waiters, number);
    }
    return reaped;
}

bool worker_is_idle(const struct worker *worker)
{
    const struct florin *ledger = worker->ledger;
    for (unsigned number = 0; number < ledger->worker_count; number++) {
        if (!atomic_load(&ledger->workers[number].idle))
            return false;
    }
    return true;
}

uint64_t worker_durable_version(struct worker *worker, const char *account, size_t account_length)
{
    worker_assert_owner(worker);
    if (ledger_state(worker->ledger) == LEDGER_RECOVERING ||
        !florin_account_id_is_valid(account, account_length))
        return 0;
    uint64_t hash = hash_account(&worker->ledger->secret, account, account_length);
    if (ledger_owner(worker->ledger, hash) != worker->number)
        return 0;
    const struct account_table *accounts = &worker->shard.accounts;
    const struct account *found = account_table_find(accounts, hash, account, account_length);
    if (found == NULL)
        return 0;
    return waiters_durable_version(&worker->waiters, account_table_slot(accounts, found),
                                   found->version);
}

int worker_attach(struct worker *worker)
{
    assert(!worker->attached);
    int error = worker->ledger->create_channel(worker->ledger->channel_context, &worker->channel);
    if (error != 0)
        return error;
    worker->thread = pthread_self();
    worker->attached = true;
    return 0;
}

void worker_detach(struct worker *worker)
{
    worker_assert_owner(worker);
    /* the log must learn how our last write ended, before the channel goes */
    while (worker->committing) {
        struct pollfd ended = {.fd = worker_channel_descriptor(worker), .events = POLLIN};
        uint64_t workers;
        worker->committing =
            !log_complete(worker->ledger->log, worker->channel, clock_monotonic_ns(), &workers);
        if (worker->committing)
            (void)poll(&ended, 1, -1);
    }
    worker->channel->operations->destroy(worker->channel);
    worker->channel = NULL;
    worker->attached = false;
}

int worker_mailbox_descriptor(const struct worker *worker)
{
    return worker->inbox.descriptor;
}

int worker_channel_descriptor(const struct worker *worker)
{
    return worker->channel->operations->descriptor(worker->channel);
}
