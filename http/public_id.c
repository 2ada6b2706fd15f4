/* public_id.c - ids of transactions and holds, both ways. It must not know which exist. */
#include "public_id.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "florin.h"

static const char transaction_prefix[] = "txn";
static const char hold_prefix[] = "hold";

size_t public_id_write_transaction(uint64_t id, char text[PUBLIC_ID_TRANSACTION_BYTES])
{
    int length = snprintf(text, PUBLIC_ID_TRANSACTION_BYTES, "%s%" PRIu64, transaction_prefix, id);
    return (size_t)length;
}

size_t public_id_write_hold(uint64_t id, const char *account, size_t account_length,
                            char text[PUBLIC_ID_HOLD_BYTES])
{
    assert(account_length <= FLORIN_ACCOUNT_ID_MAX);
    int length = snprintf(text, PUBLIC_ID_HOLD_BYTES, "%s%" PRIu64 ":%.*s", hold_prefix, id,
                          (int)account_length, account);
    return (size_t)length;
}

/* How many bytes of prefix and number there are; 0: they are not of that form. */
static size_t read_number(const char *text, size_t length, const char *prefix, uint64_t *id)
{
    size_t at = strlen(prefix);
    uint64_t number = 0;
    if (length <= at || memcmp(text, prefix, at) != 0 || text[at] < '1' || text[at] > '9')
        return 0;
    for (; at < length && text[at] >= '0' && text[at] <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[at] - '0'), &number))
            return 0;
    }
    *id = number;
    return at;
}

bool public_id_read_transaction(const char *text, size_t length, uint64_t *id)
{
    uint64_t number;
    size_t taken = read_number(text, length, transaction_prefix, &number);
    if (taken == 0 || taken != length)
        return false;
    *id = number;
    return true;
}

bool public_id_read_hold(const char *text, size_t length, uint64_t *id, const char **account,
                         size_t *account_length)
{
    uint64_t number;
    size_t taken = read_number(text, length, hold_prefix, &number);
    if (taken == 0 || taken == length || text[taken] != ':' ||
        !florin_account_id_is_valid(text + taken + 1, length - taken - 1))
        return false;
    *id = number;
    *account = text + taken + 1;
    *account_length = length - taken - 1;
    return true;
}
