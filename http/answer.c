/* answer.c - JSON bodies and headers of every answer but the seed's.
 *
 * Guarantees: the same result gives the same bytes, so that a retry of a finished request is
 * answered as the first time. A body always fits (asserted). It must not know connections.
 */
#include "answer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void answer_init(struct answer *answer, int status)
{
    answer->status = status;
    answer->code = ERROR_NONE;
    answer->is_problem = false;
    answer->money_as_string = false;
    answer->replayed = false;
    answer->close = false;
    answer->retry_after = false;
    answer->allow = NULL;
    answer->etag[0] = '\0';
    answer->location[0] = '\0';
    json_text_init(&answer->body, answer->bytes, sizeof(answer->bytes));
}

static void open_body(struct answer *answer)
{
    json_text_raw(&answer->body, "{", 1);
}

static void close_body(struct answer *answer)
{
    json_text_raw(&answer->body, "}", 1);
    assert(!answer->body.truncated);
}

static void member_money(struct answer *answer, const char *name, int64_t minor,
                         const struct florin_result *result, const struct answer_style *style)
{
    json_text_member(&answer->body, name);
    json_text_money(&answer->body, minor, result->exponent, style->money_as_string);
    answer->money_as_string = style->money_as_string;
}

static void member_decimal(struct answer *answer, const char *name, int decimals, double value)
{
    char text[40];
    int length = snprintf(text, sizeof(text), "%.*f", decimals, value);
    json_text_member(&answer->body, name);
    json_text_raw(&answer->body, text, (size_t)length);
}

static void member_transaction_id(struct answer *answer, const char *name, uint64_t id)
{
    json_text_member(&answer->body, name);
    json_text_raw(&answer->body, "\"txn", 4);
    json_text_unsigned(&answer->body, id);
    json_text_raw(&answer->body, "\"", 1);
}

/* Everything of an error up to `error`; what follows is of the error's own. `message` NULL: the
 * code's. */
static void open_error(struct answer *answer, enum error_code code, const char *message,
                       const struct answer_style *style)
{
    const struct error_description *description = error_code_describe(code);
    answer_init(answer, description->http_status);
    answer->code = code;
    answer->is_problem = style->problem;
    if (message == NULL)
        message = description->message;
    open_body(answer);
    if (style->problem) {
        char type[64];
        snprintf(type, sizeof(type), "urn:florin:problem:%s", description->code);
        json_text_member_string(&answer->body, "type", type);
        json_text_member_string(&answer->body, "title", description->message);
        json_text_member_unsigned(&answer->body, "status", (uint64_t)description->http_status);
        json_text_member_string(&answer->body, "detail", message);
    }
    json_text_member_string(&answer->body, "error", message);
}

static void member_code(struct answer *answer)
{
    json_text_member_string(&answer->body, "code", error_code_describe(answer->code)->code);
}

static void close_error(struct answer *answer)
{
    json_text_member_string(&answer->body, "outcome", error_code_describe(answer->code)->outcome);
    close_body(answer);
}

void answer_refuse(struct answer *answer, enum error_code code, const struct answer_style *style)
{
    open_error(answer, code, NULL, style);
    member_code(answer);
    answer->retry_after = error_code_describe(code)->http_status == 503 ||
                          error_code_describe(code)->http_status == 429;
    close_error(answer);
}

void answer_too_large(struct answer *answer, size_t limit, const struct answer_style *style)
{
    open_error(answer, ERROR_PAYLOAD_TOO_LARGE, NULL, style);
    member_code(answer);
    json_text_member_unsigned(&answer->body, "limit", limit);
    close_error(answer);
}

void answer_unsupported(struct answer *answer, const char *media_types,
                        const struct answer_style *style)
{
    char message[REQUEST_MESSAGE_MAX];
    snprintf(message, sizeof(message), "The body must be %s in UTF-8", media_types);
    open_error(answer, ERROR_UNSUPPORTED_MEDIA_TYPE, message, style);
    member_code(answer);
    json_text_member_string(&answer->body, "supported", media_types);
    close_error(answer);
}

void answer_fault(struct answer *answer, const struct request_fault *fault,
                  const struct answer_style *style)
{
    open_error(answer, ERROR_INVALID_REQUEST, fault->message, style);
    member_code(answer);
    json_text_member_string(&answer->body, "field", fault->field);
    close_error(answer);
}

void answer_method_not_allowed(struct answer *answer, const char *allow,
                               const struct answer_style *style)
{
    open_error(answer, ERROR_METHOD_NOT_ALLOWED, NULL, style);
    member_code(answer);
    json_text_member_string(&answer->body, "allow", allow);
    answer->allow = allow;
    close_error(answer);
}

static void open_recovering(struct answer *answer, const struct recovery_progress *progress,
                            const struct answer_style *style)
{
    open_error(answer, ERROR_RECOVERING, NULL, style);
    member_code(answer);
    member_decimal(answer, "progress", 2, progress->share);
    answer->retry_after = true;
}

