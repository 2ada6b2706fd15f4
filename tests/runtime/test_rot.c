/* test_rot.c - what becomes of a directory when any of its files rots: a bit, a cut, a swap, a
 * loss.
 *
 * A small ledger with several segments, two checkpoints and some key files, on the simulated disk.
 * Every change is made on a copy, which is then opened. Either
 *
 *   - the start is refused with -EBADMSG and a line that names the file, and nothing but the lock
 *     was written; or
 *   - every account and every key is answered as before. When it is the newest checkpoint that was
 *     passed over, a line names it. What a key file answers is read when it is asked for: then the
 *     answer may be refused, and a line names the file.
 *
 * What a start needs (meta, key files, the newest checkpoint, the log behind it) never rots
 * unnoticed; the older checkpoint and the log before it are spares, as are spare segments.
 *
 * FLORIN_STRIDE=n tries every n-th bit only, for slow builds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rot_sample.h"
#include "support/stride.h"

enum {
    BLOCK_BYTES = 4096,
    /* Bits drawn anywhere in a file, and places to cut it. */
    SAMPLED_BITS = 150,
    SAMPLED_CUTS = 12,
    /* Of the zeros in a block of metadata: a bit in so many bytes. */
    ZEROS_PER_BIT = 16,
};

struct sweep {
    struct rot_sample *sample;
    uint64_t random;
    unsigned stride;
    unsigned bits;
    /* of all tries */
    unsigned refused;
    unsigned harmless;
    unsigned fell_back;
    unsigned answers_refused;
};

static int start(void **state, enum rot_ending ending)
{
    struct sweep *sweep = calloc(1, sizeof(*sweep));
    assert_non_null(sweep);
    sweep->stride = stride_choose();
    sweep->sample = rot_sample_create(ending, 1);
    *state = sweep;
    return 0;
}

static int start_clean(void **state)
{
    return start(state, ROT_CLEAN);
}

static int start_killed(void **state)
{
    return start(state, ROT_KILLED);
}

static int finish(void **state)
{
    struct sweep *sweep = *state;
    print_message("%u refused, %u started: %u passed over a checkpoint, %u answers refused\n",
                  sweep->refused, sweep->harmless, sweep->fell_back, sweep->answers_refused);
    rot_sample_destroy(sweep->sample);
    free(sweep);
    return 0;
}

static uint64_t next_random(struct sweep *sweep, uint64_t below)
{
    /* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014) */
    uint64_t z = sweep->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % below;
}

/* --- what a file is for --------------------------------------------------------------------- */

static bool is_checkpoint(const char *name)
{
    return strncmp(name, "checkpoint/", 11) == 0;
}

static bool is_key_file(const char *name)
{
    return strncmp(name, "keys/", 5) == 0;
}

static bool is_newest_checkpoint(const struct sweep *sweep, const char *name)
{
    bool newest = is_checkpoint(name);
    for (size_t i = 0; i < sweep->sample->file_count; i++) {
        if (is_checkpoint(sweep->sample->names[i]) && strcmp(sweep->sample->names[i], name) > 0)
            newest = false;
    }
    return newest;
}

static uint64_t segment_number(const char *name)
{
    return strncmp(name, "log/", 4) == 0 ? strtoull(name + 4, NULL, 10) : 0;
}

/* What must be said of a changed file. */
enum notice {
    MUST_BE_NOTICED, /* refused, an answer refused, or passed over; the file is named */
    MAY_BE_HARMLESS, /* ... or the file is not needed; if anything is said, it is named */
    MAY_BLAME_OTHERS /* ... but which file is wrong is not clear from what is there */
};

/* Of one bit. Behind the last frame of a segment there is nothing but room; behind the live segment
 * there are spares, of which a changed one looks as if the one before it had lost its content. */
static enum notice notice_of_bit(const struct sweep *sweep, const char *name, bool in_header)
{
    uint64_t number = segment_number(name);
    if (number > sweep->sample->live)
        return MAY_BLAME_OTHERS;
    if (number > 0)
        return in_header && number >= sweep->sample->first_needed ? MUST_BE_NOTICED
                                                                  : MAY_BE_HARMLESS;
    return is_checkpoint(name) && !is_newest_checkpoint(sweep, name) ? MAY_BE_HARMLESS
                                                                     : MUST_BE_NOTICED;
}

