/* What the checker says of a violation, and how it deals with many of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histories/story.h"

#include <stdio.h>
#include <string.h>

static void a_violation__is_told_with_account_version_amounts_and_operations(void **state)
{
    (void)state;
    struct story story;
    struct history_report report;
    char text[256];
    story_tell(&story, "c1 1-2 open lsn=1 a1+100@1=100\n"
                       "c3 5-? hold unanswered key=9 of=4 min=-7 a1~+30!2\n"
                       "c1 15-16 deposit key=7 lsn=3 a1+5@2=106~0\n");
    assert_int_equal(story_check(&story, &report), 1);
    const struct history_violation *violation = &report.violations[0];
    assert_int_equal(violation->rule, HISTORY_BALANCE_FOLD);
    assert_int_equal(violation->account, 1);
    assert_int_equal(violation->version, 2);
    assert_int_equal(violation->expected, 105);
    assert_int_equal(violation->found, 106);
    assert_int_equal(violation->involved_count, 2);
    assert_ptr_equal(violation->involved[1].buffer, &story.buffers[1]);
    assert_int_equal(violation->involved[1].operation, 1);
    size_t length = history_violation_format(violation, text, sizeof(text));
    assert_string_equal(text, "BALANCE_FOLD account a1 version 2 expected 105 found 106\n"
                              "    c1 1-2 open lsn=1 a1+100@1=100\n"
                              "    c1 15-16 deposit key=7 lsn=3 a1+5@2=106~0");
    assert_int_equal(length, strlen(text));
    length = history_operation_format(&story.buffers[3], 0, text, sizeof(text));
    assert_string_equal(text, "c3 5-? hold unanswered key=9 of=4 min=-7 a1~+30!2");
    assert_int_equal(length, strlen(text));
    assert_int_equal(history_violation_format(violation, text, 20), 19);
    assert_string_equal(text, "BALANCE_FOLD accoun");
    story_forget(&story);
}

static void legs__move_only_what_their_kind_may(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "open a1+5~+5@1",
        "open a1+5@1 a2+5@1",
        "deposit a1-5@1",
        "deposit a1+0@1",
        "deposit a1+5~+5@1",
        "deposit a1+5@1 a2+5@1",
        "withdraw a1+5@1",
        "withdraw a1+0@1",
        "withdraw a1-5~+5@1",
        "withdraw a1-5@1 a2-5@1",
        "transfer a1-5@1 a2+6@1",
        "transfer a1-5~-5@1 a2+5@1",
        "transfer a1-5@1 a2+2@1 a2+3@2",
        "posting a1-5@1 a2+4@1",
        "posting a1-5~-1@1 a2+5@1",
        "posting a1+9223372036854775807@1 a2+9223372036854775807@1 a3+2@1",
        "hold a1-5~+5@1",
        "hold a1~-5@1",
        "hold a1@1",
        "hold a1~+5@1 a2~+5@1",
        "capture of=1 a1-5@1",
        "capture of=1 a1~-5@1",
        "capture of=1 a1+5~-5@1",
        "capture of=1 a1-5~-5@1 a2+4@1",
        "capture of=1 a1-5@1 a2+5@1",
        "void of=1 a1-5~-5@1",
        "void of=1 a1~+5@1",
        "void of=1 a1@1",
        "void of=1 a1~-5@1 a2~-5@1",
        "expire of=1 a1-5~-5@1",
        "amend a1+5@1",
        "amend a1~+5@1",
        "amend a1@1 a2@1",
    };
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct story story;
        struct history_report report;
        char line[128];
        (void)snprintf(line, sizeof(line), "c1 5-6 %s\n", WRONG[i]);
        story_tell(&story, line);
        if (story_check(&story, &report) != 1 || report.violations_of[HISTORY_MONEY_LOST] != 1)
            fail_msg("%s: %zu violations, not one of MONEY_LOST", WRONG[i],
                     report.violations_count);
        story_forget(&story);
    }
}

static void a_stale_read__is_told_once_with_a_newer_one_that_it_should_have_seen(void **state)
{
    (void)state;
    struct story story;
    struct history_report report;
    char text[256];
    story_tell(&story, "c1 1-2 open lsn=1 a1+100@1=100\n"
                       "c1 3-4 deposit lsn=2 a1+5@2=105\n"
                       "c1 5-6 deposit lsn=3 a1+5@3=110\n"
                       "c2 5-7 read a1@3=110\n"
                       "c3 9-10 read a1@1=100\n"
                       "c4 11-12 read a1@2=105\n");
    assert_int_equal(story_check(&story, &report), 2);
    assert_int_equal(report.violations_of[HISTORY_STALE_READ], 2);
    (void)history_violation_format(&report.violations[0], text, sizeof(text));
    assert_string_equal(text, "STALE_READ account a1 version 1\n"
                              "    c1 3-4 deposit lsn=2 a1+5@2=105\n"
                              "    c3 9-10 read a1@1=100");
    (void)history_violation_format(&report.violations[1], text, sizeof(text));
    assert_string_equal(text, "STALE_READ account a1 version 2\n"
                              "    c1 5-6 deposit lsn=3 a1+5@3=110\n"
                              "    c4 11-12 read a1@2=105");
    story_forget(&story);
}

/* A history, and the first line that is said of it. */
struct saying {
    const char *text;
    const char *said;
};

