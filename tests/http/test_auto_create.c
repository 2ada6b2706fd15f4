/* test_auto_create.c - accounts that come into being when they are paid into, across workers, and
 * are there after a kill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "api_fixture.h"

enum { RECEIVERS = 24 };

static const char *const arguments[] = {"--workers", "4", "--auto-create=EUR", NULL};

static int setup(void **state)
{
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

static int post(const struct api *api, const char *path, const char *body,
                struct http_response *response)
{
    return http_call(api->server.port, "POST", path, API_JSON, body, response);
}

static int get(const struct api *api, const char *path, struct http_response *response)
{
    return http_call(api->server.port, "GET", path, "", NULL, response);
}

static void deposit__opens_the_account(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    assert_int_equal(
        api_post(api, "payer", "k1", "{\"type\":\"Deposit\",\"amount\":1000}", &response), 201);
    api_assert_in_body(&response, "\"newBalance\":1000.00,\"newVersion\":2,");
    assert_int_equal(get(api, "/accounts/payer", &response), 200);
    api_assert_in_body(&response, "\"currency\":\"EUR\",\"balance\":1000.00,");
    api_assert_in_body(&response, "\"minimumBalance\":0.00,");
    assert_int_equal(
        api_post(api, "nobody", NULL, "{\"type\":\"Withdraw\",\"amount\":1}", &response), 404);
    assert_int_equal(api_post(api, "nobody", NULL,
                              "{\"type\":\"Deposit\",\"amount\":1,\"expectedVersion\":1}",
                              &response),
                     404);
    assert_int_equal(get(api, "/accounts/nobody", &response), 404);
}

/* So many that some live with the payer's worker, and most do not. */
static void transfers__open_accounts_of_every_worker(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    char body[128];
    char id[32];
    for (int i = 0; i < RECEIVERS; i++) {
        snprintf(id, sizeof(id), "/accounts/to-%d", i);
        snprintf(body, sizeof(body), "{\"from\":\"payer\",\"to\":\"to-%d\",\"amount\":10}", i);
        assert_int_equal(post(api, "/transfers?dryRun=true", body, &response), 200);
        api_assert_in_body(&response, "\"newBalance\":");
        assert_int_equal(get(api, id, &response), 404);
        assert_int_equal(post(api, "/transfers", body, &response), 201);
        api_assert_balance(api, id + sizeof("/accounts/") - 1, "10.00 2");
    }
    api_assert_balance(api, "payer", "760.00 26");
}

static void posting__opens_many_at_once(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    char body[4096];
    int length = snprintf(body, sizeof(body), "{\"legs\":[");
    for (int i = 0; i < RECEIVERS; i++)
        length += snprintf(body + length, sizeof(body) - (size_t)length,
                           "{\"account\":\"leg-%d\",\"type\":\"Credit\",\"amount\":1},", i);
    snprintf(body + length, sizeof(body) - (size_t)length,
             "{\"account\":\"payer\",\"type\":\"Debit\",\"amount\":%d}]}", RECEIVERS);
    assert_int_equal(post(api, "/postings", body, &response), 201);
    for (int i = 0; i < RECEIVERS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "leg-%d", i);
        api_assert_balance(api, id, "1.00 2");
    }
    api_assert_balance(api, "payer", "736.00 27");
}

static void batch__opens_what_its_items_pay_into(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    static const char each[] =
        "[{\"type\":\"Deposit\",\"account\":\"item-0\",\"amount\":3,\"key\":\"b0\"},"
        "{\"type\":\"Transfer\",\"from\":\"payer\",\"to\":\"item-1\",\"amount\":4,"
        "\"key\":\"b1\"},"
        "{\"type\":\"Withdraw\",\"account\":\"item-2\",\"amount\":1,\"key\":\"b2\"}]";
    static const char whole[] =
        "[{\"type\":\"Deposit\",\"account\":\"purse\",\"amount\":9},"
        "{\"type\":\"Transfer\",\"from\":\"purse\",\"to\":\"change\",\"amount\":2}]";
    static const char too_much[] = "[{\"type\":\"Deposit\",\"account\":\"item-3\",\"amount\":9},"
                                   "{\"type\":\"Withdraw\",\"account\":\"purse\",\"amount\":8}]";
    for (int times = 0; times < 2; times++) /* again: the same answers, and nothing more */
        assert_int_equal(post(api, "/batch", each, &response), 200);
    api_assert_balance(api, "item-0", "3.00 2");
    api_assert_balance(api, "item-1", "4.00 2");
    assert_int_equal(get(api, "/accounts/item-2", &response), 404);
    assert_int_equal(post(api, "/batch?atomic=true&dryRun=true", whole, &response), 200);
    assert_int_equal(get(api, "/accounts/purse", &response), 404);
    assert_int_equal(post(api, "/batch?atomic=true", whole, &response), 201);
    api_assert_balance(api, "purse", "7.00 3");
    api_assert_balance(api, "change", "2.00 2");
    assert_int_equal(post(api, "/batch?atomic=true", too_much, &response), 422);
    api_assert_balance(api, "purse", "7.00 3");
}

static void kill__loses_none_of_them(void **state)
{
    struct api *api = *state;
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    api_restart(api, arguments);
    for (int i = 0; i < RECEIVERS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "leg-%d", i);
        api_assert_balance(api, id, "1.00 2");
        snprintf(id, sizeof(id), "to-%d", i);
        api_assert_balance(api, id, "10.00 2");
    }
    api_assert_balance(api, "payer", "732.00 28");
    api_assert_balance(api, "item-0", "3.00 2");
    api_assert_balance(api, "purse", "7.00 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deposit__opens_the_account),
        cmocka_unit_test(transfers__open_accounts_of_every_worker),
        cmocka_unit_test(posting__opens_many_at_once),
        cmocka_unit_test(batch__opens_what_its_items_pay_into),
        cmocka_unit_test(kill__loses_none_of_them),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
