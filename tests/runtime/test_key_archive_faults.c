/* test_key_archive_faults.c - the archive over a disk that fails or loses power.
 *
 * Each step (the first file, a file, a merge, the removal of leftovers, a cut) is played from its
 * own disk. Every operation of it fails, once and for ever; and after every operation that changes
 * the disk the power fails, with all prefixes, suffixes and singletons of what was not flushed, and
 * random sets; some of the recoveries are cut again. Afterwards:
 *
 *   - the archive opens: an interruption is never called damage,
 *   - it ends where it ended before the step or after it, and has exactly the keys up to there,
 *   - the step, done again, succeeds, and leaves no file but those of the set.
 *
 * FLORIN_STRIDE=n plays every n-th state and every n-th failure only, for slow builds.
 */
#include "core/support.h"

#include <errno.h>
#include <inttypes.h>

#include "runtime/key_sample.h"
#include "support/sim_disk.h"
#include "support/stride.h"

enum {
    SEGMENT_BYTES = 16 * 1024,
    GROUPS = 20,
    RECORDS_MAX = 6, /* a group */
    KEYS_PER_FILE = 4,
    UNITS_MAX = 4096,
    RANDOM_SETS = 24,
    OPERATIONS_MAX = 500,
    /* One state in so many goes on to the end of the log; one of these in so many is cut again. */
    GO_ON_EVERY = 8,
    SECOND_CRASH_EVERY = 8,
    SECOND_CRASH_SETS = 3,
};

enum step { STEP_FIRST, STEP_EXTEND, STEP_MERGE, STEP_TIDY, STEP_CUT, STEPS };

struct step_test {
    struct key_sample sample;
    struct sim_disk *disk; /* before the step */
    enum step step;
    uint64_t before; /* where the archive ends */
    uint64_t after;
    unsigned stride;
    uint64_t drawn; /* sets of units; every stride-th is played */
    uint64_t states;
    uint64_t second; /* of these, after two crashes */
    uint64_t went_on;
    uint64_t of_end[2]; /* states with the end from before, from after */
    uint64_t random;
};

/* --- the steps ------------------------------------------------------------------------------- */

/* 0 or -errno. *archive is NULL for a step without one. */
static int run_step(const struct step_test *test, struct key_archive *archive,
                    struct storage *storage, struct channel *channel)
{
    struct key_archive_options options = key_sample_options(&test->sample, storage, KEYS_PER_FILE);
    struct block_file_fault fault;
    uint64_t reached;
    switch (test->step) {
    case STEP_FIRST:
    case STEP_EXTEND:
        return key_sample_extend(&test->sample, archive, storage, channel, test->after, &reached);
    case STEP_MERGE:
    case STEP_TIDY:
        return key_archive_merge(archive, channel, NULL, NULL, &fault);
    case STEP_CUT:
        return key_archive_cut(&options, channel, test->after + 1, &fault);
    case STEPS:
        break;
    }
    fail();
    return 0;
}

static void fill(struct step_test *test, struct storage *storage, struct channel *channel)
{
    struct key_archive *archive = key_sample_open(&test->sample, storage, KEYS_PER_FILE);
    while (key_archive_to_lsn(archive) < test->sample.ends[GROUPS - 4]) {
        uint64_t reached;
        assert_int_equal(key_sample_extend(&test->sample, archive, storage, channel,
                                           test->sample.ends[GROUPS - 4], &reached),
                         0);
    }
    test->before = key_archive_to_lsn(archive);
    test->after = test->before;
    key_archive_close(archive);
}

struct disks {
    struct sim_disk *from;
    struct sim_disk *to;
    unsigned copied;
};

static void copy_missing(void *context, const char *plain)
{
    struct disks *disks = context;
    char name[STORAGE_NAME_MAX];
    snprintf(name, sizeof(name), "keys/%.58s", plain);
    uint64_t size;
    if (sim_disk_bytes(disks->to, name, &size) != NULL)
        return;
    const uint8_t *bytes = sim_disk_bytes(disks->from, name, &size);
    assert_non_null(bytes);
    sim_disk_put(disks->to, name, bytes, size);
    disks->copied++;
}

/* A merged file, and what was merged still there, as after a crash before it was removed. */
static void leave_leftovers(struct step_test *test)
{
    struct disks disks = {.from = sim_disk_kill(test->disk), .to = test->disk};
    struct storage *storage = sim_disk_storage(disks.from);
    struct key_archive *archive = key_sample_open(&test->sample, storage, KEYS_PER_FILE);
    struct block_file_fault fault;
    assert_int_equal(key_archive_merge(archive, NULL, NULL, NULL, &fault), 0);
    key_archive_close(archive);
    assert_int_equal(storage->operations->list(storage, "keys", copy_missing, &disks), 0);
    assert_int_equal(disks.copied, 1);
    sim_disk_destroy(disks.from);
    static const uint8_t half[4096] = {1};
    sim_disk_put(test->disk, "keys/half-made.keys.tmp", half, sizeof(half));
}

