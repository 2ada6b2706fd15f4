/* load.c - what clients do, and how they come through the death of a server.
 *
 * Times: an invocation is stamped when its connection is open and before its first byte is sent, a
 * return behind its last byte (tests/histories/history.h). It must not know what is right.
 */
#include "load.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recorder/reply.h"
#include "simulation/random.h"
#include "support/http_client.h"

enum {
    LINKS = 2,
    PAST_REQUESTS = 32,
    PAST_VERSIONS = 100,
    TRIES_MAX = 100000,
    AMOUNT_MAX = 4000,
    COMPLAINTS_PRINTED = 5,
};

struct link {
    struct http_client http;
    bool is_open;
};

struct load_client {
    struct load *load;
    pthread_t thread;
    struct random random;
    struct history_buffer buffer;
    struct link links[LINKS];
    struct http_response response;
    struct request request;             /* the one it is at */
    struct request past[PAST_REQUESTS]; /* some of those it has an answer to */
    unsigned past_count;
    uint64_t known[LOAD_ACCOUNTS_MAX + 1]; /* the version that it saw last */
};

static const char headers[] = "Content-Type: application/json\r\nPrefer: money=string\r\n";

uint64_t load_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

_Noreturn static void give_up(const struct load_client *client, const char *what)
{
    (void)fprintf(stderr, "record_server: client %" PRIu32 ": %s: %d %s\n", client->buffer.client,
                  what, client->response.status, client->response.body);
    exit(1);
}

/* An answer that no such request may get: it counts, and is judged as a refusal. */
static void complain(struct load_client *client, const char *what, struct reply *reply)
{
    if (atomic_fetch_add(&client->load->complaints, 1) < COMPLAINTS_PRINTED)
        (void)fprintf(stderr, "record_server: %s: %d %s\n", what, client->response.status,
                      client->response.body);
    *reply = (struct reply){.outcome = HISTORY_REFUSED};
}

/* --- connections ----------------------------------------------------------------------------- */

static void close_link(struct link *link)
{
    if (link->is_open)
        http_client_close(&link->http);
    link->is_open = false;
}

/* Waits for a server where there is none. */
static void open_link(struct load_client *client, struct link *link)
{
    struct load *load = client->load;
    for (unsigned tries = 0; !link->is_open; tries++) {
        if (tries == TRIES_MAX)
            give_up(client, "no connection");
        (void)pthread_mutex_lock(&load->mutex);
        while (!load->is_up)
            (void)pthread_cond_wait(&load->changed, &load->mutex);
        unsigned port = load->port;
        (void)pthread_mutex_unlock(&load->mutex);
        link->is_open = http_client_try_open(&link->http, port);
    }
}

/* --- attempts -------------------------------------------------------------------------------- */

static void count_attempt(struct load *load)
{
    uint64_t count = atomic_fetch_add(&load->attempts, 1) + 1;
    if (count >= load->operations_max)
        atomic_store(&load->is_over, true);
    (void)pthread_mutex_lock(&load->mutex);
    if (count == load->wake_at)
        (void)pthread_cond_broadcast(&load->changed);
    (void)pthread_mutex_unlock(&load->mutex);
}

/* What one answer told, in its operation. */
static void record(struct load_client *client, size_t operation, const struct reply *reply)
{
    struct history_buffer *buffer = &client->buffer;
    struct history_leg *leg = &history_legs(buffer, operation)[reply->leg];
    history_return(buffer, operation, reply->outcome, load_now_ns());
    client->known[leg->account] =
        reply->version != 0 ? reply->version : client->known[leg->account];
    if (reply->outcome == HISTORY_UNANSWERED || reply->outcome == HISTORY_REFUSED)
        return;
    history_operation(buffer, operation)->lsn = reply->lsn;
    leg->version = reply->version;
    leg->balance = reply->balance;
    leg->held = reply->held;
}

/* A version that a 408 has shown was seen, as by a read. */
static void record_sight(struct load_client *client, size_t operation, const struct reply *reply)
{
    struct history_buffer *buffer = &client->buffer;
    if (reply->version == 0 ||
        (reply->outcome != HISTORY_UNANSWERED && reply->outcome != HISTORY_REFUSED))
        return;
    const struct history_operation *seen = history_operation(buffer, operation);
    uint64_t return_ns = seen->return_ns;
    struct history_leg leg = history_leg_of(buffer->legs[seen->first_leg].account, 0, 0);
    leg.version = reply->version;
    size_t read = history_invoke(buffer, HISTORY_READ, 0, &leg, 1, seen->invoke_ns);
    history_return(buffer, read, HISTORY_APPLIED, return_ns);
}

