/* shard.h - the state machine of one shard: commands in; results, records and waits out.
 *
 * Deterministic: no clock, thread, file, randomness or allocation. Time, memory and log positions
 * come in as data. The same calls give the same bytes.
 *
 * The life of a change:
 *
 *     shard_execute()   validates in the order of florin_status, then mutates the tables and
 *                       appends one record to the stage. The change has a provisional LSN: its
 *                       place in the stage.
 *     shard_seal()      the caller has bought LSNs for the whole stage from the log; provisional
 *                       LSNs in accounts, keys and records become real ones.
 *     (caller)          copies stage.bytes into the log, then shard_stage_clear().
 *
 * Nobody may see a result before its `wait_lsn` is durable: an applied or remembered command
 * waits for its own record; a read, a refusal or a replayed answer waits for the newest
 * record that it shows. So no reader ever sees what a crash could take back.
 *
 * Order of the checks: syntax, key, account, version, balance, room. A key that was seen with the
 * same kind, amount and expected version gets the first answer again (`replayed`), also when
 * that was VERSION_MISMATCH, PRECONDITION_FAILED, INSUFFICIENT_BALANCE or BALANCE_OVERFLOW; with
 * another content KEY_REUSED, naming the first field that differs. ACCOUNT_NOT_FOUND is not
 * remembered: it says nothing about an account, and would let strangers fill the key table.
 *
 * A key is unique for ever, but memory has only a hint at it (key_table.h), or a filter of the key
 * file that it is in (key_filter.h). So a command with a key may need something from the disk
 * before it can be decided. The shard says what, and changes nothing; the caller looks it up, while
 * later commands on the account wait, and executes the command again with all that it has found so
 * far:
 *
 *     SHARD_LOOKUP_RECORD   The record at lookup_lsn, once that is final and durable. It has the
 * key (shard_record_has_key()): found, with key_answer_of_record(). It has another: one more of
 * `others`, by its final LSN. SHARD_LOOKUP_FILES    lookup_digest in the key files of
 * shard->key_filters, or newer ones. found, with the answer there, or files_have_not.
 *
 * A key is always in memory or in a file, or in both: the caller replaces key_filters before it
 * lets the shard forget (shard_forget_keys()), and both only between calls.
 *
 * Opening an account that is there with the same content (currency, opening balance, minimum
 * balance, metadata) answers APPLIED and `replayed`; with other content ACCOUNT_EXISTS. Both show
 * the account as it is now; transaction_id is 0, because the opening's position is not kept.
 *
 * With auto_create a deposit or a leg that pays into an account that does not exist brings it into
 * being: an opening record stands before its own. Not with a condition on version or balance.
 *
 * A command with a new key when the keys are full answers KEYS_FULL, also when the account would
 * have refused it: a refusal that cannot be remembered is not given. While storage_is_full,
 * whatever would append a record answers STORAGE_FULL instead, changes and shows nothing, and waits
 * for nothing; a key that was seen and an opening that is repeated answer as ever.
 *
 * Thread: the owner's.
 */
#ifndef FLORIN_CORE_SHARD_H
#define FLORIN_CORE_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account_image.h"
#include "account_table.h"
#include "florin.h"
#include "hash.h"
#include "hold_table.h"
#include "key_answer.h"
#include "key_filter.h"
#include "key_table.h"
#include "posting.h"
#include "record.h"

#define SHARD_LSN_PROVISIONAL RECORD_LSN_PROVISIONAL

enum {
    /* Records of one stage: a quarter of a full group, so that several workers share one. */
    SHARD_STAGE_RECORDS_MAX = 4096,
    SHARD_STAGE_BYTES_MAX = 256 * 1024,
    /* One more account a record on average: transfers. */
    SHARD_STAGE_OTHERS_MAX = 4096,
    /* Records in memory that look like a command's key and are of another. One is a chance of 2^-22
     * at 64 million keys; five are one of 2^-110. */
    SHARD_OTHERS_MAX = 4,
};

