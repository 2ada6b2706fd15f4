/* answer_atomic.h - answers to an atomic batch.
 *
 *     {"id":"txn7","type":"Batch","results":[{"type":"Deposit","account":"a","amount":1.00},...],
 *      "timestamp":"..."}
 *     {"error":"Insufficient Balance","code":"insufficient_balance", ... ,"item":3}
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_ANSWER_ATOMIC_H
#define FLORIN_HTTP_ANSWER_ATOMIC_H

#include "answer.h"
#include "batch_atomic.h"

enum {
    /* Of a success: for each item two ids, an amount, and the names of its members. */
    ANSWER_ATOMIC_TEXT_MAX = 256 + FLORIN_LEGS_MAX * (2 * FLORIN_ACCOUNT_ID_MAX + 128),
};

/* Adds `item` to an error. */
void answer_name_item(struct answer *answer, uint32_t item);

/* Whether the batch was refused; then it is answered. `text`: the refused item, which is looked at
 * again for the accounts of a posting; see batch_atomic_refused_item(). */
bool answer_atomic_refused(struct answer *answer, const struct batch_atomic *atomic,
                           const char *text, size_t text_length, const struct answer_style *style);

/* Of one that was applied: status and headers go into *answer, the body into `text`, which has room
 * for ANSWER_ATOMIC_TEXT_MAX. */
void answer_atomic(struct answer *answer, struct json_text *text, const struct batch_atomic *atomic,
                   const struct answer_style *style);

#endif
