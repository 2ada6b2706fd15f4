/* key_file.c - reading one key file: its ends, its filters and index, one key, all keys.
 *
 * Guarantees: what does not agree with itself is -EBADMSG with file, offset and reason, never "not
 * found". A key is compared by its whole digest.
 * Must not know: other key files; who looks up what.
 */
#include "key_file.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/bytes.h"
#include "file_number.h"

enum {
    INFO_END = 16,
    TOTALS_END = 68,
    INDEX_ENTRY_BYTES = 8,
    DIRECTORY_ENTRY_BYTES = 8,
};

static const char ending[] = ".keys";

_Static_assert((int)KEY_FILE_PAYLOAD_BYTES % (int)INDEX_ENTRY_BYTES == 0,
               "no entry of the index spans two blocks");
_Static_assert((int)KEY_FILE_BLOCK_BYTES % (int)STORAGE_ALIGNMENT == 0, "blocks are read directly");
_Static_assert((int)TOTALS_END <= (int)BLOCK_FILE_TOTALS_BYTES, "the totals fit");

/* --- names and numbers ----------------------------------------------------------------------- */

void key_file_name(struct key_file_range range, char name[STORAGE_NAME_MAX])
{
    snprintf(name, STORAGE_NAME_MAX, "%0*" PRIx64 "-%0*" PRIx64 "%s", FILE_NUMBER_DIGITS,
             range.from_lsn, FILE_NUMBER_DIGITS, range.to_lsn, ending);
}

bool key_file_parse_name(const char *name, struct key_file_range *range)
{
    struct key_file_range parsed;
    if (strlen(name) != FILE_NUMBER_DIGITS + 1 + FILE_NUMBER_DIGITS + sizeof(ending) - 1 ||
        !file_number_parse(name, &parsed.from_lsn) || name[FILE_NUMBER_DIGITS] != '-' ||
        !file_number_parse(name + FILE_NUMBER_DIGITS + 1, &parsed.to_lsn) ||
        strcmp(name + FILE_NUMBER_DIGITS + 1 + FILE_NUMBER_DIGITS, ending) != 0)
        return false;
    if (parsed.from_lsn == 0 || parsed.from_lsn > parsed.to_lsn)
        return false;
    *range = parsed;
    return true;
}

uint64_t key_file_blocks(uint64_t units, uint64_t units_a_block)
{
    return units / units_a_block + (units % units_a_block != 0);
}

uint32_t key_file_part(struct hash128 digest, uint8_t part_bits)
{
    /* In two steps: a shift by 64 is undefined. */
    return (uint32_t)(key_filter_hash(digest) >> 1 >> (63 - part_bits));
}

void key_file_encode_range(struct key_file_range range, uint8_t *bytes)
{
    bytes_put_u64(bytes, range.from_lsn);
    bytes_put_u64(bytes + 8, range.to_lsn);
}

static struct key_file_range decode_range(const uint8_t *bytes)
{
    return (struct key_file_range){bytes_get_u64(bytes), bytes_get_u64(bytes + 8)};
}

void key_file_encode_totals(const struct key_file_totals *totals,
                            uint8_t bytes[BLOCK_FILE_TOTALS_BYTES])
{
    memset(bytes, 0, BLOCK_FILE_TOTALS_BYTES);
    key_file_encode_range(totals->range, bytes);
    bytes_put_u64(bytes + 16, totals->key_count);
    bytes_put_u64(bytes + 24, totals->state_digest);
    bytes_put_u64(bytes + 32, totals->data_blocks);
    bytes_put_u64(bytes + 40, totals->filter_blocks);
    bytes_put_u64(bytes + 48, totals->index_blocks);
    bytes_put_u64(bytes + 56, totals->filter_bytes);
    bytes_put_u32(bytes + 64, totals->part_bits);
}

