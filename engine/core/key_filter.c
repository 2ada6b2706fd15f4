/* key_filter.c - binary fuse filters, built and asked.
 *
 * Guarantees: a hash that a filter was built of is always found in it; the same hashes give the
 * same bytes, whatever their order. Must not know: what is filtered, or where the bytes are kept.
 *
 * The filter is an array of fingerprints, cut into segments. Every hash has three places, in three
 * neighbouring segments, and the three fingerprints there, xored, are its own:
 *
 *     segments   | 0 . . . . . | 1 . . . . . | 2 . . . . . | 3 . . . . . | ...
 *     a hash             ^ place 0     ^ place 1   ^ place 2
 *
 * Building it means to peel: a place that only one hash has can take whatever that hash still
 * needs, so the hash is put on a stack and its other places forget it, which makes new such places.
 * When all hashes are on the stack, fingerprints are set from its top. When some are left, another
 * seed is tried; with this many places that is rare.
 *
 * Sizes are those of the paper's reference program
 * (https://github.com/FastFilter/xor_singleheader), segment_length = 2^floor(ln n / ln 3.33 + 2.25)
 * and places = n * max(1.125, 0.875 + 0.25 ln 10^6 / ln n), as a table, so that no floating point
 * decides the bytes of a file.
 */
#include "key_filter.h"

#include <assert.h>
#include <string.h>

#include "arena.h"
#include "bytes.h"
#include "prefetch.h"

enum {
    OFFSET_SEED = 0,
    OFFSET_KEY_COUNT = 8,
    OFFSET_SEGMENT_LENGTH = 12,
    OFFSET_SEGMENT_COUNT = 16,
    OFFSET_RESERVED = 20,
    OFFSET_FINGERPRINTS = 24,

    PLACES = 3,
    SEEDS_MAX = 100, /* one in five fails at worst, at any size */
    FINGERPRINT_MASK = (1 << KEY_FILTER_FINGERPRINT_BITS) - 1,
    /* Behind the last fingerprint, so that it, too, is read with a load of 4 bytes. */
    BYTES_SPARE = 8,
    BYTES_ALIGNMENT = 8,

    /* What a place knows of the hashes that have it: how many, times 4, and the xor of which of
     * their three places it is. */
    COUNT_ONE = 4,
    COUNT_WHICH = 3,
    COUNT_MAX = UINT8_MAX / COUNT_ONE,

    RADIX = 256,
    RADIX_BITS = 8,
};

struct geometry {
    uint32_t segment_length;
    uint32_t segment_count;
    uint32_t place_count;
};

static struct geometry geometry_for(uint32_t key_count)
{
    /* From so many keys on: bits of the segment length, places for 1000 keys. */
    static const struct {
        uint32_t keys_min;
        uint8_t length_bits;
        uint16_t places;
    } SIZES[] = {
        {1000000, 13, 1125}, {750000, 13, 1131}, {500000, 13, 1139}, {413473, 13, 1143},
        {124167, 12, 1170},  {37288, 11, 1230},  {11198, 10, 1265},  {3363, 9, 1301},
        {1010, 8, 1375},     {304, 7, 1480},     {92, 6, 1639},      {28, 5, 1912},
        {9, 4, 2447},        {3, 3, 4019},       {0, 2, 6000},
    };
    assert(key_count <= KEY_FILTER_KEYS_MAX);
    size_t row = 0;
    while (key_count < SIZES[row].keys_min)
        row++;
    uint32_t length = UINT32_C(1) << SIZES[row].length_bits;
    uint64_t places = (uint64_t)key_count * SIZES[row].places / 1000;
    uint32_t segments = (uint32_t)((places + length - 1) / length);
    if (segments < PLACES)
        segments = PLACES;
    return (struct geometry){
        .segment_length = length,
        .segment_count = segments - (PLACES - 1),
        .place_count = segments * length,
    };
}

/* --- where a hash is --------------------------------------------------------------------- */

/* The parts of a mixed hash that are used do not overlap: its first place comes from the top (21
 * bits at most), the fingerprint from bits 30 to 42, the other two places from bits 17 to 29 and 0
 * to 12. */
enum { FINGERPRINT_SHIFT = 30, SECOND_SHIFT = 17 };

/* splitmix64's finalizer (Vigna, https://prng.di.unimi.it/splitmix64.c): a bijection, so different
 * hashes stay different. */
