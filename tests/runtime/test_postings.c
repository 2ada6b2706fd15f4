/* test_postings.c - postings between workers, on one thread and a simulated disk: durable before
 * they are answered, whole after every failure, and never for ever under way.
 */
#include "postings_support.h"

/* --- what every transfer is ------------------------------------------------------------------ */

static void transfer__between_workers_is_kept_and_repeated(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        ledger_sim_close(sim);
        ledger_sim_open(sim, workers);
        for (unsigned i = 0; i + 1 < ACCOUNTS; i++) {
            char key[16];
            snprintf(key, sizeof(key), "t%u-%u", workers, i);
            struct florin_result first = run_transfer(sim, i, i + 1, key, 10 + i);
            note_transfer(sim, i, i + 1, 10 + i);
            assert_int_equal(first.status, FLORIN_APPLIED);
            assert_int_equal(first.balance_minor, sim->book->balances[i]);
            assert_true(log_durable_lsn(sim->ledger->log) >= first.transaction_id);
            struct florin_result again = run_transfer(sim, i, i + 1, key, 10 + i);
            assert_true(again.replayed);
            assert_int_equal(again.transaction_id, first.transaction_id);
            assert_int_equal(again.balance_minor, first.balance_minor);
            assert_int_equal(run_transfer(sim, i, i + 1, key, 9).status, FLORIN_KEY_REUSED);
        }
        check_balances(sim);
        check_free(sim);
        uint64_t digest = ledger_sim_digest(sim);
        ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
        ledger_sim_open(sim, workers);
        assert_int_equal(ledger_sim_digest(sim), digest);
        check_balances(sim);
    }
}

/* --- failures -------------------------------------------------------------------------------- */

enum { CRASH_TRANSFERS = 120 };

struct sent {
    unsigned from;
    unsigned to;
    int64_t amount;
    uint64_t lsn; /* 0: no answer */
};

static struct florin_command sent_command(const struct sent *sent, unsigned number, char key[24],
                                          struct texts *texts)
{
    snprintf(key, 24, "crash%u", number);
    return transfer(sent->from, sent->to, key, sent->amount, texts);
}

static void reap_sent(struct ledger_sim *sim, struct sent *sent)
{
    struct florin_result result;
    while (worker_reap(sim->workers[0], &result, 1) > 0) {
        assert_int_equal(result.status, FLORIN_APPLIED);
        sent[result.user_data].lsn = result.transaction_id;
    }
}

/* The power fails at some moment while many transfers are under way: what was answered is there,
 * the rest is there as a whole or not at all, and sending all again makes it all true once. */
static void crash__leaves_no_half(void **state)
{
    struct ledger_sim *sim = *state;
    static struct sent sent[4096];
    unsigned count = 0;
    unsigned answered = 0;
    for (unsigned life = 0; life < 25; life++) {
        static const unsigned WORKERS[] = {1, 2, 4};
        ledger_sim_crash(sim, LEDGER_SIM_KEEP_RANDOM);
        ledger_sim_open(sim, WORKERS[life % 3]);
        unsigned end = count + 1 + (unsigned)(ledger_sim_random(sim) % CRASH_TRANSFERS);
        unsigned first = count;
        while (count < end) {
            struct texts texts;
            char key[24];
            struct sent *next = &sent[count];
            next->from = (unsigned)(ledger_sim_random(sim) % 12);
            next->to = (next->from + 1 + (unsigned)(ledger_sim_random(sim) % 11)) % 12;
            next->amount = 1 + (int64_t)(ledger_sim_random(sim) % 50);
            next->lsn = 0;
            submit(sim, sent_command(next, count, key, &texts), count);
            count++;
            if (ledger_sim_random(sim) % 4 == 0)
                ledger_sim_round(sim);
            if (ledger_sim_random(sim) % 40 == 0)
                sim_disk_hold_completions(sim->disk, ledger_sim_random(sim) % 2 == 0);
            reap_sent(sim, sent);
        }
        sim_disk_hold_completions(sim->disk, false);
        ledger_sim_crash(sim, LEDGER_SIM_KEEP_RANDOM);
        ledger_sim_open(sim, WORKERS[(life + 1) % 3]);
        int64_t sum = 0;
        for (unsigned i = 0; i < ACCOUNTS; i++)
            sum += read_account(sim, i).balance_minor;
        assert_int_equal(sum, (int64_t)ACCOUNTS * BALANCE);
        for (unsigned i = first; i < count; i++) {
            struct texts texts;
            char key[24];
            struct florin_command command = sent_command(&sent[i], i, key, &texts);
            struct florin_result result = ledger_sim_run(sim, &command);
            assert_int_equal(result.status, FLORIN_APPLIED);
            if (sent[i].lsn != 0) {
                assert_true(result.replayed);
                assert_int_equal(result.transaction_id, sent[i].lsn);
                answered++;
            }
            note_transfer(sim, sent[i].from, sent[i].to, sent[i].amount);
        }
        check_balances(sim);
        check_free(sim);
    }
    assert_true(answered > 50 && answered < count);
}

