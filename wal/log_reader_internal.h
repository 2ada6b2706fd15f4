/* log_reader_internal.h - the reader as its files see it: log_reader.c reads on, log_seek.c finds;
 * log_finder.c uses what it knows of segments.
 *
 * Thread: one at a time a reader.
 */
#ifndef FLORIN_WAL_LOG_READER_INTERNAL_H
#define FLORIN_WAL_LOG_READER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "log_reader.h"
#include "segment.h"

enum {
    /* One read while frames follow each other. Not more: a group commit may wait behind it. */
    LOG_READER_READ_BYTES = 64 * 1024,
    LOG_READER_WINDOW_BYTES = LOG_READER_READ_BYTES + FRAME_BYTES_MAX,
};

struct log_reader {
    /* set at open, then read-only */
    struct storage *storage;
    struct meta meta;
    uint64_t log_id_low;

    /* the open segment; NULL: none */
    struct storage_file *file;
    uint64_t segment;
    uint64_t salt;

    /* bytes of it in memory; what they say of LSNs beyond window_durable_lsn may be old */
    uint8_t *window;
    uint64_t window_offset;
    uint64_t window_length;
    uint64_t window_durable_lsn;
    uint32_t read_ahead; /* bytes of the next read; grows while frames follow each other */

    /* the next frame */
    uint64_t offset;   /* 0: the header block of its segment comes first */
    uint64_t next_lsn; /* 0: there was no seek */
    uint64_t chain;
    uint32_t epoch; /* of the frame before; 0: it and the chain value are not known */
    uint8_t *payload;

    /* what a seek has learnt: the kept segments, and first LSNs of those that hold durable ones */
    uint64_t first; /* 0: nothing yet */
    uint64_t last;  /* spares included */
    uint64_t *first_lsns;
    uint64_t first_lsns_base; /* the segment of first_lsns[0] */
    size_t first_lsns_count;
    uint64_t peeks; /* reads of the heads of segments */
};

/* --- log_reader.c */

__attribute__((format(printf, 5, 6))) int log_reader_refuse(struct log_fault *fault,
                                                            uint64_t segment, uint64_t offset,
                                                            uint64_t lsn, const char *format, ...);

/* 0; -ENOENT; -EBADMSG and *fault: of another size; -errno. After an error the one before is open.
 */
int log_reader_open_segment(struct log_reader *reader, uint64_t number, struct log_fault *fault);

/* --- log_seek.c */

/* Lists log/: sets first and last. 0; -ENODATA: there is no segment; -errno. */
int log_reader_list(struct log_reader *reader);

/* Finds the segment that holds `lsn` and opens it. 0; -ENODATA: it was removed; -EBADMSG and
 * *fault; -errno. */
int log_reader_seek_segment(struct log_reader *reader, uint64_t lsn, uint64_t durable_lsn,
                            struct log_fault *fault);

/* The first LSN of a segment, 0: not known. */
uint64_t log_reader_known_first_lsn(const struct log_reader *reader, uint64_t number);

#endif
