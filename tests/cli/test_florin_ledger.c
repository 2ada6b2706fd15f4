/* test_florin_ledger.c - the tool's calls through the server: what is printed is what is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "http/api_fixture.h"
#include "http/json_object.h"

enum { OUTPUT_BYTES = 128 * 1024, COMMAND_BYTES = 2048, ROWS = 105 };

static int start(void **state)
{
    static const char *const arguments[] = {"--open", "12345:1000.00", NULL};
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

static FILE *run(const char *server, const char *words)
{
    char command[COMMAND_BYTES * 2];
    snprintf(command, sizeof(command), "%s --server %s %s", FLORIN_PATH, server, words);
    /* The words are the test's own. NOLINTNEXTLINE(cert-env33-c) */
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    return pipe;
}

static int end(FILE *pipe)
{
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Its outputs stand in a static buffer until the next call. */
static const char *florin(const struct api *api, const char *words, int code)
{
    static char output[OUTPUT_BYTES];
    char server[64];
    char with_errors[COMMAND_BYTES + 8];
    snprintf(server, sizeof(server), "http://127.0.0.1:%u", api->server.port);
    snprintf(with_errors, sizeof(with_errors), "%s 2>&1", words);
    FILE *pipe = run(server, with_errors);
    size_t length = fread(output, 1, OUTPUT_BYTES - 1, pipe);
    output[length] = '\0';
    int got = end(pipe);
    if (got != code)
        fail_msg("florin %s: %d %s", words, got, output);
    return output;
}

static void expect(const struct api *api, const char *words, int code, const char *text)
{
    const char *output = florin(api, words, code);
    if (strstr(output, text) == NULL)
        fail_msg("florin %s: %s", words, output);
}

/* Every line is an object by itself; returns how many there are. */
static int count_objects(const char *output)
{
    int count = 0;
    while (*output != '\0') {
        struct json_object object;
        struct request_fault fault;
        size_t length = strcspn(output, "\n");
        if (!json_object_parse(&object, output, length, NULL, 0, &fault))
            fail_msg("not an object: %s", output);
        json_object_free(&object);
        output += length + 1;
        count++;
    }
    return count;
}

/* More than one page of the server's. */
static void accounts__are_listed_by_id_over_pages(void **state)
{
    enum { LISTED = 230 };
    const struct api *api = *state;
    for (int i = 0; i < LISTED; i++) {
        char id[32];
        snprintf(id, sizeof(id), "listed-%03d", i);
        api_open_account(api, id, "10.00");
    }
    expect(api, "hold listed-007 4", 0, "listed-007");
    assert_int_equal(count_objects(florin(api, "accounts --prefix listed- --json", 0)), LISTED);
    assert_int_equal(count_objects(florin(api, "accounts --prefix listed- --limit 205 --json", 0)),
                     205);
    const char *output = florin(api, "accounts --prefix listed-", 0);
    const char *first = strstr(output, "listed-000");
    const char *last = strstr(output, "listed-229");
    assert_true(first != NULL && last != NULL && first < last);
    const char *held = strstr(output, "listed-007");
    assert_non_null(held);
    assert_memory_equal(held + strcspn(held, "6"), "6.00", 4);
    expect(api, "accounts --prefix nobody-", 0, "BALANCE");
    expect(api, "accounts --prefix 'a b'", 64, "id");
    expect(api, "accounts one", 64, "too many words");
}

static void account__is_shown_and_changed(void **state)
{
    const struct api *api = *state;
    api_open_account(api, "changer", "10.00");
    expect(api, "account changer", 0, "\navailable       10.00\n");
    expect(api, "change changer --minimum-balance -50 --metadata '{\"owner\":\"A\"}'", 0,
           "\nminimumBalance  -50.00\n");
    expect(api, "account changer", 0, "\nmetadata        {\"owner\":\"A\"}\n");
    expect(api, "change changer --status frozen --dry-run", 0, "\nstatus          frozen\n");
    expect(api, "account changer", 0, "\nstatus          open\n");
    expect(api, "change changer --status frozen --expected-version 1", 1, "version_mismatch");
    expect(api, "change changer --status frozen", 0, "\nstatus          frozen\n");
    expect(api, "post changer deposit 1", 1, "account_frozen");
    expect(api, "change changer", 64, "nothing to change");
    expect(api, "change nobody --status open", 1, "account_not_found");
    assert_int_equal(count_objects(florin(api, "account changer --json", 0)), 1);
    assert_int_equal(count_objects(florin(api, "change changer --status open --json", 0)), 1);
}

static void movements__move_once_a_key_and_not_on_trial(void **state)
{
    const struct api *api = *state;
    api_open_account(api, "from", "100.00");
    api_open_account(api, "to", "0.00");
    expect(api, "transfer from to 40 --dry-run", 0,
           "dry run: Transfer 40.00 from from to to, new balance 60.00\n");
    api_assert_balance(api, "from", "100.00 1");
    expect(api, "transfer from to 40 --key t --expected-version 1", 0, "new balance 60.00\n");
    expect(api, "transfer from to 40 --key t --expected-version 1", 0, "new balance 60.00\n");
    api_assert_balance(api, "to", "40.00 2");
    expect(api, "transfer from to 1 --expected-version 1", 1, "version_mismatch");
    expect(api, "transfer from to 60.01", 1, "refused: Insufficient Balance");
    expect(api, "posting from:debit:10 to:credit:9.50 12345:credit:0.50", 0,
           "Posting on from, new balance 50.00\n");
    expect(api, "posting from:debit:10 to:credit:9", 1, "unbalanced");
    api_assert_balance(api, "to", "49.50 3");
    expect(api, "post from deposit 5 --dry-run", 0, "dry run: Deposit 5.00, new balance 55.00\n");
    api_assert_balance(api, "from", "50.00 3");
    assert_int_equal(count_objects(florin(api, "transfer from to 1 --json", 0)), 1);
}

static void hold__is_captured_and_voided(void **state)
{
    const struct api *api = *state;
    char words[COMMAND_BYTES];
    char hold[128];
    api_open_account(api, "holder", "50.00");
    const char *output = florin(api, "hold holder 20 --expires-in 3600", 0);
    assert_non_null(strstr(output, ": Hold 20.00 on holder, available 30.00, until 20"));
    snprintf(hold, sizeof(hold), "%.*s", (int)(strstr(output, ": ") - output), output);
    snprintf(words, sizeof(words), "capture %s 15 --to 12345", hold);
    expect(api, words, 0, "Capture 15.00 on holder to 12345, new balance 35.00\n");
    expect(api, words, 1, "hold_resolved");
    output = florin(api, "hold holder 5", 0);
    snprintf(hold, sizeof(hold), "%.*s", (int)(strstr(output, ": ") - output), output);
    snprintf(words, sizeof(words), "void %s", hold);
    expect(api, words, 0, "Void 5.00 on holder, available 35.00\n");
    expect(api, "hold holder 35.01", 1, "insufficient_balance");
}

static void reversal__of_a_part_and_of_the_rest(void **state)
{
    const struct api *api = *state;
    char id[32];
    char words[COMMAND_BYTES];
    char expected[COMMAND_BYTES];
    api_open_account(api, "giver", "50.00");
    const char *output = florin(api, "transfer giver 12345 20", 0);
    snprintf(id, sizeof(id), "%.*s", (int)strcspn(output, ":"), output);
    snprintf(words, sizeof(words), "reverse %s 5 --key r", id);
    snprintf(expected, sizeof(expected), ": Reversal 5.00 of %s", id);
    expect(api, words, 0, expected);
    expect(api, words, 0, expected);
    snprintf(words, sizeof(words), "reverse %s 15.01", id);
    expect(api, words, 1, "reversal_exceeded");
    snprintf(words, sizeof(words), "reverse %s --dry-run", id);
    expect(api, words, 0, "dry run: Reversal 15.00 of ");
    api_assert_balance(api, "giver", "35.00 3");
    snprintf(words, sizeof(words), "reverse %s", id);
    expect(api, words, 0, ": Reversal 15.00 of ");
    api_assert_balance(api, "giver", "50.00 4");
}

static void history__follows_pages_and_aligns_money(void **state)
{
    const struct api *api = *state;
    struct http_response response;
    api_open_account(api, "long", "0.00");
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(
            api_post(api, "long", NULL, "{\"type\":\"Deposit\",\"amount\":\"9.50\"}", &response),
            201);
    assert_int_equal(count_objects(florin(api, "history long --json", 0)), ROWS + 1);
    assert_int_equal(count_objects(florin(api, "history long --json --limit 101", 0)), 101);
    expect(api, "history long --json --limit 1", 0, "\"version\":106}");
    expect(api, "history long --to 2000-01-01T00:00:00Z", 0, "TIME  ID  TYPE  AMOUNT");
    expect(api, "transfer long 12345 100 --key rent", 0, "897.50");
    /* what the other side sees has the other sign */
    expect(api, "history long --limit 2", 0, "  Transfer  -100.00   897.50      107  rent\n");
    expect(api, "history long --limit 2", 0, "  Deposit      9.50   997.50      106\n");
    expect(api, "history 12345 --limit 1", 0, "  Transfer  100.00 ");
    expect(api, "history nobody", 1, "account_not_found");
}

static void past__has_transactions_and_balances(void **state)
{
    const struct api *api = *state;
    char words[COMMAND_BYTES];
    api_open_account(api, "past", "7.00");
    const char *output = florin(api, "post past withdraw 2 --key k", 0);
    snprintf(words, sizeof(words), "transaction %.*s", (int)strcspn(output, ":"), output);
    expect(api, words, 0, "\nkey             k\n");
    expect(api, words, 0, "\npast      -2.00     5.00        2\n");
    expect(api, "transaction txn999999999", 1, "transaction_not_found");
    expect(api, "balance past --version 1", 0, "past: 7.00 (version 1, since 20");
    expect(api, "balance past --at 2100-01-01T00:00:00Z", 0, "past: 5.00 (version 2, since 20");
    expect(api, "balance past --at 2001-01-01T00:00:00Z", 1, "not_yet_open");
    expect(api, "balance past --version 3", 1, "version_not_found");
    assert_int_equal(count_objects(florin(api, "balance past --version 1 --json", 0)), 1);
}

static void keys__are_shown_when_they_are_needed(void **state)
{
    const struct api *api = *state;
    api_open_account(api, "shown", "7.00");
    expect(api, "post shown deposit 1 --verbose", 0, "florin: --key florin-");
    expect(api, "--server http://127.0.0.1:1 transfer shown 12345 1", 69,
           "it may have happened; the same again with --key florin-");
    expect(api, "--server http://127.0.0.1:1 transfer shown 12345 1 --key mine", 69, "--key mine ");
}

static void events__come_in_order_and_from_a_place(void **state)
{
    const struct api *api = *state;
    const char *output = florin(api, "events --json", 0);
    assert_true(count_objects(output) > 1);
    assert_memory_equal(output, "{\"lsn\":1,", 9);
    expect(api, "events --after 1 --limit 1 --json", 0, "{\"lsn\":2,");
    assert_int_equal(count_objects(florin(api, "events --limit 2 --json", 0)), 2);
    expect(api, "events --limit 1", 0, "       LSN  TIME                  TYPE ");
    expect(api, "events --limit 1", 0, "Open             1000.00  12345\n");
    assert_string_equal(florin(api, "events --after 100000000", 0), "");
    (void)florin(api, "events --after 1 > /dev/full", 74);
    (void)florin(api, "account 12345 > /dev/full", 74);
}

static void take_event(FILE *pipe, const char *expected)
{
    char line[4096];
    assert_non_null(fgets(line, sizeof(line), pipe));
    if (strncmp(line, expected, strlen(expected)) != 0)
        fail_msg("%s", line);
}

static void events__go_on_after_a_server_that_ended(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    char server[TEMPORARY_DIRECTORY_MAX + 32];
    (void)state;
    /* a path stays the same, a port of the system's choice does not */
    char path[] = "/tmp/florin-events-XXXXXX";
    assert_non_null(mkdtemp(path));
    snprintf(server, sizeof(server), "unix:%s/socket", path);
    const char *const arguments[] = {"--listen", server, NULL};
    api_start(api, arguments);
    api_open_account(api, "a", "1.00");
    FILE *pipe = run(server, "events --json --follow --limit 3");
    take_event(pipe, "{\"lsn\":1,");
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);
    api_restart(api, arguments);
    api_open_account(api, "b", "1.00");
    take_event(pipe, "{\"lsn\":2,");
    server_process_stop(&api->server);
    api_restart(api, arguments);
    api_open_account(api, "c", "1.00");
    take_event(pipe, "{\"lsn\":3,");
    assert_int_equal(end(pipe), 0);
    api_stop(api);
    temporary_directory_remove(path);
    free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts__are_listed_by_id_over_pages),
        cmocka_unit_test(account__is_shown_and_changed),
        cmocka_unit_test(movements__move_once_a_key_and_not_on_trial),
        cmocka_unit_test(hold__is_captured_and_voided),
        cmocka_unit_test(reversal__of_a_part_and_of_the_rest),
        cmocka_unit_test(history__follows_pages_and_aligns_money),
        cmocka_unit_test(past__has_transactions_and_balances),
        cmocka_unit_test(keys__are_shown_when_they_are_needed),
        cmocka_unit_test(events__come_in_order_and_from_a_place),
        cmocka_unit_test(events__go_on_after_a_server_that_ended),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
