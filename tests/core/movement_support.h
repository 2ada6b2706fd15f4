/* movement_support.h - transfers, postings, holds and changes in one shard, for tests: one line
 * each, and at random.
 *
 * Every account that a test names so has one letter.
 */
#ifndef TESTS_CORE_MOVEMENT_SUPPORT_H
#define TESTS_CORE_MOVEMENT_SUPPORT_H

#include "shard_support.h"

static inline struct florin_command transfer_make(const char *from, const char *to, const char *key,
                                                  int64_t amount)
{
    struct florin_command command = posting_make(FLORIN_TRANSFER, from, key, amount, 0);
    command.to = to;
    command.to_length = strlen(to);
    return command;
}

static inline struct florin_leg leg_make(const char *account, enum florin_direction direction,
                                         int64_t amount)
{
    return (struct florin_leg){.account = account,
                               .account_length = strlen(account),
                               .direction = direction,
                               .amount_minor = amount};
}

static inline struct florin_command legs_make(enum florin_command_kind kind,
                                              const struct florin_leg *legs, size_t count,
                                              const char *key)
{
    struct florin_command command = posting_make(kind, legs[0].account, key, 0, 0);
    command.account_length = legs[0].account_length;
    command.legs = legs;
    command.leg_count = count;
    return command;
}

static inline struct florin_command end_make(enum florin_command_kind kind, const char *account,
                                             const char *key, uint64_t hold, int64_t amount)
{
    struct florin_command command = posting_make(kind, account, key, amount, 0);
    command.target_id = hold;
    return command;
}

static inline struct florin_command change_make(const char *account, unsigned changes)
{
    struct florin_command command = posting_make(FLORIN_CHANGE_ACCOUNT, account, NULL, 0, 0);
    command.changes = changes;
    return command;
}

static inline struct shard_answer run_status(struct ledger *ledger, const char *account,
                                             enum florin_account_status status)
{
    struct florin_command command = change_make(account, FLORIN_CHANGE_STATUS);
    command.account_status = status;
    return run(ledger, &command);
}

static inline void run_open_in(struct ledger *ledger, const char *account, int64_t balance,
                               const char *currency)
{
    struct florin_command command = open_make(account, balance);
    command.currency = currency;
    command.currency_length = strlen(currency);
    assert_int_equal(run(ledger, &command).result.status, FLORIN_APPLIED);
}

/* A hold whose id can be used: its record is in the log. */
static inline uint64_t run_hold(struct ledger *ledger, const char *account, int64_t amount,
                                uint64_t expires_in_ns)
{
    struct florin_command command = posting_make(FLORIN_HOLD, account, NULL, amount, 0);
    command.expires_in_ns = expires_in_ns;
    struct shard_answer answer = run(ledger, &command);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    seal(ledger);
    return shard_final_lsn(answer.result.transaction_id, ledger->sealed_first_lsn);
}

static inline int64_t balance_of(const struct ledger *ledger, const char *account)
{
    return account_of(ledger, account)->balance_minor;
}

static inline int64_t held_of(const struct ledger *ledger, const char *account)
{
    return account_table_opening(&ledger->shard.accounts, account_of(ledger, account))->held_minor;
}

/* --- replay ------------------------------------------------------------------------------- */

static inline void replay_step(enum shard_replay replay, bool may_be_older, size_t index)
{
    if (replay != SHARD_REPLAY_APPLIED && !(may_be_older && replay == SHARD_REPLAY_OLDER))
        fail_msg("record %zu: %s", index, shard_replay_text(replay));
}

/* The records from `from` (an LSN) on, each into the shard that has its account, and its legs. */
static inline void replay_log(const struct ledger *live, uint64_t from, struct ledger *shards[],
                              size_t count, bool may_be_older)
{
    for (size_t i = (size_t)from - 1; i < live->logged_count; i++) {
        struct record record = logged_record(live, i);
        struct record_leg leg;
        const uint8_t *at = record.leg_bytes;
        uint64_t hash = hash_account(&live->secret, record.id, record.id_length);
        replay_step(shard_replay(&shards[shard_of(hash, (unsigned)count)]->shard, &record, hash,
                                 live->logged[i].lsn),
                    may_be_older, i);
        for (uint8_t j = 0; j < record.leg_count; j++) {
            at = record_next_leg(at, &leg);
            hash = hash_account(&live->secret, leg.id, leg.id_length);
            replay_step(shard_replay_leg(&shards[shard_of(hash, (unsigned)count)]->shard, &record,
                                         &leg, hash, live->logged[i].lsn),
                        may_be_older, i);
        }
    }
}

/* --- at random ---------------------------------------------------------------------------- */

enum { MOVEMENT_ACCOUNTS = 24, MOVEMENT_HOLDS = 64 };

struct movement {
    uint64_t random;
    uint64_t holds[MOVEMENT_HOLDS]; /* positions, some of which are holds */
    char ids[8][16];
    struct florin_leg legs[8];
    uint32_t keys;
};

static inline uint64_t movement_below(struct movement *movement, uint64_t limit)
{
    return random_below(&movement->random, limit);
}

static inline const char *movement_id(struct movement *movement, unsigned place)
{
    unsigned number = (unsigned)movement_below(movement, MOVEMENT_ACCOUNTS);
    snprintf(movement->ids[place], sizeof(movement->ids[place]), "%s%u",
             number % 5 == 0 ? "longer-id-" : "a", number);
    return movement->ids[place];
}

