/* test_feed.c - the durable records of the log, one after the other, on a simulated disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "engine/runtime/feed.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"
#include "wal/log.h"

enum { SMALL_SEGMENT = 16 * 1024, ACCOUNTS = 20 };

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    sim->segment_bytes = SMALL_SEGMENT;
    *state = sim;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    return 0;
}

static struct feed *open_feed(struct ledger_sim *sim)
{
    struct feed *feed;
    assert_int_equal(feed_open(sim->ledger, &feed), 0);
    return feed;
}

/* The deposit with this LSN, by the book. */
static const struct ledger_sim_deposit *find_deposit(const struct ledger_sim *sim, uint64_t lsn)
{
    for (unsigned i = 0; i < sim->book->deposit_count; i++) {
        if (sim->book->deposits[i].lsn == lsn)
            return &sim->book->deposits[i];
    }
    return NULL;
}

/* Everything from `lsn` to the durable end, as it is in the book; returns what comes next. */
static uint64_t read_rest(struct ledger_sim *sim, struct feed *feed, uint64_t lsn)
{
    struct record record;
    uint64_t got;
    int error;
    while ((error = feed_next(feed, &record, &got)) == 0) {
        assert_int_equal(got, lsn);
        const struct ledger_sim_deposit *deposit = find_deposit(sim, lsn);
        if (deposit == NULL) {
            assert_int_equal(record.kind, FLORIN_OPEN_ACCOUNT);
        } else {
            assert_int_equal(record.kind, FLORIN_DEPOSIT);
            assert_int_equal(record.amount_minor, deposit->amount_minor);
            assert_int_equal(record.balance_minor, deposit->balance_minor);
        }
        lsn++;
    }
    assert_int_equal(error, -EAGAIN);
    assert_int_equal(lsn, log_durable_lsn(sim->ledger->log) + 1);
    return lsn;
}

static void feed__gives_every_record_from_any_place(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 300);
    struct feed *feed = open_feed(sim);
    uint64_t end = log_durable_lsn(sim->ledger->log);
    assert_true(log_live_start(sim->ledger->log).segment > 1);
    for (uint64_t lsn = 1; lsn <= end; lsn++) {
        feed_seek(feed, lsn);
        (void)read_rest(sim, feed, lsn);
    }
    feed_close(feed);
}

static void feed__goes_on_with_what_becomes_durable(void **state)
{
    struct ledger_sim *sim = *state;
    struct feed *feed = open_feed(sim);
    feed_seek(feed, 1);
    uint64_t lsn = read_rest(sim, feed, 1);
    for (unsigned i = 0; i < 40; i++) {
        ledger_sim_deposit(sim, 10);
        lsn = read_rest(sim, feed, lsn);
    }
    /* a place that is not written yet */
    feed_seek(feed, lsn + 5);
    struct record record;
    uint64_t got;
    assert_int_equal(feed_next(feed, &record, &got), -EAGAIN);
    ledger_sim_deposit(sim, 5);
    assert_int_equal(feed_next(feed, &record, &got), -EAGAIN);
    ledger_sim_deposit(sim, 1);
    assert_int_equal(feed_next(feed, &record, &got), 0);
    assert_int_equal(got, lsn + 5);
    feed_close(feed);
}

static void feed__shows_nothing_that_is_not_durable(void **state)
{
    struct ledger_sim *sim = *state;
    struct ledger_sim_texts texts;
    struct record record;
    uint64_t lsn;
    struct feed *feed = open_feed(sim);
    feed_seek(feed, log_durable_lsn(sim->ledger->log) + 1);
    struct florin_command command = ledger_sim_posting(FLORIN_DEPOSIT, 0, NULL, 5, &texts);
    command.user_data = LEDGER_SIM_UNREAD;
    assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
    assert_int_equal(feed_next(feed, &record, &lsn), -EAGAIN);
    for (unsigned i = 0; feed_next(feed, &record, &lsn) != 0; i++) {
        assert_true(i < 50);
        ledger_sim_round(sim);
    }
    assert_true(lsn <= log_durable_lsn(sim->ledger->log));
    assert_int_equal(record.amount_minor, 5);
    feed_close(feed);
}

static void feed__says_what_retention_has_removed(void **state)
{
    struct ledger_sim *sim = *state;
    struct record record;
    uint64_t first_lsn;
    uint64_t lsn;
    struct feed *feed = open_feed(sim);
    assert_int_equal(feed_first_lsn(feed, &first_lsn), 0);
    assert_int_equal(first_lsn, 1);
    feed_close(feed);
    sim->options.retain_bytes = 1;
    ledger_sim_close(sim);
    ledger_sim_open(sim, 2);
    for (unsigned i = 0; i < 3; i++) {
        ledger_sim_deposit(sim, 300);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_retain(sim);
    }
    assert_true(log_first_segment(sim->ledger->log) > 1);
    feed = open_feed(sim);
    assert_int_equal(feed_first_lsn(feed, &first_lsn), 0);
    assert_true(first_lsn > 1);
    feed_seek(feed, first_lsn - 1);
    assert_int_equal(feed_next(feed, &record, &lsn), -ENODATA);
    assert_int_equal(feed_next(feed, &record, &lsn), -ENODATA);
    feed_seek(feed, first_lsn);
    (void)read_rest(sim, feed, first_lsn);
    feed_close(feed);
}

static bool is_woken(const struct inbox *inbox)
{
    struct pollfd woken = {.fd = inbox->descriptor, .events = POLLIN};
    return poll(&woken, 1, 0) == 1;
}

static void commit__wakes_a_follower_that_sleeps_and_only_then(void **state)
{
    struct ledger_sim *sim = *state;
    struct inbox *followers = &sim->ledger->followers;
    ledger_sim_deposit(sim, 1);
    assert_false(is_woken(followers));
    inbox_sleep_begin(followers);
    assert_false(is_woken(followers));
    ledger_sim_deposit(sim, 1);
    assert_true(is_woken(followers));
    inbox_sleep_end(followers);
    assert_false(is_woken(followers));
}

static bool has_nothing(void *context)
{
    (*(unsigned *)context)++;
    return false;
}

static bool has_something(void *context)
{
    (void)context;
    return true;
}

static void sleep__is_none_when_there_is_something_to_do(void **state)
{
    struct ledger_sim *sim = *state;
    unsigned looks = 0;
    uint64_t durable = log_durable_lsn(sim->ledger->log);
    feed_sleep(sim->ledger, durable, 1, has_nothing, &looks);
    assert_int_equal(looks, 1);
    feed_sleep(sim->ledger, durable, -1, has_something, NULL);
    ledger_sim_deposit(sim, 1);
    feed_sleep(sim->ledger, durable, -1, has_nothing, &looks);
    assert_int_equal(looks, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(feed__gives_every_record_from_any_place, setup,
                                        ledger_sim_teardown),
        cmocka_unit_test_setup_teardown(feed__goes_on_with_what_becomes_durable, setup,
                                        ledger_sim_teardown),
        cmocka_unit_test_setup_teardown(feed__shows_nothing_that_is_not_durable, setup,
                                        ledger_sim_teardown),
        cmocka_unit_test_setup_teardown(feed__says_what_retention_has_removed, setup,
                                        ledger_sim_teardown),
        cmocka_unit_test_setup_teardown(commit__wakes_a_follower_that_sleeps_and_only_then, setup,
                                        ledger_sim_teardown),
        cmocka_unit_test_setup_teardown(sleep__is_none_when_there_is_something_to_do, setup,
                                        ledger_sim_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
