/* storage.h - the files of one data directory, behind an interface.
 *
 * Two implementations: posix (storage_posix.h) and the simulated disk of the tests. Everything here
 * blocks; it serves opening, recovery, and the preparation of segments. The writes of group commit
 * go through a channel (channel.h) instead.
 *
 * Names are relative to the data directory: "meta", "log/0000000000000001.wal".
 * All functions return 0 or -errno; outputs are written only on success.
 *
 * Thread: any, but one call at a time on one file.
 */
#ifndef FLORIN_WAL_STORAGE_H
#define FLORIN_WAL_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Alignment of buffers, offsets and lengths of every read and write of log files: the physical
     * sector of the disks measured, and what O_DIRECT wants at most. */
    STORAGE_ALIGNMENT = 4096,
    /* What a power failure leaves whole: the logical sector. */
    STORAGE_SECTOR_BYTES = 512,
    STORAGE_NAME_MAX = 64,
};

enum storage_open {
    STORAGE_OPEN_EXISTING, /* -ENOENT when it is not there */
    STORAGE_CREATE_NEW,    /* -EEXIST when it is */
    STORAGE_READ_ONLY,     /* existing, for tools: never writes, takes no lock */
};

struct storage;

/* Implementations embed this as their first member. */
struct storage_file {
    struct storage *storage;
};

struct storage_operations {
    int (*open)(struct storage *storage, const char *name, enum storage_open mode,
                struct storage_file **file);
    void (*close)(struct storage_file *file);
    /* Takes the exclusive lock of the file's descriptor, trying for timeout_ms; -EBUSY. The lock
     * lives until the last write through this descriptor has ended, also after a kill. */
    int (*lock)(struct storage_file *file, unsigned timeout_ms);
    int (*size)(struct storage_file *file, uint64_t *bytes);
    /* Exactly `length` bytes; -EIO when the file ends before. */
    int (*read)(struct storage_file *file, void *buffer, size_t length, uint64_t offset);
    int (*write)(struct storage_file *file, const void *buffer, size_t length, uint64_t offset);
    int (*sync)(struct storage_file *file);
    int (*rename)(struct storage *storage, const char *from, const char *to);
    int (*remove)(struct storage *storage, const char *name);
    /* `directory` is "" for the data directory itself. 0 also when it is there already. */
    int (*make_directory)(struct storage *storage, const char *directory);
    int (*sync_directory)(struct storage *storage, const char *directory);
    /* Calls `visit` for every regular file, in any order, with its plain name. */
    int (*list)(struct storage *storage, const char *directory,
                void (*visit)(void *context, const char *name), void *context);
    int (*space)(struct storage *storage, uint64_t *free_bytes, uint64_t *total_bytes);
};

struct storage {
    const struct storage_operations *operations;
};

#endif
