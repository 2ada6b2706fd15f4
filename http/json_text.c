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

void json_text_string(struct json_text *text, const char *bytes, size_t length)
{
    json_text_raw(text, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte == '"' || byte == '\\') {
            char escape[2] = {'\\', (char)byte};
            json_text_raw(text, escape, sizeof(escape));
        } else if (byte < 0x20 || byte == 0x7f) {
            char escape[8];
            int count = snprintf(escape, sizeof(escape), "\\u%04x", byte);
            json_text_raw(text, escape, (size_t)count);
        } else {
            json_text_raw(text, bytes + i, 1);
        }
    }
    json_text_raw(text, "\"", 1);
}

void json_text_unsigned(struct json_text *text, uint64_t value)
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    json_text_raw(text, digits, (size_t)count);
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

size_t json_text_format_time(uint64_t time_ns, char bytes[JSON_TEXT_TIME_BYTES])
{
    time_t seconds = (time_t)(time_ns / UINT64_C(1000000000));
    struct tm utc;
    struct tm *converted = gmtime_r(&seconds, &utc);
    assert(converted != NULL);
    size_t length = strftime(bytes, JSON_TEXT_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
    assert(length > 0);
    return length;
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
