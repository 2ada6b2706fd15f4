/* sim_storage.c - the operations of the simulated disk: storage.h and channel.h, with faults.
 *
 * Guarantees: checks what O_DIRECT would (alignment), and that the log, whose writes are flushed,
 * never grows a live file.
 * Must not know: what the files hold.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim_disk_internal.h"

struct sim_file {
    struct storage_file file;
    int inode;
};

struct sim_channel {
    struct channel channel;
    struct sim_disk *disk;
    int inode; /* of the write under way; -1: none */
    enum channel_flush flush;
    int result; /* of the write, known when it begins */
};

/* --- operations ------------------------------------------------------------------------------ */

static struct sim_disk *disk_of(struct storage *storage)
{
    return (struct sim_disk *)storage;
}

static int disk_fault(struct sim_disk *disk)
{
    disk->operations++;
    if (disk->fail_at == 0 || disk->operations < disk->fail_at)
        return 0;
    return disk->operations == disk->fail_at || disk->fail_for_ever ? -disk->fail_error : 0;
}

static void disk_changed(struct sim_disk *disk)
{
    if (disk->changed != NULL)
        disk->changed(disk->changed_context, disk);
}

static int sim_open(struct storage *storage, const char *text, enum storage_open mode,
                    struct storage_file **file)
{
    struct sim_disk *disk = disk_of(storage);
    int error = disk_fault(disk);
    if (error != 0)
        return error;
    struct name *name = names_find(&disk->current, text);
    bool create = mode == STORAGE_CREATE_NEW;
    if ((name != NULL) == create)
        return create ? -EEXIST : -ENOENT;
    int inode = create ? disk->inode_count : name->inode;
    if (create) {
        char directory[STORAGE_NAME_MAX];
        directory_of(text, directory);
        if (directory[0] != '\0' && names_find(&disk->current, directory) == NULL)
            return -ENOENT;
        assert(disk->inode_count < INODES_MAX);
        disk->inode_count++;
        names_set(&disk->current, text, inode);
        snprintf(unit_add(disk, UNIT_LINK, inode)->name, STORAGE_NAME_MAX, "%s", text);
    }
    struct sim_file *opened = calloc(1, sizeof(*opened));
    assert(opened != NULL);
    *opened = (struct sim_file){.file = {.storage = storage}, .inode = inode};
    *file = &opened->file;
    if (create)
        disk_changed(disk);
    return 0;
}

static struct inode *inode_of(struct storage_file *file)
{
    return &disk_of(file->storage)->inodes[((struct sim_file *)file)->inode];
}

static void sim_close(struct storage_file *file)
{
    struct inode *inode = inode_of(file);
    if (inode->locked_by == file)
        inode->locked_by = NULL;
    free(file);
}

static int sim_lock(struct storage_file *file, unsigned timeout_ms)
{
    (void)timeout_ms; /* nobody else runs */
    struct inode *inode = inode_of(file);
    int error = disk_fault(disk_of(file->storage));
    if (error == 0 && inode->locked_by != NULL && inode->locked_by != file)
        error = -EBUSY;
    if (error == 0)
        inode->locked_by = file;
    return error;
}

static int sim_size(struct storage_file *file, uint64_t *bytes)
{
    int error = disk_fault(disk_of(file->storage));
    if (error == 0)
        *bytes = inode_of(file)->size;
    return error;
}

static int sim_read(struct storage_file *file, void *buffer, size_t length, uint64_t offset)
{
    assert(length % STORAGE_ALIGNMENT == 0 && offset % STORAGE_ALIGNMENT == 0);
    assert((uintptr_t)buffer % STORAGE_ALIGNMENT == 0);
    const struct inode *inode = inode_of(file);
    int error = disk_fault(disk_of(file->storage));
    if (error != 0)
        return error;
    if (offset + length > inode->size)
        return -EIO;
    memcpy(buffer, inode->current + offset, length);
    return 0;
}

static uint64_t disk_used(const struct sim_disk *disk)
{
    uint64_t used = 0;
    for (size_t i = 0; i < NAMES_MAX; i++) {
        const struct name *name = &disk->current.slots[i];
        if (name->text[0] != '\0' && name->inode >= 0)
            used += disk->inodes[name->inode].size;
    }
    return used;
}

/* Whether the disk has room for a file that reaches to `end`. */
static bool disk_has_room(const struct sim_disk *disk, const struct inode *inode, uint64_t end)
{
    uint64_t growth = end > inode->size ? end - inode->size : 0;
    return disk->capacity == 0 || disk_used(disk) + growth <= disk->capacity;
}

static int sim_write(struct storage_file *file, const void *buffer, size_t length, uint64_t offset)
{
    assert(length % STORAGE_ALIGNMENT == 0 && offset % STORAGE_ALIGNMENT == 0);
    assert((uintptr_t)buffer % STORAGE_ALIGNMENT == 0);
    struct sim_disk *disk = disk_of(file->storage);
    int error = disk_fault(disk);
    if (error == 0 && !disk_has_room(disk, inode_of(file), offset + length))
        return -ENOSPC;
    units_add_write(disk, ((struct sim_file *)file)->inode, buffer, length, offset);
    disk_changed(disk);
    return error;
}

static int sim_sync(struct storage_file *file)
{
    struct sim_disk *disk = disk_of(file->storage);
    int error = disk_fault(disk);
    if (error != 0)
        return error;
    units_flush(disk, ((struct sim_file *)file)->inode, "");
    disk_changed(disk);
    return 0;
}

