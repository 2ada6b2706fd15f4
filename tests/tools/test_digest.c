/* test_digest.c - one number for a state, wherever it is kept and whoever wrote it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tools/digest.h"
#include "ledger_sample.h"

static int refused(const char *directory, uint64_t lsn, struct tool_problem *problem)
{
    struct digest_report report;
    return digest_directory(directory, lsn, NULL, NULL, &report, problem);
}

static void digest__of_every_lsn_is_that_of_a_plain_replay(void **state)
{
    struct sample *sample = sample_create();
    (void)state;
    sample_open(sample, 2);
    sample_run(sample, 40);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 30);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 20);
    sample_close(sample);
    uint64_t last = sample_last_lsn(sample->directory);
    assert_true(last >= 80);
    for (uint64_t lsn = 0; lsn <= last; lsn++) {
        struct digest_report report = sample_digest(sample->directory, lsn);
        assert_int_equal(report.lsn, lsn);
        assert_int_equal(report.digest, sample_replay_digest(sample->directory, lsn, 3));
    }
    assert_int_equal(sample_digest(sample->directory, STATE_AT_END).lsn, last);
    assert_int_equal(sample_digest(sample->directory, STATE_AT_END).digest,
                     sample_digest(sample->directory, last).digest);
    assert_int_equal(sample_digest(sample->directory, last).accounts, SAMPLE_ACCOUNTS);
    sample_destroy(sample);
}

static void digest__does_not_depend_on_workers_checkpoints_or_key_files(void **state)
{
    struct sample *sample = sample_create();
    (void)state;
    sample_open(sample, 1);
    sample_run(sample, 60);
    sample_close(sample);
    struct digest_report before = sample_digest(sample->directory, STATE_AT_END);
    for (unsigned workers = 1; workers <= 4; workers++) {
        sample_open(sample, workers);
        assert_int_equal(florin_checkpoint(sample->ledger), 0);
        sample_close(sample);
        struct digest_report after = sample_digest(sample->directory, STATE_AT_END);
        assert_int_equal(after.lsn, before.lsn);
        assert_int_equal(after.digest, before.digest);
        assert_int_equal(after.keys, before.keys);
    }
    sample_destroy(sample);
}

static void digest__of_another_state_is_another(void **state)
{
    struct sample *sample = sample_create();
    (void)state;
    sample_open(sample, 1);
    sample_run(sample, 45);
    sample_close(sample);
    uint64_t last = sample_last_lsn(sample->directory);
    for (uint64_t lsn = 1; lsn <= last; lsn++)
        assert_int_not_equal(sample_digest(sample->directory, lsn).digest,
                             sample_digest(sample->directory, lsn - 1).digest);
    sample_destroy(sample);
}

static void digest__says_which_lsns_there_are(void **state)
{
    struct sample *sample = sample_create();
    struct tool_problem problem;
    char path[SAMPLE_PATH_MAX];
    (void)state;
    sample_open(sample, 1);
    sample_run(sample, 40);
    sample_close(sample);
    assert_int_equal(refused(sample->directory, 1000, &problem), -ERANGE);
    assert_string_equal(problem.reason, "the log ends with LSN 40");
    sample_path(sample, "nothing", path);
    assert_int_equal(refused(path, STATE_AT_END, &problem), -ENOENT);
    assert_int_equal(refused(sample->base, STATE_AT_END, &problem), -ENOENT);
    sample_destroy(sample);
}

static void digest__passes_over_a_damaged_checkpoint(void **state)
{
    struct sample *sample = sample_create();
    char path[SAMPLE_PATH_MAX];
    (void)state;
    sample_open(sample, 1);
    sample_run(sample, 40);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_run(sample, 5);
    sample_close(sample);
    struct digest_report before = sample_digest(sample->directory, STATE_AT_END);
    sample_path(sample, "data/checkpoint/0000000000000028.ckpt", path);
    sample_flip(path, 4096 + 100, 1);
    assert_int_equal(sample_digest(sample->directory, STATE_AT_END).digest, before.digest);
    sample_flip(path, 20, 1);
    assert_int_equal(sample_digest(sample->directory, STATE_AT_END).digest, before.digest);
    sample_destroy(sample);
}

static void digest__is_that_before_damage_of_the_log(void **state)
{
    struct sample *sample = sample_create();
    struct tool_problem problem;
    char path[SAMPLE_PATH_MAX];
    (void)state;
    sample_open(sample, 1);
    sample_run(sample, 40);
    sample_close(sample);
    uint64_t expected = sample_replay_digest(sample->directory, 7, 1);
    /* every command was a frame of one block, behind the header and the recovery frame */
    sample_path(sample, "data/log/0000000000000001.wal", path);
    sample_flip(path, 4096 * 9 + 200, 4);
    assert_int_equal(sample_digest(sample->directory, 7).digest, expected);
    assert_int_equal(refused(sample->directory, 8, &problem), -EBADMSG);
    assert_string_equal(problem.file, "log/0000000000000001.wal");
    assert_int_equal(problem.offset / 4096, 9);
    assert_int_equal(problem.lsn, 8);
    sample_destroy(sample);
}

/* --- a directory in use ------------------------------------------------------------------------
 */

struct load {
    struct sample *sample;
    atomic_bool stop;
};

static void *run_load(void *context)
{
    struct load *load = context;
    while (!atomic_load(&load->stop))
        sample_run(load->sample, 1);
    return NULL;
}

static void digest__of_a_directory_in_use_is_that_of_a_moment(void **state)
{
    enum { LOOKS = 12 };
    struct sample *sample = sample_create();
    struct load load = {.sample = sample};
    struct digest_report looks[LOOKS];
    pthread_t writer;
    (void)state;
    sample_open(sample, 2);
    sample_run(sample, 30);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    assert_int_equal(pthread_create(&writer, NULL, run_load, &load), 0);
    for (int i = 0; i < LOOKS; i++)
        looks[i] = sample_digest(sample->directory, STATE_AT_END);
    atomic_store(&load.stop, true);
    pthread_join(writer, NULL);
    sample_close(sample);
    for (int i = 0; i < LOOKS; i++) {
        assert_true(looks[i].lsn >= 30);
        assert_int_equal(looks[i].digest, sample_replay_digest(sample->directory, looks[i].lsn, 1));
    }
    sample_destroy(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest__of_every_lsn_is_that_of_a_plain_replay),
        cmocka_unit_test(digest__does_not_depend_on_workers_checkpoints_or_key_files),
        cmocka_unit_test(digest__of_another_state_is_another),
        cmocka_unit_test(digest__says_which_lsns_there_are),
        cmocka_unit_test(digest__passes_over_a_damaged_checkpoint),
        cmocka_unit_test(digest__is_that_before_damage_of_the_log),
        cmocka_unit_test(digest__of_a_directory_in_use_is_that_of_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
