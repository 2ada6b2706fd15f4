/* condition.c - expected versions and balances from JSON and If-Match.
 *
 * Guarantees: a version in the body and one in If-Match are the same. It must not know accounts.
 */
#include "condition.h"

#include <string.h>

bool condition_parse(struct condition *condition, const struct json_object *object,
                     const char *version_name, const char *balance_name,
                     struct request_fault *fault)
{
    memset(condition, 0, sizeof(*condition));
    condition->has_expected_balance = json_object_has(object, balance_name);
    if (json_object_has(object, version_name) &&
        !json_object_version(object, version_name, &condition->expected_version, fault))
        return false;
    return !condition->has_expected_balance ||
           json_object_money(object, balance_name, &condition->expected_balance, fault);
}

bool condition_take_if_match(struct condition *condition, const struct request_headers *headers,
                             const char *version_name, struct request_fault *fault)
{
    if (!headers->has_if_match || headers->if_match_version == 0)
        return true;
    if (condition->expected_version != 0 &&
        condition->expected_version != headers->if_match_version)
        return request_fault_set(fault, "If-Match", "\"%s\" and \"If-Match\" have different values",
                                 version_name);
    condition->expected_version = headers->if_match_version;
    condition->by_precondition = true;
    return true;
}

bool condition_refuse_if_match(const struct request_headers *headers, struct request_fault *fault)
{
    if (!headers->has_if_match || headers->if_match_version == 0)
        return true;
    return request_fault_set(fault, "If-Match",
                             "If-Match belongs to one account, and this call names none in its "
                             "path; expect versions in the body");
}
