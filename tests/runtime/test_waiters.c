/* test_waiters.c - results come out when, and only when, what they show is durable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/core/shard.h"
#include "engine/runtime/waiters.h"

static int setup(void **state)
{
    struct waiters *waiters = malloc(sizeof *waiters);
    assert_non_null(waiters);
    assert_int_equal(waiters_init(waiters), 0);
    *state = waiters;
    return 0;
}

static int teardown(void **state)
{
    waiters_deinit(*state);
    free(*state);
    return 0;
}

/* An applied change of an account, as the `place`-th record of the stage. */
static int32_t add_change(struct waiters *waiters, uint64_t place, uint32_t account,
                          uint64_t version, uint64_t deadline)
{
    int32_t number = waiters_take(waiters);
    struct waiter *waiter = waiters_at(waiters, number);
    *waiter = (struct waiter){
        .result = {.status = FLORIN_APPLIED,
                   .version = version,
                   .transaction_id = SHARD_LSN_PROVISIONAL | place},
        .account_slot = account,
        .staged = true,
        .raised = 1,
    };
    waiters_stage(waiters, number, deadline);
    return number;
}

static void waiters__come_out_in_order_when_durable(void **state)
{
    struct waiters *waiters = *state;
    int32_t first = add_change(waiters, 0, 1, 2, 100);
    int32_t second = add_change(waiters, 1, 2, 5, 100);
    waiters_seal(waiters, 10, 11);
    int32_t third = add_change(waiters, 0, 1, 3, 100);
    waiters_seal(waiters, 12, 12);
    assert_int_equal(waiters_pop_durable(waiters, 9), WAITER_NONE);
    assert_int_equal(waiters_pop_durable(waiters, 10), WAITER_NONE); /* half a batch */
    assert_int_equal(waiters_pop_durable(waiters, 11), first);
    assert_int_equal(waiters_pop_durable(waiters, 11), second);
    assert_int_equal(waiters_pop_durable(waiters, 11), WAITER_NONE);
    assert_int_equal(waiters_pop_durable(waiters, 12), third);
    assert_int_equal(waiters->unanswered, 0);
}

static void waiters__get_their_place_in_the_log(void **state)
{
    struct waiters *waiters = *state;
    int32_t first = add_change(waiters, 0, 1, 2, 100);
    int32_t second = add_change(waiters, 1, 1, 3, 100);
    waiters_seal(waiters, 41, 42);
    assert_int_equal(waiters_at(waiters, first)->result.transaction_id, 41);
    assert_int_equal(waiters_at(waiters, second)->result.transaction_id, 42);
}

static void waiters__reader_waits_for_its_account_only(void **state)
{
    struct waiters *waiters = *state;
    int32_t change = add_change(waiters, 0, 1, 2, 100);
    waiters_seal(waiters, 10, 10);
    int32_t younger = add_change(waiters, 0, 2, 2, 100);
    waiters_seal(waiters, 11, 11);
    int32_t reader = waiters_take(waiters);
    waiters_join(waiters, reader, 10, 100);
    assert_int_equal(waiters_pop_durable(waiters, 10), change);
    assert_int_equal(waiters_pop_durable(waiters, 10), reader);
    assert_int_equal(waiters_pop_durable(waiters, 10), WAITER_NONE);
    assert_int_equal(waiters_pop_durable(waiters, 11), younger);
}

static void waiters__expire_once_and_never_come_out_again(void **state)
{
    struct waiters *waiters = *state;
    int32_t sealed = add_change(waiters, 0, 1, 2, 100);
    waiters_seal(waiters, 10, 10);
    int32_t staged = add_change(waiters, 0, 1, 3, 200);
    assert_int_equal(waiters_next_deadline(waiters), 100);
    assert_int_equal(waiters_next_expired(waiters, 99), WAITER_NONE);
    assert_int_equal(waiters_next_expired(waiters, 100), sealed);
    assert_int_equal(waiters_next_expired(waiters, 100), WAITER_NONE);
    assert_int_equal(waiters_next_deadline(waiters), 200);
    assert_int_equal(waiters_next_expired(waiters, 200), staged);
    assert_int_equal(waiters_next_expired(waiters, 200), WAITER_NONE);
    assert_int_equal(waiters_next_deadline(waiters), UINT64_MAX);
    uint32_t free_before = waiters->free_count;
    waiters_seal(waiters, 11, 11);
    assert_int_equal(waiters_pop_durable(waiters, 11), WAITER_NONE);
    assert_int_equal(waiters->free_count, free_before + 2);
}

