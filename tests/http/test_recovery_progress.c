/* test_recovery_progress.c - share, rate and remaining time, also of figures that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/recovery_progress.h"

enum { MEBIBYTE = 1024 * 1024 };

static void figures__become_share_rate_and_rest(void **state)
{
    static const struct {
        uint64_t done;
        uint64_t total;
        uint64_t elapsed_ms;
        unsigned percent;
        unsigned mib_per_second;
        bool known;
        uint64_t seconds_left;
    } rows[] = {
        {0, 0, 0, 0, 0, false, 0},
        {0, 0, 1000, 0, 0, false, 0},
        {0, 100 * MEBIBYTE, 1000, 0, 0, false, 0},
        {1, 100 * MEBIBYTE, 0, 0, 0, false, 0},
        {25 * MEBIBYTE, 100 * MEBIBYTE, 500, 25, 50, true, 2},
        /* rounded up: not "0 s left" for half a minute */
        {90 * MEBIBYTE, 100 * MEBIBYTE, 1000, 90, 90, true, 1},
        {100 * MEBIBYTE, 100 * MEBIBYTE, 4000, 100, 25, true, 0},
        /* each figure is read for itself, and the log may have grown */
        {110 * MEBIBYTE, 100 * MEBIBYTE, 1000, 100, 110, true, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ledger_progress figures = {.bytes_done = rows[i].done,
                                          .bytes_total = rows[i].total,
                                          .elapsed_ms = rows[i].elapsed_ms};
        struct recovery_progress progress;
        recovery_progress_of(&figures, &progress);
        assert_int_equal((unsigned)(progress.share * 100), rows[i].percent);
        assert_int_equal((unsigned)progress.mib_per_second, rows[i].mib_per_second);
        assert_int_equal(progress.seconds_are_known, rows[i].known);
        assert_int_equal(progress.seconds_left, rows[i].seconds_left);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures__become_share_rate_and_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
