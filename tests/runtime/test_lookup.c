/* test_lookup.c - keys that were seen before: where their answers are found, and when they are not.
 *
 * One thread, a simulated disk. A key is looked up by its hint in memory (then the record is read)
 * or in the key files; what cannot be read is never called a new key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/runtime/key_archive.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"

enum {
    ACCOUNTS = 20,
    FILE_HEADER_BYTES = 4096,
    FILE_BLOCK_BYTES = 4096,
    FILE_BLOCK_KEYS = 63,
};

static int setup(void **state)
{
    struct ledger_sim *sim = ledger_sim_create();
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    *state = sim;
    return 0;
}

static struct florin_result retry(struct ledger_sim *sim, unsigned number)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_retry(sim, number, &texts);
    return ledger_sim_run(sim, &command);
}

/* --- where keys are found -------------------------------------------------------------------- */

static void recent_key__is_found_in_the_log(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 50);
    ledger_sim_check_deposits(sim, 1);
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    assert_int_equal(statistics.lookups_record, 50);
    assert_int_equal(statistics.lookups_files, 0);
    assert_int_equal(statistics.lookups_in_vain, 0);
}

static void old_key__is_found_in_a_key_file(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 200);
    ledger_sim_move_keys_to_files(sim);
    ledger_sim_check_deposits(sim, 1);
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    assert_int_equal(statistics.lookups_record, 0);
    assert_int_equal(statistics.lookups_files, 200);
    assert_int_equal(statistics.lookups_in_vain, 0);
}

static void key__is_found_after_a_restart_wherever_it_is(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned i = 0; i < 3; i++) {
        ledger_sim_deposit(sim, 70);
        ledger_sim_move_keys_to_files(sim);
    }
    ledger_sim_deposit(sim, 30);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
    ledger_sim_open(sim, 3);
    ledger_sim_check(sim, 1);
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    assert_int_equal(statistics.lookups_record, 30);
    assert_int_equal(statistics.lookups_files, 210);
}

static void key__of_a_refusal_is_found_with_the_refusal(void **state)
{
    struct ledger_sim *sim = *state;
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_read(3, &texts);
    command.kind = FLORIN_WITHDRAW;
    command.amount_minor = 500;
    command.key = "refused";
    command.key_length = 7;
    struct florin_result first = ledger_sim_run(sim, &command);
    assert_int_equal(first.status, FLORIN_INSUFFICIENT_BALANCE);
    assert_false(first.replayed);
    for (unsigned i = 0; i < 3; i++) {
        struct florin_result again = ledger_sim_run(sim, &command);
        assert_int_equal(again.status, FLORIN_INSUFFICIENT_BALANCE);
        assert_true(again.replayed);
        assert_int_equal(again.transaction_id, first.transaction_id);
        if (i == 0)
            ledger_sim_move_keys_to_files(sim);
        if (i == 1) {
            ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
            ledger_sim_open(sim, 1);
        }
    }
    command.amount_minor = 501;
    struct florin_result other = ledger_sim_run(sim, &command);
    assert_int_equal(other.status, FLORIN_KEY_REUSED);
    assert_int_equal(other.field, FLORIN_FIELD_AMOUNT);
}

/* Old and new keys in turn, in memory and in many files, while keys go on moving. */
static void many_keys__are_each_found_and_new_ones_are_new(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_close(sim);
    sim->options.keys_memory = 200;
    ledger_sim_open(sim, 2);
    for (unsigned i = 0; i < 100; i++) {
        ledger_sim_deposit(sim, 1 + (unsigned)(ledger_sim_random(sim) % 100));
        for (unsigned j = 0; j < 20; j++) {
            unsigned number = (unsigned)(ledger_sim_random(sim) % sim->book->deposit_count);
            struct florin_result result = retry(sim, number);
            assert_int_equal(result.status, FLORIN_APPLIED);
            assert_true(result.replayed);
            assert_int_equal(result.transaction_id, sim->book->deposits[number].lsn);
        }
        (void)ledger_sim_step(sim);
    }
    struct ledger_keeper_statistics statistics = ledger_sim_statistics(sim);
    assert_true(statistics.key_merges > 0);
    assert_true(statistics.lookups_files > 100);
    assert_true(statistics.lookups_record > 100);
    ledger_sim_check(sim, 1);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_NONE);
    ledger_sim_open(sim, 3);
    ledger_sim_check(sim, 1);
}

