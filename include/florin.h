/* florin.h - an embedded, durable, in-memory ledger.
 *
 * Read this first:
 *
 *  - A result with status FLORIN_APPLIED is on stable storage before you see it. A result that
 *    you never saw may or may not have been applied: submit the same command with the same key
 *    again, and you get the truth.
 *  - One directory is open in one process at a time; a second florin_open() waits up to five
 *    seconds for the first to go, then answers -EBUSY.
 *  - Money is int64_t in the minor unit of the account's currency (cents). There is no
 *    floating point behind this interface.
 *  - When the disk refuses a write, the ledger stops accepting for good (florin_failed()):
 *    close it and open it again, which recovers from what the disk really has.
 *  - A fork()ed child must not touch the ledger of its parent.
 *
 * The shape is that of io_uring: submit commands, reap results, in completion order.
 *
 *     struct florin_options options;
 *     florin_options_init(&options);
 *     options.directory = "data";
 *     struct florin *ledger;
 *     int error = florin_open(&options, &ledger);              // 0 or -errno; recovers the log
 *
 *     struct florin_client *client;
 *     error = florin_client_open(ledger, &client);
 *     struct florin_command deposit = {
 *         .kind = FLORIN_DEPOSIT, .account = "alice", .account_length = 5,
 *         .key = "order-17", .key_length = 8, .amount_minor = 4900, .user_data = 1,
 *     };
 *     florin_submit(client, &deposit, 1);                      // how many were taken: 0 or 1
 *     struct florin_result result;
 *     florin_reap(client, &result, 1, -1);                     // waits; 1 result
 *
 *     florin_client_close(client);
 *     florin_close(ledger);
 *
 * Threads: a florin_client belongs to one thread at a time. Different clients may be used by
 * different threads at once. Every other function says its thread.
 *
 * Errors of the machine are negative errno values. What a command met is a florin_status.
 */
#ifndef FLORIN_H
#define FLORIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What became of a command. The numbers are in order of precedence (a command that is wrong in
 * two ways gets the smaller one), are written into the log and never change or come back.
 *
 * X(NAME, number, code, outcome, message): `code` is the contract of the HTTP API; `outcome`
 * says what a client may conclude (see florin_outcome); `message` is for people.
 */
