/* florind_options.c - one table of options, read by the command line and the configuration file.
 *
 * Guarantees: both know the same names and the same values; the command line wins over the file; a
 * wrong value is named with its option, and in a file with its line. It must not know what the
 * options do.
 */
#include "florind_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "florind_help.h"
#include "http/amount.h"

struct option_name {
    const char *name;
    /* false: the value is not one; *wanted says what is. Without an argument it gets "true". */
    bool (*set)(struct florind_options *options, const char *value, const char **wanted);
    int has_argument; /* as getopt_long() says it */
};

static bool read_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    char *end;
    errno = 0;
    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max)
        return false;
    *number = value;
    return true;
}

static bool set_unsigned(unsigned *field, const char *value, unsigned min, unsigned max)
{
    uint64_t number;
    if (!read_number(value, min, max, &number))
        return false;
    *field = (unsigned)number;
    return true;
}

static bool set_boolean(bool *field, const char *value)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return false;
    *field = value[0] == 't';
    return true;
}

static bool set_data(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "a directory";
    int length = snprintf(options->data, sizeof(options->data), "%s", value);
    return length > 0 && (size_t)length < sizeof(options->data);
}

static bool set_listen(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "ADDRESS:PORT, like 127.0.0.1:5000 or [::1]:5000, or unix:PATH; 16 at most";
    if (options->listen_count == SERVER_ADDRESSES_MAX ||
        listen_address_parse(&options->listens[options->listen_count], value) != 0)
        return false;
    options->listen_count++;
    return true;
}

static bool set_open(struct florind_options *options, const char *value, const char **wanted)
{
    enum { DOLLAR_EXPONENT = 2 };
    *wanted = "ACCOUNT:AMOUNT, like 12345:1000.00; 64 at most";
    const char *colon = strrchr(value, ':');
    if (options->open_count == OPTIONS_OPENS_MAX || colon == NULL || colon == value ||
        (size_t)(colon - value) > FLORIN_ACCOUNT_ID_MAX)
        return false;
    struct florind_open *open = &options->opens[options->open_count];
    memcpy(open->account, value, (size_t)(colon - value));
    open->account[colon - value] = '\0';
    if (!amount_to_minor(colon + 1, strlen(colon + 1), DOLLAR_EXPONENT, &open->balance_minor) ||
        open->balance_minor < 0)
        return false;
    options->open_count++;
    return true;
}

static const struct florin_currency *options_find_currency(const struct florind_options *options,
                                                           const char *code)
{
    for (size_t i = 0; i < options->currency_count; i++) {
        if (strcmp(options->currencies[i].code, code) == 0)
            return &options->currencies[i];
    }
    return NULL;
}

static bool set_currency(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "CODE:DECIMALS, like BTC:8: 1 to 8 of A-Z and 0-9 that ISO 4217 does not have, and 0 "
              "to 8 decimals; each once, 64 at most";
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    uint64_t exponent;
    struct florin_currency added = {.exponent = 0};
    size_t length = strspn(value, allowed);
    if (length == 0 || length > FLORIN_CURRENCY_MAX || value[length] != ':' ||
        !read_number(value + length + 1, 0, FLORIN_EXPONENT_MAX, &exponent))
        return false;
    memcpy(added.code, value, length);
    added.exponent = (uint8_t)exponent;
    if (options->currency_count == FLORIN_OWN_CURRENCIES_MAX ||
        florin_currency_exponent(added.code, length) >= 0 ||
        options_find_currency(options, added.code) != NULL)
        return false;
    options->currencies[options->currency_count++] = added;
    return true;
}

/* Whether there is such a currency can be said when all options are read. */
static bool set_auto_create(struct florind_options *options, const char *value, const char **wanted)
{
    size_t length = strlen(value);
    *wanted = "a currency, or nothing for USD; in a file true, false or a currency";
    options->auto_create = strcmp(value, "false") != 0;
    options->auto_create_currency[0] = '\0';
    if (!options->auto_create || strcmp(value, "true") == 0)
        return true;
    if (length == 0 || length > FLORIN_CURRENCY_MAX)
        return false;
    memcpy(options->auto_create_currency, value, length + 1);
    return true;
}

