/* sim_disk.c - a disk in memory that forgets what was not flushed.
 *
 *     inode:  durable content, current content
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

uint64_t disk_random(struct sim_disk *disk)
{
    uint64_t z = disk->fault_random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* --- names ----------------------------------------------------------------------------------- */

struct name *names_find(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->end; i++) {
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
    if (name == NULL) {
        assert(names->end < NAMES_MAX);
        name = &names->slots[names->end++];
    }
    snprintf(name->text, sizeof(name->text), "%s", text);
    name->inode = inode;
}

/* Most slots were never taken: their memory stays untouched. */
void names_copy(struct names *to, const struct names *from)
{
    memcpy(to->slots, from->slots, from->end * sizeof(from->slots[0]));
    to->end = from->end;
}

static bool names_hold(const struct names *names, int inode)
{
    for (size_t i = 0; i < names->end; i++) {
        if (names->slots[i].text[0] != '\0' && names->slots[i].inode == inode)
            return true;
    }
    return false;
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
    size_t length = strlen(directory);
    if (length == 0)
        return strchr(name, '/') == NULL;
    return strncmp(name, directory, length) == 0 && name[length] == '/';
}

/* --- inodes ---------------------------------------------------------------------------------- */

uint64_t inode_size(const struct inode *inode)
{
    return inode->current == NULL ? 0 : inode->current->size;
}

static void inode_free(struct sim_disk *disk, struct inode *inode)
{
    content_release(disk->contents, inode->durable);
    content_release(disk->contents, inode->current);
    *inode = (struct inode){0};
}

static bool inode_is_wanted(const struct sim_disk *disk, int number)
{
    if (disk->inodes[number].opened > 0 || names_hold(&disk->current, number) ||
        names_hold(&disk->durable, number))
        return true;
    for (size_t i = 0; i < disk->unit_count; i++) {
        if (disk->units[i].kind != UNIT_SECTOR && disk->units[i].inode == number)
            return true;
    }
    return false;
}

static void disk_drop_sectors(struct sim_disk *disk, int inode)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->unit_count; i++) {
        if (disk->units[i].kind != UNIT_SECTOR || disk->units[i].inode != inode)
            disk->units[kept++] = disk->units[i];
    }
    disk->unit_count = kept;
}

/* Frees inodes that nothing leads to any more. */
static void disk_collect(struct sim_disk *disk)
{
    for (int i = 0; i < disk->inode_end; i++) {
        if (disk->inodes[i].used && !inode_is_wanted(disk, i)) {
            disk_drop_sectors(disk, i);
            inode_free(disk, &disk->inodes[i]);
        }
    }
}

static int inode_find_free(const struct sim_disk *disk)
{
    int number = 0;
    while (number < disk->inode_end && disk->inodes[number].used)
        number++;
    return number;
}

int inode_take(struct sim_disk *disk, const char *name)
{
    int number = inode_find_free(disk);
    if (number == INODES_MAX) {
        units_flush_directories(disk); /* a journal may write them down at any time */
        disk_collect(disk);
        number = inode_find_free(disk);
    }
    assert(number < INODES_MAX);
    disk->inodes[number] = (struct inode){.used = true};
    snprintf(disk->inodes[number].last_name, STORAGE_NAME_MAX, "%s", name);
    if (number >= disk->inode_end)
        disk->inode_end = number + 1;
    return number;
}

/* --- units ----------------------------------------------------------------------------------- */

