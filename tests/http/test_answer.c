/* test_answer.c - the bytes of answers: results and refusals, in every style. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/answer.h"
#include "http/json_object.h"
#include "http/withdraw.h"

static const struct answer_style plain = {.money_as_string = false};
static const struct transaction_spelling usual = {0};

/* 2025-05-02T10:24:02Z and a bit */
#define MAY_SECOND UINT64_C(1746181442123456789)

static struct florin_result result_of(enum florin_status status)
{
    return (struct florin_result){
        .status = status,
        .kind = FLORIN_WITHDRAW,
        .transaction_id = 131,
        .amount_minor = 10000,
        .balance_minor = 35000,
        .version = 12,
        .time_ns = MAY_SECOND,
        .currency = "USD",
        .exponent = 2,
    };
}

static void assert_body(const struct answer *answer, int status, const char *body)
{
    assert_int_equal(answer->status, status);
    assert_int_equal(answer->body.length, strlen(body));
    if (memcmp(answer->body.bytes, body, answer->body.length) != 0)
        fail_msg("%.*s", (int)answer->body.length, answer->body.bytes);
}

static void transaction__has_the_promised_members(void **state)
{
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED);
    (void)state;
    result.kind = FLORIN_DEPOSIT;
    answer_transaction(&answer, &result, usual, &plain);
    assert_body(&answer, 201,
                "{\"id\":\"txn131\",\"type\":\"Deposit\",\"amount\":100.00,\"newBalance\":350.00,"
                "\"newVersion\":12,\"timestamp\":\"2025-05-02T10:24:02Z\"}");
    assert_string_equal(answer.location, "/transactions/txn131");
    assert_false(answer.replayed);

    result.replayed = true;
    struct answer again;
    answer_transaction(&again, &result, usual, &plain);
    assert_true(again.replayed);
    assert_int_equal(again.body.length, answer.body.length);
    assert_memory_equal(again.body.bytes, answer.body.bytes, answer.body.length);
}

