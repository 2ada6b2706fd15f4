/* log_reader.c - reads durable frames one after the other, while the log is written or offline.
 *
 *     segment   [header][frame][frame][frame][frame]....[frame][zeros]
 *                       :      |window.......offset.......|
 *
 * The window is refilled from the offset on, what it already has moved to its start. It may have
 * been read while frames at its end were written: a frame is looked at only in bytes that were read
 * when its records were known to be durable. A mark is looked at when a record behind it is, so it
 * was complete as well (one write at a time). For the same reason zeros in such bytes are the end
 * of a segment, and the next one must go on with the LSN that is missing.
 *
 * Guarantees: what is handed out was verified, and follows what was handed out before (chain, LSN,
 * epoch). Changes nothing. Must not know: what a record means; how a frame is found (log_seek.c).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "log_reader_internal.h"

/* --- opening --------------------------------------------------------------------------------- */

int log_reader_open(struct storage *storage, const struct meta *meta, struct log_reader **opened)
{
    struct log_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return -ENOMEM;
    *reader = (struct log_reader){
        .storage = storage,
        .meta = *meta,
        .log_id_low = frame_log_id_low(meta->log_id),
        .window = aligned_alloc(STORAGE_ALIGNMENT, LOG_READER_WINDOW_BYTES),
        .payload = malloc(FLORIN_GROUP_BYTES_MAX),
    };
    if (reader->window == NULL || reader->payload == NULL) {
        log_reader_close(reader);
        return -ENOMEM;
    }
    *opened = reader;
    return 0;
}

void log_reader_close(struct log_reader *reader)
{
    if (reader->file != NULL)
        reader->storage->operations->close(reader->file);
    free(reader->first_lsns);
    free(reader->payload);
    free(reader->window);
    free(reader);
}

