/* fuzz_image.c - any bytes are valid images of accounts or none; a valid one says itself again.
 *
 * Few random bytes are an image, so the mutator now and then makes the lengths agree and the id of
 * allowed characters, which the next mutation breaks again.
 *
 * What decodes is also loaded into a shard, whose own image of it must be the same bytes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/bytes.h"
#include "engine/core/shard.h"

enum {
    ACCOUNTS_MAX = 16,
    HOLDS_MAX = 16,
    HOLDS_MENDED = 3,
    ID_LENGTH_MAX = 40,
    METADATA_LENGTH_MAX = 40
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* The newest account's image is what it was loaded from. */
static void check_round_trip(const struct shard *shard, const uint8_t *data, size_t size)
{
    uint8_t again[ACCOUNT_IMAGE_BYTES_MAX];
    struct shard_sums sums = {0};
    uint32_t cursor = shard->accounts.count - 1;
    size_t written =
        shard_write_images(shard, &cursor, shard->accounts.count, again, sizeof again, 1, &sums);
    assert(written == size);
    assert(memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hash_secret secret;
    const struct shard_options options = {
        .secret = &secret, .accounts_max = ACCOUNTS_MAX, .keys_memory = 1, .holds_max = HOLDS_MAX};
    size_t memory_bytes = (shard_memory_bytes(&options) + 63) & ~(size_t)63;
    void *memory = aligned_alloc(64, memory_bytes);
    assert(memory != NULL);
    memset(memory, 0, memory_bytes);
    struct shard *shard = calloc(1, sizeof *shard);
    assert(shard != NULL);
    shard_init(shard, &options, memory);
    struct shard_sums sums = {0};
    for (size_t offset = 0;;) {
        struct account_image image;
        size_t taken = account_image_decode(data + offset, size - offset, &image);
        if (taken == 0)
            break;
        uint64_t hash = hash_account(&secret, image.id, image.id_length);
        if (shard_load_image(shard, &image, hash, &sums) == SHARD_REPLAY_APPLIED)
            check_round_trip(shard, data + offset, taken);
        offset += taken;
    }
    shard_audit(shard);
    assert(sums.accounts == shard->accounts.count);
    assert(sums.digest == shard_accounts_digest(shard));
    free(shard);
    free(memory);
    return 0;
}

/* Makes an image of what stands there: lengths, reserved bytes, id, currency, padding. */
static size_t mend(uint8_t *bytes, size_t room)
{
    uint8_t id_length = (uint8_t)(1 + bytes[4] % ID_LENGTH_MAX);
    uint16_t metadata_length = bytes[2] % METADATA_LENGTH_MAX;
    uint16_t hold_count = bytes[64] % (HOLDS_MENDED + 1);
    size_t id_at = (size_t)ACCOUNT_IMAGE_FIXED_BYTES + hold_count * ACCOUNT_IMAGE_HOLD_BYTES;
    size_t content = id_at + id_length + metadata_length;
    size_t size = (content + 7) / 8 * 8;
    if (size > room)
        return 0;
    bytes_put_u16(bytes, (uint16_t)size);
    bytes_put_u16(bytes + 2, metadata_length);
    bytes[4] = id_length;
    bytes[5] %= 9;
    bytes[6] %= 2;
    bytes[7] = 0;
    memcpy(bytes + 8, "USD\0\0\0\0\0", 8);
    bytes_put_u16(bytes + 38, 0); /* last LSN */
    bytes[37] &= 0x7f;
    bytes[47] |= 0x80; /* minimum */
    bytes[63] &= 0x7f; /* opening balance */
    bytes_put_u64(bytes + 64, hold_count);
    for (uint16_t i = 0; i < hold_count; i++) {
        uint8_t *hold = bytes + ACCOUNT_IMAGE_FIXED_BYTES + (size_t)i * ACCOUNT_IMAGE_HOLD_BYTES;
        /* each later than the one before, and seldom another account's */
        bytes_put_u64(hold, UINT64_C(256) * (i + 1u) + hold[0]);
        bytes_put_u64(hold + 8, 1u + hold[8]);
    }
    bytes[36] |= 1; /* so that the last LSN is behind them */
    for (size_t i = 0; i < id_length; i++) {
        uint8_t *character = &bytes[id_at + i];
        *character = (uint8_t)('a' + *character % 8);
    }
    memset(bytes + content, 0, size - content);
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size_t mutated = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 2 == 0)
        return mutated;
    size_t length = 0;
    for (unsigned i = 0; i <= seed % 4 && max_size - length >= ACCOUNT_IMAGE_FIXED_BYTES; i++) {
        if (mutated < length + ACCOUNT_IMAGE_FIXED_BYTES) {
            memset(data + mutated, 1, length + ACCOUNT_IMAGE_FIXED_BYTES - mutated);
            mutated = length + ACCOUNT_IMAGE_FIXED_BYTES;
        }
        size_t taken = mend(data + length, max_size - length);
        if (taken == 0)
            break;
        length += taken;
        if (mutated < length)
            mutated = length;
    }
    return mutated;
}
