/* fuzz_record.c - any bytes are a valid record or none; a valid one says itself again.
 *
 * Few random bytes are a record, so the mutator now and then writes whole ones, of few accounts and
 * keys, which the next mutation breaks again.
 *
 * What decodes is also replayed into a shard, which must refuse what does not fit, and never break
 * a rule of its own: valid checksums say nothing about sense.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/record.h"
#include "engine/core/shard.h"

enum { RECORDS_MAX = 64, TABLE_ENTRIES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static void check_round_trip(const uint8_t *data, const struct record *record, size_t size)
{
    uint8_t again[FLORIN_RECORD_MAX];
    assert(size <= sizeof again);
    assert(record_size(record) == size);
    size_t written = record_encode(record, again);
    assert(written == size);
    assert(memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hash_secret secret;
    struct shard_options options = {
        .secret = &secret, .accounts_max = TABLE_ENTRIES, .keys_memory = TABLE_ENTRIES};
    size_t memory_bytes = (shard_memory_bytes(&options) + 63) & ~(size_t)63;
    void *memory = aligned_alloc(64, memory_bytes);
    assert(memory != NULL);
    memset(memory, 0, memory_bytes);
    struct shard *shard = calloc(1, sizeof *shard);
    assert(shard != NULL);
    shard_init(shard, &options, memory);
    size_t offset = 0;
    for (uint64_t lsn = 1; lsn <= RECORDS_MAX; lsn++) {
        struct record record;
        size_t taken = record_decode(data + offset, size - offset, &record);
        if (taken == 0)
            break;
        check_round_trip(data + offset, &record, taken);
        uint64_t hash = hash_account(&secret, record.id, record.id_length);
        enum shard_replay replay = shard_replay(shard, &record, hash, lsn);
        assert(shard_replay_text(replay) != NULL);
        offset += taken;
    }
    shard_audit(shard);
    free(shard);
    free(memory);
    return 0;
}

/* A valid record, chosen by a few bytes: small numbers, so that some fit on each other. */
static size_t write_record(uint8_t *at, const uint8_t choice[8])
{
    static const char *const ids[] = {"a", "b", "an-account-with-a-name-longer-than-a-slot"};
    const char *id = ids[choice[0] % 3];
    struct record record = {
        .kind = (uint8_t)(1 + choice[1] % 3),
        .has_expected_version = choice[1] >= 128,
        .time_ns = 1 + choice[2],
        .version = 1 + choice[3] % 8,
        .balance_minor = choice[4] % 8,
        .amount_minor = 1 + choice[5] % 4,
        .previous_lsn = choice[6] % 8,
        .expected_version = choice[1] >= 128 ? 1 + choice[3] % 8 : 0,
        .id = id,
        .id_length = (uint8_t)strlen(id),
        .key = "key",
        .key_length = choice[7] % 4,
        .currency = "USD",
        .exponent = 2,
    };
    if (record.kind == FLORIN_OPEN_ACCOUNT) {
        record.has_expected_version = false;
        record.expected_version = 0;
        record.version = 1;
        record.balance_minor = record.amount_minor;
        record.previous_lsn = 0;
        record.key_length = 0;
    }
    return record_encode(&record, at);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size_t mutated = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 2 == 0 || mutated < 8)
        return mutated;
    uint8_t choice[64] = {0};
    memcpy(choice, data, mutated < sizeof choice ? mutated : sizeof choice);
    size_t length = 0;
    for (size_t i = 0; i < 1 + choice[0] % 8 && length + FLORIN_RECORD_MAX <= max_size; i++)
        length += write_record(data + length, choice + 8 * i);
    return length;
}
