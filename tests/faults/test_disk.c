/* test_disk.c - a real server on a real disk that becomes full, or whose writes fail.
 *
 * Run by on_loop_disk.sh, which makes the disk and says where it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ballast.h"
#include "http/api_fixture.h"
#include "load.h"

enum {
    PATH_BYTES = 256,
    NAMES_BYTES = 1024,
    /* Accounts of a round of changes that come again: so many that both workers own some. */
    AGAIN_ACCOUNTS = 8,
    /* A server whose disk failed ends within a second; the rest is for whatever else the machine
     * does meanwhile. One that waited for something would wait for a deadline of 5 s, or for ever.
     */
    END_MS_MAX = 4000,
};

struct fixture {
    struct api api; /* its data is on the disk */
    struct load *load;
    const char *disk;
    const char *backing;
    struct http_response response;
    struct http_response first[2 * AGAIN_ACCOUNTS]; /* answers of two rounds */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const char *from_environment(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "no %s: run it by on_loop_disk.sh\n", name);
        exit(1);
    }
    return value;
}

static int make(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->load = calloc(1, sizeof(*fixture->load));
    fixture->disk = from_environment("FLORIN_DISK");
    fixture->backing = from_environment("FLORIN_BACKING");
    snprintf(fixture->api.directory, sizeof(fixture->api.directory), "%s/test", fixture->disk);
    snprintf(fixture->api.data, sizeof(fixture->api.data), "%s/data", fixture->api.directory);
    if (mkdir(fixture->api.directory, 0700) != 0)
        return -1;
    *state = fixture;
    return 0;
}

static int clean(void **state)
{
    struct fixture *fixture = *state;
    temporary_directory_remove(fixture->api.directory);
    load_free(fixture->load);
    free(fixture);
    return 0;
}

static void run_command(const char *command)
{
    /* The words are the test's own. NOLINTNEXTLINE(cert-env33-c) */
    if (system(command) != 0)
        fail_msg("%s", command);
}

static void start(struct fixture *fixture, const char *io)
{
    const char *const arguments[] = {
        "--workers", "2", "--segment-mib", "4", "--io", io, "--checkpoint-mib", "0", NULL};
    server_process_start(&fixture->api.server, FLORIND_PATH, fixture->api.data, arguments);
}

static void kill_server(struct fixture *fixture)
{
    server_process_signal(&fixture->api.server, SIGKILL);
    assert_int_equal(server_process_wait(&fixture->api.server), 128 + SIGKILL);
}

static int call(struct fixture *fixture, const char *method, const char *path)
{
    return http_call(fixture->api.server.port, method, path, "", NULL, &fixture->response);
}

/* Asks for a checkpoint and waits for its end; whether it was completed. */
static bool make_checkpoint(struct fixture *fixture)
{
    assert_int_equal(call(fixture, "GET", "/admin/checkpoint"), 200);
    uint64_t completed = api_number(&fixture->response, "completed");
    assert_int_equal(call(fixture, "POST", "/admin/checkpoint"), 202);
    uint64_t number = api_number(&fixture->response, "number");
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    do {
        assert_true(now_ms() < limit);
        assert_int_equal(call(fixture, "GET", "/admin/checkpoint"), 200);
    } while (api_number(&fixture->response, "ended") < number);
    return api_number(&fixture->response, "completed") > completed;
}