void answer_recovering(struct answer *answer, const struct recovery_progress *progress,
                       const struct answer_style *style)
{
    open_recovering(answer, progress, style);
    close_error(answer);
}

void answer_not_ready(struct answer *answer, const struct recovery_progress *progress,
                      const struct answer_style *style)
{
    open_recovering(answer, progress, style);
    member_decimal(answer, "rate", 1, progress->mib_per_second);
    if (progress->seconds_are_known) {
        json_text_member_unsigned(&answer->body, "secondsLeft", progress->seconds_left);
    } else {
        json_text_member(&answer->body, "secondsLeft");
        json_text_raw(&answer->body, "null", 4);
    }
    close_error(answer);
}

void answer_checkpoint_begun(struct answer *answer, uint64_t number)
{
    answer_init(answer, 202);
    open_body(answer);
    json_text_member_unsigned(&answer->body, "number", number);
    close_body(answer);
}

void answer_checkpoints(struct answer *answer, const struct ledger_keeper_statistics *figures)
{
    answer_init(answer, 200);
    open_body(answer);
    json_text_member(&answer->body, "running");
    if (figures->checkpoint_running)
        json_text_raw(&answer->body, "true", 4);
    else
        json_text_raw(&answer->body, "false", 5);
    json_text_member_unsigned(&answer->body, "ended", figures->checkpoints_ended);
    json_text_member_unsigned(&answer->body, "completed", figures->checkpoints_completed);
    json_text_member_unsigned(&answer->body, "failed", figures->checkpoints_failed);
    json_text_member_unsigned(&answer->body, "lsn", figures->checkpoint_lsn);
    json_text_member_unsigned(&answer->body, "logBytesSince", figures->log_bytes_since);
    close_body(answer);
}

void answer_not_committed(struct answer *answer, enum error_code code, uint64_t version,
                          const struct answer_style *style)
{
    if (code != ERROR_NOT_COMMITTED && code != ERROR_COMMIT_UNKNOWN) {
        answer_refuse(answer, code, style);
        return;
    }
    open_error(answer, code, NULL, style);
    json_text_member_unsigned(&answer->body, "CurrentVersion", version);
    member_code(answer);
    answer->close = true;
    close_error(answer);
}

static void refuse_version(struct answer *answer, enum error_code code, uint64_t version,
                           const struct answer_style *style)
{
    open_error(answer, code, NULL, style);
    json_text_member_unsigned(&answer->body, "CurrentVersion", version);
    member_code(answer);
    close_error(answer);
}

static void refuse_balance(struct answer *answer, enum error_code code,
                           const struct florin_result *result, const struct answer_style *style)
{
    open_error(answer, code, NULL, style);
    member_code(answer);
    member_money(answer, "balance", result->balance_minor, result, style);
    json_text_member_unsigned(&answer->body, "version", result->version);
    close_error(answer);
}

static void refuse_duplicate(struct answer *answer, enum error_code code,
                             const struct florin_result *result, const char *field,
                             const struct answer_style *style)
{
    open_error(answer, code, NULL, style);
    member_transaction_id(answer, "transactionId", result->transaction_id);
    member_code(answer);
    if (field != NULL)
        json_text_member_string(&answer->body, "field", field);
    close_error(answer);
}

static void refuse_invalid(struct answer *answer, const struct florin_result *result,
                           struct transaction_spelling spelling, const struct answer_style *style)
{
    struct request_fault fault;
    const char *field = transaction_request_field(result->field, spelling);
    const char *message = florin_status_message(result->status);
    if (result->status == FLORIN_INVALID_AMOUNT)
        message = "The amount has more decimals than the account's currency, or is out of range";
    (void)request_fault_set(&fault, field == NULL ? "body" : field, "%s", message);
    answer_fault(answer, &fault, style);
}

/* Every status but success. */
static void answer_error(struct answer *answer, const struct florin_result *result,
                         struct transaction_spelling spelling, const struct answer_style *style)
{
    enum error_code code = error_code_of_status(result->status);
    switch (result->status) {
    case FLORIN_INVALID_COMMAND:
    case FLORIN_INVALID_ACCOUNT_ID:
    case FLORIN_INVALID_KEY:
    case FLORIN_INVALID_AMOUNT:
    case FLORIN_INVALID_CURRENCY:
    case FLORIN_INVALID_BALANCE:
    case FLORIN_INVALID_METADATA:
        refuse_invalid(answer, result, spelling, style);
        return;
    case FLORIN_KEY_REUSED:
        refuse_duplicate(answer, code, result, transaction_request_field(result->field, spelling),
                         style);
        return;
    case FLORIN_VERSION_MISMATCH:
    case FLORIN_PRECONDITION_FAILED:
        refuse_version(answer, code, result->version, style);
        return;
    case FLORIN_INSUFFICIENT_BALANCE:
    case FLORIN_BALANCE_OVERFLOW:
        refuse_balance(answer, code, result, style);
        return;
    case FLORIN_NOT_COMMITTED:
    case FLORIN_COMMIT_UNKNOWN:
        answer_not_committed(answer, code, result->version, style);
        return;
    case FLORIN_ACCOUNT_NOT_FOUND:
    case FLORIN_ACCOUNT_EXISTS:
    case FLORIN_ACCOUNTS_FULL:
    case FLORIN_KEYS_FULL:
    case FLORIN_QUEUE_FULL:
    case FLORIN_STORAGE_FULL:
        answer_refuse(answer, code, style);
        return;
    case FLORIN_APPLIED:
        break;
    }
    abort(); /* not an error */
}

