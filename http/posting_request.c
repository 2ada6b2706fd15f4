/* posting_request.c - a posting from JSON, leg by leg.
 *
 * Guarantees: every leg has a valid account id, a direction and an amount greater than zero. It
 * must not know the accounts or their currencies.
 */
#include "posting_request.h"

#include "condition.h"
#include "transaction_request.h"

static const char *const known_names[] = {"legs"};
static const char *const leg_names[] = {"account", "type", "amount", "expectedVersion",
                                        "expectedBalanceAtLeast"};

static bool parse_direction(const struct json_object *object, enum florin_direction *direction,
                            struct request_fault *fault)
{
    enum florin_command_kind kind = FLORIN_DEPOSIT;
    if (!json_object_has(object, "type"))
        return request_fault_set(fault, "type", "\"type\" is missing");
    if (!transaction_request_kind(object, "type", &kind, fault))
        return false;
    *direction = kind == FLORIN_DEPOSIT ? FLORIN_CREDIT : FLORIN_DEBIT;
    return true;
}

static bool parse_leg(struct florin_leg *leg, struct named_account *account,
                      const struct json_object *object, struct request_fault *fault)
{
    enum florin_direction direction = FLORIN_CREDIT;
    struct money_decimal amount;
    struct condition condition;
    if (!movement_member_account(object, "account", account, fault) ||
        !parse_direction(object, &direction, fault) ||
        !movement_member_amount(object, "amount", &amount, fault) ||
        !condition_parse(&condition, object, "expectedVersion", "expectedBalanceAtLeast", fault))
        return false;
    *leg = (struct florin_leg){
        .account = account->id,
        .account_length = account->length,
        .direction = direction,
        .amount_minor = amount.digits,
        .amount_scale = amount.scale,
        .expected_version = condition.expected_version,
        .has_expected_balance = condition.has_expected_balance,
        .expected_balance_minor = condition.expected_balance.digits,
        .expected_balance_scale = condition.expected_balance.scale,
    };
    return true;
}

static bool parse_legs(struct posting_request *request, const struct json_object *object,
                       struct request_fault *fault)
{
    if (!json_object_has(object, "legs"))
        return request_fault_set(fault, "legs", "\"legs\" is missing");
    if (!json_object_array(object, "legs", POSTING_LEGS_MIN, FLORIN_LEGS_MAX, &request->leg_count,
                           fault))
        return false;
    for (size_t i = 0; i < request->leg_count; i++) {
        struct json_object leg;
        if (!json_object_element(object, "legs", i, leg_names,
                                 sizeof(leg_names) / sizeof(leg_names[0]), &leg, fault))
            return false;
        if (!parse_leg(&request->legs[i], &request->accounts[i], &leg, fault))
            return request_fault_within(fault, "legs", i);
    }
    return true;
}

bool posting_request_take(struct posting_request *request, const struct json_object *object,
                          const struct json_names *besides, struct request_fault *fault)
{
    return json_object_check(object, known_names, sizeof(known_names) / sizeof(known_names[0]),
                             besides, fault) &&
           parse_legs(request, object, fault);
}

bool posting_request_parse(struct posting_request *request, const char *body, size_t body_length,
                           const struct request_headers *headers, struct request_fault *fault)
{
    struct json_object object;
    if (!json_object_parse(&object, body, body_length, known_names,
                           sizeof(known_names) / sizeof(known_names[0]), fault))
        return false;
    bool parsed = parse_legs(request, &object, fault);
    json_object_free(&object);
    return parsed && condition_refuse_if_match(headers, fault);
}

const char *posting_request_leg_field(enum florin_field field)
{
    if (field == FLORIN_FIELD_ACCOUNT || field == FLORIN_FIELD_TO)
        return "account";
    return transaction_request_field(field, (struct transaction_spelling){0});
}
