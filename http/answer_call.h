/* answer_call.h - the answer to a call that needs the engine: the list of which has which.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_ANSWER_CALL_H
#define FLORIN_HTTP_ANSWER_CALL_H

#include "answer.h"
#include "request_echo.h"
#include "route.h"

/* `route` is one that asks the engine (asserted). */
void answer_call(struct answer *answer, enum route route, const struct florin_result *result,
                 const struct request_echo *echo, const struct answer_style *style);

#endif
