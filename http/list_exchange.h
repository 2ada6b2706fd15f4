/* list_exchange.h - between GET /accounts and its answer.
 *
 *     begin -> parked -> lister_submit() ... lister_reap() -> a read of each account (worker.h)
 *                                                                    |
 *                                            answer <- JSON of all of them
 *
 * The reads come one after the other, so that a page has one command in flight, and is written in
 * its order.
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_HTTP_LIST_EXCHANGE_H
#define FLORIN_HTTP_LIST_EXCHANGE_H

#include <stdbool.h>

#include "engine/runtime/lister.h"
#include "http_worker.h"

/* Parks the request, which is answered later; or the error with which to refuse it now. The ledger
 * is ready. */
enum error_code list_exchange_begin(struct http_worker *worker, h2o_req_t *request,
                                    enum route route, const struct answer_style *style,
                                    const struct lister_query *query);

/* One of its accounts was read; `entry` is parked with a list. */
void list_exchange_go_on(struct http_worker *worker, struct parked_request *entry,
                         const struct florin_result *result);

/* Begins to read the accounts of a page that is there; whether there was one. */
bool list_exchange_answer(struct http_worker *worker);

#endif
