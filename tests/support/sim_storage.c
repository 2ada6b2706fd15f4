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

const char *sim_operation_name(enum sim_operation operation)
{
    static const char *const names[SIM_OPERATIONS] = {
        [SIM_OPEN] = "open",
        [SIM_LOCK] = "lock",
        [SIM_SIZE] = "size",
        [SIM_READ] = "read",
        [SIM_WRITE] = "write",
        [SIM_SYNC] = "sync",
        [SIM_RENAME] = "rename",
        [SIM_REMOVE] = "remove",
        [SIM_MAKE_DIRECTORY] = "make_directory",
        [SIM_SYNC_DIRECTORY] = "sync_directory",
        [SIM_LIST] = "list",
        [SIM_SUBMIT] = "submit",
        [SIM_REAP] = "reap",
    };
    return names[operation];
}

static struct sim_disk *disk_of(struct storage *storage)
{
    return (struct sim_disk *)storage;
}

/* An operation begins. 0, or the error that it must answer; event->injected when there is one. */
static int disk_begin(struct sim_disk *disk, struct sim_event *event)
{
    event->injected = true;
    if (sim_disk_is_off(disk))
        return -EIO;
    disk->operations++;
    uint64_t at = disk->fail_at;
    if (at != 0 && disk->operations >= at && (disk->operations == at || disk->fail_for_ever))
        return -disk->fail_error;
    uint32_t per_million = disk->fault_per_million[event->operation];
    if (per_million > 0 && disk_random(disk) % 1000000 < per_million)
        return -disk->fault_error;
    event->injected = false;
    return 0;
}

/* It ends with an error, or with 0. Returns that. `has_power`: it began with power. */
static int disk_end(struct sim_disk *disk, struct sim_event *event, bool has_power, int error)
{
    event->error = error;
    if (event->from == NULL)
        event->from = "";
    if (has_power && disk->seen != NULL)
        disk->seen(disk->seen_context, event);
    return error;
}

static void disk_changed(struct sim_disk *disk)
{
    if (disk->changed != NULL)
        disk->changed(disk->changed_context, disk);
}

/* What a random fault leaves of a file's units. A fault that was asked for leaves them all. */
static void disk_lose_some(struct sim_disk *disk, const struct sim_event *event, int inode)
{
    if (disk->fault_per_million[event->operation] > 0 && event->injected)
        units_lose_some(disk, inode);
}

static int disk_create(struct sim_disk *disk, const char *text)
{
    char directory[STORAGE_NAME_MAX];
    directory_of(text, directory);
    if (directory[0] != '\0' && names_find(&disk->current, directory) == NULL)
        return -ENOENT;
    int inode = inode_take(disk, text);
    names_set(&disk->current, text, inode);
    snprintf(unit_add(disk, UNIT_LINK, inode)->of.link.name, STORAGE_NAME_MAX, "%s", text);
    return inode;
}

static int sim_open(struct storage *storage, const char *text, enum storage_open mode,
                    struct storage_file **file)
{
    struct sim_disk *disk = disk_of(storage);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_OPEN, .name = text, .offset = (uint64_t)mode};
    int error = disk_begin(disk, &event);
    const struct name *name = names_find(&disk->current, text);
    bool create = mode == STORAGE_CREATE_NEW;
    if (error == 0 && (name != NULL) == create)
        error = create ? -EEXIST : -ENOENT;
    if (error != 0)
        return disk_end(disk, &event, has_power, error);
    int inode = create ? disk_create(disk, text) : name->inode;
    if (inode < 0)
        return disk_end(disk, &event, has_power, inode);
    struct sim_file *opened = calloc(1, sizeof(*opened));
    assert(opened != NULL);
    *opened = (struct sim_file){.file = {.storage = storage}, .inode = inode};
    disk->inodes[inode].opened++;
    *file = &opened->file;
    if (create)
        disk_changed(disk);
    return disk_end(disk, &event, has_power, 0);
}

static int number_of(const struct storage_file *file)
{
    return ((const struct sim_file *)file)->inode;
}

static struct inode *inode_of(struct storage_file *file)
{
    return &disk_of(file->storage)->inodes[number_of(file)];
}

static void sim_close(struct storage_file *file)
{
    struct inode *inode = inode_of(file);
    if (inode->locked_by == file)
        inode->locked_by = NULL;
    inode->opened--;
    free(file);
}

static int sim_lock(struct storage_file *file, unsigned timeout_ms)
{
    (void)timeout_ms; /* nobody else runs */
    struct sim_disk *disk = disk_of(file->storage);
    struct inode *inode = inode_of(file);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_LOCK, .name = inode->last_name};
    int error = disk_begin(disk, &event);
    if (error == 0 && inode->locked_by != NULL && inode->locked_by != file)
        error = -EBUSY;
    if (error == 0)
        inode->locked_by = file;
    return disk_end(disk, &event, has_power, error);
}

