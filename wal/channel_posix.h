/* channel_posix.h - a channel over pwrite and fdatasync, for kernels that refuse io_uring.
 *
 * A helper thread of its own does the blocking calls, so that a slow disk never stops the event
 * loop of a worker; an eventfd says that it is done.
 */
#ifndef FLORIN_WAL_CHANNEL_POSIX_H
#define FLORIN_WAL_CHANNEL_POSIX_H

#include "channel.h"

/* Files are those of storage_posix. 0, -ENOMEM, -EAGAIN, -EMFILE. Thread: the worker's. */
int channel_posix_create(struct channel **channel);

#endif
