/* batch_scan.h - where the items of a JSON batch begin and end.
 *
 * Two forms: an array of values, and lines (NDJSON, empty ones count for nothing). Items are found
 * by brackets and quotes alone and not understood: a malformed one is an item as well, as long as
 * it can be told where it ends. An array that is not one as a whole (no brackets around it, not
 * closed, an item missing between commas, something behind it) is refused, and so are more than
 * FLORIN_BATCH_ITEMS_MAX items, or none in lines.
 *
 *     batch_scan_begin(&scan, form, text, length, spans);
 *     while ((state = batch_scan_step(&scan, BYTES, &fault)) == BATCH_SCAN_MORE)
 *         ... something else ...
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_HTTP_BATCH_SCAN_H
#define FLORIN_HTTP_BATCH_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"
#include "request_fault.h"

enum batch_scan_form { BATCH_SCAN_ARRAY, BATCH_SCAN_LINES };

enum batch_scan_state {
    BATCH_SCAN_MORE,
    BATCH_SCAN_DONE,
    BATCH_SCAN_REFUSED, /* *fault says why */
};

/* An item within the text: at least one byte, none of it white space at its ends in an array. */
struct batch_span {
    uint32_t offset;
    uint32_t length;
};

/* Where an array's scanner stands. */
enum batch_scan_place {
    BATCH_SCAN_BEFORE,    /* the opening bracket is due */
    BATCH_SCAN_FIRST,     /* an item or the closing bracket is */
    BATCH_SCAN_ITEM,      /* an item is */
    BATCH_SCAN_IN_ITEM,   /* within one, outside of its strings */
    BATCH_SCAN_IN_STRING, /* within a string of one */
    BATCH_SCAN_BEHIND,    /* only white space may follow */
};

struct batch_scan {
    enum batch_scan_form form;
    enum batch_scan_place place;
    const char *text;
    size_t length;
    size_t at;
    size_t item;    /* where the item or line began that the scanner is in */
    uint32_t depth; /* of brackets within it */
    uint32_t count;
    struct batch_span *spans; /* room for FLORIN_BATCH_ITEMS_MAX */
};

/* `text` has at most FLORIN_BATCH_BODY_MAX bytes and stays the caller's, as `spans` does. */
void batch_scan_begin(struct batch_scan *scan, enum batch_scan_form form, const char *text,
                      size_t length, struct batch_span *spans);

/* Goes on for about so many bytes. */
enum batch_scan_state batch_scan_step(struct batch_scan *scan, size_t bytes_max,
                                      struct request_fault *fault);

#endif
