/* test_transaction_request.c - bodies of transactions: both spellings, and every way to be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/transaction_request.h"

static bool parse(const char *body, const char *if_match, struct transaction_request *request,
                  struct request_fault *fault)
{
    struct request_headers headers;
    request_headers_init(&headers);
    if (if_match != NULL)
        request_headers_add(&headers, "if-match", 8, if_match, strlen(if_match));
    return transaction_request_parse(request, body, strlen(body), &headers, fault);
}

static void assert_parses(const char *body, enum florin_command_kind kind, int64_t digits,
                          unsigned scale, uint64_t version)
{
    struct transaction_request request;
    struct request_fault fault;
    if (!parse(body, NULL, &request, &fault))
        fail_msg("%s: %s", body, fault.message);
    assert_int_equal(request.kind, kind);
    assert_int_equal(request.amount.digits, digits);
    assert_int_equal(request.amount.scale, scale);
    assert_int_equal(request.expected_version, version);
    assert_false(request.expected_by_precondition);
}

static void transaction__is_read_in_both_spellings(void **state)
{
    (void)state;
    assert_parses("{\"type\":\"Deposit\",\"amount\":49,\"expectedVersion\":7}", FLORIN_DEPOSIT, 49,
                  0, 7);
    assert_parses("{\"typeOfTransaction\":\"Withdraw\",\"moneyWithdraw/Deposit\":49.5,"
                  "\"expectedversion\":7}",
                  FLORIN_WITHDRAW, 495, 1, 7);
    assert_parses("{\"type\":\"Deposit\",\"typeOfTransaction\":\"credit\",\"amount\":1.5,"
                  "\"moneyWithdraw/Deposit\":\"1.50\"}",
                  FLORIN_DEPOSIT, 15, 1, 0);
}

static void transaction__types_have_other_names(void **state)
{
    (void)state;
    assert_parses("{\"type\":\"CREDIT\",\"amount\":1}", FLORIN_DEPOSIT, 1, 0, 0);
    assert_parses("{\"type\":\"deposit\",\"amount\":1}", FLORIN_DEPOSIT, 1, 0, 0);
    assert_parses("{\"type\":\"withdrawal\",\"amount\":1}", FLORIN_WITHDRAW, 1, 0, 0);
    assert_parses("{\"type\":\"dEbIt\",\"amount\":1}", FLORIN_WITHDRAW, 1, 0, 0);
}

static void transaction__amounts_are_exact(void **state)
{
    (void)state;
    assert_parses("{\"type\":\"Credit\",\"amount\":0.1}", FLORIN_DEPOSIT, 1, 1, 0);
    assert_parses("{\"type\":\"Credit\",\"amount\":1e2}", FLORIN_DEPOSIT, 100, 0, 0);
    assert_parses("{\"type\":\"Credit\",\"amount\":4.35}", FLORIN_DEPOSIT, 435, 2, 0);
    assert_parses("{\"type\":\"Credit\",\"amount\":9007199254740.99}", FLORIN_DEPOSIT,
                  900719925474099, 2, 0);
    assert_parses("{\"type\":\"Credit\",\"amount\":\"92233720368547758.07\"}", FLORIN_DEPOSIT,
                  INT64_MAX, 2, 0);
    assert_parses("{\"type\":\"Credit\",\"amount\":100.00}", FLORIN_DEPOSIT, 100, 0, 0);
}

static void transaction__names_the_field_that_is_wrong(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"", "body"},
        {"[]", "body"},
        {"{", "body"},
        {"{\"type\":\"Deposit\",\"amount\":1}x", "body"},
        {"{\"amount\":1}", "type"},
        {"{\"type\":\"Deposit\"}", "amount"},
        {"{\"type\":7,\"amount\":1}", "type"},
        {"{\"type\":\"Steal\",\"amount\":1}", "type"},
        {"{\"typeOfTransaction\":\"Steal\",\"amount\":1}", "typeOfTransaction"},
        {"{\"type\":\"Deposit\",\"amount\":0}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":-1}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":\"-1\"}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":\"1e2\"}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":\"NaN\"}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":\"\"}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":\"1,00\"}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":\" 1\"}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":NaN}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":null}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":true}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":{}}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":12345678901234.56}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":1e300}", "amount"},
        {"{\"type\":\"Deposit\",\"moneyWithdraw/Deposit\":0}", "moneyWithdraw/Deposit"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"expectedVersion\":0}", "expectedVersion"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"expectedVersion\":-7}", "expectedVersion"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"expectedVersion\":7.5}", "expectedVersion"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"expectedVersion\":\"7\"}", "expectedVersion"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"expectedversion\":null}", "expectedversion"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"amount\":1}", "amount"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"moneyWithdraw/Deposit\":2}",
         "moneyWithdraw/Deposit"},
        {"{\"type\":\"Deposit\",\"typeOfTransaction\":\"Debit\",\"amount\":1}",
         "typeOfTransaction"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"expectedVersion\":1,\"expectedversion\":2}",
         "expectedversion"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"expectedBalanceAtLeast\":null}",
         "expectedBalanceAtLeast"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"expectedBalanceAtLeast\":\"1e2\"}",
         "expectedBalanceAtLeast"},
        {"{\"type\":\"Deposit\",\"amount\":1,\"note\":\"x\"}", "note"},
        {"{\"Type\":\"Deposit\",\"amount\":1}", "Type"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct transaction_request request;
        struct request_fault fault;
        if (parse(rows[i].body, NULL, &request, &fault))
            fail_msg("accepted: %s", rows[i].body);
        if (strcmp(fault.field, rows[i].field) != 0)
            fail_msg("%s: field %s (%s)", rows[i].body, fault.field, fault.message);
    }
}

static void transaction__may_expect_a_balance_of_any_sign(void **state)
{
    static const struct {
        const char *body;
        int64_t digits;
        unsigned scale;
    } rows[] = {
        {"{\"type\":\"Debit\",\"amount\":1,\"expectedBalanceAtLeast\":100.5}", 1005, 1},
        {"{\"type\":\"Debit\",\"amount\":1,\"expectedBalanceAtLeast\":\"-50.00\"}", -50, 0},
        {"{\"type\":\"Debit\",\"amount\":1,\"expectedBalanceAtLeast\":0}", 0, 0},
    };
    struct transaction_request request;
    struct request_fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(parse(rows[i].body, NULL, &request, &fault));
        assert_true(request.has_expected_balance);
        assert_int_equal(request.expected_balance.digits, rows[i].digits);
        assert_int_equal(request.expected_balance.scale, rows[i].scale);
    }
    assert_true(parse("{\"type\":\"Debit\",\"amount\":1}", NULL, &request, &fault));
    assert_false(request.has_expected_balance);
}

static void transaction__takes_if_match_for_the_version(void **state)
{
    struct transaction_request request;
    struct request_fault fault;
    (void)state;
    assert_true(parse("{\"type\":\"Debit\",\"amount\":1}", "\"7\"", &request, &fault));
    assert_int_equal(request.expected_version, 7);
    assert_true(request.expected_by_precondition);
    assert_string_equal(transaction_request_field(FLORIN_FIELD_EXPECTED_VERSION, request.spelling),
                        "If-Match");

    assert_true(parse("{\"type\":\"Debit\",\"amount\":1,\"expectedVersion\":7}", "\"7\"", &request,
                      &fault));
    assert_true(request.expected_by_precondition);
    assert_true(
        parse("{\"type\":\"Debit\",\"amount\":1,\"expectedVersion\":7}", "*", &request, &fault));
    assert_int_equal(request.expected_version, 7);
    assert_false(request.expected_by_precondition);

    assert_false(parse("{\"type\":\"Debit\",\"amount\":1,\"expectedVersion\":7}", "\"8\"", &request,
                       &fault));
    assert_string_equal(fault.field, "If-Match");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transaction__is_read_in_both_spellings),
        cmocka_unit_test(transaction__types_have_other_names),
        cmocka_unit_test(transaction__amounts_are_exact),
        cmocka_unit_test(transaction__names_the_field_that_is_wrong),
        cmocka_unit_test(transaction__may_expect_a_balance_of_any_sign),
        cmocka_unit_test(transaction__takes_if_match_for_the_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