/* Opens the changed disk, which it then destroys. `name`: the file that was changed. */
static void try_start(struct sweep *sweep, struct sim_disk *disk, const char *name,
                      enum notice notice, const char *what)
{
    struct rot_life life;
    char named[STORAGE_NAME_MAX + 16];
    snprintf(named, sizeof(named), "file=rot/%s", notice == MAY_BLAME_OTHERS ? "" : name);
    int error = rot_life_start(&life, disk);
    if (error == 0) {
        bool passed_over = strstr(life.log, "event=checkpoint_damaged") != NULL;
        unsigned refused = rot_check_answers(sweep->sample, &life, what);
        sweep->fell_back += passed_over;
        sweep->answers_refused += refused;
        sweep->harmless++;
        if ((passed_over || refused > 0) && strstr(life.log, named) == NULL)
            fail_msg("%s: noticed without \"%s\"\n%s", what, named, life.log);
        if (notice == MUST_BE_NOTICED && !passed_over && refused == 0)
            fail_msg("%s: nobody noticed\n%s", what, life.log);
    } else {
        if (error != -EBADMSG)
            fail_msg("%s: error %d\n%s", what, error, life.log);
        if (strstr(life.log, named) == NULL)
            fail_msg("%s: refused without \"%s\"\n%s", what, named, life.log);
        if (life.touched[0] != '\0')
            fail_msg("%s: refused, but %s was written\n%s", what, life.touched, life.log);
        sweep->refused++;
    }
    rot_life_end(&life);
    sim_disk_destroy(disk);
}

/* --- bits ----------------------------------------------------------------------------------- */

static void flip(struct sweep *sweep, const char *name, uint64_t offset, unsigned bit,
                 enum notice notice)
{
    char what[128];
    if (sweep->bits++ % sweep->stride != 0)
        return;
    struct sim_disk *disk = sim_disk_kill(sweep->sample->disk);
    assert_true(sim_disk_flip(disk, name, offset, bit));
    snprintf(what, sizeof(what), "%s: bit %u of byte %llu", name, bit, (unsigned long long)offset);
    try_start(sweep, disk, name, notice, what);
}

/* Every bit of what stands in a block, and some of its zeros. */
static void flip_block(struct sweep *sweep, const char *name, uint64_t offset)
{
    uint64_t size;
    const uint8_t *bytes = sim_disk_bytes(sweep->sample->disk, name, &size);
    enum notice notice = notice_of_bit(sweep, name, true);
    assert_true(bytes != NULL && offset + BLOCK_BYTES <= size);
    for (uint64_t i = offset; i < offset + BLOCK_BYTES; i++) {
        for (unsigned bit = 0; bit < 8 && bytes[i] != 0; bit++)
            flip(sweep, name, i, bit, notice);
        if (bytes[i] == 0 && next_random(sweep, ZEROS_PER_BIT) == 0)
            flip(sweep, name, i, (unsigned)next_random(sweep, 8), notice);
    }
}

static void flip_some(struct sweep *sweep, const char *name, uint64_t size)
{
    enum notice notice = notice_of_bit(sweep, name, false);
    for (unsigned i = 0; i < SAMPLED_BITS; i++)
        flip(sweep, name, next_random(sweep, size), (unsigned)next_random(sweep, 8), notice);
}

static void flip_file(struct sweep *sweep, size_t number)
{
    const char *name = sweep->sample->names[number];
    uint64_t size = sweep->sample->sizes[number];
    flip_block(sweep, name, 0);
    if (is_checkpoint(name) || is_key_file(name))
        flip_block(sweep, name, size - BLOCK_BYTES);
    flip_some(sweep, name, size);
}

/* Segments that a start does not need are all alike: the first one stands for them, and the last
 * for spares. */
static bool stands_for_others(const struct sweep *sweep, const char *name)
{
    uint64_t number = segment_number(name);
    return number == 0 || number == 1 || number >= sweep->sample->first_needed;
}

static void bits__of_anything_are_noticed_or_harmless(void **state)
{
    struct sweep *sweep = *state;
    for (size_t i = 0; i < sweep->sample->file_count; i++) {
        if (stands_for_others(sweep, sweep->sample->names[i]))
            flip_file(sweep, i);
    }
    assert_true(sweep->fell_back > 0 && sweep->answers_refused > 0);
    assert_true(sweep->harmless > 0 && sweep->refused > sweep->harmless);
}

/* Without a mark at its end the log has a last frame of which a torn write could be a part. */
static void bits__of_a_log_without_an_end_are_noticed_or_harmless(void **state)
{
    struct sweep *sweep = *state;
    for (size_t i = 0; i < sweep->sample->file_count; i++) {
        if (segment_number(sweep->sample->names[i]) >= sweep->sample->first_needed)
            flip_file(sweep, i);
    }
    assert_true(sweep->refused > 0);
}

