/* server.h - the HTTP server on a ledger: listeners, one thread a worker, an orderly end.
 *
 *     server_create()   opens the listening sockets; clients may connect, nobody answers yet
 *     server_start()    one thread for each worker of the ledger; "recovering" is answered
 *     (ledger_recover)
 *     server_set_ready()
 *     ledger_stop() or a failed log: the threads notice by themselves, accept nothing more, finish
 *                       what is in flight, close their connections
 *     server_wake()     makes them look
 *     server_wait()     until all threads have ended
 *     server_destroy()
 *
 * Thread: the starter's, if nothing else is said.
 */
#ifndef FLORIN_HTTP_SERVER_H
#define FLORIN_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/runtime/ledger.h"
#include "event_log.h"
#include "listen_address.h"

enum {
    /* Addresses to listen on: a handful of interfaces and a UNIX socket. */
    SERVER_ADDRESSES_MAX = 16,
};

struct server_options {
    struct florin *ledger;       /* outlives the server */
    const struct event_log *log; /* outlives the server */
    const struct listen_address *addresses;
    size_t address_count; /* 1 to SERVER_ADDRESSES_MAX */
    bool reject_duplicates;
    bool http2;
    unsigned request_timeout_ms; /* for header and body, and between requests */
    uint32_t connections_max;
    uint32_t connections_per_address_max;
    uint32_t requests_max;              /* in flight at one worker */
    uint32_t followers_max;             /* of GET /events, in all */
    unsigned commit_timeout_ms;         /* the ledger's; a batch waits so long for a full queue */
    unsigned background_mib_per_second; /* of a backup; 0: as fast as it goes */
};

struct server;

/* 0; -EADDRINUSE and other -errno of the sockets, with *failed the number of the address that could
 * not be opened; -ENOMEM. *server only on success. */
__attribute__((warn_unused_result)) int server_create(const struct server_options *options,
                                                      struct server **server, size_t *failed);

/* With the ports that the kernel chose. */
const struct listen_address *server_address(const struct server *server, size_t number);

/* 0 or -errno: of a thread, or of worker_attach(). After an error the process should end. */
__attribute__((warn_unused_result)) int server_start(struct server *server);

/* From now on /readyz says so. Thread: any. */
void server_set_ready(struct server *server);

/* Thread: any. */
void server_wake(struct server *server);

/* Waits until all threads have ended, at most timeout_ms; whether they have. */
bool server_wait(struct server *server, unsigned timeout_ms);

/* After server_wait() was true, or when server_start() was never called. */
void server_destroy(struct server *server);

#endif
