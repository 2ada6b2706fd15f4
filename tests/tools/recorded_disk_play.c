/* recorded_disk_play.c - directories made from a part of a recording.
 *
 * Guarantees: what was flushed is in all of them.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorded_disk_internal.h"
#include "wal/checksum.h"

enum {
    PATH_BYTES = 4096,
    FOLDER_MODE = 0700,
    FILE_MODE = 0600,
};

/* A state that is being put together. */
struct image {
    struct name names[RECORDED_NODES_MAX];
    int name_count;
    struct node files[RECORDED_NODES_MAX];
};

/* --- power failures -------------------------------------------------------------------------- */

size_t recording_end(const struct recording *recording)
{
    return recording->event_count;
}

bool recording_is_call_end(const struct recording *recording, size_t end)
{
    return recording->events[end - 1].call_end;
}

static bool is_of_folder(const struct event *event)
{
    return event->folder != RECORDED_NONE;
}

/* What has to be flushed for a unit to be durable. */
static int node_to_flush(const struct event *event)
{
    return is_of_folder(event) ? event->folder : event->node;
}

size_t recording_unflushed(const struct recording *recording, size_t end, size_t *units)
{
    bool flushed[RECORDED_NODES_MAX] = {false};
    size_t count = 0;
    for (size_t i = end; i > 0; i--) {
        const struct event *event = &recording->events[i - 1];
        if (event->kind == EVENT_FLUSH)
            flushed[event->node] = true;
        else if (!flushed[node_to_flush(event)])
            units[count++] = i - 1;
    }
    return count;
}

static void image_unlink(struct image *image, int folder, const char *text)
{
    for (int i = 0; i < image->name_count; i++) {
        if (image->names[i].folder == folder && strcmp(image->names[i].text, text) == 0)
            image->names[i].folder = RECORDED_NONE;
    }
}

static void image_link(struct image *image, int folder, const char *text, int node)
{
    image_unlink(image, folder, text);
    assert(image->name_count < RECORDED_NODES_MAX);
    struct name *name = &image->names[image->name_count++];
    *name = (struct name){.folder = folder, .node = node};
    memcpy(name->text, text, strlen(text) + 1);
}

static void image_set_length(struct node *file, size_t length)
{
    /* room for more: files grow sector by sector */
    if (length > file->capacity || file->bytes == NULL) {
        file->capacity = 2 * length + RECORDED_SECTOR;
        file->bytes = realloc(file->bytes, file->capacity);
        assert(file->bytes != NULL);
    }
    if (length > file->length)
        memset(file->bytes + file->length, 0, length - file->length);
    file->length = length;
}

static void image_apply(struct image *image, const struct event *event)
{
    struct node *file;
    switch (event->kind) {
    case EVENT_WRITE:
        file = &image->files[event->node];
        if (file->length < event->offset + event->length)
            image_set_length(file, event->offset + event->length);
        memcpy(file->bytes + event->offset, event->bytes, event->length);
        break;
    case EVENT_LENGTH:
        image_set_length(&image->files[event->node], event->offset);
        break;
    case EVENT_LINK:
        image_link(image, event->folder, event->name, event->node);
        break;
    case EVENT_UNLINK:
        image_unlink(image, event->folder, event->name);
        break;
    case EVENT_RENAME:
        image_unlink(image, event->folder, event->from);
        image_link(image, event->folder, event->name, event->node);
        break;
    case EVENT_FLUSH:
        break;
    }
}

static bool is_linked(const struct image *image, int node)
{
    for (int i = 0; i < image->name_count; i++) {
        if (image->names[i].folder != RECORDED_NONE && image->names[i].node == node)
            return true;
    }
    return node == 0;
}

/* A folder that has lost its name takes along what is in it. */
static void image_drop_lost(struct image *image)
{
    for (bool dropped = true; dropped;) {
        dropped = false;
        for (int i = 0; i < image->name_count; i++) {
            struct name *name = &image->names[i];
            if (name->folder != RECORDED_NONE && !is_linked(image, name->folder)) {
                name->folder = RECORDED_NONE;
                dropped = true;
            }
        }
    }
}

