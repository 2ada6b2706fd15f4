/* test_postings.c - postings between workers, on one thread and a simulated disk: durable before
 * they are answered, whole after every failure, and never for ever under way.
 */
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

static void begin(struct ledger_sim *sim)
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

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    begin(sim);
    *state = sim;
    return 0;
}

/* A whole stage has to fit into a segment. */
static int setup_large(void **state)
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

static struct florin_command transfer(unsigned from, unsigned to, const char *key, int64_t amount,
                                      struct texts *texts)
{
    struct florin_command command =
        ledger_sim_posting(FLORIN_TRANSFER, from, key, amount, &texts->from);
    struct florin_command receiver = ledger_sim_read(to, &texts->to);
    command.to = receiver.account;
    command.to_length = receiver.account_length;
    return command;
}

/* `amount` from the first account to each of the others. */
static struct florin_command posting(const unsigned *accounts, unsigned count, int64_t amount,
                                     struct texts *texts)
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

static void submit(struct ledger_sim *sim, struct florin_command command, uint64_t user_data)
{
    command.user_data = user_data;
    assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
}

static struct florin_result run_transfer(struct ledger_sim *sim, unsigned from, unsigned to,
                                         const char *key, int64_t amount)
{
    struct texts texts;
    struct florin_command command = transfer(from, to, key, amount, &texts);
    return ledger_sim_run(sim, &command);
}

static struct florin_result read_account(struct ledger_sim *sim, unsigned account)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_read(account, &texts);
    return ledger_sim_run(sim, &command);
}

static uint64_t hash_of(const struct ledger_sim *sim, unsigned account)
{
    struct ledger_sim_texts texts;
    struct florin_command named = ledger_sim_read(account, &texts);
    return hash_account(&sim->ledger->secret, named.account, named.account_length);
}

static unsigned owner_of(const struct ledger_sim *sim, unsigned account)
{
    return ledger_owner(sim->ledger, hash_of(sim, account));
}

/* The account number `skip` of those of a worker. */
static unsigned account_of(const struct ledger_sim *sim, unsigned worker, unsigned skip)
{
    for (unsigned i = 0;; i++) {
        if (owner_of(sim, i) == worker && skip-- == 0)
            return i;
    }
}

static void check_balances(struct ledger_sim *sim)
{
    for (unsigned i = 0; i < sim->book->account_count; i++) {
        struct florin_result result = read_account(sim, i);
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_int_equal(result.balance_minor, sim->book->balances[i]);
    }
}

static void note_transfer(struct ledger_sim *sim, unsigned from, unsigned to, int64_t amount)
{
    sim->book->balances[from] -= amount;
    sim->book->balances[to] += amount;
}

/* No posting is under way, and no account is kept for one. */
static void check_free(const struct ledger_sim *sim)
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

static void expect_nothing(struct ledger_sim *sim)
{
    struct florin_result result;
    if (ledger_sim_take(sim, &result))
        fail_msg("a result of %d with status %d", (int)result.user_data, (int)result.status);
}

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

/* A command that waits for the disk keeps an account of the second worker: its line stands still.
 * The account, and the number of the deposit that is sent again. */
static unsigned stop_line(struct ledger_sim *sim, unsigned account, const char *key)
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

static bool take_read(struct ledger_sim *sim, struct florin_result *result)
{
    while (ledger_sim_take(sim, result)) {
        if (result->user_data != LEDGER_SIM_UNREAD)
            return true;
    }
    return false;
}

static void deadline__of_a_posting_that_waits_for_an_account(void **state)
{
    struct ledger_sim *sim = *state;
    struct texts texts;
    unsigned mine = account_of(sim, 0, 0);
    unsigned stopped = stop_line(sim, account_of(sim, 1, 0), "stop");
    uint64_t version = read_account(sim, mine).version;
    submit(sim, transfer(mine, stopped, "late", 7, &texts), 1);
    expect_nothing(sim);
    assert_int_equal(sim->workers[0]->coordinator.count, 1);
    /* the worker wakes up for it */
    int wait_ms = worker_wait_ms(sim->workers[0]);
    assert_in_range(wait_ms, 0, TIMEOUT_MS);
    virtual_clock_advance((uint64_t)(TIMEOUT_MS + 1) * MILLISECOND_NS);
    struct florin_result result;
    assert_true(take_read(sim, &result));
    assert_int_equal(result.user_data, 1);
    assert_int_equal(result.status, FLORIN_NOT_COMMITTED);
    assert_int_equal(result.version, version);
    /* its accounts are free again when the line moves, and nothing has happened */
    sim->reader_rests = false;
    ledger_sim_settle(sim);
    check_free(sim);
    check_balances(sim);
    assert_int_equal(run_transfer(sim, mine, stopped, "late", 7).replayed, false);
    note_transfer(sim, mine, stopped, 7);
    check_balances(sim);
}

