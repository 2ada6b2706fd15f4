/* money.c - checked arithmetic on minor units, and their exact text.
 *
 * Guarantees: nothing is rounded and nothing wraps; what does not fit is refused and leaves the
 * output untouched.
 * Must not know: accounts, currencies beyond their number of decimals, floating point.
 */
#include "money.h"

#include <assert.h>

#include "florin_limits.h"

static const int64_t POWERS_OF_TEN[MONEY_SCALE_MAX + 1] = {
    INT64_C(1),
    INT64_C(10),
    INT64_C(100),
    INT64_C(1000),
    INT64_C(10000),
    INT64_C(100000),
    INT64_C(1000000),
    INT64_C(10000000),
    INT64_C(100000000),
    INT64_C(1000000000),
    INT64_C(10000000000),
    INT64_C(100000000000),
    INT64_C(1000000000000),
    INT64_C(10000000000000),
    INT64_C(100000000000000),
    INT64_C(1000000000000000),
    INT64_C(10000000000000000),
    INT64_C(100000000000000000),
    INT64_C(1000000000000000000),
};

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* Length of the run of digits at the start. */
static size_t count_digits(const char *text, size_t length)
{
    size_t count = 0;
    while (count < length && is_digit(text[count]))
        count++;
    return count;
}

static bool append_digits(int64_t *value, const char *digits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, digits[i] - '0', value))
            return false;
    }
    return true;
}

bool money_add(int64_t a, int64_t b, int64_t *sum)
{
    int64_t value;
    if (__builtin_add_overflow(a, b, &value) || value < MONEY_MIN)
        return false;
    *sum = value;
    return true;
}

bool money_subtract(int64_t a, int64_t b, int64_t *difference)
{
    int64_t value;
    if (__builtin_sub_overflow(a, b, &value) || value < MONEY_MIN)
        return false;
    *difference = value;
    return true;
}

bool money_parse(const char *text, size_t length, struct money_decimal *decimal)
{
    if (length == 0 || length > FLORIN_AMOUNT_TEXT_MAX)
        return false;

    size_t start = text[0] == '-' ? 1 : 0;
    const char *whole = text + start;
    size_t whole_length = count_digits(whole, length - start);
    size_t end = start + whole_length;
    if (whole_length == 0)
        return false;

    const char *fraction = "";
    size_t fraction_length = 0;
    if (end < length && text[end] == '.') {
        fraction = text + end + 1;
        fraction_length = count_digits(fraction, length - end - 1);
        end += 1 + fraction_length;
        if (fraction_length == 0)
            return false;
    }
    if (end != length)
        return false;
    while (fraction_length > 0 && fraction[fraction_length - 1] == '0')
        fraction_length--;
    if (fraction_length > MONEY_SCALE_MAX)
        return false;

    int64_t digits = 0;
    if (!append_digits(&digits, whole, whole_length) ||
        !append_digits(&digits, fraction, fraction_length))
        return false;
    decimal->digits = start == 1 ? -digits : digits;
    decimal->scale = (uint8_t)fraction_length;
    return true;
}

bool money_to_minor(struct money_decimal decimal, uint8_t exponent, int64_t *minor)
{
    assert(exponent <= MONEY_SCALE_MAX);
    if (decimal.scale > MONEY_SCALE_MAX || decimal.digits < MONEY_MIN)
        return false;

    if (decimal.scale > exponent) {
        int64_t divisor = POWERS_OF_TEN[decimal.scale - exponent];
        if (decimal.digits % divisor != 0)
            return false;
        *minor = decimal.digits / divisor;
        return true;
    }

    int64_t value;
    if (__builtin_mul_overflow(decimal.digits, POWERS_OF_TEN[exponent - decimal.scale], &value) ||
        value < MONEY_MIN)
        return false;
    *minor = value;
    return true;
}

size_t money_format(int64_t minor, uint8_t exponent, char text[MONEY_TEXT_BYTES])
{
    assert(minor >= MONEY_MIN);
    assert(exponent <= MONEY_SCALE_MAX);

    /* From the last digit to the first: at least one digit stands before the point. */
    char reversed[MONEY_TEXT_BYTES];
    size_t count = 0;
    uint64_t rest = minor < 0 ? (uint64_t)-minor : (uint64_t)minor;
    for (unsigned digit = 0; rest > 0 || digit <= exponent; digit++) {
        if (digit == exponent && exponent > 0)
            reversed[count++] = '.';
        reversed[count++] = (char)('0' + rest % 10);
        rest /= 10;
    }
    if (minor < 0)
        reversed[count++] = '-';
    assert(count < MONEY_TEXT_BYTES);

    for (size_t i = 0; i < count; i++)
        text[i] = reversed[count - 1 - i];
    text[count] = '\0';
    return count;
}
