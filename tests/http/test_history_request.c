/* test_history_request.c - times, and what a query about the past means. The refusals of parameters
 * are in test_history.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "http/history_request.h"
#include "http/json_text.h"

static void times__are_read_as_they_are_written(void **state)
{
    static const uint64_t seconds[] = {0,          1,          59,         86399,      86400,
                                       951782399,  951782400,  951868800,  1709164800, 1735689599,
                                       1746181442, 4107542399, 4107542400, 9214646399};
    (void)state;
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        char text[JSON_TEXT_TIME_BYTES + 1];
        uint64_t time_ns = UINT64_MAX;
        size_t length = json_text_format_time(seconds[i] * 1000000000, text);
        text[length] = '\0';
        assert_true(history_request_time(text, &time_ns));
        assert_int_equal(time_ns, seconds[i] * 1000000000);
    }
}

static void fractions_of_seconds__count(void **state)
{
    uint64_t time_ns;
    (void)state;
    assert_true(history_request_time("1970-01-01T00:00:01.5Z", &time_ns));
    assert_int_equal(time_ns, 1500000000);
    assert_true(history_request_time("1970-01-01T00:00:00.000000001Z", &time_ns));
    assert_int_equal(time_ns, 1);
}

static void what_is_no_time__is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "2025",
        "2025-05-02",
        "2025-05-02T10:24:02",
        "2025-05-02 10:24:02Z",
        "2025-05-02T10:24:02z",
        "2025-05-02T10:24:02+00:00",
        "2025-05-02T10:24:02.Z",
        "2025-05-02T10:24:02.0000000001Z",
        "2025-05-02T10:24:02ZZ",
        "2025-13-02T10:24:02Z",
        "2025-00-02T10:24:02Z",
        "2025-04-31T10:24:02Z",
        "2025-02-29T10:24:02Z",
        "2100-02-29T10:24:02Z",
        "2025-05-00T10:24:02Z",
        "2025-05-02T24:00:00Z",
        "2025-05-02T10:60:02Z",
        "2025-05-02T10:24:60Z",
        "1969-12-31T23:59:59Z",
        "2262-01-01T00:00:00Z",
        "-025-05-02T10:24:02Z",
    };
    uint64_t time_ns;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (history_request_time(rows[i], &time_ns))
            fail_msg("%s", rows[i]);
    }
}

static void queries__become_questions(void **state)
{
    struct route_match match = {
        .route = ROUTE_TRANSACTIONS, .account = "alice", .account_length = 5};
    struct request_fault fault;
    struct history_query query;
    (void)state;
    assert_true(history_request_parse(&query, &match, "", 0, &fault));
    assert_int_equal(query.kind, HISTORY_PAGE);
    assert_int_equal(query.limit, HISTORY_LIMIT_DEFAULT);
    assert_int_equal(query.before_lsn, 0);
    assert_int_equal(query.from_ns, 0);
    assert_true(query.to_ns == UINT64_MAX);
    assert_memory_equal(query.account, "alice", query.account_length);

    static const char page[] =
        "limit=7&before=txn131&to=1970-01-01T00:00:09Z&from=1970-01-01T00:00:08Z";
    assert_true(history_request_parse(&query, &match, page, sizeof(page) - 1, &fault));
    assert_int_equal(query.limit, 7);
    assert_int_equal(query.before_lsn, 131);
    assert_int_equal(query.from_ns, UINT64_C(8000000000));
    assert_int_equal(query.to_ns, UINT64_C(9000000000));

    match.route = ROUTE_BALANCE;
    assert_true(history_request_parse(&query, &match, "version=7", 9, &fault));
    assert_int_equal(query.kind, HISTORY_BALANCE_AT_VERSION);
    assert_int_equal(query.version, 7);
    static const char at[] = "at=1970-01-01T00:00:08.25Z";
    assert_true(history_request_parse(&query, &match, at, sizeof(at) - 1, &fault));
    assert_int_equal(query.kind, HISTORY_BALANCE_AT_TIME);
    assert_int_equal(query.at_ns, UINT64_C(8250000000));

    match = (struct route_match){.route = ROUTE_TRANSACTION, .target_id = 12};
    assert_true(history_request_parse(&query, &match, "", 0, &fault));
    assert_int_equal(query.kind, HISTORY_TRANSACTION);
    assert_int_equal(query.lsn, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times__are_read_as_they_are_written),
        cmocka_unit_test(fractions_of_seconds__count),
        cmocka_unit_test(what_is_no_time__is_refused),
        cmocka_unit_test(queries__become_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
