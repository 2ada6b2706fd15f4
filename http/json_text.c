/* json_text.c - appends to a buffer, with escapes and commas.
 *
 * Guarantees: never writes beyond the capacity; what it wrote is valid JSON as long as nothing was
 * truncated and the caller closed what it opened. It must not know what is written.
 */
#include "json_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/core/money.h"

void json_text_init(struct json_text *text, char *bytes, size_t capacity)
{
    *text = (struct json_text){.bytes = bytes, .capacity = capacity};
}

void json_text_raw(struct json_text *text, const char *bytes, size_t length)
{
    if (text->truncated || text->capacity - text->length < length) {
        text->truncated = true;
        return;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void json_text_member(struct json_text *text, const char *name)
{
    if (text->length > 0 && text->bytes[text->length - 1] != '{')
        json_text_raw(text, ",", 1);
    json_text_raw(text, "\"", 1);
    json_text_raw(text, name, strlen(name));
    json_text_raw(text, "\":", 2);
}

static bool needs_escape(unsigned char byte)
{
    return byte == '"' || byte == '\\' || byte < 0x20 || byte == 0x7f;
}

static void append_escape(struct json_text *text, unsigned char byte)
{
    char escape[8];
    bool is_control = byte < 0x20 || byte == 0x7f;
    int count = snprintf(escape, sizeof(escape), is_control ? "\\u%04x" : "\\%c", byte);
    json_text_raw(text, escape, (size_t)count);
}

void json_text_string(struct json_text *text, const char *bytes, size_t length)
{
    json_text_raw(text, "\"", 1);
    size_t done = 0;
    for (size_t i = 0; i < length; i++) {
        if (!needs_escape((unsigned char)bytes[i]))
            continue;
        json_text_raw(text, bytes + done, i - done);
        append_escape(text, (unsigned char)bytes[i]);
        done = i + 1;
    }
    json_text_raw(text, bytes + done, length - done);
    json_text_raw(text, "\"", 1);
}

void json_text_unsigned(struct json_text *text, uint64_t value)
{
    char digits[20];
    size_t first = sizeof(digits);
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    json_text_raw(text, digits + first, sizeof(digits) - first);
}

void json_text_money(struct json_text *text, int64_t minor, uint8_t exponent, bool as_string)
{
    char digits[MONEY_TEXT_BYTES];
    size_t length = money_format(minor, exponent, digits);
    if (as_string)
        json_text_string(text, digits, length);
    else
        json_text_raw(text, digits, length);
}

static char *put_digits(char *at, int value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

size_t json_text_format_time(uint64_t time_ns, char bytes[JSON_TEXT_TIME_BYTES])
{
    time_t seconds = (time_t)(time_ns / UINT64_C(1000000000));
    struct tm utc;
    struct tm *converted = gmtime_r(&seconds, &utc);
    assert(converted != NULL && utc.tm_year >= 0 && utc.tm_year < 10000 - 1900);
    /* strftime() takes a fifth of a microsecond for the same */
    char *at = put_digits(bytes, utc.tm_year + 1900, 4);
    *at++ = '-';
    at = put_digits(at, utc.tm_mon + 1, 2);
    *at++ = '-';
    at = put_digits(at, utc.tm_mday, 2);
    *at++ = 'T';
    at = put_digits(at, utc.tm_hour, 2);
    *at++ = ':';
    at = put_digits(at, utc.tm_min, 2);
    *at++ = ':';
    at = put_digits(at, utc.tm_sec, 2);
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - bytes);
}

void json_text_time(struct json_text *text, uint64_t time_ns)
{
    char bytes[JSON_TEXT_TIME_BYTES];
    size_t length = json_text_format_time(time_ns, bytes);
    json_text_string(text, bytes, length);
}

void json_text_member_string(struct json_text *text, const char *name, const char *value)
{
    json_text_member(text, name);
    json_text_string(text, value, strlen(value));
}

void json_text_member_unsigned(struct json_text *text, const char *name, uint64_t value)
{
    json_text_member(text, name);
    json_text_unsigned(text, value);
}
