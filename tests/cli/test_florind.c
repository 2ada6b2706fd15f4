/* test_florind.c - the server as a process: options, exit codes, start and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/api_fixture.h"

enum { PATH_BYTES = 256, SEGMENT_HEADER_BYTES = 4096, FRAME_BYTES = 4096 };

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

/* Runs florind to its end; its exit code. The log is in api->server.log. */
static int run(struct api *api, const char *const *arguments, bool as_nobody)
{
    server_process_spawn(&api->server, FLORIND_PATH, arguments, as_nobody);
    return server_process_wait(&api->server);
}

static void assert_log(const struct api *api, const char *text)
{
    if (strstr(api->server.log, text) == NULL)
        fail_msg("no \"%s\" in: %s", text, api->server.log);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void usage__that_is_wrong_is_64(void **state)
{
    static const char *const rows[][4] = {
        {"--nonsense", NULL},
        {"--workers", "0", NULL},
        {"--workers", "many", NULL},
        {"--listen", "nowhere", NULL},
        {"--listen", "127.0.0.1:70000", NULL},
        {"--open", "12345", NULL},
        {"--open", "12345:-1", NULL},
        {"--open", "12345:1.001", NULL},
        {"--io", "magic", NULL},
        {"--segment-mib", "3", NULL},
        {"--on-duplicate", "shrug", NULL},
        {"--commit-timeout-ms", "0", NULL},
        {"--checkpoint-mib", "0.0624", NULL},
        {"--checkpoint-mib", "1.00000", NULL},
        {"--checkpoint-mib", "1.", NULL},
        {"--checkpoint-mib", ".5", NULL},
        {"--checkpoint-mib", "64KiB", NULL},
        {"--checkpoint-seconds", "1.5", NULL},
        {"--retain", "30", NULL},
        {"--retain", "d", NULL},
        {"--retain", "0d", NULL},
        {"--retain", "5 d", NULL},
        {"--retain", "100GB", NULL},
        {"--retain", "1.5GiB", NULL},
        {"--background-mib", "-1", NULL},
        {"surplus", NULL},
        {"--listen", "0.0.0.0:0", NULL},
        {"--listen", "[::]:0", NULL},
    };
    struct api *api = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int code = run(api, rows[i], false);
        if (code != 64)
            fail_msg("row %zu: %d %s", i, code, api->server.log);
        assert_true(api->server.log_length > 0);
    }
    assert_log(api, "--insecure");
}

static void config__errors_are_78_with_file_and_line(void **state)
{
    static const struct {
        const char *text;
        const char *said;
    } rows[] = {
        {"# fine\n\nworkers = 1\ncolor = red\n", "florin.conf:4: unknown name \"color\""},
        {"workers = many\n", "florin.conf:1: workers = \"many\": must be a number from 1 to 64"},
        {"\nworkers\n", "florin.conf:2: \"name = value\" expected"},
        {"http2 = perhaps\n", "florin.conf:1: http2"},
        {"retain = 7 weeks\n", "florin.conf:1: retain = \"7 weeks\": must be forever, a time"},
    };
    struct api *api = *state;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/florin.conf", api->directory);
    const char *const arguments[] = {"--config", path, NULL};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_file(path, rows[i].text);
        assert_int_equal(run(api, arguments, false), 78);
        assert_log(api, rows[i].said);
    }
    unlink(path);
    assert_int_equal(run(api, arguments, false), 78);
    assert_log(api, "No such file");
}

static void config__is_overruled_by_the_command_line(void **state)
{
    struct api *api = *state;
    struct http_response response;
    char path[PATH_BYTES];
    char text[2 * PATH_BYTES];
    snprintf(path, sizeof(path), "%s/florin.conf", api->directory);
    snprintf(text, sizeof(text),
             "data = %s\nlisten = 127.0.0.1:1\nopen = from-file:1.00 \nopen=second:2.00\n"
             "workers = 1\nio = posix\n",
             api->data);
    write_file(path, text);
    const char *const arguments[] = {"--workers", "2",           "--config", path,
                                     "--listen",  "127.0.0.1:0", NULL};
    server_process_spawn(&api->server, FLORIND_PATH, arguments, false);
    assert_true(server_process_wait_log(&api->server, "event=ready"));
    api->server.port = server_process_log_number(&api->server, " port=");
    assert_log(api, "io=posix workers=2");
    assert_int_equal(
        http_call(api->server.port, "GET", "/accounts/second/balance", "", NULL, &response), 200);
    server_process_stop(&api->server);
}

