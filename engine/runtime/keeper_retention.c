/* keeper_retention.c - lets go of old log, by the operator's rule.
 *
 * A segment may go when all of this holds: the rule says so; it stands before the place from which
 * the older of two checkpoints is read; the key files have all of its keys; nobody holds the files.
 * From the oldest on, so that what is kept has no gap.
 *
 * Guarantees: without a rule nothing is ever removed. Must not know: what else is in a directory.
 */
#include <errno.h>
#include <inttypes.h>

#include "clock.h"
#include "keeper_internal.h"

enum { RETENTION_LOOK_SECONDS = 1 };

/* When the first record of a segment was made. 0 or -errno. */
static int segment_time(struct keeper *keeper, uint64_t first_lsn, uint64_t *time_ns)
{
    struct log_fault fault = {0};
    struct log_frame frame;
    struct record record;
    uint64_t durable = log_durable_lsn(keeper->ledger->log);
    if (first_lsn > durable)
        return -ENODATA;
    int error = log_reader_seek(keeper->reader, first_lsn, durable, &fault);
    if (error == 0)
        error = log_reader_next(keeper->reader, durable, &frame, &fault);
    if (error != 0)
        return error;
    if (record_decode(frame.payload, frame.header.payload_length, &record) == 0)
        return -EBADMSG;
    *time_ns = record.time_ns;
    return 0;
}

/* Whether the rule lets the first kept segment go; `next_lsn` is the first LSN behind it. */
static bool rule_allows(struct keeper *keeper, const struct log_statistics *log, uint64_t next_lsn)
{
    const struct florin_options *options = &keeper->ledger->options;
    uint64_t kept_bytes =
        (log->live_segment + 1 - log->first_segment) * keeper->ledger->meta.segment_bytes;
    if (options->retain_bytes > 0 && kept_bytes > options->retain_bytes)
        return true;
    uint64_t time_ns;
    return options->retain_seconds > 0 && segment_time(keeper, next_lsn, &time_ns) == 0 &&
           time_ns + options->retain_seconds * UINT64_C(1000000000) < clock_wall_ns();
}

static bool may_look(struct keeper *keeper, uint64_t now_ns)
{
    const struct florin_options *options = &keeper->ledger->options;
    if ((options->retain_bytes == 0 && options->retain_seconds == 0) ||
        keeper->kept.kept_count < CHECKPOINTS_KEPT || now_ns < keeper->retention_ns)
        return false;
    pthread_mutex_lock(&keeper->mutex);
    bool held = keeper->holds > 0;
    pthread_mutex_unlock(&keeper->mutex);
    return !held;
}

bool keeper_retain(struct keeper *keeper, uint64_t now_ns)
{
    struct florin *ledger = keeper->ledger;
    struct log_statistics log;
    uint64_t next_lsn;
    if (!may_look(keeper, now_ns))
        return false;
    log_statistics(ledger->log, &log);
    uint64_t segment = log.first_segment;
    bool needed = segment >= keeper->kept.log_starts[CHECKPOINTS_KEPT - 1].segment ||
                  log_reader_segment_lsn(keeper->reader, segment + 1, &next_lsn) != 0 ||
                  next_lsn > key_archive_to_lsn(ledger->archive) + 1;
    if (needed || !rule_allows(keeper, &log, next_lsn)) {
        keeper->retention_ns = now_ns + RETENTION_LOOK_SECONDS * UINT64_C(1000000000);
        return false;
    }
    int error = log_remove_segments(ledger->log, segment + 1);
    if (error != 0) {
        keeper_note_error(keeper, "retention_failed", error, "log", 0, "");
        return true;
    }
    pthread_mutex_lock(&keeper->mutex);
    keeper->figures.log_segments_removed++;
    pthread_mutex_unlock(&keeper->mutex);
    ledger_log(ledger,
               "level=info event=segment_removed segment=%" PRIu64 " kept_from_lsn=%" PRIu64,
               segment, next_lsn);
    return true;
}
