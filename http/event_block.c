/* event_block.c - writes events into blocks, and finds a follower's place in one. */
#include "event_block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void event_builder_begin(struct event_builder *builder, uint64_t after)
{
    builder->after = after;
    builder->count = 0;
    builder->length = 0;
}

bool event_builder_has_room(const struct event_builder *builder)
{
    return builder->length < EVENT_BLOCK_BYTES && builder->count < EVENT_BLOCK_MARKS;
}

void event_builder_add(struct event_builder *builder, unsigned form, const struct record *record,
                       uint64_t lsn)
{
    const struct answer_style style = {.money_as_string = (form & EVENT_MONEY_AS_STRING) != 0};
    struct json_text text;
    assert(event_builder_has_room(builder));
    json_text_init(&text, builder->bytes + builder->length,
                   sizeof(builder->bytes) - builder->length);
    if (form & EVENT_AS_SSE) {
        json_text_raw(&text, "id: ", 4);
        json_text_unsigned(&text, lsn);
        json_text_raw(&text, "\ndata: ", 7);
    }
    json_text_raw(&text, "{", 1);
    json_text_member_unsigned(&text, "lsn", lsn);
    record_json_members(&text, record, lsn, &style);
    json_text_raw(&text, "}\n\n", form & EVENT_AS_SSE ? 3 : 2);
    assert(!text.truncated);
    builder->length += (uint32_t)text.length;
    builder->marks[builder->count++] = (struct event_mark){lsn, builder->length};
}

struct event_block *event_builder_end(const struct event_builder *builder, uint64_t last)
{
    size_t marks_size = builder->count * sizeof(struct event_mark);
    struct event_block *block = malloc(sizeof(*block) + marks_size + builder->length);
    if (block == NULL)
        return NULL;
    struct event_mark *marks = (void *)(block + 1);
    char *bytes = (char *)marks + marks_size;
    memcpy(marks, builder->marks, marks_size);
    memcpy(bytes, builder->bytes, builder->length);
    *block = (struct event_block){
        .references = 1,
        .after = builder->after,
        .last = last,
        .count = builder->count,
        .length = builder->length,
        .marks = marks,
        .bytes = bytes,
    };
    return block;
}

void event_block_release(struct event_block *block)
{
    assert(block->references > 0);
    if (--block->references == 0)
        free(block);
}

/* The first event behind the position; count: there is none. */
static uint32_t find_mark(const struct event_block *block, uint64_t position)
{
    uint32_t low = 0;
    uint32_t high = block->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (block->marks[middle].lsn <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct event_slice event_block_slice(const struct event_block *block, uint64_t position,
                                     uint32_t limit)
{
    assert(position >= block->after && limit > 0);
    uint32_t first = find_mark(block, position);
    uint32_t count = block->count - first;
    bool is_cut = count > limit;
    if (is_cut)
        count = limit;
    if (count == 0)
        return (struct event_slice){.position = position > block->last ? position : block->last};
    uint32_t begin = first == 0 ? 0 : block->marks[first - 1].end;
    const struct event_mark *end = &block->marks[first + count - 1];
    return (struct event_slice){
        .bytes = block->bytes + begin,
        .length = end->end - begin,
        .count = count,
        .position = is_cut ? end->lsn : block->last,
    };
}