static void unit_apply(struct sim_disk *disk, const struct unit *unit)
{
    struct names *names = &disk->durable;
    switch (unit->kind) {
    case UNIT_SECTOR:
        content_write(disk->contents, &disk->inodes[unit->inode].durable, unit->of.bytes, SECTOR,
                      unit->offset);
        break;
    case UNIT_LINK:
        names_set(names, unit->of.link.name, unit->inode);
        break;
    case UNIT_UNLINK:
        names_remove(names, unit->of.link.name);
        break;
    case UNIT_RENAME:
        names_remove(names, unit->of.link.from);
        names_set(names, unit->of.link.name, unit->inode);
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
    unit->kind = kind;
    unit->inode = inode;
    unit->offset = 0;
    unit->of.link.name[0] = '\0';
    unit->of.link.from[0] = '\0';
    return unit;
}

/* Shares the current content of a file with the durable one when most of it is flushed: cheaper
 * than sector by sector. false: nothing was done. */
static bool flush_whole(struct sim_disk *disk, int number)
{
    struct inode *inode = &disk->inodes[number];
    uint64_t flushed = 0;
    uint64_t end = inode->durable == NULL ? 0 : inode->durable->size;
    for (size_t i = 0; i < disk->unit_count; i++) {
        const struct unit *unit = &disk->units[i];
        if (unit->kind != UNIT_SECTOR || unit->inode != number)
            continue;
        flushed += SECTOR;
        end = unit->offset + SECTOR > end ? unit->offset + SECTOR : end;
    }
    if (flushed == 0 || 2 * flushed < inode_size(inode) || end != inode_size(inode))
        return false;
    content_release(disk->contents, inode->durable);
    inode->durable = content_share(inode->current);
    return true;
}

void units_flush(struct sim_disk *disk, int inode, const char *directory)
{
    bool is_done = inode >= 0 && flush_whole(disk, inode);
    size_t kept = 0;
    for (size_t i = 0; i < disk->unit_count; i++) {
        struct unit *unit = &disk->units[i];
        bool is_sector = unit->kind == UNIT_SECTOR;
        bool flushed = inode >= 0 ? is_sector && unit->inode == inode
                                  : !is_sector && is_in_directory(unit->of.link.name, directory);
        if (flushed && !is_done)
            unit_apply(disk, unit);
        else if (!flushed && kept++ != i)
            disk->units[kept - 1] = *unit;
    }
    disk->unit_count = kept;
}

void units_flush_directories(struct sim_disk *disk)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->unit_count; i++) {
        if (disk->units[i].kind != UNIT_SECTOR)
            unit_apply(disk, &disk->units[i]);
        else if (kept++ != i)
            disk->units[kept - 1] = disk->units[i];
    }
    disk->unit_count = kept;
    disk_collect(disk);
}

void units_add_write(struct sim_disk *disk, int inode_number, const uint8_t *bytes, size_t length,
                     uint64_t offset)
{
    content_write(disk->contents, &disk->inodes[inode_number].current, bytes, length, offset);
    for (size_t i = 0; i < length; i += SECTOR) {
        struct unit *unit = unit_add(disk, UNIT_SECTOR, inode_number);
        unit->offset = offset + i;
        memcpy(unit->of.bytes, bytes + i, SECTOR);
    }
}

void units_lose_some(struct sim_disk *disk, int inode_number)
{
    struct inode *inode = &disk->inodes[inode_number];
    uint64_t size = inode_size(inode);
    if (size == 0)
        return;
    uint64_t losing = disk_random(disk) % 5; /* quarters */
    content_release(disk->contents, inode->current);
    inode->current = content_share(inode->durable);
    uint8_t *current = content_own(disk->contents, &inode->current, size);
    size_t kept = 0;
    for (size_t i = 0; i < disk->unit_count; i++) {
        struct unit *unit = &disk->units[i];
        bool is_its = unit->kind == UNIT_SECTOR && unit->inode == inode_number;
        if (is_its && disk_random(disk) % 4 < losing)
            continue;
        if (is_its)
            memcpy(current + unit->offset, unit->of.bytes, SECTOR);
        if (kept++ != i)
            disk->units[kept - 1] = *unit;
    }
    disk->unit_count = kept;
}

/* --- the disk -------------------------------------------------------------------------------- */

/* With this pool, which is then its. */
static struct sim_disk *disk_create(struct content_pool *contents)
{
    struct sim_disk *disk = malloc(sizeof(*disk));
    assert(disk != NULL);
    memset(disk, 0, offsetof(struct sim_disk, inodes));
    disk->durable.end = 0;
    disk->current.end = 0;
    disk->contents = contents;
    disk->storage.operations = &sim_storage_operations;
    disk->off_at = UINT64_MAX;
    return disk;
}

