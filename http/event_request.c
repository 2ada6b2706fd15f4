/* event_request.c - reads the query of GET /events.
 *
 * Guarantees: what is not understood is refused, never ignored. It must not know the log.
 */
#include "event_request.h"

#include <string.h>

#include "engine/core/record.h"
#include "query.h"

/* Only digits, in the range. */
static bool read_number(const char *text, size_t length, uint64_t min, uint64_t max,
                        uint64_t *value)
{
    uint64_t number = 0;
    if (length == 0 || length > 18)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    if (number < min || number > max)
        return false;
    *value = number;
    return true;
}

/* Leaves *value when the parameter is absent. */
static bool read_parameter(const struct query *query, const char *name, uint64_t min, uint64_t max,
                           uint64_t *value, struct request_fault *fault)
{
    const char *text = query_value(query, name);
    if (text == NULL || read_number(text, strlen(text), min, max, value))
        return true;
    return request_fault_set(fault, name, "%s must be a number from %llu to %llu", name,
                             (unsigned long long)min, (unsigned long long)max);
}

static bool read_after(struct event_request *request, const struct query *query,
                       const struct request_headers *headers, struct request_fault *fault)
{
    if (!read_parameter(query, "after", 0, RECORD_LSN_MAX, &request->after, fault))
        return false;
    request->from_start = query_value(query, "after") == NULL;
    if (!request->as_sse || headers->last_event_id_length == 0)
        return true;
    if (!read_number(headers->last_event_id, headers->last_event_id_length, 0, RECORD_LSN_MAX,
                     &request->after))
        return request_fault_set(fault, "Last-Event-ID",
                                 "Last-Event-ID must be the id of an event of this stream");
    request->from_start = false;
    return true;
}

bool event_request_parse(struct event_request *request, const char *text, size_t length,
                         const struct request_headers *headers, struct request_fault *fault)
{
    static const char *const names[] = {"after", "limit", "wait", "follow"};
    struct query query;
    uint64_t limit = 0;
    uint64_t wait_s = 0;
    *request = (struct event_request){.as_sse = headers->wants_event_stream};
    if (!query_parse(&query, text, length, names, sizeof(names) / sizeof(names[0]), fault) ||
        !read_after(request, &query, headers, fault) ||
        !read_parameter(&query, "limit", 1, EVENT_LIMIT_MAX, &limit, fault) ||
        !read_parameter(&query, "wait", 0, EVENT_WAIT_MAX_S, &wait_s, fault) ||
        !query_flag(&query, "follow", &request->follow, fault))
        return false;
    if (query_value(&query, "follow") == NULL)
        request->follow = request->as_sse;
    if (request->follow && query_value(&query, "wait") != NULL)
        return request_fault_set(fault, "wait", "An answer that follows waits for ever");
    if (!request->follow && limit == 0)
        limit = EVENT_PAGE;
    request->limit = (uint32_t)limit;
    request->wait_s = (uint32_t)wait_s;
    return true;
}
