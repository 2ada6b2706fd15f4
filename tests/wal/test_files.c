/* test_files.c - the log on real files: both channels, many threads, locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/temporary_directory.h"
#include "wal/channel_posix.h"
#include "wal/channel_uring.h"
#include "wal/history.h"
#include "wal/log_internal.h"
#include "wal/real_channel.h"
#include "wal/storage_posix.h"

enum { WORKERS = 4, ROUNDS = 150, SEGMENT = 256 * 1024 };

struct place {
    char path[TEMPORARY_DIRECTORY_MAX];
    struct storage *storage;
};

static void place_make(struct place *place)
{
    temporary_directory_make(place->path);
    assert_int_equal(storage_posix_create(place->path, true, &place->storage), 0);
}

static void place_remove(struct place *place)
{
    storage_posix_destroy(place->storage);
    temporary_directory_remove(place->path);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* --- channels -------------------------------------------------------------------------------- */

static int wait_for(struct channel *channel)
{
    int result;
    while (!channel->operations->reap(channel, &result)) {
        struct pollfd readable = {.fd = channel->operations->descriptor(channel), .events = POLLIN};
        assert_true(poll(&readable, 1, 10000) == 1);
    }
    return result;
}

static void channel_writes(channel_maker make)
{
    struct place place;
    struct channel *channel = real_channel_create(make);
    place_make(&place);
    const struct storage_operations *operations = place.storage->operations;
    struct storage_file *file;
    assert_int_equal(operations->open(place.storage, "file", STORAGE_CREATE_NEW, &file), 0);
    enum { LENGTH = 64 * 1024 };
    uint8_t *bytes = aligned_alloc(STORAGE_ALIGNMENT, LENGTH);
    uint8_t *read_back = aligned_alloc(STORAGE_ALIGNMENT, LENGTH);
    assert_non_null(bytes);
    assert_non_null(read_back);
    int result;
    assert_false(channel->operations->reap(channel, &result));
    for (unsigned round = 0; round < 4; round++) {
        memset(bytes, 'a' + (int)round, LENGTH);
        uint64_t offset = (uint64_t)round * LENGTH;
        enum channel_flush flush = round % 2 == 0 ? CHANNEL_FLUSH : CHANNEL_NO_FLUSH;
        assert_int_equal(channel->operations->submit(channel, file, bytes, LENGTH, offset, flush),
                         0);
        assert_int_equal(wait_for(channel), 0);
        assert_false(channel->operations->reap(channel, &result));
        assert_int_equal(operations->read(file, read_back, LENGTH, offset), 0);
        assert_memory_equal(bytes, read_back, LENGTH);
    }
    operations->close(file);
    /* A file that cannot be written to: the errno comes with the completion. */
    assert_int_equal(operations->open(place.storage, "file", STORAGE_READ_ONLY, &file), 0);
    assert_int_equal(channel->operations->submit(channel, file, bytes, LENGTH, 0, CHANNEL_FLUSH),
                     0);
    assert_int_equal(wait_for(channel), -EBADF);
    /* Destroyed with a write under way. */
    assert_int_equal(channel->operations->submit(channel, file, bytes, LENGTH, 0, CHANNEL_FLUSH),
                     0);
    channel->operations->destroy(channel);
    operations->close(file);
    free(bytes);
    free(read_back);
    place_remove(&place);
}

static void uring_channel__reports_what_is_written(void **state)
{
    (void)state;
    channel_writes(channel_uring_create);
}

static void posix_channel__reports_what_is_written(void **state)
{
    (void)state;
    channel_writes(channel_posix_create);
}

/* --- storage --------------------------------------------------------------------------------- */

static void count_visit(void *context, const char *name)
{
    unsigned *seen = context;
    assert_string_equal(name, "b");
    ++*seen;
}