static struct image *image_build(const struct recording *recording, size_t end, const bool *keep)
{
    struct image *image = calloc(1, sizeof(*image));
    size_t *unflushed = malloc((end + 1) * sizeof(*unflushed));
    bool *lost = calloc(end + 1, sizeof(*lost));
    bool folder_lost[RECORDED_NODES_MAX] = {false};
    assert(image != NULL);
    assert(unflushed != NULL);
    assert(lost != NULL);
    memcpy(image->names, recording->names, sizeof(image->names));
    image->name_count = recording->name_count;
    for (int i = 0; i < recording->node_count; i++) {
        const struct node *node = &recording->nodes[i];
        image->files[i].is_folder = node->is_folder;
        image_set_length(&image->files[i], node->length);
        if (node->length > 0)
            memcpy(image->files[i].bytes, node->bytes, node->length);
    }
    size_t count = recording_unflushed(recording, end, unflushed);
    for (size_t i = 0; i < count; i++)
        lost[unflushed[i]] = !keep[unflushed[i]];
    for (size_t i = 0; i < end; i++) {
        const struct event *event = &recording->events[i];
        if (is_of_folder(event) && (lost[i] || folder_lost[event->folder]))
            folder_lost[event->folder] = true;
        else if (!lost[i])
            image_apply(image, event);
    }
    image_drop_lost(image);
    free(unflushed);
    free(lost);
    return image;
}

static void image_destroy(struct image *image)
{
    for (int i = 0; i < RECORDED_NODES_MAX; i++)
        free(image->files[i].bytes);
    free(image);
}

/* Independent of the order in which names came. */
static uint64_t image_checksum(const struct image *image)
{
    uint64_t sum = 0;
    for (int i = 0; i < image->name_count; i++) {
        const struct name *name = &image->names[i];
        if (name->folder == RECORDED_NONE)
            continue;
        const struct node *file = &image->files[name->node];
        uint64_t place = checksum_bytes(name->text, strlen(name->text), (uint64_t)name->folder);
        sum += checksum_bytes(file->bytes, file->length, place + (uint64_t)name->node);
    }
    return sum;
}

static bool is_played(struct recording *recording, uint64_t checksum)
{
    for (size_t i = 0; i < recording->played_count; i++) {
        if (recording->played[i] == checksum)
            return true;
    }
    if (recording->played_count == recording->played_max) {
        recording->played_max = 2 * recording->played_max + 64;
        recording->played =
            realloc(recording->played, recording->played_max * sizeof(recording->played[0]));
        assert(recording->played != NULL);
    }
    recording->played[recording->played_count++] = checksum;
    return false;
}

static void write_file(const struct node *file, const char *path)
{
    static const uint8_t zeros[RECORDED_SECTOR * 8];
    int descriptor = recorded_disk_real_create(path, FILE_MODE);
    assert(descriptor >= 0);
    for (size_t offset = 0; offset < file->length; offset += sizeof(zeros)) {
        size_t rest = file->length - offset;
        size_t length = rest < sizeof(zeros) ? rest : sizeof(zeros);
        if (memcmp(file->bytes + offset, zeros, length) == 0)
            continue;
        ssize_t put =
            recorded_disk_real_write(descriptor, file->bytes + offset, length, (off_t)offset);
        assert(put == (ssize_t)length);
    }
    int error = recorded_disk_real_truncate(descriptor, (off_t)file->length);
    assert(error == 0);
    (void)close(descriptor);
}

static void image_write(const struct image *image, const char *path)
{
    struct pending {
        int folder;
        char path[PATH_BYTES];
    };
    struct pending *pending = calloc(RECORDED_NODES_MAX, sizeof(*pending));
    int count = 1;
    assert(pending != NULL);
    snprintf(pending[0].path, PATH_BYTES, "%s", path);
    int error = recorded_disk_real_mkdir(path, FOLDER_MODE);
    assert(error == 0);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < image->name_count; j++) {
            const struct name *name = &image->names[j];
            char full[PATH_BYTES + RECORDED_NAME_BYTES + 1];
            if (name->folder != pending[i].folder)
                continue;
            snprintf(full, sizeof(full), "%s/%s", pending[i].path, name->text);
            if (!image->files[name->node].is_folder) {
                write_file(&image->files[name->node], full);
                continue;
            }
            error = recorded_disk_real_mkdir(full, FOLDER_MODE);
            assert(error == 0);
            pending[count].folder = name->node;
            snprintf(pending[count++].path, PATH_BYTES, "%.*s", PATH_BYTES - 1, full);
        }
    }
    free(pending);
}

bool recording_play(struct recording *recording, size_t end, const bool *keep, const char *path)
{
    struct image *image = image_build(recording, end, keep);
    bool is_new = !is_played(recording, image_checksum(image));
    if (is_new)
        image_write(image, path);
    image_destroy(image);
    return is_new;
}
