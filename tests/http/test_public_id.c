/* test_public_id.c - ids of transactions and holds, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/public_id.h"

static const char longest_account[] =
    "0123456789012345678901234567890123456789012345678901234567890123";

static void transaction_id__comes_back(void **state)
{
    static const uint64_t ids[] = {1, 131, UINT64_C(1) << 47, UINT64_MAX};
    char text[PUBLIC_ID_TRANSACTION_BYTES];
    (void)state;
    assert_int_equal(public_id_write_transaction(131, text), 6);
    assert_string_equal(text, "txn131");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        uint64_t id = 0;
        size_t length = public_id_write_transaction(ids[i], text);
        assert_int_equal(length, strlen(text));
        assert_true(public_id_read_transaction(text, length, &id));
        assert_true(id == ids[i]);
    }
}

static void transaction_id__has_one_spelling(void **state)
{
    static const char *const texts[] = {
        "",      "txn",   "txn0",  "txn01", "131",     "TXN131", "txn-1",
        "txn+1", "txn 1", "txn1 ", "txn1x", "hold131", "txn1:a", "txn18446744073709551616",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t id = 7;
        if (public_id_read_transaction(texts[i], strlen(texts[i]), &id))
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(id, 7);
    }
}

static void hold_id__names_its_account(void **state)
{
    static const char *const accounts[] = {"alice", "a:b", ":", "-", longest_account};
    char text[PUBLIC_ID_HOLD_BYTES];
    (void)state;
    (void)public_id_write_hold(131, "alice", 5, text);
    assert_string_equal(text, "hold131:alice");
    for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++) {
        const char *account = NULL;
        size_t account_length = 0;
        uint64_t id = 0;
        size_t length = public_id_write_hold(UINT64_MAX, accounts[i], strlen(accounts[i]), text);
        assert_int_equal(length, strlen(text));
        assert_true(public_id_read_hold(text, length, &id, &account, &account_length));
        assert_true(id == UINT64_MAX);
        assert_int_equal(account_length, strlen(accounts[i]));
        assert_memory_equal(account, accounts[i], account_length);
    }
}

static void hold_id__has_one_spelling(void **state)
{
    static const char *const texts[] = {
        "",
        "hold",
        "hold131",
        "hold131:",
        "hold:alice",
        "hold0:alice",
        "hold0131:alice",
        "hold131alice",
        "hold131:al ice",
        "hold131:al/ice",
        "Hold131:alice",
        "txn131:alice",
        "hold18446744073709551616:alice",
        "hold1:01234567890123456789012345678901234567890123456789012345678901234",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *account = NULL;
        size_t account_length = 0;
        uint64_t id = 7;
        if (public_id_read_hold(texts[i], strlen(texts[i]), &id, &account, &account_length))
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(id, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transaction_id__comes_back),
        cmocka_unit_test(transaction_id__has_one_spelling),
        cmocka_unit_test(hold_id__names_its_account),
        cmocka_unit_test(hold_id__has_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
