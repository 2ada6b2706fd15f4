/* test_races.c - many at one balance at once: as much is taken as is there, by whom does not
 * matter.
 *
 * Requests are sent on all connections before the first answer is read, to four workers, so that
 * they meet in the server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api_fixture.h"
#include "simulation/random.h"

static const char *const arguments[] = {
    "--workers", "4", "--connections-per-address", "2000", "--request-timeout-ms", "300000", NULL};

static int start(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    api_start(api, arguments);
    *state = api;
    return 0;
}

static int stop(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

static struct http_client *open_clients(const struct api *api, unsigned count)
{
    struct http_client *clients = calloc(count, sizeof(*clients));
    assert_non_null(clients);
    for (unsigned i = 0; i < count; i++)
        http_client_open(&clients[i], api->server.port);
    return clients;
}

static void close_clients(struct http_client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        http_client_close(&clients[i]);
    free(clients);
}

static int post(const struct api *api, const char *path, const char *body,
                struct http_response *response)
{
    return http_call(api->server.port, "POST", path, API_JSON, body, response);
}

/* --- ten withdrawals of 200.00 from 1000.00 --------------------------------------------------- */

struct variant {
    const char *account;
    const char *path;
    const char *body;
    int done;
    int refused;
    const char *reason;
    const char *end; /* of the account */
};

static const struct variant variants[] = {
    {"seed", "/withdraw", "{\"account_id\":\"seed\",\"amount\":200}", 200, 400,
     "\"error\":\"Insufficient funds\"",
     "\"balance\":0.00,\"held\":0.00,\"available\":0.00,\"version\":6,"},
    {"withdrawn", "/accounts/withdrawn/transactions", "{\"type\":\"Withdraw\",\"amount\":200}", 201,
     422, "\"code\":\"insufficient_balance\",\"balance\":0.00,\"version\":6",
     "\"balance\":0.00,\"held\":0.00,\"available\":0.00,\"version\":6,"},
    {"sent", "/transfers", "{\"from\":\"sent\",\"to\":\"purse\",\"amount\":200}", 201, 422,
     "\"code\":\"insufficient_balance\",\"balance\":0.00,\"version\":6",
     "\"balance\":0.00,\"held\":0.00,\"available\":0.00,\"version\":6,"},
    {"posted", "/postings",
     "{\"legs\":[{\"account\":\"purse\",\"type\":\"Credit\",\"amount\":150},"
     "{\"account\":\"posted\",\"type\":\"Debit\",\"amount\":200},"
     "{\"account\":\"fees\",\"type\":\"Credit\",\"amount\":50}]}",
     201, 422, "\"code\":\"insufficient_balance\",\"balance\":0.00,\"version\":6",
     "\"balance\":0.00,\"held\":0.00,\"available\":0.00,\"version\":6,"},
    {"kept", "/accounts/kept/holds", "{\"amount\":200}", 201, 422,
     "\"code\":\"insufficient_balance\",\"balance\":1000.00,\"version\":6",
     "\"balance\":1000.00,\"held\":1000.00,\"available\":0.00,\"version\":6,"},
};

static void race_variant(const struct api *api, const struct variant *variant)
{
    enum { CLIENTS = 10, SUCCEED = 5 };
    struct http_response response;
    char path[128];
    unsigned done = 0;
    unsigned refused = 0;
    struct http_client *clients = open_clients(api, CLIENTS);
    api_open_account(api, variant->account, "1000.00");
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_true(
            http_client_request(&clients[i], "POST", variant->path, API_JSON, variant->body));
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_true(http_client_receive(&clients[i], &response, false));
        if (response.status == variant->done) {
            done++;
        } else {
            assert_int_equal(response.status, variant->refused);
            api_assert_in_body(&response, variant->reason);
            refused++;
        }
    }
    close_clients(clients, CLIENTS);
    if (done != SUCCEED || refused != CLIENTS - SUCCEED)
        fail_msg("%s: %u done, %u refused", variant->path, done, refused);
    snprintf(path, sizeof(path), "/accounts/%s", variant->account);
    assert_int_equal(http_call(api->server.port, "GET", path, "", NULL, &response), 200);
    api_assert_in_body(&response, variant->end);
}

static void ten_withdrawals__five_succeed_and_five_are_refused(void **state)
{
    api_open_account(*state, "purse", "0");
    api_open_account(*state, "fees", "0");
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
        race_variant(*state, &variants[i]);
    /* five transfers of 200.00, five postings */
    api_assert_balance(*state, "purse", "1750.00 11");
    api_assert_balance(*state, "fees", "250.00 6");
}

