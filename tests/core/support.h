/* support.h - what the tests of the core share: memory, and pseudo-random numbers by seed. */
#ifndef TESTS_CORE_SUPPORT_H
#define TESTS_CORE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Zeroed, aligned to 64, exactly as long as asked, so that a sanitizer sees a step beyond it. */
static inline void *memory_take(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes) != 0 || memory == NULL)
        abort();
    memset(memory, 0, bytes);
    return memory;
}

/* The seed of a test's random numbers: FLORIN_TEST_SEED, or a fixed one. Printed. */
static inline uint64_t seed_choose(void)
{
    const char *text = getenv("FLORIN_TEST_SEED");
    uint64_t seed = text == NULL ? 20250502 : strtoull(text, NULL, 10);
    printf("FLORIN_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* splitmix64 (Vigna, https://prng.di.unimi.it/splitmix64.c) */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

#endif
