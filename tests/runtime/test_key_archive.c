/* test_key_archive.c - the set of key files: made from a log, merged, looked into, cut.
 *
 * Crashes and failing disks are in test_key_archive_faults.c, one file alone in test_key_file.c.
 */
#include "core/support.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "runtime/key_sample.h"
#include "support/sim_disk.h"
#include "support/temporary_directory.h"
#include "wal/channel_posix.h"
#include "wal/log_cut.h"
#include "wal/segment.h"
#include "wal/storage_posix.h"

enum {
    SEGMENT_BYTES = 64 * 1024,
    GROUPS = 40,
    RECORDS_MAX = 30, /* a group */
    KEYS_PER_FILE = 24,
    MERGED_MIN = 8,
    /* Small ones that wait for the eighth, and as many merged ones. */
    FEW_FILES = 2 * MERGED_MIN + 2,
};

struct fixture {
    struct key_sample sample;
    struct sim_disk *disk;
    struct storage *storage;
    struct channel *channel;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL)
        return -1;
    fixture->disk = sim_disk_create();
    fixture->storage = sim_disk_storage(fixture->disk);
    fixture->channel = sim_disk_channel(fixture->disk);
    key_sample_init(&fixture->sample, SEGMENT_BYTES);
    key_sample_write_log(&fixture->sample, fixture->storage, fixture->channel, GROUPS, RECORDS_MAX);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture->channel->operations->destroy(fixture->channel);
    sim_disk_destroy(fixture->disk);
    free(fixture);
    return 0;
}

static struct key_archive *open_archive(struct fixture *fixture)
{
    return key_sample_open(&fixture->sample, fixture->storage, KEYS_PER_FILE);
}

static struct key_archive *reopen(struct fixture *fixture, struct key_archive *archive)
{
    key_archive_close(archive);
    return open_archive(fixture);
}

static struct key_archive *fill(struct fixture *fixture)
{
    struct key_archive *archive = open_archive(fixture);
    assert_int_equal(
        key_sample_extend_all(&fixture->sample, archive, fixture->storage, fixture->channel), 0);
    return archive;
}

/* --- making ---------------------------------------------------------------------------------- */

static void archive_without_directory__is_empty_and_makes_none(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before = sim_disk_operations(fixture->disk);
    struct key_archive *archive = open_archive(fixture);
    assert_int_equal(sim_disk_operations(fixture->disk), before + 1); /* the listing */
    key_sample_check(&fixture->sample, archive, 0);
    assert_int_equal(key_archive_totals(archive).files, 0);
    assert_false(key_archive_wants_merge(archive));
    key_archive_close(archive);
}

static void extending__makes_files_that_end_with_a_frame(void **state)
{
    struct fixture *fixture = *state;
    struct key_archive *archive = open_archive(fixture);
    uint64_t keys = 0;
    unsigned files = 0;
    while (key_archive_to_lsn(archive) < fixture->sample.last_lsn) {
        uint64_t reached;
        assert_int_equal(key_sample_extend(&fixture->sample, archive, fixture->storage,
                                           fixture->channel, fixture->sample.last_lsn, &reached),
                         0);
        assert_true(key_sample_is_end(&fixture->sample, reached));
        key_sample_check(&fixture->sample, archive, reached);
        struct key_archive_totals totals = key_archive_totals(archive);
        assert_int_equal(totals.files, ++files);
        assert_in_range(totals.keys - keys, reached < fixture->sample.last_lsn ? KEYS_PER_FILE : 0,
                        KEYS_PER_FILE + RECORDS_MAX - 1);
        keys = totals.keys;
        archive = reopen(fixture, archive);
        key_sample_check(&fixture->sample, archive, reached);
    }
    assert_true(files > MERGED_MIN);
    assert_int_equal(key_sample_files(fixture->storage, ""), files);
    key_archive_close(archive);
}

