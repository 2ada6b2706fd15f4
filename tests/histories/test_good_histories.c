/* Good histories: nothing in them is a violation, however odd it looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histories/story.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct good {
    const char *name;
    size_t changes; /* that are to be found */
    size_t in_doubt;
    const char *text;
};

#define OPENED                                                                                     \
    "c1 1-2 open lsn=1 a1+100@1=100\n"                                                             \
    "c1 3-4 open lsn=2 a2+100@1=100\n"
#define OPENED_RECORDS                                                                             \
    "record open lsn=1 a1+100@1=100\n"                                                             \
    "record open lsn=2 a2+100@1=100\n"

static const struct good GOOD[] = {
    {"no operation at all", 0, 0, ""},
    {"every kind", 13, 0,
     OPENED "c1 5-6 deposit lsn=3 a1+50@2=150~0!1\n"
            "c1 7-8 withdraw lsn=4 a1-20@3=130\n"
            "c1 9-10 transfer lsn=5 a1-30@4=100 a2+30@2=130\n"
            "c1 11-12 posting lsn=6 a1-5@5=95 a1-5@6=90 a2+10@3=140!2\n"
            "c1 13-14 hold lsn=7 a1~+40@7=90~40\n"
            "c1 15-16 hold lsn=8 a1~+10@8=90~50\n"
            "c1 17-18 hold lsn=9 a1~+5@9=90~55\n"
            "c1 19-20 capture lsn=10 of=7 a1-30~-40@10=60~15 a2+30@4=170\n"
            "c1 21-22 void lsn=11 of=8 a1~-10@11=60~5\n"
            "c0 0-? expire lsn=12 of=9 a1~-5@12=60~0\n"
            "c1 25-26 reversal lsn=13 of=5 a1+30@13=90 a2-30@5=140\n"
            "c1 27-28 read a1@13=90~0\n"},
    {"an amended account has another minimum, which nobody knows", 4, 0,
     OPENED "c1 5-6 amend lsn=3 a1@2=100\n"
            "c1 7-8 withdraw lsn=4 a1-150@3=-50\n"
            "c1 9-10 withdraw insufficient a1-1@3=-50\n"},
    {"rejections that are right", 4, 0,
     OPENED "c1 5-6 withdraw insufficient key=5 a1-101@1=100\n"
            "c1 7-8 withdraw insufficient key=5 a1-101@1=100\n"
            "c1 9-10 deposit mismatch a1+5@1!2\n"
            "c1 11-12 hold lsn=3 a1~+30@2\n"
            "c1 13-14 hold insufficient a1~+71@2=100\n"
            "c1 15-16 transfer insufficient a1-71@2 a2+71\n"
            "c1 17-18 transfer lsn=4 a1-70@3=30 a2+70@2=170\n"},
    {"a posting that dips below the minimum between its legs", 3, 0,
     OPENED "c1 5-6 posting lsn=3 a1-150@2=-50!1 a1+100@3=50!1 a2+50@2=150\n"},
    {"a reversal below the minimum, and a posting that does not move anything there", 6, 0,
     OPENED "c1 5-6 deposit lsn=3 a1+50@2=150\n"
            "c1 7-8 withdraw lsn=4 a1-150@3=0\n"
            "c1 9-10 reversal lsn=5 of=3 a1-50@4=-50\n"
            "c1 11-12 posting lsn=6 a1-5@5=-55 a1+5@6=-50\n"},
    {"concurrent changes in either order, seen by concurrent readers", 4, 0,
     OPENED "c1 5-50 deposit lsn=4 a1+5@3=112\n"
            "c2 5-50 deposit lsn=3 a1+7@2=107\n"
            "c3 10-20 read a1@1=100\n"
            "c4 10-20 read a1@3=112\n"
            "c5 20-21 read a1@3=112\n"},
    {"a log in the order of requests of which one returned as the other was asked", 4, 0,
     OPENED "c1 5-6 deposit lsn=4 a1+5@2=105\n"
            "c2 6-7 deposit lsn=3 a2+7@2=107\n"},
    {"a look at a version that has passed", 3, 0,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "c2 7-8 past a1@1=100\n"
            "c2 9-? past unanswered a1\n"},
    {"a look at a version between two legs of one posting", 3, 0,
     OPENED "c1 5-6 posting lsn=3 a1-5@2=95 a2+10@2=110 a1-5@3=90\n"
            "c2 7-8 past a1@2=95\n"},
    {"a read that is as old as its invocation", 3, 0,
     OPENED "c1 5-10 deposit lsn=3 a1+5@2=105\n"
            "c2 10-90 read a1@1=100\n"},
    {"both halves of a transfer seen by one moment, and neither by another", 3, 0,
     OPENED "c1 5-50 transfer lsn=3 a1-5@2=95 a2+5@2=105\n"
            "c2 10-11 read a1@1=100 a2@1=100\n"
            "c2 12-13 read a1@2=95 a2@2=105\n"},
    {"reads of one transfer's accounts, one after the other", 3, 0,
     OPENED "c1 5-50 transfer lsn=3 a1-5@2=95 a2+5@2=105\n"
            "c2 10-11 read a1@1=100\n"
            "c2 12-13 read a2@2=105\n"},
    {"an account that is not there yet", 2, 0, OPENED "c2 1-2 read a1\n"},
    {"attempts of one key: unanswered, refused, applied, replayed", 3, 0,
     OPENED "c1 5-? deposit unanswered key=7 a1+5\n"
            "c1 7-8 deposit refused key=7 a1+5\n"
            "c1 9-10 deposit key=7 lsn=3 a1+5@2=105\n"
            "c2 11-12 deposit key=7 lsn=3 a1+5@2\n"
            "c2 6-7 read a1@2=105\n"},
    {"the other leg of a transfer, found in the log by account", 3, 0,
     OPENED OPENED_RECORDS "c1 5-6 transfer lsn=3 a1-5@2=95 a2+5\n"
                           "c2 7-8 read a2@2=105\n"
                           "record transfer lsn=3 a1-5@2=95\n"
                           "record transfer lsn=3 a2+5@2=105\n"
                           "record transfer lsn=3 a1-5@2=95 a2+5@2=105\n"},
    {"in doubt, and applied, as the log says by key", 3, 1,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered key=7 a1+5\n"
                           "c2 6-? deposit unanswered key=8 a1+5\n"
                           "crash 10\n"
                           "c3 15-16 read a1@2=105\n"
                           "record deposit key=8 lsn=3 a1+5@2=105\n"},
    {"in doubt, and applied, as the log says by amount", 4, 1,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered a1+5\n"
                           "c1 20-? deposit unanswered a1+5\n"
                           "c1 30-? deposit unanswered a1+5\n"
                           "c2 6-7 read a1@2=105\n"
                           "record deposit lsn=3 a1+5@2=105\n"
                           "record deposit lsn=4 a1+5@3=110\n"},
    {"answers without id or version", 4, 0,
     OPENED OPENED_RECORDS "c1 5-9 withdraw a1-20=60\n"
                           "c2 5-9 withdraw a1-20=80\n"
                           "record withdraw lsn=3 a1-20@2=80\n"
                           "record withdraw lsn=4 a1-20@3=60\n"},
    {"answers with a version but no id", 4, 0,
     OPENED OPENED_RECORDS "c1 5-9 withdraw a1-20@3=60\n"
                           "c2 5-9 withdraw a1-20@2=80\n"
                           "record withdraw lsn=3 a1-20@2=80\n"
                           "record withdraw lsn=4 a1-20@3=60\n"},
    {"a log that tells neither keys nor originals", 4, 0,
     OPENED OPENED_RECORDS "c1 5-6 hold key=7 lsn=3 a1~+30@2=100~30\n"
                           "c1 7-7 void key=8 lsn=4 of=3 a1~-30@3=100~0\n"
                           "record hold lsn=3 a1~+30@2\n"
                           "record void lsn=4 a1~-30@3\n"},
    {"an answer with a version but no id", 3, 0,
     OPENED OPENED_RECORDS "c1 5-9 withdraw a1-20@2=80\n"
                           "record withdraw lsn=3 a1-20@2=80\n"},
    {"a hold that expired by itself", 4, 0,
     OPENED OPENED_RECORDS "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
                           "record hold lsn=3 a1~+30@2=100~30\n"
                           "record expire lsn=4 of=3 a1~-30@3=100~0\n"},
    {"a hold in doubt that is resolved", 3, 1,
     OPENED "c1 5-? hold unanswered a1~+30\n"
            "c2 7-8 void lsn=4 of=3 a1~-30@3=100~0\n"},
    {"a hold without an id that is captured in full", 4, 0,
     OPENED "c1 5-6 hold a1~+30@2=100~30\n"
            "c2 7-8 capture lsn=4 of=3 a1-30~-30@3=70~0\n"},
    {"a capture in full", 4, 0,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c2 7-8 capture lsn=4 of=3 a1-30~-30@3=70~0 a2+30@2=130\n"},
    {"not applied, and not in the log", 2, 0,
     OPENED OPENED_RECORDS "c1 5-6 deposit refused key=7 a1+5\n"
                           "c1 7-8 read a1@1=100\n"},
    {"a gap as large as what is in doubt", 3, 1,
     OPENED "c1 5-? deposit unanswered a1+5\n"
            "c2 5-6 deposit lsn=4 a1+7@3=112\n"
            "c2 7-8 read a1@3=112\n"},
    {"a version seen that one in doubt can have made", 2, 1,
     OPENED "c1 5-? deposit unanswered a1+5\n"
            "c2 6-7 read a1@2=105\n"},
    {"the other leg of a transfer is not known, and fills a gap", 4, 0,
     OPENED "c1 5-6 transfer lsn=3 a1-5@2=95 a2+5\n"
            "c1 7-8 deposit lsn=4 a2+1@3=106\n"},
    {"a request that took effect before its server died", 4, 0,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered key=7 a1+5\n"
                           "crash 10\n"
                           "c2 15-16 deposit lsn=4 a1+7@3=112\n"
                           "record deposit lsn=3 key=7 a1+5@2=105\n"
                           "record deposit lsn=4 a1+7@3=112\n"},
    {"a request that was asked in the nanosecond of the mark", 4, 0,
     OPENED OPENED_RECORDS "crash 10\n"
                           "c1 10-? deposit unanswered key=7 a1+5\n"
                           "c2 15-16 deposit lsn=3 a1+7@2=107\n"
                           "record deposit lsn=3 a1+7@2=107\n"
                           "record deposit lsn=4 key=7 a1+5@3=112\n"},
    {"a request that is sent again to the next life", 4, 0,
     OPENED "c1 5-? deposit unanswered key=7 a1+5\n"
            "crash 10\n"
            "c2 15-16 deposit lsn=3 a1+7@2=107\n"
            "c1 17-18 deposit key=7 lsn=4 a1+5@3=112\n"},
    {"reversals in part, of all legs and of one", 6, 0,
     OPENED "c1 5-6 transfer lsn=3 a1-50@2=50 a2+50@2=150\n"
            "c1 7-8 reversal lsn=4 of=3 a1+20@3=70 a2-20@3=130\n"
            "c1 9-10 reversal lsn=5 of=3 a1+30@4=100 a2-30@4=100\n"
            "c1 11-12 reversal lsn=6 of=2 a2-100@5=0\n"},
};

static void check_good(void **state)
{
    const struct good *good = *(const struct good *const *)*state;
    struct story story;
    struct history_report report;
    char text[1024];
    story_tell(&story, good->text);
    if (story_check(&story, &report) != 0) {
        (void)history_violation_format(&report.violations[0], text, sizeof(text));
        fail_msg("%s", text);
    }
    assert_int_equal(report.changes, good->changes);
    assert_int_equal(report.in_doubt, good->in_doubt);
    story_forget(&story);
}

int main(void)
{
    const struct good *rows[COUNT_OF(GOOD)];
    struct CMUnitTest tests[COUNT_OF(GOOD)];
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        rows[i] = &GOOD[i];
        tests[i] = (struct CMUnitTest){
            .name = GOOD[i].name,
            .test_func = check_good,
            .initial_state = &rows[i],
        };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
