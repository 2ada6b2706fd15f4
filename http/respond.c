/* respond.c - headers and body of an answer, in libh2o's terms.
 *
 * Guarantees: every answer but a stream has a Content-Length. Strings live in the request's pool
 * until they are sent. It must not know where answers come from.
 */
#include "respond.h"

#include <stdio.h>
#include <string.h>

#include "route.h"

static void add_named(h2o_req_t *request, const char *name, const char *shown, const char *value)
{
    h2o_add_header_by_str(&request->pool, &request->res.headers, name, strlen(name), 0, shown,
                          value, strlen(value));
}

static void add_token(h2o_req_t *request, const h2o_token_t *token, const char *shown,
                      const char *value)
{
    h2o_iovec_t kept = h2o_strdup(&request->pool, value, SIZE_MAX);
    h2o_add_header(&request->pool, &request->res.headers, token, shown, kept.base, kept.len);
}

static void start(h2o_req_t *request, int status, const char *content_type, size_t length)
{
    request->res.status = status;
    request->res.reason = error_code_reason(status);
    request->res.content_length = length;
    add_token(request, H2O_TOKEN_CONTENT_TYPE, "Content-Type", content_type);
}

static void add_preference(h2o_req_t *request, bool money_as_string)
{
    if (money_as_string)
        add_named(request, "preference-applied", "Preference-Applied", "money=string");
}

static void add_headers(h2o_req_t *request, const struct answer *answer)
{
    char seconds[16];
    if (answer->etag[0] != '\0')
        add_token(request, H2O_TOKEN_ETAG, "ETag", answer->etag);
    if (answer->location[0] != '\0')
        add_token(request, H2O_TOKEN_LOCATION, "Location", answer->location);
    if (answer->allow != NULL)
        add_token(request, H2O_TOKEN_ALLOW, "Allow", answer->allow);
    if (answer->retry_after) {
        snprintf(seconds, sizeof(seconds), "%d", ANSWER_RETRY_AFTER_S);
        add_token(request, H2O_TOKEN_RETRY_AFTER, "Retry-After", seconds);
    }
    if (answer->replayed)
        add_named(request, "idempotency-replayed", "Idempotency-Replayed", "true");
    add_preference(request, answer->money_as_string);
}

static const char *content_type(const struct answer *answer)
{
    return answer->is_problem ? "application/problem+json" : "application/json";
}

void respond(h2o_req_t *request, const struct answer *answer)
{
    start(request, answer->status, content_type(answer), answer->body.length);
    add_headers(request, answer);
    if (answer->close)
        request->http1_is_persistent = 0;
    h2o_send_inline(request, answer->body.bytes, answer->body.length);
}

void respond_text(h2o_req_t *request, const char *type, const char *text, size_t length)
{
    start(request, 200, type, length);
    h2o_send_inline(request, text, length);
}

void respond_kept(h2o_req_t *request, const struct answer *head, const char *type, const char *text,
                  size_t length)
{
    static h2o_generator_t whole = {NULL, NULL};
    h2o_iovec_t bytes = h2o_iovec_init(text, length);
    start(request, head->status, type, length);
    add_headers(request, head);
    h2o_start_response(request, &whole);
    h2o_send(request, &bytes, 1, H2O_SEND_STATE_FINAL);
}

void respond_stream(h2o_req_t *request, const char *type, h2o_generator_t *generator)
{
    start(request, 200, type, SIZE_MAX);
    h2o_start_response(request, generator);
}

void respond_events(h2o_req_t *request, bool as_sse, bool money_as_string,
                    h2o_generator_t *generator)
{
    start(request, 200, as_sse ? "text/event-stream" : "application/x-ndjson", SIZE_MAX);
    add_token(request, H2O_TOKEN_CACHE_CONTROL, "Cache-Control", "no-store");
    if (money_as_string)
        add_named(request, "preference-applied", "Preference-Applied", "money=string");
    h2o_start_response(request, generator);
}

struct replacement {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static void send_replacement(h2o_ostream_t *self, h2o_req_t *request, h2o_iovec_t *buffers,
                             size_t count, h2o_send_state_t state)
{
    struct replacement *replacement = (struct replacement *)self;
    bool has_body = count > 0;
    (void)buffers;
    h2o_ostream_send_next(self, request, &replacement->body, has_body ? 1 : 0, state);
}

/* The most that the call would have taken, whose body libh2o has refused. */
static size_t body_max(const h2o_req_t *request)
{
    struct route_match match;
    h2o_iovec_t path = request->input.path;
    const char *query = path.len == 0 ? NULL : memchr(path.base, '?', path.len);
    route_find(path.base, query == NULL ? path.len : (size_t)(query - path.base), &match);
    return route_body_max(match.route);
}

static void replace_body(h2o_filter_t *self, h2o_req_t *request, h2o_ostream_t **slot)
{
    static const struct answer_style plain = {0};
    struct answer answer;
    enum error_code code = request->res.status == 413   ? ERROR_PAYLOAD_TOO_LARGE
                           : request->res.status == 417 ? ERROR_EXPECTATION_FAILED
                                                        : ERROR_INVALID_REQUEST;
    (void)self;
    if (code == ERROR_PAYLOAD_TOO_LARGE)
        answer_too_large(&answer, body_max(request), &plain);
    else
        answer_refuse(&answer, code, &plain);
    memset(&request->res.headers, 0, sizeof(request->res.headers));
    start(request, answer.status, content_type(&answer), answer.body.length);
    struct replacement *replacement = (void *)h2o_add_ostream(request, sizeof(*replacement), slot);
    replacement->super.do_send = send_replacement;
    replacement->body = h2o_strdup(&request->pool, answer.body.bytes, answer.body.length);
    h2o_setup_next_ostream(request, &replacement->super.next);
}

void respond_register_filter(h2o_pathconf_t *path)
{
    h2o_filter_t *filter = h2o_create_filter(path, sizeof(*filter));
    filter->on_setup_ostream = replace_body;
}
