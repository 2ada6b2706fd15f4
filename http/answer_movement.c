/* answer_movement.c - bodies of transfers, postings, holds, their ends, and reversals.
 *
 * Guarantees: the same result and the same request give the same bytes. A refusal that speaks of
 * one of several accounts says of which. It must not know connections.
 */
#include "answer_movement.h"

#include <stdio.h>

#include "answer_parts.h"
#include "posting_request.h"
#include "public_id.h"
#include "reversal_request.h"
#include "transfer_request.h"

/* The field that a refusal is about. */
static enum florin_field field_of(const struct florin_result *result)
{
    return result->status == FLORIN_ACCOUNT_NOT_FOUND ? FLORIN_FIELD_ACCOUNT : result->field;
}

/* Whether a refusal is about one account of several. A reused key and an unbalanced posting are of
 * the whole. */
static bool is_of_one(enum florin_field field, const struct florin_result *result)
{
    return field != FLORIN_FIELD_NONE && field != FLORIN_FIELD_LEGS && field != FLORIN_FIELD_KEY &&
           result->status != FLORIN_KEY_REUSED;
}

static void set_field(struct answer_subject *subject, const char *field)
{
    if (field != NULL)
        snprintf(subject->field, sizeof(subject->field), "%s", field);
}

void answer_transfer(struct answer *answer, const struct florin_result *result,
                     const struct request_echo *echo, const struct answer_style *style)
{
    struct answer_subject subject = {.account = NULL};
    char id[PUBLIC_ID_TRANSACTION_BYTES];
    enum florin_field field = field_of(result);
    if (is_of_one(field, result)) {
        bool is_to = result->leg == 1 || field == FLORIN_FIELD_TO;
        subject.account = is_to ? &echo->to : &echo->account;
        if (is_to && field == FLORIN_FIELD_ACCOUNT)
            field = FLORIN_FIELD_TO;
        if (is_to && field == FLORIN_FIELD_EXPECTED_VERSION)
            field = FLORIN_FIELD_EXPECTED_TO_VERSION;
    }
    set_field(&subject, transfer_request_field(field));
    if (answer_refuse_result(answer, result, &subject, style))
        return;
    (void)public_id_write_transaction(result->transaction_id, id);
    answer_open_movement(answer, result, id, "Transfer", style);
    answer_member_account(answer, "from", &echo->account);
    answer_member_account(answer, "to", &echo->to);
    answer_member_money(answer, "amount", result->amount_minor, result, style);
    answer_member_money(answer, "newBalance", result->balance_minor, result, style);
    answer_close_movement(answer, result, style);
    answer_locate_transaction(answer, result, style);
}

/* "legs[3].amount", with the leg and its account besides. */
static void set_leg(struct answer_subject *subject, enum florin_field field,
                    const struct florin_result *result, const struct request_echo *echo)
{
    const char *name = posting_request_leg_field(field);
    if (!is_of_one(field, result)) {
        set_field(subject, field == FLORIN_FIELD_LEGS ? "legs" : name);
        return;
    }
    subject->has_leg = true;
    subject->leg = result->leg;
    snprintf(subject->field, sizeof(subject->field), "legs[%u].%s", result->leg, name);
    if (echo->legs != NULL && result->leg < echo->leg_count)
        subject->account = &echo->legs[result->leg];
}

void answer_posting(struct answer *answer, const struct florin_result *result,
                    const struct request_echo *echo, const struct answer_style *style)
{
    struct answer_subject subject = {.account = NULL};
    char id[PUBLIC_ID_TRANSACTION_BYTES];
    set_leg(&subject, field_of(result), result, echo);
    if (answer_refuse_result(answer, result, &subject, style))
        return;
    (void)public_id_write_transaction(result->transaction_id, id);
    answer_open_movement(answer, result, id, "Posting", style);
    json_text_member_unsigned(&answer->body, "legs", echo->leg_count);
    answer_member_account(answer, "account", &echo->account);
    answer_member_money(answer, "newBalance", result->balance_minor, result, style);
    answer_close_movement(answer, result, style);
    answer_locate_transaction(answer, result, style);
}

