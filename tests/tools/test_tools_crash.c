/* test_tools_crash.c - power failures at every change that a repair and a restore make.
 *
 * The tools work on real files, some of them beside the storage of wal/. So they run once, with
 * their calls recorded (recorded_disk.h), and the directory is made as a power failure behind each
 * call would leave it: with none, all, each half and sets by chance of what was not flushed. States
 * that are the same byte by byte are looked at once.
 *
 * A repair: at every moment every original byte is at its place or in quarantine/, and the same
 * repair, run again, leaves exactly what one without interruption leaves; in some states it is
 * interrupted again. It may say that there is nothing more to drop; then all was done.
 *
 * A restore: DIR is whole or not there; DIR.tmp is refused by whoever would take it for a ledger,
 * until it is whole; a second restore works as soon as DIR.tmp is removed, as it says.
 *
 *     FLORIN_SEED           of the sets
 *     FLORIN_CRASH_SETS     sets by chance for every call
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/runtime/backup.h"
#include "engine/tools/repair.h"
#include "engine/tools/restore.h"
#include "engine/tools/verify.h"
#include "ledger_sample.h"
#include "recorded_disk.h"
#include "wal/bytes.h"

/* 2025-11-22T08:26:40Z */
#define NOW_NS    UINT64_C(1763800000000000000)
#define SECOND_NS UINT64_C(1000000000)

enum {
    RANDOM_SETS = 16,
    /* One repair after a crash in so many is recorded, and crashed again. */
    SECOND_CRASH_EVERY = 40,
    /* One ledger that was brought back in so many is opened and goes on. */
    OPEN_EVERY = 20,
    ORIGINALS_MAX = 64,
};

struct original {
    char name[SAMPLE_NAME_BYTES];
    uint8_t *bytes;
    size_t length;
};

struct tally {
    unsigned states;
    unsigned second;
    unsigned opened;
    unsigned repaired_again;
    unsigned already_done;
    unsigned nothing;    /* restore: neither DIR nor DIR.tmp, or an empty one */
    unsigned unfinished; /* restore: DIR.tmp, refused */
    unsigned whole;
};

struct crash_test {
    struct sample *sample;
    char found[SAMPLE_PATH_MAX];  /* as it is after a power failure */
    char second[SAMPLE_PATH_MAX]; /* and after another one */
    unsigned random_sets;
    uint64_t random;
    struct tally tally;
    /* what has to come out */
    uint64_t lsn;
    uint64_t digest;
    /* of a repair */
    struct original originals[ORIGINALS_MAX];
    size_t original_count;
    unsigned depth;
    /* of a restore */
    char backup[SAMPLE_PATH_MAX];
    enum restore_until until;
    uint64_t value;
};

static int setup(void **state)
{
    struct crash_test *test = calloc(1, sizeof(*test));
    const char *seed = getenv("FLORIN_SEED");
    const char *sets = getenv("FLORIN_CRASH_SETS");
    assert_non_null(test);
    test->random = seed == NULL ? 1 : strtoull(seed, NULL, 10);
    test->random_sets = sets == NULL ? RANDOM_SETS : (unsigned)strtoul(sets, NULL, 10);
    test->sample = sample_create();
    /* its flushes go through the recorded calls as well, and cost nothing */
    test->sample->options.io = FLORIN_IO_POSIX;
    sample_path(test->sample, "found", test->found);
    sample_path(test->sample, "second", test->second);
    sample_path(test->sample, "backup.tar", test->backup);
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct crash_test *test = *state;
    for (size_t i = 0; i < test->original_count; i++)
        free(test->originals[i].bytes);
    sample_destroy(test->sample);
    free(test);
    return 0;
}

static uint64_t draw(struct crash_test *test)
{
    uint64_t z = test->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ z >> 31;
}

static void join(const char *directory, const char *name, char path[SAMPLE_PATH_MAX])
{
    int length = snprintf(path, SAMPLE_PATH_MAX, "%s/%s", directory, name);
    assert_true(length > 0 && length < SAMPLE_PATH_MAX);
}

