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

#include "engine/core/key_answer.h"
#include "engine/core/record.h"
#include "engine/core/shard.h"

enum {
    RECORDS_MAX = 64,
    TABLE_ENTRIES = 64,
    HOLDS_MAX = 4,
    LEGS_WRITTEN_MAX = 3,
    WRITTEN_BYTES_MAX = 512
};

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

/* As recovery does: up to the first leg that does not fit. */
static void replay_record(struct shard *shard, const struct record *record, uint64_t lsn)
{
    uint64_t hash = hash_account(shard->secret, record->id, record->id_length);
    enum shard_replay replay = shard_replay(shard, record, hash, lsn);
    const uint8_t *at = record->leg_bytes;
    assert(shard_replay_text(replay) != NULL);
    for (uint8_t i = 0; i < record->leg_count && replay <= SHARD_REPLAY_OLDER; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        assert(record_touches(record, leg.id, leg.id_length));
        hash = hash_account(shard->secret, leg.id, leg.id_length);
        replay = shard_replay_leg(shard, record, &leg, hash, lsn);
    }
}

/* Sealing positions that are final changes nothing; a key's answer is one that files take. */
static void check_uses(const struct shard *shard, const uint8_t *data, const struct record *record,
                       size_t size)
{
    uint8_t bytes[FLORIN_RECORD_MAX];
    memcpy(bytes, data, size);
    bool is_final = (record->previous_lsn & RECORD_LSN_PROVISIONAL) == 0;
    const uint8_t *at = record->leg_bytes;
    for (uint8_t i = 0; i < record->leg_count; i++) {
        struct record_leg leg;
        at = record_next_leg(at, &leg);
        is_final = is_final && (leg.previous_lsn & RECORD_LSN_PROVISIONAL) == 0;
    }
    record_seal(bytes, 1);
    assert(!is_final || memcmp(bytes, data, size) == 0);
    if (record->key_length > 0) {
        uint8_t answer_bytes[KEY_ANSWER_BYTES];
        struct key_answer again;
        struct key_answer answer = key_answer_of_record(shard->secret, record, 1);
        key_answer_encode(&answer, answer_bytes);
        bool decoded = key_answer_decode(answer_bytes, &again);
        assert(decoded);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hash_secret secret;
    struct shard_options options = {.secret = &secret,
                                    .accounts_max = TABLE_ENTRIES,
                                    .keys_memory = TABLE_ENTRIES,
                                    .holds_max = HOLDS_MAX};
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
        check_uses(shard, data + offset, &record, taken);
        replay_record(shard, &record, lsn);
        offset += taken;
    }
    shard_audit(shard);
    free(shard);
    free(memory);
    return 0;
}

static const char *const IDS[] = {"a", "b", "an-account-with-a-name-longer-than-a-slot"};

static struct record_leg make_leg(const uint8_t choice[8], uint8_t number)
{
    const char *id = IDS[(choice[0] + number) % 3];
    return (struct record_leg){
        .id = id,
        .id_length = (uint8_t)strlen(id),
        .direction = (uint8_t)(choice[2] >> number & 1 ? FLORIN_CREDIT : FLORIN_DEBIT),
        .exponent = 2,
        .version = 1 + (choice[3] + number) % 8,
        .balance_minor = (choice[4] + number) % 8,
        .amount_minor = 1 + (choice[5] + number) % 4,
        .previous_lsn = choice[6] % 8,
    };
}

/* What a record of this kind has besides, so that it is valid. */
static void add_part(struct record *record, const uint8_t choice[8], struct record_leg legs[])
{
    record->expected_version = 0;
    record->has_expected_version = false;
    record->request = record->kind == FLORIN_EXPIRE ? 0 : choice[7];
    if (record->kind == FLORIN_EXPIRE)
        record->key_length = 0;
    record->held_minor = choice[2] % 4 + (record->kind == FLORIN_HOLD ? record->amount_minor : 0);
    if (record->kind == FLORIN_HOLD)
        record->detail = choice[7] % 3;
    if (record->kind == FLORIN_REVERSE)
        record->detail = (uint64_t)(record->detail_minor = 1 + choice[2] % 3);
    if (record->kind == FLORIN_CAPTURE || record->kind == FLORIN_VOID ||
        record->kind == FLORIN_EXPIRE || record->kind == FLORIN_REVERSE)
        record->target_lsn = 1 + choice[6] % 8;
    if (record->kind == FLORIN_HOLD || record->kind == FLORIN_VOID || record->kind == FLORIN_EXPIRE)
        return;
    bool is_pair = record->kind == FLORIN_TRANSFER || record->kind == FLORIN_CAPTURE;
    record->direction = (uint8_t)(is_pair || choice[2] % 2 ? FLORIN_DEBIT : FLORIN_CREDIT);
    record->leg_count = (uint8_t)(is_pair ? 1 : 1 + choice[7] % LEGS_WRITTEN_MAX);
    record->legs = legs;
    for (uint8_t i = 0; i < record->leg_count; i++)
        legs[i] = make_leg(choice, i);
    if (is_pair)
        legs[0].direction = FLORIN_CREDIT;
}

/* A valid record, chosen by a few bytes: small numbers, so that some fit on each other. */
static size_t write_record(uint8_t *at, const uint8_t choice[8])
{
    struct record_leg legs[LEGS_WRITTEN_MAX];
    const char *id = IDS[choice[0] % 3];
    struct record record = {
        .kind = (uint8_t)(1 + choice[1] % FLORIN_BATCH),
        .has_expected_version = choice[1] >= 128,
        .exponent = 2,
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
        .metadata = "xx",
    };
    if (record.kind == FLORIN_OPEN_ACCOUNT) {
        record.has_expected_version = false;
        record.expected_version = 0;
        record.version = 1;
        record.balance_minor = record.amount_minor;
        record.previous_lsn = 0;
        record.key_length = 0;
    } else if (record.kind == FLORIN_CHANGE_ACCOUNT) {
        record.version += 1;
        record.amount_minor = 0;
        record.key_length = 0;
        record.account_status = choice[7] % 3;
        record.minimum_balance_minor = -(int64_t)(choice[5] % 4);
        record.metadata_length = choice[2] % 3;
    } else if (record_kind_has_legs(record.kind)) {
        add_part(&record, choice, legs);
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
    for (size_t i = 0; i < 1 + choice[0] % 8 && length + WRITTEN_BYTES_MAX <= max_size; i++)
        length += write_record(data + length, choice + 8 * i);
    return length;
}
