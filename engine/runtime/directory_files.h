/* directory_files.h - which checkpoints and key files stand in a directory, in order.
 *
 * By their names alone; temporary files and names of others are passed over.
 *
 * Thread: one at a time a list.
 */
#ifndef FLORIN_RUNTIME_DIRECTORY_FILES_H
#define FLORIN_RUNTIME_DIRECTORY_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "wal/block_file.h"
#include "wal/storage.h"

struct directory_file {
    enum block_file_kind kind;
    uint64_t from;               /* checkpoints: their start LSN */
    uint64_t to;                 /* keys only */
    char name[STORAGE_NAME_MAX]; /* with the folder */
};

struct directory_files {
    /* checkpoints ascending, then key files ascending */
    struct directory_file *files;
    size_t count;
    size_t max;
    int error; /* of the listing */
};

/* A key file whose range lies in that of another one was merged into it and waits for its removal:
 * it is left out. Checkpoints are listed first: a key file that one of them needs is found. *files
 * is to be deinitialised after success and after an error. 0, -ENOMEM, -errno. */
__attribute__((warn_unused_result)) int directory_files_init(struct directory_files *files,
                                                             struct storage *storage);
void directory_files_deinit(struct directory_files *files);

/* The plain name of a file, and the folder of a kind. */
const char *directory_file_plain_name(const struct directory_file *file);
const char *directory_file_folder(enum block_file_kind kind);

#endif
