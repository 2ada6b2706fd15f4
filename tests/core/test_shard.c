/* The shard's state machine: every answer, in the order of precedence. Idempotency keys stand in
 * test_shard_keys.c, what replay makes of its records in test_shard_replay.c. */
#include "shard_support.h"

static void deposit_and_withdrawal__change_balance_and_version(void **state)
{
    struct ledger *ledger = *state;
    struct shard_answer answer = run_open(ledger, "alice", 1000);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.version, 1);
    assert_int_equal(answer.result.balance_minor, 1000);
    assert_false(answer.result.replayed);
    assert_string_equal(answer.result.currency, "USD");
    assert_int_equal(answer.result.exponent, 2);
    assert_int_equal(answer.result.time_ns, ledger->now_ns);

    answer = run_posting(ledger, FLORIN_DEPOSIT, "alice", "k1", 250, 1);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 1250);
    assert_int_equal(answer.result.version, 2);
    assert_int_equal(answer.result.amount_minor, 250);
    assert_int_equal(answer.result.time_ns, ledger->now_ns);
    assert_true(answer.staged);

    answer = run_posting(ledger, FLORIN_WITHDRAW, "alice", NULL, 1250, 0);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 0);
    assert_int_equal(answer.result.version, 3);
    shard_audit(&ledger->shard);
}

static void user_data_and_kind__come_back(void **state)
{
    struct ledger *ledger = *state;
    struct florin_command command = posting_make(FLORIN_WITHDRAW, "nobody", NULL, 1, 0);
    command.user_data = UINT64_C(0xfeedfacecafebeef);
    struct shard_answer answer = run(ledger, &command);
    assert_int_equal(answer.result.user_data, UINT64_C(0xfeedfacecafebeef));
    assert_int_equal(answer.result.kind, FLORIN_WITHDRAW);
}

/* --- syntax ------------------------------------------------------------------------------ */

static void syntax__is_checked_in_order_of_precedence(void **state)
{
    struct ledger *ledger = *state;
    char long_text[2048];
    memset(long_text, 'x', sizeof(long_text));

    /* Everything is wrong; then one thing after the other is mended, from the front. */
    struct florin_command command = {
        .kind = (enum florin_command_kind)99,
        .account = "not an id",
        .account_length = 9,
        .key = long_text,
        .key_length = 256,
        .amount_minor = 0,
    };
    check_refusal(ledger, &command, FLORIN_INVALID_COMMAND, FLORIN_FIELD_KIND);
    command.kind = FLORIN_DEPOSIT;
    check_refusal(ledger, &command, FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT);
    command.account = "nobody";
    command.account_length = 6;
    check_refusal(ledger, &command, FLORIN_INVALID_KEY, FLORIN_FIELD_KEY);
    command.key_length = 255;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT);
    command.amount_minor = -1;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT);
    command.amount_minor = INT64_MIN;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT);
    command.amount_minor = 1;
    command.amount_is_decimal = true;
    command.amount_scale = 19;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT);
    command.amount_scale = 18;
    check_refusal(ledger, &command, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE);
}

