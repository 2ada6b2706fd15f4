/* verify.c - replays a log into one shard, only to look at it.
 *
 * Guarantees: nothing in the directory is changed. It must not know workers or the opened ledger.
 */
#include "verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/core/hash.h"
#include "engine/core/money.h"
#include "engine/core/record.h"
#include "engine/core/shard.h"
#include "wal/meta.h"
#include "wal/storage_posix.h"

/* Address space, not memory: that comes as the tables fill. */
#define VERIFY_ACCOUNTS_MAX (UINT64_C(1) << 28)
#define VERIFY_KEYS_MAX     (UINT64_C(1) << 29)

struct verification {
    struct hash_secret secret;
    struct shard shard;
    struct verify_report *report;
};

static int refuse_record(struct verification *verification, const char *fault, uint64_t lsn)
{
    verification->report->record_fault = fault;
    verification->report->record_lsn = lsn;
    return -EBADMSG;
}

static int take_frame(void *context, uint64_t first_lsn, uint32_t record_count,
                      const uint8_t *bytes, size_t length)
{
    struct verification *verification = context;
    size_t offset = 0;
    for (uint32_t i = 0; i < record_count; i++) {
        struct record record;
        size_t size = record_decode(bytes + offset, length - offset, &record);
        if (size == 0)
            return refuse_record(verification, "not a record", first_lsn + i);
        offset += size;
        uint64_t hash = hash_account(&verification->secret, record.id, record.id_length);
        enum shard_replay replay = shard_replay(&verification->shard, &record, hash, first_lsn + i);
        if (replay != SHARD_REPLAY_APPLIED)
            return refuse_record(verification, shard_replay_text(replay), first_lsn + i);
    }
    if (offset != length)
        return refuse_record(verification, "bytes behind the last record", first_lsn);
    return 0;
}

static void sum_balances(const struct shard *shard, struct verify_report *report)
{
    const struct account_table *accounts = &shard->accounts;
    report->accounts = accounts->count;
    report->keys = shard->keys.count;
    report->currency_count = accounts->currency_count;
    for (size_t i = 0; i < accounts->currency_count; i++) {
        memcpy(report->currencies[i].code, accounts->currencies[i].code, FLORIN_CURRENCY_MAX + 1);
        report->currencies[i].exponent = accounts->currencies[i].exponent;
    }
    for (uint32_t i = 0; i < accounts->count; i++) {
        const struct account *account = &accounts->slots[i];
        struct verify_currency *currency = &report->currencies[account->currency];
        currency->accounts++;
        if (!money_add(currency->balance_minor, account->balance_minor, &currency->balance_minor))
            currency->balance_overflows = true;
    }
}

static int read_meta(struct storage *storage, struct meta *meta, struct verify_report *report)
{
    int error = meta_read(storage, meta);
    if (error != -EBADMSG && error != -EPROTONOSUPPORT)
        return error;
    report->log.end = LOG_END_DAMAGED;
    snprintf(report->log.file, sizeof(report->log.file), "meta");
    snprintf(report->log.reason, sizeof(report->log.reason), "it is %s",
             error == -EBADMSG ? "damaged or not a file of Florin"
                               : "of another version of Florin");
    return -EBADMSG;
}

static int verify_log(struct storage *storage, const struct meta *meta,
                      struct verify_report *report)
{
    struct verification verification = {.report = report};
    hash_secret_init(&verification.secret, meta->hash_seed, META_HASH_SEED_BYTES);
    const struct shard_options limits = {
        .secret = &verification.secret,
        .accounts_max = VERIFY_ACCOUNTS_MAX,
        .keys_memory = VERIFY_KEYS_MAX,
    };
    size_t memory_bytes = shard_memory_bytes(&limits);
    void *memory = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    shard_init(&verification.shard, &limits, memory);
    const struct log_options options = {
        .storage = storage,
        .meta = *meta,
        .replay = take_frame,
        .replay_context = &verification,
    };
    int error = log_verify(&options, &report->log);
    sum_balances(&verification.shard, report);
    munmap(memory, memory_bytes);
    return error;
}

int verify_directory(const char *directory, struct verify_report *report)
{
    struct storage *storage;
    struct meta meta;
    memset(report, 0, sizeof(*report));
    int error = storage_posix_create(directory, false, &storage);
    if (error != 0)
        return error;
    error = read_meta(storage, &meta, report);
    if (error == 0)
        error = verify_log(storage, &meta, report);
    storage_posix_destroy(storage);
    return error;
}
