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

#include "answer_parts.h"
#include "change_request.h"
#include "public_id.h"

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

void answer_member_money(struct answer *answer, const char *name, int64_t minor,
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

void answer_member_account(struct answer *answer, const char *name,
                           const struct named_account *account)
{
    json_text_member(&answer->body, name);
    json_text_string(&answer->body, account->id, account->length);
}

static void member_transaction_id(struct answer *answer, const char *name, uint64_t id)
{
    char text[PUBLIC_ID_TRANSACTION_BYTES];
    (void)public_id_write_transaction(id, text);
    json_text_member_string(&answer->body, name, text);
}

static void member_true(struct answer *answer, const char *name)
{
    json_text_member(&answer->body, name);
    json_text_raw(&answer->body, "true", 4);
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

void answer_events_gone(struct answer *answer, uint64_t first_lsn, const struct answer_style *style)
{
    open_error(answer, ERROR_EVENTS_GONE, NULL, style);
    member_code(answer);
    json_text_member_unsigned(&answer->body, "firstLsn", first_lsn);
    json_text_member_unsigned(&answer->body, "resumeAfter", first_lsn - 1);
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

static void member_subject(struct answer *answer, const struct answer_subject *subject)
{
    if (subject->has_leg)
        json_text_member_unsigned(&answer->body, "leg", subject->leg);
    if (subject->field[0] != '\0')
        json_text_member_string(&answer->body, "field", subject->field);
    if (subject->account != NULL)
        answer_member_account(answer, "account", subject->account);
}

static void refuse_version(struct answer *answer, enum error_code code, uint64_t version,
                           const struct answer_subject *subject, const struct answer_style *style)
{
    open_error(answer, code, NULL, style);
    json_text_member_unsigned(&answer->body, "CurrentVersion", version);
    member_code(answer);
    member_subject(answer, subject);
    close_error(answer);
}

static void refuse_balance(struct answer *answer, enum error_code code,
                           const struct florin_result *result, const struct answer_subject *subject,
                           const struct answer_style *style)
{
    open_error(answer, code, NULL, style);
    member_code(answer);
    answer_member_money(answer, "balance", result->balance_minor, result, style);
    json_text_member_unsigned(&answer->body, "version", result->version);
    member_subject(answer, subject);
    close_error(answer);
}

/* The state of an account, or of what was asked for, is against it. */
static void refuse_state(struct answer *answer, enum error_code code,
                         const struct answer_subject *subject, const struct answer_style *style)
{
    open_error(answer, code, NULL, style);
    member_code(answer);
    member_subject(answer, subject);
    close_error(answer);
}

static void refuse_duplicate(struct answer *answer, enum error_code code,
                             const struct florin_result *result, const char *field,
                             const struct answer_style *style)
{
    open_error(answer, code, NULL, style);
    member_transaction_id(answer, "transactionId", result->transaction_id);
    member_code(answer);
    if (field[0] != '\0')
        json_text_member_string(&answer->body, "field", field);
    close_error(answer);
}

static void refuse_invalid(struct answer *answer, const struct florin_result *result,
                           const struct answer_subject *subject, const struct answer_style *style)
{
    const char *message = florin_status_message(result->status);
    if (result->status == FLORIN_INVALID_AMOUNT)
        message = "The amount has more decimals than the account's currency, or is out of range";
    open_error(answer, ERROR_INVALID_REQUEST, message, style);
    member_code(answer);
    if (subject->has_leg)
        json_text_member_unsigned(&answer->body, "leg", subject->leg);
    json_text_member_string(&answer->body, "field",
                            subject->field[0] == '\0' ? "body" : subject->field);
    close_error(answer);
}

/* Every status but success. */
static void answer_error(struct answer *answer, const struct florin_result *result,
                         const struct answer_subject *subject, const struct answer_style *style)
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
    case FLORIN_INVALID_LEGS:
    case FLORIN_SAME_ACCOUNT:
    case FLORIN_INVALID_CHANGE:
        refuse_invalid(answer, result, subject, style);
        return;
    case FLORIN_KEY_REUSED:
        refuse_duplicate(answer, code, result, subject->field, style);
        return;
    case FLORIN_VERSION_MISMATCH:
    case FLORIN_PRECONDITION_FAILED:
        refuse_version(answer, code, result->version, subject, style);
        return;
    case FLORIN_BALANCE_CONDITION:
    case FLORIN_INSUFFICIENT_BALANCE:
    case FLORIN_BALANCE_OVERFLOW:
        refuse_balance(answer, code, result, subject, style);
        return;
    case FLORIN_NOT_COMMITTED:
    case FLORIN_COMMIT_UNKNOWN:
        answer_not_committed(answer, code, result->version, style);
        return;
    case FLORIN_ACCOUNT_NOT_FOUND:
    case FLORIN_HOLD_NOT_FOUND:
    case FLORIN_TRANSACTION_NOT_FOUND:
    case FLORIN_ACCOUNT_FROZEN:
    case FLORIN_ACCOUNT_CLOSED:
    case FLORIN_CURRENCY_MISMATCH:
    case FLORIN_UNBALANCED:
    case FLORIN_NOT_REVERSIBLE:
    case FLORIN_HOLD_RESOLVED:
    case FLORIN_HOLD_EXCEEDED:
    case FLORIN_ACCOUNT_NOT_EMPTY:
    case FLORIN_REVERSAL_EXCEEDED:
        refuse_state(answer, code, subject, style);
        return;
    case FLORIN_ACCOUNT_EXISTS:
    case FLORIN_ACCOUNTS_FULL:
    case FLORIN_KEYS_FULL:
    case FLORIN_HOLDS_FULL:
    case FLORIN_QUEUE_FULL:
    case FLORIN_STORAGE_FULL:
        answer_refuse(answer, code, style);
        return;
    case FLORIN_APPLIED:
        break;
    }
    abort(); /* not an error */
}

bool answer_refuse_result(struct answer *answer, const struct florin_result *result,
                          const struct answer_subject *subject, const struct answer_style *style)
{
    bool is_duplicate = result->replayed && style->reject_duplicates;
    /* An account is opened twice without harm: it is idempotent by its id. */
    if (is_duplicate && result->kind != FLORIN_OPEN_ACCOUNT) {
        refuse_duplicate(answer, ERROR_DUPLICATE_TRANSACTION, result, "", style);
        return true;
    }
    if (result->status == FLORIN_APPLIED)
        return false;
    answer_error(answer, result, subject, style);
    answer->replayed = result->replayed;
    return true;
}

/* Of calls whose path names the one account. */
static bool refuse_single(struct answer *answer, const struct florin_result *result,
                          struct transaction_spelling spelling, const struct answer_style *style)
{
    struct answer_subject subject = {.account = NULL};
    const char *field = transaction_request_field(result->field, spelling);
    if (field != NULL)
        snprintf(subject.field, sizeof(subject.field), "%s", field);
    return answer_refuse_result(answer, result, &subject, style);
}

void answer_open_movement(struct answer *answer, const struct florin_result *result, const char *id,
                          const char *type, const struct answer_style *style)
{
    answer_init(answer, style->dry_run ? 200 : 201);
    answer->replayed = result->replayed;
    open_body(answer);
    if (!style->dry_run)
        json_text_member_string(&answer->body, "id", id);
    json_text_member_string(&answer->body, "type", type);
}

void answer_close_movement(struct answer *answer, const struct florin_result *result,
                           const struct answer_style *style)
{
    json_text_member_unsigned(&answer->body, "newVersion", result->version);
    if (result->expires_ns != 0) {
        json_text_member(&answer->body, "expiresAt");
        json_text_time(&answer->body, result->expires_ns);
    }
    if (style->dry_run) {
        member_true(answer, "dryRun");
    } else {
        json_text_member(&answer->body, "timestamp");
        json_text_time(&answer->body, result->time_ns);
    }
    close_body(answer);
}

/* Without snprintf(): a batch has thousands of these. */
void answer_locate_transaction(struct answer *answer, const struct florin_result *result,
                               const struct answer_style *style)
{
    static const char prefix[] = "/transactions/";
    char id[PUBLIC_ID_TRANSACTION_BYTES];
    if (style->dry_run)
        return;
    size_t length = public_id_write_transaction(result->transaction_id, id);
    struct json_text text;
    json_text_init(&text, answer->location, sizeof(answer->location) - 1);
    json_text_raw(&text, prefix, sizeof(prefix) - 1);
    json_text_raw(&text, id, length);
    answer->location[text.length] = '\0';
}

void answer_transaction(struct answer *answer, const struct florin_result *result,
                        struct transaction_spelling spelling, const struct answer_style *style)
{
    char id[PUBLIC_ID_TRANSACTION_BYTES];
    if (refuse_single(answer, result, spelling, style))
        return;
    (void)public_id_write_transaction(result->transaction_id, id);
    answer_open_movement(answer, result, id,
                         result->kind == FLORIN_DEPOSIT ? "Deposit" : "Withdraw", style);
    answer_member_money(answer, "amount", result->amount_minor, result, style);
    answer_member_money(answer, "newBalance", result->balance_minor, result, style);
    answer_close_movement(answer, result, style);
    answer_locate_transaction(answer, result, style);
}

static void tag_version(struct answer *answer, uint64_t version)
{
    snprintf(answer->etag, sizeof(answer->etag), "\"%" PRIu64 "\"", version);
}

void answer_balance(struct answer *answer, const struct florin_result *result,
                    const struct answer_style *style)
{
    if (refuse_single(answer, result, (struct transaction_spelling){0}, style))
        return;
    answer_init(answer, 200);
    open_body(answer);
    answer_member_money(answer, "balance", result->balance_minor, result, style);
    json_text_member_unsigned(&answer->body, "version", result->version);
    close_body(answer);
    tag_version(answer, result->version);
}

static void write_account(struct answer *answer, const struct florin_result *result, const char *id,
                          size_t id_length, const struct answer_style *style)
{
    int64_t available = 0;
    /* What is held was available before. */
    bool fits = money_subtract(result->balance_minor, result->held_minor, &available);
    assert(fits);
    open_body(answer);
    json_text_member(&answer->body, "id");
    json_text_string(&answer->body, id, id_length);
    json_text_member_string(&answer->body, "currency", result->currency);
    answer_member_money(answer, "balance", result->balance_minor, result, style);
    answer_member_money(answer, "held", result->held_minor, result, style);
    answer_member_money(answer, "available", available, result, style);
    json_text_member_unsigned(&answer->body, "version", result->version);
    answer_member_money(answer, "minimumBalance", result->minimum_balance_minor, result, style);
    json_text_member_string(&answer->body, "status",
                            change_request_status_name(result->account_status));
    /* An account that was only tried has no time. */
    if (!style->dry_run || result->kind != FLORIN_OPEN_ACCOUNT) {
        json_text_member(&answer->body, "createdAt");
        json_text_time(&answer->body, result->time_ns);
    }
    json_text_member(&answer->body, "metadata");
    if (result->metadata_length > 0)
        json_text_raw(&answer->body, result->metadata, result->metadata_length);
    else
        json_text_raw(&answer->body, "{}", 2);
    if (style->dry_run)
        member_true(answer, "dryRun");
    close_body(answer);
}

void answer_account(struct answer *answer, const struct florin_result *result, const char *id,
                    size_t id_length, struct transaction_spelling spelling,
                    const struct answer_style *style)
{
    if (refuse_single(answer, result, spelling, style))
        return;
    bool is_open = result->kind == FLORIN_OPEN_ACCOUNT;
    answer_init(answer, is_open && !result->replayed && !style->dry_run ? 201 : 200);
    /* An account that was there already is no answer given again: it may have changed since. */
    answer->replayed = result->replayed && !is_open;
    write_account(answer, result, id, id_length, style);
    if (style->dry_run)
        return;
    tag_version(answer, result->version);
    if (is_open)
        snprintf(answer->location, sizeof(answer->location), "/accounts/%.*s", (int)id_length, id);
}
