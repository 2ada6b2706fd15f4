/* hold_request.h - the bodies of holds and of their ends.
 *
 *     POST /accounts/{id}/holds   {"amount":"25.00","expiresIn":3600,
 *                                  "expectedVersion":7,"expectedBalanceAtLeast":"50.00"}
 *     POST /holds/{id}/capture    {"amount":"20.00","to":"shop"}; {} or nothing: all of it, out of
 *                                 the ledger
 *     POST /holds/{id}/void       {} or nothing
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_HOLD_REQUEST_H
#define FLORIN_HTTP_HOLD_REQUEST_H

#include "condition.h"
#include "florin.h"
#include "movement_member.h"
#include "request_headers.h"

/* Seconds: ten years, the longest that card schemes, escrow and deposits ask for, and far from
 * where a Unix time in nanoseconds ends. */
#define HOLD_EXPIRES_IN_MAX UINT64_C(315360000)

struct hold_request {
    struct money_decimal amount; /* > 0 */
    uint64_t expires_in_ns;      /* 0: never */
    struct condition condition;
};

struct capture_request {
    struct money_decimal amount; /* 0: all of it */
    struct named_account to;     /* length 0: out of the ledger */
};

__attribute__((warn_unused_result)) bool hold_request_parse(struct hold_request *request,
                                                            const char *body, size_t body_length,
                                                            const struct request_headers *headers,
                                                            struct request_fault *fault);

__attribute__((warn_unused_result)) bool
capture_request_parse(struct capture_request *request, const char *body, size_t body_length,
                      const struct request_headers *headers, struct request_fault *fault);

/* There is nothing to say. */
__attribute__((warn_unused_result)) bool void_request_parse(const char *body, size_t body_length,
                                                            const struct request_headers *headers,
                                                            struct request_fault *fault);

/* From items of a batch, which have more members: no headers stand for any. */
__attribute__((warn_unused_result)) bool hold_request_take(struct hold_request *request,
                                                           const struct json_object *object,
                                                           const struct json_names *besides,
                                                           struct request_fault *fault);

__attribute__((warn_unused_result)) bool capture_request_take(struct capture_request *request,
                                                              const struct json_object *object,
                                                              const struct json_names *besides,
                                                              struct request_fault *fault);

__attribute__((warn_unused_result)) bool void_request_take(const struct json_object *object,
                                                           const struct json_names *besides,
                                                           struct request_fault *fault);

#endif
