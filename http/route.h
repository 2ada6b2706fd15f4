/* route.h - which call a method and a path mean.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_ROUTE_H
#define FLORIN_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"

/* X(NAME, name in metrics, methods allowed) */
#define ROUTE_LIST(X)                                                                              \
    X(NONE, "none", "")                                                                            \
    X(ACCOUNTS, "accounts", "GET, HEAD, POST")                                                     \
    X(ACCOUNT, "account", "GET, HEAD, PATCH")                                                      \
    X(BALANCE, "balance", "GET, HEAD")                                                             \
    X(TRANSACTIONS, "transactions", "GET, HEAD, POST")                                             \
    X(TRANSACTION, "transaction", "GET, HEAD")                                                     \
    X(REVERSAL, "reversal", "POST")                                                                \
    X(TRANSFERS, "transfers", "POST")                                                              \
    X(POSTINGS, "postings", "POST")                                                                \
    X(HOLDS, "holds", "POST")                                                                      \
    X(CAPTURE, "hold_capture", "POST")                                                             \
    X(VOID, "hold_void", "POST")                                                                   \
    X(WITHDRAW, "withdraw", "POST")                                                                \
    X(EVENTS, "events", "GET")                                                                     \
    X(BATCH, "batch", "POST")                                                                      \
    X(HEALTHZ, "healthz", "GET, HEAD")                                                             \
    X(READYZ, "readyz", "GET, HEAD")                                                               \
    X(METRICS, "metrics", "GET, HEAD")                                                             \
    X(CHECKPOINT, "admin_checkpoint", "GET, HEAD, POST")                                           \
    X(BACKUP, "admin_backup", "GET")

enum route {
#define X(name, text, allow) ROUTE_##name,
    ROUTE_LIST(X)
#undef X
        ROUTE_COUNT
};

/* What a path names besides the call. */
enum route_subject {
    ROUTE_SUBJECT_NONE,
    ROUTE_SUBJECT_ACCOUNT,
    ROUTE_SUBJECT_HOLD,
    ROUTE_SUBJECT_TRANSACTION,
};

struct route_match {
    enum route route;
    enum route_subject subject;
    /* The account's id, or that of the hold's account, percent-decoded. Not a valid id of an
     * account or of a hold: length 0. */
    char account[FLORIN_ACCOUNT_ID_MAX];
    size_t account_length;
    uint64_t target_id; /* the hold, or the transaction; not an id: 0 */
};

/* `path` is as it came, without the query. */
void route_find(const char *path, size_t path_length, struct route_match *match);

const char *route_name(enum route route);

/* The most bytes that its body may have. */
size_t route_body_max(enum route route);

/* What its body may be, with ", " between types. */
const char *route_media_types(enum route route);

/* For the header Allow. */
const char *route_allow(enum route route);
bool route_allows(enum route route, const char *method, size_t method_length);

#endif