/* Sends the client's request on a link that is open. */
static bool send_attempt(struct load_client *client, struct link *link, size_t *operation)
{
    const struct request *request = &client->request;
    char lines[sizeof(headers) + 64];
    snprintf(lines, sizeof(lines), "%sIdempotency-Key: k%" PRIu64 "\r\n", headers, request->key);
    *operation = history_invoke(&client->buffer, request->kind, request->key, request->legs,
                                request->legs_count, load_now_ns());
    history_operation(&client->buffer, *operation)->refers_to = request->refers_to;
    count_attempt(client->load);
    return http_client_request(&link->http, "POST", request->path, lines, request->body);
}

/* false: without an answer, or with one that decides nothing. */
static bool receive_attempt(struct load_client *client, struct link *link, size_t operation,
                            struct reply *reply)
{
    *reply = (struct reply){.outcome = HISTORY_UNANSWERED};
    if (!http_client_receive(&link->http, &client->response, false)) {
        close_link(link);
        return false;
    }
    if (!reply_read(&client->request, &client->response, reply))
        complain(client, client->request.path, reply);
    record(client, operation, reply);
    record_sight(client, operation, reply);
    if (reply->closes)
        close_link(link);
    return !reply->again;
}

/* Once, or on both connections at once. */
static bool attempt(struct load_client *client, unsigned links, struct reply *reply)
{
    size_t operations[LINKS];
    bool is_sent[LINKS];
    bool is_decided = false;
    for (unsigned i = 0; i < links; i++)
        open_link(client, &client->links[i]);
    for (unsigned i = 0; i < links; i++)
        is_sent[i] = send_attempt(client, &client->links[i], &operations[i]);
    for (unsigned i = 0; i < links; i++) {
        struct reply answered;
        if (!is_sent[i]) {
            close_link(&client->links[i]);
        } else if (receive_attempt(client, &client->links[i], operations[i], &answered)) {
            *reply = answered;
            is_decided = true;
        }
    }
    return is_decided;
}

/* --- reads ----------------------------------------------------------------------------------- */

/* One read; `version` 0: of now. Without an answer it is not repeated. */
static void read_account(struct load_client *client, uint64_t account, bool with_held,
                         uint64_t version)
{
    struct link *link = &client->links[0];
    struct history_leg leg = history_leg_of(account, 0, 0);
    struct reply reply;
    char path[REQUEST_PATH_BYTES];
    int length = snprintf(path, sizeof(path), "/accounts/a%" PRIu64 "%s", account,
                          with_held ? "" : "/balance");
    if (version != 0)
        snprintf(path + length, sizeof(path) - (size_t)length, "?version=%" PRIu64, version);
    open_link(client, link);
    size_t operation = history_invoke(&client->buffer, version == 0 ? HISTORY_READ : HISTORY_PAST,
                                      0, &leg, 1, load_now_ns());
    count_attempt(client->load);
    if (!http_client_request(&link->http, "GET", path, headers, NULL) ||
        !http_client_receive(&link->http, &client->response, false)) {
        close_link(link);
        return;
    }
    if (!reply_read_account(&client->response, &reply))
        complain(client, path, &reply);
    record(client, operation, &reply);
    record_sight(client, operation, &reply);
    if (reply.closes)
        close_link(link);
}

/* --- choices --------------------------------------------------------------------------------- */

static uint64_t choose_account(struct load_client *client)
{
    const struct load *load = client->load;
    double drawn = (double)(random_next(&client->random) >> 11) / (double)(UINT64_C(1) << 53);
    unsigned low = 0;
    unsigned high = load->accounts_count - 1;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (load->shares[middle] <= drawn)
            low = middle + 1;
        else
            high = middle;
    }
    return low + 1;
}

static uint64_t choose_other(struct load_client *client, uint64_t account)
{
    uint64_t other = choose_account(client);
    return other != account ? other : account % client->load->accounts_count + 1;
}

