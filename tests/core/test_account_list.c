/* Pages of accounts against a model: all ids, sorted, cut. */
#include "support.h"

#include "engine/core/account_list.h"
#include "engine/core/hash.h"

enum { ACCOUNTS_MAX = 3000 };

struct fixture {
    void *memory;
    struct account_table table;
    struct hash_secret secret;
    struct account_list_id ids[ACCOUNTS_MAX]; /* ascending */
    uint32_t count;
};

static struct account_list_id id_of(const char *text)
{
    struct account_list_id id = {.length = (uint8_t)strlen(text)};
    memcpy(id.bytes, text, id.length);
    return id;
}

static void add(struct fixture *fixture, const char *text)
{
    struct account_content content = {
        .id = text, .id_length = strlen(text), .currency = {"USD", 2}, .opened_ns = 1};
    uint64_t hash = hash_account(&fixture->secret, text, strlen(text));
    if (account_table_find(&fixture->table, hash, text, strlen(text)) != NULL)
        return;
    assert_non_null(account_table_add(&fixture->table, hash, &content));
    struct account_list_id id = id_of(text);
    uint32_t place = fixture->count++;
    while (place > 0 && account_list_compare(&fixture->ids[place - 1], &id) > 0) {
        fixture->ids[place] = fixture->ids[place - 1];
        place--;
    }
    fixture->ids[place] = id;
}

/* Ids of all lengths from few letters, so that many begin like others. */
static void draw_id(uint64_t *random, char text[FLORIN_ACCOUNT_ID_MAX + 1])
{
    static const char letters[] = "-.09:@AZ_az";
    size_t length = 1 + (size_t)random_below(random, random_below(random, 4) == 0 ? 64 : 5);
    for (size_t i = 0; i < length; i++)
        text[i] = letters[random_below(random, sizeof(letters) - 1)];
    text[length] = '\0';
}

static int setup(void **state)
{
    struct fixture *fixture = memory_take(sizeof(*fixture));
    fixture->memory = memory_take(account_table_memory_bytes(ACCOUNTS_MAX));
    account_table_init(&fixture->table, ACCOUNTS_MAX, fixture->memory);
    hash_secret_init(&fixture->secret, "seed", 4);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->memory);
    free(fixture);
    return 0;
}

static void check(const struct fixture *fixture, const char *after_text, const char *prefix_text,
                  uint32_t limit, uint32_t slots)
{
    struct account_list list;
    struct account_list_id after = id_of(after_text);
    struct account_list_id prefix = id_of(prefix_text);
    account_list_begin(&list, &after, &prefix, limit, &fixture->table);
    uint32_t steps = 0;
    while (!account_list_scan(&list, &fixture->table, slots)) {
        steps++;
        assert_true(list.cursor == steps * slots); /* a slice is no longer than it was asked for */
    }
    account_list_sort(&list);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < fixture->count && expected < limit; i++) {
        const struct account_list_id *id = &fixture->ids[i];
        if ((after.length > 0 && account_list_compare(id, &after) <= 0) ||
            id->length < prefix.length || memcmp(id->bytes, prefix.bytes, prefix.length) != 0)
            continue;
        assert_true(expected < list.count);
        assert_int_equal(account_list_compare(&list.ids[expected], id), 0);
        expected++;
    }
    assert_int_equal(list.count, expected);
}

static void order__is_bytewise_and_a_beginning_comes_first(void **state)
{
    (void)state;
    static const char *const SORTED[] = {"-", "0", "10", "9", "A", "Z", "_", "a", "a-", "aa", "b"};
    for (size_t i = 0; i < COUNT_OF(SORTED); i++) {
        for (size_t j = 0; j < COUNT_OF(SORTED); j++) {
            struct account_list_id left = id_of(SORTED[i]);
            struct account_list_id right = id_of(SORTED[j]);
            int order = account_list_compare(&left, &right);
            assert_true(i < j ? order < 0 : i > j ? order > 0 : order == 0);
        }
    }
}

static void list__is_what_sorting_all_would_give(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 7;
    char after[FLORIN_ACCOUNT_ID_MAX + 1];
    char prefix[FLORIN_ACCOUNT_ID_MAX + 1];
    char id[FLORIN_ACCOUNT_ID_MAX + 1];
    check(fixture, "", "", 1, 10);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 8; i++) {
            draw_id(&random, id);
            add(fixture, id);
        }
        draw_id(&random, after);
        draw_id(&random, prefix);
        if (random_below(&random, 3) == 0)
            after[0] = '\0';
        prefix[random_below(&random, 3)] = '\0';
        check(fixture, after, prefix, 1 + (uint32_t)random_below(&random, ACCOUNT_LIST_MAX),
              1 + (uint32_t)random_below(&random, 1000));
    }
    check(fixture, "", "", ACCOUNT_LIST_MAX, ACCOUNTS_MAX);
}

/* Whoever reads page by page sees every account once. */
static void pages__hold_every_account_once(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 9;
    char id[FLORIN_ACCOUNT_ID_MAX + 1];
    struct account_list list;
    const struct account_list_id none = {.length = 0};
    for (int i = 0; i < 1000; i++) {
        draw_id(&random, id);
        add(fixture, id);
    }
    struct account_list_id after = none;
    uint32_t seen = 0;
    do {
        account_list_begin(&list, &after, &none, 7, &fixture->table);
        assert_true(account_list_scan(&list, &fixture->table, ACCOUNTS_MAX));
        account_list_sort(&list);
        for (uint32_t i = 0; i < list.count; i++, seen++)
            assert_int_equal(account_list_compare(&list.ids[i], &fixture->ids[seen]), 0);
        if (list.count > 0)
            after = list.ids[list.count - 1];
    } while (list.count == 7);
    assert_int_equal(seen, fixture->count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order__is_bytewise_and_a_beginning_comes_first),
        cmocka_unit_test_setup_teardown(list__is_what_sorting_all_would_give, setup, teardown),
        cmocka_unit_test_setup_teardown(pages__hold_every_account_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
