/* account_id.c - which account ids there can be (florin.h).
 *
 * Guarantees: an id that is valid stands in URLs, JSON and logs as it is, without escapes.
 * Must not know: which accounts exist.
 */
#include "florin.h"

static bool is_id_character(char character)
{
    switch (character) {
    case '_':
    case '.':
    case ':':
    case '@':
    case '-':
        return true;
    default:
        return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z') ||
               (character >= '0' && character <= '9');
    }
}

bool florin_account_id_is_valid(const char *id, size_t length)
{
    if (length == 0 || length > FLORIN_ACCOUNT_ID_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_id_character(id[i]))
            return false;
    }
    return true;
}
