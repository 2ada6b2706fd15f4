/* test_embedded.c - what florin.h promises, on real files, with both ways to the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florin.h"
#include "support/temporary_directory.h"

struct fixture {
    char directory[TEMPORARY_DIRECTORY_MAX];
    struct florin_options options;
    char last_line[512];
};

static void keep_line(void *context, const char *line)
{
    struct fixture *fixture = context;
    if (strstr(line, "level=error") != NULL)
        snprintf(fixture->last_line, sizeof fixture->last_line, "%s", line);
}

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
    fixture->options.log_line = keep_line;
    fixture->options.log_context = fixture;
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

static struct florin *open_ledger(struct fixture *fixture)
{
    struct florin *ledger;
    assert_int_equal(florin_open(&fixture->options, &ledger), 0);
    return ledger;
}

static struct florin_client *open_client(struct florin *ledger)
{
    struct florin_client *client;
    assert_int_equal(florin_client_open(ledger, &client), 0);
    return client;
}

static struct florin_result run(struct florin_client *client, struct florin_command command)
{
    struct florin_result result;
    command.account_length = strlen(command.account);
    command.key_length = command.key == NULL ? 0 : strlen(command.key);
    assert_int_equal(florin_submit(client, &command, 1), 1);
    assert_int_equal(florin_reap(client, &result, 1, -1), 1);
    return result;
}

static void run_applied(struct florin_client *client, enum florin_command_kind kind,
                        const char *account, int64_t amount)
{
    struct florin_result result = run(
        client, (struct florin_command){.kind = kind, .account = account, .amount_minor = amount});
    assert_int_equal(result.status, FLORIN_APPLIED);
}

static void florin__keeps_accounts_and_keys_over_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger = open_ledger(fixture);
    struct florin_client *client = open_client(ledger);
    run_applied(client, FLORIN_OPEN_ACCOUNT, "alice", 100000);
    struct florin_command withdraw = {
        .kind = FLORIN_WITHDRAW, .account = "alice", .key = "k1", .amount_minor = 4900};
    struct florin_result first = run(client, withdraw);
    assert_int_equal(first.status, FLORIN_APPLIED);
    florin_client_close(client);
    florin_close(ledger);

    for (unsigned workers = 1; workers <= 5; workers += 2) {
        fixture->options.workers = workers;
        ledger = open_ledger(fixture);
        client = open_client(ledger);
        struct florin_result again = run(client, withdraw);
        assert_int_equal(again.status, FLORIN_APPLIED);
        assert_true(again.replayed);
        assert_int_equal(again.transaction_id, first.transaction_id);
        assert_int_equal(again.balance_minor, first.balance_minor);
        assert_int_equal(again.version, first.version);
        assert_int_equal(again.time_ns, first.time_ns);
        struct florin_result read;
        assert_int_equal(florin_read_account(client, "alice", 5, &read), FLORIN_APPLIED);
        assert_int_equal(read.balance_minor, 95100);
        assert_int_equal(read.version, 2);
        florin_client_close(client);
        florin_close(ledger);
    }
}

/* Many commands through full queues: everything is answered once, in order of each account, and the
 * sum is right, also after a restart that replays several segments. */
static void bulk(struct fixture *fixture, enum florin_io io)
{
    enum { ACCOUNTS = 100, COMMANDS = 60000 };
    fixture->options.io = io;
    struct florin *ledger = open_ledger(fixture);
    struct florin_client *client = open_client(ledger);
    char ids[ACCOUNTS][8];
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(ids[i], sizeof ids[i], "a%u", i);
        run_applied(client, FLORIN_OPEN_ACCOUNT, ids[i], 0);
    }
    uint64_t versions[ACCOUNTS];
    for (unsigned i = 0; i < ACCOUNTS; i++)
        versions[i] = 1;
    uint64_t sent = 0;
    uint64_t reaped = 0;
    while (reaped < COMMANDS) {
        for (; sent < COMMANDS; sent++) {
            char key[24];
            snprintf(key, sizeof key, "key-%llu", (unsigned long long)sent);
            const char *id = ids[sent * 7 % ACCOUNTS];
            struct florin_command command = {.kind = FLORIN_DEPOSIT,
                                             .account = id,
                                             .account_length = strlen(id),
                                             .key = key,
                                             .key_length = strlen(key),
                                             .amount_minor = 1,
                                             .user_data = sent * 7 % ACCOUNTS};
            if (florin_submit(client, &command, 1) == 0)
                break;
        }
        struct florin_result results[64];
        size_t count = florin_reap(client, results, 64, -1);
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(results[i].status, FLORIN_APPLIED);
            assert_int_equal(results[i].version, ++versions[results[i].user_data]);
        }
        reaped += count;
    }
    assert_true(florin_durable_lsn(ledger) >= COMMANDS + ACCOUNTS);
    florin_client_close(client);
    florin_close(ledger);

    ledger = open_ledger(fixture);
    client = open_client(ledger);
    int64_t total = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct florin_result read;
        assert_int_equal(florin_read_account(client, ids[i], strlen(ids[i]), &read),
                         FLORIN_APPLIED);
        assert_int_equal(read.version, versions[i]);
        total += read.balance_minor;
    }
    assert_int_equal(total, COMMANDS);
    florin_client_close(client);
    florin_close(ledger);
}

