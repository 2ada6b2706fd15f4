/* model.c - checks first, then applies; nothing happens at the same time. */
#include "histories/model.h"

#include <stdbool.h>
#include <stdlib.h>

void model_init(struct model *model, uint64_t accounts_count)
{
    *model = (struct model){.accounts_count = accounts_count};
    model->accounts = calloc((size_t)accounts_count + 1, sizeof(*model->accounts));
    if (model->accounts == NULL)
        abort();
}

void model_deinit(struct model *model)
{
    free(model->accounts);
    free(model->originals);
    *model = (struct model){0};
}

struct model_original *model_find(const struct model *model, uint64_t lsn)
{
    size_t low = 0;
    size_t high = model->originals_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->originals[middle].lsn < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low < model->originals_count && model->originals[low].lsn == lsn ? &model->originals[low]
                                                                            : NULL;
}

static void remember(struct model *model, const struct model_request *request)
{
    const struct history_leg *leg = &request->legs[0];
    struct model_original original = {
        .lsn = request->lsn,
        .kind = request->kind,
        .from = leg->account,
    };
    if (request->kind == HISTORY_HOLD) {
        original.rest = leg->held_delta;
    } else if (request->kind == HISTORY_DEPOSIT) {
        original.rest = leg->balance_delta;
    } else if (request->kind == HISTORY_TRANSFER) {
        original.rest = -leg->balance_delta;
        original.to = request->legs[1].account;
    } else {
        return;
    }
    if (model->originals_count == model->originals_room) {
        model->originals_room = model->originals_room == 0 ? 64 : model->originals_room * 2;
        model->originals =
            realloc(model->originals, model->originals_room * sizeof(*model->originals));
        if (model->originals == NULL)
            abort();
    }
    model->originals[model->originals_count++] = original;
}

/* Whether the hold is still open, or so much may still be reversed; takes it. */
static bool use_original(struct model *model, const struct model_request *request)
{
    struct model_original *original = model_find(model, request->refers_to);
    int64_t amount = 0;
    if (request->kind == HISTORY_REVERSAL)
        amount = llabs(request->legs[0].balance_delta);
    else if (request->refers_to != 0)
        amount = -request->legs[0].held_delta;
    if (amount == 0)
        return true;
    if (original == NULL || original->rest < amount)
        return false;
    original->rest -= amount;
    return true;
}

static void show(const struct model *model, struct history_leg *leg)
{
    const struct model_account *account = &model->accounts[leg->account];
    leg->version = account->version;
    leg->balance = account->version == 0 ? HISTORY_UNKNOWN : account->balance;
    leg->held = account->version == 0 ? HISTORY_UNKNOWN : account->held;
}

/* Whether a leg stands against the request; shows the account then. */
static enum history_outcome judge(const struct model *model, struct history_leg *leg,
                                  enum history_kind kind)
{
    const struct model_account *account = &model->accounts[leg->account];
    int64_t taken = leg->held_delta - leg->balance_delta;
    enum history_outcome outcome = HISTORY_APPLIED;
    if (leg->expected_version != 0 && leg->expected_version != account->version)
        outcome = HISTORY_MISMATCH;
    else if (kind != HISTORY_OPEN && taken > 0 &&
             account->balance - account->held - taken < account->minimum)
        outcome = HISTORY_INSUFFICIENT;
    if (outcome != HISTORY_APPLIED)
        show(model, leg);
    return outcome;
}

enum history_outcome model_execute(struct model *model, struct model_request *request)
{
    for (size_t i = 0; i < request->legs_count && request->kind == HISTORY_READ; i++)
        show(model, &request->legs[i]);
    if (request->kind == HISTORY_READ)
        return HISTORY_APPLIED;
    for (size_t i = 0; i < request->legs_count; i++) {
        bool opens = request->kind == HISTORY_OPEN;
        if (opens != (model->accounts[request->legs[i].account].version == 0))
            return HISTORY_REFUSED;
    }
    for (size_t i = 0; i < request->legs_count; i++) {
        enum history_outcome outcome = judge(model, &request->legs[i], request->kind);
        if (outcome != HISTORY_APPLIED)
            return outcome;
    }
    if (!use_original(model, request))
        return HISTORY_REFUSED;
    request->lsn = ++model->lsn;
    for (size_t i = 0; i < request->legs_count; i++) {
        struct history_leg *leg = &request->legs[i];
        struct model_account *account = &model->accounts[leg->account];
        account->version++;
        account->balance += leg->balance_delta;
        account->held += leg->held_delta;
        if (request->kind == HISTORY_OPEN)
            account->minimum = request->minimum;
        show(model, leg);
    }
    remember(model, request);
    return HISTORY_APPLIED;
}
