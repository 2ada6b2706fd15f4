/* test_transport.c - connections: pipelining, crowds, slow and vanishing clients, limits, HTTP/2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api_fixture.h"

static int start(void **state)
{
    static const char *const arguments[] = {"--workers", "2", NULL};
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

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- crowds ------------------------------------------------------------------------------- */

/* Ten clients that each take 200.00 from 1000.00 at once. */
static void take_at_once(const struct api *api, const char *path, const char *body, int good,
                         int bad)
{
    enum { CLIENTS = 10 };
    struct http_client *clients = calloc(CLIENTS, sizeof(*clients));
    struct http_response response;
    unsigned taken = 0;
    unsigned refused = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        http_client_open(&clients[i], api->server.port);
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_true(http_client_request(&clients[i], "POST", path, API_JSON, body));
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_true(http_client_receive(&clients[i], &response, false));
        taken += response.status == good;
        refused += response.status == bad;
        http_client_close(&clients[i]);
    }
    free(clients);
    assert_int_equal(taken, 5);
    assert_int_equal(refused, 5);
}

static void ten_withdrawals__leave_nothing_and_no_debt(void **state)
{
    api_open_account(*state, "ten", "1000.00");
    take_at_once(*state, "/withdraw", "{\"account_id\":\"ten\",\"amount\":200}", 200, 400);
    api_assert_balance(*state, "ten", "0.00 6");
    api_open_account(*state, "ten2", "1000.00");
    take_at_once(*state, "/accounts/ten2/transactions",
                 "{\"type\":\"Withdraw\",\"amount\":\"200.00\"}", 201, 422);
    api_assert_balance(*state, "ten2", "0.00 6");
}

static void pipelined__requests_are_answered_in_order(void **state)
{
    enum { REQUESTS = 50 };
    struct http_client *client = malloc(sizeof(*client));
    struct http_response response;
    char expected[64];
    api_open_account(*state, "pipe", "0");
    http_client_open(client, ((struct api *)*state)->server.port);
    for (unsigned i = 0; i < REQUESTS; i++) {
        const char *body = "{\"type\":\"Deposit\",\"amount\":1}";
        assert_true(
            http_client_request(client, "POST", "/accounts/pipe/transactions", API_JSON, body));
        assert_true(http_client_request(client, "GET", "/accounts/pipe/balance", "", NULL));
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_true(http_client_receive(client, &response, false));
        assert_int_equal(response.status, 201);
        snprintf(expected, sizeof(expected), "\"newVersion\":%u", i + 2);
        api_assert_in_body(&response, expected);
        assert_true(http_client_receive(client, &response, false));
        snprintf(expected, sizeof(expected), "{\"balance\":%u.00,\"version\":%u}", i + 1, i + 2);
        api_assert_body(&response, expected);
    }
    http_client_close(client);
    free(client);
}

/* --- clients that vanish or dawdle ---------------------------------------------------------- */

static void client__that_leaves_harms_nobody(void **state)
{
    enum { CLIENTS = 40 };
    const struct api *api = *state;
    const struct linger reset = {.l_onoff = 1};
    struct http_client *client = malloc(sizeof(*client));
    api_open_account(api, "leave", "0");
    for (unsigned i = 0; i < CLIENTS; i++) {
        http_client_open(client, api->server.port);
        if (i % 2 == 0)
            setsockopt(client->descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        if (i % 4 < 2)
            http_client_request(client, "POST", "/accounts/leave/transactions", API_JSON,
                                "{\"type\":\"Deposit\",\"amount\":1}");
        else
            http_client_send(client, "POST /accounts/leave/transactions HTTP/1.1\r\nContent-Le",
                             54);
        http_client_close(client);
    }
    free(client);
    struct http_response response;
    assert_int_equal(api_post(api, "leave", "k", "{\"type\":\"Deposit\",\"amount\":1}", &response),
                     201);
    assert_int_equal(http_call(api->server.port, "GET", "/healthz", "", NULL, &response), 200);
}

static void slow__header_body_and_idleness_end_in_time(void **state)
{
    static const char *const arguments[] = {"--request-timeout-ms", "300", NULL};
    static const char *const sent[] = {"", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nHos",
                                       "POST /accounts HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"};
    struct api *api = calloc(1, sizeof(*api));
    struct http_client *client = malloc(sizeof(*client));
    struct http_response response;
    (void)state;
    api_start(api, arguments);
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        uint64_t began = now_ms();
        http_client_open(client, api->server.port);
        assert_true(http_client_send(client, sent[i], strlen(sent[i])));
        assert_true(http_client_is_closed(client));
        assert_in_range(now_ms() - began, 250, 5000);
        http_client_close(client);
    }
    /* between requests as well */
    http_client_open(client, api->server.port);
    assert_true(http_client_request(client, "GET", "/healthz", "", NULL));
    assert_true(http_client_receive(client, &response, false));
    assert_true(http_client_is_closed(client));
    http_client_close(client);
    free(client);
    api_stop(api);
    free(api);
}

