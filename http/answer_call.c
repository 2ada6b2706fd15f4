/* answer_call.c - from a call and its result to the answer.
 *
 * It must not know connections, nor whether the call was a request or an item of a batch.
 */
#include "answer_call.h"

#include <stdlib.h>

#include "answer_movement.h"
#include "withdraw.h"

void answer_call(struct answer *answer, enum route route, const struct florin_result *result,
                 const struct request_echo *echo, const struct answer_style *style)
{
    switch (route) {
    case ROUTE_BALANCE:
        answer_balance(answer, result, style);
        return;
    case ROUTE_ACCOUNT:
    case ROUTE_ACCOUNTS:
        answer_account(answer, result, echo->account.id, echo->account.length, echo->spelling,
                       style);
        return;
    case ROUTE_TRANSACTIONS:
        answer_transaction(answer, result, echo->spelling, style);
        return;
    case ROUTE_TRANSFERS:
        answer_transfer(answer, result, echo, style);
        return;
    case ROUTE_POSTINGS:
        answer_posting(answer, result, echo, style);
        return;
    case ROUTE_HOLDS:
        answer_hold(answer, result, echo, style);
        return;
    case ROUTE_CAPTURE:
        answer_capture(answer, result, echo, style);
        return;
    case ROUTE_REVERSAL:
        answer_reversal(answer, result, echo, style);
        return;
    case ROUTE_VOID:
        answer_void(answer, result, echo, style);
        return;
    case ROUTE_WITHDRAW:
        withdraw_answer(answer, result, echo->account.id, echo->account.length);
        return;
    case ROUTE_NONE:
    case ROUTE_BATCH:
    case ROUTE_HEALTHZ:
    case ROUTE_READYZ:
    case ROUTE_METRICS:
    case ROUTE_CHECKPOINT:
    case ROUTE_BACKUP:
    case ROUTE_EVENTS:
    case ROUTE_TRANSACTION:
    case ROUTE_COUNT:
        break;
    }
    abort(); /* a route that parks nothing */
}
