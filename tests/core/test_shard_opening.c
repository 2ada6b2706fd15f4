/* Accounts that are opened: in currencies that the ledger has besides those of the standard, and by
 * being paid into. */
#include "shard_support.h"

static void own_currencies__are_opened_only_while_the_ledger_has_them(void **state)
{
    struct ledger *ledger = *state;
    struct currency_list list = {0};
    assert_true(currency_list_add(&list, "BTC", 3, 8));
    struct florin_command open = open_make("coins", 25);
    open.currency = "BTC";
    open.currency_length = 3;
    open.amount_is_decimal = true;
    open.amount_scale = 8;
    open.minimum_balance_minor = -3;
    check_refusal(ledger, &open, FLORIN_INVALID_CURRENCY, FLORIN_FIELD_CURRENCY);

    ledger->shard.currencies = &list;
    struct shard_answer answer = run(ledger, &open);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 25);
    assert_int_equal(answer.result.minimum_balance_minor, -300000000);
    assert_string_equal(answer.result.currency, "BTC");
    assert_int_equal(answer.result.exponent, 8);

    const struct currency_list none = {0};
    ledger->shard.currencies = &none;
    check_refusal(ledger, &open, FLORIN_INVALID_CURRENCY, FLORIN_FIELD_CURRENCY);
    struct florin_command deposit = posting_make(FLORIN_DEPOSIT, "coins", NULL, 1, 0);
    deposit.amount_is_decimal = true;
    answer = run(ledger, &deposit);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 100000025);
}

/* --- by being paid into ------------------------------------------------------------------- */

static void create_in(struct ledger *ledger, const char *code)
{
    ledger->shard.auto_create = currency_find(code, 3);
    assert_non_null(ledger->shard.auto_create);
}

static struct florin_command transfer_make(const char *from, const char *to, int64_t amount_minor)
{
    struct florin_command command = posting_make(FLORIN_TRANSFER, from, NULL, amount_minor, 0);
    command.to = to;
    command.to_length = strlen(to);
    return command;
}

static void deposit__opens_its_account_when_that_is_asked_for(void **state)
{
    struct ledger *ledger = *state;
    struct florin_command deposit = posting_make(FLORIN_DEPOSIT, "new", "k", 700, 0);
    check_refusal(ledger, &deposit, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE);
    create_in(ledger, "KWD");
    deposit.amount_is_decimal = true;
    struct shard_answer answer = run(ledger, &deposit);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 700000);
    assert_int_equal(answer.result.version, 2);
    assert_string_equal(answer.result.currency, "KWD");
    assert_int_equal(answer.raised, 2);
    seal(ledger);
    assert_int_equal(ledger->logged_count, 2);
    struct record opening = logged_record(ledger, 0);
    struct record credit = logged_record(ledger, 1);
    assert_int_equal(opening.kind, FLORIN_OPEN_ACCOUNT);
    assert_int_equal(opening.amount_minor, 0);
    assert_int_equal(opening.version, 1);
    assert_int_equal(opening.minimum_balance_minor, 0);
    assert_int_equal(opening.metadata_length, 0);
    assert_int_equal(credit.kind, FLORIN_DEPOSIT);
    assert_int_equal(credit.previous_lsn, ledger->logged[0].lsn);
    assert_true(credit.time_ns > opening.time_ns);

    answer = run(ledger, &deposit);
    assert_true(answer.result.replayed);
    assert_int_equal(answer.result.version, 2);
    assert_int_equal(ledger->shard.stage.record_count, 0);
}

static void nothing_else__opens_an_account(void **state)
{
    struct ledger *ledger = *state;
    create_in(ledger, "USD");
    run_open(ledger, "rich", 1000);
    struct florin_command command = posting_make(FLORIN_WITHDRAW, "new", NULL, 1, 0);
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE);
    command = posting_make(FLORIN_HOLD, "new", NULL, 1, 0);
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE);
    command = posting_make(FLORIN_READ_ACCOUNT, "new", NULL, 0, 0);
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE);
    /* who names a version or a balance means an account that is there */
    command = posting_make(FLORIN_DEPOSIT, "new", NULL, 1, 1);
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE);
    command.expected_version = 0;
    command.has_expected_balance = true;
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE);
    command = transfer_make("rich", "new", 5);
    command.expected_to_version = 1;
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_ACCOUNT);
    command = transfer_make("new", "rich", 5);
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_ACCOUNT);
    /* refused, so that nothing was needed */
    command = transfer_make("rich", "new", 1001);
    check_refusal(ledger, &command, FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_AMOUNT);
    command = posting_make(FLORIN_DEPOSIT, "new", NULL, 1, 0);
    command.amount_is_decimal = true;
    command.amount_scale = 3;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT);
    create_in(ledger, "EUR");
    command = transfer_make("rich", "new", 5);
    check_refusal(ledger, &command, FLORIN_CURRENCY_MISMATCH, FLORIN_FIELD_TO);
    assert_null(account_of(ledger, "new"));
    assert_int_equal(ledger->shard.accounts.count, 1);
}

static void dry_run__answers_as_if_the_account_were_there(void **state)
{
    struct ledger *ledger = *state;
    create_in(ledger, "USD");
    run_open(ledger, "rich", 1000);
    seal(ledger);
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "new", "k", 7, 0);
    command.dry_run = true;
    struct shard_answer answer = run(ledger, &command);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 7);
    assert_int_equal(answer.result.version, 2);
    command = transfer_make("rich", "new", 5);
    command.dry_run = true;
    answer = run(ledger, &command);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 995);
    assert_null(account_of(ledger, "new"));
    assert_int_equal(ledger->shard.stage.record_count, 0);
    assert_int_equal(account_of(ledger, "rich")->balance_minor, 1000);
}

