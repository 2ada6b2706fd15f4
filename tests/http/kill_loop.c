/* kill_loop.c - kill -9 of a real server under load, again and again, with checked answers.
 *
 *     kill_loop [--rounds N] [--seed N] [--io auto|uring|posix]
 *
 * A round: clients deposit, withdraw and read, each change with a key of its own; after a random
 * number of answers the server is killed; it starts again; every change whose answer did not come
 * is sent again with its key, and so are changes that were answered, in this round and in any
 * before. Then must hold:
 *
 *   - what was answered is there exactly once, with the same bytes, marked as a replay
 *   - what was not answered is there whole or not at all, and its retry says which
 *   - the versions of an account are dense, none was given twice, also across lives
 *   - each balance follows from the one before and the amount; the server's balance is the last
 *   - what a reader saw is not taken back
 *
 * Segments, checkpoints and the room for keys are so small that a round crosses several of each,
 * and in every other round old log is removed; a whole run that has not met one of them fails.
 *
 * Prints its seed; N clean rounds bound the failure rate at 3/N with 95 % (rule of three).
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kill_crossings.h"
#include "support/http_client.h"
#include "support/server_process.h"
#include "support/temporary_directory.h"

enum {
    ACCOUNTS = 6,
    CLIENTS = 8,
    ROUNDS = 25,        /* two runs, one for each way of writing, make the 50 of a test */
    ANSWERS_MAX = 3600, /* of one life, before the kill */
    ANSWERS_MORE = 64,  /* at most so many more after the figures were read */
    SAMPLE = 64,        /* answered changes that are sent again after each restart */
    /* Changes of all rounds before, each with the same chance to be among them, and how many of
     * them are sent again after each restart. */
    OLD_MAX = 4096,
    OLD_SAMPLE = 32,
    OPENING_MINOR = 10000,
    BODY_BYTES = 256,
};

struct change {
    unsigned account;
    int64_t delta_minor;
    char key[48];
    int status; /* 0: no answer came */
    char answer[BODY_BYTES];
};

/* One version of an account, as answers have told it. */
struct version {
    bool known;
    int64_t delta_minor;
    int64_t balance_minor;
};

struct account {
    pthread_mutex_t mutex;
    struct version *versions; /* by number */
    uint64_t capacity;
    uint64_t seen; /* the highest that anybody was shown */
};

struct client;

struct loop {
    struct server_process server;
    char directory[TEMPORARY_DIRECTORY_MAX];
    const char *io;
    uint64_t seed;
    unsigned round;
    struct account accounts[ACCOUNTS];
    struct client *clients;
    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    unsigned answers;
    uint64_t total_answers;
    uint64_t total_unresolved;

    struct crossings crossings;
    struct http_response page; /* of /metrics */
    struct change *old;
    uint64_t old_count; /* that were offered; the first OLD_MAX places are taken */
    uint64_t total_old;
};

struct client {
    struct loop *loop;
    unsigned number;
    uint64_t seed;
    pthread_t thread;
    struct http_client connection;
    struct http_response response;
    struct change changes[ANSWERS_MAX * 2];
    unsigned count; /* the last one may be unresolved */
};

__attribute__((noreturn, format(printf, 2, 3))) static void fault(const struct loop *loop,
                                                                  const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "kill_loop: round %u, seed %" PRIu64 ": ", loop->round, loop->seed);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nkept: %s\n%s", loop->directory, loop->server.log);
    va_end(arguments);
    exit(1);
}