/* --- the states ------------------------------------------------------------------------------- */

typedef void check_found(struct crash_test *test, const char *found);

enum keep { KEEP_NONE, KEEP_ALL, KEEP_FIRST_HALF, KEEP_SECOND_HALF, KEEP_RANDOM };

static bool is_kept(struct crash_test *test, unsigned keep, size_t unit, size_t units)
{
    switch (keep) {
    case KEEP_NONE:
        return false;
    case KEEP_ALL:
        return true;
    case KEEP_FIRST_HALF: /* units come from the last one on */
        return unit >= units / 2;
    case KEEP_SECOND_HALF:
        return unit < units / 2;
    default: /* every second one, or nearly all: then most folders keep their names */
        return draw(test) % 16 >= (keep % 2 == 0 ? 8 : 1);
    }
}

static void crash_everywhere(struct crash_test *test, struct recording *recording, unsigned sets,
                             const char *found, check_found *check)
{
    size_t all = recording_end(recording);
    bool *keep = calloc(all + 1, sizeof(*keep));
    size_t *units = calloc(all + 1, sizeof(*units));
    assert_non_null(keep);
    assert_non_null(units);
    for (size_t end = 0; end <= all; end++) {
        if (end > 0 && !recording_is_call_end(recording, end))
            continue;
        size_t count = recording_unflushed(recording, end, units);
        for (unsigned set = 0; set < sets && (set == 0 || count > set - 1); set++) {
            for (size_t i = 0; i < count; i++)
                keep[units[i]] = is_kept(test, set, i, count);
            if (!recording_play(recording, end, keep, found))
                continue;
            test->tally.states++;
            check(test, found);
            temporary_directory_remove(found);
        }
    }
    free(units);
    free(keep);
}

/* No call was missed: all of them together make what the tool has left. */
static void expect_complete(struct crash_test *test, struct recording *recording,
                            const char *directory, check_found *check)
{
    size_t all = recording_end(recording);
    bool *keep = malloc(all + 1);
    assert_non_null(keep);
    memset(keep, true, all + 1);
    assert_true(recording_play(recording, all, keep, test->found));
    assert_int_equal(sample_differ(test->found, directory), 0);
    test->tally.states++;
    check(test, test->found);
    temporary_directory_remove(test->found);
    free(keep);
}

/* --- what has to come out --------------------------------------------------------------------- */

static void expect_result(struct crash_test *test, const char *directory)
{
    struct verify_report *report = calloc(1, sizeof(*report));
    assert_non_null(report);
    int error = verify_directory(directory, NULL, NULL, report);
    if (error != 0)
        fail_msg("state %u: %d: %s: %s", test->tally.states, error, report->problems[0].file,
                 report->problems[0].reason);
    assert_true(report->has_state);
    assert_int_equal(report->lsn, test->lsn);
    assert_int_equal(report->digest, test->digest);
    free(report);
}

/* It opens, with what was there, and goes on. */
static void expect_opens(struct crash_test *test, const char *directory)
{
    struct sample *sample = test->sample;
    sample->options.directory = directory;
    sample_open(sample, 2);
    assert_int_equal(florin_durable_lsn(sample->ledger), test->lsn);
    sample->commands = test->lsn;
    sample_run(sample, 3);
    assert_int_equal(florin_durable_lsn(sample->ledger), test->lsn + 3);
    sample_close(sample);
    test->tally.opened++;
}

/* --- repair ----------------------------------------------------------------------------------- */

static void no_line(void *context, const char *line)
{
    (void)context;
    (void)line;
}

static int repair(const struct crash_test *test, const char *directory, unsigned second,
                  struct tool_problem *problem)
{
    return repair_directory(directory, test->lsn + 1, REPAIR_ACCEPT_LOSS,
                            NOW_NS + second * SECOND_NS, no_line, NULL, problem);
}

static void keep_original(void *context, const char *name)
{
    struct crash_test *test = context;
    char path[SAMPLE_PATH_MAX];
    assert_true(test->original_count < ORIGINALS_MAX);
    struct original *original = &test->originals[test->original_count++];
    snprintf(original->name, sizeof(original->name), "%s", name);
    join(test->sample->directory, name, path);
    original->bytes = sample_read_file(path, &original->length);
}