#define FLORIN_STATUS_LIST(X)                                                                      \
    X(APPLIED, 0, "applied", APPLIED, "Applied")                                                   \
    X(INVALID_COMMAND, 10, "invalid_request", REJECTED, "Unknown command")                         \
    X(INVALID_ACCOUNT_ID, 11, "invalid_request", REJECTED,                                         \
      "An account id has 1 to 64 characters of A-Z a-z 0-9 _ . : @ -")                             \
    X(INVALID_KEY, 12, "invalid_request", REJECTED, "An idempotency key has 1 to 255 bytes")       \
    X(INVALID_AMOUNT, 13, "invalid_request", REJECTED, "An amount must be greater than zero")      \
    X(INVALID_CURRENCY, 14, "invalid_request", REJECTED, "Unknown currency")                       \
    X(INVALID_BALANCE, 15, "invalid_request", REJECTED,                                            \
      "The opening balance must not be negative or below the minimum balance")                     \
    X(INVALID_METADATA, 16, "invalid_request", REJECTED, "Metadata is at most 1024 bytes of JSON") \
    X(INVALID_LEGS, 17, "invalid_request", REJECTED,                                               \
      "A posting has 2 to 64 legs, each a debit or a credit")                                      \
    X(SAME_ACCOUNT, 18, "invalid_request", REJECTED, "A transfer needs two accounts")              \
    X(INVALID_CHANGE, 19, "invalid_request", REJECTED, "There is nothing to change, or not so")    \
    X(KEY_REUSED, 20, "idempotency_key_reused", REJECTED, "Duplicate transaction")                 \
    X(ACCOUNT_NOT_FOUND, 30, "account_not_found", REJECTED, "Account not found")                   \
    X(ACCOUNT_EXISTS, 31, "account_exists", REJECTED,                                              \
      "An account of this id exists with other content")                                           \
    X(HOLD_NOT_FOUND, 32, "hold_not_found", REJECTED, "Hold not found")                            \
    X(TRANSACTION_NOT_FOUND, 33, "transaction_not_found", REJECTED, "Transaction not found")       \
    X(ACCOUNT_FROZEN, 34, "account_frozen", REJECTED, "The account is frozen")                     \
    X(ACCOUNT_CLOSED, 35, "account_closed", REJECTED, "The account is closed")                     \
    X(CURRENCY_MISMATCH, 36, "currency_mismatch", REJECTED,                                        \
      "The accounts have different currencies")                                                    \
    X(UNBALANCED, 37, "unbalanced", REJECTED, "Debits and credits differ")                         \
    X(NOT_REVERSIBLE, 38, "not_reversible", REJECTED, "This transaction cannot be reversed")       \
    X(VERSION_MISMATCH, 40, "version_mismatch", REJECTED, "Version mismatch")                      \
    X(PRECONDITION_FAILED, 41, "precondition_failed", REJECTED, "Version mismatch")                \
    X(BALANCE_CONDITION, 42, "balance_condition_failed", REJECTED,                                 \
      "The balance is less than expected")                                                         \
    X(INSUFFICIENT_BALANCE, 50, "insufficient_balance", REJECTED, "Insufficient Balance")          \
    X(BALANCE_OVERFLOW, 51, "balance_overflow", REJECTED,                                          \
      "The balance would exceed what an account can hold")                                         \
    X(HOLD_RESOLVED, 52, "hold_resolved", REJECTED, "The hold is captured, voided or expired")     \
    X(HOLD_EXCEEDED, 53, "hold_exceeded", REJECTED, "The hold is smaller than that")               \
    X(ACCOUNT_NOT_EMPTY, 54, "account_not_empty", REJECTED,                                        \
      "An account is closed at a balance of zero and without holds")                               \
    X(REVERSAL_EXCEEDED, 55, "reversal_exceeded", REJECTED,                                        \
      "Less than that is left of the transaction")                                                 \
    X(ACCOUNTS_FULL, 60, "accounts_full", NOT_APPLIED, "No room for another account")              \
    X(KEYS_FULL, 61, "keys_full", NOT_APPLIED, "No room for another idempotency key")              \
    X(HOLDS_FULL, 62, "holds_full", NOT_APPLIED, "No room for another hold")                       \
    X(QUEUE_FULL, 70, "too_many_requests", NOT_APPLIED, "Too many requests in flight")             \
    X(STORAGE_FULL, 71, "storage_full", NOT_APPLIED, "The disk is full")                           \
    X(NOT_COMMITTED, 72, "not_committed", NOT_APPLIED, "Server Crashes")                           \
    X(COMMIT_UNKNOWN, 73, "commit_unknown", UNKNOWN, "Server Crashes")

enum florin_status {
#define X(name, number, code, outcome, message) FLORIN_##name = (number),
    FLORIN_STATUS_LIST(X)
#undef X
};

/* What a client may conclude from a status. */
enum florin_outcome {
    FLORIN_OUTCOME_APPLIED,     /* it happened, once */
    FLORIN_OUTCOME_REJECTED,    /* definitive: it did not happen and this answer stays */
    FLORIN_OUTCOME_NOT_APPLIED, /* refused before the log: safe to send again */
    FLORIN_OUTCOME_UNKNOWN,     /* send it again with the same key: that finds the truth */
};

/* Thread: any. `status` must be one of the list. The strings live for ever. */
const char *florin_status_code(enum florin_status status);
const char *florin_status_message(enum florin_status status);
enum florin_outcome florin_status_outcome(enum florin_status status);

