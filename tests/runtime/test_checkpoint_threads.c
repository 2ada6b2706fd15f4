/* test_checkpoint_threads.c - the background on its own threads: asked from everywhere, while
 * clients work, and while the ledger closes or fails. Real files, real time; for the thread
 * sanitizer most of all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <assert.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/keeper_internal.h"
#include "engine/runtime/worker.h"
#include "florin.h"
#include "support/temporary_directory.h"
#include "wal/channel_posix.h"
#include "wal/storage_posix.h"

enum {
    ACCOUNTS = 200,
    CALLERS = 4,
    NAMES_MAX = 256,
};

struct fixture {
    char directory[TEMPORARY_DIRECTORY_MAX];
    struct florin_options options;
    struct florin *ledger;
    uint64_t lsns[20000]; /* of the deposit with that key */
    unsigned deposits;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    temporary_directory_make(fixture->directory);
    florin_options_init(&fixture->options);
    fixture->options.directory = fixture->directory;
    fixture->options.workers = 2;
    fixture->options.segment_bytes = 4 << 20;
    fixture->options.accounts_max = 65536;
    fixture->options.keys_memory = 2000;
    fixture->options.checkpoint_bytes = 0;
    fixture->options.background_mib_per_second = 0;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    temporary_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

/* --- a client -------------------------------------------------------------------------------- */

struct text {
    char account[16];
    char key[16];
};

static struct florin_command command_of(enum florin_command_kind kind, unsigned account,
                                        struct text *text)
{
    int length = snprintf(text->account, sizeof(text->account), "a%u", account);
    return (struct florin_command){
        .kind = kind, .account = text->account, .account_length = (size_t)length};
}

static struct florin_result run(struct florin_client *client, const struct florin_command *command)
{
    struct florin_result result;
    assert_int_equal(florin_submit(client, command, 1), 1);
    assert_int_equal(florin_reap(client, &result, 1, -1), 1);
    return result;
}

static void open_accounts(struct florin_client *client, unsigned count, size_t metadata_length)
{
    static const char metadata[FLORIN_METADATA_MAX] = {'{'};
    for (unsigned i = 0; i < count; i++) {
        struct text text;
        struct florin_command command = command_of(FLORIN_OPEN_ACCOUNT, i, &text);
        command.metadata = metadata;
        command.metadata_length = metadata_length;
        while (florin_submit(client, &command, 1) == 0) {
            struct florin_result result;
            assert_int_equal(florin_reap(client, &result, 1, -1), 1);
            assert_int_equal(result.status, FLORIN_APPLIED);
        }
    }
    struct florin_result result;
    while (florin_reap(client, &result, 1, -1) == 1)
        assert_int_equal(result.status, FLORIN_APPLIED);
}

static struct florin_result deposit(struct florin_client *client, unsigned number)
{
    struct text text;
    struct florin_command command = command_of(FLORIN_DEPOSIT, number % ACCOUNTS, &text);
    command.amount_minor = 1 + number % 7;
    command.key = text.key;
    command.key_length = (size_t)snprintf(text.key, sizeof(text.key), "k%u", number);
    return run(client, &command);
}

static void deposit_new(struct fixture *fixture, struct florin_client *client)
{
    struct florin_result result = deposit(client, fixture->deposits);
    /* the room for keys is small here: then the keeper is a step behind */
    while (result.status == FLORIN_KEYS_FULL) {
        sched_yield();
        result = deposit(client, fixture->deposits);
    }
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_false(result.replayed);
    fixture->lsns[fixture->deposits++] = result.transaction_id;
}

static void check_retry(const struct fixture *fixture, struct florin_client *client,
                        unsigned number)
{
    struct florin_result result = deposit(client, number);
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_true(result.replayed);
    assert_int_equal(result.transaction_id, fixture->lsns[number]);
}

static struct florin_client *open_all(struct fixture *fixture)
{
    struct florin_client *client;
    assert_int_equal(florin_open(&fixture->options, &fixture->ledger), 0);
    assert_int_equal(florin_client_open(fixture->ledger, &client), 0);
    return client;
}

static void close_all(struct fixture *fixture, struct florin_client *client)
{
    florin_client_close(client);
    florin_close(fixture->ledger);
}

static void check_after_restart(struct fixture *fixture, unsigned workers)
{
    fixture->options.workers = workers;
    struct florin_client *client = open_all(fixture);
    for (unsigned number = 0; number < fixture->deposits; number++)
        check_retry(fixture, client, number);
    close_all(fixture, client);
}

