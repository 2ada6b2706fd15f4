/* log_cut.c - ends a log before an LSN.
 *
 *     before   [k-1 ........][k  A B C D ...][k+1 ........][k+2 ....][spare]      C holds the LSN
 *     1. find C, from the start on, as recovery does (verdict.c); write nothing before it is found
 *     2. remove the files from the last one back to k+1; flush the directory
 *     3. write k again under its temporary name: A, B, of C the records that stay, zeros; flush;
 *        rename it over k; flush the directory
 *     4. open the log, which writes a recovery frame; close it in order
 *     after    [k-1 ........][k  A B c recovery clean 0000][spare][spare]
 *
 * Interrupted in 2 or before the rename in 3, the frame C is still there: the same cut finds it
 * again. After the rename the log ends at the LSN: the same cut has nothing to drop. A cut at the
 * start of a segment makes it a spare. A file that is missing, short or foreign is a frame that is
 * not whole.
 *
 * The frame that is left of C keeps its epoch and its place in the chain; what followed it stood in
 * bytes that are gone.
 *
 * Guarantees: the segment has its old content or its new one. Must not know: what a record means,
 * but how long it is.
 */
#include "log_cut.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_internal.h"
#include "segment_list.h"
#include "verdict.h"

enum { CUT_PIECE_BYTES = SEGMENT_ZERO_WRITE_BYTES };

struct cut {
    struct storage *storage;
    const struct meta *meta;
    uint64_t first_dropped_lsn;
    struct log_fault *fault;
    struct segment_list list;
    uint64_t last_used;

    /* one segment in memory; what its file does not have is zero */
    uint8_t *bytes;
    uint8_t *payload;                                         /* of the frame that is cut */
    char file_fault[sizeof(((struct log_fault *)0)->reason)]; /* "": it has its size */

    struct verdict_position position; /* of the cut, when it was found */
    struct verdict verdict;
    bool nothing_to_drop;
    uint32_t kept_records; /* of the frame at the position */
    uint32_t kept_bytes;
};

static int cut_refuse(struct cut *cut, int error, uint64_t offset, const char *reason)
{
    segment_name(cut->position.segment, cut->fault->file);
    cut->fault->offset = offset;
    cut->fault->lsn = cut->position.first_lsn;
    snprintf(cut->fault->reason, sizeof(cut->fault->reason), "%s", reason);
    return error;
}

/* --- reading --------------------------------------------------------------------------------- */

static int read_file(struct cut *cut, struct storage_file *file)
{
    const struct storage_operations *operations = file->storage->operations;
    uint64_t expected = cut->meta->segment_bytes;
    uint64_t size;
    int error = operations->size(file, &size);
    if (error != 0)
        return error;
    if (size != expected)
        snprintf(cut->file_fault, sizeof(cut->file_fault),
                 "the file has %" PRIu64 " bytes, expected %" PRIu64, size, expected);
    if (size > expected)
        size = expected;
    size -= size % STORAGE_ALIGNMENT;
    for (uint64_t offset = 0; offset < size && error == 0; offset += CUT_PIECE_BYTES) {
        uint64_t rest = size - offset;
        uint64_t length = rest < CUT_PIECE_BYTES ? rest : CUT_PIECE_BYTES;
        error = operations->read(file, cut->bytes + offset, length, offset);
    }
    memset(cut->bytes + size, 0, expected - size);
    return error;
}

static int read_segment(struct cut *cut, uint64_t number)
{
    const struct storage_operations *operations = cut->storage->operations;
    char name[STORAGE_NAME_MAX];
    segment_name(number, name);
    cut->file_fault[0] = '\0';
    struct storage_file *file;
    int error = operations->open(cut->storage, name, STORAGE_READ_ONLY, &file);
    if (error == -ENOENT) {
        memset(cut->bytes, 0, cut->meta->segment_bytes);
        snprintf(cut->file_fault, sizeof(cut->file_fault),
                 "the file is missing, but later segments are there");
        return 0;
    }
    if (error != 0)
        return error;
    error = read_file(cut, file);
    operations->close(file);
    return error;
}

