/* test_request_headers.c - keys, preconditions and preferences from headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/request_headers.h"

static void add(struct request_headers *headers, const char *name, const char *value)
{
    request_headers_add(headers, name, strlen(name), value, strlen(value));
}

static void read_one(struct request_headers *headers, const char *name, const char *value)
{
    request_headers_init(headers);
    add(headers, name, value);
}

static void assert_key(const char *value, const char *key)
{
    struct request_headers headers;
    struct request_fault fault;
    read_one(&headers, "idempotency-key", value);
    assert_true(request_headers_check(&headers, &fault));
    assert_int_equal(headers.key_length, strlen(key));
    assert_memory_equal(headers.key, key, headers.key_length);
}

static void assert_fault(const struct request_headers *headers, const char *field)
{
    struct request_fault fault;
    assert_false(request_headers_check(headers, &fault));
    assert_string_equal(fault.field, field);
    assert_true(strlen(fault.message) > 0);
}

static void key__is_the_same_bare_and_quoted(void **state)
{
    (void)state;
    assert_key("abc123", "abc123");
    assert_key("\"abc123\"", "abc123");
    assert_key("  abc123\t", "abc123");
    assert_key("a\"b", "a\"b");
    assert_key("\"a\\\"b\\\\c\"", "a\"b\\c");
    assert_key("two words", "two words");
    assert_key("k\xc3\xa9y", "k\xc3\xa9y");
}

static void key__of_255_bytes_is_the_longest(void **state)
{
    char value[300];
    struct request_headers headers;
    (void)state;
    memset(value, 'k', sizeof(value));
    value[255] = '\0';
    assert_key(value, value);
    value[255] = 'k';
    value[256] = '\0';
    read_one(&headers, "idempotency-key", value);
    assert_fault(&headers, "Idempotency-Key");
    value[0] = '"';
    value[256] = '"';
    value[257] = '\0';
    char key[256];
    memcpy(key, value + 1, 255);
    key[255] = '\0';
    assert_key(value, key);
}

static void key__malformed_is_a_fault(void **state)
{
    static const char *const values[] = {"",         "\"\"",   "\"abc", "\"a\"b\"", "\"a\\",
                                         "\"a\\n\"", "a\001b", "a\x7f", "\"a\tb\""};
    struct request_headers headers;
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        read_one(&headers, "idempotency-key", values[i]);
        assert_fault(&headers, "Idempotency-Key");
    }
    read_one(&headers, "idempotency-key", "a");
    add(&headers, "idempotency-key", "a");
    assert_fault(&headers, "Idempotency-Key");
}

static void if_match__is_one_strong_version(void **state)
{
    static const char *const wrong[] = {"7",           "W/\"7\"", "\"\"",
                                        "\"0\"",       "\"07\"",  "\"x\"",
                                        "\"7\",\"8\"", "",        "\"1234567890123456789\"",
                                        "\"-7\""};
    struct request_headers headers;
    struct request_fault fault;
    (void)state;
    read_one(&headers, "if-match", "\"7\"");
    assert_true(request_headers_check(&headers, &fault));
    assert_int_equal(headers.if_match_version, 7);
    read_one(&headers, "if-match", " * ");
    assert_true(request_headers_check(&headers, &fault));
    assert_true(headers.has_if_match);
    assert_int_equal(headers.if_match_version, 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        read_one(&headers, "if-match", wrong[i]);
        assert_fault(&headers, "If-Match");
    }
    read_one(&headers, "if-match", "\"7\"");
    add(&headers, "if-match", "\"7\"");
    assert_fault(&headers, "If-Match");
}

static void content_type__is_json_in_utf8(void **state)
{
    static const struct {
        const char *value;
        enum request_content content;
    } rows[] = {
        {"application/json", REQUEST_CONTENT_JSON},
        {"Application/JSON; charset=UTF-8", REQUEST_CONTENT_JSON},
        {"application/json;charset=\"utf-8\"", REQUEST_CONTENT_JSON},
        {"application/json;", REQUEST_CONTENT_JSON},
        {"application/json; charset=latin1", REQUEST_CONTENT_FOREIGN},
        {"application/json; boundary=x", REQUEST_CONTENT_FOREIGN},
        {"application/jsonx", REQUEST_CONTENT_FOREIGN},
        {"text/plain", REQUEST_CONTENT_FOREIGN},
        {"", REQUEST_CONTENT_FOREIGN},
        {"application/x-ndjson", REQUEST_CONTENT_NDJSON},
        {"application/ndjson; charset=utf-8", REQUEST_CONTENT_NDJSON},
        {"application/jsonl", REQUEST_CONTENT_NDJSON},
        {"application/x-ndjson; charset=latin1", REQUEST_CONTENT_FOREIGN},
        {"application/vnd.florin.batch", REQUEST_CONTENT_BATCH},
        {"application/vnd.florin.batch; charset=utf-8", REQUEST_CONTENT_FOREIGN},
    };
    struct request_headers headers;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        read_one(&headers, "content-type", rows[i].value);
        assert_int_equal(headers.content, rows[i].content);
    }
    request_headers_init(&headers);
    assert_int_equal(headers.content, REQUEST_CONTENT_JSON);
}

static void preferences__are_found_in_lists(void **state)
{
    struct request_headers headers;
    (void)state;
    read_one(&headers, "prefer", "respond-async, money=string; foo=bar");
    assert_true(headers.money_as_string);
    read_one(&headers, "prefer", "Money = \"string\"");
    assert_true(headers.money_as_string);
    read_one(&headers, "prefer", "money=number");
    assert_false(headers.money_as_string);
    read_one(&headers, "accept", "application/json, application/problem+json;q=0.5");
    assert_true(headers.wants_problem);
    read_one(&headers, "accept", "application/problem+json;q=0");
    assert_false(headers.wants_problem);
    read_one(&headers, "accept", "*/*");
    assert_false(headers.wants_problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key__is_the_same_bare_and_quoted),
        cmocka_unit_test(key__of_255_bytes_is_the_longest),
        cmocka_unit_test(key__malformed_is_a_fault),
        cmocka_unit_test(if_match__is_one_strong_version),
        cmocka_unit_test(content_type__is_json_in_utf8),
        cmocka_unit_test(preferences__are_found_in_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
