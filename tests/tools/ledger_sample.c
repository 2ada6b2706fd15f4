/* ledger_sample.c - small ledgers, made through florin.h. */
#include "ledger_sample.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/core/key_filter.h"
#include "engine/core/shard.h"
#include "engine/runtime/backup.h"
#include "wal/log.h"
#include "wal/meta.h"
#include "wal/storage_posix.h"

enum { COMMAND_BYTES = 9000, SHARDS_MAX = 4 };

static void keep_line(void *context, const char *line)
{
    struct sample *sample = context;
    if (strstr(line, "level=error") != NULL)
        snprintf(sample->last_error, sizeof(sample->last_error), "%s", line);
}

static void make_meta(const char *directory)
{
    struct storage *storage;
    struct meta meta = {
        .format_version = META_FORMAT_VERSION,
        .created_ns = UINT64_C(1763800000000000000),
        .segment_bytes = SAMPLE_SEGMENT_BYTES,
    };
    memset(meta.log_id, 0x5a, sizeof(meta.log_id));
    memset(meta.hash_seed, 0xa5, sizeof(meta.hash_seed));
    int error = storage_posix_create(directory, true, &storage);
    assert(error == 0);
    error = meta_create(storage, &meta);
    assert(error == 0);
    storage_posix_destroy(storage);
}

struct sample *sample_create(void)
{
    struct sample *sample = calloc(1, sizeof(*sample));
    assert(sample != NULL);
    temporary_directory_make(sample->base);
    sample_path(sample, "data", sample->directory);
    make_meta(sample->directory);
    florin_options_init(&sample->options);
    sample->options.directory = sample->directory;
    sample->options.segment_bytes = 4 << 20; /* what stands in meta wins */
    sample->options.accounts_max = 1000;
    sample->options.keys_memory = 100000;
    sample->options.checkpoint_bytes = 0;
    sample->options.background_mib_per_second = 0;
    sample->options.log_line = keep_line;
    sample->options.log_context = sample;
    return sample;
}

void sample_destroy(struct sample *sample)
{
    if (sample->ledger != NULL)
        sample_close(sample);
    temporary_directory_remove(sample->base);
    free(sample);
}

void sample_open(struct sample *sample, unsigned workers)
{
    sample->options.workers = workers;
    int error = florin_open(&sample->options, &sample->ledger);
    if (error != 0)
        fprintf(stderr, "%s: %s\n%s\n", sample->directory, strerror(-error), sample->last_error);
    assert(error == 0);
    error = florin_client_open(sample->ledger, &sample->client);
    assert(error == 0);
}

void sample_close(struct sample *sample)
{
    florin_client_close(sample->client);
    florin_close(sample->ledger);
    sample->ledger = NULL;
}

static void run_one(struct sample *sample, uint64_t number)
{
    char account[32];
    char key[32];
    struct florin_result result;
    struct florin_command command = {.account = account, .amount_minor = (int64_t)(number % 97)};
    snprintf(account, sizeof(account), "account-%" PRIu64, number % SAMPLE_ACCOUNTS);
    snprintf(key, sizeof(key), "key-%" PRIu64, number);
    command.account_length = strlen(account);
    if (number < SAMPLE_ACCOUNTS) {
        command.kind = FLORIN_OPEN_ACCOUNT;
        command.currency = number % 3 == 0 ? "JPY" : "USD";
        command.currency_length = 3;
    } else {
        /* of every account every second command has a key */
        bool has_key = number / SAMPLE_ACCOUNTS % 2 == 1;
        command.key = key;
        command.key_length = has_key ? strlen(key) : 0;
        /* a withdrawal of too much is remembered by its key, so that every command makes a record
         */
        bool is_too_much = has_key && number % SAMPLE_ACCOUNTS == 0;
        command.kind = is_too_much ? FLORIN_WITHDRAW : FLORIN_DEPOSIT;
        command.amount_minor += is_too_much ? 1000000 : 1;
    }
    size_t taken = florin_submit(sample->client, &command, 1);
    assert(taken == 1);
    size_t got = florin_reap(sample->client, &result, 1, -1);
    assert(got == 1);
    assert(result.status == FLORIN_APPLIED || result.status == FLORIN_INSUFFICIENT_BALANCE);
}