/* --- opening --------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static int refuse(const struct key_file *file,
                                                        struct block_file_fault *fault,
                                                        uint64_t offset, const char *format, ...)
{
    *fault = (struct block_file_fault){.offset = offset};
    memcpy(fault->file, file->blocks.name, sizeof(fault->file));
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof(fault->reason), format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

static uint64_t block_offset(uint64_t block)
{
    return STORAGE_ALIGNMENT + block * KEY_FILE_BLOCK_BYTES;
}

static bool ranges_are_equal(struct key_file_range left, struct key_file_range right)
{
    return left.from_lsn == right.from_lsn && left.to_lsn == right.to_lsn;
}

/* The footer's numbers agree with each other and with the number of blocks. */
static bool totals_are_possible(const struct key_file_totals *totals, uint32_t part_bits,
                                uint64_t block_count)
{
    if (part_bits > KEY_FILE_PART_BITS_MAX || totals->key_count > KEY_FILE_KEYS_MAX ||
        totals->filter_blocks > block_count || totals->index_blocks > block_count)
        return false;
    uint64_t directory_bytes = (uint64_t)DIRECTORY_ENTRY_BYTES << part_bits;
    return totals->data_blocks == key_file_blocks(totals->key_count, KEY_FILE_BLOCK_KEYS) &&
           totals->filter_bytes > directory_bytes &&
           totals->filter_blocks == key_file_blocks(totals->filter_bytes, KEY_FILE_PAYLOAD_BYTES) &&
           totals->index_blocks ==
               key_file_blocks(totals->data_blocks * INDEX_ENTRY_BYTES, KEY_FILE_PAYLOAD_BYTES) &&
           totals->data_blocks + totals->filter_blocks + totals->index_blocks == block_count;
}

static int read_ends(struct key_file *file, struct key_file_range range,
                     struct block_file_fault *fault)
{
    const uint8_t *info = file->blocks.info;
    const uint8_t *bytes = file->blocks.totals;
    uint64_t footer = file->blocks.file_bytes - STORAGE_ALIGNMENT;
    struct key_file_range said = decode_range(info);
    uint32_t part_bits = bytes_get_u32(bytes + 64);
    struct key_file_totals totals = {
        .range = decode_range(bytes),
        .key_count = bytes_get_u64(bytes + 16),
        .state_digest = bytes_get_u64(bytes + 24),
        .data_blocks = bytes_get_u64(bytes + 32),
        .filter_blocks = bytes_get_u64(bytes + 40),
        .index_blocks = bytes_get_u64(bytes + 48),
        .filter_bytes = bytes_get_u64(bytes + 56),
        .part_bits = (uint8_t)part_bits,
    };
    if (!ranges_are_equal(said, range) ||
        !bytes_are_zero(info + INFO_END, (size_t)BLOCK_FILE_INFO_BYTES - INFO_END))
        return refuse(file, fault, 0, "the header says records %" PRIu64 " to %" PRIu64,
                      said.from_lsn, said.to_lsn);
    if (!ranges_are_equal(totals.range, range))
        return refuse(file, fault, footer, "the footer says records %" PRIu64 " to %" PRIu64,
                      totals.range.from_lsn, totals.range.to_lsn);
    if (file->blocks.block_bytes != KEY_FILE_BLOCK_BYTES)
        return refuse(file, fault, 0, "blocks of %" PRIu32 " bytes, expected %d",
                      file->blocks.block_bytes, (int)KEY_FILE_BLOCK_BYTES);
    if (!totals_are_possible(&totals, part_bits, file->blocks.block_count) ||
        !bytes_are_zero(bytes + TOTALS_END, (size_t)BLOCK_FILE_TOTALS_BYTES - TOTALS_END))
        return refuse(file, fault, footer,
                      "the footer's numbers do not agree: %" PRIu64 " keys, %" PRIu64 " blocks",
                      totals.key_count, file->blocks.block_count);
    file->totals = totals;
    return 0;
}

int key_file_open(struct storage *storage, const uint8_t *log_id, struct key_file_range range,
                  struct key_file *file, struct block_file_fault *fault)
{
    char name[STORAGE_NAME_MAX];
    key_file_name(range, name);
    *file = (struct key_file){0};
    int error = block_file_open(storage, log_id, BLOCK_FILE_KEYS, KEY_FILE_DIRECTORY, name,
                                &file->blocks, fault);
    if (error != 0)
        return error;
    error = read_ends(file, range, fault);
    if (error != 0)
        block_file_close(&file->blocks);
    return error;
}

void key_file_close(struct key_file *file)
{
    block_file_close(&file->blocks);
    free(file->filters);
    free(file->parts);
    free(file->index);
    *file = (struct key_file){0};
}

/* --- loading --------------------------------------------------------------------------------- */

/* Blocks that carry one run of bytes. */
struct section {
    enum key_file_tag tag;
    uint64_t first;
    uint64_t count;
    uint64_t length;
};

