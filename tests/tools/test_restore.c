/* test_restore.c - backups: taken while the ledger works, cut off, bent, and brought back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/runtime/backup.h"
#include "engine/runtime/backup_format.h"
#include "engine/tools/digest.h"
#include "engine/tools/restore.h"
#include "ledger_sample.h"
#include "wal/checksum.h"

struct fixture {
    struct sample *sample;
    char backup[SAMPLE_PATH_MAX];
    char restored[SAMPLE_PATH_MAX];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->sample = sample_create();
    sample_path(fixture->sample, "backup.tar", fixture->backup);
    sample_path(fixture->sample, "restored", fixture->restored);
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

static int restore(const struct fixture *fixture, enum restore_until until, uint64_t value,
                   struct restore_report *report, struct tool_problem *problem)
{
    struct restore_options options = {
        .input = open(fixture->backup, O_RDONLY | O_CLOEXEC),
        .directory = fixture->restored,
        .until = until,
        .value = value,
    };
    assert_true(options.input >= 0);
    int error = restore_backup(&options, report, problem);
    (void)close(options.input);
    return error;
}

static void expect_restored(const struct fixture *fixture, enum restore_until until, uint64_t value,
                            struct restore_report *report)
{
    struct tool_problem problem;
    int error = restore(fixture, until, value, report, &problem);
    if (error != 0)
        fail_msg("restore: %s: %s %s", strerror(-error), problem.file, problem.reason);
}

/* Nothing is left behind. */
static void expect_nothing(const struct fixture *fixture)
{
    char temporary[SAMPLE_PATH_MAX + 8];
    snprintf(temporary, sizeof(temporary), "%s.tmp", fixture->restored);
    assert_false(sample_is_there(fixture->restored));
    assert_false(sample_is_there(temporary));
}

static void remove_restored(const struct fixture *fixture)
{
    temporary_directory_remove(fixture->restored);
}

static void backup__of_a_stopped_directory_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    struct restore_report report;
    sample_fill(sample);
    sample_close(sample);
    struct digest_report original = sample_digest(sample->directory, STATE_AT_END);
    sample_back_up(sample->directory, fixture->backup);
    expect_restored(fixture, RESTORE_WHOLE, 0, &report);
    assert_int_equal(report.lsn, original.lsn);
    assert_int_equal(report.digest, original.digest);
    assert_int_equal(report.accounts, original.accounts);
    assert_int_equal(report.keys, original.keys);
    assert_int_equal(sample_digest(fixture->restored, STATE_AT_END).digest, original.digest);

    /* and it opens, and knows the keys */
    sample->options.directory = fixture->restored;
    sample_open(sample, 3);
    sample->commands = SAMPLE_ACCOUNTS;
    sample_run(sample, SAMPLE_ACCOUNTS * 3);
    assert_int_equal(florin_durable_lsn(sample->ledger),
                     original.lsn + SAMPLE_ACCOUNTS); /* those without a key happened again */
    sample_close(sample);
}

/* --- a ledger that works meanwhile ------------------------------------------------------------ */

struct load {
    struct sample *sample;
    atomic_bool stop;
    _Atomic unsigned done;
};

static void *run_load(void *context)
{
    struct load *load = context;
    while (!atomic_load(&load->stop)) {
        sample_run(load->sample, 1);
        atomic_fetch_add(&load->done, 1);
    }
    return NULL;
}

static void *run_checkpoints(void *context)
{
    struct load *load = context;
    while (!atomic_load(&load->stop)) {
        int error = florin_checkpoint(load->sample->ledger);
        assert_int_equal(error, 0);
    }
    return NULL;
}

static void backup__under_load_holds_exactly_what_was_durable(void **state)
{
    enum { ROUNDS = 5, PIECE = 8192 };
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    struct load load = {.sample = sample};
    pthread_t writer;
    pthread_t keeper;
    uint64_t lsns[ROUNDS];
    char paths[ROUNDS][SAMPLE_PATH_MAX];
    sample_fill(sample);
    assert_int_equal(pthread_create(&writer, NULL, run_load, &load), 0);
    assert_int_equal(pthread_create(&keeper, NULL, run_checkpoints, &load), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct backup *backup;
        char name[32];
        unsigned before = atomic_load(&load.done);
        snprintf(name, sizeof(name), "backup-%u", round);
        sample_path(sample, name, paths[round]);
        assert_int_equal(backup_open(sample->ledger, &backup), 0);
        lsns[round] = backup_durable_lsn(backup);
        /* the ledger goes on: at least this many commands while the backup is open */
        while (atomic_load(&load.done) < before + 20)
            ;
        sample_write_stream(backup, paths[round], PIECE);
    }
    atomic_store(&load.stop, true);
    pthread_join(writer, NULL);
    pthread_join(keeper, NULL);
    sample_close(sample);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct restore_report report;
        memcpy(fixture->backup, paths[round], SAMPLE_PATH_MAX);
        expect_restored(fixture, RESTORE_WHOLE, 0, &report);
        assert_int_equal(report.lsn, lsns[round]);
        assert_int_equal(report.digest, sample_digest(sample->directory, lsns[round]).digest);
        remove_restored(fixture);
    }
}

