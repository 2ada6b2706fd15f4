/* log_copy.h - the kept log up to an LSN, as the bytes of its segment files: for backups.
 *
 * Works on a directory that a server has open: its own descriptors, no lock, nothing is written.
 * Every frame is verified on the way and must follow the one before; what stands behind the last
 * one (a write that is under way, frames of later LSNs) comes out as zeros, and spare segments do
 * not come at all. So what is put together from the pieces is a log that ended right there.
 *
 * Thread: one at a time a copy.
 */
#ifndef FLORIN_WAL_LOG_COPY_H
#define FLORIN_WAL_LOG_COPY_H

#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "log_reader.h"
#include "meta.h"
#include "storage.h"

struct log_copy;

/* The next bytes of a segment. Pieces come in order and without gaps: segment by segment, each from
 * offset 0 to meta->segment_bytes. */
struct log_piece {
    uint64_t segment;
    uint64_t offset;
    const uint8_t *bytes; /* valid until the next call */
    size_t length;
};

/* `durable_lsn`: the last LSN of a frame that is durable; 0: the log holds no record. No segment is
 * removed while the copy is open. 0; -ENODATA: no segment was ever written to; -ENOMEM; -errno. */
__attribute__((warn_unused_result)) int log_copy_open(struct storage *storage,
                                                      const struct meta *meta, uint64_t durable_lsn,
                                                      struct log_copy **copy);
void log_copy_close(struct log_copy *copy);

/* 0; -ENODATA: that was all; -EBADMSG and *fault: a frame up to durable_lsn is damaged; -errno. */
__attribute__((warn_unused_result)) int
log_copy_next(struct log_copy *copy, struct log_piece *piece, struct log_fault *fault);

/* From where a scan of the log can begin at a kept segment: what its header block and its first
 * frame say of what stood before them. 0; -ENODATA: it was never written to; -EBADMSG: damaged;
 * -errno. */
__attribute__((warn_unused_result)) int log_copy_read_start(struct storage *storage,
                                                            const struct meta *meta,
                                                            uint64_t segment,
                                                            struct log_start *start);

#endif
