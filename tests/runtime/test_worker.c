/* test_worker.c - two workers on one thread, over a disk that obeys the test.
 *
 * The channel below holds every write until the test says what becomes of it, so that each moment
 * between "executed" and "durable" can be looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/runtime/clock.h"
#include "engine/runtime/ledger.h"
#include "engine/runtime/worker.h"
#include "support/temporary_directory.h"
#include "wal/channel.h"
#include "wal/log.h"
#include "wal/storage_posix.h"

enum { WORKERS = 2, CHANNELS_MAX = 8 };

/* --- a channel that waits for the test ------------------------------------------------------ */

struct gate_channel {
    struct channel channel;
    struct gate *gate;
    struct storage_file *file;
    const void *buffer;
    size_t length;
    uint64_t offset;
    enum channel_flush flush;
    int descriptor;
    bool under_way;
    bool finished;
    int result;
};

struct gate {
    struct gate_channel *channels[CHANNELS_MAX];
    unsigned count;
    bool open; /* writes finish at once */
};

static void gate_finish(struct gate_channel *gated, int result)
{
    const struct storage_operations *operations = gated->file->storage->operations;
    if (result == 0) {
        assert_int_equal(
            operations->write(gated->file, gated->buffer, gated->length, gated->offset), 0);
        if (gated->flush == CHANNEL_FLUSH)
            assert_int_equal(operations->sync(gated->file), 0);
    }
    gated->under_way = false;
    gated->finished = true;
    gated->result = result;
}

static int gate_submit(struct channel *channel, struct storage_file *file, const void *buffer,
                       size_t length, uint64_t offset, enum channel_flush flush)
{
    struct gate_channel *gated = (struct gate_channel *)channel;
    assert_false(gated->under_way);
    gated->file = file;
    gated->buffer = buffer;
    gated->length = length;
    gated->offset = offset;
    gated->flush = flush;
    gated->under_way = true;
    if (gated->gate->open)
        gate_finish(gated, 0);
    return 0;
}

static bool gate_reap(struct channel *channel, int *result)
{
    struct gate_channel *gated = (struct gate_channel *)channel;
    if (!gated->finished)
        return false;
    gated->finished = false;
    *result = gated->result;
    return true;
}

static int gate_descriptor(const struct channel *channel)
{
    return ((const struct gate_channel *)channel)->descriptor;
}

static void gate_destroy(struct channel *channel)
{
    struct gate_channel *gated = (struct gate_channel *)channel;
    for (unsigned i = 0; i < CHANNELS_MAX; i++) {
        if (gated->gate->channels[i] == gated)
            gated->gate->channels[i] = NULL;
    }
    close(gated->descriptor);
    free(gated);
}

static const struct channel_operations gate_operations = {
    .submit = gate_submit,
    .reap = gate_reap,
    .descriptor = gate_descriptor,
    .destroy = gate_destroy,
};

static int gate_create(void *context, struct channel **channel)
{
    struct gate *gate = context;
    struct gate_channel *gated = calloc(1, sizeof *gated);
    assert_non_null(gated);
    gated->channel.operations = &gate_operations;
    gated->gate = gate;
    gated->descriptor = eventfd(0, EFD_NONBLOCK);
    gate->channels[gate->count++ % CHANNELS_MAX] = gated;
    *channel = &gated->channel;
    return 0;
}

/* --- the ledger under test ------------------------------------------------------------------ */

struct fixture {
    char directory[TEMPORARY_DIRECTORY_MAX];
    struct storage *storage;
    struct gate gate;
    struct florin *ledger;
    struct worker *workers[WORKERS];
};

