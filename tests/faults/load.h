/* load.h - clients that deposit into accounts of their own and forget nothing that they were told.
 *
 *     load_open_accounts()
 *     load_start()      a thread a client; each sends one deposit after the other
 *     load_wait()       until so much has happened
 *     load_stop()
 *     load_resolve()    sends again what was not applied or got no definite answer: now it is
 *                       applied, and not for the second time if it was called not applied
 *     load_verify()     every answer once more, byte for byte; versions and balances without a gap
 *
 * A client that is refused with 503 sends the same deposit again a little later; one that gets 408
 * or no answer at all ends. Any other answer ends the test program.
 */
#ifndef FLORIN_TESTS_LOAD_H
#define FLORIN_TESTS_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/http_client.h"

enum {
    /* So few that a group of all of them is 4 KiB, the least that is written. */
    LOAD_CLIENTS = 4,
    LOAD_ANSWER_BYTES = 256,
};

struct load_change {
    bool is_answered; /* 201 */
    bool is_refused;  /* 408, "not_applied" */
    char answer[LOAD_ANSWER_BYTES];
};

struct load_client {
    struct load *load;
    unsigned number;
    pthread_t thread;
    struct http_client connection;
    struct http_response response;
    struct load_change *changes;
    unsigned count;
    unsigned capacity;
    bool has_ended; /* 408, or no answer */
};

struct load {
    unsigned port;
    struct load_client clients[LOAD_CLIENTS];
    /* of all clients together */
    _Atomic bool stop;
    _Atomic unsigned applied;
    _Atomic unsigned refused_full; /* 503 storage_full */
    _Atomic unsigned unknown;      /* 408 commit_unknown */
    _Atomic unsigned not_committed;
    _Atomic unsigned unanswered;
    _Atomic uint64_t failed_ms; /* monotonic; the first 408 or missing answer. 0: none */
};

void load_open_accounts(struct load *load, unsigned port);
void load_start(struct load *load, unsigned port);
/* Until a counter has grown by `more`. */
void load_wait(const _Atomic unsigned *counter, unsigned more);
void load_stop(struct load *load);
/* Until every client has ended by itself, because the server has. */
void load_wait_end(struct load *load);

/* Against a server that was started again at `port`, or the same. */
void load_resolve(struct load *load, unsigned port);
void load_verify(struct load *load, unsigned port);

void load_free(struct load *load);

#endif
