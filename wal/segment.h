/* segment.h - one file of the log: its name, its header block, and how a spare one is made.
 *
 *     0     header block, 4096 bytes: 8 sealed sectors, the first one with the fields of segment.c
 *     4096  frames (frame.h), back to back, each a multiple of 4096 bytes, none spanning segments
 *     ...   zeros to the end
 *
 * A spare segment is zeroed ahead of use; its header block says so. The first frame is written
 * together with the final header block, in one write at offset 0.
 *
 * Thread: any.
 */
#ifndef FLORIN_WAL_SEGMENT_H
#define FLORIN_WAL_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "meta.h"
#include "sector.h"
#include "storage.h"

enum {
    SEGMENT_FORMAT_VERSION = 1,
    SEGMENT_HEADER_BYTES = STORAGE_ALIGNMENT,
    /* Header block and three small frames: for tests of crash states. */
    SEGMENT_BYTES_MIN = 4 * STORAGE_ALIGNMENT,
    /* Recovery holds one segment in memory. */
    SEGMENT_BYTES_MAX = 1024 * 1024 * 1024,
    /* One write of zeros while a spare is prepared. */
    SEGMENT_ZERO_WRITE_BYTES = 1024 * 1024,
};

enum segment_state {
    SEGMENT_SPARE = 1,
    SEGMENT_USED = 2,
};

struct segment_header {
    uint8_t log_id[META_LOG_ID_BYTES];
    uint64_t number;
    uint64_t segment_bytes;
    enum segment_state state;
    uint32_t epoch;     /* of the first frame; 0: spare */
    uint64_t first_lsn; /* of the first frame; 0: spare */
    uint64_t chain;     /* value of the last frame of the segment before; 0: spare */
};

/* The salt of all sums in a segment, so that no byte of another log, or of another segment, passes
 * for one of its own. Derived, not drawn, so that the sectors behind a torn header block can still
 * be judged; the log id that it is derived from is random. */
uint64_t segment_salt(const uint8_t log_id[META_LOG_ID_BYTES], uint64_t number);

/* Where the chain of a log begins. */
uint64_t segment_chain_origin(const uint8_t log_id[META_LOG_ID_BYTES]);

void segment_header_encode(const struct segment_header *header,
                           uint8_t block[SEGMENT_HEADER_BYTES]);

/* Reads the first sector of a header block by its own checksum: whose it is and what it says. Does
 * not look at the trailers. 0; -EBADMSG: not a segment header; -EPROTONOSUPPORT: of another
 * format version. */
int segment_header_decode(const uint8_t sector[STORAGE_SECTOR_BYTES],
                          struct segment_header *header);

/* The header block of a spare segment. */
void segment_spare_block(const struct meta *meta, uint64_t number,
                         uint8_t block[SEGMENT_HEADER_BYTES]);

/* "log/0000000000000001.wal" and what stands there while it is prepared. */
void segment_name(uint64_t number, char name[STORAGE_NAME_MAX]);
void segment_temporary_name(uint64_t number, char name[STORAGE_NAME_MAX]);

enum segment_file_kind { SEGMENT_FILE_OTHER, SEGMENT_FILE_LOG, SEGMENT_FILE_TEMPORARY };

/* What a plain name in log/ stands for. */
enum segment_file_kind segment_parse_name(const char *name, uint64_t *number);

/* Makes a zeroed spare segment, durable under its final name, open and locked. `stop` may be NULL;
 * when it becomes true the work is given up with -ECANCELED. What was begun is removed, unless
 * the last flush of the directory fails. 0 or -errno. */
int segment_create_spare(struct storage *storage, const struct meta *meta, uint64_t number,
                         const atomic_bool *stop, struct storage_file **file);

/* Whether the whole segment of meta->segment_bytes is a spare that was never written to. */
bool segment_is_spare(const struct meta *meta, uint64_t number, const uint8_t *bytes);

#endif