static void extending__stops_at_what_is_durable(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    struct key_archive *archive = open_archive(fixture);
    uint64_t reached = UINT64_MAX;
    /* Within the second frame: only the first is whole. */
    uint64_t to_lsn = sample->ends[1] - 1 > sample->ends[0] ? sample->ends[1] - 1 : sample->ends[0];
    assert_int_equal(key_sample_extend(sample, archive, fixture->storage, NULL, to_lsn, &reached),
                     0);
    assert_int_equal(reached, sample->ends[0]);
    /* Nothing new is no file. */
    for (uint64_t lsn = 0; lsn <= to_lsn; lsn++) {
        assert_int_equal(key_sample_extend(sample, archive, fixture->storage, NULL, lsn, &reached),
                         0);
        assert_int_equal(reached, sample->ends[0]);
    }
    assert_int_equal(key_archive_totals(archive).files, 1);
    key_sample_check(sample, archive, sample->ends[0]);
    key_archive_close(archive);
}

/* Of a file of the archive. */
struct bytes {
    char name[STORAGE_NAME_MAX];
    uint64_t to_lsn;
    uint64_t size;
    uint8_t *bytes;
};

struct collection {
    struct fixture *fixture;
    struct bytes files[FEW_FILES];
    size_t count;
};

static void collect_file(void *context, const char *name)
{
    struct collection *collection = context;
    assert_true(collection->count < FEW_FILES);
    struct bytes *file = &collection->files[collection->count++];
    snprintf(file->name, sizeof(file->name), "keys/%s", name);
    file->to_lsn = strtoull(name + 17, NULL, 16);
    const uint8_t *there = sim_disk_bytes(collection->fixture->disk, file->name, &file->size);
    assert_non_null(there);
    file->bytes = memory_take(file->size);
    memcpy(file->bytes, there, file->size);
}

static int compare_ends(const void *left, const void *right)
{
    const struct bytes *a = left;
    const struct bytes *b = right;
    return (a->to_lsn > b->to_lsn) - (a->to_lsn < b->to_lsn);
}

/* From small files, merged and merged; and in one go from the log. */
static void same_range_of_the_log__makes_the_same_bytes(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    struct storage *storage = fixture->storage;
    struct key_archive *archive = key_sample_open(sample, storage, 1);
    assert_int_equal(key_sample_extend_all(sample, archive, storage, fixture->channel), 0);
    assert_int_equal(key_sample_merge_all(archive, fixture->channel), 0);
    key_archive_close(archive);
    struct collection collection = {.fixture = fixture};
    assert_int_equal(storage->operations->list(storage, "keys", collect_file, &collection), 0);
    qsort(collection.files, collection.count, sizeof(collection.files[0]), compare_ends);

    struct key_archive_options options = key_sample_options(sample, storage, SAMPLE_RECORDS_MAX);
    struct block_file_fault fault;
    assert_int_equal(key_archive_cut(&options, NULL, 1, &fault), 0);
    assert_int_equal(key_sample_files(storage, ""), 0);
    archive = key_sample_open(sample, storage, SAMPLE_RECORDS_MAX);
    for (size_t i = 0; i < collection.count; i++) {
        struct bytes *file = &collection.files[i];
        uint64_t reached;
        assert_int_equal(key_sample_extend(sample, archive, storage, NULL, file->to_lsn, &reached),
                         0);
        uint64_t size;
        const uint8_t *there = sim_disk_bytes(fixture->disk, file->name, &size);
        assert_non_null(there);
        assert_int_equal(size, file->size);
        assert_memory_equal(there, file->bytes, size);
        free(file->bytes);
    }
    key_archive_close(archive);
}

static void log_without_its_beginning__is_said_when_keys_are_missing(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    struct storage *storage = fixture->storage;
    struct key_archive *archive = open_archive(fixture);
    char name[STORAGE_NAME_MAX];
    segment_name(1, name);
    assert_int_equal(storage->operations->remove(storage, name), 0);
    struct log_reader *reader;
    assert_int_equal(log_reader_open(storage, &sample->meta, &reader), 0);
    struct block_file_fault fault = {0};
    uint64_t reached = 7;
    assert_int_equal(
        key_archive_extend(archive, reader, sample->last_lsn, NULL, NULL, NULL, &reached, &fault),
        -ENODATA);
    assert_non_null(strstr(fault.reason, "record 1,"));
    assert_int_equal(reached, 7);
    assert_int_equal(key_archive_to_lsn(archive), 0);
    log_reader_close(reader);
    key_archive_close(archive);
}

