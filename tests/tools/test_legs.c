/* test_legs.c - recovery, checkpoints and tools on a log of postings, holds and changes, whose
 * records were written by hand: what they say is what the accounts are, wherever they live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/tools/dump.h"
#include "engine/tools/verify.h"
#include "hand_written.h"
#include "ledger_sample.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Account number n was opened by the record n + 1, with n minor units. */
#define ID(number) .id = "account-" #number, .id_length = sizeof("account-" #number) - 1
enum { FIRST_LSN = SAMPLE_ACCOUNTS + 1, POSTING_LEGS = 4 };

static const struct record_leg POSTED[POSTING_LEGS] = {
    {ID(17), .direction = FLORIN_CREDIT, .exponent = 2, .version = 2, .balance_minor = 21,
     .amount_minor = 4, .previous_lsn = 18},
    {ID(16), .direction = FLORIN_CREDIT, .exponent = 2, .version = 2, .balance_minor = 22,
     .amount_minor = 6, .previous_lsn = 17},
    {ID(17), .direction = FLORIN_DEBIT, .exponent = 2, .version = 3, .balance_minor = 20,
     .amount_minor = 1, .previous_lsn = 18},
    {ID(3), .direction = FLORIN_CREDIT, .exponent = 0, .version = 2, .balance_minor = 12,
     .amount_minor = 9, .previous_lsn = 4},
};

static const struct record_leg CAPTURED[] = {
    {ID(16), .direction = FLORIN_CREDIT, .exponent = 2, .version = 3, .balance_minor = 26,
     .amount_minor = 4, .previous_lsn = 21},
};

static const struct record RECORDS[] = {
    {.kind = FLORIN_BATCH,
     ID(19),
     .exponent = 2,
     .time_ns = 1,
     .version = 2,
     .balance_minor = 10,
     .amount_minor = 9,
     .previous_lsn = 20,
     .key = "posted",
     .key_length = 6,
     .request = 1,
     .direction = FLORIN_DEBIT,
     .legs = POSTED,
     .leg_count = POSTING_LEGS},
    {.kind = FLORIN_HOLD,
     ID(19),
     .exponent = 2,
     .time_ns = 2,
     .version = 3,
     .balance_minor = 10,
     .amount_minor = 6,
     .previous_lsn = 21,
     .request = 2,
     .held_minor = 6,
     .detail = UINT64_C(4102444800000000000)},
    {.kind = FLORIN_HOLD,
     ID(17),
     .exponent = 2,
     .time_ns = 3,
     .version = 4,
     .balance_minor = 20,
     .amount_minor = 20,
     .previous_lsn = 21,
     .request = 3,
     .held_minor = 20},
    {.kind = FLORIN_CAPTURE,
     ID(19),
     .exponent = 2,
     .time_ns = 4,
     .version = 4,
     .balance_minor = 6,
     .amount_minor = 4,
     .previous_lsn = 22,
     .key = "taken",
     .key_length = 5,
     .request = 4,
     .target_lsn = 22,
     .direction = FLORIN_DEBIT,
     .legs = CAPTURED,
     .leg_count = 1},
    {.kind = FLORIN_CHANGE_ACCOUNT,
     ID(16),
     .exponent = 2,
     .time_ns = 5,
     .version = 4,
     .balance_minor = 26,
     .previous_lsn = 24,
     .minimum_balance_minor = -7,
     .currency = "USD",
     .account_status = FLORIN_STATE_FROZEN,
     .metadata = "{\"a\":1}",
     .metadata_length = 7},
    {.kind = FLORIN_TRANSFER,
     .status = FLORIN_ACCOUNT_FROZEN,
     ID(16),
     .exponent = 2,
     .time_ns = 6,
     .version = 4,
     .balance_minor = 26,
     .amount_minor = 1,
     .previous_lsn = 25,
     .key = "refused",
     .key_length = 7,
     .request = 5,
     .detail = 4,
     .detail_minor = 26},
};
enum { LAST_LSN = FIRST_LSN + COUNT_OF(RECORDS) - 1 };

