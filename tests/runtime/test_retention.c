/* test_retention.c - which files go, and which stay: the rule for the log, and held files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "engine/runtime/checkpoint_file.h"
#include "engine/runtime/keeper_internal.h"
#include "engine/runtime/key_archive.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"
#include "wal/log.h"

enum {
    SECOND_NS = 1000000000,
    SMALL_SEGMENT = 16 * 1024,
    ACCOUNTS = 20,
};

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    sim->segment_bytes = SMALL_SEGMENT;
    *state = sim;
    return 0;
}

static void open_first(struct ledger_sim *sim)
{
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
}

/* So many deposits that the log goes on in a later segment. */
static void fill_segments(struct ledger_sim *sim, unsigned segments)
{
    uint64_t until = log_live_start(sim->ledger->log).segment + segments;
    while (log_live_start(sim->ledger->log).segment < until)
        ledger_sim_deposit(sim, 20);
}

static uint64_t first_segment(const struct ledger_sim *sim)
{
    return log_first_segment(sim->ledger->log);
}

static uint64_t needed_segment(const struct ledger_sim *sim)
{
    return sim->ledger->keeper->kept.log_starts[CHECKPOINTS_KEPT - 1].segment;
}

static void check_reopens(struct ledger_sim *sim, enum ledger_sim_keep keep)
{
    uint64_t digest = ledger_sim_digest(sim);
    ledger_sim_crash(sim, keep);
    ledger_sim_open(sim, 3);
    assert_int_equal(ledger_sim_digest(sim), digest);
    ledger_sim_check(sim, 11);
}

/* --- the rule -------------------------------------------------------------------------------- */

static void log__is_kept_for_ever_without_a_rule(void **state)
{
    struct ledger_sim *sim = *state;
    open_first(sim);
    for (unsigned i = 0; i < 4; i++) {
        fill_segments(sim, 3);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_retain(sim);
    }
    assert_int_equal(first_segment(sim), 1);
    assert_int_equal(ledger_sim_statistics(sim).log_segments_removed, 0);
    assert_true(needed_segment(sim) > 6);
}

static void log__stays_until_there_are_two_checkpoints(void **state)
{
    struct ledger_sim *sim = *state;
    sim->options.retain_bytes = 1;
    open_first(sim);
    fill_segments(sim, 3);
    ledger_sim_retain(sim);
    assert_int_equal(first_segment(sim), 1);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    fill_segments(sim, 3);
    ledger_sim_retain(sim);
    assert_int_equal(first_segment(sim), 1);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    ledger_sim_retain(sim);
    assert_true(first_segment(sim) > 1);
    assert_int_equal(first_segment(sim), needed_segment(sim));
    check_reopens(sim, LEDGER_SIM_KEEP_NONE);
}

static void log__by_size_goes_as_far_as_the_older_checkpoint_allows(void **state)
{
    struct ledger_sim *sim = *state;
    const uint64_t retain_segments = 5;
    sim->options.retain_bytes = retain_segments * SMALL_SEGMENT;
    open_first(sim);
    unsigned by_rule = 0;
    unsigned by_need = 0;
    for (unsigned i = 0; i < 12; i++) {
        fill_segments(sim, 1 + i % 4);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_retain(sim);
        struct log_statistics log;
        log_statistics(sim->ledger->log, &log);
        uint64_t kept = log.live_segment + 1 - log.first_segment;
        if (i < 1)
            continue;
        assert_true(log.first_segment <= needed_segment(sim));
        if (log.first_segment == needed_segment(sim))
            by_need++;
        else
            assert_true(kept <= retain_segments);
        by_rule += kept == retain_segments;
        assert_int_equal(ledger_sim_files(sim, "log", ".wal"), kept + log.spare_segments);
        check_reopens(sim, i % 2 == 0 ? LEDGER_SIM_KEEP_NONE : LEDGER_SIM_KEEP_RANDOM);
    }
    assert_true(by_rule > 2);
    assert_true(by_need > 2);
}

