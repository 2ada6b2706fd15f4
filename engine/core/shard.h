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
 * Opening an account that is there with the same content (currency, opening balance, minimum
 * balance, metadata) answers APPLIED and `replayed`; with other content ACCOUNT_EXISTS. Both show
 * the account as it is now; transaction_id is 0, because the opening's position is not kept.
 *
 * A command with a new key when the keys are full answers KEYS_FULL, also when the account would
 * have refused it: a refusal that cannot be remembered is not given.
 *
 * Thread: the owner's.
 */
#ifndef FLORIN_CORE_SHARD_H
#define FLORIN_CORE_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account_table.h"
#include "florin.h"
#include "hash.h"
#include "key_table.h"
#include "record.h"

/* LSNs have 47 bits (at 10 million a second: 160 days short of half a century); bit 47 marks a
 * provisional one, whose lower bits are the record's place in the stage. */
#define SHARD_LSN_PROVISIONAL (UINT64_C(1) << 47)

enum {
    /* Records of one stage: a quarter of a full group, so that several workers share one. */
    SHARD_STAGE_RECORDS_MAX = 4096,
    SHARD_STAGE_BYTES_MAX = 256 * 1024,
};

struct shard_options {
    const struct hash_secret *secret; /* outlives the shard */
    uint64_t accounts_max;
    uint64_t keys_max;
};

struct shard_staged {
    uint32_t offset; /* of the record in stage.bytes */
    uint32_t account_slot;
    uint32_t key_slot; /* SHARD_NO_SLOT: the command had no key */
};
#define SHARD_NO_SLOT UINT32_MAX

struct shard_stage {
    uint8_t *bytes;
    struct shard_staged *records;
    uint32_t byte_count;
    uint32_t record_count;
};

struct shard {
    const struct hash_secret *secret;
    struct account_table accounts;
    struct key_table keys;
    struct shard_stage stage;
    uint64_t last_time_ns;
};

struct shard_answer {
    struct florin_result result; /* transaction_id may be provisional until sealed */
    uint64_t wait_lsn;           /* 0: nothing to wait for; may be provisional */
    uint32_t account_slot;       /* SHARD_NO_SLOT: no account involved */
    bool staged;                 /* it appended a record */
};

size_t shard_memory_bytes(const struct shard_options *options);

/* `memory`: zeroed, aligned to 64, shard_memory_bytes() long, kept by the caller. */
void shard_init(struct shard *shard, const struct shard_options *options, void *memory);

/* Room for one more record of any size. Without it the caller must seal and clear first. */
bool shard_stage_has_room(const struct shard *shard);

/* Ask the cache for what shard_execute() will read, so that the misses of some commands (16 did
 * best) overlap: for all of them the first and, when they have keys, the second; then for all of
 * them the third, which needs what the first has fetched; then execute them. Hints only: nothing
 * depends on them but speed, threefold at a million accounts. */
void shard_prefetch(const struct shard *shard, uint64_t account_hash);
void shard_prefetch_key(const struct shard *shard, const struct florin_command *command);
void shard_prefetch_account(const struct shard *shard, uint64_t account_hash);

/* Runs one command. `account_hash` is hash_account() of its id (any value when the id is not
 * valid). Needs shard_stage_has_room(). result.metadata points into the shard. */
void shard_execute(struct shard *shard, const struct florin_command *command, uint64_t account_hash,
                   uint64_t now_ns, struct shard_answer *answer);

/* Gives the staged records the LSNs first_lsn, first_lsn + 1, ... */
void shard_seal(struct shard *shard, uint64_t first_lsn);
void shard_stage_clear(struct shard *shard);

/* The LSN of a sealed stage that a provisional one stood for; others come back as they are. */
static inline uint64_t shard_final_lsn(uint64_t lsn, uint64_t first_lsn)
{
    return (lsn & SHARD_LSN_PROVISIONAL) ? first_lsn + (lsn & ~SHARD_LSN_PROVISIONAL) : lsn;
}

/* What replay met. Everything but the first two means that the log and its checksums agree, but
 * the ledger's own rules do not: damage that no disk makes. */
#define SHARD_REPLAY_LIST(X)                                                                       \
    X(APPLIED, "applied")                                                                          \
    X(OLDER, "older than the account, skipped")                                                    \
    X(NO_ROOM, "more accounts or keys than --accounts-max or --keys-max allow")                    \
    X(UNKNOWN_ACCOUNT, "a record of an account that was never opened")                             \
    X(ACCOUNT_TWICE, "an account opened twice")                                                    \
    X(KEY_TWICE, "an idempotency key used twice")                                                  \
    X(VERSION_GAP, "the version does not follow the one before")                                   \
    X(BALANCE_WRONG, "the balance does not follow from the one before and the amount")             \
    X(PREVIOUS_WRONG, "the account's record before is another one")

enum shard_replay {
#define X(name, text) SHARD_REPLAY_##name,
    SHARD_REPLAY_LIST(X)
#undef X
};

const char *shard_replay_text(enum shard_replay replay);

/* Applies a record of the log. The caller passes only records of this shard, in log order. */
__attribute__((warn_unused_result)) enum shard_replay
shard_replay(struct shard *shard, const struct record *record, uint64_t account_hash, uint64_t lsn);

/* A sum over all accounts and keys: the same state gives the same digest, and digests of shards
 * added up do not depend on how many shards there are. Stage must be empty. */
uint64_t shard_digest(const struct shard *shard);

/* Walks all accounts and asserts what must hold (balance >= minimum, version > 0, found by its own
 * id). For tests and after recovery. */
void shard_audit(const struct shard *shard);

#endif
