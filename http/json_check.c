/* json_check.c - walks over a JSON text once, without recursion, and builds nothing.
 *
 * Guarantees: reads each byte at most twice, uses a stack of FLORIN_JSON_DEPTH_MAX entries, and
 * accepts no text that RFC 8259 would refuse. It must not know what the text means.
 */
#include "json_check.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "florin_limits.h"

struct scanner {
    const char *text;
    size_t length;
    size_t at;
    char stack[FLORIN_JSON_DEPTH_MAX]; /* '{' or '[' */
    size_t depth;
    struct json_fault *fault;
};

static bool refuse(struct scanner *scanner, const char *reason)
{
    scanner->fault->offset = scanner->at;
    scanner->fault->reason = reason;
    return false;
}

/* The byte at the scanner, or -1 at the end. */
static int peek(const struct scanner *scanner)
{
    return scanner->at < scanner->length ? (unsigned char)scanner->text[scanner->at] : -1;
}

static void skip_space(struct scanner *scanner)
{
    while (scanner->at < scanner->length &&
           memchr(" \t\r\n", scanner->text[scanner->at], 4) != NULL)
        scanner->at++;
}

static bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

static int hex_value(int byte)
{
    if (is_digit(byte))
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* Four hexadecimal digits. */
static bool scan_code_unit(struct scanner *scanner, unsigned *unit)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(peek(scanner));
        if (digit < 0)
            return refuse(scanner, "\\u needs four hexadecimal digits");
        value = value * 16 + (unsigned)digit;
        scanner->at++;
    }
    *unit = value;
    return true;
}

/* Behind "\u". */
static bool scan_unicode_escape(struct scanner *scanner)
{
    unsigned unit;
    if (!scan_code_unit(scanner, &unit))
        return false;
    if (unit == 0)
        return refuse(scanner, "\\u0000 is not accepted");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return refuse(scanner, "a low surrogate without a high one");
    if (unit < 0xD800 || unit > 0xDBFF)
        return true;
    if (scanner->length - scanner->at < 2 || memcmp(scanner->text + scanner->at, "\\u", 2) != 0)
        return refuse(scanner, "a high surrogate without a low one");
    scanner->at += 2;
    if (!scan_code_unit(scanner, &unit))
        return false;
    if (unit < 0xDC00 || unit > 0xDFFF)
        return refuse(scanner, "a high surrogate without a low one");
    return true;
}

static bool scan_escape(struct scanner *scanner)
{
    scanner->at++; /* the backslash */
    int byte = peek(scanner);
    if (byte == 'u') {
        scanner->at++;
        return scan_unicode_escape(scanner);
    }
    if (byte <= 0 || strchr("\"\\/bfnrt", byte) == NULL)
        return refuse(scanner, "unknown escape in a string");
    scanner->at++;
    return true;
}

/* One character of two to four bytes: RFC 3629, section 4. */
static bool scan_utf8(struct scanner *scanner)
{
    int first = peek(scanner);
    int low = 0x80;
    int high = 0xBF;
    int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4)
        return refuse(scanner, "invalid UTF-8");
    if (first == 0xE0)
        low = 0xA0;
    if (first == 0xED)
        high = 0x9F;
    if (first == 0xF0)
        low = 0x90;
    if (first == 0xF4)
        high = 0x8F;
    scanner->at++;
    for (; more > 0; more--) {
        int byte = peek(scanner);
        if (byte < low || byte > high)
            return refuse(scanner, "invalid UTF-8");
        scanner->at++;
        low = 0x80;
        high = 0xBF;
    }
    return true;
}

static bool scan_string(struct scanner *scanner)
{
    scanner->at++; /* the quote */
    for (;;) {
        int byte = peek(scanner);
        if (byte < 0)
            return refuse(scanner, "a string without its closing quote");
        if (byte == '"') {
            scanner->at++;
            return true;
        }
        if (byte < 0x20)
            return refuse(scanner, "a control character in a string");
        if (byte == '\\') {
            if (!scan_escape(scanner))
                return false;
        } else if (byte < 0x80) {
            scanner->at++;
        } else if (!scan_utf8(scanner)) {
            return false;
        }
    }
}

static bool scan_digits(struct scanner *scanner)
{
    if (!is_digit(peek(scanner)))
        return refuse(scanner, "a number needs a digit here");
    while (is_digit(peek(scanner)))
        scanner->at++;
    return true;
}

/* Digits between the first and the last that is not zero; an exponent does not count. */
static size_t significant_digits(const char *number, size_t length)
{
    size_t digits = 0;
    size_t zeros = 0;
    for (size_t i = 0; i < length && number[i] != 'e' && number[i] != 'E'; i++) {
        if (!is_digit((unsigned char)number[i]))
            continue;
        if (number[i] == '0') {
            zeros++;
            continue;
        }
        digits += (digits == 0 ? 0 : zeros) + 1;
        zeros = 0;
    }
    return digits;
}

