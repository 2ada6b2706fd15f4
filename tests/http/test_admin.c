/* test_admin.c - checkpoints on demand, and backups as a stream: whole, broken, left, stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api_fixture.h"
#include "backup_server.h"

enum { MEBIBYTE = 1024 * 1024 };

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int make(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    temporary_directory_make(api->directory);
    snprintf(api->data, sizeof(api->data), "%s/data", api->directory);
    *state = api;
    return 0;
}

static int clean(void **state)
{
    struct api *api = *state;
    temporary_directory_remove(api->directory);
    free(api);
    return 0;
}

static int call(const struct api *api, const char *method, const char *path, const char *body,
                struct http_response *response)
{
    return http_call(api->server.port, method, path, "", body, response);
}

/* --- checkpoints ---------------------------------------------------------------------------- */

/* Until that checkpoint has ended. */
static void wait_until_ended(const struct api *api, uint64_t number, struct http_response *response)
{
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    do {
        assert_true(now_ms() < limit);
        assert_int_equal(call(api, "GET", "/admin/checkpoint", NULL, response), 200);
    } while (api_number(response, "ended") < number);
}

static void checkpoint__is_begun_on_demand_and_shortens_the_log(void **state)
{
    static const char *const arguments[] = {"--workers", "2", "--open", "a:100.00", NULL};
    struct api *api = *state;
    struct http_response response;
    server_process_start(&api->server, FLORIND_PATH, api->data, arguments);
    assert_int_equal(call(api, "GET", "/admin/checkpoint", NULL, &response), 200);
    api_assert_in_body(&response, "{\"running\":false,\"ended\":0,\"completed\":0,\"failed\":0,"
                                  "\"lsn\":0,\"logBytesSince\":");
    for (uint64_t number = 1; number <= 2; number++) {
        assert_int_equal(api_post(api, "a", NULL, "{\"type\":\"Deposit\",\"amount\":1}", &response),
                         201);
        assert_int_equal(call(api, "POST", "/admin/checkpoint", NULL, &response), 202);
        assert_int_equal(api_number(&response, "number"), number);
        wait_until_ended(api, number, &response);
        api_assert_in_body(&response, "\"failed\":0");
        assert_int_equal(api_number(&response, "completed"), number);
        assert_true(api_number(&response, "lsn") >= number + 1);
    }
    assert_int_equal(call(api, "GET", "/metrics", NULL, &response), 200);
    api_assert_in_body(&response, "florin_checkpoints_completed_total 2\n");
    server_process_stop(&api->server);
    api_restart(api, arguments);
    api_assert_balance(api, "a", "102.00 3");
    server_process_stop(&api->server);
}

static void admin_calls__refuse_what_they_do_not_know(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *body;
        int status;
        const char *in_body;
        const char *allow;
    } rows[] = {
        {"PUT", "/admin/checkpoint", NULL, 405, "method_not_allowed", "GET, HEAD, POST"},
        {"POST", "/admin/backup", NULL, 405, "method_not_allowed", "GET"},
        {"HEAD", "/admin/backup", NULL, 405, "", "GET"},
        {"POST", "/admin/checkpoint", "{}", 400, "\"field\":\"body\"", NULL},
        {"POST", "/admin/checkpoint?full=true", NULL, 400, "\"field\":\"full\"", NULL},
        {"GET", "/admin/backup?from=1", NULL, 400, "\"field\":\"from\"", NULL},
        {"GET", "/admin", NULL, 404, "not_found", NULL},
        {"GET", "/admin/checkpoints", NULL, 404, "not_found", NULL},
    };
    struct api *api = *state;
    struct http_response response;
    server_process_start(&api->server, FLORIND_PATH, api->data, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = call(api, rows[i].method, rows[i].path, rows[i].body, &response);
        if (status != rows[i].status)
            fail_msg("%s %s: %d %s", rows[i].method, rows[i].path, status, response.body);
        api_assert_in_body(&response, rows[i].in_body);
        api_assert_header(&response, "Allow", rows[i].allow);
    }
    assert_int_equal(call(api, "HEAD", "/admin/checkpoint", NULL, &response), 200);
    server_process_stop(&api->server);
}

