/* workload.c - commands of clients: few hot accounts and some cold, keys that come again.
 *
 * A key's first command is kept, so that it can be sent again as it was, or with another body.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/clock.h"
#include "engine/runtime/worker.h"
#include "simulation/simulation.h"

static const char no_account[] = "no account";

/* --- what there is to name ------------------------------------------------------------------- */

static void init_openings(struct workload *workload, unsigned account)
{
    static const char *const currencies[SIM_CONTENTS] = {"USD", "JPY", "KWD"};
    static const char metadata[] = "{\"kind\":\"cold\"}";
    for (unsigned i = 0; i < SIM_CONTENTS; i++) {
        struct florin_command *opening = &workload->openings[account][i];
        *opening = (struct florin_command){
            .kind = FLORIN_OPEN_ACCOUNT,
            .account = workload->ids[account],
            .account_length = strlen(workload->ids[account]),
            .currency = currencies[(account + i) % SIM_CONTENTS],
            .currency_length = 3,
            .amount_minor = (int64_t)(account * 1000 + i * 77),
            .minimum_balance_minor = account % 4 == 1 ? -(int64_t)(500 + i) : 0,
        };
        if ((account + i) % 2 == 0) {
            opening->metadata = metadata;
            opening->metadata_length = sizeof metadata - 1;
        }
        if (account % 8 == 5)
            opening->amount_minor = INT64_MAX - 3000000;
        if (account % 6 == 2) /* may be closed at once */
            opening->amount_minor = 0;
    }
}

void workload_init(struct simulation *simulation)
{
    struct workload *workload = &simulation->workload;
    *workload = (struct workload){0};
    for (unsigned i = 0; i < SIM_ACCOUNTS_MAX; i++) {
        /* some ids are longer than what an account holds inline */
        snprintf(workload->ids[i], sizeof workload->ids[i], "%s%u",
                 i % 5 == 3 ? "savings-of-customer:" : "a", i);
        init_openings(workload, i);
    }
}

void workload_deinit(struct simulation *simulation)
{
    struct workload *workload = &simulation->workload;
    while (workload->kept_legs != NULL) {
        struct sim_legs *next = workload->kept_legs->next;
        free(workload->kept_legs);
        workload->kept_legs = next;
    }
    free(workload->attempts);
}

unsigned workload_account(const struct simulation *simulation, const char *id, size_t id_length)
{
    for (unsigned i = 0; i < SIM_ACCOUNTS_MAX; i++) {
        const char *own = simulation->workload.ids[i];
        if (strlen(own) == id_length && memcmp(own, id, id_length) == 0)
            return i;
    }
    return REFERENCE_NO_ACCOUNT;
}

/* --- sending --------------------------------------------------------------------------------- */

static void note_attempt(struct simulation *simulation, uint32_t number, unsigned account,
                         unsigned key, const struct sim_draft *draft)
{
    struct workload *workload = &simulation->workload;
    if (number >= workload->attempt_max) {
        workload->attempt_max = number * 2 + 1024;
        workload->attempts =
            realloc(workload->attempts, workload->attempt_max * sizeof *workload->attempts);
        assert(workload->attempts != NULL);
    }
    workload->attempts[number] = (struct sim_attempt){
        .account = account,
        .key = key,
        .kind = draft->command.kind,
        .version = reference_version(simulation->reference, account),
        .had_room = simulation->has_room,
        .is_dry = draft->command.dry_run,
        .is_spread = draft->leg_count > 1 && protocol_eye_is_spread(simulation, draft),
    };
    workload->attempt_count = number + 1;
    if (key == REFERENCE_NO_KEY)
        return;
    struct sim_key *used = &workload->keys[key];
    if (used->flying > 0)
        count(simulation->counters, COUNT_same_key_concurrently);
    if (used->flying > 0 && workload->attempts[number].is_spread)
        count(simulation->counters, COUNT_posting_key_in_flight);
    used->flying++;
}

static void send_draft(struct simulation *simulation, unsigned account, unsigned key,
                       struct sim_draft *draft, enum florin_status malformed)
{
    struct florin_command *command = &draft->command;
    uint32_t number = reference_invoke(simulation->reference, account, key, command, malformed);
    if (draft->leg_count > 0)
        reference_invoke_legs(simulation->reference, draft->legs, draft->leg_count);
    unsigned at = (unsigned)random_below(&simulation->random, simulation->worker_count);
    note_attempt(simulation, number, account, key, draft);
    simulation->workload.attempts[number].at = at;
    struct sim_worker *worker = &simulation->workers[at];
    command->user_data = number;
    trace(simulation, "send", number, account << 16 | key, (uint64_t)command->amount_minor);
    enum florin_status status = worker_submit(worker->worker, command);
    simulation->flying++;
    simulation->workload.attempts[number].is_flying = true;
    worker->awake = true;
    if (status == FLORIN_APPLIED)
        return;
    const struct florin_result refusal = {
        .user_data = number, .status = status, .kind = command->kind};
    workload_answer(simulation, &refusal);
}

