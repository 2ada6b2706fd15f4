/* status.c - what florin.h says about statuses and currencies, for everybody.
 *
 * Guarantees: every status of the list has a code, a message and an outcome.
 * Must not know: which HTTP status a code becomes.
 */
#include "florin.h"

#include <assert.h>

#include "currency.h"

const char *florin_status_code(enum florin_status status)
{
    switch (status) {
#define X(name, number, code, outcome, message)                                                    \
    case FLORIN_##name:                                                                            \
        return code;
        FLORIN_STATUS_LIST(X)
#undef X
    }
    assert(false && "a status of the list");
    return "";
}

const char *florin_status_message(enum florin_status status)
{
    switch (status) {
#define X(name, number, code, outcome, message)                                                    \
    case FLORIN_##name:                                                                            \
        return message;
        FLORIN_STATUS_LIST(X)
#undef X
    }
    assert(false && "a status of the list");
    return "";
}

enum florin_outcome florin_status_outcome(enum florin_status status)
{
    switch (status) {
#define X(name, number, code, outcome, message)                                                    \
    case FLORIN_##name:                                                                            \
        return FLORIN_OUTCOME_##outcome;
        FLORIN_STATUS_LIST(X)
#undef X
    }
    assert(false && "a status of the list");
    return FLORIN_OUTCOME_UNKNOWN;
}

int florin_currency_exponent(const char *code, size_t code_length)
{
    const struct currency *currency = currency_find(code, code_length);
    return currency == NULL ? -1 : currency->exponent;
}
