/* test_list_accounts.c - pages of accounts over workers, while others are opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florin.h"
#include "support/temporary_directory.h"

enum { OLD_ACCOUNTS = 1000, NEW_ACCOUNTS = 2000, LISTERS = 3, WINDOW = 64 };

struct fixture {
    char directory[TEMPORARY_DIRECTORY_MAX];
    struct florin *ledger;
    _Atomic unsigned opened; /* new ones that are known to be open */
};

static void open_ledger(struct fixture *fixture, unsigned workers)
{
    struct florin_options options;
    temporary_directory_make(fixture->directory);
    florin_options_init(&options);
    options.directory = fixture->directory;
    options.workers = workers;
    options.segment_bytes = 4 << 20;
    options.accounts_max = 10000;
    options.keys_memory = 100;
    assert_int_equal(florin_open(&options, &fixture->ledger), 0);
    atomic_init(&fixture->opened, 0);
}

static struct florin_client *open_client(struct fixture *fixture)
{
    struct florin_client *client;
    assert_int_equal(florin_client_open(fixture->ledger, &client), 0);
    return client;
}

/* Opens `count` accounts PREFIX00000 on, a window at a time. */
static void open_accounts(struct fixture *fixture, struct florin_client *client, const char *prefix,
                          unsigned count, bool count_them)
{
    struct florin_result results[WINDOW];
    for (unsigned first = 0; first < count; first += WINDOW) {
        unsigned taken = count - first < WINDOW ? count - first : WINDOW;
        for (unsigned i = 0; i < taken; i++) {
            char id[32];
            int length = snprintf(id, sizeof id, "%s%05u", prefix, first + i);
            const struct florin_command open = {.kind = FLORIN_OPEN_ACCOUNT,
                                                .account = id,
                                                .account_length = (size_t)length,
                                                .amount_minor = first + i};
            assert_int_equal(florin_submit(client, &open, 1), 1);
        }
        for (unsigned reaped = 0; reaped < taken;) {
            size_t got = florin_reap(client, results, WINDOW, -1);
            for (size_t i = 0; i < got; i++)
                assert_int_equal(results[i].status, FLORIN_APPLIED);
            reaped += (unsigned)got;
        }
        if (count_them)
            atomic_store(&fixture->opened, first + taken);
    }
}

/* Reads all pages; every id behind the one before. Returns how many. */
static unsigned read_all(struct florin_client *client, const char *prefix, uint32_t limit,
                         unsigned *matching, const char *counted)
{
    static _Thread_local struct florin_listed_account page[FLORIN_ACCOUNT_PAGE_MAX];
    char last[FLORIN_ACCOUNT_ID_MAX + 1] = "";
    unsigned seen = 0;
    size_t count;
    bool has_more;
    *matching = 0;
    do {
        const struct florin_list list = {.after = last,
                                         .after_length = strlen(last),
                                         .prefix = prefix,
                                         .prefix_length = strlen(prefix),
                                         .limit = limit};
        int error = florin_list_accounts(client, &list, page, &count, &has_more);
        if (error == -EAGAIN) {
            has_more = true;
            continue;
        }
        assert_int_equal(error, 0);
        assert_true(count <= limit && (count == limit || !has_more));
        for (size_t i = 0; i < count; i++) {
            assert_true(strcmp(page[i].id, last) > 0);
            assert_int_equal(strncmp(page[i].id, prefix, strlen(prefix)), 0);
            assert_int_equal(page[i].state.status, FLORIN_APPLIED);
            assert_int_equal(page[i].state.version, 1);
            assert_int_equal(page[i].state.balance_minor, atoi(page[i].id + strlen(counted)));
            *matching += strncmp(page[i].id, counted, strlen(counted)) == 0;
            memcpy(last, page[i].id, sizeof last);
        }
        seen += (unsigned)count;
    } while (has_more);
    return seen;
}

static void *list_again_and_again(void *context)
{
    struct fixture *fixture = context;
    struct florin_client *client = open_client(fixture);
    unsigned before;
    do {
        unsigned old;
        before = atomic_load(&fixture->opened);
        unsigned all = read_all(client, "", 150, &old, "old");
        /* what was there before is there, what is opened meanwhile may be */
        assert_int_equal(old, OLD_ACCOUNTS);
        assert_in_range(all, OLD_ACCOUNTS + before, OLD_ACCOUNTS + NEW_ACCOUNTS);
    } while (before < NEW_ACCOUNTS);
    florin_client_close(client);
    return NULL;
}

static void pages__are_whole_while_accounts_are_opened(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct fixture fixture;
        pthread_t listers[LISTERS];
        open_ledger(&fixture, workers);
        struct florin_client *client = open_client(&fixture);
        open_accounts(&fixture, client, "old", OLD_ACCOUNTS, false);
        for (int i = 0; i < LISTERS; i++)
            assert_int_equal(pthread_create(&listers[i], NULL, list_again_and_again, &fixture), 0);
        open_accounts(&fixture, client, "new", NEW_ACCOUNTS, true);
        for (int i = 0; i < LISTERS; i++)
            assert_int_equal(pthread_join(listers[i], NULL), 0);
        unsigned matching;
        assert_int_equal(read_all(client, "old0001", 4, &matching, "old"), 10);
        assert_int_equal(read_all(client, "", FLORIN_ACCOUNT_PAGE_MAX, &matching, "new"),
                         OLD_ACCOUNTS + NEW_ACCOUNTS);
        assert_int_equal(matching, NEW_ACCOUNTS);
        florin_client_close(client);
        florin_close(fixture.ledger);
        temporary_directory_remove(fixture.directory);
    }
}

static void arguments__are_checked_and_nothing_is_a_page(void **state)
{
    (void)state;
    struct fixture fixture;
    struct florin_listed_account page[1];
    size_t count = 7;
    bool has_more = true;
    open_ledger(&fixture, 2);
    struct florin_client *client = open_client(&fixture);
    const struct florin_list bad[] = {
        {.limit = 0},
        {.limit = FLORIN_ACCOUNT_PAGE_MAX + 1},
        {.limit = 1, .after = "a b", .after_length = 3},
        {.limit = 1, .prefix = "a/", .prefix_length = 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(florin_list_accounts(client, &bad[i], page, &count, &has_more), -EINVAL);
    assert_int_equal(count, 7);
    const struct florin_list one = {.limit = 1};
    assert_int_equal(florin_list_accounts(client, &one, page, &count, &has_more), 0);
    assert_int_equal(count, 0);
    assert_false(has_more);
    florin_client_close(client);
    florin_close(fixture.ledger);
    temporary_directory_remove(fixture.directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages__are_whole_while_accounts_are_opened),
        cmocka_unit_test(arguments__are_checked_and_nothing_is_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
