/* log_copy.c - walks the frames of the kept segments and gives them out as they stand.
 *
 *     segment f                     segment k
 *     [header][frame]...[zeros]     [header][frame]...[frame <= durable] zeros zeros zeros
 *                                                     what stands there is not looked at ^
 *
 * A window of the segment is read at once; whole frames in it that follow each other are one piece.
 * A frame up to durable_lsn was complete before the copy began, so a window never has to be read
 * again.
 *
 * Guarantees: only verified frames come out. It must not know what a record means.
 */
#include "log_copy.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "frame.h"
#include "segment.h"
#include "segment_list.h"

enum {
    /* One read; holds every frame. */
    WINDOW_BYTES = 2 * FRAME_BYTES_MAX,
};

struct log_copy {
    /* set at open, then read-only */
    struct storage *storage;
    struct meta meta;
    uint64_t durable_lsn;

    /* the segment that is being given out */
    struct storage_file *file; /* NULL: none */
    uint64_t segment;
    uint64_t offset; /* of the next piece; segment_bytes: the next segment is due */
    uint64_t salt;
    uint32_t header_epoch; /* that its header block says */
    bool zeros;            /* its frames have ended */
    uint64_t frames_end;   /* where */

    /* what the next frame follows */
    uint64_t next_lsn; /* 0: anything, at the first segment */
    uint64_t chain;
    uint32_t epoch;

    uint8_t *window; /* WINDOW_BYTES, of the segment from window_offset on */
    uint64_t window_offset;
    size_t window_length;
};

static int fail(const struct log_copy *copy, uint64_t segment, uint64_t offset, const char *reason,
                struct log_fault *fault)
{
    *fault = (struct log_fault){.offset = offset, .lsn = copy->next_lsn};
    segment_name(segment, fault->file);
    snprintf(fault->reason, sizeof(fault->reason), "%s", reason);
    return -EBADMSG;
}

/* Opens a segment and reads its header block into `block`. 0; -ENODATA: not there, or a spare;
 * -EBADMSG and *reason; -errno. */
static int open_segment(struct storage *storage, const struct meta *meta, uint64_t number,
                        uint8_t *block, struct storage_file **file, struct segment_header *header,
                        const char **reason)
{
    const struct storage_operations *operations = storage->operations;
    char name[STORAGE_NAME_MAX];
    uint64_t size = 0;
    segment_name(number, name);
    int error = operations->open(storage, name, STORAGE_READ_ONLY, file);
    if (error != 0)
        return error == -ENOENT ? -ENODATA : error;
    *reason = NULL;
    error = operations->size(*file, &size);
    if (error == 0 && size != meta->segment_bytes)
        *reason = "the file has another size than the segments of this log";
    if (error == 0 && *reason == NULL)
        error = operations->read(*file, block, SEGMENT_HEADER_BYTES, 0);
    if (error == 0 && *reason == NULL) {
        if (segment_header_decode(block, header) != 0)
            *reason = "the header block of the segment is damaged or of another version";
        else if (memcmp(header->log_id, meta->log_id, META_LOG_ID_BYTES) != 0)
            *reason = "the segment belongs to another log";
        else if (header->number != number)
            *reason = "the file holds another segment than its name says";
        else if (header->segment_bytes != meta->segment_bytes)
            *reason = "the segment says another size than this log has";
    }
    if (error == 0 && *reason != NULL)
        error = -EBADMSG;
    if (error == 0 && header->state == SEGMENT_SPARE)
        error = -ENODATA;
    if (error != 0)
        operations->close(*file);
    return error;
}

/* Reads the window from `offset` of the segment on. 0 or -errno. */
static int fill_window(struct log_copy *copy, uint64_t offset)
{
    uint64_t rest = copy->meta.segment_bytes - offset;
    size_t length = rest < WINDOW_BYTES ? (size_t)rest : WINDOW_BYTES;
    int error = copy->storage->operations->read(copy->file, copy->window, length, offset);
    if (error != 0)
        return error;
    copy->window_offset = offset;
    copy->window_length = length;
    return 0;
}

/* Whether the frame follows the one before (rule 5 of frame.c). */
static bool frame_follows(const struct log_copy *copy, const struct frame_header *frame)
{
    uint32_t epoch = frame->offset == SEGMENT_HEADER_BYTES
                         ? copy->header_epoch
                         : copy->epoch + (frame->kind == FRAME_RECOVERY);
    return frame->log_id_low == frame_log_id_low(copy->meta.log_id) &&
           frame->segment == copy->segment && frame->first_lsn == copy->next_lsn &&
           frame->chain == copy->chain && frame->epoch == epoch;
}