static void florin__bulk_over_uring_or_what_there_is(void **state)
{
    bulk(*state, FLORIN_IO_AUTO);
}

static void florin__bulk_over_posix(void **state)
{
    bulk(*state, FLORIN_IO_POSIX);
}

struct transfer_thread {
    struct florin *ledger;
    unsigned number;
    unsigned applied;
    unsigned refused;
};

enum { RACERS = 8, RACES = 300 };

/* Takes 1 from the one account with expectedVersion, over and over. */
static void *race(void *context)
{
    struct transfer_thread *thread = context;
    struct florin_client *client;
    if (florin_client_open(thread->ledger, &client) != 0)
        return NULL;
    for (unsigned i = 0; i < RACES; i++) {
        struct florin_result read;
        florin_read_account(client, "hot", 3, &read);
        struct florin_command command = {.kind = FLORIN_WITHDRAW,
                                         .account = "hot",
                                         .account_length = 3,
                                         .amount_minor = 1,
                                         .expected_version = read.version};
        struct florin_result result;
        florin_submit(client, &command, 1);
        florin_reap(client, &result, 1, -1);
        if (result.status == FLORIN_APPLIED)
            thread->applied++;
        else if (result.status == FLORIN_VERSION_MISMATCH)
            thread->refused++;
    }
    florin_client_close(client);
    return NULL;
}

static void florin__racing_clients_lose_no_update(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger = open_ledger(fixture);
    struct florin_client *client = open_client(ledger);
    run_applied(client, FLORIN_OPEN_ACCOUNT, "hot", RACERS * RACES);
    struct transfer_thread threads[RACERS];
    pthread_t ids[RACERS];
    for (unsigned i = 0; i < RACERS; i++) {
        threads[i] = (struct transfer_thread){.ledger = ledger, .number = i};
        assert_int_equal(pthread_create(&ids[i], NULL, race, &threads[i]), 0);
    }
    unsigned applied = 0;
    for (unsigned i = 0; i < RACERS; i++) {
        pthread_join(ids[i], NULL);
        assert_int_equal(threads[i].applied + threads[i].refused, RACES);
        applied += threads[i].applied;
    }
    struct florin_result read;
    assert_int_equal(florin_read_account(client, "hot", 3, &read), FLORIN_APPLIED);
    assert_int_equal(read.balance_minor, RACERS * RACES - (int)applied);
    assert_int_equal(read.version, 1 + applied);
    assert_true(applied > 0);
    florin_client_close(client);
    florin_close(ledger);
}

static struct florin_command hot_deposit(char *key, unsigned number)
{
    snprintf(key, 16, "k%u", number);
    return (struct florin_command){
        .kind = FLORIN_DEPOSIT, .account = "hot", .key = key, .amount_minor = 1};
}

/* All keys of one account stand in one shard, which has room for a part of --keys-memory only: they
 * move to files before that is full, and also at a start with less room than before. */
static void florin__keys_of_one_account_find_room_in_one_shard(void **state)
{
    enum { KEYS = 600, KEYS_AT_FIRST = 500, SHARDS = 4 };
    struct fixture *fixture = *state;
    char key[16];
    fixture->options.workers = 1;
    fixture->options.keys_memory = 1000;
    struct florin *ledger = open_ledger(fixture);
    struct florin_client *client = open_client(ledger);
    run_applied(client, FLORIN_OPEN_ACCOUNT, "hot", 0);
    for (unsigned i = 0; i < KEYS_AT_FIRST; i++)
        assert_int_equal(run(client, hot_deposit(key, i)).status, FLORIN_APPLIED);
    florin_client_close(client);
    florin_close(ledger);

    fixture->options.workers = SHARDS;
    ledger = open_ledger(fixture);
    client = open_client(ledger);
    for (unsigned i = KEYS_AT_FIRST; i < KEYS; i++) {
        struct florin_result result = run(client, hot_deposit(key, i));
        while (result.status == FLORIN_KEYS_FULL) /* for a moment, until the keys have moved */
            result = run(client, hot_deposit(key, i));
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_false(result.replayed);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        struct florin_result result = run(client, hot_deposit(key, i));
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_true(result.replayed);
        assert_int_equal(result.balance_minor, i + 1);
    }
    florin_client_close(client);
    florin_close(ledger);
}

