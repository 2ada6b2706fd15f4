/* load.c - depositing clients, and what must be true of their answers.
 *
 * Guarantees: what was answered 201 is kept, and only that. It must not know what is done to the
 * server meanwhile.
 */
#include "load.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RETRY_MS = 5, WAIT_MS = 20000 };

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

__attribute__((noreturn)) static void fault(const struct load_client *client, const char *what)
{
    fprintf(stderr, "load: client %u, change %u: %s: %d %s\n", client->number, client->count, what,
            client->response.status, client->response.body);
    abort();
}

void load_open_accounts(struct load *load, unsigned port)
{
    struct http_response *response = &load->clients[0].response;
    char body[64];
    for (unsigned i = 0; i < LOAD_CLIENTS; i++) {
        load->clients[i].load = load;
        load->clients[i].number = i;
        snprintf(body, sizeof(body), "{\"id\":\"load%u\"}", i);
        if (http_call(port, "POST", "/accounts", "", body, response) != 201)
            fault(&load->clients[i], "opening");
    }
}

static bool send_change(struct load_client *client, unsigned number)
{
    char path[64];
    char headers[96];
    snprintf(path, sizeof(path), "/accounts/load%u/transactions", client->number);
    snprintf(headers, sizeof(headers),
             "Content-Type: application/json\r\nIdempotency-Key: c%u-n%u\r\n", client->number,
             number);
    return http_client_request(&client->connection, "POST", path, headers,
                               "{\"type\":\"Deposit\",\"amount\":1}") &&
           http_client_receive(&client->connection, &client->response, false);
}

static void keep_answer(struct load_client *client, struct load_change *change)
{
    if (client->response.body_length >= sizeof(change->answer))
        fault(client, "a long answer");
    memcpy(change->answer, client->response.body, client->response.body_length + 1);
    change->is_answered = true;
}

static struct load_change *next_change(struct load_client *client)
{
    if (client->count == client->capacity) {
        client->capacity = client->capacity * 2 + 1024;
        client->changes = realloc(client->changes, client->capacity * sizeof(*client->changes));
        if (client->changes == NULL)
            fault(client, "no memory");
    }
    struct load_change *change = &client->changes[client->count];
    memset(change, 0, sizeof(*change));
    return change;
}

static bool has_code(const struct load_client *client, const char *code)
{
    return strstr(client->response.body, code) != NULL;
}

static bool was_replayed(const struct load_client *client)
{
    char value[16];
    return http_response_header(&client->response, "Idempotency-Replayed", value, sizeof(value)) !=
           NULL;
}

/* The client's last answer, or none, of a server that can commit no more. */
static void end_client(struct load_client *client, struct load_change *change, bool answered)
{
    struct load *load = client->load;
    uint64_t none = 0;
    client->has_ended = true;
    atomic_compare_exchange_strong(&load->failed_ms, &none, now_ms());
    if (!answered)
        atomic_fetch_add(&load->unanswered, 1);
    else if (client->response.status == 408 && has_code(client, "\"outcome\":\"unknown\""))
        atomic_fetch_add(&load->unknown, 1);
    else if (client->response.status == 408 && has_code(client, "\"outcome\":\"not_applied\"")) {
        atomic_fetch_add(&load->not_committed, 1);
        change->is_refused = true;
    } else {
        fault(client, "an answer that must not be");
    }
}

static void *run_client(void *argument)
{
    struct load_client *client = argument;
    struct load *load = client->load;
    while (!atomic_load(&load->stop) && !client->has_ended) {
        struct load_change *change = next_change(client);
        bool answered = send_change(client, client->count);
        if (answered && client->response.status == 201) {
            keep_answer(client, change);
            client->count++;
            atomic_fetch_add(&load->applied, 1);
        } else if (answered && client->response.status == 503 &&
                   has_code(client, "\"code\":\"storage_full\",\"outcome\":\"not_applied\"")) {
            atomic_fetch_add(&load->refused_full, 1);
            (void)poll(NULL, 0, RETRY_MS); /* what Retry-After asks for, only sooner */
        } else {
            client->count++;
            end_client(client, change, answered);
        }
    }
    return NULL;
}

