/* backup.c - the members of a backup, one after another, as bytes.
 *
 *     INFO -> META -> [FILE header, bytes] ... -> [LOG piece] ... -> MANIFEST -> END
 *
 * Why it is consistent: the files are listed before the durable LSN is taken, so that none of them
 * says more than the log that follows; checkpoints are listed before key files, because a
 * checkpoint needs the key files that were there when it got its name; and nothing is removed
 * meanwhile.
 *
 * Guarantees: blocks and frames are verified as they go out. It must not know what they mean, or
 * who takes the stream.
 */
#include "backup.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_format.h"
#include "checkpoint_file.h"
#include "clock.h"
#include "directory_files.h"
#include "directory_lock.h"
#include "ledger_state.h"
#include "restore_mark.h"
#include "wal/block_file.h"
#include "wal/checksum.h"
#include "wal/log_copy.h"
#include "wal/segment.h"
#include "wal/storage_posix.h"

enum {
    /* What is read of a file at once; holds the largest block, and every small member whole. */
    BUFFER_BYTES = 1024 * 1024,
    FRAME_OF_FILE_BYTES = 4096, /* header and footer of a block file */
    LOCK_TIMEOUT_MS = 1000,
};
_Static_assert((int)BUFFER_BYTES >= (int)BLOCK_FILE_BLOCK_BYTES_MAX, "a block fits");

enum stage {
    STAGE_INFO,
    STAGE_META,
    STAGE_FILE_HEADER,
    STAGE_FILE_BYTES,
    STAGE_LOG,
    STAGE_LOG_PIECE,
    STAGE_MANIFEST,
    STAGE_END,
};

struct backup {
    /* set at open, then read-only */
    struct florin *ledger; /* NULL: of a directory */
    struct storage *storage;
    struct storage *own_storage;
    struct storage_file *lock_file;
    struct meta meta;
    uint64_t durable_lsn;
    uint64_t time_ns;

    /* the files that go into it */
    struct directory_files files;

    /* what comes next */
    enum stage stage;
    size_t next_file;
    struct block_file file; /* FILE_BYTES */
    bool file_open;
    uint64_t file_offset;
    struct log_copy *log;
    struct log_piece piece; /* LOG_PIECE */

    /* the member that is being given out, and those before */
    char member_name[STORAGE_NAME_MAX];
    uint64_t member_size;
    struct checksum_stream *checksum;
    char *manifest;
    size_t manifest_length;
    size_t manifest_max;

    /* bytes that are ready */
    uint8_t *buffer; /* BUFFER_BYTES */
    const uint8_t *ready;
    size_t ready_length;

    char problem[BACKUP_PROBLEM_MAX];
};

/* --- members --------------------------------------------------------------------------------- */

static int add_to_manifest(struct backup *backup, const char *line, size_t length)
{
    if (backup->manifest_length + length > BACKUP_MANIFEST_BYTES_MAX)
        return -EFBIG;
    if (backup->manifest_length + length > backup->manifest_max) {
        size_t max = backup->manifest_max == 0 ? 4096 : 2 * backup->manifest_max;
        char *more = realloc(backup->manifest, max);
        if (more == NULL)
            return -ENOMEM;
        backup->manifest = more;
        backup->manifest_max = max;
    }
    memcpy(backup->manifest + backup->manifest_length, line, length);
    backup->manifest_length += length;
    return 0;
}

/* Writes the header of the member that begins to the start of the buffer. */
static void begin_member(struct backup *backup, const char *name, uint64_t size)
{
    snprintf(backup->member_name, sizeof(backup->member_name), "%s", name);
    backup->member_size = size;
    checksum_stream_begin(backup->checksum);
    backup_header_encode(name, size, backup->time_ns / UINT64_C(1000000000), backup->buffer);
}

static int end_member(struct backup *backup)
{
    char line[BACKUP_MANIFEST_LINE_MAX + 1];
    size_t length = backup_manifest_line(backup->member_name, backup->member_size,
                                         checksum_stream_value(backup->checksum), line);
    return add_to_manifest(backup, line, length);
}

static void give(struct backup *backup, const uint8_t *bytes, size_t length)
{
    backup->ready = bytes;
    backup->ready_length = length;
}