/* Numbers are written into the log and never change or come back. */
enum florin_command_kind {
    FLORIN_DEPOSIT = 1,
    FLORIN_WITHDRAW = 2,
    FLORIN_OPEN_ACCOUNT = 3,
    FLORIN_CHANGE_ACCOUNT = 4, /* limit, status, metadata */
    FLORIN_TRANSFER = 5,       /* account -> to */
    FLORIN_POSTING = 6,        /* legs; debits equal credits in each currency */
    FLORIN_HOLD = 7,           /* sets money of the account aside */
    FLORIN_CAPTURE = 8,        /* takes what a hold has set aside, all or less, and ends the hold */
    FLORIN_VOID = 9,           /* ends a hold */
    FLORIN_EXPIRE = 10,        /* in the log only: the time of a hold was over */
    FLORIN_REVERSE = 11,       /* undoes a transaction, all or a part */
    FLORIN_BATCH = 12,         /* legs that need not balance (but groups do), all or nothing */
    FLORIN_READ_ACCOUNT = 16,  /* balance, version and all else of one account; not logged */
    FLORIN_READ_REVERSAL = 17, /* one reversal of a transaction; not logged */
};

/* Decimals of a currency of ISO 4217 (USD 2, JPY 0, KWD 3), or -1 for any other code; a ledger may
 * have further ones (florin_options). Thread: any. */
int florin_currency_exponent(const char *code, size_t code_length);

/* 1 to FLORIN_ACCOUNT_ID_MAX characters of A-Z a-z 0-9 _ . : @ - Thread: any. */
bool florin_account_id_is_valid(const char *id, size_t length);

/* Which part of a command a status speaks of. */
enum florin_field {
    FLORIN_FIELD_NONE = 0,
    FLORIN_FIELD_ACCOUNT,
    FLORIN_FIELD_KEY,
    FLORIN_FIELD_KIND,
    FLORIN_FIELD_AMOUNT,
    FLORIN_FIELD_EXPECTED_VERSION,
    FLORIN_FIELD_CURRENCY,
    FLORIN_FIELD_BALANCE,
    FLORIN_FIELD_MINIMUM_BALANCE,
    FLORIN_FIELD_METADATA,
    FLORIN_FIELD_TO,
    FLORIN_FIELD_EXPECTED_TO_VERSION,
    FLORIN_FIELD_EXPECTED_BALANCE,
    FLORIN_FIELD_LEGS,
    FLORIN_FIELD_EXPIRES_IN,
    FLORIN_FIELD_TARGET, /* the hold, or the transaction to reverse */
    FLORIN_FIELD_STATUS,
};

/* Numbers are written into the log. */
enum florin_account_status {
    FLORIN_STATE_OPEN = 0,
    FLORIN_STATE_FROZEN = 1, /* neither debits nor credits, but as_admin */
    FLORIN_STATE_CLOSED = 2, /* final; the balance is zero */
};

/* Which way money moves. Numbers are written into the log. */
enum florin_direction {
    FLORIN_CREDIT = 1, /* into the account */
    FLORIN_DEBIT = 2,  /* out of it */
};

/* One account's part of a posting. Conditions look at the account as it is before the posting, also
 * when an earlier leg is of the same account. */
struct florin_leg {
    const char *account;
    size_t account_length;
    enum florin_direction direction;
    int64_t amount_minor;      /* > 0; a decimal when the command's amount_is_decimal is set */
    uint8_t amount_scale;      /* 0 to 18 */
    uint64_t expected_version; /* 0: any */
    bool has_expected_balance;
    int64_t expected_balance_minor; /* at least; a decimal as amount_minor is */
    uint8_t expected_balance_scale; /* 0 to 18 */
    /* Batch: legs of one group balance among themselves, in each currency; 0: of none. */
    uint8_t group;
};

/* What FLORIN_CHANGE_ACCOUNT changes; the rest stays. */
enum florin_change {
    FLORIN_CHANGE_STATUS = 1,
    FLORIN_CHANGE_MINIMUM_BALANCE = 2,
    FLORIN_CHANGE_METADATA = 4,
};

/* One request to the ledger. Strings need no terminator; they are copied by florin_submit(). */
struct florin_command {
    uint64_t user_data; /* comes back in the result, unread */
    enum florin_command_kind kind;

    const char *account; /* 1 to FLORIN_ACCOUNT_ID_MAX of A-Z a-z 0-9 _ . : @ - */
    size_t account_length;
    /* Idempotency key, unique per account for ever; length 0: none. Accounts are idempotent by
     * their id: a key on FLORIN_OPEN_ACCOUNT is refused. */
    const char *key;
    size_t key_length;

