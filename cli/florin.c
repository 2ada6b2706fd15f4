/* florin.c - the operator's tool: reads its command line and calls the command. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "florin.h"
#include "florin_commands.h"
#include "http/amount.h"

static const char help[] =
    "florin " FLORIN_VERSION " - looks after a florind\n"
    "\n"
    "Through the server:\n"
    "  florin balance ID                       what the account holds\n"
    "  florin post ID deposit AMOUNT           put money in\n"
    "  florin post ID withdraw AMOUNT          take money out\n"
    "      --key KEY                           happens once however often it is sent\n"
    "      --expected-version N                only if nobody else came first\n"
    "  florin open ID                          open an account\n"
    "      --currency CODE  --balance AMOUNT   [USD, 0]\n"
    "  florin reset ID AMOUNT                  bring the account to this balance,\n"
    "                                          by a correcting transaction\n"
    "  florin checkpoint [URL]                 make a checkpoint, wait for it\n"
    "  florin backup URL FILE                  everything up to now, as one tar file\n"
    "\n"
    "On a data directory, only reading (a server may have it open):\n"
    "  florin verify DIR                       check every file, and each against the others\n"
    "  florin dump DIR                         the log, a line each record\n"
    "      --from LSN  --to LSN  --account ID\n"
    "  florin digest DIR  [--at LSN]           one number for the state: LSN and digest\n"
    "\n"
    "On a data directory that no server has open:\n"
    "  florin backup DIR FILE\n"
    "  florin restore FILE DIR                 a new directory from a backup, verified\n"
    "      --until LSN|TIME                    as it was then; TIME: 2026-11-22T15:12:48Z\n"
    "  florin repair DIR --drop-from LSN       what would be lost without the end of the log\n"
    "      --accept-loss                       drop it; the originals go to DIR/quarantine\n"
    "\n"
    "  --server URL    http://HOST:PORT or unix:PATH  [http://127.0.0.1:5000]\n"
    "  --json          print JSON; dump: an object a line\n"
    "  --help, --version\n"
    "  FILE -          stdout or stdin\n"
    "\n"
    "  florin post alice withdraw 49 --key order-17\n"
    "  florin --server unix:/run/florin.sock reset 12345 1000.00\n"
    "  florin dump /var/lib/florin --json --account alice | jq .balance\n"
    "  florin backup http://127.0.0.1:5000 - | ssh other florin restore - /var/lib/florin\n"
    "\n"
    "Ends with 0; 1 when the server refused; 64 wrong usage, or an LSN that is not there; 65 "
    "damaged\n"
    "files; 69 no answer from the server; 73 it would overwrite something; 74 the files cannot be "
    "read\n"
    "or written; 75 a server has the directory open; 77 no permission.\n";

enum option_number {
    OPTION_SERVER = 1,
    OPTION_JSON,
    OPTION_KEY,
    OPTION_EXPECTED_VERSION,
    OPTION_CURRENCY,
    OPTION_BALANCE,
    OPTION_FROM,
    OPTION_TO,
    OPTION_ACCOUNT,
    OPTION_AT,
    OPTION_UNTIL,
    OPTION_ACCEPT_LOSS,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"server", required_argument, NULL, OPTION_SERVER},
    {"json", no_argument, NULL, OPTION_JSON},
    {"key", required_argument, NULL, OPTION_KEY},
    {"expected-version", required_argument, NULL, OPTION_EXPECTED_VERSION},
    {"currency", required_argument, NULL, OPTION_CURRENCY},
    {"balance", required_argument, NULL, OPTION_BALANCE},
    {"from", required_argument, NULL, OPTION_FROM},
    {"drop-from", required_argument, NULL, OPTION_FROM},
    {"to", required_argument, NULL, OPTION_TO},
    {"account", required_argument, NULL, OPTION_ACCOUNT},
    {"at", required_argument, NULL, OPTION_AT},
    {"until", required_argument, NULL, OPTION_UNTIL},
    {"accept-loss", no_argument, NULL, OPTION_ACCEPT_LOSS},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

static enum exit_code wrong(const char *what)
{
    fprintf(stderr, "florin: %s; see florin --help\n", what);
    return EXIT_USAGE;
}

static bool is_amount(const char *text)
{
    struct money_decimal decimal;
    return amount_from_text(text, strlen(text), &decimal);
}

static enum exit_code run_on_account(struct florin_call *call, char **words, int count)
{
    if (count < 2 || !florin_account_id_is_valid(words[1], strlen(words[1])))
        return wrong("an account id is missing, or it is not one");
    call->account = words[1];
    if (strcmp(words[0], "balance") == 0 && count == 2)
        return florin_balance(call);
    if (strcmp(words[0], "open") == 0 && count == 2)
        return florin_open_account(call);
    if (strcmp(words[0], "reset") == 0 && count == 3) {
        call->amount = words[2];
        return is_amount(call->amount) ? florin_reset(call) : wrong("the amount is not a decimal");
    }
    if (strcmp(words[0], "post") != 0 || count != 4)
        return wrong("too few or too many words");
    call->amount = words[3];
    if (strcasecmp(words[2], "deposit") == 0)
        call->type = "Deposit";
    else if (strcasecmp(words[2], "withdraw") == 0)
        call->type = "Withdraw";
    else
        return wrong("deposit or withdraw?");
    return is_amount(call->amount) ? florin_post(call) : wrong("the amount is not a decimal");
}

/* The commands on files, and those that take a URL. */
static enum exit_code run_on_files(struct florin_call *call, char **words, int count, bool *known)
{
    const char *command = words[0];
    *known = true;
    if (count > 1)
        call->directory = words[1];
    if (count == 2 && strcmp(command, "verify") == 0)
        return florin_verify(call);
    if (count == 2 && strcmp(command, "dump") == 0)
        return florin_dump(call);
    if (count == 2 && strcmp(command, "digest") == 0)
        return florin_digest(call);
    if (count == 2 && strcmp(command, "repair") == 0)
        return call->from_lsn == 0 ? wrong("repair needs --drop-from LSN") : florin_repair(call);
    if (count == 3 && strcmp(command, "backup") == 0) {
        call->file = words[2];
        return florin_backup(call);
    }
    if (count == 3 && strcmp(command, "restore") == 0) {
        call->file = words[1];
        call->directory = words[2];
        return florin_restore(call);
    }
    if (count <= 2 && strcmp(command, "checkpoint") == 0) {
        call->server = count == 2 ? words[1] : call->server;
        return florin_checkpoint_now(call);
    }
    *known = false;
    return EXIT_USAGE;
}

