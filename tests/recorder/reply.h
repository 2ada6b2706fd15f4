/* reply.h - what an answer of the server says of a request, in the words of a history.
 *
 * Thread: any; pure.
 */
#ifndef TESTS_RECORDER_REPLY_H
#define TESTS_RECORDER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histories/history.h"
#include "recorder/request.h"
#include "support/http_client.h"

struct reply {
    enum history_outcome outcome;
    bool again;  /* not applied, or unknown: the same key will find the truth */
    bool closes; /* the server closes the connection */
    uint64_t lsn;
    size_t leg;       /* what the answer tells is of this one */
    uint64_t version; /* 0: not told */
    int64_t balance;  /* HISTORY_UNKNOWN: not told */
    int64_t held;
};

/* false: no answer to such a request in these tests. */
bool reply_read(const struct request *request, const struct http_response *response,
                struct reply *reply);

/* The same of a read of an account, of which the balance, and perhaps what is held, comes back. */
bool reply_read_account(const struct http_response *response, struct reply *reply);

#endif