#define OPENED "c1 1-2 open lsn=1 a1+100@1=100\n"
#define HELD   OPENED "c1 3-4 hold lsn=2 a1~+30@2=100~30\n"

static const struct saying SAYINGS[] = {
    {OPENED "c1 5-6 transfer lsn=2 a1-5@2 a2+3@1\n", "MONEY_LOST expected 0 found -2\n"},
    {OPENED "c1 5-6 deposit lsn=2 a1+5@2\nc1 5-6 deposit lsn=3 a1+6@2\n",
     "VERSION_TWICE account a1 version 2\n"},
    {OPENED "c1 5-6 deposit lsn=2 a1+5@4\n", "VERSION_GAP account a1 version 2\n"},
    {HELD "c1 5-6 void lsn=3 of=2 a1~-30@3~5\n",
     "HELD_FOLD account a1 version 3 expected 0 found 5\n"},
    {OPENED "c1 5-6 deposit lsn=2 a1+5@2!7\n",
     "EXPECTED_VERSION account a1 version 2 expected 8 found 2\n"},
    {HELD "c1 5-6 withdraw lsn=3 a1-80@3=20\n",
     "OVERDRAWN account a1 version 3 expected 0 found -10\n"},
    {OPENED "c1 5-6 read a1@3\n", "OBSERVED_LOST account a1 version 3\n"},
    {OPENED "c1 5-6 read a1@1=101\n", "READ_DIFFERS account a1 version 1 expected 100 found 101\n"},
    {HELD "c1 5-6 read a1@2=100~29\n", "READ_DIFFERS account a1 version 2 expected 30 found 29\n"},
    {OPENED "c1 5-6 withdraw insufficient a1-1@1=100\n", "REFUSED_WRONGLY account a1 version 1\n"},
    {HELD "c1 5-6 void lsn=3 of=2 a1~-20@3\n",
     "HOLD_AMOUNT account a1 version 2 expected 30 found 20\n"},
    {HELD "c1 5-6 capture lsn=3 of=2 a1-31~-30@3\n",
     "HOLD_AMOUNT account a1 version 2 expected 30 found 31\n"},
    {OPENED "c1 5-6 deposit lsn=2 a1+5@2\nc1 7-8 reversal lsn=3 of=2 a1-6@3\n",
     "REVERSED_TOO_MUCH account a1 version 0 expected -5 found -6\n"
     "    c1 5-6 deposit lsn=2 a1+5@2\n"
     "    c1 7-8 reversal lsn=3 of=2 a1-6@3"},
    {OPENED "c1 5-9 deposit lsn=3 a1+5@2\nc1 5-9 deposit lsn=2 a1+5@3\n",
     "LSN_ORDER account a1 version 3\n"},
};

static void violations__say_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(SAYINGS) / sizeof(SAYINGS[0]); i++) {
        struct story story;
        struct history_report report;
        char text[512];
        story_tell(&story, SAYINGS[i].text);
        assert_int_equal(story_check(&story, &report), 1);
        (void)history_violation_format(&report.violations[0], text, sizeof(text));
        if (strncmp(text, SAYINGS[i].said, strlen(SAYINGS[i].said)) != 0)
            fail_msg("expected %s, found %s", SAYINGS[i].said, text);
        story_forget(&story);
    }
}

static void add(struct history_buffer *buffer, enum history_kind kind, uint64_t invoke_ns,
                const struct history_leg *legs, size_t legs_count)
{
    size_t operation = history_invoke(buffer, kind, 0, legs, legs_count, invoke_ns);
    history_return(buffer, operation, HISTORY_APPLIED, 1000);
}

static void violations__beyond_those_described_are_counted(void **state)
{
    (void)state;
    enum { WRONG = HISTORY_VIOLATIONS_MAX + 5 };
    struct history_buffer buffer;
    const struct history_buffer *buffers[] = {&buffer};
    struct history_report report;
    history_buffer_init(&buffer, 1);
    for (uint64_t account = 1; account <= WRONG; account++) {
        struct history_leg leg = history_leg_of(account, 5, 0);
        leg.version = 1;
        leg.balance = 6;
        add(&buffer, HISTORY_OPEN, 1, &leg, 1);
    }
    assert_int_equal(history_check(buffers, 1, &report), WRONG);
    assert_int_equal(report.violations_of[HISTORY_BALANCE_FOLD], WRONG);
    assert_int_equal(report.violations[HISTORY_VIOLATIONS_MAX - 1].account, HISTORY_VIOLATIONS_MAX);
    history_buffer_deinit(&buffer);
}

