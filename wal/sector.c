/* sector.c - seals and checks self-verifying sectors (sector.h draws one).
 *
 * Guarantees: a sector that was not written, was written for another place, or in another life of
 * the log, is not right (but for 2^-64). Must not know what the data means.
 */
#include "sector.h"

#include <assert.h>

#include "bytes.h"
#include "checksum.h"

static uint64_t sector_sum(const uint8_t *sector, struct sector_key key, uint64_t offset)
{
    /* Odd constants of splitmix64 and xxHash: they only keep epoch and offset from cancelling. */
    uint64_t seed = key.salt + key.epoch * UINT64_C(0x9e3779b97f4a7c15);
    seed ^= (offset / STORAGE_SECTOR_BYTES + 1) * UINT64_C(0xc2b2ae3d27d4eb4f);
    uint64_t sum = checksum_bytes(sector, SECTOR_DATA_BYTES, seed);
    return sum == 0 ? 1 : sum;
}

void sector_seal(uint8_t *sectors, size_t length, struct sector_key key, uint64_t offset)
{
    assert(length % STORAGE_SECTOR_BYTES == 0);
    assert(offset % STORAGE_SECTOR_BYTES == 0);
    for (size_t i = 0; i < length; i += STORAGE_SECTOR_BYTES)
        bytes_put_u64(sectors + i + SECTOR_DATA_BYTES, sector_sum(sectors + i, key, offset + i));
}

uint64_t sector_trailer(const uint8_t sector[STORAGE_SECTOR_BYTES])
{
    return bytes_get_u64(sector + SECTOR_DATA_BYTES);
}

bool sector_is_right(const uint8_t sector[STORAGE_SECTOR_BYTES], struct sector_key key,
                     uint64_t offset)
{
    return sector_trailer(sector) == sector_sum(sector, key, offset);
}
