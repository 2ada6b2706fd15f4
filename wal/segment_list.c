/* segment_list.c - what is in log/: the numbers of its segments, sorted.
 *
 * Guarantees: files of other names are passed over. Must not know: what a segment holds.
 */
#include "segment_list.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "segment.h"

enum { LIST_STEP = 64 };

static int numbers_append(struct segment_numbers *numbers, uint64_t number)
{
    if (numbers->count == numbers->max) {
        size_t max = numbers->max * 2 + LIST_STEP;
        uint64_t *grown = realloc(numbers->values, max * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        numbers->values = grown;
        numbers->max = max;
    }
    numbers->values[numbers->count++] = number;
    return 0;
}

static void list_visit(void *context, const char *name)
{
    struct segment_list *list = context;
    uint64_t number;
    enum segment_file_kind kind = segment_parse_name(name, &number);
    if (list->error != 0 || kind == SEGMENT_FILE_OTHER)
        return;
    struct segment_numbers *numbers =
        kind == SEGMENT_FILE_LOG ? &list->segments : &list->temporaries;
    list->error = numbers_append(numbers, number);
}

static int numbers_compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

int segment_list_init(struct segment_list *list, struct storage *storage)
{
    *list = (struct segment_list){0};
    int error = storage->operations->list(storage, "log", list_visit, list);
    if (error == 0)
        error = list->error;
    if (error == 0 && list->segments.count > 0)
        qsort(list->segments.values, list->segments.count, sizeof(uint64_t), numbers_compare);
    return error;
}

void segment_list_deinit(struct segment_list *list)
{
    free(list->segments.values);
    free(list->temporaries.values);
    *list = (struct segment_list){0};
}

uint64_t segment_list_first_missing(const struct segment_list *list)
{
    const struct segment_numbers *numbers = &list->segments;
    assert(numbers->count > 0);
    size_t i = 1;
    while (i < numbers->count && numbers->values[i] == numbers->values[0] + i)
        i++;
    return numbers->values[0] + i;
}
