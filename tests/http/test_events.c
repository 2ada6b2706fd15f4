/* test_events.c - GET /events: order, places to go on from, waiting, many followers, slow ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api_fixture.h"

static const char *const two_workers[] = {"--workers", "2", NULL};

/* What one client has got of one answer. */
struct follower {
    struct http_client client;
    struct http_response response; /* its head; with an error its body */
    char *text;
    size_t length;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- a follower ----------------------------------------------------------------------------- */

static void keep(void *context, const char *bytes, size_t length)
{
    struct follower *follower = context;
    follower->text = realloc(follower->text, follower->length + length + 1);
    assert_non_null(follower->text);
    memcpy(follower->text + follower->length, bytes, length);
    follower->length += length;
    follower->text[follower->length] = '\0';
}

/* Sends the request. */
static struct follower *follow(const struct api *api, const char *query, const char *headers)
{
    char path[256];
    struct follower *follower = calloc(1, sizeof(*follower));
    assert_non_null(follower);
    keep(follower, "", 0);
    snprintf(path, sizeof(path), "/events%s", query);
    http_client_open(&follower->client, api->server.port);
    assert_true(http_client_request(&follower->client, "GET", path, headers, NULL));
    return follower;
}

static void leave(struct follower *follower)
{
    http_client_close(&follower->client);
    free(follower->text);
    free(follower);
}

static void expect_head(struct follower *follower, const char *type)
{
    char value[64];
    assert_true(http_client_receive_head(&follower->client, &follower->response));
    assert_int_equal(follower->response.status, 200);
    assert_string_equal(
        http_response_header(&follower->response, "Content-Type", value, sizeof(value)), type);
}

static unsigned count_text(const char *text, const char *part)
{
    unsigned count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text++;
    }
    return count;
}

/* Reads until it has so many events. */
static void read_events(struct follower *follower, unsigned count)
{
    size_t size;
    while (count_text(follower->text, "\"lsn\":") < count) {
        assert_true(http_client_receive_chunk(&follower->client, keep, follower, &size));
        assert_int_not_equal(size, 0);
    }
}

/* Reads to the proper end. */
static void read_to_end(struct follower *follower)
{
    assert_true(http_client_receive_chunks(&follower->client, keep, follower));
}

/* A whole page; its text is the caller's. NULL: its events are gone. */
static char *page_or_gone(const struct api *api, const char *query, const char *headers)
{
    char *text = NULL;
    struct follower *follower = follow(api, query, headers);
    assert_true(http_client_receive_head(&follower->client, &follower->response));
    if (follower->response.status != 410) {
        assert_int_equal(follower->response.status, 200);
        read_to_end(follower);
        text = strdup(follower->text);
    }
    leave(follower);
    return text;
}

static char *page(const struct api *api, const char *query, const char *headers)
{
    char *text = page_or_gone(api, query, headers);
    assert_non_null(text);
    return text;
}

static void assert_page(const struct api *api, const char *query, const char *expected)
{
    char *text = page(api, query, "");
    if (strcmp(text, expected) != 0)
        fail_msg("/events%s:\n%s\nexpected:\n%s", query, text, expected);
    free(text);
}

/* --- what happens --------------------------------------------------------------------------- */

static void deposit(const struct api *api, const char *account)
{
    struct http_response response;
    assert_int_equal(api_post(api, account, NULL, "{\"type\":\"Deposit\",\"amount\":1}", &response),
                     201);
}

/* Accounts with metadata of a kilobyte, on one connection: a thousand make more than a megabyte of
 * events, which a socket does not take without a reader. */
static void open_large_accounts(const struct api *api, const char *prefix, unsigned count)
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

static uint64_t metric(const struct api *api, const char *name)
{
    static struct http_response response;
    char line[128];
    assert_int_equal(http_call(api->server.port, "GET", "/metrics", "", NULL, &response), 200);
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *found = strstr(response.body, line);
    assert_non_null(found);
    return strtoull(found + strlen(line), NULL, 10);
}

