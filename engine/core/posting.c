/* posting.c - legs and accounts of a posting, and the one decision over all of them.
 *
 * Guarantees: a decision that is not FLORIN_APPLIED changes no balance; one that is leaves every
 * balance at or above its floor where it was debited, in range, and debits equal to credits in
 * every currency (of a batch: not asked). The same accounts give the same decision. Must not know:
 * shards, claims, who waits.
 *
 * Amounts may be decimals in whole units: what they are in minor units is known when the account,
 * and with it the currency, is. So INVALID_AMOUNT may come late; it is not remembered under a key.
 */
#include "posting.h"

#include <assert.h>
#include <string.h>

#include "money.h"
#include "reversal.h"

__extension__ typedef __int128 wide; /* 64 amounts add up in it */

bool posting_is(enum florin_command_kind kind)
{
    return kind == FLORIN_TRANSFER || kind == FLORIN_POSTING || kind == FLORIN_BATCH ||
           kind == FLORIN_CAPTURE || kind == FLORIN_REVERSE;
}

/* --- syntax ------------------------------------------------------------------------------ */

static bool amount_is_valid(int64_t amount, bool is_decimal, uint8_t scale)
{
    return amount > 0 && (!is_decimal || scale <= MONEY_SCALE_MAX);
}

static bool condition_is_valid(bool has, int64_t balance, bool is_decimal, uint8_t scale)
{
    return !has || (balance >= MONEY_MIN && (!is_decimal || scale <= MONEY_SCALE_MAX));
}

static enum florin_status fault(enum florin_status status, enum florin_field at, uint8_t number,
                                enum florin_field *field, uint8_t *leg)
{
    *field = at;
    *leg = number;
    return status;
}

static enum florin_status check_leg(const struct florin_command *command, uint8_t number,
                                    enum florin_field *field, uint8_t *leg)
{
    const struct florin_leg *checked = &command->legs[number];
    bool decimal = command->amount_is_decimal;
    if (checked->account == NULL ||
        !florin_account_id_is_valid(checked->account, checked->account_length))
        return fault(FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT, number, field, leg);
    if (!amount_is_valid(checked->amount_minor, decimal, checked->amount_scale))
        return fault(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, number, field, leg);
    if (!condition_is_valid(checked->has_expected_balance, checked->expected_balance_minor, decimal,
                            checked->expected_balance_scale))
        return fault(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_EXPECTED_BALANCE, number, field, leg);
    if (checked->direction != FLORIN_CREDIT && checked->direction != FLORIN_DEBIT)
        return fault(FLORIN_INVALID_LEGS, FLORIN_FIELD_KIND, number, field, leg);
    return FLORIN_APPLIED;
}

static enum florin_status check_legs(const struct florin_command *command, enum florin_field *field,
                                     uint8_t *leg)
{
    size_t least = command->kind == FLORIN_POSTING ? 2 : 1;
    if (command->legs == NULL || command->leg_count < least || command->leg_count > FLORIN_LEGS_MAX)
        return fault(FLORIN_INVALID_LEGS, FLORIN_FIELD_LEGS, 0, field, leg);
    enum florin_status gravest = FLORIN_APPLIED;
    for (uint8_t i = 0; i < command->leg_count; i++) {
        enum florin_field at = FLORIN_FIELD_NONE;
        uint8_t number = 0;
        enum florin_status status = check_leg(command, i, &at, &number);
        if (status != FLORIN_APPLIED && (gravest == FLORIN_APPLIED || status < gravest))
            gravest = fault(status, at, number, field, leg);
    }
    const struct florin_leg *first = &command->legs[0];
    bool is_own = first->account != NULL && first->account_length == command->account_length &&
                  memcmp(first->account, command->account, command->account_length) == 0;
    if (!is_own && (gravest == FLORIN_APPLIED || gravest >= FLORIN_INVALID_LEGS))
        return fault(FLORIN_INVALID_LEGS, FLORIN_FIELD_ACCOUNT, 0, field, leg);
    return gravest;
}

