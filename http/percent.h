/* percent.h - %xx in paths and queries (RFC 3986). Thread: any; pure. */
#ifndef FLORIN_HTTP_PERCENT_H
#define FLORIN_HTTP_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

/* false: malformed, or longer than `capacity` when decoded. A plus sign stays one. */
__attribute__((warn_unused_result)) bool percent_decode(const char *bytes, size_t length,
                                                        char *decoded, size_t capacity,
                                                        size_t *decoded_length);

#endif
