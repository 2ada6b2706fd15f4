/* verdict.h - what stands at a place of the log: a frame, the end, a torn write, or damage.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_WAL_VERDICT_H
#define FLORIN_WAL_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "segment.h"

enum verdict_kind {
    VERDICT_FRAME,     /* a valid frame that follows the one before */
    VERDICT_END,       /* nothing was ever written here */
    VERDICT_TORN,      /* a part of a write that was not acknowledged: may be cut off */
    VERDICT_AMBIGUOUS, /* wrong, and it cannot be told whether it was acknowledged */
    VERDICT_DAMAGED,   /* wrong, and it was durable once */
};

/* Where the judge stands and what must come next. */
struct verdict_position {
    const struct meta *meta;
    uint64_t segment;
    uint64_t offset;          /* 0: the start of a segment, judged together with its header block */
    uint64_t first_lsn;       /* of the next frame */
    uint64_t chain;           /* value of the last frame */
    uint32_t epoch;           /* of the last frame; 0: there is none */
    uint32_t write_bytes_max; /* the longest frame that may have been in flight */
    uint64_t durable_lsn;     /* known from elsewhere (a checkpoint); 0: nothing */
    bool later_in_use;        /* a later segment was written to */
};

struct verdict {
    enum verdict_kind kind;
    struct frame_header frame; /* FRAME */
    uint32_t length;           /* FRAME: of what stands here, header block of a segment included.
                                  TORN: of what must be wiped, from the position on */
    uint64_t offset;           /* AMBIGUOUS, DAMAGED: where in the file */
    char reason[160];          /* AMBIGUOUS, DAMAGED: expected and found, in words */
};

/* `bytes`: the segment from position->offset to its end. */
void verdict_judge(const struct verdict_position *position, const uint8_t *bytes,
                   struct verdict *verdict);

#endif
