/* exchange_internal.h - a request while it is being read, and what is done with it.
 *
 * exchange.c has the way of commands; exchange_direct.c the calls that need none.
 *
 * Private to the exchange. Thread: the worker's.
 */
#ifndef FLORIN_HTTP_EXCHANGE_INTERNAL_H
#define FLORIN_HTTP_EXCHANGE_INTERNAL_H

#include "answer.h"
#include "command_request.h"
#include "http_worker.h"
#include "request_headers.h"
#include "route.h"

/* A request while it is being read. */
struct exchange {
    struct http_worker *worker;
    h2o_req_t *request;
    struct route_match match;
    struct answer_style style;
    struct command_flags flags;
    struct request_headers headers;
};

bool exchange_is_read(const struct exchange *exchange); /* GET or HEAD */

/* Each of these is the one answer. `request` NULL: the client has left. */
void exchange_send(struct http_worker *worker, enum route route, h2o_req_t *request,
                   const struct answer *answer);
void exchange_refuse(struct exchange *exchange, enum error_code code);
void exchange_refuse_fault(struct exchange *exchange, const struct request_fault *fault);
void exchange_refuse_recovering(struct exchange *exchange);

/* Refuses while the ledger is not at work; whether it is. */
bool exchange_check_ready(struct exchange *exchange);

/* Calls that need no command. */
void exchange_get_health(struct exchange *exchange);
void exchange_get_readiness(struct exchange *exchange);
void exchange_get_metrics(struct exchange *exchange);
void exchange_checkpoint(struct exchange *exchange);
void exchange_backup(struct exchange *exchange);
void exchange_follow_events(struct exchange *exchange);
void exchange_ask_history(struct exchange *exchange);
void exchange_list_accounts(struct exchange *exchange);

#endif