/* --- merging --------------------------------------------------------------------------------- */

static void merging__keeps_every_key_and_removes_what_it_merged(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    struct key_archive *archive = fill(fixture);
    struct block_file_fault fault;
    unsigned merges = 0;
    while (key_archive_wants_merge(archive)) {
        uint32_t before = key_archive_totals(archive).files;
        const struct key_filters *old = key_archive_filters(archive);
        assert_int_equal(key_archive_merge(archive, fixture->channel, NULL, NULL, &fault), 0);
        uint32_t after = key_archive_totals(archive).files;
        assert_in_range(before - after, MERGED_MIN - 1, KEY_ARCHIVE_MERGE_MAX - 1);
        assert_int_equal(key_sample_files(fixture->storage, ""), after);
        /* A worker may look into its old filters until they are released. */
        assert_int_equal(old->file_count, before);
        for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++) {
            if (sample->has_key[lsn])
                assert_true(key_filters_may_contain(old, sample->answers[lsn].digest));
        }
        key_sample_check(sample, archive, sample->last_lsn);
        key_archive_release_old(archive);
        key_sample_check(sample, archive, sample->last_lsn);
        archive = reopen(fixture, archive);
        key_sample_check(sample, archive, sample->last_lsn);
        merges++;
    }
    assert_true(merges > 0);
    assert_true(key_archive_totals(archive).files < FEW_FILES);
    key_archive_close(archive);
}

static void merging_while_extending__keeps_files_few(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    struct key_archive *archive = key_sample_open(sample, fixture->storage, 1);
    uint32_t most = 0;
    while (key_archive_to_lsn(archive) < sample->last_lsn) {
        uint64_t reached;
        assert_int_equal(key_sample_extend(sample, archive, fixture->storage, fixture->channel,
                                           sample->last_lsn, &reached),
                         0);
        assert_int_equal(key_sample_merge_all(archive, fixture->channel), 0);
        uint32_t files = key_archive_totals(archive).files;
        most = files > most ? files : most;
        assert_int_equal(key_sample_files(fixture->storage, ""), files);
    }
    key_sample_check(sample, archive, sample->last_lsn);
    assert_in_range(most, MERGED_MIN - 1, FEW_FILES - 1);
    key_archive_close(archive);
}

static int cancel_later(void *context, size_t bytes)
{
    unsigned *left = context;
    assert_true(bytes > 0);
    return (*left)-- == 0 ? -ECANCELED : 0;
}

static void pace__ends_a_step_at_every_call_and_nothing_is_left(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    struct key_archive *archive = fill(fixture);
    uint32_t files = key_archive_totals(archive).files;
    struct block_file_fault fault;
    unsigned calls = 0;
    for (int error = -ECANCELED; error != 0; calls++) {
        unsigned left = calls;
        error = key_archive_merge(archive, fixture->channel, cancel_later, &left, &fault);
        if (error == 0)
            break;
        assert_int_equal(error, -ECANCELED);
        assert_int_equal(key_archive_totals(archive).files, files);
        assert_int_equal(key_sample_files(fixture->storage, ".tmp"), 0);
    }
    assert_true(calls > MERGED_MIN); /* each source is read, then there are writes */
    assert_true(key_archive_totals(archive).files < files);
    key_sample_check(sample, archive, sample->last_lsn);
    key_archive_close(archive);
}

/* --- what stands in the directory ------------------------------------------------------------ */

static void remove_file(struct fixture *fixture, uint64_t from_lsn, uint64_t to_lsn)
{
    char name[STORAGE_NAME_MAX];
    snprintf(name, sizeof(name), "keys/%016" PRIx64 "-%016" PRIx64 ".keys", from_lsn, to_lsn);
    struct storage *storage = fixture->storage;
    assert_int_equal(storage->operations->remove(storage, name), 0);
    assert_int_equal(storage->operations->sync_directory(storage, "keys"), 0);
}

