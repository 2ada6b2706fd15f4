/* Bad histories: each breaks one rule, and exactly that one is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histories/story.h"

#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct bad {
    const char *name;
    enum history_rule rule;
    const char *text;
};

/* Two accounts with 100 each; their log. */
#define OPENED                                                                                     \
    "c1 1-2 open lsn=1 a1+100@1=100\n"                                                             \
    "c1 3-4 open lsn=2 a2+100@1=100\n"
#define OPENED_RECORDS                                                                             \
    "record open lsn=1 a1+100@1=100\n"                                                             \
    "record open lsn=2 a2+100@1=100\n"

static const struct bad BAD[] = {
    {"an answer that came before its question", HISTORY_RECORDING,
     OPENED "c1 9-5 deposit a1+5@2=105\n"},
    {"one key for two different requests", HISTORY_RECORDING,
     OPENED "c1 5-6 deposit key=7 lsn=3 a1+5@2=105\n"
            "c1 7-8 deposit key=7 lsn=3 a1+6@2=105\n"},
    {"one key for two kinds of request", HISTORY_RECORDING,
     OPENED "c1 5-6 withdraw key=7 lsn=3 a1-5@2=95\n"
            "c1 7-8 reversal key=7 lsn=3 of=1 a1-5@2=95\n"},
    {"one key for the resolution of two holds", HISTORY_RECORDING,
     OPENED "c1 5-6 void refused key=7 of=3 a1~-5\n"
            "c1 7-8 void refused key=7 of=4 a1~-5\n"},
    {"a change without legs", HISTORY_RECORDING, OPENED "c1 5-6 deposit lsn=3\n"},
    {"a record without a version", HISTORY_RECORDING, OPENED "record open lsn=1 a1+100=100\n"},
    {"a record without an LSN", HISTORY_RECORDING, OPENED "record open a1+100@1=100\n"},
    {"a retry that is applied again", HISTORY_KEY_ANSWERED_TWICE,
     OPENED "c1 5-6 deposit key=7 lsn=3 a1+5@2=105\n"
            "c1 7-8 deposit key=7 lsn=4 a1+5@3=110\n"},
    {"a retry that is answered with another LSN", HISTORY_KEY_ANSWERED_TWICE,
     OPENED "c1 5-6 deposit key=7 lsn=3 a1+5@2=105\n"
            "c1 7-8 deposit key=7 lsn=4 a1+5\n"},
    {"a retry that is answered with another version", HISTORY_KEY_ANSWERED_TWICE,
     OPENED "c1 5-6 deposit key=7 lsn=3 a1+5@2=105\n"
            "c1 7-8 deposit key=7 a1+5@3\n"},
    {"a retry that is rejected after it was applied", HISTORY_KEY_ANSWERED_TWICE,
     OPENED "c1 5-6 withdraw key=7 lsn=3 a1-80@2=20\n"
            "c1 7-8 withdraw insufficient key=7 a1-80@2=20\n"},
    {"a rejection that is applied on the next try", HISTORY_KEY_ANSWERED_TWICE,
     OPENED "c1 5-6 withdraw insufficient key=7 a1-150@1=100\n"
            "c1 7-8 deposit lsn=3 a1+50@2=150\n"
            "c1 9-10 withdraw key=7 lsn=4 a1-150@3=0\n"},
    {"a remembered rejection that shows another version", HISTORY_KEY_ANSWERED_TWICE,
     OPENED "c1 5-6 withdraw insufficient key=7 a1-150@1=100\n"
            "c1 7-8 deposit lsn=3 a1+5@2=105\n"
            "c1 9-10 withdraw insufficient key=7 a1-150@2=105\n"},
    {"a remembered answer with another balance", HISTORY_KEY_ANSWERED_TWICE,
     OPENED "c1 5-6 deposit key=7 lsn=3 a1+5@2=105\n"
            "c1 7-8 deposit key=7 lsn=3 a1+5@2=106\n"},
    {"one LSN for two requests", HISTORY_LSN_TWICE,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "c2 5-6 deposit lsn=3 a2+5@2=105\n"},
    {"an LSN that is used again after a crash", HISTORY_LSN_TWICE,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "crash 10\n"
            "c2 15-16 withdraw lsn=3 a2-5@2=95\n"},
    {"a transaction that is different when it is read again", HISTORY_LSN_TWICE,
     OPENED OPENED_RECORDS "c1 5-6 deposit lsn=3 a1+5@2=105\n"
                           "record deposit lsn=3 a1+5@2=105\n"
                           "record deposit lsn=3 a1+6@2=106\n"},
    {"a transaction that is of another kind when it is read again", HISTORY_LSN_TWICE,
     OPENED OPENED_RECORDS "c1 5-6 transfer lsn=3 a1-5@2=95 a2+5@2=105\n"
                           "record transfer lsn=3 a1-5@2=95\n"
                           "record posting lsn=3 a2+5@2=105\n"},
    {"a transaction that has another key when it is read again", HISTORY_LSN_TWICE,
     OPENED OPENED_RECORDS "c1 5-6 transfer key=7 lsn=3 a1-5@2=95 a2+5@2=105\n"
                           "record transfer key=7 lsn=3 a1-5@2=95\n"
                           "record transfer key=8 lsn=3 a2+5@2=105\n"},
    {"a key in the log twice, its answer lost", HISTORY_KEY_APPLIED_TWICE,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered key=7 a1+5\n"
                           "record deposit key=7 lsn=3 a1+5@2=105\n"
                           "record deposit key=7 lsn=4 a1+5@3=110\n"},
    {"a key in the log once more than it was answered", HISTORY_KEY_APPLIED_TWICE,
     OPENED OPENED_RECORDS "c1 5-6 deposit key=7 lsn=3 a1+5@2=105\n"
                           "record deposit key=7 lsn=3 a1+5@2=105\n"
                           "record deposit key=7 lsn=4 a1+5@3=110\n"},
    {"an acknowledged change that a crash has taken", HISTORY_ACKNOWLEDGED_LOST,
     OPENED OPENED_RECORDS "c1 5-6 deposit lsn=3 a1+5@2=105\n"
                           "crash 10\n"},
    {"two acknowledged withdrawals without an id, one in the log", HISTORY_ACKNOWLEDGED_LOST,
     OPENED OPENED_RECORDS "c1 5-6 withdraw a1-20=80\n"
                           "c2 5-6 withdraw a1-20=60\n"
                           "record withdraw lsn=3 a1-20@2=80\n"},
    {"an acknowledged key without an id that is not in the log", HISTORY_ACKNOWLEDGED_LOST,
     OPENED OPENED_RECORDS "c1 5-6 withdraw key=7 a1-20=80\n"},
    {"not applied, and yet in the log", HISTORY_REFUSED_APPLIED,
     OPENED OPENED_RECORDS "c1 5-6 deposit refused key=7 a1+5\n"
                           "record deposit key=7 lsn=3 a1+5@2=105\n"},
    {"rejected, and yet in the log", HISTORY_REFUSED_APPLIED,
     OPENED OPENED_RECORDS "c1 5-6 withdraw insufficient key=7 a1-150@1=100\n"
                           "record withdraw key=7 lsn=3 a1-150@2=-50\n"},
    {"a rejection without a key that is in the log", HISTORY_RECORD_UNEXPLAINED,
     OPENED OPENED_RECORDS "c1 5-6 withdraw insufficient a1-150@1=100\n"
                           "record withdraw lsn=3 a1-150@2=-50\n"},
    {"a transaction that nobody asked for", HISTORY_RECORD_UNEXPLAINED,
     OPENED OPENED_RECORDS "record deposit lsn=3 a1+5@2=105\n"},
    {"a transaction with a key that nobody used", HISTORY_RECORD_UNEXPLAINED,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered key=7 a1+5\n"
                           "record deposit key=8 lsn=3 a1+5@2=105\n"},
    {"two transactions for one request without an answer", HISTORY_RECORD_UNEXPLAINED,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered a1+5\n"
                           "record deposit lsn=3 a1+5@2=105\n"
                           "record deposit lsn=4 a1+5@3=110\n"},
    {"half an acknowledged transfer in the log", HISTORY_LEG_MISSING,
     OPENED OPENED_RECORDS "c1 5-6 transfer lsn=3 a1-5@2=95 a2+5\n"
                           "record transfer lsn=3 a1-5@2=95\n"},
    {"half a transfer that was cut off by a crash", HISTORY_LEG_MISSING,
     OPENED OPENED_RECORDS "c1 5-? transfer unanswered key=7 a1-5 a2+5\n"
                           "crash 10\n"
                           "record transfer key=7 lsn=3 a2+5@2=105\n"},
    {"another amount in the log than was answered", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 deposit lsn=3 a1+5@2=105\n"
                           "record deposit lsn=3 a1+6@2=106\n"},
    {"another balance in the log than was answered", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 deposit lsn=3 a1+5@2=106\n"
                           "record deposit lsn=3 a1+5@2=105\n"},
    {"other holds in the log than were answered", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 hold lsn=3 a1~+5@2=100~6\n"
                           "record hold lsn=3 a1~+5@2=100~5\n"},
    {"another key in the log than was sent", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 deposit key=7 lsn=3 a1+5@2=105\n"
                           "record deposit key=8 lsn=3 a1+5@2=105\n"},
    {"a resolution of another hold in the log", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 hold lsn=3 a1~+5@2=100~5\n"
                           "c1 5-6 hold lsn=4 a1~+5@3=100~10\n"
                           "c1 7-8 void lsn=5 of=3 a1~-5@4=100~5\n"
                           "record hold lsn=3 a1~+5@2=100~5\n"
                           "record hold lsn=4 a1~+5@3=100~10\n"
                           "record void lsn=5 of=4 a1~-5@4=100~5\n"},
    {"one leg more in the log than was asked for", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 posting lsn=3 a1-5@2=95 a2+5@2=105\n"
                           "record posting lsn=3 a1-5@2=95 a2+5@2=105 a2+0@3=105\n"},
    {"another version in the log than was answered", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 deposit lsn=3 a1+5@2=105\n"
                           "record deposit lsn=3 a1+5@3=105\n"},
    {"another balance in the log than was answered, without an id", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 withdraw a1-20=81\n"
                           "record withdraw lsn=3 a1-20@2=80\n"},
    {"another kind in the log than was asked for", HISTORY_RECORD_DIFFERS,
     OPENED OPENED_RECORDS "c1 5-6 transfer lsn=3 a1-5@2=95 a2+5@2=105\n"
                           "record posting lsn=3 a1-5@2=95 a2+5@2=105\n"},
    {"a transfer that loses money on its way", HISTORY_MONEY_LOST,
     OPENED "c1 5-6 transfer lsn=3 a1-50@2=50 a2+40@2=140\n"},
    {"a posting whose debits are not its credits", HISTORY_MONEY_LOST,
     OPENED "c1 5-6 posting lsn=3 a1-50@2=50 a2+20@2=120 a2+31@3=151\n"},
    {"a hold that takes the money at once", HISTORY_MONEY_LOST,
     OPENED "c1 5-6 hold lsn=3 a1-30~+30@2=70~30\n"},
    {"one version for two changes", HISTORY_VERSION_TWICE,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "c2 5-6 deposit lsn=4 a1+7@2=107\n"},
    {"a version that is used again after a crash", HISTORY_VERSION_TWICE,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "crash 10\n"
            "c1 15-16 deposit lsn=4 a1+7@2=107\n"},
    {"a version that nobody made", HISTORY_VERSION_GAP, OPENED "c1 5-6 deposit lsn=3 a1+5@3=110\n"},
    {"an account that begins with its second version", HISTORY_VERSION_GAP,
     "c1 5-6 deposit lsn=3 a3+5@2=105\n"},
    {"more gaps than requests in doubt", HISTORY_VERSION_GAP,
     OPENED "c1 5-? deposit unanswered key=7 a1+5\n"
            "c2 5-6 deposit lsn=5 a1+5@4=115\n"},
    {"a gap, where those in doubt are known not to be applied", HISTORY_VERSION_GAP,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered key=7 a1+5\n"
                           "c2 5-6 deposit lsn=4 a1+5@3=110\n"
                           "record deposit lsn=4 a1+5@3=110\n"},
    {"a balance that does not follow", HISTORY_BALANCE_FOLD,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=106\n"},
    {"a balance that does not follow, in the answer to a retry", HISTORY_BALANCE_FOLD,
     OPENED "c1 5-6 deposit key=7 a1+5\n"
            "c1 7-8 deposit key=7 lsn=3 a1+5@2=106\n"},
    {"a balance that does not follow, in an answer that the log does not repeat",
     HISTORY_BALANCE_FOLD,
     OPENED OPENED_RECORDS "c1 5-6 deposit lsn=3 a1+5@2=106\n"
                           "record deposit lsn=3 a1+5@2\n"},
    {"holds that do not follow, in an answer that the log does not repeat", HISTORY_HELD_FOLD,
     OPENED OPENED_RECORDS "c1 5-6 hold lsn=3 a1~+5@2=100~6\n"
                           "record hold lsn=3 a1~+5@2=100\n"},
    {"a lost update", HISTORY_BALANCE_FOLD,
     OPENED "c1 5-9 deposit lsn=3 a1+5@2=105\n"
            "c2 5-9 deposit lsn=4 a1+7@3=107\n"},
    {"an account that is opened with another balance", HISTORY_BALANCE_FOLD,
     "c1 1-2 open lsn=1 a1+100@1=99\n"},
    {"a sum of holds that does not follow", HISTORY_HELD_FOLD,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 hold lsn=4 a1~+20@3=100~20\n"},
    {"applied to another version than was demanded", HISTORY_EXPECTED_VERSION,
     OPENED "c1 5-9 deposit lsn=3 a1+5@2=105!1\n"
            "c2 5-9 deposit lsn=4 a1+7@3=112!1\n"},
    {"a withdrawal of more than there is", HISTORY_OVERDRAWN,
     OPENED "c1 5-6 withdraw lsn=3 a1-101@2=-1\n"},
    {"a withdrawal of more than there is, and a deposit behind it", HISTORY_OVERDRAWN,
     OPENED "c1 5-6 withdraw lsn=3 a1-101@2=-1\n"
            "c1 7-8 deposit lsn=4 a1+50@3=49\n"},
    {"a withdrawal of what is set aside", HISTORY_OVERDRAWN,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 withdraw lsn=4 a1-80@3=20\n"},
    {"a hold of more than there is", HISTORY_OVERDRAWN,
     OPENED "c1 5-6 hold lsn=3 a1~+101@2=100~101\n"},
    {"a posting below the agreed minimum", HISTORY_OVERDRAWN,
     OPENED "c1 5-6 open lsn=3 min=-50 a3+0@1=0\n"
            "c1 7-8 posting lsn=4 a3-30@2=-30 a3-30@3=-60 a1+60@2=160\n"},
    {"a version that was seen, and that nobody made", HISTORY_OBSERVED_LOST,
     OPENED "c1 5-6 read a1@2=105\n"},
    {"a version that a crash has taken from one who saw it", HISTORY_OBSERVED_LOST,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered key=7 a1+5\n"
                           "c2 6-7 read a1@2=105\n"
                           "crash 10\n"},
    {"a rejection that shows a version nobody made", HISTORY_OBSERVED_LOST,
     OPENED "c1 5-6 deposit mismatch a1+5@2!1\n"},
    {"a read that shows another balance", HISTORY_READ_DIFFERS, OPENED "c1 5-6 read a1@1=99\n"},
    {"a read that shows other holds", HISTORY_READ_DIFFERS,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 read a1@2=100~0\n"},
    {"a look at a version that has passed, with another balance", HISTORY_READ_DIFFERS,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "c2 7-8 past a1@1=101\n"},
    {"a rejection that shows another balance", HISTORY_READ_DIFFERS,
     OPENED "c1 5-6 withdraw insufficient a1-150@1=90\n"},
    {"a version that has another content after a crash", HISTORY_READ_DIFFERS,
     OPENED "c1 5-? deposit unanswered key=7 a1+5\n"
            "c2 6-7 read a1@2=105\n"
            "crash 10\n"
            "c2 15-16 deposit lsn=3 a1+7@2=107\n"},
    {"insufficient, though it is enough", HISTORY_REFUSED_WRONGLY,
     OPENED "c1 5-6 withdraw insufficient a1-100@1=100\n"},
    {"a hold that is refused, though there is room for it", HISTORY_REFUSED_WRONGLY,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 hold insufficient a1~+70@2=100\n"},
    {"rejected for the version that was demanded", HISTORY_REFUSED_WRONGLY,
     OPENED "c1 5-6 deposit mismatch a1+5@1!1\n"},
    {"a hold that is resolved and was never made", HISTORY_LINK_BROKEN,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 void lsn=5 of=4 a1~-30@3=100~0\n"},
    {"a hold that is resolved and is known not to be there", HISTORY_LINK_BROKEN,
     OPENED OPENED_RECORDS "c1 5-? hold unanswered key=7 a1~+30\n"
                           "c2 5-6 hold lsn=4 a1~+30@2=100~30\n"
                           "c2 7-8 void lsn=5 of=3 a1~-30@3=100~0\n"
                           "record hold lsn=4 a1~+30@2=100~30\n"
                           "record void lsn=5 of=3 a1~-30@3=100~0\n"},
    {"a reversal of itself", HISTORY_LINK_BROKEN, OPENED "c1 5-6 reversal lsn=3 of=3 a1-5@2=95\n"},
    {"a deposit that is captured", HISTORY_LINK_BROKEN,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 capture lsn=4 of=1 a1-30~-30@3=70~0\n"},
    {"a reversal in front of its original", HISTORY_LINK_BROKEN,
     OPENED "c1 5-9 reversal lsn=3 of=4 a1-5@2=95\n"
            "c2 5-9 deposit lsn=4 a1+5@3=100\n"},
    {"a hold that is captured and expires", HISTORY_HOLD_RESOLVED_TWICE,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 hold lsn=4 a1~+30@3=100~60\n"
            "c1 9-10 capture lsn=5 of=3 a1-20~-30@4=80~30\n"
            "c0 0-? expire lsn=6 of=3 a1~-30@5=80~0\n"},
    {"a hold that is voided twice", HISTORY_HOLD_RESOLVED_TWICE,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 5-6 hold lsn=4 a1~+30@3=100~60\n"
            "c1 7-9 void key=1 lsn=5 of=3 a1~-30@4=100~30\n"
            "c2 7-9 void key=2 lsn=6 of=3 a1~-30@5=100~0\n"},
    {"a hold that is resolved twice, while something else is in doubt", HISTORY_HOLD_RESOLVED_TWICE,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 5-6 hold lsn=4 a1~+30@3=100~60\n"
            "c1 7-9 void lsn=5 of=3 a1~-30@4=100~30\n"
            "c2 7-9 void lsn=6 of=3 a1~-30@5=100~0\n"
            "c2 10-? deposit unanswered a2+5\n"},
    {"a capture that frees a part on another account", HISTORY_HOLD_AMOUNT,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 5-6 hold lsn=4 a2~+10@2=100~10\n"
            "c1 7-8 capture lsn=5 of=3 a1-10~-20@3=90~10 a2+10~-10@3=110~0\n"},
    {"a hold of which only a part is freed", HISTORY_HOLD_AMOUNT,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 void lsn=4 of=3 a1~-20@3=100~10\n"},
    {"a capture of more than was set aside", HISTORY_HOLD_AMOUNT,
     OPENED "c1 5-6 hold lsn=3 a1~+30@2=100~30\n"
            "c1 7-8 capture lsn=4 of=3 a1-40~-30@3=60~0\n"},
    {"reversals of more than the original", HISTORY_REVERSED_TOO_MUCH,
     OPENED "c1 5-6 deposit lsn=3 a1+50@2=150\n"
            "c1 7-8 reversal lsn=4 of=3 a1-30@3=120\n"
            "c1 9-10 reversal lsn=5 of=3 a1-30@4=90\n"},
    {"a reversal that goes the same way", HISTORY_REVERSED_TOO_MUCH,
     OPENED "c1 5-6 deposit lsn=3 a1+50@2=150\n"
            "c1 7-8 reversal lsn=4 of=3 a1+50@3=200\n"},
    {"a reversal on an account that has no part", HISTORY_REVERSED_TOO_MUCH,
     OPENED "c1 5-6 deposit lsn=3 a1+50@2=150\n"
            "c1 7-8 reversal lsn=4 of=3 a2-50@2=50\n"},
    {"a reversal in favour of an account that has no part", HISTORY_REVERSED_TOO_MUCH,
     OPENED "c1 5-6 withdraw lsn=3 a1-50@2=50\n"
            "c1 7-8 reversal lsn=4 of=3 a2+50@2=150\n"},
    {"a reversal of a withdrawal that goes the same way", HISTORY_REVERSED_TOO_MUCH,
     OPENED "c1 5-6 withdraw lsn=3 a1-50@2=50\n"
            "c1 7-8 reversal lsn=4 of=3 a1-50@3=0\n"},
    {"reversals of a withdrawal beyond it", HISTORY_REVERSED_TOO_MUCH,
     OPENED "c1 5-6 withdraw lsn=3 a1-50@2=50\n"
            "c1 7-8 reversal lsn=4 of=3 a1+50@3=100\n"
            "c1 9-10 reversal lsn=5 of=3 a1+1@4=101\n"},
    {"a log in another order than the versions", HISTORY_LSN_ORDER,
     OPENED "c1 5-9 deposit lsn=4 a1+5@2=105\n"
            "c2 5-9 deposit lsn=3 a1+7@3=112\n"},
    {"a log in another order than real time", HISTORY_LSN_REAL_TIME,
     OPENED "c1 5-6 deposit lsn=4 a1+5@2=105\n"
            "c2 7-8 deposit lsn=3 a2+7@2=107\n"},
    {"a log in another order than answers with a version but no id", HISTORY_LSN_REAL_TIME,
     OPENED OPENED_RECORDS "c1 5-6 withdraw a1-20@3=60\n"
                           "c2 7-8 withdraw a1-20@2=80\n"
                           "record withdraw lsn=3 a1-20@2=80\n"
                           "record withdraw lsn=4 a1-20@3=60\n"},
    {"versions in another order than real time", HISTORY_REAL_TIME,
     OPENED "c1 5-6 withdraw a1-5@3=102\n"
            "c2 7-8 deposit a1+7@2=107\n"},
    {"a request of a dead server that is applied in its next life", HISTORY_LSN_REAL_TIME,
     OPENED OPENED_RECORDS "c1 5-? deposit unanswered key=7 a1+5\n"
                           "crash 10\n"
                           "c2 15-16 deposit lsn=3 a2+7@2=107\n"
                           "record deposit lsn=3 a2+7@2=107\n"
                           "record deposit lsn=4 key=7 a1+5@2=105\n"},
    {"a version that was seen before it was asked for", HISTORY_READ_FROM_FUTURE,
     OPENED "c2 5-6 read a1@2=105\n"
            "c1 7-8 deposit lsn=3 a1+5@2=105\n"},
    {"two changes nobody can tell apart, and one seen before either was asked for",
     HISTORY_READ_FROM_FUTURE,
     OPENED OPENED_RECORDS "c1 20-21 withdraw a1-20\n"
                           "c2 25-26 withdraw a1-20\n"
                           "c3 18-19 read a1@2=80\n"
                           "record withdraw lsn=3 a1-20@2=80\n"
                           "record withdraw lsn=4 a1-20@3=60\n"},
    {"two changes nobody can tell apart, and none seen after both", HISTORY_STALE_READ,
     OPENED OPENED_RECORDS "c1 20-21 withdraw a1-20\n"
                           "c2 25-26 withdraw a1-20\n"
                           "c3 27-28 read a1@1=100\n"
                           "record withdraw lsn=3 a1-20@2=80\n"
                           "record withdraw lsn=4 a1-20@3=60\n"},
    {"a look at a version that was not asked for yet", HISTORY_READ_FROM_FUTURE,
     OPENED "c2 5-6 past a1@2=105\n"
            "c1 7-8 deposit lsn=3 a1+5@2=105\n"},
    {"a read that does not show what was acknowledged", HISTORY_STALE_READ,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "c2 7-8 read a1@1=100\n"},
    {"a read that shows less than one before it", HISTORY_STALE_READ,
     OPENED "c1 5-30 deposit lsn=3 a1+5@2=105\n"
            "c2 7-8 read a1@2=105\n"
            "c3 9-10 read a1@1=100\n"},
    {"a rejection for a version that has passed", HISTORY_STALE_READ,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "c2 7-8 deposit mismatch a1+5@1!7\n"},
    {"an account that is not there after it was opened", HISTORY_STALE_READ,
     OPENED "c2 5-6 read a1\n"},
    {"an acknowledged change that nobody sees after a crash", HISTORY_ACKNOWLEDGED_GONE,
     OPENED "c1 5-6 deposit lsn=3 a1+5@2=105\n"
            "crash 10\n"
            "c2 15-16 read a1@1=100\n"},
    {"a change that was seen, and that nobody sees after a crash", HISTORY_OBSERVED_GONE,
     OPENED "c1 5-? deposit unanswered key=7 a1+5\n"
            "c2 6-7 read a1@2=105\n"
            "crash 10\n"
            "c2 15-16 read a1@1=100\n"},
    {"two readers who saw two changes in different orders", HISTORY_CYCLE,
     OPENED "c1 5-50 deposit lsn=3 a1+5@2=105\n"
            "c2 5-50 deposit lsn=4 a2+5@2=105\n"
            "c3 10-20 read a1@2=105 a2@1=100\n"
            "c4 10-20 read a1@1=100 a2@2=105\n"},
    {"half a transfer seen at one moment", HISTORY_CYCLE,
     OPENED "c1 5-50 transfer lsn=3 a1-5@2=95 a2+5@2=105\n"
            "c2 10-11 read a1@2=95 a2@1=100\n"},
    {"an account seen between its two legs of one posting", HISTORY_CYCLE,
     OPENED "c1 5-50 posting lsn=3 a1-5@2=95 a2+10@2=110 a1-5@3=90\n"
            "c2 10-11 read a1@2=95\n"},
    {"the second half of a transfer seen before the first", HISTORY_CYCLE,
     OPENED "c1 5-50 transfer lsn=3 a1-5@2=95 a2+5@2=105\n"
            "c2 10-11 read a2@2=105\n"
            "c2 12-13 read a1@1=100\n"},
    {"the same, with other returns in between", HISTORY_CYCLE,
     OPENED "c1 5-50 transfer lsn=3 a1-5@2=95 a2+5@2=105\n"
            "c2 10-11 read a2@2=105\n"
            "c3 10-12 read a1@1=100\n"
            "c4 10-13 read a1@1=100\n"
            "c2 14-15 read a1@1=100\n"},
    {"two transfers in different orders on two accounts", HISTORY_CYCLE,
     OPENED "c1 5-50 transfer a1-5@2=95 a2+5@3=106\n"
            "c2 5-50 transfer a1-1@3=94 a2+1@2=101\n"},
    {"a circle over three accounts", HISTORY_CYCLE,
     OPENED "c1 5-6 open lsn=3 a3+100@1=100\n"
            "c1 10-90 transfer a1-1@3=100 a2+1@2=101\n"
            "c2 10-90 transfer a2-1@3=100 a3+1@2=101\n"
            "c3 10-90 transfer a3-1@3=100 a1+1@2=101\n"},
};

static void check_bad(void **state)
{
    const struct bad *bad = *(const struct bad *const *)*state;
    struct story story;
    struct history_report report;
    char text[1024];
    story_tell(&story, bad->text);
    (void)story_check(&story, &report);
    for (size_t i = 0; i < report.violations_count && i < HISTORY_VIOLATIONS_MAX; i++) {
        (void)history_violation_format(&report.violations[i], text, sizeof(text));
        if (report.violations[i].rule != bad->rule)
            fail_msg("expected %s, found %s", history_rule_name(bad->rule), text);
        assert_true(report.violations[i].involved_count > 0);
    }
    if (report.violations_count == 0)
        fail_msg("%s was not found", history_rule_name(bad->rule));
    assert_int_equal(report.violations_count, 1);
    assert_int_equal(report.violations_of[bad->rule], 1);
    story_forget(&story);
}

static void every_rule__has_a_bad_history(void **state)
{
    (void)state;
    for (int rule = 0; rule < HISTORY_RULES_COUNT; rule++) {
        size_t count = 0;
        for (size_t i = 0; i < COUNT_OF(BAD); i++)
            count += (int)BAD[i].rule == rule ? 1 : 0;
        if (count == 0)
            fail_msg("%s has none", history_rule_name((enum history_rule)rule));
    }
}

int main(void)
{
    const struct bad *rows[COUNT_OF(BAD)];
    struct CMUnitTest tests[COUNT_OF(BAD) + 1] = {cmocka_unit_test(every_rule__has_a_bad_history)};
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        rows[i] = &BAD[i];
        tests[i + 1] = (struct CMUnitTest){
            .name = BAD[i].name,
            .test_func = check_bad,
            .initial_state = &rows[i],
        };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