void load_start(struct load *load, unsigned port)
{
    load->port = port;
    atomic_store(&load->stop, false);
    for (unsigned i = 0; i < LOAD_CLIENTS; i++) {
        struct load_client *client = &load->clients[i];
        http_client_open(&client->connection, port);
        if (pthread_create(&client->thread, NULL, run_client, client) != 0)
            fault(client, "no thread");
    }
}

void load_wait(const _Atomic unsigned *counter, unsigned more)
{
    uint64_t limit = now_ms() + WAIT_MS;
    unsigned until = atomic_load(counter) + more;
    while (atomic_load(counter) < until) {
        if (now_ms() > limit) {
            fprintf(stderr, "load: what should happen does not\n");
            abort();
        }
        (void)poll(NULL, 0, 1);
    }
}

void load_wait_end(struct load *load)
{
    for (unsigned i = 0; i < LOAD_CLIENTS; i++) {
        pthread_join(load->clients[i].thread, NULL);
        http_client_close(&load->clients[i].connection);
    }
}

void load_stop(struct load *load)
{
    atomic_store(&load->stop, true);
    load_wait_end(load);
}

void load_resolve(struct load *load, unsigned port)
{
    for (unsigned i = 0; i < LOAD_CLIENTS; i++) {
        struct load_client *client = &load->clients[i];
        http_client_open(&client->connection, port);
        for (unsigned number = 0; number < client->count; number++) {
            struct load_change *change = &client->changes[number];
            if (change->is_answered)
                continue;
            if (!send_change(client, number) || client->response.status != 201)
                fault(client, "a retry");
            if (change->is_refused && was_replayed(client))
                fault(client, "it was not applied, they said");
            keep_answer(client, change);
        }
        client->has_ended = false;
        http_client_close(&client->connection);
    }
}

/* The answer to change n shows version n + 2 and n + 1 whole units: the account is its client's. */
static void check_change(struct load_client *client, unsigned number)
{
    const struct load_change *change = &client->changes[number];
    char expected[96];
    snprintf(expected, sizeof(expected), "\"newBalance\":%u.00,\"newVersion\":%u,", number + 1,
             number + 2);
    if (strstr(change->answer, expected) == NULL)
        fault(client, change->answer);
    if (!send_change(client, number) || client->response.status != 201 ||
        strcmp(client->response.body, change->answer) != 0)
        fault(client, change->answer);
    if (!was_replayed(client))
        fault(client, "it happened again");
}

static void check_balances(struct load *load, unsigned port)
{
    char path[64];
    char expected[64];
    for (unsigned i = 0; i < LOAD_CLIENTS; i++) {
        struct load_client *client = &load->clients[i];
        snprintf(path, sizeof(path), "/accounts/load%u/balance", i);
        snprintf(expected, sizeof(expected), "{\"balance\":%u.00,\"version\":%u}", client->count,
                 client->count + 1);
        if (http_call(port, "GET", path, "", NULL, &client->response) != 200 ||
            strcmp(client->response.body, expected) != 0)
            fault(client, expected);
    }
}

void load_verify(struct load *load, unsigned port)
{
    for (unsigned i = 0; i < LOAD_CLIENTS; i++) {
        struct load_client *client = &load->clients[i];
        http_client_open(&client->connection, port);
        for (unsigned number = 0; number < client->count; number++)
            check_change(client, number);
        http_client_close(&client->connection);
    }
    check_balances(load, port);
}

void load_free(struct load *load)
{
    for (unsigned i = 0; i < LOAD_CLIENTS; i++)
        free(load->clients[i].changes);
    free(load);
}
