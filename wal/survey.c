/* survey.c - walks all kept segments of a log, past every damage.
 *
 *     [F F x x x F F 0 0][x x x x][header F F F 0]      x: damage
 *          ^     ^        ^        ^
 *          |     |        |        the header says what should have come before: follow from there
 *          |     the next whole frame says it: follow from there
 *          what should stand here does not (verdict.c)
 *
 * Where the log cannot be followed one place of damage is counted; then the next whole frame of the
 * segment (own header, content right), or the header block of the next segment, is believed about
 * what came before it. A break between two whole frames (a chain value that does not fit) is a
 * place of damage as well. The end of the last used segment is judged as recovery does: torn is no
 * damage.
 *
 * Guarantees: every whole frame at its place is counted once. Must not know: what a record means.
 */
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segment_list.h"
#include "verdict.h"

enum { BLOCK = STORAGE_ALIGNMENT, READ_BYTES = 4 * 1024 * 1024 };

struct survey {
    struct storage *storage;
    const struct meta *meta;
    struct log_survey_report *report;
    struct segment_list list;
    uint8_t *bytes; /* one segment */
    struct verdict_position position;
    bool follows; /* the position is known from what was read before */
};

static void note_damage(struct survey *survey, uint64_t offset, const char *reason)
{
    struct log_survey_report *report = survey->report;
    survey->follows = false;
    if (report->is_damaged) {
        report->damaged_after++;
        return;
    }
    report->is_damaged = true;
    segment_name(survey->position.segment, report->damage.file);
    report->damage.offset = offset;
    report->damage.lsn = survey->position.first_lsn;
    snprintf(report->damage.reason, sizeof(report->damage.reason), "%s", reason);
}

static void note_frame(struct survey *survey, const struct frame_header *frame)
{
    struct log_survey_report *report = survey->report;
    report->frames++;
    report->records += frame->record_count;
    report->frames_after += report->is_damaged;
    report->records_after += report->is_damaged ? frame->record_count : 0;
    if (frame->record_count == 0)
        return;
    if (report->first_lsn == 0 || frame->first_lsn < report->first_lsn)
        report->first_lsn = frame->first_lsn;
    if (frame->last_lsn > report->last_lsn)
        report->last_lsn = frame->last_lsn;
    if (!report->is_damaged)
        return;
    if (report->first_lsn_after == 0 || frame->first_lsn < report->first_lsn_after)
        report->first_lsn_after = frame->first_lsn;
    if (frame->last_lsn > report->last_lsn_after)
        report->last_lsn_after = frame->last_lsn;
}

/* --- reading --------------------------------------------------------------------------------- */

static int read_open_file(struct survey *survey, struct storage_file *file, bool *has_its_size)
{
    const struct storage_operations *operations = file->storage->operations;
    uint64_t expected = survey->meta->segment_bytes;
    uint64_t size;
    int error = operations->size(file, &size);
    if (error != 0)
        return error;
    *has_its_size = size == expected;
    size = size < expected ? size - size % BLOCK : expected;
    memset(survey->bytes + size, 0, expected - size);
    for (uint64_t offset = 0; offset < size && error == 0; offset += READ_BYTES) {
        uint64_t length = size - offset < READ_BYTES ? size - offset : READ_BYTES;
        error = operations->read(file, survey->bytes + offset, length, offset);
    }
    return error;
}

/* What a short file does not have is zero. */
static int read_segment(struct survey *survey, uint64_t number, bool *has_its_size)
{
    const struct storage_operations *operations = survey->storage->operations;
    char name[STORAGE_NAME_MAX];
    segment_name(number, name);
    struct storage_file *file;
    int error = operations->open(survey->storage, name, STORAGE_READ_ONLY, &file);
    if (error != 0)
        return error;
    error = read_open_file(survey, file, has_its_size);
    operations->close(file);
    return error;
}

/* --- following ------------------------------------------------------------------------------- */

static void believe(struct survey *survey, uint64_t offset, uint64_t first_lsn, uint64_t chain,
                    uint32_t epoch)
{
    struct verdict_position *position = &survey->position;
    position->offset = offset;
    position->first_lsn = first_lsn;
    position->chain = chain;
    position->epoch = epoch;
    survey->follows = true;
}

/* The next whole frame at or behind `from`. false: there is none in the segment. */
static bool find_frame(struct survey *survey, uint64_t from)
{
    const struct meta *meta = survey->meta;
    uint64_t segment = survey->position.segment;
    uint64_t salt = segment_salt(meta->log_id, segment);
    for (uint64_t offset = from; offset < meta->segment_bytes; offset += BLOCK) {
        struct frame_header frame;
        if (frame_header_decode(survey->bytes + offset, salt, offset, &frame) != 0 ||
            frame.log_id_low != frame_log_id_low(meta->log_id) || frame.segment != segment ||
            frame.length > meta->segment_bytes - offset ||
            !frame_body_is_right(survey->bytes + offset, &frame, salt))
            continue;
        believe(survey, offset, frame.first_lsn, frame.chain,
                frame.epoch - (frame.kind == FRAME_RECOVERY));
        return true;
    }
    return false;
}