static int sim_size(struct storage_file *file, uint64_t *bytes)
{
    struct sim_disk *disk = disk_of(file->storage);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_SIZE, .name = inode_of(file)->last_name};
    int error = disk_begin(disk, &event);
    if (error == 0)
        *bytes = inode_size(inode_of(file));
    return disk_end(disk, &event, has_power, error);
}

static void assert_aligned(const void *buffer, size_t length, uint64_t offset)
{
    assert(length % STORAGE_ALIGNMENT == 0);
    assert(offset % STORAGE_ALIGNMENT == 0);
    assert((uintptr_t)buffer % STORAGE_ALIGNMENT == 0);
}

static int sim_read(struct storage_file *file, void *buffer, size_t length, uint64_t offset)
{
    assert_aligned(buffer, length, offset);
    struct sim_disk *disk = disk_of(file->storage);
    const struct inode *inode = inode_of(file);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {
        .operation = SIM_READ, .name = inode->last_name, .offset = offset, .length = length};
    int error = disk_begin(disk, &event);
    if (error == 0 && offset + length > inode_size(inode))
        error = -EIO;
    if (error == 0 && length > 0)
        memcpy(buffer, inode->current->bytes + offset, length);
    return disk_end(disk, &event, has_power, error);
}

uint64_t sim_disk_used(const struct sim_disk *disk)
{
    uint64_t used = 0;
    for (size_t i = 0; i < disk->current.end; i++) {
        const struct name *name = &disk->current.slots[i];
        if (name->text[0] != '\0' && name->inode >= 0)
            used += inode_size(&disk->inodes[name->inode]);
    }
    return used;
}

/* Whether the file can grow to `end`. */
static bool disk_has_room(const struct sim_disk *disk, const struct inode *inode, uint64_t end)
{
    uint64_t size = inode_size(inode);
    return disk->capacity == 0 || end <= size ||
           sim_disk_used(disk) + (end - size) <= disk->capacity;
}

static int sim_write(struct storage_file *file, const void *buffer, size_t length, uint64_t offset)
{
    assert_aligned(buffer, length, offset);
    struct sim_disk *disk = disk_of(file->storage);
    const struct inode *inode = inode_of(file);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {
        .operation = SIM_WRITE, .name = inode->last_name, .offset = offset, .length = length};
    int error = disk_begin(disk, &event);
    if (!has_power)
        return error;
    if (error == 0 && !disk_has_room(disk, inode, offset + length))
        return disk_end(disk, &event, has_power, -ENOSPC);
    if (disk->unit_count > UNITS_MANY)
        units_flush_directories(disk);
    units_add_write(disk, number_of(file), buffer, length, offset);
    if (error != 0)
        disk_lose_some(disk, &event, number_of(file));
    disk_changed(disk);
    return disk_end(disk, &event, has_power, error);
}

static int sim_sync(struct storage_file *file)
{
    struct sim_disk *disk = disk_of(file->storage);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_SYNC, .name = inode_of(file)->last_name};
    int error = disk_begin(disk, &event);
    if (!has_power)
        return error;
    if (error == 0)
        units_flush(disk, number_of(file), "");
    else
        disk_lose_some(disk, &event, number_of(file));
    if (error == 0)
        disk_changed(disk);
    return disk_end(disk, &event, has_power, error);
}

static int sim_rename(struct storage *storage, const char *from, const char *to)
{
    struct sim_disk *disk = disk_of(storage);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_RENAME, .name = to, .from = from};
    int error = disk_begin(disk, &event);
    const struct name *name = names_find(&disk->current, from);
    if (error == 0 && name == NULL)
        error = -ENOENT;
    if (error != 0)
        return disk_end(disk, &event, has_power, error);
    int inode = name->inode;
    struct unit *unit = unit_add(disk, UNIT_RENAME, inode);
    snprintf(unit->of.link.name, STORAGE_NAME_MAX, "%s", to);
    snprintf(unit->of.link.from, STORAGE_NAME_MAX, "%s", from);
    names_remove(&disk->current, from);
    names_set(&disk->current, to, inode);
    snprintf(disk->inodes[inode].last_name, STORAGE_NAME_MAX, "%s", to);
    disk_changed(disk);
    return disk_end(disk, &event, has_power, 0);
}

static int sim_remove(struct storage *storage, const char *text)
{
    struct sim_disk *disk = disk_of(storage);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_REMOVE, .name = text};
    int error = disk_begin(disk, &event);
    const struct name *name = names_find(&disk->current, text);
    if (error == 0 && name == NULL)
        error = -ENOENT;
    if (error != 0)
        return disk_end(disk, &event, has_power, error);
    snprintf(unit_add(disk, UNIT_UNLINK, name->inode)->of.link.name, STORAGE_NAME_MAX, "%s", text);
    names_remove(&disk->current, text);
    disk_changed(disk);
    return disk_end(disk, &event, has_power, 0);
}