static void syntax_of_opening__is_checked_in_order_of_precedence(void **state)
{
    struct ledger *ledger = *state;
    char long_text[2048];
    memset(long_text, 'x', sizeof(long_text));

    struct florin_command command = {
        .kind = FLORIN_OPEN_ACCOUNT,
        .account = "",
        .account_length = 0,
        .key = "k",
        .key_length = 1,
        .amount_minor = -1,
        .amount_is_decimal = true,
        .amount_scale = 19,
        .currency = "usd",
        .currency_length = 3,
        .minimum_balance_minor = 1,
        .metadata = long_text,
        .metadata_length = 1025,
    };
    check_refusal(ledger, &command, FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT);
    command.account = "alice";
    command.account_length = 5;
    check_refusal(ledger, &command, FLORIN_INVALID_KEY, FLORIN_FIELD_KEY);
    command.key_length = 0;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_BALANCE);
    command.amount_scale = 3;
    check_refusal(ledger, &command, FLORIN_INVALID_CURRENCY, FLORIN_FIELD_CURRENCY);
    command.currency = "USD";
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_BALANCE);
    command.amount_scale = 2;
    command.minimum_balance_scale = 19;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_MINIMUM_BALANCE);
    command.minimum_balance_scale = 3;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_MINIMUM_BALANCE);
    command.minimum_balance_scale = 2;
    check_refusal(ledger, &command, FLORIN_INVALID_BALANCE, FLORIN_FIELD_BALANCE);
    command.amount_minor = 0;
    check_refusal(ledger, &command, FLORIN_INVALID_BALANCE, FLORIN_FIELD_MINIMUM_BALANCE);
    command.minimum_balance_minor = INT64_MIN;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_MINIMUM_BALANCE);
    command.amount_is_decimal = false;
    check_refusal(ledger, &command, FLORIN_INVALID_BALANCE, FLORIN_FIELD_MINIMUM_BALANCE);
    command.minimum_balance_minor = -INT64_MAX;
    check_refusal(ledger, &command, FLORIN_INVALID_METADATA, FLORIN_FIELD_METADATA);
    command.metadata_length = 1024;
    assert_int_equal(run(ledger, &command).result.status, FLORIN_APPLIED);
}

static void missing_texts__are_refused_not_read(void **state)
{
    struct ledger *ledger = *state;
    struct florin_command command = {
        .kind = FLORIN_READ_ACCOUNT, .account = NULL, .account_length = 5};
    check_refusal(ledger, &command, FLORIN_INVALID_ACCOUNT_ID, FLORIN_FIELD_ACCOUNT);
    command = posting_make(FLORIN_DEPOSIT, "alice", NULL, 1, 0);
    command.key_length = 3;
    check_refusal(ledger, &command, FLORIN_INVALID_KEY, FLORIN_FIELD_KEY);
    command = open_make("alice", 1);
    command.metadata_length = 3;
    check_refusal(ledger, &command, FLORIN_INVALID_METADATA, FLORIN_FIELD_METADATA);
}

/* --- precedence beyond syntax ------------------------------------------------------------ */

/* A withdrawal that is wrong in every way of a row and all rows below it gets the row's answer. */
static void checks__come_in_the_order_key_account_version_balance_room(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 100);
    assert_int_equal(run_posting(ledger, FLORIN_DEPOSIT, "alice", "used", 5, 0).result.status,
                     FLORIN_APPLIED);
    fill_keys(ledger, "alice");
    uint64_t version = run_read(ledger, "alice").result.version;

    static const struct {
        const char *account;
        const char *key;
        uint64_t expected_version;
        int64_t amount_minor;
        enum florin_status status;
    } CASES[] = {
        {"alice", "used", 99, 1000000, FLORIN_KEY_REUSED},
        {"nobody", "new", 99, 1000000, FLORIN_ACCOUNT_NOT_FOUND},
        {"nobody", "used", 99, 1000000, FLORIN_ACCOUNT_NOT_FOUND},
        {"alice", NULL, 99, 1000000, FLORIN_VERSION_MISMATCH},
        {"alice", NULL, 0, 1000000, FLORIN_INSUFFICIENT_BALANCE},
        /* What cannot be remembered is not answered as if it were. */
        {"alice", "new", 99, 1000000, FLORIN_KEYS_FULL},
        {"alice", "new", 0, 1000000, FLORIN_KEYS_FULL},
        {"alice", "new", 0, 1, FLORIN_KEYS_FULL},
        {"alice", NULL, 0, 1, FLORIN_APPLIED},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct shard_answer answer =
            run_posting(ledger, FLORIN_WITHDRAW, CASES[i].account, CASES[i].key,
                        CASES[i].amount_minor, CASES[i].expected_version);
        print_message("case %zu\n", i);
        assert_int_equal(answer.result.status, CASES[i].status);
        assert_int_equal(answer.staged, CASES[i].status == FLORIN_APPLIED);
    }
    assert_int_equal(run_read(ledger, "alice").result.version, version + 1);
}

