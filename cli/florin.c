/* florin.c - the operator's tool: reads its command line and calls the command. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "florin.h"
#include "florin_commands.h"
#include "http/amount.h"

static const char help[] =
    "florin " FLORIN_VERSION " - looks after a florind\n"
    "\n"
    "  florin balance ID                       what the account holds\n"
    "  florin post ID deposit AMOUNT           put money in\n"
    "  florin post ID withdraw AMOUNT          take money out\n"
    "      --key KEY                           happens once however often it is sent\n"
    "      --expected-version N                only if nobody else came first\n"
    "  florin open ID                          open an account\n"
    "      --currency CODE  --balance AMOUNT   [USD, 0]\n"
    "  florin reset ID AMOUNT                  bring the account to this balance,\n"
    "                                          by a correcting transaction\n"
    "  florin verify DIR                       check a data directory, offline\n"
    "\n"
    "  --server URL    http://HOST:PORT or unix:PATH  [http://127.0.0.1:5000]\n"
    "  --json          print JSON\n"
    "  --help, --version\n"
    "\n"
    "  florin open alice --balance 100.00\n"
    "  florin post alice withdraw 49 --key order-17\n"
    "  florin --server unix:/run/florin.sock reset 12345 1000.00\n"
    "\n"
    "Ends with 0; 1 when the server refused; 64 wrong usage; 65 damaged files; 69 no answer\n"
    "from the server; 74 the files cannot be read; 77 no permission.\n";

enum option_number {
    OPTION_SERVER = 1,
    OPTION_JSON,
    OPTION_KEY,
    OPTION_EXPECTED_VERSION,
    OPTION_CURRENCY,
    OPTION_BALANCE,
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

static enum exit_code run(struct florin_call *call, char **words, int count)
{
    static const char *const commands[] = {"balance", "post", "open", "reset"};
    if (count == 0)
        return wrong("what shall it do?");
    if (strcmp(words[0], "verify") == 0) {
        if (count != 2)
            return wrong("verify takes one directory");
        call->directory = words[1];
        return florin_verify(call);
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(words[0], commands[i]) == 0)
            return run_on_account(call, words, count);
    }
    return wrong("unknown command");
}

/* A whole number from 1 on, which goes into a request as it is. */
static bool is_version(const char *text)
{
    return text[0] >= '1' && text[0] <= '9' && strspn(text, "0123456789") == strlen(text) &&
           strlen(text) <= 15;
}

/* Keys go into a header: its length and characters are the server's to judge, but no line may end
 * within. */
static bool is_key(const char *text)
{
    return text[0] != '\0' && strlen(text) <= FLORIN_KEY_MAX && strpbrk(text, "\r\n") == NULL;
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
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct florin_call call = {.server = "http://127.0.0.1:5000"};
    bool done = false;
    if (!read_options(argc, argv, &call, &done))
        return (int)wrong("wrong option");
    if (done)
        return EXIT_OK;
    return (int)run(&call, argv + optind, argc - optind);
}
