/* backup_format.h - the bytes of a backup: what its members are called, and their place in a tar
 * file.
 *
 * A backup is one stream, a POSIX ustar archive (`tar tf` shows it), with these members in this
 * order:
 *
 *     BACKUP-INFO                       what it is, as text: name=value, a line each
 *     meta
 *     checkpoint/<16 hex digits>.ckpt   ascending
 *     keys/<16>-<16 hex digits>.keys    ascending
 *     log/<16 digits>.wal               ascending; the last one ends with the last durable frame,
 *                                       then zeros; spare segments are left out
 *     MANIFEST                          a line each: XXH3-64, size and name of every member before
 *
 * then two blocks of zeros. There is exactly one stream of bytes for the same content: whoever
 * reads one makes the same headers and the same manifest again, and compares. So every bit that is
 * wrong or missing is found. A member of 8 GiB and more has its size in base 256, as GNU tar and
 * bsdtar do.
 *
 * Thread: any; pure.
 */
#ifndef FLORIN_RUNTIME_BACKUP_FORMAT_H
#define FLORIN_RUNTIME_BACKUP_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wal/meta.h"
#include "wal/storage.h"

enum {
    BACKUP_FORMAT_VERSION = 1,
    BACKUP_BLOCK_BYTES = 512, /* of tar */
    BACKUP_END_BLOCKS = 2,
    BACKUP_INFO_BYTES_MAX = 512,
    BACKUP_META_BYTES = 4096,
    BACKUP_MANIFEST_LINE_MAX = 16 + 1 + 20 + 1 + STORAGE_NAME_MAX + 1,
    /* A quarter of a million members: 16 TiB of segments of 64 MiB. */
    BACKUP_MANIFEST_BYTES_MAX = 32 * 1024 * 1024,
};

/* A checkpoint or a key file: far above every memory, far below what overflows. */
#define BACKUP_FILE_BYTES_MAX (UINT64_C(1) << 44)

#define BACKUP_INFO_NAME     "BACKUP-INFO"
#define BACKUP_MANIFEST_NAME "MANIFEST"

/* In the order of the stream. */
enum backup_member {
    BACKUP_MEMBER_INFO,
    BACKUP_MEMBER_META,
    BACKUP_MEMBER_CHECKPOINT,
    BACKUP_MEMBER_KEYS,
    BACKUP_MEMBER_SEGMENT,
    BACKUP_MEMBER_MANIFEST,
    BACKUP_MEMBER_UNKNOWN, /* every other name, be it harmless or not */
};

enum backup_member backup_member_of_name(const char *name);

/* The plain name of a file in keys/ that belongs into a backup, with its numbers. */
bool backup_parse_keys(const char *name, uint64_t *from_lsn, uint64_t *to_lsn);

/* Writes the header of a member. `name` is shorter than STORAGE_NAME_MAX. */
void backup_header_encode(const char *name, uint64_t size, uint64_t time_s,
                          uint8_t block[BACKUP_BLOCK_BYTES]);

/* Reads one; false: not what backup_header_encode() writes. *end: the first block of zeros, name
 * and size are not set. */
__attribute__((warn_unused_result)) bool
backup_header_decode(const uint8_t block[BACKUP_BLOCK_BYTES], char name[STORAGE_NAME_MAX],
                     uint64_t *size, bool *end);

/* Zeros between a member's end and the next header. */
size_t backup_padding(uint64_t size);

struct backup_info {
    uint32_t format_version;
    uint8_t log_id[META_LOG_ID_BYTES];
    uint64_t durable_lsn; /* everything up to here is in the backup */
    uint64_t time_ns;     /* Unix time when it began */
};

/* Writes the text, terminated; its length. */
size_t backup_info_encode(const struct backup_info *info, char text[BACKUP_INFO_BYTES_MAX]);

/* 0; -EPROTONOSUPPORT: of another format version (info->format_version); -EBADMSG. */
__attribute__((warn_unused_result)) int backup_info_decode(const char *text, size_t length,
                                                           struct backup_info *info);

/* One line of the manifest, terminated; its length. */
size_t backup_manifest_line(const char *name, uint64_t size, uint64_t checksum,
                            char line[BACKUP_MANIFEST_LINE_MAX + 1]);

#endif