static void refusals__have_the_promised_members(void **state)
{
    static const struct {
        enum florin_status status;
        enum florin_field field;
        int http_status;
        const char *body;
    } rows[] = {
        {FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_NONE, 422,
         "{\"error\":\"Insufficient Balance\",\"code\":\"insufficient_balance\","
         "\"balance\":350.00,\"version\":12,\"outcome\":\"rejected\"}"},
        {FLORIN_BALANCE_OVERFLOW, FLORIN_FIELD_NONE, 422,
         "{\"error\":\"The balance would exceed what an account can hold\","
         "\"code\":\"balance_overflow\",\"balance\":350.00,\"version\":12,"
         "\"outcome\":\"rejected\"}"},
        {FLORIN_VERSION_MISMATCH, FLORIN_FIELD_NONE, 409,
         "{\"error\":\"Version mismatch\",\"CurrentVersion\":12,\"code\":\"version_mismatch\","
         "\"outcome\":\"rejected\"}"},
        {FLORIN_PRECONDITION_FAILED, FLORIN_FIELD_NONE, 412,
         "{\"error\":\"Version mismatch\",\"CurrentVersion\":12,\"code\":\"precondition_failed\","
         "\"outcome\":\"rejected\"}"},
        {FLORIN_NOT_COMMITTED, FLORIN_FIELD_NONE, 408,
         "{\"error\":\"Server Crashes\",\"CurrentVersion\":12,\"code\":\"not_committed\","
         "\"outcome\":\"not_applied\"}"},
        {FLORIN_COMMIT_UNKNOWN, FLORIN_FIELD_NONE, 408,
         "{\"error\":\"Server Crashes\",\"CurrentVersion\":12,\"code\":\"commit_unknown\","
         "\"outcome\":\"unknown\"}"},
        {FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE, 404,
         "{\"error\":\"Account not found\",\"code\":\"account_not_found\","
         "\"outcome\":\"rejected\"}"},
        {FLORIN_KEY_REUSED, FLORIN_FIELD_AMOUNT, 422,
         "{\"error\":\"Duplicate transaction\",\"transactionId\":\"txn131\","
         "\"code\":\"idempotency_key_reused\",\"field\":\"amount\",\"outcome\":\"rejected\"}"},
        {FLORIN_QUEUE_FULL, FLORIN_FIELD_NONE, 429,
         "{\"error\":\"Too many requests in flight\",\"code\":\"too_many_requests\","
         "\"outcome\":\"not_applied\"}"},
        {FLORIN_STORAGE_FULL, FLORIN_FIELD_NONE, 503,
         "{\"error\":\"The disk is full\",\"code\":\"storage_full\",\"outcome\":\"not_applied\"}"},
        {FLORIN_ACCOUNTS_FULL, FLORIN_FIELD_NONE, 507,
         "{\"error\":\"No room for another account\",\"code\":\"accounts_full\","
         "\"outcome\":\"not_applied\"}"},
        {FLORIN_BALANCE_CONDITION, FLORIN_FIELD_NONE, 409,
         "{\"error\":\"The balance is less than expected\","
         "\"code\":\"balance_condition_failed\",\"balance\":350.00,\"version\":12,"
         "\"outcome\":\"rejected\"}"},
        {FLORIN_ACCOUNT_FROZEN, FLORIN_FIELD_NONE, 422,
         "{\"error\":\"The account is frozen\",\"code\":\"account_frozen\","
         "\"outcome\":\"rejected\"}"},
        {FLORIN_ACCOUNT_CLOSED, FLORIN_FIELD_NONE, 422,
         "{\"error\":\"The account is closed\",\"code\":\"account_closed\","
         "\"outcome\":\"rejected\"}"},
        {FLORIN_KEYS_FULL, FLORIN_FIELD_NONE, 507,
         "{\"error\":\"No room for another idempotency key\",\"code\":\"keys_full\","
         "\"outcome\":\"not_applied\"}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer;
        struct florin_result result = result_of(rows[i].status);
        result.field = rows[i].field;
        answer_transaction(&answer, &result, usual, &plain);
        assert_body(&answer, rows[i].http_status, rows[i].body);
        assert_int_equal(answer.close, rows[i].http_status == 408);
        assert_int_equal(answer.retry_after,
                         rows[i].http_status == 429 || rows[i].http_status == 503);
    }
}

static void reused_key__names_the_field_as_the_client_spells_it(void **state)
{
    static const struct transaction_spelling seed = {1, 1, 1};
    struct answer answer;
    struct florin_result result = result_of(FLORIN_KEY_REUSED);
    (void)state;
    result.field = FLORIN_FIELD_AMOUNT;
    answer_transaction(&answer, &result, seed, &plain);
    assert_body(&answer, 422,
                "{\"error\":\"Duplicate transaction\",\"transactionId\":\"txn131\","
                "\"code\":\"idempotency_key_reused\",\"field\":\"moneyWithdraw/Deposit\","
                "\"outcome\":\"rejected\"}");
}

static void duplicates__are_refused_when_the_operator_says_so(void **state)
{
    static const struct answer_style reject = {.reject_duplicates = true};
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED);
    (void)state;
    result.replayed = true;
    answer_transaction(&answer, &result, usual, &reject);
    assert_body(&answer, 409,
                "{\"error\":\"Duplicate transaction\",\"transactionId\":\"txn131\","
                "\"code\":\"duplicate_transaction\",\"outcome\":\"rejected\"}");
    result.replayed = false;
    answer_transaction(&answer, &result, usual, &reject);
    assert_int_equal(answer.status, 201);
}

static void money__is_a_string_on_request(void **state)
{
    static const struct answer_style strings = {.money_as_string = true};
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED);
    (void)state;
    answer_balance(&answer, &result, &strings);
    assert_body(&answer, 200, "{\"balance\":\"350.00\",\"version\":12}");
    assert_true(answer.money_as_string);
    assert_string_equal(answer.etag, "\"12\"");
    result.status = FLORIN_INSUFFICIENT_BALANCE;
    answer_transaction(&answer, &result, usual, &strings);
    assert_non_null(memmem(answer.body.bytes, answer.body.length, "\"350.00\"", 8));
}

static void problem__has_the_same_facts(void **state)
{
    static const struct answer_style problem = {.problem = true};
    struct answer answer;
    struct florin_result result = result_of(FLORIN_VERSION_MISMATCH);
    (void)state;
    answer_transaction(&answer, &result, usual, &problem);
    assert_true(answer.is_problem);
    assert_body(&answer, 409,
                "{\"type\":\"urn:florin:problem:version_mismatch\",\"title\":\"Version mismatch\","
                "\"status\":409,\"detail\":\"Version mismatch\",\"error\":\"Version mismatch\","
                "\"CurrentVersion\":12,\"code\":\"version_mismatch\",\"outcome\":\"rejected\"}");
}

