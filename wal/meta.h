/* meta.h - DATA/meta: who this directory is. 4096 bytes, written once, never changed.
 *
 * docs/format.md describes it field by field; so does the table at the top of meta.c.
 *
 * Thread: the opener's.
 */
#ifndef FLORIN_WAL_META_H
#define FLORIN_WAL_META_H

#include <stdint.h>

#include "storage.h"

enum {
    META_FORMAT_VERSION = 1,
    META_LOG_ID_BYTES = 16,
    META_HASH_SEED_BYTES = 32,
};

struct meta {
    uint32_t format_version;
    uint8_t log_id[META_LOG_ID_BYTES];       /* random; stands in every file of the directory */
    uint8_t hash_seed[META_HASH_SEED_BYTES]; /* random; secret of ids and keys */
    uint64_t created_ns;
    uint64_t segment_bytes;
};

/* 0; -ENOENT; -EBADMSG: damaged or not a meta file; -EPROTONOSUPPORT: another format version
 * (meta->format_version says which); -errno. */
int meta_read(struct storage *storage, struct meta *meta);

/* Begins a data directory: log/ with a spare first segment, then meta; each under a temporary name,
 * flushed, renamed, the directory flushed. What an interrupted creation left is replaced. Call it
 * before log_open(), which refuses a directory without meta or without its first segment.
 *
 * 0; -EEXIST: there is a meta (read it again); -ENOTEMPTY: meta is missing, but log/ holds segments
 * that were in use (meta_find_blocker() names one); -EBUSY: somebody else is creating it;
 * -EINVAL: segment_bytes is not a multiple of 4096 between 16 KiB and 1 GiB; -errno. */
int meta_create(struct storage *storage, const struct meta *meta);

/* The first file that makes meta_create() answer -ENOTEMPTY; "": none. 0 or -errno. */
int meta_find_blocker(struct storage *storage, char name[STORAGE_NAME_MAX]);

#endif
