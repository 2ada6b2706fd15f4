/* checkpoint.c - what checkpoints cost and what they save: memory, pauses, latency, restarts.
 *
 *     1. opens accounts, deposits with a key each: memory an account, memory a recent key
 *     2. latency of deposits, a steady stream of small batches: alternately for some seconds
 * without a checkpoint and for as long as one takes
 *     3. memory an old key, when the key files have them
 *     4. a tail of deposits, then the start: checkpoint, tail
 *
 * It must not know more of the engine than florin.h and the statistics of ledger.h.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/runtime/ledger.h"
#include "florin.h"
#include "measure.h"

enum {
    BATCH = 512,
    OUTSTANDING = 16384,
    /* The steady stream: so many deposits every so often. */
    STREAM_BATCH = 16,
    STREAM_GAP_US = 500,
    ID_BYTES = 16,
};

struct run {
    struct florin_options options;
    struct florin *ledger;
    uint64_t accounts;
    uint64_t deposits;
    uint64_t tail;
    unsigned rounds;
    unsigned seconds;
    uint64_t next_key; /* never used twice */
    uint64_t random;
    char ids[BATCH][ID_BYTES];
    char keys[BATCH][ID_BYTES];
    struct florin_command commands[BATCH];
    struct florin_result results[BATCH];
};

