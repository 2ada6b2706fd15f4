/* load.h - client threads that work on a ledger and record it, while the server comes and goes.
 *
 * Each client has a buffer of its own, a random generator of its own and two connections. What is
 * without an answer is sent again with its key when there is a connection again (one in ten is left
 * in doubt); some requests are sent on both connections at once, some are sent once more much
 * later. An answer that no such request may get is a complaint; it is printed, and judged as
 * a refusal.
 *
 * Thread: the functions are for the one that owns the load.
 */
#ifndef TESTS_RECORDER_LOAD_H
#define TESTS_RECORDER_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histories/history.h"
#include "recorder/request.h"

enum {
    LOAD_CLIENTS_MAX = 64,
    LOAD_ACCOUNTS_MAX = 1000,
    LOAD_HOLDS = 128, /* that clients know of together */
    LOAD_OPENING_CENTS = 10000,
};

struct load_client;

struct load {
    /* set at start, then read only */
    uint64_t seed;
    uint64_t operations_max;
    unsigned clients_count;
    unsigned accounts_count;
    double shares[LOAD_ACCOUNTS_MAX]; /* of the accounts up to each, by how often they are used */
    struct load_client *clients;
    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_up;
    unsigned port;
    unsigned ended; /* clients */
    uint64_t wake_at;
    struct request_hold holds[LOAD_HOLDS];
    unsigned holds_count;
    /* any client */
    _Atomic uint64_t attempts;
    _Atomic uint64_t keys;
    _Atomic uint64_t complaints; /* answers that no such request may get */
    _Atomic bool is_over;
};

void load_init(struct load *load, uint64_t seed, unsigned clients, unsigned accounts,
               uint64_t operations);
void load_deinit(struct load *load);

/* Opens the accounts, by the first client; the server is up. */
void load_open_accounts(struct load *load);

void load_start(struct load *load);
/* Waits for so many attempts. false: the clients have ended before, or `deadline_s` (of
 * CLOCK_REALTIME) has come. */
bool load_wait(struct load *load, uint64_t attempts, int64_t deadline_s);
/* The server is to be killed; nobody connects until there is another. */
void load_set_down(struct load *load);
void load_set_up(struct load *load, unsigned port);
/* No client begins anything more, and all have ended. */
void load_end(struct load *load);

/* Reads every account, by the first client, when all have ended. */
void load_read_all(struct load *load);

/* The clients' buffers; valid until load_deinit(). */
void load_buffers(const struct load *load, const struct history_buffer **buffers);

uint64_t load_now_ns(void);

#endif
