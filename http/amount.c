/* amount.c - decimals from texts and from JSON numbers.
 *
 * Guarantees: what it returns is what was written, or it returns false. It must not know accounts
 * or currencies.
 */
#include "amount.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "florin_limits.h"

bool amount_from_text(const char *text, size_t length, struct money_decimal *decimal)
{
    return length <= FLORIN_AMOUNT_TEXT_MAX && money_parse(text, length, decimal);
}

bool amount_from_double(double value, struct money_decimal *decimal)
{
    /* 19 digits, sign, point, 18 decimals and a terminator. */
    char text[48];
    if (!isfinite(value) || fabs(value) >= 1e18)
        return false;
    /* most amounts are whole; this conversion is exact */
    int64_t whole = (int64_t)value;
    if ((double)whole == value) {
        *decimal = (struct money_decimal){.digits = whole, .scale = 0};
        return true;
    }
    for (int decimals = 1; decimals <= MONEY_SCALE_MAX; decimals++) {
        int length = snprintf(text, sizeof(text), "%.*f", decimals, value);
        if (strtod(text, NULL) == value)
            return money_parse(text, (size_t)length, decimal);
    }
    return false;
}

bool amount_to_minor(const char *text, size_t length, uint8_t exponent, int64_t *minor)
{
    struct money_decimal decimal;
    return amount_from_text(text, length, &decimal) && money_to_minor(decimal, exponent, minor);
}