/* Copies the payload of a block of a section to its place. */
static int take_block(const struct key_file *file, const struct section *section, uint64_t number,
                      const uint8_t *block, uint8_t *bytes, struct block_file_fault *fault)
{
    uint64_t position = number * KEY_FILE_PAYLOAD_BYTES;
    uint64_t rest = section->length - position;
    size_t expected = rest < KEY_FILE_PAYLOAD_BYTES ? (size_t)rest : KEY_FILE_PAYLOAD_BYTES;
    size_t length;
    const uint8_t *payload = block_file_payload(block, &length);
    if (block_file_tag(block) != section->tag || length != expected)
        return refuse(file, fault, block_offset(section->first + number),
                      "block of kind %" PRIu32 " with %zu bytes, expected kind %d with %zu",
                      block_file_tag(block), length, (int)section->tag, expected);
    memcpy(bytes + position, payload, length);
    return 0;
}

static int load_section(const struct key_file *file, const struct section *section, uint8_t *bytes,
                        struct block_file_fault *fault)
{
    uint8_t *buffer =
        aligned_alloc(STORAGE_ALIGNMENT, (size_t)KEY_FILE_READ_BLOCKS * KEY_FILE_BLOCK_BYTES);
    if (buffer == NULL)
        return -ENOMEM;
    int error = 0;
    for (uint64_t next = 0; next < section->count && error == 0;) {
        uint64_t rest = section->count - next;
        uint64_t count = rest < KEY_FILE_READ_BLOCKS ? rest : KEY_FILE_READ_BLOCKS;
        error = block_file_read(&file->blocks, section->first + next, count, buffer, fault);
        for (uint64_t i = 0; i < count && error == 0; i++)
            error = take_block(file, section, next + i, buffer + i * KEY_FILE_BLOCK_BYTES, bytes,
                               fault);
        next += count;
    }
    free(buffer);
    return error;
}

/* The filters where the directory says; they fill what there is. */
static int open_parts(struct key_file *file, struct block_file_fault *fault)
{
    uint32_t count = UINT32_C(1) << file->totals.part_bits;
    uint64_t offset = block_offset(file->totals.data_blocks);
    uint64_t position = (uint64_t)DIRECTORY_ENTRY_BYTES * count;
    for (uint32_t part = 0; part < count; part++) {
        uint64_t length = bytes_get_u64(file->filters + (size_t)DIRECTORY_ENTRY_BYTES * part);
        if (length > file->totals.filter_bytes - position ||
            !key_filter_open(file->filters + position, (size_t)length, &file->parts[part]))
            return refuse(file, fault, offset, "filter of part %" PRIu32 " is not one", part);
        position += length;
    }
    if (position != file->totals.filter_bytes)
        return refuse(file, fault, offset, "bytes behind the last filter");
    return 0;
}

/* In place: from the file's order of bytes to the machine's. */
static int open_index(struct key_file *file, struct block_file_fault *fault)
{
    uint64_t offset = block_offset(file->totals.data_blocks + file->totals.filter_blocks);
    for (uint64_t i = 0; i < file->totals.data_blocks; i++) {
        uint8_t bytes[INDEX_ENTRY_BYTES];
        memcpy(bytes, &file->index[i], sizeof(bytes));
        file->index[i] = bytes_get_u64(bytes);
        if (i > 0 && file->index[i - 1] > file->index[i])
            return refuse(file, fault, offset, "the index is not in order at block %" PRIu64, i);
    }
    return 0;
}

int key_file_load(struct key_file *file, struct block_file_fault *fault)
{
    const struct key_file_totals *totals = &file->totals;
    struct section filters = {
        .tag = KEY_FILE_FILTERS,
        .first = totals->data_blocks,
        .count = totals->filter_blocks,
        .length = totals->filter_bytes,
    };
    struct section index = {
        .tag = KEY_FILE_INDEX,
        .first = totals->data_blocks + totals->filter_blocks,
        .count = totals->index_blocks,
        .length = totals->data_blocks * INDEX_ENTRY_BYTES,
    };
    assert(file->filters == NULL && file->parts == NULL && file->index == NULL);
    file->filters = calloc(1, (size_t)filters.length);
    file->parts = calloc((size_t)1 << totals->part_bits, sizeof(*file->parts));
    file->index = malloc((size_t)index.length + 1); /* a file without keys has an empty one */
    if (file->filters == NULL || file->parts == NULL || file->index == NULL)
        return -ENOMEM;
    int error = load_section(file, &filters, file->filters, fault);
    if (error == 0)
        error = load_section(file, &index, (uint8_t *)file->index, fault);
    if (error == 0)
        error = open_parts(file, fault);
    if (error == 0)
        error = open_index(file, fault);
    return error;
}