enum florin_status posting_check(const struct florin_command *command, enum florin_field *field,
                                 uint8_t *leg)
{
    if (command->kind == FLORIN_POSTING || command->kind == FLORIN_BATCH)
        return check_legs(command, field, leg);
    bool needs_to = command->kind == FLORIN_TRANSFER ||
                    (command->kind == FLORIN_CAPTURE && command->to_length > 0);
    bool may_be_zero = command->kind != FLORIN_TRANSFER && command->amount_minor == 0;
    if (needs_to &&
        (command->to == NULL || !florin_account_id_is_valid(command->to, command->to_length)))
        return fault(FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_TO, 1, field, leg);
    if (!may_be_zero &&
        !amount_is_valid(command->amount_minor, command->amount_is_decimal, command->amount_scale))
        return fault(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 0, field, leg);
    if (!condition_is_valid(command->has_expected_balance, command->expected_balance_minor,
                            command->amount_is_decimal, command->expected_balance_scale))
        return fault(FLORIN_INVALID_AMOUNT, FLORIN_FIELD_EXPECTED_BALANCE, 0, field, leg);
    if (needs_to && command->to_length == command->account_length &&
        memcmp(command->to, command->account, command->to_length) == 0)
        return fault(FLORIN_SAME_ACCOUNT, FLORIN_FIELD_TO, 1, field, leg);
    return FLORIN_APPLIED;
}

/* --- the decision ------------------------------------------------------------------------ */

/* Keeps the gravest fault: the smallest status, of equal ones the first. */
static void worsen(struct posting_decision *decision, enum florin_status status,
                   enum florin_field field, uint8_t leg)
{
    if (decision->status == FLORIN_APPLIED || status < decision->status)
        *decision = (struct posting_decision){status, field, leg};
}

static bool to_minor(const struct posting *posting, const struct posting_account *account,
                     int64_t amount, uint8_t scale, int64_t *minor)
{
    if (!posting->amount_is_decimal) {
        *minor = amount;
        return true;
    }
    struct money_decimal decimal = {amount, scale};
    return money_to_minor(decimal, account->currency.exponent, minor);
}

/* What one leg asks of its account as it is before. */
static void judge_leg(struct posting *posting, uint8_t number, struct posting_decision *decision)
{
    struct posting_leg *leg = &posting->legs[number];
    const struct posting_account *account = &posting->accounts[leg->account];
    int64_t least;
    if (!account->exists) {
        worsen(decision,
               posting_may_create(account) ? posting->not_created : FLORIN_ACCOUNT_NOT_FOUND,
               FLORIN_FIELD_ACCOUNT, number);
        return;
    }
    if (posting->kind == FLORIN_REVERSE)
        leg->amount_minor = leg->amount; /* what is left, in minor units */
    else if (!to_minor(posting, account, leg->amount, leg->amount_scale, &leg->amount_minor))
        worsen(decision, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, number);
    if (leg->has_expected_balance) {
        if (!to_minor(posting, account, leg->expected_balance, leg->expected_balance_scale, &least))
            worsen(decision, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_EXPECTED_BALANCE, number);
        else if (account->balance_minor < least)
            worsen(decision, FLORIN_BALANCE_CONDITION, FLORIN_FIELD_EXPECTED_BALANCE, number);
    }
    if (account->status == FLORIN_STATE_CLOSED)
        worsen(decision, FLORIN_ACCOUNT_CLOSED, FLORIN_FIELD_ACCOUNT, number);
    else if (account->status == FLORIN_STATE_FROZEN && !posting->as_admin)
        worsen(decision, FLORIN_ACCOUNT_FROZEN, FLORIN_FIELD_ACCOUNT, number);
    if (leg->expected_version != 0 && leg->expected_version != account->version)
        worsen(decision,
               posting->expected_by_precondition ? FLORIN_PRECONDITION_FAILED
                                                 : FLORIN_VERSION_MISMATCH,
               FLORIN_FIELD_EXPECTED_VERSION, number);
}

bool posting_same_currency(const struct posting *posting, uint8_t left, uint8_t right)
{
    const struct posting_account *a = &posting->accounts[posting->legs[left].account];
    const struct posting_account *b = &posting->accounts[posting->legs[right].account];
    return memcmp(&a->currency, &b->currency, sizeof(a->currency)) == 0;
}

