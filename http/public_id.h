/* public_id.h - what clients call transactions and holds.
 *
 *     txn131            the transaction whose record has LSN 131
 *     hold131:alice     the hold that it made on the account alice
 *
 * A hold's id says whose it is, so that it is found without a directory of holds; account ids may
 * stand in a path as they are. Numbers have no leading zeros: an id has one spelling.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_PUBLIC_ID_H
#define FLORIN_HTTP_PUBLIC_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"

enum {
    /* With 20 digits and a terminator. */
    PUBLIC_ID_TRANSACTION_BYTES = 3 + 20 + 1,
    PUBLIC_ID_HOLD_BYTES = 4 + 20 + 1 + FLORIN_ACCOUNT_ID_MAX + 1,
};

/* These write a terminator and return the length without it. */
size_t public_id_write_transaction(uint64_t id, char text[PUBLIC_ID_TRANSACTION_BYTES]);
size_t public_id_write_hold(uint64_t id, const char *account, size_t account_length,
                            char text[PUBLIC_ID_HOLD_BYTES]);

/* false: it is none; the outputs are untouched. */
__attribute__((warn_unused_result)) bool public_id_read_transaction(const char *text, size_t length,
                                                                    uint64_t *id);
/* *account points into the text, and is a valid account id. */
__attribute__((warn_unused_result)) bool public_id_read_hold(const char *text, size_t length,
                                                             uint64_t *id, const char **account,
                                                             size_t *account_length);

#endif
