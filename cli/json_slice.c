/* json_slice.c - finds where values end. It must not know what they mean. */
#include "json_slice.h"

#include <stdio.h>
#include <string.h>

#include "http/json_check.h"

static struct json_slice skip(struct json_slice slice, size_t count)
{
    return (struct json_slice){slice.bytes + count, slice.length - count};
}

static struct json_slice skip_any(struct json_slice slice, const char *characters)
{
    while (slice.length > 0 && strchr(characters, slice.bytes[0]) != NULL)
        slice = skip(slice, 1);
    return slice;
}

static const char blank[] = " \t\r\n";
static const char blank_or_comma[] = " \t\r\n,";

/* Of the string that the slice begins with, with both quotes. */
static size_t string_length(struct json_slice slice)
{
    size_t i = 1;
    while (i < slice.length && slice.bytes[i] != '"')
        i += slice.bytes[i] == '\\' ? 2 : 1;
    return i + 1 < slice.length ? i + 1 : slice.length;
}

/* Of the value that the slice begins with. */
static size_t value_length(struct json_slice slice)
{
    size_t depth = 0;
    size_t i = 0;
    while (i < slice.length) {
        char c = slice.bytes[i];
        if (depth == 0 && i > 0 && (strchr(",]} \t\r\n", c) != NULL))
            return i;
        if (c == '"') {
            i += string_length(skip(slice, i));
        } else {
            depth += c == '{' || c == '[';
            i++;
            if (c == '}' || c == ']')
                depth--;
        }
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            return i;
    }
    return i;
}

bool json_slice_whole(const char *text, size_t length, struct json_slice *slice)
{
    struct json_fault fault;
    *slice = skip_any((struct json_slice){text, length}, blank);
    return json_check(text, length, &fault);
}

struct json_slice json_slice_member(struct json_slice object, const char *name)
{
    struct json_slice rest = object;
    if (rest.length == 0 || rest.bytes[0] != '{')
        return (struct json_slice){object.bytes, 0};
    rest = skip_any(skip(rest, 1), blank_or_comma);
    while (rest.length > 0 && rest.bytes[0] == '"') {
        size_t length = string_length(rest);
        bool found = length == strlen(name) + 2 && memcmp(rest.bytes + 1, name, strlen(name)) == 0;
        rest = skip_any(skip(rest, length), " \t\r\n:");
        length = value_length(rest);
        if (found)
            return (struct json_slice){rest.bytes, length};
        rest = skip_any(skip(rest, length), blank_or_comma);
    }
    return (struct json_slice){object.bytes, 0};
}

struct json_slice json_slice_text(struct json_slice value)
{
    if (value.length >= 2 && value.bytes[0] == '"')
        return (struct json_slice){value.bytes + 1, value.length - 2};
    return value;
}

void json_slice_copy(struct json_slice object, const char *name, char *text, size_t capacity)
{
    struct json_slice value = json_slice_text(json_slice_member(object, name));
    snprintf(text, capacity, "%.*s", (int)value.length, value.bytes);
}

bool json_slice_next(struct json_slice *rest, struct json_slice *element)
{
    struct json_slice at = skip_any(*rest, ",[ \t\r\n");
    /* An array of arrays is not among the answers, so a bracket is only the array's own. */
    if (at.length == 0 || at.bytes[0] == ']')
        return false;
    *element = (struct json_slice){at.bytes, value_length(at)};
    *rest = skip(at, element->length);
    return true;
}