static void fixture_open(struct fixture *fixture)
{
    struct florin_options options;
    florin_options_init(&options);
    options.directory = fixture->directory;
    options.workers = WORKERS;
    options.segment_bytes = 4 << 20;
    options.accounts_max = 1000;
    options.keys_memory = 1000;
    options.commit_timeout_ms = 50;
    struct ledger_devices devices = {.storage = fixture->storage,
                                     .create_channel = gate_create,
                                     .context = &fixture->gate,
                                     .single_thread = true};
    fixture->gate.open = true;
    assert_int_equal(ledger_create(&options, &devices, &fixture->ledger), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        fixture->workers[i] = ledger_worker(fixture->ledger, i);
        assert_int_equal(worker_attach(fixture->workers[i]), 0);
    }
    assert_int_equal(ledger_recover(fixture->ledger), 0);
    assert_int_equal(ledger_state(fixture->ledger), LEDGER_READY);
}

static void rounds(struct fixture *fixture)
{
    for (unsigned i = 0; i < 4 * WORKERS; i++) {
        worker_round(fixture->workers[i % WORKERS]);
        worker_wait_ms(fixture->workers[i % WORKERS]);
        (void)ledger_step(fixture->ledger);
    }
}

static struct gate_channel *write_under_way(struct fixture *fixture)
{
    struct gate_channel *found = NULL;
    for (unsigned i = 0; i < CHANNELS_MAX; i++) {
        struct gate_channel *gated = fixture->gate.channels[i];
        if (gated != NULL && gated->under_way) {
            assert_null(found); /* one commit at a time */
            found = gated;
        }
    }
    return found;
}

/* Writes finish at once from here on; one that was held (an idle mark may be) does now. */
static void open_gate(struct fixture *fixture)
{
    fixture->gate.open = true;
    struct gate_channel *held = write_under_way(fixture);
    if (held != NULL)
        gate_finish(held, 0);
}

