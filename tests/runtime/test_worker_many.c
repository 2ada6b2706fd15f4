/* test_worker_many.c - commands in bulk: in order, and never so many that others find no room.
 *
 * One thread, a simulated disk, two workers; commands come to the first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine/core/hash.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"

enum {
    ACCOUNTS = 20,
    MANY = 100, /* several windows, the last one not full */
    ROUNDS_MAX = 1000,
    SEGMENT_BYTES = 4 << 20, /* holds a full group */
    ANY_OWNER = LEDGER_SIM_WORKERS_MAX,
};

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    sim->segment_bytes = SEGMENT_BYTES;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    *state = sim;
    return 0;
}

struct bulk {
    struct ledger_sim_texts texts[MANY];
    struct florin_command commands[MANY];
};

static unsigned owner_of(const struct ledger_sim *sim, const struct florin_command *command)
{
    return ledger_owner(
        sim->ledger, hash_account(&sim->ledger->secret, command->account, command->account_length));
}

/* Deposits of 1 to the accounts of one worker, or of both, by turns; numbered from `first` on. */
static void make_bulk(const struct ledger_sim *sim, struct bulk *bulk, unsigned owner,
                      uint64_t first)
{
    unsigned account = 0;
    for (unsigned i = 0; i < MANY; i++) {
        do {
            bulk->commands[i] =
                ledger_sim_posting(FLORIN_DEPOSIT, account++ % ACCOUNTS, NULL, 1, &bulk->texts[i]);
        } while (owner != ANY_OWNER && owner_of(sim, &bulk->commands[i]) != owner);
        bulk->commands[i].user_data = first + i;
    }
}

/* Takes results until there have been so many. */
static void take_all(struct ledger_sim *sim, uint64_t expected)
{
    struct florin_result results[64];
    uint64_t taken = 0;
    for (unsigned round = 0; round < ROUNDS_MAX && taken < expected; round++) {
        ledger_sim_round(sim);
        (void)ledger_sim_step(sim);
        size_t count;
        while ((count = worker_reap(sim->workers[0], results, 64)) > 0) {
            for (size_t i = 0; i < count; i++)
                assert_int_equal(results[i].status, FLORIN_APPLIED);
            taken += count;
        }
    }
    assert_int_equal(taken, expected);
}

static void many__are_executed_in_their_order(void **state)
{
    struct ledger_sim *sim = *state;
    struct bulk bulk;
    struct florin_result result;
    enum florin_status status;
    uint64_t versions[MANY] = {0};
    make_bulk(sim, &bulk, ANY_OWNER, 0);
    assert_int_equal(worker_submit_many(sim->workers[0], bulk.commands, MANY, &status), MANY);
    assert_int_equal(status, FLORIN_APPLIED);
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(ledger_sim_take(sim, &result));
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_int_equal(versions[result.user_data], 0);
        versions[result.user_data] = result.version;
    }
    /* the i-th goes to account i % ACCOUNTS, which was opened with version 1 */
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(versions[i], 2 + i / ACCOUNTS);
}

/* Without a round nothing becomes durable: sooner or later there is no more room for bulk, but for
 * single commands of either worker's accounts there is. */
static void leave_room(struct ledger_sim *sim, unsigned owner)
{
    struct bulk bulk;
    enum florin_status status = FLORIN_APPLIED;
    uint64_t taken = 0;
    while (status == FLORIN_APPLIED) {
        make_bulk(sim, &bulk, owner, 0);
        size_t count = worker_submit_many(sim->workers[0], bulk.commands, MANY, &status);
        assert_int_equal(count == MANY, status == FLORIN_APPLIED);
        taken += count;
        assert_true(taken < FLORIN_WAITERS_MAX);
    }
    assert_int_equal(status, FLORIN_QUEUE_FULL);
    assert_true(taken > MANY);
    for (unsigned single_owner = 0; single_owner < 2; single_owner++) {
        make_bulk(sim, &bulk, single_owner, 0);
        for (unsigned i = 0; i < MANY; i++)
            assert_int_equal(worker_submit(sim->workers[0], &bulk.commands[i]), FLORIN_APPLIED);
    }
    take_all(sim, taken + 2 * MANY);
    make_bulk(sim, &bulk, owner, 0);
    assert_int_equal(worker_submit_many(sim->workers[0], bulk.commands, MANY, &status), MANY);
    take_all(sim, MANY);
}

static void many__leave_room_for_single_commands(void **state)
{
    leave_room(*state, 0);
    leave_room(*state, 1);
    leave_room(*state, ANY_OWNER);
}

/* As many known keys as do not fit into the pool of look-ups, of both workers' accounts: they wait
 * for the reader, and none is refused. */
static void many__known_keys_wait_for_the_reader(void **state)
{
    enum { DEPOSITS = 3 * LOOKUPS_MAX };
    struct ledger_sim *sim = *state;
    struct florin_result result;
    unsigned sent = 0;
    unsigned answered = 0;
    ledger_sim_deposit(sim, DEPOSITS);
    sim->reader_rests = true;
    for (unsigned round = 0; answered < DEPOSITS; round++) {
        assert_true(round < ROUNDS_MAX);
        enum florin_status status = FLORIN_APPLIED;
        while (status == FLORIN_APPLIED && sent < DEPOSITS) {
            struct ledger_sim_texts texts;
            struct florin_command command = ledger_sim_retry(sim, sent, &texts);
            command.user_data = sent;
            sent += (unsigned)worker_submit_many(sim->workers[0], &command, 1, &status);
        }
        ledger_sim_round(sim);
        while (worker_reap(sim->workers[0], &result, 1) == 1) {
            assert_int_equal(result.status, FLORIN_APPLIED);
            assert_true(result.replayed);
            assert_int_equal(result.transaction_id, sim->book->deposits[result.user_data].lsn);
            answered++;
        }
        if (round == 20) {
            assert_true(sent > LOOKUPS_MAX / 2 && sent < DEPOSITS);
            assert_int_equal(answered, 0);
            sim->reader_rests = false;
        }
    }
}

static void many__are_refused_by_a_ledger_that_stops(void **state)
{
    struct ledger_sim *sim = *state;
    struct bulk bulk;
    enum florin_status status;
    make_bulk(sim, &bulk, ANY_OWNER, 0);
    ledger_stop(sim->ledger);
    assert_int_equal(worker_submit_many(sim->workers[0], bulk.commands, MANY, &status), 0);
    assert_int_equal(status, FLORIN_NOT_COMMITTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, ledger_sim_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many__are_executed_in_their_order),
        TEST(many__leave_room_for_single_commands),
        TEST(many__known_keys_wait_for_the_reader),
        TEST(many__are_refused_by_a_ledger_that_stops),
    };
    return cmocka_run_group_tests_name("worker_many", tests, NULL, NULL);
}
