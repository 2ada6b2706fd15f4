/* reversal_exchange.h - between a reversal and its answer.
 *
 *     begin -> parked -> history_submit(): the transaction, which says whose it is
 *                              |
 *                        go_on -> worker_submit() -> exchange_finish()
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_HTTP_REVERSAL_EXCHANGE_H
#define FLORIN_HTTP_REVERSAL_EXCHANGE_H

#include "command_request.h"
#include "engine/runtime/history.h"
#include "http_worker.h"

/* Parks the request, which is answered later; or the error with which to refuse it now. */
enum error_code reversal_exchange_begin(struct http_worker *worker, h2o_req_t *request,
                                        const struct answer_style *style,
                                        const struct command_request *asked);

/* The transaction was read, or was not; `entry` is parked with a reversal. */
void reversal_exchange_go_on(struct http_worker *worker, struct parked_request *entry,
                             const struct history_answer *found);

#endif
