/* test_block_file_faults.c - nothing but a whole block file ever has its final name.
 *
 * Every operation of the making of a file fails, once and for ever; the disk is full at every size;
 * the pace ends it at every call; and the power fails after every operation, with sets of the
 * sectors and changes of directories that were not flushed. FLORIN_STRIDE=n plays every n-th of
 * these power failures only, for slow builds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/stride.h"
#include "wal/block_file_sample.h"

enum {
    SMALL = 3,  /* blocks: one write */
    LARGE = 70, /* two writes of blocks */
    OPERATIONS_MAX = 100,
    UNITS_MAX = 1024,
    RANDOM_SETS = 256,
    /* Points of a long list of units at which it is cut. */
    CUTS = 64,
    /* One state in so many is written to again. */
    RETRY_EVERY = 8,
};

struct making {
    struct sim_disk *disk;
    struct storage *storage;
    struct channel *channel; /* NULL: without */
    struct block_file_plan plan;
};

enum way { WITHOUT_CHANNEL, THROUGH_CHANNEL, WAYS };

static struct making making_begin(enum way way)
{
    struct making making = {.disk = sample_disk()};
    making.storage = sim_disk_storage(making.disk);
    if (way == THROUGH_CHANNEL)
        making.channel = sim_disk_channel(making.disk);
    making.plan = sample_plan(making.storage, making.channel);
    return making;
}

static void making_end(struct making *making)
{
    if (making->channel != NULL)
        making->channel->operations->destroy(making->channel);
    sim_disk_destroy(making->disk);
}

static void assert_whole(const struct block_file_plan *plan, uint64_t blocks)
{
    struct block_file_fault fault = {0};
    int error = sample_check(plan, blocks, &fault);
    if (error != 0)
        print_error("%s offset %llu: %s\n", fault.file, (unsigned long long)fault.offset,
                    fault.reason);
    assert_int_equal(error, 0);
}

static void assert_next_try_succeeds(const struct block_file_plan *plan, uint64_t blocks)
{
    assert_int_equal(sample_write(plan, blocks), 0);
    assert_whole(plan, blocks);
    assert_false(sample_exists(plan->storage, SAMPLE_TEMPORARY));
}

static void assert_nothing_is_left(struct making *making)
{
    assert_false(sample_exists(making->storage, SAMPLE_TEMPORARY));
    assert_false(sample_exists(making->storage, SAMPLE_PATH));
}

/* --- failing operations ---------------------------------------------------------------------- */

struct failure {
    enum way way;
    int error;
    bool for_ever;
    bool with_leftover; /* of a try before */
};

/* Whether the operation was reached. */
static bool fail_nth(const struct failure *failure, uint64_t nth, unsigned *named)
{
    static const uint8_t leftover[4096] = {1, 2, 3};
    struct making making = making_begin(failure->way);
    if (failure->with_leftover)
        sim_disk_put(making.disk, SAMPLE_TEMPORARY, leftover, sizeof(leftover));
    uint64_t before = sim_disk_operations(making.disk);
    sim_disk_fail(making.disk, nth, failure->error, failure->for_ever);
    int error = sample_write(&making.plan, SMALL);
    bool reached = sim_disk_operations(making.disk) - before >= nth;
    sim_disk_fail(making.disk, 0, 0, false);
    assert_int_equal(error, reached ? -failure->error : 0);
    if (sample_exists(making.storage, SAMPLE_PATH)) {
        *named += reached;
        assert_whole(&making.plan, SMALL);
        assert_false(sample_exists(making.storage, SAMPLE_TEMPORARY));
    } else if (!failure->for_ever && !failure->with_leftover) {
        assert_false(sample_exists(making.storage, SAMPLE_TEMPORARY));
    }
    assert_next_try_succeeds(&making.plan, SMALL);
    making_end(&making);
    return reached;
}

