/* posting.h - a change of several accounts at once, while it is decided.
 *
 * A transfer, a posting, an atomic batch, a capture: legs on accounts that may live in any shard.
 * It is decided in one place, the shard of its first leg's account ("home"), from copies of the
 * accounts that nobody else may touch meanwhile, and becomes one record with all legs.
 *
 *     posting_init()      legs and the accounts that they name, each account once, from a command
 *     (caller)            fills in every account's state, claimed by this posting
 *     posting_decide()    what becomes of it: pure; the first leg with the gravest fault, or what
 * every account is afterwards posting_record()    the record of that
 *
 * Order of the checks over all legs: enum florin_status; of two faults of one status the earlier
 * leg's. Conditions look at accounts as they were before the posting; balances are checked after
 * each leg, in order.
 *
 * Thread: the owner's; pure.
 */
#ifndef FLORIN_CORE_POSTING_H
#define FLORIN_CORE_POSTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "currency.h"
#include "florin.h"
#include "hash.h"
#include "record.h"

/* An account that takes part. */
struct posting_account {
    /* set by posting_init() */
    char id[FLORIN_ACCOUNT_ID_MAX];
    uint8_t id_length;
    bool is_credited;    /* by some leg */
    bool is_conditional; /* some leg speaks of its version or balance: it has to be there */
    uint64_t hash;

    /* its state; set by whoever claims it */
    bool exists;
    bool is_new; /* as it would come into being: this posting does that, or is a dry run */
    enum florin_account_status status;
    struct currency currency;
    int64_t balance_minor;
    int64_t floor_minor;
    uint64_t version;
    uint64_t last_lsn; /* may be provisional in the home shard */
    uint32_t slot;     /* in its own shard */

    /* set by posting_decide(): after */
    int64_t balance_after_minor;
    uint64_t version_after;
};

struct posting_leg {
    uint8_t account; /* number in accounts */
    enum florin_direction direction;
    uint8_t amount_scale;
    int64_t amount; /* as asked */
    uint64_t expected_version;
    bool has_expected_balance;
    uint8_t expected_balance_scale;
    uint8_t group; /* of a batch: these balance; 0: none */
    int64_t expected_balance;

    /* set by posting_decide() */
    int64_t amount_minor;
    int64_t balance_after_minor;
    uint64_t version_after;
};

struct posting {
    enum florin_command_kind kind;
    bool amount_is_decimal;
    bool expected_by_precondition;
    bool dry_run;
    bool as_admin;
    uint8_t leg_count;
    uint8_t account_count; /* accounts[0] is home's */
    uint8_t key_length;
    uint64_t user_data;
    uint64_t target_id;
    uint64_t request; /* posting_request() */

    /* What a leg gets whose account might come into being, and did not; set by the home shard. */
    enum florin_status not_created;

    /* of the hold that a capture ends; set by the home shard */
    bool hold_is_active;
    int64_t hold_minor;

    /* of a reversal: what was asked of the first leg (0: all); the legs are what is left of the
     * transaction */
    int64_t asked;
    uint8_t asked_scale;
    int64_t asked_minor; /* set by posting_decide() */
    /* and what was reversed before; set by the home shard */
    uint32_t reversals;
    int64_t reversed_minor;

    char key[FLORIN_KEY_MAX];
    struct posting_leg legs[FLORIN_LEGS_MAX];
    struct posting_account accounts[FLORIN_LEGS_MAX];
};

struct posting_decision {
    enum florin_status status;
    enum florin_field field;
    uint8_t leg; /* that the status speaks of */
};

/* Whether the account may come into being by the posting, where that is allowed. */
static inline bool posting_may_create(const struct posting_account *account)
{
    return account->is_credited && !account->is_conditional;
}

/* Versions that the posting has added to the account. */
static inline uint8_t posting_raised(const struct posting_account *account)
{
    return (uint8_t)(account->version_after - account->version + account->is_new);
}

/* Whether commands of this kind are postings. */
bool posting_is(enum florin_command_kind kind);

/* What can be said of a command of such a kind without looking at any account: legs, ids, amounts.
 * FLORIN_APPLIED, or a refusal with *field and *leg. The command's own account id and key are
 * checked elsewhere. */
enum florin_status posting_check(const struct florin_command *command, enum florin_field *field,
                                 uint8_t *leg);

/* From a command that posting_check() accepts. */
void posting_init(struct posting *posting, const struct florin_command *command,
                  const struct hash_secret *secret);

/* The command again, its strings and legs in the posting and in `legs`. */
void posting_command(const struct posting *posting, struct florin_leg legs[FLORIN_LEGS_MAX],
                     struct florin_command *command);

/* Digest of all that a command with legs asks for, or of a hold, capture or void: two requests with
 * one key are the same when it is the same. Never 0. */
uint64_t posting_request(const struct florin_command *command);

/* Needs the state of every account, and the hold's. */
struct posting_decision posting_decide(struct posting *posting);

/* Whether the accounts of two legs are of one currency. */
bool posting_same_currency(const struct posting *posting, uint8_t left, uint8_t right);

/* What a refusal that is remembered speaks of. */
enum florin_field posting_field(enum florin_status status);

/* The balance that a refusal shows: of the refused leg's account; 0 when that has another currency
 * than the first leg's, in which a result counts. */
int64_t posting_refused_balance(const struct posting *posting,
                                const struct posting_decision *decision);

/* The record of a decision, but for `held_minor`, the account's after it. Strings point into the
 * posting, legs to `legs`. Of a refusal: remembered under its key. */
void posting_record(const struct posting *posting, const struct posting_decision *decision,
                    uint64_t time_ns, struct record_leg legs[FLORIN_LEGS_MAX],
                    struct record *record);

#endif