static bool set_workers(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "a number from 1 to 64";
    return set_unsigned(&options->workers, value, 1, FLORIN_WORKERS_MAX);
}

static bool set_on_duplicate(struct florind_options *options, const char *value,
                             const char **wanted)
{
    *wanted = "replay or reject";
    if (strcmp(value, "replay") != 0 && strcmp(value, "reject") != 0)
        return false;
    options->reject_duplicates = strcmp(value, "reject") == 0;
    return true;
}

static bool set_commit_timeout(struct florind_options *options, const char *value,
                               const char **wanted)
{
    *wanted = "milliseconds, from 1 to 3600000";
    return set_unsigned(&options->commit_timeout_ms, value, 1, 3600000);
}

static bool set_request_timeout(struct florind_options *options, const char *value,
                                const char **wanted)
{
    *wanted = "milliseconds, from 10 to 3600000";
    return set_unsigned(&options->request_timeout_ms, value, 10, 3600000);
}

static bool set_io(struct florind_options *options, const char *value, const char **wanted)
{
    static const char *const names[] = {
        [FLORIN_IO_AUTO] = "auto", [FLORIN_IO_URING] = "uring", [FLORIN_IO_POSIX] = "posix"};
    *wanted = "auto, uring or posix";
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]) == 0) {
            options->io = (enum florin_io)i;
            return true;
        }
    }
    return false;
}

static bool set_segment_mib(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "mebibytes, from 4 to 1024";
    return read_number(value, 4, 1024, &options->segment_mib);
}

static bool set_accounts_max(struct florind_options *options, const char *value,
                             const char **wanted)
{
    *wanted = "a number from 1 to 2147483648";
    return read_number(value, 1, UINT64_C(1) << 31, &options->accounts_max);
}

static bool set_holds_max(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "a number from 1 to 2147483648";
    return read_number(value, 1, UINT64_C(1) << 31, &options->holds_max);
}

static bool set_keys_memory(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "a number from 1 to 2147483648";
    return read_number(value, 1, UINT64_C(1) << 31, &options->keys_memory);
}

/* Mebibytes with up to four decimals: 0.0625 is 64 KiB, so that tests need no gigabytes. */
static bool read_mebibytes(const char *text, uint64_t max, uint64_t *bytes)
{
    enum { DECIMALS_MAX = 4 };
    const uint64_t mebibyte = UINT64_C(1) << 20;
    char whole[24];
    size_t length = strcspn(text, ".");
    uint64_t number;
    uint64_t fraction = 0;
    uint64_t scale = 1;
    if (length >= sizeof(whole))
        return false;
    memcpy(whole, text, length);
    whole[length] = '\0';
    if (!read_number(whole, 0, max, &number))
        return false;
    if (text[length] == '.') {
        const char *decimals = text + length + 1;
        size_t count = strlen(decimals);
        if (count > DECIMALS_MAX || !read_number(decimals, 0, UINT64_MAX, &fraction))
            return false;
        for (size_t i = 0; i < count; i++)
            scale *= 10;
    }
    *bytes = number * mebibyte + fraction * mebibyte / scale;
    return true;
}

static bool set_checkpoint_mib(struct florind_options *options, const char *value,
                               const char **wanted)
{
    const uint64_t bytes_min = UINT64_C(64) << 10;
    uint64_t bytes;
    *wanted = "mebibytes, from 0.0625 to 16777216, or 0";
    if (!read_mebibytes(value, UINT64_C(1) << 24, &bytes) || (bytes != 0 && bytes < bytes_min))
        return false;
    options->checkpoint_bytes = bytes;
    return true;
}

