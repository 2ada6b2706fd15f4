/* workload_legs.c - commands on several accounts, on holds and on what an account is. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "simulation/simulation.h"

static int64_t draw_amount(struct random *random)
{
    return (int64_t)random_between(random, 1, random_percent(random, 30) ? 500 : 200000);
}

/* Mostly one with the same currency: money does not move to another. */
static unsigned draw_other(struct simulation *simulation, unsigned account)
{
    struct random *random = &simulation->random;
    const struct workload *workload = &simulation->workload;
    unsigned other = account;
    for (unsigned i = 0; i < 20; i++) {
        other = (unsigned)random_below(random, simulation->plan.accounts);
        if (other != account &&
            (strcmp(workload->currencies[other], workload->currencies[account]) == 0 ||
             random_percent(random, 5)))
            return other;
    }
    return other;
}

static void name(const struct simulation *simulation, unsigned account, const char **id,
                 size_t *id_length)
{
    *id = simulation->workload.ids[account];
    *id_length = strlen(*id);
}

/* --- each kind ------------------------------------------------------------------------------- */

static void draw_transfer(struct simulation *simulation, unsigned account, struct sim_draft *draft)
{
    struct random *random = &simulation->random;
    unsigned to = draw_other(simulation, account);
    if (to == account) { /* there is no other */
        draft->command.kind = FLORIN_DEPOSIT;
        return;
    }
    draft->legs[1] = (uint8_t)to;
    draft->leg_count = 2;
    name(simulation, to, &draft->command.to, &draft->command.to_length);
    if (random_percent(random, 10))
        draft->command.expected_to_version =
            random_percent(random, 60) ? reference_version(simulation->reference, to) : 3;
    if (random_percent(random, 10) && !draft->command.has_expected_balance) {
        draft->command.amount_is_decimal = true;
        draft->command.amount_scale = (uint8_t)random_below(random, 4);
    }
}

static struct florin_leg *keep_legs(struct simulation *simulation)
{
    struct sim_legs *kept = calloc(1, sizeof *kept);
    assert(kept != NULL);
    kept->next = simulation->workload.kept_legs;
    simulation->workload.kept_legs = kept;
    return kept->legs;
}

static unsigned draw_leg_account(struct simulation *simulation, const struct sim_draft *draft,
                                 unsigned account)
{
    if (random_percent(&simulation->random, 20))
        return draft->legs[random_below(&simulation->random, draft->leg_count)];
    return draw_other(simulation, account);
}

static void draw_conditions(struct simulation *simulation, unsigned account, struct florin_leg *leg)
{
    struct random *random = &simulation->random;
    uint64_t shown = reference_version(simulation->reference, account);
    if (random_percent(random, simulation->plan.expected_percent / 4))
        leg->expected_version = random_percent(random, 70) ? shown : random_between(random, 1, 40);
    if (random_percent(random, 5)) {
        leg->has_expected_balance = true;
        leg->expected_balance_minor = (int64_t)random_below(random, 100000);
    }
}

/* Debits and credits that add up, but for some; a batch need not. */
static void draw_posting(struct simulation *simulation, unsigned account, struct sim_draft *draft)
{
    struct random *random = &simulation->random;
    bool is_batch = draft->command.kind == FLORIN_BATCH;
    unsigned leg_count = (unsigned)random_between(random, is_batch ? 1 : 2, SIM_LEGS_MAX);
    struct florin_leg *legs = keep_legs(simulation);
    int64_t sum = 0;
    draft->leg_count = 1;
    for (unsigned i = 0; i < leg_count; i++) {
        unsigned of = i == 0 ? account : draw_leg_account(simulation, draft, account);
        draft->legs[i] = (uint8_t)of;
        draft->leg_count = (uint8_t)(i + 1);
        name(simulation, of, &legs[i].account, &legs[i].account_length);
        legs[i].direction = random_percent(random, 50) ? FLORIN_DEBIT : FLORIN_CREDIT;
        legs[i].amount_minor = draw_amount(random);
        bool last = i + 1 == leg_count;
        if (last && !is_batch && sum != 0 && !random_percent(random, 5)) {
            legs[i].direction = sum > 0 ? FLORIN_DEBIT : FLORIN_CREDIT;
            legs[i].amount_minor = sum > 0 ? sum : -sum;
        }
        sum += legs[i].direction == FLORIN_CREDIT ? legs[i].amount_minor : -legs[i].amount_minor;
        draw_conditions(simulation, of, &legs[i]);
    }
    for (unsigned i = 1; i < leg_count; i++) {
        if (draft->legs[i] == account) {
            count(simulation->counters, COUNT_legs_on_one_account);
            break;
        }
    }
    draft->command.legs = legs;
    draft->command.leg_count = leg_count;
    draft->command.amount_minor = 0;
    draft->command.expected_version = 0;
    draft->command.has_expected_balance = false;
}

