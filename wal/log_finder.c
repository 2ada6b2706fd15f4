/* log_finder.c - finds single records of a log in any order.
 *
 *     points    (lsn, offset) ............ (lsn, offset) ........ (lsn, offset)
 *                    ^ low      wanted ^       ^ high
 *     pieces    [64 KiB][  ][  ][  ][  ][  ][  ][  ][  ]          of the segment's file
 *                                    ^ guessed by the LSNs of low and high, then read
 *
 * Every frame begins at a block and says what and where it is, in a sector that says whether it is
 * right. So a piece tells which frames begin in it; when it holds the wanted one, the search is
 * over, else it narrows the range, and the next guess is close. A piece in which no frame begins is
 * the inside of a large one: its beginning is looked for backwards.
 *
 * A piece may have been read while frames at its end were written. It is used for LSNs only that
 * were durable when it was read; for newer ones it is read again.
 *
 * Guarantees: every byte handed out stands in a sector that was checked; a damaged one spoils only
 * the records in it, or, when it is a frame's first, those of the frame. Must not know: what a
 * record means.
 */
#include "log_finder.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "log_reader_internal.h"
#include "sector.h"

enum {
    BLOCK = STORAGE_ALIGNMENT,
    PIECE = LOG_FINDER_PIECE_BYTES,
    /* Every fourth step halves a range of 2^18 blocks at most; twice that for pieces that are
     * narrowed by damage. */
    FIND_STEPS_MAX = 160,
    /* From how many bytes of a segment on its density says something about the next one. */
    DENSITY_BYTES_MIN = 256 * 1024,
};

/* A part of a segment in memory. */
struct piece {
    uint64_t segment; /* 0: nothing */
    uint64_t offset;
    uint32_t length;
    uint64_t durable_lsn; /* when it was read */
    uint64_t used;        /* when it was wanted last */
};

/* Where a frame with records begins. */
struct point {
    uint64_t lsn; /* its first */
    uint64_t segment;
    uint64_t offset;
};

struct log_finder {
    struct log_reader *reader; /* knows segments, and has one open */
    struct piece pieces[LOG_FINDER_PIECES];
    uint8_t *memory; /* of the pieces */
    struct point points[LOG_FINDER_POINTS];
    uint32_t point_count;
    /* the segment that was found last, and the greatest LSN that is known to be in it */
    uint64_t last_segment;
    uint64_t last_lsn;
    /* the newest segment with something durable, and what was durable when it was that */
    uint64_t newest_segment;
    uint64_t newest_lsn;
    uint64_t clock;
    uint64_t keep_from;
    uint64_t reads;
    /* bytes and LSNs of a part of the log, to guess in a segment whose end is not known */
    uint64_t density_bytes;
    uint64_t density_lsns;
    /* of a segment that is being filled: what is durable up to that LSN begins before this place */
    uint64_t end_segment;
    uint64_t end_lsn;
    uint64_t end_place;
};

/* --- points ---------------------------------------------------------------------------------- */

/* The first one behind `lsn`. */
static uint32_t points_behind(const struct log_finder *finder, uint64_t lsn)
{
    uint32_t low = 0;
    uint32_t high = finder->point_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (finder->points[middle].lsn <= lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void points_thin_out(struct log_finder *finder)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < finder->point_count; i += 2)
        finder->points[kept++] = finder->points[i];
    finder->point_count = kept;
}

static void points_add(struct log_finder *finder, const struct frame_header *frame)
{
    if (finder->point_count == LOG_FINDER_POINTS)
        points_thin_out(finder);
    uint32_t place = points_behind(finder, frame->first_lsn);
    if (place > 0 && finder->points[place - 1].lsn == frame->first_lsn)
        return;
    memmove(&finder->points[place + 1], &finder->points[place],
            (finder->point_count - place) * sizeof(finder->points[0]));
    finder->points[place] =
        (struct point){.lsn = frame->first_lsn, .segment = frame->segment, .offset = frame->offset};
    finder->point_count++;
}

