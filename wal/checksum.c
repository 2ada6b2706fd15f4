/* checksum.c - XXH3-64 behind one function, so that only this file of wal/ knows xxHash.
 *
 * Guarantees: same bytes and seed, same value, on every machine. Must not know what it sums.
 */
#include "checksum.h"

#include <xxhash.h>

uint64_t checksum_bytes(const void *bytes, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}