/* Each transfer comes before the next on one account: a ring of them. */
static void a_cycle__longer_than_can_be_told_is_told_in_part(void **state)
{
    (void)state;
    enum { RING = HISTORY_INVOLVED_MAX + 8 };
    struct history_buffer buffer;
    const struct history_buffer *buffers[] = {&buffer};
    struct history_report report;
    history_buffer_init(&buffer, 1);
    for (uint64_t account = 0; account < RING; account++) {
        struct history_leg leg = history_leg_of(account, 100, 0);
        leg.version = 1;
        add(&buffer, HISTORY_OPEN, 1, &leg, 1);
    }
    for (uint64_t account = 0; account < RING; account++) {
        struct history_leg legs[] = {history_leg_of(account, -1, 0),
                                     history_leg_of((account + 1) % RING, 1, 0)};
        legs[0].version = 3;
        legs[1].version = 2;
        add(&buffer, HISTORY_TRANSFER, 10, legs, 2);
    }
    assert_int_equal(history_check(buffers, 1, &report), 1);
    const struct history_violation *violation = &report.violations[0];
    assert_int_equal(violation->rule, HISTORY_CYCLE);
    assert_int_equal(violation->involved_count, HISTORY_INVOLVED_MAX);
    for (size_t i = 1; i < HISTORY_INVOLVED_MAX; i++) {
        /* The one that credits an account comes before the one that debits it. */
        size_t before = violation->involved[i - 1].operation - RING;
        assert_int_equal(violation->involved[i].operation - RING, (before + 1) % RING);
    }
    history_buffer_deinit(&buffer);
}

static void a_posting__has_so_many_legs_and_no_more(void **state)
{
    (void)state;
    for (size_t count = HISTORY_LEGS_MAX; count <= HISTORY_LEGS_MAX + 1; count++) {
        struct history_buffer buffer;
        const struct history_buffer *buffers[] = {&buffer};
        struct history_report report;
        struct history_leg legs[HISTORY_LEGS_MAX + 1];
        history_buffer_init(&buffer, 1);
        for (size_t i = 0; i < count; i++) {
            legs[i] = history_leg_of(1, 0, 0);
            legs[i].version = i + 1;
        }
        add(&buffer, HISTORY_POSTING, 1, legs, count);
        (void)history_record(&buffer, HISTORY_POSTING, 1, 0, legs, HISTORY_LEGS_MAX);
        history_operation(&buffer, 0)->lsn = 1;
        assert_int_equal(history_check(buffers, 1, &report), count - HISTORY_LEGS_MAX);
        assert_int_equal(report.violations_of[HISTORY_RECORDING], count - HISTORY_LEGS_MAX);
        history_buffer_deinit(&buffer);
    }
}

/* One client's operations may stand in several buffers, in any order. */
static void buffers__may_come_in_any_order(void **state)
{
    (void)state;
    struct story story;
    struct history_report report;
    story_tell(&story, "c1 1-2 open lsn=1 a1+100@1=100\n"
                       "c3 5-9 deposit key=7 lsn=2 a1+5@2=105\n"
                       "c2 3-4 deposit unanswered key=7 a1+5\n"
                       "c2 20-21 read a1@2=105\n");
    const struct history_buffer *buffers[] = {&story.buffers[3], &story.buffers[2],
                                              &story.buffers[1]};
    assert_int_equal(history_check(buffers, 3, &report), 0);
    assert_int_equal(report.changes, 2);
    assert_int_equal(report.attempts, 4);
    assert_int_equal(history_check(buffers, 2, &report), 1);
    assert_int_equal(report.violations[0].rule, HISTORY_VERSION_GAP);
    story_forget(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_violation__is_told_with_account_version_amounts_and_operations),
        cmocka_unit_test(legs__move_only_what_their_kind_may),
        cmocka_unit_test(violations__say_what_is_wrong),
        cmocka_unit_test(a_stale_read__is_told_once_with_a_newer_one_that_it_should_have_seen),
        cmocka_unit_test(violations__beyond_those_described_are_counted),
        cmocka_unit_test(a_cycle__longer_than_can_be_told_is_told_in_part),
        cmocka_unit_test(a_posting__has_so_many_legs_and_no_more),
        cmocka_unit_test(buffers__may_come_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