enum found { FOUND_FRAME, FOUND_NOTHING, FOUND_BEYOND_WINDOW };

static bool window_holds(const struct log_copy *copy, uint64_t offset, uint64_t length)
{
    return offset >= copy->window_offset &&
           offset + length <= copy->window_offset + copy->window_length;
}

/* What stands at `offset` of the segment: a whole frame that is one of those to be copied? */
static enum found judge_window(const struct log_copy *copy, uint64_t offset,
                               struct frame_header *frame)
{
    if (offset == copy->meta.segment_bytes)
        return FOUND_NOTHING;
    if (!window_holds(copy, offset, FRAME_BYTES_MIN))
        return FOUND_BEYOND_WINDOW;
    const uint8_t *bytes = copy->window + (offset - copy->window_offset);
    if (frame_header_decode(bytes, copy->salt, offset, frame) != 0 || !frame_follows(copy, frame) ||
        frame->last_lsn > copy->durable_lsn || frame->length > copy->meta.segment_bytes - offset)
        return FOUND_NOTHING;
    if (!window_holds(copy, offset, frame->length))
        return FOUND_BEYOND_WINDOW;
    return frame_body_is_right(bytes, frame, copy->salt) ? FOUND_FRAME : FOUND_NOTHING;
}

static bool header_follows(const struct log_copy *copy, const struct segment_header *header)
{
    return header->first_lsn == copy->next_lsn && header->chain == copy->chain &&
           (header->epoch == copy->epoch || header->epoch == copy->epoch + 1);
}

static void take_frame(struct log_copy *copy, const struct frame_header *frame)
{
    copy->next_lsn = frame->last_lsn + 1;
    copy->chain = frame->checksum;
    copy->epoch = frame->epoch;
}

/* Frames from the offset on that stand in one window, as one piece; none: the zeros begin. */
static int give_frames(struct log_copy *copy, struct log_piece *piece)
{
    struct frame_header frame;
    uint64_t end = copy->offset;
    enum found found = judge_window(copy, end, &frame);
    if (found == FOUND_BEYOND_WINDOW) {
        int error = fill_window(copy, end);
        if (error != 0)
            return error;
        found = judge_window(copy, end, &frame);
    }
    while (found == FOUND_FRAME) {
        take_frame(copy, &frame);
        end += frame.length;
        found = judge_window(copy, end, &frame);
    }
    copy->zeros = found == FOUND_NOTHING;
    *piece = (struct log_piece){
        .segment = copy->segment,
        .offset = copy->offset,
        .bytes = copy->window + (copy->offset - copy->window_offset),
        .length = (size_t)(end - copy->offset),
    };
    copy->offset = end;
    copy->frames_end = end;
    return 0;
}

static void give_zeros(struct log_copy *copy, struct log_piece *piece)
{
    uint64_t rest = copy->meta.segment_bytes - copy->offset;
    size_t length = rest < WINDOW_BYTES ? (size_t)rest : WINDOW_BYTES;
    if (copy->window_length != 0)
        memset(copy->window, 0, WINDOW_BYTES);
    copy->window_length = 0;
    *piece = (struct log_piece){
        .segment = copy->segment,
        .offset = copy->offset,
        .bytes = copy->window,
        .length = length,
    };
    copy->offset += length;
}

static bool is_complete(const struct log_copy *copy)
{
    return copy->next_lsn == copy->durable_lsn + 1;
}

/* Segment `number` is not the next one, for this reason: the end, or damage. */
static int refuse_segment(const struct log_copy *copy, uint64_t number, const char *reason,
                          struct log_fault *fault)
{
    bool first = copy->next_lsn == 0;
    return !first && is_complete(copy) ? -ENODATA : fail(copy, number, 0, reason, fault);
}

