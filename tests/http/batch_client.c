/* batch_client.c - writes batches, and reads their answers from a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "batch_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void batch_body_add(struct batch_body *body, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof(body->bytes) - body->length;
    va_start(arguments, format);
    int count = vsnprintf(body->bytes + body->length, room, format, arguments);
    va_end(arguments);
    assert_true(count >= 0 && (size_t)count < room);
    body->length += (size_t)count;
}

static void put_number(char *bytes, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (char)(value >> (8 * i));
}

static uint64_t get_number(const char *bytes, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return value;
}

void batch_body_add_entry(struct batch_body *body, unsigned kind, const char *account,
                          const char *key, int64_t amount, uint64_t version)
{
    char *entry = body->bytes + body->length;
    size_t account_length = strlen(account);
    assert_true(sizeof(body->bytes) - body->length >= BATCH_CLIENT_ENTRY_BYTES);
    memset(entry, 0, BATCH_CLIENT_ENTRY_BYTES);
    entry[0] = (char)kind;
    entry[1] = version > 0 ? 1 : 0;
    entry[2] = (char)account_length;
    entry[4] = (char)strlen(key);
    put_number(entry + 8, (uint64_t)amount);
    put_number(entry + 16, version);
    memcpy(entry + 32, account, account_length);
    memcpy(entry + 32 + account_length, key, strlen(key));
    body->length += BATCH_CLIENT_ENTRY_BYTES;
}

void batch_body_add_transfer(struct batch_body *body, const char *from, const char *to,
                             const char *key, int64_t amount)
{
    char *entry = body->bytes + body->length;
    char *text = entry + 32;
    batch_body_add_entry(body, 5, from, "", amount, 0);
    entry[3] = (char)strlen(to);
    entry[4] = (char)strlen(key);
    memcpy(text + strlen(from), to, strlen(to));
    memcpy(text + strlen(from) + strlen(to), key, strlen(key));
}

static void send_batch(struct http_client *client, const char *query, const char *headers,
                       const struct batch_body *body)
{
    char head[1024];
    int length = snprintf(head, sizeof(head),
                          "POST /batch%s HTTP/1.1\r\nHost: test\r\n%sContent-Length: %zu\r\n\r\n",
                          query, headers, body->length);
    assert_true(length > 0 && (size_t)length < sizeof(head));
    assert_true(http_client_send(client, head, (size_t)length));
    assert_true(http_client_send(client, body->bytes, body->length));
}

void batch_client_send(struct http_client *client, const char *headers,
                       const struct batch_body *body)
{
    send_batch(client, "", headers, body);
}

int batch_client_receive(struct http_client *client, struct batch_answer *answer)
{
    char value[32];
    assert_true(http_client_receive_head(client, &answer->response));
    assert_non_null(
        http_response_header(&answer->response, "Content-Length", value, sizeof(value)));
    size_t length = strtoul(value, NULL, 10);
    assert_true(length < sizeof(answer->bytes));
    answer->length = client->length < length ? client->length : length;
    memcpy(answer->bytes, client->bytes, answer->length);
    memmove(client->bytes, client->bytes + answer->length, client->length - answer->length);
    client->length -= answer->length;
    while (answer->length < length) {
        ssize_t got =
            recv(client->descriptor, answer->bytes + answer->length, length - answer->length, 0);
        assert_true(got > 0);
        answer->length += (size_t)got;
    }
    answer->bytes[length] = '\0';
    return answer->response.status;
}

int batch_client_call(unsigned port, const char *headers, const struct batch_body *body,
                      struct batch_answer *answer)
{
    return batch_client_post(port, "", headers, body, answer);
}

int batch_client_post(unsigned port, const char *query, const char *headers,
                      const struct batch_body *body, struct batch_answer *answer)
{
    static struct http_client client;
    http_client_open(&client, port);
    send_batch(&client, query, headers, body);
    int status = batch_client_receive(&client, answer);
    http_client_close(&client);
    return status;
}

size_t batch_answer_results(const struct batch_answer *answer)
{
    assert_int_equal(answer->length % BATCH_CLIENT_RESULT_BYTES, 0);
    return answer->length / BATCH_CLIENT_RESULT_BYTES;
}

struct batch_result batch_answer_result(const struct batch_answer *answer, size_t number)
{
    const char *bytes = answer->bytes + number * BATCH_CLIENT_RESULT_BYTES;
    assert_true(number < batch_answer_results(answer));
    return (struct batch_result){
        .status = (unsigned)get_number(bytes, 2),
        .flags = (unsigned char)bytes[2],
        .leg = (unsigned char)bytes[3],
        .index = (uint32_t)get_number(bytes + 4, 4),
        .transaction = get_number(bytes + 8, 8),
        .balance = (int64_t)get_number(bytes + 16, 8),
        .version = get_number(bytes + 24, 8),
        .time_ns = get_number(bytes + 32, 8),
    };
}

char *batch_answer_next_line(char **rest)
{
    char *line = *rest;
    char *end = strchr(line, '\n');
    if (*line == '\0')
        return NULL;
    assert_non_null(end); /* every line is ended */
    *end = '\0';
    *rest = end + 1;
    return line;
}
