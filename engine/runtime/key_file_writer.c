/* key_file_writer.c - makes one key file from keys in their order.
 *
 * Data blocks go out as they fill. The filter of a part is built when the first key of the next
 * part comes; filters and index wait in memory for the end of the data, which is no more than they
 * will take while the file is used. Besides them, for a moment: the hashes of one part (8 MiB at
 * most) and what key_filter_build() needs for it (some 30 MB).
 *
 * Guarantees: a file under its final name is complete, in order and durable.
 * Must not know: where the keys come from.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/bytes.h"
#include "key_file.h"

enum {
    INDEX_ENTRY_BYTES = 8,
    DIRECTORY_ENTRY_BYTES = 8,
};

struct key_file_writer {
    struct block_file_writer *file; /* NULL after its end */
    struct key_file_totals totals;  /* so far */
    uint64_t keys_max;
    struct key_answer newest; /* the last key added */

    uint8_t block[KEY_FILE_PAYLOAD_BYTES];
    size_t block_length;

    uint8_t *index; /* room for keys_max keys */
    uint8_t *filters;
    uint64_t *hashes; /* of the part that is being gathered */
    uint32_t hash_count;
    uint32_t hashes_max;
    uint32_t part;
};

static void writer_free(struct key_file_writer *writer)
{
    block_file_abandon(writer->file);
    free(writer->index);
    free(writer->filters);
    free(writer->hashes);
    free(writer);
}

/* The fewest parts that keep a filter below its limit. */
static uint8_t choose_part_bits(uint64_t keys_max)
{
    if (keys_max <= KEY_FILTER_KEYS_MAX)
        return 0;
    uint8_t bits = 1;
    while (keys_max > (uint64_t)KEY_FILE_PART_KEYS << bits)
        bits++;
    return bits;
}

static int writer_allocate(struct key_file_writer *writer)
{
    uint64_t blocks = key_file_blocks(writer->keys_max, KEY_FILE_BLOCK_KEYS);
    size_t directory_bytes = (size_t)DIRECTORY_ENTRY_BYTES << writer->totals.part_bits;
    writer->hashes_max =
        writer->keys_max < KEY_FILTER_KEYS_MAX ? (uint32_t)writer->keys_max : KEY_FILTER_KEYS_MAX;
    /* One more each: nothing is asked for nothing. */
    writer->index = malloc((size_t)(blocks + 1) * INDEX_ENTRY_BYTES);
    writer->hashes = malloc((size_t)(writer->hashes_max + 1) * sizeof(*writer->hashes));
    writer->filters = malloc(directory_bytes);
    writer->totals.filter_bytes = directory_bytes;
    bool allocated = writer->index != NULL && writer->hashes != NULL && writer->filters != NULL;
    return allocated ? 0 : -ENOMEM;
}

int key_file_begin(const struct key_file_plan *plan, struct key_file_writer **writer)
{
    assert(plan->range.from_lsn > 0 && plan->range.from_lsn <= plan->range.to_lsn);
    if (plan->keys_max > KEY_FILE_KEYS_MAX)
        return -EFBIG;
    struct key_file_writer *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    made->keys_max = plan->keys_max;
    made->totals.range = plan->range;
    made->totals.part_bits = choose_part_bits(plan->keys_max);
    struct block_file_plan blocks = {
        .storage = plan->storage,
        .channel = plan->channel,
        .log_id = plan->log_id,
        .kind = BLOCK_FILE_KEYS,
        .directory = KEY_FILE_DIRECTORY,
        .block_bytes = KEY_FILE_BLOCK_BYTES,
        .pace = plan->pace,
        .pace_context = plan->pace_context,
    };
    key_file_encode_range(plan->range, blocks.info);
    char name[STORAGE_NAME_MAX];
    key_file_name(plan->range, name);
    int error = writer_allocate(made);
    if (error == 0)
        error = block_file_begin(&blocks, name, &made->file);
    if (error != 0) {
        writer_free(made);
        return error;
    }
    *writer = made;
    return 0;
}

/* --- adding ---------------------------------------------------------------------------------- */

static int flush_block(struct key_file_writer *writer)
{
    if (writer->block_length == 0)
        return 0;
    size_t length = writer->block_length;
    writer->block_length = 0;
    return block_file_append(writer->file, KEY_FILE_DATA, writer->block, length);
}

