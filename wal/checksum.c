/* checksum.c - XXH3-64 behind one function, so that only this file of wal/ knows xxHash.
 *
 * Guarantees: same bytes and seed, same value, on every machine. Must not know what it sums.
 */
#include "checksum.h"

#include <assert.h>

#include <xxhash.h>

uint64_t checksum_bytes(const void *bytes, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}

/* struct checksum_stream is never defined: it is xxHash's state under a name of this folder. */

struct checksum_stream *checksum_stream_create(void)
{
    return (struct checksum_stream *)XXH3_createState();
}

void checksum_stream_destroy(struct checksum_stream *stream)
{
    (void)XXH3_freeState((XXH3_state_t *)stream);
}

void checksum_stream_begin(struct checksum_stream *stream)
{
    XXH_errorcode code = XXH3_64bits_reset((XXH3_state_t *)stream);
    assert(code == XXH_OK);
}

void checksum_stream_add(struct checksum_stream *stream, const void *bytes, size_t length)
{
    XXH_errorcode code = XXH3_64bits_update((XXH3_state_t *)stream, bytes, length);
    assert(code == XXH_OK);
}

uint64_t checksum_stream_value(const struct checksum_stream *stream)
{
    return XXH3_64bits_digest((const XXH3_state_t *)stream);
}