/* Of calls whose path names the account; a capture may name another one besides. */
static bool refuse_hold(struct answer *answer, const struct florin_result *result,
                        const struct request_echo *echo, const struct answer_style *style)
{
    struct answer_subject subject = {.account = NULL};
    enum florin_field field = result->field;
    if (result->leg == 1 && echo->to.length > 0 && is_of_one(field_of(result), result)) {
        subject.account = &echo->to;
        field = FLORIN_FIELD_TO;
    }
    set_field(&subject, transaction_request_field(field, echo->spelling));
    return answer_refuse_result(answer, result, &subject, style);
}

void answer_hold(struct answer *answer, const struct florin_result *result,
                 const struct request_echo *echo, const struct answer_style *style)
{
    char id[PUBLIC_ID_HOLD_BYTES];
    if (refuse_hold(answer, result, echo, style))
        return;
    (void)public_id_write_hold(result->transaction_id, echo->account.id, echo->account.length, id);
    answer_open_movement(answer, result, id, "Hold", style);
    answer_member_account(answer, "account", &echo->account);
    answer_member_money(answer, "amount", result->amount_minor, result, style);
    answer_member_money(answer, "newAvailable", result->balance_minor, result, style);
    answer_close_movement(answer, result, style);
}

/* A hold's end up to its account. */
static void open_end(struct answer *answer, const struct florin_result *result, const char *type,
                     const struct request_echo *echo, const struct answer_style *style)
{
    char id[PUBLIC_ID_TRANSACTION_BYTES];
    char hold[PUBLIC_ID_HOLD_BYTES];
    (void)public_id_write_transaction(result->transaction_id, id);
    (void)public_id_write_hold(echo->target_id, echo->account.id, echo->account.length, hold);
    answer_open_movement(answer, result, id, type, style);
    json_text_member_string(&answer->body, "hold", hold);
    answer_member_account(answer, "account", &echo->account);
}

void answer_capture(struct answer *answer, const struct florin_result *result,
                    const struct request_echo *echo, const struct answer_style *style)
{
    if (refuse_hold(answer, result, echo, style))
        return;
    open_end(answer, result, "Capture", echo, style);
    if (echo->to.length > 0)
        answer_member_account(answer, "to", &echo->to);
    answer_member_money(answer, "amount", result->amount_minor, result, style);
    answer_member_money(answer, "newBalance", result->balance_minor, result, style);
    answer_close_movement(answer, result, style);
    answer_locate_transaction(answer, result, style);
}

void answer_reversal(struct answer *answer, const struct florin_result *result,
                     const struct request_echo *echo, const struct answer_style *style)
{
    struct answer_subject subject = {.account = NULL};
    char id[PUBLIC_ID_TRANSACTION_BYTES];
    char reversed[PUBLIC_ID_TRANSACTION_BYTES];
    enum florin_field field = field_of(result);
    bool is_of_whole = result->status == FLORIN_REVERSAL_EXCEEDED || field == FLORIN_FIELD_TARGET;
    if (!is_of_whole && is_of_one(field, result) && echo->legs != NULL &&
        result->leg < echo->leg_count)
        subject.account = &echo->legs[result->leg];
    set_field(&subject, reversal_request_field(field));
    if (answer_refuse_result(answer, result, &subject, style))
        return;
    (void)public_id_write_transaction(result->transaction_id, id);
    (void)public_id_write_transaction(echo->target_id, reversed);
    answer_open_movement(answer, result, id, "Reversal", style);
    json_text_member_string(&answer->body, "reverses", reversed);
    answer_member_account(answer, "account", &echo->account);
    answer_member_money(answer, "amount", result->amount_minor, result, style);
    answer_member_money(answer, "newBalance", result->balance_minor, result, style);
    answer_close_movement(answer, result, style);
    answer_locate_transaction(answer, result, style);
}

void answer_void(struct answer *answer, const struct florin_result *result,
                 const struct request_echo *echo, const struct answer_style *style)
{
    if (refuse_hold(answer, result, echo, style))
        return;
    open_end(answer, result, "Void", echo, style);
    answer_member_money(answer, "amount", result->amount_minor, result, style);
    answer_member_money(answer, "newAvailable", result->balance_minor, result, style);
    answer_close_movement(answer, result, style);
}
