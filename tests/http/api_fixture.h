/* api_fixture.h - a running florind for a group of tests, and the calls they make most. */
#ifndef FLORIN_TESTS_API_FIXTURE_H
#define FLORIN_TESTS_API_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "support/http_client.h"
#include "support/server_process.h"
#include "support/temporary_directory.h"

struct api {
    struct server_process server;
    char directory[TEMPORARY_DIRECTORY_MAX];
    char data[TEMPORARY_DIRECTORY_MAX + 8];
};

#define API_JSON "Content-Type: application/json\r\n"

/* Starts a server in a directory of its own; `arguments` NULL: none besides. */
void api_start(struct api *api, const char *const *arguments);
/* SIGTERM, which must end it with 0, and removes the directory. */
void api_stop(struct api *api);

/* The same server again: after a kill, or an end. */
void api_restart(struct api *api, const char *const *arguments);

/* The call must answer 201. */
void api_open_account(const struct api *api, const char *id, const char *balance);

/* POST to the account's transactions; `key` NULL: none. Returns the status. */
int api_post(const struct api *api, const char *id, const char *key, const char *body,
             struct http_response *response);

/* The balance as the server writes it, with the version behind it: "400.00 8". */
void api_assert_balance(const struct api *api, const char *id, const char *expected);

/* Of the response: the text is there, or the whole body is it. */
void api_assert_in_body(const struct http_response *response, const char *text);
void api_assert_body(const struct http_response *response, const char *body);
/* The number of a member, which must be there. */
uint64_t api_number(const struct http_response *response, const char *member);
/* `value` NULL: the header is not there. */
void api_assert_header(const struct http_response *response, const char *name, const char *value);

#endif
