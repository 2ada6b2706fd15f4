/* unpack.c - members of a backup, one after another, into files.
 *
 * What a member may be, in order:
 *
 *     BACKUP-INFO  meta  checkpoint/...  keys/...  log/... (one or more, without a gap)  MANIFEST
 *
 * Members of a kind come in the order of their names, so that none comes twice. Headers and
 * manifest are made again from what was read, and compared byte by byte.
 *
 * Guarantees: nothing is written outside of the storage; nothing is taken for complete that is not.
 * It must not know what the files mean.
 */
#include "unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wal/checksum.h"
#include "wal/meta.h"
#include "wal/segment.h"

enum { BUFFER_BYTES = 1024 * 1024 };

struct unpacking {
    int input;
    struct storage *storage;
    struct tool_problem *problem;
    uint64_t offset; /* in the stream */
    uint8_t *buffer; /* aligned */
    struct checksum_stream *checksum;
    struct meta meta;
    struct backup_info info;

    /* the member that is read */
    char name[STORAGE_NAME_MAX];
    uint64_t size;
    enum backup_member kind;
    /* the one before; UNKNOWN: none yet */
    char last_name[STORAGE_NAME_MAX];
    enum backup_member last_kind;

    char *manifest; /* of what was read */
    size_t manifest_length;
    size_t manifest_max;
};

static int refuse(struct unpacking *unpacking, const char *reason)
{
    (void)problem_say(unpacking->problem, -EBADMSG,
                      unpacking->name[0] == '\0' ? "(stream)" : unpacking->name, 0, "%s", reason);
    unpacking->problem->offset = unpacking->offset;
    return -EBADMSG;
}

/* --- the stream ------------------------------------------------------------------------------ */

/* Up to `length` bytes; fewer at the end of the stream only. */
static int read_some(struct unpacking *unpacking, uint8_t *bytes, size_t length, size_t *got)
{
    *got = 0;
    while (*got < length) {
        ssize_t piece = read(unpacking->input, bytes + *got, length - *got);
        if (piece < 0 && errno == EINTR)
            continue;
        if (piece < 0)
            return -errno;
        if (piece == 0)
            break;
        *got += (size_t)piece;
    }
    unpacking->offset += *got;
    return 0;
}

static int read_exactly(struct unpacking *unpacking, uint8_t *bytes, size_t length)
{
    size_t got;
    int error = read_some(unpacking, bytes, length, &got);
    if (error == 0 && got != length)
        error = refuse(unpacking, "the backup ends here: it is cut off. Make a new one, or copy it "
                                  "again");
    return error;
}

/* Zeros behind a member, and at the end. */
static int read_zeros(struct unpacking *unpacking, size_t length)
{
    uint8_t bytes[BACKUP_BLOCK_BYTES];
    int error = read_exactly(unpacking, bytes, length);
    for (size_t i = 0; i < length && error == 0; i++) {
        if (bytes[i] != 0)
            error = refuse(unpacking, "bytes where there must be zeros: the backup is damaged");
    }
    return error;
}

/* --- members --------------------------------------------------------------------------------- */

static bool size_is_right(const struct unpacking *unpacking)
{
    uint64_t size = unpacking->size;
    bool is_blocks = size % STORAGE_ALIGNMENT == 0;
    switch (unpacking->kind) {
    case BACKUP_MEMBER_INFO:
        return size > 0 && size < BACKUP_INFO_BYTES_MAX;
    case BACKUP_MEMBER_META:
        return size == BACKUP_META_BYTES;
    case BACKUP_MEMBER_CHECKPOINT:
    case BACKUP_MEMBER_KEYS:
        return is_blocks && size >= (uint64_t)2 * STORAGE_ALIGNMENT &&
               size <= BACKUP_FILE_BYTES_MAX;
    case BACKUP_MEMBER_SEGMENT:
        return size == unpacking->meta.segment_bytes;
    case BACKUP_MEMBER_MANIFEST:
        return size == unpacking->manifest_length;
    case BACKUP_MEMBER_UNKNOWN:
        break;
    }
    return false;
}

/* Whether a segment follows the one before. */
static bool segment_follows(const struct unpacking *unpacking)
{
    uint64_t number;
    uint64_t before;
    return unpacking->last_kind != BACKUP_MEMBER_SEGMENT ||
           (segment_parse_name(strchr(unpacking->name, '/') + 1, &number) == SEGMENT_FILE_LOG &&
            segment_parse_name(strchr(unpacking->last_name, '/') + 1, &before) ==
                SEGMENT_FILE_LOG &&
            number == before + 1);
}

