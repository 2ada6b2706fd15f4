/* batch_item.h - items of a JSON batch: from an object to a command, from a result to an object.
 *
 *     {"type":"Deposit","account":"alice","amount":"1.00","key":"k1","expectedVersion":7}
 *     {"type":"Transfer","from":"alice","to":"bob","amount":"1.00","key":"k2"}
 *     {"type":"Posting","legs":[...],"key":"k3"}
 *     {"type":"Hold","account":"alice","amount":"1.00","expiresIn":60,"key":"k4"}
 *     {"type":"Capture","hold":"hold131:alice","amount":"1.00","to":"shop","key":"k5"}
 *     {"type":"Void","hold":"hold131:alice","key":"k6"}
 *
 * An item is the body of a single call; `type` says of which, and what stands in that call's path
 * and its Idempotency-Key are members. A result is the body that the single call would have
 * answered, with the members `status` (that call's HTTP status) and, where it was the answer to an
 * earlier one, `replayed`.
 *
 * Another type of item: a row in batch_item.c, its cases in command_request_take() and
 * answer_call().
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_BATCH_ITEM_H
#define FLORIN_HTTP_BATCH_ITEM_H

#include <stdbool.h>
#include <stddef.h>

#include "answer.h"
#include "command_request.h"
#include "florin.h"
#include "json_text.h"
#include "request_fault.h"

enum {
    /* Most bytes of one result: the answer, and the members that it has besides. */
    BATCH_ITEM_RESULT_MAX = ANSWER_BODY_MAX + 64,
};

/* Not to be copied: the command points into it. */
struct batch_item {
    enum route route; /* of the call whose body it is */
    struct command_request request;
    char key[FLORIN_KEY_MAX];
};

/* The text of an item to its command, which has the flags, and the key if there is one. */
__attribute__((warn_unused_result)) bool batch_item_parse(struct batch_item *item, const char *text,
                                                          size_t length, struct command_flags flags,
                                                          struct request_fault *fault);

/* What became of one. */
struct batch_outcome {
    struct florin_result result;
    struct request_echo echo; /* without legs: those of a refused posting are read once more */
    uint8_t route;
    bool is_known;     /* there is something to write */
    bool is_malformed; /* the engine has not seen it: the fault is found by parsing once more */
};

/* What is to be kept of an item until its result is written. */
void batch_item_keep(const struct batch_item *item, struct batch_outcome *outcome);

/* The answer to an item, as a single call would give it. */
void batch_item_answer(struct answer *answer, const struct batch_outcome *outcome, const char *item,
                       size_t item_length, const struct answer_style *style);

/* Appends the result of an item; `text` has room for BATCH_ITEM_RESULT_MAX. Returns the code of the
 * answer (ERROR_NONE: it was applied). */
enum error_code batch_item_write(struct json_text *text, const struct batch_outcome *outcome,
                                 const char *item, size_t item_length,
                                 const struct answer_style *style);

#endif
