/* history_walk.c - walks over the records of an account, from the newest back.
 *
 * Guarantees: what is shown was checked sector by sector, and is of the account, by its own name; a
 * pointer that leads elsewhere is damage, not a shorter history. Must not know: who asks, threads.
 */
#include "history_walk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/bytes.h"
#include "florin.h"
#include "wal/log_finder.h"
#include "wal/segment.h"

enum {
    ENTRY_HEADER_BYTES = 8, /* u64 lsn; the record follows */
    /* How much of a frame is taken out of its sectors at a time. */
    LOAD_BYTES = 16 * 1024,
};

_Static_assert((int)HISTORY_PAGE_BYTES >= 2 * (ENTRY_HEADER_BYTES + (int)FLORIN_RECORD_MAX),
               "a page holds at least one record of any size");

struct history_reader {
    struct log_finder *finder;
    /* the frame that was wanted last, and the front of its payload; first_lsn 0: none */
    struct frame_header frame;
    uint8_t *payload;
    uint32_t loaded;
    /* where a record of it begins */
    uint64_t known_lsn;
    uint32_t known_offset;
};

/* --- records --------------------------------------------------------------------------------- */

static int refuse(const struct history_reader *reader, struct log_fault *fault, uint64_t lsn,
                  const char *what)
{
    segment_name(reader->frame.segment, fault->file);
    fault->offset = reader->frame.offset;
    fault->lsn = lsn;
    snprintf(fault->reason, sizeof(fault->reason), "%s", what);
    return -EBADMSG;
}

static int find_frame(struct history_reader *reader, uint64_t lsn, struct history_now now,
                      struct log_fault *fault)
{
    const struct frame_header *frame = &reader->frame;
    bool at_hand = frame->first_lsn > 0 && frame->first_lsn <= lsn && lsn <= frame->last_lsn;
    if (at_hand)
        return frame->segment < now.first_segment ? -ENODATA : 0;
    reader->frame.first_lsn = 0;
    struct frame_header found;
    int error = log_finder_find(reader->finder, lsn, now.durable_lsn, &found, fault);
    if (error != 0)
        return error;
    reader->frame = found;
    reader->loaded = 0;
    reader->known_lsn = found.first_lsn;
    reader->known_offset = 0;
    return 0;
}

/* Has the first `length` bytes of the frame's payload. */
static int load(struct history_reader *reader, uint32_t length, struct history_now now,
                uint64_t lsn, struct log_fault *fault)
{
    if (length > reader->frame.payload_length)
        return refuse(reader, fault, lsn, "a record reaches beyond its frame");
    while (reader->loaded < length) {
        uint32_t wanted =
            length - reader->loaded > LOAD_BYTES ? length - reader->loaded : LOAD_BYTES;
        uint32_t copied = 0;
        int error =
            log_finder_payload(reader->finder, &reader->frame, reader->loaded, now.durable_lsn,
                               reader->payload + reader->loaded, wanted, &copied, fault);
        if (error != 0)
            return error;
        reader->loaded += copied;
    }
    return 0;
}

/* The record `lsn`, which is durable; *bytes are valid until the next call. */
static int read_record(struct history_reader *reader, uint64_t lsn, struct history_now now,
                       const uint8_t **bytes, size_t *size, struct record *record,
                       struct log_fault *fault)
{
    log_finder_keep_from(reader->finder, now.first_segment);
    int error = find_frame(reader, lsn, now, fault);
    if (error != 0)
        return error;
    if (lsn < reader->known_lsn) {
        reader->known_lsn = reader->frame.first_lsn;
        reader->known_offset = 0;
    }
    for (;;) {
        uint32_t offset = reader->known_offset;
        error = load(reader, offset + RECORD_FIXED_BYTES, now, lsn, fault);
        if (error != 0)
            return error;
        uint16_t length = bytes_get_u16(reader->payload + offset);
        if (length < RECORD_FIXED_BYTES)
            return refuse(reader, fault, lsn, "the frame holds what is no record");
        if (reader->known_lsn == lsn) {
            error = load(reader, offset + length, now, lsn, fault);
            if (error != 0)
                return error;
            *bytes = reader->payload + offset;
            *size = record_decode(*bytes, length, record);
            return *size == length ? 0 : refuse(reader, fault, lsn, "no valid record");
        }
        reader->known_lsn++;
        reader->known_offset += length;
    }
}

/* --- an account in a record ------------------------------------------------------------------ */

/* An account after a record. */
struct image {
    uint64_t version;
    int64_t balance_minor;
    uint8_t exponent;
};

