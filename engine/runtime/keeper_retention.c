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

static bool is_too_large(const struct keeper *keeper, const struct log_statistics *log)
{
    uint64_t retain_bytes = keeper->ledger->options.retain_bytes;
    uint64_t kept_bytes =
        (log->live_segment + 1 - log->first_segment) * keeper->ledger->meta.segment_bytes;
    return retain_bytes > 0 && kept_bytes > retain_bytes;
}

/* Whether all records before that LSN are old enough. 0 or -errno. */
static int look_at_age(struct keeper *keeper, uint64_t next_lsn, bool *is_old)
{
    uint64_t retain_seconds = keeper->ledger->options.retain_seconds;
    uint64_t time_ns;
    *is_old = false;
    if (retain_seconds == 0)
        return 0;
    int error = segment_time(keeper, next_lsn, &time_ns);
    if (error == 0)
        *is_old = time_ns + retain_seconds * UINT64_C(1000000000) < clock_wall_ns();
    return error;
}

/* Whether the first kept segment may go; *next_lsn is the first LSN behind it. 0; -ENODATA: there
 * is no record behind it yet; -errno. */
static int judge_first_segment(struct keeper *keeper, const struct log_statistics *log,
                               uint64_t *next_lsn, bool *may_go)
{
    *may_go = false;
    if (log->first_segment >= keeper->kept.log_starts[CHECKPOINTS_KEPT - 1].segment)
        return 0;
    int error = log_reader_segment_lsn(keeper->reader, log->first_segment + 1, next_lsn);
    if (error != 0 || *next_lsn > key_archive_to_lsn(keeper->ledger->archive) + 1)
        return error;
    *may_go = is_too_large(keeper, log);
    return *may_go ? 0 : look_at_age(keeper, *next_lsn, may_go);
}

static bool may_look(const struct keeper *keeper, uint64_t now_ns)
{
    const struct florin_options *options = &keeper->ledger->options;
    return (options->retain_bytes > 0 || options->retain_seconds > 0) &&
           keeper->kept.kept_count == CHECKPOINTS_KEPT && now_ns >= keeper->retention_ns;
}

bool keeper_retain(struct keeper *keeper, uint64_t now_ns)
{
    struct florin *ledger = keeper->ledger;
    struct log_statistics log;
    uint64_t next_lsn = 0;
    bool may_go;
    if (!may_look(keeper, now_ns))
        return false;
    log_statistics(ledger->log, &log);
    int error = judge_first_segment(keeper, &log, &next_lsn, &may_go);
    if (error == -ENODATA || (error == 0 && !may_go)) {
        keeper->retention_ns = now_ns + RETENTION_LOOK_SECONDS * UINT64_C(1000000000);
        return false;
    }
    if (error == 0 && !keeper_begin_removal(keeper))
        return false;
    if (error == 0) {
        error = log_remove_segments(ledger->log, log.first_segment + 1);
        keeper_end_removal(keeper);
    }
    if (error != 0) {
        keeper_note_error(keeper, "retention_failed", error, "log", 0, "");
        return true;
    }
    pthread_mutex_lock(&keeper->mutex);
    keeper->figures.log_segments_removed++;
    pthread_mutex_unlock(&keeper->mutex);
    ledger_log(ledger,
               "level=info event=segment_removed segment=%" PRIu64 " kept_from_lsn=%" PRIu64,
               log.first_segment, next_lsn);
    return true;
}