static void wait_for_metric(const struct api *api, const char *name, uint64_t value)
{
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    while (metric(api, name) != value)
        assert_true(now_ms() < limit);
}

static void make_checkpoint(const struct api *api)
{
    struct http_response response;
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    assert_int_equal(http_call(api->server.port, "POST", "/admin/checkpoint", "", NULL, &response),
                     202);
    uint64_t number = api_number(&response, "number");
    do {
        assert_true(now_ms() < limit);
        assert_int_equal(
            http_call(api->server.port, "GET", "/admin/checkpoint", "", NULL, &response), 200);
    } while (api_number(&response, "completed") < number);
}

static int make(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    temporary_directory_make(api->directory);
    snprintf(api->data, sizeof(api->data), "%s/data", api->directory);
    *state = api;
    return 0;
}

static int clean(void **state)
{
    struct api *api = *state;
    temporary_directory_remove(api->directory);
    free(api);
    return 0;
}

/* --- pages ---------------------------------------------------------------------------------- */

/* Replaces the times by "T". */
static void blank_times(char *text)
{
    static const char name[] = "\"timestamp\":\"";
    char *at = text;
    while ((at = strstr(at, name)) != NULL) {
        char *value = at + sizeof(name) - 1;
        char *end = strchr(value, '"');
        *value = 'T';
        memmove(value + 1, end, strlen(end) + 1);
        at = value;
    }
}

static void page__shows_changes_in_log_order_and_no_refusals(void **state)
{
    struct api *api = *state;
    struct http_response response;
    api_restart(api, two_workers);
    api_open_account(api, "alice", "10.00");
    assert_int_equal(
        api_post(api, "alice", "k\\\"\xe9", "{\"type\":\"Deposit\",\"amount\":2.5}", &response),
        201);
    assert_int_equal(
        api_post(api, "alice", "no", "{\"type\":\"Withdraw\",\"amount\":99}", &response), 422);
    assert_int_equal(
        api_post(api, "alice", NULL, "{\"type\":\"Withdraw\",\"amount\":1}", &response), 201);
    char *text = page(api, "", "");
    blank_times(text);
    assert_string_equal(
        text,
        "{\"lsn\":1,\"id\":\"txn1\",\"type\":\"Open\",\"timestamp\":\"T\",\"amount\":10.00,"
        "\"legs\":[{\"account\":\"alice\",\"direction\":\"credit\",\"amount\":10.00,"
        "\"balance\":10.00,\"version\":1}],\"currency\":\"USD\",\"minimumBalance\":0.00,"
        "\"status\":\"open\",\"metadata\":{}}\n"
        "{\"lsn\":2,\"id\":\"txn2\",\"type\":\"Deposit\",\"timestamp\":\"T\","
        "\"key\":\"\\u006b\\u005c\\u0022\\u00e9\",\"amount\":2.50,"
        "\"legs\":[{\"account\":\"alice\",\"direction\":\"credit\",\"amount\":2.50,"
        "\"balance\":12.50,\"version\":2}]}\n"
        "{\"lsn\":4,\"id\":\"txn4\",\"type\":\"Withdraw\",\"timestamp\":\"T\",\"amount\":1.00,"
        "\"legs\":[{\"account\":\"alice\",\"direction\":\"debit\",\"amount\":1.00,"
        "\"balance\":11.50,\"version\":3}]}\n");
    free(text);
    text = page(api, "?after=3", "Prefer: money=string\r\n");
    assert_non_null(strstr(text, "\"amount\":\"1.00\",\"balance\":\"11.50\""));
    free(text);
    server_process_stop(&api->server);
}

/* The events behind `after`, of a text that has all. */
static const char *behind(const char *text, uint64_t after)
{
    static const char start[] = "{\"lsn\":";
    while (*text != '\0' && strtoull(text + sizeof(start) - 1, NULL, 10) <= after)
        text = strchr(text, '\n') + 1;
    return text;
}