static uint64_t mix(uint64_t hash, uint64_t seed)
{
    uint64_t z = hash + seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t seed_of_try(uint32_t number)
{
    return mix(number, UINT64_C(0x9e3779b97f4a7c15));
}

static uint32_t fingerprint_of(uint64_t mixed)
{
    return (uint32_t)(mixed >> FINGERPRINT_SHIFT) & FINGERPRINT_MASK;
}

/* floor(a * b / 2^64) for b < 2^32. */
static uint32_t multiply_high(uint64_t a, uint32_t b)
{
    uint64_t low = (a & UINT32_MAX) * b;
    uint64_t high = (a >> 32) * b;
    return (uint32_t)((high + (low >> 32)) >> 32);
}

static void places_of(uint64_t mixed, uint32_t segment_length, uint32_t segment_count,
                      uint32_t places[PLACES])
{
    uint32_t mask = segment_length - 1;
    places[0] = multiply_high(mixed, segment_count * segment_length);
    places[1] = (places[0] + segment_length) ^ ((uint32_t)(mixed >> SECOND_SHIFT) & mask);
    places[2] = (places[0] + 2 * segment_length) ^ ((uint32_t)mixed & mask);
}

static const uint8_t *fingerprint_bytes(const uint8_t *filter, uint32_t place)
{
    return filter + OFFSET_FINGERPRINTS + place * KEY_FILTER_FINGERPRINT_BITS / 8;
}

static uint32_t fingerprint_get(const uint8_t *filter, uint32_t place)
{
    unsigned shift = place * KEY_FILTER_FINGERPRINT_BITS % 8;
    return bytes_get_u32(fingerprint_bytes(filter, place)) >> shift & FINGERPRINT_MASK;
}

/* The place is still zero. */
static void fingerprint_set(uint8_t *filter, uint32_t place, uint32_t fingerprint)
{
    uint8_t *bytes = filter + OFFSET_FINGERPRINTS + place * KEY_FILTER_FINGERPRINT_BITS / 8;
    unsigned shift = place * KEY_FILTER_FINGERPRINT_BITS % 8;
    bytes_put_u32(bytes, bytes_get_u32(bytes) | fingerprint << shift);
}

/* --- building ---------------------------------------------------------------------------- */

struct builder {
    /* by place */
    uint64_t *xors;   /* of the hashes that have it */
    uint32_t *lonely; /* places that one hash has; each gets there once at most */
    uint8_t *counts;
    /* by hash, in the order in which they were peeled */
    uint64_t *peeled;
    uint8_t *peeled_which; /* of its places it was alone in */
    struct geometry geometry;
};

static size_t fingerprint_bytes_for(uint32_t place_count)
{
    size_t bytes = ((size_t)place_count * KEY_FILTER_FINGERPRINT_BITS + 7) / 8;
    return (bytes + BYTES_ALIGNMENT - 1) / BYTES_ALIGNMENT * BYTES_ALIGNMENT + BYTES_SPARE;
}

size_t key_filter_bytes(uint32_t key_count)
{
    return OFFSET_FINGERPRINTS + fingerprint_bytes_for(geometry_for(key_count).place_count);
}

size_t key_filter_scratch_bytes(uint32_t key_count)
{
    size_t places = geometry_for(key_count).place_count;
    return places * (sizeof(uint64_t) + sizeof(uint32_t) + sizeof(uint8_t)) +
           key_count * (sizeof(uint64_t) + sizeof(uint8_t));
}

/* The wider parts first, so that all are aligned when `scratch` is. */
static struct builder builder_init(uint32_t key_count, void *scratch)
{
    struct builder builder = {.geometry = geometry_for(key_count)};
    size_t places = builder.geometry.place_count;

    builder.xors = scratch;
    builder.peeled = builder.xors + places;
    builder.lonely = (uint32_t *)(builder.peeled + key_count);
    builder.counts = (uint8_t *)(builder.lonely + places);
    builder.peeled_which = builder.counts + places;
    return builder;
}

static bool is_ascending(const uint64_t *hashes, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (hashes[i - 1] > hashes[i])
            return false;
    }
    return true;
}

