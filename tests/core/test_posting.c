/* Postings while they are decided: what is refused, in which order, and what becomes of accounts.
 */
#include "posting_support.h"

static void check_decision(struct posting *posting, enum florin_status status,
                           enum florin_field field, uint8_t leg)
{
    struct posting_decision decision = posting_decide(posting);
    assert_int_equal(decision.status, status);
    assert_int_equal(decision.field, field);
    assert_int_equal(decision.leg, leg);
}

/* --- syntax ------------------------------------------------------------------------------ */

static void check_syntax(const struct florin_command *command, enum florin_status status,
                         enum florin_field expected_field, uint8_t expected_leg)
{
    enum florin_field field = FLORIN_FIELD_NONE;
    uint8_t leg = 0;
    assert_int_equal(posting_check(command, &field, &leg), status);
    assert_int_equal(field, expected_field);
    assert_int_equal(leg, expected_leg);
}

enum wrong { RIGHT, BAD_ID, BAD_AMOUNT, BAD_LEAST, BAD_DIRECTION };

static void spoil(struct florin_leg *leg, enum wrong wrong)
{
    if (wrong == BAD_ID)
        leg->account = "no account!";
    if (wrong == BAD_ID)
        leg->account_length = 11;
    if (wrong == BAD_AMOUNT)
        leg->amount_minor = 0;
    if (wrong == BAD_LEAST) {
        leg->has_expected_balance = true;
        leg->expected_balance_minor = INT64_MIN;
    }
    if (wrong == BAD_DIRECTION)
        leg->direction = 3;
}

static void syntax__names_the_gravest_fault_of_all_legs(void **state)
{
    (void)state;
    static const struct {
        enum wrong wrong[3];
        enum florin_status status;
        enum florin_field field;
        uint8_t leg;
    } CASES[] = {
        {{RIGHT, RIGHT, RIGHT}, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0},
        {{RIGHT, BAD_ID, RIGHT}, FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT, 1},
        {{BAD_AMOUNT, RIGHT, RIGHT}, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 0},
        {{RIGHT, BAD_LEAST, RIGHT}, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_EXPECTED_BALANCE, 1},
        {{RIGHT, RIGHT, BAD_DIRECTION}, FLORIN_INVALID_LEGS, FLORIN_FIELD_KIND, 2},
        /* of two, the smaller status; of one status, the earlier leg */
        {{BAD_AMOUNT, RIGHT, BAD_ID}, FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT, 2},
        {{BAD_DIRECTION, BAD_AMOUNT, RIGHT}, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 1},
        {{RIGHT, BAD_AMOUNT, BAD_LEAST}, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 1},
        {{RIGHT, BAD_ID, BAD_ID}, FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT, 1},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct florin_leg legs[3] = {leg_make("a", FLORIN_DEBIT, 2),
                                     leg_make("b", FLORIN_CREDIT, 1),
                                     leg_make("c", FLORIN_CREDIT, 1)};
        struct florin_command command = command_of_legs(FLORIN_POSTING, legs, 3);
        for (size_t j = 0; j < 3; j++)
            spoil(&legs[j], CASES[i].wrong[j]);
        check_syntax(&command, CASES[i].status, CASES[i].field, CASES[i].leg);
    }
}

static void syntax__asks_for_the_right_number_of_legs(void **state)
{
    (void)state;
    struct florin_leg legs[FLORIN_LEGS_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(legs); i++)
        legs[i] = leg_make("a", FLORIN_CREDIT, 1);
    static const struct {
        enum florin_command_kind kind;
        size_t count;
        enum florin_status status;
    } CASES[] = {
        {FLORIN_POSTING, 0, FLORIN_INVALID_LEGS},
        {FLORIN_POSTING, 1, FLORIN_INVALID_LEGS},
        {FLORIN_POSTING, 2, FLORIN_APPLIED},
        {FLORIN_POSTING, FLORIN_LEGS_MAX, FLORIN_APPLIED},
        {FLORIN_POSTING, FLORIN_LEGS_MAX + 1, FLORIN_INVALID_LEGS},
        {FLORIN_BATCH, 0, FLORIN_INVALID_LEGS},
        {FLORIN_BATCH, 1, FLORIN_APPLIED},
        {FLORIN_BATCH, FLORIN_LEGS_MAX, FLORIN_APPLIED},
        {FLORIN_BATCH, FLORIN_LEGS_MAX + 1, FLORIN_INVALID_LEGS},
        {FLORIN_BATCH, SIZE_MAX, FLORIN_INVALID_LEGS},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct florin_command command = command_of_legs(CASES[i].kind, legs, CASES[i].count);
        bool right = CASES[i].status == FLORIN_APPLIED;
        check_syntax(&command, CASES[i].status, right ? FLORIN_FIELD_NONE : FLORIN_FIELD_LEGS, 0);
        command.legs = NULL;
        check_syntax(&command, FLORIN_INVALID_LEGS, FLORIN_FIELD_LEGS, 0);
    }
    /* the command's account is that of the first leg */
    struct florin_command command = command_of_legs(FLORIN_BATCH, legs, 2);
    command.account = "b";
    check_syntax(&command, FLORIN_INVALID_LEGS, FLORIN_FIELD_ACCOUNT, 0);
    spoil(&legs[1], BAD_AMOUNT);
    check_syntax(&command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 1);
}