static void unknown_account__answers_zeros_and_waits_for_nothing(void **state)
{
    struct ledger *ledger = *state;
    struct shard_answer answer = run_posting(ledger, FLORIN_DEPOSIT, "nobody", "k", 5, 0);
    assert_int_equal(answer.result.status, FLORIN_ACCOUNT_NOT_FOUND);
    assert_int_equal(answer.result.version, 0);
    assert_int_equal(answer.result.balance_minor, 0);
    assert_int_equal(answer.wait_lsn, 0);
    assert_int_equal(answer.account_slot, SHARD_NO_SLOT);
    assert_int_equal(run_read(ledger, "nobody").result.status, FLORIN_ACCOUNT_NOT_FOUND);

    /* It was not remembered: the same key works once the account is there. */
    run_open(ledger, "nobody", 0);
    answer = run_posting(ledger, FLORIN_DEPOSIT, "nobody", "k", 6, 0);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_false(answer.result.replayed);
}

/* --- money ------------------------------------------------------------------------------- */

static void balance__never_falls_below_the_minimum(void **state)
{
    struct ledger *ledger = *state;
    struct florin_command open = open_make("alice", 100);
    open.minimum_balance_minor = -50;
    run(ledger, &open);
    struct shard_answer answer = run_posting(ledger, FLORIN_WITHDRAW, "alice", NULL, 151, 0);
    assert_int_equal(answer.result.status, FLORIN_INSUFFICIENT_BALANCE);
    assert_int_equal(answer.result.balance_minor, 100);
    assert_int_equal(answer.result.version, 1);
    answer = run_posting(ledger, FLORIN_WITHDRAW, "alice", NULL, 150, 0);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, -50);
    answer = run_posting(ledger, FLORIN_WITHDRAW, "alice", NULL, INT64_MAX, 0);
    assert_int_equal(answer.result.status, FLORIN_INSUFFICIENT_BALANCE);

    open = open_make("deep", 0);
    open.minimum_balance_minor = -INT64_MAX;
    run(ledger, &open);
    answer = run_posting(ledger, FLORIN_WITHDRAW, "deep", NULL, INT64_MAX, 0);
    assert_int_equal(answer.result.balance_minor, -INT64_MAX);
    answer = run_posting(ledger, FLORIN_WITHDRAW, "deep", NULL, 1, 0);
    assert_int_equal(answer.result.status, FLORIN_INSUFFICIENT_BALANCE);
}

static void ten_withdrawals__take_what_is_there_and_no_more(void **state)
{
    struct ledger *ledger = *state;
    int applied = 0;
    run_open(ledger, "12345", 100000);
    for (int i = 0; i < 10; i++) {
        struct shard_answer answer = run_posting(ledger, FLORIN_WITHDRAW, "12345", NULL, 20000, 0);
        applied += answer.result.status == FLORIN_APPLIED;
    }
    assert_int_equal(applied, 5);
    assert_int_equal(run_read(ledger, "12345").result.balance_minor, 0);
}

static void deposit__that_overflows_is_refused_and_remembered(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "rich", INT64_MAX);
    struct shard_answer answer = run_posting(ledger, FLORIN_DEPOSIT, "rich", "k", 1, 0);
    assert_int_equal(answer.result.status, FLORIN_BALANCE_OVERFLOW);
    assert_true(answer.staged);
    run_posting(ledger, FLORIN_WITHDRAW, "rich", NULL, 100, 0);
    answer = run_posting(ledger, FLORIN_DEPOSIT, "rich", "k", 1, 0);
    assert_int_equal(answer.result.status, FLORIN_BALANCE_OVERFLOW);
    assert_true(answer.result.replayed);
    assert_int_equal(answer.result.balance_minor, INT64_MAX);
    assert_int_equal(answer.result.version, 1);
}

