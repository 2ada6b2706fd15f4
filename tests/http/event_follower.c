/* event_follower.c - one client of GET /events, and what gives it something to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "event_follower.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t event_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- a follower ----------------------------------------------------------------------------- */

void follower_keep(void *context, const char *bytes, size_t length)
{
    struct follower *follower = context;
    follower->text = realloc(follower->text, follower->length + length + 1);
    assert_non_null(follower->text);
    memcpy(follower->text + follower->length, bytes, length);
    follower->length += length;
    follower->text[follower->length] = '\0';
}

/* Sends the request. */
struct follower *follower_start(const struct api *api, const char *query, const char *headers)
{
    char path[256];
    struct follower *follower = calloc(1, sizeof(*follower));
    assert_non_null(follower);
    follower_keep(follower, "", 0);
    snprintf(path, sizeof(path), "/events%s", query);
    http_client_open(&follower->client, api->server.port);
    assert_true(http_client_request(&follower->client, "GET", path, headers, NULL));
    return follower;
}

void follower_leave(struct follower *follower)
{
    http_client_close(&follower->client);
    free(follower->text);
    free(follower);
}

void follower_expect_head(struct follower *follower, const char *type)
{
    char value[64];
    assert_true(http_client_receive_head(&follower->client, &follower->response));
    assert_int_equal(follower->response.status, 200);
    assert_string_equal(
        http_response_header(&follower->response, "Content-Type", value, sizeof(value)), type);
}

unsigned follower_count(const char *text, const char *part)
{
    unsigned count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text++;
    }
    return count;
}

/* Reads until it has so many events. */
void follower_read_events(struct follower *follower, unsigned count)
{
    size_t size;
    while (follower_count(follower->text, "\"lsn\":") < count) {
        assert_true(http_client_receive_chunk(&follower->client, follower_keep, follower, &size));
        assert_int_not_equal(size, 0);
    }
}

/* Reads to the proper end. */
void follower_read_to_end(struct follower *follower)
{
    assert_true(http_client_receive_chunks(&follower->client, follower_keep, follower));
}

/* A whole page; its text is the caller's. NULL: its events are gone. */
char *event_page_or_gone(const struct api *api, const char *query, const char *headers)
{
    char *text = NULL;
    struct follower *follower = follower_start(api, query, headers);
    assert_true(http_client_receive_head(&follower->client, &follower->response));
    if (follower->response.status != 410) {
        assert_int_equal(follower->response.status, 200);
        follower_read_to_end(follower);
        text = strdup(follower->text);
    }
    follower_leave(follower);
    return text;
}

char *event_page(const struct api *api, const char *query, const char *headers)
{
    char *text = event_page_or_gone(api, query, headers);
    assert_non_null(text);
    return text;
}

void event_assert_page(const struct api *api, const char *query, const char *expected)
{
    char *text = event_page(api, query, "");
    if (strcmp(text, expected) != 0)
        fail_msg("/events%s:\n%s\nexpected:\n%s", query, text, expected);
    free(text);
}

/* --- what happens --------------------------------------------------------------------------- */

void event_deposit(const struct api *api, const char *account)
{
    struct http_response response;
    assert_int_equal(api_post(api, account, NULL, "{\"type\":\"Deposit\",\"amount\":1}", &response),
                     201);
}

/* Accounts with metadata of a kilobyte, on one connection: a thousand make more than a megabyte of
 * events, which a socket does not take without a reader. */
void event_open_large_accounts(const struct api *api, const char *prefix, unsigned count)
{
    static char body[2048];
    static struct http_response response;
    char filler[1001];
    struct http_client client;
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    http_client_open(&client, api->server.port);
    for (unsigned i = 0; i < count; i++) {
        snprintf(body, sizeof(body), "{\"id\":\"%s%u\",\"metadata\":{\"m\":\"%s\"}}", prefix, i,
                 filler);
        assert_true(http_client_request(&client, "POST", "/accounts", API_JSON, body));
        assert_true(http_client_receive(&client, &response, false));
        assert_int_equal(response.status, 201);
    }
    http_client_close(&client);
}

uint64_t event_metric(const struct api *api, const char *name)
{
    static struct http_response response;
    char line[128];
    assert_int_equal(http_call(api->server.port, "GET", "/metrics", "", NULL, &response), 200);
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *found = strstr(response.body, line);
    assert_non_null(found);
    return strtoull(found + strlen(line), NULL, 10);
}

void event_wait_for_metric(const struct api *api, const char *name, uint64_t value)
{
    uint64_t limit = event_now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    while (event_metric(api, name) != value)
        assert_true(event_now_ms() < limit);
}

void event_make_checkpoint(const struct api *api)
{
    struct http_response response;
    uint64_t limit = event_now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    assert_int_equal(http_call(api->server.port, "POST", "/admin/checkpoint", "", NULL, &response),
                     202);
    uint64_t number = api_number(&response, "number");
    do {
        assert_true(event_now_ms() < limit);
        assert_int_equal(
            http_call(api->server.port, "GET", "/admin/checkpoint", "", NULL, &response), 200);
    } while (api_number(&response, "completed") < number);
}

int event_make(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    temporary_directory_make(api->directory);
    snprintf(api->data, sizeof(api->data), "%s/data", api->directory);
    *state = api;
    return 0;
}

int event_clean(void **state)
{
    struct api *api = *state;
    temporary_directory_remove(api->directory);
    free(api);
    return 0;
}
