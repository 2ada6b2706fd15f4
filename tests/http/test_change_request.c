/* test_change_request.c - bodies that change accounts, and every way to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "http/change_request.h"

static bool parse(const char *body, const char *if_match, struct change_request *request,
                  struct request_fault *fault)
{
    struct request_headers headers;
    request_headers_init(&headers);
    if (if_match != NULL)
        request_headers_add(&headers, "if-match", 8, if_match, strlen(if_match));
    return change_request_parse(request, body, strlen(body), &headers, fault);
}

static void change__is_of_what_is_given(void **state)
{
    struct change_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse("{\"status\":\"frozen\"}", NULL, &request, &fault));
    assert_int_equal(request.changes, FLORIN_CHANGE_STATUS);
    assert_int_equal(request.status, FLORIN_STATE_FROZEN);
    assert_true(parse("{\"status\":\"open\"}", NULL, &request, &fault));
    assert_int_equal(request.status, FLORIN_STATE_OPEN);
    assert_true(parse("{\"status\":\"closed\"}", NULL, &request, &fault));
    assert_int_equal(request.status, FLORIN_STATE_CLOSED);

    assert_true(parse("{\"minimumBalance\":\"-50.25\"}", NULL, &request, &fault));
    assert_int_equal(request.changes, FLORIN_CHANGE_MINIMUM_BALANCE);
    assert_int_equal(request.minimum_balance.digits, -5025);
    assert_int_equal(request.minimum_balance.scale, 2);
    assert_true(parse("{\"minimumBalance\":0}", NULL, &request, &fault));
    assert_int_equal(request.changes, FLORIN_CHANGE_MINIMUM_BALANCE);

    assert_true(parse("{\"metadata\":{ \"a\" : 1 }}", NULL, &request, &fault));
    assert_int_equal(request.changes, FLORIN_CHANGE_METADATA);
    assert_string_equal(request.metadata, "{\"a\":1}");
    assert_int_equal(request.metadata_length, 7);
    assert_true(parse("{\"metadata\":{}}", NULL, &request, &fault));
    assert_int_equal(request.changes, FLORIN_CHANGE_METADATA);
    assert_int_equal(request.metadata_length, 0);

    assert_true(parse("{\"metadata\":{},\"status\":\"open\",\"minimumBalance\":-1,"
                      "\"expectedVersion\":7}",
                      NULL, &request, &fault));
    assert_int_equal(request.changes,
                     FLORIN_CHANGE_METADATA | FLORIN_CHANGE_STATUS | FLORIN_CHANGE_MINIMUM_BALANCE);
    assert_int_equal(request.condition.expected_version, 7);
    assert_false(request.condition.by_precondition);
}

static void change__names_the_field_that_is_wrong(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"", "body"},
        {"[]", "body"},
        {"{}", "body"},
        {"{\"expectedVersion\":7}", "body"},
        {"{\"status\":\"Open\"}", "status"},
        {"{\"status\":\"\"}", "status"},
        {"{\"status\":1}", "status"},
        {"{\"status\":null}", "status"},
        {"{\"status\":\"open\",\"status\":\"open\"}", "status"},
        {"{\"minimumBalance\":1}", "minimumBalance"},
        {"{\"minimumBalance\":\"x\"}", "minimumBalance"},
        {"{\"minimumBalance\":null}", "minimumBalance"},
        {"{\"minimumBalance\":1e300}", "minimumBalance"},
        {"{\"metadata\":null}", "metadata"},
        {"{\"metadata\":[]}", "metadata"},
        {"{\"metadata\":{\"x\":1,\"x\":2}}", "metadata"},
        {"{\"status\":\"open\",\"expectedVersion\":0}", "expectedVersion"},
        {"{\"status\":\"open\",\"expectedVersion\":\"7\"}", "expectedVersion"},
        {"{\"status\":\"open\",\"balance\":1}", "balance"},
        {"{\"status\":\"open\",\"currency\":\"EUR\"}", "currency"},
        {"{\"status\":\"open\",\"id\":\"alice\"}", "id"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct change_request request;
        struct request_fault fault;
        if (parse(rows[i].body, NULL, &request, &fault))
            fail_msg("accepted: %s", rows[i].body);
        if (strcmp(fault.field, rows[i].field) != 0)
            fail_msg("%s: field %s (%s)", rows[i].body, fault.field, fault.message);
    }
}

static void metadata__has_a_limit(void **state)
{
    char body[FLORIN_METADATA_MAX + 64];
    char filler[FLORIN_METADATA_MAX + 1];
    struct change_request request;
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

static void change__takes_no_key(void **state)
{
    static const char body[] = "{\"status\":\"open\"}";
    struct request_headers headers;
    struct change_request request;
    struct request_fault fault;
    (void)state;
    request_headers_init(&headers);
    request_headers_add(&headers, "idempotency-key", 15, "k1", 2);
    assert_false(change_request_parse(&request, body, sizeof(body) - 1, &headers, &fault));
    assert_string_equal(fault.field, "Idempotency-Key");
}

static void change__takes_if_match_for_the_version(void **state)
{
    struct change_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse("{\"status\":\"open\"}", "\"7\"", &request, &fault));
    assert_int_equal(request.condition.expected_version, 7);
    assert_true(request.condition.by_precondition);
    assert_true(parse("{\"status\":\"open\",\"expectedVersion\":7}", "*", &request, &fault));
    assert_false(request.condition.by_precondition);
    assert_false(parse("{\"status\":\"open\",\"expectedVersion\":7}", "\"8\"", &request, &fault));
    assert_string_equal(fault.field, "If-Match");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change__is_of_what_is_given),
        cmocka_unit_test(change__names_the_field_that_is_wrong),
        cmocka_unit_test(metadata__has_a_limit),
        cmocka_unit_test(change__takes_no_key),
        cmocka_unit_test(change__takes_if_match_for_the_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
