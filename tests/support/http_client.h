/* http_client.h - HTTP/1.1 over a plain socket, byte by byte in the test's hands.
 *
 * Blocking, with a time limit on every receive. Failures of the harness end the test program.
 */
#ifndef FLORIN_TESTS_HTTP_CLIENT_H
#define FLORIN_TESTS_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_CLIENT_BYTES = 64 * 1024,
    HTTP_CLIENT_TIMEOUT_S = 20,
};

struct http_client {
    int descriptor;
    size_t length; /* of what was received and not yet taken */
    char bytes[HTTP_CLIENT_BYTES];
};

struct http_response {
    int status;
    char head[8192]; /* status line and headers, terminated */
    size_t body_length;
    char body[HTTP_CLIENT_BYTES]; /* terminated */
};

void http_client_open(struct http_client *client, unsigned port);
/* false: nobody listens. */
bool http_client_try_open(struct http_client *client, unsigned port);
/* A UNIX socket. */
void http_client_open_path(struct http_client *client, const char *path);
void http_client_close(struct http_client *client);

/* false: the server has closed. */
bool http_client_send(struct http_client *client, const char *bytes, size_t length);

/* Writes a request; `headers` are lines with CRLF, or ""; `body` NULL: none. */
bool http_client_request(struct http_client *client, const char *method, const char *path,
                         const char *headers, const char *body);

/* The next response; false: the server closed before a whole one. `without_body`: to a HEAD. */
bool http_client_receive(struct http_client *client, struct http_response *response,
                         bool without_body);

/* Only the head of the next response; what follows is the caller's to take. */
bool http_client_receive_head(struct http_client *client, struct http_response *response);

/* The next chunk of such a body, piece by piece; *size 0: the last one. false: broken off. */
bool http_client_receive_chunk(struct http_client *client,
                               void (*take_piece)(void *context, const char *bytes, size_t length),
                               void *context, size_t *size);

/* The body behind a head with "Transfer-Encoding: chunked", piece by piece; false: it broke off
 * before its last chunk. */
bool http_client_receive_chunks(struct http_client *client,
                                void (*take_piece)(void *context, const char *bytes, size_t length),
                                void *context);

/* Whether the server closes the connection, after nothing more. */
bool http_client_is_closed(struct http_client *client);

/* One request on a connection of its own; returns the status. */
int http_call(unsigned port, const char *method, const char *path, const char *headers,
              const char *body, struct http_response *response);

/* The value of a header; NULL: not there. Valid until the next call. */
const char *http_response_header(const struct http_response *response, const char *name,
                                 char *value, size_t capacity);

#endif
