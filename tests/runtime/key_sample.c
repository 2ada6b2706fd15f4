/* key_sample.c - a log of random records, most with a key, and what a key archive must make of it.
 *
 * Guarantees: the model is made beside the log, not read from it. Must not know: how key files
 * look.
 */
#include "core/support.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

#include "florin.h"
#include "runtime/key_sample.h"
#include "wal/log.h"

void key_sample_init(struct key_sample *sample, uint64_t segment_bytes)
{
    *sample = (struct key_sample){
        .meta =
            {
                .format_version = META_FORMAT_VERSION,
                .created_ns = UINT64_C(1700000000000000000),
                .segment_bytes = segment_bytes,
            },
        .random = seed_choose(),
    };
    for (unsigned i = 0; i < META_LOG_ID_BYTES; i++)
        sample->meta.log_id[i] = (uint8_t)(0xa0 + i);
    for (unsigned i = 0; i < META_HASH_SEED_BYTES; i++)
        sample->meta.hash_seed[i] = (uint8_t)i;
    hash_secret_init(&sample->secret, sample->meta.hash_seed, META_HASH_SEED_BYTES);
}

/* --- the log --------------------------------------------------------------------------------- */

struct texts {
    char id[16];
    char key[32];
};

static void refuse_or_apply(struct key_sample *sample, struct record *record)
{
    switch (random_below(&sample->random, 8)) {
    case 0:
        record->status = FLORIN_VERSION_MISMATCH;
        record->has_expected_version = true;
        record->expected_version = 1 + random_below(&sample->random, 1000);
        break;
    case 1:
        record->status = FLORIN_INSUFFICIENT_BALANCE;
        record->kind = FLORIN_WITHDRAW;
        break;
    default:
        break;
    }
}

/* A deposit or withdrawal, with a key in three of four cases. */
static struct record make_record(struct key_sample *sample, uint64_t lsn, struct texts *texts)
{
    uint64_t *random = &sample->random;
    snprintf(texts->id, sizeof(texts->id), "account-%u", (unsigned)random_below(random, 20));
    snprintf(texts->key, sizeof(texts->key), "key-%llu", (unsigned long long)lsn);
    struct record record = {
        .kind = random_below(random, 2) == 0 ? FLORIN_DEPOSIT : FLORIN_WITHDRAW,
        .status = FLORIN_APPLIED,
        .time_ns = random_next(random),
        .version = 1 + random_below(random, 1000000),
        .balance_minor = (int64_t)random_below(random, 1000000000),
        .amount_minor = 1 + (int64_t)random_below(random, 1000000),
        .id = texts->id,
        .id_length = (uint8_t)strlen(texts->id),
    };
    if (random_below(random, 4) != 0) {
        record.key = texts->key;
        record.key_length = (uint8_t)strlen(texts->key);
        refuse_or_apply(sample, &record);
    }
    return record;
}

static void note_record(struct key_sample *sample, const struct record *record, uint64_t lsn)
{
    sample->last_lsn = lsn;
    sample->has_key[lsn] = record->key_length > 0;
    if (!sample->has_key[lsn])
        return;
    sample->answers[lsn] = (struct key_answer){
        .digest = hash_key(&sample->secret, record->id, record->id_length, record->key,
                           record->key_length),
        .lsn = lsn,
        .kind = record->kind,
        .status = record->status,
        .time_ns = record->time_ns,
        .expected_version = record->expected_version,
        .amount_minor = record->amount_minor,
        .balance_minor = record->balance_minor,
        .version = record->version,
    };
}

