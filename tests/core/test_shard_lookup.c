/* Keys that are not decided in memory: what the shard asks for, and what it makes of the answer. */
#include "shard_support.h"

static const struct shard_found NOTHING = {0};

/* A record in the log that memory takes for one of the key: as if 48 bits agreed. Its LSN. */
static uint64_t forge_hint(struct ledger *ledger, const char *account, const char *key)
{
    run_posting(ledger, FLORIN_DEPOSIT, account, NULL, 1, 0);
    seal(ledger);
    uint64_t lsn = ledger->next_lsn - 1;
    struct hash128 digest = hash_key(&ledger->secret, account, strlen(account), key, strlen(key));
    assert_int_not_equal(key_table_add(&ledger->shard.keys, digest, lsn), KEY_TABLE_NO_SLOT);
    return lsn;
}

static void forget_all(struct ledger *ledger)
{
    make_key_file(ledger, ledger->next_lsn - 1);
    while (shard_forget_keys(&ledger->shard, 100) > 0)
        continue;
    assert_int_equal(ledger->shard.keys.count, 0);
}

/* It asks, and that is all that it does. */
static struct shard_answer check_asks(struct ledger *ledger, const struct florin_command *command,
                                      const struct shard_found *found, enum shard_lookup expected)
{
    uint32_t staged = ledger->shard.stage.record_count;
    uint32_t keys = ledger->shard.keys.count;
    uint64_t last_time_ns = ledger->shard.last_time_ns;
    char id[FLORIN_ACCOUNT_ID_MAX + 1] = {0};
    memcpy(id, command->account, command->account_length);
    struct account before = *account_of(ledger, id);

    struct shard_answer answer = run_once(ledger, command, found);
    assert_int_equal(answer.lookup, expected);
    assert_false(answer.staged);
    assert_int_equal(ledger->shard.stage.record_count, staged);
    assert_int_equal(ledger->shard.keys.count, keys);
    assert_int_equal(ledger->shard.last_time_ns, last_time_ns);
    assert_memory_equal(account_of(ledger, id), &before, sizeof(before));
    return answer;
}

static void check_lookups(const struct ledger *ledger, uint32_t records, uint32_t files)
{
    assert_int_equal(ledger->lookups[SHARD_LOOKUP_RECORD], records);
    assert_int_equal(ledger->lookups[SHARD_LOOKUP_FILES], files);
}

/* --- records ----------------------------------------------------------------------------- */

static void new_key__is_decided_at_once(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", "k", 5, 0);
    struct shard_answer answer;
    shard_execute(&ledger->shard, &command, ledger_hash(ledger, "alice"), 9, NULL, &answer);
    assert_int_equal(answer.lookup, SHARD_LOOKUP_NONE);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_true(answer.staged);
}

static void key_in_memory__asks_for_its_record(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", "k", 5, 0);
    struct shard_answer first = run(ledger, &command);

    /* In the same stage: at its provisional place. */
    struct shard_answer asked = check_asks(ledger, &command, &NOTHING, SHARD_LOOKUP_RECORD);
    assert_int_equal(asked.lookup_lsn, first.result.transaction_id);
    assert_true(asked.lookup_lsn & SHARD_LSN_PROVISIONAL);
    seal(ledger);
    asked = check_asks(ledger, &command, &NOTHING, SHARD_LOOKUP_RECORD);
    assert_int_equal(asked.lookup_lsn,
                     shard_final_lsn(first.result.transaction_id, ledger->sealed_first_lsn));
    struct hash128 digest = hash_key(&ledger->secret, "alice", 5, "k", 1);
    assert_int_equal(asked.lookup_digest.low, digest.low);
    assert_int_equal(asked.lookup_digest.high, digest.high);

    struct shard_answer retry = run(ledger, &command);
    assert_int_equal(retry.result.status, FLORIN_APPLIED);
    assert_true(retry.result.replayed);
    assert_int_equal(retry.wait_lsn, asked.lookup_lsn);
    assert_int_equal(run_read(ledger, "alice").result.balance_minor, 5);
}

/* All that shard_found says is believed, whatever memory has meanwhile. */
static void answer_that_was_found__is_given_though_memory_forgot(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", "k", 5, 0);
    run(ledger, &command);
    seal(ledger);
    struct shard_found found = {0};
    struct shard_answer asked = check_asks(ledger, &command, &found, SHARD_LOOKUP_RECORD);
    look_up_record(ledger, &command, asked.lookup_lsn, &found);
    assert_true(found.key.found);
    forget_all(ledger);
    struct shard_answer answer = run_once(ledger, &command, &found);
    assert_int_equal(answer.lookup, SHARD_LOOKUP_NONE);
    assert_true(answer.result.replayed);
    assert_int_equal(answer.result.transaction_id, asked.lookup_lsn);
}