/* --- segments -------------------------------------------------------------------------------- */

/* The segment of an LSN as far as what is known tells; 0: it does not. */
static uint64_t known_segment(const struct log_finder *finder, uint64_t lsn)
{
    const struct log_reader *reader = finder->reader;
    uint64_t last_first = log_reader_known_first_lsn(reader, finder->last_segment);
    if (last_first > 0 && last_first <= lsn && lsn <= finder->last_lsn)
        return finder->last_segment;
    uint64_t newest_first = log_reader_known_first_lsn(reader, finder->newest_segment);
    if (newest_first > 0 && newest_first <= lsn && lsn <= finder->newest_lsn)
        return finder->newest_segment;
    uint32_t place = points_behind(finder, lsn);
    if (place < finder->point_count) {
        uint64_t segment = finder->points[place].segment;
        uint64_t first = log_reader_known_first_lsn(reader, segment);
        if (first > 0 && first <= lsn)
            return segment;
        uint64_t before = segment > 1 ? log_reader_known_first_lsn(reader, segment - 1) : 0;
        if (first > lsn && before > 0 && before <= lsn)
            return segment - 1;
    }
    if (place == 0)
        return 0;
    uint64_t segment = finder->points[place - 1].segment;
    uint64_t next = log_reader_known_first_lsn(reader, segment + 1);
    if (next > lsn || (place < finder->point_count && finder->points[place].segment == segment))
        return segment;
    return 0;
}

/* Opens the segment of an LSN. */
static int open_segment_of(struct log_finder *finder, uint64_t lsn, uint64_t durable_lsn,
                           struct log_fault *fault)
{
    struct log_reader *reader = finder->reader;
    uint64_t segment = known_segment(finder, lsn);
    int error = -ENOENT;
    if (segment > 0)
        error = log_reader_open_segment(reader, segment, fault);
    if (error == -ENOENT) {
        error = log_reader_seek_segment(reader, lsn, durable_lsn, fault);
        /* the next one was looked at: nothing durable stands in it */
        if (error == 0 && log_reader_known_first_lsn(reader, reader->segment + 1) == 0) {
            finder->newest_segment = reader->segment;
            finder->newest_lsn = durable_lsn;
        }
    }
    if (error == 0 && reader->segment < finder->keep_from)
        error = -ENODATA;
    if (error == 0 && (reader->segment != finder->last_segment || lsn > finder->last_lsn)) {
        finder->last_segment = reader->segment;
        finder->last_lsn = lsn;
    }
    return error;
}

/* --- pieces ---------------------------------------------------------------------------------- */

static const uint8_t *piece_bytes(const struct log_finder *finder, const struct piece *piece)
{
    return finder->memory + (size_t)(piece - finder->pieces) * PIECE;
}

/* The one to use for the piece at `offset` of the open segment: that which has it, an older state
 * of it, or the one that was not wanted for the longest time. */
static struct piece *piece_choose(struct log_finder *finder, uint64_t offset)
{
    struct piece *oldest = &finder->pieces[0];
    for (uint32_t i = 0; i < LOG_FINDER_PIECES; i++) {
        struct piece *piece = &finder->pieces[i];
        if (piece->segment == finder->reader->segment && piece->offset == offset)
            return piece;
        if (piece->used < oldest->used)
            oldest = piece;
    }
    oldest->segment = 0;
    return oldest;
}

