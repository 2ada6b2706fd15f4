/* scan.c - reads a log from its first frame, or from a given start, to its end.
 *
 *     1. list log/: segments are numbered without a gap, from 1, or with a start from any number up
 *        to its segment (those before may have been removed)
 *     2. from the last one back to the last used one, but not beyond the start: lock, flush, look
 *        (bytes that a killed process had in flight are there once the lock is ours, and what is
 *        read after the flush is durable)
 *     3. from the first one, or the start, on: judge (verdict.c), hand records to replay, step over
 *        each frame; at END go to the next segment, as long as there is a used one
 *
 *     segments      1..k-1 full      k live           k+1, k+2 spare
 *                   [frames....0]    [frames..000]    [spare 000000]
 *                                            ^ position
 *
 * When the write that changes segments is torn, the position is (k+1, 0) and the last frame ends in
 * k. When nothing stands at the start, the position is (start, 0), and there is no last frame.
 *
 * Guarantees: replay sees each whole frame once, in order; SCAN_TO_VERIFY changes nothing.
 * Memory: one segment and one payload. Must not know: how the log goes on after the end.
 */
#include "scan.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

enum { READ_BYTES = 4 * 1024 * 1024 };

/* --- the report of a refusal ---------------------------------------------------------------- */

static int scan_refuse(struct scan *scan, enum log_end end, uint64_t number, uint64_t offset,
                       const char *reason)
{
    struct log_report *report = scan->report;
    report->end = end;
    segment_name(number, report->file);
    report->offset = offset;
    report->lsn = scan->position.first_lsn;
    snprintf(report->reason, sizeof(report->reason), "%s", reason);
    return -EBADMSG;
}

/* --- listing --------------------------------------------------------------------------------- */

static uint64_t scan_begin(const struct scan *scan)
{
    return scan->options->start.segment > 0 ? scan->options->start.segment : 1;
}