void sample_run(struct sample *sample, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        run_one(sample, sample->commands++);
}

void sample_path(const struct sample *sample, const char *name, char path[SAMPLE_PATH_MAX])
{
    int length = snprintf(path, SAMPLE_PATH_MAX, "%s/%s", sample->base, name);
    assert(length > 0 && length < SAMPLE_PATH_MAX);
}

void sample_fill(struct sample *sample)
{
    sample_open(sample, 2);
    sample_run(sample, 40);
    int error = florin_checkpoint(sample->ledger);
    assert(error == 0);
    sample_run(sample, 30);
    error = florin_checkpoint(sample->ledger);
    assert(error == 0);
    sample_run(sample, 10);
}

/* --- what is tested, where it must succeed ---------------------------------------------------- */

void sample_write_stream(struct backup *backup, const char *path, size_t piece)
{
    uint8_t *bytes = malloc(piece);
    FILE *file = fopen(path, "wb");
    assert(bytes != NULL);
    assert(file != NULL);
    size_t got = 0;
    do {
        int error = backup_read(backup, bytes, piece, &got);
        if (error != 0)
            fprintf(stderr, "%s\n", backup_problem(backup));
        assert(error == 0);
        size_t put = fwrite(bytes, 1, got, file);
        assert(put == got);
    } while (got > 0);
    int error = fclose(file);
    assert(error == 0);
    backup_close(backup);
    free(bytes);
}

void sample_back_up(const char *directory, const char *path)
{
    struct backup *backup;
    char problem[BACKUP_PROBLEM_MAX];
    int error = backup_open_directory(directory, &backup, problem);
    if (error != 0)
        fprintf(stderr, "%s: %s: %s\n", directory, strerror(-error), problem);
    assert(error == 0);
    sample_write_stream(backup, path, 100000);
}

struct digest_report sample_digest(const char *directory, uint64_t lsn)
{
    struct digest_report report;
    struct tool_problem problem;
    int error = digest_directory(directory, lsn, NULL, NULL, &report, &problem);
    if (error != 0)
        fprintf(stderr, "%s: %s: %s %s\n", directory, strerror(-error), problem.file,
                problem.reason);
    assert(error == 0);
    return report;
}

bool sample_is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

/* --- another way to the digest --------------------------------------------------------------- */

struct replay {
    struct hash_secret secret;
    struct key_filters filters;
    struct shard shards[SHARDS_MAX];
    unsigned shard_count;
    uint64_t to_lsn;
};

static int take_frame(void *context, uint64_t first_lsn, uint32_t record_count,
                      const uint8_t *bytes, size_t length)
{
    struct replay *replay = context;
    for (uint32_t i = 0; i < record_count && first_lsn + i <= replay->to_lsn; i++) {
        struct record record;
        size_t size = record_decode(bytes, length, &record);
        assert(size > 0);
        bytes += size;
        length -= size;
        uint64_t hash = hash_account(&replay->secret, record.id, record.id_length);
        enum shard_replay result =
            shard_replay(&replay->shards[hash % replay->shard_count], &record, hash, first_lsn + i);
        assert(result == SHARD_REPLAY_APPLIED);
        const uint8_t *at = record.leg_bytes;
        for (uint8_t number = 0; number < record.leg_count; number++) {
            struct record_leg leg;
            at = record_next_leg(at, &leg);
            hash = hash_account(&replay->secret, leg.id, leg.id_length);
            result = shard_replay_leg(&replay->shards[hash % replay->shard_count], &record, &leg,
                                      hash, first_lsn + i);
            assert(result == SHARD_REPLAY_APPLIED);
        }
    }
    return 0;
}

