/* test_checkpoint_damage.c - starts from directories in which something is wrong, missing or old.
 *
 * Damage of a checkpoint costs a longer replay and a loud line. What is needed and not there stops
 * the start with the name of the file, and is not changed by that: put right, it opens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/checkpoint_file.h"
#include "engine/runtime/worker.h"
#include "runtime/ledger_sim.h"

enum {
    HEADER_BYTES = 4096,
    FOOTER_BYTES = 4096,
    ACCOUNTS = 30,
    DEPOSITS = 60,
};

struct fixture {
    struct ledger_sim sim;  /* closed: two checkpoints, key files, and a tail behind them */
    struct ledger_sim copy; /* of which a test may break the disk */
    uint64_t digest;
    uint64_t lsns[2]; /* starts of the checkpoints, newest first */
    char names[2][STORAGE_NAME_MAX];
};

static void name_checkpoint(uint64_t lsn, char name[STORAGE_NAME_MAX])
{
    snprintf(name, STORAGE_NAME_MAX, "checkpoint/%016llx.ckpt", (unsigned long long)lsn);
}

/* Without units, so that files can be looked into. */
static void close_and_settle(struct ledger_sim *sim)
{
    ledger_sim_close(sim);
    ledger_sim_crash(sim, LEDGER_SIM_KEEP_ALL);
}

static void fill(struct fixture *fixture, uint64_t retain_bytes)
{
    struct ledger_sim *sim = &fixture->sim;
    ledger_sim_init(sim);
    sim->options.retain_bytes = retain_bytes;
    sim->segment_bytes = 16 * 1024;
    ledger_sim_open(sim, 2);
    ledger_sim_open_accounts(sim, ACCOUNTS, 0);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < 4; j++)
            ledger_sim_deposit(sim, DEPOSITS);
        assert_int_equal(ledger_sim_checkpoint(sim), 0);
        ledger_sim_settle(sim);
        fixture->lsns[1 - i] = ledger_sim_statistics(sim).checkpoint_lsn;
        name_checkpoint(fixture->lsns[1 - i], fixture->names[1 - i]);
    }
    ledger_sim_deposit(sim, DEPOSITS);
    ledger_sim_retain(sim);
    fixture->digest = ledger_sim_digest(sim);
    sim->options.retain_bytes = 0;
    close_and_settle(sim);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fill(fixture, 0);
    *state = fixture;
    return 0;
}

/* With as little of the log as two checkpoints need. */
static int setup_short(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fill(fixture, 1);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    ledger_sim_deinit(&fixture->sim);
    free(fixture);
    return 0;
}

static struct ledger_sim *begin_copy(struct fixture *fixture)
{
    ledger_sim_init_copy(&fixture->copy, &fixture->sim, sim_disk_kill(fixture->sim.disk));
    return &fixture->copy;
}

static void remove_file(struct ledger_sim *sim, const char *name)
{
    struct storage *storage = sim_disk_storage(sim->disk);
    assert_int_equal(storage->operations->remove(storage, name), 0);
}

static void put_file(struct ledger_sim *to, const struct ledger_sim *from, const char *name,
                     const char *as)
{
    uint64_t size;
    const uint8_t *bytes = sim_disk_bytes(from->disk, name, &size);
    assert_non_null(bytes);
    sim_disk_put(to->disk, as, bytes, size);
}

/* --- a damaged newest one -------------------------------------------------------------------- */

/* The copy opens, says which file is bad, and everything is there. */
static void check_falls_back(struct fixture *fixture, const char *file, uint64_t to_lsn)
{
    struct ledger_sim *copy = &fixture->copy;
    ledger_sim_open(copy, 1);
    assert_true(ledger_sim_said(copy, "level=error event=checkpoint_damaged", file));
    assert_int_equal(ledger_sim_said_number(copy, "event=recovered", "checkpoint_lsn="), to_lsn);
    assert_int_equal(ledger_sim_digest(copy), fixture->digest);
}

static void check_flip(struct fixture *fixture, uint64_t offset)
{
    struct ledger_sim *copy = begin_copy(fixture);
    assert_true(sim_disk_flip(copy->disk, fixture->names[0], offset, (unsigned)(offset % 8)));
    check_falls_back(fixture, fixture->names[0], fixture->lsns[1]);
    ledger_sim_deinit(copy);
}

