/* The account table keeps every account whole, and says no before it is too late. */
#include "support.h"

#include "engine/core/account_table.h"
#include "engine/core/hash.h"

struct fixture {
    struct account_table table;
    struct hash_secret secret;
    void *memory;
};

static void setup(struct fixture *fixture, uint64_t accounts_max)
{
    hash_secret_init(&fixture->secret, "seed", 4);
    fixture->memory = memory_take(account_table_memory_bytes(accounts_max));
    account_table_init(&fixture->table, accounts_max, fixture->memory);
}

static void teardown(struct fixture *fixture)
{
    free(fixture->memory);
}

static struct account_content content_make(const char *id, size_t id_length, const char *metadata)
{
    return (struct account_content){
        .id = id,
        .id_length = id_length,
        .currency = {"USD", 2},
        .balance_minor = 1000,
        .minimum_balance_minor = -50,
        .metadata = metadata,
        .metadata_length = metadata == NULL ? 0 : strlen(metadata),
        .opened_ns = 42,
    };
}

static struct account *add(struct fixture *fixture, const struct account_content *content)
{
    uint64_t hash = hash_account(&fixture->secret, content->id, content->id_length);
    return account_table_add(&fixture->table, hash, content);
}

static struct account *find(const struct fixture *fixture, const char *id, size_t id_length)
{
    uint64_t hash = hash_account(&fixture->secret, id, id_length);
    account_table_prefetch(&fixture->table, hash);
    return account_table_find(&fixture->table, hash, id, id_length);
}

static void ids_of_every_length__are_found_with_their_content(void **state)
{
    (void)state;
    struct fixture fixture;
    char id[FLORIN_ACCOUNT_ID_MAX];
    char metadata[16];
    setup(&fixture, 200);
    memset(id, 'a', sizeof(id));
    for (size_t length = 1; length <= sizeof(id); length++) {
        snprintf(metadata, sizeof(metadata), "{\"n\":%zu}", length);
        struct account_content content = content_make(id, length, length % 2 ? metadata : NULL);
        assert_null(find(&fixture, id, length));
        assert_non_null(add(&fixture, &content));
    }
    for (size_t length = 1; length <= sizeof(id); length++) {
        char whole[FLORIN_ACCOUNT_ID_MAX];
        const struct account *account = find(&fixture, id, length);
        assert_non_null(account);
        assert_int_equal(account_table_id(&fixture.table, account, whole), length);
        assert_memory_equal(whole, id, length);
        assert_int_equal(account->balance_minor, 1000);
        assert_int_equal(account->floor_minor, -50);
        assert_int_equal(account->version, 1);
        assert_int_equal(account->last_lsn, 0);
        assert_string_equal(account_table_currency(&fixture.table, account)->code, "USD");
        snprintf(metadata, sizeof(metadata), "{\"n\":%zu}", length);
        if (length % 2 == 0) {
            assert_null(account_table_metadata(&fixture.table, account));
        } else {
            assert_int_equal(account->metadata_length, strlen(metadata));
            assert_memory_equal(account_table_metadata(&fixture.table, account), metadata,
                                strlen(metadata));
        }
    }
    teardown(&fixture);
}

/* Same hash, so that only the comparison of ids tells them apart: at every byte. */
static void colliding_ids__are_told_apart(void **state)
{
    (void)state;
    struct fixture fixture;
    char id[FLORIN_ACCOUNT_ID_MAX];
    setup(&fixture, 200);
    for (size_t i = 0; i < sizeof(id); i++) {
        memset(id, 'a', sizeof(id));
        id[i] = 'b';
        struct account_content content = content_make(id, sizeof(id), NULL);
        assert_non_null(account_table_add(&fixture.table, 7, &content));
    }
    for (size_t i = 0; i < sizeof(id); i++) {
        memset(id, 'a', sizeof(id));
        id[i] = 'b';
        const struct account *account = account_table_find(&fixture.table, 7, id, sizeof(id));
        assert_ptr_equal(account, &fixture.table.slots[i]);
        assert_null(account_table_find(&fixture.table, 7, id, sizeof(id) - 1));
    }
    memset(id, 'a', sizeof(id));
    assert_null(account_table_find(&fixture.table, 7, id, sizeof(id)));
    teardown(&fixture);
}

/* Metadata that grows and shrinks again and again, for ids that fit into a slot and ones that do
 * not: id and metadata stay whole, and the neighbour untouched. */
static void metadata__can_be_replaced(void **state)
{
    (void)state;
    static const size_t LENGTHS[] = {0, 9, 3, 0, 10, 1024, 1000, 16, 1024, 1};
    struct fixture fixture;
    char text[FLORIN_METADATA_MAX];
    char id[FLORIN_ACCOUNT_ID_MAX];
    setup(&fixture, 200);
    memset(id, 'a', sizeof(id));
    struct account_content other = content_make("other", 5, "{\"stays\":1}");
    for (size_t id_length = 1; id_length <= sizeof(id); id_length += 9) {
        struct account_content content = content_make(id, id_length, "{}");
        assert_non_null(add(&fixture, &content));
        if (id_length == 1)
            assert_non_null(add(&fixture, &other));
    }
    for (size_t id_length = 1; id_length <= sizeof(id); id_length += 9) {
        struct account *account = find(&fixture, id, id_length);
        for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
            memset(text, 'A' + (int)i, sizeof(text));
            uint64_t used = fixture.table.text_bytes;
            bool shrinks = LENGTHS[i] <= account->metadata_length;
            assert_true(account_table_has_metadata_room(&fixture.table, account, LENGTHS[i]));
            account_table_set_metadata(&fixture.table, account, text, LENGTHS[i]);
            assert_int_equal(account->metadata_length, LENGTHS[i]);
            if (shrinks)
                assert_int_equal(fixture.table.text_bytes, used);
            if (LENGTHS[i] > 0)
                assert_memory_equal(account_table_metadata(&fixture.table, account), text,
                                    LENGTHS[i]);
            else
                assert_null(account_table_metadata(&fixture.table, account));
            assert_ptr_equal(find(&fixture, id, id_length), account);
        }
    }
    const struct account *neighbour = find(&fixture, "other", 5);
    assert_memory_equal(account_table_metadata(&fixture.table, neighbour), other.metadata, 11);
    teardown(&fixture);
}

