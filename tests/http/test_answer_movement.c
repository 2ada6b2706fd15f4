/* test_answer_movement.c - the bytes of answers to transfers, postings, holds, and of tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/answer_movement.h"
#include "http/json_object.h"

static const struct answer_style plain = {.money_as_string = false};
static const struct answer_style dry = {.dry_run = true};
static const struct named_account legs[] = {{5, "alice"}, {4, "shop"}, {4, "fees"}};
static const struct request_echo echo = {
    .account = {5, "alice"},
    .to = {4, "shop"},
    .target_id = 131,
    .leg_count = 3,
    .legs = legs,
};

/* 2025-05-02T10:24:02Z and a bit */
#define MAY_SECOND UINT64_C(1746181442123456789)

static struct florin_result result_of(enum florin_status status, enum florin_command_kind kind)
{
    return (struct florin_result){
        .status = status,
        .kind = kind,
        .transaction_id = 140,
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
    if (answer->body.length != strlen(body) ||
        memcmp(answer->body.bytes, body, answer->body.length) != 0)
        fail_msg("%.*s", (int)answer->body.length, answer->body.bytes);
    assert_int_equal(answer->status, status);
}

typedef void answer_function(struct answer *answer, const struct florin_result *result,
                             const struct request_echo *echo, const struct answer_style *style);

struct movement {
    enum florin_command_kind kind;
    answer_function *answer;
    const char *applied;
    const char *tried;
    const char *location;
};

static const struct movement movements[] = {
    {FLORIN_TRANSFER, answer_transfer,
     "{\"id\":\"txn140\",\"type\":\"Transfer\",\"from\":\"alice\",\"to\":\"shop\","
     "\"amount\":100.00,\"newBalance\":350.00,\"newVersion\":12,"
     "\"timestamp\":\"2025-05-02T10:24:02Z\"}",
     "{\"type\":\"Transfer\",\"from\":\"alice\",\"to\":\"shop\",\"amount\":100.00,"
     "\"newBalance\":350.00,\"newVersion\":12,\"dryRun\":true}",
     "/transactions/txn140"},
    {FLORIN_POSTING, answer_posting,
     "{\"id\":\"txn140\",\"type\":\"Posting\",\"legs\":3,\"account\":\"alice\","
     "\"newBalance\":350.00,\"newVersion\":12,\"timestamp\":\"2025-05-02T10:24:02Z\"}",
     "{\"type\":\"Posting\",\"legs\":3,\"account\":\"alice\",\"newBalance\":350.00,"
     "\"newVersion\":12,\"dryRun\":true}",
     "/transactions/txn140"},
    {FLORIN_HOLD, answer_hold,
     "{\"id\":\"hold140:alice\",\"type\":\"Hold\",\"account\":\"alice\",\"amount\":100.00,"
     "\"newAvailable\":350.00,\"newVersion\":12,\"timestamp\":\"2025-05-02T10:24:02Z\"}",
     "{\"type\":\"Hold\",\"account\":\"alice\",\"amount\":100.00,\"newAvailable\":350.00,"
     "\"newVersion\":12,\"dryRun\":true}",
     ""},
    {FLORIN_CAPTURE, answer_capture,
     "{\"id\":\"txn140\",\"type\":\"Capture\",\"hold\":\"hold131:alice\",\"account\":\"alice\","
     "\"to\":\"shop\",\"amount\":100.00,\"newBalance\":350.00,\"newVersion\":12,"
     "\"timestamp\":\"2025-05-02T10:24:02Z\"}",
     "{\"type\":\"Capture\",\"hold\":\"hold131:alice\",\"account\":\"alice\",\"to\":\"shop\","
     "\"amount\":100.00,\"newBalance\":350.00,\"newVersion\":12,\"dryRun\":true}",
     "/transactions/txn140"},
    {FLORIN_VOID, answer_void,
     "{\"id\":\"txn140\",\"type\":\"Void\",\"hold\":\"hold131:alice\",\"account\":\"alice\","
     "\"amount\":100.00,\"newAvailable\":350.00,\"newVersion\":12,"
     "\"timestamp\":\"2025-05-02T10:24:02Z\"}",
     "{\"type\":\"Void\",\"hold\":\"hold131:alice\",\"account\":\"alice\",\"amount\":100.00,"
     "\"newAvailable\":350.00,\"newVersion\":12,\"dryRun\":true}",
     ""},
};

enum { MOVEMENTS = sizeof(movements) / sizeof(movements[0]) };

static void movements__have_the_promised_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOVEMENTS; i++) {
        struct answer answer;
        struct answer again;
        struct florin_result result = result_of(FLORIN_APPLIED, movements[i].kind);
        movements[i].answer(&answer, &result, &echo, &plain);
        assert_body(&answer, 201, movements[i].applied);
        assert_string_equal(answer.location, movements[i].location);
        assert_false(answer.replayed);
        result.replayed = true;
        movements[i].answer(&again, &result, &echo, &plain);
        assert_true(again.replayed);
        assert_body(&again, 201, movements[i].applied);
    }
}

