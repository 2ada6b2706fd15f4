/* batch_item.h - items of a JSON batch: from an object to a command, from a result to an object.
 *
 * A result is the body that the call for one transaction would have answered, with the members
 * `status` (that call's HTTP status) and, where it was the answer to an earlier one, `replayed`.
 *
 * Another type of item: a branch in batch_item_command(), one in batch_item_write().
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_BATCH_ITEM_H
#define FLORIN_HTTP_BATCH_ITEM_H

#include <stdbool.h>
#include <stddef.h>

#include "answer.h"
#include "florin.h"
#include "json_text.h"
#include "request_fault.h"
#include "transaction_request.h"

enum {
    /* Most bytes of one result: the answer, and the members that it has besides. */
    BATCH_ITEM_RESULT_MAX = ANSWER_BODY_MAX + 64,
};

/* The text of an item to what it says. */
__attribute__((warn_unused_result)) bool batch_item_parse(struct transaction_item *item,
                                                          const char *text, size_t length,
                                                          struct request_fault *fault);

/* What it asks of the engine; points into the item. */
void batch_item_command(const struct transaction_item *item, struct florin_command *command);

/* What became of one. The code of its answer, for the figures. */
struct batch_outcome {
    struct florin_result result;
    struct transaction_spelling spelling;
    bool is_known;     /* there is something to write */
    bool is_malformed; /* the engine has not seen it: the fault is found by parsing once more */
};

/* Appends the result of an item; `text` has room for BATCH_ITEM_RESULT_MAX. Returns the code of the
 * answer (ERROR_NONE: it was applied). */
enum error_code batch_item_write(struct json_text *text, const struct batch_outcome *outcome,
                                 const char *item, size_t item_length,
                                 const struct answer_style *style);

#endif
