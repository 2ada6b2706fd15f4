/* log_start.c - where the log can begin: places to start reading from, and what retention leaves.
 *
 *     segments    1..f-1 removed     f ... k-1 kept     k live     k+1, k+2 spare
 *                                          ^ a start: any k' >= f, with what came before it
 *
 * A start in bytes, little-endian:
 *
 *      0  u64  segment     0: none, and all else is 0
 *      8  u64  first_lsn   at least 1; of segment 1: 1
 *     16  u64  chain
 *     24  u32  epoch       0 for segment 1, at least 1 for others
 *     28  u32  reserved    0
 *
 * A segment may be removed only when a later one has a durable frame: until then a torn change of
 * segments sends the log back into the one before.
 *
 * Guarantees: kept segments have no gap, also after a crash between two removals (a directory's
 * changes survive in their order). Must not know: who needs the old records.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "bytes.h"
#include "log_internal.h"

enum { RESERVED_OFFSET = 28 };

_Static_assert(RESERVED_OFFSET + 4 == (int)LOG_START_BYTES, "the fields have no gap");

void log_start_encode(const struct log_start *start, uint8_t bytes[LOG_START_BYTES])
{
    bytes_put_u64(bytes, start->segment);
    bytes_put_u64(bytes + 8, start->first_lsn);
    bytes_put_u64(bytes + 16, start->chain);
    bytes_put_u32(bytes + 24, start->epoch);
    bytes_put_u32(bytes + RESERVED_OFFSET, 0);
}

bool log_start_decode(const uint8_t bytes[LOG_START_BYTES], struct log_start *start)
{
    struct log_start found = {
        .segment = bytes_get_u64(bytes),
        .first_lsn = bytes_get_u64(bytes + 8),
        .chain = bytes_get_u64(bytes + 16),
        .epoch = bytes_get_u32(bytes + 24),
    };
    if (bytes_get_u32(bytes + RESERVED_OFFSET) != 0)
        return false;
    if (found.segment == 0 && !bytes_are_zero(bytes, LOG_START_BYTES))
        return false;
    if (found.segment == 1 && (found.first_lsn != 1 || found.epoch != 0))
        return false;
    if (found.segment > 1 && (found.first_lsn == 0 || found.epoch == 0))
        return false;
    *start = found;
    return true;
}

void log_note_start(struct log *log)
{
    const struct log_flight *flight = &log->flight;
    const struct frame_header *frame = &flight->frame;
    if (!flight->place.starts_segment)
        return;
    log->live_start = (struct log_start){
        .segment = flight->place.segment,
        .first_lsn = frame->first_lsn,
        .chain = frame->chain,
        .epoch = frame->epoch - (frame->kind == FRAME_RECOVERY),
    };
}

struct log_start log_live_start(struct log *log)
{
    pthread_mutex_lock(&log->mutex);
    struct log_start start = log->live_start;
    pthread_mutex_unlock(&log->mutex);
    return start;
}

uint64_t log_first_segment(const struct log *log)
{
    /* Relaxed: files tell whether a segment is there; this only says where to look first. */
    return atomic_load_explicit(&log->counters.first_segment, memory_order_relaxed);
}

int log_remove_segments(struct log *log, uint64_t before)
{
    int failed = log_failed(log);
    if (failed != 0)
        return -failed;
    struct storage *storage = log->options.storage;
    uint64_t live = log_live_start(log).segment;
    if (before > live)
        before = live;
    bool removed = false;
    for (uint64_t number = log_first_segment(log); number < before; number++) {
        char name[STORAGE_NAME_MAX];
        segment_name(number, name);
        int error = storage->operations->remove(storage, name);
        if (error != 0 && error != -ENOENT)
            return error;
        atomic_store_explicit(&log->counters.first_segment, number + 1, memory_order_relaxed);
        log_count(&log->counters.removed_segments, 1);
        removed = true;
    }
    return removed ? storage->operations->sync_directory(storage, "log") : 0;
}
