/* batch_atomic.c - from items to legs, and from the fate of all to that of an item.
 *
 * Guarantees: what does not fit changes nothing. It must not know connections or bytes.
 */
#include "batch_atomic.h"

#include <assert.h>
#include <string.h>

static void add_leg(struct batch_atomic *atomic, const struct florin_leg *leg)
{
    struct named_account *account = &atomic->accounts[atomic->leg_count];
    struct florin_leg *added = &atomic->legs[atomic->leg_count++];
    memcpy(account->id, leg->account, leg->account_length);
    account->length = (uint8_t)leg->account_length;
    *added = *leg;
    added->account = account->id;
}

static void add_pair(struct batch_atomic *atomic, const struct florin_command *command,
                     uint8_t group)
{
    struct florin_leg leg = {
        .account = command->account,
        .account_length = command->account_length,
        .direction = command->kind == FLORIN_DEPOSIT ? FLORIN_CREDIT : FLORIN_DEBIT,
        .amount_minor = command->amount_minor,
        .amount_scale = command->amount_scale,
        .expected_version = command->expected_version,
        .has_expected_balance = command->has_expected_balance,
        .expected_balance_minor = command->expected_balance_minor,
        .expected_balance_scale = command->expected_balance_scale,
    };
    if (command->kind != FLORIN_TRANSFER) {
        add_leg(atomic, &leg);
        return;
    }
    leg.group = group;
    add_leg(atomic, &leg);
    const struct florin_leg other = {
        .account = command->to,
        .account_length = command->to_length,
        .direction = FLORIN_CREDIT,
        .amount_minor = command->amount_minor,
        .amount_scale = command->amount_scale,
        .expected_version = command->expected_to_version,
        .group = group,
    };
    add_leg(atomic, &other);
}

static void add_legs(struct batch_atomic *atomic, const struct florin_command *command,
                     uint8_t group)
{
    for (size_t i = 0; i < command->leg_count; i++) {
        struct florin_leg leg = command->legs[i];
        leg.group = group;
        add_leg(atomic, &leg);
    }
}

bool batch_atomic_add(struct batch_atomic *atomic, const struct florin_command *command,
                      const struct request_echo *echo, struct request_fault *fault)
{
    bool is_posting = command->kind == FLORIN_POSTING;
    bool is_transfer = command->kind == FLORIN_TRANSFER;
    if (command->key_length > 0)
        return request_fault_set(fault, "key",
                                 "An atomic batch has one key, in the header Idempotency-Key");
    if (!is_posting && !is_transfer && command->kind != FLORIN_DEPOSIT &&
        command->kind != FLORIN_WITHDRAW)
        return request_fault_set(fault, "type",
                                 "An atomic batch is of Deposit, Withdraw, Transfer and Posting");
    size_t needed = is_posting ? command->leg_count : is_transfer ? 2 : 1;
    if (atomic->leg_count + needed > FLORIN_LEGS_MAX)
        return request_fault_set(fault, "body",
                                 "An atomic batch has at most %d legs (a transfer has two)",
                                 FLORIN_LEGS_MAX);
    struct batch_atomic_item *item = &atomic->items[atomic->item_count++];
    *item = (struct batch_atomic_item){
        .route = is_posting    ? ROUTE_POSTINGS
                 : is_transfer ? ROUTE_TRANSFERS
                               : ROUTE_TRANSACTIONS,
        .first_leg = atomic->leg_count,
        .leg_count = (uint8_t)needed,
        .amount = {.digits = command->amount_minor, .scale = command->amount_scale},
    };
    if (echo != NULL)
        item->echo = *echo;
    item->echo.legs = NULL;
    atomic->amounts_are_decimal = command->amount_is_decimal;
    if (is_posting)
        add_legs(atomic, command, atomic->item_count);
    else
        add_pair(atomic, command, atomic->item_count);
    return true;
}

void batch_atomic_command(const struct batch_atomic *atomic, struct florin_command *command)
{
    assert(atomic->leg_count > 0);
    *command = (struct florin_command){
        .kind = FLORIN_BATCH,
        .account = atomic->legs[0].account,
        .account_length = atomic->legs[0].account_length,
        .key = atomic->key,
        .key_length = atomic->key_length,
        .amount_is_decimal = atomic->amounts_are_decimal,
        .dry_run = atomic->flags.dry_run,
        .as_admin = atomic->flags.as_admin,
        .legs = atomic->legs,
        .leg_count = atomic->leg_count,
    };
}

/* Whether a status speaks of one leg: neither of the key, nor of room, nor of the disk. */
static bool is_of_a_leg(enum florin_status status)
{
    return status != FLORIN_KEY_REUSED && status < FLORIN_ACCOUNTS_FULL;
}

uint8_t batch_atomic_refused_item(const struct batch_atomic *atomic)
{
    uint8_t item = 0;
    if (!is_of_a_leg(atomic->result.status))
        return atomic->item_count;
    while (item + 1 < atomic->item_count && atomic->items[item + 1].first_leg <= atomic->result.leg)
        item++;
    return item;
}

struct florin_result batch_atomic_item_result(const struct batch_atomic *atomic, uint8_t item)
{
    struct florin_result result = atomic->result;
    result.leg = (uint8_t)(result.leg - atomic->items[item].first_leg);
    /* Its amounts are one: what differs is the currency. */
    if (result.status == FLORIN_UNBALANCED && atomic->items[item].route == ROUTE_TRANSFERS) {
        result.status = FLORIN_CURRENCY_MISMATCH;
        result.field = FLORIN_FIELD_TO;
        result.leg = 1;
    }
    return result;
}