static bool set_checkpoint_seconds(struct florind_options *options, const char *value,
                                   const char **wanted)
{
    *wanted = "seconds, from 1 to 31536000, or 0";
    return set_unsigned(&options->checkpoint_seconds, value, 0, 31536000);
}

/* A number and one of these units; a time and a size may stand beside each other. */
static bool set_retain(struct florind_options *options, const char *value, const char **wanted)
{
    static const struct {
        const char *name;
        uint64_t seconds; /* 0: a size */
        uint64_t bytes;
    } units[] = {
        {"h", 3600, 0},
        {"d", 86400, 0},
        {"MiB", 0, UINT64_C(1) << 20},
        {"GiB", 0, UINT64_C(1) << 30},
        {"TiB", 0, UINT64_C(1) << 40},
    };
    char text[16];
    uint64_t number;
    size_t digits = strspn(value, "0123456789");
    *wanted = "forever, a time like 30d or 12h, or a size like 100GiB or 500MiB";
    if (strcmp(value, "forever") == 0) {
        options->retain_seconds = 0;
        options->retain_bytes = 0;
        return true;
    }
    if (digits >= sizeof(text))
        return false;
    memcpy(text, value, digits);
    text[digits] = '\0';
    if (!read_number(text, 1, 1000000, &number))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(value + digits, units[i].name) != 0)
            continue;
        if (units[i].seconds > 0)
            options->retain_seconds = number * units[i].seconds;
        else
            options->retain_bytes = number * units[i].bytes;
        return true;
    }
    return false;
}

static bool set_background_mib(struct florind_options *options, const char *value,
                               const char **wanted)
{
    *wanted = "mebibytes a second, from 1 to 1000000, or 0";
    return set_unsigned(&options->background_mib, value, 0, 1000000);
}

static bool set_connections_max(struct florind_options *options, const char *value,
                                const char **wanted)
{
    *wanted = "a number from 1 to 1000000";
    return set_unsigned(&options->connections_max, value, 1, 1000000);
}

static bool set_connections_per_address(struct florind_options *options, const char *value,
                                        const char **wanted)
{
    *wanted = "a number from 1 to 1000000";
    return set_unsigned(&options->connections_per_address, value, 1, 1000000);
}

static bool set_requests_max(struct florind_options *options, const char *value,
                             const char **wanted)
{
    *wanted = "a number from 1 to 32768";
    return set_unsigned(&options->requests_max, value, 1, FLORIN_WAITERS_MAX);
}

static bool set_followers_max(struct florind_options *options, const char *value,
                              const char **wanted)
{
    *wanted = "a number from 1 to 1000000";
    return set_unsigned(&options->followers_max, value, 1, 1000000);
}

static bool set_http2(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "true or false";
    return set_boolean(&options->http2, value);
}

static bool set_insecure(struct florind_options *options, const char *value, const char **wanted)
{
    *wanted = "true or false";
    return set_boolean(&options->insecure, value);
}

static const struct option_name table[] = {
    {"data", set_data, required_argument},
    {"listen", set_listen, required_argument},
    {"open", set_open, required_argument},
    {"currency", set_currency, required_argument},
    {"auto-create", set_auto_create, optional_argument},
    {"workers", set_workers, required_argument},
    {"on-duplicate", set_on_duplicate, required_argument},
    {"commit-timeout-ms", set_commit_timeout, required_argument},
    {"request-timeout-ms", set_request_timeout, required_argument},
    {"io", set_io, required_argument},
    {"segment-mib", set_segment_mib, required_argument},
    {"accounts-max", set_accounts_max, required_argument},
    {"holds-max", set_holds_max, required_argument},
    {"keys-memory", set_keys_memory, required_argument},
    {"checkpoint-mib", set_checkpoint_mib, required_argument},
    {"checkpoint-seconds", set_checkpoint_seconds, required_argument},
    {"retain", set_retain, required_argument},
    {"background-mib", set_background_mib, required_argument},
    {"connections-max", set_connections_max, required_argument},
    {"connections-per-address", set_connections_per_address, required_argument},
    {"requests-max", set_requests_max, required_argument},
    {"followers-max", set_followers_max, required_argument},
    {"http2", set_http2, no_argument},
    {"insecure", set_insecure, no_argument},
};
enum { TABLE_COUNT = sizeof(table) / sizeof(table[0]) };

