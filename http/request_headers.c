/* request_headers.c - reads Idempotency-Key, If-Match, Content-Type, Accept, Prefer and
 * Last-Event-ID.
 *
 * Guarantees: a key is the same whether it comes bare or as a quoted string (RFC 8941); the first
 * fault is kept. It must not know routes or accounts.
 */
#include "request_headers.h"

#include <string.h>
#include <strings.h>

static const char key_field[] = "Idempotency-Key";
static const char if_match_field[] = "If-Match";

struct slice {
    const char *bytes;
    size_t length;
};

static struct slice trim(struct slice slice)
{
    while (slice.length > 0 && (slice.bytes[0] == ' ' || slice.bytes[0] == '\t')) {
        slice.bytes++;
        slice.length--;
    }
    while (slice.length > 0 &&
           (slice.bytes[slice.length - 1] == ' ' || slice.bytes[slice.length - 1] == '\t'))
        slice.length--;
    return slice;
}

/* Cuts off and returns what stands before the next `separator`. */
static struct slice next_part(struct slice *rest, char separator)
{
    const char *end = memchr(rest->bytes, separator, rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->bytes);
    struct slice part = {rest->bytes, length};
    size_t taken = end == NULL ? length : length + 1;
    rest->bytes += taken;
    rest->length -= taken;
    return trim(part);
}

static bool equals(struct slice slice, const char *text)
{
    return slice.length == strlen(text) && strncasecmp(slice.bytes, text, slice.length) == 0;
}

static void keep_fault(struct request_headers *headers, const char *field, const char *message)
{
    if (!headers->has_fault)
        (void)request_fault_set(&headers->fault, field, "%s", message);
    headers->has_fault = true;
}

/* The content of a quoted string: \" and \\ stand for themselves. */
static bool unquote(struct slice quoted, char *bytes, size_t capacity, size_t *length)
{
    *length = 0;
    for (size_t i = 1; i < quoted.length; i++) {
        char byte = quoted.bytes[i];
        if (byte == '"')
            return i == quoted.length - 1;
        if (byte == '\\') {
            i++;
            if (i == quoted.length || (quoted.bytes[i] != '"' && quoted.bytes[i] != '\\'))
                return false;
            byte = quoted.bytes[i];
        }
        if (*length == capacity)
            return false;
        bytes[(*length)++] = byte;
    }
    return false;
}

bool request_key_is_valid(const char *key, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)key[i] < 0x20 || key[i] == 0x7f)
            return false;
    }
    return true;
}

static void read_key(struct request_headers *headers, struct slice value)
{
    /* One byte more than allowed, so that a key that is too long is told from a malformed one. */
    char bytes[FLORIN_KEY_MAX + 1];
    size_t length = value.length;
    if (headers->has_key) {
        keep_fault(headers, key_field, "Idempotency-Key is given twice");
        return;
    }
    headers->has_key = true;
    if (value.length > 0 && value.bytes[0] == '"') {
        if (!unquote(value, bytes, sizeof(bytes), &length)) {
            keep_fault(headers, key_field,
                       "Idempotency-Key must be a bare or a quoted string of 1 to 255 bytes");
            return;
        }
    } else if (length <= FLORIN_KEY_MAX) {
        memcpy(bytes, value.bytes, length);
    }
    if (length == 0 || length > FLORIN_KEY_MAX) {
        keep_fault(headers, key_field, "Idempotency-Key must have 1 to 255 bytes");
        return;
    }
    if (!request_key_is_valid(bytes, length)) {
        keep_fault(headers, key_field, "Idempotency-Key has a control character");
        return;
    }
    memcpy(headers->key, bytes, length);
    headers->key_length = length;
}