/* --- whole files ---------------------------------------------------------------------------- */

static enum notice notice_of_loss(const struct sweep *sweep, const char *name)
{
    return is_newest_checkpoint(sweep, name) ? MUST_BE_NOTICED : MAY_BLAME_OTHERS;
}

static void put(struct sweep *sweep, const char *name, const uint8_t *bytes, uint64_t size,
                const char *what)
{
    struct sim_disk *disk = sim_disk_kill(sweep->sample->disk);
    sim_disk_put(disk, name, bytes, size);
    try_start(sweep, disk, name, notice_of_loss(sweep, name), what);
}

static void files__that_are_cut_or_grown_are_noticed_or_harmless(void **state)
{
    struct sweep *sweep = *state;
    char what[128];
    for (size_t i = 0; i < sweep->sample->file_count; i++) {
        const char *name = sweep->sample->names[i];
        uint64_t size;
        const uint8_t *bytes = sim_disk_bytes(sweep->sample->disk, name, &size);
        uint8_t *grown = calloc(1, size + BLOCK_BYTES);
        assert_non_null(grown);
        memcpy(grown, bytes, size);
        for (unsigned cut = 0; cut < SAMPLED_CUTS; cut++) {
            const uint64_t fixed[] = {
                0, 1, STORAGE_SECTOR_BYTES, BLOCK_BYTES, size - BLOCK_BYTES, size - 1};
            uint64_t left =
                cut < sizeof(fixed) / sizeof(fixed[0]) ? fixed[cut] : next_random(sweep, size);
            if (left >= size)
                continue;
            snprintf(what, sizeof(what), "%s: cut to %llu", name, (unsigned long long)left);
            put(sweep, name, grown, left, what);
        }
        snprintf(what, sizeof(what), "%s: a block more", name);
        put(sweep, name, grown, size + BLOCK_BYTES, what);
        free(grown);
    }
}

/* Gone, or standing in the place of another one of its kind. */
static void files__that_are_lost_or_swapped_are_noticed_or_harmless(void **state)
{
    struct sweep *sweep = *state;
    char what[2 * STORAGE_NAME_MAX + 32];
    for (size_t i = 0; i < sweep->sample->file_count; i++) {
        const char *name = sweep->sample->names[i];
        struct sim_disk *disk = sim_disk_kill(sweep->sample->disk);
        struct storage *storage = sim_disk_storage(disk);
        assert_int_equal(storage->operations->remove(storage, name), 0);
        snprintf(what, sizeof(what), "%s: lost", name);
        try_start(sweep, disk, name, MAY_BLAME_OTHERS, what);
        for (size_t j = 0; j < sweep->sample->file_count; j++) {
            const char *other = sweep->sample->names[j];
            uint64_t size;
            if (i == j || strncmp(name, other, 4) != 0)
                continue;
            const uint8_t *bytes = sim_disk_bytes(sweep->sample->disk, other, &size);
            snprintf(what, sizeof(what), "%s: is %s", name, other);
            put(sweep, name, bytes, size, what);
        }
    }
}

/* Of another ledger, made in the same way: the same names, the same sizes, another identity. */
static void files__of_another_ledger_are_noticed_or_harmless(void **state)
{
    struct sweep *sweep = *state;
    struct rot_sample *foreign = rot_sample_create(ROT_CLEAN, 2);
    char what[128];
    for (size_t i = 0; i < sweep->sample->file_count; i++) {
        const char *name = sweep->sample->names[i];
        uint64_t size;
        const uint8_t *bytes = sim_disk_bytes(foreign->disk, name, &size);
        if (bytes == NULL)
            continue;
        snprintf(what, sizeof(what), "%s: is another ledger's", name);
        put(sweep, name, bytes, size, what);
    }
    rot_sample_destroy(foreign);
    assert_true(sweep->refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bits__of_anything_are_noticed_or_harmless, start_clean,
                                        finish),
        cmocka_unit_test_setup_teardown(bits__of_a_log_without_an_end_are_noticed_or_harmless,
                                        start_killed, finish),
        cmocka_unit_test_setup_teardown(files__that_are_cut_or_grown_are_noticed_or_harmless,
                                        start_clean, finish),
        cmocka_unit_test_setup_teardown(files__that_are_lost_or_swapped_are_noticed_or_harmless,
                                        start_clean, finish),
        cmocka_unit_test_setup_teardown(files__of_another_ledger_are_noticed_or_harmless,
                                        start_clean, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
