/* verdict.c - torn or damaged: one pure function from bytes to verdict.
 *
 * What the writer guarantees (log.c):
 *
 *   - One write is in flight at a time. It is one frame, or the header block of a segment and its
 *     first frame. It starts where the frame before ended, or at offset 0 of the next segment.
 *   - A write starts only when the one before is durable.
 *   - What it writes to was zero, or the header block of a spare segment, and that was durable.
 *   - A power failure leaves each 512-byte sector of it old or new.
 *   - The first frame of a life is a recovery frame with the epoch raised by one. It is written
 *     when all before it is durable, and everything after it is zero and durable.
 *
 * So each sector from the position on is OLD (zero; in a header block: the spare's), NEW (sealed
 * for this place by the epoch of the last frame, or by the next one), or WRONG. From that, in
 * order:
 *
 *   1. A whole frame that follows the last one: FRAME.
 *   2. All sectors to the end of the segment are OLD: END. But if something says that a frame that
 *      should stand here is durable: DAMAGED.
 *   3. A later block holds a whole frame header of this log for its place: the write that should
 *      stand here was durable before that one began: DAMAGED.
 *   4. A later segment was written to, or the LSN is known to be durable: DAMAGED.
 *   5. Something stands beyond what can have been in flight: DAMAGED.
 *   6. A sector is WRONG: nothing tells when it went wrong: AMBIGUOUS.
 *   7. The header is NEW but does not follow the last frame: AMBIGUOUS. Something stands beyond the
 *      length that it says: DAMAGED.
 *   8. All sectors of the extent are NEW: the write was complete, but it is no valid frame:
 *      AMBIGUOUS.
 *   9. Else some are OLD and some NEW: TORN. A write that was torn was not acknowledged.
 *
 * Rule 9 wipes at most one write; a crash while wiping turns NEW sectors OLD, which is TORN or END
 * again.
 *
 * Guarantees: reads only the bytes it was given. Must not know: files, the running log.
 */
#include "verdict.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"

enum { BLOCK = STORAGE_ALIGNMENT, SECTOR = STORAGE_SECTOR_BYTES };

enum sector_class { SECTOR_OLD, SECTOR_NEW, SECTOR_WRONG };

/* The position and what follows from it. */
struct judge {
    const struct verdict_position *position;
    const uint8_t *bytes;
    uint64_t length; /* to the end of the segment */
    uint32_t lead;   /* bytes of the header block before the frame, or 0 */
    uint64_t salt;
    uint32_t epoch; /* of the sectors that count as NEW */
    uint8_t spare[SEGMENT_HEADER_BYTES];
};

__attribute__((format(printf, 4, 5))) static void verdict_refuse(struct verdict *verdict,
                                                                 enum verdict_kind kind,
                                                                 uint64_t offset,
                                                                 const char *format, ...)
{
    verdict->kind = kind;
    verdict->offset = offset;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(verdict->reason, sizeof(verdict->reason), format, arguments);
    va_end(arguments);
}

static bool judge_sector_is_old(const struct judge *judge, uint64_t i)
{
    if (i < judge->lead)
        return memcmp(judge->bytes + i, judge->spare + i, SECTOR) == 0;
    return bytes_are_zero(judge->bytes + i, SECTOR);
}

static bool judge_sector_is_of(const struct judge *judge, uint64_t i, uint32_t epoch)
{
    struct sector_key key = {.salt = judge->salt, .epoch = epoch};
    return epoch > 0 && sector_is_right(judge->bytes + i, key, judge->position->offset + i);
}

static enum sector_class judge_sector(const struct judge *judge, uint64_t i)
{
    if (judge_sector_is_old(judge, i))
        return SECTOR_OLD;
    return judge_sector_is_of(judge, i, judge->epoch) ? SECTOR_NEW : SECTOR_WRONG;
}

/* Rule 5 of frame.c. NULL, or what does not fit. */
static const char *judge_frame_misfit(const struct judge *judge, const struct frame_header *frame)
{
    const struct verdict_position *position = judge->position;
    if (frame->log_id_low != frame_log_id_low(position->meta->log_id))
        return "log id";
    if (frame->segment != position->segment)
        return "segment number";
    if (frame->length > judge->length - judge->lead)
        return "length";
    if (frame->first_lsn != position->first_lsn)
        return "first LSN";
    if (frame->epoch != position->epoch + (frame->kind == FRAME_RECOVERY))
        return "epoch";
    if (frame->chain != position->chain)
        return "chain value";
    return NULL;
}

/* The same for the header block of a used segment. `epoch`: of its first frame. */
static const char *judge_segment_misfit(const struct judge *judge,
                                        const struct segment_header *header, uint32_t epoch)
{
    const struct verdict_position *position = judge->position;
    if (header->state != SEGMENT_USED)
        return "state";
    if (header->first_lsn != position->first_lsn)
        return "first LSN";
    if (header->epoch != epoch)
        return "epoch";
    if (header->chain != position->chain)
        return "chain value of the segment before";
    return NULL;
}