static int sim_make_directory(struct storage *storage, const char *directory)
{
    struct sim_disk *disk = disk_of(storage);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_MAKE_DIRECTORY, .name = directory};
    int error = disk_begin(disk, &event);
    if (error != 0 || names_find(&disk->current, directory) != NULL)
        return disk_end(disk, &event, has_power, error);
    names_set(&disk->current, directory, -1);
    snprintf(unit_add(disk, UNIT_LINK, -1)->of.link.name, STORAGE_NAME_MAX, "%s", directory);
    disk_changed(disk);
    return disk_end(disk, &event, has_power, 0);
}

static int sim_sync_directory(struct storage *storage, const char *directory)
{
    struct sim_disk *disk = disk_of(storage);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_SYNC_DIRECTORY, .name = directory};
    int error = disk_begin(disk, &event);
    if (error == 0) {
        units_flush(disk, -1, directory);
        disk_changed(disk);
    }
    return disk_end(disk, &event, has_power, error);
}

static int sim_list(struct storage *storage, const char *directory,
                    void (*visit)(void *context, const char *name), void *context)
{
    struct sim_disk *disk = disk_of(storage);
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_LIST, .name = directory};
    int error = disk_begin(disk, &event);
    if (error == 0 && directory[0] != '\0' && names_find(&disk->current, directory) == NULL)
        error = -ENOENT;
    disk_end(disk, &event, has_power, error);
    if (error != 0)
        return error;
    _Static_assert(sizeof(struct names) < 1 << 20, "fits on the stack");
    struct names snapshot; /* visit may remove files */
    names_copy(&snapshot, &disk->current);
    size_t skip = directory[0] == '\0' ? 0 : strlen(directory) + 1;
    for (size_t i = 0; i < snapshot.end; i++) {
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
    uint64_t used = sim_disk_used(disk);
    *free_bytes = used < total ? total - used : 0;
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
    struct sim_disk *disk = channel->disk;
    assert(channel->inode < 0);
    assert_aligned(buffer, length, offset);
    /* the log never grows a live file */
    assert(flush == CHANNEL_NO_FLUSH || offset + length <= inode_size(inode_of(file)));
    bool has_power = !sim_disk_is_off(disk);
    struct sim_event event = {.operation = SIM_SUBMIT,
                              .name = inode_of(file)->last_name,
                              .offset = offset,
                              .length = length,
                              .bytes = buffer};
    int error = disk_begin(disk, &event);
    if (error != 0)
        return disk_end(disk, &event, has_power, error);
    channel->inode = number_of(file);
    channel->flush = flush;
    channel->result = 0;
    disk->inodes[channel->inode].opened++; /* the write outlives the descriptor */
    if (!disk_has_room(disk, inode_of(file), offset + length)) {
        channel->result = -ENOSPC;
        return disk_end(disk, &event, has_power, 0);
    }
    units_add_write(disk, channel->inode, buffer, length, offset);
    disk_changed(disk);
    return disk_end(disk, &event, has_power, 0);
}

bool sim_channel_is_ready(const struct channel *base)
{
    const struct sim_channel *channel = (const struct sim_channel *)base;
    return channel->inode >= 0 &&
           (!channel->disk->hold_completions || sim_disk_is_off(channel->disk));
}

static bool sim_reap(struct channel *base, int *result)
{
    struct sim_channel *channel = (struct sim_channel *)base;
    struct sim_disk *disk = channel->disk;
    if (!sim_channel_is_ready(base))
        return false;
    bool has_power = !sim_disk_is_off(disk);
    struct inode *inode = &disk->inodes[channel->inode];
    struct sim_event event = {.operation = SIM_REAP, .name = inode->last_name};
    *result = disk_begin(disk, &event);
    if (*result == 0)
        *result = channel->result;
    if (*result == 0 && channel->flush == CHANNEL_FLUSH)
        units_flush(disk, channel->inode, "");
    else if (*result != 0 && has_power)
        disk_lose_some(disk, &event, channel->inode);
    inode->opened--;
    channel->inode = -1;
    if (has_power)
        disk_changed(disk);
    disk_end(disk, &event, has_power, *result);
    return true;
}

static int sim_descriptor(const struct channel *base)
{
    (void)base;
    return -1; /* never has to be waited for */
}

static void sim_destroy(struct channel *base)
{
    struct sim_channel *channel = (struct sim_channel *)base;
    if (channel->inode >= 0)
        channel->disk->inodes[channel->inode].opened--;
    free(channel);
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
