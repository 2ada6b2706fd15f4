/* batch_item.c - one item of a JSON batch, there and back.
 *
 * Guarantees: an item is read by the same rules as the body of a single call, and its result says
 * the same. It must not know the batch that it is in.
 */
#include "batch_item.h"

#include <assert.h>
#include <string.h>

bool batch_item_parse(struct transaction_item *item, const char *text, size_t length,
                      struct request_fault *fault)
{
    if (length > FLORIN_BATCH_ITEM_BYTES_MAX)
        return request_fault_set(fault, "body", "An item of a batch has at most %d bytes",
                                 FLORIN_BATCH_ITEM_BYTES_MAX);
    return transaction_item_parse(item, text, length, fault);
}

void batch_item_command(const struct transaction_item *item, struct florin_command *command)
{
    *command = (struct florin_command){
        .kind = item->transaction.kind,
        .account = item->account,
        .account_length = item->account_length,
        .key = item->key,
        .key_length = item->key_length,
        .amount_minor = item->transaction.amount.digits,
        .amount_is_decimal = true,
        .amount_scale = item->transaction.amount.scale,
        .expected_version = item->transaction.expected_version,
        .has_expected_balance = item->transaction.has_expected_balance,
        .expected_balance_minor = item->transaction.expected_balance.digits,
        .expected_balance_scale = item->transaction.expected_balance.scale,
    };
}

static void build_answer(struct answer *answer, const struct batch_outcome *outcome,
                         const char *item, size_t item_length, const struct answer_style *style)
{
    struct transaction_item again;
    struct request_fault fault;
    if (!outcome->is_malformed) {
        answer_transaction(answer, &outcome->result, outcome->spelling, style);
        return;
    }
    bool parsed = batch_item_parse(&again, item, item_length, &fault);
    assert(!parsed);
    answer_fault(answer, &fault, style);
}

enum error_code batch_item_write(struct json_text *text, const struct batch_outcome *outcome,
                                 const char *item, size_t item_length,
                                 const struct answer_style *style)
{
    struct answer answer;
    assert(outcome->is_known);
    build_answer(&answer, outcome, item, item_length, style);
    /* all but the closing bracket */
    assert(answer.body.length >= 2);
    json_text_raw(text, answer.body.bytes, answer.body.length - 1);
    /* a problem has its status already (RFC 9457) */
    if (!answer.is_problem)
        json_text_member_unsigned(text, "status", (uint64_t)answer.status);
    if (answer.replayed) {
        json_text_member(text, "replayed");
        json_text_raw(text, "true", 4);
    }
    json_text_raw(text, "}", 1);
    assert(!text->truncated);
    return answer.code;
}