static void log__by_age_goes_when_all_of_a_segment_is_old_enough(void **state)
{
    struct ledger_sim *sim = *state;
    sim->options.retain_seconds = 100;
    open_first(sim);
    fill_segments(sim, 3);
    uint64_t young = log_live_start(sim->ledger->log).segment; /* its first records are old */
    virtual_clock_advance(50 * (uint64_t)SECOND_NS);
    fill_segments(sim, 3);
    for (unsigned i = 0; i < 2; i++) {
        ledger_sim_deposit(sim, 1);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
    }
    virtual_clock_advance(48 * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
    assert_int_equal(first_segment(sim), 1);
    virtual_clock_advance(3 * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
    assert_int_equal(first_segment(sim), young);
    check_reopens(sim, LEDGER_SIM_KEEP_NONE);
    virtual_clock_advance(40 * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
    assert_int_equal(first_segment(sim), young);
    virtual_clock_advance(20 * (uint64_t)SECOND_NS);
    ledger_sim_settle(sim);
    assert_int_equal(first_segment(sim), needed_segment(sim));
    check_reopens(sim, LEDGER_SIM_KEEP_RANDOM);
}

/* The last account, which no deposit by chance is made to, with a command that waits for the
 * reader.
 */
static void submit_keyed(struct ledger_sim *sim, const char *key)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_read(ACCOUNTS, &texts);
    command.kind = FLORIN_DEPOSIT;
    command.amount_minor = 7;
    command.key = key;
    command.key_length = strlen(key);
    assert_int_equal(worker_submit(sim->workers[0], &command), FLORIN_APPLIED);
    ledger_sim_round(sim);
}

static struct florin_result take_result(struct ledger_sim *sim)
{
    struct florin_result result;
    for (unsigned i = 0; worker_reap(sim->workers[0], &result, 1) == 0; i++) {
        assert_true(i < 100);
        ledger_sim_round(sim);
    }
    return result;
}

/* While the reader rests, the log goes on until the records so far are removed. */
static void let_records_go(struct ledger_sim *sim)
{
    uint64_t until = log_live_start(sim->ledger->log).segment + 1;
    while (first_segment(sim) < until) {
        fill_segments(sim, 2);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        virtual_clock_advance(2 * (uint64_t)SECOND_NS);
        for (unsigned i = 0; i < 20; i++)
            (void)ledger_sim_step(sim);
    }
}

static void open_with_slow_reader(struct ledger_sim *sim)
{
    sim->options.retain_bytes = 1;
    sim->options.commit_timeout_ms = 1000000;
    open_first(sim);
    ledger_sim_open_accounts(sim, 1, 0);
    sim->book->account_count--;
}

/* Its record goes while the look-up is under way. */
static void key__whose_record_was_removed_is_found_in_its_file(void **state)
{
    struct ledger_sim *sim = *state;
    open_with_slow_reader(sim);
    submit_keyed(sim, "key");
    struct florin_result first = take_result(sim);
    assert_int_equal(first.status, FLORIN_APPLIED);
    sim->reader_rests = true;
    submit_keyed(sim, "key");
    let_records_go(sim);
    sim->reader_rests = false;
    struct florin_result again = take_result(sim);
    assert_int_equal(again.status, FLORIN_APPLIED);
    assert_true(again.replayed);
    assert_int_equal(again.transaction_id, first.transaction_id);
    assert_int_equal(ledger_sim_statistics(sim).lookups_record, 1);
}

/* The same, but the record was of another key: what a hint of the key "new" would have begun. */
static void key__that_looked_like_a_removed_record_is_new(void **state)
{
    struct ledger_sim *sim = *state;
    open_with_slow_reader(sim);
    submit_keyed(sim, "other");
    uint64_t lsn = take_result(sim).transaction_id;
    sim->reader_rests = true;
    submit_keyed(sim, "other");
    for (unsigned i = 0; i < sim->worker_count; i++) {
        struct lookups *lookups = &sim->workers[i]->lookups;
        if (lookups->count == 0)
            continue;
        struct lookup *lookup = lookups_at(lookups, lookups->head);
        struct ledger_sim_texts texts;
        struct florin_command command = ledger_sim_read(ACCOUNTS, &texts);
        command.kind = FLORIN_DEPOSIT;
        command.amount_minor = 7;
        command.key = "new";
        command.key_length = 3;
        assert_int_equal(lookup->lsn, lsn);
        lookup->digest = hash_key(&sim->ledger->secret, command.account, command.account_length,
                                  command.key, command.key_length);
        message_put_command(lookup->message, &command, lookup->account_hash, 0);
    }
    let_records_go(sim);
    sim->reader_rests = false;
    struct florin_result result = take_result(sim);
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_false(result.replayed);
    assert_int_equal(result.balance_minor, 14);
    assert_int_equal(ledger_sim_statistics(sim).lookups_in_vain, 1);
}

/* --- held files ------------------------------------------------------------------------------ */

static void held_files__are_not_removed_and_go_afterwards(void **state)
{
    struct ledger_sim *sim = *state;
    sim->options.retain_bytes = 1;
    open_first(sim);
    ledger_hold_files(sim->ledger);
    ledger_hold_files(sim->ledger);
    for (unsigned i = 0; i < KEY_ARCHIVE_MERGE_MIN + 1; i++) {
        fill_segments(sim, 1);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_retain(sim);
        assert_int_equal(ledger_sim_files(sim, "checkpoint", ".ckpt"), i + 1);
        assert_int_equal(ledger_sim_files(sim, "keys", ".keys"), i + 1);
        assert_int_equal(first_segment(sim), 1);
        if (i == 3)
            ledger_release_files(sim->ledger); /* still held once */
    }
    ledger_release_files(sim->ledger);
    ledger_sim_retain(sim);
    assert_int_equal(ledger_sim_statistics(sim).key_merges, 1);
    assert_true(first_segment(sim) > 3);
    ledger_sim_deposit(sim, 1);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ".ckpt"), 2);
    check_reopens(sim, LEDGER_SIM_KEEP_NONE);
}