static void account__shows_everything(void **state)
{
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED);
    (void)state;
    result.kind = FLORIN_OPEN_ACCOUNT;
    result.minimum_balance_minor = -5000;
    result.metadata = "{\"a\":1}";
    result.metadata_length = 7;
    answer_account(&answer, &result, "alice", 5, usual, &plain);
    assert_body(&answer, 201,
                "{\"id\":\"alice\",\"currency\":\"USD\",\"balance\":350.00,\"held\":0.00,"
                "\"available\":350.00,\"version\":12,\"minimumBalance\":-50.00,"
                "\"status\":\"open\",\"createdAt\":\"2025-05-02T10:24:02Z\",\"metadata\":{\"a\":1}"
                "}");
    assert_string_equal(answer.location, "/accounts/alice");
    result.replayed = true;
    answer_account(&answer, &result, "alice", 5, usual, &plain);
    assert_int_equal(answer.status, 200);
    assert_false(answer.replayed);
    /* an account is opened twice without harm, also where duplicates are refused */
    static const struct answer_style reject = {.reject_duplicates = true};
    answer_account(&answer, &result, "alice", 5, usual, &reject);
    assert_int_equal(answer.status, 200);

    result.kind = FLORIN_READ_ACCOUNT;
    result.replayed = false;
    result.held_minor = 10000;
    result.account_status = FLORIN_STATE_FROZEN;
    answer_account(&answer, &result, "alice", 5, usual, &plain);
    assert_body(&answer, 200,
                "{\"id\":\"alice\",\"currency\":\"USD\",\"balance\":350.00,\"held\":100.00,"
                "\"available\":250.00,\"version\":12,\"minimumBalance\":-50.00,"
                "\"status\":\"frozen\",\"createdAt\":\"2025-05-02T10:24:02Z\","
                "\"metadata\":{\"a\":1}}");
    assert_string_equal(answer.location, "");
}

static void change__shows_the_account(void **state)
{
    static const char body[] =
        "{\"id\":\"alice\",\"currency\":\"USD\",\"balance\":350.00,\"held\":0.00,"
        "\"available\":350.00,\"version\":12,\"minimumBalance\":0.00,\"status\":\"closed\","
        "\"createdAt\":\"2025-05-02T10:24:02Z\",\"metadata\":{}}";
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED);
    (void)state;
    result.kind = FLORIN_CHANGE_ACCOUNT;
    result.account_status = FLORIN_STATE_CLOSED;
    answer_account(&answer, &result, "alice", 5, usual, &plain);
    assert_body(&answer, 200, body);
    assert_string_equal(answer.etag, "\"12\"");
    assert_string_equal(answer.location, "");

    result.status = FLORIN_ACCOUNT_NOT_EMPTY;
    answer_account(&answer, &result, "alice", 5, usual, &plain);
    assert_body(&answer, 422,
                "{\"error\":\"An account is closed at a balance of zero and without holds\","
                "\"code\":\"account_not_empty\",\"outcome\":\"rejected\"}");
    result.status = FLORIN_INVALID_CHANGE;
    result.field = FLORIN_FIELD_STATUS;
    answer_account(&answer, &result, "alice", 5, usual, &plain);
    assert_body(&answer, 400,
                "{\"error\":\"There is nothing to change, or not so\","
                "\"code\":\"invalid_request\",\"field\":\"status\",\"outcome\":\"rejected\"}");
}

static void tries__promise_nothing_to_come_back_to(void **state)
{
    static const struct answer_style dry = {.dry_run = true};
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED);
    (void)state;
    answer_transaction(&answer, &result, usual, &dry);
    assert_body(&answer, 200,
                "{\"type\":\"Withdraw\",\"amount\":100.00,\"newBalance\":350.00,"
                "\"newVersion\":12,\"dryRun\":true}");
    assert_string_equal(answer.location, "");
    result.kind = FLORIN_OPEN_ACCOUNT;
    answer_account(&answer, &result, "alice", 5, usual, &dry);
    assert_body(&answer, 200,
                "{\"id\":\"alice\",\"currency\":\"USD\",\"balance\":350.00,\"held\":0.00,"
                "\"available\":350.00,\"version\":12,\"minimumBalance\":0.00,"
                "\"status\":\"open\",\"metadata\":{},\"dryRun\":true}");
    assert_string_equal(answer.location, "");
    assert_string_equal(answer.etag, "");
    result.status = FLORIN_INSUFFICIENT_BALANCE;
    answer_transaction(&answer, &result, usual, &dry);
    assert_int_equal(answer.status, 422);
}

static void longest_answers__fit(void **state)
{
    static const struct answer_style problem = {.problem = true, .money_as_string = true};
    struct answer answer;
    struct request_fault fault;
    char metadata[FLORIN_METADATA_MAX];
    char id[FLORIN_ACCOUNT_ID_MAX];
    char wild[REQUEST_MESSAGE_MAX + 20];
    struct florin_result result = result_of(FLORIN_APPLIED);
    (void)state;
    memset(metadata, ' ', sizeof(metadata));
    memset(id, 'i', sizeof(id));
    memset(wild, '\x01', sizeof(wild) - 1);
    wild[sizeof(wild) - 1] = '\0';
    result.balance_minor = INT64_MAX;
    result.minimum_balance_minor = -INT64_MAX;
    result.version = UINT64_MAX;
    result.metadata = metadata;
    result.metadata_length = sizeof(metadata);
    answer_account(&answer, &result, id, sizeof(id), usual, &problem);
    assert_int_equal(answer.status, 200);

    assert_false(request_fault_set(&fault, wild, "%s", wild));
    answer_fault(&answer, &fault, &problem);
    struct json_object object;
    assert_true(json_object_parse(&object, answer.body.bytes, answer.body.length, NULL, 0, &fault));
    json_object_free(&object);
}

