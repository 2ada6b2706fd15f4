/* test_repair.c - the end of a log that cannot be read, dropped; and everything that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tools/repair.h"
#include "engine/tools/verify.h"
#include "ledger_sample.h"
#include "wal/bytes.h"
#include "wal/frame.h"

/* 2025-11-22T08:26:40Z */
#define NOW_NS UINT64_C(1763800000000000000)

enum { SAID_BYTES = 8192 };

struct fixture {
    struct sample *sample;
    char before[SAMPLE_PATH_MAX]; /* a copy from before the repair */
    char quarantine[SAMPLE_PATH_MAX];
    struct tool_problem problem;
    char said[SAID_BYTES];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->sample = sample_create();
    sample_path(fixture->sample, "before", fixture->before);
    sample_path(fixture->sample, "data/quarantine/20251122T082640Z", fixture->quarantine);
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

static void keep_line(void *context, const char *line)
{
    struct fixture *fixture = context;
    size_t length = strlen(fixture->said);
    snprintf(fixture->said + length, SAID_BYTES - length, "%s\n", line);
}

static int repair(struct fixture *fixture, uint64_t lsn, enum repair_mode mode)
{
    fixture->said[0] = '\0';
    return repair_directory(fixture->sample->directory, lsn, mode, NOW_NS, keep_line, fixture,
                            &fixture->problem);
}

/* Two checkpoints at LSN 40 and 70, the log goes on to 80; closed. */
static void fill(struct fixture *fixture)
{
    sample_fill(fixture->sample);
    sample_close(fixture->sample);
}

static void keep_before(const struct fixture *fixture)
{
    sample_copy(fixture->sample->directory, fixture->before);
}

static bool is_same(const char *left_folder, const char *name, const char *right_folder)
{
    char left[2 * SAMPLE_PATH_MAX];
    char right[2 * SAMPLE_PATH_MAX];
    snprintf(left, sizeof(left), "%s/%s", left_folder, name);
    snprintf(right, sizeof(right), "%s/%s", right_folder, name);
    if (!sample_is_there(left) || !sample_is_there(right))
        return false;
    size_t left_length;
    size_t right_length;
    uint8_t *left_bytes = sample_read_file(left, &left_length);
    uint8_t *right_bytes = sample_read_file(right, &right_length);
    bool same = left_length == right_length && memcmp(left_bytes, right_bytes, left_length) == 0;
    free(left_bytes);
    free(right_bytes);
    return same;
}

/* The segment that holds an LSN, and the block in it: every command was a frame of one block. A
 * closed ledger is searched, so that marks between the frames do not matter. */
static void find_frame(const struct fixture *fixture, uint64_t lsn, char path[SAMPLE_PATH_MAX],
                       uint64_t *offset)
{
    for (unsigned segment = 1;; segment++) {
        char name[64];
        size_t length;
        snprintf(name, sizeof(name), "data/log/%016u.wal", segment);
        sample_path(fixture->sample, name, path);
        assert_true(sample_is_there(path));
        uint8_t *bytes = sample_read_file(path, &length);
        for (size_t block = 4096; block < length; block += 4096) {
            const uint64_t first_lsn = bytes_get_u64(bytes + block + 40);
            if (memcmp(bytes + block, "FLRF", 4) == 0 && bytes[block + 6] == FRAME_RECORDS &&
                first_lsn == lsn) {
                *offset = block;
                free(bytes);
                return;
            }
        }
        free(bytes);
    }
}

static void expect_sound(const struct fixture *fixture, uint64_t lsn, uint64_t digest)
{
    struct verify_report *report = calloc(1, sizeof(*report));
    assert_non_null(report);
    int error = verify_directory(fixture->sample->directory, NULL, NULL, report);
    if (error != 0)
        fail_msg("%d: %s %s", error, report->problems[0].file, report->problems[0].reason);
    assert_int_equal(report->lsn, lsn);
    assert_int_equal(report->digest, digest);
    free(report);
}

/* It opens, with what was there, and goes on. */
static void expect_opens(struct fixture *fixture, uint64_t lsn)
{
    struct sample *sample = fixture->sample;
    sample_open(sample, 3);
    assert_int_equal(florin_durable_lsn(sample->ledger), lsn);
    sample->commands = lsn;
    sample_run(sample, 5);
    assert_int_equal(florin_durable_lsn(sample->ledger), lsn + 5);
    sample_close(sample);
}

static void repair__without_acceptance_only_says_what_would_be_lost(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    keep_before(fixture);
    assert_int_equal(repair(fixture, 75, REPAIR_SAY), 0);
    assert_non_null(strstr(fixture->said, "lost: the records from LSN 75 to 80\n"));
    assert_non_null(strstr(fixture->said, "kept: LSN 1 to 74, 20 accounts"));
    assert_int_equal(sample_differ(fixture->sample->directory, fixture->before), 0);
}

static void repair__of_a_damaged_end_keeps_the_originals_byte_for_byte(void **state)
{
    struct fixture *fixture = *state;
    char path[SAMPLE_PATH_MAX];
    char log[2 * SAMPLE_PATH_MAX];
    uint64_t offset;
    fill(fixture);
    uint64_t digest = sample_digest(fixture->sample->directory, 78).digest;
    find_frame(fixture, 79, path, &offset);
    sample_flip(path, offset + 200, 1);
    keep_before(fixture);
    assert_int_equal(florin_open(&fixture->sample->options, &fixture->sample->ledger), -EBADMSG);
    fixture->sample->ledger = NULL;

    assert_int_equal(repair(fixture, 79, REPAIR_ACCEPT_LOSS), 0);
    assert_non_null(strstr(fixture->said, "LSN 79: "));
    assert_non_null(strstr(fixture->said, "the log ends with LSN 78\n"));
    expect_sound(fixture, 78, digest);
    assert_true(is_same(fixture->quarantine, strstr(path, "log/"), fixture->before));
    /* what was not changed is not there */
    assert_false(is_same(fixture->quarantine, "checkpoint/0000000000000046.ckpt", fixture->before));
    assert_true(
        is_same(fixture->sample->directory, "checkpoint/0000000000000046.ckpt", fixture->before));
    /* what was said stands in the log */
    size_t length;
    snprintf(log, sizeof(log), "%s/repair.log", fixture->quarantine);
    char *text = (char *)sample_read_file(log, &length);
    text[length] = '\0';
    assert_string_equal(text, fixture->said);
    free(text);
    expect_opens(fixture, 78);
}

static void repair__of_a_damaged_middle_drops_checkpoints_and_keys_behind_it(void **state)
{
    struct fixture *fixture = *state;
    char path[SAMPLE_PATH_MAX];
    uint64_t offset;
    fill(fixture);
    uint64_t digest = sample_digest(fixture->sample->directory, 54).digest;
    find_frame(fixture, 55, path, &offset);
    sample_flip(path, offset + 100, 0x80);
    keep_before(fixture);
    assert_int_equal(repair(fixture, 55, REPAIR_ACCEPT_LOSS), 0);
    assert_non_null(strstr(fixture->said, "records up to LSN 80 are seen, "));
    expect_sound(fixture, 54, digest);
    static const char *const changed[] = {"checkpoint/0000000000000046.ckpt",
                                          "keys/0000000000000029-0000000000000046.keys"};
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        assert_true(is_same(fixture->quarantine, changed[i], fixture->before));
        assert_false(is_same(fixture->sample->directory, changed[i], fixture->before));
    }
    assert_true(
        is_same(fixture->sample->directory, "checkpoint/0000000000000028.ckpt", fixture->before));
    /* every segment from the cut on */
    for (unsigned segment = (unsigned)strtoul(strstr(path, "log/") + 4, NULL, 10); segment < 100;
         segment++) {
        char name[64];
        char full[SAMPLE_PATH_MAX + 64];
        snprintf(name, sizeof(name), "log/%016u.wal", segment);
        snprintf(full, sizeof(full), "%s/%s", fixture->before, name);
        if (sample_is_there(full))
            assert_true(is_same(fixture->quarantine, name, fixture->before));
    }
    expect_opens(fixture, 54);
}

