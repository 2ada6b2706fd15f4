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

/* --- the bytes of the format -------------------------------------------------------------------
 */

static void format__of_a_header_is_ustar(void **state)
{
    (void)state;
    uint8_t block[BACKUP_BLOCK_BYTES];
    static const char beginning[] = "meta";
    backup_header_encode("meta", 4096, 1763800000, block);
    assert_memory_equal(block, beginning, sizeof(beginning));
    assert_memory_equal(block + 100, "0000600\0000000000\0000000000\0", 24);
    assert_memory_equal(block + 124,
                        "00000010000\0"
                        "15110271700",
                        24);
    assert_memory_equal(block + 148, "006626\0 0", 9);
    assert_memory_equal(block + 257, "ustar\00000", 8);
    for (size_t i = 265; i < BACKUP_BLOCK_BYTES; i++)
        assert_int_equal(block[i], 0);
    /* from 8 GiB on in base 256 */
    backup_header_encode("meta", UINT64_C(1) << 33, 0, block);
    assert_memory_equal(block + 124, "\x80\0\0\0\0\0\0\x02\0\0\0\0", 12);
    backup_header_encode("meta", (UINT64_C(1) << 33) - 1, 0, block);
    assert_memory_equal(block + 124, "77777777777\0", 12);
}

static void format__decodes_exactly_what_it_encodes(void **state)
{
    static const uint64_t sizes[] = {
        0, 1, 511, 4096, (UINT64_C(1) << 33) - 1, UINT64_C(1) << 33, BACKUP_FILE_BYTES_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t block[BACKUP_BLOCK_BYTES];
        char name[STORAGE_NAME_MAX];
        uint64_t size;
        bool end;
        backup_header_encode("log/0000000000000001.wal", sizes[i], 7, block);
        assert_true(backup_header_decode(block, name, &size, &end));
        assert_string_equal(name, "log/0000000000000001.wal");
        assert_int_equal(size, sizes[i]);
        assert_false(end);
        for (size_t bit = 0; bit < sizeof(block) * 8; bit++) {
            block[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            assert_false(backup_header_decode(block, name, &size, &end));
            block[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        }
    }
    uint8_t zeros[BACKUP_BLOCK_BYTES] = {0};
    char name[STORAGE_NAME_MAX];
    uint64_t size;
    bool end;
    assert_true(backup_header_decode(zeros, name, &size, &end));
    assert_true(end);
}

static void format__of_the_texts(void **state)
{
    struct backup_info info = {
        .format_version = 1, .durable_lsn = 131, .time_ns = 1763800000000000000};
    struct backup_info again;
    char text[BACKUP_INFO_BYTES_MAX];
    char line[BACKUP_MANIFEST_LINE_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof(info.log_id); i++)
        info.log_id[i] = (uint8_t)(17 * i);
    size_t length = backup_info_encode(&info, text);
    assert_string_equal(text, "florin_backup=1\nlog_id=00112233445566778899aabbccddeeff\n"
                              "durable_lsn=131\ntime_ns=1763800000000000000\n");
    assert_int_equal(backup_info_decode(text, length, &again), 0);
    assert_memory_equal(again.log_id, info.log_id, sizeof(info.log_id));
    assert_int_equal(again.durable_lsn, 131);
    assert_int_equal(again.time_ns, info.time_ns);
    for (size_t end = 0; end < length; end++)
        assert_int_equal(backup_info_decode(text, end, &again), -EBADMSG);
    text[14] = '2';
    assert_int_equal(backup_info_decode(text, length, &again), -EPROTONOSUPPORT);
    assert_int_equal(again.format_version, 2);
    backup_manifest_line("meta", 4096, UINT64_C(0x0123456789abcdef), line);
    assert_string_equal(line, "0123456789abcdef 4096 meta\n");
}

static void format__knows_its_members_by_name(void **state)
{
    static const struct {
        const char *name;
        enum backup_member member;
    } names[] = {
        {"BACKUP-INFO", BACKUP_MEMBER_INFO},
        {"meta", BACKUP_MEMBER_META},
        {"checkpoint/00000000000000ff.ckpt", BACKUP_MEMBER_CHECKPOINT},
        {"keys/0000000000000001-00000000000000ff.keys", BACKUP_MEMBER_KEYS},
        {"log/0000000000000017.wal", BACKUP_MEMBER_SEGMENT},
        {"MANIFEST", BACKUP_MEMBER_MANIFEST},
        {"", BACKUP_MEMBER_UNKNOWN},
        {"Meta", BACKUP_MEMBER_UNKNOWN},
        {"lock", BACKUP_MEMBER_UNKNOWN},
        {"./meta", BACKUP_MEMBER_UNKNOWN},
        {"log/", BACKUP_MEMBER_UNKNOWN},
        {"log/0000000000000000.wal", BACKUP_MEMBER_UNKNOWN},
        {"log/0000000000000017.tmp", BACKUP_MEMBER_UNKNOWN},
        {"log/0000000000000017.wal/x", BACKUP_MEMBER_UNKNOWN},
        {"log/../meta", BACKUP_MEMBER_UNKNOWN},
        {"checkpoint/00000000000000FF.ckpt", BACKUP_MEMBER_UNKNOWN},
        {"checkpoint/00000000000000ff.ckpt.tmp", BACKUP_MEMBER_UNKNOWN},
        {"checkpoint/ff.ckpt", BACKUP_MEMBER_UNKNOWN},
        {"keys/00000000000000ff-0000000000000001.keys", BACKUP_MEMBER_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (backup_member_of_name(names[i].name) != names[i].member)
            fail_msg("%s", names[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format__of_a_header_is_ustar),
        cmocka_unit_test(format__decodes_exactly_what_it_encodes),
        cmocka_unit_test(format__of_the_texts),
        cmocka_unit_test(format__knows_its_members_by_name),
        cmocka_unit_test_setup_teardown(backup__is_a_tar_file_with_known_members, setup, teardown),
        cmocka_unit_test_setup_teardown(backup__is_the_same_bytes_whatever_is_read_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(backup__refuses_a_directory_that_is_open_missing_or_damaged,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
