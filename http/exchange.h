/* exchange.h - one request and its answer: from libh2o to the engine and back.
 *
 * Private to http/.
 */
#ifndef FLORIN_HTTP_EXCHANGE_H
#define FLORIN_HTTP_EXCHANGE_H

#include "http_worker.h"

/* Registers the handler of all requests at `path`, which is "/". Thread: the worker's. */
void exchange_register(struct http_worker *worker, h2o_pathconf_t *path);

/* Answers the request that a result belongs to. Thread: the worker's. */
void exchange_finish(struct http_worker *worker, const struct florin_result *result);

#endif
