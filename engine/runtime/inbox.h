/* inbox.h - wakes a sleeping thread, and only a sleeping one.
 *
 *     sleeper                              waker
 *     inbox_sleep_begin()  asleep = true   publish the message
 *     look once more for messages          inbox_wake(): if asleep, reset it and write the eventfd
 *     poll(descriptor, ...)
 *     inbox_sleep_end()    asleep = false
 *
 * Both sides store, then load what the other stores (asleep, the ring's tail), with sequential
 * consistency in between, so that at least one of them sees the other: either the sleeper finds the
 * message, or the waker finds it asleep. A thread that is awake costs its wakers one load.
 */
#ifndef FLORIN_RUNTIME_INBOX_H
#define FLORIN_RUNTIME_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>

struct inbox {
    int descriptor; /* eventfd; readable: woken */
    _Atomic bool asleep;
};

/* 0 or -errno of eventfd(). */
int inbox_init(struct inbox *inbox);
void inbox_deinit(struct inbox *inbox);

/* Thread: the sleeper. */
void inbox_sleep_begin(struct inbox *inbox);
void inbox_sleep_end(struct inbox *inbox);

/* Thread: any. */
void inbox_wake(struct inbox *inbox);

#endif
