/* posting_request.h - the body of POST /postings.
 *
 *     {"legs":[{"account":"alice","type":"Debit","amount":"10.00","expectedVersion":7,
 *               "expectedBalanceAtLeast":"50.00"},
 *              {"account":"shop","type":"Credit","amount":"9.70"},
 *              {"account":"fees","type":"Credit","amount":"0.30"}]}
 *
 * A fault in a leg names it: "legs[1].amount".
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_POSTING_REQUEST_H
#define FLORIN_HTTP_POSTING_REQUEST_H

#include "florin.h"
#include "movement_member.h"
#include "request_headers.h"

enum { POSTING_LEGS_MIN = 2 };

struct posting_request {
    size_t leg_count; /* POSTING_LEGS_MIN to FLORIN_LEGS_MAX */
    struct named_account accounts[FLORIN_LEGS_MAX];
    /* Amounts are decimals; accounts are those above, so that a copy of this is none. */
    struct florin_leg legs[FLORIN_LEGS_MAX];
};

/* Whether the legs balance is the engine's to judge, which knows currencies. */
__attribute__((warn_unused_result)) bool
posting_request_parse(struct posting_request *request, const char *body, size_t body_length,
                      const struct request_headers *headers, struct request_fault *fault);

/* From an item of a batch, which has more members: no headers stand for any. */
__attribute__((warn_unused_result)) bool posting_request_take(struct posting_request *request,
                                                              const struct json_object *object,
                                                              const struct json_names *besides,
                                                              struct request_fault *fault);

/* What the client calls a field that the engine speaks of, within a leg. */
const char *posting_request_leg_field(enum florin_field field);

#endif
