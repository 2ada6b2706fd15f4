/* key_archive_extend.c - a new key file, from the records behind the last one.
 *
 *     log_reader ---> answers[count], order[count] ---sort order---> key_file_writer
 *
 * Keys are gathered in memory in the order of the log; what is sorted is a list of digests with
 * places, a third of the answers' size.
 *
 * Guarantees: the file holds the keys of all records from the end of the one before to the end of a
 * frame. What was not published is removed before anything else is made, so that no later file
 * overlaps it.
 * Must not know: who needs the keys, and when.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/record.h"
#include "florin_limits.h"
#include "key_archive_internal.h"
#include "wal/segment.h"

/* A file ends with a frame, so that it may have as many keys more as one frame has records. */
enum { FRAME_RECORDS_MAX = FLORIN_GROUP_BYTES_MAX / RECORD_FIXED_BYTES + 1 };

/* A client's, and that of a reversal. */
enum { KEYS_OF_RECORD_MAX = 2 };

struct key_place {
    uint64_t high;
    uint64_t low;
    uint32_t number; /* in the order of the log */
};

struct gathering {
    const struct hash_secret *secret;
    struct key_answer *answers;
    struct key_place *order;
    size_t count;
    size_t max;
    uint64_t last_lsn; /* looked at, with or without key */
};

