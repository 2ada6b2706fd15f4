/* transfer_request.h - the body of POST /transfers.
 *
 *     {"from":"alice","to":"bob","amount":"10.00",
 *      "expectedFromVersion":7,"expectedToVersion":3,"expectedFromBalanceAtLeast":"50.00"}
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_TRANSFER_REQUEST_H
#define FLORIN_HTTP_TRANSFER_REQUEST_H

#include "condition.h"
#include "florin.h"
#include "movement_member.h"
#include "request_headers.h"

struct transfer_request {
    struct named_account from;
    struct named_account to; /* another one */
    struct money_decimal amount;
    struct condition from_condition;
    uint64_t expected_to_version; /* 0: any */
};

__attribute__((warn_unused_result)) bool
transfer_request_parse(struct transfer_request *request, const char *body, size_t body_length,
                       const struct request_headers *headers, struct request_fault *fault);

/* From an item of a batch, which has more members: no headers stand for any. */
__attribute__((warn_unused_result)) bool transfer_request_take(struct transfer_request *request,
                                                               const struct json_object *object,
                                                               const struct json_names *besides,
                                                               struct request_fault *fault);

/* What the client calls a field that the engine speaks of. */
const char *transfer_request_field(enum florin_field field);

#endif
