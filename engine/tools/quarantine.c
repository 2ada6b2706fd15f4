/* quarantine.c - plain copies: a damaged file may have any length.
 *
 * Guarantees: nothing that is in quarantine/ already is touched. It must not know why files go
 * there.
 */
#include "quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wal/bytes.h"

enum {
    /* Read at once; where all of it is zero, the copy gets a hole. */
    COPY_BYTES = 64 * 1024,
    DIRECTORY_MODE = 0700,
    FILE_MODE = 0600,
    LOG_LINE_MAX = 1024,
};

static const char *const folders[] = {"log", "checkpoint", "keys"};
enum { FOLDERS = sizeof(folders) / sizeof(folders[0]) };

static int make_directory(const char *path)
{
    return mkdir(path, DIRECTORY_MODE) == 0 ? 0 : -errno;
}

static int make_path(struct quarantine *quarantine, const char *directory, uint64_t now_ns)
{
    char second[32];
    struct tm tm;
    time_t seconds = (time_t)(now_ns / UINT64_C(1000000000));
    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(second, sizeof(second), "%Y%m%dT%H%M%SZ", &tm) == 0)
        return -EINVAL;
    int length = snprintf(quarantine->path, sizeof(quarantine->path), "%s/quarantine", directory);
    if (length < 0 || (size_t)length >= sizeof(quarantine->path) - sizeof(second) - 1)
        return -ENAMETOOLONG;
    int error = make_directory(quarantine->path);
    if (error != 0 && error != -EEXIST)
        return error;
    snprintf(quarantine->path + length, sizeof(quarantine->path) - (size_t)length, "/%s", second);
    return make_directory(quarantine->path);
}

static int open_log(struct quarantine *quarantine)
{
    char path[QUARANTINE_PATH_MAX + 16];
    snprintf(path, sizeof(path), "%s/repair.log", quarantine->path);
    quarantine->log = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, FILE_MODE);
    return quarantine->log < 0 ? -errno : 0;
}

static int open_directory(const char *path, int *descriptor)
{
    *descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *descriptor < 0 ? -errno : 0;
}

int quarantine_open(struct quarantine *quarantine, const char *directory, uint64_t now_ns)
{
    *quarantine = (struct quarantine){.from = -1, .to = -1, .log = -1};
    int error = make_path(quarantine, directory, now_ns);
    if (error == 0)
        error = open_directory(directory, &quarantine->from);
    if (error == 0)
        error = open_directory(quarantine->path, &quarantine->to);
    for (size_t i = 0; i < FOLDERS && error == 0; i++) {
        if (mkdirat(quarantine->to, folders[i], DIRECTORY_MODE) != 0)
            error = -errno;
    }
    if (error == 0)
        error = open_log(quarantine);
    if (error != 0)
        quarantine_close(quarantine);
    return error;
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        (void)close(*descriptor);
    *descriptor = -1;
}

void quarantine_close(struct quarantine *quarantine)
{
    close_descriptor(&quarantine->log);
    close_descriptor(&quarantine->to);
    close_descriptor(&quarantine->from);
}

static int write_all(int descriptor, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t put = write(descriptor, bytes, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        bytes += put;
        length -= (size_t)put;
    }
    return 0;
}

/* Segments are mostly zeros. */
static int put_piece(int to, const char *bytes, size_t length)
{
    if (!bytes_are_zero((const uint8_t *)bytes, length))
        return write_all(to, bytes, length);
    return lseek(to, (off_t)length, SEEK_CUR) < 0 ? -errno : 0;
}

static int copy_bytes(int from, int to)
{
    char *buffer = malloc(COPY_BYTES);
    if (buffer == NULL)
        return -ENOMEM;
    off_t total = 0;
    int error = 0;
    while (error == 0) {
        ssize_t got = read(from, buffer, COPY_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            error = got < 0 ? -errno : 0;
            break;
        }
        total += got;
        error = put_piece(to, buffer, (size_t)got);
    }
    free(buffer);
    /* a hole at the end has no length of its own */
    if (error == 0 && ftruncate(to, total) != 0)
        error = -errno;
    if (error == 0 && fsync(to) != 0)
        error = -errno;
    return error;
}

int quarantine_copy(struct quarantine *quarantine, const char *name)
{
    int from = openat(quarantine->from, name, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -errno;
    int error = 0;
    int to = openat(quarantine->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (to < 0)
        error = -errno;
    if (error == 0)
        error = copy_bytes(from, to);
    close_descriptor(&to);
    close_descriptor(&from);
    return error;
}

int quarantine_log(struct quarantine *quarantine, const char *line)
{
    char text[LOG_LINE_MAX];
    int length = snprintf(text, sizeof(text), "%.1000s\n", line);
    int error = write_all(quarantine->log, text, (size_t)length);
    if (error == 0 && fdatasync(quarantine->log) != 0)
        error = -errno;
    return error;
}

static int sync_directory(int parent, const char *name)
{
    int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    int error = fsync(descriptor) == 0 ? 0 : -errno;
    (void)close(descriptor);
    return error;
}

int quarantine_sync(struct quarantine *quarantine)
{
    int error = 0;
    for (size_t i = 0; i < FOLDERS && error == 0; i++)
        error = sync_directory(quarantine->to, folders[i]);
    if (error == 0)
        error = sync_directory(quarantine->to, ".");
    if (error == 0)
        error = sync_directory(quarantine->from, "quarantine");
    return error != 0 ? error : sync_directory(quarantine->from, ".");
}