/* The piece of the open segment with this offset, read when `lsn` was durable. 0 or -errno. */
static int piece_get(struct log_finder *finder, uint64_t place, uint64_t lsn, uint64_t durable_lsn,
                     const struct piece **got)
{
    const struct log_reader *reader = finder->reader;
    uint64_t offset = place / PIECE * PIECE;
    struct piece *piece = piece_choose(finder, offset);
    piece->used = ++finder->clock;
    *got = piece;
    if (piece->segment != 0 && piece->durable_lsn >= lsn)
        return 0;
    uint64_t rest = reader->meta.segment_bytes - offset;
    uint32_t length = rest < PIECE ? (uint32_t)rest : PIECE;
    piece->segment = 0;
    finder->reads++;
    int error = reader->storage->operations->read(
        reader->file, finder->memory + (size_t)(piece - finder->pieces) * PIECE, length, offset);
    if (error != 0)
        return error;
    *piece = (struct piece){.segment = reader->segment,
                            .offset = offset,
                            .length = length,
                            .durable_lsn = durable_lsn,
                            .used = finder->clock};
    return 0;
}

/* --- the search ------------------------------------------------------------------------------ */

/* The wanted frame begins in the blocks from `low` on and before `high`. */
struct range {
    uint64_t low;
    uint64_t high;
    uint64_t low_lsn;
    uint64_t high_lsn;
    bool high_is_known; /* high_lsn stands at `high`; else anywhere before it */
    uint64_t sound_end; /* of the last frame before, for the operator */
};

static void range_begin(const struct log_finder *finder, uint64_t lsn, uint64_t durable_lsn,
                        struct range *range)
{
    const struct log_reader *reader = finder->reader;
    uint64_t first = log_reader_known_first_lsn(reader, reader->segment);
    uint64_t next = log_reader_known_first_lsn(reader, reader->segment + 1);
    *range = (struct range){
        .low = SEGMENT_HEADER_BYTES,
        .high = reader->meta.segment_bytes,
        .low_lsn = first > 0 ? first : lsn,
        .high_lsn = next > 0 ? next : durable_lsn + 1,
        .high_is_known = next > 0,
    };
    uint32_t place = points_behind(finder, lsn);
    const struct point *points = finder->points;
    if (place > 0 && points[place - 1].segment == reader->segment) {
        range->low = points[place - 1].offset;
        range->low_lsn = points[place - 1].lsn;
    }
    range->sound_end = range->low;
    if (place < finder->point_count && points[place].segment == reader->segment) {
        range->high = points[place].offset;
        range->high_lsn = points[place].lsn;
        range->high_is_known = true;
    } else if (finder->end_segment == reader->segment && lsn <= finder->end_lsn) {
        range->high = finder->end_place;
        range->high_lsn = finder->end_lsn + 1;
        range->high_is_known = true;
    }
}

/* Fits into 64 bits: a segment has at most 2^30 bytes, and fewer records. */
static uint64_t range_guess(const struct log_finder *finder, const struct range *range,
                            uint64_t lsn, unsigned step)
{
    uint64_t place = range->low + (range->high - range->low) / 2;
    bool between = lsn >= range->low_lsn && lsn < range->high_lsn;
    if (step % 4 == 3 || !between)
        return place / BLOCK * BLOCK;
    if (range->high_is_known)
        place = range->low + (range->high - range->low) * (lsn - range->low_lsn) /
                                 (range->high_lsn - range->low_lsn);
    else if (step % 2 == 0 && finder->density_lsns > 0)
        place = range->low + (lsn - range->low_lsn) * finder->density_bytes / finder->density_lsns;
    if (place >= range->high)
        place = range->high - 1;
    return place / BLOCK * BLOCK;
}

static void range_cut_above(struct range *range, uint64_t high, uint64_t high_lsn)
{
    range->high = high;
    range->high_lsn = high_lsn;
    range->high_is_known = true;
}

/* What a segment says up to `place`, where `lsn` begins, about how long the records are. */
static void note_density(struct log_finder *finder, uint64_t place, uint64_t lsn)
{
    uint64_t first = log_reader_known_first_lsn(finder->reader, finder->reader->segment);
    if (first == 0 || lsn <= first || place < DENSITY_BYTES_MIN)
        return;
    finder->density_bytes = place - SEGMENT_HEADER_BYTES;
    finder->density_lsns = lsn - first;
}