/* Whether debits equal credits among the legs in the group and the currency of leg `number`. */
static bool is_balanced(const struct posting *posting, uint8_t number)
{
    wide sum = 0;
    for (uint8_t i = 0; i < posting->leg_count; i++) {
        const struct posting_leg *leg = &posting->legs[i];
        if (posting->kind == FLORIN_BATCH && leg->group != posting->legs[number].group)
            continue;
        if (posting_same_currency(posting, i, number))
            sum += leg->direction == FLORIN_CREDIT ? (wide)leg->amount_minor
                                                   : -(wide)leg->amount_minor;
    }
    return sum == 0;
}

static void judge_currencies(const struct posting *posting, struct posting_decision *decision)
{
    if (posting->kind == FLORIN_POSTING || posting->kind == FLORIN_BATCH) {
        for (uint8_t i = 0; i < posting->leg_count; i++) {
            bool must = posting->kind == FLORIN_POSTING || posting->legs[i].group != 0;
            if (must && !is_balanced(posting, i))
                worsen(decision, FLORIN_UNBALANCED, FLORIN_FIELD_LEGS, i);
        }
    } else if ((posting->kind == FLORIN_TRANSFER || posting->kind == FLORIN_CAPTURE) &&
               posting->leg_count > 1 && !posting_same_currency(posting, 0, 1)) {
        worsen(decision, FLORIN_CURRENCY_MISMATCH, FLORIN_FIELD_TO, 1);
    }
}

/* A capture of nothing in particular takes the whole hold. */
static void judge_hold(struct posting *posting, struct posting_decision *decision)
{
    struct posting_leg *own = &posting->legs[0];
    if (posting->kind != FLORIN_CAPTURE)
        return;
    if (!posting->hold_is_active) {
        worsen(decision, FLORIN_HOLD_RESOLVED, FLORIN_FIELD_TARGET, 0);
        return;
    }
    if (own->amount == 0) {
        own->amount_minor = posting->hold_minor;
        if (posting->leg_count > 1)
            posting->legs[1].amount_minor = posting->hold_minor;
    }
    if (own->amount_minor > posting->hold_minor)
        worsen(decision, FLORIN_HOLD_EXCEEDED, FLORIN_FIELD_AMOUNT, 0);
}

static void judge_reversal(struct posting *posting, struct posting_decision *decision)
{
    if (posting->kind != FLORIN_REVERSE)
        return;
    enum florin_status status = reversal_split(posting);
    if (status != FLORIN_APPLIED)
        worsen(decision, status, FLORIN_FIELD_AMOUNT, 0);
}

/* What the account may not fall below: a capture frees its own hold first. */
static int64_t floor_of(const struct posting *posting, uint8_t account)
{
    int64_t freed = account == 0 && posting->kind == FLORIN_CAPTURE ? posting->hold_minor : 0;
    return posting->accounts[account].floor_minor - freed;
}

static void apply_leg(struct posting *posting, uint8_t number, struct posting_decision *decision)
{
    struct posting_leg *leg = &posting->legs[number];
    struct posting_account *account = &posting->accounts[leg->account];
    int64_t after;
    if (leg->direction == FLORIN_CREDIT) {
        if (!money_add(account->balance_after_minor, leg->amount_minor, &after)) {
            worsen(decision, FLORIN_BALANCE_OVERFLOW, FLORIN_FIELD_AMOUNT, number);
            return;
        }
    } else if (!money_subtract(account->balance_after_minor, leg->amount_minor, &after) ||
               after < floor_of(posting, leg->account)) {
        worsen(decision, FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_AMOUNT, number);
        return;
    }
    account->balance_after_minor = after;
    account->version_after++;
    leg->balance_after_minor = after;
    leg->version_after = account->version_after;
}

struct posting_decision posting_decide(struct posting *posting)
{
    struct posting_decision decision = {.status = FLORIN_APPLIED};
    bool all_exist = true;
    for (uint8_t i = 0; i < posting->leg_count; i++) {
        judge_leg(posting, i, &decision);
        all_exist = all_exist && posting->accounts[posting->legs[i].account].exists;
    }
    /* Without an account, or an amount, there is nothing to compare or to add. */
    if (!all_exist || decision.status == FLORIN_INVALID_AMOUNT)
        return decision;
    judge_hold(posting, &decision);
    judge_reversal(posting, &decision);
    judge_currencies(posting, &decision);
    for (uint8_t i = 0; i < posting->account_count; i++) {
        struct posting_account *account = &posting->accounts[i];
        account->balance_after_minor = account->balance_minor;
        account->version_after = account->version;
    }
    for (uint8_t i = 0; i < posting->leg_count && decision.status == FLORIN_APPLIED; i++)
        apply_leg(posting, i, &decision);
    return decision;
}

