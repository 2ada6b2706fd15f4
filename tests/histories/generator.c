/* generator.c - one loop: time goes on a little, a client that is free has a request carried out.
 *
 *     invoke ........ carried out (now) ........ return
 *
 * All three are drawn so that a client never has two requests at once. An answer that would have
 * come after a crash has not come.
 */
#include "histories/generator.h"

#include "simulation/random.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEP_NS_MAX = 20,   /* between two requests that are carried out */
    DELAY_NS_MAX = 200, /* from the invocation to there, and from there to the return */
    AMOUNT_MAX = 60,
    OPENING_MAX = 500,
};

struct client {
    struct history_buffer *buffer;
    uint64_t free_ns; /* its last request is over */
    size_t last;      /* the operation, while it may still be in flight */
    struct model_request request;
    enum history_outcome outcome; /* of the request, whether or not it was answered */
    bool has_last;
    bool sends_again; /* the request got no answer, or was refused */
    bool carried_out;
};

struct generator {
    const struct generator_options *options;
    struct generated *out;
    struct random random;
    struct client *clients;
    struct history_buffer *own;
    uint64_t now_ns;
    uint64_t opened; /* accounts so far */
    size_t attempts;
};

/* --- what is asked --------------------------------------------------------------------------- */

static void add_leg(struct model_request *request, uint64_t account, int64_t balance_delta,
                    int64_t held_delta)
{
    request->legs[request->legs_count++] = history_leg_of(account, balance_delta, held_delta);
}

static uint64_t draw_account(struct generator *it)
{
    assert(it->options->accounts > 0);
    return 1 + random_below(&it->random, it->options->accounts);
}

static int64_t draw_amount(struct generator *it)
{
    return (int64_t)random_between(&it->random, 1, AMOUNT_MAX);
}

/* An open hold, or something to be reversed, among the newer ones; NULL: none was met. */
static const struct model_original *draw_original(struct generator *it, bool hold)
{
    const struct model *model = &it->out->model;
    for (int tries = 0; tries < 16 && model->originals_count > 0; tries++) {
        size_t recent = model->originals_count < 256 ? model->originals_count : 256;
        const struct model_original *original =
            &model->originals[model->originals_count - 1 - random_below(&it->random, recent)];
        if ((original->kind == HISTORY_HOLD) == hold && original->rest > 0)
            return original;
    }
    return NULL;
}

static void ask_to_resolve(struct generator *it, struct model_request *request,
                           enum history_kind kind)
{
    const struct model_original *hold = draw_original(it, true);
    uint64_t payee = draw_account(it);
    if (hold == NULL)
        return;
    request->kind = kind;
    request->refers_to = hold->lsn;
    int64_t taken =
        kind == HISTORY_CAPTURE ? (int64_t)random_between(&it->random, 1, (uint64_t)hold->rest) : 0;
    add_leg(request, hold->from, -taken, -hold->rest);
    if (kind == HISTORY_CAPTURE && payee != hold->from && random_percent(&it->random, 40))
        add_leg(request, payee, taken, 0);
}

static void ask_to_reverse(struct generator *it, struct model_request *request)
{
    const struct model_original *original = draw_original(it, false);
    if (original == NULL)
        return;
    int64_t amount = (int64_t)random_between(&it->random, 1, (uint64_t)original->rest);
    request->kind = HISTORY_REVERSAL;
    request->refers_to = original->lsn;
    add_leg(request, original->from, original->to == 0 ? -amount : amount, 0);
    if (original->to != 0)
        add_leg(request, original->to, -amount, 0);
}

static void ask_to_move(struct generator *it, struct model_request *request)
{
    uint64_t from = draw_account(it);
    uint64_t to = draw_account(it);
    int64_t amount = draw_amount(it);
    bool posting = from == to || random_percent(&it->random, 30);
    request->kind = posting ? HISTORY_POSTING : HISTORY_TRANSFER;
    add_leg(request, from, -amount, 0);
    if (!posting) {
        add_leg(request, to, amount, 0);
        return;
    }
    int64_t part = (int64_t)random_below(&it->random, (uint64_t)amount);
    add_leg(request, to, amount - part, 0);
    if (part > 0)
        add_leg(request, draw_account(it), part, 0);
}

static void ask_to_open(struct generator *it, struct model_request *request)
{
    request->kind = HISTORY_OPEN;
    request->minimum = random_percent(&it->random, 20) ? -50 : 0;
    add_leg(request, ++it->opened, (int64_t)random_below(&it->random, OPENING_MAX), 0);
}

