/* Parts of reversals: whatever is asked for, each leg gives its share, and all of it in the end. */
#include "reversal_support.h"

enum { MANY = 12, LARGE = 1 << 28 };

/* Pairs of legs of one amount in one currency, on accounts by chance. */
static uint8_t choose_legs(uint64_t *random, struct florin_leg legs[FLORIN_LEGS_MAX],
                           char ids[MANY][4])
{
    uint8_t pairs = (uint8_t)(1 + random_below(random, FLORIN_LEGS_MAX / 2));
    int64_t most = random_below(random, 2) ? 9 : LARGE;
    for (uint8_t i = 0; i < pairs; i++) {
        uint64_t currency = random_below(random, 2);
        int64_t amount = 1 + (int64_t)random_below(random, (uint64_t)most);
        bool debit_first = random_below(random, 2) == 0;
        for (uint8_t j = 0; j < 2; j++) {
            const char *id = ids[2 * random_below(random, MANY / 2) + currency];
            legs[2 * i + j] = (struct florin_leg){
                .account = id,
                .account_length = strlen(id),
                .direction = (j == 0) == debit_first ? FLORIN_DEBIT : FLORIN_CREDIT,
                .amount_minor = amount,
            };
        }
    }
    /* the sides of a currency need not have legs of the same amounts */
    if (pairs > 1 && legs[0].direction == legs[2].direction) {
        for (uint8_t i = 2; i < 2 * pairs; i++) {
            if (legs[i].direction == legs[0].direction && legs[i].amount_minor > 1 &&
                (legs[i].account[1] - legs[0].account[1]) % 2 == 0) {
                legs[0].amount_minor += legs[i].amount_minor / 2;
                legs[i].amount_minor -= legs[i].amount_minor / 2;
                break;
            }
        }
    }
    return (uint8_t)(2 * pairs);
}

/* Of each currency as much in as out; what each leg gave is added to `given`. */
static void take_part(const struct ledger *ledger, const struct florin_leg *legs, uint8_t count,
                      int64_t given[FLORIN_LEGS_MAX])
{
    struct record record = last_record(ledger);
    struct florin_leg part[FLORIN_LEGS_MAX];
    int64_t sums[2] = {0, 0};
    assert_int_equal(record.kind, FLORIN_REVERSE);
    assert_int_equal(reversal_legs(&record, part), count);
    for (uint8_t i = 0; i < count; i++) {
        assert_int_equal(part[i].direction, legs[i].direction); /* turned round twice */
        assert_memory_equal(part[i].account, legs[i].account, legs[i].account_length);
        assert_true(part[i].amount_minor >= 0);
        given[i] += part[i].amount_minor;
        assert_true(given[i] <= legs[i].amount_minor);
        sums[(legs[i].account[1] - 'a') % 2] +=
            part[i].direction == FLORIN_CREDIT ? part[i].amount_minor : -part[i].amount_minor;
    }
    assert_int_equal(sums[0], 0);
    assert_int_equal(sums[1], 0);
}

static void parts__add_up_to_the_whole_of_every_leg(void **state)
{
    struct ledger *ledger = *state;
    uint64_t random = seed_choose();
    char ids[MANY][4];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof(ids[i]), "m%c", 'a' + (int)i);
        open_with(ledger, ids[i], INT64_C(1) << 50, i % 2 ? "JPY" : "USD");
    }
    for (unsigned round = 0; round < 120; round++) {
        struct florin_leg legs[FLORIN_LEGS_MAX];
        uint8_t count = choose_legs(&random, legs, ids);
        int64_t given[FLORIN_LEGS_MAX] = {0};
        struct florin_command command = posting_make(FLORIN_POSTING, legs[0].account, NULL, 0, 0);
        command.legs = legs;
        command.leg_count = count;
        struct florin_result posted = run_sealed(ledger, &command);
        assert_int_equal(posted.status, FLORIN_APPLIED);
        unsigned parts = 1 + (unsigned)random_below(&random, 6);
        for (unsigned i = 1; i <= parts && given[0] < legs[0].amount_minor; i++) {
            int64_t left = legs[0].amount_minor - given[0];
            int64_t part = i == parts ? 0 : 1 + (int64_t)random_below(&random, (uint64_t)left);
            struct florin_result result =
                reverse(ledger, legs[0].account, NULL, posted.transaction_id, part);
            assert_int_equal(result.status, FLORIN_APPLIED);
            assert_int_equal(result.amount_minor, part == 0 ? left : part);
            take_part(ledger, legs, count, given);
        }
        for (uint8_t i = 0; i < count; i++)
            assert_int_equal(given[i], legs[i].amount_minor);
        check_status(ledger, legs[0].account, NULL, posted.transaction_id, 0,
                     FLORIN_REVERSAL_EXCEEDED, FLORIN_FIELD_AMOUNT);
    }
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(balance(ledger, ids[i]), INT64_C(1) << 50);
    check_replay(ledger);
}

/* Money that went to and fro adds up to more than 64 bits. */
static void sums_of_legs__may_be_out_of_range(void **state)
{
    struct ledger *ledger = *state;
    const int64_t huge = INT64_C(1) << 62;
    struct florin_leg legs[FLORIN_LEGS_MAX];
    open_with(ledger, "x", huge, "USD");
    open_with(ledger, "y", 0, "USD");
    for (unsigned i = 0; i < FLORIN_LEGS_MAX; i++) {
        bool back = i / 2 % 2 == 1;
        legs[i] = (struct florin_leg){.account = (i % 2 == 0) != back ? "x" : "y",
                                      .account_length = 1,
                                      .direction = i % 2 == 0 ? FLORIN_DEBIT : FLORIN_CREDIT,
                                      .amount_minor = huge};
    }
    struct florin_command command = posting_make(FLORIN_POSTING, "x", NULL, 0, 0);
    command.legs = legs;
    command.leg_count = FLORIN_LEGS_MAX;
    uint64_t target = run_sealed(ledger, &command).transaction_id;
    assert_int_equal(balance(ledger, "x"), huge);
    open_with(ledger, "z", huge, "USD");
    (void)transfer(ledger, "z", "y", huge);
    struct florin_result result = reverse(ledger, "x", NULL, target, huge / 4 + 1);
    assert_int_equal(result.status, FLORIN_APPLIED);
    int64_t given[FLORIN_LEGS_MAX] = {0};
    struct record record = last_record(ledger);
    struct florin_leg part[FLORIN_LEGS_MAX];
    assert_int_equal(reversal_legs(&record, part), FLORIN_LEGS_MAX);
    for (unsigned i = 0; i < FLORIN_LEGS_MAX; i++) {
        given[i] = part[i].amount_minor;
        assert_int_equal(given[i], huge / 4 + 1);
    }
    check_replay(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reversal_test(parts__add_up_to_the_whole_of_every_leg),
        reversal_test(sums_of_legs__may_be_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