/* What a record says of the account of a query. */
struct view {
    bool is_of_account;
    uint64_t previous;
    struct image newest;
    bool has_wanted; /* the version that was asked for is one of those that the record made */
    struct image wanted;
};

static void view_add(struct view *view, const struct history_query *query, struct image image,
                     uint64_t previous)
{
    if (!view->is_of_account || image.version > view->newest.version)
        view->newest = image;
    if (image.version == query->version) {
        view->has_wanted = true;
        view->wanted = image;
    }
    view->is_of_account = true;
    view->previous = previous;
}

static bool is_account(const struct history_query *query, const char *id, size_t id_length)
{
    return id_length == query->account_length && memcmp(id, query->account, id_length) == 0;
}

static struct view view_of(const struct history_query *query, const struct record *record)
{
    struct view view = {0};
    if (is_account(query, record->id, record->id_length)) {
        struct image own = {record->version, record->balance_minor, record->exponent};
        view_add(&view, query, own, record->previous_lsn);
    }
    const uint8_t *at = record->leg_bytes;
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        if (is_account(query, leg.id, leg.id_length)) {
            struct image image = {leg.version, leg.balance_minor, leg.exponent};
            view_add(&view, query, image, leg.previous_lsn);
        }
    }
    return view;
}

/* --- answers --------------------------------------------------------------------------------- */

static void end(struct history_walk *walk, enum history_status status)
{
    walk->ended = true;
    walk->answer.status = status;
}

static void end_failed(struct history_walk *walk, int error)
{
    walk->answer.error = error;
    end(walk, HISTORY_FAILED);
}

static void take_record(struct history_walk *walk, uint64_t lsn, const uint8_t *bytes, size_t size)
{
    assert(HISTORY_PAGE_BYTES - walk->used >= ENTRY_HEADER_BYTES + size);
    bytes_put_u64(walk->bytes + walk->used, lsn);
    memcpy(walk->bytes + walk->used + ENTRY_HEADER_BYTES, bytes, size);
    walk->used += ENTRY_HEADER_BYTES + (uint32_t)size;
    walk->answer.record_count++;
}

static void take_balance(struct history_walk *walk, uint64_t lsn, const struct record *record,
                         const struct image *image)
{
    walk->answer.lsn = lsn;
    walk->answer.time_ns = record->time_ns;
    walk->answer.version = image->version;
    walk->answer.balance_minor = image->balance_minor;
    walk->answer.exponent = image->exponent;
    end(walk, HISTORY_FOUND);
}

/* An applied record of the account, in a page. */
static void visit_for_page(struct history_walk *walk, uint64_t lsn, const struct record *record,
                           const uint8_t *bytes, size_t size)
{
    const struct history_query *query = &walk->query;
    if (record->time_ns < query->from_ns) {
        walk->next = 0;
        return;
    }
    if (record->time_ns < query->to_ns)
        take_record(walk, lsn, bytes, size);
    bool full = walk->answer.record_count == query->limit ||
                HISTORY_PAGE_BYTES - walk->used < ENTRY_HEADER_BYTES + FLORIN_RECORD_MAX;
    if (full && walk->next != 0) {
        walk->answer.next_lsn = lsn;
        end(walk, HISTORY_FOUND);
    }
}

static void visit_for_version(struct history_walk *walk, uint64_t lsn, const struct record *record,
                              const struct view *view)
{
    if (view->has_wanted)
        take_balance(walk, lsn, record, &view->wanted);
    else if (view->newest.version < walk->query.version)
        end(walk, HISTORY_NOT_FOUND);
}

static void visit_for_time(struct history_walk *walk, uint64_t lsn, const struct record *record,
                           const struct view *view)
{
    if (record->time_ns <= walk->query.at_ns)
        take_balance(walk, lsn, record, &view->newest);
}

static void visit(struct history_walk *walk, uint64_t lsn, const struct record *record,
                  const struct view *view, const uint8_t *bytes, size_t size)
{
    if (record->status != FLORIN_APPLIED || lsn == walk->query.before_lsn)
        return;
    switch (walk->query.kind) {
    case HISTORY_PAGE:
        visit_for_page(walk, lsn, record, bytes, size);
        return;
    case HISTORY_BALANCE_AT_VERSION:
        visit_for_version(walk, lsn, record, view);
        return;
    case HISTORY_BALANCE_AT_TIME:
        visit_for_time(walk, lsn, record, view);
        return;
    case HISTORY_TRANSACTION:
        break;
    }
    abort(); /* has no walk */
}

/* What comes next cannot be had. A page with something in it ends here; whoever goes on with its
 * cursor is told why. */