size_t key_file_memory_bytes(const struct key_file *file)
{
    return (size_t)(file->totals.filter_bytes + file->totals.data_blocks * INDEX_ENTRY_BYTES) +
           (sizeof(*file->parts) << file->totals.part_bits);
}

bool key_file_may_contain(const struct key_file *file, struct hash128 digest)
{
    return key_filter_may_contain(&file->parts[key_file_part(digest, file->totals.part_bits)],
                                  key_filter_hash(digest));
}

/* --- one key --------------------------------------------------------------------------------- */

static uint64_t keys_of_block(const struct key_file *file, uint64_t number)
{
    uint64_t rest = file->totals.key_count - number * KEY_FILE_BLOCK_KEYS;
    return rest < KEY_FILE_BLOCK_KEYS ? rest : KEY_FILE_BLOCK_KEYS;
}

static int check_data_block(const struct key_file *file, uint64_t number, const uint8_t *block,
                            struct block_file_fault *fault)
{
    size_t expected = (size_t)keys_of_block(file, number) * KEY_ANSWER_BYTES;
    size_t length;
    (void)block_file_payload(block, &length);
    if (block_file_tag(block) != KEY_FILE_DATA || length != expected)
        return refuse(file, fault, block_offset(number),
                      "block of kind %" PRIu32 " with %zu bytes, expected kind %d with %zu",
                      block_file_tag(block), length, (int)KEY_FILE_DATA, expected);
    return 0;
}

/* The key number `within` of a checked data block. */
static int read_key(const struct key_file *file, uint64_t number, const uint8_t *block,
                    uint64_t within, struct key_answer *answer, struct block_file_fault *fault)
{
    size_t length;
    const uint8_t *payload = block_file_payload(block, &length);
    if (!key_answer_decode(payload + within * KEY_ANSWER_BYTES, answer))
        return refuse(file, fault, block_offset(number), "key %" PRIu64 " is not one",
                      number * KEY_FILE_BLOCK_KEYS + within);
    if (answer->lsn < file->totals.range.from_lsn || answer->lsn > file->totals.range.to_lsn)
        return refuse(file, fault, block_offset(number), "key %" PRIu64 " is of record %" PRIu64,
                      number * KEY_FILE_BLOCK_KEYS + within, answer->lsn);
    return 0;
}

/* Looks into one block; 0 and *found. */
static int find_in_block(const struct key_file *file, uint64_t number, struct hash128 digest,
                         uint8_t *block, struct key_answer *answer, bool *found,
                         struct block_file_fault *fault)
{
    int error = block_file_read(&file->blocks, number, 1, block, fault);
    if (error == 0)
        error = check_data_block(file, number, block, fault);
    uint64_t count = keys_of_block(file, number);
    struct key_answer there;
    for (uint64_t i = 0; i < count && error == 0; i++) {
        error = read_key(file, number, block, i, &there, fault);
        if (error == 0 && there.digest.high == digest.high && there.digest.low == digest.low) {
            *answer = there;
            *found = true;
            return 0;
        }
    }
    return error;
}

