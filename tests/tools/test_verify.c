/* test_verify.c - every file of a directory bent, cut off, swapped, foreign: found, and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/tools/verify.h"
#include "ledger_sample.h"

struct fixture {
    struct sample *sample;
    struct verify_report report;
};

/* The files of a directory that sample_fill() has made, and its log. */
static const char *const files[] = {
    "meta",
    "checkpoint/0000000000000028.ckpt",
    "checkpoint/0000000000000046.ckpt",
    "keys/0000000000000001-0000000000000028.keys",
    "keys/0000000000000029-0000000000000046.keys",
    "log/0000000000000001.wal",
    "log/0000000000000003.wal",
};
enum { FILES = sizeof(files) / sizeof(files[0]) };

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->sample = sample_create();
    sample_fill(fixture->sample);
    sample_close(fixture->sample);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    sample_destroy(fixture->sample);
    free(fixture);
    return 0;
}

static int verify(struct fixture *fixture)
{
    return verify_directory(fixture->sample->directory, NULL, NULL, &fixture->report);
}

static void path_of(const struct fixture *fixture, const char *name, char path[SAMPLE_PATH_MAX])
{
    int length = snprintf(path, SAMPLE_PATH_MAX, "%s/data/%s", fixture->sample->base, name);
    assert_true(length > 0 && length < SAMPLE_PATH_MAX);
}

/* Damaged, and one of the problems names the file. */
static void expect_damage(struct fixture *fixture, const char *name, const char *what, size_t place)
{
    int error = verify(fixture);
    const struct verify_report *report = &fixture->report;
    bool named = false;
    for (size_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++)
        named = named || strcmp(report->problems[i].file, name) == 0;
    if (error != -EBADMSG || !named)
        fail_msg("%s %s at %zu: %d, %zu problems, the first %s: %s", name, what, place, error,
                 report->problem_count, report->problems[0].file, report->problems[0].reason);
}

static void verify__of_a_sound_directory_adds_up(void **state)
{
    struct fixture *fixture = *state;
    const struct verify_report *report = &fixture->report;
    assert_int_equal(verify(fixture), 0);
    assert_int_equal(report->problem_count, 0);
    assert_int_equal(report->log.records, 80);
    assert_int_equal(report->first_lsn, 1);
    assert_int_equal(report->lsn, 80);
    assert_int_equal(report->digest, sample_replay_digest(fixture->sample->directory, 80, 2));
    assert_int_equal(report->accounts, SAMPLE_ACCOUNTS);
    assert_int_equal(report->keys, 40);
    assert_int_equal(report->checkpoint_count, 2);
    assert_int_equal(report->checkpoints[0].start_lsn, 40);
    assert_int_equal(report->checkpoints[1].start_lsn, 70);
    assert_int_equal(report->checkpoints[1].accounts, SAMPLE_ACCOUNTS);
    assert_true(report->checkpoints[0].sound && report->checkpoints[1].sound);
    assert_int_equal(report->key_files, 2);
    assert_int_equal(report->key_file_keys, 30);
    assert_int_equal(report->keys_to_lsn, 70);
    assert_int_equal(report->currency_count, 2);
}

static void verify__changes_nothing_and_works_beside_a_server(void **state)
{
    struct fixture *fixture = *state;
    char before[SAMPLE_PATH_MAX];
    sample_path(fixture->sample, "before", before);
    sample_copy(fixture->sample->directory, before);
    assert_int_equal(verify(fixture), 0);
    assert_int_equal(sample_differ(fixture->sample->directory, before), 0);
    sample_open(fixture->sample, 2);
    for (int i = 0; i < 10; i++) {
        sample_run(fixture->sample, 5);
        assert_int_equal(verify(fixture), 0);
        assert_int_equal(fixture->report.lsn, 85 + 5 * i);
    }
    sample_close(fixture->sample);
}

static void verify__without_the_first_log_begins_at_a_checkpoint(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    sample->options.retain_bytes = 1;
    sample_open(sample, 2);
    sample_run(sample, 40);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 20);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 3);
    sample_close(sample);
    assert_int_equal(verify(fixture), 0);
    assert_true(fixture->report.first_lsn > 1);
    assert_int_equal(fixture->report.lsn, 143);
    assert_int_equal(fixture->report.digest, sample_digest(sample->directory, STATE_AT_END).digest);
}

static void verify__finds_rot_in_every_block_of_every_file(void **state)
{
    struct fixture *fixture = *state;
    char path[SAMPLE_PATH_MAX];
    unsigned bit = 0;
    for (size_t i = 0; i < FILES; i++) {
        size_t length;
        path_of(fixture, files[i], path);
        uint8_t *bytes = sample_read_file(path, &length);
        for (size_t place = 11; place<length; place += length> 30000 ? 7 * 1024 : 1024) {
            uint8_t mask = (uint8_t)(1U << (bit++ % 8));
            bytes[place] ^= mask;
            sample_write_file(path, bytes, length);
            expect_damage(fixture, files[i], "flipped", place);
            bytes[place] ^= mask;
        }
        sample_write_file(path, bytes, length);
        free(bytes);
    }
    assert_int_equal(verify(fixture), 0);
}