static void damaged_newest__falls_back_whatever_bit_it_is(void **state)
{
    struct fixture *fixture = *state;
    uint64_t size;
    assert_non_null(sim_disk_bytes(fixture->sim.disk, fixture->names[0], &size));
    for (uint64_t offset = 0; offset < 256; offset += 3)
        check_flip(fixture, offset);
    for (uint64_t offset = 256; offset < HEADER_BYTES; offset += 311)
        check_flip(fixture, offset);
    for (uint64_t offset = HEADER_BYTES; offset < HEADER_BYTES + 256; offset += 5)
        check_flip(fixture, offset);
    for (uint64_t offset = HEADER_BYTES + 256; offset < size - FOOTER_BYTES; offset += 2003)
        check_flip(fixture, offset);
    for (uint64_t offset = size - FOOTER_BYTES; offset < size - FOOTER_BYTES + 256; offset += 3)
        check_flip(fixture, offset);
    for (uint64_t offset = size - FOOTER_BYTES + 256; offset < size; offset += 311)
        check_flip(fixture, offset);
}

static void damaged_newest__falls_back_whatever_its_length(void **state)
{
    struct fixture *fixture = *state;
    uint64_t size;
    const uint8_t *bytes = sim_disk_bytes(fixture->sim.disk, fixture->names[0], &size);
    uint8_t *longer = calloc(1, size + 4096);
    assert_non_null(longer);
    memcpy(longer, bytes, size);
    const uint64_t lengths[] = {0,           512,         4096,        4096 + 512,
                                size / 2,    size - 4096, size - 512,  size + 512,
                                size + 4096, size / 512,  size - 8192, 8192};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct ledger_sim *copy = begin_copy(fixture);
        sim_disk_put(copy->disk, fixture->names[0], longer, lengths[i]);
        check_falls_back(fixture, fixture->names[0], fixture->lsns[1]);
        ledger_sim_deinit(copy);
    }
    free(longer);
}

static void newest__of_other_content_falls_back(void **state)
{
    struct fixture *fixture = *state;
    char keys[STORAGE_NAME_MAX];
    ledger_sim_file(&fixture->sim, "keys", ".keys", 0, keys);
    const char *const others[] = {keys, fixture->names[1], "log/0000000000000001.wal", "meta"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct ledger_sim *copy = begin_copy(fixture);
        uint64_t size;
        if (sim_disk_bytes(fixture->sim.disk, others[i], &size) == NULL)
            fail_msg("there is no %s", others[i]);
        put_file(copy, &fixture->sim, others[i], fixture->names[0]);
        check_falls_back(fixture, fixture->names[0], fixture->lsns[1]);
        ledger_sim_deinit(copy);
    }
}

/* Every block is whole; what they hold together is not what the end says. */
static void newest__of_another_ledger_falls_back(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim *copy = begin_copy(fixture);
    struct ledger_sim other;
    ledger_sim_init(&other);
    other.random = 99;
    ledger_sim_open(&other, 1);
    ledger_sim_open_accounts(&other, 1, 0);
    while (florin_durable_lsn(other.ledger) < fixture->lsns[0])
        ledger_sim_deposit(&other, 1);
    assert_int_equal(ledger_sim_checkpoint(&other), 0);
    close_and_settle(&other);
    /* of the same identity even: then what it says of the log does not fit */
    put_file(copy, &other, fixture->names[0], fixture->names[0]);
    ledger_sim_deinit(&other);
    assert_int_equal(ledger_sim_try_open(copy, 1), -EBADMSG);
    ledger_sim_deinit(copy);
}

static void damaged_newest__is_replaced_by_the_next_checkpoint(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim *copy = begin_copy(fixture);
    assert_true(sim_disk_flip(copy->disk, fixture->names[0], 5000, 1));
    check_falls_back(fixture, fixture->names[0], fixture->lsns[1]);
    ledger_sim_settle(copy);
    assert_int_equal(ledger_sim_files(copy, "checkpoint", ""), 2); /* evidence, until then */
    assert_int_equal(ledger_sim_checkpoint(copy), 0);
    char name[STORAGE_NAME_MAX];
    assert_int_equal(ledger_sim_files(copy, "checkpoint", ""), 2);
    ledger_sim_file(copy, "checkpoint", "", 0, name);
    assert_string_equal(name, fixture->names[1]);
    close_and_settle(copy);
    ledger_sim_open(copy, 3);
    assert_false(ledger_sim_said(copy, "event=checkpoint_damaged", ""));
    assert_int_equal(ledger_sim_digest(copy), fixture->digest);
    ledger_sim_check(copy, 7);
    ledger_sim_deinit(copy);
}

