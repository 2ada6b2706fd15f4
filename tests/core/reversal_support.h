/* reversal_support.h - what the tests of reversals share: three accounts, and commands on them. */
#ifndef TESTS_CORE_REVERSAL_SUPPORT_H
#define TESTS_CORE_REVERSAL_SUPPORT_H

#include "shard_support.h"

/* --- commands -------------------------------------------------------------------------------- */

static inline struct florin_command reverse_make(const char *account, const char *key,
                                                 uint64_t target, int64_t amount_minor)
{
    struct florin_command command = posting_make(FLORIN_REVERSE, account, key, amount_minor, 0);
    command.target_id = target;
    return command;
}

/* Sealed, so that the result has its place in the log. */
static inline struct florin_result run_sealed(struct ledger *ledger,
                                              const struct florin_command *command)
{
    struct shard_answer answer = run(ledger, command);
    if (!answer.staged)
        return answer.result;
    seal(ledger);
    answer.result.transaction_id =
        shard_final_lsn(answer.result.transaction_id, ledger->sealed_first_lsn);
    return answer.result;
}

static inline struct florin_result reverse(struct ledger *ledger, const char *account,
                                           const char *key, uint64_t target, int64_t amount_minor)
{
    struct florin_command command = reverse_make(account, key, target, amount_minor);
    return run_sealed(ledger, &command);
}

static inline void open_with(struct ledger *ledger, const char *account, int64_t balance_minor,
                             const char *currency)
{
    struct florin_command command = open_make(account, balance_minor);
    command.currency = currency;
    command.currency_length = strlen(currency);
    assert_int_equal(run_sealed(ledger, &command).status, FLORIN_APPLIED);
}

static inline uint64_t move(struct ledger *ledger, enum florin_command_kind kind,
                            const char *account, int64_t amount_minor)
{
    struct florin_command command = posting_make(kind, account, NULL, amount_minor, 0);
    struct florin_result result = run_sealed(ledger, &command);
    assert_int_equal(result.status, FLORIN_APPLIED);
    return result.transaction_id;
}

static inline uint64_t transfer(struct ledger *ledger, const char *from, const char *to,
                                int64_t amount_minor)
{
    struct florin_command command = posting_make(FLORIN_TRANSFER, from, NULL, amount_minor, 0);
    command.to = to;
    command.to_length = strlen(to);
    struct florin_result result = run_sealed(ledger, &command);
    assert_int_equal(result.status, FLORIN_APPLIED);
    return result.transaction_id;
}

static inline int64_t balance(const struct ledger *ledger, const char *account)
{
    return account_of(ledger, account)->balance_minor;
}

static inline void check_status(struct ledger *ledger, const char *account, const char *key,
                                uint64_t target, int64_t amount_minor, enum florin_status expected,
                                enum florin_field field)
{
    uint64_t digest = shard_digest(&ledger->shard);
    struct florin_result result = reverse(ledger, account, key, target, amount_minor);
    assert_int_equal(result.status, expected);
    assert_int_equal(result.field, field);
    if (key == NULL)
        assert_int_equal(shard_digest(&ledger->shard), digest);
}

static inline struct record last_record(const struct ledger *ledger)
{
    return logged_record(ledger, ledger->logged_count - 1);
}

/* The log in another shard comes out as this one. */
static inline void check_replay(struct ledger *ledger)
{
    struct ledger *other = ledger_create();
    for (size_t i = 0; i < ledger->logged_count; i++) {
        struct record record = logged_record(ledger, i);
        uint64_t lsn = ledger->logged[i].lsn;
        uint64_t hash = hash_account(&other->secret, record.id, record.id_length);
        const uint8_t *at = record.leg_bytes;
        assert_int_equal(shard_replay(&other->shard, &record, hash, lsn), SHARD_REPLAY_APPLIED);
        for (uint8_t j = 0; record.status == FLORIN_APPLIED && j < record.leg_count; j++) {
            struct record_leg leg;
            at = record_next_leg(at, &leg);
            hash = hash_account(&other->secret, leg.id, leg.id_length);
            assert_int_equal(shard_replay_leg(&other->shard, &record, &leg, hash, lsn),
                             SHARD_REPLAY_APPLIED);
        }
    }
    shard_audit(&ledger->shard);
    shard_audit(&other->shard);
    assert_int_equal(shard_digest(&other->shard), shard_digest(&ledger->shard));
    ledger_destroy(other);
}

static inline int setup(void **state)
{
    struct ledger *ledger = ledger_create();
    open_with(ledger, "a", 1000, "USD");
    open_with(ledger, "b", 1000, "USD");
    open_with(ledger, "c", 1000, "USD");
    *state = ledger;
    return 0;
}

#define reversal_test(function) cmocka_unit_test_setup_teardown(function, setup, ledger_teardown)

#endif
