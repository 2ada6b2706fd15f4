/* postings_support.h - what the tests of postings between workers share: a ledger with money, and
 * commands over several accounts. */
#ifndef TESTS_RUNTIME_POSTINGS_SUPPORT_H
#define TESTS_RUNTIME_POSTINGS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"

enum {
    ACCOUNTS = 40,
    BALANCE = 1000000,
    TIMEOUT_MS = 5000,
    MILLISECOND_NS = 1000000,
    ROUNDS_MAX = 1000,
};

static inline void begin(struct ledger_sim *sim)
{
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct ledger_sim_texts texts;
        struct florin_command command =
            ledger_sim_posting(FLORIN_DEPOSIT, i, NULL, BALANCE, &texts);
        assert_int_equal(ledger_sim_run(sim, &command).status, FLORIN_APPLIED);
        sim->book->balances[i] = BALANCE;
    }
}

static inline int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    begin(sim);
    *state = sim;
    return 0;
}

/* A whole stage has to fit into a segment. */
static inline int setup_large(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    sim->segment_bytes = 1024 * 1024;
    begin(sim);
    *state = sim;
    return 0;
}

/* --- commands -------------------------------------------------------------------------------- */

struct texts {
    struct ledger_sim_texts from;
    struct ledger_sim_texts to;
    struct florin_leg legs[FLORIN_LEGS_MAX];
    char ids[FLORIN_LEGS_MAX][16];
};

static inline struct florin_command transfer(unsigned from, unsigned to, const char *key,
                                             int64_t amount_minor, struct texts *texts)
{
    struct florin_command command =
        ledger_sim_posting(FLORIN_TRANSFER, from, key, amount_minor, &texts->from);
    struct florin_command receiver = ledger_sim_read(to, &texts->to);
    command.to = receiver.account;
    command.to_length = receiver.account_length;
    return command;
}

/* `amount` from the first account to each of the others. */
static inline struct florin_command posting(const unsigned *accounts, unsigned count,
                                            int64_t amount, struct texts *texts)
{
    for (unsigned i = 0; i < count; i++) {
        int length = snprintf(texts->ids[i], sizeof(texts->ids[i]), "a%u", accounts[i]);
        texts->legs[i] = (struct florin_leg){
            .account = texts->ids[i],
            .account_length = (size_t)length,
            .direction = i == 0 ? FLORIN_DEBIT : FLORIN_CREDIT,
            .amount_minor = i == 0 ? amount * (count - 1) : amount,
        };
    }
    return (struct florin_command){
        .kind = FLORIN_POSTING,
        .account = texts->ids[0],
        .account_length = texts->legs[0].account_length,
        .legs = texts->legs,
        .leg_count = count,
    };
}

static inline void submit(struct ledger_sim *sim, struct florin_command command, uint64_t user_data)
{
    command.user_data = user_data;
    assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
}

static inline struct florin_result run_transfer(struct ledger_sim *sim, unsigned from, unsigned to,
                                                const char *key, int64_t amount)
{
    struct texts texts;
    struct florin_command command = transfer(from, to, key, amount, &texts);
    return ledger_sim_run(sim, &command);
}

static inline struct florin_result read_account(struct ledger_sim *sim, unsigned account)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_read(account, &texts);
    return ledger_sim_run(sim, &command);
}

static inline uint64_t hash_of(const struct ledger_sim *sim, unsigned account)
{
    struct ledger_sim_texts texts;
    struct florin_command named = ledger_sim_read(account, &texts);
    return hash_account(&sim->ledger->secret, named.account, named.account_length);
}

static inline unsigned owner_of(const struct ledger_sim *sim, unsigned account)
{
    return ledger_owner(sim->ledger, hash_of(sim, account));
}

/* The account number `skip` of those of a worker. */
static inline unsigned account_of(const struct ledger_sim *sim, unsigned worker, unsigned skip)
{
    for (unsigned i = 0;; i++) {
        if (owner_of(sim, i) == worker && skip-- == 0)
            return i;
    }
}

static inline void check_balances(struct ledger_sim *sim)
{
    for (unsigned i = 0; i < sim->book->account_count; i++) {
        struct florin_result result = read_account(sim, i);
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_int_equal(result.balance_minor, sim->book->balances[i]);
    }
}

static inline void note_transfer(struct ledger_sim *sim, unsigned from, unsigned to, int64_t amount)
{
    sim->book->balances[from] -= amount;
    sim->book->balances[to] += amount;
}

/* No posting is under way, and no account is kept for one. */
static inline void check_free(const struct ledger_sim *sim)
{
    for (unsigned i = 0; i < sim->worker_count; i++) {
        const struct worker *worker = sim->workers[i];
        assert_int_equal(worker->coordinator.count, 0);
        assert_int_equal(worker->participant.count, 0);
        assert_int_equal(worker->lookups.count, 0);
        for (uint32_t slot = 0; slot < worker->shard.accounts.count; slot++)
            assert_int_equal(worker->shard.accounts.slots[slot].flags & ACCOUNT_CLAIMED, 0);
    }
}

static inline void expect_nothing(struct ledger_sim *sim)
{
    struct florin_result result;
    if (ledger_sim_take(sim, &result))
        fail_msg("a result of %d with status %d", (int)result.user_data, (int)result.status);
}

/* A command that waits for the disk keeps an account of the second worker: its line stands still.
 * The account, and the number of the deposit that is sent again. */
static inline unsigned stop_line(struct ledger_sim *sim, unsigned account, const char *key)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_posting(FLORIN_DEPOSIT, account, key, 1, &texts);
    if (!sim->reader_rests) {
        assert_int_equal(ledger_sim_run(sim, &command).status, FLORIN_APPLIED);
        sim->book->balances[account] += 1;
    }
    sim->reader_rests = true;
    submit(sim, command, LEDGER_SIM_UNREAD);
    expect_nothing(sim);
    return account;
}

static inline bool take_read(struct ledger_sim *sim, struct florin_result *result)
{
    while (ledger_sim_take(sim, result)) {
        if (result->user_data != LEDGER_SIM_UNREAD)
            return true;
    }
    return false;
}

#define postings_test(function)                                                                    \
    cmocka_unit_test_setup_teardown(function, setup, ledger_sim_teardown)

#endif
