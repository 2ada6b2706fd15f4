/* test_worker_waiting.c - how long a worker may sleep: it does not spin while it can do nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"
#include "wal/log.h"

enum { ROUNDS = 4 };

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    ledger_sim_open(sim, 1);
    ledger_sim_open_accounts(sim, 1, 0);
    *state = sim;
    return 0;
}

/* After each commit a mark is due some milliseconds later; not while the next one is under way. */
static void slow_commit__is_slept_over(void **state)
{
    struct ledger_sim *sim = *state;
    struct ledger_sim_texts texts;
    struct florin_command deposit = ledger_sim_posting(FLORIN_DEPOSIT, 0, NULL, 100, &texts);
    struct florin_result result;
    sim_disk_hold_completions(sim->disk, true);
    assert_int_equal(worker_submit(sim->workers[0], &deposit), FLORIN_APPLIED);
    for (unsigned i = 0; i < ROUNDS; i++)
        worker_round(sim->workers[0]);
    assert_true(sim->workers[0]->committing);
    virtual_clock_advance(2 * LOG_IDLE_MARK_NS);
    worker_round(sim->workers[0]);
    assert_true(worker_wait_ms(sim->workers[0]) > 0);
    sim_disk_hold_completions(sim->disk, false);
    assert_true(ledger_sim_take(sim, &result));
    assert_int_equal(result.status, FLORIN_APPLIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slow_commit__is_slept_over, setup, ledger_sim_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
