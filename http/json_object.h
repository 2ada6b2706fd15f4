/* json_object.h - a JSON object that came from outside, read by name.
 *
 * The only header with cJSON behind it. json_object_parse() accepts what json_check() accepts, if
 * it is an object that has no member twice and only members of the given names.
 *
 * Getters set *fault and return false when the member has another type; they ask for members that
 * are there (json_object_has()).
 *
 * Thread: any.
 */
#ifndef FLORIN_HTTP_JSON_OBJECT_H
#define FLORIN_HTTP_JSON_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/core/money.h"
#include "request_fault.h"

struct cJSON;

struct json_object {
    struct cJSON *root;
};

/* Names that members may have. */
struct json_names {
    const char *const *names;
    size_t count;
};

/* `names`: the members that are known; NULL: any are (for answers of a server, and until
 * json_object_check()). On false there is nothing to free. */
__attribute__((warn_unused_result)) bool
json_object_parse(struct json_object *object, const char *text, size_t length,
                  const char *const *names, size_t name_count, struct request_fault *fault);
void json_object_free(struct json_object *object);

/* Whether it has only members of these names, or of those besides, and each once. */
__attribute__((warn_unused_result)) bool
json_object_check(const struct json_object *object, const char *const *names, size_t name_count,
                  const struct json_names *besides, struct request_fault *fault);

bool json_object_has(const struct json_object *object, const char *name);

/* A string; valid as long as the object. */
__attribute__((warn_unused_result)) bool json_object_text(const struct json_object *object,
                                                          const char *name, const char **text,
                                                          struct request_fault *fault);

/* A number or a string, as a decimal. */
__attribute__((warn_unused_result)) bool json_object_money(const struct json_object *object,
                                                           const char *name,
                                                           struct money_decimal *decimal,
                                                           struct request_fault *fault);

/* A whole number from 1 on. */
__attribute__((warn_unused_result)) bool json_object_version(const struct json_object *object,
                                                             const char *name, uint64_t *version,
                                                             struct request_fault *fault);

/* A whole number from 1 to `max`. */
__attribute__((warn_unused_result)) bool json_object_whole(const struct json_object *object,
                                                           const char *name, uint64_t max,
                                                           uint64_t *value,
                                                           struct request_fault *fault);

/* An array of `min` to `max` elements: how many it has. */
__attribute__((warn_unused_result)) bool json_object_array(const struct json_object *object,
                                                           const char *name, size_t min, size_t max,
                                                           size_t *count,
                                                           struct request_fault *fault);

/* An element of such an array: an object with members of the given names only. It is part of
 * `object`, so there is nothing to free. */
__attribute__((warn_unused_result)) bool
json_object_element(const struct json_object *object, const char *name, size_t index,
                    const char *const *names, size_t name_count, struct json_object *element,
                    struct request_fault *fault);

/* An object, written compactly into `text` with a terminator; an empty one has length 0. */
__attribute__((warn_unused_result)) bool json_object_compact(const struct json_object *object,
                                                             const char *name, char *text,
                                                             size_t capacity, size_t *length,
                                                             struct request_fault *fault);

#endif
