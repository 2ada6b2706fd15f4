/* test_ring.c - messages come out as they went in, in order, one at a time, across threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runtime/ring.h"

enum { RING_BYTES = 4096 };

struct fixture {
    struct ring ring;
    _Alignas(64) uint8_t bytes[RING_BYTES];
};

static int setup(void **state)
{
    struct fixture *fixture = aligned_alloc(64, sizeof *fixture);
    assert_non_null(fixture);
    ring_init(&fixture->ring, fixture->bytes, RING_BYTES);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void ring__shows_nothing_before_publish(void **state)
{
    struct ring *ring = &((struct fixture *)*state)->ring;
    size_t length;
    memcpy(ring_reserve(ring, 5), "hello", 5);
    assert_null(ring_next(ring, &length));
    assert_true(ring_publish(ring));
    const char *message = ring_next(ring, &length);
    assert_int_equal(length, 5);
    assert_memory_equal(message, "hello", 5);
    assert_null(ring_next(ring, &length));
}

static void ring__publish_says_whether_there_was_news(void **state)
{
    struct ring *ring = &((struct fixture *)*state)->ring;
    assert_false(ring_publish(ring));
    assert_non_null(ring_reserve(ring, 8));
    assert_true(ring_publish(ring));
    assert_false(ring_publish(ring));
}

static void ring__peek_leaves_the_message(void **state)
{
    struct ring *ring = &((struct fixture *)*state)->ring;
    size_t length;
    memcpy(ring_reserve(ring, 3), "one", 3);
    ring_publish(ring);
    const void *peeked = ring_peek(ring, &length);
    assert_ptr_equal(ring_next(ring, &length), peeked);
    assert_null(ring_peek(ring, &length));
}

static void ring__is_full_until_released(void **state)
{
    struct ring *ring = &((struct fixture *)*state)->ring;
    size_t length;
    unsigned count = 0;
    while (ring_reserve(ring, 56) != NULL)
        count++;
    assert_int_equal(count, RING_BYTES / 64);
    ring_publish(ring);
    assert_non_null(ring_next(ring, &length));
    assert_null(ring_reserve(ring, 56)); /* read, but not given back */
    ring_release(ring);
    assert_non_null(ring_reserve(ring, 56));
    assert_null(ring_reserve(ring, 56));
}

static void ring__has_ample_room_while_a_quarter_stays_free(void **state)
{
    struct ring *ring = &((struct fixture *)*state)->ring;
    size_t length;
    size_t bytes = 0;
    for (; ring_has_ample_room(ring, 56); bytes += 64)
        assert_non_null(ring_reserve(ring, 56));
    assert_in_range(bytes, RING_BYTES / 2, RING_BYTES / 4 * 3);
    for (unsigned i = 0; i < RING_BYTES / 4 / 64; i++)
        assert_non_null(ring_reserve(ring, 56));
    assert_false(ring_has_ample_room(ring, 56));
    /* what was read is free */
    ring_publish(ring);
    while (ring_next(ring, &length) != NULL)
        continue;
    ring_release(ring);
    assert_true(ring_has_ample_room(ring, 56));
}

/* Lengths that do not divide the ring, so that every message meets the end of the ring in turn. */
static void ring__keeps_messages_whole_where_it_wraps(void **state)
{
    struct ring *ring = &((struct fixture *)*state)->ring;
    for (unsigned i = 0; i < 10000; i++) {
        size_t put = 1 + i * 37 % 1000;
        uint8_t *room = ring_reserve(ring, put);
        assert_non_null(room);
        assert_int_equal((uintptr_t)room % 8, 0);
        memset(room, (int)(i & 0xff), put);
        ring_publish(ring);
        size_t got;
        const uint8_t *message = ring_next(ring, &got);
        assert_non_null(message);
        assert_int_equal(got, put);
        assert_int_equal(message[0], i & 0xff);
        assert_int_equal(message[put - 1], i & 0xff);
        ring_release(ring);
    }
}

enum { THREADED_MESSAGES = 200000 };

static void *produce(void *context)
{
    struct ring *ring = context;
    for (uint64_t i = 0; i < THREADED_MESSAGES;) {
        uint64_t *room = ring_reserve(ring, 8 + i % 64);
        if (room != NULL)
            *room = i++;
        if (room == NULL || i % 7 == 0)
            ring_publish(ring);
    }
    ring_publish(ring);
    return NULL;
}

static void ring__carries_everything_in_order_between_threads(void **state)
{
    struct ring *ring = &((struct fixture *)*state)->ring;
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
    for (uint64_t expected = 0; expected < THREADED_MESSAGES;) {
        size_t length;
        const void *message = ring_next(ring, &length);
        if (message == NULL)
            continue;
        uint64_t value;
        memcpy(&value, message, sizeof value);
        if (value != expected || length != 8 + expected % 64)
            fail_msg("message %llu came as %llu", (unsigned long long)expected,
                     (unsigned long long)value);
        expected++;
        ring_release(ring);
    }
    pthread_join(producer, NULL);
    assert_true(ring_is_empty(ring));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ring__shows_nothing_before_publish, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__publish_says_whether_there_was_news, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__peek_leaves_the_message, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__is_full_until_released, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__has_ample_room_while_a_quarter_stays_free, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ring__keeps_messages_whole_where_it_wraps, setup, teardown),
        cmocka_unit_test_setup_teardown(ring__carries_everything_in_order_between_threads, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
