/* florin_table.c - the table of commands. It must not know how they do it. */
#include "florin_table.h"

#include <string.h>

#define OPTION_KEY                                                                                 \
    {                                                                                              \
        "key", "KEY", WORD_KEY, "happens once however often it is sent"                            \
    }
#define OPTION_EXPECTED_VERSION                                                                    \
    {                                                                                              \
        "expected-version", "N", WORD_EXPECTED_VERSION, "only if nobody else came first"           \
    }
#define OPTION_DRY_RUN                                                                             \
    {                                                                                              \
        "dry-run", NULL, WORD_DRY_RUN, "what would happen; nothing changes"                        \
    }

const struct tool_option florin_global_options[] = {
    {"server", "URL", WORD_SERVER, "http://HOST:PORT or unix:PATH  [http://127.0.0.1:5000]"},
    {"json", NULL, WORD_JSON, "print JSON, one a line"},
    {"verbose", NULL, WORD_VERBOSE, "print the idempotency key that is sent, on stderr"},
    {"help", NULL, WORD_HELP, "also behind a command"},
    {0},
};

static const struct tool_command accounts[] = {
    {"open",
     "ID",
     "open an account",
     "florin open alice --currency EUR --balance 10.00",
     florin_open_account,
     1,
     1,
     {WORD_ACCOUNT},
     {{"currency", "CODE", WORD_CURRENCY, "[USD]"},
      {"balance", "AMOUNT", WORD_BALANCE, "its first transaction  [0]"}}},
    {"accounts",
     "",
     "all accounts by id, or those that begin alike",
     "florin accounts --prefix shop-",
     florin_accounts,
     0,
     0,
     {WORD_ACCOUNT},
     {{"prefix", "TEXT", WORD_PREFIX, "what their ids begin with"},
      {"limit", "N", WORD_LIMIT, "at most so many  [all]"}}},
    {"account",
     "ID",
     "everything about an account",
     "florin account alice",
     florin_account,
     1,
     1,
     {WORD_ACCOUNT},
     {{0}}},
    {"balance",
     "ID",
     "what the account holds, or held",
     "florin balance alice --at 2026-11-22T15:12:48Z",
     florin_balance,
     1,
     1,
     {WORD_ACCOUNT},
     {{"version", "N", WORD_VERSION, "after its change number N"},
      {"at", "TIME", WORD_AT_TIME, "at that time, UTC"}}},
    {"history",
     "ID",
     "its transactions, newest first",
     "florin history alice --from 2026-11-01T00:00:00Z --json | jq .amount",
     florin_history,
     1,
     1,
     {WORD_ACCOUNT},
     {{"from", "TIME", WORD_SINCE, "not before"},
      {"to", "TIME", WORD_BEFORE, "before"},
      {"limit", "N", WORD_LIMIT, "at most so many  [all]"}}},
    {"transaction",
     "TXN",
     "one transaction with its legs",
     "florin transaction txn131",
     florin_transaction,
     1,
     1,
     {WORD_TRANSACTION},
     {{0}}},
    {"change",
     "ID",
     "limits, status and metadata of an account",
     "florin change alice --status frozen --metadata '{\"case\":17}'",
     florin_change,
     1,
     1,
     {WORD_ACCOUNT},
     {{"status", "open|frozen|closed", WORD_STATUS, "closed: only when it is empty"},
      {"minimum-balance", "AMOUNT", WORD_MINIMUM_BALANCE, "0 or below"},
      {"metadata", "JSON", WORD_METADATA, "an object; replaces what is there"},
      OPTION_EXPECTED_VERSION,
      OPTION_DRY_RUN}},
    {"reset",
     "ID AMOUNT",
     "bring the account to this balance, by a correcting transaction",
     "florin --server unix:/run/florin.sock reset 12345 1000.00",
     florin_reset,
     2,
     2,
     {WORD_ACCOUNT, WORD_AMOUNT},
     {{0}}},
    {0},
};

static const struct tool_command movements[] = {
    {"post",
     "ID deposit|withdraw AMOUNT",
     "put money in, or take it out",
     "florin post alice withdraw 49 --key order-17",
     florin_post,
     3,
     3,
     {WORD_ACCOUNT, WORD_DIRECTION, WORD_AMOUNT},
     {OPTION_KEY, OPTION_EXPECTED_VERSION, OPTION_DRY_RUN}},
    {"transfer",
     "FROM TO AMOUNT",
     "from one account to another, both or neither",
     "florin transfer alice bob 12.50 --key rent-11",
     florin_transfer,
     3,
     3,
     {WORD_ACCOUNT, WORD_TO_ACCOUNT, WORD_AMOUNT},
     {OPTION_KEY,
      {"expected-version", "N", WORD_EXPECTED_VERSION, "of FROM: only if nobody else came first"},
      OPTION_DRY_RUN}},
    {"posting",
     "ID:debit|credit:AMOUNT...",
     "several legs, all or nothing",
     "florin posting alice:debit:10 shop:credit:9.50 fees:credit:0.50",
     florin_posting,
     2,
     LEGS_WORDS_MAX,
     {WORD_LEG, WORD_LEG, WORD_LEG},
     {OPTION_KEY, OPTION_DRY_RUN}},
    {"hold",
     "ID AMOUNT",
     "set money aside",
     "florin hold alice 25.00 --expires-in 3600",
     florin_hold,
     2,
     2,
     {WORD_ACCOUNT, WORD_AMOUNT},
     {{"expires-in", "SECONDS", WORD_EXPIRES_IN, "[never]"},
      OPTION_KEY,
      OPTION_EXPECTED_VERSION,
      OPTION_DRY_RUN}},
    {"capture",
     "HOLD [AMOUNT]",
     "take what was set aside, and free the rest",
     "florin capture hold131:alice 20.00 --to shop",
     florin_capture,
     1,
     2,
     {WORD_HOLD, WORD_AMOUNT},
     {{"to", "ID", WORD_TO_ACCOUNT, "[out of the ledger]"}, OPTION_KEY, OPTION_DRY_RUN}},
    {"void",
     "HOLD",
     "free what was set aside",
     "florin void hold131:alice",
     florin_void,
     1,
     1,
     {WORD_HOLD},
     {OPTION_KEY, OPTION_DRY_RUN}},
    {"reverse",
     "TXN [AMOUNT]",
     "the correcting transaction; of a part when an amount is given",
     "florin reverse txn131 --dry-run",
     florin_reverse,
     1,
     2,
     {WORD_TRANSACTION, WORD_AMOUNT},
     {OPTION_KEY, OPTION_DRY_RUN}},
    {"batch",
     "FILE",
     "deposits and withdrawals of a file, a JSON object a line; again is safe",
     "florin batch payroll.ndjson",
     florin_batch,
     1,
     1,
     {WORD_FILE},
     {{0}}},
    {0},
};