static void expect_refusal(struct fixture *fixture, const char *file, const char *reason)
{
    struct key_archive_options options =
        key_sample_options(&fixture->sample, fixture->storage, KEYS_PER_FILE);
    struct key_archive *archive;
    struct block_file_fault fault = {0};
    assert_int_equal(key_archive_open(&options, &archive, &fault), -EBADMSG);
    assert_non_null(strstr(fault.file, file));
    assert_non_null(strstr(fault.reason, reason));
    assert_int_equal(key_archive_cut(&options, NULL, 1, &fault), -EBADMSG);
}

/* Two files of one frame each and a third with all up to the last frame but one. */
static void make_three_files(struct fixture *fixture)
{
    struct key_archive *archive = key_sample_open(&fixture->sample, fixture->storage, 4096);
    const uint64_t *ends = fixture->sample.ends;
    const uint64_t to[] = {ends[0], ends[1], ends[GROUPS - 2]};
    uint64_t reached;
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        assert_int_equal(
            key_sample_extend(&fixture->sample, archive, fixture->storage, NULL, to[i], &reached),
            0);
        assert_int_equal(reached, to[i]);
    }
    key_archive_close(archive);
}

static void missing_file__is_a_gap(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t *ends = fixture->sample.ends;
    make_three_files(fixture);
    remove_file(fixture, ends[0] + 1, ends[1]);
    char reason[64];
    snprintf(reason, sizeof(reason), "records %" PRIu64 " to %" PRIu64 " is missing", ends[0] + 1,
             ends[1]);
    expect_refusal(fixture, "keys/", reason);
    remove_file(fixture, 1, ends[0]);
    snprintf(reason, sizeof(reason), "records 1 to %" PRIu64 " is missing", ends[1]);
    expect_refusal(fixture, "keys/", reason);
}

static void put_file(struct fixture *fixture, uint64_t from_lsn, uint64_t to_lsn, char *name)
{
    static const uint8_t bytes[4096] = {1};
    snprintf(name, STORAGE_NAME_MAX, "keys/%016" PRIx64 "-%016" PRIx64 ".keys", from_lsn, to_lsn);
    sim_disk_put(fixture->disk, name, bytes, sizeof(bytes));
}

static void overlapping_file__is_refused(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t *ends = fixture->sample.ends;
    make_three_files(fixture);
    char name[STORAGE_NAME_MAX];
    put_file(fixture, ends[0], ends[2], name);
    expect_refusal(fixture, name, "overlaps");
}

static void file_of_another_ledger__is_refused(void **state)
{
    struct fixture *fixture = *state;
    make_three_files(fixture);
    fixture->sample.meta.log_id[3] ^= 1;
    struct key_archive_options options =
        key_sample_options(&fixture->sample, fixture->storage, KEYS_PER_FILE);
    struct key_archive *archive;
    struct block_file_fault fault = {0};
    assert_int_equal(key_archive_open(&options, &archive, &fault), -EBADMSG);
    assert_non_null(strstr(fault.file, "keys/0000000000000001-"));
}

static void file_under_another_name__is_refused(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t *ends = fixture->sample.ends;
    make_three_files(fixture);
    char from[STORAGE_NAME_MAX];
    char to[STORAGE_NAME_MAX];
    uint64_t last = ends[GROUPS - 2];
    snprintf(from, sizeof(from), "keys/%016" PRIx64 "-%016" PRIx64 ".keys", ends[1] + 1, last);
    snprintf(to, sizeof(to), "keys/%016" PRIx64 "-%016" PRIx64 ".keys", ends[1] + 1, last + 1);
    struct storage *storage = fixture->storage;
    assert_int_equal(storage->operations->rename(storage, from, to), 0);
    assert_int_equal(storage->operations->sync_directory(storage, "keys"), 0);
    struct key_archive_options options =
        key_sample_options(&fixture->sample, storage, KEYS_PER_FILE);
    struct key_archive *archive;
    struct block_file_fault fault = {0};
    assert_int_equal(key_archive_open(&options, &archive, &fault), -EBADMSG);
    assert_string_equal(fault.file, to);
    assert_non_null(strstr(fault.reason, "the header says records"));
}

