/* test_large_postings.c - many postings of the largest size at once, on accounts of long ids: more
 * than the stage of a worker holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florin.h"
#include "support/temporary_directory.h"

enum { POSTINGS = 96, LEGS = FLORIN_LEGS_MAX };

struct fixture {
    char directory[TEMPORARY_DIRECTORY_MAX];
    struct florin *ledger;
    struct florin_client *client;
};

/* 64 bytes, the same for each number. */
static void name_account(unsigned number, char id[FLORIN_ACCOUNT_ID_MAX + 1])
{
    snprintf(id, FLORIN_ACCOUNT_ID_MAX + 1, "%064u", number);
}

static void open_ledger(struct fixture *fixture, unsigned workers, bool auto_create)
{
    struct florin_options options;
    temporary_directory_make(fixture->directory);
    florin_options_init(&options);
    options.directory = fixture->directory;
    options.workers = workers;
    options.segment_bytes = 4 << 20;
    options.accounts_max = 20000;
    options.keys_memory = 1000;
    options.auto_create = auto_create;
    assert_int_equal(florin_open(&options, &fixture->ledger), 0);
    assert_int_equal(florin_client_open(fixture->ledger, &fixture->client), 0);
}

static void close_ledger(struct fixture *fixture)
{
    florin_client_close(fixture->client);
    florin_close(fixture->ledger);
    temporary_directory_remove(fixture->directory);
}

/* Posting `number` pays from account 0 into 63 others; returns how many were not applied. */
static unsigned post_all(struct fixture *fixture, bool to_same_accounts)
{
    char ids[LEGS][FLORIN_ACCOUNT_ID_MAX + 1];
    struct florin_leg legs[LEGS];
    struct florin_result result;
    unsigned refused = 0;
    unsigned answered = 0;
    for (unsigned number = 0; number < POSTINGS; number++) {
        for (unsigned i = 0; i < LEGS; i++) {
            unsigned account = i == 0 || to_same_accounts ? i : 1 + number * (LEGS - 1) + i - 1;
            name_account(account, ids[i]);
            legs[i] = (struct florin_leg){.account = ids[i],
                                          .account_length = FLORIN_ACCOUNT_ID_MAX,
                                          .direction = i == 0 ? FLORIN_DEBIT : FLORIN_CREDIT,
                                          .amount_minor = i == 0 ? LEGS - 1 : 1};
        }
        const struct florin_command command = {.kind = FLORIN_POSTING,
                                               .account = ids[0],
                                               .account_length = FLORIN_ACCOUNT_ID_MAX,
                                               .legs = legs,
                                               .leg_count = LEGS};
        while (florin_submit(fixture->client, &command, 1) == 0) {
            assert_int_equal(florin_reap(fixture->client, &result, 1, -1), 1);
            answered++;
            refused += result.status != FLORIN_APPLIED;
        }
    }
    while (answered < POSTINGS) {
        assert_int_equal(florin_reap(fixture->client, &result, 1, -1), 1);
        answered++;
        refused += result.status != FLORIN_APPLIED;
    }
    return refused;
}

static void check_balance(struct fixture *fixture, unsigned number, int64_t balance_minor)
{
    char id[FLORIN_ACCOUNT_ID_MAX + 1];
    struct florin_result result;
    name_account(number, id);
    assert_int_equal(florin_read_account(fixture->client, id, FLORIN_ACCOUNT_ID_MAX, &result),
                     FLORIN_APPLIED);
    assert_int_equal(result.balance_minor, balance_minor);
}

/* Accounts 0 to `count` - 1; the first has all the money. */
static void open_accounts(struct fixture *fixture, unsigned count)
{
    struct florin_result result;
    unsigned answered = 0;
    for (unsigned number = 0; number < count;) {
        char id[FLORIN_ACCOUNT_ID_MAX + 1];
        name_account(number, id);
        const struct florin_command command = {.kind = FLORIN_OPEN_ACCOUNT,
                                               .account = id,
                                               .account_length = FLORIN_ACCOUNT_ID_MAX,
                                               .amount_minor =
                                                   number == 0 ? POSTINGS * (LEGS - 1) : 0};
        if (florin_submit(fixture->client, &command, 1) == 1) {
            number++;
            continue;
        }
        assert_int_equal(florin_reap(fixture->client, &result, 1, -1), 1);
        assert_int_equal(result.status, FLORIN_APPLIED);
        answered++;
    }
    for (; answered < count; answered++) {
        assert_int_equal(florin_reap(fixture->client, &result, 1, -1), 1);
        assert_int_equal(result.status, FLORIN_APPLIED);
    }
}

static void postings__of_the_largest_size_come_in_any_number(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct fixture fixture;
        open_ledger(&fixture, workers, false);
        open_accounts(&fixture, LEGS);
        assert_int_equal(post_all(&fixture, true), 0);
        check_balance(&fixture, 0, 0);
        for (unsigned i = 1; i < LEGS; i++)
            check_balance(&fixture, i, POSTINGS);
        close_ledger(&fixture);
    }
}

/* All of them want one account, and each has 63 of its own besides: so many that some look alike to
 * whoever keeps the line by a few bits of their hash. They must not wait for each other. */
static void postings__that_share_one_account_all_end(void **state)
{
    (void)state;
    struct fixture fixture;
    open_ledger(&fixture, 2, false);
    open_accounts(&fixture, 1 + POSTINGS * (LEGS - 1));
    assert_int_equal(post_all(&fixture, false), 0);
    check_balance(&fixture, 0, 0);
    for (unsigned i = 1; i <= POSTINGS * (LEGS - 1); i += 5)
        check_balance(&fixture, i, 1);
    close_ledger(&fixture);
}

/* Some thousand openings, which wait for each other's room. */
static void postings__create_more_accounts_than_a_stage_holds(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers += 3) {
        struct fixture fixture;
        open_ledger(&fixture, workers, true);
        open_accounts(&fixture, 1);
        assert_int_equal(post_all(&fixture, false), 0);
        check_balance(&fixture, 0, 0);
        for (unsigned i = 1; i <= POSTINGS * (LEGS - 1); i += 5)
            check_balance(&fixture, i, 1);
        close_ledger(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postings__of_the_largest_size_come_in_any_number),
        cmocka_unit_test(postings__that_share_one_account_all_end),
        cmocka_unit_test(postings__create_more_accounts_than_a_stage_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