static uint64_t next_random(uint64_t *seed)
{
    /* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014) */
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* --- what answers say ----------------------------------------------------------------------- */

static int64_t read_minor(const struct loop *loop, const char *body, const char *name)
{
    char *end;
    const char *value = strstr(body, name);
    if (value == NULL)
        fault(loop, "no %s in %s", name, body);
    /* No balance here is negative. */
    int64_t whole = strtoll(value + strlen(name), &end, 10);
    if (*end != '.')
        fault(loop, "no cents in %s", body);
    return whole * 100 + strtoll(end + 1, NULL, 10);
}

static uint64_t read_number(const struct loop *loop, const char *body, const char *name)
{
    const char *value = strstr(body, name);
    if (value == NULL)
        fault(loop, "no %s in %s", name, body);
    return strtoull(value + strlen(name), NULL, 10);
}

static struct version *version_at(const struct loop *loop, struct account *account, uint64_t number)
{
    if (number > UINT32_MAX)
        fault(loop, "version %" PRIu64, number);
    if (number >= account->capacity) {
        uint64_t capacity = number * 2 + 64;
        struct version *grown = realloc(account->versions, capacity * sizeof(*grown));
        if (grown == NULL)
            fault(loop, "no memory");
        memset(grown + account->capacity, 0, (capacity - account->capacity) * sizeof(*grown));
        account->versions = grown;
        account->capacity = capacity;
    }
    return &account->versions[number];
}

static void note_applied(struct loop *loop, const struct change *change)
{
    struct account *account = &loop->accounts[change->account];
    uint64_t number = read_number(loop, change->answer, "\"newVersion\":");
    int64_t balance = read_minor(loop, change->answer, "\"newBalance\":");
    pthread_mutex_lock(&account->mutex);
    struct version *version = version_at(loop, account, number);
    if (version->known && version->delta_minor != 0)
        fault(loop, "account %u: version %" PRIu64 " was given twice", change->account, number);
    if (version->known && version->balance_minor != balance)
        fault(loop, "account %u: version %" PRIu64 " was read with another balance",
              change->account, number);
    *version = (struct version){true, change->delta_minor, balance};
    if (number > account->seen)
        account->seen = number;
    pthread_mutex_unlock(&account->mutex);
}

/* A read shows a version that stays. */
static void note_read(struct loop *loop, unsigned number_of_account, const char *body)
{
    struct account *account = &loop->accounts[number_of_account];
    uint64_t number = read_number(loop, body, "\"version\":");
    int64_t balance = read_minor(loop, body, "\"balance\":");
    pthread_mutex_lock(&account->mutex);
    struct version *version = version_at(loop, account, number);
    if (version->known && version->balance_minor != balance)
        fault(loop, "account %u: version %" PRIu64 " has two balances", number_of_account, number);
    version->known = true;
    version->balance_minor = balance;
    if (number > account->seen)
        account->seen = number;
    pthread_mutex_unlock(&account->mutex);
}

/* --- clients -------------------------------------------------------------------------------- */

static bool send_change(struct client *client, const struct change *change)
{
    char path[64];
    char headers[128];
    char body[128];
    int64_t amount = change->delta_minor < 0 ? -change->delta_minor : change->delta_minor;
    snprintf(path, sizeof(path), "/accounts/kill%u/transactions", change->account);
    snprintf(headers, sizeof(headers), "Content-Type: application/json\r\nIdempotency-Key: %s\r\n",
             change->key);
    snprintf(body, sizeof(body), "{\"type\":\"%s\",\"amount\":\"%" PRId64 ".%02" PRId64 "\"}",
             change->delta_minor < 0 ? "Withdraw" : "Deposit", amount / 100, amount % 100);
    return http_client_request(&client->connection, "POST", path, headers, body) &&
           http_client_receive(&client->connection, &client->response, false);
}

/* Where memory is so small, keys come faster than they move to files. */
static bool is_without_room(const struct http_response *response)
{
    return response->status == 507 && strstr(response->body, "\"keys_full\"") != NULL;
}

/* A disk may take longer than a commit is waited for: such an answer ends the connection, and the
 * same key sent again finds the truth. true: it was one, and there is a new connection. */
static bool is_unknown(struct client *client)
{
    const struct http_response *response = &client->response;
    if (response->status != 408 || strstr(response->body, "\"commit_unknown\"") == NULL)
        return false;
    http_client_close(&client->connection);
    http_client_open(&client->connection, client->loop->server.port);
    return true;
}

static bool send_until_decided(struct client *client, const struct change *change)
{
    do {
        if (!send_change(client, change))
            return false;
    } while (is_without_room(&client->response) || is_unknown(client));
    return true;
}

static void keep_answer(struct loop *loop, struct change *change,
                        const struct http_response *response)
{
    if (response->status != 201 && response->status != 422)
        fault(loop, "%s: %d %s", change->key, response->status, response->body);
    if (response->body_length >= sizeof(change->answer))
        fault(loop, "%s: a long answer", change->key);
    change->status = response->status;
    memcpy(change->answer, response->body, response->body_length + 1);
    if (change->status == 201)
        note_applied(loop, change);
}

static void count_answer(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->answers++;
    pthread_cond_signal(&loop->answered);
    pthread_mutex_unlock(&loop->mutex);
}

static bool do_change(struct client *client)
{
    struct change *change = &client->changes[client->count];
    int64_t amount = (int64_t)(next_random(&client->seed) % 5000) + 1;
    memset(change, 0, sizeof(*change));
    change->account = (unsigned)(next_random(&client->seed) % ACCOUNTS);
    change->delta_minor = next_random(&client->seed) % 2 == 0 ? amount : -amount;
    snprintf(change->key, sizeof(change->key), "r%u-c%u-n%u", client->loop->round, client->number,
             client->count);
    client->count++;
    if (!send_until_decided(client, change))
        return false;
    keep_answer(client->loop, change, &client->response);
    return true;
}

static bool do_read(struct client *client)
{
    char path[64];
    unsigned account = (unsigned)(next_random(&client->seed) % ACCOUNTS);
    snprintf(path, sizeof(path), "/accounts/kill%u/balance", account);
    if (!http_client_request(&client->connection, "GET", path, "", NULL) ||
        !http_client_receive(&client->connection, &client->response, false))
        return false;
    if (is_unknown(client))
        return true;
    if (client->response.status != 200)
        fault(client->loop, "read: %d %s", client->response.status, client->response.body);
    note_read(client->loop, account, client->response.body);
    return true;
}

static void *run_client(void *argument)
{
    struct client *client = argument;
    while (client->count < ANSWERS_MAX * 2) {
        bool answered = next_random(&client->seed) % 4 == 0 ? do_read(client) : do_change(client);
        if (!answered)
            break;
        count_answer(client->loop);
    }
    return NULL;
}

/* --- rounds --------------------------------------------------------------------------------- */

static void data_path(const struct loop *loop, char path[TEMPORARY_DIRECTORY_MAX + 8])
{
    snprintf(path, TEMPORARY_DIRECTORY_MAX + 8, "%s/data", loop->directory);
}

static void start_server(struct loop *loop)
{
    const char *const arguments[] = {"--workers",
                                     "2",
                                     "--io",
                                     loop->io,
                                     "--segment-mib",
                                     "4",
                                     "--accounts-max",
                                     "1000",
                                     "--keys-memory",
                                     "256",
                                     "--checkpoint-mib",
                                     "0.0625",
                                     "--background-mib",
                                     "0",
                                     "--retain",
                                     loop->round % 2 == 0 ? "8MiB" : "forever",
                                     NULL};
    char data[TEMPORARY_DIRECTORY_MAX + 8];
    data_path(loop, data);
    server_process_start(&loop->server, FLORIND_PATH, data, arguments);
}

static void wait_for_answers(struct loop *loop, unsigned until)
{
    pthread_mutex_lock(&loop->mutex);
    while (loop->answers < until)
        pthread_cond_wait(&loop->answered, &loop->mutex);
    pthread_mutex_unlock(&loop->mutex);
}

/* What this life has crossed; some more answers later it is killed. */
static void read_figures(struct loop *loop, struct http_response *response)
{
    if (http_call(loop->server.port, "GET", "/metrics", "", NULL, response) != 200)
        fault(loop, "metrics: %d", response->status);
    crossings_read_figures(&loop->crossings, response->body);
}

static void load_and_kill(struct loop *loop)
{
    unsigned until = (unsigned)(next_random(&loop->seed) % ANSWERS_MAX) + 1;
    loop->answers = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &loop->clients[i];
        client->loop = loop;
        client->number = i;
        client->count = 0;
        client->seed = next_random(&loop->seed);
        http_client_open(&client->connection, loop->server.port);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (pthread_create(&loop->clients[i].thread, NULL, run_client, &loop->clients[i]) != 0)
            fault(loop, "no thread");
    }
    wait_for_answers(loop, until);
    read_figures(loop, &loop->page);
    wait_for_answers(loop, until + (unsigned)(next_random(&loop->seed) % ANSWERS_MORE));
    server_process_signal(&loop->server, SIGKILL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(loop->clients[i].thread, NULL);
        http_client_close(&loop->clients[i].connection);
    }
    if (server_process_wait(&loop->server) != 128 + SIGKILL)
        fault(loop, "the server ended by itself");
    loop->total_answers += loop->answers;
    char data[TEMPORARY_DIRECTORY_MAX + 8];
    data_path(loop, data);
    crossings_read_directory(&loop->crossings, data);
    crossings_end_round(&loop->crossings);
}