static void leftovers__are_ignored_then_removed(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    make_three_files(fixture);
    char nested[STORAGE_NAME_MAX];
    put_file(fixture, sample->ends[1] + 1, sample->ends[3], nested);
    put_file(fixture, sample->ends[2] + 1, sample->ends[3], nested);
    static const uint8_t bytes[4096] = {1};
    sim_disk_put(fixture->disk, "keys/half-made.tmp", bytes, sizeof(bytes));
    sim_disk_put(fixture->disk, "keys/notes.txt", bytes, sizeof(bytes));
    struct key_archive *archive = open_archive(fixture);
    key_sample_check(sample, archive, sample->ends[GROUPS - 2]);
    assert_int_equal(key_sample_files(fixture->storage, ""), 3 + 4);
    assert_true(key_archive_wants_merge(archive));
    struct block_file_fault fault;
    assert_int_equal(key_archive_merge(archive, NULL, NULL, NULL, &fault), 0);
    assert_false(key_archive_wants_merge(archive));
    assert_int_equal(key_sample_files(fixture->storage, ".keys"), 3);
    assert_int_equal(key_sample_files(fixture->storage, ""), 3 + 1); /* not ours */
    key_archive_close(archive);
}

/* --- cutting --------------------------------------------------------------------------------- */

static void cut_at_every_lsn__drops_exactly_what_is_behind(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    struct block_file_fault fault;
    key_archive_close(fill(fixture));
    for (uint64_t lsn = sample->last_lsn + 1; lsn > 0; lsn--) {
        struct key_archive_options options =
            key_sample_options(sample, fixture->storage, KEYS_PER_FILE);
        /* On a copy: a simulated disk has only so many files in its life. */
        struct sim_disk *copy = sim_disk_kill(fixture->disk);
        options.storage = sim_disk_storage(copy);
        assert_int_equal(key_archive_cut(&options, NULL, lsn, &fault), 0);
        struct key_archive *archive = key_sample_open(sample, options.storage, KEYS_PER_FILE);
        key_sample_check(sample, archive, lsn - 1);
        assert_false(key_archive_wants_merge(archive) &&
                     key_archive_totals(archive).files < MERGED_MIN);
        /* Goes on within a frame, and ends where it always ends. */
        if (lsn % 16 == 0) {
            assert_int_equal(key_sample_extend_all(sample, archive, options.storage, NULL), 0);
            key_sample_check(sample, archive, sample->last_lsn);
        }
        key_archive_close(archive);
        sim_disk_destroy(copy);
    }
}

static void cut__does_not_look_into_what_it_drops(void **state)
{
    struct fixture *fixture = *state;
    const struct key_sample *sample = &fixture->sample;
    make_three_files(fixture);
    char name[STORAGE_NAME_MAX];
    snprintf(name, sizeof(name), "keys/%016" PRIx64 "-%016" PRIx64 ".keys", sample->ends[1] + 1,
             sample->ends[GROUPS - 2]);
    uint64_t size;
    uint8_t *bytes = sim_disk_bytes(fixture->disk, name, &size);
    memset(bytes, 0, (size_t)size);
    struct key_archive_options options = key_sample_options(sample, fixture->storage, 0);
    struct block_file_fault fault = {0};
    assert_int_equal(key_archive_cut(&options, NULL, sample->ends[1] + 2, &fault), -EBADMSG);
    assert_string_equal(fault.file, name);
    assert_int_equal(key_archive_cut(&options, NULL, sample->ends[1] + 1, &fault), 0);
    struct key_archive *archive = open_archive(fixture);
    key_sample_check(sample, archive, sample->ends[1]);
    key_archive_close(archive);
}