static void decimal_amounts__follow_the_currency_of_the_account(void **state)
{
    struct ledger *ledger = *state;
    static const struct {
        const char *currency;
        int64_t digits;
        uint8_t scale;
        int64_t minor; /* 0: refused */
    } CASES[] = {
        {"USD", 495, 1, 4950},    {"USD", 49, 0, 4900},
        {"USD", 1234, 3, 0},      {"JPY", 49, 0, 49},
        {"JPY", 495, 1, 0},       {"JPY", 490, 1, 49},
        {"KWD", 1234, 3, 1234},   {"KWD", 1, 0, 1000},
        {"USD", INT64_MAX, 0, 0}, {"USD", INT64_MAX, 2, INT64_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char id[8];
        snprintf(id, sizeof(id), "d%zu", i);
        struct florin_command open = open_make(id, 0);
        open.currency = CASES[i].currency;
        open.currency_length = 3;
        run(ledger, &open);
        struct florin_command command = posting_make(FLORIN_DEPOSIT, id, "k", CASES[i].digits, 0);
        command.amount_is_decimal = true;
        command.amount_scale = CASES[i].scale;
        struct shard_answer answer = run(ledger, &command);
        print_message("case %zu\n", i);
        if (CASES[i].minor == 0) {
            assert_int_equal(answer.result.status, FLORIN_INVALID_AMOUNT);
            assert_int_equal(answer.result.field, FLORIN_FIELD_AMOUNT);
            assert_false(answer.staged);
        } else {
            assert_int_equal(answer.result.status, FLORIN_APPLIED);
            assert_int_equal(answer.result.amount_minor, CASES[i].minor);
            assert_int_equal(answer.result.balance_minor, CASES[i].minor);
        }
    }
}

/* Syntax comes before the key, although the amount's can be judged only with the account. */
static void bad_decimal__precedes_a_reused_key(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", "k", 5, 0);
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", "k", 1234, 0);
    command.amount_is_decimal = true;
    command.amount_scale = 3;
    check_refusal(ledger, &command, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT);
    /* And 0.05 is the same request as 5 cents. */
    command.amount_minor = 5;
    command.amount_scale = 2;
    struct shard_answer answer = run(ledger, &command);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_true(answer.result.replayed);
}

/* --- opening and reading ----------------------------------------------------------------- */

static void opening_again__is_the_same_only_with_the_same_content(void **state)
{
    struct ledger *ledger = *state;
    struct florin_command open = open_make("alice", 1000);
    open.metadata = "{\"a\":1}";
    open.metadata_length = 7;
    open.minimum_balance_minor = -5;
    run(ledger, &open);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", NULL, 5, 0);

    struct shard_answer answer = run(ledger, &open);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_true(answer.result.replayed);
    assert_false(answer.staged);
    assert_int_equal(answer.result.balance_minor, 1005);
    assert_int_equal(answer.result.version, 2);
    assert_int_equal(answer.result.minimum_balance_minor, -5);
    assert_memory_equal(answer.result.metadata, "{\"a\":1}", 7);

    struct florin_command other[5];
    for (size_t i = 0; i < COUNT_OF(other); i++)
        other[i] = open;
    other[0].amount_minor = 1005;
    other[1].currency = "EUR";
    other[1].currency_length = 3;
    other[2].minimum_balance_minor = 0;
    other[3].metadata = "{\"a\":2}";
    other[4].metadata_length = 0;
    for (size_t i = 0; i < COUNT_OF(other); i++) {
        answer = run(ledger, &other[i]);
        assert_int_equal(answer.result.status, FLORIN_ACCOUNT_EXISTS);
        assert_false(answer.result.replayed);
        assert_int_equal(answer.result.balance_minor, 1005);
        assert_int_equal(answer.wait_lsn, account_of(ledger, "alice")->last_lsn);
    }
}

static void read__shows_everything_and_waits_for_the_newest_record(void **state)
{
    struct ledger *ledger = *state;
    struct florin_command open = open_make("alice", 5);
    open.currency = "KWD";
    open.currency_length = 3;
    open.metadata = "{}";
    open.metadata_length = 2;
    open.amount_is_decimal = true;
    uint64_t opened_ns = run(ledger, &open).result.time_ns;
    struct shard_answer change = run_posting(ledger, FLORIN_WITHDRAW, "alice", "k", 999999, 0);
    assert_int_equal(change.result.status, FLORIN_INSUFFICIENT_BALANCE);

    struct shard_answer answer = run_read(ledger, "alice");
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_int_equal(answer.result.balance_minor, 5000);
    assert_int_equal(answer.result.version, 1);
    assert_int_equal(answer.result.time_ns, opened_ns);
    assert_string_equal(answer.result.currency, "KWD");
    assert_int_equal(answer.result.exponent, 3);
    assert_int_equal(answer.result.metadata_length, 2);
    assert_memory_equal(answer.result.metadata, "{}", 2);
    assert_false(answer.staged);
    /* A refusal that was remembered is a record of the account, too. */
    assert_int_equal(answer.wait_lsn, change.wait_lsn);
}

/* --- room -------------------------------------------------------------------------------- */

static void full_tables__refuse_and_change_nothing(void **state)
{
    struct ledger *ledger = *state;
    char id[16];
    run_open(ledger, "alice", 100);
    for (int i = 1; i < LEDGER_ACCOUNTS_MAX; i++) {
        snprintf(id, sizeof(id), "n%d", i);
        assert_int_equal(run_open(ledger, id, 0).result.status, FLORIN_APPLIED);
    }
    fill_keys(ledger, "alice");
    uint64_t digest = shard_digest(&ledger->shard);

    struct shard_answer answer = run_open(ledger, "more", 0);
    assert_int_equal(answer.result.status, FLORIN_ACCOUNTS_FULL);
    assert_int_equal(answer.wait_lsn, 0);
    assert_int_equal(run_open(ledger, "alice", 100).result.replayed, true);
    answer = run_posting(ledger, FLORIN_DEPOSIT, "alice", "more", 1, 0);
    assert_int_equal(answer.result.status, FLORIN_KEYS_FULL);
    assert_int_equal(answer.result.balance_minor, 100 + LEDGER_KEYS_MAX);
    /* Keys that are there still answer. */
    assert_true(run_posting(ledger, FLORIN_DEPOSIT, "alice", "fill0", 1, 0).result.replayed);
    assert_int_equal(ledger->shard.stage.record_count, 0);
    assert_int_equal(shard_digest(&ledger->shard), digest);
}

static void full_storage__refuses_what_needs_a_record_and_nothing_else(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 100);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", "applied", 5, 0);
    run_posting(ledger, FLORIN_WITHDRAW, "alice", "refused", 5000, 0);
    seal(ledger);
    uint64_t digest = shard_digest(&ledger->shard);

    ledger->shard.storage_is_full = true;
    static const struct {
        const char *account;
        const char *key;
        int64_t amount_minor;
        uint64_t expected_version;
        enum florin_status status;
        bool replayed;
    } CASES[] = {
        {"al ice", "new", 5, 0, FLORIN_INVALID_ACCOUNT_ID, false},
        {"nobody", "new", 5, 0, FLORIN_ACCOUNT_NOT_FOUND, false},
        {"alice", "refused", 5000, 0, FLORIN_INSUFFICIENT_BALANCE, true},
        {"alice", "refused", 5001, 0, FLORIN_KEY_REUSED, false},
        {"alice", "applied", 5, 0, FLORIN_KEY_REUSED, false}, /* it was a deposit */
        /* nothing would remember these */
        {"alice", NULL, 5000, 99, FLORIN_VERSION_MISMATCH, false},
        {"alice", NULL, 5000, 0, FLORIN_INSUFFICIENT_BALANCE, false},
        {"alice", NULL, 5, 0, FLORIN_STORAGE_FULL, false},
        {"alice", "new", 5000, 99, FLORIN_STORAGE_FULL, false},
        {"alice", "new", 5000, 0, FLORIN_STORAGE_FULL, false},
        {"alice", "new", 5, 0, FLORIN_STORAGE_FULL, false},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct shard_answer answer =
            run_posting(ledger, FLORIN_WITHDRAW, CASES[i].account, CASES[i].key,
                        CASES[i].amount_minor, CASES[i].expected_version);
        print_message("case %zu\n", i);
        assert_int_equal(answer.result.status, CASES[i].status);
        assert_int_equal(answer.result.replayed, CASES[i].replayed);
        if (answer.result.status == FLORIN_STORAGE_FULL) {
            assert_int_equal(answer.wait_lsn, 0);
            assert_int_equal(answer.result.balance_minor, 0); /* it may not be durable */
            assert_int_equal(answer.result.version, 0);
        }
    }
    assert_true(run_posting(ledger, FLORIN_DEPOSIT, "alice", "applied", 5, 0).result.replayed);
    assert_true(run_open(ledger, "alice", 100).result.replayed);
    assert_int_equal(run_open(ledger, "alice", 1).result.status, FLORIN_ACCOUNT_EXISTS);
    assert_int_equal(run_open(ledger, "bob", 1).result.status, FLORIN_STORAGE_FULL);
    assert_int_equal(run_read(ledger, "bob").result.status, FLORIN_ACCOUNT_NOT_FOUND);
    assert_int_equal(ledger->shard.stage.record_count, 0);
    assert_int_equal(shard_digest(&ledger->shard), digest);

    ledger->shard.storage_is_full = false;
    assert_false(run_posting(ledger, FLORIN_WITHDRAW, "alice", "new", 5, 0).result.replayed);
    assert_false(run_open(ledger, "bob", 1).result.replayed);
}