static void prepare(struct step_test *test, enum step step)
{
    memset(test, 0, sizeof(*test));
    test->step = step;
    test->disk = sim_disk_create();
    struct storage *storage = sim_disk_storage(test->disk);
    struct channel *channel = sim_disk_channel(test->disk);
    key_sample_init(&test->sample, SEGMENT_BYTES);
    key_sample_write_log(&test->sample, storage, channel, GROUPS, RECORDS_MAX);
    test->random = test->sample.random;
    test->stride = stride_choose();
    if (step != STEP_FIRST)
        fill(test, storage, channel);
    if (step == STEP_FIRST || step == STEP_EXTEND)
        test->after = test->sample.ends[step == STEP_FIRST ? 0 : GROUPS - 3];
    if (step == STEP_CUT)
        test->after = test->sample.ends[GROUPS / 2] - 1;
    if (step == STEP_TIDY)
        leave_leftovers(test);
    channel->operations->destroy(channel);
}

static void end(struct step_test *test)
{
    sim_disk_destroy(test->disk);
    free(test);
}

/* --- what must hold afterwards ---------------------------------------------------------------- */

static void check_end(struct step_test *test, struct key_archive *archive)
{
    uint64_t to_lsn = key_archive_to_lsn(archive);
    /* A cut takes away a file at a time. */
    bool between = test->step == STEP_CUT && to_lsn >= test->after && to_lsn <= test->before;
    if (to_lsn != test->before && to_lsn != test->after && !between)
        fail_msg("ends with %" PRIu64 ", expected %" PRIu64 " or %" PRIu64, to_lsn, test->before,
                 test->after);
    test->of_end[to_lsn == test->after]++;
    key_sample_check(&test->sample, archive, to_lsn);
}

static void check_no_more_files(struct key_archive *archive, struct storage *storage)
{
    assert_int_equal(key_sample_files(storage, ""), key_archive_totals(archive).files);
}

/* The step once more, then everything up to the end of the log. */
static void go_on(struct step_test *test, struct storage *storage, struct channel *channel)
{
    struct key_archive *archive = NULL;
    if (test->step != STEP_CUT)
        archive = key_sample_open(&test->sample, storage, KEYS_PER_FILE);
    int error = run_step(test, archive, storage, channel);
    assert_int_equal(error, 0);
    key_archive_close(archive);
    archive = key_sample_open(&test->sample, storage, KEYS_PER_FILE);
    key_sample_check(&test->sample, archive, test->after);
    assert_int_equal(key_sample_extend_all(&test->sample, archive, storage, channel), 0);
    assert_int_equal(key_sample_merge_all(archive, channel), 0);
    key_sample_check(&test->sample, archive, test->sample.last_lsn);
    check_no_more_files(archive, storage);
    key_archive_close(archive);
    test->went_on++;
}

static void check_opens(struct step_test *test, struct sim_disk *disk)
{
    struct key_archive *archive =
        key_sample_open(&test->sample, sim_disk_storage(disk), KEYS_PER_FILE);
    check_end(test, archive);
    key_archive_close(archive);
    test->states++;
}

/* --- power failures -------------------------------------------------------------------------- */

/* Some sets of units at each change of a recovery: it goes from one good state to another, too. */
static void second_crash_here(void *context, struct sim_disk *disk)
{
    struct step_test *test = context;
    bool keep[UNITS_MAX + 1];
    size_t units = sim_disk_units(disk);
    assert_true(units <= UNITS_MAX);
    for (unsigned set = 0; set < SECOND_CRASH_SETS; set++) {
        for (size_t i = 0; i < units; i++)
            keep[i] = set == 0 ? false : set == 1 ? true : random_below(&test->random, 2) == 0;
        struct sim_disk *after = sim_disk_crash(disk, keep);
        struct key_archive *archive =
            key_sample_open(&test->sample, sim_disk_storage(after), KEYS_PER_FILE);
        key_sample_check(&test->sample, archive, key_archive_to_lsn(archive));
        assert_true(key_archive_to_lsn(archive) >=
                    (test->before < test->after ? test->before : test->after));
        key_archive_close(archive);
        sim_disk_destroy(after);
        test->second++;
    }
}