/* A member that stands in the buffer behind the room for its header. */
static int give_small(struct backup *backup, const char *name, size_t length)
{
    uint8_t *bytes = backup->buffer + BACKUP_BLOCK_BYTES;
    begin_member(backup, name, length);
    checksum_stream_add(backup->checksum, bytes, length);
    memset(bytes + length, 0, backup_padding(length));
    give(backup, backup->buffer, BACKUP_BLOCK_BYTES + length + backup_padding(length));
    return end_member(backup);
}

static int give_info(struct backup *backup)
{
    struct backup_info info = {
        .format_version = BACKUP_FORMAT_VERSION,
        .durable_lsn = backup->durable_lsn,
        .time_ns = backup->time_ns,
    };
    memcpy(info.log_id, backup->meta.log_id, META_LOG_ID_BYTES);
    size_t length = backup_info_encode(&info, (char *)backup->buffer + BACKUP_BLOCK_BYTES);
    backup->stage = STAGE_META;
    return give_small(backup, BACKUP_INFO_NAME, length);
}

static int give_meta(struct backup *backup)
{
    struct storage_file *file;
    const struct storage_operations *operations = backup->storage->operations;
    /* aligned for a direct read, then moved behind the header */
    uint8_t *aligned = backup->buffer + BACKUP_META_BYTES;
    int error = operations->open(backup->storage, "meta", STORAGE_READ_ONLY, &file);
    if (error != 0)
        return error;
    error = operations->read(file, aligned, BACKUP_META_BYTES, 0);
    operations->close(file);
    if (error != 0)
        return error;
    memmove(backup->buffer + BACKUP_BLOCK_BYTES, aligned, BACKUP_META_BYTES);
    backup->stage = STAGE_FILE_HEADER;
    return give_small(backup, "meta", BACKUP_META_BYTES);
}

static int say_fault(struct backup *backup, int error, const char *file, uint64_t offset,
                     const char *reason)
{
    if (error == -EBADMSG)
        snprintf(backup->problem, sizeof(backup->problem), "%s at offset %" PRIu64 ": %s", file,
                 offset, reason);
    return error;
}

static int begin_file(struct backup *backup)
{
    if (backup->next_file == backup->files.count) {
        backup->stage = STAGE_LOG;
        return 0;
    }
    const struct directory_file *listed = &backup->files.files[backup->next_file];
    struct block_file_fault fault = {.file = ""};
    int error = block_file_open(backup->storage, backup->meta.log_id, listed->kind,
                                directory_file_folder(listed->kind),
                                directory_file_plain_name(listed), &backup->file, &fault);
    if (error != 0)
        return say_fault(backup, error, fault.file, fault.offset, fault.reason);
    backup->file_open = true;
    backup->file_offset = 0;
    begin_member(backup, backup->file.name, backup->file.file_bytes);
    give(backup, backup->buffer, BACKUP_BLOCK_BYTES);
    backup->stage = STAGE_FILE_BYTES;
    return 0;
}

/* The next blocks of the file, each checked. */
static int read_blocks(struct backup *backup, size_t *length)
{
    const struct block_file *file = &backup->file;
    struct block_file_fault fault = {.file = ""};
    uint64_t first = (backup->file_offset - FRAME_OF_FILE_BYTES) / file->block_bytes;
    uint64_t count = BUFFER_BYTES / file->block_bytes;
    if (count > file->block_count - first)
        count = file->block_count - first;
    int error = block_file_read(file, first, count, backup->buffer, &fault);
    *length = (size_t)count * file->block_bytes;
    return say_fault(backup, error, fault.file, fault.offset, fault.reason);
}

static int give_file_bytes(struct backup *backup)
{
    struct block_file *file = &backup->file;
    size_t length = FRAME_OF_FILE_BYTES;
    int error;
    if (backup->file_offset == file->file_bytes) {
        block_file_close(file);
        backup->file_open = false;
        backup->next_file++;
        backup->stage = STAGE_FILE_HEADER;
        return end_member(backup);
    }
    if (backup->file_offset == 0 || file->file_bytes - backup->file_offset == FRAME_OF_FILE_BYTES)
        error = backup->storage->operations->read(file->file, backup->buffer, length,
                                                  backup->file_offset);
    else
        error = read_blocks(backup, &length);
    if (error != 0)
        return error;
    backup->file_offset += length;
    checksum_stream_add(backup->checksum, backup->buffer, length);
    give(backup, backup->buffer, length);
    return 0;
}

