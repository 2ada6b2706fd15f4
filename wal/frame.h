/* frame.h - one group commit as bytes: header, records, sums. frame.c draws it.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_WAL_FRAME_H
#define FLORIN_WAL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "florin_limits.h"
#include "sector.h"
#include "storage.h"

enum {
    FRAME_FORMAT_VERSION = 1,
    FRAME_HEADER_BYTES = 96,
    /* A frame without records. */
    FRAME_BYTES_MIN = STORAGE_ALIGNMENT,
    /* Header and a full group, 504 bytes a sector, rounded up: 261 blocks. */
    FRAME_BYTES_MAX = (FRAME_HEADER_BYTES + FLORIN_GROUP_BYTES_MAX + SECTOR_DATA_BYTES - 1) /
                          SECTOR_DATA_BYTES * STORAGE_SECTOR_BYTES / STORAGE_ALIGNMENT *
                          STORAGE_ALIGNMENT +
                      STORAGE_ALIGNMENT,
};

enum frame_kind {
    FRAME_RECORDS = 1,
    FRAME_IDLE_MARK = 2, /* says that what stands before is durable */
    FRAME_RECOVERY = 3,  /* first frame of a life of the log */
    FRAME_CLEAN = 4,     /* last frame of a life that ended in order */
};

struct frame_header {
    enum frame_kind kind;
    uint32_t epoch;
    uint32_t record_count;
    uint64_t log_id_low;
    uint64_t segment;
    uint64_t offset;      /* of the frame in its file */
    uint64_t first_lsn;   /* without records: the next LSN */
    uint64_t last_lsn;    /* without records: first_lsn - 1 */
    uint64_t durable_lsn; /* known to be durable when the frame was written */
    uint32_t length;      /* with padding */
    uint32_t payload_length;
    uint64_t chain;            /* `checksum` of the frame before */
    uint64_t payload_checksum; /* set by frame_seal() */
    uint64_t checksum;         /* set by frame_seal(); the frame's chain value */
};

/* Bytes of a frame with so much payload. */
uint32_t frame_length(size_t payload_length);

/* The most payload that fits into `bytes` (a multiple of STORAGE_ALIGNMENT, > 0). */
size_t frame_payload_capacity(uint64_t bytes);

uint64_t frame_log_id_low(const uint8_t log_id[16]);

/* Copies payload into its place between the trailers, and out of it. */
void frame_payload_put(uint8_t *frame, size_t position, const uint8_t *bytes, size_t length);
void frame_payload_get(const uint8_t *frame, size_t length, uint8_t *bytes);

/* Completes a frame whose payload is in place: length, padding, header, sums, trailers. */
void frame_seal(uint8_t *frame, struct frame_header *header, uint64_t salt);

/* Reads the header in the first sector of a frame at `offset` of a segment with `salt`: rules 1 to
 * 4 of frame.c. 0; -EBADMSG; -EPROTONOSUPPORT: a whole header of another format version. */
int frame_header_decode(const uint8_t sector[STORAGE_SECTOR_BYTES], uint64_t salt, uint64_t offset,
                        struct frame_header *header);

/* Rules 6 and 7 of frame.c, of a frame whose header was decoded. */
bool frame_body_is_right(const uint8_t *frame, const struct frame_header *header, uint64_t salt);

#endif