uint64_t sample_replay_digest(const char *directory, uint64_t lsn, unsigned shards)
{
    struct storage *storage;
    struct replay replay = {.shard_count = shards, .to_lsn = lsn};
    struct log_options options = {.replay = take_frame, .replay_context = &replay};
    struct log_report report;
    assert(shards <= SHARDS_MAX);
    int error = storage_posix_create(directory, false, &storage);
    assert(error == 0);
    error = meta_read(storage, &options.meta);
    assert(error == 0);
    options.storage = storage;
    hash_secret_init(&replay.secret, options.meta.hash_seed, META_HASH_SEED_BYTES);
    const struct shard_options limits = {
        .secret = &replay.secret, .accounts_max = 1000, .keys_memory = 100000, .holds_max = 1000};
    size_t bytes = shard_memory_bytes(&limits);
    void *memory[SHARDS_MAX];
    for (unsigned i = 0; i < shards; i++) {
        memory[i] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert(memory[i] != MAP_FAILED);
        shard_init(&replay.shards[i], &limits, memory[i]);
        replay.shards[i].key_filters = &replay.filters;
    }
    error = log_verify(&options, &report);
    assert(error == 0);
    assert(report.last_lsn >= lsn);
    uint64_t digest = 0;
    for (unsigned i = 0; i < shards; i++)
        digest += shard_digest(&replay.shards[i]);
    for (unsigned i = 0; i < shards; i++)
        (void)munmap(memory[i], bytes);
    storage_posix_destroy(storage);
    return digest;
}

uint64_t sample_last_lsn(const char *directory)
{
    struct storage *storage;
    struct log_options options = {.replay = NULL};
    struct log_report report;
    int error = storage_posix_create(directory, false, &storage);
    assert(error == 0);
    error = meta_read(storage, &options.meta);
    assert(error == 0);
    options.storage = storage;
    error = log_verify(&options, &report);
    assert(error == 0);
    storage_posix_destroy(storage);
    return report.last_lsn;
}

/* --- files ----------------------------------------------------------------------------------- */

static int run_shell(const char *program, const char *left, const char *right)
{
    char command[COMMAND_BYTES];
    int length =
        snprintf(command, sizeof(command), "%s '%s' '%s' >/dev/null", program, left, right);
    assert(length > 0 && (size_t)length < sizeof(command));
    /* The paths are the test's own. NOLINTNEXTLINE(cert-env33-c) */
    return system(command);
}

void sample_copy(const char *from, const char *to)
{
    int status = run_shell("cp -a", from, to);
    assert(status == 0);
}

int sample_differ(const char *left, const char *right)
{
    return run_shell("diff -r", left, right);
}

uint8_t *sample_read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    assert(file != NULL);
    int error = fseek(file, 0, SEEK_END);
    assert(error == 0);
    *length = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*length + 1);
    assert(bytes != NULL);
    size_t got = fread(bytes, 1, *length, file);
    assert(got == *length);
    (void)fclose(file);
    return bytes;
}

void sample_write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert(file != NULL);
    size_t put = fwrite(bytes, 1, length, file);
    assert(put == length);
    int error = fclose(file);
    assert(error == 0);
}

void sample_flip(const char *path, uint64_t offset, uint8_t mask)
{
    size_t length;
    uint8_t *bytes = sample_read_file(path, &length);
    assert(offset < length);
    bytes[offset] ^= mask;
    sample_write_file(path, bytes, length);
    free(bytes);
}

void sample_visit_files(const struct sample *sample, void (*visit)(void *context, const char *name),
                        void *context)
{
    static const char *const folders[] = {"checkpoint", "keys", "log"};
    visit(context, "meta");
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char path[SAMPLE_PATH_MAX];
        int written = snprintf(path, sizeof(path), "%s/%s", sample->directory, folders[i]);
        assert(written > 0 && written < SAMPLE_PATH_MAX);
        DIR *stream = opendir(path);
        const struct dirent *entry;
        assert(stream != NULL);
        while ((entry = readdir(stream)) != NULL) {
            char name[SAMPLE_NAME_BYTES];
            snprintf(name, sizeof(name), "%s/%.50s", folders[i], entry->d_name);
            if (entry->d_name[0] != '.')
                visit(context, name);
        }
        (void)closedir(stream);
    }
}
