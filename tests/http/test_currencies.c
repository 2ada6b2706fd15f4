/* test_currencies.c - currencies that the operator adds, from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "api_fixture.h"

static const char *const with_coins[] = {"--currency", "BTC:8", "--currency", "POINTS:0",
                                         "--workers",  "2",     NULL};
static const char *const without[] = {"--workers", "2", NULL};

static int setup(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    assert_non_null(api);
    api_start(api, with_coins);
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

static int call(const struct api *api, const char *method, const char *path, const char *body,
                struct http_response *response)
{
    return http_call(api->server.port, method, path, body == NULL ? "" : API_JSON, body, response);
}

static void money__has_the_decimals_of_its_currency(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    assert_int_equal(call(api, "POST", "/accounts",
                          "{\"id\":\"coins\",\"currency\":\"BTC\",\"balance\":\"1.5\","
                          "\"minimumBalance\":\"-0.00000003\"}",
                          &response),
                     201);
    api_assert_in_body(&response, "\"currency\":\"BTC\",\"balance\":1.50000000,");
    api_assert_in_body(&response, "\"minimumBalance\":-0.00000003,");
    assert_int_equal(
        api_post(api, "coins", NULL, "{\"type\":\"Deposit\",\"amount\":\"0.00000001\"}", &response),
        201);
    api_assert_in_body(&response, "\"newBalance\":1.50000001,");
    assert_int_equal(api_post(api, "coins", NULL,
                              "{\"type\":\"Deposit\",\"amount\":\"0.000000001\"}", &response),
                     400);
    assert_int_equal(call(api, "POST", "/accounts",
                          "{\"id\":\"p\",\"currency\":\"POINTS\",\"balance\":0.5}", &response),
                     400);
    api_assert_in_body(&response, "\"field\":\"balance\"");
    assert_int_equal(
        call(api, "POST", "/accounts", "{\"id\":\"e\",\"currency\":\"ETH\"}", &response), 400);
    api_assert_in_body(&response, "\"field\":\"currency\"");
}

static void start__without_the_currency_keeps_its_accounts(void **state)
{
    struct api *api = *state;
    struct http_response response;
    server_process_stop(&api->server);
    api_restart(api, without);
    api_assert_balance(api, "coins", "1.50000001 2");
    assert_int_equal(
        api_post(api, "coins", NULL, "{\"type\":\"Debit\",\"amount\":\"1.50000004\"}", &response),
        201);
    api_assert_balance(api, "coins", "-0.00000003 3");
    assert_int_equal(
        call(api, "POST", "/accounts", "{\"id\":\"more\",\"currency\":\"BTC\"}", &response), 400);
    api_assert_in_body(&response, "\"field\":\"currency\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money__has_the_decimals_of_its_currency),
        cmocka_unit_test(start__without_the_currency_keeps_its_accounts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
