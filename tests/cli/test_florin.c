/* test_florin.c - the operator's tool against a real server and real files. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "http/api_fixture.h"

enum { OUTPUT_BYTES = 8192, COMMAND_BYTES = 1024 };

static int start(void **state)
{
    static const char *const arguments[] = {"--open", "12345:1000.00", "--currency", "BTC:8", NULL};
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

/* Runs `florin WORDS` through the shell, with both outputs in `output`; its exit code. */
static int florin(const struct api *api, const char *words, char output[OUTPUT_BYTES])
{
    char command[COMMAND_BYTES];
    snprintf(command, sizeof(command), "%s --server http://127.0.0.1:%u %s 2>&1", FLORIN_PATH,
             api->server.port, words);
    /* The words are the test's own. NOLINTNEXTLINE(cert-env33-c) */
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, OUTPUT_BYTES - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(const struct api *api, const char *words, int code, const char *text)
{
    char output[OUTPUT_BYTES];
    int got = florin(api, words, output);
    if (got != code || strstr(output, text) == NULL)
        fail_msg("florin %s: %d %s", words, got, output);
}

static void balance__is_printed_for_people_and_programs(void **state)
{
    expect(*state, "balance 12345", 0, "12345: 1000.00 USD (version 1)\n");
    expect(*state, "--json balance 12345", 0,
           "{\"id\":\"12345\",\"balance\":\"1000.00\",\"currency\":\"USD\",\"version\":1}\n");
    expect(*state, "balance nobody", 1, "Account not found (account_not_found, HTTP 404)");
}

static void post__moves_money_once_a_key(void **state)
{
    const struct api *api = *state;
    expect(api, "open poster --balance 10.00", 0, "poster: 10.00 USD (version 1)\n");
    expect(api, "post poster deposit 1.5 --key k", 0, "Deposit 1.50, new balance 11.50\n");
    expect(api, "post poster deposit 1.5 --key k", 0, "Deposit 1.50, new balance 11.50\n");
    expect(api, "post poster withdraw 0.50 --expected-version 2", 0, "new balance 11.00\n");
    expect(api, "post poster withdraw 0.50 --expected-version 2", 1, "version_mismatch, HTTP 409");
    expect(api, "post poster withdraw 11.01", 1, "insufficient_balance, HTTP 422");
    expect(api, "--json post poster withdraw 1", 0, "\"newBalance\":\"10.00\",\"newVersion\":4");
    api_assert_balance(api, "poster", "10.00 4");
}

static void reset__corrects_up_and_down_and_not_at_all(void **state)
{
    const struct api *api = *state;
    expect(api, "open resetter --balance 751.00", 0, "751.00");
    expect(api, "reset resetter 1000.00", 0, "resetter: 1000.00 USD (version 2)\n");
    expect(api, "reset resetter 1000", 0, "resetter: 1000.00 USD (version 2)\n");
    expect(api, "reset resetter 0.01", 0, "resetter: 0.01 USD (version 3)\n");
    expect(api, "reset resetter 0", 0, "resetter: 0.00 USD (version 4)\n");
    expect(api, "reset resetter 0.001", 64, "not an amount in USD");
    expect(api, "reset nobody 5", 1, "account_not_found");
    expect(api, "open yen --currency JPY", 0, "yen: 0 JPY");
    expect(api, "reset yen 5", 0, "yen: 5 JPY (version 2)\n");
    expect(api, "open coins --currency BTC", 0, "coins: 0.00000000 BTC");
    expect(api, "reset coins 0.12345678", 0, "coins: 0.12345678 BTC (version 2)\n");
}

static void usage__that_is_wrong_is_64_and_silence_69(void **state)
{
    static const char *const wrong[] = {
        "",
        "dance",
        "balance",
        "balance 'a b'",
        "post a deposit",
        "post a steal 5",
        "post a deposit five",
        "reset a",
        "verify",
        "--wrong balance a",
        "post a deposit 1 --expected-version x",
        "--server nonsense balance a",
    };
    char output[OUTPUT_BYTES];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int code = florin(*state, wrong[i], output);
        if (code != 64)
            fail_msg("florin %s: %d %s", wrong[i], code, output);
    }
    expect(*state, "--server http://127.0.0.1:1 balance a", 69, "no answer from");
    expect(*state, "--help", 0, "florin reset ID AMOUNT");
    expect(*state, "--version", 0, "florin ");
}

static void verify__adds_up_and_finds_damage(void **state)
{
    struct api *api = calloc(1, sizeof(*api));
    char words[COMMAND_BYTES];
    char path[COMMAND_BYTES];
    (void)state;
    static const char *const arguments[] = {"--open", "a:10.00", "--open", "b:5.50", NULL};
    api_start(api, arguments);
    expect(api, "post a withdraw 1 --key k", 0, "9.00");
    server_process_signal(&api->server, SIGKILL);
    assert_int_equal(server_process_wait(&api->server), 128 + SIGKILL);

    snprintf(words, sizeof(words), "verify %s", api->data);
    expect(api, words, 0, "sound\n");
    expect(api, words, 0, "accounts  2\n");
    expect(api, words, 0, "14.50 USD (2 accounts)\n");
    snprintf(words, sizeof(words), "--json verify %s", api->data);
    expect(api, words, 0, "\"records\":3,");
    expect(api, words, 0, "\"accounts\":2,\"keys\":1,\"balances\":{\"USD\":\"14.50\"},\"lsn\":3,");

    snprintf(path, sizeof(path), "%s/log/0000000000000001.wal", api->data);
    int descriptor = open(path, O_WRONLY);
    assert_true(descriptor >= 0);
    assert_int_equal(pwrite(descriptor, "x", 1, 4096 + 4096 + 200), 1);
    close(descriptor);
    expect(api, words, 65, "{\"sound\":false,\"end\":\"damaged\"");
    expect(api, words, 65, "\"file\":\"log/0000000000000001.wal\",\"offset\":8192,");
    snprintf(words, sizeof(words), "verify %s", api->data);
    expect(api, words, 65, "DAMAGED: ");
    expect(api, "verify /nonexistent", 74, "there is no ledger");
    temporary_directory_remove(api->directory);
    free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(balance__is_printed_for_people_and_programs),
        cmocka_unit_test(post__moves_money_once_a_key),
        cmocka_unit_test(reset__corrects_up_and_down_and_not_at_all),
        cmocka_unit_test(usage__that_is_wrong_is_64_and_silence_69),
        cmocka_unit_test(verify__adds_up_and_finds_damage),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