/* The same LSN: the new file takes the place of the damaged one. */
static void damaged_newest__with_nothing_new_is_made_again(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim *sim = &fixture->sim;
    ledger_sim_open(sim, 2);
    assert_int_equal(ledger_sim_checkpoint(sim), 0);
    uint64_t newest = ledger_sim_statistics(sim).checkpoint_lsn;
    close_and_settle(sim);
    struct ledger_sim *copy = begin_copy(fixture);
    char name[STORAGE_NAME_MAX];
    name_checkpoint(newest, name);
    assert_true(sim_disk_flip(copy->disk, name, 4200, 3));
    check_falls_back(fixture, name, fixture->lsns[0]);
    assert_int_equal(ledger_sim_checkpoint(copy), 0);
    assert_int_equal(ledger_sim_files(copy, "checkpoint", ""), 2);
    close_and_settle(copy);
    ledger_sim_open(copy, 2);
    assert_false(ledger_sim_said(copy, "event=checkpoint_damaged", ""));
    assert_int_equal(ledger_sim_said_number(copy, "event=recovered", "checkpoint_lsn="), newest);
    assert_int_equal(ledger_sim_digest(copy), fixture->digest);
    ledger_sim_deinit(copy);
}

static void half_made_checkpoint__is_not_looked_at_and_removed(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim *copy = begin_copy(fixture);
    static const uint8_t bytes[4096] = {7};
    sim_disk_put(copy->disk, "checkpoint/00000000ffffffff.ckpt.tmp", bytes, sizeof(bytes));
    sim_disk_put(copy->disk, "checkpoint/notes.txt", bytes, sizeof(bytes));
    ledger_sim_open(copy, 2);
    assert_int_equal(ledger_sim_said_number(copy, "event=recovered", "checkpoint_lsn="),
                     fixture->lsns[0]);
    assert_int_equal(ledger_sim_files(copy, "checkpoint", ".tmp"), 1);
    ledger_sim_settle(copy);
    assert_int_equal(ledger_sim_files(copy, "checkpoint", ".tmp"), 0);
    assert_int_equal(ledger_sim_files(copy, "checkpoint", ".txt"), 1);
    ledger_sim_deinit(copy);
}

/* --- both damaged ---------------------------------------------------------------------------- */

static void both_damaged__replays_the_whole_log(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim *copy = begin_copy(fixture);
    assert_true(sim_disk_flip(copy->disk, fixture->names[0], 4100, 0));
    assert_true(sim_disk_flip(copy->disk, fixture->names[1], 0, 0));
    check_falls_back(fixture, fixture->names[0], 0);
    assert_true(ledger_sim_said(copy, "event=checkpoint_damaged", fixture->names[1]));
    assert_int_equal(ledger_sim_said_number(copy, "event=recovered", " records="),
                     florin_durable_lsn(copy->ledger));
    ledger_sim_check(copy, 5);
    ledger_sim_deinit(copy);
}

static void both_damaged__without_the_beginning_of_the_log_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim *copy = begin_copy(fixture);
    char first[STORAGE_NAME_MAX];
    ledger_sim_file(copy, "log", ".wal", 0, first);
    assert_string_not_equal(first, "log/0000000000000001.wal");
    assert_true(sim_disk_flip(copy->disk, fixture->names[0], 4100, 0));
    assert_true(sim_disk_flip(copy->disk, fixture->names[1], 4100, 0));
    assert_int_equal(ledger_sim_try_open(copy, 2), -EBADMSG);
    assert_true(ledger_sim_said(copy, "event=checkpoint_damaged", fixture->names[0]));
    assert_true(ledger_sim_said(copy, "event=checkpoint_damaged", fixture->names[1]));
    assert_true(ledger_sim_said(copy, "event=recovery_refused", "log/0000000000000001.wal"));
    /* nothing was made worse */
    assert_true(sim_disk_flip(copy->disk, fixture->names[1], 4100, 0));
    check_falls_back(fixture, fixture->names[0], fixture->lsns[1]);
    ledger_sim_check(copy, 5);
    ledger_sim_deinit(copy);
}

