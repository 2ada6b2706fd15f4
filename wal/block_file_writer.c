/* block_file_writer.c - makes a block file, which has its final name when it is complete.
 *
 *     buffers     [ being filled by block_file_append() ]     [ in flight on the channel ]
 *
 *     begin    NAME.tmp, made anew; header
 *     append   into the buffer; a full one is submitted when the one before has landed
 *     finish   footer, flush, read back and compared, rename, flush of the directory
 *
 * Without a channel a full buffer is written on the spot.
 *
 * An old NAME.tmp is removed and made anew, never written over: of a killed process a write may
 * still land (io_uring), and it lands in the file without a name.
 *
 * Guarantees: until the rename nothing but the temporary name is touched; after an error nothing
 * is in flight, and the first errno stays. Must not know: what the blocks mean.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "block_file.h"
#include "block_file_internal.h"
#include "bytes.h"

enum { BUFFERS = 2 };

static const char temporary_ending[] = ".tmp";

struct block_file_writer {
    /* set at the beginning, then read-only */
    struct block_file_plan plan; /* log_id and directory are the copies below */
    uint8_t log_id[META_LOG_ID_BYTES];
    char directory[STORAGE_NAME_MAX];
    char temporary[STORAGE_NAME_MAX]; /* with the directory */
    const char *plain_temporary;      /* without, in there */
    uint64_t salt;
    size_t buffer_bytes; /* whole blocks */

    struct storage_file *file;
    uint8_t *buffers[BUFFERS];
    unsigned filling; /* which of them */
    size_t filled;    /* its bytes */
    size_t in_flight; /* bytes of the other one; 0: nothing */
    uint64_t offset;  /* where what is being filled goes */
    uint64_t block_count;
    uint64_t chain;
    int error; /* the first; nothing is written after it */
};

/* --- writing --------------------------------------------------------------------------------- */

static int writer_pace(const struct block_file_writer *writer, size_t bytes)
{
    const struct block_file_plan *plan = &writer->plan;
    return plan->pace == NULL ? 0 : plan->pace(plan->pace_context, bytes);
}

/* Waits for what is in flight, if anything is: *bytes of it. 0 or -errno. */
static int writer_land(struct block_file_writer *writer, size_t *bytes)
{
    struct channel *channel = writer->plan.channel;
    int result = 0;
    *bytes = writer->in_flight;
    while (writer->in_flight > 0 && !channel->operations->reap(channel, &result)) {
        struct pollfd readable = {.fd = channel->operations->descriptor(channel), .events = POLLIN};
        /* Whatever ended the wait: reap again. The channel bounds how long a write can fail. */
        (void)poll(&readable, 1, -1);
    }
    writer->in_flight = 0;
    return result;
}

static int writer_settle(struct block_file_writer *writer)
{
    size_t bytes;
    int error = writer_land(writer, &bytes);
    return error != 0 || bytes == 0 ? error : writer_pace(writer, bytes);
}

/* Writes what was filled, or submits it; then the other buffer is free. */
static int writer_write(struct block_file_writer *writer)
{
    size_t length = writer->filled;
    if (length == 0)
        return 0;
    const uint8_t *bytes = writer->buffers[writer->filling];
    uint64_t offset = writer->offset;
    struct channel *channel = writer->plan.channel;
    int error;
    if (channel == NULL) {
        error = writer->plan.storage->operations->write(writer->file, bytes, length, offset);
        if (error == 0)
            error = writer_pace(writer, length);
    } else {
        error = writer_settle(writer);
        if (error == 0)
            error = channel->operations->submit(channel, writer->file, bytes, length, offset,
                                                CHANNEL_NO_FLUSH);
        if (error == 0)
            writer->in_flight = length;
        writer->filling = (writer->filling + 1) % BUFFERS;
    }
    writer->offset += length;
    writer->filled = 0;
    return error;
}

/* --- the beginning --------------------------------------------------------------------------- */

static int writer_make_file(struct block_file_writer *writer)
{
    struct storage *storage = writer->plan.storage;
    const struct storage_operations *operations = storage->operations;
    int error = operations->open(storage, writer->temporary, STORAGE_CREATE_NEW, &writer->file);
    if (error != -EEXIST)
        return error;
    error = operations->remove(storage, writer->temporary);
    if (error != 0)
        return error;
    return operations->open(storage, writer->temporary, STORAGE_CREATE_NEW, &writer->file);
}

static struct block_file_writer *writer_create(const struct block_file_plan *plan, const char *name)
{
    struct block_file_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return NULL;
    writer->plan = *plan;
    memcpy(writer->log_id, plan->log_id, META_LOG_ID_BYTES);
    writer->plan.log_id = writer->log_id;
    block_file_full_name(plan->directory, name, temporary_ending, writer->temporary);
    size_t directory_length = strlen(plan->directory); /* fits: the whole name does */
    memcpy(writer->directory, plan->directory, directory_length);
    writer->plan.directory = writer->directory;
    writer->plain_temporary = writer->temporary + directory_length + 1;
    writer->buffer_bytes = bytes_round_up(BLOCK_FILE_PIECE_BYTES, plan->block_bytes);
    for (unsigned i = 0; i < BUFFERS; i++) {
        writer->buffers[i] = aligned_alloc(STORAGE_ALIGNMENT, writer->buffer_bytes);
        if (writer->buffers[i] == NULL)
            writer->error = -ENOMEM;
    }
    return writer;
}

