/* Money: nothing is rounded, nothing wraps, text is exact both ways. */
#include "support.h"

#include "engine/core/money.h"

struct parse_case {
    const char *text;
    int64_t digits;
    uint8_t scale;
};

static bool parse(const char *text, struct money_decimal *decimal)
{
    return money_parse(text, strlen(text), decimal);
}

static void parse__reads_exact_decimals(void **state)
{
    (void)state;
    static const struct parse_case CASES[] = {
        {"0", 0, 0},
        {"7", 7, 0},
        {"-7", -7, 0},
        {"350.00", 350, 0},
        {"49.5", 495, 1},
        {"49.50", 495, 1},
        {"0.05", 5, 2},
        {"-0.05", -5, 2},
        {"-0", 0, 0},
        {"-0.00", 0, 0},
        {"007", 7, 0},
        {"100", 100, 0},
        {"0.000000000000000001", 1, 18},
        {"1.00000000000000000000000000000", 1, 0},
        {"00000000000000000000000000000001", 1, 0},
        {"9223372036854775807", INT64_MAX, 0},
        {"-9223372036854775807", -INT64_MAX, 0},
        {"92233720368547758.07", INT64_MAX, 2},
        {"9.223372036854775807", INT64_MAX, 18},
        {"-9.223372036854775807", -INT64_MAX, 18},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct money_decimal decimal = {-1, 99};
        print_message("parse %s\n", CASES[i].text);
        assert_true(parse(CASES[i].text, &decimal));
        assert_int_equal(decimal.digits, CASES[i].digits);
        assert_int_equal(decimal.scale, CASES[i].scale);
    }
}

static void parse__refuses_everything_else(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "",
        "-",
        ".",
        "-.",
        ".5",
        "5.",
        "-5.",
        "+5",
        "--5",
        " 5",
        "5 ",
        "5,0",
        "1e3",
        "1E3",
        "0x10",
        "NaN",
        "Infinity",
        "1.2.3",
        "1_000",
        "5-",
        "9223372036854775808",
        "-9223372036854775808",
        "92233720368547758.08",
        "99999999999999999999",
        "0.0000000000000000001",
        "10.000000000000000001",
        "000000000000000000000000000000001",
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct money_decimal decimal = {123, 45};
        print_message("parse '%s'\n", CASES[i]);
        assert_false(parse(CASES[i], &decimal));
        assert_int_equal(decimal.digits, 123);
        assert_int_equal(decimal.scale, 45);
    }
    struct money_decimal decimal;
    assert_false(money_parse("5\0", 2, &decimal));
}

static void to_minor__converts_exactly_or_refuses(void **state)
{
    (void)state;
    static const struct {
        struct money_decimal decimal;
        uint8_t exponent;
        bool fits;
        int64_t minor;
    } CASES[] = {
        {{495, 1}, 2, true, 4950},
        {{495, 1}, 1, true, 495},
        {{495, 1}, 0, false, 0},
        {{500, 1}, 0, true, 50},
        {{-500, 1}, 0, true, -50},
        {{-5, 2}, 2, true, -5},
        {{5, 3}, 2, false, 0},
        {{0, 18}, 0, true, 0},
        {{1, 18}, 18, true, 1},
        {{INT64_MAX, 0}, 0, true, INT64_MAX},
        {{-INT64_MAX, 0}, 0, true, -INT64_MAX},
        {{INT64_MIN, 0}, 0, false, 0},
        {{INT64_MAX, 2}, 2, true, INT64_MAX},
        {{INT64_MAX / 100, 0}, 2, true, INT64_MAX / 100 * 100},
        {{INT64_MAX / 100 + 1, 0}, 2, false, 0},
        {{-INT64_MAX / 100 - 1, 0}, 2, false, 0},
        {{1, 19}, 18, false, 0},
        {{0, 255}, 2, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        int64_t minor = 77;
        print_message("case %zu\n", i);
        assert_int_equal(money_to_minor(CASES[i].decimal, CASES[i].exponent, &minor),
                         CASES[i].fits);
        assert_int_equal(minor, CASES[i].fits ? CASES[i].minor : 77);
    }
}

static void format__writes_exactly_the_decimals_of_the_currency(void **state)
{
    (void)state;
    static const struct {
        int64_t minor;
        uint8_t exponent;
        const char *text;
    } CASES[] = {
        {35000, 2, "350.00"},
        {5, 2, "0.05"},
        {-5, 2, "-0.05"},
        {0, 2, "0.00"},
        {0, 0, "0"},
        {7, 0, "7"},
        {-70, 0, "-70"},
        {1500, 3, "1.500"},
        {100, 2, "1.00"},
        {INT64_MAX, 2, "92233720368547758.07"},
        {-INT64_MAX, 2, "-92233720368547758.07"},
        {INT64_MAX, 0, "9223372036854775807"},
        {-INT64_MAX, 18, "-9.223372036854775807"},
        {0, 18, "0.000000000000000000"},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char text[MONEY_TEXT_BYTES];
        memset(text, 'x', sizeof(text));
        assert_int_equal(money_format(CASES[i].minor, CASES[i].exponent, text),
                         strlen(CASES[i].text));
        assert_string_equal(text, CASES[i].text);
    }
}

static void text__comes_back_as_the_same_money(void **state)
{
    (void)state;
    uint64_t random = seed_choose();
    for (int i = 0; i < 200000; i++) {
        char text[MONEY_TEXT_BYTES];
        struct money_decimal decimal;
        int64_t back;
        uint8_t exponent = (uint8_t)random_below(&random, MONEY_SCALE_MAX + 1);
        int64_t minor = (int64_t)(random_next(&random) >> random_below(&random, 64));
        if (minor == INT64_MIN)
            minor = INT64_MAX;

        size_t length = money_format(minor, exponent, text);
        assert_true(money_parse(text, length, &decimal));
        assert_true(money_to_minor(decimal, exponent, &back));
        assert_int_equal(back, minor);
    }
}

static void arithmetic__is_checked_at_both_ends(void **state)
{
    (void)state;
    int64_t value = 5;
    assert_true(money_add(INT64_MAX - 1, 1, &value));
    assert_int_equal(value, INT64_MAX);
    assert_true(money_subtract(-INT64_MAX + 1, 1, &value));
    assert_int_equal(value, -INT64_MAX);
    assert_true(money_subtract(10, 15, &value));
    assert_int_equal(value, -5);

    assert_false(money_add(INT64_MAX, 1, &value));
    assert_false(money_add(-INT64_MAX, -1, &value));
    assert_false(money_add(-INT64_MAX, -2, &value));
    assert_false(money_subtract(-INT64_MAX, 1, &value));
    assert_false(money_subtract(INT64_MAX, -1, &value));
    assert_false(money_subtract(-2, INT64_MAX, &value));
    assert_int_equal(value, -5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__reads_exact_decimals),
        cmocka_unit_test(parse__refuses_everything_else),
        cmocka_unit_test(to_minor__converts_exactly_or_refuses),
        cmocka_unit_test(format__writes_exactly_the_decimals_of_the_currency),
        cmocka_unit_test(text__comes_back_as_the_same_money),
        cmocka_unit_test(arithmetic__is_checked_at_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
