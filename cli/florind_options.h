/* florind_options.h - the options of florind, from a file and the command line.
 *
 * Thread: the main thread, before others are started.
 */
#ifndef FLORIN_CLI_FLORIND_OPTIONS_H
#define FLORIN_CLI_FLORIND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin.h"
#include "http/server.h"

enum {
    OPTIONS_OPENS_MAX = 64,
    OPTIONS_TEXT_MAX = 4096, /* of a path or a line of the file */
};

struct florind_open {
    char account[FLORIN_ACCOUNT_ID_MAX + 1];
    int64_t balance_minor; /* USD */
};

struct florind_options {
    char data[OPTIONS_TEXT_MAX];
    struct listen_address listens[SERVER_ADDRESSES_MAX];
    size_t listen_count;
    struct florind_open opens[OPTIONS_OPENS_MAX];
    size_t open_count;
    struct florin_currency currencies[FLORIN_OWN_CURRENCIES_MAX];
    size_t currency_count;
    bool auto_create;
    char auto_create_currency[FLORIN_CURRENCY_MAX + 1];
    bool reject_duplicates;
    bool http2;
    bool insecure;
    unsigned workers;
    unsigned commit_timeout_ms;
    unsigned request_timeout_ms;
    enum florin_io io;
    uint64_t segment_mib;
    uint64_t accounts_max;
    uint64_t holds_max;
    uint64_t keys_memory;
    uint64_t checkpoint_bytes;
    unsigned checkpoint_seconds;
    uint64_t retain_seconds;
    uint64_t retain_bytes;
    unsigned background_mib;
    uint32_t connections_max;
    uint32_t connections_per_address;
    uint32_t requests_max;
    uint32_t followers_max;
};

enum options_outcome {
    OPTIONS_RUN,
    OPTIONS_SHOWN,       /* --help or --version: done */
    OPTIONS_WRONG_USAGE, /* said on stderr */
    OPTIONS_WRONG_FILE,  /* said on stderr, with file and line */
};

enum options_outcome florind_options_read(struct florind_options *options, int argc,
                                          char *const *argv);

#endif
