/* record_json.h - one applied record of the log as a JSON object: what history and events show.
 *
 *     {"id":"txn131","type":"Transfer","timestamp":"2025-05-02T10:24:02Z","key":"order-17",
 *      "amount":100.00,"legs":[
 *        {"account":"alice","direction":"debit","amount":100.00,"balance":250.00,"version":8},
 *        {"account":"bob","direction":"credit","amount":100.00,"balance":100.00,"version":2}]}
 *
 *     type         Deposit, Withdraw, Open, Change, Transfer, Posting, Hold, Capture, Void, Expire,
 *                  Reversal, Batch
 *     key          only when there is one. One that is not UTF-8 is read as Latin-1
 *     amount       of the first leg
 *     legs         every change of an account; a deposit has one. direction is credit, debit or
 *                  none; balance and version are those after the leg
 *     held         hold, capture, void, expire: what is held of the account afterwards
 *     hold         likewise: the hold's id, "hold131:alice"
 *     expiresAt    hold: only when it expires
 *     reverses     reversal: the transaction, "txn12"
 *     currency, minimumBalance, status, metadata     open, change: the account afterwards
 *
 * The same record gives the same bytes, on one line: the text has no control characters.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_RECORD_JSON_H
#define FLORIN_HTTP_RECORD_JSON_H

#include <stdint.h>

#include "answer.h"
#include "engine/core/record.h"
#include "florin_limits.h"
#include "json_text.h"

enum {
    /* names, an id, two amounts and a version of 20 digits */
    RECORD_JSON_LEG_BYTES_MAX = 256,
    /* A byte of a key, or of metadata that is no JSON, may take six. */
    RECORD_JSON_BYTES_MAX = 1024 + RECORD_JSON_LEG_BYTES_MAX * FLORIN_LEGS_MAX +
                            6 * FLORIN_KEY_MAX + 6 * FLORIN_METADATA_MAX,
};

/* The record is applied and decoded. At most RECORD_JSON_BYTES_MAX bytes. */
void record_json_write(struct json_text *text, const struct record *record, uint64_t lsn,
                       const struct answer_style *style);

/* The same without the braces, for objects that say more. */
void record_json_members(struct json_text *text, const struct record *record, uint64_t lsn,
                         const struct answer_style *style);

#endif