/* --- backups -------------------------------------------------------------------------------- */

/* A server whose backups are so long, and end so. `more`: up to four further options. */
static void start_made_up(struct api *api, uint64_t bytes, int error, const char *const *more)
{
    char bytes_text[24];
    char error_text[16];
    const char *words[16] = {bytes_text, error_text,    "--data",    api->data,
                             "--listen", "127.0.0.1:0", "--workers", "2"};
    size_t count = 8;
    for (size_t i = 0; more != NULL && more[i] != NULL && i < 4; i++)
        words[count++] = more[i];
    snprintf(bytes_text, sizeof(bytes_text), "%" PRIu64, bytes);
    snprintf(error_text, sizeof(error_text), "%d", error);
    server_process_spawn(&api->server, BACKUP_SERVER_PATH, words, false);
    assert_true(server_process_wait_log(&api->server, "event=ready"));
    api->server.port = server_process_log_number(&api->server, " port=");
}

struct received {
    uint64_t bytes;
    bool is_wrong;
};

static void take_piece(void *context, const char *bytes, size_t length)
{
    struct received *received = context;
    for (size_t i = 0; i < length; i++) {
        if ((uint8_t)bytes[i] != backup_byte(received->bytes + i))
            received->is_wrong = true;
    }
    received->bytes += length;
}

static void begin_backup(struct http_client *client, struct http_response *response)
{
    assert_true(http_client_request(client, "GET", "/admin/backup", "", NULL));
    assert_true(http_client_receive_head(client, response));
}

/* Until the counter has that value. */
static void wait_for_metric(const struct api *api, const char *line, struct http_response *response)
{
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    do {
        assert_true(now_ms() < limit);
        assert_int_equal(call(api, "GET", "/metrics", NULL, response), 200);
    } while (strstr(response->body, line) == NULL);
}

static void backup__arrives_whole_and_in_chunks(void **state)
{
    enum { BYTES = 3 * MEBIBYTE + 12345 };
    static const char *const unlimited[] = {"--background-mib", "0", NULL};
    struct api *api = *state;
    struct http_client client;
    struct http_response response;
    start_made_up(api, BYTES, 0, unlimited);
    http_client_open(&client, api->server.port);
    /* one after the other on one connection: the end of one is room for the next */
    for (unsigned i = 0; i < 3; i++) {
        struct received received = {0};
        begin_backup(&client, &response);
        assert_int_equal(response.status, 200);
        api_assert_header(&response, "Content-Type", "application/x-tar");
        api_assert_header(&response, "Transfer-Encoding", "chunked");
        assert_true(http_client_receive_chunks(&client, take_piece, &received));
        assert_int_equal(received.bytes, BYTES);
        assert_false(received.is_wrong);
    }
    http_client_close(&client);
    assert_int_equal(call(api, "GET", "/metrics", NULL, &response), 200);
    api_assert_in_body(&response, "florin_backups_completed_total 3\n");
    api_assert_in_body(&response, "florin_backups_failed_total 0\n");
    server_process_stop(&api->server);
    assert_non_null(strstr(api->server.log, "event=backup_sent"));
}

static void backup__that_fails_in_the_middle_breaks_the_connection(void **state)
{
    enum { BYTES = MEBIBYTE + 1 };
    static const struct {
        int error;
        const char *said;
    } rows[] = {
        {EIO, "reason=\"Input/output error\""},
        {EBADMSG, "reason=\"log/0000000000000001.wal: made up\""},
    };
    struct api *api = *state;
    struct http_client client;
    struct http_response response;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct received received = {0};
        start_made_up(api, BYTES, rows[i].error, NULL);
        http_client_open(&client, api->server.port);
        begin_backup(&client, &response);
        assert_int_equal(response.status, 200);
        assert_false(http_client_receive_chunks(&client, take_piece, &received));
        assert_true(received.bytes <= BYTES);
        assert_false(received.is_wrong);
        http_client_close(&client);
        wait_for_metric(api, "florin_backups_failed_total 1\n", &response);
        server_process_stop(&api->server);
        assert_non_null(strstr(api->server.log, "event=backup_broken_off"));
        assert_non_null(strstr(api->server.log, rows[i].said));
    }
}

