/* The hold table keeps index, lists, heap and sums in step, whatever comes and goes. */
#include "support.h"

#include "engine/core/hold_table.h"
#include "engine/core/record.h"

enum { ACCOUNTS = 8, HOLDS_MAX = 300, MODEL_STEPS = 60000 };

struct fixture {
    struct hash_secret secret;
    struct account_table accounts;
    struct hold_table holds;
    void *account_memory;
    void *hold_memory;
};

static void setup(struct fixture *fixture, uint64_t holds_max)
{
    hash_secret_init(&fixture->secret, "seed", 4);
    fixture->account_memory = memory_take(account_table_memory_bytes(ACCOUNTS));
    fixture->hold_memory = memory_take(hold_table_memory_bytes(holds_max));
    account_table_init(&fixture->accounts, ACCOUNTS, fixture->account_memory);
    hold_table_init(&fixture->holds, &fixture->secret, holds_max, fixture->hold_memory);
    for (int i = 0; i < ACCOUNTS; i++) {
        char id[8];
        snprintf(id, sizeof(id), "a%d", i);
        const struct account_content content = {
            .id = id, .id_length = strlen(id), .currency = {"USD", 2}};
        assert_non_null(
            account_table_add(&fixture->accounts, (uint64_t)i * UINT64_C(0x100000001), &content));
    }
}

static void teardown(struct fixture *fixture)
{
    free(fixture->hold_memory);
    free(fixture->account_memory);
}

static uint32_t add(struct fixture *fixture, uint32_t account, uint64_t lsn, int64_t amount_minor,
                    uint64_t expires_ns)
{
    return hold_table_add(&fixture->holds, &fixture->accounts, &fixture->accounts.slots[account],
                          lsn, amount_minor, expires_ns);
}

/* --- by hand ----------------------------------------------------------------------------- */

static void holds__are_found_by_their_position_until_they_end(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 4);
    const struct account_opening *opening = &fixture.accounts.openings[3];
    uint32_t first = add(&fixture, 3, 10, 500, 0);
    uint32_t second = add(&fixture, 3, 11, 30, 77);
    assert_int_equal(hold_table_find(&fixture.holds, 10), first);
    assert_int_equal(hold_table_find(&fixture.holds, 11), second);
    assert_int_equal(hold_table_find(&fixture.holds, 12), HOLD_NONE);
    assert_int_equal(opening->held_minor, 530);
    assert_int_equal(opening->hold_count, 2);
    assert_int_equal(fixture.holds.slots[second].account_slot, 3);

    hold_table_remove(&fixture.holds, &fixture.accounts, first);
    assert_int_equal(hold_table_find(&fixture.holds, 10), HOLD_NONE);
    assert_int_equal(hold_table_find(&fixture.holds, 11), second);
    assert_int_equal(opening->held_minor, 30);
    assert_int_equal(opening->hold_count, 1);
    hold_table_remove(&fixture.holds, &fixture.accounts, second);
    assert_int_equal(opening->held_minor, 0);
    assert_int_equal(opening->first_hold, 0);
    assert_int_equal(fixture.holds.count, 0);
    teardown(&fixture);
}

static void provisional_holds__are_found_when_they_are_sealed(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 4);
    uint32_t final = add(&fixture, 0, 9, 1, 50);
    uint32_t slot = add(&fixture, 0, RECORD_LSN_PROVISIONAL | 2, 1, 50);
    uint32_t gone = add(&fixture, 0, RECORD_LSN_PROVISIONAL | 3, 1, 50);
    assert_int_equal(hold_table_find(&fixture.holds, RECORD_LSN_PROVISIONAL | 2), HOLD_NONE);
    assert_int_equal(hold_table_soonest(&fixture.holds), final);
    hold_table_remove(&fixture.holds, &fixture.accounts, gone);
    hold_table_set_lsn(&fixture.holds, slot, 12);
    assert_int_equal(hold_table_find(&fixture.holds, 12), slot);
    assert_int_equal(fixture.holds.slots[slot].lsn, 12);
    hold_table_remove(&fixture.holds, &fixture.accounts, slot);
    assert_int_equal(hold_table_find(&fixture.holds, 12), HOLD_NONE);
    teardown(&fixture);
}

static void full_table__has_room_again_when_a_hold_ends(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 2);
    assert_true(hold_table_has_room(&fixture.holds));
    add(&fixture, 0, 1, 1, 0);
    uint32_t slot = add(&fixture, 1, 2, 1, 0);
    assert_false(hold_table_has_room(&fixture.holds));
    hold_table_remove(&fixture.holds, &fixture.accounts, slot);
    assert_true(hold_table_has_room(&fixture.holds));
    assert_int_equal(add(&fixture, 2, 3, 1, 0), slot);
    assert_false(hold_table_has_room(&fixture.holds));
    teardown(&fixture);
}

static void soonest__is_the_oldest_of_those_that_expire_first(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 8);
    assert_int_equal(hold_table_soonest(&fixture.holds), HOLD_NONE);
    add(&fixture, 0, 1, 1, 0); /* never */
    assert_int_equal(hold_table_soonest(&fixture.holds), HOLD_NONE);
    add(&fixture, 0, 2, 1, 300);
    add(&fixture, 1, 3, 1, 200);
    add(&fixture, 0, 4, 1, 200);
    add(&fixture, 1, 5, 1, 400);
    static const uint64_t ORDER[] = {3, 4, 2, 5};
    for (size_t i = 0; i < COUNT_OF(ORDER); i++) {
        uint32_t slot = hold_table_soonest(&fixture.holds);
        assert_int_equal(fixture.holds.slots[slot].lsn, ORDER[i]);
        hold_table_remove(&fixture.holds, &fixture.accounts, slot);
    }
    assert_int_equal(hold_table_soonest(&fixture.holds), HOLD_NONE);
    assert_int_equal(fixture.holds.count, 1);
    teardown(&fixture);
}

