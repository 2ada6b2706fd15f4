/* test_history.c - questions about what was, asked of a ledger while it works: across checkpoints,
 * restarts, retention, damage and an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/history.h"
#include "engine/runtime/worker.h"
#include "ledger_sim.h"
#include "wal/segment.h"

enum { ACCOUNTS = 20, WORKERS = 2 };

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    ledger_sim_open(sim, WORKERS);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    *state = sim;
    return 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

static struct history_query query_of(struct ledger_sim *sim, unsigned account,
                                     enum history_kind kind)
{
    struct ledger_sim_texts texts;
    struct florin_command read = ledger_sim_read(account, &texts);
    struct florin_result result = ledger_sim_run(sim, &read);
    assert_int_equal(result.status, FLORIN_APPLIED);
    struct history_query query = {
        .user_data = 17,
        .kind = kind,
        .account_length = (uint8_t)read.account_length,
        .lsn = result.transaction_id,
        .limit = FLORIN_HISTORY_PAGE_MAX,
        .to_ns = UINT64_MAX,
    };
    memcpy(query.account, read.account, read.account_length);
    return query;
}

/* Rounds of the workers and steps of the history, until there is an answer. */
static const struct history_answer *await(struct ledger_sim *sim)
{
    const struct history_answer *answer = NULL;
    for (unsigned i = 0; answer == NULL; i++) {
        assert_true(i < 10000);
        (void)history_step(sim->ledger->history);
        answer = history_reap(sim->workers[0]);
    }
    assert_int_equal(answer->user_data, 17);
    return answer;
}

static const struct history_answer *ask(struct ledger_sim *sim, const struct history_query *query)
{
    assert_int_equal(history_submit(sim->workers[0], query), FLORIN_APPLIED);
    return await(sim);
}

/* What a page of an account holds must be the newest of its deposits in the book; how many. */
static unsigned check_history(struct ledger_sim *sim, unsigned account, bool whole)
{
    struct history_query query = query_of(sim, account, HISTORY_PAGE);
    unsigned number = sim->book->deposit_count;
    unsigned seen = 0;
    for (bool more = true; more;) {
        const struct history_answer *answer = ask(sim, &query);
        assert_int_equal(answer->status, HISTORY_FOUND);
        const uint8_t *at = answer->bytes;
        for (uint32_t i = 0; i < answer->record_count; i++, seen++) {
            uint64_t lsn;
            struct record record;
            at = history_next_record(at, &lsn, &record);
            if (record.kind == FLORIN_OPEN_ACCOUNT)
                continue;
            do
                assert_true(number-- > 0);
            while (sim->book->deposits[number].account != account);
            assert_int_equal(lsn, sim->book->deposits[number].lsn);
            assert_int_equal(record.amount_minor, sim->book->deposits[number].amount_minor);
            assert_int_equal(record.balance_minor, sim->book->deposits[number].balance_minor);
        }
        more = whole && answer->next_lsn != 0;
        query.before_lsn = answer->next_lsn;
        history_release(sim->workers[0], answer);
    }
    return seen;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void history__is_whole_across_checkpoints_and_restarts(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned life = 0; life < 4; life++) {
        ledger_sim_deposit(sim, 700);
        for (unsigned i = 0; i < ACCOUNTS; i += 3)
            (void)check_history(sim, i, true);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_move_keys_to_files(sim);
        if (life % 2 == 0)
            ledger_sim_close(sim);
        else
            ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
        ledger_sim_open(sim, life % 2 == 0 ? 3 : WORKERS);
    }
    unsigned seen = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++)
        seen += check_history(sim, i, true);
    assert_int_equal(seen, sim->book->deposit_count + ACCOUNTS);
}

static void history__shows_what_its_client_was_told(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned i = 0; i < 50; i++) {
        ledger_sim_deposit(sim, 1);
        unsigned account = sim->book->deposits[sim->book->deposit_count - 1].account;
        struct history_query query = query_of(sim, account, HISTORY_PAGE);
        assert_int_equal(query.lsn, sim->book->deposits[sim->book->deposit_count - 1].lsn);
        (void)check_history(sim, account, false);
    }
}

static void history_beyond_retention__is_gone(void **state)
{
    struct ledger_sim *sim = *state;
    sim->options.retain_bytes = 4 * sim->segment_bytes;
    ledger_sim_close(sim);
    ledger_sim_open(sim, WORKERS);
    ledger_sim_deposit(sim, 300);
    (void)check_history(sim, 5, true); /* what was read then is in memory still */
    for (unsigned i = 0; i < 4; i++) {
        ledger_sim_deposit(sim, 1500);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_settle(sim);
        ledger_sim_retain(sim);
    }
    assert_true(log_first_segment(sim->ledger->log) > 1);
    struct history_query query = query_of(sim, 5, HISTORY_BALANCE_AT_VERSION);
    query.version = 1;
    const struct history_answer *answer = ask(sim, &query);
    assert_int_equal(answer->status, HISTORY_GONE);
    history_release(sim->workers[0], answer);

    query = query_of(sim, 5, HISTORY_PAGE);
    unsigned shown = 0;
    enum history_status status;
    do {
        answer = ask(sim, &query);
        status = answer->status;
        shown += answer->record_count;
        query.before_lsn = answer->next_lsn;
        history_release(sim->workers[0], answer);
    } while (status == HISTORY_FOUND && query.before_lsn != 0);
    assert_int_equal(status, HISTORY_GONE);
    assert_true(shown > 0);
    assert_int_equal(check_history(sim, 5, false), shown);

    query = (struct history_query){.user_data = 17, .kind = HISTORY_TRANSACTION, .lsn = 1};
    answer = ask(sim, &query);
    assert_int_equal(answer->status, HISTORY_GONE);
    history_release(sim->workers[0], answer);
}

