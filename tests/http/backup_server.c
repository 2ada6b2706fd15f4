/* backup_server.c - florind whose backups are made up: so many bytes, then an end or an error.
 *
 *     backup_server BYTES ERRNO florind's options...
 *
 * Byte i is backup_byte(i). ERRNO 0: it ends well. BYTES 0 with an ERRNO: it does not even begin.
 * The linker finds these functions before the library's.
 */
#include "backup_server.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/florind_run.h"
#include "engine/runtime/backup.h"

struct backup {
    uint64_t offset;
};

/* set by main(), then read-only: backup_open() is told nothing but the ledger */
static uint64_t bytes_total;
static int error_at_end;

int backup_open(struct florin *ledger, struct backup **backup)
{
    (void)ledger;
    if (bytes_total == 0 && error_at_end != 0)
        return -error_at_end;
    *backup = calloc(1, sizeof(**backup));
    return *backup == NULL ? -ENOMEM : 0;
}

/* Odd lengths, so that a buffer takes several reads and is not always full. */
int backup_read(struct backup *backup, void *buffer, size_t length, size_t *got)
{
    enum { READ_MAX = 60001 };
    uint8_t *bytes = buffer;
    uint64_t left = bytes_total - backup->offset;
    size_t count = length < READ_MAX ? length : READ_MAX;
    if (count > left)
        count = (size_t)left;
    for (size_t i = 0; i < count; i++)
        bytes[i] = backup_byte(backup->offset + i);
    backup->offset += count;
    *got = count;
    return count == 0 ? -error_at_end : 0;
}

const char *backup_problem(const struct backup *backup)
{
    (void)backup;
    return error_at_end == EBADMSG ? "log/0000000000000001.wal: made up" : "";
}

void backup_close(struct backup *backup)
{
    free(backup);
}

int main(int argc, char **argv)
{
    struct florind_options options;
    if (argc < 3)
        return EXIT_USAGE;
    bytes_total = strtoull(argv[1], NULL, 10);
    error_at_end = (int)strtol(argv[2], NULL, 10);
    if (florind_options_read(&options, argc - 2, argv + 2) != OPTIONS_RUN)
        return EXIT_USAGE;
    return (int)florind_run(&options, NULL);
}