/* Every position of the log gives the rest of the same text. */
static void assert_resumes_everywhere(const struct api *api, const char *whole, unsigned last)
{
    char query[64];
    for (unsigned after = 0; after <= last + 1; after++) {
        snprintf(query, sizeof(query), "?after=%u", after);
        assert_page(api, query, behind(whole, after));
        snprintf(query, sizeof(query), "?after=%u&limit=1", after);
        char *one = page(api, query, "");
        const char *rest = behind(whole, after);
        const char *line_end = strchr(rest, '\n');
        size_t length = line_end == NULL ? 0 : (size_t)(line_end - rest) + 1;
        assert_int_equal(strlen(one), length);
        assert_memory_equal(one, rest, length);
        free(one);
    }
}

static void page__goes_on_behind_any_position_also_after_restart_and_checkpoint(void **state)
{
    enum { ACCOUNTS = 2, ROUNDS = 10 };
    struct api *api = *state;
    struct http_response response;
    unsigned last = 0;
    api_restart(api, two_workers);
    api_open_account(api, "a", "0");
    api_open_account(api, "b", "0");
    last += ACCOUNTS;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char key[16];
        deposit(api, "a");
        deposit(api, "b");
        snprintf(key, sizeof(key), "refused%u", i);
        assert_int_equal(
            api_post(api, "b", key, "{\"type\":\"Withdraw\",\"amount\":99}", &response), 422);
        last += 3;
    }
    char *whole = page(api, "", "");
    assert_int_equal(count_text(whole, "\"lsn\":"), last - ROUNDS);
    assert_resumes_everywhere(api, whole, last);
    make_checkpoint(api);
    assert_resumes_everywhere(api, whole, last);
    server_process_stop(&api->server);
    api_restart(api, two_workers);
    assert_resumes_everywhere(api, whole, last);
    free(whole);
    server_process_stop(&api->server);
}

static void parameters__that_are_wrong_are_refused(void **state)
{
    static const struct {
        const char *query;
        const char *headers;
        const char *field;
    } rows[] = {
        {"?after=x", "", "after"},
        {"?after=", "", "after"},
        {"?after=-1", "", "after"},
        {"?after=999999999999999999", "", "after"},
        {"?limit=0", "", "limit"},
        {"?limit=10001", "", "limit"},
        {"?wait=301", "", "wait"},
        {"?wait=1.5", "", "wait"},
        {"?follow=yes", "", "follow"},
        {"?after=1&after=2", "", "after"},
        {"?from=1", "", "from"},
        {"?follow=true&wait=1", "", "wait"},
        {"?wait=1", "Accept: text/event-stream\r\n", "wait"},
        {"", "Accept: text/event-stream\r\nLast-Event-ID: x1\r\n", "Last-Event-ID"},
    };
    struct api *api = *state;
    struct http_response response;
    char path[128];
    char field[64];
    api_restart(api, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(path, sizeof(path), "/events%s", rows[i].query);
        snprintf(field, sizeof(field), "\"field\":\"%s\"", rows[i].field);
        int status = http_call(api->server.port, "GET", path, rows[i].headers, NULL, &response);
        if (status != 400)
            fail_msg("%s: %d", path, status);
        api_assert_in_body(&response, "\"code\":\"invalid_request\"");
        api_assert_in_body(&response, field);
    }
    assert_int_equal(http_call(api->server.port, "POST", "/events", "", "{}", &response), 405);
    api_assert_header(&response, "Allow", "GET");
    server_process_stop(&api->server);
}

/* --- waiting -------------------------------------------------------------------------------- */

