/* log.c - group commit: many threads gather records, one frame at a time becomes durable.
 *
 *     groups, in the order of the log        number % LOG_GROUPS is the slot
 *
 *       commit_number - 1      commit_number ...        gather_number
 *       [ in flight      ]     [ full, waiting ]        [ takes reservations ]
 *
 *   reserve   (mutex)     bytes and LSNs at the end of the gathering group; when it has no room,
 *                         the next slot gathers, if it is free
 *   publish   (no lock)   copies records to where they stand in the frame, then adds their bytes to
 *                         `published` (release)
 *   commit    (mutex)     the oldest group, when `published` (acquire) equals `reserved`: takes its
 *                         place at the end of the log, sets `committing`; a group that takes
 *                         reservations takes none from here on
 *             (no lock)   sums, header, submit on the caller's channel
 *   complete  (no lock)   reaps the caller's channel
 *             (mutex)     raises the durable LSN (release), frees the slot, clears `committing`
 *
 * Who publishes last calls log_commit(): so a group whose commit was put off because of an
 * unpublished reservation is never forgotten. While a commit is under way nobody else submits; the
 * thread that completes it calls log_commit() next.
 *
 * The rules of the writer, on which verdict.c rests:
 *
 *   1. One write in flight; the next begins after success of the one before.
 *   2. A frame goes behind the one before when the live segment has room for it, else with the
 *      final header block to the start of the next spare, in the same write.
 *   3. `durable_lsn` of a frame is what was known before its write began.
 *   4. A failed write is final: nothing is written after it.
 *
 * Guarantees: LSNs are dense; the durable LSN never moves back, and never after a failure.
 * Must not know: what a record means; how the log is recovered (log_open.c).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log_internal.h"

/* --- small things ---------------------------------------------------------------------------- */

void log_say(const struct log *log, const char *format, ...)
{
    if (log->options.log_line == NULL)
        return;
    char line[LOG_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log->options.log_line(log->options.log_context, line);
}

void log_poison(struct log *log, int error, const char *what, uint64_t segment, uint64_t offset)
{
    assert(error > 0);
    int none = 0;
    /* Release: whoever sees the failure sees what led to it. Acquired by log_failed(). */
    if (!atomic_compare_exchange_strong_explicit(&log->failed, &none, error, memory_order_acq_rel,
                                                 memory_order_acquire))
        return;
    log_say(log,
            "event=log_failed step=%s errno=%d segment=%" PRIu64 " offset=%" PRIu64
            " durable_lsn=%" PRIu64,
            what, error, segment, offset,
            atomic_load_explicit(&log->durable_lsn, memory_order_relaxed));
    if (log->options.wake != NULL)
        log->options.wake(log->options.wake_context);
}

static struct log_group *log_group(struct log *log, uint64_t number)
{
    return &log->groups[number % LOG_GROUPS];
}

static void log_group_reset(struct log_group *group)
{
    group->reserved = 0;
    group->record_count = 0;
    group->workers = 0;
    atomic_store_explicit(&group->published, 0, memory_order_relaxed); /* under the mutex */
}

/* Opens the next slot for reservations. false: all are taken. Under the mutex. */
static bool log_gather_next(struct log *log)
{
    uint64_t oldest = log->commit_number;
    if (log->committing && log->flight.of_group)
        oldest--;
    if (log->gather_number + 1 - oldest >= LOG_GROUPS)
        return false;
    log->gather_number++;
    log_group_reset(log_group(log, log->gather_number));
    return true;
}

/* Counters are written under the mutex, or by one thread only, so that a load and a store are an
 * addition. */
void log_count(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
                          memory_order_relaxed);
}

unsigned log_histogram_bucket(uint64_t value)
{
    unsigned bucket = value == 0 ? 0 : 63 - (unsigned)__builtin_clzll(value);
    return bucket < LOG_HISTOGRAM_BUCKETS ? bucket : LOG_HISTOGRAM_BUCKETS - 1;
}

/* --- gathering ------------------------------------------------------------------------------- */

/* Whether the log can take `length` bytes more than it has without a segment that cannot be made.
 */
static bool log_has_place(const struct log *log, const struct log_group *gathering, size_t length)
{
    if (log->spare_count > 0 || !atomic_load_explicit(&log->disk_is_full, memory_order_relaxed))
        return true;
    uint64_t offset = log->live_offset;
    for (uint64_t number = log->commit_number; number < log->gather_number; number++)
        offset += frame_length(log->groups[number % LOG_GROUPS].reserved);
    offset += frame_length(gathering->reserved + length);
    return offset <= log->options.meta.segment_bytes;
}

