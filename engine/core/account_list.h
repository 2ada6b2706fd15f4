/* account_list.h - the first ids of a page of accounts: those behind `after` that begin with
 * `prefix`, bytewise.
 *
 * No index is kept for it. A list scans the slots of a table, some at a time, and keeps the
 * smallest ids that it has seen in a heap with the greatest on top: a slot costs one comparison,
 * seldom more, and the memory is bounded by the page. Accounts are never removed from a table, so
 * what was there when the list began is seen; what is opened meanwhile need not be.
 *
 * Thread: the owner's; pure but for the list.
 */
#ifndef FLORIN_CORE_ACCOUNT_LIST_H
#define FLORIN_CORE_ACCOUNT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account_table.h"
#include "florin_limits.h"

enum {
    /* One more than a page has tells that there is another one. */
    ACCOUNT_LIST_MAX = FLORIN_ACCOUNT_PAGE_MAX + 1,
};

struct account_list_id {
    uint8_t length; /* 0: none */
    char bytes[FLORIN_ACCOUNT_ID_MAX];
};

struct account_list {
    struct account_list_id after;
    struct account_list_id prefix;
    uint32_t limit;    /* 1 to ACCOUNT_LIST_MAX */
    uint32_t cursor;   /* the next slot */
    uint32_t slot_end; /* accounts that were there when it began */
    uint32_t count;
    struct account_list_id ids[ACCOUNT_LIST_MAX]; /* a heap, until account_list_sort() */
};

/* < 0, 0, > 0, as memcmp(); a beginning stands before what it begins. */
int account_list_compare(const struct account_list_id *left, const struct account_list_id *right);

/* `after`, `prefix` of length 0: from the first one on, all. */
void account_list_begin(struct account_list *list, const struct account_list_id *after,
                        const struct account_list_id *prefix, uint32_t limit,
                        const struct account_table *table);

/* Takes an id that belongs to the list, and is not in it, if it is small enough. */
void account_list_offer(struct account_list *list, const struct account_list_id *id);

/* Looks at up to `slots` more; true: it has seen them all. */
bool account_list_scan(struct account_list *list, const struct account_table *table,
                       uint32_t slots);

/* Puts the ids into ascending order; the list is only read after it. */
void account_list_sort(struct account_list *list);

#endif
