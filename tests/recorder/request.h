/* request.h - one change that a client asks for: as HTTP, and as the legs of a history.
 *
 * Accounts are numbers from 1 on, "a7" for the server; keys are numbers, "k31" for the server. The
 * bytes of a request depend on what it asks for only: an attempt more is the same bytes again.
 *
 * Thread: any; pure.
 */
#ifndef TESTS_RECORDER_REQUEST_H
#define TESTS_RECORDER_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "histories/history.h"

enum {
    REQUEST_LEGS_MAX = 5,
    REQUEST_PATH_BYTES = 96,
    REQUEST_BODY_BYTES = 1024,
};

struct request {
    enum history_kind kind;
    uint64_t key;
    uint64_t refers_to; /* the hold */
    size_t legs_count;
    struct history_leg legs[REQUEST_LEGS_MAX];
    char path[REQUEST_PATH_BYTES];
    char body[REQUEST_BODY_BYTES];
};

/* A hold that somebody was told of. */
struct request_hold {
    uint64_t lsn;
    uint64_t account;
    int64_t amount;
};

/* Amounts in cents, above zero. A leg's expected version 0: nothing is expected. */

/* HISTORY_DEPOSIT or HISTORY_WITHDRAW, of one leg. */
void request_make_single(struct request *request, enum history_kind kind, uint64_t key,
                         struct history_leg leg);
/* legs[0] is debited by what legs[1] gets. */
void request_make_transfer(struct request *request, uint64_t key, const struct history_leg legs[2]);
/* 2 to REQUEST_LEGS_MAX legs that add up to 0; the key is of the first one's account. */
void request_make_posting(struct request *request, uint64_t key, const struct history_leg *legs,
                          size_t count);
/* The leg's held_delta is set aside, for `seconds`; 0: for ever. */
void request_make_hold(struct request *request, uint64_t key, struct history_leg leg,
                       unsigned seconds);
/* `amount` 0: all of it, said by saying nothing. `to` 0: out of the ledger. */
void request_make_capture(struct request *request, uint64_t key, const struct request_hold *hold,
                          int64_t amount, uint64_t to);
void request_make_void(struct request *request, uint64_t key, const struct request_hold *hold);

#endif
