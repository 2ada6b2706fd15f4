/* test_posting_threads.c - transfers and postings between the threads of a real ledger, through
 * florin.h: all are answered, no cent is made or lost, also after the ledger was opened again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florin.h"
#include "support/temporary_directory.h"

enum {
    ACCOUNTS = 200,
    HOT = 5, /* half of all legs are of these */
    BALANCE = 1000,
    CLIENTS = 4,
    COMMANDS = 25000, /* of each client */
    OUTSTANDING = 200,
    LEGS = 5,
};

struct fixture {
    char directory[TEMPORARY_DIRECTORY_MAX];
    struct florin_options options;
};

struct client_thread {
    pthread_t thread;
    struct florin *ledger;
    unsigned number;
    uint64_t random;
    uint64_t applied;
    uint64_t refused;
    uint64_t other; /* anything but these, which nothing here can be */
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    temporary_directory_make(fixture->directory);
    florin_options_init(&fixture->options);
    fixture->options.directory = fixture->directory;
    fixture->options.workers = 4;
    fixture->options.segment_bytes = 16 << 20;
    fixture->options.accounts_max = 10000;
    fixture->options.keys_memory = 1000000;
    fixture->options.commit_timeout_ms = 60000; /* a sanitizer is slow */
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

/* splitmix64, public domain, Sebastiano Vigna */
static uint64_t random_next(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned random_account(uint64_t *random)
{
    return (unsigned)(random_next(random) % (random_next(random) % 2 ? HOT : ACCOUNTS));
}

struct texts {
    char ids[LEGS][16];
    struct florin_leg legs[LEGS];
    char key[24];
};

/* A transfer, or now and then a posting of several legs, with a key. */
static struct florin_command random_command(struct client_thread *client, unsigned number,
                                            struct texts *texts)
{
    unsigned count = random_next(&client->random) % 4 == 0 ? LEGS : 2;
    unsigned accounts[LEGS];
    for (unsigned i = 0; i < count; i++) {
        accounts[i] = random_account(&client->random);
        if (i == 1 && accounts[1] == accounts[0])
            accounts[1] = (accounts[0] + 1) % ACCOUNTS;
        snprintf(texts->ids[i], sizeof texts->ids[i], "a%u", accounts[i]);
    }
    snprintf(texts->key, sizeof texts->key, "c%u-%u", client->number, number);
    struct florin_command command = {
        .kind = count == 2 ? FLORIN_TRANSFER : FLORIN_POSTING,
        .account = texts->ids[0],
        .account_length = strlen(texts->ids[0]),
        .key = texts->key,
        .key_length = strlen(texts->key),
    };
    int64_t amount = 1 + (int64_t)(random_next(&client->random) % 100);
    if (count == 2) {
        command.to = texts->ids[1];
        command.to_length = strlen(texts->ids[1]);
        command.amount_minor = amount;
        return command;
    }
    for (unsigned i = 0; i < LEGS; i++) {
        texts->legs[i] = (struct florin_leg){
            .account = texts->ids[i],
            .account_length = strlen(texts->ids[i]),
            .direction = i == 0 ? FLORIN_DEBIT : FLORIN_CREDIT,
            .amount_minor = i == 0 ? amount * (LEGS - 1) : amount,
        };
    }
    command.legs = texts->legs;
    command.leg_count = LEGS;
    return command;
}

static void *run_client(void *context)
{
    struct client_thread *client = context;
    struct florin_client *handle;
    unsigned sent = 0;
    unsigned answered = 0;
    if (florin_client_open(client->ledger, &handle) != 0)
        return NULL;
    while (answered < COMMANDS) {
        while (sent < COMMANDS && sent - answered < OUTSTANDING) {
            struct texts texts;
            struct florin_command command = random_command(client, sent, &texts);
            if (florin_submit(handle, &command, 1) == 0)
                break;
            sent++;
        }
        struct florin_result results[64];
        size_t count = florin_reap(handle, results, 64, -1);
        answered += (unsigned)count;
        for (size_t i = 0; i < count; i++) {
            if (results[i].status == FLORIN_APPLIED)
                client->applied++;
            else if (results[i].status == FLORIN_INSUFFICIENT_BALANCE)
                client->refused++;
            else
                client->other++;
        }
    }
    florin_client_close(handle);
    return NULL;
}

static void check_sum(struct florin *ledger)
{
    struct florin_client *client;
    int64_t sum = 0;
    assert_int_equal(florin_client_open(ledger, &client), 0);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct florin_result result;
        char id[16];
        int length = snprintf(id, sizeof id, "a%u", i);
        assert_int_equal(florin_read_account(client, id, (size_t)length, &result), FLORIN_APPLIED);
        assert_true(result.balance_minor >= 0);
        sum += result.balance_minor;
    }
    assert_int_equal(sum, (int64_t)ACCOUNTS * BALANCE);
    florin_client_close(client);
}

static void open_accounts(struct florin *ledger)
{
    struct florin_client *client;
    assert_int_equal(florin_client_open(ledger, &client), 0);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char id[16];
        struct florin_result result;
        struct florin_command command = {.kind = FLORIN_OPEN_ACCOUNT, .account = id};
        command.account_length = (size_t)snprintf(id, sizeof id, "a%u", i);
        command.amount_minor = BALANCE;
        assert_int_equal(florin_submit(client, &command, 1), 1);
        assert_int_equal(florin_reap(client, &result, 1, -1), 1);
        assert_int_equal(result.status, FLORIN_APPLIED);
    }
    florin_client_close(client);
}

static void money__is_neither_made_nor_lost(void **state)
{
    struct fixture *fixture = *state;
    struct client_thread clients[CLIENTS];
    struct florin *ledger;
    assert_int_equal(florin_open(&fixture->options, &ledger), 0);
    open_accounts(ledger);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client_thread){.ledger = ledger, .number = i, .random = i};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    assert_int_equal(florin_checkpoint(ledger), 0); /* while they run */
    uint64_t applied = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
        assert_int_equal(clients[i].other, 0);
        assert_int_equal(clients[i].applied + clients[i].refused, COMMANDS);
        applied += clients[i].applied;
    }
    assert_true(applied > CLIENTS * COMMANDS / 4);
    check_sum(ledger);
    florin_close(ledger);
    for (unsigned workers = 1; workers <= 4; workers += 3) {
        fixture->options.workers = workers;
        assert_int_equal(florin_open(&fixture->options, &ledger), 0);
        check_sum(ledger);
        florin_close(ledger);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(money__is_neither_made_nor_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