/* --- back to a point in time ------------------------------------------------------------------ */

static void restore__until_every_lsn_gives_the_state_of_then(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    struct restore_report report;
    struct tool_problem problem;
    sample_open(sample, 1);
    sample_run(sample, 25);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 8);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 4);
    sample_close(sample);
    uint64_t last = sample_last_lsn(sample->directory);
    sample_back_up(sample->directory, fixture->backup);
    for (uint64_t lsn = 0; lsn <= last; lsn++) {
        expect_restored(fixture, RESTORE_UNTIL_LSN, lsn, &report);
        assert_int_equal(report.lsn, lsn);
        assert_int_equal(report.digest, sample_digest(sample->directory, lsn).digest);
        assert_int_equal(sample_last_lsn(fixture->restored), lsn);
        remove_restored(fixture);
    }
    assert_int_equal(restore(fixture, RESTORE_UNTIL_LSN, last + 1, &report, &problem), -ERANGE);
    assert_non_null(strstr(problem.reason, "the backup ends with LSN 37"));
    expect_nothing(fixture);
}

static void restore__until_a_time_drops_what_is_later(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    struct restore_report report;
    struct florin_result result;
    sample_open(sample, 1);
    sample_run(sample, 25);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    struct florin_command deposit = {
        .kind = FLORIN_DEPOSIT, .account = "account-1", .account_length = 9, .amount_minor = 5};
    assert_int_equal(florin_submit(sample->client, &deposit, 1), 1);
    assert_int_equal(florin_reap(sample->client, &result, 1, -1), 1);
    assert_int_equal(result.transaction_id, 26);
    sample_run(sample, 8);
    sample_close(sample);
    sample_back_up(sample->directory, fixture->backup);
    expect_restored(fixture, RESTORE_UNTIL_TIME, result.time_ns, &report);
    assert_int_equal(report.lsn, 26);
    remove_restored(fixture);
    expect_restored(fixture, RESTORE_UNTIL_TIME, result.time_ns - 1, &report);
    assert_int_equal(report.lsn, 25);
    remove_restored(fixture);
    expect_restored(fixture, RESTORE_UNTIL_TIME, 0, &report);
    assert_int_equal(report.lsn, 0);
    remove_restored(fixture);
    expect_restored(fixture, RESTORE_UNTIL_TIME, UINT64_MAX, &report);
    assert_int_equal(report.lsn, 34);
}

static void restore__says_what_is_possible_when_old_log_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    struct restore_report report;
    struct tool_problem problem;
    char path[SAMPLE_PATH_MAX];
    /* the rule lets go of all that no checkpoint needs */
    sample->options.retain_bytes = 1;
    sample_fill(sample);
    sample_run(sample, 60);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 20);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 5);
    sample_close(sample);
    sample_path(sample, "data/log/0000000000000001.wal", path);
    assert_false(sample_is_there(path));
    uint64_t last = sample_digest(sample->directory, STATE_AT_END).lsn;
    sample_back_up(sample->directory, fixture->backup);

    for (uint64_t lsn = 1; lsn <= last; lsn += lsn < 138 || lsn > 142 ? 7 : 1) {
        int error = restore(fixture, RESTORE_UNTIL_LSN, lsn, &report, &problem);
        if (error != 0) {
            assert_int_equal(error, -ERANGE);
            assert_true(lsn < 140);
            assert_non_null(strstr(problem.reason, "can be built from LSN 140 on"));
            expect_nothing(fixture);
            continue;
        }
        assert_true(lsn >= 140);
        assert_int_equal(report.lsn, lsn);
        assert_int_equal(report.digest, sample_digest(sample->directory, lsn).digest);
        remove_restored(fixture);
    }
}

/* --- streams that are not to be trusted --------------------------------------------------------
 */

static void expect_refused(const struct fixture *fixture, const uint8_t *bytes, size_t length,
                           const char *what, size_t place)
{
    struct restore_report report;
    struct tool_problem problem;
    sample_write_file(fixture->backup, bytes, length);
    int error = restore(fixture, RESTORE_WHOLE, 0, &report, &problem);
    if (error != -EBADMSG || problem.reason[0] == '\0')
        fail_msg("%s at %zu of %zu: %d", what, place, length, error);
    expect_nothing(fixture);
}

