/* sim_disk.c - a disk in memory that forgets what was not flushed.
 *
 *     inode:  durable bytes, current bytes
 *     names:  durable list, current list
 *     units:  what lies between, in order
 *
 * Guarantees: what it says is durable survives sim_disk_crash() whatever is kept.
 * Must not know: what the files hold.
 */
#include "support/sim_disk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

struct sim_file {
    struct storage_file file;
    int inode;
};

struct sim_channel {
    struct channel channel;
    struct sim_disk *disk;
    int inode; /* of the write under way; -1: none */
};

/* --- names ----------------------------------------------------------------------------------- */

static struct name *names_find(struct names *names, const char *text)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (strcmp(names->slots[i].text, text) == 0)
            return &names->slots[i];
    }
    return NULL;
}

static void names_remove(struct names *names, const char *text)
{
    struct name *name = names_find(names, text);
    if (name != NULL)
        name->text[0] = '\0';
}

static void names_set(struct names *names, const char *text, int inode)
{
    names_remove(names, text);
    struct name *name = names_find(names, "");
    assert(name != NULL);
    snprintf(name->text, sizeof(name->text), "%s", text);
    name->inode = inode;
}

static void directory_of(const char *name, char directory[STORAGE_NAME_MAX])
{
    const char *slash = strchr(name, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - name);
    memcpy(directory, name, length);
    directory[length] = '\0';
}

static bool is_in_directory(const char *name, const char *directory)
{
    char its[STORAGE_NAME_MAX];
    directory_of(name, its);
    return strcmp(its, directory) == 0;
}

/* --- units ----------------------------------------------------------------------------------- */

static void inode_resize(uint8_t **bytes, uint64_t *size, uint64_t wanted)
{
    if (wanted <= *size)
        return;
    uint8_t *grown = realloc(*bytes, wanted);
    assert(grown != NULL);
    memset(grown + *size, 0, wanted - *size);
    *bytes = grown;
    *size = wanted;
}

static void unit_apply(struct inode *inodes, struct names *names, const struct unit *unit)
{
    struct inode *inode;
    switch (unit->kind) {
    case UNIT_SECTOR:
        inode = &inodes[unit->inode];
        inode_resize(&inode->durable, &inode->durable_size, unit->offset + SECTOR);
        memcpy(inode->durable + unit->offset, unit->bytes, SECTOR);
        break;
    case UNIT_LINK:
        names_set(names, unit->name, unit->inode);
        break;
    case UNIT_UNLINK:
        names_remove(names, unit->name);
        break;
    case UNIT_RENAME:
        names_remove(names, unit->from);
        names_set(names, unit->name, unit->inode);
        break;
    }
}

static struct unit *unit_add(struct sim_disk *disk, enum unit_kind kind, int inode)
{
    if (disk->unit_count == disk->unit_max) {
        disk->unit_max = disk->unit_max * 2 + 64;
        disk->units = realloc(disk->units, disk->unit_max * sizeof(*disk->units));
        assert(disk->units != NULL);
    }
    struct unit *unit = &disk->units[disk->unit_count++];
    *unit = (struct unit){.kind = kind, .inode = inode};
    return unit;
}

/* Makes units durable: the sectors of an inode, or the changes of a directory (inode < 0). */
static void units_flush(struct sim_disk *disk, int inode, const char *directory)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->unit_count; i++) {
        struct unit *unit = &disk->units[i];
        bool is_sector = unit->kind == UNIT_SECTOR;
        bool flushed = inode >= 0 ? is_sector && unit->inode == inode
                                  : !is_sector && is_in_directory(unit->name, directory);
        if (flushed)
            unit_apply(disk->inodes, &disk->durable, unit);
        else
            disk->units[kept++] = *unit;
    }
    disk->unit_count = kept;
}

static void units_add_write(struct sim_disk *disk, int inode_number, const uint8_t *bytes,
                            size_t length, uint64_t offset)
{
    struct inode *inode = &disk->inodes[inode_number];
    inode_resize(&inode->current, &inode->size, offset + length);
    memcpy(inode->current + offset, bytes, length);
    for (size_t i = 0; i < length; i += SECTOR) {
        struct unit *unit = unit_add(disk, UNIT_SECTOR, inode_number);
        unit->offset = offset + i;
        memcpy(unit->bytes, bytes + i, SECTOR);
    }
}

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