/* Sends every change without an answer again: now there is one. */
static void resolve(struct loop *loop, struct client *client)
{
    for (unsigned i = 0; i < client->count; i++) {
        struct change *change = &client->changes[i];
        if (change->status != 0)
            continue;
        if (!send_until_decided(client, change))
            fault(loop, "%s: no answer to the retry", change->key);
        keep_answer(loop, change, &client->response);
        loop->total_unresolved++;
    }
}

/* Sends an answered change again: the same bytes, and nothing happens. */
static void replay(struct loop *loop, struct client *client, const struct change *change)
{
    char value[16];
    if (!send_change(client, change))
        fault(loop, "%s: no answer to the replay", change->key);
    if (client->response.status != change->status ||
        strcmp(client->response.body, change->answer) != 0)
        fault(loop, "%s: was %d %s, is %d %s", change->key, change->status, change->answer,
              client->response.status, client->response.body);
    if (http_response_header(&client->response, "Idempotency-Replayed", value, sizeof(value)) ==
        NULL)
        fault(loop, "%s: happened again", change->key);
}

static void replay_some(struct loop *loop, struct client *client)
{
    for (unsigned i = 0; i < SAMPLE / CLIENTS && client->count > 0; i++)
        replay(loop, client, &client->changes[next_random(&loop->seed) % client->count]);
}

