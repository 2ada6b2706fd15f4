/* block_file_sample.c - writes and checks files of known content.
 *
 * Payloads are of all lengths from nothing to a whole block; tags, info and totals are made from
 * numbers, so that nothing but a right file passes.
 */
#include "wal/block_file_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const uint8_t sample_log_id[META_LOG_ID_BYTES] = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
                                                  0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

struct sim_disk *sample_disk(void)
{
    struct sim_disk *disk = sim_disk_create();
    struct storage *storage = sim_disk_storage(disk);
    assert_int_equal(storage->operations->make_directory(storage, SAMPLE_DIRECTORY), 0);
    assert_int_equal(storage->operations->sync_directory(storage, ""), 0);
    return disk;
}

struct block_file_plan sample_plan(struct storage *storage, struct channel *channel)
{
    struct block_file_plan plan = {
        .storage = storage,
        .channel = channel,
        .log_id = sample_log_id,
        .kind = BLOCK_FILE_KEYS,
        .directory = SAMPLE_DIRECTORY,
        .block_bytes = SAMPLE_BLOCK_BYTES,
    };
    for (size_t i = 0; i < BLOCK_FILE_INFO_BYTES; i++)
        plan.info[i] = (uint8_t)(i + 1);
    return plan;
}

static void sample_totals(uint64_t blocks, uint8_t totals[BLOCK_FILE_TOTALS_BYTES])
{
    for (size_t i = 0; i < BLOCK_FILE_TOTALS_BYTES; i++)
        totals[i] = (uint8_t)(blocks + 2 * i);
}

static uint32_t sample_tag(uint64_t number)
{
    return (uint32_t)(number * 3 + 7);
}

/* Block 0 is full, block 1 empty, the others something between. */
static size_t sample_payload(uint64_t number, uint32_t block_bytes, uint8_t *payload)
{
    size_t room = block_bytes - BLOCK_FILE_BLOCK_HEADER_BYTES;
    size_t length = number == 0 ? room : (size_t)((number - 1) * 1009 % (room + 1));
    for (size_t i = 0; i < length; i++)
        payload[i] = (uint8_t)(number * 31 + i * 7 + 1);
    return length;
}

int sample_write(const struct block_file_plan *plan, uint64_t blocks)
{
    uint8_t *payload = malloc(plan->block_bytes);
    assert_non_null(payload);
    struct block_file_writer *writer;
    int error = block_file_begin(plan, SAMPLE_NAME, &writer);
    if (error != 0)
        goto free_payload;
    for (uint64_t i = 0; error == 0 && i < blocks; i++) {
        assert_int_equal(block_file_count(writer), i);
        size_t length = sample_payload(i, plan->block_bytes, payload);
        error = block_file_append(writer, sample_tag(i), payload, length);
        memset(payload, 0xee, length); /* was copied */
    }
    if (error != 0) {
        block_file_abandon(writer);
        goto free_payload;
    }
    assert_int_equal(block_file_count(writer), blocks);
    uint8_t totals[BLOCK_FILE_TOTALS_BYTES];
    sample_totals(blocks, totals);
    error = block_file_finish(writer, SAMPLE_NAME, totals);
free_payload:
    free(payload);
    return error;
}

static void check_blocks(const struct block_file *file, struct block_file_fault *fault)
{
    uint8_t *block = aligned_alloc(STORAGE_ALIGNMENT, file->block_bytes);
    uint8_t *expected = malloc(file->block_bytes);
    assert_non_null(block);
    assert_non_null(expected);
    for (uint64_t i = 0; i < file->block_count; i++) {
        assert_int_equal(block_file_read(file, i, 1, block, fault), 0);
        size_t length;
        const uint8_t *payload = block_file_payload(block, &length);
        assert_int_equal(length, sample_payload(i, file->block_bytes, expected));
        assert_memory_equal(payload, expected, length);
        assert_int_equal(block_file_tag(block), sample_tag(i));
    }
    free(expected);
    free(block);
}

int sample_check(const struct block_file_plan *plan, uint64_t blocks,
                 struct block_file_fault *fault)
{
    struct block_file file;
    int error = block_file_open(plan->storage, plan->log_id, plan->kind, plan->directory,
                                SAMPLE_NAME, &file, fault);
    if (error != 0)
        return error;
    error = block_file_verify(&file, NULL, NULL, fault);
    if (error == 0) {
        uint8_t totals[BLOCK_FILE_TOTALS_BYTES];
        sample_totals(blocks, totals);
        assert_int_equal(file.block_count, blocks);
        assert_int_equal(file.block_bytes, plan->block_bytes);
        assert_int_equal(file.file_bytes, 8192 + blocks * plan->block_bytes);
        assert_memory_equal(file.info, plan->info, BLOCK_FILE_INFO_BYTES);
        assert_memory_equal(file.totals, totals, BLOCK_FILE_TOTALS_BYTES);
        check_blocks(&file, fault);
    }
    block_file_close(&file);
    return error;
}

bool sample_exists(struct storage *storage, const char *path)
{
    struct storage_file *file;
    int error = storage->operations->open(storage, path, STORAGE_READ_ONLY, &file);
    if (error == 0)
        storage->operations->close(file);
    else
        assert_int_equal(error, -ENOENT);
    return error == 0;
}
