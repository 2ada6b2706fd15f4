/* embedded.c - durable deposits through florin.h: what the engine gives without HTTP.
 *
 * Opens --accounts accounts with ids of 16 bytes, then submits --deposits deposits to accounts
 * drawn at random, each with a key of its own of 16 bytes, in batches, and reaps them. Each client
 * is a thread. The latency is from the submission of a batch to the reaping of its results. It
 * leaves the directory for replay.c, and it must not know more of the engine than florin.h and the
 * statistics of ledger.h.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/ledger.h"
#include "florin.h"
#include "measure.h"
#include "wal/log.h"

enum {
    BATCH = 512,
    ID_BYTES = 16,
    KEY_BYTES = 16,
    OPENING_MINOR = 100000000,
};

struct arguments {
    struct florin_options options;
    uint64_t accounts;
    uint64_t deposits;
    uint64_t transfers;
    uint64_t outstanding; /* of one client */
    unsigned clients;
};

/* One thread. What it does is a range of numbers: accounts to open, or deposits to make. */
struct client {
    /* Set at start, then read-only. */
    struct florin *ledger;
    const struct arguments *arguments;
    enum florin_command_kind kind;
    uint64_t first;
    uint64_t count;

    /* Owned by the thread. */
    uint64_t random;
    uint64_t applied;
    uint64_t refused;
    struct histogram latency;
    char ids[BATCH][ID_BYTES];
    char to_ids[BATCH][ID_BYTES];
    char keys[BATCH][KEY_BYTES];
    struct florin_command commands[BATCH];
    struct florin_result results[BATCH];
};

static void make_command(struct client *client, unsigned slot, uint64_t number)
{
    struct florin_command *command = &client->commands[slot];
    uint64_t account = number;
    *command = (struct florin_command){
        .kind = client->kind,
        .account = client->ids[slot],
        .account_length = ID_BYTES,
    };
    if (client->kind != FLORIN_OPEN_ACCOUNT) {
        account = measure_random(&client->random) % client->arguments->accounts;
        measure_write_hex(client->keys[slot], number);
        command->key = client->keys[slot];
        command->key_length = KEY_BYTES;
        command->amount_minor = 100;
    }
    if (client->kind == FLORIN_OPEN_ACCOUNT)
        command->amount_minor = OPENING_MINOR;
    if (client->kind == FLORIN_TRANSFER) {
        uint64_t others = client->arguments->accounts - 1;
        uint64_t to =
            (account + 1 + measure_random(&client->random) % others) % client->arguments->accounts;
        client->keys[slot][0] = 't'; /* not a key of the deposits */
        measure_write_hex(client->to_ids[slot], to);
        command->to = client->to_ids[slot];
        command->to_length = ID_BYTES;
    }
    measure_write_hex(client->ids[slot], account);
}

static void take_results(struct client *client, size_t count)
{
    uint64_t now = measure_now_ns();
    for (size_t i = 0; i < count; i++) {
        const struct florin_result *result = &client->results[i];
        if (result->status == FLORIN_APPLIED)
            client->applied++;
        else if (client->refused++ == 0)
            fprintf(stderr, "embedded: refused: %s\n", florin_status_message(result->status));
        histogram_add(&client->latency, now - result->user_data, 1);
    }
}

static void *run_client(void *argument)
{
    struct client *client = argument;
    struct florin_client *handle = NULL;
    measure_check("florin_client_open", florin_client_open(client->ledger, &handle));
    uint64_t made = 0;      /* commands written into the batch, ever */
    uint64_t submitted = 0; /* of these, taken */
    uint64_t reaped = 0;
    unsigned first = 0; /* of the batch: the first command that was not taken yet */
    unsigned filled = 0;
    while (reaped < client->count) {
        if (first == filled) {
            first = 0;
            for (filled = 0; filled < BATCH && made < client->count; filled++, made++)
                make_command(client, filled, client->first + made);
        }
        uint64_t room = client->arguments->outstanding - (submitted - reaped);
        uint64_t wanted = filled - first < room ? filled - first : room;
        uint64_t now = measure_now_ns();
        for (unsigned i = first; i < first + wanted; i++)
            client->commands[i].user_data = now;
        size_t taken = florin_submit(handle, &client->commands[first], wanted);
        submitted += taken;
        first += (unsigned)taken;
        bool waits = taken == 0;
        size_t count = florin_reap(handle, client->results, BATCH, waits ? -1 : 0);
        reaped += count;
        take_results(client, count);
    }
    florin_client_close(handle);
    return NULL;
}

