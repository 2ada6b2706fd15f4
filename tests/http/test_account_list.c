/* test_account_list.c - GET /accounts from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"

enum { ACCOUNTS = 120 };

static int setup(void **state)
{
    static const char *const arguments[] = {"--workers", "3", NULL};
    struct api *api = calloc(1, sizeof(*api));
    assert_non_null(api);
    api_start(api, arguments);
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

static int get(const struct api *api, const char *path, const char *headers,
               struct http_response *response)
{
    return http_call(api->server.port, "GET", path, headers, NULL, response);
}

static void list__of_nothing_is_empty(void **state)
{
    struct http_response response;
    assert_int_equal(get(*state, "/accounts", "", &response), 200);
    api_assert_body(&response, "{\"accounts\":[],\"next\":null}");
}

static void account__is_shown_as_by_itself(void **state)
{
    struct http_response one;
    struct http_response list;
    char expected[2048];
    assert_int_equal(http_call(((struct api *)*state)->server.port, "POST", "/accounts", API_JSON,
                               "{\"id\":\"z@1\",\"currency\":\"JPY\",\"balance\":7,"
                               "\"metadata\":{\"k\":[1,2]}}",
                               &one),
                     201);
    assert_int_equal(get(*state, "/accounts/z@1", "", &one), 200);
    snprintf(expected, sizeof(expected), "{\"accounts\":[%.1500s],\"next\":null}", one.body);
    assert_int_equal(get(*state, "/accounts?prefix=z%401", "", &list), 200);
    api_assert_body(&list, expected);
    api_assert_header(&list, "Content-Type", "application/json");
    assert_int_equal(get(*state, "/accounts/z@1", "Prefer: money=string\r\n", &one), 200);
    snprintf(expected, sizeof(expected), "{\"accounts\":[%.1500s],\"next\":null}", one.body);
    assert_int_equal(get(*state, "/accounts?after=z", "Prefer: money=string\r\n", &list), 200);
    api_assert_body(&list, expected);
    api_assert_header(&list, "Preference-Applied", "money=string");
}

/* Follows `next` to the end; every account once, in order. */
static void read_pages(const struct api *api, unsigned limit, unsigned page_max)
{
    struct http_response response;
    char path[128];
    char id[80];
    unsigned seen = 0;
    snprintf(path, sizeof(path), "/accounts?prefix=p-&limit=%u", limit);
    if (limit == 0)
        snprintf(path, sizeof(path), "/accounts?prefix=p-");
    for (;;) {
        assert_int_equal(get(api, path, "", &response), 200);
        unsigned here = 0;
        for (const char *at = response.body; (at = strstr(at, "{\"id\":\"")) != NULL; at++) {
            snprintf(id, sizeof(id), "{\"id\":\"p-%04u\",", seen++);
            assert_int_equal(strncmp(at, id, strlen(id)), 0);
            here++;
        }
        assert_true(here <= page_max);
        const char *next = strstr(response.body, "],\"next\":");
        assert_non_null(next);
        if (strcmp(next, "],\"next\":null}") == 0)
            break;
        assert_int_equal(here, page_max);
        assert_int_equal(sscanf(next, "],\"next\":\"%64[^\"]\"}", id), 1);
        snprintf(path, sizeof(path), "/accounts?prefix=p-&after=%s%s", id,
                 limit == 7     ? "&limit=7"
                 : limit == 200 ? "&limit=200"
                                : "");
    }
    assert_int_equal(seen, ACCOUNTS);
}

static void pages__hold_every_account_once_and_in_order(void **state)
{
    char id[16];
    /* against the order, over all workers */
    for (unsigned i = ACCOUNTS; i > 0; i--) {
        snprintf(id, sizeof(id), "p-%04u", i - 1);
        api_open_account(*state, id, "1.00");
    }
    read_pages(*state, 0, 50);
    read_pages(*state, 7, 7);
    read_pages(*state, 200, 200);
}

static void parameters__that_are_not_understood_are_refused(void **state)
{
    static const struct {
        const char *query;
        const char *field;
    } rows[] = {
        {"limit=0", "limit"},       {"limit=201", "limit"},    {"limit=-1", "limit"},
        {"limit=1.0", "limit"},     {"limit=", "limit"},       {"limit=007", "limit"},
        {"limit=9999999", "limit"}, {"after=", "after"},       {"after=a%20b", "after"},
        {"prefix=%2F", "prefix"},   {"prefix=", "prefix"},     {"limit=5&limit=6", "limit"},
        {"before=a", "before"},     {"dryRun=true", "dryRun"},
    };
    struct http_response response;
    char path[64];
    char field[64];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(path, sizeof(path), "/accounts?%s", rows[i].query);
        snprintf(field, sizeof(field), "\"field\":\"%s\"", rows[i].field);
        int status = get(*state, path, "", &response);
        if (status != 400 || strstr(response.body, field) == NULL)
            fail_msg("%s: %d %s", path, status, response.body);
    }
    assert_int_equal(
        http_call(((struct api *)*state)->server.port, "DELETE", "/accounts", "", NULL, &response),
        405);
    api_assert_header(&response, "Allow", "GET, HEAD, POST");
}

/* Each list at once takes memory of every worker; more than some are told to come again. */
static void lists__are_many_at_once_or_told_so(void **state)
{
    enum { CLIENTS = 40 };
    const struct api *api = *state;
    struct http_client *clients = calloc(CLIENTS, sizeof(*clients));
    struct http_response response;
    assert_non_null(clients);
    for (int i = 0; i < CLIENTS; i++) {
        http_client_open(&clients[i], api->server.port);
        assert_true(http_client_request(&clients[i], "GET", "/accounts?limit=3", "", NULL));
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(http_client_receive(&clients[i], &response, false));
        if (response.status == 200)
            api_assert_in_body(&response, "],\"next\":\"p-0002\"}");
        else
            assert_int_equal(response.status, 429);
        http_client_close(&clients[i]);
    }
    free(clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list__of_nothing_is_empty),
        cmocka_unit_test(account__is_shown_as_by_itself),
        cmocka_unit_test(pages__hold_every_account_once_and_in_order),
        cmocka_unit_test(parameters__that_are_not_understood_are_refused),
        cmocka_unit_test(lists__are_many_at_once_or_told_so),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