static int scan_list(struct scan *scan)
{
    int error = segment_list_init(&scan->list, scan->options->storage);
    uint64_t begin = scan_begin(scan);
    if (error == -ENOENT)
        return scan_refuse(scan, LOG_END_DAMAGED, begin, 0, "the directory log/ is missing");
    if (error != 0)
        return error;
    if (scan->list.segments.count == 0)
        return scan_refuse(scan, LOG_END_DAMAGED, begin, 0,
                           "the file is missing, but DATA/meta says that there was a log");
    scan->first = scan->list.segments.values[0];
    scan->last = scan->list.segments.values[scan->list.segments.count - 1];
    uint64_t missing = segment_list_first_missing(&scan->list);
    if (begin < scan->first)
        return scan_refuse(scan, LOG_END_DAMAGED, begin, 0,
                           "the file is missing, but later segments are there");
    if (missing < scan->last)
        return scan_refuse(scan, LOG_END_DAMAGED, missing, 0,
                           "the file is missing, but later segments are there");
    if (begin > scan->last)
        return scan_refuse(scan, LOG_END_DAMAGED, begin, 0,
                           "the file is missing, but a checkpoint says that there was a log");
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static int scan_check_size(struct scan *scan, struct storage_file *file, uint64_t number)
{
    uint64_t expected = scan->options->meta.segment_bytes;
    uint64_t size;
    int error = file->storage->operations->size(file, &size);
    if (error != 0 || size == expected)
        return error;
    char reason[sizeof(scan->report->reason)];
    snprintf(reason, sizeof(reason), "the file has %" PRIu64 " bytes, expected %" PRIu64, size,
             expected);
    return scan_refuse(scan, LOG_END_DAMAGED, number, size, reason);
}

/* Reads the whole segment into scan->bytes. */
static int scan_read(struct scan *scan, struct storage_file *file, uint64_t number)
{
    const struct storage_operations *operations = file->storage->operations;
    uint64_t expected = scan->options->meta.segment_bytes;
    if (scan->loaded == number)
        return 0;
    scan->loaded = 0;
    int error = scan_check_size(scan, file, number);
    for (uint64_t offset = 0; offset < expected && error == 0; offset += READ_BYTES) {
        uint64_t length = expected - offset < READ_BYTES ? expected - offset : READ_BYTES;
        error = operations->read(file, scan->bytes + offset, length, offset);
    }
    if (error == 0)
        scan->loaded = number;
    return error;
}

/* Whether a segment was never written to. Most that were say so in their header block. */
static int scan_read_is_spare(struct scan *scan, struct storage_file *file, uint64_t number,
                              bool *is_spare)
{
    uint8_t spare[SEGMENT_HEADER_BYTES];
    segment_spare_block(&scan->options->meta, number, spare);
    scan->loaded = 0;
    int error = scan_check_size(scan, file, number);
    if (error == 0)
        error = file->storage->operations->read(file, scan->bytes, SEGMENT_HEADER_BYTES, 0);
    *is_spare = false;
    if (error != 0 || memcmp(scan->bytes, spare, sizeof(spare)) != 0)
        return error;
    error = scan_read(scan, file, number);
    if (error == 0)
        *is_spare = segment_is_spare(&scan->options->meta, number, scan->bytes);
    return error;
}

struct storage_file *scan_file(struct scan *scan, uint64_t number)
{
    assert(number >= scan->first_open && number <= scan->last);
    return scan->files[number - scan->first];
}

struct storage_file *scan_take_file(struct scan *scan, uint64_t number)
{
    struct storage_file *file = scan_file(scan, number);
    scan->files[number - scan->first] = NULL;
    return file;
}

/* Opens a segment for what the mode wants; recovery locks and flushes it. */
static int scan_open_segment(struct scan *scan, uint64_t number, struct storage_file **file)
{
    struct storage *storage = scan->options->storage;
    const struct storage_operations *operations = storage->operations;
    char name[STORAGE_NAME_MAX];
    segment_name(number, name);
    if (scan->mode == SCAN_TO_VERIFY)
        return operations->open(storage, name, STORAGE_READ_ONLY, file);
    int error = operations->open(storage, name, STORAGE_OPEN_EXISTING, file);
    if (error != 0)
        return error;
    error = operations->lock(*file, scan->lock_timeout_ms);
    if (error == 0)
        error = operations->sync(*file);
    if (error != 0) {
        operations->close(*file);
        return error;
    }
    scan->files[number - scan->first] = *file;
    scan->first_open = number;
    return 0;
}

/* Step 2. Sets last_used; when recovering, it, all after it and the one before it are open: the log
 * goes on in the one before when the change to the last one turns out to be torn. */
static int scan_find_last_used(struct scan *scan)
{
    struct storage_file *file;
    uint64_t number = scan->last;
    uint64_t begin = scan_begin(scan);
    scan->first_open = number + 1;
    for (; number >= begin && scan->last_used == 0; number--) {
        int error = scan_open_segment(scan, number, &file);
        if (error != 0)
            return error;
        bool is_spare;
        error = scan_read_is_spare(scan, file, number, &is_spare);
        if (scan->mode == SCAN_TO_VERIFY)
            file->storage->operations->close(file);
        if (error != 0)
            return error;
        if (!is_spare)
            scan->last_used = number;
    }
    if (number >= begin && scan->mode == SCAN_TO_RECOVER)
        return scan_open_segment(scan, number, &file);
    return 0;
}

static int scan_load(struct scan *scan, uint64_t number)
{
    if (number >= scan->first_open)
        return scan_read(scan, scan_file(scan, number), number);
    struct storage *storage = scan->options->storage;
    const struct storage_operations *operations = storage->operations;
    char name[STORAGE_NAME_MAX];
    segment_name(number, name);
    struct storage_file *file;
    int error = operations->open(storage, name, STORAGE_READ_ONLY, &file);
    if (error != 0)
        return error;
    error = scan_read(scan, file, number);
    operations->close(file);
    return error;
}

/* --- walking over frames --------------------------------------------------------------------- */

static void scan_progress(const struct scan *scan)
{
    struct log_progress *progress = scan->options->progress;
    if (progress == NULL)
        return;
    uint64_t done = (scan->position.segment - scan_begin(scan)) * scan->options->meta.segment_bytes;
    /* Relaxed: figures for a person; nothing is read by their order. */
    atomic_store_explicit(&progress->bytes_done, done + scan->position.offset,
                          memory_order_relaxed);
    atomic_store_explicit(&progress->records_done, scan->report->records, memory_order_relaxed);
}

static struct log_start scan_start(const struct verdict_position *position)
{
    return (struct log_start){
        .segment = position->segment,
        .first_lsn = position->first_lsn,
        .chain = position->chain,
        .epoch = position->epoch,
    };
}

static int scan_step_over(struct scan *scan)
{
    struct verdict_position *position = &scan->position;
    const struct frame_header *frame = &scan->verdict.frame;
    struct log_report *report = scan->report;
    const struct log_options *options = scan->options;
    if (frame->record_count > 0 && options->replay != NULL) {
        frame_payload_get(scan->bytes + frame->offset, frame->payload_length, scan->payload);
        int error = options->replay(options->replay_context, frame->first_lsn, frame->record_count,
                                    scan->payload, frame->payload_length);
        if (error != 0) {
            segment_name(frame->segment, report->file);
            report->offset = frame->offset;
            report->lsn = frame->first_lsn;
            return error;
        }
    }
    if (position->offset == 0)
        scan->newest_start = scan_start(position);
    position->offset += scan->verdict.length;
    position->first_lsn = frame->last_lsn + 1;
    position->chain = frame->checksum;
    position->epoch = frame->epoch;
    scan->end_segment = frame->segment;
    scan->end_offset = position->offset;
    scan->last_kind = frame->kind;
    report->frames++;
    report->records += frame->record_count;
    report->bytes += frame->length;
    report->last_lsn = frame->last_lsn;
    report->epoch = frame->epoch;
    scan_progress(scan);
    return 0;
}

/* Walks to the end of one segment. 0: the verdict is END or TORN. */
static int scan_segment(struct scan *scan)
{
    struct verdict_position *position = &scan->position;
    int error = scan_load(scan, position->segment);
    if (error != 0)
        return error;
    for (;;) {
        /* Ends: every frame moves the offset towards the end of the segment. */
        verdict_judge(position, scan->bytes + position->offset, &scan->verdict);
        switch (scan->verdict.kind) {
        case VERDICT_FRAME:
            error = scan_step_over(scan);
            if (error != 0)
                return error;
            break;
        case VERDICT_END:
        case VERDICT_TORN:
            return 0;
        case VERDICT_AMBIGUOUS:
            return scan_refuse(scan, LOG_END_AMBIGUOUS, position->segment, scan->verdict.offset,
                               scan->verdict.reason);
        case VERDICT_DAMAGED:
            return scan_refuse(scan, LOG_END_DAMAGED, position->segment, scan->verdict.offset,
                               scan->verdict.reason);
        }
    }
}

/* Step 3. */
static int scan_walk(struct scan *scan)
{
    struct verdict_position *position = &scan->position;
    uint64_t last = scan->last_used > 0 ? scan->last_used : position->segment;
    for (;;) {
        position->later_in_use = position->segment < scan->last_used;
        int error = scan_segment(scan);
        if (error != 0)
            return error;
        if (position->segment == last)
            return 0;
        assert(scan->verdict.kind == VERDICT_END); /* TORN before a used segment is damage */
        if (position->offset == 0)
            return scan_refuse(scan, LOG_END_DAMAGED, position->segment, 0,
                               "the segment is empty, but later ones are in use");
        position->segment++;
        position->offset = 0;
    }
}

static void scan_conclude(struct scan *scan)
{
    struct log_report *report = scan->report;
    if (scan->end_segment > 0)
        report->segments = scan->end_segment - scan_begin(scan) + 1;
    if (scan->verdict.kind == VERDICT_TORN) {
        report->end = LOG_END_TORN;
        report->dropped_bytes = scan->verdict.length;
        segment_name(scan->position.segment, report->file);
        report->offset = scan->position.offset;
        report->lsn = scan->position.first_lsn;
    } else if (scan->end_segment == 0) {
        report->end = LOG_END_NEW;
    } else {
        report->end = scan->last_kind == FRAME_CLEAN ? LOG_END_CLEAN : LOG_END_CRASH;
    }
}

int scan_run(struct scan *scan)
{
    int error = scan_list(scan);
    if (error != 0)
        return error;
    scan->files = calloc(scan->list.segments.count, sizeof(struct storage_file *));
    if (scan->files == NULL)
        return -ENOMEM;
    error = scan_find_last_used(scan);
    if (error != 0)
        return error;
    if (scan->options->progress != NULL && scan->last_used > 0)
        atomic_store_explicit(&scan->options->progress->bytes_total,
                              (scan->last_used - scan_begin(scan) + 1) *
                                  scan->options->meta.segment_bytes,
                              memory_order_relaxed);
    error = scan_walk(scan);
    if (error == 0)
        scan_conclude(scan);
    return error;
}

int scan_init(struct scan *scan, const struct log_options *options, struct log_report *report,
              enum scan_mode mode, unsigned lock_timeout_ms)
{
    const struct meta *meta = &options->meta;
    uint64_t room = meta->segment_bytes - SEGMENT_HEADER_BYTES;
    struct log_start start = options->start;
    if (start.segment == 0)
        start = (struct log_start){
            .segment = 1, .first_lsn = 1, .chain = segment_chain_origin(meta->log_id)};
    *scan = (struct scan){
        .options = options,
        .report = report,
        .mode = mode,
        .lock_timeout_ms = lock_timeout_ms,
        .first_open = UINT64_MAX,
        .position =
            {
                .meta = meta,
                .segment = start.segment,
                .first_lsn = start.first_lsn,
                .chain = start.chain,
                .epoch = start.epoch,
                .write_bytes_max = room < FRAME_BYTES_MAX ? (uint32_t)room : FRAME_BYTES_MAX,
                .durable_lsn = options->durable_lsn,
            },
        .newest_start = start,
        .bytes = aligned_alloc(STORAGE_ALIGNMENT, meta->segment_bytes),
        .payload = malloc(frame_payload_capacity(room)),
    };
    report->last_lsn = start.first_lsn - 1;
    report->epoch = start.epoch;
    if (scan->bytes != NULL && scan->payload != NULL)
        return 0;
    scan_deinit(scan);
    return -ENOMEM;
}

void scan_deinit(struct scan *scan)
{
    for (size_t i = 0; scan->files != NULL && i < scan->list.segments.count; i++) {
        if (scan->files[i] != NULL)
            scan->files[i]->storage->operations->close(scan->files[i]);
    }
    free(scan->files);
    segment_list_deinit(&scan->list);
    free(scan->payload);
    free(scan->bytes);
}