/* Lists log/ and finds the last segment that was written to. */
static int survey_files(struct cut *cut)
{
    int error = segment_list_init(&cut->list, cut->storage);
    const struct segment_numbers *numbers = &cut->list.segments;
    if (error == -ENOENT)
        return cut_refuse(cut, -EBADMSG, 0, "the directory log/ is missing");
    if (error != 0)
        return error;
    uint64_t begin = cut->position.segment;
    if (numbers->count == 0 || begin < numbers->values[0] ||
        begin > numbers->values[numbers->count - 1])
        return cut_refuse(cut, -EBADMSG, 0, "the file from which the log is followed is missing");
    uint64_t missing = segment_list_first_missing(&cut->list);
    if (missing < begin) {
        cut->position.segment = missing;
        return cut_refuse(cut, -EBADMSG, 0, "the file is missing, but later segments are there");
    }
    for (size_t i = numbers->count; i > 0 && cut->last_used == 0; i--) {
        uint64_t number = numbers->values[i - 1];
        error = read_segment(cut, number);
        if (error != 0)
            return error;
        if (cut->file_fault[0] != '\0' || !segment_is_spare(cut->meta, number, cut->bytes))
            cut->last_used = number;
    }
    return 0;
}

/* --- finding the cut ------------------------------------------------------------------------- */

static bool cut_is_in(const struct cut *cut, const struct frame_header *frame)
{
    return frame->kind == FRAME_RECORDS && frame->last_lsn >= cut->first_dropped_lsn;
}

/* Goes to the frame with the LSN, or to what is no frame. */
static void walk_segment(struct cut *cut)
{
    struct verdict_position *position = &cut->position;
    const struct verdict *verdict = &cut->verdict;
    for (;;) {
        /* Ends: every frame moves the offset towards the end of the segment. */
        verdict_judge(position, cut->bytes + position->offset, &cut->verdict);
        if (verdict->kind != VERDICT_FRAME || cut_is_in(cut, &verdict->frame))
            return;
        position->offset += verdict->length;
        position->first_lsn = verdict->frame.last_lsn + 1;
        position->chain = verdict->frame.checksum;
        position->epoch = verdict->frame.epoch;
    }
}

/* The log ends at the position. */
static int cut_at_end(struct cut *cut, struct log_cut_report *report)
{
    cut->nothing_to_drop = true;
    report->last_lsn = cut->position.first_lsn - 1;
    return cut->position.first_lsn == cut->first_dropped_lsn ? 0 : -ERANGE;
}

/* The log is damaged at the position. */
static int cut_at_damage(struct cut *cut)
{
    const struct verdict *verdict = &cut->verdict;
    if (cut->position.first_lsn == cut->first_dropped_lsn)
        return 0;
    if (cut->file_fault[0] != '\0')
        return cut_refuse(cut, -EINVAL, cut->position.offset, cut->file_fault);
    if (verdict->kind == VERDICT_END)
        return cut_refuse(cut, -EINVAL, 0, "the segment is empty, but later ones are in use");
    return cut_refuse(cut, -EINVAL, verdict->offset, verdict->reason);
}

/* What of the frame at the position stays. */
static int measure_kept(struct cut *cut, log_cut_measure *measure)
{
    const struct frame_header *frame = &cut->verdict.frame;
    uint64_t count = cut->first_dropped_lsn - frame->first_lsn;
    assert(count < frame->record_count);
    frame_payload_get(cut->bytes + frame->offset, frame->payload_length, cut->payload);
    size_t length = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t rest = frame->payload_length - length;
        size_t size = measure(cut->payload + length, rest);
        if (size == 0 || size >= rest) { /* a record that goes comes behind it */
            cut->position.first_lsn += i;
            return cut_refuse(cut, -EBADMSG, frame->offset, "not a record");
        }
        length += size;
    }
    cut->kept_records = (uint32_t)count;
    cut->kept_bytes = (uint32_t)length;
    return 0;
}

