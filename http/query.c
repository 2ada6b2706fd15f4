/* query.c - name=value&name=value, percent-decoded.
 *
 * Guarantees: values have no control characters; a name in a fault is printable, so that an answer
 * may repeat it. It must not know which calls there are.
 */
#include "query.h"

#include <assert.h>
#include <string.h>

#include "percent.h"

/* Decodes into a terminated string; false: malformed, too long, or with a control character. */
static bool decode(const char *text, size_t length, char *decoded, size_t capacity)
{
    size_t decoded_length;
    decoded[0] = '\0';
    if (!percent_decode(text, length, decoded, capacity, &decoded_length))
        return false;
    decoded[decoded_length] = '\0';
    for (size_t i = 0; i < decoded_length; i++) {
        if ((unsigned char)decoded[i] < 0x20 || decoded[i] == 0x7f)
            return false;
    }
    return true;
}

static bool refuse_unknown(const char *text, size_t length, struct request_fault *fault)
{
    char name[REQUEST_FIELD_MAX + 1] = "query";
    size_t named = 0;
    while (named < length && text[named] > 0x20 && text[named] < 0x7f &&
           strchr("%\"\\", text[named]) == NULL)
        named++;
    if (named > 0 && named < sizeof(name)) {
        memcpy(name, text, named);
        name[named] = '\0';
    }
    return request_fault_set(fault, name, "Unknown query parameter \"%s\"", name);
}

/* One name=value. */
static bool add(struct query *query, const char *text, size_t length, const char *const *names,
                size_t name_count, struct request_fault *fault)
{
    char name[QUERY_NAME_MAX + 1];
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals == NULL ? length : (size_t)(equals - text);
    size_t known = 0;
    if (!decode(text, name_length, name, QUERY_NAME_MAX))
        return refuse_unknown(text, name_length, fault);
    while (known < name_count && strcmp(name, names[known]) != 0)
        known++;
    if (known == name_count)
        return refuse_unknown(text, name_length, fault);
    if (query_value(query, name) != NULL)
        return request_fault_set(fault, name, "Query parameter \"%s\" is given twice", name);
    /* every known name comes once at most */
    assert(query->count < QUERY_PARAMETERS_MAX);
    struct query_parameter *parameter = &query->parameters[query->count];
    parameter->name = names[known];
    const char *value = equals == NULL ? text + length : equals + 1;
    if (!decode(value, (size_t)(text + length - value), parameter->value, QUERY_VALUE_MAX))
        return request_fault_set(fault, name, "Query parameter \"%s\" is malformed or too long",
                                 name);
    query->count++;
    return true;
}

bool query_parse(struct query *query, const char *text, size_t length, const char *const *names,
                 size_t name_count, struct request_fault *fault)
{
    assert(name_count <= QUERY_PARAMETERS_MAX);
    query->count = 0;
    for (size_t start = 0; start < length;) {
        const char *end = memchr(text + start, '&', length - start);
        size_t part = end == NULL ? length - start : (size_t)(end - (text + start));
        if (!add(query, text + start, part, names, name_count, fault))
            return false;
        start += part + 1;
    }
    return true;
}

const char *query_value(const struct query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->parameters[i].name, name) == 0)
            return query->parameters[i].value;
    }
    return NULL;
}

bool query_flag(const struct query *query, const char *name, bool *value,
                struct request_fault *fault)
{
    const char *text = query_value(query, name);
    *value = text != NULL && strcmp(text, "true") == 0;
    if (text == NULL || *value || strcmp(text, "false") == 0)
        return true;
    return request_fault_set(fault, name, "\"%s\" must be true or false", name);
}
