/* channel_uring.c - a channel over io_uring: one SQE, one CQE, no kernel worker thread.
 *
 * The write carries RWF_DSYNC: its completion says that the bytes and what is needed to find them
 * are on stable storage. A short write is completed by another one, with RWF_DSYNC as well, before
 * anything is reported. With CHANNEL_NO_FLUSH both go without. The ring itself is the descriptor to
 * poll.
 *
 * COOP_TASKRUN and TASKRUN_FLAG save the interrupt of the worker; io_uring_peek_cqe() sees the flag
 * and enters the kernel when completions wait there. Kernels before 5.19 do not know the flags.
 *
 * Guarantees: 0 means that all bytes are on stable storage (with CHANNEL_NO_FLUSH: written). Must
 * not know: what is written.
 */
#include "channel_uring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "storage_posix.h"

enum {
    /* One in flight; the completion queue is twice as long. */
    RING_ENTRIES = 2,
    RETRIES_MAX = 1000,
};

struct channel_uring {
    struct channel channel;
    struct io_uring ring;
    /* of the write under way; length 0: none */
    int descriptor;
    const uint8_t *buffer;
    size_t length;
    uint64_t offset;
    enum channel_flush flush;
    unsigned retries;
};

static int channel_send(struct channel_uring *channel)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&channel->ring);
    assert(sqe != NULL); /* nothing else is in the ring */
    io_uring_prep_write(sqe, channel->descriptor, channel->buffer, (unsigned)channel->length,
                        channel->offset);
    sqe->rw_flags = channel->flush == CHANNEL_FLUSH ? RWF_DSYNC : 0;
    for (;;) {
        int submitted = io_uring_submit(&channel->ring);
        if (submitted == 1)
            return 0;
        bool temporary =
            submitted == 0 || submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY;
        if (!temporary || ++channel->retries > RETRIES_MAX)
            return submitted < 0 ? submitted : -EIO;
    }
}

static int channel_submit(struct channel *base, struct storage_file *file, const void *buffer,
                          size_t length, uint64_t offset, enum channel_flush flush)
{
    struct channel_uring *channel = (struct channel_uring *)base;
    assert(channel->length == 0 && length > 0);
    channel->descriptor = storage_posix_descriptor(file);
    channel->buffer = buffer;
    channel->length = length;
    channel->offset = offset;
    channel->flush = flush;
    channel->retries = 0;
    int error = channel_send(channel);
    if (error != 0)
        channel->length = 0;
    return error;
}

/* What a completion means. true: the write has ended, with *result. */
static bool channel_advance(struct channel_uring *channel, int completion, int *result)
{
    *result = 0;
    if (completion > 0) {
        assert((size_t)completion <= channel->length);
        channel->buffer += completion;
        channel->length -= (size_t)completion;
        channel->offset += (uint64_t)completion;
        if (channel->length == 0)
            return true;
        if (completion % STORAGE_SECTOR_BYTES != 0) {
            *result = -EIO; /* a direct write cannot go on from there */
            return true;
        }
    } else if ((completion != -EINTR && completion != -EAGAIN) ||
               ++channel->retries > RETRIES_MAX) {
        *result = completion == 0 ? -EIO : completion;
        return true;
    }
    *result = channel_send(channel);
    return *result != 0;
}

static bool channel_reap(struct channel *base, int *result)
{
    struct channel_uring *channel = (struct channel_uring *)base;
    struct io_uring_cqe *cqe;
    if (channel->length == 0 || io_uring_peek_cqe(&channel->ring, &cqe) != 0)
        return false;
    int completion = cqe->res;
    io_uring_cqe_seen(&channel->ring, cqe);
    if (!channel_advance(channel, completion, result))
        return false;
    channel->length = 0;
    return true;
}

static int channel_descriptor(const struct channel *base)
{
    return ((const struct channel_uring *)base)->ring.ring_fd;
}

static void channel_destroy(struct channel *base)
{
    struct channel_uring *channel = (struct channel_uring *)base;
    struct io_uring_cqe *cqe;
    int result;
    while (channel->length > 0) {
        int error = io_uring_wait_cqe(&channel->ring, &cqe);
        if (error != 0 && error != -EINTR)
            break; /* the ring is gone, and with it the write */
        (void)channel_reap(base, &result);
    }
    io_uring_queue_exit(&channel->ring);
    free(channel);
}

static const struct channel_operations channel_operations = {
    .submit = channel_submit,
    .reap = channel_reap,
    .descriptor = channel_descriptor,
    .destroy = channel_destroy,
};

int channel_uring_create(struct channel **created)
{
    struct channel_uring *channel = calloc(1, sizeof(*channel));
    if (channel == NULL)
        return -ENOMEM;
    channel->channel.operations = &channel_operations;
    int error = io_uring_queue_init(RING_ENTRIES, &channel->ring,
                                    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
    if (error == -EINVAL)
        error = io_uring_queue_init(RING_ENTRIES, &channel->ring, 0);
    if (error != 0) {
        free(channel);
        return error;
    }
    *created = &channel->channel;
    return 0;
}