static void stage__says_when_it_is_full_and_works_again_when_cleared(void **state)
{
    struct ledger *ledger = *state;
    char key[FLORIN_KEY_MAX];
    int count = 0;
    run_open(ledger, "alice", 0);
    while (shard_stage_has_room(&ledger->shard)) {
        struct shard_answer answer;
        struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", NULL, 1, 0);
        shard_execute(&ledger->shard, &command, ledger_hash(ledger, "alice"), 1, NULL, &answer);
        assert_int_equal(answer.result.status, FLORIN_APPLIED);
        count++;
    }
    assert_int_equal(ledger->shard.stage.record_count, SHARD_STAGE_RECORDS_MAX);
    seal(ledger);
    assert_true(shard_stage_has_room(&ledger->shard));
    assert_int_equal(run_read(ledger, "alice").result.balance_minor, count);

    /* Long records fill the bytes before the count. */
    memset(key, 'k', sizeof(key));
    for (count = 0; shard_stage_has_room(&ledger->shard); count++) {
        struct shard_answer answer;
        struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", NULL, 1, 0);
        snprintf(key, sizeof(key), "%0254d", count);
        command.key = key;
        command.key_length = sizeof(key);
        shard_execute(&ledger->shard, &command, ledger_hash(ledger, "alice"), 1, NULL, &answer);
        assert_int_equal(answer.result.status, FLORIN_APPLIED);
    }
    assert_true(count < SHARD_STAGE_RECORDS_MAX);
    assert_true(ledger->shard.stage.byte_count <= SHARD_STAGE_BYTES_MAX);
}

