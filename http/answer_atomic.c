/* answer_atomic.c - what became of an atomic batch, and of which item it was the fault.
 *
 * Guarantees: a body always fits (asserted). It must not know connections.
 */
#include "answer_atomic.h"

#include <assert.h>
#include <stdio.h>

#include "answer_parts.h"
#include "batch_item.h"
#include "public_id.h"

void answer_name_item(struct answer *answer, uint32_t item)
{
    assert(answer->body.length > 0);
    answer->body.length--; /* the closing bracket */
    json_text_member_unsigned(&answer->body, "item", item);
    json_text_raw(&answer->body, "}", 1);
    assert(!answer->body.truncated);
}

static bool refuse(struct answer *answer, const struct florin_result *result, const char *field,
                   const struct named_account *account, const struct answer_style *style)
{
    struct answer_subject subject = {.account = account};
    if (field != NULL)
        snprintf(subject.field, sizeof(subject.field), "%s", field);
    return answer_refuse_result(answer, result, &subject, style);
}

static void refuse_item(struct answer *answer, const struct batch_atomic *atomic, uint8_t number,
                        const char *text, size_t text_length, const struct answer_style *style)
{
    const struct batch_atomic_item *item = &atomic->items[number];
    struct batch_outcome outcome = {
        .result = batch_atomic_item_result(atomic, number),
        .echo = item->echo,
        .route = (uint8_t)item->route,
        .is_known = true,
    };
    if (item->route != ROUTE_TRANSACTIONS) {
        batch_item_answer(answer, &outcome, text, text_length, style);
    } else {
        /* The call for one transaction has the account in its path, an item has not. */
        const char *field =
            outcome.result.field == FLORIN_FIELD_ACCOUNT
                ? "account"
                : transaction_request_field(outcome.result.field, item->echo.spelling);
        bool refused = refuse(answer, &outcome.result, field, &item->echo.account, style);
        assert(refused);
    }
    answer_name_item(answer, number);
}

bool answer_atomic_refused(struct answer *answer, const struct batch_atomic *atomic,
                           const char *text, size_t text_length, const struct answer_style *style)
{
    const struct florin_result *result = &atomic->result;
    bool is_duplicate = result->replayed && style->reject_duplicates;
    if (result->status == FLORIN_APPLIED && !is_duplicate)
        return false;
    uint8_t item = batch_atomic_refused_item(atomic);
    if (is_duplicate || item == atomic->item_count)
        return refuse(answer, result,
                      transaction_request_field(result->field, (struct transaction_spelling){0}),
                      NULL, style);
    refuse_item(answer, atomic, item, text, text_length, style);
    return true;
}

static void write_item(struct json_text *text, const struct batch_atomic *atomic,
                       const struct batch_atomic_item *item, const struct answer_style *style)
{
    const struct request_echo *echo = &item->echo;
    bool is_transfer = item->route == ROUTE_TRANSFERS;
    bool is_credit = atomic->legs[item->first_leg].direction == FLORIN_CREDIT;
    json_text_raw(text, "{", 1);
    json_text_member_string(text, "type",
                            is_transfer                     ? "Transfer"
                            : item->route == ROUTE_POSTINGS ? "Posting"
                            : is_credit                     ? "Deposit"
                                                            : "Withdraw");
    json_text_member(text, is_transfer ? "from" : "account");
    json_text_string(text, echo->account.id, echo->account.length);
    if (is_transfer) {
        json_text_member(text, "to");
        json_text_string(text, echo->to.id, echo->to.length);
    }
    if (item->route == ROUTE_POSTINGS) {
        json_text_member_unsigned(text, "legs", item->leg_count);
    } else {
        json_text_member(text, "amount");
        json_text_money(text, item->amount.digits, item->amount.scale, style->money_as_string);
    }
    json_text_raw(text, "}", 1);
}

void answer_atomic(struct answer *answer, struct json_text *text, const struct batch_atomic *atomic,
                   const struct answer_style *style)
{
    const struct florin_result *result = &atomic->result;
    char id[PUBLIC_ID_TRANSACTION_BYTES];
    answer_init(answer, style->dry_run ? 200 : 201);
    answer->replayed = result->replayed;
    answer->money_as_string = style->money_as_string;
    answer_locate_transaction(answer, result, style);
    json_text_raw(text, "{", 1);
    if (!style->dry_run) {
        (void)public_id_write_transaction(result->transaction_id, id);
        json_text_member_string(text, "id", id);
    }
    json_text_member_string(text, "type", "Batch");
    json_text_member(text, "results");
    json_text_raw(text, "[", 1);
    for (uint8_t i = 0; i < atomic->item_count; i++) {
        if (i > 0)
            json_text_raw(text, ",", 1);
        write_item(text, atomic, &atomic->items[i], style);
    }
    json_text_raw(text, "]", 1);
    if (style->dry_run) {
        json_text_member(text, "dryRun");
        json_text_raw(text, "true", 4);
    } else {
        json_text_member(text, "timestamp");
        json_text_time(text, result->time_ns);
    }
    json_text_raw(text, "}", 1);
    assert(!text->truncated);
}
