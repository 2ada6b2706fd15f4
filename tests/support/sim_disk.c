/* sim_disk.c - a disk in memory that forgets what was not flushed.
 *
 *     inode:  durable bytes, current bytes
 *     names:  durable list, current list
 *     units:  what lies between, in order
 *
 * Guarantees: what it says is durable survives sim_disk_crash() whatever is kept.
 * Must not know: what the files hold.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/sim_disk_internal.h"

/* --- names ----------------------------------------------------------------------------------- */

struct name *names_find(struct names *names, const char *text)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (strcmp(names->slots[i].text, text) == 0)
            return &names->slots[i];
    }
    return NULL;
}

void names_remove(struct names *names, const char *text)
{
    struct name *name = names_find(names, text);
    if (name != NULL)
        name->text[0] = '\0';
}

void names_set(struct names *names, const char *text, int inode)
{
    names_remove(names, text);
    struct name *name = names_find(names, "");
    assert(name != NULL);
    snprintf(name->text, sizeof(name->text), "%s", text);
    name->inode = inode;
}

void directory_of(const char *name, char directory[STORAGE_NAME_MAX])
{
    const char *slash = strchr(name, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - name);
    memcpy(directory, name, length);
    directory[length] = '\0';
}

bool is_in_directory(const char *name, const char *directory)
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
        assert(inode->durable != NULL);
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

struct unit *unit_add(struct sim_disk *disk, enum unit_kind kind, int inode)
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

void units_flush(struct sim_disk *disk, int inode, const char *directory)
{
    /* At once, not sector by sector: all that was written to it becomes durable. */
    if (inode >= 0)
        inode_resize(&disk->inodes[inode].durable, &disk->inodes[inode].durable_size,
                     disk->inodes[inode].size);
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

void units_add_write(struct sim_disk *disk, int inode_number, const uint8_t *bytes, size_t length,
                     uint64_t offset)
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
    /* From the last one on, so that most files grow once. */
    for (size_t i = disk->unit_count; i-- > 0;) {
        const struct unit *unit = &disk->units[i];
        if (unit->kind == UNIT_SECTOR && keep[i])
            inode_resize(&after->inodes[unit->inode].durable,
                         &after->inodes[unit->inode].durable_size, unit->offset + SECTOR);
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
