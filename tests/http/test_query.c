/* test_query.c - parameters of a URL: known, once, decoded, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/query.h"

static const char *const names[] = {"dryRun", "after"};

static bool parse(const char *text, struct query *query, struct request_fault *fault)
{
    return query_parse(query, text, strlen(text), names, 2, fault);
}

static void query__has_what_was_given(void **state)
{
    struct query query;
    struct request_fault fault;
    (void)state;
    assert_true(parse("", &query, &fault));
    assert_null(query_value(&query, "dryRun"));
    assert_true(parse("dryRun=true&after=a%20b+c%3D%26", &query, &fault));
    assert_string_equal(query_value(&query, "dryRun"), "true");
    assert_string_equal(query_value(&query, "after"), "a b+c=&");
    assert_true(parse("after=x=y", &query, &fault));
    assert_string_equal(query_value(&query, "after"), "x=y");
    assert_true(parse("after", &query, &fault));
    assert_string_equal(query_value(&query, "after"), "");
    assert_true(parse("%61fter=1", &query, &fault));
    assert_string_equal(query_value(&query, "after"), "1");
    /* as browsers and libraries write it */
    assert_true(parse("after=1&", &query, &fault));
}

static void query__names_the_parameter_that_is_wrong(void **state)
{
    static const struct {
        const char *text;
        const char *field;
    } rows[] = {
        {"dryrun=true", "dryrun"},
        {"version=7", "version"},
        {"x", "x"},
        {"=true", "query"},
        {"&after=1", "query"},
        {"after=1&&dryRun=true", "query"},
        {"%00=1", "query"},
        {"a%=1", "a"},
        {"\"=1", "query"},
        {"after=1&after=1", "after"},
        {"after=1&%61fter=2", "after"},
        {"dryRun=true&dryRun=false", "dryRun"},
        {"after=%", "after"},
        {"after=%4", "after"},
        {"after=%zz", "after"},
        {"after=%00", "after"},
        {"after=%7F", "after"},
        {"after=%0A", "after"},
        {"0123456789012345678901234567890123=1", "0123456789012345678901234567890123"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct query query;
        struct request_fault fault;
        if (parse(rows[i].text, &query, &fault))
            fail_msg("accepted: %s", rows[i].text);
        if (strcmp(fault.field, rows[i].field) != 0)
            fail_msg("%s: field %s (%s)", rows[i].text, fault.field, fault.message);
    }
}

static void value__may_fill_its_limit_exactly(void **state)
{
    struct query query;
    struct request_fault fault;
    char text[6 + QUERY_VALUE_MAX + 2] = "after=";
    (void)state;
    memset(text + 6, 'x', QUERY_VALUE_MAX);
    text[6 + QUERY_VALUE_MAX] = '\0';
    assert_true(parse(text, &query, &fault));
    assert_int_equal(strlen(query_value(&query, "after")), QUERY_VALUE_MAX);
    text[6 + QUERY_VALUE_MAX] = 'x';
    text[7 + QUERY_VALUE_MAX] = '\0';
    assert_false(parse(text, &query, &fault));
    assert_string_equal(fault.field, "after");
}

static void flag__is_true_or_false_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        bool valid;
        bool value;
    } rows[] = {
        {"", true, false},
        {"dryRun=true", true, true},
        {"dryRun=false", true, false},
        {"dryRun=tr%75e", true, true},
        {"dryRun", false, false},
        {"dryRun=", false, false},
        {"dryRun=1", false, false},
        {"dryRun=TRUE", false, false},
        {"dryRun=yes", false, false},
        {"dryRun=true%20", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct query query;
        struct request_fault fault;
        bool value;
        assert_true(parse(rows[i].text, &query, &fault));
        assert_int_equal(query_flag(&query, "dryRun", &value, &fault), rows[i].valid);
        if (rows[i].valid)
            assert_int_equal(value, rows[i].value);
        else
            assert_string_equal(fault.field, "dryRun");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query__has_what_was_given),
        cmocka_unit_test(query__names_the_parameter_that_is_wrong),
        cmocka_unit_test(value__may_fill_its_limit_exactly),
        cmocka_unit_test(flag__is_true_or_false_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
