/* survey.h - walks all kept segments of a log, past every damage: what is whole, and what comes
 * after.
 *
 * log_verify() stops at the first damage, as recovery does; who decides about a repair wants to
 * know what stands behind it. Changes nothing, takes no lock.
 *
 * Thread: the caller's.
 */
#ifndef FLORIN_WAL_SURVEY_H
#define FLORIN_WAL_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "log_reader.h"
#include "meta.h"
#include "storage.h"

struct log_survey_report {
    uint64_t first_segment; /* kept; 0: there is none */
    uint64_t last_segment;  /* the last file that is not a spare; 0: there is none */
    uint64_t spares;
    uint64_t bytes; /* of the segments in use */

    /* whole frames, wherever they stand, and their records */
    uint64_t frames;
    uint64_t records;
    uint64_t first_lsn; /* of records; 0: there is none */
    uint64_t last_lsn;

    /* An unacknowledged last write was torn: no damage; recovery cuts it off. */
    uint64_t torn_bytes;

    /* The first damage: file, offset, LSN that should stand there, reason. */
    bool is_damaged;
    struct log_fault damage;
    /* Behind it: more places where the log cannot be followed, and what is whole. */
    uint64_t damaged_after;
    uint64_t frames_after;
    uint64_t records_after;
    uint64_t first_lsn_after; /* of records; 0: there is none */
    uint64_t last_lsn_after;
};

/* Called after every segment. Non-zero ends the survey. May be NULL. */
typedef int log_survey_pace(void *context, uint64_t bytes_done, uint64_t bytes_total);

/* Segments are placed by their own headers, whatever the chain says; the first kept one may be any.
 * 0, also when there is damage; what pace returned; -errno of the machine. */
__attribute__((warn_unused_result)) int log_survey(struct storage *storage, const struct meta *meta,
                                                   struct log_survey_report *report,
                                                   log_survey_pace *pace, void *context);

#endif