static void repair__to_every_lsn_leaves_exactly_the_records_before(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    fill(fixture);
    keep_before(fixture);
    for (uint64_t lsn = 1; lsn <= 80; lsn += 3) {
        uint64_t digest = sample_digest(sample->directory, lsn - 1).digest;
        assert_int_equal(repair(fixture, lsn, REPAIR_ACCEPT_LOSS), 0);
        expect_sound(fixture, lsn - 1, digest);
        temporary_directory_remove(sample->directory);
        sample_copy(fixture->before, sample->directory);
    }
}

static void repair__refuses_an_lsn_that_is_not_sensible(void **state)
{
    struct fixture *fixture = *state;
    char path[SAMPLE_PATH_MAX];
    uint64_t offset;
    fill(fixture);
    keep_before(fixture);
    assert_int_equal(repair(fixture, 0, REPAIR_ACCEPT_LOSS), -ERANGE);
    assert_int_equal(repair(fixture, 81, REPAIR_ACCEPT_LOSS), -ERANGE);
    assert_non_null(strstr(fixture->problem.reason, "sound and ends with LSN 80"));
    assert_int_equal(repair(fixture, 500, REPAIR_ACCEPT_LOSS), -ERANGE);
    assert_int_equal(repair(fixture, UINT64_MAX, REPAIR_ACCEPT_LOSS), -ERANGE);
    assert_int_equal(sample_differ(fixture->before, fixture->sample->directory), 0);
    find_frame(fixture, 55, path, &offset);
    sample_flip(path, offset + 100, 0x80);
    assert_int_equal(repair(fixture, 60, REPAIR_ACCEPT_LOSS), -EINVAL);
    assert_int_equal(fixture->problem.lsn, 55);
    assert_non_null(strstr(fixture->problem.reason, "damaged here, before what shall be dropped"));
    assert_false(sample_is_there(fixture->quarantine));
}

