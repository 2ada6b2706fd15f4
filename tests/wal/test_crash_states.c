/* test_crash_states.c - every crash point of a small workload, times the sets of unsynced sectors.
 *
 * A workload (creation, groups, changes of segment, an idle mark, a clean close, a recovery and
 * more groups) runs on the simulated disk. After every operation that changes the disk, power
 * failures are played: all sets of the units that were not flushed when there are at most
 * EXHAUSTIVE_UNITS_MAX, else none, all, every prefix, suffix and singleton (and its complement),
 * and seeded random sets. Each state is recovered and checked; in some, recovery itself is cut
 * after each of its operations, and recovered again.
 *
 * What must hold after each recovery:
 *
 *   - the log opens (a crash is never called damage),
 *   - every record whose durability was told is there,
 *   - the records are a prefix of those written, and end where a group ended,
 *   - after appending to it and one more recovery the records are still right.
 *
 *     test_crash_states [--states N] [--seed S]        also FLORIN_CRASH_STATES, FLORIN_SEED
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim_disk.h"
#include "wal/history.h"

enum {
    SEGMENT_BYTES = 16 * 1024,
    EXHAUSTIVE_UNITS_MAX = 12,
    RANDOM_SETS = 64,
    UNITS_MAX = 4096,
    /* One state in so many is crashed again inside its recovery. */
    SECOND_CRASH_EVERY = 16,
    /* Sets of units at each cut of that recovery. */
    SECOND_CRASH_SETS = 4,
    STATES_DEFAULT = 200000,
};

struct tally {
    uint64_t states; /* recovered and checked, those of a second crash included */
    uint64_t second;
    uint64_t before_meta; /* the directory was not begun yet, and is begun anew */
    uint64_t of_end[LOG_END_DAMAGED + 1];
    uint64_t torn_at_start; /* the torn write began a segment */
};

/* Set by main, read by the tests. */
struct crash_test {
    uint64_t states_wanted;
    uint64_t seed;
    uint64_t random; /* state of the generator */
    struct tally tally;
    const struct history *history; /* of the workload that runs */
    bool failed;
};