/* All routes against one balance: whoever comes first, 1000.00 are gone, and no cent more. */
static void all_routes__share_one_balance(void **state)
{
    static const struct {
        const char *path;
        const char *body;
    } rows[] = {
        {"/withdraw", "{\"account_id\":\"one\",\"amount\":100}"},
        {"/accounts/one/transactions", "{\"type\":\"Debit\",\"amount\":100}"},
        {"/transfers", "{\"from\":\"one\",\"to\":\"one-to\",\"amount\":100}"},
        {"/postings", "{\"legs\":[{\"account\":\"one\",\"type\":\"Debit\",\"amount\":100},"
                      "{\"account\":\"one-to\",\"type\":\"Credit\",\"amount\":100}]}"},
        {"/accounts/one/holds", "{\"amount\":100}"},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]), CLIENTS = ROWS * 6, SUCCEED = 10 };
    struct http_response response;
    unsigned done = 0;
    struct http_client *clients = open_clients(*state, CLIENTS);
    api_open_account(*state, "one", "1000.00");
    api_open_account(*state, "one-to", "0");
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_true(http_client_request(&clients[i], "POST", rows[i % ROWS].path, API_JSON,
                                        rows[i % ROWS].body));
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_true(http_client_receive(&clients[i], &response, false));
        if (response.status == 200 || response.status == 201)
            done++;
        else
            api_assert_in_body(&response, "Insufficient");
    }
    close_clients(clients, CLIENTS);
    assert_int_equal(done, SUCCEED);
    assert_int_equal(
        http_call(((struct api *)*state)->server.port, "GET", "/accounts/one", "", NULL, &response),
        200);
    api_assert_in_body(&response, "\"available\":0.00,\"version\":11,");
}

/* --- a ring ----------------------------------------------------------------------------------- */

enum { RING = 8, RING_CENTS = 1000, RING_CLIENTS = 16, RING_TRANSFERS = 60 };

/* Balances as the events tell them, one after the other. */
struct ring {
    const struct api *api;
    _Atomic bool is_over;
    struct http_client client;
    struct http_response response;
    uint64_t last_lsn;
    int64_t balances[RING];
    unsigned transfers;
    bool adds_up; /* after each event */
    char line[4096];
    size_t length;
};

static void take_leg(struct ring *ring, const char *at)
{
    unsigned account;
    int64_t whole;
    int64_t cents;
    /* "account":"ring3","direction":"debit","amount":1.00,"balance":9.00 */
    if (sscanf(at, "\"account\":\"ring%u\"", &account) != 1 || account >= RING)
        return;
    const char *balance = strstr(at, "\"balance\":");
    ring->adds_up = ring->adds_up && balance != NULL &&
                    sscanf(balance, "\"balance\":%" SCNd64 ".%" SCNd64, &whole, &cents) == 2;
    if (ring->adds_up)
        ring->balances[account] = whole * 100 + cents;
}

static void take_line(struct ring *ring)
{
    int64_t sum = 0;
    if (sscanf(ring->line, "{\"lsn\":%" SCNu64, &ring->last_lsn) != 1)
        ring->adds_up = false;
    if (strstr(ring->line, "\"type\":\"Transfer\"") == NULL ||
        strstr(ring->line, "\"account\":\"ring") == NULL)
        return;
    for (const char *at = ring->line; (at = strstr(at, "\"account\":")) != NULL; at++)
        take_leg(ring, at);
    for (unsigned i = 0; i < RING; i++)
        sum += ring->balances[i];
    ring->adds_up = ring->adds_up && sum == (int64_t)RING * RING_CENTS;
    ring->transfers++;
}

static void take_piece(void *context, const char *bytes, size_t length)
{
    struct ring *ring = context;
    for (size_t i = 0; i < length; i++) {
        ring->line[ring->length++] = bytes[i];
        if (bytes[i] != '\n')
            continue;
        ring->line[ring->length] = '\0';
        ring->length = 0;
        take_line(ring);
    }
}

static void read_events(struct ring *ring)
{
    char path[64];
    snprintf(path, sizeof(path), "/events?after=%" PRIu64 "&limit=10000", ring->last_lsn);
    ring->adds_up = ring->adds_up && http_client_request(&ring->client, "GET", path, "", NULL) &&
                    http_client_receive_head(&ring->client, &ring->response) &&
                    ring->response.status == 200 &&
                    http_client_receive_chunks(&ring->client, take_piece, ring);
}

static void *watch(void *context)
{
    struct ring *ring = context;
    while (!atomic_load(&ring->is_over) && ring->adds_up)
        read_events(ring);
    return NULL;
}