static void record_of_another_key__lets_the_command_through(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    uint64_t forged = forge_hint(ledger, "alice", "k");
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", "k", 5, 0);
    struct shard_answer asked = check_asks(ledger, &command, &NOTHING, SHARD_LOOKUP_RECORD);
    assert_int_equal(asked.lookup_lsn, forged);

    struct shard_found found = {.key = {.other_count = 1, .others = {forged}}};
    struct shard_answer answer = run_once(ledger, &command, &found);
    assert_int_equal(answer.lookup, SHARD_LOOKUP_NONE);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_false(answer.result.replayed);

    /* Now there are two that look alike, and the right one is found. */
    ledger->lookups[SHARD_LOOKUP_RECORD] = 0;
    answer = run(ledger, &command);
    assert_true(answer.result.replayed);
    assert_int_equal(answer.result.transaction_id, ledger->next_lsn - 1);
    assert_in_range(ledger->lookups[SHARD_LOOKUP_RECORD], 1, 2);
    shard_audit(&ledger->shard);
}

static void more_look_alikes_than_can_be_told__are_refused(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    for (int i = 0; i < SHARD_OTHERS_MAX; i++) {
        forge_hint(ledger, "alice", "four");
        forge_hint(ledger, "alice", "five");
    }
    forge_hint(ledger, "alice", "five");
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", "five", 5, 0);
    struct shard_answer answer = run(ledger, &command);
    assert_int_equal(answer.result.status, FLORIN_QUEUE_FULL);
    assert_false(answer.staged);
    assert_int_equal(ledger->shard.stage.record_count, 0);
    check_lookups(ledger, SHARD_OTHERS_MAX, 0);
    command.key = "four";
    assert_int_equal(run(ledger, &command).result.status, FLORIN_APPLIED);
    check_lookups(ledger, 2 * SHARD_OTHERS_MAX, 0);
}

static void record_has_key__compares_account_and_key(void **state)
{
    (void)state;
    const struct record record = {
        .kind = FLORIN_DEPOSIT, .id = "alice", .id_length = 5, .key = "key", .key_length = 3};
    static const struct {
        const char *account;
        const char *key;
        bool same;
    } CASES[] = {
        {"alice", "key", true},  {"alice", "keys", false}, {"alice", "ke", false},
        {"alice", "kez", false}, {"alica", "key", false},  {"alicek", "ey", false},
        {"alic", "ekey", false}, {"alice", NULL, false},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct florin_command command =
            posting_make(FLORIN_WITHDRAW, CASES[i].account, CASES[i].key, 1, 0);
        assert_int_equal(shard_record_has_key(&record, &command), CASES[i].same);
    }
    /* Without a key nothing is the same. */
    const struct record without = {.kind = FLORIN_DEPOSIT, .id = "alice", .id_length = 5};
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", NULL, 1, 0);
    assert_false(shard_record_has_key(&without, &command));
}

/* --- files ------------------------------------------------------------------------------- */

static void forgotten_key__is_found_in_the_files(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 100);
    struct florin_command command = posting_make(FLORIN_WITHDRAW, "alice", "k", 500, 1);
    struct shard_answer first = run(ledger, &command);
    assert_int_equal(first.result.status, FLORIN_INSUFFICIENT_BALANCE);
    seal(ledger);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", "other", 1000, 0);
    seal(ledger);
    forget_all(ledger);

    struct shard_answer asked = check_asks(ledger, &command, &NOTHING, SHARD_LOOKUP_FILES);
    struct hash128 digest = hash_key(&ledger->secret, "alice", 5, "k", 1);
    assert_int_equal(asked.lookup_digest.low, digest.low);
    assert_int_equal(asked.lookup_digest.high, digest.high);
    struct shard_answer retry = run(ledger, &command);
    assert_int_equal(retry.result.status, FLORIN_INSUFFICIENT_BALANCE);
    assert_true(retry.result.replayed);
    assert_int_equal(retry.result.balance_minor, 100);
    assert_int_equal(retry.result.version, 1);
    assert_int_equal(retry.result.time_ns, first.result.time_ns);
    assert_int_equal(retry.result.transaction_id, 2);
    assert_int_equal(retry.wait_lsn, 2);

    command.amount_minor = 501;
    retry = run(ledger, &command);
    assert_int_equal(retry.result.status, FLORIN_KEY_REUSED);
    assert_int_equal(retry.result.field, FLORIN_FIELD_AMOUNT);
    assert_int_equal(retry.result.transaction_id, 2);
}