struct phase {
    double seconds;
    double cpu_seconds;
    uint64_t log_bytes;
    uint64_t commits;
    uint64_t applied;
    uint64_t refused;
    struct histogram latency;
};

static struct log_statistics log_figures(const struct florin *ledger)
{
    struct ledger_statistics statistics;
    struct log_statistics log;
    ledger_statistics(ledger, &statistics, &log);
    return log;
}

static void run_phase(struct florin *ledger, const struct arguments *arguments,
                      enum florin_command_kind kind, uint64_t count, struct phase *phase)
{
    unsigned clients = arguments->clients;
    struct client *all = calloc(clients, sizeof(*all));
    pthread_t *threads = calloc(clients, sizeof(*threads));
    measure_check("memory", all != NULL && threads != NULL ? 0 : -ENOMEM);
    struct log_statistics before = log_figures(ledger);
    uint64_t cpu_begin = measure_cpu_ns();
    uint64_t begin = measure_now_ns();
    for (unsigned i = 0; i < clients; i++) {
        all[i].ledger = ledger;
        all[i].arguments = arguments;
        all[i].kind = kind;
        all[i].first = count * i / clients;
        all[i].count = count * (i + 1) / clients - all[i].first;
        all[i].random = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        measure_check("thread", -pthread_create(&threads[i], NULL, run_client, &all[i]));
    }
    for (unsigned i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    phase->seconds = (double)(measure_now_ns() - begin) / 1e9;
    phase->cpu_seconds = (double)(measure_cpu_ns() - cpu_begin) / 1e9;
    struct log_statistics after = log_figures(ledger);
    phase->log_bytes = after.bytes - before.bytes;
    phase->commits = after.commits - before.commits;
    for (unsigned i = 0; i < clients; i++) {
        phase->applied += all[i].applied;
        phase->refused += all[i].refused;
        histogram_merge(&phase->latency, &all[i].latency);
    }
    free(threads);
    free(all);
}

static void print_phase(const char *name, const struct arguments *arguments,
                        const struct phase *phase)
{
    double applied = phase->applied > 0 ? (double)phase->applied : 1;
    printf("%s workers=%u clients=%u accounts=%llu applied=%llu refused=%llu seconds=%.2f "
           "per_second=%.0f log_bytes_each=%.1f commits_per_second=%.0f p50_us=%.0f p99_us=%.0f "
           "cpu=%.2f cpu_ns_each=%.0f\n",
           name, arguments->options.workers, arguments->clients,
           (unsigned long long)arguments->accounts, (unsigned long long)phase->applied,
           (unsigned long long)phase->refused, phase->seconds, applied / phase->seconds,
           (double)phase->log_bytes / applied, (double)phase->commits / phase->seconds,
           (double)histogram_percentile(&phase->latency, 50) / 1e3,
           (double)histogram_percentile(&phase->latency, 99) / 1e3,
           phase->cpu_seconds / phase->seconds, phase->cpu_seconds * 1e9 / applied);
}

static void usage(FILE *out)
{
    fputs("Usage: embedded --directory DIR [OPTION...]\n"
          "\n"
          "Opens accounts and makes durable deposits with keys through florin.h, and prints how "
          "many a\n"
          "second. DIR must be new or empty; it is left for replay.\n"
          "\n"
          "  --accounts N     default 1000000\n"
          "  --deposits N     default 10000000\n"
          "  --transfers N    then as many transfers of two accounts (default 0)\n"
          "  --workers N      default 2\n"
          "  --clients N      submitting threads (default 1)\n"
          "  --outstanding N  commands of one client that are unanswered (default 32768)\n"
          "  --io KIND        auto, uring, posix (default auto)\n",
          out);
}

static enum florin_io parse_io(const char *text)
{
    if (strcmp(text, "auto") == 0)
        return FLORIN_IO_AUTO;
    if (strcmp(text, "uring") == 0)
        return FLORIN_IO_URING;
    if (strcmp(text, "posix") == 0)
        return FLORIN_IO_POSIX;
    fprintf(stderr, "--io %s: wanted is auto, uring or posix\n", text);
    exit(64);
}

static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'd'},
        {"accounts", required_argument, NULL, 'a'},
        {"deposits", required_argument, NULL, 'n'},
        {"transfers", required_argument, NULL, 't'},
        {"workers", required_argument, NULL, 'w'},
        {"clients", required_argument, NULL, 'c'},
        {"outstanding", required_argument, NULL, 'o'},
        {"io", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            arguments->options.directory = optarg;
            break;
        case 'a':
            arguments->accounts = measure_parse_number("--accounts", optarg, 1, 100000000);
            break;
        case 'n':
            arguments->deposits = measure_parse_number("--deposits", optarg, 1, 1000000000);
            break;
        case 't':
            arguments->transfers = measure_parse_number("--transfers", optarg, 0, 1000000000);
            break;
        case 'w':
            arguments->options.workers =
                (unsigned)measure_parse_number("--workers", optarg, 1, FLORIN_WORKERS_MAX);
            break;
        case 'c':
            arguments->clients =
                (unsigned)measure_parse_number("--clients", optarg, 1, FLORIN_CLIENTS_MAX);
            break;
        case 'o':
            arguments->outstanding =
                measure_parse_number("--outstanding", optarg, 1, FLORIN_WAITERS_MAX);
            break;
        case 'i':
            arguments->options.io = parse_io(optarg);
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(64);
        }
    }
    if (arguments->options.directory == NULL) {
        usage(stderr);
        exit(64);
    }
}

