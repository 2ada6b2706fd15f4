/* test_truncation.c - every file of a ledger, and a backup, cut off at every length that matters.
 *
 * Lengths: of meta every one. Of the others and of a backup, which are too long for that in some
 * seconds, every one up to DENSE_BYTES from both ends (all fields of headers and footers), and of
 * the rest every boundary of 512 bytes and the lengths beside it. All are refused, with the name of
 * what is cut off and an offset in it, also a spare segment and the zeros behind the last record;
 * a backup with the offset of its end.
 *
 * A file of a directory is cut shorter and shorter at its place; a backup is read from memory and
 * unpacked to the simulated disk.
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
#include <sys/mman.h>
#include <unistd.h>

#include "engine/tools/unpack.h"
#include "engine/tools/verify.h"
#include "ledger_sample.h"
#include "support/sim_disk.h"

enum {
    SECTOR = 512,
    DENSE_BYTES = 600,
    /* A file that is taken at every byte. */
    SMALL_BYTES = 4096,
};

struct fixture {
    struct sample *sample;
    struct verify_report report;
    unsigned cut_off;
    unsigned files;
};

/* One checkpoint, one key file, two segments in use; closed. */
static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->sample = sample_create();
    sample_open(fixture->sample, 1);
    sample_run(fixture->sample, SAMPLE_ACCOUNTS + 1);
    assert_int_equal(florin_checkpoint(fixture->sample->ledger), 0);
    sample_run(fixture->sample, 1);
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

static bool is_taken(size_t length, size_t size, size_t small)
{
    size_t beside = length % SECTOR;
    return size <= small || length < DENSE_BYTES || length >= size - DENSE_BYTES || beside <= 1 ||
           beside == SECTOR - 1;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Damaged, and one of the problems names the file, at a place in it. */
static void expect_damage(struct fixture *fixture, const char *name, size_t length, size_t size)
{
    const struct verify_report *report = &fixture->report;
    int error = verify_directory(fixture->sample->directory, NULL, NULL, &fixture->report);
    bool named = false;
    for (size_t i = 0; i < report->problem_count && i < VERIFY_PROBLEMS_MAX; i++)
        named =
            named || (strcmp(report->problems[i].file, name) == 0 &&
                      report->problems[i].offset <= size && report->problems[i].reason[0] != '\0');
    if (error != -EBADMSG || !named)
        fail_msg("%s cut off at %zu of %zu: %d, %zu problems, the first %s at %" PRIu64 ": %s",
                 name, length, size, error, report->problem_count, report->problems[0].file,
                 report->problems[0].offset, report->problems[0].reason);
    fixture->cut_off++;
}

static void cut_file(void *context, const char *name)
{
    struct fixture *fixture = context;
    char path[SAMPLE_PATH_MAX];
    size_t size;
    int written = snprintf(path, sizeof(path), "%s/data/%s", fixture->sample->base, name);
    assert_true(written > 0 && written < SAMPLE_PATH_MAX);
    uint8_t *bytes = sample_read_file(path, &size);
    for (size_t length = size; length-- > 0;) {
        if (!is_taken(length, size, SMALL_BYTES))
            continue;
        assert_int_equal(truncate(path, (off_t)length), 0);
        expect_damage(fixture, name, length, size);
    }
    sample_write_file(path, bytes, size);
    free(bytes);
    fixture->files++;
}

static void truncation__of_every_file_is_found_and_named(void **state)
{
    struct fixture *fixture = *state;
    sample_visit_files(fixture->sample, cut_file, fixture);
    print_message("%u files, %u lengths\n", fixture->files, fixture->cut_off);
    assert_true(fixture->files >= 5);
    assert_int_equal(verify_directory(fixture->sample->directory, NULL, NULL, &fixture->report), 0);
}

/* --- backups ---------------------------------------------------------------------------------- */

static int unpack(int input, struct backup_info *info, struct tool_problem *problem)
{
    struct sim_disk *disk = sim_disk_create();
    assert_int_equal(lseek(input, 0, SEEK_SET), 0);
    int error = unpack_backup(input, sim_disk_storage(disk), info, problem);
    sim_disk_destroy(disk);
    return error;
}

static void truncation__of_a_backup_is_refused_at_its_end(void **state)
{
    struct fixture *fixture = *state;
    char path[SAMPLE_PATH_MAX];
    struct backup_info info;
    struct tool_problem problem;
    size_t size;
    sample_path(fixture->sample, "backup.tar", path);
    sample_back_up(fixture->sample->directory, path);
    uint8_t *bytes = sample_read_file(path, &size);
    int input = memfd_create("backup", MFD_CLOEXEC);
    assert_true(input >= 0);
    assert_int_equal(write(input, bytes, size), size);
    free(bytes);
    assert_int_equal(unpack(input, &info, &problem), 0);
    assert_int_equal(info.durable_lsn, SAMPLE_ACCOUNTS + 2);
    for (size_t length = size; length-- > 0;) {
        if (!is_taken(length, size, 0))
            continue;
        assert_int_equal(ftruncate(input, (off_t)length), 0);
        int error = unpack(input, &info, &problem);
        if (error != -EBADMSG || problem.file[0] == '\0' || problem.offset != length)
            fail_msg("cut off at %zu of %zu: %d, %s at %" PRIu64 ": %s", length, size, error,
                     problem.file, problem.offset, problem.reason);
        fixture->cut_off++;
    }
    print_message("%u lengths of %zu bytes\n", fixture->cut_off, size);
    (void)close(input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(truncation__of_every_file_is_found_and_named, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(truncation__of_a_backup_is_refused_at_its_end, setup,
                                        teardown),
    };
    /* Nothing of this is about a disk, and it is some thousand lengths. */
    if (access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