enum { FAILURE_COMMANDS = 16000, FAILURE_TRANSFERS = 30 };

/* Deposits with long keys, as long as the log takes them. How many. */
static unsigned fill_log(struct ledger_sim *sim)
{
    char key[FLORIN_KEY_MAX + 1];
    unsigned count = 0;
    while (sim->workers[0]->shard.stage.record_count == 0) {
        assert_true(count + 100 < FAILURE_COMMANDS);
        for (unsigned i = 0; i < 100; i++) {
            struct ledger_sim_texts texts;
            memset(key, 'k', sizeof(key));
            key[snprintf(key, sizeof(key), "%u", count)] = 'k';
            key[FLORIN_KEY_MAX] = '\0';
            submit(sim, ledger_sim_posting(FLORIN_DEPOSIT, account_of(sim, 0, 9), key, 1, &texts),
                   count++);
        }
        worker_round(sim->workers[0]);
    }
    return count;
}

/* Waits for `count` results, which say that nothing is known to have happened. */
static void take_failures(struct ledger_sim *sim, unsigned count)
{
    static unsigned char answers[FAILURE_COMMANDS];
    memset(answers, 0, sizeof(answers));
    for (unsigned i = 0; count > 0; i++) {
        struct florin_result result;
        assert_true(i < ROUNDS_MAX);
        ledger_sim_round(sim);
        while (worker_reap(sim->workers[0], &result, 1) > 0) {
            assert_true(result.status == FLORIN_NOT_COMMITTED ||
                        result.status == FLORIN_COMMIT_UNKNOWN);
            assert_int_equal(answers[result.user_data]++, 0);
            count--;
        }
    }
}

/* The log is full of what does not end, and fails: postings are decided and not in the log, they
 * keep their accounts, and others stand in line for these. */
static void log_failure__answers_all_and_lets_the_ledger_be_closed(void **state)
{
    struct ledger_sim *sim = *state;
    struct texts texts;
    unsigned hot = account_of(sim, 1, 0);
    sim_disk_hold_completions(sim->disk, true);
    unsigned count = fill_log(sim);
    for (unsigned i = 0; i < FAILURE_TRANSFERS; i++)
        submit(sim, transfer(account_of(sim, 0, i % 8), hot, NULL, 1, &texts), count++);
    expect_nothing(sim);
    assert_true(sim->workers[0]->shard.stage.record_count > 0);
    assert_true(sim->workers[1]->lookups.claim_count > 0);
    sim_disk_fail(sim->disk, 1, EIO, true);
    sim_disk_hold_completions(sim->disk, false);
    take_failures(sim, count);
    ledger_stop(sim->ledger);
    for (unsigned i = 0; !worker_is_idle(sim->workers[0]); i++) {
        assert_true(i < ROUNDS_MAX);
        ledger_sim_round(sim);
    }
    sim_disk_fail(sim->disk, 0, 0, false);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
    ledger_sim_open(sim, 2);
    check_balances(sim);
}

static void full_disk__refuses_postings_and_frees_their_accounts(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned worker = 0; worker < 2; worker++) {
        unsigned from = account_of(sim, worker, 0);
        unsigned to = account_of(sim, 1 - worker, 0);
        char key[8];
        snprintf(key, sizeof(key), "f%u", worker);
        struct florin_result first = run_transfer(sim, from, to, key, 3);
        note_transfer(sim, from, to, 3);
        sim_disk_set_capacity(sim->disk, sim_disk_used(sim->disk));
        (void)log_step(sim->ledger->log);
        assert_int_equal(log_writable(sim->ledger->log), -ENOSPC);
        assert_int_equal(run_transfer(sim, from, to, "new", 3).status, FLORIN_STORAGE_FULL);
        assert_int_equal(run_transfer(sim, from, to, NULL, 3).status, FLORIN_STORAGE_FULL);
        struct florin_result again = run_transfer(sim, from, to, key, 3);
        assert_true(again.replayed);
        assert_int_equal(again.transaction_id, first.transaction_id);
        ledger_sim_settle(sim);
        check_free(sim);
        check_balances(sim);
        sim_disk_set_capacity(sim->disk, 0);
        (void)log_step(sim->ledger->log);
        assert_int_equal(run_transfer(sim, from, to, "new", 3).status, FLORIN_APPLIED);
        note_transfer(sim, from, to, 3);
        check_balances(sim);
    }
}

