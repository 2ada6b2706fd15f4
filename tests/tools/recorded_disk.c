/* recorded_disk.c - calls that change files, done and recorded.
 *
 * Guarantees: a recording holds every change below the root, in order. The wrapped calls have no
 * parameter for it, so what is being recorded is static here, behind a mutex.
 */
#include "recorded_disk_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct recording *recording_now; /* NULL: nothing is recorded */

/* --- recording ------------------------------------------------------------------------------- */

/* The number of a file or folder; RECORDED_NONE: it is not below the root. */
static int find_node(const struct recording *recording, const struct stat *status)
{
    for (int i = recording->node_count - 1; i >= 0; i--) {
        if (recording->nodes[i].inode == status->st_ino)
            return i;
    }
    return RECORDED_NONE;
}

static int find_node_of(const struct recording *recording, int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 ? find_node(recording, &status) : RECORDED_NONE;
}

/* The folder that a path is in, and its last part. */
static int find_folder(const struct recording *recording, int at, const char *path,
                       char name[RECORDED_NAME_BYTES])
{
    char folder[PATH_BYTES];
    struct stat status;
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path),
             slash == NULL ? "." : path);
    const char *last = slash == NULL ? path : slash + 1;
    if (strlen(last) >= RECORDED_NAME_BYTES || fstatat(at, folder, &status, 0) != 0)
        return RECORDED_NONE;
    memcpy(name, last, strlen(last) + 1);
    return find_node(recording, &status);
}

static int add_node(struct recording *recording, const struct stat *status)
{
    assert(recording->node_count < RECORDED_NODES_MAX);
    recording->nodes[recording->node_count] =
        (struct node){.inode = status->st_ino, .is_folder = S_ISDIR(status->st_mode)};
    return recording->node_count++;
}

static struct event *add_event(struct recording *recording, enum event_kind kind, int node)
{
    if (recording->event_count == recording->event_max) {
        recording->event_max = 2 * recording->event_max + 64;
        recording->events =
            realloc(recording->events, recording->event_max * sizeof(recording->events[0]));
        assert(recording->events != NULL);
    }
    struct event *event = &recording->events[recording->event_count++];
    *event = (struct event){.kind = kind, .call_end = true, .node = node, .folder = RECORDED_NONE};
    return event;
}

static void add_write(struct recording *recording, int node, const uint8_t *bytes, size_t length,
                      uint64_t offset)
{
    while (length > 0) {
        size_t rest = RECORDED_SECTOR - offset % RECORDED_SECTOR;
        size_t piece = length < rest ? length : rest;
        struct event *event = add_event(recording, EVENT_WRITE, node);
        event->offset = offset;
        event->length = piece;
        memcpy(event->bytes, bytes, piece);
        bytes += piece;
        offset += piece;
        length -= piece;
        event->call_end = length == 0;
    }
}

