/* log_seek.c - finds the frame that holds an LSN: by binary search, first for its segment, then in
 * it.
 *
 *     first kept ... last                        first LSNs never fall from segment to segment:
 *     [10..][31..][31..][58..][spare][spare]     the last one with first LSN <= the wanted holds it
 *
 *     blocks of the segment:   [F ][  ][G ][H ][  ][  ][I ][00][00]
 *                                      ^ low             ^ high        low, high: block offsets
 *
 * Every frame begins at a block and says what it is and where; so the last beginning at or before
 * any block is found by looking back, in a whole log at most a frame's length. What is wanted
 * begins before `high`; what ends at `low` begins before the wanted LSN. Records are of like size,
 * so every second step goes where the LSN would be if they were of the same; the others halve the
 * distance.
 *
 * A segment whose header block is damaged is still placed by its first frame; the reading that
 * follows names the damage. First LSNs of segments with durable records never change while the log
 * lives, so they are kept: 8 bytes a segment.
 *
 * Guarantees: a file that retention removes meanwhile is never called damage. Must not know: what
 * comes after the frame that was found (log_reader.c).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "log_reader_internal.h"
#include "segment_list.h"

enum {
    BLOCK = STORAGE_ALIGNMENT,
    /* The header block and the header of the first frame. */
    PEEK_BYTES = SEGMENT_HEADER_BYTES + BLOCK,
    /* The first read while looking back for the beginning of a frame (most are shorter), and the
     * most that it grows to. */
    LOOK_BACK_BYTES = 4 * BLOCK,
    LOOK_BACK_BYTES_MAX = 64 * BLOCK,
    /* 2^18 blocks in the largest segment, halved by every second step, and one to end. */
    SEEK_STEPS_MAX = 40,
    /* Times that retention may remove a file between the listing and the look at it. */
    SEEK_LISTINGS_MAX = 8,
};

_Static_assert((int)SEGMENT_BYTES_MAX / (int)BLOCK <= 1 << (SEEK_STEPS_MAX / 2 - 2),
               "the steps reach every block");

/* --- segments -------------------------------------------------------------------------------- */

int log_reader_list(struct log_reader *reader)
{
    struct segment_list list;
    int error = segment_list_init(&list, reader->storage);
    if (error == 0 && list.segments.count == 0)
        error = -ENODATA;
    if (error == 0) {
        reader->first = list.segments.values[0];
        reader->last = list.segments.values[list.segments.count - 1];
    }
    segment_list_deinit(&list);
    return error;
}

/* The first LSN by the header block, or else by the first frame. -ENODATA: never written to. */
static int peek_decode(const struct log_reader *reader, uint64_t number, const uint8_t *bytes,
                       uint64_t *first_lsn)
{
    struct segment_header header;
    if (segment_header_decode(bytes, &header) == 0 && header.number == number &&
        memcmp(header.log_id, reader->meta.log_id, META_LOG_ID_BYTES) == 0) {
        *first_lsn = header.first_lsn;
        return header.state == SEGMENT_USED ? 0 : -ENODATA;
    }
    struct frame_header frame;
    uint64_t salt = segment_salt(reader->meta.log_id, number);
    if (frame_header_decode(bytes + SEGMENT_HEADER_BYTES, salt, SEGMENT_HEADER_BYTES, &frame) !=
            0 ||
        frame.segment != number || frame.log_id_low != reader->log_id_low)
        return -EBADMSG;
    *first_lsn = frame.first_lsn;
    return 0;
}

/* 0; -ENOENT; -ENODATA: never written to; -EBADMSG; -errno. Uses the window. */
static int segment_peek(struct log_reader *reader, uint64_t number, uint64_t *first_lsn)
{
    const struct storage_operations *operations = reader->storage->operations;
    char name[STORAGE_NAME_MAX];
    segment_name(number, name);
    struct storage_file *file;
    int error = operations->open(reader->storage, name, STORAGE_READ_ONLY, &file);
    if (error != 0)
        return error;
    uint64_t size;
    error = operations->size(file, &size);
    reader->window_length = 0;
    reader->peeks++;
    if (error == 0)
        error =
            size < PEEK_BYTES ? -EBADMSG : operations->read(file, reader->window, PEEK_BYTES, 0);
    operations->close(file);
    return error != 0 ? error : peek_decode(reader, number, reader->window, first_lsn);
}

uint64_t log_reader_known_first_lsn(const struct log_reader *reader, uint64_t number)
{
    if (number < reader->first_lsns_base ||
        number - reader->first_lsns_base >= reader->first_lsns_count)
        return 0;
    return reader->first_lsns[number - reader->first_lsns_base];
}

static uint64_t *known_first_lsn(struct log_reader *reader, uint64_t number)
{
    if (number < reader->first_lsns_base ||
        number - reader->first_lsns_base >= reader->first_lsns_count)
        return NULL;
    return &reader->first_lsns[number - reader->first_lsns_base];
}

