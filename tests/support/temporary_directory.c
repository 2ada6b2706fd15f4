/* temporary_directory.c - mkdtemp() and its opposite. */
#include "temporary_directory.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void temporary_directory_make(char path[TEMPORARY_DIRECTORY_MAX])
{
    const char *base = getenv("TMPDIR");
    snprintf(path, TEMPORARY_DIRECTORY_MAX, "%s/florin-test-XXXXXX", base ? base : "/tmp");
    if (mkdtemp(path) == NULL) {
        perror(path);
        abort();
    }
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void temporary_directory_remove(const char *path)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        perror(path);
}