/* The order of key_answer_compare(): places of one digest stand in the order of their LSNs. */
static int compare_places(const void *left, const void *right)
{
    const struct key_place *a = left;
    const struct key_place *b = right;
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static void take_key(struct gathering *gathering, const struct key_answer *answer)
{
    assert(gathering->count < gathering->max);
    gathering->order[gathering->count] = (struct key_place){
        .high = answer->digest.high,
        .low = answer->digest.low,
        .number = (uint32_t)gathering->count,
    };
    gathering->answers[gathering->count++] = *answer;
}

/* The client's key, and that of a reversal. A record that has both takes more than two of the bytes
 * by which FRAME_RECORDS_MAX counts. */
static void take_keys(struct gathering *gathering, const struct record *record, uint64_t lsn)
{
    struct key_answer answer;
    if (record->key_length > 0) {
        answer = key_answer_of_record(gathering->secret, record, lsn);
        take_key(gathering, &answer);
    }
    if (key_answer_of_reversal(gathering->secret, record, lsn, &answer))
        take_key(gathering, &answer);
}

/* The place of a fault in the log; the caller says the reason. */
static void take_place(struct block_file_fault *fault, const struct log_fault *log_fault)
{
    *fault = (struct block_file_fault){.offset = log_fault->offset};
    memcpy(fault->file, log_fault->file, sizeof(fault->file));
}

/* Records that a file has already (the log was to be cut within the frame, and was not) are stepped
 * over. */
static int take_frame(struct gathering *gathering, const struct log_frame *frame,
                      struct block_file_fault *fault)
{
    const struct frame_header *header = &frame->header;
    size_t offset = 0;
    for (uint32_t i = 0; i < header->record_count; i++) {
        struct record record;
        uint64_t lsn = header->first_lsn + i;
        size_t size =
            record_decode(frame->payload + offset, header->payload_length - offset, &record);
        if (size == 0) {
            *fault = (struct block_file_fault){.offset = header->offset};
            segment_name(header->segment, fault->file);
            snprintf(fault->reason, sizeof(fault->reason), "LSN %" PRIu64 " is not a record", lsn);
            return -EBADMSG;
        }
        offset += size;
        if (lsn > gathering->last_lsn)
            take_keys(gathering, &record, lsn);
    }
    gathering->last_lsn = header->last_lsn;
    return 0;
}

/* Whole frames up to to_lsn, until there are enough keys. */
static int gather(struct gathering *gathering, struct log_reader *reader, uint64_t to_lsn,
                  uint32_t keys_wanted, block_file_pace *pace, void *pace_context,
                  struct block_file_fault *fault)
{
    struct log_fault log_fault = {0};
    uint64_t first = gathering->last_lsn + 1;
    const uint64_t durable = to_lsn; /* the caller says so */
    int error = log_reader_seek(reader, first, durable, &log_fault);
    if (error == -ENODATA) {
        take_place(fault, &log_fault);
        snprintf(fault->reason, sizeof(fault->reason),
                 "the log no longer has record %" PRIu64 ", whose key is in no file", first);
    }
    while (error == 0 && gathering->count < keys_wanted && gathering->last_lsn < to_lsn) {
        struct log_frame frame;
        error = log_reader_next(reader, to_lsn, &frame, &log_fault);
        bool is_beyond = error == 0 && frame.header.last_lsn > to_lsn;
        if (error == -ENODATA || is_beyond)
            return 0;
        if (error != 0)
            break;
        error = take_frame(gathering, &frame, fault);
        if (error == 0 && pace != NULL)
            error = pace(pace_context, frame.header.length);
        if (error != 0)
            return error;
    }
    if (error == -EBADMSG) {
        take_place(fault, &log_fault);
        memcpy(fault->reason, log_fault.reason, sizeof(fault->reason));
    }
    return error;
}

static int write_file(const struct gathering *gathering, const struct key_file_plan *plan)
{
    struct key_file_writer *writer;
    int error = key_file_begin(plan, &writer);
    if (error != 0)
        return error;
    for (size_t i = 0; i < gathering->count && error == 0; i++)
        error = key_file_add(writer, &gathering->answers[gathering->order[i].number]);
    if (error == 0)
        return key_file_finish(writer);
    key_file_abandon(writer);
    return error;
}

/* With room for the keys of a whole file, or of all records up to `to_lsn`, two each, if these are
 * fewer: a checkpoint of a quiet ledger needs a handful. */
static int gathering_init(struct gathering *gathering, const struct key_archive *archive,
                          uint64_t to_lsn)
{
    uint64_t before = archive_current(archive)->filters.to_lsn;
    size_t max = (size_t)archive->keys_per_file + FRAME_RECORDS_MAX;
    assert(before < to_lsn);
    if (to_lsn - before < max / KEYS_OF_RECORD_MAX)
        max = (size_t)(to_lsn - before) * KEYS_OF_RECORD_MAX;
    *gathering = (struct gathering){
        .secret = archive->secret,
        .answers = malloc(max * sizeof(*gathering->answers)),
        .order = malloc(max * sizeof(*gathering->order)),
        .max = max,
        .last_lsn = before,
    };
    return gathering->answers != NULL && gathering->order != NULL ? 0 : -ENOMEM;
}

static void gathering_deinit(struct gathering *gathering)
{
    free(gathering->answers);
    free(gathering->order);
}

static int make_directory(struct key_archive *archive)
{
    if (archive->has_directory)
        return 0;
    const struct storage_operations *operations = archive->storage->operations;
    int error = operations->make_directory(archive->storage, KEY_FILE_DIRECTORY);
    if (error == 0)
        error = operations->sync_directory(archive->storage, "");
    archive->has_directory = error == 0;
    return error;
}

/* Writes the file, opens it, publishes it. */
static int add_file(struct key_archive *archive, const struct gathering *gathering,
                    struct key_file_plan *plan, struct block_file_fault *fault)
{
    const struct archive_set *set = archive_current(archive);
    plan->storage = archive->storage;
    plan->log_id = archive->log_id;
    plan->range = (struct key_file_range){set->filters.to_lsn + 1, gathering->last_lsn};
    plan->keys_max = gathering->count;
    int error = make_directory(archive);
    if (error == 0)
        error = archive_names_reserve(&archive->leftovers, ARCHIVE_NAMES_OF_FAILURE);
    if (error != 0)
        return error;
    error = write_file(gathering, plan);
    if (error == 0)
        error = archive_publish(archive, plan->range, set->count, 0, fault);
    if (error != 0)
        archive_names_add_failure(&archive->leftovers, plan->range);
    return error;
}

int archive_tidy(struct key_archive *archive)
{
    return archive_names_remove_files(&archive->leftovers, archive->storage);
}

int key_archive_extend(struct key_archive *archive, struct log_reader *reader, uint64_t to_lsn,
                       struct channel *channel, block_file_pace *pace, void *pace_context,
                       uint64_t *reached, struct block_file_fault *fault)
{
    uint64_t before = archive_current(archive)->filters.to_lsn;
    if (to_lsn <= before) {
        *reached = before;
        return 0;
    }
    int error = archive_tidy(archive);
    if (error != 0)
        return error;
    struct gathering gathering;
    error = gathering_init(&gathering, archive, to_lsn);
    if (error == 0)
        error =
            gather(&gathering, reader, to_lsn, archive->keys_per_file, pace, pace_context, fault);
    if (error == 0 && gathering.last_lsn > before) {
        qsort(gathering.order, gathering.count, sizeof(*gathering.order), compare_places);
        struct key_file_plan plan = {
            .channel = channel, .pace = pace, .pace_context = pace_context};
        error = add_file(archive, &gathering, &plan, fault);
    }
    if (error == 0)
        *reached = gathering.last_lsn;
    gathering_deinit(&gathering);
    return error;
}
