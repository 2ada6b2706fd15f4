/* reversal_request.h - the body of a reversal.
 *
 *     POST /transactions/{id}/reversal   {"amount":"20.00"}; {} or nothing: all that is left
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_REVERSAL_REQUEST_H
#define FLORIN_HTTP_REVERSAL_REQUEST_H

#include "florin.h"
#include "movement_member.h"
#include "request_headers.h"

struct reversal_request {
    struct money_decimal amount; /* 0: all that is left */
};

__attribute__((warn_unused_result)) bool
reversal_request_parse(struct reversal_request *request, const char *body, size_t body_length,
                       const struct request_headers *headers, struct request_fault *fault);

/* What the client calls it; NULL: it has no word for it. */
const char *reversal_request_field(enum florin_field field);

#endif
