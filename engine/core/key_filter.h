/* key_filter.h - tells, without the disk, that a key is in none of the key files.
 *
 * A binary fuse filter: Graf, Lemire: "Binary Fuse Filters: Fast and Smaller Than Xor Filters", ACM
 * Journal of Experimental Algorithmics 27, 2022 (arXiv:2201.01174), with 3 places a key and
 * fingerprints of 13 bits, packed. False positives: 2^-13, 0.012 percent a filter. Memory at a
 * million keys: 14.7 bits, 1.84 bytes a key. Built once, never changed.
 *
 * Bytes of a filter, as they stand in memory and in key files, little-endian:
 *
 *      0  u64  seed
 *      8  u32  key_count           as given, equal ones counted; decides the two below
 *     12  u32  segment_length      a power of two
 *     16  u32  segment_count       of which a key's first place may be in
 *     20  u32  reserved 0
 *     24  packed fingerprints, (segment_count + 2) * segment_length of 13 bits; zeros to a
 *         multiple of 8, and 8 more, so that one load of 4 bytes reads any fingerprint
 *
 * Thread: any; pure. Filters are read-only once built.
 */
#ifndef FLORIN_CORE_KEY_FILTER_H
#define FLORIN_CORE_KEY_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"

enum {
    KEY_FILTER_FINGERPRINT_BITS = 13,
    /* So that building one takes some 30 MB for a moment, whatever the size of the file. */
    KEY_FILTER_KEYS_MAX = 1024 * 1024,
};

struct key_filter {
    const uint8_t *bytes;
    uint64_t seed;
    uint32_t segment_length;
    uint32_t segment_count;
};

/* Bytes of a filter of so many keys; > 0 also for none. Depends on the count alone. */
size_t key_filter_bytes(uint32_t key_count);
/* Memory that key_filter_build() needs for a moment; aligned to 8. */
size_t key_filter_scratch_bytes(uint32_t key_count);

/* Builds a filter of `count` <= KEY_FILTER_KEYS_MAX hashes into `bytes`, key_filter_bytes(count)
 * long: a function of the set of hashes and of `count`. Equal hashes are allowed. `hashes` is
 * changed (sorted and the equal ones moved away; ascending ones cost no sorting). 0.1 s at a
 * million. false: no seed worked, after 100 tries: cannot happen with hashes that are random. */
__attribute__((warn_unused_result)) bool key_filter_build(uint64_t *hashes, uint32_t count,
                                                          void *scratch, uint8_t *bytes);

/* Uses `bytes`, which stay where they are. false: not a filter of that length (the fingerprints
 * could be any: it is for the file's checksums to vouch for them). */
__attribute__((warn_unused_result)) bool key_filter_open(const uint8_t *bytes, size_t length,
                                                         struct key_filter *filter);

bool key_filter_may_contain(const struct key_filter *filter, uint64_t hash);

/* --- all files ------------------------------------------------------------------------------- */

/* One key file: 2^part_bits filters, each of the keys whose hash begins with its number. */
struct key_filter_file {
    const struct key_filter *parts;
    uint8_t part_bits;
};

/* What the shards see of the key files. Read-only; replaced as a whole. */
struct key_filters {
    const struct key_filter_file *files;
    uint32_t file_count;
    /* Every key of a record up to this LSN is in the files. */
    uint64_t to_lsn;
};

/* What filters and the memory index work with: as good as any 64 bits of a digest. */
static inline uint64_t key_filter_hash(struct hash128 digest)
{
    return digest.high;
}

bool key_filters_may_contain(const struct key_filters *filters, struct hash128 digest);

/* Asks the cache for what key_filters_may_contain() of this digest reads. */
void key_filters_prefetch(const struct key_filters *filters, struct hash128 digest);

#endif