static void malformed__http_is_400_and_closed(void **state)
{
    static const char *const sent[] = {
        "\x16\x03\x01\x02\x01",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /accounts HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /accounts HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /accounts HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    struct http_client *client = malloc(sizeof(*client));
    struct http_response response;
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        http_client_open(client, ((struct api *)*state)->server.port);
        assert_true(http_client_send(client, sent[i], strlen(sent[i])));
        assert_true(http_client_receive(client, &response, false));
        assert_int_equal(response.status, 400);
        assert_true(http_client_is_closed(client));
        http_client_close(client);
    }
    free(client);
}

static void chunked__bodies_are_read(void **state)
{
    static const char sent[] =
        "POST /accounts HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/json\r\n\r\n"
        "7\r\n{\"id\":\"\r\nA\r\nchunked1\"}\r\n0\r\n\r\n";
    struct http_client *client = malloc(sizeof(*client));
    struct http_response response;
    http_client_open(client, ((struct api *)*state)->server.port);
    assert_true(http_client_send(client, sent, strlen(sent)));
    assert_true(http_client_receive(client, &response, false));
    assert_int_equal(response.status, 201);
    api_assert_in_body(&response, "\"id\":\"chunked1\"");
    http_client_close(client);
    free(client);
}

static void expectation__is_met_or_refused(void **state)
{
    struct http_client *client = malloc(sizeof(*client));
    struct http_response response;
    http_client_open(client, ((struct api *)*state)->server.port);
    assert_true(http_client_request(client, "POST", "/accounts",
                                    API_JSON "Expect: 100-continue\r\n", "{\"id\":\"expect\"}"));
    assert_true(http_client_receive(client, &response, false));
    assert_int_equal(response.status, 201);
    assert_true(http_client_request(client, "POST", "/accounts", API_JSON "Expect: tea\r\n", "{}"));
    assert_true(http_client_receive(client, &response, false));
    assert_int_equal(response.status, 417);
    api_assert_in_body(&response, "\"code\":\"expectation_failed\"");
    http_client_close(client);
    free(client);
}

/* --- limits ------------------------------------------------------------------------------- */

static void connections__have_a_limit_an_address(void **state)
{
    static const char *const arguments[] = {"--connections-per-address", "2", NULL};
    struct api *api = calloc(1, sizeof(*api));
    struct http_client *clients = calloc(3, sizeof(*clients));
    struct http_response response;
    (void)state;
    api_start(api, arguments);
    for (unsigned i = 0; i < 2; i++) {
        http_client_open(&clients[i], api->server.port);
        assert_true(http_client_request(&clients[i], "GET", "/healthz", "", NULL));
        assert_true(http_client_receive(&clients[i], &response, false));
    }
    http_client_open(&clients[2], api->server.port);
    assert_true(http_client_is_closed(&clients[2]));
    http_client_close(&clients[2]);
    /* a place that is given back can be had again */
    http_client_close(&clients[0]);
    bool served = false;
    for (unsigned i = 0; i < 1000 && !served; i++) {
        http_client_open(&clients[0], api->server.port);
        served = http_client_request(&clients[0], "GET", "/metrics", "", NULL) &&
                 http_client_receive(&clients[0], &response, false);
        http_client_close(&clients[0]);
    }
    assert_true(served);
    http_client_close(&clients[1]);
    api_stop(api);
    free(clients);
    free(api);
}