static int sim_rename(struct storage *storage, const char *from, const char *to)
{
    struct sim_disk *disk = disk_of(storage);
    int error = disk_fault(disk);
    const struct name *name = names_find(&disk->current, from);
    if (error == 0 && name == NULL)
        error = -ENOENT;
    if (error != 0)
        return error;
    struct unit *unit = unit_add(disk, UNIT_RENAME, name->inode);
    snprintf(unit->name, STORAGE_NAME_MAX, "%s", to);
    snprintf(unit->from, STORAGE_NAME_MAX, "%s", from);
    names_remove(&disk->current, from);
    names_set(&disk->current, to, unit->inode);
    disk_changed(disk);
    return 0;
}

static int sim_remove(struct storage *storage, const char *text)
{
    struct sim_disk *disk = disk_of(storage);
    int error = disk_fault(disk);
    const struct name *name = names_find(&disk->current, text);
    if (error == 0 && name == NULL)
        error = -ENOENT;
    if (error != 0)
        return error;
    snprintf(unit_add(disk, UNIT_UNLINK, name->inode)->name, STORAGE_NAME_MAX, "%s", text);
    names_remove(&disk->current, text);
    disk_changed(disk);
    return 0;
}

static int sim_make_directory(struct storage *storage, const char *directory)
{
    struct sim_disk *disk = disk_of(storage);
    int error = disk_fault(disk);
    if (error != 0 || names_find(&disk->current, directory) != NULL)
        return error;
    names_set(&disk->current, directory, -1);
    snprintf(unit_add(disk, UNIT_LINK, -1)->name, STORAGE_NAME_MAX, "%s", directory);
    disk_changed(disk);
    return 0;
}

static int sim_sync_directory(struct storage *storage, const char *directory)
{
    struct sim_disk *disk = disk_of(storage);
    int error = disk_fault(disk);
    if (error != 0)
        return error;
    units_flush(disk, -1, directory);
    disk_changed(disk);
    return 0;
}

static int sim_list(struct storage *storage, const char *directory,
                    void (*visit)(void *context, const char *name), void *context)
{
    struct sim_disk *disk = disk_of(storage);
    int error = disk_fault(disk);
    if (error == 0 && directory[0] != '\0' && names_find(&disk->current, directory) == NULL)
        error = -ENOENT;
    if (error != 0)
        return error;
    struct names snapshot = disk->current; /* visit may remove files */
    size_t skip = directory[0] == '\0' ? 0 : strlen(directory) + 1;
    for (size_t i = 0; i < NAMES_MAX; i++) {
        const struct name *name = &snapshot.slots[i];
        if (name->text[0] != '\0' && name->inode >= 0 && is_in_directory(name->text, directory))
            visit(context, name->text + skip);
    }
    return 0;
}

static int sim_space(struct storage *storage, uint64_t *free_bytes, uint64_t *total_bytes)
{
    const struct sim_disk *disk = disk_of(storage);
    uint64_t total = disk->capacity > 0 ? disk->capacity : UINT64_C(1) << 40;
    *free_bytes = total - disk_used(disk);
    *total_bytes = total;
    return 0;
}

const struct storage_operations sim_storage_operations = {
    .open = sim_open,
    .close = sim_close,
    .lock = sim_lock,
    .size = sim_size,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .rename = sim_rename,
    .remove = sim_remove,
    .make_directory = sim_make_directory,
    .sync_directory = sim_sync_directory,
    .list = sim_list,
    .space = sim_space,
};

/* --- the channel ----------------------------------------------------------------------------- */

static int sim_submit(struct channel *base, struct storage_file *file, const void *buffer,
                      size_t length, uint64_t offset, enum channel_flush flush)
{
    struct sim_channel *channel = (struct sim_channel *)base;
    assert(channel->inode < 0);
    assert(length % STORAGE_ALIGNMENT == 0 && offset % STORAGE_ALIGNMENT == 0);
    assert((uintptr_t)buffer % STORAGE_ALIGNMENT == 0);
    /* The log never grows a live file. */
    assert(flush == CHANNEL_NO_FLUSH || offset + length <= inode_of(file)->size);
    int error = disk_fault(channel->disk);
    if (error != 0)
        return error;
    channel->inode = ((struct sim_file *)file)->inode;
    channel->flush = flush;
    channel->result = 0;
    if (!disk_has_room(channel->disk, inode_of(file), offset + length)) {
        channel->result = -ENOSPC;
        return 0;
    }
    units_add_write(channel->disk, channel->inode, buffer, length, offset);
    disk_changed(channel->disk);
    return 0;
}

static bool sim_reap(struct channel *base, int *result)
{
    struct sim_channel *channel = (struct sim_channel *)base;
    if (channel->inode < 0 || channel->disk->hold_completions)
        return false;
    *result = disk_fault(channel->disk);
    if (*result == 0)
        *result = channel->result;
    if (*result == 0 && channel->flush == CHANNEL_FLUSH)
        units_flush(channel->disk, channel->inode, "");
    channel->inode = -1;
    disk_changed(channel->disk);
    return true;
}

static int sim_descriptor(const struct channel *base)
{
    (void)base;
    return -1; /* never has to be waited for */
}

static void sim_destroy(struct channel *base)
{
    free(base);
}

static const struct channel_operations sim_channel_operations = {
    .submit = sim_submit,
    .reap = sim_reap,
    .descriptor = sim_descriptor,
    .destroy = sim_destroy,
};

struct channel *sim_disk_channel(struct sim_disk *disk)
{
    struct sim_channel *channel = calloc(1, sizeof(*channel));
    assert(channel != NULL);
    *channel = (struct sim_channel){
        .channel = {.operations = &sim_channel_operations}, .disk = disk, .inode = -1};
    return &channel->channel;
}
