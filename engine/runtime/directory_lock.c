/* directory_lock.c - the lock of a directory, by its file `lock`.
 *
 * Guarantees: after 0 nobody else gets it until the file is closed. It must not know ledgers.
 */
#include "directory_lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_file(struct storage *storage, struct storage_file **file)
{
    const struct storage_operations *operations = storage->operations;
    int error = operations->open(storage, "lock", STORAGE_CREATE_NEW, file);
    return error == -EEXIST ? operations->open(storage, "lock", STORAGE_OPEN_EXISTING, file)
                            : error;
}

static void read_holder(struct storage_file *file, char *block,
                        char holder[DIRECTORY_LOCK_HOLDER_MAX])
{
    if (file->storage->operations->read(file, block, STORAGE_ALIGNMENT, 0) != 0)
        block[0] = '\0';
    block[DIRECTORY_LOCK_HOLDER_MAX - 1] = '\0';
    block[strcspn(block, "\n")] = '\0';
    snprintf(holder, DIRECTORY_LOCK_HOLDER_MAX, "%s", block);
}

int directory_lock_take(struct storage *storage, unsigned timeout_ms, struct storage_file **file,
                        char holder[DIRECTORY_LOCK_HOLDER_MAX])
{
    const struct storage_operations *operations = storage->operations;
    struct storage_file *opened = NULL;
    holder[0] = '\0';
    char *block = aligned_alloc(STORAGE_ALIGNMENT, STORAGE_ALIGNMENT);
    if (block == NULL)
        return -ENOMEM;
    int error = open_file(storage, &opened);
    if (error != 0)
        goto free_block;
    error = operations->lock(opened, timeout_ms);
    if (error == -EBUSY)
        read_holder(opened, block, holder);
    if (error != 0)
        goto close_file;
    memset(block, 0, STORAGE_ALIGNMENT);
    snprintf(block, STORAGE_ALIGNMENT, "pid %ld\n", (long)getpid());
    error = operations->write(opened, block, STORAGE_ALIGNMENT, 0);
close_file:
    if (error != 0)
        operations->close(opened);
    else
        *file = opened;
free_block:
    free(block);
    return error;
}
