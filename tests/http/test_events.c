/* test_events.c - GET /events: order, places to go on from, waiting, many followers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_follower.h"

static const char *const two_workers[] = {"--workers", "2", NULL};

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
    char *text = event_page(api, "", "");
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
    text = event_page(api, "?after=3", "Prefer: money=string\r\n");
    assert_non_null(strstr(text, "\"amount\":\"1.00\",\"balance\":\"11.50\""));
    free(text);
    server_process_stop(&api->server);
}

static void page__shows_both_sides_of_a_transfer_and_what_is_held(void **state)
{
    static const char transfer[] = "{\"from\":\"a\",\"to\":\"b\",\"amount\":3}";
    struct api *api = *state;
    struct http_response response;
    api_restart(api, two_workers);
    api_open_account(api, "a", "10.00");
    api_open_account(api, "b", "0");
    assert_int_equal(http_call(api->server.port, "POST", "/transfers?dryRun=true", API_JSON,
                               transfer, &response),
                     200);
    assert_int_equal(
        http_call(api->server.port, "POST", "/transfers", API_JSON, transfer, &response), 201);
    assert_int_equal(http_call(api->server.port, "POST", "/accounts/a/holds", API_JSON,
                               "{\"amount\":5}", &response),
                     201);
    char *text = event_page(api, "?after=2", "");
    blank_times(text);
    assert_string_equal(
        text,
        "{\"lsn\":3,\"id\":\"txn3\",\"type\":\"Transfer\",\"timestamp\":\"T\",\"amount\":3.00,"
        "\"legs\":[{\"account\":\"a\",\"direction\":\"debit\",\"amount\":3.00,"
        "\"balance\":7.00,\"version\":2},{\"account\":\"b\",\"direction\":\"credit\","
        "\"amount\":3.00,\"balance\":3.00,\"version\":2}]}\n"
        "{\"lsn\":4,\"id\":\"txn4\",\"type\":\"Hold\",\"timestamp\":\"T\",\"amount\":5.00,"
        "\"legs\":[{\"account\":\"a\",\"direction\":\"none\",\"amount\":5.00,"
        "\"balance\":7.00,\"version\":3}],\"held\":5.00,\"hold\":\"hold4:a\"}\n");
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
        event_assert_page(api, query, behind(whole, after));
        snprintf(query, sizeof(query), "?after=%u&limit=1", after);
        char *one = event_page(api, query, "");
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
        event_deposit(api, "a");
        event_deposit(api, "b");
        snprintf(key, sizeof(key), "refused%u", i);
        assert_int_equal(
            api_post(api, "b", key, "{\"type\":\"Withdraw\",\"amount\":99}", &response), 422);
        last += 3;
    }
    char *whole = event_page(api, "", "");
    assert_int_equal(follower_count(whole, "\"lsn\":"), last - ROUNDS);
    assert_resumes_everywhere(api, whole, last);
    event_make_checkpoint(api);
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
    struct follower *waiting = follower_start(api, "?after=1&wait=300", "");
    struct follower *ahead = follower_start(api, "?after=2&wait=300", "");
    event_wait_for_metric(api, "florin_followers", 2);
    event_deposit(api, "a");
    follower_expect_head(waiting, "application/x-ndjson");
    follower_read_to_end(waiting);
    assert_int_equal(follower_count(waiting->text, "\"lsn\":"), 1);
    assert_memory_equal(waiting->text, "{\"lsn\":2,", 9);
    follower_leave(waiting);
    event_deposit(api, "a");
    follower_expect_head(ahead, "application/x-ndjson");
    follower_read_to_end(ahead);
    assert_int_equal(follower_count(ahead->text, "\"lsn\":"), 1);
    assert_memory_equal(ahead->text, "{\"lsn\":3,", 9);
    follower_leave(ahead);
    uint64_t began_ms = event_now_ms();
    event_assert_page(api, "?after=3&wait=1", "");
    assert_true(event_now_ms() - began_ms >= 1000);
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
    struct follower *first = follower_start(api, "?after=1", sse);
    follower_expect_head(first, "text/event-stream");
    event_deposit(api, "a");
    follower_read_events(first, 1);
    event_deposit(api, "a");
    follower_read_events(first, 2);
    const char *text = strstr(first->text, "id: ");
    assert_non_null(text);
    assert_memory_equal(text, "id: 2\ndata: {\"lsn\":2,", 21);
    assert_non_null(strstr(first->text, "}\n\nid: 3\ndata: {\"lsn\":3,"));
    assert_string_equal(first->text + first->length - 3, "}\n\n");
    struct follower *second = follower_start(api, "?after=0", resumed);
    follower_expect_head(second, "text/event-stream");
    follower_read_events(second, 1);
    assert_string_equal(second->text, strstr(first->text, "id: 3\n"));
    struct follower *end = follower_start(api, "?after=0&follow=false", sse);
    follower_expect_head(end, "text/event-stream");
    follower_read_to_end(end);
    assert_int_equal(follower_count(end->text, "id: "), 3);
    follower_leave(end);
    follower_leave(second);
    follower_leave(first);
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
        followers[i] = follower_start(api, "?follow=true&after=1", "");
    for (unsigned i = 0; i < EVENTS / 2; i++)
        event_deposit(api, i % 2 == 0 ? "a" : "b");
    for (unsigned i = FOLLOWERS / 2; i < FOLLOWERS; i++)
        followers[i] = follower_start(api, "?follow=true&after=1", "");
    for (unsigned i = 0; i < EVENTS / 2; i++)
        event_deposit(api, i % 3 == 0 ? "a" : "b");
    char *whole = event_page(api, "?after=1", "");
    assert_int_equal(follower_count(whole, "\"lsn\":"), EVENTS + 1);
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        follower_expect_head(followers[i], "application/x-ndjson");
        follower_read_events(followers[i], EVENTS + 1);
        assert_string_equal(followers[i]->text, whole);
    }
    assert_true(event_metric(api, "florin_events_sent_total") >= FOLLOWERS * (EVENTS + 1));
    /* those that leave are noticed at once, not when the next bytes are sent */
    uint64_t began_ms = event_now_ms();
    for (unsigned i = 0; i < FOLLOWERS; i++)
        follower_leave(followers[i]);
    event_wait_for_metric(api, "florin_followers", 0);
    assert_true(event_now_ms() - began_ms < 10000);
    free(whole);
    server_process_stop(&api->server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(page__shows_changes_in_log_order_and_no_refusals,
                                        event_make, event_clean),
        cmocka_unit_test_setup_teardown(page__shows_both_sides_of_a_transfer_and_what_is_held,
                                        event_make, event_clean),
        cmocka_unit_test_setup_teardown(
            page__goes_on_behind_any_position_also_after_restart_and_checkpoint, event_make,
            event_clean),
        cmocka_unit_test_setup_teardown(parameters__that_are_wrong_are_refused, event_make,
                                        event_clean),
        cmocka_unit_test_setup_teardown(page__waits_for_the_first_event, event_make, event_clean),
        cmocka_unit_test_setup_teardown(sse__has_ids_and_goes_on_behind_the_last_one, event_make,
                                        event_clean),
        cmocka_unit_test_setup_teardown(followers__all_get_the_same_bytes, event_make, event_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
