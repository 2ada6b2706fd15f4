/* http_client.c - a small HTTP/1.1 client for tests.
 *
 * Reads responses with Content-Length, and streams in chunks, which is all that the server sends.
 * It must not know the API.
 */
#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

__attribute__((noreturn)) static void give_up(const char *what)
{
    fprintf(stderr, "http_client: %s: %s\n", what, strerror(errno));
    abort();
}

/* false: nobody listens. */
static bool open_socket(struct http_client *client, const struct sockaddr *address,
                        socklen_t length)
{
    const struct timeval limit = {.tv_sec = HTTP_CLIENT_TIMEOUT_S};
    client->length = 0;
    client->descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->descriptor < 0)
        give_up("socket");
    if (setsockopt(client->descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
        give_up("setsockopt");
    if (connect(client->descriptor, address, length) == 0)
        return true;
    if (errno != ECONNREFUSED && errno != ECONNRESET)
        give_up("connect");
    close(client->descriptor);
    return false;
}

bool http_client_try_open(struct http_client *client, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!open_socket(client, (const struct sockaddr *)&address, sizeof(address)))
        return false;
    (void)setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
}

void http_client_open(struct http_client *client, unsigned port)
{
    if (!http_client_try_open(client, port))
        give_up("connect");
}

void http_client_open_path(struct http_client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        give_up("path");
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (!open_socket(client, (const struct sockaddr *)&address, sizeof(address)))
        give_up("connect");
}

void http_client_close(struct http_client *client)
{
    close(client->descriptor);
}

bool http_client_send(struct http_client *client, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(client->descriptor, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return false;
        if (sent < 0)
            give_up("send");
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool http_client_request(struct http_client *client, const char *method, const char *path,
                         const char *headers, const char *body)
{
    char request[HTTP_CLIENT_BYTES];
    char length[64] = "";
    if (body != NULL)
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
    int count = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: test\r\n%s%s\r\n%s",
                         method, path, headers, length, body == NULL ? "" : body);
    if (count < 0 || (size_t)count >= sizeof(request))
        give_up("request too long");
    return http_client_send(client, request, (size_t)count);
}

/* false: closed, by an end or a reset. */
static bool receive_some(struct http_client *client)
{
    if (client->length == sizeof(client->bytes))
        give_up("response too long");
    ssize_t got = recv(client->descriptor, client->bytes + client->length,
                       sizeof(client->bytes) - client->length, 0);
    if (got < 0 && errno != ECONNRESET)
        give_up("recv");
    if (got <= 0)
        return false;
    client->length += (size_t)got;
    return true;
}

static void take(struct http_client *client, size_t length)
{
    memmove(client->bytes, client->bytes + length, client->length - length);
    client->length -= length;
}

const char *http_response_header(const struct http_response *response, const char *name,
                                 char *value, size_t capacity)
{
    size_t name_length = strlen(name);
    const char *line = strstr(response->head, "\r\n");
    for (; line != NULL && line[2] != '\0'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, name_length) != 0 || line[2 + name_length] != ':')
            continue;
        const char *start = line + 2 + name_length + 1;
        start += strspn(start, " ");
        size_t length = strcspn(start, "\r");
        if (length >= capacity)
            give_up("header too long");
        memcpy(value, start, length);
        value[length] = '\0';
        return value;
    }
    return NULL;
}

bool http_client_receive_head(struct http_client *client, struct http_response *response)
{
    const char *end;
    while ((end = memmem(client->bytes, client->length, "\r\n\r\n", 4)) == NULL) {
        if (!receive_some(client))
            return false;
    }
    size_t length = (size_t)(end - client->bytes) + 4;
    if (length >= sizeof(response->head))
        give_up("head too long");
    memcpy(response->head, client->bytes, length);
    response->head[length] = '\0';
    take(client, length);
    if (strncmp(response->head, "HTTP/1.1 ", 9) != 0)
        give_up("no status line");
    response->status = (int)strtol(response->head + 9, NULL, 10);
    return true;
}

bool http_client_receive(struct http_client *client, struct http_response *response,
                         bool without_body)
{
    char value[32];
    response->body_length = 0;
    response->body[0] = '\0';
    do {
        if (!http_client_receive_head(client, response))
            return false;
    } while (response->status == 100);
    if (without_body)
        return true;
    if (http_response_header(response, "Content-Length", value, sizeof(value)) == NULL)
        give_up("no Content-Length");
    size_t length = strtoul(value, NULL, 10);
    if (length >= sizeof(response->body))
        give_up("body too long");
    while (client->length < length) {
        if (!receive_some(client))
            return false;
    }
    memcpy(response->body, client->bytes, length);
    response->body[length] = '\0';
    response->body_length = length;
    take(client, length);
    return true;
}

/* The line "1f4\r\n" before a chunk; false: broken off, or none. */
static bool receive_chunk_size(struct http_client *client, size_t *size)
{
    const char *end;
    char *digits_end;
    while ((end = memmem(client->bytes, client->length, "\r\n", 2)) == NULL) {
        if (!receive_some(client))
            return false;
    }
    *size = strtoul(client->bytes, &digits_end, 16);
    if (digits_end != end || digits_end == client->bytes)
        return false;
    take(client, (size_t)(end - client->bytes) + 2);
    return true;
}

bool http_client_receive_chunk(struct http_client *client,
                               void (*take_piece)(void *context, const char *bytes, size_t length),
                               void *context, size_t *size)
{
    if (!receive_chunk_size(client, size))
        return false;
    for (size_t left = *size; left > 0;) {
        if (client->length == 0 && !receive_some(client))
            return false;
        size_t piece = client->length < left ? client->length : left;
        take_piece(context, client->bytes, piece);
        take(client, piece);
        left -= piece;
    }
    while (client->length < 2) {
        if (!receive_some(client))
            return false;
    }
    if (memcmp(client->bytes, "\r\n", 2) != 0)
        return false;
    take(client, 2);
    return true;
}

bool http_client_receive_chunks(struct http_client *client,
                                void (*take_piece)(void *context, const char *bytes, size_t length),
                                void *context)
{
    size_t size;
    while (http_client_receive_chunk(client, take_piece, context, &size)) {
        if (size == 0)
            return true;
    }
    return false;
}

bool http_client_is_closed(struct http_client *client)
{
    return client->length == 0 && !receive_some(client);
}

int http_call(unsigned port, const char *method, const char *path, const char *headers,
              const char *body, struct http_response *response)
{
    struct http_client client;
    http_client_open(&client, port);
    bool answered = http_client_request(&client, method, path, headers, body) &&
                    http_client_receive(&client, response, strcmp(method, "HEAD") == 0);
    http_client_close(&client);
    return answered ? response->status : 0;
}