/* Money goes round and round, and across; at every LSN there is as much of it. */
static void ring_of_transfers__keeps_its_money_at_every_moment(void **state)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    struct http_client *clients = open_clients(*state, RING_CLIENTS);
    struct http_response response;
    pthread_t watcher;
    char text[128];
    struct random random = {7};
    unsigned done = 0;
    for (unsigned i = 0; i < RING; i++) {
        snprintf(text, sizeof(text), "ring%u", i);
        api_open_account(*state, text, "10.00");
        ring->balances[i] = RING_CENTS;
    }
    ring->api = *state;
    ring->adds_up = true;
    http_client_open(&ring->client, ring->api->server.port);
    assert_int_equal(pthread_create(&watcher, NULL, watch, ring), 0);
    for (unsigned n = 0; n < RING_TRANSFERS; n++) {
        for (unsigned i = 0; i < RING_CLIENTS; i++) {
            unsigned from = i % RING;
            unsigned to = i < RING ? (i + 1) % RING : (from + 1 + n % (RING - 1)) % RING;
            snprintf(text, sizeof(text),
                     "{\"from\":\"ring%u\",\"to\":\"ring%u\",\"amount\":\"%u.%02u\"}", from, to,
                     (unsigned)random_below(&random, 8), (unsigned)random_between(&random, 1, 99));
            assert_true(http_client_request(&clients[i], "POST", "/transfers", API_JSON, text));
        }
        for (unsigned i = 0; i < RING_CLIENTS; i++) {
            assert_true(http_client_receive(&clients[i], &response, false));
            done += response.status == 201 ? 1 : 0;
            if (response.status != 201)
                api_assert_in_body(&response, "\"code\":\"insufficient_balance\"");
        }
    }
    atomic_store(&ring->is_over, true);
    assert_int_equal(pthread_join(watcher, NULL), 0);
    read_events(ring);
    assert_true(ring->adds_up);
    assert_int_equal(ring->transfers, done);
    for (unsigned i = 0; i < RING; i++) {
        snprintf(text, sizeof(text), "/accounts/ring%u/balance", i);
        assert_int_equal(http_call(ring->api->server.port, "GET", text, "", NULL, &response), 200);
        snprintf(text, sizeof(text), "\"balance\":%" PRId64 ".%02" PRId64, ring->balances[i] / 100,
                 ring->balances[i] % 100);
        api_assert_in_body(&response, text);
    }
    http_client_close(&ring->client);
    close_clients(clients, RING_CLIENTS);
    free(ring);
}

/* --- holds ------------------------------------------------------------------------------------ */

/* Ten holds of all there is; two captures (one of a part), a void and a withdrawal go for each. */
static void hold__has_one_end_however_many_try(void **state)
{
    enum { HOLDS = 10, ENDS = 4 };
    static struct http_response response;
    struct http_client *clients = open_clients(*state, HOLDS * ENDS);
    char holds[HOLDS][100];
    char path[160];
    int64_t left = (int64_t)HOLDS * 10;
    int64_t received = 0;
    api_open_account(*state, "end", "100.00");
    api_open_account(*state, "end-shop", "0");
    for (unsigned i = 0; i < HOLDS; i++) {
        assert_int_equal(post(*state, "/accounts/end/holds", "{\"amount\":10}", &response), 201);
        assert_int_equal(sscanf(response.body, "{\"id\":\"%99[^\"]", holds[i]), 1);
    }
    for (unsigned i = 0; i < HOLDS; i++) {
        static const char *const bodies[ENDS] = {"", "{\"amount\":4,\"to\":\"end-shop\"}", "{}",
                                                 "{\"type\":\"Withdraw\",\"amount\":10}"};
        for (unsigned j = 0; j < ENDS; j++) {
            snprintf(path, sizeof(path), "/holds/%.99s/%s", holds[i], j == 2 ? "void" : "capture");
            if (j == 3)
                snprintf(path, sizeof(path), "/accounts/end/transactions");
            assert_true(http_client_request(&clients[i * ENDS + (j + i) % ENDS], "POST", path,
                                            API_JSON, bodies[j]));
        }
    }
    for (unsigned i = 0; i < HOLDS; i++) {
        unsigned ended = 0;
        for (unsigned j = 0; j < ENDS; j++) {
            assert_true(http_client_receive(&clients[i * ENDS + (j + i) % ENDS], &response, false));
            bool done = response.status == 201;
            if (!done && j < 3)
                api_assert_in_body(&response, "\"code\":\"hold_resolved\"");
            else if (!done)
                api_assert_in_body(&response, "\"code\":\"insufficient_balance\"");
            left -= done && (j == 0 || j == 3) ? 10 : 0;
            left -= done && j == 1 ? 4 : 0;
            received += done && j == 1 ? 4 : 0;
            ended += done && j < 3 ? 1 : 0;
        }
        assert_int_equal(ended, 1);
    }
    close_clients(clients, HOLDS * ENDS);
    snprintf(path, sizeof(path), "\"balance\":%" PRId64 ".00,\"held\":0.00", left);
    assert_int_equal(
        http_call(((struct api *)*state)->server.port, "GET", "/accounts/end", "", NULL, &response),
        200);
    api_assert_in_body(&response, path);
    assert_int_equal(http_call(((struct api *)*state)->server.port, "GET", "/accounts/end-shop", "",
                               NULL, &response),
                     200);
    snprintf(path, sizeof(path), "\"balance\":%" PRId64 ".00", received);
    api_assert_in_body(&response, path);
}

