/* money.h - exact money: int64_t minor units, checked arithmetic, exact text both ways.
 *
 * No floating point. Every operation that can leave the range says so and leaves its output
 * untouched. Range: -9223372036854775807 to 9223372036854775807 minor units (INT64_MIN is
 * refused, so that every value can be negated), which with two decimals holds DECIMAL(18,2).
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_MONEY_H
#define FLORIN_CORE_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MONEY_MAX INT64_MAX
#define MONEY_MIN (-INT64_MAX)

enum { MONEY_SCALE_MAX = 18 };

/* "-92233720368547758.07" and a terminator fit; so does scale 18. */
enum { MONEY_TEXT_BYTES = 32 };

/* A decimal as it was written: digits * 10^-scale, trailing zeros of the fraction removed. */
struct money_decimal {
    int64_t digits;
    uint8_t scale; /* 0 to MONEY_SCALE_MAX */
};

/* false: out of range; *sum is untouched. */
__attribute__((warn_unused_result)) bool money_add(int64_t a, int64_t b, int64_t *sum);
__attribute__((warn_unused_result)) bool money_subtract(int64_t a, int64_t b, int64_t *difference);

/* Reads `-?digits(.digits)?`: at least one digit before the point and after it, nothing else (no
 * plus sign, exponent, space, NaN). false: not of that form or more than 18 significant digits
 * and out of range; *decimal is untouched. */
__attribute__((warn_unused_result)) bool money_parse(const char *text, size_t length,
                                                     struct money_decimal *decimal);

/* Whole units to minor units of a currency with `exponent` decimals. false: it has more decimals
 * than the currency, or is out of range; *minor is untouched. */
__attribute__((warn_unused_result)) bool money_to_minor(struct money_decimal decimal,
                                                        uint8_t exponent, int64_t *minor);

/* Writes minor units with exactly `exponent` decimals ("350.00", "-0.05", "7") and a terminator;
 * returns the length without it. `minor` is not INT64_MIN; exponent <= MONEY_SCALE_MAX. */
size_t money_format(int64_t minor, uint8_t exponent, char text[MONEY_TEXT_BYTES]);

#endif
