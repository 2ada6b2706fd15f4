/* change_request.h - the body of PATCH /accounts/{id}.
 *
 *     {"minimumBalance":"-50.00","status":"frozen","metadata":{"owner":"Alice"},"expectedVersion":7}
 *
 * What is absent stays as it is; there must be something to change. Metadata is replaced as a
 * whole: {} removes it. A change needs no idempotency key: made twice it is the same, and what may
 * have happened in between is what expectedVersion and If-Match are for.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_CHANGE_REQUEST_H
#define FLORIN_HTTP_CHANGE_REQUEST_H

#include "condition.h"
#include "florin.h"
#include "request_headers.h"

struct change_request {
    unsigned changes;                     /* FLORIN_CHANGE_..., not 0 */
    enum florin_account_status status;    /* with FLORIN_CHANGE_STATUS */
    struct money_decimal minimum_balance; /* with FLORIN_CHANGE_MINIMUM_BALANCE; <= 0 */
    char metadata[FLORIN_METADATA_MAX + 1];
    size_t metadata_length;
    struct condition condition;
};

__attribute__((warn_unused_result)) bool change_request_parse(struct change_request *request,
                                                              const char *body, size_t body_length,
                                                              const struct request_headers *headers,
                                                              struct request_fault *fault);

/* "open", "frozen", "closed". */
const char *change_request_status_name(enum florin_account_status status);

#endif