static void connections__beyond_the_total_wait_for_a_place(void **state)
{
    static const char *const arguments[] = {"--connections-max", "2", "--workers", "1", NULL};
    struct api *api = calloc(1, sizeof(*api));
    struct http_client *clients = calloc(3, sizeof(*clients));
    struct http_response response;
    (void)state;
    api_start(api, arguments);
    for (unsigned i = 0; i < 3; i++) {
        http_client_open(&clients[i], api->server.port);
        assert_true(http_client_request(&clients[i], "GET", "/healthz", "", NULL));
    }
    assert_true(http_client_receive(&clients[0], &response, false));
    assert_true(http_client_receive(&clients[1], &response, false));
    /* the third is in the queue of the kernel until one of the two goes */
    char byte;
    assert_int_equal(recv(clients[2].descriptor, &byte, 1, MSG_DONTWAIT), -1);
    http_client_close(&clients[0]);
    assert_true(http_client_receive(&clients[2], &response, false));
    assert_int_equal(response.status, 200);
    http_client_close(&clients[1]);
    http_client_close(&clients[2]);
    api_stop(api);
    free(clients);
    free(api);
}

static void unix_socket__serves_and_goes_with_the_server(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    struct http_client *client = malloc(sizeof(*client));
    struct http_response response;
    char directory[TEMPORARY_DIRECTORY_MAX];
    char path[TEMPORARY_DIRECTORY_MAX + 16];
    char address[TEMPORARY_DIRECTORY_MAX + 32];
    (void)state;
    temporary_directory_make(directory);
    snprintf(path, sizeof(path), "%s/socket", directory);
    snprintf(address, sizeof(address), "unix:%s", path);
    const char *const arguments[] = {"--listen", address, NULL};
    api_start(api, arguments);
    http_client_open_path(client, path);
    assert_true(http_client_request(client, "GET", "/readyz", "", NULL));
    assert_true(http_client_receive(client, &response, false));
    assert_int_equal(response.status, 200);
    http_client_close(client);
    /* killed: the file stays, and the next server clears it away */
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    assert_int_equal(access(path, F_OK), 0);
    api_restart(api, arguments);
    http_client_open_path(client, path);
    assert_true(http_client_request(client, "GET", "/readyz", "", NULL));
    assert_true(http_client_receive(client, &response, false));
    http_client_close(client);
    api_stop(api);
    assert_int_equal(access(path, F_OK), -1);
    temporary_directory_remove(directory);
    free(client);
    free(api);
}

/* --- HTTP/2 ------------------------------------------------------------------------------- */

