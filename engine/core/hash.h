/* hash.h - the one place that includes xxHash.
 *
 * Two uses, two functions. Both are XXH3 (https://github.com/Cyan4973/xxHash, 0.8.1).
 *
 * Thread: any.
 */
#ifndef FLORIN_CORE_HASH_H
#define FLORIN_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"

enum {
    HASH_SECRET_BYTES = 192, /* XXH3_SECRET_DEFAULT_SIZE */
    /* Bytes of a key: a client's, or a longer one that no client can have (key_of_reversal()). */
    HASH_KEY_BYTES_MAX = FLORIN_KEY_MAX + 17,
};

/* Derived from the directory's random seed, so that no client can choose ids or keys that
 * collide without reading the operator's disk. */
struct hash_secret {
    uint8_t bytes[HASH_SECRET_BYTES];
};

struct hash128 {
    uint64_t low;
    uint64_t high;
};

/* Stretches the seed of DATA/meta (XXH3_generateSecret). Same seed, same secret. */
void hash_secret_init(struct hash_secret *secret, const void *seed, size_t seed_bytes);

/* Places accounts on shards and in tables: XXH3-64 with the secret. */
uint64_t hash_account(const struct hash_secret *secret, const char *id, size_t id_length);

/* Names an idempotency key of an account: XXH3-128 with the secret over
 * id_length (1 byte), id, key. Two keys are the same when their digests are: the chance that any
 * two of 10^12 keys share one is 2^-49, and the secret denies it to an attacker. The full
 * key stands in the log. */
struct hash128 hash_key(const struct hash_secret *secret, const char *id, size_t id_length,
                        const char *key, size_t key_length);

/* Sums of records and states: XXH3-64 with a plain seed. */
uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed);

#endif
