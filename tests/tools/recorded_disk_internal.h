/* recorded_disk_internal.h - what a recording is made of: for recorded_disk.c, which makes it, and
 * recorded_disk_play.c.
 *
 * Files and folders have numbers, that of the root is 0; a name is (folder, text) -> number. So a
 * renamed folder takes along what is in it, and a new file that gets the inode of a removed one is
 * another one.
 */
#ifndef FLORIN_TESTS_RECORDED_DISK_INTERNAL_H
#define FLORIN_TESTS_RECORDED_DISK_INTERNAL_H

#include <sys/types.h>

#include "recorded_disk.h"

enum {
    RECORDED_SECTOR = 512,
    RECORDED_NODES_MAX = 512,
    RECORDED_NAME_BYTES = 64,
    RECORDED_NONE = -1,
};

enum event_kind {
    EVENT_WRITE,
    EVENT_LENGTH,
    EVENT_LINK,
    EVENT_UNLINK,
    EVENT_RENAME,
    EVENT_FLUSH, /* of a file or a folder */
};

struct event {
    enum event_kind kind;
    bool call_end;
    int node;        /* the file; of LINK and RENAME what gets the name; of FLUSH what is flushed */
    int folder;      /* of LINK, UNLINK and RENAME */
    uint64_t offset; /* of WRITE; of LENGTH the length */
    size_t length;
    uint8_t bytes[RECORDED_SECTOR];
    char name[RECORDED_NAME_BYTES];
    char from[RECORDED_NAME_BYTES]; /* of RENAME */
};

struct node {
    ino_t inode;
    bool is_folder;
    uint8_t *bytes; /* at the start of the recording */
    size_t length;
    size_t capacity;
};

struct name {
    int folder; /* RECORDED_NONE: no name */
    int node;
    char text[RECORDED_NAME_BYTES];
};

struct recording {
    struct node nodes[RECORDED_NODES_MAX];
    int node_count;
    struct name names[RECORDED_NODES_MAX]; /* at the start */
    int name_count;
    struct event *events;
    size_t event_count;
    size_t event_max;
    uint64_t *played; /* the states, by their checksums */
    size_t played_count;
    size_t played_max;
};

/* As they are without a record of it. */
int recorded_disk_real_create(const char *path, mode_t mode);
ssize_t recorded_disk_real_write(int descriptor, const void *bytes, size_t length, off_t offset);
int recorded_disk_real_truncate(int descriptor, off_t length);
int recorded_disk_real_mkdir(const char *path, mode_t mode);

#endif
