/* error_code.h - every error of the HTTP API: its code, its status, what a client may conclude.
 *
 * The code is the contract; florin_status of the engine comes in through error_code_of_status().
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_ERROR_CODE_H
#define FLORIN_HTTP_ERROR_CODE_H

#include "florin.h"

/* X(NAME, HTTP status, code, outcome, for people) */
#define ERROR_CODE_LIST(X)                                                                         \
    X(NONE, 200, "none", APPLIED, "")                                                              \
    X(INVALID_REQUEST, 400, "invalid_request", REJECTED, "Invalid request")                        \
    X(NOT_FOUND, 404, "not_found", REJECTED, "Not found")                                          \
    X(ACCOUNT_NOT_FOUND, 404, "account_not_found", REJECTED, "Account not found")                  \
    X(HOLD_NOT_FOUND, 404, "hold_not_found", REJECTED, "Hold not found")                           \
    X(TRANSACTION_NOT_FOUND, 404, "transaction_not_found", REJECTED, "Transaction not found")      \
    X(VERSION_NOT_FOUND, 404, "version_not_found", REJECTED, "The account has no such version")    \
    X(NOT_YET_OPEN, 404, "not_yet_open", REJECTED, "The account was opened later")                 \
    X(METHOD_NOT_ALLOWED, 405, "method_not_allowed", REJECTED, "Method not allowed")               \
    X(NOT_COMMITTED, 408, "not_committed", NOT_APPLIED, "Server Crashes")                          \
    X(COMMIT_UNKNOWN, 408, "commit_unknown", UNKNOWN, "Server Crashes")                            \
    X(ACCOUNT_EXISTS, 409, "account_exists", REJECTED,                                             \
      "An account of this id exists with other content")                                           \
    X(VERSION_MISMATCH, 409, "version_mismatch", REJECTED, "Version mismatch")                     \
    X(BALANCE_CONDITION, 409, "balance_condition_failed", REJECTED,                                \
      "The balance is less than expected")                                                         \
    X(HOLD_RESOLVED, 409, "hold_resolved", REJECTED, "The hold is captured, voided or expired")    \
    X(DUPLICATE_TRANSACTION, 409, "duplicate_transaction", REJECTED, "Duplicate transaction")      \
    X(EVENTS_GONE, 410, "events_gone", REJECTED, "Retention has removed these events")             \
    X(HISTORY_GONE, 410, "history_gone", REJECTED, "Retention has removed this history")           \
    X(PRECONDITION_FAILED, 412, "precondition_failed", REJECTED, "Version mismatch")               \
    X(PAYLOAD_TOO_LARGE, 413, "payload_too_large", REJECTED, "The body is too large")              \
    X(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", REJECTED,                             \
      "The body must be application/json in UTF-8")                                                \
    X(EXPECTATION_FAILED, 417, "expectation_failed", REJECTED,                                     \
      "Only Expect: 100-continue is known")                                                        \
    X(INSUFFICIENT_BALANCE, 422, "insufficient_balance", REJECTED, "Insufficient Balance")         \
    X(BALANCE_OVERFLOW, 422, "balance_overflow", REJECTED,                                         \
      "The balance would exceed what an account can hold")                                         \
    X(ACCOUNT_FROZEN, 422, "account_frozen", REJECTED, "The account is frozen")                    \
    X(ACCOUNT_CLOSED, 422, "account_closed", REJECTED, "The account is closed")                    \
    X(CURRENCY_MISMATCH, 422, "currency_mismatch", REJECTED,                                       \
      "The accounts have different currencies")                                                    \
    X(UNBALANCED, 422, "unbalanced", REJECTED, "Debits and credits differ")                        \
    X(NOT_REVERSIBLE, 422, "not_reversible", REJECTED, "This transaction cannot be reversed")      \
    X(HOLD_EXCEEDED, 422, "hold_exceeded", REJECTED, "The hold is smaller than that")              \
    X(ACCOUNT_NOT_EMPTY, 422, "account_not_empty", REJECTED,                                       \
      "An account is closed at a balance of zero and without holds")                               \
    X(REVERSAL_EXCEEDED, 422, "reversal_exceeded", REJECTED,                                       \
      "Less than that is left of the transaction")                                                 \
    X(KEY_REUSED, 422, "idempotency_key_reused", REJECTED, "Duplicate transaction")                \
    X(TOO_MANY_REQUESTS, 429, "too_many_requests", NOT_APPLIED, "Too many requests in flight")     \
    X(TOO_MANY_FOLLOWERS, 429, "too_many_followers", NOT_APPLIED, "Too many followers of events")  \
    X(FOLLOWER_TOO_SLOW, 429, "follower_too_slow", NOT_APPLIED,                                    \
      "The events were not taken in time")                                                         \
    X(RECOVERING, 503, "recovering", NOT_APPLIED, "Recovering")                                    \
    X(STORAGE_FULL, 503, "storage_full", NOT_APPLIED, "The disk is full")                          \
    X(UNHEALTHY, 503, "unhealthy", NOT_APPLIED, "The log does not answer")                         \
    X(EVENTS_FAILED, 503, "events_failed", NOT_APPLIED, "The log cannot be read")                  \
    X(HISTORY_FAILED, 503, "history_failed", NOT_APPLIED, "The history cannot be read")            \
    X(BACKUP_FAILED, 503, "backup_failed", NOT_APPLIED, "The backup cannot be made")               \
    X(STOPPING, 503, "stopping", NOT_APPLIED, "The server is stopping")                            \
    X(ACCOUNTS_FULL, 507, "accounts_full", NOT_APPLIED, "No room for another account")             \
    X(KEYS_FULL, 507, "keys_full", NOT_APPLIED, "No room for another idempotency key")             \
    X(HOLDS_FULL, 507, "holds_full", NOT_APPLIED, "No room for another hold")

enum error_code {
#define X(name, status, code, outcome, message) ERROR_##name,
    ERROR_CODE_LIST(X)
#undef X
        ERROR_CODE_COUNT
};

struct error_description {
    int http_status;
    const char *code;
    const char *outcome; /* "rejected", "not_applied", "unknown" */
    const char *message;
};

/* Lives for ever. */
const struct error_description *error_code_describe(enum error_code code);

/* FLORIN_APPLIED is ERROR_NONE. */
enum error_code error_code_of_status(enum florin_status status);

/* "Bad Request"; of the statuses that Florin sends. */
const char *error_code_reason(int http_status);

#endif
