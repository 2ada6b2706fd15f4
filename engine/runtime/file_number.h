/* file_number.h - the numbers in the names of checkpoints and key files: 16 hex digits, small
 * letters.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_RUNTIME_FILE_NUMBER_H
#define FLORIN_RUNTIME_FILE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FILE_NUMBER_DIGITS = 16 };

/* Reads the digits at the start of a terminated text. false: there are other letters, or fewer. */
static inline bool file_number_parse(const char *text, uint64_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < FILE_NUMBER_DIGITS; i++) {
        char c = text[i];
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && (c < 'a' || c > 'f'))
            return false;
        value = value << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *number = value;
    return true;
}

#endif