enum florin_field posting_field(enum florin_status status)
{
    switch ((unsigned)status) {
    case FLORIN_ACCOUNT_FROZEN:
    case FLORIN_ACCOUNT_CLOSED:
        return FLORIN_FIELD_ACCOUNT;
    case FLORIN_CURRENCY_MISMATCH:
        return FLORIN_FIELD_TO;
    case FLORIN_UNBALANCED:
        return FLORIN_FIELD_LEGS;
    case FLORIN_VERSION_MISMATCH:
    case FLORIN_PRECONDITION_FAILED:
        return FLORIN_FIELD_EXPECTED_VERSION;
    case FLORIN_BALANCE_CONDITION:
        return FLORIN_FIELD_EXPECTED_BALANCE;
    case FLORIN_INSUFFICIENT_BALANCE:
    case FLORIN_BALANCE_OVERFLOW:
    case FLORIN_HOLD_EXCEEDED:
    case FLORIN_REVERSAL_EXCEEDED:
        return FLORIN_FIELD_AMOUNT;
    case FLORIN_NOT_REVERSIBLE:
    case FLORIN_HOLD_RESOLVED:
        return FLORIN_FIELD_TARGET;
    default:
        return FLORIN_FIELD_NONE;
    }
}

int64_t posting_refused_balance(const struct posting *posting,
                                const struct posting_decision *decision)
{
    return posting_same_currency(posting, 0, decision->leg)
               ? posting->accounts[posting->legs[decision->leg].account].balance_minor
               : 0;
}

/* --- the record -------------------------------------------------------------------------- */

void posting_record(const struct posting *posting, const struct posting_decision *decision,
                    uint64_t time_ns, struct record_leg legs[FLORIN_LEGS_MAX],
                    struct record *record)
{
    const struct posting_account *home = &posting->accounts[0];
    const struct posting_leg *own = &posting->legs[0];
    bool applied = decision->status == FLORIN_APPLIED;
    *record = (struct record){
        .kind = (uint8_t)posting->kind,
        .status = (uint8_t)decision->status,
        .as_admin = posting->as_admin,
        .exponent = home->currency.exponent,
        .time_ns = time_ns,
        .version = applied ? own->version_after : home->version,
        .balance_minor = applied ? own->balance_after_minor : home->balance_minor,
        .amount_minor = own->amount_minor,
        .previous_lsn = home->last_lsn,
        .id = home->id,
        .id_length = home->id_length,
        .key = posting->key,
        .key_length = posting->key_length,
        .request = posting->request,
        .target_lsn = posting->target_id,
    };
    if (!applied) {
        const struct posting_account *refused =
            &posting->accounts[posting->legs[decision->leg].account];
        record->detail = refused->version;
        record->detail_minor = posting_refused_balance(posting, decision);
        record->refused_leg = decision->leg;
        if (posting->kind == FLORIN_REVERSE)
            record->amount_minor = posting->asked_minor;
        return;
    }
    if (posting->kind == FLORIN_REVERSE) {
        record->detail = posting->reversals + 1;
        record->detail_minor = posting->reversed_minor + own->amount_minor;
    }
    record->direction = (uint8_t)own->direction;
    record->leg_count = (uint8_t)(posting->leg_count - 1);
    record->legs = legs;
    for (uint8_t i = 1; i < posting->leg_count; i++) {
        const struct posting_leg *leg = &posting->legs[i];
        const struct posting_account *account = &posting->accounts[leg->account];
        legs[i - 1] = (struct record_leg){
            .id = account->id,
            .id_length = account->id_length,
            .direction = (uint8_t)leg->direction,
            .exponent = account->currency.exponent,
            .version = leg->version_after,
            .balance_minor = leg->balance_after_minor,
            .amount_minor = leg->amount_minor,
            .previous_lsn = account->last_lsn,
        };
    }
}
