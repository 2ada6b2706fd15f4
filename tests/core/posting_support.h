/* posting_support.h - postings for tests: legs, commands, and accounts of 1000 at version 5. */
#ifndef TESTS_CORE_POSTING_SUPPORT_H
#define TESTS_CORE_POSTING_SUPPORT_H

#include "support.h"

#include "engine/core/posting.h"

static struct hash_secret secret;

static inline struct florin_leg leg_make(const char *account, enum florin_direction direction,
                                         int64_t amount)
{
    return (struct florin_leg){
        .account = account,
        .account_length = strlen(account),
        .direction = direction,
        .amount_minor = amount,
    };
}

static inline struct florin_command command_of_legs(enum florin_command_kind kind,
                                                    const struct florin_leg *legs, size_t count)
{
    return (struct florin_command){
        .kind = kind,
        .account = legs[0].account,
        .account_length = legs[0].account_length,
        .legs = legs,
        .leg_count = count,
    };
}

static inline struct florin_command transfer_make(const char *from, const char *to, int64_t amount)
{
    return (struct florin_command){
        .kind = FLORIN_TRANSFER,
        .account = from,
        .account_length = strlen(from),
        .to = to,
        .to_length = strlen(to),
        .amount_minor = amount,
    };
}

/* An account of 1000 minor units at version 5. */
static inline void give_state(struct posting_account *account, const char *code, uint8_t exponent)
{
    account->exists = true;
    account->status = FLORIN_STATE_OPEN;
    account->currency = (struct currency){.exponent = exponent};
    memcpy(account->currency.code, code, strlen(code));
    account->balance_minor = 1000;
    account->floor_minor = 0;
    account->version = 5;
    account->last_lsn = 77;
}

static inline struct posting *posting_make(const struct florin_command *command)
{
    static struct posting posting;
    enum florin_field field;
    uint8_t leg;
    assert_int_equal(posting_check(command, &field, &leg), FLORIN_APPLIED);
    memset(&posting, 0xa5, sizeof(posting)); /* nothing is taken from the posting before */
    posting_init(&posting, command, &secret);
    for (uint8_t i = 0; i < posting.account_count; i++)
        give_state(&posting.accounts[i], "USD", 2);
    return &posting;
}

#endif
