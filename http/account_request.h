/* account_request.h - the body of POST /accounts.
 *
 *     {"id":"alice","currency":"USD","balance":"10.00","minimumBalance":"-50.00","metadata":{}}
 *
 * Everything may be absent: the id is then made (from the idempotency key, so that a retry means
 * the same account; else at random), the currency is USD, the rest zero and empty.
 *
 * Thread: any.
 */
#ifndef FLORIN_HTTP_ACCOUNT_REQUEST_H
#define FLORIN_HTTP_ACCOUNT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/money.h"
#include "florin.h"
#include "request_fault.h"
#include "request_headers.h"

struct account_request {
    char id[FLORIN_ACCOUNT_ID_MAX];
    size_t id_length;
    char currency[FLORIN_CURRENCY_MAX];
    size_t currency_length;               /* at least 1 */
    struct money_decimal balance;         /* >= 0 */
    struct money_decimal minimum_balance; /* <= 0 */
    char metadata[FLORIN_METADATA_MAX + 1];
    size_t metadata_length;
};

__attribute__((warn_unused_result)) bool
account_request_parse(struct account_request *request, const char *body, size_t body_length,
                      const struct request_headers *headers, struct request_fault *fault);

#endif
