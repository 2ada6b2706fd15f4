/* api_fixture.c - starts a florind and talks to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_BYTES = 256 };

void api_start(struct api *api, const char *const *arguments)
{
    temporary_directory_make(api->directory);
    snprintf(api->data, sizeof(api->data), "%s/data", api->directory);
    server_process_start(&api->server, FLORIND_PATH, api->data, arguments);
}

void api_stop(struct api *api)
{
    server_process_stop(&api->server);
    temporary_directory_remove(api->directory);
}

void api_restart(struct api *api, const char *const *arguments)
{
    server_process_start(&api->server, FLORIND_PATH, api->data, arguments);
}

void api_open_account(const struct api *api, const char *id, const char *balance)
{
    struct http_response response;
    char body[PATH_MAX_BYTES];
    snprintf(body, sizeof(body), "{\"id\":\"%s\",\"balance\":\"%s\"}", id, balance);
    int status = http_call(api->server.port, "POST", "/accounts", API_JSON, body, &response);
    if (status != 201)
        fail_msg("opening %s: %d %s", id, status, response.body);
}

int api_post(const struct api *api, const char *id, const char *key, const char *body,
             struct http_response *response)
{
    char path[PATH_MAX_BYTES];
    char headers[512] = API_JSON;
    snprintf(path, sizeof(path), "/accounts/%s/transactions", id);
    if (key != NULL)
        snprintf(headers, sizeof(headers), API_JSON "Idempotency-Key: %s\r\n", key);
    return http_call(api->server.port, "POST", path, headers, body, response);
}

void api_assert_balance(const struct api *api, const char *id, const char *expected)
{
    struct http_response response;
    char path[PATH_MAX_BYTES];
    char body[PATH_MAX_BYTES];
    const char *space = strchr(expected, ' ');
    assert_non_null(space);
    snprintf(path, sizeof(path), "/accounts/%s/balance", id);
    snprintf(body, sizeof(body), "{\"balance\":%.*s,\"version\":%s}", (int)(space - expected),
             expected, space + 1);
    assert_int_equal(http_call(api->server.port, "GET", path, "", NULL, &response), 200);
    assert_string_equal(response.body, body);
}

void api_assert_in_body(const struct http_response *response, const char *text)
{
    if (strstr(response->body, text) == NULL)
        fail_msg("%d: no %s in %s", response->status, text, response->body);
}

void api_assert_body(const struct http_response *response, const char *body)
{
    assert_string_equal(response->body, body);
}

uint64_t api_number(const struct http_response *response, const char *member)
{
    char text[64];
    snprintf(text, sizeof(text), "\"%s\":", member);
    const char *found = strstr(response->body, text);
    if (found == NULL) {
        fail_msg("no %s in %s", text, response->body);
        return 0;
    }
    return strtoull(found + strlen(text), NULL, 10);
}

void api_assert_header(const struct http_response *response, const char *name, const char *value)
{
    char found[512];
    const char *present = http_response_header(response, name, found, sizeof(found));
    if (value == NULL)
        assert_null(present);
    else if (present == NULL)
        fail_msg("no %s in %s", name, response->head);
    else
        assert_string_equal(present, value);
}
