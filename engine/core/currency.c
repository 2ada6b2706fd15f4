/* currency.c - the active codes of ISO 4217 with their number of decimals.
 *
 * Guarantees: an entry never changes while the program runs; the list is sorted by code.
 * Must not know: who uses a currency. An account keeps its currency's decimals with it, so a
 * change of this list does not change what an old balance means.
 *
 * Left out: codes without a number of decimals (metals, bond units, XDR, XTS, XXX).
 */
#include "currency.h"

#include <string.h>

#include "bytes.h"

/* clang-format off */
static const struct currency CURRENCIES[] = {
    {"AED", 2}, {"AFN", 2}, {"ALL", 2}, {"AMD", 2}, {"ANG", 2}, {"AOA", 2},
    {"ARS", 2}, {"AUD", 2}, {"AWG", 2}, {"AZN", 2}, {"BAM", 2}, {"BBD", 2},
    {"BDT", 2}, {"BGN", 2}, {"BHD", 3}, {"BIF", 0}, {"BMD", 2}, {"BND", 2},
    {"BOB", 2}, {"BOV", 2}, {"BRL", 2}, {"BSD", 2}, {"BTN", 2}, {"BWP", 2},
    {"BYN", 2}, {"BZD", 2}, {"CAD", 2}, {"CDF", 2}, {"CHE", 2}, {"CHF", 2},
    {"CHW", 2}, {"CLF", 4}, {"CLP", 0}, {"CNY", 2}, {"COP", 2}, {"COU", 2},
    {"CRC", 2}, {"CUP", 2}, {"CVE", 2}, {"CZK", 2}, {"DJF", 0}, {"DKK", 2},
    {"DOP", 2}, {"DZD", 2}, {"EGP", 2}, {"ERN", 2}, {"ETB", 2}, {"EUR", 2},
    {"FJD", 2}, {"FKP", 2}, {"GBP", 2}, {"GEL", 2}, {"GHS", 2}, {"GIP", 2},
    {"GMD", 2}, {"GNF", 0}, {"GTQ", 2}, {"GYD", 2}, {"HKD", 2}, {"HNL", 2},
    {"HTG", 2}, {"HUF", 2}, {"IDR", 2}, {"ILS", 2}, {"INR", 2}, {"IQD", 3},
    {"IRR", 2}, {"ISK", 0}, {"JMD", 2}, {"JOD", 3}, {"JPY", 0}, {"KES", 2},
    {"KGS", 2}, {"KHR", 2}, {"KMF", 0}, {"KPW", 2}, {"KRW", 0}, {"KWD", 3},
    {"KYD", 2}, {"KZT", 2}, {"LAK", 2}, {"LBP", 2}, {"LKR", 2}, {"LRD", 2},
    {"LSL", 2}, {"LYD", 3}, {"MAD", 2}, {"MDL", 2}, {"MGA", 2}, {"MKD", 2},
    {"MMK", 2}, {"MNT", 2}, {"MOP", 2}, {"MRU", 2}, {"MUR", 2}, {"MVR", 2},
    {"MWK", 2}, {"MXN", 2}, {"MXV", 2}, {"MYR", 2}, {"MZN", 2}, {"NAD", 2},
    {"NGN", 2}, {"NIO", 2}, {"NOK", 2}, {"NPR", 2}, {"NZD", 2}, {"OMR", 3},
    {"PAB", 2}, {"PEN", 2}, {"PGK", 2}, {"PHP", 2}, {"PKR", 2}, {"PLN", 2},
    {"PYG", 0}, {"QAR", 2}, {"RON", 2}, {"RSD", 2}, {"RUB", 2}, {"RWF", 0},
    {"SAR", 2}, {"SBD", 2}, {"SCR", 2}, {"SDG", 2}, {"SEK", 2}, {"SGD", 2},
    {"SHP", 2}, {"SLE", 2}, {"SOS", 2}, {"SRD", 2}, {"SSP", 2}, {"STN", 2},
    {"SVC", 2}, {"SYP", 2}, {"SZL", 2}, {"THB", 2}, {"TJS", 2}, {"TMT", 2},
    {"TND", 3}, {"TOP", 2}, {"TRY", 2}, {"TTD", 2}, {"TWD", 2}, {"TZS", 2},
    {"UAH", 2}, {"UGX", 0}, {"USD", 2}, {"USN", 2}, {"UYI", 0}, {"UYU", 2},
    {"UYW", 4}, {"UZS", 2}, {"VED", 2}, {"VES", 2}, {"VND", 0}, {"VUV", 0},
    {"WST", 2}, {"XAF", 0}, {"XCD", 2}, {"XOF", 0}, {"XPF", 0}, {"YER", 2},
    {"ZAR", 2}, {"ZMW", 2}, {"ZWG", 2},
};
/* clang-format on */

enum { CURRENCY_COUNT = sizeof(CURRENCIES) / sizeof(CURRENCIES[0]) };
_Static_assert((int)CURRENCY_COUNT + (int)FLORIN_OWN_CURRENCIES_MAX <= (int)FLORIN_CURRENCIES_MAX,
               "a ledger can hold them all");

static const struct currency DEFAULT_CURRENCY = {"USD", 2};

/* false: it is no code. A terminator that was counted in is not part of one, though padding would
 * hide it. */
static bool pad(const char *code, size_t code_length, char wanted[FLORIN_CURRENCY_MAX + 1])
{
    if (code_length == 0 || code_length > FLORIN_CURRENCY_MAX || code[code_length - 1] == '\0')
        return false;
    memset(wanted, 0, FLORIN_CURRENCY_MAX + 1);
    memcpy(wanted, code, code_length);
    return currency_code_is_valid(wanted);
}

const struct currency *currency_find(const char *code, size_t code_length)
{
    char wanted[FLORIN_CURRENCY_MAX + 1];
    if (!pad(code, code_length, wanted))
        return NULL;

    size_t low = 0;
    size_t high = CURRENCY_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(wanted, CURRENCIES[middle].code, sizeof(wanted));
        if (order == 0)
            return &CURRENCIES[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct currency *currency_list_find(const struct currency_list *list, const char *code,
                                          size_t code_length)
{
    char wanted[FLORIN_CURRENCY_MAX + 1];
    const struct currency *found = currency_find(code, code_length);
    if (found != NULL || !pad(code, code_length, wanted))
        return found;
    for (size_t i = 0; i < list->count; i++) {
        if (memcmp(list->entries[i].code, wanted, sizeof(wanted)) == 0)
            return &list->entries[i];
    }
    return NULL;
}

bool currency_list_add(struct currency_list *list, const char *code, size_t code_length,
                       uint8_t exponent)
{
    struct currency added = {.exponent = exponent};
    if (list->count == FLORIN_OWN_CURRENCIES_MAX || exponent > FLORIN_EXPONENT_MAX ||
        !pad(code, code_length, added.code) || currency_list_find(list, code, code_length) != NULL)
        return false;
    list->entries[list->count++] = added;
    return true;
}

const struct currency *currency_default(void)
{
    return &DEFAULT_CURRENCY;
}

bool currency_code_is_valid(const char code[FLORIN_CURRENCY_MAX])
{
    size_t length = 0;
    while (length < FLORIN_CURRENCY_MAX && ((code[length] >= 'A' && code[length] <= 'Z') ||
                                            (code[length] >= '0' && code[length] <= '9')))
        length++;
    return length > 0 &&
           bytes_are_zero((const uint8_t *)code + length, (size_t)FLORIN_CURRENCY_MAX - length);
}