static int log_reserve_locked(struct log *log, unsigned worker, size_t length,
                              uint32_t record_count, struct log_reservation *reservation)
{
    struct log_group *group = log_group(log, log->gather_number);
    if (group->reserved + length > log->group_capacity) {
        if (!log_gather_next(log))
            return -EAGAIN;
        group = log_group(log, log->gather_number);
    }
    if (!log_has_place(log, group, length))
        return -ENOSPC;
    if (group->reserved == 0)
        group->first_lsn = log->next_lsn;
    *reservation = (struct log_reservation){
        .first_lsn = log->next_lsn,
        .group = (uint32_t)(log->gather_number % LOG_GROUPS),
        .offset = group->reserved,
        .length = (uint32_t)length,
    };
    group->reserved += (uint32_t)length;
    group->record_count += record_count;
    group->workers |= UINT64_C(1) << worker;
    log->next_lsn += record_count;
    return 0;
}

int log_reserve(struct log *log, unsigned worker, size_t length, uint32_t record_count,
                struct log_reservation *reservation)
{
    assert(worker < LOG_WORKERS_MAX);
    assert(length > 0 && length <= FLORIN_GROUP_BYTES_MAX);
    assert(record_count > 0);
    int failed = log_failed(log);
    if (failed != 0)
        return -failed;
    if (length > log->group_capacity)
        return -EMSGSIZE;
    pthread_mutex_lock(&log->mutex);
    int error = log_reserve_locked(log, worker, length, record_count, reservation);
    pthread_mutex_unlock(&log->mutex);
    return error;
}

void log_publish(struct log *log, const struct log_reservation *reservation, const uint8_t *bytes)
{
    struct log_group *group = &log->groups[reservation->group];
    frame_payload_put(group->buffer + SEGMENT_HEADER_BYTES, reservation->offset, bytes,
                      reservation->length);
    /* Release: the records are in place. Acquired by log_commit(), which sums and writes them. */
    atomic_fetch_add_explicit(&group->published, reservation->length, memory_order_release);
}

/* --- committing ------------------------------------------------------------------------------ */

bool log_take_place(struct log *log, uint32_t frame_bytes, struct log_place *place)
{
    if (log->live_offset + frame_bytes <= log->options.meta.segment_bytes) {
        *place = (struct log_place){
            .file = log->live,
            .segment = log->live_segment,
            .offset = log->live_offset,
        };
        log->live_offset += frame_bytes;
        return true;
    }
    if (log->spare_count == 0) {
        log->waiting_for_spare = true;
        log_spares_want(log);
        return false;
    }
    *place = (struct log_place){
        .file = log->spares[0],
        .retired = log->live,
        .segment = log->live_segment + 1,
        .offset = SEGMENT_HEADER_BYTES,
        .starts_segment = true,
    };
    log->spare_count--;
    memmove(log->spares, log->spares + 1, log->spare_count * sizeof(struct storage_file *));
    log->live = place->file;
    log->live_segment = place->segment;
    log->live_offset = place->offset + frame_bytes;
    log_count(&log->counters.segments_started, 1);
    atomic_store_explicit(&log->counters.live_segment, log->live_segment, memory_order_relaxed);
    atomic_store_explicit(&log->counters.spare_segments, log->spare_count, memory_order_relaxed);
    log_spares_want(log);
    return true;
}

void log_seal_flight(struct log *log, const uint8_t **bytes, size_t *length, uint64_t *offset)
{
    const struct meta *meta = &log->options.meta;
    struct log_flight *flight = &log->flight;
    const struct log_place *place = &flight->place;
    struct frame_header *frame = &flight->frame;
    frame->epoch = log->epoch;
    frame->log_id_low = frame_log_id_low(meta->log_id);
    frame->segment = place->segment;
    frame->offset = place->offset;
    frame->chain = log->chain;
    frame_seal(flight->buffer + SEGMENT_HEADER_BYTES, frame,
               segment_salt(meta->log_id, place->segment));
    *bytes = flight->buffer + SEGMENT_HEADER_BYTES;
    *length = frame->length;
    *offset = place->offset;
    if (place->starts_segment) {
        struct segment_header header = {
            .number = place->segment,
            .segment_bytes = meta->segment_bytes,
            .state = SEGMENT_USED,
            .epoch = log->epoch,
            .first_lsn = frame->first_lsn,
            .chain = log->chain,
        };
        memcpy(header.log_id, meta->log_id, META_LOG_ID_BYTES);
        segment_header_encode(&header, flight->buffer);
        *bytes = flight->buffer;
        *length += SEGMENT_HEADER_BYTES;
        *offset = 0;
    }
    log->chain = frame->checksum;
}

