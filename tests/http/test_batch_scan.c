/* test_batch_scan.c - where items begin and end, however the scanner is interrupted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/batch_scan.h"

enum { ITEMS_MAX = 8 };

static struct batch_span spans[FLORIN_BATCH_ITEMS_MAX];

static enum batch_scan_state scan_all(struct batch_scan *scan, enum batch_scan_form form,
                                      const char *text, size_t length, size_t bytes_a_step,
                                      struct request_fault *fault)
{
    enum batch_scan_state state;
    size_t steps = 0;
    batch_scan_begin(scan, form, text, length, spans);
    while ((state = batch_scan_step(scan, bytes_a_step, fault)) == BATCH_SCAN_MORE)
        assert_true(++steps <= length);
    return state;
}

/* In one step, byte by byte, and in all sizes between. `items` NULL-terminated. */
static void assert_items(enum batch_scan_form form, const char *text, const char *const *items)
{
    struct batch_scan scan;
    struct request_fault fault;
    size_t length = strlen(text);
    for (size_t step = 1; step <= length + 1; step++) {
        if (scan_all(&scan, form, text, length, step, &fault) != BATCH_SCAN_DONE)
            fail_msg("%s: %s", text, fault.message);
        for (uint32_t i = 0; i < scan.count; i++) {
            if (items[i] == NULL) {
                fail_msg("%s: more than %u items", text, i);
                return;
            }
            assert_int_equal(spans[i].length, strlen(items[i]));
            assert_memory_equal(text + spans[i].offset, items[i], spans[i].length);
        }
        assert_null(items[scan.count]);
    }
}

static void array__items_are_found_by_brackets_and_quotes(void **state)
{
    static const struct {
        const char *text;
        const char *items[ITEMS_MAX];
    } rows[] = {
        {"[]", {NULL}},
        {" \t\r\n[ \n] \n", {NULL}},
        {"[{}]", {"{}"}},
        {"[ {} , {} ]", {"{}", "{}"}},
        {"[{\"a\":1,\"b\":[1,2]},{\"c\":{}}]", {"{\"a\":1,\"b\":[1,2]}", "{\"c\":{}}"}},
        {"[\"]\",\",\",\"\\\"]\",\"\\\\\"]", {"\"]\"", "\",\"", "\"\\\"]\"", "\"\\\\\""}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_items(BATCH_SCAN_ARRAY, rows[i].text, rows[i].items);
}

static void array__malformed_items_are_items(void **state)
{
    static const char *const items[] = {"1 2", "nonsense", "{\"a\":]", "[}", "{\"a\" \"b\"}", NULL};
    (void)state;
    assert_items(BATCH_SCAN_ARRAY, "[1 2, nonsense ,{\"a\":],[},{\"a\" \"b\"}]", items);
}

static void array__that_is_none_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"{}", "Malformed batch at byte 0: it must be an array of items"},
        {"\xEF\xBB\xBF[]", "Malformed batch at byte 0: it must be an array of items"},
        {" ", "Malformed batch at byte 1: the array is not closed"},
        {"[", "Malformed batch at byte 1: the array is not closed"},
        {"[{}", "Malformed batch at byte 3: the array is not closed"},
        {"[{},", "Malformed batch at byte 4: the array is not closed"},
        {"[{}]]", "Malformed batch at byte 4: something follows the array"},
        {"[{}],{}", "Malformed batch at byte 4: something follows the array"},
        {"[,{}]", "Malformed batch at byte 1: an item is missing here"},
        {"[{},,{}]", "Malformed batch at byte 4: an item is missing here"},
        {"[{},]", "Malformed batch at byte 4: an item is missing here"},
        {"[}]", "Malformed batch at byte 1: a bracket that nothing opened"},
        {"[\"]", "Malformed batch at byte 3: the array is not closed"},
        {"[\"\\\"]", "Malformed batch at byte 5: the array is not closed"},
        {"[\"\\", "Malformed batch at byte 3: the array is not closed"},
        {"[[[[", "Malformed batch at byte 4: the array is not closed"},
    };
    struct batch_scan scan;
    struct request_fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t length = strlen(rows[i].text);
        for (size_t step = 1; step <= length + 1; step++) {
            assert_int_equal(scan_all(&scan, BATCH_SCAN_ARRAY, rows[i].text, length, step, &fault),
                             BATCH_SCAN_REFUSED);
            assert_string_equal(fault.message, rows[i].reason);
            assert_string_equal(fault.field, "body");
        }
    }
}

static void lines__are_items_but_for_empty_ones(void **state)
{
    static const char *const two[] = {"{}", "{\"a\":\"]\"}", NULL};
    static const char *const returns[] = {"{}\r", " x ", NULL};
    (void)state;
    assert_items(BATCH_SCAN_LINES, "{}\n{\"a\":\"]\"}\n", two);
    assert_items(BATCH_SCAN_LINES, "{}\n{\"a\":\"]\"}", two);
    assert_items(BATCH_SCAN_LINES, "\n\n{}\n \t\r\n{\"a\":\"]\"}\n\n \n", two);
    assert_items(BATCH_SCAN_LINES, "{}\r\n x \n", returns);
}

static void lines__none_at_all_are_refused(void **state)
{
    struct batch_scan scan;
    struct request_fault fault;
    (void)state;
    assert_int_equal(scan_all(&scan, BATCH_SCAN_LINES, "\n \n", 3, 2, &fault), BATCH_SCAN_REFUSED);
    assert_string_equal(fault.message, "Malformed batch at byte 3: it has no items");
}

static void items__are_limited(void **state)
{
    static char text[2 * FLORIN_BATCH_ITEMS_MAX + 8];
    struct batch_scan scan;
    struct request_fault fault;
    (void)state;
    for (uint32_t extra = 0; extra < 2; extra++) {
        size_t items = FLORIN_BATCH_ITEMS_MAX + extra;
        for (unsigned form = BATCH_SCAN_ARRAY; form <= BATCH_SCAN_LINES; form++) {
            size_t length = 0;
            text[length++] = form == BATCH_SCAN_ARRAY ? '[' : ' ';
            for (size_t i = 0; i < items; i++) {
                text[length++] = '1';
                text[length++] = form == BATCH_SCAN_ARRAY ? ',' : '\n';
            }
            text[length - 1] = form == BATCH_SCAN_ARRAY ? ']' : '\n';
            enum batch_scan_state ended =
                scan_all(&scan, (enum batch_scan_form)form, text, length, 1000, &fault);
            assert_int_equal(ended, extra == 0 ? BATCH_SCAN_DONE : BATCH_SCAN_REFUSED);
            if (extra == 0)
                assert_int_equal(scan.count, FLORIN_BATCH_ITEMS_MAX);
            else
                assert_string_equal(fault.message, "A batch has more than 8192 items");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(array__items_are_found_by_brackets_and_quotes),
        cmocka_unit_test(array__malformed_items_are_items),
        cmocka_unit_test(array__that_is_none_is_refused),
        cmocka_unit_test(lines__are_items_but_for_empty_ones),
        cmocka_unit_test(lines__none_at_all_are_refused),
        cmocka_unit_test(items__are_limited),
    };
    return cmocka_run_group_tests_name("batch_scan", tests, NULL, NULL);
}