/* --- keys that look alike -------------------------------------------------------------------- */

/* Makes memory believe that a record may be of the key `text`. It is the newest. */
static void forge_hint(struct ledger_sim *sim, unsigned account, const char *text, uint64_t lsn)
{
    struct ledger_sim_texts texts;
    struct florin_command named = ledger_sim_read(account, &texts);
    uint64_t hash = hash_account(&sim->ledger->secret, named.account, named.account_length);
    struct shard *shard = &sim->workers[ledger_owner(sim->ledger, hash)]->shard;
    struct hash128 digest =
        hash_key(&sim->ledger->secret, named.account, named.account_length, text, strlen(text));
    assert_int_not_equal(key_table_add(&shard->keys, digest, lsn), KEY_TABLE_NO_SLOT);
}

static struct florin_result deposit(struct ledger_sim *sim, unsigned account, const char *key)
{
    struct ledger_sim_texts texts;
    struct florin_command command = ledger_sim_posting(FLORIN_DEPOSIT, account, key, 1, &texts);
    return ledger_sim_run(sim, &command);
}

static void look_alikes__are_told_apart_by_their_records(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned i = 0; i < SHARD_OTHERS_MAX; i++)
        forge_hint(sim, 0, "new", deposit(sim, 0, NULL).transaction_id);
    struct florin_result first = deposit(sim, 0, "new");
    assert_int_equal(first.status, FLORIN_APPLIED);
    assert_false(first.replayed);
    assert_int_equal(ledger_sim_statistics(sim).lookups_in_vain, SHARD_OTHERS_MAX);
    ledger_sim_move_keys_to_files(sim);
    struct florin_result again = deposit(sim, 0, "new");
    assert_true(again.replayed);
    assert_int_equal(again.transaction_id, first.transaction_id);
}

static void more_look_alikes_than_are_looked_at__are_not_applied(void **state)
{
    struct ledger_sim *sim = *state;
    for (unsigned i = 0; i < SHARD_OTHERS_MAX + 1; i++)
        forge_hint(sim, 0, "new", deposit(sim, 0, NULL).transaction_id);
    uint64_t durable = florin_durable_lsn(sim->ledger);
    assert_int_equal(deposit(sim, 0, "new").status, FLORIN_QUEUE_FULL);
    assert_int_equal(florin_durable_lsn(sim->ledger), durable);
    ledger_sim_move_keys_to_files(sim);
    assert_int_equal(deposit(sim, 0, "new").status, FLORIN_APPLIED);
}

static void look_alike_in_memory__does_not_hide_a_key_in_a_file(void **state)
{
    struct ledger_sim *sim = *state;
    struct florin_result first = deposit(sim, 0, "old");
    ledger_sim_move_keys_to_files(sim);
    for (unsigned i = 0; i < 2; i++)
        forge_hint(sim, 0, "old", deposit(sim, 0, NULL).transaction_id);
    struct florin_result again = deposit(sim, 0, "old");
    assert_true(again.replayed);
    assert_int_equal(again.transaction_id, first.transaction_id);
    assert_int_equal(ledger_sim_statistics(sim).lookups_in_vain, 2);
}

/* --- what cannot be read --------------------------------------------------------------------- */

