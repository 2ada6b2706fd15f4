/* segment_list.h - what is in log/: the numbers of its segments, sorted.
 *
 * Thread: one at a time a list.
 */
#ifndef FLORIN_WAL_SEGMENT_LIST_H
#define FLORIN_WAL_SEGMENT_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "storage.h"

struct segment_numbers {
    uint64_t *values;
    size_t count;
    size_t max;
};

struct segment_list {
    struct segment_numbers segments;    /* ascending */
    struct segment_numbers temporaries; /* half-made segments, in any order */
    int error;                          /* of the listing */
};

/* *list is to be deinitialised after success and after an error. 0; -ENOENT: there is no log/;
 * -ENOMEM; -errno. */
__attribute__((warn_unused_result)) int segment_list_init(struct segment_list *list,
                                                          struct storage *storage);
void segment_list_deinit(struct segment_list *list);

/* The lowest number above the first one that is not there: one more than the last for a list
 * without a gap. The list is not empty. */
uint64_t segment_list_first_missing(const struct segment_list *list);

#endif
