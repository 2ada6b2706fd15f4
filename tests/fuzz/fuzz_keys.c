/* fuzz_keys.c - any bytes are answers of a key file or not, and a filter or not; answers say
 * themselves again, and a filter of whatever fingerprints can be asked.
 *
 * The first byte chooses. A filter's sizes are those of its count, which random bytes do not meet:
 * the header is written over, and only seed, count and fingerprints are the fuzzer's.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/bytes.h"
#include "engine/core/key_answer.h"
#include "engine/core/key_filter.h"

enum { COUNT_MAX = 2000, OFFSET_KEY_COUNT = 8, ASKED = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answers(const uint8_t *data, size_t size)
{
    for (; size >= KEY_ANSWER_BYTES; data += KEY_ANSWER_BYTES, size -= KEY_ANSWER_BYTES) {
        struct key_answer answer;
        uint8_t again[KEY_ANSWER_BYTES];
        if (!key_answer_decode(data, &answer))
            continue;
        key_answer_encode(&answer, again);
        assert(memcmp(again, data, sizeof again) == 0);
    }
}

static void ask(const struct key_filter *filter, uint64_t hash)
{
    for (uint64_t i = 0; i < ASKED; i++)
        (void)key_filter_may_contain(filter, hash + i * UINT64_C(0x1111111111111111));
}

static void check_filter(const uint8_t *data, size_t size)
{
    struct key_filter filter;
    if (key_filter_open(data, size, &filter))
        ask(&filter, size);
    if (size < 16)
        return;
    uint32_t count = bytes_get_u32(data + OFFSET_KEY_COUNT) % COUNT_MAX;
    size_t length = key_filter_bytes(count);
    uint64_t *hashes = calloc(count + 1, sizeof *hashes);
    void *scratch = malloc(key_filter_scratch_bytes(count) + 1);
    uint8_t *bytes = malloc(length);
    assert(hashes != NULL && scratch != NULL && bytes != NULL);

    /* Hashes that are not random at all: it is built or says that it cannot be. */
    for (uint32_t i = 0; i < count; i++)
        hashes[i] = bytes_get_u64(data + i % (size - 7)) * (i / (size - 7) + 1);
    if (key_filter_build(hashes, count, scratch, bytes)) {
        bool opened = key_filter_open(bytes, length, &filter);
        assert(opened);
        for (uint32_t i = 0; i < count; i++)
            assert(key_filter_may_contain(&filter, hashes[i]));
        for (size_t i = 0; i < 8; i++)
            bytes[i] = data[i];
        for (size_t i = 24; i + 16 < length && i < size; i++)
            bytes[i] = data[i];
        if (key_filter_open(bytes, length, &filter))
            ask(&filter, bytes_get_u64(data));
    }
    free(bytes);
    free(scratch);
    free(hashes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        check_answers(data + 1, size - 1);
    else
        check_filter(data + 1, size - 1);
    return 0;
}
