/* history_exchange.h - between a question about the past and its answer.
 *
 *     begin -> parked -> the account's newest LSN (a read, worker.h) -> history_submit()
 *                                                                            |
 *              answer <- JSON, a page of 64 KiB of records at a time <- history_reap()
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_HTTP_HISTORY_EXCHANGE_H
#define FLORIN_HTTP_HISTORY_EXCHANGE_H

#include <stdbool.h>

#include "engine/runtime/history.h"
#include "http_worker.h"

/* Parks the request, which is answered later; or the error with which to refuse it now. The ledger
 * is ready. */
enum error_code history_exchange_begin(struct http_worker *worker, h2o_req_t *request,
                                       enum route route, const struct answer_style *style,
                                       const struct history_query *query);

/* The read that came first has its result; `entry` is parked with a history. */
void history_exchange_go_on(struct http_worker *worker, struct parked_request *entry,
                            const struct florin_result *result);

/* Answers one that is ready; whether there was one. One at a time: a page of 500 takes the loop a
 * quarter of a millisecond. */
bool history_exchange_answer(struct http_worker *worker);

/* ERROR_NONE: it was found. */
enum error_code history_exchange_error(const struct history_answer *found);

struct reversal_list;

/* An answer as a client gets it, of a transaction with its reversals (NULL: none are known).
 * `memory`, NULL or to be freed, holds the body and outlives it. */
void history_exchange_write(struct answer *answer, const struct history_answer *found,
                            const struct reversal_list *reversals, const struct answer_style *style,
                            void **memory);

#endif