static bool order_is_right(const struct unpacking *unpacking)
{
    enum backup_member last = unpacking->last_kind;
    switch (unpacking->kind) {
    case BACKUP_MEMBER_INFO:
        return last == BACKUP_MEMBER_UNKNOWN;
    case BACKUP_MEMBER_META:
        return last == BACKUP_MEMBER_INFO;
    case BACKUP_MEMBER_CHECKPOINT:
    case BACKUP_MEMBER_KEYS:
        return last == BACKUP_MEMBER_META ||
               (last <= unpacking->kind && last > BACKUP_MEMBER_META &&
                (last != unpacking->kind || strcmp(unpacking->last_name, unpacking->name) < 0));
    case BACKUP_MEMBER_SEGMENT:
        return last >= BACKUP_MEMBER_META && last <= BACKUP_MEMBER_SEGMENT &&
               segment_follows(unpacking);
    case BACKUP_MEMBER_MANIFEST:
        return last == BACKUP_MEMBER_SEGMENT;
    case BACKUP_MEMBER_UNKNOWN:
        break;
    }
    return false;
}

static int begin_member(struct unpacking *unpacking)
{
    uint8_t block[BACKUP_BLOCK_BYTES];
    bool end;
    memcpy(unpacking->last_name, unpacking->name, sizeof(unpacking->last_name));
    unpacking->last_kind = unpacking->kind;
    int error = read_exactly(unpacking, block, sizeof(block));
    if (error != 0)
        return error;
    if (!backup_header_decode(block, unpacking->name, &unpacking->size, &end)) {
        unpacking->name[0] = '\0';
        return refuse(unpacking, "not a header of a backup: this is no backup of Florin, or it is "
                                 "damaged");
    }
    if (end)
        return refuse(unpacking, "the end comes before the manifest: the backup is cut off");
    unpacking->kind = backup_member_of_name(unpacking->name);
    if (unpacking->kind == BACKUP_MEMBER_UNKNOWN)
        return refuse(unpacking, "a backup has no member of this name");
    if (!order_is_right(unpacking))
        return refuse(unpacking, "this member does not belong here: the backup was put together "
                                 "otherwise");
    if (!size_is_right(unpacking))
        return refuse(unpacking, "this member has another size than it must have");
    checksum_stream_begin(unpacking->checksum);
    return 0;
}

static int end_member(struct unpacking *unpacking)
{
    char line[BACKUP_MANIFEST_LINE_MAX + 1];
    size_t length = backup_manifest_line(unpacking->name, unpacking->size,
                                         checksum_stream_value(unpacking->checksum), line);
    if (unpacking->manifest_length + length > BACKUP_MANIFEST_BYTES_MAX)
        return refuse(unpacking, "more members than a backup can have");
    if (unpacking->manifest_length + length >= unpacking->manifest_max) {
        size_t max = unpacking->manifest_max == 0 ? BUFFER_BYTES : 2 * unpacking->manifest_max;
        char *more = realloc(unpacking->manifest, max);
        if (more == NULL)
            return -ENOMEM;
        unpacking->manifest = more;
        unpacking->manifest_max = max;
    }
    memcpy(unpacking->manifest + unpacking->manifest_length, line, length);
    unpacking->manifest_length += length;
    return read_zeros(unpacking, backup_padding(unpacking->size));
}

static int read_info(struct unpacking *unpacking)
{
    size_t length = (size_t)unpacking->size;
    int error = read_exactly(unpacking, unpacking->buffer, length);
    if (error != 0)
        return error;
    checksum_stream_add(unpacking->checksum, unpacking->buffer, length);
    error = backup_info_decode((const char *)unpacking->buffer, length, &unpacking->info);
    if (error == -EPROTONOSUPPORT)
        return problem_say(unpacking->problem, -EBADMSG, unpacking->name, 0,
                           "the backup is of format version %" PRIu32
                           ", this release reads %d: use the release that made it",
                           unpacking->info.format_version, BACKUP_FORMAT_VERSION);
    return error != 0 ? refuse(unpacking, "not what a backup says of itself") : 0;
}

static int write_bytes(struct unpacking *unpacking, struct storage_file *file)
{
    for (uint64_t offset = 0; offset < unpacking->size;) {
        uint64_t rest = unpacking->size - offset;
        size_t length = rest < BUFFER_BYTES ? (size_t)rest : BUFFER_BYTES;
        int error = read_exactly(unpacking, unpacking->buffer, length);
        if (error != 0)
            return error;
        checksum_stream_add(unpacking->checksum, unpacking->buffer, length);
        error = file->storage->operations->write(file, unpacking->buffer, length, offset);
        if (error != 0)
            return error;
        offset += length;
    }
    return file->storage->operations->sync(file);
}

