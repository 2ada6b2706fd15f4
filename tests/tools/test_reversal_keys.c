/* test_reversal_keys.c - verify and digest count the keys of reversals like those of clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/tools/verify.h"
#include "ledger_sample.h"

static struct florin_result run(struct sample *sample, const struct florin_command *command)
{
    struct florin_result result;
    assert_int_equal(florin_submit(sample->client, command, 1), 1);
    assert_int_equal(florin_reap(sample->client, &result, 1, -1), 1);
    assert_int_equal(result.status, FLORIN_APPLIED);
    return result;
}

/* Reverses 10 of 100 in a new transaction, with a key of the client's or none. */
static void reverse(struct sample *sample, bool has_key)
{
    const char *id = "account-3";
    struct florin_command command = {
        .kind = FLORIN_DEPOSIT, .account = id, .account_length = strlen(id), .amount_minor = 100};
    command.target_id = run(sample, &command).transaction_id;
    command.kind = FLORIN_REVERSE;
    command.amount_minor = 10;
    command.key = "reversal";
    command.key_length = has_key ? strlen(command.key) : 0;
    (void)run(sample, &command);
}

/* The keys of the last two reversals are in files, or only in the log. */
static void check(bool in_files)
{
    struct sample *sample = sample_create();
    struct verify_report report = {.first_lsn = 0};
    sample_fill(sample);
    reverse(sample, true);
    reverse(sample, false);
    if (in_files)
        assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_close(sample);
    assert_int_equal(verify_directory(sample->directory, NULL, NULL, &report), 0);
    assert_true(report.keys_to_lsn > 0);
    uint64_t last = sample_last_lsn(sample->directory);
    assert_int_equal(sample_digest(sample->directory, STATE_AT_END).digest,
                     sample_replay_digest(sample->directory, last, 2));
    sample_destroy(sample);
}

static void keys_of_reversals__are_counted_in_files(void **state)
{
    (void)state;
    check(true);
}

static void keys_of_reversals__are_counted_in_the_log(void **state)
{
    (void)state;
    check(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_reversals__are_counted_in_files),
        cmocka_unit_test(keys_of_reversals__are_counted_in_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