static void page__waits_for_the_first_event(void **state)
{
    struct api *api = *state;
    api_restart(api, two_workers);
    api_open_account(api, "a", "0");
    struct follower *waiting = follow(api, "?after=1&wait=300", "");
    struct follower *ahead = follow(api, "?after=2&wait=300", "");
    wait_for_metric(api, "florin_followers", 2);
    deposit(api, "a");
    expect_head(waiting, "application/x-ndjson");
    read_to_end(waiting);
    assert_int_equal(count_text(waiting->text, "\"lsn\":"), 1);
    assert_memory_equal(waiting->text, "{\"lsn\":2,", 9);
    leave(waiting);
    deposit(api, "a");
    expect_head(ahead, "application/x-ndjson");
    read_to_end(ahead);
    assert_int_equal(count_text(ahead->text, "\"lsn\":"), 1);
    assert_memory_equal(ahead->text, "{\"lsn\":3,", 9);
    leave(ahead);
    uint64_t began_ms = now_ms();
    assert_page(api, "?after=3&wait=1", "");
    assert_true(now_ms() - began_ms >= 1000);
    server_process_stop(&api->server);
}

/* --- following ------------------------------------------------------------------------------ */

static void sse__has_ids_and_goes_on_behind_the_last_one(void **state)
{
    static const char sse[] = "Accept: text/event-stream\r\n";
    static const char resumed[] = "Accept: text/event-stream\r\nLast-Event-ID: 2\r\n";
    struct api *api = *state;
    api_restart(api, two_workers);
    api_open_account(api, "a", "0");
    struct follower *first = follow(api, "?after=1", sse);
    expect_head(first, "text/event-stream");
    deposit(api, "a");
    read_events(first, 1);
    deposit(api, "a");
    read_events(first, 2);
    const char *text = strstr(first->text, "id: ");
    assert_non_null(text);
    assert_memory_equal(text, "id: 2\ndata: {\"lsn\":2,", 21);
    assert_non_null(strstr(first->text, "}\n\nid: 3\ndata: {\"lsn\":3,"));
    assert_string_equal(first->text + first->length - 3, "}\n\n");
    struct follower *second = follow(api, "?after=0", resumed);
    expect_head(second, "text/event-stream");
    read_events(second, 1);
    assert_string_equal(second->text, strstr(first->text, "id: 3\n"));
    struct follower *end = follow(api, "?after=0&follow=false", sse);
    expect_head(end, "text/event-stream");
    read_to_end(end);
    assert_int_equal(count_text(end->text, "id: "), 3);
    leave(end);
    leave(second);
    leave(first);
    server_process_stop(&api->server);
}

static void followers__all_get_the_same_bytes(void **state)
{
    enum { FOLLOWERS = 200, EVENTS = 100 };
    static struct follower *followers[FOLLOWERS];
    struct api *api = *state;
    api_restart(api, two_workers);
    api_open_account(api, "a", "0");
    api_open_account(api, "b", "0");
    /* half of them follow from the start, half join in between */
    for (unsigned i = 0; i < FOLLOWERS / 2; i++)
        followers[i] = follow(api, "?follow=true&after=1", "");
    for (unsigned i = 0; i < EVENTS / 2; i++)
        deposit(api, i % 2 == 0 ? "a" : "b");
    for (unsigned i = FOLLOWERS / 2; i < FOLLOWERS; i++)
        followers[i] = follow(api, "?follow=true&after=1", "");
    for (unsigned i = 0; i < EVENTS / 2; i++)
        deposit(api, i % 3 == 0 ? "a" : "b");
    char *whole = page(api, "?after=1", "");
    assert_int_equal(count_text(whole, "\"lsn\":"), EVENTS + 1);
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        expect_head(followers[i], "application/x-ndjson");
        read_events(followers[i], EVENTS + 1);
        assert_string_equal(followers[i]->text, whole);
    }
    assert_true(metric(api, "florin_events_sent_total") >= FOLLOWERS * (EVENTS + 1));
    /* those that leave are noticed at once, not when the next bytes are sent */
    uint64_t began_ms = now_ms();
    for (unsigned i = 0; i < FOLLOWERS; i++)
        leave(followers[i]);
    wait_for_metric(api, "florin_followers", 0);
    assert_true(now_ms() - began_ms < 10000);
    free(whole);
    server_process_stop(&api->server);
}