/* A key that the filter takes for one of the files. */
static void choose_false_positive(const struct ledger *ledger, char key[16])
{
    for (int i = 0;; i++) {
        int length = snprintf(key, 16, "p%d", i);
        struct hash128 digest = hash_key(&ledger->secret, "alice", 5, key, (size_t)length);
        if (key_filters_may_contain(&ledger->filters, digest))
            return;
    }
}

static void key_that_the_files_have_not__is_new(void **state)
{
    struct ledger *ledger = *state;
    char key[16];
    run_open(ledger, "alice", 0);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        run_posting(ledger, FLORIN_DEPOSIT, "alice", key, 1, 0);
    }
    seal(ledger);
    forget_all(ledger);
    choose_false_positive(ledger, key);
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", key, 5, 0);
    check_asks(ledger, &command, &NOTHING, SHARD_LOOKUP_FILES);
    const struct shard_found found = {.key = {.files_have_not = true}};
    struct shard_answer answer = run_once(ledger, &command, &found);
    assert_int_equal(answer.lookup, SHARD_LOOKUP_NONE);
    assert_int_equal(answer.result.status, FLORIN_APPLIED);
    assert_false(answer.result.replayed);
    assert_true(answer.staged);

    /* From now on memory knows better than the filter. */
    assert_true(run(ledger, &command).result.replayed);
    check_lookups(ledger, 1, 1);
}

static void memory__is_asked_before_the_files(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    struct florin_command command = posting_make(FLORIN_DEPOSIT, "alice", "k", 5, 0);
    run(ledger, &command);
    seal(ledger);
    make_key_file(ledger, ledger->next_lsn - 1); /* in both now */
    check_asks(ledger, &command, &NOTHING, SHARD_LOOKUP_RECORD);

    /* In the file, and a look-alike in memory: one after the other. */
    forget_all(ledger);
    uint64_t forged = forge_hint(ledger, "alice", "k");
    check_asks(ledger, &command, &NOTHING, SHARD_LOOKUP_RECORD);
    struct shard_found found = {.key = {.other_count = 1, .others = {forged}}};
    check_asks(ledger, &command, &found, SHARD_LOOKUP_FILES);
    struct shard_answer answer = run(ledger, &command);
    assert_true(answer.result.replayed);
    assert_int_equal(answer.result.transaction_id, 2);
}

/* --- the order of the checks ------------------------------------------------------------- */

/* What is refused before the key is looked at needs no look-up; what comes after it waits for one.
 * Where the key may be does not matter: in memory, in a file. */
static void check_order(struct ledger *ledger, enum shard_lookup lookup)
{
    static const struct {
        const char *what;
        const char *account;
        const char *key;
        uint8_t scale;
        int64_t amount_minor;
        uint64_t expected_version;
        bool looks_up;
        enum florin_status status;
    } CASES[] = {
        {"id", "al ice", "used", 0, 5, 0, false, FLORIN_INVALID_ACCOUNT_ID},
        {"amount", "alice", "used", 0, -5, 0, false, FLORIN_INVALID_AMOUNT},
        {"decimals", "alice", "used", 3, 1234, 0, false, FLORIN_INVALID_AMOUNT},
        {"account", "nobody", "used", 0, 5, 0, false, FLORIN_ACCOUNT_NOT_FOUND},
        {"key with other content", "alice", "used", 2, 6, 99, true, FLORIN_KEY_REUSED},
        {"key", "alice", "used", 2, 5, 0, true, FLORIN_APPLIED},
        {"no key, version", "alice", NULL, 2, 5000, 99, false, FLORIN_VERSION_MISMATCH},
        {"no key, balance", "alice", NULL, 2, 5000, 0, false, FLORIN_INSUFFICIENT_BALANCE},
        {"new key, room", "alice", "new", 2, 5000, 99, false, FLORIN_KEYS_FULL},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct florin_command command =
            posting_make(FLORIN_WITHDRAW, CASES[i].account, CASES[i].key, CASES[i].amount_minor,
                         CASES[i].expected_version);
        command.amount_is_decimal = CASES[i].scale != 0;
        command.amount_scale = CASES[i].scale;
        print_message("%s\n", CASES[i].what);
        struct shard_answer answer = run_once(ledger, &command, &NOTHING);
        assert_int_equal(answer.lookup, CASES[i].looks_up ? lookup : SHARD_LOOKUP_NONE);
        answer = run(ledger, &command);
        assert_int_equal(answer.result.status, CASES[i].status);
        assert_int_equal(answer.result.replayed, CASES[i].status == FLORIN_APPLIED);
    }
}

