/* hash.c - names and places by XXH3.
 *
 * Guarantees: the same bytes and the same secret give the same hash, on every machine.
 * Must not know: what an account, a key or a shard is beyond its bytes.
 */
#define XXH_STATIC_LINKING_ONLY
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "hash.h"

#include <assert.h>
#include <string.h>

#include "florin_limits.h"

_Static_assert((int)HASH_SECRET_BYTES >= (int)XXH3_SECRET_SIZE_MIN, "XXH3 takes the secret");

void hash_secret_init(struct hash_secret *secret, const void *seed, size_t seed_bytes)
{
    XXH_errorcode error =
        XXH3_generateSecret(secret->bytes, sizeof(secret->bytes), seed, seed_bytes);
    assert(error == XXH_OK);
}

uint64_t hash_account(const struct hash_secret *secret, const char *id, size_t id_length)
{
    return XXH3_64bits_withSecret(id, id_length, secret->bytes, sizeof(secret->bytes));
}

struct hash128 hash_key(const struct hash_secret *secret, const char *id, size_t id_length,
                        const char *key, size_t key_length)
{
    uint8_t bytes[1 + FLORIN_ACCOUNT_ID_MAX + HASH_KEY_BYTES_MAX];

    assert(id_length <= FLORIN_ACCOUNT_ID_MAX);
    assert(key_length <= HASH_KEY_BYTES_MAX);
    bytes[0] = (uint8_t)id_length;
    memcpy(bytes + 1, id, id_length);
    memcpy(bytes + 1 + id_length, key, key_length);

    XXH128_hash_t hash = XXH3_128bits_withSecret(bytes, 1 + id_length + key_length, secret->bytes,
                                                 sizeof(secret->bytes));
    return (struct hash128){.low = hash.low64, .high = hash.high64};
}

uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}