static void follower__beyond_the_limit_waits_outside(void **state)
{
    static const char *const arguments[] = {"--workers", "2", "--followers-max", "2", NULL};
    struct api *api = *state;
    struct http_response response;
    api_restart(api, arguments);
    struct follower *first = follow(api, "?follow=true", "");
    struct follower *second = follow(api, "?follow=true", "");
    expect_head(first, "application/x-ndjson");
    expect_head(second, "application/x-ndjson");
    assert_int_equal(http_call(api->server.port, "GET", "/events", "", NULL, &response), 429);
    api_assert_in_body(&response, "\"code\":\"too_many_followers\"");
    api_assert_header(&response, "Retry-After", "1");
    leave(first);
    wait_for_metric(api, "florin_followers", 1);
    assert_page(api, "", "");
    leave(second);
    server_process_stop(&api->server);
}

enum { LARGE = 1000 };

/* Without cmocka's checks, which belong to the test's thread: what is missing is found there. */
static void *read_large_events(void *context)
{
    struct follower *follower = context;
    unsigned events = 0;
    size_t size = 1;
    while (events < LARGE && size > 0) {
        size_t before = follower->length;
        if (!http_client_receive_chunk(&follower->client, keep, follower, &size))
            break;
        /* a chunk has whole events */
        events += count_text(follower->text + before, "\"lsn\":");
    }
    return NULL;
}

