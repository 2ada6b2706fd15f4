/* test_transfer_request.c - bodies of transfers, and every way to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/transfer_request.h"

static bool parse(const char *body, const char *if_match, struct transfer_request *request,
                  struct request_fault *fault)
{
    struct request_headers headers;
    request_headers_init(&headers);
    if (if_match != NULL)
        request_headers_add(&headers, "if-match", 8, if_match, strlen(if_match));
    return transfer_request_parse(request, body, strlen(body), &headers, fault);
}

static void transfer__is_read(void **state)
{
    struct transfer_request request;
    struct request_fault fault;
    (void)state;
    assert_true(
        parse("{\"from\":\"alice\",\"to\":\"bob\",\"amount\":\"10.50\"}", NULL, &request, &fault));
    assert_int_equal(request.from.length, 5);
    assert_memory_equal(request.from.id, "alice", 5);
    assert_int_equal(request.to.length, 3);
    assert_memory_equal(request.to.id, "bob", 3);
    assert_int_equal(request.amount.digits, 105);
    assert_int_equal(request.amount.scale, 1);
    assert_int_equal(request.from_condition.expected_version, 0);
    assert_int_equal(request.expected_to_version, 0);
    assert_false(request.from_condition.has_expected_balance);

    assert_true(
        parse("{\"from\":\"alice\",\"to\":\"alice2\",\"amount\":1,\"expectedFromVersion\":7,"
              "\"expectedToVersion\":3,\"expectedFromBalanceAtLeast\":-5.25}",
              "*", &request, &fault));
    assert_int_equal(request.from_condition.expected_version, 7);
    assert_int_equal(request.expected_to_version, 3);
    assert_true(request.from_condition.has_expected_balance);
    assert_int_equal(request.from_condition.expected_balance.digits, -525);
    assert_int_equal(request.from_condition.expected_balance.scale, 2);
}

#define TRANSFER(more) "{\"from\":\"a\",\"to\":\"b\",\"amount\":1" more "}"

static void transfer__names_the_field_that_is_wrong(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"", "body"},
        {"[]", "body"},
        {"{", "body"},
        {"{\"from\":\"a\"", "from"},
        {TRANSFER("") "x", "body"},
        {"{\"to\":\"b\",\"amount\":1}", "from"},
        {"{\"from\":\"a\",\"amount\":1}", "to"},
        {"{\"from\":\"a\",\"to\":\"b\"}", "amount"},
        {"{\"from\":7,\"to\":\"b\",\"amount\":1}", "from"},
        {"{\"from\":\"a\",\"to\":null,\"amount\":1}", "to"},
        {"{\"from\":\"\",\"to\":\"b\",\"amount\":1}", "from"},
        {"{\"from\":\"a\",\"to\":\"b c\",\"amount\":1}", "to"},
        {"{\"from\":\"a\",\"to\":"
         "\"0123456789012345678901234567890123456789012345678901234567890123x\","
         "\"amount\":1}",
         "to"},
        {"{\"from\":\"a\",\"to\":\"a\",\"amount\":1}", "to"},
        {"{\"from\":\"a\",\"to\":\"b\",\"amount\":0}", "amount"},
        {"{\"from\":\"a\",\"to\":\"b\",\"amount\":-1}", "amount"},
        {"{\"from\":\"a\",\"to\":\"b\",\"amount\":\"1,00\"}", "amount"},
        {"{\"from\":\"a\",\"to\":\"b\",\"amount\":true}", "amount"},
        {"{\"from\":\"a\",\"to\":\"b\",\"amount\":12345678901234.56}", "amount"},
        {TRANSFER(",\"amount\":1"), "amount"},
        {TRANSFER(",\"from\":\"a\""), "from"},
        {TRANSFER(",\"expectedFromVersion\":0"), "expectedFromVersion"},
        {TRANSFER(",\"expectedFromVersion\":\"7\""), "expectedFromVersion"},
        {TRANSFER(",\"expectedToVersion\":1.5"), "expectedToVersion"},
        {TRANSFER(",\"expectedToVersion\":null"), "expectedToVersion"},
        {TRANSFER(",\"expectedFromBalanceAtLeast\":[]"), "expectedFromBalanceAtLeast"},
        {TRANSFER(",\"expectedVersion\":7"), "expectedVersion"},
        {TRANSFER(",\"type\":\"Debit\""), "type"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct transfer_request request;
        struct request_fault fault;
        if (parse(rows[i].body, NULL, &request, &fault))
            fail_msg("accepted: %s", rows[i].body);
        if (strcmp(fault.field, rows[i].field) != 0)
            fail_msg("%s: field %s (%s)", rows[i].body, fault.field, fault.message);
    }
}

static void if_match__names_no_account_here(void **state)
{
    struct transfer_request request;
    struct request_fault fault;
    (void)state;
    assert_false(parse(TRANSFER(""), "\"7\"", &request, &fault));
    assert_string_equal(fault.field, "If-Match");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfer__is_read),
        cmocka_unit_test(transfer__names_the_field_that_is_wrong),
        cmocka_unit_test(if_match__names_no_account_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