static void florin__carries_metadata_to_the_client(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger = open_ledger(fixture);
    struct florin_client *client = open_client(ledger);
    char metadata[FLORIN_METADATA_MAX];
    memset(metadata, 'x', sizeof metadata);
    struct florin_result result = run(client, (struct florin_command){
                                                  .kind = FLORIN_OPEN_ACCOUNT,
                                                  .account = "with.metadata",
                                                  .currency = "JPY",
                                                  .currency_length = 3,
                                                  .minimum_balance_minor = -50,
                                                  .metadata = metadata,
                                                  .metadata_length = sizeof metadata,
                                              });
    assert_int_equal(result.status, FLORIN_APPLIED);
    florin_read_account(client, "with.metadata", 13, &result);
    assert_string_equal(result.currency, "JPY");
    assert_int_equal(result.exponent, 0);
    assert_int_equal(result.minimum_balance_minor, -50);
    assert_int_equal(result.metadata_length, sizeof metadata);
    assert_memory_equal(result.metadata, metadata, sizeof metadata);
    florin_client_close(client);
    florin_close(ledger);
}

/* The read is executed before the change and reaped behind it. */
static void florin__shows_metadata_as_it_was_when_it_was_read(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger = open_ledger(fixture);
    struct florin_client *client = open_client(ledger);
    struct florin_command commands[3] = {
        {.kind = FLORIN_OPEN_ACCOUNT, .metadata = "{\"first\":1}", .metadata_length = 11},
        {.kind = FLORIN_READ_ACCOUNT},
        {.kind = FLORIN_CHANGE_ACCOUNT,
         .changes = FLORIN_CHANGE_METADATA,
         .metadata = "{}",
         .metadata_length = 2},
    };
    struct florin_result results[3];
    size_t reaped = 0;
    for (size_t i = 0; i < 3; i++) {
        commands[i].account = "with.metadata";
        commands[i].account_length = 13;
    }
    assert_int_equal(florin_submit(client, commands, 3), 3);
    while (reaped < 3) {
        size_t count = florin_reap(client, results, 3 - reaped, -1);
        for (size_t i = 0; i < count; i++) {
            bool is_change = results[i].kind == FLORIN_CHANGE_ACCOUNT;
            assert_int_equal(results[i].status, FLORIN_APPLIED);
            assert_int_equal(results[i].metadata_length, is_change ? 2 : 11);
            assert_memory_equal(results[i].metadata, is_change ? "{}" : "{\"first\":1}",
                                results[i].metadata_length);
        }
        reaped += count;
    }
    florin_client_close(client);
    florin_close(ledger);
}

static void florin__refuses_options_out_of_range(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger = NULL;
    const struct florin_options good = fixture->options;
    struct florin_options bad[] = {good, good, good, good, good, good, good};
    bad[0].workers = 0;
    bad[1].workers = FLORIN_WORKERS_MAX + 1;
    bad[2].segment_bytes = (4 << 20) + 1;
    bad[3].segment_bytes = 1 << 20;
    bad[4].accounts_max = 0;
    bad[5].commit_timeout_ms = 0;
    bad[6].directory = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(florin_open(&bad[i], &ledger), -EINVAL);
    assert_null(ledger);
}

