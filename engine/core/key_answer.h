/* key_answer.h - all that a retry needs of a finished command with a key: what was asked, and what
 * was answered. Made from the command's record; 64 bytes in key files:
 *
 *      0  u64  digest high     the file is sorted by these two
 *      8  u64  digest low
 *     16  u64  lsn << 16 | kind << 8 | status
 *     24  u64  time_ns
 *     32  u64  expected_version  asked; 0: none (key_answer_expected()). Of kinds with legs:
 *                    the digest of all that was asked
 *     40  i64  amount            asked, minor units. Of a refusal of a kind with legs:
 * refused_leg
 *     48  i64  balance           answered, minor units
 *     56  u64  version           answered
 *
 * Of kinds with legs, `balance` and `version` are those of the record's account after all legs; of
 * a hold and a void, `balance` is what is available then (balance - held); of a refusal, both are
 * those of the account of the refused leg.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_KEY_ANSWER_H
#define FLORIN_CORE_KEY_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "record.h"

enum { KEY_ANSWER_BYTES = 64 };

struct key_answer {
    struct hash128 digest;
    uint64_t lsn;
    uint8_t kind;
    uint8_t status;
    uint64_t time_ns;
    uint64_t expected_version;
    int64_t amount_minor;
    int64_t balance_minor;
    uint64_t version;
};

/* What is kept of the conditions of a deposit or withdrawal, to tell another request under its key:
 * the expected version, 0: none; with an expected balance or as_admin a digest of all three, never
 * 0. `expected_balance_minor` counts only with has_expected_balance. */
uint64_t key_answer_expected(uint64_t expected_version, bool has_expected_balance,
                             int64_t expected_balance_minor, bool as_admin);

/* Of a decoded record with a key (asserted). */
struct key_answer key_answer_of_record(const struct hash_secret *secret,
                                       const struct record *record, uint64_t lsn);

/* Reversal number `number` (from 1 on) of the transaction `target_lsn` has a key of its own, which
 * no client can choose: it is longer than theirs may be. It says that there is such a reversal. */
struct hash128 key_of_reversal(const struct hash_secret *secret, const char *id, size_t id_length,
                               uint64_t target_lsn, uint64_t number);

/* Whether the record has a key of that kind; *answer is its. */
bool key_answer_of_reversal(const struct hash_secret *secret, const struct record *record,
                            uint64_t lsn, struct key_answer *answer);

void key_answer_encode(const struct key_answer *answer, uint8_t bytes[KEY_ANSWER_BYTES]);

/* false: not one that key_answer_encode() writes (kind, status, amount, LSN or version out of
 * range). */
bool key_answer_decode(const uint8_t bytes[KEY_ANSWER_BYTES], struct key_answer *answer);

/* < 0, 0, > 0 as strcmp(), in the order of key files: by digest (high, then low), then LSN. */
int key_answer_compare(const struct key_answer *left, const struct key_answer *right);

/* The parts of a digest that the memory of a shard keeps (key_table.h). */
static inline uint32_t key_tag(struct hash128 digest)
{
    return (uint32_t)(digest.high >> 32);
}
static inline uint16_t key_check(struct hash128 digest)
{
    return (uint16_t)digest.low;
}

/* What a key adds to the digest of a state (shard_digest()), wherever it is kept. */
uint64_t key_state_digest(uint32_t tag, uint16_t check, uint64_t lsn);

#endif