/* Builds the filter of the gathered part behind those before. */
static int end_part(struct key_file_writer *writer)
{
    size_t length = key_filter_bytes(writer->hash_count);
    size_t position = (size_t)writer->totals.filter_bytes;
    uint8_t *filters = realloc(writer->filters, position + length);
    if (filters == NULL)
        return -ENOMEM;
    writer->filters = filters;
    void *scratch = malloc(key_filter_scratch_bytes(writer->hash_count) + 1);
    if (scratch == NULL)
        return -ENOMEM;
    bool built = key_filter_build(writer->hashes, writer->hash_count, scratch, filters + position);
    free(scratch);
    if (!built)
        return -EOVERFLOW;
    bytes_put_u64(filters + (size_t)DIRECTORY_ENTRY_BYTES * writer->part, length);
    writer->totals.filter_bytes += length;
    writer->hash_count = 0;
    writer->part++;
    return 0;
}

static int add_hash(struct key_file_writer *writer, struct hash128 digest)
{
    uint32_t part = key_file_part(digest, writer->totals.part_bits);
    while (writer->part < part) {
        int error = end_part(writer);
        if (error != 0)
            return error;
    }
    /* In order, so that equal ones are neighbours: a filter needs them once. */
    uint64_t hash = key_filter_hash(digest);
    if (writer->hash_count > 0 && writer->hashes[writer->hash_count - 1] == hash)
        return 0;
    if (writer->hash_count == writer->hashes_max)
        return -EOVERFLOW;
    writer->hashes[writer->hash_count++] = hash;
    return 0;
}

int key_file_add(struct key_file_writer *writer, const struct key_answer *answer)
{
    struct key_file_totals *totals = &writer->totals;
    assert(totals->key_count < writer->keys_max);
    assert(totals->key_count == 0 || key_answer_compare(&writer->newest, answer) < 0);
    assert(answer->lsn >= totals->range.from_lsn && answer->lsn <= totals->range.to_lsn);
    int error = add_hash(writer, answer->digest);
    if (error != 0)
        return error;
    if (writer->block_length == 0) {
        bytes_put_u64(writer->index + totals->data_blocks * INDEX_ENTRY_BYTES, answer->digest.high);
        totals->data_blocks++;
    }
    key_answer_encode(answer, writer->block + writer->block_length);
    writer->block_length += KEY_ANSWER_BYTES;
    writer->newest = *answer;
    totals->key_count++;
    totals->state_digest +=
        key_state_digest(key_tag(answer->digest), key_check(answer->digest), answer->lsn);
    bool full = writer->block_length == (size_t)KEY_FILE_BLOCK_KEYS * KEY_ANSWER_BYTES;
    return full ? flush_block(writer) : 0;
}

/* --- ending ---------------------------------------------------------------------------------- */

/* A run of bytes as blocks; *blocks: how many. */
static int append_run(struct key_file_writer *writer, enum key_file_tag tag, const uint8_t *bytes,
                      uint64_t length, uint64_t *blocks)
{
    *blocks = key_file_blocks(length, KEY_FILE_PAYLOAD_BYTES);
    for (uint64_t position = 0; position < length; position += KEY_FILE_PAYLOAD_BYTES) {
        uint64_t rest = length - position;
        size_t piece = rest < KEY_FILE_PAYLOAD_BYTES ? (size_t)rest : KEY_FILE_PAYLOAD_BYTES;
        int error = block_file_append(writer->file, tag, bytes + position, piece);
        if (error != 0)
            return error;
    }
    return 0;
}

static int append_rest(struct key_file_writer *writer)
{
    struct key_file_totals *totals = &writer->totals;
    int error = flush_block(writer);
    while (error == 0 && writer->part < UINT32_C(1) << totals->part_bits)
        error = end_part(writer);
    if (error == 0)
        error = append_run(writer, KEY_FILE_FILTERS, writer->filters, totals->filter_bytes,
                           &totals->filter_blocks);
    if (error == 0)
        error = append_run(writer, KEY_FILE_INDEX, writer->index,
                           totals->data_blocks * INDEX_ENTRY_BYTES, &totals->index_blocks);
    return error;
}

int key_file_finish(struct key_file_writer *writer)
{
    int error = append_rest(writer);
    if (error == 0) {
        uint8_t totals[BLOCK_FILE_TOTALS_BYTES];
        key_file_encode_totals(&writer->totals, totals);
        char name[STORAGE_NAME_MAX];
        key_file_name(writer->totals.range, name);
        struct block_file_writer *file = writer->file;
        writer->file = NULL;
        error = block_file_finish(file, name, totals);
    }
    writer_free(writer);
    return error;
}

void key_file_abandon(struct key_file_writer *writer)
{
    writer_free(writer);
}