struct shard_options {
    const struct hash_secret *secret; /* outlives the shard */
    /* Outlives the shard; NULL: no currency but those of ISO 4217. */
    const struct currency_list *currencies;
    /* Of accounts that come into being when they are first paid into; outlives the shard. NULL:
     * none do. */
    const struct currency *auto_create;
    unsigned number; /* of this shard */
    unsigned count;  /* of all; 0: it is the only one */
    uint64_t accounts_max;
    uint64_t keys_memory; /* keys that memory holds; older ones are in key files */
    uint64_t holds_max;
};

struct shard_staged {
    uint32_t offset; /* of the record in stage.bytes */
    uint32_t account_slot;
    uint32_t key_slot;  /* SHARD_NO_SLOT: the command had no key */
    uint32_t link_slot; /* SHARD_NO_SLOT: no reversal; else the key of the reversal's number */
    uint32_t hold_slot; /* SHARD_NO_SLOT: it made no hold */
    /* Further accounts of this shard that it changed: places in stage.others. */
    uint32_t first_other;
    uint32_t other_count;
};
#define SHARD_NO_SLOT UINT32_MAX

struct shard_stage {
    uint8_t *bytes;
    struct shard_staged *records;
    uint32_t *others; /* slots of accounts */
    uint32_t byte_count;
    uint32_t record_count;
    uint32_t other_count;
    bool is_sealed;
};

struct shard {
    const struct hash_secret *secret;
    const struct currency_list *currencies; /* that accounts may be opened in, besides ISO 4217's */
    const struct currency *auto_create;     /* NULL: accounts are opened by command only */
    unsigned number;
    unsigned count; /* of shards */
    struct account_table accounts;
    struct key_table keys;
    struct hold_table holds;
    struct shard_stage stage;
    uint64_t last_time_ns;
    /* What is known of the key files. Never NULL; no files at init. The caller replaces it between
     * calls, by one that covers at least as much. */
    const struct key_filters *key_filters;
    /* Whether the log wants no more records. The caller sets it between calls. */
    bool storage_is_full;
    struct posting *posting; /* that is being decided, if all its accounts are here */
};

/* The shard that an account of this hash lives in. Upper bits by multiplication: the index uses the
 * upper 32, so this takes the lower half. */
static inline unsigned shard_of(uint64_t account_hash, unsigned shard_count)
{
    return (unsigned)(((account_hash & UINT32_MAX) * shard_count) >> 32);
}

/* What the caller has found out about a key. All zero: nothing yet. */
struct shard_key_found {
    bool found;          /* `answer` is that of this key */
    bool files_have_not; /* it was looked up in the key files and is not there */
    uint8_t other_count;
    /* LSNs of records that were looked up and are of other keys. */
    uint64_t others[SHARD_OTHERS_MAX];
    struct key_answer answer;
};

/* And about the record that a command names: the hold that it ends, the transaction that it
 * reverses.
 */
enum shard_target {
    SHARD_TARGET_UNKNOWN,
    SHARD_TARGET_NOT_FOUND, /* no such record of the command's account, or it is not kept any more
                             */
    SHARD_TARGET_HOLD,
    SHARD_TARGET_REVERSIBLE, /* the command's legs are what is left of it, turned round */
    SHARD_TARGET_OTHER,
};

/* What the caller has found out for a command that could not be decided. All zero: nothing yet. */
struct shard_found {
    struct shard_key_found key;
    enum shard_target target;
    /* Reversals: how many the transaction has so far, all of them taken off the command's legs, and
     * how much of its first leg they are; and what is known of the key of the next one. */
    uint32_t reversals;
    int64_t reversed_minor;
    struct shard_key_found next_reversal;
};

/* There are newer key files than those that were looked into. */
static inline void shard_found_forget_files(struct shard_found *found)
{
    found->key.files_have_not = false;
    found->next_reversal.files_have_not = false;
}

enum shard_lookup {
    SHARD_LOOKUP_NONE,   /* the command is decided */
    SHARD_LOOKUP_RECORD, /* the record at lookup_lsn may be of this key */
    SHARD_LOOKUP_FILES,  /* lookup_digest may be in the key files */
    SHARD_LOOKUP_TARGET, /* the record at lookup_lsn is the one that the command names */
    /* A posting has claimed the account, or the record of its opening finds no room in the stage:
     * execute again when that is over. */
    SHARD_LOOKUP_CLAIM,
    SHARD_LOOKUP_SHARDS, /* a posting over several shards: coordinator_begin() */
};