static void florin__keeps_accounts_of_currencies_that_it_no_longer_has(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger = NULL;
    static const struct florin_currency good[] = {{"BTC", 8}, {"POINTS", 0}};
    static const struct florin_currency other[] = {{"BTC", 6}};
    static const struct florin_currency twice[] = {{"BTC", 8}, {"BTC", 8}};
    static const struct florin_currency dollar[] = {{"USD", 2}};
    const struct florin_command open = {.kind = FLORIN_OPEN_ACCOUNT,
                                        .account = "coins",
                                        .amount_minor = 7,
                                        .currency = "BTC",
                                        .currency_length = 3};
    fixture->options.currencies = twice;
    fixture->options.currency_count = 2;
    assert_int_equal(florin_open(&fixture->options, &ledger), -EINVAL);
    fixture->options.currencies = dollar;
    fixture->options.currency_count = 1;
    assert_int_equal(florin_open(&fixture->options, &ledger), -EINVAL);

    fixture->options.currencies = good;
    fixture->options.currency_count = 2;
    ledger = open_ledger(fixture);
    struct florin_client *client = open_client(ledger);
    struct florin_result result = run(client, open);
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_int_equal(result.exponent, 8);
    florin_client_close(client);
    florin_close(ledger);

    fixture->options.currencies = NULL;
    fixture->options.currency_count = 0;
    ledger = open_ledger(fixture);
    client = open_client(ledger);
    run_applied(client, FLORIN_DEPOSIT, "coins", 3);
    assert_int_equal(florin_read_account(client, "coins", 5, &result), FLORIN_APPLIED);
    assert_int_equal(result.balance_minor, 10);
    assert_int_equal(result.exponent, 8);
    assert_string_equal(result.currency, "BTC");
    assert_int_equal(run(client, open).status, FLORIN_INVALID_CURRENCY);
    florin_client_close(client);
    florin_close(ledger);

    /* of the same name, and another currency all the same */
    fixture->options.currencies = other;
    fixture->options.currency_count = 1;
    ledger = open_ledger(fixture);
    client = open_client(ledger);
    struct florin_command again = open;
    again.account = "short";
    assert_int_equal(run(client, again).exponent, 6);
    struct florin_command transfer = {.kind = FLORIN_TRANSFER,
                                      .account = "coins",
                                      .to = "short",
                                      .to_length = 5,
                                      .amount_minor = 1};
    assert_int_equal(run(client, transfer).status, FLORIN_CURRENCY_MISMATCH);
    florin_client_close(client);
    florin_close(ledger);
}

static void florin__says_when_the_directory_is_in_use(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger = open_ledger(fixture);
    struct florin *second;
    assert_int_equal(florin_open(&fixture->options, &second), -EBUSY);
    assert_non_null(strstr(fixture->last_line, "event=locked"));
    assert_non_null(strstr(fixture->last_line, "pid "));
    florin_close(ledger);
}

static void florin__says_when_the_directory_can_not_be_made(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger;
    fixture->options.directory = "/nonexistent/parent/data";
    assert_int_equal(florin_open(&fixture->options, &ledger), -ENOENT);
    fixture->options.directory = "/dev/null";
    assert_int_equal(florin_open(&fixture->options, &ledger), -ENOTDIR);
}

static void florin__refuses_a_damaged_middle_and_says_where(void **state)
{
    struct fixture *fixture = *state;
    struct florin *ledger = open_ledger(fixture);
    struct florin_client *client = open_client(ledger);
    run_applied(client, FLORIN_OPEN_ACCOUNT, "alice", 100);
    for (unsigned i = 0; i < 20; i++)
        run_applied(client, FLORIN_DEPOSIT, "alice", 1);
    florin_client_close(client);
    florin_close(ledger);
    char path[TEMPORARY_DIRECTORY_MAX + 32];
    snprintf(path, sizeof path, "%s/log/0000000000000001.wal", fixture->directory);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 5 * 4096 + 200, SEEK_SET), 0);
    assert_int_equal(fputc(0x5a, file), 0x5a);
    fclose(file);
    assert_int_equal(florin_open(&fixture->options, &ledger), -EBADMSG);
    assert_non_null(strstr(fixture->last_line, "0000000000000001.wal"));
    assert_non_null(strstr(fixture->last_line, "offset=20480"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(florin__keeps_accounts_and_keys_over_a_restart),
        TEST(florin__bulk_over_uring_or_what_there_is),
        TEST(florin__bulk_over_posix),
        TEST(florin__racing_clients_lose_no_update),
        TEST(florin__keys_of_one_account_find_room_in_one_shard),
        TEST(florin__carries_metadata_to_the_client),
        TEST(florin__shows_metadata_as_it_was_when_it_was_read),
        TEST(florin__refuses_options_out_of_range),
        TEST(florin__keeps_accounts_of_currencies_that_it_no_longer_has),
        TEST(florin__says_when_the_directory_is_in_use),
        TEST(florin__says_when_the_directory_can_not_be_made),
        TEST(florin__refuses_a_damaged_middle_and_says_where),
    };
    return cmocka_run_group_tests_name("florin", tests, NULL, NULL);
}
