/* test_florin_line.c - command lines: what is refused before a server is asked, help, completion.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { OUTPUT_BYTES = 32 * 1024, COMMAND_BYTES = 1024 };

static char output[OUTPUT_BYTES];

/* Runs it in bash; outputs in `output`; its exit code. */
static int shell(const char *text)
{
    char command[COMMAND_BYTES * 2];
    snprintf(command, sizeof(command), "bash -c '%s' 2>&1", text);
    /* The words are the test's own. NOLINTNEXTLINE(cert-env33-c) */
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, OUTPUT_BYTES - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int florin(const char *words)
{
    char command[COMMAND_BYTES + 512];
    snprintf(command, sizeof(command), "%s --server http://127.0.0.1:1 %s", FLORIN_PATH, words);
    return shell(command);
}

static const char *const commands[] = {
    "open",   "account", "balance",    "history",    "transaction", "change",
    "reset",  "post",    "transfer",   "posting",    "hold",        "capture",
    "void",   "events",  "checkpoint", "completion", "verify",      "dump",
    "digest", "backup",  "restore",    "repair",     "batch"};

static void line__that_is_malformed_is_64(void **state)
{
    static const char *const wrong[][2] = {
        {"account", "too few"},
        {"account a b", "too many"},
        {"account a/b", "not an account id"},
        {"history a --from yesterday", "--from: not a time"},
        {"history a --to 2026-02-31T00:00:00Z", "--to: not a time"},
        {"history a --limit 0", "--limit: not a whole"},
        {"history a --limit", "it wants a value"},
        {"history a --key k", "wrong option: --key"},
        {"transaction 131", "not a transaction"},
        {"balance a --version 0", "--version: not a whole"},
        {"balance a --version 1 --at 2026-11-22T15:12:48Z", "not both"},
        {"transfer a b", "too few"},
        {"transfer a b five", "not a decimal"},
        {"transfer a b 5 --expected-version x", "--expected-version"},
        {"transfer a b 5 --dry-run=yes", "takes no value"},
        {"transfer a b 5 --key=", "--key: not a key"},
        {"posting a:debit:5", "too few"},
        {"posting a:debit:5 b:gift:5", "not ID:debit"},
        {"posting a:debit:5 b", "not ID:debit"},
        {"posting a:debit:5 b:credit:x", "not ID:debit"},
        {"hold a 5 --expires-in -1", "--expires-in"},
        {"capture a", "not a hold"},
        {"capture hold1:a five", "not a decimal"},
        {"void hold01:a", "not a hold"},
        {"change a", "nothing to change"},
        {"change a --status happy", "--status: not open"},
        {"change a --metadata [1]", "--metadata: not a JSON object"},
        {"change a --metadata {", "--metadata: not a JSON object"},
        {"batch", "too few"},
        {"reverse 131", "not a transaction"},
        {"reverse txn131 much", "not a decimal"},
        {"batch /proc", "not a file"},
        {"events now", "too many"},
        {"events --after txn1", "--after: not an LSN"},
        {"completion", "too few"},
        {"completion csh", "not a shell"},
        {"--follow events", "wrong option"},
        {"dance", "unknown command: dance"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int code = florin(wrong[i][0]);
        if (code != 64 || strstr(output, wrong[i][1]) == NULL)
            fail_msg("florin %s: %d %s", wrong[i][0], code, output);
    }
    /* well formed: the server is asked, which is not there */
    assert_int_equal(florin("transfer a b 5 --key=--x --dry-run"), 69);
    assert_int_equal(florin("posting a:b:debit:5 -- b:credit:5"), 69);
}

static void help__has_an_example_for_each_command(void **state)
{
    char words[COMMAND_BYTES / 8];
    char example[COMMAND_BYTES / 8];
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        snprintf(words, sizeof(words), "%s --help", commands[i]);
        snprintf(example, sizeof(example), "florin %s", commands[i]);
        assert_int_equal(florin(words), 0);
        const char *found = strstr(output, "\nExample\n");
        if (found == NULL || strstr(found, commands[i]) == NULL)
            fail_msg("%s: %s", words, output);
        assert_int_equal(florin("--help"), 0);
        assert_non_null(strstr(output, example));
    }
}

/* What bash offers at the end of a line. */
static void expect_offer(const char *line, int word, const char *offer)
{
    char command[COMMAND_BYTES + 512];
    snprintf(command, sizeof(command),
             "source <(%s completion bash); COMP_WORDS=(%s); COMP_CWORD=%d; _florin; "
             "echo \"${COMPREPLY[*]}\"",
             FLORIN_PATH, line, word);
    assert_int_equal(shell(command), 0);
    if (strcmp(output, offer) != 0)
        fail_msg("%s: %s", line, output);
}

static void completion__knows_commands_options_and_choices(void **state)
{
    (void)state;
    assert_int_equal(shell("bash -n <(" FLORIN_PATH " completion bash)"), 0);
    expect_offer("florin tra", 1, "transaction transfer\n");
    expect_offer("florin --server unix:x hol", 3, "hold\n");
    expect_offer("florin hold a 5 --ex", 4, "--expires-in --expected-version\n");
    expect_offer("florin post a d", 3, "deposit\n");
    expect_offer("florin post --key k a w", 5, "withdraw\n");
    expect_offer("florin change a --status fr", 4, "frozen\n");
    expect_offer("florin completion f", 2, "fish\n");
    expect_offer("florin verify /proc/versio", 2, "/proc/version\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        static const char *const shells[] = {"bash", "zsh", "fish"};
        for (size_t j = 0; j < sizeof(shells) / sizeof(shells[0]); j++) {
            char words[COMMAND_BYTES / 8];
            snprintf(words, sizeof(words), "completion %s", shells[j]);
            assert_int_equal(florin(words), 0);
            if (strstr(output, commands[i]) == NULL)
                fail_msg("%s is missing in %s", commands[i], words);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line__that_is_malformed_is_64),
        cmocka_unit_test(help__has_an_example_for_each_command),
        cmocka_unit_test(completion__knows_commands_options_and_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