static struct sample *start(void)
{
    struct sample *sample = sample_create();
    sample_open(sample, 2);
    sample_run(sample, SAMPLE_ACCOUNTS);
    sample_close(sample);
    assert_int_equal(sample_last_lsn(sample->directory), SAMPLE_ACCOUNTS);
    return sample;
}

static void check_account(struct sample *sample, const char *id, int64_t balance_minor,
                          uint64_t version)
{
    struct florin_result result;
    const struct florin_command read = {
        .kind = FLORIN_READ_ACCOUNT, .account = id, .account_length = strlen(id)};
    assert_int_equal(florin_submit(sample->client, &read, 1), 1);
    assert_int_equal(florin_reap(sample->client, &result, 1, -1), 1);
    assert_int_equal(result.status, FLORIN_APPLIED);
    assert_int_equal(result.balance_minor, balance_minor);
    assert_int_equal(result.version, version);
}

static void check_accounts(struct sample *sample)
{
    check_account(sample, "account-19", 6, 4);
    check_account(sample, "account-17", 20, 4);
    check_account(sample, "account-16", 26, 4);
    check_account(sample, "account-3", 12, 2);
    check_account(sample, "account-18", 18, 1);
}

/* From the log alone, and from checkpoints that other numbers of workers have written. */
static void recovery__applies_legs_wherever_their_accounts_live(void **state)
{
    struct sample *sample = start();
    (void)state;
    hand_write(sample->directory, RECORDS, COUNT_OF(RECORDS));
    uint64_t digest = sample_replay_digest(sample->directory, LAST_LSN, 1);
    assert_int_equal(sample_replay_digest(sample->directory, LAST_LSN, 4), digest);
    assert_int_equal(sample_digest(sample->directory, STATE_AT_END).digest, digest);
    for (unsigned workers = 4; workers >= 1; workers--) {
        sample_open(sample, workers);
        check_accounts(sample);
        assert_int_equal(florin_checkpoint(sample->ledger), 0);
        sample_close(sample);
        assert_int_equal(sample_digest(sample->directory, STATE_AT_END).digest, digest);
    }
    sample_destroy(sample);
}

/* The account may owe, and then holds all that an image can have. `*lsn`: of the last record. */
static void fill_with_holds(const struct sample *sample, const char *id, uint64_t opened_lsn,
                            int64_t balance_minor, uint64_t *lsn)
{
    enum { HOLDS_A_GROUP = 128 };
    static struct record records[HOLDS_A_GROUP];
    uint64_t previous_lsn = opened_lsn;
    for (uint64_t done = 0; done <= FLORIN_ACCOUNT_HOLDS_MAX;) {
        size_t count = 0;
        for (; count < HOLDS_A_GROUP && done <= FLORIN_ACCOUNT_HOLDS_MAX; count++, done++) {
            bool is_first = done == 0;
            records[count] = (struct record){
                .kind = is_first ? FLORIN_CHANGE_ACCOUNT : FLORIN_HOLD,
                .id = id,
                .id_length = (uint8_t)strlen(id),
                .exponent = 2,
                .time_ns = 1,
                .version = 2 + done,
                .balance_minor = balance_minor,
                .amount_minor = is_first ? 0 : 1,
                .previous_lsn = previous_lsn,
                .held_minor = (int64_t)done,
                .minimum_balance_minor = -FLORIN_ACCOUNT_HOLDS_MAX,
                .currency = "USD",
            };
            previous_lsn = ++*lsn;
        }
        hand_write(sample->directory, records, count);
    }
}

/* Images that fill a third of a block each: a block takes what fits, and the next one the rest. */
static void checkpoint__takes_accounts_with_all_the_holds_that_they_may_have(void **state)
{
    struct sample *sample = start();
    uint64_t lsn = SAMPLE_ACCOUNTS;
    (void)state;
    fill_with_holds(sample, "account-19", 20, 19, &lsn);
    fill_with_holds(sample, "account-17", 18, 17, &lsn);
    fill_with_holds(sample, "account-16", 17, 16, &lsn);
    fill_with_holds(sample, "account-14", 15, 14, &lsn);
    sample->options.holds_max = 4 * FLORIN_ACCOUNT_HOLDS_MAX;
    uint64_t digest = sample_digest(sample->directory, STATE_AT_END).digest;
    for (unsigned workers = 1; workers <= 3; workers++) {
        sample_open(sample, workers);
        check_account(sample, "account-19", 19, 2 + FLORIN_ACCOUNT_HOLDS_MAX);
        assert_int_equal(florin_checkpoint(sample->ledger), 0);
        sample_close(sample);
        assert_int_equal(sample_digest(sample->directory, STATE_AT_END).digest, digest);
    }
    sample_destroy(sample);
}