static void damage__is_said_with_its_place_and_stops_nothing(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 2000);
    char name[STORAGE_NAME_MAX];
    segment_name(1, name);
    /* of the openings, or of some of them */
    assert_true(sim_disk_flip(sim->disk, name, 3 * 4096 + 100, 0));
    unsigned failed = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct history_query query = query_of(sim, i, HISTORY_BALANCE_AT_VERSION);
        query.version = 1;
        const struct history_answer *answer = ask(sim, &query);
        failed += answer->status == HISTORY_FAILED;
        assert_true(answer->status == HISTORY_FOUND || answer->error == -EBADMSG);
        history_release(sim->workers[0], answer);
    }
    assert_true(failed > 0);
    assert_true(ledger_sim_said(sim, "event=history_failed", name));
    assert_int_equal(history_statistics(sim->ledger).failures, failed);
    ledger_sim_deposit(sim, 10);
    (void)check_history(sim, 3, false);
}

static void long_question__lets_short_ones_pass(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 4000);
    struct history_query old = query_of(sim, 1, HISTORY_BALANCE_AT_VERSION);
    struct history_query new = query_of(sim, 2, HISTORY_PAGE);
    old.version = 1;
    new.limit = 5;
    old.user_data = 1;
    new.user_data = 2;
    assert_int_equal(history_submit(sim->workers[0], &old), FLORIN_APPLIED);
    assert_int_equal(history_submit(sim->workers[0], &new), FLORIN_APPLIED);
    const struct history_answer *answer = NULL;
    for (uint64_t expected = 2; expected > 0; expected--) {
        while ((answer = history_reap(sim->workers[0])) == NULL)
            assert_true(history_step(sim->ledger->history));
        assert_int_equal(answer->user_data, expected);
        history_release(sim->workers[0], answer);
    }
}

static void too_many_questions__are_refused(void **state)
{
    struct ledger_sim *sim = *state;
    struct history_query query = query_of(sim, 1, HISTORY_PAGE);
    for (unsigned i = 0; i < HISTORY_JOBS_MAX; i++)
        assert_int_equal(history_submit(sim->workers[i % WORKERS], &query), FLORIN_APPLIED);
    assert_int_equal(history_submit(sim->workers[0], &query), FLORIN_QUEUE_FULL);
    for (unsigned i = 0; i < HISTORY_JOBS_MAX; i++) {
        (void)history_step(sim->ledger->history);
        const struct history_answer *answer = history_reap(sim->workers[i % WORKERS]);
        assert_non_null(answer);
        assert_null(history_reap(sim->workers[(i + 1) % WORKERS]));
        history_release(sim->workers[i % WORKERS], answer);
    }
    assert_int_equal(history_submit(sim->workers[0], &query), FLORIN_APPLIED);
    history_release(sim->workers[0], await(sim));
}

static void ledger_that_stops__answers_first(void **state)
{
    struct ledger_sim *sim = *state;
    struct history_query query = query_of(sim, 1, HISTORY_PAGE);
    assert_int_equal(history_submit(sim->workers[0], &query), FLORIN_APPLIED);
    ledger_stop(sim->ledger);
    for (unsigned i = 0; i < 20; i++)
        ledger_sim_round(sim);
    assert_false(worker_is_idle(sim->workers[0])); /* it owes an answer */
    assert_int_equal(history_submit(sim->workers[0], &query), FLORIN_NOT_COMMITTED);
    const struct history_answer *answer = await(sim);
    assert_int_equal(answer->status, HISTORY_FAILED);
    assert_int_equal(answer->error, -ESHUTDOWN);
    history_release(sim->workers[0], answer);
    for (unsigned i = 0; i < 20; i++)
        ledger_sim_round(sim);
    assert_true(worker_is_idle(sim->workers[0]));
}

static void worker__does_not_sleep_over_an_answer(void **state)
{
    struct ledger_sim *sim = *state;
    struct history_query query = query_of(sim, 1, HISTORY_PAGE);
    ledger_sim_settle(sim);
    assert_int_not_equal(worker_wait_ms(sim->workers[0]), 0);
    assert_int_equal(history_submit(sim->workers[0], &query), FLORIN_APPLIED);
    assert_int_not_equal(worker_wait_ms(sim->workers[0]), 0);
    while (!history_has_finished(sim->workers[0]))
        assert_true(history_step(sim->ledger->history));
    assert_int_equal(worker_wait_ms(sim->workers[0]), 0);
    history_release(sim->workers[0], history_reap(sim->workers[0]));
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, ledger_sim_teardown)
    const struct CMUnitTest tests[] = {
        test(history__is_whole_across_checkpoints_and_restarts),
        test(history__shows_what_its_client_was_told),
        test(history_beyond_retention__is_gone),
        test(damage__is_said_with_its_place_and_stops_nothing),
        test(long_question__lets_short_ones_pass),
        test(too_many_questions__are_refused),
        test(ledger_that_stops__answers_first),
        test(worker__does_not_sleep_over_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
