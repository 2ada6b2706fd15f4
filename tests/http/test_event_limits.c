/* test_event_limits.c - GET /events: too many followers, slow ones, a server that stops, events
 * that are gone. */
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

#include "event_follower.h"

static const char *const two_workers[] = {"--workers", "2", NULL};

static void follower__beyond_the_limit_waits_outside(void **state)
{
    static const char *const arguments[] = {"--workers", "2", "--followers-max", "2", NULL};
    struct api *api = *state;
    struct http_response response;
    api_restart(api, arguments);
    struct follower *first = follower_start(api, "?follow=true", "");
    struct follower *second = follower_start(api, "?follow=true", "");
    follower_expect_head(first, "application/x-ndjson");
    follower_expect_head(second, "application/x-ndjson");
    assert_int_equal(http_call(api->server.port, "GET", "/events", "", NULL, &response), 429);
    api_assert_in_body(&response, "\"code\":\"too_many_followers\"");
    api_assert_header(&response, "Retry-After", "1");
    follower_leave(first);
    event_wait_for_metric(api, "florin_followers", 1);
    event_assert_page(api, "", "");
    follower_leave(second);
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
        if (!http_client_receive_chunk(&follower->client, follower_keep, follower, &size))
            break;
        /* a chunk has whole events */
        events += follower_count(follower->text + before, "\"lsn\":");
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
    event_open_large_accounts(api, "large", LARGE);
    struct follower *slow = follower_start(api, "?follow=true&after=0", "");
    struct follower *other = follower_start(api, "?follow=true&after=0", "");
    follower_expect_head(slow, "application/x-ndjson");
    follower_expect_head(other, "application/x-ndjson");
    assert_int_equal(pthread_create(&thread, NULL, read_large_events, other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(follower_count(other->text, "\"lsn\":"), LARGE);
    event_wait_for_metric(api, "florin_followers_dropped_total", 1);
    follower_read_to_end(slow);
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
    event_assert_page(api, query, other->text + strlen(slow->text));
    /* one that takes nothing ever is gone, too */
    struct follower *dead = follower_start(api, "?follow=true&after=0", "");
    event_wait_for_metric(api, "florin_followers_dropped_total", 2);
    event_wait_for_metric(api, "florin_followers", 1);
    follower_leave(dead);
    event_deposit(api, "large0");
    follower_read_events(other, LARGE + 1);
    follower_leave(slow);
    follower_leave(other);
    server_process_stop(&api->server);
}

static void streams__end_properly_when_the_server_stops(void **state)
{
    struct api *api = *state;
    api_restart(api, two_workers);
    api_open_account(api, "a", "0");
    struct follower *ndjson = follower_start(api, "?follow=true", "");
    struct follower *sse = follower_start(api, "", "Accept: text/event-stream\r\n");
    struct follower *waiting = follower_start(api, "?after=1&wait=300", "");
    follower_expect_head(ndjson, "application/x-ndjson");
    follower_expect_head(sse, "text/event-stream");
    follower_read_events(ndjson, 1);
    follower_read_events(sse, 1);
    event_wait_for_metric(api, "florin_followers", 3);
    server_process_stop(&api->server);
    follower_read_to_end(ndjson);
    follower_read_to_end(sse);
    assert_int_equal(follower_count(ndjson->text, "\n"), 1);
    assert_true(http_client_receive(&waiting->client, &waiting->response, false));
    assert_int_equal(waiting->response.status, 503);
    api_assert_in_body(&waiting->response, "\"code\":\"stopping\"");
    follower_leave(ndjson);
    follower_leave(sse);
    follower_leave(waiting);
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
    for (unsigned round = 0; event_metric(api, "florin_log_segments_removed_total") == 0; round++) {
        assert_true(round < 20);
        snprintf(prefix, sizeof(prefix), "r%u-", round % 1000);
        event_open_large_accounts(api, prefix, 2000);
        event_make_checkpoint(api);
    }
    /* it may still go on: until both pages were read between two looks at the same position */
    uint64_t first_lsn;
    uint64_t limit = event_now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    char *there = NULL;
    char *from_start = NULL;
    do {
        assert_true(event_now_ms() < limit);
        free(there);
        free(from_start);
        first_lsn = first_kept(api);
        snprintf(query, sizeof(query), "?limit=5&after=%" PRIu64, first_lsn - 1);
        there = event_page_or_gone(api, query, "");
        from_start = event_page(api, "?limit=5", "");
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
        cmocka_unit_test_setup_teardown(follower__beyond_the_limit_waits_outside, event_make,
                                        event_clean),
        cmocka_unit_test_setup_teardown(follower__that_does_not_read_is_dropped_and_others_go_on,
                                        event_make, event_clean),
        cmocka_unit_test_setup_teardown(streams__end_properly_when_the_server_stops, event_make,
                                        event_clean),
        cmocka_unit_test_setup_teardown(events__that_retention_has_removed_are_gone, event_make,
                                        event_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
