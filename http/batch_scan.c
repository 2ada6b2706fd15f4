/* batch_scan.c - finds items by brackets, quotes and line ends.
 *
 * Guarantees: looks at each byte once, keeps no stack and allocates nothing; spans are in order,
 * within the text and apart. It must not know what an item means.
 */
#include "batch_scan.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

static const char too_many[] = "A batch has more than %d items";

void batch_scan_begin(struct batch_scan *scan, enum batch_scan_form form, const char *text,
                      size_t length, struct batch_span *spans)
{
    assert(length <= FLORIN_BATCH_BODY_MAX);
    *scan = (struct batch_scan){.form = form, .text = text, .length = length, .spans = spans};
}

static enum batch_scan_state refuse(const struct batch_scan *scan, struct request_fault *fault,
                                    const char *reason)
{
    (void)request_fault_set(fault, "body", "Malformed batch at byte %zu: %s", scan->at, reason);
    return BATCH_SCAN_REFUSED;
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* false: there are too many. */
static bool add_span(struct batch_scan *scan, size_t end)
{
    if (scan->count == FLORIN_BATCH_ITEMS_MAX)
        return false;
    scan->spans[scan->count++] =
        (struct batch_span){(uint32_t)scan->item, (uint32_t)(end - scan->item)};
    return true;
}

/* --- an array ----------------------------------------------------------------------------- */

static void skip_space(struct batch_scan *scan, size_t limit)
{
    while (scan->at < limit && is_space(scan->text[scan->at]))
        scan->at++;
}

/* Behind a string that is open, or at the limit. An escape is taken whole. */
static void skip_string(struct batch_scan *scan, size_t limit)
{
    const char *text = scan->text;
    size_t at = scan->at;
    while (at < limit && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    if (at < limit) {
        scan->place = BATCH_SCAN_IN_ITEM;
        at++;
    }
    /* a backslash at the very end escapes nothing */
    scan->at = at < scan->length ? at : scan->length;
}

/* The item that ends before the scanner's byte, without white space; false: there are too many. */
static bool end_item(struct batch_scan *scan)
{
    size_t end = scan->at;
    while (is_space(scan->text[end - 1]))
        end--;
    return add_span(scan, end);
}

/* Within an item: up to a string, or to the comma or bracket behind it, or to the limit. */
static const char *skip_item(struct batch_scan *scan, size_t limit)
{
    /* all others mean nothing outside of strings */
    static const bool counts[UCHAR_MAX + 1] = {
        ['"'] = true, ['{'] = true, ['}'] = true, ['['] = true, [']'] = true, [','] = true};
    for (; scan->at < limit; scan->at++) {
        char byte = scan->text[scan->at];
        if (!counts[(unsigned char)byte])
            continue;
        if (scan->depth == 0 && (byte == ',' || byte == ']')) {
            if (!end_item(scan))
                return too_many;
            scan->place = byte == ',' ? BATCH_SCAN_ITEM : BATCH_SCAN_BEHIND;
            scan->at++;
            return NULL;
        }
        if (byte == '"') {
            scan->place = BATCH_SCAN_IN_STRING;
            scan->at++;
            return NULL;
        }
        if (byte == '{' || byte == '[')
            scan->depth++;
        else if (byte != ',' && scan->depth-- == 0)
            return "a bracket that nothing opened";
    }
    return NULL;
}

/* At a byte that is no white space, between items. NULL, or what is wrong. */
static const char *step_between(struct batch_scan *scan)
{
    char byte = scan->text[scan->at];
    switch (scan->place) {
    case BATCH_SCAN_BEFORE:
        if (byte != '[')
            return "it must be an array of items";
        scan->at++;
        scan->place = BATCH_SCAN_FIRST;
        return NULL;
    case BATCH_SCAN_FIRST:
    case BATCH_SCAN_ITEM:
        if (byte == ']' && scan->place == BATCH_SCAN_FIRST) {
            scan->at++;
            scan->place = BATCH_SCAN_BEHIND;
            return NULL;
        }
        if (byte == ',' || byte == ']')
            return "an item is missing here";
        scan->item = scan->at;
        scan->place = BATCH_SCAN_IN_ITEM;
        return NULL;
    case BATCH_SCAN_BEHIND:
        return "something follows the array";
    case BATCH_SCAN_IN_ITEM:
    case BATCH_SCAN_IN_STRING:
        break;
    }
    return "not between items";
}

static enum batch_scan_state step_array(struct batch_scan *scan, size_t limit,
                                        struct request_fault *fault)
{
    while (scan->at < limit) {
        const char *reason = NULL;
        if (scan->place == BATCH_SCAN_IN_STRING) {
            skip_string(scan, limit);
        } else if (scan->place == BATCH_SCAN_IN_ITEM) {
            reason = skip_item(scan, limit);
        } else {
            skip_space(scan, limit);
            if (scan->at < limit)
                reason = step_between(scan);
        }
        if (reason == too_many) {
            (void)request_fault_set(fault, "body", too_many, FLORIN_BATCH_ITEMS_MAX);
            return BATCH_SCAN_REFUSED;
        }
        if (reason != NULL)
            return refuse(scan, fault, reason);
    }
    if (scan->at < scan->length)
        return BATCH_SCAN_MORE;
    return scan->place == BATCH_SCAN_BEHIND ? BATCH_SCAN_DONE
                                            : refuse(scan, fault, "the array is not closed");
}

/* --- lines -------------------------------------------------------------------------------- */

static bool is_blank(const char *line, size_t length)
{
    while (length > 0 && is_space(line[length - 1]))
        length--;
    return length == 0;
}

static enum batch_scan_state step_lines(struct batch_scan *scan, size_t limit,
                                        struct request_fault *fault)
{
    while (scan->at < limit) {
        const char *found = memchr(scan->text + scan->at, '\n', limit - scan->at);
        size_t end = found == NULL ? limit : (size_t)(found - scan->text);
        scan->at = found == NULL ? limit : end + 1;
        if (found == NULL && limit < scan->length)
            return BATCH_SCAN_MORE;
        if (!is_blank(scan->text + scan->item, end - scan->item) && !add_span(scan, end)) {
            (void)request_fault_set(fault, "body", too_many, FLORIN_BATCH_ITEMS_MAX);
            return BATCH_SCAN_REFUSED;
        }
        scan->item = scan->at;
    }
    if (scan->at < scan->length)
        return BATCH_SCAN_MORE;
    return scan->count > 0 ? BATCH_SCAN_DONE : refuse(scan, fault, "it has no items");
}

enum batch_scan_state batch_scan_step(struct batch_scan *scan, size_t bytes_max,
                                      struct request_fault *fault)
{
    size_t left = scan->length - scan->at;
    size_t limit = scan->at + (left < bytes_max ? left : bytes_max);
    return scan->form == BATCH_SCAN_ARRAY ? step_array(scan, limit, fault)
                                          : step_lines(scan, limit, fault);
}
