/* checksum.h - the checksum of everything in a data directory: XXH3-64.
 *
 * Its source: https://github.com/Cyan4973/xxHash, stable since 0.8.0. It finds accidents, not
 * attackers; whoever can write the files owns the money anyway.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_WAL_CHECKSUM_H
#define FLORIN_WAL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum_bytes(const void *bytes, size_t length, uint64_t seed);

#endif
