/* batch_client.h - bodies of batches, and answers of any size. */
#ifndef FLORIN_TESTS_BATCH_CLIENT_H
#define FLORIN_TESTS_BATCH_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "include/florin_limits.h"
#include "support/http_client.h"

enum {
    BATCH_CLIENT_ENTRY_BYTES = 128,
    BATCH_CLIENT_RESULT_BYTES = 40,
};

#define BATCH_CLIENT_NDJSON "Content-Type: application/x-ndjson\r\n"
#define BATCH_CLIENT_BINARY "Content-Type: application/vnd.florin.batch\r\n"

/* A body while it is written. */
struct batch_body {
    size_t length;
    char bytes[FLORIN_BATCH_BODY_MAX + 1024];
};

/* An answer: all of its body, terminated. */
struct batch_answer {
    struct http_response response; /* its head; the body is not here */
    size_t length;
    char bytes[4 * 1024 * 1024];
};

/* Appends text. */
__attribute__((format(printf, 2, 3))) void batch_body_add(struct batch_body *body,
                                                          const char *format, ...);

/* Appends an entry of the binary form; `key` "": none; `version` 0: any. */
void batch_body_add_entry(struct batch_body *body, unsigned kind, const char *account,
                          const char *key, int64_t amount, uint64_t version);

/* Appends a transfer; `key` "": none. */
void batch_body_add_transfer(struct batch_body *body, const char *from, const char *to,
                             const char *key, int64_t amount);

/* Sends POST /batch without waiting. `headers`: lines with CRLF. */
void batch_client_send(struct http_client *client, const char *headers,
                       const struct batch_body *body);

/* Its answer; returns the status. The test fails when there is none. */
int batch_client_receive(struct http_client *client, struct batch_answer *answer);

/* Both, on a connection of its own. */
int batch_client_call(unsigned port, const char *headers, const struct batch_body *body,
                      struct batch_answer *answer);

/* The same with a query: "" or "?name=value". */
int batch_client_post(unsigned port, const char *query, const char *headers,
                      const struct batch_body *body, struct batch_answer *answer);

/* One result of the binary form. */
struct batch_result {
    unsigned status;
    unsigned flags;
    unsigned leg;
    uint32_t index;
    uint64_t transaction;
    int64_t balance;
    uint64_t version;
    uint64_t time_ns;
};

/* How many results of the binary form the answer has, which must be a whole number. */
size_t batch_answer_results(const struct batch_answer *answer);
struct batch_result batch_answer_result(const struct batch_answer *answer, size_t number);

/* Cuts off the next line of an answer in lines; NULL: there is none. */
char *batch_answer_next_line(char **rest);

#endif
