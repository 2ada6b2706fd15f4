/* channel_posix.c - a channel over pwrite and fdatasync, on a helper thread of its own.
 *
 *     worker                      helper
 *     submit: job, BUSY  ----->   pwrite until all is written, fdatasync
 *     reap:   DONE, IDLE <-----   result, DONE, eventfd
 *
 * Everything but the eventfd stands under one mutex.
 *
 * Guarantees: 0 means that all bytes are on stable storage (with CHANNEL_NO_FLUSH: written). A
 * flush is tried once. Must not know: what is written.
 */
#include "channel_posix.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "storage_posix.h"

enum { RETRIES_MAX = 1000 };

enum job_state { JOB_IDLE, JOB_BUSY, JOB_DONE };

struct channel_posix {
    struct channel channel;
    int event;
    pthread_t helper;
    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum job_state state;
    bool stop;
    int result;
    int descriptor;
    const uint8_t *buffer;
    size_t length;
    uint64_t offset;
    enum channel_flush flush;
};

static int channel_write(int descriptor, const uint8_t *buffer, size_t length, uint64_t offset,
                         enum channel_flush flush)
{
    for (unsigned retries = 0; length > 0;) {
        ssize_t put = pwrite(descriptor, buffer, length, (off_t)offset);
        if (put == 0)
            return -EIO;
        if (put < 0) {
            if ((errno != EINTR && errno != EAGAIN) || ++retries > RETRIES_MAX)
                return -errno;
            continue;
        }
        buffer += put;
        length -= (size_t)put;
        offset += (uint64_t)put;
    }
    if (flush == CHANNEL_NO_FLUSH)
        return 0;
    return fdatasync(descriptor) == 0 ? 0 : -errno;
}

static void *channel_main(void *context)
{
    struct channel_posix *channel = context;
    pthread_mutex_lock(&channel->mutex);
    for (;;) {
        while (channel->state != JOB_BUSY && !channel->stop)
            pthread_cond_wait(&channel->changed, &channel->mutex);
        if (channel->state != JOB_BUSY)
            break;
        pthread_mutex_unlock(&channel->mutex);
        int result = channel_write(channel->descriptor, channel->buffer, channel->length,
                                   channel->offset, channel->flush);
        pthread_mutex_lock(&channel->mutex);
        channel->result = result;
        channel->state = JOB_DONE;
        pthread_cond_broadcast(&channel->changed);
        /* Cannot fail: the counter is at most 1. */
        (void)eventfd_write(channel->event, 1);
    }
    pthread_mutex_unlock(&channel->mutex);
    return NULL;
}

static int channel_submit(struct channel *base, struct storage_file *file, const void *buffer,
                          size_t length, uint64_t offset, enum channel_flush flush)
{
    struct channel_posix *channel = (struct channel_posix *)base;
    pthread_mutex_lock(&channel->mutex);
    assert(channel->state == JOB_IDLE);
    channel->descriptor = storage_posix_descriptor(file);
    channel->buffer = buffer;
    channel->length = length;
    channel->offset = offset;
    channel->flush = flush;
    channel->state = JOB_BUSY;
    pthread_cond_broadcast(&channel->changed);
    pthread_mutex_unlock(&channel->mutex);
    return 0;
}

static bool channel_reap(struct channel *base, int *result)
{
    struct channel_posix *channel = (struct channel_posix *)base;
    pthread_mutex_lock(&channel->mutex);
    bool done = channel->state == JOB_DONE;
    if (done) {
        eventfd_t count;
        (void)eventfd_read(channel->event, &count);
        *result = channel->result;
        channel->state = JOB_IDLE;
    }
    pthread_mutex_unlock(&channel->mutex);
    return done;
}

static int channel_descriptor(const struct channel *base)
{
    return ((const struct channel_posix *)base)->event;
}

static void channel_destroy(struct channel *base)
{
    struct channel_posix *channel = (struct channel_posix *)base;
    pthread_mutex_lock(&channel->mutex);
    channel->stop = true;
    pthread_cond_broadcast(&channel->changed);
    pthread_mutex_unlock(&channel->mutex);
    pthread_join(channel->helper, NULL); /* ends after a job under way */
    pthread_cond_destroy(&channel->changed);
    pthread_mutex_destroy(&channel->mutex);
    (void)close(channel->event);
    free(channel);
}

static const struct channel_operations channel_operations = {
    .submit = channel_submit,
    .reap = channel_reap,
    .descriptor = channel_descriptor,
    .destroy = channel_destroy,
};

int channel_posix_create(struct channel **created)
{
    struct channel_posix *channel = calloc(1, sizeof(*channel));
    if (channel == NULL)
        return -ENOMEM;
    channel->channel.operations = &channel_operations;
    int error;
    channel->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (channel->event < 0) {
        error = errno;
        goto free_channel;
    }
    error = pthread_mutex_init(&channel->mutex, NULL);
    if (error != 0)
        goto close_event;
    error = pthread_cond_init(&channel->changed, NULL);
    if (error != 0)
        goto destroy_mutex;
    error = pthread_create(&channel->helper, NULL, channel_main, channel);
    if (error != 0)
        goto destroy_condition;
    *created = &channel->channel;
    return 0;

destroy_condition:
    pthread_cond_destroy(&channel->changed);
destroy_mutex:
    pthread_mutex_destroy(&channel->mutex);
close_event:
    (void)close(channel->event);
free_channel:
    free(channel);
    return -error;
}
