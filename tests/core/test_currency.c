/* Currencies and the public functions about them and about statuses. */
#include "support.h"

#include "engine/core/currency.h"
#include "florin.h"

/* Every code of three capital letters, in order. */
static void each_code__is_found_as_itself_or_not_at_all(void **state)
{
    (void)state;
    int found = 0;
    for (int a = 'A'; a <= 'Z'; a++) {
        for (int b = 'A'; b <= 'Z'; b++) {
            for (int c = 'A'; c <= 'Z'; c++) {
                const char code[] = {(char)a, (char)b, (char)c, '\0'};
                const struct currency *currency = currency_find(code, 3);
                if (currency == NULL)
                    continue;
                found++;
                assert_string_equal(currency->code, code);
                assert_true(currency->exponent <= FLORIN_EXPONENT_MAX);
            }
        }
    }
    assert_int_equal(found, 165);
}

/* A binary search finds all entries of a sorted list only. The entries stand side by side: the one
 * found first in the alphabet is followed by all others. */
static void list__is_sorted(void **state)
{
    (void)state;
    const struct currency *first = currency_find("AED", 3);
    const struct currency *last = currency_find("ZWG", 3);
    assert_non_null(first);
    assert_non_null(last);
    assert_int_equal(last - first, 164);
    for (const struct currency *entry = first; entry < last; entry++)
        assert_true(strcmp(entry[0].code, entry[1].code) < 0);
}

static void exponent__is_that_of_iso_4217(void **state)
{
    (void)state;
    static const char *const NONE[] = {"JPY", "KRW", "VND", "CLP", "ISK", "UGX",
                                       "XAF", "XOF", "XPF", "PYG", "RWF", "KMF",
                                       "GNF", "DJF", "BIF", "VUV", "UYI"};
    static const char *const TWO[] = {"USD", "EUR", "GBP", "CHF", "INR", "BRL", "ZAR", "MGA"};
    static const char *const THREE[] = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};
    static const char *const FOUR[] = {"CLF", "UYW"};
    for (size_t i = 0; i < COUNT_OF(NONE); i++)
        assert_int_equal(florin_currency_exponent(NONE[i], 3), 0);
    for (size_t i = 0; i < COUNT_OF(TWO); i++)
        assert_int_equal(florin_currency_exponent(TWO[i], 3), 2);
    for (size_t i = 0; i < COUNT_OF(THREE); i++)
        assert_int_equal(florin_currency_exponent(THREE[i], 3), 3);
    for (size_t i = 0; i < COUNT_OF(FOUR); i++)
        assert_int_equal(florin_currency_exponent(FOUR[i], 3), 4);
}

static void unknown_codes__are_refused(void **state)
{
    (void)state;
    static const char *const CASES[] = {"",     "U",   "US",   "usd",      "Usd",       "USDX",
                                        "USDT", "XXX", "XAU",  "USDUSDUS", "USDUSDUSD", "ZZZ",
                                        "AAA",  "US ", " USD", "USD "};
    for (size_t i = 0; i < COUNT_OF(CASES); i++)
        assert_int_equal(florin_currency_exponent(CASES[i], strlen(CASES[i])), -1);
    assert_int_equal(florin_currency_exponent("USD\0", 4), -1);
}

static void default_currency__is_the_dollar_of_the_list(void **state)
{
    (void)state;
    const struct currency *listed = currency_find("USD", 3);
    assert_non_null(listed);
    assert_memory_equal(currency_default(), listed, sizeof(*listed));
}

static void list__finds_its_own_and_those_of_the_standard(void **state)
{
    (void)state;
    struct currency_list list = {0};
    assert_null(currency_list_find(&list, "BTC", 3));
    assert_true(currency_list_add(&list, "BTC", 3, 8));
    assert_true(currency_list_add(&list, "GOLDGRAM", 8, 0));
    assert_true(currency_list_add(&list, "7", 1, 1));
    const struct currency *found = currency_list_find(&list, "BTC", 3);
    assert_non_null(found);
    assert_string_equal(found->code, "BTC");
    assert_int_equal(found->exponent, 8);
    assert_int_equal(currency_list_find(&list, "7", 1)->exponent, 1);
    assert_int_equal(currency_list_find(&list, "GOLDGRAM", 8)->exponent, 0);
    assert_ptr_equal(currency_list_find(&list, "USD", 3), currency_find("USD", 3));
    static const char *const UNKNOWN[] = {"", "B", "BT", "BTCX", "btc", "GOLDGRAMS", "77"};
    for (size_t i = 0; i < COUNT_OF(UNKNOWN); i++)
        assert_null(currency_list_find(&list, UNKNOWN[i], strlen(UNKNOWN[i])));
    assert_null(currency_list_find(&list, "BTC\0", 4));
}

static void list__takes_new_codes_only(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        size_t length;
        uint8_t exponent;
    } BAD[] = {
        {"", 0, 2},          {"USD", 3, 2}, {"USD", 3, 4},   {"btc", 3, 8}, {"B C", 3, 8},
        {"ABCDEFGHI", 9, 2}, {"NEW", 3, 9}, {"NEW\0", 4, 2}, {"OLD", 3, 2}, {"OLD", 3, 3},
    };
    struct currency_list list = {0};
    assert_true(currency_list_add(&list, "OLD", 3, 2));
    for (size_t i = 0; i < COUNT_OF(BAD); i++)
        assert_false(currency_list_add(&list, BAD[i].code, BAD[i].length, BAD[i].exponent));
    assert_int_equal(list.count, 1);
    for (size_t i = 1; i < FLORIN_OWN_CURRENCIES_MAX; i++) {
        const char code[] = {'Q', (char)('A' + i / 26), (char)('A' + i % 26), 'Q'};
        assert_true(currency_list_add(&list, code, sizeof(code), 2));
    }
    assert_false(currency_list_add(&list, "NEW", 3, 2));
}

static void status__has_code_message_and_outcome(void **state)
{
    (void)state;
    assert_string_equal(florin_status_code(FLORIN_INSUFFICIENT_BALANCE), "insufficient_balance");
    assert_string_equal(florin_status_message(FLORIN_INSUFFICIENT_BALANCE), "Insufficient Balance");
    assert_int_equal(florin_status_outcome(FLORIN_APPLIED), FLORIN_OUTCOME_APPLIED);
    assert_int_equal(florin_status_outcome(FLORIN_KEY_REUSED), FLORIN_OUTCOME_REJECTED);
    assert_int_equal(florin_status_outcome(FLORIN_KEYS_FULL), FLORIN_OUTCOME_NOT_APPLIED);
    assert_int_equal(florin_status_outcome(FLORIN_COMMIT_UNKNOWN), FLORIN_OUTCOME_UNKNOWN);
#define X(name, number, code, outcome, message)                                                    \
    assert_string_equal(florin_status_code(FLORIN_##name), code);                                  \
    assert_string_equal(florin_status_message(FLORIN_##name), message);
    FLORIN_STATUS_LIST(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code__is_found_as_itself_or_not_at_all),
        cmocka_unit_test(list__is_sorted),
        cmocka_unit_test(exponent__is_that_of_iso_4217),
        cmocka_unit_test(unknown_codes__are_refused),
        cmocka_unit_test(default_currency__is_the_dollar_of_the_list),
        cmocka_unit_test(list__finds_its_own_and_those_of_the_standard),
        cmocka_unit_test(list__takes_new_codes_only),
        cmocka_unit_test(status__has_code_message_and_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