static void posix_storage__answers_as_its_contract_says(void **state)
{
    (void)state;
    struct place place;
    place_make(&place);
    struct storage *storage = place.storage;
    const struct storage_operations *operations = storage->operations;
    struct storage_file *file;
    assert_int_equal(operations->open(storage, "d/a", STORAGE_OPEN_EXISTING, &file), -ENOENT);
    assert_int_equal(operations->make_directory(storage, "d"), 0);
    assert_int_equal(operations->make_directory(storage, "d"), 0);
    assert_int_equal(operations->open(storage, "d/a", STORAGE_CREATE_NEW, &file), 0);
    uint8_t *block = aligned_alloc(STORAGE_ALIGNMENT, STORAGE_ALIGNMENT);
    assert_non_null(block);
    memset(block, 7, STORAGE_ALIGNMENT);
    assert_int_equal(operations->write(file, block, STORAGE_ALIGNMENT, 0), 0);
    assert_int_equal(operations->read(file, block, STORAGE_ALIGNMENT, 0), 0);
    assert_int_equal(operations->read(file, block, STORAGE_ALIGNMENT, STORAGE_ALIGNMENT), -EIO);
    uint64_t size;
    assert_int_equal(operations->size(file, &size), 0);
    assert_int_equal(size, STORAGE_ALIGNMENT);
    assert_int_equal(operations->sync(file), 0);
    struct storage_file *other;
    assert_int_equal(operations->open(storage, "d/a", STORAGE_CREATE_NEW, &other), -EEXIST);
    assert_int_equal(operations->open(storage, "d/a", STORAGE_OPEN_EXISTING, &other), 0);
    assert_int_equal(operations->lock(file, 0), 0);
    assert_int_equal(operations->lock(other, 0), -EBUSY);
    assert_int_equal(operations->rename(storage, "d/a", "d/b"), 0);
    assert_int_equal(operations->sync_directory(storage, "d"), 0);
    operations->close(file);
    assert_int_equal(operations->lock(other, 0), 0);
    operations->close(other);
    unsigned seen = 0;
    assert_int_equal(operations->list(storage, "d", count_visit, &seen), 0);
    assert_int_equal(seen, 1);
    assert_int_equal(operations->remove(storage, "d/b"), 0);
    assert_int_equal(operations->remove(storage, "d/b"), -ENOENT);
    uint64_t free_bytes;
    uint64_t total_bytes;
    assert_int_equal(operations->space(storage, &free_bytes, &total_bytes), 0);
    assert_true(free_bytes <= total_bytes);
    free(block);
    place_remove(&place);
}

/* --- many threads ---------------------------------------------------------------------------- */

/* Workers share one log as those of the engine do: each with its channel, woken by a pipe. */
struct crowd {
    struct log *log;
    channel_maker make;
    int wake[WORKERS][2];
    atomic_uint unfinished;
};

struct crowd_worker {
    struct crowd *crowd;
    unsigned number;
    struct channel *channel;
    uint64_t last_lsn; /* reserved by this one */
    unsigned rounds;
};

static void crowd_wake(struct crowd *crowd, uint64_t workers)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        if ((workers >> i & 1) != 0)
            assert_int_equal(write(crowd->wake[i][1], "", 1), 1);
    }
}

static void crowd_wake_all(void *context)
{
    crowd_wake(context, UINT64_MAX);
}

/* Stages one batch when the one before is durable. */
static void worker_stage(struct crowd_worker *worker)
{
    struct log *log = worker->crowd->log;
    if (worker->rounds == ROUNDS || log_durable_lsn(log) < worker->last_lsn)
        return;
    uint8_t bytes[2048];
    uint32_t count = worker->rounds % 5 + 1;
    size_t length = 48 + worker->rounds % 7 * 40;
    struct log_reservation reservation;
    int error = log_reserve(log, worker->number, count * length, count, &reservation);
    if (error == -EAGAIN)
        return;
    assert_int_equal(error, 0);
    for (uint32_t i = 0; i < count; i++)
        history_record(reservation.first_lsn + i, bytes + i * length, length);
    log_publish(log, &reservation, bytes);
    worker->last_lsn = reservation.first_lsn + count - 1;
    if (++worker->rounds == ROUNDS)
        atomic_fetch_sub(&worker->crowd->unfinished, 1);
}