static void follower__that_does_not_read_is_dropped_and_others_go_on(void **state)
{
    /* it has a second, once it is too slow, to learn why */
    static const char *const arguments[] = {"--workers", "2", "--request-timeout-ms", "2000", NULL};
    struct api *api = *state;
    pthread_t thread;
    api_restart(api, arguments);
    open_large_accounts(api, "large", LARGE);
    struct follower *slow = follow(api, "?follow=true&after=0", "");
    struct follower *other = follow(api, "?follow=true&after=0", "");
    expect_head(slow, "application/x-ndjson");
    expect_head(other, "application/x-ndjson");
    assert_int_equal(pthread_create(&thread, NULL, read_large_events, other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(count_text(other->text, "\"lsn\":"), LARGE);
    wait_for_metric(api, "florin_followers_dropped_total", 1);
    read_to_end(slow);
    char *last = slow->text + slow->length - 1;
    while (last > slow->text && last[-1] != '\n')
        last--;
    static const char line[] = "{\"error\":\"The events were not taken in time\","
                               "\"code\":\"follower_too_slow\",\"resumeAfter\":";
    assert_memory_equal(last, line, sizeof(line) - 1);
    /* and it goes on from there */
    char query[64];
    uint64_t resume_after = strtoull(last + sizeof(line) - 1, NULL, 10);
    *last = '\0';
    assert_memory_equal(other->text, slow->text, strlen(slow->text));
    snprintf(query, sizeof(query), "?limit=10000&after=%" PRIu64, resume_after);
    assert_page(api, query, other->text + strlen(slow->text));
    /* one that takes nothing ever is gone, too */
    struct follower *dead = follow(api, "?follow=true&after=0", "");
    wait_for_metric(api, "florin_followers_dropped_total", 2);
    wait_for_metric(api, "florin_followers", 1);
    leave(dead);
    deposit(api, "large0");
    read_events(other, LARGE + 1);
    leave(slow);
    leave(other);
    server_process_stop(&api->server);
}

static void streams__end_properly_when_the_server_stops(void **state)
{
    struct api *api = *state;
    api_restart(api, two_workers);
    api_open_account(api, "a", "0");
    struct follower *ndjson = follow(api, "?follow=true", "");
    struct follower *sse = follow(api, "", "Accept: text/event-stream\r\n");
    struct follower *waiting = follow(api, "?after=1&wait=300", "");
    expect_head(ndjson, "application/x-ndjson");
    expect_head(sse, "text/event-stream");
    read_events(ndjson, 1);
    read_events(sse, 1);
    wait_for_metric(api, "florin_followers", 3);
    server_process_stop(&api->server);
    read_to_end(ndjson);
    read_to_end(sse);
    assert_int_equal(count_text(ndjson->text, "\n"), 1);
    assert_true(http_client_receive(&waiting->client, &waiting->response, false));
    assert_int_equal(waiting->response.status, 503);
    api_assert_in_body(&waiting->response, "\"code\":\"stopping\"");
    leave(ndjson);
    leave(sse);
    leave(waiting);
}

/* --- retention ------------------------------------------------------------------------------ */

/* By the refusal of what is gone, which a stream gets as a page does. */
static uint64_t first_kept(const struct api *api)
{
    static struct http_response response;
    assert_int_equal(http_call(api->server.port, "GET", "/events?after=0",
                               "Accept: text/event-stream\r\n", NULL, &response),
                     410);
    assert_int_equal(http_call(api->server.port, "GET", "/events?after=0", "", NULL, &response),
                     410);
    api_assert_in_body(&response, "\"code\":\"events_gone\"");
    uint64_t first_lsn = api_number(&response, "firstLsn");
    assert_int_equal(api_number(&response, "resumeAfter"), first_lsn - 1);
    return first_lsn;
}

static void events__that_retention_has_removed_are_gone(void **state)
{
    static const char *const arguments[] = {"--workers", "2", "--segment-mib", "4", "--retain",
                                            "1MiB",      NULL};
    struct api *api = *state;
    char query[64];
    char prefix[8];
    api_restart(api, arguments);
    for (unsigned round = 0; metric(api, "florin_log_segments_removed_total") == 0; round++) {
        assert_true(round < 20);
        snprintf(prefix, sizeof(prefix), "r%u-", round % 1000);
        open_large_accounts(api, prefix, 2000);
        make_checkpoint(api);
    }
    /* it may still go on: until both pages were read between two looks at the same position */
    uint64_t first_lsn;
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    char *there = NULL;
    char *from_start = NULL;
    do {
        assert_true(now_ms() < limit);
        free(there);
        free(from_start);
        first_lsn = first_kept(api);
        snprintf(query, sizeof(query), "?limit=5&after=%" PRIu64, first_lsn - 1);
        there = page_or_gone(api, query, "");
        from_start = page(api, "?limit=5", "");
    } while (there == NULL || first_kept(api) != first_lsn);
    assert_true(first_lsn > 1);
    snprintf(query, sizeof(query), "{\"lsn\":%" PRIu64 ",", first_lsn);
    assert_memory_equal(there, query, strlen(query));
    assert_string_equal(from_start, there);
    free(there);
    free(from_start);
    server_process_stop(&api->server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(page__shows_changes_in_log_order_and_no_refusals, make,
                                        clean),
        cmocka_unit_test_setup_teardown(
            page__goes_on_behind_any_position_also_after_restart_and_checkpoint, make, clean),
        cmocka_unit_test_setup_teardown(parameters__that_are_wrong_are_refused, make, clean),
        cmocka_unit_test_setup_teardown(page__waits_for_the_first_event, make, clean),
        cmocka_unit_test_setup_teardown(sse__has_ids_and_goes_on_behind_the_last_one, make, clean),
        cmocka_unit_test_setup_teardown(followers__all_get_the_same_bytes, make, clean),
        cmocka_unit_test_setup_teardown(follower__beyond_the_limit_waits_outside, make, clean),
        cmocka_unit_test_setup_teardown(follower__that_does_not_read_is_dropped_and_others_go_on,
                                        make, clean),
        cmocka_unit_test_setup_teardown(streams__end_properly_when_the_server_stops, make, clean),
        cmocka_unit_test_setup_teardown(events__that_retention_has_removed_are_gone, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