/* Rule 1. */
static bool judge_whole_frame(struct judge *judge, struct verdict *verdict)
{
    if (judge->length < judge->lead + (uint64_t)FRAME_BYTES_MIN)
        return false;
    const uint8_t *start = judge->bytes + judge->lead;
    struct frame_header frame;
    if (frame_header_decode(start, judge->salt, judge->position->offset + judge->lead, &frame) != 0)
        return false;
    if (judge_frame_misfit(judge, &frame) != NULL ||
        !frame_body_is_right(start, &frame, judge->salt))
        return false;
    if (judge->lead > 0) {
        struct segment_header header;
        if (segment_header_decode(judge->bytes, &header) != 0 ||
            judge_segment_misfit(judge, &header, frame.epoch) != NULL)
            return false;
        for (uint32_t i = 0; i < judge->lead; i += SECTOR) {
            if (!judge_sector_is_of(judge, i, frame.epoch))
                return false;
        }
    }
    verdict->kind = VERDICT_FRAME;
    verdict->frame = frame;
    verdict->length = judge->lead + frame.length;
    return true;
}

/* A segment that says plainly that it is another one. */
static bool judge_is_foreign(const struct judge *judge, struct verdict *verdict)
{
    const struct verdict_position *position = judge->position;
    struct segment_header header;
    if (judge->lead == 0)
        return false;
    int error = segment_header_decode(judge->bytes, &header);
    if (error == -EPROTONOSUPPORT) {
        verdict_refuse(verdict, VERDICT_DAMAGED, 0, "segment of format version %u, expected %u",
                       bytes_get_u16(judge->bytes + 8), SEGMENT_FORMAT_VERSION);
        return true;
    }
    if (error != 0)
        return false;
    if (memcmp(header.log_id, position->meta->log_id, META_LOG_ID_BYTES) != 0)
        verdict_refuse(verdict, VERDICT_DAMAGED, 0, "the segment belongs to another log");
    else if (header.number != position->segment)
        verdict_refuse(verdict, VERDICT_DAMAGED, 0,
                       "the file holds segment %" PRIu64 ", expected %" PRIu64, header.number,
                       position->segment);
    else if (header.segment_bytes != position->meta->segment_bytes)
        verdict_refuse(verdict, VERDICT_DAMAGED, 0,
                       "the segment is of %" PRIu64 " bytes, expected %" PRIu64,
                       header.segment_bytes, position->meta->segment_bytes);
    else
        return false;
    return true;
}

/* Where the last sector that is not OLD ends; 0: all are. */
static uint64_t judge_written_end(const struct judge *judge)
{
    uint64_t end = 0;
    for (uint64_t block = 0; block < judge->length; block += BLOCK) {
        if (block >= judge->lead && bytes_are_zero(judge->bytes + block, BLOCK))
            continue;
        for (uint64_t i = block; i < block + BLOCK; i += SECTOR) {
            if (!judge_sector_is_old(judge, i))
                end = i + SECTOR;
        }
    }
    return end;
}

/* Rule 3. The epoch is the header's own: later lives may have written it. */
static bool judge_finds_later_frame(const struct judge *judge, uint64_t end,
                                    struct frame_header *later)
{
    const struct verdict_position *position = judge->position;
    for (uint64_t i = judge->lead + (uint64_t)BLOCK; i < end; i += BLOCK) {
        if (frame_header_decode(judge->bytes + i, judge->salt, position->offset + i, later) == 0 &&
            later->log_id_low == frame_log_id_low(position->meta->log_id) &&
            later->segment == position->segment)
            return true;
    }
    return false;
}

/* Rules 3 to 5: reasons that what stands here was durable. */
static bool judge_was_durable(struct judge *judge, uint64_t end, struct verdict *verdict)
{
    const struct verdict_position *position = judge->position;
    struct frame_header later;
    if (judge_finds_later_frame(judge, end, &later)) {
        verdict_refuse(verdict, VERDICT_DAMAGED, position->offset,
                       "no valid frame, but a later one of LSN %" PRIu64 " at offset %" PRIu64,
                       later.first_lsn, later.offset);
        return true;
    }
    if (position->later_in_use) {
        verdict_refuse(verdict, VERDICT_DAMAGED, position->offset,
                       "no valid frame, but later segments are in use");
        return true;
    }
    if (position->durable_lsn >= position->first_lsn) {
        verdict_refuse(verdict, VERDICT_DAMAGED, position->offset,
                       "no valid frame, but LSN %" PRIu64 " is known to be durable",
                       position->durable_lsn);
        return true;
    }
    bool is_recovery = judge->epoch == position->epoch + 1;
    uint64_t window = judge->lead + (is_recovery ? FRAME_BYTES_MIN : position->write_bytes_max);
    if (end > window) {
        verdict_refuse(verdict, VERDICT_DAMAGED, position->offset + end - SECTOR,
                       "bytes beyond the %" PRIu64 " that may have been in flight from %" PRIu64,
                       window, position->offset);
        return true;
    }
    return false;
}

