/* movement_member.h - members that the bodies of several calls have: an account, an amount.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_MOVEMENT_MEMBER_H
#define FLORIN_HTTP_MOVEMENT_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "florin_limits.h"
#include "json_object.h"
#include "request_fault.h"

/* An account that a body names. */
struct named_account {
    uint8_t length;
    char id[FLORIN_ACCOUNT_ID_MAX];
};

/* A valid account id, which must be there. */
__attribute__((warn_unused_result)) bool movement_member_account(const struct json_object *object,
                                                                 const char *name,
                                                                 struct named_account *account,
                                                                 struct request_fault *fault);

/* Greater than zero, which must be there. */
__attribute__((warn_unused_result)) bool movement_member_amount(const struct json_object *object,
                                                                const char *name,
                                                                struct money_decimal *amount,
                                                                struct request_fault *fault);

#endif