/* splitmix64, public domain, Sebastiano Vigna */
static uint64_t random_next(struct crash_test *test)
{
    uint64_t z = test->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* --- checking one state ---------------------------------------------------------------------- */

/* What the workload promised before the crash. */
struct promise {
    uint64_t durable;
    uint64_t reserved;
    const uint64_t *ends;
    size_t end_count;
};

static bool promise_allows_end(const struct promise *promise, uint64_t lsn)
{
    if (lsn == promise->durable)
        return true;
    for (size_t i = 0; i < promise->end_count; i++) {
        if (promise->ends[i] == lsn)
            return true;
    }
    return false;
}

static void complain(struct crash_test *test, const struct history *history, int error,
                     const char *what)
{
    if (!test->failed)
        print_error("state %" PRIu64 " of seed %" PRIu64 ": %s: error %d, end %d, replayed %" PRIu64
                    ", durable %" PRIu64 ", %s offset %" PRIu64 ": %s\n",
                    test->tally.states, test->seed, what, error, (int)history->report.end,
                    history->replayed, test->history->durable, history->report.file,
                    history->report.offset, history->report.reason);
    test->failed = true;
}

static bool check_recovered(struct crash_test *test, const struct history *found, int error,
                            const struct promise *promise)
{
    if (error != 0)
        complain(test, found, error, "recovery refused");
    else if (found->replay_is_wrong)
        complain(test, found, 0, "a replayed record is wrong");
    else if (found->replayed < promise->durable)
        complain(test, found, 0, "a durable record is missing");
    else if (found->replayed > promise->reserved)
        complain(test, found, 0, "a record that nobody wrote");
    else if (!promise_allows_end(promise, found->replayed))
        complain(test, found, 0, "part of a group");
    else
        return true;
    return false;
}

static void count_end(struct crash_test *test, const struct history *found)
{
    test->tally.of_end[found->report.end]++;
    if (found->report.end == LOG_END_TORN && found->report.offset == 0)
        test->tally.torn_at_start++;
}

/* Appends, and reads it all once more. */
static void check_goes_on(struct crash_test *test, struct sim_disk *disk, struct channel *channel,
                          struct history *found)
{
    uint64_t before = found->replayed;
    history_append(found, 2, 300);
    history_commit(found);
    uint64_t durable = found->durable;
    history_close(found, false);
    if (durable != before + 2) {
        complain(test, found, found->error, "the recovered log takes no record");
        return;
    }
    struct history again;
    int error = history_open(&again, sim_disk_storage(disk), channel, &found->meta);
    if (error != 0 || again.replay_is_wrong || again.replayed != before + 2 ||
        again.report.end != LOG_END_CRASH)
        complain(test, &again, error, "the recovered log does not read again");
    history_close(&again, false);
}

/* --- crashing inside recovery ---------------------------------------------------------------- */

struct second_crash {
    struct crash_test *test;
    struct promise promise;
};

static void recover_last(struct crash_test *test, struct sim_disk *disk,
                         const struct promise *promise)
{
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(SEGMENT_BYTES);
    struct history found;
    int error = history_open(&found, sim_disk_storage(disk), channel, &meta);
    test->tally.states++;
    test->tally.second++;
    if (check_recovered(test, &found, error, promise))
        count_end(test, &found);
    history_close(&found, false);
    channel->operations->destroy(channel);
}

static void second_crash_here(void *context, struct sim_disk *disk)
{
    struct second_crash *second = context;
    struct crash_test *test = second->test;
    size_t units = sim_disk_units(disk);
    assert_true(units <= UNITS_MAX);
    bool keep[UNITS_MAX + 1];
    for (unsigned set = 0; set < SECOND_CRASH_SETS && !test->failed; set++) {
        for (size_t i = 0; i < units; i++)
            keep[i] = set == 0 ? false : set == 1 ? true : (random_next(test) & 1) != 0;
        struct sim_disk *after = sim_disk_crash(disk, keep);
        recover_last(test, after, &second->promise);
        sim_disk_destroy(after);
    }
}

/* --- one state ------------------------------------------------------------------------------- */

static void recover_state(struct crash_test *test, struct sim_disk *disk)
{
    const struct history *workload = test->history;
    struct second_crash second = {
        .test = test,
        .promise =
            {
                .durable = workload->durable,
                .reserved = workload->reserved,
                .ends = workload->group_ends,
                .end_count = workload->group_count,
            },
    };
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(SEGMENT_BYTES);
    struct meta there;
    if (meta_read(sim_disk_storage(disk), &there) == -ENOENT)
        test->tally.before_meta++;
    bool crash_again = (test->tally.states - test->tally.second) % SECOND_CRASH_EVERY == 0;
    test->tally.states++;
    if (crash_again)
        sim_disk_watch(disk, second_crash_here, &second);
    struct history found;
    int error = history_open(&found, sim_disk_storage(disk), channel, &meta);
    sim_disk_watch(disk, NULL, NULL);
    if (check_recovered(test, &found, error, &second.promise)) {
        count_end(test, &found);
        check_goes_on(test, disk, channel, &found);
    } else {
        history_close(&found, false);
    }
    channel->operations->destroy(channel);
}

/* --- the sets of units ----------------------------------------------------------------------- */

static void play(struct crash_test *test, const struct sim_disk *disk, const bool *keep)
{
    if (test->failed || test->tally.states >= test->states_wanted)
        return;
    struct sim_disk *after = sim_disk_crash(disk, keep);
    recover_state(test, after);
    sim_disk_destroy(after);
}

static void play_all(struct crash_test *test, const struct sim_disk *disk, size_t units)
{
    bool keep[EXHAUSTIVE_UNITS_MAX + 1];
    for (uint32_t set = 0; set < UINT32_C(1) << units; set++) {
        for (size_t i = 0; i < units; i++)
            keep[i] = (set >> i & 1) != 0;
        play(test, disk, keep);
    }
}

static void play_many(struct crash_test *test, const struct sim_disk *disk, size_t units)
{
    bool keep[UNITS_MAX + 1];
    /* Long lists are the zeros of a spare: its prefixes are all alike, so they are strided. */
    size_t stride = units / 64 + 1;
    for (size_t n = 0; n <= units; n += stride) {
        for (size_t i = 0; i < units; i++)
            keep[i] = i < n;
        play(test, disk, keep);
        for (size_t i = 0; i < units; i++)
            keep[i] = i >= n;
        play(test, disk, keep);
        for (size_t i = 0; i < units; i++)
            keep[i] = i == n;
        play(test, disk, keep);
        for (size_t i = 0; i < units; i++)
            keep[i] = i != n;
        play(test, disk, keep);
    }
    for (unsigned set = 0; set < RANDOM_SETS; set++) {
        uint64_t density = random_next(test) % 15 + 1;
        for (size_t i = 0; i < units; i++)
            keep[i] = random_next(test) % 16 < density;
        play(test, disk, keep);
    }
}

static void crash_here(void *context, struct sim_disk *disk)
{
    struct crash_test *test = context;
    size_t units = sim_disk_units(disk);
    assert_true(units <= UNITS_MAX);
    if (units <= EXHAUSTIVE_UNITS_MAX)
        play_all(test, disk, units);
    else
        play_many(test, disk, units);
}

/* --- the workload ---------------------------------------------------------------------------- */

/* Sizes differ from round to round, so that frames of one to three blocks meet every place. */
static void run_life(struct crash_test *test, struct history *history, unsigned groups)
{
    for (unsigned i = 0; i < groups && history->error == 0; i++) {
        uint32_t count = (uint32_t)(random_next(test) % 3) + 1;
        size_t length = 16 + random_next(test) % (11000 / count);
        history_append(history, count, length);
        history_commit(history);
        if (random_next(test) % 3 == 0)
            history_mark(history);
    }
}

/* What was promised survives the change of lives: recovery itself is cut, too. */
static int next_life(struct history *history, struct sim_disk *disk, struct channel *channel,
                     bool clean)
{
    history_close(history, clean);
    struct history next = {0};
    struct meta meta = history->meta;
    uint64_t durable = history->durable;
    uint64_t ends[HISTORY_GROUPS_MAX];
    size_t end_count = history->group_count;
    memcpy(ends, history->group_ends, sizeof(ends));
    uint64_t reserved = history->reserved;
    int error = history_open(&next, sim_disk_storage(disk), channel, &meta);
    assert_int_equal(error, 0);
    assert_int_equal(next.replayed, durable);
    history->log = next.log;
    history->error = 0;
    history->durable = durable;
    history->reserved = reserved;
    history->group_count = end_count;
    memcpy(history->group_ends, ends, sizeof(ends));
    return error;
}

static void run_workload(struct crash_test *test)
{
    struct sim_disk *disk = sim_disk_create();
    struct channel *channel = sim_disk_channel(disk);
    struct meta meta = history_meta(SEGMENT_BYTES);
    struct history history = {.meta = meta};
    test->history = &history;
    sim_disk_watch(disk, crash_here, test);
    assert_int_equal(history_open(&history, sim_disk_storage(disk), channel, &meta), 0);
    run_life(test, &history, 3);
    assert_int_equal(next_life(&history, disk, channel, true), 0);
    run_life(test, &history, 2);
    assert_int_equal(next_life(&history, disk, channel, false), 0);
    run_life(test, &history, 2);
    history_close(&history, true);
    assert_int_equal(history.error, 0);
    sim_disk_watch(disk, NULL, NULL);
    channel->operations->destroy(channel);
    sim_disk_destroy(disk);
}

static void every_crash_state__recovers_to_a_prefix_with_all_that_was_durable(void **state)
{
    struct crash_test *test = *state;
    test->random = test->seed;
    while (test->tally.states < test->states_wanted && !test->failed)
        run_workload(test);
    const struct tally *tally = &test->tally;
    print_message("seed %" PRIu64 ": %" PRIu64 " states, %" PRIu64
                  " of a second crash; before meta %" PRIu64 ", new %" PRIu64 ", clean %" PRIu64
                  ", crash %" PRIu64 ", torn %" PRIu64 " (%" PRIu64 " at the start of a segment)\n",
                  test->seed, tally->states, tally->second, tally->before_meta,
                  tally->of_end[LOG_END_NEW], tally->of_end[LOG_END_CLEAN],
                  tally->of_end[LOG_END_CRASH], tally->of_end[LOG_END_TORN], tally->torn_at_start);
    assert_false(test->failed);
    assert_true(tally->second > 0);
    assert_true(tally->before_meta > 0);
    assert_true(tally->of_end[LOG_END_NEW] > 0);
    assert_true(tally->of_end[LOG_END_CLEAN] > 0);
    assert_true(tally->of_end[LOG_END_CRASH] > 0);
    assert_true(tally->of_end[LOG_END_TORN] > 0);
    assert_true(tally->torn_at_start > 0);
}

static uint64_t number_from(const char *text, uint64_t otherwise)
{
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct crash_test test = {
        .states_wanted = number_from(getenv("FLORIN_CRASH_STATES"), STATES_DEFAULT),
        .seed = number_from(getenv("FLORIN_SEED"), 1),
    };
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--states") == 0)
            test.states_wanted = number_from(argv[i + 1], STATES_DEFAULT);
        else if (strcmp(argv[i], "--seed") == 0)
            test.seed = number_from(argv[i + 1], 1);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_crash_state__recovers_to_a_prefix_with_all_that_was_durable,
                                  &test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