/* --- checkpoints from everywhere -------------------------------------------------------------- */

struct caller {
    struct florin *ledger;
    pthread_t thread;
    unsigned calls;
    int error; /* of the last one */
};

static void *call_checkpoint(void *context)
{
    struct caller *caller = context;
    for (unsigned i = 0; i < caller->calls && caller->error == 0; i++)
        caller->error = florin_checkpoint(caller->ledger);
    return NULL;
}

static void start_callers(struct caller *callers, struct florin *ledger, unsigned calls)
{
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.ledger = ledger, .calls = calls};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_checkpoint, &callers[i]), 0);
    }
}

static void join_callers(struct caller *callers, int error)
{
    for (unsigned i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].error, error);
    }
}

/* Until all of them are in florin_checkpoint(). */
static void wait_for_callers(struct florin *ledger)
{
    struct keeper *keeper = ledger->keeper;
    unsigned waiting = 0;
    while (waiting < CALLERS) {
        sched_yield();
        pthread_mutex_lock(&keeper->mutex);
        waiting = keeper->waiting;
        pthread_mutex_unlock(&keeper->mutex);
    }
}

static void florin_checkpoint__from_many_threads_while_a_client_works(void **state)
{
    struct fixture *fixture = *state;
    struct caller callers[CALLERS];
    struct florin_client *client = open_all(fixture);
    open_accounts(client, ACCOUNTS, 0);
    start_callers(callers, fixture->ledger, 5);
    for (unsigned i = 0; i < 300; i++) {
        deposit_new(fixture, client);
        check_retry(fixture, client, i / 2);
    }
    join_callers(callers, 0);
    assert_int_equal(florin_checkpoint(fixture->ledger), 0);
    struct ledger_keeper_statistics statistics;
    ledger_keeper_statistics(fixture->ledger, &statistics);
    assert_int_equal(statistics.checkpoint_lsn, florin_durable_lsn(fixture->ledger));
    assert_int_equal(statistics.checkpoints_failed, 0);
    assert_true(statistics.checkpoints_completed >= 5);
    close_all(fixture, client);
    check_after_restart(fixture, 3);
}

/* What a caller asks for covers all that it has seen to be durable. */
static void florin_checkpoint__covers_what_was_durable_before_the_call(void **state)
{
    struct fixture *fixture = *state;
    struct caller callers[CALLERS];
    struct florin_client *client = open_all(fixture);
    open_accounts(client, ACCOUNTS, 0);
    start_callers(callers, fixture->ledger, 8);
    for (unsigned i = 0; i < 20; i++) {
        deposit_new(fixture, client);
        uint64_t durable = florin_durable_lsn(fixture->ledger);
        assert_int_equal(florin_checkpoint(fixture->ledger), 0);
        struct ledger_keeper_statistics statistics;
        ledger_keeper_statistics(fixture->ledger, &statistics);
        assert_true(statistics.checkpoint_lsn >= durable);
    }
    join_callers(callers, 0);
    close_all(fixture, client);
}

/* --- the end, while they wait ----------------------------------------------------------------- */

static void florin_close__ends_the_checkpoints_that_are_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct caller callers[CALLERS];
    fixture->options.background_mib_per_second = 1;
    struct florin_client *client = open_all(fixture);
    open_accounts(client, 4000, 1000); /* some seconds at that pace */
    start_callers(callers, fixture->ledger, 1);
    wait_for_callers(fixture->ledger);
    for (unsigned i = 0; i < 10; i++)
        deposit_new(fixture, client);
    close_all(fixture, client);
    join_callers(callers, -ESHUTDOWN);
    fixture->options.background_mib_per_second = 0;
    check_after_restart(fixture, 1);
}

/* What fails on channels, as the test says. */
struct faults {
    _Atomic bool log;                  /* every write of the log */
    _Atomic unsigned background_nth;   /* one in so many of other writes; 0: none */
    _Atomic unsigned background_count; /* of those */
};

struct failing_channel {
    struct channel channel;
    struct channel *inner;
    struct faults *faults;
    bool of_log; /* the write under way */
};

static int failing_submit(struct channel *channel, struct storage_file *file, const void *buffer,
                          size_t length, uint64_t offset, enum channel_flush flush)
{
    struct failing_channel *failing = (struct failing_channel *)channel;
    failing->of_log = flush == CHANNEL_FLUSH;
    return failing->inner->operations->submit(failing->inner, file, buffer, length, offset, flush);
}

