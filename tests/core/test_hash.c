/* Hashes: stable, dependent on every input, and never confusing one key with another. */
#include "support.h"

#include "engine/core/hash.h"
#include "florin_limits.h"

static void secret__is_made_of_the_seed_alone(void **state)
{
    (void)state;
    struct hash_secret first;
    struct hash_secret again;
    struct hash_secret other;
    hash_secret_init(&first, "0123456789abcdef", 16);
    hash_secret_init(&again, "0123456789abcdef", 16);
    hash_secret_init(&other, "0123456789abcdeg", 16);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_memory_not_equal(&first, &other, sizeof(first));
    assert_true(hash_account(&first, "alice", 5) != hash_account(&other, "alice", 5));
    assert_true(hash_key(&first, "alice", 5, "k", 1).low !=
                hash_key(&other, "alice", 5, "k", 1).low);
}

/* The digests of a checkpoint must mean the same to the next program. */
static void bytes__hash_to_the_published_values_of_xxh3(void **state)
{
    (void)state;
    /* XXH3_64bits of nothing, from the reference implementation's own sanity checks. */
    assert_int_equal(hash_bytes("", 0, 0), UINT64_C(0x2d06800538d394c2));
    assert_true(hash_bytes("a", 1, 0) != hash_bytes("a", 1, 1));
}

static void account_and_key__are_told_apart(void **state)
{
    (void)state;
    struct hash_secret secret;
    hash_secret_init(&secret, "seed", 4);
    struct hash128 left = hash_key(&secret, "ab", 2, "c", 1);
    struct hash128 right = hash_key(&secret, "a", 1, "bc", 2);
    assert_true(left.low != right.low && left.high != right.high);
    assert_true(hash_account(&secret, "ab", 2) != hash_account(&secret, "ba", 2));
}

static void longest_id_and_key__are_hashed_whole(void **state)
{
    (void)state;
    struct hash_secret secret;
    char id[FLORIN_ACCOUNT_ID_MAX];
    char key[FLORIN_KEY_MAX];
    hash_secret_init(&secret, "seed", 4);
    memset(id, 'i', sizeof(id));
    memset(key, 'k', sizeof(key));
    struct hash128 before = hash_key(&secret, id, sizeof(id), key, sizeof(key));
    key[sizeof(key) - 1] = 'l';
    struct hash128 after = hash_key(&secret, id, sizeof(id), key, sizeof(key));
    assert_true(before.low != after.low && before.high != after.high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret__is_made_of_the_seed_alone),
        cmocka_unit_test(bytes__hash_to_the_published_values_of_xxh3),
        cmocka_unit_test(account_and_key__are_told_apart),
        cmocka_unit_test(longest_id_and_key__are_hashed_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