struct shard_answer {
    struct florin_result result; /* transaction_id may be provisional until sealed */
    uint64_t wait_lsn;           /* 0: nothing to wait for; may be provisional */
    uint32_t account_slot;       /* SHARD_NO_SLOT: no account involved */
    bool staged;                 /* it appended a record */
    uint8_t raised;              /* versions that this has added to the account */
    /* With another value than NONE nothing was decided or changed, and result.status and wait_lsn
     * mean nothing. */
    enum shard_lookup lookup;
    uint64_t lookup_lsn; /* RECORD only; may be provisional */
    struct hash128 lookup_digest;
    bool lookup_is_reversal; /* RECORD, FILES: of the key of the transaction's next reversal */
};

size_t shard_memory_bytes(const struct shard_options *options);

/* `memory`: zeroed, aligned to 64, shard_memory_bytes() long, kept by the caller. */
void shard_init(struct shard *shard, const struct shard_options *options, void *memory);

/* Room for one more record of any size, and for `count` more of one account. Without it the caller
 * must seal and clear first. */
bool shard_stage_has_room(const struct shard *shard);
bool shard_stage_has_room_for(const struct shard *shard, uint32_t count);

/* Ask the cache for what shard_execute() will read, so that the misses of some commands (16 did
 * best) overlap: for all of them the first and, when they have keys, the second; then for all of
 * them the third, which needs what the first has fetched; then execute them. Hints only: nothing
 * depends on them but speed, threefold at a million accounts. */
void shard_prefetch(const struct shard *shard, uint64_t account_hash);
void shard_prefetch_key(const struct shard *shard, const struct florin_command *command);
void shard_prefetch_account(const struct shard *shard, uint64_t account_hash);

/* Runs one command. `account_hash` is hash_account() of its id (any value when the id is not
 * valid). Needs shard_stage_has_room(). `found`: NULL when nothing was looked up for it. Answers
 * QUEUE_FULL when more than SHARD_OTHERS_MAX records look like its key. result.metadata points into
 * the shard. */
void shard_execute(struct shard *shard, const struct florin_command *command, uint64_t account_hash,
                   uint64_t now_ns, const struct shard_found *found, struct shard_answer *answer);

/* Ends the holds whose time is over, while the stage has room; returns how many. One whose account
 * is claimed stays a little longer, and so do those behind it. */
uint32_t shard_expire_holds(struct shard *shard, uint64_t now_ns);
/* When the next hold expires; UINT64_MAX: none does. */
uint64_t shard_next_expiry_ns(const struct shard *shard);

/* Whether this record is that of the command's key: same account, same key. */
bool shard_record_has_key(const struct record *record, const struct florin_command *command);

/* What the record that a command names is for it: hold, or reversible, of the command's account. */
enum shard_target shard_target_of_record(const struct record *record,
                                         const struct florin_command *command);

/* Whether this record is reversal number `number` (the first is 1) of the command's transaction. */
bool shard_record_is_reversal(const struct record *record, const struct florin_command *command,
                              uint64_t number);

/* Whether this record, final and durable, has the key that SHARD_LOOKUP_RECORD asks for without
 * lookup_is_reversal; *answer is what was answered then. */
bool shard_answer_of_record(const struct hash_secret *secret, const struct record *record,
                            uint64_t lsn, const struct florin_command *command,
                            struct key_answer *answer);

/* Gives the staged records the LSNs first_lsn, first_lsn + 1, ... */
void shard_seal(struct shard *shard, uint64_t first_lsn);
void shard_stage_clear(struct shard *shard);

/* Forgets up to `count_max` keys that the key files have, oldest first; returns how many. */
uint32_t shard_forget_keys(struct shard *shard, uint32_t count_max);

static inline uint64_t shard_final_lsn(uint64_t lsn, uint64_t first_lsn)
{
    return record_final_lsn(lsn, first_lsn);
}

/* --- replay (shard_replay.c) ---------------------------------------------------------------- */

/* What replay met. Everything but the first two means that the log and its checksums agree, but
 * the ledger's own rules do not: damage that no disk makes. */
