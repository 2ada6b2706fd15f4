/* log_reader.h - reads durable frames of a log by LSN, while it is written or offline.
 *
 * Its own descriptors, its own buffers: it takes no lock, changes nothing and disturbs nobody.
 * Frames are found by binary search: over the headers of segments, then over the blocks of one
 * segment (every frame begins at a block and says what and where it is), so that no index is kept
 * in memory.
 *
 *     log_reader_open() -> log_reader_seek(lsn) -> log_reader_next() ... -> log_reader_close()
 *
 * Segments that retention has removed are not there (-ENODATA). The caller says up to which LSN the
 * log is durable; frames behind it are never looked at.
 *
 * Thread: one at a time a reader.
 */
#ifndef FLORIN_WAL_LOG_READER_H
#define FLORIN_WAL_LOG_READER_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "meta.h"
#include "storage.h"

struct log_reader;

struct log_frame {
    struct frame_header header;
    const uint8_t *payload; /* header.payload_length bytes; valid until the next call */
};

struct log_fault {
    char file[STORAGE_NAME_MAX];
    uint64_t offset;
    uint64_t lsn;
    char reason[160];
};

/* 0, -ENOMEM. */
__attribute__((warn_unused_result)) int
log_reader_open(struct storage *storage, const struct meta *meta, struct log_reader **reader);
void log_reader_close(struct log_reader *reader);

/* The next log_reader_next() returns the frame with records that holds `lsn`, which is <=
 * durable_lsn. 0; -ENODATA: retention has removed it; -EBADMSG and *fault: damaged; -errno. */
__attribute__((warn_unused_result)) int log_reader_seek(struct log_reader *reader, uint64_t lsn,
                                                        uint64_t durable_lsn,
                                                        struct log_fault *fault);

/* The next frame of records (marks are stepped over), verified: header, payload, chain to the one
 * before. 0; -ENODATA: the next one is beyond durable_lsn; -EBADMSG and *fault; -errno. */
__attribute__((warn_unused_result)) int log_reader_next(struct log_reader *reader,
                                                        uint64_t durable_lsn,
                                                        struct log_frame *frame,
                                                        struct log_fault *fault);

/* The lowest LSN that the kept segments hold; 1 for a whole log, also for an empty one. 0, -errno.
 */
__attribute__((warn_unused_result)) int log_reader_first_lsn(struct log_reader *reader,
                                                             uint64_t *first_lsn);

/* Number of the first kept segment, and the first LSN of any kept one in use. 0; -ENODATA: there is
 * no such segment, or it is a spare; -EBADMSG; -errno. */
__attribute__((warn_unused_result)) int log_reader_first_segment(struct log_reader *reader,
                                                                 uint64_t *segment);
__attribute__((warn_unused_result)) int
log_reader_segment_lsn(struct log_reader *reader, uint64_t segment, uint64_t *first_lsn);

#endif
