/* connection_limits.h - how many connections there are, in all and from one address.
 *
 * Shared by all workers, so a mutex guards it; it is taken once when a connection is accepted and
 * once when it closes, never on the way of a request.
 *
 * An address is an IPv4 address or the /64 of an IPv6 address (one customer has a whole /64).
 * Connections of UNIX sockets count in total only.
 *
 * Thread: any.
 */
#ifndef FLORIN_HTTP_CONNECTION_LIMITS_H
#define FLORIN_HTTP_CONNECTION_LIMITS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct connection_limits_slot {
    uint64_t address; /* 0: empty */
    uint32_t count;
};

struct connection_limits {
    /* set at start */
    uint32_t total_max;
    uint32_t address_max;
    uint32_t slot_mask;
    /* under the mutex */
    pthread_mutex_t mutex;
    uint32_t total;
    struct connection_limits_slot *slots; /* open addressing, at most half full */
};

/* 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int
connection_limits_init(struct connection_limits *limits, uint32_t total_max, uint32_t address_max);
void connection_limits_deinit(struct connection_limits *limits);

/* The part of an address that is counted; 0 for UNIX sockets. */
uint64_t connection_limits_address(const struct sockaddr *address);

/* Room for one more, before it is accepted. */
bool connection_limits_have_room(struct connection_limits *limits);

enum connection_admission {
    CONNECTION_ADMITTED, /* give it back with connection_limits_release() */
    CONNECTION_ADDRESS_IS_FULL,
    CONNECTION_SERVER_IS_FULL,
};
__attribute__((warn_unused_result)) enum connection_admission
connection_limits_admit(struct connection_limits *limits, uint64_t address);
void connection_limits_release(struct connection_limits *limits, uint64_t address);

#endif
