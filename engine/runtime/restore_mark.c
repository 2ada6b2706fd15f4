/* restore_mark.c - an empty file that says that a directory is not whole.
 *
 * Guarantees: set or removed durably, or an error. It must not know what a restore does.
 */
#include "restore_mark.h"

#include <errno.h>

int restore_mark_check(struct storage *storage)
{
    struct storage_file *file;
    int error = storage->operations->open(storage, RESTORE_MARK_NAME, STORAGE_READ_ONLY, &file);
    if (error == -ENOENT)
        return 0;
    if (error != 0)
        return error;
    storage->operations->close(file);
    return -EBADMSG;
}

int restore_mark_set(struct storage *storage)
{
    struct storage_file *file;
    int error = storage->operations->open(storage, RESTORE_MARK_NAME, STORAGE_CREATE_NEW, &file);
    if (error != 0)
        return error;
    storage->operations->close(file);
    return storage->operations->sync_directory(storage, "");
}

int restore_mark_remove(struct storage *storage)
{
    int error = storage->operations->remove(storage, RESTORE_MARK_NAME);
    return error != 0 ? error : storage->operations->sync_directory(storage, "");
}
