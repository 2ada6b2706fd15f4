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

/* The same of bytes that come piece by piece; seed 0. */
struct checksum_stream;

/* NULL: no memory. */
struct checksum_stream *checksum_stream_create(void);
void checksum_stream_destroy(struct checksum_stream *stream);

void checksum_stream_begin(struct checksum_stream *stream);
void checksum_stream_add(struct checksum_stream *stream, const void *bytes, size_t length);

/* Of what was added since the beginning. */
uint64_t checksum_stream_value(const struct checksum_stream *stream);

#endif
