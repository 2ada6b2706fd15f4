/* test_account_request.c - bodies that open accounts, and ids that are made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "http/account_request.h"

static bool parse(const char *body, const char *key, struct account_request *request,
                  struct request_fault *fault)
{
    struct request_headers headers;
    request_headers_init(&headers);
    if (key != NULL)
        request_headers_add(&headers, "idempotency-key", 15, key, strlen(key));
    return account_request_parse(request, body, strlen(body), &headers, fault);
}

static void account__has_defaults(void **state)
{
    struct account_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse("{\"id\":\"alice\"}", NULL, &request, &fault));
    assert_int_equal(request.id_length, 5);
    assert_memory_equal(request.id, "alice", 5);
    assert_int_equal(request.currency_length, 3);
    assert_memory_equal(request.currency, "USD", 3);
    assert_int_equal(request.balance.digits, 0);
    assert_int_equal(request.minimum_balance.digits, 0);
    assert_int_equal(request.metadata_length, 0);
}

/* How many a currency has, the ledger knows. */
static void account__money_has_the_decimals_that_were_written(void **state)
{
    struct account_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse("{\"id\":\"a\",\"currency\":\"KWD\",\"balance\":1.234,"
                      "\"minimumBalance\":\"-50\"}",
                      NULL, &request, &fault));
    assert_int_equal(request.balance.digits, 1234);
    assert_int_equal(request.balance.scale, 3);
    assert_int_equal(request.minimum_balance.digits, -50);
    assert_int_equal(request.minimum_balance.scale, 0);
    assert_true(parse("{\"id\":\"a\",\"currency\":\"BTC\",\"balance\":\"0.00000001\"}", NULL,
                      &request, &fault));
    assert_memory_equal(request.currency, "BTC", 3);
    assert_int_equal(request.balance.digits, 1);
    assert_int_equal(request.balance.scale, 8);
}

static void account__metadata_is_kept_compact(void **state)
{
    struct account_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse("{\"id\":\"a\",\"metadata\":{ \"owner\" : \"Ann\\u00e9\", \"n\":[1, 2.5, "
                      "{\"x\":null}] }}",
                      NULL, &request, &fault));
    assert_string_equal(request.metadata, "{\"owner\":\"Ann\xc3\xa9\",\"n\":[1,2.5,{\"x\":null}]}");
    assert_int_equal(request.metadata_length, strlen(request.metadata));
    assert_true(parse("{\"id\":\"a\",\"metadata\":{ }}", NULL, &request, &fault));
    assert_int_equal(request.metadata_length, 0);
}

static void account__names_the_field_that_is_wrong(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"{\"id\":\"\"}", "id"},
        {"{\"id\":\"a b\"}", "id"},
        {"{\"id\":7}", "id"},
        {"{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123x\"}", "id"},
        {"{\"id\":\"a\",\"currency\":\"\"}", "currency"},
        {"{\"id\":\"a\",\"currency\":\"LONGERTHAN8\"}", "currency"},
        {"{\"id\":\"a\",\"currency\":7}", "currency"},
        {"{\"id\":\"a\",\"balance\":-1}", "balance"},
        {"{\"id\":\"a\",\"balance\":\"1e3\"}", "balance"},
        {"{\"id\":\"a\",\"balance\":\"99999999999999999999\"}", "balance"},
        {"{\"id\":\"a\",\"minimumBalance\":1}", "minimumBalance"},
        {"{\"id\":\"a\",\"metadata\":[]}", "metadata"},
        {"{\"id\":\"a\",\"metadata\":{\"x\":{\"y\":1,\"y\":2}}}", "metadata"},
        {"{\"id\":\"a\",\"metadata\":{\"x\":[{\"y\":1},{\"z\":[]},{\"y\":2,\"y\":3}]}}",
         "metadata"},
        {"{\"id\":\"a\",\"held\":1}", "held"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct account_request request;
        struct request_fault fault;
        if (parse(rows[i].body, NULL, &request, &fault))
            fail_msg("accepted: %s", rows[i].body);
        if (strcmp(fault.field, rows[i].field) != 0)
            fail_msg("%s: field %s (%s)", rows[i].body, fault.field, fault.message);
    }
}

static void account__metadata_may_fill_its_limit_exactly(void **state)
{
    char body[FLORIN_METADATA_MAX + 64];
    char filler[FLORIN_METADATA_MAX + 1];
    struct account_request request;
    struct request_fault fault;
    (void)state;
    memset(filler, 'x', sizeof(filler));
    /* {"k":"..."} has eight bytes besides the text */
    snprintf(body, sizeof(body), "{\"metadata\":{\"k\":\"%.*s\"}}", FLORIN_METADATA_MAX - 8,
             filler);
    assert_true(parse(body, NULL, &request, &fault));
    assert_int_equal(request.metadata_length, FLORIN_METADATA_MAX);
    snprintf(body, sizeof(body), "{\"metadata\":{\"k\":\"%.*s\"}}", FLORIN_METADATA_MAX - 7,
             filler);
    assert_false(parse(body, NULL, &request, &fault));
    assert_string_equal(fault.field, "metadata");
}

static void account__id_is_made_from_the_key_or_at_random(void **state)
{
    struct account_request first;
    struct account_request again;
    struct request_fault fault;
    (void)state;
    assert_true(parse("{}", "key-1", &first, &fault));
    assert_true(parse("{}", "\"key-1\"", &again, &fault));
    assert_int_equal(first.id_length, 30);
    assert_memory_equal(first.id, "acc_", 4);
    assert_memory_equal(first.id, again.id, 30);
    assert_true(parse("{}", "key-2", &again, &fault));
    assert_memory_not_equal(first.id, again.id, 30);

    assert_true(parse("{}", NULL, &first, &fault));
    assert_true(parse("{}", NULL, &again, &fault));
    assert_true(florin_account_id_is_valid(first.id, first.id_length));
    assert_memory_not_equal(first.id, again.id, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(account__has_defaults),
        cmocka_unit_test(account__money_has_the_decimals_that_were_written),
        cmocka_unit_test(account__metadata_is_kept_compact),
        cmocka_unit_test(account__names_the_field_that_is_wrong),
        cmocka_unit_test(account__metadata_may_fill_its_limit_exactly),
        cmocka_unit_test(account__id_is_made_from_the_key_or_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