/* The key of every deposit is asked for; the answer is right, or unknown. How many are unknown. */
static unsigned ask_for_all(struct ledger_sim *sim)
{
    unsigned unknown = 0;
    for (unsigned i = 0; i < sim->book->deposit_count; i++) {
        struct florin_result result = retry(sim, i);
        if (result.status == FLORIN_COMMIT_UNKNOWN) {
            unknown++;
            assert_false(result.replayed);
            assert_true(result.version > 0); /* the last durable one */
            continue;
        }
        assert_int_equal(result.status, FLORIN_APPLIED);
        assert_true(result.replayed);
        assert_int_equal(result.transaction_id, sim->book->deposits[i].lsn);
    }
    return unknown;
}

static void damaged_block_of_a_key_file__makes_its_keys_unknown_and_never_new(void **state)
{
    struct ledger_sim *sim = *state;
    const unsigned blocks = 3;
    char name[STORAGE_NAME_MAX];
    ledger_sim_deposit(sim, blocks * FILE_BLOCK_KEYS);
    ledger_sim_move_keys_to_files(sim);
    assert_int_equal(ledger_sim_files(sim, "keys", ""), 1);
    ledger_sim_file(sim, "keys", "", 0, name);
    uint64_t digest = ledger_sim_digest(sim);
    for (unsigned block = 0; block < blocks; block++) {
        uint64_t offset = FILE_HEADER_BYTES + block * (uint64_t)FILE_BLOCK_BYTES + 100 * block;
        assert_true(sim_disk_flip(sim->disk, name, offset, 3));
        /* a neighbour whose place is at the edge may look into it, too */
        assert_in_range(ask_for_all(sim), FILE_BLOCK_KEYS, FILE_BLOCK_KEYS + 2);
        assert_true(ledger_sim_said(sim, "level=error event=lookup_failed", name));
        sim->lines_length = 0;
        sim->lines[0] = '\0';
        assert_true(sim_disk_flip(sim->disk, name, offset, 3));
    }
    assert_int_equal(ask_for_all(sim), 0);
    assert_int_equal(ledger_sim_digest(sim), digest);
}

static void damaged_record__makes_its_key_unknown_and_never_new(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 1);
    ledger_sim_deposit(sim, 1);
    uint64_t digest = ledger_sim_digest(sim);
    /* frames: recovery, openings, the first deposit; each of whole blocks */
    unsigned unknown = 0;
    for (uint64_t offset = 0; offset < 16 * 4096; offset += 512) {
        assert_true(sim_disk_flip(sim->disk, "log/0000000000000001.wal", offset + 77, 1));
        unknown += ask_for_all(sim);
        assert_true(sim_disk_flip(sim->disk, "log/0000000000000001.wal", offset + 77, 1));
    }
    assert_true(unknown >= 2 * 8); /* each sector of both frames */
    assert_true(ledger_sim_said(sim, "level=error event=lookup_failed", "log/"));
    assert_int_equal(ask_for_all(sim), 0);
    assert_int_equal(ledger_sim_digest(sim), digest);
}

static void io_error_of_a_look_up__makes_a_key_unknown_once(void **state)
{
    struct ledger_sim *sim = *state;
    /* in frames of their own: one that was read last is not read again */
    for (unsigned i = 0; i < 5; i++)
        ledger_sim_deposit(sim, 1);
    for (unsigned in_files = 0; in_files < 2; in_files++) {
        for (unsigned i = 0; i < 5; i++) {
            sim_disk_fail(sim->disk, 1, EIO, false);
            assert_int_equal(retry(sim, i).status, FLORIN_COMMIT_UNKNOWN);
            sim_disk_fail(sim->disk, 0, 0, false);
            assert_true(retry(sim, i).replayed);
        }
        assert_int_equal(ledger_state(sim->ledger), LEDGER_READY);
        ledger_sim_move_keys_to_files(sim);
    }
}

static uint64_t reads;

static void count_reads(void *context, const struct sim_event *event)
{
    (void)context;
    reads += event->operation == SIM_READ;
}

/* A batch that is sent again asks for all records of its frames: in whatever order it asks for
 * those of one, that is read once. */
