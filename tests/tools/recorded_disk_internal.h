/* recorded_disk_internal.h - what a recording is, for the files that make and play it.
 *
 * Files and folders have numbers, that of the root is 0; a name is (folder, text) -> number. So a
 * renamed folder takes along what is in it, and a new file that gets the inode of a removed one is
 * another one.
 */
#ifndef FLORIN_TESTS_RECORDED_DISK_INTERNAL_H
#define FLORIN_TESTS_RECORDED_DISK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "recorded_disk.h"

enum {
    SECTOR = 512,
    NODES_MAX = 512,
    NAME_BYTES = 64,
    PATH_BYTES = 4096,
    FOLDER_MODE = 0700,
    FILE_MODE = 0600,
    NONE = -1,
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
    uint8_t bytes[SECTOR];
    char name[NAME_BYTES];
    char from[NAME_BYTES]; /* of RENAME */
};

struct node {
    ino_t inode;
    bool is_folder;
    uint8_t *bytes; /* at the start of the recording */
    size_t length;
};

struct name {
    int folder; /* NONE: no name */
    int node;
    char text[NAME_BYTES];
};

struct recording {
    struct node nodes[NODES_MAX];
    int node_count;
    struct name names[NODES_MAX]; /* at the start */
    int name_count;
    struct event *events;
    size_t event_count;
    size_t event_max;
    uint64_t *played; /* the states, by their checksums */
    size_t played_count;
    size_t played_max;
};

#endif
