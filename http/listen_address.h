/* listen_address.h - where to listen: ADDR:PORT, [ADDR6]:PORT, localhost:PORT, unix:PATH.
 *
 * Every worker gets a listening socket of its own on the same TCP port (SO_REUSEPORT), so that the
 * kernel spreads connections and no lock is shared. A UNIX socket has no such thing: workers get
 * duplicates of one descriptor.
 *
 * Thread: the starter's.
 */
#ifndef FLORIN_HTTP_LISTEN_ADDRESS_H
#define FLORIN_HTTP_LISTEN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LISTEN_TEXT_MAX = 128 };

struct listen_address {
    struct sockaddr_storage address;
    socklen_t length;
};

/* -EINVAL: not of the forms above. Names are not looked up, but for localhost. */
__attribute__((warn_unused_result)) int listen_address_parse(struct listen_address *address,
                                                             const char *text);

/* Reachable from this machine only. */
bool listen_address_is_local(const struct listen_address *address);
bool listen_address_is_unix(const struct listen_address *address);

/* "127.0.0.1:5000", "[::1]:5000", "unix:/run/florin.sock". */
void listen_address_format(const struct listen_address *address, char text[LISTEN_TEXT_MAX]);
/* 0 for UNIX sockets. */
unsigned listen_address_port(const struct listen_address *address);

/* Opens `count` listening descriptors and writes the port that the kernel chose into the address,
 * when it was 0. 0; -EADDRINUSE: somebody else listens there; -errno. On error none is left open.
 */
__attribute__((warn_unused_result)) int listen_address_open(struct listen_address *address,
                                                            int *descriptors, size_t count);

/* Removes the file of a UNIX socket. */
void listen_address_remove(const struct listen_address *address);

#endif