static void open__leaves_an_account_that_is_there_alone(void **state)
{
    static const char *const opening[] = {"--open", "12345:1000.00", "--open", "a:b:5", NULL};
    static const char *const again[] = {"--open", "12345:7.00", NULL};
    struct api *api = *state;
    struct http_response response;
    server_process_start(&api->server, FLORIND_PATH, api->data, opening);
    api_assert_balance(api, "12345", "1000.00 1");
    api_assert_balance(api, "a:b", "5.00 1");
    assert_int_equal(api_post(api, "12345", NULL, "{\"type\":\"Debit\",\"amount\":1}", &response),
                     201);
    server_process_stop(&api->server);
    api_restart(api, again);
    assert_log(api, "event=account_present account=12345");
    assert_log(api, "end=clean");
    api_assert_balance(api, "12345", "999.00 2");
    server_process_stop(&api->server);
}

static void data__of_another_server_is_75_and_names_it(void **state)
{
    struct api *api = *state;
    struct api *second = calloc(1, sizeof(*second));
    char holder[64];
    server_process_start(&api->server, FLORIND_PATH, api->data, NULL);
    const char *const arguments[] = {"--data", api->data, "--listen", "127.0.0.1:0", NULL};
    assert_int_equal(run(second, arguments, false), 75);
    snprintf(holder, sizeof(holder), "holder=\"pid %d\"", (int)api->server.pid);
    assert_log(second, holder);
    /* the first one is not disturbed */
    struct http_response response;
    assert_int_equal(http_call(api->server.port, "GET", "/readyz", "", NULL, &response), 200);
    server_process_stop(&api->server);
    free(second);
}

static void port__that_is_taken_is_69(void **state)
{
    struct api *api = *state;
    struct api *second = calloc(1, sizeof(*second));
    char address[64];
    server_process_start(&api->server, FLORIND_PATH, api->data, NULL);
    snprintf(address, sizeof(address), "127.0.0.1:%u", api->server.port);
    snprintf(second->data, sizeof(second->data), "%.100s/2", api->directory);
    const char *const arguments[] = {"--data", second->data, "--listen", address, NULL};
    assert_int_equal(run(second, arguments, false), 69);
    assert_log(second, address);
    assert_log(second, "Address already in use");
    server_process_stop(&api->server);
    free(second);
}

static void directory__that_cannot_be_made_is_73_or_77(void **state)
{
    struct api *api = *state;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/missing/data", api->directory);
    const char *const below_nothing[] = {"--data", path, "--listen", "127.0.0.1:0", NULL};
    assert_int_equal(run(api, below_nothing, false), 73);
    assert_log(api, path);
    snprintf(path, sizeof(path), "%s/file", api->directory);
    write_file(path, "");
    assert_int_equal(run(api, below_nothing, false), 73);
    if (geteuid() != 0)
        return;
    /* without root's rights, in a directory of root's */
    assert_int_equal(chmod(api->directory, 0755), 0);
    snprintf(path, sizeof(path), "%s/data", api->directory);
    assert_int_equal(run(api, below_nothing, true), 77);
    assert_log(api, "Permission denied");
}

/* Overwrites bytes of the first segment. */
static void damage(const struct api *api, off_t offset)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/log/0000000000000001.wal", api->data);
    int descriptor = open(path, O_WRONLY);
    assert_true(descriptor >= 0);
    assert_int_equal(pwrite(descriptor, "damaged!", 8, offset), 8);
    close(descriptor);
}

static void damaged_log__is_65_and_says_where(void **state)
{
    static const char *const opening[] = {"--open", "12345:1000.00", NULL};
    struct api *api = *state;
    struct http_response response;
    server_process_start(&api->server, FLORIND_PATH, api->data, opening);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            api_post(api, "12345", NULL, "{\"type\":\"Debit\",\"amount\":1}", &response), 201);
    server_process_stop(&api->server);
    damage(api, SEGMENT_HEADER_BYTES + FRAME_BYTES + 200);
    const char *const arguments[] = {"--data", api->data, "--listen", "127.0.0.1:0", NULL};
    assert_int_equal(run(api, arguments, false), 65);
    assert_log(api, "0000000000000001.wal offset=8192");
    assert_log(api, "advice=");
    /* refused again: nothing was cut off */
    assert_int_equal(run(api, arguments, false), 65);
}

