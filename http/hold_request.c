/* hold_request.c - holds, captures and voids from JSON.
 *
 * Guarantees: amounts that are given are greater than zero, accounts are valid ids. It must not
 * know holds or accounts.
 */
#include "hold_request.h"

#define NANOSECONDS_A_SECOND UINT64_C(1000000000)

static const char *const hold_names[] = {"amount", "expiresIn", "expectedVersion",
                                         "expectedBalanceAtLeast"};
static const char *const capture_names[] = {"amount", "to"};

static bool parse_hold(struct hold_request *request, const struct json_object *object,
                       struct request_fault *fault)
{
    uint64_t seconds = 0;
    if (!movement_member_amount(object, "amount", &request->amount, fault))
        return false;
    if (json_object_has(object, "expiresIn") &&
        !json_object_whole(object, "expiresIn", HOLD_EXPIRES_IN_MAX, &seconds, fault))
        return false;
    request->expires_in_ns = seconds * NANOSECONDS_A_SECOND;
    return condition_parse(&request->condition, object, "expectedVersion", "expectedBalanceAtLeast",
                           fault);
}

bool hold_request_take(struct hold_request *request, const struct json_object *object,
                       const struct json_names *besides, struct request_fault *fault)
{
    return json_object_check(object, hold_names, sizeof(hold_names) / sizeof(hold_names[0]),
                             besides, fault) &&
           parse_hold(request, object, fault);
}

bool hold_request_parse(struct hold_request *request, const char *body, size_t body_length,
                        const struct request_headers *headers, struct request_fault *fault)
{
    struct json_object object;
    if (!json_object_parse(&object, body, body_length, hold_names,
                           sizeof(hold_names) / sizeof(hold_names[0]), fault))
        return false;
    bool parsed = parse_hold(request, &object, fault);
    json_object_free(&object);
    return parsed &&
           condition_take_if_match(&request->condition, headers, "expectedVersion", fault);
}

static bool parse_capture(struct capture_request *request, const struct json_object *object,
                          struct request_fault *fault)
{
    request->amount = (struct money_decimal){.digits = 0};
    request->to.length = 0;
    if (json_object_has(object, "amount") &&
        !movement_member_amount(object, "amount", &request->amount, fault))
        return false;
    return !json_object_has(object, "to") ||
           movement_member_account(object, "to", &request->to, fault);
}

bool capture_request_take(struct capture_request *request, const struct json_object *object,
                          const struct json_names *besides, struct request_fault *fault)
{
    return json_object_check(object, capture_names,
                             sizeof(capture_names) / sizeof(capture_names[0]), besides, fault) &&
           parse_capture(request, object, fault);
}

bool capture_request_parse(struct capture_request *request, const char *body, size_t body_length,
                           const struct request_headers *headers, struct request_fault *fault)
{
    struct json_object object;
    request->amount = (struct money_decimal){.digits = 0};
    request->to.length = 0;
    if (body_length > 0) {
        if (!json_object_parse(&object, body, body_length, capture_names,
                               sizeof(capture_names) / sizeof(capture_names[0]), fault))
            return false;
        bool parsed = parse_capture(request, &object, fault);
        json_object_free(&object);
        if (!parsed)
            return false;
    }
    return condition_refuse_if_match(headers, fault);
}

bool void_request_take(const struct json_object *object, const struct json_names *besides,
                       struct request_fault *fault)
{
    return json_object_check(object, capture_names, 0, besides, fault);
}

bool void_request_parse(const char *body, size_t body_length, const struct request_headers *headers,
                        struct request_fault *fault)
{
    struct json_object object;
    if (body_length > 0) {
        if (!json_object_parse(&object, body, body_length, capture_names, 0, fault))
            return false;
        json_object_free(&object);
    }
    return condition_refuse_if_match(headers, fault);
}