static void tries__have_nothing_that_only_a_commit_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOVEMENTS; i++) {
        struct answer answer;
        struct florin_result result = result_of(FLORIN_APPLIED, movements[i].kind);
        result.transaction_id = 0;
        result.time_ns = 0;
        movements[i].answer(&answer, &result, &echo, &dry);
        assert_body(&answer, 200, movements[i].tried);
        assert_string_equal(answer.location, "");
    }
}

static void hold__says_when_it_ends(void **state)
{
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED, FLORIN_HOLD);
    (void)state;
    result.expires_ns = MAY_SECOND + UINT64_C(60000000000);
    answer_hold(&answer, &result, &echo, &plain);
    assert_body(&answer, 201,
                "{\"id\":\"hold140:alice\",\"type\":\"Hold\",\"account\":\"alice\","
                "\"amount\":100.00,\"newAvailable\":350.00,\"newVersion\":12,"
                "\"expiresAt\":\"2025-05-02T10:25:02Z\",\"timestamp\":\"2025-05-02T10:24:02Z\"}");
}

static void capture__out_of_the_ledger_names_no_account(void **state)
{
    struct request_echo outside = echo;
    struct answer answer;
    struct florin_result result = result_of(FLORIN_APPLIED, FLORIN_CAPTURE);
    (void)state;
    outside.to.length = 0;
    answer_capture(&answer, &result, &outside, &plain);
    assert_body(&answer, 201,
                "{\"id\":\"txn140\",\"type\":\"Capture\",\"hold\":\"hold131:alice\","
                "\"account\":\"alice\",\"amount\":100.00,\"newBalance\":350.00,\"newVersion\":12,"
                "\"timestamp\":\"2025-05-02T10:24:02Z\"}");
}

