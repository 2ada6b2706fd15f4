/* scan.h - reads a log from its first frame, or from a given start, to its end; says how it ends.
 *
 * Thread: the opener's.
 */
#ifndef FLORIN_WAL_SCAN_H
#define FLORIN_WAL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "segment_list.h"
#include "verdict.h"

enum scan_mode {
    SCAN_TO_RECOVER, /* locks and flushes the last used segment and all after it, keeps them open */
    SCAN_TO_VERIFY,  /* neither locks nor writes */
};

struct scan {
    /* set by scan_init */
    const struct log_options *options;
    struct log_report *report;
    enum scan_mode mode;
    unsigned lock_timeout_ms;
    uint8_t *bytes;   /* one segment */
    uint64_t loaded;  /* which; 0: none as a whole */
    uint8_t *payload; /* of one frame */

    /* what is in log/ */
    struct segment_list list;
    uint64_t first;     /* the first kept segment */
    uint64_t last;      /* the last one, spares included */
    uint64_t last_used; /* highest segment, from the start on, that was written to; 0: none */

    /* segments from first_open on, NULL when handed on; SCAN_TO_RECOVER only */
    struct storage_file **files;
    uint64_t first_open;

    /* where the log ends, after scan_run() */
    struct verdict_position position; /* of the next frame; its epoch is that of the last one */
    struct log_start newest_start;    /* of end_segment; without frames: where it began */
    uint64_t end_segment;             /* of the last frame; 0: none */
    uint64_t end_offset;
    enum frame_kind last_kind;
    struct verdict verdict; /* END or TORN; its place is position.segment, position.offset */
};

/* 0 or -ENOMEM. */
int scan_init(struct scan *scan, const struct log_options *options, struct log_report *report,
              enum scan_mode mode, unsigned lock_timeout_ms);
void scan_deinit(struct scan *scan);

/* Reads it all, with replay. 0; -EBADMSG (the report says why); -EBUSY; what replay returned;
 * -errno. */
int scan_run(struct scan *scan);

/* The open file of a segment >= first_open; it stays the scan's until it is taken. */
struct storage_file *scan_file(struct scan *scan, uint64_t number);
struct storage_file *scan_take_file(struct scan *scan, uint64_t number);

#endif