/* --- positions and time ------------------------------------------------------------------ */

static void sealing__makes_every_position_real(void **state)
{
    struct ledger *ledger = *state;
    struct record record;
    struct shard_answer open = run_open(ledger, "alice", 10);
    struct shard_answer deposit = run_posting(ledger, FLORIN_DEPOSIT, "alice", "k", 5, 0);
    struct shard_answer bob = run_open(ledger, "bob", 0);
    assert_true(open.wait_lsn & SHARD_LSN_PROVISIONAL);
    assert_int_equal(deposit.result.transaction_id, deposit.wait_lsn);

    shard_seal(&ledger->shard, 131);
    assert_int_equal(shard_final_lsn(open.wait_lsn, 131), 131);
    assert_int_equal(shard_final_lsn(deposit.wait_lsn, 131), 132);
    assert_int_equal(shard_final_lsn(bob.wait_lsn, 131), 133);
    assert_int_equal(shard_final_lsn(7, 131), 7);
    assert_int_equal(account_of(ledger, "alice")->last_lsn, 132);
    assert_int_equal(account_of(ledger, "bob")->last_lsn, 133);
    assert_int_equal(key_table_lsn(&ledger->shard.keys, 0), 132);
    const uint8_t *bytes = ledger->shard.stage.bytes;
    size_t size = record_decode(bytes, ledger->shard.stage.byte_count, &record);
    assert_int_equal(record.previous_lsn, 0);
    assert_int_not_equal(
        record_decode(bytes + size, ledger->shard.stage.byte_count - size, &record), 0);
    assert_int_equal(record.previous_lsn, 131);
    log_stage(ledger, 131);

    ledger->next_lsn = 500;
    struct shard_answer later = run_posting(ledger, FLORIN_DEPOSIT, "alice", NULL, 5, 0);
    assert_true(later.wait_lsn & SHARD_LSN_PROVISIONAL);
    assert_int_not_equal(record_decode(bytes, ledger->shard.stage.byte_count, &record), 0);
    assert_int_equal(record.previous_lsn, 132);
    /* A retry of the older one waits for its own record only. */
    struct shard_answer retry = run_posting(ledger, FLORIN_DEPOSIT, "alice", "k", 5, 0);
    assert_int_equal(retry.wait_lsn, 132);
    seal(ledger);
    assert_int_equal(account_of(ledger, "alice")->last_lsn, 500);
}

