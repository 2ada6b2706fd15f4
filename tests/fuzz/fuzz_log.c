/* fuzz_log.c - whatever stands at the end of a segment, the judge answers, and never takes for a
 * frame what is not whole.
 *
 * A mutated input would fail at its first checksum, so the mutator repairs them: it gives every
 * sector that is not zero the trailer of its place, and so reaches the rules behind.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wal/frame.h"
#include "wal/verdict.h"

enum { SEGMENT_BYTES = 8 * STORAGE_ALIGNMENT, PLACES = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static const struct meta meta = {
    .format_version = META_FORMAT_VERSION, .log_id = {1, 2, 3}, .segment_bytes = SEGMENT_BYTES};

/* Where the judge stands; the first byte of the input chooses. */
static struct verdict_position position_of(uint8_t choice)
{
    static const uint64_t offsets[PLACES] = {0, STORAGE_ALIGNMENT, 3 * STORAGE_ALIGNMENT};
    return (struct verdict_position){
        .meta = &meta,
        .segment = 1,
        .offset = offsets[choice % PLACES],
        .first_lsn = 1 + choice / 16,
        .chain = segment_chain_origin(meta.log_id),
        .epoch = choice / 4 % 4,
        .write_bytes_max = 4 * STORAGE_ALIGNMENT,
        .durable_lsn = choice / 32,
        .later_in_use = choice >= 192,
    };
}

static void check_frame(const struct verdict_position *position, const struct verdict *verdict)
{
    assert(verdict->length >= FRAME_BYTES_MIN);
    assert(verdict->length <= meta.segment_bytes - position->offset);
    assert(verdict->length % STORAGE_ALIGNMENT == 0);
    assert(verdict->frame.first_lsn == position->first_lsn);
    assert(verdict->frame.payload_length <= frame_payload_capacity(verdict->frame.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct verdict_position position = position_of(data[0]);
    uint8_t *bytes = calloc(1, SEGMENT_BYTES);
    assert(bytes != NULL);
    size_t room = SEGMENT_BYTES - (size_t)position.offset;
    memcpy(bytes, data + 1, size - 1 < room ? size - 1 : room);
    struct verdict verdict;
    verdict_judge(&position, bytes, &verdict);
    switch (verdict.kind) {
    case VERDICT_FRAME:
        check_frame(&position, &verdict);
        break;
    case VERDICT_TORN:
        assert(!position.later_in_use && position.durable_lsn < position.first_lsn);
        assert(verdict.length <= meta.segment_bytes - position.offset);
        break;
    case VERDICT_END:
        break;
    case VERDICT_AMBIGUOUS:
    case VERDICT_DAMAGED:
        assert(verdict.reason[0] != '\0');
        break;
    }
    free(bytes);
    return 0;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* A whole frame where the input says that one begins; else only the trailers. */
static void repair(uint8_t *data, size_t size)
{
    struct verdict_position position = position_of(data[0]);
    uint64_t salt = segment_salt(meta.log_id, position.segment);
    struct sector_key key = {.salt = salt, .epoch = position.epoch + (data[0] & 1)};
    uint8_t *bytes = data + 1;
    size_t lead = position.offset == 0 ? SEGMENT_HEADER_BYTES : 0;
    if (size > 1 + lead + FRAME_BYTES_MIN && data[0] % 8 < 4) {
        enum frame_kind kind = (enum frame_kind)(1 + bytes[lead + 6] % 4);
        bool has_records = kind == FRAME_RECORDS;
        struct frame_header frame = {
            .kind = kind,
            .epoch = key.epoch,
            .record_count = has_records ? 1 + (uint32_t)bytes[lead + 20] : 0,
            .log_id_low = frame_log_id_low(meta.log_id),
            .segment = position.segment,
            .offset = position.offset + lead,
            .first_lsn = position.first_lsn,
            .chain = position.chain,
            .payload_length = has_records ? 1 + (uint32_t)bytes[lead + 68] : 0,
        };
        frame_seal(bytes + lead, &frame, salt);
    }
    for (size_t i = 0; i + STORAGE_SECTOR_BYTES <= size - 1; i += STORAGE_SECTOR_BYTES) {
        if (!is_zero(bytes + i, STORAGE_SECTOR_BYTES))
            sector_seal(bytes + i, STORAGE_SECTOR_BYTES, key, position.offset + i);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    size_t mutated = LLVMFuzzerMutate(data, size, max_size);
    if (mutated > 1 && seed % 4 != 0)
        repair(data, mutated);
    return mutated;
}