    /* Deposit, withdraw: > 0. Open: the opening balance, >= 0. In minor units; or, when
     * amount_is_decimal is set, a decimal in whole units with amount_scale digits behind the
     * point (49.5 is 495 with scale 1), for callers who do not know the account's currency: it
     * is converted exactly, or refused as INVALID_AMOUNT, never rounded. */
    int64_t amount_minor;
    bool amount_is_decimal;
    uint8_t amount_scale; /* 0 to 18 */
    /* The version that the account must have; 0: any. A version is never 0. */
    uint64_t expected_version;
    /* A mismatch answers FLORIN_PRECONDITION_FAILED instead of FLORIN_VERSION_MISMATCH, and is
     * remembered as that (HTTP's If-Match). */
    bool expected_by_precondition;

    /* The balance that the account must have at least, before the change; a decimal as amount_minor
     * is. */
    bool has_expected_balance;
    int64_t expected_balance_minor;
    uint8_t expected_balance_scale; /* 0 to 18 */

    /* Decides as if it were to be applied, and changes, logs and remembers nothing. */
    bool dry_run;
    /* May move money of frozen accounts. */
    bool as_admin;

    /* Transfer: the credited account. Capture: the same, or length 0: the money leaves the ledger.
     */
    const char *to;
    size_t to_length;
    uint64_t expected_to_version; /* 0: any */

    /* Posting, batch: 2 (a batch: 1) to FLORIN_LEGS_MAX. `account` is that of the first leg: the
     * key is unique there. Key, dry_run, as_admin, amount_is_decimal and expected_by_precondition
     * above are of the whole; all else stands in the legs. */
    const struct florin_leg *legs;
    size_t leg_count;

    /* Capture, void: the hold's id (transaction_id of the result that made it), `account` is the
     * hold's. Reverse: the transaction, `account` is that of its first leg, which florin_history
     * tells; the conditions are of that account, the amount is of that leg, and the other legs give
     * the same part of what is left of them. An amount of 0 captures or reverses all that is left.
     * Read of a reversal: the same of the transaction; amount_minor says which reversal, from 1 on:
     * transaction_id and amount_minor of the result are those of the reversal, and its status is
     * TRANSACTION_NOT_FOUND behind the last one. */
    uint64_t target_id;
    /* Hold: after which it ends by itself; 0: never. */
    uint64_t expires_in_ns;

    /* Change: FLORIN_CHANGE_... or-ed; minimum_balance_minor and metadata as below. */
    unsigned changes;
    enum florin_account_status account_status;

    /* Open only. */
    const char *currency; /* code of ISO 4217, or of florin_options.currencies; NULL: USD */
    size_t currency_length;
    /* Open, change. */
    int64_t minimum_balance_minor; /* <= 0: how far the account may be overdrawn; a decimal as
                                    * amount_minor is, with a scale of its own */
    uint8_t minimum_balance_scale; /* 0 to 18 */
    const char *metadata;          /* kept and compared byte by byte; length 0: none */
    size_t metadata_length;
};

/* What became of it. `balance_minor`, `version` are the account's after an applied command, and
 * at the moment of the refusal for a refused one. Of a posting they are those of the first leg's
 * account, after all legs; of one that was refused, of the account of the leg that `leg` names (a
 * balance of 0 when that has another currency than the first leg's, in which a result counts). A
 * hold that was made, voided or has expired shows in balance_minor what is available (balance -
 * held), for that is what it changes; a capture, and any refusal, the balance. A transaction with
 * all its legs: florin_history. For NOT_COMMITTED and COMMIT_UNKNOWN the version is the last
 * durable one. Zero where there is no such account.
 */