/* Rule 7, when the sectors that hold the headers were written. Sets *extent when the length of the
 * write is known. */
static bool judge_headers_refuse(const struct judge *judge, uint64_t *extent,
                                 struct verdict *verdict)
{
    const struct verdict_position *position = judge->position;
    if (judge->lead > 0 && judge_sector(judge, 0) == SECTOR_NEW) {
        struct segment_header header;
        const char *misfit = segment_header_decode(judge->bytes, &header) != 0
                                 ? "content"
                                 : judge_segment_misfit(judge, &header, judge->epoch);
        if (misfit != NULL) {
            verdict_refuse(verdict, VERDICT_AMBIGUOUS, 0,
                           "segment header with an unexpected %s after LSN %" PRIu64, misfit,
                           position->first_lsn - 1);
            return true;
        }
    }
    if (judge->length <= judge->lead || judge_sector(judge, judge->lead) != SECTOR_NEW)
        return false;
    struct frame_header frame;
    uint64_t offset = position->offset + judge->lead;
    const char *misfit =
        frame_header_decode(judge->bytes + judge->lead, judge->salt, offset, &frame) != 0
            ? "content"
            : judge_frame_misfit(judge, &frame);
    if (misfit != NULL) {
        verdict_refuse(verdict, VERDICT_AMBIGUOUS, offset,
                       "frame header with an unexpected %s after LSN %" PRIu64, misfit,
                       position->first_lsn - 1);
        return true;
    }
    *extent = judge->lead + frame.length;
    return false;
}

static void judge_set_epoch(struct judge *judge, uint64_t end)
{
    uint32_t epoch = judge->position->epoch;
    judge->epoch = epoch;
    for (uint64_t i = 0; i < end; i += SECTOR) {
        if (judge_sector_is_old(judge, i))
            continue;
        if (!judge_sector_is_of(judge, i, epoch) && judge_sector_is_of(judge, i, epoch + 1))
            judge->epoch = epoch + 1;
        return;
    }
}

/* Rules 6 to 9. `end` > 0. */
static void judge_last_write(const struct judge *judge, uint64_t end, struct verdict *verdict)
{
    const struct verdict_position *position = judge->position;
    bool some_old = false;
    for (uint64_t i = 0; i < end; i += SECTOR) {
        enum sector_class class = judge_sector(judge, i);
        if (class == SECTOR_WRONG) {
            verdict_refuse(verdict, VERDICT_AMBIGUOUS, position->offset + i,
                           "sector is neither untouched nor a right one of epoch %" PRIu32
                           " or %" PRIu32,
                           position->epoch, position->epoch + 1);
            return;
        }
        some_old |= class == SECTOR_OLD;
    }
    /* At least the sector of the frame's header belongs to the write, whatever its length. */
    uint64_t extent = end > judge->lead ? end : judge->lead + (uint64_t)SECTOR;
    if (judge_headers_refuse(judge, &extent, verdict))
        return;
    if (end > extent) {
        verdict_refuse(verdict, VERDICT_DAMAGED, position->offset + extent,
                       "bytes beyond the frame of %" PRIu64 " that should be the last", extent);
        return;
    }
    if (!some_old && end == extent) {
        verdict_refuse(verdict, VERDICT_AMBIGUOUS, position->offset,
                       "all sectors of the last frame are there, but it is not valid");
        return;
    }
    verdict->kind = VERDICT_TORN;
    verdict->length = (uint32_t)bytes_round_up(end, BLOCK);
}

void verdict_judge(const struct verdict_position *position, const uint8_t *bytes,
                   struct verdict *verdict)
{
    const struct meta *meta = position->meta;
    assert(position->offset % BLOCK == 0 && position->offset <= meta->segment_bytes);
    assert(meta->segment_bytes % BLOCK == 0);
    struct judge judge = {
        .position = position,
        .bytes = bytes,
        .length = meta->segment_bytes - position->offset,
        .lead = position->offset == 0 ? SEGMENT_HEADER_BYTES : 0,
        .salt = segment_salt(meta->log_id, position->segment),
    };
    segment_spare_block(meta, position->segment, judge.spare);
    memset(verdict, 0, sizeof(*verdict));

    if (judge_whole_frame(&judge, verdict) || judge_is_foreign(&judge, verdict))
        return;
    uint64_t end = judge_written_end(&judge);
    if (end == 0) {
        verdict->kind = VERDICT_END;
        if (position->durable_lsn >= position->first_lsn && !position->later_in_use)
            verdict_refuse(verdict, VERDICT_DAMAGED, position->offset,
                           "the log ends, but LSN %" PRIu64 " is known to be durable",
                           position->durable_lsn);
        return;
    }
    judge_set_epoch(&judge, end);
    if (!judge_was_durable(&judge, end, verdict))
        judge_last_write(&judge, end, verdict);
}
