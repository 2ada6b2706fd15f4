/* connection_limits.c - counts connections by address in a small open-addressing table.
 *
 * Guarantees: what was admitted and not released is never above the limits. Removal shifts the
 * entries behind it back, so that there are no tombstones and no growth. It must not know sockets.
 */
#include "connection_limits.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int connection_limits_init(struct connection_limits *limits, uint32_t total_max,
                           uint32_t address_max)
{
    uint32_t slots = 16;
    while (slots / 2 < total_max)
        slots *= 2;
    *limits = (struct connection_limits){
        .total_max = total_max,
        .address_max = address_max,
        .slot_mask = slots - 1,
        .slots = calloc(slots, sizeof(struct connection_limits_slot)),
    };
    if (limits->slots == NULL)
        return -ENOMEM;
    int error = -pthread_mutex_init(&limits->mutex, NULL);
    if (error != 0)
        free(limits->slots);
    return error;
}

void connection_limits_deinit(struct connection_limits *limits)
{
    pthread_mutex_destroy(&limits->mutex);
    free(limits->slots);
}

uint64_t connection_limits_address(const struct sockaddr *address)
{
    uint64_t bits = 0;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        /* Above 2^32, so that no address is 0 and none is a /64 in use. */
        bits = UINT64_C(1) << 32 | ntohl(v4.sin_addr.s_addr);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        memcpy(&bits, v6.sin6_addr.s6_addr, sizeof(bits));
        /* ::1 and other addresses of the zero prefix. */
        if (bits == 0)
            bits = 1;
    }
    return bits;
}

/* Fibonacci hashing: the upper half of the product is well mixed. */
static uint32_t home_slot(const struct connection_limits *limits, uint64_t address)
{
    return (uint32_t)(address * UINT64_C(0x9E3779B97F4A7C15) >> 32) & limits->slot_mask;
}

static uint32_t find_slot(const struct connection_limits *limits, uint64_t address)
{
    uint32_t slot = home_slot(limits, address);
    /* Ends: at most half of the slots are taken. */
    while (limits->slots[slot].address != 0 && limits->slots[slot].address != address)
        slot = (slot + 1) & limits->slot_mask;
    return slot;
}

/* Empties a slot and moves back those behind it that it had pushed on. */
static void remove_slot(struct connection_limits *limits, uint32_t hole)
{
    uint32_t mask = limits->slot_mask;
    for (uint32_t next = (hole + 1) & mask; limits->slots[next].address != 0;
         next = (next + 1) & mask) {
        uint32_t home = home_slot(limits, limits->slots[next].address);
        if (((next - home) & mask) < ((next - hole) & mask))
            continue;
        limits->slots[hole] = limits->slots[next];
        hole = next;
    }
    limits->slots[hole] = (struct connection_limits_slot){0};
}

bool connection_limits_have_room(struct connection_limits *limits)
{
    pthread_mutex_lock(&limits->mutex);
    bool room = limits->total < limits->total_max;
    pthread_mutex_unlock(&limits->mutex);
    return room;
}

static enum connection_admission admit(struct connection_limits *limits, uint64_t address)
{
    if (limits->total == limits->total_max)
        return CONNECTION_SERVER_IS_FULL;
    if (address != 0) {
        struct connection_limits_slot *slot = &limits->slots[find_slot(limits, address)];
        if (slot->count == limits->address_max)
            return CONNECTION_ADDRESS_IS_FULL;
        slot->address = address;
        slot->count++;
    }
    limits->total++;
    return CONNECTION_ADMITTED;
}

enum connection_admission connection_limits_admit(struct connection_limits *limits,
                                                  uint64_t address)
{
    pthread_mutex_lock(&limits->mutex);
    enum connection_admission admission = admit(limits, address);
    pthread_mutex_unlock(&limits->mutex);
    return admission;
}

void connection_limits_release(struct connection_limits *limits, uint64_t address)
{
    pthread_mutex_lock(&limits->mutex);
    assert(limits->total > 0);
    limits->total--;
    if (address != 0) {
        uint32_t slot = find_slot(limits, address);
        assert(limits->slots[slot].count > 0);
        if (--limits->slots[slot].count == 0)
            remove_slot(limits, slot);
    }
    pthread_mutex_unlock(&limits->mutex);
}
