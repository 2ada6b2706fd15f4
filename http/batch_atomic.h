/* batch_atomic.h - items of a batch that are one command: all of them or none.
 *
 * Deposits, withdrawals, transfers and postings become legs of one FLORIN_BATCH command, in their
 * order, and so one record. The legs of a transfer or a posting are a group of their own: the
 * engine sees to it that they balance. The key is the request's, and unique on the first item's
 * account.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_BATCH_ATOMIC_H
#define FLORIN_HTTP_BATCH_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command_request.h"
#include "florin.h"
#include "request_fault.h"

struct batch_atomic_item {
    enum route route; /* of the call that it is the body of */
    uint8_t first_leg;
    uint8_t leg_count;
    struct money_decimal amount; /* as it was asked; not of postings */
    struct request_echo echo;    /* without legs */
};

/* Not to be copied: the legs point into it. Zeroed is empty. */
struct batch_atomic {
    struct command_flags flags;
    char key[FLORIN_KEY_MAX];
    size_t key_length; /* 0: none */
    bool amounts_are_decimal;
    uint8_t item_count;
    uint8_t leg_count;
    struct batch_atomic_item items[FLORIN_LEGS_MAX];
    struct named_account accounts[FLORIN_LEGS_MAX]; /* of the legs */
    struct florin_leg legs[FLORIN_LEGS_MAX];
    struct florin_result result; /* what became of it */
};

/* Adds an item. `echo` NULL: nobody will ask for its words (the binary form). false: it cannot be a
 * part of an atomic batch, or there is no room for its legs. */
__attribute__((warn_unused_result)) bool batch_atomic_add(struct batch_atomic *atomic,
                                                          const struct florin_command *command,
                                                          const struct request_echo *echo,
                                                          struct request_fault *fault);

/* The one command; points into `atomic`. There are items. */
void batch_atomic_command(const struct batch_atomic *atomic, struct florin_command *command);

/* The item that a refusal speaks of; item_count: of the whole. */
uint8_t batch_atomic_refused_item(const struct batch_atomic *atomic);

/* The refusal as that item's own call would get it. */
struct florin_result batch_atomic_item_result(const struct batch_atomic *atomic, uint8_t item);

#endif
