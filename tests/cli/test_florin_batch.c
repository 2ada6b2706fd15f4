/* test_florin_batch.c - `florin batch`: a file of items, sent once or more often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/api_fixture.h"

enum { OUTPUT_BYTES = 16 * 1024, COMMAND_BYTES = 1024, MANY = 2500 };

static int start(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    api_start(api, NULL);
    *state = api;
    return 0;
}

static int stop(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

static void file_path(const struct api *api, char path[COMMAND_BYTES / 2])
{
    snprintf(path, COMMAND_BYTES / 2, "%s/items", api->directory);
}

static FILE *create_file(const struct api *api)
{
    char path[COMMAND_BYTES / 2];
    file_path(api, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

static void write_file(const struct api *api, const char *text)
{
    FILE *file = create_file(api);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* Sends the file; both outputs are in a static buffer until the next call. */
static const char *batch(const struct api *api, const char *options, int code)
{
    static char output[OUTPUT_BYTES];
    char path[COMMAND_BYTES / 2];
    char command[COMMAND_BYTES + 512];
    file_path(api, path);
    snprintf(command, sizeof(command), "%s --server http://127.0.0.1:%u batch %s %s 2>&1",
             FLORIN_PATH, api->server.port, options, path);
    /* The words are the test's own. NOLINTNEXTLINE(cert-env33-c) */
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, OUTPUT_BYTES - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != code)
        fail_msg("%d %s", WEXITSTATUS(status), output);
    return output;
}

static void batch__says_which_lines_failed(void **state)
{
    const struct api *api = *state;
    api_open_account(api, "a", "10.00");
    write_file(api, "{\"type\":\"Deposit\",\"account\":\"a\",\"amount\":\"1.00\"}\n"
                    "\n"
                    "{\"type\":\"Withdraw\",\"account\":\"a\",\"amount\":\"99.00\"}\r\n"
                    "nonsense\n"
                    "{}\n"
                    "[1]\n"
                    "{\"type\":\"Withdraw\",\"account\":\"a\",\"amount\":2,\"key\":\"own\"}");
    const char *output = batch(api, "", 1);
    assert_non_null(
        strstr(output, "line 3: Insufficient Balance (insufficient_balance, HTTP 422)\n"));
    assert_non_null(strstr(output, "line 4: the line is not a JSON object\n"));
    assert_non_null(strstr(output, "line 5: "));
    assert_non_null(strstr(output, "invalid_request, HTTP 400)\n"));
    assert_non_null(strstr(output, "line 6: the line is not a JSON object\n"));
    assert_non_null(strstr(output, "\n2 applied, 0 applied before, 4 failed\n"));
    api_assert_balance(api, "a", "9.00 3");
    output = batch(api, "--json", 1);
    assert_non_null(strstr(output, "{\"line\":3,\"result\":{\"error\":\"Insufficient Balance\","));
    assert_non_null(strstr(output, "{\"line\":4,\"error\":\"the line is not a JSON object\"}\n"));
    assert_non_null(
        strstr(output, "\n{\"applied\":0,\"replayed\":2,\"failed\":4,\"complete\":true}\n"));
    api_assert_balance(api, "a", "9.00 3");
}

static void batch__of_another_file_has_other_keys(void **state)
{
    const struct api *api = *state;
    api_open_account(api, "other", "0.00");
    write_file(api, "{\"type\":\"Deposit\",\"account\":\"other\",\"amount\":\"1\"}\n"
                    "{\"type\":\"Deposit\",\"account\":\"other\",\"amount\":\"1\"}\n");
    assert_string_equal(batch(api, "", 0), "2 applied, 0 applied before, 0 failed\n");
    assert_string_equal(batch(api, "", 0), "0 applied, 2 applied before, 0 failed\n");
    write_file(api, "{\"type\":\"Deposit\",\"account\":\"other\",\"amount\":\"2\"}\n");
    assert_string_equal(batch(api, "", 0), "1 applied, 0 applied before, 0 failed\n");
    api_assert_balance(api, "other", "4.00 4");
}

static void batch__goes_on_where_a_crash_stopped_it(void **state)
{
    struct api *api = *state;
    char expected[64];
    unsigned long applied = 0;
    unsigned long before = 0;
    char path[COMMAND_BYTES / 2];
    char port[16];
    char server[64];
    api_open_account(api, "many", "0.00");
    FILE *file = create_file(api);
    for (int i = 0; i < MANY; i++)
        fprintf(file, "{\"type\":\"Deposit\",\"account\":\"many\",\"amount\":\"1.00\"}\n");
    assert_int_equal(fclose(file), 0);
    file_path(api, path);
    snprintf(port, sizeof(port), "%u", api->server.port);
    snprintf(server, sizeof(server), "http://127.0.0.1:%s", port);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execl(FLORIN_PATH, "florin", "--server", server, "batch", path, (char *)NULL);
        _exit(127);
    }
    /* In the middle: the first items are there. */
    for (;;) {
        struct http_response response;
        assert_int_equal(http_call(api->server.port, "GET", "/accounts/many", "", "", &response),
                         200);
        if (api_number(&response, "version") > 1)
            break;
    }
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    api_restart(api, NULL);
    const char *output = batch(api, "", 0);
    if (sscanf(output, "%lu applied, %lu applied before, 0 failed", &applied, &before) != 2)
        fail_msg("%s", output);
    assert_int_equal(applied + before, MANY);
    assert_true(before > 0);
    snprintf(expected, sizeof(expected), "%d.00 %d", MANY, MANY + 1);
    api_assert_balance(api, "many", expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch__says_which_lines_failed),
        cmocka_unit_test(batch__of_another_file_has_other_keys),
        cmocka_unit_test(batch__goes_on_where_a_crash_stopped_it),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