static bool number_fits_double(const char *number, size_t length)
{
    char copy[JSON_NUMBER_BYTES_MAX + 1];
    memcpy(copy, number, length);
    copy[length] = '\0';
    errno = 0;
    (void)strtod(copy, NULL);
    return errno == 0;
}

static bool scan_number(struct scanner *scanner)
{
    size_t start = scanner->at;
    if (peek(scanner) == '-')
        scanner->at++;
    if (peek(scanner) == '0')
        scanner->at++;
    else if (!scan_digits(scanner))
        return false;
    if (is_digit(peek(scanner)))
        return refuse(scanner, "a number with a leading zero");
    if (peek(scanner) == '.') {
        scanner->at++;
        if (!scan_digits(scanner))
            return false;
    }
    if (peek(scanner) == 'e' || peek(scanner) == 'E') {
        scanner->at++;
        if (peek(scanner) == '+' || peek(scanner) == '-')
            scanner->at++;
        if (!scan_digits(scanner))
            return false;
    }
    const char *number = scanner->text + start;
    size_t length = scanner->at - start;
    scanner->at = start;
    if (length > JSON_NUMBER_BYTES_MAX || significant_digits(number, length) > JSON_DIGITS_MAX)
        return refuse(scanner, "a number of more than 15 significant digits (send it as a string)");
    if (!number_fits_double(number, length))
        return refuse(scanner, "a number out of range");
    scanner->at = start + length;
    return true;
}

static bool scan_literal(struct scanner *scanner)
{
    static const char *const literals[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
        size_t length = strlen(literals[i]);
        if (scanner->length - scanner->at >= length &&
            memcmp(scanner->text + scanner->at, literals[i], length) == 0) {
            scanner->at += length;
            return true;
        }
    }
    return refuse(scanner, "a value is missing here");
}

/* The name of a member and its colon. */
static bool scan_name(struct scanner *scanner)
{
    skip_space(scanner);
    if (peek(scanner) != '"')
        return refuse(scanner, "a member's name in quotes is missing here");
    size_t start = scanner->at + 1;
    if (!scan_string(scanner))
        return false;
    if (scanner->depth == 1) {
        scanner->fault->member_offset = start;
        scanner->fault->member_length = scanner->at - 1 - start;
    }
    skip_space(scanner);
    if (peek(scanner) != ':')
        return refuse(scanner, "a colon is missing here");
    scanner->at++;
    return true;
}

/* An opening bracket; *empty when the closing one follows at once. */
static bool scan_open(struct scanner *scanner, bool *empty)
{
    char bracket = scanner->text[scanner->at];
    if (scanner->depth == FLORIN_JSON_DEPTH_MAX)
        return refuse(scanner, "nested too deeply");
    scanner->stack[scanner->depth++] = bracket;
    scanner->at++;
    skip_space(scanner);
    *empty = peek(scanner) == (bracket == '{' ? '}' : ']');
    if (*empty || bracket == '[')
        return true;
    return scan_name(scanner);
}

/* Everything between two values: commas, names, closing brackets. *done: the text has ended. */
static bool scan_after_value(struct scanner *scanner, bool *done)
{
    *done = false;
    for (;;) {
        skip_space(scanner);
        if (scanner->depth == 0) {
            *done = scanner->at == scanner->length;
            return *done || refuse(scanner, "something follows the value");
        }
        char bracket = scanner->stack[scanner->depth - 1];
        int byte = peek(scanner);
        if (byte == ',') {
            scanner->at++;
            return bracket == '[' || scan_name(scanner);
        }
        if (byte != (bracket == '{' ? '}' : ']'))
            return refuse(scanner, "a comma or a closing bracket is missing here");
        scanner->depth--;
        scanner->at++;
        if (scanner->depth == 0)
            scanner->fault->member_length = 0;
    }
}

bool json_check(const char *text, size_t length, struct json_fault *fault)
{
    struct scanner scanner = {.text = text, .length = length, .fault = fault};
    memset(fault, 0, sizeof(*fault));
    for (bool done = false; !done;) {
        bool opened = false;
        skip_space(&scanner);
        int byte = peek(&scanner);
        if (byte == '{' || byte == '[') {
            bool empty;
            if (!scan_open(&scanner, &empty))
                return false;
            opened = !empty;
        } else if (byte == '"') {
            if (!scan_string(&scanner))
                return false;
        } else if (byte == '-' || is_digit(byte)) {
            if (!scan_number(&scanner))
                return false;
        } else if (!scan_literal(&scanner)) {
            return false;
        }
        if (!opened && !scan_after_value(&scanner, &done))
            return false;
    }
    return true;
}