static void records_of_one_frame__are_read_once(void **state)
{
    enum { RECORDS = 50, FRAMES_MAX = 4 };
    struct ledger_sim *sim = *state;
    unsigned read_for = 0;
    unsigned seen = 0;
    ledger_sim_deposit(sim, RECORDS);
    uint64_t first_lsn = sim->book->deposits[0].lsn;
    for (unsigned i = 0; i < RECORDS; i++) {
        if (sim->book->deposits[i].lsn < first_lsn)
            first_lsn = sim->book->deposits[i].lsn;
    }
    sim_disk_observe(sim->disk, count_reads, NULL);
    /* by LSN, two steps forward and one back */
    for (uint64_t step = 0; seen < RECORDS; step++) {
        uint64_t lsn = first_lsn + (step ^ 1);
        assert_true(step < 2 * RECORDS);
        for (unsigned i = 0; i < RECORDS; i++) {
            if (sim->book->deposits[i].lsn != lsn)
                continue;
            reads = 0;
            struct florin_result again = retry(sim, i);
            assert_true(again.replayed);
            assert_int_equal(again.transaction_id, lsn);
            assert_int_equal(again.balance_minor, sim->book->deposits[i].balance_minor);
            read_for += reads > 0;
            seen++;
        }
    }
    assert_in_range(read_for, 1, FRAMES_MAX);
    sim_disk_observe(sim->disk, NULL, NULL);
}

/* --- forgetting ------------------------------------------------------------------------------ */

struct forgetting {
    struct ledger_sim *sim;
    unsigned keys;
    unsigned looks;
};

static unsigned keys_held(const struct ledger_sim *sim)
{
    unsigned held = 0;
    for (unsigned i = 0; i < sim->worker_count; i++)
        held += sim->workers[i]->shard.keys.count;
    return held;
}

/* After every change of the disk: what a power failure leaves has the file, or memory has the keys.
 */
static void look_for_the_file(void *context, struct sim_disk *disk)
{
    struct forgetting *forgetting = context;
    struct ledger_sim found = {
        .disk = ledger_sim_disk_after(forgetting->sim, disk, LEDGER_SIM_KEEP_NONE)};
    bool durable = ledger_sim_files(&found, "keys", ".keys") > 0;
    sim_disk_destroy(found.disk);
    forgetting->looks++;
    if (!durable)
        assert_int_equal(keys_held(forgetting->sim), forgetting->keys);
}

static void keys__are_forgotten_only_when_their_file_is_durable(void **state)
{
    struct ledger_sim *sim = *state;
    ledger_sim_deposit(sim, 100);
    struct forgetting forgetting = {.sim = sim, .keys = 100};
    sim_disk_watch(sim->disk, look_for_the_file, &forgetting);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    ledger_sim_settle(sim);
    sim_disk_watch(sim->disk, NULL, NULL);
    assert_true(forgetting.looks > 10);
    assert_int_equal(keys_held(sim), 0);
}

int main(void)
{
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup, ledger_sim_teardown)
    const struct CMUnitTest tests[] = {
        SIMULATED(recent_key__is_found_in_the_log),
        SIMULATED(old_key__is_found_in_a_key_file),
        SIMULATED(key__is_found_after_a_restart_wherever_it_is),
        SIMULATED(key__of_a_refusal_is_found_with_the_refusal),
        SIMULATED(many_keys__are_each_found_and_new_ones_are_new),
        SIMULATED(look_alikes__are_told_apart_by_their_records),
        SIMULATED(more_look_alikes_than_are_looked_at__are_not_applied),
        SIMULATED(look_alike_in_memory__does_not_hide_a_key_in_a_file),
        SIMULATED(damaged_block_of_a_key_file__makes_its_keys_unknown_and_never_new),
        SIMULATED(records_of_one_frame__are_read_once),
        SIMULATED(damaged_record__makes_its_key_unknown_and_never_new),
        SIMULATED(io_error_of_a_look_up__makes_a_key_unknown_once),
        SIMULATED(keys__are_forgotten_only_when_their_file_is_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