static void send_command(struct simulation *simulation, unsigned account, unsigned key,
                         const struct florin_command *command, enum florin_status malformed)
{
    struct sim_draft draft = {.command = *command};
    send_draft(simulation, account, key, &draft, malformed);
}

void workload_send_read(struct simulation *simulation, unsigned account)
{
    struct florin_command command = {
        .kind = FLORIN_READ_ACCOUNT,
        .account = simulation->workload.ids[account],
        .account_length = strlen(simulation->workload.ids[account]),
    };
    send_command(simulation, account, REFERENCE_NO_KEY, &command, FLORIN_APPLIED);
}

static struct sim_draft draft_of_key(const struct simulation *simulation, unsigned key)
{
    const struct sim_key *used = &simulation->workload.keys[key];
    struct sim_draft draft = {.command = used->command, .leg_count = used->leg_count};
    memcpy(draft.legs, used->legs, sizeof draft.legs);
    return draft;
}

void workload_send_key(struct simulation *simulation, unsigned key)
{
    struct sim_draft draft = draft_of_key(simulation, key);
    send_draft(simulation, simulation->workload.keys[key].account, key, &draft, FLORIN_APPLIED);
}

/* --- drawing --------------------------------------------------------------------------------- */

static unsigned draw_account(struct simulation *simulation)
{
    const struct plan *plan = &simulation->plan;
    unsigned hot = plan->hot_accounts < plan->accounts ? plan->hot_accounts : plan->accounts;
    bool is_hot = random_percent(&simulation->random, 70);
    return (unsigned)random_below(&simulation->random, is_hot ? hot : plan->accounts);
}

static void send_opening(struct simulation *simulation, unsigned account)
{
    unsigned content = (unsigned)random_below(&simulation->random, SIM_CONTENTS);
    if (random_percent(&simulation->random, 70))
        content = account % SIM_CONTENTS;
    struct florin_command command = simulation->workload.openings[account][content];
    send_command(simulation, account, REFERENCE_NO_KEY, &command, FLORIN_APPLIED);
}

static void draw_amount(struct random *random, struct florin_command *command)
{
    command->kind = random_percent(random, 60) ? FLORIN_DEPOSIT : FLORIN_WITHDRAW;
    /* mostly different from each other, so that each explains one change only */
    command->amount_minor = (int64_t)random_between(random, 1, 1000000);
    if (random_percent(random, 20))
        command->amount_minor = (int64_t)random_between(random, 1, 5);
    if (random_percent(random, 10)) {
        command->amount_is_decimal = true;
        command->amount_scale = (uint8_t)random_below(random, 4);
    }
}

void workload_draw_expected(struct simulation *simulation, unsigned account,
                            struct florin_command *command)
{
    struct random *random = &simulation->random;
    if (!random_percent(random, simulation->plan.expected_percent))
        return;
    uint64_t shown = reference_version(simulation->reference, account);
    command->expected_version = random_percent(random, 60) ? shown : random_between(random, 1, 40);
    command->expected_by_precondition = random_percent(random, 30);
    if (!command->amount_is_decimal && random_percent(random, 20)) {
        command->has_expected_balance = true;
        command->expected_balance_minor = (int64_t)random_below(random, 1000000);
    }
}

static struct sim_draft draw_move(struct simulation *simulation, unsigned account)
{
    struct sim_draft draft = {
        .command = {.account = simulation->workload.ids[account],
                    .account_length = strlen(simulation->workload.ids[account])},
    };
    draw_amount(&simulation->random, &draft.command);
    workload_draw_expected(simulation, account, &draft.command);
    return draft;
}

static struct sim_draft draw_change(struct simulation *simulation, unsigned account)
{
    if (random_percent(&simulation->random, simulation->plan.several_percent))
        return workload_draw_several(simulation, account);
    return draw_move(simulation, account);
}

