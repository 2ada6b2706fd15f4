/* respond.h - sends an answer through libh2o.
 *
 * Thread: the worker's. From inside a callback of the loop; from outside, the loop must run next
 * without waiting.
 */
#ifndef FLORIN_HTTP_RESPOND_H
#define FLORIN_HTTP_RESPOND_H

#include <stddef.h>

#include "answer.h"
#include "h2o_embed.h"

/* The request is gone when its client has it; do not touch it after this. */
void respond(h2o_req_t *request, const struct answer *answer);

/* A page of another type than JSON. */
void respond_text(h2o_req_t *request, const char *content_type, const char *text, size_t length);

/* The same without copying, with status and headers of an answer: the text lives as long as the
 * request. */
void respond_kept(h2o_req_t *request, const struct answer *head, const char *content_type,
                  const char *text, size_t length);

/* The headers of a 200 whose length is not known; the generator sends the rest. */
void respond_stream(h2o_req_t *request, const char *content_type, h2o_generator_t *generator);

/* The same for GET /events. */
void respond_events(h2o_req_t *request, bool as_sse, bool money_as_string,
                    h2o_generator_t *generator);

/* Makes the errors that libh2o answers by itself (a body beyond its limit, broken chunks, an
 * unknown expectation) errors of this API: to be registered on the fallback path. */
void respond_register_filter(h2o_pathconf_t *path);

#endif