static const struct tool_command service[] = {
    {"events",
     "",
     "every change, in the order of the log",
     "florin events --after 131 --follow --json | jq .id",
     florin_events,
     0,
     0,
     {0},
     {{"after", "LSN", WORD_AFTER, "[from the first one kept]"},
      {"limit", "N", WORD_LIMIT, "at most so many  [all]"},
      {"follow", NULL, WORD_FOLLOW, "go on; connects again where it was"}}},
    {"checkpoint",
     "[URL]",
     "make a checkpoint, wait for it",
     "florin checkpoint",
     florin_checkpoint_now,
     0,
     1,
     {WORD_URL},
     {{0}}},
    {"completion",
     "bash|zsh|fish",
     "a script that completes all of this",
     "source <(florin completion bash)",
     florin_completion,
     1,
     1,
     {WORD_SHELL},
     {{0}}},
    {0},
};

static const struct tool_command files[] = {
    {"verify",
     "DIR",
     "check every file, and each against the others",
     "florin verify /var/lib/florin",
     florin_verify,
     1,
     1,
     {WORD_DIRECTORY},
     {{0}}},
    {"dump",
     "DIR",
     "the log, a line each record",
     "florin dump /var/lib/florin --json --account alice | jq .balance",
     florin_dump,
     1,
     1,
     {WORD_DIRECTORY},
     {{"from", "LSN", WORD_FROM_LSN, "[the first kept]"},
      {"to", "LSN", WORD_TO_LSN, "[the last]"},
      {"account", "ID", WORD_ACCOUNT, "[all]"}}},
    {"digest",
     "DIR",
     "one number for the state: LSN and digest",
     "florin digest /var/lib/florin --at 131",
     florin_digest,
     1,
     1,
     {WORD_DIRECTORY},
     {{"at", "LSN", WORD_AT_LSN, "[the last]"}}},
    {"backup",
     "URL|DIR FILE",
     "everything up to now, as one tar file; - is stdout",
     "florin backup http://127.0.0.1:5000 - | ssh other florin restore - /var/lib/florin",
     florin_backup,
     2,
     2,
     {WORD_DIRECTORY, WORD_FILE},
     {{0}}},
    {"restore",
     "FILE DIR",
     "a new directory from a backup, verified; - is stdin",
     "florin restore monday.tar /var/lib/florin --until 2026-11-22T15:12:48Z",
     florin_restore,
     2,
     2,
     {WORD_FILE, WORD_DIRECTORY},
     {{"until", "LSN|TIME", WORD_UNTIL, "as it was then  [the end]"}}},
    {"repair",
     "DIR --drop-from LSN",
     "what would be lost without the end of the log",
     "florin repair /var/lib/florin --drop-from 132",
     florin_repair,
     1,
     1,
     {WORD_DIRECTORY},
     {{"drop-from", "LSN", WORD_FROM_LSN, "the first to drop"},
      {"accept-loss", NULL, WORD_ACCEPT_LOSS, "drop it; the originals go to DIR/quarantine"}}},
    {0},
};

const struct tool_family florin_families[] = {
    {"Accounts", accounts},
    {"Money that moves", movements},
    {"The server", service},
    {"On a data directory; only verify, dump and digest while a server has it open", files},
    {0},
};

const struct tool_command *florin_command_find(const char *name)
{
    for (const struct tool_family *family = florin_families; family->heading != NULL; family++) {
        for (const struct tool_command *command = family->commands; command->name != NULL;
             command++) {
            if (strcmp(command->name, name) == 0)
                return command;
        }
    }
    return NULL;
}

static bool is_named(const struct tool_option *option, const char *name, size_t length)
{
    return strlen(option->name) == length && memcmp(option->name, name, length) == 0;
}

const struct tool_option *florin_option_find(const struct tool_command *command, const char *name,
                                             size_t length)
{
    for (int i = 0; command != NULL && i < COMMAND_OPTIONS_MAX && command->options[i].name; i++) {
        if (is_named(&command->options[i], name, length))
            return &command->options[i];
    }
    for (const struct tool_option *option = florin_global_options; option->name; option++) {
        if (is_named(option, name, length))
            return option;
    }
    return NULL;
}