static void refusals__say_of_which_account(void **state)
{
    static const struct {
        answer_function *answer;
        enum florin_command_kind kind;
        enum florin_status status;
        enum florin_field field;
        uint8_t leg;
        int http_status;
        const char *body;
    } rows[] = {
        {answer_transfer, FLORIN_TRANSFER, FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_AMOUNT, 0, 422,
         "{\"error\":\"Insufficient Balance\",\"code\":\"insufficient_balance\","
         "\"balance\":350.00,\"version\":12,\"field\":\"amount\",\"account\":\"alice\","
         "\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE, 1, 404,
         "{\"error\":\"Account not found\",\"code\":\"account_not_found\",\"field\":\"to\","
         "\"account\":\"shop\",\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_ACCOUNT_FROZEN, FLORIN_FIELD_ACCOUNT, 0, 422,
         "{\"error\":\"The account is frozen\",\"code\":\"account_frozen\",\"field\":\"from\","
         "\"account\":\"alice\",\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_VERSION_MISMATCH, FLORIN_FIELD_EXPECTED_VERSION,
         0, 409,
         "{\"error\":\"Version mismatch\",\"CurrentVersion\":12,\"code\":\"version_mismatch\","
         "\"field\":\"expectedFromVersion\",\"account\":\"alice\",\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_VERSION_MISMATCH, FLORIN_FIELD_EXPECTED_VERSION,
         1, 409,
         "{\"error\":\"Version mismatch\",\"CurrentVersion\":12,\"code\":\"version_mismatch\","
         "\"field\":\"expectedToVersion\",\"account\":\"shop\",\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_BALANCE_CONDITION, FLORIN_FIELD_EXPECTED_BALANCE,
         0, 409,
         "{\"error\":\"The balance is less than expected\",\"code\":\"balance_condition_failed\","
         "\"balance\":350.00,\"version\":12,\"field\":\"expectedFromBalanceAtLeast\","
         "\"account\":\"alice\",\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_CURRENCY_MISMATCH, FLORIN_FIELD_TO, 1, 422,
         "{\"error\":\"The accounts have different currencies\",\"code\":\"currency_mismatch\","
         "\"field\":\"to\",\"account\":\"shop\",\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 0, 400,
         "{\"error\":\"The amount has more decimals than the account's currency, or is out of "
         "range\",\"code\":\"invalid_request\",\"field\":\"amount\",\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_SAME_ACCOUNT, FLORIN_FIELD_TO, 0, 400,
         "{\"error\":\"A transfer needs two accounts\",\"code\":\"invalid_request\","
         "\"field\":\"to\",\"outcome\":\"rejected\"}"},
        {answer_transfer, FLORIN_TRANSFER, FLORIN_KEY_REUSED, FLORIN_FIELD_LEGS, 0, 422,
         "{\"error\":\"Duplicate transaction\",\"transactionId\":\"txn140\","
         "\"code\":\"idempotency_key_reused\",\"field\":\"body\",\"outcome\":\"rejected\"}"},
        {answer_posting, FLORIN_POSTING, FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_AMOUNT, 2, 422,
         "{\"error\":\"Insufficient Balance\",\"code\":\"insufficient_balance\","
         "\"balance\":350.00,\"version\":12,\"leg\":2,\"field\":\"legs[2].amount\","
         "\"account\":\"fees\",\"outcome\":\"rejected\"}"},
        {answer_posting, FLORIN_POSTING, FLORIN_VERSION_MISMATCH, FLORIN_FIELD_EXPECTED_VERSION, 1,
         409,
         "{\"error\":\"Version mismatch\",\"CurrentVersion\":12,\"code\":\"version_mismatch\","
         "\"leg\":1,\"field\":\"legs[1].expectedVersion\",\"account\":\"shop\","
         "\"outcome\":\"rejected\"}"},
        {answer_posting, FLORIN_POSTING, FLORIN_ACCOUNT_CLOSED, FLORIN_FIELD_ACCOUNT, 0, 422,
         "{\"error\":\"The account is closed\",\"code\":\"account_closed\",\"leg\":0,"
         "\"field\":\"legs[0].account\",\"account\":\"alice\",\"outcome\":\"rejected\"}"},
        {answer_posting, FLORIN_POSTING, FLORIN_INVALID_AMOUNT, FLORIN_FIELD_AMOUNT, 1, 400,
         "{\"error\":\"The amount has more decimals than the account's currency, or is out of "
         "range\",\"code\":\"invalid_request\",\"leg\":1,\"field\":\"legs[1].amount\","
         "\"outcome\":\"rejected\"}"},
        {answer_posting, FLORIN_POSTING, FLORIN_UNBALANCED, FLORIN_FIELD_LEGS, 0, 422,
         "{\"error\":\"Debits and credits differ\",\"code\":\"unbalanced\",\"field\":\"legs\","
         "\"outcome\":\"rejected\"}"},
        {answer_posting, FLORIN_POSTING, FLORIN_KEY_REUSED, FLORIN_FIELD_LEGS, 0, 422,
         "{\"error\":\"Duplicate transaction\",\"transactionId\":\"txn140\","
         "\"code\":\"idempotency_key_reused\",\"field\":\"legs\",\"outcome\":\"rejected\"}"},
        {answer_hold, FLORIN_HOLD, FLORIN_INSUFFICIENT_BALANCE, FLORIN_FIELD_AMOUNT, 0, 422,
         "{\"error\":\"Insufficient Balance\",\"code\":\"insufficient_balance\","
         "\"balance\":350.00,\"version\":12,\"field\":\"amount\",\"outcome\":\"rejected\"}"},
        {answer_hold, FLORIN_HOLD, FLORIN_PRECONDITION_FAILED, FLORIN_FIELD_EXPECTED_VERSION, 0,
         412,
         "{\"error\":\"Version mismatch\",\"CurrentVersion\":12,\"code\":\"precondition_failed\","
         "\"field\":\"expectedVersion\",\"outcome\":\"rejected\"}"},
        {answer_hold, FLORIN_HOLD, FLORIN_HOLDS_FULL, FLORIN_FIELD_NONE, 0, 507,
         "{\"error\":\"No room for another hold\",\"code\":\"holds_full\","
         "\"outcome\":\"not_applied\"}"},
        {answer_capture, FLORIN_CAPTURE, FLORIN_HOLD_EXCEEDED, FLORIN_FIELD_AMOUNT, 0, 422,
         "{\"error\":\"The hold is smaller than that\",\"code\":\"hold_exceeded\","
         "\"field\":\"amount\",\"outcome\":\"rejected\"}"},
        {answer_capture, FLORIN_CAPTURE, FLORIN_HOLD_RESOLVED, FLORIN_FIELD_TARGET, 0, 409,
         "{\"error\":\"The hold is captured, voided or expired\",\"code\":\"hold_resolved\","
         "\"field\":\"holdId\",\"outcome\":\"rejected\"}"},
        {answer_capture, FLORIN_CAPTURE, FLORIN_ACCOUNT_NOT_FOUND, FLORIN_FIELD_NONE, 1, 404,
         "{\"error\":\"Account not found\",\"code\":\"account_not_found\",\"field\":\"to\","
         "\"account\":\"shop\",\"outcome\":\"rejected\"}"},
        {answer_void, FLORIN_VOID, FLORIN_HOLD_NOT_FOUND, FLORIN_FIELD_NONE, 0, 404,
         "{\"error\":\"Hold not found\",\"code\":\"hold_not_found\",\"outcome\":\"rejected\"}"},
        {answer_void, FLORIN_VOID, FLORIN_COMMIT_UNKNOWN, FLORIN_FIELD_NONE, 0, 408,
         "{\"error\":\"Server Crashes\",\"CurrentVersion\":12,\"code\":\"commit_unknown\","
         "\"outcome\":\"unknown\"}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer;
        struct florin_result result = result_of(rows[i].status, rows[i].kind);
        result.field = rows[i].field;
        result.leg = rows[i].leg;
        result.replayed = rows[i].status != FLORIN_KEY_REUSED;
        rows[i].answer(&answer, &result, &echo, &plain);
        assert_body(&answer, rows[i].http_status, rows[i].body);
        assert_int_equal(answer.replayed, rows[i].status != FLORIN_KEY_REUSED);
    }
}

static void duplicates__are_refused_when_the_operator_says_so(void **state)
{
    static const struct answer_style reject = {.reject_duplicates = true};
    (void)state;
    for (size_t i = 0; i < MOVEMENTS; i++) {
        struct answer answer;
        struct florin_result result = result_of(FLORIN_APPLIED, movements[i].kind);
        movements[i].answer(&answer, &result, &echo, &reject);
        assert_int_equal(answer.status, 201);
        result.replayed = true;
        movements[i].answer(&answer, &result, &echo, &reject);
        assert_body(&answer, 409,
                    "{\"error\":\"Duplicate transaction\",\"transactionId\":\"txn140\","
                    "\"code\":\"duplicate_transaction\",\"outcome\":\"rejected\"}");
    }
}

/* The client has left, so the legs are gone with its request; the answer is made all the same, to
 * be counted. */
static void posting__is_answered_without_its_legs(void **state)
{
    struct request_echo gone = echo;
    struct answer answer;
    struct florin_result result = result_of(FLORIN_INSUFFICIENT_BALANCE, FLORIN_POSTING);
    (void)state;
    gone.legs = NULL;
    result.leg = 2;
    answer_posting(&answer, &result, &gone, &plain);
    assert_int_equal(answer.code, ERROR_INSUFFICIENT_BALANCE);
}

static void longest_answers__fit(void **state)
{
    static const struct answer_style problem = {.problem = true, .money_as_string = true};
    struct request_echo longest = echo;
    struct named_account leg = {.length = FLORIN_ACCOUNT_ID_MAX};
    struct request_fault fault;
    (void)state;
    memset(leg.id, 'i', sizeof(leg.id));
    longest.account = leg;
    longest.to = leg;
    longest.target_id = UINT64_MAX;
    longest.leg_count = 1;
    longest.legs = &leg;
    for (size_t i = 0; i < MOVEMENTS; i++) {
        struct answer answer;
        struct json_object object;
        struct florin_result result = result_of(FLORIN_APPLIED, movements[i].kind);
        result.transaction_id = UINT64_MAX;
        result.amount_minor = INT64_MAX;
        result.balance_minor = -INT64_MAX;
        /* the most digits that a JSON number keeps */
        result.version = UINT64_C(999999999999999);
        movements[i].answer(&answer, &result, &longest, &problem);
        assert_true(
            json_object_parse(&object, answer.body.bytes, answer.body.length, NULL, 0, &fault));
        json_object_free(&object);
        result.status = FLORIN_INSUFFICIENT_BALANCE;
        movements[i].answer(&answer, &result, &longest, &problem);
        assert_true(
            json_object_parse(&object, answer.body.bytes, answer.body.length, NULL, 0, &fault));
        json_object_free(&object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(movements__have_the_promised_members),
        cmocka_unit_test(tries__have_nothing_that_only_a_commit_gives),
        cmocka_unit_test(hold__says_when_it_ends),
        cmocka_unit_test(capture__out_of_the_ledger_names_no_account),
        cmocka_unit_test(refusals__say_of_which_account),
        cmocka_unit_test(duplicates__are_refused_when_the_operator_says_so),
        cmocka_unit_test(posting__is_answered_without_its_legs),
        cmocka_unit_test(longest_answers__fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