struct florin_result {
    uint64_t user_data;
    enum florin_status status;
    enum florin_command_kind kind;
    bool replayed;           /* the key was seen before: this is the first answer again */
    enum florin_field field; /* KEY_REUSED: what differs; INVALID_*: what is wrong */
    uint8_t leg;             /* which one a refusal speaks of; a transfer's are account and to */
    enum florin_account_status account_status; /* reads, opens, changes */
    /* Position of its record in the log (LSN); 0: not logged. Reads: of the account's newest
     * record, where its history begins. */
    uint64_t transaction_id;
    int64_t amount_minor;
    int64_t balance_minor;
    uint64_t version;
    uint64_t time_ns; /* Unix time of the record; for reads, changes: of the opening */
    char currency[FLORIN_CURRENCY_MAX + 1];
    uint8_t exponent;              /* decimals of the currency */
    int64_t minimum_balance_minor; /* of the account; reads, opens, changes */
    int64_t held_minor;            /* likewise */
    uint64_t expires_ns;           /* hold: Unix time; 0: never */
    /* Reads and opens: the account's metadata, NULL without. Valid until the next call with
     * the same client (or worker). */
    const char *metadata;
    size_t metadata_length;
};

/* How bytes reach the disk. */
enum florin_io {
    FLORIN_IO_AUTO,  /* io_uring where the kernel allows it, else posix */
    FLORIN_IO_URING, /* -ENOSYS or -EPERM where the kernel refuses it */
    FLORIN_IO_POSIX, /* pwrite and fdatasync on a helper thread */
};

/* A currency that ISO 4217 does not have. */
struct florin_currency {
    char code[FLORIN_CURRENCY_MAX + 1]; /* 1 to FLORIN_CURRENCY_MAX of A-Z 0-9, terminated */
    uint8_t exponent;                   /* decimals; 0 to FLORIN_EXPONENT_MAX */
};

struct florin_options {
    const char *directory; /* made when missing (its parent must exist) */
    unsigned workers;      /* threads that own shards; 1 to FLORIN_WORKERS_MAX */
    enum florin_io io;
    uint64_t segment_bytes; /* of one log file; a multiple of 1 MiB, 4 MiB to 1 GiB */
    uint64_t accounts_max;  /* address space is reserved for these, memory as they come */
    uint64_t holds_max;     /* active ones of the whole ledger; likewise */
    /* Idempotency keys that are held in memory, 21 to 30 bytes each: when half of that is used, the
     * older ones move to files with 2 bytes of memory a key, where they are kept for ever. */
    uint64_t keys_memory;
    /* A checkpoint begins after so many bytes of log, or so many seconds, since the one before, if
     * anything was logged; 0: not by that. */
    uint64_t checkpoint_bytes;
    unsigned checkpoint_seconds;
    /* Log that no checkpoint and no key needs any more is removed when it is older than this, or
     * when the log is larger; 0: not by that. Both 0: the log is kept for ever. */
    uint64_t retain_seconds;
    uint64_t retain_bytes;
    /* How much checkpoints, key files and merges may read and write, so that commits do not wait
     * for them; MiB/s, 0: as fast as it goes. */
    unsigned background_mib_per_second;
    unsigned commit_timeout_ms; /* after which a command answers COMMIT_UNKNOWN; > 0 */
    /* Further currencies that accounts may be opened in, up to FLORIN_OWN_CURRENCIES_MAX different
     * ones, none of ISO 4217; read by florin_open() only. They need not be the same at every start:
     * an account keeps its currency and the decimals that it had when it was opened. With another
     * number of decimals a code is another currency: no transfer leads from one to the other. */
    const struct florin_currency *currencies;
    size_t currency_count;
    /* Whether an account that money is paid into and that does not exist comes into being: opened
     * with a balance of zero and a minimum of zero, without metadata, by a record of its own right
     * before that of the credit, in this currency (empty: USD). Not for a deposit or a leg with an
     * expected version or balance, which speaks of an account that is there. A debit never does it.
     * A transfer or posting that is refused afterwards may leave the account behind, empty; a dry
     * run answers as if it were there, and creates nothing. */
    bool auto_create;
    char auto_create_currency[FLORIN_CURRENCY_MAX + 1];
    /* One line of the log, without newline, in key=value form; NULL: no log. Called from any
     * thread, one call at a time. */
    void (*log_line)(void *context, const char *line);
    void *log_context;
};