static int64_t choose_amount(struct load_client *client)
{
    return (int64_t)random_between(&client->random, 1, AMOUNT_MAX);
}

static uint64_t next_key(struct load_client *client)
{
    return atomic_fetch_add(&client->load->keys, 1) + 1;
}

/* A leg; sometimes it demands the version that the client saw last, or sees just now. */
static struct history_leg choose_leg(struct load_client *client, uint64_t account, int64_t delta,
                                     int64_t held)
{
    struct history_leg leg = history_leg_of(account, delta, held);
    if (!random_percent(&client->random, 15))
        return leg;
    if (random_percent(&client->random, 50))
        read_account(client, account, false, 0);
    leg.expected_version = client->known[account];
    return leg;
}

/* --- holds that clients know of -------------------------------------------------------------- */

static void remember_hold(struct load_client *client, const struct request_hold *hold)
{
    struct load *load = client->load;
    (void)pthread_mutex_lock(&load->mutex);
    unsigned place = load->holds_count < LOAD_HOLDS
                         ? load->holds_count++
                         : (unsigned)random_below(&client->random, LOAD_HOLDS);
    load->holds[place] = *hold;
    (void)pthread_mutex_unlock(&load->mutex);
}

/* One of them; three in ten are left there, for another client to try at the same time. */
static bool choose_hold(struct load_client *client, struct request_hold *hold)
{
    struct load *load = client->load;
    (void)pthread_mutex_lock(&load->mutex);
    bool found = load->holds_count > 0;
    if (found) {
        unsigned place = (unsigned)random_below(&client->random, load->holds_count);
        *hold = load->holds[place];
        if (random_percent(&client->random, 70))
            load->holds[place] = load->holds[--load->holds_count];
    }
    (void)pthread_mutex_unlock(&load->mutex);
    return found;
}

/* --- changes --------------------------------------------------------------------------------- */

static void do_request(struct load_client *client)
{
    struct request *request = &client->request;
    struct reply reply;
    unsigned links = random_percent(&client->random, 4) ? LINKS : 1;
    for (unsigned tries = 0; !attempt(client, links, &reply); tries++) {
        if (random_percent(&client->random, 10))
            return;
        if (tries == TRIES_MAX)
            give_up(client, "no decision");
        /* Where there is no room, others need a moment to make some. */
        read_account(client, choose_account(client), false, 0);
        links = 1;
    }
    if (request->kind == HISTORY_HOLD && reply.outcome == HISTORY_APPLIED) {
        const struct request_hold hold = {reply.lsn, request->legs[0].account,
                                          request->legs[0].held_delta};
        remember_hold(client, &hold);
    }
    unsigned place = client->past_count < PAST_REQUESTS
                         ? client->past_count++
                         : (unsigned)random_below(&client->random, PAST_REQUESTS);
    client->past[place] = *request;
}

static void do_single(struct load_client *client, enum history_kind kind)
{
    int64_t amount = choose_amount(client);
    struct history_leg leg =
        choose_leg(client, choose_account(client), kind == HISTORY_DEPOSIT ? amount : -amount, 0);
    request_make_single(&client->request, kind, next_key(client), leg);
    do_request(client);
}

static void do_transfer(struct load_client *client)
{
    int64_t amount = choose_amount(client);
    uint64_t from = choose_account(client);
    struct history_leg legs[2];
    legs[0] = choose_leg(client, from, -amount, 0);
    legs[1] = choose_leg(client, choose_other(client, from), amount, 0);
    request_make_transfer(&client->request, next_key(client), legs);
    do_request(client);
}

/* The first leg is against all others; one in five of these is of an account that has one already.
 */
static void do_posting(struct load_client *client)
{
    struct history_leg legs[REQUEST_LEGS_MAX];
    size_t count = random_between(&client->random, 2, REQUEST_LEGS_MAX);
    int64_t sign = random_percent(&client->random, 50) ? 1 : -1;
    int64_t sum = 0;
    uint64_t first = choose_account(client);
    for (size_t i = 1; i < count; i++) {
        int64_t amount = choose_amount(client) / 2 + 1;
        sum += amount;
        if (i > 1 && random_percent(&client->random, 20))
            legs[i] = history_leg_of(i == 2 ? first : legs[i - 1].account, sign * amount, 0);
        else
            legs[i] = choose_leg(client, choose_other(client, first), sign * amount, 0);
    }
    legs[0] = choose_leg(client, first, -sign * sum, 0);
    if (random_percent(&client->random, 50)) {
        struct history_leg last = legs[count - 1];
        legs[count - 1] = legs[0];
        legs[0] = last;
    }
    request_make_posting(&client->request, next_key(client), legs, count);
    do_request(client);
}