/* The first data block that begins with `high` or higher; data_blocks: none. */
static uint64_t lower_bound(const struct key_file *file, uint64_t high)
{
    uint64_t first = 0;
    uint64_t end = file->totals.data_blocks;
    while (first < end) {
        uint64_t middle = first + (end - first) / 2;
        if (file->index[middle] < high)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

int key_file_find(const struct key_file *file, struct hash128 digest, uint8_t *block,
                  struct key_answer *answer, bool *found, struct block_file_fault *fault)
{
    bool is_there = false;
    uint64_t number = lower_bound(file, digest.high);
    /* Keys with this upper half may begin in the block before the first that begins with it, and
     * fill several: one block, but for keys that share 64 bits. */
    if (number > 0)
        number--;
    int error = 0;
    for (; number < file->totals.data_blocks && file->index[number] <= digest.high; number++) {
        error = find_in_block(file, number, digest, block, answer, &is_there, fault);
        if (error != 0 || is_there)
            break;
    }
    if (error == 0)
        *found = is_there;
    return error;
}

/* --- all keys -------------------------------------------------------------------------------- */

int key_file_cursor_init(struct key_file_cursor *cursor, const struct key_file *file,
                         block_file_pace *pace, void *pace_context)
{
    *cursor = (struct key_file_cursor){.file = file, .pace = pace, .pace_context = pace_context};
    cursor->buffer =
        aligned_alloc(STORAGE_ALIGNMENT, (size_t)KEY_FILE_READ_BLOCKS * KEY_FILE_BLOCK_BYTES);
    return cursor->buffer == NULL ? -ENOMEM : 0;
}

void key_file_cursor_deinit(struct key_file_cursor *cursor)
{
    free(cursor->buffer);
    cursor->buffer = NULL;
}

static int cursor_load(struct key_file_cursor *cursor, struct block_file_fault *fault)
{
    const struct key_file *file = cursor->file;
    uint64_t first = cursor->loaded_end;
    uint64_t rest = file->totals.data_blocks - first;
    uint64_t count = rest < KEY_FILE_READ_BLOCKS ? rest : KEY_FILE_READ_BLOCKS;
    int error = block_file_read(&file->blocks, first, count, cursor->buffer, fault);
    for (uint64_t i = 0; i < count && error == 0; i++)
        error = check_data_block(file, first + i, cursor->buffer + i * KEY_FILE_BLOCK_BYTES, fault);
    if (error == 0 && cursor->pace != NULL)
        error = cursor->pace(cursor->pace_context, (size_t)count * KEY_FILE_BLOCK_BYTES);
    if (error != 0)
        return error;
    cursor->loaded_first = first;
    cursor->loaded_end = first + count;
    return 0;
}

static int cursor_end(const struct key_file_cursor *cursor, struct block_file_fault *fault)
{
    const struct key_file *file = cursor->file;
    if (cursor->state_digest != file->totals.state_digest)
        return refuse(file, fault, file->blocks.file_bytes - STORAGE_ALIGNMENT,
                      "the footer says digest %016" PRIx64 ", the keys have %016" PRIx64,
                      file->totals.state_digest, cursor->state_digest);
    return -ENODATA;
}

int key_file_cursor_next(struct key_file_cursor *cursor, struct block_file_fault *fault)
{
    const struct key_file *file = cursor->file;
    if (cursor->given == file->totals.key_count)
        return cursor_end(cursor, fault);
    uint64_t number = cursor->given / KEY_FILE_BLOCK_KEYS;
    int error = number == cursor->loaded_end ? cursor_load(cursor, fault) : 0;
    if (error != 0)
        return error;
    const uint8_t *block = cursor->buffer + (number - cursor->loaded_first) * KEY_FILE_BLOCK_BYTES;
    struct key_answer next;
    error = read_key(file, number, block, cursor->given % KEY_FILE_BLOCK_KEYS, &next, fault);
    if (error != 0)
        return error;
    if (cursor->given > 0 && key_answer_compare(&cursor->entry, &next) >= 0)
        return refuse(file, fault, block_offset(number), "key %" PRIu64 " is not in order",
                      cursor->given);
    cursor->entry = next;
    cursor->given++;
    cursor->state_digest +=
        key_state_digest(key_tag(next.digest), key_check(next.digest), next.lsn);
    return 0;
}

/* The key that the cursor has just given, against index and filters. */
static int check_helpers(const struct key_file_cursor *cursor, struct block_file_fault *fault)
{
    const struct key_file *file = cursor->file;
    uint64_t key = cursor->given - 1;
    uint64_t number = key / KEY_FILE_BLOCK_KEYS;
    if (key % KEY_FILE_BLOCK_KEYS == 0 && file->index[number] != cursor->entry.digest.high)
        return refuse(file, fault, block_offset(number),
                      "the index says that the block begins with %016" PRIx64, file->index[number]);
    if (!key_file_may_contain(file, cursor->entry.digest))
        return refuse(file, fault, block_offset(file->totals.data_blocks),
                      "the filters deny key %" PRIu64, key);
    return 0;
}

int key_file_verify(const struct key_file *file, block_file_pace *pace, void *pace_context,
                    struct block_file_fault *fault)
{
    assert(file->index != NULL);
    int error = block_file_verify(&file->blocks, pace, pace_context, fault);
    if (error != 0)
        return error;
    struct key_file_cursor cursor;
    error = key_file_cursor_init(&cursor, file, pace, pace_context);
    if (error != 0)
        return error;
    while ((error = key_file_cursor_next(&cursor, fault)) == 0) {
        error = check_helpers(&cursor, fault);
        if (error != 0)
            break;
    }
    key_file_cursor_deinit(&cursor);
    return error == -ENODATA ? 0 : error;
}
