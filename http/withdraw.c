/* withdraw.c - the seed's request and answers.
 *
 * Guarantees: exactly the members that the seed's clients know, in the same order. It must not
 * know the rest of the API.
 */
#include "withdraw.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "json_object.h"

static const char *const known_names[] = {"account_id", "amount"};

static bool parse_members(struct withdraw_request *request, const struct json_object *object,
                          struct request_fault *fault)
{
    const char *account;
    for (size_t i = 0; i < sizeof(known_names) / sizeof(known_names[0]); i++) {
        if (!json_object_has(object, known_names[i]))
            return request_fault_set(fault, known_names[i], "\"%s\" is missing", known_names[i]);
    }
    if (!json_object_text(object, "account_id", &account, fault) ||
        !json_object_money(object, "amount", &request->amount, fault))
        return false;
    request->account_length = strlen(account);
    if (!florin_account_id_is_valid(account, request->account_length))
        return request_fault_set(fault, "account_id", "%s",
                                 florin_status_message(FLORIN_INVALID_ACCOUNT_ID));
    memcpy(request->account, account, request->account_length);
    return request->amount.digits > 0 ||
           request_fault_set(fault, "amount", "\"amount\" must be greater than zero");
}

bool withdraw_request_parse(struct withdraw_request *request, const char *body, size_t body_length,
                            struct request_fault *fault)
{
    struct json_object object;
    if (!json_object_parse(&object, body, body_length, known_names,
                           sizeof(known_names) / sizeof(known_names[0]), fault))
        return false;
    bool parsed = parse_members(request, &object, fault);
    json_object_free(&object);
    return parsed;
}

static void refuse(struct answer *answer, int status, const char *error, const char *details)
{
    answer->status = status;
    json_text_raw(&answer->body, "{", 1);
    json_text_member_string(&answer->body, "error", error);
    if (details != NULL)
        json_text_member_string(&answer->body, "details", details);
    json_text_raw(&answer->body, "}", 1);
}

void withdraw_refuse(struct answer *answer, enum error_code code)
{
    static const char failed[] = "Transaction failed";
    const struct error_description *description = error_code_describe(code);
    answer_init(answer, description->http_status);
    answer->code = code;
    switch (code) {
    case ERROR_NOT_COMMITTED:
        refuse(answer, 500, failed, "It was not committed; it is safe to try again");
        answer->close = true;
        break;
    case ERROR_COMMIT_UNKNOWN:
        refuse(answer, 500, failed, "It is not known whether it was committed");
        answer->close = true;
        break;
    case ERROR_ACCOUNTS_FULL:
    case ERROR_KEYS_FULL:
    case ERROR_HOLDS_FULL:
    case ERROR_RECOVERING:
    case ERROR_BACKUP_FAILED:
    case ERROR_STOPPING:
    case ERROR_STORAGE_FULL:
    case ERROR_TOO_MANY_REQUESTS:
    case ERROR_UNHEALTHY:
        refuse(answer, 500, failed, description->message);
        answer->retry_after = true;
        break;
    case ERROR_ACCOUNT_NOT_FOUND:
        refuse(answer, 404, description->message, NULL);
        break;
    case ERROR_METHOD_NOT_ALLOWED:
    case ERROR_PAYLOAD_TOO_LARGE:
    case ERROR_UNSUPPORTED_MEDIA_TYPE:
        refuse(answer, description->http_status, "Invalid request", NULL);
        break;
    case ERROR_ACCOUNT_CLOSED:
    case ERROR_ACCOUNT_EXISTS:
    case ERROR_ACCOUNT_FROZEN:
    case ERROR_ACCOUNT_NOT_EMPTY:
    case ERROR_BALANCE_CONDITION:
    case ERROR_BALANCE_OVERFLOW:
    case ERROR_CURRENCY_MISMATCH:
    case ERROR_DUPLICATE_TRANSACTION:
    case ERROR_EVENTS_FAILED:
    case ERROR_EVENTS_GONE:
    case ERROR_EXPECTATION_FAILED:
    case ERROR_FOLLOWER_TOO_SLOW:
    case ERROR_HISTORY_FAILED:
    case ERROR_HISTORY_GONE:
    case ERROR_HOLD_EXCEEDED:
    case ERROR_HOLD_NOT_FOUND:
    case ERROR_HOLD_RESOLVED:
    case ERROR_INSUFFICIENT_BALANCE:
    case ERROR_INVALID_REQUEST:
    case ERROR_KEY_REUSED:
    case ERROR_NONE:
    case ERROR_NOT_FOUND:
    case ERROR_NOT_REVERSIBLE:
    case ERROR_NOT_YET_OPEN:
    case ERROR_PRECONDITION_FAILED:
    case ERROR_REVERSAL_EXCEEDED:
    case ERROR_TOO_MANY_FOLLOWERS:
    case ERROR_TRANSACTION_NOT_FOUND:
    case ERROR_UNBALANCED:
    case ERROR_VERSION_MISMATCH:
    case ERROR_VERSION_NOT_FOUND:
    case ERROR_CODE_COUNT:
        refuse(answer, 400, "Invalid request", NULL);
        break;
    }
    assert(!answer->body.truncated);
}

/* "$800.00"; other currencies by their code: "EUR 800.00". */
static void member_new_balance(struct answer *answer, const struct florin_result *result)
{
    char text[FLORIN_CURRENCY_MAX + 1 + MONEY_TEXT_BYTES];
    char amount[MONEY_TEXT_BYTES];
    (void)money_format(result->balance_minor, result->exponent, amount);
    bool dollars = strcmp(result->currency, "USD") == 0;
    snprintf(text, sizeof(text), "%s%s%s", dollars ? "$" : result->currency, dollars ? "" : " ",
             amount);
    json_text_member_string(&answer->body, "new_balance", text);
}

void withdraw_answer(struct answer *answer, const struct florin_result *result, const char *account,
                     size_t account_length)
{
    bool applied = result->status == FLORIN_APPLIED;
    if (!applied && result->status != FLORIN_INSUFFICIENT_BALANCE) {
        withdraw_refuse(answer, error_code_of_status(result->status));
        return;
    }
    answer_init(answer, applied ? 200 : 400);
    answer->code = error_code_of_status(result->status);
    answer->replayed = result->replayed;
    json_text_raw(&answer->body, "{", 1);
    json_text_member(&answer->body, "account_id");
    json_text_string(&answer->body, account, account_length);
    if (applied) {
        json_text_member_string(&answer->body, "message", "Withdrawal successful");
        member_new_balance(answer, result);
    } else {
        json_text_member_string(&answer->body, "error", "Insufficient funds");
    }
    json_text_raw(&answer->body, "}", 1);
    assert(!answer->body.truncated);
}