static bool page_ends_before(struct history_walk *walk)
{
    if (walk->answer.record_count == 0 || walk->query.kind != HISTORY_PAGE)
        return false;
    walk->answer.next_lsn = walk->last;
    end(walk, HISTORY_FOUND);
    return true;
}

/* The first record of the account has been looked at. */
static void meet_beginning(struct history_walk *walk)
{
    switch (walk->query.kind) {
    case HISTORY_PAGE:
        end(walk, HISTORY_FOUND);
        return;
    case HISTORY_BALANCE_AT_TIME:
        end(walk, HISTORY_NOT_YET_OPEN);
        return;
    case HISTORY_BALANCE_AT_VERSION:
    case HISTORY_TRANSACTION:
        end(walk, HISTORY_NOT_FOUND);
        return;
    }
}

static void look_at_next(struct history_walk *walk, struct history_reader *reader,
                         struct history_now now)
{
    const uint8_t *bytes;
    size_t size;
    struct record record;
    uint64_t lsn = walk->next;
    bool is_asked_for = walk->last == 0; /* by the caller, not by a pointer in the log */
    if (lsn == 0 || lsn > now.durable_lsn) {
        if (is_asked_for)
            end(walk, HISTORY_NOT_FOUND);
        else
            end_failed(walk, refuse(reader, &walk->fault, walk->last,
                                    "the record before is said to be beyond the end of the log"));
        return;
    }
    int error = read_record(reader, lsn, now, &bytes, &size, &record, &walk->fault);
    if (error == -ENODATA) {
        if (!page_ends_before(walk))
            end(walk, HISTORY_GONE);
        return;
    }
    if (error != 0) {
        if (!page_ends_before(walk))
            end_failed(walk, error);
        return;
    }
    if (walk->query.kind == HISTORY_TRANSACTION) {
        if (record.status == FLORIN_APPLIED)
            take_record(walk, lsn, bytes, size);
        end(walk, record.status == FLORIN_APPLIED ? HISTORY_FOUND : HISTORY_NOT_FOUND);
        return;
    }
    struct view view = view_of(&walk->query, &record);
    if (!view.is_of_account && is_asked_for) {
        end(walk, HISTORY_NOT_FOUND);
        return;
    }
    if (!view.is_of_account || view.previous >= lsn) {
        end_failed(walk,
                   refuse(reader, &walk->fault, lsn, "an account's chain of records is broken"));
        return;
    }
    walk->last = lsn;
    walk->next = view.previous;
    visit(walk, lsn, &record, &view, bytes, size);
    if (!walk->ended && walk->next == 0)
        meet_beginning(walk);
}

/* --- the contract ---------------------------------------------------------------------------- */

void history_walk_begin(struct history_walk *walk, const struct history_query *query,
                        uint8_t *bytes)
{
    assert(query->kind != HISTORY_PAGE ||
           (query->limit > 0 && query->limit <= FLORIN_HISTORY_PAGE_MAX));
    *walk = (struct history_walk){
        .query = *query,
        .answer = {.user_data = query->user_data, .kind = query->kind, .bytes = bytes},
        .next =
            query->kind == HISTORY_PAGE && query->before_lsn > 0 ? query->before_lsn : query->lsn,
        .bytes = bytes,
    };
    if (query->kind != HISTORY_PAGE)
        walk->query.before_lsn = 0;
}

bool history_walk_step(struct history_walk *walk, struct history_reader *reader,
                       struct history_now now, unsigned records_max)
{
    for (unsigned i = 0; i < records_max && !walk->ended; i++)
        look_at_next(walk, reader, now);
    return walk->ended;
}

const uint8_t *history_next_record(const uint8_t *at, uint64_t *lsn, struct record *record)
{
    *lsn = bytes_get_u64(at);
    size_t size = record_decode(at + ENTRY_HEADER_BYTES, FLORIN_RECORD_MAX, record);
    assert(size > 0); /* it was decoded before */
    return at + ENTRY_HEADER_BYTES + size;
}

int history_reader_open(struct storage *storage, const struct meta *meta,
                        struct history_reader **opened)
{
    struct history_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return -ENOMEM;
    reader->payload = malloc(FLORIN_GROUP_BYTES_MAX);
    int error = reader->payload == NULL ? -ENOMEM : 0;
    if (error == 0)
        error = log_finder_open(storage, meta, &reader->finder);
    if (error != 0) {
        history_reader_close(reader);
        return error;
    }
    *opened = reader;
    return 0;
}

void history_reader_close(struct history_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->finder != NULL)
        log_finder_close(reader->finder);
    free(reader->payload);
    free(reader);
}

uint64_t history_reader_reads(const struct history_reader *reader)
{
    return log_finder_reads(reader->finder);
}