/* Where a segment begins by its own header block, if that and its first frame are whole. */
static bool believe_header(struct survey *survey)
{
    const uint8_t *first = survey->bytes + SEGMENT_HEADER_BYTES;
    struct segment_header header;
    struct frame_header frame;
    uint64_t salt = segment_salt(survey->meta->log_id, survey->position.segment);
    if (segment_header_decode(survey->bytes, &header) != 0 || header.state != SEGMENT_USED ||
        frame_header_decode(first, salt, SEGMENT_HEADER_BYTES, &frame) != 0)
        return false;
    believe(survey, 0, header.first_lsn, header.chain,
            header.epoch - (frame.kind == FRAME_RECOVERY));
    return true;
}

/* Where the log cannot be followed at the position: goes on behind it. */
static bool resume(struct survey *survey)
{
    uint64_t offset = survey->position.offset;
    return find_frame(survey, offset == 0 ? SEGMENT_HEADER_BYTES : offset);
}

static void walk_segment(struct survey *survey)
{
    struct verdict_position *position = &survey->position;
    for (;;) {
        /* Ends: every turn moves the offset on; what is resumed at is a frame that then follows. */
        struct verdict verdict;
        verdict_judge(position, survey->bytes + position->offset, &verdict);
        if (verdict.kind == VERDICT_FRAME) {
            note_frame(survey, &verdict.frame);
            believe(survey, position->offset + verdict.length, verdict.frame.last_lsn + 1,
                    verdict.frame.checksum, verdict.frame.epoch);
            continue;
        }
        if (verdict.kind == VERDICT_END && position->offset > 0)
            return;
        if (verdict.kind == VERDICT_TORN) {
            survey->report->torn_bytes = verdict.length;
            return;
        }
        if (verdict.kind == VERDICT_END)
            note_damage(survey, 0, "the segment is empty, but later ones are in use");
        else
            note_damage(survey, verdict.offset, verdict.reason);
        if (!resume(survey))
            return;
    }
}

static void survey_segment(struct survey *survey, bool has_its_size)
{
    struct verdict_position *position = &survey->position;
    position->later_in_use = position->segment < survey->report->last_segment;
    position->offset = 0;
    if (!has_its_size)
        note_damage(survey, survey->meta->segment_bytes,
                    "the file has another size than meta says");
    if (!survey->follows && !believe_header(survey) && survey->report->is_damaged) {
        /* The damage before made this place unknown: the header block is one more. */
        note_damage(survey, 0, "no valid segment header");
        if (!resume(survey))
            return;
    }
    walk_segment(survey);
    survey->follows &= has_its_size; /* what is cut off is one damage, not two */
}

/* --- all segments ---------------------------------------------------------------------------- */

/* Counts spares from the end; what is before them is in use. */
static int find_last_used(struct survey *survey)
{
    struct log_survey_report *report = survey->report;
    const struct segment_numbers *numbers = &survey->list.segments;
    for (size_t i = numbers->count; i > 0 && report->last_segment == 0; i--) {
        uint64_t number = numbers->values[i - 1];
        bool has_its_size;
        int error = read_segment(survey, number, &has_its_size);
        if (error != 0)
            return error;
        if (has_its_size && segment_is_spare(survey->meta, number, survey->bytes))
            report->spares++;
        else
            report->last_segment = number;
    }
    report->bytes = (numbers->count - report->spares) * survey->meta->segment_bytes;
    return 0;
}

static int walk_all(struct survey *survey, log_survey_pace *pace, void *context)
{
    const struct segment_numbers *numbers = &survey->list.segments;
    size_t used = numbers->count - survey->report->spares;
    for (size_t i = 0; i < used; i++) {
        uint64_t number = numbers->values[i];
        if (i > 0 && number != numbers->values[i - 1] + 1) {
            survey->position.segment = numbers->values[i - 1] + 1;
            note_damage(survey, 0, "the file is missing, but later segments are there");
        }
        bool has_its_size;
        int error = read_segment(survey, number, &has_its_size);
        if (error != 0)
            return error;
        survey->position.segment = number;
        survey_segment(survey, has_its_size);
        error = pace == NULL
                    ? 0
                    : pace(context, (i + 1) * survey->meta->segment_bytes, survey->report->bytes);
        if (error != 0)
            return error;
    }
    return 0;
}

int log_survey(struct storage *storage, const struct meta *meta, struct log_survey_report *report,
               log_survey_pace *pace, void *context)
{
    *report = (struct log_survey_report){0};
    uint64_t room = meta->segment_bytes - SEGMENT_HEADER_BYTES;
    struct survey survey = {
        .storage = storage,
        .meta = meta,
        .report = report,
        .position =
            {
                .meta = meta,
                .segment = 1,
                .first_lsn = 1,
                .chain = segment_chain_origin(meta->log_id),
                .write_bytes_max = room < FRAME_BYTES_MAX ? (uint32_t)room : FRAME_BYTES_MAX,
            },
    };
    int error = segment_list_init(&survey.list, storage);
    survey.bytes = aligned_alloc(STORAGE_ALIGNMENT, meta->segment_bytes);
    if (error == 0 && survey.bytes == NULL)
        error = -ENOMEM;
    if (error == -ENOENT || (error == 0 && survey.list.segments.count == 0)) {
        note_damage(&survey, 0, "there is no segment, but DATA/meta says that there was a log");
        error = 0;
    } else if (error == 0) {
        report->first_segment = survey.list.segments.values[0];
        survey.follows = report->first_segment == 1;
        error = find_last_used(&survey);
        if (error == 0)
            error = walk_all(&survey, pace, context);
    }
    free(survey.bytes);
    segment_list_deinit(&survey.list);
    return error;
}