static void play(struct step_test *test, const struct sim_disk *disk, const bool *keep)
{
    if (test->drawn++ % test->stride != 0)
        return;
    struct sim_disk *after = sim_disk_crash(disk, keep);
    check_opens(test, after);
    if (test->states % GO_ON_EVERY == 0) {
        struct channel *channel = sim_disk_channel(after);
        if (test->states / GO_ON_EVERY % SECOND_CRASH_EVERY == SECOND_CRASH_EVERY / 2)
            sim_disk_watch(after, second_crash_here, test);
        go_on(test, sim_disk_storage(after), channel);
        channel->operations->destroy(channel);
    }
    sim_disk_destroy(after);
}

static void crash_here(void *context, struct sim_disk *disk)
{
    struct step_test *test = context;
    size_t units = sim_disk_units(disk);
    assert_true(units <= UNITS_MAX);
    bool keep[UNITS_MAX + 1];
    for (size_t n = 0; n <= units; n++) {
        for (size_t i = 0; i < units; i++)
            keep[i] = i < n;
        play(test, disk, keep);
        for (size_t i = 0; i < units; i++)
            keep[i] = i >= n;
        play(test, disk, keep);
        for (size_t i = 0; i < units; i++)
            keep[i] = i == n;
        play(test, disk, keep);
    }
    for (unsigned set = 0; set < RANDOM_SETS; set++) {
        for (size_t i = 0; i < units; i++)
            keep[i] = random_below(&test->random, 2) == 0;
        play(test, disk, keep);
    }
}

static void crash_everywhere(enum step step)
{
    struct step_test *test = memory_take(sizeof(*test));
    prepare(test, step);
    struct sim_disk *disk = sim_disk_kill(test->disk);
    struct storage *storage = sim_disk_storage(disk);
    struct channel *channel = sim_disk_channel(disk);
    struct key_archive *archive = key_sample_open(&test->sample, storage, KEYS_PER_FILE);
    sim_disk_watch(disk, crash_here, test);
    assert_int_equal(run_step(test, archive, storage, channel), 0);
    sim_disk_watch(disk, NULL, NULL);
    key_archive_close(archive);
    check_opens(test, disk);
    print_message("%" PRIu64 " states, %" PRIu64 " with the new end, %" PRIu64 " went on, %" PRIu64
                  " of a second crash\n",
                  test->states, test->of_end[1], test->went_on, test->second);
    assert_true(test->states > 20);
    assert_true(test->went_on > 0);
    assert_true(test->of_end[1] > 0);
    /* Merging and tidying do not move the end. */
    assert_true((test->of_end[0] > 0) == (test->before != test->after));
    channel->operations->destroy(channel);
    sim_disk_destroy(disk);
    end(test);
}

static void crash_in_the_first_file__loses_nothing(void **state)
{
    (void)state;
    crash_everywhere(STEP_FIRST);
}

static void crash_in_a_file__loses_nothing(void **state)
{
    (void)state;
    crash_everywhere(STEP_EXTEND);
}

static void crash_in_a_merge__loses_nothing(void **state)
{
    (void)state;
    crash_everywhere(STEP_MERGE);
}

static void crash_in_the_removal_of_leftovers__loses_nothing(void **state)
{
    (void)state;
    crash_everywhere(STEP_TIDY);
}

static void crash_in_a_cut__cuts_no_more_than_it_should(void **state)
{
    (void)state;
    crash_everywhere(STEP_CUT);
}

/* --- failing operations ---------------------------------------------------------------------- */

enum aftermath { AFTER_GOING_ON, AFTER_KILL, AFTER_POWER_FAILURE, AFTERMATHS };

/* What ends a file is `after`, so that going on makes another range. */
static uint32_t keys_per_file(const struct step_test *test)
{
    return test->step == STEP_FIRST || test->step == STEP_EXTEND ? SAMPLE_RECORDS_MAX
                                                                 : KEYS_PER_FILE;
}

static bool archive_is_complete(const struct step_test *test, struct key_archive *archive)
{
    return key_archive_to_lsn(archive) == test->sample.last_lsn;
}

static void check_complete(const struct step_test *test, struct storage *storage)
{
    struct key_archive *archive = key_sample_open(&test->sample, storage, KEYS_PER_FILE);
    key_sample_check(&test->sample, archive, test->sample.last_lsn);
    check_no_more_files(archive, storage);
    key_archive_close(archive);
}

