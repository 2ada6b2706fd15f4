/* request_fault.c - formats what is wrong with a request, within fixed bounds. */
#include "request_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts a text that filled its buffer before the character that did not fit whole. */
static void cut_at_character(char *text, size_t capacity)
{
    size_t length = strlen(text);
    if (length < capacity)
        return;
    while (length > 0 && ((unsigned char)text[length - 1] & 0xC0) == 0x80)
        length--;
    if (length > 0 && (unsigned char)text[length - 1] >= 0xC0)
        length--;
    text[length] = '\0';
}

bool request_fault_set(struct request_fault *fault, const char *field, const char *format, ...)
{
    snprintf(fault->field, sizeof(fault->field), "%s", field);
    cut_at_character(fault->field, REQUEST_FIELD_MAX);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof(fault->message), format, arguments);
    va_end(arguments);
    cut_at_character(fault->message, REQUEST_MESSAGE_MAX);
    return false;
}

bool request_fault_within(struct request_fault *fault, const char *list, size_t index)
{
    char field[2 * (REQUEST_FIELD_MAX + 1)];
    snprintf(field, sizeof(field), "%s[%zu].%s", list, index, fault->field);
    snprintf(fault->field, sizeof(fault->field), "%.*s", REQUEST_FIELD_MAX, field);
    cut_at_character(fault->field, REQUEST_FIELD_MAX);
    return false;
}