static bool fault_is_due(struct faults *faults, bool of_log)
{
    if (of_log)
        return atomic_load(&faults->log);
    unsigned nth = atomic_load(&faults->background_nth);
    return nth > 0 && atomic_fetch_add(&faults->background_count, 1) % nth == nth - 1;
}

static bool failing_reap(struct channel *channel, int *result)
{
    struct failing_channel *failing = (struct failing_channel *)channel;
    if (!failing->inner->operations->reap(failing->inner, result))
        return false;
    if (fault_is_due(failing->faults, failing->of_log))
        *result = -EIO;
    return true;
}

static int failing_descriptor(const struct channel *channel)
{
    const struct failing_channel *failing = (const struct failing_channel *)channel;
    return failing->inner->operations->descriptor(failing->inner);
}

static void failing_destroy(struct channel *channel)
{
    struct failing_channel *failing = (struct failing_channel *)channel;
    failing->inner->operations->destroy(failing->inner);
    free(failing);
}

static const struct channel_operations failing_operations = {
    .submit = failing_submit,
    .reap = failing_reap,
    .descriptor = failing_descriptor,
    .destroy = failing_destroy,
};

static int create_failing(void *context, struct channel **channel)
{
    struct failing_channel *failing = calloc(1, sizeof(*failing));
    assert(failing != NULL);
    failing->channel.operations = &failing_operations;
    failing->faults = context;
    *channel = &failing->channel;
    return channel_posix_create(&failing->inner);
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    int error = worker_attach(worker);
    assert(error == 0);
    while (ledger_state(worker->ledger) <= LEDGER_READY || !worker_is_idle(worker)) {
        struct pollfd descriptors[] = {
            {.fd = worker_mailbox_descriptor(worker), .events = POLLIN},
            {.fd = worker_channel_descriptor(worker), .events = POLLIN},
        };
        int timeout_ms = worker_wait_ms(worker);
        (void)poll(descriptors, 2, worker_is_idle(worker) ? 0 : timeout_ms);
        worker_round(worker);
    }
    worker_detach(worker);
    return NULL;
}

/* A ledger whose disk fails when it is told to. */
struct faulty {
    struct faults faults;
    struct storage *storage;
    pthread_t threads[2];
};

static struct florin_client *open_faulty(struct fixture *fixture, struct faulty *faulty)
{
    *faulty = (struct faulty){0};
    assert_int_equal(storage_posix_create(fixture->directory, true, &faulty->storage), 0);
    const struct ledger_devices devices = {
        .storage = faulty->storage, .create_channel = create_failing, .context = &faulty->faults};
    assert_int_equal(ledger_create(&fixture->options, &devices, &fixture->ledger), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&faulty->threads[i], NULL, run_worker,
                                        ledger_worker(fixture->ledger, i)),
                         0);
    assert_int_equal(ledger_recover(fixture->ledger), 0);
    struct florin_client *client;
    assert_int_equal(florin_client_open(fixture->ledger, &client), 0);
    return client;
}

static void close_faulty(struct fixture *fixture, struct faulty *faulty,
                         struct florin_client *client)
{
    florin_client_close(client);
    ledger_stop(fixture->ledger);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(faulty->threads[i], NULL), 0);
    ledger_destroy(fixture->ledger);
    storage_posix_destroy(faulty->storage);
}

static void failing_log__ends_the_checkpoints_that_are_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct caller callers[CALLERS];
    struct faulty faulty;
    fixture->options.background_mib_per_second = 1;
    struct florin_client *client = open_faulty(fixture, &faulty);
    open_accounts(client, 4000, 1000);
    deposit_new(fixture, client);
    start_callers(callers, fixture->ledger, 1);
    wait_for_callers(fixture->ledger);
    atomic_store(&faulty.faults.log, true);
    assert_int_equal(deposit(client, 77).status, FLORIN_COMMIT_UNKNOWN);
    join_callers(callers, -ESHUTDOWN);
    assert_int_equal(florin_failed(fixture->ledger), EIO);
    assert_int_equal(florin_checkpoint(fixture->ledger), -ESHUTDOWN);
    close_faulty(fixture, &faulty, client);
    fixture->options.background_mib_per_second = 0;
    check_after_restart(fixture, 1);
}

