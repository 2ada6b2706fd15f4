/* amount.h - money between people's decimals, JSON numbers and minor units, exactly.
 *
 * No value passes through floating point arithmetic: a JSON number that was read as a double is
 * printed with as many decimals as give the same double back, and that text is read as a decimal.
 * json_check() has refused numbers for which this would not be what was written.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_AMOUNT_H
#define FLORIN_HTTP_AMOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/money.h"

/* `-?digits(.digits)?`, as money_parse(), of at most FLORIN_AMOUNT_TEXT_MAX bytes. */
__attribute__((warn_unused_result)) bool amount_from_text(const char *text, size_t length,
                                                          struct money_decimal *decimal);

/* false: not finite, or it needs more than 18 decimals, or it is too large. */
__attribute__((warn_unused_result)) bool amount_from_double(double value,
                                                            struct money_decimal *decimal);

/* Text to minor units of a currency with `exponent` decimals; refuses more decimals. */
__attribute__((warn_unused_result)) bool amount_to_minor(const char *text, size_t length,
                                                         uint8_t exponent, int64_t *minor);

#endif
