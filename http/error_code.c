/* error_code.c - the table of errors. */
#include "error_code.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

static const char outcome_APPLIED[] = "applied";
static const char outcome_REJECTED[] = "rejected";
static const char outcome_NOT_APPLIED[] = "not_applied";
static const char outcome_UNKNOWN[] = "unknown";

static const struct error_description descriptions[ERROR_CODE_COUNT] = {
#define X(name, status, code, outcome, message)                                                    \
    [ERROR_##name] = {status, code, outcome_##outcome, message},
    ERROR_CODE_LIST(X)
#undef X
};

const struct error_description *error_code_describe(enum error_code code)
{
    assert(code < ERROR_CODE_COUNT);
    return &descriptions[code];
}

enum error_code error_code_of_status(enum florin_status status)
{
    switch (status) {
    case FLORIN_APPLIED:
        return ERROR_NONE;
    case FLORIN_INVALID_COMMAND:
    case FLORIN_INVALID_ACCOUNT_ID:
    case FLORIN_INVALID_KEY:
    case FLORIN_INVALID_AMOUNT:
    case FLORIN_INVALID_CURRENCY:
    case FLORIN_INVALID_BALANCE:
    case FLORIN_INVALID_METADATA:
    case FLORIN_INVALID_LEGS:
    case FLORIN_SAME_ACCOUNT:
    case FLORIN_INVALID_CHANGE:
        return ERROR_INVALID_REQUEST;
    case FLORIN_KEY_REUSED:
        return ERROR_KEY_REUSED;
    case FLORIN_ACCOUNT_NOT_FOUND:
        return ERROR_ACCOUNT_NOT_FOUND;
    case FLORIN_ACCOUNT_EXISTS:
        return ERROR_ACCOUNT_EXISTS;
    case FLORIN_HOLD_NOT_FOUND:
        return ERROR_HOLD_NOT_FOUND;
    case FLORIN_TRANSACTION_NOT_FOUND:
        return ERROR_TRANSACTION_NOT_FOUND;
    case FLORIN_ACCOUNT_FROZEN:
        return ERROR_ACCOUNT_FROZEN;
    case FLORIN_ACCOUNT_CLOSED:
        return ERROR_ACCOUNT_CLOSED;
    case FLORIN_CURRENCY_MISMATCH:
        return ERROR_CURRENCY_MISMATCH;
    case FLORIN_UNBALANCED:
        return ERROR_UNBALANCED;
    case FLORIN_NOT_REVERSIBLE:
        return ERROR_NOT_REVERSIBLE;
    case FLORIN_VERSION_MISMATCH:
        return ERROR_VERSION_MISMATCH;
    case FLORIN_PRECONDITION_FAILED:
        return ERROR_PRECONDITION_FAILED;
    case FLORIN_BALANCE_CONDITION:
        return ERROR_BALANCE_CONDITION;
    case FLORIN_INSUFFICIENT_BALANCE:
        return ERROR_INSUFFICIENT_BALANCE;
    case FLORIN_BALANCE_OVERFLOW:
        return ERROR_BALANCE_OVERFLOW;
    case FLORIN_HOLD_RESOLVED:
        return ERROR_HOLD_RESOLVED;
    case FLORIN_HOLD_EXCEEDED:
        return ERROR_HOLD_EXCEEDED;
    case FLORIN_ACCOUNT_NOT_EMPTY:
        return ERROR_ACCOUNT_NOT_EMPTY;
    case FLORIN_REVERSAL_EXCEEDED:
        return ERROR_REVERSAL_EXCEEDED;
    case FLORIN_ACCOUNTS_FULL:
        return ERROR_ACCOUNTS_FULL;
    case FLORIN_KEYS_FULL:
        return ERROR_KEYS_FULL;
    case FLORIN_HOLDS_FULL:
        return ERROR_HOLDS_FULL;
    case FLORIN_QUEUE_FULL:
        return ERROR_TOO_MANY_REQUESTS;
    case FLORIN_STORAGE_FULL:
        return ERROR_STORAGE_FULL;
    case FLORIN_NOT_COMMITTED:
        return ERROR_NOT_COMMITTED;
    case FLORIN_COMMIT_UNKNOWN:
        return ERROR_COMMIT_UNKNOWN;
    }
    abort(); /* not in the list */
}

const char *error_code_reason(int http_status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == http_status)
            return reasons[i].reason;
    }
    return "Unknown";
}