/* Each is given up at another block, while workers fill the next ones. */
static void failing_checkpoints__disturb_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct faulty faulty;
    struct florin_client *client = open_faulty(fixture, &faulty);
    open_accounts(client, 4000, 1000);
    unsigned failed = 0;
    atomic_store(&faulty.faults.background_nth, 5);
    for (unsigned i = 0; i < 20; i++) {
        deposit_new(fixture, client);
        int error = florin_checkpoint(fixture->ledger);
        assert_true(error == 0 || error == -EIO);
        failed += error != 0;
        check_retry(fixture, client, i / 2);
    }
    assert_true(failed > 10);
    atomic_store(&faulty.faults.background_nth, 0);
    deposit_new(fixture, client);
    assert_int_equal(florin_checkpoint(fixture->ledger), 0);
    struct ledger_keeper_statistics statistics;
    ledger_keeper_statistics(fixture->ledger, &statistics);
    assert_int_equal(statistics.checkpoints_failed, failed);
    assert_int_equal(statistics.last_error, EIO);
    close_faulty(fixture, &faulty, client);
    check_after_restart(fixture, 1);
}

/* --- all at once ----------------------------------------------------------------------------- */

struct names {
    char names[NAMES_MAX][STORAGE_NAME_MAX];
    unsigned count;
};

static void take_name(void *context, const char *name)
{
    struct names *names = context;
    if (strstr(name, ".tmp") != NULL)
        return;
    assert(names->count < NAMES_MAX);
    snprintf(names->names[names->count++], STORAGE_NAME_MAX, "%s", name);
}

static void list(struct storage *storage, const char *directory, struct names *names)
{
    names->count = 0;
    int error = storage->operations->list(storage, directory, take_name, names);
    assert(error == 0 || error == -ENOENT);
}

static bool has_name(const struct names *names, const char *name)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0)
            return true;
    }
    return false;
}

struct holder {
    struct florin *ledger;
    pthread_t thread;
    _Atomic bool stop;
    unsigned held;
};

/* As a backup does: what is there when the files are held is there until they are released. */
static void *hold_files(void *context)
{
    static const char *const directories[] = {"checkpoint", "keys"};
    struct holder *holder = context;
    struct storage *storage = holder->ledger->storage;
    struct names *before = calloc(2, sizeof(*before));
    struct names *after = calloc(1, sizeof(*after));
    assert(before != NULL);
    assert(after != NULL);
    while (!atomic_load(&holder->stop)) {
        ledger_hold_files(holder->ledger);
        for (unsigned i = 0; i < 2; i++)
            list(storage, directories[i], &before[i]);
        for (unsigned look = 0; look < 20; look++) {
            for (unsigned i = 0; i < 2; i++) {
                list(storage, directories[i], after);
                for (unsigned j = 0; j < before[i].count; j++)
                    assert(has_name(after, before[i].names[j]));
            }
        }
        ledger_release_files(holder->ledger);
        holder->held++;
        sched_yield();
    }
    free(before);
    free(after);
    return NULL;
}

static void background__works_while_files_are_held_now_and_then(void **state)
{
    struct fixture *fixture = *state;
    struct caller callers[CALLERS];
    fixture->options.keys_memory = 300;
    struct florin_client *client = open_all(fixture);
    struct holder holder = {.ledger = fixture->ledger};
    open_accounts(client, ACCOUNTS, 0);
    deposit_new(fixture, client);
    assert_int_equal(florin_checkpoint(fixture->ledger), 0);
    assert_int_equal(pthread_create(&holder.thread, NULL, hold_files, &holder), 0);
    start_callers(callers, fixture->ledger, 6);
    for (unsigned i = 0; i < 2000; i++) {
        deposit_new(fixture, client);
        if (i % 4 == 0)
            check_retry(fixture, client, i * 7 % fixture->deposits);
    }
    join_callers(callers, 0);
    atomic_store(&holder.stop, true);
    assert_int_equal(pthread_join(holder.thread, NULL), 0);
    assert_true(holder.held > 3);
    struct ledger_keeper_statistics statistics;
    ledger_keeper_statistics(fixture->ledger, &statistics);
    assert_int_equal(statistics.last_error, 0);
    assert_true(statistics.key_files > 0);
    close_all(fixture, client);
    check_after_restart(fixture, 1);
}

int main(void)
{
#define THREADED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        THREADED(florin_checkpoint__from_many_threads_while_a_client_works),
        THREADED(florin_checkpoint__covers_what_was_durable_before_the_call),
        THREADED(florin_close__ends_the_checkpoints_that_are_waited_for),
        THREADED(failing_log__ends_the_checkpoints_that_are_waited_for),
        THREADED(failing_checkpoints__disturb_nobody),
        THREADED(background__works_while_files_are_held_now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