static void *worker_main(void *context)
{
    struct crowd_worker *worker = context;
    struct crowd *crowd = worker->crowd;
    struct channel *channel = worker->channel;
    bool in_flight = false;
    while (atomic_load(&crowd->unfinished) > 0 || log_durable_lsn(crowd->log) < worker->last_lsn ||
           in_flight) {
        uint64_t workers;
        if (in_flight && log_complete(crowd->log, channel, now_ns(), &workers)) {
            in_flight = log_commit(crowd->log, channel, now_ns());
            crowd_wake(crowd, workers);
        }
        worker_stage(worker);
        if (!in_flight)
            in_flight = log_commit(crowd->log, channel, now_ns());
        struct pollfd readable[] = {
            {.fd = crowd->wake[worker->number][0], .events = POLLIN},
            {.fd = channel->operations->descriptor(channel), .events = POLLIN},
        };
        if (poll(readable, 2, 100) > 0 && (readable[0].revents & POLLIN) != 0) {
            char byte;
            assert_int_equal(read(readable[0].fd, &byte, 1), 1);
        }
    }
    return NULL;
}

static void crowd_run(struct crowd *crowd, uint64_t *records)
{
    struct crowd_worker workers[WORKERS];
    pthread_t threads[WORKERS];
    atomic_store(&crowd->unfinished, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct crowd_worker){.crowd = crowd, .number = i};
        workers[i].channel = real_channel_create(crowd->make);
        assert_int_equal(pthread_create(&threads[i], NULL, worker_main, &workers[i]), 0);
    }
    *records = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        if (workers[i].last_lsn > *records)
            *records = workers[i].last_lsn;
    }
    assert_int_equal(log_durable_lsn(crowd->log), *records);
    log_close(crowd->log, workers[0].channel, true);
    for (unsigned i = 0; i < WORKERS; i++)
        workers[i].channel->operations->destroy(workers[i].channel);
}

static void crowd_shares_a_log(channel_maker make)
{
    struct place place;
    struct channel *channel = real_channel_create(make);
    place_make(&place);
    struct crowd crowd = {.make = make};
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pipe(crowd.wake[i]), 0);
    struct meta meta = history_meta(SEGMENT);
    assert_int_equal(meta_create(place.storage, &meta), 0);
    struct log_options options = {
        .storage = place.storage,
        .meta = meta,
        .wake = crowd_wake_all,
        .wake_context = &crowd,
        .background = true,
    };
    struct log_report report;
    assert_int_equal(log_open(&options, &crowd.log, &report), 0);
    uint64_t records;
    crowd_run(&crowd, &records);
    assert_true(records >= WORKERS * ROUNDS);

    struct history history;
    assert_int_equal(history_open(&history, place.storage, channel, &meta), 0);
    assert_int_equal(history.report.end, LOG_END_CLEAN);
    assert_int_equal(history.replayed, records);
    assert_false(history.replay_is_wrong);
    history_close(&history, true);
    for (unsigned i = 0; i < WORKERS; i++) {
        close(crowd.wake[i][0]);
        close(crowd.wake[i][1]);
    }
    channel->operations->destroy(channel);
    place_remove(&place);
}

static void many_threads__share_a_log_through_io_uring(void **state)
{
    (void)state;
    crowd_shares_a_log(channel_uring_create);
}

static void many_threads__share_a_log_through_posix_calls(void **state)
{
    (void)state;
    crowd_shares_a_log(channel_posix_create);
}

/* --- the disk fills up ----------------------------------------------------------------------- */

/* Real files on a disk that can be full: writes that prepare segments are refused then. */
struct full_disk {
    struct place place;
    struct storage_operations operations;
    atomic_bool is_full;
    sem_t full_seen;
    sem_t room_seen;
};

static int full_disk_write(struct storage_file *file, const void *buffer, size_t length,
                           uint64_t offset)
{
    /* The table that this function was called through stands in the disk. */
    const char *operations = (const char *)file->storage->operations;
    const struct full_disk *disk =
        (const struct full_disk *)(operations - offsetof(struct full_disk, operations));
    if (atomic_load(&disk->is_full) && offset == SEGMENT_HEADER_BYTES)
        return -ENOSPC;
    return pwrite(storage_posix_descriptor(file), buffer, length, (off_t)offset) == (ssize_t)length
               ? 0
               : -EIO;
}

static void full_disk_line(void *context, const char *line)
{
    struct full_disk *disk = context;
    if (strstr(line, "event=storage_full") != NULL)
        sem_post(&disk->full_seen);
    if (strstr(line, "event=storage_has_room") != NULL)
        sem_post(&disk->room_seen);
}