int log_reader_refuse(struct log_fault *fault, uint64_t segment, uint64_t offset, uint64_t lsn,
                      const char *format, ...)
{
    segment_name(segment, fault->file);
    fault->offset = offset;
    fault->lsn = lsn;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof(fault->reason), format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

/* A fault at the position. */
static int refuse_here(const struct log_reader *reader, struct log_fault *fault, const char *what)
{
    return log_reader_refuse(fault, reader->segment, reader->offset, reader->next_lsn, "%s", what);
}

int log_reader_open_segment(struct log_reader *reader, uint64_t number, struct log_fault *fault)
{
    const struct storage_operations *operations = reader->storage->operations;
    if (reader->file != NULL && reader->segment == number)
        return 0;
    char name[STORAGE_NAME_MAX];
    segment_name(number, name);
    struct storage_file *file;
    int error = operations->open(reader->storage, name, STORAGE_READ_ONLY, &file);
    if (error != 0)
        return error;
    uint64_t size;
    error = operations->size(file, &size);
    if (error == 0 && size != reader->meta.segment_bytes)
        error = log_reader_refuse(fault, number, size, fault->lsn,
                                  "the file has %" PRIu64 " bytes, expected %" PRIu64, size,
                                  reader->meta.segment_bytes);
    if (error != 0) {
        operations->close(file);
        return error;
    }
    if (reader->file != NULL)
        operations->close(reader->file);
    reader->file = file;
    reader->segment = number;
    reader->salt = segment_salt(reader->meta.log_id, number);
    reader->window_length = 0;
    return 0;
}

/* --- the window ------------------------------------------------------------------------------ */

static const uint8_t *window_at_offset(const struct log_reader *reader)
{
    return reader->window + (reader->offset - reader->window_offset);
}

/* Has `need` bytes from the offset on in the window. */
static int window_fill(struct log_reader *reader, uint32_t need, uint64_t durable_lsn)
{
    uint64_t end = reader->window_offset + reader->window_length;
    bool inside = reader->offset >= reader->window_offset && reader->offset < end;
    uint64_t kept = inside ? end - reader->offset : 0;
    if (kept >= need)
        return 0;
    uint64_t rest = reader->meta.segment_bytes - reader->offset;
    uint64_t wanted = need > reader->read_ahead ? need : reader->read_ahead;
    if (wanted > rest)
        wanted = rest;
    assert(need <= wanted && wanted <= LOG_READER_WINDOW_BYTES);
    if (kept > 0)
        memmove(reader->window, window_at_offset(reader), kept);
    else
        reader->window_durable_lsn = durable_lsn;
    reader->window_offset = reader->offset;
    reader->window_length = 0;
    int error = reader->storage->operations->read(reader->file, reader->window + kept,
                                                  wanted - kept, reader->offset + kept);
    if (error != 0)
        return error;
    reader->window_length = wanted;
    reader->read_ahead = reader->read_ahead < LOG_READER_READ_BYTES / 2 ? reader->read_ahead * 2
                                                                        : LOG_READER_READ_BYTES;
    return 0;
}

/* --- from segment to segment ----------------------------------------------------------------- */

/* The position is at the end of its segment, and the log goes on. */
static int enter_next_segment(struct log_reader *reader, struct log_fault *fault)
{
    uint64_t number = reader->segment + 1;
    int error = log_reader_open_segment(reader, number, fault);
    if (error == -ENOENT) {
        error = log_reader_list(reader);
        if (error == -ENODATA || (error == 0 && number < reader->first))
            return -ENODATA;
        if (error == 0)
            error = log_reader_refuse(fault, number, 0, reader->next_lsn,
                                      "the file is missing, but LSN %" PRIu64 " is durable",
                                      reader->next_lsn);
    }
    if (error == 0)
        reader->offset = 0;
    return error;
}

/* NULL, or what is wrong with the header block at the start of the window. */
static const char *segment_misfit(const struct log_reader *reader)
{
    const uint8_t *block = reader->window;
    struct segment_header header;
    int error = segment_header_decode(block, &header);
    if (error == -EPROTONOSUPPORT)
        return "a segment of another format version";
    if (error != 0)
        return "no valid segment header";
    if (memcmp(header.log_id, reader->meta.log_id, META_LOG_ID_BYTES) != 0)
        return "the segment belongs to another log";
    if (header.number != reader->segment)
        return "the file holds another segment";
    if (header.state != SEGMENT_USED)
        return "the segment was never written to, but what it should hold is durable";
    struct sector_key key = {.salt = reader->salt, .epoch = header.epoch};
    for (uint32_t i = 0; i < SEGMENT_HEADER_BYTES; i += STORAGE_SECTOR_BYTES) {
        if (!sector_is_right(block + i, key, i))
            return "a damaged sector in the segment header";
    }
    if (header.segment_bytes != reader->meta.segment_bytes)
        return "the segment is of another size";
    if (header.first_lsn != reader->next_lsn)
        return "segment header with an unexpected first LSN";
    if (reader->epoch > 0 && header.chain != reader->chain)
        return "segment header with an unexpected chain value of the segment before";
    return NULL;
}

static int check_segment(struct log_reader *reader, uint64_t durable_lsn, struct log_fault *fault)
{
    int error = window_fill(reader, SEGMENT_HEADER_BYTES, durable_lsn);
    if (error != 0)
        return error;
    const char *misfit = segment_misfit(reader);
    if (misfit != NULL)
        return refuse_here(reader, fault, misfit);
    reader->offset = SEGMENT_HEADER_BYTES;
    return 0;
}

/* --- frames ---------------------------------------------------------------------------------- */

/* NULL, or what does not fit. */
static const char *frame_misfit(const struct log_reader *reader, const struct frame_header *frame)
{
    if (frame->log_id_low != reader->log_id_low)
        return "frame header with an unexpected log id";
    if (frame->segment != reader->segment)
        return "frame header with an unexpected segment number";
    if (frame->length > reader->meta.segment_bytes - reader->offset)
        return "frame header with an unexpected length";
    if (frame->first_lsn != reader->next_lsn)
        return "frame header with an unexpected first LSN";
    if (reader->epoch == 0)
        return NULL;
    if (frame->epoch != reader->epoch + (frame->kind == FRAME_RECOVERY))
        return "frame header with an unexpected epoch";
    if (frame->chain != reader->chain)
        return "frame header with an unexpected chain value";
    return NULL;
}

enum step { STEP_FRAME, STEP_SEGMENT_END };

/* What stands at the offset, in bytes that are not old. */
static int look_at_frame(struct log_reader *reader, uint64_t durable_lsn,
                         struct frame_header *frame, enum step *step, struct log_fault *fault)
{
    *step = STEP_SEGMENT_END;
    if (reader->offset == reader->meta.segment_bytes)
        return 0;
    int error = window_fill(reader, FRAME_BYTES_MIN, durable_lsn);
    if (error != 0)
        return error;
    const uint8_t *bytes = window_at_offset(reader);
    if (bytes_are_zero(bytes, FRAME_BYTES_MIN))
        return 0;
    error = frame_header_decode(bytes, reader->salt, reader->offset, frame);
    if (error != 0)
        return refuse_here(reader, fault,
                           error == -EPROTONOSUPPORT ? "a frame of another format version"
                                                     : "no valid frame header");
    const char *misfit = frame_misfit(reader, frame);
    if (misfit != NULL)
        return refuse_here(reader, fault, misfit);
    *step = STEP_FRAME;
    return 0;
}

/* The frame is whole and durable. */
static int take_frame(struct log_reader *reader, const struct frame_header *frame,
                      uint64_t durable_lsn, struct log_fault *fault)
{
    int error = window_fill(reader, frame->length, durable_lsn);
    if (error != 0)
        return error;
    const uint8_t *bytes = window_at_offset(reader);
    if (!frame_body_is_right(bytes, frame, reader->salt))
        return refuse_here(reader, fault, "the frame's header is valid, but not its content");
    if (frame->kind == FRAME_RECORDS)
        frame_payload_get(bytes, frame->payload_length, reader->payload);
    reader->offset += frame->length;
    reader->next_lsn = frame->last_lsn + 1;
    reader->chain = frame->checksum;
    reader->epoch = frame->epoch;
    return 0;
}

int log_reader_next(struct log_reader *reader, uint64_t durable_lsn, struct log_frame *frame,
                    struct log_fault *fault)
{
    assert(reader->next_lsn > 0); /* a seek comes first */
    *fault = (struct log_fault){.lsn = reader->next_lsn};
    for (;;) {
        /* Ends: every turn but one moves the position on, towards the durable LSN. */
        if (reader->next_lsn > durable_lsn)
            return -ENODATA;
        if (reader->next_lsn > reader->window_durable_lsn)
            reader->window_length = 0;
        int error = reader->offset == 0 ? check_segment(reader, durable_lsn, fault) : 0;
        struct frame_header header = {0};
        enum step step = STEP_FRAME;
        if (error == 0)
            error = look_at_frame(reader, durable_lsn, &header, &step, fault);
        if (error == 0 && step == STEP_SEGMENT_END) {
            error = enter_next_segment(reader, fault);
            if (error == 0)
                continue;
        }
        if (error != 0)
            return error;
        if (header.last_lsn > durable_lsn)
            return -ENODATA;
        if (header.last_lsn > reader->window_durable_lsn) {
            reader->window_length = 0; /* the turn that does not move: the refill is new enough */
            continue;
        }
        error = take_frame(reader, &header, durable_lsn, fault);
        if (error != 0)
            return error;
        if (header.kind == FRAME_RECORDS) {
            *frame = (struct log_frame){.header = header, .payload = reader->payload};
            return 0;
        }
    }
}