static void repair__refuses_a_directory_that_is_open_or_none(void **state)
{
    struct fixture *fixture = *state;
    sample_fill(fixture->sample);
    assert_int_equal(repair(fixture, 75, REPAIR_ACCEPT_LOSS), -EBUSY);
    assert_non_null(strstr(fixture->problem.reason, "has it open: stop it first"));
    sample_close(fixture->sample);
    char lock[SAMPLE_PATH_MAX];
    sample_path(fixture->sample, "lock", lock);
    int error = repair_directory(fixture->sample->base, 5, REPAIR_ACCEPT_LOSS, NOW_NS, keep_line,
                                 fixture, &fixture->problem);
    assert_int_equal(error, -ENOENT);
    assert_false(sample_is_there(lock));
}

static void repair__does_not_overwrite_an_earlier_quarantine(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_int_equal(repair(fixture, 75, REPAIR_ACCEPT_LOSS), 0);
    keep_before(fixture);
    assert_int_equal(repair(fixture, 73, REPAIR_ACCEPT_LOSS), -EEXIST);
    assert_int_equal(sample_differ(fixture->sample->directory, fixture->before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(repair__without_acceptance_only_says_what_would_be_lost,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(repair__of_a_damaged_end_keeps_the_originals_byte_for_byte,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            repair__of_a_damaged_middle_drops_checkpoints_and_keys_behind_it, setup, teardown),
        cmocka_unit_test_setup_teardown(repair__to_every_lsn_leaves_exactly_the_records_before,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(repair__refuses_an_lsn_that_is_not_sensible, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(repair__refuses_a_directory_that_is_open_or_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(repair__does_not_overwrite_an_earlier_quarantine, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