static enum exit_code run(struct florin_call *call, char **words, int count)
{
    static const char *const on_accounts[] = {"balance", "post", "open", "reset"};
    static const char *const on_files[] = {"verify", "dump",    "digest",    "repair",
                                           "backup", "restore", "checkpoint"};
    bool known;
    if (count == 0)
        return wrong("what shall it do?");
    for (size_t i = 0; i < sizeof(on_accounts) / sizeof(on_accounts[0]); i++) {
        if (strcmp(words[0], on_accounts[i]) == 0)
            return run_on_account(call, words, count);
    }
    enum exit_code code = run_on_files(call, words, count, &known);
    if (known)
        return code;
    for (size_t i = 0; i < sizeof(on_files) / sizeof(on_files[0]); i++) {
        if (strcmp(words[0], on_files[i]) == 0)
            return wrong("too few or too many words");
    }
    return wrong("unknown command");
}

/* A whole number from 1 on, which goes into a request as it is. */
static bool is_version(const char *text)
{
    return text[0] >= '1' && text[0] <= '9' && strspn(text, "0123456789") == strlen(text) &&
           strlen(text) <= 15;
}

static bool read_lsn(const char *text, uint64_t *lsn)
{
    if (strcmp(text, "0") != 0 && !is_version(text))
        return false;
    *lsn = strtoull(text, NULL, 10);
    return true;
}

/* 2026-11-22T15:12:48Z, with decimals of the second or without. */
static bool read_time(const char *text, uint64_t *time_ns)
{
    struct tm tm = {.tm_isdst = 0};
    uint64_t decimals = 0;
    uint64_t unit = UINT64_C(1000000000);
    char again[32];
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL || tm.tm_year < 70)
        return false;
    /* neither "7" for "07" nor the 31st of February */
    struct tm normal = tm;
    time_t seconds = timegm(&normal);
    size_t length = strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%S", &normal);
    if (length != (size_t)(rest - text) || strncmp(again, text, length) != 0)
        return false;
    if (*rest == '.') {
        for (rest++; *rest >= '0' && *rest <= '9' && unit > 1; rest++) {
            unit /= 10;
            decimals += (uint64_t)(*rest - '0') * unit;
        }
    }
    *time_ns = (uint64_t)seconds * UINT64_C(1000000000) + decimals;
    return strcmp(rest, "Z") == 0;
}

static bool read_until(const char *text, struct florin_call *call)
{
    call->until = RESTORE_UNTIL_LSN;
    if (read_lsn(text, &call->until_value))
        return true;
    call->until = RESTORE_UNTIL_TIME;
    return read_time(text, &call->until_value);
}

/* Keys go into a header: its length and characters are the server's to judge, but no line may end
 * within. */
static bool is_key(const char *text)
{
    return text[0] != '\0' && strlen(text) <= FLORIN_KEY_MAX && strpbrk(text, "\r\n") == NULL;
}

/* Options of the offline commands; false: not one, or its value is wrong. */
static bool read_files_option(int chosen, const char *value, struct florin_call *call)
{
    switch (chosen) {
    case OPTION_FROM:
        return read_lsn(value, &call->from_lsn) && call->from_lsn > 0;
    case OPTION_TO:
        return read_lsn(value, &call->to_lsn);
    case OPTION_AT:
        return read_lsn(value, &call->at_lsn);
    case OPTION_UNTIL:
        return read_until(value, call);
    case OPTION_ACCEPT_LOSS:
        call->accept_loss = true;
        return true;
    case OPTION_ACCOUNT:
        call->account = value;
        return florin_account_id_is_valid(value, strlen(value));
    default:
        return false;
    }
}

/* *done: --help or --version was asked for. */
static bool read_options(int argc, char **argv, struct florin_call *call, bool *done)
{
    int chosen;
    while (!*done && (chosen = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (chosen == OPTION_SERVER)
            call->server = optarg;
        else if (chosen == OPTION_JSON)
            call->json = true;
        else if (chosen == OPTION_KEY && is_key(optarg))
            call->key = optarg;
        else if (chosen == OPTION_EXPECTED_VERSION && is_version(optarg))
            call->expected_version = optarg;
        else if (chosen == OPTION_CURRENCY)
            call->currency = optarg;
        else if (chosen == OPTION_BALANCE)
            call->balance = optarg;
        else if (chosen == OPTION_HELP || chosen == OPTION_VERSION)
            *done =
                fputs(chosen == OPTION_HELP ? help : "florin " FLORIN_VERSION "\n", stdout) >= 0;
        else if (!read_files_option(chosen, optarg, call))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct florin_call call = {
        .server = "http://127.0.0.1:5000",
        .to_lsn = UINT64_MAX,
        .at_lsn = UINT64_MAX,
    };
    bool done = false;
    if (!read_options(argc, argv, &call, &done))
        return (int)wrong("wrong option");
    if (done)
        return EXIT_OK;
    return (int)run(&call, argv + optind, argc - optind);
}
