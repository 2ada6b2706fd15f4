/* faulty_server.c - florind on a real directory, but with channels that a test can stop or break.
 *
 *     faulty_server SWITCH_FD WAKE_FD florind's options...
 *
 * For one worker: the wake descriptor is the channel's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cli/florind_run.h"
#include "faulty_server.h"
#include "wal/channel.h"
#include "wal/storage_posix.h"

struct faulty_channel {
    struct channel channel;
    struct faulty_switch *control;
    int wake_descriptor;
    bool under_way;
    bool hangs; /* began while the disk hung */
    struct storage_file *file;
    const void *buffer;
    size_t length;
    uint64_t offset;
    enum channel_flush flush;
};

struct faulty_context {
    struct faulty_switch *control;
    int wake_descriptor;
};

/* The real directory's, but that files of the log open only while the disk does not hang: so that
 * a test can hold a server in its recovery. */
struct faulty_storage {
    struct storage_operations operations;
    const struct storage_operations *real;
    struct faulty_switch *control;
};

static bool opens_hang(const struct faulty_switch *control)
{
    int mode = atomic_load(&control->mode);
    return mode == FAULTY_HANGS || mode == FAULTY_OPENS_HANG || mode == FAULTY_FAILS_AND_HANGS;
}

static int faulty_open(struct storage *storage, const char *name, enum storage_open mode,
                       struct storage_file **file)
{
    /* The operations stand at the start of what a test's storage knows. */
    const struct faulty_storage *faulty = (const void *)storage->operations;
    const struct timespec pause = {.tv_nsec = 1000000};
    bool of_log = strncmp(name, "log/", 4) == 0;
    if (of_log && opens_hang(faulty->control))
        atomic_fetch_add(&faulty->control->opening, 1);
    while (of_log && opens_hang(faulty->control))
        nanosleep(&pause, NULL);
    return faulty->real->open(storage, name, mode, file);
}

static void wake(const struct faulty_channel *channel)
{
    const uint64_t one = 1;
    ssize_t written = write(channel->wake_descriptor, &one, sizeof(one));
    (void)written;
}

static int faulty_submit(struct channel *channel, struct storage_file *file, const void *buffer,
                         size_t length, uint64_t offset, enum channel_flush flush)
{
    struct faulty_channel *faulty = (struct faulty_channel *)channel;
    faulty->file = file;
    faulty->buffer = buffer;
    faulty->length = length;
    faulty->offset = offset;
    faulty->flush = flush;
    faulty->under_way = true;
    faulty->hangs = atomic_load(&faulty->control->mode) == FAULTY_HANGS;
    if (faulty->hangs)
        atomic_fetch_add(&faulty->control->hanging, 1);
    else
        wake(faulty);
    return 0;
}

static bool faulty_reap(struct channel *channel, int *result)
{
    struct faulty_channel *faulty = (struct faulty_channel *)channel;
    const struct storage_operations *operations = faulty->file->storage->operations;
    uint64_t count;
    int mode = atomic_load(&faulty->control->mode);
    /* One that had begun before ends: a test waits for one that it has caused. */
    if (!faulty->under_way || (faulty->hangs && mode == FAULTY_HANGS))
        return false;
    faulty->under_way = false;
    ssize_t got = read(faulty->wake_descriptor, &count, sizeof(count));
    (void)got;
    *result = -EIO;
    if (mode == FAULTY_FAILS || mode == FAULTY_FAILS_AND_HANGS)
        return true;
    *result = operations->write(faulty->file, faulty->buffer, faulty->length, faulty->offset);
    if (*result == 0 && faulty->flush == CHANNEL_FLUSH)
        *result = operations->sync(faulty->file);
    return true;
}

static int faulty_descriptor(const struct channel *channel)
{
    return ((const struct faulty_channel *)channel)->wake_descriptor;
}

static void faulty_destroy(struct channel *channel)
{
    free(channel);
}

static const struct channel_operations operations = {
    .submit = faulty_submit,
    .reap = faulty_reap,
    .descriptor = faulty_descriptor,
    .destroy = faulty_destroy,
};

static int create_channel(void *context, struct channel **channel)
{
    const struct faulty_context *faults = context;
    struct faulty_channel *created = calloc(1, sizeof(*created));
    if (created == NULL)
        return -ENOMEM;
    created->channel.operations = &operations;
    created->control = faults->control;
    created->wake_descriptor = faults->wake_descriptor;
    *channel = &created->channel;
    return 0;
}

int main(int argc, char **argv)
{
    struct florind_options options;
    struct faulty_context faults;
    struct ledger_devices devices = {.create_channel = create_channel, .context = &faults};
    if (argc < 3)
        return EXIT_USAGE;
    faults.control = mmap(NULL, sizeof(*faults.control), PROT_READ | PROT_WRITE, MAP_SHARED,
                          (int)strtol(argv[1], NULL, 10), 0);
    faults.wake_descriptor = (int)strtol(argv[2], NULL, 10);
    if (faults.control == MAP_FAILED)
        return EXIT_USAGE;
    if (florind_options_read(&options, argc - 2, argv + 2) != OPTIONS_RUN)
        return EXIT_USAGE;
    if (storage_posix_create(options.data, true, &devices.storage) != 0)
        return EXIT_CANNOT_CREATE;
    struct faulty_storage storage = {
        .operations = *devices.storage->operations,
        .real = devices.storage->operations,
        .control = faults.control,
    };
    storage.operations.open = faulty_open;
    devices.storage->operations = &storage.operations;
    int code = (int)florind_run(&options, &devices);
    storage_posix_destroy(devices.storage);
    return code;
}
