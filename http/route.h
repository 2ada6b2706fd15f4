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
    X(ACCOUNTS, "accounts", "POST")                                                                \
    X(ACCOUNT, "account", "GET, HEAD")                                                             \
    X(BALANCE, "balance", "GET, HEAD")                                                             \
    X(TRANSACTIONS, "transactions", "GET, HEAD, POST")                                             \
    X(TRANSACTION, "transaction", "GET, HEAD")                                                     \
    X(WITHDRAW, "withdraw", "POST")                                                                \
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

struct route_match {
    enum route route;
    /* Of routes below an account: the id, percent-decoded. Not valid: length 0. */
    char account[FLORIN_ACCOUNT_ID_MAX];
    size_t account_length;
    /* Of routes below a transaction: its number. Not an id: 0. */
    uint64_t transaction;
};

/* `path` is as it came, without the query. */
void route_find(const char *path, size_t path_length, struct route_match *match);

/* "txn131": the number behind it; 0: it is no transaction's id. */
uint64_t route_transaction(const char *text, size_t length);

const char *route_name(enum route route);

/* For the header Allow. */
const char *route_allow(enum route route);
bool route_allows(enum route route, const char *method, size_t method_length);

#endif