static int sim_write(struct storage_file *file, const void *buffer, size_t length, uint64_t offset)
{
    assert(length % STORAGE_ALIGNMENT == 0 && offset % STORAGE_ALIGNMENT == 0);
    assert((uintptr_t)buffer % STORAGE_ALIGNMENT == 0);
    struct sim_disk *disk = disk_of(file->storage);
    const struct inode *inode = inode_of(file);
    int error = disk_fault(disk);
    uint64_t growth = offset + length > inode->size ? offset + length - inode->size : 0;
    if (error == 0 && disk->capacity > 0 && disk_used(disk) + growth > disk->capacity)
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

static const struct storage_operations sim_storage_operations = {
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
                      size_t length, uint64_t offset)
{
    struct sim_channel *channel = (struct sim_channel *)base;
    assert(channel->inode < 0);
    assert(length % STORAGE_ALIGNMENT == 0 && offset % STORAGE_ALIGNMENT == 0);
    assert(offset + length <= inode_of(file)->size); /* the log never grows a live file */
    int error = disk_fault(channel->disk);
    if (error != 0)
        return error;
    channel->inode = ((struct sim_file *)file)->inode;
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

/* --- the disk -------------------------------------------------------------------------------- */

struct sim_disk *sim_disk_create(void)
{
    struct sim_disk *disk = calloc(1, sizeof(*disk));
    assert(disk != NULL);
    disk->storage.operations = &sim_storage_operations;
    return disk;
}

void sim_disk_destroy(struct sim_disk *disk)
{
    for (int i = 0; i < disk->inode_count; i++) {
        free(disk->inodes[i].durable);
        free(disk->inodes[i].current);
    }
    free(disk->units);
    free(disk);
}

struct storage *sim_disk_storage(struct sim_disk *disk)
{
    return &disk->storage;
}

size_t sim_disk_units(const struct sim_disk *disk)
{
    return disk->unit_count;
}

static uint8_t *bytes_copy(const uint8_t *bytes, uint64_t size)
{
    if (size == 0)
        return NULL;
    uint8_t *copy = malloc(size);
    assert(copy != NULL);
    memcpy(copy, bytes, size);
    return copy;
}

/* Files of a directory that was lost are lost with it; so is what has no name. */
static void disk_drop_lost(struct sim_disk *disk)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        struct name *name = &disk->durable.slots[i];
        char directory[STORAGE_NAME_MAX];
        directory_of(name->text, directory);
        if (directory[0] != '\0' && names_find(&disk->durable, directory) == NULL)
            name->text[0] = '\0';
    }
}

struct sim_disk *sim_disk_crash(const struct sim_disk *disk, const bool *keep)
{
    struct sim_disk *after = sim_disk_create();
    after->capacity = disk->capacity;
    after->durable = disk->durable;
    after->inode_count = disk->inode_count;
    for (int i = 0; i < disk->inode_count; i++) {
        const struct inode *inode = &disk->inodes[i];
        after->inodes[i].durable = bytes_copy(inode->durable, inode->durable_size);
        after->inodes[i].durable_size = inode->durable_size;
    }
    bool root_lost = false;
    bool log_lost = false;
    for (size_t i = 0; i < disk->unit_count; i++) {
        const struct unit *unit = &disk->units[i];
        bool *lost = is_in_directory(unit->name, "") ? &root_lost : &log_lost;
        bool kept = keep[i];
        if (unit->kind != UNIT_SECTOR) {
            *lost |= !kept;
            kept = !*lost;
        }
        if (kept)
            unit_apply(after->inodes, &after->durable, unit);
    }
    disk_drop_lost(after);
    after->current = after->durable;
    for (int i = 0; i < after->inode_count; i++) {
        struct inode *inode = &after->inodes[i];
        inode->current = bytes_copy(inode->durable, inode->durable_size);
        inode->size = inode->durable_size;
    }
    return after;
}

struct sim_disk *sim_disk_kill(const struct sim_disk *disk)
{
    struct sim_disk *after = sim_disk_create();
    after->capacity = disk->capacity;
    after->durable = disk->durable;
    after->current = disk->current;
    after->inode_count = disk->inode_count;
    for (int i = 0; i < disk->inode_count; i++) {
        const struct inode *inode = &disk->inodes[i];
        after->inodes[i] = (struct inode){
            .durable = bytes_copy(inode->durable, inode->durable_size),
            .current = bytes_copy(inode->current, inode->size),
            .durable_size = inode->durable_size,
            .size = inode->size,
        };
    }
    for (size_t i = 0; i < disk->unit_count; i++)
        *unit_add(after, UNIT_SECTOR, 0) = disk->units[i];
    return after;
}

uint64_t sim_disk_operations(const struct sim_disk *disk)
{
    return disk->operations;
}

void sim_disk_fail(struct sim_disk *disk, uint64_t nth, int error, bool for_ever)
{
    disk->fail_at = nth == 0 ? 0 : disk->operations + nth;
    disk->fail_error = error;
    disk->fail_for_ever = for_ever;
}

void sim_disk_set_capacity(struct sim_disk *disk, uint64_t bytes)
{
    disk->capacity = bytes;
}

void sim_disk_hold_completions(struct sim_disk *disk, bool hold)
{
    disk->hold_completions = hold;
}

void sim_disk_watch(struct sim_disk *disk, void (*changed)(void *context, struct sim_disk *disk),
                    void *context)
{
    disk->changed = changed;
    disk->changed_context = context;
}

uint8_t *sim_disk_bytes(struct sim_disk *disk, const char *text, uint64_t *size)
{
    assert(disk->unit_count == 0);
    const struct name *name = names_find(&disk->current, text);
    if (name == NULL)
        return NULL;
    *size = disk->inodes[name->inode].size;
    return disk->inodes[name->inode].current;
}

void sim_disk_put(struct sim_disk *disk, const char *text, const uint8_t *bytes, uint64_t size)
{
    assert(disk->inode_count < INODES_MAX);
    int number = disk->inode_count++;
    disk->inodes[number] = (struct inode){
        .durable = bytes_copy(bytes, size),
        .current = bytes_copy(bytes, size),
        .durable_size = size,
        .size = size,
    };
    names_set(&disk->current, text, number);
    names_set(&disk->durable, text, number);
}