/* Behind the table's own, in the values that getopt_long() returns. */
enum { OPTION_CONFIG = TABLE_COUNT, OPTION_HELP, OPTION_VERSION, OPTION_COUNT };

static void set_defaults(struct florind_options *options)
{
    struct florin_options engine;
    florin_options_init(&engine);
    memset(options, 0, sizeof(*options));
    strcpy(options->data, "./data");
    options->workers = engine.workers;
    options->commit_timeout_ms = engine.commit_timeout_ms;
    options->request_timeout_ms = 10000;
    options->io = engine.io;
    options->segment_mib = engine.segment_bytes >> 20;
    options->accounts_max = engine.accounts_max;
    options->holds_max = engine.holds_max;
    options->keys_memory = engine.keys_memory;
    options->checkpoint_bytes = engine.checkpoint_bytes;
    options->checkpoint_seconds = engine.checkpoint_seconds;
    options->retain_seconds = engine.retain_seconds;
    options->retain_bytes = engine.retain_bytes;
    options->background_mib = engine.background_mib_per_second;
    options->connections_max = 10000;
    options->connections_per_address = 1024;
    options->requests_max = FLORIN_WAITERS_MAX;
    options->followers_max = 4096;
}

/* --- the file ----------------------------------------------------------------------------- */

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        text[--length] = '\0';
    return text;
}

static const struct option_name *find_option(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

/* One line that is neither empty nor a comment. */
static bool read_line(struct florind_options *options, char *line, const char *file,
                      unsigned number)
{
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        fprintf(stderr, "florind: %s:%u: \"name = value\" expected\n", file, number);
        return false;
    }
    *equals = '\0';
    const char *name = trim(line);
    const char *value = trim(equals + 1);
    const struct option_name *option = find_option(name);
    if (option == NULL) {
        fprintf(stderr, "florind: %s:%u: unknown name \"%s\"\n", file, number, name);
        return false;
    }
    const char *wanted;
    if (!option->set(options, value, &wanted)) {
        fprintf(stderr, "florind: %s:%u: %s = \"%s\": must be %s\n", file, number, name, value,
                wanted);
        return false;
    }
    return true;
}