/* --- against a model ----------------------------------------------------------------------- */

/* The same holds in an array, oldest first, searched from end to end. */
struct model {
    struct model_hold {
        uint64_t lsn;
        int64_t amount_minor;
        uint64_t expires_ns;
        uint32_t account;
        uint32_t slot;
    } holds[HOLDS_MAX];
    uint32_t count;
};

static const struct model_hold *model_soonest(const struct model *model)
{
    const struct model_hold *soonest = NULL;
    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_hold *hold = &model->holds[i];
        if (hold->expires_ns != 0 && (soonest == NULL || hold->expires_ns < soonest->expires_ns))
            soonest = hold;
    }
    return soonest;
}

/* The list of an account, the newest first, and its sums. */
static void check_account(const struct fixture *fixture, const struct model *model,
                          uint32_t account)
{
    const struct account_opening *opening = &fixture->accounts.openings[account];
    uint32_t slot = opening->first_hold - 1;
    int64_t held_minor = 0;
    uint32_t count = 0;
    uint32_t before = HOLD_NONE;
    for (uint32_t i = model->count; i-- > 0;) {
        if (model->holds[i].account != account)
            continue;
        assert_int_equal(slot, model->holds[i].slot);
        assert_int_equal(fixture->holds.slots[slot].previous, before);
        held_minor += model->holds[i].amount_minor;
        count++;
        before = slot;
        slot = fixture->holds.slots[slot].next;
    }
    assert_int_equal(slot, HOLD_NONE);
    assert_int_equal(opening->held_minor, held_minor);
    assert_int_equal(opening->hold_count, count);
}

static void check_model(const struct fixture *fixture, const struct model *model)
{
    const struct model_hold *soonest = model_soonest(model);
    assert_int_equal(fixture->holds.count, model->count);
    assert_int_equal(hold_table_soonest(&fixture->holds),
                     soonest == NULL ? HOLD_NONE : soonest->slot);
    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_hold *hold = &model->holds[i];
        const struct hold *stored = &fixture->holds.slots[hold->slot];
        bool is_final = (hold->lsn & RECORD_LSN_PROVISIONAL) == 0;
        assert_int_equal(hold_table_find(&fixture->holds, hold->lsn),
                         is_final ? hold->slot : HOLD_NONE);
        assert_int_equal(stored->lsn, hold->lsn);
        assert_int_equal(stored->amount_minor, hold->amount_minor);
        assert_int_equal(stored->expires_ns, hold->expires_ns);
        assert_int_equal(stored->account_slot, hold->account);
    }
    for (uint32_t account = 0; account < ACCOUNTS; account++)
        check_account(fixture, model, account);
}

static void model_remove(struct model *model, uint32_t number)
{
    model->count--;
    memmove(&model->holds[number], &model->holds[number + 1],
            (model->count - number) * sizeof(model->holds[0]));
}

/* All provisional ones get positions behind `*lsn`. */
static void seal_all(struct fixture *fixture, struct model *model, uint64_t *lsn,
                     uint64_t *provisional)
{
    for (uint32_t i = 0; i < model->count; i++) {
        struct model_hold *hold = &model->holds[i];
        uint64_t final = record_final_lsn(hold->lsn, *lsn + 1);
        if (final == hold->lsn)
            continue;
        hold_table_set_lsn(&fixture->holds, hold->slot, final);
        hold->lsn = final;
    }
    *lsn += *provisional + 1;
    *provisional = 0;
}

static void random_holds__are_those_of_a_model(void **state)
{
    (void)state;
    struct fixture fixture;
    static struct model model;
    uint64_t random = seed_choose();
    uint64_t lsn = 0;
    uint64_t provisional = 0;
    bool was_full = false;
    setup(&fixture, HOLDS_MAX);
    model.count = 0;
    for (int step = 0; step < MODEL_STEPS; step++) {
        /* It fills up, and empties, in turns. */
        uint64_t bias = step / 2000 % 2 == 0 ? 6 : 4;
        if (random_below(&random, 10) < bias && hold_table_has_room(&fixture.holds)) {
            struct model_hold hold = {
                .lsn = RECORD_LSN_PROVISIONAL | provisional++,
                .amount_minor = 1 + (int64_t)random_below(&random, 1000),
                .expires_ns = random_below(&random, 40), /* many at one time, some never */
                .account = (uint32_t)random_below(&random, ACCOUNTS),
            };
            hold.slot = add(&fixture, hold.account, hold.lsn, hold.amount_minor, hold.expires_ns);
            model.holds[model.count++] = hold;
        } else if (model.count > 0) {
            uint32_t number = (uint32_t)random_below(&random, model.count);
            hold_table_remove(&fixture.holds, &fixture.accounts, model.holds[number].slot);
            model_remove(&model, number);
        }
        was_full = was_full || model.count == HOLDS_MAX;
        if (random_below(&random, 8) == 0)
            seal_all(&fixture, &model, &lsn, &provisional);
        if (step % 50 == 0)
            check_model(&fixture, &model);
    }
    assert_true(was_full);
    while (model.count > 0) {
        hold_table_remove(&fixture.holds, &fixture.accounts, model.holds[0].slot);
        model_remove(&model, 0);
    }
    check_model(&fixture, &model);
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds__are_found_by_their_position_until_they_end),
        cmocka_unit_test(provisional_holds__are_found_when_they_are_sealed),
        cmocka_unit_test(full_table__has_room_again_when_a_hold_ends),
        cmocka_unit_test(soonest__is_the_oldest_of_those_that_expire_first),
        cmocka_unit_test(random_holds__are_those_of_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