/* Ends the segment before, if there is one, when a new one begins or the log has ended. */
static int end_segment(struct backup *backup)
{
    return backup->piece.length > 0 ? end_member(backup) : 0;
}

static int take_piece(struct backup *backup)
{
    struct log_fault fault = {.file = ""};
    struct log_piece piece;
    if (backup->log == NULL) {
        int error =
            log_copy_open(backup->storage, &backup->meta, backup->durable_lsn, &backup->log);
        if (error == -ENODATA)
            error = say_fault(backup, -EBADMSG, "log/", 0, "no segment was ever written to");
        if (error != 0)
            return error;
    }
    int error = log_copy_next(backup->log, &piece, &fault);
    if (error == -ENODATA) {
        backup->stage = STAGE_MANIFEST;
        return end_segment(backup);
    }
    if (error != 0)
        return say_fault(backup, error, fault.file, fault.offset, fault.reason);
    backup->stage = STAGE_LOG_PIECE;
    if (piece.offset == 0) {
        char name[STORAGE_NAME_MAX];
        error = end_segment(backup);
        segment_name(piece.segment, name);
        begin_member(backup, name, backup->meta.segment_bytes);
        give(backup, backup->buffer, BACKUP_BLOCK_BYTES);
    }
    backup->piece = piece;
    return error;
}

static int give_piece(struct backup *backup)
{
    checksum_stream_add(backup->checksum, backup->piece.bytes, backup->piece.length);
    give(backup, backup->piece.bytes, backup->piece.length);
    backup->stage = STAGE_LOG;
    return 0;
}

/* The manifest is longer than the buffer when there are many files. */
static int give_manifest(struct backup *backup)
{
    size_t length = backup->manifest_length;
    size_t padding = backup_padding(length);
    size_t total =
        BACKUP_BLOCK_BYTES + length + padding + (size_t)BACKUP_END_BLOCKS * BACKUP_BLOCK_BYTES;
    uint8_t *bytes = calloc(1, total);
    if (bytes == NULL)
        return -ENOMEM;
    backup_header_encode(BACKUP_MANIFEST_NAME, length, backup->time_ns / UINT64_C(1000000000),
                         bytes);
    memcpy(bytes + BACKUP_BLOCK_BYTES, backup->manifest, length);
    free(backup->manifest);
    backup->manifest = (char *)bytes;
    give(backup, bytes, total);
    backup->stage = STAGE_END;
    return 0;
}

static int give_next(struct backup *backup)
{
    switch (backup->stage) {
    case STAGE_INFO:
        return give_info(backup);
    case STAGE_META:
        return give_meta(backup);
    case STAGE_FILE_HEADER:
        return begin_file(backup);
    case STAGE_FILE_BYTES:
        return give_file_bytes(backup);
    case STAGE_LOG:
        return take_piece(backup);
    case STAGE_LOG_PIECE:
        return give_piece(backup);
    case STAGE_MANIFEST:
        return give_manifest(backup);
    case STAGE_END:
        break;
    }
    return 0;
}

int backup_read(struct backup *backup, void *buffer, size_t length, size_t *got)
{
    uint8_t *bytes = buffer;
    size_t done = 0;
    while (done < length) {
        while (backup->ready_length == 0 && backup->stage != STAGE_END) {
            int error = give_next(backup);
            if (error != 0)
                return error;
        }
        if (backup->ready_length == 0)
            break;
        size_t piece = backup->ready_length < length - done ? backup->ready_length : length - done;
        memcpy(bytes + done, backup->ready, piece);
        backup->ready += piece;
        backup->ready_length -= piece;
        done += piece;
    }
    *got = done;
    return 0;
}

/* --- life cycle ------------------------------------------------------------------------------ */

static struct backup *create(void)
{
    struct backup *backup = calloc(1, sizeof(*backup));
    if (backup == NULL)
        return NULL;
    backup->time_ns = clock_wall_ns();
    backup->buffer = aligned_alloc(STORAGE_ALIGNMENT, BUFFER_BYTES);
    backup->checksum = checksum_stream_create();
    if (backup->buffer == NULL || backup->checksum == NULL) {
        backup_close(backup);
        return NULL;
    }
    return backup;
}