/* By bytes, from the lowest; an even number of passes ends where it began. */
static void sort(uint64_t *hashes, uint32_t count, uint64_t *room)
{
    for (unsigned shift = 0; shift < 64; shift += RADIX_BITS) {
        uint32_t starts[RADIX] = {0};
        uint32_t before = 0;
        for (uint32_t i = 0; i < count; i++)
            starts[(uint8_t)(hashes[i] >> shift)]++;
        for (uint32_t digit = 0; digit < RADIX; digit++) {
            uint32_t with_digit = starts[digit];
            starts[digit] = before;
            before += with_digit;
        }
        for (uint32_t i = 0; i < count; i++)
            room[starts[(uint8_t)(hashes[i] >> shift)]++] = hashes[i];
        uint64_t *sorted = room;
        room = hashes;
        hashes = sorted;
    }
}

/* Sorts, and keeps one of equal ones: three places cannot part them. How many are left. */
static uint32_t make_unique(uint64_t *hashes, uint32_t count, uint64_t *room)
{
    uint32_t kept = 0;

    if (!is_ascending(hashes, count))
        sort(hashes, count, room);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || hashes[kept - 1] != hashes[i])
            hashes[kept++] = hashes[i];
    }
    return kept;
}

/* Tells every place of its hashes. false: too many for one place. */
static bool spread(struct builder *builder, const uint64_t *hashes, uint32_t count, uint64_t seed)
{
    const struct geometry *geometry = &builder->geometry;
    uint32_t places[PLACES];

    memset(builder->xors, 0, geometry->place_count * sizeof(*builder->xors));
    memset(builder->counts, 0, geometry->place_count * sizeof(*builder->counts));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t mixed = mix(hashes[i], seed);
        places_of(mixed, geometry->segment_length, geometry->segment_count, places);
        for (unsigned which = 0; which < PLACES; which++) {
            uint8_t *of_place = &builder->counts[places[which]];
            if (*of_place / COUNT_ONE == COUNT_MAX)
                return false;
            *of_place = (uint8_t)((*of_place + COUNT_ONE) ^ which);
            builder->xors[places[which]] ^= mixed;
        }
    }
    return true;
}

/* Takes the hash of a lonely place from its other places; returns how many are lonely now. */
static uint32_t peel_one(struct builder *builder, uint64_t mixed, unsigned alone_in,
                         uint32_t lonely_count)
{
    uint32_t places[PLACES];

    places_of(mixed, builder->geometry.segment_length, builder->geometry.segment_count, places);
    for (unsigned which = 0; which < PLACES; which++) {
        uint8_t *of_place = &builder->counts[places[which]];
        if (which == alone_in)
            continue;
        *of_place = (uint8_t)((*of_place - COUNT_ONE) ^ which);
        builder->xors[places[which]] ^= mixed;
        if (*of_place / COUNT_ONE == 1)
            builder->lonely[lonely_count++] = places[which];
    }
    return lonely_count;
}

/* How many hashes could be peeled. */
static uint32_t peel(struct builder *builder)
{
    uint32_t lonely_count = 0;
    uint32_t peeled = 0;

    for (uint32_t place = 0; place < builder->geometry.place_count; place++) {
        if (builder->counts[place] / COUNT_ONE == 1)
            builder->lonely[lonely_count++] = place;
    }
    while (lonely_count > 0) {
        uint32_t place = builder->lonely[--lonely_count];
        /* Its hash may have been peeled at another place since. */
        if (builder->counts[place] / COUNT_ONE != 1)
            continue;
        uint64_t mixed = builder->xors[place];
        uint8_t which = builder->counts[place] & COUNT_WHICH;
        builder->peeled[peeled] = mixed;
        builder->peeled_which[peeled++] = which;
        builder->counts[place] = 0;
        lonely_count = peel_one(builder, mixed, which, lonely_count);
    }
    return peeled;
}

/* From the last peeled on, whose other places nobody needs later. */
static void set_fingerprints(const struct builder *builder, uint32_t count, uint8_t *bytes)
{
    const struct geometry *geometry = &builder->geometry;
    uint32_t places[PLACES];

    for (uint32_t i = count; i-- > 0;) {
        uint64_t mixed = builder->peeled[i];
        uint32_t fingerprint = fingerprint_of(mixed);
        places_of(mixed, geometry->segment_length, geometry->segment_count, places);
        for (unsigned which = 0; which < PLACES; which++) {
            if (which != builder->peeled_which[i])
                fingerprint ^= fingerprint_get(bytes, places[which]);
        }
        fingerprint_set(bytes, places[builder->peeled_which[i]], fingerprint);
    }
}