static bool is_original(const struct original *original, const char *directory)
{
    char path[SAMPLE_PATH_MAX];
    size_t length;
    join(directory, original->name, path);
    if (!sample_is_there(path))
        return false;
    uint8_t *bytes = sample_read_file(path, &length);
    bool same = length == original->length && memcmp(bytes, original->bytes, length) == 0;
    free(bytes);
    return same;
}

static bool is_in_quarantine(const struct original *original, const char *directory)
{
    char quarantine[SAMPLE_PATH_MAX];
    bool found = false;
    join(directory, "quarantine", quarantine);
    DIR *stream = opendir(quarantine);
    const struct dirent *entry;
    while (stream != NULL && !found && (entry = readdir(stream)) != NULL) {
        char one[SAMPLE_PATH_MAX];
        join(quarantine, entry->d_name, one);
        found = entry->d_name[0] != '.' && is_original(original, one);
    }
    if (stream != NULL)
        (void)closedir(stream);
    return found;
}

/* The log behind the cut is found in all states; what was kept stays. */
static void expect_originals(const struct crash_test *test, const char *directory)
{
    for (size_t i = 0; i < test->original_count; i++) {
        const struct original *original = &test->originals[i];
        if (!is_original(original, directory) && !is_in_quarantine(original, directory))
            fail_msg("state %u: %s is lost", test->tally.states, original->name);
    }
}

static void repair_again(struct crash_test *test, const char *found)
{
    struct tool_problem problem;
    /* a later second each time, as an operator would */
    int error = repair(test, found, 1 + test->depth, &problem);
    if (error == -ERANGE && strstr(problem.reason, "nothing to drop") != NULL)
        test->tally.already_done++;
    else if (error == 0)
        test->tally.repaired_again++;
    else
        fail_msg("state %u, crash %u: %d: %s: %s", test->tally.states, test->depth, error,
                 problem.file, problem.reason);
}

static void check_repair(struct crash_test *test, const char *found)
{
    expect_originals(test, found);
    bool crash_again = test->depth == 1 && test->tally.states % SECOND_CRASH_EVERY == 0;
    if (crash_again)
        recorded_disk_start(found);
    repair_again(test, found);
    if (crash_again) {
        struct recording *recording = recorded_disk_stop();
        unsigned before = test->tally.states;
        test->depth = 2;
        crash_everywhere(test, recording, KEEP_ALL + 1, test->second, check_repair);
        test->depth = 1;
        test->tally.second += test->tally.states - before;
        test->tally.states = before;
        recording_destroy(recording);
    }
    expect_result(test, found);
    expect_originals(test, found);
    if (test->depth == 1 && test->tally.states % OPEN_EVERY == 0)
        expect_opens(test, found);
}

/* The block of the log with the first frame of an LSN; every command was a frame of one block. */
static void damage_frame(struct crash_test *test, uint64_t lsn)
{
    for (unsigned segment = 1;; segment++) {
        char name[SAMPLE_NAME_BYTES];
        char path[SAMPLE_PATH_MAX];
        size_t length;
        snprintf(name, sizeof(name), "log/%016u.wal", segment);
        join(test->sample->directory, name, path);
        uint8_t *bytes = sample_read_file(path, &length);
        for (size_t block = 4096; block < length; block += 4096) {
            if (memcmp(bytes + block, "FLRF", 4) == 0 && bytes[block + 6] == 1 &&
                bytes_get_u64(bytes + block + 40) == lsn) {
                free(bytes);
                sample_flip(path, block + 200, 1);
                return;
            }
        }
        free(bytes);
    }
}

