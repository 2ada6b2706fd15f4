/* florin_commands.h - what the operator's tool can do.
 *
 * Every command prints its outcome (for people, or with `json` for programs) and returns the exit
 * code. It gets words and options that are well formed: florin.c has checked them against
 * florin_table.
 *
 * Thread: the main thread.
 */
#ifndef FLORIN_CLI_FLORIN_COMMANDS_H
#define FLORIN_CLI_FLORIN_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/tools/restore.h"
#include "exit_codes.h"

struct florin_call {
    const char *server; /* http://HOST:PORT or unix:PATH */
    bool json;
    bool verbose;
    bool dry_run;

    char *const *words; /* behind the command's name */
    int word_count;

    const char *account;          /* a valid id; dump: NULL: all */
    const char *amount;           /* a decimal, of the word that is one; NULL: none */
    const char *to;               /* transfer, capture: an account; NULL: none */
    const char *key;              /* NULL: one is made */
    const char *expected_version; /* NULL: any */
    const char *currency;         /* open: NULL: USD */
    const char *balance;          /* open: NULL: 0 */

    const char *minimum_balance; /* change: these three; NULL: stays */
    const char *status;
    const char *metadata;
    const char *expires_in; /* hold: seconds; NULL: never */

    const char *since; /* history: times; NULL: the beginning, the end */
    const char *before;
    const char *limit;   /* accounts, history, events; NULL: all */
    const char *prefix;  /* accounts: of their ids; NULL: any */
    const char *version; /* balance: then; NULL: now */
    const char *at_time;
    const char *after; /* events: an LSN; NULL: from the first one kept */
    bool follow;

    const char *directory; /* of the offline commands; backup: or a URL */
    const char *file;      /* backup: to, restore: from; "-": stdout, stdin */
    uint64_t from_lsn;     /* dump: 0: the first kept; repair: the first to drop */
    uint64_t to_lsn;       /* dump; UINT64_MAX: the end */
    uint64_t at_lsn;       /* digest; UINT64_MAX: the end */
    bool accept_loss;      /* repair */
    enum restore_until until;
    uint64_t until_value;
};

enum exit_code florin_balance(const struct florin_call *call);
enum exit_code florin_post(const struct florin_call *call);
enum exit_code florin_open_account(const struct florin_call *call);

/* Brings the account to a balance by one correcting transaction, which is not sent when somebody
 * else's came between (expectedVersion): then it looks again, a few times. */
enum exit_code florin_reset(const struct florin_call *call);

enum exit_code florin_account(const struct florin_call *call);
enum exit_code florin_accounts(const struct florin_call *call);
enum exit_code florin_change(const struct florin_call *call);

enum exit_code florin_transfer(const struct florin_call *call);
enum exit_code florin_posting(const struct florin_call *call);
enum exit_code florin_hold(const struct florin_call *call);
enum exit_code florin_capture(const struct florin_call *call);
enum exit_code florin_void(const struct florin_call *call);
enum exit_code florin_reverse(const struct florin_call *call);

/* Sends a file of items in slices; running it again applies nothing twice. */
enum exit_code florin_batch(const struct florin_call *call);

enum exit_code florin_balance_then(const struct florin_call *call);
enum exit_code florin_history(const struct florin_call *call);
enum exit_code florin_transaction(const struct florin_call *call);

enum exit_code florin_events(const struct florin_call *call);

/* Prints a script for the shell that the first word names. */
enum exit_code florin_completion(const struct florin_call *call);

/* Asks the server for a checkpoint and waits for it. */
enum exit_code florin_checkpoint_now(const struct florin_call *call);

/* Of a server or of a stopped directory; see engine/runtime/backup.h. */
enum exit_code florin_backup(const struct florin_call *call);

/* Offline; see the headers of engine/tools. */
enum exit_code florin_verify(const struct florin_call *call);
enum exit_code florin_dump(const struct florin_call *call);
enum exit_code florin_digest(const struct florin_call *call);
enum exit_code florin_repair(const struct florin_call *call);
enum exit_code florin_restore(const struct florin_call *call);

#endif
