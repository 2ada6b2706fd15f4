/* test_history_embedded.c - the history of florin.h, on real files, also while others write. */
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
#include <time.h>

#include "florin.h"
#include "support/temporary_directory.h"

enum {
    ACCOUNTS = 50,
    BATCH = 1000,
    FILLED = 60000, /* deposits before threads read */
    READERS = 3,
    SAMPLES = 400,
};

struct fixture {
    char directory[TEMPORARY_DIRECTORY_MAX];
    struct florin_options options;
    struct florin *ledger;
    struct florin_client *client;
    struct florin_history *history;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    temporary_directory_make(fixture->directory);
    florin_options_init(&fixture->options);
    fixture->options.directory = fixture->directory;
    fixture->options.workers = 2;
    fixture->options.segment_bytes = 4 << 20;
    fixture->options.accounts_max = 10000;
    fixture->options.keys_memory = 100000;
    assert_int_equal(florin_open(&fixture->options, &fixture->ledger), 0);
    assert_int_equal(florin_client_open(fixture->ledger, &fixture->client), 0);
    assert_int_equal(florin_history_open(fixture->ledger, &fixture->history), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    florin_history_close(fixture->history);
    florin_client_close(fixture->client);
    florin_close(fixture->ledger);
    temporary_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static struct florin_result post(struct fixture *fixture, enum florin_command_kind kind,
                                 const char *account, const char *key, int64_t amount)
{
    struct florin_result result;
    struct florin_command command = {
        .kind = kind,
        .account = account,
        .account_length = strlen(account),
        .key = key,
        .key_length = key == NULL ? 0 : strlen(key),
        .amount_minor = amount,
    };
    assert_int_equal(florin_submit(fixture->client, &command, 1), 1);
    assert_int_equal(florin_reap(fixture->client, &result, 1, -1), 1);
    return result;
}

static const struct florin_history_range everything = {.limit = FLORIN_HISTORY_PAGE_MAX,
                                                       .to_ns = UINT64_MAX};

/* --- one thread ------------------------------------------------------------------------------ */

static void page__shows_transactions_newest_first(void **state)
{
    struct fixture *fixture = *state;
    struct florin_transaction shown;
    uint64_t next = 77;
    post(fixture, FLORIN_OPEN_ACCOUNT, "alice", NULL, 1000);
    struct florin_result deposit = post(fixture, FLORIN_DEPOSIT, "alice", "order-17", 250);
    assert_int_equal(post(fixture, FLORIN_WITHDRAW, "alice", "k", 99999).status,
                     FLORIN_INSUFFICIENT_BALANCE);
    struct florin_result withdrawal = post(fixture, FLORIN_WITHDRAW, "alice", NULL, 50);

    assert_int_equal(florin_history_page(fixture->history, "alice", 5, &everything, &next), 0);
    assert_int_equal(next, 0);
    assert_true(florin_history_next(fixture->history, &shown));
    assert_int_equal(shown.transaction_id, withdrawal.transaction_id);
    assert_int_equal(shown.kind, FLORIN_WITHDRAW);
    assert_int_equal(shown.time_ns, withdrawal.time_ns);
    assert_int_equal(shown.key_length, 0);
    assert_int_equal(shown.leg_count, 1);
    assert_int_equal(shown.legs[0].direction, FLORIN_DEBIT);
    assert_int_equal(shown.legs[0].amount_minor, 50);
    assert_int_equal(shown.legs[0].balance_minor, 1200);
    assert_int_equal(shown.legs[0].version, 3);
    assert_true(florin_history_next(fixture->history, &shown));
    assert_int_equal(shown.transaction_id, deposit.transaction_id);
    assert_int_equal(shown.legs[0].direction, FLORIN_CREDIT);
    assert_memory_equal(shown.key, "order-17", shown.key_length);
    assert_memory_equal(shown.legs[0].account, "alice", 5);
    assert_true(florin_history_next(fixture->history, &shown));
    assert_int_equal(shown.kind, FLORIN_OPEN_ACCOUNT);
    assert_false(florin_history_next(fixture->history, &shown));

    assert_int_equal(florin_history_transaction(fixture->history, deposit.transaction_id, &shown),
                     0);
    assert_int_equal(shown.legs[0].balance_minor, 1250);
    assert_int_equal(florin_history_transaction(fixture->history, 999, &shown), -ENOENT);
}

static void balance__is_told_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct florin_past_balance balance;
    post(fixture, FLORIN_OPEN_ACCOUNT, "bob", NULL, 1000);
    struct florin_result first = post(fixture, FLORIN_DEPOSIT, "bob", NULL, 1);
    struct florin_result second = post(fixture, FLORIN_DEPOSIT, "bob", NULL, 1);
    struct florin_history *history = fixture->history;
    assert_int_equal(florin_history_balance_at_version(history, "bob", 3, 2, &balance), 0);
    assert_int_equal(balance.balance_minor, 1001);
    assert_int_equal(balance.transaction_id, first.transaction_id);
    assert_int_equal(
        florin_history_balance_at_time(history, "bob", 3, second.time_ns - 1, &balance), 0);
    assert_int_equal(balance.version, 2);
    assert_int_equal(florin_history_balance_at_time(history, "bob", 3, second.time_ns, &balance),
                     0);
    assert_int_equal(balance.balance_minor, 1002);
    assert_int_equal(florin_history_balance_at_time(history, "bob", 3, 1, &balance), -ERANGE);
    assert_int_equal(florin_history_balance_at_version(history, "bob", 3, 4, &balance), -ENOENT);
    assert_int_equal(florin_history_balance_at_version(history, "bob", 3, 0, &balance), -EINVAL);
    assert_int_equal(florin_history_balance_at_version(history, "eve", 3, 1, &balance), -ENOENT);
    assert_int_equal(florin_history_balance_at_version(history, "e e", 3, 1, &balance), -EINVAL);
}

/* --- many threads ---------------------------------------------------------------------------- */

static void account_of(unsigned number, char id[16])
{
    snprintf(id, 16, "account-%u", number % ACCOUNTS);
}

static void deposit_batch(struct fixture *fixture, unsigned first)
{
    struct florin_command commands[BATCH];
    struct florin_result results[BATCH];
    char ids[BATCH][16];
    for (unsigned i = 0; i < BATCH; i++) {
        account_of(first + i, ids[i]);
        commands[i] = (struct florin_command){
            .kind = FLORIN_DEPOSIT,
            .account = ids[i],
            .account_length = strlen(ids[i]),
            .amount_minor = 1,
        };
    }
    assert_int_equal(florin_submit(fixture->client, commands, BATCH), BATCH);
    for (size_t reaped = 0; reaped < BATCH;) {
        size_t count = florin_reap(fixture->client, results, BATCH, -1);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(results[i].status, FLORIN_APPLIED);
        reaped += count;
    }
}

struct reading {
    pthread_t thread;
    struct florin *ledger;
    unsigned number;
    atomic_bool *stop;
    uint64_t shown;
    bool is_wrong;
};

/* All of one account, from now back to its opening: every version once, in order. */
static void read_all(struct reading *reading, struct florin_history *history, const char *account)
{
    struct florin_history_range range = everything;
    struct florin_transaction shown;
    uint64_t version = 0;
    range.limit = 100;
    do {
        if (florin_history_page(history, account, strlen(account), &range, &range.before_id) != 0) {
            reading->is_wrong = true;
            return;
        }
        while (florin_history_next(history, &shown)) {
            if (version != 0 && shown.legs[0].version != version - 1)
                reading->is_wrong = true;
            version = shown.legs[0].version;
            reading->shown++;
        }
    } while (range.before_id != 0 && !atomic_load(reading->stop));
    if (range.before_id == 0 && version != 1)
        reading->is_wrong = true;
}

static void *read_until_stopped(void *context)
{
    struct reading *reading = context;
    struct florin_history *history;
    if (florin_history_open(reading->ledger, &history) != 0) {
        reading->is_wrong = true;
        return NULL;
    }
    for (unsigned i = 0; !atomic_load(reading->stop); i++) {
        char account[16];
        account_of(reading->number + i * READERS, account);
        read_all(reading, history, account);
    }
    florin_history_close(history);
    return NULL;
}

static int compare_times(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Single commits, one after the other; prints how long they take. */
static void commit_some(struct fixture *fixture, const char *meanwhile)
{
    uint64_t times_us[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t start_us = now_us();
        char account[16];
        account_of(i, account);
        assert_int_equal(post(fixture, FLORIN_DEPOSIT, account, NULL, 1).status, FLORIN_APPLIED);
        times_us[i] = now_us() - start_us;
    }
    qsort(times_us, SAMPLES, sizeof times_us[0], compare_times);
    print_message("commits %s: median %d us, 99th %d us\n", meanwhile, (int)times_us[SAMPLES / 2],
                  (int)times_us[SAMPLES * 99 / 100]);
}

static void readers__see_whole_histories_while_others_write(void **state)
{
    struct fixture *fixture = *state;
    struct reading readings[READERS];
    atomic_bool stop = false;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char account[16];
        account_of(i, account);
        assert_int_equal(post(fixture, FLORIN_OPEN_ACCOUNT, account, NULL, 0).status,
                         FLORIN_APPLIED);
    }
    for (unsigned done = 0; done < FILLED; done += BATCH)
        deposit_batch(fixture, done);
    commit_some(fixture, "alone");
    for (unsigned i = 0; i < READERS; i++) {
        readings[i] = (struct reading){.ledger = fixture->ledger, .number = i, .stop = &stop};
        assert_int_equal(
            pthread_create(&readings[i].thread, NULL, read_until_stopped, &readings[i]), 0);
    }
    commit_some(fixture, "beside three readers of history");
    for (unsigned done = 0; done < FILLED / 4; done += BATCH)
        deposit_batch(fixture, done);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readings[i].thread, NULL), 0);
        assert_false(readings[i].is_wrong);
        assert_true(readings[i].shown > 0);
    }
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(page__shows_transactions_newest_first),
        test(balance__is_told_as_it_was),
        test(readers__see_whole_histories_while_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
