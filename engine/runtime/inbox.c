/* inbox.c - an eventfd and a flag. */
#include "inbox.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int inbox_init(struct inbox *inbox)
{
    int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    inbox->descriptor = descriptor;
    atomic_init(&inbox->asleep, false);
    return 0;
}

void inbox_deinit(struct inbox *inbox)
{
    close(inbox->descriptor);
    inbox->descriptor = -1;
}

void inbox_sleep_begin(struct inbox *inbox)
{
    atomic_store(&inbox->asleep, true);
    /* the store is ordered before the sleeper's second look at its rings */
    atomic_thread_fence(memory_order_seq_cst);
}

void inbox_sleep_end(struct inbox *inbox)
{
    if (atomic_exchange(&inbox->asleep, false))
        return;
    uint64_t count;
    ssize_t got = read(inbox->descriptor, &count, sizeof count);
    assert(got == (ssize_t)sizeof count || errno == EAGAIN);
}

void inbox_wake(struct inbox *inbox)
{
    /* what was published is ordered before the look at the flag */
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load(&inbox->asleep) || !atomic_exchange(&inbox->asleep, false))
        return;
    uint64_t one = 1;
    ssize_t put = write(inbox->descriptor, &one, sizeof one);
    assert(put == (ssize_t)sizeof one || errno == EAGAIN);
}
