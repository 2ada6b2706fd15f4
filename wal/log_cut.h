/* log_cut.h - ends a log before an LSN, for repair and for restoring to a point in time. Offline.
 *
 * This loses what stands behind the cut: the caller has copied the originals, or works on a copy.
 *
 * Thread: the caller's; nobody else has the directory open.
 */
#ifndef FLORIN_WAL_LOG_CUT_H
#define FLORIN_WAL_LOG_CUT_H

#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "log.h"
#include "log_reader.h"
#include "meta.h"
#include "storage.h"

struct log_cut_report {
    uint64_t segment; /* the file that the cut is in, and where in it */
    uint64_t offset;
    uint64_t last_lsn;         /* after the cut */
    uint64_t dropped_bytes;    /* of segments in use, zeros included */
    uint64_t removed_segments; /* files removed behind the cut */
};

/* Bytes of the record at the start of `bytes`; 0: it is none. The log itself does not know where in
 * a frame a record ends. */
typedef size_t log_cut_measure(const uint8_t *bytes, size_t length);

/* Makes `first_dropped_lsn` the next LSN of the log: what was written at and behind it is gone.
 * `start` as in log_options (from where frames are followed). The frame that holds
 * first_dropped_lsn must be whole, or, when it is not, begin with that LSN; the records before it
 * in the same frame are kept. Later segments are removed from the last one on, the segment is
 * replaced by a copy without what is dropped, and the log is opened once, which writes a recovery
 * frame, and closed in order.
 *
 * Calling it again after an interruption comes to the same end.
 *
 * 0; -ERANGE: the log does not reach that LSN (report->last_lsn is its last one) or begins behind
 * it (report->last_lsn is 0); -EINVAL: the damaged frame begins with another LSN (fault->lsn says
 * which); -EBADMSG: the start is not there, or a record before the cut cannot be measured; -EBUSY:
 * somebody has the directory open; -errno. Nothing is written before all that was found. */
__attribute__((warn_unused_result)) int
log_cut(struct storage *storage, const struct meta *meta, struct channel *channel,
        const struct log_start *start, uint64_t first_dropped_lsn, log_cut_measure *measure,
        struct log_cut_report *report, struct log_fault *fault);

#endif
