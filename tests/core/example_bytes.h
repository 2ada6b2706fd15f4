/* example_bytes.h - how the tests of formats write down examples. */
#ifndef TESTS_CORE_EXAMPLE_BYTES_H
#define TESTS_CORE_EXAMPLE_BYTES_H

#include <stdint.h>

/* Lines of the format's examples: eight bytes, or an integer in little-endian order. */
#define B8(a, b, c, d, e, f, g, h) a, b, c, d, e, f, g, h
#define LE8(x)                                                                                     \
    (uint8_t)((uint64_t)(x)), (uint8_t)((uint64_t)(x) >> 8), (uint8_t)((uint64_t)(x) >> 16),       \
        (uint8_t)((uint64_t)(x) >> 24), (uint8_t)((uint64_t)(x) >> 32),                            \
        (uint8_t)((uint64_t)(x) >> 40), (uint8_t)((uint64_t)(x) >> 48),                            \
        (uint8_t)((uint64_t)(x) >> 56)

#define FOUR(a, b, c, d)    LE8(a), LE8(b), LE8(c), LE8(d)
#define FIVE(a, b, c, d, e) FOUR(a, b, c, d), LE8(e)

#endif