static void crash_repair(struct crash_test *test, uint64_t first_dropped_lsn, bool is_damaged)
{
    struct tool_problem problem;
    const char *directory = test->sample->directory;
    sample_fill(test->sample);
    sample_close(test->sample);
    test->lsn = first_dropped_lsn - 1;
    test->digest = sample_digest(directory, test->lsn).digest;
    if (is_damaged)
        damage_frame(test, first_dropped_lsn);
    sample_visit_files(test->sample, keep_original, test);
    recorded_disk_start(directory);
    int error = repair(test, directory, 0, &problem);
    struct recording *recording = recorded_disk_stop();
    assert_int_equal(error, 0);
    expect_result(test, directory);
    expect_originals(test, directory);
    test->depth = 1;
    expect_complete(test, recording, directory, check_repair);
    crash_everywhere(test, recording, KEEP_RANDOM + test->random_sets, test->found, check_repair);
    recording_destroy(recording);
    const struct tally *tally = &test->tally;
    print_message("drop from %" PRIu64 ": %u states, %u of a second crash; %u repaired again, %u "
                  "had nothing left to drop, %u opened\n",
                  first_dropped_lsn, tally->states, tally->second, tally->repaired_again,
                  tally->already_done, tally->opened);
    assert_true(tally->states > 100);
    assert_true(tally->second > 10);
    assert_true(tally->repaired_again > 50);
    assert_true(tally->already_done > 10);
    assert_true(tally->opened > 2);
}

static void crash__in_a_repair_of_a_damaged_end_keeps_every_original_byte(void **state)
{
    crash_repair(*state, 79, true);
}

static void crash__in_a_repair_of_a_damaged_middle_keeps_every_original_byte(void **state)
{
    crash_repair(*state, 55, true);
}

static void crash__in_a_repair_of_a_sound_log_keeps_every_original_byte(void **state)
{
    crash_repair(*state, 41, false);
}

/* --- restore ---------------------------------------------------------------------------------- */

static int restore(const struct crash_test *test, const char *directory,
                   struct tool_problem *problem)
{
    struct restore_report report;
    struct restore_options options = {
        .input = open(test->backup, O_RDONLY | O_CLOEXEC),
        .directory = directory,
        .until = test->until,
        .value = test->value,
    };
    assert_true(options.input >= 0);
    int error = restore_backup(&options, &report, problem);
    (void)close(options.input);
    if (error == 0) {
        assert_int_equal(report.lsn, test->lsn);
        assert_int_equal(report.digest, test->digest);
    }
    return error;
}

static bool is_empty(const char *path)
{
    return rmdir(path) == 0 && mkdir(path, 0700) == 0;
}

/* Whoever could take it for a ledger says no, in so many words. */
static void expect_unfinished(struct crash_test *test, const char *directory)
{
    struct sample *sample = test->sample;
    struct verify_report *report = calloc(1, sizeof(*report));
    struct tool_problem problem;
    struct backup *backup;
    char backup_problem[BACKUP_PROBLEM_MAX];
    assert_non_null(report);
    int error = verify_directory(directory, NULL, NULL, report);
    if (error != -EBADMSG || strstr(report->problems[0].reason, "unfinished restore") == NULL)
        fail_msg("state %u: verify: %d, LSN %" PRIu64 ": %s", test->tally.states, error,
                 report->lsn, report->problems[0].reason);
    free(report);
    sample->options.directory = directory;
    sample->last_error[0] = '\0';
    assert_int_equal(florin_open(&sample->options, &sample->ledger), -EBADMSG);
    sample->ledger = NULL;
    assert_non_null(strstr(sample->last_error, "unfinished restore"));
    error = repair_directory(directory, 1, REPAIR_ACCEPT_LOSS, NOW_NS, no_line, NULL, &problem);
    assert_int_equal(error, -EBADMSG);
    assert_int_equal(backup_open_directory(directory, &backup, backup_problem), -EBADMSG);
    assert_non_null(strstr(backup_problem, "unfinished restore"));
}

static bool is_whole(const char *directory)
{
    struct verify_report *report = calloc(1, sizeof(*report));
    assert_non_null(report);
    int error = verify_directory(directory, NULL, NULL, report);
    free(report);
    return error == 0;
}