static void fixture_close(struct fixture *fixture)
{
    struct florin_result result;
    open_gate(fixture);
    ledger_stop(fixture->ledger);
    for (unsigned i = 0; i < 100 && !worker_is_idle(fixture->workers[0]); i++) {
        rounds(fixture);
        while (worker_reap(fixture->workers[i % WORKERS], &result, 1) > 0)
            continue;
    }
    assert_true(worker_is_idle(fixture->workers[0]));
    for (unsigned i = 0; i < WORKERS; i++)
        worker_detach(fixture->workers[i]);
    ledger_destroy(fixture->ledger);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    temporary_directory_make(fixture->directory);
    assert_int_equal(storage_posix_create(fixture->directory, false, &fixture->storage), 0);
    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    storage_posix_destroy(fixture->storage);
    temporary_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static struct florin_command command_of(enum florin_command_kind kind, const char *account,
                                        const char *key, int64_t amount)
{
    return (struct florin_command){.kind = kind,
                                   .account = account,
                                   .account_length = strlen(account),
                                   .key = key,
                                   .key_length = key == NULL ? 0 : strlen(key),
                                   .amount_minor = amount};
}

static void submit(struct worker *worker, enum florin_command_kind kind, const char *account,
                   const char *key, int64_t amount, uint64_t user_data)
{
    struct florin_command command = command_of(kind, account, key, amount);
    command.user_data = user_data;
    assert_int_equal(worker_submit(worker, &command), FLORIN_APPLIED);
}

/* Runs the workers until the result is there. */
static struct florin_result wait_result(struct fixture *fixture, struct worker *worker)
{
    struct florin_result result = {0};
    for (unsigned i = 0; i < 100; i++) {
        rounds(fixture);
        if (worker_reap(worker, &result, 1) == 1)
            return result;
    }
    fail_msg("no result came");
    return result;
}

/* Opens accounts a0, a1, ... and finds two that the first and the second worker own. */
static void open_accounts(struct fixture *fixture, char *own, char *other)
{
    own[0] = other[0] = '\0';
    for (unsigned i = 0; own[0] == '\0' || other[0] == '\0'; i++) {
        char id[16];
        snprintf(id, sizeof id, "a%u", i);
        struct ledger_statistics before;
        struct ledger_statistics after;
        struct log_statistics log;
        rounds(fixture);
        ledger_statistics(fixture->ledger, &before, &log);
        submit(fixture->workers[0], FLORIN_OPEN_ACCOUNT, id, NULL, 1000, 0);
        assert_int_equal(wait_result(fixture, fixture->workers[0]).status, FLORIN_APPLIED);
        rounds(fixture);
        ledger_statistics(fixture->ledger, &after, &log);
        strcpy(after.hops > before.hops ? other : own, id);
    }
}

/* Runs the workers for so long that an idle mark, if one is due, has been submitted. */
static void rounds_past_idle_mark(struct fixture *fixture)
{
    uint64_t until_ns = clock_monotonic_ns() + 2 * LOG_IDLE_MARK_NS;
    uint64_t now_ns;
    do {
        now_ns = clock_monotonic_ns(); /* the last rounds begin after the time, however late */
        rounds(fixture);
    } while (now_ns < until_ns);
}

/* From here on writes wait for the test; the next one is the test's own, not the idle mark of what
 * came before. */
static void close_gate(struct fixture *fixture)
{
    rounds_past_idle_mark(fixture);
    fixture->gate.open = false;
}

static void assert_no_result(struct fixture *fixture, struct worker *worker)
{
    struct florin_result result;
    rounds(fixture);
    assert_int_equal(worker_reap(worker, &result, 1), 0);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void worker__answers_only_after_the_flush(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    const char *accounts[] = {own, other};
    for (unsigned i = 0; i < 2; i++) {
        open_gate(fixture);
        close_gate(fixture);
        submit(fixture->workers[0], FLORIN_DEPOSIT, accounts[i], NULL, 5, 1);
        assert_no_result(fixture, fixture->workers[0]);
        submit(fixture->workers[0], FLORIN_READ_ACCOUNT, accounts[i], NULL, 0, 2);
        assert_no_result(fixture, fixture->workers[0]);
        gate_finish(write_under_way(fixture), 0);
        struct florin_result deposit = wait_result(fixture, fixture->workers[0]);
        assert_int_equal(deposit.user_data, 1);
        assert_int_equal(deposit.status, FLORIN_APPLIED);
        assert_int_equal(deposit.balance_minor, 1005);
        assert_int_equal(deposit.transaction_id, florin_durable_lsn(fixture->ledger));
        struct florin_result read = wait_result(fixture, fixture->workers[0]);
        assert_int_equal(read.user_data, 2);
        assert_int_equal(read.balance_minor, 1005);
        assert_int_equal(read.version, 2);
    }
}

static void worker__read_of_another_account_does_not_wait(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    close_gate(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, NULL, 5, 1);
    submit(fixture->workers[0], FLORIN_READ_ACCOUNT, other, NULL, 0, 2);
    assert_int_equal(wait_result(fixture, fixture->workers[0]).user_data, 2);
    assert_no_result(fixture, fixture->workers[0]);
}

static void worker__gathers_a_group_while_one_is_under_way(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    close_gate(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, NULL, 1, 1);
    rounds(fixture);
    struct gate_channel *first = write_under_way(fixture);
    for (uint64_t i = 2; i < 10; i++)
        submit(fixture->workers[i % WORKERS], FLORIN_DEPOSIT, i % 3 == 0 ? other : own, NULL, 1, i);
    rounds(fixture);
    assert_ptr_equal(write_under_way(fixture), first);
    gate_finish(first, 0);
    assert_int_equal(wait_result(fixture, fixture->workers[0]).user_data, 1);
    /* all the rest is in the second group */
    gate_finish(write_under_way(fixture), 0);
    for (unsigned i = 2; i < 10; i++)
        assert_int_equal(wait_result(fixture, fixture->workers[i % WORKERS]).status,
                         FLORIN_APPLIED);
}

static void worker__same_key_in_flight_waits_for_the_same_commit(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    close_gate(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, other, "k", 5, 1);
    rounds(fixture);
    submit(fixture->workers[1], FLORIN_DEPOSIT, other, "k", 5, 2);
    assert_no_result(fixture, fixture->workers[1]);
    gate_finish(write_under_way(fixture), 0);
    struct florin_result first = wait_result(fixture, fixture->workers[0]);
    struct florin_result second = wait_result(fixture, fixture->workers[1]);
    assert_false(first.replayed);
    assert_true(second.replayed);
    assert_int_equal(first.transaction_id, second.transaction_id);
    assert_int_equal(first.balance_minor, second.balance_minor);
    assert_int_equal(first.time_ns, second.time_ns);
}

static void worker__commit_deadline_answers_unknown_with_the_durable_version(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    close_gate(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, "k", 5, 1);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, NULL, 5, 2);
    submit(fixture->workers[0], FLORIN_READ_ACCOUNT, own, NULL, 0, 3);
    struct florin_result result;
    while (worker_reap(fixture->workers[0], &result, 1) == 0)
        rounds(fixture);
    assert_int_equal(result.user_data, 1);
    assert_int_equal(result.status, FLORIN_COMMIT_UNKNOWN);
    assert_int_equal(result.version, 1);
    result = wait_result(fixture, fixture->workers[0]);
    assert_int_equal(result.status, FLORIN_COMMIT_UNKNOWN);
    assert_int_equal(result.version, 1);
    result = wait_result(fixture, fixture->workers[0]);
    assert_int_equal(result.status, FLORIN_NOT_COMMITTED);
    /* the disk comes back: the key finds the truth */
    open_gate(fixture);
    rounds(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, "k", 5, 4);
    result = wait_result(fixture, fixture->workers[0]);
    assert_int_equal(result.user_data, 4);
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_true(result.replayed);
    assert_int_equal(result.version, 2);
}

static void worker__failed_log_is_final(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    close_gate(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, "k", 5, 1);
    rounds(fixture);
    submit(fixture->workers[1], FLORIN_DEPOSIT, other, "k", 5, 2);
    rounds(fixture);
    gate_finish(write_under_way(fixture), -EIO);
    struct florin_result result = wait_result(fixture, fixture->workers[0]);
    assert_int_equal(result.status, FLORIN_COMMIT_UNKNOWN);
    assert_int_equal(result.version, 1);
    assert_int_equal(wait_result(fixture, fixture->workers[1]).status, FLORIN_COMMIT_UNKNOWN);
    assert_int_equal(ledger_state(fixture->ledger), LEDGER_FAILED);
    assert_int_equal(florin_failed(fixture->ledger), EIO);
    assert_false(ledger_is_healthy(fixture->ledger));
    struct florin_command command = command_of(FLORIN_DEPOSIT, own, NULL, 1);
    assert_int_equal(worker_submit(fixture->workers[0], &command), FLORIN_NOT_COMMITTED);
    assert_int_equal(worker_durable_version(fixture->workers[0], own, strlen(own)), 1);

    /* a restart recovers from what the disk has */
    fixture_close(fixture);
    fixture_open(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, "k", 5, 3);
    result = wait_result(fixture, fixture->workers[0]);
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_false(result.replayed);
    assert_int_equal(result.balance_minor, 1005);
}

static void worker__stopping_refuses_new_and_finishes_old(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    close_gate(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, NULL, 5, 1);
    submit(fixture->workers[0], FLORIN_DEPOSIT, other, NULL, 5, 2);
    ledger_stop(fixture->ledger);
    struct florin_command command = command_of(FLORIN_DEPOSIT, own, NULL, 1);
    assert_int_equal(worker_submit(fixture->workers[0], &command), FLORIN_NOT_COMMITTED);
    rounds(fixture);
    assert_false(worker_is_idle(fixture->workers[0]));
    open_gate(fixture);
    assert_int_equal(wait_result(fixture, fixture->workers[0]).status, FLORIN_APPLIED);
    assert_int_equal(wait_result(fixture, fixture->workers[0]).status, FLORIN_APPLIED);
}

/* A worker that says that it is idle may be detached: nothing is under way, nor will be. */
static void worker__stopped_and_idle_writes_no_more(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    ledger_stop(fixture->ledger);
    rounds(fixture);
    assert_true(worker_is_idle(fixture->workers[0]));
    fixture->gate.open = false;
    rounds_past_idle_mark(fixture);
    assert_null(write_under_way(fixture));
}

/* A commit that another worker completes while this one is awake wakes nobody. */
static void worker__sleeps_over_no_completion(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    close_gate(fixture);
    submit(fixture->workers[1], FLORIN_DEPOSIT, other, NULL, 1, 1);
    worker_round(fixture->workers[1]);
    struct gate_channel *gated = write_under_way(fixture);
    submit(fixture->workers[0], FLORIN_DEPOSIT, own, NULL, 1, 2);
    worker_round(fixture->workers[0]);
    gate_finish(gated, 0);
    worker_round(fixture->workers[1]); /* submits for both */
    assert_ptr_equal(write_under_way(fixture), gated);
    worker_round(fixture->workers[0]);
    gate_finish(gated, 0);
    worker_round(fixture->workers[1]);
    assert_int_equal(worker_wait_ms(fixture->workers[0]), 0);
}

/* A stop that finds a worker awake wakes nobody: the worker must see it before it sleeps. */
static void worker__sleeps_over_no_stop(void **state)
{
    struct fixture *fixture = *state;
    worker_round(fixture->workers[0]);
    ledger_stop(fixture->ledger);
    assert_int_equal(worker_wait_ms(fixture->workers[0]), 0);
}

static void worker__full_queue_is_a_status(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    close_gate(fixture);
    /* the other worker's first: local results take all places that there are */
    const char *accounts[] = {other, own};
    for (unsigned i = 0; i < 2; i++) {
        struct florin_command command = command_of(FLORIN_DEPOSIT, accounts[i], NULL, 1);
        enum florin_status status;
        unsigned accepted = 0;
        while ((status = worker_submit(fixture->workers[0], &command)) == FLORIN_APPLIED) {
            accepted++;
            if (accepted % 64 == 0)
                rounds(fixture);
            assert_true(accepted <= FLORIN_WAITERS_MAX);
        }
        assert_int_equal(status, FLORIN_QUEUE_FULL);
        assert_true(accepted > 100);
    }
}

/* Every result comes exactly once, whichever worker's connection asked. */
static void worker__answers_every_command_once(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    char other[16];
    open_accounts(fixture, own, other);
    enum { COMMANDS = 2000 };
    unsigned seen[COMMANDS] = {0};
    struct florin_result result;
    for (uint64_t i = 0; i < COMMANDS; i++) {
        submit(fixture->workers[i % WORKERS], FLORIN_DEPOSIT, i % 3 == 0 ? own : other, NULL, 1, i);
        if (i % 10 == 0)
            rounds(fixture);
        while (worker_reap(fixture->workers[i % WORKERS], &result, 1) > 0)
            seen[result.user_data]++;
    }
    for (unsigned i = 0; i < 20; i++) {
        rounds(fixture);
        while (worker_reap(fixture->workers[i % WORKERS], &result, 1) > 0)
            seen[result.user_data]++;
    }
    for (unsigned i = 0; i < COMMANDS; i++)
        assert_int_equal(seen[i], 1);
    submit(fixture->workers[0], FLORIN_READ_ACCOUNT, own, NULL, 0, 0);
    int64_t total = wait_result(fixture, fixture->workers[0]).balance_minor;
    submit(fixture->workers[0], FLORIN_READ_ACCOUNT, other, NULL, 0, 0);
    total += wait_result(fixture, fixture->workers[0]).balance_minor;
    assert_int_equal(total, 2000 + COMMANDS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(worker__answers_only_after_the_flush),
        TEST(worker__read_of_another_account_does_not_wait),
        TEST(worker__gathers_a_group_while_one_is_under_way),
        TEST(worker__same_key_in_flight_waits_for_the_same_commit),
        TEST(worker__commit_deadline_answers_unknown_with_the_durable_version),
        TEST(worker__failed_log_is_final),
        TEST(worker__stopping_refuses_new_and_finishes_old),
        TEST(worker__stopped_and_idle_writes_no_more),
        TEST(worker__sleeps_over_no_stop),
        TEST(worker__sleeps_over_no_completion),
        TEST(worker__full_queue_is_a_status),
        TEST(worker__answers_every_command_once),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
