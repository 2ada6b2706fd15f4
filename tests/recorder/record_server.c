/* record_server.c - a real server under many clients and kill -9, and a judge of all it answered.
 *
 *     record_server [--operations N] [--workers N] [--clients N] [--accounts N] [--kills N]
 *                   [--seed N] [--seconds N]
 *     record_server --replay FILE
 *
 * A round: a server in a fresh directory; clients work on its accounts (load.h) and record what
 * they asked and were told; it is killed again and again, and started again on its directory; once
 * more when all have ended. Then every account is read, and the whole log, and the checker of
 * tests/histories says whether a strictly serializable, durable ledger could have answered so.
 *
 * Operations are attempts: reads, changes, and all that is sent once more. More than a million are
 * done in rounds of a million, so that memory stays bounded. With `--seconds` no round begins and
 * no client goes on after that time; what there is by then is judged all the same.
 *
 * Segments and checkpoints are so small that a round crosses many. Exit code 1: there are
 * violations, or answers that no such request may get; they are printed, and the directory and the
 * history (for --replay) are kept.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "histories/checker.h"
#include "histories/story.h"
#include "recorder/load.h"
#include "recorder/log_reader.h"
#include "simulation/random.h"
#include "support/server_process.h"
#include "support/temporary_directory.h"

enum {
    OPERATIONS = 100000,
    ROUND_OPERATIONS = 1000000,
    BUFFERS_MAX = LOAD_CLIENTS_MAX + 1,
    TEXT_BYTES = 16384,
    PATH_BYTES = TEMPORARY_DIRECTORY_MAX + 16,
};

struct options {
    uint64_t operations;
    uint64_t seed;
    uint64_t seconds;
    unsigned workers;
    unsigned clients;
    unsigned accounts;
    unsigned kills; /* a round */
    const char *replay;
};

struct round {
    const struct options *options;
    struct server_process server;
    struct load load;
    struct random random;
    struct history_buffer own; /* crashes, records */
    const struct history_buffer *buffers[BUFFERS_MAX];
    size_t buffers_count;
    struct history_report report;
    char directory[TEMPORARY_DIRECTORY_MAX];
    char data[PATH_BYTES];
    unsigned kills;
};

struct totals {
    uint64_t attempts;
    uint64_t changes;
    uint64_t sights;
    uint64_t in_doubt;
    uint64_t kills;
    uint64_t load_ns;
    uint64_t check_ns;
};

/* --- the server ------------------------------------------------------------------------------ */

static void start_server(struct round *round)
{
    char workers[16];
    const char *const arguments[] = {"--workers",
                                     workers,
                                     "--segment-mib",
                                     "4",
                                     "--accounts-max",
                                     "4096",
                                     "--keys-memory",
                                     "65536",
                                     "--checkpoint-mib",
                                     "4",
                                     "--background-mib",
                                     "0",
                                     "--retain",
                                     "forever",
                                     NULL};
    snprintf(workers, sizeof(workers), "%u", round->options->workers);
    server_process_start(&round->server, FLORIND_PATH, round->data, arguments);
    load_set_up(&round->load, round->server.port);
}

/* The mark of the crash stands behind its end and before the next start. */
static void kill_and_restart(struct round *round)
{
    load_set_down(&round->load);
    server_process_signal(&round->server, SIGKILL);
    int code = server_process_wait(&round->server);
    if (code != 128 + SIGKILL) {
        (void)fprintf(stderr, "record_server: the server ended by itself with %d:\n%s\nkept: %s\n",
                      code, round->server.log, round->directory);
        exit(1);
    }
    history_crash(&round->own, load_now_ns());
    start_server(round);
    round->kills++;
}

/* --- a round --------------------------------------------------------------------------------- */

/* Kills at moments spread over the round, each somewhere within its share of it. */
static void work_and_kill(struct round *round, uint64_t operations, int64_t deadline_s)
{
    uint64_t share = operations / (round->options->kills + 1);
    load_start(&round->load);
    for (unsigned i = 0; i < round->options->kills; i++) {
        uint64_t at = share * i + random_below(&round->random, share) + share / 2;
        if (!load_wait(&round->load, at, deadline_s))
            break;
        kill_and_restart(round);
    }
    (void)load_wait(&round->load, UINT64_MAX, deadline_s);
    load_end(&round->load);
}

static void record_round(struct round *round, uint64_t operations, int64_t deadline_s)
{
    temporary_directory_make(round->directory);
    snprintf(round->data, sizeof(round->data), "%s/data", round->directory);
    history_buffer_init(&round->own, 0);
    start_server(round);
    load_open_accounts(&round->load);
    work_and_kill(round, operations, deadline_s);
    kill_and_restart(round);
    load_read_all(&round->load);
    log_reader_read(round->server.port, &round->own);
    server_process_stop(&round->server);
    round->buffers[0] = &round->own;
    load_buffers(&round->load, round->buffers + 1);
    round->buffers_count = 1 + round->load.clients_count;
}

/* --- what came of it ------------------------------------------------------------------------- */

static void print_violations(const struct history_report *report)
{
    static char text[TEXT_BYTES];
    size_t count = report->violations_count < HISTORY_VIOLATIONS_MAX ? report->violations_count
                                                                     : HISTORY_VIOLATIONS_MAX;
    for (size_t i = 0; i < count; i++) {
        (void)history_violation_format(&report->violations[i], text, sizeof(text));
        printf("%s\n", text);
    }
    printf("record_server: %zu violations\n", report->violations_count);
}

