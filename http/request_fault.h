/* request_fault.h - what is wrong with a request: which field, and why, in words. */
#ifndef FLORIN_HTTP_REQUEST_FAULT_H
#define FLORIN_HTTP_REQUEST_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum {
    REQUEST_FIELD_MAX = 64,
    REQUEST_MESSAGE_MAX = 240,
};

struct request_fault {
    char field[REQUEST_FIELD_MAX + 1]; /* as the client spells it; UTF-8 */
    char message[REQUEST_MESSAGE_MAX + 1];
};

/* Fills it in; longer texts are cut at a character's end. Returns false, for `return
 * request_fault_set(...)`. */
__attribute__((format(printf, 3, 4))) bool
request_fault_set(struct request_fault *fault, const char *field, const char *format, ...);

/* Says that the field stands within an element of a list: "amount" becomes "legs[3].amount".
 * Returns false. */
bool request_fault_within(struct request_fault *fault, const char *list, size_t index);

#endif