/* Two accounts of one worker that fall into one list of those in line. */
static void pair_of_one_crowd(struct ledger_sim *sim, unsigned *first, unsigned *second)
{
    ledger_sim_open_accounts(sim, 600, 0);
    for (unsigned i = 0; i < sim->book->account_count; i++) {
        for (unsigned j = 0; j < sim->book->account_count; j++) {
            uint64_t hash_i = hash_of(sim, i);
            uint64_t hash_j = hash_of(sim, j);
            if (hash_i < hash_j && hash_i % LOOKUPS_CROWD == hash_j % LOOKUPS_CROWD &&
                owner_of(sim, i) == 1 && owner_of(sim, j) == 1) {
                *first = i;
                *second = j;
                return;
            }
        }
    }
    fail();
}

/* A posting has the first of two accounts and wants the second, while somebody waits for the
 * first: it does not stand behind that one. */
static void claim__does_not_wait_for_who_waits_for_it(void **state)
{
    struct ledger_sim *sim = *state;
    struct texts texts;
    struct ledger_sim_texts deposit;
    unsigned first = 0, second = 0;
    pair_of_one_crowd(sim, &first, &second);
    (void)stop_line(sim, first, "stop");
    const unsigned accounts[] = {account_of(sim, 0, 0), first, second};
    submit(sim, posting(accounts, 3, 5, &texts), 1);
    expect_nothing(sim);
    submit(sim, ledger_sim_posting(FLORIN_DEPOSIT, first, NULL, 1, &deposit), 2);
    expect_nothing(sim);
    sim->reader_rests = false;
    struct florin_result result;
    unsigned seen = 0;
    while (take_read(sim, &result)) {
        assert_int_equal(result.status, FLORIN_APPLIED);
        seen += (unsigned)result.user_data;
    }
    assert_int_equal(seen, 3);
    check_free(sim);
    sim->book->balances[accounts[0]] -= 10;
    sim->book->balances[first] += 6;
    sim->book->balances[second] += 5;
    check_balances(sim);
}

/* The log takes no more while accounts are kept and others stand in line for them. */
static void log_failure__answers_all_and_lets_the_ledger_be_closed(void **state)
{
    struct ledger_sim *sim = *state;
    struct texts texts;
    unsigned hot = account_of(sim, 1, 0);
    (void)ledger_sim_statistics(sim);
    sim_disk_hold_completions(sim->disk, true);
    for (unsigned i = 0; i < 20; i++) {
        submit(sim, transfer(account_of(sim, 0, i % 8), hot, NULL, 1, &texts), i);
        submit(sim, transfer(hot, account_of(sim, 0, i % 8), NULL, 1, &texts), i);
        if (i % 3 == 0)
            ledger_sim_round(sim);
    }
    sim_disk_fail(sim->disk, 1, EIO, true);
    sim_disk_hold_completions(sim->disk, false);
    unsigned answers[20] = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < ROUNDS_MAX && count < 40; i++) {
        struct florin_result result;
        ledger_sim_round(sim);
        while (worker_reap(sim->workers[0], &result, 1) > 0) {
            assert_true(result.status == FLORIN_NOT_COMMITTED ||
                        result.status == FLORIN_COMMIT_UNKNOWN);
            answers[result.user_data]++;
            count++;
        }
    }
    assert_int_equal(count, 40);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(answers[i], 2);
    ledger_stop(sim->ledger);
    for (unsigned i = 0; !worker_is_idle(sim->workers[0]); i++) {
        assert_true(i < ROUNDS_MAX);
        ledger_sim_round(sim);
    }
    sim_disk_fail(sim->disk, 0, 0, false);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_RANDOM);
    ledger_sim_open(sim, 2);
    int64_t sum = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++)
        sum += read_account(sim, i).balance_minor;
    assert_int_equal(sum, (int64_t)ACCOUNTS * BALANCE);
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

/* What is known of an account while a transfer into it is not durable: the version before. */
static void version__of_the_other_account_is_the_durable_one(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct texts texts;
        unsigned from = account_of(sim, 1 - worker, 3);
        unsigned to = account_of(sim, worker, 3);
        struct ledger_sim_texts deposit;
        uint64_t version = read_account(sim, to).version;
        sim_disk_hold_completions(sim->disk, true);
        submit(sim, transfer(from, to, NULL, 5, &texts), 1);
        expect_nothing(sim);
        submit(sim, ledger_sim_posting(FLORIN_DEPOSIT, to, NULL, 1, &deposit), 2);
        expect_nothing(sim);
        virtual_clock_advance((uint64_t)(TIMEOUT_MS + 1) * MILLISECOND_NS);
        for (unsigned i = 0; i < 2; i++) {
            struct florin_result result;
            assert_true(ledger_sim_take(sim, &result));
            assert_int_equal(result.status, FLORIN_COMMIT_UNKNOWN);
            if (result.user_data == 2)
                assert_int_equal(result.version, version);
        }
        if (worker == 0) {
            struct ledger_sim_texts named;
            struct florin_command read = ledger_sim_read(to, &named);
            assert_int_equal(
                worker_durable_version(sim->workers[0], read.account, read.account_length),
                version);
        }
        sim_disk_hold_completions(sim->disk, false);
        ledger_sim_settle(sim);
        assert_int_equal(read_account(sim, to).version, version + 2);
    }
}

