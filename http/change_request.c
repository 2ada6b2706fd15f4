/* change_request.c - changes of an account from JSON.
 *
 * Guarantees: there is something to change; a minimum balance is not greater than zero. It must not
 * know the account, or how many decimals its currency has.
 */
#include "change_request.h"

#include <stdlib.h>
#include <string.h>

static const char *const known_names[] = {"minimumBalance", "status", "metadata",
                                          "expectedVersion"};

static bool parse_status(struct change_request *request, const struct json_object *object,
                         struct request_fault *fault)
{
    static const enum florin_account_status all[] = {FLORIN_STATE_OPEN, FLORIN_STATE_FROZEN,
                                                     FLORIN_STATE_CLOSED};
    const char *text;
    if (!json_object_has(object, "status"))
        return true;
    if (!json_object_text(object, "status", &text, fault))
        return false;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(text, change_request_status_name(all[i])) == 0) {
            request->status = all[i];
            request->changes |= FLORIN_CHANGE_STATUS;
            return true;
        }
    }
    return request_fault_set(fault, "status", "\"status\" must be open, frozen or closed");
}

static bool parse_minimum_balance(struct change_request *request, const struct json_object *object,
                                  struct request_fault *fault)
{
    if (!json_object_has(object, "minimumBalance"))
        return true;
    if (!json_object_money(object, "minimumBalance", &request->minimum_balance, fault))
        return false;
    request->changes |= FLORIN_CHANGE_MINIMUM_BALANCE;
    return request->minimum_balance.digits <= 0 ||
           request_fault_set(fault, "minimumBalance",
                             "\"minimumBalance\" must not be greater than zero");
}

static bool parse_metadata(struct change_request *request, const struct json_object *object,
                           struct request_fault *fault)
{
    if (!json_object_has(object, "metadata"))
        return true;
    request->changes |= FLORIN_CHANGE_METADATA;
    return json_object_compact(object, "metadata", request->metadata, sizeof(request->metadata),
                               &request->metadata_length, fault);
}

static bool parse_members(struct change_request *request, const struct json_object *object,
                          struct request_fault *fault)
{
    if (!parse_minimum_balance(request, object, fault) || !parse_status(request, object, fault) ||
        !parse_metadata(request, object, fault))
        return false;
    if (json_object_has(object, "expectedVersion") &&
        !json_object_version(object, "expectedVersion", &request->condition.expected_version,
                             fault))
        return false;
    return request->changes != 0 ||
           request_fault_set(fault, "body",
                             "There is nothing to change: minimumBalance, status or metadata");
}

bool change_request_parse(struct change_request *request, const char *body, size_t body_length,
                          const struct request_headers *headers, struct request_fault *fault)
{
    struct json_object object;
    memset(request, 0, sizeof(*request));
    if (headers->key_length > 0)
        return request_fault_set(
            fault, "Idempotency-Key",
            "A change takes no key: made twice it is the same; to make it once "
            "there are expectedVersion and If-Match");
    if (!json_object_parse(&object, body, body_length, known_names,
                           sizeof(known_names) / sizeof(known_names[0]), fault))
        return false;
    bool parsed = parse_members(request, &object, fault);
    json_object_free(&object);
    return parsed &&
           condition_take_if_match(&request->condition, headers, "expectedVersion", fault);
}

const char *change_request_status_name(enum florin_account_status status)
{
    switch (status) {
    case FLORIN_STATE_OPEN:
        return "open";
    case FLORIN_STATE_FROZEN:
        return "frozen";
    case FLORIN_STATE_CLOSED:
        return "closed";
    }
    abort(); /* not in the list */
}