static void write_group(struct key_sample *sample, struct log *log, struct channel *channel,
                        uint32_t count)
{
    static uint8_t bytes[SAMPLE_RECORDS_MAX * SAMPLE_RECORD_BYTES];
    size_t length = 0;
    assert_true(sample->last_lsn + count <= SAMPLE_RECORDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct texts texts;
        uint64_t lsn = sample->last_lsn + 1;
        struct record record = make_record(sample, lsn, &texts);
        assert_true(record_size(&record) <= SAMPLE_RECORD_BYTES);
        length += record_encode(&record, bytes + length);
        note_record(sample, &record, lsn);
    }
    struct log_reservation reservation;
    assert_int_equal(log_reserve(log, 0, length, count, &reservation), 0);
    assert_int_equal(reservation.first_lsn, sample->last_lsn + 1 - count);
    log_publish(log, &reservation, bytes);
    assert_true(log_commit(log, channel, 0));
    uint64_t workers;
    while (!log_complete(log, channel, 0, &workers)) {
        struct pollfd readable = {.fd = channel->operations->descriptor(channel), .events = POLLIN};
        assert_int_equal(poll(&readable, 1, -1), 1);
    }
    assert_int_equal(log_durable_lsn(log), sample->last_lsn);
    assert_true(sample->end_count < SAMPLE_GROUPS_MAX);
    sample->ends[sample->end_count++] = sample->last_lsn;
}

static int replay_nothing(void *context, uint64_t first_lsn, uint32_t record_count,
                          const uint8_t *bytes, size_t length)
{
    (void)context;
    (void)first_lsn;
    (void)record_count;
    (void)bytes;
    (void)length;
    return -EEXIST; /* the directory is new */
}

void key_sample_write_log(struct key_sample *sample, struct storage *storage,
                          struct channel *channel, unsigned groups, uint32_t records_max)
{
    assert_int_equal(meta_create(storage, &sample->meta), 0);
    struct log_options options = {
        .storage = storage,
        .meta = sample->meta,
        .replay = replay_nothing,
    };
    struct log *log;
    struct log_report report;
    assert_int_equal(log_open(&options, &log, &report), 0);
    for (unsigned i = 0; i < groups; i++)
        write_group(sample, log, channel, 1 + (uint32_t)random_below(&sample->random, records_max));
    log_close(log, channel, true);
}

/* --- the archive ----------------------------------------------------------------------------- */

struct key_archive_options key_sample_options(const struct key_sample *sample,
                                              struct storage *storage, uint32_t keys_per_file)
{
    return (struct key_archive_options){
        .storage = storage,
        .meta = &sample->meta,
        .secret = &sample->secret,
        .keys_per_file = keys_per_file,
    };
}

void key_sample_print_fault(const struct block_file_fault *fault)
{
    print_error("%s offset %llu: %s\n", fault->file, (unsigned long long)fault->offset,
                fault->reason);
}

struct key_archive *key_sample_open(const struct key_sample *sample, struct storage *storage,
                                    uint32_t keys_per_file)
{
    struct key_archive_options options = key_sample_options(sample, storage, keys_per_file);
    struct key_archive *archive = NULL;
    struct block_file_fault fault = {0};
    int error = key_archive_open(&options, &archive, &fault);
    if (error != 0)
        key_sample_print_fault(&fault);
    assert_int_equal(error, 0);
    return archive;
}

int key_sample_extend(const struct key_sample *sample, struct key_archive *archive,
                      struct storage *storage, struct channel *channel, uint64_t to_lsn,
                      uint64_t *reached)
{
    struct log_reader *reader;
    assert_int_equal(log_reader_open(storage, &sample->meta, &reader), 0);
    struct block_file_fault fault = {0};
    int error = key_archive_extend(archive, reader, to_lsn, channel, NULL, NULL, reached, &fault);
    log_reader_close(reader);
    return error;
}

int key_sample_extend_all(const struct key_sample *sample, struct key_archive *archive,
                          struct storage *storage, struct channel *channel)
{
    int error = 0;
    while (error == 0 && key_archive_to_lsn(archive) < sample->last_lsn) {
        uint64_t before = key_archive_to_lsn(archive);
        uint64_t reached = 0;
        error = key_sample_extend(sample, archive, storage, channel, sample->last_lsn, &reached);
        assert_true(error != 0 || reached > before);
        assert_true(error != 0 || reached == key_archive_to_lsn(archive));
        key_archive_release_old(archive);
    }
    return error;
}

