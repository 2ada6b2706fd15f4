/* condition.h - what a request expects of an account before it changes it.
 *
 *     "expectedVersion":7, "expectedBalanceAtLeast":"100.00", If-Match: "7"
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_CONDITION_H
#define FLORIN_HTTP_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "json_object.h"
#include "request_fault.h"
#include "request_headers.h"

struct condition {
    uint64_t expected_version; /* 0: any */
    bool by_precondition;      /* it came as If-Match */
    bool has_expected_balance;
    struct money_decimal expected_balance; /* of any sign */
};

/* Members of these names, which may be absent. */
__attribute__((warn_unused_result)) bool
condition_parse(struct condition *condition, const struct json_object *object,
                const char *version_name, const char *balance_name, struct request_fault *fault);

/* Where the path names the account: If-Match stands for the version. */
__attribute__((warn_unused_result)) bool
condition_take_if_match(struct condition *condition, const struct request_headers *headers,
                        const char *version_name, struct request_fault *fault);

/* Where it does not: an If-Match that asks for a version is refused, since it would be ignored. */
__attribute__((warn_unused_result)) bool
condition_refuse_if_match(const struct request_headers *headers, struct request_fault *fault);

#endif