/* What does not come about (no hold is open) becomes a read. */
static void draw_request(struct generator *it, struct model_request *request)
{
    *request = (struct model_request){.kind = HISTORY_READ};
    uint64_t draw = random_below(&it->random, 1000);
    if (it->opened < it->options->accounts && draw < 500) {
        ask_to_open(it, request);
    } else if (draw < 150) {
        request->kind = HISTORY_DEPOSIT;
        add_leg(request, draw_account(it), draw_amount(it), 0);
    } else if (draw < 300) {
        request->kind = HISTORY_WITHDRAW;
        add_leg(request, draw_account(it), -draw_amount(it), 0);
    } else if (draw < 500) {
        ask_to_move(it, request);
    } else if (draw < 570) {
        request->kind = HISTORY_HOLD;
        add_leg(request, draw_account(it), 0, draw_amount(it));
    } else if (draw < 640) {
        ask_to_resolve(it, request, draw < 600 ? HISTORY_CAPTURE : HISTORY_VOID);
    } else if (draw < 680) {
        ask_to_reverse(it, request);
    } else if (draw < 681) {
        request->kind = HISTORY_AMEND;
        add_leg(request, draw_account(it), 0, 0);
    }
    if (request->legs_count == 0)
        add_leg(request, draw_account(it), 0, 0);
    if (request->kind == HISTORY_READ)
        return;
    if (random_percent(&it->random, 70))
        request->key = it->out->next_key++;
    uint64_t version = it->out->model.accounts[request->legs[0].account].version;
    if (version > 1 && random_percent(&it->random, 10))
        request->legs[0].expected_version = version - random_below(&it->random, 2);
}

/* --- what is recorded ------------------------------------------------------------------------ */

static void record(struct generator *it, const struct model_request *request)
{
    if (it->options->log == GENERATOR_WITHOUT_RECORDS)
        return;
    bool by_account = random_percent(&it->random, 30);
    for (size_t i = 0; i < request->legs_count; i++) {
        if (!by_account && i > 0)
            break;
        size_t row = history_record(it->own, request->kind, request->lsn, request->key,
                                    &request->legs[i], by_account ? 1 : request->legs_count);
        history_operation(it->own, row)->refers_to = request->refers_to;
        history_operation(it->own, row)->minimum = request->minimum;
        for (size_t leg = 0; leg < history_operation(it->own, row)->legs_count; leg++)
            history_legs(it->own, row)[leg].expected_version = 0;
    }
}

/* Begins an attempt that knows only what is asked. */
static size_t invoke(struct generator *it, struct client *client, uint64_t invoke_ns)
{
    struct history_leg asked[MODEL_LEGS_MAX];
    const struct model_request *request = &client->request;
    for (size_t i = 0; i < request->legs_count; i++) {
        asked[i] = history_leg_of(request->legs[i].account, request->legs[i].balance_delta,
                                  request->legs[i].held_delta);
        asked[i].expected_version = request->legs[i].expected_version;
    }
    size_t number = history_invoke(client->buffer, request->kind, request->key, asked,
                                   request->legs_count, invoke_ns);
    history_operation(client->buffer, number)->refers_to = request->refers_to;
    history_operation(client->buffer, number)->minimum = request->minimum;
    it->attempts++;
    return number;
}

/* The answer: where the log can be read only the first leg, and of some withdrawals no more than
 * a balance. */
static void answer(struct generator *it, struct client *client, size_t number, uint64_t return_ns)
{
    const struct model_request *request = &client->request;
    bool brief = it->options->log == GENERATOR_WITH_RECORDS;
    bool briefest = brief && request->kind == HISTORY_WITHDRAW && request->key == 0 &&
                    client->outcome == HISTORY_APPLIED && random_percent(&it->random, 20);
    struct history_leg *legs = history_legs(client->buffer, number);
    history_return(client->buffer, number, client->outcome, return_ns);
    if (client->outcome == HISTORY_REFUSED)
        return;
    if (client->outcome == HISTORY_APPLIED && !briefest)
        history_operation(client->buffer, number)->lsn = request->lsn;
    for (size_t i = 0; i < request->legs_count; i++) {
        if (brief && i > 0 && client->outcome == HISTORY_APPLIED)
            break;
        if (!briefest)
            legs[i].version = request->legs[i].version;
        legs[i].balance = request->legs[i].balance;
        if (!brief || random_percent(&it->random, 50))
            legs[i].held = briefest ? HISTORY_UNKNOWN : request->legs[i].held;
    }
}

static void carry_out(struct generator *it, struct client *client)
{
    if (client->carried_out)
        return;
    client->carried_out = true;
    client->outcome = model_execute(&it->out->model, &client->request);
    if (client->outcome == HISTORY_APPLIED && client->request.kind != HISTORY_READ)
        record(it, &client->request);
}

/* --- what happens ---------------------------------------------------------------------------- */

