/* test_tools.c - florin on files: what it prints, for people and programs, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "florin.h"
#include "http/api_fixture.h"
#include "tools/hand_written.h"

enum { OUTPUT_BYTES = 16384, COMMAND_BYTES = 2048 };

struct tools {
    struct api api;
    char output[OUTPUT_BYTES];
};

/* Runs `florin WORDS`, in the directory of the test, with both outputs; its exit code. In the
 * words, URL stands for the server's. */
static int florin(struct tools *tools, const char *words)
{
    char command[COMMAND_BYTES];
    snprintf(command, sizeof(command),
             "cd %s && export URL=http://127.0.0.1:%u && { %s --server $URL %s; } 2>&1",
             tools->api.directory, tools->api.server.port, FLORIN_PATH, words);
    /* The words are the test's own. NOLINTNEXTLINE(cert-env33-c) */
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(tools->output, 1, OUTPUT_BYTES - 1, pipe);
    tools->output[length] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(struct tools *tools, const char *words, int code, const char *text)
{
    int got = florin(tools, words);
    if (got != code || strstr(tools->output, text) == NULL)
        fail_msg("florin %s: %d %s\nexpected: %d %s", words, got, tools->output, code, text);
}

/* Digits of times become 0, so that lines can be compared. */
static void mask_times(char *text)
{
    char *place = text;
    while ((place = strstr(place, "T")) != NULL) {
        /* dddd-dd-ddTdd:dd:dd.dddddddddZ */
        bool is_time = place - text >= 10 && strlen(place) >= 20 && place[-3] == '-' &&
                       place[3] == ':' && place[9] == '.' && place[19] == 'Z';
        for (int i = -10; i < 20 && is_time; i++) {
            if (place[i] >= '0' && place[i] <= '9')
                place[i] = '0';
        }
        place++;
    }
}

/* A server that has seen five records, one of them refused, with a checkpoint before the last. */
static int start(void **state)
{
    static const char *const arguments[] = {"--open", "a:10.00", NULL};
    struct tools *tools = calloc(1, sizeof(*tools));
    assert_non_null(tools);
    api_start(&tools->api, arguments);
    expect(tools, "open yen --currency JPY", 0, "yen: 0 JPY");
    expect(tools, "post a withdraw 1 --key k1", 0, "9.00");
    expect(tools, "post a withdraw 100 --key k2", 1, "insufficient_balance");
    expect(tools, "checkpoint $URL", 0, "checkpoint at LSN 4\n");
    expect(tools, "post yen deposit 7 --key k3 --expected-version 1", 0, "new balance 7");
    *state = tools;
    return 0;
}

static int stop(void **state)
{
    struct tools *tools = *state;
    temporary_directory_remove(tools->api.directory);
    free(tools);
    return 0;
}

static const char *data(const struct tools *tools)
{
    return strrchr(tools->api.data, '/') + 1;
}

/* "WORDS" with %s for the data directory. */
static const char *on_data(const struct tools *tools, const char *before, const char *after)
{
    static char words[COMMAND_BYTES / 2];
    snprintf(words, sizeof(words), "%s %s %s", before, data(tools), after);
    return words;
}

static void end_server(struct tools *tools)
{
    server_process_signal(&tools->api.server, SIGTERM);
    assert_int_equal(server_process_wait(&tools->api.server), 0);
}

static void dump__of_a_running_server_is_a_table(void **state)
{
    struct tools *tools = *state;
    assert_int_equal(florin(tools, on_data(tools, "dump", "")), 0);
    mask_times(tools->output);
    assert_string_equal(
        tools->output,
        "       LSN  TIME                            KIND      STATUS                ACCOUNT       "
        "                      AMOUNT           BALANCE  CUR    VERSION    PREVIOUS  EXPECTED  "
        "KEY\n"
        "         1  0000-00-00T00:00:00.000000000Z  open      applied               a             "
        "                       10.00             10.00  USD          1           0         -  "
        "-\n"
        "         2  0000-00-00T00:00:00.000000000Z  open      applied               yen           "
        "                           0                 0  JPY          1           0         -  "
        "-\n"
        "         3  0000-00-00T00:00:00.000000000Z  withdraw  applied               a             "
        "                        1.00              9.00  USD          2           1         -  "
        "k1\n"
        "         4  0000-00-00T00:00:00.000000000Z  withdraw  insufficient_balance  a             "
        "                      100.00              9.00  USD          2           3         -  "
        "k2\n"
        "         5  0000-00-00T00:00:00.000000000Z  deposit   applied               yen           "
        "                           7                 7  JPY          2           2         1  "
        "k3\n");
}

static void dump__as_json_is_an_object_a_line(void **state)
{
    struct tools *tools = *state;
    assert_int_equal(florin(tools, on_data(tools, "dump", "--json --from 2 --to 5")), 0);
    mask_times(tools->output);
    assert_string_equal(
        tools->output,
        "{\"lsn\":2,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"open\",\"status\":"
        "\"applied\",\"account\":\"yen\",\"amount\":\"0\",\"amountMinor\":0,\"balance\":\"0\","
        "\"balanceMinor\":0,\"currency\":\"JPY\",\"version\":1,\"previous\":0,\"minimumBalance\":"
        "\"0\",\"minimumBalanceMinor\":0}\n"
        "{\"lsn\":3,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"withdraw\",\"status\":"
        "\"applied\",\"account\":\"a\",\"amount\":\"1.00\",\"amountMinor\":100,\"balance\":"
        "\"9.00\",\"balanceMinor\":900,\"currency\":\"USD\",\"version\":2,\"previous\":1,\"key\":"
        "\"k1\"}\n"
        "{\"lsn\":4,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"withdraw\",\"status\":"
        "\"insufficient_balance\",\"account\":\"a\",\"amount\":\"100.00\",\"amountMinor\":10000,"
        "\"balance\":\"9.00\",\"balanceMinor\":900,\"currency\":\"USD\",\"version\":2,"
        "\"previous\":3,\"key\":\"k2\"}\n"
        "{\"lsn\":5,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"deposit\",\"status\":"
        "\"applied\",\"account\":\"yen\",\"amount\":\"7\",\"amountMinor\":7,\"balance\":\"7\","
        "\"balanceMinor\":7,\"currency\":\"JPY\",\"version\":2,\"previous\":2,"
        "\"expectedVersion\":1,\"key\":\"k3\"}\n");
}

static void dump__of_one_account_has_only_its_records(void **state)
{
    struct tools *tools = *state;
    assert_int_equal(florin(tools, on_data(tools, "dump", "--json --account yen")), 0);
    unsigned lines = 0;
    for (const char *place = tools->output; (place = strchr(place, '\n')) != NULL; place++)
        lines++;
    assert_int_equal(lines, 2);
    assert_null(strstr(tools->output, "\"account\":\"a\""));
    expect(tools, on_data(tools, "dump", "--from 9"), 0, "KEY\n");
    expect(tools, on_data(tools, "dump", "--account 'a b'"), 64, "wrong option");
    expect(tools, on_data(tools, "dump", ">/dev/full"), 74, "the output cannot be written");
}

static void digest__is_an_lsn_and_sixteen_digits(void **state)
{
    struct tools *tools = *state;
    char at_end[64];
    assert_int_equal(florin(tools, on_data(tools, "digest", "")), 0);
    assert_int_equal(strlen(tools->output), 2 + 16 + 1);
    assert_memory_equal(tools->output, "5 ", 2);
    assert_int_equal(strspn(tools->output + 2, "0123456789abcdef"), 16);
    snprintf(at_end, sizeof(at_end), "%.60s", tools->output);
    expect(tools, on_data(tools, "digest", "--at 5"), 0, at_end);
    expect(tools, on_data(tools, "digest", "--at 0"), 0, "0 0000000000000000\n");
    expect(tools, on_data(tools, "digest", "--at 6"), 64, "LSN 6: the log ends with LSN 5");
    expect(tools, on_data(tools, "digest", "--at x"), 64, "wrong option");
    expect(tools, "digest nothing", 74, "nothing: there is no ledger");
    expect(tools, on_data(tools, "digest", "--json"), 0, "{\"lsn\":5,\"digest\":\"");
}

static void checkpoint__needs_a_server(void **state)
{
    struct tools *tools = *state;
    expect(tools, "checkpoint", 0, "checkpoint at LSN 5\n");
    expect(tools, "checkpoint --json", 0, "\"running\":false,\"ended\":3,\"completed\":3");
    expect(tools, "checkpoint http://127.0.0.1:1", 69, "no answer");
    expect(tools, "checkpoint nonsense", 64, "must be http");
}

static void backup__of_a_server_is_restored_elsewhere(void **state)
{
    struct tools *tools = *state;
    char digest[64];
    assert_int_equal(florin(tools, on_data(tools, "digest", "")), 0);
    snprintf(digest, sizeof(digest), "%.60s", tools->output);
    expect(tools, "backup $URL x.tar", 0, "x.tar: ");
    expect(tools, "backup $URL x.tar", 73, "not overwritten");
    expect(tools, "backup http://127.0.0.1:1 y.tar", 69, "broke off after 0 bytes");
    expect(tools, "backup nothing y.tar", 74, "nothing: there is no ledger");
    expect(tools, on_data(tools, "backup", "y.tar"), 75, "has it open");
    expect(tools, "backup $URL /nonexistent/y.tar", 74, "/nonexistent/y.tar.tmp: ");
    /* nothing half made */
    expect(tools, "dump y.tar", 74, "no ledger");
    expect(tools, "restore x.tar there", 0, digest);
    expect(tools, "restore x.tar there", 73, "there: it is there and not empty");
    expect(tools, "restore - piped < x.tar", 0, digest);
    expect(tools, "digest piped", 0, digest);
    expect(tools, "verify piped", 0, "sound\n");
    expect(tools, "restore x.tar earlier --until 3", 0, "\n3 ");
    expect(tools, "restore x.tar earlier2 --until 2000-01-01T00:00:00Z", 0, "\n0 ");
    expect(tools, "restore x.tar later --until 2100-01-01T00:00:00.5Z --json", 0, "\"lsn\":5,");
    expect(tools, "restore x.tar later2 --until 6", 64, "the backup ends with LSN 5");
    expect(tools, "restore nothing.tar z", 74, "No such file");
    expect(tools, "restore /dev/null z", 65, "cut off");
    expect(tools, "restore /proc/version z", 65, "/proc/version: (stream) at offset ");
    static const char *const wrong[] = {"-1",
                                        "1x",
                                        "",
                                        "2026-11-22",
                                        "2026-02-30T00:00:00Z",
                                        "2026-11-22T15:12:48",
                                        "2026-11-22T15:12:48+01:00",
                                        "2026-11-22T25:12:48Z"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char words[128];
        snprintf(words, sizeof(words), "restore x.tar z --until '%s'", wrong[i]);
        expect(tools, words, 64, "wrong option");
    }
}

static void usage__of_commands_on_files_is_checked(void **state)
{
    static const char *const wrong[] = {
        "dump",           "dump a b",      "digest",   "digest a b", "backup a",
        "restore a",      "restore a b c", "repair a", "repair",     "repair a --drop-from 0",
        "checkpoint a b", "verify a b",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int code = florin(*state, wrong[i]);
        if (code != 64)
            fail_msg("florin %s: %d", wrong[i], code);
    }
    expect(*state, "--help", 0, "florin repair DIR --drop-from LSN");
}

/* The last one: it ends the server. */
static void repair__asks_first_and_keeps_what_it_drops(void **state)
{
    struct tools *tools = *state;
    expect(tools, on_data(tools, "repair", "--drop-from 4 --accept-loss"), 75, "stop it first");
    end_server(tools);
    expect(tools, on_data(tools, "backup", "stopped.tar"), 0, "stopped.tar: ");
    expect(tools, on_data(tools, "backup", "- | wc -c"), 0, "\n");
    expect(tools, on_data(tools, "repair", "--drop-from 4"), 64,
           "lost: the records from LSN 4 to 5\n");
    assert_non_null(strstr(tools->output, "nothing was changed; to do it, say --accept-loss"));
    expect(tools, on_data(tools, "digest", ""), 0, "5 ");
    expect(tools, on_data(tools, "repair", "--drop-from 9 --accept-loss"), 64,
           "the log ends with LSN 5");
    expect(tools, on_data(tools, "repair", "--drop-from 4 --accept-loss"), 0,
           "the log ends with LSN 3\n");
    expect(tools, on_data(tools, "digest", ""), 0, "3 ");
    expect(tools, on_data(tools, "verify", ""), 0, "sound\n");
}

/* What no server of this test has written: behind the three records that the repair has left. */
static void write_postings(const struct tools *tools)
{
    static const struct record_leg YEN = {.id = "yen",
                                          .id_length = 3,
                                          .direction = FLORIN_CREDIT,
                                          .version = 2,
                                          .balance_minor = 5,
                                          .amount_minor = 5,
                                          .previous_lsn = 2};
    struct record records[] = {
        {.kind = FLORIN_HOLD,
         .balance_minor = 900,
         .amount_minor = 300,
         .held_minor = 300,
         .request = 1,
         .detail = UINT64_C(4102444800000000000)},
        {.kind = FLORIN_BATCH,
         .as_admin = true,
         .balance_minor = 800,
         .amount_minor = 100,
         .held_minor = 300,
         .key = "k4",
         .key_length = 2,
         .request = UINT64_C(0xfedcba9876543210),
         .direction = FLORIN_DEBIT,
         .legs = &YEN,
         .leg_count = 1},
        {.kind = FLORIN_CAPTURE,
         .has_expected_balance = true,
         .expected_balance_minor = 700,
         .balance_minor = 550,
         .amount_minor = 250,
         .request = 2,
         .target_lsn = 4,
         .direction = FLORIN_DEBIT},
        {.kind = FLORIN_CHANGE_ACCOUNT,
         .balance_minor = 550,
         .currency = "USD",
         .account_status = FLORIN_STATE_FROZEN,
         .minimum_balance_minor = -200},
        {.kind = FLORIN_TRANSFER,
         .status = FLORIN_ACCOUNT_FROZEN,
         .balance_minor = 550,
         .amount_minor = 100,
         .key = "k5",
         .key_length = 2,
         .request = 3,
         .detail = 2,
         .detail_minor = 5,
         .refused_leg = 1},
    };
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        records[i].id = "a";
        records[i].id_length = 1;
        records[i].exponent = 2;
        records[i].time_ns = UINT64_C(1763800000000000000);
        records[i].previous_lsn = 3 + i;
        records[i].version = i == 4 ? 6 : 3 + i;
    }
    hand_write(tools->api.data, records, sizeof(records) / sizeof(records[0]));
}