/* Without snprintf(): a batch has thousands of these. */
static void locate_transaction(struct answer *answer, uint64_t id)
{
    static const char prefix[] = "/transactions/txn";
    struct json_text text;
    json_text_init(&text, answer->location, sizeof(answer->location) - 1);
    json_text_raw(&text, prefix, sizeof(prefix) - 1);
    json_text_unsigned(&text, id);
    answer->location[text.length] = '\0';
}

void answer_transaction(struct answer *answer, const struct florin_result *result,
                        struct transaction_spelling spelling, const struct answer_style *style)
{
    if (result->replayed && style->reject_duplicates) {
        refuse_duplicate(answer, ERROR_DUPLICATE_TRANSACTION, result, NULL, style);
        return;
    }
    if (result->status != FLORIN_APPLIED) {
        answer_error(answer, result, spelling, style);
        answer->replayed = result->replayed;
        return;
    }
    answer_init(answer, 201);
    answer->replayed = result->replayed;
    open_body(answer);
    member_transaction_id(answer, "id", result->transaction_id);
    json_text_member_string(&answer->body, "type",
                            result->kind == FLORIN_DEPOSIT ? "Deposit" : "Withdraw");
    member_money(answer, "amount", result->amount_minor, result, style);
    member_money(answer, "newBalance", result->balance_minor, result, style);
    json_text_member_unsigned(&answer->body, "newVersion", result->version);
    json_text_member(&answer->body, "timestamp");
    json_text_time(&answer->body, result->time_ns);
    close_body(answer);
    locate_transaction(answer, result->transaction_id);
}

static void tag_version(struct answer *answer, uint64_t version)
{
    snprintf(answer->etag, sizeof(answer->etag), "\"%" PRIu64 "\"", version);
}

void answer_balance(struct answer *answer, const struct florin_result *result,
                    const struct answer_style *style)
{
    if (result->status != FLORIN_APPLIED) {
        answer_error(answer, result, (struct transaction_spelling){0}, style);
        return;
    }
    answer_init(answer, 200);
    open_body(answer);
    member_money(answer, "balance", result->balance_minor, result, style);
    json_text_member_unsigned(&answer->body, "version", result->version);
    close_body(answer);
    tag_version(answer, result->version);
}

static void write_account(struct answer *answer, const struct florin_result *result, const char *id,
                          size_t id_length, const struct answer_style *style)
{
    open_body(answer);
    json_text_member(&answer->body, "id");
    json_text_string(&answer->body, id, id_length);
    json_text_member_string(&answer->body, "currency", result->currency);
    member_money(answer, "balance", result->balance_minor, result, style);
    /* Nothing is set aside yet, so all of the balance is available. */
    member_money(answer, "held", 0, result, style);
    member_money(answer, "available", result->balance_minor, result, style);
    json_text_member_unsigned(&answer->body, "version", result->version);
    member_money(answer, "minimumBalance", result->minimum_balance_minor, result, style);
    json_text_member_string(&answer->body, "status", "open");
    json_text_member(&answer->body, "createdAt");
    json_text_time(&answer->body, result->time_ns);
    json_text_member(&answer->body, "metadata");
    if (result->metadata_length > 0)
        json_text_raw(&answer->body, result->metadata, result->metadata_length);
    else
        json_text_raw(&answer->body, "{}", 2);
    close_body(answer);
}

void answer_account(struct answer *answer, const struct florin_result *result, const char *id,
                    size_t id_length, const struct answer_style *style)
{
    if (result->status != FLORIN_APPLIED) {
        answer_error(answer, result, (struct transaction_spelling){0}, style);
        return;
    }
    bool opened = result->kind == FLORIN_OPEN_ACCOUNT && !result->replayed;
    answer_init(answer, opened ? 201 : 200);
    write_account(answer, result, id, id_length, style);
    tag_version(answer, result->version);
    if (result->kind == FLORIN_OPEN_ACCOUNT)
        snprintf(answer->location, sizeof(answer->location), "/accounts/%.*s", (int)id_length, id);
}
