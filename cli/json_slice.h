/* json_slice.h - parts of JSON text, where they stand: nothing is copied, no escape is decoded.
 *
 * For text that json_check() has accepted. A string is shown with its escapes, so that nothing in
 * it reaches a terminal as a control character.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CLI_JSON_SLICE_H
#define FLORIN_CLI_JSON_SLICE_H

#include <stdbool.h>
#include <stddef.h>

struct json_slice {
    const char *bytes;
    size_t length;
};

/* The text as a slice; false: it is not JSON. */
__attribute__((warn_unused_result)) bool json_slice_whole(const char *text, size_t length,
                                                          struct json_slice *slice);

/* The value of a member of an object; an empty slice: there is none. */
struct json_slice json_slice_member(struct json_slice object, const char *name);

/* A string without its quotes; any other value as it is. */
struct json_slice json_slice_text(struct json_slice value);

/* member + text, with a terminator; what does not fit is cut. */
void json_slice_copy(struct json_slice object, const char *name, char *text, size_t capacity);

/* Goes through an array: *rest is the array at first. false: no more. */
bool json_slice_next(struct json_slice *rest, struct json_slice *element);

#endif