static int find_cut(struct cut *cut, log_cut_measure *measure, struct log_cut_report *report)
{
    struct verdict_position *position = &cut->position;
    for (;;) {
        /* Ends: the segment number grows up to the last used one. */
        int error = read_segment(cut, position->segment);
        if (error != 0)
            return error;
        position->later_in_use = position->segment < cut->last_used;
        walk_segment(cut);
        enum verdict_kind kind = cut->verdict.kind;
        if (kind == VERDICT_FRAME)
            return measure_kept(cut, measure);
        bool file_is_right = cut->file_fault[0] == '\0';
        if (file_is_right && !position->later_in_use &&
            (kind == VERDICT_END || kind == VERDICT_TORN))
            return cut_at_end(cut, report);
        if (!file_is_right || kind != VERDICT_END || position->offset == 0)
            return cut_at_damage(cut);
        position->segment++;
        position->offset = 0;
    }
}

/* --- cutting --------------------------------------------------------------------------------- */

/* Step 2. */
static int remove_later_segments(struct cut *cut, struct log_cut_report *report)
{
    const struct segment_numbers *numbers = &cut->list.segments;
    const struct storage_operations *operations = cut->storage->operations;
    for (size_t i = numbers->count; i > 0; i--) {
        uint64_t number = numbers->values[i - 1];
        if (number <= cut->position.segment)
            break;
        char name[STORAGE_NAME_MAX];
        segment_name(number, name);
        int error = operations->remove(cut->storage, name);
        if (error != 0)
            return error;
        report->removed_segments++;
        if (number <= cut->last_used)
            report->dropped_bytes += cut->meta->segment_bytes;
    }
    return operations->sync_directory(cut->storage, "log");
}

/* The segment as it will be, in cut->bytes. */
static void shorten_segment(struct cut *cut)
{
    const struct verdict_position *position = &cut->position;
    uint64_t end = position->offset;
    if (cut->kept_records > 0) {
        struct frame_header frame = cut->verdict.frame;
        frame.record_count = cut->kept_records;
        frame.payload_length = cut->kept_bytes;
        frame_seal(cut->bytes + frame.offset, &frame,
                   segment_salt(cut->meta->log_id, position->segment));
        end = frame.offset + frame.length;
    } else if (end == 0) {
        segment_spare_block(cut->meta, position->segment, cut->bytes);
        end = SEGMENT_HEADER_BYTES;
    }
    memset(cut->bytes + end, 0, cut->meta->segment_bytes - end);
}

static int write_file(struct cut *cut, struct storage_file *file)
{
    const struct storage_operations *operations = file->storage->operations;
    uint64_t size = cut->meta->segment_bytes;
    int error = 0;
    for (uint64_t offset = 0; offset < size && error == 0; offset += CUT_PIECE_BYTES) {
        uint64_t rest = size - offset;
        uint64_t length = rest < CUT_PIECE_BYTES ? rest : CUT_PIECE_BYTES;
        error = operations->write(file, cut->bytes + offset, length, offset);
    }
    return error != 0 ? error : operations->sync(file);
}

/* Step 3. A temporary file that stays after an error is removed by the next recovery. */
static int replace_segment(struct cut *cut)
{
    const struct storage_operations *operations = cut->storage->operations;
    char temporary[STORAGE_NAME_MAX];
    char name[STORAGE_NAME_MAX];
    segment_temporary_name(cut->position.segment, temporary);
    segment_name(cut->position.segment, name);
    int error = operations->remove(cut->storage, temporary);
    if (error != 0 && error != -ENOENT)
        return error;
    struct storage_file *file;
    error = operations->open(cut->storage, temporary, STORAGE_CREATE_NEW, &file);
    if (error != 0)
        return error;
    error = write_file(cut, file);
    operations->close(file);
    if (error == 0)
        error = operations->rename(cut->storage, temporary, name);
    return error != 0 ? error : operations->sync_directory(cut->storage, "log");
}

static int drop(struct cut *cut, struct log_cut_report *report)
{
    report->dropped_bytes = cut->meta->segment_bytes - cut->position.offset;
    int error = remove_later_segments(cut, report);
    if (error != 0)
        return error;
    shorten_segment(cut);
    return replace_segment(cut);
}