static void time__grows_even_when_the_clock_does_not(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    uint64_t last_ns = ledger->shard.last_time_ns;
    ledger->now_ns = 3;
    for (int i = 0; i < 5; i++) {
        struct shard_answer answer = run_posting(ledger, FLORIN_DEPOSIT, "alice", NULL, 1, 0);
        assert_int_equal(answer.result.time_ns, ++last_ns);
    }
    ledger->now_ns = last_ns - 1; /* stands still: the next command sees last_ns again */
    assert_int_equal(run_posting(ledger, FLORIN_DEPOSIT, "alice", NULL, 1, 0).result.time_ns,
                     ++last_ns);
    ledger->now_ns = last_ns + 1000;
    uint64_t expected_ns = ledger->now_ns + 1;
    assert_int_equal(run_posting(ledger, FLORIN_DEPOSIT, "alice", NULL, 1, 0).result.time_ns,
                     expected_ns);
}

static void same_calls__give_the_same_bytes(void **state)
{
    struct ledger *first = *state;
    struct ledger *second = ledger_create();
    run_open(first, "alice", 10);
    run_open(second, "alice", 10);
    run_posting(first, FLORIN_WITHDRAW, "alice", "k", 50, 3);
    run_posting(second, FLORIN_WITHDRAW, "alice", "k", 50, 3);
    assert_int_equal(first->shard.stage.byte_count, second->shard.stage.byte_count);
    assert_memory_equal(first->shard.stage.bytes, second->shard.stage.bytes,
                        first->shard.stage.byte_count);
    ledger_destroy(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(deposit_and_withdrawal__change_balance_and_version),
        ledger_test(user_data_and_kind__come_back),
        ledger_test(syntax__is_checked_in_order_of_precedence),
        ledger_test(syntax_of_opening__is_checked_in_order_of_precedence),
        ledger_test(missing_texts__are_refused_not_read),
        ledger_test(checks__come_in_the_order_key_account_version_balance_room),
        ledger_test(unknown_account__answers_zeros_and_waits_for_nothing),
        ledger_test(balance__never_falls_below_the_minimum),
        ledger_test(ten_withdrawals__take_what_is_there_and_no_more),
        ledger_test(deposit__that_overflows_is_refused_and_remembered),
        ledger_test(decimal_amounts__follow_the_currency_of_the_account),
        ledger_test(bad_decimal__precedes_a_reused_key),
        ledger_test(opening_again__is_the_same_only_with_the_same_content),
        ledger_test(read__shows_everything_and_waits_for_the_newest_record),
        ledger_test(full_tables__refuse_and_change_nothing),
        ledger_test(full_storage__refuses_what_needs_a_record_and_nothing_else),
        ledger_test(stage__says_when_it_is_full_and_works_again_when_cleared),
        ledger_test(sealing__makes_every_position_real),
        ledger_test(time__grows_even_when_the_clock_does_not),
        ledger_test(same_calls__give_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