/* As text, for --replay. */
static void keep_history(const struct round *round)
{
    static char line[TEXT_BYTES];
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/history", round->directory);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        return;
    }
    for (size_t i = 0; i < round->own.crashes_count; i++)
        fprintf(file, "crash %" PRIu64 "\n", round->own.crashes_ns[i]);
    for (size_t i = 0; i < round->buffers_count; i++) {
        for (size_t it = 0; it < round->buffers[i]->operations_count; it++) {
            (void)history_operation_format(round->buffers[i], it, line, sizeof(line));
            fprintf(file, "%s\n", line);
        }
    }
    fclose(file);
    printf("kept: %s; again: record_server --replay %s\n", round->data, path);
}

static void add_totals(struct totals *totals, const struct round *round)
{
    totals->attempts += round->report.attempts;
    totals->changes += round->report.changes;
    totals->sights += round->report.sights;
    totals->in_doubt += round->report.in_doubt;
    totals->kills += round->kills;
}

/* Whether it was clean. */
static bool do_round(struct round *round, uint64_t operations, uint64_t seed, int64_t deadline_s,
                     struct totals *totals)
{
    uint64_t begin_ns = load_now_ns();
    round->random.state = ~seed;
    round->kills = 0;
    load_init(&round->load, seed, round->options->clients, round->options->accounts, operations);
    record_round(round, operations, deadline_s);
    uint64_t middle_ns = load_now_ns();
    bool is_clean = history_check(round->buffers, round->buffers_count, &round->report) == 0 &&
                    atomic_load(&round->load.complaints) == 0;
    totals->load_ns += middle_ns - begin_ns;
    totals->check_ns += load_now_ns() - middle_ns;
    add_totals(totals, round);
    if (is_clean) {
        temporary_directory_remove(round->directory);
    } else {
        print_violations(&round->report);
        keep_history(round);
    }
    load_deinit(&round->load);
    history_buffer_deinit(&round->own);
    return is_clean;
}

static void print_totals(const struct options *options, const struct totals *totals,
                         unsigned rounds)
{
    double load_s = (double)totals->load_ns / 1e9;
    printf("record_server: workers %u, clients %u, seed %" PRIu64 ", rounds %u: %" PRIu64
           " operations (%" PRIu64 " changes, %" PRIu64 " sights, %" PRIu64
           " not applied or in doubt), %" PRIu64 " kills, %.1f s (%.0f operations a second), "
           "checked in %.1f s\n",
           options->workers, options->clients, options->seed, rounds, totals->attempts,
           totals->changes, totals->sights, totals->in_doubt, totals->kills, load_s,
           (double)totals->attempts / load_s, (double)totals->check_ns / 1e9);
}

static int run(const struct options *options)
{
    static struct round round;
    struct totals totals = {0};
    uint64_t left = options->operations;
    unsigned rounds = 0;
    int64_t deadline_s = INT64_MAX;
    bool is_clean = true;
    if (options->seconds > 0)
        deadline_s = (int64_t)time(NULL) + (int64_t)options->seconds;
    printf("record_server: seed %" PRIu64 "\n", options->seed);
    (void)fflush(stdout);
    while (left > 0 && is_clean && time(NULL) < deadline_s) {
        uint64_t operations = left < ROUND_OPERATIONS ? left : ROUND_OPERATIONS;
        round.options = options;
        is_clean = do_round(&round, operations, options->seed + rounds, deadline_s, &totals);
        left -= operations;
        rounds++;
    }
    print_totals(options, &totals, rounds);
    return is_clean ? 0 : 1;
}

static int replay(const char *path)
{
    static struct story story;
    static struct history_report report;
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    story_begin(&story);
    for (ssize_t length = 0; (length = getline(&line, &room, file)) > 0;) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        story_tell_line(&story, line);
    }
    free(line);
    fclose(file);
    size_t violations = story_check(&story, &report);
    print_violations(&report);
    story_forget(&story);
    return violations == 0 ? 0 : 1;
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: record_server [--operations N] [--workers N] [--clients 1..%d] "
                  "[--accounts 2..%d] [--kills N] [--seed N] [--seconds N] | "
                  "--replay FILE\n",
                  LOAD_CLIENTS_MAX, LOAD_ACCOUNTS_MAX);
    return 64;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"operations", required_argument, NULL, 'o'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"clients", required_argument, NULL, 'c'},
                                          {"accounts", required_argument, NULL, 'a'},
                                          {"kills", required_argument, NULL, 'k'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"seconds", required_argument, NULL, 't'},
                                          {"replay", required_argument, NULL, 'r'},
                                          {0}};
    struct options options = {
        .operations = OPERATIONS,
        .seed = (uint64_t)time(NULL),
        .workers = 2,
        .clients = 16,
        .accounts = 100,
        .kills = 5,
    };
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        uint64_t number = name == '?' || name == 'r' ? 0 : strtoull(optarg, NULL, 10);
        switch (name) {
        case 'o':
            options.operations = number;
            break;
        case 'w':
            options.workers = (unsigned)number;
            break;
        case 'c':
            options.clients = (unsigned)number;
            break;
        case 'a':
            options.accounts = (unsigned)number;
            break;
        case 'k':
            options.kills = (unsigned)number;
            break;
        case 's':
            options.seed = number;
            break;
        case 't':
            options.seconds = number;
            break;
        case 'r':
            options.replay = optarg;
            break;
        default:
            return usage();
        }
    }
    if (options.replay != NULL)
        return replay(options.replay);
    if (options.clients < 1 || options.clients > LOAD_CLIENTS_MAX || options.accounts < 2 ||
        options.accounts > LOAD_ACCOUNTS_MAX || options.workers < 1 ||
        options.operations <= options.kills)
        return usage();
    return run(&options);
}
