/* parked.h - requests that wait for their result, found again by a token.
 *
 *     parked_add()      before the command is submitted; its token is the command's user_data
 *     parked_find()     when the result comes
 *     parked_remove()   hands the request back, or NULL when the client has left meanwhile
 *
 * libh2o frees a request of HTTP/2 at once when its client leaves. A guard in the request's own
 * memory pool notices that: its disposal clears the entry's pointer, and the result, which comes
 * nevertheless, finds nobody to answer. The entry itself stays taken until then.
 *
 * Thread: the worker's.
 */
#ifndef FLORIN_HTTP_PARKED_H
#define FLORIN_HTTP_PARKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "h2o_embed.h"
#include "request_echo.h"
#include "route.h"

struct account_page;
struct history_query;
struct parked_guard;
struct parked_reversal;
struct reversal_list;

struct parked_request {
    h2o_req_t *request; /* NULL: the client has left */
    struct parked_guard *guard;
    uint32_t generation; /* odd: taken. Grows with every use, so that old tokens do not fit */
    uint32_t next_free;
    /* What the answer needs; the request's own memory must not be read after parking. */
    enum route route;
    struct history_query *history; /* in the request's memory; NULL: it asks nothing of the past */
    struct account_page *page;     /* list_exchange.c's; NULL: it asks for no list */
    struct reversal_list *reversals;  /* likewise, of a transaction that is read */
    struct parked_reversal *reversal; /* likewise, until it is submitted */
    struct answer_style style;
    struct request_echo echo;
};

struct parked {
    struct parked_request *entries;
    uint32_t capacity;
    uint32_t count;
    uint32_t first_free;
};

/* 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int parked_init(struct parked *parked, uint32_t capacity);
void parked_deinit(struct parked *parked);

/* NULL: full. The caller fills in what stands below generation and next_free. */
struct parked_request *parked_add(struct parked *parked, h2o_req_t *request);

uint64_t parked_token(const struct parked *parked, const struct parked_request *entry);
struct parked_request *parked_find(struct parked *parked, uint64_t token);

/* The request to answer now, or NULL. The entry is free after it. */
h2o_req_t *parked_remove(struct parked *parked, struct parked_request *entry);

#endif