static bool frame_holds(const struct frame_header *frame, uint64_t lsn)
{
    return frame->kind == FRAME_RECORDS && frame->first_lsn <= lsn && lsn <= frame->last_lsn;
}

enum look { LOOK_FOUND, LOOK_NARROWED, LOOK_NOTHING };

/* Zeros up to the end of a piece: sealed sectors never are, so nothing was written behind. */
static uint64_t written_end(const uint8_t *bytes, uint64_t from, uint64_t to)
{
    while (to > from && bytes_are_zero(bytes + (to - from) - BLOCK, BLOCK))
        to -= BLOCK;
    return to;
}

/* The segment ends in this piece, as far as was durable when it was read. */
static void note_end(struct log_finder *finder, const struct piece *piece, struct range *range)
{
    range->high_is_known = true;
    range->high_lsn = piece->durable_lsn + 1;
    finder->end_segment = piece->segment;
    finder->end_lsn = piece->durable_lsn;
    finder->end_place = range->high;
}

/* Looks at the frames of a piece that begin in the blocks from `from` to before `to`. */
static enum look look_at(struct log_finder *finder, const struct piece *piece, uint64_t from,
                         uint64_t to, struct range *range, uint64_t lsn, struct frame_header *frame)
{
    const struct log_reader *reader = finder->reader;
    const uint8_t *bytes = piece_bytes(finder, piece) + (from - piece->offset);
    bool any = false;
    for (uint64_t offset = from; offset < to;) {
        struct frame_header found;
        if (frame_header_decode(bytes + (offset - from), reader->salt, offset, &found) != 0 ||
            found.segment != reader->segment || found.log_id_low != reader->log_id_low) {
            offset += BLOCK;
            continue;
        }
        if (found.first_lsn > lsn) {
            range_cut_above(range, any ? offset : from, found.first_lsn);
            return LOOK_NARROWED;
        }
        bool holds = frame_holds(&found, lsn);
        if (found.kind == FRAME_RECORDS && (holds || !any))
            points_add(finder, &found);
        any = true;
        if (holds) {
            *frame = found;
            return LOOK_FOUND;
        }
        offset += found.length;
        range->low = offset;
        range->low_lsn = found.last_lsn + 1;
        range->sound_end = offset;
    }
    uint64_t end = written_end(bytes, from, to);
    if (end < to) {
        range->high = range->low > end ? range->low : end;
        if (any)
            note_end(finder, piece, range);
    }
    if (any)
        note_density(finder, range->low, range->low_lsn);
    return any || end < to ? LOOK_NARROWED : LOOK_NOTHING;
}

/* Looks at the piece with `place`, and if no frame begins in it, at those before. Narrows the
 * range, or finds the frame. */
static int probe(struct log_finder *finder, uint64_t place, uint64_t durable_lsn, uint64_t lsn,
                 struct range *range, struct frame_header *frame, bool *found)
{
    uint64_t vain_end = 0; /* from the piece's start up to here no frame begins */
    *found = false;
    for (;;) {
        const struct piece *piece;
        int error = piece_get(finder, place, lsn, durable_lsn, &piece);
        if (error != 0)
            return error;
        uint64_t from = piece->offset > range->low ? piece->offset : range->low;
        uint64_t to = piece->offset + piece->length;
        if (to > range->high)
            to = range->high;
        enum look look = look_at(finder, piece, from, to, range, lsn, frame);
        *found = look == LOOK_FOUND;
        if (look != LOOK_NOTHING)
            return 0;
        if (vain_end == 0)
            vain_end = to;
        if (from == range->low) {
            range->low = vain_end; /* damage; what is behind it may be whole */
            return 0;
        }
        place = from - BLOCK;
    }
}

/* --- the contract ---------------------------------------------------------------------------- */

