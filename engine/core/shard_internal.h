/* shard_internal.h - what the files of the shard share. Private to engine/core/shard*.c.
 *
 *     shard.c            what a shard is made of; a command to its file; the stage is sealed
 *     shard_syntax.c     what can be said of a command without the ledger
 *     shard_answer.c     answers, keys that were seen, the stage
 *     shard_accounts.c   open, change, read
 *     shard_moves.c      deposit, withdraw
 *     shard_holds.c      hold, void, expire
 *     shard_postings.c   transfer, posting, batch, capture, reverse: in one shard, or home's part
 *
 * Thread: the owner's.
 */
#ifndef FLORIN_CORE_SHARD_INTERNAL_H
#define FLORIN_CORE_SHARD_INTERNAL_H

#include "money.h"
#include "shard.h"

/* --- shard_syntax.c ------------------------------------------------------------------------- */

/* All that can be said without looking at accounts. FLORIN_APPLIED, or a refusal with field and leg
 * in *result. */
enum florin_status shard_check_syntax(const struct shard *shard,
                                      const struct florin_command *command,
                                      struct florin_result *result);

/* NULL: unknown. The default when the command names none. */
const struct currency *shard_command_currency(const struct shard *shard,
                                              const struct florin_command *command);

/* The amount in minor units. false: it has more decimals than the currency, or is out of range. */
bool shard_command_amount(const struct florin_command *command, const struct currency *currency,
                          int64_t *amount_minor);
/* The same of the minimum balance. */
bool shard_command_minimum(const struct florin_command *command, const struct currency *currency,
                           int64_t *minimum_minor);

static inline enum florin_status shard_refuse(enum florin_status status, enum florin_field at,
                                              enum florin_field *field)
{
    *field = at;
    return status;
}

/* --- shard_answer.c ------------------------------------------------------------------------- */

/* The account as it is now: what a refusal, a read or a repeated opening shows. */
void shard_answer_with_account(const struct shard *shard, const struct account *account,
                               struct shard_answer *answer);
/* And all that reads, openings and changes show besides. */
void shard_answer_with_details(const struct shard *shard, const struct account *account,
                               struct shard_answer *answer);
/* There is no disk for a record. It shows nothing of the ledger, so that it waits for nothing: what
 * stands before it may not become durable either. */
void shard_answer_storage_full(const struct florin_command *command, struct shard_answer *answer);

/* What a request with a key is compared by: the amount in minor units and what was expected, or for
 * kinds with legs, its digest. */
struct shard_request {
    int64_t amount_minor;
    uint64_t expected; /* key_answer_expected() */
    uint64_t digest;   /* posting_request(); 0: a deposit or withdrawal */
};

/* Whether the key was never seen. Otherwise the answer is finished: what the key got, or what is to
 * be looked up first. */
bool shard_key_is_new(const struct shard *shard, const struct florin_command *command,
                      const struct shard_request *request, struct hash128 digest,
                      const struct shard_found *found, struct shard_answer *answer);

/* Whether the key was never seen, by all that is known of it. Otherwise the answer says what is to
 * be looked up, or is QUEUE_FULL. */
bool shard_digest_is_new(const struct shard *shard, struct hash128 digest,
                         const struct shard_key_found *found, struct shard_answer *answer);

/* The same of the number of a transaction's next reversal, whose key is `digest`. */
bool shard_reversal_is_next(const struct shard *shard, struct hash128 digest,
                            const struct shard_found *found, struct shard_answer *answer);

uint64_t shard_next_lsn(const struct shard *shard);
uint64_t shard_next_time(const struct shard *shard, uint64_t now_ns);

/* Whether nobody else has the account at the moment. Otherwise the answer says that the command has
 * to come again. */
bool shard_account_is_free(const struct account *account, struct shard_answer *answer);

/* The status of an account that does not let money move; FLORIN_APPLIED: it does. */
enum florin_status shard_check_status(const struct account *account,
                                      const struct florin_command *command);
/* expected_version and expected_balance. */
enum florin_status shard_check_conditions(const struct shard *shard, const struct account *account,
                                          const struct florin_command *command,
                                          struct florin_result *result);

/* Appends the record of a change that was just made to `account`: fills in its id, version,
 * balance, exponent and previous record, and links it. The record's id must stay readable. */
void shard_stage_record(struct shard *shard, struct record *record, struct account *account,
                        uint32_t key_slot, uint32_t hold_slot);

/* Adds the command's key for the record that is staged next. false: no room, the answer says so.
 * *key_slot: SHARD_NO_SLOT without a key. */
bool shard_add_key(struct shard *shard, const struct hash128 *digest, uint32_t *key_slot,
                   struct florin_result *result);

/* The result of what was staged last on `account`. */
void shard_answer_staged(const struct shard *shard, const struct account *account,
                         struct shard_answer *answer);

/* When a hold that is made at `time_ns` ends by itself; 0: never. A time that no clock reaches is
 * cut to the last one. */
static inline uint64_t shard_expiry(const struct florin_command *command, uint64_t time_ns)
{
    if (command->expires_in_ns == 0)
        return 0;
    return command->expires_in_ns > UINT64_MAX - time_ns ? UINT64_MAX
                                                         : time_ns + command->expires_in_ns;
}

/* --- the commands --------------------------------------------------------------------------- */

/* Opens an account in the shard's auto_create, empty: its record is staged. Needs
 * shard_stage_has_room(), and storage that is not full. NULL: there is no room for accounts. */
struct account *shard_create_account(struct shard *shard, const char *id, size_t id_length,
                                     uint64_t account_hash, uint64_t now_ns);

void shard_execute_open(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, uint64_t now_ns, struct shard_answer *answer);
void shard_execute_change(struct shard *shard, const struct florin_command *command,
                          uint64_t account_hash, uint64_t now_ns, struct shard_answer *answer);
void shard_execute_read(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, struct shard_answer *answer);
void shard_execute_move(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                        struct shard_answer *answer);
void shard_execute_hold(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                        struct shard_answer *answer);
void shard_execute_void(struct shard *shard, const struct florin_command *command,
                        uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                        struct shard_answer *answer);
void shard_execute_posting(struct shard *shard, const struct florin_command *command,
                           uint64_t account_hash, uint64_t now_ns, const struct shard_found *found,
                           struct shard_answer *answer);
void shard_execute_read_reversal(const struct shard *shard, const struct florin_command *command,
                                 uint64_t account_hash, const struct shard_found *found,
                                 struct shard_answer *answer);

/* The accounts of a posting that live in this shard, as they are. */
void shard_load_posting(const struct shard *shard, struct posting *posting);

/* Decides a posting whose accounts are all known, and nobody else's at the moment, and stages what
 * came of it. `not_before_ns`: its record is younger than that. With answer->lookup other than NONE
 * its key is not new: nothing was decided. */
void shard_decide_posting(struct shard *shard, struct posting *posting,
                          const struct shard_found *found, uint64_t now_ns, uint64_t not_before_ns,
                          struct shard_answer *answer);

/* Whether a command may end its hold now: HOLD_NONE with an answer that is finished (refused, or
 * what is to be looked up), else the slot. */
uint32_t shard_find_hold(const struct shard *shard, const struct account *account,
                         const struct florin_command *command, uint64_t now_ns,
                         const struct shard_found *found, struct shard_answer *answer);

#endif
