/* Account ids: what florin.h publishes is what is accepted. */
#include "support.h"

#include "florin.h"

static void ids__are_of_the_published_alphabet(void **state)
{
    (void)state;
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:@-";
    char id[FLORIN_ACCOUNT_ID_MAX + 1];
    for (int byte = 0; byte < 256; byte++) {
        char character = (char)byte;
        bool listed = byte != 0 && strchr(ALPHABET, byte) != NULL;
        assert_int_equal(florin_account_id_is_valid(&character, 1), listed);
    }
    memset(id, 'a', sizeof(id));
    assert_true(florin_account_id_is_valid(id, FLORIN_ACCOUNT_ID_MAX));
    assert_false(florin_account_id_is_valid(id, FLORIN_ACCOUNT_ID_MAX + 1));
    assert_false(florin_account_id_is_valid(id, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids__are_of_the_published_alphabet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