/* --- two threads ----------------------------------------------------------------------------- */

struct lookups {
    const struct key_sample *sample;
    struct key_archive *archive;
    atomic_bool stop;
    uint64_t found;
    bool wrong;
};

/* Every key that the filters of a moment ago vouch for is found, whatever the keeper does
 * meanwhile. */
static void *run_reader(void *context)
{
    struct lookups *lookups = context;
    const struct key_sample *sample = lookups->sample;
    struct block_file_fault fault;
    do {
        uint64_t to_lsn = key_archive_to_lsn(lookups->archive);
        for (uint64_t lsn = 1; lsn <= sample->last_lsn && !lookups->wrong; lsn++) {
            struct key_answer answer;
            bool found = false;
            if (!sample->has_key[lsn])
                continue;
            int error = key_archive_find(lookups->archive, sample->answers[lsn].digest, &answer,
                                         &found, &fault);
            lookups->wrong = error != 0 || (lsn <= to_lsn && !found) ||
                             (found && !key_sample_check_answer(sample, &answer, lsn));
            lookups->found += found;
        }
    } while (!atomic_load(&lookups->stop) && !lookups->wrong);
    return NULL;
}

static void real_files__are_looked_into_while_they_are_merged(void **state)
{
    (void)state;
    char path[TEMPORARY_DIRECTORY_MAX];
    temporary_directory_make(path);
    struct storage *storage;
    struct channel *channel;
    assert_int_equal(storage_posix_create(path, false, &storage), 0);
    assert_int_equal(channel_posix_create(&channel), 0);
    struct key_sample *sample = memory_take(sizeof(*sample));
    key_sample_init(sample, (uint64_t)SEGMENT_BYTES * 4);
    key_sample_write_log(sample, storage, channel, GROUPS, RECORDS_MAX);
    struct lookups lookups = {.sample = sample, .archive = key_sample_open(sample, storage, 8)};
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, run_reader, &lookups), 0);
    int error = 0;
    while (error == 0 && key_archive_to_lsn(lookups.archive) < sample->last_lsn) {
        uint64_t reached;
        error = key_sample_extend(sample, lookups.archive, storage, channel, sample->last_lsn,
                                  &reached);
        if (error == 0)
            error = key_sample_merge_all(lookups.archive, channel);
    }
    atomic_store(&lookups.stop, true);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(error, 0);
    assert_false(lookups.wrong);
    assert_true(lookups.found > 0);
    key_archive_release_old(lookups.archive);
    key_sample_check(sample, lookups.archive, sample->last_lsn);
    key_archive_close(lookups.archive);
    lookups.archive = key_sample_open(sample, storage, 8);
    key_sample_check(sample, lookups.archive, sample->last_lsn);
    key_archive_close(lookups.archive);
    free(sample);
    channel->operations->destroy(channel);
    storage_posix_destroy(storage);
    temporary_directory_remove(path);
}

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOG(archive_without_directory__is_empty_and_makes_none),
        WITH_LOG(extending__makes_files_that_end_with_a_frame),
        WITH_LOG(extending__stops_at_what_is_durable),
        WITH_LOG(same_range_of_the_log__makes_the_same_bytes),
        WITH_LOG(log_without_its_beginning__is_said_when_keys_are_missing),
        WITH_LOG(merging__keeps_every_key_and_removes_what_it_merged),
        WITH_LOG(merging_while_extending__keeps_files_few),
        WITH_LOG(pace__ends_a_step_at_every_call_and_nothing_is_left),
        WITH_LOG(missing_file__is_a_gap),
        WITH_LOG(overlapping_file__is_refused),
        WITH_LOG(file_of_another_ledger__is_refused),
        WITH_LOG(file_under_another_name__is_refused),
        WITH_LOG(leftovers__are_ignored_then_removed),
        WITH_LOG(cut_at_every_lsn__drops_exactly_what_is_behind),
        WITH_LOG(cut__does_not_look_into_what_it_drops),
        cmocka_unit_test(real_files__are_looked_into_while_they_are_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
