/* test_hold_request.c - bodies of holds, captures and voids, and every way to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/hold_request.h"

static void read_headers(struct request_headers *headers, const char *if_match)
{
    request_headers_init(headers);
    if (if_match != NULL)
        request_headers_add(headers, "if-match", 8, if_match, strlen(if_match));
}

static bool parse_hold(const char *body, const char *if_match, struct hold_request *request,
                       struct request_fault *fault)
{
    struct request_headers headers;
    read_headers(&headers, if_match);
    return hold_request_parse(request, body, strlen(body), &headers, fault);
}

static bool parse_capture(const char *body, const char *if_match, struct capture_request *request,
                          struct request_fault *fault)
{
    struct request_headers headers;
    read_headers(&headers, if_match);
    return capture_request_parse(request, body, strlen(body), &headers, fault);
}

static bool parse_void(const char *body, const char *if_match, struct request_fault *fault)
{
    struct request_headers headers;
    read_headers(&headers, if_match);
    return void_request_parse(body, strlen(body), &headers, fault);
}

static void hold__is_read(void **state)
{
    struct hold_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse_hold("{\"amount\":25}", NULL, &request, &fault));
    assert_int_equal(request.amount.digits, 25);
    assert_int_equal(request.expires_in_ns, 0);
    assert_int_equal(request.condition.expected_version, 0);

    assert_true(parse_hold("{\"amount\":\"25.5\",\"expiresIn\":3600,\"expectedVersion\":7,"
                           "\"expectedBalanceAtLeast\":\"100\"}",
                           NULL, &request, &fault));
    assert_true(request.expires_in_ns == UINT64_C(3600000000000));
    assert_int_equal(request.condition.expected_version, 7);
    assert_false(request.condition.by_precondition);
    assert_true(request.condition.has_expected_balance);
    assert_int_equal(request.condition.expected_balance.digits, 100);

    assert_true(parse_hold("{\"amount\":1,\"expiresIn\":315360000}", "\"7\"", &request, &fault));
    assert_true(request.expires_in_ns == UINT64_C(315360000000000000));
    assert_int_equal(request.condition.expected_version, 7);
    assert_true(request.condition.by_precondition);
}

static void hold__names_the_field_that_is_wrong(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"", "body"},
        {"{", "body"},
        {"{}", "amount"},
        {"{\"amount\":0}", "amount"},
        {"{\"amount\":-1}", "amount"},
        {"{\"amount\":null}", "amount"},
        {"{\"amount\":1,\"amount\":1}", "amount"},
        {"{\"amount\":1,\"expiresIn\":0}", "expiresIn"},
        {"{\"amount\":1,\"expiresIn\":-1}", "expiresIn"},
        {"{\"amount\":1,\"expiresIn\":0.5}", "expiresIn"},
        {"{\"amount\":1,\"expiresIn\":\"60\"}", "expiresIn"},
        {"{\"amount\":1,\"expiresIn\":\"PT1H\"}", "expiresIn"},
        {"{\"amount\":1,\"expiresIn\":null}", "expiresIn"},
        {"{\"amount\":1,\"expiresIn\":315360001}", "expiresIn"},
        {"{\"amount\":1,\"expiresIn\":1e300}", "expiresIn"},
        {"{\"amount\":1,\"expectedVersion\":0}", "expectedVersion"},
        {"{\"amount\":1,\"expectedBalanceAtLeast\":{}}", "expectedBalanceAtLeast"},
        {"{\"amount\":1,\"expiresAt\":\"2030-01-01T00:00:00Z\"}", "expiresAt"},
        {"{\"amount\":1,\"to\":\"shop\"}", "to"},
    };
    struct hold_request request;
    struct request_fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (parse_hold(rows[i].body, NULL, &request, &fault))
            fail_msg("accepted: %s", rows[i].body);
        if (strcmp(fault.field, rows[i].field) != 0)
            fail_msg("%s: field %s (%s)", rows[i].body, fault.field, fault.message);
    }
    assert_false(parse_hold("{\"amount\":1,\"expectedVersion\":6}", "\"7\"", &request, &fault));
    assert_string_equal(fault.field, "If-Match");
}

static void capture__takes_all_unless_it_says_less(void **state)
{
    struct capture_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse_capture("", NULL, &request, &fault));
    assert_int_equal(request.amount.digits, 0);
    assert_int_equal(request.to.length, 0);
    assert_true(parse_capture("{}", "*", &request, &fault));
    assert_int_equal(request.amount.digits, 0);
    assert_true(parse_capture("{\"amount\":20,\"to\":\"shop\"}", NULL, &request, &fault));
    assert_int_equal(request.amount.digits, 20);
    assert_int_equal(request.to.length, 4);
    assert_memory_equal(request.to.id, "shop", 4);
}

static void capture__names_the_field_that_is_wrong(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"[]", "body"},
        {" ", "body"},
        {"{\"amount\":0}", "amount"},
        {"{\"amount\":-1}", "amount"},
        {"{\"amount\":null}", "amount"},
        {"{\"to\":null}", "to"},
        {"{\"to\":\"\"}", "to"},
        {"{\"to\":\"a b\"}", "to"},
        {"{\"to\":\"a\",\"to\":\"a\"}", "to"},
        {"{\"expectedVersion\":7}", "expectedVersion"},
    };
    struct capture_request request;
    struct request_fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (parse_capture(rows[i].body, NULL, &request, &fault))
            fail_msg("accepted: %s", rows[i].body);
        if (strcmp(fault.field, rows[i].field) != 0)
            fail_msg("%s: field %s (%s)", rows[i].body, fault.field, fault.message);
    }
    assert_false(parse_capture("{}", "\"7\"", &request, &fault));
    assert_string_equal(fault.field, "If-Match");
}

static void void__has_nothing_to_say(void **state)
{
    struct request_fault fault;
    (void)state;
    assert_true(parse_void("", NULL, &fault));
    assert_true(parse_void("{}", NULL, &fault));
    assert_false(parse_void("{\"amount\":1}", NULL, &fault));
    assert_string_equal(fault.field, "amount");
    assert_false(parse_void("[]", NULL, &fault));
    assert_string_equal(fault.field, "body");
    assert_false(parse_void("", "\"7\"", &fault));
    assert_string_equal(fault.field, "If-Match");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hold__is_read),
        cmocka_unit_test(hold__names_the_field_that_is_wrong),
        cmocka_unit_test(capture__takes_all_unless_it_says_less),
        cmocka_unit_test(capture__names_the_field_that_is_wrong),
        cmocka_unit_test(void__has_nothing_to_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