/* Of rounds long ago: their keys are in files, and their log may be gone. */
static void replay_old(struct loop *loop, struct client *client)
{
    uint64_t kept = loop->old_count < OLD_MAX ? loop->old_count : OLD_MAX;
    for (unsigned i = 0; i < OLD_SAMPLE / CLIENTS && kept > 0; i++) {
        replay(loop, client, &loop->old[next_random(&loop->seed) % kept]);
        loop->total_old++;
    }
}

/* A sample of everything that there was (algorithm R; Vitter: "Random sampling with a reservoir",
 * 1985). */
static void keep_some(struct loop *loop, const struct client *client)
{
    for (unsigned i = 0; i < client->count; i++) {
        uint64_t place = loop->old_count++;
        if (place >= OLD_MAX)
            place = next_random(&loop->seed) % loop->old_count;
        if (place < OLD_MAX)
            loop->old[place] = client->changes[i];
    }
}

/* Every version from the first on is known by its change, and the balances follow. */
static void check_account(struct loop *loop, unsigned number)
{
    struct account *account = &loop->accounts[number];
    struct http_response *response = &loop->clients[0].response;
    char path[64];
    snprintf(path, sizeof(path), "/accounts/kill%u/balance", number);
    if (http_call(loop->server.port, "GET", path, "", NULL, response) != 200)
        fault(loop, "read: %d %s", response->status, response->body);
    uint64_t last = read_number(loop, response->body, "\"version\":");
    int64_t balance = OPENING_MINOR;
    if (last < account->seen)
        fault(loop, "account %u: version %" PRIu64 " was shown, now it is %" PRIu64, number,
              account->seen, last);
    for (uint64_t i = 2; i <= last; i++) {
        const struct version *version = version_at(loop, account, i);
        if (!version->known || version->delta_minor == 0)
            fault(loop, "account %u: nobody made version %" PRIu64, number, i);
        balance += version->delta_minor;
        if (version->balance_minor != balance || balance < 0)
            fault(loop, "account %u: version %" PRIu64 " does not add up", number, i);
    }
    if (read_minor(loop, response->body, "\"balance\":") != balance)
        fault(loop, "account %u: %s, should be %" PRId64, number, response->body, balance);
    account->seen = last;
}