/* Frees what the flight held. The mutex is held. */
static void log_end_flight(struct log *log)
{
    log->committing = false;
    atomic_store_explicit(&log->counters.commit_started_ns, 0, memory_order_relaxed);
}

/* The flight is set up and `committing` is ours. */
bool log_submit(struct log *log, struct channel *channel)
{
    struct log_flight *flight = &log->flight;
    const uint8_t *bytes;
    size_t length;
    uint64_t offset;
    log_seal_flight(log, &bytes, &length, &offset);
    int error = channel->operations->submit(channel, flight->place.file, bytes, length, offset,
                                            CHANNEL_FLUSH);
    struct storage_file *retired = flight->place.retired;
    if (retired != NULL)
        retired->storage->operations->close(retired); /* nothing of it is in flight: rule 1 */
    if (error != 0) {
        log_poison(log, -error, "submit", flight->place.segment, flight->place.offset);
        pthread_mutex_lock(&log->mutex);
        log_end_flight(log);
        pthread_mutex_unlock(&log->mutex);
        return false;
    }
    /* The simulator's turn to prepare; a failure has poisoned the log, which the caller sees. */
    if (!log->options.background && flight->place.starts_segment)
        (void)log_spares_fill(log, LOG_SPARES);
    return true;
}

/* Takes the oldest group into flight. The mutex is held. false: it is not its time. */
static bool log_take_group(struct log *log, uint64_t now_ns)
{
    if (log->committing || log_failed(log) != 0)
        return false;
    struct log_group *group = log_group(log, log->commit_number);
    /* Acquire: pairs with the release in log_publish(). */
    if (group->reserved == 0 ||
        atomic_load_explicit(&group->published, memory_order_acquire) != group->reserved)
        return false;
    struct log_place place;
    if (!log_take_place(log, frame_length(group->reserved), &place))
        return false;
    uint64_t durable_lsn = atomic_load_explicit(&log->durable_lsn, memory_order_relaxed);
    log->flight = (struct log_flight){
        .buffer = group->buffer,
        .place = place,
        .frame =
            {
                .kind = FRAME_RECORDS,
                .record_count = group->record_count,
                .first_lsn = group->first_lsn,
                .durable_lsn = durable_lsn,
                .payload_length = group->reserved,
            },
        .workers = group->workers,
        .started_ns = now_ns,
        .of_group = true,
    };
    log->committing = true;
    log->newest_durable_lsn = durable_lsn;
    atomic_store_explicit(&log->counters.commit_started_ns, now_ns, memory_order_relaxed);
    if (log->commit_number++ == log->gather_number) {
        bool next = log_gather_next(log);
        assert(next); /* the flight holds one slot of three, nothing waits */
    }
    return true;
}

bool log_commit(struct log *log, struct channel *channel, uint64_t now_ns)
{
    pthread_mutex_lock(&log->mutex);
    bool taken = log_take_group(log, now_ns);
    bool wants_spare = log->waiting_for_spare;
    pthread_mutex_unlock(&log->mutex);
    if (!taken && wants_spare && !log->options.background && log_failed(log) == 0) {
        if (log_spares_fill(log, LOG_SPARES) != 0)
            return false;
        pthread_mutex_lock(&log->mutex);
        taken = log_take_group(log, now_ns);
        pthread_mutex_unlock(&log->mutex);
    }
    return taken && log_submit(log, channel);
}

void log_begin_mark(struct log *log, enum frame_kind kind, struct log_place place, uint64_t now_ns)
{
    uint64_t durable_lsn = atomic_load_explicit(&log->durable_lsn, memory_order_relaxed);
    log->flight = (struct log_flight){
        .buffer = log->mark_buffer,
        .place = place,
        .frame = {.kind = kind, .first_lsn = log->next_lsn, .durable_lsn = durable_lsn},
        .started_ns = now_ns,
    };
    log->committing = true;
    log->newest_durable_lsn = durable_lsn;
    atomic_store_explicit(&log->counters.commit_started_ns, now_ns, memory_order_relaxed);
}

bool log_commit_idle_mark(struct log *log, struct channel *channel, uint64_t now_ns)
{
    pthread_mutex_lock(&log->mutex);
    bool idle = !log->committing && log_failed(log) == 0 &&
                log_group(log, log->commit_number)->reserved == 0;
    bool unsaid =
        log->newest_durable_lsn < atomic_load_explicit(&log->durable_lsn, memory_order_relaxed);
    struct log_place place;
    bool begun = idle && unsaid && log_take_place(log, FRAME_BYTES_MIN, &place);
    if (begun)
        log_begin_mark(log, FRAME_IDLE_MARK, place, now_ns);
    pthread_mutex_unlock(&log->mutex);
    return begun && log_submit(log, channel);
}

/* --- completing ------------------------------------------------------------------------------ */

