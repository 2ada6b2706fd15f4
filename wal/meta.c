/* meta.c - DATA/meta, and the creation of a data directory in an order that a crash cannot confuse.
 *
 * Layout, little-endian, 4096 bytes:
 *
 *      0  u8[8]    magic          "FLORINDM"
 *      8  u32      format_version 1
 *     12  u32      reserved       0
 *     16  u8[16]   log_id
 *     32  u8[32]   hash_seed
 *     64  u64      created_ns
 *     72  u64      segment_bytes
 *     80  u64      checksum       XXH3-64 of bytes 0 to 79, seed 0
 *     88  u8[4008] zeros
 *
 * meta is made last: log/ and the first segment are durable before it gets its name. So
 *
 *   - meta without a first segment: files are gone; the log refuses (scan.c),
 *   - no meta, and nothing in log/ but spare segments and half-made files: creation was
 * interrupted; it is begun anew,
 *   - no meta, and a segment in use: meta is gone; refused.
 *
 * Two creators at once: the one that has the lock of "meta.tmp" goes first. The lock stays
 * with the file through the rename.
 *
 * Guarantees: a meta file under its final name is whole. Must not know: frames.
 */
#include "meta.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checksum.h"
#include "segment.h"

enum {
    META_BYTES = STORAGE_ALIGNMENT,
    MAGIC_BYTES = 8,
    CHECKSUM_OFFSET = 80,
    FIELDS_END = 88,
    LOCK_TIMEOUT_MS = 5000,
    /* Times that the temporary file may come and go between looking and opening. */
    OPEN_TRIES_MAX = 100,
};

_Static_assert(FIELDS_END == 8 + 4 + 4 + META_LOG_ID_BYTES + META_HASH_SEED_BYTES + 8 + 8 + 8,
               "the fields have no gap");

static const uint8_t magic[MAGIC_BYTES] = {'F', 'L', 'O', 'R', 'I', 'N', 'D', 'M'};
static const char meta_name[] = "meta";
static const char temporary_name[] = "meta.tmp";

static void meta_encode(const struct meta *meta, uint8_t *bytes)
{
    memset(bytes, 0, META_BYTES);
    memcpy(bytes, magic, sizeof(magic));
    bytes_put_u32(bytes + 8, meta->format_version);
    memcpy(bytes + 16, meta->log_id, META_LOG_ID_BYTES);
    memcpy(bytes + 32, meta->hash_seed, META_HASH_SEED_BYTES);
    bytes_put_u64(bytes + 64, meta->created_ns);
    bytes_put_u64(bytes + 72, meta->segment_bytes);
    bytes_put_u64(bytes + CHECKSUM_OFFSET, checksum_bytes(bytes, CHECKSUM_OFFSET, 0));
}

static bool meta_segment_bytes_are_valid(uint64_t bytes)
{
    return bytes >= SEGMENT_BYTES_MIN && bytes <= SEGMENT_BYTES_MAX &&
           bytes % STORAGE_ALIGNMENT == 0;
}

static int meta_decode(const uint8_t *bytes, struct meta *meta)
{
    if (memcmp(bytes, magic, sizeof(magic)) != 0)
        return -EBADMSG;
    /* Before the checksum: only these twelve bytes are the same in every version. */
    uint32_t version = bytes_get_u32(bytes + 8);
    if (version != META_FORMAT_VERSION) {
        meta->format_version = version;
        return -EPROTONOSUPPORT;
    }
    if (bytes_get_u64(bytes + CHECKSUM_OFFSET) != checksum_bytes(bytes, CHECKSUM_OFFSET, 0))
        return -EBADMSG;
    uint64_t segment_bytes = bytes_get_u64(bytes + 72);
    if (bytes_get_u32(bytes + 12) != 0 || !meta_segment_bytes_are_valid(segment_bytes) ||
        !bytes_are_zero(bytes + FIELDS_END, META_BYTES - FIELDS_END))
        return -EBADMSG;
    meta->format_version = version;
    memcpy(meta->log_id, bytes + 16, META_LOG_ID_BYTES);
    memcpy(meta->hash_seed, bytes + 32, META_HASH_SEED_BYTES);
    meta->created_ns = bytes_get_u64(bytes + 64);
    meta->segment_bytes = segment_bytes;
    return 0;
}

int meta_read(struct storage *storage, struct meta *meta)
{
    const struct storage_operations *operations = storage->operations;
    struct storage_file *file;
    int error = operations->open(storage, meta_name, STORAGE_READ_ONLY, &file);
    if (error != 0)
        return error;
    uint8_t *bytes = aligned_alloc(STORAGE_ALIGNMENT, META_BYTES);
    if (bytes == NULL) {
        error = -ENOMEM;
        goto close_file;
    }
    uint64_t size;
    error = operations->size(file, &size);
    if (error == 0 && size != META_BYTES)
        error = -EBADMSG;
    if (error == 0)
        error = operations->read(file, bytes, META_BYTES, 0);
    if (error == 0)
        error = meta_decode(bytes, meta);
    free(bytes);
close_file:
    operations->close(file);
    return error;
}

static int meta_exists(struct storage *storage, bool *exists)
{
    struct storage_file *file;
    int error = storage->operations->open(storage, meta_name, STORAGE_READ_ONLY, &file);
    if (error == 0)
        storage->operations->close(file);
    if (error != 0 && error != -ENOENT)
        return error;
    *exists = error == 0;
    return 0;
}