static unsigned take_key(struct workload *workload, unsigned account, struct sim_draft *draft)
{
    struct florin_command *command = &draft->command;
    if (workload->key_count + 1 >= SIM_KEYS_MAX)
        return REFERENCE_NO_KEY;
    unsigned number = ++workload->key_count;
    struct sim_key *key = &workload->keys[number];
    *key = (struct sim_key){.account = account};
    /* the same few names on all accounts: a key belongs to its account */
    unsigned same = 0;
    for (unsigned i = 1; i < number; i++)
        same += workload->keys[i].account == account;
    snprintf(key->name, sizeof key->name, "k%u", same);
    command->key = key->name;
    command->key_length = strlen(key->name);
    key->command = *command;
    key->leg_count = draft->leg_count;
    memcpy(key->legs, draft->legs, sizeof key->legs);
    return number;
}

/* A command with a key that was used before. */
static void send_retry(struct simulation *simulation)
{
    struct workload *workload = &simulation->workload;
    struct random *random = &simulation->random;
    unsigned number = 1 + (unsigned)random_below(random, workload->key_count);
    if (random_percent(random, 60)) { /* a recent one: it may be in flight */
        unsigned recent = workload->key_count < 8 ? workload->key_count : 8;
        number = workload->key_count - (unsigned)random_below(random, recent);
    }
    struct sim_key *key = &workload->keys[number];
    struct sim_draft draft = draft_of_key(simulation, number);
    if (random_percent(random, simulation->plan.other_body_percent)) {
        do
            draft = draw_change(simulation, key->account);
        while (draft.command.kind == FLORIN_CHANGE_ACCOUNT);
        draft.command.key = key->command.key;
        draft.command.key_length = key->command.key_length;
        if (key->flying > 0)
            count(simulation->counters, COUNT_other_body_concurrently);
    }
    draft.command.dry_run = random_percent(random, simulation->plan.dry_percent);
    send_draft(simulation, key->account, number, &draft, FLORIN_APPLIED);
}

static void send_malformed(struct simulation *simulation, unsigned account)
{
    struct florin_command command = draw_move(simulation, account).command;
    command.expected_version = 0;
    command.has_expected_balance = false;
    enum florin_status status = FLORIN_INVALID_AMOUNT;
    if (random_percent(&simulation->random, 50)) {
        command.account = no_account;
        command.account_length = sizeof no_account - 1;
        status = FLORIN_INVALID_ACCOUNT_ID;
    } else {
        command.amount_minor = 0;
    }
    send_command(simulation, account, REFERENCE_NO_KEY, &command, status);
}

static void send_change(struct simulation *simulation, unsigned account)
{
    struct workload *workload = &simulation->workload;
    const struct plan *plan = &simulation->plan;
    bool with_key = random_percent(&simulation->random, plan->key_percent);
    if (with_key && workload->key_count > 0 &&
        random_percent(&simulation->random, plan->retry_percent)) {
        send_retry(simulation);
        return;
    }
    struct sim_draft draft = draw_change(simulation, account);
    bool takes_key = with_key && draft.command.kind != FLORIN_CHANGE_ACCOUNT;
    unsigned key = takes_key ? take_key(workload, account, &draft) : REFERENCE_NO_KEY;
    if (key == REFERENCE_NO_KEY)
        draft.command.dry_run = random_percent(&simulation->random, plan->dry_percent);
    send_draft(simulation, account, key, &draft, FLORIN_APPLIED);
}

void workload_send(struct simulation *simulation)
{
    struct random *random = &simulation->random;
    unsigned account = draw_account(simulation);
    simulation->workload.sent++;
    if (random_percent(random, simulation->plan.pause_percent))
        simulation->workload.pause_until_ns =
            clock_monotonic_ns() + random_between(random, 1, 40) * 1000000;
    if (random_percent(random, 1))
        send_malformed(simulation, account);
    else if (random_percent(random, simulation->plan.read_percent))
        workload_send_read(simulation, account);
    else if (random_percent(random, 4) || reference_version(simulation->reference, account) == 0)
        send_opening(simulation, account);
    else
        send_change(simulation, account);
}

/* --- answers --------------------------------------------------------------------------------- */

static void count_status(struct simulation *simulation, const struct florin_result *result)
{
    static const struct {
        enum florin_status status;
        enum counter counter;
    } of_status[] = {
        {FLORIN_COMMIT_UNKNOWN, COUNT_commit_unknown},
        {FLORIN_NOT_COMMITTED, COUNT_not_committed},
        {FLORIN_STORAGE_FULL, COUNT_storage_full},
        {FLORIN_KEY_REUSED, COUNT_key_reused},
        {FLORIN_ACCOUNT_EXISTS, COUNT_account_exists},
        {FLORIN_KEYS_FULL, COUNT_keys_full},
        {FLORIN_HOLD_RESOLVED, COUNT_hold_resolved},
        {FLORIN_ACCOUNT_FROZEN, COUNT_refused_frozen},
    };
    for (size_t i = 0; i < sizeof of_status / sizeof of_status[0]; i++) {
        if (of_status[i].status == result->status)
            count(simulation->counters, of_status[i].counter);
    }
}