/* Whether the operation was reached. */
static bool fail_nth(struct step_test *test, uint64_t nth, int error, bool for_ever,
                     enum aftermath aftermath)
{
    static const bool keep[UNITS_MAX];
    struct sim_disk *disk = sim_disk_kill(test->disk);
    struct storage *storage = sim_disk_storage(disk);
    struct channel *channel = sim_disk_channel(disk);
    struct key_archive *archive = key_sample_open(&test->sample, storage, keys_per_file(test));
    uint64_t before = sim_disk_operations(disk);
    sim_disk_fail(disk, nth, error, for_ever);
    int result = run_step(test, archive, storage, channel);
    bool reached = sim_disk_operations(disk) - before >= nth;
    sim_disk_fail(disk, 0, 0, false);
    assert_int_equal(result, reached ? -error : 0);
    if (test->step != STEP_CUT)
        check_end(test, archive);
    if (aftermath == AFTER_GOING_ON && test->step != STEP_CUT) {
        /* With what it remembers, not with what stands in the directory; and with other ranges
         * than those that failed, which must not be in their way. */
        assert_int_equal(key_sample_extend_all(&test->sample, archive, storage, channel), 0);
        assert_int_equal(key_sample_merge_all(archive, channel), 0);
        key_sample_check(&test->sample, archive, test->sample.last_lsn);
        check_no_more_files(archive, storage);
    }
    bool at_the_end = archive_is_complete(test, archive);
    key_archive_close(archive);
    channel->operations->destroy(channel);
    assert_true(sim_disk_units(disk) <= UNITS_MAX);
    struct sim_disk *after =
        aftermath == AFTER_POWER_FAILURE ? sim_disk_crash(disk, keep) : sim_disk_kill(disk);
    channel = sim_disk_channel(after);
    if (at_the_end)
        check_complete(test, sim_disk_storage(after));
    else
        go_on(test, sim_disk_storage(after), channel);
    channel->operations->destroy(channel);
    sim_disk_destroy(after);
    sim_disk_destroy(disk);
    return reached;
}

static void fail_every_operation(int error, bool for_ever)
{
    for (enum step step = 0; step < STEPS; step++) {
        struct step_test *test = memory_take(sizeof(*test));
        prepare(test, step);
        for (enum aftermath aftermath = 0; aftermath < AFTERMATHS; aftermath++) {
            uint64_t nth = 1;
            while (nth < OPERATIONS_MAX && fail_nth(test, nth, error, for_ever, aftermath))
                nth += test->stride;
            assert_in_range(nth, 10, OPERATIONS_MAX - 1);
        }
        end(test);
    }
}

static void io_error_once__loses_nothing(void **state)
{
    (void)state;
    fail_every_operation(EIO, false);
}

static void io_error_for_ever__loses_nothing(void **state)
{
    (void)state;
    fail_every_operation(EIO, true);
}

static void no_space_once__loses_nothing(void **state)
{
    (void)state;
    fail_every_operation(ENOSPC, false);
}

static void opening_fails__with_every_operation_that_fails(void **state)
{
    (void)state;
    struct step_test *test = memory_take(sizeof(*test));
    prepare(test, STEP_MERGE);
    struct key_archive_options options =
        key_sample_options(&test->sample, sim_disk_storage(test->disk), KEYS_PER_FILE);
    uint64_t nth = 1;
    for (int error = -EIO; error != 0; nth++) {
        struct key_archive *archive;
        struct block_file_fault fault;
        sim_disk_fail(test->disk, nth, EIO, false);
        error = key_archive_open(&options, &archive, &fault);
        if (error == 0)
            key_archive_close(archive);
        else
            assert_int_equal(error, -EIO);
    }
    assert_in_range(nth, 20, OPERATIONS_MAX);
    end(test);
}

/* A read that fails is an error, not an absent key. */
static void lookup_fails__with_every_operation_that_fails(void **state)
{
    (void)state;
    struct step_test *test = memory_take(sizeof(*test));
    prepare(test, STEP_MERGE);
    struct key_archive *archive =
        key_sample_open(&test->sample, sim_disk_storage(test->disk), KEYS_PER_FILE);
    for (uint64_t lsn = 1; lsn <= test->before; lsn++) {
        struct key_answer answer;
        bool found = false;
        struct block_file_fault fault;
        if (!test->sample.has_key[lsn])
            continue;
        sim_disk_fail(test->disk, 1, EIO, true);
        assert_int_equal(
            key_archive_find(archive, test->sample.answers[lsn].digest, &answer, &found, &fault),
            -EIO);
        sim_disk_fail(test->disk, 0, 0, false);
    }
    key_sample_check(&test->sample, archive, test->before);
    key_archive_close(archive);
    end(test);
}