static void foreign_meta__is_65(void **state)
{
    struct api *api = *state;
    char path[PATH_BYTES];
    server_process_start(&api->server, FLORIND_PATH, api->data, NULL);
    server_process_stop(&api->server);
    snprintf(path, sizeof(path), "%s/meta", api->data);
    int descriptor = open(path, O_WRONLY);
    assert_true(descriptor >= 0);
    assert_int_equal(pwrite(descriptor, "WHATEVER", 8, 0), 8);
    close(descriptor);
    const char *const arguments[] = {"--data", api->data, "--listen", "127.0.0.1:0", NULL};
    assert_int_equal(run(api, arguments, false), 65);
    assert_log(api, "meta");
}

static void sigint_and_sigterm__end_cleanly(void **state)
{
    struct api *api = *state;
    server_process_start(&api->server, FLORIND_PATH, api->data, NULL);
    server_process_signal(&api->server, SIGINT);
    assert_int_equal(server_process_wait(&api->server), 0);
    assert_log(api, "event=stopping signal=SIGINT");
    assert_log(api, "event=stopped");
    api_restart(api, NULL);
    assert_log(api, "end=clean");
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    api_restart(api, NULL);
    assert_log(api, "end=crash");
    server_process_stop(&api->server);
}

static void io_uring__that_is_refused_falls_back_with_a_warning(void **state)
{
    struct api *api = *state;
    struct http_response response;
    const char *const arguments[] = {FLORIND_PATH,  "--data", api->data,       "--listen",
                                     "127.0.0.1:0", "--open", "12345:1000.00", NULL};
    server_process_spawn(&api->server, WITHOUT_IO_URING_PATH, arguments, false);
    assert_true(server_process_wait_log(&api->server, "event=ready"));
    assert_log(api, "level=warning event=io_fallback io=posix "
                    "reason=\"io_uring refused: Operation not permitted\"");
    assert_log(api, " io=posix workers=");
    api->server.port = server_process_log_number(&api->server, " port=");
    assert_int_equal(api_post(api, "12345", "k", "{\"type\":\"Debit\",\"amount\":1}", &response),
                     201);
    assert_int_equal(http_call(api->server.port, "GET", "/metrics", "", NULL, &response), 200);
    api_assert_in_body(&response, "io=\"posix\"");
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);

    /* who asks for it by name gets no other */
    const char *const uring[] = {FLORIND_PATH,  "--data", api->data, "--listen",
                                 "127.0.0.1:0", "--io",   "uring",   NULL};
    server_process_spawn(&api->server, WITHOUT_IO_URING_PATH, uring, false);
    assert_int_equal(server_process_wait(&api->server), 77);
    assert_log(api, "event=cannot_open");

    /* what was written without it is read with it */
    api_restart(api, NULL);
    api_assert_balance(api, "12345", "999.00 2");
    server_process_stop(&api->server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(usage__that_is_wrong_is_64, make, clean),
        cmocka_unit_test_setup_teardown(config__errors_are_78_with_file_and_line, make, clean),
        cmocka_unit_test_setup_teardown(config__is_overruled_by_the_command_line, make, clean),
        cmocka_unit_test_setup_teardown(open__leaves_an_account_that_is_there_alone, make, clean),
        cmocka_unit_test_setup_teardown(data__of_another_server_is_75_and_names_it, make, clean),
        cmocka_unit_test_setup_teardown(port__that_is_taken_is_69, make, clean),
        cmocka_unit_test_setup_teardown(directory__that_cannot_be_made_is_73_or_77, make, clean),
        cmocka_unit_test_setup_teardown(damaged_log__is_65_and_says_where, make, clean),
        cmocka_unit_test_setup_teardown(foreign_meta__is_65, make, clean),
        cmocka_unit_test_setup_teardown(io_uring__that_is_refused_falls_back_with_a_warning, make,
                                        clean),
        cmocka_unit_test_setup_teardown(sigint_and_sigterm__end_cleanly, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