static void posting__opens_the_accounts_that_it_pays_into(void **state)
{
    struct ledger *ledger = *state;
    create_in(ledger, "USD");
    run_open(ledger, "rich", 1000);
    seal(ledger);
    const struct florin_leg legs[] = {
        {.account = "one", .account_length = 3, .direction = FLORIN_CREDIT, .amount_minor = 100},
        {.account = "rich", .account_length = 4, .direction = FLORIN_DEBIT, .amount_minor = 130},
        {.account = "two", .account_length = 3, .direction = FLORIN_CREDIT, .amount_minor = 50},
        /* paid in before, so that it has something */
        {.account = "two", .account_length = 3, .direction = FLORIN_DEBIT, .amount_minor = 20},
    };
    struct florin_command command = posting_make(FLORIN_POSTING, "one", "k", 0, 0);
    command.legs = legs;
    command.leg_count = COUNT_OF(legs);
    struct shard_answer answer = run(ledger, &command);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 100);
    assert_int_equal(answer.result.version, 2);
    assert_int_equal(answer.raised, 2);
    assert_int_equal(ledger->shard.stage.record_count, 3);
    seal(ledger);
    assert_int_equal(account_of(ledger, "one")->balance_minor, 100);
    assert_int_equal(account_of(ledger, "two")->balance_minor, 30);
    assert_int_equal(account_of(ledger, "two")->version, 3);
    assert_int_equal(account_of(ledger, "rich")->balance_minor, 870);
    assert_int_equal(logged_record(ledger, 1).kind, FLORIN_OPEN_ACCOUNT);
    assert_int_equal(logged_record(ledger, 2).kind, FLORIN_OPEN_ACCOUNT);
    assert_int_equal(logged_record(ledger, 3).kind, FLORIN_POSTING);
    assert_int_equal(logged_record(ledger, 3).previous_lsn, ledger->logged[1].lsn);
    shard_audit(&ledger->shard);
    answer = run(ledger, &command);
    assert_true(answer.result.replayed);

    /* what turns a transaction round does not pay in, whatever was paid before */
    command = posting_make(FLORIN_REVERSE, "new", NULL, 0, 0);
    command.target_id = ledger->logged[3].lsn;
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_ACCOUNT);
}

static void full_tables__are_said_and_leave_nothing(void **state)
{
    struct ledger *ledger = *state;
    create_in(ledger, "USD");
    run_open(ledger, "rich", 1000);
    struct florin_command deposit = posting_make(FLORIN_DEPOSIT, "new", NULL, 7, 0);
    struct florin_command transfer = transfer_make("rich", "new", 5);
    ledger->shard.storage_is_full = true;
    check_refusal(ledger, &deposit, FLORIN_STORAGE_FULL, FLORIN_FIELD_NONE);
    check_refusal(ledger, &transfer, FLORIN_STORAGE_FULL, FLORIN_FIELD_NONE);
    assert_null(account_of(ledger, "new"));
    ledger->shard.storage_is_full = false;
    char id[16];
    for (int i = 0; ledger->shard.accounts.count < ledger->shard.accounts.slots_max; i++) {
        snprintf(id, sizeof(id), "fill%d", i);
        run_open(ledger, id, 0);
    }
    check_refusal(ledger, &deposit, FLORIN_ACCOUNTS_FULL, FLORIN_FIELD_NONE);
    check_refusal(ledger, &transfer, FLORIN_ACCOUNTS_FULL, FLORIN_FIELD_NONE);
    deposit.dry_run = true;
    check_refusal(ledger, &deposit, FLORIN_ACCOUNTS_FULL, FLORIN_FIELD_NONE);
}

/* Both records or none: the stage takes them together. */
static void deposit__waits_for_room_for_two_records(void **state)
{
    struct ledger *ledger = *state;
    create_in(ledger, "USD");
    run_open(ledger, "rich", 0);
    while (shard_stage_has_room_for(&ledger->shard, 1))
        run_posting(ledger, FLORIN_DEPOSIT, "rich", NULL, 1, 0);
    assert_true(shard_stage_has_room(&ledger->shard));
    uint32_t staged = ledger->shard.stage.record_count;
    struct florin_command deposit = posting_make(FLORIN_DEPOSIT, "new", NULL, 7, 0);
    struct shard_answer answer = run_once(ledger, &deposit, NULL);
    assert_int_equal(answer.lookup, SHARD_LOOKUP_CLAIM);
    assert_int_equal(ledger->shard.stage.record_count, staged);
    assert_null(account_of(ledger, "new"));
    seal(ledger);
    answer = run_once(ledger, &deposit, NULL);
    assert_int_equal(answer.lookup, SHARD_LOOKUP_NONE);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(own_currencies__are_opened_only_while_the_ledger_has_them),
        ledger_test(deposit__opens_its_account_when_that_is_asked_for),
        ledger_test(nothing_else__opens_an_account),
        ledger_test(dry_run__answers_as_if_the_account_were_there),
        ledger_test(posting__opens_the_accounts_that_it_pays_into),
        ledger_test(full_tables__are_said_and_leave_nothing),
        ledger_test(deposit__waits_for_room_for_two_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
