/* listen_address.c - parses addresses and opens listening sockets.
 *
 * Guarantees: a port on which somebody else listens is noticed, although SO_REUSEPORT would share
 * it: a probe binds without that option first. A socket file is removed only when nobody accepts
 * behind it. It must not know HTTP.
 */
#include "listen_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 1024 };

static const char unix_prefix[] = "unix:";

static int parse_unix(struct listen_address *address, const char *path)
{
    struct sockaddr_un *name = (struct sockaddr_un *)&address->address;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(name->sun_path))
        return -EINVAL;
    name->sun_family = AF_UNIX;
    memcpy(name->sun_path, path, length + 1);
    address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return 0;
}

static bool parse_port(const char *text, in_port_t *port)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    *port = htons((uint16_t)value);
    return *end == '\0' && value <= UINT16_MAX;
}

static int parse_ip(struct listen_address *address, const char *host, in_port_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->address;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        address->length = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = port;
        address->length = sizeof(*v6);
        return 0;
    }
    return -EINVAL;
}

int listen_address_parse(struct listen_address *address, const char *text)
{
    char host[LISTEN_TEXT_MAX];
    in_port_t port;
    memset(address, 0, sizeof(*address));
    if (strncmp(text, unix_prefix, sizeof(unix_prefix) - 1) == 0)
        return parse_unix(address, text + sizeof(unix_prefix) - 1);
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || !parse_port(colon + 1, &port))
        return -EINVAL;
    size_t length = (size_t)(colon - text);
    bool brackets = text[0] == '[' && length > 2 && text[length - 1] == ']';
    if (brackets) {
        text++;
        length -= 2;
    }
    if (length >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, length);
    host[length] = '\0';
    if (brackets != (strchr(host, ':') != NULL))
        return -EINVAL;
    return parse_ip(address, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port);
}

bool listen_address_is_unix(const struct listen_address *address)
{
    return address->address.ss_family == AF_UNIX;
}

bool listen_address_is_local(const struct listen_address *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->address;
    if (address->address.ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    if (address->address.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    return true;
}

unsigned listen_address_port(const struct listen_address *address)
{
    if (address->address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->address)->sin_port);
    if (address->address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address->address)->sin6_port);
    return 0;
}

static const char *unix_path(const struct listen_address *address)
{
    return ((const struct sockaddr_un *)&address->address)->sun_path;
}

void listen_address_format(const struct listen_address *address, char text[LISTEN_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    const void *bytes = &((const struct sockaddr_in *)&address->address)->sin_addr;
    if (listen_address_is_unix(address)) {
        snprintf(text, LISTEN_TEXT_MAX, "%s%s", unix_prefix, unix_path(address));
        return;
    }
    if (address->address.ss_family == AF_INET6) {
        bytes = &((const struct sockaddr_in6 *)&address->address)->sin6_addr;
    }
    (void)inet_ntop(address->address.ss_family, bytes, host, sizeof(host));
    if (address->address.ss_family == AF_INET6)
        snprintf(text, LISTEN_TEXT_MAX, "[%s]:%u", host, listen_address_port(address));
    else
        snprintf(text, LISTEN_TEXT_MAX, "%s:%u", host, listen_address_port(address));
}

static int open_socket(const struct listen_address *address)
{
    int on = 1;
    int descriptor = socket(address->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    if (listen_address_is_unix(address))
        return descriptor;
    bool v6 = address->address.ss_family == AF_INET6;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (v6 && setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)) {
        int error = -errno;
        close(descriptor);
        return error;
    }
    return descriptor;
}

static int bind_socket(int descriptor, const struct listen_address *address)
{
    return bind(descriptor, (const struct sockaddr *)&address->address, address->length) == 0
               ? 0
               : -errno;
}

static int close_with(int descriptor, int error)
{
    close(descriptor);
    return error;
}

/* Whether the port is free: SO_REUSEADDR forgives old connections, not listeners. */
static int probe(const struct listen_address *address)
{
    int descriptor = open_socket(address);
    if (descriptor < 0)
        return descriptor;
    int error = bind_socket(descriptor, address);
    if (error == 0 && listen(descriptor, 1) != 0)
        error = -errno;
    return close_with(descriptor, error);
}

static int open_shared_port(struct listen_address *address)
{
    int on = 1;
    int descriptor = open_socket(address);
    if (descriptor < 0)
        return descriptor;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
        return close_with(descriptor, -errno);
    int error = bind_socket(descriptor, address);
    if (error != 0)
        return close_with(descriptor, error);
    if (listen(descriptor, LISTEN_BACKLOG) != 0 ||
        getsockname(descriptor, (struct sockaddr *)&address->address, &address->length) != 0)
        return close_with(descriptor, -errno);
    return descriptor;
}

/* A socket file that nobody accepts behind is left over from a server that was killed. */
static int clear_stale_file(const struct listen_address *address)
{
    int descriptor = open_socket(address);
    if (descriptor < 0)
        return descriptor;
    int error = 0;
    if (connect(descriptor, (const struct sockaddr *)&address->address, address->length) == 0)
        error = -EADDRINUSE;
    else if (errno == ECONNREFUSED && unlink(unix_path(address)) != 0)
        error = -errno;
    return close_with(descriptor, error);
}

static int open_unix(const struct listen_address *address)
{
    int error = clear_stale_file(address);
    if (error != 0)
        return error;
    int descriptor = open_socket(address);
    if (descriptor < 0)
        return descriptor;
    error = bind_socket(descriptor, address);
    if (error != 0)
        return close_with(descriptor, error);
    return listen(descriptor, LISTEN_BACKLOG) == 0 ? descriptor : close_with(descriptor, -errno);
}

static int duplicate(int descriptor)
{
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

int listen_address_open(struct listen_address *address, int *descriptors, size_t count)
{
    bool shared_file = listen_address_is_unix(address);
    int error = shared_file || listen_address_port(address) == 0 ? 0 : probe(address);
    size_t opened = 0;
    while (error == 0 && opened < count) {
        int descriptor;
        if (!shared_file)
            descriptor = open_shared_port(address);
        else if (opened == 0)
            descriptor = open_unix(address);
        else
            descriptor = duplicate(descriptors[0]);
        if (descriptor < 0)
            error = descriptor;
        else
            descriptors[opened++] = descriptor;
    }
    while (error != 0 && opened > 0)
        close(descriptors[--opened]);
    return error;
}

void listen_address_remove(const struct listen_address *address)
{
    if (listen_address_is_unix(address))
        (void)unlink(unix_path(address));
}