/* --- a thousand clients ------------------------------------------------------------------------
 */

enum { CROWD = 1000, CROWD_TRIES_MAX = 200 };

struct member {
    unsigned tries;
    unsigned due; /* the wave in which it tries again */
    uint64_t version;
    bool has_won;
};

static void allow_many_files(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= 2 * CROWD)
        return;
    limit.rlim_cur = 2 * CROWD;
    assert_true(limit.rlim_cur <= limit.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Until some wave that is further away the more often it has failed. */
static void put_off(struct member *member, unsigned wave, struct random *random)
{
    assert_true(++member->tries < CROWD_TRIES_MAX);
    unsigned bound = 1U << (member->tries < 10 ? member->tries : 10);
    member->due = wave + 1 + (unsigned)random_below(random, bound);
}

/* All who are due read, then change what they have read. */
static unsigned try_wave(struct http_client *clients, struct member *members, unsigned wave,
                         bool *versions, struct random *random)
{
    static struct http_response response;
    char body[96];
    unsigned won = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        if (!members[i].has_won && members[i].due <= wave)
            assert_true(http_client_request(&clients[i], "GET", "/accounts/hot/balance", "", NULL));
    }
    for (unsigned i = 0; i < CROWD; i++) {
        if (members[i].has_won || members[i].due > wave)
            continue;
        assert_true(http_client_receive(&clients[i], &response, false));
        if (response.status == 200) {
            members[i].version = api_number(&response, "version");
            continue;
        }
        /* too many at once for one worker: later */
        assert_int_equal(response.status, 429);
        put_off(&members[i], wave, random);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        if (members[i].has_won || members[i].due > wave)
            continue;
        snprintf(body, sizeof(body),
                 "{\"type\":\"Deposit\",\"amount\":1,\"expectedVersion\":%" PRIu64 "}",
                 members[i].version);
        assert_true(
            http_client_request(&clients[i], "POST", "/accounts/hot/transactions", API_JSON, body));
    }
    for (unsigned i = 0; i < CROWD; i++) {
        if (members[i].has_won || members[i].due > wave)
            continue;
        assert_true(http_client_receive(&clients[i], &response, false));
        if (response.status == 201) {
            uint64_t version = api_number(&response, "newVersion");
            assert_int_equal(version, members[i].version + 1);
            assert_false(versions[version]);
            versions[version] = true;
            members[i].has_won = true;
            won++;
            continue;
        }
        assert_int_equal(response.status, 409);
        assert_true(api_number(&response, "CurrentVersion") > members[i].version);
        put_off(&members[i], wave, random);
    }
    return won;
}

/* Each deposits once, at the version that it has read, and tries again when another came first. */
static void crowd__with_expected_versions_gets_through(void **state)
{
    static bool versions[CROWD + 2];
    struct member *members = calloc(CROWD, sizeof(*members));
    struct random random = {11};
    unsigned won = 0;
    api_open_account(*state, "hot", "0");
    struct http_client *clients = open_clients(*state, CROWD);
    for (unsigned wave = 0; won < CROWD; wave++) {
        unsigned winners = try_wave(clients, members, wave, versions, &random);
        assert_true(winners <= 1); /* all of a wave have read the same */
        won += winners;
    }
    close_clients(clients, CROWD);
    free(members);
    api_assert_balance(*state, "hot", "1000.00 1001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_withdrawals__five_succeed_and_five_are_refused),
        cmocka_unit_test(all_routes__share_one_balance),
        cmocka_unit_test(ring_of_transfers__keeps_its_money_at_every_moment),
        cmocka_unit_test(hold__has_one_end_however_many_try),
        cmocka_unit_test(crowd__with_expected_versions_gets_through),
    };
    allow_many_files();
    return cmocka_run_group_tests(tests, start, stop);
}
