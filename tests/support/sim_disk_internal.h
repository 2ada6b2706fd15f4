/* sim_disk_internal.h - the simulated disk as its two files see it.
 *
 * Thread: one.
 */
#ifndef TESTS_SUPPORT_SIM_DISK_INTERNAL_H
#define TESTS_SUPPORT_SIM_DISK_INTERNAL_H

#include "support/sim_content.h"
#include "support/sim_disk.h"

enum {
    INODES_MAX = 4096,
    NAMES_MAX = 4096,
    SECTOR = STORAGE_SECTOR_BYTES,
    /* With more of them the file system writes down the changes of directories by itself. */
    UNITS_MANY = 4000,
};

struct inode {
    struct content *durable; /* NULL: empty */
    struct content *current;
    const void *locked_by;
    unsigned opened;
    bool used;
    char last_name[STORAGE_NAME_MAX]; /* for those who look on */
};

struct name {
    char text[STORAGE_NAME_MAX]; /* "": free */
    int inode;                   /* -1: a directory */
};

struct names {
    size_t end;                   /* no slot from here on was ever taken */
    struct name slots[NAMES_MAX]; /* from `end` on: anything */
};

enum unit_kind { UNIT_SECTOR, UNIT_LINK, UNIT_UNLINK, UNIT_RENAME };

struct unit {
    enum unit_kind kind;
    int inode;
    uint64_t offset;
    union {
        uint8_t bytes[SECTOR];
        struct {
            char name[STORAGE_NAME_MAX];
            char from[STORAGE_NAME_MAX];
        } link;
    } of;
};

struct sim_disk {
    struct storage storage;
    struct content_pool *contents;
    struct unit *units;
    size_t unit_count;
    size_t unit_max;
    uint64_t capacity;
    bool hold_completions;
    uint64_t operations;
    uint64_t off_at; /* operations that are done; UINT64_MAX: the power stays on */
    uint64_t fail_at;
    int fail_error;
    bool fail_for_ever;
    uint32_t fault_per_million[SIM_OPERATIONS];
    int fault_error;
    uint64_t fault_random;
    void (*changed)(void *context, struct sim_disk *disk);
    void *changed_context;
    void (*seen)(void *context, const struct sim_event *event);
    void *seen_context;
    int inode_end; /* no inode from here on was ever used */
    /* Only what stands above is zeroed when a disk is made: most of what follows is never touched.
     */
    struct inode inodes[INODES_MAX];
    struct names durable;
    struct names current;
};

/* --- sim_disk.c */

/* NULL: no such name. */
struct name *names_find(struct names *names, const char *text);
void names_set(struct names *names, const char *text, int inode);
void names_copy(struct names *to, const struct names *from);
void names_remove(struct names *names, const char *text);
void directory_of(const char *name, char directory[STORAGE_NAME_MAX]);
bool is_in_directory(const char *name, const char *directory);

/* A free inode, now used. */
int inode_take(struct sim_disk *disk, const char *name);
uint64_t inode_size(const struct inode *inode);

struct unit *unit_add(struct sim_disk *disk, enum unit_kind kind, int inode);

/* Makes units durable: the sectors of an inode, or the changes of a directory (inode < 0). */
void units_flush(struct sim_disk *disk, int inode, const char *directory);

/* Makes all changes of directories durable, and forgets what was written to removed files. */
void units_flush_directories(struct sim_disk *disk);

/* A write: seen at once, not durable. */
void units_add_write(struct sim_disk *disk, int inode_number, const uint8_t *bytes, size_t length,
                     uint64_t offset);

/* After a fault: some units of the inode are gone as if they had never been written. */
void units_lose_some(struct sim_disk *disk, int inode_number);

/* splitmix64, public domain, Sebastiano Vigna */
uint64_t disk_random(struct sim_disk *disk);

/* --- sim_storage.c */

extern const struct storage_operations sim_storage_operations;

#endif
