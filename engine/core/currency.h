/* currency.h - currencies and their number of decimals, as data (ISO 4217, list one, 2024), and
 * those that a ledger has besides.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_CORE_CURRENCY_H
#define FLORIN_CORE_CURRENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"

struct currency {
    char code[FLORIN_CURRENCY_MAX + 1]; /* upper case, terminated, rest zero */
    uint8_t exponent;                   /* decimals; at most FLORIN_EXPONENT_MAX */
};

/* NULL: unknown. The entry lives for ever. Codes are compared as they are: "usd" is unknown. */
const struct currency *currency_find(const char *code, size_t code_length);

/* What a ledger has besides the list. All zero: nothing. */
struct currency_list {
    struct currency entries[FLORIN_OWN_CURRENCIES_MAX];
    size_t count;
};

/* false, and nothing is added: it is no code (1 to FLORIN_CURRENCY_MAX of A-Z 0-9), it is known
 * already, it has too many decimals, or the list is full. */
__attribute__((warn_unused_result)) bool currency_list_add(struct currency_list *list,
                                                           const char *code, size_t code_length,
                                                           uint8_t exponent);

/* A code of ISO 4217 or of the list; NULL: unknown. The entry lives as long as the list. */
const struct currency *currency_list_find(const struct currency_list *list, const char *code,
                                          size_t code_length);

/* USD: what an account has when nothing is said. */
const struct currency *currency_default(void);

/* One to FLORIN_CURRENCY_MAX upper-case letters or digits, then zeros: what records and images
 * hold, known today or not. */
bool currency_code_is_valid(const char code[FLORIN_CURRENCY_MAX]);

#endif
