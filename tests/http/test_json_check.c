/* test_json_check.c - which texts are accepted as JSON, and what is said of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "http/json_check.h"

static void json_check__accepts_what_rfc_8259_allows(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        " { \"a\" : [ 1 , -0 , 0.5 , 1e2 , -1.25E-3 , true , false , null , \"\" ] } \r\n\t",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "123456789012345",
        "0.123456789012345",
        "1000000000000000000000",
        "[[[[[[[[1]]]]]]]]",
        "7",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct json_fault fault;
        if (!json_check(texts[i], strlen(texts[i]), &fault))
            fail_msg("%s: %s at %zu", texts[i], fault.reason, fault.offset);
    }
}

static void json_check__refuses_the_rest(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *reason;
    } rows[] = {
        {"", 0, "value is missing"},
        {" ", 1, "value is missing"},
        {"{", 1, "name in quotes"},
        {"{\"a\"}", 4, "colon"},
        {"{\"a\":}", 5, "value is missing"},
        {"{\"a\":1,}", 7, "name in quotes"},
        {"{\"a\":1 \"b\":2}", 7, "comma"},
        {"{a:1}", 1, "name in quotes"},
        {"{'a':1}", 1, "name in quotes"},
        {"[1,]", 3, "value is missing"},
        {"[1", 2, "comma"},
        {"[1}", 2, "comma"},
        {"{} {}", 3, "follows"},
        {"1 x", 2, "follows"},
        {"\xef\xbb\xbf{}", 0, "value is missing"},
        {"nul", 0, "value is missing"},
        {"NaN", 0, "value is missing"},
        {"Infinity", 0, "value is missing"},
        {"+1", 0, "value is missing"},
        {"01", 1, "leading zero"},
        {"-", 1, "digit"},
        {".5", 0, "value is missing"},
        {"1.", 2, "digit"},
        {"1e", 2, "digit"},
        {"1e+", 3, "digit"},
        {"0x10", 1, "follows"},
        {"1234567890123456", 0, "15 significant"},
        {"0.1234567890123456", 0, "15 significant"},
        {"1e400", 0, "out of range"},
        {"1e-400", 0, "out of range"},
        {"\"a", 2, "closing quote"},
        {"\"\x01\"", 1, "control"},
        {"\"\n\"", 1, "control"},
        {"\"\\x\"", 2, "escape"},
        {"\"\\u12g4\"", 5, "hexadecimal"},
        {"\"\\u0000\"", 7, "u0000"},
        {"\"\\uD800\"", 7, "high surrogate"},
        {"\"\\uD800\\u0041\"", 13, "high surrogate"},
        {"\"\\uDC00\"", 7, "low surrogate"},
        {"\"\x80\"", 1, "UTF-8"},
        {"\"\xc0\x80\"", 1, "UTF-8"},
        {"\"\xe0\x80\x80\"", 2, "UTF-8"},
        {"\"\xed\xa0\x80\"", 2, "UTF-8"},
        {"\"\xf4\x90\x80\x80\"", 2, "UTF-8"},
        {"\"\xf8\"", 1, "UTF-8"},
        {"\"\xc3\"", 2, "UTF-8"},
        {"[[[[[[[[[1]]]]]]]]]", 8, "deeply"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_fault fault;
        if (json_check(rows[i].text, strlen(rows[i].text), &fault))
            fail_msg("accepted: %s", rows[i].text);
        if (strstr(fault.reason, rows[i].reason) == NULL || fault.offset != rows[i].offset)
            fail_msg("%s: %s at %zu", rows[i].text, fault.reason, fault.offset);
    }
}

static void json_check__reads_no_byte_behind_the_length(void **state)
{
    struct json_fault fault;
    (void)state;
    assert_true(json_check("{}garbage", 2, &fault));
    assert_false(json_check("12345", 0, &fault));
    assert_false(json_check("true", 3, &fault));
    assert_false(json_check("\"ab\"", 3, &fault));
    assert_false(json_check("\"\\u0041\"", 5, &fault));
    assert_false(json_check("\"\xe2\x82\xac\"", 3, &fault));
}

static void json_check__names_the_member_of_a_fault(void **state)
{
    static const struct {
        const char *text;
        const char *member;
    } rows[] = {
        {"{\"type\":\"Deposit\",\"amount\":01}", "amount"},
        {"{\"metadata\":{\"deep\":[1,}}", "metadata"},
        {"{\"a\":1}x", ""},
        {"[1,", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_fault fault;
        assert_false(json_check(rows[i].text, strlen(rows[i].text), &fault));
        assert_int_equal(fault.member_length, strlen(rows[i].member));
        assert_memory_equal(rows[i].text + fault.member_offset, rows[i].member,
                            fault.member_length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_check__accepts_what_rfc_8259_allows),
        cmocka_unit_test(json_check__refuses_the_rest),
        cmocka_unit_test(json_check__reads_no_byte_behind_the_length),
        cmocka_unit_test(json_check__names_the_member_of_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
