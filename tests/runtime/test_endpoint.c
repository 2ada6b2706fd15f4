/* test_endpoint.c - a command is only sent when its answer is sure to find room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "engine/runtime/endpoint.h"

enum { RING_BYTES = 64 * 1024 };

struct fixture {
    struct inbox inbox;
    struct endpoint *endpoint;
};

static struct fixture fixture_make(unsigned except)
{
    struct fixture fixture;
    assert_int_equal(inbox_init(&fixture.inbox), 0);
    assert_int_equal(endpoint_create(2, except, RING_BYTES, &fixture.inbox, &fixture.endpoint), 0);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    endpoint_destroy(fixture->endpoint);
    inbox_deinit(&fixture->inbox);
}

static const struct florin_command read_command = {
    .kind = FLORIN_READ_ACCOUNT, .account = "alice", .account_length = 5};

/* The worker's side: answers every request with the largest result there is. */
static unsigned answer_all(struct endpoint *endpoint, unsigned worker)
{
    static const char metadata[FLORIN_METADATA_MAX];
    struct endpoint_link *link = &endpoint->links[worker];
    unsigned answered = 0;
    size_t length;
    const void *bytes;
    while ((bytes = ring_next(&link->requests, &length)) != NULL) {
        struct message_command message;
        message_get_command(bytes, &message);
        struct florin_result result = {.user_data = message.command.user_data,
                                       .kind = message.command.kind,
                                       .metadata = metadata,
                                       .metadata_length = sizeof metadata};
        endpoint_answer(endpoint, worker, &result); /* asserts that there is room */
        answered++;
    }
    ring_release(&link->requests);
    ring_publish(&link->answers);
    return answered;
}

static void endpoint__every_accepted_command_has_room_for_its_answer(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make(UINT_MAX);
    struct endpoint *endpoint = fixture.endpoint;
    for (unsigned round = 0; round < 100; round++) {
        unsigned sent = 0;
        while (endpoint_send(endpoint, 1, &read_command, 0, 0))
            sent++;
        assert_true(sent > 10);
        assert_int_equal(endpoint->outstanding, sent);
        assert_true(endpoint_publish(endpoint, 1));
        assert_int_equal(answer_all(endpoint, 1), sent);
        assert_true(endpoint_has_results(endpoint));
        struct florin_result result;
        /* leave some behind, so that the rings wrap at other places */
        for (unsigned i = 0; i < sent - round % 3; i++)
            assert_true(endpoint_receive(endpoint, 1, &result));
        endpoint_release(endpoint, 1);
        assert_int_equal(endpoint->outstanding, round % 3);
        while (endpoint_receive(endpoint, 1, &result))
            assert_int_equal(result.metadata_length, FLORIN_METADATA_MAX);
        endpoint_release(endpoint, 1);
        assert_int_equal(endpoint->outstanding, 0);
    }
    fixture_free(&fixture);
}

static void endpoint__sends_nothing_to_itself(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make(0);
    assert_false(endpoint_send(fixture.endpoint, 0, &read_command, 0, 0));
    assert_true(endpoint_send(fixture.endpoint, 1, &read_command, 0, 0));
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoint__every_accepted_command_has_room_for_its_answer),
        cmocka_unit_test(endpoint__sends_nothing_to_itself),
    };
    return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