static int read_file(struct unpacking *unpacking)
{
    const struct storage_operations *operations = unpacking->storage->operations;
    struct storage_file *file;
    int error = operations->open(unpacking->storage, unpacking->name, STORAGE_CREATE_NEW, &file);
    if (error != 0)
        return error;
    error = write_bytes(unpacking, file);
    operations->close(file);
    if (error != 0 || unpacking->kind != BACKUP_MEMBER_META)
        return error;
    error = meta_read(unpacking->storage, &unpacking->meta);
    if (error == -EPROTONOSUPPORT)
        return refuse(unpacking, "of another version of Florin: use the release that wrote it");
    if (error == -EBADMSG)
        return refuse(unpacking, "it is damaged");
    if (error == 0 &&
        memcmp(unpacking->meta.log_id, unpacking->info.log_id, META_LOG_ID_BYTES) != 0)
        return refuse(unpacking, "it is of another ledger than the backup says");
    return error;
}

/* --- the end --------------------------------------------------------------------------------- */

/* Names the first member whose line differs. */
static int refuse_manifest(struct unpacking *unpacking, const char *found)
{
    const char *own = unpacking->manifest;
    size_t line = 0;
    for (size_t i = 0; i < unpacking->manifest_length && own[i] == found[i]; i++) {
        if (own[i] == '\n')
            line = i + 1;
    }
    int length = (int)strcspn(own + line, "\n");
    return problem_say(unpacking->problem, -EBADMSG, unpacking->name, 0,
                       "a member is damaged; what was read is \"%.*s\", the manifest says "
                       "otherwise",
                       length, own + line);
}

static int read_manifest(struct unpacking *unpacking)
{
    size_t length = unpacking->manifest_length;
    char *found = calloc(1, length + 1);
    if (found == NULL)
        return -ENOMEM;
    int error = read_exactly(unpacking, (uint8_t *)found, length);
    unpacking->manifest[length] = '\0';
    if (error == 0 && memcmp(found, unpacking->manifest, length) != 0)
        error = refuse_manifest(unpacking, found);
    free(found);
    if (error == 0)
        error = read_zeros(unpacking, backup_padding(length));
    for (int i = 0; i < BACKUP_END_BLOCKS && error == 0; i++)
        error = read_zeros(unpacking, BACKUP_BLOCK_BYTES);
    if (error != 0)
        return error;
    uint8_t more;
    size_t got;
    error = read_some(unpacking, &more, 1, &got);
    return error == 0 && got > 0 ? refuse(unpacking, "bytes behind the end of the backup") : error;
}

static int read_members(struct unpacking *unpacking)
{
    for (;;) {
        int error = begin_member(unpacking);
        if (error != 0)
            return error;
        if (unpacking->kind == BACKUP_MEMBER_MANIFEST)
            return read_manifest(unpacking);
        error = unpacking->kind == BACKUP_MEMBER_INFO ? read_info(unpacking) : read_file(unpacking);
        if (error == 0)
            error = end_member(unpacking);
        if (error != 0)
            return error;
    }
}

static const char *const folders[] = {"log", "checkpoint", "keys"};
enum { FOLDERS = sizeof(folders) / sizeof(folders[0]) };

int unpack_backup(int input, struct storage *storage, struct backup_info *info,
                  struct tool_problem *problem)
{
    const struct storage_operations *operations = storage->operations;
    struct unpacking unpacking = {
        .input = input,
        .storage = storage,
        .problem = problem,
        .kind = BACKUP_MEMBER_UNKNOWN,
        .buffer = aligned_alloc(STORAGE_ALIGNMENT, BUFFER_BYTES),
        .checksum = checksum_stream_create(),
    };
    *problem = (struct tool_problem){.offset = 0};
    int error = unpacking.buffer == NULL || unpacking.checksum == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < FOLDERS && error == 0; i++)
        error = operations->make_directory(storage, folders[i]);
    if (error == 0)
        error = read_members(&unpacking);
    for (size_t i = 0; i < FOLDERS && error == 0; i++)
        error = operations->sync_directory(storage, folders[i]);
    if (error == 0)
        error = operations->sync_directory(storage, "");
    if (error == 0)
        *info = unpacking.info;
    free(unpacking.manifest);
    free(unpacking.buffer);
    checksum_stream_destroy(unpacking.checksum);
    return error;
}
