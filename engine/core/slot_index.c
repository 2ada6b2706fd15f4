/* slot_index.c - extendible hashing over segments of 256 buckets.
 *
 * Guarantees: an insertion either succeeds or leaves every look-up as it was; a removal takes one
 * entry and leaves every other findable; a segment always
 * keeps SLOT_INDEX_BUCKETS - SLOT_INDEX_SPLIT_AT empty buckets, so every look-up ends.
 * Must not know: what a slot holds.
 *
 * Invariant: segment s of depth d holds the tags of one prefix of d bits, and the directory of
 * depth D >= d points to it 2^(D-d) times in a row.
 *
 *     D = 2    directory [ 00 | 01 | 10 | 11 ]
 *                           |    |    \   /
 *              segment      0    2      1            depths: 2, 2, 1
 *
 * Room: full segments split into two halves of 112 entries, give or take 8; one segment for
 * every 64 entries is therefore more than random hashes ever need, and two directory bits more
 * than those segments need hold their unevenness. Hashes chosen by somebody who knows the secret
 * may use that up earlier: then slot_index_insert() says so.
 */
#include "slot_index.h"

#include <assert.h>
#include <string.h>

#include "arena.h"

enum {
    ENTRIES_PER_SEGMENT_RESERVED = 64,
    SEGMENTS_SPARE = 16,
    DEPTH_SPARE = 2,
};

struct slot_index_meta {
    uint16_t count; /* entries; at most SLOT_INDEX_SPLIT_AT */
    uint8_t depth;  /* bits of the prefix that its tags share */
};

static uint32_t segments_for(uint64_t entries_max)
{
    assert(entries_max < UINT32_MAX); /* slots are 32-bit numbers, one is reserved */
    return (uint32_t)(entries_max / ENTRIES_PER_SEGMENT_RESERVED) + SEGMENTS_SPARE;
}

static uint8_t depth_for(uint32_t segments_max)
{
    unsigned depth = DEPTH_SPARE;
    while (segments_max >> (depth - DEPTH_SPARE) > 1 && depth < SLOT_INDEX_DEPTH_MAX)
        depth++;
    return (uint8_t)depth;
}

/* The first `depth` bits of a tag. 64-bit shift: a depth of 0 shifts by 32. */
static uint32_t tag_prefix(uint32_t tag, unsigned depth)
{
    return (uint32_t)((uint64_t)tag >> (32 - depth));
}

static void place(struct slot_index *index, uint32_t number, struct slot_index_bucket entry)
{
    struct slot_index_bucket *buckets = index->segments[number].buckets;
    uint32_t bucket = slot_index_home(entry.tag);

    assert(index->meta[number].count < SLOT_INDEX_SPLIT_AT);
    while (buckets[bucket].slot_plus_one != 0)
        bucket = (bucket + 1) % SLOT_INDEX_BUCKETS;
    buckets[bucket] = entry;
    index->meta[number].count++;
}

static void double_directory(struct slot_index *index)
{
    uint32_t *directory = index->directory;

    assert(index->depth < index->depth_max);
    /* From the end, so that nothing is overwritten before it is read. */
    for (size_t i = (size_t)1 << index->depth; i-- > 0;) {
        directory[2 * i + 1] = directory[i];
        directory[2 * i] = directory[i];
    }
    index->depth++;
}

/* Moves the entries of segment `lower` whose tags have `bit` to segment `upper`. */
static void divide(struct slot_index *index, uint32_t lower, uint32_t upper, uint32_t bit)
{
    struct slot_index_segment old = index->segments[lower];

    memset(&index->segments[lower], 0, sizeof(old));
    index->meta[lower].count = 0;
    for (uint32_t i = 0; i < SLOT_INDEX_BUCKETS; i++) {
        if (old.buckets[i].slot_plus_one != 0)
            place(index, (old.buckets[i].tag & bit) ? upper : lower, old.buckets[i]);
    }
}

/* Makes the segment of `tag` one bit deeper. false: no segment or directory bit is left. */
static bool split(struct slot_index *index, uint32_t lower, uint32_t tag)
{
    struct slot_index_meta *meta = &index->meta[lower];
    if (meta->depth == index->depth_max || index->segment_count == index->segments_max)
        return false;

    if (meta->depth == index->depth)
        double_directory(index);
    uint32_t upper = index->segment_count++;
    meta->depth++;
    index->meta[upper].depth = meta->depth;

    unsigned bits_below = (unsigned)index->depth - meta->depth;
    size_t first = (size_t)(tag_prefix(tag, meta->depth) | 1) << bits_below;
    for (size_t i = 0; i < (size_t)1 << bits_below; i++)
        index->directory[first + i] = upper;

    divide(index, lower, upper, UINT32_C(1) << (32 - meta->depth));
    return true;
}

size_t slot_index_memory_bytes(uint64_t entries_max)
{
    uint32_t segments_max = segments_for(entries_max);
    return arena_bytes(segments_max, sizeof(struct slot_index_segment)) +
           arena_bytes(UINT64_C(1) << depth_for(segments_max), sizeof(uint32_t)) +
           arena_bytes(segments_max, sizeof(struct slot_index_meta));
}

void slot_index_init(struct slot_index *index, uint64_t entries_max, void *memory)
{
    struct arena arena = arena_init(memory);
    uint32_t segments_max = segments_for(entries_max);
    uint8_t depth_max = depth_for(segments_max);

    *index = (struct slot_index){
        .segments = arena_take(&arena, arena_bytes(segments_max, sizeof(*index->segments))),
        .directory =
            arena_take(&arena, arena_bytes(UINT64_C(1) << depth_max, sizeof(*index->directory))),
        .meta = arena_take(&arena, arena_bytes(segments_max, sizeof(*index->meta))),
        .segments_max = segments_max,
        .depth_max = depth_max,
        .segment_count = 1,
    };
}

bool slot_index_insert(struct slot_index *index, uint64_t hash, uint32_t slot)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    assert(slot < UINT32_MAX);

    /* At most depth_max turns: each makes the segment of this tag one bit deeper. */
    for (;;) {
        uint32_t number = index->directory[tag_prefix(tag, index->depth)];
        if (index->meta[number].count < SLOT_INDEX_SPLIT_AT) {
            place(index, number, (struct slot_index_bucket){tag, slot + 1});
            return true;
        }
        if (!split(index, number, tag))
            return false;
    }
}

void slot_index_remove(struct slot_index *index, uint32_t tag, uint32_t slot)
{
    uint32_t number = index->directory[tag_prefix(tag, index->depth)];
    struct slot_index_bucket *buckets = index->segments[number].buckets;
    uint32_t hole = slot_index_home(tag);

    while (buckets[hole].tag != tag || buckets[hole].slot_plus_one != slot + 1) {
        assert(buckets[hole].slot_plus_one != 0); /* the entry is there */
        hole = (hole + 1) % SLOT_INDEX_BUCKETS;
    }
    /* Whatever is as far from its home as from the hole, or farther, fills it. */
    for (uint32_t next = (hole + 1) % SLOT_INDEX_BUCKETS; buckets[next].slot_plus_one != 0;
         next = (next + 1) % SLOT_INDEX_BUCKETS) {
        uint32_t from_home = (next - slot_index_home(buckets[next].tag)) % SLOT_INDEX_BUCKETS;
        uint32_t from_hole = (next - hole) % SLOT_INDEX_BUCKETS;
        if (from_home >= from_hole) {
            buckets[hole] = buckets[next];
            hole = next;
        }
    }
    buckets[hole] = (struct slot_index_bucket){0};
    index->meta[number].count--;
}
