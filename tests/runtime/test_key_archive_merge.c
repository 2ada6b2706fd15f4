/* test_key_archive_merge.c - which files are merged, over years of files of every size.
 *
 * No disk: sets of files that only have a number of keys. The rest of merging is in
 * test_key_archive.c.
 */
#include "core/support.h"

#include "engine/runtime/key_archive_internal.h"

enum {
    FILES_MAX = 256,
    ROUNDS = 20000,
};

/* A set that grows at its end and is merged at once. */
struct model {
    struct archive_set *set;
    struct archive_file files[FILES_MAX];
    uint64_t keys;   /* that came */
    uint64_t copied; /* by merging */
    uint32_t most;   /* files at a time, after merging */
};

static struct model *model_create(void)
{
    struct model *model = memory_take(sizeof(*model));
    model->set = memory_take(sizeof(*model->set) + FILES_MAX * sizeof(struct archive_file *));
    for (unsigned i = 0; i < FILES_MAX; i++)
        model->set->files[i] = &model->files[i];
    return model;
}

static void model_destroy(struct model *model)
{
    free(model->set);
    free(model);
}

static uint64_t *keys_of(struct model *model, uint32_t number)
{
    return &model->files[number].file.totals.key_count;
}

static void merge(struct model *model, struct archive_window window)
{
    uint64_t sum = 0;
    assert_in_range(window.count, KEY_ARCHIVE_MERGE_MIN, KEY_ARCHIVE_MERGE_MAX);
    assert_true(window.first + window.count <= model->set->count);
    for (uint32_t i = 0; i < window.count; i++)
        sum += *keys_of(model, window.first + i);
    *keys_of(model, window.first) = sum;
    uint32_t removed = window.count - 1;
    for (uint32_t i = window.first + 1; i + removed < model->set->count; i++)
        *keys_of(model, i) = *keys_of(model, i + removed);
    model->set->count -= removed;
    model->copied += sum;
}

static void add(struct model *model, uint64_t keys)
{
    assert_true(model->set->count < FILES_MAX);
    *keys_of(model, model->set->count++) = keys;
    model->keys += keys;
    for (;;) {
        struct archive_window window = archive_choose_window(model->set);
        if (window.count == 0)
            break;
        merge(model, window);
    }
    if (model->set->count > model->most)
        model->most = model->set->count;
}

static void equal_files__are_merged_by_eights(void **state)
{
    (void)state;
    struct model *model = model_create();
    for (unsigned i = 0; i < KEY_ARCHIVE_MERGE_MIN - 1; i++)
        add(model, 1000);
    assert_int_equal(model->set->count, KEY_ARCHIVE_MERGE_MIN - 1);
    assert_int_equal(model->copied, 0);
    add(model, 1000);
    assert_int_equal(model->set->count, 1);
    assert_int_equal(*keys_of(model, 0), KEY_ARCHIVE_MERGE_MIN * 1000);
    model_destroy(model);
}

static void large_file__is_not_copied_for_a_few_small_ones(void **state)
{
    (void)state;
    struct model *model = model_create();
    add(model, 1000000);
    for (unsigned i = 0; i < 100; i++)
        add(model, 1000);
    assert_int_equal(*keys_of(model, 0), 1000000);
    assert_true(model->copied < 3 * 100 * 1000);
    model_destroy(model);
}

/* Twenty thousand files: 2 * 10^10 keys at the usual size. */
static void thousands_of_files__stay_few_and_are_copied_seldom(void **state)
{
    (void)state;
    uint64_t random = seed_choose();
    enum shape { EQUAL, FULL_AND_SMALL, ANY_SIZE, OFTEN_EMPTY, SHAPES };
    for (enum shape shape = EQUAL; shape < SHAPES; shape++) {
        struct model *model = model_create();
        for (unsigned i = 0; i < ROUNDS; i++) {
            uint64_t keys = KEY_ARCHIVE_KEYS_PER_FILE;
            if (shape == FULL_AND_SMALL && i % 2 != 0)
                keys = 100;
            else if (shape == ANY_SIZE)
                keys = random_next(&random) >> (44 + random_below(&random, 20));
            else if (shape == OFTEN_EMPTY && random_below(&random, 8) != 0)
                keys = 0;
            add(model, keys);
        }
        double copies = (double)model->copied / (double)model->keys;
        print_message("shape %d: at most %u files, each key copied %.1f times\n", (int)shape,
                      model->most, copies);
        assert_true(model->most <= KEY_ARCHIVE_FILES_MAX);
        assert_true(copies < 10);
        model_destroy(model);
    }
}

static void more_files_than_allowed__are_merged_whatever_their_sizes(void **state)
{
    (void)state;
    struct model *model = model_create();
    /* One large, seven small, and so on; a large one outweighs all behind it. */
    for (uint32_t i = 0; i <= KEY_ARCHIVE_FILES_MAX; i++)
        *keys_of(model, i) = i % 8 == 0 ? UINT64_C(1) << (30 - i / 8 * 5) : 1;
    model->set->count = KEY_ARCHIVE_FILES_MAX;
    assert_int_equal(archive_choose_window(model->set).count, 0);
    model->set->count++;
    struct archive_window window = archive_choose_window(model->set);
    assert_int_equal(window.count, KEY_ARCHIVE_MERGE_MIN);
    assert_int_equal(window.first + window.count, model->set->count); /* the lightest */
    model_destroy(model);
}

/* KEY_FILE_KEYS_MAX keys and more are left in several files. */
static void largest_files__are_left_alone(void **state)
{
    (void)state;
    struct model *model = model_create();
    for (uint32_t i = 0; i < KEY_ARCHIVE_MERGE_MIN; i++)
        *keys_of(model, i) = KEY_FILE_KEYS_MAX / KEY_ARCHIVE_MERGE_MIN;
    model->set->count = KEY_ARCHIVE_MERGE_MIN;
    assert_int_equal(archive_choose_window(model->set).count, 0);
    *keys_of(model, 3) -= KEY_ARCHIVE_MERGE_MIN;
    assert_int_equal(archive_choose_window(model->set).count, KEY_ARCHIVE_MERGE_MIN);
    model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_files__are_merged_by_eights),
        cmocka_unit_test(large_file__is_not_copied_for_a_few_small_ones),
        cmocka_unit_test(thousands_of_files__stay_few_and_are_copied_seldom),
        cmocka_unit_test(more_files_than_allowed__are_merged_whatever_their_sizes),
        cmocka_unit_test(largest_files__are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
