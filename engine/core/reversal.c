/* reversal.c - a transaction turned round, whole and in parts.
 *
 * Guarantees: no amount is negative or more than what is left; of what is left all is taken, or of
 * every currency as much in as out. Must not know: where records come from, or who has reversed
 * what.
 */
#include "reversal.h"

#include <string.h>

#include "money.h"

/* 64 amounts add up in it; and so does the product of two. */
__extension__ typedef unsigned __int128 wide;

static enum florin_direction own_direction(const struct record *record)
{
    if (record->kind == FLORIN_DEPOSIT)
        return FLORIN_CREDIT;
    if (record->kind == FLORIN_WITHDRAW)
        return FLORIN_DEBIT;
    return (enum florin_direction)record->direction;
}

static enum florin_direction turned(enum florin_direction direction)
{
    return direction == FLORIN_CREDIT ? FLORIN_DEBIT : FLORIN_CREDIT;
}

uint8_t reversal_legs(const struct record *record, struct florin_leg legs[FLORIN_LEGS_MAX])
{
    const uint8_t *at = record->leg_bytes;
    uint8_t count = 0;

    legs[count++] = (struct florin_leg){
        .account = record->id,
        .account_length = record->id_length,
        .direction = turned(own_direction(record)),
        .amount_minor = record->amount_minor,
    };
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        legs[count++] = (struct florin_leg){
            .account = leg.id,
            .account_length = leg.id_length,
            .direction = turned((enum florin_direction)leg.direction),
            .amount_minor = leg.amount_minor,
        };
    }
    return count;
}

/* Whether a leg of an earlier reversal, which reversal_legs() has turned round once more, can have
 * come from this one. */
static bool is_part_of(const struct florin_leg *taken, const struct florin_leg *leg)
{
    return taken->direction == turned(leg->direction) && taken->amount_minor <= leg->amount_minor &&
           taken->account_length == leg->account_length &&
           memcmp(taken->account, leg->account, leg->account_length) == 0;
}

bool reversal_take_off(struct florin_leg *legs, size_t count, const struct record *reversal)
{
    struct florin_leg taken[FLORIN_LEGS_MAX];

    if (reversal_legs(reversal, taken) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_part_of(&taken[i], &legs[i]))
            return false;
    }
    for (size_t i = 0; i < count; i++)
        legs[i].amount_minor -= taken[i].amount_minor;
    return true;
}

/* What is left of the legs before this one, of its direction and currency. */
static wide sum_before(const struct posting *posting, uint8_t number)
{
    wide sum = 0;
    for (uint8_t i = 0; i < number; i++) {
        const struct posting_leg *leg = &posting->legs[i];
        if (leg->direction == posting->legs[number].direction &&
            posting_same_currency(posting, i, number))
            sum += (uint64_t)leg->amount;
    }
    return sum;
}

/* amount * part / whole, rounded down, where part <= whole < 2^63: no product is out of range. */
static wide scale(wide amount, uint64_t part, uint64_t whole)
{
    return amount / whole * part + amount % whole * part / whole;
}

enum florin_status reversal_split(struct posting *posting)
{
    const struct posting_account *home = &posting->accounts[posting->legs[0].account];
    int64_t left = posting->legs[0].amount;

    posting->asked_minor = posting->asked;
    if (posting->amount_is_decimal) {
        const struct money_decimal decimal = {posting->asked, posting->asked_scale};
        if (!money_to_minor(decimal, home->currency.exponent, &posting->asked_minor))
            return FLORIN_INVALID_AMOUNT;
    }
    int64_t part = posting->asked_minor == 0 ? left : posting->asked_minor;
    if (left == 0 || part > left)
        return FLORIN_REVERSAL_EXCEEDED;
    for (uint8_t i = 0; i < posting->leg_count; i++) {
        wide before = sum_before(posting, i);
        wide up_to = before + (uint64_t)posting->legs[i].amount;
        posting->legs[i].amount_minor = (int64_t)(scale(up_to, (uint64_t)part, (uint64_t)left) -
                                                  scale(before, (uint64_t)part, (uint64_t)left));
    }
    return FLORIN_APPLIED;
}