/* Behind repair, which has ended the server. */
static void dump__shows_legs_holds_and_changes(void **state)
{
    struct tools *tools = *state;
    write_postings(tools);
    expect(tools, on_data(tools, "verify", ""), 0, "sound\n");
    assert_int_equal(florin(tools, on_data(tools, "dump", "--from 4")), 0);
    mask_times(tools->output);
    assert_string_equal(
        tools->output,
        "       LSN  TIME                            KIND      STATUS                ACCOUNT       "
        "                      AMOUNT           BALANCE  CUR    VERSION    PREVIOUS  EXPECTED  "
        "KEY\n"
        "         4  0000-00-00T00:00:00.000000000Z  hold      applied               a             "
        "                        3.00              9.00  USD          3           3         -  -  "
        "held 3.00  until 0000-00-00T00:00:00.000000000Z\n"
        "         5  0000-00-00T00:00:00.000000000Z  batch     applied               a             "
        "                        1.00              8.00  USD          4           4         -  k4  "
        "admin  debit  held 3.00\n"
        "                                            credit                          yen           "
        "                           5                 5               2           2\n"
        "         6  0000-00-00T00:00:00.000000000Z  capture   applied               a             "
        "                        2.50              5.50  USD          5           5         -  -  "
        "at least 7.00  debit  of 4\n"
        "         7  0000-00-00T00:00:00.000000000Z  change    applied               a             "
        "                        0.00              5.50  USD          6           6         -  -  "
        "frozen  minimum -2.00\n"
        "         8  0000-00-00T00:00:00.000000000Z  transfer  account_frozen        a             "
        "                        1.00              5.50  USD          6           7         -  k5  "
        "leg 1\n");
    assert_int_equal(florin(tools, on_data(tools, "dump", "--json --from 4")), 0);
    mask_times(tools->output);
    assert_string_equal(
        tools->output,
        "{\"lsn\":4,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"hold\",\"status\":"
        "\"applied\",\"account\":\"a\",\"amount\":\"3.00\",\"amountMinor\":300,\"balance\":\"9."
        "00\",\"balanceMinor\":900,\"currency\":\"USD\",\"version\":3,\"previous\":3,\"request\":"
        "\"0000000000000001\",\"held\":\"3.00\",\"heldMinor\":300,\"expires\":\"0000-00-00T00:00:"
        "00.000000000Z\"}\n"
        "{\"lsn\":5,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"batch\",\"status\":"
        "\"applied\",\"account\":\"a\",\"amount\":\"1.00\",\"amountMinor\":100,\"balance\":\"8."
        "00\",\"balanceMinor\":800,\"currency\":\"USD\",\"version\":4,\"previous\":4,\"admin\":"
        "true,\"key\":\"k4\",\"request\":\"fedcba9876543210\",\"held\":\"3.00\",\"heldMinor\":300,"
        "\"direction\":\"debit\",\"legs\":[{\"account\":\"yen\",\"direction\":\"credit\","
        "\"amount\":\"5\",\"amountMinor\":5,\"balance\":\"5\",\"balanceMinor\":5,\"version\":2,"
        "\"previous\":2}]}\n"
        "{\"lsn\":6,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"capture\",\"status\":"
        "\"applied\",\"account\":\"a\",\"amount\":\"2.50\",\"amountMinor\":250,\"balance\":\"5."
        "50\",\"balanceMinor\":550,\"currency\":\"USD\",\"version\":5,\"previous\":5,"
        "\"expectedBalance\":\"7.00\",\"expectedBalanceMinor\":700,\"request\":"
        "\"0000000000000002\",\"target\":4,\"held\":\"0.00\",\"heldMinor\":0,\"direction\":"
        "\"debit\",\"legs\":[]}\n"
        "{\"lsn\":7,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"change\",\"status\":"
        "\"applied\",\"account\":\"a\",\"amount\":\"0.00\",\"amountMinor\":0,\"balance\":\"5.50\","
        "\"balanceMinor\":550,\"currency\":\"USD\",\"version\":6,\"previous\":6,\"minimumBalance\":"
        "\"-2.00\",\"minimumBalanceMinor\":-200,\"accountStatus\":\"frozen\"}\n"
        "{\"lsn\":8,\"time\":\"0000-00-00T00:00:00.000000000Z\",\"kind\":\"transfer\",\"status\":"
        "\"account_frozen\",\"account\":\"a\",\"amount\":\"1.00\",\"amountMinor\":100,\"balance\":"
        "\"5.50\",\"balanceMinor\":550,\"currency\":\"USD\",\"version\":6,\"previous\":7,\"key\":"
        "\"k5\",\"request\":\"0000000000000003\",\"held\":\"0.00\",\"heldMinor\":0,\"refusedLeg\":"
        "1,\"refusedVersion\":2,\"refusedBalanceMinor\":5}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dump__of_a_running_server_is_a_table),
        cmocka_unit_test(dump__as_json_is_an_object_a_line),
        cmocka_unit_test(dump__of_one_account_has_only_its_records),
        cmocka_unit_test(digest__is_an_lsn_and_sixteen_digits),
        cmocka_unit_test(checkpoint__needs_a_server),
        cmocka_unit_test(backup__of_a_server_is_restored_elsewhere),
        cmocka_unit_test(usage__of_commands_on_files_is_checked),
        cmocka_unit_test(repair__asks_first_and_keeps_what_it_drops),
        cmocka_unit_test(dump__shows_legs_holds_and_changes),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
