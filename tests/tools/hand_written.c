/* hand_written.c - appends records to a log without asking the ledger. */
#include "hand_written.h"

#include <assert.h>
#include <poll.h>
#include <stdint.h>

#include "wal/channel_posix.h"
#include "wal/log.h"
#include "wal/storage_posix.h"

enum { HAND_WRITTEN_BYTES_MAX = 32 * 1024 };

/* Waits for the commit that was submitted. */
static void finish(struct log *log, struct channel *channel)
{
    uint64_t workers;
    while (!log_complete(log, channel, 0, &workers)) {
        struct pollfd readable = {.fd = channel->operations->descriptor(channel), .events = POLLIN};
        int ready = poll(&readable, 1, -1);
        assert(ready == 1);
    }
}

static void append(struct log *log, struct channel *channel, const struct record *records,
                   size_t count)
{
    static uint8_t bytes[HAND_WRITTEN_BYTES_MAX];
    size_t length = 0;
    struct log_reservation reservation;
    for (size_t i = 0; i < count; i++) {
        assert(length + record_size(&records[i]) <= sizeof(bytes));
        length += record_encode(&records[i], bytes + length);
    }
    int error = log_reserve(log, 0, length, (uint32_t)count, &reservation);
    assert(error == 0);
    log_publish(log, &reservation, bytes);
    bool submitted = log_commit(log, channel, 0);
    assert(submitted);
    finish(log, channel);
    assert(log_durable_lsn(log) == reservation.first_lsn + count - 1);
}

void hand_write(const char *directory, const struct record *records, size_t count)
{
    struct storage *storage;
    struct channel *channel;
    struct log *log;
    struct log_report report;
    struct log_options options = {.replay = NULL};
    int error = storage_posix_create(directory, false, &storage);
    assert(error == 0);
    error = channel_posix_create(&channel);
    assert(error == 0);
    error = meta_read(storage, &options.meta);
    assert(error == 0);
    options.storage = storage;
    error = log_open(&options, &log, &report);
    assert(error == 0);
    append(log, channel, records, count);
    log_close(log, channel, true);
    channel->operations->destroy(channel);
    storage_posix_destroy(storage);
}
