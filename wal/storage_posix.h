/* storage_posix.h - the files of a real directory. */
#ifndef FLORIN_WAL_STORAGE_POSIX_H
#define FLORIN_WAL_STORAGE_POSIX_H

#include "storage.h"

/* Uses `path`, making the directory when it is missing and `create` is set (its parent must
 * exist). 0, or -errno of mkdir and open. Thread: any. */
int storage_posix_create(const char *path, bool create, struct storage **storage);
void storage_posix_destroy(struct storage *storage);

/* The descriptor of one of its files (O_DIRECT where the file system allows it). */
int storage_posix_descriptor(const struct storage_file *file);

#endif