int key_sample_merge_all(struct key_archive *archive, struct channel *channel)
{
    struct block_file_fault fault = {0};
    int error = 0;
    while (error == 0 && key_archive_wants_merge(archive)) {
        error = key_archive_merge(archive, channel, NULL, NULL, &fault);
        key_archive_release_old(archive);
    }
    return error;
}

/* --- checking -------------------------------------------------------------------------------- */

bool key_sample_check_answer(const struct key_sample *sample, const struct key_answer *answer,
                             uint64_t lsn)
{
    const struct key_answer *expected = &sample->answers[lsn];
    return answer->digest.high == expected->digest.high &&
           answer->digest.low == expected->digest.low && answer->lsn == expected->lsn &&
           answer->kind == expected->kind && answer->status == expected->status &&
           answer->time_ns == expected->time_ns &&
           answer->expected_version == expected->expected_version &&
           answer->amount_minor == expected->amount_minor &&
           answer->balance_minor == expected->balance_minor && answer->version == expected->version;
}

struct hash128 key_sample_absent(const struct key_sample *sample, uint64_t number)
{
    char key[32];
    int length = snprintf(key, sizeof(key), "no-%llu", (unsigned long long)number);
    return hash_key(&sample->secret, "account-1", 9, key, (size_t)length);
}

static bool find(struct key_archive *archive, struct hash128 digest, struct key_answer *answer)
{
    struct block_file_fault fault = {0};
    bool found = false;
    int error = key_archive_find(archive, digest, answer, &found, &fault);
    if (error != 0)
        key_sample_print_fault(&fault);
    assert_int_equal(error, 0);
    return found;
}

void key_sample_check(const struct key_sample *sample, struct key_archive *archive, uint64_t to_lsn)
{
    enum { ABSENT = 64 };
    struct key_archive_totals totals = key_archive_totals(archive);
    const struct key_filters *filters = key_archive_filters(archive);
    uint64_t keys = 0;
    uint64_t digest = 0;
    struct key_answer answer;
    assert_int_equal(totals.to_lsn, to_lsn);
    assert_int_equal(filters->to_lsn, to_lsn);
    assert_int_equal(filters->file_count, totals.files);
    for (uint64_t lsn = 1; lsn <= sample->last_lsn; lsn++) {
        if (!sample->has_key[lsn])
            continue;
        struct hash128 wanted = sample->answers[lsn].digest;
        bool found = find(archive, wanted, &answer);
        assert_int_equal(found, lsn <= to_lsn);
        if (!found)
            continue;
        assert_true(key_sample_check_answer(sample, &answer, lsn));
        assert_true(key_filters_may_contain(filters, wanted));
        keys++;
        digest += key_state_digest(key_tag(wanted), key_check(wanted), lsn);
    }
    for (uint64_t i = 0; i < ABSENT; i++)
        assert_false(find(archive, key_sample_absent(sample, i), &answer));
    assert_int_equal(totals.keys, keys);
    assert_int_equal(totals.state_digest, digest);
    struct block_file_fault fault = {0};
    int error = key_archive_verify(archive, NULL, NULL, &fault);
    if (error != 0)
        key_sample_print_fault(&fault);
    assert_int_equal(error, 0);
}

bool key_sample_is_end(const struct key_sample *sample, uint64_t lsn)
{
    for (size_t i = 0; i < sample->end_count; i++) {
        if (sample->ends[i] == lsn)
            return true;
    }
    return lsn == 0;
}

struct count {
    const char *ending;
    unsigned files;
};

static void count_file(void *context, const char *name)
{
    struct count *count = context;
    size_t length = strlen(name);
    size_t ending = strlen(count->ending);
    count->files += length >= ending && strcmp(name + length - ending, count->ending) == 0;
}

unsigned key_sample_files(struct storage *storage, const char *ending)
{
    struct count count = {.ending = ending};
    int error = storage->operations->list(storage, "keys", count_file, &count);
    assert_true(error == 0 || error == -ENOENT);
    return count.files;
}
