/* history_request.h - what a GET asks of the past, from its path and its query.
 *
 *     /accounts/{id}/transactions?before=txn131&limit=50&from=...&to=...
 *     /accounts/{id}/balance?version=7    /accounts/{id}/balance?at=2025-05-02T10:24:02Z
 *     /transactions/txn131
 *
 * Times are RFC 3339 in UTC, with `Z` and up to nine decimals.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_HISTORY_REQUEST_H
#define FLORIN_HTTP_HISTORY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/runtime/history.h"
#include "request_fault.h"
#include "route.h"

enum {
    /* When the client does not say. */
    HISTORY_LIMIT_DEFAULT = 50,
};

/* `text` is what stands behind the "?" of a TRANSACTIONS, TRANSACTION or BALANCE route; a balance
 * has one. Sets all of *query but user_data and, for an account's, lsn. */
__attribute__((warn_unused_result)) bool history_request_parse(struct history_query *query,
                                                               const struct route_match *match,
                                                               const char *text, size_t length,
                                                               struct request_fault *fault);

/* Unix nanoseconds of a time from 1970 to 2261. */
__attribute__((warn_unused_result)) bool history_request_time(const char *text, uint64_t *time_ns);

#endif
