/* slot_index.h - finds the slot of an entry by its hash; grows without a long pause.
 *
 * Extendible hashing (Fagin, Nievergelt, Pippenger, Strong: "Extendible hashing - a fast access
 * method for dynamic files", TODS 1979). A directory, indexed by the top bits of the hash, points
 * to segments of 256 buckets; a segment is a small open-addressing table with linear probing that
 * begins at a cache line, so that nearly every walk ends in the line where it began, or the next:
 *
 *     tag (upper 32 bits of the hash):  [ directory bits | ...... | line, low 5 bits ]
 *     directory[tag >> (32 - depth)] -> segment -> 32 lines of 8 buckets of {tag, slot + 1}
 *
 * A segment with SLOT_INDEX_SPLIT_AT entries splits into two by its next bit: about a
 * microsecond. The directory doubles when a segment as deep as the directory splits: one pass over
 * 4 bytes for every ~170 entries, 0.3 ms at 100 million. So no insertion ever pays for a rehash.
 *
 * It knows tags and slots, not entries: the caller compares what it finds.
 *
 * Memory: 8 bytes a bucket, 44 to 88 percent full: 9 to 18 bytes an entry. Segments are not merged
 * again, and where entries come and go for ever each segment meets its worst hour and splits: then
 * up to 27 bytes for each of the most entries that it ever had.
 *
 * Thread: the owner's.
 */
#ifndef FLORIN_CORE_SLOT_INDEX_H
#define FLORIN_CORE_SLOT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefetch.h"

enum {
    SLOT_INDEX_BUCKETS = 256,
    SLOT_INDEX_SPLIT_AT = 224,
    SLOT_INDEX_LINE_BUCKETS = 8, /* of 8 bytes in 64 */
    SLOT_INDEX_DEPTH_MAX = 24,   /* a directory of 64 MiB; leaves 8 bits of the tag to the lines */
};

struct slot_index_bucket {
    uint32_t tag;
    uint32_t slot_plus_one; /* 0: empty */
};

struct slot_index_segment {
    struct slot_index_bucket buckets[SLOT_INDEX_BUCKETS];
};

struct slot_index {
    /* set at init */
    uint32_t *directory;
    struct slot_index_segment *segments;
    struct slot_index_meta *meta; /* depth and fill of each segment */
    uint32_t segments_max;
    uint8_t depth_max;
    /* owner */
    uint32_t segment_count;
    uint8_t depth;
};

struct slot_index_cursor {
    const struct slot_index_segment *segment;
    uint32_t tag;
    uint32_t bucket;
};

/* Bytes that slot_index_init() wants for `entries_max` entries. Most of it is touched only as the
 * table grows, so it may be reserved address space. */
size_t slot_index_memory_bytes(uint64_t entries_max);

/* `memory`: zeroed, aligned to 64, slot_index_memory_bytes() long, kept by the caller. */
void slot_index_init(struct slot_index *index, uint64_t entries_max, void *memory);

/* Asks the cache for what a look-up of `hash` reads first. */
static inline void slot_index_prefetch(const struct slot_index *index, uint64_t hash);

/* Walks over the slots whose entries may have `hash`:
 *
 *     struct slot_index_cursor cursor = slot_index_start(index, hash);
 *     uint32_t slot;
 *     while (slot_index_next(&cursor, &slot))
 *         if (entry_equals(slot, ...)) ...
 */
static inline struct slot_index_cursor slot_index_start(const struct slot_index *index,
                                                        uint64_t hash);
static inline bool slot_index_next(struct slot_index_cursor *cursor, uint32_t *slot);

/* Adds an entry that is not there yet. false: the memory given at init is used up (the table is
 * left as it was). */
__attribute__((warn_unused_result)) bool slot_index_insert(struct slot_index *index, uint64_t hash,
                                                           uint32_t slot);

/* Removes the entry of `slot` (asserted that it is there) under `tag`, the upper 32 bits of its
 * hash. Entries behind it move up, so that removals leave nothing behind that walks would have to
 * step over. */
void slot_index_remove(struct slot_index *index, uint32_t tag, uint32_t slot);

/* --- inline parts ------------------------------------------------------------------------- */

static inline const struct slot_index_segment *slot_index_segment(const struct slot_index *index,
                                                                  uint32_t tag)
{
    /* 64-bit shift: a depth of 0 shifts by 32. */
    return &index->segments[index->directory[(uint64_t)tag >> (32 - index->depth)]];
}

/* Where the walk for a tag begins. */
static inline uint32_t slot_index_home(uint32_t tag)
{
    return tag * SLOT_INDEX_LINE_BUCKETS % SLOT_INDEX_BUCKETS;
}

static inline void slot_index_prefetch(const struct slot_index *index, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    uint32_t home = slot_index_home(tag);
    const struct slot_index_bucket *buckets = slot_index_segment(index, tag)->buckets;
    prefetch_line(&buckets[home]);
    prefetch_line(&buckets[(home + SLOT_INDEX_LINE_BUCKETS) % SLOT_INDEX_BUCKETS]);
}

static inline struct slot_index_cursor slot_index_start(const struct slot_index *index,
                                                        uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    return (struct slot_index_cursor){
        .segment = slot_index_segment(index, tag),
        .tag = tag,
        .bucket = slot_index_home(tag),
    };
}

static inline bool slot_index_next(struct slot_index_cursor *cursor, uint32_t *slot)
{
    /* Ends: a segment always has empty buckets (SLOT_INDEX_SPLIT_AT < SLOT_INDEX_BUCKETS). */
    for (;;) {
        struct slot_index_bucket bucket = cursor->segment->buckets[cursor->bucket];
        if (bucket.slot_plus_one == 0)
            return false;
        cursor->bucket = (cursor->bucket + 1) % SLOT_INDEX_BUCKETS;
        if (bucket.tag == cursor->tag) {
            *slot = bucket.slot_plus_one - 1;
            return true;
        }
    }
}

#endif