static void draw_hold(struct simulation *simulation, struct sim_draft *draft)
{
    static const uint64_t milliseconds[] = {1, 5, 20, 200, 60000};
    struct random *random = &simulation->random;
    draft->command.amount_minor = draw_amount(random);
    if (random_percent(random, 60))
        draft->command.expires_in_ns = milliseconds[random_below(random, 5)] * 1000000;
}

/* One of the newest holds; seldom something else. */
static void draw_hold_end(struct simulation *simulation, struct sim_draft *draft)
{
    struct random *random = &simulation->random;
    const struct workload *workload = &simulation->workload;
    unsigned known = workload->hold_count < SIM_HOLDS_MAX ? workload->hold_count : SIM_HOLDS_MAX;
    struct florin_command *command = &draft->command;
    command->target_id = random_between(random, 1, 50);
    command->amount_minor = 0;
    command->expected_version = 0;
    command->has_expected_balance = false;
    if (known == 0)
        return;
    const struct sim_hold *hold = &workload->holds[random_below(random, known)];
    for (unsigned i = 0; i < known && hold->account != draft->legs[0]; i++)
        hold = &workload->holds[i];
    command->target_id = hold->id;
    if (random_percent(random, 50))
        command->amount_minor =
            (int64_t)random_between(random, 1, (uint64_t)hold->amount + (uint64_t)hold->amount / 4);
}

static void draw_capture(struct simulation *simulation, unsigned account, struct sim_draft *draft)
{
    draw_hold_end(simulation, draft);
    unsigned to = draw_other(simulation, account);
    if (to == account || random_percent(&simulation->random, 30))
        return;
    draft->legs[1] = (uint8_t)to;
    draft->leg_count = 2;
    name(simulation, to, &draft->command.to, &draft->command.to_length);
}

static void draw_account_change(struct simulation *simulation, struct sim_draft *draft)
{
    static const char *const metadata[] = {"{\"kind\":\"cold\"}", "{\"a\":1}",
                                           "{\"longer\":\"than the other ones here\"}"};
    struct random *random = &simulation->random;
    struct florin_command *command = &draft->command;
    command->changes = (unsigned)random_between(random, 1, 7);
    command->account_status = FLORIN_STATE_OPEN;
    if (random_percent(random, 30))
        command->account_status = FLORIN_STATE_FROZEN;
    if (random_percent(random, 10))
        command->account_status = FLORIN_STATE_CLOSED;
    command->minimum_balance_minor = -(int64_t)random_below(random, 3000);
    if (random_percent(random, 80)) {
        command->metadata = metadata[random_below(random, 3)];
        command->metadata_length = strlen(command->metadata);
    }
    command->amount_minor = 0;
}

/* --- which ----------------------------------------------------------------------------------- */

static unsigned draw_kind(struct simulation *simulation)
{
    const struct plan *plan = &simulation->plan;
    unsigned total = 0;
    for (unsigned i = 0; i < SIM_SEVERAL; i++)
        total += plan->weights[i];
    uint64_t drawn = random_below(&simulation->random, total);
    unsigned kind = 0;
    while (drawn >= plan->weights[kind])
        drawn -= plan->weights[kind++];
    return kind;
}

struct sim_draft workload_draw_several(struct simulation *simulation, unsigned account)
{
    static const enum florin_command_kind kinds[SIM_SEVERAL] = {
        FLORIN_TRANSFER, FLORIN_POSTING, FLORIN_BATCH,         FLORIN_HOLD,
        FLORIN_CAPTURE,  FLORIN_VOID,    FLORIN_CHANGE_ACCOUNT};
    struct sim_draft draft = {
        .command = {.kind = kinds[draw_kind(simulation)],
                    .amount_minor = draw_amount(&simulation->random)},
        .legs = {(uint8_t)account},
        .leg_count = 1,
    };
    struct florin_command *command = &draft.command;
    name(simulation, account, &command->account, &command->account_length);
    workload_draw_expected(simulation, account, command);
    command->as_admin = random_percent(&simulation->random, 20);
    switch ((unsigned)command->kind) {
    case FLORIN_TRANSFER:
        draw_transfer(simulation, account, &draft);
        break;
    case FLORIN_POSTING:
    case FLORIN_BATCH:
        draw_posting(simulation, account, &draft);
        break;
    case FLORIN_HOLD:
        draw_hold(simulation, &draft);
        break;
    case FLORIN_CAPTURE:
        draw_capture(simulation, account, &draft);
        break;
    case FLORIN_VOID:
        draw_hold_end(simulation, &draft);
        command->amount_minor = 0;
        break;
    case FLORIN_CHANGE_ACCOUNT:
        draw_account_change(simulation, &draft);
        break;
    default:
        break;
    }
    return draft;
}
