/* test_event_block.c - events in blocks, places in a block, and the blocks of the tail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "florin.h"
#include "http/event_tail.h"

static struct event_builder builder;

static void add(unsigned form, uint64_t lsn)
{
    const struct record record = {
        .kind = FLORIN_DEPOSIT,
        .exponent = 2,
        .time_ns = 1,
        .version = lsn,
        .balance_minor = 100,
        .amount_minor = 100,
        .id = "a",
        .id_length = 1,
    };
    event_builder_add(&builder, form, &record, lsn);
}

/* Events 10, 12 and 14; behind 9, up to 15. */
static struct event_block *make_block(void)
{
    event_builder_begin(&builder, 9);
    for (uint64_t lsn = 10; lsn <= 14; lsn += 2)
        add(0, lsn);
    struct event_block *block = event_builder_end(&builder, 15);
    assert_non_null(block);
    assert_int_equal(block->count, 3);
    return block;
}

static void event__is_written_in_four_forms(void **state)
{
    static const struct {
        unsigned form;
        const char *start;
        const char *end;
        const char *amount;
    } rows[] = {
        {0, "{\"lsn\":7,\"id\":\"txn7\",", "]}\n", "\"amount\":1.00"},
        {EVENT_MONEY_AS_STRING, "{\"lsn\":7,", "]}\n", "\"amount\":\"1.00\""},
        {EVENT_AS_SSE, "id: 7\ndata: {\"lsn\":7,", "]}\n\n", "\"amount\":1.00"},
        {EVENT_AS_SSE | EVENT_MONEY_AS_STRING, "id: 7\ndata: {", "]}\n\n", "\"amount\":\"1.00\""},
    };
    (void)state;
    for (size_t i = 0; i < EVENT_FORMS; i++) {
        event_builder_begin(&builder, 0);
        add(rows[i].form, 7);
        const char *bytes = builder.bytes;
        size_t end = strlen(rows[i].end);
        assert_memory_equal(bytes, rows[i].start, strlen(rows[i].start));
        assert_memory_equal(bytes + builder.length - end, rows[i].end, end);
        assert_non_null(memmem(bytes, builder.length, rows[i].amount, strlen(rows[i].amount)));
    }
}

static void slice__begins_behind_the_position_and_ends_at_the_limit(void **state)
{
    static const struct {
        uint64_t position;
        uint32_t limit;
        uint32_t first; /* number of the first event; 3: none */
        uint32_t count;
        uint64_t position_after;
    } rows[] = {
        {9, 100, 0, 3, 15},  {9, 3, 0, 3, 15},    {9, 2, 0, 2, 12},  {9, 1, 0, 1, 10},
        {10, 100, 1, 2, 15}, {11, 100, 1, 2, 15}, {11, 1, 1, 1, 12}, {12, 100, 2, 1, 15},
        {13, 1, 2, 1, 15},   {14, 1, 3, 0, 15},   {15, 1, 3, 0, 15}, {20, 1, 3, 0, 20},
    };
    struct event_block *block = make_block();
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct event_slice slice = event_block_slice(block, rows[i].position, rows[i].limit);
        assert_int_equal(slice.count, rows[i].count);
        assert_int_equal(slice.position, rows[i].position_after);
        if (rows[i].count == 0) {
            assert_int_equal(slice.length, 0);
            continue;
        }
        uint32_t begin = rows[i].first == 0 ? 0 : block->marks[rows[i].first - 1].end;
        assert_ptr_equal(slice.bytes, block->bytes + begin);
        assert_int_equal(slice.length, block->marks[rows[i].first + rows[i].count - 1].end - begin);
    }
    event_block_release(block);
}

static void builder__is_full_before_a_longest_event_would_not_fit(void **state)
{
    uint64_t lsn = 1;
    (void)state;
    event_builder_begin(&builder, 0);
    while (event_builder_has_room(&builder))
        add(EVENT_AS_SSE, lsn++);
    assert_true(builder.count == EVENT_BLOCK_MARKS || builder.length >= EVENT_BLOCK_BYTES);
    assert_true(builder.length <= EVENT_BLOCK_BYTES + EVENT_BYTES_MAX);
}

/* A block with one event, `lsn`. */
static struct event_block *make_single(uint64_t lsn)
{
    event_builder_begin(&builder, lsn - 1);
    add(0, lsn);
    return event_builder_end(&builder, lsn);
}

static void tail__keeps_the_newest_and_says_from_where(void **state)
{
    enum { BLOCKS = EVENT_TAIL_BLOCKS + 10 };
    struct event_tail *tail = calloc(1, sizeof(*tail));
    (void)state;
    event_tail_begin(tail, 100);
    assert_null(event_tail_find(tail, 100));
    for (uint64_t i = 1; i <= BLOCKS; i++) {
        event_tail_append(tail, make_single(100 + i));
        tail->end = 100 + i;
    }
    assert_int_equal(tail->start, 110);
    for (uint64_t position = tail->start; position < tail->end; position++) {
        const struct event_block *block = event_tail_find(tail, position);
        assert_non_null(block);
        assert_int_equal(block->last, position + 1);
    }
    assert_null(event_tail_find(tail, tail->end));
    assert_null(event_tail_find(tail, tail->end + 5));
    event_tail_end(tail);
    assert_int_equal(tail->bytes, 0);
    free(tail);
}

static void tail__block_outlives_it_for_who_is_sending_it(void **state)
{
    struct event_tail *tail = calloc(1, sizeof(*tail));
    (void)state;
    event_tail_begin(tail, 0);
    event_tail_append(tail, make_single(1));
    struct event_block *block = event_tail_find(tail, 0);
    block->references++;
    event_tail_end(tail);
    assert_int_equal(block->references, 1);
    assert_memory_equal(block->bytes, "{\"lsn\":1,", 9);
    event_block_release(block);
    free(tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event__is_written_in_four_forms),
        cmocka_unit_test(slice__begins_behind_the_position_and_ends_at_the_limit),
        cmocka_unit_test(builder__is_full_before_a_longest_event_would_not_fit),
        cmocka_unit_test(tail__keeps_the_newest_and_says_from_where),
        cmocka_unit_test(tail__block_outlives_it_for_who_is_sending_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
