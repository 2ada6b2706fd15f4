/* stride.h - fewer states in slow builds.
 *
 * FLORIN_STRIDE=n: a test that enumerates (states after a power failure, operations that fail, bits
 * that flip) plays every n-th of them only. script/test sets it for the sanitizers; without it
 * everything is played. An odd n with no small factor does not always meet the same bit of a byte
 * or the same kind of set.
 */
#ifndef TESTS_SUPPORT_STRIDE_H
#define TESTS_SUPPORT_STRIDE_H

#include <assert.h>
#include <stdlib.h>

/* 1 or more. */
static inline unsigned stride_choose(void)
{
    const char *text = getenv("FLORIN_STRIDE");
    unsigned stride = text == NULL ? 1 : (unsigned)strtoul(text, NULL, 10);
    assert(stride > 0);
    return stride;
}

#endif