static void wait_for_line(sem_t *seen)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    assert_int_equal(sem_timedwait(seen, &until), 0);
}

/* Commits groups of one large record; the number of them until the log refuses. */
static unsigned write_until_refused(struct log *log, struct channel *channel, int *error)
{
    static uint8_t bytes[SEGMENT / 4];
    unsigned written = 0;
    for (;; written++) {
        struct log_reservation reservation;
        *error = log_reserve(log, 0, sizeof(bytes), 1, &reservation);
        if (*error != 0 || written == 20)
            return written;
        log_publish(log, &reservation, bytes);
        if (!log_commit(log, channel, now_ns()))
            return written; /* no spare yet: it is being made */
        uint64_t workers;
        while (!log_complete(log, channel, now_ns(), &workers)) {
            struct pollfd readable = {.fd = channel->operations->descriptor(channel),
                                      .events = POLLIN};
            assert_true(poll(&readable, 1, 10000) == 1);
        }
    }
}

static void full_disk__refuses_and_resumes_by_itself(void **state)
{
    (void)state;
    struct full_disk disk;
    atomic_init(&disk.is_full, false);
    place_make(&disk.place);
    disk.operations = *disk.place.storage->operations;
    disk.operations.write = full_disk_write;
    disk.place.storage->operations = &disk.operations;
    sem_init(&disk.full_seen, 0, 0);
    sem_init(&disk.room_seen, 0, 0);
    struct channel *channel = real_channel_create(channel_posix_create);
    struct meta meta = history_meta(SEGMENT);
    assert_int_equal(meta_create(disk.place.storage, &meta), 0);
    atomic_store(&disk.is_full, true);
    struct log_options options = {
        .storage = disk.place.storage,
        .meta = meta,
        .log_line = full_disk_line,
        .log_context = &disk,
        .background = true,
    };
    struct log *log;
    struct log_report report;
    assert_int_equal(log_open(&options, &log, &report), 0);
    wait_for_line(&disk.full_seen);
    assert_int_equal(log_writable(log), -ENOSPC);
    int error;
    assert_int_equal(write_until_refused(log, channel, &error), 3);
    assert_int_equal(error, -ENOSPC);
    assert_int_equal(log_failed(log), 0);

    atomic_store(&disk.is_full, false);
    wait_for_line(&disk.room_seen);
    assert_true(write_until_refused(log, channel, &error) >= 3);
    log_close(log, channel, true);
    channel->operations->destroy(channel);
    sem_destroy(&disk.full_seen);
    sem_destroy(&disk.room_seen);
    place_remove(&disk.place);
}

/* --- locks ----------------------------------------------------------------------------------- */

static void second_process__is_refused_while_the_first_lives(void **state)
{
    (void)state;
    struct place place;
    struct channel *channel = real_channel_create(channel_posix_create);
    place_make(&place);
    struct meta meta = history_meta(SEGMENT);
    struct history first;
    assert_int_equal(history_open(&first, place.storage, channel, &meta), 0);
    struct log_options options = {.storage = place.storage, .meta = meta};
    struct log *second;
    struct log_report report;
    assert_int_equal(log_open_within(&options, 30, &second, &report), -EBUSY);
    /* The log still works. */
    assert_int_equal(history_append(&first, 1, 100), 0);
    history_commit(&first);
    assert_int_equal(first.error, 0);
    history_close(&first, false);
    assert_int_equal(log_open_within(&options, 30, &second, &report), 0);
    assert_int_equal(report.records, 1);
    log_close(second, channel, true);
    channel->operations->destroy(channel);
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uring_channel__reports_what_is_written),
        cmocka_unit_test(posix_channel__reports_what_is_written),
        cmocka_unit_test(posix_storage__answers_as_its_contract_says),
        cmocka_unit_test(many_threads__share_a_log_through_io_uring),
        cmocka_unit_test(many_threads__share_a_log_through_posix_calls),
        cmocka_unit_test(full_disk__refuses_and_resumes_by_itself),
        cmocka_unit_test(second_process__is_refused_while_the_first_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
