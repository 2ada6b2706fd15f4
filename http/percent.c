/* percent.c - decodes %xx. What comes out may hold any byte; its reader judges it. */
#include "percent.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool percent_decode(const char *bytes, size_t length, char *decoded, size_t capacity,
                    size_t *decoded_length)
{
    *decoded_length = 0;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (c == '%') {
            if (length - i < 3 || hex_value(bytes[i + 1]) < 0 || hex_value(bytes[i + 2]) < 0)
                return false;
            c = (char)(hex_value(bytes[i + 1]) * 16 + hex_value(bytes[i + 2]));
            i += 2;
        }
        if (*decoded_length == capacity)
            return false;
        decoded[(*decoded_length)++] = c;
    }
    return true;
}