static void do_hold(struct load_client *client)
{
    struct history_leg leg =
        choose_leg(client, choose_account(client), 0, choose_amount(client) / 4 + 1);
    unsigned seconds =
        random_percent(&client->random, 80) ? (unsigned)random_between(&client->random, 1, 3) : 0;
    request_make_hold(&client->request, next_key(client), leg, seconds);
    do_request(client);
}

static void do_end_of_hold(struct load_client *client)
{
    struct request_hold hold;
    if (!choose_hold(client, &hold)) {
        do_hold(client);
        return;
    }
    uint64_t to = random_percent(&client->random, 50) ? choose_other(client, hold.account) : 0;
    int64_t part = random_percent(&client->random, 50)
                       ? (int64_t)random_between(&client->random, 1, (uint64_t)hold.amount)
                       : 0;
    if (random_percent(&client->random, 30))
        request_make_void(&client->request, next_key(client), &hold);
    else
        request_make_capture(&client->request, next_key(client), &hold, part, to);
    do_request(client);
}

static void do_past_request(struct load_client *client)
{
    struct reply reply;
    if (client->past_count == 0)
        return;
    client->request = client->past[random_below(&client->random, client->past_count)];
    (void)attempt(client, 1, &reply);
}

static void do_read(struct load_client *client)
{
    uint64_t account = choose_account(client);
    uint64_t known = client->known[account];
    if (known != 0 && random_percent(&client->random, 3)) {
        /* The server walks from the newest version to this one. */
        uint64_t oldest = known > PAST_VERSIONS ? known - PAST_VERSIONS : 1;
        read_account(client, account, false, random_between(&client->random, oldest, known));
        return;
    }
    read_account(client, account, random_percent(&client->random, 50), 0);
    if (random_percent(&client->random, 30))
        read_account(client, choose_other(client, account), random_percent(&client->random, 50), 0);
}

static void do_something(struct load_client *client)
{
    uint64_t drawn = random_below(&client->random, 100);
    if (drawn < 25)
        do_read(client);
    else if (drawn < 47)
        do_transfer(client);
    else if (drawn < 59)
        do_single(client, HISTORY_DEPOSIT);
    else if (drawn < 70)
        do_single(client, HISTORY_WITHDRAW);
    else if (drawn < 81)
        do_posting(client);
    else if (drawn < 89)
        do_hold(client);
    else if (drawn < 97)
        do_end_of_hold(client);
    else
        do_past_request(client);
}

static void *run(void *context)
{
    struct load_client *client = context;
    struct load *load = client->load;
    while (!atomic_load(&load->is_over))
        do_something(client);
    (void)pthread_mutex_lock(&load->mutex);
    load->ended++;
    (void)pthread_cond_broadcast(&load->changed);
    (void)pthread_mutex_unlock(&load->mutex);
    return NULL;
}

/* --- the load -------------------------------------------------------------------------------- */

/* Zipf's law: the n-th account is used as often as 1/n (Gray and others: "Quickly generating
 * billion-record synthetic databases", 1994). */
static void share_accounts(struct load *load)
{
    double sum = 0;
    for (unsigned i = 0; i < load->accounts_count; i++) {
        sum += 1 / pow(i + 1, 0.99);
        load->shares[i] = sum;
    }
    for (unsigned i = 0; i < load->accounts_count; i++)
        load->shares[i] /= sum;
}

void load_init(struct load *load, uint64_t seed, unsigned clients, unsigned accounts,
               uint64_t operations)
{
    *load = (struct load){
        .seed = seed,
        .operations_max = operations,
        .clients_count = clients,
        .accounts_count = accounts,
        .clients = calloc(clients, sizeof(*load->clients)),
    };
    if (load->clients == NULL)
        abort();
    (void)pthread_mutex_init(&load->mutex, NULL);
    (void)pthread_cond_init(&load->changed, NULL);
    share_accounts(load);
    for (unsigned i = 0; i < clients; i++) {
        load->clients[i].load = load;
        load->clients[i].random.state = seed * LOAD_CLIENTS_MAX + i;
        history_buffer_init(&load->clients[i].buffer, i + 1);
    }
}