/* The end of the connection is the end of an HTTP/1.0 answer: there it must be a reset. */
static void backup__that_fails_is_a_reset_for_http_1_0(void **state)
{
    static const char request[] = "GET /admin/backup HTTP/1.0\r\n\r\n";
    struct api *api = *state;
    struct http_client client;
    char bytes[4096];
    ssize_t got;
    start_made_up(api, MEBIBYTE, EIO, NULL);
    http_client_open(&client, api->server.port);
    assert_true(http_client_send(&client, request, strlen(request)));
    do
        got = recv(client.descriptor, bytes, sizeof(bytes), 0);
    while (got > 0);
    assert_int_equal(got, -1);
    assert_int_equal(errno, ECONNRESET);
    http_client_close(&client);
    server_process_stop(&api->server);
}

static void backup__that_cannot_begin_is_503(void **state)
{
    struct api *api = *state;
    struct http_response response;
    start_made_up(api, 0, EIO, NULL);
    for (unsigned i = 0; i < 2; i++) {
        /* The one before may take a moment to make room. */
        int status = call(api, "GET", "/admin/backup", NULL, &response);
        while (status == 429)
            status = call(api, "GET", "/admin/backup", NULL, &response);
        assert_int_equal(status, 503);
        api_assert_body(&response, "{\"error\":\"The backup cannot be made\","
                                   "\"code\":\"backup_failed\",\"outcome\":\"not_applied\"}");
        api_assert_header(&response, "Retry-After", "1");
    }
    server_process_stop(&api->server);
}

/* A server's backup is under way, at 1 MiB a second of 64. */
static void begin_slow_backup(struct api *api, struct http_client *client)
{
    static const char *const slow[] = {"--background-mib", "1", "--open", "a:100.00", NULL};
    struct http_response response;
    start_made_up(api, UINT64_C(64) * MEBIBYTE, 0, slow);
    http_client_open(client, api->server.port);
    begin_backup(client, &response);
    assert_int_equal(response.status, 200);
}

static void second__backup_is_429_until_the_first_has_left(void **state)
{
    struct api *api = *state;
    struct http_client client;
    struct http_client next;
    struct http_response response;
    begin_slow_backup(api, &client);
    assert_int_equal(call(api, "GET", "/admin/backup", NULL, &response), 429);
    api_assert_body(&response, "{\"error\":\"Too many requests in flight\","
                               "\"code\":\"too_many_requests\",\"outcome\":\"not_applied\"}");
    api_assert_header(&response, "Retry-After", "1");
    /* others are served meanwhile */
    api_assert_balance(api, "a", "100.00 1");
    http_client_close(&client);
    wait_for_metric(api, "florin_backups_failed_total 1\n", &response);
    http_client_open(&next, api->server.port);
    begin_backup(&next, &response);
    assert_int_equal(response.status, 200);
    http_client_close(&next);
    server_process_stop(&api->server);
}

static void stopping__breaks_a_backup_and_ends_cleanly(void **state)
{
    struct api *api = *state;
    struct http_client client;
    struct received received = {0};
    begin_slow_backup(api, &client);
    uint64_t began = now_ms();
    server_process_signal(&api->server, SIGTERM);
    assert_false(http_client_receive_chunks(&client, take_piece, &received));
    assert_int_equal(server_process_wait(&api->server), 0);
    /* a second of backup, and not the minute that it would take */
    assert_true(now_ms() - began < 10000);
    http_client_close(&client);
    assert_non_null(strstr(api->server.log, "event=backup_broken_off"));
    assert_non_null(strstr(api->server.log, "event=stopped"));
}