/* A hold ends by its time: its record is handed over, and nobody has asked for it. */
static void waiters__reader_of_what_nobody_waits_for_has_its_own_deadline(void **state)
{
    struct waiters *waiters = *state;
    waiters_seal(waiters, 10, 10);
    int32_t reader = waiters_take(waiters);
    *waiters_at(waiters, reader) = (struct waiter){.result = {.status = FLORIN_APPLIED}};
    waiters_join(waiters, reader, 10, 100);
    assert_int_equal(waiters_next_deadline(waiters), 100);
    assert_int_equal(waiters_next_expired(waiters, 99), WAITER_NONE);
    assert_int_equal(waiters_next_expired(waiters, 100), reader);
}

static void waiters__know_the_durable_version_also_after_expiry(void **state)
{
    struct waiters *waiters = *state;
    add_change(waiters, 0, 7, 5, 100);
    waiters_seal(waiters, 10, 10);
    add_change(waiters, 0, 7, 6, 100);
    assert_int_equal(waiters_durable_version(waiters, 7, 6), 4);
    assert_int_equal(waiters_durable_version(waiters, 8, 6), 6);
    waiters_next_expired(waiters, 100);
    assert_int_equal(waiters_durable_version(waiters, 7, 6), 4);
    waiters_pop_durable(waiters, 10);
    assert_int_equal(waiters_durable_version(waiters, 7, 6), 5);
}

/* Of thousands of accounts, some of which share a place in the table, and after every change. */
static void waiters__know_the_durable_versions_of_many_accounts(void **state)
{
    enum { ACCOUNTS = 5000, SHARING = 4, STRIDE = WAITERS_VERSIONS, ROUNDS = 3, UNUSED = 3000 };
    struct waiters *waiters = *state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < ACCOUNTS; i++) {
            uint32_t account = i / SHARING + i % SHARING * STRIDE;
            add_change(waiters, round * ACCOUNTS + i, account, 2 + i % SHARING + round, 100);
            if (i % 1000 > SHARING)
                continue;
            assert_int_equal(waiters_durable_version(waiters, account, 9), 1 + i % SHARING);
            assert_int_equal(waiters_durable_version(waiters, account + UNUSED, 9), 9);
        }
    }
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        uint32_t account = i / SHARING + i % SHARING * STRIDE;
        assert_int_equal(waiters_durable_version(waiters, account, 9), 1 + i % SHARING);
    }
}

static void waiters__keep_a_reserve_for_expired_answers(void **state)
{
    struct waiters *waiters = *state;
    unsigned taken = 0;
    while (waiters_have_room(waiters, 0, 1)) {
        assert_int_not_equal(waiters_take(waiters), WAITER_NONE);
        taken++;
    }
    assert_int_equal(taken, FLORIN_WAITERS_MAX - WAITERS_RESERVE);
    assert_int_not_equal(waiters_take(waiters), WAITER_NONE);
}

static void waiters__batches_are_bounded(void **state)
{
    struct waiters *waiters = *state;
    for (uint64_t i = 0; i < WAITERS_BATCHES_MAX; i++) {
        assert_true(waiters_can_seal(waiters));
        add_change(waiters, 0, 1, i + 1, 100);
        waiters_seal(waiters, i + 1, i + 1);
    }
    assert_false(waiters_can_seal(waiters));
    assert_int_not_equal(waiters_pop_durable(waiters, 1), WAITER_NONE);
    assert_int_equal(waiters_pop_durable(waiters, 1), WAITER_NONE);
    assert_true(waiters_can_seal(waiters));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waiters__come_out_in_order_when_durable, setup, teardown),
        cmocka_unit_test_setup_teardown(waiters__get_their_place_in_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(waiters__reader_waits_for_its_account_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(waiters__expire_once_and_never_come_out_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            waiters__reader_of_what_nobody_waits_for_has_its_own_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(waiters__know_the_durable_version_also_after_expiry, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(waiters__know_the_durable_versions_of_many_accounts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(waiters__keep_a_reserve_for_expired_answers, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(waiters__batches_are_bounded, setup, teardown),
    };
    return cmocka_run_group_tests_name("waiters", tests, NULL, NULL);
}
