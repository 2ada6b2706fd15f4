/* test_log_reader_files.c - readers on real files, beside threads that write the log and shorten
 * it.
 *
 * One thread writes, one follows, one finds LSNs at random, one removes old segments. What a reader
 * answers is right, or it is gone because it was removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "support/temporary_directory.h"
#include "wal/channel_posix.h"
#include "wal/channel_uring.h"
#include "wal/history.h"
#include "wal/log_reader.h"
#include "wal/real_channel.h"
#include "wal/storage_posix.h"

enum { SEGMENT = 64 * 1024, GROUPS = 400, SEEKS = 3000, KEPT_SEGMENTS = 6 };

struct scene {
    struct storage *storage;
    struct meta meta;
    struct log *log;
    sem_t more;    /* for the follower: one or more commits */
    sem_t removal; /* for the remover: the same */
    atomic_bool has_ended;
    _Atomic uint64_t removed_before; /* LSNs below may be gone */
    /* by their threads, read after the join */
    uint64_t followed;
    uint64_t gone;
    uint64_t found;
};

static bool frame_is_right(const struct log_frame *frame)
{
    return history_records_are_right(frame->header.first_lsn, frame->header.record_count,
                                     frame->payload, frame->header.payload_length);
}

/* Where to go on when what should come next is gone. */
static void seek_first(struct scene *scene, struct log_reader *reader)
{
    struct log_fault fault;
    int error = -ENODATA;
    while (error == -ENODATA) {
        uint64_t lsn = 0;
        error = log_reader_first_lsn(reader, &lsn);
        if (error == 0)
            error = log_reader_seek(reader, lsn, log_durable_lsn(scene->log), &fault);
    }
    assert_int_equal(error, 0);
}

static void *follow(void *context)
{
    struct scene *scene = context;
    struct log_reader *reader;
    uint64_t next = 1;
    assert_int_equal(log_reader_open(scene->storage, &scene->meta, &reader), 0);
    sem_wait(&scene->more);
    seek_first(scene, reader);
    bool last_round;
    do {
        last_round = atomic_load(&scene->has_ended);
        uint64_t durable = log_durable_lsn(scene->log);
        while (next <= durable) {
            struct log_fault fault;
            struct log_frame frame;
            int error = log_reader_next(reader, durable, &frame, &fault);
            if (error == -ENODATA) {
                assert_true(next < atomic_load(&scene->removed_before));
                seek_first(scene, reader);
                continue;
            }
            assert_int_equal(error, 0);
            assert_true(frame.header.first_lsn >= next);
            assert_true(frame_is_right(&frame));
            next = frame.header.last_lsn + 1;
        }
    } while (!last_round && sem_wait(&scene->more) == 0);
    scene->followed = next - 1;
    log_reader_close(reader);
    return NULL;
}

static void *find(void *context)
{
    struct scene *scene = context;
    struct log_reader *reader;
    uint64_t random = 1;
    assert_int_equal(log_reader_open(scene->storage, &scene->meta, &reader), 0);
    while (scene->found + scene->gone < SEEKS || !atomic_load(&scene->has_ended)) {
        uint64_t durable = log_durable_lsn(scene->log);
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        if (durable == 0)
            continue;
        uint64_t lsn = 1 + (random >> 33) % durable;
        struct log_fault fault;
        struct log_frame frame = {0};
        int error = log_reader_seek(reader, lsn, durable, &fault);
        if (error == 0)
            error = log_reader_next(reader, durable, &frame, &fault);
        if (error == -ENODATA) {
            assert_true(lsn < atomic_load(&scene->removed_before));
            scene->gone++;
            continue;
        }
        assert_int_equal(error, 0);
        assert_in_range(lsn, frame.header.first_lsn, frame.header.last_lsn);
        assert_true(frame_is_right(&frame));
        scene->found++;
    }
    log_reader_close(reader);
    return NULL;
}

static void *remove_old(void *context)
{
    struct scene *scene = context;
    struct log_reader *reader;
    assert_int_equal(log_reader_open(scene->storage, &scene->meta, &reader), 0);
    while (!atomic_load(&scene->has_ended)) {
        sem_wait(&scene->removal);
        uint64_t live = log_live_start(scene->log).segment;
        if (live < log_first_segment(scene->log) + 2 * KEPT_SEGMENTS)
            continue;
        uint64_t lsn;
        assert_int_equal(log_reader_segment_lsn(reader, live - KEPT_SEGMENTS, &lsn), 0);
        atomic_store(&scene->removed_before, lsn);
        assert_int_equal(log_remove_segments(scene->log, live - KEPT_SEGMENTS), 0);
    }
    log_reader_close(reader);
    return NULL;
}

static void readers_beside_a_writer(channel_maker make)
{
    struct channel *channel = real_channel_create(make);
    char path[TEMPORARY_DIRECTORY_MAX];
    struct scene scene = {.meta = history_meta(SEGMENT)};
    struct history history;
    temporary_directory_make(path);
    assert_int_equal(storage_posix_create(path, true, &scene.storage), 0);
    assert_int_equal(history_open(&history, scene.storage, channel, &scene.meta), 0);
    scene.log = history.log;
    sem_init(&scene.more, 0, 0);
    sem_init(&scene.removal, 0, 0);

    pthread_t threads[3];
    assert_int_equal(pthread_create(&threads[0], NULL, follow, &scene), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, find, &scene), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, remove_old, &scene), 0);
    for (unsigned i = 0; i < GROUPS; i++) {
        assert_int_equal(history_append(&history, i % 7 + 1, 50 + i * 37 % 4000), 0);
        history_commit(&history);
        assert_int_equal(history.error, 0);
        if (i % 5 == 0)
            history_mark(&history);
        sem_post(&scene.more);
        sem_post(&scene.removal);
    }
    atomic_store(&scene.has_ended, true);
    sem_post(&scene.more);
    sem_post(&scene.removal);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);

    assert_int_equal(scene.followed, history.durable);
    assert_true(scene.found > 0);
    assert_true(scene.gone > 0);
    assert_true(log_first_segment(history.log) > KEPT_SEGMENTS);
    history_close(&history, true);
    sem_destroy(&scene.more);
    sem_destroy(&scene.removal);
    storage_posix_destroy(scene.storage);
    temporary_directory_remove(path);
    channel->operations->destroy(channel);
}

static void readers__keep_up_with_io_uring_writes_and_removals(void **state)
{
    (void)state;
    readers_beside_a_writer(channel_uring_create);
}

static void readers__keep_up_with_posix_writes_and_removals(void **state)
{
    (void)state;
    readers_beside_a_writer(channel_posix_create);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers__keep_up_with_io_uring_writes_and_removals),
        cmocka_unit_test(readers__keep_up_with_posix_writes_and_removals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
