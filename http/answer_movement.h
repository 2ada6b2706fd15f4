/* answer_movement.h - answers to transfers, postings, holds and their ends.
 *
 * A try (?dryRun=true) is answered with 200, "dryRun":true and without what only a commit gives:
 * id, timestamp, Location.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_ANSWER_MOVEMENT_H
#define FLORIN_HTTP_ANSWER_MOVEMENT_H

#include "answer.h"
#include "request_echo.h"

void answer_transfer(struct answer *answer, const struct florin_result *result,
                     const struct request_echo *echo, const struct answer_style *style);
void answer_posting(struct answer *answer, const struct florin_result *result,
                    const struct request_echo *echo, const struct answer_style *style);
void answer_hold(struct answer *answer, const struct florin_result *result,
                 const struct request_echo *echo, const struct answer_style *style);
void answer_capture(struct answer *answer, const struct florin_result *result,
                    const struct request_echo *echo, const struct answer_style *style);
void answer_reversal(struct answer *answer, const struct florin_result *result,
                     const struct request_echo *echo, const struct answer_style *style);
void answer_void(struct answer *answer, const struct florin_result *result,
                 const struct request_echo *echo, const struct answer_style *style);

#endif
