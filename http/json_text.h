/* json_text.h - writes JSON into memory of the caller.
 *
 * Commas come by themselves: a member or an element puts one when the text does not end with an
 * opening bracket. What does not fit sets `truncated` and writes nothing more; the caller gives
 * enough memory for the worst case and asserts on it.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_JSON_TEXT_H
#define FLORIN_HTTP_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_text {
    char *bytes;
    size_t capacity;
    size_t length;
    bool truncated;
};

void json_text_init(struct json_text *text, char *bytes, size_t capacity);

/* As they are: brackets, and text that is JSON already. */
void json_text_raw(struct json_text *text, const char *bytes, size_t length);

/* `"name":`, with a comma before it when one is due. `name` needs no escapes. */
void json_text_member(struct json_text *text, const char *name);

/* Values. Strings are UTF-8 and get the escapes that RFC 8259 asks for. */
void json_text_string(struct json_text *text, const char *bytes, size_t length);
void json_text_unsigned(struct json_text *text, uint64_t value);
void json_text_money(struct json_text *text, int64_t minor, uint8_t exponent, bool as_string);
/* `2025-05-02T10:24:02Z`, in quotes. */
void json_text_time(struct json_text *text, uint64_t time_ns);

/* Shorthands: a member with its value. */
void json_text_member_string(struct json_text *text, const char *name, const char *value);
void json_text_member_unsigned(struct json_text *text, const char *name, uint64_t value);

enum { JSON_TEXT_TIME_BYTES = 32 };

/* Unix nanoseconds as RFC 3339 in UTC, to the second; returns the length. */
size_t json_text_format_time(uint64_t time_ns, char bytes[JSON_TEXT_TIME_BYTES]);

#endif
