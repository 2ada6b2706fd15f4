/* test_backup.c - what a backup is made of, and what it refuses. test_restore.c brings it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/backup.h"
#include "engine/runtime/backup_format.h"
#include "ledger_sample.h"

struct fixture {
    struct sample *sample;
    char backup[SAMPLE_PATH_MAX];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->sample = sample_create();
    sample_path(fixture->sample, "backup.tar", fixture->backup);
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

static void backup__is_a_tar_file_with_known_members(void **state)
{
    struct fixture *fixture = *state;
    char command[2 * SAMPLE_PATH_MAX];
    char output[8192];
    sample_fill(fixture->sample);
    sample_close(fixture->sample);
    sample_back_up(fixture->sample->directory, fixture->backup);
    snprintf(command, sizeof(command), "tar tf '%s' 2>&1", fixture->backup);
    /* The path is the test's own. NOLINTNEXTLINE(cert-env33-c) */
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    static const char expected[] = "BACKUP-INFO\nmeta\n"
                                   "checkpoint/0000000000000028.ckpt\n"
                                   "checkpoint/0000000000000046.ckpt\n"
                                   "keys/0000000000000001-0000000000000028.keys\n"
                                   "keys/0000000000000029-0000000000000046.keys\n"
                                   "log/0000000000000001.wal\n";
    assert_memory_equal(output, expected, sizeof(expected) - 1);
    assert_non_null(strstr(output, "\nMANIFEST\n"));
    /* no spare segment: the last one has records */
    char path[SAMPLE_PATH_MAX + 64];
    char last[64] = "";
    const char *manifest = strstr(output, "\nMANIFEST\n");
    memcpy(last, manifest - 24, 24);
    snprintf(path, sizeof(path), "%s/%s", fixture->sample->directory, last);
    assert_true(sample_is_there(path));
    assert_false(sample_last_lsn(fixture->sample->directory) == 0);
}

static void backup__is_the_same_bytes_whatever_is_read_at_once(void **state)
{
    static const size_t pieces[] = {1000, 4096, 7777, 5000000};
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    size_t length;
    sample_fill(sample);
    sample_close(sample);
    sample_back_up(sample->directory, fixture->backup);
    uint8_t *whole = sample_read_file(fixture->backup, &length);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct backup *backup;
        char problem[BACKUP_PROBLEM_MAX];
        size_t again_length;
        assert_int_equal(backup_open_directory(sample->directory, &backup, problem), 0);
        sample_write_stream(backup, fixture->backup, pieces[i]);
        uint8_t *again = sample_read_file(fixture->backup, &again_length);
        assert_int_equal(again_length, length);
        /* but for the time, in BACKUP-INFO and in every header */
        assert_memory_equal(again, whole, 100);
        free(again);
    }
    free(whole);
}

static void backup__refuses_a_directory_that_is_open_missing_or_damaged(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    struct backup *backup;
    char problem[BACKUP_PROBLEM_MAX];
    char path[SAMPLE_PATH_MAX];
    uint8_t bytes[4096];
    size_t got;
    sample_fill(sample);
    assert_int_equal(backup_open_directory(sample->directory, &backup, problem), -EBUSY);
    assert_non_null(strstr(problem, "pid "));
    sample_close(sample);
    assert_int_equal(backup_open_directory(sample->base, &backup, problem), -ENOENT);

    sample_path(sample, "data/checkpoint/0000000000000028.ckpt", path);
    sample_flip(path, 4096 + 77, 1);
    assert_int_equal(backup_open_directory(sample->directory, &backup, problem), 0);
    int error = 0;
    do
        error = backup_read(backup, bytes, sizeof(bytes), &got);
    while (error == 0 && got > 0);
    assert_int_equal(error, -EBADMSG);
    assert_non_null(strstr(backup_problem(backup), "checkpoint/0000000000000028.ckpt"));
    backup_close(backup);
    sample_flip(path, 4096 + 77, 1);

    sample_path(sample, "data/log/0000000000000001.wal", path);
    sample_flip(path, 4096 * 3 + 77, 1);
    assert_int_equal(backup_open_directory(sample->directory, &backup, problem), 0);
    do
        error = backup_read(backup, bytes, sizeof(bytes), &got);
    while (error == 0 && got > 0);
    assert_int_equal(error, -EBADMSG);
    assert_non_null(strstr(backup_problem(backup), "log/0000000000000001.wal"));
    backup_close(backup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(backup__is_a_tar_file_with_known_members, setup, teardown),
        cmocka_unit_test_setup_teardown(backup__is_the_same_bytes_whatever_is_read_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(backup__refuses_a_directory_that_is_open_missing_or_damaged,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
