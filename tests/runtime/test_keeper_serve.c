/* test_keeper_serve.c - what a worker does for the background in one round: bounded by counts, so
 * that no client waits for it, however many accounts and keys there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/runtime/keeper_internal.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"

enum {
    /* What keeper_serve.c allows itself in a call. */
    ACCOUNTS_A_CALL = 1024,
    KEYS_A_CALL = 1024,
    ACCOUNTS = 7000,
    KEYS = 6000,
};

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    ledger_sim_open(sim, 1);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    *state = sim;
    return 0;
}

static void begin_checkpoint(struct ledger_sim *sim)
{
    uint64_t number;
    assert_int_equal(ledger_request_checkpoint(sim->ledger, &number), 0);
    while (!ledger_sim_statistics(sim).checkpoint_running)
        assert_true(ledger_sim_step(sim));
}

static uint64_t pauses(const struct ledger_sim *sim)
{
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    uint64_t count = 0;
    for (unsigned i = 0; i < LEDGER_PAUSE_BUCKETS; i++)
        count += statistics.pause_us[i];
    return count;
}

static void call__writes_a_bounded_number_of_images(void **state)
{
    struct ledger_sim *sim = *state;
    struct worker *worker = sim->workers[0];
    struct slice *slice = &worker->slice;
    begin_checkpoint(sim);
    uint32_t cursor = 0;
    unsigned calls = 0;
    unsigned blocks = 0;
    while (ledger_sim_statistics(sim).checkpoint_running) {
        uint64_t before = pauses(sim);
        bool wanted = atomic_load(&slice->state) == SLICE_WANTED;
        bool has_work = keeper_wants(worker); /* at the end also newer filters */
        keeper_serve(worker);
        assert_in_range(slice->cursor, cursor, cursor + ACCOUNTS_A_CALL);
        assert_int_equal(slice->cursor > cursor, wanted);
        assert_true(slice->length <= CHECKPOINT_PAYLOAD_BYTES);
        assert_int_equal(pauses(sim), before + has_work);
        calls += wanted;
        cursor = slice->cursor;
        if (atomic_load(&slice->state) != SLICE_WANTED) {
            blocks++;
            (void)ledger_sim_step(sim);
        }
    }
    assert_int_equal(cursor, ACCOUNTS);
    assert_true(calls >= ACCOUNTS / ACCOUNTS_A_CALL);
    assert_true(blocks >= 5);
    assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, 1);
}

static void call__forgets_a_bounded_number_of_keys_and_does_nothing_else_then(void **state)
{
    struct ledger_sim *sim = *state;
    struct worker *worker = sim->workers[0];
    ledger_sim_deposit(sim, KEYS);
    assert_int_equal(keeper_extend_keys(sim->ledger->keeper, florin_durable_lsn(sim->ledger)), 0);
    begin_checkpoint(sim);
    assert_true(keeper_wants(worker));
    uint32_t keys = worker->shard.keys.count;
    assert_int_equal(keys, KEYS);
    unsigned calls = 0;
    while (worker->shard.keys.count > 0) {
        uint32_t cursor = worker->slice.cursor;
        keeper_serve(worker);
        uint32_t forgotten = keys - worker->shard.keys.count;
        assert_in_range(forgotten, 1, KEYS_A_CALL);
        /* a call that had enough to do with keys writes no images */
        if (forgotten == KEYS_A_CALL)
            assert_int_equal(worker->slice.cursor, cursor);
        keys = worker->shard.keys.count;
        calls++;
    }
    assert_int_equal(calls, (KEYS + KEYS_A_CALL - 1) / KEYS_A_CALL);
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_statistics(sim).checkpoints_completed, 1);
}

static void call__shows_nothing_that_has_no_lsn(void **state)
{
    struct ledger_sim *sim = *state;
    struct worker *worker = sim->workers[0];
    struct ledger_sim_texts texts;
    begin_checkpoint(sim);
    struct florin_command command = ledger_sim_read(0, &texts);
    command.kind = FLORIN_DEPOSIT;
    command.amount_minor = 3;
    command.user_data = LEDGER_SIM_UNREAD;
    assert_int_equal(worker_submit(worker, &command), FLORIN_APPLIED);
    assert_int_equal(worker->shard.stage.record_count, 1);
    assert_false(keeper_wants(worker));
    keeper_serve(worker);
    assert_int_equal(worker->slice.cursor, 0);
    ledger_sim_round(sim);
    assert_true(worker->slice.cursor > 0);
    ledger_sim_settle(sim);
}

static void call__without_work_takes_no_time(void **state)
{
    struct ledger_sim *sim = *state;
    uint64_t before = pauses(sim);
    assert_false(keeper_wants(sim->workers[0]));
    keeper_serve(sim->workers[0]);
    assert_int_equal(pauses(sim), before);
    for (unsigned i = 0; i < 10; i++)
        ledger_sim_deposit(sim, 10);
    assert_int_equal(pauses(sim), before);
}

/* A worker with more to do does not sleep, one without does not spin. */
static void worker__sleeps_only_when_nothing_is_wanted(void **state)
{
    struct ledger_sim *sim = *state;
    struct worker *worker = sim->workers[0];
    ledger_sim_settle(sim);
    assert_int_not_equal(worker_wait_ms(worker), 0);
    begin_checkpoint(sim);
    while (atomic_load(&worker->slice.state) == SLICE_WANTED) {
        assert_int_equal(worker_wait_ms(worker), 0);
        worker_round(worker);
    }
    assert_int_not_equal(worker_wait_ms(worker), 0);
    ledger_sim_settle(sim);
    assert_int_not_equal(worker_wait_ms(worker), 0);
}

int main(void)
{
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup, ledger_sim_teardown)
    const struct CMUnitTest tests[] = {
        SIMULATED(call__writes_a_bounded_number_of_images),
        SIMULATED(call__forgets_a_bounded_number_of_keys_and_does_nothing_else_then),
        SIMULATED(call__shows_nothing_that_has_no_lsn),
        SIMULATED(call__without_work_takes_no_time),
        SIMULATED(worker__sleeps_only_when_nothing_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