/* --- what is missing ------------------------------------------------------------------------- */

static void missing_key_files__are_refused(void **state)
{
    struct fixture *fixture = *state;
    unsigned count = ledger_sim_files(&fixture->sim, "keys", ".keys");
    assert_true(count >= 2);
    for (unsigned i = 0; i <= count; i++) {
        struct ledger_sim *copy = begin_copy(fixture);
        char name[STORAGE_NAME_MAX];
        for (unsigned j = count; j > 0; j--) {
            ledger_sim_file(copy, "keys", ".keys", j - 1, name);
            if (i == count || j - 1 == i)
                remove_file(copy, name);
        }
        assert_int_equal(ledger_sim_try_open(copy, 2), -EBADMSG);
        assert_true(ledger_sim_said(copy, "event=recovery_refused", "keys"));
        ledger_sim_deinit(copy);
    }
}

static void damaged_key_file__is_refused(void **state)
{
    struct fixture *fixture = *state;
    char name[STORAGE_NAME_MAX];
    struct ledger_sim *copy = begin_copy(fixture);
    ledger_sim_file(copy, "keys", ".keys", 0, name);
    assert_true(sim_disk_flip(copy->disk, name, 16, 2));
    assert_int_equal(ledger_sim_try_open(copy, 2), -EBADMSG);
    assert_true(ledger_sim_said(copy, "event=recovery_refused", name));
    ledger_sim_deinit(copy);
}

/* Files of a later day in a directory whose log is older: what they say is durable is not there. */
static void log_that_ends_before_what_was_durable__is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim later;
    ledger_sim_init_copy(&later, &fixture->sim, sim_disk_kill(fixture->sim.disk));
    for (unsigned deposits = 1; deposits < 400; deposits *= 4) {
        ledger_sim_open(&later, 2);
        ledger_sim_deposit(&later, deposits);
        assert_int_equal(ledger_sim_checkpoint(&later), 0);
        uint64_t lsn = ledger_sim_statistics(&later).checkpoint_lsn;
        close_and_settle(&later);
        for (unsigned only_keys = 0; only_keys < 2; only_keys++) {
            struct ledger_sim *copy = begin_copy(fixture);
            char name[STORAGE_NAME_MAX];
            name_checkpoint(lsn, name);
            if (!only_keys)
                put_file(copy, &later, name, name);
            for (unsigned i = 0; i < ledger_sim_files(&later, "keys", ".keys"); i++) {
                ledger_sim_file(&later, "keys", ".keys", i, name);
                put_file(copy, &later, name, name);
            }
            assert_int_equal(ledger_sim_try_open(copy, 2), -EBADMSG);
            assert_true(ledger_sim_said(copy, "event=recovery_refused", "file=simulated/log/"));
            ledger_sim_deinit(copy);
        }
    }
    ledger_sim_deinit(&later);
}

/* The log has all up to the checkpoint's start, but not what its images show besides. */
static void log_that_ends_within_a_checkpoint__is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim later;
    struct ledger_sim *copy = begin_copy(fixture);
    uint64_t number;
    uint64_t size;
    ledger_sim_init_copy(&later, &fixture->sim, sim_disk_kill(fixture->sim.disk));
    ledger_sim_open(&later, 2);
    assert_int_equal(ledger_request_checkpoint(later.ledger, &number), 0);
    while (!ledger_sim_statistics(&later).checkpoint_running)
        (void)ledger_sim_step(&later);
    ledger_sim_deposit(&later, 20); /* before the workers write their images */
    ledger_sim_settle(&later);
    uint64_t start = ledger_sim_said_number(&later, "event=checkpoint", " lsn=");
    assert_true(ledger_sim_said_number(&later, "event=checkpoint", "end_lsn=") > start);
    close_and_settle(&later);
    char name[STORAGE_NAME_MAX];
    name_checkpoint(start, name);
    assert_non_null(sim_disk_bytes(later.disk, name, &size));
    put_file(copy, &later, name, name);
    for (unsigned i = 0; i < ledger_sim_files(&later, "keys", ".keys"); i++) {
        ledger_sim_file(&later, "keys", ".keys", i, name);
        put_file(copy, &later, name, name);
    }
    ledger_sim_deinit(&later);
    assert_int_equal(ledger_sim_try_open(copy, 2), -EBADMSG);
    assert_true(ledger_sim_said(copy, "event=recovery_refused", "file=simulated/log/"));
    ledger_sim_deinit(copy);
}

