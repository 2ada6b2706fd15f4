/* storage_posix.c - the files of a real directory, by descriptors relative to it.
 *
 * Files are opened with O_DIRECT; where the file system refuses that (tmpfs: EINVAL), without.
 * The lock is flock(): it belongs to the open file, so that a write of a killed process that
 * io_uring still carries keeps it until the write has ended.
 *
 * Guarantees: a read or write of 0 moved every byte. Must not know: what the files hold.
 */
#include "storage_posix.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_MODE = 0600,
    DIRECTORY_MODE = 0700,
    LOCK_RETRY_MS = 10,
    /* A signal storm, not a disk, is what interrupts so often. */
    INTERRUPTS_MAX = 1000,
};

struct storage_posix {
    struct storage storage;
    int directory;
};

struct storage_posix_file {
    struct storage_file file;
    int descriptor;
};

static int storage_directory(const struct storage *storage)
{
    return ((const struct storage_posix *)storage)->directory;
}

int storage_posix_descriptor(const struct storage_file *file)
{
    return ((const struct storage_posix_file *)file)->descriptor;
}

static int storage_open(struct storage *storage, const char *name, enum storage_open mode,
                        struct storage_file **file)
{
    static const int flags_of[] = {
        [STORAGE_OPEN_EXISTING] = O_RDWR,
        [STORAGE_CREATE_NEW] = O_RDWR | O_CREAT | O_EXCL,
        [STORAGE_READ_ONLY] = O_RDONLY,
    };
    int flags = flags_of[mode] | O_CLOEXEC;
    struct storage_posix_file *opened = malloc(sizeof(*opened));
    if (opened == NULL)
        return -ENOMEM;
    int descriptor = openat(storage_directory(storage), name, flags | O_DIRECT, FILE_MODE);
    if (descriptor < 0 && errno == EINVAL) {
        /* Some file systems refuse O_DIRECT only after they have created the file. */
        flags &= ~O_EXCL;
        descriptor = openat(storage_directory(storage), name, flags, FILE_MODE);
    }
    if (descriptor < 0) {
        int error = -errno;
        free(opened);
        return error;
    }
    *opened = (struct storage_posix_file){.file = {.storage = storage}, .descriptor = descriptor};
    *file = &opened->file;
    return 0;
}

static void storage_close(struct storage_file *file)
{
    /* Nothing unsynced depends on it: what must be durable was flushed before. */
    (void)close(storage_posix_descriptor(file));
    free(file);
}

static int storage_lock(struct storage_file *file, unsigned timeout_ms)
{
    const struct timespec pause = {.tv_nsec = LOCK_RETRY_MS * 1000000};
    for (unsigned waited_ms = 0;; waited_ms += LOCK_RETRY_MS) {
        if (flock(storage_posix_descriptor(file), LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (waited_ms >= timeout_ms)
            return -EBUSY;
        (void)nanosleep(&pause, NULL);
    }
}

static int storage_size(struct storage_file *file, uint64_t *bytes)
{
    struct stat status;
    if (fstat(storage_posix_descriptor(file), &status) != 0)
        return -errno;
    *bytes = (uint64_t)status.st_size;
    return 0;
}

static int storage_read(struct storage_file *file, void *buffer, size_t length, uint64_t offset)
{
    uint8_t *bytes = buffer;
    for (unsigned interrupts = 0; length > 0;) {
        ssize_t got = pread(storage_posix_descriptor(file), bytes, length, (off_t)offset);
        if (got == 0)
            return -EIO;
        if (got < 0) {
            if (errno != EINTR || ++interrupts > INTERRUPTS_MAX)
                return -errno;
            continue;
        }
        bytes += got;
        length -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

static int storage_write(struct storage_file *file, const void *buffer, size_t length,
                         uint64_t offset)
{
    const uint8_t *bytes = buffer;
    for (unsigned interrupts = 0; length > 0;) {
        ssize_t put = pwrite(storage_posix_descriptor(file), bytes, length, (off_t)offset);
        if (put == 0)
            return -EIO;
        if (put < 0) {
            if (errno != EINTR || ++interrupts > INTERRUPTS_MAX)
                return -errno;
            continue;
        }
        bytes += put;
        length -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

static int storage_sync(struct storage_file *file)
{
    return fsync(storage_posix_descriptor(file)) == 0 ? 0 : -errno;
}

static int storage_rename(struct storage *storage, const char *from, const char *to)
{
    int directory = storage_directory(storage);
    return renameat(directory, from, directory, to) == 0 ? 0 : -errno;
}

static int storage_remove(struct storage *storage, const char *name)
{
    return unlinkat(storage_directory(storage), name, 0) == 0 ? 0 : -errno;
}

static int storage_make_directory(struct storage *storage, const char *directory)
{
    if (mkdirat(storage_directory(storage), directory, DIRECTORY_MODE) == 0 || errno == EEXIST)
        return 0;
    return -errno;
}

static int storage_open_directory(struct storage *storage, const char *directory)
{
    const char *path = directory[0] == '\0' ? "." : directory;
    int descriptor = openat(storage_directory(storage), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

static int storage_sync_directory(struct storage *storage, const char *directory)
{
    int descriptor = storage_open_directory(storage, directory);
    if (descriptor < 0)
        return descriptor;
    int error = fsync(descriptor) == 0 ? 0 : -errno;
    (void)close(descriptor);
    return error;
}

static int storage_list(struct storage *storage, const char *directory,
                        void (*visit)(void *context, const char *name), void *context)
{
    int descriptor = storage_open_directory(storage, directory);
    if (descriptor < 0)
        return descriptor;
    DIR *stream = fdopendir(descriptor);
    if (stream == NULL) {
        int error = -errno;
        (void)close(descriptor);
        return error;
    }
    int error;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            error = -errno;
            break;
        }
        struct stat status;
        if (fstatat(descriptor, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode))
            visit(context, entry->d_name);
    }
    (void)closedir(stream);
    return error;
}

static int storage_space(struct storage *storage, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct statvfs status;
    if (fstatvfs(storage_directory(storage), &status) != 0)
        return -errno;
    *free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    *total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
    return 0;
}

static const struct storage_operations storage_operations = {
    .open = storage_open,
    .close = storage_close,
    .lock = storage_lock,
    .size = storage_size,
    .read = storage_read,
    .write = storage_write,
    .sync = storage_sync,
    .rename = storage_rename,
    .remove = storage_remove,
    .make_directory = storage_make_directory,
    .sync_directory = storage_sync_directory,
    .list = storage_list,
    .space = storage_space,
};

int storage_posix_create(const char *path, bool create, struct storage **storage)
{
    if (create && mkdir(path, DIRECTORY_MODE) != 0 && errno != EEXIST)
        return -errno;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    struct storage_posix *made = malloc(sizeof(*made));
    if (made == NULL) {
        (void)close(directory);
        return -ENOMEM;
    }
    *made = (struct storage_posix){
        .storage = {.operations = &storage_operations},
        .directory = directory,
    };
    *storage = &made->storage;
    return 0;
}

void storage_posix_destroy(struct storage *storage)
{
    (void)close(storage_directory(storage));
    free(storage);
}
