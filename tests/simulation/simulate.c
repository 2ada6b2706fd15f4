/* simulate.c - runs seeds of the simulation.
 *
 *     simulate [--seeds N] [--from S] [--seconds T]    seeds S, S + 1, ...; defaults 400, 1, no
 * limit
 *              [--step N]                              every N-th seed only
 *              [--require-counters]                    fails when something never happened
 *     simulate --seed S [--trace]                      one seed, and what happens in it
 *
 * Also FLORIN_SIMULATION_SEEDS and FLORIN_SEED. One seed in a hundred runs twice: the two traces
 * must be the same. A seed that fails is printed with the command that shows it.
 */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "simulation/simulation.h"

enum {
    SEEDS_DEFAULT = 400,
    TWICE_EVERY = 100,
    SEED_SECONDS_MAX = 60, /* a seed that hangs is one that fails */
    /* Larger pieces come fresh from the kernel: most of a ledger's memory is never touched. */
    MALLOC_LARGE_BYTES = 256 * 1024,
};

struct settings {
    uint64_t from;
    uint64_t seeds;
    uint64_t step;
    uint64_t seconds; /* 0: no limit */
    bool one;
    bool trace;
    bool require_counters;
};

/* For the signal handler: what to say when the ledger aborts or hangs. */
static struct {
    char text[128];
    size_t length;
} last_words;

static void say_last_words(int signal_number)
{
    ssize_t written = write(STDOUT_FILENO, last_words.text, last_words.length);
    _exit(written < 0 ? 2 : 128 + signal_number);
}

static void watch_seed(uint64_t seed)
{
    int length = snprintf(last_words.text, sizeof last_words.text,
                          "\nseed %" PRIu64 " failed: it aborted, crashed or hung\n"
                          "replay: script/simulate --seed %" PRIu64 " --trace\n",
                          seed, seed);
    last_words.length = (size_t)length;
    alarm(SEED_SECONDS_MAX);
}

static void catch_signals(void)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], say_last_words);
}

/* --- one seed -------------------------------------------------------------------------------- */

static bool run_seed(uint64_t seed, bool trace, struct counters *counters, uint64_t *hash)
{
    struct simulation *simulation = calloc(1, sizeof *simulation);
    if (simulation == NULL)
        return false;
    simulation->seed = seed;
    simulation->counters = counters;
    simulation->trace.printed = trace;
    watch_seed(seed);
    bool passed = simulation_run(simulation);
    alarm(0);
    *hash = simulation->trace.hash;
    if (!passed)
        printf("\nseed %" PRIu64 " failed: %s\nreplay: script/simulate --seed %" PRIu64
               " --trace\n",
               seed, simulation->failure, seed);
    free(simulation);
    return passed;
}

static bool run_twice(uint64_t seed, struct counters *counters)
{
    uint64_t first;
    uint64_t second;
    if (!run_seed(seed, false, counters, &first) || !run_seed(seed, false, counters, &second))
        return false;
    if (first != second)
        printf("\nseed %" PRIu64 " failed: two runs differ, %016" PRIx64 " and %016" PRIx64 "\n",
               seed, first, second);
    return first == second;
}

/* --- many ------------------------------------------------------------------------------------ */

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool run_seeds(const struct settings *settings, struct counters *counters)
{
    double start = seconds_now();
    uint64_t run = 0;
    bool passed = true;
    while (passed && run < settings->seeds) {
        uint64_t seed = settings->from + run * settings->step;
        uint64_t hash;
        passed = seed % TWICE_EVERY == 0 ? run_twice(seed, counters)
                                         : run_seed(seed, false, counters, &hash);
        run += passed;
        if (settings->seconds > 0 && seconds_now() - start >= (double)settings->seconds)
            break;
    }
    double took = seconds_now() - start;
    printf("simulated %" PRIu64 " seeds from %" PRIu64 " in %.1f s: %.0f a second\n", run,
           settings->from, took, (double)run / took);
    return passed;
}

static bool print_counters(const struct counters *counters, bool required)
{
    static const struct {
        const char *name;
        const char *text;
    } lines[COUNTERS] = {
#define X(name, text) {#name, text},
        COUNTER_LIST(X)
#undef X
    };
    bool complete = true;
    for (unsigned i = 0; i < COUNTERS; i++) {
        bool missing = counters->of[i] == 0;
        printf("counter %-26s %10" PRIu64 "  %s%s\n", lines[i].name, counters->of[i], lines[i].text,
               missing ? "  (never)" : "");
        complete &= !missing;
    }
    if (required && !complete)
        printf("failed: something never happened\n");
    return complete || !required;
}

/* --- options --------------------------------------------------------------------------------- */

static bool take_number(const char *name, char **argv, int *i, uint64_t *number)
{
    if (strcmp(argv[*i], name) != 0 || argv[*i + 1] == NULL)
        return false;
    *number = strtoull(argv[++*i], NULL, 10);
    return true;
}

static bool take_flag(const char *name, char **argv, const int *i, bool *flag)
{
    if (strcmp(argv[*i], name) != 0)
        return false;
    *flag = true;
    return true;
}

static bool take_options(int argc, char **argv, struct settings *settings)
{
    for (int i = 1; i < argc; i++) {
        if (take_number("--seed", argv, &i, &settings->from)) {
            settings->one = true;
            continue;
        }
        if (!take_number("--seeds", argv, &i, &settings->seeds) &&
            !take_number("--from", argv, &i, &settings->from) &&
            !take_number("--step", argv, &i, &settings->step) &&
            !take_number("--seconds", argv, &i, &settings->seconds) &&
            !take_flag("--trace", argv, &i, &settings->trace) &&
            !take_flag("--require-counters", argv, &i, &settings->require_counters)) {
            fprintf(stderr, "simulate: unknown option %s\n", argv[i]);
            return false;
        }
    }
    return settings->step > 0;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .from = number_from("FLORIN_SEED", 1),
        .seeds = number_from("FLORIN_SIMULATION_SEEDS", SEEDS_DEFAULT),
        .step = 1,
    };
    if (!take_options(argc, argv, &settings))
        return 64;
    catch_signals();
    mallopt(M_MMAP_THRESHOLD, MALLOC_LARGE_BYTES);
    struct counters counters = {0};
    if (settings.one) {
        uint64_t hash = 0;
        bool passed = run_seed(settings.from, settings.trace, &counters, &hash);
        printf("seed %" PRIu64 ": trace %016" PRIx64 "\n", settings.from, hash);
        return passed ? 0 : 1;
    }
    bool passed = run_seeds(&settings, &counters);
    bool complete = print_counters(&counters, settings.require_counters && passed);
    return passed && complete ? 0 : 1;
}