/* "7" in quotes: up to 18 digits, not 0, no leading zero. */
static bool read_version_tag(struct slice tag, uint64_t *version)
{
    if (tag.length < 3 || tag.length > 20 || tag.bytes[0] != '"' ||
        tag.bytes[tag.length - 1] != '"' || tag.bytes[1] == '0')
        return false;
    uint64_t value = 0;
    for (size_t i = 1; i < tag.length - 1; i++) {
        if (tag.bytes[i] < '0' || tag.bytes[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(tag.bytes[i] - '0');
    }
    *version = value;
    return true;
}

static void read_if_match(struct request_headers *headers, struct slice value)
{
    if (headers->has_if_match) {
        keep_fault(headers, if_match_field, "If-Match is given twice");
        return;
    }
    headers->has_if_match = true;
    if (equals(value, "*"))
        return;
    if (!read_version_tag(value, &headers->if_match_version))
        keep_fault(headers, if_match_field,
                   "If-Match must be one version in quotes, like \"7\", or *");
}

/* A known type, with nothing but a charset of UTF-8. */
static enum request_content read_content_type(struct slice value)
{
    static const struct {
        const char *name;
        enum request_content content;
    } types[] = {
        {"application/json", REQUEST_CONTENT_JSON},
        {"application/x-ndjson", REQUEST_CONTENT_NDJSON},
        {"application/ndjson", REQUEST_CONTENT_NDJSON},
        {"application/jsonl", REQUEST_CONTENT_NDJSON},
        {"application/vnd.florin.batch", REQUEST_CONTENT_BATCH},
    };
    enum request_content content = REQUEST_CONTENT_FOREIGN;
    struct slice type = next_part(&value, ';');
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (equals(type, types[i].name))
            content = types[i].content;
    }
    while (value.length > 0) {
        struct slice parameter = next_part(&value, ';');
        bool is_utf8 = equals(parameter, "charset=utf-8") || equals(parameter, "charset=\"utf-8\"");
        if (parameter.length > 0 && (!is_utf8 || content == REQUEST_CONTENT_BATCH))
            return REQUEST_CONTENT_FOREIGN;
    }
    return content;
}

/* q=0, q=0.0, ...: named, but not wanted. */
static bool weight_is_zero(struct slice parameter)
{
    if (parameter.length < 3 || strncasecmp(parameter.bytes, "q=0", 3) != 0)
        return false;
    for (size_t i = 3; i < parameter.length; i++) {
        if (parameter.bytes[i] != '.' && parameter.bytes[i] != '0')
            return false;
    }
    return true;
}

static void read_accept(struct request_headers *headers, struct slice value)
{
    while (value.length > 0) {
        struct slice range = next_part(&value, ',');
        struct slice type = next_part(&range, ';');
        bool wanted = true;
        while (range.length > 0)
            wanted = !weight_is_zero(next_part(&range, ';')) && wanted;
        if (equals(type, "application/problem+json"))
            headers->wants_problem = headers->wants_problem || wanted;
        else if (equals(type, "text/event-stream"))
            headers->wants_event_stream = headers->wants_event_stream || wanted;
    }
}

static void read_last_event_id(struct request_headers *headers, struct slice value)
{
    size_t length = value.length < REQUEST_EVENT_ID_MAX ? value.length : REQUEST_EVENT_ID_MAX;
    memcpy(headers->last_event_id, value.bytes, length);
    headers->last_event_id_length = length;
}

static void read_prefer(struct request_headers *headers, struct slice value)
{
    while (value.length > 0) {
        struct slice preference = next_part(&value, ',');
        preference = next_part(&preference, ';');
        struct slice name = next_part(&preference, '=');
        if (equals(name, "money") &&
            (equals(trim(preference), "string") || equals(trim(preference), "\"string\"")))
            headers->money_as_string = true;
    }
}

void request_headers_init(struct request_headers *headers)
{
    headers->money_as_string = false;
    headers->wants_problem = false;
    headers->wants_event_stream = false;
    headers->last_event_id_length = 0;
    headers->content = REQUEST_CONTENT_JSON;
    headers->has_if_match = false;
    headers->if_match_version = 0;
    headers->key_length = 0;
    headers->has_key = false;
    headers->has_fault = false;
}

void request_headers_add(struct request_headers *headers, const char *name, size_t name_length,
                         const char *value, size_t value_length)
{
    struct slice field = {name, name_length};
    struct slice content = trim((struct slice){value, value_length});
    if (equals(field, "idempotency-key"))
        read_key(headers, content);
    else if (equals(field, "if-match"))
        read_if_match(headers, content);
    else if (equals(field, "content-type"))
        headers->content = read_content_type(content);
    else if (equals(field, "accept"))
        read_accept(headers, content);
    else if (equals(field, "last-event-id"))
        read_last_event_id(headers, content);
    else if (equals(field, "prefer"))
        read_prefer(headers, content);
}

bool request_headers_check(const struct request_headers *headers, struct request_fault *fault)
{
    if (headers->has_fault)
        *fault = headers->fault;
    return !headers->has_fault;
}