/* One attempt of a client that is free. */
static void attempt(struct generator *it, struct client *client)
{
    if (!client->sends_again || random_percent(&it->random, 30)) {
        draw_request(it, &client->request);
        client->carried_out = false;
    }
    uint64_t invoke_ns = it->now_ns - random_below(&it->random, DELAY_NS_MAX);
    if (it->now_ns < DELAY_NS_MAX || invoke_ns <= client->free_ns)
        invoke_ns = client->free_ns + 1;
    size_t number = invoke(it, client, invoke_ns);
    uint64_t doubt = random_below(&it->random, 1000);
    bool answered = doubt >= 2 * it->options->doubts_per_mille;
    bool refused = !answered && doubt >= it->options->doubts_per_mille;
    if (answered || (!refused && random_percent(&it->random, 50)))
        carry_out(it, client);
    client->free_ns = it->now_ns + random_below(&it->random, DELAY_NS_MAX);
    client->last = number;
    client->has_last = true;
    client->sends_again = false;
    if (answered) {
        answer(it, client, number, client->free_ns);
    } else {
        client->sends_again = client->request.key != 0;
        if (refused)
            history_return(client->buffer, number, HISTORY_REFUSED, client->free_ns);
    }
}

static void forget_answer(struct client *client)
{
    struct history_operation *operation = history_operation(client->buffer, client->last);
    struct history_leg *legs = history_legs(client->buffer, client->last);
    operation->outcome = HISTORY_UNANSWERED;
    operation->return_ns = HISTORY_NEVER;
    operation->lsn = 0;
    for (size_t i = 0; i < operation->legs_count; i++) {
        legs[i].version = 0;
        legs[i].balance = HISTORY_UNKNOWN;
        legs[i].held = HISTORY_UNKNOWN;
    }
}

/* The server dies: what is in flight gets no answer, some was not even carried out. */
static void crash(struct generator *it)
{
    for (uint32_t i = 0; i < it->options->clients; i++) {
        struct client *client = &it->clients[i];
        if (client->has_last && client->free_ns >= it->now_ns) {
            forget_answer(client);
            client->sends_again = client->request.key != 0;
        } else if (!client->sends_again && random_percent(&it->random, 30) &&
                   client->free_ns + 1 < it->now_ns) {
            draw_request(it, &client->request);
            client->carried_out = false;
            client->last = invoke(it, client, client->free_ns + 1);
            client->sends_again = client->request.key != 0;
        }
        client->has_last = false;
        client->free_ns = it->now_ns;
    }
    history_crash(it->own, it->now_ns);
}

/* A hold expires, and no client has a part in it. */
static void expire(struct generator *it)
{
    struct client nobody = {.buffer = it->own, .request = {.kind = HISTORY_READ}};
    ask_to_resolve(it, &nobody.request, HISTORY_EXPIRE);
    if (nobody.request.legs_count == 0)
        return;
    carry_out(it, &nobody);
    if (it->options->log == GENERATOR_WITHOUT_RECORDS && nobody.outcome == HISTORY_APPLIED)
        answer(it, &nobody, invoke(it, &nobody, 0), HISTORY_NEVER);
}

void history_generate(const struct generator_options *options, struct generated *generated)
{
    struct generator it = {.options = options, .out = generated, .random = {options->seed}};
    *generated = (struct generated){.buffers_count = (size_t)options->clients + 1, .next_key = 1};
    model_init(&generated->model, options->accounts);
    generated->buffers = calloc(generated->buffers_count, sizeof(*generated->buffers));
    it.clients = calloc(options->clients, sizeof(*it.clients));
    if (generated->buffers == NULL || it.clients == NULL)
        abort();
    for (uint32_t i = 0; i <= options->clients; i++)
        history_buffer_init(&generated->buffers[i], i);
    for (uint32_t i = 0; i < options->clients; i++)
        it.clients[i].buffer = &generated->buffers[i + 1];
    it.own = &generated->buffers[0];
    while (it.attempts < options->operations) {
        it.now_ns += random_between(&it.random, 1, STEP_NS_MAX);
        struct client *client = &it.clients[random_below(&it.random, options->clients)];
        if (random_below(&it.random, 1000000) < options->crashes_per_million)
            crash(&it);
        else if (random_below(&it.random, 100) == 0)
            expire(&it);
        else if (client->free_ns + 1 < it.now_ns)
            attempt(&it, client);
    }
    generated->end_ns = it.now_ns + DELAY_NS_MAX;
    free(it.clients);
}

void generated_deinit(struct generated *generated)
{
    for (size_t i = 0; i < generated->buffers_count; i++)
        history_buffer_deinit(&generated->buffers[i]);
    free(generated->buffers);
    model_deinit(&generated->model);
    *generated = (struct generated){0};
}
