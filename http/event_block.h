/* event_block.h - events as bytes on the wire, many in one block that all followers share.
 *
 *     NDJSON   {"lsn":131,"id":"txn131",...}\n
 *     SSE      id: 131\ndata: {"lsn":131,"id":"txn131",...}\n\n
 *
 * A block has every event behind `after` up to `last`, and says where each ends, so that a
 * follower who joins in between begins in the middle. A form is one way to write events; there are
 * four. A builder is filled with records, then gives a block of just the size that is needed.
 *
 * Thread: one at a time; who holds references keeps them under a lock of its own.
 */
#ifndef FLORIN_HTTP_EVENT_BLOCK_H
#define FLORIN_HTTP_EVENT_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/record.h"
#include "record_json.h"

enum {
    EVENT_AS_SSE = 1,
    EVENT_MONEY_AS_STRING = 2,
    EVENT_FORMS = 4, /* any sum of these */

    /* A block is full with so many bytes, or events: what a follower holds at most is this and one
     * event more. Small, so that a slow one holds little; 32 KiB are a hundred events. */
    EVENT_BLOCK_BYTES = 32 * 1024,
    EVENT_BLOCK_MARKS = 256,
    EVENT_BYTES_MAX = 64 + RECORD_JSON_BYTES_MAX,
};

struct event_mark {
    uint64_t lsn;
    uint32_t end; /* of its bytes in the block */
};

struct event_block {
    unsigned references; /* the owner's; 1 when it is made */
    uint64_t after;
    uint64_t last;
    uint32_t count;
    uint32_t length;
    const struct event_mark *marks;
    const char *bytes;
};

struct event_builder {
    uint64_t after;
    uint32_t count;
    uint32_t length;
    struct event_mark marks[EVENT_BLOCK_MARKS];
    char bytes[EVENT_BLOCK_BYTES + EVENT_BYTES_MAX];
};

/* Empty, for events behind `after`. */
void event_builder_begin(struct event_builder *builder, uint64_t after);
bool event_builder_has_room(const struct event_builder *builder);
/* Writes an applied record; there is room (asserted). */
void event_builder_add(struct event_builder *builder, unsigned form, const struct record *record,
                       uint64_t lsn);
/* A block of all events behind builder->after up to `last`. NULL: no memory. */
struct event_block *event_builder_end(const struct event_builder *builder, uint64_t last);

/* One reference less; the last one frees it. */
void event_block_release(struct event_block *block);

/* The events that come for a follower at `position`, at most `limit`. */
struct event_slice {
    const char *bytes;
    size_t length; /* 0: none */
    uint32_t count;
    uint64_t position; /* of the follower once it has these */
};
struct event_slice event_block_slice(const struct event_block *block, uint64_t position,
                                     uint32_t limit);

#endif