static void count_attempt(struct simulation *simulation, const struct sim_attempt *attempt,
                          const struct florin_result *result)
{
    struct counters *counters = simulation->counters;
    bool applied = result->status == FLORIN_APPLIED && result->transaction_id != 0;
    if (attempt->is_dry && result->status == FLORIN_APPLIED)
        count(counters, COUNT_dry_run);
    if (attempt->is_spread && applied && !result->replayed)
        count(counters, COUNT_posting_durable);
    if (attempt->is_spread && !applied &&
        florin_status_outcome(result->status) == FLORIN_OUTCOME_REJECTED)
        count(counters, COUNT_posting_refused);
    if (attempt->is_spread && result->replayed)
        count(counters, COUNT_posting_replayed);
    if (attempt->kind == FLORIN_CAPTURE && applied)
        count(counters, COUNT_hold_captured);
    if (attempt->kind == FLORIN_VOID && applied)
        count(counters, COUNT_hold_voided);
    if (attempt->kind == FLORIN_CHANGE_ACCOUNT && applied &&
        result->account_status == FLORIN_STATE_FROZEN)
        count(counters, COUNT_account_frozen);
    if (attempt->kind == FLORIN_CHANGE_ACCOUNT && applied &&
        result->account_status == FLORIN_STATE_CLOSED)
        count(counters, COUNT_account_closed);
}

/* What later commands may name. */
static void note_result(struct simulation *simulation, const struct sim_attempt *attempt,
                        const struct florin_result *result)
{
    struct workload *workload = &simulation->workload;
    count_attempt(simulation, attempt, result);
    if (attempt->kind == FLORIN_READ_ACCOUNT && result->currency[0] != '\0')
        memcpy(workload->currencies[attempt->account], result->currency, sizeof result->currency);
    if (attempt->kind != FLORIN_HOLD || result->status != FLORIN_APPLIED ||
        result->transaction_id == 0)
        return;
    count(simulation->counters, COUNT_hold_made);
    workload->holds[workload->hold_count++ % SIM_HOLDS_MAX] = (struct sim_hold){
        .account = attempt->account, .id = result->transaction_id, .amount = result->amount_minor};
}

/* Whether changes are refused for want of disk, and taken again. */
static void watch_storage(struct simulation *simulation, const struct sim_attempt *attempt,
                          const struct florin_result *result)
{
    bool first = !result->replayed && result->transaction_id != 0;
    if (result->status == FLORIN_STORAGE_FULL) {
        simulation->storage_was_full = true;
        if (attempt->had_room && florin_failed(simulation->ledger) == 0)
            simulation_fail(simulation, "the disk is called full, but it has room");
    } else if (simulation->storage_was_full && attempt->had_room && first) {
        simulation->storage_was_full = false;
        count(simulation->counters, COUNT_storage_resumed);
    } else if (simulation->storage_was_full && !attempt->had_room && result->replayed) {
        count(simulation->counters, COUNT_replayed_while_full);
    }
}

static void count_replay_after_restart(struct simulation *simulation, enum florin_status status)
{
    count(simulation->counters, COUNT_key_replayed_after_restart);
    if (status == FLORIN_VERSION_MISMATCH)
        count(simulation->counters, COUNT_mismatch_remembered);
    if (status == FLORIN_PRECONDITION_FAILED)
        count(simulation->counters, COUNT_precondition_remembered);
    if (status == FLORIN_INSUFFICIENT_BALANCE)
        count(simulation->counters, COUNT_insufficient_remembered);
    if (status == FLORIN_BALANCE_OVERFLOW)
        count(simulation->counters, COUNT_overflow_remembered);
}