static void withdrawal__has_exactly_the_seeds_members(void **state)
{
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED);
    (void)state;
    withdraw_answer(&answer, &result, "12345", 5);
    assert_body(&answer, 200,
                "{\"account_id\":\"12345\",\"message\":\"Withdrawal successful\","
                "\"new_balance\":\"$350.00\"}");
    result.status = FLORIN_INSUFFICIENT_BALANCE;
    withdraw_answer(&answer, &result, "12345", 5);
    assert_body(&answer, 400, "{\"account_id\":\"12345\",\"error\":\"Insufficient funds\"}");
    result.status = FLORIN_ACCOUNT_NOT_FOUND;
    withdraw_answer(&answer, &result, "12345", 5);
    assert_body(&answer, 404, "{\"error\":\"Account not found\"}");
    result.status = FLORIN_INVALID_AMOUNT;
    withdraw_answer(&answer, &result, "12345", 5);
    assert_body(&answer, 400, "{\"error\":\"Invalid request\"}");
    result.status = FLORIN_COMMIT_UNKNOWN;
    withdraw_answer(&answer, &result, "12345", 5);
    assert_body(&answer, 500,
                "{\"error\":\"Transaction failed\","
                "\"details\":\"It is not known whether it was committed\"}");
    result.status = FLORIN_NOT_COMMITTED;
    withdraw_answer(&answer, &result, "12345", 5);
    assert_body(&answer, 500,
                "{\"error\":\"Transaction failed\","
                "\"details\":\"It was not committed; it is safe to try again\"}");
}

static void recovering__says_how_far_and_how_long(void **state)
{
    struct recovery_progress progress = {.share = 0.425, .mib_per_second = 812.46};
    struct answer answer;
    (void)state;
    answer_recovering(&answer, &progress, &plain);
    assert_body(&answer, 503,
                "{\"error\":\"Recovering\",\"code\":\"recovering\",\"progress\":0.42,"
                "\"outcome\":\"not_applied\"}");
    assert_true(answer.retry_after);
    answer_not_ready(&answer, &progress, &plain);
    assert_body(&answer, 503,
                "{\"error\":\"Recovering\",\"code\":\"recovering\",\"progress\":0.42,"
                "\"rate\":812.5,\"secondsLeft\":null,\"outcome\":\"not_applied\"}");
    assert_true(answer.retry_after);
    progress.seconds_are_known = true;
    progress.seconds_left = 7;
    answer_not_ready(&answer, &progress, &plain);
    assert_body(&answer, 503,
                "{\"error\":\"Recovering\",\"code\":\"recovering\",\"progress\":0.42,"
                "\"rate\":812.5,\"secondsLeft\":7,\"outcome\":\"not_applied\"}");
}

static void checkpoints__are_counted(void **state)
{
    const struct ledger_keeper_statistics figures = {
        .checkpoints_ended = 5,
        .checkpoints_completed = 4,
        .checkpoints_failed = 1,
        .checkpoint_running = true,
        .checkpoint_lsn = 131,
        .log_bytes_since = 8192,
    };
    struct answer answer;
    (void)state;
    answer_checkpoints(&answer, &figures);
    assert_body(&answer, 200,
                "{\"running\":true,\"ended\":5,\"completed\":4,\"failed\":1,\"lsn\":131,"
                "\"logBytesSince\":8192}");
    answer_checkpoint_begun(&answer, 6);
    assert_body(&answer, 202, "{\"number\":6}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transaction__has_the_promised_members),
        cmocka_unit_test(refusals__have_the_promised_members),
        cmocka_unit_test(reused_key__names_the_field_as_the_client_spells_it),
        cmocka_unit_test(duplicates__are_refused_when_the_operator_says_so),
        cmocka_unit_test(money__is_a_string_on_request),
        cmocka_unit_test(problem__has_the_same_facts),
        cmocka_unit_test(account__shows_everything),
        cmocka_unit_test(change__shows_the_account),
        cmocka_unit_test(tries__promise_nothing_to_come_back_to),
        cmocka_unit_test(longest_answers__fit),
        cmocka_unit_test(withdrawal__has_exactly_the_seeds_members),
        cmocka_unit_test(recovering__says_how_far_and_how_long),
        cmocka_unit_test(checkpoints__are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