struct sim_disk *sim_disk_create(void)
{
    return disk_create(content_pool_create());
}

void sim_disk_destroy(struct sim_disk *disk)
{
    for (int i = 0; i < disk->inode_end; i++)
        inode_free(disk, &disk->inodes[i]);
    content_pool_release(disk->contents);
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

/* Files of a directory that was lost are lost with it. */
static void disk_drop_lost(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->durable.end; i++) {
        struct name *name = &disk->durable.slots[i];
        char directory[STORAGE_NAME_MAX];
        directory_of(name->text, directory);
        if (directory[0] != '\0' && names_find(&disk->durable, directory) == NULL)
            name->text[0] = '\0';
    }
}

static struct sim_disk *disk_copy(const struct sim_disk *disk)
{
    struct sim_disk *copy = disk_create(content_pool_share(disk->contents));
    copy->capacity = disk->capacity;
    names_copy(&copy->durable, &disk->durable);
    copy->inode_end = disk->inode_end;
    for (int i = 0; i < disk->inode_end; i++) {
        const struct inode *inode = &disk->inodes[i];
        copy->inodes[i] =
            (struct inode){.used = inode->used, .durable = content_share(inode->durable)};
        memcpy(copy->inodes[i].last_name, inode->last_name, STORAGE_NAME_MAX);
    }
    return copy;
}

/* Whether a change of a directory is lost, because it is or one before it in that directory was. */
static bool directory_change_is_lost(const struct sim_disk *disk, const bool *keep, size_t change)
{
    char directory[STORAGE_NAME_MAX];
    directory_of(disk->units[change].of.link.name, directory);
    for (size_t i = 0; i <= change; i++) {
        const struct unit *unit = &disk->units[i];
        if (unit->kind != UNIT_SECTOR && !keep[i] && is_in_directory(unit->of.link.name, directory))
            return true;
    }
    return false;
}

struct sim_disk *sim_disk_crash(const struct sim_disk *disk, const bool *keep)
{
    struct sim_disk *after = disk_copy(disk);
    for (size_t i = 0; i < disk->unit_count; i++) {
        const struct unit *unit = &disk->units[i];
        bool kept = unit->kind == UNIT_SECTOR ? keep[i] : !directory_change_is_lost(disk, keep, i);
        if (kept)
            unit_apply(after, unit);
    }
    disk_drop_lost(after);
    names_copy(&after->current, &after->durable);
    for (int i = 0; i < after->inode_end; i++)
        after->inodes[i].current = content_share(after->inodes[i].durable);
    disk_collect(after);
    return after;
}

struct sim_disk *sim_disk_kill(const struct sim_disk *disk)
{
    struct sim_disk *after = disk_copy(disk);
    names_copy(&after->current, &disk->current);
    for (int i = 0; i < disk->inode_end; i++)
        after->inodes[i].current = content_share(disk->inodes[i].current);
    for (size_t i = 0; i < disk->unit_count; i++)
        *unit_add(after, UNIT_SECTOR, 0) = disk->units[i];
    disk_collect(after);
    return after;
}

void sim_disk_power_off(struct sim_disk *disk, uint64_t count)
{
    bool for_ever = count > UINT64_MAX - disk->operations;
    disk->off_at = for_ever ? UINT64_MAX : disk->operations + count;
}