static inline struct florin_command movement_open(struct movement *movement)
{
    struct florin_command command =
        open_make(movement_id(movement, 0), movement_below(movement, 3) ? 5000 : 0);
    command.currency = movement_below(movement, 5) == 0 ? "JPY" : "USD";
    command.currency_length = 3;
    command.minimum_balance_minor = -(int64_t)movement_below(movement, 2) * 300;
    return command;
}

static inline struct florin_command movement_change(struct movement *movement)
{
    static const char metadata[] = "{\"label\":\"some longer text\"}";
    struct florin_command command = change_make(movement_id(movement, 0), 0);
    command.changes = 1 + (unsigned)movement_below(movement, 7);
    uint64_t status = movement_below(movement, 20);
    command.account_status = status < 2   ? FLORIN_STATE_CLOSED
                             : status < 6 ? FLORIN_STATE_FROZEN
                                          : FLORIN_STATE_OPEN;
    command.minimum_balance_minor = -(int64_t)movement_below(movement, 500);
    command.metadata = metadata;
    command.metadata_length = movement_below(movement, sizeof(metadata));
    return command;
}

static inline struct florin_command movement_legs(struct movement *movement)
{
    size_t count = 2 + movement_below(movement, 6);
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        bool credit = last ? sum < 0 : movement_below(movement, 2);
        int64_t amount =
            last && sum != 0 ? (sum < 0 ? -sum : sum) : 1 + (int64_t)movement_below(movement, 200);
        sum += credit ? amount : -amount;
        movement->legs[i] = leg_make(movement_id(movement, (unsigned)i),
                                     credit ? FLORIN_CREDIT : FLORIN_DEBIT, amount);
        if (movement_below(movement, 20) == 0)
            movement->legs[i].expected_version = 1 + movement_below(movement, 20);
    }
    return legs_make(movement_below(movement, 3) ? FLORIN_POSTING : FLORIN_BATCH, movement->legs,
                     count, NULL);
}

static inline struct florin_command movement_command(struct movement *movement)
{
    uint64_t choice = movement_below(movement, 100);
    const char *id = movement_id(movement, 0);
    int64_t amount = 1 + (int64_t)movement_below(movement, 400);
    uint64_t hold = movement->holds[movement_below(movement, MOVEMENT_HOLDS)];
    struct florin_command command;
    if (choice < 8)
        return movement_open(movement);
    if (choice < 14)
        return movement_change(movement);
    if (choice < 34)
        return movement_legs(movement);
    if (choice < 46) {
        command = posting_make(FLORIN_HOLD, id, NULL, amount, 0);
        command.expires_in_ns = movement_below(movement, 3) ? 0 : 1 + movement_below(movement, 200);
        return command;
    }
    if (choice < 54)
        return end_make(FLORIN_VOID, id, NULL, hold, 0);
    if (choice < 66) {
        command =
            end_make(FLORIN_CAPTURE, id, NULL, hold, movement_below(movement, 2) ? 0 : amount);
        if (movement_below(movement, 2)) {
            command.to = movement_id(movement, 1);
            command.to_length = strlen(command.to);
        }
        return command;
    }
    if (choice < 82)
        return transfer_make(id, movement_id(movement, 1), NULL, amount);
    command = posting_make(choice < 92 ? FLORIN_DEPOSIT : FLORIN_WITHDRAW, id, NULL, amount, 0);
    command.has_expected_balance = movement_below(movement, 4) == 0;
    command.expected_balance_minor = (int64_t)movement_below(movement, 4000);
    return command;
}

/* The owner of a hold is asked for it, not some account. */
static inline void movement_aim(const struct ledger *ledger, struct movement *movement,
                                struct florin_command *command)
{
    uint32_t slot = hold_table_find(&ledger->shard.holds, command->target_id);
    if (command->target_id == 0 || slot == HOLD_NONE || movement_below(movement, 8) == 0)
        return;
    const struct account_table *accounts = &ledger->shard.accounts;
    memset(movement->ids[0], 0, sizeof(movement->ids[0]));
    char id[FLORIN_ACCOUNT_ID_MAX];
    size_t length = account_table_id(
        accounts, &accounts->slots[ledger->shard.holds.slots[slot].account_slot], id);
    memcpy(movement->ids[0], id, length);
    command->account = movement->ids[0];
    command->account_length = length;
}

/* One command, or the time of some holds is over, or the group is full. */
static inline struct shard_answer movement_run(struct ledger *ledger, struct movement *movement)
{
    char key[16];
    struct florin_command command = movement_command(movement);
    movement_aim(ledger, movement, &command);
    bool has_key = command.kind != FLORIN_OPEN_ACCOUNT && command.kind != FLORIN_CHANGE_ACCOUNT;
    if (has_key && movement_below(movement, 2)) {
        /* now and then one that was used: by this account with other content */
        if (movement_below(movement, 10) > 0)
            movement->keys++;
        command.key_length = (size_t)snprintf(key, sizeof(key), "k%u", movement->keys);
        command.key = key;
    }
    command.as_admin = movement_below(movement, 10) == 0;
    command.dry_run = movement_below(movement, 20) == 0;
    struct shard_answer answer = run(ledger, &command);
    if (answer.staged)
        movement->holds[movement_below(movement, MOVEMENT_HOLDS)] =
            ledger->next_lsn + ledger->shard.stage.record_count - 1;
    if (movement_below(movement, 20) == 0)
        (void)shard_expire_holds(&ledger->shard, ledger->now_ns);
    if (movement_below(movement, 15) == 0 || !shard_stage_has_room(&ledger->shard))
        seal(ledger);
    return answer;
}

#endif
