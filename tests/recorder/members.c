/* members.c - looks for names and reads what stands behind them. */
#include "members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *member_find(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strchr(text, '"'); at != NULL; at = strchr(at + 1, '"')) {
        if (strncmp(at + 1, name, length) == 0 && at[1 + length] == '"' && at[2 + length] == ':')
            return at[3 + length] == '"' ? at + 4 + length : at + 3 + length;
    }
    return NULL;
}

bool member_number(const char *text, const char *name, const char *prefix, uint64_t *number)
{
    const char *value = member_find(text, name);
    char *end;
    if (value == NULL || strncmp(value, prefix, strlen(prefix)) != 0)
        return false;
    value += strlen(prefix);
    *number = strtoull(value, &end, 10);
    return end != value;
}

bool member_cents(const char *text, const char *name, int64_t *cents)
{
    const char *value = member_find(text, name);
    char *end;
    if (value == NULL)
        return false;
    bool is_negative = *value == '-';
    value += is_negative ? 1 : 0;
    int64_t whole = strtoll(value, &end, 10);
    if (end == value || *end != '.' || strspn(end + 1, "0123456789") != 2)
        return false;
    *cents = whole * 100 + strtoll(end + 1, NULL, 10);
    if (is_negative)
        *cents = -*cents;
    return true;
}

bool member_is(const char *text, const char *name, const char *value)
{
    const char *found = member_find(text, name);
    return found != NULL && strncmp(found, value, strlen(value)) == 0 &&
           found[strlen(value)] == '"';
}
