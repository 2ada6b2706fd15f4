/* log_finder.h - finds single records of a log in any order, while it is written or offline, with
 * as few reads as it can.
 *
 * For those who jump (log_reader.h is for those who read on). One read of 64 KiB a record is the
 * aim for a record that was never near anything read before: the place of an LSN is guessed between
 * known places, of which every read adds one; pieces read lately are kept, so that neighbours cost
 * nothing. Frames are not read whole: their header and every sector say themselves whether they are
 * right, and only sectors that are asked for are looked at.
 *
 *     log_finder_open() -> log_finder_find(lsn) -> log_finder_payload() ... -> log_finder_close()
 *
 * Its own descriptors and buffers (LOG_FINDER_PIECES times 64 KiB, touched as they are used): it
 * takes no lock, changes nothing and disturbs nobody. `durable_lsn` is what log_durable_lsn() says:
 * the last LSN of a frame.
 *
 * Thread: one at a time a finder.
 */
#ifndef FLORIN_WAL_LOG_FINDER_H
#define FLORIN_WAL_LOG_FINDER_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "log_reader.h"
#include "meta.h"
#include "storage.h"

enum {
    /* One read. Not more: a group commit may wait behind it. */
    LOG_FINDER_PIECE_BYTES = 64 * 1024,
    /* 8 MiB: a page of a hundred records with all that was read on the way, and the next page. */
    LOG_FINDER_PIECES = 128,
    /* Known places, 24 bytes each; when they are full, every second one is forgotten. */
    LOG_FINDER_POINTS = 4096,
};

struct log_finder;

/* 0, -ENOMEM. */
__attribute__((warn_unused_result)) int
log_finder_open(struct storage *storage, const struct meta *meta, struct log_finder **finder);
void log_finder_close(struct log_finder *finder);

/* Segments before this number are answered as removed from now on, whatever is still in memory. */
void log_finder_keep_from(struct log_finder *finder, uint64_t segment);

/* The frame with records that holds `lsn`, 0 < lsn <= durable_lsn. 0; -ENODATA: retention has
 * removed it; -EBADMSG and *fault: damaged; -errno. */
__attribute__((warn_unused_result)) int log_finder_find(struct log_finder *finder, uint64_t lsn,
                                                        uint64_t durable_lsn,
                                                        struct frame_header *frame,
                                                        struct log_fault *fault);

/* Copies payload of a frame that was found, from `position` (< payload_length) on: at least a byte,
 * at most `capacity`, not beyond the payload or the piece that it stands in; *copied says how many.
 * 0; -ENODATA, -EBADMSG and *fault, -errno as above. */
__attribute__((warn_unused_result)) int
log_finder_payload(struct log_finder *finder, const struct frame_header *frame, uint32_t position,
                   uint64_t durable_lsn, uint8_t *bytes, uint32_t capacity, uint32_t *copied,
                   struct log_fault *fault);

/* Reads of the disk so far. */
uint64_t log_finder_reads(const struct log_finder *finder);

#endif