/* What a merge left must not overlap what a cut makes. */
static void cut_over_leftovers__drops_exactly_what_is_behind(void **state)
{
    (void)state;
    struct step_test *test = memory_take(sizeof(*test));
    prepare(test, STEP_TIDY);
    for (uint64_t lsn = 1; lsn <= test->before; lsn++) {
        struct sim_disk *disk = sim_disk_kill(test->disk);
        struct storage *storage = sim_disk_storage(disk);
        struct key_archive_options options = key_sample_options(&test->sample, storage, 0);
        struct block_file_fault fault;
        assert_int_equal(key_archive_cut(&options, NULL, lsn, &fault), 0);
        struct key_archive *archive = key_sample_open(&test->sample, storage, KEYS_PER_FILE);
        key_sample_check(&test->sample, archive, lsn - 1);
        check_no_more_files(archive, storage);
        key_archive_close(archive);
        sim_disk_destroy(disk);
    }
    end(test);
}

/* --- damage that is met by work --------------------------------------------------------------- */

static void damage_first_block(void *context, const char *plain)
{
    char name[STORAGE_NAME_MAX];
    snprintf(name, sizeof(name), "keys/%.58s", plain);
    uint64_t size;
    uint8_t *bytes = sim_disk_bytes(context, name, &size);
    assert_non_null(bytes);
    bytes[4096 + 32 + 5] ^= 1;
}

static void damaged_file__is_not_merged(void **state)
{
    (void)state;
    struct step_test *test = memory_take(sizeof(*test));
    prepare(test, STEP_MERGE);
    struct storage *storage = sim_disk_storage(test->disk);
    struct key_archive *archive = key_sample_open(&test->sample, storage, KEYS_PER_FILE);
    uint32_t files = key_archive_totals(archive).files;
    assert_int_equal(storage->operations->list(storage, "keys", damage_first_block, test->disk), 0);
    struct block_file_fault fault = {0};
    assert_int_equal(key_archive_merge(archive, NULL, NULL, NULL, &fault), -EBADMSG);
    assert_non_null(strstr(fault.file, "keys/"));
    assert_int_equal(fault.offset, 4096);
    assert_int_equal(key_archive_totals(archive).files, files);
    assert_int_equal(key_sample_files(storage, ""), files);
    assert_int_equal(key_archive_verify(archive, NULL, NULL, &fault), -EBADMSG);
    assert_non_null(strstr(fault.file, "keys/0000000000000001-"));
    assert_int_equal(fault.offset, 4096);
    key_archive_close(archive);
    end(test);
}

static void damaged_log__makes_no_file(void **state)
{
    (void)state;
    struct step_test *test = memory_take(sizeof(*test));
    prepare(test, STEP_FIRST);
    struct storage *storage = sim_disk_storage(test->disk);
    uint64_t size;
    uint8_t *bytes = sim_disk_bytes(test->disk, "log/0000000000000001.wal", &size);
    assert_non_null(bytes);
    /* The recovery frame, the first frame of records, its payload. */
    bytes[3 * 4096 + 200] ^= 1;
    struct key_archive *archive = key_sample_open(&test->sample, storage, 4096);
    struct log_reader *reader;
    assert_int_equal(log_reader_open(storage, &test->sample.meta, &reader), 0);
    struct block_file_fault fault = {0};
    uint64_t reached = 0;
    assert_int_equal(key_archive_extend(archive, reader, test->sample.last_lsn, NULL, NULL, NULL,
                                        &reached, &fault),
                     -EBADMSG);
    assert_non_null(strstr(fault.file, "log/0000000000000001.wal"));
    assert_int_equal(fault.offset, 3 * 4096);
    assert_true(fault.reason[0] != '\0');
    assert_int_equal(key_archive_totals(archive).files, 0);
    assert_int_equal(key_sample_files(storage, ""), 0);
    log_reader_close(reader);
    key_archive_close(archive);
    end(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_in_the_first_file__loses_nothing),
        cmocka_unit_test(crash_in_a_file__loses_nothing),
        cmocka_unit_test(crash_in_a_merge__loses_nothing),
        cmocka_unit_test(crash_in_the_removal_of_leftovers__loses_nothing),
        cmocka_unit_test(crash_in_a_cut__cuts_no_more_than_it_should),
        cmocka_unit_test(io_error_once__loses_nothing),
        cmocka_unit_test(io_error_for_ever__loses_nothing),
        cmocka_unit_test(no_space_once__loses_nothing),
        cmocka_unit_test(opening_fails__with_every_operation_that_fails),
        cmocka_unit_test(lookup_fails__with_every_operation_that_fails),
        cmocka_unit_test(cut_over_leftovers__drops_exactly_what_is_behind),
        cmocka_unit_test(damaged_file__is_not_merged),
        cmocka_unit_test(damaged_log__makes_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