static void fail_every_operation(int error, bool for_ever)
{
    for (enum way way = 0; way < WAYS; way++) {
        for (int with_leftover = 0; with_leftover < 2; with_leftover++) {
            struct failure failure = {way, error, for_ever, with_leftover != 0};
            uint64_t nth = 1;
            unsigned named = 0;
            while (nth < OPERATIONS_MAX && fail_nth(&failure, nth, &named))
                nth++;
            assert_in_range(nth, 13, OPERATIONS_MAX - 1);
            assert_int_equal(named, 1); /* the last flush of the directory */
        }
    }
}

static void io_error_once__leaves_no_name(void **state)
{
    (void)state;
    fail_every_operation(EIO, false);
}

static void io_error_for_ever__leaves_no_name(void **state)
{
    (void)state;
    fail_every_operation(EIO, true);
}

static void no_space_once__leaves_no_name(void **state)
{
    (void)state;
    fail_every_operation(ENOSPC, false);
}

static void full_disk__leaves_nothing(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        uint64_t whole = 2 * STORAGE_ALIGNMENT + SMALL * SAMPLE_BLOCK_BYTES;
        for (uint64_t room = 1; room < whole; room += STORAGE_ALIGNMENT - 1) {
            struct making making = making_begin(way);
            sim_disk_set_capacity(making.disk, room);
            assert_int_equal(sample_write(&making.plan, SMALL), -ENOSPC);
            assert_nothing_is_left(&making);
            sim_disk_set_capacity(making.disk, whole);
            assert_next_try_succeeds(&making.plan, SMALL);
            making_end(&making);
        }
    }
}

/* The first error stays, and nothing is written after it. */
static void append_after_an_error__says_it_again(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct making making = making_begin(way);
        struct block_file_writer *writer;
        assert_int_equal(block_file_begin(&making.plan, SAMPLE_NAME, &writer), 0);
        sim_disk_fail(making.disk, 1, EIO, false);
        int error = 0;
        unsigned appended = 0;
        while (error == 0 && appended++ < LARGE)
            error = block_file_append(writer, 0, "", 1);
        assert_int_equal(error, -EIO);
        uint64_t operations = sim_disk_operations(making.disk);
        for (unsigned i = 0; i < LARGE; i++)
            assert_int_equal(block_file_append(writer, 0, "", 1), -EIO);
        assert_int_equal(sim_disk_operations(making.disk), operations);
        static const uint8_t totals[BLOCK_FILE_TOTALS_BYTES];
        assert_int_equal(block_file_finish(writer, SAMPLE_NAME, totals), -EIO);
        assert_nothing_is_left(&making);
        making_end(&making);
    }
}

/* --- the pace -------------------------------------------------------------------------------- */

struct pacing {
    unsigned calls;
    unsigned end_at; /* 0: never */
    size_t bytes;
    struct making *damages; /* after the footer was written; NULL: nobody */
};

static void damage_what_was_written(struct making *making)
{
    const struct storage_operations *operations = making->storage->operations;
    struct storage_file *file;
    uint8_t *bytes = aligned_alloc(STORAGE_ALIGNMENT, STORAGE_ALIGNMENT);
    assert_non_null(bytes);
    memset(bytes, 0x55, STORAGE_ALIGNMENT);
    assert_int_equal(
        operations->open(making->storage, SAMPLE_TEMPORARY, STORAGE_OPEN_EXISTING, &file), 0);
    assert_int_equal(operations->write(file, bytes, STORAGE_ALIGNMENT, 2 * STORAGE_ALIGNMENT), 0);
    operations->close(file);
    free(bytes);
}

static int count_pace(void *context, size_t bytes)
{
    struct pacing *pacing = context;
    pacing->calls++;
    pacing->bytes += bytes;
    bool is_footer = pacing->calls > 1 && bytes == STORAGE_ALIGNMENT;
    if (pacing->damages != NULL && is_footer)
        damage_what_was_written(pacing->damages);
    return pacing->calls == pacing->end_at ? -ECANCELED : 0;
}