/* The mutex is held. */
static void log_count_flight(struct log *log, uint64_t now_ns)
{
    const struct log_flight *flight = &log->flight;
    struct log_counters *counters = &log->counters;
    uint64_t us = now_ns > flight->started_ns ? (now_ns - flight->started_ns) / 1000 : 0;
    log_count(&counters->commits, 1);
    log_count(&counters->records, flight->frame.record_count);
    log_count(&counters->bytes,
              flight->frame.length + (flight->place.starts_segment ? SEGMENT_HEADER_BYTES : 0));
    if (flight->of_group)
        log_count(&counters->group_records[log_histogram_bucket(flight->frame.record_count)], 1);
    log_count(&counters->commit_us[log_histogram_bucket(us)], 1);
    log_count(&counters->commit_us_sum, us);
}

bool log_complete(struct log *log, struct channel *channel, uint64_t now_ns, uint64_t *workers)
{
    int result;
    if (!channel->operations->reap(channel, &result))
        return false;
    assert(log->committing); /* set by this thread, cleared below */
    if (result != 0)
        log_poison(log, -result, "write", log->flight.place.segment, log->flight.place.offset);
    pthread_mutex_lock(&log->mutex);
    if (log_failed(log) == 0) {
        log_count_flight(log, now_ns);
        *workers = log->flight.workers;
        log_note_start(log);
        /* Release: pairs with log_durable_lsn(). */
        atomic_store_explicit(&log->durable_lsn, log->flight.frame.last_lsn, memory_order_release);
    } else {
        *workers = UINT64_MAX;
    }
    log_end_flight(log);
    pthread_mutex_unlock(&log->mutex);
    return true;
}

void log_wait(struct log *log, struct channel *channel)
{
    uint64_t workers;
    while (!log_complete(log, channel, 0, &workers)) {
        struct pollfd readable = {.fd = channel->operations->descriptor(channel), .events = POLLIN};
        /* Whatever ended the wait: reap again. The channel bounds how long a write can fail. */
        (void)poll(&readable, 1, -1);
    }
}

/* --- looking on ------------------------------------------------------------------------------ */

uint64_t log_durable_lsn(const struct log *log)
{
    /* Pairs with the release in log_complete(). */
    return atomic_load_explicit(&log->durable_lsn, memory_order_acquire);
}

uint64_t log_reserved_lsn(struct log *log)
{
    pthread_mutex_lock(&log->mutex);
    uint64_t lsn = log->next_lsn - 1;
    pthread_mutex_unlock(&log->mutex);
    return lsn;
}

int log_failed(const struct log *log)
{
    /* Pairs with the release in log_poison(). */
    return atomic_load_explicit(&log->failed, memory_order_acquire);
}

int log_writable(const struct log *log)
{
    if (atomic_load_explicit(&log->space_is_low, memory_order_relaxed))
        return -ENOSPC;
    if (!atomic_load_explicit(&log->disk_is_full, memory_order_relaxed))
        return 0;
    uint64_t spares = atomic_load_explicit(&log->counters.spare_segments, memory_order_relaxed);
    return spares < LOG_SPARES ? -ENOSPC : 0;
}

void log_statistics(const struct log *log, struct log_statistics *statistics)
{
    /* Relaxed: each figure is right by itself; together they may be a commit apart. */
    const struct log_counters *from = &log->counters;
    statistics->commits = atomic_load_explicit(&from->commits, memory_order_relaxed);
    statistics->records = atomic_load_explicit(&from->records, memory_order_relaxed);
    statistics->bytes = atomic_load_explicit(&from->bytes, memory_order_relaxed);
    statistics->segments_started =
        atomic_load_explicit(&from->segments_started, memory_order_relaxed);
    statistics->spare_segments = atomic_load_explicit(&from->spare_segments, memory_order_relaxed);
    statistics->first_segment = atomic_load_explicit(&from->first_segment, memory_order_relaxed);
    statistics->live_segment = atomic_load_explicit(&from->live_segment, memory_order_relaxed);
    statistics->removed_segments =
        atomic_load_explicit(&from->removed_segments, memory_order_relaxed);
    for (unsigned i = 0; i < LOG_HISTOGRAM_BUCKETS; i++) {
        statistics->group_records[i] =
            atomic_load_explicit(&from->group_records[i], memory_order_relaxed);
        statistics->commit_us[i] = atomic_load_explicit(&from->commit_us[i], memory_order_relaxed);
    }
    statistics->commit_us_sum = atomic_load_explicit(&from->commit_us_sum, memory_order_relaxed);
    statistics->commit_started_ns =
        atomic_load_explicit(&from->commit_started_ns, memory_order_relaxed);
}
