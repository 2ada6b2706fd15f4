/* transaction_request.h - the body of POST /accounts/{id}/transactions, in both spellings.
 *
 *     {"type":"Deposit","amount":49,"expectedVersion":7,"expectedBalanceAtLeast":100}
 *     {"typeOfTransaction":"Deposit","moneyWithdraw/Deposit":49,"expectedversion":7}
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_TRANSACTION_REQUEST_H
#define FLORIN_HTTP_TRANSACTION_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/money.h"
#include "florin.h"
#include "json_object.h"
#include "request_fault.h"
#include "request_headers.h"

/* The version came as If-Match: `expected_version` of a spelling. */
enum { TRANSACTION_SPELLING_IF_MATCH = 2 };

/* How the client spells a field: an index into the table of names. */
struct transaction_spelling {
    uint8_t type;
    uint8_t amount;
    uint8_t expected_version;
};

struct transaction_request {
    enum florin_command_kind kind; /* FLORIN_DEPOSIT or FLORIN_WITHDRAW */
    struct money_decimal amount;   /* > 0 */
    uint64_t expected_version;     /* 0: any */
    bool expected_by_precondition; /* it came as If-Match */
    bool has_expected_balance;
    struct money_decimal expected_balance; /* at least; of any sign */
    struct transaction_spelling spelling;
};

/* Reads the body, and If-Match from the headers. */
__attribute__((warn_unused_result)) bool
transaction_request_parse(struct transaction_request *request, const char *body, size_t body_length,
                          const struct request_headers *headers, struct request_fault *fault);

/* A member that says which way money moves: FLORIN_DEPOSIT or FLORIN_WITHDRAW. */
__attribute__((warn_unused_result)) bool transaction_request_kind(const struct json_object *object,
                                                                  const char *name,
                                                                  enum florin_command_kind *kind,
                                                                  struct request_fault *fault);
/* From an item of a batch, which has more members: no headers stand for any. */
__attribute__((warn_unused_result)) bool
transaction_request_take(struct transaction_request *request, const struct json_object *object,
                         const struct json_names *besides, struct request_fault *fault);

/* What the client calls a field that the engine speaks of. */
const char *transaction_request_field(enum florin_field field,
                                      struct transaction_spelling spelling);

#endif