static void pace__hears_of_all_that_is_moved(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct making making = making_begin(way);
        struct pacing pacing = {0};
        making.plan.pace = count_pace;
        making.plan.pace_context = &pacing;
        assert_int_equal(sample_write(&making.plan, LARGE), 0);
        /* Header and footer are written, blocks written and read. */
        assert_int_equal(pacing.bytes, 2 * STORAGE_ALIGNMENT + 2 * LARGE * SAMPLE_BLOCK_BYTES);
        assert_true(pacing.calls >= 6);
        making_end(&making);
    }
}

static void pace__ends_it_at_any_call(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        unsigned ended = 0;
        for (unsigned end_at = 1;; end_at++) {
            struct making making = making_begin(way);
            struct pacing pacing = {.end_at = end_at};
            making.plan.pace = count_pace;
            making.plan.pace_context = &pacing;
            int error = sample_write(&making.plan, LARGE);
            assert_int_equal(error, pacing.calls < end_at ? 0 : -ECANCELED);
            if (error == 0) {
                making_end(&making);
                break;
            }
            ended++;
            assert_int_equal(pacing.calls, end_at);
            assert_nothing_is_left(&making);
            making.plan.pace = NULL;
            assert_next_try_succeeds(&making.plan, LARGE);
            making_end(&making);
        }
        assert_true(ended >= 6);
    }
}

static void pace__ends_verification(void **state)
{
    (void)state;
    struct making making = making_begin(WITHOUT_CHANNEL);
    assert_int_equal(sample_write(&making.plan, LARGE), 0);
    struct block_file file;
    struct block_file_fault fault;
    assert_int_equal(block_file_open(making.storage, sample_log_id, BLOCK_FILE_KEYS,
                                     SAMPLE_DIRECTORY, SAMPLE_NAME, &file, &fault),
                     0);
    struct pacing pacing = {.end_at = 1};
    assert_int_equal(block_file_verify(&file, count_pace, &pacing, &fault), -ECANCELED);
    assert_int_equal(pacing.calls, 1);
    block_file_close(&file);
    making_end(&making);
}

static void file_that_reads_back_wrong__gets_no_name(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct making making = making_begin(way);
        struct pacing pacing = {.damages = &making};
        making.plan.pace = count_pace;
        making.plan.pace_context = &pacing;
        assert_int_equal(sample_write(&making.plan, SMALL), -EBADMSG);
        assert_nothing_is_left(&making);
        making_end(&making);
    }
}

/* --- names ----------------------------------------------------------------------------------- */

static void abandoned_file__leaves_nothing(void **state)
{
    (void)state;
    block_file_abandon(NULL);
    for (enum way way = 0; way < WAYS; way++) {
        for (unsigned blocks = 0; blocks <= LARGE; blocks += LARGE / 2) {
            struct making making = making_begin(way);
            struct block_file_writer *writer;
            assert_int_equal(block_file_begin(&making.plan, SAMPLE_NAME, &writer), 0);
            assert_true(sample_exists(making.storage, SAMPLE_TEMPORARY));
            for (unsigned i = 0; i < blocks; i++)
                assert_int_equal(block_file_append(writer, i, "payload", 7), 0);
            block_file_abandon(writer);
            assert_nothing_is_left(&making);
            assert_next_try_succeeds(&making.plan, SMALL);
            making_end(&making);
        }
    }
}

static void file__gets_the_name_that_it_is_finished_with(void **state)
{
    (void)state;
    struct making making = making_begin(WITHOUT_CHANNEL);
    struct block_file_writer *writer;
    static const uint8_t totals[BLOCK_FILE_TOTALS_BYTES] = {1};
    assert_int_equal(block_file_begin(&making.plan, "unknown", &writer), 0);
    assert_true(sample_exists(making.storage, SAMPLE_DIRECTORY "/unknown.tmp"));
    assert_int_equal(block_file_finish(writer, SAMPLE_NAME, totals), 0);
    assert_true(sample_exists(making.storage, SAMPLE_PATH));
    assert_false(sample_exists(making.storage, SAMPLE_DIRECTORY "/unknown.tmp"));
    assert_false(sample_exists(making.storage, SAMPLE_DIRECTORY "/unknown"));
    making_end(&making);
}