/* Without memory nothing is remembered, and every seek looks again. */
static void remember_first_lsn(struct log_reader *reader, uint64_t number, uint64_t lsn)
{
    if (reader->first_lsns_count == 0)
        reader->first_lsns_base = reader->first;
    if (number < reader->first_lsns_base)
        return;
    if (known_first_lsn(reader, number) == NULL) {
        size_t count = (size_t)(number - reader->first_lsns_base + 1) * 2;
        uint64_t *grown = realloc(reader->first_lsns, count * sizeof(*grown));
        if (grown == NULL)
            return;
        memset(grown + reader->first_lsns_count, 0,
               (count - reader->first_lsns_count) * sizeof(*grown));
        reader->first_lsns = grown;
        reader->first_lsns_count = count;
    }
    *known_first_lsn(reader, number) = lsn;
}

/* For the search: a segment that was not written to, or cannot be read, begins behind everything.
 * 0, -ENOENT, -errno. */
static int segment_order(struct log_reader *reader, uint64_t number, uint64_t durable_lsn,
                         uint64_t *first_lsn)
{
    const uint64_t *known = known_first_lsn(reader, number);
    if (known != NULL && *known != 0) {
        *first_lsn = *known;
        return 0;
    }
    int error = segment_peek(reader, number, first_lsn);
    if (error == -ENODATA || error == -EBADMSG) {
        *first_lsn = UINT64_MAX;
        return 0;
    }
    if (error == 0 && *first_lsn <= durable_lsn)
        remember_first_lsn(reader, number, *first_lsn);
    return error;
}

/* The last segment that begins at or before `lsn`. 0; -ENODATA: all begin behind it; -ENOENT: a
 * file went away, list again; -errno. */
static int seek_segment(struct log_reader *reader, uint64_t lsn, uint64_t durable_lsn,
                        uint64_t *segment)
{
    uint64_t low = reader->first;
    uint64_t high = reader->last;
    uint64_t first_lsn;
    int error = segment_order(reader, low, durable_lsn, &first_lsn);
    if (error != 0)
        return error;
    if (first_lsn > lsn && first_lsn != UINT64_MAX)
        return -ENODATA;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        error = segment_order(reader, middle, durable_lsn, &first_lsn);
        if (error != 0)
            return error;
        if (first_lsn <= lsn)
            low = middle;
        else
            high = middle - 1;
    }
    /* Segments that were made since the listing: each is looked at once. */
    while (low == reader->last) {
        error = segment_order(reader, low + 1, durable_lsn, &first_lsn);
        if (error == -ENOENT)
            break;
        if (error != 0)
            return error;
        reader->last++;
        if (first_lsn <= lsn)
            low++;
    }
    *segment = low;
    return 0;
}

int log_reader_seek_segment(struct log_reader *reader, uint64_t lsn, uint64_t durable_lsn,
                            struct log_fault *fault)
{
    int error = reader->first == 0 ? log_reader_list(reader) : 0;
    for (unsigned listing = 0; error == 0; listing++) {
        uint64_t segment = reader->first;
        error = seek_segment(reader, lsn, durable_lsn, &segment);
        if (error == 0)
            error = log_reader_open_segment(reader, segment, fault);
        if (error != -ENOENT)
            break;
        if (listing == SEEK_LISTINGS_MAX)
            return log_reader_refuse(
                fault, segment, 0, lsn,
                "a file near this one is missing, but LSN %" PRIu64 " is durable", lsn);
        error = log_reader_list(reader);
    }
    return error;
}

/* --- blocks ---------------------------------------------------------------------------------- */

enum look {
    LOOK_FOUND,
    LOOK_NOTHING,   /* bytes, but no beginning of a frame in them: damage */
    LOOK_UNWRITTEN, /* a zero block: sealed sectors never are, so nothing was written behind it */
};

/* The last beginning of a frame in the blocks from `from` to `to`. */
static int look_back(struct log_reader *reader, uint64_t from, uint64_t to, enum look *look,
                     struct frame_header *frame)
{
    uint64_t end = to + BLOCK;
    uint64_t piece = LOOK_BACK_BYTES;
    *look = LOOK_NOTHING;
    reader->window_length = 0;
    while (end > from) {
        uint64_t length = end - from < piece ? end - from : piece;
        int error =
            reader->storage->operations->read(reader->file, reader->window, length, end - length);
        if (error != 0)
            return error;
        if (end > to && bytes_are_zero(reader->window + length - BLOCK, BLOCK)) {
            *look = LOOK_UNWRITTEN;
            return 0;
        }
        for (uint64_t i = length; i > 0; i -= BLOCK) {
            const uint8_t *block = reader->window + i - BLOCK;
            struct frame_header found;
            if (frame_header_decode(block, reader->salt, end - length + i - BLOCK, &found) != 0 ||
                found.segment != reader->segment || found.log_id_low != reader->log_id_low)
                continue;
            *frame = found;
            *look = LOOK_FOUND;
            return 0;
        }
        end -= length;
        piece = piece < LOOK_BACK_BYTES_MAX ? piece * 2 : LOOK_BACK_BYTES_MAX;
    }
    return 0;
}

