/* test_florind_options.c - what the options of checkpoints and retention come to, from the command
 * line and from a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/florind_options.h"
#include "support/temporary_directory.h"

enum { HOUR = 3600, DAY = 24 * HOUR, WORDS_MAX = 8 };

#define MEBIBYTE (UINT64_C(1) << 20)
#define GIBIBYTE (UINT64_C(1) << 30)

static enum options_outcome read_options(struct florind_options *options, const char *const *words)
{
    /* getopt_long() takes words that may be moved */
    char program[] = "florind";
    char texts[WORDS_MAX][256];
    char *arguments[WORDS_MAX + 2] = {program};
    int count = 1;
    for (; count <= WORDS_MAX && words[count - 1] != NULL; count++) {
        snprintf(texts[count - 1], sizeof(texts[0]), "%s", words[count - 1]);
        arguments[count] = texts[count - 1];
    }
    optind = 1;
    return florind_options_read(options, count, arguments);
}

static void checkpoints__are_by_size_and_by_time(void **state)
{
    static const struct {
        const char *words[5];
        uint64_t bytes;
        unsigned seconds;
    } rows[] = {
        {{NULL}, GIBIBYTE, 0},
        {{"--checkpoint-mib", "0", NULL}, 0, 0},
        {{"--checkpoint-mib", "0.0", NULL}, 0, 0},
        {{"--checkpoint-mib", "0.0625", NULL}, 65536, 0},
        {{"--checkpoint-mib", "2.5", NULL}, 5 * MEBIBYTE / 2, 0},
        {{"--checkpoint-mib", "16777216", NULL}, UINT64_C(1) << 44, 0},
        {{"--checkpoint-seconds", "60", "--checkpoint-mib", "1", NULL}, MEBIBYTE, 60},
    };
    struct florind_options options;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(read_options(&options, rows[i].words), OPTIONS_RUN);
        assert_int_equal(options.checkpoint_bytes, rows[i].bytes);
        assert_int_equal(options.checkpoint_seconds, rows[i].seconds);
    }
}

static void retention__is_by_time_and_by_size(void **state)
{
    static const struct {
        const char *words[7];
        uint64_t seconds;
        uint64_t bytes;
    } rows[] = {
        {{NULL}, 0, 0},
        {{"--retain", "forever", NULL}, 0, 0},
        {{"--retain", "30d", NULL}, 30 * DAY, 0},
        {{"--retain", "12h", NULL}, 12 * HOUR, 0},
        {{"--retain", "100GiB", NULL}, 0, 100 * GIBIBYTE},
        {{"--retain", "500MiB", NULL}, 0, 500 * MEBIBYTE},
        {{"--retain", "2TiB", NULL}, 0, 2048 * GIBIBYTE},
        {{"--retain", "30d", "--retain", "8MiB", NULL}, 30 * DAY, 8 * MEBIBYTE},
        {{"--retain", "30d", "--retain", "7d", NULL}, 7 * DAY, 0},
        {{"--retain", "8MiB", "--retain", "forever", NULL}, 0, 0},
    };
    struct florind_options options;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(read_options(&options, rows[i].words), OPTIONS_RUN);
        assert_int_equal(options.retain_seconds, rows[i].seconds);
        assert_int_equal(options.retain_bytes, rows[i].bytes);
    }
}

/* A time in the file and a size on the command line are not both meant. */
static void file__says_the_same_and_is_overruled(void **state)
{
    char directory[TEMPORARY_DIRECTORY_MAX];
    char path[TEMPORARY_DIRECTORY_MAX + 16];
    struct florind_options options;
    (void)state;
    temporary_directory_make(directory);
    snprintf(path, sizeof(path), "%s/florin.conf", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("checkpoint-mib = 0.5\ncheckpoint-seconds = 5\nretain = 30d\n"
                      "retain = 1GiB\nbackground-mib = 0\nkeys-memory = 64\nholds-max = 32\n",
                      file) >= 0);
    assert_int_equal(fclose(file), 0);

    const char *const alone[] = {"--config", path, NULL};
    assert_int_equal(read_options(&options, alone), OPTIONS_RUN);
    assert_int_equal(options.checkpoint_bytes, MEBIBYTE / 2);
    assert_int_equal(options.checkpoint_seconds, 5);
    assert_int_equal(options.retain_seconds, 30 * DAY);
    assert_int_equal(options.retain_bytes, GIBIBYTE);
    assert_int_equal(options.background_mib, 0);
    assert_int_equal(options.keys_memory, 64);
    assert_int_equal(options.holds_max, 32);

    const char *const overruled[] = {"--config", path, "--retain", "8MiB", NULL};
    assert_int_equal(read_options(&options, overruled), OPTIONS_RUN);
    assert_int_equal(options.retain_seconds, 0);
    assert_int_equal(options.retain_bytes, 8 * MEBIBYTE);
    temporary_directory_remove(directory);
}

static void currencies__are_further_ones_each_said_once(void **state)
{
    static const char *const bad[] = {"BTC",    "BTC:",    ":8",    "BTC:9",  "BTC:-1",
                                      "btc:8",  "B C:2",   "USD:2", "USD:3",  "NINECODES:2",
                                      "BTC:8x", "BTC:8:8", "",      "BTC: 8", "B,C:2"};
    struct florind_options options;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *const words[] = {"--currency", bad[i], NULL};
        assert_int_equal(read_options(&options, words), OPTIONS_WRONG_USAGE);
    }
    const char *const twice[] = {"--currency", "BTC:8", "--currency", "BTC:6", NULL};
    assert_int_equal(read_options(&options, twice), OPTIONS_WRONG_USAGE);
    const char *const words[] = {"--currency", "BTC:8", "--currency", "POINTS:0", NULL};
    assert_int_equal(read_options(&options, words), OPTIONS_RUN);
    assert_int_equal(options.currency_count, 2);
    assert_string_equal(options.currencies[0].code, "BTC");
    assert_int_equal(options.currencies[0].exponent, 8);
    assert_string_equal(options.currencies[1].code, "POINTS");
    assert_int_equal(options.currencies[1].exponent, 0);
}

static void auto_create__is_in_a_currency_that_there_is(void **state)
{
    static const struct {
        const char *words[5];
        bool creates;
        const char *currency; /* NULL: refused */
    } rows[] = {
        {{NULL}, false, ""},
        {{"--auto-create", NULL}, true, ""},
        {{"--auto-create=EUR", NULL}, true, "EUR"},
        {{"--auto-create=BTC", "--currency", "BTC:8", NULL}, true, "BTC"},
        {{"--auto-create=BTC", NULL}, true, NULL},
        {{"--auto-create=eur", NULL}, true, NULL},
        {{"--auto-create=", NULL}, true, NULL},
        {{"--auto-create=NINECODES", NULL}, true, NULL},
        {{"--auto-create", "EUR", NULL}, true, NULL},
    };
    struct florind_options options;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum options_outcome wanted = rows[i].currency == NULL ? OPTIONS_WRONG_USAGE : OPTIONS_RUN;
        assert_int_equal(read_options(&options, rows[i].words), wanted);
        if (rows[i].currency == NULL)
            continue;
        assert_int_equal(options.auto_create, rows[i].creates);
        assert_string_equal(options.auto_create_currency, rows[i].currency);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints__are_by_size_and_by_time),
        cmocka_unit_test(retention__is_by_time_and_by_size),
        cmocka_unit_test(currencies__are_further_ones_each_said_once),
        cmocka_unit_test(auto_create__is_in_a_currency_that_there_is),
        cmocka_unit_test(file__says_the_same_and_is_overruled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
