/* command_request.h - what a request asks of the engine: path, query, headers and body to one
 * command, and to what its answer will say of the request.
 *
 * Here is the list of calls that change or read an account; each has a parser of its body.
 *
 * Thread: any.
 */
#ifndef FLORIN_HTTP_COMMAND_REQUEST_H
#define FLORIN_HTTP_COMMAND_REQUEST_H

#include "account_request.h"
#include "change_request.h"
#include "florin.h"
#include "hold_request.h"
#include "posting_request.h"
#include "request_echo.h"
#include "request_headers.h"
#include "reversal_request.h"
#include "route.h"
#include "transfer_request.h"
#include "withdraw.h"

/* The parameters of a query. */
struct command_flags {
    bool dry_run;
    bool as_admin;
    bool atomic;
};

/* Calls that change something know dryRun, those that move money asAdmin besides, batches atomic.
 * The seed's withdrawal has no parameters, since its answer cannot say that it was a try. */
__attribute__((warn_unused_result)) bool command_flags_parse(struct command_flags *flags,
                                                             enum route route, bool is_read,
                                                             const char *query, size_t query_length,
                                                             struct request_fault *fault);

struct command_source {
    const struct route_match *match;
    bool is_read; /* GET or HEAD */
    struct command_flags flags;
    const struct request_headers *headers;
    const char *body;
    size_t body_length;
};

/* Not to be copied: its pointers point into it, and into the source. */
struct command_request {
    struct florin_command command;
    struct request_echo echo;
    union {
        struct transaction_request transaction;
        struct account_request account;
        struct change_request change;
        struct transfer_request transfer;
        struct posting_request posting;
        struct hold_request hold;
        struct capture_request capture;
        struct reversal_request reversal;
        struct withdraw_request withdraw;
    } body;
};

/* For routes that need the engine (asserted). false: *fault says what is wrong. */
__attribute__((warn_unused_result)) bool command_request_read(struct command_request *request,
                                                              const struct command_source *source,
                                                              struct request_fault *fault);

/* The same from an item of a batch: the call whose body it has besides `type` and what stands in
 * that call's path (`account` or `hold`) is `route`, one that moves money. The command has no key
 * and no flags. `besides`: all names that an item has more than a body. */
__attribute__((warn_unused_result)) bool command_request_take(struct command_request *request,
                                                              enum route route,
                                                              const struct json_object *object,
                                                              const struct json_names *besides,
                                                              struct request_fault *fault);

#endif