/* Step 4. */
static int open_and_close(struct cut *cut, const struct log_start *start, struct channel *channel,
                          struct log_cut_report *report)
{
    const struct log_options options = {
        .storage = cut->storage,
        .meta = *cut->meta,
        .start = *start,
        .durable_lsn = cut->first_dropped_lsn - 1,
    };
    struct log *log;
    struct log_report opened;
    int error = log_open(&options, &log, &opened);
    if (error == -EBADMSG) {
        *cut->fault = (struct log_fault){.offset = opened.offset, .lsn = opened.lsn};
        memcpy(cut->fault->file, opened.file, sizeof(opened.file));
        snprintf(cut->fault->reason, sizeof(cut->fault->reason), "%.*s",
                 (int)sizeof(cut->fault->reason) - 1, opened.reason);
    }
    if (error != 0)
        return error;
    report->last_lsn = opened.last_lsn;
    log_close(log, channel, true);
    return 0;
}

/* --- the contract ---------------------------------------------------------------------------- */

static int cut_init(struct cut *cut, const struct log_start *start)
{
    const struct meta *meta = cut->meta;
    uint64_t room = meta->segment_bytes - SEGMENT_HEADER_BYTES;
    cut->position = (struct verdict_position){
        .meta = meta,
        .segment = start->segment,
        .first_lsn = start->first_lsn,
        .chain = start->chain,
        .epoch = start->epoch,
        .write_bytes_max = room < FRAME_BYTES_MAX ? (uint32_t)room : FRAME_BYTES_MAX,
    };
    if (start->segment == 0) {
        cut->position.segment = 1;
        cut->position.first_lsn = 1;
        cut->position.chain = segment_chain_origin(meta->log_id);
    }
    cut->bytes = aligned_alloc(STORAGE_ALIGNMENT, meta->segment_bytes);
    cut->payload = malloc(frame_payload_capacity(room));
    return cut->bytes == NULL || cut->payload == NULL ? -ENOMEM : 0;
}

/* While it is held no log_open() succeeds, so it is given back before the last step. */
static int lock_directory(struct storage *storage, struct storage_file **meta_file)
{
    const struct storage_operations *operations = storage->operations;
    int error = operations->open(storage, "meta", STORAGE_OPEN_EXISTING, meta_file);
    if (error != 0)
        return error;
    error = operations->lock(*meta_file, LOG_LOCK_TIMEOUT_MS);
    if (error != 0)
        operations->close(*meta_file);
    return error;
}

static int cut_locked(struct cut *cut, log_cut_measure *measure, struct log_cut_report *report)
{
    if (cut->first_dropped_lsn < cut->position.first_lsn)
        return -ERANGE;
    int error = survey_files(cut);
    if (error == 0)
        error = find_cut(cut, measure, report);
    report->segment = cut->position.segment;
    report->offset = cut->position.offset;
    if (error == 0 && !cut->nothing_to_drop)
        error = drop(cut, report);
    return error;
}

int log_cut(struct storage *storage, const struct meta *meta, struct channel *channel,
            const struct log_start *start, uint64_t first_dropped_lsn, log_cut_measure *measure,
            struct log_cut_report *report, struct log_fault *fault)
{
    *report = (struct log_cut_report){0};
    *fault = (struct log_fault){0};
    struct cut cut = {
        .storage = storage,
        .meta = meta,
        .first_dropped_lsn = first_dropped_lsn,
        .fault = fault,
    };
    struct storage_file *meta_file;
    int error = cut_init(&cut, start);
    if (error != 0)
        goto free_cut;
    error = lock_directory(storage, &meta_file);
    if (error != 0)
        goto free_cut;
    error = cut_locked(&cut, measure, report);
    storage->operations->close(meta_file);
    if (error == 0)
        error = open_and_close(&cut, start, channel, report);

free_cut:
    segment_list_deinit(&cut.list);
    free(cut.payload);
    free(cut.bytes);
    return error;
}