/* Where the search stands: offsets of blocks, and LSNs that begin there, as far as is known. */
struct range {
    uint64_t low;
    uint64_t high;
    uint64_t low_lsn;
    uint64_t high_lsn;
};

/* The next block to look at, in [low, high). */
static uint64_t range_middle(const struct range *range, uint64_t lsn, unsigned step)
{
    uint64_t blocks = (range->high - range->low) / BLOCK;
    if (step % 2 != 0 || lsn < range->low_lsn || lsn >= range->high_lsn)
        return range->low + blocks / 2 * BLOCK;
    /* Fits: at most 2^18 blocks, and fewer than 2^30 records in a segment. */
    return range->low +
           blocks * (lsn - range->low_lsn) / (range->high_lsn - range->low_lsn) * BLOCK;
}

static bool frame_holds(const struct frame_header *frame, uint64_t lsn)
{
    return frame->kind == FRAME_RECORDS && frame->first_lsn <= lsn && lsn <= frame->last_lsn;
}

/* The frame of the open segment that holds `lsn`. 0; -EBADMSG: none does; -errno. */
static int seek_frame(struct log_reader *reader, uint64_t lsn, uint64_t durable_lsn,
                      struct frame_header *frame, struct log_fault *fault)
{
    const uint64_t *first = known_first_lsn(reader, reader->segment);
    const uint64_t *next = known_first_lsn(reader, reader->segment + 1);
    struct range range = {
        .low = SEGMENT_HEADER_BYTES,
        .high = reader->meta.segment_bytes,
        .low_lsn = first != NULL && *first != 0 ? *first : lsn,
        .high_lsn = next != NULL && *next != 0 ? *next : durable_lsn + 1,
    };
    uint64_t end = range.low; /* of the last frame before */
    for (unsigned step = 0; range.low < range.high; step++) {
        assert(step < SEEK_STEPS_MAX);
        enum look look;
        uint64_t middle = range_middle(&range, lsn, step);
        int error = look_back(reader, range.low, middle, &look, frame);
        if (error != 0)
            return error;
        if (look == LOOK_UNWRITTEN) {
            range.high = middle;
        } else if (look == LOOK_NOTHING) {
            range.low = middle + BLOCK; /* what is behind the damage may be whole */
        } else if (frame_holds(frame, lsn)) {
            return 0;
        } else if (frame->first_lsn > lsn) {
            range.high = frame->offset;
            range.high_lsn = frame->first_lsn;
        } else {
            end = frame->offset + frame->length;
            range.low = end;
            range.low_lsn = frame->last_lsn + 1;
        }
    }
    return log_reader_refuse(fault, reader->segment, end, lsn,
                             "no frame with LSN %" PRIu64 ", which is durable", lsn);
}

/* --- the contract ---------------------------------------------------------------------------- */

int log_reader_seek(struct log_reader *reader, uint64_t lsn, uint64_t durable_lsn,
                    struct log_fault *fault)
{
    assert(lsn > 0 && lsn <= durable_lsn);
    *fault = (struct log_fault){.lsn = lsn};
    reader->next_lsn = 0; /* no position, until one is found */
    int error = log_reader_seek_segment(reader, lsn, durable_lsn, fault);
    if (error != 0)
        return error;
    struct frame_header frame = {0};
    error = seek_frame(reader, lsn, durable_lsn, &frame, fault);
    if (error != 0)
        return error;
    reader->offset = frame.offset;
    reader->next_lsn = frame.first_lsn;
    reader->epoch = 0;
    reader->chain = 0;
    reader->window_length = 0;
    reader->read_ahead = frame.length; /* one record may be all that is wanted */
    return 0;
}

int log_reader_first_segment(struct log_reader *reader, uint64_t *segment)
{
    int error = log_reader_list(reader);
    if (error == 0)
        *segment = reader->first;
    return error;
}

int log_reader_segment_lsn(struct log_reader *reader, uint64_t segment, uint64_t *first_lsn)
{
    int error = segment_peek(reader, segment, first_lsn);
    return error == -ENOENT ? -ENODATA : error;
}

int log_reader_first_lsn(struct log_reader *reader, uint64_t *first_lsn)
{
    int error = -ENOENT;
    for (unsigned listing = 0; error == -ENOENT && listing < SEEK_LISTINGS_MAX; listing++) {
        error = log_reader_list(reader);
        if (error == 0)
            error = segment_peek(reader, reader->first, first_lsn);
    }
    if (error == -ENODATA && reader->first == 1) {
        *first_lsn = 1;
        return 0;
    }
    return error;
}