/* --- the end of a ledger, and its background ------------------------------------------------- */

static void stop__finishes_what_is_under_way(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned rounds = 0; rounds < 8; rounds++) {
        struct texts texts;
        for (unsigned i = 0; i < 30; i++) {
            unsigned from = i % ACCOUNTS;
            unsigned to = (i * 7 + 1 + rounds) % ACCOUNTS;
            if (from == to)
                continue;
            submit(sim, transfer(from, to, NULL, 2, &texts), LEDGER_SIM_UNREAD);
            note_transfer(sim, from, to, 2);
        }
        for (unsigned i = 0; i < rounds; i++)
            ledger_sim_round(sim);
        ledger_sim_close(sim);
        ledger_sim_open(sim, 1 + rounds % 4);
        check_balances(sim);
    }
}

static void checkpoint__while_accounts_are_kept_has_all_of_them(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned life = 0; life < 12; life++) {
        uint64_t number;
        struct texts texts;
        assert_int_equal(ledger_request_checkpoint(sim->ledger, &number), 0);
        for (unsigned i = 0; ledger_sim_statistics(sim).checkpoints_ended < number; i++) {
            assert_true(i < ROUNDS_MAX);
            unsigned from = (unsigned)(ledger_sim_random(sim) % ACCOUNTS);
            unsigned to = (from + 1 + (unsigned)(ledger_sim_random(sim) % 5)) % ACCOUNTS;
            submit(sim, transfer(from, to, NULL, 1 + life, &texts), LEDGER_SIM_UNREAD);
            note_transfer(sim, from, to, 1 + life);
            if (i % 3 == 0)
                ledger_sim_round(sim);
            (void)ledger_sim_step(sim);
        }
        ledger_sim_settle(sim);
        assert_int_equal(ledger_sim_statistics(sim).checkpoints_failed, 0);
        uint64_t digest = ledger_sim_digest(sim);
        ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
        ledger_sim_open(sim, 1 + life % 4);
        assert_int_equal(ledger_sim_digest(sim), digest);
        check_balances(sim);
    }
}

/* --- size ------------------------------------------------------------------------------------ */

/* Far more than a stage holds, from the rings of another worker, in one round. */
static void many_large_postings__fill_the_stage_and_no_more(void **state)
{
    struct ledger_sim *sim = *state;
    struct texts texts;
    unsigned accounts[FLORIN_LEGS_MAX];
    unsigned count = 0;
    ledger_sim_open_accounts(sim, 200, 0);
    for (unsigned i = 0; count < FLORIN_LEGS_MAX; i++) {
        if (owner_of(sim, i) == 1)
            accounts[count++] = i;
    }
    enum { POSTINGS = 150 };
    struct florin_result result;
    unsigned applied = 0;
    for (unsigned i = 0; i < POSTINGS;) {
        struct florin_command command = posting(accounts, FLORIN_LEGS_MAX, 1, &texts);
        if (worker_submit(sim->workers[0], &command) == FLORIN_APPLIED)
            i++;
        else /* the ring is full */
            ledger_sim_round(sim);
    }
    while (ledger_sim_take(sim, &result)) {
        assert_int_equal(result.status, FLORIN_APPLIED);
        applied++;
    }
    assert_int_equal(applied, POSTINGS);
    sim->book->balances[accounts[0]] -= POSTINGS * (FLORIN_LEGS_MAX - 1);
    for (unsigned i = 1; i < FLORIN_LEGS_MAX; i++)
        sim->book->balances[accounts[i]] += POSTINGS;
    check_balances(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        postings_test(transfer__between_workers_is_kept_and_repeated),
        postings_test(crash__leaves_no_half),
        postings_test(log_failure__answers_all_and_lets_the_ledger_be_closed),
        postings_test(full_disk__refuses_postings_and_frees_their_accounts),
        postings_test(stop__finishes_what_is_under_way),
        postings_test(checkpoint__while_accounts_are_kept_has_all_of_them),
        cmocka_unit_test_setup_teardown(many_large_postings__fill_the_stage_and_no_more,
                                        setup_large, ledger_sim_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
