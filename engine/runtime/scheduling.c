/* scheduling.c - short turns for workers, a low priority for the background.
 *
 * The length of a turn: sched_setattr(2), `sched_runtime` of an ordinary thread, since Linux 6.12
 * (EEVDF, kernel/sched/fair.c: a thread that wakes up and asks for shorter turns than the one that
 * runs may preempt it). Without it a worker whose commit has ended waits for the turn of whoever
 * has the core, up to 4 ms; docs/performance.md has what that did to commits under a checkpoint.
 */
#include "scheduling.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    /* The shortest that the kernel grants. */
    WORKER_TURN_NS = 100 * 1000,
    BACKGROUND_NICE = 10,
};

void scheduling_prefer_wake_up(void)
{
    struct sched_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0 ||
        attributes.sched_policy != SCHED_NORMAL)
        return; /* an operator's choice stays */
    attributes.sched_runtime = WORKER_TURN_NS;
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void scheduling_prefer_others(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE);
}