int main(int argc, char **argv)
{
    static struct phase opening;
    static struct phase depositing;
    static struct phase transferring;
    struct arguments arguments = {
        .accounts = 1000000,
        .deposits = 10000000,
        .outstanding = 32768,
        .clients = 1,
    };
    florin_options_init(&arguments.options);
    arguments.options.workers = 2;
    arguments.options.log_line = measure_print_line;
    parse_arguments(argc, argv, &arguments);
    if (arguments.options.accounts_max < arguments.accounts)
        arguments.options.accounts_max = arguments.accounts;
    /* The engine alone: no key moves to a file, and replay.c finds the whole log. */
    uint64_t keys = arguments.deposits + arguments.transfers;
    if (arguments.options.keys_memory < 2 * keys + 2)
        arguments.options.keys_memory = 2 * keys + 2;
    arguments.options.checkpoint_bytes = 0;

    struct florin *ledger = NULL;
    measure_check("florin_open", florin_open(&arguments.options, &ledger));
    run_phase(ledger, &arguments, FLORIN_OPEN_ACCOUNT, arguments.accounts, &opening);
    print_phase("embedded_open", &arguments, &opening);
    run_phase(ledger, &arguments, FLORIN_DEPOSIT, arguments.deposits, &depositing);
    print_phase("embedded_deposit", &arguments, &depositing);
    if (arguments.transfers > 0) {
        run_phase(ledger, &arguments, FLORIN_TRANSFER, arguments.transfers, &transferring);
        print_phase("embedded_transfer", &arguments, &transferring);
    }
    florin_close(ledger);
    return opening.refused == 0 && depositing.refused == 0 && transferring.refused == 0 ? 0 : 1;
}
