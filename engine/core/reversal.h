/* reversal.h - what is left of a transaction, and the part of that which a reversal takes.
 *
 * A reversal's legs are those of its transaction, turned round, in their order: the account of the
 * first leg is the same, and so is its place. Whoever looks up the transaction's record makes them
 * (reversal_legs()), and takes off what each earlier reversal gave (reversal_take_off()); what is
 * left then is decided as a posting, of which reversal_split() takes the part that was asked for.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_REVERSAL_H
#define FLORIN_CORE_REVERSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin.h"
#include "posting.h"
#include "record.h"

/* The legs of an applied record that moved money, turned round; returns how many. Their ids are the
 * record's. */
uint8_t reversal_legs(const struct record *record, struct florin_leg legs[FLORIN_LEGS_MAX]);

/* Takes off what an earlier reversal gave. false: its legs are others, and nothing is changed. */
__attribute__((warn_unused_result)) bool reversal_take_off(struct florin_leg *legs, size_t count,
                                                           const struct record *reversal);

/* Sets the amounts of a reversal's legs to the part that was asked for, of what is left; the first
 * leg's is exactly that. Of every leg the same part, in whole minor units: of each currency and
 * direction the legs up to each one give together the exact part, rounded down, and a leg gives
 * what that is more than the legs before it. So both sides of a currency give the same, a leg never
 * gives more than it has left, and parts add up to the whole.
 *
 * INVALID_AMOUNT: it has more decimals than the currency; REVERSAL_EXCEEDED: more than what is
 * left; then the amounts are as they were. Needs the home account's currency. */
enum florin_status reversal_split(struct posting *posting);

#endif