static void count_key(struct simulation *simulation, struct sim_key *key,
                      const struct florin_result *result)
{
    bool after_restart = key->life != 0 && key->life < simulation->life;
    bool is_unknown = result->status == FLORIN_COMMIT_UNKNOWN;
    enum florin_outcome outcome = florin_status_outcome(result->status);
    if (result->replayed)
        count(simulation->counters, COUNT_key_replayed);
    if (result->replayed && after_restart)
        count_replay_after_restart(simulation, result->status);
    if (result->status == FLORIN_KEY_REUSED && after_restart)
        count(simulation->counters, COUNT_key_reused_after_restart);
    if (result->replayed && key->unknown)
        count(simulation->counters, COUNT_unknown_resolved);
    if (result->replayed && key->doubt && after_restart)
        count(simulation->counters, COUNT_doubt_survived);
    bool first = !result->replayed && result->transaction_id != 0;
    if (first && key->doubt && after_restart)
        count(simulation->counters, COUNT_doubt_was_lost);
    if (is_unknown || outcome != FLORIN_OUTCOME_NOT_APPLIED) {
        key->unknown = is_unknown;
        key->doubt = is_unknown;
        key->life = simulation->life;
    }
}

/* Commands that came to one worker for one account take effect in the order in which they came. */
static void judge_order(struct simulation *simulation, uint32_t number,
                        const struct florin_result *result)
{
    const struct sim_attempt *attempt = &simulation->workload.attempts[number];
    struct sim_effect *newest = &simulation->workload.effects[attempt->account][attempt->at];
    /* A posting takes effect when it has all its accounts. */
    bool is_posting = attempt->kind == FLORIN_TRANSFER || attempt->kind == FLORIN_POSTING ||
                      attempt->kind == FLORIN_BATCH || attempt->kind == FLORIN_CAPTURE;
    if (result->replayed || result->transaction_id == 0 || result->status == FLORIN_KEY_REUSED ||
        attempt->kind == FLORIN_READ_ACCOUNT || is_posting)
        return;
    if (newest->lsn != 0 && (number > newest->number) != (result->transaction_id > newest->lsn))
        simulation_fail(simulation, "commands %u and %u on account %u take effect in another order",
                        (unsigned)newest->number, (unsigned)number, attempt->account);
    if (number > newest->number)
        *newest = (struct sim_effect){.number = number, .lsn = result->transaction_id};
}

void workload_answer(struct simulation *simulation, const struct florin_result *result)
{
    uint32_t number = (uint32_t)result->user_data;
    trace(simulation, "answer", number, (uint64_t)result->status << 32 | result->version,
          result->transaction_id);
    reference_answer(simulation->reference, number, result, florin_durable_lsn(simulation->ledger));
    if (simulation->failed)
        return;
    const struct sim_attempt *attempt = &simulation->workload.attempts[number];
    simulation->flying--;
    simulation->workload.attempts[number].is_flying = false;
    judge_order(simulation, number, result);
    count_status(simulation, result);
    note_result(simulation, attempt, result);
    watch_storage(simulation, attempt, result);
    if (attempt->kind == FLORIN_READ_ACCOUNT && result->version > attempt->version)
        count(simulation->counters, COUNT_read_waited);
    if (attempt->kind == FLORIN_OPEN_ACCOUNT && result->replayed)
        count(simulation->counters, COUNT_opened_again);
    if (result->status == FLORIN_INVALID_AMOUNT && result->currency[0] != '\0')
        count(simulation->counters, COUNT_decimal_refused);
    if (attempt->key == REFERENCE_NO_KEY)
        return;
    struct sim_key *key = &simulation->workload.keys[attempt->key];
    key->flying--;
    if (result->replayed && attempt->is_spread && result->status != FLORIN_APPLIED &&
        key->life != 0 && key->life < simulation->life)
        count(simulation->counters, COUNT_refusal_after_restart);
    if (!attempt->is_dry || result->replayed)
        count_key(simulation, key, result);
}

void workload_crash(struct simulation *simulation)
{
    struct workload *workload = &simulation->workload;
    reference_crash(simulation->reference);
    simulation->flying = 0;
    workload->pause_until_ns = 0;
    memset(workload->effects, 0, sizeof workload->effects);
    for (size_t i = workload->lives_first; i < workload->attempt_count; i++)
        workload->attempts[i].was_lost |= workload->attempts[i].is_flying;
    for (unsigned i = 1; i <= workload->key_count; i++) {
        struct sim_key *key = &workload->keys[i];
        if (key->flying > 0) {
            key->doubt = true;
            key->life = simulation->life;
        }
        key->flying = 0;
    }
}

void workload_settled(struct simulation *simulation)
{
    struct workload *workload = &simulation->workload;
    for (size_t i = workload->lives_first; i < workload->attempt_count; i++) {
        const struct sim_attempt *attempt = &workload->attempts[i];
        if (attempt->was_lost && attempt->is_spread)
            count(simulation->counters, reference_took_effect(simulation->reference, (uint32_t)i)
                                            ? COUNT_posting_survived
                                            : COUNT_posting_lost);
    }
    workload->lives_first = workload->attempt_count;
}