/* --- holds ----------------------------------------------------------------------------------- */

static void hold__ends_by_its_time_and_survives_a_restart_before(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned account = 0; account < 6; account++) {
        struct ledger_sim_texts texts;
        struct florin_command command =
            ledger_sim_posting(FLORIN_HOLD, account, "hold", 300, &texts);
        command.expires_in_ns = UINT64_C(1000) * MILLISECOND_NS;
        struct florin_result hold = ledger_sim_run(sim, &command);
        assert_int_equal(hold.status, FLORIN_APPLIED);
        assert_int_equal(read_account(sim, account).held_minor, 300);
        if (account % 2 == 0) {
            ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
            ledger_sim_open(sim, 1 + account % 3);
        }
        virtual_clock_advance(UINT64_C(900) * MILLISECOND_NS);
        ledger_sim_settle(sim);
        assert_int_equal(read_account(sim, account).held_minor, 300);
        virtual_clock_advance(UINT64_C(101) * MILLISECOND_NS);
        ledger_sim_settle(sim);
        assert_int_equal(read_account(sim, account).held_minor, 0);
        struct florin_command capture =
            ledger_sim_posting(FLORIN_CAPTURE, account, NULL, 0, &texts);
        capture.target_id = hold.transaction_id;
        assert_int_equal(ledger_sim_run(sim, &capture).status, FLORIN_HOLD_RESOLVED);
        check_balances(sim);
    }
}

/* There is no disk for its end: the worker tries again now and then, and not all the time. */
static void hold__that_cannot_end_does_not_keep_the_worker_busy(void **state)
{
    struct ledger_sim *sim = *state;
    struct ledger_sim_texts texts;
    unsigned account = account_of(sim, 0, 0);
    struct florin_command command = ledger_sim_posting(FLORIN_HOLD, account, NULL, 300, &texts);
    command.expires_in_ns = UINT64_C(1000) * MILLISECOND_NS;
    assert_int_equal(ledger_sim_run(sim, &command).status, FLORIN_APPLIED);
    ledger_sim_settle(sim);
    sim_disk_set_capacity(sim->disk, sim_disk_used(sim->disk));
    (void)log_step(sim->ledger->log);
    virtual_clock_advance(UINT64_C(2000) * MILLISECOND_NS);
    worker_round(sim->workers[0]);
    assert_true(worker_wait_ms(sim->workers[0]) > 0);
    sim_disk_set_capacity(sim->disk, 0);
    (void)log_step(sim->ledger->log);
    ledger_sim_settle(sim);
    assert_int_equal(read_account(sim, account).held_minor, 0);
}

static void capture__to_another_worker_takes_the_hold(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned worker = 0; worker < 2; worker++) {
        struct texts texts;
        unsigned from = account_of(sim, worker, 1);
        unsigned to = account_of(sim, 1 - worker, 1);
        struct ledger_sim_texts named;
        struct florin_command hold = ledger_sim_posting(FLORIN_HOLD, from, "h", 400, &named);
        uint64_t id = ledger_sim_run(sim, &hold).transaction_id;
        struct florin_command capture = transfer(from, to, "c", 150, &texts);
        capture.kind = FLORIN_CAPTURE;
        capture.target_id = id;
        struct florin_result first = ledger_sim_run(sim, &capture);
        assert_int_equal(first.status, FLORIN_APPLIED);
        note_transfer(sim, from, to, 150);
        assert_true(ledger_sim_run(sim, &capture).replayed);
        capture.key = "d";
        assert_int_equal(ledger_sim_run(sim, &capture).status, FLORIN_HOLD_RESOLVED);
        assert_int_equal(read_account(sim, from).held_minor, 0);
        check_balances(sim);
        check_free(sim);
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

#define postings_test(function)                                                                    \
    cmocka_unit_test_setup_teardown(function, setup, ledger_sim_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        postings_test(transfer__between_workers_is_kept_and_repeated),
        postings_test(crash__leaves_no_half),
        postings_test(deadline__of_a_posting_that_waits_for_an_account),
        postings_test(claim__does_not_wait_for_who_waits_for_it),
        postings_test(log_failure__answers_all_and_lets_the_ledger_be_closed),
        postings_test(full_disk__refuses_postings_and_frees_their_accounts),
        postings_test(stop__finishes_what_is_under_way),
        postings_test(checkpoint__while_accounts_are_kept_has_all_of_them),
        postings_test(version__of_the_other_account_is_the_durable_one),
        postings_test(hold__ends_by_its_time_and_survives_a_restart_before),
        postings_test(hold__that_cannot_end_does_not_keep_the_worker_busy),
        postings_test(capture__to_another_worker_takes_the_hold),
        cmocka_unit_test_setup_teardown(many_large_postings__fill_the_stage_and_no_more,
                                        setup_large, ledger_sim_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
