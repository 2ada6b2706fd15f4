/* florin_commands.h - what the operator's tool can do.
 *
 * Every command prints its outcome (for people, or with `json` for programs) and returns the exit
 * code.
 *
 * Thread: the main thread.
 */
#ifndef FLORIN_CLI_FLORIN_COMMANDS_H
#define FLORIN_CLI_FLORIN_COMMANDS_H

#include <stdbool.h>

#include "exit_codes.h"

struct florin_call {
    const char *server; /* http://HOST:PORT or unix:PATH */
    bool json;
    const char *account;          /* a valid id */
    const char *type;             /* post: "Deposit" or "Withdraw" */
    const char *amount;           /* post, reset: a decimal */
    const char *key;              /* post: NULL: one is made */
    const char *expected_version; /* post: NULL: any */
    const char *currency;         /* open: NULL: USD */
    const char *balance;          /* open: NULL: 0 */
    const char *directory;        /* verify */
};

enum exit_code florin_balance(const struct florin_call *call);
enum exit_code florin_post(const struct florin_call *call);
enum exit_code florin_open_account(const struct florin_call *call);

/* Brings the account to a balance by one correcting transaction, which is not sent when somebody
 * else's came between (expectedVersion): then it looks again, a few times. */
enum exit_code florin_reset(const struct florin_call *call);

/* Reads a log offline; see engine/runtime/verify.h. */
enum exit_code florin_verify(const struct florin_call *call);

#endif
