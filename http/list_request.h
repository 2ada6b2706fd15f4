/* list_request.h - what GET /accounts asks for.
 *
 *     /accounts?after=alice&limit=50&prefix=a
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_LIST_REQUEST_H
#define FLORIN_HTTP_LIST_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/runtime/lister.h"
#include "request_fault.h"

enum {
    /* When the client does not say. */
    LIST_LIMIT_DEFAULT = 50,
};

/* `text` is what stands behind the "?". Sets all of *query but user_data. */
__attribute__((warn_unused_result)) bool list_request_parse(struct lister_query *query,
                                                            const char *text, size_t length,
                                                            struct request_fault *fault);

#endif