/* One worker a core, auto io, 64 MiB segments, 16 Mi accounts, 16 Mi keys in memory, a checkpoint
 * every 1 GiB of log, log kept for ever, 25 MiB/s in the background, 5 s. Thread: any. */
void florin_options_init(struct florin_options *options);

struct florin;
struct florin_client;

/* Opens the ledger in options->directory, creating it when there is none, replays its log and
 * starts its workers. *ledger is set only on success.
 *
 * 0; -EINVAL: an option is out of range; -EBUSY: another process has it open; -EBADMSG: the
 * files are damaged, foreign or of another version (a log line says which, where and what to do;
 * nothing was changed); -ENOSPC, -EIO, -EACCES, -EPERM, -ENOSYS, -ENOMEM, -ENOENT: the
 * machine's own word.
 *
 * Thread: any, one call at a time a directory. Blocks for the length of the replay.
 */
int florin_open(const struct florin_options *options, struct florin **ledger);

/* Finishes what was submitted, leaves a clean-shutdown mark, stops the workers. All clients must
 * be closed before. Thread: any, once. NULL is allowed. */
void florin_close(struct florin *ledger);

/* Makes a checkpoint now, so that the next florin_open() has little to replay, and waits for it;
 * one that is under way is waited for, and then another one is made. 0; -ESHUTDOWN: the ledger has
 * failed or is being closed; -errno of the checkpoint, which was given up: the ledger goes on.
 * Thread: any; calls under way when florin_close() begins are ended, none may begin after it.
 */
int florin_checkpoint(struct florin *ledger);

/* 0, or the errno with which the log failed for good. Thread: any. */
int florin_failed(const struct florin *ledger);

/* The highest LSN that is durable. Thread: any. */
uint64_t florin_durable_lsn(const struct florin *ledger);

/* 0, or -EAGAIN when FLORIN_CLIENTS_MAX clients are open, -ENOMEM. Thread: any. */
int florin_client_open(struct florin *ledger, struct florin_client **client);

/* Waits for the results that are still to come and drops them. Thread: the client's. */
void florin_client_close(struct florin_client *client);

/* Hands over up to `count` commands, in order, and returns how many were taken; fewer when a
 * queue is full: reap, then submit the rest. Commands on one account take effect in the order
 * of submission; only a posting, which may have to wait for accounts of other workers, takes effect
 * at some moment before its result, and commands on its accounts that are submitted meanwhile may
 * come before it. A command that is malformed is taken and answered. Thread: the client's. */
size_t florin_submit(struct florin_client *client, const struct florin_command *commands,
                     size_t count);

/* Collects up to `count` results in completion order and returns how many. Waits for the first
 * one up to timeout_ms (-1: for ever, 0: not at all) unless nothing is outstanding. Results of
 * one account come in the order of its versions. Thread: the client's. */
size_t florin_reap(struct florin_client *client, struct florin_result *results, size_t count,
                   int timeout_ms);

/* One read, submitted and reaped, for tools and tests. Nothing else of this client may be
 * outstanding (asserted). Returns result->status. Thread: the client's. */
enum florin_status florin_read_account(struct florin_client *client, const char *account,
                                       size_t account_length, struct florin_result *result);

/* --- lists of accounts -----------------------------------------------------------------------
 */

struct florin_list {
    const char *after; /* ids behind it, bytewise; it need not exist; length 0: from the first on */
    size_t after_length;
    const char *prefix; /* ids that begin with it; length 0: all */
    size_t prefix_length;
    uint32_t limit; /* 1 to FLORIN_ACCOUNT_PAGE_MAX */
};

struct florin_listed_account {
    char id[FLORIN_ACCOUNT_ID_MAX + 1]; /* terminated */
    size_t id_length;
    struct florin_result state; /* as florin_read_account() says it; metadata is NULL */
};

