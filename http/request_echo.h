/* request_echo.h - what an answer says that only the request knew; parked with it. */
#ifndef FLORIN_HTTP_REQUEST_ECHO_H
#define FLORIN_HTTP_REQUEST_ECHO_H

#include <stdint.h>

#include "movement_member.h"
#include "transaction_request.h"

struct request_echo {
    struct transaction_spelling spelling;
    /* The account of the path, a transfer's `from`, a hold's owner, that of the first leg. */
    struct named_account account;
    struct named_account to; /* transfer, capture; length 0: none */
    uint64_t target_id;      /* capture, void: the hold; reversal: the transaction */
    uint8_t leg_count;       /* posting, reversal */
    /* Accounts of their legs: in the request's memory, so not to be used when the client has
     * left; NULL: nothing is known of them. */
    const struct named_account *legs;
};

#endif