void load_deinit(struct load *load)
{
    for (unsigned i = 0; i < load->clients_count; i++) {
        history_buffer_deinit(&load->clients[i].buffer);
        for (unsigned link = 0; link < LINKS; link++)
            close_link(&load->clients[i].links[link]);
    }
    free(load->clients);
    (void)pthread_cond_destroy(&load->changed);
    (void)pthread_mutex_destroy(&load->mutex);
}

static void open_account(struct load_client *client, uint64_t account)
{
    struct link *link = &client->links[0];
    struct history_leg leg = history_leg_of(account, LOAD_OPENING_CENTS, 0);
    char body[REQUEST_PATH_BYTES];
    /* Every third may be overdrawn. */
    int64_t minimum = account % 3 == 0 ? -LOAD_OPENING_CENTS / 2 : 0;
    snprintf(body, sizeof(body),
             "{\"id\":\"a%" PRIu64 "\",\"balance\":\"%d.00\",\"minimumBalance\":\"%" PRId64
             ".00\"}",
             account, LOAD_OPENING_CENTS / 100, minimum / 100);
    open_link(client, link);
    size_t operation = history_invoke(&client->buffer, HISTORY_OPEN, 0, &leg, 1, load_now_ns());
    if (!http_client_request(&link->http, "POST", "/accounts", headers, body) ||
        !http_client_receive(&link->http, &client->response, false) ||
        client->response.status != 201)
        give_up(client, "opening");
    history_return(&client->buffer, operation, HISTORY_APPLIED, load_now_ns());
    history_operation(&client->buffer, operation)->minimum = minimum;
    history_legs(&client->buffer, operation)->version = 1;
    history_legs(&client->buffer, operation)->balance = LOAD_OPENING_CENTS;
}

void load_open_accounts(struct load *load)
{
    for (uint64_t account = 1; account <= load->accounts_count; account++)
        open_account(&load->clients[0], account);
}

void load_start(struct load *load)
{
    for (unsigned i = 0; i < load->clients_count; i++) {
        if (pthread_create(&load->clients[i].thread, NULL, run, &load->clients[i]) != 0)
            abort();
    }
}

bool load_wait(struct load *load, uint64_t attempts, int64_t deadline_s)
{
    (void)pthread_mutex_lock(&load->mutex);
    load->wake_at = attempts;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    while (atomic_load(&load->attempts) < attempts && load->ended < load->clients_count &&
           now.tv_sec < deadline_s) {
        struct timespec until = {.tv_sec = now.tv_sec + 1, .tv_nsec = now.tv_nsec};
        (void)pthread_cond_timedwait(&load->changed, &load->mutex, &until);
        (void)clock_gettime(CLOCK_REALTIME, &now);
    }
    bool reached = atomic_load(&load->attempts) >= attempts && load->ended < load->clients_count;
    (void)pthread_mutex_unlock(&load->mutex);
    return reached;
}

void load_set_down(struct load *load)
{
    (void)pthread_mutex_lock(&load->mutex);
    load->is_up = false;
    (void)pthread_mutex_unlock(&load->mutex);
}

void load_set_up(struct load *load, unsigned port)
{
    (void)pthread_mutex_lock(&load->mutex);
    load->is_up = true;
    load->port = port;
    (void)pthread_cond_broadcast(&load->changed);
    (void)pthread_mutex_unlock(&load->mutex);
}

void load_end(struct load *load)
{
    atomic_store(&load->is_over, true);
    for (unsigned i = 0; i < load->clients_count; i++) {
        (void)pthread_join(load->clients[i].thread, NULL);
        for (unsigned link = 0; link < LINKS; link++)
            close_link(&load->clients[i].links[link]);
    }
}

void load_read_all(struct load *load)
{
    for (uint64_t account = 1; account <= load->accounts_count; account++)
        read_account(&load->clients[0], account, true, 0);
}

void load_buffers(const struct load *load, const struct history_buffer **buffers)
{
    for (unsigned i = 0; i < load->clients_count; i++)
        buffers[i] = &load->clients[i].buffer;
}
