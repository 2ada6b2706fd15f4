/* sim_disk_internal.h - the simulated disk as its two files see it.
 *
 * Thread: one.
 */
#ifndef TESTS_SUPPORT_SIM_DISK_INTERNAL_H
#define TESTS_SUPPORT_SIM_DISK_INTERNAL_H

#include "support/sim_disk.h"

enum { INODES_MAX = 256, NAMES_MAX = 64, SECTOR = STORAGE_SECTOR_BYTES };

struct inode {
    uint8_t *durable;
    uint8_t *current;
    uint64_t durable_size;
    uint64_t size;
    const void *locked_by;
};

struct name {
    char text[STORAGE_NAME_MAX]; /* "": free */
    int inode;                   /* -1: a directory */
};

struct names {
    struct name slots[NAMES_MAX];
};

enum unit_kind { UNIT_SECTOR, UNIT_LINK, UNIT_UNLINK, UNIT_RENAME };

struct unit {
    enum unit_kind kind;
    int inode;
    uint64_t offset;
    uint8_t bytes[SECTOR];
    char name[STORAGE_NAME_MAX];
    char from[STORAGE_NAME_MAX];
};

struct sim_disk {
    struct storage storage;
    struct inode inodes[INODES_MAX];
    int inode_count;
    struct names durable;
    struct names current;
    struct unit *units;
    size_t unit_count;
    size_t unit_max;
    uint64_t capacity;
    bool hold_completions;
    uint64_t operations;
    uint64_t fail_at;
    int fail_error;
    bool fail_for_ever;
    void (*changed)(void *context, struct sim_disk *disk);
    void *changed_context;
};

/* --- sim_disk.c */

/* NULL: no such name. "" finds a free slot. */
struct name *names_find(struct names *names, const char *text);
void names_set(struct names *names, const char *text, int inode);
void names_remove(struct names *names, const char *text);
void directory_of(const char *name, char directory[STORAGE_NAME_MAX]);
bool is_in_directory(const char *name, const char *directory);

struct unit *unit_add(struct sim_disk *disk, enum unit_kind kind, int inode);

/* Makes units durable: the sectors of an inode, or the changes of a directory (inode < 0). */
void units_flush(struct sim_disk *disk, int inode, const char *directory);

/* A write: seen at once, not durable. */
void units_add_write(struct sim_disk *disk, int inode_number, const uint8_t *bytes, size_t length,
                     uint64_t offset);

/* --- sim_storage.c */

extern const struct storage_operations sim_storage_operations;

#endif
