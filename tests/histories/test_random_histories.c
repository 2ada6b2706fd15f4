/* Large random histories: good ones pass, and a single damage is found, named right, once.
 *
 * FLORIN_TEST_SEED chooses others; FLORIN_STRIDE makes the largest one smaller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histories/generator.h"
#include "histories/mutator.h"
#include "support/stride.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    CLIENTS_MAX = 32,
    GOOD_HISTORIES = 100,
    GOOD_OPERATIONS = 3000,
    DAMAGED_HISTORIES = 12, /* of each mutation */
    LARGE_OPERATIONS = 1000000,
};

static uint64_t choose_seed(void)
{
    const char *text = getenv("FLORIN_TEST_SEED");
    return text == NULL ? 20250502 : strtoull(text, NULL, 10);
}

static size_t check_generated(const struct generated *generated, struct history_report *report)
{
    const struct history_buffer *buffers[CLIENTS_MAX + 1];
    for (size_t i = 0; i < generated->buffers_count; i++)
        buffers[i] = &generated->buffers[i];
    return history_check(buffers, generated->buffers_count, report);
}

/* Every seed has its own numbers of clients and accounts, and its own misfortunes. */
static struct generator_options draw_options(uint64_t seed, size_t operations,
                                             enum generator_log log)
{
    struct random random = {seed};
    return (struct generator_options){
        .seed = seed,
        .operations = operations,
        .clients = (uint32_t)random_between(&random, 2, CLIENTS_MAX),
        .accounts = random_between(&random, 2, 20),
        .log = log,
        .doubts_per_mille = (uint32_t)random_below(&random, 100),
        .crashes_per_million = (uint32_t)random_below(&random, 10000),
    };
}

static void fail_with(const struct generator_options *options, const char *wanted,
                      const struct history_report *report)
{
    char text[2048] = "nothing";
    if (report->violations_count > 0)
        (void)history_violation_format(&report->violations[0], text, sizeof(text));
    fail_msg("seed %llu: expected %s, found %zu: %s", (unsigned long long)options->seed, wanted,
             report->violations_count, text);
}

static void check_good(enum generator_log log)
{
    struct history_report report;
    struct history_report all = {0};
    for (uint64_t i = 0; i < GOOD_HISTORIES; i++) {
        struct generator_options options = draw_options(choose_seed() + i, GOOD_OPERATIONS, log);
        struct generated generated;
        history_generate(&options, &generated);
        if (check_generated(&generated, &report) != 0)
            fail_with(&options, "nothing", &report);
        all.changes += report.changes;
        all.sights += report.sights;
        all.in_doubt += report.in_doubt;
        all.crashes += report.crashes;
        generated_deinit(&generated);
    }
    assert_true(all.changes > 0 && all.sights > 0 && all.in_doubt > 0 && all.crashes > 0);
}

static void good_histories__pass_when_the_log_is_known(void **state)
{
    (void)state;
    check_good(GENERATOR_WITH_RECORDS);
}

static void good_histories__pass_when_only_answers_are_known(void **state)
{
    (void)state;
    check_good(GENERATOR_WITHOUT_RECORDS);
}

static void one_damage__is_found_by_its_rule(void **state)
{
    (void)state;
    struct history_report report;
    for (size_t i = 0; i < MUTATIONS_COUNT; i++) {
        const struct mutation *mutation = &MUTATIONS[i];
        size_t found = 0;
        for (uint64_t seed = choose_seed(); seed < choose_seed() + DAMAGED_HISTORIES; seed++) {
            struct generator_options options =
                draw_options(seed, GOOD_OPERATIONS, GENERATOR_WITH_RECORDS);
            struct random random = {seed};
            struct generated generated;
            history_generate(&options, &generated);
            if (mutation->apply(&generated, &random)) {
                found++;
                if (check_generated(&generated, &report) != 1 ||
                    report.violations_of[mutation->rule] != 1) {
                    print_message("%s\n", mutation->name);
                    fail_with(&options, history_rule_name(mutation->rule), &report);
                }
            }
            generated_deinit(&generated);
        }
        if (found < DAMAGED_HISTORIES / 2)
            fail_msg("%s: found a place in %zu histories only", mutation->name, found);
    }
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void a_million_operations__are_checked_in_seconds(void **state)
{
    (void)state;
    const struct generator_options options = {
        .seed = choose_seed(),
        .operations = LARGE_OPERATIONS / (size_t)stride_choose(),
        .clients = 16,
        .accounts = 1000,
        .log = GENERATOR_WITH_RECORDS,
        .doubts_per_mille = 10,
        .crashes_per_million = 100,
    };
    struct generated generated;
    struct history_report report;
    struct random random = {options.seed};
    history_generate(&options, &generated);
    double start = seconds_now();
    size_t violations = check_generated(&generated, &report);
    double seconds = seconds_now() - start;
    if (violations != 0)
        fail_with(&options, "nothing", &report);
    print_message("%zu attempts, %zu changes, %zu sights, %zu in doubt, %zu crashes: %.2f s\n",
                  report.attempts, report.changes, report.sights, report.in_doubt, report.crashes,
                  seconds);
    const struct mutation *last = &MUTATIONS[MUTATIONS_COUNT - 1];
    assert_true(last->apply(&generated, &random));
    if (check_generated(&generated, &report) != 1 || report.violations_of[last->rule] != 1)
        fail_with(&options, history_rule_name(last->rule), &report);
    generated_deinit(&generated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_histories__pass_when_the_log_is_known),
        cmocka_unit_test(good_histories__pass_when_only_answers_are_known),
        cmocka_unit_test(one_damage__is_found_by_its_rule),
        cmocka_unit_test(a_million_operations__are_checked_in_seconds),
    };
    print_message("FLORIN_TEST_SEED=%llu\n", (unsigned long long)choose_seed());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
