/* ledger_sim_fixture.c - what tests over a ledger_sim begin, send and await.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/runtime/worker.h"
#include "ledger_sim.h"

struct ledger_sim *ledger_sim_create(void)
{
    struct ledger_sim *sim = malloc(sizeof(*sim));
    assert_non_null(sim);
    ledger_sim_init(sim);
    return sim;
}

int ledger_sim_teardown(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deinit(sim);
    free(sim);
    return 0;
}

void ledger_sim_move_keys_to_files(struct ledger_sim *sim)
{
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    ledger_sim_settle(sim);
    for (unsigned i = 0; i < sim->worker_count; i++)
        assert_int_equal(sim->workers[i]->shard.keys.count, 0);
}

struct florin_command ledger_sim_posting(enum florin_command_kind kind, unsigned account,
                                         const char *key, int64_t amount_minor,
                                         struct ledger_sim_texts *texts)
{
    struct florin_command command = ledger_sim_read(account, texts);
    command.kind = kind;
    command.amount_minor = amount_minor;
    command.key = key;
    command.key_length = key == NULL ? 0 : strlen(key);
    return command;
}

/* Far more than a result needs when nothing is in its way. */
enum { TAKE_ROUNDS = 50 };

bool ledger_sim_take(struct ledger_sim *sim, struct florin_result *result)
{
    for (unsigned i = 0; i < TAKE_ROUNDS; i++) {
        ledger_sim_round(sim);
        if (worker_reap(sim->workers[0], result, 1) == 1)
            return true;
    }
    return false;
}

struct florin_result ledger_sim_expect(struct ledger_sim *sim, uint64_t user_data,
                                       enum florin_status status)
{
    struct florin_result result;
    if (!ledger_sim_take(sim, &result))
        fail_msg("no result, expected %d:\n%s", (int)user_data, sim->lines);
    assert_int_equal(result.user_data, user_data);
    assert_int_equal(result.status, status);
    return result;
}
