/* withdraw.h - the seed's withdrawal: POST /withdraw, with exactly the seed's members.
 *
 * It does not know money=string, problem+json, codes or outcomes; the rest of the API does.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_WITHDRAW_H
#define FLORIN_HTTP_WITHDRAW_H

#include <stdbool.h>
#include <stddef.h>

#include "answer.h"
#include "engine/core/money.h"
#include "error_code.h"
#include "florin.h"
#include "request_fault.h"

struct withdraw_request {
    char account[FLORIN_ACCOUNT_ID_MAX];
    size_t account_length;
    struct money_decimal amount; /* > 0 */
};

__attribute__((warn_unused_result)) bool withdraw_request_parse(struct withdraw_request *request,
                                                                const char *body,
                                                                size_t body_length,
                                                                struct request_fault *fault);

/* The answer to a result of the engine. */
void withdraw_answer(struct answer *answer, const struct florin_result *result, const char *account,
                     size_t account_length);

/* The answer to what was refused before the engine saw it. */
void withdraw_refuse(struct answer *answer, enum error_code code);

#endif