static bool read_file(struct florind_options *options, const char *path)
{
    char line[OPTIONS_TEXT_MAX];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(stderr, "florind: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool well = true;
    for (unsigned number = 1; well && fgets(line, sizeof(line), file) != NULL; number++) {
        char *content = trim(line);
        if (content[0] != '\0' && content[0] != '#')
            well = read_line(options, content, path, number);
    }
    if (well && ferror(file)) {
        fprintf(stderr, "florind: %s: it cannot be read\n", path);
        well = false;
    }
    fclose(file);
    return well;
}

/* --- the command line --------------------------------------------------------------------- */

static void fill_long_options(struct option long_options[OPTION_COUNT + 1])
{
    for (int i = 0; i < TABLE_COUNT; i++)
        long_options[i] = (struct option){table[i].name, table[i].has_argument, NULL, i};
    long_options[OPTION_CONFIG] = (struct option){"config", required_argument, NULL, OPTION_CONFIG};
    long_options[OPTION_HELP] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    long_options[OPTION_VERSION] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    long_options[OPTION_COUNT] = (struct option){0};
}

/* Options that repeat, and have been on the command line. */
struct seen {
    bool listen;
    bool open;
    bool currency;
    bool retain;
};

/* What repeats is replaced as a whole by the first one on the command line. */
static void forget_file_values(struct florind_options *options, const char *name, struct seen *seen)
{
    if (!seen->listen && strcmp(name, "listen") == 0) {
        options->listen_count = 0;
        seen->listen = true;
    }
    if (!seen->open && strcmp(name, "open") == 0) {
        options->open_count = 0;
        seen->open = true;
    }
    if (!seen->currency && strcmp(name, "currency") == 0) {
        options->currency_count = 0;
        seen->currency = true;
    }
    if (!seen->retain && strcmp(name, "retain") == 0) {
        options->retain_seconds = 0;
        options->retain_bytes = 0;
        seen->retain = true;
    }
}

static bool apply(struct florind_options *options, int number, const char *value, struct seen *seen)
{
    const struct option_name *option = &table[number];
    const char *wanted;
    forget_file_values(options, option->name, seen);
    if (option->set(options, value != NULL ? value : "true", &wanted))
        return true;
    fprintf(stderr, "florind: --%s %s: must be %s\n", option->name, value, wanted);
    return false;
}

/* First pass: what ends at once, and the file. */
static enum options_outcome read_first(struct florind_options *options, int argc, char *const *argv,
                                       const struct option *long_options)
{
    int chosen;
    while ((chosen = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        if (chosen == OPTION_HELP || chosen == 'h') {
            florind_help_print();
            return OPTIONS_SHOWN;
        }
        if (chosen == OPTION_VERSION || chosen == 'V') {
            printf("florind %s\n", FLORIN_VERSION);
            return OPTIONS_SHOWN;
        }
        if (chosen == '?') {
            fprintf(stderr, "florind: see florind --help\n");
            return OPTIONS_WRONG_USAGE;
        }
        if (chosen == OPTION_CONFIG && !read_file(options, optarg))
            return OPTIONS_WRONG_FILE;
    }
    if (optind < argc) {
        fprintf(stderr, "florind: \"%s\" is not an option; see florind --help\n", argv[optind]);
        return OPTIONS_WRONG_USAGE;
    }
    return OPTIONS_RUN;
}

static enum options_outcome check_listens(struct florind_options *options)
{
    const char *wanted;
    char text[LISTEN_TEXT_MAX];
    if (options->listen_count == 0 && !set_listen(options, "127.0.0.1:5000", &wanted))
        return OPTIONS_WRONG_USAGE;
    for (size_t i = 0; i < options->listen_count && !options->insecure; i++) {
        if (listen_address_is_local(&options->listens[i]))
            continue;
        listen_address_format(&options->listens[i], text);
        fprintf(stderr,
                "florind: %s can be reached from other machines, and this version has no API keys "
                "yet.\nflorind: anyone who reaches it can move money. If a proxy or a firewall in "
                "front of it\nflorind: decides who may, say so with --insecure.\n",
                text);
        return OPTIONS_WRONG_USAGE;
    }
    return OPTIONS_RUN;
}

static enum options_outcome check_auto_create(const struct florind_options *options)
{
    const char *code = options->auto_create_currency;
    if (code[0] == '\0' || florin_currency_exponent(code, strlen(code)) >= 0 ||
        options_find_currency(options, code) != NULL)
        return OPTIONS_RUN;
    fprintf(stderr, "florind: auto-create: %s is no currency of ISO 4217 or of --currency\n", code);
    return OPTIONS_WRONG_USAGE;
}

enum options_outcome florind_options_read(struct florind_options *options, int argc,
                                          char *const *argv)
{
    struct option long_options[OPTION_COUNT + 1];
    struct seen seen = {0};
    int chosen;
    set_defaults(options);
    fill_long_options(long_options);
    enum options_outcome outcome = read_first(options, argc, argv, long_options);
    if (outcome != OPTIONS_RUN)
        return outcome;
    /* getopt_long() has moved the arguments into order; it starts again at 1. */
    optind = 1;
    while ((chosen = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        if (chosen < TABLE_COUNT && !apply(options, chosen, optarg, &seen))
            return OPTIONS_WRONG_USAGE;
    }
    outcome = check_auto_create(options);
    return outcome == OPTIONS_RUN ? check_listens(options) : outcome;
}