static void restore__refuses_what_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    size_t length;
    sample_open(fixture->sample, 1);
    sample_run(fixture->sample, 22);
    assert_int_equal(florin_checkpoint(fixture->sample->ledger), 0);
    sample_close(fixture->sample);
    sample_back_up(fixture->sample->directory, fixture->backup);
    uint8_t *bytes = sample_read_file(fixture->backup, &length);
    for (size_t end = 0; end < length; end += end < 1024 || end > length - 2100 ? 61 : 4099)
        expect_refused(fixture, bytes, end, "cut off", end);
    expect_refused(fixture, bytes, length - 1, "cut off", length - 1);
    /* and what is too long */
    bytes[length] = 0;
    expect_refused(fixture, bytes, length + 1, "too long", length);
    free(bytes);
}

static void restore__refuses_every_flipped_bit(void **state)
{
    struct fixture *fixture = *state;
    size_t length;
    sample_open(fixture->sample, 1);
    sample_run(fixture->sample, 22);
    assert_int_equal(florin_checkpoint(fixture->sample->ledger), 0);
    sample_close(fixture->sample);
    sample_back_up(fixture->sample->directory, fixture->backup);
    uint8_t *bytes = sample_read_file(fixture->backup, &length);
    unsigned bit = 0;
    for (size_t i = 0; i < length; i += i < 1600 || i > length - 2600 ? 37 : 4099) {
        uint8_t mask = (uint8_t)(1U << (bit++ % 8));
        bytes[i] ^= mask;
        expect_refused(fixture, bytes, length, "flipped", i);
        bytes[i] ^= mask;
    }
    free(bytes);
}

struct writing {
    FILE *file;
    char manifest[4096];
    size_t manifest_length;
};

static void write_member(struct writing *writing, const char *name, const void *bytes,
                         size_t length)
{
    uint8_t header[BACKUP_BLOCK_BYTES];
    uint8_t zeros[BACKUP_BLOCK_BYTES] = {0};
    char line[BACKUP_MANIFEST_LINE_MAX + 1];
    backup_header_encode(name, length, 0, header);
    assert_int_equal(fwrite(header, 1, sizeof(header), writing->file), sizeof(header));
    assert_int_equal(fwrite(bytes, 1, length, writing->file), length);
    assert_int_equal(fwrite(zeros, 1, backup_padding(length), writing->file),
                     backup_padding(length));
    size_t added = backup_manifest_line(name, length, checksum_bytes(bytes, length, 0), line);
    memcpy(writing->manifest + writing->manifest_length, line, added);
    writing->manifest_length += added;
}

/* A stream of members with a right manifest. */
static void write_hostile(const struct fixture *fixture, const uint8_t *meta, size_t info_length,
                          const char *info, const char *const *names, const uint8_t *segment)
{
    struct writing writing = {.file = fopen(fixture->backup, "wb")};
    uint8_t zeros[2 * BACKUP_BLOCK_BYTES] = {0};
    assert_non_null(writing.file);
    write_member(&writing, BACKUP_INFO_NAME, info, info_length);
    write_member(&writing, "meta", meta, BACKUP_META_BYTES);
    for (; *names != NULL; names++)
        write_member(&writing, *names, segment, SAMPLE_SEGMENT_BYTES);
    char *manifest = strdup(writing.manifest);
    write_member(&writing, BACKUP_MANIFEST_NAME, manifest, strlen(manifest));
    assert_int_equal(fwrite(zeros, 1, sizeof(zeros), writing.file), sizeof(zeros));
    assert_int_equal(fclose(writing.file), 0);
    free(manifest);
}

