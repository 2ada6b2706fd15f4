/* ballast.c - a file that takes what is left, in ever smaller pieces. */
#include "ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_BYTES = 256,
    PIECE_MAX = 16 * 1024 * 1024,
    PIECE_MIN = 4096,
};

static void ballast_path(const char *directory, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/ballast", directory);
}

void ballast_fill(const char *directory)
{
    char path[PATH_BYTES];
    struct stat status;
    ballast_path(directory, path);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || fstat(file, &status) != 0) {
        perror(path);
        abort();
    }
    off_t offset = status.st_size;
    for (off_t piece = PIECE_MAX; piece >= PIECE_MIN; piece /= 2) {
        while (fallocate(file, 0, offset, piece) == 0)
            offset += piece;
        if (errno != ENOSPC && errno != EINTR) {
            perror(path);
            abort();
        }
    }
    close(file);
}

void ballast_remove(const char *directory)
{
    char path[PATH_BYTES];
    ballast_path(directory, path);
    if (unlink(path) != 0) {
        perror(path);
        abort();
    }
}