static void metadata__has_no_room_when_the_texts_are_full(void **state)
{
    (void)state;
    struct fixture fixture;
    char text[FLORIN_METADATA_MAX];
    setup(&fixture, 3);
    memset(text, 'x', sizeof(text));
    struct account_content content = content_make("a", 1, "{}");
    struct account *account = add(&fixture, &content);
    assert_non_null(account);
    while (account_table_has_metadata_room(&fixture.table, account, sizeof(text))) {
        account_table_set_metadata(&fixture.table, account, text, 1);
        account_table_set_metadata(&fixture.table, account, text, sizeof(text));
        account_table_set_metadata(&fixture.table, account, text, 1);
        assert_true(fixture.table.text_bytes <= fixture.table.text_bytes_max);
    }
    assert_true(account_table_has_metadata_room(&fixture.table, account, 8)); /* in place */
    teardown(&fixture);
}

static void full_table__refuses_and_stays_as_it_was(void **state)
{
    (void)state;
    struct fixture fixture;
    char id[8];
    setup(&fixture, 3);
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "a%d", i);
        struct account_content content = content_make(id, 2, NULL);
        assert_true(account_table_has_room(&fixture.table, &content));
        assert_non_null(add(&fixture, &content));
    }
    struct account_content content = content_make("a3", 2, NULL);
    assert_false(account_table_has_room(&fixture.table, &content));
    assert_null(add(&fixture, &content));
    assert_null(find(&fixture, "a3", 2));
    assert_non_null(find(&fixture, "a2", 2));
    assert_int_equal(fixture.table.count, 3);
    teardown(&fixture);
}

static void texts_used_up__refuse_long_accounts_only(void **state)
{
    (void)state;
    struct fixture fixture;
    char metadata[FLORIN_METADATA_MAX + 1];
    char id[16];
    int added = 0;
    setup(&fixture, 5000);
    memset(metadata, 'm', sizeof(metadata) - 1);
    metadata[sizeof(metadata) - 1] = '\0';
    for (;;) {
        snprintf(id, sizeof(id), "a%d", added);
        struct account_content content = content_make(id, strlen(id), metadata);
        bool room = account_table_has_room(&fixture.table, &content);
        assert_int_equal(add(&fixture, &content) != NULL, room);
        if (!room)
            break;
        added++;
    }
    assert_in_range(added, 5000 * 64 / FLORIN_METADATA_MAX, 4999);
    assert_null(find(&fixture, id, strlen(id)));
    struct account_content content = content_make(id, strlen(id), NULL);
    assert_non_null(add(&fixture, &content));
    const struct account *last = find(&fixture, "a0", 2);
    assert_memory_equal(account_table_metadata(&fixture.table, last), metadata,
                        FLORIN_METADATA_MAX);
    teardown(&fixture);
}

static void currencies__are_kept_once_each_up_to_the_limit(void **state)
{
    (void)state;
    struct fixture fixture;
    char id[16];
    setup(&fixture, 1000);
    for (int i = 0; i < 2 * FLORIN_CURRENCIES_MAX; i++) {
        int number = i % FLORIN_CURRENCIES_MAX;
        snprintf(id, sizeof(id), "a%d", i);
        struct account_content content = content_make(id, strlen(id), NULL);
        content.currency = (struct currency){.exponent = (uint8_t)(number % 5)};
        snprintf(content.currency.code, sizeof(content.currency.code), "C%d", number);
        const struct account *account = add(&fixture, &content);
        assert_non_null(account);
        assert_memory_equal(account_table_currency(&fixture.table, account), &content.currency,
                            sizeof(content.currency));
    }
    assert_int_equal(fixture.table.currency_count, FLORIN_CURRENCIES_MAX);
    struct account_content content = content_make("more", 4, NULL);
    content.currency = (struct currency){"MORE", 2};
    assert_false(account_table_has_room(&fixture.table, &content));
    assert_null(add(&fixture, &content));
    /* The same code with other decimals is another currency. */
    content.currency = (struct currency){"C1", 2};
    assert_null(add(&fixture, &content));
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_every_length__are_found_with_their_content),
        cmocka_unit_test(colliding_ids__are_told_apart),
        cmocka_unit_test(metadata__can_be_replaced),
        cmocka_unit_test(metadata__has_no_room_when_the_texts_are_full),
        cmocka_unit_test(full_table__refuses_and_stays_as_it_was),
        cmocka_unit_test(texts_used_up__refuse_long_accounts_only),
        cmocka_unit_test(currencies__are_kept_once_each_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
