/* history.c - a log under test, with records that can be told and checked from their LSN alone.
 *
 * Guarantees: replay_is_wrong as soon as one record is not what was written at its LSN, or LSNs are
 * not dense. Must not know: how the log stores them.
 */
#include "wal/history.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "florin_limits.h"
#include "wal/bytes.h"

enum { RECORD_HEAD_BYTES = 16 };

struct meta history_meta(uint64_t segment_bytes)
{
    struct meta meta = {
        .format_version = META_FORMAT_VERSION,
        .created_ns = UINT64_C(1700000000000000000),
        .segment_bytes = segment_bytes,
    };
    for (unsigned i = 0; i < META_LOG_ID_BYTES; i++)
        meta.log_id[i] = (uint8_t)(0xa0 + i);
    for (unsigned i = 0; i < META_HASH_SEED_BYTES; i++)
        meta.hash_seed[i] = (uint8_t)i;
    return meta;
}

/* 8 bytes LSN, 8 bytes length, then zeros and other bytes in turn: both must survive. */
void history_record(uint64_t lsn, uint8_t *bytes, size_t length)
{
    assert(length >= RECORD_HEAD_BYTES);
    bytes_put_u64(bytes, lsn);
    bytes_put_u64(bytes + 8, length);
    for (size_t i = RECORD_HEAD_BYTES; i < length; i++)
        bytes[i] = i / 64 % 2 == 0 ? 0 : (uint8_t)(lsn * 31 + i);
}

bool history_records_are_right(uint64_t first_lsn, uint32_t count, const uint8_t *bytes,
                               size_t length)
{
    static _Thread_local uint8_t expected[FLORIN_GROUP_BYTES_MAX];
    size_t position = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (position + RECORD_HEAD_BYTES > length)
            return false;
        size_t size = bytes_get_u64(bytes + position + 8);
        if (size < RECORD_HEAD_BYTES || size > length - position)
            return false;
        history_record(first_lsn + i, expected, size);
        if (memcmp(bytes + position, expected, size) != 0)
            return false;
        position += size;
    }
    return position == length;
}

static int history_replay(void *context, uint64_t first_lsn, uint32_t record_count,
                          const uint8_t *bytes, size_t length)
{
    struct history *history = context;
    if (first_lsn != history->replayed + 1 ||
        !history_records_are_right(first_lsn, record_count, bytes, length))
        history->replay_is_wrong = true;
    else
        history->replayed = first_lsn + record_count - 1;
    return 0;
}

int history_open_from(struct history *history, struct storage *storage, struct channel *channel,
                      const struct meta *meta, const struct log_start *start, uint64_t durable_lsn)
{
    *history = (struct history){.storage = storage, .channel = channel};
    int error = meta_read(storage, &history->meta);
    if (error == -ENOENT) {
        error = meta_create(storage, meta);
        history->meta = *meta;
    }
    if (error != 0) {
        history->error = error;
        return error;
    }
    struct log_options options = {
        .storage = storage,
        .meta = history->meta,
        .replay = history_replay,
        .replay_context = history,
        .start = *start,
        .durable_lsn = durable_lsn,
    };
    if (start->segment > 0)
        history->replayed = start->first_lsn - 1;
    error = log_open(&options, &history->log, &history->report);
    history->error = error;
    history->reserved = history->replayed;
    history->durable = history->replayed;
    return error;
}

int history_open(struct history *history, struct storage *storage, struct channel *channel,
                 const struct meta *meta)
{
    const struct log_start none = {0};
    return history_open_from(history, storage, channel, meta, &none, 0);
}

int history_append(struct history *history, uint32_t count, size_t length)
{
    static uint8_t bytes[FLORIN_GROUP_BYTES_MAX];
    assert(count * length <= sizeof(bytes));
    if (history->error != 0)
        return history->error;
    struct log_reservation reservation;
    int error = log_reserve(history->log, 0, count * length, count, &reservation);
    if (error != 0)
        return error;
    assert(reservation.first_lsn == history->reserved + 1);
    for (uint32_t i = 0; i < count; i++)
        history_record(reservation.first_lsn + i, bytes + i * length, length);
    log_publish(history->log, &reservation, bytes);
    history->reserved += count;
    return 0;
}

static void history_finish(struct history *history)
{
    uint64_t workers;
    while (!log_complete(history->log, history->channel, 0, &workers)) {
        const struct channel *channel = history->channel;
        struct pollfd readable = {.fd = channel->operations->descriptor(channel), .events = POLLIN};
        assert(poll(&readable, 1, -1) == 1);
    }
    history->durable = log_durable_lsn(history->log);
    history->error = -log_failed(history->log);
}

void history_commit(struct history *history)
{
    if (history->error != 0)
        return;
    assert(history->group_count < HISTORY_GROUPS_MAX);
    history->group_ends[history->group_count++] = history->reserved;
    if (log_commit(history->log, history->channel, 0))
        history_finish(history);
    else
        history->error = log_failed(history->log) != 0 ? -log_failed(history->log) : -ENOSPC;
}

void history_mark(struct history *history)
{
    if (history->error == 0 && log_commit_idle_mark(history->log, history->channel, 0))
        history_finish(history);
    else if (history->error == 0)
        history->error = -log_failed(history->log);
}

void history_close(struct history *history, bool clean)
{
    if (history->log != NULL)
        log_close(history->log, history->channel, clean);
    history->log = NULL;
}