bool key_filter_build(uint64_t *hashes, uint32_t count, void *scratch, uint8_t *bytes)
{
    struct builder builder = builder_init(count, scratch);
    uint32_t unique = make_unique(hashes, count, builder.xors);
    uint32_t number = 0;

    while (!spread(&builder, hashes, unique, seed_of_try(number)) || peel(&builder) < unique) {
        if (++number == SEEDS_MAX)
            return false;
    }
    memset(bytes, 0, key_filter_bytes(count));
    bytes_put_u64(bytes + OFFSET_SEED, seed_of_try(number));
    bytes_put_u32(bytes + OFFSET_KEY_COUNT, count);
    bytes_put_u32(bytes + OFFSET_SEGMENT_LENGTH, builder.geometry.segment_length);
    bytes_put_u32(bytes + OFFSET_SEGMENT_COUNT, builder.geometry.segment_count);
    set_fingerprints(&builder, unique, bytes);
    return true;
}

/* --- asking ------------------------------------------------------------------------------ */

/* Whether nothing stands behind the last fingerprint. */
static bool tail_is_zero(const uint8_t *bytes, size_t length, uint32_t place_count)
{
    size_t bits = (size_t)place_count * KEY_FILTER_FINGERPRINT_BITS;
    size_t whole = OFFSET_FINGERPRINTS + bits / 8;
    return bytes[whole] >> bits % 8 == 0 && bytes_are_zero(bytes + whole + 1, length - whole - 1);
}

bool key_filter_open(const uint8_t *bytes, size_t length, struct key_filter *filter)
{
    if (length < OFFSET_FINGERPRINTS)
        return false;
    uint32_t key_count = bytes_get_u32(bytes + OFFSET_KEY_COUNT);
    if (key_count > KEY_FILTER_KEYS_MAX || length != key_filter_bytes(key_count))
        return false;
    struct geometry geometry = geometry_for(key_count);
    if (bytes_get_u32(bytes + OFFSET_SEGMENT_LENGTH) != geometry.segment_length ||
        bytes_get_u32(bytes + OFFSET_SEGMENT_COUNT) != geometry.segment_count ||
        bytes_get_u32(bytes + OFFSET_RESERVED) != 0 ||
        !tail_is_zero(bytes, length, geometry.place_count))
        return false;
    *filter = (struct key_filter){
        .bytes = bytes,
        .seed = bytes_get_u64(bytes + OFFSET_SEED),
        .segment_length = geometry.segment_length,
        .segment_count = geometry.segment_count,
    };
    return true;
}

bool key_filter_may_contain(const struct key_filter *filter, uint64_t hash)
{
    uint64_t mixed = mix(hash, filter->seed);
    uint32_t places[PLACES];

    places_of(mixed, filter->segment_length, filter->segment_count, places);
    return (fingerprint_get(filter->bytes, places[0]) ^ fingerprint_get(filter->bytes, places[1]) ^
            fingerprint_get(filter->bytes, places[2])) == fingerprint_of(mixed);
}

/* The filter of a file that the hash would be in. 64-bit shift in two steps: 0 bits shift by 64. */
static const struct key_filter *part_of(const struct key_filter_file *file, uint64_t hash)
{
    return &file->parts[hash >> 1 >> (63 - file->part_bits)];
}

bool key_filters_may_contain(const struct key_filters *filters, struct hash128 digest)
{
    uint64_t hash = key_filter_hash(digest);

    for (uint32_t i = 0; i < filters->file_count; i++) {
        if (key_filter_may_contain(part_of(&filters->files[i], hash), hash))
            return true;
    }
    return false;
}

void key_filters_prefetch(const struct key_filters *filters, struct hash128 digest)
{
    uint64_t hash = key_filter_hash(digest);
    uint32_t places[PLACES];

    for (uint32_t i = 0; i < filters->file_count; i++) {
        const struct key_filter *filter = part_of(&filters->files[i], hash);
        places_of(mix(hash, filter->seed), filter->segment_length, filter->segment_count, places);
        for (unsigned which = 0; which < PLACES; which++)
            prefetch_line(fingerprint_bytes(filter->bytes, places[which]));
    }
}