static void backup__keeps_to_its_rate(void **state)
{
    static const char *const slow[] = {"--background-mib", "2", NULL};
    struct api *api = *state;
    struct http_client client;
    struct http_response response;
    struct received received = {0};
    start_made_up(api, MEBIBYTE, 0, slow);
    http_client_open(&client, api->server.port);
    uint64_t began = now_ms();
    begin_backup(&client, &response);
    assert_true(http_client_receive_chunks(&client, take_piece, &received));
    /* the last of four buffers leaves when three have had their time */
    assert_true(now_ms() - began >= 370);
    http_client_close(&client);
    server_process_stop(&api->server);
}

/* On a UNIX socket no timer of TCP helps. */
static void backup__that_is_not_taken_is_broken_off(void **state)
{
    char path[sizeof(((struct api *)0)->directory) + 8];
    char listen[sizeof(path) + 8];
    const char *const options[] = {"--listen", listen, "--request-timeout-ms", "200", NULL};
    struct api *api = *state;
    struct http_client client;
    struct http_response response;
    struct received received = {0};
    snprintf(path, sizeof(path), "%s/socket", api->directory);
    snprintf(listen, sizeof(listen), "unix:%s", path);
    start_made_up(api, UINT64_C(16) * MEBIBYTE, 0, options);
    http_client_open_path(&client, path);
    begin_backup(&client, &response);
    wait_for_metric(api, "florin_backups_failed_total 1\n", &response);
    assert_false(http_client_receive_chunks(&client, take_piece, &received));
    http_client_close(&client);
    server_process_stop(&api->server);
}

/* The real thing, of a ledger with a checkpoint: an archive, from its first member to its end. */
struct archive {
    uint64_t bytes;
    char first[16];
    uint64_t zeros_at_end;
};

static void take_archive(void *context, const char *bytes, size_t length)
{
    struct archive *archive = context;
    for (size_t i = 0; i < length; i++) {
        if (archive->bytes + i < sizeof(archive->first))
            archive->first[archive->bytes + i] = bytes[i];
        archive->zeros_at_end = bytes[i] == 0 ? archive->zeros_at_end + 1 : 0;
    }
    archive->bytes += length;
}

static void backup__of_a_ledger_is_an_archive(void **state)
{
    enum { BLOCK = 512 };
    static const char *const arguments[] = {"--open", "a:100.00", NULL};
    struct api *api = *state;
    struct http_client client;
    struct http_response response;
    struct archive archive = {0};
    server_process_start(&api->server, FLORIND_PATH, api->data, arguments);
    assert_int_equal(call(api, "POST", "/admin/checkpoint", NULL, &response), 202);
    wait_until_ended(api, 1, &response);
    http_client_open(&client, api->server.port);
    begin_backup(&client, &response);
    assert_int_equal(response.status, 200);
    assert_true(http_client_receive_chunks(&client, take_archive, &archive));
    http_client_close(&client);
    assert_string_equal(archive.first, "BACKUP-INFO");
    assert_int_equal(archive.bytes % BLOCK, 0);
    assert_true(archive.zeros_at_end >= UINT64_C(2) * BLOCK);
    server_process_stop(&api->server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(checkpoint__is_begun_on_demand_and_shortens_the_log, make,
                                        clean),
        cmocka_unit_test_setup_teardown(admin_calls__refuse_what_they_do_not_know, make, clean),
        cmocka_unit_test_setup_teardown(backup__arrives_whole_and_in_chunks, make, clean),
        cmocka_unit_test_setup_teardown(backup__that_fails_in_the_middle_breaks_the_connection,
                                        make, clean),
        cmocka_unit_test_setup_teardown(backup__that_fails_is_a_reset_for_http_1_0, make, clean),
        cmocka_unit_test_setup_teardown(backup__that_cannot_begin_is_503, make, clean),
        cmocka_unit_test_setup_teardown(second__backup_is_429_until_the_first_has_left, make,
                                        clean),
        cmocka_unit_test_setup_teardown(stopping__breaks_a_backup_and_ends_cleanly, make, clean),
        cmocka_unit_test_setup_teardown(backup__keeps_to_its_rate, make, clean),
        cmocka_unit_test_setup_teardown(backup__of_a_ledger_is_an_archive, make, clean),
        cmocka_unit_test_setup_teardown(backup__that_is_not_taken_is_broken_off, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