void backup_close(struct backup *backup)
{
    if (backup == NULL)
        return;
    if (backup->file_open)
        block_file_close(&backup->file);
    if (backup->log != NULL)
        log_copy_close(backup->log);
    if (backup->ledger != NULL)
        ledger_release_files(backup->ledger);
    if (backup->lock_file != NULL)
        backup->storage->operations->close(backup->lock_file);
    if (backup->own_storage != NULL)
        storage_posix_destroy(backup->own_storage);
    checksum_stream_destroy(backup->checksum);
    directory_files_deinit(&backup->files);
    free(backup->manifest);
    free(backup->buffer);
    free(backup);
}

int backup_open(struct florin *ledger, struct backup **backup)
{
    assert(ledger_state(ledger) != LEDGER_RECOVERING);
    struct backup *made = create();
    if (made == NULL)
        return -ENOMEM;
    ledger_hold_files(ledger);
    made->ledger = ledger;
    made->storage = ledger->storage;
    made->meta = ledger->meta;
    int error = directory_files_init(&made->files, made->storage);
    made->durable_lsn = florin_durable_lsn(ledger);
    if (error != 0) {
        backup_close(made);
        return error;
    }
    *backup = made;
    return 0;
}

/* Where the log of a directory is read from, and what must be in it: as its newest checkpoint says.
 */
static int find_start(struct backup *backup, struct log_options *options)
{
    for (size_t i = backup->files.count; i > 0; i--) {
        const struct directory_file *listed = &backup->files.files[i - 1];
        struct block_file_fault fault = {.file = ""};
        struct checkpoint_info info;
        struct checkpoint_totals totals;
        struct block_file file;
        if (listed->kind != BLOCK_FILE_CHECKPOINT)
            continue;
        int error = checkpoint_open(backup->storage, backup->meta.log_id, listed->from, &file,
                                    &info, &totals, &fault);
        if (error != 0)
            return say_fault(backup, error, fault.file, fault.offset, fault.reason);
        block_file_close(&file);
        options->start = info.log_start;
        options->durable_lsn = totals.end_lsn;
        return 0;
    }
    return 0;
}

static int find_end(struct backup *backup)
{
    struct log_options options = {.storage = backup->storage, .meta = backup->meta};
    struct log_report report = {.end = LOG_END_NEW};
    int error = find_start(backup, &options);
    if (error == 0) {
        error = log_verify(&options, &report);
        (void)say_fault(backup, error, report.file, report.offset, report.reason);
    }
    backup->durable_lsn = report.last_lsn;
    return error;
}

static int open_stopped(struct backup *backup, const char *directory)
{
    char holder[DIRECTORY_LOCK_HOLDER_MAX];
    int error = storage_posix_create(directory, false, &backup->own_storage);
    if (error != 0)
        return error;
    backup->storage = backup->own_storage;
    error = restore_mark_check(backup->storage);
    if (error == -EBADMSG)
        return say_fault(backup, error, RESTORE_MARK_NAME, 0, RESTORE_MARK_REASON);
    if (error == 0)
        error = meta_read(backup->storage, &backup->meta);
    if (error == -EBADMSG || error == -EPROTONOSUPPORT)
        return say_fault(backup, -EBADMSG, "meta", 0,
                         error == -EBADMSG ? "damaged, or not a file of Florin"
                                           : "of another version of Florin");
    if (error != 0)
        return error;
    error = directory_lock_take(backup->storage, LOCK_TIMEOUT_MS, &backup->lock_file, holder);
    if (error == -EBUSY)
        snprintf(backup->problem, sizeof(backup->problem), "%s has it open", holder);
    if (error == 0)
        error = directory_files_init(&backup->files, backup->storage);
    return error != 0 ? error : find_end(backup);
}

int backup_open_directory(const char *directory, struct backup **backup,
                          char problem[BACKUP_PROBLEM_MAX])
{
    problem[0] = '\0';
    struct backup *made = create();
    if (made == NULL)
        return -ENOMEM;
    int error = open_stopped(made, directory);
    if (error != 0) {
        memcpy(problem, made->problem, BACKUP_PROBLEM_MAX);
        backup_close(made);
        return error;
    }
    *backup = made;
    return 0;
}

uint64_t backup_durable_lsn(const struct backup *backup)
{
    return backup->durable_lsn;
}

const char *backup_problem(const struct backup *backup)
{
    return backup->problem;
}
