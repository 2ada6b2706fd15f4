/* json_check.h - is this text one JSON value that Florin accepts? Strict RFC 8259, and less.
 *
 * cJSON reads what passes here; it alone would let through bytes behind the value, invalid UTF-8,
 * half surrogates and numbers that a double cannot hold. Refused besides malformed text:
 *
 *   - nesting deeper than FLORIN_JSON_DEPTH_MAX
 *   - numbers of more than 15 significant digits, or longer than 64 characters, or out of the
 *     range of a double: reading them as doubles would change them
 *   - the escape \u0000, a byte order mark, anything behind the value
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_JSON_CHECK_H
#define FLORIN_HTTP_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

enum {
    /* Every decimal of 15 digits survives a double and back (DBL_DIG). */
    JSON_DIGITS_MAX = 15,
    JSON_NUMBER_BYTES_MAX = 64,
};

struct json_fault {
    size_t offset;      /* where it was seen */
    const char *reason; /* in words */
    /* The member of the outermost object in whose value it was seen, as written (escapes and all);
     * member_length 0: outside of any. */
    size_t member_offset;
    size_t member_length;
};

/* false: *fault says why. */
__attribute__((warn_unused_result)) bool json_check(const char *text, size_t length,
                                                    struct json_fault *fault);

#endif