/* Ends it; `remove_temporary` when the file has its temporary name. */
static void writer_destroy(struct block_file_writer *writer, bool remove_temporary)
{
    struct storage *storage = writer->plan.storage;
    size_t bytes;
    (void)writer_land(writer, &bytes); /* given up: how it ended says nothing */
    if (writer->file != NULL)
        storage->operations->close(writer->file);
    /* Best effort: what stays is replaced by the next try. */
    if (remove_temporary)
        (void)storage->operations->remove(storage, writer->temporary);
    for (unsigned i = 0; i < BUFFERS; i++)
        free(writer->buffers[i]);
    free(writer);
}

int block_file_begin(const struct block_file_plan *plan, const char *name,
                     struct block_file_writer **begun)
{
    assert(plan->kind == BLOCK_FILE_CHECKPOINT || plan->kind == BLOCK_FILE_KEYS);
    assert(block_file_block_bytes_are_valid(plan->block_bytes));
    struct block_file_writer *writer = writer_create(plan, name);
    if (writer == NULL)
        return -ENOMEM;
    int error = writer->error;
    if (error == 0)
        error = writer_make_file(writer);
    if (error != 0) {
        writer_destroy(writer, false);
        return error;
    }
    block_file_encode_header(&writer->plan, writer->buffers[0]);
    writer->salt = block_file_salt(writer->buffers[0]);
    writer->chain = writer->salt;
    writer->filled = BLOCK_FILE_HEADER_BYTES;
    error = writer_write(writer);
    if (error != 0) {
        writer_destroy(writer, true);
        return error;
    }
    *begun = writer;
    return 0;
}

/* --- blocks ---------------------------------------------------------------------------------- */

int block_file_append(struct block_file_writer *writer, uint32_t tag, const void *payload,
                      size_t length)
{
    uint32_t block_bytes = writer->plan.block_bytes;
    size_t room = block_bytes - BLOCK_FILE_BLOCK_HEADER_BYTES;
    assert(length <= room);
    if (writer->error != 0)
        return writer->error;
    uint8_t *block = writer->buffers[writer->filling] + writer->filled;
    uint8_t *place = block + BLOCK_FILE_BLOCK_HEADER_BYTES;
    if (length > 0)
        memcpy(place, payload, length);
    memset(place + length, 0, room - length);
    uint64_t sum =
        block_file_seal_block(block, block_bytes, writer->salt, writer->block_count, tag, length);
    writer->chain = block_file_chain(writer->chain, sum);
    writer->block_count++;
    writer->filled += block_bytes;
    if (writer->filled == writer->buffer_bytes)
        writer->error = writer_write(writer);
    return writer->error;
}

uint64_t block_file_count(const struct block_file_writer *writer)
{
    return writer->block_count;
}

/* --- the end --------------------------------------------------------------------------------- */

/* The blocks that wait, the footer, the flush. */
static int writer_complete(struct block_file_writer *writer,
                           const uint8_t totals[BLOCK_FILE_TOTALS_BYTES])
{
    int error = writer_write(writer);
    if (error != 0)
        return error;
    block_file_encode_footer(writer->block_count, writer->chain, totals, writer->salt,
                             writer->buffers[writer->filling]);
    writer->filled = BLOCK_FILE_FOOTER_BYTES;
    error = writer_write(writer);
    if (error == 0)
        error = writer_settle(writer);
    return error != 0 ? error : writer->plan.storage->operations->sync(writer->file);
}

/* Reads the whole file as a reader will; it is what was appended. */
static int writer_read_back(const struct block_file_writer *writer,
                            const uint8_t totals[BLOCK_FILE_TOTALS_BYTES])
{
    const struct block_file_plan *plan = &writer->plan;
    struct block_file file;
    struct block_file_fault fault;
    int error = block_file_open(plan->storage, plan->log_id, plan->kind, plan->directory,
                                writer->plain_temporary, &file, &fault);
    if (error != 0)
        return error;
    bool same = file.block_bytes == plan->block_bytes && file.block_count == writer->block_count &&
                file.chain == writer->chain &&
                memcmp(file.info, plan->info, BLOCK_FILE_INFO_BYTES) == 0 &&
                memcmp(file.totals, totals, BLOCK_FILE_TOTALS_BYTES) == 0;
    error = same ? block_file_verify(&file, plan->pace, plan->pace_context, &fault) : -EBADMSG;
    block_file_close(&file);
    return error;
}

int block_file_finish(struct block_file_writer *writer, const char *name,
                      const uint8_t totals[BLOCK_FILE_TOTALS_BYTES])
{
    struct storage *storage = writer->plan.storage;
    char final[STORAGE_NAME_MAX];
    block_file_full_name(writer->directory, name, "", final);
    int error = writer->error;
    if (error == 0)
        error = writer_complete(writer, totals);
    if (error == 0)
        error = writer_read_back(writer, totals);
    if (error == 0)
        error = storage->operations->rename(storage, writer->temporary, final);
    bool renamed = error == 0;
    if (renamed)
        error = storage->operations->sync_directory(storage, writer->directory);
    writer_destroy(writer, !renamed);
    return error;
}

void block_file_abandon(struct block_file_writer *writer)
{
    if (writer != NULL)
        writer_destroy(writer, true);
}