bool sim_disk_is_off(const struct sim_disk *disk)
{
    return disk->operations >= disk->off_at;
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

void sim_disk_set_faults(struct sim_disk *disk, const uint32_t per_million[SIM_OPERATIONS],
                         int error, uint64_t seed)
{
    memset(disk->fault_per_million, 0, sizeof(disk->fault_per_million));
    if (per_million != NULL)
        memcpy(disk->fault_per_million, per_million, sizeof(disk->fault_per_million));
    disk->fault_error = error;
    disk->fault_random = seed;
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

void sim_disk_observe(struct sim_disk *disk,
                      void (*seen)(void *context, const struct sim_event *event), void *context)
{
    disk->seen = seen;
    disk->seen_context = context;
}

uint8_t *sim_disk_bytes(struct sim_disk *disk, const char *text, uint64_t *size)
{
    assert(disk->unit_count == 0);
    const struct name *name = names_find(&disk->current, text);
    if (name == NULL)
        return NULL;
    struct inode *inode = &disk->inodes[name->inode];
    *size = inode_size(inode);
    return *size == 0 ? NULL : content_own(disk->contents, &inode->current, *size);
}

void sim_disk_put(struct sim_disk *disk, const char *text, const uint8_t *bytes, uint64_t size)
{
    int number = inode_take(disk, text);
    if (size > 0)
        memcpy(content_own(disk->contents, &disk->inodes[number].durable, size), bytes, size);
    disk->inodes[number].current = content_share(disk->inodes[number].durable);
    names_set(&disk->current, text, number);
    names_set(&disk->durable, text, number);
}

/* The inode of a file that is durable up to `end`, or NULL. */
static struct inode *inode_to_rot(struct sim_disk *disk, const char *text, uint64_t end)
{
    const struct name *name = names_find(&disk->current, text);
    if (name == NULL || name->inode < 0)
        return NULL;
    struct inode *inode = &disk->inodes[name->inode];
    bool reaches =
        inode->durable != NULL && inode->durable->size >= end && inode_size(inode) >= end;
    return reaches ? inode : NULL;
}

bool sim_disk_flip(struct sim_disk *disk, const char *text, uint64_t offset, unsigned bit)
{
    struct inode *inode = inode_to_rot(disk, text, offset + 1);
    if (inode == NULL)
        return false;
    uint8_t mask = (uint8_t)(1U << (bit % 8));
    uint8_t *durable = content_own(disk->contents, &inode->durable, inode->durable->size);
    uint8_t *current = content_own(disk->contents, &inode->current, inode->current->size);
    /* content_own() has copied them. NOLINTBEGIN(clang-analyzer-core.uninitialized.Assign) */
    durable[offset] ^= mask;
    current[offset] ^= mask;
    /* NOLINTEND(clang-analyzer-core.uninitialized.Assign) */
    return true;
}

bool sim_disk_zero(struct sim_disk *disk, const char *text, uint64_t offset, uint64_t length)
{
    struct inode *inode = inode_to_rot(disk, text, offset + length);
    if (inode == NULL)
        return false;
    memset(content_own(disk->contents, &inode->durable, inode->durable->size) + offset, 0, length);
    memset(content_own(disk->contents, &inode->current, inode->current->size) + offset, 0, length);
    return true;
}

bool sim_disk_cut(struct sim_disk *disk, const char *text, uint64_t size)
{
    struct inode *inode = inode_to_rot(disk, text, size + 1);
    if (inode == NULL)
        return false;
    content_own(disk->contents, &inode->durable, inode->durable->size);
    content_own(disk->contents, &inode->current, inode->current->size);
    inode->durable->size = size;
    inode->current->size = size;
    return true;
}

bool sim_disk_lose(struct sim_disk *disk, const char *text)
{
    if (inode_to_rot(disk, text, 1) == NULL)
        return false;
    names_remove(&disk->current, text);
    names_remove(&disk->durable, text);
    return true;
}

bool sim_disk_swap(struct sim_disk *disk, const char *one, const char *other)
{
    struct inode *first = inode_to_rot(disk, one, 1);
    struct inode *second = inode_to_rot(disk, other, 1);
    if (first == NULL || second == NULL || first == second)
        return false;
    struct inode kept = *first;
    first->durable = second->durable;
    first->current = second->current;
    second->durable = kept.durable;
    second->current = kept.current;
    return true;
}

const char *sim_disk_file(const struct sim_disk *disk, size_t number, uint64_t *size)
{
    for (size_t i = 0; i < disk->current.end; i++) {
        const struct name *name = &disk->current.slots[i];
        if (name->text[0] == '\0' || name->inode < 0 || number-- > 0)
            continue;
        *size = inode_size(&disk->inodes[name->inode]);
        return name->text;
    }
    return NULL;
}
