/* movement_member.c - accounts and amounts in bodies.
 *
 * Guarantees: an account that comes out is a valid id, an amount is greater than zero. It must not
 * know which accounts exist.
 */
#include "movement_member.h"

#include <string.h>

#include "florin.h"

bool movement_member_account(const struct json_object *object, const char *name,
                             struct named_account *account, struct request_fault *fault)
{
    const char *text;
    if (!json_object_has(object, name))
        return request_fault_set(fault, name, "\"%s\" is missing", name);
    if (!json_object_text(object, name, &text, fault))
        return false;
    size_t length = strlen(text);
    if (!florin_account_id_is_valid(text, length))
        return request_fault_set(fault, name, "%s",
                                 florin_status_message(FLORIN_INVALID_ACCOUNT_ID));
    memcpy(account->id, text, length);
    account->length = (uint8_t)length;
    return true;
}

bool movement_member_amount(const struct json_object *object, const char *name,
                            struct money_decimal *amount, struct request_fault *fault)
{
    if (!json_object_has(object, name))
        return request_fault_set(fault, name, "\"%s\" is missing", name);
    if (!json_object_money(object, name, amount, fault))
        return false;
    return amount->digits > 0 ||
           request_fault_set(fault, name, "\"%s\" must be greater than zero", name);
}