/* Resident memory of this process, in bytes. */
static uint64_t resident_bytes(void)
{
    char line[256];
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL || strchr(line, ' ') == NULL)
        measure_fail("/proc/self/statm", -EIO);
    fclose(file);
    /* The second number: resident pages. */
    return strtoull(strchr(line, ' '), NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void make_command(struct run *run, unsigned slot, bool opens, uint64_t number)
{
    struct florin_command *command = &run->commands[slot];
    *command = (struct florin_command){
        .kind = opens ? FLORIN_OPEN_ACCOUNT : FLORIN_DEPOSIT,
        .account = run->ids[slot],
        .account_length = ID_BYTES,
    };
    measure_write_hex(run->ids[slot],
                      opens ? number : measure_random(&run->random) % run->accounts);
    if (opens)
        return;
    measure_write_hex(run->keys[slot], run->next_key++);
    command->key = run->keys[slot];
    command->key_length = ID_BYTES;
    command->amount_minor = 100;
}

static size_t reap(struct run *run, struct florin_client *client, int timeout_ms)
{
    size_t count = florin_reap(client, run->results, BATCH, timeout_ms);
    for (size_t i = 0; i < count; i++) {
        if (run->results[i].status != FLORIN_APPLIED) {
            fprintf(stderr, "checkpoint: refused: %s\n",
                    florin_status_message(run->results[i].status));
            exit(1);
        }
    }
    return count;
}

/* Opens accounts, or makes deposits, as fast as it goes; the seconds that it took. */
static double fill(struct run *run, bool opens, uint64_t count)
{
    struct florin_client *client = NULL;
    measure_check("florin_client_open", florin_client_open(run->ledger, &client));
    uint64_t begin = measure_now_ns();
    uint64_t submitted = 0;
    uint64_t reaped = 0;
    while (reaped < count) {
        uint64_t room = OUTSTANDING - (submitted - reaped);
        unsigned filled = 0;
        for (; filled < BATCH && filled < room && submitted + filled < count; filled++)
            make_command(run, filled, opens, submitted + filled);
        unsigned taken = 0;
        while (taken < filled) {
            size_t got = florin_submit(client, &run->commands[taken], filled - taken);
            taken += (unsigned)got;
            if (got == 0)
                reaped += reap(run, client, -1);
        }
        submitted += taken;
        reaped += reap(run, client, taken == 0 ? -1 : 0);
    }
    florin_client_close(client);
    return (double)(measure_now_ns() - begin) / 1e9;
}

/* Small batches until *stop, or for `seconds`: the latency of each command. */
static void stream(struct run *run, double seconds, const _Atomic bool *stop,
                   struct histogram *latency)
{
    struct florin_client *client = NULL;
    measure_check("florin_client_open", florin_client_open(run->ledger, &client));
    uint64_t end = measure_now_ns() + (uint64_t)(seconds * 1e9);
    while (stop != NULL ? !atomic_load(stop) : measure_now_ns() < end) {
        uint64_t begin = measure_now_ns();
        for (unsigned i = 0; i < STREAM_BATCH; i++)
            make_command(run, i, false, 0);
        size_t submitted = florin_submit(client, run->commands, STREAM_BATCH);
        for (size_t reaped = 0; reaped < submitted;) {
            size_t count = reap(run, client, -1);
            histogram_add(latency, measure_now_ns() - begin, count);
            reaped += count;
        }
        usleep(STREAM_GAP_US);
    }
    florin_client_close(client);
}

struct checkpoint_call {
    struct florin *ledger;
    _Atomic bool ended;
    int error;
    double seconds;
};

static void *make_checkpoint(void *context)
{
    struct checkpoint_call *call = context;
    uint64_t begin = measure_now_ns();
    call->error = florin_checkpoint(call->ledger);
    call->seconds = (double)(measure_now_ns() - begin) / 1e9;
    atomic_store(&call->ended, true);
    return NULL;
}

static double percentile_us(const struct histogram *histogram, double percent)
{
    return (double)histogram_percentile(histogram, percent) / 1e3;
}

static void print_latency(const char *name, const struct histogram *latency)
{
    printf("%s commands=%llu p50_us=%.0f p99_us=%.0f p999_us=%.0f max_us=%.0f\n", name,
           (unsigned long long)latency->count, percentile_us(latency, 50),
           percentile_us(latency, 99), percentile_us(latency, 99.9), percentile_us(latency, 100));
}

/* Latency without and with a checkpoint, in turn. */
static void run_rounds(struct run *run)
{
    static struct histogram without;
    static struct histogram with;
    double seconds = 0;
    for (unsigned round = 0; round < run->rounds; round++) {
        pthread_t thread;
        struct checkpoint_call call = {.ledger = run->ledger};
        stream(run, run->seconds, NULL, &without);
        measure_check("thread", -pthread_create(&thread, NULL, make_checkpoint, &call));
        stream(run, 0, &call.ended, &with);
        pthread_join(thread, NULL);
        measure_check("florin_checkpoint", call.error);
        seconds += call.seconds;
        printf("checkpoint round=%u seconds=%.2f\n", round, call.seconds);
    }
    print_latency("latency_without", &without);
    print_latency("latency_with", &with);
    struct ledger_keeper_statistics keeper;
    ledger_keeper_statistics(run->ledger, &keeper);
    printf("checkpoints mean_seconds=%.2f bytes=%llu pause_max_us=%.0f pause_cpu_max_us=%.0f "
           "p99_ratio=%.2f\n",
           seconds / run->rounds, (unsigned long long)keeper.checkpoint_bytes,
           (double)keeper.pause_ns_max / 1e3, (double)keeper.pause_cpu_ns_max / 1e3,
           percentile_us(&with, 99) / percentile_us(&without, 99));
    for (unsigned i = 0; i < LEDGER_PAUSE_BUCKETS; i++) {
        if (keeper.pause_us[i] > 0)
            printf("pause below_us=%llu count=%llu\n", 2ULL << i,
                   (unsigned long long)keeper.pause_us[i]);
    }
}

static void open_ledger(struct run *run, const char *name)
{
    uint64_t begin = measure_now_ns();
    measure_check("florin_open", florin_open(&run->options, &run->ledger));
    printf("%s seconds=%.2f resident_mib=%llu\n", name, (double)(measure_now_ns() - begin) / 1e9,
           (unsigned long long)(resident_bytes() >> 20));
}

static void measure(struct run *run)
{
    open_ledger(run, "open_new");
    uint64_t empty = resident_bytes();
    double seconds = fill(run, true, run->accounts);
    uint64_t accounts = resident_bytes();
    printf("accounts count=%llu per_second=%.0f resident_bytes_each=%.1f\n",
           (unsigned long long)run->accounts, (double)run->accounts / seconds,
           (double)(accounts - empty) / (double)run->accounts);
    seconds = fill(run, false, run->deposits);
    printf("recent_keys count=%llu per_second=%.0f resident_bytes_each=%.1f\n",
           (unsigned long long)run->deposits, (double)run->deposits / seconds,
           (double)(resident_bytes() - accounts) / (double)run->deposits);
    run_rounds(run);
    struct ledger_keeper_statistics keeper;
    ledger_keeper_statistics(run->ledger, &keeper);
    printf("old_keys count=%llu files=%llu filter_bytes_each=%.2f\n",
           (unsigned long long)keeper.key_file_keys, (unsigned long long)keeper.key_files,
           (double)keeper.key_filter_bytes / (double)keeper.key_file_keys);
    seconds = fill(run, false, run->tail);
    printf("tail count=%llu per_second=%.0f\n", (unsigned long long)run->tail,
           (double)run->tail / seconds);
    florin_close(run->ledger);
    open_ledger(run, "open_again");
    florin_close(run->ledger);
}

static void usage(FILE *out)
{
    fputs(
        "Usage: checkpoint --directory DIR [OPTION...]\n"
        "\n"
        "Fills a new ledger in DIR and prints what an account and a key take in memory, how long\n"
        "checkpoints take, how long they stop a worker, what they do to the latency of deposits, "
        "and\n"
        "how long the next start takes.\n"
        "\n"
        "  --accounts N     default 10000000\n"
        "  --deposits N     before the checkpoints, with a key each; default 10000000\n"
        "  --tail N         behind them; default 10000000\n"
        "  --rounds N       checkpoints; default 3\n"
        "  --seconds N      of latency without one, each round; default 5\n"
        "  --background N   MiB a second; default as florind's\n"
        "  --workers N      default 2\n",
        out);
}

static void parse_arguments(int argc, char **argv, struct run *run)
{
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'd'},
        {"accounts", required_argument, NULL, 'a'},
        {"deposits", required_argument, NULL, 'n'},
        {"tail", required_argument, NULL, 't'},
        {"rounds", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 's'},
        {"background", required_argument, NULL, 'b'},
        {"workers", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const uint64_t many = 1000000000;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            run->options.directory = optarg;
            break;
        case 'a':
            run->accounts = measure_parse_number("--accounts", optarg, 1, many);
            break;
        case 'n':
            run->deposits = measure_parse_number("--deposits", optarg, 1, many);
            break;
        case 't':
            run->tail = measure_parse_number("--tail", optarg, 1, many);
            break;
        case 'r':
            run->rounds = (unsigned)measure_parse_number("--rounds", optarg, 1, 100);
            break;
        case 's':
            run->seconds = (unsigned)measure_parse_number("--seconds", optarg, 1, 600);
            break;
        case 'b':
            run->options.background_mib_per_second =
                (unsigned)measure_parse_number("--background", optarg, 0, 100000);
            break;
        case 'w':
            run->options.workers =
                (unsigned)measure_parse_number("--workers", optarg, 1, FLORIN_WORKERS_MAX);
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(64);
        }
    }
    if (run->options.directory == NULL) {
        usage(stderr);
        exit(64);
    }
}

int main(int argc, char **argv)
{
    static struct run run = {
        .accounts = 10000000,
        .deposits = 10000000,
        .tail = 10000000,
        .rounds = 3,
        .seconds = 5,
        .random = UINT64_C(0x9e3779b97f4a7c15),
    };
    florin_options_init(&run.options);
    run.options.workers = 2;
    run.options.log_line = measure_print_line;
    parse_arguments(argc, argv, &run);
    if (run.options.accounts_max < run.accounts)
        run.options.accounts_max = run.accounts;
    /* Keys move to files when a checkpoint is asked for, and not before. */
    uint64_t keys = run.deposits > run.tail ? run.deposits : run.tail;
    run.options.keys_memory = 4 * keys;
    run.options.checkpoint_bytes = 0;
    measure(&run);
    return 0;
}