static void look_up__stands_where_the_key_does_in_the_order_of_checks(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 5);
    assert_int_equal(run_posting(ledger, FLORIN_WITHDRAW, "alice", "used", 5, 0).result.status,
                     FLORIN_APPLIED);
    run_open(ledger, "bob", 0);
    fill_keys(ledger, "bob");
    check_order(ledger, SHARD_LOOKUP_RECORD);
    forget_all(ledger);
    fill_keys(ledger, "bob"); /* full again, with keys that the files have, too */
    while (key_table_has_room(&ledger->shard.keys)) {
        char key[16];
        snprintf(key, sizeof(key), "more%u", ledger->shard.keys.count);
        run_posting(ledger, FLORIN_DEPOSIT, "bob", key, 1, 0);
    }
    seal(ledger);
    check_order(ledger, SHARD_LOOKUP_FILES);
}

static void commands_without_key__never_look_up(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 5);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", "k", 5, 0);
    seal(ledger);
    forget_all(ledger);
    assert_int_equal(run_posting(ledger, FLORIN_DEPOSIT, "alice", NULL, 5, 0).result.status,
                     FLORIN_APPLIED);
    assert_int_equal(run_open(ledger, "alice", 5).result.status, FLORIN_APPLIED);
    assert_int_equal(run_read(ledger, "alice").result.status, FLORIN_APPLIED);
    check_lookups(ledger, 0, 0);
}

/* --- forgetting -------------------------------------------------------------------------- */

static void forget__makes_room_for_new_keys_and_no_more_than_the_files_have(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    fill_keys(ledger, "alice");
    assert_int_equal(shard_forget_keys(&ledger->shard, 10), 0); /* no files yet */
    assert_int_equal(run_posting(ledger, FLORIN_DEPOSIT, "alice", "new", 1, 0).result.status,
                     FLORIN_KEYS_FULL);
    uint64_t digest = shard_digest(&ledger->shard);

    make_key_file(ledger, 11); /* the opening and ten keys */
    assert_int_equal(shard_digest(&ledger->shard) + key_file_digest(ledger), digest);
    assert_int_equal(shard_forget_keys(&ledger->shard, 4), 4);
    assert_int_equal(shard_forget_keys(&ledger->shard, 10), 6);
    assert_int_equal(shard_forget_keys(&ledger->shard, 10), 0);
    assert_int_equal(shard_digest(&ledger->shard) + key_file_digest(ledger), digest);
    shard_audit(&ledger->shard);
    assert_true(run_posting(ledger, FLORIN_DEPOSIT, "alice", "fill0", 1, 0).result.replayed);
    check_lookups(ledger, 0, 1);
    assert_int_equal(run_posting(ledger, FLORIN_DEPOSIT, "alice", "new", 1, 0).result.status,
                     FLORIN_APPLIED);
}

/* A staged key has no place in the log yet, so no file can have it. */
static void staged_keys__are_not_forgotten(void **state)
{
    struct ledger *ledger = *state;
    run_open(ledger, "alice", 0);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", "old", 1, 0);
    seal(ledger);
    make_key_file(ledger, ledger->next_lsn - 1);
    run_posting(ledger, FLORIN_DEPOSIT, "alice", "staged", 1, 0);
    assert_int_equal(shard_forget_keys(&ledger->shard, 10), 1);
    assert_true(run_posting(ledger, FLORIN_DEPOSIT, "alice", "staged", 1, 0).result.replayed);
    assert_true(run_posting(ledger, FLORIN_DEPOSIT, "alice", "old", 1, 0).result.replayed);
    shard_audit(&ledger->shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ledger_test(new_key__is_decided_at_once),
        ledger_test(key_in_memory__asks_for_its_record),
        ledger_test(answer_that_was_found__is_given_though_memory_forgot),
        ledger_test(record_of_another_key__lets_the_command_through),
        ledger_test(more_look_alikes_than_can_be_told__are_refused),
        ledger_test(record_has_key__compares_account_and_key),
        ledger_test(forgotten_key__is_found_in_the_files),
        ledger_test(key_that_the_files_have_not__is_new),
        ledger_test(memory__is_asked_before_the_files),
        ledger_test(look_up__stands_where_the_key_does_in_the_order_of_checks),
        ledger_test(commands_without_key__never_look_up),
        ledger_test(forget__makes_room_for_new_keys_and_no_more_than_the_files_have),
        ledger_test(staged_keys__are_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