/* A backup that takes days, or files that cannot be removed. */
static void more_checkpoints_than_are_listed__are_no_obstacle(void **state)
{
    struct ledger_sim *sim = *state;
    open_first(sim);
    ledger_hold_files(sim->ledger);
    for (unsigned i = 0; i < CHECKPOINTS_LISTED_MAX + 10; i++) {
        ledger_sim_deposit(sim, 1);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
    }
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), CHECKPOINTS_LISTED_MAX + 10);
    uint64_t newest = ledger_sim_statistics(sim).checkpoint_lsn;
    check_reopens(sim, LEDGER_SIM_KEEP_NONE);
    assert_int_equal(ledger_sim_said_number(sim, "event=recovered", "checkpoint_lsn="), newest);
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), CHECKPOINTS_LISTED_MAX + 10);
    ledger_sim_deposit(sim, 1);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    assert_int_equal(ledger_sim_files(sim, "checkpoint", ""), 2);
    check_reopens(sim, LEDGER_SIM_KEEP_NONE);
}

/* --- a merge in the way of who wants to hold ------------------------------------------------- */

struct hold_in_merge {
    struct ledger_sim *sim;
    unsigned changes; /* of the disk, in the merge, before it */
    bool held;
};

/* As ledger_hold_files() of another thread, which now waits for the end of the merge. */
static void hold_here(void *context, struct sim_disk *disk)
{
    struct hold_in_merge *hold = context;
    struct keeper *keeper = hold->sim->ledger->keeper;
    (void)disk;
    if (hold->held || hold->changes-- > 0)
        return;
    pthread_mutex_lock(&keeper->mutex);
    assert_true(keeper->removing);
    keeper->holds++;
    pthread_mutex_unlock(&keeper->mutex);
    hold->held = true;
}

static void merge__gives_way_to_who_holds_the_files(void **state)
{
    struct ledger_sim *sim = *state;
    open_first(sim);
    for (unsigned i = 0; i < KEY_ARCHIVE_MERGE_MIN; i++) {
        ledger_sim_deposit(sim, 30);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
    }
    ledger_sim_round(sim);
    unsigned files = ledger_sim_files(sim, "keys", ".keys");
    assert_int_equal(files, KEY_ARCHIVE_MERGE_MIN);
    struct hold_in_merge hold = {.sim = sim};
    sim_disk_watch(sim->disk, hold_here, &hold);
    ledger_sim_settle(sim);
    sim_disk_watch(sim->disk, NULL, NULL);
    assert_true(hold.held);
    assert_int_equal(ledger_sim_files(sim, "keys", ".keys"), files);
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    assert_int_equal(statistics.key_merges, 0);
    assert_int_equal(statistics.last_error, 0);
    /* meanwhile all else goes on */
    ledger_sim_deposit(sim, 30);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    assert_int_equal(ledger_sim_files(sim, "keys", ".keys"), files + 1);
    ledger_release_files(sim->ledger);
    ledger_sim_settle(sim);
    assert_int_equal(ledger_sim_statistics(sim).key_merges, 1);
    assert_true(ledger_sim_files(sim, "keys", ".keys") < files);
    check_reopens(sim, LEDGER_SIM_KEEP_NONE);
}

int main(void)
{
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup, ledger_sim_teardown)
    const struct CMUnitTest tests[] = {
        SIMULATED(log__is_kept_for_ever_without_a_rule),
        SIMULATED(log__stays_until_there_are_two_checkpoints),
        SIMULATED(log__by_size_goes_as_far_as_the_older_checkpoint_allows),
        SIMULATED(log__by_age_goes_when_all_of_a_segment_is_old_enough),
        SIMULATED(key__whose_record_was_removed_is_found_in_its_file),
        SIMULATED(key__that_looked_like_a_removed_record_is_new),
        SIMULATED(held_files__are_not_removed_and_go_afterwards),
        SIMULATED(more_checkpoints_than_are_listed__are_no_obstacle),
        SIMULATED(merge__gives_way_to_who_holds_the_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
