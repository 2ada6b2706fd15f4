/* transfer_request.c - a transfer from JSON.
 *
 * Guarantees: two different, valid account ids, an amount greater than zero. It must not know the
 * accounts or their currency.
 */
#include "transfer_request.h"

#include <string.h>

#include "transaction_request.h"

static const char *const known_names[] = {"from",
                                          "to",
                                          "amount",
                                          "expectedFromVersion",
                                          "expectedToVersion",
                                          "expectedFromBalanceAtLeast"};

static bool parse_members(struct transfer_request *request, const struct json_object *object,
                          struct request_fault *fault)
{
    request->expected_to_version = 0;
    if (!movement_member_account(object, "from", &request->from, fault) ||
        !movement_member_account(object, "to", &request->to, fault) ||
        !movement_member_amount(object, "amount", &request->amount, fault) ||
        !condition_parse(&request->from_condition, object, "expectedFromVersion",
                         "expectedFromBalanceAtLeast", fault))
        return false;
    if (json_object_has(object, "expectedToVersion") &&
        !json_object_version(object, "expectedToVersion", &request->expected_to_version, fault))
        return false;
    if (request->from.length == request->to.length &&
        memcmp(request->from.id, request->to.id, request->from.length) == 0)
        return request_fault_set(fault, "to", "%s", florin_status_message(FLORIN_SAME_ACCOUNT));
    return true;
}

bool transfer_request_take(struct transfer_request *request, const struct json_object *object,
                           const struct json_names *besides, struct request_fault *fault)
{
    return json_object_check(object, known_names, sizeof(known_names) / sizeof(known_names[0]),
                             besides, fault) &&
           parse_members(request, object, fault);
}

bool transfer_request_parse(struct transfer_request *request, const char *body, size_t body_length,
                            const struct request_headers *headers, struct request_fault *fault)
{
    struct json_object object;
    if (!json_object_parse(&object, body, body_length, known_names,
                           sizeof(known_names) / sizeof(known_names[0]), fault))
        return false;
    bool parsed = parse_members(request, &object, fault);
    json_object_free(&object);
    return parsed && condition_refuse_if_match(headers, fault);
}

const char *transfer_request_field(enum florin_field field)
{
    if (field == FLORIN_FIELD_ACCOUNT)
        return "from";
    if (field == FLORIN_FIELD_EXPECTED_VERSION)
        return "expectedFromVersion";
    if (field == FLORIN_FIELD_EXPECTED_BALANCE)
        return "expectedFromBalanceAtLeast";
    return transaction_request_field(field, (struct transaction_spelling){0});
}
