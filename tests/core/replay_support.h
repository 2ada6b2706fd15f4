/* replay_support.h - three accounts, and records for them by hand: what the tests of replay share.
 */
#ifndef TESTS_CORE_REPLAY_SUPPORT_H
#define TESTS_CORE_REPLAY_SUPPORT_H

#include "shard_support.h"

enum { ACCOUNTS = 3 };

/* The accounts a, b and c with 1000 each, opened by the records 1 to 3; b may owe 100. */
static inline struct record open_record(const char *id, int64_t minimum_minor)
{
    return (struct record){
        .kind = FLORIN_OPEN_ACCOUNT,
        .exponent = 2,
        .time_ns = 5,
        .version = 1,
        .balance_minor = 1000,
        .amount_minor = 1000,
        .id = id,
        .id_length = 1,
        .minimum_balance_minor = minimum_minor,
        .currency = "USD",
        .metadata = "{}",
        .metadata_length = 2,
    };
}

/* As it stands in a log: decoded from bytes. */
struct stored {
    uint8_t bytes[FLORIN_RECORD_MAX];
    struct record record;
};

static const struct record *store(struct stored *stored, const struct record *record)
{
    size_t size = record_encode(record, stored->bytes);
    assert_int_equal(record_decode(stored->bytes, size, &stored->record), size);
    return &stored->record;
}

/* The record with its legs, until one of them is not applied. */
static inline enum shard_replay replay(struct ledger *ledger, const struct record *built,
                                       uint64_t lsn)
{
    struct stored stored;
    const struct record *record = store(&stored, built);
    uint64_t hash = hash_account(&ledger->secret, record->id, record->id_length);
    enum shard_replay result = shard_replay(&ledger->shard, record, hash, lsn);
    const uint8_t *at = record->leg_bytes;
    for (uint8_t i = 0; i < record->leg_count && result <= SHARD_REPLAY_OLDER; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        hash = hash_account(&ledger->secret, leg.id, leg.id_length);
        result = shard_replay_leg(&ledger->shard, record, &leg, hash, lsn);
    }
    return result;
}

static inline void open_all(struct ledger *ledger)
{
    static const char *const IDS[ACCOUNTS] = {"a", "b", "c"};
    for (uint64_t i = 0; i < ACCOUNTS; i++) {
        struct record open = open_record(IDS[i], i == 1 ? -100 : 0);
        assert_int_equal(replay(ledger, &open, i + 1), SHARD_REPLAY_APPLIED);
    }
}

static inline void check_account(const struct ledger *ledger, const char *id, int64_t balance_minor,
                                 uint64_t version, uint64_t last_lsn, int64_t held_minor)
{
    const struct account *account = account_of(ledger, id);
    assert_int_equal(account->balance_minor, balance_minor);
    assert_int_equal(account->version, version);
    assert_int_equal(account->last_lsn, last_lsn);
    assert_int_equal(account_table_opening(&ledger->shard.accounts, account)->held_minor,
                     held_minor);
}

/* The record is refused so, and leaves the shard as it was. */
static inline void check_refused(struct ledger *ledger, const struct record *record, uint64_t lsn,
                                 enum shard_replay expected)
{
    uint64_t digest = shard_digest(&ledger->shard);
    enum shard_replay result = replay(ledger, record, lsn);
    if (result != expected)
        fail_msg("%s, not %s", shard_replay_text(result), shard_replay_text(expected));
    assert_int_equal(shard_digest(&ledger->shard), digest);
    shard_audit(&ledger->shard);
}

static inline struct record_leg leg_make(const char *id, uint8_t direction, uint64_t version,
                                         int64_t balance_minor, int64_t amount_minor,
                                         uint64_t previous_lsn)
{
    return (struct record_leg){
        .id = id,
        .id_length = 1,
        .direction = direction,
        .exponent = 2,
        .version = version,
        .balance_minor = balance_minor,
        .amount_minor = amount_minor,
        .previous_lsn = previous_lsn,
    };
}

/* a is debited 300, as the record 4. */
static inline struct record legs_record(const struct record_leg *legs, uint8_t leg_count)
{
    return (struct record){
        .kind = FLORIN_POSTING,
        .exponent = 2,
        .time_ns = 99,
        .version = 2,
        .balance_minor = 700,
        .amount_minor = 300,
        .previous_lsn = 1,
        .id = "a",
        .id_length = 1,
        .key = "k",
        .key_length = 1,
        .request = 7,
        .direction = FLORIN_DEBIT,
        .legs = legs,
        .leg_count = leg_count,
    };
}

#endif
