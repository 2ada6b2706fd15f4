/* test_route.c - methods and paths to calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/route.h"

static void paths__lead_to_their_calls(void **state)
{
    static const struct {
        const char *path;
        enum route route;
        const char *account;
    } rows[] = {
        {"/accounts", ROUTE_ACCOUNTS, ""},
        {"/accounts/alice", ROUTE_ACCOUNT, "alice"},
        {"/accounts/alice/balance", ROUTE_BALANCE, "alice"},
        {"/accounts/alice/transactions", ROUTE_TRANSACTIONS, "alice"},
        {"/accounts/%61%6C%69ce/balance", ROUTE_BALANCE, "alice"},
        {"/accounts/a%40b.c:d-e_f/balance", ROUTE_BALANCE, "a@b.c:d-e_f"},
        {"/accounts/balance", ROUTE_ACCOUNT, "balance"},
        {"/accounts/./balance", ROUTE_BALANCE, "."},
        {"/accounts/alice/holds", ROUTE_HOLDS, "alice"},
        {"/holds/hold131:alice/capture", ROUTE_CAPTURE, "alice"},
        {"/holds/hold131:alice/void", ROUTE_VOID, "alice"},
        {"/holds/hold131%3Aalice/void", ROUTE_VOID, "alice"},
        {"/holds/hold131:a:b/void", ROUTE_VOID, "a:b"},
        {"/transfers", ROUTE_TRANSFERS, ""},
        {"/postings", ROUTE_POSTINGS, ""},
        {"/withdraw", ROUTE_WITHDRAW, ""},
        {"/healthz", ROUTE_HEALTHZ, ""},
        {"/readyz", ROUTE_READYZ, ""},
        {"/metrics", ROUTE_METRICS, ""},
        {"/admin/checkpoint", ROUTE_CHECKPOINT, ""},
        {"/admin/backup", ROUTE_BACKUP, ""},
        {"/transactions/txn131", ROUTE_TRANSACTION, ""},
        {"/transactions/131", ROUTE_TRANSACTION, ""},
        {"/transactions/txn131/reversal", ROUTE_REVERSAL, ""},
        {"/transactions/txn131/reversals", ROUTE_NONE, ""},
        {"/transactions//reversal", ROUTE_NONE, ""},
        {"/transactions/", ROUTE_NONE, ""},
        {"/transactions", ROUTE_NONE, ""},
        {"/transactions/txn131/", ROUTE_NONE, ""},
        {"/admin", ROUTE_NONE, ""},
        /* ids that are none: the call is found, the id is not */
        {"/accounts/a%20b/balance", ROUTE_BALANCE, ""},
        {"/accounts/a%2Fb/balance", ROUTE_BALANCE, ""},
        {"/accounts/a%00b", ROUTE_ACCOUNT, ""},
        {"/accounts/a%4/balance", ROUTE_BALANCE, ""},
        {"/accounts/a%zz/balance", ROUTE_BALANCE, ""},
        {"/accounts/01234567890123456789012345678901234567890123456789012345678901234",
         ROUTE_ACCOUNT, ""},
        {"/accounts/0123456789012345678901234567890123456789012345678901234567890123",
         ROUTE_ACCOUNT, "0123456789012345678901234567890123456789012345678901234567890123"},
        {"/holds/131:alice/void", ROUTE_VOID, ""},
        {"/holds/hold131/void", ROUTE_VOID, ""},
        {"/holds/hold131:/void", ROUTE_VOID, ""},
        {"/holds/hold0131:alice/void", ROUTE_VOID, ""},
        {"/holds/hold131:al%20ice/void", ROUTE_VOID, ""},
        {"/holds/alice/capture", ROUTE_CAPTURE, ""},
        {"/", ROUTE_NONE, ""},
        {"", ROUTE_NONE, ""},
        {"/accounts/", ROUTE_NONE, ""},
        {"/accounts//balance", ROUTE_NONE, ""},
        {"/accounts/alice/", ROUTE_NONE, ""},
        {"/accounts/alice/balance/", ROUTE_NONE, ""},
        {"/accounts/alice/holds/", ROUTE_NONE, ""},
        {"/accounts/alice/hold", ROUTE_NONE, ""},
        {"/holds", ROUTE_NONE, ""},
        {"/holds/hold131:alice", ROUTE_NONE, ""},
        {"/holds//void", ROUTE_NONE, ""},
        {"/transfers/", ROUTE_NONE, ""},
        {"/postings/txn1", ROUTE_NONE, ""},
        {"/Accounts", ROUTE_NONE, ""},
        {"/withdraws", ROUTE_NONE, ""},
        {"/accountsx", ROUTE_NONE, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route_match match;
        route_find(rows[i].path, strlen(rows[i].path), &match);
        if (match.route != rows[i].route)
            fail_msg("%s: %s", rows[i].path, route_name(match.route));
        assert_int_equal(match.account_length, strlen(rows[i].account));
        assert_memory_equal(match.account, rows[i].account, match.account_length);
    }
}

static void path__says_what_it_names(void **state)
{
    struct route_match match;
    (void)state;
    route_find("/holds/hold131:alice/void", 25, &match);
    assert_int_equal(match.subject, ROUTE_SUBJECT_HOLD);
    assert_int_equal(match.target_id, 131);
    route_find("/accounts/alice", 15, &match);
    assert_int_equal(match.subject, ROUTE_SUBJECT_ACCOUNT);
    assert_int_equal(match.target_id, 0);
    route_find("/transactions/txn7", 18, &match);
    assert_int_equal(match.subject, ROUTE_SUBJECT_TRANSACTION);
    assert_int_equal(match.target_id, 7);
    route_find("/transactions/7", 15, &match);
    assert_int_equal(match.target_id, 0);
    route_find("/transfers", 10, &match);
    assert_int_equal(match.subject, ROUTE_SUBJECT_NONE);
}

static void methods__are_allowed_as_allow_says(void **state)
{
    (void)state;
    assert_true(route_allows(ROUTE_BALANCE, "GET", 3));
    assert_true(route_allows(ROUTE_BALANCE, "HEAD", 4));
    assert_false(route_allows(ROUTE_BALANCE, "POST", 4));
    assert_string_equal(route_allow(ROUTE_BALANCE), "GET, HEAD");
    assert_true(route_allows(ROUTE_ACCOUNT, "PATCH", 5));
    assert_false(route_allows(ROUTE_ACCOUNTS, "PATCH", 5));
    assert_true(route_allows(ROUTE_WITHDRAW, "POST", 4));
    assert_false(route_allows(ROUTE_WITHDRAW, "GET", 3));
    assert_false(route_allows(ROUTE_WITHDRAW, "post", 4));
    assert_string_equal(route_allow(ROUTE_TRANSACTIONS), "GET, HEAD, POST");
    assert_true(route_allows(ROUTE_CHECKPOINT, "GET", 3));
    assert_true(route_allows(ROUTE_CHECKPOINT, "HEAD", 4));
    assert_true(route_allows(ROUTE_CHECKPOINT, "POST", 4));
    assert_false(route_allows(ROUTE_CHECKPOINT, "PUT", 3));
    assert_false(route_allows(ROUTE_CHECKPOINT, "GET, HEAD", 9));
    assert_false(route_allows(ROUTE_CHECKPOINT, "", 0));
    assert_false(route_allows(ROUTE_BACKUP, "HEAD", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths__lead_to_their_calls),
        cmocka_unit_test(path__says_what_it_names),
        cmocka_unit_test(methods__are_allowed_as_allow_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