/* A new name of something new. */
static void add_link(struct recording *recording, int at, const char *path)
{
    char name[RECORDED_NAME_BYTES];
    struct stat status;
    int folder = find_folder(recording, at, path, name);
    if (folder == RECORDED_NONE || fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    int node = add_node(recording, &status);
    struct event *event = add_event(recording, EVENT_LINK, node);
    event->folder = folder;
    memcpy(event->name, name, sizeof(name));
}

static void add_unlink(struct recording *recording, int at, const char *path)
{
    char name[RECORDED_NAME_BYTES];
    int folder = find_folder(recording, at, path, name);
    if (folder == RECORDED_NONE)
        return;
    struct event *event = add_event(recording, EVENT_UNLINK, RECORDED_NONE);
    event->folder = folder;
    memcpy(event->name, name, sizeof(name));
}

/* After it was done. */
static void add_rename(struct recording *recording, int at, const char *from, const char *to)
{
    char from_name[RECORDED_NAME_BYTES];
    char to_name[RECORDED_NAME_BYTES];
    struct stat status;
    int from_folder = find_folder(recording, at, from, from_name);
    int to_folder = find_folder(recording, at, to, to_name);
    assert(from_folder == to_folder); /* what is modelled, and all that is needed */
    if (to_folder == RECORDED_NONE || fstatat(at, to, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    struct event *event = add_event(recording, EVENT_RENAME, find_node(recording, &status));
    event->folder = to_folder;
    memcpy(event->from, from_name, sizeof(from_name));
    memcpy(event->name, to_name, sizeof(to_name));
}

/* --- the calls ------------------------------------------------------------------------------- */

/* The linker's names. NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
int __real_open(const char *path, int flags, ...);
int __real_openat(int at, const char *path, int flags, ...);
ssize_t __real_write(int descriptor, const void *bytes, size_t length);
ssize_t __real_pwrite(int descriptor, const void *bytes, size_t length, off_t offset);
int __real_ftruncate(int descriptor, off_t length);
int __real_mkdirat(int at, const char *path, mode_t mode);
int __real_renameat(int from_at, const char *from, int to_at, const char *to);
int __real_unlinkat(int at, const char *path, int flags);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
ssize_t __wrap_write(int descriptor, const void *bytes, size_t length);
ssize_t __wrap_pwrite(int descriptor, const void *bytes, size_t length, off_t offset);
int __wrap_ftruncate(int descriptor, off_t length);
int __wrap_fsync(int descriptor);
int __wrap_fdatasync(int descriptor);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *path, mode_t mode);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat(int from_at, const char *from, int to_at, const char *to);
int __wrap_unlinkat(int at, const char *path, int flags);

static int open_recorded(int at, const char *path, int flags, mode_t mode)
{
    pthread_mutex_lock(&mutex);
    bool was_there = faccessat(at, path, F_OK, 0) == 0;
    int descriptor = __real_openat(at, path, flags & ~O_DIRECT, mode);
    assert((flags & O_TRUNC) == 0 || recording_now == NULL);
    if (descriptor >= 0 && !was_there && recording_now != NULL)
        add_link(recording_now, at, path);
    pthread_mutex_unlock(&mutex);
    return descriptor;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_recorded(AT_FDCWD, path, flags, mode);
}

int __wrap_openat(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_recorded(at, path, flags, mode);
}

ssize_t __wrap_pwrite(int descriptor, const void *bytes, size_t length, off_t offset)
{
    pthread_mutex_lock(&mutex);
    ssize_t put = __real_pwrite(descriptor, bytes, length, offset);
    int node = recording_now == NULL ? RECORDED_NONE : find_node_of(recording_now, descriptor);
    if (put > 0 && node != RECORDED_NONE)
        add_write(recording_now, node, bytes, (size_t)put, (uint64_t)offset);
    pthread_mutex_unlock(&mutex);
    return put;
}

ssize_t __wrap_write(int descriptor, const void *bytes, size_t length)
{
    pthread_mutex_lock(&mutex);
    int node = recording_now == NULL ? RECORDED_NONE : find_node_of(recording_now, descriptor);
    ssize_t put = __real_write(descriptor, bytes, length);
    /* behind it also where it was appended */
    if (put > 0 && node != RECORDED_NONE)
        add_write(recording_now, node, bytes, (size_t)put,
                  (uint64_t)lseek(descriptor, 0, SEEK_CUR) - (uint64_t)put);
    pthread_mutex_unlock(&mutex);
    return put;
}

int __wrap_ftruncate(int descriptor, off_t length)
{
    pthread_mutex_lock(&mutex);
    int error = __real_ftruncate(descriptor, length);
    int node = recording_now == NULL ? RECORDED_NONE : find_node_of(recording_now, descriptor);
    if (error == 0 && node != RECORDED_NONE)
        add_event(recording_now, EVENT_LENGTH, node)->offset = (uint64_t)length;
    pthread_mutex_unlock(&mutex);
    return error;
}

int __wrap_fsync(int descriptor)
{
    pthread_mutex_lock(&mutex);
    int node = recording_now == NULL ? RECORDED_NONE : find_node_of(recording_now, descriptor);
    if (node != RECORDED_NONE)
        add_event(recording_now, EVENT_FLUSH, node);
    pthread_mutex_unlock(&mutex);
    return 0;
}

int __wrap_fdatasync(int descriptor)
{
    return __wrap_fsync(descriptor);
}

int __wrap_mkdirat(int at, const char *path, mode_t mode)
{
    pthread_mutex_lock(&mutex);
    int error = __real_mkdirat(at, path, mode);
    if (error == 0 && recording_now != NULL)
        add_link(recording_now, at, path);
    pthread_mutex_unlock(&mutex);
    return error;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return __wrap_mkdirat(AT_FDCWD, path, mode);
}

int __wrap_renameat(int from_at, const char *from, int to_at, const char *to)
{
    pthread_mutex_lock(&mutex);
    int error = __real_renameat(from_at, from, to_at, to);
    assert(from_at == to_at);
    if (error == 0 && recording_now != NULL)
        add_rename(recording_now, to_at, from, to);
    pthread_mutex_unlock(&mutex);
    return error;
}

int __wrap_rename(const char *from, const char *to)
{
    return __wrap_renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int __wrap_unlinkat(int at, const char *path, int flags)
{
    pthread_mutex_lock(&mutex);
    int error = __real_unlinkat(at, path, flags);
    if (error == 0 && recording_now != NULL)
        add_unlink(recording_now, at, path);
    pthread_mutex_unlock(&mutex);
    return error;
}

int recorded_disk_real_create(const char *path, mode_t mode)
{
    return __real_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
}

ssize_t recorded_disk_real_write(int descriptor, const void *bytes, size_t length, off_t offset)
{
    return __real_pwrite(descriptor, bytes, length, offset);
}

int recorded_disk_real_truncate(int descriptor, off_t length)
{
    return __real_ftruncate(descriptor, length);
}

int recorded_disk_real_mkdir(const char *path, mode_t mode)
{
    return __real_mkdirat(AT_FDCWD, path, mode);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* --- the start ------------------------------------------------------------------------------- */

static void read_bytes(struct node *node, const char *path, size_t length)
{
    FILE *file = fopen(path, "rb");
    node->bytes = malloc(length + 1);
    node->length = length;
    assert(file != NULL);
    assert(node->bytes != NULL);
    size_t got = fread(node->bytes, 1, length, file);
    assert(got == length);
    (void)fclose(file);
}

/* Folders are taken in the order of their numbers, so that there is no recursion. */
static void take_folder(struct recording *recording, int folder, char paths[][PATH_BYTES])
{
    DIR *stream = opendir(paths[folder]);
    const struct dirent *entry;
    assert(stream != NULL);
    while ((entry = readdir(stream)) != NULL) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char path[PATH_BYTES];
        int length = snprintf(path, sizeof(path), "%s/%s", paths[folder], entry->d_name);
        assert(length > 0 && length < PATH_BYTES);
        int error = lstat(path, &status);
        assert(error == 0);
        int node = add_node(recording, &status);
        memcpy(paths[node], path, (size_t)length + 1);
        struct name *name = &recording->names[recording->name_count++];
        *name = (struct name){.folder = folder, .node = node};
        snprintf(name->text, sizeof(name->text), "%.*s", RECORDED_NAME_BYTES - 1, entry->d_name);
        if (!recording->nodes[node].is_folder)
            read_bytes(&recording->nodes[node], path, (size_t)status.st_size);
    }
    (void)closedir(stream);
}

void recorded_disk_start(const char *root)
{
    struct stat status;
    struct recording *recording = calloc(1, sizeof(*recording));
    char(*paths)[PATH_BYTES] = malloc((size_t)RECORDED_NODES_MAX * PATH_BYTES);
    assert(recording != NULL);
    assert(paths != NULL);
    int error = stat(root, &status);
    assert(error == 0);
    snprintf(paths[add_node(recording, &status)], PATH_BYTES, "%s", root);
    for (int i = 0; i < recording->node_count; i++) {
        if (recording->nodes[i].is_folder)
            take_folder(recording, i, paths);
    }
    free(paths);
    pthread_mutex_lock(&mutex);
    assert(recording_now == NULL);
    recording_now = recording;
    pthread_mutex_unlock(&mutex);
}

struct recording *recorded_disk_stop(void)
{
    pthread_mutex_lock(&mutex);
    struct recording *recording = recording_now;
    recording_now = NULL;
    pthread_mutex_unlock(&mutex);
    assert(recording != NULL);
    return recording;
}

void recording_destroy(struct recording *recording)
{
    for (int i = 0; i < recording->node_count; i++)
        free(recording->nodes[i].bytes);
    free(recording->played);
    free(recording->events);
    free(recording);
}