static size_t drop(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

static CURLcode get_over_http2(unsigned port, long *version, long *status)
{
    char url[64];
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/healthz", port);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_HTTP_VERSION, version);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(curl);
    return code;
}

static void http2__is_spoken_only_when_asked_for(void **state)
{
    static const char *const arguments[] = {"--http2", NULL};
    const struct api *plain = *state;
    struct api *api = calloc(1, sizeof(*api));
    long version = 0;
    long status = 0;
    assert_int_not_equal(get_over_http2(plain->server.port, &version, &status), CURLE_OK);
    api_start(api, arguments);
    assert_int_equal(get_over_http2(api->server.port, &version, &status), CURLE_OK);
    assert_int_equal(version, CURL_HTTP_VERSION_2_0);
    assert_int_equal(status, 200);
    api_stop(api);
    free(api);
}

static void frame(char *bytes, size_t *length, unsigned payload, char type, char flags,
                  unsigned stream)
{
    const char head[9] = {
        (char)(payload >> 16), (char)(payload >> 8), (char)payload, type, flags, 0,
        (char)(stream >> 16),  (char)(stream >> 8),  (char)stream};
    memcpy(bytes + *length, head, sizeof(head));
    *length += sizeof(head);
}

/* HTTP/2 frees a request when its client resets the stream or goes: while its commit is under way,
 * the answer must find nobody, and the server must live on. */
static void http2__clients_leave_while_their_commit_is_under_way(void **state)
{
    enum { ROUNDS = 50 };
    static const char *const arguments[] = {"--http2", "--workers", "2", NULL};
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const char path[] = "/accounts/h2/transactions";
    static const char body[] = "{\"type\":\"Deposit\",\"amount\":1}";
    struct api *api = calloc(1, sizeof(*api));
    struct http_client *client = malloc(sizeof(*client));
    struct http_response response;
    (void)state;
    api_start(api, arguments);
    api_open_account(api, "h2", "0");
    for (unsigned round = 0; round < ROUNDS; round++) {
        char bytes[4096];
        size_t length = sizeof(preface) - 1;
        memcpy(bytes, preface, length);
        frame(bytes, &length, 0, 4, 0, 0); /* SETTINGS */
        for (unsigned stream = 1; stream <= 15; stream += 2) {
            /* HEADERS: indexed POST, http; literal path */
            unsigned head_length = 2 + 2 + (unsigned)strlen(path);
            frame(bytes, &length, head_length, 1, 4, stream);
            memcpy(bytes + length, "\x83\x86\x04", 3);
            bytes[length + 3] = (char)strlen(path);
            memcpy(bytes + length + 4, path, strlen(path));
            length += head_length;
            frame(bytes, &length, (unsigned)strlen(body), 0, 1, stream); /* DATA, end */
            memcpy(bytes + length, body, strlen(body));
            length += strlen(body);
            if (round % 2 == 0) {
                frame(bytes, &length, 4, 3, 0, stream); /* RST_STREAM: CANCEL */
                memcpy(bytes + length, "\0\0\0\x08", 4);
                length += 4;
            }
        }
        http_client_open(client, api->server.port);
        assert_true(http_client_send(client, bytes, length));
        /* The server's first frame says that it has read ours; some leave before, some after. */
        char byte;
        if (round % 3 != 0)
            assert_int_equal(recv(client->descriptor, &byte, 1, 0), 1);
        http_client_close(client);
    }
    assert_int_equal(
        http_call(api->server.port, "GET", "/accounts/h2/balance", "", NULL, &response), 200);
    static const char before[] = "{\"balance\":";
    static const char between[] = ".00,\"version\":";
    char *end;
    assert_memory_equal(response.body, before, strlen(before));
    unsigned long whole = strtoul(response.body + strlen(before), &end, 10);
    assert_memory_equal(end, between, strlen(between));
    unsigned long version = strtoul(end + strlen(between), NULL, 10);
    /* each was applied whole or not at all, and many were */
    assert_int_equal(version, whole + 1);
    assert_true(whole > ROUNDS);
    free(client);
    api_stop(api);
    free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_withdrawals__leave_nothing_and_no_debt),
        cmocka_unit_test(pipelined__requests_are_answered_in_order),
        cmocka_unit_test(client__that_leaves_harms_nobody),
        cmocka_unit_test(slow__header_body_and_idleness_end_in_time),
        cmocka_unit_test(malformed__http_is_400_and_closed),
        cmocka_unit_test(chunked__bodies_are_read),
        cmocka_unit_test(expectation__is_met_or_refused),
        cmocka_unit_test(connections__have_a_limit_an_address),
        cmocka_unit_test(connections__beyond_the_total_wait_for_a_place),
        cmocka_unit_test(unix_socket__serves_and_goes_with_the_server),
        cmocka_unit_test(http2__is_spoken_only_when_asked_for),
        cmocka_unit_test(http2__clients_leave_while_their_commit_is_under_way),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