int log_finder_find(struct log_finder *finder, uint64_t lsn, uint64_t durable_lsn,
                    struct frame_header *frame, struct log_fault *fault)
{
    assert(lsn > 0 && lsn <= durable_lsn);
    *fault = (struct log_fault){.lsn = lsn};
    int error = open_segment_of(finder, lsn, durable_lsn, fault);
    if (error != 0)
        return error;
    struct range range;
    struct frame_header found_frame = {0};
    range_begin(finder, lsn, durable_lsn, &range);
    for (unsigned step = 0; range.low < range.high; step++) {
        assert(step < FIND_STEPS_MAX);
        bool found;
        error = probe(finder, range_guess(finder, &range, lsn, step), durable_lsn, lsn, &range,
                      &found_frame, &found);
        if (error != 0)
            return error;
        if (found) {
            *frame = found_frame;
            return 0;
        }
    }
    return log_reader_refuse(fault, finder->reader->segment, range.sound_end, lsn,
                             "no frame with LSN %" PRIu64 ", which is durable", lsn);
}

int log_finder_payload(struct log_finder *finder, const struct frame_header *frame,
                       uint32_t position, uint64_t durable_lsn, uint8_t *bytes, uint32_t capacity,
                       uint32_t *copied, struct log_fault *fault)
{
    assert(position < frame->payload_length && capacity > 0);
    struct log_reader *reader = finder->reader;
    struct sector_key key = {.salt = 0, .epoch = frame->epoch};
    *fault = (struct log_fault){.lsn = frame->first_lsn};
    int error = frame->segment < finder->keep_from
                    ? -ENODATA
                    : log_reader_open_segment(reader, frame->segment, fault);
    if (error != 0)
        return error == -ENOENT ? -ENODATA : error;
    key.salt = reader->salt;
    uint32_t data = FRAME_HEADER_BYTES + position; /* in the data of all sectors of the frame */
    uint64_t place = frame->offset + (uint64_t)data / SECTOR_DATA_BYTES * STORAGE_SECTOR_BYTES;
    const struct piece *piece;
    error = piece_get(finder, place, frame->last_lsn, durable_lsn, &piece);
    if (error != 0)
        return error;
    uint32_t rest = frame->payload_length - position;
    uint32_t wanted = rest < capacity ? rest : capacity;
    uint32_t done = 0;
    for (; done < wanted && place < piece->offset + piece->length; place += STORAGE_SECTOR_BYTES) {
        const uint8_t *sector = piece_bytes(finder, piece) + (place - piece->offset);
        if (!sector_is_right(sector, key, place))
            return log_reader_refuse(fault, frame->segment, place, frame->first_lsn,
                                     "a damaged sector in the frame at %" PRIu64, frame->offset);
        uint32_t start = (data + done) % SECTOR_DATA_BYTES;
        uint32_t part = SECTOR_DATA_BYTES - start;
        if (part > wanted - done)
            part = wanted - done;
        memcpy(bytes + done, sector + start, part);
        done += part;
    }
    *copied = done;
    return 0;
}

void log_finder_keep_from(struct log_finder *finder, uint64_t segment)
{
    finder->keep_from = segment;
}

uint64_t log_finder_reads(const struct log_finder *finder)
{
    return finder->reads + finder->reader->peeks;
}

int log_finder_open(struct storage *storage, const struct meta *meta, struct log_finder **opened)
{
    struct log_finder *finder = calloc(1, sizeof(*finder));
    if (finder == NULL)
        return -ENOMEM;
    finder->memory = aligned_alloc(STORAGE_ALIGNMENT, (size_t)LOG_FINDER_PIECES * PIECE);
    int error = finder->memory == NULL ? -ENOMEM : log_reader_open(storage, meta, &finder->reader);
    if (error != 0) {
        free(finder->memory);
        free(finder);
        return error;
    }
    *opened = finder;
    return 0;
}

void log_finder_close(struct log_finder *finder)
{
    log_reader_close(finder->reader);
    free(finder->memory);
    free(finder);
}