static void directory_that_is_not_there__is_told(void **state)
{
    (void)state;
    struct making making = making_begin(WITHOUT_CHANNEL);
    making.plan.directory = "checkpoint";
    assert_int_equal(sample_write(&making.plan, SMALL), -ENOENT);
    making_end(&making);
}

/* --- power failures -------------------------------------------------------------------------- */

struct crash_test {
    uint64_t blocks;
    bool told; /* block_file_finish() has succeeded */
    uint64_t random;
    unsigned stride;
    uint64_t drawn; /* sets of units; every stride-th is played */
    uint64_t states;
    uint64_t without_name;
    uint64_t named_before_told;
    uint64_t temporaries;
};

/* splitmix64, public domain, Sebastiano Vigna */
static uint64_t random_next(struct crash_test *test)
{
    uint64_t z = test->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void play(struct crash_test *test, const struct sim_disk *disk, const bool *keep)
{
    if (test->drawn++ % test->stride != 0)
        return;
    struct sim_disk *after = sim_disk_crash(disk, keep);
    struct block_file_plan plan = sample_plan(sim_disk_storage(after), NULL);
    bool named = sample_exists(plan.storage, SAMPLE_PATH);
    test->states++;
    test->without_name += !named;
    test->named_before_told += named && !test->told;
    test->temporaries += sample_exists(plan.storage, SAMPLE_TEMPORARY);
    assert_true(named || !test->told);
    if (named)
        assert_whole(&plan, test->blocks);
    if (test->states % RETRY_EVERY == 0)
        assert_next_try_succeeds(&plan, test->blocks);
    sim_disk_destroy(after);
}

static void crash_here(void *context, struct sim_disk *disk)
{
    struct crash_test *test = context;
    size_t units = sim_disk_units(disk);
    assert_true(units <= UNITS_MAX);
    bool keep[UNITS_MAX + 1] = {false};
    for (size_t n = 0; n <= units; n += units / CUTS + 1) {
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

static void power_failure_at_any_time__leaves_a_whole_file_or_no_name(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        for (unsigned shape = 0; shape < 2; shape++) {
            struct crash_test test = {
                .blocks = shape == 0 ? SMALL : LARGE, .random = way + 1, .stride = stride_choose()};
            struct making making = making_begin(way);
            sim_disk_watch(making.disk, crash_here, &test);
            assert_int_equal(sample_write(&making.plan, test.blocks), 0);
            test.told = true;
            crash_here(&test, making.disk);
            sim_disk_watch(making.disk, NULL, NULL);
            making_end(&making);
            assert_true(test.states > 500 / test.stride);
            assert_true(test.without_name > 0);
            assert_true(test.named_before_told > 0);
            assert_true(test.temporaries > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(io_error_once__leaves_no_name),
        cmocka_unit_test(io_error_for_ever__leaves_no_name),
        cmocka_unit_test(no_space_once__leaves_no_name),
        cmocka_unit_test(full_disk__leaves_nothing),
        cmocka_unit_test(append_after_an_error__says_it_again),
        cmocka_unit_test(pace__hears_of_all_that_is_moved),
        cmocka_unit_test(pace__ends_it_at_any_call),
        cmocka_unit_test(pace__ends_verification),
        cmocka_unit_test(file_that_reads_back_wrong__gets_no_name),
        cmocka_unit_test(abandoned_file__leaves_nothing),
        cmocka_unit_test(file__gets_the_name_that_it_is_finished_with),
        cmocka_unit_test(directory_that_is_not_there__is_told),
        cmocka_unit_test(power_failure_at_any_time__leaves_a_whole_file_or_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