static void check(struct loop *loop)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        http_client_open(&loop->clients[i].connection, loop->server.port);
        resolve(loop, &loop->clients[i]);
        replay_some(loop, &loop->clients[i]);
        replay_old(loop, &loop->clients[i]);
        http_client_close(&loop->clients[i].connection);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        keep_some(loop, &loop->clients[i]);
    for (unsigned i = 0; i < ACCOUNTS; i++)
        check_account(loop, i);
}

static void open_accounts(struct loop *loop)
{
    struct http_response *response = &loop->clients[0].response;
    char body[64];
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        pthread_mutex_init(&loop->accounts[i].mutex, NULL);
        snprintf(body, sizeof(body), "{\"id\":\"kill%u\",\"balance\":\"%d.00\"}", i,
                 OPENING_MINOR / 100);
        if (http_call(loop->server.port, "POST", "/accounts", "", body, response) != 201)
            fault(loop, "opening: %d %s", response->status, response->body);
    }
}

static void run(struct loop *loop, unsigned rounds)
{
    temporary_directory_make(loop->directory);
    start_server(loop);
    open_accounts(loop);
    for (loop->round = 1; loop->round <= rounds; loop->round++) {
        load_and_kill(loop);
        start_server(loop);
        check(loop);
    }
    server_process_stop(&loop->server);
    temporary_directory_remove(loop->directory);
    printf("kill_loop: %u rounds clean (failure rate below %.2g with 95 %%), io %s, %" PRIu64
           " answers, %" PRIu64 " resolved by retry, %" PRIu64 " old keys sent again\n",
           rounds, 3.0 / rounds, loop->io, loop->total_answers, loop->total_unresolved,
           loop->total_old);
    if (!crossings_report(&loop->crossings) && rounds >= ROUNDS)
        fault(loop, "one of these never happened");
    for (unsigned i = 0; i < ACCOUNTS; i++)
        free(loop->accounts[i].versions);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"io", required_argument, NULL, 'i'},
                                            {0}};
    struct loop *loop = calloc(1, sizeof(*loop));
    unsigned rounds = ROUNDS;
    int option;
    if (loop == NULL)
        return 1;
    loop->clients = calloc(CLIENTS, sizeof(*loop->clients));
    loop->old = calloc(OLD_MAX, sizeof(*loop->old));
    if (loop->clients == NULL || loop->old == NULL)
        fault(loop, "no memory");
    loop->io = "auto";
    loop->seed = (uint64_t)time(NULL);
    pthread_mutex_init(&loop->mutex, NULL);
    pthread_cond_init(&loop->answered, NULL);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r')
            rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            loop->seed = strtoull(optarg, NULL, 10);
        else if (option == 'i')
            loop->io = optarg;
        else
            fault(loop, "usage: kill_loop [--rounds N] [--seed N] [--io auto|uring|posix]");
    }
    printf("kill_loop: seed %" PRIu64 "\n", loop->seed);
    fflush(stdout);
    if (rounds > 0)
        run(loop, rounds);
    free(loop->clients);
    free(loop->old);
    free(loop);
    return 0;
}
