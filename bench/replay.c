/* replay.c - how long florin_open() takes on a directory that embedded.c left.
 *
 * Opens the directory, prints records a second, closes it. Every life of a log adds a few frames of
 * its own, which are not counted. It must not know more of the engine than florin.h.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "florin.h"
#include "measure.h"

static void usage(FILE *out)
{
    fputs("Usage: replay --directory DIR [--workers N]\n"
          "\n"
          "Opens the ledger in DIR and prints how many records a second were replayed.\n",
          out);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'd'},
        {"workers", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct florin_options ledger_options;
    florin_options_init(&ledger_options);
    ledger_options.workers = 2;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            ledger_options.directory = optarg;
            break;
        case 'w':
            ledger_options.workers =
                (unsigned)measure_parse_number("--workers", optarg, 1, FLORIN_WORKERS_MAX);
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 64;
        }
    }
    if (ledger_options.directory == NULL) {
        usage(stderr);
        return 64;
    }

    struct florin *ledger = NULL;
    uint64_t cpu_begin = measure_cpu_ns();
    uint64_t begin = measure_now_ns();
    measure_check("florin_open", florin_open(&ledger_options, &ledger));
    double seconds = (double)(measure_now_ns() - begin) / 1e9;
    double cpu_seconds = (double)(measure_cpu_ns() - cpu_begin) / 1e9;
    uint64_t records = florin_durable_lsn(ledger);
    florin_close(ledger);
    printf("replay workers=%u records=%llu seconds=%.3f per_second=%.0f cpu=%.2f\n",
           ledger_options.workers, (unsigned long long)records, seconds, (double)records / seconds,
           cpu_seconds / seconds);
    return 0;
}