static void missing_segment_of_the_newest_checkpoint__is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim *copy = begin_copy(fixture);
    char name[STORAGE_NAME_MAX];
    unsigned count = ledger_sim_files(copy, "log", ".wal");
    for (unsigned i = 0; i < count; i++) {
        ledger_sim_file(copy, "log", ".wal", 0, name);
        remove_file(copy, name);
    }
    assert_int_equal(ledger_sim_try_open(copy, 2), -EBADMSG);
    assert_true(ledger_sim_said(copy, "event=recovery_refused", "file=simulated/log/"));
    ledger_sim_deinit(copy);
}

/* --- what does not fit ----------------------------------------------------------------------- */

static void tables_that_are_too_small__are_refused_and_not_called_damage(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_sim *copy = begin_copy(fixture);
    ledger_sim_open(copy, 1);
    copy->options.accounts_max = 16;
    /* more than the slack of a small table */
    ledger_sim_open_accounts(copy, 200, 0);
    assert_int_equal(ledger_sim_checkpoint(copy), 0);
    uint64_t digest = ledger_sim_digest(copy);
    close_and_settle(copy);
    assert_int_equal(ledger_sim_try_open(copy, 1), -EBADMSG);
    assert_true(ledger_sim_said(copy, "event=recovery_refused", "--accounts-max"));
    assert_false(ledger_sim_said(copy, "event=checkpoint_damaged", ""));
    copy->options.accounts_max = 1000;
    ledger_sim_open(copy, 2);
    assert_int_equal(ledger_sim_digest(copy), digest);
    ledger_sim_deinit(copy);
}

/* --- a disk that cannot be read -------------------------------------------------------------- */

/* Any operation of a start fails once: it is refused, or nothing is missing; the next one opens. */
static void io_error__at_any_operation_of_a_start_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    unsigned fallen_back = 0;
    unsigned refused = 0;
    struct ledger_sim *copy = begin_copy(fixture);
    ledger_sim_open(copy, 2);
    uint64_t operations = sim_disk_operations(copy->disk);
    ledger_sim_deinit(copy);
    for (uint64_t nth = 1; nth <= operations; nth++) {
        copy = begin_copy(fixture);
        sim_disk_fail(copy->disk, nth, EIO, false);
        int error = ledger_sim_try_open(copy, 2);
        if (error == 0) {
            fallen_back += ledger_sim_said(copy, "event=checkpoint_unreadable", fixture->names[0]);
            assert_false(ledger_sim_said(copy, "event=checkpoint_damaged", ""));
            assert_int_equal(ledger_sim_digest(copy), fixture->digest);
            ledger_sim_end(copy);
        } else {
            refused++;
            assert_int_equal(error, -EIO);
        }
        sim_disk_fail(copy->disk, 0, 0, false);
        ledger_sim_open(copy, 1);
        assert_int_equal(ledger_sim_digest(copy), fixture->digest);
        ledger_sim_deinit(copy);
    }
    assert_true(fallen_back >= 3); /* open, header, blocks */
    assert_true(refused > 10);
}

/* Every checkpoint opens, and then the disk does not give a part of it: fails at the nth operation
 * behind the opening. */
struct unreadable {
    struct sim_disk *disk;
    uint64_t nth;
    uint64_t failed; /* checkpoints that met the error */
};

static bool is_checkpoint(const char *name)
{
    return strncmp(name, "checkpoint/", strlen("checkpoint/")) == 0;
}

static void fail_checkpoint(void *context, const struct sim_event *event)
{
    struct unreadable *unreadable = context;
    if (!is_checkpoint(event->name))
        return;
    if (event->operation == SIM_OPEN && event->error == 0)
        sim_disk_fail(unreadable->disk, unreadable->nth, EIO, false);
    unreadable->failed += event->injected && event->error == -EIO;
}

/* Size, header, footer, and the first of the blocks: what a checkpoint of this test has. */
enum { CHECKPOINT_OPERATIONS = 4 };

static int open_unreadable(struct ledger_sim *sim, uint64_t nth)
{
    struct unreadable unreadable = {.disk = sim->disk, .nth = nth};
    sim_disk_observe(sim->disk, fail_checkpoint, &unreadable);
    int error = ledger_sim_try_open(sim, 2);
    assert_int_equal(unreadable.failed, 2);
    return error;
}