static void verify__finds_a_log_of_all_kinds_sound(void **state)
{
    struct sample *sample = start();
    static struct verify_report report;
    (void)state;
    hand_write(sample->directory, RECORDS, COUNT_OF(RECORDS));
    assert_int_equal(verify_directory(sample->directory, NULL, NULL, &report), 0);
    assert_int_equal(report.lsn, LAST_LSN);
    assert_int_equal(report.keys, 3);
    sample_open(sample, 3);
    assert_int_equal(florin_checkpoint(sample->ledger), 0);
    sample_close(sample);
    assert_int_equal(verify_directory(sample->directory, NULL, NULL, &report), 0);
    assert_int_equal(report.key_file_keys, 3);
    sample_destroy(sample);
}

/* A leg that does not follow, deep in a record whose own account does: neither the ledger nor the
 * tools take it. */
static void wrong_leg__is_found_by_recovery_and_verify(void **state)
{
    (void)state;
    for (size_t wrong = 0; wrong < POSTING_LEGS; wrong++) {
        struct sample *sample = start();
        static struct verify_report report;
        struct record record = RECORDS[0];
        struct record_leg legs[POSTING_LEGS];
        memcpy(legs, POSTED, sizeof(legs));
        legs[wrong].balance_minor++;
        record.legs = legs;
        hand_write(sample->directory, &record, 1);
        assert_int_equal(verify_directory(sample->directory, NULL, NULL, &report), -EBADMSG);
        assert_true(report.problem_count >= 1);
        assert_int_equal(report.problems[0].lsn, FIRST_LSN);
        assert_non_null(strstr(report.problems[0].reason, "balance does not follow"));
        for (unsigned workers = 1; workers <= 3; workers++) {
            sample->options.workers = workers;
            assert_int_equal(florin_open(&sample->options, &sample->ledger), -EBADMSG);
            sample->ledger = NULL;
            assert_non_null(strstr(sample->last_error, "balance does not follow"));
        }
        sample_destroy(sample);
    }
}

struct dumped {
    uint64_t lsns[2 * SAMPLE_ACCOUNTS];
    size_t count;
};

static bool note_entry(void *context, const struct dump_entry *entry)
{
    struct dumped *dumped = context;
    assert_true(dumped->count < COUNT_OF(dumped->lsns));
    assert_non_null(entry->currency);
    assert_int_equal(entry->currency->exponent, entry->record->exponent);
    dumped->lsns[dumped->count++] = entry->lsn;
    return true;
}

static void dump__of_an_account_has_the_records_whose_legs_are_its(void **state)
{
    struct sample *sample = start();
    static const uint64_t EXPECTED[] = {17, 21, 24, 25, 26};
    const struct dump_options options = {
        .to_lsn = UINT64_MAX, .account = "account-16", .account_length = 10};
    struct dumped dumped = {.count = 0};
    struct tool_problem problem;
    (void)state;
    hand_write(sample->directory, RECORDS, COUNT_OF(RECORDS));
    assert_int_equal(dump_directory(sample->directory, &options, note_entry, &dumped, &problem), 0);
    assert_int_equal(dumped.count, COUNT_OF(EXPECTED));
    assert_memory_equal(dumped.lsns, EXPECTED, sizeof(EXPECTED));
    sample_destroy(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovery__applies_legs_wherever_their_accounts_live),
        cmocka_unit_test(checkpoint__takes_accounts_with_all_the_holds_that_they_may_have),
        cmocka_unit_test(verify__finds_a_log_of_all_kinds_sound),
        cmocka_unit_test(wrong_leg__is_found_by_recovery_and_verify),
        cmocka_unit_test(dump__of_an_account_has_the_records_whose_legs_are_its),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