static void restore__refuses_members_that_do_not_belong(void **state)
{
    static const char *const bad[][4] = {
        {"../evil", NULL},
        {"/etc/passwd", NULL},
        {"log/../../evil", NULL},
        {"log/0000000000000001.wal", "log/../evil.wal", NULL},
        {"log/1.wal", NULL},
        {"log/0000000000000000.wal", NULL},
        {"log/0000000000000001.tmp", NULL},
        {"log/0000000000000001.wal", "log/0000000000000001.wal", NULL},
        {"log/0000000000000001.wal", "log/0000000000000003.wal", NULL},
        {"log/0000000000000002.wal", "log/0000000000000001.wal", NULL},
        {"log/0000000000000001.wal", "checkpoint/0000000000000001.ckpt", NULL},
        {"keys/0000000000000001-0000000000000009.keys", "checkpoint/0000000000000001.ckpt", NULL},
        {"checkpoint/000000000000000A.ckpt", NULL},
        {"keys/0000000000000009-0000000000000001.keys", NULL},
        {"lock", NULL},
        {"meta", NULL},
        {"quarantine/x", NULL},
        {BACKUP_INFO_NAME, NULL},
        {BACKUP_MANIFEST_NAME, NULL},
        {NULL},
        /* of the right name, but not what they should be */
        {"log/0000000000000002.wal", NULL},
        {"log/0000000000000001.wal", "log/0000000000000002.wal", NULL},
        {"checkpoint/0000000000000001.ckpt", "log/0000000000000001.wal", NULL},
    };
    struct fixture *fixture = *state;
    struct restore_report report;
    struct tool_problem problem;
    char path[SAMPLE_PATH_MAX];
    size_t length;
    sample_open(fixture->sample, 1);
    sample_run(fixture->sample, 3);
    sample_close(fixture->sample);
    sample_path(fixture->sample, "data/meta", path);
    uint8_t *meta = sample_read_file(path, &length);
    sample_path(fixture->sample, "data/log/0000000000000001.wal", path);
    uint8_t *segment = sample_read_file(path, &length);
    struct backup_info info = {.format_version = 1, .durable_lsn = 3};
    memset(info.log_id, 0x5a, sizeof(info.log_id));
    char text[BACKUP_INFO_BYTES_MAX];
    size_t info_length = backup_info_encode(&info, text);

    /* what is right is taken, so that it is the members that are refused */
    static const char *const good[] = {"log/0000000000000001.wal", NULL};
    write_hostile(fixture, meta, info_length, text, good, segment);
    expect_restored(fixture, RESTORE_WHOLE, 0, &report);
    assert_int_equal(report.lsn, 3);
    remove_restored(fixture);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_hostile(fixture, meta, info_length, text, bad[i], segment);
        int error = restore(fixture, RESTORE_WHOLE, 0, &report, &problem);
        if (error != -EBADMSG)
            fail_msg("%zu: %d", i, error);
        expect_nothing(fixture);
    }
    sample_path(fixture->sample, "evil", path);
    assert_false(sample_is_there(path));

    /* a log that is shorter or longer than the backup says, another version, another ledger */
    info.durable_lsn = 4;
    info_length = backup_info_encode(&info, text);
    write_hostile(fixture, meta, info_length, text, good, segment);
    assert_int_equal(restore(fixture, RESTORE_WHOLE, 0, &report, &problem), -EBADMSG);
    info.durable_lsn = 3;
    info.format_version = 2;
    info_length = backup_info_encode(&info, text);
    write_hostile(fixture, meta, info_length, text, good, segment);
    assert_int_equal(restore(fixture, RESTORE_WHOLE, 0, &report, &problem), -EBADMSG);
    assert_non_null(strstr(problem.reason, "format version 2, this release reads 1"));
    info.format_version = 1;
    info.log_id[3] = 1;
    info_length = backup_info_encode(&info, text);
    write_hostile(fixture, meta, info_length, text, good, segment);
    assert_int_equal(restore(fixture, RESTORE_WHOLE, 0, &report, &problem), -EBADMSG);
    assert_non_null(strstr(problem.reason, "another ledger"));
    expect_nothing(fixture);
    free(meta);
    free(segment);
}

static void restore__overwrites_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct restore_report report;
    struct tool_problem problem;
    char temporary[SAMPLE_PATH_MAX + 8];
    char file[SAMPLE_PATH_MAX + 8];
    sample_open(fixture->sample, 1);
    sample_run(fixture->sample, 3);
    sample_close(fixture->sample);
    sample_back_up(fixture->sample->directory, fixture->backup);
    snprintf(temporary, sizeof(temporary), "%s.tmp", fixture->restored);
    snprintf(file, sizeof(file), "%s/file", fixture->restored);

    assert_int_equal(mkdir(temporary, 0700), 0);
    assert_int_equal(restore(fixture, RESTORE_WHOLE, 0, &report, &problem), -EEXIST);
    assert_int_equal(rmdir(temporary), 0);

    assert_int_equal(mkdir(fixture->restored, 0700), 0);
    sample_write_file(file, "x", 1);
    assert_int_equal(restore(fixture, RESTORE_WHOLE, 0, &report, &problem), -EEXIST);
    assert_true(sample_is_there(file));
    assert_false(sample_is_there(temporary));

    /* an empty directory is as good as none */
    assert_int_equal(unlink(file), 0);
    expect_restored(fixture, RESTORE_WHOLE, 0, &report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(backup__of_a_stopped_directory_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(backup__under_load_holds_exactly_what_was_durable, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(restore__until_every_lsn_gives_the_state_of_then, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(restore__until_a_time_drops_what_is_later, setup, teardown),
        cmocka_unit_test_setup_teardown(restore__says_what_is_possible_when_old_log_is_gone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(restore__refuses_what_is_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(restore__refuses_every_flipped_bit, setup, teardown),
        cmocka_unit_test_setup_teardown(restore__refuses_members_that_do_not_belong, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(restore__overwrites_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
