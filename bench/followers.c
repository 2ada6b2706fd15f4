/* followers.c - clients of GET /events that read what comes, beside another load.
 *
 *     followers PORT COUNT SECONDS
 *
 * Opens COUNT connections to a florind on 127.0.0.1, which follow from the end of the log, drains
 * them for SECONDS, and says in one JSON line how many events came and how many followers were
 * still there. What a commit takes meanwhile is measured by the load (load.lua).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

enum { FOLLOWERS_MAX = 10000, READ_BYTES = 256 * 1024, EVENTS_A_WAIT = 64 };

static char bytes[READ_BYTES];

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 ||
        connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0)
        measure_fail("connect", -errno);
    return descriptor;
}

static void request(int descriptor, const char *path, const char *headers)
{
    char text[256];
    int length =
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", path, headers);
    if (write(descriptor, text, (size_t)length) != length)
        measure_fail("write", -errno);
}

/* The end of the log, by /metrics. */
static uint64_t durable_lsn(unsigned port)
{
    static const char name[] = "\nflorin_durable_lsn ";
    size_t length = 0;
    ssize_t got;
    int descriptor = connect_to(port);
    request(descriptor, "/metrics", "Connection: close\r\n");
    while ((got = read(descriptor, bytes + length, sizeof(bytes) - 1 - length)) > 0)
        length += (size_t)got;
    close(descriptor);
    bytes[length] = '\0';
    const char *found = strstr(bytes, name);
    if (found == NULL)
        measure_fail("no florin_durable_lsn in /metrics", -EPROTO);
    return strtoull(found + sizeof(name) - 1, NULL, 10);
}

/* Events in what was read: a line each. Chunk sizes stand on lines of their own. */
static uint64_t count_events(size_t length)
{
    uint64_t count = 0;
    for (const char *at = bytes; (at = memchr(at, '}', length - (size_t)(at - bytes))) != NULL;) {
        at++;
        count += at < bytes + length && *at == '\n';
    }
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: followers PORT COUNT SECONDS\n");
        return 64;
    }
    unsigned port = (unsigned)measure_parse_number("PORT", argv[1], 1, 65535);
    uint64_t count = measure_parse_number("COUNT", argv[2], 1, FOLLOWERS_MAX);
    uint64_t seconds = measure_parse_number("SECONDS", argv[3], 1, 3600);
    char path[64];
    snprintf(path, sizeof(path), "/events?follow=true&after=%" PRIu64, durable_lsn(port));
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        measure_fail("epoll_create1", -errno);
    for (uint64_t i = 0; i < count; i++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = connect_to(port)};
        request(wanted.data.fd, path, "");
        if (epoll_ctl(poller, EPOLL_CTL_ADD, wanted.data.fd, &wanted) != 0)
            measure_fail("epoll_ctl", -errno);
    }
    uint64_t end_ns = measure_now_ns() + seconds * UINT64_C(1000000000);
    uint64_t open = count;
    uint64_t events = 0;
    uint64_t total = 0;
    while (measure_now_ns() < end_ns) {
        struct epoll_event ready[EVENTS_A_WAIT];
        int ready_count = epoll_wait(poller, ready, EVENTS_A_WAIT, 100);
        for (int i = 0; i < ready_count; i++) {
            ssize_t got = read(ready[i].data.fd, bytes, sizeof(bytes));
            if (got <= 0) {
                close(ready[i].data.fd);
                open--;
                continue;
            }
            total += (uint64_t)got;
            events += count_events((size_t)got);
        }
    }
    printf("{\"followers\":%" PRIu64 ",\"left\":%" PRIu64 ",\"events\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"events_per_follower_per_s\":%.0f}\n",
           count, open, events, total, (double)events / (double)count / (double)seconds);
    return 0;
}
