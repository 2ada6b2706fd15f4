/* channel_uring.h - a channel over io_uring. The only file that includes liburing is its .c.
 *
 * One SQE a write: O_DIRECT and RWF_DSYNC on a zero-written file, so that the kernel needs no
 * worker thread; COOP_TASKRUN and TASKRUN_FLAG, because a DEFER_TASKRUN ring hangs in epoll.
 */
#ifndef FLORIN_WAL_CHANNEL_URING_H
#define FLORIN_WAL_CHANNEL_URING_H

#include "channel.h"

/* Files are those of storage_posix. 0; -ENOSYS, -EPERM, -EACCES where the kernel refuses io_uring;
 * -ENOMEM. Thread: the worker's. */
int channel_uring_create(struct channel **channel);

#endif