static void verify__finds_files_that_are_cut_off(void **state)
{
    struct fixture *fixture = *state;
    char path[SAMPLE_PATH_MAX];
    for (size_t i = 0; i < FILES; i++) {
        size_t length;
        path_of(fixture, files[i], path);
        uint8_t *bytes = sample_read_file(path, &length);
        const size_t ends[] = {0, 1, 511, 4095, length / 2, length - 4096, length - 1};
        for (size_t j = 0; j < sizeof(ends) / sizeof(ends[0]); j++) {
            sample_write_file(path, bytes, ends[j]);
            expect_damage(fixture, files[i], "cut off", ends[j]);
        }
        /* and one that is longer */
        sample_write_file(path, bytes, length + 1);
        if (strcmp(files[i], "meta") != 0)
            expect_damage(fixture, files[i], "longer", length);
        sample_write_file(path, bytes, length);
        free(bytes);
    }
    assert_int_equal(verify(fixture), 0);
}

static void verify__finds_files_under_the_name_of_others(void **state)
{
    static const char *const pairs[][2] = {
        {"checkpoint/0000000000000028.ckpt", "checkpoint/0000000000000046.ckpt"},
        {"keys/0000000000000001-0000000000000028.keys",
         "keys/0000000000000029-0000000000000046.keys"},
        {"log/0000000000000001.wal", "log/0000000000000003.wal"},
        {"checkpoint/0000000000000028.ckpt", "keys/0000000000000001-0000000000000028.keys"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char left[SAMPLE_PATH_MAX];
        char right[SAMPLE_PATH_MAX];
        size_t left_length;
        size_t right_length;
        path_of(fixture, pairs[i][0], left);
        path_of(fixture, pairs[i][1], right);
        uint8_t *left_bytes = sample_read_file(left, &left_length);
        uint8_t *right_bytes = sample_read_file(right, &right_length);
        sample_write_file(left, right_bytes, right_length);
        sample_write_file(right, left_bytes, left_length);
        expect_damage(fixture, pairs[i][0], "swapped", i);
        sample_write_file(left, left_bytes, left_length);
        sample_write_file(right, right_bytes, right_length);
        free(left_bytes);
        free(right_bytes);
    }
    assert_int_equal(verify(fixture), 0);
}

static void verify__finds_files_of_another_ledger(void **state)
{
    struct fixture *fixture = *state;
    char other[SAMPLE_PATH_MAX];
    char path[SAMPLE_PATH_MAX];
    struct sample *foreign = sample_create();
    size_t length;
    /* the same commands, but another log id */
    temporary_directory_remove(foreign->directory);
    sample_fill(foreign);
    sample_close(foreign);
    for (size_t i = 1; i < FILES; i++) {
        path_of(fixture, files[i], path);
        uint8_t *own = sample_read_file(path, &length);
        size_t foreign_length;
        snprintf(other, sizeof(other), "%.*s/%s", SAMPLE_PATH_MAX - 100, foreign->directory,
                 files[i]);
        uint8_t *bytes = sample_read_file(other, &foreign_length);
        sample_write_file(path, bytes, foreign_length < length ? foreign_length : length);
        expect_damage(fixture, files[i], "foreign", i);
        sample_write_file(path, own, length);
        free(own);
        free(bytes);
    }
    sample_destroy(foreign);
}

static void verify__finds_files_that_are_gone(void **state)
{
    struct fixture *fixture = *state;
    char path[SAMPLE_PATH_MAX];
    char kept[SAMPLE_PATH_MAX];
    sample_path(fixture->sample, "kept", kept);
    /* the key files begin too late, end too early; a segment is missing in the middle */
    static const char *const gone[] = {
        "keys/0000000000000001-0000000000000028.keys",
        "keys/0000000000000029-0000000000000046.keys",
        "log/0000000000000002.wal",
    };
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        path_of(fixture, gone[i], path);
        assert_int_equal(rename(path, kept), 0);
        assert_int_equal(verify(fixture), -EBADMSG);
        assert_true(fixture->report.problem_count > 0);
        assert_int_equal(rename(kept, path), 0);
    }
    assert_int_equal(verify(fixture), 0);
    path_of(fixture, "meta", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(verify(fixture), -ENOENT);
}

static void verify__says_what_stands_behind_the_first_damage(void **state)
{
    struct fixture *fixture = *state;
    const struct verify_report *report = &fixture->report;
    char path[SAMPLE_PATH_MAX];
    path_of(fixture, "log/0000000000000001.wal", path);
    sample_flip(path, 4096 * 5 + 90, 2);
    assert_int_equal(verify(fixture), -EBADMSG);
    assert_true(report->surveyed);
    assert_true(report->survey.is_damaged);
    assert_int_equal(report->survey.damage.offset / 4096, 5);
    assert_int_equal(report->problems[0].lsn, report->survey.damage.lsn);
    assert_int_equal(report->survey.records_after, 80 - report->survey.damage.lsn);
    assert_int_equal(report->survey.last_lsn_after, 80);
    /* the state before it */
    assert_true(report->has_state);
    assert_int_equal(report->lsn, report->survey.damage.lsn - 1);
    assert_int_equal(report->digest, sample_digest(fixture->sample->directory, report->lsn).digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(verify__of_a_sound_directory_adds_up, setup, teardown),
        cmocka_unit_test_setup_teardown(verify__changes_nothing_and_works_beside_a_server, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(verify__without_the_first_log_begins_at_a_checkpoint, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(verify__finds_rot_in_every_block_of_every_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(verify__finds_files_that_are_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(verify__finds_files_under_the_name_of_others, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(verify__finds_files_of_another_ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(verify__finds_files_that_are_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(verify__says_what_stands_behind_the_first_damage, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
