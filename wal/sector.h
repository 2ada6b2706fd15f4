/* sector.h - 512-byte sectors that say themselves whether they are right.
 *
 *       0  u8[504]  data
 *     504  u64      XXH3-64 of the data; seed from the segment's salt, the epoch and the offset
 *
 * A sealed sector is never all zero (a sum of 0 is written as 1), so "still zero" and "written" can
 * always be told apart; and it is right only at its place in its file in its life of the log.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_WAL_SECTOR_H
#define FLORIN_WAL_SECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage.h"

enum {
    SECTOR_TRAILER_BYTES = 8,
    SECTOR_DATA_BYTES = STORAGE_SECTOR_BYTES - SECTOR_TRAILER_BYTES,
};

/* Whose sectors they are. */
struct sector_key {
    uint64_t salt;
    uint32_t epoch;
};

/* Writes the trailers of all sectors in `length` bytes (a multiple of a sector) that will stand at
 * `offset` of their file. */
void sector_seal(uint8_t *sectors, size_t length, struct sector_key key, uint64_t offset);

/* Whether the sector that stands at `offset` is right. */
bool sector_is_right(const uint8_t sector[STORAGE_SECTOR_BYTES], struct sector_key key,
                     uint64_t offset);

uint64_t sector_trailer(const uint8_t sector[STORAGE_SECTOR_BYTES]);

#endif