#define SHARD_REPLAY_LIST(X)                                                                       \
    X(APPLIED, "applied")                                                                          \
    X(OLDER, "older than the account, skipped")                                                    \
    X(NO_ROOM,                                                                                     \
      "more accounts, keys or holds than --accounts-max, --keys-memory or --holds-max allow")      \
    X(UNKNOWN_ACCOUNT, "a record of an account that was never opened")                             \
    X(ACCOUNT_TWICE, "an account opened twice")                                                    \
    X(VERSION_GAP, "the version does not follow the one before")                                   \
    X(BALANCE_WRONG, "the balance does not follow from the one before and the amount")             \
    X(PREVIOUS_WRONG, "the account's record before is another one")                                \
    X(HOLD_WRONG, "a hold that is not there, or is there already, or of another amount")           \
    X(CURRENCY_WRONG, "the exponent or currency is not the account's")                             \
    X(CLOSED, "a change of a closed account, or a closing of one that is not empty")

enum shard_replay {
#define X(name, text) SHARD_REPLAY_##name,
    SHARD_REPLAY_LIST(X)
#undef X
};

const char *shard_replay_text(enum shard_replay replay);

/* Applies a record of the log to the account of its fixed part. The caller passes only records of
 * this shard, in log order. Legs come one by one, in their order, after it: those of this shard
 * only, with the record that they stand in, which may be of another shard.
 *
 * A record that the account has already (it came from a checkpoint, or the record was replayed
 * before) answers OLDER. Its key, like any other, is added to memory when it is behind
 * key_filters->to_lsn and not there yet. */
__attribute__((warn_unused_result)) enum shard_replay
shard_replay(struct shard *shard, const struct record *record, uint64_t account_hash, uint64_t lsn);

__attribute__((warn_unused_result)) enum shard_replay
shard_replay_leg(struct shard *shard, const struct record *record, const struct record_leg *leg,
                 uint64_t account_hash, uint64_t lsn);

/* Walks all accounts, holds and keys and asserts what must hold (balance >= minimum, version > 0,
 * found by its own id; keys in order). For tests and after recovery. */
void shard_audit(const struct shard *shard);

/* --- checkpoints and sums (shard_checkpoint.c) ---------------------------------------------- */

/* What a checkpoint says of its accounts as a whole. Adding is associative: slices of shards may be
 * summed in any order. */
struct shard_sums {
    uint64_t accounts;
    uint64_t digest;      /* of shard_accounts_digest() */
    uint64_t balance_low; /* 128-bit sum of the balances, of whatever currency, in minor units */
    int64_t balance_high;
    uint64_t newest_lsn; /* greatest last_lsn; 0: no accounts */
};

/* Appends the images of accounts to `bytes`, from slot *cursor on and below `slot_end`, as long as
 * they fit into `capacity`, are fewer than `accounts_max`, and no posting has the next one. Moves
 * *cursor, adds to *sums, returns the bytes written; 0 before `slot_end` says that not even one
 * fitted. Stage must be empty.
 *
 * Between two calls the shard may go on. A checkpoint that began at LSN L and took the accounts of
 * then, each at some moment since, is made whole by replaying the log from L on. */
size_t shard_write_images(const struct shard *shard, uint32_t *cursor, uint32_t slot_end,
                          uint8_t *bytes, size_t capacity, uint32_t accounts_max,
                          struct shard_sums *sums);

/* Adds an account of a checkpoint, before any replay, and adds it to *sums. APPLIED, or NO_ROOM,
 * ACCOUNT_TWICE, BALANCE_WRONG (below the account's minimum and what is held), HOLD_WRONG (another
 * account has such a hold), which change nothing. */
__attribute__((warn_unused_result)) enum shard_replay
shard_load_image(struct shard *shard, const struct account_image *image, uint64_t account_hash,
                 struct shard_sums *sums);

/* Adds the sums of a part. */
void shard_sums_add(struct shard_sums *sums, const struct shard_sums *part);

/* A sum over all accounts: the same accounts give the same digest, and digests of shards added up
 * do not depend on how many shards there are. Stage must be empty. */
uint64_t shard_accounts_digest(const struct shard *shard);

/* The same over accounts and the keys behind key_filters->to_lsn. The caller adds the sums of
 * key_state_digest() that key files have: the whole then depends neither on the number of shards
 * nor on which keys are in files. Stage must be empty. */
uint64_t shard_digest(const struct shard *shard);

#endif