/* Begins segment `number`, whose header block is the first piece. -ENODATA: the log has ended. */
static int begin_segment(struct log_copy *copy, uint64_t number, struct log_piece *piece,
                         struct log_fault *fault)
{
    struct segment_header header;
    struct storage_file *file;
    struct frame_header frame;
    const char *reason = NULL;
    bool first = copy->next_lsn == 0;
    int error =
        open_segment(copy->storage, &copy->meta, number, copy->window, &file, &header, &reason);
    if (error == -ENODATA || error == -EBADMSG)
        return refuse_segment(copy, number, error == -EBADMSG ? reason : "the segment is missing",
                              fault);
    if (error != 0)
        return error;
    copy->file = file;
    /* the window holds the header block and what stands behind it */
    error = fill_window(copy, 0);
    if (error != 0)
        return error;
    if (first) {
        copy->next_lsn = number == 1 ? 1 : header.first_lsn;
        copy->chain = number == 1 ? segment_chain_origin(copy->meta.log_id) : header.chain;
        copy->epoch = header.epoch;
    }
    bool gap = header.first_lsn > copy->next_lsn || header.chain != copy->chain;
    if (gap && !first && !is_complete(copy))
        return fail(copy, copy->segment, copy->frames_end,
                    "no whole frame stands here, but the next segment goes on", fault);
    copy->segment = number;
    copy->salt = segment_salt(copy->meta.log_id, number);
    copy->header_epoch = header.epoch;
    if (!header_follows(copy, &header) ||
        judge_window(copy, SEGMENT_HEADER_BYTES, &frame) != FOUND_FRAME)
        return is_complete(copy) && !first
                   ? -ENODATA
                   : fail(copy, number, 0, "the segment does not follow the one before", fault);
    *piece = (struct log_piece){
        .segment = number,
        .bytes = copy->window,
        .length = SEGMENT_HEADER_BYTES,
    };
    copy->offset = SEGMENT_HEADER_BYTES;
    copy->zeros = false;
    return 0;
}

int log_copy_next(struct log_copy *copy, struct log_piece *piece, struct log_fault *fault)
{
    if (copy->file != NULL && copy->offset < copy->meta.segment_bytes) {
        if (!copy->zeros) {
            int error = give_frames(copy, piece);
            if (error != 0 || piece->length > 0)
                return error;
        }
        give_zeros(copy, piece);
        return 0;
    }
    uint64_t number = copy->segment;
    if (copy->file != NULL) {
        number++;
        copy->storage->operations->close(copy->file);
        copy->file = NULL;
    }
    copy->window_length = 0;
    return begin_segment(copy, number, piece, fault);
}

int log_copy_open(struct storage *storage, const struct meta *meta, uint64_t durable_lsn,
                  struct log_copy **copy)
{
    struct segment_list list;
    int error = segment_list_init(&list, storage);
    uint64_t first = error == 0 && list.segments.count > 0 ? list.segments.values[0] : 0;
    segment_list_deinit(&list);
    if (error != 0)
        return error == -ENOENT ? -ENODATA : error;
    if (first == 0)
        return -ENODATA;
    struct log_copy *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    *made = (struct log_copy){
        .storage = storage,
        .meta = *meta,
        .durable_lsn = durable_lsn,
        .segment = first,
        .window = aligned_alloc(STORAGE_ALIGNMENT, WINDOW_BYTES),
    };
    if (made->window == NULL) {
        free(made);
        return -ENOMEM;
    }
    *copy = made;
    return 0;
}

void log_copy_close(struct log_copy *copy)
{
    if (copy->file != NULL)
        copy->storage->operations->close(copy->file);
    free(copy->window);
    free(copy);
}

int log_copy_read_start(struct storage *storage, const struct meta *meta, uint64_t segment,
                        struct log_start *start)
{
    struct segment_header header;
    struct storage_file *file;
    struct frame_header frame;
    const char *reason;
    uint8_t *block = aligned_alloc(STORAGE_ALIGNMENT, STORAGE_ALIGNMENT);
    if (block == NULL)
        return -ENOMEM;
    int error = open_segment(storage, meta, segment, block, &file, &header, &reason);
    if (error == 0) {
        error = storage->operations->read(file, block, STORAGE_ALIGNMENT, SEGMENT_HEADER_BYTES);
        storage->operations->close(file);
    }
    if (error == 0 && frame_header_decode(block, segment_salt(meta->log_id, segment),
                                          SEGMENT_HEADER_BYTES, &frame) != 0)
        error = -EBADMSG;
    free(block);
    if (error != 0)
        return error;
    *start = (struct log_start){
        .segment = segment,
        .first_lsn = header.first_lsn,
        .chain = header.chain,
        .epoch = header.epoch - (frame.kind == FRAME_RECOVERY),
    };
    return 0;
}
