/* reversal_request.c - reversals from JSON.
 *
 * Guarantees: an amount that is given is greater than zero. It must not know transactions.
 */
#include "reversal_request.h"

#include "condition.h"
#include "transaction_request.h"

static const char *const names[] = {"amount"};

bool reversal_request_parse(struct reversal_request *request, const char *body, size_t body_length,
                            const struct request_headers *headers, struct request_fault *fault)
{
    struct json_object object;
    request->amount = (struct money_decimal){.digits = 0};
    if (body_length > 0) {
        if (!json_object_parse(&object, body, body_length, names, sizeof(names) / sizeof(names[0]),
                               fault))
            return false;
        bool parsed = !json_object_has(&object, "amount") ||
                      movement_member_amount(&object, "amount", &request->amount, fault);
        json_object_free(&object);
        if (!parsed)
            return false;
    }
    return condition_refuse_if_match(headers, fault);
}

const char *reversal_request_field(enum florin_field field)
{
    if (field == FLORIN_FIELD_ACCOUNT || field == FLORIN_FIELD_TARGET)
        return NULL; /* the transaction says it, or the path */
    return transaction_request_field(field, (struct transaction_spelling){0});
}