static void syntax__of_transfers_and_captures(void **state)
{
    (void)state;
    struct florin_command command = transfer_make("a", "a", 0);
    command.to_length = 0;
    check_syntax(&command, FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_TO, 1);
    command.to_length = 1;
    check_syntax(&command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 0);
    command.amount_minor = 1;
    check_syntax(&command, FLORIN_SAME_ACCOUNT, FLORIN_FIELD_TO, 1);
    command.to = "b";
    check_syntax(&command, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
    command.amount_is_decimal = true;
    command.amount_scale = 19;
    check_syntax(&command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 0);
    command.amount_scale = 18;
    command.has_expected_balance = true;
    command.expected_balance_scale = 19;
    check_syntax(&command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_EXPECTED_BALANCE, 0);

    command = transfer_make("a", "b", 0);
    command.kind = FLORIN_CAPTURE;
    check_syntax(&command, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
    command.to_length = 0;
    command.to = NULL;
    check_syntax(&command, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
    command.amount_minor = -1;
    check_syntax(&command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 0);
}

/* --- decisions --------------------------------------------------------------------------- */

/* One thing wrong with the account or the conditions of a leg. */
static void hurt(struct posting *posting, uint8_t leg, enum florin_status status)
{
    struct posting_account *account = &posting->accounts[posting->legs[leg].account];
    switch ((unsigned)status) {
    case FLORIN_INVALID_AMOUNT:
        posting->amount_is_decimal = true;
        posting->legs[leg].amount = 1; /* a tenth of a cent */
        posting->legs[leg].amount_scale = 3;
        break;
    case FLORIN_ACCOUNT_NOT_FOUND:
        account->exists = false;
        break;
    case FLORIN_ACCOUNT_FROZEN:
        account->status = FLORIN_STATE_FROZEN;
        break;
    case FLORIN_ACCOUNT_CLOSED:
        account->status = FLORIN_STATE_CLOSED;
        break;
    case FLORIN_UNBALANCED:
        posting->legs[leg].amount = 123;
        break;
    case FLORIN_VERSION_MISMATCH:
        posting->legs[leg].expected_version = 4;
        break;
    case FLORIN_BALANCE_CONDITION:
        posting->legs[leg].has_expected_balance = true;
        posting->legs[leg].expected_balance = 1001;
        posting->legs[leg].expected_balance_scale = 0;
        break;
    case FLORIN_INSUFFICIENT_BALANCE:
        account->balance_minor = -1;
        break;
    case FLORIN_BALANCE_OVERFLOW:
        account->balance_minor = INT64_MAX;
        break;
    default:
        fail();
    }
}

static const struct {
    enum florin_status status;
    enum florin_field field;
} FAULTS[] = {
    {FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT},
    {FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_ACCOUNT},
    {FLORIN_ACCOUNT_FROZEN, FLORIN_FIELD_ACCOUNT},
    {FLORIN_ACCOUNT_CLOSED, FLORIN_FIELD_ACCOUNT},
    {FLORIN_UNBALANCED, FLORIN_FIELD_LEGS},
    {FLORIN_VERSION_MISMATCH, FLORIN_FIELD_EXPECTED_VERSION},
    {FLORIN_BALANCE_CONDITION, FLORIN_FIELD_EXPECTED_BALANCE},
    {FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_AMOUNT},
    {FLORIN_BALANCE_OVERFLOW, FLORIN_FIELD_AMOUNT},
};

/* d1 to c1, d2 to c2: debits at 0 and 2, credits at 1 and 3. */
static struct posting *two_pairs(void)
{
    static struct florin_leg legs[4];
    legs[0] = leg_make("d1", FLORIN_DEBIT, 10);
    legs[1] = leg_make("c1", FLORIN_CREDIT, 10);
    legs[2] = leg_make("d2", FLORIN_DEBIT, 10);
    legs[3] = leg_make("c2", FLORIN_CREDIT, 10);
    struct florin_command command = command_of_legs(FLORIN_POSTING, legs, 4);
    return posting_make(&command);
}

static bool can_be_at(enum florin_status status, uint8_t leg)
{
    if (status == FLORIN_INSUFFICIENT_BALANCE)
        return leg % 2 == 0;
    return status != FLORIN_BALANCE_OVERFLOW || leg % 2 == 1;
}

static void every_fault__is_named_with_its_leg(void **state)
{
    (void)state;
    check_decision(two_pairs(), FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
    for (size_t i = 0; i < COUNT_OF(FAULTS); i++) {
        for (uint8_t leg = 0; leg < 4; leg++) {
            if (!can_be_at(FAULTS[i].status, leg))
                continue;
            struct posting *posting = two_pairs();
            hurt(posting, leg, FAULTS[i].status);
            /* what does not add up is the fault of the first leg in that currency */
            uint8_t named = FAULTS[i].status == FLORIN_UNBALANCED ? 0 : leg;
            check_decision(posting, FAULTS[i].status, FAULTS[i].field, named);
        }
    }
}

static void two_faults__name_the_smaller_status_wherever_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(FAULTS); i++) {
        for (size_t j = 0; j < COUNT_OF(FAULTS); j++) {
            /* one makes the other right, or both are said of accounts as the legs are applied */
            if (i == j || (i >= 7 && j >= 7))
                continue;
            uint8_t leg_i = FAULTS[i].status == FLORIN_BALANCE_OVERFLOW ? 1 : 0;
            uint8_t leg_j = FAULTS[j].status == FLORIN_BALANCE_OVERFLOW ? 3 : 2;
            struct posting *posting = two_pairs();
            hurt(posting, leg_i, FAULTS[i].status);
            hurt(posting, leg_j, FAULTS[j].status);
            size_t gravest = i < j ? i : j;
            uint8_t leg = i < j ? leg_i : leg_j;
            if (FAULTS[gravest].status == FLORIN_UNBALANCED)
                leg = 0;
            check_decision(posting, FAULTS[gravest].status, FAULTS[gravest].field, leg);
        }
    }
}

static void condition__by_precondition_has_its_own_status(void **state)
{
    (void)state;
    struct posting *posting = two_pairs();
    hurt(posting, 3, FLORIN_VERSION_MISMATCH);
    posting->expected_by_precondition = true;
    check_decision(posting, FLORIN_PRECONDITION_FAILED, FLORIN_FIELD_EXPECTED_VERSION, 3);
}

static void admin__moves_money_of_frozen_accounts_not_of_closed_ones(void **state)
{
    (void)state;
    struct posting *posting = two_pairs();
    posting->as_admin = true;
    hurt(posting, 0, FLORIN_ACCOUNT_FROZEN);
    hurt(posting, 1, FLORIN_ACCOUNT_FROZEN);
    check_decision(posting, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
    hurt(posting, 2, FLORIN_ACCOUNT_CLOSED);
    check_decision(posting, FLORIN_ACCOUNT_CLOSED, FLORIN_FIELD_ACCOUNT, 2);
}

/* Each leg sees the legs before it, conditions see none. */
static void legs_on_one_account__are_applied_in_their_order(void **state)
{
    (void)state;
    struct florin_leg legs[4] = {leg_make("a", FLORIN_DEBIT, 900),
                                 leg_make("b", FLORIN_CREDIT, 900),
                                 leg_make("a", FLORIN_CREDIT, 50), leg_make("b", FLORIN_DEBIT, 50)};
    legs[2].expected_version = 5;
    legs[2].has_expected_balance = true;
    legs[2].expected_balance_minor = 1000;
    struct florin_command command = command_of_legs(FLORIN_POSTING, legs, 4);
    struct posting *posting = posting_make(&command);
    assert_int_equal(posting->account_count, 2);
    check_decision(posting, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
    static const int64_t BALANCES[] = {100, 1900, 150, 1850};
    static const uint64_t VERSIONS[] = {6, 6, 7, 7};
    for (uint8_t i = 0; i < 4; i++) {
        assert_int_equal(posting->legs[i].balance_after_minor, BALANCES[i]);
        assert_int_equal(posting->legs[i].version_after, VERSIONS[i]);
    }
    assert_int_equal(posting->accounts[0].balance_after_minor, 150);
    assert_int_equal(posting->accounts[0].version_after, 7);

    /* what is short in between is refused, though the end would be right */
    legs[0].amount_minor = legs[1].amount_minor = 1001;
    legs[2].amount_minor = legs[3].amount_minor = 500;
    posting = posting_make(&command);
    check_decision(posting, FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_AMOUNT, 0);
}

static void overdraft__reaches_to_the_floor_and_no_further(void **state)
{
    (void)state;
    for (int64_t amount = 1499; amount <= 1501; amount++) {
        struct florin_command command = transfer_make("a", "b", amount);
        struct posting *posting = posting_make(&command);
        posting->accounts[0].floor_minor = -500;
        bool fits = amount <= 1500;
        check_decision(posting, fits ? FLORIN_APPLIED : FLORIN_INSUFFICIENT_BALANCE,
                       fits ? FLORIN_FIELD_NONE : FLORIN_FIELD_AMOUNT, 0);
        if (fits)
            assert_int_equal(posting->accounts[0].balance_after_minor, 1000 - amount);
    }
    /* a credit to what is below its floor is no debit */
    struct florin_command command = transfer_make("a", "b", 1);
    struct posting *posting = posting_make(&command);
    posting->accounts[1].balance_minor = -10;
    check_decision(posting, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
}

static void decimals__count_in_the_currency_of_each_account(void **state)
{
    (void)state;
    static const struct {
        int64_t digits;
        uint8_t scale;
        const char *code;
        uint8_t exponent;
        int64_t minor; /* 0: refused */
    } CASES[] = {
        {5, 0, "JPY", 0, 5},   {50, 1, "JPY", 0, 5}, {51, 1, "JPY", 0, 0},
        {5, 0, "USD", 2, 500}, {5, 2, "USD", 2, 5},  {5, 3, "USD", 2, 0},
        {5, 3, "KWD", 3, 5},   {5, 4, "KWD", 3, 0},  {INT64_MAX, 0, "KWD", 3, 0},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct florin_command command = transfer_make("a", "b", CASES[i].digits);
        command.amount_is_decimal = true;
        command.amount_scale = CASES[i].scale;
        struct posting *posting = posting_make(&command);
        for (uint8_t j = 0; j < 2; j++)
            give_state(&posting->accounts[j], CASES[i].code, CASES[i].exponent);
        if (CASES[i].minor == 0) {
            check_decision(posting, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 0);
            continue;
        }
        check_decision(posting, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
        assert_int_equal(posting->accounts[1].balance_after_minor, 1000 + CASES[i].minor);
    }
}

static void posting__balances_in_every_currency_by_itself(void **state)
{
    (void)state;
    struct florin_leg legs[4] = {leg_make("d", FLORIN_DEBIT, 100), leg_make("y1", FLORIN_DEBIT, 7),
                                 leg_make("d2", FLORIN_CREDIT, 100),
                                 leg_make("y2", FLORIN_CREDIT, 7)};
    struct florin_command command = command_of_legs(FLORIN_POSTING, legs, 4);
    struct posting *posting = posting_make(&command);
    give_state(&posting->accounts[1], "JPY", 0);
    give_state(&posting->accounts[3], "JPY", 0);
    check_decision(posting, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
    /* 100 and 7 are there on both sides, but not in one currency each */
    posting = posting_make(&command);
    give_state(&posting->accounts[2], "JPY", 0);
    check_decision(posting, FLORIN_UNBALANCED, FLORIN_FIELD_LEGS, 0);
    /* a batch need not */
    command.kind = FLORIN_BATCH;
    posting = posting_make(&command);
    give_state(&posting->accounts[2], "JPY", 0);
    check_decision(posting, FLORIN_APPLIED, FLORIN_FIELD_NONE, 0);
    /* a transfer is of one currency */
    command = transfer_make("a", "b", 1);
    posting = posting_make(&command);
    give_state(&posting->accounts[1], "JPY", 0);
    check_decision(posting, FLORIN_CURRENCY_MISMATCH, FLORIN_FIELD_TO, 1);
    assert_int_equal(posting_refused_balance(
                         posting, &(struct posting_decision){FLORIN_CURRENCY_MISMATCH, 0, 1}),
                     0);
}

/* Sums that no int64 holds still differ, or not. */
static void posting__of_64_legs_adds_up_beyond_64_bits(void **state)
{
    (void)state;
    char ids[FLORIN_LEGS_MAX][8];
    struct florin_leg legs[FLORIN_LEGS_MAX];
    for (int i = 0; i < FLORIN_LEGS_MAX; i++) {
        snprintf(ids[i], sizeof(ids[i]), "a%d", i);
        legs[i] = leg_make(ids[i], i % 2 == 0 ? FLORIN_DEBIT : FLORIN_CREDIT, INT64_MAX - 2000);
    }
    struct florin_command command = command_of_legs(FLORIN_POSTING, legs, FLORIN_LEGS_MAX);
    for (int short_by = 0; short_by < 2; short_by++) {
        legs[63].amount_minor = INT64_MAX - 2000 - short_by;
        struct posting *posting = posting_make(&command);
        assert_int_equal(posting->account_count, FLORIN_LEGS_MAX);
        for (int i = 0; i < FLORIN_LEGS_MAX; i += 2)
            posting->accounts[i].balance_minor = INT64_MAX;
        check_decision(posting, short_by == 0 ? FLORIN_APPLIED : FLORIN_UNBALANCED,
                       short_by == 0 ? FLORIN_FIELD_NONE : FLORIN_FIELD_LEGS, 0);
    }
}

static void capture__takes_the_hold_or_a_part_of_it(void **state)
{
    (void)state;
    static const struct {
        int64_t amount;
        bool active;
        bool to_another;
        enum florin_status status;
        enum florin_field field;
        int64_t taken;
    } CASES[] = {
        {0, true, false, FLORIN_APPLIED, FLORIN_FIELD_NONE, 300},
        {300, true, true, FLORIN_APPLIED, FLORIN_FIELD_NONE, 300},
        {120, true, true, FLORIN_APPLIED, FLORIN_FIELD_NONE, 120},
        {0, true, true, FLORIN_APPLIED, FLORIN_FIELD_NONE, 300},
        {301, true, false, FLORIN_HOLD_EXCEEDED, FLORIN_FIELD_AMOUNT, 0},
        {0, false, true, FLORIN_HOLD_RESOLVED, FLORIN_FIELD_TARGET, 0},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct florin_command command = transfer_make("a", "b", CASES[i].amount);
        command.kind = FLORIN_CAPTURE;
        command.target_id = 50;
        command.to_length = CASES[i].to_another;
        struct posting *posting = posting_make(&command);
        /* all of it is held, so that only its own hold can pay */
        posting->accounts[0].floor_minor = 1000;
        posting->hold_is_active = CASES[i].active;
        posting->hold_minor = CASES[i].active ? 300 : 0;
        check_decision(posting, CASES[i].status, CASES[i].field, 0);
        if (CASES[i].status != FLORIN_APPLIED)
            continue;
        assert_int_equal(posting->accounts[0].balance_after_minor, 1000 - CASES[i].taken);
        if (CASES[i].to_another)
            assert_int_equal(posting->accounts[1].balance_after_minor, 1000 + CASES[i].taken);
    }
}

int main(void)
{
    hash_secret_init(&secret, "a directory's seed", 18);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax__names_the_gravest_fault_of_all_legs),
        cmocka_unit_test(syntax__asks_for_the_right_number_of_legs),
        cmocka_unit_test(syntax__of_transfers_and_captures),
        cmocka_unit_test(every_fault__is_named_with_its_leg),
        cmocka_unit_test(two_faults__name_the_smaller_status_wherever_it_is),
        cmocka_unit_test(condition__by_precondition_has_its_own_status),
        cmocka_unit_test(admin__moves_money_of_frozen_accounts_not_of_closed_ones),
        cmocka_unit_test(legs_on_one_account__are_applied_in_their_order),
        cmocka_unit_test(overdraft__reaches_to_the_floor_and_no_further),
        cmocka_unit_test(decimals__count_in_the_currency_of_each_account),
        cmocka_unit_test(posting__balances_in_every_currency_by_itself),
        cmocka_unit_test(posting__of_64_legs_adds_up_beyond_64_bits),
        cmocka_unit_test(capture__takes_the_hold_or_a_part_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