/* Opens or makes the temporary file and takes its lock. */
static int meta_open_temporary(struct storage *storage, struct storage_file **file)
{
    const struct storage_operations *operations = storage->operations;
    int error = -EBUSY;
    for (int i = 0; i < OPEN_TRIES_MAX; i++) {
        error = operations->open(storage, temporary_name, STORAGE_CREATE_NEW, file);
        if (error == -EEXIST)
            error = operations->open(storage, temporary_name, STORAGE_OPEN_EXISTING, file);
        if (error != -ENOENT)
            break;
    }
    if (error != 0)
        return error;
    error = operations->lock(*file, LOCK_TIMEOUT_MS);
    if (error != 0)
        operations->close(*file);
    return error;
}

/* --- what an interrupted creation left in log/ --------------------------------------------- */

struct meta_leftovers {
    struct storage *storage;
    bool remove;
    int error;
    char blocker[STORAGE_NAME_MAX]; /* a file that is more than a leftover; "": none */
};

/* A whole spare segment, of whatever log: the header says spare and all else is zero. */
static int meta_file_is_unused(struct storage *storage, const char *name, bool *unused)
{
    const struct storage_operations *operations = storage->operations;
    struct storage_file *file;
    int error = operations->open(storage, name, STORAGE_READ_ONLY, &file);
    if (error != 0)
        return error;
    uint64_t size;
    error = operations->size(file, &size);
    *unused = false;
    uint8_t *block = aligned_alloc(STORAGE_ALIGNMENT, STORAGE_ALIGNMENT);
    if (block == NULL)
        error = -ENOMEM;
    struct segment_header header = {.state = SEGMENT_USED};
    if (error == 0 && size >= SEGMENT_BYTES_MIN && size % STORAGE_ALIGNMENT == 0) {
        error = operations->read(file, block, STORAGE_ALIGNMENT, 0);
        *unused = error == 0 && segment_header_decode(block, &header) == 0 &&
                  header.state == SEGMENT_SPARE;
    }
    for (uint64_t i = STORAGE_ALIGNMENT; error == 0 && *unused && i < size;
         i += STORAGE_ALIGNMENT) {
        error = operations->read(file, block, STORAGE_ALIGNMENT, i);
        *unused = bytes_are_zero(block, STORAGE_ALIGNMENT);
    }
    free(block);
    operations->close(file);
    return error;
}

static void meta_visit_leftover(void *context, const char *plain_name)
{
    struct meta_leftovers *leftovers = context;
    uint64_t number;
    enum segment_file_kind kind = segment_parse_name(plain_name, &number);
    if (leftovers->error != 0 || kind == SEGMENT_FILE_OTHER)
        return;
    char name[STORAGE_NAME_MAX];
    bool unused = true;
    if (kind == SEGMENT_FILE_LOG) {
        segment_name(number, name);
        leftovers->error = meta_file_is_unused(leftovers->storage, name, &unused);
    } else {
        segment_temporary_name(number, name);
    }
    if (leftovers->error == 0 && !unused)
        memcpy(leftovers->blocker, name, sizeof(name));
    else if (leftovers->error == 0 && leftovers->remove)
        leftovers->error = leftovers->storage->operations->remove(leftovers->storage, name);
}

int meta_find_blocker(struct storage *storage, char name[STORAGE_NAME_MAX])
{
    struct meta_leftovers leftovers = {.storage = storage};
    int error = storage->operations->list(storage, "log", meta_visit_leftover, &leftovers);
    if (error == -ENOENT)
        error = 0;
    if (error == 0)
        error = leftovers.error;
    if (error == 0)
        memcpy(name, leftovers.blocker, STORAGE_NAME_MAX);
    return error;
}

/* log/ with nothing in it but a spare first segment, all durable. */
static int meta_begin_log(struct storage *storage, const struct meta *meta)
{
    const struct storage_operations *operations = storage->operations;
    int error = operations->make_directory(storage, "log");
    if (error == 0)
        error = operations->sync_directory(storage, "");
    char blocker[STORAGE_NAME_MAX];
    if (error == 0)
        error = meta_find_blocker(storage, blocker);
    if (error == 0 && blocker[0] != '\0')
        error = -ENOTEMPTY;
    if (error != 0)
        return error;
    struct meta_leftovers leftovers = {.storage = storage, .remove = true};
    error = operations->list(storage, "log", meta_visit_leftover, &leftovers);
    if (error == 0)
        error = leftovers.error;
    if (error != 0)
        return error;
    struct storage_file *file;
    error = segment_create_spare(storage, meta, 1, NULL, &file);
    if (error == 0)
        operations->close(file);
    return error;
}

static int meta_write(struct storage_file *file, const struct meta *meta)
{
    const struct storage_operations *operations = file->storage->operations;
    uint8_t *bytes = aligned_alloc(STORAGE_ALIGNMENT, META_BYTES);
    if (bytes == NULL)
        return -ENOMEM;
    meta_encode(meta, bytes);
    int error = operations->write(file, bytes, META_BYTES, 0);
    free(bytes);
    return error != 0 ? error : operations->sync(file);
}

int meta_create(struct storage *storage, const struct meta *meta)
{
    assert(meta->format_version == META_FORMAT_VERSION);
    const struct storage_operations *operations = storage->operations;
    if (!meta_segment_bytes_are_valid(meta->segment_bytes))
        return -EINVAL;
    struct storage_file *file;
    int error = meta_open_temporary(storage, &file);
    if (error != 0)
        return error;
    bool exists = false;
    error = meta_exists(storage, &exists);
    if (error == 0 && exists) {
        /* Either a leftover, or made by ourselves after the other creator had renamed his. */
        error = operations->remove(storage, temporary_name);
        if (error == 0 || error == -ENOENT)
            error = -EEXIST;
    }
    if (error == 0)
        error = meta_begin_log(storage, meta);
    if (error == 0)
        error = meta_write(file, meta);
    if (error == 0)
        error = operations->rename(storage, temporary_name, meta_name);
    if (error == 0)
        error = operations->sync_directory(storage, "");
    operations->close(file);
    return error;
}