/* The checkpoints that a start would look at, in one text. */
static void list_checkpoints(const struct fixture *fixture, char names[NAMES_BYTES])
{
    char path[PATH_BYTES];
    struct dirent **entries;
    size_t length = 0;
    snprintf(path, sizeof(path), "%s/checkpoint", fixture->api.data);
    int count = scandir(path, &entries, NULL, alphasort);
    assert_true(count >= 0);
    names[0] = '\0';
    for (int i = 0; i < count; i++) {
        if (strstr(entries[i]->d_name, ".ckpt") != NULL &&
            strstr(entries[i]->d_name, ".tmp") == NULL)
            length +=
                (size_t)snprintf(names + length, NAMES_BYTES - length, "%s ", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    assert_true(length > 0 && length < NAMES_BYTES);
}

static void assert_reads_go_on(struct fixture *fixture)
{
    char path[64];
    for (unsigned i = 0; i < LOAD_CLIENTS; i++) {
        snprintf(path, sizeof(path), "/accounts/load%u/balance", i);
        assert_int_equal(call(fixture, "GET", path), 200);
    }
    assert_int_equal(call(fixture, "GET", "/healthz"), 200);
}

/* --- changes that come again ------------------------------------------------------------------ */

static int send_numbered(struct fixture *fixture, unsigned number, const char *key,
                         struct http_response *response)
{
    char id[32];
    snprintf(id, sizeof(id), "again%u", number % AGAIN_ACCOUNTS);
    return api_post(&fixture->api, id, key, "{\"type\":\"Deposit\",\"amount\":3}", response);
}

static void send_round(struct fixture *fixture, unsigned round)
{
    for (unsigned i = 0; i < AGAIN_ACCOUNTS; i++) {
        unsigned number = round * AGAIN_ACCOUNTS + i;
        char key[32];
        snprintf(key, sizeof(key), "round%u", round);
        assert_int_equal(send_numbered(fixture, number, key, &fixture->first[number]), 201);
    }
}

/* Each gets its first answer, byte for byte, and a new key on its account is refused. */
static void check_rounds_while_full(struct fixture *fixture)
{
    for (unsigned number = 0; number < 2 * AGAIN_ACCOUNTS; number++) {
        char key[32];
        snprintf(key, sizeof(key), "round%u", number / AGAIN_ACCOUNTS);
        assert_int_equal(send_numbered(fixture, number, key, &fixture->response), 201);
        assert_string_equal(fixture->response.body, fixture->first[number].body);
        api_assert_header(&fixture->response, "Idempotency-Replayed", "true");
        assert_int_equal(send_numbered(fixture, number, "new", &fixture->response), 503);
        api_assert_in_body(&fixture->response,
                           "\"code\":\"storage_full\",\"outcome\":\"not_applied\"");
    }
}

/* --- backups -------------------------------------------------------------------------------- */

struct copy {
    int file; /* -1: nowhere */
    bool is_full;
    uint64_t bytes;
};

static void take_piece(void *context, const char *bytes, size_t length)
{
    struct copy *copy = context;
    copy->bytes += length;
    if (copy->file >= 0 && !copy->is_full)
        copy->is_full = write(copy->file, bytes, length) != (ssize_t)length;
}

static void begin_backup(struct fixture *fixture, struct http_client *client)
{
    http_client_open(client, fixture->api.server.port);
    assert_true(http_client_request(client, "GET", "/admin/backup", "", NULL));
    assert_true(http_client_receive_head(client, &fixture->response));
    assert_int_equal(fixture->response.status, 200);
}

/* To the server's own disk, which is full: the client gives up, as a tool does. */
static void back_up_to_full_disk(struct fixture *fixture)
{
    struct http_client client;
    char path[PATH_BYTES];
    struct copy copy = {0};
    snprintf(path, sizeof(path), "%s/backup.tar", fixture->api.directory);
    copy.file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(copy.file >= 0);
    begin_backup(fixture, &client);
    (void)http_client_receive_chunks(&client, take_piece, &copy);
    http_client_close(&client);
    assert_true(copy.is_full);
    close(copy.file);
    assert_int_equal(unlink(path), 0);
}

static void back_up_whole(struct fixture *fixture)
{
    struct http_client client;
    struct copy copy = {.file = -1};
    begin_backup(fixture, &client);
    assert_true(http_client_receive_chunks(&client, take_piece, &copy));
    http_client_close(&client);
    assert_true(copy.bytes > 0 && copy.bytes % 512 == 0);
}

/* --- the tests ------------------------------------------------------------------------------ */

static void full_disk__refuses_changes_and_goes_on_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct load *load = fixture->load;
    char before[NAMES_BYTES];
    char after[NAMES_BYTES];
    start(fixture, "auto");
    load_open_accounts(load, fixture->api.server.port);
    for (unsigned i = 0; i < AGAIN_ACCOUNTS; i++) {
        char id[32];
        snprintf(id, sizeof(id), "again%u", i);
        api_open_account(&fixture->api, id, "0");
    }
    send_round(fixture, 0);
    load_start(load, fixture->api.server.port);
    load_wait(&load->applied, 200);
    assert_true(make_checkpoint(fixture)); /* the keys of the first round are in a file now */
    list_checkpoints(fixture, before);
    send_round(fixture, 1);

    ballast_fill(fixture->disk);
    /* every client is refused, again and again */
    load_wait(&load->refused_full, 10 * LOAD_CLIENTS);
    assert_reads_go_on(fixture);
    assert_int_equal(api_post(&fixture->api, "load0", NULL, "{\"type\":\"Deposit\",\"amount\":1}",
                              &fixture->response),
                     503);
    api_assert_body(&fixture->response, "{\"error\":\"The disk is full\",\"code\":\"storage_full\","
                                        "\"outcome\":\"not_applied\"}");
    api_assert_header(&fixture->response, "Retry-After", "1");
    check_rounds_while_full(fixture);

    /* A checkpoint that finds no room is given up; the one before stays what it was. A segment that
     * was being made when the disk became full has given its room back since: that goes first. */
    uint64_t limit = now_ms() + SERVER_PROCESS_TIMEOUT_MS;
    ballast_fill(fixture->disk);
    while (make_checkpoint(fixture)) {
        assert_true(now_ms() < limit);
        list_checkpoints(fixture, before);
        ballast_fill(fixture->disk);
    }
    list_checkpoints(fixture, after);
    assert_string_equal(after, before);
    back_up_to_full_disk(fixture);
    back_up_whole(fixture);
    assert_reads_go_on(fixture);

    ballast_remove(fixture->disk);
    load_wait(&load->applied, 200);
    load_stop(load);
    assert_int_equal(atomic_load(&load->unknown), 0);
    assert_int_equal(atomic_load(&load->not_committed), 0);
    assert_int_equal(atomic_load(&load->unanswered), 0);
    load_verify(load, fixture->api.server.port);

    /* the old checkpoint is good: a start uses it */
    char expected[64];
    const char *newest = before + strlen(before) - strlen("0123456789abcdef.ckpt ");
    snprintf(expected, sizeof(expected), "checkpoint_lsn=%llu ", strtoull(newest, NULL, 16));
    kill_server(fixture);
    start(fixture, "auto");
    assert_non_null(strstr(fixture->api.server.log, expected));
    assert_null(strstr(fixture->api.server.log, "event=checkpoint_damaged"));
    load_verify(load, fixture->api.server.port);
    assert_true(make_checkpoint(fixture));
    server_process_stop(&fixture->api.server);
}

static void full_disk__lets_a_server_start_that_was_killed(void **state)
{
    struct fixture *fixture = *state;
    struct load *load = fixture->load;
    start(fixture, "auto");
    load_open_accounts(load, fixture->api.server.port);
    load_start(load, fixture->api.server.port);
    load_wait(&load->applied, 200);
    ballast_fill(fixture->disk);
    load_wait(&load->refused_full, LOAD_CLIENTS);
    load_stop(load);
    kill_server(fixture);
    ballast_fill(fixture->disk);
    start(fixture, "auto");
    load_verify(load, fixture->api.server.port); /* no room for anything new is no matter */
    assert_reads_go_on(fixture);
    ballast_remove(fixture->disk);
    load_start(load, fixture->api.server.port);
    load_wait(&load->applied, 200);
    load_stop(load);
    load_verify(load, fixture->api.server.port);
    server_process_stop(&fixture->api.server);
}

/* Checks the disk as after a crash, and takes the pages below from all that is zero: the next write
 * to a zeroed segment needs one, and fails when there is none. No server runs. */
static void remount(void)
{
    run_command(ON_LOOP_DISK_PATH " remount");
}

static void check_failed_disk(struct fixture *fixture, const char *io)
{
    struct load *load = fixture->load;
    start(fixture, io);
    load_open_accounts(load, fixture->api.server.port);
    load_start(load, fixture->api.server.port);
    load_wait(&load->applied, 200);
    load_stop(load);
    server_process_stop(&fixture->api.server);
    remount();
    start(fixture, io);
    load_start(load, fixture->api.server.port);
    load_wait(&load->applied, 50);
    ballast_fill(fixture->backing);

    assert_int_equal(server_process_wait(&fixture->api.server), 74);
    uint64_t ended_ms = now_ms();
    load_wait_end(load);
    uint64_t failed_ms = atomic_load(&load->failed_ms);
    assert_true(failed_ms > 0);
    assert_true(ended_ms < failed_ms + END_MS_MAX);
    /* Whose change was on its way was told that nobody knows. It may be that none was: what failed
     * first can be a mark or a segment that is made ahead, while the clients were between two
     * changes. Of those who were told "not applied", load_resolve() sees that it is true. */
    assert_int_equal(atomic_load(&load->unknown) + atomic_load(&load->not_committed) +
                         atomic_load(&load->unanswered),
                     LOAD_CLIENTS);
    assert_int_equal(atomic_load(&load->refused_full), 0);
    assert_non_null(strstr(fixture->api.server.log, "event=disk_failed"));
    assert_non_null(strstr(fixture->api.server.log, "exit=74"));

    ballast_remove(fixture->backing);
    remount();
    start(fixture, io);
    load_resolve(load, fixture->api.server.port);
    load_verify(load, fixture->api.server.port);
    server_process_stop(&fixture->api.server);
}

static void failed_disk__ends_with_74_and_loses_nothing(void **state)
{
    check_failed_disk(*state, "auto");
}

static void failed_disk__ends_with_74_over_posix_too(void **state)
{
    check_failed_disk(*state, "posix");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(full_disk__refuses_changes_and_goes_on_by_itself, make,
                                        clean),
        cmocka_unit_test_setup_teardown(full_disk__lets_a_server_start_that_was_killed, make,
                                        clean),
        cmocka_unit_test_setup_teardown(failed_disk__ends_with_74_and_loses_nothing, make, clean),
        cmocka_unit_test_setup_teardown(failed_disk__ends_with_74_over_posix_too, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
