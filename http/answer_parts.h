/* answer_parts.h - pieces that answers are made of.
 *
 * Private to the answer_*.c files. Thread: any; pure.
 */
#ifndef FLORIN_HTTP_ANSWER_PARTS_H
#define FLORIN_HTTP_ANSWER_PARTS_H

#include "answer.h"
#include "movement_member.h"

void answer_member_money(struct answer *answer, const char *name, int64_t minor,
                         const struct florin_result *result, const struct answer_style *style);
void answer_member_account(struct answer *answer, const char *name,
                           const struct named_account *account);

/* The body of a movement up to `type`, and from `newVersion` on: its own members stand between.
 * `id` is its public one. */
void answer_open_movement(struct answer *answer, const struct florin_result *result, const char *id,
                          const char *type, const struct answer_style *style);
void answer_close_movement(struct answer *answer, const struct florin_result *result,
                           const struct answer_style *style);

/* Where to read a transaction; not for a try, which is none. */
void answer_locate_transaction(struct answer *answer, const struct florin_result *result,
                               const struct answer_style *style);

/* Whom a refusal speaks of, in the client's words, where the path does not say it. */
struct answer_subject {
    char field[REQUEST_FIELD_MAX + 1];   /* "": none */
    const struct named_account *account; /* NULL: none */
    bool has_leg;
    uint8_t leg;
};

/* Whether the result is no success; then it is answered. */
bool answer_refuse_result(struct answer *answer, const struct florin_result *result,
                          const struct answer_subject *subject, const struct answer_style *style);

#endif
