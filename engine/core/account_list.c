/* account_list.c - the smallest ids of a table, found by looking at all of them.
 *
 * Guarantees: of all ids that were offered, the `limit` smallest are in the list. Must not know:
 * who asks, or how long a slice takes.
 */
#include "account_list.h"

#include <assert.h>
#include <string.h>

int account_list_compare(const struct account_list_id *left, const struct account_list_id *right)
{
    size_t shorter = left->length < right->length ? left->length : right->length;
    int order = memcmp(left->bytes, right->bytes, shorter);
    return order != 0 ? order : (int)left->length - (int)right->length;
}

void account_list_begin(struct account_list *list, const struct account_list_id *after,
                        const struct account_list_id *prefix, uint32_t limit,
                        const struct account_table *table)
{
    assert(limit >= 1 && limit <= ACCOUNT_LIST_MAX);
    list->after = *after;
    list->prefix = *prefix;
    list->limit = limit;
    list->cursor = 0;
    list->slot_end = table->count;
    list->count = 0;
}

/* --- the heap: a parent is greater than its children ------------------------------------------ */

static void swap(struct account_list *list, uint32_t left, uint32_t right)
{
    struct account_list_id id = list->ids[left];
    list->ids[left] = list->ids[right];
    list->ids[right] = id;
}

static void sift_up(struct account_list *list, uint32_t place)
{
    while (place > 0 && account_list_compare(&list->ids[place], &list->ids[(place - 1) / 2]) > 0) {
        swap(list, place, (place - 1) / 2);
        place = (place - 1) / 2;
    }
}

/* Among the first `count`. */
static void sift_down(struct account_list *list, uint32_t count)
{
    uint32_t place = 0;
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= count)
            return;
        if (child + 1 < count && account_list_compare(&list->ids[child + 1], &list->ids[child]) > 0)
            child++;
        if (account_list_compare(&list->ids[child], &list->ids[place]) <= 0)
            return;
        swap(list, place, child);
        place = child;
    }
}

void account_list_offer(struct account_list *list, const struct account_list_id *id)
{
    if (list->count < list->limit) {
        list->ids[list->count] = *id;
        sift_up(list, list->count++);
    } else if (account_list_compare(id, &list->ids[0]) < 0) {
        list->ids[0] = *id;
        sift_down(list, list->count);
    }
}

static bool belongs(const struct account_list *list, const struct account_list_id *id)
{
    return id->length >= list->prefix.length &&
           memcmp(id->bytes, list->prefix.bytes, list->prefix.length) == 0 &&
           (list->after.length == 0 || account_list_compare(id, &list->after) > 0);
}

bool account_list_scan(struct account_list *list, const struct account_table *table, uint32_t slots)
{
    uint32_t left = list->slot_end - list->cursor;
    uint32_t end = list->cursor + (slots < left ? slots : left);
    assert(list->slot_end <= table->count);
    for (; list->cursor < end; list->cursor++) {
        struct account_list_id id;
        id.length = (uint8_t)account_table_id(table, &table->slots[list->cursor], id.bytes);
        if (belongs(list, &id))
            account_list_offer(list, &id);
    }
    return list->cursor == list->slot_end;
}

void account_list_sort(struct account_list *list)
{
    for (uint32_t count = list->count; count > 1; count--) {
        swap(list, 0, count - 1);
        sift_down(list, count - 1);
    }
}
