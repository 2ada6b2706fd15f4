/* query.h - the parameters behind the "?" of a URL.
 *
 * A parameter that is not understood must not be ignored: with ?dryrun=true a client expects that
 * nothing is changed. So there is a list of known names for every call, and each comes at most
 * once.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_QUERY_H
#define FLORIN_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "request_fault.h"

enum {
    /* A call has a handful. */
    QUERY_PARAMETERS_MAX = 8,
    /* Bytes of a name and of a value, decoded: an account id or a time, and more than those. */
    QUERY_NAME_MAX = 32,
    QUERY_VALUE_MAX = 96,
};

struct query_parameter {
    const char *name; /* the caller's */
    char value[QUERY_VALUE_MAX + 1];
};

struct query {
    size_t count;
    struct query_parameter parameters[QUERY_PARAMETERS_MAX];
};

/* `text` is what stands behind the "?", `names` are the known ones, at most QUERY_PARAMETERS_MAX,
 * which live as long as the query. false: a parameter is unknown, given twice, or malformed. */
__attribute__((warn_unused_result)) bool query_parse(struct query *query, const char *text,
                                                     size_t length, const char *const *names,
                                                     size_t name_count,
                                                     struct request_fault *fault);

/* NULL: not given. */
const char *query_value(const struct query *query, const char *name);

/* "true" or "false", anything else is refused; not given: false. */
__attribute__((warn_unused_result)) bool query_flag(const struct query *query, const char *name,
                                                    bool *value, struct request_fault *fault);

#endif
