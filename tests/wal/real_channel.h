/* real_channel.h - channels to real files, for tests.
 *
 * Thread: any.
 */
#ifndef TESTS_WAL_REAL_CHANNEL_H
#define TESTS_WAL_REAL_CHANNEL_H

#include "wal/channel.h"

/* channel_uring_create() or channel_posix_create(). */
typedef int (*channel_maker)(struct channel **channel);

/* Skips the test where the kernel refuses io_uring: there is nothing to test then. */
struct channel *real_channel_create(channel_maker make);

#endif
