/* golden.h - compares bytes with the hexadecimal text of what they must be for ever.
 *
 * Thread: one. Include after cmocka.h.
 */
#ifndef TESTS_WAL_GOLDEN_H
#define TESTS_WAL_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { GOLDEN_BYTES_MAX = 256 };

static inline void golden_assert(const uint8_t *bytes, const char *expected)
{
    char text[2 * GOLDEN_BYTES_MAX + 1];
    size_t length = strlen(expected) / 2;
    assert_true(length <= GOLDEN_BYTES_MAX);
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, expected);
}

#endif