static void end_unreadable(struct ledger_sim *sim)
{
    sim_disk_observe(sim->disk, NULL, NULL);
    sim_disk_fail(sim->disk, 0, 0, false);
}

static void assert_unreadable_is_said(const struct fixture *fixture, const struct ledger_sim *copy)
{
    for (unsigned i = 0; i < 2; i++)
        assert_true(ledger_sim_said(copy, "event=checkpoint_unreadable", fixture->names[i]));
    assert_false(ledger_sim_said(copy, "event=checkpoint_damaged", ""));
}

static void both_unreadable__replays_the_whole_log_and_keeps_them(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t nth = 1; nth <= CHECKPOINT_OPERATIONS; nth++) {
        struct ledger_sim *copy = begin_copy(fixture);
        assert_int_equal(open_unreadable(copy, nth), 0);
        assert_unreadable_is_said(fixture, copy);
        assert_int_equal(ledger_sim_said_number(copy, "event=recovered", "checkpoint_lsn="), 0);
        assert_int_equal(ledger_sim_digest(copy), fixture->digest);
        end_unreadable(copy);
        ledger_sim_check(copy, 5);
        ledger_sim_settle(copy);
        assert_int_equal(ledger_sim_files(copy, "checkpoint", ""), 2);
        close_and_settle(copy);
        /* the disk was well again all the time */
        ledger_sim_open(copy, 1);
        assert_int_equal(ledger_sim_said_number(copy, "event=recovered", "checkpoint_lsn="),
                         fixture->lsns[0]);
        assert_int_equal(ledger_sim_digest(copy), fixture->digest);
        ledger_sim_deinit(copy);
    }
}

static void
both_unreadable__without_the_beginning_of_the_log_is_refused_and_not_called_damage(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t nth = 1; nth <= CHECKPOINT_OPERATIONS; nth++) {
        struct ledger_sim *copy = begin_copy(fixture);
        assert_int_equal(open_unreadable(copy, nth), -EIO);
        assert_unreadable_is_said(fixture, copy);
        assert_true(ledger_sim_said(copy, "event=recovery_refused", "verdict=unread"));
        assert_true(ledger_sim_said(copy, "event=recovery_refused", "mend the disk"));
        assert_false(ledger_sim_said(copy, "restore from a copy", ""));
        end_unreadable(copy);
        ledger_sim_crash(copy, LEDGER_SIM_KEEP_ALL);
        ledger_sim_assert_same_files(copy, &fixture->sim);
        ledger_sim_open(copy, 1);
        assert_int_equal(ledger_sim_said_number(copy, "event=recovered", "checkpoint_lsn="),
                         fixture->lsns[0]);
        assert_int_equal(ledger_sim_digest(copy), fixture->digest);
        ledger_sim_check(copy, 5);
        ledger_sim_deinit(copy);
    }
}

int main(void)
{
#define WHOLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define SHORT(test) cmocka_unit_test_setup_teardown(test, setup_short, teardown)
    const struct CMUnitTest tests[] = {
        SHORT(damaged_newest__falls_back_whatever_bit_it_is),
        SHORT(damaged_newest__falls_back_whatever_its_length),
        WHOLE(newest__of_other_content_falls_back),
        WHOLE(newest__of_another_ledger_falls_back),
        SHORT(damaged_newest__is_replaced_by_the_next_checkpoint),
        SHORT(damaged_newest__with_nothing_new_is_made_again),
        WHOLE(half_made_checkpoint__is_not_looked_at_and_removed),
        WHOLE(both_damaged__replays_the_whole_log),
        SHORT(both_damaged__without_the_beginning_of_the_log_is_refused),
        SHORT(missing_key_files__are_refused),
        WHOLE(damaged_key_file__is_refused),
        SHORT(log_that_ends_before_what_was_durable__is_refused),
        SHORT(log_that_ends_within_a_checkpoint__is_refused),
        SHORT(missing_segment_of_the_newest_checkpoint__is_refused),
        WHOLE(tables_that_are_too_small__are_refused_and_not_called_damage),
        SHORT(io_error__at_any_operation_of_a_start_loses_nothing),
        WHOLE(both_unreadable__replays_the_whole_log_and_keeps_them),
        SHORT(both_unreadable__without_the_beginning_of_the_log_is_refused_and_not_called_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