static void check_restore(struct crash_test *test, const char *found)
{
    char directory[SAMPLE_PATH_MAX];
    char temporary[SAMPLE_PATH_MAX];
    struct tool_problem problem;
    join(found, "restored", directory);
    join(found, "restored.tmp", temporary);
    if (sample_is_there(directory)) {
        test->tally.whole++;
        assert_false(sample_is_there(temporary));
        expect_result(test, directory);
        if (test->tally.whole % OPEN_EVERY == 1)
            expect_opens(test, directory);
        return;
    }
    if (sample_is_there(temporary)) {
        if (is_empty(temporary))
            test->tally.nothing++;
        else if (is_whole(temporary))
            expect_result(test, temporary);
        else {
            test->tally.unfinished++;
            expect_unfinished(test, temporary);
        }
        assert_int_equal(restore(test, directory, &problem), -EEXIST);
        assert_non_null(strstr(problem.reason, "left by an interrupted restore: remove it first"));
        temporary_directory_remove(temporary);
    } else {
        test->tally.nothing++;
    }
    if (test->tally.states % OPEN_EVERY != 0)
        return;
    assert_int_equal(restore(test, directory, &problem), 0);
    expect_opens(test, directory);
}

static void crash_restore(struct crash_test *test, enum restore_until until, uint64_t value)
{
    char place[SAMPLE_PATH_MAX];
    char target[SAMPLE_PATH_MAX];
    struct tool_problem problem;
    size_t length;
    sample_path(test->sample, "place", place);
    join(place, "restored", target);
    sample_fill(test->sample);
    sample_close(test->sample);
    test->until = until;
    test->value = value;
    test->lsn = until == RESTORE_WHOLE ? 80 : value;
    test->digest = sample_digest(test->sample->directory, test->lsn).digest;
    sample_back_up(test->sample->directory, test->backup);
    uint8_t *backup = sample_read_file(test->backup, &length);
    assert_int_equal(mkdir(place, 0700), 0);
    recorded_disk_start(place);
    int error = restore(test, target, &problem);
    struct recording *recording = recorded_disk_stop();
    if (error != 0)
        fail_msg("%d: %s: %s", error, problem.file, problem.reason);
    expect_result(test, target);
    expect_complete(test, recording, place, check_restore);
    crash_everywhere(test, recording, KEEP_RANDOM + test->random_sets, test->found, check_restore);

    /* what was acknowledged does not go any more */
    size_t end = recording_end(recording);
    size_t *units = calloc(end + 1, sizeof(*units));
    assert_non_null(units);
    assert_int_equal(recording_unflushed(recording, end, units), 0);
    free(units);
    recording_destroy(recording);

    /* the backup is what it was */
    size_t length_after;
    uint8_t *after = sample_read_file(test->backup, &length_after);
    assert_int_equal(length_after, length);
    assert_memory_equal(after, backup, length);
    free(after);
    free(backup);
    const struct tally *tally = &test->tally;
    print_message("%u states: %u with nothing, %u with an unfinished restore, %u with the whole "
                  "one, %u opened\n",
                  tally->states, tally->nothing, tally->unfinished, tally->whole, tally->opened);
    assert_true(tally->states > 100);
    assert_true(tally->nothing > 0);
    assert_true(tally->unfinished > 50);
    assert_true(tally->whole > 0);
    assert_true(tally->opened > 2);
}

static void crash__in_a_restore_leaves_it_whole_or_refused(void **state)
{
    crash_restore(*state, RESTORE_WHOLE, 0);
}

static void crash__in_a_restore_to_an_lsn_leaves_it_whole_or_refused(void **state)
{
    crash_restore(*state, RESTORE_UNTIL_LSN, 45);
}

int main(void)
{
    /* Nothing is flushed here, so nothing is proven by a disk, and files live for a moment. */
    if (access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            crash__in_a_repair_of_a_damaged_end_keeps_every_original_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(
            crash__in_a_repair_of_a_damaged_middle_keeps_every_original_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(crash__in_a_repair_of_a_sound_log_keeps_every_original_byte,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(crash__in_a_restore_leaves_it_whole_or_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(crash__in_a_restore_to_an_lsn_leaves_it_whole_or_refused,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