/* A page of accounts, by id, each as it was when it was read: what is shown is durable, and an
 * account that was there before the call, in its range, is in the page. accounts: room for
 * list->limit. *has_more: there is another page, behind the last id of this one; pages so made have
 * every account once, whatever is opened meanwhile. No index is kept: a page looks at all accounts,
 * 5 to 15 ms at a million, in slices that commits do not wait for.
 *
 * Blocks; nothing else of this client may be outstanding (asserted). 0; -EINVAL: an argument;
 * -EAGAIN: too many lists are being made; -ESHUTDOWN: the ledger has failed; -ENOMEM. *count and
 * *has_more are set on success only. Thread: the client's.
 */
int florin_list_accounts(struct florin_client *client, const struct florin_list *list,
                         struct florin_listed_account *accounts, size_t *count, bool *has_more);

/* --- history: what was, read from the log, as far back as retention has left it ----------------
 */

struct florin_history;

/* One account's part of a transaction. */
struct florin_transaction_leg {
    const char *account;
    size_t account_length;
    uint8_t direction; /* enum florin_direction; 0: no money moved */
    uint8_t exponent;  /* decimals of the account's currency */
    int64_t amount_minor;
    int64_t balance_minor; /* after it */
    uint64_t version;      /* after it */
};

/* A transaction of the log. Strings are valid until the next call with the same history. */
struct florin_transaction {
    uint64_t transaction_id;
    enum florin_command_kind kind;
    uint64_t time_ns; /* Unix time */
    const char *key;
    size_t key_length; /* 0: none */
    /* Capture, void, expire: the hold; reverse: what is reversed; else 0. */
    uint64_t target_id;
    uint64_t expires_ns; /* hold: Unix time; 0: never */
    size_t leg_count;    /* at least 1; a deposit has one */
    struct florin_transaction_leg legs[FLORIN_LEGS_MAX];
};

struct florin_past_balance {
    int64_t balance_minor;
    uint64_t version;
    uint64_t transaction_id; /* that made it */
    uint64_t time_ns;        /* of that */
    uint8_t exponent;
};

/* Reads of the disk are made by the calling thread, through descriptors of its own: commits never
 * wait for it. Takes one of FLORIN_CLIENTS_MAX clients, and 9 MiB as they are needed. 0, -EAGAIN,
 * -ENOMEM. Closed before the ledger. Thread: any; then one at a time.
 *
 * The calls below block. They answer 0; -ENOENT: there is no such account, transaction or version;
 * -ENODATA: retention has removed it; -ERANGE: the account was opened later; -EINVAL: an argument;
 * -EBADMSG: the log is damaged there (a line of the operator's log says where); -ESHUTDOWN: the
 * ledger has failed; -errno of the machine.
 */
int florin_history_open(struct florin *ledger, struct florin_history **history);
void florin_history_close(struct florin_history *history);

struct florin_history_range {
    uint64_t before_id; /* a transaction of the account, itself not shown; 0: from the newest on */
    uint32_t limit;     /* 1 to FLORIN_HISTORY_PAGE_MAX */
    uint64_t from_ns;   /* from_ns <= time < to_ns */
    uint64_t to_ns;     /* UINT64_MAX: no end */
};

/* The transactions of an account, newest first, for florin_history_next(). *next_before_id
 * continues where the page ends, whatever is written meanwhile; 0: there is no more. A page of
 * large ones is shorter than its limit; one that meets what was removed, or damage, ends before it.
 */
int florin_history_page(struct florin_history *history, const char *account, size_t account_length,
                        const struct florin_history_range *range, uint64_t *next_before_id);

/* The next one of the page; false: that was the last. */
bool florin_history_next(struct florin_history *history, struct florin_transaction *transaction);

int florin_history_transaction(struct florin_history *history, uint64_t transaction_id,
                               struct florin_transaction *transaction);

/* The account when it had that version (1: its opening), or at that time. Takes as long as there
 * are newer transactions: a million in some seconds. */
int florin_history_balance_at_version(struct florin_history *history, const char *account,
                                      size_t account_length, uint64_t version,
                                      struct florin_past_balance *balance);
int florin_history_balance_at_time(struct florin_history *history, const char *account,
                                   size_t account_length, uint64_t time_ns,
                                   struct florin_past_balance *balance);

#ifdef __cplusplus
}
#endif

#endif
